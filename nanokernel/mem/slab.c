// SPDX-License-Identifier: MPL-2.0
//
// Memory for kernel objects: one cache per multiple of 64 bytes. A slab is a block of 1 or 4 pages whose
// first struct page holds the free list; slabs with a free object are in their cache's list, empty ones go
// back to the page allocator, but for one that is kept.
#include <kernel.h>

#define UNIT 64u
#define CLASSES 64u // up to 4096 bytes
#define NO_PAGE 0xffffffffu

struct cache { uint32_t partial, size, order, per_slab; };
static struct cache caches[CLASSES + 1];

static struct cache *cache_for(size_t size)
{
    uint32_t class = (uint32_t)((size + UNIT - 1) / UNIT);
    if (class == 0 || class > CLASSES)
        panic("kernel object of %lu bytes", (unsigned long)size);
    struct cache *c = &caches[class];
    if (c->size == 0) {
        c->size = class * UNIT;
        c->order = c->size > 512 ? 2 : 0;
        c->per_slab = (FUT_PAGE_SIZE << c->order) / c->size;
        c->partial = NO_PAGE;
    }
    return c;
}

static void link(struct cache *c, struct page *p)
{
    p->prev = NO_PAGE;
    p->next = c->partial;
    if (p->next != NO_PAGE)
        pages[p->next].prev = (uint32_t)(p - pages);
    c->partial = (uint32_t)(p - pages);
}

static void unlink(struct cache *c, struct page *p)
{
    if (p->prev == NO_PAGE)
        c->partial = p->next;
    else
        pages[p->prev].next = p->next;
    if (p->next != NO_PAGE)
        pages[p->next].prev = p->prev;
}

void *slab_alloc(size_t size)
{
    struct cache *c = cache_for(size);
    struct page *p;
    if (c->partial == NO_PAGE) {
        p = page_alloc(c->order);
        if (!p)
            return nullptr;
        char *base = phys_to_virt(page_phys(p));
        for (uint32_t i = 0; i < c->per_slab; i++, ARCH_POISON(base + (i - 1) * c->size + 8, c->size - 8))
            *(uint32_t *)(base + i * c->size) = i + 1 < c->per_slab ? (i + 1) * c->size + 1 : 0;
        for (uint32_t i = 0; i < 1u << c->order; i++)
            p[i].state = PAGE_SLAB;
        p->slab = c;
        p->slab_free = 1;
        p->slab_used = 0;
        link(c, p);
    } else {
        p = &pages[c->partial];
    }
    char *o = (char *)phys_to_virt(page_phys(p)) + (p->slab_free - 1);
    p->slab_free = *(uint32_t *)o;
    p->slab_used++;
    if (p->slab_free == 0)
        unlink(c, p);
    ARCH_UNPOISON(o, c->size);
    memset(o, 0, c->size);
    return o;
}

void slab_free(void *o, size_t size)
{
    struct cache *c = cache_for(size);
    phys_t phys = virt_to_phys(o);
    struct page *p = phys_page(phys & ~(((uint64_t)FUT_PAGE_SIZE << c->order) - 1));
    kassert(p && p->state == PAGE_SLAB && p->slab == c);
    bool was_full = p->slab_free == 0;
    *(uint32_t *)o = p->slab_free;
    p->slab_free = (uint32_t)((char *)o - (char *)phys_to_virt(page_phys(p))) + 1;
    p->slab_used--;
    ARCH_POISON((char *)o + 8, c->size - 8);
    if (was_full)
        link(c, p);
    // The last slab with room stays, so that a cache at the edge does not go back and forth.
    if (p->slab_used == 0 && (p->next != NO_PAGE || p->prev != NO_PAGE)) {
        unlink(c, p);
        p->slab = nullptr;
        page_free(p, c->order);
    }
}
