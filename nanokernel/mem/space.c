// SPDX-License-Identifier: MPL-2.0
//
// Spaces: what is mapped where, and bringing a page in at the first access to it.
//
// A mapping without an overlay shares its Memory. One with an overlay is private; anonymous memory is an
// overlay above nothing. Cutting a mapping in two gives both parts the same Memory at different offsets.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include "radix.h"

#define PAGE_MASK ((uint64_t)FUT_PAGE_SIZE - 1)
#define PROT_MASK (FUT_PROT_READ | FUT_PROT_WRITE | FUT_PROT_EXEC)

fut_status_t space_new(struct account *a, struct space **out)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_SPACE, a, &o);
    if (status)
        return status;
    struct space *s = object_of(o, struct space);
    s->hint = 0x100000000ull;
    table_space = s;
    bool ok = arch_space_init(&s->arch);
    table_space = nullptr;
    if (!ok) {
        s->table_pages = UINT64_MAX; // nothing to take down
        object_unref(o);
        return FUT_ERR_NO_MEMORY;
    }
    *out = s;
    return FUT_OK;
}

struct mapping *space_find(struct space *s, uint64_t va)
{
    struct mapping *m = s->last;
    if (m && va >= m->node.key && va < m->end)
        return m;
    struct tree_node *n = tree_floor(&s->mappings, va);
    m = n ? container_of(n, struct mapping, node) : nullptr;
    if (!m || va >= m->end)
        return nullptr;
    s->last = m;
    return m;
}

static void link_mapping(struct mapping *m)
{
    m->in_memory = (struct map_link){.map = m, .overlay = false};
    m->in_overlay = (struct map_link){.map = m, .overlay = true};
    list_init(&m->in_memory.link);
    list_init(&m->in_overlay.link);
    tree_insert(&m->space->mappings, &m->node);
    if (m->memory) {
        object_ref(&m->memory->object);
        list_append(&m->memory->mappings, &m->in_memory.link);
    }
    if (m->overlay) {
        object_ref(&m->overlay->object);
        list_append(&m->overlay->mappings, &m->in_overlay.link);
    }
}

static struct mapping *mapping_new(struct space *s, uint64_t start, uint64_t end)
{
    if (account_charge_object(s->object.account))
        return nullptr;
    struct mapping *m = slab_alloc(sizeof *m);
    if (!m) {
        account_return_object(s->object.account);
        return nullptr;
    }
    m->space = s;
    m->node.key = start;
    m->end = end;
    return m;
}

// For one that was never linked.
static void mapping_drop(struct mapping *m)
{
    account_return_object(m->space->object.account);
    slab_free(m, sizeof *m);
}

static void mapping_free(struct mapping *m)
{
    struct space *s = m->space;
    if (s->object.refs) { // else nobody uses its tables, and they go as a whole
        table_space = s;
        arch_unmap_range(&s->arch, m->node.key, m->end - m->node.key);
        table_space = nullptr;
    }
    tree_remove(&s->mappings, &m->node);
    s->last = nullptr;
    list_remove(&m->in_memory.link);
    list_remove(&m->in_overlay.link);
    if (m->memory)
        object_unref(&m->memory->object);
    if (m->overlay) {
        // No other mapping shows this part of the overlay.
        if (m->overlay->object.refs > 1)
            memory_decommit(m->overlay, m->overlay_offset, m->end - m->node.key);
        object_unref(&m->overlay->object);
    }
    mapping_drop(m);
}

static void sync_code(phys_t phys)
{
    struct page *p = phys_page(phys);
    if (p && p->synced)
        return;
    arch_sync_icache(phys_to_virt(phys));
    if (p)
        p->synced = true;
}

static fut_status_t map_page(struct mapping *m, uint64_t va, phys_t phys, uint32_t prot, uint32_t cache)
{
    if ((prot & FUT_PROT_EXEC) && cache == ARCH_CACHE_NORMAL)
        sync_code(phys);
    table_space = m->space;
    bool ok = arch_map(&m->space->arch, va, phys, prot, cache);
    table_space = nullptr;
    return ok ? FUT_OK : FUT_ERR_NO_MEMORY;
}

static inline uint64_t *present_slot(struct memory *m, uint64_t offset)
{
    uint64_t *slot = offset < m->bytes ? radix_find(m, offset >> FUT_PAGE_SHIFT) : nullptr;
    return slot && (*slot & SLOT_PRESENT) ? slot : nullptr;
}

