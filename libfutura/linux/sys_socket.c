// SPDX-License-Identifier: MPL-2.0
//
// Sockets, as far as they are there: connected stream pairs of the local domain. Calls on other files give ENOTSOCK.
#include "linux.h"

enum { ENOPROTOOPT = 92, ESOCKTNOSUPPORT = 94, EISCONN = 106 };
#define AF_UNIX 1u
#define SOCK_STREAM 1u
#define MSG_PEEK 0x2u
#define MSG_DONTWAIT 0x40u
#define MSG_WAITALL 0x100u
#define MSG_NOSIGNAL 0x4000u
#define SOL_SOCKET 1

SYSCALL(socketpair)
{
    uint32_t flags = (uint32_t)b & (O_CLOEXEC | O_NONBLOCK), type = (uint32_t)b & ~(O_CLOEXEC | O_NONBLOCK);
    if ((uint32_t)a != AF_UNIX)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM)
        return -ESOCKTNOSUPPORT;
    if (c != 0)
        return -EINVAL;
    int fds[2];
    long error = posix_socket_pair(fds, flags & O_NONBLOCK ? IO_STATUS_NONBLOCK : 0, (flags & O_CLOEXEC) != 0);
    if (error != 0)
        return error;
    if (user_write(d, fds, sizeof fds))
        return 0;
    (void)posix_fd_close((unsigned)fds[0]);
    (void)posix_fd_close((unsigned)fds[1]);
    return -EFAULT;
}

static long socket_at(u64 fd)
{
    struct posix_fd *f = posix_fd_get((unsigned)fd);
    return f == nullptr ? -EBADF : f->kind != FUT_POSIX_KIND_SOCKET ? -ENOTSOCK : 0;
}

// Whether the call may begin; the flags' meaning is arranged around it.
static long begin(u64 fd, uint32_t flags, uint16_t events)
{
    long error = socket_at(fd);
    if (error != 0)
        return error;
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL))
        return -EOPNOTSUPP;
    if (flags & MSG_DONTWAIT) {
        struct posix_poll p = {.fd = (int32_t)fd, .events = events};
        long ready = posix_poll(&p, 1, 0);
        if (ready <= 0)
            return ready < 0 ? ready : -EAGAIN;
    }
    posix_self.no_sigpipe = (flags & MSG_NOSIGNAL) != 0;
    return 0;
}
static long end(long result)
{
    posix_self.no_sigpipe = 0;
    return result;
}

SYSCALL(sendto)
{
    long error = begin(a, (uint32_t)d, POLLOUT);
    if (error != 0)
        return error;
    return end(e != 0 ? -EISCONN : posix_write((unsigned)a, b, c, POSIX_AT_OFFSET));
}

SYSCALL(recvfrom)
{
    long error = begin(a, (uint32_t)d, POLLIN);
    if (error != 0)
        return error;
    u64 done = 0;
    do {
        long n = posix_read((unsigned)a, b + done, c - done, POSIX_AT_OFFSET);
        if (n <= 0)
            return end(done != 0 ? (long)done : n);
        done += (u64)n;
    } while (((uint32_t)d & MSG_WAITALL) && done < c);
    if (f != 0 && !user_zero(f, 4)) // a peer of a pair has no address
        return end(-EFAULT);
    return end((long)done);
}

struct linux_msghdr { u64 name; uint32_t name_bytes, pad; u64 vector, count, control, control_bytes; uint32_t flags, pad2; };
static_assert(sizeof(struct linux_msghdr) == 56);

SYSCALL(sendmsg)
{
    struct linux_msghdr m;
    if (!user_read(&m, b, sizeof m))
        return -EFAULT;
    long error = begin(a, (uint32_t)c, POLLOUT);
    if (error != 0)
        return error;
    if (m.name != 0 || m.control_bytes != 0)
        return end(m.name != 0 ? -EISCONN : -EOPNOTSUPP); // descriptors do not travel
    return end(transfer_vector(a, m.vector, m.count, POSIX_AT_OFFSET, true));
}

SYSCALL(recvmsg)
{
    struct linux_msghdr m;
    if (!user_read(&m, b, sizeof m))
        return -EFAULT;
    long error = begin(a, (uint32_t)c, POLLIN);
    if (error != 0)
        return error;
    long n = end(transfer_vector(a, m.vector, m.count, POSIX_AT_OFFSET, false));
    if (n >= 0) {
        m.name_bytes = 0;
        m.control_bytes = 0;
        m.flags = 0;
        if (!user_write(b, &m, sizeof m))
            return -EFAULT;
    }
    return n;
}

static long own_name(u64 fd, u64 to, u64 length)
{
    long error = socket_at(fd);
    uint32_t room, two = 2;
    uint16_t family = AF_UNIX;
    if (error != 0)
        return error;
    if (!user_load32(&room, length) || !user_write(to, &family, room < 2 ? room : 2) || !user_write(length, &two, 4))
        return -EFAULT;
    return 0;
}
SYSCALL(getsockname) { return own_name(a, b, c); }
SYSCALL(getpeername) { return own_name(a, b, c); }

SYSCALL(getsockopt)
{
    enum { SO_TYPE = 3, SO_ERROR = 4, SO_ACCEPTCONN = 30, SO_DOMAIN = 39 };
    long error = socket_at(a);
    uint32_t room, value, four = 4;
    if (error != 0)
        return error;
    if ((int)b != SOL_SOCKET)
        return -EOPNOTSUPP;
    switch (c) {
    case SO_TYPE: value = SOCK_STREAM; break;
    case SO_ERROR:
    case SO_ACCEPTCONN: value = 0; break;
    case SO_DOMAIN: value = AF_UNIX; break;
    default: return -ENOPROTOOPT;
    }
    if (!user_load32(&room, e))
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    return user_write(d, &value, room < 4 ? room : 4) && user_write(e, &four, 4) ? 0 : -EFAULT;
}
