// SPDX-License-Identifier: MPL-2.0
//
// Messages: call, send, receive, reply. Everything about a message is checked before anything of it moves:
// a failure leaves sender and receiver as they were.
//
// A waiting sender keeps its message in its saved registers and its IPC buffer until it is received, and a
// caller keeps them until it is answered, which is how lent Memory and lent ranges are found again.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include "fast.h"
#include "fault.h"

struct object stale_reply = {.type = FUT_OBJ_REPLY, .refs = 1, .handles = 1};


static inline uint64_t control_out(fut_status_t status, uint32_t perms, uint32_t kind, uint32_t out)
{
    return (uint32_t)status | (uint64_t)(perms & 0xffff) << 32 | (uint64_t)kind << 48 | (uint64_t)out << 56;
}

void ipc_finish(struct thread *t, fut_status_t status, uint32_t out)
{
    if (status)
        TRACE(FUT_TRACE_ABORT, t, (uint64_t)(int64_t)status, 0);
    arch_ipc_out(&t->arch, control_out(status, 0, FUT_RECV_NOTHING, out), 0, 0);
}

// A message from the kernel itself: up to four words.
static void put_words(struct thread *r, uint64_t w0, uint64_t w1, uint64_t w2, uint64_t w3)
{
    arch_ipc_set_word(&r->arch, 0, w0);
    arch_ipc_set_word(&r->arch, 1, w1);
    arch_ipc_set_word(&r->arch, 2, w2);
    arch_ipc_set_word(&r->arch, 3, w3);
    for (unsigned i = 4; i < FUT_IPC_REG_WORDS; i++)
        arch_ipc_set_word(&r->arch, i, 0);
    arch_ipc_set_caps(&r->arch, 0, 0);
}

static void put_notice(struct thread *r, uint32_t kind, uint64_t badge, uint64_t w0)
{
    put_words(r, w0, 0, 0, 0);
    arch_ipc_out(&r->arch, control_out(FUT_OK, 0, kind, 0), 0, badge);
}

// --- Capabilities in a message ---------------------------------------------------------------------------
static uint32_t cap_word(const struct thread *t, uint64_t tag, unsigned i)
{
    if (FUT_TAG_FLAGS(tag) & FUT_TAG_MEMORY)
        return *(volatile uint32_t *)&t->ipc->cap[i];
    uint64_t pair = i < 2 ? arch_ipc_caps01(&t->arch) : arch_ipc_caps23(&t->arch);
    return (uint32_t)(i & 1 ? pair >> 32 : pair);
}

struct cap_transfer { struct cap *cap; uint32_t mode, rights; };

// Checks form and length of t's outgoing message, and its capabilities. `call`: lending is allowed.
static fut_status_t check_message(struct thread *t, uint64_t tag, bool call, struct cap_transfer *x)
{
    unsigned n = FUT_TAG_CAPS(tag);
    bool memory = FUT_TAG_FLAGS(tag) & FUT_TAG_MEMORY;
    if ((memory || n || FUT_TAG_FLAGS(tag) & FUT_TAG_LEASE) && !t->ipc)
        return FUT_ERR_STATE;
    if (memory && arch_ipc_word(&t->arch, 0) > FUT_IPC_BODY_SIZE)
        return FUT_ERR_ARGUMENT;
    if (!memory && n > FUT_IPC_REG_CAPS)
        return FUT_ERR_ARGUMENT;
    for (unsigned i = 0; i < n; i++) {
        uint32_t word = cap_word(t, tag, i);
        x[i].mode = word & FUT_CAP_MODE;
        x[i].rights = memory ? *(volatile uint32_t *)&t->ipc->cap_rights[i] : 0;
        if (x[i].rights == 0)
            x[i].rights = FUT_RIGHTS_ALL;
        if (x[i].mode == FUT_CAP_MODE || (x[i].mode == FUT_CAP_LEND && !call))
            return FUT_ERR_ARGUMENT;
        uint32_t right = x[i].mode == FUT_CAP_COPY ? FUT_RIGHT_DUP : x[i].mode == FUT_CAP_MOVE ? FUT_RIGHT_MOVE : 0;
        fut_status_t status = cap_get(t->task, word & ~FUT_CAP_MODE, x[i].mode == FUT_CAP_LEND ? FUT_OBJ_MEMORY : FUT_OBJ_NONE,
                                      right, &x[i].cap);
        if (status)
            return status;
        if (x[i].mode == FUT_CAP_MOVE)
            for (unsigned j = 0; j < i; j++)
                if (x[j].cap == x[i].cap && x[j].mode == FUT_CAP_MOVE)
                    return FUT_ERR_ARGUMENT;
        if (x[i].cap->type == FUT_OBJ_REPLY && x[i].cap->object == &t->reply)
            return FUT_ERR_ARGUMENT;
    }
    return FUT_OK;
}

