// SPDX-License-Identifier: MPL-2.0
//
// IPC with the message left in the CPU's registers: entry.S comes here with the words in x0..x7, and what
// fast.h decides ends in entry.S again. The words travel as arguments of the preserve_none calling
// convention: x20..x28, x0..x7, x10..x14, x9, in this order.
#include "arm64.h"
#include <ipc/fast.h>

#define MESSAGE                                                                                              \
    struct thread *t, uint64_t control, uint64_t u0, uint64_t u1, uint64_t u2, uint64_t u3, uint64_t u4, uint64_t u5, \
        uint64_t u6, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3, uint64_t w4, uint64_t w5, uint64_t w6,        \
        uint64_t w7, uint64_t aux, uint64_t caps01, uint64_t caps23, uint64_t u7, uint64_t u8, uint64_t tag
#define WORDS w0, w1, w2, w3, w4, w5, w6, w7
// What the registers between hold does not matter: `any` has no value.
#define ANY7 any, any, any, any, any, any, any
#pragma clang diagnostic ignored "-Wuninitialized"
#pragma clang diagnostic ignored "-Wunused-parameter"

[[clang::preserve_none]] void arm64_ipc_exit(MESSAGE);
[[clang::preserve_none]] void arm64_ipc_slow(MESSAGE);
[[clang::preserve_none]] void arm64_fast_call(MESSAGE);
struct thread *arm64_ipc_saved(struct thread *t, uint64_t control);
[[clang::preserve_none]] void arm64_fast_reply_recv(MESSAGE);

// What the registers cannot carry: bodies in the IPC buffer, and capabilities. Ranges of memory that the caller
// lends are described in its buffer, where they stay.
#define TAG_NEVER (TAG_SLOW & ~(FUT_TAG_LEASE << 28))

static inline bool in_registers(const struct thread *t, uint64_t tag)
{
    return likely(!(tag & TAG_SLOW)) || (!(tag & TAG_NEVER) && t->ipc);
}

// System calls whose registers were saved without the lock.
#define SYSCALL_BYTES 4
struct thread *arm64_native_wait(struct thread *t);
struct thread *arm64_native_wait(struct thread *t)
{
    return lock_wait(SYSCALL_BYTES) ? schedule() : kernel_native_syscall(t);
}

struct thread *arm64_foreign_slow(struct thread *t);
struct thread *arm64_foreign_slow(struct thread *t)
{
    return unlikely(!lock_try()) && lock_wait(SYSCALL_BYTES) ? schedule() : kernel_foreign_syscall(t);
}

[[clang::preserve_none]] void arm64_fast_call(MESSAGE)
{
    uint64_t out, badge, any;
    struct thread *r = in_registers(t, tag) ? fast_call(t, &t->arch.x[8], 0, &out, &badge) : nullptr;
    if (unlikely(!r))
        [[clang::musttail]] return arm64_ipc_slow(t, any, ANY7, WORDS, aux, caps01, caps23, any, any, tag);
    [[clang::musttail]] return arm64_ipc_exit(r, out, ANY7, WORDS, badge, any, any, any, any, tag);
}

[[clang::preserve_none]] void arm64_fast_reply_recv(MESSAGE)
{
    uint64_t any;
    struct thread *caller = in_registers(t, tag) ? fast_reply_recv(t, &t->arch.x[8], 0, aux) : nullptr;
    if (unlikely(!caller))
        [[clang::musttail]] return arm64_ipc_slow(t, any, ANY7, WORDS, aux, caps01, caps23, any, any, tag);
    [[clang::musttail]] return arm64_ipc_exit(caller, 0, ANY7, WORDS, 0, any, any, any, any, tag);
}

// The message is in the saved registers now. Buffers and capabilities have a fast path there.
struct thread *arm64_ipc_saved(struct thread *t, uint64_t control)
{
    if (!(arch_ipc_tag(&t->arch) & TAG_SLOW))
        return ipc_entry(t, control);
    return (control & 0xff) == FUT_SYS_CALL ? ipc_fast_call(t, control) : ipc_fast_reply_recv(t, control);
}
