// SPDX-License-Identifier: MPL-2.0
//
// A small printf for the log and the panic screen.
#include "format.h"

static void put_padded(void (*put)(char, void *), void *arg, const char *s, size_t n, int width, bool left, char pad)
{
    for (int i = left ? 0 : width - (int)n; i > 0; i--)
        put(pad, arg);
    for (size_t i = 0; i < n; i++)
        put(s[i], arg);
    for (int i = left ? width - (int)n : 0; i > 0; i--)
        put(' ', arg);
}

void format(void (*put)(char c, void *arg), void *arg, const char *f, va_list args)
{
    for (; *f; f++) {
        if (*f != '%') {
            put(*f, arg);
            continue;
        }
        f++;
        bool left = false;
        char pad = ' ';
        int width = 0, longs = 0, precision = -1;
        for (; *f == '-' || *f == '0'; f++) {
            if (*f == '-')
                left = true;
            else
                pad = '0';
        }
        for (; *f >= '0' && *f <= '9'; f++)
            width = width * 10 + (*f - '0');
        if (*f == '.') {
            f++;
            if (*f == '*') {
                precision = va_arg(args, int);
                f++;
            } else {
                for (precision = 0; *f >= '0' && *f <= '9'; f++)
                    precision = precision * 10 + (*f - '0');
            }
        }
        for (; *f == 'l' || *f == 'z'; f++)
            longs++;
        char buffer[24], *end = buffer + sizeof buffer, *p = end;
        switch (*f) {
        case 'c':
            *--p = (char)va_arg(args, int);
            put_padded(put, arg, p, 1, width, left, ' ');
            break;
        case 's': {
            const char *s = va_arg(args, const char *);
            size_t n = 0;
            if (!s)
                s = "(null)";
            while (s[n] && (precision < 0 || n < (size_t)precision))
                n++;
            put_padded(put, arg, s, n, width, left, ' ');
            break;
        }
        case 'd': case 'u': case 'x': case 'p': {
            unsigned long long v;
            bool negative = false;
            unsigned base = *f == 'x' || *f == 'p' ? 16 : 10;
            if (*f == 'p') {
                v = (uintptr_t)va_arg(args, void *);
            } else if (*f == 'd') {
                long long s = longs ? va_arg(args, long) : va_arg(args, int);
                negative = s < 0;
                v = negative ? 0ull - (unsigned long long)s : (unsigned long long)s;
            } else {
                v = longs ? va_arg(args, unsigned long) : va_arg(args, unsigned);
            }
            do
                *--p = "0123456789abcdef"[v % base];
            while (v /= base);
            if (*f == 'p') {
                *--p = 'x';
                *--p = '0';
            }
            if (negative)
                *--p = '-';
            put_padded(put, arg, p, (size_t)(end - p), width, left, pad);
            break;
        }
        case '%':
            put('%', arg);
            break;
        default:
            put('?', arg);
            if (!*f)
                return;
        }
    }
}
