// SPDX-License-Identifier: MPL-2.0
//
// The string functions that libfdt calls beside memcpy and its like.
#include <stddef.h>

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
void *memchr(const void *p, int c, size_t n);
char *strrchr(const char *s, int c);

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

size_t strnlen(const char *s, size_t max)
{
    size_t n = 0;
    while (n < max && s[n])
        n++;
    return n;
}

void *memchr(const void *p, int c, size_t n)
{
    for (const unsigned char *b = p; n; b++, n--)
        if (*b == (unsigned char)c)
            return (void *)b;
    return NULL;
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;
    do {
        if (*s == (char)c)
            found = s;
    } while (*s++);
    return (char *)found;
}
