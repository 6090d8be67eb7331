// SPDX-License-Identifier: MPL-2.0
//
// Who is woken by what, and in which order; and what memory shows after it was shared, cut, moved or taken away. Most
// cases say little themselves: check_invariants finds a thread that waits for something that is there, and a page
// table entry that shows what it must not.
#include "pair.h"
#include <ipc/fault.h>

// A thread of its own that holds the client's Session, and whose call's Reply the server has saved.
static fut_handle_t saved_call(struct thread *t, uint32_t flags, uint64_t deadline)
{
    t->ipc->deadline = deadline;
    EQUAL(ipc(t, FUT_SYS_CALL, flags | (deadline ? FUT_IPC_DEADLINE : 0), session, TAG, 0), SYS_BLOCKED);
    if (waits(server.thread) == false && server.thread->caller != t)
        EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    return made(S(server.thread, REPLY_SAVE));
}

static void a_waiting_server_hears_that_a_caller_is_gone(void)
{
    fut_handle_t reply = saved_call(client.thread, 0, host_time + 500);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    pass_time(1000);
    EQUAL(waits(server.thread), false);
    EQUAL(ipc_kind(server.thread), FUT_RECV_STALE);
    EQUAL(server.thread->arch.w[0], reply);
}

static void a_waiting_server_hears_a_cancel(void)
{
    fut_handle_t reply = saved_call(client.thread, FUT_IPC_INTERRUPTIBLE, 0);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    EQUAL(waits(server.thread), false);
    EQUAL(ipc_kind(server.thread), FUT_RECV_CANCEL);
    EQUAL(server.thread->arch.w[0], reply);
    EQUAL(waits(client.thread), true);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, reply), 0);
    EQUAL(ipc_status(client.thread), 0);
}

static void a_cancel_goes_to_who_holds_the_reply(void)
{
    saved_call(client.thread, FUT_IPC_INTERRUPTIBLE, 0);
    struct user other = user_new(nullptr, 10);
    fut_handle_t h = give(other.task, server.task, channel, FUT_RIGHTS_ALL);
    EQUAL(ipc(other.thread, FUT_SYS_RECV, 0, h, 0, 0), SYS_BLOCKED);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    EQUAL(waits(other.thread), true);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_CANCEL);
}

static void a_moved_reply_answers(void)
{
    fut_handle_t reply = saved_call(client.thread, 0, 0);
    struct user other = user_new(nullptr, 10);
    fut_handle_t theirs = made(S(other.thread, CHANNEL_CREATE)), minted = made(S(other.thread, SESSION_MINT, theirs, 3, 0));
    fut_handle_t way = give(server.task, other.task, minted, FUT_RIGHTS_ALL);
    EQUAL(ipc(other.thread, FUT_SYS_RECV, 0, theirs, 0, 0), SYS_BLOCKED);
    server.thread->arch.caps01 = reply | FUT_CAP_MOVE;
    EQUAL(ipc(server.thread, FUT_SYS_SEND, 0, way, TAG_CAPS(1), 0), 0);
    check_invariants();
    fut_handle_t moved = (fut_handle_t)other.thread->arch.caps01;
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, reply), FUT_ERR_HANDLE);
    EQUAL(ipc(other.thread, FUT_SYS_REPLY, 0, 0, TAG, moved), 0);
    EQUAL(ipc_status(client.thread), 0);
    EQUAL(waits(client.thread), false);
}

static void a_new_server_leaves_the_rest_to_who_waits(void)
{
    struct thread *second = user_thread(&server, 1);
    fut_handle_t a = made(S(server.thread, SESSION_MINT, channel, 1, 0)), b = made(S(server.thread, SESSION_MINT, channel, 2, 0));
    EQUAL(S(server.thread, CAP_DELETE, a), 0);
    EQUAL(S(server.thread, CAP_DELETE, b), 0);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc(second, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    struct user next = user_new(nullptr, 10);
    fut_handle_t h = give(next.task, server.task, channel, FUT_RIGHTS_ALL);
    EQUAL(ipc(next.thread, FUT_SYS_RECV, 0, h, 0, 0), 0);
    EQUAL(ipc_kind(next.thread), FUT_RECV_NO_SENDERS);
    EQUAL(waits(second), false);
    EQUAL(ipc_kind(second), FUT_RECV_NO_SENDERS);
}

static void an_answer_ends_the_deadline(void)
{
    // On the fast path and on the other one.
    for (int fast = 0; fast < 2; fast++) {
        EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
        client.thread->ipc->deadline = host_time + 500;
        EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_DEADLINE, session, TAG, 0), SYS_BLOCKED);
        check_invariants();
        if (fast)
            EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), SYS_BLOCKED);
        else
            EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
        check_invariants();
        client.thread->arch.status = 5;
        pass_time(1000);
        EQUAL(ipc_status(client.thread), 0);
    }
    // And where no answer comes, the deadline ends the call that a waiting server received at once.
    client.thread->ipc->deadline = host_time + 500;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_DEADLINE, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc_kind(server.thread), FUT_RECV_CALL);
    pass_time(1000);
    EQUAL(waits(client.thread), false);
    EQUAL(ipc_status(client.thread), FUT_ERR_TIMED_OUT);
    EQUAL(ipc_out(client.thread), FUT_OUT_MAYBE);
}

