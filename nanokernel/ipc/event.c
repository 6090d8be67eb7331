// SPDX-License-Identifier: MPL-2.0
//
// Events: 64 bits that are set by signalling and taken by waiting; the Channel that one may be bound to; and
// watches, which signal an Event when something is gone for good.
#include <kernel.h>
#include <ipc.h>
#include <debug/trace.h>
#include <cap/types.h>

fut_status_t sys_event_create(struct thread *t, const uint64_t *, uint64_t *value)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_EVENT, t->task->object.account, &o);
    if (status)
        return status;
    struct event *e = object_of(o, struct event);
    list_init(&e->waiters);
    list_init(&e->entries);
    fut_handle_t h = 0;
    status = cap_install(t->task, o, RIGHTS_EVENT, &h);
    *value = h;
    return status;
}

void event_signal(struct event *e, uint64_t bits)
{
    TRACE(FUT_TRACE_SIGNAL, arch_cpu()->current, e->object.id, bits);
    e->bits |= bits;
    for (struct list *l = e->waiters.next, *next; l != &e->waiters && e->bits; l = next) {
        next = l->next;
        struct thread *t = container_of(l, struct thread, queue.link);
        uint64_t got = e->bits & t->wait_mask;
        if (!got)
            continue;
        if (!(t->call_flags & FUT_WAIT_KEEP))
            e->bits &= ~got;
        thread_wake(t, FUT_OK, got);
    }
    if (e->bits && e->channel) {
        e->channel->attention = true;
        channel_wake(e->channel);
    }
    list_each(&e->entries, struct waitset_entry, in_event, entry) {
        if (!(e->bits & entry->mask))
            continue;
        entry->fresh |= (bits & entry->mask) != 0;
        if ((entry->flags & FUT_WAITSET_EDGE) && !entry->fresh)
            continue;
        // Its system call runs again and looks at everything afresh.
        while (!list_empty(&entry->set->waiters)) {
            struct thread *t = list_first(&entry->set->waiters, struct thread, queue.link);
            thread_unwait(t);
            thread_restart_later(t);
            thread_ready(t);
        }
    }
}

void event_free(struct object *o)
{
    struct event *e = object_of(o, struct event);
    kassert(list_empty(&e->waiters) && list_empty(&e->entries) && !e->channel);
    event_timer_start(e, FUT_FOREVER, 0);
}

static fut_status_t get_event(struct thread *t, uint64_t h, uint32_t rights, struct event **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_EVENT, rights, &c);
    if (!status)
        *out = object_of(c->object, struct event);
    return status;
}

fut_status_t sys_event_signal(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct event *e;
    fut_status_t status = get_event(t, a[0], FUT_RIGHT_WRITE, &e);
    if (!status)
        event_signal(e, a[1]);
    return status;
}

fut_status_t sys_event_clear(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct event *e;
    fut_status_t status = get_event(t, a[0], FUT_RIGHT_WRITE, &e);
    if (status)
        return status;
    *value = e->bits;
    e->bits &= ~a[1];
    return FUT_OK;
}

fut_status_t sys_event_timer(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct event *e;
    fut_status_t status = get_event(t, a[0], FUT_RIGHT_WRITE, &e);
    if (status)
        return status;
    bool due = a[1] <= arch_time_ns();
    event_timer_start(e, due ? FUT_FOREVER : a[1], a[2]);
    if (due)
        event_signal(e, a[2]);
    return FUT_OK;
}

fut_status_t sys_event_wait(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct event *e;
    fut_status_t status = get_event(t, a[0], FUT_RIGHT_READ, &e);
    if (status)
        return status;
    if (a[1] == 0 || (a[3] & ~(uint64_t)(FUT_WAIT_KEEP | FUT_WAIT_INTERRUPTIBLE)))
        return FUT_ERR_ARGUMENT;
    uint64_t got = e->bits & a[1];
    if (got) {
        if (!(a[3] & FUT_WAIT_KEEP))
            e->bits &= ~got;
        *value = got;
        return FUT_OK;
    }
    if ((a[3] & FUT_WAIT_INTERRUPTIBLE) && t->pending)
        return FUT_ERR_INTERRUPTED;
    if (a[2] != FUT_FOREVER && (a[2] == 0 || a[2] <= arch_time_ns()))
        return FUT_ERR_TIMED_OUT;
    t->state = FUT_THREAD_WAITING;
    t->waits_on = &e->object;
    object_ref(&e->object);
    t->wait_mask = a[1];
    t->call_flags = (uint32_t)a[3];
    list_append(&e->waiters, &t->queue.link);
    timer_start(t, a[2]);
    return SYS_BLOCKED;
}

// --- Watches ------------------------------------------------------------------------------------------------
fut_status_t watch_add(struct list *watches, struct event *e, uint64_t bits, struct account *a)
{
    list_each(watches, struct watch, in_target, i)
        if (i->event == e) {
            i->bits = bits;
            return FUT_OK;
        }
    fut_status_t status = account_charge_object(a);
    if (status)
        return status;
    struct watch *w = slab_alloc(sizeof *w);
    if (!w) {
        account_return_object(a);
        return FUT_ERR_NO_MEMORY;
    }
    w->account = a;
    w->event = e;
    w->bits = bits;
    object_ref(&e->object);
    list_append(watches, &w->in_target);
    return FUT_OK;
}

void watches_signal(struct list *watches)
{
    while (!list_empty(watches)) {
        struct watch *w = list_first(watches, struct watch, in_target);
        list_remove(&w->in_target);
        event_signal(w->event, w->bits);
        object_unref(&w->event->object);
        account_return_object(w->account);
        slab_free(w, sizeof *w);
    }
}
