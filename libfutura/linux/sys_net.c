// SPDX-License-Identifier: MPL-2.0
//
// ioctls of sockets: how much there is to read, and the old way to look at and set interfaces, addresses, routes and
// neighbours, in terms of netctl.Control.
#include "linux.h"
#include <string.h>

enum { ENODEV_ = 19 };
enum {
    FIONREAD = 0x541b, SIOCOUTQ = 0x5411, SIOCATMARK = 0x8905, SIOCADDRT = 0x890b, SIOCDELRT = 0x890c, SIOCGIFNAME = 0x8910,
    SIOCGIFCONF = 0x8912, SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914, SIOCGIFADDR = 0x8915, SIOCSIFADDR = 0x8916,
    SIOCGIFDSTADDR = 0x8917, SIOCGIFBRDADDR = 0x8919, SIOCSIFBRDADDR = 0x891a, SIOCGIFNETMASK = 0x891b,
    SIOCSIFNETMASK = 0x891c, SIOCGIFMETRIC = 0x891d, SIOCGIFMTU = 0x8921, SIOCSIFMTU = 0x8922, SIOCSIFHWADDR = 0x8924,
    SIOCGIFHWADDR = 0x8927, SIOCGIFINDEX = 0x8933, SIOCDIFADDR = 0x8936, SIOCGIFTXQLEN = 0x8942, SIOCDARP = 0x8953,
    SIOCGARP = 0x8954, SIOCGIFMAP = 0x8970,
};

struct request { char name[16]; uint8_t data[24]; }; // struct ifreq
static_assert(sizeof(struct request) == 40);

// --- Finding ----------------------------------------------------------------------------------------------------
static long interface_at(u64 position, struct netctl_interface *i, char name[16])
{
    struct fut_string text;
    long error = posix_net_errno(netctl_control_get_interface(posix.netctl, (uint32_t)position, i, &text));
    if (error != 0)
        return error == -ENOENT ? -ENODEV_ : error;
    memset(name, 0, 16);
    memcpy(name, text.data, text.len < 15 ? text.len : 15);
    return 0;
}

// By name, or by number when there is none. "eth0:1" is eth0: there are no aliases.
static long find_interface(const char *name, uint32_t index, struct netctl_interface *i)
{
    char wanted[16] = {};
    for (int k = 0; name != nullptr && k < 15 && name[k] != 0 && name[k] != ':'; k++)
        wanted[k] = name[k];
    for (u64 n = 0;; n++) {
        char text[16];
        long error = interface_at(n, i, text);
        if (error != 0)
            return error;
        if (name != nullptr ? strcmp(text, wanted) == 0 : i->index == index)
            return 0;
    }
}

static long find_address(uint32_t interface, struct netctl_interface_address *a)
{
    for (uint32_t n = 0;; n++) {
        long error = posix_net_errno(netctl_control_get_address(posix.netctl, n, a));
        if (error != 0)
            return error == -ENOENT ? -EADDRNOTAVAIL : error;
        if (a->interface == interface && a->address.family == SOCKET_FAMILY_INET)
            return 0;
    }
}

static void inet_out(uint8_t *to, const uint8_t address[4])
{
    const uint16_t family = AF_INET;
    memset(to, 0, 16);
    memcpy(to, &family, sizeof family);
    memcpy(to + 4, address, 4);
}
static bool inet_in(struct socket_address *to, const uint8_t *from)
{
    uint16_t family;
    memcpy(&family, from, sizeof family);
    *to = (struct socket_address){.family = SOCKET_FAMILY_INET};
    memcpy(to->bytes, from + 4, 4);
    return family == AF_INET;
}
static void mask_out(uint8_t to[4], unsigned bits)
{
    uint32_t mask = bits == 0 ? 0 : __builtin_bswap32(~0u << (32 - (bits < 32 ? bits : 32)));
    memcpy(to, &mask, 4);
}
static long mask_in(const uint8_t from[4], uint8_t *bits)
{
    uint32_t mask;
    memcpy(&mask, from, 4);
    mask = __builtin_bswap32(mask);
    *bits = (uint8_t)__builtin_popcount(mask);
    return *bits == 0 || mask == ~0u << (32 - *bits) ? 0 : -EINVAL;
}

// --- Lists ------------------------------------------------------------------------------------------------------
static long list_interfaces(u64 user)
{
    struct { int32_t bytes, pad; u64 at; } list;
    if (!user_read(&list, user, sizeof list))
        return -EFAULT;
    int32_t used = 0;
    for (u64 n = 0;; n++) {
        struct netctl_interface i;
        struct netctl_interface_address a;
        struct request r = {};
        long error = interface_at(n, &i, r.name);
        if (error == -ENODEV_)
            break;
        if (error != 0)
            return error;
        if (find_address(i.index, &a) != 0)
            continue; // those with an address only, as on Linux
        inet_out(r.data, a.address.bytes);
        if (list.at != 0) {
            if (list.bytes - used < (int32_t)sizeof r)
                break;
            if (!user_write(list.at + (u64)used, &r, sizeof r))
                return -EFAULT;
        }
        used += (int32_t)sizeof r;
    }
    list.bytes = used;
    return user_write(user, &list, sizeof list) ? 0 : -EFAULT;
}

