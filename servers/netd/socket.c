// SPDX-License-Identifier: MPL-2.0
//
// Sockets as Sessions: the protocols Socket and io.File on top of the kinds in stream.c and datagram.c; calls that wait;
// the readiness Event.
#include "socket.h"
#include "state.h"

struct socket *sockets;
unsigned socket_count;

// --- Packets that wait -----------------------------------------------------------------------------------

bool packets_add(struct packets *q, const struct packet *p)
{
    if (q->count == q->capacity) {
        unsigned capacity = q->capacity ? 2 * q->capacity : 8;
        struct packet *slot = malloc(capacity * sizeof *slot);
        if (!slot)
            return false;
        for (unsigned i = 0; i < q->count; i++)
            slot[i] = q->slot[(q->head + i) & (q->capacity - 1)];
        free(q->slot);
        *q = (struct packets){.slot = slot, .count = q->count, .capacity = capacity};
    }
    q->slot[(q->head + q->count++) & (q->capacity - 1)] = *p;
    return true;
}

struct packet *packets_at(struct packets *q, unsigned i)
{
    return &q->slot[(q->head + i) & (q->capacity - 1)];
}

struct packet *packets_first(struct packets *q)
{
    return q->count != 0 ? packets_at(q, 0) : nullptr;
}

void packets_drop_first(struct packets *q)
{
    pbuf_free(packets_at(q, 0)->p);
    q->head = (q->head + 1) & (q->capacity - 1);
    q->count--;
}

void packets_free(struct packets *q)
{
    while (q->count != 0)
        packets_drop_first(q);
    free(q->slot);
    *q = (struct packets){};
}

// --- Life ------------------------------------------------------------------------------------------------

static void queue_init(struct queue *q) { q->first = nullptr, q->last = &q->first; }

struct socket *socket_new(struct limits *limits, uint16_t family, uint8_t type, uint16_t protocol, uint32_t status)
{
    struct socket *s = socket_count < SOCKETS_MAX ? calloc(1, sizeof *s) : nullptr;
    if (!s)
        return nullptr;
    s->family = family;
    s->type = type;
    s->protocol = protocol;
    s->status = IO_STATUS_READ_WRITE | (status & IO_STATUS_NONBLOCK);
    s->receive_limit = 208 << 10;
    s->send_limit = TCP_SND_BUF;
    s->accept_last = &s->accept_first;
    s->limits = limits;
    limits_hold(limits);
    queue_init(&s->readers);
    queue_init(&s->writers);
    s->next = sockets;
    s->link = &sockets;
    if (sockets)
        sockets->link = &s->next;
    sockets = s;
    socket_count++;
    return s;
}

// A socket that nobody has open shows nothing any more: its Event may still be in somebody's WaitSet.
static void hide(struct socket *s)
{
    if (!s->event)
        return;
    (void)fut_event_clear(s->event, UINT64_MAX, nullptr);
    (void)fut_cap_delete(s->shown);
    (void)fut_cap_delete(s->event);
    s->event = s->shown = 0;
}

void socket_free(struct socket *s)
{
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    if (s->object.badge)
        object_remove(&s->object);
    hide(s);
    state_socket_gone(s);
    limits_release(s->limits);
    socket_count--;
    free(s);
}

fut_status_t socket_give(struct socket *s, socket_socket_t *out)
{
    object_add(&s->object, OBJECT_SOCKET);
    if (!state_socket(s)) {
        s->class->close(s);
        return IO_ERROR_TOO_MANY_FILES;
    }
    uint32_t perms = limits_listen(s->limits) == FUT_OK ? FUT_PERMS_ALL : SOCKET_SOCKET_FACET_CLIENT;
    fut_status_t status = object_session(&s->object, perms, &out->h);
    if (status != FUT_OK)
        s->class->close(s);
    return status;
}

static void answer(struct transfer *t, fut_status_t status);

static void fail_all(struct queue *q, fut_status_t status)
{
    while (q->first) {
        struct transfer *t = q->first;
        q->first = t->next;
        deferred_take(&t->deferred);
        answer(t, status);
    }
    queue_init(q);
}

