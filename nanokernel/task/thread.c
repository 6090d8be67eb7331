// SPDX-License-Identifier: MPL-2.0
//
// Threads: birth, waits and their ends, interruption, death.
#include <kernel.h>
#include <ipc.h>
#include <schedule.h>
#include <cap/types.h>

fut_status_t thread_new(struct task *task, struct thread **out)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_THREAD, task->object.account, &o);
    if (status)
        return status;
    struct thread *t = object_of(o, struct thread);
    t->reply.id = object_next_id();
    t->reply.type = FUT_OBJ_REPLY;
    t->reply.refs = 1;
    t->task = task;
    t->space = task->space;
    object_ref(&task->object);
    object_ref(&task->space->object);
    t->native_base = task->native_base;
    t->native_bytes = task->native_bytes;
    t->priority = t->base_priority = t->ceiling = FUT_PRIORITY_DEFAULT;
    thread_set_suspended(t, true);
    t->affinity = (uint8_t)((1u << cpus_online) - 1);
    list_init(&t->queue.link);
    list_init(&t->cancel_link);
    list_init(&t->inherit);
    list_init(&t->in_schedule);
    list_init(&t->fault_link);
    list_init(&t->channel_fault_link);
    list_append(&task->threads, &t->in_task);
    task->thread_count++;
    object_ref(o); // the task's, until thread_destroy
    if (t->object.account->schedule)
        thread_set_schedule(t, t->object.account->schedule);
    *out = t;
    return FUT_OK;
}

void thread_unwait(struct thread *t)
{
    timer_stop(t);
    thread_dequeue(t);
    switch (t->state) {
    case FUT_THREAD_SENDING:
    case FUT_THREAD_FAULTED:
        if (!list_empty(&t->queue.link)) {
            list_remove(&t->queue.link);
            channel_left(t->session->channel, t->priority);
            object_unref(&t->session->object);
            t->session = nullptr;
            break;
        }
        [[fallthrough]]; // a fault that was received is a call
    case FUT_THREAD_CALLING:
        if (t->session)
            reply_make_stale(t);
        break;
    case FUT_THREAD_RECEIVING:
    case FUT_THREAD_FUTEX:
        list_remove(&t->queue.link);
        break;
    case FUT_THREAD_WAITING:
        list_remove(&t->queue.link);
        if (t->waits_on)
            object_unref(t->waits_on);
        t->waits_on = nullptr;
        break;
    case FUT_THREAD_PAGING:
        thread_end_page_wait(t, true);
        break;
    default:
        break;
    }
    t->state = FUT_THREAD_SUSPENDED; // for the moment: its caller decides
}

struct channel *thread_queued_in(const struct thread *t)
{
    if (list_empty(&t->queue.link))
        return nullptr;
    return t->state == FUT_THREAD_SENDING || t->state == FUT_THREAD_FAULTED ? t->session->channel :
           t->state == FUT_THREAD_PAGING ? t->fault_memory->pager : nullptr;
}

void thread_restart_later(struct thread *t) { t->attention |= ATTENTION_RESTART; }

void thread_abort(struct thread *t, fut_status_t status)
{
    uint32_t was = t->state;
    thread_unwait(t);
    t->attention &= ~ATTENTION_RESTART;
    if (was == FUT_THREAD_SENDING || was == FUT_THREAD_RECEIVING)
        ipc_finish(t, status, 0);
    else if (was == FUT_THREAD_CALLING)
        ipc_finish(t, status, FUT_OUT_MAYBE);
    else if (was == FUT_THREAD_WAITING || was == FUT_THREAD_FUTEX)
        arch_sys_result(&t->arch, status, 0);
    thread_ready(t);
}

void thread_wake(struct thread *t, fut_status_t status, uint64_t value)
{
    thread_unwait(t);
    arch_sys_result(&t->arch, status, value);
    thread_ready(t);
}

void thread_post(struct thread *t, uint64_t bits)
{
    t->pending |= bits;
    t->attention |= ATTENTION_PENDING;
    if (t->frames)
        t->frames->pending = t->pending;
    struct cpu *c = thread_runs_on(t);
    if (c && c != arch_cpu())
        arch_ipi((unsigned)(c - cpus));
    switch (t->state) {
    case FUT_THREAD_SENDING:
    case FUT_THREAD_RECEIVING:
        if (t->call_flags & FUT_IPC_INTERRUPTIBLE)
            thread_abort(t, FUT_ERR_INTERRUPTED);
        break;
    case FUT_THREAD_CALLING:
        if (t->call_flags & FUT_IPC_INTERRUPTIBLE)
            channel_queue_cancel(t);
        break;
    case FUT_THREAD_WAITING:
    case FUT_THREAD_FUTEX:
        if (t->call_flags & FUT_WAIT_INTERRUPTIBLE)
            thread_abort(t, FUT_ERR_INTERRUPTED);
        break;
    default:
        break;
    }
}

