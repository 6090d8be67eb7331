// SPDX-License-Identifier: MPL-2.0
//
// Tasks, threads, CPUs and the scheduler.
//
// A thread is never on a kernel stack: what it waits for is data here, and whoever ends the wait writes the
// results into its saved registers and makes it ready. A system call that has to start over after a wait
// (a pager brought a page, a WaitSet became ready) sets ATTENTION_RESTART: its arguments are still in the
// saved registers, and the dispatcher runs it again before the thread sees user mode.
#pragma once
#include "memory.h"

#define PRIORITIES 64u

struct task {
    struct object object;
    struct space *space;     // null once destroyed
    struct cap_table caps;
    uint64_t native_base, native_bytes; // where system calls are native
    struct list threads;     // thread.in_task
    uint32_t thread_count;
    bool dead;
    struct list watches;     // watch.in_target
    uint64_t cpu_ticks;      // of threads that ended
    struct list in_all;      // all_tasks
    bool dying;              // dead, and what it had is being taken away in steps (object_reap)
};

extern struct list all_tasks; // for whoever looks inside: the debugger

#define ATTENTION_RESTART 0x1u // run the system call again
#define ATTENTION_PENDING 0x2u // an interruption was posted
#define ATTENTION_TIMER   0x4u // its wait has a deadline
#define ATTENTION_SUSPENDED 0x8u // as thread.suspended
#define ATTENTION_PINNED 0x10u // not for every CPU: nobody hands over to it without a look
#define ATTENTION_BUDGET  0x20u // its budget had ended: who pays is to be found out where it is picked

struct queue_node { struct list link; uint32_t kind; };
#define QUEUE_CALL   1u
#define QUEUE_SEND   2u
#define QUEUE_FAULT  3u      // a thread's fault, as a call
#define QUEUE_PAGER  4u      // a thread's page fault, one way
#define QUEUE_NOTICE 5u      // a Session's no-senders notice

struct thread {
    struct arch_thread arch; // first
    struct object object;
    struct object reply;     // the Reply object: named by at most one capability, reply_cap
    // What the fast path touches.
    struct task *task;
    struct space *space;
    uint32_t state;          // FUT_THREAD_*
    uint32_t attention;      // ATTENTION_*: anything that the fast paths leave to others
    uint64_t native_base, native_bytes; // copied from the task
    uint8_t priority, base_priority;
    uint8_t ceiling;         // what it may give itself and its threads
    uint8_t cpu;             // in whose run queue it is, or was last
    uint8_t affinity;        // bit per CPU where it may run; not all of them: ATTENTION_PINNED
    uint8_t timer_cpu;       // in whose tree its deadline is
    bool suspended, queued;  // queued: in a run queue
    bool parked;             // runnable, but in no run queue: nobody pays (sched/schedule.c)
    uint32_t call_flags;     // FUT_IPC_* or FUT_WAIT_* of the wait
    struct thread *caller;   // whose call this thread received last and has not answered or saved
    struct thread *server;   // CALLING: the thread whose `caller` this is; null: saved or stale
    struct cap *reply_cap;   // CALLING: the capability that holds the Reply
    struct channel *channel; // what it received from last; RECEIVING: where. Otherwise only compared, never followed
    struct session *session; // SENDING, CALLING: through which (referenced while SENDING)
    uint32_t perms;          // of the capability used
    uint64_t counter_ticks;  // CPU time used, by itself and by servers in its name
    uint64_t settle_ticks;   // at so many, thread_settle passes on what is new since told_ticks
    uint64_t told_ticks;
    struct schedule *schedule; // referenced; null: no limits
    struct list in_schedule;
    uint64_t progress;       // of a long system call that is started over; 0 where none is
    struct object *work;     // what it is making: referenced

    struct queue_node queue; // run queue, channel queue, waiters of an Event, WaitSet or futex
    struct list cancel_link; // in channel.cancels
    struct list inherit;     // see inherit.c
    struct channel *lent_by;
    uint8_t lent;
    struct list in_task;
    struct tree_node timer;  // deadline
    struct list fault_link;  // in memory.faulters or channel.faulting
    struct list channel_fault_link;
    bool stale_caller;       // the caller of this thread went away before the answer
    bool cancel_wanted;

    // Waits.
    struct object *waits_on; // Event or WaitSet, referenced
    uint64_t wait_mask;
    const void *futex_memory;
    uint64_t futex_offset;
    struct memory *fault_memory; // PAGING: referenced
    uint64_t fault_offset;
    uint32_t fault_code, fault_kind;
    uint64_t fault_address;
    uint32_t fault_access;

    // IPC buffer and upcalls: pinned pages, reached through the direct map.
    struct page *ipc_page[2];
    struct fut_ipc_buffer *ipc;  // first page only; the second is ipc_second
    uint8_t *ipc_second;
    uint64_t ipc_address;
    struct page *frames_page;
    struct fut_frames *frames;
    struct fut_upcall upcall;
    uint64_t pending;        // bits posted and not delivered
    struct session *fault_session;
    uint32_t fault_perms;
};

