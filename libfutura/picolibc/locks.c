// SPDX-License-Identifier: MPL-2.0
//
// The locks of picolibc (stdio, malloc, environment): futexes, recursive by owner. All of them stand in this one
// file, because the C library's own versions come as one object too.
#include <futura/sys.h>
#include <futura/startup.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/lock.h>

struct __lock {
    _Atomic uint32_t state; // 0 free, 1 held, 2 held and waited for
    uint32_t depth;
    _Atomic uintptr_t owner; // the thread's IPC buffer: every thread has one of its own
};
struct __lock __lock___libc_recursive_mutex;

static uintptr_t self(void) { return (uintptr_t)fut_ipc_buffer(); }

static void acquire(_LOCK_T l)
{
    uint32_t seen = 0;
    if (!__c11_atomic_compare_exchange_strong(&l->state, &seen, 1, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        while (__c11_atomic_exchange(&l->state, 2, __ATOMIC_ACQUIRE) != 0)
            (void)fut_futex_wait((uint32_t *)&l->state, 2, FUT_FOREVER);
}

static void release(_LOCK_T l)
{
    if (__c11_atomic_exchange(&l->state, 0, __ATOMIC_RELEASE) == 2)
        (void)fut_futex_wake((uint32_t *)&l->state, 1, nullptr);
}

void __retarget_lock_init(_LOCK_T *lock) { *lock = calloc(1, sizeof **lock); }
void __retarget_lock_init_recursive(_LOCK_T *lock) { __retarget_lock_init(lock); }
void __retarget_lock_close(_LOCK_T lock) { free(lock); }
void __retarget_lock_close_recursive(_LOCK_T lock) { free(lock); }
// A lock that there was no memory for is none: its stream belongs to one thread then.
void __retarget_lock_acquire(_LOCK_T lock)
{
    if (lock != nullptr)
        acquire(lock);
}
void __retarget_lock_release(_LOCK_T lock)
{
    if (lock != nullptr)
        release(lock);
}
void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
    if (lock == nullptr)
        return;
    if (lock->owner == self()) {
        lock->depth++;
        return;
    }
    acquire(lock);
    lock->owner = self();
    lock->depth = 1;
}
void __retarget_lock_release_recursive(_LOCK_T lock)
{
    if (lock == nullptr || --lock->depth != 0)
        return;
    lock->owner = 0;
    release(lock);
}
