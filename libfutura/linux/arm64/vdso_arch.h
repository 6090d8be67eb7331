// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <stdint.h>

#define VDSO(name) __kernel_##name
#define VDSO_NR_CLOCK_GETTIME 113
#define VDSO_NR_CLOCK_GETRES 114
#define VDSO_NR_GETTIMEOFDAY 169

static inline uint64_t vdso_counter(void)
{
    uint64_t value;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
}

static inline int64_t vdso_syscall(uint64_t number, uint64_t a, uint64_t b)
{
    register uint64_t x8 __asm__("x8") = number;
    register uint64_t x0 __asm__("x0") = a;
    register uint64_t x1 __asm__("x1") = b;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
    return (int64_t)x0;
}
