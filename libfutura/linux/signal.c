// SPDX-License-Identifier: MPL-2.0
//
// Delivery of signals to the program, and the system calls about signals. Delivery happens when an upcall is about to
// return to the program: a handler's frame is built on the program's stack (<arch>/frame.c) and the upcall returns
// into the handler. How an interrupted call goes on is decided here too, with Linux's four ways (linux_abi.h).
#include "linux.h"

bool altstack_covers(uint64_t sp)
{
    const struct posix_thread *self = &posix_self;
    return self->altstack_bytes != 0 && sp > self->altstack && sp - self->altstack <= self->altstack_bytes;
}

[[noreturn]] static void kill_by(unsigned signal)
{
    posix_signal_default(signal);
    posix_exit(signal); // the default action did not end the process, but this signal must
}

void linux_bad_return(void) { kill_by(SIGSEGV); }

static void push(struct fut_frame *frame, unsigned signal, const struct linux_siginfo *info)
{
    struct posix_thread *self = &posix_self;
    struct posix_action action = posix.action[signal];
    uint64_t mask = self->mask_saved ? self->saved_mask : self->slot->blocked;
    self->mask_saved = 0;
    uint64_t sp = regs_sp(&frame->regs);
    bool alt = (action.flags & SA_ONSTACK) && self->altstack_bytes != 0 && !altstack_covers(sp);
    if (!frame_push(frame, signal, &action, info, mask, alt ? self->altstack + self->altstack_bytes : sp, alt))
        kill_by(SIGSEGV);
    uint64_t blocked = self->slot->blocked | action.mask;
    if (!(action.flags & SA_NODEFER))
        blocked |= signal_bit(signal);
    posix_signal_block(blocked);
    if (action.flags & SA_RESETHAND) {
        struct posix_action none = {.flags = action.flags};
        (void)posix_signal_action(signal, &none, nullptr);
    }
}

// The call is over, with what it means for it that a handler runs (or not).
static void finish_call(struct fut_frame *frame, long *result, const struct posix_action *handler)
{
    struct fut_regs *r = &frame->regs;
    long value = *result;
    if (value > -ERESTARTSYS || value < -ERESTART_RESTARTBLOCK)
        return;
    *result = 0;
    if (handler != nullptr && (value == -ERESTARTNOHAND || value == -ERESTART_RESTARTBLOCK ||
                               (value == -ERESTARTSYS && !(handler->flags & SA_RESTART)))) {
        regs_set_result(r, -EINTR);
        return;
    }
    if (value == -ERESTART_RESTARTBLOCK)
        regs_set_number(r, NR_RESTART_SYSCALL);
    regs_restart(r);
}

void deliver_signals(struct fut_frame *frame, long result, bool in_call)
{
    struct posix_thread *self = &posix_self;
    if (!in_call)
        result = 0;
    for (;;) {
        struct process_signal_info info;
        unsigned signal = posix_signal_take(~self->slot->blocked, &info);
        if (signal == 0)
            break;
        uint64_t handler = posix.action[signal].handler;
        if (handler == SIG_IGN)
            continue;
        if (handler == SIG_DFL) {
            posix_signal_default(signal);
            continue;
        }
        finish_call(frame, &result, &posix.action[signal]);
        struct linux_siginfo si;
        siginfo_out(&si, &info);
        push(frame, signal, &si);
    }
    finish_call(frame, &result, nullptr);
    if (self->mask_saved) { // no handler took the old mask with it
        self->mask_saved = 0;
        posix_signal_block(self->saved_mask);
        if (posix_signals_due() != 0)
            deliver_signals(frame, 0, false);
    }
}

// --- Faults -----------------------------------------------------------------------------------------------------------
static unsigned fault_signal(const struct fut_frame *frame, int32_t *code)
{
    switch (frame->code & 0xff) {
    case FUT_FAULT_MAP: *code = 1; return SIGSEGV;    // SEGV_MAPERR
    case FUT_FAULT_ACCESS: *code = 2; return SIGSEGV; // SEGV_ACCERR
    case FUT_FAULT_PAGER: *code = 2; return SIGBUS;   // BUS_ADRERR
    case FUT_FAULT_ILLEGAL: *code = 2; return SIGILL; // ILL_ILLOPN
    case FUT_FAULT_TRAP: *code = 1; return SIGTRAP;   // TRAP_BRKPT
    case FUT_FAULT_STEP: *code = 2; return SIGTRAP;
    case FUT_FAULT_DIVIDE: *code = 1; return SIGFPE;  // FPE_INTDIV
    case FUT_FAULT_FPU: *code = 7; return SIGFPE;     // FPE_FLTINV
    case FUT_FAULT_ALIGN: *code = 1; return SIGBUS;   // BUS_ADRALN
    default: *code = SI_KERNEL; return SIGSEGV;
    }
}

void deliver_fault(struct fut_frame *frame)
{
    struct linux_siginfo si = {};
    unsigned signal = fault_signal(frame, &si.code);
    si.signo = (int32_t)signal;
    si.address = signal == SIGILL || signal == SIGFPE || signal == SIGTRAP ? frame->regs.pc : frame->address;
    uint64_t handler = posix.action[signal].handler;
    // A fault of the library itself, or one that the program blocks, ignores or does not catch, ends it.
    bool own = frame != &((struct fut_frames *)posix_self.upcall.frames)->frame[0];
    if (own || handler == SIG_DFL || handler == SIG_IGN || (posix_self.slot->blocked & signal_bit(signal)))
        kill_by(signal);
    push(frame, signal, &si);
    deliver_signals(frame, 0, false);
}

