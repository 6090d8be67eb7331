// SPDX-License-Identifier: MPL-2.0
//
// Signal numbers (Linux's), sets, and the decision what a signal does to a process. No state and no
// calls, so that the rules can be tested on the host.
#pragma once
#include <stdint.h>

enum {
    SIG_HUP = 1, SIG_INT = 2, SIG_QUIT = 3, SIG_ILL = 4, SIG_TRAP = 5, SIG_ABRT = 6, SIG_BUS = 7, SIG_FPE = 8,
    SIG_KILL = 9, SIG_USR1 = 10, SIG_SEGV = 11, SIG_USR2 = 12, SIG_PIPE = 13, SIG_ALRM = 14, SIG_TERM = 15,
    SIG_STKFLT = 16, SIG_CHLD = 17, SIG_CONT = 18, SIG_STOP = 19, SIG_TSTP = 20, SIG_TTIN = 21, SIG_TTOU = 22,
    SIG_URG = 23, SIG_XCPU = 24, SIG_XFSZ = 25, SIG_VTALRM = 26, SIG_PROF = 27, SIG_WINCH = 28, SIG_IO = 29,
    SIG_PWR = 30, SIG_SYS = 31, SIG_MAX = 64,
};

// siginfo codes.
enum { SI_USER_CODE = 0, SI_TIMER_CODE = -2, SI_TKILL_CODE = -6, SI_KERNEL_CODE = 0x80 };
enum { CLD_EXITED_CODE = 1, CLD_KILLED_CODE, CLD_DUMPED_CODE, CLD_TRAPPED_CODE, CLD_STOPPED_CODE, CLD_CONTINUED_CODE };

static inline uint64_t signal_bit(unsigned signal) { return UINT64_C(1) << (signal - 1); }

#define SIGNALS_STOP (signal_bit(SIG_STOP) | signal_bit(SIG_TSTP) | signal_bit(SIG_TTIN) | signal_bit(SIG_TTOU))
#define SIGNALS_UNBLOCKABLE (signal_bit(SIG_KILL) | signal_bit(SIG_STOP))
#define SIGNALS_DEFAULT_IGNORED \
    (signal_bit(SIG_CHLD) | signal_bit(SIG_URG) | signal_bit(SIG_WINCH) | signal_bit(SIG_CONT))

enum signal_action {
    SIGNAL_DROP,      // nothing happens
    SIGNAL_PEND,      // remembered, nobody is told: it is blocked, or the process is stopped
    SIGNAL_POST,      // remembered, and a thread that does not block it is interrupted
    SIGNAL_TERMINATE, // the process ends
    SIGNAL_STOP_ALL,  // the process stops
};

struct signal_view {
    uint64_t caught, ignored; // as the process says
    uint64_t blocked;         // by every thread that may take it
    bool stopped;             // the process is stopped
    bool orphaned;            // its group is orphaned: terminal stops are dropped
};

// What `signal` does to a process now. Continuing a stopped process and discarding the opposite kind of
// pending signal happen before this is asked, whatever the answer.
enum signal_action signal_decide(unsigned signal, const struct signal_view *view);
enum signal_action signal_default_action(unsigned signal, bool orphaned);

// Whether the default action counts as a core dump in the wait status of other systems.
bool signal_valid(unsigned signal);
