// SPDX-License-Identifier: MPL-2.0
//
// Irq: one interrupt line, or one message-signalled interrupt. It signals an Event each time it fires. A
// level-triggered line stays masked from then on until it is acknowledged; one number is never shared by
// two objects.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include <debug/log.h>
#include <debug/trace.h>

static struct irq *irqs[ARCH_IRQ_COUNT];

struct thread *kernel_interrupt(struct thread *t, uint32_t number)
{
    arch_cpu()->interrupts++;
    TRACE(FUT_TRACE_INTERRUPT, t, number, 0);
    struct irq *irq = number < ARCH_IRQ_COUNT ? irqs[number] : nullptr;
    if (irq && irq->event)
        event_signal(irq->event, irq->bits);
    return t ? leave() : nullptr;
}

static fut_status_t machine_of(struct thread *t, uint64_t handle, uint32_t right)
{
    struct cap *c;
    return cap_get(t->task, (fut_handle_t)handle, FUT_OBJ_MACHINE, right, &c);
}

static fut_status_t install(struct thread *t, uint32_t number, bool msi, uint64_t *value)
{
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_IRQ, t->task->object.account, &o);
    if (status)
        return status;
    struct irq *irq = object_of(o, struct irq);
    irq->line = number;
    irq->msi = msi;
    irqs[number] = irq;
    fut_handle_t h;
    status = cap_install(t->task, o, RIGHTS_IRQ, &h); // on failure drops the object, and irq_free its number
    *value = h;
    return status;
}

fut_status_t sys_irq_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_IRQ);
    if (status)
        return status;
    if (a[1] >= ARCH_IRQ_COUNT || (a[2] & ~(uint64_t)(FUT_IRQ_LEVEL | FUT_IRQ_LOW)))
        return FUT_ERR_ARGUMENT;
    if (irqs[a[1]])
        return FUT_ERR_EXISTS;
    status = arch_irq_setup((uint32_t)a[1], (uint32_t)a[2]);
    return status ? status : install(t, (uint32_t)a[1], false, value);
}

fut_status_t sys_irq_msi(struct thread *t, const uint64_t *a, uint64_t *value)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_IRQ);
    if (status)
        return status;
    status = user_prepare(t, a[1], sizeof(struct fut_msi), FUT_PROT_WRITE);
    if (status)
        return status;
    uint32_t number;
    struct fut_msi msi;
    status = user_read(t, &msi, a[1], sizeof msi);
    if (status)
        return status;
    status = arch_msi_alloc(&number, &msi);
    if (status)
        return status;
    status = user_write(t, a[1], &msi, sizeof msi);
    if (status) {
        arch_msi_free(number);
        return status;
    }
    return install(t, number, true, value);
}

static fut_status_t irq_of(struct thread *t, uint64_t handle, struct irq **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)handle, FUT_OBJ_IRQ, FUT_RIGHT_IRQ, &c);
    if (status == FUT_OK)
        *out = object_of(c->object, struct irq);
    return status;
}

fut_status_t sys_irq_bind(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct irq *irq;
    struct cap *c;
    fut_status_t status = irq_of(t, a[0], &irq);
    if (status)
        return status;
    status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_EVENT, FUT_RIGHT_WRITE, &c);
    if (status)
        return status;
    struct event *old = irq->event;
    irq->event = object_of(c->object, struct event);
    irq->bits = a[2];
    object_ref(&irq->event->object);
    if (old)
        object_unref(&old->object);
    if (!irq->msi && irq->line == arch_console_line())
        log_console = log_verbose; // the console has its driver: the log goes to the ring alone (and a panic to both)
    return FUT_OK;
}

fut_status_t sys_irq_ack(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct irq *irq;
    fut_status_t status = irq_of(t, a[0], &irq);
    if (status == FUT_OK && !irq->msi)
        arch_irq_unmask(irq->line);
    return status;
}

void irq_free(struct object *o)
{
    struct irq *irq = object_of(o, struct irq);
    if (irq->msi)
        arch_msi_free(irq->line);
    else
        arch_irq_mask(irq->line);
    irqs[irq->line] = nullptr;
    if (irq->event)
        object_unref(&irq->event->object);
}
