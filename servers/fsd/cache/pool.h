// SPDX-License-Identifier: MPL-2.0
//
// The page pool: memory for cached file contents and metadata, that block devices transfer to and from directly. It
// grows by chunks up to a limit and hands out runs of 2^order pages (a buddy allocator), so that a large transfer is
// one request.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_PAGE 4096u
#define POOL_CHUNK (2u << 20)
#define POOL_MAX_ORDER 6u
#define POOL_MAX_CHUNKS 512u

/// At most this many bytes are ever taken.
void pool_limit(size_t bytes);
/// A run of 2^order pages, or null. The contents are whatever they were.
void *pool_take(unsigned order);
void pool_give(void *run, unsigned order);
size_t pool_free_pages(void);   // includes what the pool may still grow by
size_t pool_total_pages(void);  // the limit
/// Which chunk (and where in it) a pool address lies in.
bool pool_locate(const void *p, unsigned *chunk, size_t *offset);
