// SPDX-License-Identifier: MPL-2.0
//
// The door: every system call instruction arrives here. The two common IPC operations are looked at first;
// the rest goes through a table.
#include <kernel.h>
#include <ipc.h>
#include <ipc/light.h>

syscall_fn sys_reply_save;
syscall_fn sys_lent_read;
syscall_fn sys_lent_write;
syscall_fn sys_cap_mint;
syscall_fn sys_cap_delete;
syscall_fn sys_cap_revoke;
syscall_fn sys_cap_info;
syscall_fn sys_cap_grant;
syscall_fn sys_cap_take;
syscall_fn sys_channel_create;
syscall_fn sys_session_mint;
syscall_fn sys_session_ack;
syscall_fn sys_channel_next;
syscall_fn sys_channel_bind;
syscall_fn sys_session_watch;
syscall_fn sys_event_create;
syscall_fn sys_event_signal;
syscall_fn sys_event_clear;
syscall_fn sys_event_timer;
syscall_fn sys_event_wait;
syscall_fn sys_waitset_create;
syscall_fn sys_waitset_add;
syscall_fn sys_waitset_remove;
syscall_fn sys_waitset_wait;
syscall_fn sys_memory_create;
syscall_fn sys_memory_slice;
syscall_fn sys_memory_snapshot;
syscall_fn sys_memory_resize;
syscall_fn sys_memory_read;
syscall_fn sys_memory_write;
syscall_fn sys_memory_info;
syscall_fn sys_memory_paged;
syscall_fn sys_memory_supply;
syscall_fn sys_memory_fail;
syscall_fn sys_memory_decommit;
syscall_fn sys_memory_dirty;
syscall_fn sys_space_create;
syscall_fn sys_space_map;
syscall_fn sys_space_unmap;
syscall_fn sys_space_protect;
syscall_fn sys_space_clone;
syscall_fn sys_space_query;
syscall_fn sys_space_read;
syscall_fn sys_space_write;
syscall_fn sys_task_create;
syscall_fn sys_task_clone;
syscall_fn sys_task_native;
syscall_fn sys_task_watch;
syscall_fn sys_task_destroy;
syscall_fn sys_task_info;
syscall_fn sys_task_caps;
syscall_fn sys_thread_create;
syscall_fn sys_thread_resume;
syscall_fn sys_thread_suspend;
syscall_fn sys_thread_post;
syscall_fn sys_thread_get;
syscall_fn sys_thread_set;
syscall_fn sys_thread_info;
syscall_fn sys_thread_priority;
syscall_fn sys_thread_affinity;
syscall_fn sys_thread_exit;
syscall_fn sys_thread_self;
syscall_fn sys_yield;
syscall_fn sys_upcall_set;
syscall_fn sys_upcall_return;
syscall_fn sys_tls_set;
syscall_fn sys_thread_destroy;
syscall_fn sys_futex_wait;
syscall_fn sys_futex_wake;
syscall_fn sys_futex_requeue;
syscall_fn sys_clock;
syscall_fn sys_trace_control;
syscall_fn sys_trace_read;
syscall_fn sys_machine_debug;
syscall_fn sys_irq_create;
syscall_fn sys_irq_msi;
syscall_fn sys_irq_bind;
syscall_fn sys_irq_ack;
syscall_fn sys_ioport_create;
syscall_fn sys_ioport_read;
syscall_fn sys_ioport_write;
syscall_fn sys_phys_create;
syscall_fn sys_account_create;
syscall_fn sys_account_info;
syscall_fn sys_task_revoke;
syscall_fn sys_audit_read;
syscall_fn sys_irq_limit;
syscall_fn sys_machine_irq;
syscall_fn sys_account_watch;
syscall_fn sys_schedule_create;
syscall_fn sys_schedule_set;
syscall_fn sys_schedule_bind;
syscall_fn sys_schedule_info;
syscall_fn sys_account_schedule;
syscall_fn sys_log_write;
syscall_fn sys_log_read;
syscall_fn sys_machine_power;
syscall_fn sys_machine_info;

