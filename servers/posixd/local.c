// SPDX-License-Identifier: MPL-2.0
//
// Sockets of the local domain: names, connections, ends. A connected stream is two ends of two pipes: it reads from one
// and writes to the other, and its peer the other way round, so that waiting, interruption and leases are the pipes'.
// Datagrams and seqpackets are queues of packets (local_data.c).
//
// Connecting makes the other end at once and queues it at the listening socket; Accept gives it a Session. Whom a socket
// belongs to (SO_PEERCRED) is whoever made it.
#include "local.h"

struct local *locals;
static uint64_t tokens_bound;

struct connecting {
    struct deferred deferred;
    struct connecting *next;
    struct local *socket, *to; // socket: held, as its caller has it
};

// --- Readiness -----------------------------------------------------------------------------------------

static uint64_t stream_level(const struct local *s)
{
    bool ended = s->in == nullptr || s->in->pipe->writers == 0, deaf = s->out == nullptr || s->out->pipe->readers == 0;
    uint64_t level = 0;
    if (ended || s->in->pipe->ring.used != 0)
        level |= IO_READY_IN;
    if (ended)
        level |= IO_READY_READ_HANGUP;
    if (deaf || ring_space(&s->out->pipe->ring) >= RING_ATOMIC)
        level |= IO_READY_OUT;
    return ended && deaf ? level | IO_READY_HANGUP : level;
}

static bool has_room(const struct local *s) { return s->packets < PACKETS_MAX && s->packet_bytes < PACKET_BYTES_MAX; }

static uint64_t level_of(const struct local *s)
{
    if (s->listening)
        return s->waiting != nullptr ? IO_READY_IN : 0;
    if (s->kind == KIND_STREAM)
        return s->was_connected ? stream_level(s) : IO_READY_OUT | IO_READY_HANGUP;
    if (s->kind == KIND_SEQPACKET && !s->was_connected)
        return IO_READY_OUT | IO_READY_HANGUP;
    bool alone = s->kind == KIND_SEQPACKET && s->peer == nullptr;
    uint64_t level = s->first != nullptr || s->no_receive || alone ? IO_READY_IN : 0;
    if (s->no_receive || alone)
        level |= IO_READY_READ_HANGUP;
    if (alone || (s->no_receive && s->no_send))
        level |= IO_READY_HANGUP;
    if (s->peer == nullptr || s->no_send || has_room(s->peer))
        level |= IO_READY_OUT;
    return level;
}

void local_show(struct local *s, uint64_t fresh)
{
    if (s->ready.event != 0)
        readiness_set(&s->ready, level_of(s), fresh);
}

void local_room_made(struct local *s)
{
    if (s->kind == KIND_SEQPACKET && s->peer != nullptr)
        local_show(s->peer, 0);
    if (s->referrers == 0)
        return;
    for (struct local *l = locals; l != nullptr; l = l->next)
        if (l->peer == s)
            local_show(l, 0);
}

static void pipe_changed(struct pipe *p)
{
    if (p->reader != nullptr)
        local_show(p->reader, p->fresh & IO_READY_IN);
    if (p->writer != nullptr)
        local_show(p->writer, 0);
}

static void pipe_drop_mark(struct pipe *p)
{
    struct mark *m = p->marks;
    p->marks = m->next;
    rights_drop(m->rights);
    heap_free(m);
}

static fut_status_t local_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct local *s = local_of(req);
    fut_status_t status = readiness_get(&s->ready, &res->e);
    if (status == FUT_OK)
        local_show(s, 0);
    return status;
}

// --- Coming and going ----------------------------------------------------------------------------------

static struct local *make(uint32_t kind, uint32_t status, const struct local_credentials *own)
{
    struct local *s = heap_zero(sizeof *s);
    if (s == nullptr)
        return nullptr;
    static uint64_t numbers;
    int64_t now = posixd.clock_page->realtime_offset_ns + (int64_t)now_ns();
    s->kind = kind;
    s->own = *own;
    s->last = &s->first;
    s->waiting_last = &s->waiting;
    s->file.class = &local_class;
    s->file.status = IO_STATUS_READ_WRITE | (status & IO_STATUS_NONBLOCK);
    s->file.node = (struct io_stat){.dev = 10, .ino = ++numbers, .mode = 0140777, .nlink = 1, .uid = own->uid, .gid = own->gid,
                                    .block_size = PAGE, .atime = now, .mtime = now, .ctime = now};
    s->next = locals;
    s->link = &locals;
    if (locals != nullptr)
        locals->link = &s->next;
    locals = s;
    return s;
}

