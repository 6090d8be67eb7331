// SPDX-License-Identifier: MPL-2.0
//
// Fixed priorities, round robin within one, one run queue per CPU. The running thread is in no queue.
// Nothing ticks while nothing competes: a time slice runs only while some thread is ready and waits.
//
// A thread that becomes ready waits on the CPU that made it so, if it may run there: who wakes another often waits itself
// a moment later. If it still waits after a while (SPREAD_NS) and a CPU idles, it goes there; a CPU that runs out of work
// takes a thread from another's queue at once. A called server runs on its caller's CPU: it is handed over to (fast.h,
// go_on), not made ready.
#include <kernel.h>
#include <ipc.h>
#include <schedule.h>
#include <debug/trace.h>

#define SLICE_NS 10000000ull
#define SPREAD_NS 200000ull

struct cpu cpus[FUT_CPUS_MAX];

void sched_init(void)
{
    struct cpu *cpu = arch_cpu();
    cpu->current = nullptr;
    cpu->ready = 0;
    for (unsigned i = 0; i < PRIORITIES; i++)
        list_init(&cpu->queue[i]);
    cpu->slice_end = FUT_FOREVER;
    cpu->timer_set = FUT_FOREVER;
    cpu->next_deadline = FUT_FOREVER;
    cpu->budget_end = FUT_FOREVER;
    cpu->counter = arch_counter();
}

uint64_t ticks_to_ns(uint64_t ticks)
{
    static struct fut_time_page page;
    if (!page.mult)
        arch_time_page(&page);
    return (uint64_t)((unsigned __int128)ticks * page.mult >> page.shift);
}

struct cpu *thread_runs_on(const struct thread *t)
{
    for each_cpu(c)
        if (c->current == t)
            return c;
    return nullptr;
}

static inline bool runnable(const struct thread *t)
{
    return t && t->state == FUT_THREAD_RUNNABLE && !t->suspended;
}

static inline unsigned top_ready(const struct cpu *cpu) { return 63u - (unsigned)__builtin_clzll(cpu->ready); }

// How urgent what a CPU does is: 0 = nothing.
static unsigned load(const struct cpu *c)
{
    unsigned run = runnable(c->current) ? 1u + c->current->priority : 0, wait = c->ready ? 1 + top_ready(c) : 0;
    return max(run, wait);
}

// The CPU for t, which is ready: this one, else the one with the least urgent work.
static struct cpu *choose(const struct thread *t)
{
    struct cpu *self = arch_cpu(), *best = nullptr;
    if (likely(t->affinity >> (self - cpus) & 1))
        return self;
    for each_cpu(c)
        if ((t->affinity >> (c - cpus) & 1) && (!best || load(c) < load(best)))
            best = c;
    return best;
}

// A CPU that does nothing and may take what waits on this one longest of the most urgent.
static struct cpu *spare(const struct cpu *cpu)
{
    if (cpus_online == 1 || !cpu->ready)
        return nullptr;
    const struct thread *t = list_first(&cpu->queue[top_ready(cpu)], struct thread, queue.link);
    for each_cpu(c)
        if (c->idle && !c->ready && (t->affinity >> (c - cpus) & 1))
            return c;
    return nullptr;
}

static void enqueue(struct cpu *cpu, struct thread *t, bool front)
{
    struct list *q = &cpu->queue[t->priority];
    t->cpu = (uint8_t)(cpu - cpus);
    if (front)
        list_insert(q, &t->queue.link);
    else
        list_append(q, &t->queue.link);
    t->queued = true;
    cpu->ready |= 1ull << t->priority;
    // Another CPU looks at its queue when it leaves the kernel: that it does so now matters if it halts, does something
    // less urgent, or runs no time slice yet.
    if (cpu != arch_cpu() && !cpu->waiting &&
        (cpu->idle || cpu->slice_end == FUT_FOREVER || (cpu->current && cpu->current->priority < t->priority)))
        arch_ipi((unsigned)(cpu - cpus));
}

