// SPDX-License-Identifier: MPL-2.0
//
// What threads communicate and wait through.
//
// A Channel's queue holds calls, one-way sends, faults and no-senders notices in the order they came. A call
// that was received hangs on the receiving thread (thread.caller) until it is answered, or until its Reply is
// saved as a capability. The Reply is part of the calling thread, so a call allocates nothing.
//
// A Reply whose caller went away is stale. Its capability then names `stale_reply` and hangs in the Channel's
// list of stale Replies (next, prev; parent is the Channel) until the server was told or uses it.
#pragma once
#include "thread.h"

struct event {
    struct object object;
    uint64_t bits;
    struct list waiters;       // thread.queue.link
    struct channel *channel;   // bound to
    struct list entries;       // waitset_entry.in_event
    struct tree_node timer;    // deadline at which timer_bits are signalled
    uint64_t timer_bits;
    uint8_t timer_cpu;
};

// Signals an Event when something is gone for good. Lives until either end is.
struct watch {
    struct list in_target;
    struct account *account;
    struct event *event;       // referenced
    uint64_t bits;
};

struct channel {
    struct object object;
    struct list receivers;     // thread.queue.link
    struct list queue;         // queue_node.link
    struct list cancels;       // thread.cancel_link: saved calls whose callers want an early answer
    struct cap *stale;         // saved Replies that went stale
    struct list faulting;      // thread.channel_fault_link: page faults received and not yet answered
    struct tree sessions;      // by badge: every Session minted and not acknowledged
    struct event *event;       // referenced
    struct list watches;
    struct task *server;       // whose thread received last; referenced
    uint8_t top;               // the highest priority of the threads in the queue, or more (inherit.c)
    bool attention;            // perhaps something beside the queue is there, or it is dead: not for the fast path
    bool dead;
    bool waking;               // receivers are being served: what is queued meanwhile is looked at afterwards
};

struct session {
    struct object object;      // one reference is the tree's, until the notice was acknowledged
    struct channel *channel;   // referenced
    struct tree_node node;     // key = badge
    struct queue_node notice;
    uint32_t notice_state;
};
#define NOTICE_NONE 0u
#define NOTICE_QUEUED 1u
#define NOTICE_TOLD 2u

struct waitset {
    struct object object;
    struct list entries;       // waitset_entry.in_set
    struct list waiters;
};

struct waitset_entry {
    struct list in_set, in_event;
    struct waitset *set;
    struct event *event;       // referenced
    struct account *account;
    uint64_t mask, key;
    uint32_t flags;            // FUT_WAITSET_*
    bool fresh;                // signalled since it was reported last
};

struct irq {
    struct object object;
    uint32_t line;
    bool msi;
    struct event *event;       // referenced
    uint64_t bits;
    uint64_t count, dropped, window_end;
    uint32_t in_window, limit, storms;
    bool quarantined;
};
extern uint64_t unhandled_interrupts;

struct ioport { struct object object; uint16_t first, count; };

extern struct object stale_reply;

void event_signal(struct event *e, uint64_t bits);
void watches_signal(struct list *watches); // signals and frees all
fut_status_t watch_add(struct list *watches, struct event *e, uint64_t bits, struct account *a);

// Ends a wait in IPC with an error, in the registers' IPC form.
void ipc_finish(struct thread *t, fut_status_t status, uint32_t out);
// t was CALLING and goes away (deadline, destruction): its Reply becomes stale.
void reply_make_stale(struct thread *t);
void reply_drop_caller(struct thread *server);    // the server goes on without answering
void channel_queue_cancel(struct thread *t);
void channel_wake(struct channel *ch);            // something is there: serves a waiting receiver
void channel_queue(struct channel *ch, struct queue_node *n);
// The Channel in whose queue t waits; null: in none.
struct channel *thread_queued_in(const struct thread *t);
// Priority inheritance (inherit.c): t's own priority or its caller changed; t was put into ch's queue; a thread of this
// priority has left it; ch->server is about to change; somebody receives from it now.
void thread_inherit(struct thread *t);
void channel_joined(struct channel *ch, struct thread *t);
void channel_left(struct channel *ch, uint8_t priority);
void channel_no_receiver(struct channel *ch);
void channel_new_receiver(struct channel *ch);
struct thread *ipc_entry(struct thread *t, uint64_t control);
struct thread *ipc_fast_call(struct thread *t, uint64_t control);
struct thread *ipc_fast_reply_recv(struct thread *t, uint64_t control);
fut_status_t ipc_send_fault(struct thread *t);    // a fault as a call through t->fault_session
