// SPDX-License-Identifier: MPL-2.0
//
// What local sockets send and receive. Streams: bytes through their pipes, with marks where Sessions travel along.
// Others: packets in the receiver's queue, whole.
#include "local.h"

// Where the bytes of a call are: in the message, or lent.
struct bytes {
    struct fut_request *req;
    const void *data;
    struct fut_lease_arg *lease;
    uint64_t len;
};

void local_drop_packets(struct local *s)
{
    while (s->first != nullptr) {
        struct packet *p = s->first;
        s->first = p->next;
        if (s->first == nullptr)
            s->last = &s->first;
        s->packets--;
        s->packet_bytes -= p->size;
        rights_drop(p->rights);
        heap_free(p);
    }
}

// --- Sending -------------------------------------------------------------------------------------------

// On success the list is the queue's.
static fut_status_t send_packet(struct local *s, struct local *to, const struct bytes *b, struct rights *list)
{
    if (b->len > PACKET_MAX)
        return IO_ERROR_MESSAGE_SIZE;
    if (to->no_receive)
        return IO_ERROR_BROKEN_PIPE;
    if (to->packets >= PACKETS_MAX || to->packet_bytes + b->len > PACKET_BYTES_MAX + PACKET_MAX ||
        to->packet_bytes >= PACKET_BYTES_MAX)
        return IO_ERROR_TRY_AGAIN;
    struct packet *p = heap_alloc(sizeof *p + b->len);
    if (p == nullptr)
        return IO_ERROR_NO_BUFFERS;
    *p = (struct packet){.rights = list, .sender = s->own, .from = s->name, .size = b->len};
    if (b->lease == nullptr) {
        memcpy(p->data, b->data, b->len);
    } else if (b->len != 0 && fut_lease_read(b->req, b->lease, 0, p->data, b->len) != FUT_OK) {
        heap_free(p);
        return IO_ERROR_BAD_ADDRESS;
    }
    *to->last = p;
    to->last = &p->next;
    to->packets++;
    to->packet_bytes += p->size;
    local_show(to, IO_READY_IN);
    if (s->peer == to)
        local_show(s, 0);
    return FUT_OK;
}

static fut_status_t send_stream(struct local *s, const struct bytes *b, struct rights *list, uint64_t *n)
{
    if (s->out == nullptr)
        return s->was_connected ? IO_ERROR_BROKEN_PIPE : IO_ERROR_NOT_CONNECTED;
    struct pipe *p = s->out->pipe;
    struct mark *m = nullptr, **at = &p->marks;
    if (list != nullptr) {
        m = heap_alloc(sizeof *m);
        if (m == nullptr)
            return IO_ERROR_NO_BUFFERS;
        // In its place before a reader that waits gets the bytes. (A reader by io.File drops it: it cannot take it.)
        *m = (struct mark){.start = p->put, .end = p->put + b->len, .rights = list};
        while (*at != nullptr)
            at = &(*at)->next;
        *at = m;
    }
    uint64_t before = p->put;
    fut_status_t status = pipe_put_now(b->req, p, b->data, b->lease, b->len, n);
    if (m != nullptr && p->put == before) { // nothing went: the list is the caller's still
        for (at = &p->marks; *at != m; at = &(*at)->next)
            ;
        *at = m->next;
        heap_free(m);
        return status != FUT_OK ? status : IO_ERROR_INVALID;
    }
    return status;
}

static fut_status_t send(struct local *s, const struct bytes *b, uint64_t number, uint64_t token, struct fut_bytes name, uint64_t *n)
{
    *n = 0;
    bool named = token != 0 || name.len != 0;
    struct local *to = s->peer;
    if (named && s->kind != KIND_DATAGRAM)
        return s->was_connected ? IO_ERROR_CONNECTED : IO_ERROR_NOT_SUPPORTED;
    if (s->no_send)
        return IO_ERROR_BROKEN_PIPE;
    if (named) {
        to = token != 0 ? local_by_token(token) : local_by_name(name.data, name.len);
        if (to == nullptr)
            return IO_ERROR_REFUSED;
        if (to->kind != KIND_DATAGRAM)
            return IO_ERROR_WRONG_PROTOCOL;
        if (to->peer != nullptr && to->peer != s)
            return IO_ERROR_NOT_PERMITTED;
    } else if (s->kind == KIND_DATAGRAM && to == nullptr) {
        bool told = !s->was_connected; // once: then it has no peer
        s->was_connected = false;
        return told ? IO_ERROR_NOT_CONNECTED : IO_ERROR_REFUSED;
    } else if (s->kind == KIND_SEQPACKET && to == nullptr) {
        return s->was_connected ? IO_ERROR_BROKEN_PIPE : IO_ERROR_NOT_CONNECTED;
    }
    struct rights *list = number != 0 ? rights_detach(s, number) : nullptr;
    if (number != 0 && list == nullptr)
        return IO_ERROR_INVALID;
    fut_status_t status;
    if (s->kind == KIND_STREAM) {
        status = send_stream(s, b, list, n);
    } else {
        status = send_packet(s, to, b, list);
        *n = b->len;
    }
    if (status != FUT_OK && list != nullptr) {
        list->next = s->lists; // not sent: the caller tries again
        s->lists = list;
    }
    return status;
}

