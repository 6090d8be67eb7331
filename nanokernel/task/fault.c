// SPDX-License-Identifier: MPL-2.0
//
// Faults of user code. A page fault that the Space's Memory resolves is nobody's business. Otherwise, in
// this order: an upcall in the thread itself, a call to its fault Session (proto/fault.fipc), the end of the
// task with a log line.
#include <kernel.h>
#include <ipc.h>
#include <debug/kdb.h>
#include <debug/trace.h>

void fault_deliver(struct thread *t, uint32_t code, uint64_t address)
{
    if (upcall_push(t, FUT_CAUSE_FAULT, code, address))
        return;
    t->fault_code = code;
    t->fault_address = address;
    if (t->fault_session && ipc_send_fault(t) == FUT_OK)
        return;
    klog("task %lu: thread %lu ended by fault 0x%x at 0x%lx, pc 0x%lx, sp 0x%lx\n", (unsigned long)t->task->object.id,
         (unsigned long)t->object.id, code, (unsigned long)address, (unsigned long)arch_pc(&t->arch),
         (unsigned long)arch_sp(&t->arch));
    task_destroy(t->task);
}

// The fault Session's answer: 0 = go on, 2 = this thread ends and the others go on, else the task ends.
void fault_answer(struct thread *t, uint64_t action)
{
    if (action == 0)
        thread_ready(t);
    else if (action == 2)
        thread_destroy(t);
    else
        task_destroy(t->task);
}

struct thread *kernel_fault(struct thread *t, uint32_t code, uint64_t address)
{
    arch_cpu()->faults++;
    TRACE(FUT_TRACE_FAULT, t, code, address);
    if ((code & 0xff) != FUT_FAULT_MAP) {
        if (kdb_user_trap(t, code & 0xff))
            return leave();
        fault_deliver(t, code, address);
        return leave();
    }
    uint32_t access = code & FUT_FAULT_WRITE ? ACCESS_WRITE : code & FUT_FAULT_EXEC ? ACCESS_EXEC : ACCESS_READ;
    uint32_t how = code & (FUT_FAULT_WRITE | FUT_FAULT_EXEC);
    struct memory *wait = nullptr;
    uint64_t offset = 0;
    phys_t phys;
    switch (space_resolve(t->space, address, access, &phys, &wait, &offset)) {
    case FUT_OK:
        break;
    case FUT_ERR_NOT_FOUND:
        fault_deliver(t, FUT_FAULT_MAP | how, address);
        break;
    case FUT_ERR_RIGHTS:
        fault_deliver(t, FUT_FAULT_ACCESS | how, address);
        break;
    case FUT_ERR_WOULD_BLOCK:
        // A pager that faults on its own Memory cannot answer itself.
        if (wait->pager->server == t->task)
            fault_deliver(t, FUT_FAULT_PAGER | how, address);
        else
            thread_wait_page(t, wait, offset, access);
        break;
    default:
        fault_deliver(t, FUT_FAULT_PAGER | how, address);
        break;
    }
    return leave();
}

// A page fault becomes a one-way message to the pager, unless one for this page is on its way.
void thread_wait_page(struct thread *t, struct memory *m, uint64_t offset, uint32_t access)
{
    offset &= ~(uint64_t)(FUT_PAGE_SIZE - 1);
    bool asked = false;
    list_each(&m->faulters, struct thread, fault_link, i)
        asked = asked || i->fault_offset == offset;
    t->state = FUT_THREAD_PAGING;
    t->fault_memory = m;
    object_ref(&m->object);
    t->fault_offset = offset;
    t->fault_access = access;
    list_append(&m->faulters, &t->fault_link);
    list_init(&t->queue.link);
    if (asked)
        return;
    t->queue.kind = QUEUE_PAGER;
    channel_queue(m->pager, &t->queue);
}

void thread_end_page_wait(struct thread *t, bool hand_over)
{
    struct memory *m = t->fault_memory;
    bool queued = !list_empty(&t->queue.link), received = !list_empty(&t->channel_fault_link);
    list_remove(&t->queue.link);
    list_remove(&t->fault_link);
    list_remove(&t->channel_fault_link);
    t->fault_memory = nullptr;
    if (hand_over && (queued || received))
        list_each(&m->faulters, struct thread, fault_link, i)
            if (i->fault_offset == t->fault_offset) {
                i->queue.kind = QUEUE_PAGER;
                if (received)
                    list_append(&m->pager->faulting, &i->channel_fault_link);
                else
                    list_append(&m->pager->queue, &i->queue.link);
                m->pager->top = queued ? max(m->pager->top, i->priority) : m->pager->top;
                break;
            }
    if (queued)
        channel_left(m->pager, m->pager->top);
    object_unref(&m->object);
}
