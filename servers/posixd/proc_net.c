// SPDX-License-Identifier: MPL-2.0
//
// /proc/net: what netd says about interfaces, addresses, routes, neighbours and sockets at the moment of reading, in
// Linux's formats, and posixd's own sockets. Without a network the files are there and have their headings only.
#include "local.h"
#include "proc.h"

// netd is asked entry by entry; more than this is not listed.
#define ENTRIES_MAX 4096u
#define HAVE_NET (posixd.netctl.h != 0)

static unsigned long long wide(uint64_t v) { return v; }

static void interface_name(uint32_t index, char name[16])
{
    memcpy(name, "?", 2);
    for (uint32_t n = 0; n < 64; n++) {
        struct netctl_interface i;
        struct fut_string text;
        if (netctl_control_get_interface(posixd.netctl, n, &i, &text) != FUT_OK)
            return;
        if (i.index == index) {
            size_t length = text.len < 15 ? text.len : 15;
            memcpy(name, text.data, length);
            name[length] = 0;
            return;
        }
    }
}

void proc_net_dev(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "Inter-|   Receive                                                |  Transmit\n"
                " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n");
    for (uint32_t n = 0; HAVE_NET && n < 64; n++) {
        struct netctl_interface i;
        struct fut_string name;
        if (netctl_control_get_interface(posixd.netctl, n, &i, &name) != FUT_OK)
            return;
        text_add(t, "%6.*s: %7llu %7llu %4llu %4llu    0     0          0 %9llu %8llu %7llu %4llu %4llu    0     0       0          0\n",
                 (int)name.len, name.data, wide(i.rx_bytes), wide(i.rx_packets), wide(i.rx_errors), wide(i.rx_dropped),
                 wide(i.rx_multicast), wide(i.tx_bytes), wide(i.tx_packets), wide(i.tx_errors), wide(i.tx_dropped));
    }
}

