// SPDX-License-Identifier: MPL-2.0
//
// The kernel's objects one by one, on the simulated machine: what each promises, and what it does when a peer
// goes away. The invariants are checked after every case.
#include "harness.h"
#include <ipc/fault.h>
#include <string.h>

#define S(t, op, ...) S_(t, FUT_SYS_##op, __VA_ARGS__ __VA_OPT__(,) 0, 0, 0, 0, 0, 0)
#define S_(t, number, a, b, c, d, e, f, ...) sys_whole(t, number, a, b, c, d, e, f, &value)
static uint64_t value;
#define BADGE 77
#define TAG FUT_TAG(9, 0, 0, 0, 8, 1)
#define TAG_CAPS(n) FUT_TAG(9, 0, 0, n, 8, 1)

static struct user client, server;
static fut_handle_t channel, session; // in the server's and the client's table

static void setup(void)
{
    client = user_new(nullptr, 10);
    server = user_new(nullptr, 10);
    EQUAL(S(server.thread, CHANNEL_CREATE), 0);
    channel = (fut_handle_t)value;
    EQUAL(S(server.thread, SESSION_MINT, channel, BADGE, 0x5), 0);
    fut_handle_t minted = (fut_handle_t)value;
    CHECK(!cap_reserve(client.task, 1));
    struct cap *c = cap_lookup(&server.task->caps, minted);
    session = cap_move(client.task, c, FUT_RIGHTS_ALL)->handle;
}

static void teardown(void)
{
    check_invariants();
    run_as(root_thread);
    EQUAL(S(root_thread, TASK_DESTROY, client.h_task), 0);
    EQUAL(S(root_thread, TASK_DESTROY, server.h_task), 0);
    for (fut_handle_t *h = (fut_handle_t[]){client.h_task, client.h_space, client.h_thread, server.h_task, server.h_space, server.h_thread, 0}; *h; h++)
        EQUAL(S(root_thread, CAP_DELETE, *h), 0);
    check_invariants();
}

static void receive_waits(void)
{
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    EQUAL(server.thread->state, FUT_THREAD_RECEIVING);
}

static void call(uint64_t w0)
{
    client.thread->arch.w[0] = w0;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
}

static void got_call(uint64_t w0)
{
    EQUAL(server.thread->state, FUT_THREAD_RUNNABLE);
    EQUAL(ipc_status(server.thread), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_CALL);
    EQUAL(ipc_perms(server.thread), 5);
    EQUAL(server.thread->arch.aux, BADGE);
    EQUAL(server.thread->arch.w[0], w0);
}

static void call_and_reply(void)
{
    for (int first_receive = 0; first_receive < 2; first_receive++) {
        if (first_receive)
            receive_waits();
        call(41);
        if (!first_receive)
            EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
        got_call(41);
        server.thread->arch.w[0] = 42;
        EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), SYS_BLOCKED);
        EQUAL(waits(client.thread), false);
        EQUAL(ipc_status(client.thread), 0);
        EQUAL(client.thread->arch.w[0], 42);
        call(43);
        got_call(43);
        EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
        EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), FUT_ERR_STATE);
        check_invariants();
    }
}

static void dropped_reply_is_restarted_maybe(void)
{
    call(1);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    receive_waits(); // without answering
    EQUAL(ipc_status(client.thread), FUT_ERR_RESTARTED);
    EQUAL(ipc_out(client.thread), FUT_OUT_MAYBE);
    call(2);
    EQUAL(S(server.thread, REPLY_SAVE), 0);
    fut_handle_t reply = (fut_handle_t)value;
    check_invariants();
    EQUAL(S(server.thread, CAP_DELETE, reply), 0);
    EQUAL(ipc_status(client.thread), FUT_ERR_RESTARTED);
}

static void saved_reply_answers_later(void)
{
    call(1);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(S(server.thread, REPLY_SAVE), 0);
    fut_handle_t reply = (fut_handle_t)value;
    receive_waits();
    EQUAL(waits(client.thread), true);
    // It is woken by a second client thread's call, and answers the first.
    struct thread *second = user_thread(&client, 1);
    EQUAL(ipc(second, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, reply), 0);
    EQUAL(waits(client.thread), false);
    EQUAL(waits(second), true);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, reply), FUT_ERR_HANDLE);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(waits(second), false);
}

static void deadline_makes_reply_stale(void)
{
    client.thread->ipc->deadline = host_time + 500;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_DEADLINE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(S(server.thread, REPLY_SAVE), 0);
    fut_handle_t reply = (fut_handle_t)value;
    host_time += 1000;
    kernel_timer(arch_cpu()->current);
    EQUAL(ipc_status(client.thread), FUT_ERR_TIMED_OUT);
    EQUAL(ipc_out(client.thread), FUT_OUT_MAYBE);
    check_invariants();
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_STALE);
    EQUAL(server.thread->arch.w[0], reply);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, reply), FUT_ERR_HANDLE);
    // Not received in time: certainly never.
    client.thread->ipc->deadline = host_time + 500;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_DEADLINE, session, TAG, 0), SYS_BLOCKED);
    host_time += 1000;
    kernel_timer(arch_cpu()->current);
    EQUAL(ipc_status(client.thread), FUT_ERR_TIMED_OUT);
    EQUAL(ipc_out(client.thread), 0);
}

static void stale_current_caller_is_told_at_reply(void)
{
    client.thread->ipc->deadline = host_time + 500;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_DEADLINE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    host_time += 1000;
    kernel_timer(arch_cpu()->current);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_STALE);
    EQUAL(server.thread->arch.w[0], 0);
}

static void interruption_before_and_after_receipt(void)
{
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, session, TAG, 0), FUT_ERR_INTERRUPTED);
    client.thread->pending = 0;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    EQUAL(ipc_status(client.thread), FUT_ERR_INTERRUPTED);
    EQUAL(ipc_out(client.thread), 0);
    client.thread->pending = 0;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    EQUAL(client.thread->state, FUT_THREAD_CALLING); // a received call is never ended by it
    EQUAL(S(server.thread, REPLY_SAVE), 0);
    fut_handle_t reply = (fut_handle_t)value;
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_CANCEL);
    EQUAL(server.thread->arch.w[0], reply);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, reply), 0);
    EQUAL(ipc_status(client.thread), 0);
}

static void no_senders_comes_once_and_again_to_a_new_server(void)
{
    call(1);
    EQUAL(S(root_thread, CAP_DELETE, 0), FUT_ERR_HANDLE);
    // The last handle goes while its call is queued: the call comes first.
    cap_delete(cap_lookup(&client.task->caps, session));
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    got_call(1);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_NO_SENDERS);
    EQUAL(server.thread->arch.aux, BADGE);
    check_invariants();
    // Not acknowledged, and another task receives: told again.
    struct user next = user_new(nullptr, 10);
    CHECK(!cap_reserve(next.task, 1));
    struct cap *c = cap_lookup(&server.task->caps, channel);
    fut_handle_t h = cap_put(next.task, c->object, c->rights, c)->handle;
    EQUAL(S(next.thread, CHANNEL_NEXT, h, 0), 0);
    EQUAL(value, BADGE);
    EQUAL(ipc(next.thread, FUT_SYS_RECV, 0, h, 0, 0), 0);
    EQUAL(ipc_kind(next.thread), FUT_RECV_NO_SENDERS);
    EQUAL(S(next.thread, SESSION_ACK, h, BADGE), 0);
    EQUAL(S(next.thread, SESSION_ACK, h, BADGE), FUT_ERR_NOT_FOUND);
    EQUAL(S(next.thread, CHANNEL_NEXT, h, 0), FUT_ERR_NOT_FOUND);
    EQUAL(ipc(next.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, h, 0, 0), FUT_ERR_WOULD_BLOCK);
    EQUAL(S(root_thread, TASK_DESTROY, next.h_task), 0);
}

