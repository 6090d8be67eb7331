// SPDX-License-Identifier: MPL-2.0
//
// Schedules: a priority, so much CPU time in each period, and the CPUs it may be had on. See sched/schedule.c.
#pragma once
#include "thread.h"

#define REFILLS 6u           // uses of one quarter of a period come back together: five quarters are under way at most

struct schedule {
    struct object object;
    struct schedule *parent; // referenced: what is used here is used there too
    struct fut_schedule set;
    int64_t left;            // ns of the budget; below 0 after it was overrun
    struct { uint64_t at, since, amount; } refill[REFILLS]; // ns; oldest first
    unsigned refills;
    uint64_t used;           // ns, since it was made
    struct list threads;     // thread.in_schedule
    struct list parked;      // thread.queue.link: runnable, but for the budget
    struct tree_node timer;  // when the oldest refill is due, while somebody waits for it
    uint8_t timer_cpu;
};

// Who pays for t's time: of t and its callers the outermost that has time left. Null: nobody; t is parked.
struct thread *schedule_payer(struct thread *t);
void schedule_start(struct cpu *cpu);               // cpu->payer was set: cpu->budget_end
void schedule_charge(struct schedule *s, uint64_t ns);
void schedule_expired(struct schedule *s);          // its timer
void thread_settle(struct thread *t, uint64_t ticks); // passes on what t used; ticks: since the last call
void thread_set_schedule(struct thread *t, struct schedule *s);
void schedule_timer_start(struct schedule *s, uint64_t deadline); // time/timer.c; FUT_FOREVER: only stops