// Copies the message to r. `home`: the Channel it is received from; null for a reply.
// x: what check_message found just now; null: to be checked here.
static fut_status_t transfer(struct thread *from, struct thread *r, uint64_t tag, struct channel *home, bool call,
                             struct cap_transfer *x)
{
    struct cap_transfer own[FUT_IPC_MAX_CAPS];
    fut_status_t status = FUT_OK;
    unsigned n = FUT_TAG_CAPS(tag);
    bool memory = FUT_TAG_FLAGS(tag) & FUT_TAG_MEMORY;
    if (tag & TAG_SLOW) {
        if (!x) {
            x = own;
            status = check_message(from, tag, call, x);
        }
        if (!status && (memory || n) && !r->ipc)
            status = FUT_ERR_STATE;
        if (!status && n)
            status = cap_reserve(r->task, n);
        if (status)
            return status;
    }
    // Nothing fails from here on.
    arch_ipc_copy_words(&r->arch, &from->arch);
    uint32_t handle[FUT_IPC_MAX_CAPS];
    for (unsigned i = 0; i < n; i++) {
        struct cap *c = x[i].cap;
        bool is_home = home && c->type == FUT_OBJ_SESSION && object_of(c->object, struct session)->channel == home;
        handle[i] = 0;
        uint32_t kind = FUT_CAP_IS_HANDLE, perms = c->rights & x[i].rights;
        uint64_t badge = c->type;
        if (is_home) {
            kind = FUT_CAP_IS_HOME;
            badge = object_of(c->object, struct session)->node.key;
            perms = (c->rights & x[i].rights) >> 16;
        } else if (x[i].mode == FUT_CAP_LEND) {
            kind = FUT_CAP_IS_LENT;
        } else if (x[i].mode == FUT_CAP_COPY) {
            handle[i] = cap_put(r->task, c->object, c->rights & x[i].rights, c)->handle;
        } else {
            struct cap *moved = cap_move(r->task, c, x[i].rights);
            handle[i] = moved->handle;
            for (unsigned j = i + 1; j < n; j++) // the same handle copied by a later entry
                if (x[j].cap == c)
                    x[j].cap = moved;
        }
        r->ipc->cap_home[i].badge = badge;
        r->ipc->cap_home[i].perms = perms;
        r->ipc->cap_home[i].kind = kind;
        if (memory)
            r->ipc->cap[i] = handle[i];
    }
    // Sessions that were moved home leave the sender last: their going may queue a notice.
    if (n) {
        for (unsigned i = 0; i < n; i++)
            if (x[i].mode == FUT_CAP_MOVE && handle[i] == 0)
                cap_delete(x[i].cap);
        for (unsigned i = n; !memory && i < FUT_IPC_REG_CAPS; i++)
            handle[i] = 0;
    }
    if (n && !memory)
        arch_ipc_set_caps(&r->arch, handle[0] | (uint64_t)handle[1] << 32, handle[2] | (uint64_t)handle[3] << 32);
    else
        arch_ipc_set_caps(&r->arch, 0, 0);
    if (memory) {
        copy_body(r, from, arch_ipc_word(&from->arch, 0));
    }
    return FUT_OK;
}

// --- Replies ----------------------------------------------------------------------------------------------
static void end_call(struct thread *t) // t is no longer a caller
{
    timer_stop(t);
    list_remove(&t->cancel_link);
    t->cancel_wanted = false;
    t->server = nullptr;
    t->reply_cap = nullptr;
    object_unref(&t->session->object);
    t->session = nullptr;
}