static void channel_outlives_its_server(void)
{
    CHECK(!cap_reserve(root, 1));
    struct cap *c = cap_lookup(&server.task->caps, channel);
    fut_handle_t kept = cap_put(root, c->object, c->rights, nullptr)->handle;
    struct thread *second = user_thread(&client, 1);
    call(1);
    EQUAL(ipc(second, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(S(root_thread, TASK_DESTROY, server.h_task), 0);
    EQUAL(ipc_status(client.thread), FUT_ERR_RESTARTED);
    EQUAL(second->state, FUT_THREAD_SENDING); // still queued, for the next instance
    check_invariants();
    EQUAL(ipc(root_thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, kept, 0, 0), 0);
    EQUAL(ipc_kind(root_thread), FUT_RECV_CALL);
    EQUAL(ipc(root_thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(ipc_status(second), 0);
    call(2);
    EQUAL(S(root_thread, CAP_DELETE, kept), 0);
    EQUAL(ipc_status(client.thread), FUT_ERR_PEER_CLOSED);
    EQUAL(ipc_out(client.thread), 0);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG, 0), FUT_ERR_PEER_CLOSED);
}

static void dead_name_signals(void)
{
    EQUAL(S(client.thread, EVENT_CREATE), 0);
    fut_handle_t event = (fut_handle_t)value;
    EQUAL(S(client.thread, SESSION_WATCH, session, event, 4), 0);
    EQUAL(S(client.thread, EVENT_WAIT, event, 4, FUT_FOREVER, 0), SYS_BLOCKED);
    EQUAL(S(root_thread, TASK_DESTROY, server.h_task), 0);
    EQUAL(waits(client.thread), false);
    EQUAL(client.thread->arch.value, 4);
}

static void capabilities_travel(void)
{
    EQUAL(S(client.thread, EVENT_CREATE), 0);
    fut_handle_t event = (fut_handle_t)value;
    EQUAL(S(client.thread, EVENT_CREATE), 0);
    fut_handle_t moved = (fut_handle_t)value;
    receive_waits();
    client.thread->arch.caps01 = (event | FUT_CAP_COPY) | (uint64_t)(moved | FUT_CAP_MOVE) << 32;
    client.thread->arch.caps23 = session | FUT_CAP_COPY;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(3), 0), SYS_BLOCKED);
    fut_handle_t h0 = (fut_handle_t)server.thread->arch.caps01, h1 = server.thread->arch.caps01 >> 32;
    CHECK(cap_lookup(&server.task->caps, h0) && cap_lookup(&server.task->caps, h1));
    CHECK(!cap_lookup(&client.task->caps, moved));
    CHECK(cap_lookup(&server.task->caps, h0)->parent == cap_lookup(&client.task->caps, event));
    EQUAL((uint32_t)server.thread->arch.caps23, 0); // came home
    EQUAL(server.thread->ipc->cap_home[2].kind, FUT_CAP_IS_HOME);
    EQUAL(server.thread->ipc->cap_home[2].badge, BADGE);
    EQUAL(server.thread->ipc->cap_home[2].perms, 5);
    check_invariants();
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    // Revoking takes the copy, wherever it is.
    EQUAL(S(client.thread, CAP_REVOKE, event), 0);
    CHECK(!cap_lookup(&server.task->caps, h0));
    CHECK(cap_lookup(&server.task->caps, h1));
    // A capability that cannot be sent stops the whole message.
    EQUAL(S(client.thread, CAP_MINT, event, FUT_RIGHT_READ), 0);
    client.thread->arch.caps01 = event | (value | FUT_CAP_MOVE) << 32;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(2), 0), FUT_ERR_RIGHTS);
    CHECK(cap_lookup(&client.task->caps, (fut_handle_t)value));
}

static void a_session_moved_home_ends_with_its_notice(void)
{
    receive_waits();
    client.thread->arch.caps01 = session | FUT_CAP_MOVE;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), SYS_BLOCKED);
    EQUAL(ipc_kind(server.thread), FUT_RECV_CALL);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_NO_SENDERS);
}

static void lending_ends_with_the_call(void)
{
    EQUAL(S(client.thread, MEMORY_CREATE, 2 * FUT_PAGE_SIZE, 0), 0);
    fut_handle_t memory = (fut_handle_t)value;
    poke(client.thread, SCRATCH + 100, "hello", 5);
    client.thread->ipc->lease[1] = (struct fut_lease){SCRATCH + 100, 5, FUT_RIGHT_READ | FUT_RIGHT_WRITE, 0};
    client.thread->arch.caps01 = memory | FUT_CAP_LEND;
    receive_waits();
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, FUT_TAG(9, FUT_TAG_LEASE, 0, 1, 8, 1), 0), SYS_BLOCKED);
    EQUAL(server.thread->ipc->cap_home[0].kind, FUT_CAP_IS_LENT);
    EQUAL((uint32_t)server.thread->arch.caps01, 0);
    char text[8] = {};
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE + 1, 0, SCRATCH, 100), 0);
    EQUAL(value, 5); // clipped
    peek(server.thread, SCRATCH, text, 5);
    CHECK(!memcmp(text, "hello", 5));
    EQUAL(S(server.thread, LENT_WRITE, 0, FUT_LENT_RANGE + 1, 1, SCRATCH + 1, 2), 0);
    EQUAL(S(server.thread, LENT_WRITE, 0, 0, 4090, SCRATCH, 5), 0);
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE + 0, 0, SCRATCH, 1), FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE + 4, 0, SCRATCH, 1), FUT_ERR_ARGUMENT);
    EQUAL(S(server.thread, LENT_READ, 0, 1, 0, SCRATCH, 1), FUT_ERR_ARGUMENT);
    check_invariants();
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(S(server.thread, LENT_READ, 0, 0, 0, SCRATCH, 1), FUT_ERR_STATE);
    EQUAL(S(client.thread, MEMORY_READ, memory, 4090, SCRATCH + 200, 5), 0);
    peek(client.thread, SCRATCH + 200, text, 5);
    CHECK(!memcmp(text, "hello", 5));
}

static void long_messages_cross_pages(void)
{
    receive_waits();
    for (unsigned i = 0; i < 4096 - FUT_IPC_BODY_OFFSET; i++)
        client.thread->ipc->body[i] = (uint8_t)i;
    memset(client.thread->ipc_second, 0x5a, 4096);
    client.thread->arch.w[0] = FUT_IPC_BODY_SIZE;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, FUT_TAG(9, FUT_TAG_MEMORY, 0, 0, 0, 1), 0), SYS_BLOCKED);
    CHECK(!memcmp(server.thread->ipc->body, client.thread->ipc->body, 4096 - FUT_IPC_BODY_OFFSET));
    CHECK(!memcmp(server.thread->ipc_second, client.thread->ipc_second, 4096));
    server.thread->arch.w[0] = FUT_IPC_BODY_SIZE + 1;
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, FUT_TAG(9, FUT_TAG_MEMORY, 0, 0, 0, 1), 0), FUT_ERR_ARGUMENT);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0); // still answerable
}

static void one_receive_sees_calls_and_signals(void)
{
    EQUAL(S(server.thread, EVENT_CREATE), 0);
    fut_handle_t event = (fut_handle_t)value;
    EQUAL(S(server.thread, CHANNEL_BIND, channel, event), 0);
    receive_waits();
    struct cap *c = cap_lookup(&server.task->caps, event);
    event_signal(object_of(c->object, struct event), 0x30);
    EQUAL(ipc_kind(server.thread), FUT_RECV_EVENT);
    EQUAL(server.thread->arch.w[0], 0x30);
    receive_waits();
    call(1);
    got_call(1);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 1), 0);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_EVENT);
    EQUAL(waits(client.thread), false);
}

static void waitset_is_level(void)
{
    EQUAL(S(client.thread, EVENT_CREATE), 0);
    fut_handle_t e1 = (fut_handle_t)value;
    EQUAL(S(client.thread, WAITSET_CREATE), 0);
    fut_handle_t set = (fut_handle_t)value;
    EQUAL(S(client.thread, WAITSET_ADD, set, e1, 6, 1234), 0);
    EQUAL(S(client.thread, WAITSET_WAIT, set, SCRATCH, 4, 0), FUT_ERR_TIMED_OUT);
    EQUAL(S(client.thread, WAITSET_WAIT, set, SCRATCH, 4, FUT_FOREVER), SYS_BLOCKED);
    event_signal(object_of(cap_lookup(&client.task->caps, e1)->object, struct event), 3);
    run_as(client.thread);
    EQUAL(client.thread->arch.value, 1);
    struct fut_ready ready;
    peek(client.thread, SCRATCH, &ready, sizeof ready);
    EQUAL(ready.key, 1234);
    EQUAL(ready.bits, 2);
    EQUAL(S(client.thread, WAITSET_WAIT, set, SCRATCH, 4, 0), 0); // still ready
}

static void private_mapping_copies_on_write(void)
{
    EQUAL(S(client.thread, MEMORY_CREATE, 4 * FUT_PAGE_SIZE, 0), 0);
    fut_handle_t memory = (fut_handle_t)value;
    poke(client.thread, SCRATCH, "original", 8);
    EQUAL(S(client.thread, MEMORY_WRITE, memory, FUT_PAGE_SIZE, SCRATCH, 8), 0);
    struct cap *space;
    CHECK(!cap_reserve(client.task, 1));
    space = cap_put(client.task, &client.task->space->object, RIGHTS_SPACE, nullptr);
    struct fut_map q = {.address = 0x40000000, .bytes = 4 * FUT_PAGE_SIZE, .memory = memory,
                        .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_PRIVATE | FUT_MAP_FIXED};
    poke(client.thread, SCRATCH + 64, &q, sizeof q);
    EQUAL(S(client.thread, SPACE_MAP, space->handle, SCRATCH + 64), 0);
    char text[8];
    peek(client.thread, 0x40001000, text, 8);
    CHECK(!memcmp(text, "original", 8));
    check_invariants();
    poke(client.thread, 0x40001000, "changed!", 8);
    EQUAL(S(client.thread, MEMORY_READ, memory, FUT_PAGE_SIZE, SCRATCH, 8), 0);
    peek(client.thread, SCRATCH, text, 8);
    CHECK(!memcmp(text, "original", 8));
    // A clone has the changed copy, and each goes its own way.
    EQUAL(S(client.thread, SPACE_CLONE, space->handle, 0), 0);
    struct space *clone = object_of(cap_lookup(&client.task->caps, (fut_handle_t)value)->object, struct space);
    struct memory *wait;
    uint64_t offset;
    check_invariants();
    poke(client.thread, 0x40001000, "parents!", 8);
    CHECK(!space_copy(clone, 0x40001000, text, 8, false, &wait, &offset));
    CHECK(!memcmp(text, "changed!", 8));
    check_invariants();
    EQUAL(S(client.thread, SPACE_PROTECT, space->handle, 0x40000000, FUT_PAGE_SIZE, 7), FUT_ERR_ARGUMENT);
    EQUAL(S(client.thread, SPACE_UNMAP, space->handle, 0x40001000, FUT_PAGE_SIZE), 0);
    CHECK(space_copy(client.task->space, 0x40001000, text, 8, false, &wait, &offset) == FUT_ERR_ADDRESS);
    CHECK(!space_copy(client.task->space, 0x40002000, text, 8, false, &wait, &offset));
}

