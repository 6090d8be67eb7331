// SPDX-License-Identifier: MPL-2.0
//
// Sockets: Linux's calls, structures of messages and control records. What they do is in libfutura/posix/socket*.c.
#include "linux.h"
#include <string.h>

static uint32_t status_of(u64 flags) { return flags & O_NONBLOCK ? IO_STATUS_NONBLOCK : 0; }

static long name_in(struct posix_name *to, u64 user, u64 length)
{
    to->length = 0;
    if ((int)length < 0 || length > sizeof to->bytes)
        return -EINVAL;
    memset(to->bytes, 0, sizeof to->bytes);
    if (!user_read(to->bytes, user, length))
        return -EFAULT;
    to->length = (uint32_t)length;
    return 0;
}

// What fits; the length is the whole one's.
static long name_out(const struct posix_name *from, u64 user, u64 user_length)
{
    uint32_t room;
    if (user == 0)
        return 0;
    if (!user_load32(&room, user_length))
        return -EFAULT;
    if ((int32_t)room < 0)
        return -EINVAL;
    uint32_t n = room < from->length ? room : from->length;
    return user_write(user, from->bytes, n) && user_write(user_length, &from->length, 4) ? 0 : -EFAULT;
}

SYSCALL(socket)
{
    uint32_t flags = (uint32_t)b & (O_CLOEXEC | O_NONBLOCK), kind = (uint32_t)b & ~(O_CLOEXEC | O_NONBLOCK);
    if (kind > 10)
        return -EINVAL;
    if ((uint32_t)a == AF_NETLINK)
        return posix_netlink_socket(kind, (uint32_t)c, status_of(flags), (flags & O_CLOEXEC) != 0);
    return posix_socket((uint32_t)a, kind, (uint32_t)c, status_of(flags), (flags & O_CLOEXEC) != 0);
}

SYSCALL(socketpair)
{
    uint32_t flags = (uint32_t)b & (O_CLOEXEC | O_NONBLOCK), kind = (uint32_t)b & ~(O_CLOEXEC | O_NONBLOCK);
    if ((uint32_t)a != AF_UNIX)
        return (uint32_t)a == AF_INET || (uint32_t)a == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT;
    if (c > 1)
        return -EPROTONOSUPPORT;
    int fds[2];
    long error = posix_socket_pair(fds, kind, status_of(flags), (flags & O_CLOEXEC) != 0);
    if (error != 0)
        return error;
    if (user_write(d, fds, sizeof fds))
        return 0;
    (void)posix_fd_close((unsigned)fds[0]);
    (void)posix_fd_close((unsigned)fds[1]);
    return -EFAULT;
}

SYSCALL(bind)
{
    struct posix_name name;
    long error = name_in(&name, b, c);
    return error != 0 ? error : posix_bind((unsigned)a, &name);
}
SYSCALL(connect)
{
    struct posix_name name;
    long error = name_in(&name, b, c);
    return error != 0 ? error : posix_connect((unsigned)a, &name);
}
SYSCALL(listen) { return posix_listen((unsigned)a, (unsigned)b); }
SYSCALL(shutdown) { return posix_shutdown((unsigned)a, (unsigned)b); }

