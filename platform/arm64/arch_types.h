// SPDX-License-Identifier: MPL-2.0
//
// arm64's part of the kernel's types: what a thread, a space and a CPU hold for the platform, and the
// accessors of the register maps (futura/abi.h) that every system call uses.
//
// struct thread, struct cpu and struct space begin with these structures: entry.S addresses them at
// offset 0 of the generic ones, by the numbers in offsets.h, which thread.c pins.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <futura/abi.h>

// The user's registers in the order of struct fut_regs, then what else belongs to the thread.
struct arch_thread {
    uint64_t x[31];
    uint64_t sp, pc, flags, tls;       // tls: stale while the thread is the one in arch_cpu.thread
    // Not 0: the thread entered by an IPC call that saved little; x13..x30 are zero when it goes on.
    uint32_t partial;
    uint32_t fp_valid;                 // fp holds state; otherwise the registers start out clean
    uint64_t fp_control[2];            // fpcr, fpsr
    uint8_t fp[512];                   // q0..q31
};

struct arch_space {
    uint64_t ttbr;                     // physical address of the level 0 table, address space number << 48
    uint64_t generation;               // the number is valid while this equals arm64_asid_generation
};

// Reached through tpidr_el1.
struct arch_cpu {
    struct cpu *self;
    struct thread *thread;             // whose TLS register is loaded; null: nobody's
    uint64_t stack_top;
    struct thread *fp_owner;           // whose FP state the registers hold; null: nobody's
    uint32_t fp_on;                    // CPACR_EL1 lets FP/SIMD through
    uint32_t number;
};

static inline void arch_pc_back(struct arch_thread *t, unsigned bytes) { t->pc -= bytes; }
static inline void arch_relax(void) { __asm__ volatile("yield" : : : "memory"); }
// How light system calls are called (ipc/light.h): what the caller's registers hold stays there.
#define ARCH_LIGHT [[clang::preserve_most]]

static inline struct cpu *arch_cpu(void)
{
    struct cpu *c;
    __asm__("mrs %0, tpidr_el1" : "=r"(c));
    return c;
}
#define ARCH_CPU(field) (arch_cpu()->field) // a field of this CPU's struct cpu

static inline uint64_t arch_counter(void)
{
    uint64_t v;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v)); // may be read a little early: good enough to charge for time
    return v;
}

// A branch that is not there: a nop, which arch_trace_sites (trap.c) makes a branch to the true side.
[[gnu::always_inline]] static inline bool arch_trace_site(void)
{
    __asm__ goto("1: nop\n\t"
                 ".pushsection .trace_sites, \"a\"\n\t.quad 1b, %l0\n\t.popsection" : : : : on);
    return false;
on:
    return true;
}

static inline uint64_t arch_pc(const struct arch_thread *t) { return t->pc; }
static inline void arch_set_pc(struct arch_thread *t, uint64_t pc) { t->pc = pc; }
#define ARCH_BREAK_BYTES 4u
#define ARCH_BREAK_CODE {0x00, 0x00, 0x20, 0xd4}
#define ARCH_BREAK_ADVANCE 0u
static inline uint64_t arch_sp(const struct arch_thread *t) { return t->sp; }

static inline uint64_t arch_sys_op(const struct arch_thread *t) { return t->x[8]; }
static inline uint64_t arch_sys_arg(const struct arch_thread *t, unsigned n) { return t->x[n]; }

static inline void arch_sys_result(struct arch_thread *t, fut_status_t status, uint64_t value)
{
    t->x[0] = (uint64_t)(int64_t)status;
    t->x[1] = value;
}

static inline uint64_t arch_ipc_tag(const struct arch_thread *t) { return t->x[9]; }
static inline uint64_t arch_ipc_aux(const struct arch_thread *t) { return t->x[10]; }
static inline uint64_t arch_ipc_caps01(const struct arch_thread *t) { return t->x[11]; }
static inline uint64_t arch_ipc_caps23(const struct arch_thread *t) { return t->x[12]; }
static inline uint64_t arch_ipc_word(const struct arch_thread *t, unsigned n) { return t->x[n]; }
static inline void arch_ipc_set_word(struct arch_thread *t, unsigned n, uint64_t value) { t->x[n] = value; }

static inline void arch_ipc_set_caps(struct arch_thread *t, uint64_t caps01, uint64_t caps23)
{
    t->x[11] = caps01;
    t->x[12] = caps23;
}

static inline void arch_ipc_out(struct arch_thread *t, uint64_t control, uint64_t tag, uint64_t aux)
{
    t->x[8] = control;
    t->x[9] = tag;
    t->x[10] = aux;
}

static inline void arch_ipc_copy_words(struct arch_thread *to, const struct arch_thread *from)
{
    for (unsigned i = 0; i < 8; i++)
        to->x[i] = from->x[i];
    to->x[9] = from->x[9];
}

// The direct map of physical memory: the lower half of what TTBR1 translates, 128 TiB.
#define ARCH_DIRECT_BASE 0xffff000000000000ull

static inline void *phys_to_virt(uint64_t phys)
{
    return (void *)(phys + ARCH_DIRECT_BASE);
}

// For addresses in the direct map; the kernel image has its own (platform code only).
static inline uint64_t virt_to_phys(const void *p)
{
    return (uint64_t)p - ARCH_DIRECT_BASE;
}

// Switching is one register: inline, because every IPC to another task does it. The exception return
// that follows orders it before the next user instruction; kernel code that touches user memory
// after a switch runs behind a barrier of its own (copy.S).
extern uint64_t arm64_asid_generation;
extern uint64_t arm64_empty_ttbr;

// The Space takes a new address space number. It happens once in 255 new Spaces at most, and an ordinary call
// would cost every IPC a stack frame: this one keeps all registers but its own two.
static inline void arm64_asid_stale(struct arch_space *s)
{
    register struct arch_space *x16 __asm__("x16") = s;
    __asm__ volatile("adr x17, 1f\n\tb arm64_asid_renew_quietly\n1:" : "+r"(x16) : : "x17", "memory");
}

static inline void arch_switch_space(struct arch_space *s)
{
    uint64_t ttbr;
    if (__builtin_expect(s != nullptr, 1)) {
        if (__builtin_expect(s->generation != arm64_asid_generation, 0))
            arm64_asid_stale(s);
        ttbr = s->ttbr;
    } else {
        ttbr = arm64_empty_ttbr;
    }
    __asm__ volatile("msr ttbr0_el1, %0" : : "r"(ttbr) : "memory");
}
