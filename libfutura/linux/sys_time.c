// SPDX-License-Identifier: MPL-2.0
//
// Clocks, sleeping, interval timers.
#include "linux.h"

uint64_t deadline_after(uint64_t ns)
{
    uint64_t now = posix_now();
    return ns > (uint64_t)INT64_MAX - now ? FUT_FOREVER : now + ns;
}

long timespec_deadline(u64 user, uint64_t *deadline)
{
    *deadline = FUT_FOREVER;
    if (user == 0)
        return 0;
    struct linux_timespec t;
    if (!user_read(&t, user, sizeof t))
        return -EFAULT;
    if (!timespec_valid(&t))
        return -EINVAL;
    uint64_t ns = timespec_ns(&t);
    *deadline = ns == 0 ? 0 : deadline_after(ns);
    return 0;
}

SYSCALL(clock_gettime)
{
    int64_t ns;
    long error = posix_clock((unsigned)a, &ns);
    if (error != 0)
        return error;
    struct linux_timespec t = ns_timespec(ns);
    return user_write(b, &t, sizeof t) ? 0 : -EFAULT;
}

SYSCALL(clock_getres)
{
    int64_t ns;
    long error = posix_clock((unsigned)a, &ns);
    if (error != 0)
        return error;
    struct linux_timespec t = {.nsec = 1};
    return b == 0 || user_write(b, &t, sizeof t) ? 0 : -EFAULT;
}

SYSCALL(gettimeofday)
{
    int64_t ns;
    (void)posix_clock(CLOCK_REALTIME, &ns);
    struct linux_timespec t = ns_timespec(ns);
    struct linux_timeval v = {t.sec, t.nsec / 1000};
    if (a != 0 && !user_write(a, &v, sizeof v))
        return -EFAULT;
    return b == 0 || user_zero(b, 8) ? 0 : -EFAULT;
}

SYSCALL(time)
{
    int64_t ns;
    (void)posix_clock(CLOCK_REALTIME, &ns);
    int64_t sec = ns_timespec(ns).sec;
    return a == 0 || user_write(a, &sec, sizeof sec) ? sec : -EFAULT;
}

static long set_realtime(int64_t ns)
{
    return posix_errno(process_process_set_clock(posix.process, ns - (int64_t)posix_now()));
}

SYSCALL(clock_settime)
{
    struct linux_timespec t;
    if ((unsigned)a != CLOCK_REALTIME)
        return -EINVAL;
    if (!user_read(&t, b, sizeof t))
        return -EFAULT;
    return timespec_valid(&t) ? set_realtime((int64_t)timespec_ns(&t)) : -EINVAL;
}

SYSCALL(settimeofday)
{
    struct linux_timeval v;
    if (a == 0)
        return 0; // the time zone alone is nothing that is kept
    if (!user_read(&v, a, sizeof v))
        return -EFAULT;
    if (v.sec < 0 || (uint64_t)v.usec >= 1000000)
        return -EINVAL;
    return set_realtime(v.sec * (int64_t)NS_PER_S + v.usec * 1000);
}

// --- Sleeping -----------------------------------------------------------------------------------------------------------
static _Thread_local u64 remaining_at; // where an interrupted relative sleep says how much is left

static long sleep_on(void)
{
    struct posix_thread *self = &posix_self;
    long slept = posix_sleep_until(self->restart_deadline);
    if (slept == 0 || slept != -ERESTARTNOHAND)
        return slept;
    if (remaining_at != 0) {
        uint64_t now = posix_now();
        struct linux_timespec left = ns_timespec(self->restart_deadline > now ? (int64_t)(self->restart_deadline - now) : 0);
        if (!user_write(remaining_at, &left, sizeof left))
            return -EFAULT;
    }
    return -ERESTART_RESTARTBLOCK;
}

static long sleep_for(const struct linux_timespec *t, u64 left)
{
    posix_self.restart_deadline = deadline_after(timespec_ns(t));
    posix_self.restart = sleep_on;
    remaining_at = left;
    return sleep_on();
}

SYSCALL(nanosleep)
{
    struct linux_timespec t;
    if (!user_read(&t, a, sizeof t))
        return -EFAULT;
    return timespec_valid(&t) ? sleep_for(&t, b) : -EINVAL;
}

SYSCALL(clock_nanosleep)
{
    struct linux_timespec t;
    int64_t now;
    if ((unsigned)a == CLOCK_THREAD_CPUTIME_ID)
        return -EINVAL;
    long error = posix_clock((unsigned)a, &now);
    if (error != 0)
        return error;
    if (!user_read(&t, c, sizeof t))
        return -EFAULT;
    if (!timespec_valid(&t))
        return -EINVAL;
    if (!(b & 1))
        return sleep_for(&t, d);
    int64_t left = (int64_t)timespec_ns(&t) - now;
    return left <= 0 ? 0 : posix_sleep_until(deadline_after((uint64_t)left));
}

// --- Interval timers ------------------------------------------------------------------------------------------------------
struct linux_itimerval { struct linux_timeval interval, value; };

static struct linux_timeval timeval_of(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / NS_PER_S), (int64_t)(ns % NS_PER_S / 1000)};
}
static bool timeval_ns(const struct linux_timeval *v, uint64_t *ns)
{
    if (v->sec < 0 || (uint64_t)v->usec >= 1000000)
        return false;
    *ns = v->sec > 9000000000 ? (uint64_t)INT64_MAX : (uint64_t)v->sec * NS_PER_S + (uint64_t)v->usec * 1000;
    return true;
}

SYSCALL(setitimer)
{
    struct linux_itimerval set = {}, old;
    uint64_t value = 0, interval = 0, old_value, old_interval;
    if (a > 2)
        return -EINVAL;
    if (b != 0 && !user_read(&set, b, sizeof set))
        return -EFAULT;
    if (!timeval_ns(&set.value, &value) || !timeval_ns(&set.interval, &interval))
        return -EINVAL;
    fut_status_t status = process_process_set_timer(posix.process, (uint8_t)a, value, interval, &old_value, &old_interval);
    if (status != FUT_OK || c == 0)
        return posix_errno(status);
    old = (struct linux_itimerval){timeval_of(old_interval), timeval_of(old_value)};
    return user_write(c, &old, sizeof old) ? 0 : -EFAULT;
}

SYSCALL(getitimer)
{
    uint64_t value, interval;
    if (a > 2)
        return -EINVAL;
    fut_status_t status = process_process_get_timer(posix.process, (uint8_t)a, &value, &interval);
    if (status != FUT_OK)
        return posix_errno(status);
    struct linux_itimerval now = {timeval_of(interval), timeval_of(value)};
    return user_write(b, &now, sizeof now) ? 0 : -EFAULT;
}

SYSCALL(alarm)
{
    uint64_t old_value, old_interval;
    fut_status_t status = process_process_set_timer(posix.process, 0, (uint64_t)(uint32_t)a * NS_PER_S, 0, &old_value, &old_interval);
    if (status != FUT_OK)
        return posix_errno(status);
    // Rounded to seconds, but never to none while something is left.
    return old_value == 0 ? 0 : old_value < NS_PER_S ? 1 : (long)((old_value + NS_PER_S / 2) / NS_PER_S);
}