static long do_accept(u64 fd, u64 name, u64 length, u64 flags)
{
    struct posix_name peer = {};
    if (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    long made = posix_accept((unsigned)fd, status_of(flags), (flags & O_CLOEXEC) != 0, &peer);
    if (made < 0)
        return made;
    long error = name_out(&peer, name, length);
    if (error == 0)
        return made;
    (void)posix_fd_close((unsigned)made);
    return error;
}
SYSCALL(accept) { return do_accept(a, b, c, 0); }
SYSCALL(accept4) { return do_accept(a, b, c, d); }

static long own_name(u64 fd, bool peer, u64 to, u64 length)
{
    struct posix_name name = {};
    long error = posix_socket_name((unsigned)fd, peer, &name);
    return error != 0 ? error : to == 0 ? -EFAULT : name_out(&name, to, length);
}
SYSCALL(getsockname) { return own_name(a, false, b, c); }
SYSCALL(getpeername) { return own_name(a, true, b, c); }

// --- Options -----------------------------------------------------------------------------------------------------
SYSCALL(getsockopt)
{
    alignas(8) uint8_t value[256] = {};
    uint32_t length;
    struct posix_fd *file;
    long error = posix_socket_of((unsigned)a, &file);
    if (error != 0)
        return error;
    if (!user_load32(&length, e))
        return -EFAULT;
    if ((int32_t)length < 0)
        return -EINVAL;
    if (length > sizeof value)
        length = sizeof value;
    error = posix_get_option((unsigned)a, (int)b, (int)c, value, &length);
    if (error != 0)
        return error;
    return user_write(d, value, length) && user_write(e, &length, sizeof length) ? 0 : -EFAULT;
}

SYSCALL(setsockopt)
{
    alignas(8) uint8_t value[256] = {};
    if ((int)e < 0)
        return -EINVAL;
    uint32_t length = e < sizeof value ? (uint32_t)e : sizeof value;
    if (!user_read(value, d, length))
        return -EFAULT;
    return posix_set_option((unsigned)a, (int)b, (int)c, value, length);
}

// --- Data --------------------------------------------------------------------------------------------------------
#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | 0x4u | 0x800u | 0x1u) // and DONTROUTE, CONFIRM, OOB
#define RECEIVE_FLAGS (MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL | MSG_TRUNC | MSG_CMSG_CLOEXEC | MSG_NOSIGNAL | 0x2000u | 0x1u)

// Whether nothing but bytes is asked for: then the file's own reading and writing do it, and wait at the server.
static bool is_plain(const struct posix_fd *f, uint32_t flags)
{
    return (flags & ~MSG_NOSIGNAL) == 0 && !(f->hints & FD_PACKETS);
}

SYSCALL(sendto)
{
    struct posix_fd *file;
    long error = posix_socket_of((unsigned)a, &file);
    if (error != 0)
        return error;
    if ((uint32_t)d & ~SEND_FLAGS)
        return -EOPNOTSUPP;
    if (e == 0 && is_plain(file, (uint32_t)d)) {
        posix_self.no_sigpipe = (d & MSG_NOSIGNAL) != 0;
        long n = posix_write((unsigned)a, b, c, POSIX_AT_OFFSET);
        posix_self.no_sigpipe = 0;
        return n;
    }
    struct posix_message m;
    m.data = b;
    m.bytes = c < 0x7ffff000 ? c : 0x7ffff000;
    m.flags = (uint32_t)d;
    m.fd_count = m.name.length = 0;
    if (e != 0)
        error = name_in(&m.name, e, f);
    return error != 0 ? error : posix_send((unsigned)a, &m);
}

SYSCALL(recvfrom)
{
    struct posix_fd *file;
    long error = posix_socket_of((unsigned)a, &file);
    if (error != 0)
        return error;
    if ((uint32_t)d & ~RECEIVE_FLAGS)
        return -EOPNOTSUPP;
    const uint32_t none = 0;
    if (is_plain(file, (uint32_t)d)) {
        long n = posix_read((unsigned)a, b, c, POSIX_AT_OFFSET);
        return n >= 0 && e != 0 && f != 0 && !user_write(f, &none, 4) ? -EFAULT : n;
    }
    struct posix_message m;
    m.data = b;
    m.bytes = c < 0x7ffff000 ? c : 0x7ffff000;
    m.flags = (uint32_t)d & 0xffff;
    m.fd_room = 0;
    long n = posix_receive((unsigned)a, &m);
    if (n < 0)
        return n;
    error = name_out(&m.name, e, f);
    return error != 0 ? error : (d & MSG_TRUNC) && (file->hints & FD_PACKETS) ? (long)m.size : n;
}

struct linux_msghdr { u64 name; uint32_t name_bytes, pad; u64 vector, count, control, control_bytes; uint32_t flags, pad2; };
static_assert(sizeof(struct linux_msghdr) == 56);
struct control_header { u64 length; int32_t level, type; };
enum { SOL_SOCKET = 1, SCM_RIGHTS = 1, SCM_CREDENTIALS = 2, SOL_IP = 0, SOL_IPV6 = 41 };

// One stretch of memory for a vector: the only part itself, or a buffer. Bigger than this, streams are cut.
#define GATHER_MAX (UINT64_C(1) << 20)
struct gathered { uint8_t small[2048]; uint8_t *pages; size_t room, total; u64 vector, count; };

static long vector_size(struct gathered *g, const struct linux_msghdr *h)
{
    if (h->count > 1024)
        return -EMSGSIZE;
    g->vector = h->vector;
    g->count = h->count;
    g->pages = nullptr;
    g->total = 0;
    for (u64 i = 0; i < h->count; i++) {
        u64 part[2];
        if (!user_read(part, h->vector + i * sizeof part, sizeof part))
            return -EFAULT;
        if ((int64_t)part[1] < 0 || g->total + part[1] > 0x7ffff000)
            return -EINVAL;
        g->total += part[1];
    }
    return 0;
}

// *data: where the bytes are, or are to go.
static long gather(struct gathered *g, u64 *data, bool fill)
{
    if (g->count == 1) {
        u64 part[2];
        if (!user_read(part, g->vector, sizeof part))
            return -EFAULT;
        *data = part[0];
        g->total = part[1]; // as it is now
        return 0;
    }
    if (g->total > GATHER_MAX)
        g->total = GATHER_MAX;
    uint8_t *to = g->small;
    if (g->total > sizeof g->small) {
        g->room = (size_t)PAGE_UP(g->total);
        to = g->pages = posix_pages(g->room);
        if (to == nullptr)
            return -ENOMEM;
    }
    *data = (u64)to;
    size_t done = 0;
    for (u64 i = 0; fill && i < g->count && done < g->total; i++) {
        u64 part[2];
        if (!user_read(part, g->vector + i * sizeof part, sizeof part))
            return -EFAULT;
        size_t n = part[1] < g->total - done ? part[1] : g->total - done;
        if (!user_read(to + done, part[0], n))
            return -EFAULT;
        done += n;
    }
    return 0;
}

static bool scatter(const struct gathered *g, u64 data, size_t bytes)
{
    size_t done = 0;
    for (u64 i = 0; g->count != 1 && i < g->count && done < bytes; i++) {
        u64 part[2];
        if (!user_read(part, g->vector + i * sizeof part, sizeof part))
            return false;
        size_t n = part[1] < bytes - done ? part[1] : bytes - done;
        if (!user_write(part[0], (const uint8_t *)data + done, n))
            return false;
        done += n;
    }
    return true;
}

static void gather_end(struct gathered *g)
{
    if (g->pages != nullptr)
        (void)posix_unmap((u64)g->pages, g->room);
}

static long control_in(const struct linux_msghdr *h, struct posix_message *m)
{
    u64 at = h->control, end = h->control + h->control_bytes;
    if (h->control_bytes > 20480 || end < at)
        return -ENOBUFS;
    while (h->control != 0 && end - at >= sizeof(struct control_header)) {
        struct control_header c;
        if (!user_read(&c, at, sizeof c))
            return -EFAULT;
        if (c.length < sizeof c || c.length > end - at)
            return -EINVAL;
        if (c.level == SOL_SOCKET && c.type == SCM_RIGHTS) {
            unsigned n = (unsigned)((c.length - sizeof c) / sizeof(int));
            if (m->fd_count + n > POSIX_FDS_PASSED)
                return -EINVAL;
            if (!user_read(m->fds + m->fd_count, at + sizeof c, n * sizeof(int)))
                return -EFAULT;
            m->fd_count += n;
        } else if (c.level == SOL_SOCKET && c.type != SCM_CREDENTIALS) {
            return -EINVAL;
        }
        u64 step = (c.length + 7) & ~UINT64_C(7);
        if (step >= end - at)
            break;
        at += step;
    }
    return 0;
}

struct control_out { u64 at, room; bool cut, bad; };
static void control_put(struct control_out *o, int32_t level, int32_t type, const void *data, size_t bytes)
{
    struct control_header c = {sizeof c + bytes, level, type};
    if (o->room < c.length) {
        o->cut = true;
        return;
    }
    o->bad |= !user_write(o->at, &c, sizeof c) || !user_write(o->at + sizeof c, data, bytes);
    u64 step = (c.length + 7) & ~UINT64_C(7);
    step = step < o->room ? step : o->room;
    o->at += step;
    o->room -= step;
}

static void control_records(struct control_out *o, const struct posix_fd *f, const struct posix_message *m)
{
    if (m->fd_count != 0)
        control_put(o, SOL_SOCKET, SCM_RIGHTS, m->fds, m->fd_count * sizeof(int));
    if (f->wants == 0)
        return;
    if ((f->wants & POSIX_WANTS_CREDENTIALS) && f->kind == FUT_POSIX_KIND_SOCKET)
        control_put(o, SOL_SOCKET, SCM_CREDENTIALS, &m->sender, sizeof m->sender);
    if (f->kind != FUT_POSIX_KIND_INET || !(f->hints & FD_PACKETS))
        return;
    int32_t hops = m->inet.hops, class = m->inet.traffic_class;
    bool v6 = m->inet.from.family == SOCKET_FAMILY_INET6;
    if (f->wants & POSIX_WANTS_INFO && !v6) {
        struct { uint32_t interface; uint8_t local[4], to[4]; } info = {.interface = m->inet.interface};
        memcpy(info.local, m->inet.to.bytes, 4);
        memcpy(info.to, m->inet.to.bytes, 4);
        control_put(o, SOL_IP, 8, &info, sizeof info);
    }
    if (f->wants & POSIX_WANTS_TTL && !v6)
        control_put(o, SOL_IP, 2, &hops, sizeof hops);
    if (f->wants & POSIX_WANTS_TOS && !v6)
        control_put(o, SOL_IP, 1, &m->inet.traffic_class, 1);
    if (f->wants & POSIX_WANTS_INFO6 && v6) {
        struct { uint8_t to[16]; uint32_t interface; } info = {.interface = m->inet.interface};
        memcpy(info.to, m->inet.to.bytes, 16);
        control_put(o, SOL_IPV6, 50, &info, sizeof info);
    }
    if (f->wants & POSIX_WANTS_HOPS && v6)
        control_put(o, SOL_IPV6, 52, &hops, sizeof hops);
    if (f->wants & POSIX_WANTS_CLASS && v6)
        control_put(o, SOL_IPV6, 67, &class, sizeof class);
}

static long send_message(u64 fd, u64 user, uint32_t flags)
{
    struct linux_msghdr h;
    struct posix_fd *file;
    long error = posix_socket_of((unsigned)fd, &file);
    if (error != 0)
        return error;
    if (!user_read(&h, user, sizeof h))
        return -EFAULT;
    if (flags & ~SEND_FLAGS)
        return -EOPNOTSUPP;
    if (h.name == 0 && (h.control == 0 || h.control_bytes == 0) && is_plain(file, flags)) {
        posix_self.no_sigpipe = (flags & MSG_NOSIGNAL) != 0;
        long n = transfer_vector(fd, h.vector, h.count, POSIX_AT_OFFSET, true);
        posix_self.no_sigpipe = 0;
        return n;
    }
    struct posix_message m;
    struct gathered g;
    m.fd_count = m.name.length = 0;
    m.flags = flags;
    if (h.name != 0 && h.name_bytes != 0)
        error = name_in(&m.name, h.name, h.name_bytes);
    if (error == 0)
        error = control_in(&h, &m);
    if (error == 0)
        error = vector_size(&g, &h);
    if (error != 0)
        return error;
    if (g.count > 1 && g.total > GATHER_MAX && (file->hints & FD_PACKETS))
        return -EMSGSIZE;
    error = gather(&g, &m.data, true);
    m.bytes = g.total;
    if (error == 0)
        error = posix_send((unsigned)fd, &m);
    gather_end(&g);
    return error;
}

static long receive_message(u64 fd, u64 user, uint32_t flags, const struct linux_msghdr *given)
{
    struct linux_msghdr h;
    struct posix_fd *file;
    long error = posix_socket_of((unsigned)fd, &file);
    if (error != 0)
        return error;
    if (given != nullptr)
        h = *given;
    else if (!user_read(&h, user, sizeof h))
        return -EFAULT;
    if (flags & ~RECEIVE_FLAGS)
        return -EOPNOTSUPP;
    struct posix_message m;
    struct gathered g;
    m.flags = flags & 0xffff;
    m.cloexec = (flags & MSG_CMSG_CLOEXEC) != 0;
    m.fd_room = h.control_bytes > sizeof(struct control_header) ? (unsigned)((h.control_bytes - sizeof(struct control_header)) / sizeof(int)) : 0;
    if (m.fd_room > POSIX_FDS_PASSED)
        m.fd_room = POSIX_FDS_PASSED;
    error = vector_size(&g, &h);
    if (error == 0)
        error = gather(&g, &m.data, false);
    m.bytes = g.total;
    long n = error != 0 ? error : posix_receive((unsigned)fd, &m);
    if (n >= 0 && !scatter(&g, m.data, (size_t)n))
        n = -EFAULT;
    gather_end(&g);
    if (n < 0)
        return n;
    struct control_out o = {.at = h.control, .room = h.control != 0 ? h.control_bytes : 0};
    control_records(&o, file, &m);
    uint32_t room = h.name != 0 ? h.name_bytes : 0;
    if (room != 0 && !user_write(h.name, m.name.bytes, room < m.name.length ? room : m.name.length))
        return -EFAULT;
    h.name_bytes = m.name.length;
    h.control_bytes = h.control != 0 ? o.at - h.control : 0;
    h.flags = m.flags | (o.cut ? MSG_CTRUNC : 0) | (flags & MSG_CMSG_CLOEXEC);
    if (o.bad || !user_write(user, &h, sizeof h))
        return -EFAULT;
    return (flags & MSG_TRUNC) && (file->hints & FD_PACKETS) ? (long)m.size : n;
}

SYSCALL(sendmsg) { return send_message(a, b, (uint32_t)c); }
SYSCALL(recvmsg) { return receive_message(a, b, (uint32_t)c, nullptr); }

#define MMSG_BYTES 64 // struct mmsghdr: a msghdr, and how much there was
static long many(u64 fd, u64 user, u64 count, uint32_t flags, uint64_t deadline, bool send)
{
    enum { WAITFORONE = 0x10000 };
    if (count > 1024)
        count = 1024;
    u64 done = 0;
    while (done < count) {
        u64 at = user + done * MMSG_BYTES;
        uint32_t how = flags & ~(uint32_t)WAITFORONE;
        if (!send && done != 0 && (flags & WAITFORONE))
            how |= MSG_DONTWAIT;
        long n = send ? send_message(fd, at, how) : receive_message(fd, at, how, nullptr);
        if (n < 0)
            return done != 0 ? (long)done : n;
        uint32_t length = (uint32_t)n;
        if (!user_write(at + sizeof(struct linux_msghdr), &length, sizeof length))
            return done != 0 ? (long)done : -EFAULT;
        done++;
        if (!send && posix_now() >= deadline)
            break;
    }
    return (long)done;
}
SYSCALL(sendmmsg) { return many(a, b, (uint32_t)c, (uint32_t)d, FUT_FOREVER, true); }
SYSCALL(recvmmsg)
{
    uint64_t deadline;
    long error = timespec_deadline(e, &deadline);
    return error != 0 ? error : many(a, b, (uint32_t)c, (uint32_t)d, deadline, false);
}
