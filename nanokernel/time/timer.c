// SPDX-License-Identifier: MPL-2.0
//
// Deadlines: one tree of waiting threads by the time at which their wait ends.
#include <kernel.h>

static struct tree timers;
uint64_t next_deadline = FUT_FOREVER;

static void find_next(void)
{
    struct tree_node *n = tree_first(&timers);
    next_deadline = n ? n->key : FUT_FOREVER;
}

void timer_start(struct thread *t, uint64_t deadline)
{
    if (deadline == FUT_FOREVER)
        return;
    t->timer.key = deadline;
    tree_insert(&timers, &t->timer);
    next_deadline = min(next_deadline, deadline);
}

void timer_stop(struct thread *t)
{
    if (!t->timer.in)
        return;
    tree_remove(&timers, &t->timer);
    if (t->timer.key == next_deadline)
        find_next();
}

void timer_expire(uint64_t now)
{
    while (next_deadline <= now) {
        struct tree_node *n = tree_first(&timers);
        thread_abort(container_of(n, struct thread, timer), FUT_ERR_TIMED_OUT);
    }
}

fut_status_t sys_clock(struct thread *, const uint64_t *, uint64_t *value)
{
    *value = arch_time_ns();
    return FUT_OK;
}
