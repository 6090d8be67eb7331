// SPDX-License-Identifier: MPL-2.0
//
// The system calls on Memory and Spaces: decode, check, then act.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include "radix.h"

#define PAGE_MASK ((uint64_t)FUT_PAGE_SIZE - 1)

static fut_status_t get_memory(struct thread *t, uint64_t h, uint32_t rights, struct memory **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_MEMORY, rights, &c);
    if (!status)
        *out = object_of(c->object, struct memory);
    return status;
}

static fut_status_t get_space(struct thread *t, uint64_t h, uint32_t rights, struct space **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_SPACE, rights, &c);
    if (!status)
        *out = object_of(c->object, struct space);
    return status;
}

static bool range_in(const struct memory *m, uint64_t offset, uint64_t bytes)
{
    return !((offset | bytes) & PAGE_MASK) && bytes && offset < m->bytes && bytes <= m->bytes - offset;
}

static fut_status_t install(struct thread *t, struct memory *m, uint32_t rights, uint64_t *value)
{
    fut_handle_t h = 0;
    fut_status_t status = cap_install(t->task, &m->object, rights, &h);
    *value = h;
    return status;
}

// Zeroes the pages of t->work from t->progress on, with preemption points.
static fut_status_t fill(struct thread *t)
{
    struct memory *m = object_of(t->work, struct memory);
    fut_status_t status = FUT_OK;
    while (t->progress < m->bytes >> FUT_PAGE_SHIFT && !status) {
        phys_t phys;
        status = memory_get(m, t->progress << FUT_PAGE_SHIFT, true, &phys);
        if (!status && m->kind == MEMORY_CONTIGUOUS)
            arch_zero_page(phys_to_virt(phys));
        if (++t->progress % 64 == 0 && preempt(t))
            return SYS_BLOCKED;
    }
    return status;
}

fut_status_t sys_memory_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    uint64_t bytes = a[0];
    uint32_t flags = (uint32_t)a[1];
    fut_status_t status = FUT_OK;
    struct memory *m;
    if (t->work) {
        m = object_of(t->work, struct memory); // started over: most of it is done
    } else {
        if ((a[1] & ~(uint64_t)(FUT_MEM_CONTIGUOUS | FUT_MEM_COMMIT)) || bytes > 1ull << 46)
            return FUT_ERR_ARGUMENT;
        struct account *account = t->task->object.account;
        status = memory_new(account, (bytes + PAGE_MASK) & ~PAGE_MASK, MEMORY_ANON, &m);
        if (status)
            return status;
        m->flags = flags;
        uint64_t n = m->bytes >> FUT_PAGE_SHIFT;
        if (flags & FUT_MEM_CONTIGUOUS) {
            unsigned order = 0;
            while (order < 12 && 1ull << order < n)
                order++;
            struct page *p = nullptr;
            if (1ull << order >= n && account_charge_pages(account, n)) {
                p = page_alloc(order);
                if (!p)
                    account_return_pages(account, n);
            }
            if (!p) {
                object_unref(&m->object);
                return FUT_ERR_NO_MEMORY;
            }
            m->kind = MEMORY_CONTIGUOUS;
            m->base = page_phys(p);
            m->committed = n;
            for (uint64_t i = 0; i < n; i++) {
                p[i].refs = 1;
                p[i].owner = m;
            }
            for (uint64_t i = n; i < 1ull << order; i++)
                page_free(&p[i], 0); // what the power of two was too much
        }
        t->work = &m->object;
    }
    if (flags & (FUT_MEM_CONTIGUOUS | FUT_MEM_COMMIT))
        status = fill(t);
    if (status == SYS_BLOCKED)
        return status;
    t->work = nullptr;
    t->progress = 0;
    if (status) {
        object_unref(&m->object);
        return status;
    }
    return install(t, m, RIGHTS_MEMORY | (flags & FUT_MEM_CONTIGUOUS ? FUT_RIGHT_DMA : 0), value);
}

fut_status_t sys_memory_slice(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_MEMORY, FUT_RIGHT_DUP, &c);
    if (!status)
        status = cap_reserve(t->task, 1);
    if (status)
        return status;
    struct memory *m = object_of(c->object, struct memory);
    if (m->kind != MEMORY_PHYS && m->kind != MEMORY_CONTIGUOUS)
        return FUT_ERR_UNSUPPORTED;
    if (!range_in(m, a[1], a[2]))
        return FUT_ERR_ARGUMENT;
    struct memory *n;
    status = memory_new(t->task->object.account, a[2], MEMORY_PHYS, &n);
    if (status)
        return status;
    n->base = m->base + a[1];
    n->cache = m->cache;
    n->parent = m;
    object_ref(&m->object);
    // Derived: revoking the whole takes the parts too.
    *value = cap_put(t->task, &n->object, c->rights & ~FUT_RIGHT_MANAGE, c)->handle;
    object_unref(&n->object);
    return FUT_OK;
}

