// SPDX-License-Identifier: MPL-2.0
//
// The server loop: one wait for calls, signals, notices and time; a call and its reply cost two kernel
// entries in all, because the reply and the next wait are one.
#include "message.h"
#include <futura/server.h>

static void take_request(struct fut_server *server, const struct fut_msg *m, struct fut_request *request)
{
    request->server = server;
    request->badge = m->aux;
    request->perms = (uint16_t)(m->control >> 32);
    request->protocol = (uint32_t)(m->tag >> 32);
    request->ordinal = (uint16_t)m->tag;
    request->oneway = (uint8_t)(m->control >> 48) == FUT_RECV_SEND;
    request->memory = message_in_memory(m);
    request->length = message_length(m);
    request->caps = message_cap_count(m);
    request->caps_taken = request->deferred = false;
    memcpy(request->words, m->w, sizeof m->w);
    for (unsigned i = 0; i < request->caps; i++) {
        const struct fut_ipc_buffer *ipc = fut_ipc_buffer();
        struct fut_cap_arg *cap = &request->cap[i];
        *cap = (struct fut_cap_arg){.h = message_cap(m, i, request->memory)};
        if (ipc->cap_home[i].kind == FUT_CAP_IS_HOME)
            *cap = (struct fut_cap_arg){.home = true, .badge = ipc->cap_home[i].badge, .perms = ipc->cap_home[i].perms};
    }
    request->answer.caps = 0;
    request->answer.memory = false;
    request->answer.length = 0;
    memset(request->answer.words, 0, sizeof request->answer.words);
}

static void put_answer(struct fut_msg *m, const struct fut_answer *answer)
{
    unsigned words = answer->memory ? 1 : (unsigned)((answer->length + 7) / 8);
    m->tag = FUT_TAG(answer->protocol, answer->memory ? FUT_TAG_MEMORY : 0, 0, answer->caps, words, answer->tag_ordinal);
    memcpy(m->w, answer->words, sizeof m->w);
    if (answer->memory)
        m->w[0] = answer->length;
    message_put_caps(m, answer->cap, answer->caps, answer->memory);
}

static void put_error(struct fut_msg *m, uint32_t protocol, uint16_t ordinal, fut_status_t status)
{
    m->tag = FUT_TAG(protocol, FUT_TAG_ERROR, 0, 0, 1, ordinal);
    memset(m->w, 0, sizeof m->w);
    m->w[0] = (uint64_t)(int64_t)status;
    m->caps01 = m->caps23 = 0;
}

static const struct fut_service *service_of(const struct fut_server *server, uint32_t protocol)
{
    for (size_t i = 0; i < server->service_count; i++)
        if (server->services[i].protocol == protocol)
            return &server->services[i];
    return nullptr;
}

static fut_status_t dispatch(struct fut_server *server, struct fut_request *request)
{
    const struct fut_service *service = service_of(server, request->protocol);
    if (service == nullptr)
        return server->other != nullptr ? server->other(request) : FUT_ERR_UNKNOWN_METHOD;
    if (server->lookup != nullptr) {
        request->object = server->lookup(server, request->badge, request->protocol);
        if (request->object == nullptr)
            return FUT_ERR_PEER_CLOSED;
    }
    return service->dispatch(request, service->ops);
}

static void drop_caps(struct fut_request *request)
{
    for (unsigned i = 0; i < request->caps; i++)
        if (request->cap[i].h != FUT_HANDLE_NONE)
            fut_cap_delete(request->cap[i].h);
}

// Handles a call or one-way message; true when *m holds the reply.
static bool serve(struct fut_server *server, struct fut_msg *m, struct fut_request *request)
{
    take_request(server, m, request);
    fut_status_t status = dispatch(server, request);
    if (!request->caps_taken)
        drop_caps(request);
    if (request->oneway || status == FUT_DEFER)
        return false;
    if (status == FUT_OK)
        put_answer(m, &request->answer);
    else
        put_error(m, request->protocol, request->ordinal, status);
    return true;
}

static void notice(struct fut_server *server, const struct fut_msg *m)
{
    fut_reply_t reply = {(fut_handle_t)m->w[0]};
    switch ((uint8_t)(m->control >> 48)) {
    case FUT_RECV_EVENT:
        if (server->signals != nullptr)
            server->signals(server, m->w[0]);
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
        if (server->stale != nullptr && reply.h != FUT_HANDLE_NONE)
            server->stale(server, reply);
        break;
    default:
        break;
    }
}

