// SPDX-License-Identifier: MPL-2.0
//
// Networks: the right to open sockets, and what it is kept to. Restrict makes a Network that keeps to its own limits and
// to all those of the one it was made from; a socket carries the limits of its Network for life, and so do the
// connections that it accepts.
#include "socket.h"
#include "state.h"
#include "lwip/dns.h"

struct network {
    struct object object;
    struct limits *limits;
};

static struct limits no_limits = {.references = 1};
static struct network root = {.object = {.kind = OBJECT_NETWORK, .badge = 1}, .limits = &no_limits};

struct object *network_root(void) { return &root.object; }

struct limits *network_no_limits(void) { return &no_limits; }

void limits_hold(struct limits *l) { l->references++; }

struct limits *network_limits(struct limits *outer, const struct socket_restriction *r, uint16_t kept)
{
    struct limits *l = calloc(1, sizeof *l);
    if (!l)
        return nullptr;
    *l = (struct limits){.references = 1, .outer = outer ? outer : &no_limits, .kept = kept, .r = *r};
    limits_hold(l->outer);
    return l;
}

void network_restore(struct limits *l, uint64_t badge)
{
    struct network *n = calloc(1, sizeof *n);
    if (!n)
        return;
    n->limits = l;
    limits_hold(l);
    object_add_as(&n->object, OBJECT_NETWORK, badge);
}

void limits_release(struct limits *l)
{
    while (l && --l->references == 0) {
        struct limits *outer = l->outer;
        state_limits_gone(l);
        free(l);
        l = outer;
    }
}

fut_status_t limits_listen(const struct limits *l)
{
    for (; l; l = l->outer)
        if (l->r.limits & SOCKET_LIMITS_NO_LISTEN)
            return IO_ERROR_DENIED;
    return FUT_OK;
}

fut_status_t limits_raw(const struct limits *l)
{
    for (; l; l = l->outer)
        if (l->r.limits & SOCKET_LIMITS_NO_RAW)
            return IO_ERROR_NOT_PERMITTED;
    return FUT_OK;
}

// Ports 0 to 0 in a restriction: it says nothing about ports.
static bool outside(uint16_t port, uint16_t first, uint16_t last) { return (first != 0 || last != 0) && (port < first || port > last); }

fut_status_t limits_local(const struct limits *l, uint16_t port)
{
    for (; l && port != 0; l = l->outer)
        if (((l->r.limits & SOCKET_LIMITS_NO_BIND_LOW) && port < 1024) || outside(port, l->r.local_first, l->r.local_last))
            return IO_ERROR_DENIED;
    return FUT_OK;
}

static bool in_prefix(const struct socket_restriction *r, const ip_addr_t *address)
{
    struct socket_address a;
    address_out(address, 0, SOCKET_FAMILY_NONE, &a);
    if (a.family != r->prefix_family)
        return false;
    unsigned whole = r->prefix_bits / 8, rest = r->prefix_bits % 8;
    if (memcmp(a.bytes, r->prefix, whole) != 0)
        return false;
    return rest == 0 || ((a.bytes[whole] ^ r->prefix[whole]) >> (8 - rest)) == 0;
}

fut_status_t limits_remote(const struct limits *l, const ip_addr_t *address, uint16_t port)
{
    for (; l; l = l->outer) {
        if ((l->r.limits & SOCKET_LIMITS_NO_OUT) || outside(port, l->r.remote_first, l->r.remote_last))
            return IO_ERROR_DENIED;
        if (l->r.prefix_family != SOCKET_FAMILY_NONE && !in_prefix(&l->r, address))
            return IO_ERROR_DENIED;
    }
    return FUT_OK;
}

// --- futura.socket, Network ------------------------------------------------------------------------------

static fut_status_t open_socket(struct network *n, uint16_t family, uint8_t type, uint16_t protocol, uint32_t status, struct socket **out)
{
    const uint16_t tcp = 6, udp = 17, icmp = family == SOCKET_FAMILY_INET ? 1 : 58;
    if (family != SOCKET_FAMILY_INET && family != SOCKET_FAMILY_INET6)
        return IO_ERROR_NO_FAMILY;
    switch (type) {
    case SOCKET_TYPE_STREAM:
        if (protocol != 0 && protocol != tcp)
            return IO_ERROR_NO_PROTOCOL;
        protocol = tcp;
        break;
    case SOCKET_TYPE_DATAGRAM:
        if (protocol != 0 && protocol != udp && protocol != icmp)
            return IO_ERROR_NO_PROTOCOL;
        protocol = protocol == 0 ? udp : protocol;
        break;
    case SOCKET_TYPE_RAW: {
        if (protocol == 0 || protocol > 255)
            return IO_ERROR_NO_PROTOCOL;
        fut_status_t allowed = limits_raw(n->limits);
        if (allowed != FUT_OK)
            return allowed;
        break;
    }
    default: return IO_ERROR_NO_SOCKET_TYPE;
    }
    struct socket *s = socket_new(n->limits, family, type, protocol, status);
    if (!s)
        return IO_ERROR_TOO_MANY_FILES;
    fut_status_t result = type == SOCKET_TYPE_STREAM ? stream_open(s) : datagram_open(s);
    if (result != FUT_OK) {
        socket_free(s);
        return result;
    }
    *out = s;
    return FUT_OK;
}

