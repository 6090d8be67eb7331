// SPDX-License-Identifier: MPL-2.0
//
// The event loop of a server, deferred replies and lent memory.
//
// One message is one turn: the reply to the last call and the wait for the next one are a single kernel
// entry. The deadline word of the IPC buffer is written before every wait, because handlers that make
// calls of their own use the same word.
#include <futura/server.h>

#define ALARM_BIT (1ull << 63) // of the server's Event: its alarm is due

static bool finish_error(struct fut_request *request, struct fut_msg *m, fut_status_t error)
{
    if (request->oneway)
        return false;
    uint64_t layer = error > 0 ? FUT_LAYER_PROTOCOL : FUT_LAYER_FRAMEWORK;
    m->tag = FUT_TAG(request->tag >> 32, FUT_TAG_ERROR, 0, 0, 2, request->tag & 0xffff);
    m->w[0] = (uint64_t)(int64_t)error;
    m->w[1] = layer;
    m->w[2] = m->w[3] = m->w[4] = m->w[5] = m->w[6] = m->w[7] = 0;
    m->caps01 = m->caps23 = 0;
    return true;
}

bool fut_serve_error(struct fut_request *request, struct fut_msg *m, fut_status_t error)
{
    if (error == FUT_DEFER) {
        if (request->deferred)
            return false;
        error = FUT_ERR_NO_SLOT; // the handler could not take the Reply and did not notice
    }
    return finish_error(request, m, error);
}

bool fut_serve_invalid(struct fut_request *request, struct fut_msg *m)
{
    return finish_error(request, m, fut_caps_drop(m));
}

bool fut_serve_unknown(struct fut_request *request, struct fut_msg *m)
{
    (void)fut_caps_drop(m);
    return finish_error(request, m, FUT_ERR_UNKNOWN_METHOD);
}

bool fut_serve_facet(struct fut_request *request, struct fut_msg *m)
{
    (void)fut_caps_drop(m);
    return finish_error(request, m, FUT_ERR_FACET);
}

static bool handle_call(struct fut_server *server, struct fut_msg *m, bool oneway)
{
    struct fut_request request = {
        .badge = m->aux,
        .perms = (uint32_t)(m->control >> 32) & 0xffff,
        .oneway = oneway,
        .server = server,
        .tag = m->tag,
    };
    uint32_t protocol = (uint32_t)(m->tag >> 32);
    const struct fut_service *service = server->services;
    const struct fut_service *end = service + server->service_count;
    while (service != end && service->protocol != protocol)
        service++;
    if (service == end) {
        if (server->other == nullptr)
            return fut_serve_unknown(&request, m);
        request.message = m;
        fut_status_t status = server->other(&request);
        return status == FUT_DEFER ? false : finish_error(&request, m, status);
    }
    if (server->lookup != nullptr) {
        request.object = server->lookup(server, request.badge, protocol);
        if (request.object == nullptr) {
            (void)fut_caps_drop(m);
            return finish_error(&request, m, FUT_ERR_PEER_CLOSED);
        }
    }
    request.ops = service->ops;
    return service->dispatch(&request, m);
}

// A reply that the kernel did not take (a capability in it that is not there): the caller gets an error
// in its place, and must not wait for ever.
static void replace_reply(struct fut_msg *m)
{
    struct fut_msg error = {
        .control = FUT_SYS_REPLY,
        .tag = FUT_TAG(m->tag >> 32, FUT_TAG_ERROR, 0, 0, 2, m->tag & 0xffff),
        .w = {(uint64_t)(int64_t)FUT_ERR_STATE, FUT_LAYER_FRAMEWORK},
    };
    fut_ipc(&error);
}

// What came that is no call.
static void run_alarm(struct fut_server *server)
{
    uint64_t now = fut_clock();
    if (server->alarm_at == 0 || now < server->alarm_at)
        return;
    server->alarm_at = 0;
    if (server->alarm != nullptr)
        server->alarm(server, now);
}