struct cpu {
    struct arch_cpu arch;    // first
    struct thread *current;  // null: idle
    struct thread *payer;    // whose CPU time runs: current, or the caller that it serves; null: idle
    struct space *space;     // loaded; referenced by nobody: freeing it switches away first
    uint64_t ready;          // bit p: queue p is not empty
    struct list queue[PRIORITIES];
    uint64_t counter;        // arch_counter() when the payer was charged last
    uint64_t slice_end;      // ns; FUT_FOREVER: no time slice runs
    uint64_t timer_set;      // what arch_timer_set was told last
    uint64_t budget_end;     // ns: when the payer has no time left; FUT_FOREVER: no limit
    struct tree timers, event_timers, schedule_timers; // deadlines of waits, Events, Schedules; its own timer looks after them
    uint64_t next_deadline;  // the first of them; FUT_FOREVER: none
    // What other CPUs see and want (smp.c).
    bool idle;               // halted, or about to be: runs nothing, has no Space loaded
    bool waiting;            // for the lock, in lock_wait
    uint8_t again;           // waiting: by how much the pc goes back to make the entry again
    bool gone;               // waiting: its thread was taken away
    bool flush;              // waiting: the TLB holds translations that are no more
    uint32_t request;        // CPU_*: what it does while it waits
    uint64_t idle_ticks, switches, calls, faults, interrupts;
};
#define CPU_LEAVE 1u // load no Space
#define CPU_FP    2u // write the FP state in the registers back to its owner
extern struct cpu cpus[FUT_CPUS_MAX];
extern uint32_t cpus_online; // cpus[0 .. cpus_online - 1] run
#define each_cpu(c) (struct cpu *c = cpus; c < cpus + cpus_online; c++)

// --- Other CPUs (smp.c). All with the lock, which is what keeps a CPU that was stopped where it is. ------------
void cpu_stop(struct cpu *c);                 // another CPU is not in user mode when this returns
void cpu_ask(struct cpu *c, uint32_t what);   // CPU_*: another CPU has done it when this returns
bool thread_evict(struct thread *t);          // off the CPU that runs it, if that is another; its registers are saved
void space_leave(struct space *s);            // no CPU has it loaded; null: no CPU has any
struct thread *kernel_ipi(struct thread *t);  // another CPU's call arrived; t null: from idle
[[noreturn]] void kernel_secondary(void);     // where a secondary CPU's boot code ends, without the lock

// --- Scheduler ---------------------------------------------------------------------------------------
void sched_init(void);
void thread_ready(struct thread *t);          // makes it runnable (or suspended)
void thread_dequeue(struct thread *t);        // out of the run queue, if in one
static inline void thread_set_suspended(struct thread *t, bool suspended)
{
    t->suspended = suspended;
    t->attention = (t->attention & ~ATTENTION_SUSPENDED) | (suspended ? ATTENTION_SUSPENDED : 0);
}
void thread_set_priority(struct thread *t, uint8_t effective);
void thread_set_affinity(struct thread *t, uint64_t cpus_allowed); // some that is online
struct thread *leave(void);                   // how every slow entry ends: what runs next
struct thread *schedule(void);
void cpu_charge(struct cpu *cpu);
void cpu_charge_all(void);
struct cpu *thread_runs_on(const struct thread *t); // null: nowhere
uint64_t ticks_to_ns(uint64_t ticks);

// --- Time ----------------------------------------------------------------------------------------------
void timer_start(struct thread *t, uint64_t deadline);
void timer_stop(struct thread *t);
struct event;
void event_timer_start(struct event *e, uint64_t deadline, uint64_t bits); // FUT_FOREVER: only stops
void timer_expire(uint64_t now); // this CPU's

// --- Threads and tasks ------------------------------------------------------------------------------------
// Takes t out of whatever it waits for; it is then in no list and has no results yet.
void thread_unwait(struct thread *t);
// thread_unwait, results, ready.
void thread_abort(struct thread *t, fut_status_t status);
// Ends a wait of a plain system call.
void thread_wake(struct thread *t, fut_status_t status, uint64_t value);
// The thread runs its system call again once it is woken.
void thread_restart_later(struct thread *t);
// A place in a long system call of t where everything is as it should be: takes what interrupts are pending, and others
// may have the kernel for a moment. True: t has to give way or is gone; the call returns SYS_BLOCKED at once and
// touches nothing, and will be started over. False: it goes on, and looks up its handles again.
[[nodiscard]] bool preempt(struct thread *t);
void thread_destroy(struct thread *t);
void task_destroy(struct task *t);
fut_status_t thread_pin_ipc(struct thread *t, uint64_t address);
fut_status_t upcall_register(struct thread *t, const struct fut_upcall *u);
void upcall_unregister(struct thread *t);
bool upcall_push(struct thread *t, uint32_t cause, uint32_t code, uint64_t address); // false: not registered or no frame left
void thread_post(struct thread *t, uint64_t bits);
void fault_deliver(struct thread *t, uint32_t code, uint64_t address);
void fault_answer(struct thread *t, uint64_t action);
fut_status_t task_new(struct account *a, struct space *s, struct task **out);
fut_status_t thread_new(struct task *task, struct thread **out);

// --- User memory -------------------------------------------------------------------------------------------
// Copies between the kernel and the calling thread's Space, bringing pages in. SYS_BLOCKED: the thread waits for
// a pager and the system call starts over.
fut_status_t user_read(struct thread *t, void *to, uint64_t from, size_t n);
fut_status_t user_write(struct thread *t, uint64_t to, const void *from, size_t n);
fut_status_t user_prepare(struct thread *t, uint64_t at, size_t n, uint32_t access); // pages are there
void thread_wait_page(struct thread *t, struct memory *m, uint64_t offset, uint32_t access);
// hand_over: others may wait for the page that t asked for; one of them asks now.
void thread_end_page_wait(struct thread *t, bool hand_over);
void memory_wake_faulters(struct memory *m, uint64_t first, uint64_t bytes);

// --- System calls -----------------------------------------------------------------------------------------------
typedef fut_status_t syscall_fn(struct thread *t, const uint64_t *a, uint64_t *value);
#define SYS_BLOCKED 1   // no results: the thread waits, or its registers are already what they should be
struct thread *syscall_slow(struct thread *t, uint32_t op);
