// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <memory.h>

uint32_t radix_height(uint64_t bytes);
uint64_t *radix_find_slow(struct memory *m, uint64_t index);
// The slot of a page; null where no leaf is.
static inline uint64_t *radix_find(struct memory *m, uint64_t index)
{
    if (likely(m->leaf && index - m->leaf_first < RADIX_SLOTS))
        return &m->leaf->slot[index - m->leaf_first];
    return radix_find_slow(m, index);
}
uint64_t *radix_make(struct memory *m, uint64_t index); // null: no memory
bool radix_grow(struct memory *m, uint64_t bytes);
// Calls fn for every leaf with pages in first .. last (inclusive): slots from .. to of it, page numbers base + i.
typedef void radix_leaf_fn(struct memory *m, uint64_t base, uint64_t *slot, unsigned from, unsigned to, void *arg);
void radix_each(struct memory *m, uint64_t first, uint64_t last, radix_leaf_fn *fn, void *arg);
// Takes one leaf away, whose slots fn gets, or an empty node. True: nothing is left. For a Memory that no mapping shows.
bool radix_prune(struct memory *m, radix_leaf_fn *fn, void *arg);
