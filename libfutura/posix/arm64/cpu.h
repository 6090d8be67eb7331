// SPDX-License-Identifier: MPL-2.0
// What of the CPU the library reads directly: the counter of the time page, and the TLS register.
#pragma once
#include <stdint.h>

static inline uint64_t cpu_counter(void)
{
    uint64_t value;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
}

static inline uint64_t cpu_tls(void)
{
    uint64_t value;
    __asm__("mrs %0, tpidr_el0" : "=r"(value));
    return value;
}
