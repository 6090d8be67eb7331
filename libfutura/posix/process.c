// SPDX-License-Identifier: MPL-2.0
//
// fork, exec, wait, exit: one call to posixd each. What a child or a new program gets is listed handle by handle.
#include "posix.h"
#include <string.h>

// The child runs `entry` on a fresh upcall stack, with a copy of everything as it is at the call. It gets the
// descriptors; what else the library had open (readiness Events, Contexts of other trees) it asks for again.
long posix_fork(uint64_t flags, uint64_t entry, uint64_t argument, uint32_t exit_signal)
{
    struct posix_thread *self = &posix_self;
    struct process_start start = {
        .entry = entry,
        .stack = self->upcall.stack,
        .argument = argument,
        .ipc_buffer = (uint64_t)fut_ipc_buffer(),
        .tls = self->tls,
        .upcall_entry = self->upcall.entry,
        .upcall_stack = self->upcall.stack,
        .upcall_frames = self->upcall.frames,
        .upcall_tls = self->upcall.tls,
        .upcall_count = self->upcall.count,
        .upcall_causes = self->upcall.causes,
        .flags = flags,
        .exit_signal = exit_signal,
        .slot = self->slot_number,
        .process = posix.process.h,
        .context = posix.context.h,
        .task = posix.task,
        .space = posix.space,
    };
    uint32_t handles[POSIX_FDS];
    size_t count = 0;
    for (unsigned fd = 0; fd < POSIX_FDS; fd++)
        if (posix.fd[fd].handle != 0)
            handles[count++] = posix.fd[fd].handle;
    uint32_t pid;
    fut_status_t status = process_process_fork(posix.process, &start, (struct fut_u32_view){.data = handles, .len = count}, &pid);
    if (status != FUT_OK)
        return posix_errno(status);
    // The child first: it usually sets its signals and then executes another program, and what the parent writes
    // before that is copied for nothing; and a signal sent at once finds the child's own dispositions.
    (void)fut_yield();
    return (long)pid;
}

void posix_after_fork(void)
{
    struct posix_thread *self = &posix_self;
    posix.lock = 0;
    posix.threads = 1;
    posix.sleep_event = 0;
    posix_poll_forget(false);
    posix.signal_event = 0;
    posix.network.h = posix.netctl.h = 0;
    for (unsigned i = 0; i < POSIX_POLLSETS; i++)
        posix.polls[i].set = 0;
    memset(posix.trees, 0, sizeof posix.trees);
    for (unsigned fd = 0; fd < POSIX_FDS; fd++)
        if (posix.fd[fd].watch != POSIX_ALWAYS_READY)
            posix.fd[fd].watch = 0;
    self->tid = posix_pid();
    self->restart = nullptr;
}

void posix_exit(uint32_t wait_status)
{
    (void)process_process_exit(posix.process, wait_status);
    for (;;) // posixd is gone: end this thread at least
        fut_thread_exit();
}

long posix_exec(int at, const char *path, const char *strings, size_t bytes, uint32_t argc, uint32_t envc)
{
    struct process_descriptor files[128];
    size_t count = 0;
    for (unsigned fd = 0; fd < POSIX_FDS; fd++) {
        const struct posix_fd *f = &posix.fd[fd];
        if (f->handle == 0 || f->cloexec)
            continue;
        if (count == sizeof files / sizeof files[0])
            return -EMFILE;
        files[count++] = (struct process_descriptor){.number = fd, .handle = f->handle, .status = f->status,
                                                     .kind = f->kind | (uint32_t)f->tree << 8 | (uint32_t)f->hints << 16};
    }
    io_file_t directory = {0};
    if (at != AT_FDCWD && path[0] != '/') {
        struct posix_fd *f = posix_fd_get((unsigned)at);
        if (f == nullptr)
            return -EBADF;
        directory.h = f->handle;
    }
    return posix_errno(process_process_exec(posix.process, directory, (struct fut_string){.data = path, .len = strlen(path)},
                                            posix_self.slot_number, argc, envc,
                                            (struct fut_bytes){.data = strings, .len = bytes},
                                            (struct process_descriptor_view){.data = files, .len = count}));
}

long posix_wait(int32_t which, uint32_t options, uint32_t *wait_status, struct process_usage *usage)
{
    uint32_t pid;
    fut_status_t status = process_process_wait_opt(posix.process, &posix_interruptible, which, options, &pid, wait_status, usage);
    return status == FUT_OK ? (long)pid : posix_errno(status);
}

long posix_ids(struct process_ids *ids) { return posix_errno(process_process_ids(posix.process, ids)); }
