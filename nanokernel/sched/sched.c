// SPDX-License-Identifier: MPL-2.0
//
// Fixed priorities, round robin within one, one run queue per CPU. The running thread is in no queue.
// Nothing ticks while nothing competes: a time slice runs only while some thread is ready and waits.
#include <kernel.h>
#include <ipc.h>
#include <debug/trace.h>

#define SLICE_NS 10000000ull

struct cpu cpus[FUT_CPUS_MAX];
uint32_t cpus_online = 1;

void sched_init(void)
{
    struct cpu *cpu = arch_cpu();
    cpu->current = nullptr;
    cpu->ready = 0;
    for (unsigned i = 0; i < PRIORITIES; i++)
        list_init(&cpu->queue[i]);
    cpu->slice_end = FUT_FOREVER;
    cpu->timer_set = FUT_FOREVER;
    cpu->counter = arch_counter();
}

uint64_t ticks_to_ns(uint64_t ticks)
{
    static struct fut_time_page page;
    if (!page.mult)
        arch_time_page(&page);
    return (uint64_t)((unsigned __int128)ticks * page.mult >> page.shift);
}

static void enqueue(struct thread *t, bool front)
{
    struct cpu *cpu = arch_cpu();
    struct list *q = &cpu->queue[t->priority];
    if (front)
        list_insert(q, &t->queue.link);
    else
        list_append(q, &t->queue.link);
    t->queued = true;
    cpu->ready |= 1ull << t->priority;
}

void thread_dequeue(struct thread *t)
{
    if (!t->queued)
        return;
    struct cpu *cpu = arch_cpu();
    list_remove(&t->queue.link);
    t->queued = false;
    if (list_empty(&cpu->queue[t->priority]))
        cpu->ready &= ~(1ull << t->priority);
}

void thread_ready(struct thread *t)
{
    t->state = FUT_THREAD_RUNNABLE;
    if (!t->suspended && !t->queued && arch_cpu()->current != t)
        enqueue(t, false);
}

void thread_set_priority(struct thread *t, uint8_t p)
{
    if (t->priority == p)
        return;
    bool was = t->queued;
    thread_dequeue(t);
    t->priority = p;
    if (was)
        enqueue(t, false);
}

// A server's time is its caller's until it answers, so the fast paths need not look at the clock: the caller pays
// before, during and after. Only what the run queue switches to is charged afresh.
void cpu_charge(struct cpu *cpu)
{
    uint64_t now = arch_counter();
    if (cpu->payer)
        cpu->payer->counter_ticks += now - cpu->counter;
    else
        cpu->idle_ticks += now - cpu->counter;
    cpu->counter = now;
}

static inline bool runnable(const struct thread *t)
{
    return t && t->state == FUT_THREAD_RUNNABLE && !t->suspended;
}

static void program_timer(struct cpu *cpu)
{
    if (cpu->ready && cpu->slice_end == FUT_FOREVER)
        cpu->slice_end = arch_time_ns() + SLICE_NS;
    uint64_t next = min(timer_next(), cpu->slice_end);
    if (next != cpu->timer_set) {
        cpu->timer_set = next;
        arch_timer_set(next);
    }
}

// What has to happen to t before it sees user mode. False: it waits again, or is gone.
static bool attend(struct thread *t)
{
    if (t->attention & ATTENTION_RESTART) {
        t->attention &= ~ATTENTION_RESTART;
        syscall_slow(t, (uint32_t)(arch_sys_op(&t->arch) & 0xff));
        if (!runnable(t))
            return false;
    }
    if (t->attention & ATTENTION_PENDING) {
        if (!t->pending || !t->frames) {
            if (!t->pending)
                t->attention &= ~ATTENTION_PENDING;
        } else if ((t->upcall.causes & 1u << FUT_CAUSE_INTERRUPT) && !t->frames->interrupts_masked) {
            uint64_t bits = t->pending;
            if (upcall_push(t, FUT_CAUSE_INTERRUPT, (uint32_t)bits, bits)) {
                t->pending = 0;
                t->frames->pending = 0;
                t->attention &= ~ATTENTION_PENDING;
            }
        }
    }
    return true;
}

static struct thread *payer_of(struct thread *t)
{
    for (unsigned depth = 0; t->caller && depth < 8; depth++)
        t = t->caller;
    return t;
}

struct thread *schedule(void)
{
    struct cpu *cpu = arch_cpu();
    for (;;) {
        struct thread *t = cpu->current;
        unsigned top = cpu->ready ? 63u - (unsigned)__builtin_clzll(cpu->ready) : 0;
        if (!runnable(t) || (cpu->ready && top > t->priority)) {
            cpu_charge(cpu);
            cpu->current = cpu->payer = nullptr;
            if (runnable(t))
                enqueue(t, true);
            object_reap();
            while (!cpu->ready) {
                TRACE(FUT_TRACE_IDLE, nullptr, 0, 0);
                program_timer(cpu);
                arch_idle();
                cpu_charge(cpu);
                object_reap();
            }
            top = 63u - (unsigned)__builtin_clzll(cpu->ready);
            t = list_first(&cpu->queue[top], struct thread, queue.link);
            thread_dequeue(t);
            cpu->current = t;
            cpu->payer = payer_of(t);
            cpu->switches++;
            TRACE(FUT_TRACE_SWITCH, t, t->task->object.id, arch_pc(&t->arch));
        } else {
            object_reap();
            if (!runnable(t))
                continue;
        }
        if (cpu->space != t->space) {
            cpu->space = t->space;
            arch_switch_space(&t->space->arch);
        }
        if (unlikely(t->attention) && !attend(t))
            continue;
        if (!runnable(t) || (cpu->ready && 63u - (unsigned)__builtin_clzll(cpu->ready) > t->priority))
            continue;
        program_timer(cpu);
        return t;
    }
}

// Most entries change nothing for the scheduler; this sees it in a few compares.
struct thread *leave(void)
{
    struct cpu *cpu = arch_cpu();
    struct thread *t = cpu->current;
    if (likely(t && t->state == FUT_THREAD_RUNNABLE && !t->suspended && !t->attention && !object_reap_pending() &&
               (!cpu->ready || (cpu->slice_end != FUT_FOREVER && cpu->ready >> t->priority <= 1)) &&
               min(timer_next(), cpu->slice_end) == cpu->timer_set && cpu->space == t->space))
        return t;
    return schedule();
}

struct thread *kernel_timer(struct thread *t)
{
    struct cpu *cpu = arch_cpu();
    uint64_t now = arch_time_ns();
    cpu->interrupts++;
    TRACE(FUT_TRACE_TIMER, t, 0, 0);
    cpu->timer_set = FUT_FOREVER;
    timer_expire(now);
    if (now >= cpu->slice_end) {
        cpu->slice_end = FUT_FOREVER;
        // The running thread goes behind its equals.
        if (t && runnable(t) && cpu->current == t && (cpu->ready >> t->priority & 1)) {
            cpu_charge(cpu);
            cpu->current = nullptr;
            enqueue(t, false);
        }
    }
    return t ? schedule() : nullptr;
}

fut_status_t sys_yield(struct thread *t, const uint64_t *, uint64_t *)
{
    struct cpu *cpu = arch_cpu();
    arch_sys_result(&t->arch, FUT_OK, 0);
    if (cpu->ready >> t->priority & 1) {
        cpu_charge(cpu);
        cpu->current = nullptr;
        enqueue(t, false);
    }
    return SYS_BLOCKED;
}
