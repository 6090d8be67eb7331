// SPDX-License-Identifier: MPL-2.0
//
// Linux's system call interface on arm64: registers, numbers and structures that other architectures have otherwise.
#pragma once
#include <stdint.h>
#include <futura/abi.h>

#define SYSCALL_LENGTH 4
#define NR_RESTART_SYSCALL 128
#define LINUX_MACHINE "aarch64"
#define LINUX_PLATFORM "aarch64"
#define LINUX_ARCH_NUMBER 2 // process.Missing

#define O_DIRECTORY 040000u
#define O_NOFOLLOW 0100000u
#define O_DIRECT 0200000u
#define O_LARGEFILE 0400000u

static inline uint64_t regs_number(const struct fut_regs *r) { return r->x[8]; }
static inline void regs_set_number(struct fut_regs *r, uint64_t n) { r->x[8] = n; }
static inline void regs_set_result(struct fut_regs *r, long value) { r->x[0] = (uint64_t)value; }
static inline long regs_result(const struct fut_regs *r) { return (long)r->x[0]; }
static inline uint64_t regs_argument(const struct fut_regs *r, unsigned n) { return r->x[n]; }
static inline uint64_t regs_sp(const struct fut_regs *r) { return r->sp; }
static inline void regs_set_sp(struct fut_regs *r, uint64_t sp) { r->sp = sp; }
// x0 is written only when the call is over: the first argument is still there.
static inline void regs_restart(struct fut_regs *r) { r->pc -= SYSCALL_LENGTH; }
static inline void regs_start(struct fut_regs *r, uint64_t pc, uint64_t sp)
{
    *r = (struct fut_regs){.pc = pc, .sp = sp};
}

// clone's arguments: flags, stack, parent tid, tls, child tid
#define CLONE_CHILD_TID(c, d, e) (e)
#define CLONE_TLS(c, d, e) (d)

struct linux_stat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, pad;
    int64_t size;
    int32_t block_size, pad2;
    int64_t blocks;
    int64_t atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns;
    uint32_t unused[2];
};
static_assert(sizeof(struct linux_stat) == 128);

struct linux_epoll_event { uint32_t events, pad; uint64_t data; };

#define FP_BYTES 528
