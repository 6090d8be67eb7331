// SPDX-License-Identifier: MPL-2.0
//
// Channels and Sessions: birth, enumeration, the last handle, the last reference.
//
// A Channel is dead when its last handle is gone: whoever waits on it is told, and its Sessions stay as
// empty names. A Session whose last handle is gone queues its notice behind its own calls and stays in the
// Channel's tree until the server acknowledges.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>

fut_status_t sys_channel_create(struct thread *t, const uint64_t *, uint64_t *value)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_CHANNEL, t->task->object.account, &o);
    if (status)
        return status;
    struct channel *ch = object_of(o, struct channel);
    list_init(&ch->receivers);
    list_init(&ch->queue);
    list_init(&ch->cancels);
    list_init(&ch->faulting);
    list_init(&ch->watches);
    fut_handle_t h = 0;
    status = cap_install(t->task, o, RIGHTS_CHANNEL, &h);
    *value = h;
    return status;
}

static void session_forget(struct session *s)
{
    list_remove(&s->notice.link);
    tree_remove(&s->channel->sessions, &s->node);
    object_unref(&s->object);
}

static void close_channel(struct channel *ch)
{
    ch->dead = ch->attention = true;
    while (!list_empty(&ch->receivers))
        thread_abort(list_first(&ch->receivers, struct thread, queue.link), FUT_ERR_PEER_CLOSED);
    while (!list_empty(&ch->queue)) {
        struct queue_node *n = list_first(&ch->queue, struct queue_node, link);
        struct thread *t = container_of(n, struct thread, queue);
        switch (n->kind) {
        case QUEUE_NOTICE:
            list_remove(&n->link);
            break;
        case QUEUE_PAGER: // it asks again and finds no pager
            thread_unwait(t);
            thread_ready(t);
            break;
        case QUEUE_FAULT:
            thread_unwait(t);
            fault_answer(t, 1);
            break;
        default:
            thread_abort(t, FUT_ERR_PEER_CLOSED);
            break;
        }
    }
    while (!list_empty(&ch->faulting)) {
        struct memory *m = list_first(&ch->faulting, struct thread, channel_fault_link)->fault_memory;
        memory_wake_faulters(m, 0, m->bytes);
    }
    while (ch->stale)
        cap_delete(ch->stale);
    while (!list_empty(&ch->cancels))
        list_remove(ch->cancels.next);
    struct tree_node *n;
    while ((n = tree_first(&ch->sessions)))
        session_forget(container_of(n, struct session, node));
    if (ch->event) {
        ch->event->channel = nullptr;
        object_unref(&ch->event->object);
        ch->event = nullptr;
    }
    watches_signal(&ch->watches);
    channel_no_receiver(ch);
    if (ch->server)
        object_unref(&ch->server->object);
    ch->server = nullptr;
}

void channel_no_handles(struct object *o)
{
    object_ref(o);
    close_channel(object_of(o, struct channel));
    object_unref(o);
}

void channel_free(struct object *o)
{
    struct channel *ch = object_of(o, struct channel);
    if (!ch->dead) // never named by a capability
        close_channel(ch);
    kassert(!ch->sessions.root && list_empty(&ch->receivers) && list_empty(&ch->queue));
}

void session_no_handles(struct object *o)
{
    struct session *s = object_of(o, struct session);
    if (s->channel->dead || s->notice_state != NOTICE_NONE)
        return;
    s->notice_state = NOTICE_QUEUED;
    channel_queue(s->channel, &s->notice);
}

void session_free(struct object *o)
{
    object_unref(&object_of(o, struct session)->channel->object);
}

static fut_status_t get_channel(struct thread *t, uint64_t h, uint32_t rights, struct cap **c, struct channel **out)
{
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_CHANNEL, rights, c);
    if (!status)
        *out = object_of((*c)->object, struct channel);
    return status;
}

