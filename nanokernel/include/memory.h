// SPDX-License-Identifier: MPL-2.0
//
// Physical pages, Memory objects, Spaces and their mappings.
//
// A page's `refs` counts the Memory slots that hold it: more than one means that a write must copy first.
// `pins` counts kernel pointers into it (IPC buffers, upcall frames); a page is free when both are 0.
//
// A pager can show pages of a contiguous Memory of its own in a paged one: its page cache, which devices fill and
// which it reads and writes itself. Such a page is never copied on write, cannot be pinned (its owner reuses it for
// something else), and lives as long as its owner, which every slot that shows it keeps alive.
//
// A Memory is a radix tree of pages (anonymous, paged), or a physical range (device, contiguous, slice).
// A mapping shows a Memory at an address. A private one has an anonymous Memory of its own, the overlay,
// above the source it shows (none: zero pages): a read of a page that the overlay lacks shows the source's
// page, a write copies it into the overlay. Depth is always one.
#pragma once
#include "object.h"
#include <arch.h>

// platform/host tells the address sanitizer what kernel memory is free; others do nothing.
#ifndef ARCH_POISON
#define ARCH_POISON(p, n) ((void)0)
#define ARCH_UNPOISON(p, n) ((void)0)
#endif

struct page {
    uint32_t refs;
    uint16_t pins;
    uint8_t order;           // of the free block or allocation that starts here
    uint8_t state;           // PAGE_*
    uint32_t next, prev;     // free list, by page number; slab: links of its list
    uint32_t slab_free;      // slab: offset of the first free object + 1
    uint16_t slab_used;
    bool synced;             // instruction fetch sees what was written
    union {
        void *slab;           // slab: its cache
        struct memory *owner; // the contiguous Memory that the page is part of; null: of none
    };
};
#define PAGE_NONE 0u         // no RAM here, or never given to the allocator
#define PAGE_FREE 1u
#define PAGE_USED 2u
#define PAGE_SLAB 3u

extern struct page *pages;   // indexed by page number - page_base
extern uint64_t page_base, page_count, pages_free, pages_total;

static inline struct page *phys_page(phys_t p)
{
    uint64_t n = (p >> FUT_PAGE_SHIFT) - page_base;
    return n < page_count ? &pages[n] : nullptr;
}
static inline phys_t page_phys(const struct page *p) { return ((uint64_t)(p - pages) + page_base) << FUT_PAGE_SHIFT; }
static inline void *page_virt(const struct page *p) { return phys_to_virt(page_phys(p)); }

void page_init(const struct boot *boot);
struct page *page_alloc(unsigned order);  // null: none; not zeroed, refs 0
void page_free(struct page *p, unsigned order);
// One zeroed page of the direct map, for page tables; null: none. Charged to the account that the
// current operation works for.
void *page_alloc_raw(void);
void page_free_raw(void *p);
bool page_is_ram(phys_t base, uint64_t bytes); // any of it

void *slab_alloc(size_t size);            // zeroed; null: none
void slab_free(void *p, size_t size);

// --- Memory -----------------------------------------------------------------------------------------
#define MEMORY_ANON  0u
#define MEMORY_PHYS  1u      // base .. base + bytes, not owned (device, boot archive, slice)
#define MEMORY_CONTIGUOUS 2u // base .. base + bytes, owned
#define MEMORY_PAGED 3u

#define RADIX_SHIFT 6u
#define RADIX_SLOTS (1u << RADIX_SHIFT)
struct radix_node { uint64_t slot[RADIX_SLOTS]; }; // leaf: physical address | SLOT_*; above: pointer
#define SLOT_PRESENT 1ull
#define SLOT_DIRTY   2ull
#define SLOT_FAILED  4ull    // paged: the pager said no
#define SLOT_SHARED  8ull    // paged: a page of a contiguous Memory, which the slot holds a reference to
#define SLOT_ASK     16ull   // paged: the pager wants to be asked before this page is written

struct memory {
    struct object object;
    uint64_t bytes;          // page aligned
    uint64_t committed;      // pages held (charged to object.account)
    uint32_t kind, cache, flags;
    uint32_t height;         // of the tree: levels; 0 = no root
    struct radix_node *root;
    struct radix_node *leaf; // the one used last, for pages leaf_first ..: most accesses are near each other
    uint64_t leaf_first;
    phys_t base;             // PHYS, CONTIGUOUS
    struct memory *parent;   // slice: whose range it is
    struct list mappings;    // map_link.link
    struct list faulters;    // thread.fault_link: threads that wait for a page
    struct channel *pager;
    uint64_t pager_badge;
};

