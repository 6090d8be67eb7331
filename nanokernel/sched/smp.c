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

bool lock_wait(uint8_t again)
{
    struct cpu *cpu = arch_cpu();
    arch_wait_begin();
    cpu->again = again;
    __atomic_store_n(&cpu->waiting, true, __ATOMIC_RELEASE);
    do {
        serve(cpu);
        arch_relax();
    } while (__atomic_load_n(&kernel_lock, __ATOMIC_RELAXED) || !lock_try());
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