// A fault costs far more than an entry: what is there already around the page is mapped with it. Write access is
// given only to pages that nobody else's slot holds; the first write to anything else has to be seen.
#define AROUND 16u

// The slots of the pages from `offset` on, and in *count how many of them lie in one leaf (at most as many as
// asked); zeros where no leaf is.
static const uint64_t *slots_from(struct memory *m, uint64_t offset, unsigned *count)
{
    static const uint64_t nothing[AROUND];
    uint64_t index = offset >> FUT_PAGE_SHIFT;
    *count = min(*count, (unsigned)(RADIX_SLOTS - (index & (RADIX_SLOTS - 1))));
    const uint64_t *slot = radix_find(m, index);
    return slot ? slot : nothing;
}

static void map_around(struct mapping *m, uint64_t va)
{
    uint64_t page[AROUND] = {}, first = va & ~((uint64_t)AROUND * FUT_PAGE_SIZE - 1), some = 0;
    uint64_t from = max(first, m->node.key), to = min(first + AROUND * FUT_PAGE_SIZE, m->end), in = from - m->node.key;
    uint32_t prot = m->flags & PROT_MASK, no_write = prot & ~FUT_PROT_WRITE;
    struct memory *below = m->memory;
    if (below) {
        if (below->cache != ARCH_CACHE_NORMAL || m->offset + in >= below->bytes)
            return;
        to = min(to, from + (below->bytes - m->offset - in));
    }
    unsigned count = (unsigned)((to - from) >> FUT_PAGE_SHIFT);
    uint64_t *out = &page[(from - first) >> FUT_PAGE_SHIFT];
    if (m->overlay) {
        const uint64_t *slot = slots_from(m->overlay, m->overlay_offset + in, &count);
        for (unsigned i = 0; i < count; i++)
            if (slot[i]) {
                uint64_t p = slot[i] & ~PAGE_MASK;
                out[i] = p | (pages[(p >> FUT_PAGE_SHIFT) - page_base].refs == 1 ? prot : no_write);
                some |= out[i];
            }
    }
    if (below && (below->kind == MEMORY_PHYS || below->kind == MEMORY_CONTIGUOUS)) {
        for (unsigned i = 0; i < count; i++)
            if (!out[i])
                out[i] = (below->base + m->offset + in + (uint64_t)i * FUT_PAGE_SIZE) | (m->overlay ? no_write : prot);
        some = prot;
    } else if (below) {
        const uint64_t *slot = slots_from(below, m->offset + in, &count);
        bool writable = !m->overlay && below->kind == MEMORY_ANON;
        for (unsigned i = 0; i < count; i++)
            if (!out[i] && (slot[i] & SLOT_PRESENT)) {
                uint64_t p = slot[i] & ~PAGE_MASK;
                out[i] = p | (writable && pages[(p >> FUT_PAGE_SHIFT) - page_base].refs == 1 ? prot : no_write);
                some |= out[i];
            }
    }
    if (some & FUT_PROT_EXEC)
        for (unsigned i = 0; i < AROUND; i++)
            if (page[i])
                sync_code(page[i] & ~PAGE_MASK);
    if (some)
        arch_fill(&m->space->arch, first, AROUND, page);
}

fut_status_t space_resolve(struct space *s, uint64_t va, uint32_t access, phys_t *out, struct memory **wait, uint64_t *offset)
{
    va &= ~PAGE_MASK;
    struct mapping *m = space_find(s, va);
    if (!m)
        return FUT_ERR_NOT_FOUND;
    if (access & ~m->flags)
        return FUT_ERR_RIGHTS;
    bool write = access & ACCESS_WRITE;
    uint32_t prot = m->flags & PROT_MASK, cache = ARCH_CACHE_NORMAL;
    uint64_t at = va - m->node.key;
    fut_status_t status;
    phys_t phys;
    bool around = true; // not after filling a page: its neighbours are likely to be missing too
    if (!m->overlay) {
        status = memory_get(m->memory, m->offset + at, write, &phys);
        if (status) {
            *wait = m->memory;
            *offset = m->offset + at;
            return status;
        }
        // Write access shows that a page is dirty, and must not be given to one that others share.
        struct page *p = m->memory->kind == MEMORY_ANON ? phys_page(phys) : nullptr;
        if (!write && (m->memory->kind == MEMORY_PAGED || (p && p->refs > 1)))
            prot &= ~FUT_PROT_WRITE;
        cache = m->memory->cache;
    } else if (!m->memory || present_slot(m->overlay, m->overlay_offset + at)) {
        uint64_t committed = m->overlay->committed;
        status = memory_get(m->overlay, m->overlay_offset + at, write, &phys);
        if (status)
            return status;
        if (!write && phys_page(phys)->refs > 1)
            prot &= ~FUT_PROT_WRITE;
        around = committed == m->overlay->committed;
    } else {
        status = memory_get(m->memory, m->offset + at, false, &phys);
        if (status) {
            *wait = m->memory;
            *offset = m->offset + at;
            return status;
        }
        if (write) {
            phys_t copy;
            status = memory_get(m->overlay, m->overlay_offset + at, true, &copy);
            if (status)
                return status;
            arch_copy_page(phys_to_virt(copy), phys_to_virt(phys));
            phys = copy;
        } else {
            prot &= ~FUT_PROT_WRITE;
        }
    }
    *out = phys;
    status = map_page(m, va, phys, prot, cache);
    if (!status && around && cache == ARCH_CACHE_NORMAL)
        map_around(m, va);
    return status;
}

