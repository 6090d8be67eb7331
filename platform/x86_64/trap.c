// SPDX-License-Identifier: MPL-2.0
//
// Exceptions and interrupts, sorted. From user mode they become one of the kernel's entries. In the kernel
// only three are part of the plan: interrupts while it idles, faults of the user copies (.fixups), and
// NMIs, which are taken as somebody pressing the button: all else is a panic.
#include "x86.h"
#include <thread.h>
#include <base.h>
#include <debug/kdb.h>
#include <debug/log.h>

static const char *const names[32] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "undefined instruction",
    "FPU not available", "double fault", "coprocessor overrun", "invalid TSS", "segment not present",
    "stack fault", "general protection", "page fault", "reserved", "x87 error", "alignment check",
    "machine check", "SIMD error", "virtualization", "control protection",
};

static const struct trap_frame *last_frame; // for arch_dump_regs and arch_backtrace of a kernel trap

extern const struct { uint64_t at, to; } fixups_start[], fixups_end[];

// Timer, line or message; false: an exception.
static bool interrupt(struct thread **t, uint64_t vector)
{
    if (vector < 32) {
        return false;
    }
    uint32_t irq;
    if (vector == VECTOR_IPI) {
        apic_end();
        *t = kernel_ipi(*t);
    } else if (vector == VECTOR_TIMER) {
        apic_end();
        if (timer_expired()) {
            *t = kernel_timer(*t);
        }
    } else if (line_fired((unsigned)vector, &irq)) {
        *t = kernel_interrupt(*t, irq);
    }
    return true;
}

struct thread *x86_trap(struct thread *t, uint64_t vector, uint64_t error)
{
    bool gone = !lock_try() && lock_wait(vector == 3); // int3 is behind its instruction, other traps before it
    if (interrupt(&t, vector)) {
        return gone ? schedule() : t;
    }
    if (gone) {
        return schedule();
    }
    uint64_t pc = t->arch.pc;
    if (pc > FUT_USER_TOP) {
        t->arch.pc = FUT_USER_TOP; // a jump to nowhere: entry.S could not go back there
    }
    switch (vector) {
    case 0: return kernel_fault(t, FUT_FAULT_DIVIDE, pc);
    case 1: t->arch.flags &= ~(uint64_t)FLAGS_TF; return kernel_fault(t, FUT_FAULT_STEP, pc);
    case 3: return kernel_fault(t, FUT_FAULT_TRAP, pc);
    case 6: return kernel_fault(t, FUT_FAULT_ILLEGAL, pc);
    case 7: fp_trap(t); return t;
    case 14: {
        uint64_t address = READ_CR(2);
        if (error & 8) {
            panic("page table entry with a reserved bit: address %lx, pc %lx", address, pc);
        }
        uint32_t code = FUT_FAULT_MAP | (error & 2 ? FUT_FAULT_WRITE : 0) | (error & 16 ? FUT_FAULT_EXEC : 0);
        return kernel_fault(t, code, address);
    }
    case 16:
    case 19: return kernel_fault(t, FUT_FAULT_FPU, pc);
    case 17: return kernel_fault(t, FUT_FAULT_ALIGN, pc);
    default: return kernel_fault(t, FUT_FAULT_PROTECTION, pc);
    }
}

// The kernel's own registers, before the panic that follows.
static void show(const struct trap_frame *f)
{
    last_frame = f;
    log_console = true;
    klog("\n");
    arch_dump_regs(nullptr);
}

static void regs_of(const struct trap_frame *f, struct fut_regs *r)
{
    *r = (struct fut_regs){
        .rax = f->rax, .rbx = f->rbx, .rcx = f->rcx, .rdx = f->rdx, .rsi = f->rsi, .rdi = f->rdi,
        .rbp = f->rbp, .rsp = f->rsp, .r8 = f->r8, .r9 = f->r9, .r10 = f->r10, .r11 = f->r11,
        .r12 = f->r12, .r13 = f->r13, .r14 = f->r14, .r15 = f->r15, .pc = f->pc, .flags = f->flags,
    };
}