void thread_destroy(struct thread *t)
{
    if (t->state == FUT_THREAD_DEAD)
        return;
    object_ref(&t->object);
    thread_evict(t);
    reap_priority = max(reap_priority, t->priority);
    thread_unwait(t);
    reply_drop_caller(t);
    if (t->work)
        object_unref(t->work);
    t->work = nullptr;
    t->state = FUT_THREAD_DEAD;
    t->attention = 0;
    upcall_unregister(t);
    for (int i = 0; i < 2; i++)
        if (t->ipc_page[i])
            page_unpin(t->ipc_page[i]);
    t->ipc_page[0] = t->ipc_page[1] = nullptr;
    t->ipc = nullptr;
    if (t->fault_session)
        object_handle_unref(&t->fault_session->object);
    t->fault_session = nullptr;
    arch_thread_free(t);
    for each_cpu(c)
        if (c->current == t || c->payer == t) {
            cpu_charge(c);
            if (c->current == t)
                c->current = nullptr;
            if (c->payer == t) {
                c->payer = c->current;
                schedule_start(c);
            }
        }
    struct task *task = t->task;
    task->cpu_ticks += t->counter_ticks;
    thread_settle(t, 0);
    if (t->schedule)
        thread_set_schedule(t, nullptr);
    list_remove(&t->in_task);
    object_unref(&t->space->object);
    t->space = nullptr;
    if (--task->thread_count == 0 && !task->dead)
        task_destroy(task); // a task ends with its last thread
    object_unref(&t->object); // the task's
    object_unref(&t->object); // ours
}

void thread_no_handles(struct object *) {} // it goes on without

void thread_free(struct object *o)
{
    struct thread *t = object_of(o, struct thread);
    kassert(t->state == FUT_THREAD_DEAD);
    object_unref(&t->task->object);
}

// --- System calls --------------------------------------------------------------------------------------
static fut_status_t get_thread(struct thread *t, uint64_t h, uint32_t rights, struct thread **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_THREAD, rights, &c);
    if (status)
        return status;
    *out = object_of(c->object, struct thread);
    return (*out)->state == FUT_THREAD_DEAD ? FUT_ERR_STATE : FUT_OK;
}

fut_status_t thread_pin_ipc(struct thread *t, uint64_t address)
{
    if (address & (FUT_IPC_BUFFER_SIZE - 1))
        return FUT_ERR_ARGUMENT;
    for (int i = 0; i < 2; i++) {
        struct memory *wait;
        uint64_t offset;
        phys_t phys;
        if (space_resolve(t->space, address + (uint64_t)i * FUT_PAGE_SIZE, ACCESS_WRITE, &phys, &wait, &offset) ||
            !phys_page(phys) || phys_page(phys)->state != PAGE_USED || !phys_page(phys)->refs || !page_pin(phys_page(phys))) {
            if (i)
                page_unpin(t->ipc_page[0]);
            t->ipc_page[0] = nullptr;
            return FUT_ERR_ADDRESS;
        }
        t->ipc_page[i] = phys_page(phys);
    }
    t->ipc = phys_to_virt(page_phys(t->ipc_page[0]));
    t->ipc_second = phys_to_virt(page_phys(t->ipc_page[1]));
    t->ipc_address = address;
    return FUT_OK;
}

