// SPDX-License-Identifier: MPL-2.0
//
// Tasks: a capability table and a Space. A task ends when it is destroyed, with its last thread, or with its
// last handle if it has no thread. Its capabilities and its Space go at that moment; the object itself stays
// for whoever holds a handle.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>

struct list all_tasks = {&all_tasks, &all_tasks};

fut_status_t task_new(struct account *a, struct space *s, struct task **out)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_TASK, a, &o);
    if (status)
        return status;
    struct task *t = object_of(o, struct task);
    list_init(&t->threads);
    list_init(&t->watches);
    list_append(&all_tasks, &t->in_all);
    t->native_bytes = UINT64_MAX;
    if (!cap_table_init(t)) {
        t->dead = true;
        object_unref(o);
        return FUT_ERR_NO_MEMORY;
    }
    t->space = s;
    object_ref(&s->object);
    *out = t;
    return FUT_OK;
}

void task_destroy(struct task *t)
{
    if (t->dead)
        return;
    t->dead = true;
    object_ref(&t->object);
    while (!list_empty(&t->threads))
        thread_destroy(list_first(&t->threads, struct thread, in_task));
    t->dying = true;
    object_reap_later(&t->object); // with our reference
}

bool task_step(struct object *o)
{
    struct task *t = object_of(o, struct task);
    if (!t->dying)
        return true;
    if (!cap_table_clear(t))
        return false;
    t->dying = false;
    object_unref(&t->space->object);
    t->space = nullptr;
    watches_signal(&t->watches);
    return true;
}

// A Task without threads that only its own table names can never run or be named again.
void task_fewer_handles(struct object *o)
{
    struct task *t = object_of(o, struct task);
    if (t->thread_count || t->dead || !t->caps.leaf)
        return;
    uint32_t own = 0;
    for (uint32_t l = 0; l < CAP_LEAVES; l++)
        for (uint32_t i = 0; t->caps.leaf[l] && i < CAP_LEAF_SLOTS; i++)
            own += t->caps.leaf[l][i].object == o;
    if (own == o->handles)
        task_destroy(t);
}

void task_no_handles(struct object *o)
{
    struct task *t = object_of(o, struct task);
    if (t->thread_count == 0)
        task_destroy(t);
}

void task_free(struct object *o)
{
    struct task *t = object_of(o, struct task);
    kassert(t->dead && t->thread_count == 0);
    watches_signal(&t->watches);
    list_remove(&t->in_all);
}

// --- System calls ---------------------------------------------------------------------------------------
static fut_status_t get_account(struct thread *t, uint64_t h, struct account **out)
{
    if (!h) {
        *out = t->task->object.account;
        return FUT_OK;
    }
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_ACCOUNT, FUT_RIGHT_MANAGE, &c);
    if (!status)
        *out = object_of(c->object, struct account);
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

fut_status_t sys_task_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct account *account;
    struct space *space;
    fut_status_t status = get_account(t, a[0], &account);
    if (!status)
        status = get_space(t, a[1], FUT_RIGHT_MANAGE, &space);
    if (!status)
        status = cap_reserve(t->task, 1);
    if (status)
        return status;
    struct task *n;
    status = task_new(account, space, &n);
    if (status)
        return status;
    fut_handle_t h;
    status = cap_install(t->task, &n->object, RIGHTS_TASK, &h);
    *value = h;
    return status;
}

#define CLONE_MAX 512u

fut_status_t sys_task_clone(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    struct account *account;
    struct space *space;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_MANAGE, &c);
    if (status)
        return status;
    struct task *from = object_of(c->object, struct task);
    status = get_account(t, a[1], &account);
    if (!status)
        status = get_space(t, a[2], FUT_RIGHT_MANAGE, &space);
    if (!status && from->dead)
        status = FUT_ERR_STATE;
    if (!status && a[4] > CLONE_MAX)
        status = FUT_ERR_ARGUMENT;
    if (!status)
        status = cap_reserve(t->task, 1);
    if (!status)
        status = user_prepare(t, a[3], a[4] * sizeof(struct fut_clone_cap), ACCESS_READ);
    if (status)
        return status;
    struct task *n;
    status = task_new(account, space, &n);
    if (status)
        return status;
    n->native_base = from->native_base;
    n->native_bytes = from->native_bytes;
    for (uint64_t i = 0; i < a[4] && !status; i++) {
        struct fut_clone_cap e;
        if (!arch_copy_from_user(&e, a[3] + i * sizeof e, sizeof e)) {
            status = FUT_ERR_ADDRESS;
            break;
        }
        struct cap *source;
        if (e.replace)
            status = cap_get(t->task, e.replace, FUT_OBJ_NONE, FUT_RIGHT_DUP, &source);
        else
            status = cap_get(from, e.handle, FUT_OBJ_NONE, FUT_RIGHT_DUP, &source);
        if (!status)
            status = cap_reserve_at(n, e.handle);
        // A copy of the task's own is a sibling: revoking the parent's does not depend on who forked first.
        if (!status)
            cap_put_at(n, e.handle, source->object, source->rights, source, !e.replace);
    }
    if (status) {
        task_destroy(n);
        object_unref(&n->object);
        return status;
    }
    fut_handle_t h;
    status = cap_install(t->task, &n->object, RIGHTS_TASK, &h);
    *value = h;
    return status;
}

fut_status_t sys_task_native(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_MANAGE, &c);
    if (status)
        return status;
    struct task *task = object_of(c->object, struct task);
    if (task->dead)
        return FUT_ERR_STATE;
    task->native_base = a[1];
    task->native_bytes = a[2];
    list_each(&task->threads, struct thread, in_task, i) {
        i->native_base = a[1];
        i->native_bytes = a[2];
    }
    return FUT_OK;
}

fut_status_t sys_task_watch(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c, *e;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_READ, &c);
    if (!status)
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_EVENT, FUT_RIGHT_WRITE, &e);
    if (status)
        return status;
    struct task *task = object_of(c->object, struct task);
    struct event *event = object_of(e->object, struct event);
    if (task->dead) {
        event_signal(event, a[2]);
        return FUT_OK;
    }
    return watch_add(&task->watches, event, a[2], t->task->object.account);
}

fut_status_t sys_task_destroy(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_MANAGE, &c);
    if (status)
        return status;
    struct task *task = object_of(c->object, struct task);
    task_destroy(task);
    return t->state == FUT_THREAD_DEAD ? SYS_BLOCKED : FUT_OK;
}

static uint64_t space_resident(struct space *s)
{
    uint64_t n = 0;
    for (struct tree_node *i = tree_first(&s->mappings); i; i = tree_next(i)) {
        struct mapping *m = container_of(i, struct mapping, node);
        uint64_t bytes = m->end - m->node.key;
        if (m->overlay)
            n += memory_present(m->overlay, m->overlay_offset, bytes);
        if (m->memory && m->memory->cache == ARCH_CACHE_NORMAL)
            n += memory_present(m->memory, m->offset, bytes);
    }
    return n;
}

fut_status_t sys_task_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    struct task *task = object_of(c->object, struct task);
    cpu_charge_all();
    uint64_t ticks = task->cpu_ticks;
    list_each(&task->threads, struct thread, in_task, i)
        ticks += i->counter_ticks;
    struct fut_task_info info = {
        .object_id = task->object.id,
        .space_id = task->space ? task->space->object.id : 0,
        .account_id = task->object.account->object.id,
        .cpu_ns = ticks_to_ns(ticks),
        .threads = task->thread_count,
        .handles = task->caps.used,
        .pages = task->space ? space_resident(task->space) : 0,
    };
    return user_write(t, a[1], &info, sizeof info);
}
