// SPDX-License-Identifier: MPL-2.0
//
// What cache.c (contents) and show.c (what programs have mapped) share.
#pragma once

#include "cache/cache.h"

struct segment {
    struct cache_file *file;
    uint64_t index; // window
    char *data;
    uint64_t valid, dirty, reserved; // bit per unit
    uint64_t shown;                  // units that programs can see: pages of the file's Memory
    uint64_t writable;               // of those: written without asking, so all of them count as dirty
    uint64_t maybe;                  // of those: nobody asked to write them yet
    struct segment *next, *prev;     // of the file
    struct segment *hash_next, **hash_link;
    struct segment *newer, *older;   // use; both null for in_memory files
    uint16_t pins;
    uint8_t order;                   // pages
};

static inline uint64_t segment_mask(unsigned first, unsigned count) {
    return count >= 64 ? ~0ull << first : ((1ull << count) - 1) << first;
}
static inline unsigned units_per_window(const struct cache_file *f) { return 1u << f->window_shift; }
static inline char *unit_at(const struct segment *s, unsigned u) { return s->data + ((size_t)u << s->file->unit_shift); }

struct segment *segment_find(const struct cache_file *f, uint64_t index);
void segment_set_dirty(struct segment *s, uint64_t units);
void segment_set_clean(struct segment *s, uint64_t units);
/// Promises storage for a unit that has none. The segment must be pinned.
fs_error segment_reserve(struct segment *s, unsigned unit);
void segment_unreserve(struct segment *s, uint64_t units);

/// Takes units back from programs; what they wrote is in the segment, and dirty.
void segment_hide(struct segment *s, uint64_t units);
/// Finds what was written, before units are stored: a write that comes now is asked for first.
void segment_collect(struct segment *s);
