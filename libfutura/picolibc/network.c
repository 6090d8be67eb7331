// SPDX-License-Identifier: MPL-2.0
//
// Sockets, poll and epoll for native programs: the library's functions under their usual names.
#include <arpa/inet.h>
#include <errno.h>
#include <fipc/socket.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "bridge.h"

static bool name_of(struct posix_name *to, const struct sockaddr *address, socklen_t length)
{
    if (length > sizeof to->bytes) {
        errno = EINVAL;
        return false;
    }
    memcpy(to->bytes, address, length);
    to->length = length;
    return true;
}

static void give_name(const struct posix_name *from, struct sockaddr *to, socklen_t *length)
{
    if (to == nullptr || length == nullptr)
        return;
    memcpy(to, from->bytes, *length < from->length ? *length : from->length);
    *length = from->length;
}

#define STATUS(flags) ((flags) & SOCK_NONBLOCK ? IO_STATUS_NONBLOCK : 0)
#define KIND(kind) ((unsigned)(kind) & ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC))

int socket(int domain, int kind, int protocol)
{
    return bridge_none() ? -1 : (int)bridge_result(posix_socket((unsigned)domain, KIND(kind), (unsigned)protocol, STATUS(kind), (kind & SOCK_CLOEXEC) != 0));
}

int socketpair(int domain, int kind, int protocol, int fds[2])
{
    if (bridge_none())
        return -1;
    if (domain != AF_UNIX || protocol != 0) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    return (int)bridge_result(posix_socket_pair(fds, KIND(kind), STATUS(kind), (kind & SOCK_CLOEXEC) != 0));
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    struct posix_name name;
    return bridge_none() || !name_of(&name, address, length) ? -1 : (int)bridge_result(posix_bind((unsigned)fd, &name));
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct posix_name name;
    return bridge_none() || !name_of(&name, address, length) ? -1 : (int)bridge_result(posix_connect((unsigned)fd, &name));
}

int listen(int fd, int backlog) { return bridge_none() ? -1 : (int)bridge_result(posix_listen((unsigned)fd, (unsigned)backlog)); }
int shutdown(int fd, int how) { return bridge_none() ? -1 : (int)bridge_result(posix_shutdown((unsigned)fd, (unsigned)how)); }

int accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags)
{
    struct posix_name name = {};
    if (bridge_none())
        return -1;
    int made = (int)bridge_result(posix_accept((unsigned)fd, STATUS(flags), (flags & SOCK_CLOEXEC) != 0, &name));
    if (made >= 0)
        give_name(&name, peer, length);
    return made;
}
int accept(int fd, struct sockaddr *peer, socklen_t *length) { return accept4(fd, peer, length, 0); }

static int own_name(int fd, bool peer, struct sockaddr *address, socklen_t *length)
{
    struct posix_name name = {};
    if (bridge_none() || bridge_result(posix_socket_name((unsigned)fd, peer, &name)) < 0)
        return -1;
    give_name(&name, address, length);
    return 0;
}
int getsockname(int fd, struct sockaddr *address, socklen_t *length) { return own_name(fd, false, address, length); }
int getpeername(int fd, struct sockaddr *address, socklen_t *length) { return own_name(fd, true, address, length); }

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t length)
{
    struct posix_name name = {};
    if (bridge_none() || (to != nullptr && !name_of(&name, to, length)))
        return -1;
    return bridge_result(bridge_send((unsigned)fd, data, bytes, (uint32_t)flags, &name));
}
ssize_t send(int fd, const void *data, size_t bytes, int flags) { return sendto(fd, data, bytes, flags, nullptr, 0); }

ssize_t recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from, socklen_t *length)
{
    struct posix_name name = {};
    if (bridge_none())
        return -1;
    ssize_t n = bridge_result(bridge_receive((unsigned)fd, data, bytes, (uint32_t)flags, &name));
    if (n >= 0)
        give_name(&name, from, length);
    return n;
}
ssize_t recv(int fd, void *data, size_t bytes, int flags) { return recvfrom(fd, data, bytes, flags, nullptr, nullptr); }

int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    return bridge_none() ? -1 : (int)bridge_result(posix_set_option((unsigned)fd, level, option, value, length));
}
int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
    if (bridge_none())
        return -1;
    long r = posix_get_option((unsigned)fd, level, option, value, length);
    if (r == 0 && level == SOL_SOCKET && option == SO_ERROR && *length >= sizeof(int)) {
        int error;
        memcpy(&error, value, sizeof error);
        error = error != 0 ? bridge_errno(error) : 0; // in this library's numbers
        memcpy(value, &error, sizeof error);
    }
    return (int)bridge_result(r);
}

// --- Waiting -----------------------------------------------------------------------------------------------------
static uint64_t deadline_of(int milliseconds)
{
    return milliseconds < 0 ? UINT64_MAX : milliseconds == 0 ? 0 : posix_now() + (uint64_t)milliseconds * 1000000;
}

int poll(struct pollfd *fds, nfds_t count, int milliseconds)
{
    static_assert(sizeof(struct pollfd) == sizeof(struct posix_poll));
    return bridge_none() ? -1 : (int)bridge_result(posix_poll((struct posix_poll *)fds, (unsigned)count, deadline_of(milliseconds)));
}

