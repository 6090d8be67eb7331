// SPDX-License-Identifier: MPL-2.0
//
// What sockets send and receive, beyond plain reading and writing (file.c). Small amounts travel in the message, others
// through a lease on the caller's buffer. netd waits itself; posixd does not (local.fipc), so the waiting is here.
#include "posix.h"
#include <string.h>

#define INLINE_BEST 1024u

long posix_local_target(const struct posix_name *name, struct fut_bytes *abstract, uint64_t *token);

static uint64_t deadline_of(uint32_t ms) { return ms != 0 ? posix_now() + (uint64_t)ms * 1000000 : FUT_FOREVER; }

// --- Internet ----------------------------------------------------------------------------------------------------
static uint32_t inet_flags(uint32_t flags) { return flags & (MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_WAITALL | MSG_MORE); }

static long inet_send(struct posix_fd *f, struct posix_message *m)
{
    struct socket_address to = {};
    if (m->name.length != 0 && !posix_address_in(&to, &m->name))
        return m->name.length >= 2 && (m->name.bytes[0] == AF_INET || m->name.bytes[0] == AF_INET6) ? -EINVAL : -EAFNOSUPPORT;
    struct fut_call_options wait = {.interruptible = true, .deadline = deadline_of(f->send_ms)};
    socket_socket_t s = {f->handle};
    bool packets = (f->hints & FD_PACKETS) != 0;
    size_t done = 0;
    do {
        struct fut_bytes data = {(const void *)(m->data + done), m->bytes - done};
        fut_status_t status;
        if (data.len <= INLINE_BEST) {
            uint32_t n = 0;
            if (!user_touch((uint64_t)data.data, data.len, false))
                return done != 0 ? (long)done : -EFAULT;
            status = socket_socket_send_to_opt(s, &wait, &to, inet_flags(m->flags), data, &n);
            done += status == FUT_OK ? n : 0;
        } else {
            uint64_t n = 0;
            for (int tries = 0;; tries++) {
                status = socket_socket_send_from_opt(s, &wait, &to, inet_flags(m->flags), data, &n);
                if (posix_errno(status) != -EFAULT || tries == 2 || !user_touch((uint64_t)data.data, data.len, false))
                    break;
            }
            done += status == FUT_OK ? n : 0;
        }
        if (status != FUT_OK) {
            if (done != 0)
                return (long)done;
            return status == FUT_ERR_TIMED_OUT ? -EAGAIN : posix_net_errno(status);
        }
    } while (!packets && done < m->bytes && !(m->flags & MSG_DONTWAIT));
    return (long)done;
}

static long inet_receive(struct posix_fd *f, struct posix_message *m)
{
    struct fut_call_options wait = {.interruptible = true, .deadline = deadline_of(f->receive_ms)};
    socket_socket_t s = {f->handle};
    fut_status_t status;
    size_t n = 0;
    if (m->bytes <= INLINE_BEST) {
        struct fut_bytes data = {};
        status = socket_socket_receive_from_opt(s, &wait, (uint32_t)m->bytes, inet_flags(m->flags), &m->inet, &data);
        if (status == FUT_OK) {
            n = data.len;
            if (n > m->bytes)
                return -EIO;
            if (n != 0 && !user_write(m->data, data.data, n))
                return -EFAULT;
        }
    } else {
        for (int tries = 0;; tries++) {
            uint64_t got = 0;
            struct fut_buffer buffer = {.data = (void *)m->data, .capacity = m->bytes};
            status = socket_socket_receive_into_opt(s, &wait, inet_flags(m->flags), buffer, &got, &m->inet);
            n = got;
            if (posix_errno(status) != -EFAULT || tries == 2 || !user_touch(m->data, m->bytes, true))
                break;
        }
    }
    if (status != FUT_OK)
        return status == FUT_ERR_TIMED_OUT ? -EAGAIN : posix_net_errno(status);
    m->size = f->hints & FD_PACKETS ? m->inet.length : n;
    if (f->hints & FD_PACKETS)
        posix_address_out(&m->name, &m->inet.from);
    m->flags = m->inet.flags & MSG_TRUNC;
    return (long)n;
}

// --- Local -------------------------------------------------------------------------------------------------------
static uint64_t right_info(const struct posix_fd *f)
{
    return f->kind | (uint64_t)f->tree << 8 | (uint64_t)f->hints << 16 | (uint64_t)f->status << 32;
}

