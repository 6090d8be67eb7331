// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <memory.h>

uint32_t radix_height(uint64_t bytes);
// The slot of a page; null where no leaf is.
uint64_t *radix_find(const struct memory *m, uint64_t index);
uint64_t *radix_make(struct memory *m, uint64_t index); // null: no memory
bool radix_grow(struct memory *m, uint64_t bytes);
// Calls fn for every slot that is not 0 in first .. last (inclusive).
void radix_each(struct memory *m, uint64_t first, uint64_t last,
                void (*fn)(struct memory *m, uint64_t index, uint64_t *slot, void *arg), void *arg);
void radix_free(struct memory *m); // nodes only
