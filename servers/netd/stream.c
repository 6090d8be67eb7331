// SPDX-License-Identifier: MPL-2.0
//
// TCP sockets over lwIP.
//
// Sending: bytes go from the caller's memory into chunks of packet memory, once, and lwIP sends from there; a chunk is
// released when all of it is acknowledged. Receiving: the pbufs stay as they came until they are read, and the window
// opens by what was read. Closing with bytes unsent leaves an orphan, which goes when the peer has acknowledged them.
#include "socket.h"
#include "lwip/priv/tcp_priv.h"

struct chunk {
    struct chunk *next;
    uint32_t used, acknowledged, size;
    uint8_t data[];
};
#define CHUNK_SMALL (4080 - sizeof(struct chunk))
#define CHUNK_LARGE (16368 - sizeof(struct chunk))

static err_t on_receive(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error);
static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t bytes);
static void on_error(void *argument, err_t error);

static void attach(struct socket *s, struct tcp_pcb *pcb)
{
    s->tcp = pcb;
    tcp_arg(pcb, s);
    tcp_recv(pcb, on_receive);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
}

static void detach(struct socket *s)
{
    if (!s->tcp)
        return;
    tcp_arg(s->tcp, nullptr);
    if (s->state == STREAM_LISTENING) {
        tcp_accept(s->tcp, nullptr);
    } else {
        tcp_recv(s->tcp, nullptr);
        tcp_sent(s->tcp, nullptr);
        tcp_err(s->tcp, nullptr);
        tcp_poll(s->tcp, nullptr, 0);
    }
    s->tcp = nullptr;
}

static void drop_chunks(struct socket *s)
{
    while (s->out_first) {
        struct chunk *c = s->out_first;
        s->out_first = c->next;
        netd_pool_free(c);
    }
    s->out_last = nullptr;
    s->out_bytes = 0;
}

static void bury(struct socket *s)
{
    detach(s);
    drop_chunks(s);
    packets_free(&s->in);
    socket_free(s);
}

fut_status_t stream_open(struct socket *s)
{
    struct tcp_pcb *pcb = tcp_new_ip_type(socket_ip_type(s));
    if (!pcb)
        return IO_ERROR_NO_BUFFERS;
    s->class = &stream_class;
    s->state = STREAM_NEW;
    s->linger_ns = -1;
    attach(s, pcb);
    return FUT_OK;
}

// --- What lwIP tells -----------------------------------------------------------------------------------

static err_t on_receive(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct socket *s = argument;
    (void)error;
    if (!s || s->orphan) {
        if (p) {
            tcp_recved(pcb, p->tot_len);
            pbuf_free(p);
        }
        return ERR_OK;
    }
    if (!p) {
        s->peer_done = true;
    } else if (s->reads_shut) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
        return ERR_OK;
    } else {
        if (!packets_add(&s->in, &(struct packet){.p = p}))
            return ERR_MEM; // lwIP keeps it and tries again
        s->in_bytes += p->tot_len;
    }
    socket_pump(s);
    return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t bytes)
{
    struct socket *s = argument;
    (void)pcb;
    if (!s)
        return ERR_OK;
    uint32_t left = bytes;
    while (left != 0 && s->out_first) {
        struct chunk *c = s->out_first;
        uint32_t n = c->used - c->acknowledged;
        n = n < left ? n : left;
        c->acknowledged += n;
        s->out_bytes -= n;
        left -= n;
        if (c->acknowledged == c->used) {
            s->out_first = c->next;
            if (!s->out_first)
                s->out_last = nullptr;
            netd_pool_free(c);
        }
    }
    if (s->orphan) {
        if (s->out_bytes == 0 && pcb->state != ESTABLISHED && pcb->state != CLOSE_WAIT) // not: its FIN could not be sent yet
            bury(s);
        return ERR_OK;
    }
    socket_pump(s);
    return ERR_OK;
}

