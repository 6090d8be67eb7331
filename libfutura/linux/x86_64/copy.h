// SPDX-License-Identifier: MPL-2.0
// Copying and filling with the string instructions.
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline void copy_forward(void *to, const void *from, size_t n)
{
    size_t words = n >> 3, bytes = n & 7;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words)::"memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
}

static inline void fill_forward(void *to, uint8_t value, size_t n)
{
    size_t words = n >> 3, bytes = n & 7;
    uint64_t all = value * UINT64_C(0x0101010101010101);
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(all) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(all) : "memory");
}