static syscall_fn *const table[FUT_SYS_COUNT] = {
    [FUT_SYS_REPLY_SAVE] = sys_reply_save,
    [FUT_SYS_LENT_READ] = sys_lent_read,
    [FUT_SYS_LENT_WRITE] = sys_lent_write,
    [FUT_SYS_CAP_MINT] = sys_cap_mint,
    [FUT_SYS_CAP_DELETE] = sys_cap_delete,
    [FUT_SYS_CAP_REVOKE] = sys_cap_revoke,
    [FUT_SYS_CAP_INFO] = sys_cap_info,
    [FUT_SYS_CAP_GRANT] = sys_cap_grant,
    [FUT_SYS_CAP_TAKE] = sys_cap_take,
    [FUT_SYS_CHANNEL_CREATE] = sys_channel_create,
    [FUT_SYS_SESSION_MINT] = sys_session_mint,
    [FUT_SYS_SESSION_ACK] = sys_session_ack,
    [FUT_SYS_CHANNEL_NEXT] = sys_channel_next,
    [FUT_SYS_CHANNEL_BIND] = sys_channel_bind,
    [FUT_SYS_SESSION_WATCH] = sys_session_watch,
    [FUT_SYS_EVENT_CREATE] = sys_event_create,
    [FUT_SYS_EVENT_SIGNAL] = sys_event_signal,
    [FUT_SYS_EVENT_CLEAR] = sys_event_clear,
    [FUT_SYS_EVENT_TIMER] = sys_event_timer,
    [FUT_SYS_EVENT_WAIT] = sys_event_wait,
    [FUT_SYS_WAITSET_CREATE] = sys_waitset_create,
    [FUT_SYS_WAITSET_ADD] = sys_waitset_add,
    [FUT_SYS_WAITSET_REMOVE] = sys_waitset_remove,
    [FUT_SYS_WAITSET_WAIT] = sys_waitset_wait,
    [FUT_SYS_MEMORY_CREATE] = sys_memory_create,
    [FUT_SYS_MEMORY_SLICE] = sys_memory_slice,
    [FUT_SYS_MEMORY_SNAPSHOT] = sys_memory_snapshot,
    [FUT_SYS_MEMORY_RESIZE] = sys_memory_resize,
    [FUT_SYS_MEMORY_READ] = sys_memory_read,
    [FUT_SYS_MEMORY_WRITE] = sys_memory_write,
    [FUT_SYS_MEMORY_INFO] = sys_memory_info,
    [FUT_SYS_MEMORY_PAGED] = sys_memory_paged,
    [FUT_SYS_MEMORY_SUPPLY] = sys_memory_supply,
    [FUT_SYS_MEMORY_FAIL] = sys_memory_fail,
    [FUT_SYS_MEMORY_DECOMMIT] = sys_memory_decommit,
    [FUT_SYS_MEMORY_DIRTY] = sys_memory_dirty,
    [FUT_SYS_SPACE_CREATE] = sys_space_create,
    [FUT_SYS_SPACE_MAP] = sys_space_map,
    [FUT_SYS_SPACE_UNMAP] = sys_space_unmap,
    [FUT_SYS_SPACE_PROTECT] = sys_space_protect,
    [FUT_SYS_SPACE_CLONE] = sys_space_clone,
    [FUT_SYS_SPACE_QUERY] = sys_space_query,
    [FUT_SYS_SPACE_READ] = sys_space_read,
    [FUT_SYS_SPACE_WRITE] = sys_space_write,
    [FUT_SYS_TASK_CREATE] = sys_task_create,
    [FUT_SYS_TASK_CLONE] = sys_task_clone,
    [FUT_SYS_TASK_NATIVE] = sys_task_native,
    [FUT_SYS_TASK_WATCH] = sys_task_watch,
    [FUT_SYS_TASK_DESTROY] = sys_task_destroy,
    [FUT_SYS_TASK_INFO] = sys_task_info,
    [FUT_SYS_TASK_CAPS] = sys_task_caps,
    [FUT_SYS_THREAD_CREATE] = sys_thread_create,
    [FUT_SYS_THREAD_RESUME] = sys_thread_resume,
    [FUT_SYS_THREAD_SUSPEND] = sys_thread_suspend,
    [FUT_SYS_THREAD_POST] = sys_thread_post,
    [FUT_SYS_THREAD_GET] = sys_thread_get,
    [FUT_SYS_THREAD_SET] = sys_thread_set,
    [FUT_SYS_THREAD_INFO] = sys_thread_info,
    [FUT_SYS_THREAD_PRIORITY] = sys_thread_priority,
    [FUT_SYS_THREAD_AFFINITY] = sys_thread_affinity,
    [FUT_SYS_THREAD_EXIT] = sys_thread_exit,
    [FUT_SYS_THREAD_SELF] = sys_thread_self,
    [FUT_SYS_YIELD] = sys_yield,
    [FUT_SYS_UPCALL_SET] = sys_upcall_set,
    [FUT_SYS_UPCALL_RETURN] = sys_upcall_return,
    [FUT_SYS_TLS_SET] = sys_tls_set,
    [FUT_SYS_THREAD_DESTROY] = sys_thread_destroy,
    [FUT_SYS_FUTEX_WAIT] = sys_futex_wait,
    [FUT_SYS_FUTEX_WAKE] = sys_futex_wake,
    [FUT_SYS_FUTEX_REQUEUE] = sys_futex_requeue,
    [FUT_SYS_CLOCK] = sys_clock,
    [FUT_SYS_TRACE_CONTROL] = sys_trace_control,
    [FUT_SYS_TRACE_READ] = sys_trace_read,
    [FUT_SYS_MACHINE_DEBUG] = sys_machine_debug,
    [FUT_SYS_IRQ_CREATE] = sys_irq_create,
    [FUT_SYS_IRQ_MSI] = sys_irq_msi,
    [FUT_SYS_IRQ_BIND] = sys_irq_bind,
    [FUT_SYS_IRQ_ACK] = sys_irq_ack,
    [FUT_SYS_IOPORT_CREATE] = sys_ioport_create,
    [FUT_SYS_IOPORT_READ] = sys_ioport_read,
    [FUT_SYS_IOPORT_WRITE] = sys_ioport_write,
    [FUT_SYS_PHYS_CREATE] = sys_phys_create,
    [FUT_SYS_ACCOUNT_CREATE] = sys_account_create,
    [FUT_SYS_ACCOUNT_INFO] = sys_account_info,
    [FUT_SYS_TASK_REVOKE] = sys_task_revoke,
    [FUT_SYS_AUDIT_READ] = sys_audit_read,
    [FUT_SYS_IRQ_LIMIT] = sys_irq_limit,
    [FUT_SYS_MACHINE_IRQ] = sys_machine_irq,
    [FUT_SYS_ACCOUNT_WATCH] = sys_account_watch,
    [FUT_SYS_SCHEDULE_CREATE] = sys_schedule_create,
    [FUT_SYS_SCHEDULE_SET] = sys_schedule_set,
    [FUT_SYS_SCHEDULE_BIND] = sys_schedule_bind,
    [FUT_SYS_SCHEDULE_INFO] = sys_schedule_info,
    [FUT_SYS_ACCOUNT_SCHEDULE] = sys_account_schedule,
    [FUT_SYS_LOG_WRITE] = sys_log_write,
    [FUT_SYS_LOG_READ] = sys_log_read,
    [FUT_SYS_MACHINE_POWER] = sys_machine_power,
    [FUT_SYS_MACHINE_INFO] = sys_machine_info,
};