// The pcb is gone already.
static void on_error(void *argument, err_t error)
{
    struct socket *s = argument;
    if (!s)
        return;
    s->tcp = nullptr;
    drop_chunks(s);
    if (s->orphan) {
        packets_free(&s->in);
        socket_free(s);
        return;
    }
    bool connecting = s->state == STREAM_CONNECTING;
    s->state = STREAM_OVER;
    s->peer_done = true;
    s->error = error == ERR_RST ? (connecting ? IO_ERROR_REFUSED : IO_ERROR_CONNECTION_RESET)
             : error == ERR_ABRT || error == ERR_TIMEOUT ? IO_ERROR_TIMED_OUT
             : error == ERR_CLSD ? 0 : error_of(error);
    socket_pump(s);
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct socket *s = argument;
    (void)pcb, (void)error;
    if (s && s->state == STREAM_CONNECTING) {
        s->state = STREAM_CONNECTED;
        socket_pump(s);
    }
    return ERR_OK;
}

static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct socket *l = argument;
    if (error != ERR_OK || !pcb || !l)
        return ERR_VAL;
    struct socket *s = socket_new(l->limits, l->family, l->type, l->protocol, IO_STATUS_READ_WRITE);
    if (!s)
        return ERR_MEM; // lwIP resets the connection
    s->class = &stream_class;
    s->state = STREAM_CONNECTED;
    s->linger_ns = l->linger_ns;
    s->v6_only = l->v6_only;
    s->send_limit = l->send_limit;
    attach(s, pcb);
    tcp_backlog_delayed(pcb);
    s->listener = l;
    *l->accept_last = s;
    l->accept_last = &s->accept_next;
    l->accept_count++;
    socket_pump(l);
    return ERR_OK;
}

struct socket *stream_accept(struct socket *l)
{
    struct socket *s = l->accept_first;
    if (!s)
        return nullptr;
    l->accept_first = s->accept_next;
    if (!l->accept_first)
        l->accept_last = &l->accept_first;
    l->accept_count--;
    s->accept_next = nullptr;
    s->listener = nullptr;
    if (s->tcp)
        tcp_backlog_accepted(s->tcp);
    return s;
}

// --- Calls ---------------------------------------------------------------------------------------------

static fut_status_t stream_bind(struct socket *s, const ip_addr_t *ip, uint16_t port)
{
    if (s->state != STREAM_NEW || !s->tcp || s->tcp->local_port != 0)
        return IO_ERROR_INVALID;
    return error_of(tcp_bind(s->tcp, ip, port));
}

static fut_status_t stream_connect(struct socket *s, const ip_addr_t *ip, uint16_t port)
{
    switch (s->state) {
    case STREAM_CONNECTING: return IO_ERROR_ALREADY;
    case STREAM_CONNECTED: return IO_ERROR_CONNECTED;
    case STREAM_LISTENING: return IO_ERROR_CONNECTED;
    case STREAM_OVER: // a program may try again with the same socket
        if (!s->tcp) {
            struct tcp_pcb *pcb = tcp_new_ip_type(socket_ip_type(s));
            if (!pcb)
                return IO_ERROR_NO_BUFFERS;
            attach(s, pcb);
        }
        break;
    case STREAM_NEW: break;
    }
    fut_status_t status = error_of(tcp_connect(s->tcp, ip, port, on_connected));
    if (status != FUT_OK)
        return status;
    s->error = 0;
    s->peer_done = s->reads_shut = s->writes_shut = false;
    s->state = STREAM_CONNECTING;
    return IO_ERROR_TRY_AGAIN;
}

static fut_status_t stream_disconnect(struct socket *s)
{
    (void)s;
    return IO_ERROR_NO_FAMILY;
}

