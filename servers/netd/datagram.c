// SPDX-License-Identifier: MPL-2.0
//
// Sockets that move whole packets: UDP, raw IP, and ICMP echo sockets (datagrams of protocol ICMP, which send and get
// echoes under an identifier of their own, so that a program needs no raw socket to ask whether a host is there).
#include "socket.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"

#define PACKET_COST 256             // what a waiting packet counts for beside its bytes
#define PACKET_MAX 65507u

static bool has_room(const struct socket *s, const struct pbuf *p)
{
    return s->in_bytes + (uint64_t)s->in.count * PACKET_COST + p->tot_len <= s->receive_limit || s->in.count == 0;
}

static void arrived(struct socket *s, struct pbuf *p, const ip_addr_t *from, uint16_t port)
{
    struct packet packet = {.p = p, .port = port, .interface = netif_get_index(ip_current_input_netif())};
    ip_addr_copy(packet.from, *from);
    ip_addr_copy(packet.to, *ip_current_dest_addr());
    if (ip_current_is_v6()) {
        packet.hops = IP6H_HOPLIM(ip6_current_header());
        packet.class = (uint8_t)IP6H_TC(ip6_current_header());
    } else {
        packet.hops = IPH_TTL(ip4_current_header());
        packet.class = IPH_TOS(ip4_current_header());
    }
    if (s->class == &udp_class)
        packet.to_port = s->udp->local_port;
    if (s->reads_shut || !packets_add(&s->in, &packet)) {
        pbuf_free(p);
        return;
    }
    s->in_bytes += p->tot_len;
    socket_pump(s);
}

static void on_udp(void *argument, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    struct socket *s = argument;
    (void)pcb;
    if (has_room(s, p))
        arrived(s, p, from, port);
    else
        pbuf_free(p);
}

// Whether a raw or echo socket wants this packet, whose payload (behind the IP header) begins at `at`.
static bool wanted(const struct socket *s, const struct pbuf *p, unsigned at)
{
    bool icmp = s->protocol == IP_PROTO_ICMP || s->protocol == IP6_NEXTH_ICMP6;
    if (!icmp)
        return true;
    uint8_t head[8];
    if (pbuf_copy_partial(p, head, sizeof head, (u16_t)at) != sizeof head)
        return s->echo_id == 0;
    if (!(s->filter[head[0] / 64] >> (head[0] % 64) & 1))
        return false;
    if (s->echo_id == 0)
        return true;
    bool reply = head[0] == (s->protocol == IP_PROTO_ICMP ? ICMP_ER : ICMP6_TYPE_EREP);
    return reply && (head[4] << 8 | head[5]) == s->echo_id;
}

// The packet goes on to others: what is kept is a copy. IPv4 raw sockets get the IP header too, IPv6 ones do not.
static u8_t on_raw(void *argument, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    struct socket *s = argument;
    (void)pcb;
    bool v6 = ip_current_is_v6();
    unsigned header = ip_current_header_tot_len();
    if (v6 != (s->family == SOCKET_FAMILY_INET6) || header > p->tot_len || !wanted(s, p, header) || !has_room(s, p))
        return 0;
    struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    if (!copy)
        return 0;
    if (v6 || s->echo_id != 0)
        copy = pbuf_free_header(copy, (u16_t)header);
    if (copy)
        arrived(s, copy, from, 0);
    return 0;
}

fut_status_t datagram_open(struct socket *s)
{
    bool icmp = s->protocol == (s->family == SOCKET_FAMILY_INET ? IP_PROTO_ICMP : IP6_NEXTH_ICMP6);
    if (s->type == SOCKET_TYPE_RAW || icmp) {
        s->raw = raw_new_ip_type(s->family == SOCKET_FAMILY_INET ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6, (u8_t)s->protocol);
        if (!s->raw)
            return IO_ERROR_NO_BUFFERS;
        s->class = &raw_class;
        memset(s->filter, 0xff, sizeof s->filter);
        if (s->type != SOCKET_TYPE_RAW) {
            do
                random_bytes(&s->echo_id, sizeof s->echo_id);
            while (s->echo_id == 0);
        }
        if (s->protocol == IP6_NEXTH_ICMP6) { // RFC 3542: always the stack's to compute
            s->raw->chksum_reqd = 1;
            s->raw->chksum_offset = 2;
        }
        if (s->protocol == 255)
            s->header_included = true;
        if (s->header_included)
            raw_set_flags(s->raw, RAW_FLAGS_HDRINCL);
        raw_recv(s->raw, on_raw, s);
        return FUT_OK;
    }
    s->udp = udp_new_ip_type(socket_ip_type(s));
    if (!s->udp)
        return IO_ERROR_NO_BUFFERS;
    s->class = &udp_class;
    udp_recv(s->udp, on_udp, s);
    return FUT_OK;
}