#define CALLS_PER_CLOCK 64

static void run_alarm(struct fut_server *server)
{
    uint64_t now = fut_clock();
    if (server->alarm_at == 0 || now < server->alarm_at)
        return;
    server->alarm_at = 0;
    if (server->alarm != nullptr)
        server->alarm(server, now);
}

void fut_server_run(struct fut_server *server)
{
    static struct fut_request request; // one loop per task; large
    struct fut_msg m = {};
    uint64_t op = FUT_SYS_RECV;
    unsigned since_clock = 0;
    if (server->event != FUT_HANDLE_NONE)
        (void)!fut_channel_bind(server->channel, server->event);
    for (;;) {
        uint64_t flags = 0;
        if (server->timer != nullptr) {
            // The timer may make calls of its own, which overwrite a reply that stands in the IPC buffer.
            if (op == FUT_SYS_REPLY_RECV) {
                m.control = FUT_SYS_REPLY;
                m.aux = 0;
                fut_ipc(&m);
                op = FUT_SYS_RECV;
            }
            uint64_t next = server->timer(server, fut_clock());
            if (next != FUT_FOREVER) {
                fut_ipc_buffer()->deadline = next;
                flags = FUT_IPC_DEADLINE;
            }
        }
        // A server that always has a call to serve never sees the deadline: now and then it looks.
        if (server->alarm_at != 0 && op == FUT_SYS_RECV && ++since_clock >= CALLS_PER_CLOCK) {
            since_clock = 0;
            run_alarm(server);
        }
        if (server->alarm_at != 0) {
            fut_ipc_buffer()->deadline = server->alarm_at;
            flags = FUT_IPC_DEADLINE;
        }
        if (op == FUT_SYS_RECV)
            m = (struct fut_msg){};
        m.control = op | flags << 8 | (uint64_t)server->channel << 32;
        m.aux = 0;
        fut_ipc(&m);
        op = FUT_SYS_RECV;
        if ((fut_status_t)m.control != FUT_OK) { // the deadline
            run_alarm(server);
            continue;
        }
        uint8_t kind = (uint8_t)(m.control >> 48);
        if (kind != FUT_RECV_CALL && kind != FUT_RECV_SEND)
            notice(server, &m);
        else if (serve(server, &m, &request))
            op = FUT_SYS_REPLY_RECV;
        // Where every call is answered at once there is no other moment: the answer goes first.
        if (server->alarm_at != 0 && op == FUT_SYS_REPLY_RECV && ++since_clock >= CALLS_PER_CLOCK) {
            m.control = FUT_SYS_REPLY;
            m.aux = 0;
            fut_ipc(&m);
            op = FUT_SYS_RECV;
        }
    }
}

fut_reply_t fut_request_defer(struct fut_request *request)
{
    fut_reply_t reply = {};
    if (fut_reply_save(&reply.h) == FUT_OK)
        request->deferred = true;
    return reply;
}

fut_status_t fut_answer_send(fut_reply_t reply, struct fut_answer *answer)
{
    struct fut_msg m = {};
    put_answer(&m, answer);
    m.control = FUT_SYS_REPLY;
    m.aux = reply.h;
    fut_ipc(&m);
    return (fut_status_t)m.control;
}

fut_status_t fut_reply_error(fut_reply_t reply, fut_status_t status)
{
    struct fut_msg m = {};
    put_error(&m, 0, 0, status);
    m.control = FUT_SYS_REPLY;
    m.aux = reply.h;
    fut_ipc(&m);
    return (fut_status_t)m.control;
}

static fut_status_t whole(fut_status_t status, uint64_t done, size_t bytes)
{
    return status == FUT_OK && done != bytes ? FUT_ERR_ADDRESS : status;
}

fut_status_t fut_lease_read_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset, void *to,
                                  size_t bytes)
{
    uint64_t done = 0;
    fut_status_t status = fut_lent_read(reply.h, FUT_LENT_RANGE + lease->index, offset, to, bytes, &done);
    return whole(status, done, bytes);
}

fut_status_t fut_lease_write_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset,
                                   const void *from, size_t bytes)
{
    uint64_t done = 0;
    fut_status_t status = fut_lent_write(reply.h, FUT_LENT_RANGE + lease->index, offset, from, bytes, &done);
    return whole(status, done, bytes);
}

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
