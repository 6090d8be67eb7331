// SPDX-License-Identifier: MPL-2.0
//
// Capability tables and the derivation tree.
//
// A table is a page of pointers to leaves, each a page of 64 slots; leaves are made when the free list runs
// dry and stay until the table goes. Pages are charged to the task's Account. A freed slot remembers its
// handle, so that the next use of it has another generation.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>

#define STEPS 32u // capabilities looked at between two preemption points
uint32_t caps_frozen;

static struct page *charged_page(struct account *a)
{
    if (!account_charge_pages(a, 1))
        return nullptr;
    struct page *p = page_alloc(0);
    if (!p) {
        account_return_pages(a, 1);
        return nullptr;
    }
    arch_zero_page(phys_to_virt(page_phys(p)));
    return p;
}

static void charged_page_free(struct account *a, void *virt)
{
    page_free(phys_page(virt_to_phys(virt)), 0);
    account_return_pages(a, 1);
}

bool cap_table_init(struct task *t)
{
    struct page *p = charged_page(t->object.account);
    if (!p)
        return false;
    t->caps.leaf = phys_to_virt(page_phys(p));
    return true;
}

static bool make_leaf(struct task *t, uint32_t l)
{
    struct page *p = charged_page(t->object.account);
    if (!p)
        return false;
    struct cap *leaf = phys_to_virt(page_phys(p));
    for (uint32_t i = CAP_LEAF_SLOTS; i-- > 0;) {
        leaf[i].task = t;
        leaf[i].handle = CAP_NO_HANDLE(l * CAP_LEAF_SLOTS + i);
        leaf[i].rights = l * CAP_LEAF_SLOTS + i; // generation 0: the first use makes it 1
        leaf[i].next = t->caps.free;
        if (t->caps.free)
            t->caps.free->prev = &leaf[i];
        t->caps.free = &leaf[i];
    }
    t->caps.leaf[l] = leaf;
    t->caps.leaves++;
    t->caps.free_count += CAP_LEAF_SLOTS;
    return true;
}

fut_status_t cap_reserve(struct task *t, uint32_t n)
{
    if (unlikely(t->dead))
        return FUT_ERR_STATE;
    while (t->caps.free_count < n) {
        uint32_t l = 0;
        while (l < CAP_LEAVES && t->caps.leaf[l])
            l++;
        if (l == CAP_LEAVES)
            return FUT_ERR_NO_SLOT;
        if (!make_leaf(t, l))
            return FUT_ERR_NO_MEMORY;
    }
    return FUT_OK;
}

fut_status_t cap_reserve_at(struct task *t, fut_handle_t h)
{
    uint32_t index = HANDLE_INDEX(h);
    if (index >= CAP_SLOTS || HANDLE_GENERATION(h) == 0 || (h & FUT_CAP_MODE))
        return FUT_ERR_ARGUMENT;
    if (t->dead)
        return FUT_ERR_STATE;
    if (!t->caps.leaf[index / CAP_LEAF_SLOTS] && !make_leaf(t, index / CAP_LEAF_SLOTS))
        return FUT_ERR_NO_MEMORY;
    return t->caps.leaf[index / CAP_LEAF_SLOTS][index % CAP_LEAF_SLOTS].object ? FUT_ERR_EXISTS : FUT_OK;
}

static void take_slot(struct cap *c)
{
    struct cap_table *table = &c->task->caps;
    if (c->prev)
        c->prev->next = c->next;
    else
        table->free = c->next;
    if (c->next)
        c->next->prev = c->prev;
    table->free_count--;
    table->used++;
}

static void link_child(struct cap *parent, struct cap *c)
{
    c->parent = parent;
    c->prev = nullptr;
    c->next = parent ? parent->child : nullptr;
    if (c->next)
        c->next->prev = c;
    if (parent)
        parent->child = c;
}

