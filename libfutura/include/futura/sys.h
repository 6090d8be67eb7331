// SPDX-License-Identifier: MPL-2.0
//
// System calls as C functions. fut_x_y() is FUT_SYS_X_Y: its arguments in the order of abi.h, then where the value
// goes (null: dropped; written only on success). What each call does, the rights it needs and its errors are in
// docs/kernel.md. IPC is used through generated code (futura/fipc.h), not from here.
#pragma once
#include <futura/abi.h>
#if defined(FUTURA_SIMULATED)
#include <futura/syscall_host.h>
#elif defined(__x86_64__)
#include <futura/syscall_x86_64.h>
#elif defined(__aarch64__)
#include <futura/syscall_arm64.h>
#endif

// The calling thread's IPC buffer: the second word behind its TLS register.
static inline struct fut_ipc_buffer *fut_ipc_buffer(void)
{
    return (struct fut_ipc_buffer *)fut_tls_word(1);
}

// Nanoseconds since boot.
static inline uint64_t fut_clock(void)
{
    return fut_syscall(FUT_SYS_CLOCK, 0, 0, 0, 0, 0, 0).value;
}

static inline fut_status_t fut_null(void)
{
    return (fut_status_t)fut_syscall(FUT_SYS_NULL, 0, 0, 0, 0, 0, 0).status;
}

// --- Capabilities ---------------------------------------------------------------------------------------------

