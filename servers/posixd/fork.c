// SPDX-License-Identifier: MPL-2.0
//
// fork and threads. The child's Space is a clone of the caller's and its Task has the listed handles at the
// caller's values; those that speak for the process (Process Session, Context, Task, Space) are the child's
// own from the start, so that it never holds anything of its parent's.
#include "posixd.h"

#define CLONE_VFORK 0x4000u

struct vfork_wait {
    struct deferred deferred;
    struct process *child; // null: it is gone from here
    uint32_t pid;
};

static void vfork_answer(struct deferred *d)
{
    struct vfork_wait *w = container(d, struct vfork_wait, deferred);
    if (w->child != nullptr)
        w->child->vfork_waiter = nullptr;
    struct process_process_fork_result res = {.pid = w->pid};
    (void)process_process_fork_reply(d->reply, &res);
    heap_free(w);
}

static void vfork_drop(struct deferred *d)
{
    struct vfork_wait *w = container(d, struct vfork_wait, deferred);
    if (w->child != nullptr)
        w->child->vfork_waiter = nullptr;
    heap_free(w);
}

static fut_status_t copy_signal_page(struct process *child, const struct process *parent, unsigned slot)
{
    fut_status_t status = sigpage_create(child);
    if (status != FUT_OK)
        return status;
    struct process_signal_page *to = child->page;
    const struct process_signal_page *from = parent->page;
    to->caught = from->caught;
    to->ignored = from->ignored;
    to->restart = from->restart;
    to->flags = from->flags;
    to->thread[slot].blocked = from->thread[slot].blocked;
    to->thread[slot].key = from->thread[slot].key;
    to->thread[slot].tid = child->pid;
    child->page_address = parent->page_address;
    return sigpage_map(child, child->space, child->page_address);
}

static bool is_own(const struct process_start *s, uint32_t h)
{
    return h == 0 || h == s->process || h == s->context || h == s->task || h == s->space;
}

static fut_status_t clone_task(struct process *child, const struct process *parent, const struct process_start *s,
                               const uint32_t *handles, size_t count)
{
    struct fut_clone_cap *caps = heap_zero((count + 3) * sizeof *caps);
    if (caps == nullptr)
        return FUT_ERR_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        bool take = !is_own(s, handles[i]);
        for (size_t k = 0; k < n && take; k++)
            take = caps[k].handle != handles[i];
        if (take)
            caps[n++].handle = handles[i];
    }
    fut_handle_t session = 0;
    fut_status_t status = fut_session_mint(posixd.server.channel, child->object.badge, SESSION_ALL, &session);
    if (status == FUT_OK) {
        if (s->process != 0)
            caps[n++] = (struct fut_clone_cap){s->process, session};
        if (s->context != 0)
            caps[n++] = (struct fut_clone_cap){s->context, child->context.h};
        if (s->space != 0)
            caps[n++] = (struct fut_clone_cap){s->space, child->space};
        status = fut_task_clone(parent->task, confine_account(child), child->space, caps, n, &child->task);
        (void)fut_cap_delete(session);
    }
    if (status == FUT_OK && s->task != 0) {
        fut_handle_t at;
        status = fut_cap_grant(child->task, child->task, FUT_RIGHT_READ, s->task, &at);
    }
    heap_free(caps);
    return status;
}

static fut_status_t start_thread(struct process *p, const struct process_start *s, unsigned slot, uint32_t tid)
{
    struct fut_upcall upcall = {
        .entry = s->upcall_entry,
        .stack = s->upcall_stack,
        .frames = s->upcall_frames,
        .tls = s->upcall_tls,
        .count = s->upcall_count,
        .causes = s->upcall_causes,
    };
    struct fut_thread_params params = {
        .entry = s->entry,
        .stack = s->stack,
        .argument = s->argument,
        .ipc_buffer = s->ipc_buffer,
        .tls = s->tls,
        .priority = exec_priority(p),
        .upcall = s->upcall_count != 0 ? &upcall : nullptr,
    };
    fut_handle_t thread;
    fut_status_t status = fut_thread_create(p->task, &params, &thread);
    if (status != FUT_OK)
        return status;
    p->threads[slot] = (struct thread){.handle = thread, .tid = tid};
    p->thread_count++;
    return FUT_OK;
}

static uint64_t processes_of(uint32_t uid)
{
    uint64_t n = 0;
    for (struct process *p = processes; p != nullptr; p = p->next)
        n += p->cred.ruid == uid;
    return n;
}

