// SPDX-License-Identifier: MPL-2.0
//
// The host build: system calls and IPC are functions that the test program defines (a simulated
// transport), so that generated clients and servers run in one ordinary process.
#pragma once
#include <futura/abi.h>

struct fut_result {
    int64_t status;
    uint64_t value;
};

// A message in registers, in and out.
struct fut_msg {
    uint64_t control, tag, aux;
    uint64_t w[FUT_IPC_REG_WORDS];
    uint64_t caps01, caps23;
};

struct fut_result fut_host_syscall(uint64_t op, const uint64_t args[6]);
void fut_host_ipc(struct fut_msg *m);
void *fut_host_tls_word(unsigned n); // word 1: the address of the calling thread's IPC buffer

static inline struct fut_result fut_syscall(uint64_t op, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                            uint64_t a4, uint64_t a5)
{
    const uint64_t args[6] = {a0, a1, a2, a3, a4, a5};
    return fut_host_syscall(op, args);
}

static inline void fut_ipc(struct fut_msg *m) { fut_host_ipc(m); }
static inline void fut_ipc_plain(struct fut_msg *m)
{
    m->caps01 = m->caps23 = 0;
    fut_host_ipc(m);
}

static inline void *fut_tls_word(unsigned n) { return fut_host_tls_word(n); }

// Copies whole words that do not overlap.
static inline void fut_copy_words(void *to, const void *from, size_t words) { __builtin_memcpy(to, from, words * 8); }