static void leave_peer(struct local *s)
{
    struct local *p = s->peer;
    s->peer = nullptr;
    if (p == nullptr)
        return;
    if (s->kind == KIND_DATAGRAM) {
        p->referrers--;
    } else if (p->peer == s) {
        p->peer = nullptr;
        local_show(p, 0);
    }
}

static void close_end(struct end **end, struct local **of)
{
    struct end *e = *end;
    if (e == nullptr)
        return;
    *end = nullptr;
    *of = nullptr;
    pipe_class.closed(&e->file);
}

static void close_in(struct local *s)
{
    if (s->in != nullptr)
        close_end(&s->in, &s->in->pipe->reader);
}
static void close_out(struct local *s)
{
    if (s->out != nullptr)
        close_end(&s->out, &s->out->pipe->writer);
}

static void refuse_connecting(struct local *s, fut_status_t status)
{
    while (s->connecting != nullptr) {
        struct connecting *c = s->connecting;
        s->connecting = c->next;
        deferred_take(&c->deferred);
        (void)fut_reply_error(c->deferred.reply, status);
        heap_free(c);
    }
}

static void destroy(struct local *s)
{
    s->file.closing = true;
    while (s->waiting != nullptr) {
        struct local *w = s->waiting;
        s->waiting = w->next_waiting;
        destroy(w);
    }
    refuse_connecting(s, IO_ERROR_REFUSED);
    local_drop_packets(s);
    rights_drop_all(s);
    leave_peer(s);
    for (struct local *l = s->referrers != 0 ? locals : nullptr; l != nullptr; l = l->next) {
        if (l->peer == s) {
            l->peer = nullptr;
            local_show(l, 0);
        }
    }
    readiness_free(&s->ready);
    close_out(s);
    close_in(s);
    *s->link = s->next;
    if (s->next != nullptr)
        s->next->link = s->link;
    heap_free(s);
}

static void closed(struct file *f) { destroy(container(f, struct local, file)); }

const struct file_class local_class = {
    .ops = {.read = local_read, .write = local_write, .watch = local_watch, .read_into = local_read_into,
            .write_from = local_write_from},
    .closed = closed,
    .orphaned = rights_collect,
    .protocol = LOCAL_SOCKET_PROTOCOL,
};

static struct local_credentials credentials_of(const struct process *p)
{
    return (struct local_credentials){.pid = p->pid, .uid = p->cred.euid, .gid = p->cred.egid};
}

static bool good_kind(uint32_t kind) { return kind == KIND_STREAM || kind == KIND_DATAGRAM || kind == KIND_SEQPACKET; }

fut_status_t local_new(uint32_t kind, uint32_t status, const struct process *by, fut_handle_t *out)
{
    struct local_credentials own = credentials_of(by);
    if (!good_kind(kind))
        return IO_ERROR_NO_SOCKET_TYPE;
    struct local *s = make(kind, status, &own);
    io_file_t session;
    if (s == nullptr)
        return IO_ERROR_NO_MEMORY;
    fut_status_t result = file_session(&s->file, &local_class, &session);
    if (result != FUT_OK)
        destroy(s);
    else
        *out = session.h;
    return result;
}

// --- Connections ---------------------------------------------------------------------------------------

static bool join_pipe(struct local *from, struct local *to)
{
    struct pipe *p = pipe_new();
    if (p == nullptr)
        return false;
    p->changed = pipe_changed;
    p->drop_mark = pipe_drop_mark;
    from->out = pipe_end_bare(p, false, true, 0, &from->file.node);
    if (from->out == nullptr) {
        heap_free(p);
        return false;
    }
    p->writer = from;
    to->in = pipe_end_bare(p, true, false, 0, &to->file.node);
    if (to->in == nullptr) {
        close_out(from); // frees the pipe
        return false;
    }
    p->reader = to;
    return true;
}

static bool join(struct local *a, struct local *b)
{
    if (a->kind == KIND_STREAM) {
        if (!join_pipe(a, b))
            return false;
        if (!join_pipe(b, a)) {
            close_out(a);
            close_in(b);
            return false;
        }
    } else {
        a->peer = b;
        b->peer = a;
        if (a->kind == KIND_DATAGRAM)
            a->referrers++, b->referrers++;
    }
    a->was_connected = b->was_connected = true;
    a->others = b->own;
    b->others = a->own;
    return true;
}