void socket_closed(struct object *o)
{
    struct socket *s = container(o, struct socket, object);
    // A call keeps its Session alive, so nobody waits any more; what is left was abandoned.
    fail_all(&s->readers, IO_ERROR_BAD_FILE);
    fail_all(&s->writers, IO_ERROR_BAD_FILE);
    object_remove(&s->object);
    hide(s);
    s->class->close(s);
}

uint8_t socket_ip_type(const struct socket *s)
{
    return s->family == SOCKET_FAMILY_INET ? IPADDR_TYPE_V4 : s->v6_only ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY;
}

fut_status_t socket_take_error(struct socket *s)
{
    fut_status_t e = s->error;
    s->error = 0;
    return e;
}

// --- Transfers -------------------------------------------------------------------------------------------

fut_status_t transfer_put(struct transfer *t, uint64_t at, const void *from, size_t n)
{
    if (!t->leased) {
        memcpy((uint8_t *)t->to->data + at, from, n);
        return FUT_OK;
    }
    fut_status_t status = fut_lease_write_reply(t->waits ? t->deferred.reply : (fut_reply_t){}, &t->lease, at, from, n);
    return status == FUT_OK ? FUT_OK : IO_ERROR_BAD_ADDRESS;
}

fut_status_t transfer_take(struct transfer *t, uint64_t at, void *to, size_t n)
{
    if (!t->leased) {
        memcpy(to, (t->waits ? t->copy : t->data) + at, n);
        return FUT_OK;
    }
    fut_status_t status = fut_lease_read_reply(t->waits ? t->deferred.reply : (fut_reply_t){}, &t->lease, at, to, n);
    return status == FUT_OK ? FUT_OK : IO_ERROR_BAD_ADDRESS;
}

static bool sends(enum operation op) { return op == OP_WRITE || op == OP_WRITE_FROM || op == OP_SEND_TO || op == OP_SEND_FROM || op == OP_CONNECT; }

static fut_status_t step(struct transfer *t)
{
    struct socket *s = t->socket;
    if (t->op == OP_ACCEPT) {
        if (s->type != SOCKET_TYPE_STREAM || s->state != STREAM_LISTENING)
            return IO_ERROR_INVALID;
        return s->accept_first ? FUT_OK : IO_ERROR_TRY_AGAIN;
    }
    if (t->op == OP_CONNECT)
        return s->error != 0 ? socket_take_error(s) : s->state == STREAM_CONNECTING ? IO_ERROR_TRY_AGAIN
             : s->state == STREAM_CONNECTED ? FUT_OK : IO_ERROR_ABORTED;
    return sends(t->op) ? s->class->send(s, t) : s->class->receive(s, t);
}

static fut_status_t accept_result(struct transfer *t, struct socket_socket_accept_result *res)
{
    struct socket *child = stream_accept(t->socket);
    if (!child)
        return IO_ERROR_TRY_AGAIN;
    ip_addr_t ip = {};
    uint16_t port = 0;
    child->status = IO_STATUS_READ_WRITE | (t->status & IO_STATUS_NONBLOCK);
    (void)child->class->remote(child, &ip, &port);
    address_out(&ip, port, child->family, &res->peer);
    return socket_give(child, &res->s);
}

static void transfer_free(struct transfer *t)
{
    free(t->copy);
    free(t);
}

