// SPDX-License-Identifier: MPL-2.0
//
// The process's state, its set-up from what exec left, the library's lock, and what a failed call means as errno.
#include "posix.h"

struct posix_process posix;
_Thread_local struct posix_thread posix_self;

void posix_init(const struct fut_posix_startup *start)
{
    posix.process.h = start->process;
    posix.context.h = start->context;
    posix.task = start->task;
    posix.space = start->space;
    posix.page = (struct process_signal_page *)start->signal_page;
    posix.time = (const volatile struct fut_time_page *)start->time_page;
    posix.clock = (const volatile struct fut_posix_clock *)start->clock_page;
    posix.image_low = start->image_low;
    posix.image_high = start->image_high;
    posix.brk_start = posix.brk = posix.brk_mapped = start->brk_start;
    posix.cwd_tree = start->cwd_tree;
    posix.threads = 1;
    posix.ids = (struct process_ids){.pid = start->pid, .ruid = start->uid, .euid = start->euid, .rgid = start->gid, .egid = start->egid};
    posix_self.slot = &posix.page->thread[0];
    posix_self.tid = start->pid;
    if (start->exec_name != 0) {
        const char *name = (const char *)start->exec_name;
        for (size_t i = 0; i < POSIX_PATH - 1 && name[i] != 0; i++)
            posix.exec_name[i] = name[i];
    }
    for (size_t i = 0; i < sizeof posix.name - 1; i++)
        posix.name[i] = start->name[i];
    const struct fut_posix_fd *files = (const struct fut_posix_fd *)start->files;
    for (uint32_t i = 0; i < start->file_count; i++) {
        if (files[i].number >= POSIX_FDS)
            continue;
        // kind carries the tree in its second byte, as posix_exec packed it.
        posix.fd[files[i].number] = (struct posix_fd){.handle = files[i].handle, .kind = (uint8_t)files[i].kind,
                                                      .tree = (uint8_t)(files[i].kind >> 8),
                                                      .hints = (uint8_t)(files[i].kind >> 16),
                                                      .status = files[i].status};
    }
    // Signals that were ignored before exec still are; posixd keeps the mask in the page.
    for (unsigned s = 1; s <= POSIX_NSIG; s++)
        if (posix.page->ignored & signal_bit(s))
            posix.action[s].handler = SIG_IGN;
}

long posix_errno(fut_status_t status)
{
    if (status == IO_ERROR_INTERRUPTED)
        return -ERESTARTSYS; // a server ended a wait early because we were posted: what follows is decided at delivery
    if (status >= 0)
        return -status; // a declared error of io.Error is errno itself
    switch (status) {
    case FUT_ERR_INTERRUPTED:
    case FUT_ERR_CANCELLED: return -ERESTARTSYS;
    case FUT_ERR_RESTARTED: return -ERESTARTSYS; // ttyd came back and knows the Session: ask again
    case FUT_ERR_HANDLE: return -EBADF;
    case FUT_ERR_NO_MEMORY:
    case FUT_ERR_QUOTA: return -ENOMEM;
    case FUT_ERR_NO_SLOT: return -ENFILE;
    case FUT_ERR_ADDRESS: return -EFAULT;
    case FUT_ERR_RIGHTS:
    case FUT_ERR_FACET: return -EACCES;
    case FUT_ERR_WOULD_BLOCK: return -EAGAIN;
    case FUT_ERR_TIMED_OUT: return -ETIMEDOUT;
    case FUT_ERR_EXISTS: return -EEXIST;
    case FUT_ERR_NOT_FOUND: return -ENOENT;
    case FUT_ERR_TOO_BIG: return -ENAMETOOLONG;
    case FUT_ERR_UNKNOWN_METHOD:
    case FUT_ERR_UNSUPPORTED: return -EOPNOTSUPP;
    case FUT_ERR_ARGUMENT:
    case FUT_ERR_TYPE:
    case FUT_ERR_STATE:
    case FUT_ERR_INVALID: return -EINVAL;
    default: return -EIO; // the server is gone, and the call may have happened
    }
}

// A futex lock: 0 free, 1 held, 2 held and waited for. A process of one thread never contends.
void posix_lock(void)
{
    uint32_t seen = 0;
    if (atomic_compare_exchange_strong_explicit(&posix.lock, &seen, 1, memory_order_acquire, memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&posix.lock, 2, memory_order_acquire) != 0)
        (void)fut_futex_wait((uint32_t *)&posix.lock, 2, FUT_FOREVER);
}

void posix_unlock(void)
{
    uint64_t woken;
    if (atomic_exchange_explicit(&posix.lock, 0, memory_order_release) == 2)
        (void)fut_futex_wake((uint32_t *)&posix.lock, 1, &woken);
}

// --- Program memory ---------------------------------------------------------------------------------------------
bool user_copy(void *to, const void *from, size_t bytes);
bool user_touch_byte(uint64_t at, bool write);
extern const int32_t user_fixups[];

bool user_read(void *to, uint64_t user_from, size_t bytes) { return user_copy(to, (const void *)user_from, bytes); }
bool user_write(uint64_t user_to, const void *from, size_t bytes) { return user_copy((void *)user_to, from, bytes); }

bool user_touch(uint64_t user_at, size_t bytes, bool write)
{
    if (bytes == 0)
        return true;
    if (user_at + bytes < user_at)
        return false;
    for (uint64_t at = user_at; at < user_at + bytes; at = PAGE_DOWN(at) + PAGE_SIZE)
        if (!user_touch_byte(at, write))
            return false;
    return true;
}

uint64_t user_fixup(uint64_t pc)
{
    for (const int32_t *f = user_fixups; f[0] != 0; f += 3) {
        uint64_t from = (uint64_t)&f[0] + (int64_t)f[0], to = (uint64_t)&f[1] + (int64_t)f[1];
        if (pc >= from && pc < to)
            return (uint64_t)&f[2] + (int64_t)f[2];
    }
    return 0;
}