fut_status_t sys_session_mint(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    struct channel *ch;
    fut_status_t status = get_channel(t, a[0], FUT_RIGHT_MINT, &c, &ch);
    if (!status && a[2] > 0xffff)
        status = FUT_ERR_ARGUMENT;
    if (!status)
        status = cap_reserve(t->task, 1);
    if (status)
        return status;
    // Minted in answer to a call, it is the caller's to pay.
    struct account *payer = t->caller ? t->caller->task->object.account : t->task->object.account;
    struct object *o;
    status = object_new(FUT_OBJ_SESSION, payer, &o);
    if (status)
        return status;
    struct session *s = object_of(o, struct session);
    s->channel = ch;
    object_ref(&ch->object);
    s->node.key = a[1];
    s->notice.kind = QUEUE_NOTICE;
    list_init(&s->notice.link);
    tree_insert(&ch->sessions, &s->node); // the creator's reference becomes the tree's
    *value = cap_put(t->task, o, RIGHTS_SESSION | (uint32_t)a[2] << 16, c)->handle;
    return FUT_OK;
}

fut_status_t sys_session_ack(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    struct channel *ch;
    fut_status_t status = get_channel(t, a[0], FUT_RIGHT_RECV, &c, &ch);
    if (status)
        return status;
    for (struct tree_node *n = tree_ceiling(&ch->sessions, a[1]); n && n->key == a[1]; n = tree_next(n)) {
        struct session *s = container_of(n, struct session, node);
        if (s->notice_state != NOTICE_TOLD)
            continue;
        session_forget(s);
        return FUT_OK;
    }
    return FUT_ERR_NOT_FOUND;
}

fut_status_t sys_channel_next(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    struct channel *ch;
    fut_status_t status = get_channel(t, a[0], FUT_RIGHT_RECV, &c, &ch);
    if (status)
        return status;
    struct tree_node *n = a[1] == UINT64_MAX ? nullptr : tree_ceiling(&ch->sessions, a[1] + 1);
    if (!n)
        return FUT_ERR_NOT_FOUND;
    *value = n->key;
    return FUT_OK;
}

fut_status_t sys_channel_bind(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c, *e;
    struct channel *ch;
    struct event *event = nullptr;
    fut_status_t status = get_channel(t, a[0], FUT_RIGHT_RECV, &c, &ch);
    if (!status && a[1]) {
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_EVENT, FUT_RIGHT_READ, &e);
        if (!status)
            event = object_of(e->object, struct event);
    }
    if (status)
        return status;
    if (event && event->channel && event->channel != ch)
        return FUT_ERR_EXISTS;
    if (event)
        object_ref(&event->object);
    if (ch->event) {
        ch->event->channel = nullptr;
        object_unref(&ch->event->object);
    }
    ch->event = event;
    if (event) {
        event->channel = ch;
        if (event->bits) {
            ch->attention = true;
            channel_wake(ch);
        }
    }
    return FUT_OK;
}

fut_status_t sys_session_watch(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c, *e;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_SESSION, 0, &c);
    if (!status)
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_EVENT, FUT_RIGHT_WRITE, &e);
    if (status)
        return status;
    struct channel *ch = object_of(c->object, struct session)->channel;
    struct event *event = object_of(e->object, struct event);
    if (ch->dead) {
        event_signal(event, a[2]);
        return FUT_OK;
    }
    return watch_add(&ch->watches, event, a[2], t->task->object.account);
}

