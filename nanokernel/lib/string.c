// SPDX-License-Identifier: MPL-2.0
//
// The four functions that a freestanding compiler may call. Weak: a platform may have better ones.
// Written with word accesses where both pointers allow it; compiled so that the loops are not turned
// into calls of themselves.
#include <base.h>

typedef uint64_t __attribute__((may_alias)) word;

[[gnu::weak]] void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    char *d = to;
    const char *s = from;
    if ((((uintptr_t)d | (uintptr_t)s) & 7) == 0) {
        for (; n >= 8; n -= 8, d += 8, s += 8)
            *(word *)d = *(const word *)s;
    }
    while (n--)
        *d++ = *s++;
    return to;
}

[[gnu::weak]] void *memmove(void *to, const void *from, size_t n)
{
    char *d = to;
    const char *s = from;
    if (d <= s || d >= s + n)
        return memcpy(to, from, n);
    while (n--)
        d[n] = s[n];
    return to;
}

[[gnu::weak]] void *memset(void *to, int c, size_t n)
{
    char *d = to;
    if (((uintptr_t)d & 7) == 0) {
        uint64_t v = 0x0101010101010101ull * (uint8_t)c;
        for (; n >= 8; n -= 8, d += 8)
            *(word *)d = v;
    }
    while (n--)
        *d++ = (char)c;
    return to;
}

[[gnu::weak]] int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}