fut_status_t stream_listen(struct socket *s, unsigned backlog)
{
    backlog = backlog < 1 ? 1 : backlog > 255 ? 255 : backlog;
    if (s->state == STREAM_LISTENING) {
        tcp_backlog_set(s->tcp, (u8_t)backlog);
        return FUT_OK;
    }
    if (s->state != STREAM_NEW || !s->tcp)
        return IO_ERROR_INVALID;
    if (s->tcp->local_port == 0) {
        err_t e = tcp_bind(s->tcp, s->family == SOCKET_FAMILY_INET ? IP4_ADDR_ANY : s->v6_only ? IP6_ADDR_ANY : IP_ANY_TYPE, 0);
        if (e != ERR_OK)
            return error_of(e);
    }
    err_t error;
    tcp_recv(s->tcp, nullptr);
    tcp_sent(s->tcp, nullptr);
    tcp_err(s->tcp, nullptr);
    struct tcp_pcb *pcb = tcp_listen_with_backlog_and_err(s->tcp, (u8_t)backlog, &error);
    if (!pcb) {
        attach(s, s->tcp);
        return error_of(error);
    }
    s->tcp = pcb;
    s->backlog = backlog;
    s->state = STREAM_LISTENING;
    s->accept_last = &s->accept_first;
    tcp_arg(pcb, s);
    tcp_accept(pcb, on_accept);
    return FUT_OK;
}

static fut_status_t writable(struct socket *s)
{
    if (s->error != 0)
        return socket_take_error(s);
    if (s->state == STREAM_CONNECTING)
        return IO_ERROR_TRY_AGAIN;
    if (s->state != STREAM_CONNECTED || s->writes_shut || !s->tcp)
        return IO_ERROR_BROKEN_PIPE;
    return FUT_OK;
}

static size_t room(const struct socket *s)
{
    if (s->out_bytes >= s->send_limit || s->tcp->snd_queuelen + 8 >= TCP_SND_QUEUELEN)
        return 0;
    size_t n = s->send_limit - s->out_bytes;
    return n < s->tcp->snd_buf ? n : s->tcp->snd_buf;
}

static struct chunk *chunk_for(struct socket *s, size_t bytes)
{
    struct chunk *c = s->out_last;
    if (c && c->used < c->size)
        return c;
    size_t size = bytes > CHUNK_SMALL ? CHUNK_LARGE : CHUNK_SMALL;
    c = netd_pool_malloc(sizeof *c + size);
    if (!c)
        return nullptr;
    *c = (struct chunk){.size = (uint32_t)size};
    if (s->out_last)
        s->out_last->next = c;
    else
        s->out_first = c;
    s->out_last = c;
    return c;
}

// A chunk that nothing was put into must not stay: no acknowledgement would ever release it.
static void drop_empty_chunk(struct socket *s)
{
    struct chunk *c = s->out_last, **at = &s->out_first, *before = nullptr;
    if (!c || c->used != 0)
        return;
    while (*at != c) {
        before = *at;
        at = &(*at)->next;
    }
    *at = nullptr;
    s->out_last = before;
    netd_pool_free(c);
}

static fut_status_t stream_send(struct socket *s, struct transfer *t)
{
    fut_status_t status = writable(s);
    if (status != FUT_OK)
        return status;
    if (t->addressed && !t->waits)
        t->addressed = false; // the peer of a stream is known; what is named is not looked at
    bool wrote = false;
    while (t->done < t->total) {
        size_t n = room(s);
        struct chunk *c = n != 0 ? chunk_for(s, t->total - t->done) : nullptr;
        if (!c) {
            status = IO_ERROR_TRY_AGAIN;
            break;
        }
        if (n > c->size - c->used)
            n = c->size - c->used;
        if (n > t->total - t->done)
            n = t->total - t->done;
        status = transfer_take(t, t->done, c->data + c->used, n);
        if (status != FUT_OK)
            break;
        bool more = t->done + n < t->total || (t->flags & SOCKET_FLAGS_MORE);
        err_t e = tcp_write(s->tcp, c->data + c->used, (u16_t)n, more ? TCP_WRITE_FLAG_MORE : 0);
        if (e != ERR_OK) {
            status = e == ERR_MEM ? IO_ERROR_TRY_AGAIN : error_of(e);
            break;
        }
        c->used += (uint32_t)n;
        s->out_bytes += n;
        t->done += n;
        wrote = true;
    }
    drop_empty_chunk(s);
    if (wrote && !s->cork && !(t->flags & SOCKET_FLAGS_MORE))
        (void)tcp_output(s->tcp);
    return status;
}

