// SPDX-License-Identifier: MPL-2.0
//
// Event counters, timers and signal descriptors. The first two are files of posixd. Signals are in the process's own
// signal page: a signal descriptor is a mask at posixd, and reading it takes signals from here, as a sigwait does. What
// tells poll that there are some is an Event whose bits are the pending signals: posixd sets them (and the library,
// where it raises one itself), the library clears what it has taken.
#include "posix.h"

long posix_event_file(uint32_t initial, bool semaphore, uint32_t status, bool cloexec)
{
    io_file_t file;
    fut_status_t made = process_process_event_file(posix.process, initial, semaphore, status, &file);
    return made != FUT_OK ? posix_errno(made)
                          : posix_fd_install(file.h, FUT_POSIX_KIND_EVENT, (status & ~O_ACCMODE) | O_RDWR, cloexec, 0, 0);
}

long posix_timer_file(uint32_t status, bool cloexec)
{
    io_file_t file;
    fut_status_t made = process_process_timer_file(posix.process, status, &file);
    return made != FUT_OK ? posix_errno(made)
                          : posix_fd_install(file.h, FUT_POSIX_KIND_TIMER, (status & ~O_ACCMODE) | O_RDWR, cloexec, 0, 0);
}

static long timer_of(unsigned fd, descriptor_timer_t *timer)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    timer->h = f->handle;
    return f->kind == FUT_POSIX_KIND_TIMER ? 0 : -EINVAL;
}

long posix_timer_set(unsigned fd, uint64_t due, uint64_t interval, uint64_t *left, uint64_t *old_interval)
{
    descriptor_timer_t timer;
    long error = timer_of(fd, &timer);
    return error != 0 ? error : posix_errno(descriptor_timer_set(timer, due, interval, left, old_interval));
}

long posix_timer_get(unsigned fd, uint64_t *left, uint64_t *interval)
{
    descriptor_timer_t timer;
    long error = timer_of(fd, &timer);
    return error != 0 ? error : posix_errno(descriptor_timer_get(timer, left, interval));
}

// --- Signal descriptors --------------------------------------------------------------------------------------------
long posix_signal_file(int fd, uint64_t mask, uint32_t status, bool cloexec)
{
    if (fd != -1) {
        struct posix_fd *f = posix_fd_get((unsigned)fd);
        if (f == nullptr)
            return -EBADF;
        if (f->kind != FUT_POSIX_KIND_SIGNALS)
            return -EINVAL;
        uint64_t now;
        long error = posix_errno(descriptor_signals_mask((descriptor_signals_t){f->handle}, true, mask, &now));
        return error != 0 ? error : fd;
    }
    io_file_t file;
    fut_status_t made = process_process_signal_file(posix.process, mask, status, &file);
    return made != FUT_OK ? posix_errno(made)
                          : posix_fd_install(file.h, FUT_POSIX_KIND_SIGNALS, (status & ~O_ACCMODE) | O_RDWR, cloexec, 0, 0);
}

uint64_t posix_signal_file_mask(const struct posix_fd *f)
{
    uint64_t mask;
    return descriptor_signals_mask((descriptor_signals_t){f->handle}, false, 0, &mask) == FUT_OK ? mask : 0;
}

long posix_signal_event(fut_handle_t *event)
{
    if (posix.signal_event == 0) {
        fut_handle_t made;
        fut_status_t status = process_process_signal_event(posix.process, &made);
        if (status != FUT_OK)
            return posix_errno(status);
        fut_handle_t none = 0;
        if (!__atomic_compare_exchange_n(&posix.signal_event, &none, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            (void)fut_cap_delete(made); // another thread asked meanwhile
    }
    return posix_errno(fut_cap_mint(posix.signal_event, FUT_RIGHT_READ, event));
}

static uint64_t pending_anywhere(void)
{
    uint64_t all = __atomic_load_n(&posix.page->pending, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < PROCESS_SIGNAL_PAGE_THREADS; i++)
        if (posix.page->thread[i].tid != 0)
            all |= __atomic_load_n(&posix.page->thread[i].pending, __ATOMIC_SEQ_CST);
    return all;
}

// posixd marks first and signals then: what it marked before this look is seen here, what after it is signalled after
// this clearing.
void posix_signal_event_sync(uint64_t bits)
{
    if (posix.signal_event == 0)
        return;
    (void)fut_event_clear(posix.signal_event, bits, nullptr);
    bits &= pending_anywhere();
    if (bits != 0)
        (void)fut_event_signal(posix.signal_event, bits);
}

struct signal_record { // struct signalfd_siginfo
    uint32_t signo;
    int32_t error, code;
    uint32_t pid, uid;
    int32_t fd;
    uint32_t tid, band, overrun, trapno;
    int32_t status, number;
    uint64_t pointer, utime, stime, address;
    uint8_t pad[48];
};
static_assert(sizeof(struct signal_record) == 128);

long posix_signal_file_read(unsigned fd, uint64_t to, size_t bytes)
{
    if (bytes < sizeof(struct signal_record))
        return -EINVAL;
    for (;;) {
        struct posix_fd *f = posix_fd_get(fd);
        if (f == nullptr)
            return -EBADF;
        uint64_t mask;
        long error = posix_errno(descriptor_signals_mask((descriptor_signals_t){f->handle}, false, 0, &mask));
        if (error != 0)
            return error;
        if (!user_touch(to, sizeof(struct signal_record), true))
            return -EFAULT; // before a signal is taken that nobody would get
        size_t done = 0;
        struct process_signal_info info;
        while (bytes - done >= sizeof(struct signal_record) && posix_signal_take(mask, &info) != 0) {
            struct signal_record r = {.signo = info.signal, .code = info.code, .pid = info.pid, .uid = info.uid,
                                      .status = (int32_t)info.value, .number = (int32_t)info.value, .pointer = info.value};
            if (!user_write(to + done, &r, sizeof r))
                return done != 0 ? (long)done : -EFAULT;
            done += sizeof r;
        }
        if (done != 0)
            return (long)done;
        error = posix_wait_ready(fd, POLLIN, FUT_FOREVER);
        if (error != 0)
            return error;
    }
}