static uint32_t word(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static bool next_route(uint32_t n, uint16_t family, struct netctl_route *r, bool *fits)
{
    if (!HAVE_NET || n >= ENTRIES_MAX || netctl_control_get_route(posixd.netctl, n, r) != FUT_OK)
        return false;
    *fits = r->destination.family == family;
    return true;
}

void proc_net_route(struct text *t, struct process *p)
{
    struct netctl_route r;
    bool fits;
    (void)p;
    text_add(t, "%-127s\n", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
    for (uint32_t n = 0; next_route(n, SOCKET_FAMILY_INET, &r, &fits); n++) {
        if (!fits)
            continue;
        char name[16];
        interface_name(r.interface, name);
        uint32_t mask = r.prefix_bits == 0 ? 0 : __builtin_bswap32(~0u << (32 - r.prefix_bits));
        bool through = r.gateway.family != SOCKET_FAMILY_NONE;
        text_add(t, "%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t0\t0\t0\n", name, word(r.destination.bytes),
                 through ? word(r.gateway.bytes) : 0, 1 | (through ? 2 : 0) | (r.prefix_bits == 32 ? 4 : 0), r.metric, mask);
    }
}

static void hex(struct text *t, const uint8_t *bytes)
{
    for (int i = 0; i < 16; i++)
        text_add(t, "%02x", bytes[i]);
}

void proc_net_ipv6_route(struct text *t, struct process *p)
{
    struct netctl_route r;
    bool fits;
    (void)p;
    for (uint32_t n = 0; next_route(n, SOCKET_FAMILY_INET6, &r, &fits); n++) {
        if (!fits)
            continue;
        char name[16];
        static const uint8_t none[16];
        bool through = r.gateway.family != SOCKET_FAMILY_NONE;
        interface_name(r.interface, name);
        hex(t, r.destination.bytes);
        text_add(t, " %02x ", r.prefix_bits);
        hex(t, none);
        text_add(t, " 00 ");
        hex(t, through ? r.gateway.bytes : none);
        text_add(t, " %08x %08x %08x %08x %8s\n", r.metric, 1, 0, 1 | (through ? 2 : 0), name);
    }
}

void proc_net_if_inet6(struct text *t, struct process *p)
{
    (void)p;
    for (uint32_t n = 0; HAVE_NET && n < ENTRIES_MAX; n++) {
        struct netctl_interface_address a;
        if (netctl_control_get_address(posixd.netctl, n, &a) != FUT_OK)
            return;
        if (a.address.family != SOCKET_FAMILY_INET6)
            continue;
        char name[16];
        bool one = a.address.bytes[15] == 1 && a.prefix_bits == 128, link = a.address.bytes[0] == 0xfe && (a.address.bytes[1] & 0xc0) == 0x80;
        interface_name(a.interface, name);
        hex(t, a.address.bytes);
        text_add(t, " %02x %02x %02x %02x %8s\n", a.interface, a.prefix_bits, one ? 0x10 : link ? 0x20 : 0, a.state == 1 ? 0x40 : 0x80, name);
    }
}

void proc_net_arp(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "IP address       HW type     Flags       HW address            Mask     Device\n");
    for (uint32_t n = 0; HAVE_NET && n < ENTRIES_MAX; n++) {
        struct netctl_neighbour i;
        if (netctl_control_get_neighbour(posixd.netctl, n, &i) != FUT_OK)
            return;
        if (i.address.family != SOCKET_FAMILY_INET)
            continue;
        char name[16], address[16];
        interface_name(i.interface, name);
        const uint8_t *b = i.address.bytes;
        struct text a = {};
        text_add(&a, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        memcpy(address, a.failed ? "?" : a.data, a.failed ? 2 : a.len + 1);
        heap_free(a.data);
        text_add(t, "%-16s 0x1         0x%-10x%02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", address,
                 i.state == 0 ? 0 : i.state == 3 ? 6 : 2, i.mac[0], i.mac[1], i.mac[2], i.mac[3], i.mac[4], i.mac[5], name);
    }
}

// --- Sockets -------------------------------------------------------------------------------------------
static bool mapped(const uint8_t *b)
{
    for (int i = 0; i < 10; i++)
        if (b[i] != 0)
            return false;
    return b[10] == 0xff && b[11] == 0xff;
}

static void endpoint(struct text *t, const struct socket_address *a, bool six)
{
    if (!six) {
        text_add(t, "%08X:%04X", word(a->family == SOCKET_FAMILY_INET6 && mapped(a->bytes) ? a->bytes + 12 : a->bytes), a->port);
        return;
    }
    uint8_t b[16] = {};
    memcpy(b, a->bytes, 16);
    if (a->family == SOCKET_FAMILY_INET) {
        memset(b, 0, 16);
        b[10] = b[11] = 0xff;
        memcpy(b + 12, a->bytes, 4);
    }
    text_add(t, "%08X%08X%08X%08X:%04X", word(b), word(b + 4), word(b + 8), word(b + 12), a->port);
}

static void sockets(struct text *t, unsigned type, bool six)
{
    text_add(t, six ? "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
                    : "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n");
    unsigned line = 0;
    for (uint32_t n = 0; HAVE_NET && n < ENTRIES_MAX; n++) {
        struct netctl_endpoint e;
        if (netctl_control_get_endpoint(posixd.netctl, n, &e) != FUT_OK)
            return;
        bool is_six = e.local.family == SOCKET_FAMILY_INET6;
        if (e.type != type || is_six != six)
            continue;
        text_add(t, "%4u: ", line++);
        endpoint(t, &e.local, six);
        text_add(t, " ");
        endpoint(t, &e.remote, six);
        text_add(t, " %02X %08X:%08X 00:00000000 00000000 %5u        0 %llu\n", e.state, (uint32_t)e.send_queue,
                 (uint32_t)e.receive_queue, e.owner, wide(e.number));
    }
}

void proc_net_tcp(struct text *t, struct process *p) { (void)p, sockets(t, SOCKET_TYPE_STREAM, false); }
void proc_net_tcp6(struct text *t, struct process *p) { (void)p, sockets(t, SOCKET_TYPE_STREAM, true); }
void proc_net_udp(struct text *t, struct process *p) { (void)p, sockets(t, SOCKET_TYPE_DATAGRAM, false); }
void proc_net_udp6(struct text *t, struct process *p) { (void)p, sockets(t, SOCKET_TYPE_DATAGRAM, true); }
void proc_net_raw(struct text *t, struct process *p) { (void)p, sockets(t, SOCKET_TYPE_RAW, false); }
void proc_net_raw6(struct text *t, struct process *p) { (void)p, sockets(t, SOCKET_TYPE_RAW, true); }

void proc_net_unix(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    for (const struct local *s = locals; s != nullptr; s = s->next) {
        unsigned state = s->listening ? 1 : s->was_connected ? 3 : 1;
        text_add(t, "%016llx: %08X 00000000 %08X %04X %02X %llu", wide(s->file.node.ino), s->file.sessions + s->file.in_flight,
                 s->listening ? 0x10000 : 0, s->kind, state, wide(s->file.node.ino));
        if (s->name.length != 0) {
            text_add(t, " ");
            for (unsigned i = 0; i < s->name.length && (i == 0 || s->name.text[i] != 0 || s->ino == 0); i++)
                text_add(t, "%c", s->name.text[i] != 0 ? s->name.text[i] : '@');
        }
        text_add(t, "\n");
    }
}

void proc_net_snmp(struct text *t, struct process *p)
{
    struct netctl_counters c = {};
    (void)p;
    if (HAVE_NET)
        (void)!netctl_control_counters(posixd.netctl, &c);
    text_add(t, "Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers "
                "OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates\n"
                "Ip: 2 64 %llu %llu 0 0 0 %llu %llu %llu 0 %llu 0 0 %llu %llu 0 0 %llu\n",
             wide(c.ip_received), wide(c.ip_header_errors), wide(c.ip_dropped), wide(c.ip_delivered), wide(c.ip_sent),
             wide(c.ip_no_route), wide(c.ip_reassembled), wide(c.ip_reassembly_failed), wide(c.ip_fragments));
    text_add(t, "Icmp: InMsgs InErrors OutMsgs\nIcmp: %llu %llu %llu\n", wide(c.icmp_received), wide(c.icmp_errors), wide(c.icmp_sent));
    text_add(t, "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts\n"
                "Tcp: 1 200 120000 -1 %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu\n",
             wide(c.tcp_active_opens), wide(c.tcp_passive_opens), wide(c.tcp_failed), wide(c.tcp_resets), wide(c.tcp_established),
             wide(c.tcp_received), wide(c.tcp_sent), wide(c.tcp_retransmitted), wide(c.tcp_errors), wide(c.tcp_resets_sent));
    text_add(t, "Udp: InDatagrams NoPorts InErrors OutDatagrams\nUdp: %llu %llu %llu %llu\n", wide(c.udp_received), wide(c.udp_no_port),
             wide(c.udp_errors), wide(c.udp_sent));
}
