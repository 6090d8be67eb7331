// SPDX-License-Identifier: MPL-2.0
//
// posixd's memory: one large range of zero-fill pages, handed out in powers of two. A block's class is in
// the 16 bytes before it. Freed blocks go to the list of their class and are never split or joined: what
// posixd allocates comes in few sizes that come back, and a block of one class can only ever be that class
// again, so that a stale pointer cannot overlap another kind of record.
#include "posixd.h"

#define HEAP_BYTES (UINT64_C(256) << 20)
#define SMALLEST 6 // log2
#define LARGEST 23 // 8 MiB

struct block { uint64_t class; struct block *next; };
static_assert(sizeof(struct block) == 16);

static struct block *free_blocks[LARGEST + 1];
static char *heap_next, *heap_end;

fut_status_t heap_init(fut_handle_t space)
{
    struct fut_map map = {.bytes = HEAP_BYTES, .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON};
    uint64_t address;
    fut_status_t status = fut_space_map(space, &map, &address);
    if (status != FUT_OK)
        return status;
    heap_next = (char *)address;
    heap_end = heap_next + HEAP_BYTES;
    return FUT_OK;
}

void *heap_alloc(size_t bytes)
{
    if (bytes > (UINT64_C(1) << LARGEST) - sizeof(struct block))
        return nullptr;
    unsigned class = SMALLEST;
    while ((UINT64_C(1) << class) - sizeof(struct block) < bytes)
        class++;
    struct block *b = free_blocks[class];
    if (b != nullptr) {
        free_blocks[class] = b->next;
    } else {
        if ((size_t)(heap_end - heap_next) < UINT64_C(1) << class)
            return nullptr;
        b = (struct block *)heap_next;
        heap_next += UINT64_C(1) << class;
        b->class = class;
    }
    b->next = nullptr;
    return b + 1;
}

void *heap_zero(size_t bytes)
{
    void *p = heap_alloc(bytes);
    if (p != nullptr)
        memset(p, 0, bytes);
    return p;
}

void heap_free(void *p)
{
    if (p == nullptr)
        return;
    struct block *b = (struct block *)p - 1;
    b->next = free_blocks[b->class];
    free_blocks[b->class] = b;
}
