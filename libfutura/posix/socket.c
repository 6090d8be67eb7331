// SPDX-License-Identifier: MPL-2.0
//
// Sockets: making, naming and connecting them. Those of the local domain are posixd's and speak local.Socket, those of
// the internet domains netd's and speak socket.Socket. Names are sockaddr bytes here and become what each protocol has.
#include "posix.h"
#include <string.h>

long posix_socket_of(unsigned fd, struct posix_fd **f)
{
    *f = posix_fd_get(fd);
    if (*f == nullptr || ((*f)->hints & FD_IS_PATH))
        return -EBADF;
    return (*f)->kind == FUT_POSIX_KIND_SOCKET || (*f)->kind == FUT_POSIX_KIND_INET ? 0 : -ENOTSOCK;
}

// --- Names -----------------------------------------------------------------------------------------------------
static uint16_t family_of(const struct posix_name *n)
{
    uint16_t family;
    memcpy(&family, n->bytes, sizeof family);
    return family;
}

struct inet_name { uint16_t family, port; uint8_t address[4], pad[8]; };
struct inet6_name { uint16_t family, port; uint32_t flow; uint8_t address[16]; uint32_t scope; };

bool posix_address_in(struct socket_address *to, const struct posix_name *from)
{
    *to = (struct socket_address){};
    if (from->length < 2)
        return false;
    if (family_of(from) == AF_INET && from->length >= sizeof(struct inet_name)) {
        struct inet_name n;
        memcpy(&n, from->bytes, sizeof n);
        *to = (struct socket_address){.family = SOCKET_FAMILY_INET, .port = __builtin_bswap16(n.port)};
        memcpy(to->bytes, n.address, 4);
        return true;
    }
    if (family_of(from) == AF_INET6 && from->length >= 24) {
        struct inet6_name n = {};
        memcpy(&n, from->bytes, from->length < sizeof n ? from->length : sizeof n);
        *to = (struct socket_address){.family = SOCKET_FAMILY_INET6, .port = __builtin_bswap16(n.port), .scope = n.scope};
        memcpy(to->bytes, n.address, 16);
        return true;
    }
    return false;
}

void posix_address_out(struct posix_name *to, const struct socket_address *from)
{
    to->length = 0;
    if (from->family == SOCKET_FAMILY_INET) {
        struct inet_name n = {.family = AF_INET, .port = __builtin_bswap16(from->port)};
        memcpy(n.address, from->bytes, 4);
        memcpy(to->bytes, &n, sizeof n);
        to->length = sizeof n;
    } else if (from->family == SOCKET_FAMILY_INET6) {
        struct inet6_name n = {.family = AF_INET6, .port = __builtin_bswap16(from->port), .scope = from->scope};
        memcpy(n.address, from->bytes, 16);
        memcpy(to->bytes, &n, sizeof n);
        to->length = sizeof n;
    }
}

// The part behind the family: a path without its 0, or an abstract name. Empty: none.
static long local_in(const struct posix_name *name, struct fut_bytes *out)
{
    if (name->length < 2 || name->length > 2 + LOCAL_MAX_NAME)
        return -EINVAL;
    if (family_of(name) != AF_UNIX)
        return -EINVAL;
    const char *text = (const char *)name->bytes + 2;
    size_t length = name->length - 2;
    if (length != 0 && text[0] != 0)
        length = strnlen(text, length);
    *out = (struct fut_bytes){text, length};
    return 0;
}

static void local_out(struct posix_name *to, struct fut_bytes name)
{
    uint16_t family = AF_UNIX;
    memset(to->bytes, 0, sizeof to->bytes);
    memcpy(to->bytes, &family, sizeof family);
    if (name.len > LOCAL_MAX_NAME)
        name.len = LOCAL_MAX_NAME;
    memcpy(to->bytes + 2, name.data, name.len);
    to->length = 2 + (uint32_t)name.len + (name.len != 0 && to->bytes[2] != 0); // a path counts its 0
}

long posix_local_target(const struct posix_name *name, struct fut_bytes *abstract, uint64_t *token)
{
    struct fut_bytes text;
    *token = 0;
    *abstract = (struct fut_bytes){};
    long error = local_in(name, &text);
    if (error != 0 || text.len == 0)
        return error != 0 ? error : -EINVAL;
    if (*(const char *)text.data == 0) {
        *abstract = text;
        return 0;
    }
    return posix_errno(process_process_find_local(posix.process, (struct fut_string){text.data, text.len}, token));
}