fut_status_t sys_memory_snapshot(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct memory *m, *n;
    fut_status_t status = get_memory(t, a[0], FUT_RIGHT_READ, &m);
    if (status)
        return status;
    if (!range_in(m, a[1], a[2]))
        return FUT_ERR_ARGUMENT;
    if (m->cache != ARCH_CACHE_NORMAL)
        return FUT_ERR_UNSUPPORTED;
    if (m->kind == MEMORY_PAGED)
        for (uint64_t at = a[1]; at < a[1] + a[2]; at += FUT_PAGE_SIZE) {
            phys_t phys;
            status = memory_get(m, at, false, &phys);
            if (status == FUT_ERR_WOULD_BLOCK) {
                thread_restart_later(t);
                thread_wait_page(t, m, at, ACCESS_READ);
                return SYS_BLOCKED;
            }
            if (status)
                return status;
        }
    status = memory_snapshot(m, a[1], a[2], t->task->object.account, &n);
    return status ? status : install(t, n, RIGHTS_MEMORY, value);
}

fut_status_t sys_memory_resize(struct thread *t, const uint64_t *a, uint64_t *)
{
    for (;;) {
        struct memory *m;
        fut_status_t status = get_memory(t, a[0], FUT_RIGHT_MANAGE, &m);
        if (status)
            return status;
        uint64_t bytes = (a[1] + PAGE_MASK) & ~PAGE_MASK, old = m->bytes;
        if (m->kind == MEMORY_PHYS || m->kind == MEMORY_CONTIGUOUS)
            return FUT_ERR_UNSUPPORTED;
        if (a[1] == 0 || a[1] > 1ull << 46)
            return FUT_ERR_ARGUMENT;
        if (bytes > old && !radix_grow(m, bytes))
            return FUT_ERR_NO_MEMORY;
        if (bytes >= old) {
            m->bytes = bytes;
            return FUT_OK;
        }
        // From the end, in steps. Private mappings show pages of m where their overlay has none: those entries go too.
        m->bytes = max(bytes, old - min(old, memory_step_bytes(m, old - bytes)));
        memory_decommit(m, m->bytes, old - m->bytes);
        memory_wake_faulters(m, m->bytes, old - m->bytes);
        if (m->bytes > bytes && preempt(t))
            return SYS_BLOCKED;
    }
}

// Copies between user memory and a Memory, a page at a time; blocks for a pager and then starts over.
static fut_status_t memory_io(struct thread *t, const uint64_t *a, uint64_t *value, bool write)
{
    struct memory *m;
    fut_status_t status = get_memory(t, a[0], write ? FUT_RIGHT_WRITE : FUT_RIGHT_READ, &m);
    if (status)
        return status;
    uint64_t offset = a[1], user = a[2];
    if (m->cache != ARCH_CACHE_NORMAL)
        return FUT_ERR_UNSUPPORTED;
    uint64_t n = offset >= m->bytes ? 0 : min(a[3], m->bytes - offset), done = 0;
    while (done < n) {
        phys_t phys;
        status = memory_get(m, offset + done, write, &phys);
        if (status == FUT_ERR_WOULD_BLOCK) {
            if (m->pager->server == t->task)
                return FUT_ERR_STATE;
            thread_restart_later(t);
            thread_wait_page(t, m, offset + done, write ? ACCESS_WRITE : ACCESS_READ);
            return SYS_BLOCKED;
        }
        if (status)
            return status;
        uint64_t in_page = (offset + done) & PAGE_MASK;
        uint64_t part = min(n - done, FUT_PAGE_SIZE - in_page);
        char *p = (char *)phys_to_virt(phys) + in_page;
        status = write ? user_read(t, p, user + done, part) : user_write(t, user + done, p, part);
        if (status)
            return status;
        done += part;
    }
    *value = done;
    return FUT_OK;
}

fut_status_t sys_memory_read(struct thread *t, const uint64_t *a, uint64_t *value) { return memory_io(t, a, value, false); }
fut_status_t sys_memory_write(struct thread *t, const uint64_t *a, uint64_t *value) { return memory_io(t, a, value, true); }

