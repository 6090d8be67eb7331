// SPDX-License-Identifier: MPL-2.0
//
// FP and SIMD state, switched lazily: CR0.TS is set whenever the thread that runs is not the one whose
// state is in the registers, and the first FP instruction then swaps them (#NM). A thread that never
// uses them pays a compare at each switch (entry.S). AVX is there for programs where the CPU has XSAVE.
#include "x86.h"
#include <thread.h>

#define XCR0_X87_SSE 3u
#define XCR0_AVX     4u

static alignas(64) uint8_t initial[ARCH_FP_BYTES]; // fcw, mxcsr; everything else 0
static uint32_t xcr0;

static void *area(struct arch_thread *t)
{
    return (void *)(((uint64_t)t->fp + 63) & ~63ull);
}

static void save(void *to)
{
    if (xcr0) {
        __asm__ volatile("xsave64 (%0)" : : "r"(to), "a"(xcr0), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(to) : "memory");
    }
}

static void restore(const void *from)
{
    if (xcr0) {
        __asm__ volatile("xrstor64 (%0)" : : "r"(from), "a"(xcr0), "d"(0) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(from) : "memory");
    }
}

void fp_init(void)
{
    if (x86_features.xsave) {
        xcr0 = XCR0_X87_SSE | (x86_features.avx ? XCR0_AVX : 0);
        __asm__ volatile("xsetbv" : : "c"(0), "a"(xcr0), "d"(0));
        if (cpuid(0xd, 0).b > ARCH_FP_BYTES) { // bytes for what xcr0 enables; 832 in the architecture
            x86_features.avx = false;
            xcr0 = XCR0_X87_SSE;
            __asm__ volatile("xsetbv" : : "c"(0), "a"(xcr0), "d"(0));
        }
    }
    uint16_t control = 0x37f;
    uint32_t mxcsr = 0x1f80;
    __builtin_memcpy(initial, &control, sizeof control);
    __builtin_memcpy(initial + 24, &mxcsr, sizeof mxcsr);
    if (xcr0) {
        initial[512] = (uint8_t)xcr0; // XSTATE_BV: all parts come from the image
    }
}

static void set_trap(struct arch_cpu *cpu, bool on)
{
    if (on) {
        WRITE_CR(0, READ_CR(0) | 8);
    } else {
        __asm__ volatile("clts");
    }
    cpu->fp_trap = on;
}

// t's state may be in the registers of a CPU where it ran before: at most of one.
static void fetch(struct thread *t)
{
    for each_cpu(c) {
        if (c->arch.fp_owner == t && c != arch_cpu()) {
            cpu_ask(c, CPU_FP);
        }
    }
}

void fp_trap(struct thread *t)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    set_trap(cpu, false);
    if (cpu->fp_owner == t) {
        return;
    }
    if (cpu->fp_owner) {
        save(area(&cpu->fp_owner->arch));
        cpu->fp_owner->arch.fp_valid = 1;
    }
    fetch(t);
    restore(t->arch.fp_valid ? area(&t->arch) : (void *)initial);
    cpu->fp_owner = t;
}

void arch_fp_save(void)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->fp_owner) {
        bool trapping = cpu->fp_trap;
        set_trap(cpu, false);
        save(area(&cpu->fp_owner->arch));
        cpu->fp_owner->arch.fp_valid = 1;
        cpu->fp_owner = nullptr;
        set_trap(cpu, trapping);
    }
}

void arch_fp_clone(struct thread *to, struct thread *from)
{
    struct arch_cpu *cpu = &arch_cpu()->arch;
    if (cpu->fp_owner == from) {
        bool trapping = cpu->fp_trap;
        set_trap(cpu, false);
        save(area(&from->arch));
        from->arch.fp_valid = 1;
        set_trap(cpu, trapping);
    }
    fetch(from); // `to` is new: nobody holds its state
    to->arch.fp_valid = from->arch.fp_valid;
    if (from->arch.fp_valid) {
        __builtin_memcpy(area(&to->arch), area(&from->arch), ARCH_FP_BYTES);
    }
}
