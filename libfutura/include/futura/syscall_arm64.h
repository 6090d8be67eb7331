// SPDX-License-Identifier: MPL-2.0
//
// The system call instruction on arm64: ordinary calls and IPC (register maps: abi.h).
#pragma once
#include <futura/abi.h>

struct fut_result {
    int64_t status;
    uint64_t value;
};

static inline struct fut_result fut_syscall(uint64_t op, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                            uint64_t a4, uint64_t a5)
{
    register uint64_t x0 __asm__("x0") = a0;
    register uint64_t x1 __asm__("x1") = a1;
    register uint64_t x2 __asm__("x2") = a2;
    register uint64_t x3 __asm__("x3") = a3;
    register uint64_t x4 __asm__("x4") = a4;
    register uint64_t x5 __asm__("x5") = a5;
    register uint64_t x8 __asm__("x8") = op;
    __asm__ volatile("svc #0"
                     : "+r"(x0), "+r"(x1)
                     : "r"(x2), "r"(x3), "r"(x4), "r"(x5), "r"(x8)
                     : "memory");
    return (struct fut_result){(int64_t)x0, x1};
}

// A message in registers, in and out.
struct fut_msg {
    uint64_t control, tag, aux;
    uint64_t w[FUT_IPC_REG_WORDS];
    uint64_t caps01, caps23;
};

[[gnu::always_inline]] static inline void fut_ipc(struct fut_msg *m)
{
    register uint64_t x0 __asm__("x0") = m->w[0];
    register uint64_t x1 __asm__("x1") = m->w[1];
    register uint64_t x2 __asm__("x2") = m->w[2];
    register uint64_t x3 __asm__("x3") = m->w[3];
    register uint64_t x4 __asm__("x4") = m->w[4];
    register uint64_t x5 __asm__("x5") = m->w[5];
    register uint64_t x6 __asm__("x6") = m->w[6];
    register uint64_t x7 __asm__("x7") = m->w[7];
    register uint64_t x8 __asm__("x8") = m->control;
    register uint64_t x9 __asm__("x9") = m->tag;
    register uint64_t x10 __asm__("x10") = m->aux;
    register uint64_t x11 __asm__("x11") = m->caps01;
    register uint64_t x12 __asm__("x12") = m->caps23;
    // x19 is LLVM's base register and x29 the frame pointer: saved by hand, the rest by the compiler.
    __asm__ volatile("stp x19, x29, [sp, #-16]!\n\t"
                     "svc #0\n\t"
                     "ldp x19, x29, [sp], #16"
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6), "+r"(x7), "+r"(x8),
                       "+r"(x9), "+r"(x10), "+r"(x11), "+r"(x12)
                     :
                     : "x13", "x14", "x15", "x16", "x17", "x18", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
                       "x27", "x28", "x30", "memory");
    *m = (struct fut_msg){x8, x9, x10, {x0, x1, x2, x3, x4, x5, x6, x7}, x11, x12};
}

// The same for a message that takes no capability along in registers. (One may still come back.)
[[gnu::always_inline]] static inline void fut_ipc_plain(struct fut_msg *m)
{
    m->caps01 = m->caps23 = 0;
    fut_ipc(m);
}

static inline void *fut_tls_word(unsigned n)
{
    uint64_t base;
    __asm__("mrs %0, tpidr_el0" : "=r"(base));
    return ((void **)base)[n];
}

// The value of the TLS register.
static inline uint64_t fut_tls_pointer(void)
{
    uint64_t base;
    __asm__("mrs %0, tpidr_el0" : "=r"(base));
    return base;
}

// Copies whole words that do not overlap.
static inline void fut_copy_words(void *to, const void *from, size_t words) { __builtin_memcpy(to, from, words * 8); }
