// SPDX-License-Identifier: MPL-2.0
//
// The page map of a Memory: a radix tree with 64 slots a node. Its height follows from the size.
#include "radix.h"
#include <cap/types.h>

uint32_t radix_height(uint64_t bytes)
{
    uint32_t h = 1;
    while (h < 6 && bytes > (uint64_t)FUT_PAGE_SIZE << (RADIX_SHIFT * h))
        h++;
    return h;
}

uint64_t *radix_find_slow(struct memory *m, uint64_t index)
{
    struct radix_node *n = m->root;
    for (uint32_t level = m->height; n; level--) {
        if (level == 1) {
            m->leaf = n;
            m->leaf_first = index & ~(uint64_t)(RADIX_SLOTS - 1);
            return &n->slot[index & (RADIX_SLOTS - 1)];
        }
        n = (struct radix_node *)(uintptr_t)n->slot[index >> (RADIX_SHIFT * (level - 1)) & (RADIX_SLOTS - 1)];
    }
    return nullptr;
}

// A node is an object of the Memory's Account.
static struct radix_node *node_new(struct memory *m)
{
    if (account_charge_object(m->object.account))
        return nullptr;
    struct radix_node *n = slab_alloc(sizeof *n);
    if (!n)
        account_return_object(m->object.account);
    return n;
}

static void node_free(struct memory *m, struct radix_node *n)
{
    slab_free(n, sizeof *n);
    account_return_object(m->object.account);
}

uint64_t *radix_make(struct memory *m, uint64_t index)
{
    uint64_t *slot = radix_find(m, index);
    if (slot)
        return slot;
    if (!m->root && !(m->root = node_new(m)))
        return nullptr;
    struct radix_node *n = m->root;
    for (uint32_t level = m->height; level > 1; level--) {
        slot = &n->slot[index >> (RADIX_SHIFT * (level - 1)) & (RADIX_SLOTS - 1)];
        if (!*slot) {
            struct radix_node *child = node_new(m);
            if (!child)
                return nullptr;
            *slot = (uintptr_t)child;
        }
        n = (struct radix_node *)(uintptr_t)*slot;
    }
    m->leaf = n;
    m->leaf_first = index & ~(uint64_t)(RADIX_SLOTS - 1);
    return &n->slot[index & (RADIX_SLOTS - 1)];
}

bool radix_grow(struct memory *m, uint64_t bytes)
{
    for (uint32_t want = radix_height(bytes); m->height < want; m->height++) {
        if (!m->root)
            continue;
        struct radix_node *n = node_new(m);
        if (!n)
            return false;
        n->slot[0] = (uintptr_t)m->root;
        m->root = n;
    }
    return true;
}

static bool is_empty(const struct radix_node *n)
{
    for (unsigned i = 0; i < RADIX_SLOTS; i++)
        if (n->slot[i])
            return false;
    return true;
}

static void each(struct memory *m, struct radix_node *n, uint32_t level, uint64_t base, uint64_t first, uint64_t last,
                 radix_leaf_fn *fn, void *arg)
{
    uint32_t shift = RADIX_SHIFT * (level - 1);
    uint64_t span = 1ull << shift;
    uint64_t from = first > base ? (first - base) >> shift : 0;
    if (level == 1) {
        fn(m, base, n->slot, (unsigned)from, (unsigned)min(last - base, (uint64_t)(RADIX_SLOTS - 1)), arg);
        return;
    }
    for (uint64_t i = from; i < RADIX_SLOTS; i++) {
        uint64_t at = base + i * span;
        if (at > last)
            return;
        struct radix_node *child = (struct radix_node *)(uintptr_t)n->slot[i];
        if (!child)
            continue;
        each(m, child, level - 1, at, first, last, fn, arg);
        // A sparse Memory that is used and given back a bit at a time keeps no nodes for what it no longer holds.
        if (is_empty(child)) {
            n->slot[i] = 0;
            m->leaf = m->leaf == child ? nullptr : m->leaf;
            node_free(m, child);
        }
    }
}

void radix_each(struct memory *m, uint64_t first, uint64_t last, radix_leaf_fn *fn, void *arg)
{
    if (m->root && first <= last && first >> (RADIX_SHIFT * m->height) == 0)
        each(m, m->root, m->height, 0, first, last, fn, arg);
}

bool radix_prune(struct memory *m, radix_leaf_fn *fn, void *arg)
{
    m->leaf = nullptr;
    uint64_t *from = nullptr;
    struct radix_node *n = m->root;
    for (uint32_t level = m->height; n; level--) {
        unsigned i = 0;
        while (level > 1 && i < RADIX_SLOTS && !n->slot[i])
            i++;
        if (level > 1 && i < RADIX_SLOTS) {
            from = &n->slot[i];
            n = (struct radix_node *)(uintptr_t)n->slot[i];
            continue;
        }
        if (level == 1)
            fn(m, 0, n->slot, 0, RADIX_SLOTS - 1, arg);
        node_free(m, n);
        if (!from)
            m->root = nullptr;
        else
            *from = 0;
        break;
    }
    return !m->root;
}
