// SPDX-License-Identifier: MPL-2.0
//
// The trace: a ring of records per CPU, which whoever holds the Machine with FUT_RIGHT_DEBUG starts, reads and
// stops. Its pages are charged to the Account of the task that starts it. A reader says which record it wants
// next and is told how many were overwritten before it came: a gap is never silent.
#include <ipc.h>
#include <cap/types.h>
#include "trace.h"

#define RING_ORDER 9u
#define RING_RECORDS ((FUT_PAGE_SIZE << RING_ORDER) / sizeof(struct fut_trace_record))

static struct ring {
    struct page *page;
    struct fut_trace_record *record;
    uint64_t next;            // number of the record that comes next
} rings[FUT_CPUS_MAX];
static struct account *payer; // null: no trace runs

void trace_record(uint32_t kind, const struct thread *t, uint64_t a, uint64_t b)
{
    struct ring *r = &rings[arch_cpu() - cpus];
    if (!r->record)
        return;
    r->record[r->next++ % RING_RECORDS] = (struct fut_trace_record){
        .time_kind = arch_counter() << 8 | kind, .thread = t ? t->object.id : 0, .a = a, .b = b};
}

uint32_t trace_tail(uint32_t cpu, struct fut_trace_record *to, uint32_t n)
{
    const struct ring *r = &rings[cpu];
    if (!r->record)
        return 0;
    uint64_t have = min(r->next, (uint64_t)RING_RECORDS);
    n = (uint32_t)min((uint64_t)n, have);
    for (uint32_t i = 0; i < n; i++)
        to[i] = r->record[(r->next - n + i) % RING_RECORDS];
    return n;
}

// Code changes while no other CPU runs any of it; they come back through arch_flush_tlb, which lets them see it.
static void set_sites(bool on)
{
    for each_cpu(c)
        if (c != arch_cpu()) {
            cpu_stop(c);
            c->flush = true;
        }
    arch_trace_sites(on);
}

static void stop(void)
{
    set_sites(false);
    for (unsigned i = 0; i < FUT_CPUS_MAX; i++) {
        if (!rings[i].page)
            continue;
        page_free(rings[i].page, RING_ORDER);
        account_return_pages(payer, 1u << RING_ORDER);
        rings[i] = (struct ring){};
    }
    object_unref(&payer->object);
    payer = nullptr;
}

static fut_status_t start(struct account *a)
{
    payer = a;
    object_ref(&a->object);
    for (unsigned i = 0; i < cpus_online; i++) {
        if (!account_charge_pages(a, 1u << RING_ORDER)) {
            stop();
            return FUT_ERR_NO_MEMORY;
        }
        struct page *p = page_alloc(RING_ORDER);
        if (!p) {
            account_return_pages(a, 1u << RING_ORDER);
            stop();
            return FUT_ERR_NO_MEMORY;
        }
        rings[i].page = p;
        rings[i].record = page_virt(p);
    }
    set_sites(true);
    return FUT_OK;
}

fut_status_t sys_trace_control(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_MACHINE, FUT_RIGHT_DEBUG, &c);
    if (status)
        return status;
    if (a[1] > 1)
        return FUT_ERR_ARGUMENT;
    if (a[1] == (payer != nullptr))
        return FUT_ERR_STATE;
    if (a[1])
        return start(t->task->object.account);
    stop();
    return FUT_OK;
}

#define CHUNK 16u

fut_status_t sys_trace_read(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_MACHINE, FUT_RIGHT_DEBUG, &c);
    struct fut_trace_read q;
    if (!status)
        status = user_read(t, &q, a[1], sizeof q);
    if (status)
        return status;
    if (q.cpu >= FUT_CPUS_MAX || !rings[q.cpu].record)
        return q.cpu < FUT_CPUS_MAX && !payer ? FUT_ERR_STATE : FUT_ERR_NOT_FOUND;
    const struct ring *r = &rings[q.cpu];
    uint64_t oldest = r->next > RING_RECORDS ? r->next - RING_RECORDS : 0;
    if (q.sequence > r->next)
        return FUT_ERR_ARGUMENT;
    q.lost = q.sequence < oldest ? oldest - q.sequence : 0;
    q.sequence += q.lost;
    // Reading is itself traced by nothing, so the ring stands still: a chunk at a time leaves no hole.
    uint32_t n = (uint32_t)min((uint64_t)q.max, r->next - q.sequence);
    for (uint32_t done = 0; done < n;) {
        struct fut_trace_record chunk[CHUNK];
        uint32_t take = min(n - done, CHUNK);
        for (uint32_t i = 0; i < take; i++)
            chunk[i] = r->record[(q.sequence + done + i) % RING_RECORDS];
        status = user_write(t, q.records + done * sizeof *chunk, chunk, take * sizeof *chunk);
        if (status)
            return status;
        done += take;
    }
    q.count = n;
    q.sequence += n;
    return user_write(t, a[1], &q, sizeof q);
}