// --- Calls ---------------------------------------------------------------------------------------------

static fut_status_t udp_socket_bind(struct socket *s, const ip_addr_t *ip, uint16_t port)
{
    if (s->udp->local_port != 0)
        return IO_ERROR_INVALID;
    return error_of(udp_bind(s->udp, ip, port));
}

static fut_status_t raw_socket_bind(struct socket *s, const ip_addr_t *ip, uint16_t port)
{
    if (s->echo_id != 0 && port != 0)
        s->echo_id = port;
    return error_of(raw_bind(s->raw, ip));
}

static fut_status_t udp_socket_connect(struct socket *s, const ip_addr_t *ip, uint16_t port)
{
    if (!ip_route(&s->udp->local_ip, ip))
        return IO_ERROR_NETWORK_UNREACHABLE;
    fut_status_t status = error_of(udp_connect(s->udp, ip, port));
    s->connected = status == FUT_OK;
    return status;
}

static fut_status_t raw_socket_connect(struct socket *s, const ip_addr_t *ip, uint16_t port)
{
    (void)port;
    fut_status_t status = error_of(raw_connect(s->raw, ip));
    s->connected = status == FUT_OK;
    return status;
}

static fut_status_t udp_socket_disconnect(struct socket *s)
{
    udp_disconnect(s->udp);
    s->connected = false;
    return FUT_OK;
}

static fut_status_t raw_socket_disconnect(struct socket *s)
{
    raw_disconnect(s->raw);
    s->connected = false;
    return FUT_OK;
}

// An echo request under this socket's identifier.
static fut_status_t make_echo(struct socket *s, struct pbuf *p)
{
    bool v4 = s->protocol == IP_PROTO_ICMP;
    if (p->len < 8)
        return IO_ERROR_INVALID;
    uint8_t *h = p->payload;
    if (h[0] != (v4 ? ICMP_ECHO : ICMP6_TYPE_EREQ) || h[1] != 0)
        return IO_ERROR_INVALID;
    h[2] = h[3] = 0;
    h[4] = (uint8_t)(s->echo_id >> 8);
    h[5] = (uint8_t)s->echo_id;
    if (v4) {
        uint16_t sum = inet_chksum_pbuf(p);
        memcpy(h + 2, &sum, 2);
    }
    return FUT_OK;
}

static fut_status_t datagram_send(struct socket *s, struct transfer *t)
{
    bool raw = s->class == &raw_class;
    if (s->error != 0)
        return socket_take_error(s);
    if (s->writes_shut)
        return IO_ERROR_BROKEN_PIPE;
    if (!t->addressed && !s->connected && !s->header_included)
        return IO_ERROR_NO_DESTINATION;
    if (t->total > PACKET_MAX)
        return IO_ERROR_MESSAGE_SIZE;
    const ip_addr_t *to = t->addressed ? &t->address : raw ? &s->raw->remote_ip : &s->udp->remote_ip;
    uint8_t options = raw ? s->raw->so_options : s->udp->so_options;
    if (!IP_IS_V6_VAL(*to) && !(options & SOF_BROADCAST)) {
        struct netif *netif = ip4_route(ip_2_ip4(to));
        if (netif && ip_addr_isbroadcast(to, netif))
            return IO_ERROR_DENIED;
    }
    struct pbuf *p = pbuf_alloc(s->header_included ? PBUF_LINK : raw ? PBUF_IP : PBUF_TRANSPORT, (u16_t)t->total, PBUF_RAM);
    if (!p)
        return IO_ERROR_TRY_AGAIN;
    fut_status_t status = FUT_OK;
    if (t->total != 0)
        status = transfer_take(t, 0, p->payload, t->total);
    if (status == FUT_OK && s->echo_id != 0)
        status = make_echo(s, p);
    if (status == FUT_OK) {
        err_t e;
        if (raw)
            e = t->addressed ? raw_sendto(s->raw, p, &t->address) : raw_send(s->raw, p);
        else
            e = t->addressed ? udp_sendto(s->udp, p, &t->address, t->port) : udp_send(s->udp, p);
        status = e == ERR_VAL && t->total > 1472 ? IO_ERROR_MESSAGE_SIZE : error_of(e);
    }
    pbuf_free(p);
    if (status == FUT_OK)
        t->done = t->total;
    return status;
}

