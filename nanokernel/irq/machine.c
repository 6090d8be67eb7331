// SPDX-License-Identifier: MPL-2.0
//
// What the Machine capability gives: port ranges, physical memory that is not RAM, power, figures; and the
// Log capability's two calls.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include <debug/kdb.h>
#include <debug/log.h>

#define PORTS 0x10000u

static fut_status_t machine_of(struct thread *t, uint64_t handle, uint32_t right)
{
    struct cap *c;
    return cap_get(t->task, (fut_handle_t)handle, FUT_OBJ_MACHINE, right, &c);
}

// --- Ports --------------------------------------------------------------------------------------------

fut_status_t sys_ioport_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_PHYS);
    if (status)
        return status;
    if (a[1] >= PORTS || a[2] == 0 || a[2] > PORTS - a[1])
        return FUT_ERR_ARGUMENT;
    struct object *o;
    status = object_new(FUT_OBJ_IOPORT, t->task->object.account, &o);
    if (status)
        return status;
    struct ioport *p = object_of(o, struct ioport);
    p->first = (uint16_t)a[1];
    p->count = (uint16_t)(a[2] - 1); // of 65536 too
    fut_handle_t h;
    status = cap_install(t->task, o, RIGHTS_IOPORT, &h);
    *value = h;
    return status;
}

static fut_status_t port_of(struct thread *t, const uint64_t *a, uint32_t right, uint16_t *port)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_IOPORT, right, &c);
    if (status)
        return status;
    struct ioport *p = object_of(c->object, struct ioport);
    if ((a[2] != 1 && a[2] != 2 && a[2] != 4) || a[1] > p->count || a[2] - 1 > p->count - a[1])
        return FUT_ERR_ARGUMENT;
    *port = (uint16_t)(p->first + a[1]);
    return FUT_OK;
}

fut_status_t sys_ioport_read(struct thread *t, const uint64_t *a, uint64_t *value)
{
    uint16_t port;
    uint32_t v;
    fut_status_t status = port_of(t, a, FUT_RIGHT_READ, &port);
    if (status == FUT_OK)
        status = arch_port_read(port, (unsigned)a[2], &v);
    if (status == FUT_OK)
        *value = v;
    return status;
}

fut_status_t sys_ioport_write(struct thread *t, const uint64_t *a, uint64_t *)
{
    uint16_t port;
    fut_status_t status = port_of(t, a, FUT_RIGHT_WRITE, &port);
    return status ? status : arch_port_write(port, (unsigned)a[2], (uint32_t)a[3]);
}

// --- Physical memory ----------------------------------------------------------------------------------

fut_status_t sys_phys_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_PHYS);
    if (status)
        return status;
    uint64_t base = a[1], bytes = a[2], flags = a[3];
    if ((base | bytes) % FUT_PAGE_SIZE || bytes == 0 || base + bytes < base || base + bytes > 1ull << 52 ||
        (flags & ~(uint64_t)(FUT_MEM_DEVICE | FUT_MEM_CACHED)) || flags == (FUT_MEM_DEVICE | FUT_MEM_CACHED))
        return FUT_ERR_ARGUMENT;
    if (page_is_ram(base, bytes))
        return FUT_ERR_RIGHTS;
    struct memory *m;
    status = memory_new(t->task->object.account, bytes, MEMORY_PHYS, &m);
    if (status)
        return status;
    m->base = base;
    m->cache = flags & FUT_MEM_CACHED ? ARCH_CACHE_NORMAL : ARCH_CACHE_DEVICE;
    fut_handle_t h;
    status = cap_install(t->task, &m->object, RIGHTS_MEMORY, &h);
    *value = h;
    return status;
}

// --- Log ----------------------------------------------------------------------------------------------
#define CHUNK 256u

fut_status_t sys_log_write(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_LOG, FUT_RIGHT_WRITE, &c);
    if (status)
        return status;
    if (a[2] > FUT_PAGE_SIZE)
        return FUT_ERR_ARGUMENT;
    // All of it is there before the first byte is taken: a call that starts over must not write twice.
    status = user_prepare(t, a[1], a[2], FUT_PROT_READ);
    char text[CHUNK];
    for (uint64_t done = 0; status == FUT_OK && done < a[2];) {
        size_t n = min(a[2] - done, (uint64_t)CHUNK);
        status = user_read(t, text, a[1] + done, n);
        if (status == FUT_OK)
            log_write(text, n);
        done += n;
    }
    return status;
}

fut_status_t sys_log_read(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_LOG, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    char text[CHUNK];
    uint64_t done = 0;
    while (done < min(a[3], (uint64_t)LOG_BYTES)) {
        uint64_t from;
        size_t n = log_read(a[1] + done, text, min(a[3] - done, (uint64_t)CHUNK), &from);
        if (n == 0 || from != a[1] + done) { // the end, or so old that it was overwritten
            if (done == 0 && from != a[1])
                return FUT_ERR_NOT_FOUND;
            break;
        }
        status = user_write(t, a[2] + done, text, n);
        if (status)
            return status;
        done += n;
    }
    *value = done;
    return FUT_OK;
}

// --- Power and figures ----------------------------------------------------------------------------------

fut_status_t sys_machine_power(struct thread *t, const uint64_t *a, uint64_t *)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_POWER);
    if (status)
        return status;
    if (a[1] > FUT_POWER_EXIT)
        return FUT_ERR_ARGUMENT;
    arch_power((uint32_t)a[1], (uint32_t)a[2]);
}

fut_status_t sys_machine_debug(struct thread *t, const uint64_t *a, uint64_t *)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_DEBUG);
    if (status)
        return status;
    if (!kdb_on)
        return FUT_ERR_UNSUPPORTED;
    arch_sys_result(&t->arch, FUT_OK, 0); // before the person there looks at it, or steps
    kdb_enter("asked for", t);
    return SYS_BLOCKED;
}

fut_status_t sys_machine_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    fut_status_t status = machine_of(t, a[0], FUT_RIGHT_READ);
    if (status)
        return status;
    struct fut_machine_info info = {
        .ram_bytes = pages_total * FUT_PAGE_SIZE, .free_bytes = pages_free * FUT_PAGE_SIZE,
        .boot_ns = arch_time_ns(), .cpus = cpus_online, .unhandled = unhandled_interrupts,
    };
    cpu_charge_all();
    for each_cpu(c) {
        info.idle_ns += ticks_to_ns(c->idle_ticks);
        info.switches += c->switches;
        info.calls += c->calls;
        info.faults += c->faults;
        info.interrupts += c->interrupts;
    }
    return user_write(t, a[1], &info, sizeof info);
}
