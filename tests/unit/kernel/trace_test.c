// SPDX-License-Identifier: MPL-2.0
//
// The trace: who may run it, what it costs whom, what it says of a call, and that nothing is lost in silence.
#include "pair.h"

#define RING_PAGES 512u
#define RING_RECORDS (RING_PAGES * FUT_PAGE_SIZE / sizeof(struct fut_trace_record))
#define READ_AT (SCRATCH + 0x1000)
#define RECORDS_AT (SCRATCH + 0x2000)
#define FIT (0x8000 / sizeof(struct fut_trace_record))

static fut_handle_t machine_of(struct user *u)
{
    struct object *o;
    fut_handle_t h;
    CHECK(object_new(FUT_OBJ_MACHINE, root_account, &o) == FUT_OK);
    CHECK(cap_install(u->task, o, FUT_RIGHTS_ALL, &h) == FUT_OK);
    return h;
}

static struct fut_trace_read reads(fut_handle_t machine, uint64_t sequence, int32_t status)
{
    struct fut_trace_read q = {.max = FIT, .sequence = sequence, .records = RECORDS_AT};
    poke(server.thread, READ_AT, &q, sizeof q);
    EQUAL(S(server.thread, TRACE_READ, machine, READ_AT), status);
    peek(server.thread, READ_AT, &q, sizeof q);
    return q;
}

static void one_trace_for_who_may(void)
{
    fut_handle_t m = machine_of(&server), weak = made(S(server.thread, CAP_MINT, m, ~FUT_RIGHT_DEBUG));
    EQUAL(S(server.thread, TRACE_CONTROL, weak, 1), FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, TRACE_CONTROL, channel, 1), FUT_ERR_TYPE);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 2), FUT_ERR_ARGUMENT);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 0), FUT_ERR_STATE);
    reads(m, 0, FUT_ERR_STATE);
    uint64_t used = root_account->pages_used;
    EQUAL(S(server.thread, TRACE_CONTROL, m, 1), 0);
    EQUAL(root_account->pages_used, used + RING_PAGES);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 1), FUT_ERR_STATE);
    reads(weak, 0, FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, TRACE_READ, m, 8), FUT_ERR_ADDRESS);
    reads(m, 1000, FUT_ERR_ARGUMENT);
    struct fut_trace_read q = {.cpu = FUT_CPUS_MAX, .max = 1, .records = RECORDS_AT};
    poke(server.thread, READ_AT, &q, sizeof q);
    EQUAL(S(server.thread, TRACE_READ, m, READ_AT), FUT_ERR_NOT_FOUND);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 0), 0);
    EQUAL(root_account->pages_used, used);
    // Not where the Account has no room for the ring, and then nothing of it stays.
    uint64_t limit = root_account->pages_limit;
    root_account->pages_limit = root_account->pages_check = root_account->pages_used + RING_PAGES - 1;
    EQUAL(S(server.thread, TRACE_CONTROL, m, 1), FUT_ERR_NO_MEMORY);
    root_account->pages_limit = root_account->pages_check = limit;
    EQUAL(root_account->pages_used, used);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 0), FUT_ERR_STATE);
}

static void a_call_is_told_from_end_to_end(void)
{
    fut_handle_t m = machine_of(&server);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 1), 0);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, FUT_IPC_NONBLOCK, channel, TAG + 5, 0), FUT_ERR_WOULD_BLOCK);
    struct fut_trace_read q = reads(m, 0, 0);
    struct fut_trace_record r[FIT];
    peek(server.thread, RECORDS_AT, r, q.count * sizeof *r);
    uint64_t c = client.thread->object.id, s = server.thread->object.id;
    unsigned found = 0;
    for (uint32_t i = 0; i < q.count; i++) {
        uint32_t kind = r[i].time_kind & 0xff;
        if (kind == FUT_TRACE_CALL) {
            EQUAL(r[i].thread, c);
            EQUAL(r[i].a, TAG);
            EQUAL(r[i].b, cap_lookup(&server.task->caps, channel)->object->id);
            EQUAL(found++, 0);
        } else if (kind == FUT_TRACE_RECEIVE) {
            EQUAL(r[i].thread, s);
            EQUAL(r[i].a, TAG);
            EQUAL(r[i].b, c);
            EQUAL(found++, 1);
        } else if (kind == FUT_TRACE_REPLY) {
            EQUAL(r[i].thread, s);
            EQUAL(r[i].a, TAG + 5);
            EQUAL(r[i].b, c);
            EQUAL(found++, 2);
        }
    }
    EQUAL(found, 3);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 0), 0);
}

static void what_is_overwritten_is_counted(void)
{
    fut_handle_t m = machine_of(&server), event = made(S(server.thread, EVENT_CREATE));
    EQUAL(S(server.thread, TRACE_CONTROL, m, 1), 0);
    for (uint64_t i = 0; i < RING_RECORDS + 100; i++)
        EQUAL(S(server.thread, EVENT_SIGNAL, event, i + 1), 0);
    uint64_t next = 0, seen = 0, last = 0;
    struct fut_trace_read q = reads(m, 0, 0);
    CHECK(q.lost >= 100);
    uint64_t lost = q.lost;
    for (; q.count; q = reads(m, next, 0)) {
        EQUAL(q.sequence, (next ? next : q.lost) + q.count);
        struct fut_trace_record r[FIT];
        peek(server.thread, RECORDS_AT, r, q.count * sizeof *r);
        for (uint32_t i = 0; i < q.count; i++) {
            if ((r[i].time_kind & 0xff) != FUT_TRACE_SIGNAL)
                continue;
            CHECK(last == 0 || r[i].b == last + 1);
            last = r[i].b;
            seen++;
        }
        next = q.sequence;
    }
    EQUAL(last, RING_RECORDS + 100);
    CHECK(seen + lost >= RING_RECORDS + 100 && seen <= RING_RECORDS);
    EQUAL(S(server.thread, TRACE_CONTROL, m, 0), 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        T(one_trace_for_who_may), T(a_call_is_told_from_end_to_end), T(what_is_overwritten_is_counted),
    };
    run_cases(cases, sizeof cases / sizeof *cases);
    return 0;
}
