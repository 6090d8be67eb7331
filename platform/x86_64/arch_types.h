// SPDX-License-Identifier: MPL-2.0
//
// x86_64's part of the kernel's types: what a thread, a space and a CPU hold for the platform, and the
// accessors of the register maps (futura/abi.h) that every system call uses.
//
// struct thread, struct cpu and struct space begin with these structures: entry.S addresses them at
// offset 0 of the generic ones. The offsets that assembly uses are pinned in entry.c.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <futura/abi.h>

#define ARCH_FP_BYTES 832  // XSAVE area for x87, SSE and AVX: 512 + 64 + 256

// The user's registers in the order of struct fut_regs, then what else belongs to the thread.
struct arch_thread {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t pc, flags, tls;
    // 0: entered by `syscall`: rcx and r11 are dead, sysret restores. Not 0: iret restores everything.
    uint32_t full;
    uint32_t fp_valid;                 // fp holds state; otherwise the registers start out clean
    uint8_t fp[ARCH_FP_BYTES + 63];    // used from its first 64-byte boundary on
};

struct arch_space {
    uint64_t root;                     // physical address of the PML4
};

// Reached through gs in the kernel.
struct arch_cpu {
    struct cpu *self;
    struct thread *thread;             // whose registers an entry saves; null: reload everything at exit
    uint64_t stack_top;
    uint64_t user_rsp;                 // scratch of the entry code
    uint64_t tls;                      // value of the FS base
    struct thread *fp_owner;           // whose FP state the registers hold; null: nobody's
    uint8_t fp_trap;                   // CR0.TS
    uint8_t number, apic;
};

static inline void arch_relax(void) { __builtin_ia32_pause(); }
static inline void arch_pc_back(struct arch_thread *t, unsigned bytes) { t->pc -= bytes; }
// How light system calls are called (ipc/light.h): what the caller's registers hold stays there.
#define ARCH_LIGHT [[clang::preserve_most]]

static inline struct cpu *arch_cpu(void)
{
    return *(struct cpu *__seg_gs *)0;
}
#define ARCH_CPU(field) (((struct cpu __seg_gs *)0)->field) // a field of this CPU's struct cpu

static inline uint64_t arch_counter(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

// A jump that is not there: five bytes of nothing, which arch_trace_sites (cpu.c) makes a jump to the true side.
[[gnu::always_inline]] static inline bool arch_trace_site(void)
{
    __asm__ goto("1: .byte 0x0f, 0x1f, 0x44, 0, 0\n\t"
                 ".pushsection .trace_sites, \"a\"\n\t.quad 1b, %l0\n\t.popsection" : : : : on);
    return false;
on:
    return true;
}

static inline uint64_t arch_pc(const struct arch_thread *t) { return t->pc; }
static inline void arch_set_pc(struct arch_thread *t, uint64_t pc) { t->pc = pc; }
#define ARCH_BREAK_BYTES 1u
#define ARCH_BREAK_CODE {0xcc}
#define ARCH_BREAK_ADVANCE 1u
static inline uint64_t arch_sp(const struct arch_thread *t) { return t->rsp; }

static inline uint64_t arch_sys_op(const struct arch_thread *t) { return t->rax; }

static inline uint64_t arch_sys_arg(const struct arch_thread *t, unsigned n)
{
    switch (n) {
    case 0: return t->rdi;
    case 1: return t->rsi;
    case 2: return t->rdx;
    case 3: return t->r10;
    case 4: return t->r8;
    default: return t->r9;
    }
}

static inline void arch_sys_result(struct arch_thread *t, fut_status_t status, uint64_t value)
{
    t->rax = (uint64_t)(int64_t)status;
    t->rdx = value;
}

static inline uint64_t arch_ipc_tag(const struct arch_thread *t) { return t->rdx; }
static inline uint64_t arch_ipc_aux(const struct arch_thread *t) { return t->rdi; }
static inline uint64_t arch_ipc_caps01(const struct arch_thread *t) { return t->rbx; }
static inline uint64_t arch_ipc_caps23(const struct arch_thread *t) { return t->rbp; }

static inline uint64_t arch_ipc_word(const struct arch_thread *t, unsigned n)
{
    switch (n) {
    case 0: return t->rsi;
    case 1: return t->r8;
    case 2: return t->r9;
    case 3: return t->r10;
    case 4: return t->r12;
    case 5: return t->r13;
    case 6: return t->r14;
    default: return t->r15;
    }
}

static inline void arch_ipc_set_word(struct arch_thread *t, unsigned n, uint64_t value)
{
    switch (n) {
    case 0: t->rsi = value; break;
    case 1: t->r8 = value; break;
    case 2: t->r9 = value; break;
    case 3: t->r10 = value; break;
    case 4: t->r12 = value; break;
    case 5: t->r13 = value; break;
    case 6: t->r14 = value; break;
    default: t->r15 = value; break;
    }
}

static inline void arch_ipc_set_caps(struct arch_thread *t, uint64_t caps01, uint64_t caps23)
{
    t->rbx = caps01;
    t->rbp = caps23;
}

static inline void arch_ipc_out(struct arch_thread *t, uint64_t control, uint64_t tag, uint64_t aux)
{
    t->rax = control;
    t->rdx = tag;
    t->rdi = aux;
}

static inline void arch_ipc_copy_words(struct arch_thread *to, const struct arch_thread *from)
{
    to->rdx = from->rdx;
    to->rsi = from->rsi;
    to->r8 = from->r8;
    to->r9 = from->r9;
    to->r10 = from->r10;
    to->r12 = from->r12;
    to->r13 = from->r13;
    to->r14 = from->r14;
    to->r15 = from->r15;
}

// The direct map of physical memory: PML4 slots 256 to 383, 64 TiB.
#define ARCH_DIRECT_BASE 0xffff800000000000ull

static inline void *phys_to_virt(uint64_t phys)
{
    return (void *)(phys + ARCH_DIRECT_BASE);
}

// For addresses in the direct map; the kernel image has its own (platform code only).
static inline uint64_t virt_to_phys(const void *p)
{
    return (uint64_t)p - ARCH_DIRECT_BASE;
}

// Switching is one register: inline, because every IPC to another task does it. Null keeps the current
// tables' kernel half, so it needs the boot tables instead.
extern uint64_t x86_kernel_root;
static inline void arch_switch_space(struct arch_space *s)
{
    uint64_t root = s ? s->root : x86_kernel_root;
    __asm__ volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}
