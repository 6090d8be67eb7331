// SPDX-License-Identifier: MPL-2.0
//
// What happens through an open descriptor: bytes, offsets, attributes, status, locks, pipes.
//
// Three ways for bytes. Up to INLINE_BEST they travel in the message. Longer ones go through a lease on the
// program's own buffer, in one call and one copy (ReadInto, WriteFrom), where the server offers it; the entry
// remembers when it does not. Otherwise in messages of MAX_INLINE. /dev/null and /dev/zero are answered here.
#include "posix.h"

#define INLINE_BEST 1024u
#define MAX_INLINE ((size_t)IO_MAX_INLINE)
#define MAX_TRANSFER ((size_t)0x7ffff000)

// A terminal's own rules come before its bytes: a background process must not read (POSIX 11.1.4).
long posix_terminal_allowed(const struct posix_fd *f, bool write)
{
    bool allowed;
    long error = posix_errno(process_process_terminal_access(posix.process, (io_file_t){f->handle}, write, &allowed));
    if (error != 0)
        return error;
    return allowed ? 0 : -ERESTARTSYS; // the signal that posixd sent is pending now, or stopped us
}

static long read_lease(struct posix_fd *f, uint64_t to, size_t bytes, uint64_t offset)
{
    for (int tries = 0;; tries++) {
        uint64_t n;
        struct fut_buffer buffer = {.data = (void *)to, .capacity = bytes};
        fut_status_t status = io_file_read_into_opt((io_file_t){f->handle}, &posix_interruptible, offset, buffer, &n);
        if (status == FUT_OK)
            return (long)n;
        long error = f->kind == FUT_POSIX_KIND_INET ? posix_net_errno(status) : posix_errno(status);
        // The server met a page of ours that is not there yet: bring it in, or find that it never comes.
        if (error != -EFAULT || tries == 2 || !user_touch(to, bytes, true))
            return error;
    }
}

static long read_inline(struct posix_fd *f, uint64_t to, size_t bytes, uint64_t offset)
{
    struct fut_bytes data;
    uint32_t want = (uint32_t)(bytes < MAX_INLINE ? bytes : MAX_INLINE);
    fut_status_t status = offset == POSIX_AT_OFFSET
                              ? io_file_read_opt((io_file_t){f->handle}, &posix_interruptible, want, &data)
                              : io_file_read_at((io_file_t){f->handle}, offset, want, &data);
    if (status != FUT_OK)
        return f->kind == FUT_POSIX_KIND_INET ? posix_net_errno(status) : posix_errno(status);
    if (data.len > want)
        return -EIO;
    return user_write(to, data.data, data.len) ? (long)data.len : -EFAULT;
}

