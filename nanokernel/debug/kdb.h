// SPDX-License-Identifier: MPL-2.0
//
// The debugger inside the kernel. It talks on the platform's polled console while everything else stands still,
// and reads the kernel's own structures as they are. FUTURA_KDB=0 leaves it out; compiled in, it answers only where
// the kernel's command line has the word "kdb": who sits at the console owns the machine then.
#pragma once
#include <kernel.h>

#if FUTURA_KDB
extern bool kdb_on;
// Stops and talks; t: whose registers are the user's, may be null.
void kdb_enter(const char *why, struct thread *t);
// A breakpoint or single-step trap at regs->pc, in user mode (t, whose registers regs is a copy of) or in the kernel
// (t null; regs is what goes on, and may be changed). False: not the debugger's.
bool kdb_trap(struct thread *t, uint32_t code, struct fut_regs *regs);
// The same for a fault of user code, which may be one.
bool kdb_user_trap(struct thread *t, uint32_t code);
#else
#define kdb_on false
static inline void kdb_enter(const char *, struct thread *) {}
static inline bool kdb_trap(struct thread *, uint32_t, struct fut_regs *) { return false; }
static inline bool kdb_user_trap(struct thread *, uint32_t) { return false; }
#endif

// --- Between the debugger's files ---------------------------------------------------------------------
#define KDB_WORDS 4u
struct kdb_command { const char *name, *arguments, *help; void (*run)(int n, char **word); };
extern const struct kdb_command kdb_object_commands[], kdb_break_commands[];

bool kdb_number(const char *text, unsigned base, uint64_t *value);
// [TASK:]ADDRESS, a symbol of the kernel or SYMBOL+HEX. *task: null for the kernel. False: said why not.
bool kdb_address(const char *text, struct task **task, uint64_t *address);
// Where an address lies in RAM, without bringing anything in; null: not there.
void *kdb_reach(struct task *task, uint64_t address);
struct task *kdb_task(const char *id);
struct thread *kdb_thread(const char *id);
// Talks, and then lets whoever was stopped go on.
void kdb_stop(const char *why, struct thread *t, struct fut_regs *regs);
// What the prompt's s and c do to whoever goes on.
void kdb_go_on(struct thread *t, struct fut_regs *regs, bool step);
