// SPDX-License-Identifier: MPL-2.0
//
// fsd's layers below the server, on the host: an image file as block device, and shorthands for operations.
#pragma once

#include "core/block.h"
#include "core/context.h"
#include "core/mount.h"

struct block_device *image_open(const char *path, bool read_only);
/// Fails the n-th write from now on (and all after it), as a disk that breaks; 0: never.
extern unsigned long image_break_after;
extern bool image_reads_fail;
extern unsigned long image_reads, image_writes, image_flushes;

struct name P(const char *path);
_Noreturn void fail(const char *file, int line, const char *what, long a, long b);
#define CHECK(cond) ((cond) ? (void)0 : fail(__FILE__, __LINE__, #cond, 0, 0))
#define EQUAL(a, b) check_equal(__FILE__, __LINE__, #a " == " #b, (long)(a), (long)(b))
static inline void check_equal(const char *file, int line, const char *what, long a, long b) {
    if (a != b) {
        fail(file, line, what, a, b);
    }
}

uint32_t dice(uint32_t n); // 0 .. n-1
extern uint64_t dice_state;

// test_maps.c: a file at `path` as programs see it that have it mapped; the second on an ext file system at /b.
void maps_test(struct context *c, const char *path, size_t limit, unsigned operations);
void maps_on_disk_test(struct context *c, const char *path);

struct context *root_context(uint32_t uid);
int run(const char *format, ...);
