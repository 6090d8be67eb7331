// SPDX-License-Identifier: MPL-2.0
//
// The simulated machine that the kernel's unit tests run on: RAM is one allocation, page tables are lists,
// threads are structures whose registers the test sets, a system call is a function call. One CPU, a clock
// that the test moves.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <futura/abi.h>

struct arch_thread {
    uint64_t op, arg[6];                 // plain calls: in
    int64_t status;                      // out
    uint64_t value;
    uint64_t tag, aux, w[8], caps01, caps23; // IPC: in and out; control out is in op
    uint64_t pc, sp, tls, frame;
};

struct host_table;
struct arch_space { struct host_table *tables; };
struct arch_cpu { int unused; };

static inline void arch_relax(void) {}
static inline void arch_pc_back(struct arch_thread *t, unsigned bytes) { t->pc -= bytes; }
#define ARCH_LIGHT
extern struct cpu *const host_cpu;
static inline struct cpu *arch_cpu(void) { return host_cpu; }
#define ARCH_CPU(field) (arch_cpu()->field) // a field of this CPU's struct cpu

static inline uint64_t arch_pc(const struct arch_thread *t) { return t->pc; }
static inline uint64_t arch_sp(const struct arch_thread *t) { return t->sp; }
static inline uint64_t arch_sys_op(const struct arch_thread *t) { return t->op; }
static inline uint64_t arch_sys_arg(const struct arch_thread *t, unsigned n) { return t->arg[n]; }
static inline void arch_sys_result(struct arch_thread *t, fut_status_t status, uint64_t value)
{
    t->status = status;
    t->value = value;
}
static inline uint64_t arch_ipc_tag(const struct arch_thread *t) { return t->tag; }
static inline uint64_t arch_ipc_aux(const struct arch_thread *t) { return t->aux; }
static inline uint64_t arch_ipc_caps01(const struct arch_thread *t) { return t->caps01; }
static inline uint64_t arch_ipc_caps23(const struct arch_thread *t) { return t->caps23; }
static inline uint64_t arch_ipc_word(const struct arch_thread *t, unsigned n) { return t->w[n]; }
static inline void arch_ipc_set_word(struct arch_thread *t, unsigned n, uint64_t v) { t->w[n] = v; }
static inline void arch_ipc_set_caps(struct arch_thread *t, uint64_t a, uint64_t b)
{
    t->caps01 = a;
    t->caps23 = b;
}
static inline void arch_ipc_out(struct arch_thread *t, uint64_t control, uint64_t tag, uint64_t aux)
{
    t->op = control;
    t->tag = tag;
    t->aux = aux;
}
static inline void arch_ipc_copy_words(struct arch_thread *to, const struct arch_thread *from)
{
    to->tag = from->tag;
    for (int i = 0; i < 8; i++)
        to->w[i] = from->w[i];
}

#define HOST_RAM_BASE 0x40000000ull
#ifndef HOST_RAM_BYTES // a test may want a small machine
#define HOST_RAM_BYTES (32ull << 20)
#endif
extern char *host_ram;
static inline void *phys_to_virt(uint64_t p) { return host_ram + (p - HOST_RAM_BASE); }
static inline uint64_t virt_to_phys(const void *p) { return (uint64_t)((const char *)p - host_ram) + HOST_RAM_BASE; }

extern bool host_trace;
static inline bool arch_trace_site(void) { return host_trace; }

extern uint64_t host_time;
static inline uint64_t arch_counter(void) { return host_time; }
void arch_switch_space(struct arch_space *s);

// Freed kernel memory is poisoned, so that the address sanitizer sees a use of it.
void host_poison(void *p, size_t n);
void host_unpoison(void *p, size_t n);
#define ARCH_POISON(p, n) host_poison(p, n)
#define ARCH_UNPOISON(p, n) host_unpoison(p, n)
