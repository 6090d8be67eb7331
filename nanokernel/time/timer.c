// SPDX-License-Identifier: MPL-2.0
//
// Deadlines: for each CPU a tree of waiting threads by the time at which their wait ends, and one of Events by the
// time at which they signal themselves. The CPU that starts one looks after it; any may stop it.
#include <kernel.h>
#include <ipc.h>
#include <schedule.h>

static void find_next(struct cpu *cpu)
{
    struct tree_node *n = tree_first(&cpu->timers), *e = tree_first(&cpu->event_timers), *s = tree_first(&cpu->schedule_timers);
    cpu->next_deadline = min(min(n ? n->key : FUT_FOREVER, e ? e->key : FUT_FOREVER), s ? s->key : FUT_FOREVER);
}

void timer_start(struct thread *t, uint64_t deadline)
{
    if (deadline == FUT_FOREVER)
        return;
    struct cpu *cpu = arch_cpu();
    t->timer.key = deadline;
    t->timer_cpu = (uint8_t)(cpu - cpus);
    t->attention |= ATTENTION_TIMER;
    tree_insert(&cpu->timers, &t->timer);
    cpu->next_deadline = min(cpu->next_deadline, deadline);
}

void timer_stop(struct thread *t)
{
    if (!t->timer.in)
        return;
    struct cpu *cpu = &cpus[t->timer_cpu];
    tree_remove(&cpu->timers, &t->timer);
    t->attention &= ~ATTENTION_TIMER;
    if (t->timer.key == cpu->next_deadline)
        find_next(cpu);
}

static struct tree *events_of(struct cpu *cpu) { return &cpu->event_timers; }
static struct tree *schedules_of(struct cpu *cpu) { return &cpu->schedule_timers; }

static void restart(struct tree *(*tree)(struct cpu *), struct tree_node *n, uint8_t *where, uint64_t deadline)
{
    struct cpu *cpu = &cpus[*where];
    if (n->in) {
        tree_remove(tree(cpu), n);
        if (n->key == cpu->next_deadline)
            find_next(cpu);
    }
    if (deadline == FUT_FOREVER)
        return;
    cpu = arch_cpu();
    n->key = deadline;
    *where = (uint8_t)(cpu - cpus);
    tree_insert(tree(cpu), n);
    cpu->next_deadline = min(cpu->next_deadline, deadline);
}

void event_timer_start(struct event *e, uint64_t deadline, uint64_t bits)
{
    e->timer_bits = bits;
    restart(events_of, &e->timer, &e->timer_cpu, deadline);
}

void schedule_timer_start(struct schedule *s, uint64_t deadline)
{
    restart(schedules_of, &s->timer, &s->timer_cpu, deadline);
}

void timer_expire(uint64_t now)
{
    struct cpu *cpu = arch_cpu();
    while (cpu->next_deadline <= now) {
        struct tree_node *n = tree_first(&cpu->timers);
        if (n && n->key <= now)
            thread_abort(container_of(n, struct thread, timer), FUT_ERR_TIMED_OUT);
        n = tree_first(&cpu->event_timers);
        if (n && n->key <= now) {
            struct event *e = container_of(n, struct event, timer);
            event_timer_start(e, FUT_FOREVER, e->timer_bits);
            event_signal(e, e->timer_bits);
        }
        n = tree_first(&cpu->schedule_timers);
        if (n && n->key <= now)
            schedule_expired(container_of(n, struct schedule, timer));
    }
}

fut_status_t sys_clock(struct thread *, const uint64_t *, uint64_t *value)
{
    *value = arch_time_ns();
    return FUT_OK;
}