static struct cap *fill(struct cap *c, fut_handle_t h, struct object *o, uint32_t rights, struct cap *parent)
{
    take_slot(c);
    c->object = o;
    c->handle = h;
    c->rights = rights;
    c->type = o->type;
    c->child = nullptr;
    link_child(parent, c);
    c->sequence = audit(parent ? FUT_AUDIT_DERIVED : FUT_AUDIT_MADE, c, parent ? parent->task : c->task);
    object_handle_ref(o);
    return c;
}

struct cap *cap_put(struct task *t, struct object *o, uint32_t rights, struct cap *parent)
{
    struct cap *c = t->caps.free;
    kassert(c);
    uint32_t generation = (HANDLE_GENERATION(c->rights) + 1) & 0xfff;
    if (generation == 0)
        generation = 1;
    return fill(c, generation << FUT_HANDLE_INDEX_BITS | HANDLE_INDEX(c->rights), o, rights, parent);
}

struct cap *cap_put_at(struct task *t, fut_handle_t h, struct object *o, uint32_t rights, struct cap *parent, bool sibling)
{
    struct cap *c = &t->caps.leaf[HANDLE_INDEX(h) / CAP_LEAF_SLOTS][HANDLE_INDEX(h) % CAP_LEAF_SLOTS];
    return fill(c, h, o, rights, sibling && parent ? parent->parent : parent);
}