void thread_dequeue(struct thread *t)
{
    if (unlikely(t->parked)) {
        list_remove(&t->queue.link);
        t->parked = false;
    }
    if (!t->queued)
        return;
    struct cpu *cpu = &cpus[t->cpu];
    list_remove(&t->queue.link);
    t->queued = false;
    if (list_empty(&cpu->queue[t->priority]))
        cpu->ready &= ~(1ull << t->priority);
}

void thread_ready(struct thread *t)
{
    t->state = FUT_THREAD_RUNNABLE;
    if (!t->suspended && !t->queued && !t->parked && arch_cpu()->current != t)
        enqueue(choose(t), t, false);
}

void thread_set_priority(struct thread *t, uint8_t p)
{
    if (t->priority == p)
        return;
    bool was = t->queued, lower = p < t->priority;
    if (was)
        thread_dequeue(t);
    t->priority = p;
    struct cpu *on = !was && lower && cpus_online > 1 ? thread_runs_on(t) : nullptr;
    if (was)
        enqueue(&cpus[t->cpu], t, false);
    else if (on && on != arch_cpu())
        arch_ipi((unsigned)(on - cpus)); // perhaps something else is more urgent there now
}

// A server's time is its caller's until it answers, so the fast paths need not look at the clock: the caller pays
// before, during and after. Only what the run queue switches to is charged afresh.
void cpu_charge(struct cpu *cpu)
{
    uint64_t now = arch_counter();
    struct thread *payer = cpu->payer;
    if (payer) {
        payer->counter_ticks += now - cpu->counter;
        if (unlikely(payer->counter_ticks >= payer->settle_ticks))
            thread_settle(payer, now - cpu->counter);
    } else
        cpu->idle_ticks += now - cpu->counter;
    cpu->counter = now;
}

void cpu_charge_all(void)
{
    for each_cpu(c)
        cpu_charge(c);
}

static void program_timer(struct cpu *cpu)
{
    if (cpu->ready && cpu->slice_end == FUT_FOREVER)
        cpu->slice_end = arch_time_ns() + (spare(cpu) ? SPREAD_NS : SLICE_NS);
    uint64_t next = min(min(cpu->next_deadline, cpu->slice_end), cpu->budget_end);
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
        if (arch_cpu()->current != t || !runnable(t))
            return false;
    }
    t->attention &= ~ATTENTION_BUDGET;
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

// Takes the most urgent thread that may run here from the queue of a CPU that does something else.
static bool pull(struct cpu *cpu)
{
    struct thread *best = nullptr;
    for each_cpu(c) {
        if (c == cpu || c->idle || !c->ready || (best && top_ready(c) <= best->priority))
            continue;
        list_each(&c->queue[top_ready(c)], struct thread, queue.link, t)
            if (t->affinity >> (cpu - cpus) & 1) {
                best = t;
                break;
            }
    }
    if (!best)
        return false;
    thread_dequeue(best);
    enqueue(cpu, best, false);
    return true;
}

static void idle(struct cpu *cpu)
{
    TRACE(FUT_TRACE_IDLE, nullptr, 0, 0);
    program_timer(cpu);
    if (cpus_online > 1 && cpu->space) { // so that nobody has to tell it what changes there
        cpu->space = nullptr;
        arch_switch_space(nullptr);
    }
    cpu->idle = true;
    arch_idle();
    cpu->idle = false;
    cpu_charge(cpu);
    object_reap();
}

