// SPDX-License-Identifier: MPL-2.0
//
// The routing part of netlink, as far as programs that show and set addresses and routes use it: requests become calls
// of netctl.Control, and what it answers becomes messages. The descriptor is a datagram socket of the local domain to
// which the library itself sends the answers, so that receiving, waiting, fork and close are that socket's.
#include "posix.h"
#include <string.h>

struct head { uint32_t length; uint16_t type, flags; uint32_t sequence, pid; };
struct link_message { uint8_t family, pad; uint16_t type; int32_t index; uint32_t flags, change; };
struct address_message { uint8_t family, prefix, flags, scope; uint32_t index; };
struct route_message { uint8_t family, to_bits, from_bits, tos, table, protocol, scope, type; uint32_t flags; };
struct neighbour_message { uint8_t family, pad; uint16_t pad2; int32_t index; uint16_t state; uint8_t flags, type; };

enum { ERROR = 2, DONE = 3, NEWLINK = 16, GETLINK = 18, NEWADDR = 20, DELADDR, GETADDR, NEWROUTE = 24, DELROUTE, GETROUTE, NEWNEIGH = 28, GETNEIGH = 30 };
enum { MULTI = 2, ACK = 4, DUMP = 0x300 };
enum { TABLE_MAIN = 254, TABLE_LOCAL = 255, SCOPE_LINK = 253, SCOPE_HOST = 254 };

// --- Answers ----------------------------------------------------------------------------------------------------
struct answer {
    local_socket_t to;
    struct fut_bytes name;     // the socket's own
    struct head request;
    uint32_t last;             // where the message under way begins
    size_t used;
    long error;
    alignas(8) uint8_t bytes[3072];
};

static void flush(struct answer *a)
{
    uint32_t n;
    if (a->used != 0 && a->error == 0)
        a->error = posix_errno(local_socket_send(a->to, 0, 0, 0, a->name, (struct fut_bytes){a->bytes, a->used}, &n));
    a->used = 0;
}

static void begin(struct answer *a, uint16_t type, const void *body, size_t bytes)
{
    if (a->used + 512 > sizeof a->bytes)
        flush(a);
    a->last = (uint32_t)a->used;
    struct head h = {.type = type, .flags = a->request.flags & DUMP ? MULTI : 0, .sequence = a->request.sequence, .pid = posix_pid()};
    memcpy(a->bytes + a->used, &h, sizeof h);
    memset(a->bytes + a->used + sizeof h, 0, (bytes + 3) & ~(size_t)3);
    memcpy(a->bytes + a->used + sizeof h, body, bytes);
    a->used += sizeof h + ((bytes + 3) & ~(size_t)3);
}

static void attribute(struct answer *a, uint16_t type, const void *data, size_t bytes)
{
    const uint16_t head[2] = {(uint16_t)(4 + bytes), type};
    size_t whole = 4 + ((bytes + 3) & ~(size_t)3);
    if (a->used + whole > sizeof a->bytes)
        return;
    memset(a->bytes + a->used, 0, whole);
    memcpy(a->bytes + a->used, head, sizeof head);
    memcpy(a->bytes + a->used + 4, data, bytes);
    a->used += whole;
}

static void end(struct answer *a)
{
    uint32_t length = (uint32_t)(a->used - a->last);
    memcpy(a->bytes + a->last, &length, sizeof length);
}

static void acknowledge(struct answer *a, long error)
{
    struct { int32_t error; struct head of; } body = {(int32_t)error, a->request};
    a->request.flags &= (uint16_t)~DUMP;
    begin(a, ERROR, &body, sizeof body);
    end(a);
}

static size_t address_bytes(const struct socket_address *a) { return a->family == SOCKET_FAMILY_INET ? 4 : 16; }
static uint8_t family_number(const struct socket_address *a) { return a->family == SOCKET_FAMILY_INET ? AF_INET : AF_INET6; }
static bool wanted(uint8_t asked, const struct socket_address *a) { return asked == AF_UNSPEC || asked == family_number(a); }

