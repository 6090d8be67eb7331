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
uint64_t unhandled_interrupts; // whose number has no Irq, or no Event

#define WINDOW_NS 10000000ull
#define DEFAULT_LIMIT 2000u  // in one window

// A source that fires more often than its limit is put into quarantine: its line is masked (a message cannot be: its
// device has to be told), and it signals nothing until somebody sets its limit or binds it again.
static bool admit(struct irq *irq)
{
    uint64_t now = arch_time_ns();
    irq->count++;
    if (now >= irq->window_end) {
        irq->window_end = now + WINDOW_NS;
        irq->in_window = 0;
    }
    if (!irq->quarantined && ++irq->in_window <= irq->limit)
        return true;
    irq->dropped++;
    if (irq->quarantined)
        return false;
    irq->quarantined = true;
    irq->storms++;
    if (!irq->msi)
        arch_irq_mask(irq->line);
    klog("interrupt %u: more than %u in 10 ms: it is left out from now on\n", irq->line, irq->limit);
    return false;
}

static void clear(struct irq *irq)
{
    irq->in_window = 0;
    if (irq->quarantined && !irq->msi)
        arch_irq_unmask(irq->line);
    irq->quarantined = false;
}

struct thread *kernel_interrupt(struct thread *t, uint32_t number)
{
    arch_cpu()->interrupts++;
    TRACE(FUT_TRACE_INTERRUPT, t, number, 0);
    struct irq *irq = number < ARCH_IRQ_COUNT ? irqs[number] : nullptr;
    if (!irq || !irq->event)
        unhandled_interrupts++;
    else if (admit(irq))
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
    irq->limit = DEFAULT_LIMIT;
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
    clear(irq);
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
    if (status == FUT_OK && !irq->msi && !irq->quarantined)
        arch_irq_unmask(irq->line);
    return status;
}

fut_status_t sys_irq_limit(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct irq *irq;
    fut_status_t status = irq_of(t, a[0], &irq);
    if (status)
        return status;
    if (a[1] > UINT32_MAX)
        return FUT_ERR_ARGUMENT;
    irq->limit = a[1] ? (uint32_t)a[1] : DEFAULT_LIMIT;
    clear(irq);
    return FUT_OK;
}

fut_status_t sys_machine_irq(struct thread *t, const uint64_t *a, uint64_t *value)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_READ);
    if (status)
        return status;
    uint64_t number = a[1];
    while (number < ARCH_IRQ_COUNT && !irqs[number])
        number++;
    if (number >= ARCH_IRQ_COUNT)
        return FUT_ERR_NOT_FOUND;
    const struct irq *irq = irqs[number];
    struct fut_irq_info info = {
        .count = irq->count, .dropped = irq->dropped, .storms = irq->storms, .limit = irq->limit,
        .owner_id = irq->object.account->object.id,
        .flags = (irq->msi ? FUT_IRQ_IS_MSI : 0) | (irq->quarantined ? FUT_IRQ_QUARANTINED : 0),
    };
    *value = number;
    return user_write(t, a[2], &info, sizeof info);
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
