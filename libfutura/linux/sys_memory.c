// SPDX-License-Identifier: MPL-2.0
//
// System calls on the address space, and futexes.
#include "linux.h"

SYSCALL(brk) { return posix_brk(a); }
SYSCALL(mmap) { return posix_map(a, b, (uint32_t)c, (uint32_t)d, (int)e, f); }
SYSCALL(munmap) { return posix_unmap(a, b); }
SYSCALL(mprotect) { return posix_protect(a, b, (uint32_t)c); }
SYSCALL(mremap) { return posix_remap(a, b, c, (uint32_t)d, e); }
SYSCALL(madvise) { return posix_advise(a, b, (uint32_t)c); }
// A shared mapping is the file's page cache itself: what is written there is in the file, and msync stores it.
enum { MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 };
SYSCALL(msync)
{
    if ((a & (PAGE_SIZE - 1)) != 0 || (c & ~7ull) != 0 || (c & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    return posix_sync_map(a, b, (c & MS_SYNC) != 0);
}
// Anonymous memory is never paged out.
SYSCALL(mlock) { return 0; }
SYSCALL(mlock2) { return b & ~1ull ? -EINVAL : 0; }
SYSCALL(munlock) { return 0; }
SYSCALL(mlockall) { return a == 0 || (a & ~7ull) != 0 ? -EINVAL : 0; }
SYSCALL(munlockall) { return 0; }

// --- futex ------------------------------------------------------------------------------------------------------------
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4, FUTEX_WAKE_OP = 5, FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10 };
#define FUTEX_PRIVATE 128u
#define FUTEX_CLOCK_REALTIME 256u

// How many threads of this process wait, by address: most wake-ups are for nobody, and a private one (which concerns
// this process alone) is then answered here. A waiter counts itself before the kernel looks at the word, and who
// wakes has changed the word before it looks at the count, so one of them sees the other. Waiters that were moved to
// another word are not found by its address: a program that moves any has all its wake-ups made by the kernel.
#define FUTEX_BUCKETS 64u
static _Atomic uint32_t futex_waiters[FUTEX_BUCKETS];
static _Atomic bool futex_moved;

static _Atomic uint32_t *futex_bucket(u64 word) { return &futex_waiters[(word >> 2 ^ word >> 8 ^ word >> 14) % FUTEX_BUCKETS]; }

static bool nobody_waits(u64 word)
{
    atomic_thread_fence(memory_order_seq_cst);
    return atomic_load_explicit(futex_bucket(word), memory_order_relaxed) == 0 &&
           !atomic_load_explicit(&futex_moved, memory_order_relaxed);
}

static long futex_wait(u64 word, uint32_t expected, uint64_t deadline)
{
    if (!user_touch(word, 4, false))
        return -EFAULT;
    atomic_fetch_add(futex_bucket(word), 1);
    fut_status_t status =
        (fut_status_t)fut_syscall(FUT_SYS_FUTEX_WAIT, word, expected, deadline, FUT_WAIT_INTERRUPTIBLE, 0, 0).status;
    atomic_fetch_sub(futex_bucket(word), 1);
    switch (status) {
    case FUT_OK: return 0;
    case FUT_ERR_WOULD_BLOCK:
    case FUT_ERR_STATE: return -EAGAIN; // the word has another value
    case FUT_ERR_TIMED_OUT: return -ETIMEDOUT;
    default: return posix_errno(status);
    }
}

SYSCALL(futex)
{
    unsigned op = (unsigned)b & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
    bool realtime = (b & FUTEX_CLOCK_REALTIME) != 0;
    uint64_t woken = 0;
    if ((a & 3) != 0)
        return -EINVAL;
    switch (op) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
        uint64_t deadline = FUT_FOREVER;
        if (op == FUTEX_WAIT_BITSET && (uint32_t)f == 0)
            return -EINVAL;
        if (d != 0) {
            struct linux_timespec t;
            if (!user_read(&t, d, sizeof t))
                return -EFAULT;
            if (!timespec_valid(&t))
                return -EINVAL;
            deadline = timespec_ns(&t);
            if (op == FUTEX_WAIT) {
                deadline = deadline_after(deadline);
            } else if (realtime) {
                int64_t now;
                (void)posix_clock(CLOCK_REALTIME, &now);
                int64_t left = (int64_t)deadline - now;
                deadline = left > 0 ? deadline_after((uint64_t)left) : 0;
            }
        }
        long result = futex_wait(a, (uint32_t)c, deadline);
        // A relative wait is not made again with its whole length: it ends, as a spurious wake-up does.
        if (result == -ERESTARTSYS && op == FUTEX_WAIT && d != 0)
            return -EINTR;
        return result;
    }
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET: {
        if (op == FUTEX_WAKE_BITSET && (uint32_t)f == 0)
            return -EINVAL;
        if ((b & FUTEX_PRIVATE) != 0 && nobody_waits(a))
            return a < FUT_USER_TOP ? 0 : -EFAULT;
        fut_status_t status = fut_futex_wake((const uint32_t *)a, (uint32_t)c, &woken);
        return status == FUT_OK ? (long)woken : posix_errno(status);
    }
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: {
        uint32_t now;
        if ((int32_t)c < 0 || (int32_t)d < 0 || (e & 3) != 0)
            return -EINVAL;
        if (!user_load32(&now, a))
            return -EFAULT;
        if (op == FUTEX_CMP_REQUEUE && now != (uint32_t)f)
            return -EAGAIN;
        atomic_store(&futex_moved, true);
        fut_status_t status = fut_futex_requeue((const uint32_t *)a, (uint32_t)c, (const uint32_t *)e, (uint32_t)d, &woken);
        return status == FUT_OK ? (long)woken : posix_errno(status);
    }
    default: return -ENOSYS;
    }
}
