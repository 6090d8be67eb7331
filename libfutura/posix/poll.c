// SPDX-License-Identifier: MPL-2.0
//
// poll: every pollable Session hands out an Event whose bits are its readiness, as a level (io.Ready). One
// descriptor is waited for on its Event, several on a WaitSet. Files that are always ready have no Event.
#include "posix.h"

static_assert(IO_READY_IN == POLLIN && IO_READY_PRIORITY == POLLPRI && IO_READY_OUT == POLLOUT &&
              IO_READY_ERROR == POLLERR && IO_READY_HANGUP == POLLHUP);

static uint64_t ready_mask(uint16_t events)
{
    uint64_t mask = (events & (POLLIN | POLLPRI | POLLOUT)) | IO_READY_ERROR | IO_READY_HANGUP;
    if (events & POLLRDNORM)
        mask |= IO_READY_IN;
    if (events & POLLWRNORM)
        mask |= IO_READY_OUT;
    if (events & POLLRDHUP)
        mask |= IO_READY_READ_HANGUP;
    return mask;
}

static uint16_t poll_bits(uint64_t ready, uint16_t events)
{
    uint32_t bits = (uint32_t)ready & (POLLIN | POLLPRI | POLLOUT | POLLERR | POLLHUP);
    if (ready & IO_READY_IN)
        bits |= POLLRDNORM;
    if (ready & IO_READY_OUT)
        bits |= POLLWRNORM;
    if (ready & IO_READY_READ_HANGUP)
        bits |= POLLRDHUP;
    return (uint16_t)(bits & (events | POLLERR | POLLHUP));
}

static long watch_of(struct posix_fd *f)
{
    if (f->watch != 0)
        return 0;
    fut_handle_t event = 0;
    fut_status_t status = FUT_ERR_UNKNOWN_METHOD;
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

// One look at all. Counts the ready ones; waitable: how many have an Event, last: the index of the last of those.
static long look(struct posix_poll *p, unsigned count, unsigned *waitable, unsigned *last)
{
    long ready = 0;
    *waitable = 0;
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
        long error = watch_of(f);
        if (error != 0)
            return error;
        uint64_t bits = 0;
        if (f->watch == POSIX_ALWAYS_READY) {
            bits = IO_READY_IN | IO_READY_OUT;
        } else {
            (*waitable)++;
            *last = i;
            if (fut_event_wait(f->watch, ready_mask(p[i].events), 0, FUT_WAIT_KEEP, &bits) != FUT_OK)
                bits = 0;
        }
        p[i].revents = poll_bits(bits, p[i].events);
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
        if (f == nullptr || f->watch == 0 || f->watch == POSIX_ALWAYS_READY)
            return false;
    }
    posix_poll_forget(true);
    if (fut_waitset_create(&kept.set) != FUT_OK) {
        kept.set = 0;
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (fut_waitset_add(kept.set, posix.fd[p[i].fd].watch, ready_mask(p[i].events), i) != FUT_OK) {
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
            p[ready[i].key].revents = poll_bits(ready[i].bits, p[ready[i].key].events);
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
            status = fut_waitset_add(set, f->watch, ready_mask(p[i].events), i);
    }
    struct fut_ready ready;
    uint64_t got;
    if (status == FUT_OK)
        status = wait_set(set, &ready, 1, deadline, &got);
    (void)fut_cap_delete(set);
    return status;
}

long posix_poll(struct posix_poll *p, unsigned count, uint64_t deadline)
{
    if (count > 1 && posix.threads == 1 && kept_fits(p, count))
        return poll_kept(p, count, deadline);
    for (;;) {
        unsigned waitable, last = 0;
        long ready = look(p, count, &waitable, &last);
        if (count > 1 && waitable == count && ready >= 0)
            (void)keep(p, count);
        if (ready != 0 || deadline == 0)
            return ready;
        if (waitable == 0)
            return posix_sleep_until(deadline);
        fut_status_t status;
        uint64_t bits;
        if (waitable == 1)
            status = fut_event_wait(posix.fd[p[last].fd].watch, ready_mask(p[last].events), deadline,
                                    FUT_WAIT_KEEP | FUT_WAIT_INTERRUPTIBLE, &bits);
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
