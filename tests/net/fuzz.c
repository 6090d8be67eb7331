// SPDX-License-Identifier: MPL-2.0
//
// netd's receive path on the host, under sanitizers: frames go in as they would come from a card, into netd's own sockets
// over the same lwIP. Packet memory is the host's malloc here, so that a byte read behind a frame's end is noticed.
//
// An input is a list of frames: one byte of flags, two of length (little-endian), the bytes. Flags: 1 the checksums are put
// right, 2 a TCP segment is made one of the connection that stands (its sequence numbers count from where that is), 4 a
// third of a second passes first, 8 the sockets are read afterwards, 16 something is written to the connection.
// `fuzz --seed DIR` writes a corpus to start from.
#include "../../servers/netd/socket.h"
#include "../../servers/netd/state.h"
#include "lwip/dhcp.h"
#include "lwip/ethip6.h"
#include "lwip/etharp.h"
#include "lwip/inet_chksum.h"
#include "lwip/init.h"
#include "lwip/nd6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#define IP(a, b, c, d) ((ip4_addr_t){.addr = PP_HTONL((u32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))})

// --- what netd has below it ------------------------------------------------------------------------------

struct fut_server server;
registry_directory_t registry;
struct pool pool;
static uint64_t now_ns = 1000000000, next_handle = 1;
static alignas(8192) uint8_t ipc_buffer[FUT_IPC_BUFFER_SIZE];

struct fut_result fut_host_syscall(uint64_t op, const uint64_t args[6])
{
    (void)args;
    if (op == FUT_SYS_CLOCK)
        return (struct fut_result){0, now_ns};
    if (op == FUT_SYS_CHANNEL_NEXT || op == FUT_SYS_CAP_TAKE)
        return (struct fut_result){FUT_ERR_NOT_FOUND, 0};
    return (struct fut_result){0, ++next_handle & 0xfffff};
}
void fut_host_ipc(struct fut_msg *m) { m->control = 0; }
void *fut_host_tls_word(unsigned n) { return n == 1 ? ipc_buffer : nullptr; }
fut_handle_t fut_startup_cap(const char *name) { (void)name; return 0; }
void fut_log(const char *format, ...) { (void)format; }
fut_status_t helper_start(void (*body)(void *), void *argument) { (void)body, (void)argument; return FUT_OK; }
void *netd_pool_malloc(size_t bytes) { return malloc(bytes); }
void *netd_pool_calloc(size_t count, size_t bytes) { return calloc(count, bytes); }
void netd_pool_free(void *p) { free(p); }
uint64_t nic_packets_held(void) { return 0; }
void netd_diagnostic(const char *format, ...) { (void)format; }
void netd_assert(const char *what, const char *file, int line)
{
    fprintf(stderr, "lwIP: %s (%s:%d)\n", what, file, line);
    abort();
}
u32_t sys_now(void) { return (u32_t)(now_ns / NS_PER_MS); }
void more_work(void) {}

// --- the machine -----------------------------------------------------------------------------------------

static struct netif card;
static struct socket *stream, *other_stream, *datagram, *raw, *raw6, *listener;
static uint64_t sent_frames;
static uint32_t peer_seq; // of the handshake

static err_t output(struct netif *netif, struct pbuf *p)
{
    (void)netif;
    static volatile uint8_t seen;
    for (struct pbuf *q = p; q; q = q->next)
        for (unsigned i = 0; i < q->len; i++)
            seen ^= ((const uint8_t *)q->payload)[i]; // what is sent was written
    sent_frames++;
    return ERR_OK;
}

static err_t begin(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 't';
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = output;
    netif->mtu = netif->mtu6 = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, (uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56}, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    return ERR_OK;
}

static struct fut_request request_of(void *object) { return (struct fut_request){.server = &server, .object = object, .perms = 0xffff}; }

static struct socket *open_socket(uint16_t family, uint8_t type, uint16_t protocol)
{
    struct fut_request r = request_of(network_root());
    struct socket_network_open_result res = {};
    if (network_ops.open(&r, family, type, protocol, IO_STATUS_NONBLOCK, &res) != FUT_OK)
        abort();
    return sockets;
}

static void feed(const uint8_t *data, size_t n)
{
    static uint8_t short_frame[FRAME_MIN];
    if (n != 0 && n < FRAME_MIN) { // as netd's receive does
        memcpy(short_frame, data, n);
        data = short_frame;
        n = frame_fill_up(short_frame, (uint32_t)n);
    }
    struct pbuf *p = n != 0 && n <= 2000 ? pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM) : nullptr;
    if (!p)
        return;
    memcpy(p->payload, data, n);
    if (card.input(p, &card) != ERR_OK)
        pbuf_free(p);
    netif_poll_all();
}

static const uint8_t ether[14] = {0x52, 0x54, 0, 0x12, 0x34, 0x56, 0x52, 0x55, 10, 0, 2, 2, 8, 0};