// Answers a call that waited. What was moved counts more than why it ended.
static void answer(struct transfer *t, fut_status_t status)
{
    fut_reply_t reply = t->deferred.reply;
    static uint8_t bytes[IO_MAX_INLINE];
    bool moved = t->done != 0 && t->op != OP_ACCEPT && t->op != OP_CONNECT;
    if (status != FUT_OK && !moved) {
        (void)fut_reply_error(reply, status);
        transfer_free(t);
        return;
    }
    switch (t->op) {
    case OP_READ: {
        struct io_file_read_result res = {.data = {.data = bytes, .capacity = sizeof bytes, .len = t->done}};
        if (t->copy)
            memcpy(bytes, t->copy, t->done);
        (void)io_file_read_reply(reply, &res);
        break;
    }
    case OP_RECEIVE_FROM: {
        struct socket_socket_receive_from_result res = {.r = t->received, .data = {.data = bytes, .capacity = sizeof bytes, .len = t->done}};
        if (t->copy)
            memcpy(bytes, t->copy, t->done);
        (void)socket_socket_receive_from_reply(reply, &res);
        break;
    }
    case OP_READ_INTO: {
        struct io_file_read_into_result res = {.n = t->done};
        (void)io_file_read_into_reply(reply, &res);
        break;
    }
    case OP_RECEIVE_INTO: {
        struct socket_socket_receive_into_result res = {.n = t->done, .r = t->received};
        (void)socket_socket_receive_into_reply(reply, &res);
        break;
    }
    case OP_WRITE: {
        struct io_file_write_result res = {.n = (uint32_t)t->done};
        (void)io_file_write_reply(reply, &res);
        break;
    }
    case OP_WRITE_FROM: {
        struct io_file_write_from_result res = {.n = t->done};
        (void)io_file_write_from_reply(reply, &res);
        break;
    }
    case OP_SEND_TO: {
        struct socket_socket_send_to_result res = {.n = (uint32_t)t->done};
        (void)socket_socket_send_to_reply(reply, &res);
        break;
    }
    case OP_SEND_FROM: {
        struct socket_socket_send_from_result res = {.n = t->done};
        (void)socket_socket_send_from_reply(reply, &res);
        break;
    }
    case OP_ACCEPT: {
        struct socket_socket_accept_result res = {};
        status = accept_result(t, &res);
        if (status != FUT_OK)
            (void)fut_reply_error(reply, status);
        else
            (void)socket_socket_accept_reply(reply, &res);
        break;
    }
    case OP_CONNECT: (void)socket_socket_connect_reply(reply); break;
    }
    transfer_free(t);
}

static void unqueue(struct transfer *t)
{
    struct queue *q = sends(t->op) ? &t->socket->writers : &t->socket->readers;
    struct transfer **at = &q->first;
    while (*at && *at != t)
        at = &(*at)->next;
    if (*at) {
        *at = t->next;
        if (q->last == &t->next)
            q->last = at;
    }
}

static void transfer_cancel(struct deferred *d)
{
    struct transfer *t = container(d, struct transfer, deferred);
    unqueue(t);
    answer(t, IO_ERROR_INTERRUPTED);
}

static void transfer_drop(struct deferred *d)
{
    struct transfer *t = container(d, struct transfer, deferred);
    unqueue(t);
    transfer_free(t);
}

static void pump_queue(struct queue *q)
{
    while (q->first) {
        struct transfer *t = q->first;
        struct fut_buffer to = {.data = t->copy, .capacity = t->total};
        t->to = &to;
        fut_status_t status = step(t);
        if (status == IO_ERROR_TRY_AGAIN)
            return;
        q->first = t->next;
        if (!q->first)
            q->last = &q->first;
        deferred_take(&t->deferred);
        answer(t, status);
    }
}

static void show_ready(struct socket *s)
{
    if (!s->event)
        return;
    uint64_t level = s->class->ready(s);
    if (s->level & ~level)
        (void)fut_event_clear(s->event, s->level & ~level, nullptr);
    // What is there to read is signalled again although it is known: more may have come, and who waits for edges is told.
    uint64_t fresh = (level & ~s->level) | (level & IO_READY_IN);
    if (fresh)
        (void)fut_event_signal(s->event, fresh);
    s->level = level;
}

void socket_pump(struct socket *s)
{
    pump_queue(&s->readers);
    pump_queue(&s->writers);
    show_ready(s);
}