static void handle_notice(struct fut_server *server, const struct fut_msg *m)
{
    fut_reply_t reply = {(fut_handle_t)m->w[0]};
    switch (m->control >> 48 & 0xff) {
    case FUT_RECV_EVENT:
        if (m->w[0] & ALARM_BIT) {
            server->alarm_armed = 0;
            run_alarm(server);
        }
        if (server->signals != nullptr && (m->w[0] & ~ALARM_BIT) != 0)
            server->signals(server, m->w[0] & ~ALARM_BIT);
        break;
    case FUT_RECV_NO_SENDERS:
        if (server->no_senders != nullptr)
            server->no_senders(server, m->aux);
        (void)!fut_session_ack(server->channel, m->aux);
        break;
    case FUT_RECV_CANCEL:
        if (server->cancel != nullptr && reply.h != FUT_HANDLE_NONE)
            server->cancel(server, reply);
        break;
    case FUT_RECV_STALE:
        if (reply.h == FUT_HANDLE_NONE)
            break;
        if (server->stale != nullptr)
            server->stale(server, reply);
        else
            (void)fut_cap_delete(reply.h);
        break;
    default: break;
    }
}

// The handles that a reply gives away. If it reaches nobody they are still in this task's table, and nobody
// would ever delete them: a file would stay open for a program that was killed while it opened it.
static unsigned moved_caps(const struct fut_msg *m, fut_handle_t moved[FUT_IPC_MAX_CAPS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < FUT_TAG_CAPS(m->tag); i++) {
        fut_handle_t word = fut_msg_cap(m, i);
        if ((word & FUT_CAP_MODE) == FUT_CAP_MOVE)
            moved[count++] = word & ~FUT_CAP_MODE;
    }
    return count;
}

static void delete_caps(const fut_handle_t *handles, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)fut_cap_delete(handles[i]);
}

// Sends the reply in *m without waiting for the next message.
static void reply_now(struct fut_msg *m)
{
    fut_handle_t moved[FUT_IPC_MAX_CAPS];
    unsigned gives = moved_caps(m, moved);
    uint64_t tag = m->tag;
    m->control = FUT_SYS_REPLY;
    m->aux = 0;
    fut_ipc(m);
    if (fut_msg_status(m) == FUT_OK)
        return;
    m->tag = tag;
    replace_reply(m);
    delete_caps(moved, gives);
}

// `timer` before the next wait; gives the IPC flags of the wait. The work may use the IPC buffer, so a reply that
// waits there is sent first.
static uint64_t run_timer(struct fut_server *server, struct fut_msg *m, bool *send)
{
    if (*send)
        reply_now(m);
    *send = false;
    uint64_t deadline = server->timer(server, fut_clock());
    if (deadline == FUT_FOREVER)
        return 0;
    fut_ipc_buffer()->deadline = deadline;
    return FUT_IPC_DEADLINE << 8;
}

// The alarm is the Event's own timer, so that waiting itself has no deadline and stays on the kernel's fast path.
static void arm(struct fut_server *server)
{
    if (fut_event_timer(server->event, server->alarm_at != 0 ? server->alarm_at : FUT_FOREVER, ALARM_BIT) == FUT_OK)
        server->alarm_armed = server->alarm_at;
}

fut_status_t fut_server_loop(struct fut_server *server)
{
    fut_handle_t moved[FUT_IPC_MAX_CAPS];
    struct fut_msg m = {};
    bool send = false;
    if (server->event == FUT_HANDLE_NONE && server->alarm != nullptr) {
        fut_status_t status = fut_event_create(&server->event);
        if (status != FUT_OK)
            return status;
    }
    if (server->event != FUT_HANDLE_NONE) {
        fut_status_t status = fut_channel_bind(server->channel, server->event);
        if (status != FUT_OK)
            return status;
    }
    for (;;) {
        uint64_t flags = server->timer != nullptr ? run_timer(server, &m, &send) : 0;
        while (server->more_work) { // it may use the IPC buffer, so a reply that waits there is sent first
            if (send)
                reply_now(&m);
            send = server->more_work = false;
            server->work(server);
        }
        if (server->alarm_at != server->alarm_armed)
            arm(server);
        uint64_t op = send ? FUT_SYS_REPLY_RECV : FUT_SYS_RECV;
        uint64_t tag = m.tag;
        unsigned gives = send && FUT_TAG_CAPS(tag) != 0 ? moved_caps(&m, moved) : 0;
        m.control = op | flags | (uint64_t)server->channel << 32;
        m.aux = 0;
        fut_ipc(&m);
        uint64_t kind = m.control >> 48 & 0xff;
        fut_status_t status = fut_msg_status(&m);
        if (status == FUT_OK && (kind == FUT_RECV_CALL || kind == FUT_RECV_SEND)) {
            send = handle_call(server, &m, kind == FUT_RECV_SEND);
            continue;
        }
        if (status == FUT_OK) {
            if (kind == FUT_RECV_STALE && m.w[0] == 0) // the caller of this reply was gone
                delete_caps(moved, gives);
            handle_notice(server, &m);
        } else if (status != FUT_ERR_TIMED_OUT && status != FUT_ERR_INTERRUPTED && status != FUT_ERR_WOULD_BLOCK) {
            if (!send)
                return status;
            m.tag = tag;
            replace_reply(&m);
            delete_caps(moved, gives);
        }
        send = false;
    }
}