fut_status_t space_copy(struct space *s, uint64_t va, void *kernel, size_t n, bool write, struct memory **wait, uint64_t *offset)
{
    char *k = kernel;
    if (n && (va < FUT_USER_BASE || va >= FUT_USER_TOP || n > FUT_USER_TOP - va))
        return FUT_ERR_ADDRESS;
    while (n) {
        phys_t phys;
        fut_status_t status = space_resolve(s, va, write ? ACCESS_WRITE : ACCESS_READ, &phys, wait, offset);
        if (status)
            return status == FUT_ERR_WOULD_BLOCK || status == FUT_ERR_NO_MEMORY ? status : FUT_ERR_ADDRESS;
        struct mapping *m = space_find(s, va);
        if (m->memory && m->memory->cache != ARCH_CACHE_NORMAL)
            return FUT_ERR_ADDRESS; // device registers are not for the kernel to touch
        size_t in_page = va & PAGE_MASK;
        size_t part = min(n, FUT_PAGE_SIZE - in_page);
        char *p = (char *)phys_to_virt(phys) + in_page;
        if (write)
            memcpy(p, k, part);
        else
            memcpy(k, p, part);
        va += part;
        k += part;
        n -= part;
    }
    return FUT_OK;
}

// --- Mapping ------------------------------------------------------------------------------------------
static bool range_ok(uint64_t address, uint64_t bytes)
{
    return !(address & PAGE_MASK) && !(bytes & PAGE_MASK) && bytes && address >= FUT_USER_BASE &&
           address < FUT_USER_TOP && bytes <= FUT_USER_TOP - address;
}

static bool range_free(struct space *s, uint64_t address, uint64_t bytes)
{
    if (space_find(s, address))
        return false;
    struct tree_node *n = tree_ceiling(&s->mappings, address);
    return !n || n->key - address >= bytes;
}

// First fit at or after `from`, with a guard page on either side.
static uint64_t find_free(struct space *s, uint64_t from, uint64_t bytes)
{
    uint64_t at = from;
    for (;;) {
        if (at >= FUT_USER_TOP || bytes > FUT_USER_TOP - at)
            return 0;
        // Mappings can touch: what ends a page before `at` says nothing about what lies at it.
        struct mapping *m = space_find(s, at);
        if (!m) {
            struct tree_node *n = tree_ceiling(&s->mappings, at);
            if (!n || n->key - at >= bytes + FUT_PAGE_SIZE)
                return at;
            m = container_of(n, struct mapping, node);
        }
        at = m->end + FUT_PAGE_SIZE;
    }
}