static fut_status_t datagram_receive(struct socket *s, struct transfer *t)
{
    struct packet *packet = packets_first(&s->in);
    if (!packet) {
        if (s->error != 0)
            return socket_take_error(s);
        return s->reads_shut ? FUT_OK : IO_ERROR_TRY_AGAIN;
    }
    struct pbuf *p = packet->p;
    uint64_t n = p->tot_len < t->total ? p->tot_len : t->total, at = 0;
    fut_status_t status = FUT_OK;
    for (struct pbuf *q = p; q && at < n && status == FUT_OK; q = q->next) {
        uint64_t part = q->len < n - at ? q->len : n - at;
        status = transfer_put(t, at, q->payload, part);
        at += part;
    }
    if (status != FUT_OK)
        return status;
    t->done = n;
    struct socket_received *r = &t->received;
    address_out(&packet->from, packet->port, s->family, &r->from);
    address_out(&packet->to, packet->to_port, s->family, &r->to);
    r->length = p->tot_len;
    r->flags = p->tot_len > t->total ? SOCKET_FLAGS_TRUNC : 0;
    r->interface = packet->interface;
    r->hops = packet->hops;
    r->traffic_class = packet->class;
    if (!(t->flags & SOCKET_FLAGS_PEEK)) {
        s->in_bytes -= p->tot_len;
        packets_drop_first(&s->in);
    }
    return FUT_OK;
}

static fut_status_t datagram_shutdown(struct socket *s, bool reading, bool writing)
{
    if (!s->connected)
        return IO_ERROR_NOT_CONNECTED;
    s->reads_shut |= reading;
    s->writes_shut |= writing;
    return FUT_OK;
}

static void udp_local(struct socket *s, ip_addr_t *ip, uint16_t *port)
{
    *ip = s->udp->local_ip;
    *port = s->udp->local_port;
    // A connected socket has the address that its packets leave with.
    if (s->connected && ip_addr_isany(ip)) {
        struct netif *netif = ip_route(ip, &s->udp->remote_ip);
        const ip_addr_t *from = netif ? ip_netif_get_local_ip(netif, &s->udp->remote_ip) : nullptr;
        if (from)
            *ip = *from;
    }
}

static bool udp_remote(struct socket *s, ip_addr_t *ip, uint16_t *port)
{
    *ip = s->udp->remote_ip;
    *port = s->udp->remote_port;
    return s->connected;
}

static void raw_local(struct socket *s, ip_addr_t *ip, uint16_t *port)
{
    *ip = s->raw->local_ip;
    *port = s->echo_id;
}

static bool raw_remote(struct socket *s, ip_addr_t *ip, uint16_t *port)
{
    *ip = s->raw->remote_ip;
    *port = 0;
    return s->connected;
}

static uint64_t datagram_ready(struct socket *s)
{
    uint64_t r = IO_READY_OUT;
    if (s->in.count != 0 || s->reads_shut)
        r |= IO_READY_IN;
    if (s->error != 0)
        r |= IO_READY_IN | IO_READY_ERROR;
    if (s->reads_shut)
        r |= IO_READY_READ_HANGUP | (s->writes_shut ? IO_READY_HANGUP : 0);
    return r;
}

