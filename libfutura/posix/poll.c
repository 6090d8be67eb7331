// SPDX-License-Identifier: MPL-2.0
//
// poll: every pollable Session hands out an Event whose bits are its readiness, as a level (io.Ready). One
// descriptor is waited for on its Event, several on a WaitSet. Files that are always ready have no Event.
#include "posix.h"

static_assert(IO_READY_IN == POLLIN && IO_READY_PRIORITY == POLLPRI && IO_READY_OUT == POLLOUT &&
              IO_READY_ERROR == POLLERR && IO_READY_HANGUP == POLLHUP);

uint64_t posix_poll_mask(struct posix_fd *f, uint32_t events)
{
    if (f->kind == FUT_POSIX_KIND_SIGNALS)
        return events & (POLLIN | POLLRDNORM) ? posix_signal_file_mask(f) : 0;
    uint64_t mask = (events & (POLLIN | POLLPRI | POLLOUT)) | IO_READY_ERROR | IO_READY_HANGUP;
    if (events & POLLRDNORM)
        mask |= IO_READY_IN;
    if (events & POLLWRNORM)
        mask |= IO_READY_OUT;
    if (events & POLLRDHUP)
        mask |= IO_READY_READ_HANGUP;
    return mask;
}

uint32_t posix_poll_bits(const struct posix_fd *f, uint64_t ready, uint32_t events)
{
    if (f->kind == FUT_POSIX_KIND_SIGNALS)
        return ready != 0 ? (POLLIN | POLLRDNORM) & events : 0;
    uint32_t bits = (uint32_t)ready & (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP);
    if (ready & IO_READY_IN)
        bits |= POLLRDNORM;
    if (ready & IO_READY_OUT)
        bits |= POLLWRNORM;
    if (ready & IO_READY_READ_HANGUP)
        bits |= POLLRDHUP;
    return bits & (events | POLLERR | POLLHUP);
}

long posix_poll_watch(struct posix_fd *f)
{
    if (f->watch != 0)
        return 0;
    fut_handle_t event = 0;
    fut_status_t status = FUT_ERR_UNKNOWN_METHOD;
    if (f->kind == FUT_POSIX_KIND_SIGNALS)
        return posix_signal_event(&f->watch);
    if (f->kind != FUT_POSIX_KIND_REGULAR && f->kind != FUT_POSIX_KIND_DIRECTORY && f->kind != FUT_POSIX_KIND_NULL &&
        f->kind != FUT_POSIX_KIND_ZERO)
        status = io_file_watch((io_file_t){f->handle}, &event);
    if (status == FUT_OK)
        f->watch = event;
    else if (status == FUT_ERR_UNKNOWN_METHOD || status > 0)
        f->watch = POSIX_ALWAYS_READY;
    else
        return posix_errno(status);
    return 0;
}

// One look at all. Counts the ready ones; waitable: how many have an Event, last: the index of the last of those;
// nested: how many are poll sets.
static long look(struct posix_poll *p, unsigned count, unsigned *waitable, unsigned *last, unsigned *nested)
{
    long ready = 0;
    *waitable = 0;
    *nested = 0;
    for (unsigned i = 0; i < count; i++) {
        p[i].revents = 0;
        if (p[i].fd < 0)
            continue;
        struct posix_fd *f = posix_fd_get((unsigned)p[i].fd);
        if (f == nullptr || (f->hints & FD_IS_PATH)) {
            p[i].revents = POLLNVAL;
            ready++;
            continue;
        }
        if (f->kind == FUT_POSIX_KIND_POLL) {
            p[i].revents = posix_epoll_ready(f) ? (POLLIN | POLLRDNORM) & p[i].events : 0;
            ready += p[i].revents != 0;
            (*nested)++;
            continue;
        }
        long error = posix_poll_watch(f);
        if (error != 0)
            return error;
        uint64_t bits = 0;
        if (f->watch == POSIX_ALWAYS_READY) {
            bits = IO_READY_IN | IO_READY_OUT;
        } else {
            (*waitable)++;
            *last = i;
            uint64_t mask = posix_poll_mask(f, p[i].events);
            if (mask == 0 || fut_event_wait(f->watch, mask, 0, FUT_WAIT_KEEP, &bits) != FUT_OK)
                bits = 0;
        }
        p[i].revents = (uint16_t)posix_poll_bits(f, bits, p[i].events);
        ready += p[i].revents != 0;
    }
    return ready;
}