fut_status_t space_map(struct space *s, struct memory *memory, const struct fut_map *q, uint32_t limit, uint64_t *address)
{
    uint32_t known = PROT_MASK | FUT_MAP_FIXED | FUT_MAP_REPLACE | FUT_MAP_PRIVATE | FUT_MAP_NO_FAULT |
                     FUT_MAP_SHARED_FORK | FUT_MAP_ANON;
    uint32_t flags = q->flags;
    if ((flags & ~known) || (q->offset & PAGE_MASK) || (q->bytes & PAGE_MASK) || q->bytes == 0 ||
        q->bytes > FUT_USER_TOP || (q->address & PAGE_MASK))
        return FUT_ERR_ARGUMENT;
    if ((flags & FUT_PROT_WRITE) && (flags & FUT_PROT_EXEC))
        return FUT_ERR_ARGUMENT;
    // What lies behind the end of paged Memory is mapped too: a file may grow. Accesses there fail until it does.
    uint64_t end = memory && memory->kind == MEMORY_PAGED ? 1ull << 46 : memory ? memory->bytes : 0;
    if (memory && (q->offset >= end || q->bytes > end - q->offset))
        return FUT_ERR_ARGUMENT;
    if (memory && (flags & FUT_MAP_PRIVATE) && memory->cache != ARCH_CACHE_NORMAL)
        return FUT_ERR_UNSUPPORTED;
    if (memory && (flags & FUT_MAP_NO_FAULT) && memory->kind == MEMORY_PAGED)
        return FUT_ERR_UNSUPPORTED;
    uint64_t at = q->address;
    if (flags & (FUT_MAP_FIXED | FUT_MAP_REPLACE)) {
        if (!range_ok(at, q->bytes))
            return FUT_ERR_ARGUMENT;
        if (!(flags & FUT_MAP_REPLACE) && !range_free(s, at, q->bytes))
            return FUT_ERR_EXISTS;
    } else if (!at || !range_ok(at, q->bytes) || !range_free(s, at, q->bytes)) {
        at = find_free(s, s->hint, q->bytes);
        if (!at)
            at = find_free(s, FUT_USER_BASE, q->bytes);
        if (!at)
            return FUT_ERR_NO_MEMORY;
    }
    struct mapping *m = mapping_new(s, at, at + q->bytes);
    if (!m)
        return FUT_ERR_NO_MEMORY;
    m->flags = (flags & (PROT_MASK | FUT_MAP_PRIVATE | FUT_MAP_SHARED_FORK | FUT_MAP_ANON)) | limit << MAP_LIMIT_SHIFT;
    m->offset = q->offset;
    fut_status_t status = FUT_OK;
    struct memory *made = nullptr;
    if (!memory || (flags & FUT_MAP_PRIVATE)) {
        status = memory_new(s->object.account, q->bytes, MEMORY_ANON, &made);
        if (status) {
            mapping_drop(m);
            return status;
        }
    }
    if (flags & FUT_MAP_REPLACE) {
        status = space_unmap(s, at, q->bytes);
        if (status) {
            if (made)
                object_unref(&made->object);
            mapping_drop(m);
            return status;
        }
    }
    if (!memory && (flags & FUT_MAP_SHARED_FORK)) {
        m->memory = made;
        m->offset = 0;
    } else {
        m->memory = memory;
        m->overlay = made;
    }
    link_mapping(m);
    if (made)
        object_unref(&made->object);
    *address = at;
    return FUT_OK;
}

// Cuts the mapping that holds `va` so that one starts there.
static fut_status_t split_at(struct space *s, uint64_t va)
{
    struct mapping *m = space_find(s, va);
    if (!m || m->node.key == va)
        return FUT_OK;
    struct mapping *upper = mapping_new(s, va, m->end);
    if (!upper)
        return FUT_ERR_NO_MEMORY;
    upper->memory = m->memory;
    upper->overlay = m->overlay;
    upper->flags = m->flags;
    upper->offset = m->offset + (va - m->node.key);
    upper->overlay_offset = m->overlay_offset + (va - m->node.key);
    m->end = va;
    link_mapping(upper);
    return FUT_OK;
}

// Takes the first so many bytes of a mapping away.
static void mapping_trim(struct mapping *m, uint64_t bytes)
{
    struct space *s = m->space;
    if (s->object.refs) {
        table_space = s;
        arch_unmap_range(&s->arch, m->node.key, bytes);
        table_space = nullptr;
    }
    if (m->overlay) {
        list_remove(&m->in_overlay.link); // nobody else shows this part, and no entry is left
        memory_decommit(m->overlay, m->overlay_offset, bytes);
        list_append(&m->overlay->mappings, &m->in_overlay.link);
    }
    m->node.key += bytes; // its place in the tree stays: nothing lies in between
    m->offset += bytes;
    m->overlay_offset += bytes;
    s->last = nullptr;
}

// The whole mapping, or a first part of it.
static void mapping_step(struct mapping *m)
{
    struct memory *held = m->overlay ? m->overlay : m->memory;
    uint64_t bytes = m->end - m->node.key, step = memory_step_bytes(held, bytes);
    if (bytes > step && (m->space->object.refs || (m->overlay && m->overlay->object.refs > 1)))
        mapping_trim(m, step);
    else
        mapping_free(m);
}

