// SPDX-License-Identifier: MPL-2.0
//
// Deadlines: a tree of waiting threads by the time at which their wait ends, and one of Events by the time at
// which they signal themselves.
#include <kernel.h>
#include <ipc.h>

static struct tree timers, event_timers;
uint64_t next_deadline = FUT_FOREVER;

static void find_next(void)
{
    struct tree_node *n = tree_first(&timers), *e = tree_first(&event_timers);
    next_deadline = min(n ? n->key : FUT_FOREVER, e ? e->key : FUT_FOREVER);
}

void timer_start(struct thread *t, uint64_t deadline)
{
    if (deadline == FUT_FOREVER)
        return;
    t->timer.key = deadline;
    t->attention |= ATTENTION_TIMER;
    tree_insert(&timers, &t->timer);
    next_deadline = min(next_deadline, deadline);
}

void timer_stop(struct thread *t)
{
    if (!t->timer.in)
        return;
    tree_remove(&timers, &t->timer);
    t->attention &= ~ATTENTION_TIMER;
    if (t->timer.key == next_deadline)
        find_next();
}

void event_timer_start(struct event *e, uint64_t deadline, uint64_t bits)
{
    if (e->timer.in) {
        tree_remove(&event_timers, &e->timer);
        if (e->timer.key == next_deadline)
            find_next();
    }
    e->timer_bits = bits;
    if (deadline == FUT_FOREVER)
        return;
    e->timer.key = deadline;
    tree_insert(&event_timers, &e->timer);
    next_deadline = min(next_deadline, deadline);
}

void timer_expire(uint64_t now)
{
    while (next_deadline <= now) {
        struct tree_node *n = tree_first(&timers);
        if (n && n->key <= now)
            thread_abort(container_of(n, struct thread, timer), FUT_ERR_TIMED_OUT);
        n = tree_first(&event_timers);
        if (n && n->key <= now) {
            struct event *e = container_of(n, struct event, timer);
            event_timer_start(e, FUT_FOREVER, e->timer_bits);
            event_signal(e, e->timer_bits);
        }
    }
}

fut_status_t sys_clock(struct thread *, const uint64_t *, uint64_t *value)
{
    *value = arch_time_ns();
    return FUT_OK;
}
