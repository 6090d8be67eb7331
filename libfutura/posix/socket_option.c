// SPDX-License-Identifier: MPL-2.0
//
// getsockopt and setsockopt: Linux's levels, numbers and values, for both kinds of sockets. Timeouts and what is to be
// told with each datagram are the descriptor's, in the library; the rest is the server's.
#include "posix.h"
#include <string.h>

enum { SOL_SOCKET = 1, SOL_IP = 0, SOL_TCP = 6, SOL_IPV6 = 41, SOL_ICMPV6 = 58, SOL_RAW = 255, SOL_NETLINK = 270 };
enum {
    SO_REUSEADDR = 2, SO_TYPE = 3, SO_ERROR = 4, SO_DONTROUTE = 5, SO_BROADCAST = 6, SO_SNDBUF = 7, SO_RCVBUF = 8,
    SO_KEEPALIVE = 9, SO_OOBINLINE = 10, SO_PRIORITY = 12, SO_LINGER = 13, SO_REUSEPORT = 15, SO_PASSCRED = 16,
    SO_PEERCRED = 17, SO_RCVLOWAT = 18, SO_SNDLOWAT = 19, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21, SO_BINDTODEVICE = 25,
    SO_ATTACH_FILTER = 26, SO_TIMESTAMP = 29, SO_ACCEPTCONN = 30, SO_SNDBUFFORCE = 32, SO_RCVBUFFORCE = 33, SO_MARK = 36,
    SO_PROTOCOL = 38, SO_DOMAIN = 39,
};

// --- What an option of the internet sockets is called in socket.fipc ------------------------------------------------
struct mapping { int level, option; socket_option_t to; };
static const struct mapping mappings[] = {
    {SOL_SOCKET, SO_TYPE, SOCKET_OPTION_TYPE},
    {SOL_SOCKET, SO_DOMAIN, SOCKET_OPTION_FAMILY},
    {SOL_SOCKET, SO_PROTOCOL, SOCKET_OPTION_PROTOCOL},
    {SOL_SOCKET, SO_ACCEPTCONN, SOCKET_OPTION_ACCEPTING},
    {SOL_SOCKET, SO_ERROR, SOCKET_OPTION_ERROR},
    {SOL_SOCKET, SO_REUSEADDR, SOCKET_OPTION_REUSE_ADDRESS},
    {SOL_SOCKET, SO_REUSEPORT, SOCKET_OPTION_REUSE_PORT},
    {SOL_SOCKET, SO_BROADCAST, SOCKET_OPTION_BROADCAST},
    {SOL_SOCKET, SO_KEEPALIVE, SOCKET_OPTION_KEEP_ALIVE},
    {SOL_SOCKET, SO_SNDBUF, SOCKET_OPTION_SEND_BUFFER},
    {SOL_SOCKET, SO_RCVBUF, SOCKET_OPTION_RECEIVE_BUFFER},
    {SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_OPTION_SEND_BUFFER},
    {SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_OPTION_RECEIVE_BUFFER},
    {SOL_TCP, 1, SOCKET_OPTION_NO_DELAY},
    {SOL_TCP, 2, SOCKET_OPTION_MAX_SEGMENT},
    {SOL_TCP, 3, SOCKET_OPTION_CORK},
    {SOL_TCP, 4, SOCKET_OPTION_KEEP_IDLE},
    {SOL_TCP, 5, SOCKET_OPTION_KEEP_INTERVAL},
    {SOL_TCP, 6, SOCKET_OPTION_KEEP_COUNT},
    {SOL_TCP, 18, SOCKET_OPTION_USER_TIMEOUT},
    {SOL_IP, 1, SOCKET_OPTION_TRAFFIC_CLASS},
    {SOL_IP, 2, SOCKET_OPTION_TTL},
    {SOL_IP, 3, SOCKET_OPTION_HEADER_INCLUDED},
    {SOL_IP, 33, SOCKET_OPTION_MULTICAST_TTL},
    {SOL_IP, 34, SOCKET_OPTION_MULTICAST_LOOP},
    {SOL_IPV6, 16, SOCKET_OPTION_TTL},
    {SOL_IPV6, 17, SOCKET_OPTION_MULTICAST_INTERFACE},
    {SOL_IPV6, 18, SOCKET_OPTION_MULTICAST_TTL},
    {SOL_IPV6, 19, SOCKET_OPTION_MULTICAST_LOOP},
    {SOL_IPV6, 26, SOCKET_OPTION_V6_ONLY},
    {SOL_IPV6, 67, SOCKET_OPTION_TRAFFIC_CLASS},
    {SOL_IPV6, 7, SOCKET_OPTION_CHECKSUM_AT},
    {SOL_RAW, 7, SOCKET_OPTION_CHECKSUM_AT},
};

