// SPDX-License-Identifier: MPL-2.0
//
// The fast path of IPC: a call in register form without capabilities to a receiver that waits, and its answer,
// where both sides need no attention and nobody more urgent is ready. Everything but the message itself is
// here; who includes it moves the message: ipc.c between the saved registers, and a platform whose entry code
// can leave it in the registers (x86_64) not at all. Null: not for the fast path, and nothing has changed.
#pragma once
#include <kernel.h>
#include <ipc.h>

#define TAG_SLOW ((FUT_TAG_MEMORY | FUT_TAG_LEASE) << 28 | 0xfull << 20) // what the fast path leaves to ipc.c

static inline struct thread *hand_over(struct cpu *cpu, struct thread *from, struct thread *to)
{
    uint64_t now = arch_counter();
    from->counter_ticks += now - cpu->counter;
    cpu->counter = now;
    cpu->current = to;
    if (to->space != cpu->space) {
        cpu->space = to->space;
        arch_switch_space(&to->space->arch);
    }
    return to;
}

// The thread that has received the call, now running; *control and *badge are its control and aux registers.
static inline struct thread *fast_call(struct thread *t, uint64_t *control, uint64_t tag, uint64_t *badge)
{
    struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)(*control >> 32));
    if (unlikely(!c || c->type != FUT_OBJ_SESSION || !(c->rights & FUT_RIGHT_CALL) || (tag & TAG_SLOW) || t->attention))
        return nullptr;
    struct session *s = object_of(c->object, struct session);
    struct channel *ch = s->channel;
    struct list *first = ch->receivers.next;
    if (unlikely(first == &ch->receivers || !list_empty(&ch->queue)))
        return nullptr;
    struct thread *r = container_of(first, struct thread, queue.link);
    struct cpu *cpu = arch_cpu();
    if (unlikely(r->attention || r->suspended || r->timer.in || (cpu->ready >> t->priority) > 1))
        return nullptr;
    list_remove(first);
    s->object.refs++;
    t->session = s;
    t->channel = ch;
    t->perms = c->rights >> 16;
    t->call_flags = *control >> 8 & 0xff;
    t->state = FUT_THREAD_CALLING;
    t->server = r;
    t->reply_cap = nullptr;
    r->caller = t;
    r->stale_caller = false;
    r->channel = nullptr;
    r->state = FUT_THREAD_RUNNABLE;
    if (t->priority > r->priority)
        r->priority = t->priority; // it runs: in no queue
    cpu->calls++;
    *control = (uint64_t)(c->rights >> 16) << 32 | (uint64_t)FUT_RECV_CALL << 48;
    *badge = s->node.key;
    return hand_over(cpu, t, r);
}

// The caller, answered and now running; its control and aux registers are 0.
static inline struct thread *fast_reply_recv(struct thread *t, uint64_t control, uint64_t tag, uint64_t aux)
{
    struct thread *caller = t->caller;
    struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)(control >> 32));
    if (unlikely(!c || c->type != FUT_OBJ_CHANNEL || !(c->rights & FUT_RIGHT_RECV) || (tag & TAG_SLOW) ||
                 (uint32_t)aux || !caller || t->attention))
        return nullptr;
    struct channel *ch = object_of(c->object, struct channel);
    struct cpu *cpu = arch_cpu();
    if (unlikely(!list_empty(&ch->queue) || ch->stale || !list_empty(&ch->cancels) || (ch->event && ch->event->bits) ||
                 ch->dead || ch->server_id != t->task->object.id || caller->state != FUT_THREAD_CALLING ||
                 caller->attention || caller->suspended || caller->timer.in || (cpu->ready >> caller->priority) > 1))
        return nullptr;
    struct session *s = caller->session;
    if (unlikely(s->object.refs == 1))
        return nullptr;
    s->object.refs--;
    caller->session = nullptr;
    caller->channel = nullptr;
    caller->server = nullptr;
    caller->cancel_wanted = false;
    caller->state = FUT_THREAD_RUNNABLE;
    t->caller = nullptr;
    t->priority = t->base_priority;
    t->state = FUT_THREAD_RECEIVING;
    t->channel = ch;
    t->call_flags = control >> 8 & 0xff;
    list_append(&ch->receivers, &t->queue.link);
    return hand_over(cpu, t, caller);
}