// --- Setting ----------------------------------------------------------------------------------------------------
static long set_address(const struct netctl_interface *i, const struct socket_address *to, int bits)
{
    struct netctl_interface_address old;
    if (find_address(i->index, &old) == 0) {
        if (to == nullptr)
            to = &old.address;
        long error = posix_net_errno(netctl_control_remove_address(posix.netctl, i->index, &old.address));
        if (error != 0)
            return error;
    } else if (to == nullptr) {
        return -EADDRNOTAVAIL;
    }
    static const uint8_t zero[4];
    if (memcmp(to->bytes, zero, 4) == 0)
        return 0; // 0.0.0.0 takes it away
    if (bits < 0) // as classes had it
        bits = to->bytes[0] < 128 ? 8 : to->bytes[0] < 192 ? 16 : 24;
    return posix_net_errno(netctl_control_add_address(posix.netctl, i->index, to, (uint8_t)bits));
}

static long change_inet6(uint32_t request, u64 user)
{
    struct { uint8_t address[16]; uint32_t prefix; int32_t index; } r; // struct in6_ifreq
    struct socket_address a = {.family = SOCKET_FAMILY_INET6};
    if (!user_read(&r, user, sizeof r))
        return -EFAULT;
    memcpy(a.bytes, r.address, 16);
    if (r.prefix > 128)
        return -EINVAL;
    return posix_net_errno(request == SIOCSIFADDR ? netctl_control_add_address(posix.netctl, (uint32_t)r.index, &a, (uint8_t)r.prefix)
                                                  : netctl_control_remove_address(posix.netctl, (uint32_t)r.index, &a));
}

static long change_route(bool add, u64 user)
{
    struct { u64 pad; uint8_t to[16], gateway[16], mask[16]; uint16_t flags; int16_t pad2; u64 pad3, pad4; int16_t metric; u64 device, mtu, window; uint16_t irtt; } r;
    static_assert(offsetof(typeof(r), device) == 88);
    struct netctl_route route = {};
    if (!user_read(&r, user, sizeof r))
        return -EFAULT;
    if (!inet_in(&route.destination, r.to))
        return -EAFNOSUPPORT;
    long error = 0;
    if (r.flags & 4) // RTF_HOST
        route.prefix_bits = 32;
    else
        error = mask_in(r.mask + 4, &route.prefix_bits);
    if (error != 0)
        return error;
    if ((r.flags & 2) && !inet_in(&route.gateway, r.gateway)) // RTF_GATEWAY
        return -EINVAL;
    route.metric = r.metric > 0 ? (uint32_t)r.metric - 1 : 0;
    if (r.device != 0) {
        char name[16];
        struct netctl_interface i;
        if (user_string(name, r.device, sizeof name) < 0)
            return -EFAULT;
        error = find_interface(name, 0, &i);
        if (error != 0)
            return error;
        route.interface = i.index;
    }
    error = posix_net_errno(add ? netctl_control_add_route(posix.netctl, &route) : netctl_control_remove_route(posix.netctl, &route));
    return error == -ENOENT ? -ESRCH : error;
}

static long get_neighbour(u64 user)
{
    struct { uint8_t protocol[16], hardware[16]; int32_t flags; uint8_t mask[16]; char device[16]; } r; // struct arpreq
    struct socket_address wanted;
    if (!user_read(&r, user, sizeof r))
        return -EFAULT;
    if (!inet_in(&wanted, r.protocol))
        return -EAFNOSUPPORT;
    for (uint32_t n = 0;; n++) {
        struct netctl_neighbour i;
        long error = posix_net_errno(netctl_control_get_neighbour(posix.netctl, n, &i));
        if (error != 0)
            return error == -ENOENT ? -ENXIO : error;
        if (i.address.family != SOCKET_FAMILY_INET || memcmp(i.address.bytes, wanted.bytes, 4) != 0)
            continue;
        r.hardware[0] = 1;
        memcpy(r.hardware + 2, i.mac, 6);
        r.flags = i.state == 0 ? 0 : i.state == 3 ? 6 : 2;
        return user_write(user, &r, sizeof r) ? 0 : -EFAULT;
    }
}

