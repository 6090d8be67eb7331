// SPDX-License-Identifier: MPL-2.0
//
// WaitSets: waiting for any of many Events, each with a key. Readiness is level and waiting clears nothing, unless an
// entry asks to be told of each signal once (EDGE) or of one at all (ONCE).
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>

fut_status_t sys_waitset_create(struct thread *t, const uint64_t *, uint64_t *value)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_WAITSET, t->task->object.account, &o);
    if (status)
        return status;
    struct waitset *w = object_of(o, struct waitset);
    list_init(&w->entries);
    list_init(&w->waiters);
    fut_handle_t h = 0;
    status = cap_install(t->task, o, RIGHTS_WAITSET, &h);
    *value = h;
    return status;
}

static void entry_free(struct waitset_entry *e)
{
    list_remove(&e->in_set);
    list_remove(&e->in_event);
    object_unref(&e->event->object);
    account_return_object(e->account);
    slab_free(e, sizeof *e);
}

void waitset_free(struct object *o)
{
    struct waitset *w = object_of(o, struct waitset);
    while (!list_empty(&w->entries))
        entry_free(list_first(&w->entries, struct waitset_entry, in_set));
}

static fut_status_t get_set(struct thread *t, uint64_t h, uint32_t rights, struct waitset **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_WAITSET, rights, &c);
    if (!status)
        *out = object_of(c->object, struct waitset);
    return status;
}

static void wake(struct waitset *w)
{
    while (!list_empty(&w->waiters)) {
        struct thread *t = list_first(&w->waiters, struct thread, queue.link);
        thread_unwait(t);
        thread_restart_later(t);
        thread_ready(t);
    }
}

fut_status_t sys_waitset_add(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct waitset *w;
    struct cap *c;
    fut_status_t status = get_set(t, a[0], FUT_RIGHT_WRITE, &w);
    if (!status && (a[4] & ~(uint64_t)(FUT_WAITSET_EDGE | FUT_WAITSET_ONCE)))
        status = FUT_ERR_ARGUMENT;
    if (!status)
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_EVENT, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    struct event *event = object_of(c->object, struct event);
    struct waitset_entry *e = nullptr;
    list_each(&w->entries, struct waitset_entry, in_set, i)
        if (i->key == a[3])
            e = i;
    if (!e) {
        struct account *account = t->task->object.account;
        status = account_charge_object(account);
        if (status)
            return status;
        e = slab_alloc(sizeof *e);
        if (!e) {
            account_return_object(account);
            return FUT_ERR_NO_MEMORY;
        }
        e->set = w;
        e->account = account;
        e->key = a[3];
        list_append(&w->entries, &e->in_set);
    } else {
        list_remove(&e->in_event);
        object_unref(&e->event->object);
    }
    e->event = event;
    e->mask = a[2];
    e->flags = (uint32_t)a[4];
    e->fresh = true;
    object_ref(&event->object);
    list_append(&event->entries, &e->in_event);
    if (event->bits & e->mask)
        wake(w);
    return FUT_OK;
}

fut_status_t sys_waitset_remove(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct waitset *w;
    fut_status_t status = get_set(t, a[0], FUT_RIGHT_WRITE, &w);
    if (status)
        return status;
    list_each(&w->entries, struct waitset_entry, in_set, i)
        if (i->key == a[1]) {
            entry_free(i);
            return FUT_OK;
        }
    return FUT_ERR_NOT_FOUND;
}

fut_status_t sys_waitset_wait(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct waitset *w;
    fut_status_t status = get_set(t, a[0], FUT_RIGHT_READ, &w);
    if (status)
        return status;
    if (a[2] == 0 || (a[4] & ~(uint64_t)(FUT_WAIT_INTERRUPTIBLE | FUT_WAIT_KEEP)))
        return FUT_ERR_ARGUMENT;
    uint64_t n = 0;
    // What is reported goes to the end: with less room than ready entries, all have their turn.
    for (struct list *l = w->entries.next, *next, *last = w->entries.prev; l != &w->entries && n < a[2]; l = next) {
        struct waitset_entry *i = container_of(l, struct waitset_entry, in_set);
        next = l == last ? &w->entries : l->next;
        uint64_t bits = i->event->bits & i->mask;
        if (!bits || ((i->flags & FUT_WAITSET_EDGE) && !i->fresh))
            continue;
        struct fut_ready ready = {i->key, bits};
        status = user_write(t, a[1] + n * sizeof ready, &ready, sizeof ready);
        if (status)
            return status;
        n++;
        if (a[4] & FUT_WAIT_KEEP)
            continue;
        i->fresh = false;
        if (i->flags & FUT_WAITSET_ONCE)
            i->mask = 0;
        list_remove(&i->in_set);
        list_append(&w->entries, &i->in_set);
    }
    if (n) {
        *value = n;
        return FUT_OK;
    }
    if ((a[4] & FUT_WAIT_INTERRUPTIBLE) && t->pending)
        return FUT_ERR_INTERRUPTED;
    if (a[3] != FUT_FOREVER && (a[3] == 0 || a[3] <= arch_time_ns()))
        return FUT_ERR_TIMED_OUT;
    t->state = FUT_THREAD_WAITING;
    t->waits_on = &w->object;
    object_ref(&w->object);
    t->call_flags = (uint32_t)a[4];
    list_append(&w->waiters, &t->queue.link);
    timer_start(t, a[3]);
    return SYS_BLOCKED;
}