static void window_opens(struct socket *s, uint64_t bytes)
{
    while (s->tcp && bytes != 0) {
        u16_t n = bytes > 0xffff ? 0xffff : (u16_t)bytes;
        tcp_recved(s->tcp, n);
        bytes -= n;
    }
}

// Copies from the front; `peek` leaves everything as it is.
static fut_status_t copy_in(struct socket *s, struct transfer *t, bool peek)
{
    size_t offset = s->in_offset;
    uint64_t read = 0, at = t->done;
    fut_status_t status = FUT_OK;
    for (unsigned i = 0; at < t->total && (peek ? i < s->in.count : s->in.count != 0); i++) {
        struct pbuf *p = packets_at(&s->in, peek ? i : 0)->p;
        size_t skip = offset;
        struct pbuf *q = p;
        while (q && skip >= q->len) {
            skip -= q->len;
            q = q->next;
        }
        for (; q && at < t->total; q = q->next) {
            size_t n = q->len - skip;
            if (n > t->total - at)
                n = t->total - at;
            status = transfer_put(t, at, (const uint8_t *)q->payload + skip, n);
            if (status != FUT_OK)
                goto out;
            at += n;
            read += n;
            offset += n;
            skip = 0;
        }
        if (offset == p->tot_len) {
            offset = 0;
            if (!peek)
                packets_drop_first(&s->in);
        }
        if (!peek)
            s->in_offset = offset;
    }
out:
    if (peek) {
        t->done = at;
        return status;
    }
    s->in_offset = offset;
    t->done = at;
    s->in_bytes -= read;
    window_opens(s, read);
    return status;
}

static fut_status_t stream_receive(struct socket *s, struct transfer *t)
{
    if (s->in_bytes == 0 || t->total == t->done) {
        if (s->error != 0)
            return t->done != 0 ? FUT_OK : socket_take_error(s);
        if (s->peer_done || s->reads_shut)
            return FUT_OK;
        if (s->state == STREAM_NEW || s->state == STREAM_LISTENING || s->state == STREAM_OVER)
            return IO_ERROR_NOT_CONNECTED;
        return t->total == t->done ? FUT_OK : IO_ERROR_TRY_AGAIN;
    }
    bool peek = t->flags & SOCKET_FLAGS_PEEK;
    fut_status_t status = copy_in(s, t, peek);
    if (status == FUT_OK && (t->flags & SOCKET_FLAGS_WAIT_ALL) && !peek && t->done < t->total && !s->peer_done && s->error == 0)
        return IO_ERROR_TRY_AGAIN;
    return status;
}

static fut_status_t stream_shutdown(struct socket *s, bool reading, bool writing)
{
    if (s->state == STREAM_LISTENING) {
        // Linux: the socket listens no more and can be told to again; who waits in accept gets an error.
        return IO_ERROR_NOT_CONNECTED;
    }
    if (s->state != STREAM_CONNECTED && s->state != STREAM_CONNECTING)
        return IO_ERROR_NOT_CONNECTED;
    if (reading && !s->reads_shut) {
        s->reads_shut = true;
        uint64_t unread = s->in_bytes;
        while (s->in.count != 0)
            packets_drop_first(&s->in);
        s->in_bytes = 0;
        s->in_offset = 0;
        window_opens(s, unread);
    }
    if (writing && !s->writes_shut && s->tcp) {
        err_t e = tcp_shutdown(s->tcp, 0, 1);
        if (e != ERR_OK && e != ERR_CONN)
            return error_of(e);
        s->writes_shut = true;
    }
    return FUT_OK;
}

static void stream_local(struct socket *s, ip_addr_t *ip, uint16_t *port)
{
    if (s->tcp) {
        *ip = s->tcp->local_ip;
        *port = s->tcp->local_port;
    }
}

static bool stream_remote(struct socket *s, ip_addr_t *ip, uint16_t *port)
{
    if (s->state != STREAM_CONNECTED || !s->tcp)
        return false;
    *ip = s->tcp->remote_ip;
    *port = s->tcp->remote_port;
    return true;
}

