// SPDX-License-Identifier: MPL-2.0
//
// System calls on open descriptors.
#include "linux.h"
#include <string.h>

#define IOV_MAX 1024
struct linux_iovec { u64 base, bytes; };

SYSCALL(read) { return posix_read((unsigned)a, b, c, POSIX_AT_OFFSET); }
SYSCALL(write) { return posix_write((unsigned)a, b, c, POSIX_AT_OFFSET); }
SYSCALL(pread64) { return (int64_t)d < 0 ? -EINVAL : posix_read((unsigned)a, b, c, d); }
SYSCALL(pwrite64) { return (int64_t)d < 0 ? -EINVAL : posix_write((unsigned)a, b, c, d); }

// Small vectors of writes are gathered, so that a line from stdio is one message; else each part is a call.
long transfer_vector(u64 fd, u64 user, u64 count, uint64_t offset, bool write)
{
    if (count > IOV_MAX)
        return -EINVAL;
    struct linux_iovec v[16];
    long done = 0;
    for (u64 first = 0; first < count; first += 16) {
        u64 n = count - first < 16 ? count - first : 16;
        if (!user_read(v, user + first * sizeof v[0], n * sizeof v[0]))
            return done != 0 ? done : -EFAULT;
        u64 total = 0;
        for (u64 i = 0; i < n; i++) {
            if ((int64_t)v[i].bytes < 0)
                return done != 0 ? done : -EINVAL;
            total += v[i].bytes;
        }
        uint8_t gathered[2048];
        if (write && n > 1 && total <= sizeof gathered) {
            size_t at = 0;
            for (u64 i = 0; i < n; i++) {
                if (!user_read(gathered + at, v[i].base, v[i].bytes))
                    return done != 0 ? done : -EFAULT;
                at += v[i].bytes;
            }
            v[0] = (struct linux_iovec){(u64)gathered, at};
            n = 1;
        }
        for (u64 i = 0; i < n; i++) {
            if (v[i].bytes == 0)
                continue;
            uint64_t at = offset == POSIX_AT_OFFSET ? offset : offset + (u64)done;
            long r = write ? posix_write((unsigned)fd, v[i].base, v[i].bytes, at)
                           : posix_read((unsigned)fd, v[i].base, v[i].bytes, at);
            if (r < 0)
                return done != 0 ? done : r;
            done += r;
            if ((u64)r < v[i].bytes)
                return done;
        }
    }
    return done == 0 && posix_fd_get((unsigned)fd) == nullptr ? -EBADF : done;
}

SYSCALL(readv) { return transfer_vector(a, b, c, POSIX_AT_OFFSET, false); }
SYSCALL(writev) { return transfer_vector(a, b, c, POSIX_AT_OFFSET, true); }
SYSCALL(preadv) { return (int64_t)d < 0 ? -EINVAL : transfer_vector(a, b, c, d, false); }
SYSCALL(pwritev) { return (int64_t)d < 0 ? -EINVAL : transfer_vector(a, b, c, d, true); }

SYSCALL(close) { return posix_fd_close((unsigned)a); }
SYSCALL(close_range) { return posix_close_range((unsigned)a, (unsigned)b, (unsigned)c); }
SYSCALL(dup) { return posix_dup((unsigned)a, 0, false); }
SYSCALL(dup2) { return (unsigned)a != (unsigned)b ? posix_dup_to((unsigned)a, (unsigned)b, false) : posix_fd_get((unsigned)a) == nullptr ? -EBADF : (long)(unsigned)b; }
SYSCALL(dup3) { return (unsigned)a == (unsigned)b || (c & ~O_CLOEXEC) != 0 ? -EINVAL : posix_dup_to((unsigned)a, (unsigned)b, (c & O_CLOEXEC) != 0); }
SYSCALL(lseek) { return posix_seek((unsigned)a, (int64_t)b, (unsigned)c); }