static void link_out(struct answer *a, const struct netctl_interface *i, const char *name, size_t length)
{
    struct link_message m = {.type = (uint16_t)i->kind, .index = (int32_t)i->index, .flags = i->flags};
    char text[16] = {};
    memcpy(text, name, length < 15 ? length : 15);
    uint32_t queue = 1000;
    uint8_t state = i->flags & NETCTL_INTERFACE_FLAGS_LOOPBACK ? 0 : i->flags & NETCTL_INTERFACE_FLAGS_RUNNING ? 6 : 2;
    static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, none[6];
    if (i->flags & NETCTL_INTERFACE_FLAGS_RUNNING)
        m.flags |= 0x10000; // IFF_LOWER_UP
    begin(a, NEWLINK, &m, sizeof m);
    attribute(a, 3, text, strlen(text) + 1);
    attribute(a, 13, &queue, 4);
    attribute(a, 16, &state, 1);
    attribute(a, 4, &i->mtu, 4);
    attribute(a, 6, "noqueue", 8);
    attribute(a, 1, i->mac, 6);
    attribute(a, 2, i->flags & NETCTL_INTERFACE_FLAGS_LOOPBACK ? none : all, 6);
    const uint64_t counts[23] = {i->rx_packets, i->tx_packets, i->rx_bytes, i->tx_bytes, i->rx_errors, i->tx_errors, i->rx_dropped, i->tx_dropped, i->rx_multicast};
    attribute(a, 23, counts, sizeof counts); // IFLA_STATS64
    uint32_t narrow[23];
    for (int k = 0; k < 23; k++)
        narrow[k] = (uint32_t)counts[k];
    attribute(a, 7, narrow, sizeof narrow);
    end(a);
}

static long links(struct answer *a, int32_t only, const char *only_name)
{
    bool found = false;
    for (uint32_t n = 0;; n++) {
        struct netctl_interface i;
        struct fut_string name;
        long error = posix_net_errno(netctl_control_get_interface(posix.netctl, n, &i, &name));
        if (error == -ENOENT)
            return found || (only == 0 && only_name == nullptr) ? 0 : -19; // ENODEV
        if (error != 0)
            return error;
        char text[16] = {};
        memcpy(text, name.data, name.len < 15 ? name.len : 15);
        if ((only != 0 && i.index != (uint32_t)only) || (only_name != nullptr && strcmp(text, only_name) != 0))
            continue;
        found = true;
        link_out(a, &i, text, strlen(text));
    }
}

static void interface_name(uint32_t index, char name[16])
{
    memset(name, 0, 16);
    for (uint32_t n = 0;; n++) {
        struct netctl_interface i;
        struct fut_string text;
        if (netctl_control_get_interface(posix.netctl, n, &i, &text) != FUT_OK)
            return;
        if (i.index == index) {
            memcpy(name, text.data, text.len < 15 ? text.len : 15);
            return;
        }
    }
}

static bool is_loopback(const struct socket_address *a)
{
    static const uint8_t one[16] = {[15] = 1};
    return a->family == SOCKET_FAMILY_INET ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}

static long addresses(struct answer *a, uint8_t family)
{
    for (uint32_t n = 0;; n++) {
        struct netctl_interface_address i;
        long error = posix_net_errno(netctl_control_get_address(posix.netctl, n, &i));
        if (error != 0)
            return error == -ENOENT ? 0 : error;
        if (!wanted(family, &i.address))
            continue;
        bool link = i.address.family == SOCKET_FAMILY_INET6 && i.address.bytes[0] == 0xfe && (i.address.bytes[1] & 0xc0) == 0x80;
        struct address_message m = {.family = family_number(&i.address), .prefix = i.prefix_bits,
                                    .flags = i.valid_s == UINT32_MAX ? 0x80 : 0,
                                    .scope = is_loopback(&i.address) ? SCOPE_HOST : link ? SCOPE_LINK : 0, .index = i.interface};
        if (i.state == 1)
            m.flags |= 0x40; // tentative
        size_t bytes = address_bytes(&i.address);
        char name[16];
        interface_name(i.interface, name);
        begin(a, NEWADDR, &m, sizeof m);
        attribute(a, 1, i.address.bytes, bytes);
        if (m.family == AF_INET) {
            attribute(a, 2, i.address.bytes, bytes);
            if (i.broadcast.family == SOCKET_FAMILY_INET)
                attribute(a, 4, i.broadcast.bytes, bytes);
            attribute(a, 3, name, strlen(name) + 1);
        }
        const uint32_t times[4] = {i.valid_s, i.valid_s};
        attribute(a, 6, times, sizeof times);
        end(a);
    }
}