// Takes a new call as far as it goes. FUT_DEFER: it waits now; what it has is kept on the heap.
static fut_status_t run(struct fut_request *req, struct transfer *t)
{
    struct socket *s = req->object;
    t->socket = s;
    struct queue *q = sends(t->op) ? &s->writers : &s->readers;
    // Who came first is served first.
    fut_status_t status = q->first ? IO_ERROR_TRY_AGAIN : step(t);
    if (status == IO_ERROR_TRY_AGAIN && !(s->status & IO_STATUS_NONBLOCK) && !(t->flags & SOCKET_FLAGS_DONT_WAIT)) {
        struct transfer *w = malloc(sizeof *w);
        size_t kept = t->leased ? 0 : t->op == OP_READ || t->op == OP_RECEIVE_FROM || t->op == OP_WRITE || t->op == OP_SEND_TO ? t->total : 0;
        uint8_t *copy = w && kept ? malloc(kept) : nullptr;
        if (!w || (kept && !copy)) {
            free(w);
            return t->done != 0 ? FUT_OK : IO_ERROR_NO_MEMORY;
        }
        *w = *t;
        w->copy = copy;
        if (copy && t->data)
            memcpy(copy, t->data, kept);
        else if (copy && t->done != 0)
            memcpy(copy, t->to->data, t->done);
        w->waits = true;
        w->next = nullptr;
        if (!deferred_add(&w->deferred, req, transfer_cancel, transfer_drop)) {
            transfer_free(w);
            return t->done != 0 ? FUT_OK : IO_ERROR_NO_BUFFERS;
        }
        *q->last = w;
        q->last = &w->next;
        show_ready(s);
        return FUT_DEFER;
    }
    show_ready(s);
    return t->done != 0 && status != FUT_OK && t->op != OP_ACCEPT && t->op != OP_CONNECT ? FUT_OK : status;
}

// --- futura.io -------------------------------------------------------------------------------------------

static fut_status_t file_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct transfer t = {.op = OP_READ, .to = &res->data, .total = len < res->data.capacity ? len : res->data.capacity};
    fut_status_t status = run(req, &t);
    res->data.len = t.done;
    return status;
}

static fut_status_t file_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    struct transfer t = {.op = OP_WRITE, .data = data.data, .total = data.len};
    fut_status_t status = run(req, &t);
    res->n = (uint32_t)t.done;
    return status;
}

static fut_status_t file_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b, struct io_file_read_into_result *res)
{
    if (off != UINT64_MAX)
        return IO_ERROR_ILLEGAL_SEEK;
    struct transfer t = {.op = OP_READ_INTO, .leased = true, .lease = b, .total = b.len};
    fut_status_t status = run(req, &t);
    res->n = t.done;
    return status;
}

static fut_status_t file_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b, struct io_file_write_from_result *res)
{
    if (off != UINT64_MAX)
        return IO_ERROR_ILLEGAL_SEEK;
    struct transfer t = {.op = OP_WRITE_FROM, .leased = true, .lease = b, .total = b.len};
    fut_status_t status = run(req, &t);
    res->n = t.done;
    return status;
}

