// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <stdint.h>

#define VDSO(name) __vdso_##name
#define VDSO_NR_CLOCK_GETTIME 228
#define VDSO_NR_CLOCK_GETRES 229
#define VDSO_NR_GETTIMEOFDAY 96
#define VDSO_NR_TIME 201

static inline uint64_t vdso_counter(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static inline int64_t vdso_syscall(uint64_t number, uint64_t a, uint64_t b)
{
    int64_t result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return result;
}
