// SPDX-License-Identifier: MPL-2.0
//
// A child spoils its thread register in ways that the kernel does not see, again and again until it is preempted; its
// parent, whose register has the same value, must not notice. On x86_64 loading a selector into fs changes the segment's
// base behind the kernel's back; on arm64 tpidr_el0 is the program's to write. Ends with 7 if all is well.
#include "linux.h"

#define SIGCHLD 17
#define SIGKILL 9
#define ROUNDS 40000000l

static uint64_t self; // what the thread register points to holds its own address
#if defined(__x86_64__)
#define NR_ARCH_PRCTL 158
#define ARCH_SET_FS 0x1002

static void set(void) { (void)call(NR_ARCH_PRCTL, ARCH_SET_FS, (long)&self, 0, 0, 0, 0); }
static void spoil(void) { __asm__ volatile("mov %0, %%fs\n\tmov %0, %%gs" : : "r"(0x23)); }
static uint64_t look(void)
{
    uint64_t v;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(v));
    return v;
}
#else
static void set(void) { __asm__ volatile("msr tpidr_el0, %0" : : "r"(&self)); }
static void spoil(void) { __asm__ volatile("msr tpidr_el0, %0" : : "r"(0x1234567890ul)); }
static uint64_t look(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(v));
    return *(uint64_t *)v;
}
#endif

void entry(long argc, char **argv)
{
    (void)argc;
    (void)argv;
    self = (uint64_t)&self;
    set();
    long child = call(NR_CLONE, SIGCHLD, 0, 0, 0, 0, 0);
    if (child == 0)
        for (;;)
            spoil();
    long wrong = 0;
    for (long i = 0; i < ROUNDS; i++)
        wrong += look() != (uint64_t)&self;
    (void)call(NR_KILL, child, SIGKILL, 0, 0, 0, 0);
    (void)call(NR_EXIT, wrong ? 1 : 7, 0, 0, 0, 0, 0);
}