// --- Memory lent for the time of a call -----------------------------------------------------------------------
// The caller is blocked, so its registers and its IPC buffer hold the message; what the buffer says may be
// changed by another thread of that task, which only changes what that task lends.
#define LENT_RUN 16u
static fut_status_t lent_io(struct thread *t, const uint64_t *a, uint64_t *value, bool write)
{
    struct thread *caller;
    if (a[0]) {
        struct cap *c;
        fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_REPLY, 0, &c);
        if (status)
            return status;
        if (c->object == &stale_reply)
            return FUT_ERR_PEER_CLOSED;
        caller = container_of(c->object, struct thread, reply);
    } else {
        caller = t->caller;
        if (!caller)
            return t->stale_caller ? FUT_ERR_PEER_CLOSED : FUT_ERR_STATE;
    }
    if (caller->state != FUT_THREAD_CALLING)
        return FUT_ERR_STATE;
    uint64_t tag = arch_ipc_tag(&caller->arch), index = a[1], offset = a[2], n = a[4];
    struct memory *memory = nullptr;
    uint64_t base = 0, bytes;
    if (index >= FUT_LENT_RANGE) {
        index -= FUT_LENT_RANGE;
        if (index >= FUT_LEASES || !(FUT_TAG_FLAGS(tag) & FUT_TAG_LEASE) || !caller->ipc)
            return FUT_ERR_ARGUMENT;
        volatile struct fut_lease *lease = &caller->ipc->lease[index];
        base = lease->address;
        bytes = lease->bytes;
        if (!(lease->rights & (write ? FUT_RIGHT_WRITE : FUT_RIGHT_READ)))
            return FUT_ERR_RIGHTS;
        if (base >= FUT_USER_TOP || bytes > FUT_USER_TOP - base)
            return FUT_ERR_ADDRESS;
    } else {
        bool in_buffer = FUT_TAG_FLAGS(tag) & FUT_TAG_MEMORY;
        if (index >= FUT_TAG_CAPS(tag) || (!in_buffer && index >= FUT_IPC_REG_CAPS))
            return FUT_ERR_ARGUMENT;
        uint64_t pair = index < 2 ? arch_ipc_caps01(&caller->arch) : arch_ipc_caps23(&caller->arch);
        uint32_t word = in_buffer ? *(volatile uint32_t *)&caller->ipc->cap[index] : (uint32_t)(index & 1 ? pair >> 32 : pair);
        if ((word & FUT_CAP_MODE) != FUT_CAP_LEND)
            return FUT_ERR_ARGUMENT;
        struct cap *c;
        fut_status_t status = cap_get(caller->task, word & ~FUT_CAP_MODE, FUT_OBJ_MEMORY, write ? FUT_RIGHT_WRITE : FUT_RIGHT_READ, &c);
        if (status)
            return status;
        memory = object_of(c->object, struct memory);
        if (memory->cache != ARCH_CACHE_NORMAL)
            return FUT_ERR_UNSUPPORTED;
        bytes = memory->bytes;
    }
    if (offset >= bytes) {
        *value = 0;
        return FUT_OK;
    }
    n = min(n, bytes - offset);
    uint64_t done = 0;
    phys_t run[LENT_RUN];
    unsigned have = 0, next = 0; // pages of the page table that lie ahead
    while (done < n) {
        uint64_t at = base + offset + done, wait_offset = 0;
        phys_t phys;
        struct memory *wait = memory;
        if (next == have && !memory) {
            uint64_t pages_left = (((at & (FUT_PAGE_SIZE - 1)) + n - done) + FUT_PAGE_SIZE - 1) >> FUT_PAGE_SHIFT;
            have = arch_lookup_run(&caller->space->arch, at, (unsigned)min(pages_left, (uint64_t)LENT_RUN),
                                   write ? FUT_PROT_WRITE : FUT_PROT_READ, run);
            next = 0;
        }
        bool present = next < have;
        if (present)
            phys = run[next++];
        fut_status_t status = present ? FUT_OK : memory
            ? memory_get(memory, at, write, &phys)
            : at < FUT_USER_BASE ? FUT_ERR_ADDRESS
                                 : space_resolve(caller->space, at, write ? ACCESS_WRITE : ACCESS_READ, &phys, &wait, &wait_offset);
        // A pager is not waited for in somebody else's name.
        if (!status && !memory && !present) {
            struct mapping *m = space_find(caller->space, at);
            if (m->memory && m->memory->cache != ARCH_CACHE_NORMAL)
                status = FUT_ERR_ADDRESS;
        }
        if (status)
            return status == FUT_ERR_NO_MEMORY ? status : FUT_ERR_ADDRESS;
        uint64_t in_page = at & (FUT_PAGE_SIZE - 1);
        uint64_t part = min(n - done, FUT_PAGE_SIZE - in_page);
        char *p = (char *)phys_to_virt(phys) + in_page;
        status = write ? user_read(t, p, a[3] + done, part) : user_write(t, a[3] + done, p, part);
        if (status)
            return status;
        done += part;
    }
    *value = done;
    return FUT_OK;
}

fut_status_t sys_lent_read(struct thread *t, const uint64_t *a, uint64_t *value) { return lent_io(t, a, value, false); }
fut_status_t sys_lent_write(struct thread *t, const uint64_t *a, uint64_t *value) { return lent_io(t, a, value, true); }