static void snapshot_shares_until_written(void)
{
    EQUAL(S(client.thread, MEMORY_CREATE, 2 * FUT_PAGE_SIZE, FUT_MEM_COMMIT), 0);
    fut_handle_t memory = (fut_handle_t)value;
    poke(client.thread, SCRATCH, "x", 1);
    uint64_t used = pages_free, charged = root_account->pages_used;
    EQUAL(S(client.thread, MEMORY_SNAPSHOT, memory, 0, 2 * FUT_PAGE_SIZE), 0);
    fut_handle_t copy = (fut_handle_t)value;
    CHECK(used - pages_free <= 1);                      // no page but perhaps one of kernel objects
    EQUAL(root_account->pages_used - charged, 2);       // but charged in full
    EQUAL(S(client.thread, MEMORY_WRITE, memory, 0, SCRATCH, 1), 0);
    EQUAL(S(client.thread, MEMORY_READ, copy, 0, SCRATCH, 1), 0);
    char c;
    peek(client.thread, SCRATCH, &c, 1);
    EQUAL(c, 0);
    EQUAL(S(client.thread, CAP_DELETE, copy), 0);
    EQUAL(root_account->pages_used - charged, 0);
}

static void pager_supplies_and_fails(void)
{
    EQUAL(S(server.thread, MEMORY_PAGED, 8 * FUT_PAGE_SIZE, channel, 99), 0);
    fut_handle_t paged = (fut_handle_t)value;
    CHECK(!cap_reserve(client.task, 1));
    struct cap *c = cap_lookup(&server.task->caps, paged);
    fut_handle_t mine = cap_put(client.task, c->object, c->rights & ~FUT_RIGHT_MANAGE, c)->handle;
    EQUAL(S(client.thread, MEMORY_READ, mine, 3 * FUT_PAGE_SIZE + 10, SCRATCH, 4), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_SEND);
    EQUAL(server.thread->arch.tag, FAULT_TAG_PAGE);
    EQUAL(server.thread->arch.aux, 99);
    EQUAL(server.thread->arch.w[0], 3 * FUT_PAGE_SIZE);
    check_invariants();
    EQUAL(S(server.thread, MEMORY_CREATE, FUT_PAGE_SIZE, 0), 0);
    fut_handle_t from = (fut_handle_t)value;
    poke(server.thread, SCRATCH, "data", 4);
    EQUAL(S(server.thread, MEMORY_WRITE, from, 10, SCRATCH, 4), 0);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 3 * FUT_PAGE_SIZE, from, 0, FUT_PAGE_SIZE), 0);
    check_invariants();
    run_as(client.thread);
    EQUAL(client.thread->arch.status, 0);
    EQUAL(client.thread->arch.value, 4);
    char text[4];
    peek(client.thread, SCRATCH, text, 4);
    CHECK(!memcmp(text, "data", 4));
    // Dirty marks: written once, told once.
    EQUAL(S(client.thread, MEMORY_WRITE, mine, 3 * FUT_PAGE_SIZE, SCRATCH, 4), 0);
    EQUAL(S(server.thread, MEMORY_DIRTY, paged, 0, SCRATCH, 8), 0);
    EQUAL(value, 1);
    uint64_t bits;
    peek(server.thread, SCRATCH, &bits, 8);
    EQUAL(bits, 8);
    EQUAL(S(server.thread, MEMORY_DIRTY, paged, 0, SCRATCH, 8), 0);
    EQUAL(value, 0);
    EQUAL(S(client.thread, MEMORY_READ, mine, 0, SCRATCH, 4), SYS_BLOCKED);
    EQUAL(S(server.thread, MEMORY_FAIL, paged, 0, FUT_PAGE_SIZE), 0);
    run_as(client.thread);
    EQUAL(client.thread->arch.status, FUT_ERR_PEER_CLOSED);
    // Asked and not answered; the server is replaced: the next one is asked again.
    EQUAL(S(client.thread, MEMORY_READ, mine, FUT_PAGE_SIZE, SCRATCH, 4), SYS_BLOCKED);
    while (ipc(server.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, channel, 0, 0) == 0)
        ;
    struct user next = user_new(nullptr, 10);
    CHECK(!cap_reserve(next.task, 1));
    c = cap_lookup(&server.task->caps, channel);
    fut_handle_t h = cap_put(next.task, c->object, c->rights, c)->handle;
    EQUAL(ipc(next.thread, FUT_SYS_RECV, 0, h, 0, 0), 0);
    EQUAL(next.thread->arch.w[0], FUT_PAGE_SIZE);
    EQUAL(S(root_thread, TASK_DESTROY, next.h_task), 0);
}

static void page_asked_for(uint64_t offset, uint32_t access)
{
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(server.thread->arch.tag, FAULT_TAG_PAGE);
    EQUAL(server.thread->arch.w[0], offset);
    EQUAL(server.thread->arch.w[2], access);
}

static uint64_t dirty_pages(fut_handle_t paged, uint64_t flags)
{
    uint64_t bits;
    EQUAL(S(server.thread, MEMORY_DIRTY, paged, 0, SCRATCH, 8, flags), 0);
    peek(server.thread, SCRATCH, &bits, 8);
    return bits;
}