fut_status_t local_pair(uint32_t kind, uint32_t status, const struct process *by, fut_handle_t *a, fut_handle_t *b)
{
    struct local_credentials own = credentials_of(by);
    if (!good_kind(kind))
        return IO_ERROR_NO_SOCKET_TYPE;
    struct local *one = make(kind, status, &own), *other = make(kind, status, &own);
    io_file_t first, second;
    fut_status_t result = IO_ERROR_NO_MEMORY;
    if (one != nullptr && other != nullptr && join(one, other)) {
        result = file_session(&one->file, &local_class, &first);
        if (result == FUT_OK && (result = file_session(&other->file, &local_class, &second)) == FUT_OK) {
            *a = first.h;
            *b = second.h;
            return FUT_OK;
        }
        if (one->file.sessions != 0) {
            (void)fut_cap_delete(first.h); // its notice destroys it
            one = nullptr;
        }
    }
    if (one != nullptr)
        destroy(one);
    if (other != nullptr)
        destroy(other);
    return result;
}

static fut_status_t new_connection(struct local *s, struct local *to)
{
    struct local *c = make(to->kind, 0, &to->own);
    if (c == nullptr)
        return IO_ERROR_NO_MEMORY;
    if (!join(s, c)) {
        destroy(c);
        return IO_ERROR_NO_MEMORY;
    }
    c->name = s->peer_name = to->name;
    c->peer_name = s->name;
    c->pending = true;
    *to->waiting_last = c;
    to->waiting_last = &c->next_waiting;
    to->waiting_count++;
    local_show(s, IO_READY_OUT);
    local_show(to, IO_READY_IN);
    return FUT_OK;
}

static void unlink_connecting(struct connecting *c)
{
    struct connecting **at = &c->to->connecting;
    while (*at != nullptr && *at != c)
        at = &(*at)->next;
    if (*at == c)
        *at = c->next;
}

static void connecting_cancel(struct deferred *d)
{
    struct connecting *c = container(d, struct connecting, deferred);
    unlink_connecting(c);
    (void)fut_reply_error(d->reply, IO_ERROR_INTERRUPTED);
    heap_free(c);
}

static void connecting_drop(struct deferred *d)
{
    struct connecting *c = container(d, struct connecting, deferred);
    unlink_connecting(c);
    heap_free(c);
}

