// SPDX-License-Identifier: MPL-2.0
//
// Several CPUs under one lock: waiting for the lock, and what a CPU that has it does to the others.
//
// A CPU is in user mode, idle, or it waits for the lock in lock_wait; one has the lock. So the others can be brought to
// rest: whoever has the lock sends an interrupt to a CPU in user mode, which enters the kernel, saves its thread's registers
// and waits. It stays there until the lock is dropped. Everything that has to reach into another CPU is built on that
// (cpu_stop), and a second wish in the same operation finds the CPU waiting and costs nothing: a TLB shootdown is one
// round of interrupts per operation, however many pages it takes away.
//
// Memory order. All that the lock protects is ordered by it: lock_try acquires, lock_drop releases. Three words are used
// without it. `waiting` is released by its CPU behind the saved registers and acquired by whoever stops it, who may
// then read and change them. `request` is released behind what it is about and acquired by the CPU that serves it; it is
// released with 0 behind the work and acquired by who asked. `gone`, `flush`, `current` are changed by the holder of the
// lock and read behind taking it.
#include <kernel.h>

uint32_t kernel_lock = 1; // boot code has it
uint32_t cpus_online = 1;

static void serve(struct cpu *cpu)
{
    uint32_t what = __atomic_load_n(&cpu->request, __ATOMIC_ACQUIRE);
    if (!what)
        return;
    if (what & CPU_LEAVE)
        arch_switch_space(nullptr);
    if (what & CPU_FP)
        arch_fp_save();
    __atomic_store_n(&cpu->request, 0, __ATOMIC_RELEASE);
}

// The lock is not fair: a CPU that comes back often takes it in passing, and one that waits can starve. It then says so:
// the others that wait stand back, and those in user mode are made to enter the kernel and wait too (kernel_ipi).
#define PATIENCE 5000u
static uint32_t starving; // CPU + 1

static void starve(const struct cpu *cpu, uint32_t self)
{
    uint32_t none = 0;
    if (!__atomic_compare_exchange_n(&starving, &none, self, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    for each_cpu(c)
        if (c != cpu && !c->idle && !__atomic_load_n(&c->waiting, __ATOMIC_RELAXED))
            arch_ipi((unsigned)(c - cpus));
}

struct thread *kernel_ipi(struct thread *t)
{
    if (t && __atomic_load_n(&starving, __ATOMIC_RELAXED)) {
        lock_drop();
        (void)lock_wait(0);
    }
    return t ? leave() : nullptr; // it sees what the other CPU has put in the queue, or in the thread's attention
}

bool lock_wait(uint8_t again)
{
    struct cpu *cpu = arch_cpu();
    arch_wait_begin();
    cpu->again = again;
    __atomic_store_n(&cpu->waiting, true, __ATOMIC_RELEASE);
    const uint32_t self = (uint32_t)(cpu - cpus) + 1;
    for (unsigned n = 0;; n++) {
        serve(cpu);
        uint32_t first = __atomic_load_n(&starving, __ATOMIC_RELAXED);
        if ((!first || first == self) && !__atomic_load_n(&kernel_lock, __ATOMIC_RELAXED) && lock_try())
            break;
        if (n >= PATIENCE && !first)
            starve(cpu, self);
        arch_relax();
    }
    if (__atomic_load_n(&starving, __ATOMIC_RELAXED) == self)
        __atomic_store_n(&starving, 0, __ATOMIC_RELAXED);
    cpu->waiting = false;
    if (cpu->flush) {
        cpu->flush = false;
        arch_flush_tlb();
    }
    struct thread *t = cpu->current;
    if (t && cpu->space != t->space) {
        cpu->space = t->space;
        arch_switch_space(&t->space->arch);
    }
    bool gone = cpu->gone;
    cpu->gone = false;
    return gone;
}

static bool waits(const struct cpu *c) { return __atomic_load_n(&c->waiting, __ATOMIC_ACQUIRE); }

void cpu_stop(struct cpu *c)
{
    if (c->idle || waits(c))
        return;
    arch_ipi((unsigned)(c - cpus));
    while (!waits(c))
        arch_relax();
}

void cpu_ask(struct cpu *c, uint32_t what)
{
    __atomic_store_n(&c->request, what, __ATOMIC_RELEASE);
    if (!waits(c))
        arch_ipi((unsigned)(c - cpus));
    while (__atomic_load_n(&c->request, __ATOMIC_ACQUIRE))
        arch_relax();
}

bool thread_evict(struct thread *t)
{
    struct cpu *c = thread_runs_on(t);
    if (!c || c == arch_cpu())
        return false;
    cpu_stop(c);
    arch_pc_back(&t->arch, c->again);
    cpu_charge(c);
    c->current = c->payer = nullptr;
    c->gone = true;
    return true;
}

void space_leave(struct space *s)
{
    for each_cpu(c) {
        if (!c->space || (s && c->space != s))
            continue;
        if (c == arch_cpu()) {
            arch_switch_space(nullptr);
        } else {
            cpu_ask(c, CPU_LEAVE);
        }
        c->space = nullptr;
    }
}