static const struct mapping *map_of(int level, int option)
{
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++)
        if (mappings[i].level == level && mappings[i].option == option)
            return &mappings[i];
    return nullptr;
}

// Times are seconds or milliseconds there and ns here; buffers are counted twice there.
static int64_t scale_of(socket_option_t o)
{
    switch (o) {
    case SOCKET_OPTION_KEEP_IDLE:
    case SOCKET_OPTION_KEEP_INTERVAL: return (int64_t)NS_PER_S;
    case SOCKET_OPTION_USER_TIMEOUT: return 1000000;
    default: return 1;
    }
}

// What is told with each datagram.
static uint16_t wants_of(int level, int option)
{
    if (level == SOL_IP)
        return option == 8 ? POSIX_WANTS_INFO : option == 12 ? POSIX_WANTS_TTL : option == 13 ? POSIX_WANTS_TOS : 0;
    if (level == SOL_IPV6)
        return option == 49 ? POSIX_WANTS_INFO6 : option == 51 ? POSIX_WANTS_HOPS : option == 66 ? POSIX_WANTS_CLASS : 0;
    return level == SOL_SOCKET && option == SO_PASSCRED ? POSIX_WANTS_CREDENTIALS : 0;
}

// Accepted without effect: hints, and what the stack does anyway.
static bool is_hint(int level, int option)
{
    if (level == SOL_SOCKET)
        return option == SO_DONTROUTE || option == SO_OOBINLINE || option == SO_PRIORITY || option == SO_RCVLOWAT ||
               option == SO_TIMESTAMP || option == SO_MARK;
    if (level == SOL_IP)
        return option == 10 || option == 11 || option == 4; // MTU_DISCOVER, RECVERR, OPTIONS
    if (level == SOL_IPV6)
        return option == 23 || option == 25; // MTU_DISCOVER, RECVERR
    return level == SOL_TCP && option == 12; // QUICKACK
}

// --- Setting -------------------------------------------------------------------------------------------------------
struct wall_time { int64_t sec, usec; };

static long set_timeout(uint32_t *ms, const void *value, uint32_t length)
{
    struct wall_time t;
    if (length < sizeof t)
        return -EINVAL;
    memcpy(&t, value, sizeof t);
    if (t.usec < 0 || t.usec >= 1000000)
        return -33; // EDOM
    if (t.sec < 0 || t.sec > 4000000)
        t.sec = t.sec < 0 ? 0 : 4000000;
    uint64_t whole = (uint64_t)t.sec * 1000 + ((uint64_t)t.usec + 999) / 1000;
    *ms = (uint32_t)whole;
    return 0;
}

static long interface_number(const void *value, uint32_t length, uint32_t *number)
{
    char name[16] = {};
    memcpy(name, value, length < sizeof name - 1 ? length : sizeof name - 1);
    *number = 0;
    if (name[0] == 0)
        return 0;
    long error = posix_network();
    for (uint32_t i = 0; error == 0; i++) {
        struct netctl_interface it;
        struct fut_string text;
        error = posix_net_errno(netctl_control_get_interface(posix.netctl, i, &it, &text));
        if (error == 0 && text.len == strlen(name) && memcmp(text.data, name, text.len) == 0) {
            *number = it.index;
            return 0;
        }
    }
    return error == -ENOENT ? -19 : error; // ENODEV
}

static long set_group(socket_socket_t s, int level, int option, const void *value, uint32_t length)
{
    struct socket_address group = {};
    uint32_t interface = 0;
    bool join = option == 35 || option == 20;
    if (level == SOL_IP) { // struct ip_mreq or ip_mreqn
        if (length < 8)
            return -EINVAL;
        group.family = SOCKET_FAMILY_INET;
        memcpy(group.bytes, value, 4);
        if (length >= 12)
            memcpy(&interface, (const uint8_t *)value + 8, 4);
    } else {
        if (length < 20)
            return -EINVAL;
        group.family = SOCKET_FAMILY_INET6;
        memcpy(group.bytes, value, 16);
        memcpy(&interface, (const uint8_t *)value + 16, 4);
    }
    return posix_net_errno(join ? socket_socket_join(s, &group, interface) : socket_socket_leave(s, &group, interface));
}

