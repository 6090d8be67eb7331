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

// A call without words: the shortest stub that there is.
static inline void raw_call(uint64_t control, uint64_t tag)
{
    register uint64_t x8 __asm__("x8") = control;
    register uint64_t x9 __asm__("x9") = tag;
    __asm__ volatile("stp x19, x29, [sp, #-16]!\n\tsvc #0\n\tldp x19, x29, [sp], #16"
                     : "+r"(x8), "+r"(x9)
                     :
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                       "x17", "x18", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "memory");
}