static fut_status_t datagram_get(struct socket *s, uint16_t option, int64_t *value)
{
    bool raw = s->class == &raw_class;
    switch (option) {
    case SOCKET_OPTION_READABLE: *value = s->in.count != 0 ? packets_first(&s->in)->p->tot_len : 0; return FUT_OK;
    case SOCKET_OPTION_UNSENT: *value = 0; return FUT_OK;
    case SOCKET_OPTION_MULTICAST_TTL: *value = raw ? s->raw->mcast_ttl : s->udp->mcast_ttl; return FUT_OK;
    case SOCKET_OPTION_MULTICAST_LOOP:
        *value = raw ? (s->raw->flags & RAW_FLAGS_MULTICAST_LOOP) != 0 : (s->udp->flags & UDP_FLAGS_MULTICAST_LOOP) != 0;
        return FUT_OK;
    case SOCKET_OPTION_MULTICAST_INTERFACE: *value = raw ? s->raw->mcast_ifindex : s->udp->mcast_ifindex; return FUT_OK;
    case SOCKET_OPTION_HEADER_INCLUDED:
        *value = s->header_included;
        return raw && s->echo_id == 0 ? FUT_OK : IO_ERROR_NO_OPTION;
    case SOCKET_OPTION_CHECKSUM_AT:
        *value = raw && s->raw->chksum_reqd ? s->raw->chksum_offset : -1;
        return raw ? FUT_OK : IO_ERROR_NO_OPTION;
    default: return IO_ERROR_NO_OPTION;
    }
}

static fut_status_t datagram_set(struct socket *s, uint16_t option, int64_t value)
{
    bool raw = s->class == &raw_class;
    switch (option) {
    case SOCKET_OPTION_MULTICAST_TTL:
        if (value < 0 || value > 255)
            return IO_ERROR_INVALID;
        if (raw)
            s->raw->mcast_ttl = (u8_t)value;
        else
            udp_set_multicast_ttl(s->udp, (u8_t)value);
        return FUT_OK;
    case SOCKET_OPTION_MULTICAST_LOOP:
        if (raw && value)
            raw_set_flags(s->raw, RAW_FLAGS_MULTICAST_LOOP);
        else if (raw)
            raw_clear_flags(s->raw, RAW_FLAGS_MULTICAST_LOOP);
        else if (value)
            udp_set_flags(s->udp, UDP_FLAGS_MULTICAST_LOOP);
        else
            udp_clear_flags(s->udp, UDP_FLAGS_MULTICAST_LOOP);
        return FUT_OK;
    case SOCKET_OPTION_MULTICAST_INTERFACE:
        if (value < 0 || value > 255 || (value != 0 && !netif_get_by_index((u8_t)value)))
            return IO_ERROR_NO_DEVICE;
        if (raw)
            s->raw->mcast_ifindex = (u8_t)value;
        else
            udp_set_multicast_netif_index(s->udp, (u8_t)value);
        return FUT_OK;
    case SOCKET_OPTION_HEADER_INCLUDED:
        if (!raw || s->echo_id != 0 || s->family != SOCKET_FAMILY_INET)
            return IO_ERROR_NO_OPTION;
        s->header_included = value != 0;
        if (value)
            raw_set_flags(s->raw, RAW_FLAGS_HDRINCL);
        else
            raw_clear_flags(s->raw, RAW_FLAGS_HDRINCL);
        return FUT_OK;
    case SOCKET_OPTION_CHECKSUM_AT:
        if (!raw || s->family != SOCKET_FAMILY_INET6)
            return IO_ERROR_NO_OPTION;
        if (s->protocol == IP6_NEXTH_ICMP6)
            return value == 2 ? FUT_OK : IO_ERROR_INVALID;
        if (value >= 0 && (value % 2 != 0 || value > 1024))
            return IO_ERROR_INVALID;
        s->raw->chksum_reqd = value >= 0;
        s->raw->chksum_offset = value >= 0 ? (u16_t)value : 0;
        return FUT_OK;
    default: return IO_ERROR_NO_OPTION;
    }
}

static void datagram_close(struct socket *s)
{
    group_leave_all(s);
    if (s->class == &raw_class)
        raw_remove(s->raw);
    else
        udp_remove(s->udp);
    packets_free(&s->in);
    socket_free(s);
}

const struct socket_class udp_class = {
    .bind = udp_socket_bind, .connect = udp_socket_connect, .disconnect = udp_socket_disconnect, .send = datagram_send,
    .receive = datagram_receive, .shutdown = datagram_shutdown, .local = udp_local, .remote = udp_remote,
    .get = datagram_get, .set = datagram_set, .ready = datagram_ready, .close = datagram_close,
};

const struct socket_class raw_class = {
    .bind = raw_socket_bind, .connect = raw_socket_connect, .disconnect = raw_socket_disconnect, .send = datagram_send,
    .receive = datagram_receive, .shutdown = datagram_shutdown, .local = raw_local, .remote = raw_remote,
    .get = datagram_get, .set = datagram_set, .ready = datagram_ready, .close = datagram_close,
};