// --- Making them -----------------------------------------------------------------------------------------------
long posix_net_errno(fut_status_t status)
{
    if (status == FUT_ERR_FACET) // a Network or Control that was narrowed
        return -EPERM;
    return status == FUT_ERR_PEER_CLOSED || status == FUT_ERR_RESTARTED ? -ECONNRESET : posix_errno(status);
}

long posix_network(void)
{
    if (posix.network.h != 0)
        return 0;
    socket_network_t n;
    netctl_control_t c;
    fut_status_t status = process_process_network(posix.process, &n, &c);
    if (status != FUT_OK)
        return posix_errno(status);
    posix.netctl = c;
    posix.network = n;
    return 0;
}

static long inet_socket(unsigned domain, unsigned kind, unsigned protocol, uint32_t status, bool cloexec)
{
    socket_socket_t s;
    for (int tries = 0;; tries++) {
        long error = posix_network();
        if (error != 0)
            return error;
        fut_status_t made = socket_network_open(posix.network, (socket_family_t)domain, (socket_type_t)kind, (uint16_t)protocol, status, &s);
        if (made == FUT_OK)
            break;
        if ((made != FUT_ERR_PEER_CLOSED && made != FUT_ERR_RESTARTED) || tries == 2)
            return made == FUT_ERR_PEER_CLOSED ? -100 : posix_errno(made); // ENETDOWN
        (void)fut_cap_delete(posix.network.h); // netd was restarted: the new one gives its own
        (void)fut_cap_delete(posix.netctl.h);
        posix.network.h = posix.netctl.h = 0;
    }
    long fd = posix_fd_install(s.h, FUT_POSIX_KIND_INET, (status & ~O_ACCMODE) | O_RDWR, cloexec, 0, 0);
    if (fd >= 0 && kind != SOCK_STREAM)
        posix.fd[fd].hints |= FD_PACKETS;
    return fd;
}

long posix_socket(unsigned domain, unsigned kind, unsigned protocol, uint32_t status, bool cloexec)
{
    if (domain == AF_INET || domain == AF_INET6) {
        if (kind != SOCK_STREAM && kind != SOCK_DGRAM && kind != SOCK_RAW)
            return -ESOCKTNOSUPPORT;
        return protocol > 255 ? -EINVAL : inet_socket(domain, kind, protocol, status, cloexec);
    }
    if (domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (protocol > 1)
        return -EPROTONOSUPPORT;
    if (kind == SOCK_RAW)
        kind = SOCK_DGRAM; // as on Linux
    local_socket_t s;
    fut_status_t made = process_process_local_socket(posix.process, kind, status, &s);
    if (made != FUT_OK)
        return posix_errno(made);
    long fd = posix_fd_install(s.h, FUT_POSIX_KIND_SOCKET, (status & ~O_ACCMODE) | O_RDWR, cloexec, 0, 0);
    if (fd >= 0 && kind != SOCK_STREAM)
        posix.fd[fd].hints |= FD_PACKETS;
    return fd;
}

long posix_socket_pair(int fds[2], unsigned kind, uint32_t status, bool cloexec)
{
    local_socket_t a, b;
    fut_status_t made = process_process_local_pair(posix.process, kind == SOCK_RAW ? SOCK_DGRAM : kind, status, &a, &b);
    if (made != FUT_OK)
        return posix_errno(made);
    status = (status & ~O_ACCMODE) | O_RDWR;
    long error = posix_install_two(fds, a.h, status, b.h, status, FUT_POSIX_KIND_SOCKET, cloexec);
    for (int i = 0; error == 0 && kind != SOCK_STREAM && i < 2; i++)
        posix.fd[fds[i]].hints |= FD_PACKETS;
    return error;
}

// --- Names and connections ---------------------------------------------------------------------------------------
long posix_bind(unsigned fd, const struct posix_name *name)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (f->kind == FUT_POSIX_KIND_INET) {
        struct socket_address a;
        if (name->length < 2)
            return -EINVAL;
        if (!posix_address_in(&a, name))
            return family_of(name) == AF_INET || family_of(name) == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
        return posix_net_errno(socket_socket_bind((socket_socket_t){f->handle}, &a));
    }
    if (f->hints & FD_NETLINK)
        return 0;
    struct fut_bytes text;
    local_socket_t s = {f->handle};
    error = local_in(name, &text);
    if (error != 0)
        return error;
    if (text.len == 0 || *(const char *)text.data == 0)
        return posix_errno(local_socket_bind(s, text));
    return posix_errno(process_process_bind_local(posix.process, s, (struct fut_string){text.data, text.len}));
}