SYSCALL(fstat)
{
    struct io_stat st;
    struct linux_stat out;
    long error = posix_stat_fd((unsigned)a, &st);
    if (error != 0)
        return error;
    stat_out(&out, &st);
    return user_write(b, &out, sizeof out) ? 0 : -EFAULT;
}

static long pipe_pair(u64 user, u64 flags)
{
    if (flags & ~(u64)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
        return -EINVAL;
    int fds[2];
    long error = posix_pipe(fds, flags & O_NONBLOCK ? IO_STATUS_NONBLOCK : 0, (flags & O_CLOEXEC) != 0);
    if (error != 0)
        return error;
    if (user_write(user, fds, sizeof fds))
        return 0;
    (void)posix_fd_close((unsigned)fds[0]);
    (void)posix_fd_close((unsigned)fds[1]);
    return -EFAULT;
}
SYSCALL(pipe) { return pipe_pair(a, 0); }
SYSCALL(pipe2) { return pipe_pair(a, b); }

enum {
    F_DUPFD = 0, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN,
    F_OFD_GETLK = 36, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC = 1030, F_SETPIPE_SZ, F_GETPIPE_SZ,
};
struct linux_flock { int16_t type, whence; int32_t pad; int64_t start, bytes; int32_t pid; int32_t pad2; };

static long record_lock(unsigned fd, u64 user, bool wait)
{
    struct linux_flock l;
    if (!user_read(&l, user, sizeof l))
        return -EFAULT;
    static const uint8_t kinds[3] = {1, 2, 0}; // F_RDLCK, F_WRLCK, F_UNLCK
    if (l.type < 0 || l.type > 2 || l.whence < 0 || l.whence > 2)
        return -EINVAL;
    int64_t start = l.start;
    if (l.whence != 0) {
        struct io_stat st;
        long at = l.whence == 1 ? posix_seek(fd, 0, 1) : posix_stat_fd(fd, &st);
        if (at < 0)
            return at;
        start += l.whence == 1 ? at : (int64_t)st.size;
    }
    if (l.bytes < 0) {
        start += l.bytes;
        l.bytes = -l.bytes;
    }
    if (start < 0)
        return -EINVAL;
    return posix_record_lock(fd, kinds[l.type], wait, posix_pid(), (uint64_t)start, l.bytes == 0 ? UINT64_MAX : (uint64_t)l.bytes);
}

SYSCALL(fcntl)
{
    unsigned fd = (unsigned)a;
    struct posix_fd *f_ = posix_fd_get(fd);
    if (f_ == nullptr)
        return -EBADF;
    switch ((unsigned)b) {
    case F_DUPFD: return posix_dup(fd, (unsigned)c, false);
    case F_DUPFD_CLOEXEC: return posix_dup(fd, (unsigned)c, true);
    case F_GETFD: return f_->cloexec;
    case F_SETFD: f_->cloexec = c & 1; return 0;
    case F_GETFL: {
        long status = posix_get_status(fd);
        return status < 0 ? status : (long)(open_flags_out((uint32_t)status) | (f_->hints & FD_IS_PATH ? O_PATH : 0));
    }
    case F_SETFL: return posix_set_status(fd, open_flags_in((uint32_t)c & (O_APPEND | O_NONBLOCK | O_DIRECT)));
    case F_SETLK:
    case F_OFD_SETLK: return record_lock(fd, c, false);
    case F_SETLKW:
    case F_OFD_SETLKW: return record_lock(fd, c, true);
    case F_GETPIPE_SZ: return f_->kind == FUT_POSIX_KIND_PIPE ? 65536 : -EBADF;
    default: return -EINVAL;
    }
}

SYSCALL(flock)
{
    unsigned how = (unsigned)b & ~4u;
    if (how != 1 && how != 2 && how != 8)
        return -EINVAL;
    // Owned by the description, which is the Session: the token 0.
    return posix_record_lock((unsigned)a, how == 8 ? 0 : how, (b & 4) == 0, 0, 0, UINT64_MAX);
}

SYSCALL(fsync) { return posix_sync_fd((unsigned)a, false); }
SYSCALL(fdatasync) { return posix_sync_fd((unsigned)a, true); }
SYSCALL(syncfs) { return posix_fd_get((unsigned)a) == nullptr ? -EBADF : posix_sync_all(); }
SYSCALL(sync) { (void)posix_sync_all(); return 0; }

SYSCALL(ftruncate)
{
    struct posix_fd *f_ = posix_fd_get((unsigned)a);
    if (f_ == nullptr)
        return -EBADF;
    if ((int64_t)b < 0 || (f_->status & O_ACCMODE) == 0)
        return -EINVAL;
    struct io_set_attr set = {.mask = IO_ATTR_SIZE, .size = b};
    return posix_set_attr_fd((unsigned)a, &set);
}
SYSCALL(fchmod)
{
    struct io_set_attr set = {.mask = IO_ATTR_MODE, .mode = (uint32_t)b & 07777};
    return posix_set_attr_fd((unsigned)a, &set);
}
SYSCALL(fchown)
{
    struct io_set_attr set = {.mask = ((uint32_t)b != UINT32_MAX ? IO_ATTR_UID : 0) | ((uint32_t)c != UINT32_MAX ? IO_ATTR_GID : 0),
                              .uid = (uint32_t)b, .gid = (uint32_t)c};
    return posix_set_attr_fd((unsigned)a, &set);
}
SYSCALL(fallocate) { return (int64_t)c < 0 || (int64_t)d <= 0 ? -EINVAL : posix_allocate((unsigned)a, (uint32_t)b, c, d); }
SYSCALL(fadvise64) { return posix_fd_get((unsigned)a) == nullptr ? -EBADF : 0; }
SYSCALL(readahead) { return posix_fd_get((unsigned)a) == nullptr ? -EBADF : 0; }

SYSCALL(sendfile)
{
    uint64_t offset;
    if (c == 0)
        return posix_send_file((unsigned)a, (unsigned)b, nullptr, d);
    if (!user_read(&offset, c, sizeof offset))
        return -EFAULT;
    if ((int64_t)offset < 0)
        return -EINVAL;
    long n = posix_send_file((unsigned)a, (unsigned)b, &offset, d);
    return n >= 0 && !user_write(c, &offset, sizeof offset) ? -EFAULT : n;
}

// Entries come in batches; what does not fit the program's buffer is left for the next call by seeking back to the
// last entry that did. Records are put together in the library and written in one piece.
SYSCALL(getdents64)
{
    struct posix_fd *file = posix_fd_get((unsigned)a);
    if (file == nullptr)
        return -EBADF;
    if (file->kind != FUT_POSIX_KIND_DIRECTORY)
        return -ENOTDIR;
    uint8_t records[8192];
    struct dirent_cursor cursor = {.to = records, .room = c < sizeof records ? (size_t)(unsigned)c : sizeof records};
    struct io_dir_entry_view entries;
    struct fut_bytes names;
    fut_status_t status = io_file_read_dir((io_file_t){file->handle}, &entries, &names);
    if (status != FUT_OK)
        return posix_errno(status);
    if (entries.len == 0)
        return 0;
    size_t taken = 0;
    uint64_t last = 0;
    for (; taken < entries.len; taken++) {
        const struct io_dir_entry *entry = &entries.data[taken];
        if ((size_t)entry->name_offset + entry->name_length > names.len)
            return -EIO;
        if (!dirent_out(&cursor, entry->ino, entry->next, entry->kind, (const char *)names.data + entry->name_offset, entry->name_length))
            break;
        last = entry->next;
    }
    bool left = taken < entries.len;
    if (taken == 0)
        return -EINVAL;
    if (left) {
        uint64_t at;
        status = io_file_seek((io_file_t){file->handle}, (int64_t)last, 0, &at);
        if (status != FUT_OK)
            return posix_errno(status);
    }
    return user_write(b, records, cursor.used) ? (long)cursor.used : -EFAULT;
}
