// SPDX-License-Identifier: MPL-2.0
//
// poll and select in their variants, all through posix_poll.
#include "linux.h"

#define POLL_MAX 1024

// The mask for the time of the call. It goes back here when the call is over; when a signal ended it, the delivery
// puts the old mask into the handler's frame.
long mask_for_call(u64 user, bool *set)
{
    *set = false;
    if (user == 0)
        return 0;
    uint64_t mask;
    if (!user_read(&mask, user, 8))
        return -EFAULT;
    struct posix_thread *self = &posix_self;
    self->saved_mask = self->slot->blocked;
    posix_signal_block(mask);
    *set = true;
    return 0;
}
long mask_after_call(long result, bool set)
{
    if (!set)
        return result;
    struct posix_thread *self = &posix_self;
    if (result == -ERESTARTNOHAND || posix_signals_due() != 0) {
        self->mask_saved = 1;
        return result;
    }
    posix_signal_block(self->saved_mask);
    return result;
}

static long do_poll(u64 user, u64 count, uint64_t deadline)
{
    if (count > POLL_MAX)
        return -EINVAL;
    struct posix_poll p[POLL_MAX];
    if (!user_read(p, user, count * sizeof p[0]))
        return -EFAULT;
    if (deadline != 0 && posix_signals_due() != 0)
        return -ERESTARTNOHAND;
    long ready = posix_poll(p, (unsigned)count, deadline);
    if (ready >= 0 && !user_write(user, p, count * sizeof p[0]))
        return -EFAULT;
    return ready;
}

static long poll_again(void);
static _Thread_local u64 again_user, again_count;

static long finish_poll(long result, u64 user, u64 count, uint64_t deadline)
{
    if (result != -ERESTARTNOHAND)
        return result;
    again_user = user;
    again_count = count;
    posix_self.restart_deadline = deadline;
    posix_self.restart = poll_again;
    return -ERESTART_RESTARTBLOCK;
}
static long poll_again(void)
{
    uint64_t deadline = posix_self.restart_deadline;
    return finish_poll(do_poll(again_user, again_count, deadline), again_user, again_count, deadline);
}

SYSCALL(poll)
{
    int timeout = (int)c;
    uint64_t deadline = timeout < 0 ? FUT_FOREVER : timeout == 0 ? 0 : deadline_after((uint64_t)timeout * 1000000);
    return finish_poll(do_poll(a, b, deadline), a, b, deadline);
}

SYSCALL(ppoll)
{
    uint64_t deadline;
    bool masked;
    long error = timespec_deadline(c, &deadline);
    if (error == 0)
        error = d != 0 && e != 8 ? -EINVAL : mask_for_call(d, &masked);
    if (error != 0)
        return error;
    if (d == 0)
        masked = false;
    long result = do_poll(a, b, deadline);
    if (!masked)
        return finish_poll(result, a, b, deadline);
    result = mask_after_call(result, masked);
    return result == -ERESTARTNOHAND && c != 0 ? -EINTR : result;
}

// Sets are arrays of 64-bit words. They are turned into a list for posix_poll and back.
static long do_select(unsigned n, u64 in, u64 out, u64 except, uint64_t deadline)
{
    if ((int)n < 0)
        return -EINVAL;
    if (n > POSIX_FDS)
        n = POSIX_FDS;
    enum { WORDS = POSIX_FDS / 64 };
    uint64_t sets[3][WORDS] = {};
    const u64 users[3] = {in, out, except};
    size_t bytes = (n + 63) / 64 * 8;
    for (int s = 0; s < 3; s++)
        if (users[s] != 0 && !user_read(sets[s], users[s], bytes))
            return -EFAULT;
    struct posix_poll p[POLL_MAX];
    unsigned count = 0;
    for (unsigned fd = 0; fd < n; fd++) {
        uint64_t bit = UINT64_C(1) << (fd & 63);
        uint16_t events = (sets[0][fd / 64] & bit ? POLLIN : 0) | (sets[1][fd / 64] & bit ? POLLOUT : 0) |
                          (sets[2][fd / 64] & bit ? POLLPRI : 0);
        if (events == 0)
            continue;
        if (posix_fd_get(fd) == nullptr)
            return -EBADF;
        p[count++] = (struct posix_poll){.fd = (int32_t)fd, .events = events};
    }
    if (deadline != 0 && posix_signals_due() != 0)
        return -ERESTARTNOHAND;
    long ready = posix_poll(p, count, deadline);
    if (ready < 0)
        return ready;
    uint64_t result[3][WORDS] = {};
    long bits = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned fd = (unsigned)p[i].fd;
        uint64_t bit = UINT64_C(1) << (fd & 63);
        static const uint16_t means[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
        for (int s = 0; s < 3; s++) {
            if ((sets[s][fd / 64] & bit) && (p[i].revents & means[s])) {
                result[s][fd / 64] |= bit;
                bits++;
            }
        }
    }
    for (int s = 0; s < 3; s++)
        if (users[s] != 0 && !user_write(users[s], result[s], bytes))
            return -EFAULT;
    return bits;
}

SYSCALL(select)
{
    uint64_t deadline = FUT_FOREVER;
    if (e != 0) {
        struct linux_timeval v;
        if (!user_read(&v, e, sizeof v))
            return -EFAULT;
        if (v.sec < 0 || v.usec < 0)
            return -EINVAL;
        struct linux_timespec t = {v.sec + v.usec / 1000000, v.usec % 1000000 * 1000};
        uint64_t ns = timespec_ns(&t);
        deadline = ns == 0 ? 0 : deadline_after(ns);
    }
    long result = do_select((unsigned)a, b, c, d, deadline);
    if (e != 0) { // Linux says how much was left
        uint64_t now = posix_now();
        struct linux_timespec t = ns_timespec(deadline > now ? (int64_t)(deadline - now) : 0);
        struct linux_timeval v = {t.sec, t.nsec / 1000};
        (void)user_write(e, &v, sizeof v);
    }
    return result;
}

SYSCALL(pselect6)
{
    uint64_t deadline;
    struct { u64 mask, bytes; } m = {};
    bool masked = false;
    long error = timespec_deadline(e, &deadline);
    if (error == 0 && f != 0 && !user_read(&m, f, sizeof m))
        error = -EFAULT;
    if (error == 0 && m.mask != 0)
        error = m.bytes != 8 ? -EINVAL : mask_for_call(m.mask, &masked);
    if (error != 0)
        return error;
    return mask_after_call(do_select((unsigned)a, b, c, d, deadline), masked);
}
