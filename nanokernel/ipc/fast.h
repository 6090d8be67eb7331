// SPDX-License-Identifier: MPL-2.0
//
// The fast path of IPC: a call with at most one capability to a receiver that waits, and its answer, where both sides need no attention and nobody more urgent is ready. Everything but the message itself is
// here; who includes it moves the message: ipc.c between the saved registers, and a platform whose entry code
// can leave it in the registers (x86_64) not at all. Null: not for the fast path, and nothing has changed.
#pragma once
#include <kernel.h>
#include <ipc.h>
#include <debug/trace.h>

#define TAG_BUFFER ((FUT_TAG_MEMORY | FUT_TAG_LEASE) << 28)
#define TAG_CAPS (0xfull << 20)
#define TAG_SLOW (TAG_BUFFER | TAG_CAPS) // what the path through registers leaves to ipc.c

// Messages in the IPC buffers take the same path there (`buffer`): both sides have one, and the length is right.
static inline bool buffers_ok(const struct thread *from, const struct thread *to, uint64_t tag, uint64_t w0)
{
    if (!(tag & TAG_BUFFER))
        return true;
    return from->ipc && to->ipc && (!(tag & FUT_TAG_MEMORY << 28) || w0 <= FUT_IPC_BODY_SIZE);
}

// One capability, in register form, moved or copied. Not here: a Reply, and a Session that comes home.
struct fast_cap { struct cap *cap; bool move; };
static inline bool cap_ok(const struct thread *from, const struct thread *to, uint64_t tag, const struct channel *home,
                          struct fast_cap *x)
{
    x->cap = nullptr;
    if (!(tag & TAG_CAPS))
        return true;
    uint32_t word = (uint32_t)arch_ipc_caps01(&from->arch);
    if ((tag & (TAG_CAPS | FUT_TAG_MEMORY << 28)) != 1ull << 20 || !from->ipc || !to->ipc || (word & FUT_CAP_LEND))
        return false;
    struct cap *c = cap_lookup(&from->task->caps, word & ~FUT_CAP_MOVE);
    x->move = word & FUT_CAP_MOVE;
    if (!c || !(c->rights & (x->move ? FUT_RIGHT_MOVE : FUT_RIGHT_DUP)) || (!x->move && caps_frozen) || c->type == FUT_OBJ_REPLY ||
        (home && c->type == FUT_OBJ_SESSION && object_of(c->object, struct session)->channel == home) ||
        !to->task->caps.free_count || to->task->dead)
        return false;
    x->cap = c;
    return true;
}

static inline void give_cap(struct thread *to, const struct fast_cap *x)
{
    struct cap *c = x->cap;
    if (!c) {
        arch_ipc_set_caps(&to->arch, 0, 0);
        return;
    }
    c = x->move ? cap_move(to->task, c, FUT_RIGHTS_ALL) : cap_put(to->task, c->object, c->rights, c);
    to->ipc->cap_home[0].badge = c->type;
    to->ipc->cap_home[0].perms = c->rights;
    to->ipc->cap_home[0].kind = FUT_CAP_IS_HANDLE;
    arch_ipc_set_caps(&to->arch, c->handle, 0);
}

#define FIRST_PAGE_BODY (FUT_PAGE_SIZE - FUT_IPC_BODY_OFFSET)
static inline void copy_body(struct thread *to, const struct thread *from, uint64_t bytes)
{
    // Bodies are 8-aligned, and what lies behind is the sender's own: whole words are quicker.
    uint64_t first = min((bytes + 7) & ~7ull, (uint64_t)FIRST_PAGE_BODY);
    memcpy(to->ipc->body, from->ipc->body, first);
    if (unlikely(bytes > first))
        memcpy(to->ipc_second, from->ipc_second, bytes - first);
}

static inline struct thread *hand_over(struct thread *to)
{
    ARCH_CPU(current) = to; // its payer stays
    struct space *s = to->space;
    if (s != ARCH_CPU(space)) {
        __builtin_assume(s != nullptr);
        ARCH_CPU(space) = s;
        arch_switch_space(&s->arch);
    }
    return to;
}

// Is somebody ready who is more urgent than this?
static inline bool overtaken(uint8_t priority)
{
    uint64_t ready = ARCH_CPU(ready);
    return unlikely(ready) && 63u - (unsigned)__builtin_clzll(ready) > priority;
}