struct space {
    struct arch_space arch;  // first
    struct object object;
    struct tree mappings;    // by start address
    uint64_t table_pages;
    uint64_t hint;           // where the search for a free range starts
    struct mapping *last;    // found last
};

#define MAP_LIMIT_SHIFT 16
struct map_link { struct list link; struct mapping *map; bool overlay; };

struct mapping {
    struct tree_node node;   // key = start
    uint64_t end;
    struct space *space;
    struct memory *memory;   // null: anonymous
    uint64_t offset;
    struct memory *overlay;  // private mappings only
    uint64_t overlay_offset;
    uint32_t flags;          // FUT_PROT_*, FUT_MAP_*; FUT_PROT_* << MAP_LIMIT_SHIFT: what it may ever be
    struct map_link in_memory, in_overlay; // in memory->mappings and overlay->mappings
};

#define ACCESS_READ  FUT_PROT_READ
#define ACCESS_WRITE FUT_PROT_WRITE
#define ACCESS_EXEC  FUT_PROT_EXEC

// Makes the page at `va` present for this access. FUT_OK; FUT_ERR_NOT_FOUND (nothing mapped),
// FUT_ERR_RIGHTS (not for this access), FUT_ERR_NO_MEMORY, FUT_ERR_PEER_CLOSED (pager failed or behind the end),
// FUT_ERR_WOULD_BLOCK: a pager has to bring it; *wait and *offset say which Memory and where.
fut_status_t space_resolve(struct space *s, uint64_t va, uint32_t access, phys_t *out, struct memory **wait, uint64_t *offset);

// The page at `offset` of m, made if it is anonymous and missing; `write`: it will be written (copy-on-write is
// resolved). SLOT bits not included. Same results as space_resolve; *wait is m.
fut_status_t memory_get(struct memory *m, uint64_t offset, bool write, phys_t *out);
fut_status_t memory_new(struct account *a, uint64_t bytes, uint32_t kind, struct memory **out);
fut_status_t memory_snapshot(struct memory *m, uint64_t offset, uint64_t bytes, struct account *a, struct memory **out);
void memory_decommit(struct memory *m, uint64_t offset, uint64_t bytes);
uint64_t memory_present(struct memory *m, uint64_t offset, uint64_t bytes);
// Takes the page at `offset` out of every page table that shows it.
void memory_unmap_page(struct memory *m, uint64_t offset);
void memory_protect_range(struct memory *m, uint64_t offset, uint64_t bytes); // makes it read-only everywhere
void memory_destroy(struct object *o);
// How much of m is taken away between two preemption points: so much that it holds some 256 pages, more or less.
static inline uint64_t memory_step_bytes(const struct memory *m, uint64_t bytes)
{
    return max(256ull * FUT_PAGE_SIZE, bytes / (m->committed / 256 + 1) & ~(FUT_PAGE_SIZE - 1ull));
}
[[nodiscard]] bool page_pin(struct page *p); // false: pinned too often already
void page_unpin(struct page *p);
void page_unref_last(struct page *p);
static inline void page_unref(struct page *p)
{
    if (--p->refs == 0)
        page_unref_last(p);
}

fut_status_t space_new(struct account *a, struct space **out);
// Maps `memory` (null: anonymous) as flags say; takes its own references. limit: the FUT_PROT_* that it may ever get.
fut_status_t space_map(struct space *s, struct memory *memory, const struct fut_map *m, uint32_t limit, uint64_t *address);
fut_status_t space_unmap(struct space *s, uint64_t address, uint64_t bytes);
fut_status_t space_unmap_some(struct space *s, uint64_t address, uint64_t bytes, bool *more); // a step of it
fut_status_t space_protect(struct space *s, uint64_t address, uint64_t bytes, uint32_t prot);
fut_status_t space_clone(struct space *s, struct account *a, struct space **out);
struct mapping *space_find(struct space *s, uint64_t va);
void space_destroy(struct object *o);
// Copies between kernel memory and a Space through the direct map.
fut_status_t space_copy(struct space *s, uint64_t va, void *kernel, size_t n, bool write, struct memory **wait, uint64_t *offset);
extern struct space *table_space; // whose page tables page_alloc_raw works for
