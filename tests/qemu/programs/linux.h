// SPDX-License-Identifier: MPL-2.0
//
// The little that a test program for the Linux ABI needs without a C library: raw system calls and printing. A test
// built on it meets the personality directly, with arguments that a C library would never pass.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
enum { NR_READ = 0, NR_WRITE = 1, NR_EXIT = 60, NR_WAIT4 = 61, NR_KILL = 62, NR_GETPID = 39, NR_SETITIMER = 38,
       NR_MMAP = 9, NR_MPROTECT = 10, NR_CLONE = 56 };
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov (%rsp), %rdi\n lea 8(%rsp), %rsi\n and $-16, %rsp\n call entry\n");
#else
enum { NR_READ = 63, NR_WRITE = 64, NR_EXIT = 93, NR_WAIT4 = 260, NR_KILL = 129, NR_GETPID = 172, NR_SETITIMER = 103,
       NR_MMAP = 222, NR_MPROTECT = 226, NR_CLONE = 220 };
static long call(long nr, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = nr;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
__asm__(".globl _start\n_start: mov x29, #0\n ldr x0, [sp]\n add x1, sp, #8\n bl entry\n");
#endif

[[noreturn]] static void quit(int status)
{
    for (;;)
        call(NR_EXIT, status, 0, 0, 0, 0, 0);
}

static void print(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    call(NR_WRITE, 1, (long)text, (long)size, 0, 0, 0);
}

static void print_number(long n)
{
    char digits[24];
    char *p = digits + sizeof digits - 1;
    unsigned long u = n < 0 ? -(unsigned long)n : (unsigned long)n;
    *p = '\0';
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (n < 0)
        *--p = '-';
    print(p);
}

[[noreturn]] void entry(long argc, char **argv);

// The compiler may call these even for freestanding code.
void *memset(void *to, int c, size_t n)
{
    for (unsigned char *p = to; n-- > 0;)
        *p++ = (unsigned char)c;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    unsigned char *p = to;
    const unsigned char *q = from;
    while (n-- > 0)
        *p++ = *q++;
    return to;
}