fut_status_t space_unmap_some(struct space *s, uint64_t address, uint64_t bytes, bool *more)
{
    *more = false;
    if (!range_ok(address, bytes))
        return FUT_ERR_ARGUMENT;
    fut_status_t status = split_at(s, address);
    if (!status)
        status = split_at(s, address + bytes);
    if (status)
        return status;
    struct tree_node *n = nullptr;
    for (unsigned i = 0; i < 8 && (n = tree_ceiling(&s->mappings, address)) && n->key < address + bytes; i++) {
        struct mapping *m = container_of(n, struct mapping, node);
        i += m->end - n->key > 64 * FUT_PAGE_SIZE ? 8 : 0;
        mapping_step(m);
    }
    *more = (n = tree_ceiling(&s->mappings, address)) && n->key < address + bytes;
    return FUT_OK;
}

fut_status_t space_unmap(struct space *s, uint64_t address, uint64_t bytes)
{
    if (!range_ok(address, bytes))
        return FUT_ERR_ARGUMENT;
    fut_status_t status = split_at(s, address);
    if (!status)
        status = split_at(s, address + bytes);
    if (status)
        return status;
    struct tree_node *n;
    while ((n = tree_ceiling(&s->mappings, address)) && n->key < address + bytes)
        mapping_free(container_of(n, struct mapping, node));
    return FUT_OK;
}

fut_status_t space_protect(struct space *s, uint64_t address, uint64_t bytes, uint32_t prot)
{
    if (!range_ok(address, bytes) || (prot & ~PROT_MASK) || ((prot & FUT_PROT_WRITE) && (prot & FUT_PROT_EXEC)))
        return FUT_ERR_ARGUMENT;
    // All of it must be mapped, and nothing is gained that the capability mapped did not allow.
    for (uint64_t at = address; at < address + bytes;) {
        struct mapping *m = space_find(s, at);
        if (!m)
            return FUT_ERR_NOT_FOUND;
        if (prot & ~(m->flags >> MAP_LIMIT_SHIFT))
            return FUT_ERR_RIGHTS;
        at = m->end;
    }
    fut_status_t status = split_at(s, address);
    if (!status)
        status = split_at(s, address + bytes);
    if (status)
        return status;
    for (uint64_t at = address; at < address + bytes;) {
        struct mapping *m = space_find(s, at);
        m->flags = (m->flags & ~PROT_MASK) | prot;
        // Entries come back at the next access, with the rights that their page may have.
        table_space = s;
        arch_unmap_range(&s->arch, m->node.key, m->end - m->node.key);
        table_space = nullptr;
        at = m->end;
    }
    return FUT_OK;
}

fut_status_t space_clone(struct space *s, struct account *a, struct space **out)
{
    struct space *n;
    fut_status_t status = space_new(a, &n);
    if (status)
        return status;
    n->hint = s->hint;
    for (struct tree_node *i = tree_first(&s->mappings); i && !status; i = tree_next(i)) {
        struct mapping *m = container_of(i, struct mapping, node);
        struct mapping *c = mapping_new(n, m->node.key, m->end);
        if (!c) {
            status = FUT_ERR_NO_MEMORY;
            break;
        }
        c->memory = m->memory;
        c->offset = m->offset;
        c->flags = m->flags;
        if (m->overlay) {
            status = memory_snapshot(m->overlay, m->overlay_offset, m->end - m->node.key, a, &c->overlay);
            if (status) {
                mapping_drop(c);
                break;
            }
        }
        link_mapping(c);
        if (c->overlay)
            object_unref(&c->overlay->object);
    }
    if (status) {
        object_unref(&n->object);
        return status;
    }
    *out = n;
    return FUT_OK;
}

bool space_step(struct object *o)
{
    struct space *s = object_of(o, struct space);
    space_leave(s);
    struct tree_node *n = tree_first(&s->mappings);
    if (n)
        mapping_step(container_of(n, struct mapping, node));
    return !n;
}

void space_destroy(struct object *o)
{
    struct space *s = object_of(o, struct space);
    if (s->table_pages == UINT64_MAX)
        return;
    table_space = s;
    arch_space_free(&s->arch);
    table_space = nullptr;
    kassert(s->table_pages == 0);
}