static fut_status_t do_open(struct fut_request *req, uint16_t family, uint8_t type, uint16_t protocol, uint32_t status,
                            struct socket_network_open_result *res)
{
    struct socket *s;
    fut_status_t result = open_socket(req->object, family, type, protocol, status, &s);
    return result == FUT_OK ? socket_give(s, &res->s) : result;
}

static fut_status_t do_restrict(struct fut_request *req, const struct socket_restriction *r, struct socket_network_restrict_result *res)
{
    struct network *n = req->object;
    if (r->local_first > r->local_last || r->remote_first > r->remote_last ||
        (r->prefix_family != SOCKET_FAMILY_NONE && r->prefix_family != SOCKET_FAMILY_INET && r->prefix_family != SOCKET_FAMILY_INET6) ||
        r->prefix_bits > (r->prefix_family == SOCKET_FAMILY_INET ? 32 : 128))
        return IO_ERROR_INVALID;
    struct network *narrow = calloc(1, sizeof *narrow);
    struct limits *l = network_limits(n->limits, r, 0);
    if (!narrow || !l) {
        free(narrow);
        free(l);
        return IO_ERROR_NO_MEMORY;
    }
    narrow->limits = l;
    object_add(&narrow->object, OBJECT_NETWORK);
    if (!state_limits(l, narrow->object.badge)) {
        network_closed(&narrow->object);
        return IO_ERROR_NO_BUFFERS;
    }
    fut_status_t status = object_session(&narrow->object, req->perms, &res->n.h);
    if (status != FUT_OK)
        network_closed(&narrow->object);
    return status;
}

void network_closed(struct object *o)
{
    struct network *n = container(o, struct network, object);
    if (n == &root)
        return;
    object_remove(o);
    state_limits_closed(n->limits);
    limits_release(n->limits);
    free(n);
}

// --- Names -----------------------------------------------------------------------------------------------

struct lookup {
    struct deferred deferred;
    bool abandoned;                 // lwIP still has it; the caller is gone
    bool second;                    // the other family is asked as well
    uint16_t family;
    char name[256];
    struct socket_address found[2];
    unsigned count;
};

unsigned lookups_open;
static void lookup_step(struct lookup *l);

static void lookup_answer(struct lookup *l)
{
    struct socket_address found[2];
    struct socket_network_lookup_result res = {.addresses = {.data = found, .capacity = 2, .len = l->count}};
    memcpy(found, l->found, sizeof found);
    if (l->count != 0)
        (void)socket_network_lookup_reply(l->deferred.reply, &res);
    else
        (void)fut_reply_error(l->deferred.reply, IO_ERROR_NOT_FOUND);
    free(l);
}

static void lookup_found(const char *name, const ip_addr_t *ip, void *argument)
{
    struct lookup *l = argument;
    (void)name;
    if (l->abandoned) {
        lookups_open--;
        free(l);
        return;
    }
    if (ip)
        address_out(ip, 0, SOCKET_FAMILY_NONE, &l->found[l->count++]);
    if (l->family == SOCKET_FAMILY_NONE && !l->second) {
        l->second = true;
        lookup_step(l);
        return;
    }
    deferred_take(&l->deferred);
    lookups_open--;
    lookup_answer(l);
}

static void lookup_step(struct lookup *l)
{
    ip_addr_t ip;
    bool v6 = l->family == SOCKET_FAMILY_INET6 || l->second;
    err_t e = dns_gethostbyname_addrtype(l->name, &ip, lookup_found, l, v6 ? LWIP_DNS_ADDRTYPE_IPV6 : LWIP_DNS_ADDRTYPE_IPV4);
    if (e != ERR_INPROGRESS)
        lookup_found(l->name, e == ERR_OK ? &ip : nullptr, l);
}

static void lookup_cancel(struct deferred *d)
{
    struct lookup *l = container(d, struct lookup, deferred);
    l->abandoned = true;
    (void)fut_reply_error(d->reply, IO_ERROR_INTERRUPTED);
}

static void lookup_drop(struct deferred *d) { container(d, struct lookup, deferred)->abandoned = true; }

static fut_status_t do_lookup(struct fut_request *req, struct fut_string name, uint16_t family, struct socket_network_lookup_result *res)
{
    (void)res;
    if (name.len == 0 || memchr(name.data, 0, name.len))
        return IO_ERROR_INVALID;
    struct lookup *l = calloc(1, sizeof *l);
    if (!l)
        return IO_ERROR_NO_MEMORY;
    memcpy(l->name, name.data, name.len);
    l->family = family;
    if (!deferred_add(&l->deferred, req, lookup_cancel, lookup_drop)) {
        free(l);
        return IO_ERROR_NO_BUFFERS;
    }
    lookups_open++;
    lookup_step(l);
    return FUT_DEFER;
}

const struct socket_network_ops network_ops = {.open = do_open, .restrict_ = do_restrict, .lookup = do_lookup};