// Runs one system call of the current thread and writes its results; does not look for what runs next.
struct thread *syscall_slow(struct thread *t, uint32_t op)
{
    fut_status_t status = FUT_ERR_SYSCALL;
    uint64_t value = 0;
    if (likely(op < FUT_SYS_COUNT && table[op])) {
        uint64_t a[6];
        for (unsigned i = 0; i < 6; i++)
            a[i] = arch_sys_arg(&t->arch, i);
        status = table[op](t, a, &value);
        if (status == SYS_BLOCKED)
            return t;
        if (status)
            value = 0;
    } else if (op == FUT_SYS_NULL) {
        status = FUT_OK;
    }
    arch_sys_result(&t->arch, status, value);
    return t;
}

struct thread *kernel_native_syscall(struct thread *t)
{
    uint64_t control = arch_sys_op(&t->arch);
    // An interruptible call without a pending interruption is a plain one.
    uint32_t op = control & (0xff | (0xff & ~FUT_IPC_INTERRUPTIBLE) << 8);
    if (likely(op == FUT_SYS_CALL))
        return ipc_fast_call(t, control);
    if (likely(op == FUT_SYS_REPLY_RECV))
        return ipc_fast_reply_recv(t, control);
    op = control & 0xff;
    if (op >= FUT_SYS_CALL && op <= FUT_SYS_REPLY_RECV)
        return ipc_entry(t, control);
    syscall_slow(t, control > 0xffff ? FUT_SYS_COUNT : (uint32_t)control);
    return leave();
}

// What entry code that finds light calls by itself does not need.
struct thread *kernel_syscall(struct thread *t)
{
    if (unlikely(arch_pc(&t->arch) - t->native_base >= t->native_bytes))
        return kernel_foreign_syscall(t);
    struct light done = {LIGHT_DECLINED, 0};
    uint64_t op = arch_sys_op(&t->arch), a[4];
    for (unsigned i = 0; i < 4; i++)
        a[i] = arch_sys_arg(&t->arch, i);
    if (op == FUT_SYS_EVENT_SIGNAL)
        done = light_event_signal(a[0], a[1]);
    else if (op == FUT_SYS_EVENT_WAIT)
        done = light_event_wait(a[0], a[1], a[2], a[3]);
    else if (op == FUT_SYS_YIELD)
        done = light_yield();
    if (done.status == LIGHT_DECLINED)
        return kernel_native_syscall(t);
    if (done.status != LIGHT_SWITCH) {
        arch_sys_result(&t->arch, (fut_status_t)done.status, done.value);
        return t;
    }
    arch_sys_result(&t->arch, FUT_OK, 0);
    return (struct thread *)done.value;
}