static long attach(local_socket_t s, const struct posix_message *m, uint64_t *list)
{
    *list = 0;
    for (unsigned i = 0; i < m->fd_count; i++) {
        struct posix_fd *f = posix_fd_get((unsigned)m->fds[i]);
        long error = f == nullptr ? -EBADF : posix_errno(local_socket_attach(s, *list, right_info(f), (io_file_t){f->handle}, list));
        if (error != 0) {
            if (*list != 0)
                (void)local_socket_discard(s, *list);
            return error == -ENFILE ? -109 : error; // ETOOMANYREFS
        }
    }
    return 0;
}

static long local_send_once(struct posix_fd *f, const struct posix_message *m, size_t done, uint64_t list, struct fut_bytes to, uint64_t token)
{
    local_socket_t s = {f->handle};
    struct fut_bytes data = {(const void *)(m->data + done), m->bytes - done};
    if (data.len <= INLINE_BEST) {
        uint32_t n;
        uint8_t copy[INLINE_BEST]; // with two parts in the message neither may be there already; and it may go away
        if (!user_read(copy, (uint64_t)data.data, data.len))
            return -EFAULT;
        fut_status_t status = local_socket_send(s, 0, list, token, to, (struct fut_bytes){copy, data.len}, &n);
        return status == FUT_OK ? (long)n : posix_errno(status);
    }
    for (int tries = 0;; tries++) {
        uint64_t n;
        fut_status_t status = local_socket_send_from(s, 0, list, token, to, data, &n);
        if (status == FUT_OK)
            return (long)n;
        long error = posix_errno(status);
        if (error != -EFAULT || tries == 2 || !user_touch((uint64_t)data.data, data.len, false))
            return error;
    }
}

static long local_send(unsigned fd, struct posix_fd *f, struct posix_message *m)
{
    struct fut_bytes to = {};
    uint64_t token = 0, list, deadline = deadline_of(f->send_ms);
    local_socket_t s = {f->handle};
    if (m->name.length != 0) {
        long error = posix_local_target(&m->name, &to, &token);
        if (error != 0)
            return error;
    }
    long error = attach(s, m, &list);
    if (error != 0)
        return error;
    size_t done = 0;
    do {
        long n = local_send_once(f, m, done, list, to, token);
        if (n >= 0) {
            done += (size_t)n;
            list = 0;
            if ((f->hints & FD_PACKETS) || n == 0)
                break;
            continue;
        }
        if (n == -EAGAIN && !(m->flags & MSG_DONTWAIT) && !((f->hints & FD_PACKETS) && token | to.len)) {
            n = posix_wait_ready(fd, POLLOUT, deadline);
        } else if (n == -EAGAIN && !(m->flags & MSG_DONTWAIT)) {
            // Another's queue is full, which this socket's readiness does not tell: looked at now and then.
            n = f->status & IO_STATUS_NONBLOCK ? -EAGAIN : posix_sleep_until(posix_now() + 2000000);
            if (n == 0 && posix_now() >= deadline)
                n = -EAGAIN;
            else if (n == -ERESTARTNOHAND)
                n = -ERESTARTSYS;
        }
        if (n != 0) {
            error = n;
            break;
        }
        f = posix_fd_get(fd);
        if (f == nullptr)
            return -EBADF;
    } while (done < m->bytes);
    if (list != 0)
        (void)local_socket_discard(s, list);
    return done != 0 ? (long)done : error;
}

// Installs what came along; what there is no room for is dropped, and said.
static void take_rights(local_socket_t s, struct posix_message *m, uint64_t list, uint32_t count)
{
    m->fd_count = 0;
    if (list == 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        io_file_t h;
        uint64_t info;
        if (m->fd_count == m->fd_room || local_socket_take(s, list, i, &h, &info) != FUT_OK) {
            m->flags |= MSG_CTRUNC;
            break;
        }
        uint8_t kind = (uint8_t)info <= FUT_POSIX_KIND_INET ? (uint8_t)info : FUT_POSIX_KIND_OTHER;
        long fd = posix_fd_install(h.h, kind, (uint32_t)(info >> 32), m->cloexec, (uint8_t)(info >> 8) < POSIX_TREES ? (uint8_t)(info >> 8) : 0, 0);
        if (fd < 0) {
            m->flags |= MSG_CTRUNC;
            break;
        }
        posix.fd[fd].hints |= (uint8_t)(info >> 16) & (FD_NO_LEASE | FD_IS_PATH | FD_PACKETS | FD_WALL_CLOCK);
        m->fds[m->fd_count++] = (int)fd;
    }
    (void)local_socket_discard(s, list);
}

