// SPDX-License-Identifier: MPL-2.0
//
// Light system calls (light.h): Events without a Channel and without WaitSets, and yielding.
//
// A switch happens here only where the scheduler would come to the same: the thread that goes on needs no
// attention, nobody more urgent is ready, and the time slice that a ready thread is owed runs already.
#include <kernel.h>
#include <ipc.h>
#include <debug/trace.h>
#include "light.h"

// The parts that switch are functions of their own: each saves what it uses, and what does not switch uses little.
// Clang 19 loses the arguments of a tail call in this calling convention.
#define SWITCHES ARCH_LIGHT [[gnu::noinline, clang::not_tail_called]]

#define DECLINED ((struct light){LIGHT_DECLINED, 0})

// An Event that this thread may use so; null: not for here.
static inline struct event *plain_event(struct thread *t, uint64_t h, uint32_t right)
{
    struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)h);
    if (arch_trace_site())
        return nullptr;
    if (unlikely(!c || c->type != FUT_OBJ_EVENT || !(c->rights & right) || t->attention))
        return nullptr;
    return object_of(c->object, struct event);
}

[[gnu::always_inline]] static inline struct light switch_to(struct cpu *cpu, struct thread *next)
{
    uint64_t now = arch_counter();
    cpu->payer->counter_ticks += now - cpu->counter;
    cpu->counter = now;
    cpu->switches++;
    cpu->current = cpu->payer = next;
    struct space *s = next->space;
    if (s != cpu->space) {
        __builtin_assume(s != nullptr);
        cpu->space = s;
        arch_switch_space(&s->arch);
    }
    return (struct light){LIGHT_SWITCH, (uint64_t)next};
}

// May `next` run at once? Who serves a caller is charged to that caller, and who has a Schedule is looked at: that is for
// schedule(). Where the payer has a Schedule settle_ticks is 0.
static inline bool simple(const struct cpu *cpu, const struct thread *next)
{
    const struct thread *payer = cpu->payer; // somebody runs: somebody pays
    return !next->attention && !next->caller && !next->schedule && cpu->slice_end != FUT_FOREVER &&
           payer->counter_ticks < payer->settle_ticks && !object_reap_pending();
}

// To the one waiter, if it is more urgent than this thread and all that are ready. (With several CPUs the scheduler chooses
// one for each of the two.)
SWITCHES static struct light signal_switch(struct event *e, uint64_t bits)
{
    struct cpu *cpu = arch_cpu();
    struct thread *t = cpu->current;
    struct list *first = e->waiters.next;
    struct thread *w = container_of(first, struct thread, queue.link);
    uint64_t all = e->bits | bits, got = all & w->wait_mask;
    if (unlikely(first->next != &e->waiters || !got || w->priority <= t->priority || cpu->ready >> w->priority ||
                 e->object.refs == 1 || cpus_online > 1 || !simple(cpu, w)))
        return DECLINED;
    e->bits = w->call_flags & FUT_WAIT_KEEP ? all : all & ~got;
    list_init(&e->waiters);
    w->waits_on = nullptr;
    e->object.refs--;
    arch_sys_result(&w->arch, FUT_OK, got);
    w->state = FUT_THREAD_RUNNABLE;
    list_insert(&cpu->queue[t->priority], &t->queue.link); // overtaken: it goes on before its equals
    t->queued = true;
    t->cpu = 0;
    cpu->ready |= 1ull << t->priority;
    return switch_to(cpu, w);
}

ARCH_LIGHT struct light light_event_signal(uint64_t h, uint64_t bits)
{
    struct event *e = plain_event(arch_cpu()->current, h, FUT_RIGHT_WRITE);
    if (unlikely(!e || e->channel || !list_empty(&e->entries)))
        return DECLINED;
    if (unlikely(!list_empty(&e->waiters)))
        return signal_switch(e, bits);
    e->bits |= bits;
    return (struct light){FUT_OK, 0};
}

// The thread waits, and the first that is ready goes on.
SWITCHES static struct light wait_switch(struct event *e, uint64_t mask, uint64_t flags)
{
    struct cpu *cpu = arch_cpu();
    struct thread *t = cpu->current;
    unsigned top = 63u - (unsigned)__builtin_clzll(cpu->ready);
    struct list *q = &cpu->queue[top];
    struct list *first = q->next;
    struct thread *next = container_of(first, struct thread, queue.link);
    if (unlikely(!simple(cpu, next)))
        return DECLINED;
    q->next = first->next;
    first->next->prev = q; // what runs is in no list: its own links are written before they are read again
    next->queued = false;
    if (q->next == q)
        cpu->ready &= ~(1ull << top);
    t->state = FUT_THREAD_WAITING;
    t->waits_on = &e->object;
    e->object.refs++;
    t->wait_mask = mask;
    t->call_flags = (uint32_t)flags;
    list_append(&e->waiters, &t->queue.link);
    return switch_to(cpu, next);
}

ARCH_LIGHT struct light light_event_wait(uint64_t h, uint64_t mask, uint64_t deadline, uint64_t flags)
{
    struct event *e = plain_event(arch_cpu()->current, h, FUT_RIGHT_READ);
    if (unlikely(!e || !mask || (flags & ~(uint64_t)(FUT_WAIT_KEEP | FUT_WAIT_INTERRUPTIBLE))))
        return DECLINED;
    uint64_t got = e->bits & mask;
    if (got) {
        if (!(flags & FUT_WAIT_KEEP))
            e->bits &= ~got;
        return (struct light){FUT_OK, got};
    }
    if (deadline == 0)
        return (struct light){FUT_ERR_TIMED_OUT, 0};
    if (unlikely(deadline != FUT_FOREVER || !arch_cpu()->ready))
        return DECLINED;
    return wait_switch(e, mask, flags);
}

ARCH_LIGHT struct light light_yield(void)
{
    struct cpu *cpu = arch_cpu();
    struct thread *t = cpu->current;
    struct list *q = &cpu->queue[t->priority];
    struct list *first = q->next;
    if (arch_trace_site() || unlikely(t->attention))
        return DECLINED;
    if (first == q)
        return (struct light){FUT_OK, 0};
    struct thread *next = container_of(first, struct thread, queue.link);
    if (unlikely(!simple(cpu, next)))
        return DECLINED;
    q->next = first->next;
    first->next->prev = q; // what runs is in no list: its own links are written before they are read again
    next->queued = false;
    list_append(q, &t->queue.link);
    t->queued = true;
    t->cpu = next->cpu;
    return switch_to(cpu, next);
}