// What the caller named that is not so is its own mistake; the rest is that something ran out.
static fut_status_t to_io(fut_status_t status)
{
    switch (status) {
    case FUT_ERR_HANDLE:
    case FUT_ERR_TYPE:
    case FUT_ERR_RIGHTS:
    case FUT_ERR_EXISTS:
        return IO_ERROR_BAD_FILE;
    case FUT_ERR_ARGUMENT:
    case FUT_ERR_ADDRESS:
        return IO_ERROR_INVALID;
    case FUT_ERR_NO_MEMORY:
        return IO_ERROR_NO_MEMORY;
    default:
        return status > 0 ? status : IO_ERROR_TRY_AGAIN;
    }
}

fut_status_t fork_handle(struct fut_request *req, const struct process_start *s, const uint32_t *handles,
                         size_t count, uint32_t *pid)
{
    struct process *parent = req->object;
    if (s->slot >= MAX_THREADS || s->exit_signal > SIG_MAX)
        return IO_ERROR_INVALID;
    if (posixd.stopping || (!cred_is_root(&parent->cred) && process_count() >= parent->limits[6].soft &&
                            processes_of(parent->cred.ruid) >= parent->limits[6].soft))
        return IO_ERROR_TRY_AGAIN;
    struct vfork_wait *wait = nullptr;
    if (s->flags & CLONE_VFORK) {
        wait = heap_zero(sizeof *wait);
        if (wait == nullptr)
            return IO_ERROR_NO_MEMORY;
    }
    struct process *child = process_create(parent);
    if (child == nullptr) {
        heap_free(wait);
        return IO_ERROR_TRY_AGAIN;
    }
    child->exit_signal = (uint8_t)s->exit_signal;
    struct fs_cred cred = cred_for_fs(&child->cred);
    fut_status_t status = fut_space_clone_in(parent->space, confine_account(child), &child->space);
    if (status == FUT_OK)
        status = fs_admin_derive(posixd.fs, parent->context, &cred, &child->context);
    if (status == FUT_OK)
        status = copy_signal_page(child, parent, s->slot);
    if (status == FUT_OK)
        status = clone_task(child, parent, s, handles, count);
    if (status == FUT_OK)
        status = start_thread(child, s, s->slot, child->pid);
    if (status == FUT_OK)
        status = process_watch(child, child->task);
    if (status != FUT_OK) {
        process_discard(child);
        heap_free(wait);
        return to_io(status);
    }
    if (parent->exe_path != nullptr) {
        size_t n = strlen(parent->exe_path) + 1;
        child->exe_path = heap_alloc(n);
        if (child->exe_path != nullptr)
            memcpy(child->exe_path, parent->exe_path, n);
    }
    child->image = parent->image;
    if (child->image != nullptr)
        child->image->references++;
    process_publish(child);
    *pid = child->pid;
    if (wait != nullptr) {
        wait->child = child;
        wait->pid = child->pid;
        child->vfork_waiter = &wait->deferred;
        if (!deferred_add(&wait->deferred, req, vfork_answer, vfork_drop)) {
            child->vfork_waiter = nullptr; // the parent goes on at once: the child has memory of its own anyway
            heap_free(wait);
            wait = nullptr;
        }
    }
    (void)fut_thread_resume(child->threads[s->slot].handle);
    return wait != nullptr ? FUT_DEFER : FUT_OK;
}

fut_status_t thread_handle(struct fut_request *req, const struct process_start *s, uint32_t *tid)
{
    struct process *p = req->object;
    if (s->slot >= MAX_THREADS || p->threads[s->slot].handle != 0)
        return IO_ERROR_INVALID;
    uint32_t id = process_new_pid();
    p->page->thread[s->slot].pending = 0;
    p->page->thread[s->slot].key = s->argument;
    fut_status_t status = start_thread(p, s, s->slot, id);
    if (status != FUT_OK)
        return to_io(status);
    __atomic_store_n(&p->page->thread[s->slot].tid, id, __ATOMIC_RELEASE);
    *tid = id;
    if (p->state == PROCESS_RUNNING)
        (void)fut_thread_resume(p->threads[s->slot].handle);
    return FUT_OK;
}

// The caller's own end, so there is nobody to answer. Its slot is free once the kernel thread is gone.
void thread_end(struct process *p, unsigned slot, uint32_t code)
{
    if (p->thread_count <= 1)
        return process_end(p, (code & 0xff) << 8);
    struct fut_thread_info info;
    if (fut_thread_info(p->threads[slot].handle, &info) == FUT_OK)
        p->final_usage.user_ns += info.cpu_ns;
    (void)fut_thread_destroy(p->threads[slot].handle);
    (void)fut_cap_delete(p->threads[slot].handle);
    p->threads[slot] = (struct thread){};
    p->thread_count--;
    __atomic_store_n(&p->page->thread[slot].tid, 0, __ATOMIC_RELEASE);
}
