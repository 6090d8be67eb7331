// SPDX-License-Identifier: MPL-2.0
//
// Signals as far as no frame is concerned. posixd decides what a signal does and sets pending bits in the signal
// page; the library says there what it catches, ignores and blocks, and takes bits by compare-and-swap. Whoever
// changes `blocked` or `caught` looks at `pending` afterwards, and posixd the other way round (all sequentially
// consistent), so that no signal falls between.
#include "posix.h"

#define SYNCHRONOUS (signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGILL) | signal_bit(SIGTRAP) | \
                     signal_bit(SIGFPE) | signal_bit(SIGSYS))
#define DEFAULT_IGNORED (signal_bit(SIGCHLD) | signal_bit(SIGURG) | signal_bit(SIGWINCH) | signal_bit(SIGCONT))

unsigned posix_signal_choose(uint64_t due)
{
    if (due & SYNCHRONOUS) // the fault that just happened comes before what others sent
        due &= SYNCHRONOUS;
    return due == 0 ? 0 : (unsigned)__builtin_ctzll(due) + 1;
}

static bool take_bit(uint64_t *word, unsigned signal)
{
    return (__atomic_fetch_and(word, ~signal_bit(signal), __ATOMIC_SEQ_CST) & signal_bit(signal)) != 0;
}

unsigned posix_signal_take(uint64_t among, struct process_signal_info *info)
{
    struct process_signal_thread *slot = posix_self.slot;
    for (;;) {
        uint64_t own = __atomic_load_n(&slot->pending, __ATOMIC_SEQ_CST);
        uint64_t all = __atomic_load_n(&posix.page->pending, __ATOMIC_SEQ_CST);
        unsigned signal = posix_signal_choose((own | all) & among);
        if (signal == 0)
            return 0;
        *info = posix.page->info[signal];
        info->signal = signal;
        // Another thread may have been faster: then look again.
        if (take_bit((own & signal_bit(signal)) ? &slot->pending : &posix.page->pending, signal)) {
            posix_signal_event_sync(signal_bit(signal));
            return signal;
        }
    }
}

long posix_signal_action(unsigned signal, const struct posix_action *set, struct posix_action *old)
{
    if (signal < 1 || signal > POSIX_NSIG || (set != nullptr && (SIGNALS_KEPT & signal_bit(signal))))
        return -EINVAL;
    posix_lock();
    if (old != nullptr)
        *old = posix.action[signal];
    if (set != nullptr) {
        uint64_t bit = signal_bit(signal);
        posix.action[signal] = *set;
        posix.action[signal].mask &= ~SIGNALS_KEPT;
        bool ignored = set->handler == SIG_IGN, caught = set->handler != SIG_IGN && set->handler != SIG_DFL;
        struct process_signal_page *page = posix.page;
        if (signal == SIGCHLD) {
            uint64_t flags = (set->flags & SA_NOCLDSTOP ? 1 : 0) | (set->flags & SA_NOCLDWAIT ? 2 : 0);
            __atomic_store_n(&page->flags, (page->flags & ~UINT64_C(3)) | flags, __ATOMIC_SEQ_CST);
        }
        // At no moment in between does the signal look as if its default action applied, unless that is wanted.
        if (caught)
            __atomic_fetch_or(&page->caught, bit, __ATOMIC_SEQ_CST);
        if (ignored)
            __atomic_fetch_or(&page->ignored, bit, __ATOMIC_SEQ_CST);
        else
            __atomic_fetch_and(&page->ignored, ~bit, __ATOMIC_SEQ_CST);
        if (!caught)
            __atomic_fetch_and(&page->caught, ~bit, __ATOMIC_SEQ_CST);
        if (set->flags & SA_RESTART)
            __atomic_fetch_or(&page->restart, bit, __ATOMIC_SEQ_CST);
        else
            __atomic_fetch_and(&page->restart, ~bit, __ATOMIC_SEQ_CST);
        if (ignored || (!caught && (DEFAULT_IGNORED & bit))) {
            __atomic_fetch_and(&page->pending, ~bit, __ATOMIC_SEQ_CST);
            __atomic_fetch_and(&posix_self.slot->pending, ~bit, __ATOMIC_SEQ_CST);
            posix_signal_event_sync(bit);
        }
    }
    posix_unlock();
    return 0;
}