long posix_connect(unsigned fd, const struct posix_name *name)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (name->length < 2)
        return -EINVAL;
    struct fut_call_options wait = posix_interruptible;
    if (f->send_ms != 0)
        wait.deadline = posix_now() + (uint64_t)f->send_ms * 1000000;
    if (f->kind == FUT_POSIX_KIND_INET) {
        struct socket_address a;
        if (!posix_address_in(&a, name) && family_of(name) != AF_UNSPEC)
            return family_of(name) == AF_INET || family_of(name) == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
        fut_status_t status = socket_socket_connect_opt((socket_socket_t){f->handle}, &wait, &a);
        return status == FUT_ERR_TIMED_OUT ? -EINPROGRESS : posix_net_errno(status);
    }
    local_socket_t s = {f->handle};
    if (family_of(name) == AF_UNSPEC)
        return posix_errno(local_socket_connect(s, (struct fut_bytes){}, 0));
    struct fut_bytes abstract;
    uint64_t token;
    error = posix_local_target(name, &abstract, &token);
    if (error != 0)
        return error;
    fut_status_t status = local_socket_connect_opt(s, &wait, abstract, token);
    return status == FUT_ERR_TIMED_OUT ? -EAGAIN : posix_errno(status);
}

long posix_listen(unsigned fd, unsigned backlog)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if ((int)backlog < 0 || backlog > 4096)
        backlog = 4096;
    return f->kind == FUT_POSIX_KIND_INET ? posix_net_errno(socket_socket_listen((socket_socket_t){f->handle}, backlog))
                                          : posix_errno(local_socket_listen((local_socket_t){f->handle}, backlog));
}

long posix_accept(unsigned fd, uint32_t status, bool cloexec, struct posix_name *peer)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    uint64_t deadline = f->receive_ms != 0 ? posix_now() + (uint64_t)f->receive_ms * 1000000 : FUT_FOREVER;
    for (;;) {
        fut_handle_t made = 0;
        uint8_t kind = f->kind, hints = f->hints & FD_PACKETS;
        if (kind == FUT_POSIX_KIND_INET) {
            socket_socket_t s;
            struct socket_address from;
            struct fut_call_options wait = {.interruptible = true, .deadline = deadline};
            fut_status_t got = socket_socket_accept_opt((socket_socket_t){f->handle}, &wait, status, 0, &s, &from);
            error = got == FUT_ERR_TIMED_OUT ? -EAGAIN : posix_net_errno(got);
            if (got == FUT_OK) {
                made = s.h;
                posix_address_out(peer, &from);
            } else if (got == FUT_ERR_TIMED_OUT) {
                return error;
            }
        } else {
            local_socket_t s;
            struct fut_bytes from;
            error = posix_errno(local_socket_accept((local_socket_t){f->handle}, status, &s, &from));
            if (error == 0) {
                made = s.h;
                local_out(peer, from);
            }
        }
        if (error == 0) {
            long at = posix_fd_install(made, kind, (status & ~O_ACCMODE) | O_RDWR, cloexec, 0, 0);
            if (at >= 0)
                posix.fd[at].hints |= hints;
            return at;
        }
        if (error != -EAGAIN || (error = posix_wait_ready(fd, POLLIN, deadline)) != 0)
            return error;
        f = posix_fd_get(fd);
        if (f == nullptr)
            return -EBADF;
    }
}

long posix_shutdown(unsigned fd, unsigned how)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (how > 2)
        return -EINVAL;
    return f->kind == FUT_POSIX_KIND_INET ? posix_net_errno(socket_socket_shutdown((socket_socket_t){f->handle}, (uint8_t)how))
                                          : posix_errno(local_socket_shutdown((local_socket_t){f->handle}, how));
}

long posix_socket_name(unsigned fd, bool peer, struct posix_name *name)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (f->kind == FUT_POSIX_KIND_INET) {
        socket_socket_t s = {f->handle};
        struct socket_address a;
        error = posix_net_errno(peer ? socket_socket_peer_address(s, &a) : socket_socket_local_address(s, &a));
        if (error == 0)
            posix_address_out(name, &a);
        return error;
    }
    if (f->hints & FD_NETLINK) {
        uint32_t own[3] = {AF_NETLINK, peer ? 0 : posix_pid(), 0};
        memcpy(name->bytes, own, sizeof own);
        name->length = sizeof own;
        return 0;
    }
    struct fut_bytes text;
    error = posix_errno(local_socket_name((local_socket_t){f->handle}, peer, &text));
    if (error == 0)
        local_out(name, text);
    return error;
}
