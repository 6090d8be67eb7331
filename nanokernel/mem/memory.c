// SPDX-License-Identifier: MPL-2.0
//
// Memory objects: getting a page, copy-on-write, snapshots, giving pages back.
//
// The rule that keeps page tables true: an entry shows a page only while that page is in the slot that the
// mapping shows. So whoever changes a slot first takes the page out of all page tables (memory_unmap_page),
// and whoever makes a page shared first takes away write access (memory_protect_range).
#include <kernel.h>
#include <ipc.h>
#include "radix.h"

struct space *table_space;

void *page_alloc_raw(void)
{
    struct account *a = table_space ? table_space->object.account : nullptr;
    if (a && !account_charge_pages(a, 1))
        return nullptr;
    struct page *p = page_alloc(0);
    if (!p) {
        if (a)
            account_return_pages(a, 1);
        return nullptr;
    }
    if (table_space)
        table_space->table_pages++;
    void *virt = phys_to_virt(page_phys(p));
    arch_zero_page(virt);
    return virt;
}

void page_free_raw(void *virt)
{
    page_free(phys_page(virt_to_phys(virt)), 0);
    if (table_space) {
        table_space->table_pages--;
        if (table_space->object.account)
            account_return_pages(table_space->object.account, 1);
    }
}

bool page_pin(struct page *p)
{
    if (p->pins == UINT16_MAX || p->owner)
        return false;
    p->pins++;
    return true;
}

void page_unpin(struct page *p)
{
    if (--p->pins == 0 && p->refs == 0)
        page_free(p, 0);
}

void page_unref_last(struct page *p)
{
    if (p->pins == 0)
        page_free(p, 0);
}

// A slot holds pages of RAM only.
static inline struct page *slot_page(uint64_t slot) { return &pages[(slot >> FUT_PAGE_SHIFT) - page_base]; }

fut_status_t memory_new(struct account *a, uint64_t bytes, uint32_t kind, struct memory **out)
{
    if (bytes == 0 || bytes > 1ull << 46 || (bytes & (FUT_PAGE_SIZE - 1)))
        return FUT_ERR_ARGUMENT;
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_MEMORY, a, &o);
    if (status)
        return status;
    struct memory *m = object_of(o, struct memory);
    m->bytes = bytes;
    m->kind = kind;
    m->cache = ARCH_CACHE_NORMAL;
    m->height = radix_height(bytes);
    list_init(&m->mappings);
    list_init(&m->faulters);
    *out = m;
    return FUT_OK;
}

// Every mapping that shows page `offset` of m, whether as its Memory or as its overlay.
static uint64_t shown_at(struct list *link, struct mapping **map, uint64_t offset)
{
    struct map_link *ml = container_of(link, struct map_link, link);
    *map = ml->map;
    uint64_t base = ml->overlay ? ml->map->overlay_offset : ml->map->offset;
    uint64_t bytes = (*map)->end - (*map)->node.key;
    return offset >= base && offset - base < bytes ? (*map)->node.key + (offset - base) : 0;
}

void memory_unmap_page(struct memory *m, uint64_t offset)
{
    for (struct list *l = m->mappings.next; l != &m->mappings; l = l->next) {
        struct mapping *map;
        uint64_t va = shown_at(l, &map, offset);
        if (va) {
            table_space = map->space;
            arch_unmap(&map->space->arch, va);
            table_space = nullptr;
        }
    }
}

void memory_protect_range(struct memory *m, uint64_t offset, uint64_t bytes)
{
    for (struct list *l = m->mappings.next; l != &m->mappings; l = l->next) {
        struct map_link *ml = container_of(l, struct map_link, link);
        struct mapping *map = ml->map;
        if (!(map->flags & FUT_PROT_WRITE))
            continue;
        // The part of the mapping that shows some of the range.
        uint64_t base = ml->overlay ? map->overlay_offset : map->offset, size = map->end - map->node.key;
        uint64_t from = max(base, offset), to = min(base + size, offset + bytes);
        if (from < to)
            arch_write_protect(&map->space->arch, map->node.key + (from - base), to - from);
    }
}

static fut_status_t commit_page(struct memory *m, uint64_t *slot, const void *content, phys_t *out)
{
    if (!account_charge_pages(m->object.account, 1))
        return FUT_ERR_NO_MEMORY;
    struct page *p = page_alloc(0);
    if (!p) {
        account_return_pages(m->object.account, 1);
        return FUT_ERR_NO_MEMORY;
    }
    p->refs = 1;
    p->synced = false;
    phys_t phys = page_phys(p);
    if (content)
        arch_copy_page(phys_to_virt(phys), content);
    else
        arch_zero_page(phys_to_virt(phys));
    *slot = phys | SLOT_PRESENT;
    m->committed++;
    *out = phys;
    return FUT_OK;
}