struct thread *schedule(void)
{
    struct cpu *cpu = arch_cpu();
    for (;;) {
        struct thread *t = cpu->current;
        unsigned top = cpu->ready ? top_ready(cpu) : 0;
        if (!runnable(t) || (cpu->ready && top > t->priority)) {
            cpu_charge(cpu);
            cpu->current = cpu->payer = nullptr;
            if (runnable(t))
                enqueue(choose(t), t, true);
            object_reap();
            while (!cpu->ready && !pull(cpu))
                idle(cpu);
            t = list_first(&cpu->queue[top_ready(cpu)], struct thread, queue.link);
            thread_dequeue(t);
            struct thread *payer = payer_of(t);
            if (unlikely(payer->schedule) && !(payer = schedule_payer(t)))
                continue;
            t->cpu = (uint8_t)(cpu - cpus);
            cpu->current = t;
            cpu->payer = payer;
            cpu->budget_end = FUT_FOREVER;
            if (unlikely(payer->schedule))
                schedule_start(cpu);
            cpu->switches++;
            TRACE(FUT_TRACE_SWITCH, t, t->task->object.id, arch_pc(&t->arch));
        } else {
            object_reap();
            if (cpu->current != t || !runnable(t))
                continue;
        }
        if (cpu->space != t->space) {
            cpu->space = t->space;
            arch_switch_space(&t->space->arch);
        }
        if (unlikely(t->attention) && !attend(t))
            continue;
        if (!runnable(t) || (cpu->ready && top_ready(cpu) > t->priority))
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
               min(cpu->next_deadline, cpu->slice_end) == cpu->timer_set && cpu->space == t->space))
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
    if (unlikely(now >= cpu->budget_end) && t && cpu->current == t && runnable(t)) {
        // Who pays from now on is found out where it is picked again.
        cpu_charge(cpu);
        cpu->current = nullptr;
        cpu->budget_end = FUT_FOREVER;
        enqueue(cpu, t, true);
    }
    if (now >= cpu->slice_end) {
        cpu->slice_end = FUT_FOREVER;
        for (struct cpu *c; (c = spare(cpu));) {
            struct thread *next = list_first(&cpu->queue[top_ready(cpu)], struct thread, queue.link);
            thread_dequeue(next);
            enqueue(c, next, false);
        }
        // The running thread goes behind its equals.
        if (t && cpu->current == t && runnable(t) && (cpu->ready >> t->priority & 1)) {
            cpu_charge(cpu);
            cpu->current = nullptr;
            enqueue(cpu, t, false);
        }
    }
    return t ? schedule() : nullptr;
}

[[noreturn]] void kernel_secondary(void)
{
    if (!lock_try())
        (void)lock_wait(0);
    arch_resume(schedule());
}

bool preempt(struct thread *t)
{
    struct cpu *cpu = arch_cpu();
    thread_restart_later(t); // also if it is taken off this CPU meanwhile
    arch_interrupts();
    if (cpu->current != t || !runnable(t) || (cpu->ready >> t->priority) > 1)
        return true;
    t->attention &= ~ATTENTION_RESTART;
    return false;
}

fut_status_t sys_yield(struct thread *t, const uint64_t *, uint64_t *)
{
    struct cpu *cpu = arch_cpu();
    arch_sys_result(&t->arch, FUT_OK, 0);
    if (cpu->ready >> t->priority & 1) {
        cpu_charge(cpu);
        cpu->current = nullptr;
        enqueue(cpu, t, false);
    }
    return SYS_BLOCKED;
}

void thread_set_affinity(struct thread *t, uint64_t mask)
{
    uint64_t online = (1u << cpus_online) - 1;
    t->affinity = (uint8_t)(mask & online);
    t->attention = (t->attention & ~ATTENTION_PINNED) | (t->affinity == online ? 0 : ATTENTION_PINNED);
    struct cpu *on = t->queued ? &cpus[t->cpu] : thread_runs_on(t);
    if (!on || (t->affinity >> (on - cpus) & 1))
        return;
    thread_dequeue(t);
    thread_evict(t);
    if (on->current == t) { // this one
        cpu_charge(on);
        on->current = nullptr;
    }
    thread_ready(t);
}

fut_status_t sys_thread_affinity(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_THREAD, FUT_RIGHT_MANAGE, &c);
    if (status)
        return status;
    struct thread *n = object_of(c->object, struct thread);
    if (!(a[1] & ((1u << cpus_online) - 1)))
        return FUT_ERR_ARGUMENT;
    if (n->state == FUT_THREAD_DEAD)
        return FUT_ERR_STATE;
    arch_sys_result(&t->arch, FUT_OK, 0); // it may go to another CPU at once
    thread_set_affinity(n, a[1]);
    return SYS_BLOCKED;
}