long posix_read(unsigned fd, uint64_t to, size_t bytes, uint64_t offset)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr || (f->status & O_ACCMODE) == O_WRONLY || (f->hints & FD_IS_PATH))
        return -EBADF;
    if (bytes > MAX_TRANSFER)
        bytes = MAX_TRANSFER;
    switch (f->kind) {
    case FUT_POSIX_KIND_DIRECTORY: return -EISDIR;
    case FUT_POSIX_KIND_NULL: return 0;
    case FUT_POSIX_KIND_ZERO: return user_zero(to, bytes) ? (long)bytes : -EFAULT;
    case FUT_POSIX_KIND_TERMINAL: {
        if (offset != POSIX_AT_OFFSET)
            return -ESPIPE;
        long error = posix_terminal_allowed(f, false);
        if (error != 0)
            return error;
        break;
    }
    case FUT_POSIX_KIND_PIPE:
        if (offset != POSIX_AT_OFFSET)
            return -ESPIPE;
        break;
    case FUT_POSIX_KIND_SOCKET:
    case FUT_POSIX_KIND_INET:
        if (offset != POSIX_AT_OFFSET)
            return -ESPIPE;
        if ((f->hints & FD_PACKETS) || f->receive_ms != 0) {
            struct posix_message m;
            m.data = to;
            m.bytes = bytes;
            m.flags = m.fd_room = 0;
            return posix_receive(fd, &m);
        }
        break;
    case FUT_POSIX_KIND_EVENT:
    case FUT_POSIX_KIND_TIMER:
        if (offset != POSIX_AT_OFFSET)
            return -ESPIPE;
        for (;;) {
            long n = bytes < 8 ? -EINVAL : read_inline(f, to, 8, offset);
            if (n != -EAGAIN || (n = posix_wait_ready(fd, POLLIN, FUT_FOREVER)) != 0)
                return n;
        }
    case FUT_POSIX_KIND_SIGNALS: return offset != POSIX_AT_OFFSET ? -ESPIPE : posix_signal_file_read(fd, to, bytes);
    case FUT_POSIX_KIND_POLL: return -EINVAL;
    default: break;
    }
    if (bytes <= INLINE_BEST || (f->hints & FD_NO_LEASE)) {
        // Only a regular file goes on: elsewhere the first bytes are the answer.
        if (f->kind != FUT_POSIX_KIND_REGULAR || bytes <= MAX_INLINE)
            return read_inline(f, to, bytes, offset);
        size_t done = 0;
        while (done < bytes) {
            size_t part = bytes - done < MAX_INLINE ? bytes - done : MAX_INLINE;
            long n = read_inline(f, to + done, part, offset == POSIX_AT_OFFSET ? offset : offset + done);
            if (n < 0)
                return done != 0 ? (long)done : n;
            done += (size_t)n;
            if ((size_t)n < part)
                break;
        }
        return (long)done;
    }
    long n = read_lease(f, to, bytes, offset);
    if (n == -EOPNOTSUPP) {
        f->hints |= FD_NO_LEASE;
        return posix_read(fd, to, bytes, offset);
    }
    return n;
}

static long write_lease(struct posix_fd *f, uint64_t from, size_t bytes, uint64_t offset)
{
    for (int tries = 0;; tries++) {
        uint64_t n;
        struct fut_bytes data = {.data = (const void *)from, .len = bytes};
        fut_status_t status = io_file_write_from_opt((io_file_t){f->handle}, &posix_interruptible, offset, data, &n);
        if (status == FUT_OK)
            return (long)n;
        long error = f->kind == FUT_POSIX_KIND_INET ? posix_net_errno(status) : posix_errno(status);
        if (error != -EFAULT || tries == 2 || !user_touch(from, bytes, false))
            return error;
    }
}

static long write_inline(struct posix_fd *f, uint64_t from, size_t bytes, uint64_t offset)
{
    size_t part = bytes < MAX_INLINE ? bytes : MAX_INLINE;
    // The stub copies straight from the program's memory. It is there now; should another thread unmap it
    // meanwhile, the fault is the program's SIGSEGV.
    if (!user_touch(from, part, false))
        return -EFAULT;
    struct fut_bytes data = {.data = (const void *)from, .len = part};
    uint32_t n;
    fut_status_t status = offset == POSIX_AT_OFFSET
                              ? io_file_write_opt((io_file_t){f->handle}, &posix_interruptible, data, &n)
                              : io_file_write_at((io_file_t){f->handle}, offset, data, &n);
    if (status != FUT_OK)
        return f->kind == FUT_POSIX_KIND_INET ? posix_net_errno(status) : posix_errno(status);
    return n <= part ? (long)n : -EIO;
}