fut_status_t sys_memory_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_MEMORY, 0, &c);
    if (status)
        return status;
    struct memory *m = object_of(c->object, struct memory);
    struct fut_memory_info info = {
        .bytes = m->bytes,
        .committed = m->committed,
        .physical = c->rights & FUT_RIGHT_DMA && (m->kind == MEMORY_PHYS || m->kind == MEMORY_CONTIGUOUS) ? m->base : 0,
        .references = m->object.refs,
        .flags = (m->kind == MEMORY_CONTIGUOUS ? FUT_MEM_CONTIGUOUS : 0) |
                 (m->kind == MEMORY_PHYS ? (m->cache == ARCH_CACHE_DEVICE ? FUT_MEM_DEVICE : FUT_MEM_CACHED) : 0),
    };
    return user_write(t, a[1], &info, sizeof info);
}

fut_status_t sys_memory_paged(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_CHANNEL, FUT_RIGHT_RECV, &c);
    if (status)
        return status;
    if (a[0] > 1ull << 46)
        return FUT_ERR_ARGUMENT;
    struct memory *m;
    status = memory_new(t->task->object.account, (a[0] + PAGE_MASK) & ~PAGE_MASK, MEMORY_PAGED, &m);
    if (status)
        return status;
    m->pager = object_of(c->object, struct channel);
    object_ref(&m->pager->object);
    m->pager_badge = a[2];
    return install(t, m, RIGHTS_MEMORY, value);
}

fut_status_t sys_memory_supply(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct memory *m, *from;
    fut_status_t status = get_memory(t, a[0], FUT_RIGHT_MANAGE, &m);
    if (!status)
        status = get_memory(t, a[2], FUT_RIGHT_READ | FUT_RIGHT_WRITE, &from);
    if (status)
        return status;
    bool share = from->kind == MEMORY_CONTIGUOUS;
    if (m->kind != MEMORY_PAGED || (from->kind != MEMORY_ANON && !share))
        return FUT_ERR_UNSUPPORTED;
    if (!range_in(m, a[1], a[4]) || !range_in(from, a[3], a[4]) || (a[5] & ~(uint64_t)FUT_SUPPLY_ASK))
        return FUT_ERR_ARGUMENT;
    uint64_t ask = a[5] & FUT_SUPPLY_ASK ? SLOT_ASK : 0;
    for (uint64_t at = 0; at < a[4] && !status; at += FUT_PAGE_SIZE) {
        uint64_t *to = radix_make(m, (a[1] + at) >> FUT_PAGE_SHIFT);
        if (!to) {
            status = FUT_ERR_NO_MEMORY;
            break;
        }
        if (*to & SLOT_PRESENT) { // what is there may be newer
            *to &= ~SLOT_FAILED & (ask ? ~0ull : ~SLOT_ASK);
            continue;
        }
        phys_t phys;
        status = memory_get(from, a[3] + at, true, &phys); // a page of its own: not one that a snapshot shares
        if (status)
            break;
        struct page *p = phys_page(phys);
        if (p->pins) {
            status = FUT_ERR_STATE;
            break;
        }
        if (share) {
            object_ref(&from->object);
            p->synced = false; // a device may have written it
            *to = phys | SLOT_PRESENT | SLOT_SHARED | ask | (*to & SLOT_DIRTY);
            continue;
        }
        if (!account_charge_pages(m->object.account, 1)) {
            status = FUT_ERR_NO_MEMORY;
            break;
        }
        memory_unmap_page(from, a[3] + at);
        *radix_find(from, (a[3] + at) >> FUT_PAGE_SHIFT) = 0;
        from->committed--;
        account_return_pages(from->object.account, 1);
        *to = phys | SLOT_PRESENT | ask;
        m->committed++;
    }
    memory_wake_faulters(m, a[1], a[4]);
    return status;
}

fut_status_t sys_memory_fail(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct memory *m;
    fut_status_t status = get_memory(t, a[0], FUT_RIGHT_MANAGE, &m);
    if (status)
        return status;
    if (m->kind != MEMORY_PAGED)
        return FUT_ERR_UNSUPPORTED;
    if (!range_in(m, a[1], a[2]))
        return FUT_ERR_ARGUMENT;
    list_each(&m->faulters, struct thread, fault_link, i) {
        uint64_t *slot = i->fault_offset - a[1] < a[2] ? radix_make(m, i->fault_offset >> FUT_PAGE_SHIFT) : nullptr;
        if (slot && (!(*slot & SLOT_PRESENT) || (*slot & SLOT_ASK)))
            *slot |= SLOT_FAILED;
    }
    memory_wake_faulters(m, a[1], a[2]);
    return FUT_OK;
}