// A breakpoint or a step of the kernel itself; its pc and flags may be changed.
static bool debugger(struct trap_frame *f)
{
    struct fut_regs r;
    regs_of(f, &r);
    r.pc -= f->vector == 3 ? ARCH_BREAK_ADVANCE : 0;
    last_frame = f;
    bool taken = kdb_trap(nullptr, f->vector == 3 ? FUT_FAULT_TRAP : FUT_FAULT_STEP, &r);
    last_frame = nullptr;
    if (taken) {
        f->pc = r.pc;
        f->flags = r.flags;
    }
    return taken;
}

void x86_trap_kernel(struct trap_frame *f)
{
    if ((f->vector == 1 || f->vector == 3) && debugger(f)) {
        return;
    }
    if (f->vector >= 32) { // idle: without the lock
        struct thread *none = nullptr;
        if (!lock_try()) {
            (void)lock_wait(0);
        }
        (void)interrupt(&none, f->vector);
        lock_drop();
        return;
    }
    if (f->vector == 14 || f->vector == 13) {
        for (typeof(&fixups_start[0]) x = fixups_start; x < fixups_end; x++) {
            if (x->at == f->pc) {
                f->pc = x->to;
                return;
            }
        }
    }
    show(f);
    panic("%s in the kernel: pc %lx, error %lx, address %lx", f->vector < 32 && names[f->vector] ?
                 names[f->vector] : "exception", f->pc, f->error, f->vector == 14 ? READ_CR(2) : 0);
}

void x86_fatal(struct trap_frame *f)
{
    if (f->vector == 2 && kdb_on) {
        last_frame = f;
        kdb_enter("NMI", nullptr);
        last_frame = nullptr;
        return;
    }
    show(f);
    panic("%s: pc %lx, sp %lx, cs %lx", names[f->vector], f->pc, f->rsp, f->cs);
}

void arch_dump_regs(const struct thread *t)
{
    struct fut_regs r;
    if (t) {
        arch_regs_get(t, &r);
    } else if (last_frame) {
        regs_of(last_frame, &r);
    } else {
        return;
    }
    arch_dump_kernel_regs(&r);
    klog("tls %016lx cr2 %016lx cr3 %016lx\n", r.tls, READ_CR(2), READ_CR(3));
}

// Follows frame pointers as long as they lead upwards through the kernel's stacks. The user's rbp at the
// end of the chain is outside of them.
static void walk(uint64_t frame, void (*emit)(uint64_t pc, void *arg), void *arg)
{
    uint64_t top = arch_cpu()->arch.stack_top, bottom = top - 4 * FUT_PAGE_SIZE;
    for (unsigned n = 0; n < 64; n++) {
        if (frame < bottom || frame > top + FUT_PAGE_SIZE - 16 || frame % 8) { // the stack for fatal ones is above
            return;
        }
        const uint64_t *at = (const uint64_t *)frame;
        if (at[1] < (uint64_t)image_start || at[1] >= (uint64_t)image_text_end) {
            return;
        }
        emit(at[1], arg);
        if (at[0] <= frame) {
            return;
        }
        frame = at[0];
    }
}

void arch_backtrace(void (*emit)(uint64_t pc, void *arg), void *arg, const struct thread *t)
{
    if (!t) {
        if (last_frame) {
            emit(last_frame->pc, arg);
            walk(last_frame->rbp, emit, arg);
        } else {
            walk((uint64_t)__builtin_frame_address(0), emit, arg);
        }
        return;
    }
    emit(t->arch.pc, arg);
    uint64_t frame = t->arch.rbp;
    for (unsigned n = 0; n < 32 && frame % 8 == 0; n++) {
        uint64_t at[2];
        if (!arch_copy_from_user(at, frame, sizeof at) || at[1] == 0) {
            return;
        }
        emit(at[1], arg);
        if (at[0] <= frame) {
            return;
        }
        frame = at[0];
    }
}