static void put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16), put16(p + 2, v & 0xffff); }

static uint16_t sum(const uint8_t *data, size_t n, uint32_t start)
{
    for (size_t i = 0; i < n; i++)
        start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (start >> 16)
        start = (start & 0xffff) + (start >> 16);
    return (uint16_t)~start;
}

static void put_checksums_right(uint8_t *f, size_t n)
{
    uint8_t *ip = f + 14, *up;
    size_t size, protocol;
    uint32_t pseudo;
    if (n < 34)
        return;
    if (f[12] == 8 && f[13] == 0) {
        size_t head = (ip[0] & 15) * 4u;
        if (head < 20 || 14 + head > n)
            return;
        put16(ip + 10, 0);
        put16(ip + 10, sum(ip, head, 0));
        size = (size_t)(ip[2] << 8 | ip[3]);
        if (size < head || 14 + size > n || (ip[6] & 0x3f) || ip[7])
            return;
        up = ip + head;
        size -= head;
        protocol = ip[9];
        pseudo = (uint16_t)~sum(ip + 12, 8, (uint32_t)(protocol + size));
    } else if (f[12] == 0x86 && f[13] == 0xdd && n >= 54) {
        up = ip + 40;
        size = (size_t)(ip[4] << 8 | ip[5]);
        protocol = ip[6];
        if (54 + size > n)
            return;
        pseudo = (uint16_t)~sum(ip + 8, 32, (uint32_t)(protocol + size));
    } else {
        return;
    }
    size_t at = protocol == 6 ? 16 : protocol == 17 ? 6 : protocol == 1 || protocol == 58 ? 2 : size;
    if (at + 2 > size)
        return;
    put16(up + at, 0);
    put16(up + at, sum(up, size, protocol == 1 ? 0 : pseudo));
}

// An IPv4 TCP frame becomes a segment of the connection.
static void make_segment(uint8_t *f, size_t n)
{
    if (!stream->tcp || n < 54 || f[12] != 8 || f[13] != 0 || f[23] != 6 || (f[14] & 15) != 5)
        return;
    const struct tcp_pcb *pcb = stream->tcp;
    uint8_t *t = f + 34;
    uint32_t seq = (uint32_t)t[4] << 24 | (uint32_t)t[5] << 16 | (uint32_t)t[6] << 8 | t[7];
    uint32_t ack = (uint32_t)t[8] << 24 | (uint32_t)t[9] << 16 | (uint32_t)t[10] << 8 | t[11];
    memcpy(f + 26, &pcb->remote_ip.u_addr.ip4.addr, 4);
    memcpy(f + 30, &pcb->local_ip.u_addr.ip4.addr, 4);
    put16(t, pcb->remote_port);
    put16(t + 2, pcb->local_port);
    put32(t + 4, pcb->rcv_nxt + (uint32_t)(int16_t)(seq & 0xffff));
    put32(t + 8, pcb->lastack + (uint32_t)(int16_t)(ack & 0xffff));
}

static size_t tcp_frame(uint8_t *f, unsigned flags, uint32_t seq, uint32_t ack, const void *data, size_t n)
{
    memcpy(f, ether, 14);
    memcpy(f + 14, (uint8_t[20]){0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 2, 2, 10, 0, 2, 15}, 20);
    put16(f + 16, (unsigned)(40 + n));
    memset(f + 34, 0, 20);
    put16(f + 34, 4000);
    put16(f + 36, 80);
    put32(f + 38, seq);
    put32(f + 42, ack);
    f[46] = 5 << 4;
    f[47] = (uint8_t)flags;
    put16(f + 48, 60000);
    memcpy(f + 54, data, n);
    put_checksums_right(f, 54 + n);
    return 54 + n;
}

static void read_all(void)
{
    struct socket *const all[] = {stream, other_stream, datagram, raw, raw6};
    static uint8_t bytes[IO_MAX_INLINE];
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct fut_request r = request_of(all[i]);
        struct socket_socket_receive_from_result res = {.data = {.data = bytes, .capacity = sizeof bytes}};
        (void)socket_ops.receive_from(&r, 3000, SOCKET_FLAGS_DONT_WAIT, &res);
        struct io_file_watch_result w = {};
        (void)socket_file_ops.watch(&r, &w);
    }
    struct fut_request r = request_of(listener);
    struct socket_socket_accept_result res = {};
    while (socket_ops.accept(&r, IO_STATUS_NONBLOCK, SOCKET_FLAGS_DONT_WAIT, &res) == FUT_OK)
        socket_closed(&sockets->object); // whichever is newest; all but ours go at the end anyway
}

static bool is_ours(const struct socket *s)
{
    return s == stream || s == other_stream || s == datagram || s == raw || s == raw6 || s == listener;
}