static void route_out(struct answer *a, const struct netctl_route *r, const struct socket_address *destination, uint8_t bits)
{
    bool direct = r->gateway.family == SOCKET_FAMILY_NONE;
    static const uint8_t protocol[4] = {3 /* boot */, 16 /* dhcp */, 9 /* ra */, 2 /* kernel */};
    struct route_message m = {.family = family_number(destination), .to_bits = bits, .table = TABLE_MAIN,
                              .protocol = protocol[r->source & 3], .scope = direct ? SCOPE_LINK : 0, .type = 1};
    size_t bytes = address_bytes(destination);
    begin(a, NEWROUTE, &m, sizeof m);
    if (bits != 0)
        attribute(a, 1, destination->bytes, bytes);
    if (!direct)
        attribute(a, 5, r->gateway.bytes, bytes);
    attribute(a, 4, &r->interface, 4);
    if (r->metric != 0)
        attribute(a, 6, &r->metric, 4);
    end(a);
}

static long routes(struct answer *a, uint8_t family)
{
    for (uint32_t n = 0;; n++) {
        struct netctl_route r;
        long error = posix_net_errno(netctl_control_get_route(posix.netctl, n, &r));
        if (error != 0)
            return error == -ENOENT ? 0 : error;
        if (wanted(family, &r.destination))
            route_out(a, &r, &r.destination, r.prefix_bits);
    }
}

static bool in_prefix(const struct socket_address *a, const struct netctl_route *r)
{
    if (a->family != r->destination.family)
        return false;
    for (unsigned bit = 0; bit < r->prefix_bits && bit < 128; bit++)
        if ((a->bytes[bit / 8] ^ r->destination.bytes[bit / 8]) & (0x80 >> bit % 8))
            return false;
    return true;
}

// The route that a packet to this address would take.
static long one_route(struct answer *a, const struct socket_address *to)
{
    struct netctl_route best = {};
    bool found = false;
    for (uint32_t n = 0;; n++) {
        struct netctl_route r;
        long error = posix_net_errno(netctl_control_get_route(posix.netctl, n, &r));
        if (error == -ENOENT)
            break;
        if (error != 0)
            return error;
        if (in_prefix(to, &r) && (!found || r.prefix_bits > best.prefix_bits || (r.prefix_bits == best.prefix_bits && r.metric < best.metric))) {
            best = r;
            found = true;
        }
    }
    if (!found)
        return -101; // ENETUNREACH
    route_out(a, &best, to, (uint8_t)(address_bytes(to) * 8));
    return 0;
}

static long neighbours(struct answer *a, uint8_t family)
{
    static const uint16_t state[4] = {1, 2, 4, 0x80};
    for (uint32_t n = 0;; n++) {
        struct netctl_neighbour i;
        long error = posix_net_errno(netctl_control_get_neighbour(posix.netctl, n, &i));
        if (error != 0)
            return error == -ENOENT ? 0 : error;
        if (!wanted(family, &i.address))
            continue;
        struct neighbour_message m = {.family = family_number(&i.address), .index = (int32_t)i.interface, .state = state[i.state & 3], .type = 1};
        begin(a, NEWNEIGH, &m, sizeof m);
        attribute(a, 1, i.address.bytes, address_bytes(&i.address));
        attribute(a, 2, i.mac, 6);
        end(a);
    }
}