// t->progress: how many bytes are done.
fut_status_t sys_memory_decommit(struct thread *t, const uint64_t *a, uint64_t *)
{
    for (;;) {
        struct memory *m;
        fut_status_t status = get_memory(t, a[0], FUT_RIGHT_MANAGE, &m);
        if (!status && !range_in(m, a[1], a[2]))
            status = FUT_ERR_ARGUMENT;
        if (!status && (m->kind == MEMORY_PHYS || m->kind == MEMORY_CONTIGUOUS))
            status = FUT_ERR_UNSUPPORTED;
        uint64_t left = a[2] - t->progress, step = status ? left : min(left, memory_step_bytes(m, left));
        if (!status)
            memory_decommit(m, a[1] + t->progress, step);
        t->progress = step < left ? t->progress + step : 0;
        if (step == left)
            return status;
        if (preempt(t))
            return SYS_BLOCKED;
    }
}

fut_status_t sys_memory_dirty(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct memory *m;
    fut_status_t status = get_memory(t, a[0], FUT_RIGHT_MANAGE, &m);
    if (status)
        return status;
    uint64_t n = a[3];
    if (m->kind != MEMORY_PAGED)
        return FUT_ERR_UNSUPPORTED;
    if ((a[1] & PAGE_MASK) || a[1] >= m->bytes || n == 0 || n > (m->bytes - a[1]) >> FUT_PAGE_SHIFT ||
        (a[4] & ~(uint64_t)FUT_DIRTY_ASK))
        return FUT_ERR_ARGUMENT;
    // The bitmap is made writable first: clearing a mark and then failing to report it would lose data.
    status = user_prepare(t, a[2], (n + 63) / 64 * 8, ACCESS_WRITE);
    if (status)
        return status;
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i += 64) {
        uint64_t word = 0, some = 0, first = (a[1] >> FUT_PAGE_SHIFT) + i, here = min(n - i, (uint64_t)64);
        for (uint64_t b = 0; b < here; b++) {
            uint64_t *slot = radix_find(m, first + b);
            if (slot && (*slot & SLOT_DIRTY)) {
                word |= 1ull << b;
                count++;
            }
            some |= slot ? *slot : 0;
        }
        if (!arch_copy_to_user(a[2] + i / 8, &word, sizeof word))
            return FUT_ERR_ADDRESS;
        uint64_t ask = a[4] & FUT_DIRTY_ASK ? SLOT_ASK : 0;
        if (!word && !(ask && some))
            continue;
        memory_protect_range(m, first << FUT_PAGE_SHIFT, here << FUT_PAGE_SHIFT);
        for (uint64_t b = 0; b < here; b++) {
            uint64_t *slot = radix_find(m, first + b);
            if (slot)
                *slot = (*slot & ~SLOT_DIRTY) | (*slot & SLOT_PRESENT ? ask : 0);
        }
    }
    *value = count;
    return FUT_OK;
}

fut_status_t sys_space_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct account *account = t->task->object.account;
    if (a[0]) {
        struct cap *c;
        fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_ACCOUNT, FUT_RIGHT_MANAGE, &c);
        if (status)
            return status;
        account = object_of(c->object, struct account);
    }
    struct space *s;
    fut_status_t status = space_new(account, &s);
    if (status)
        return status;
    fut_handle_t h = 0;
    status = cap_install(t->task, &s->object, RIGHTS_SPACE, &h);
    *value = h;
    return status;
}

fut_status_t sys_space_clone(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct space *s, *n;
    struct account *account = t->task->object.account;
    fut_status_t status = get_space(t, a[0], FUT_RIGHT_MANAGE, &s);
    if (!status && a[1]) {
        struct cap *c;
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_ACCOUNT, FUT_RIGHT_MANAGE, &c);
        if (!status)
            account = object_of(c->object, struct account);
    }
    if (!status)
        status = space_clone(s, account, &n);
    if (status)
        return status;
    fut_handle_t h = 0;
    status = cap_install(t->task, &n->object, RIGHTS_SPACE, &h);
    *value = h;
    return status;
}