static void machine_on(void)
{
    static bool on;
    if (on)
        return;
    on = true;
    state_open();
    random_start();
    lwip_init();
    object_add_as(network_root(), OBJECT_NETWORK, 1);
    state_restore();
    names_start();
    ip4_addr_t ip = IP(10, 0, 2, 15), mask = IP(255, 255, 255, 0), gateway = IP(10, 0, 2, 2);
    netif_add(&card, &ip, &mask, &gateway, nullptr, begin, ethernet_input);
    netif_create_ip6_linklocal_address(&card, 1);
    netif_ip6_addr_set_state(&card, 0, IP6_ADDR_PREFERRED);
    netif_set_ip6_autoconfig_enabled(&card, 1);
    netif_set_default(&card);
    netif_set_hostname(&card, "futura");
    netif_set_link_up(&card);
    netif_set_up(&card);
    names_add(&card);
}

static void sockets_open(void)
{
    struct socket_address any = {.family = SOCKET_FAMILY_INET6, .port = 80}, echo = {.family = SOCKET_FAMILY_INET, .port = 7};
    struct fut_request r;
    listener = open_socket(SOCKET_FAMILY_INET6, SOCKET_TYPE_STREAM, 0);
    r = request_of(listener);
    (void)socket_ops.set_option(&r, SOCKET_OPTION_REUSE_ADDRESS, 1);
    if (socket_ops.bind(&r, &any) != FUT_OK || socket_ops.listen(&r, 16) != FUT_OK)
        abort();
    datagram = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_DATAGRAM, 0);
    r = request_of(datagram);
    (void)socket_ops.bind(&r, &echo);
    raw = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_RAW, 1);
    raw6 = open_socket(SOCKET_FAMILY_INET6, SOCKET_TYPE_RAW, 58);
    other_stream = open_socket(SOCKET_FAMILY_INET, SOCKET_TYPE_STREAM, 0);
    r = request_of(other_stream);
    struct socket_address far = {.family = SOCKET_FAMILY_INET, .port = 99, .bytes = {10, 0, 2, 2}};
    (void)socket_ops.connect(&r, &far);
    // A connection that stands.
    static uint8_t f[100];
    uint8_t arp[42];
    memcpy(arp, ether, 12);
    memcpy(arp + 12, (uint8_t[30]){8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 10, 0, 2, 15}, 30);
    feed(arp, sizeof arp);
    peer_seq += 100000;
    feed(f, tcp_frame(f, 2, peer_seq, 0, "", 0));
    struct tcp_pcb *pcb = tcp_active_pcbs;
    while (pcb && !(pcb->local_port == 80 && pcb->remote_port == 4000))
        pcb = pcb->next;
    if (!pcb)
        abort();
    feed(f, tcp_frame(f, 16, peer_seq + 1, pcb->snd_nxt, "", 0));
    stream = stream_accept(listener);
    socket_socket_t session;
    if (!stream || socket_give(stream, &session) != FUT_OK)
        abort();
    stream->status |= IO_STATUS_NONBLOCK;
    struct fut_request net = request_of(network_root());
    struct socket_network_lookup_result found = {};
    (void)network_ops.lookup(&net, FUT_STRING("peer.test"), SOCKET_FAMILY_NONE, &found);
}

// Nothing of one input is there for the next, except what lwIP itself keeps.
static void sockets_close(void)
{
    struct socket *const all[] = {stream, other_stream, datagram, raw, raw6, listener};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        socket_closed(&all[i]->object);
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
    if (sockets) {
        fprintf(stderr, "a socket is left\n");
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t f[2048];
    machine_on();
    sockets_open();
    while (size >= 3) {
        unsigned flags = data[0];
        size_t n = data[1] | (size_t)data[2] << 8;
        data += 3, size -= 3;
        n = n < size ? n : size;
        n = n < sizeof f ? n : sizeof f;
        memcpy(f, data, n);
        data += n, size -= n;
        if (flags & 4) {
            now_ns += 330 * NS_PER_MS;
            sys_check_timeouts();
        }
        if (flags & 2)
            make_segment(f, n);
        if (flags & 1)
            put_checksums_right(f, n);
        feed(f, n);
        if (flags & 16) {
            struct fut_request r = request_of(stream);
            struct io_file_write_result res = {};
            (void)socket_file_ops.write(&r, (struct fut_bytes){f, n}, &res);
        }
        if (flags & 8)
            read_all();
    }
    while (listener->accept_first) {
        struct socket *s = stream_accept(listener);
        s->class->close(s);
    }
    for (struct socket *s = sockets, *next; s; s = next) {
        next = s->next;
        if (!is_ours(s) && s->object.badge)
            socket_closed(&s->object);
    }
    now_ns += 30 * NS_PER_SECOND;
    sys_check_timeouts();
    sockets_close();
    return 0;
}
