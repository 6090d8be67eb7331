// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <stdint.h>

// Instructions so far, in steps of 16: under `-icount shift=0` one tick of the 62.5 MHz counter is 16.
static inline uint64_t counter(void)
{
    uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
    return ticks * 16;
}

