// SPDX-License-Identifier: MPL-2.0
//
// Light system calls: the ones whose common case touches a few words and changes nothing for the scheduler, or
// hands the CPU to one thread that is plain to see. A platform's entry code calls them before it has saved the
// caller's registers (ARCH_LIGHT: a calling convention that keeps them), so what they do costs little more than the
// way into the kernel and back. Whatever is not the common case is declined with nothing changed: the
// registers are saved and the ordinary implementation (event.c, sched.c) does it, errors included. So these mean
// exactly what those mean.
#pragma once
#include <thread.h>

struct light { int64_t status; uint64_t value; }; // status: 0 or an error for the caller, or one of these
#define LIGHT_DECLINED 1 // not done
#define LIGHT_SWITCH   2 // done; value: the thread that is current now. The caller's registers are to be saved, with
                         // status and value 0 in them (who ends a wait writes others there afterwards)

ARCH_LIGHT struct light light_event_signal(uint64_t event, uint64_t bits);
ARCH_LIGHT struct light light_event_wait(uint64_t event, uint64_t mask, uint64_t deadline, uint64_t flags);
ARCH_LIGHT struct light light_yield(void);