static void unlink(struct cap *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else if (c->parent)
        c->parent->child = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

void cap_free_slot(struct cap *c)
{
    struct cap_table *table = &c->task->caps;
    if (unlikely(c->frozen)) {
        c->frozen = false;
        caps_frozen--;
    }
    c->rights = c->handle;
    c->handle = CAP_NO_HANDLE(HANDLE_INDEX(c->handle));
    c->object = nullptr;
    c->type = FUT_OBJ_NONE;
    c->parent = c->child = c->prev = nullptr;
    c->next = table->free;
    if (c->next)
        c->next->prev = c;
    table->free = c;
    table->free_count++;
    table->used--;
}

// Gives up to *steps children of c to its parent (or makes them origins of their own). True: all are gone.
static bool give_children_away(struct cap *c, unsigned *steps)
{
    while (c->child) {
        if (!*steps)
            return false;
        --*steps;
        struct cap *child = c->child;
        unlink(child);
        link_child(c->parent, child);
    }
    return true;
}

void cap_delete(struct cap *c)
{
    struct object *o = c->object;
    if (o == &stale_reply) {
        reply_forget_stale(c);
        cap_free_slot(c);
        return;
    }
    unsigned all = UINT32_MAX;
    give_children_away(c, &all);
    unlink(c);
    cap_free_slot(c);
    object_handle_unref(o);
}

// Deletes what was derived from c, up to *steps of it. True: nothing is left. What lies deeper is first brought up to
// c, one at a time: no step looks at more than one capability, whatever the tree looks like. Until the end c is
// frozen, and nothing can be derived from it or from anything below it (cap_get): so it comes to an end.
static bool revoke(struct cap *c, unsigned *steps)
{
    while (c->child) {
        if (!*steps) {
            caps_frozen += !c->frozen;
            c->frozen = true;
            return false;
        }
        --*steps;
        struct cap *d = c->child, *below = d->child;
        if (below) {
            unlink(below);
            link_child(c, below);
        } else {
            (void)audit(FUT_AUDIT_REVOKED, d, c->task);
            cap_delete(d);
        }
    }
    caps_frozen -= c->frozen;
    c->frozen = false;
    return true;
}

static bool is_frozen(const struct cap *c)
{
    if (c->type == FUT_OBJ_REPLY)
        return false;
    // So long a chain is taken for frozen: looking further would be a long operation.
    for (unsigned depth = 0; depth < 256; depth++, c = c->parent) {
        if (!c)
            return false;
        if (c->frozen)
            return true;
    }
    return true;
}

struct cap *cap_move(struct task *to, struct cap *c, uint32_t rights)
{
    struct cap *n = to->caps.free;
    kassert(n);
    uint32_t generation = (HANDLE_GENERATION(n->rights) + 1) & 0xfff;
    fut_handle_t h = (generation ? generation : 1) << FUT_HANDLE_INDEX_BITS | HANDLE_INDEX(n->rights);
    take_slot(n);
    struct object *o = c->object;
    n->object = o;
    n->handle = h;
    n->rights = c->rights & rights;
    n->type = c->type;
    n->frozen = c->frozen;
    c->frozen = false;
    n->sequence = audit(FUT_AUDIT_MOVED, n, c->task);
    n->parent = c->parent;
    n->child = c->child;
    n->next = c->next;
    n->prev = c->prev;
    if (o == &stale_reply) {
        reply_moved_stale(c, n);
    } else {
        if (n->prev)
            n->prev->next = n;
        else if (n->parent)
            n->parent->child = n;
        if (n->next)
            n->next->prev = n;
        for (struct cap *child = n->child; child; child = child->next)
            child->parent = n;
        if (n->type == FUT_OBJ_REPLY)
            container_of(o, struct thread, reply)->reply_cap = n;
    }
    cap_free_slot(c);
    return n;
}

bool cap_table_clear(struct task *t)
{
    if (!t->caps.leaf)
        return true;
    // All slots first: freeing one writes to its neighbours in the free list.
    unsigned steps = STEPS;
    for (; t->caps.used; t->caps.cleared++) {
        struct cap *leaf = t->caps.leaf[t->caps.cleared];
        for (uint32_t i = 0; leaf && i < CAP_LEAF_SLOTS; i++) {
            if (!leaf[i].object)
                continue;
            if (steps-- == 0)
                return false;
            if (leaf[i].object != &stale_reply && !give_children_away(&leaf[i], &steps))
                return false;
            cap_delete(&leaf[i]);
        }
    }
    for (uint32_t l = 0; t->caps.leaves; l++)
        if (t->caps.leaf[l]) {
            charged_page_free(t->object.account, t->caps.leaf[l]);
            t->caps.leaves--;
        }
    charged_page_free(t->object.account, t->caps.leaf);
    t->caps = (struct cap_table){};
    return true;
}

fut_status_t cap_get(struct task *t, fut_handle_t h, uint32_t type, uint32_t rights, struct cap **out)
{
    struct cap *c = cap_lookup(&t->caps, h);
    if (!c)
        return FUT_ERR_HANDLE;
    if (type != FUT_OBJ_NONE && c->type != type)
        return FUT_ERR_TYPE;
    if ((c->rights & rights) != rights)
        return FUT_ERR_RIGHTS;
    if (unlikely(caps_frozen) && (rights & (FUT_RIGHT_DUP | FUT_RIGHT_MINT)) && is_frozen(c))
        return FUT_ERR_STATE;
    *out = c;
    return FUT_OK;
}

fut_status_t cap_install(struct task *t, struct object *o, uint32_t rights, fut_handle_t *out)
{
    fut_status_t status = cap_reserve(t, 1);
    if (!status)
        *out = cap_put(t, o, rights, nullptr)->handle;
    object_unref(o);
    return status;
}

// --- System calls -------------------------------------------------------------------------------------
fut_status_t sys_cap_mint(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_NONE, FUT_RIGHT_DUP, &c);
    if (!status)
        status = cap_reserve(t->task, 1);
    if (status)
        return status;
    *value = cap_put(t->task, c->object, c->rights & (uint32_t)a[1], c)->handle;
    return FUT_OK;
}

fut_status_t sys_cap_delete(struct thread *t, const uint64_t *a, uint64_t *)
{
    for (;;) {
        struct cap *c;
        fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_NONE, 0, &c);
        if (status)
            return status;
        unsigned steps = STEPS;
        if (c->type == FUT_OBJ_REPLY || give_children_away(c, &steps)) {
            cap_delete(c);
            return FUT_OK;
        }
        if (preempt(t))
            return SYS_BLOCKED;
    }
}

fut_status_t sys_cap_revoke(struct thread *t, const uint64_t *a, uint64_t *)
{
    for (;;) {
        struct cap *c;
        fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_NONE, 0, &c);
        unsigned steps = STEPS;
        if (status || c->type == FUT_OBJ_REPLY || revoke(c, &steps))
            return status;
        if (preempt(t))
            return SYS_BLOCKED;
    }
}