static long set_filter(socket_socket_t s, int level, const void *value, uint32_t length)
{
    uint64_t pass[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    if (level == SOL_RAW) { // struct icmp_filter: bits of what is left out
        uint32_t without;
        if (length < 4)
            return -EINVAL;
        memcpy(&without, value, 4);
        pass[0] = ~(uint64_t)without;
    } else {
        uint32_t without[8];
        if (length < sizeof without)
            return -EINVAL;
        memcpy(without, value, sizeof without);
        for (int i = 0; i < 4; i++)
            pass[i] = ~((uint64_t)without[2 * i + 1] << 32 | without[2 * i]);
    }
    return posix_net_errno(socket_socket_filter(s, pass));
}

static long set_inet(struct posix_fd *f, int level, int option, const void *value, uint32_t length)
{
    socket_socket_t s = {f->handle};
    int32_t number = 0;
    memcpy(&number, value, length < 4 ? length : 4);
    if (level == SOL_SOCKET && option == SO_LINGER) {
        int32_t linger[2];
        if (length < sizeof linger)
            return -EINVAL;
        memcpy(linger, value, sizeof linger);
        return posix_net_errno(socket_socket_set_option(s, SOCKET_OPTION_LINGER, linger[0] != 0 ? (int64_t)linger[1] * (int64_t)NS_PER_S : -1));
    }
    if (level == SOL_SOCKET && option == SO_BINDTODEVICE) {
        uint32_t interface;
        long error = interface_number(value, length, &interface);
        return error != 0 ? error : posix_net_errno(socket_socket_set_option(s, SOCKET_OPTION_INTERFACE, interface));
    }
    if ((level == SOL_IP && (option == 35 || option == 36)) || (level == SOL_IPV6 && (option == 20 || option == 21)))
        return set_group(s, level, option, value, length);
    if ((level == SOL_RAW || level == SOL_ICMPV6) && option == 1)
        return set_filter(s, level, value, length);
    if (level == SOL_IP && option == 32) { // MULTICAST_IF: struct in_addr, ip_mreq or ip_mreqn
        uint32_t interface = 0;
        if (length >= 12)
            memcpy(&interface, (const uint8_t *)value + 8, 4);
        return posix_net_errno(socket_socket_set_option(s, SOCKET_OPTION_MULTICAST_INTERFACE, interface));
    }
    const struct mapping *m = map_of(level, option);
    if (m == nullptr)
        return is_hint(level, option) ? 0 : -ENOPROTOOPT;
    if (length == 0)
        return -EINVAL;
    if (m->to <= SOCKET_OPTION_ERROR)
        return -ENOPROTOOPT;
    int64_t wide = number * scale_of(m->to);
    if (m->to == SOCKET_OPTION_TTL && number == -1)
        wide = 64;
    return posix_net_errno(socket_socket_set_option(s, m->to, wide));
}

long posix_set_option(unsigned fd, int level, int option, const void *value, uint32_t length)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (level == SOL_SOCKET && option == SO_RCVTIMEO)
        return set_timeout(&f->receive_ms, value, length);
    if (level == SOL_SOCKET && option == SO_SNDTIMEO)
        return set_timeout(&f->send_ms, value, length);
    uint16_t wants = wants_of(level, option);
    if (wants != 0) {
        int32_t on = 0;
        memcpy(&on, value, length < 4 ? length : 4);
        f->wants = on != 0 ? f->wants | wants : f->wants & (uint16_t)~wants;
        return length == 0 ? -EINVAL : 0;
    }
    if (f->kind == FUT_POSIX_KIND_INET)
        return set_inet(f, level, option, value, length);
    if (level == SOL_NETLINK && (f->hints & FD_NETLINK))
        return 0;
    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    if (option == SO_ATTACH_FILTER && (f->hints & FD_NETLINK))
        return 0;
    switch (option) { // of local sockets: nothing to set, nothing to complain about
    case SO_SNDBUF:
    case SO_RCVBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
    case SO_REUSEADDR:
    case SO_REUSEPORT:
    case SO_KEEPALIVE:
    case SO_BROADCAST:
    case SO_LINGER: return length < 4 ? -EINVAL : 0;
    default: return is_hint(level, option) ? 0 : -ENOPROTOOPT;
    }
}