// The WaitSet of the last call with several waitable descriptors is kept: programs poll the same ones again and again,
// and then one kernel call both looks and waits. It is valid while the list is the same and no watched descriptor was
// closed (posix.watch_changes). Keys are indices into the list.
#define KEPT_MAX 64
static struct {
    fut_handle_t set; // 0: none
    unsigned count;
    uint32_t changes;
    struct { int32_t fd; uint16_t events; } entry[KEPT_MAX];
} kept;

static bool kept_fits(const struct posix_poll *p, unsigned count)
{
    if (kept.set == 0 || kept.count != count || kept.changes != posix.watch_changes)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (kept.entry[i].fd != p[i].fd || kept.entry[i].events != p[i].events)
            return false;
    return true;
}

void posix_poll_forget(bool have_handle)
{
    if (kept.set != 0 && have_handle)
        (void)fut_cap_delete(kept.set);
    kept.set = 0;
}

// Makes the kept set that of this list, where all of it can be waited for. False: it stays without.
static bool keep(const struct posix_poll *p, unsigned count)
{
    if (count > KEPT_MAX || posix.threads != 1)
        return false;
    for (unsigned i = 0; i < count; i++) {
        struct posix_fd *f = p[i].fd < 0 ? nullptr : posix_fd_get((unsigned)p[i].fd);
        if (f == nullptr || f->watch == 0 || f->watch == POSIX_ALWAYS_READY || f->kind == FUT_POSIX_KIND_SIGNALS)
            return false;
    }
    posix_poll_forget(true);
    if (fut_waitset_create(&kept.set) != FUT_OK) {
        kept.set = 0;
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (fut_waitset_add(kept.set, posix.fd[p[i].fd].watch, posix_poll_mask(&posix.fd[p[i].fd], p[i].events), i) != FUT_OK) {
            posix_poll_forget(true);
            return false;
        }
        kept.entry[i].fd = p[i].fd;
        kept.entry[i].events = p[i].events;
    }
    kept.count = count;
    kept.changes = posix.watch_changes;
    return true;
}

static fut_status_t wait_set(fut_handle_t set, struct fut_ready *ready, unsigned max, uint64_t deadline, uint64_t *got)
{
    struct fut_result r = fut_syscall(FUT_SYS_WAITSET_WAIT, set, (uintptr_t)ready, max, deadline,
                                      deadline == 0 ? 0 : FUT_WAIT_INTERRUPTIBLE, 0);
    *got = r.value;
    return (fut_status_t)r.status;
}

static long poll_kept(struct posix_poll *p, unsigned count, uint64_t deadline)
{
    struct fut_ready ready[KEPT_MAX];
    uint64_t got;
    fut_status_t status = wait_set(kept.set, ready, count, deadline, &got);
    for (unsigned i = 0; i < count; i++)
        p[i].revents = 0;
    if (status == FUT_ERR_INTERRUPTED)
        return -ERESTARTNOHAND;
    if (status == FUT_ERR_TIMED_OUT || status == FUT_ERR_WOULD_BLOCK)
        return 0;
    if (status != FUT_OK)
        return posix_errno(status);
    for (uint64_t i = 0; i < got; i++)
        if (ready[i].key < count)
            p[ready[i].key].revents = (uint16_t)posix_poll_bits(&posix.fd[p[ready[i].key].fd], ready[i].bits, p[ready[i].key].events);
    return (long)got;
}

