// SPDX-License-Identifier: MPL-2.0
//
// The buddy allocator of the page pool. See pool.h. Free runs are linked through their own first bytes; a byte map per
// chunk tells which runs are free, and of what order.

#include "cache/pool.h"

#include "core/platform.h"

#define CHUNK_PAGES (POOL_CHUNK / POOL_PAGE)
#define TOP_RUNS (CHUNK_PAGES >> POOL_MAX_ORDER)

struct run { struct run *next, *prev; };

static struct {
    char *base;
    uint8_t free_order[CHUNK_PAGES]; // order + 1 of the free run that starts at this page; 0: none starts here
} chunks[POOL_MAX_CHUNKS];
static unsigned chunk_count;
static size_t limit_chunks = 16, free_pages;
static bool exhausted;
static struct run lists[POOL_MAX_ORDER + 1]; // circular, with heads

void pool_limit(size_t bytes) {
    limit_chunks = bytes / POOL_CHUNK;
    if (limit_chunks < 1) {
        limit_chunks = 1;
    }
    if (limit_chunks > POOL_MAX_CHUNKS) {
        limit_chunks = POOL_MAX_CHUNKS;
    }
    exhausted = false;
}

bool pool_locate(const void *p, unsigned *chunk, size_t *offset) {
    // Chunks are few and a request covers many pages, so a plain search is fine.
    for (unsigned i = 0; i < chunk_count; i++) {
        uintptr_t d = (uintptr_t)p - (uintptr_t)chunks[i].base;
        if (d < POOL_CHUNK) {
            *chunk = i;
            *offset = d;
            return true;
        }
    }
    return false;
}

static void push(unsigned chunk, size_t page, unsigned order) {
    struct run *r = (struct run *)(chunks[chunk].base + page * POOL_PAGE), *head = &lists[order];
    if (!head->next) {
        head->next = head->prev = head;
    }
    r->next = head->next;
    r->prev = head;
    head->next->prev = r;
    head->next = r;
    chunks[chunk].free_order[page] = (uint8_t)(order + 1);
}

static void unlink_run(struct run *r) {
    r->next->prev = r->prev;
    r->prev->next = r->next;
}

static bool grow(void) {
    if (exhausted || chunk_count >= limit_chunks) {
        return false;
    }
    char *base = platform_chunk(POOL_CHUNK);
    if (!base) {
        exhausted = true;
        return false;
    }
    chunks[chunk_count].base = base;
    for (unsigned i = TOP_RUNS; i-- > 0;) {
        push(chunk_count, (size_t)i << POOL_MAX_ORDER, POOL_MAX_ORDER);
    }
    chunk_count++;
    free_pages += CHUNK_PAGES;
    return true;
}

void *pool_take(unsigned order) {
    unsigned have = order;
    for (;;) {
        while (have <= POOL_MAX_ORDER && (!lists[have].next || lists[have].next == &lists[have])) {
            have++;
        }
        if (have <= POOL_MAX_ORDER) {
            break;
        }
        if (!grow()) {
            return nullptr;
        }
        have = order;
    }
    struct run *r = lists[have].next;
    unlink_run(r);
    unsigned chunk = 0;
    size_t offset = 0;
    (void)pool_locate(r, &chunk, &offset);
    size_t page = offset / POOL_PAGE;
    chunks[chunk].free_order[page] = 0;
    while (have > order) {
        have--;
        push(chunk, page + ((size_t)1 << have), have);
    }
    free_pages -= (size_t)1 << order;
    return r;
}

void pool_give(void *run, unsigned order) {
    unsigned chunk = 0;
    size_t offset = 0;
    if (!pool_locate(run, &chunk, &offset)) {
        return;
    }
    size_t page = offset / POOL_PAGE;
    free_pages += (size_t)1 << order;
    while (order < POOL_MAX_ORDER) {
        size_t buddy = page ^ (size_t)1 << order;
        if (chunks[chunk].free_order[buddy] != order + 1) {
            break;
        }
        unlink_run((struct run *)(chunks[chunk].base + buddy * POOL_PAGE));
        chunks[chunk].free_order[buddy] = 0;
        page &= ~((size_t)1 << order);
        order++;
    }
    push(chunk, page, order);
}

size_t pool_total_pages(void) { return (exhausted ? chunk_count : limit_chunks) * CHUNK_PAGES; }

size_t pool_free_pages(void) {
    size_t more = exhausted || limit_chunks <= chunk_count ? 0 : (limit_chunks - chunk_count) * CHUNK_PAGES;
    return free_pages + more;
}
