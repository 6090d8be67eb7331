// SPDX-License-Identifier: MPL-2.0
//
// Linux's system call interface on x86_64: registers, numbers and structures that other architectures have otherwise.
#pragma once
#include <stdint.h>
#include <futura/abi.h>

#define SYSCALL_LENGTH 2
#define NR_RESTART_SYSCALL 219
#define LINUX_MACHINE "x86_64"
#define LINUX_PLATFORM "x86_64"
#define LINUX_ARCH_NUMBER 1 // process.Missing

#define O_DIRECT 040000u
#define O_LARGEFILE 0100000u
#define O_DIRECTORY 0200000u
#define O_NOFOLLOW 0400000u

static inline uint64_t regs_number(const struct fut_regs *r) { return r->rax; }
static inline void regs_set_number(struct fut_regs *r, uint64_t n) { r->rax = n; }
static inline void regs_set_result(struct fut_regs *r, long value) { r->rax = (uint64_t)value; }
static inline long regs_result(const struct fut_regs *r) { return (long)r->rax; }
static inline uint64_t regs_argument(const struct fut_regs *r, unsigned n)
{
    switch (n) {
    case 0: return r->rdi;
    case 1: return r->rsi;
    case 2: return r->rdx;
    case 3: return r->r10;
    case 4: return r->r8;
    default: return r->r9;
    }
}
static inline uint64_t regs_sp(const struct fut_regs *r) { return r->rsp; }
static inline void regs_set_sp(struct fut_regs *r, uint64_t sp) { r->rsp = sp; }
// Number and arguments are still there, but the result register holds the number itself: nothing to put back.
static inline void regs_restart(struct fut_regs *r) { r->pc -= SYSCALL_LENGTH; }
static inline void regs_start(struct fut_regs *r, uint64_t pc, uint64_t sp)
{
    *r = (struct fut_regs){.pc = pc, .rsp = sp, .flags = 0x202};
}

// clone's arguments: flags, stack, parent tid, child tid, tls
#define CLONE_CHILD_TID(c, d, e) (d)
#define CLONE_TLS(c, d, e) (e)

struct linux_stat {
    uint64_t dev, ino, nlink;
    uint32_t mode, uid, gid, pad;
    uint64_t rdev;
    int64_t size, block_size, blocks;
    int64_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
    int64_t unused[3];
};
static_assert(sizeof(struct linux_stat) == 144);

struct [[gnu::packed]] linux_epoll_event { uint32_t events; uint64_t data; }; // as on 32 bits

#define FP_BYTES 512