// A pager's page cache: both sides have the same page, the pager hears of the first write and of all of them, and
// can take the page back without losing what was written.
static void pager_shows_pages_of_its_own(void)
{
    EQUAL(S(server.thread, MEMORY_PAGED, 8 * FUT_PAGE_SIZE, channel, 99), 0);
    fut_handle_t paged = (fut_handle_t)value;
    EQUAL(S(server.thread, MEMORY_CREATE, 2 * FUT_PAGE_SIZE, FUT_MEM_CONTIGUOUS), 0);
    fut_handle_t cache = (fut_handle_t)value;
    CHECK(!cap_reserve(client.task, 1));
    struct cap *c = cap_lookup(&server.task->caps, paged);
    fut_handle_t mine = cap_put(client.task, c->object, c->rights & ~FUT_RIGHT_MANAGE, c)->handle;
    poke(server.thread, SCRATCH, "one", 3);
    EQUAL(S(server.thread, MEMORY_WRITE, cache, FUT_PAGE_SIZE, SCRATCH, 3), 0);
    uint64_t charged = root_account->pages_used;
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 2 * FUT_PAGE_SIZE, cache, FUT_PAGE_SIZE, FUT_PAGE_SIZE, 2), FUT_ERR_ARGUMENT);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 2 * FUT_PAGE_SIZE, cache, FUT_PAGE_SIZE, FUT_PAGE_SIZE, FUT_SUPPLY_ASK), 0);
    EQUAL(root_account->pages_used - charged, 0); // the cache has paid
    check_invariants();
    struct fut_map q = {.memory = mine, .bytes = 8 * FUT_PAGE_SIZE, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    poke(client.thread, SCRATCH, &q, sizeof q);
    CHECK(!cap_reserve(client.task, 1));
    EQUAL(S(client.thread, SPACE_MAP, cap_put(client.task, &client.task->space->object, RIGHTS_SPACE, nullptr)->handle, SCRATCH), 0);
    uint64_t at = value + 2 * FUT_PAGE_SIZE;
    char text[3];
    peek(client.thread, at, text, 3);
    CHECK(!memcmp(text, "one", 3));
    // The first write waits for the pager; refused once, it is asked again.
    EQUAL(S(client.thread, MEMORY_WRITE, mine, 2 * FUT_PAGE_SIZE, at, 3), SYS_BLOCKED);
    page_asked_for(2 * FUT_PAGE_SIZE, ACCESS_WRITE);
    EQUAL(S(server.thread, MEMORY_FAIL, paged, 2 * FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
    run_as(client.thread);
    EQUAL(client.thread->arch.status, FUT_ERR_PEER_CLOSED);
    EQUAL(S(client.thread, MEMORY_WRITE, mine, 2 * FUT_PAGE_SIZE, at, 3), SYS_BLOCKED);
    page_asked_for(2 * FUT_PAGE_SIZE, ACCESS_WRITE);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 2 * FUT_PAGE_SIZE, cache, FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
    run_as(client.thread);
    EQUAL(client.thread->arch.status, 0);
    poke(client.thread, at, "two", 3);
    EQUAL(S(server.thread, MEMORY_READ, cache, FUT_PAGE_SIZE, SCRATCH, 3), 0);
    peek(server.thread, SCRATCH, text, 3);
    CHECK(!memcmp(text, "two", 3));
    EQUAL(dirty_pages(paged, 0), 4);
    poke(client.thread, at, "new", 3); // seen again, without asking
    EQUAL(dirty_pages(paged, FUT_DIRTY_ASK), 4);
    check_invariants();
    EQUAL(S(client.thread, MEMORY_WRITE, mine, 2 * FUT_PAGE_SIZE, at, 3), SYS_BLOCKED);
    page_asked_for(2 * FUT_PAGE_SIZE, ACCESS_WRITE);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 2 * FUT_PAGE_SIZE, cache, FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
    run_as(client.thread);
    EQUAL(client.thread->arch.status, 0);
    check_invariants();
    // A snapshot is a copy at once: its source goes on changing under it.
    EQUAL(S(server.thread, MEMORY_SNAPSHOT, paged, 2 * FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
    fut_handle_t copy = (fut_handle_t)value;
    poke(client.thread, at, "old", 3);
    EQUAL(S(server.thread, MEMORY_READ, copy, 0, SCRATCH, 3), 0);
    peek(server.thread, SCRATCH, text, 3);
    CHECK(!memcmp(text, "new", 3));
    // Nothing of the kernel's may stay in a page that its owner reuses.
    struct fut_upcall u = {.entry = 0x400000, .frames = at, .count = 4, .causes = 2};
    poke(client.thread, SCRATCH, &u, sizeof u);
    CHECK(S(client.thread, UPCALL_SET, SCRATCH) != 0);
    // Taken back: nobody sees the page, and the mark is still told.
    EQUAL(S(server.thread, MEMORY_DECOMMIT, paged, 2 * FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
    EQUAL(dirty_pages(paged, 0), 4);
    EQUAL(dirty_pages(paged, 0), 0);
    EQUAL(S(client.thread, MEMORY_READ, mine, 2 * FUT_PAGE_SIZE, SCRATCH, 3), SYS_BLOCKED);
    page_asked_for(2 * FUT_PAGE_SIZE, ACCESS_READ);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 2 * FUT_PAGE_SIZE, cache, 0, 2 * FUT_PAGE_SIZE), 0);
    // Behind the end there is nothing, until there is.
    EQUAL(S(server.thread, MEMORY_RESIZE, paged, 2 * FUT_PAGE_SIZE), 0);
    EQUAL(S(client.thread, MEMORY_READ, mine, 2 * FUT_PAGE_SIZE, SCRATCH, 3), 0);
    EQUAL(value, 0);
    struct memory *wait;
    uint64_t offset;
    EQUAL(space_copy(client.thread->space, at, text, 3, false, &wait, &offset), FUT_ERR_ADDRESS);
    EQUAL(S(server.thread, MEMORY_RESIZE, paged, 16 * FUT_PAGE_SIZE), 0);
    EQUAL(space_copy(client.thread->space, at, text, 3, false, &wait, &offset), FUT_ERR_WOULD_BLOCK);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 2 * FUT_PAGE_SIZE, cache, 0, 2 * FUT_PAGE_SIZE), 0);
    // The cache's Memory lives as long as pages of it are shown.
    EQUAL(S(server.thread, CAP_DELETE, cache), 0);
    check_invariants();
    peek(client.thread, at + FUT_PAGE_SIZE, text, 3);
    CHECK(!memcmp(text, "old", 3));
}

static void futex_in_shared_memory_and_not_in_a_copy(void)
{
    uint32_t word = 7;
    poke(client.thread, SCRATCH, &word, 4);
    struct thread *second = user_thread(&client, 1);
    EQUAL(S(client.thread, FUTEX_WAIT, SCRATCH, 8, FUT_FOREVER), FUT_ERR_WOULD_BLOCK);
    EQUAL(S(client.thread, FUTEX_WAIT, SCRATCH, 7, FUT_FOREVER), SYS_BLOCKED);
    EQUAL(S(second, FUTEX_WAKE, SCRATCH + 4, 1), 0);
    EQUAL(value, 0);
    EQUAL(S(server.thread, FUTEX_WAKE, SCRATCH, 1), 0); // the same address of another Space
    EQUAL(value, 0);
    EQUAL(S(second, FUTEX_REQUEUE, SCRATCH, 0, SCRATCH + 8, 10), 0);
    EQUAL(S(second, FUTEX_WAKE, SCRATCH + 8, 5), 0);
    EQUAL(value, 1);
    EQUAL(waits(client.thread), false);
    EQUAL(S(client.thread, FUTEX_WAIT, SCRATCH, 7, host_time + 100), SYS_BLOCKED);
    host_time += 200;
    kernel_timer(arch_cpu()->current);
    EQUAL(client.thread->arch.status, FUT_ERR_TIMED_OUT);
}

static void fault_goes_to_its_session(void)
{
    client.thread->fault_session = object_of(cap_lookup(&client.task->caps, session)->object, struct session);
    object_handle_ref(&client.thread->fault_session->object);
    run_as(client.thread);
    client.thread->arch.pc = 0x401234;
    kernel_fault(client.thread, FUT_FAULT_MAP | FUT_FAULT_WRITE, 0x7000);
    EQUAL(client.thread->state, FUT_THREAD_FAULTED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(server.thread->arch.tag, FAULT_TAG_THREAD);
    EQUAL(server.thread->arch.w[1], FUT_FAULT_MAP | FUT_FAULT_WRITE);
    EQUAL(server.thread->arch.w[2], 0x7000);
    EQUAL(server.thread->arch.w[3], 0x401234);
    // Not answered: comes again.
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(server.thread->arch.w[2], 0x7000);
    check_invariants();
    server.thread->arch.w[0] = 0;
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(waits(client.thread), false);
    run_as(client.thread);
    kernel_fault(client.thread, FUT_FAULT_ILLEGAL, 0);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    server.thread->arch.w[0] = 1;
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(client.task->dead, true);
}

static void upcalls_nest_and_return(void)
{
    struct fut_upcall u = {.entry = 0x500000, .stack = SCRATCH + 0x3000, .frames = SCRATCH + 0x4000, .tls = 5, .count = 4,
                           .causes = 1u << FUT_CAUSE_FAULT | 1u << FUT_CAUSE_INTERRUPT | 1u << FUT_CAUSE_SYSCALL};
    poke(client.thread, SCRATCH, &u, sizeof u);
    EQUAL(S(client.thread, UPCALL_SET, SCRATCH), 0);
    run_as(client.thread);
    client.thread->arch.pc = 0x400100;
    client.thread->arch.tls = 1;
    kernel_fault(client.thread, FUT_FAULT_MAP, 0x8000);
    EQUAL(client.thread->arch.pc, 0x500000);
    EQUAL(client.thread->arch.tls, 5);
    struct fut_frames *f = client.thread->frames;
    EQUAL(f->depth, 1);
    EQUAL(f->frame[0].address, 0x8000);
    EQUAL(f->frame[0].regs.pc, 0x400100);
    // Masked while in it; delivered when it returns.
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 2), 0);
    EQUAL(f->depth, 1);
    EQUAL(f->pending, 2);
    f->frame[0].regs.pc = 0x400200;
    S(client.thread, UPCALL_RETURN);
    EQUAL(client.thread->arch.pc, 0x500000);
    EQUAL(f->depth, 1);
    EQUAL(f->frame[0].cause, FUT_CAUSE_INTERRUPT);
    EQUAL(f->frame[0].regs.pc, 0x400200);
    S(client.thread, UPCALL_RETURN);
    EQUAL(client.thread->arch.pc, 0x400200);
    EQUAL(client.thread->arch.tls, 1);
    f->depth = 1000; // the thread's own memory: never trusted
    EQUAL(S(client.thread, UPCALL_RETURN), FUT_ERR_STATE);
    f->depth = 0;
    for (int i = 0; i < 4; i++) {
        run_as(client.thread);
        kernel_fault(client.thread, FUT_FAULT_MAP, 0x8000);
    }
    EQUAL(client.task->dead, false);
    kernel_fault(client.thread, FUT_FAULT_MAP, 0x8000); // no frame is left, no fault Session: the task ends
    EQUAL(client.task->dead, true);
}

static void accounts_are_exact(void)
{
    uint64_t objects = root_account->objects_used, used = root_account->pages_used;
    struct account *a;
    CHECK(!account_new(root_account, 200, 200, &a));
    fut_handle_t h;
    CHECK(!cap_install(root, &a->object, RIGHTS_ACCOUNT, &h));
    struct user u = user_new(a, 10);
    for (int i = 0; i < 1000; i++) {
        int64_t status = S(u.thread, MEMORY_CREATE, 4 * FUT_PAGE_SIZE, FUT_MEM_COMMIT);
        if (status) {
            EQUAL(status, FUT_ERR_NO_MEMORY);
            break;
        }
    }
    CHECK(a->pages_used <= 200 && a->pages_used > 190);
    check_invariants();
    EQUAL(S(root_thread, TASK_DESTROY, u.h_task), 0);
    EQUAL(S(root_thread, CAP_DELETE, u.h_task), 0);
    EQUAL(S(root_thread, CAP_DELETE, u.h_space), 0);
    EQUAL(S(root_thread, CAP_DELETE, u.h_thread), 0);
    EQUAL(a->pages_used, 0);
    EQUAL(a->objects_used, 0);
    EQUAL(S(root_thread, CAP_DELETE, h), 0);
    EQUAL(root_account->objects_used, objects);
    EQUAL(root_account->pages_used, used);
}

static void delete_gives_children_to_the_parent(void)
{
    EQUAL(S(client.thread, EVENT_CREATE), 0);
    fut_handle_t a = (fut_handle_t)value;
    EQUAL(S(client.thread, CAP_MINT, a, FUT_RIGHTS_ALL), 0);
    fut_handle_t b = (fut_handle_t)value;
    EQUAL(S(client.thread, CAP_MINT, b, FUT_RIGHT_READ), 0);
    fut_handle_t c = (fut_handle_t)value;
    EQUAL(S(client.thread, CAP_DELETE, b), 0);
    check_invariants();
    EQUAL(S(client.thread, CAP_MINT, b, 1), FUT_ERR_HANDLE); // its generation is over
    EQUAL(S(client.thread, CAP_MINT, c, 1), FUT_ERR_RIGHTS);
    EQUAL(S(client.thread, CAP_REVOKE, a), 0);
    CHECK(!cap_lookup(&client.task->caps, c));
    CHECK(cap_lookup(&client.task->caps, a));
}

// --- Priority inheritance --------------------------------------------------------------------------------------
static struct thread *caller_of_priority(uint8_t priority, uint32_t n)
{
    struct thread *t = user_thread(&client, n);
    t->base_priority = t->ceiling = priority;
    thread_inherit(t);
    return t;
}

static void queued_callers_raise_the_receiver_until_they_leave(void)
{
    struct thread *urgent = caller_of_priority(18, 1), *more = caller_of_priority(19, 2);
    call(1);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(server.thread->priority, 10);
    EQUAL(ipc(urgent, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(server.thread->priority, 18);
    more->ipc->deadline = host_time + 500;
    EQUAL(ipc(more, FUT_SYS_CALL, FUT_IPC_DEADLINE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(server.thread->priority, 19);
    check_invariants();
    host_time += 1000; // its deadline passes: it has left
    kernel_timer(arch_cpu()->current);
    EQUAL(ipc_status(more), FUT_ERR_TIMED_OUT);
    EQUAL(server.thread->priority, 18);
    // Answering the first does not lower it while the second waits; nor does receiving that one.
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(server.thread->priority, 18);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(server.thread->priority, 18);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(server.thread->priority, 10);
    // A sender's death lowers it too, and so does a change of a waiting caller's own priority.
    EQUAL(ipc(urgent, FUT_SYS_SEND, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(server.thread->priority, 18);
    urgent->base_priority = 15;
    thread_inherit(urgent);
    EQUAL(server.thread->priority, 15);
    thread_destroy(urgent);
    EQUAL(server.thread->priority, 10);
}

static void priority_goes_along_chains_of_calls(void)
{
    // client -> server -> deep; then somebody urgent queues at server: deep is who has to hurry.
    struct user deep = user_new(nullptr, 5);
    EQUAL(S(deep.thread, CHANNEL_CREATE), 0);
    fut_handle_t deep_channel = (fut_handle_t)value;
    EQUAL(S(deep.thread, SESSION_MINT, deep_channel, 1, 0), 0);
    CHECK(!cap_reserve(server.task, 1));
    fut_handle_t down = cap_move(server.task, cap_lookup(&deep.task->caps, (fut_handle_t)value), FUT_RIGHTS_ALL)->handle;
    call(1);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc(server.thread, FUT_SYS_CALL, 0, down, TAG, 0), SYS_BLOCKED);
    EQUAL(deep.thread->priority, 5); // has not received yet: nobody is known to be the receiver
    EQUAL(ipc(deep.thread, FUT_SYS_RECV, 0, deep_channel, 0, 0), 0);
    EQUAL(deep.thread->priority, 10);
    struct thread *urgent = caller_of_priority(19, 1);
    EQUAL(ipc(urgent, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(server.thread->priority, 19);
    EQUAL(deep.thread->priority, 19);
    check_invariants();
    thread_post(urgent, 1); // gives up before it was received
    EQUAL(ipc_status(urgent), FUT_ERR_INTERRUPTED);
    EQUAL(server.thread->priority, 10);
    EQUAL(deep.thread->priority, 10);
    EQUAL(S(root_thread, THREAD_DESTROY, client.h_thread), 0); // the first caller ends: the chain's head is gone
    EQUAL(deep.thread->priority, 10);  // in its caller's own right
    EQUAL(ipc(deep.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(deep.thread->priority, 5);
    EQUAL(S(root_thread, TASK_DESTROY, deep.h_task), 0);
}

// --- Schedules -------------------------------------------------------------------------------------------------
#define MS 1000000ull

static fut_handle_t schedule_new(struct thread *t, uint32_t priority, uint64_t budget, uint64_t period)
{
    struct fut_schedule q = {.priority = priority, .budget = budget, .period = period};
    poke(t, SCRATCH, &q, sizeof q);
    EQUAL(S(t, SCHEDULE_CREATE, SCRATCH), 0);
    return (fut_handle_t)value;
}

static struct fut_schedule_info schedule_info(struct thread *t, fut_handle_t h)
{
    struct fut_schedule_info info;
    EQUAL(S(t, SCHEDULE_INFO, h, SCRATCH), 0);
    peek(t, SCRATCH, &info, sizeof info);
    return info;
}

// Lets whoever is to run do so, for so long, and says how long t did in it. *windows: the most in any window of `period`.
static uint64_t time_of(struct thread *t, uint64_t ns, uint64_t period, uint64_t *most)
{
    static uint64_t used[4096];
    uint64_t end = host_time + ns, step = 20000, sum = 0, n = 0;
    *most = 0;
    for (struct thread *now = schedule(); host_time < end; n++) {
        host_time += step;
        used[n] = now == t ? step : 0;
        sum += used[n];
        if (host_time >= host_timer)
            now = kernel_timer(now);
        uint64_t in_window = 0;
        for (uint64_t i = n + 1; i-- > 0 && (n + 1 - i) * step <= period;)
            in_window += used[i];
        *most = max(*most, in_window);
    }
    return sum;
}

static void schedule_gives_its_budget_in_each_period_and_no_more(void)
{
    fut_handle_t h = schedule_new(root_thread, 15, 2 * MS, 10 * MS);
    EQUAL(S(root_thread, SCHEDULE_BIND, h, client.h_thread), 0);
    EQUAL(client.thread->priority, 15);
    EQUAL(client.thread->ceiling, 15);
    thread_destroy(server.thread);
    uint64_t most, sum = time_of(client.thread, 80 * MS, 10 * MS, &most); // root_thread takes the rest
    CHECK(sum >= 15 * MS && sum <= 18 * MS);
    CHECK(most <= 2 * MS + 20000);
    struct fut_schedule_info info = schedule_info(root_thread, h);
    CHECK(info.used_ns >= sum && info.used_ns <= sum + MS);
    EQUAL(info.threads, 1);
    check_invariants();
    // More budget: it runs at once.
    struct fut_schedule q = {.priority = 12, .budget = FUT_FOREVER};
    poke(root_thread, SCRATCH, &q, sizeof q);
    EQUAL(S(root_thread, SCHEDULE_SET, h, SCRATCH), 0);
    EQUAL(client.thread->priority, 12);
    EQUAL(time_of(client.thread, 20 * MS, 10 * MS, &most), 20 * MS);
    // A budget that never comes back is a limit.
    q = (struct fut_schedule){.budget = 3 * MS, .period = FUT_FOREVER};
    poke(root_thread, SCRATCH, &q, sizeof q);
    EQUAL(S(root_thread, SCHEDULE_SET, h, SCRATCH), 0);
    sum = time_of(client.thread, 60 * MS, 10 * MS, &most);
    CHECK(sum >= 3 * MS - 20000 && sum <= 3 * MS + 20000);
    EQUAL(schedule_info(root_thread, h).parked, 1);
    check_invariants();
    EQUAL(S(root_thread, SCHEDULE_BIND, 0, client.h_thread), 0);
    EQUAL(time_of(client.thread, 10 * MS, 10 * MS, &most), 10 * MS);
    run_as(root_thread);
    EQUAL(S(root_thread, SCHEDULE_SET, h, SCRATCH + 4096), FUT_ERR_ARGUMENT); // a budget of 0
    q = (struct fut_schedule){.priority = root_thread->ceiling + 1u, .budget = MS, .period = MS};
    poke(root_thread, SCRATCH, &q, sizeof q);
    EQUAL(S(root_thread, SCHEDULE_CREATE, SCRATCH), FUT_ERR_ARGUMENT);
    EQUAL(S(root_thread, CAP_DELETE, h), 0);
}

static void a_call_is_paid_by_its_caller_as_long_as_that_can(void)
{
    fut_handle_t h = schedule_new(root_thread, 0, 1 * MS, 20 * MS);
    EQUAL(S(root_thread, SCHEDULE_BIND, h, client.h_thread), 0);
    receive_waits();
    struct cpu *cpu = arch_cpu();
    while (schedule() != client.thread) // root_thread is less urgent
        run_as(root_thread);
    CHECK(cpu->payer == client.thread);
    client.thread->arch.op = FUT_SYS_CALL | (uint64_t)session << 32;
    client.thread->arch.tag = TAG;
    CHECK(kernel_syscall(client.thread) == server.thread);
    CHECK(cpu->payer == client.thread);
    // It works for longer than its client can pay, and goes on in its own name.
    host_time = host_timer;
    EQUAL(host_timer - cpu->counter, 1 * MS);
    CHECK(kernel_timer(server.thread) == server.thread);
    CHECK(cpu->payer == server.thread);
    host_time += 2 * MS;
    uint64_t before = host_time;
    // The client has its answer, and waits for its budget.
    server.thread->arch.op = FUT_SYS_REPLY_RECV | (uint64_t)channel << 32;
    server.thread->arch.tag = TAG;
    server.thread->arch.aux = 0;
    CHECK(kernel_syscall(server.thread) == root_thread);
    EQUAL(client.thread->state, FUT_THREAD_RUNNABLE);
    CHECK(client.thread->parked);
    struct fut_schedule_info info = schedule_info(root_thread, h);
    EQUAL(info.used_ns, 1 * MS);
    EQUAL(info.parked, 1);
    check_invariants();
    struct thread *now = root_thread;
    for (int i = 0; i < 3 && now == root_thread; i++) {
        host_time = host_timer;
        now = kernel_timer(now);
    }
    CHECK(now == client.thread);
    EQUAL(host_time - before, 17 * MS); // one period after its use began
    // It is paid for, too, by the caller's caller: here nobody's budget is used but the outermost's.
    run_as(root_thread);
    EQUAL(S(root_thread, SCHEDULE_BIND, h, server.h_thread), 0);
    EQUAL(S(root_thread, SCHEDULE_BIND, 0, client.h_thread), 0);
    while (schedule() != client.thread)
        run_as(root_thread);
    client.thread->arch.op = FUT_SYS_CALL | (uint64_t)session << 32;
    client.thread->arch.tag = TAG;
    CHECK(kernel_syscall(client.thread) == server.thread);
    host_time += 5 * MS;
    kernel_timer(server.thread);
    EQUAL(server.thread->state, FUT_THREAD_RUNNABLE);
    EQUAL(schedule_info(root_thread, h).used_ns, 1 * MS);
    EQUAL(S(root_thread, SCHEDULE_BIND, 0, server.h_thread), 0);
    EQUAL(S(root_thread, CAP_DELETE, h), 0);
}

static void accounts_confine_cpu_time_and_count_it(void)
{
    struct account *a;
    CHECK(!account_new(root_account, 1000, 1000, &a));
    fut_handle_t account;
    CHECK(!cap_install(root, &a->object, RIGHTS_ACCOUNT, &account));
    fut_handle_t h = schedule_new(root_thread, 0, 1 * MS, 10 * MS), foreign = schedule_new(root_thread, 0, 5 * MS, 10 * MS);
    EQUAL(S(root_thread, ACCOUNT_SCHEDULE, account, h), 0);
    struct user u = user_new(a, 15);
    EQUAL(S(root_thread, ACCOUNT_SCHEDULE, account, h), FUT_ERR_STATE); // somebody is paid by it already
    CHECK(u.thread->schedule);
    // A Schedule of its own is a part of the whole; another one is not for it, and none is the whole again.
    fut_handle_t own = schedule_new(u.thread, 0, 5 * MS, 10 * MS);
    CHECK(!cap_reserve(u.task, 1));
    fut_handle_t self = cap_put(u.task, &u.thread->object, RIGHTS_THREAD, nullptr)->handle;
    EQUAL(S(u.thread, SCHEDULE_BIND, own, self), 0);
    EQUAL(S(root_thread, SCHEDULE_BIND, foreign, u.h_thread), FUT_ERR_RIGHTS);
    uint64_t most, sum = time_of(u.thread, 50 * MS, 10 * MS, &most);
    CHECK(sum >= 4 * MS && sum <= 6 * MS && most <= MS + 20000);
    run_as(root_thread);
    EQUAL(S(root_thread, SCHEDULE_BIND, 0, u.h_thread), 0);
    sum = time_of(u.thread, 50 * MS, 10 * MS, &most);
    CHECK(sum >= 4 * MS && sum <= 6 * MS && most <= MS + 20000);
    run_as(root_thread);
    struct fut_account_info info;
    EQUAL(S(root_thread, ACCOUNT_INFO, account, SCRATCH), 0);
    peek(root_thread, SCRATCH, &info, sizeof info);
    CHECK(info.cpu_ns > 8 * MS && info.cpu_ns < 12 * MS);
    check_invariants();
    for (fut_handle_t *i = (fut_handle_t[]){u.h_task, u.h_space, u.h_thread, account, h, foreign, 0}; *i; i++) {
        if (*i == u.h_task)
            EQUAL(S(root_thread, TASK_DESTROY, *i), 0);
        EQUAL(S(root_thread, CAP_DELETE, *i), 0);
    }
}

// --- Revocation, audit, preemption points -----------------------------------------------------------------------
static fut_handle_t event_new(struct thread *t)
{
    EQUAL(S(t, EVENT_CREATE), 0);
    return (fut_handle_t)value;
}

static fut_handle_t given(struct user *to, struct task *from, fut_handle_t h)
{
    CHECK(!cap_reserve(to->task, 1));
    struct cap *c = cap_lookup(&from->caps, h);
    return cap_put(to->task, c->object, c->rights, c)->handle;
}

static void revoke_reaches_every_task_and_every_depth(void)
{
    fut_handle_t a = event_new(client.thread), b = given(&server, client.task, a);
    struct user third = user_new(nullptr, 10);
    fut_handle_t c = given(&third, server.task, b), mine = given(&client, third.task, c);
    EQUAL(S(server.thread, CAP_REVOKE, b), 0); // server's own stays
    CHECK(cap_lookup(&server.task->caps, b) && cap_lookup(&client.task->caps, a));
    CHECK(!cap_lookup(&third.task->caps, c) && !cap_lookup(&client.task->caps, mine));
    EQUAL(S(client.thread, CAP_REVOKE, a), 0);
    CHECK(!cap_lookup(&server.task->caps, b));
    EQUAL(S(root_thread, TASK_DESTROY, third.h_task), 0);
}

static void bulk_revoke_takes_all_that_a_task_delegated(void)
{
    fut_handle_t a = event_new(client.thread), b = event_new(client.thread), others = event_new(root_thread);
    fut_handle_t a2 = given(&server, client.task, a), b2 = given(&server, client.task, b), foreign = given(&server, root, others);
    EQUAL(S(server.thread, TASK_REVOKE, a2), FUT_ERR_TYPE);
    EQUAL(S(root_thread, TASK_REVOKE, client.h_task), 0);
    CHECK(!cap_lookup(&server.task->caps, a2) && !cap_lookup(&server.task->caps, b2));
    CHECK(cap_lookup(&client.task->caps, a) && cap_lookup(&server.task->caps, foreign)); // nothing else
    CHECK(cap_lookup(&client.task->caps, session)); // a Session that the server had minted for it
    EQUAL(S(root_thread, TASK_REVOKE, server.h_task), 0);
    CHECK(!cap_lookup(&client.task->caps, session));
    EQUAL(S(root_thread, CAP_DELETE, others), 0);
}

static uint64_t audit_next = 1;
static fut_handle_t h_log(void)
{
    static fut_handle_t h;
    struct object *o;
    if (!h) {
        CHECK(!object_new(FUT_OBJ_LOG, root_account, &o));
        CHECK(!cap_install(root, o, RIGHTS_LOG, &h));
    }
    return h;
}

static uint64_t audit_tail(struct fut_audit *out, uint64_t max)
{
    EQUAL(S(root_thread, AUDIT_READ, h_log(), audit_next, SCRATCH, max), 0);
    peek(root_thread, SCRATCH, out, value * sizeof *out);
    if (value)
        audit_next = out[value - 1].sequence + 1;
    return value;
}

static void audit_says_who_gave_what_to_whom_and_shows_its_gaps(void)
{
    struct fut_audit r[64];
    (void)h_log();
    struct thread *second = user_thread(&client, 1); // the first waits for its answer
    while (audit_tail(r, 64))
        ;
    fut_handle_t a = event_new(client.thread);
    uint64_t id = cap_lookup(&client.task->caps, a)->object->id;
    receive_waits();
    client.thread->arch.caps01 = a | FUT_CAP_COPY;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), SYS_BLOCKED);
    fut_handle_t b = (fut_handle_t)server.thread->arch.caps01;
    EQUAL(S(second, CAP_REVOKE, a), 0);
    EQUAL(audit_tail(r, 64), 3);
    EQUAL(r[0].kind, FUT_AUDIT_MADE);
    EQUAL(r[0].object_id, id);
    EQUAL(r[0].to_task, client.task->object.id);
    EQUAL(r[1].kind, FUT_AUDIT_DERIVED);
    EQUAL(r[1].from_task, client.task->object.id);
    EQUAL(r[1].to_task, server.task->object.id);
    EQUAL(r[1].handle, b);
    EQUAL(r[1].type, FUT_OBJ_EVENT);
    EQUAL(r[2].kind, FUT_AUDIT_REVOKED);
    EQUAL(r[2].to_task, server.task->object.id);
    EQUAL(r[2].handle, b);
    struct fut_cap_info info; // the number that the capability itself shows
    EQUAL(S(second, CAP_INFO, a, SCRATCH), 0);
    peek(second, SCRATCH, &info, sizeof info);
    EQUAL(info.sequence, r[0].sequence);
    // More than the ring holds: what is left is the newest, and the numbers tell that others are gone.
    uint64_t before = audit_next;
    for (int i = 0; i < 3000; i++) {
        EQUAL(S(second, CAP_MINT, a, FUT_RIGHT_READ), 0);
        EQUAL(S(second, CAP_DELETE, value), 0);
    }
    EQUAL(audit_tail(r, 64), 64);
    CHECK(r[0].sequence > before && r[0].sequence <= before + 3000);
    for (int i = 1; i < 64; i++)
        EQUAL(r[i].sequence, r[i - 1].sequence + 1);
    EQUAL(S(root_thread, CAP_REVOKE, h_log()), 0);
    EQUAL(S(second, AUDIT_READ, a, 0, SCRATCH, 1), FUT_ERR_TYPE);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
}

// An interrupt comes at the preemption point number poll_at and wakes somebody urgent, once.
static unsigned polls, poll_at;
static struct event *poll_event;
static uint32_t poll_used; // handles of the client at that moment
static void interrupt_comes(void)
{
    if (++polls == poll_at) {
        poll_used = client.task->caps.used;
        event_signal(poll_event, 1);
    }
}

static struct user urgent_waiter(fut_handle_t *event)
{
    struct user u = user_new(nullptr, 19);
    *event = event_new(u.thread);
    poll_event = object_of(cap_lookup(&u.task->caps, *event)->object, struct event);
    EQUAL(S(u.thread, EVENT_WAIT, *event, 1, FUT_FOREVER, 0), SYS_BLOCKED);
    polls = 0;
    host_poll = interrupt_comes;
    return u;
}

#define MANY 10000
static void revoke_of_many_gives_way_to_what_is_urgent_and_goes_on(void)
{
    // A wide tree, and one that is a single chain.
    for (int chain = 0; chain < 2; chain++) {
        fut_handle_t a = event_new(client.thread), last = a, event, kept = 0;
        uint32_t before = client.task->caps.used;
        for (int i = 0; i < MANY; i++) {
            EQUAL(S(client.thread, CAP_MINT, last, FUT_RIGHTS_ALL), 0);
            kept = kept ? kept : (fut_handle_t)value;
            last = chain ? (fut_handle_t)value : a;
        }
        struct user u = urgent_waiter(&event);
        poll_at = 20;
        EQUAL(S(client.thread, CAP_REVOKE, a), SYS_BLOCKED); // it gave way
        CHECK(arch_cpu()->current == u.thread);              // to the one who was woken, at once:
        EQUAL(polls, poll_at);
        EQUAL(client.task->caps.used, poll_used);            // not one step later
        CHECK(client.task->caps.used > before + MANY / 2);
        check_invariants();
        // Meanwhile nothing can be derived from what is going, so that it ends.
        struct cap *c = cap_lookup(&client.task->caps, kept);
        struct thread *second = user_thread(&client, 1);
        CHECK(c);
        EQUAL(S(second, CAP_MINT, kept, FUT_RIGHTS_ALL), FUT_ERR_STATE);
        EQUAL(S(second, CAP_MINT, a, FUT_RIGHTS_ALL), FUT_ERR_STATE);
        if (!waits(server.thread))
            receive_waits();
        second->arch.caps01 = kept | FUT_CAP_COPY;
        EQUAL(ipc(second, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), FUT_ERR_STATE); // nor in a message
        EQUAL(S(second, EVENT_CREATE), 0);
        EQUAL(S(second, CAP_MINT, value, FUT_RIGHTS_ALL), 0); // others can
        thread_destroy(second);
        EQUAL(S(u.thread, EVENT_WAIT, event, 1, FUT_FOREVER, 0), SYS_BLOCKED);
        run_as(client.thread); // it is started over
        EQUAL(client.thread->state, FUT_THREAD_RUNNABLE);
        EQUAL(client.thread->arch.status, 0);
        EQUAL(client.task->caps.used, before + 2);
        CHECK(polls >= (unsigned)MANY / 64);
        EQUAL(S(client.thread, CAP_MINT, a, FUT_RIGHTS_ALL), 0); // and thaws
        host_poll = nullptr;
        EQUAL(S(root_thread, TASK_DESTROY, u.h_task), 0);
    }
}

static void the_end_of_a_task_gives_way_and_is_completed(void)
{
    fut_handle_t a = event_new(client.thread), event;
    for (int i = 0; i < MANY; i++)
        EQUAL(S(client.thread, CAP_MINT, a, FUT_RIGHTS_ALL), 0);
    fut_handle_t watch = event_new(root_thread);
    EQUAL(S(root_thread, TASK_WATCH, client.h_task, watch, 1), 0);
    struct user u = urgent_waiter(&event);
    poll_at = 20;
    struct task *dying = client.task;
    S(root_thread, TASK_DESTROY, client.h_task);
    CHECK(arch_cpu()->current == u.thread && polls == poll_at);
    CHECK(dying->dead && dying->caps.used > MANY / 2);
    check_invariants();
    EQUAL(S(root_thread, EVENT_CLEAR, watch, 0), 0); // lets it go on: nobody is more urgent now
    (void)S(u.thread, EVENT_WAIT, event, 1, FUT_FOREVER, 0);
    take_away_the_dead();
    CHECK(!dying->caps.leaf && !dying->space);
    EQUAL(S(root_thread, EVENT_CLEAR, watch, 0), 0);
    EQUAL(value, 1); // told when it is gone
    host_poll = nullptr;
    EQUAL(S(root_thread, CAP_DELETE, watch), 0);
    EQUAL(S(root_thread, TASK_DESTROY, u.h_task), 0);
}

static fut_handle_t own_space(struct user *u)
{
    CHECK(!cap_reserve(u->task, 1));
    return cap_put(u->task, &u->task->space->object, RIGHTS_SPACE, nullptr)->handle;
}

static void zeroing_and_unmapping_give_way_and_are_completed(void)
{
    fut_handle_t event;
    uint64_t n = 2000 * FUT_PAGE_SIZE, pages_before = root_account->pages_used;
    for (int contiguous = 0; contiguous < 2; contiguous++) {
        struct user u = urgent_waiter(&event);
        poll_at = 3;
        EQUAL(S(client.thread, MEMORY_CREATE, n, contiguous ? FUT_MEM_CONTIGUOUS : FUT_MEM_COMMIT), SYS_BLOCKED);
        CHECK(arch_cpu()->current == u.thread && polls == poll_at);
        EQUAL(S(u.thread, EVENT_WAIT, event, 1, FUT_FOREVER, 0), SYS_BLOCKED);
        run_as(client.thread);
        EQUAL(client.thread->arch.status, 0);
        fut_handle_t memory = (fut_handle_t)client.thread->arch.value;
        CHECK(polls >= 20);
        EQUAL(client.thread->progress, 0);
        struct memory *m = object_of(cap_lookup(&client.task->caps, memory)->object, struct memory);
        EQUAL(m->committed, 2000);
        check_invariants();
        // Its end is in steps too.
        polls = 0;
        poll_at = 3;
        S(client.thread, CAP_DELETE, memory);
        CHECK(arch_cpu()->current == u.thread && polls == poll_at);
        EQUAL(S(u.thread, EVENT_WAIT, event, 1, FUT_FOREVER, 0), SYS_BLOCKED);
        run_as(client.thread);
        take_away_the_dead();
        // One who ends while his Memory is being made leaves nothing.
        polls = 0;
        poll_at = 3;
        EQUAL(S(client.thread, MEMORY_CREATE, n, contiguous ? FUT_MEM_CONTIGUOUS : FUT_MEM_COMMIT), SYS_BLOCKED);
        host_poll = nullptr;
        struct thread *next = user_thread(&client, 1);
        thread_destroy(client.thread);
        take_away_the_dead();
        client.thread = next;
        EQUAL(S(root_thread, TASK_DESTROY, u.h_task), 0);
    }
    // Unmapping: pages, entries and quota go bit by bit.
    fut_handle_t space = own_space(&client);
    struct fut_map q = {.address = 0x40000000, .bytes = n, .flags = FUT_MAP_ANON | FUT_MAP_FIXED | FUT_PROT_READ | FUT_PROT_WRITE};
    poke(client.thread, SCRATCH, &q, sizeof q);
    EQUAL(S(client.thread, SPACE_MAP, space, SCRATCH), 0);
    for (uint64_t at = 0; at < n; at += FUT_PAGE_SIZE)
        poke(client.thread, 0x40000000 + at, "x", 1);
    struct user u = urgent_waiter(&event);
    poll_at = 1;
    EQUAL(S(client.thread, SPACE_UNMAP, space, 0x40000000, n), SYS_BLOCKED);
    CHECK(arch_cpu()->current == u.thread);
    check_invariants();
    CHECK(!space_find(client.task->space, 0x40000000) && space_find(client.task->space, 0x40000000 + n - 1));
    EQUAL(S(u.thread, EVENT_WAIT, event, 1, FUT_FOREVER, 0), SYS_BLOCKED);
    run_as(client.thread);
    EQUAL(client.thread->arch.status, 0);
    CHECK(!space_find(client.task->space, 0x40000000 + n - 1));
    host_poll = nullptr;
    take_away_the_dead();
    EQUAL(S(root_thread, TASK_DESTROY, u.h_task), 0);
    CHECK(root_account->pages_used < pages_before + 40);
}

// --- Interrupts, faults, memory under pressure -------------------------------------------------------------------
static fut_handle_t machine(void)
{
    static fut_handle_t h;
    struct object *o;
    if (!h) {
        CHECK(!object_new(FUT_OBJ_MACHINE, root_account, &o));
        CHECK(!cap_install(root, o, RIGHTS_MACHINE, &h));
    }
    return h;
}

static struct fut_irq_info irq_info(uint64_t number)
{
    struct fut_irq_info info;
    EQUAL(S(root_thread, MACHINE_IRQ, machine(), number, SCRATCH), 0);
    EQUAL(value, number);
    peek(root_thread, SCRATCH, &info, sizeof info);
    return info;
}

static void an_interrupt_storm_is_quarantined_until_it_is_cleared(void)
{
    EQUAL(S(root_thread, IRQ_CREATE, machine(), 7, 0), 0);
    fut_handle_t irq = (fut_handle_t)value, event = event_new(root_thread);
    uint64_t unhandled = unhandled_interrupts;
    kernel_interrupt(root_thread, 7); // nobody is bound to it yet
    kernel_interrupt(root_thread, 9); // there is no such Irq
    EQUAL(unhandled_interrupts, unhandled + 2);
    EQUAL(S(root_thread, IRQ_BIND, irq, event, 1), 0);
    EQUAL(S(root_thread, IRQ_LIMIT, irq, 5), 0);
    for (int i = 0; i < 20; i++) { // 5 in each 10 ms are fine
        kernel_interrupt(root_thread, 7);
        host_time += 2 * MS;
    }
    EQUAL(irq_info(7).dropped, 0);
    EQUAL(irq_info(7).count, 20);
    EQUAL(S(root_thread, EVENT_CLEAR, event, 1), 0);
    host_time += 20 * MS;
    for (int i = 0; i < 10; i++)
        kernel_interrupt(root_thread, 7);
    EQUAL(irq_info(7).storms, 1);
    EQUAL(irq_info(7).dropped, 5);
    EQUAL(irq_info(7).flags, FUT_IRQ_QUARANTINED);
    EQUAL(S(root_thread, EVENT_CLEAR, event, 1), 0);
    host_time += 20 * MS;
    kernel_interrupt(root_thread, 7); // time alone does not help
    EQUAL(S(root_thread, EVENT_CLEAR, event, 1), 0);
    EQUAL(value, 0);
    EQUAL(S(root_thread, IRQ_LIMIT, irq, 0), 0);
    kernel_interrupt(root_thread, 7);
    EQUAL(S(root_thread, EVENT_CLEAR, event, 1), 0);
    EQUAL(value, 1);
    EQUAL(irq_info(7).flags, 0);
    EQUAL(S(root_thread, CAP_DELETE, irq), 0);
    EQUAL(S(root_thread, MACHINE_IRQ, machine(), 0, SCRATCH), FUT_ERR_NOT_FOUND);
    EQUAL(S(root_thread, CAP_DELETE, event), 0);
}

static void a_faulting_thread_ends_alone_if_its_supervisor_says_so(void)
{
    struct thread *second = user_thread(&client, 1);
    client.thread->fault_session = object_of(cap_lookup(&client.task->caps, session)->object, struct session);
    object_handle_ref(&client.thread->fault_session->object);
    run_as(client.thread);
    kernel_fault(client.thread, FUT_FAULT_ILLEGAL, 0);
    EQUAL(client.thread->state, FUT_THREAD_FAULTED);     // in quarantine
    EQUAL(S(second, EVENT_CREATE), 0);                   // the others go on
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(server.thread->arch.tag, FAULT_TAG_THREAD);
    EQUAL(S(second, EVENT_CREATE), 0);
    server.thread->arch.w[0] = 2;
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(client.thread->state, FUT_THREAD_DEAD);
    EQUAL(client.task->dead, false);
    EQUAL(S(second, EVENT_CREATE), 0);
}

static void a_task_without_threads_that_only_names_itself_is_collected(void)
{
    uint64_t objects = root_account->objects_used;
    EQUAL(S(root_thread, SPACE_CREATE, 0), 0);
    fut_handle_t space = (fut_handle_t)value;
    EQUAL(S(root_thread, TASK_CREATE, 0, space), 0);
    fut_handle_t task = (fut_handle_t)value;
    EQUAL(S(root_thread, CAP_GRANT, task, task, FUT_RIGHTS_ALL, 0), 0);
    EQUAL(S(root_thread, CAP_GRANT, task, task, FUT_RIGHTS_ALL, 0), 0);
    EQUAL(S(root_thread, CAP_DELETE, space), 0);
    EQUAL(S(root_thread, CAP_DELETE, task), 0);
    EQUAL(root_account->objects_used, objects);
}

#define PAGED_PAGES (HOST_RAM_BYTES / FUT_PAGE_SIZE + 1000)
static uint64_t backing[PAGED_PAGES];

static void paging_serves_more_than_there_is_memory_and_heeds_pressure(void)
{
    poke(client.thread, SCRATCH, "x", 1); // its page and its map are there before it is counted
    uint64_t objects = root_account->objects_used;
    struct account *a;
    CHECK(!account_new(root_account, 700, 2000, &a));
    fut_handle_t h;
    CHECK(!cap_install(root, &a->object, RIGHTS_ACCOUNT, &h));
    struct user pager = user_new(a, 12);
    fut_handle_t account = given(&pager, root, h), event = event_new(pager.thread);
    EQUAL(S(pager.thread, CHANNEL_CREATE), 0);
    fut_handle_t asked = (fut_handle_t)value;
    EQUAL(S(pager.thread, MEMORY_PAGED, PAGED_PAGES * FUT_PAGE_SIZE, asked, 3), 0);
    fut_handle_t paged = (fut_handle_t)value, mine = given(&client, pager.task, paged);
    EQUAL(S(pager.thread, MEMORY_CREATE, FUT_PAGE_SIZE, 0), 0);
    fut_handle_t staging = (fut_handle_t)value;
    EQUAL(S(pager.thread, ACCOUNT_WATCH, account, event, 1, 500), 0);
    uint64_t hand = 0, evicted = 0;
    memset(backing, 0, sizeof backing);
    for (uint64_t n = 0; n < 2 * PAGED_PAGES; n++) {
        uint64_t page = n % PAGED_PAGES, word = page * 7919 + 1, got = 0;
        bool write = n < PAGED_PAGES;
        if (write)
            poke(client.thread, SCRATCH, &word, 8);
        uint32_t op = write ? FUT_SYS_MEMORY_WRITE : FUT_SYS_MEMORY_READ;
        int64_t status = sys(client.thread, op, mine, page * FUT_PAGE_SIZE + 64, SCRATCH, 8, 0, 0, nullptr);
        if (status == SYS_BLOCKED) {
            if (S(pager.thread, EVENT_WAIT, event, 1, 0, 0) == 0) {
                // Pressure: the oldest go, the written ones to the backing store first.
                for (uint64_t i = 0; i < 256; i++, hand = (hand + 1) % PAGED_PAGES) {
                    EQUAL(S(pager.thread, MEMORY_DIRTY, paged, hand * FUT_PAGE_SIZE, SCRATCH, 1), 0);
                    if (value) {
                        EQUAL(S(pager.thread, MEMORY_READ, paged, hand * FUT_PAGE_SIZE + 64, SCRATCH, 8), 0);
                        peek(pager.thread, SCRATCH, &backing[hand], 8);
                    }
                }
                EQUAL(S(pager.thread, MEMORY_DECOMMIT, paged, (hand + PAGED_PAGES - 256) % PAGED_PAGES * FUT_PAGE_SIZE,
                        min(256, PAGED_PAGES - (hand + PAGED_PAGES - 256) % PAGED_PAGES) * FUT_PAGE_SIZE), 0);
                if (hand < 256 && hand)
                    EQUAL(S(pager.thread, MEMORY_DECOMMIT, paged, 0, hand * FUT_PAGE_SIZE), 0);
                evicted += 256;
                EQUAL(S(pager.thread, ACCOUNT_WATCH, account, event, 1, 500), 0);
            }
            EQUAL(ipc(pager.thread, FUT_SYS_RECV, 0, asked, 0, 0), 0);
            EQUAL(pager.thread->arch.w[0], page * FUT_PAGE_SIZE);
            poke(pager.thread, SCRATCH, &backing[page], 8);
            EQUAL(S(pager.thread, MEMORY_WRITE, staging, 64, SCRATCH, 8), 0);
            EQUAL(S(pager.thread, MEMORY_SUPPLY, paged, page * FUT_PAGE_SIZE, staging, 0, FUT_PAGE_SIZE), 0);
            run_as(client.thread);
            status = client.thread->arch.status;
        }
        EQUAL(status, 0);
        CHECK(a->pages_used <= 700);
        if (!write) {
            peek(client.thread, SCRATCH, &got, 8);
            EQUAL(got, word);
        }
    }
    CHECK(evicted > PAGED_PAGES);
    check_invariants();
    // And all of it comes back.
    EQUAL(S(root_thread, TASK_DESTROY, pager.h_task), 0);
    EQUAL(S(client.thread, CAP_DELETE, mine), 0);
    for (fut_handle_t *i = (fut_handle_t[]){pager.h_task, pager.h_space, pager.h_thread, 0}; *i; i++)
        EQUAL(S(root_thread, CAP_DELETE, *i), 0);
    EQUAL(a->pages_used, 0);
    EQUAL(a->objects_used, 1); // the Event that still waits for pressure
    EQUAL(S(root_thread, CAP_DELETE, h), 0);
    EQUAL(root_account->objects_used, objects);
}

int main(void)
{
    harness_boot();
    static const struct { const char *name; void (*run)(void); } tests[] = {
#define T(f) {#f, f}
        T(call_and_reply), T(dropped_reply_is_restarted_maybe), T(saved_reply_answers_later), T(deadline_makes_reply_stale),
        T(stale_current_caller_is_told_at_reply), T(interruption_before_and_after_receipt),
        T(no_senders_comes_once_and_again_to_a_new_server), T(channel_outlives_its_server), T(dead_name_signals),
        T(capabilities_travel), T(a_session_moved_home_ends_with_its_notice), T(lending_ends_with_the_call),
        T(long_messages_cross_pages), T(one_receive_sees_calls_and_signals), T(waitset_is_level),
        T(private_mapping_copies_on_write), T(snapshot_shares_until_written), T(pager_supplies_and_fails), T(pager_shows_pages_of_its_own),
        T(futex_in_shared_memory_and_not_in_a_copy), T(fault_goes_to_its_session), T(upcalls_nest_and_return),
        T(accounts_are_exact), T(delete_gives_children_to_the_parent),
        T(queued_callers_raise_the_receiver_until_they_leave), T(priority_goes_along_chains_of_calls),
        T(schedule_gives_its_budget_in_each_period_and_no_more), T(a_call_is_paid_by_its_caller_as_long_as_that_can),
        T(accounts_confine_cpu_time_and_count_it),
        T(revoke_reaches_every_task_and_every_depth), T(bulk_revoke_takes_all_that_a_task_delegated),
        T(audit_says_who_gave_what_to_whom_and_shows_its_gaps), T(revoke_of_many_gives_way_to_what_is_urgent_and_goes_on),
        T(zeroing_and_unmapping_give_way_and_are_completed), T(the_end_of_a_task_gives_way_and_is_completed),
        T(an_interrupt_storm_is_quarantined_until_it_is_cleared), T(a_faulting_thread_ends_alone_if_its_supervisor_says_so),
        T(a_task_without_threads_that_only_names_itself_is_collected), T(paging_serves_more_than_there_is_memory_and_heeds_pressure),
    };
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        fprintf(stderr, "%s\n", tests[i].name);
        setup();
        tests[i].run();
        teardown();
    }
    return 0;
}
