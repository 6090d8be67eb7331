// SPDX-License-Identifier: MPL-2.0
//
// Packet memory. One contiguous Memory, shared with the drivers: for each device its rings, then the buffers that frames
// are received into, then what lwIP and the sockets allocate. So a packet is sent from where it was put together, and
// received where it stays until a program reads it.
//
// The allocator has one free list per size and never gives a block another size: packets come in few sizes, and both
// allocation and release are a handful of instructions. Each block has a header with its size, so that a release that
// names no block is noticed.
#include "netd.h"
#include "state.h"

struct block {
    uint32_t magic;
    uint16_t class;
    uint16_t pad;
    struct block *next; // free list
};
static_assert(sizeof(struct block) == 16);
#define MAGIC_USED 0x55424c4bu
#define MAGIC_FREE 0x46424c4bu

static const uint32_t sizes[] = {112, 240, 496, 1008, 1648, 2032, 4080, 8176, 16368, 32752, 65520, 131056};
#define CLASSES (sizeof sizes / sizeof sizes[0])

struct pool pool;
static struct block *free_blocks[CLASSES];
static uint8_t *fresh, *end;        // memory that no block was cut from yet

uint8_t *pool_rings(unsigned nic) { return pool.at + nic * RING_AREA; }
uint8_t *pool_receive_buffer(unsigned n) { return pool.at + NICS * RING_AREA + n * RECEIVE_BYTES; }

static void pool_begin(void *at)
{
    pool.at = at;
    fresh = pool_receive_buffer(RECEIVE_BUFFERS);
    end = pool.at + POOL_BYTES;
    pool.limit = (uint64_t)(end - fresh);
}

#ifndef FUTURA_SIMULATED
fut_status_t pool_open(void)
{
    fut_status_t status = FUT_OK;
    pool.memory = state_pool();
    if (!pool.memory) {
        status = fut_memory_create(POOL_BYTES, FUT_MEM_CONTIGUOUS | FUT_MEM_COMMIT, &pool.memory);
        if (status != FUT_OK)
            return status;
        state_keep_pool(pool.memory);
    }
    struct fut_map map = {.bytes = POOL_BYTES, .memory = pool.memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t at;
    status = fut_space_map(fut_startup_cap("space"), &map, &at);
    if (status == FUT_OK)
        pool_begin((void *)at);
    return status;
}
#else
fut_status_t pool_open(void)
{
    void *at = aligned_alloc(4096, POOL_BYTES);
    if (at)
        pool_begin(at);
    return at ? FUT_OK : FUT_ERR_NO_MEMORY;
}
#endif

static unsigned class_of(size_t bytes)
{
    unsigned c = 0;
    while (c < CLASSES && sizes[c] < bytes)
        c++;
    return c;
}

void *netd_pool_malloc(size_t bytes)
{
    unsigned c = class_of(bytes);
    if (c == CLASSES)
        return nullptr;
    struct block *b = free_blocks[c];
    if (b) {
        free_blocks[c] = b->next;
    } else if ((size_t)(end - fresh) >= sizeof *b + sizes[c]) {
        b = (struct block *)fresh;
        fresh += sizeof *b + sizes[c];
        b->class = (uint16_t)c;
    } else {
        // A larger block that nobody needs is better than none.
        while (++c < CLASSES && !free_blocks[c])
            ;
        if (c == CLASSES)
            return nullptr;
        b = free_blocks[c];
        free_blocks[c] = b->next;
    }
    b->magic = MAGIC_USED;
    pool.used += sizes[b->class] + sizeof *b;
    if (pool.used > pool.highest)
        pool.highest = pool.used;
    return b + 1;
}

void *netd_pool_calloc(size_t count, size_t bytes)
{
    void *p = count != 0 && bytes > SIZE_MAX / count ? nullptr : netd_pool_malloc(count * bytes);
    if (p)
        memset(p, 0, count * bytes);
    return p;
}

void netd_pool_free(void *p)
{
    if (!p)
        return;
    struct block *b = (struct block *)p - 1;
    if (b->magic != MAGIC_USED || b->class >= CLASSES) {
        fut_log("packet memory: %p is freed, and is no block", p);
        abort();
    }
    b->magic = MAGIC_FREE;
    pool.used -= sizes[b->class] + sizeof *b;
    b->next = free_blocks[b->class];
    free_blocks[b->class] = b;
}