long posix_write(unsigned fd, uint64_t from, size_t bytes, uint64_t offset)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr || (f->status & O_ACCMODE) == 0 || (f->hints & FD_IS_PATH))
        return -EBADF;
    if (bytes > MAX_TRANSFER)
        bytes = MAX_TRANSFER;
    if (f->kind == FUT_POSIX_KIND_NULL || f->kind == FUT_POSIX_KIND_ZERO)
        return (long)bytes;
    if (offset != POSIX_AT_OFFSET && f->kind >= FUT_POSIX_KIND_TERMINAL && f->kind <= FUT_POSIX_KIND_SOCKET)
        return -ESPIPE;
    if (f->kind >= FUT_POSIX_KIND_EVENT && f->kind <= FUT_POSIX_KIND_POLL) {
        if (offset != POSIX_AT_OFFSET)
            return -ESPIPE;
        for (;;) {
            long n = f->kind != FUT_POSIX_KIND_EVENT || bytes < 8 ? -EINVAL : write_inline(f, from, 8, offset);
            if (n != -EAGAIN || (n = posix_wait_ready(fd, POLLOUT, FUT_FOREVER)) != 0)
                return n;
        }
    }
    if (f->kind == FUT_POSIX_KIND_INET && offset != POSIX_AT_OFFSET)
        return -ESPIPE;
    if ((f->kind == FUT_POSIX_KIND_SOCKET || f->kind == FUT_POSIX_KIND_INET) && ((f->hints & FD_PACKETS) || f->send_ms != 0)) {
        struct posix_message m;
        m.data = from;
        m.bytes = bytes;
        m.flags = m.fd_count = m.name.length = 0;
        return posix_send(fd, &m);
    }
    size_t done = 0;
    // A blocking write is whole: what the server took in part is gone on with, up to an error or a signal.
    do {
        uint64_t at = offset == POSIX_AT_OFFSET ? offset : offset + done;
        long n;
        if (bytes - done <= INLINE_BEST || (f->hints & FD_NO_LEASE)) {
            n = write_inline(f, from + done, bytes - done, at);
        } else {
            n = write_lease(f, from + done, bytes - done, at);
            if (n == -EOPNOTSUPP) {
                f->hints |= FD_NO_LEASE;
                continue;
            }
        }
        if (n < 0) {
            if (n == -EPIPE && !posix_self.no_sigpipe)
                posix_signal_raise(SIGPIPE, SI_USER, 0);
            return done != 0 ? (long)done : n;
        }
        done += (size_t)n;
        if (n == 0)
            break;
    } while (done < bytes);
    return (long)done;
}

long posix_seek(unsigned fd, int64_t offset, unsigned whence)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    if (whence > 4)
        return -EINVAL;
    switch (f->kind) {
    case FUT_POSIX_KIND_TERMINAL:
    case FUT_POSIX_KIND_PIPE:
    case FUT_POSIX_KIND_SOCKET:
    case FUT_POSIX_KIND_INET: return -ESPIPE;
    case FUT_POSIX_KIND_EVENT:
    case FUT_POSIX_KIND_TIMER:
    case FUT_POSIX_KIND_SIGNALS:
    case FUT_POSIX_KIND_POLL:
    case FUT_POSIX_KIND_NULL:
    case FUT_POSIX_KIND_ZERO: return 0;
    default: break;
    }
    uint64_t at;
    fut_status_t status = io_file_seek((io_file_t){f->handle}, offset, (uint8_t)whence, &at);
    return status == FUT_OK ? (long)at : posix_errno(status);
}

long posix_stat_fd(unsigned fd, struct io_stat *st)
{
    struct posix_fd *f = posix_fd_get(fd);
    return f == nullptr ? -EBADF : posix_errno(io_file_stat((io_file_t){f->handle}, st));
}

long posix_set_attr_fd(unsigned fd, const struct io_set_attr *a)
{
    struct posix_fd *f = posix_fd_get(fd);
    return f == nullptr ? -EBADF : posix_errno(io_file_set_attr((io_file_t){f->handle}, a));
}

long posix_sync_fd(unsigned fd, bool data_only)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    if (f->kind != FUT_POSIX_KIND_REGULAR && f->kind != FUT_POSIX_KIND_DIRECTORY && f->kind != FUT_POSIX_KIND_OTHER)
        return -EINVAL;
    return posix_errno(io_file_sync_opt((io_file_t){f->handle}, &posix_interruptible, data_only));
}

long posix_get_status(unsigned fd)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    if (f->kind == FUT_POSIX_KIND_NULL || f->kind == FUT_POSIX_KIND_ZERO || (f->hints & FD_IS_PATH))
        return f->status;
    uint32_t flags;
    fut_status_t status = io_file_get_status((io_file_t){f->handle}, &flags);
    if (status == FUT_ERR_UNKNOWN_METHOD)
        return f->status;
    if (status != FUT_OK)
        return posix_errno(status);
    f->status = (f->status & O_ACCMODE) | (flags & ~O_ACCMODE);
    return f->status;
}

