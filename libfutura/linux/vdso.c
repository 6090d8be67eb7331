// SPDX-License-Identifier: MPL-2.0
//
// The time functions that a C library calls instead of the kernel: a small shared object (AT_SYSINFO_EHDR) that
// posixd maps, one Memory for all processes, right above the clock page and the time page (servers/posixd/exec.c).
// It finds them by its own address, so nothing in it differs between processes. What it cannot answer is a system call
// of the program, which the kernel hands to the personality like any other; so it lies outside the native text.
//
// Names and versions are those of Linux's vdso(7).
#include <futura/abi.h>
#include <futura/posix_startup.h>
#include "vdso_arch.h"

struct timespec64 { int64_t sec, nsec; };
struct timeval64 { int64_t sec, usec; };

[[gnu::visibility("hidden")]] extern const char __ehdr_start[];

#define CLOCKS_WALL      (1u << 0 | 1u << 5 | 1u << 11)             // REALTIME, its coarse form, TAI
#define CLOCKS_MONOTONIC (1u << 1 | 1u << 4 | 1u << 6 | 1u << 7)    // MONOTONIC, RAW, coarse, BOOTTIME

// Negative where this clock is not for us.
static inline int64_t clock_now(unsigned clock)
{
    const struct fut_time_page *t = (const void *)(__ehdr_start - FUT_PAGE_SIZE); // never changes after boot
    const volatile struct fut_posix_clock *wall = (const void *)(__ehdr_start - 2 * FUT_PAGE_SIZE);
    if (clock > 11 || !((CLOCKS_WALL | CLOCKS_MONOTONIC) >> clock & 1))
        return -1;
    unsigned __int128 scaled = (unsigned __int128)(vdso_counter() - t->base_counter) * t->mult;
    // shift is 1 to 63: written out, because the general 128-bit shift is three times as long.
    unsigned shift = t->shift & 63;
    int64_t ns = (int64_t)(t->base_ns + ((uint64_t)(scaled >> 64) << (64 - shift) | (uint64_t)scaled >> shift));
    return CLOCKS_WALL >> clock & 1 ? ns + wall->realtime_offset_ns : ns;
}

#define SECOND 1000000000

int VDSO(clock_gettime)(int clock, struct timespec64 *to);
int VDSO(clock_gettime)(int clock, struct timespec64 *to)
{
    int64_t ns = clock_now((unsigned)clock);
    if (ns < 0)
        return (int)vdso_syscall(VDSO_NR_CLOCK_GETTIME, (uint64_t)(int64_t)clock, (uint64_t)to);
    to->sec = (int64_t)((uint64_t)ns / SECOND);
    to->nsec = (int64_t)((uint64_t)ns % SECOND);
    return 0;
}

int VDSO(clock_getres)(int clock, struct timespec64 *to);
int VDSO(clock_getres)(int clock, struct timespec64 *to)
{
    return (int)vdso_syscall(VDSO_NR_CLOCK_GETRES, (uint64_t)(int64_t)clock, (uint64_t)to);
}

int VDSO(gettimeofday)(struct timeval64 *to, void *zone);
int VDSO(gettimeofday)(struct timeval64 *to, void *zone)
{
    int64_t ns = clock_now(0);
    if (ns < 0 || zone != nullptr || to == nullptr)
        return (int)vdso_syscall(VDSO_NR_GETTIMEOFDAY, (uint64_t)to, (uint64_t)zone);
    to->sec = (int64_t)((uint64_t)ns / SECOND);
    to->usec = (int64_t)((uint64_t)ns % SECOND / 1000);
    return 0;
}

#ifdef VDSO_NR_TIME
int64_t VDSO(time)(int64_t *to);
int64_t VDSO(time)(int64_t *to)
{
    int64_t ns = clock_now(0);
    if (ns < 0)
        return vdso_syscall(VDSO_NR_TIME, (uint64_t)to, 0);
    int64_t seconds = (int64_t)((uint64_t)ns / SECOND);
    if (to != nullptr)
        *to = seconds;
    return seconds;
}
#endif
