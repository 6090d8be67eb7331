// SPDX-License-Identifier: MPL-2.0
//
// A thread's registers: how they start, how they are read and set, and whose FP/SIMD state the CPU
// holds. The state is saved when another thread uses FP/SIMD, not before: until then CPACR_EL1 traps.
#include "arm64.h"
#include <ipc/light.h>

static_assert(offsetof(struct arch_thread, x) == 0);
static_assert(offsetof(struct arch_thread, sp) == THREAD_SP);
static_assert(offsetof(struct arch_thread, pc) == THREAD_PC);
static_assert(offsetof(struct arch_thread, flags) == THREAD_FLAGS);
static_assert(offsetof(struct arch_thread, tls) == THREAD_TLS);
static_assert(offsetof(struct arch_thread, partial) == THREAD_PARTIAL);
static_assert(offsetof(struct arch_thread, fp_control) == THREAD_FP_CONTROL);
static_assert(offsetof(struct arch_thread, fp) == THREAD_FP);
static_assert(offsetof(struct arch_cpu, thread) == CPU_THREAD);
static_assert(offsetof(struct arch_cpu, stack_top) == CPU_STACK_TOP);
static_assert(offsetof(struct arch_cpu, fp_owner) == CPU_FP_OWNER);
static_assert(offsetof(struct arch_cpu, fp_on) == CPU_FP_ON);
static_assert(offsetof(struct thread, arch) == 0 && offsetof(struct cpu, arch) == 0 && offsetof(struct space, arch) == 0);
static_assert(offsetof(struct fut_regs, tls) == THREAD_TLS);

// Offsets in the generic part that entry.S uses, as absolute symbols: they follow the structure.
[[gnu::used]] static void export_offsets(void)
{
#define EXPORT(name, field)                                                                                  \
    static_assert(offsetof(struct thread, field) < 4096);                                                   \
    __asm__ volatile(".globl " name "\n.set " name ", %c0" : : "i"(offsetof(struct thread, field)))
    EXPORT("thread_native_base", native_base);
    EXPORT("thread_native_bytes", native_bytes);
    EXPORT("thread_frames", frames);
    EXPORT("thread_attention", attention);
    static_assert(LIGHT_SWITCH == 2 && LIGHT_DECLINED == 1 && FUT_OK == 0); // entry.S compares with them
    EXPORT("thread_upcall_causes", upcall.causes);
    EXPORT("thread_upcall_frames", upcall.frames);
    EXPORT("thread_upcall_entry", upcall.entry);
    EXPORT("thread_upcall_stack", upcall.stack);
    EXPORT("thread_upcall_tls", upcall.tls);
}
// The frame as entry.S writes it.
static_assert(offsetof(struct fut_frames, depth) == 0 && offsetof(struct fut_frames, interrupts_masked) == 4);
static_assert(offsetof(struct fut_frames, frame) == 64 && offsetof(struct fut_frame, regs) == 0);
static_assert(offsetof(struct fut_regs, sp) == THREAD_SP && offsetof(struct fut_regs, flags) == THREAD_FLAGS);
static_assert(offsetof(struct fut_frame, address) == 280 && offsetof(struct fut_frame, cause) == 288);
static_assert(offsetof(struct fut_frame, code) == 292 && offsetof(struct fut_frame, interrupts_masked) == 296);

#define CPACR_FP (3ull << 20)

// Makes all registers of the save area valid.
static void complete(struct arch_thread *t)
{
    if (!t->partial)
        return;
    for (unsigned i = 13; i < 31; i++)
        t->x[i] = 0;
    t->partial = 0;
}

void arch_thread_init(struct thread *t, uint64_t entry, uint64_t stack, uint64_t argument, uint64_t tls)
{
    struct arch_thread *a = &t->arch;
    memset(a, 0, offsetof(struct arch_thread, fp));
    a->pc = entry;
    a->sp = stack;
    a->x[0] = argument;
    a->tls = tls;
}

