// SPDX-License-Identifier: MPL-2.0
//
// One upcall: a system call, a fault or an interruption of the program, or a fault of the library's own routines.
#include "linux.h"

#define TABLE_SIZE 512
#define CALL(number, name) SYSCALL(name);
#include "table.inc"
#undef CALL
#define CALL(number, name) [number] = sys_##name,
static const syscall_fn table[TABLE_SIZE] = {
#include "table.inc"
};
#undef CALL

static long missing(uint64_t number)
{
    (void)process_process_missing(posix.process, (uint32_t)number, LINUX_ARCH_NUMBER);
    return -ENOSYS;
}

void linux_upcall(struct fut_frame *frame)
{
    if (frame->cause == FUT_CAUSE_SYSCALL) {
        struct posix_thread *self = &posix_self;
        struct fut_regs *r = &frame->regs;
        self->frame = frame;
        uint64_t number = regs_number(r);
        long result;
        if (number < TABLE_SIZE && table[number] != nullptr)
            result = table[number](regs_argument(r, 0), regs_argument(r, 1), regs_argument(r, 2), regs_argument(r, 3),
                                   regs_argument(r, 4), regs_argument(r, 5));
        else
            result = missing(number);
        if (result == RESULT_IN_FRAME)
            return;
        if (result > -ERESTARTSYS || result < -ERESTART_RESTARTBLOCK) {
            regs_set_result(r, result);
            if (posix_signals_due() == 0)
                return;
        }
        deliver_signals(frame, result, true);
        return;
    }
    if (frame->cause == FUT_CAUSE_FAULT) {
        // A fault on the program's memory in one of the copy routines goes on at the routine's landing.
        uint64_t landing = user_fixup(frame->regs.pc);
        if (landing != 0) {
            frame->regs.pc = landing;
            return;
        }
        deliver_fault(frame);
        return;
    }
    deliver_signals(frame, 0, false);
}