long posix_set_status(unsigned fd, uint32_t flags)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr || (f->hints & FD_IS_PATH))
        return -EBADF;
    flags &= IO_STATUS_APPEND | IO_STATUS_NONBLOCK | IO_STATUS_DIRECT;
    fut_status_t status = io_file_set_status((io_file_t){f->handle}, flags);
    if (status == FUT_OK)
        f->status = (f->status & ~(IO_STATUS_APPEND | IO_STATUS_NONBLOCK | IO_STATUS_DIRECT)) | flags;
    return posix_errno(status);
}

long posix_allocate(unsigned fd, uint32_t mode, uint64_t offset, uint64_t bytes)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr || (f->status & O_ACCMODE) == 0)
        return -EBADF;
    return posix_errno(io_file_allocate((io_file_t){f->handle}, mode, offset, bytes));
}

long posix_record_lock(unsigned fd, unsigned kind, bool wait, uint64_t owner, uint64_t start, uint64_t bytes)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    return posix_errno(io_file_lock_opt((io_file_t){f->handle}, &posix_interruptible, (uint8_t)kind, wait, owner, start, bytes));
}

// The bytes pass through the library: both servers see ordinary reads and writes.
long posix_send_file(unsigned out, unsigned in, uint64_t *offset, size_t bytes)
{
    enum { BLOCK = 256 << 10 };
    const struct posix_fd *source = posix_fd_get(in);
    if (source == nullptr || posix_fd_get(out) == nullptr)
        return -EBADF;
    if (source->kind != FUT_POSIX_KIND_REGULAR) // as on Linux; and a terminal's end of input must not be read over
        return -EINVAL;
    size_t room = bytes < BLOCK ? (size_t)PAGE_UP(bytes) : BLOCK;
    if (room == 0)
        return 0;
    uint8_t *buffer = posix_pages(room);
    if (buffer == nullptr)
        return -ENOMEM;
    size_t done = 0;
    long result = 0;
    while (done < bytes) {
        size_t want = bytes - done < room ? bytes - done : room;
        long got = posix_read(in, (uint64_t)buffer, want, offset != nullptr ? *offset : POSIX_AT_OFFSET);
        if (got <= 0) {
            result = got;
            break;
        }
        long put = posix_write(out, (uint64_t)buffer, (size_t)got, POSIX_AT_OFFSET);
        if (put < 0) {
            result = put;
            put = 0;
        }
        done += (size_t)put;
        if (offset != nullptr)
            *offset += (uint64_t)put;
        else if (put < got)
            (void)posix_seek(in, put - got, 1);
        if (put < got)
            break;
    }
    (void)posix_unmap((uint64_t)buffer, room);
    return done != 0 ? (long)done : result;
}

long posix_install_two(int fds[2], fut_handle_t a, uint32_t a_status, fut_handle_t b, uint32_t b_status, uint8_t kind, bool cloexec)
{
    long first = posix_fd_install(a, kind, a_status, cloexec, 0, 0);
    if (first < 0) {
        (void)fut_cap_delete(b);
        return first;
    }
    long second = posix_fd_install(b, kind, b_status, cloexec, 0, 0);
    if (second < 0) {
        (void)posix_fd_close((unsigned)first);
        return second;
    }
    fds[0] = (int)first;
    fds[1] = (int)second;
    return 0;
}

long posix_pipe(int fds[2], uint32_t status, bool cloexec)
{
    io_file_t r, w;
    fut_status_t made = process_process_pipe(posix.process, status, &r, &w);
    if (made != FUT_OK)
        return posix_errno(made);
    return posix_install_two(fds, r.h, status & ~O_ACCMODE, w.h, (status & ~O_ACCMODE) | O_WRONLY, FUT_POSIX_KIND_PIPE, cloexec);
}