// --- Requests about one interface -------------------------------------------------------------------------------
static long one_interface(uint32_t request, u64 user)
{
    struct request r;
    struct netctl_interface i;
    struct netctl_interface_address a;
    struct socket_address given;
    uint32_t number;
    uint16_t flags;
    uint8_t bits;
    if (!user_read(&r, user, sizeof r))
        return -EFAULT;
    r.name[15] = 0;
    memcpy(&number, r.data, sizeof number);
    long error = find_interface(request == SIOCGIFNAME ? nullptr : r.name, number, &i);
    if (error != 0)
        return error;
    memcpy(&flags, r.data, sizeof flags);
    switch (request) {
    case SIOCSIFFLAGS: return posix_net_errno(netctl_control_set_up(posix.netctl, i.index, (flags & 1) != 0));
    case SIOCSIFADDR: return inet_in(&given, r.data) ? set_address(&i, &given, -1) : -EINVAL;
    case SIOCSIFNETMASK:
        error = mask_in(r.data + 4, &bits);
        return error != 0 ? error : set_address(&i, nullptr, bits);
    case SIOCSIFBRDADDR: return 0; // follows from address and mask
    case SIOCSIFMTU: return posix_net_errno(netctl_control_set_mtu(posix.netctl, i.index, number));
    case SIOCSIFHWADDR: return posix_net_errno(netctl_control_set_mac(posix.netctl, i.index, r.data + 2));
    default: break;
    }
    if (request == SIOCGIFADDR || request == SIOCGIFDSTADDR || request == SIOCGIFBRDADDR || request == SIOCGIFNETMASK) {
        error = find_address(i.index, &a);
        if (error != 0)
            return error;
    }
    memset(r.data, 0, sizeof r.data);
    number = 0;
    switch (request) {
    case SIOCGIFNAME:
        for (u64 n = 0, wanted = i.index; interface_at(n, &i, r.name) == 0 && i.index != wanted; n++)
            ;
        memcpy(r.data, &i.index, 4);
        break;
    case SIOCGIFFLAGS: flags = (uint16_t)i.flags; memcpy(r.data, &flags, sizeof flags); break;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR: inet_out(r.data, a.address.bytes); break;
    case SIOCGIFBRDADDR: inet_out(r.data, a.broadcast.bytes); break;
    case SIOCGIFNETMASK: {
        uint8_t mask[4];
        mask_out(mask, a.prefix_bits);
        inet_out(r.data, mask);
        break;
    }
    case SIOCGIFMTU: memcpy(r.data, &i.mtu, 4); break;
    case SIOCGIFINDEX: memcpy(r.data, &i.index, 4); break;
    case SIOCGIFTXQLEN: number = 1000; memcpy(r.data, &number, 4); break;
    case SIOCGIFHWADDR: {
        uint16_t kind = (uint16_t)i.kind;
        memcpy(r.data, &kind, 2);
        memcpy(r.data + 2, i.mac, 6);
        break;
    }
    case SIOCGIFMETRIC:
    case SIOCGIFMAP: break;
    default: return -EINVAL;
    }
    return user_write(user, &r, sizeof r) ? 0 : -EFAULT;
}

static long word_out(u64 user, uint32_t value) { return user_write(user, &value, sizeof value) ? 0 : -EFAULT; }

long socket_ioctl(unsigned fd, uint32_t request, u64 user)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (request == FIONREAD || request == SIOCOUTQ || request == SIOCATMARK) {
        if (request == SIOCATMARK)
            return word_out(user, 0);
        long error;
        if (f->kind == FUT_POSIX_KIND_INET) {
            int64_t n;
            error = posix_net_errno(socket_socket_get_option((socket_socket_t){f->handle}, request == FIONREAD ? SOCKET_OPTION_READABLE : SOCKET_OPTION_UNSENT, &n));
            return error != 0 ? error : word_out(user, (uint32_t)n);
        }
        struct local_state st;
        error = posix_errno(local_socket_state((local_socket_t){f->handle}, &st));
        return error != 0 ? error : word_out(user, (uint32_t)(request == FIONREAD ? st.readable : st.unread));
    }
    if (request < 0x8900 || request > 0x89ff)
        return -ENOTTY;
    long error = posix_network();
    if (error != 0)
        return error;
    switch (request) {
    case SIOCADDRT:
    case SIOCDELRT: return change_route(request == SIOCADDRT, user);
    case SIOCGIFCONF: return list_interfaces(user);
    case SIOCGARP: return get_neighbour(user);
    case SIOCSIFADDR:
    case SIOCDIFADDR: {
        int64_t family = AF_INET;
        if (f->kind == FUT_POSIX_KIND_INET)
            (void)!socket_socket_get_option((socket_socket_t){f->handle}, SOCKET_OPTION_FAMILY, &family);
        if (family == AF_INET6)
            return change_inet6(request, user);
        return request == SIOCSIFADDR ? one_interface(request, user) : -EINVAL;
    }
    default: return one_interface(request, user);
    }
}