fut_status_t memory_get(struct memory *m, uint64_t offset, bool write, phys_t *out)
{
    if (offset >= m->bytes)
        return FUT_ERR_PEER_CLOSED;
    if (m->kind == MEMORY_PHYS || m->kind == MEMORY_CONTIGUOUS) {
        *out = m->base + (offset & ~(uint64_t)(FUT_PAGE_SIZE - 1));
        return FUT_OK;
    }
    uint64_t index = offset >> FUT_PAGE_SHIFT;
    uint64_t *slot = radix_find(m, index);
    if (!slot || !(*slot & SLOT_PRESENT)) {
        if (m->kind == MEMORY_PAGED) {
            if (slot && (*slot & SLOT_FAILED)) {
                *slot &= ~SLOT_FAILED; // told once; the next access asks again
                return FUT_ERR_PEER_CLOSED;
            }
            return m->pager->dead ? FUT_ERR_PEER_CLOSED : FUT_ERR_WOULD_BLOCK;
        }
        slot = radix_make(m, index);
        return slot ? commit_page(m, slot, nullptr, out) : FUT_ERR_NO_MEMORY;
    }
    struct page *p = slot_page(*slot);
    if (write && (*slot & SLOT_ASK)) {
        bool refused = *slot & SLOT_FAILED;
        *slot &= ~SLOT_FAILED; // told once
        return refused || m->pager->dead ? FUT_ERR_PEER_CLOSED : FUT_ERR_WOULD_BLOCK;
    }
    if (write && p->refs > 1) {
        struct page *n = page_alloc(0);
        if (!n)
            return FUT_ERR_NO_MEMORY;
        n->refs = 1;
        n->synced = false;
        arch_copy_page(phys_to_virt(page_phys(n)), phys_to_virt(page_phys(p)));
        memory_unmap_page(m, offset);
        *slot = page_phys(n) | (*slot & (FUT_PAGE_SIZE - 1));
        page_unref(p);
        p = n;
    }
    if (write) {
        p->synced = false;
        if (m->kind == MEMORY_PAGED)
            *slot |= SLOT_DIRTY;
    }
    *out = page_phys(p);
    return FUT_OK;
}

static void drop_leaf(struct memory *m, uint64_t base, uint64_t *slot, unsigned from, unsigned to, void *unmapped)
{
    uint64_t n = 0;
    for (unsigned i = from; i <= to; i++) {
        uint64_t was = slot[i];
        if (was & SLOT_PRESENT) {
            if (!unmapped)
                memory_unmap_page(m, (base + i) << FUT_PAGE_SHIFT);
            if (was & SLOT_SHARED) {
                object_unref(&slot_page(was)->owner->object);
            } else {
                page_unref(slot_page(was));
                n++;
            }
        }
        // Its owner has the contents of a shared page still, and will ask whether they changed.
        slot[i] = !(was & SLOT_PRESENT) || (was & SLOT_SHARED) ? was & SLOT_DIRTY : 0;
    }
    m->committed -= n;
    account_return_pages(m->object.account, n);
}

void memory_decommit(struct memory *m, uint64_t offset, uint64_t bytes)
{
    static bool unmapped = true;
    if (bytes && m->kind != MEMORY_PHYS && m->kind != MEMORY_CONTIGUOUS)
        radix_each(m, offset >> FUT_PAGE_SHIFT, ((offset + bytes) >> FUT_PAGE_SHIFT) - 1, drop_leaf,
                   list_empty(&m->mappings) ? &unmapped : nullptr);
}

bool memory_step(struct object *o)
{
    struct memory *m = object_of(o, struct memory);
    static bool unmapped = true;
    if (m->kind == MEMORY_PHYS)
        return true;
    if (m->kind != MEMORY_CONTIGUOUS)
        return radix_prune(m, drop_leaf, &unmapped);
    uint64_t n = min(m->committed, (uint64_t)RADIX_SLOTS);
    for (uint64_t i = 0; i < n; i++) {
        struct page *p = phys_page(m->base + (--m->committed << FUT_PAGE_SHIFT));
        p->owner = nullptr;
        page_unref(p);
    }
    account_return_pages(m->object.account, n);
    return m->committed == 0;
}