// --- Requests ----------------------------------------------------------------------------------------------------
// Attribute `type` behind the fixed part; null: not there, or too short.
static const uint8_t *find(const uint8_t *at, size_t left, uint16_t type, size_t bytes)
{
    while (left >= 4) {
        uint16_t head[2];
        memcpy(head, at, sizeof head);
        if (head[0] < 4 || head[0] > left)
            return nullptr;
        if ((head[1] & 0x3fff) == type)
            return head[0] >= 4 + bytes ? at + 4 : nullptr;
        size_t step = (head[0] + 3u) & ~3u;
        if (step >= left)
            return nullptr;
        at += step;
        left -= step;
    }
    return nullptr;
}

static bool address_of(struct socket_address *to, uint8_t family, const uint8_t *bytes)
{
    if (bytes == nullptr || (family != AF_INET && family != AF_INET6))
        return false;
    *to = (struct socket_address){.family = family == AF_INET ? SOCKET_FAMILY_INET : SOCKET_FAMILY_INET6};
    memcpy(to->bytes, bytes, family == AF_INET ? 4 : 16);
    return true;
}

static long set_link(const struct link_message *m, const uint8_t *attributes, size_t left)
{
    uint32_t index = (uint32_t)m->index, mtu;
    const uint8_t *name = find(attributes, left, 3, 1), *p;
    if (index == 0 && name != nullptr) {
        for (uint32_t n = 0; index == 0; n++) {
            struct netctl_interface i;
            struct fut_string text;
            if (netctl_control_get_interface(posix.netctl, n, &i, &text) != FUT_OK)
                return -19;
            if (text.len == strnlen((const char *)name, 15) && memcmp(text.data, name, text.len) == 0)
                index = i.index;
        }
    }
    if (index == 0)
        return -19; // ENODEV
    long error = 0;
    if ((p = find(attributes, left, 4, 4)) != nullptr) {
        memcpy(&mtu, p, 4);
        error = posix_net_errno(netctl_control_set_mtu(posix.netctl, index, mtu));
    }
    if (error == 0 && (p = find(attributes, left, 1, 6)) != nullptr)
        error = posix_net_errno(netctl_control_set_mac(posix.netctl, index, p));
    if (error == 0 && (m->change & 1))
        error = posix_net_errno(netctl_control_set_up(posix.netctl, index, (m->flags & 1) != 0));
    return error;
}

static long set_address(bool add, const struct address_message *m, const uint8_t *attributes, size_t left)
{
    struct socket_address a;
    size_t bytes = m->family == AF_INET ? 4 : 16;
    const uint8_t *p = find(attributes, left, 2, bytes);
    if (!address_of(&a, m->family, p != nullptr ? p : find(attributes, left, 1, bytes)))
        return -EINVAL;
    return posix_net_errno(add ? netctl_control_add_address(posix.netctl, m->index, &a, m->prefix)
                               : netctl_control_remove_address(posix.netctl, m->index, &a));
}

static long set_route(bool add, const struct route_message *m, const uint8_t *attributes, size_t left)
{
    struct netctl_route r = {.prefix_bits = m->to_bits};
    size_t bytes = m->family == AF_INET ? 4 : 16;
    const uint8_t *p;
    if (m->family != AF_INET && m->family != AF_INET6)
        return -EAFNOSUPPORT;
    static const uint8_t zero[16];
    p = find(attributes, left, 1, bytes);
    (void)address_of(&r.destination, m->family, p != nullptr ? p : zero);
    (void)address_of(&r.gateway, m->family, find(attributes, left, 5, bytes));
    if ((p = find(attributes, left, 4, 4)) != nullptr)
        memcpy(&r.interface, p, 4);
    if ((p = find(attributes, left, 6, 4)) != nullptr)
        memcpy(&r.metric, p, 4);
    long error = posix_net_errno(add ? netctl_control_add_route(posix.netctl, &r) : netctl_control_remove_route(posix.netctl, &r));
    return error == -ENOENT ? -3 : error; // ESRCH
}