static uint64_t stream_ready(struct socket *s)
{
    uint64_t r = 0;
    switch (s->state) {
    case STREAM_NEW: return IO_READY_OUT | IO_READY_HANGUP;
    case STREAM_CONNECTING: return 0;
    case STREAM_LISTENING: return s->accept_first ? IO_READY_IN : 0;
    default: break;
    }
    if (s->error != 0)
        r |= IO_READY_ERROR | IO_READY_IN | IO_READY_OUT;
    if (s->in_bytes != 0 || s->peer_done || s->reads_shut)
        r |= IO_READY_IN;
    if (s->peer_done || s->reads_shut)
        r |= IO_READY_READ_HANGUP;
    if (s->state == STREAM_OVER || (s->peer_done && s->writes_shut))
        r |= IO_READY_HANGUP | IO_READY_READ_HANGUP | IO_READY_IN;
    if (s->writes_shut || s->state == STREAM_OVER || (s->tcp && room(s) * 3 >= s->send_limit))
        r |= IO_READY_OUT;
    return r;
}

// --- Options -------------------------------------------------------------------------------------------

static fut_status_t stream_get(struct socket *s, uint16_t option, int64_t *value)
{
    struct tcp_pcb *pcb = s->state == STREAM_LISTENING ? nullptr : s->tcp;
    switch (option) {
    case SOCKET_OPTION_ACCEPTING: *value = s->state == STREAM_LISTENING; break;
    case SOCKET_OPTION_NO_DELAY: *value = pcb && tcp_nagle_disabled(pcb); break;
    case SOCKET_OPTION_CORK: *value = s->cork; break;
    case SOCKET_OPTION_KEEP_ALIVE: *value = s->tcp && ip_get_option(s->tcp, SOF_KEEPALIVE) != 0; break;
    case SOCKET_OPTION_KEEP_IDLE: *value = pcb ? pcb->keep_idle * (int64_t)NS_PER_MS : 0; break;
    case SOCKET_OPTION_KEEP_INTERVAL: *value = pcb ? pcb->keep_intvl * (int64_t)NS_PER_MS : 0; break;
    case SOCKET_OPTION_KEEP_COUNT: *value = pcb ? pcb->keep_cnt : 0; break;
    case SOCKET_OPTION_MAX_SEGMENT: *value = pcb ? pcb->mss : TCP_MSS; break;
    case SOCKET_OPTION_LINGER: *value = s->linger_ns; break;
    case SOCKET_OPTION_READABLE: *value = (int64_t)s->in_bytes; break;
    case SOCKET_OPTION_UNSENT: *value = (int64_t)s->out_bytes; break;
    default: return IO_ERROR_NO_OPTION;
    }
    return FUT_OK;
}

static fut_status_t stream_set(struct socket *s, uint16_t option, int64_t value)
{
    struct tcp_pcb *pcb = s->tcp;
    bool listening = s->state == STREAM_LISTENING;
    switch (option) {
    case SOCKET_OPTION_LINGER: s->linger_ns = value < 0 ? -1 : value; return FUT_OK;
    case SOCKET_OPTION_CORK:
        s->cork = value != 0;
        if (!s->cork && pcb && !listening)
            (void)tcp_output(pcb);
        return FUT_OK;
    default: break;
    }
    if (!pcb)
        return IO_ERROR_INVALID;
    switch (option) {
    case SOCKET_OPTION_KEEP_ALIVE:
        if (value)
            ip_set_option(pcb, SOF_KEEPALIVE);
        else
            ip_reset_option(pcb, SOF_KEEPALIVE);
        return FUT_OK;
    case SOCKET_OPTION_NO_DELAY:
        if (listening)
            return FUT_OK;
        if (value) {
            tcp_nagle_disable(pcb);
            (void)tcp_output(pcb);
        } else {
            tcp_nagle_enable(pcb);
        }
        return FUT_OK;
    case SOCKET_OPTION_KEEP_IDLE:
    case SOCKET_OPTION_KEEP_INTERVAL:
        if (value < (int64_t)NS_PER_SECOND || value > 32767 * (int64_t)NS_PER_SECOND)
            return IO_ERROR_INVALID;
        if (!listening && option == SOCKET_OPTION_KEEP_IDLE)
            pcb->keep_idle = (u32_t)(value / (int64_t)NS_PER_MS);
        else if (!listening)
            pcb->keep_intvl = (u32_t)(value / (int64_t)NS_PER_MS);
        return FUT_OK;
    case SOCKET_OPTION_KEEP_COUNT:
        if (value < 1 || value > 127)
            return IO_ERROR_INVALID;
        if (!listening)
            pcb->keep_cnt = (u32_t)value;
        return FUT_OK;
    default: return IO_ERROR_NO_OPTION;
    }
}