fut_status_t local_send(struct fut_request *req, local_flags_t flags, uint64_t rights, uint64_t token, struct fut_bytes to,
                        struct fut_bytes data, struct local_socket_send_result *res)
{
    (void)flags;
    struct bytes b = {.req = req, .data = data.data, .len = data.len};
    uint64_t n;
    fut_status_t status = send(local_of(req), &b, rights, token, to, &n);
    res->n = (uint32_t)n;
    return status;
}

fut_status_t local_send_from(struct fut_request *req, local_flags_t flags, uint64_t rights, uint64_t token, struct fut_bytes to,
                             struct fut_lease_arg lease, struct local_socket_send_from_result *res)
{
    (void)flags;
    struct bytes b = {.req = req, .lease = &lease, .len = lease.len};
    return send(local_of(req), &b, rights, token, to, &res->n);
}

// --- Receiving -----------------------------------------------------------------------------------------

struct received {
    uint64_t n, size;
    struct rights *rights; // the receiver's now
    uint32_t got;
    struct local_credentials sender;
    struct name from;
};

static fut_status_t put_out(const struct bytes *b, const void *from, uint64_t n)
{
    if (b->lease == nullptr)
        memcpy((void *)b->data, from, n);
    else if (n != 0 && fut_lease_write(b->req, b->lease, 0, from, n) != FUT_OK)
        return IO_ERROR_BAD_ADDRESS;
    return FUT_OK;
}

static fut_status_t receive_packet(struct local *s, const struct bytes *b, bool peek, struct received *r)
{
    struct packet *p = s->first;
    if (p == nullptr) {
        if (s->kind == KIND_SEQPACKET && !s->was_connected)
            return IO_ERROR_NOT_CONNECTED;
        bool ended = s->no_receive || (s->kind == KIND_SEQPACKET && s->peer == nullptr);
        return ended ? FUT_OK : IO_ERROR_TRY_AGAIN;
    }
    r->n = p->size < b->len ? p->size : b->len;
    fut_status_t status = put_out(b, p->data, r->n);
    if (status != FUT_OK)
        return status;
    r->size = p->size;
    r->got = (p->size > b->len ? LOCAL_FLAGS_TRUNCATED : 0) | (s->kind == KIND_SEQPACKET ? LOCAL_FLAGS_END_OF_RECORD : 0);
    r->sender = p->sender;
    r->from = p->from;
    if (peek) {
        r->rights = p->rights != nullptr ? rights_copy(p->rights) : nullptr;
        return FUT_OK;
    }
    r->rights = p->rights;
    p->rights = nullptr;
    s->first = p->next;
    if (s->first == nullptr)
        s->last = &s->first;
    s->packets--;
    s->packet_bytes -= p->size;
    heap_free(p);
    local_show(s, 0);
    local_room_made(s);
    return FUT_OK;
}

static fut_status_t receive_stream(struct local *s, const struct bytes *b, bool peek, struct received *r)
{
    if (s->in == nullptr)
        return s->was_connected ? FUT_OK : IO_ERROR_NOT_CONNECTED;
    struct pipe *p = s->in->pipe;
    if (b->len == 0)
        return FUT_OK;
    if (p->ring.used == 0)
        return p->writers == 0 ? FUT_OK : IO_ERROR_TRY_AGAIN;
    // What one call gives does not go beyond the bytes that a list of Sessions came with.
    struct mark *m = p->marks;
    uint64_t max = b->len;
    bool here = m != nullptr && m->start == p->taken;
    if (m != nullptr) {
        uint64_t to = (here ? m->end : m->start) - p->taken;
        max = max < to ? max : to;
    }
    struct rights *list = nullptr;
    if (here && peek) {
        list = rights_copy(m->rights);
    } else if (here) {
        list = m->rights;
        m->rights = nullptr;
    }
    fut_status_t status = pipe_take_now(b->req, p, (void *)b->data, b->lease, max, peek, &r->n);
    if (status != FUT_OK) {
        if (here && peek)
            rights_drop(list);
        else if (here)
            m->rights = list;
        return status;
    }
    r->rights = list;
    r->size = r->n;
    r->sender = s->others;
    return FUT_OK;
}