static fut_status_t file_seek(struct fut_request *req, int64_t off, uint8_t whence, struct io_file_seek_result *res)
{
    (void)req, (void)off, (void)whence, (void)res;
    return IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_read_at(struct fut_request *req, uint64_t off, uint32_t len, struct io_file_read_at_result *res)
{
    (void)req, (void)off, (void)len, (void)res;
    return IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_write_at(struct fut_request *req, uint64_t off, struct fut_bytes data, struct io_file_write_at_result *res)
{
    (void)req, (void)off, (void)data, (void)res;
    return IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_stat(struct fut_request *req, struct io_file_stat_result *res)
{
    const struct socket *s = req->object;
    res->st = (struct io_stat){.dev = 9, .ino = s->object.badge, .mode = 0140777, .nlink = 1, .block_size = 4096};
    return FUT_OK;
}

static fut_status_t file_sync(struct fut_request *req, bool data_only)
{
    (void)req, (void)data_only;
    return IO_ERROR_INVALID;
}

static fut_status_t file_get_status(struct fut_request *req, struct io_file_get_status_result *res)
{
    res->flags = ((struct socket *)req->object)->status;
    return FUT_OK;
}

static fut_status_t file_set_status(struct fut_request *req, uint32_t flags)
{
    struct socket *s = req->object;
    s->status = (s->status & ~(uint32_t)IO_STATUS_NONBLOCK) | (flags & IO_STATUS_NONBLOCK);
    return FUT_OK;
}

static fut_status_t file_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct socket *s = req->object;
    if (!s->event) {
        if (fut_event_create(&s->event) != FUT_OK)
            return IO_ERROR_NO_MEMORY;
        if (fut_cap_mint(s->event, FUT_RIGHT_READ | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &s->shown) != FUT_OK) {
            (void)fut_cap_delete(s->event);
            s->event = 0;
            return IO_ERROR_NO_MEMORY;
        }
        s->level = 0;
        state_socket_event(s);
        show_ready(s);
    }
    res->e = s->shown;
    return FUT_OK;
}

const struct io_file_ops socket_file_ops = {
    .read = file_read, .write = file_write, .read_at = file_read_at, .write_at = file_write_at, .seek = file_seek,
    .stat = file_stat, .sync = file_sync, .get_status = file_get_status, .set_status = file_set_status, .watch = file_watch,
    .read_into = file_read_into, .write_from = file_write_from,
};

// --- futura.socket -----------------------------------------------------------------------------------------

bool socket_address_is_ours(const ip_addr_t *ip)
{
    struct netif *n;
    if (ip_addr_isany(ip) || ip_addr_ismulticast(ip))
        return true;
    NETIF_FOREACH(n) {
        if (IP_IS_V6_VAL(*ip)) {
            for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
                if (!ip6_addr_isinvalid(netif_ip6_addr_state(n, i)) && ip6_addr_eq(netif_ip6_addr(n, i), ip_2_ip6(ip)))
                    return true;
        } else if (ip4_addr_eq(netif_ip4_addr(n), ip_2_ip4(ip)) || ip4_addr_isbroadcast(ip_2_ip4(ip), n) ||
                   (ip4_addr_isloopback(netif_ip4_addr(n)) && ip4_addr_isloopback(ip_2_ip4(ip)))) {
            return true;
        }
    }
    return false;
}

// The family of an address must be the socket's: an inet6 socket without v6_only takes mapped ones.
static fut_status_t address_for(const struct socket *s, const struct socket_address *a, ip_addr_t *ip)
{
    if (a->family != s->family)
        return a->family == SOCKET_FAMILY_INET || a->family == SOCKET_FAMILY_INET6 ? IO_ERROR_NO_FAMILY : IO_ERROR_INVALID;
    fut_status_t status = address_in(a, ip);
    if (status == FUT_OK && s->family == SOCKET_FAMILY_INET6 && !IP_IS_V6_VAL(*ip) && (s->v6_only || s->class == &raw_class))
        return IO_ERROR_NETWORK_UNREACHABLE;
    return status;
}

static fut_status_t do_bind(struct fut_request *req, const struct socket_address *a)
{
    struct socket *s = req->object;
    ip_addr_t ip;
    fut_status_t status = address_for(s, a, &ip);
    if (status == FUT_OK)
        status = limits_local(s->limits, a->port);
    if (status != FUT_OK)
        return status;
    if (!socket_address_is_ours(&ip))
        return IO_ERROR_NO_ADDRESS;
    if (s->family == SOCKET_FAMILY_INET6 && ip_addr_isany(&ip) && !s->v6_only && s->class != &raw_class)
        ip = *IP_ANY_TYPE;
    return s->class->bind(s, &ip, a->port);
}

static fut_status_t do_connect(struct fut_request *req, const struct socket_address *a)
{
    struct socket *s = req->object;
    ip_addr_t ip;
    if (a->family == SOCKET_FAMILY_NONE)
        return s->class->disconnect(s);
    fut_status_t status = address_for(s, a, &ip);
    if (status == FUT_OK)
        status = limits_remote(s->limits, &ip, a->port);
    if (status != FUT_OK)
        return status;
    if (ip_addr_isany(&ip)) // this host
        ip = IP_IS_V6_VAL(ip) ? (ip_addr_t)IPADDR6_INIT_HOST(0, 0, 0, 1) : (ip_addr_t)IPADDR4_INIT_BYTES(127, 0, 0, 1);
    status = s->class->connect(s, &ip, a->port);
    if (status != IO_ERROR_TRY_AGAIN) {
        show_ready(s);
        return status;
    }
    if (s->status & IO_STATUS_NONBLOCK) {
        show_ready(s);
        return IO_ERROR_IN_PROGRESS;
    }
    struct transfer t = {.op = OP_CONNECT};
    return run(req, &t);
}

static fut_status_t do_listen(struct fut_request *req, uint32_t backlog)
{
    struct socket *s = req->object;
    if (s->type != SOCKET_TYPE_STREAM)
        return IO_ERROR_NOT_SUPPORTED;
    fut_status_t status = limits_listen(s->limits);
    if (status == FUT_OK)
        status = stream_listen(s, backlog);
    if (status == FUT_OK)
        state_socket_listens(s);
    show_ready(s);
    return status;
}

static fut_status_t do_accept(struct fut_request *req, uint32_t status, uint32_t flags, struct socket_socket_accept_result *res)
{
    struct transfer t = {.op = OP_ACCEPT, .status = status, .flags = flags};
    struct socket *s = req->object;
    if (s->type != SOCKET_TYPE_STREAM)
        return IO_ERROR_NOT_SUPPORTED;
    fut_status_t result = run(req, &t);
    if (result != FUT_OK)
        return result;
    result = accept_result(&t, res);
    show_ready(s);
    return result;
}

static fut_status_t do_shutdown(struct fut_request *req, uint8_t how)
{
    struct socket *s = req->object;
    if (how > 2)
        return IO_ERROR_INVALID;
    fut_status_t status = s->class->shutdown(s, how != 1, how != 0);
    socket_pump(s);
    return status;
}

static fut_status_t do_local_address(struct fut_request *req, struct socket_socket_local_address_result *res)
{
    struct socket *s = req->object;
    ip_addr_t ip = {};
    uint16_t port = 0;
    s->class->local(s, &ip, &port);
    address_out(&ip, port, s->family, &res->a);
    return FUT_OK;
}

static fut_status_t do_peer_address(struct fut_request *req, struct socket_socket_peer_address_result *res)
{
    struct socket *s = req->object;
    ip_addr_t ip = {};
    uint16_t port = 0;
    if (!s->class->remote(s, &ip, &port))
        return IO_ERROR_NOT_CONNECTED;
    address_out(&ip, port, s->family, &res->a);
    return FUT_OK;
}

static fut_status_t send_common(struct fut_request *req, const struct socket_address *to, struct transfer *t)
{
    struct socket *s = req->object;
    if (to->family != SOCKET_FAMILY_NONE && s->type != SOCKET_TYPE_STREAM) {
        fut_status_t status = address_for(s, to, &t->address);
        if (status == FUT_OK)
            status = limits_remote(s->limits, &t->address, to->port);
        if (status != FUT_OK)
            return status;
        t->addressed = true;
        t->port = to->port;
    }
    return run(req, t);
}

static fut_status_t do_send_to(struct fut_request *req, const struct socket_address *to, uint32_t flags, struct fut_bytes data,
                               struct socket_socket_send_to_result *res)
{
    struct transfer t = {.op = OP_SEND_TO, .flags = flags, .data = data.data, .total = data.len};
    fut_status_t status = send_common(req, to, &t);
    res->n = (uint32_t)t.done;
    return status;
}

static fut_status_t do_send_from(struct fut_request *req, const struct socket_address *to, uint32_t flags, struct fut_lease_arg b,
                                 struct socket_socket_send_from_result *res)
{
    struct transfer t = {.op = OP_SEND_FROM, .flags = flags, .leased = true, .lease = b, .total = b.len};
    fut_status_t status = send_common(req, to, &t);
    res->n = t.done;
    return status;
}

static fut_status_t do_receive_from(struct fut_request *req, uint32_t len, uint32_t flags, struct socket_socket_receive_from_result *res)
{
    struct transfer t = {.op = OP_RECEIVE_FROM, .flags = flags, .to = &res->data,
                         .total = len < res->data.capacity ? len : res->data.capacity};
    fut_status_t status = run(req, &t);
    res->r = t.received;
    res->data.len = t.done;
    return status;
}

static fut_status_t do_receive_into(struct fut_request *req, uint32_t flags, struct fut_lease_arg b, struct socket_socket_receive_into_result *res)
{
    struct transfer t = {.op = OP_RECEIVE_INTO, .flags = flags, .leased = true, .lease = b, .total = b.len};
    fut_status_t status = run(req, &t);
    res->r = t.received;
    res->n = t.done;
    return status;
}

static fut_status_t do_get_option(struct fut_request *req, uint16_t option, struct socket_socket_get_option_result *res)
{
    struct socket *s = req->object;
    struct ip_pcb *pcb = (struct ip_pcb *)s->tcp; // what all kinds begin with
    switch (option) {
    case SOCKET_OPTION_TYPE: res->value = s->type; return FUT_OK;
    case SOCKET_OPTION_FAMILY: res->value = s->family; return FUT_OK;
    case SOCKET_OPTION_PROTOCOL: res->value = s->protocol; return FUT_OK;
    case SOCKET_OPTION_ERROR: res->value = socket_take_error(s); show_ready(s); return FUT_OK;
    case SOCKET_OPTION_REUSE_ADDRESS: res->value = s->reuse; return FUT_OK;
    case SOCKET_OPTION_BROADCAST: res->value = s->broadcast; return FUT_OK;
    case SOCKET_OPTION_SEND_BUFFER: res->value = s->send_limit; return FUT_OK;
    case SOCKET_OPTION_RECEIVE_BUFFER: res->value = s->type == SOCKET_TYPE_STREAM ? TCP_WND : s->receive_limit; return FUT_OK;
    case SOCKET_OPTION_V6_ONLY: res->value = s->v6_only; return s->family == SOCKET_FAMILY_INET6 ? FUT_OK : IO_ERROR_NO_OPTION;
    case SOCKET_OPTION_TTL: res->value = pcb ? pcb->ttl : 64; return FUT_OK;
    case SOCKET_OPTION_TRAFFIC_CLASS: res->value = pcb ? pcb->tos : 0; return FUT_OK;
    case SOCKET_OPTION_INTERFACE: res->value = pcb ? pcb->netif_idx : 0; return FUT_OK;
    case SOCKET_OPTION_ACCEPTING:
        if (s->type != SOCKET_TYPE_STREAM) {
            res->value = 0;
            return FUT_OK;
        }
        break;
    default: break;
    }
    return s->class->get(s, option, &res->value);
}

static uint32_t buffer_size(int64_t value, uint32_t most)
{
    return value < 4096 ? 4096 : value > most ? most : (uint32_t)value;
}

static fut_status_t set_flag(struct ip_pcb *pcb, uint8_t flag, bool on)
{
    if (!pcb)
        return IO_ERROR_INVALID;
    if (on)
        ip_set_option(pcb, flag);
    else
        ip_reset_option(pcb, flag);
    return FUT_OK;
}

void socket_set_reuse(struct socket *s, bool on)
{
    s->reuse = on;
    (void)set_flag((struct ip_pcb *)s->tcp, SOF_REUSEADDR, on);
}

static fut_status_t do_set_option(struct fut_request *req, uint16_t option, int64_t value)
{
    struct socket *s = req->object;
    struct ip_pcb *pcb = (struct ip_pcb *)s->tcp;
    switch (option) {
    case SOCKET_OPTION_REUSE_ADDRESS: s->reuse = value != 0; return set_flag(pcb, SOF_REUSEADDR, value != 0);
    case SOCKET_OPTION_BROADCAST: s->broadcast = value != 0; return set_flag(pcb, SOF_BROADCAST, value != 0);
    case SOCKET_OPTION_SEND_BUFFER: s->send_limit = buffer_size(value, TCP_SND_BUF); return FUT_OK;
    case SOCKET_OPTION_RECEIVE_BUFFER: s->receive_limit = buffer_size(value, 1u << 20); return FUT_OK;
    case SOCKET_OPTION_V6_ONLY: {
        ip_addr_t ip = {};
        uint16_t port = 0;
        s->class->local(s, &ip, &port);
        if (s->family != SOCKET_FAMILY_INET6 || (s->type == SOCKET_TYPE_RAW && !value))
            return IO_ERROR_NO_OPTION;
        if (port != 0 || !pcb)
            return IO_ERROR_INVALID;
        s->v6_only = value != 0;
        if (s->class != &raw_class) {
            IP_SET_TYPE_VAL(pcb->local_ip, socket_ip_type(s));
            IP_SET_TYPE_VAL(pcb->remote_ip, socket_ip_type(s));
        }
        return FUT_OK;
    }
    case SOCKET_OPTION_TTL:
        if (value < 1 || value > 255 || !pcb)
            return IO_ERROR_INVALID;
        pcb->ttl = (u8_t)value;
        return FUT_OK;
    case SOCKET_OPTION_TRAFFIC_CLASS:
        if (value < 0 || value > 255 || !pcb)
            return IO_ERROR_INVALID;
        pcb->tos = (u8_t)value;
        return FUT_OK;
    case SOCKET_OPTION_INTERFACE:
        if (value < 0 || value > 255 || !pcb || (value != 0 && !netif_get_by_index((u8_t)value)))
            return IO_ERROR_NO_DEVICE;
        pcb->netif_idx = (u8_t)value;
        return FUT_OK;
    case SOCKET_OPTION_TYPE:
    case SOCKET_OPTION_FAMILY:
    case SOCKET_OPTION_PROTOCOL:
    case SOCKET_OPTION_ACCEPTING:
    case SOCKET_OPTION_ERROR:
    case SOCKET_OPTION_READABLE:
    case SOCKET_OPTION_UNSENT: return IO_ERROR_NO_OPTION;
    default: return s->class->set(s, option, value);
    }
}

static fut_status_t do_join(struct fut_request *req, const struct socket_address *group, uint32_t interface)
{
    struct socket *s = req->object;
    ip_addr_t ip;
    fut_status_t status = s->type == SOCKET_TYPE_STREAM ? IO_ERROR_NO_OPTION : address_in(group, &ip);
    return status == FUT_OK ? group_join(s, &ip, interface) : status;
}

static fut_status_t do_leave(struct fut_request *req, const struct socket_address *group, uint32_t interface)
{
    ip_addr_t ip;
    fut_status_t status = address_in(group, &ip);
    return status == FUT_OK ? group_leave(req->object, &ip, interface) : status;
}

static fut_status_t do_filter(struct fut_request *req, const uint64_t pass[4])
{
    struct socket *s = req->object;
    if (s->class != &raw_class)
        return IO_ERROR_NO_OPTION;
    memcpy(s->filter, pass, sizeof s->filter);
    return FUT_OK;
}

static fut_status_t do_info(struct fut_request *req, struct socket_socket_info_result *res)
{
    struct socket *s = req->object;
    if (s->type != SOCKET_TYPE_STREAM)
        return IO_ERROR_NO_OPTION;
    stream_info(s, &res->i);
    return FUT_OK;
}

const struct socket_socket_ops socket_ops = {
    .bind = do_bind, .connect = do_connect, .listen = do_listen, .accept = do_accept, .shutdown = do_shutdown,
    .local_address = do_local_address, .peer_address = do_peer_address, .send_to = do_send_to,
    .receive_from = do_receive_from, .send_from = do_send_from, .receive_into = do_receive_into,
    .get_option = do_get_option, .set_option = do_set_option, .join = do_join, .leave = do_leave, .filter = do_filter,
    .info = do_info,
};
