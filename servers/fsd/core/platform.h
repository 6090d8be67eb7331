// SPDX-License-Identifier: MPL-2.0
//
// What the portable layers (core, cache, tmpfs, ext) need from where they run: the server (server/platform.c) or the
// host test (tests/unit/fsd).
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Nanoseconds since 1970, UTC.
int64_t platform_now(void);

/// One line for the log; no newline at the end.
[[gnu::format(printf, 1, 2)]] void platform_log(const char *format, ...);

/// A chunk of memory for the page pool, page aligned, zeroed, that block devices can transfer to and from. null:
/// none left. Chunks are never given back.
void *platform_chunk(size_t bytes);

/// Something changed that a sync has to write: called when nothing had before.
void platform_dirty(void);