int select(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *time)
{
    struct pollfd list[FD_SETSIZE];
    unsigned count = 0;
    for (int fd = 0; fd < n && fd < FD_SETSIZE; fd++) {
        short events = (short)((in != nullptr && FD_ISSET(fd, in) ? POLLIN : 0) | (out != nullptr && FD_ISSET(fd, out) ? POLLOUT : 0) |
                               (except != nullptr && FD_ISSET(fd, except) ? POLLPRI : 0));
        if (events != 0)
            list[count++] = (struct pollfd){.fd = fd, .events = events};
    }
    int ready = poll(list, count, time == nullptr ? -1 : (int)(time->tv_sec * 1000 + (time->tv_usec + 999) / 1000));
    if (ready < 0)
        return -1;
    int bits = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct { fd_set *set; short asked, ends; } sets[3] = {{in, POLLIN, POLLHUP | POLLERR}, {out, POLLOUT, POLLERR}, {except, POLLPRI, 0}};
        for (int s = 0; s < 3; s++) {
            if (sets[s].set == nullptr || !(list[i].events & sets[s].asked))
                continue;
            if (list[i].revents & (sets[s].asked | sets[s].ends))
                bits++;
            else
                FD_CLR(list[i].fd, sets[s].set);
        }
    }
    return bits;
}

int epoll_create1(int flags) { return bridge_none() ? -1 : (int)bridge_result(posix_epoll_create((flags & EPOLL_CLOEXEC) != 0)); }

int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    static_assert(sizeof(struct epoll_event) == sizeof(struct posix_epoll_event));
    return bridge_none() ? -1 : (int)bridge_result(posix_epoll_control((unsigned)set, (unsigned)operation, (unsigned)fd, (struct posix_epoll_event *)event));
}

int epoll_wait(int set, struct epoll_event *events, int room, int milliseconds)
{
    if (bridge_none())
        return -1;
    if (room <= 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)bridge_result(posix_epoll_wait((unsigned)set, (struct posix_epoll_event *)events, (unsigned)room, deadline_of(milliseconds)));
}

int eventfd(unsigned value, int flags)
{
    return bridge_none() ? -1 : (int)bridge_result(posix_event_file(value, (flags & EFD_SEMAPHORE) != 0, STATUS(flags), (flags & EFD_CLOEXEC) != 0));
}

// --- Addresses and names -----------------------------------------------------------------------------------------
static bool four(const char *text, uint8_t out[4], const char **end)
{
    for (int i = 0; i < 4; i++) {
        unsigned v = 0, digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
            v = v * 10 + (unsigned)(*text - '0');
        if (digits == 0 || v > 255 || (i < 3 && *text++ != '.'))
            return false;
        out[i] = (uint8_t)v;
    }
    *end = text;
    return true;
}

static bool sixteen(const char *text, uint8_t out[16])
{
    uint16_t part[8] = {};
    int n = 0, gap = -1;
    if (text[0] == ':' && text[1] != ':')
        return false;
    while (*text != 0) {
        if (text[0] == ':' && text[1] == ':') {
            if (gap >= 0)
                return false;
            gap = n;
            text += 2;
            continue;
        }
        uint8_t v4[4];
        const char *end;
        if (n <= 6 && four(text, v4, &end) && *end == 0) {
            part[n++] = (uint16_t)(v4[0] << 8 | v4[1]);
            part[n++] = (uint16_t)(v4[2] << 8 | v4[3]);
            break;
        }
        unsigned long v = strtoul(text, (char **)&end, 16);
        if (end == text || end - text > 4 || n == 8)
            return false;
        part[n++] = (uint16_t)v;
        text = end;
        if (*text == ':' && text[1] != ':' && *++text == 0)
            return false;
        if (*text != 0 && *text != ':' && end[0] != ':')
            return false;
    }
    if (gap < 0 ? n != 8 : n == 8)
        return false;
    for (int i = 0; i < 8; i++) {
        int from = gap < 0 || i < gap ? i : i - (8 - n);
        uint16_t v = gap >= 0 && i >= gap && i < gap + 8 - n ? 0 : part[from];
        out[2 * i] = (uint8_t)(v >> 8);
        out[2 * i + 1] = (uint8_t)v;
    }
    return true;
}

int inet_pton(int family, const char *text, void *address)
{
    const char *end;
    uint8_t bytes[16];
    if (family == AF_INET && four(text, bytes, &end) && *end == 0)
        return memcpy(address, bytes, 4), 1;
    if (family == AF_INET6 && sixteen(text, bytes))
        return memcpy(address, bytes, 16), 1;
    if (family == AF_INET || family == AF_INET6)
        return 0;
    errno = EAFNOSUPPORT;
    return -1;
}

