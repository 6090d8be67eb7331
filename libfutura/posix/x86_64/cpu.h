// SPDX-License-Identifier: MPL-2.0
// What of the CPU the library reads directly: the counter of the time page, and the TLS register.
#pragma once
#include <stdint.h>

static inline uint64_t cpu_counter(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

// The native TLS register holds the address of a block whose first word is that address.
static inline uint64_t cpu_tls(void)
{
    uint64_t value;
    __asm__("movq %%fs:0, %0" : "=r"(value));
    return value;
}