static void the_first_deadline_comes_first(void)
{
    struct thread *second = user_thread(&client, 1);
    fut_handle_t event = made(S(client.thread, EVENT_CREATE)), timed = made(S(client.thread, EVENT_CREATE));
    EQUAL(S(client.thread, EVENT_TIMER, timed, host_time + 150, 8), 0);
    EQUAL(S(client.thread, EVENT_WAIT, event, 1, host_time + 300, 0), SYS_BLOCKED);
    EQUAL(S(second, EVENT_WAIT, event, 1, host_time + 100, 0), SYS_BLOCKED);
    EQUAL(host_timer <= host_time + 100, true);
    pass_time(110);
    EQUAL(waits(second), false);
    EQUAL(second->arch.status, FUT_ERR_TIMED_OUT);
    EQUAL(waits(client.thread), true);
    EQUAL(S(second, EVENT_WAIT, timed, 8, 0, 0), FUT_ERR_TIMED_OUT);
    pass_time(50);
    EQUAL(S(second, EVENT_WAIT, timed, 8, 0, 0), 0);
    EQUAL(S(second, EVENT_TIMER, timed, host_time, 8), 0); // due already
    EQUAL(S(second, EVENT_WAIT, timed, 8, 0, 0), 0);
    pass_time(200);
    EQUAL(client.thread->arch.status, FUT_ERR_TIMED_OUT);
}

static void a_server_runs_at_its_callers_priority(void)
{
    server.thread->priority = server.thread->base_priority = 5;
    for (int fast = 0; fast < 2; fast++) {
        EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
        EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, fast ? TAG : TAG_BODY(0) | (client.thread->arch.w[0] = 0), 0), SYS_BLOCKED);
        EQUAL(server.thread->priority, 10);
        if (fast)
            EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, channel, TAG, 0), SYS_BLOCKED);
        else
            EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
        EQUAL(server.thread->priority, 5);
    }
}

static void a_wait_takes_what_it_waits_for(void)
{
    fut_handle_t event = made(S(server.thread, EVENT_CREATE));
    fut_handle_t theirs = give(client.task, server.task, event, FUT_RIGHTS_ALL);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 7), 0);
    EQUAL(S(server.thread, EVENT_WAIT, event, 1, 0, 0), 0);
    EQUAL(value, 1);
    EQUAL(S(server.thread, EVENT_WAIT, event, 2, 0, FUT_WAIT_KEEP), 0);
    EQUAL(S(server.thread, EVENT_WAIT, event, 6, 0, 0), 0);
    EQUAL(value, 6);
    EQUAL(S(client.thread, EVENT_WAIT, theirs, 1, FUT_FOREVER, FUT_WAIT_KEEP), SYS_BLOCKED);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 2), 0);
    EQUAL(waits(client.thread), true);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 1), 0);
    EQUAL(waits(client.thread), false);
    EQUAL(S(server.thread, EVENT_CLEAR, event, 3), 0);
    EQUAL(value, 3); // both are still there
    EQUAL(S(client.thread, EVENT_WAIT, theirs, 1, FUT_FOREVER, 0), SYS_BLOCKED);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 3), 0);
    EQUAL(S(server.thread, EVENT_CLEAR, event, 3), 0);
    EQUAL(value, 2);
}