const char *inet_ntop(int family, const void *address, char *text, socklen_t room)
{
    const uint8_t *b = address;
    char out[INET6_ADDRSTRLEN] = "";
    if (family == AF_INET) {
        snprintf(out, sizeof out, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    } else if (family == AF_INET6) {
        int best = -1, length = 1; // the longest run of zeros, of two at least
        for (int i = 0; i < 8; i++) {
            int n = 0;
            while (i + n < 8 && b[2 * (i + n)] == 0 && b[2 * (i + n) + 1] == 0)
                n++;
            if (n > length)
                best = i, length = n;
        }
        size_t at = 0;
        for (int i = 0; i < 8; i++) {
            if (i == best) {
                at += (size_t)snprintf(out + at, sizeof out - at, "::");
                i += length - 1;
                continue;
            }
            at += (size_t)snprintf(out + at, sizeof out - at, "%s%x", at != 0 && out[at - 1] != ':' ? ":" : "", b[2 * i] << 8 | b[2 * i + 1]);
        }
    } else {
        errno = EAFNOSUPPORT;
        return nullptr;
    }
    if (strlen(out) >= room) {
        errno = ENOSPC;
        return nullptr;
    }
    return strcpy(text, out);
}

static int port_of(const char *service, int kind, uint16_t *port)
{
    char *end;
    *port = 0;
    if (service == nullptr)
        return 0;
    unsigned long v = strtoul(service, &end, 10);
    if (*service != 0 && *end == 0 && v < 65536) {
        *port = (uint16_t)v;
        return 0;
    }
    FILE *f = fopen("/etc/services", "r");
    char line[128], name[64], protocol[8];
    unsigned number;
    while (f != nullptr && *port == 0 && fgets(line, sizeof line, f) != nullptr)
        if (sscanf(line, "%63s %u/%7s", name, &number, protocol) == 3 && strcmp(name, service) == 0 && number < 65536 &&
            strcmp(protocol, kind == SOCK_DGRAM ? "udp" : "tcp") == 0)
            *port = (uint16_t)number;
    if (f != nullptr)
        (void)fclose(f);
    return *port != 0 ? 0 : EAI_SERVICE;
}

static int add(struct addrinfo ***last, const struct socket_address *a, uint16_t port, const struct addrinfo *hints)
{
    struct { struct addrinfo info; struct sockaddr_storage address; } *one = calloc(1, sizeof *one);
    if (one == nullptr)
        return EAI_MEMORY;
    one->info.ai_socktype = hints->ai_socktype != 0 ? hints->ai_socktype : SOCK_STREAM;
    one->info.ai_protocol = hints->ai_protocol;
    one->info.ai_family = a->family;
    one->info.ai_addr = (struct sockaddr *)&one->address;
    if (a->family == SOCKET_FAMILY_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, a->bytes, 4);
        memcpy(&one->address, &in, sizeof in);
        one->info.ai_addrlen = sizeof in;
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = a->scope};
        memcpy(&in.sin6_addr, a->bytes, 16);
        memcpy(&one->address, &in, sizeof in);
        one->info.ai_addrlen = sizeof in;
    }
    **last = &one->info;
    *last = &one->info.ai_next;
    return 0;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    static const struct addrinfo any;
    if (hints == nullptr)
        hints = &any;
    uint16_t port;
    int error = port_of(service, hints->ai_socktype, &port);
    if (error != 0 || (host == nullptr && service == nullptr))
        return error != 0 ? error : EAI_NONAME;
    struct socket_address found[16] = {};
    size_t count = 0;
    bool v4 = hints->ai_family != AF_INET6, v6 = hints->ai_family != AF_INET;
    if (host == nullptr) { // the loopback, or for listening any address
        bool passive = (hints->ai_flags & AI_PASSIVE) != 0;
        if (v6)
            found[count++] = (struct socket_address){.family = SOCKET_FAMILY_INET6, .bytes = {[15] = !passive}};
        if (v4)
            found[count++] = (struct socket_address){.family = SOCKET_FAMILY_INET, .bytes = {passive ? 0 : 127, 0, 0, !passive}};
    } else if (v4 && inet_pton(AF_INET, host, found[0].bytes) == 1) {
        found[count++].family = SOCKET_FAMILY_INET;
    } else if (v6 && inet_pton(AF_INET6, host, found[0].bytes) == 1) {
        found[count++].family = SOCKET_FAMILY_INET6;
    } else if (hints->ai_flags & AI_NUMERICHOST) {
        return EAI_NONAME;
    } else {
        long n = bridge_none() ? -1 : bridge_lookup(host, v4 && v6 ? 0 : hints->ai_family, found, 16);
        if (n <= 0)
            return n == -110 ? EAI_AGAIN : EAI_NONAME;
        count = (size_t)n;
    }
    struct addrinfo *first = nullptr, **last = &first;
    for (size_t i = 0; i < count && error == 0; i++)
        error = add(&last, &found[i], port, hints);
    if (error != 0)
        freeaddrinfo(first);
    else
        *list = first;
    return error;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list != nullptr) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

const char *gai_strerror(int error)
{
    switch (error) {
    case 0: return "no error";
    case EAI_NONAME: return "no such host";
    case EAI_AGAIN: return "no name server answers";
    case EAI_FAMILY: return "no such address family";
    case EAI_SERVICE: return "no such service";
    case EAI_MEMORY: return "no memory";
    default: return "the name cannot be looked up";
    }
}
