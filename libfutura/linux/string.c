// SPDX-License-Identifier: MPL-2.0
//
// The memory and string routines that the compiler and the library want, without FP/SIMD registers: those are the
// program's. (The C library's own versions use them freely.)
#include <stddef.h>
#include <stdint.h>

#include "copy.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy_forward(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) {
        copy_forward(to, from, n);
        return to;
    }
    uint8_t *d = to;
    const uint8_t *s = from;
    while (n-- > 0) {
        d[n] = s[n];
        __asm__ volatile("" ::: "memory"); // not to become a call of itself
    }
    return to;
}

void *memset(void *to, int value, size_t n)
{
    fill_forward(to, (uint8_t)value, n);
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n] != 0) {
        n++;
        __asm__ volatile("");
    }
    return n;
}

int strcmp(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) {
        a++;
        b++;
    }
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] || a[i] == 0)
            return (uint8_t)a[i] - (uint8_t)b[i];
    return 0;
}