fut_status_t sys_space_map(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct space *s;
    struct fut_map q;
    fut_status_t status = get_space(t, a[0], FUT_RIGHT_MAP, &s);
    if (!status)
        status = user_read(t, &q, a[1], sizeof q);
    if (status)
        return status;
    struct memory *m = nullptr;
    uint32_t limit = FUT_PROT_READ | FUT_PROT_WRITE | FUT_PROT_EXEC;
    if (q.flags & FUT_MAP_ANON) {
        if (q.memory || q.offset)
            return FUT_ERR_ARGUMENT;
    } else {
        struct cap *c;
        status = cap_get(t->task, q.memory, FUT_OBJ_MEMORY, FUT_RIGHT_MAP, &c);
        if (status)
            return status;
        m = object_of(c->object, struct memory);
        limit = (c->rights & FUT_RIGHT_READ ? FUT_PROT_READ : 0) |
                (c->rights & FUT_RIGHT_WRITE || q.flags & FUT_MAP_PRIVATE ? FUT_PROT_WRITE : 0) |
                (c->rights & FUT_RIGHT_EXEC ? FUT_PROT_EXEC : 0);
        // Writing without reading is not something page tables can say; a private copy reads its source.
        if (!(limit & FUT_PROT_READ))
            return FUT_ERR_RIGHTS;
        if (q.flags & 7u & ~limit)
            return FUT_ERR_RIGHTS;
    }
    return space_map(s, m, &q, limit, value);
}

fut_status_t sys_space_unmap(struct thread *t, const uint64_t *a, uint64_t *)
{
    for (;;) {
        struct space *s;
        bool more = false;
        fut_status_t status = get_space(t, a[0], FUT_RIGHT_MAP, &s);
        if (!status)
            status = space_unmap_some(s, a[1], a[2], &more);
        if (!more)
            return status;
        if (preempt(t))
            return SYS_BLOCKED;
    }
}

fut_status_t sys_space_protect(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct space *s;
    fut_status_t status = get_space(t, a[0], FUT_RIGHT_MAP, &s);
    if (!status && a[3] > 7)
        status = FUT_ERR_ARGUMENT;
    return status ? status : space_protect(s, a[1], a[2], (uint32_t)a[3]);
}

fut_status_t sys_space_query(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct space *s;
    fut_status_t status = get_space(t, a[0], FUT_RIGHT_READ, &s);
    if (status)
        return status;
    struct mapping *m = space_find(s, a[1]);
    if (!m) {
        struct tree_node *n = tree_ceiling(&s->mappings, a[1]);
        if (!n)
            return FUT_ERR_NOT_FOUND;
        m = container_of(n, struct mapping, node);
    }
    uint64_t bytes = m->end - m->node.key;
    struct fut_mapping info = {
        .address = m->node.key,
        .bytes = bytes,
        .offset = m->offset,
        .memory_id = m->memory ? m->memory->object.id : 0,
        .flags = m->flags & ((1u << MAP_LIMIT_SHIFT) - 1),
        .resident = (uint32_t)((m->overlay ? memory_present(m->overlay, m->overlay_offset, bytes) : 0) +
                               (m->memory && !m->overlay ? memory_present(m->memory, m->offset, bytes) : 0)),
    };
    return user_write(t, a[2], &info, sizeof info);
}

// Copies between the caller's memory and another Space's, in steps of a buffer on the stack.
static fut_status_t space_io(struct thread *t, const uint64_t *a, uint64_t *value, bool write)
{
    struct space *s;
    fut_status_t status = get_space(t, a[0], write ? FUT_RIGHT_WRITE : FUT_RIGHT_READ, &s);
    if (status)
        return status;
    char buffer[512];
    uint64_t done = 0;
    while (done < a[3]) {
        uint64_t part = min(a[3] - done, sizeof buffer);
        struct memory *wait = nullptr;
        uint64_t offset = 0;
        if (write) {
            status = user_read(t, buffer, a[2] + done, part);
            if (status)
                return status;
        }
        status = space_copy(s, a[1] + done, buffer, part, write, &wait, &offset);
        if (status == FUT_ERR_WOULD_BLOCK) {
            thread_restart_later(t);
            thread_wait_page(t, wait, offset, write ? ACCESS_WRITE : ACCESS_READ);
            return SYS_BLOCKED;
        }
        if (!status && !write)
            status = user_write(t, a[2] + done, buffer, part);
        if (status) {
            if (status == SYS_BLOCKED || done == 0)
                return status;
            break;
        }
        done += part;
    }
    *value = done;
    return FUT_OK;
}

fut_status_t sys_space_read(struct thread *t, const uint64_t *a, uint64_t *value) { return space_io(t, a, value, false); }
fut_status_t sys_space_write(struct thread *t, const uint64_t *a, uint64_t *value) { return space_io(t, a, value, true); }
