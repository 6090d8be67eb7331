// SPDX-License-Identifier: MPL-2.0
//
// The registers of a thread as the generic kernel sets and reads them. Whatever comes from user space is
// cleaned here, so that entry.S can restore it without a look: the pc is canonical, the flags are ones
// that user mode may set, with interrupts on.
#include "x86.h"
#include <thread.h>

// An address that is not canonical must not reach sysret or iret: the thread faults at this one instead.
static uint64_t user_pc(uint64_t pc)
{
    return pc < FUT_USER_TOP ? pc : FUT_USER_TOP;
}

// The next exit reloads what depends on the thread.
static void reload(struct thread *t)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->thread == t) {
        cpu->thread = nullptr;
    }
}

// Everything of the thread that ran here is in its arch_thread already; it may run, and change, elsewhere.
void arch_wait_begin(void)
{
    arch_cpu()->arch.thread = nullptr;
}

void arch_thread_free(struct thread *t)
{
    reload(t);
    for each_cpu(c) {
        if (c->arch.fp_owner == t) {
            c->arch.fp_owner = nullptr;
            if (c == arch_cpu()) {
                c->arch.thread = nullptr; // elsewhere it does not run, and FP traps
            }
        }
    }
    t->arch.fp_valid = 0;
}

void arch_thread_init(struct thread *t, uint64_t entry, uint64_t stack, uint64_t argument, uint64_t tls)
{
    arch_thread_free(t);
    struct arch_thread *a = &t->arch;
    __builtin_memset(a, 0, offsetof(struct arch_thread, fp));
    a->pc = user_pc(entry);
    a->rsp = stack;
    a->rdi = argument;
    a->tls = tls < FUT_USER_TOP ? tls : 0;
    a->flags = FLAGS_ALWAYS;
    a->full = 1;
}

void arch_regs_get(const struct thread *t, struct fut_regs *out)
{
    static_assert(offsetof(struct fut_regs, pc) == offsetof(struct arch_thread, pc) &&
                  sizeof(struct fut_regs) == offsetof(struct arch_thread, full));
    __builtin_memcpy_inline(out, &t->arch, sizeof *out);
    if (!t->arch.full) { // what the syscall instruction left in them
        out->rcx = out->pc;
        out->r11 = out->flags;
    }
}

bool arch_regs_set(struct thread *t, const struct fut_regs *in)
{
    // `in` may be memory that user space writes at the same time: what is checked is read once.
    const volatile struct fut_regs *once = in;
    uint64_t pc = once->pc, flags = once->flags, tls = once->tls;
    if (pc >= FUT_USER_TOP || tls >= FUT_USER_TOP || (flags & ~(FLAGS_USER | FLAGS_IGNORED)) != 0) {
        return false;
    }
    struct arch_thread *a = &t->arch;
    if (a->tls != tls) {
        reload(t);
    }
    __builtin_memcpy_inline(a, in, offsetof(struct fut_regs, pc));
    a->pc = pc;
    a->tls = tls;
    a->flags = (flags & FLAGS_USER) | FLAGS_ALWAYS;
    // Registers as a syscall instruction leaves them go the short way back.
    a->full = a->rcx != pc || a->r11 != a->flags;
    return true;
}

void arch_tls_set(struct thread *t, uint64_t tls)
{
    // The FS base must be canonical or loading it faults.
    t->arch.tls = tls < FUT_USER_TOP ? tls : 0;
    reload(t);
}

void arch_enter_upcall(struct thread *t, uint64_t entry, uint64_t stack, uint64_t frame, uint64_t tls)
{
    struct arch_thread *a = &t->arch;
    a->pc = user_pc(entry);
    a->rsp = stack;
    a->rdi = frame;
    a->flags = FLAGS_ALWAYS;
    // rcx and r11 need no restoring at a function's entry, so sysret will do.
    a->full = 0;
    if (a->tls != tls) {
        arch_tls_set(t, tls);
    }
}