static void what_is_ready_when_it_is_added_wakes(void)
{
    fut_handle_t event = made(S(server.thread, EVENT_CREATE)), set = made(S(server.thread, WAITSET_CREATE));
    fut_handle_t theirs = give(client.task, server.task, set, FUT_RIGHTS_ALL);
    EQUAL(S(client.thread, WAITSET_WAIT, theirs, SCRATCH, 4, FUT_FOREVER), SYS_BLOCKED);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 2), 0);
    EQUAL(S(server.thread, WAITSET_ADD, set, event, 2, 9), 0);
    EQUAL(waits(client.thread), false);
    run_as(client.thread);
    EQUAL(client.thread->arch.value, 1);
}

static void a_buffer_outlives_its_mapping(void)
{
    fut_handle_t space = give(client.task, root, client.h_space, FUT_RIGHTS_ALL);
    struct thread *second = user_thread(&client, 1);
    EQUAL(S(client.thread, SPACE_UNMAP, space, IPC_BUFFER, 16 * FUT_IPC_BUFFER_SIZE), 0);
    check_invariants();
    second->ipc->body[0] = 1; // the kernel writes there
    struct page *p = second->ipc_page[0];
    EQUAL(p->pins, 1);
    sys(second, FUT_SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0, nullptr);
    object_reap();
    check_invariants();
    EQUAL(p->pins, 0);
    uint64_t free = pages_free;
    EQUAL(S(root_thread, TASK_DESTROY, client.h_task), 0);
    CHECK(pages_free > free);
}

static void an_interruption_ends_a_wait_now_or_before(void)
{
    fut_handle_t event = made(S(client.thread, EVENT_CREATE));
    EQUAL(S(client.thread, EVENT_WAIT, event, 1, FUT_FOREVER, FUT_WAIT_INTERRUPTIBLE), SYS_BLOCKED);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    EQUAL(waits(client.thread), false);
    EQUAL(client.thread->arch.status, FUT_ERR_INTERRUPTED);
    EQUAL(client.thread->pending, 1); // no upcall is registered: it stays
    EQUAL(S(client.thread, EVENT_WAIT, event, 1, FUT_FOREVER, FUT_WAIT_INTERRUPTIBLE), FUT_ERR_INTERRUPTED);
    EQUAL(S(client.thread, FUTEX_WAIT, SCRATCH, 0, FUT_FOREVER, FUT_WAIT_INTERRUPTIBLE), FUT_ERR_INTERRUPTED);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, session, TAG, 0), FUT_ERR_INTERRUPTED);
    EQUAL(ipc_out(client.thread), 0);
    EQUAL(S(client.thread, EVENT_WAIT, event, 1, FUT_FOREVER, 0), SYS_BLOCKED);
}

static void a_suspended_thread_stays_where_it_is(void)
{
    fut_handle_t event = made(S(server.thread, EVENT_CREATE));
    fut_handle_t theirs = give(client.task, server.task, event, FUT_RIGHTS_ALL);
    EQUAL(S(client.thread, EVENT_WAIT, theirs, 1, FUT_FOREVER, 0), SYS_BLOCKED);
    EQUAL(S(root_thread, THREAD_SUSPEND, client.h_thread), 0);
    EQUAL(S(server.thread, EVENT_SIGNAL, event, 1), 0);
    EQUAL(client.thread->queued, false);
    check_invariants();
    EQUAL(S(root_thread, THREAD_RESUME, client.h_thread), 0);
    EQUAL(client.thread->queued, true);
}

static void equals_take_turns(void)
{
    run_as(client.thread);
    EQUAL(S(client.thread, YIELD), 0);
    run_as(client.thread);
    S(client.thread, NULL);
    struct thread *was = arch_cpu()->current;
    bool other = false;
    for (int i = 0; i < 4; i++) {
        pass_time(11000000);
        other = other || (arch_cpu()->current != was && arch_cpu()->current->priority == was->priority);
    }
    CHECK(other);
}

static void a_task_ends_with_its_last_thread(void)
{
    struct user gone = user_new(nullptr, 10);
    struct thread *second = user_thread(&gone, 1);
    fut_handle_t seen = give(server.task, root, gone.h_task, FUT_RIGHTS_ALL), event = made(S(server.thread, EVENT_CREATE));
    struct page *buffer[4] = {gone.thread->ipc_page[0], gone.thread->ipc_page[1], second->ipc_page[0], second->ipc_page[1]};
    EQUAL(S(server.thread, TASK_WATCH, seen, event, 1), 0);
    sys(second, FUT_SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0, nullptr);
    EQUAL(gone.task->dead, false);
    EQUAL(buffer[2]->pins, 0);
    EQUAL(buffer[3]->pins, 0);
    EQUAL(buffer[0]->pins, 1);
    check_invariants();
    EQUAL(S(server.thread, EVENT_WAIT, event, 1, 0, 0), FUT_ERR_TIMED_OUT);
    sys(gone.thread, FUT_SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0, nullptr);
    EQUAL(gone.task->dead, true);
    EQUAL(S(server.thread, EVENT_WAIT, event, 1, 0, 0), 0);
}