// t->progress: the slots below are done.
fut_status_t sys_task_revoke(struct thread *t, const uint64_t *a, uint64_t *)
{
    for (;;) {
        struct cap *c;
        fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_MANAGE, &c);
        const struct cap_table *table = status ? nullptr : &object_of(c->object, struct task)->caps;
        unsigned steps = STEPS;
        bool more = true;
        for (; steps && table && table->leaf && t->progress < CAP_SLOTS; t->progress++) {
            struct cap *leaf = table->leaf[t->progress / CAP_LEAF_SLOTS], *d = leaf ? &leaf[t->progress % CAP_LEAF_SLOTS] : nullptr;
            if (!leaf)
                t->progress |= CAP_LEAF_SLOTS - 1;
            if (!leaf || t->progress % 8 == 0)
                steps--;
            if (d && d->object && d->type != FUT_OBJ_REPLY && !revoke(d, &steps))
                break;
        }
        more = table && table->leaf && t->progress < CAP_SLOTS;
        if (!more) {
            t->progress = 0;
            return status;
        }
        if (preempt(t))
            return SYS_BLOCKED;
    }
}

static void describe(const struct cap *c, struct fut_cap_info *info)
{
    *info = (struct fut_cap_info){
        .object_id = c->object->id,
        .badge = c->type == FUT_OBJ_SESSION ? object_of(c->object, struct session)->node.key : 0,
        .sequence = c->sequence,
        .parent_id = c->type != FUT_OBJ_REPLY && c->parent ? c->parent->task->object.id : 0,
        .handle = c->handle,
        .rights = c->rights,
        .type = c->type,
        .references = c->object->handles,
    };
}

fut_status_t sys_cap_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_NONE, 0, &c);
    if (status)
        return status;
    struct fut_cap_info info;
    describe(c, &info);
    return user_write(t, a[1], &info, sizeof info);
}

fut_status_t sys_task_caps(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    const struct cap_table *table = &object_of(c->object, struct task)->caps;
    uint64_t n = 0;
    for (uint64_t i = a[3]; table->leaf && i < CAP_SLOTS && n < a[2]; i++) {
        const struct cap *leaf = table->leaf[i / CAP_LEAF_SLOTS];
        if (!leaf) {
            i |= CAP_LEAF_SLOTS - 1;
            continue;
        }
        if (!leaf[i % CAP_LEAF_SLOTS].object)
            continue;
        struct fut_cap_info info;
        describe(&leaf[i % CAP_LEAF_SLOTS], &info);
        status = user_write(t, a[1] + n * sizeof info, &info, sizeof info);
        if (status)
            return status;
        n++;
    }
    *value = n;
    return FUT_OK;
}

fut_status_t sys_cap_grant(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *task_cap, *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_WRITE, &task_cap);
    if (!status)
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_NONE, FUT_RIGHT_DUP, &c);
    if (status)
        return status;
    struct task *to = object_of(task_cap->object, struct task);
    fut_handle_t slot = (fut_handle_t)a[3];
    status = slot ? cap_reserve_at(to, slot) : cap_reserve(to, 1);
    if (status)
        return status;
    uint32_t rights = c->rights & (uint32_t)a[2];
    *value = (slot ? cap_put_at(to, slot, c->object, rights, c, false) : cap_put(to, c->object, rights, c))->handle;
    return FUT_OK;
}

fut_status_t sys_cap_take(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *task_cap, *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_MANAGE, &task_cap);
    if (status)
        return status;
    struct task *from = object_of(task_cap->object, struct task);
    if (from->dead)
        return FUT_ERR_STATE;
    status = cap_get(from, (fut_handle_t)a[1], FUT_OBJ_NONE, FUT_RIGHT_DUP, &c);
    if (!status)
        status = cap_reserve(t->task, 1);
    if (status)
        return status;
    *value = cap_put(t->task, c->object, c->rights & (uint32_t)a[2], c)->handle;
    return FUT_OK;
}