void arch_thread_free(struct thread *t)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->thread == t)
        cpu->thread = nullptr;
    for each_cpu(c)
        if (c->arch.fp_owner == t)
            c->arch.fp_owner = nullptr;
}

// What this CPU's thread still has in registers goes to memory: it may run, and change, elsewhere.
void arch_wait_begin(void)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->thread)
        cpu->thread->arch.tls = read_sysreg(tpidr_el0);
    cpu->thread = nullptr;
}

void arch_regs_get(const struct thread *t, struct fut_regs *out)
{
    const struct arch_thread *a = &t->arch;
    __builtin_memcpy_inline(out->x, a->x, sizeof out->x);
    if (a->partial)
        for (unsigned i = 13; i < 31; i++)
            out->x[i] = 0;
    out->sp = a->sp;
    out->pc = a->pc;
    out->flags = a->flags & (uint64_t)USER_FLAGS;
    out->tls = arch_cpu()->arch.thread == t ? read_sysreg(tpidr_el0) : a->tls;
}

bool arch_regs_set(struct thread *t, const struct fut_regs *in)
{
    // `in` may be memory that user space writes at the same time: what is checked is read once.
    uint64_t flags = ((const volatile struct fut_regs *)in)->flags;
    if (flags & ~(uint64_t)USER_FLAGS)
        return false;
    t->arch.partial = 0;
    __builtin_memcpy_inline(t->arch.x, in->x, sizeof t->arch.x);
    t->arch.sp = in->sp;
    t->arch.pc = in->pc;
    t->arch.flags = flags;
    arch_tls_set(t, in->tls);
    return true;
}

void arch_tls_set(struct thread *t, uint64_t tls)
{
    t->arch.tls = tls;
    if (arch_cpu()->arch.thread == t)
        write_sysreg(tpidr_el0, tls);
}

void arch_enter_upcall(struct thread *t, uint64_t entry, uint64_t stack, uint64_t frame, uint64_t tls)
{
    complete(&t->arch);
    t->arch.pc = entry;
    t->arch.sp = stack;
    t->arch.x[0] = frame;
    t->arch.flags = 0;
    arch_tls_set(t, tls);
}

// --- FP/SIMD ---------------------------------------------------------------------------------------------
// Takes the registers from their owner. FP/SIMD is let through when it returns.
static void evict(struct arch_cpu *cpu)
{
    write_sysreg(cpacr_el1, CPACR_FP);
    isb();
    struct thread *owner = cpu->fp_owner;
    if (!owner)
        return;
    arm64_fp_save(&owner->arch);
    owner->arch.fp_valid = 1;
    cpu->fp_owner = nullptr;
}

// t's state may be in the registers of a CPU where it ran before: at most of one.
static void fetch(struct thread *t)
{
    for each_cpu(c)
        if (c->arch.fp_owner == t && c != arch_cpu())
            cpu_ask(c, CPU_FP);
}

void arch_fp_save(void)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (!cpu->fp_owner)
        return;
    evict(cpu);
    cpu->fp_on = 0;
    write_sysreg(cpacr_el1, 0);
}

struct thread *arm64_fp_trap(struct thread *t);
struct thread *arm64_fp_trap(struct thread *t)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->fp_owner != t) {
        evict(cpu);
        fetch(t);
        if (t->arch.fp_valid)
            arm64_fp_load(&t->arch);
        else
            arm64_fp_clear();
        cpu->fp_owner = t;
    }
    cpu->fp_on = 1;
    write_sysreg(cpacr_el1, CPACR_FP);
    return t;
}

void arch_fp_clone(struct thread *to, struct thread *from)
{
    if (arch_cpu()->arch.fp_owner == from)
        arch_fp_save();
    fetch(from);
    to->arch.fp_valid = from->arch.fp_valid;
    if (from->arch.fp_valid) {
        memcpy(to->arch.fp_control, from->arch.fp_control, sizeof to->arch.fp_control);
        memcpy(to->arch.fp, from->arch.fp, sizeof to->arch.fp);
    }
}

[[noreturn]] void arch_resume(struct thread *t)
{
    arm64_enter(t);
}