static void a_wake_reaches_its_word_only(void)
{
    struct thread *second = user_thread(&client, 1);
    EQUAL(S(client.thread, FUTEX_WAIT, SCRATCH, 0, FUT_FOREVER, 0), SYS_BLOCKED);
    for (uint64_t at = 4; at < 4 * FUT_PAGE_SIZE; at += 4) {
        EQUAL(S(second, FUTEX_WAKE, SCRATCH + at, 10), 0);
        EQUAL(value, 0);
    }
    EQUAL(waits(client.thread), true);
    EQUAL(S(second, FUTEX_REQUEUE, SCRATCH + 4, 10, SCRATCH, 10), 0);
    EQUAL(S(second, FUTEX_WAKE, SCRATCH, 10), 0);
    EQUAL(value, 1);
    EQUAL(S(client.thread, FUTEX_WAIT, SCRATCH, 0, FUT_FOREVER, 0), SYS_BLOCKED);
    struct thread *third = user_thread(&client, 2);
    EQUAL(S(third, FUTEX_WAIT, SCRATCH, 0, FUT_FOREVER, 0), SYS_BLOCKED);
    EQUAL(S(second, FUTEX_WAKE, SCRATCH, 1), 0);
    EQUAL(value, 1);
    EQUAL(waits(client.thread), false);
    EQUAL(waits(third), true);
    EQUAL(S(second, FUTEX_WAKE, SCRATCH, 1), 0);
}

static void an_upcall_is_not_interrupted(void)
{
    struct fut_upcall u = {.entry = 0x500000, .stack = SCRATCH + 0x3000, .frames = SCRATCH + 0x4000, .tls = 5, .count = 4,
                           .causes = 1u << FUT_CAUSE_FAULT | 1u << FUT_CAUSE_INTERRUPT};
    poke(client.thread, SCRATCH, &u, sizeof u);
    EQUAL(S(client.thread, UPCALL_SET, SCRATCH), 0);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 1), 0);
    if (arch_cpu()->current != client.thread)
        run_as(client.thread);
    S(client.thread, NULL);
    EQUAL(client.thread->frames->depth, 1);
    EQUAL(client.thread->frames->interrupts_masked, 1);
    EQUAL(S(root_thread, THREAD_POST, client.h_thread, 2), 0);
    run_as(client.thread);
    S(client.thread, NULL);
    EQUAL(client.thread->frames->depth, 1);
}

// --- Memory -----------------------------------------------------------------------------------------------------------
static void touch(struct user *u, uint64_t at, uint32_t how)
{
    run_as(u->thread);
    if (setjmp(host_idle) == 0)
        kernel_fault(u->thread, FUT_FAULT_MAP | how, at);
    CHECK(!u->task->dead);
}

static uint64_t word_at(struct user *u, uint64_t at)
{
    uint64_t word;
    peek(u->thread, at, &word, sizeof word);
    return word;
}

static void put(struct user *u, uint64_t at, uint64_t word) { poke(u->thread, at, &word, sizeof word); }

