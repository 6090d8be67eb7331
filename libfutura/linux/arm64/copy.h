// SPDX-License-Identifier: MPL-2.0
// Copying and filling by register pairs.
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline void copy_forward(void *to, const void *from, size_t n)
{
    uint64_t x, y;
    for (; n >= 16; n -= 16)
        __asm__ volatile("ldp %2, %3, [%1], #16\n\tstp %2, %3, [%0], #16" : "+r"(to), "+r"(from), "=&r"(x), "=&r"(y)::"memory");
    for (; n > 0; n--)
        __asm__ volatile("ldrb %w2, [%1], #1\n\tstrb %w2, [%0], #1" : "+r"(to), "+r"(from), "=&r"(x)::"memory");
}

static inline void fill_forward(void *to, uint8_t value, size_t n)
{
    uint64_t all = value * UINT64_C(0x0101010101010101);
    for (; n >= 16; n -= 16)
        __asm__ volatile("stp %1, %1, [%0], #16" : "+r"(to) : "r"(all) : "memory");
    for (; n > 0; n--)
        __asm__ volatile("strb %w1, [%0], #1" : "+r"(to) : "r"(all) : "memory");
}