static fut_status_t receive(struct local *s, const struct bytes *b, uint32_t flags, struct received *r)
{
    bool peek = (flags & LOCAL_FLAGS_PEEK) != 0;
    if (s->listening)
        return IO_ERROR_INVALID;
    return s->kind == KIND_STREAM ? receive_stream(s, b, peek, r) : receive_packet(s, b, peek, r);
}

static void give_rights(struct local *s, struct received *r, uint64_t *number, uint32_t *count)
{
    *number = 0;
    *count = 0;
    if (r->rights == nullptr)
        return;
    *count = r->rights->count;
    *number = rights_keep(s, r->rights);
}

fut_status_t local_receive(struct fut_request *req, local_flags_t flags, uint32_t len, struct local_socket_receive_result *res)
{
    struct local *s = local_of(req);
    struct bytes b = {.req = req, .data = res->data.data, .len = len < res->data.capacity ? len : res->data.capacity};
    struct received r = {};
    res->data.len = res->from.len = 0;
    fut_status_t status = receive(s, &b, flags, &r);
    if (status != FUT_OK)
        return status;
    res->data.len = r.n;
    res->size = r.size;
    res->got = r.got;
    res->sender = r.sender;
    memcpy(res->from.data, r.from.text, r.from.length);
    res->from.len = r.from.length;
    give_rights(s, &r, &res->rights, &res->count);
    return FUT_OK;
}

fut_status_t local_receive_into(struct fut_request *req, local_flags_t flags, struct fut_lease_arg lease,
                                struct local_socket_receive_into_result *res)
{
    struct local *s = local_of(req);
    struct bytes b = {.req = req, .lease = &lease, .len = lease.len};
    struct received r = {};
    res->from.len = 0;
    fut_status_t status = receive(s, &b, flags, &r);
    if (status != FUT_OK)
        return status;
    res->n = r.n;
    res->size = r.size;
    res->got = r.got;
    res->sender = r.sender;
    memcpy(res->from.data, r.from.text, r.from.length);
    res->from.len = r.from.length;
    give_rights(s, &r, &res->rights, &res->count);
    return FUT_OK;
}

// --- As files: a stream's calls are its pipes', and wait there ------------------------------------------

static void become(struct fut_request *req, struct end *e)
{
    e->file.status = local_of(req)->file.status;
    req->object = &e->file;
}

fut_status_t local_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct local *s = local_of(req);
    if (s->in != nullptr) {
        become(req, s->in);
        return pipe_class.ops.read(req, len, res);
    }
    struct bytes b = {.req = req, .data = res->data.data, .len = len < res->data.capacity ? len : res->data.capacity};
    struct received r = {};
    fut_status_t status = receive(s, &b, 0, &r);
    rights_drop(r.rights);
    res->data.len = r.n;
    return status;
}

fut_status_t local_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg lease, struct io_file_read_into_result *res)
{
    struct local *s = local_of(req);
    if (s->in != nullptr) {
        become(req, s->in);
        return pipe_class.ops.read_into(req, off, lease, res);
    }
    struct bytes b = {.req = req, .lease = &lease, .len = lease.len};
    struct received r = {};
    fut_status_t status = off != UINT64_MAX ? IO_ERROR_ILLEGAL_SEEK : receive(s, &b, 0, &r);
    rights_drop(r.rights);
    res->n = r.n;
    return status;
}

fut_status_t local_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    struct local *s = local_of(req);
    if (s->out != nullptr) {
        become(req, s->out);
        return pipe_class.ops.write(req, data, res);
    }
    struct bytes b = {.req = req, .data = data.data, .len = data.len};
    uint64_t n;
    fut_status_t status = send(s, &b, 0, 0, (struct fut_bytes){}, &n);
    res->n = (uint32_t)n;
    return status;
}

fut_status_t local_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg lease, struct io_file_write_from_result *res)
{
    struct local *s = local_of(req);
    if (s->out != nullptr) {
        become(req, s->out);
        return pipe_class.ops.write_from(req, off, lease, res);
    }
    struct bytes b = {.req = req, .lease = &lease, .len = lease.len};
    return off != UINT64_MAX ? IO_ERROR_ILLEGAL_SEEK : send(s, &b, 0, 0, (struct fut_bytes){}, &res->n);
}