static void restarted(struct thread *t)
{
    if (t->state == FUT_THREAD_FAULTED) {
        // Fault messages are never lost: the next server gets it.
        struct session *s = t->session;
        struct channel *ch = s->channel;
        object_ref(&s->object);
        end_call(t);
        if (ch->dead) {
            object_unref(&s->object);
            fault_answer(t, 1);
            return;
        }
        t->session = s;
        t->queue.kind = QUEUE_FAULT;
        channel_queue(ch, &t->queue);
        return;
    }
    end_call(t);
    ipc_finish(t, FUT_ERR_RESTARTED, FUT_OUT_MAYBE);
    thread_ready(t);
}

void reply_drop_caller(struct thread *server)
{
    struct thread *t = server->caller;
    server->caller = nullptr;
    server->stale_caller = false;
    if (t) {
        thread_inherit(server);
        restarted(t);
    }
}

void reply_no_handles(struct object *o)
{
    struct thread *t = container_of(o, struct thread, reply);
    if (t->reply_cap) {
        t->reply_cap = nullptr;
        restarted(t);
    }
}

void reply_make_stale(struct thread *t)
{
    struct cap *c = t->reply_cap;
    struct channel *ch = t->session->channel;
    if (t->server) {
        t->server->caller = nullptr;
        t->server->stale_caller = true;
        thread_inherit(t->server);
    } else if (c && ch->dead) {
        t->reply_cap = nullptr;
        cap_delete(c);
    } else if (c) {
        t->reply_cap = nullptr;
        object_handle_unref(c->object);
        c->object = &stale_reply;
        c->parent = (struct cap *)ch; // see ipc.h
        c->prev = nullptr;
        c->next = ch->stale;
        if (c->next)
            c->next->prev = c;
        ch->stale = c;
        ch->attention = true;
    }
    end_call(t);
    if (c && !ch->dead)
        channel_wake(ch);
}

