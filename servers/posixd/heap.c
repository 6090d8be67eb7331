// SPDX-License-Identifier: MPL-2.0
//
// posixd's memory, handed out in powers of two (behind a header). It grows by pages that are there when they are asked for, so
// that the machine running out of memory is an answer here and not a fault. A block's class is in the 16 bytes
// before it. Freed blocks go to the list of their class and are never split or joined: what
// posixd allocates comes in few sizes that come back, and a block of one class can only ever be that class
// again, so that a stale pointer cannot overlap another kind of record.
#include "posixd.h"

#define HEAP_BASE UINT64_C(0x1000000000) // far from where the kernel places other mappings
#define HEAP_BYTES (UINT64_C(512) << 20)
#define GROWTH (UINT64_C(256) << 10)
#define SMALLEST 6 // log2
#define LARGEST 23 // 8 MiB

struct block { uint64_t class; struct block *next; };
static_assert(sizeof(struct block) == 16);

static struct block *free_blocks[LARGEST + 1];
static fut_handle_t heap_space;
static char *heap_next, *heap_end;

// Adds at least `bytes` behind what there is.
static bool grow(uint64_t bytes)
{
    bytes = PAGE_UP(bytes < GROWTH ? GROWTH : bytes);
    if ((uint64_t)heap_end + bytes > HEAP_BASE + HEAP_BYTES)
        return false;
    fut_handle_t memory;
    if (fut_memory_create(bytes, FUT_MEM_COMMIT, &memory) != FUT_OK)
        return false;
    struct fut_map map = {.address = (uint64_t)heap_end, .bytes = bytes, .memory = memory,
                          .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_FIXED};
    uint64_t address;
    fut_status_t status = fut_space_map(heap_space, &map, &address);
    (void)fut_cap_delete(memory); // the mapping keeps it
    if (status != FUT_OK)
        return false;
    heap_end += bytes;
    return true;
}

fut_status_t heap_init(fut_handle_t space)
{
    heap_space = space;
    heap_next = heap_end = (char *)HEAP_BASE;
    return grow(GROWTH) ? FUT_OK : FUT_ERR_NO_MEMORY;
}

void *heap_alloc(size_t bytes)
{
    if (bytes > UINT64_C(1) << LARGEST)
        return nullptr;
    unsigned class = SMALLEST;
    while (UINT64_C(1) << class < bytes)
        class++;
    struct block *b = free_blocks[class];
    if (b != nullptr) {
        free_blocks[class] = b->next;
    } else {
        size_t have = (size_t)(heap_end - heap_next), want = ((size_t)1 << class) + sizeof *b;
        if (have < want && !grow(want - have))
            return nullptr;
        b = (struct block *)heap_next;
        heap_next += want;
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