static fut_status_t wait_for_room(struct fut_request *req, struct local *s, struct local *to)
{
    struct connecting *c = heap_zero(sizeof *c);
    if (c == nullptr)
        return IO_ERROR_NO_MEMORY;
    c->socket = s;
    c->to = to;
    struct connecting **at = &to->connecting;
    while (*at != nullptr)
        at = &(*at)->next;
    *at = c;
    if (!deferred_add(&c->deferred, req, connecting_cancel, connecting_drop)) {
        unlink_connecting(c);
        heap_free(c);
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_DEFER;
}

static fut_status_t connect(struct fut_request *req, struct fut_bytes name, uint64_t token)
{
    struct local *s = local_of(req);
    if (s->kind == KIND_DATAGRAM && name.len == 0 && token == 0) {
        leave_peer(s);
        s->was_connected = false;
        s->peer_name.length = 0;
        local_show(s, 0);
        return FUT_OK;
    }
    struct local *to = token != 0 ? local_by_token(token) : local_by_name(name.data, name.len);
    if (s->listening)
        return IO_ERROR_INVALID;
    if (s->kind != KIND_DATAGRAM && s->was_connected)
        return IO_ERROR_CONNECTED;
    if (to == nullptr)
        return IO_ERROR_REFUSED;
    if (to->kind != s->kind)
        return IO_ERROR_WRONG_PROTOCOL;
    if (s->kind == KIND_DATAGRAM) {
        if (to->peer != nullptr && to->peer != s)
            return IO_ERROR_NOT_PERMITTED; // it hears its own peer only
        leave_peer(s);
        s->peer = to;
        s->was_connected = true;
        to->referrers++;
        s->peer_name = to->name;
        s->others = to->own;
        local_show(s, 0);
        return FUT_OK;
    }
    if (!to->listening || to->no_receive)
        return IO_ERROR_REFUSED;
    if (to->waiting_count > to->backlog)
        return s->file.status & IO_STATUS_NONBLOCK ? IO_ERROR_TRY_AGAIN : wait_for_room(req, s, to);
    return new_connection(s, to);
}

static fut_status_t listen(struct fut_request *req, uint32_t backlog)
{
    struct local *s = local_of(req);
    if (s->kind == KIND_DATAGRAM)
        return IO_ERROR_NOT_SUPPORTED;
    if (s->token == 0 || s->was_connected)
        return IO_ERROR_INVALID;
    s->listening = true;
    s->backlog = backlog < 4096 ? backlog : 4096;
    local_show(s, 0);
    return FUT_OK;
}

static void give_name(struct fut_buffer *to, const struct name *name)
{
    memcpy(to->data, name->text, name->length);
    to->len = name->length;
}

static fut_status_t accept(struct fut_request *req, io_status_t status, struct local_socket_accept_result *res)
{
    struct local *s = local_of(req), *c = s->waiting;
    io_file_t session;
    if (!s->listening)
        return s->kind == KIND_DATAGRAM ? IO_ERROR_NOT_SUPPORTED : IO_ERROR_INVALID;
    if (c == nullptr)
        return s->no_receive ? IO_ERROR_INVALID : IO_ERROR_TRY_AGAIN;
    fut_status_t result = file_session(&c->file, &local_class, &session);
    if (result != FUT_OK)
        return result;
    s->waiting = c->next_waiting;
    if (s->waiting == nullptr)
        s->waiting_last = &s->waiting;
    s->waiting_count--;
    c->next_waiting = nullptr;
    c->pending = false;
    c->file.status = IO_STATUS_READ_WRITE | (status & IO_STATUS_NONBLOCK);
    res->s.h = session.h;
    give_name(&res->name, &c->peer_name);
    struct connecting *w = s->connecting;
    if (w != nullptr) { // there is room for one who waits
        s->connecting = w->next;
        deferred_take(&w->deferred);
        fut_status_t made = w->socket->was_connected ? IO_ERROR_CONNECTED : new_connection(w->socket, s);
        if (made == FUT_OK)
            (void)local_socket_connect_reply(w->deferred.reply);
        else
            (void)fut_reply_error(w->deferred.reply, made);
        heap_free(w);
    }
    local_show(s, 0);
    return FUT_OK;
}

static fut_status_t shutdown(struct fut_request *req, uint32_t how)
{
    struct local *s = local_of(req);
    if (how > 2)
        return IO_ERROR_INVALID;
    if (s->kind != KIND_DATAGRAM && !s->was_connected && !s->listening)
        return IO_ERROR_NOT_CONNECTED;
    bool in = how != 1, out = how != 0;
    s->no_receive |= in;
    s->no_send |= out;
    if (s->kind == KIND_STREAM) {
        if (in)
            close_in(s);
        if (out)
            close_out(s);
    } else if (s->peer != nullptr && s->kind == KIND_SEQPACKET) {
        s->peer->no_receive |= out;
        s->peer->no_send |= in;
        local_show(s->peer, 0);
    }
    if (s->listening && in)
        refuse_connecting(s, IO_ERROR_REFUSED);
    local_show(s, 0);
    return FUT_OK;
}

// --- Names ---------------------------------------------------------------------------------------------

struct local *local_by_name(const void *name, size_t length)
{
    for (struct local *s = locals; length != 0 && s != nullptr; s = s->next)
        if (s->token != 0 && s->ino == 0 && s->name.length == length && memcmp(s->name.text, name, length) == 0)
            return s;
    return nullptr;
}

struct local *local_by_token(uint64_t token)
{
    for (struct local *s = locals; s != nullptr; s = s->next)
        if (s->token == token)
            return s;
    return nullptr;
}

// Whoever has a token may send to the socket, so it cannot be guessed.
static void bound(struct local *s, const void *name, size_t length)
{
    do
        random_bytes(&s->token, sizeof s->token);
    while (s->token == 0);
    s->bound = ++tokens_bound;
    memcpy(s->name.text, name, length);
    s->name.length = (uint8_t)length;
}

static fut_status_t bind(struct fut_request *req, struct fut_bytes name)
{
    struct local *s = local_of(req);
    if (s->token != 0 || (name.len != 0 && *(const char *)name.data != 0))
        return IO_ERROR_INVALID;
    if (name.len != 0) {
        if (local_by_name(name.data, name.len) != nullptr)
            return IO_ERROR_ADDRESS_IN_USE;
        bound(s, name.data, name.len);
        return FUT_OK;
    }
    for (uint32_t tries = 0; tries < 64; tries++) {
        static uint32_t next;
        char text[6] = {0};
        uint32_t n = next++;
        for (int i = 5; i > 0; i--, n >>= 4)
            text[i] = "0123456789abcdef"[n & 15];
        if (local_by_name(text, sizeof text) == nullptr) {
            bound(s, text, sizeof text);
            return FUT_OK;
        }
    }
    return IO_ERROR_NO_SPACE;
}

fut_status_t local_bind_path(struct process *p, const struct fut_cap_arg *socket, struct fut_string path)
{
    struct object *o = socket->home ? object_find(socket->badge) : nullptr;
    if (o == nullptr || o->kind != OBJECT_FILE || container(o, struct file, object)->class != &local_class)
        return IO_ERROR_NOT_SOCKET;
    struct local *s = container(container(o, struct file, object), struct local, file);
    if (s->token != 0 || path.len == 0 || path.len > NAME_MAX)
        return IO_ERROR_INVALID;
    char copy[NAME_MAX];
    memcpy(copy, path.data, path.len);
    struct fut_string at = {copy, path.len};
    fut_status_t status = fs_context_make_node(p->context, (io_file_t){}, at, 0140777, 0);
    if (status != FUT_OK)
        return status == IO_ERROR_EXISTS ? IO_ERROR_ADDRESS_IN_USE : status > 0 && status != IO_ERROR_REMOTE ? status : IO_ERROR_DENIED;
    struct io_stat st;
    status = fs_context_stat(p->context, (io_file_t){}, at, FS_AT_NO_FOLLOW, &st);
    if (status != FUT_OK)
        return status > 0 ? status : IO_ERROR_IO;
    s->dev = st.dev;
    s->ino = st.ino;
    bound(s, copy, path.len);
    return FUT_OK;
}

fut_status_t local_find_path(struct process *p, struct fut_string path, uint64_t *token)
{
    char copy[NAME_MAX];
    if (path.len == 0 || path.len > NAME_MAX)
        return IO_ERROR_INVALID;
    memcpy(copy, path.data, path.len);
    io_file_t file = {};
    struct io_stat node;
    fut_status_t status = fs_context_open(p->context, (io_file_t){}, (struct fut_string){copy, path.len},
                                          FS_OPEN_FLAGS_WRITE_ONLY, 0, &file, &node);
    if (status != FUT_OK)
        return status > 0 && status != IO_ERROR_REMOTE ? status : IO_ERROR_REFUSED;
    if (file.h != 0)
        (void)fut_cap_delete(file.h);
    const struct local *found = nullptr;
    for (const struct local *s = locals; s != nullptr && (node.mode & 0170000) == 0140000; s = s->next)
        if (s->token != 0 && s->ino == node.ino && s->dev == node.dev && (found == nullptr || s->bound > found->bound))
            found = s;
    if (found == nullptr)
        return IO_ERROR_REFUSED;
    *token = found->token;
    return FUT_OK;
}

static fut_status_t name(struct fut_request *req, bool peer, struct local_socket_name_result *res)
{
    const struct local *s = local_of(req);
    if (peer && !s->was_connected && s->peer == nullptr)
        return IO_ERROR_NOT_CONNECTED;
    give_name(&res->name, peer ? &s->peer_name : &s->name);
    return FUT_OK;
}

static fut_status_t state(struct fut_request *req, struct local_socket_state_result *res)
{
    const struct local *s = local_of(req);
    res->s = (struct local_state){.kind = s->kind, .listening = s->listening, .connected = s->was_connected || s->peer != nullptr};
    if (s->in != nullptr)
        res->s.readable = s->in->pipe->ring.used;
    else if (s->first != nullptr)
        res->s.readable = s->first->size;
    if (s->out != nullptr)
        res->s.unread = s->out->pipe->ring.used;
    return FUT_OK;
}

static fut_status_t peer(struct fut_request *req, struct local_socket_peer_result *res)
{
    const struct local *s = local_of(req);
    bool has = s->was_connected || s->peer != nullptr;
    res->c = has ? s->others : s->listening ? s->own : (struct local_credentials){0, UINT32_MAX, UINT32_MAX};
    return FUT_OK;
}

const struct local_socket_ops local_ops = {
    .bind = bind, .connect = connect, .listen = listen, .accept = accept, .shutdown = shutdown, .name = name,
    .state = state, .peer = peer, .send = local_send, .send_from = local_send_from, .receive = local_receive,
    .receive_into = local_receive_into, .attach = rights_attach, .take = rights_take, .discard = rights_discard,
};