void fut_server_run(struct fut_server *server)
{
    (void)fut_server_loop(server);
    for (;;)
        fut_thread_exit();
}

// --- Deferred replies -------------------------------------------------------------------------------------------

fut_reply_t fut_request_defer(struct fut_request *request)
{
    fut_reply_t reply = {};
    if (!request->oneway && fut_reply_save(&reply.h) == FUT_OK)
        request->deferred = true;
    return reply;
}

fut_status_t fut_reply_send(fut_reply_t reply, struct fut_msg *m)
{
    if (reply.h == FUT_HANDLE_NONE)
        return FUT_ERR_HANDLE;
    fut_handle_t moved[FUT_IPC_MAX_CAPS];
    unsigned gives = moved_caps(m, moved);
    m->control = FUT_SYS_REPLY;
    m->aux = reply.h;
    fut_ipc(m);
    fut_status_t status = fut_msg_status(m);
    if (status != FUT_OK)
        delete_caps(moved, gives);
    return status;
}

fut_status_t fut_reply_error(fut_reply_t reply, fut_status_t error)
{
    // The tag of a late error reply names no method: the caller knows what it called.
    struct fut_msg m = {
        .tag = FUT_TAG(0, FUT_TAG_ERROR, 0, 0, 2, 0),
        .w = {(uint64_t)(int64_t)error, error > 0 ? FUT_LAYER_PROTOCOL : FUT_LAYER_FRAMEWORK},
    };
    return fut_reply_send(reply, &m);
}

fut_status_t fut_reply_drop(fut_reply_t reply)
{
    return reply.h == FUT_HANDLE_NONE ? FUT_ERR_HANDLE : fut_cap_delete(reply.h);
}

// --- Lent memory ------------------------------------------------------------------------------------------------

static bool in_lease(const struct fut_lease_arg *lease, size_t offset, size_t bytes)
{
    return offset <= lease->len && bytes <= lease->len - offset;
}

static fut_status_t whole(fut_status_t status, uint64_t done, size_t bytes)
{
    return status == FUT_OK && done != bytes ? FUT_ERR_ADDRESS : status;
}

fut_status_t fut_lease_read_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset, void *to,
                                  size_t bytes)
{
    uint64_t done = 0;
    if (!in_lease(lease, offset, bytes))
        return FUT_ERR_ARGUMENT;
    if (bytes == 0)
        return FUT_OK;
    return whole(fut_lent_read(reply.h, lease->index, offset, to, bytes, &done), done, bytes);
}

fut_status_t fut_lease_write_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset,
                                   const void *from, size_t bytes)
{
    uint64_t done = 0;
    if (!in_lease(lease, offset, bytes))
        return FUT_ERR_ARGUMENT;
    if (bytes == 0)
        return FUT_OK;
    return whole(fut_lent_write(reply.h, lease->index, offset, from, bytes, &done), done, bytes);
}

// The caller that this thread received last has no handle, and needs none.
fut_status_t fut_lease_read(struct fut_request *request, const struct fut_lease_arg *lease, size_t offset, void *to,
                            size_t bytes)
{
    (void)request;
    return fut_lease_read_reply((fut_reply_t){}, lease, offset, to, bytes);
}

fut_status_t fut_lease_write(struct fut_request *request, const struct fut_lease_arg *lease, size_t offset,
                             const void *from, size_t bytes)
{
    (void)request;
    return fut_lease_write_reply((fut_reply_t){}, lease, offset, from, bytes);
}