// The thread that has received the call, now running; *out and *badge are its control and aux registers.
[[gnu::always_inline]] static inline struct thread *fast_call_form(struct thread *t, const uint64_t *control,
                                                                  uint64_t tag, uint64_t *out, uint64_t *badge,
                                                                  bool buffer, uint64_t w0, struct fast_cap *x)
{
    if (arch_trace_site())
        return nullptr;
    struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)(*control >> 32));
    if (unlikely(!c || c->type != FUT_OBJ_SESSION || !(c->rights & FUT_RIGHT_CALL) ||
                 (!buffer && (tag & TAG_SLOW)) || t->attention))
        return nullptr;
    struct session *s = object_of(c->object, struct session);
    struct channel *ch = s->channel;
    struct list *first = ch->receivers.next;
    if (unlikely(first == &ch->receivers)) // somebody waits: so nothing is queued
        return nullptr;
    struct thread *r = container_of(first, struct thread, queue.link);
    if (unlikely(r->attention || overtaken(t->priority)))
        return nullptr;
    if (buffer && unlikely(!buffers_ok(t, r, tag, w0) || !cap_ok(t, r, tag, ch, x)))
        return nullptr;
    // Out of the list; its own links are written before they are read again.
    struct list *second = first->next;
    ch->receivers.next = second;
    second->prev = &ch->receivers;
    s->object.refs++;
    t->session = s;
    t->call_flags = *control >> 8 & 0xff;
    t->state = FUT_THREAD_CALLING;
    t->server = r;
    r->caller = t; // it waits, so its stale_caller is not set
    r->state = FUT_THREAD_RUNNABLE;
    if (t->priority > r->priority)
        r->priority = t->priority; // it runs: in no queue
    ARCH_CPU(calls)++;
    *out = (uint64_t)(c->rights >> 16) << 32 | (uint64_t)FUT_RECV_CALL << 48;
    *badge = s->node.key;
    return hand_over(r);
}

// The caller, answered and now running; its control and aux registers are 0.
[[gnu::always_inline]] static inline struct thread *fast_reply_recv_form(struct thread *t, const uint64_t *control,
                                                                        uint64_t tag, uint64_t aux, bool buffer,
                                                                        uint64_t w0, struct fast_cap *x)
{
    if (arch_trace_site())
        return nullptr;
    struct thread *caller = t->caller;
    struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)(*control >> 32));
    if (unlikely(!c || c->type != FUT_OBJ_CHANNEL || !(c->rights & FUT_RIGHT_RECV) ||
                 (!buffer && (tag & TAG_SLOW)) || (uint32_t)aux || !caller || t->attention))
        return nullptr;
    struct channel *ch = object_of(c->object, struct channel);
    if (unlikely(!list_empty(&ch->queue) || ch->attention || ch->server != t->task ||
                 caller->state != FUT_THREAD_CALLING || caller->attention ||
                 overtaken(caller->priority)))
        return nullptr;
    struct session *s = caller->session;
    if (buffer && unlikely(!buffers_ok(t, caller, tag, w0) || !cap_ok(t, caller, tag, nullptr, x)))
        return nullptr;
    if (unlikely(--s->object.refs == 0)) {
        s->object.refs = 1;
        return nullptr;
    }
    caller->session = nullptr;
    caller->state = FUT_THREAD_RUNNABLE;
    t->caller = nullptr;
    t->priority = t->base_priority;
    t->state = FUT_THREAD_RECEIVING;
    t->channel = ch;
    t->call_flags = *control >> 8 & 0xff;
    list_append(&ch->receivers, &t->queue.link);
    return hand_over(caller);
}

// `control` may lie in the thread's saved registers: what is read from there need not be carried along.
static inline struct thread *fast_call(struct thread *t, const uint64_t *control, uint64_t tag, uint64_t *out,
                                       uint64_t *badge)
{
    return fast_call_form(t, control, tag, out, badge, false, 0, nullptr);
}

static inline struct thread *fast_reply_recv(struct thread *t, const uint64_t *control, uint64_t tag, uint64_t aux)
{
    return fast_reply_recv_form(t, control, tag, aux, false, 0, nullptr);
}