// --- Getting -------------------------------------------------------------------------------------------------------
static long give(void *value, uint32_t *length, const void *from, uint32_t bytes)
{
    if (*length > bytes)
        *length = bytes;
    memcpy(value, from, *length);
    return 0;
}
static long give_number(void *value, uint32_t *length, int32_t number) { return give(value, length, &number, sizeof number); }

static long get_inet(struct posix_fd *f, int level, int option, void *value, uint32_t *length)
{
    socket_socket_t s = {f->handle};
    int64_t number;
    if (level == SOL_SOCKET && option == SO_LINGER) {
        long error = posix_net_errno(socket_socket_get_option(s, SOCKET_OPTION_LINGER, &number));
        int32_t linger[2] = {number >= 0, number >= 0 ? (int32_t)(number / (int64_t)NS_PER_S) : 0};
        return error != 0 ? error : give(value, length, linger, sizeof linger);
    }
    if (level == SOL_TCP && option == 11) { // struct tcp_info, as far as it is known
        struct socket_stream_info i;
        long error = posix_net_errno(socket_socket_info(s, &i));
        if (error != 0)
            return error;
        uint8_t info[104] = {(uint8_t)i.state, 0, (uint8_t)i.retransmits};
        memcpy(info + 16, &i.segment, 4);
        memcpy(info + 68, &i.round_trip_us, 4);
        memcpy(info + 72, &i.variance_us, 4);
        memcpy(info + 76, &i.threshold, 4);
        memcpy(info + 80, &i.window, 4);
        return give(value, length, info, sizeof info);
    }
    const struct mapping *m = map_of(level, option);
    if (m == nullptr)
        return is_hint(level, option) ? give_number(value, length, 0) : -ENOPROTOOPT;
    long error = posix_net_errno(socket_socket_get_option(s, m->to, &number));
    return error != 0 ? error : give_number(value, length, (int32_t)(number / scale_of(m->to)));
}

long posix_get_option(unsigned fd, int level, int option, void *value, uint32_t *length)
{
    enum { BUFFER = 212992 };
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        uint32_t ms = option == SO_RCVTIMEO ? f->receive_ms : f->send_ms;
        struct wall_time t = {ms / 1000, ms % 1000 * 1000};
        return give(value, length, &t, sizeof t);
    }
    uint16_t wants = wants_of(level, option);
    if (wants != 0)
        return give_number(value, length, (f->wants & wants) != 0);
    if (f->kind == FUT_POSIX_KIND_INET)
        return get_inet(f, level, option, value, length);
    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    local_socket_t s = {f->handle};
    struct local_state st;
    struct local_credentials c;
    switch (option) {
    case SO_TYPE:
        if (f->hints & FD_NETLINK)
            return give_number(value, length, SOCK_RAW);
        error = posix_errno(local_socket_state(s, &st));
        return error != 0 ? error : give_number(value, length, (int32_t)st.kind);
    case SO_ACCEPTCONN:
        error = posix_errno(local_socket_state(s, &st));
        return error != 0 ? error : give_number(value, length, st.listening);
    case SO_DOMAIN: return give_number(value, length, f->hints & FD_NETLINK ? AF_NETLINK : AF_UNIX);
    case SO_SNDBUF:
    case SO_RCVBUF: return give_number(value, length, BUFFER);
    case SO_PEERCRED:
        error = posix_errno(local_socket_peer(s, &c));
        return error != 0 ? error : give(value, length, &c, sizeof c);
    case SO_LINGER: return give(value, length, (int32_t[2]){}, 8);
    case SO_ERROR:
    case SO_PROTOCOL:
    case SO_REUSEADDR:
    case SO_REUSEPORT:
    case SO_KEEPALIVE:
    case SO_BROADCAST: return give_number(value, length, 0);
    default: return is_hint(level, option) ? give_number(value, length, 0) : -ENOPROTOOPT;
    }
}
