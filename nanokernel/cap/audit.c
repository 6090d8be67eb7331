// SPDX-License-Identifier: MPL-2.0
//
// The audit ring: who got which capability from whom, and what was revoked. Every capability that is made, moved or
// revoked takes the next sequence number, which stays with it (CAP_INFO), and leaves a record at that place of the
// ring. So a reader sees from the numbers what was overwritten before it came: no gap is silent.
#include <kernel.h>
#include <cap/types.h>

#ifndef AUDIT_RECORDS // the search over interleavings saves the kernel's whole state at each step, and has fewer
#define AUDIT_RECORDS 2048u
#endif
static struct record {
    uint64_t object, counter;
    uint32_t from, to;   // ids of Tasks: they do not come to 32 bits in the life of a machine
    fut_handle_t handle;
    uint32_t rights;
    uint32_t type, kind;
} ring[AUDIT_RECORDS];
static uint64_t last; // sequence number

uint64_t audit(uint32_t kind, const struct cap *c, const struct task *from)
{
    struct record *r = &ring[++last % AUDIT_RECORDS];
    r->object = c->object->id;
    r->counter = arch_counter();
    r->from = (uint32_t)from->object.id;
    r->to = (uint32_t)c->task->object.id;
    r->handle = c->handle;
    r->rights = c->rights;
    r->type = c->type;
    r->kind = kind;
    return last;
}

fut_status_t sys_audit_read(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_LOG, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    struct fut_time_page time;
    arch_time_page(&time);
    uint64_t first = max(a[1], last >= AUDIT_RECORDS ? last - AUDIT_RECORDS + 1 : 1), n = 0;
    for (; n < min(a[3], (uint64_t)AUDIT_RECORDS) && first + n <= last; n++) {
        const struct record *r = &ring[(first + n) % AUDIT_RECORDS];
        struct fut_audit out = {
            .sequence = first + n, .object_id = r->object, .time_ns = time.base_ns + ticks_to_ns(r->counter - time.base_counter),
            .from_task = r->from, .to_task = r->to, .handle = r->handle, .rights = r->rights, .type = r->type, .kind = r->kind,
        };
        status = user_write(t, a[2] + n * sizeof out, &out, sizeof out);
        if (status)
            return status;
    }
    *value = n;
    return FUT_OK;
}
