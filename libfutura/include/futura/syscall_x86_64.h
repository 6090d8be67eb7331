// SPDX-License-Identifier: MPL-2.0
//
// The system call instruction on x86_64: ordinary calls and IPC (register maps: abi.h).
#pragma once
#include <futura/abi.h>

struct fut_result {
    int64_t status;
    uint64_t value;
};

static inline struct fut_result fut_syscall(uint64_t op, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                            uint64_t a4, uint64_t a5)
{
    register uint64_t r10 __asm__("r10") = a3;
    register uint64_t r8 __asm__("r8") = a4;
    register uint64_t r9 __asm__("r9") = a5;
    struct fut_result out;
    uint64_t value = a2;
    __asm__ volatile("syscall"
                     : "=a"(out.status), "+d"(value)
                     : "0"(op), "D"(a0), "S"(a1), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    out.value = value;
    return out;
}

// A message in registers, in and out.
struct fut_msg {
    uint64_t control, tag, aux;
    uint64_t w[FUT_IPC_REG_WORDS];
    uint64_t caps01, caps23;
};

[[gnu::always_inline]] static inline void fut_ipc(struct fut_msg *m)
{
    register uint64_t r8 __asm__("r8") = m->w[1];
    register uint64_t r9 __asm__("r9") = m->w[2];
    register uint64_t r10 __asm__("r10") = m->w[3];
    register uint64_t r12 __asm__("r12") = m->w[4];
    register uint64_t r13 __asm__("r13") = m->w[5];
    register uint64_t r14 __asm__("r14") = m->w[6];
    register uint64_t r15 __asm__("r15") = m->w[7];
    uint64_t control = m->control, tag = m->tag, aux = m->aux, w0 = m->w[0], caps01 = m->caps01, caps23 = m->caps23;
    // rbp cannot be an operand; its word travels in rcx, which the instruction destroys anyway.
    __asm__ volatile("push %%rbp\n\t"
                     "mov %%rcx, %%rbp\n\t"
                     "syscall\n\t"
                     "mov %%rbp, %%rcx\n\t"
                     "pop %%rbp"
                     : "+a"(control), "+d"(tag), "+D"(aux), "+S"(w0), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r12),
                       "+r"(r13), "+r"(r14), "+r"(r15), "+b"(caps01), "+c"(caps23)
                     :
                     : "r11", "memory");
    *m = (struct fut_msg){control, tag, aux, {w0, r8, r9, r10, r12, r13, r14, r15}, caps01, caps23};
}

// The same for a message that takes no capability along in registers. (One may still come back.)
[[gnu::always_inline]] static inline void fut_ipc_plain(struct fut_msg *m)
{
    register uint64_t r8 __asm__("r8") = m->w[1];
    register uint64_t r9 __asm__("r9") = m->w[2];
    register uint64_t r10 __asm__("r10") = m->w[3];
    register uint64_t r12 __asm__("r12") = m->w[4];
    register uint64_t r13 __asm__("r13") = m->w[5];
    register uint64_t r14 __asm__("r14") = m->w[6];
    register uint64_t r15 __asm__("r15") = m->w[7];
    uint64_t control = m->control, tag = m->tag, aux = m->aux, w0 = m->w[0], caps01, caps23;
    __asm__ volatile("push %%rbp\n\t"
                     "syscall\n\t"
                     "mov %%rbp, %%rcx\n\t"
                     "pop %%rbp"
                     : "+a"(control), "+d"(tag), "+D"(aux), "+S"(w0), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r12),
                       "+r"(r13), "+r"(r14), "+r"(r15), "=b"(caps01), "=c"(caps23)
                     :
                     : "r11", "memory");
    *m = (struct fut_msg){control, tag, aux, {w0, r8, r9, r10, r12, r13, r14, r15}, caps01, caps23};
}

static inline void *fut_tls_word(unsigned n)
{
    void *value;
    __asm__("mov %%fs:(%1), %0" : "=r"(value) : "r"((uint64_t)n * 8));
    return value;
}

// The value of the TLS register.
static inline uint64_t fut_tls_pointer(void)
{
    return (uint64_t)fut_tls_word(0); // the block begins with its own address
}

// Copies whole words that do not overlap. One instruction a word, without the vector registers.
static inline void fut_copy_words(void *to, const void *from, size_t words)
{
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}