void reply_forget_stale(struct cap *c)
{
    struct channel *ch = (struct channel *)c->parent;
    if (c->prev)
        c->prev->next = c->next;
    else
        ch->stale = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

void reply_moved_stale(struct cap *from, struct cap *to)
{
    (void)from;
    if (to->prev)
        to->prev->next = to;
    else
        ((struct channel *)to->parent)->stale = to;
    if (to->next)
        to->next->prev = to;
}

// Whom `h` answers: 0 = the caller received last. FUT_ERR_PEER_CLOSED: that caller went away; the handle is used up.
static fut_status_t find_caller(struct thread *t, fut_handle_t h, struct thread **out)
{
    if (h == 0) {
        *out = t->caller;
        if (t->caller)
            return FUT_OK;
        if (!t->stale_caller)
            return FUT_ERR_STATE;
        t->stale_caller = false;
        return FUT_ERR_PEER_CLOSED;
    }
    struct cap *c;
    fut_status_t status = cap_get(t->task, h, FUT_OBJ_REPLY, 0, &c);
    if (status)
        return status;
    if (c->object == &stale_reply) {
        cap_delete(c);
        return FUT_ERR_PEER_CLOSED;
    }
    *out = container_of(c->object, struct thread, reply);
    return FUT_OK;
}

// Sends t's outgoing message as the answer to `caller`, which becomes ready; or, with `next`, is left for go_on.
static fut_status_t reply_to(struct thread *t, struct thread *caller, struct thread **next)
{
    uint64_t tag = arch_ipc_tag(&t->arch);
    struct cap *c = caller->reply_cap;
    if (caller->state == FUT_THREAD_FAULTED) {
        uint64_t action = arch_ipc_word(&t->arch, 0);
        if (FUT_TAG_FLAGS(tag) & FUT_TAG_ERROR)
            action = 1;
        if (t->caller == caller) {
            t->caller = nullptr;
            thread_inherit(t);
        }
        end_call(caller);
        if (c) {
            object_handle_unref(c->object);
            cap_free_slot(c);
        }
        fault_answer(caller, action);
        return FUT_OK;
    }
    fut_status_t status = transfer(t, caller, tag, nullptr, false, nullptr);
    if (status)
        return status;
    TRACE(FUT_TRACE_REPLY, t, tag, caller->object.id);
    if (t->caller == caller) {
        t->caller = nullptr;
        thread_inherit(t);
    }
    c = caller->reply_cap; // the message may have moved it
    end_call(caller);
    if (c) {
        object_handle_unref(c->object);
        cap_free_slot(c);
    }
    arch_ipc_out(&caller->arch, control_out(FUT_OK, 0, FUT_RECV_NOTHING, 0), tag, 0);
    if (next) {
        caller->state = FUT_THREAD_RUNNABLE;
        *next = caller;
    } else {
        thread_ready(caller);
    }
    return FUT_OK;
}

fut_status_t sys_reply_save(struct thread *t, const uint64_t *, uint64_t *value)
{
    struct thread *caller;
    fut_status_t status = find_caller(t, 0, &caller);
    if (!status)
        status = cap_reserve(t->task, 1);
    if (status)
        return status;
    struct cap *c = cap_put(t->task, &caller->reply, RIGHTS_REPLY, nullptr);
    caller->reply_cap = c;
    caller->server = nullptr;
    t->caller = nullptr;
    thread_inherit(t);
    if (caller->cancel_wanted)
        channel_queue_cancel(caller);
    *value = c->handle;
    return FUT_OK;
}

void channel_queue_cancel(struct thread *t)
{
    t->cancel_wanted = true;
    if (!t->reply_cap || !list_empty(&t->cancel_link))
        return; // told when, and if, its Reply is saved
    struct channel *ch = t->session->channel;
    if (ch->dead)
        return;
    list_append(&ch->cancels, &t->cancel_link);
    ch->attention = true;
    channel_wake(ch);
}

// --- Receiving ----------------------------------------------------------------------------------------------
static void deliver_call(struct thread *t, struct thread *r, uint32_t kind)
{
    struct session *s = t->session;
    uint64_t badge = s->node.key;
    TRACE(FUT_TRACE_RECEIVE, r, kind == QUEUE_FAULT ? FAULT_TAG_THREAD : arch_ipc_tag(&t->arch), t->object.id);
    arch_ipc_out(&r->arch, control_out(FUT_OK, t->perms, kind == QUEUE_SEND ? FUT_RECV_SEND : FUT_RECV_CALL, 0),
                 arch_ipc_tag(&t->arch), badge);
    if (kind == QUEUE_SEND) {
        timer_stop(t);
        object_unref(&s->object);
        t->session = nullptr;
        ipc_finish(t, FUT_OK, 0);
        thread_ready(t);
        return;
    }
    if (t->state == FUT_THREAD_SENDING)
        t->state = FUT_THREAD_CALLING;
    t->server = r;
    t->reply_cap = nullptr;
    r->caller = t;
    r->stale_caller = false;
    thread_inherit(r);
}

// Takes the next thing that is there for r; false: nothing is.
static bool receive(struct channel *ch, struct thread *r)
{
    for (struct cap *c = ch->stale; c; c = c->next)
        if (c->task == r->task) {
            fut_handle_t h = c->handle;
            cap_delete(c);
            put_notice(r, FUT_RECV_STALE, 0, h);
            return true;
        }
    list_each(&ch->cancels, struct thread, cancel_link, i)
        if (i->reply_cap && i->reply_cap->task == r->task) {
            list_remove(&i->cancel_link);
            put_notice(r, FUT_RECV_CANCEL, i->session->node.key, i->reply_cap->handle);
            return true;
        }
    if (ch->event && ch->event->bits) {
        uint64_t bits = ch->event->bits;
        ch->event->bits = 0;
        put_notice(r, FUT_RECV_EVENT, 0, bits);
        return true;
    }
    ch->attention = ch->stale || !list_empty(&ch->cancels);
    while (!list_empty(&ch->queue)) {
        struct queue_node *n = list_first(&ch->queue, struct queue_node, link);
        list_remove(&n->link);
        if (n->kind == QUEUE_NOTICE) {
            struct session *s = container_of(n, struct session, notice);
            s->notice_state = NOTICE_TOLD;
            put_notice(r, FUT_RECV_NO_SENDERS, s->node.key, 0);
            return true;
        }
        struct thread *t = container_of(n, struct thread, queue);
        if (n->kind == QUEUE_PAGER) {
            put_words(r, t->fault_offset, FUT_PAGE_SIZE, t->fault_access, 0);
            arch_ipc_out(&r->arch, control_out(FUT_OK, 0xffff, FUT_RECV_SEND, 0), FAULT_TAG_PAGE, t->fault_memory->pager_badge);
            list_append(&ch->faulting, &t->channel_fault_link);
            channel_left(ch, t->priority);
            return true;
        }
        if (n->kind == QUEUE_FAULT) {
            put_words(r, t->object.id, t->fault_code, t->fault_address, arch_pc(&t->arch));
            deliver_call(t, r, n->kind);
            arch_ipc_out(&r->arch, control_out(FUT_OK, t->fault_perms, FUT_RECV_CALL, 0), FAULT_TAG_THREAD, t->session->node.key);
            channel_left(ch, t->priority);
            return true;
        }
        fut_status_t status = transfer(t, r, arch_ipc_tag(&t->arch), ch, n->kind == QUEUE_CALL, nullptr);
        if (status) {
            channel_left(ch, t->priority);
            thread_abort(t, status); // its capabilities changed while it waited
            continue;
        }
        deliver_call(t, r, n->kind);
        channel_left(ch, t->priority);
        return true;
    }
    return false;
}

static void end_receive(struct thread *r)
{
    timer_stop(r);
    list_remove(&r->queue.link);
}

void channel_wake(struct channel *ch)
{
    // Delivering a message can queue another one here (a Session that was moved home was the last): that must
    // not reach the receiver that is being served.
    if (ch->waking)
        return;
    ch->waking = true;
    for (bool progress = true; progress;) {
        progress = false;
        // Each receiver may take something; one for which nothing is there stays.
        list_each_safe(&ch->receivers, struct thread, queue.link, r) {
            if (!receive(ch, r))
                continue;
            end_receive(r);
            thread_ready(r);
            progress = true;
        }
    }
    ch->waking = false;
}

void channel_queue(struct channel *ch, struct queue_node *n)
{
    list_append(&ch->queue, &n->link);
    channel_wake(ch);
    struct thread *t = n->kind == QUEUE_NOTICE ? nullptr : container_of(n, struct thread, queue);
    if (t && thread_queued_in(t))
        channel_joined(ch, t);
}

// Another task receives than before: what the old one was told and did not finish is told again.
static void new_server(struct channel *ch, struct thread *r)
{
    struct task *before = ch->server;
    channel_no_receiver(ch);
    ch->server = r->task;
    object_ref(&r->task->object);
    if (!before)
        return;
    object_unref(&before->object);
    for (struct tree_node *i = tree_first(&ch->sessions); i; i = tree_next(i)) {
        struct session *s = container_of(i, struct session, node);
        if (s->notice_state == NOTICE_TOLD) {
            s->notice_state = NOTICE_QUEUED;
            list_append(&ch->queue, &s->notice.link);
        }
    }
    while (!list_empty(&ch->faulting)) {
        struct thread *t = list_first(&ch->faulting, struct thread, channel_fault_link);
        list_remove(&t->channel_fault_link);
        list_append(&ch->queue, &t->queue.link);
        ch->top = max(ch->top, t->priority);
    }
}

static fut_status_t deadline_of(struct thread *t, uint32_t flags, uint64_t *deadline)
{
    *deadline = FUT_FOREVER;
    if (!(flags & FUT_IPC_DEADLINE))
        return FUT_OK;
    if (!t->ipc)
        return FUT_ERR_STATE;
    *deadline = *(volatile uint64_t *)&t->ipc->deadline;
    return FUT_OK;
}

static void do_receive(struct thread *t, struct channel *ch, uint32_t flags)
{
    uint64_t deadline;
    fut_status_t status = deadline_of(t, flags, &deadline);
    if (!status && ch->dead)
        status = FUT_ERR_PEER_CLOSED;
    if (!status && (flags & FUT_IPC_INTERRUPTIBLE) && t->pending)
        status = FUT_ERR_INTERRUPTED;
    if (status) {
        ipc_finish(t, status, 0);
        return;
    }
    if (unlikely(ch->server != t->task))
        new_server(ch, t);
    t->channel = ch;
    if (unlikely(ch->top || t->lent))
        channel_new_receiver(ch);
    if (receive(ch, t)) {
        if (unlikely(!list_empty(&ch->receivers)))
            channel_wake(ch); // a new server found more than one thing
        return;
    }
    if (flags & FUT_IPC_NONBLOCK) {
        ipc_finish(t, FUT_ERR_WOULD_BLOCK, 0);
        return;
    }
    if (deadline != FUT_FOREVER && deadline <= arch_time_ns()) {
        ipc_finish(t, FUT_ERR_TIMED_OUT, 0);
        return;
    }
    t->state = FUT_THREAD_RECEIVING;
    t->call_flags = flags;
    list_append(&ch->receivers, &t->queue.link);
    timer_start(t, deadline);
}

// --- The five operations ---------------------------------------------------------------------------------
// How an operation ends that made `next` runnable (null: nobody): where t waits now and nobody more urgent is ready,
// next runs at once, without a turn in the run queue.
static struct thread *go_on(struct thread *t, struct thread *next)
{
    struct cpu *cpu = arch_cpu();
    if (!next)
        return leave();
    if (likely(t->state != FUT_THREAD_RUNNABLE && cpu->current == t && !next->attention &&
               !object_reap_pending() && (cpu->ready >> next->priority) <= 1)) {
        TRACE(FUT_TRACE_SWITCH, next, next->task->object.id, arch_pc(&next->arch));
        return hand_over(next);
    }
    thread_ready(next);
    return leave();
}

static void do_call(struct thread *t, fut_handle_t h, uint32_t flags, bool call, struct thread **next)
{
    struct cap *c;
    struct cap_transfer x[FUT_IPC_MAX_CAPS];
    uint64_t tag = arch_ipc_tag(&t->arch), deadline = FUT_FOREVER;
    fut_status_t status = cap_get(t->task, h, FUT_OBJ_SESSION, FUT_RIGHT_CALL, &c);
    if (!status)
        status = deadline_of(t, flags, &deadline);
    if (!status && (flags & FUT_IPC_INTERRUPTIBLE) && t->pending)
        status = FUT_ERR_INTERRUPTED;
    if (!status && (tag & TAG_SLOW))
        status = check_message(t, tag, call, x);
    if (status) {
        ipc_finish(t, status, 0);
        return;
    }
    struct session *s = object_of(c->object, struct session);
    struct channel *ch = s->channel;
    if (ch->dead) {
        ipc_finish(t, FUT_ERR_PEER_CLOSED, 0);
        return;
    }
    if (deadline != FUT_FOREVER && deadline <= arch_time_ns()) {
        ipc_finish(t, FUT_ERR_TIMED_OUT, 0);
        return;
    }
    TRACE(call ? FUT_TRACE_CALL : FUT_TRACE_SEND, t, tag, ch->object.id);
    t->call_flags = flags;
    t->perms = c->rights >> 16;
    if (!list_empty(&ch->receivers) && list_empty(&ch->queue)) {
        struct thread *r = list_first(&ch->receivers, struct thread, queue.link);
        ch->waking = true; // see channel_wake
        status = transfer(t, r, tag, ch, call, x);
        ch->waking = false;
        if (status) {
            ipc_finish(t, status, 0);
            return;
        }
        end_receive(r);
        t->session = s;
        object_ref(&s->object);
        t->state = call ? FUT_THREAD_CALLING : FUT_THREAD_SENDING;
        if (call)
            timer_start(t, deadline);
        deliver_call(t, r, call ? QUEUE_CALL : QUEUE_SEND);
        r->state = FUT_THREAD_RUNNABLE;
        *next = r;
        if (unlikely(!list_empty(&ch->queue)))
            channel_wake(ch);
        return;
    }
    if (flags & FUT_IPC_NONBLOCK) {
        ipc_finish(t, FUT_ERR_WOULD_BLOCK, 0);
        return;
    }
    t->session = s;
    object_ref(&s->object);
    t->state = FUT_THREAD_SENDING;
    t->queue.kind = call ? QUEUE_CALL : QUEUE_SEND;
    timer_start(t, deadline);
    list_append(&ch->queue, &t->queue.link);
    channel_joined(ch, t);
}

fut_status_t ipc_send_fault(struct thread *t)
{
    struct session *s = t->fault_session;
    if (s->channel->dead)
        return FUT_ERR_PEER_CLOSED;
    t->state = FUT_THREAD_FAULTED;
    t->session = s;
    object_ref(&s->object);
    t->queue.kind = QUEUE_FAULT;
    channel_queue(s->channel, &t->queue);
    return FUT_OK;
}

struct thread *ipc_entry(struct thread *t, uint64_t control)
{
    uint32_t op = control & 0xff, flags = control >> 8 & 0xff;
    fut_handle_t h = (fut_handle_t)(control >> 32);
    if (flags & ~(FUT_IPC_NONBLOCK | FUT_IPC_DEADLINE | FUT_IPC_INTERRUPTIBLE)) {
        ipc_finish(t, FUT_ERR_ARGUMENT, 0);
        return leave();
    }
    if (op == FUT_SYS_CALL || op == FUT_SYS_SEND) {
        arch_cpu()->calls++;
        struct thread *next = nullptr;
        do_call(t, h, flags, op == FUT_SYS_CALL, &next);
        return go_on(t, next);
    }
    struct channel *ch = nullptr;
    struct thread *next = nullptr;
    if (op != FUT_SYS_REPLY) {
        struct cap *c;
        fut_status_t status = cap_get(t->task, h, FUT_OBJ_CHANNEL, FUT_RIGHT_RECV, &c);
        if (status) {
            ipc_finish(t, status, 0);
            return leave();
        }
        ch = object_of(c->object, struct channel);
    }
    if (op != FUT_SYS_RECV) {
        fut_handle_t reply = (fut_handle_t)arch_ipc_aux(&t->arch);
        struct thread *caller;
        fut_status_t status = find_caller(t, reply, &caller);
        if (!status)
            status = reply_to(t, caller, op == FUT_SYS_REPLY_RECV ? &next : nullptr);
        if (status == FUT_ERR_PEER_CLOSED && op == FUT_SYS_REPLY_RECV) {
            // The answer reached nobody; the server learns it as what it receives.
            put_notice(t, FUT_RECV_STALE, 0, reply);
            return leave();
        }
        if (status || op == FUT_SYS_REPLY) {
            ipc_finish(t, status, 0);
            return leave();
        }
        if (unlikely(t->state == FUT_THREAD_DEAD))
            return leave(); // it answered its own task's fault
    }
    reply_drop_caller(t);
    do_receive(t, ch, flags);
    return go_on(t, next);
}

// --- The fast path (fast.h), with the message in the saved registers -----------------------------------------------

struct thread *ipc_fast_call(struct thread *t, uint64_t control)
{
    uint64_t tag = arch_ipc_tag(&t->arch), out, badge;
    struct fast_cap x;
    struct thread *r = fast_call_form(t, &control, tag, &out, &badge, true, arch_ipc_word(&t->arch, 0), &x);
    if (unlikely(!r))
        return ipc_entry(t, control);
    if (tag & FUT_TAG_MEMORY << 28)
        copy_body(r, t, arch_ipc_word(&t->arch, 0));
    arch_ipc_copy_words(&r->arch, &t->arch);
    give_cap(r, &x);
    arch_ipc_out(&r->arch, out, tag, badge);
    return r;
}

struct thread *ipc_fast_reply_recv(struct thread *t, uint64_t control)
{
    uint64_t tag = arch_ipc_tag(&t->arch);
    struct fast_cap x;
    struct thread *caller = fast_reply_recv_form(t, &control, tag, arch_ipc_aux(&t->arch), true,
                                                 arch_ipc_word(&t->arch, 0), &x);
    if (unlikely(!caller))
        return ipc_entry(t, control);
    if (tag & FUT_TAG_MEMORY << 28)
        copy_body(caller, t, arch_ipc_word(&t->arch, 0));
    arch_ipc_copy_words(&caller->arch, &t->arch);
    give_cap(caller, &x);
    arch_ipc_out(&caller->arch, 0, tag, 0);
    return caller;
}