void memory_destroy(struct object *o)
{
    struct memory *m = object_of(o, struct memory);
    kassert(list_empty(&m->mappings) && list_empty(&m->faulters) && m->committed == 0);
    if (m->pager)
        object_unref(&m->pager->object);
    if (m->parent)
        object_unref(&m->parent->object);
}

static void count_leaf(struct memory *, uint64_t, uint64_t *slot, unsigned from, unsigned to, void *arg)
{
    uint64_t n = 0;
    for (unsigned i = from; i <= to; i++)
        n += slot[i] & SLOT_PRESENT;
    *(uint64_t *)arg += n;
}

uint64_t memory_present(struct memory *m, uint64_t offset, uint64_t bytes)
{
    if (m->kind == MEMORY_PHYS || m->kind == MEMORY_CONTIGUOUS)
        return bytes >> FUT_PAGE_SHIFT;
    uint64_t n = 0;
    if (bytes)
        radix_each(m, offset >> FUT_PAGE_SHIFT, ((offset + bytes) >> FUT_PAGE_SHIFT) - 1, count_leaf, &n);
    return n;
}

struct copying { struct memory *to; uint64_t first; fut_status_t status; };

static void share_leaf(struct memory *, uint64_t base, uint64_t *slot, unsigned from, unsigned last, void *arg)
{
    struct copying *c = arg;
    uint64_t n = 0, *leaf = nullptr;
    bool aligned = (c->first & (RADIX_SLOTS - 1)) == 0; // then a leaf goes into one leaf
    for (unsigned i = from; i <= last && !c->status; i++) {
        if (!(slot[i] & SLOT_PRESENT))
            continue;
        uint64_t *to = leaf ? &leaf[i] : radix_make(c->to, base + i - c->first);
        if (!to) {
            c->status = FUT_ERR_NO_MEMORY;
            break;
        }
        if (aligned)
            leaf = to - i;
        struct page *p = slot_page(slot[i]);
        if (unlikely(p->pins || (slot[i] & SLOT_SHARED))) {
            // Written by physical address, or by its owner: the copy is made now.
            struct page *copy = page_alloc(0);
            if (!copy) {
                c->status = FUT_ERR_NO_MEMORY;
                break;
            }
            copy->synced = false;
            arch_copy_page(phys_to_virt(page_phys(copy)), phys_to_virt(page_phys(p)));
            copy->refs = 1;
            *to = page_phys(copy) | SLOT_PRESENT;
        } else {
            p->refs++;
            *to = (slot[i] & ~(uint64_t)(FUT_PAGE_SIZE - 1)) | SLOT_PRESENT;
        }
        n++;
    }
    c->to->committed += n;
}

fut_status_t memory_snapshot(struct memory *m, uint64_t offset, uint64_t bytes, struct account *a, struct memory **out)
{
    struct memory *n;
    fut_status_t status = memory_new(a, bytes, MEMORY_ANON, &n);
    if (status)
        return status;
    if (m->kind == MEMORY_PHYS || m->kind == MEMORY_CONTIGUOUS) {
        for (uint64_t at = 0; at < bytes && !status; at += FUT_PAGE_SIZE) {
            uint64_t *slot = radix_make(n, at >> FUT_PAGE_SHIFT);
            phys_t phys;
            status = slot ? commit_page(n, slot, phys_to_virt(m->base + offset + at), &phys) : FUT_ERR_NO_MEMORY;
        }
    } else {
        // Charged in full, first: what follows can then fail only for lack of physical pages.
        uint64_t pages_needed = memory_present(m, offset, bytes);
        if (!account_charge_pages(a, pages_needed)) {
            status = FUT_ERR_NO_MEMORY;
        } else {
            memory_protect_range(m, offset, bytes);
            struct copying c = {.to = n, .first = offset >> FUT_PAGE_SHIFT};
            radix_each(m, c.first, ((offset + bytes) >> FUT_PAGE_SHIFT) - 1, share_leaf, &c);
            status = c.status;
            account_return_pages(a, pages_needed - n->committed);
        }
    }
    if (status) {
        object_unref(&n->object);
        return status;
    }
    *out = n;
    return FUT_OK;
}

void memory_wake_faulters(struct memory *m, uint64_t first, uint64_t bytes)
{
    for (struct list *l = m->faulters.next, *next; l != &m->faulters; l = next) {
        next = l->next;
        struct thread *t = container_of(l, struct thread, fault_link);
        if (t->fault_offset - first < bytes) {
            thread_end_page_wait(t, false);
            thread_ready(t);
        }
    }
}
