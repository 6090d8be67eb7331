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