static void a_copied_page_is_shown_everywhere(void)
{
    fut_handle_t memory = made(S(client.thread, MEMORY_CREATE, 4 * FUT_PAGE_SIZE, 0));
    fut_handle_t theirs = give(server.task, client.task, memory, FUT_RIGHTS_ALL);
    EQUAL(map(&client, memory, 0x30000000, 4 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    EQUAL(map(&server, theirs, 0x31000000, 4 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    put(&client, 0x30001000, 1);
    touch(&server, 0x31001000, 0);
    fut_handle_t copy = made(S(client.thread, MEMORY_SNAPSHOT, memory, 0, 4 * FUT_PAGE_SIZE));
    touch(&server, 0x31001000, 0);
    put(&client, 0x30001000, 2);
    check_invariants();
    EQUAL(word_at(&server, 0x31001000), 2);
    EQUAL(map(&client, copy, 0x32000000, 4 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    EQUAL(word_at(&client, 0x32001000), 1);
    // And one that is taken away is shown nowhere.
    touch(&server, 0x31001000, 0);
    EQUAL(S(client.thread, MEMORY_DECOMMIT, memory, FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
    check_invariants();
    EQUAL(word_at(&server, 0x31001000), 0);
    put(&client, 0x30003000, 3);
    touch(&server, 0x31003000, 0);
    EQUAL(S(client.thread, MEMORY_RESIZE, memory, 2 * FUT_PAGE_SIZE), 0);
    check_invariants();
    EQUAL(S(client.thread, MEMORY_RESIZE, memory, 4 * FUT_PAGE_SIZE), 0);
    EQUAL(word_at(&server, 0x31003000), 0);
}

static void a_mapping_that_is_cut_shows_the_same(void)
{
    fut_handle_t memory = made(S(client.thread, MEMORY_CREATE, 4 * FUT_PAGE_SIZE, 0));
    fut_handle_t space = give(client.task, root, client.h_space, FUT_RIGHTS_ALL);
    EQUAL(map(&client, memory, 0x30000000, 4 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    EQUAL(map(&client, 0, 0x31000000, 4 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    EQUAL(map(&client, memory, 0x32000000, 4 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | FUT_MAP_PRIVATE | 3), 0);
    for (uint64_t i = 0; i < 4; i++)
        for (uint64_t base = 0x30000000; base < 0x33000000; base += 0x1000000)
            put(&client, base + i * FUT_PAGE_SIZE, base + i);
    for (uint64_t base = 0x30000000; base < 0x33000000; base += 0x1000000) {
        EQUAL(S(client.thread, SPACE_PROTECT, space, base + FUT_PAGE_SIZE, FUT_PAGE_SIZE, FUT_PROT_READ), 0);
        check_invariants();
        for (uint64_t i = 0; i < 4; i++)
            EQUAL(word_at(&client, base + i * FUT_PAGE_SIZE), base + i);
        EQUAL(S(client.thread, SPACE_UNMAP, space, base + 2 * FUT_PAGE_SIZE, FUT_PAGE_SIZE), 0);
        check_invariants();
        EQUAL(word_at(&client, base + 3 * FUT_PAGE_SIZE), base + 3);
        EQUAL(S(client.thread, SPACE_READ, space, base + 2 * FUT_PAGE_SIZE, SCRATCH, 8), FUT_ERR_ADDRESS);
        EQUAL(S(client.thread, SPACE_WRITE, space, base + FUT_PAGE_SIZE, SCRATCH, 8), FUT_ERR_ADDRESS);
    }
    // What is read-only is so for the program as well.
    kernel_fault(arch_cpu()->current == client.thread ? client.thread : (run_as(client.thread), client.thread),
                 FUT_FAULT_MAP | FUT_FAULT_WRITE, 0x30001000);
    EQUAL(client.task->dead, true);
}

static void a_copy_does_not_follow_the_kernels_writes(void)
{
    fut_handle_t space = give(client.task, root, client.h_space, FUT_RIGHTS_ALL);
    client.thread->ipc->body[0] = 1;
    fut_handle_t copy = made(S(client.thread, SPACE_CLONE, space, 0));
    check_invariants();
    client.thread->ipc->body[0] = 2; // through the direct map, as a message arrives
    EQUAL(S(client.thread, SPACE_READ, copy, IPC_BUFFER + FUT_IPC_BODY_OFFSET, SCRATCH, 1), 0);
    EQUAL(word_at(&client, SCRATCH) & 0xff, 1);
}

// --- Pagers -------------------------------------------------------------------------------------------------------------
static fut_handle_t paged, mine;
static void start_pager(void)
{
    paged = made(S(server.thread, MEMORY_PAGED, 8 * FUT_PAGE_SIZE, channel, 99));
    mine = give(client.task, server.task, paged, ~FUT_RIGHT_MANAGE);
    EQUAL(map(&client, mine, 0x30000000, 8 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
}

static void supply(uint64_t offset, uint64_t word)
{
    fut_handle_t from = made(S(server.thread, MEMORY_CREATE, FUT_PAGE_SIZE, 0));
    put(&server, SCRATCH, word);
    EQUAL(S(server.thread, MEMORY_WRITE, from, 0, SCRATCH, 8), 0);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, offset, from, 0, FUT_PAGE_SIZE), 0);
    EQUAL(S(server.thread, CAP_DELETE, from), 0);
}

static void a_page_that_is_there_is_not_replaced(void)
{
    start_pager();
    supply(0, 1);
    put(&client, 0x30000000, 2);
    supply(0, 3);
    EQUAL(word_at(&client, 0x30000000), 2);
}

static void what_is_written_again_is_dirty_again(void)
{
    start_pager();
    supply(0, 1);
    for (int i = 0; i < 3; i++) {
        touch(&client, 0x30000000, FUT_FAULT_WRITE);
        check_invariants();
        EQUAL(S(server.thread, MEMORY_DIRTY, paged, 0, SCRATCH, 8), 0);
        EQUAL(value, 1);
        check_invariants();
        EQUAL(S(server.thread, MEMORY_DIRTY, paged, 0, SCRATCH, 8), 0);
        EQUAL(value, 0);
    }
}

static void who_asked_for_a_page_may_go(void)
{
    start_pager();
    for (int received = 0; received < 2; received++) {
        struct user first = user_new(nullptr, 10);
        fut_handle_t h = give(first.task, client.task, mine, FUT_RIGHTS_ALL);
        uint64_t offset = (uint64_t)(3 + received) * FUT_PAGE_SIZE;
        EQUAL(S(first.thread, MEMORY_READ, h, offset, SCRATCH, 8), SYS_BLOCKED);
        EQUAL(S(client.thread, MEMORY_READ, mine, offset, SCRATCH, 8), SYS_BLOCKED);
        if (received)
            EQUAL(ipc(server.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, channel, 0, 0), 0);
        EQUAL(S(root_thread, TASK_DESTROY, first.h_task), 0);
        check_invariants();
        if (!received) {
            EQUAL(ipc(server.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, channel, 0, 0), 0);
            EQUAL(server.thread->arch.w[0], offset);
        }
        supply(offset, 5);
        run_as(client.thread);
        EQUAL(client.thread->arch.status, 0);
        EQUAL(word_at(&client, SCRATCH), 5);
    }
}

static void a_pager_does_not_wait_for_itself(void)
{
    start_pager();
    EQUAL(ipc(server.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, channel, 0, 0), FUT_ERR_WOULD_BLOCK); // it is the server now
    EQUAL(map(&server, paged, 0x30000000, FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    EQUAL(S(server.thread, MEMORY_READ, paged, 0, SCRATCH, 8), FUT_ERR_STATE);
    struct fut_upcall u = {.entry = 0x500000, .stack = SCRATCH + 0x3000, .frames = SCRATCH + 0x4000, .tls = 5, .count = 4,
                           .causes = 1u << FUT_CAUSE_FAULT};
    poke(server.thread, SCRATCH, &u, sizeof u);
    EQUAL(S(server.thread, UPCALL_SET, SCRATCH), 0);
    run_as(server.thread);
    kernel_fault(server.thread, FUT_FAULT_MAP, 0x30000000);
    EQUAL(waits(server.thread), false);
    EQUAL(server.thread->frames->depth, 1);
    EQUAL(server.thread->frames->frame[0].code, FUT_FAULT_PAGER);
}

int main(void)
{
    static const struct test_case cases[] = {
        T(a_waiting_server_hears_that_a_caller_is_gone), T(a_waiting_server_hears_a_cancel),
        T(a_cancel_goes_to_who_holds_the_reply), T(a_moved_reply_answers), T(a_new_server_leaves_the_rest_to_who_waits),
        T(an_answer_ends_the_deadline), T(the_first_deadline_comes_first), T(a_server_runs_at_its_callers_priority),
        T(a_wait_takes_what_it_waits_for), T(what_is_ready_when_it_is_added_wakes), T(a_buffer_outlives_its_mapping), T(an_interruption_ends_a_wait_now_or_before), T(a_suspended_thread_stays_where_it_is),
        T(equals_take_turns), T(a_task_ends_with_its_last_thread), T(a_wake_reaches_its_word_only), T(an_upcall_is_not_interrupted),
        T(a_copied_page_is_shown_everywhere), T(a_mapping_that_is_cut_shows_the_same), T(a_copy_does_not_follow_the_kernels_writes),
        T(a_page_that_is_there_is_not_replaced), T(what_is_written_again_is_dirty_again), T(who_asked_for_a_page_may_go),
        T(a_pager_does_not_wait_for_itself),
    };
    run_cases(cases, sizeof cases / sizeof *cases);
    return 0;
}
