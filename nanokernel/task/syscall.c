// SPDX-License-Identifier: MPL-2.0
//
// The door: every system call instruction arrives here. The two common IPC operations are looked at first;
// the rest goes through a table.
#include <kernel.h>
#include <ipc.h>
#include <ipc/light.h>

// Every call that goes through the table: its number and its function are the two spellings of one name.
#define CALLS(X) \
    X(REPLY_SAVE, reply_save) X(LENT_READ, lent_read) X(LENT_WRITE, lent_write) \
    X(CAP_MINT, cap_mint) X(CAP_DELETE, cap_delete) X(CAP_REVOKE, cap_revoke) X(CAP_INFO, cap_info) \
    X(CAP_GRANT, cap_grant) X(CAP_TAKE, cap_take) X(CHANNEL_CREATE, channel_create) \
    X(SESSION_MINT, session_mint) X(SESSION_ACK, session_ack) X(CHANNEL_NEXT, channel_next) \
    X(CHANNEL_BIND, channel_bind) X(SESSION_WATCH, session_watch) \
    X(EVENT_CREATE, event_create) X(EVENT_SIGNAL, event_signal) X(EVENT_CLEAR, event_clear) \
    X(EVENT_TIMER, event_timer) X(EVENT_WAIT, event_wait) X(WAITSET_CREATE, waitset_create) \
    X(WAITSET_ADD, waitset_add) X(WAITSET_REMOVE, waitset_remove) X(WAITSET_WAIT, waitset_wait) \
    X(MEMORY_CREATE, memory_create) X(MEMORY_SLICE, memory_slice) X(MEMORY_SNAPSHOT, memory_snapshot) \
    X(MEMORY_RESIZE, memory_resize) X(MEMORY_READ, memory_read) X(MEMORY_WRITE, memory_write) \
    X(MEMORY_INFO, memory_info) X(MEMORY_PAGED, memory_paged) X(MEMORY_SUPPLY, memory_supply) \
    X(MEMORY_FAIL, memory_fail) X(MEMORY_DECOMMIT, memory_decommit) X(MEMORY_DIRTY, memory_dirty) \
    X(SPACE_CREATE, space_create) X(SPACE_MAP, space_map) X(SPACE_UNMAP, space_unmap) \
    X(SPACE_PROTECT, space_protect) X(SPACE_CLONE, space_clone) X(SPACE_QUERY, space_query) \
    X(SPACE_READ, space_read) X(SPACE_WRITE, space_write) X(TASK_CREATE, task_create) \
    X(TASK_CLONE, task_clone) X(TASK_NATIVE, task_native) X(TASK_WATCH, task_watch) \
    X(TASK_DESTROY, task_destroy) X(TASK_INFO, task_info) X(TASK_CAPS, task_caps) \
    X(THREAD_CREATE, thread_create) X(THREAD_RESUME, thread_resume) X(THREAD_SUSPEND, thread_suspend) \
    X(THREAD_POST, thread_post) X(THREAD_GET, thread_get) X(THREAD_SET, thread_set) \
    X(THREAD_INFO, thread_info) X(THREAD_PRIORITY, thread_priority) X(THREAD_AFFINITY, thread_affinity) \
    X(THREAD_EXIT, thread_exit) X(THREAD_SELF, thread_self) X(YIELD, yield) \
    X(UPCALL_SET, upcall_set) X(UPCALL_RETURN, upcall_return) X(TLS_SET, tls_set) \
    X(THREAD_DESTROY, thread_destroy) X(FUTEX_WAIT, futex_wait) X(FUTEX_WAKE, futex_wake) \
    X(FUTEX_REQUEUE, futex_requeue) X(CLOCK, clock) X(TRACE_CONTROL, trace_control) \
    X(TRACE_READ, trace_read) X(MACHINE_DEBUG, machine_debug) X(IRQ_CREATE, irq_create) X(IRQ_MSI, irq_msi) \
    X(IRQ_BIND, irq_bind) X(IRQ_ACK, irq_ack) X(IOPORT_CREATE, ioport_create) X(IOPORT_READ, ioport_read) \
    X(IOPORT_WRITE, ioport_write) X(PHYS_CREATE, phys_create) X(ACCOUNT_CREATE, account_create) \
    X(ACCOUNT_INFO, account_info) X(TASK_REVOKE, task_revoke) X(AUDIT_READ, audit_read) \
    X(IRQ_LIMIT, irq_limit) X(MACHINE_IRQ, machine_irq) X(ACCOUNT_WATCH, account_watch) \
    X(SCHEDULE_CREATE, schedule_create) X(SCHEDULE_SET, schedule_set) X(SCHEDULE_BIND, schedule_bind) \
    X(SCHEDULE_INFO, schedule_info) X(ACCOUNT_SCHEDULE, account_schedule) \
    X(LOG_WRITE, log_write) X(LOG_READ, log_read) X(MACHINE_POWER, machine_power) \
    X(MACHINE_INFO, machine_info)

#define DECLARE(NUMBER, name) syscall_fn sys_##name;
#define ENTRY(NUMBER, name) [FUT_SYS_##NUMBER] = sys_##name,
CALLS(DECLARE)
static syscall_fn *const table[FUT_SYS_COUNT] = {CALLS(ENTRY)};

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