// A derived copy with rights & mask. Needs DUP.
[[nodiscard]] static inline fut_status_t fut_cap_mint(fut_handle_t handle, uint32_t rights, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_CAP_MINT, handle, rights, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// Frees the slot; what was derived from it stays, under its parent.
static inline fut_status_t fut_cap_delete(fut_handle_t handle)
{
    return (fut_status_t)fut_syscall(FUT_SYS_CAP_DELETE, handle, 0, 0, 0, 0, 0).status;
}

// Deletes all that was derived from it, in every task.
[[nodiscard]] static inline fut_status_t fut_cap_revoke(fut_handle_t handle)
{
    return (fut_status_t)fut_syscall(FUT_SYS_CAP_REVOKE, handle, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_cap_info(fut_handle_t handle, struct fut_cap_info *info)
{
    return (fut_status_t)fut_syscall(FUT_SYS_CAP_INFO, handle, (uintptr_t)info, 0, 0, 0, 0).status;
}

// A copy with rights & mask in the table of `task` (MANAGE); slot 0: any. Needs DUP on handle.
[[nodiscard]] static inline fut_status_t fut_cap_grant(fut_handle_t task, fut_handle_t handle, uint32_t rights,
    uint32_t slot, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_CAP_GRANT, task, handle, rights, slot, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// A copy of what `handle` names in the table of `task` (MANAGE).
[[nodiscard]] static inline fut_status_t fut_cap_take(fut_handle_t task, fut_handle_t handle, uint32_t rights,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_CAP_TAKE, task, handle, rights, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// --- Channels and Sessions ------------------------------------------------------------------------------------

[[nodiscard]] static inline fut_status_t fut_channel_create(fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_CHANNEL_CREATE, 0, 0, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// A new Session. Needs MINT.
[[nodiscard]] static inline fut_status_t fut_session_mint(fut_handle_t channel, uint64_t badge, uint32_t perms,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_SESSION_MINT, channel, badge, perms, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// The no-senders notice of badge was handled. Needs RECV.
[[nodiscard]] static inline fut_status_t fut_session_ack(fut_handle_t channel, uint64_t badge)
{
    return (fut_status_t)fut_syscall(FUT_SYS_SESSION_ACK, channel, badge, 0, 0, 0, 0).status;
}

// The smallest live badge above `badge`; FUT_ERR_NOT_FOUND at the end. Needs RECV.
[[nodiscard]] static inline fut_status_t fut_channel_next(fut_handle_t channel, uint64_t badge, uint64_t *next)
{
    struct fut_result r = fut_syscall(FUT_SYS_CHANNEL_NEXT, channel, badge, 0, 0, 0, 0);
    if (r.status == FUT_OK && next != nullptr)
        *next = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// One receive sees calls and the signals of `event` (READ). 0 unbinds. Needs RECV.
[[nodiscard]] static inline fut_status_t fut_channel_bind(fut_handle_t channel, fut_handle_t event)
{
    return (fut_status_t)fut_syscall(FUT_SYS_CHANNEL_BIND, channel, event, 0, 0, 0, 0).status;
}

// Signals when the Channel is gone for good.
[[nodiscard]] static inline fut_status_t fut_session_watch(fut_handle_t session, fut_handle_t event, uint64_t bits)
{
    return (fut_status_t)fut_syscall(FUT_SYS_SESSION_WATCH, session, event, bits, 0, 0, 0).status;
}

// --- Events ---------------------------------------------------------------------------------------------------

[[nodiscard]] static inline fut_status_t fut_event_create(fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_EVENT_CREATE, 0, 0, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// Needs WRITE.
[[nodiscard]] static inline fut_status_t fut_event_signal(fut_handle_t event, uint64_t bits)
{
    return (fut_status_t)fut_syscall(FUT_SYS_EVENT_SIGNAL, event, bits, 0, 0, 0, 0).status;
}

// Signals `bits` once at `deadline`; one per Event; FUT_FOREVER: none. Needs WRITE.
[[nodiscard]] static inline fut_status_t fut_event_timer(fut_handle_t event, uint64_t deadline, uint64_t bits)
{
    return (fut_status_t)fut_syscall(FUT_SYS_EVENT_TIMER, event, deadline, bits, 0, 0, 0).status;
}

// Needs WRITE.
[[nodiscard]] static inline fut_status_t fut_event_clear(fut_handle_t event, uint64_t bits, uint64_t *before)
{
    struct fut_result r = fut_syscall(FUT_SYS_EVENT_CLEAR, event, bits, 0, 0, 0, 0);
    if (r.status == FUT_OK && before != nullptr)
        *before = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// Waits for any bit of mask and clears those it gives back, unless FUT_WAIT_KEEP. deadline: absolute ns; 0 polls
// (FUT_ERR_TIMED_OUT). Needs READ.
[[nodiscard]] static inline fut_status_t fut_event_wait(fut_handle_t event, uint64_t mask, uint64_t deadline, uint32_t
    flags, uint64_t *bits)
{
    struct fut_result r = fut_syscall(FUT_SYS_EVENT_WAIT, event, mask, deadline, flags, 0, 0);
    if (r.status == FUT_OK && bits != nullptr)
        *bits = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_waitset_create(fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_WAITSET_CREATE, 0, 0, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// Replaces an entry with the same key.
[[nodiscard]] static inline fut_status_t fut_waitset_add(fut_handle_t set, fut_handle_t event, uint64_t mask, uint64_t
    key)
{
    return (fut_status_t)fut_syscall(FUT_SYS_WAITSET_ADD, set, event, mask, key, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_waitset_remove(fut_handle_t set, uint64_t key)
{
    return (fut_status_t)fut_syscall(FUT_SYS_WAITSET_REMOVE, set, key, 0, 0, 0, 0).status;
}

// Level: clears nothing.
[[nodiscard]] static inline fut_status_t fut_waitset_wait(fut_handle_t set, struct fut_ready *ready, uint64_t max,
    uint64_t deadline, uint64_t *count)
{
    struct fut_result r = fut_syscall(FUT_SYS_WAITSET_WAIT, set, (uintptr_t)ready, max, deadline, 0, 0);
    if (r.status == FUT_OK && count != nullptr)
        *count = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// --- Memory ---------------------------------------------------------------------------------------------------

// Zeros. flags: FUT_MEM_CONTIGUOUS, FUT_MEM_COMMIT.
[[nodiscard]] static inline fut_status_t fut_memory_create(uint64_t bytes, uint32_t flags, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_CREATE, bytes, flags, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_memory_slice(fut_handle_t memory, uint64_t offset, uint64_t bytes,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_SLICE, memory, offset, bytes, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// A copy-on-write copy.
[[nodiscard]] static inline fut_status_t fut_memory_snapshot(fut_handle_t memory, uint64_t offset, uint64_t bytes,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_SNAPSHOT, memory, offset, bytes, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// Needs MANAGE.
[[nodiscard]] static inline fut_status_t fut_memory_resize(fut_handle_t memory, uint64_t bytes)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MEMORY_RESIZE, memory, bytes, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_memory_read(fut_handle_t memory, uint64_t offset, void *buffer, uint64_t
    length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_READ, memory, offset, (uintptr_t)buffer, length, 0, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_memory_write(fut_handle_t memory, uint64_t offset, const void *buffer,
    uint64_t length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_WRITE, memory, offset, (uintptr_t)buffer, length, 0, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_memory_info(fut_handle_t memory, struct fut_memory_info *info)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MEMORY_INFO, memory, (uintptr_t)info, 0, 0, 0, 0).status;
}

// Faults go to `channel` (RECV) as messages with this badge.
[[nodiscard]] static inline fut_status_t fut_memory_paged(uint64_t bytes, fut_handle_t channel, uint64_t badge,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_PAGED, bytes, channel, badge, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// Moves pages in (shows them, if `from` is contiguous) and answers the faults that wait for them.
[[nodiscard]] static inline fut_status_t fut_memory_supply(fut_handle_t paged, uint64_t offset, fut_handle_t from,
    uint64_t from_offset, uint64_t bytes, uint64_t flags)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MEMORY_SUPPLY, paged, offset, from, from_offset, bytes, flags).status;
}

// Faults that wait there fail.
[[nodiscard]] static inline fut_status_t fut_memory_fail(fut_handle_t paged, uint64_t offset, uint64_t bytes)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MEMORY_FAIL, paged, offset, bytes, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_memory_decommit(fut_handle_t memory, uint64_t offset, uint64_t bytes)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MEMORY_DECOMMIT, memory, offset, bytes, 0, 0, 0).status;
}

// Reports and clears the dirty marks.
[[nodiscard]] static inline fut_status_t fut_memory_dirty(fut_handle_t paged, uint64_t offset, uint64_t *bitmap,
    uint64_t pages, uint64_t flags, uint64_t *count)
{
    struct fut_result r = fut_syscall(FUT_SYS_MEMORY_DIRTY, paged, offset, (uintptr_t)bitmap, pages, flags, 0);
    if (r.status == FUT_OK && count != nullptr)
        *count = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// --- Spaces ---------------------------------------------------------------------------------------------------

// account 0: the caller's own.
[[nodiscard]] static inline fut_status_t fut_space_create_in(fut_handle_t account, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_SPACE_CREATE, account, 0, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_space_create(fut_handle_t *out)
{
    return fut_space_create_in(0, out);
}

[[nodiscard]] static inline fut_status_t fut_space_map(fut_handle_t space, const struct fut_map *map, uint64_t
    *address)
{
    struct fut_result r = fut_syscall(FUT_SYS_SPACE_MAP, space, (uintptr_t)map, 0, 0, 0, 0);
    if (r.status == FUT_OK && address != nullptr)
        *address = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_space_unmap(fut_handle_t space, uint64_t address, uint64_t bytes)
{
    return (fut_status_t)fut_syscall(FUT_SYS_SPACE_UNMAP, space, address, bytes, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_space_protect(fut_handle_t space, uint64_t address, uint64_t bytes,
    uint32_t prot)
{
    return (fut_status_t)fut_syscall(FUT_SYS_SPACE_PROTECT, space, address, bytes, prot, 0, 0).status;
}

// account 0: the caller's own.
[[nodiscard]] static inline fut_status_t fut_space_clone_in(fut_handle_t space, fut_handle_t account, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_SPACE_CLONE, space, account, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_space_clone(fut_handle_t space, fut_handle_t *out)
{
    return fut_space_clone_in(space, 0, out);
}

[[nodiscard]] static inline fut_status_t fut_space_query(fut_handle_t space, uint64_t address, struct fut_mapping
    *mapping)
{
    return (fut_status_t)fut_syscall(FUT_SYS_SPACE_QUERY, space, address, (uintptr_t)mapping, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_space_read(fut_handle_t space, uint64_t address, void *buffer, uint64_t
    length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_SPACE_READ, space, address, (uintptr_t)buffer, length, 0, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_space_write(fut_handle_t space, uint64_t address, const void *buffer,
    uint64_t length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_SPACE_WRITE, space, address, (uintptr_t)buffer, length, 0, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// --- Tasks and threads ----------------------------------------------------------------------------------------

[[nodiscard]] static inline fut_status_t fut_task_create(fut_handle_t account, fut_handle_t space, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_TASK_CREATE, account, space, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_task_clone(fut_handle_t task, fut_handle_t account, fut_handle_t space,
    const struct fut_clone_cap *caps, uint64_t count, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_TASK_CLONE, task, account, space, (uintptr_t)caps, count, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// Where system calls are native.
[[nodiscard]] static inline fut_status_t fut_task_native(fut_handle_t task, uint64_t address, uint64_t bytes)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TASK_NATIVE, task, address, bytes, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_task_watch(fut_handle_t task, fut_handle_t event, uint64_t bits)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TASK_WATCH, task, event, bits, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_task_destroy(fut_handle_t task)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TASK_DESTROY, task, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_task_info(fut_handle_t task, struct fut_task_info *info)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TASK_INFO, task, (uintptr_t)info, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_task_caps(fut_handle_t task, struct fut_cap_info *info, uint64_t max,
    uint32_t first, uint64_t *count)
{
    struct fut_result r = fut_syscall(FUT_SYS_TASK_CAPS, task, (uintptr_t)info, max, first, 0, 0);
    if (r.status == FUT_OK && count != nullptr)
        *count = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// Suspended.
[[nodiscard]] static inline fut_status_t fut_thread_create(fut_handle_t task, const struct fut_thread_params *params,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_THREAD_CREATE, task, (uintptr_t)params, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_thread_resume(fut_handle_t thread)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_RESUME, thread, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_suspend(fut_handle_t thread)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_SUSPEND, thread, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_post(fut_handle_t thread, uint64_t bits)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_POST, thread, bits, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_get(fut_handle_t thread, struct fut_regs *regs)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_GET, thread, (uintptr_t)regs, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_set(fut_handle_t thread, const struct fut_regs *regs)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_SET, thread, (uintptr_t)regs, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_info(fut_handle_t thread, struct fut_thread_info *info)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_INFO, thread, (uintptr_t)info, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_priority(fut_handle_t thread, uint32_t priority)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_PRIORITY, thread, priority, 0, 0, 0, 0).status;
}

// On which CPUs it may run: a bit each.
[[nodiscard]] static inline fut_status_t fut_thread_affinity(fut_handle_t thread, uint64_t mask)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_AFFINITY, thread, mask, 0, 0, 0, 0).status;
}

// Ends the calling thread.
static inline fut_status_t fut_thread_exit(void)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_destroy(fut_handle_t thread)
{
    return (fut_status_t)fut_syscall(FUT_SYS_THREAD_DESTROY, thread, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_thread_self(uint64_t *object_id)
{
    struct fut_result r = fut_syscall(FUT_SYS_THREAD_SELF, 0, 0, 0, 0, 0, 0);
    if (r.status == FUT_OK && object_id != nullptr)
        *object_id = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

static inline fut_status_t fut_yield(void)
{
    return (fut_status_t)fut_syscall(FUT_SYS_YIELD, 0, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_upcall_set(const struct fut_upcall *upcall)
{
    return (fut_status_t)fut_syscall(FUT_SYS_UPCALL_SET, (uintptr_t)upcall, 0, 0, 0, 0, 0).status;
}

// Returns only if it fails.
[[nodiscard]] static inline fut_status_t fut_upcall_return(void)
{
    return (fut_status_t)fut_syscall(FUT_SYS_UPCALL_RETURN, 0, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_tls_set(uint64_t value)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TLS_SET, value, 0, 0, 0, 0, 0).status;
}

// --- Waiting on words -----------------------------------------------------------------------------------------

[[nodiscard]] static inline fut_status_t fut_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline)
{
    return (fut_status_t)fut_syscall(FUT_SYS_FUTEX_WAIT, (uintptr_t)word, expected, deadline, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_futex_wake(const uint32_t *word, uint64_t count, uint64_t *woken)
{
    struct fut_result r = fut_syscall(FUT_SYS_FUTEX_WAKE, (uintptr_t)word, count, 0, 0, 0, 0);
    if (r.status == FUT_OK && woken != nullptr)
        *woken = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_futex_requeue(const uint32_t *word, uint64_t wake, const uint32_t *to,
    uint64_t requeue, uint64_t *woken)
{
    struct fut_result r = fut_syscall(FUT_SYS_FUTEX_REQUEUE, (uintptr_t)word, wake, (uintptr_t)to, requeue, 0, 0);
    if (r.status == FUT_OK && woken != nullptr)
        *woken = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

// --- Devices --------------------------------------------------------------------------------------------------

[[nodiscard]] static inline fut_status_t fut_irq_create(fut_handle_t machine, uint32_t line, uint32_t flags,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_IRQ_CREATE, machine, line, flags, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_irq_msi(fut_handle_t machine, struct fut_msi *msi, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_IRQ_MSI, machine, (uintptr_t)msi, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_irq_bind(fut_handle_t irq, fut_handle_t event, uint64_t bits)
{
    return (fut_status_t)fut_syscall(FUT_SYS_IRQ_BIND, irq, event, bits, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_irq_ack(fut_handle_t irq)
{
    return (fut_status_t)fut_syscall(FUT_SYS_IRQ_ACK, irq, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_ioport_create(fut_handle_t machine, uint32_t first, uint32_t count,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_IOPORT_CREATE, machine, first, count, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_ioport_read(fut_handle_t ports, uint32_t offset, uint32_t width, uint64_t
    *value)
{
    struct fut_result r = fut_syscall(FUT_SYS_IOPORT_READ, ports, offset, width, 0, 0, 0);
    if (r.status == FUT_OK && value != nullptr)
        *value = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_ioport_write(fut_handle_t ports, uint32_t offset, uint32_t width,
    uint32_t value)
{
    return (fut_status_t)fut_syscall(FUT_SYS_IOPORT_WRITE, ports, offset, width, value, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_phys_create(fut_handle_t machine, uint64_t address, uint64_t bytes,
    uint32_t flags, fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_PHYS_CREATE, machine, address, bytes, flags, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

// --- Accounts, log, machine -----------------------------------------------------------------------------------

[[nodiscard]] static inline fut_status_t fut_audit_read(fut_handle_t log, uint64_t sequence, struct fut_audit *records,
                                                        uint64_t max, uint64_t *count)
{
    struct fut_result r = fut_syscall(FUT_SYS_AUDIT_READ, log, sequence, (uintptr_t)records, max, 0, 0);
    *count = r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_account_create(fut_handle_t parent, uint64_t pages, uint64_t objects,
    fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_ACCOUNT_CREATE, parent, pages, objects, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_account_info(fut_handle_t account, struct fut_account_info *info)
{
    return (fut_status_t)fut_syscall(FUT_SYS_ACCOUNT_INFO, account, (uintptr_t)info, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_log_write(fut_handle_t log, const void *buffer, uint64_t length)
{
    return (fut_status_t)fut_syscall(FUT_SYS_LOG_WRITE, log, (uintptr_t)buffer, length, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_log_read(fut_handle_t log, uint64_t offset, void *buffer, uint64_t
    length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_LOG_READ, log, offset, (uintptr_t)buffer, length, 0, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_machine_power(fut_handle_t machine, uint32_t action, uint32_t exit_code)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MACHINE_POWER, machine, action, exit_code, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_machine_info(fut_handle_t machine, struct fut_machine_info *info)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MACHINE_INFO, machine, (uintptr_t)info, 0, 0, 0, 0).status;
}

// The kernel's debugger on the console; FUT_ERR_UNSUPPORTED where the machine was started without it.
[[nodiscard]] static inline fut_status_t fut_machine_debug(fut_handle_t machine)
{
    return (fut_status_t)fut_syscall(FUT_SYS_MACHINE_DEBUG, machine, 0, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_trace_control(fut_handle_t machine, bool on)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TRACE_CONTROL, machine, on, 0, 0, 0, 0).status;
}

[[nodiscard]] static inline fut_status_t fut_trace_read(fut_handle_t machine, struct fut_trace_read *q)
{
    return (fut_status_t)fut_syscall(FUT_SYS_TRACE_READ, machine, (uintptr_t)q, 0, 0, 0, 0).status;
}

// --- Replies held for later, memory lent by a caller ----------------------------------------------------------

// Names the current caller's Reply.
[[nodiscard]] static inline fut_status_t fut_reply_save(fut_handle_t *out)
{
    struct fut_result r = fut_syscall(FUT_SYS_REPLY_SAVE, 0, 0, 0, 0, 0, 0);
    if (r.status == FUT_OK && out != nullptr)
        *out = (fut_handle_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_lent_read(fut_handle_t reply, uint32_t index, uint64_t offset, void
    *buffer, uint64_t length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_LENT_READ, reply, index, offset, (uintptr_t)buffer, length, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}

[[nodiscard]] static inline fut_status_t fut_lent_write(fut_handle_t reply, uint32_t index, uint64_t offset, const
    void *buffer, uint64_t length, uint64_t *done)
{
    struct fut_result r = fut_syscall(FUT_SYS_LENT_WRITE, reply, index, offset, (uintptr_t)buffer, length, 0);
    if (r.status == FUT_OK && done != nullptr)
        *done = (uint64_t)r.value;
    return (fut_status_t)r.status;
}