static long local_receive_once(struct posix_fd *f, struct posix_message *m, size_t done)
{
    local_socket_t s = {f->handle};
    uint64_t rights = 0, to = m->data + done;
    uint32_t count = 0, got = 0, want = m->flags & MSG_PEEK;
    size_t bytes = m->bytes - done;
    struct fut_bytes from = {};
    long n;
    if (bytes <= INLINE_BEST) {
        struct fut_bytes data = {};
        // Room first: what is taken from the queue must not be lost.
        if (bytes != 0 && !user_touch(to, bytes, true))
            return -EFAULT;
        fut_status_t status = local_socket_receive(s, want, (uint32_t)bytes, &m->size, &rights, &count, &got, &m->sender, &data, &from);
        if (status != FUT_OK)
            return posix_errno(status);
        n = (long)data.len;
        if (data.len > bytes || (n != 0 && !user_write(to, data.data, data.len)))
            n = -EFAULT;
    } else {
        for (int tries = 0;; tries++) {
            uint64_t taken = 0;
            struct fut_buffer buffer = {.data = (void *)to, .capacity = bytes};
            fut_status_t status = local_socket_receive_into(s, want, buffer, &taken, &m->size, &rights, &count, &got, &m->sender, &from);
            if (status == FUT_OK) {
                n = (long)taken;
                break;
            }
            long error = posix_errno(status);
            if (error != -EFAULT || tries == 2 || !user_touch(to, bytes, true))
                return error;
        }
    }
    m->name.length = 0;
    if (f->hints & FD_NETLINK) {
        const uint32_t kernel[3] = {AF_NETLINK};
        memcpy(m->name.bytes, kernel, sizeof kernel);
        m->name.length = sizeof kernel;
    } else if (f->hints & FD_PACKETS && from.len != 0 && from.len <= LOCAL_MAX_NAME) {
        uint16_t family = AF_UNIX;
        memset(m->name.bytes, 0, sizeof m->name.bytes);
        memcpy(m->name.bytes, &family, 2);
        memcpy(m->name.bytes + 2, from.data, from.len);
        m->name.length = 2 + (uint32_t)from.len + (m->name.bytes[2] != 0);
    }
    uint32_t asked = m->flags;
    m->flags = got & (MSG_TRUNC | MSG_EOR);
    take_rights(s, m, rights, count);
    uint32_t result = m->flags;
    m->flags = asked;
    m->flags |= result << 16; // kept aside until the loop is over
    return n;
}

static long local_receive(unsigned fd, struct posix_fd *f, struct posix_message *m)
{
    uint64_t deadline = deadline_of(f->receive_ms);
    size_t done = 0;
    m->fd_count = 0;
    m->name.length = 0;
    m->flags &= 0xffff;
    for (;;) {
        long n = local_receive_once(f, m, done);
        if (n >= 0) {
            done += (size_t)n;
            bool more = (m->flags & MSG_WAITALL) && !(m->flags & MSG_PEEK) && !(f->hints & FD_PACKETS) && n != 0 &&
                        done < m->bytes && m->fd_count == 0;
            if (!more)
                break;
            continue;
        }
        if (n == -EAGAIN && !(m->flags & MSG_DONTWAIT))
            n = posix_wait_ready(fd, POLLIN, deadline);
        if (n != 0) {
            if (done != 0)
                break;
            return n;
        }
        f = posix_fd_get(fd);
        if (f == nullptr)
            return -EBADF;
    }
    m->flags >>= 16;
    if (!(f->hints & FD_PACKETS))
        m->size = done;
    return (long)done;
}

// --- Both --------------------------------------------------------------------------------------------------------
long posix_netlink_send(unsigned fd, uint64_t user, size_t bytes);

long posix_send(unsigned fd, struct posix_message *m)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (m->flags & 1) // MSG_OOB
        return -EOPNOTSUPP;
    if (f->hints & FD_NETLINK)
        return posix_netlink_send(fd, m->data, m->bytes);
    if (m->fd_count != 0 && f->kind != FUT_POSIX_KIND_SOCKET)
        return -EINVAL;
    long n = f->kind == FUT_POSIX_KIND_INET ? inet_send(f, m) : local_send(fd, f, m);
    if (n == -EPIPE && !(m->flags & MSG_NOSIGNAL) && !((f->hints & FD_PACKETS) && f->kind == FUT_POSIX_KIND_INET))
        posix_signal_raise(SIGPIPE, SI_USER, 0);
    return n;
}

long posix_receive(unsigned fd, struct posix_message *m)
{
    struct posix_fd *f;
    long error = posix_socket_of(fd, &f);
    if (error != 0)
        return error;
    if (m->flags & 1)
        return -EINVAL;
    m->inet = (struct socket_received){};
    m->sender = (struct local_credentials){.uid = 65534, .gid = 65534};
    m->name.length = 0;
    m->fd_count = 0;
    m->size = 0;
    return f->kind == FUT_POSIX_KIND_INET ? inet_receive(f, m) : local_receive(fd, f, m);
}