unsigned stream_linux_state(const struct socket *s)
{
    static const uint8_t linux_state[] = {
        [CLOSED] = 7, [LISTEN] = 10, [SYN_SENT] = 2, [SYN_RCVD] = 3, [ESTABLISHED] = 1, [FIN_WAIT_1] = 4,
        [FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8, [CLOSING] = 11, [LAST_ACK] = 9, [TIME_WAIT] = 6,
    };
    return s->tcp && s->tcp->state < sizeof linux_state ? linux_state[s->tcp->state] : 7;
}

void stream_info(struct socket *s, struct socket_stream_info *i)
{
    *i = (struct socket_stream_info){.state = stream_linux_state(s), .unsent = s->out_bytes, .readable = s->in_bytes};
    if (!s->tcp || s->state == STREAM_LISTENING)
        return;
    const struct tcp_pcb *pcb = s->tcp;
    i->segment = pcb->mss;
    i->round_trip_us = (uint32_t)(pcb->sa > 0 ? (pcb->sa >> 3) : 0) * TCP_SLOW_INTERVAL * 1000;
    i->variance_us = (uint32_t)(pcb->sv > 0 ? (pcb->sv >> 2) : 0) * TCP_SLOW_INTERVAL * 1000;
    i->window = pcb->cwnd;
    i->threshold = pcb->ssthresh;
    i->retransmits = pcb->nrtx;
    i->send_window = pcb->snd_wnd;
}

// --- The end -------------------------------------------------------------------------------------------

static err_t close_again(void *argument, struct tcp_pcb *pcb)
{
    struct socket *s = argument;
    if (!s || !s->orphan)
        return ERR_OK;
    if (tcp_close(pcb) == ERR_OK) {
        tcp_poll(pcb, nullptr, 0);
        if (s->out_bytes == 0)
            bury(s);
    }
    return ERR_OK;
}

static void stream_close(struct socket *s)
{
    while (s->accept_first) {
        struct socket *child = stream_accept(s);
        stream_close(child);
    }
    struct tcp_pcb *pcb = s->tcp;
    if (!pcb) {
        bury(s);
        return;
    }
    if (s->state == STREAM_LISTENING) {
        detach(s);
        (void)tcp_close(pcb);
        bury(s);
        return;
    }
    // What was received and never read, or a wish to: the peer is told by a reset.
    if (s->in_bytes != 0 || s->linger_ns == 0) {
        detach(s);
        tcp_abort(pcb);
        bury(s);
        return;
    }
    s->orphan = true;
    if (s->out_bytes == 0)
        detach(s);
    if (tcp_close(pcb) != ERR_OK) {
        if (!s->tcp)
            attach(s, pcb);
        tcp_poll(pcb, close_again, 1);
        return;
    }
    if (s->out_bytes == 0)
        bury(s);
}

const struct socket_class stream_class = {
    .bind = stream_bind, .connect = stream_connect, .disconnect = stream_disconnect, .send = stream_send,
    .receive = stream_receive, .shutdown = stream_shutdown, .local = stream_local, .remote = stream_remote,
    .get = stream_get, .set = stream_set, .ready = stream_ready, .close = stream_close,
};
