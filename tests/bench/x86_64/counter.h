// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <stdint.h>

// Instructions so far: under `-icount shift=0` one tick of the TSC is one instruction.
static inline uint64_t counter(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

// A call without words: the shortest stub that there is.
static inline void raw_call(uint64_t control, uint64_t tag)
{
    __asm__ volatile("push %%rbp\n\tsyscall\n\tpop %%rbp"
                     : "+a"(control), "+d"(tag)
                     :
                     : "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory");
}