static fut_status_t wait_many(struct posix_poll *p, unsigned count, uint64_t deadline)
{
    fut_handle_t set;
    fut_status_t status = fut_waitset_create(&set);
    if (status != FUT_OK)
        return status;
    for (unsigned i = 0; i < count && status == FUT_OK; i++) {
        struct posix_fd *f = p[i].fd < 0 ? nullptr : posix_fd_get((unsigned)p[i].fd);
        if (f != nullptr && f->watch != 0 && f->watch != POSIX_ALWAYS_READY)
            status = fut_waitset_add(set, f->watch, posix_poll_mask(f, p[i].events), i);
    }
    struct fut_ready ready;
    uint64_t got;
    if (status == FUT_OK)
        status = wait_set(set, &ready, 1, deadline, &got);
    (void)fut_cap_delete(set);
    return status;
}

// Poll sets among other descriptors have no Event of their own: alone one is waited for, beside others all are looked at
// now and then.
#define NESTED_LOOK_NS UINT64_C(4000000)
static long wait_nested(struct posix_poll *p, unsigned count, unsigned nested, unsigned waitable, uint64_t deadline)
{
    if (nested == 1 && waitable == 0) {
        for (unsigned i = 0; i < count; i++) {
            struct posix_fd *f = p[i].fd < 0 ? nullptr : posix_fd_get((unsigned)p[i].fd);
            if (f != nullptr && f->kind == FUT_POSIX_KIND_POLL)
                return posix_epoll_poll(f, deadline);
        }
    }
    uint64_t soon = posix_now() + NESTED_LOOK_NS;
    return posix_sleep_until(soon < deadline ? soon : deadline);
}

long posix_wait_ready(unsigned fd, uint16_t events, uint64_t deadline)
{
    const struct posix_fd *f = posix_fd_get(fd);
    if (f != nullptr && (f->status & IO_STATUS_NONBLOCK))
        return -EAGAIN;
    long status = posix_get_status(fd); // somebody else may have set it
    if (status < 0)
        return status;
    if (status & IO_STATUS_NONBLOCK)
        return -EAGAIN;
    struct posix_poll p = {.fd = (int32_t)fd, .events = events};
    long n = posix_poll(&p, 1, deadline);
    return n == -ERESTARTNOHAND ? -ERESTARTSYS : n < 0 ? n : n == 0 ? -EAGAIN : 0;
}

long posix_poll(struct posix_poll *p, unsigned count, uint64_t deadline)
{
    if (count > 1 && posix.threads == 1 && kept_fits(p, count))
        return poll_kept(p, count, deadline);
    for (;;) {
        unsigned waitable, last = 0, nested;
        long ready = look(p, count, &waitable, &last, &nested);
        if (count > 1 && waitable == count && ready >= 0)
            (void)keep(p, count);
        if (ready != 0 || deadline == 0)
            return ready;
        if (nested != 0) {
            long waited = wait_nested(p, count, nested, waitable, deadline);
            if (waited != 0)
                return waited;
            if (deadline != FUT_FOREVER && posix_now() >= deadline)
                deadline = 0; // one last look
            continue;
        }
        if (waitable == 0)
            return posix_sleep_until(deadline);
        fut_status_t status;
        uint64_t bits, mask;
        if (waitable == 1 && (mask = posix_poll_mask(&posix.fd[p[last].fd], p[last].events)) != 0)
            status = fut_event_wait(posix.fd[p[last].fd].watch, mask, deadline, FUT_WAIT_KEEP | FUT_WAIT_INTERRUPTIBLE, &bits);
        else if (kept_fits(p, count))
            return poll_kept(p, count, deadline);
        else
            status = wait_many(p, count, deadline);
        if (status == FUT_ERR_INTERRUPTED)
            return -ERESTARTNOHAND;
        if (status == FUT_ERR_TIMED_OUT || status == FUT_ERR_WOULD_BLOCK)
            return 0;
        if (status != FUT_OK)
            return posix_errno(status);
    }
}