// One request. > 0: it has been answered in full.
static long serve(struct answer *a, const uint8_t *body, size_t bytes)
{
    union { struct link_message link; struct address_message address; struct route_message route; uint8_t family; } m = {};
    size_t fixed = a->request.type <= GETLINK ? sizeof m.link : a->request.type <= GETADDR ? sizeof m.address : sizeof m.route;
    memcpy(&m, body, bytes < fixed ? bytes : fixed); // dumps may be asked for with the family alone
    const uint8_t *attributes = bytes > fixed ? body + fixed : body + bytes;
    size_t left = bytes > fixed ? bytes - fixed : 0;
    bool dump = (a->request.flags & DUMP) != 0;
    long error;
    switch (a->request.type) {
    case NEWLINK: return set_link(&m.link, attributes, left);
    case NEWADDR:
    case DELADDR: return set_address(a->request.type == NEWADDR, &m.address, attributes, left);
    case NEWROUTE:
    case DELROUTE: return set_route(a->request.type == NEWROUTE, &m.route, attributes, left);
    case GETLINK: {
        const uint8_t *name = find(attributes, left, 3, 1);
        char text[16] = {};
        for (size_t i = 0; name != nullptr && i < 15 && i < left - (size_t)(name - attributes) && name[i] != 0; i++)
            text[i] = (char)name[i];
        error = links(a, dump ? 0 : m.link.index, dump || name == nullptr ? nullptr : text);
        break;
    }
    case GETADDR: error = addresses(a, m.family); break;
    case GETROUTE: {
        struct socket_address to;
        if (dump)
            error = routes(a, m.family);
        else
            error = address_of(&to, m.family, find(attributes, left, 1, m.family == AF_INET ? 4 : 16)) ? one_route(a, &to) : -EINVAL;
        break;
    }
    case GETNEIGH: error = neighbours(a, m.family); break;
    default: return -EOPNOTSUPP;
    }
    if (error == 0 && dump) {
        begin(a, DONE, &(int32_t){0}, 4);
        end(a);
    }
    return error != 0 ? error : 1;
}

long posix_netlink_send(unsigned fd, uint64_t user, size_t bytes)
{
    alignas(8) uint8_t request[2048];
    struct posix_fd *f = posix_fd_get(fd);
    struct answer a = {.to = {f->handle}};
    char name[LOCAL_MAX_NAME];
    if (bytes > sizeof request)
        return -EMSGSIZE;
    if (!user_read(request, user, bytes))
        return -EFAULT;
    long error = posix_network();
    struct fut_bytes own;
    if (error == 0)
        error = posix_errno(local_socket_name(a.to, false, &own));
    if (error != 0)
        return error;
    if (own.len > sizeof name)
        return -EIO;
    memcpy(name, own.data, own.len);
    a.name = (struct fut_bytes){name, own.len};
    for (size_t at = 0; bytes - at >= sizeof(struct head);) {
        memcpy(&a.request, request + at, sizeof a.request);
        if (a.request.length < sizeof(struct head) || a.request.length > bytes - at)
            break;
        error = serve(&a, request + at + sizeof(struct head), a.request.length - sizeof(struct head));
        if (error < 0 || (error == 0 && (a.request.flags & ACK)))
            acknowledge(&a, error);
        size_t step = (a.request.length + 3u) & ~3u;
        at = step < bytes - at ? at + step : bytes;
    }
    flush(&a);
    return a.error != 0 ? -ENOBUFS : (long)bytes;
}

long posix_netlink_socket(unsigned kind, unsigned protocol, uint32_t status, bool cloexec)
{
    if (kind != SOCK_RAW && kind != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != 0) // NETLINK_ROUTE
        return -EPROTONOSUPPORT;
    long error = posix_network();
    if (error != 0)
        return error;
    long fd = posix_socket(AF_UNIX, SOCK_DGRAM, 0, status, cloexec);
    if (fd < 0)
        return fd;
    error = posix_errno(local_socket_bind((local_socket_t){posix.fd[fd].handle}, (struct fut_bytes){}));
    if (error != 0) {
        (void)posix_fd_close((unsigned)fd);
        return error;
    }
    posix.fd[fd].hints |= FD_NETLINK;
    return fd;
}
