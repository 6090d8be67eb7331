// SPDX-License-Identifier: MPL-2.0
//
// The descriptor table: a number is an index, an entry is a Session (one open file description) and what the
// library knows about it. dup and fork copy the capability; the server hears when the last copy is gone.
// Entries change under posix.lock; looking one up takes no lock.
#include "posix.h"

static unsigned lowest_from; // no number below it is free (a hint: it only saves looking)

static void drop(struct posix_fd *f)
{
    (void)fut_cap_delete(f->handle);
    if (f->watch != 0)
        posix.watch_changes++;
    if (f->watch != 0 && f->watch != POSIX_ALWAYS_READY)
        (void)fut_cap_delete(f->watch);
    if (f->poll != 0)
        posix_epoll_drop(f->poll);
}

static long install(const struct posix_fd *entry, unsigned from)
{
    posix_lock();
    for (unsigned fd = from > lowest_from ? from : lowest_from; fd < POSIX_FDS; fd++) {
        if (posix.fd[fd].handle != 0)
            continue;
        posix.fd[fd] = *entry;
        if (from <= lowest_from)
            lowest_from = fd + 1;
        posix_unlock();
        return fd;
    }
    posix_unlock();
    (void)fut_cap_delete(entry->handle);
    return -EMFILE;
}

// Takes the handle over, also when it fails.
long posix_fd_install(fut_handle_t handle, uint8_t kind, uint32_t status, bool cloexec, uint8_t tree, unsigned from)
{
    struct posix_fd entry = {.handle = handle, .kind = kind, .cloexec = cloexec, .tree = tree, .status = status};
    if (kind == FUT_POSIX_KIND_TERMINAL)
        entry.hints = FD_NO_LEASE;
    return install(&entry, from);
}

long posix_fd_close(unsigned fd)
{
    posix_lock();
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr) {
        posix_unlock();
        return -EBADF;
    }
    struct posix_fd old = *f;
    if (old.hints & FD_POLLED)
        posix_epoll_forget(fd);
    f->handle = 0;
    f->watch = 0;
    f->poll = 0;
    if (fd < lowest_from)
        lowest_from = fd;
    posix_unlock();
    drop(&old);
    return 0;
}

static long copy_entry(unsigned fd, struct posix_fd *copy)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    *copy = *f;
    copy->watch = f->watch == POSIX_ALWAYS_READY ? POSIX_ALWAYS_READY : 0;
    copy->poll = 0;
    copy->hints &= (uint8_t)~FD_POLLED;
    return posix_errno(fut_cap_mint(f->handle, FUT_RIGHTS_ALL, &copy->handle));
}

long posix_dup(unsigned fd, unsigned from, bool cloexec)
{
    if (from >= POSIX_FDS)
        return -EINVAL;
    struct posix_fd copy;
    long error = copy_entry(fd, &copy);
    if (error != 0)
        return error;
    copy.cloexec = cloexec;
    return install(&copy, from);
}

long posix_dup_to(unsigned fd, unsigned to, bool cloexec)
{
    if (to >= POSIX_FDS)
        return -EBADF;
    struct posix_fd copy;
    long error = copy_entry(fd, &copy);
    if (error != 0)
        return error;
    copy.cloexec = cloexec;
    posix_lock();
    struct posix_fd old = posix.fd[to];
    if (old.handle != 0 && (old.hints & FD_POLLED))
        posix_epoll_forget(to);
    posix.fd[to] = copy;
    posix_unlock();
    if (old.handle != 0)
        drop(&old);
    return to;
}

long posix_close_range(unsigned first, unsigned last, unsigned flags)
{
    if (first > last || (flags & ~4u) != 0)
        return -EINVAL;
    for (unsigned fd = first; fd <= last && fd < POSIX_FDS; fd++) {
        if (flags & 4u) { // CLOSE_RANGE_CLOEXEC
            if (posix.fd[fd].handle != 0)
                posix.fd[fd].cloexec = true;
        } else if (posix.fd[fd].handle != 0) {
            (void)posix_fd_close(fd);
        }
    }
    return 0;
}