// --- System calls -------------------------------------------------------------------------------------------------------
struct linux_sigaction { u64 handler, flags, restorer, mask; };

SYSCALL(rt_sigaction)
{
    struct linux_sigaction set, old;
    struct posix_action ours, before;
    if (d != 8)
        return -EINVAL;
    if (b != 0) {
        if (!user_read(&set, b, sizeof set))
            return -EFAULT;
        ours = (struct posix_action){.handler = set.handler, .flags = set.flags, .restorer = set.restorer, .mask = set.mask};
    }
    long error = posix_signal_action((unsigned)a, b != 0 ? &ours : nullptr, &before);
    if (error != 0 || c == 0)
        return error;
    old = (struct linux_sigaction){before.handler, before.flags, before.restorer, before.mask};
    return user_write(c, &old, sizeof old) ? 0 : -EFAULT;
}

SYSCALL(rt_sigprocmask)
{
    if (d != 8)
        return -EINVAL;
    uint64_t old = posix_self.slot->blocked;
    if (b != 0) {
        uint64_t set;
        if (!user_read(&set, b, 8))
            return -EFAULT;
        switch (a) {
        case 0: posix_signal_block(old | set); break;
        case 1: posix_signal_block(old & ~set); break;
        case 2: posix_signal_block(set); break;
        default: return -EINVAL;
        }
    }
    return c == 0 || user_write(c, &old, 8) ? 0 : -EFAULT;
}

SYSCALL(rt_sigreturn)
{
    struct fut_frame *frame = posix_self.frame;
    uint64_t mask;
    if (!frame_pop(frame, &mask))
        kill_by(SIGSEGV);
    posix_signal_block(mask);
    // The frame now holds the registers that were interrupted, the result register among them.
    deliver_signals(frame, 0, false);
    return RESULT_IN_FRAME;
}

SYSCALL(rt_sigpending)
{
    uint64_t set = (posix.page->pending | posix_self.slot->pending) & posix_self.slot->blocked;
    if (b > 8)
        return -EINVAL;
    return user_write(a, &set, b) ? 0 : -EFAULT;
}

SYSCALL(rt_sigsuspend)
{
    uint64_t mask;
    if (b != 8)
        return -EINVAL;
    if (!user_read(&mask, a, 8))
        return -EFAULT;
    struct posix_thread *self = &posix_self;
    self->saved_mask = self->slot->blocked;
    self->mask_saved = 1;
    posix_signal_block(mask);
    // Slept until something is to be delivered; a call without a handler that ran is made again.
    if (posix_signals_due() == 0) {
        long slept = posix_sleep_until(FUT_FOREVER);
        if (slept != 0)
            return slept;
    }
    return -ERESTARTNOHAND;
}

SYSCALL(pause)
{
    if (posix_signals_due() != 0)
        return -ERESTARTNOHAND;
    return posix_sleep_until(FUT_FOREVER);
}

SYSCALL(rt_sigtimedwait)
{
    uint64_t mask, deadline;
    if (d != 8)
        return -EINVAL;
    if (!user_read(&mask, a, 8))
        return -EFAULT;
    long error = timespec_deadline(c, &deadline);
    if (error != 0)
        return error;
    struct process_signal_info info;
    long signal = posix_signal_wait(mask, deadline, &info);
    if (signal == -ERESTARTNOHAND)
        return posix_signals_due() != 0 ? -EINTR : -ERESTARTNOINTR;
    if (signal > 0 && b != 0) {
        struct linux_siginfo si;
        siginfo_out(&si, &info);
        if (!user_write(b, &si, sizeof si))
            return -EFAULT;
    }
    return signal;
}

SYSCALL(sigaltstack)
{
    struct posix_thread *self = &posix_self;
    uint64_t sp = regs_sp(&self->frame->regs);
    struct linux_stack old = {.sp = self->altstack, .size = self->altstack_bytes,
                              .flags = self->altstack_bytes == 0 ? (int32_t)SS_DISABLE : altstack_covers(sp) ? (int32_t)SS_ONSTACK : 0};
    if (a != 0) {
        struct linux_stack set;
        if (!user_read(&set, a, sizeof set))
            return -EFAULT;
        if (altstack_covers(sp))
            return -EPERM;
        if ((uint32_t)set.flags & ~(SS_DISABLE | SS_ONSTACK | 0x80000000u))
            return -EINVAL;
        if ((uint32_t)set.flags & SS_DISABLE) {
            self->altstack = self->altstack_bytes = 0;
        } else {
            if (set.size < 2048)
                return -ENOMEM;
            self->altstack = set.sp;
            self->altstack_bytes = set.size;
        }
    }
    return b == 0 || user_write(b, &old, sizeof old) ? 0 : -EFAULT;
}

SYSCALL(kill) { return posix_kill((int32_t)a, (unsigned)b); }
SYSCALL(tgkill) { return (int32_t)a <= 0 ? -EINVAL : posix_kill_thread((uint32_t)a, (uint32_t)b, (unsigned)c); }
SYSCALL(tkill) { return posix_kill_thread(UINT32_MAX, (uint32_t)a, (unsigned)b); }

SYSCALL(rt_sigqueueinfo)
{
    struct linux_siginfo si;
    if (!user_read(&si, c, sizeof si))
        return -EFAULT;
    if (si.code >= 0 && (uint32_t)a != posix_pid())
        return -EPERM;
    return posix_kill((int32_t)a, (unsigned)b);
}

SYSCALL(restart_syscall)
{
    long (*again)(void) = posix_self.restart;
    return again != nullptr ? again() : -EINTR;
}