fut_status_t sys_thread_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c, *fault = nullptr;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_TASK, FUT_RIGHT_MANAGE, &c);
    if (status)
        return status;
    struct task *task = object_of(c->object, struct task);
    struct fut_thread_params p;
    struct fut_regs regs;
    struct fut_upcall upcall;
    status = user_read(t, &p, a[1], sizeof p);
    if (!status && p.regs)
        status = user_read(t, &regs, (uintptr_t)p.regs, sizeof regs);
    if (!status && p.upcall)
        status = user_read(t, &upcall, (uintptr_t)p.upcall, sizeof upcall);
    if (status)
        return status;
    if (task->dead)
        return FUT_ERR_STATE;
    if (p.priority > t->ceiling)
        return FUT_ERR_ARGUMENT;
    if (p.fault_session) {
        status = cap_get(t->task, p.fault_session, FUT_OBJ_SESSION, FUT_RIGHT_CALL, &fault);
        if (status)
            return status;
    }
    status = cap_reserve(t->task, 1);
    if (status)
        return status;
    struct thread *n;
    status = thread_new(task, &n);
    if (status)
        return status;
    if (!n->schedule || !n->schedule->set.priority)
        n->priority = n->base_priority = n->ceiling = (uint8_t)(p.priority ? p.priority : t->base_priority);
    arch_thread_init(n, p.entry, p.stack, p.argument, p.tls);
    if (p.regs) {
        if (!arch_regs_set(n, &regs))
            status = FUT_ERR_ARGUMENT;
        else
            arch_fp_clone(n, t);
    }
    if (!status && p.ipc_buffer)
        status = thread_pin_ipc(n, p.ipc_buffer);
    if (!status && p.upcall)
        status = upcall_register(n, &upcall);
    if (status) {
        // Not thread_destroy's last-thread rule: a task without threads stays as it was.
        task->thread_count++;
        thread_destroy(n);
        task->thread_count--;
        object_unref(&n->object);
        return status;
    }
    if (fault) {
        n->fault_session = object_of(fault->object, struct session);
        n->fault_perms = fault->rights >> 16;
        object_handle_ref(&n->fault_session->object);
    }
    fut_handle_t h;
    status = cap_install(t->task, &n->object, RIGHTS_THREAD, &h);
    *value = h;
    return status;
}

fut_status_t sys_thread_resume(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_MANAGE, &n);
    if (status)
        return status;
    if (n->suspended) {
        thread_set_suspended(n, false);
        if (n->state == FUT_THREAD_RUNNABLE)
            thread_ready(n);
    }
    return FUT_OK;
}

fut_status_t sys_thread_suspend(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_MANAGE, &n);
    if (status)
        return status;
    thread_dequeue(n);
    thread_evict(n);
    thread_set_suspended(n, true);
    return FUT_OK;
}

fut_status_t sys_thread_post(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_WRITE, &n);
    if (!status && a[1])
        thread_post(n, a[1]);
    return status;
}

fut_status_t sys_thread_get(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_READ, &n);
    if (status)
        return status;
    struct fut_regs regs;
    if (thread_evict(n))
        thread_ready(n);
    arch_regs_get(n, &regs);
    return user_write(t, a[1], &regs, sizeof regs);
}

fut_status_t sys_thread_set(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_MANAGE, &n);
    if (status)
        return status;
    if (n == t || !n->suspended || n->state != FUT_THREAD_RUNNABLE || (n->attention & ATTENTION_RESTART))
        return FUT_ERR_STATE;
    struct fut_regs regs;
    status = user_read(t, &regs, a[1], sizeof regs);
    if (status)
        return status;
    return arch_regs_set(n, &regs) ? FUT_OK : FUT_ERR_ARGUMENT;
}

fut_status_t sys_thread_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_THREAD, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    struct thread *n = object_of(c->object, struct thread);
    cpu_charge_all();
    struct fut_thread_info info = {
        .object_id = n->object.id,
        .task_id = n->task->object.id,
        .cpu_ns = ticks_to_ns(n->counter_ticks),
        .state = n->state == FUT_THREAD_RUNNABLE && n->suspended ? FUT_THREAD_SUSPENDED : n->state,
        .priority = n->base_priority,
        .waits_on = n->session ? n->session->channel->object.id :
                    n->state == FUT_THREAD_RECEIVING ? n->channel->object.id : n->waits_on ? n->waits_on->id :
                    n->fault_memory ? n->fault_memory->object.id : 0,
    };
    return user_write(t, a[1], &info, sizeof info);
}

fut_status_t sys_thread_priority(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_MANAGE, &n);
    if (status)
        return status;
    if (a[1] > t->ceiling)
        return FUT_ERR_ARGUMENT;
    if (n != t)
        n->ceiling = (uint8_t)a[1];
    n->base_priority = (uint8_t)a[1];
    thread_inherit(n);
    return FUT_OK;
}

fut_status_t sys_thread_exit(struct thread *t, const uint64_t *, uint64_t *)
{
    thread_destroy(t);
    return SYS_BLOCKED;
}

fut_status_t sys_thread_destroy(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct thread *n;
    fut_status_t status = get_thread(t, a[0], FUT_RIGHT_MANAGE, &n);
    if (status)
        return status;
    thread_destroy(n);
    return n == t ? SYS_BLOCKED : FUT_OK;
}

fut_status_t sys_thread_self(struct thread *t, const uint64_t *, uint64_t *value)
{
    *value = t->object.id;
    return FUT_OK;
}

fut_status_t sys_tls_set(struct thread *t, const uint64_t *a, uint64_t *)
{
    arch_tls_set(t, a[0]);
    return FUT_OK;
}
