// SPDX-License-Identifier: MPL-2.0
//
// Exceptions and interrupts, sorted. From user mode they become one of the kernel's entries. In the kernel
// only three are part of the plan: interrupts while it idles, faults of the user copies (.fixups), and
// NMIs, which are taken as somebody pressing the button: all else is a panic.
#include "x86.h"
#include <thread.h>
#include <base.h>
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
    if (vector == VECTOR_TIMER) {
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
    bool gone = !lock_try() && lock_wait(false);
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

void x86_trap_kernel(struct trap_frame *f)
{
    if (f->vector >= 32) { // idle: without the lock
        struct thread *none = nullptr;
        if (!lock_try()) {
            (void)lock_wait(false);
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
    show(f);
    panic("%s: pc %lx, sp %lx, cs %lx", names[f->vector], f->pc, f->rsp, f->cs);
}

void arch_dump_regs(const struct thread *t)
{
    struct fut_regs r;
    if (t) {
        arch_regs_get(t, &r);
    } else if (last_frame) {
        const struct trap_frame *f = last_frame;
        r = (struct fut_regs){
            .rax = f->rax, .rbx = f->rbx, .rcx = f->rcx, .rdx = f->rdx, .rsi = f->rsi, .rdi = f->rdi,
            .rbp = f->rbp, .rsp = f->rsp, .r8 = f->r8, .r9 = f->r9, .r10 = f->r10, .r11 = f->r11,
            .r12 = f->r12, .r13 = f->r13, .r14 = f->r14, .r15 = f->r15, .pc = f->pc, .flags = f->flags,
        };
    } else {
        return;
    }
    klog("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r.rax, r.rbx, r.rcx, r.rdx);
    klog("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", r.rsi, r.rdi, r.rbp, r.rsp);
    klog("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r.r8, r.r9, r.r10, r.r11);
    klog("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r.r12, r.r13, r.r14, r.r15);
    klog("pc  %016lx flags %08lx tls %lx cr2 %lx cr3 %lx\n", r.pc, r.flags, r.tls, READ_CR(2), READ_CR(3));
}

// Follows frame pointers as long as they lead upwards through the kernel's stacks. The user's rbp at the
// end of the chain is outside of them.
static void walk(uint64_t frame, void (*emit)(uint64_t pc, void *arg), void *arg)
{
    extern char boot_stack_guard[], fault_stack_top[];
    for (unsigned n = 0; n < 64; n++) {
        if (frame < (uint64_t)boot_stack_guard + 4096 || frame > (uint64_t)fault_stack_top - 16 || frame % 8) {
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
