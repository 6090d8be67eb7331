// SPDX-License-Identifier: MPL-2.0
//
// epoll, eventfd, timerfd, signalfd.
#include "linux.h"

// --- epoll -----------------------------------------------------------------------------------------------------------
SYSCALL(epoll_create1) { return (uint32_t)a & ~O_CLOEXEC ? -EINVAL : posix_epoll_create((a & O_CLOEXEC) != 0); }
SYSCALL(epoll_create) { return (int)a <= 0 ? -EINVAL : posix_epoll_create(false); }

SYSCALL(epoll_ctl)
{
    struct linux_epoll_event event = {};
    if ((int)b != 2 && !user_read(&event, d, sizeof event))
        return -EFAULT;
    struct posix_epoll_event set = {event.events, event.data};
    return posix_epoll_control((unsigned)a, (unsigned)b, (unsigned)c, &set);
}

static long do_wait(u64 epfd, u64 user, u64 max, uint64_t deadline)
{
    enum { AT_ONCE = 128 };
    struct posix_epoll_event events[AT_ONCE];
    struct linux_epoll_event out[AT_ONCE];
    if ((int)max <= 0 || max > INT32_MAX / sizeof out[0])
        return -EINVAL;
    if (deadline != 0 && posix_signals_due() != 0)
        return -ERESTARTNOHAND;
    long n = posix_epoll_wait((unsigned)epfd, events, max < AT_ONCE ? (unsigned)max : AT_ONCE, deadline);
    for (long i = 0; i < n; i++)
        out[i] = (struct linux_epoll_event){.events = events[i].events, .data = events[i].data};
    return n > 0 && !user_write(user, out, (size_t)n * sizeof out[0]) ? -EFAULT : n;
}

static uint64_t deadline_of_ms(u64 ms)
{
    int timeout = (int)ms;
    return timeout < 0 ? FUT_FOREVER : timeout == 0 ? 0 : deadline_after((uint64_t)timeout * 1000000);
}

static long masked_wait(u64 epfd, u64 user, u64 max, uint64_t deadline, u64 mask, u64 mask_bytes)
{
    bool set = false;
    long error = mask != 0 && mask_bytes != 8 ? -EINVAL : mask_for_call(mask, &set);
    if (error != 0)
        return error;
    long n = do_wait(epfd, user, max, deadline);
    if (n == -ERESTARTNOHAND && deadline != FUT_FOREVER)
        n = posix_signals_due() != 0 ? -EINTR : n; // restarting would wait the whole time again
    return mask_after_call(n, set);
}

SYSCALL(epoll_wait) { return masked_wait(a, b, c, deadline_of_ms(d), 0, 0); }
SYSCALL(epoll_pwait) { return masked_wait(a, b, c, deadline_of_ms(d), e, f); }
SYSCALL(epoll_pwait2)
{
    uint64_t deadline;
    long error = timespec_deadline(d, &deadline);
    return error != 0 ? error : masked_wait(a, b, c, deadline, e, f);
}

// --- eventfd, signalfd -------------------------------------------------------------------------------------------------
static uint32_t status_of(u64 flags) { return flags & O_NONBLOCK ? IO_STATUS_NONBLOCK : 0; }

SYSCALL(eventfd2)
{
    enum { EFD_SEMAPHORE = 1 };
    if ((uint32_t)b & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
        return -EINVAL;
    return posix_event_file((uint32_t)a, (b & EFD_SEMAPHORE) != 0, status_of(b), (b & O_CLOEXEC) != 0);
}
SYSCALL(eventfd) { return posix_event_file((uint32_t)a, false, 0, false); }

static long signal_file(u64 fd, u64 user, u64 bytes, u64 flags)
{
    uint64_t mask;
    if ((uint32_t)flags & ~(O_CLOEXEC | O_NONBLOCK) || bytes != 8)
        return -EINVAL;
    if (!user_read(&mask, user, sizeof mask))
        return -EFAULT;
    return posix_signal_file((int)fd, mask, status_of(flags), (flags & O_CLOEXEC) != 0);
}
SYSCALL(signalfd4) { return signal_file(a, b, c, d); }
SYSCALL(signalfd) { return signal_file(a, b, c, 0); }

// --- timerfd -------------------------------------------------------------------------------------------------------------
struct linux_itimerspec { struct linux_timespec interval, value; };

SYSCALL(timerfd_create)
{
    if ((uint32_t)b & ~(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL;
    if (a != CLOCK_REALTIME && a != CLOCK_MONOTONIC && a != CLOCK_BOOTTIME && a != 8 && a != 9) // and the alarm clocks
        return -EINVAL;
    long fd = posix_timer_file(status_of(b), (b & O_CLOEXEC) != 0);
    if (fd >= 0 && (a == CLOCK_REALTIME || a == 8))
        posix.fd[fd].hints |= FD_WALL_CLOCK;
    return fd;
}

static long timer_out(u64 user, uint64_t left, uint64_t interval)
{
    struct linux_itimerspec old = {ns_timespec((int64_t)interval), ns_timespec((int64_t)left)};
    return user_write(user, &old, sizeof old) ? 0 : -EFAULT;
}

SYSCALL(timerfd_settime)
{
    enum { ABSTIME = 1, CANCEL_ON_SET = 2 };
    struct linux_itimerspec set;
    if ((uint32_t)b & ~(unsigned)(ABSTIME | CANCEL_ON_SET))
        return -EINVAL;
    if (!user_read(&set, c, sizeof set))
        return -EFAULT;
    if (!timespec_valid(&set.value) || !timespec_valid(&set.interval))
        return -EINVAL;
    struct posix_fd *file = posix_fd_get((unsigned)a);
    if (file == nullptr)
        return -EBADF;
    uint64_t due = timespec_ns(&set.value), left, interval;
    if (due != 0 && !(b & ABSTIME)) {
        due = deadline_after(due);
    } else if (due != 0 && (file->hints & FD_WALL_CLOCK)) {
        int64_t wall;
        (void)posix_clock(CLOCK_REALTIME, &wall);
        uint64_t offset = (uint64_t)wall - posix_now();
        due = due > offset ? due - offset : 1;
    }
    if (due > (uint64_t)INT64_MAX)
        due = (uint64_t)INT64_MAX;
    long error = posix_timer_set((unsigned)a, due, timespec_ns(&set.interval), &left, &interval);
    return error != 0 || d == 0 ? error : timer_out(d, left, interval);
}

SYSCALL(timerfd_gettime)
{
    uint64_t left, interval;
    long error = posix_timer_get((unsigned)a, &left, &interval);
    return error != 0 ? error : timer_out(b, left, interval);
}
