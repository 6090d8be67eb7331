// SPDX-License-Identifier: MPL-2.0
//
// Drives the kernel as a library: boots it on the simulated machine, makes tasks, runs any thread's system
// calls, and checks the whole state (check_invariants) whenever asked.
#pragma once
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include <debug/log.h>
#include <host.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(x) do { if (!(x)) { fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #x); abort(); } } while (0)
#define EQUAL(a, b) do { long long a_ = (long long)(a), b_ = (long long)(b); if (a_ != b_) { \
    fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, a_, b_); abort(); } } while (0)

#define SCRATCH 0x10000000ull        // 16 pages of each test task's own memory
#define SCRATCH_BYTES (16ull * FUT_PAGE_SIZE)
#define IPC_BUFFER 0x20000000ull     // thread n's: + n * FUT_IPC_BUFFER_SIZE
#define MAX_TASKS 16
#define MAX_THREADS 48

struct user { struct task *task; struct thread *thread; fut_handle_t h_task, h_space, h_thread; };

extern struct task *root;            // holds everything that the test made
extern struct thread *root_thread;

void harness_boot(void);
struct user user_new(struct account *account, uint32_t priority); // a task with scratch memory and one running thread
struct thread *user_thread(struct user *u, uint32_t n);           // one more thread
void run_as(struct thread *t);       // makes t the current thread (it must be able to run)
// One system call of t. Returns its status; SYS_BLOCKED if t waits now.
int64_t sys(struct thread *t, uint32_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t *value);
// The same; a call that gave way to others goes on until it is done.
int64_t sys_whole(struct thread *t, uint32_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t *value);
int64_t ipc(struct thread *t, uint32_t op, uint32_t flags, fut_handle_t h, uint64_t tag, fut_handle_t reply);
static inline int32_t ipc_status(const struct thread *t) { return (int32_t)t->arch.op; }
static inline uint32_t ipc_kind(const struct thread *t) { return t->arch.op >> 48 & 0xff; }
static inline uint32_t ipc_perms(const struct thread *t) { return t->arch.op >> 32 & 0xffff; }
static inline uint32_t ipc_out(const struct thread *t) { return t->arch.op >> 56; }
void take_away_the_dead(void);                   // takes away what is dead
bool waits(const struct thread *t);
void poke(struct thread *t, uint64_t va, const void *data, size_t n); // writes t's memory
void peek(struct thread *t, uint64_t va, void *data, size_t n);
void check_invariants(void);
void destroy_all_tasks_but_root(void); // as check_invariants found them last