void posix_signal_block(uint64_t mask)
{
    __atomic_store_n(&posix_self.slot->blocked, mask & ~SIGNALS_KEPT, __ATOMIC_SEQ_CST);
}

// The signals waited for are blocked as a rule, and posixd wakes nobody for a blocked one: while this waits they
// count as caught and not blocked. Handlers cannot run meanwhile: interruptions are off in an upcall.
long posix_signal_wait(uint64_t mask, uint64_t deadline, struct process_signal_info *info)
{
    mask &= ~SIGNALS_KEPT;
    unsigned signal = posix_signal_take(mask, info);
    if (signal != 0)
        return signal;
    if (deadline == 0)
        return -EAGAIN;
    struct process_signal_thread *slot = posix_self.slot;
    uint64_t blocked = slot->blocked;
    uint64_t uncaught = mask & ~posix.page->caught, ignored = mask & posix.page->ignored;
    __atomic_fetch_or(&posix.page->caught, uncaught, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&posix.page->ignored, ~ignored, __ATOMIC_SEQ_CST);
    __atomic_store_n(&slot->blocked, blocked & ~mask, __ATOMIC_SEQ_CST);
    long slept = 0;
    signal = posix_signal_take(mask, info);
    if (signal == 0) {
        slept = posix_sleep_until(deadline);
        signal = posix_signal_take(mask, info);
    }
    __atomic_store_n(&slot->blocked, blocked, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&posix.page->caught, ~uncaught, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&posix.page->ignored, ignored, __ATOMIC_SEQ_CST);
    if (signal != 0)
        return signal;
    return slept == 0 ? -EAGAIN : slept;
}

void posix_signal_raise(unsigned signal, int32_t code, uint64_t value)
{
    if (posix.action[signal].handler == SIG_IGN)
        return;
    posix.page->info[signal] = (struct process_signal_info){.signal = signal, .code = code, .pid = posix_pid(), .value = value};
    __atomic_fetch_or(&posix_self.slot->pending, signal_bit(signal), __ATOMIC_SEQ_CST);
    if (posix.signal_event != 0)
        (void)fut_event_signal(posix.signal_event, signal_bit(signal));
}

void posix_signal_default(unsigned signal)
{
    if (DEFAULT_IGNORED & signal_bit(signal))
        return;
    (void)process_process_default(posix.process, signal);
}

// A caught signal to oneself needs no permission and nobody else: it is pending at once, and delivered when this
// call returns.
static bool raise_here(unsigned signal)
{
    uint64_t bit = signal_bit(signal);
    if (posix.threads != 1 || (posix.page->caught & bit) == 0 || (posix_self.slot->blocked & bit) != 0)
        return false;
    return true;
}

long posix_kill(int32_t pid, unsigned signal)
{
    if (signal > POSIX_NSIG)
        return -EINVAL;
    if (pid > 0 && (uint32_t)pid == posix_pid()) {
        if (signal == 0)
            return 0;
        if (raise_here(signal)) {
            posix_signal_raise(signal, SI_USER, 0);
            return 0;
        }
    }
    return posix_errno(process_process_kill(posix.process, pid, signal));
}

long posix_kill_thread(uint32_t pid, uint32_t tid, unsigned signal)
{
    if (signal > POSIX_NSIG || (int32_t)tid <= 0 || (int32_t)pid == 0)
        return -EINVAL;
    if ((pid == posix_pid() || (int32_t)pid < 0) && tid == posix_self.tid && signal != 0 &&
        (posix.page->caught & signal_bit(signal)) != 0) {
        posix_signal_raise(signal, SI_TKILL, 0);
        return 0;
    }
    return posix_errno(process_process_kill_thread(posix.process, pid, tid, signal));
}
