// SPDX-License-Identifier: MPL-2.0
//
// Clocks without a system call: the kernel's time page scales the CPU's counter, posixd's clock page says what
// lies between that and the wall clock. Sleeping is waiting for an Event that nobody signals.
#include "posix.h"
#include "cpu.h"

uint64_t posix_now(void)
{
    const volatile struct fut_time_page *t = posix.time;
    if (t == nullptr || t->mult == 0)
        return fut_clock();
    uint64_t passed = cpu_counter() - t->base_counter;
    return t->base_ns + (uint64_t)((unsigned __int128)passed * t->mult >> t->shift);
}

long posix_clock(unsigned clock, int64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case 11: // TAI: no offset is known
        *ns = (int64_t)posix_now() + (posix.clock != nullptr ? posix.clock->realtime_offset_ns : 0);
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = (int64_t)posix_now();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID: {
        struct fut_task_info info;
        fut_status_t status = fut_task_info(posix.task, &info);
        if (status != FUT_OK)
            return posix_errno(status);
        *ns = (int64_t)info.cpu_ns;
        return 0;
    }
    default: return -EINVAL;
    }
}

long posix_sleep_until(uint64_t deadline)
{
    if (posix.sleep_event == 0) {
        fut_handle_t event;
        fut_status_t status = fut_event_create(&event);
        if (status != FUT_OK)
            return posix_errno(status);
        fut_handle_t none = 0;
        if (!__atomic_compare_exchange_n(&posix.sleep_event, &none, event, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            (void)fut_cap_delete(event); // another thread made one meanwhile
    }
    uint64_t bits;
    fut_status_t status = fut_event_wait(posix.sleep_event, 1, deadline, FUT_WAIT_INTERRUPTIBLE, &bits);
    if (status == FUT_ERR_TIMED_OUT || status == FUT_ERR_WOULD_BLOCK)
        return 0;
    if (status == FUT_ERR_INTERRUPTED || status == FUT_OK)
        return -ERESTARTNOHAND;
    return posix_errno(status);
}
