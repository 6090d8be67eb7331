// SPDX-License-Identifier: MPL-2.0
//
// What the kernel must refuse: capabilities that a task does not have, rights that its capabilities lack, quotas that
// are used up, memory that is not its own. Each case tries the forbidden thing, and beside it the same thing where it
// is allowed, so that it cannot pass by refusing everything.
#include "pair.h"

static void a_handle_cannot_be_guessed(void)
{
    fut_handle_t first = made(S(client.thread, EVENT_CREATE));
    EQUAL(S(client.thread, CAP_DELETE, first), 0);
    for (unsigned i = 0; i < 5000; i++) { // through all generations of that slot
        fut_handle_t again = made(S(client.thread, EVENT_CREATE));
        if (i < 4000) {
            CHECK(again != first);
            EQUAL(S(client.thread, EVENT_SIGNAL, first, 1), FUT_ERR_HANDLE);
        }
        CHECK(again && HANDLE_GENERATION(again));
        EQUAL(S(client.thread, EVENT_SIGNAL, again, 1), 0);
        EQUAL(S(client.thread, CAP_DELETE, again), 0);
    }
    for (uint64_t h = 0; h < 1ull << 32; h += 0x10001)
        EQUAL(S(client.thread, EVENT_SIGNAL, h, 1) == 0, false);
    EQUAL(S(client.thread, EVENT_SIGNAL, 0xffffffff, 1), FUT_ERR_HANDLE);
    EQUAL(S(client.thread, EVENT_SIGNAL, FUT_HANDLE_NONE, 1), FUT_ERR_HANDLE);
    EQUAL(S(client.thread, EVENT_SIGNAL, session, 1), FUT_ERR_TYPE);
}

static void rights_only_shrink(void)
{
    fut_handle_t event = made(S(client.thread, EVENT_CREATE));
    fut_handle_t read = made(S(client.thread, CAP_MINT, event, FUT_RIGHT_READ | FUT_RIGHT_DUP));
    EQUAL(rights_of(&client, read), FUT_RIGHT_READ | FUT_RIGHT_DUP);
    EQUAL(rights_of(&client, made(S(client.thread, CAP_MINT, read, FUT_RIGHTS_ALL))), FUT_RIGHT_READ | FUT_RIGHT_DUP);
    EQUAL(S(client.thread, EVENT_SIGNAL, read, 1), FUT_ERR_RIGHTS);
    EQUAL(S(client.thread, EVENT_SIGNAL, event, 1), 0);
    fut_handle_t bare = made(S(client.thread, CAP_MINT, event, FUT_RIGHT_READ));
    EQUAL(S(client.thread, CAP_MINT, bare, FUT_RIGHT_READ), FUT_ERR_RIGHTS);
}

static void all_rights_that_a_call_needs_are_needed(void)
{
    fut_handle_t paged = made(S(server.thread, MEMORY_PAGED, FUT_PAGE_SIZE, channel, 1)), from = made(S(server.thread, MEMORY_CREATE, FUT_PAGE_SIZE, 0));
    fut_handle_t half = made(S(server.thread, CAP_MINT, from, ~FUT_RIGHT_WRITE)), other = made(S(server.thread, CAP_MINT, from, ~FUT_RIGHT_READ));
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 0, half, 0, FUT_PAGE_SIZE), FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 0, other, 0, FUT_PAGE_SIZE), FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, MEMORY_SUPPLY, paged, 0, from, 0, FUT_PAGE_SIZE), 0);
}

static void a_revoke_takes_all_that_was_derived(void)
{
    fut_handle_t event = made(S(client.thread, EVENT_CREATE)), copy[12];
    for (unsigned i = 0; i < 12; i++) // a tree: each third one is made from the event itself
        copy[i] = i % 3 ? give(server.task, i % 3 == 1 ? client.task : server.task, copy[i - 1], FUT_RIGHTS_ALL)
                        : made(S(client.thread, CAP_MINT, event, FUT_RIGHTS_ALL));
    check_invariants();
    EQUAL(S(client.thread, CAP_REVOKE, event), 0);
    for (unsigned i = 0; i < 12; i++)
        CHECK(!cap_lookup(i % 3 ? &server.task->caps : &client.task->caps, copy[i]));
    EQUAL(S(client.thread, EVENT_SIGNAL, event, 1), 0);
}

static void other_tasks_tables_need_the_right(void)
{
    fut_handle_t event = made(S(server.thread, EVENT_CREATE));
    fut_handle_t all = give(server.task, root, client.h_task, FUT_RIGHTS_ALL);
    fut_handle_t look = made(S(server.thread, CAP_MINT, all, FUT_RIGHT_READ));
    fut_handle_t write = made(S(server.thread, CAP_MINT, all, FUT_RIGHT_READ | FUT_RIGHT_WRITE));
    EQUAL(S(server.thread, CAP_GRANT, look, event, FUT_RIGHTS_ALL, 0), FUT_ERR_RIGHTS);
    fut_handle_t granted = made(S(server.thread, CAP_GRANT, write, event, FUT_RIGHT_READ, 0));
    EQUAL(rights_of(&client, granted), FUT_RIGHT_READ);
    fut_handle_t theirs = made(S(client.thread, EVENT_CREATE));
    EQUAL(S(server.thread, CAP_TAKE, write, theirs, FUT_RIGHTS_ALL), FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, CAP_TAKE, all, theirs, FUT_RIGHTS_ALL), 0);
    EQUAL(S(server.thread, CAP_TAKE, all, granted, FUT_RIGHTS_ALL), FUT_ERR_RIGHTS); // no DUP there
    // At a given handle, only where nothing is.
    EQUAL(S(server.thread, CAP_GRANT, write, event, FUT_RIGHTS_ALL, theirs), FUT_ERR_EXISTS);
    EQUAL(S(server.thread, CAP_GRANT, write, event, FUT_RIGHTS_ALL, theirs & ((1u << FUT_HANDLE_INDEX_BITS) - 1)), FUT_ERR_ARGUMENT);
    EQUAL(S(root_thread, TASK_DESTROY, client.h_task), 0);
    EQUAL(S(server.thread, CAP_TAKE, all, theirs, FUT_RIGHTS_ALL), FUT_ERR_STATE);
    EQUAL(S(server.thread, CAP_GRANT, write, event, FUT_RIGHTS_ALL, 0), FUT_ERR_STATE);
}

static void ipc_needs_the_right(void)
{
    fut_handle_t silent = made(S(client.thread, CAP_MINT, session, ~FUT_RIGHT_CALL));
    EQUAL(ipc(client.thread, FUT_SYS_CALL, FUT_IPC_NONBLOCK, silent, TAG, 0), FUT_ERR_RIGHTS);
    EQUAL(ipc(client.thread, FUT_SYS_SEND, FUT_IPC_NONBLOCK, silent, TAG, 0), FUT_ERR_RIGHTS);
    fut_handle_t deaf = made(S(server.thread, CAP_MINT, channel, ~FUT_RIGHT_RECV));
    EQUAL(ipc(server.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, deaf, 0, 0), FUT_ERR_RIGHTS);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, silent, TAG, 0), FUT_ERR_RIGHTS); // the fast path
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY_RECV, 0, deaf, TAG, 0), FUT_ERR_RIGHTS);
    EQUAL(waits(client.thread), true);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    fut_handle_t blunt = made(S(server.thread, CAP_MINT, channel, ~FUT_RIGHT_MINT));
    EQUAL(S(server.thread, SESSION_MINT, blunt, 1, 0), FUT_ERR_RIGHTS);
    EQUAL(S(server.thread, SESSION_MINT, channel, 1, 0x10000), FUT_ERR_ARGUMENT);
}

static void transfer_needs_the_right(void)
{
    fut_handle_t event = made(S(client.thread, EVENT_CREATE));
    fut_handle_t fixed = made(S(client.thread, CAP_MINT, event, FUT_RIGHT_READ | FUT_RIGHT_DUP));
    fut_handle_t single = made(S(client.thread, CAP_MINT, event, FUT_RIGHT_READ | FUT_RIGHT_MOVE));
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    client.thread->arch.caps01 = fixed | FUT_CAP_MOVE;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), FUT_ERR_RIGHTS);
    client.thread->arch.caps01 = single | FUT_CAP_COPY;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), FUT_ERR_RIGHTS);
    client.thread->arch.caps01 = (single | FUT_CAP_MOVE) | (uint64_t)(single | FUT_CAP_MOVE) << 32;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(2), 0), FUT_ERR_ARGUMENT);
    client.thread->arch.caps01 = event | FUT_CAP_MODE;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), FUT_ERR_ARGUMENT);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(5), 0), FUT_ERR_ARGUMENT);
    // Rights are reduced on the way, copied or moved.
    client.thread->ipc->cap[0] = event | FUT_CAP_COPY;
    client.thread->ipc->cap[1] = event | FUT_CAP_MOVE;
    client.thread->ipc->cap_rights[0] = FUT_RIGHT_READ;
    client.thread->ipc->cap_rights[1] = FUT_RIGHT_WRITE;
    client.thread->arch.w[0] = 0;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_BODY(2), 0), SYS_BLOCKED);
    EQUAL(rights_of(&server, server.thread->ipc->cap[0]), FUT_RIGHT_READ);
    EQUAL(rights_of(&server, server.thread->ipc->cap[1]), FUT_RIGHT_WRITE);
}

static void a_message_that_does_not_fit_is_refused(void)
{
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    client.thread->arch.w[0] = FUT_IPC_BODY_SIZE + 1;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_BODY(0), 0), FUT_ERR_ARGUMENT);
    client.thread->arch.w[0] = UINT64_MAX;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_BODY(0), 0), FUT_ERR_ARGUMENT);
    EQUAL(ipc(client.thread, FUT_SYS_SEND, 0, session, TAG_BODY(0), 0), FUT_ERR_ARGUMENT);
    // And where the receiver's table has no room and its Account no page for more: before anything moves.
    fut_handle_t event = made(S(client.thread, EVENT_CREATE));
    struct account *small;
    CHECK(!account_new(root_account, 60, 60, &small));
    struct user poor = user_new(small, 10);
    fut_handle_t h = give(poor.task, server.task, channel, FUT_RIGHTS_ALL);
    while (poor.task->caps.free_count)
        give(poor.task, server.task, channel, FUT_RIGHT_RECV);
    uint64_t rest = small->pages_limit - small->pages_used;
    CHECK(account_charge_pages(small, rest));
    EQUAL(S(root_thread, TASK_DESTROY, server.h_task), 0);
    client.thread->arch.caps01 = event | FUT_CAP_MOVE;
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG_CAPS(1), 0), SYS_BLOCKED);
    EQUAL(ipc(poor.thread, FUT_SYS_RECV, FUT_IPC_NONBLOCK, h, 0, 0), FUT_ERR_WOULD_BLOCK);
    EQUAL(ipc_status(client.thread), FUT_ERR_NO_MEMORY);
    CHECK(cap_lookup(&client.task->caps, event));
    account_return_pages(small, rest);
    EQUAL(S(root_thread, TASK_DESTROY, poor.h_task), 0);
    for (fut_handle_t *p = (fut_handle_t[]){poor.h_task, poor.h_space, poor.h_thread, 0}; *p; p++)
        EQUAL(S(root_thread, CAP_DELETE, *p), 0);
    object_unref(&small->object);
}

static void only_calls_lend_and_only_what_they_say(void)
{
    fut_handle_t memory = made(S(client.thread, MEMORY_CREATE, FUT_PAGE_SIZE, 0));
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    client.thread->arch.caps01 = memory | FUT_CAP_LEND;
    EQUAL(ipc(client.thread, FUT_SYS_SEND, 0, session, TAG_CAPS(1), 0), FUT_ERR_ARGUMENT);
    client.thread->ipc->lease[0] = (struct fut_lease){SCRATCH, 16, FUT_RIGHT_READ, 0};
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, TAG, 0), SYS_BLOCKED);
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE, 0, SCRATCH, 4), FUT_ERR_ARGUMENT);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    EQUAL(ipc(client.thread, FUT_SYS_CALL, 0, session, FUT_TAG(9, FUT_TAG_LEASE, 0, 0, 8, 1), 0), SYS_BLOCKED);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE, 0, SCRATCH, 100), 0);
    EQUAL(value, 16);
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE, 16, SCRATCH, 100), 0);
    EQUAL(value, 0);
    EQUAL(S(server.thread, LENT_WRITE, 0, FUT_LENT_RANGE, 0, SCRATCH, 4), FUT_ERR_RIGHTS);
    client.thread->ipc->lease[0] = (struct fut_lease){0xffff800000000000ull, 16, FUT_RIGHT_READ, 0};
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE, 0, SCRATCH, 4), FUT_ERR_ADDRESS);
    client.thread->ipc->lease[0] = (struct fut_lease){SCRATCH, UINT64_MAX, FUT_RIGHT_READ, 0};
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE, 0, SCRATCH, 4), FUT_ERR_ADDRESS);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    // A fault is no call: its thread lends nothing, whatever its registers and its buffer say.
    client.thread->ipc->lease[0] = (struct fut_lease){SCRATCH, 16, FUT_RIGHT_READ, 0};
    client.thread->fault_session = object_of(cap_lookup(&client.task->caps, session)->object, struct session);
    object_handle_ref(&client.thread->fault_session->object);
    run_as(client.thread);
    client.thread->arch.tag = FUT_TAG(9, FUT_TAG_LEASE, 0, 0, 8, 1);
    kernel_fault(client.thread, FUT_FAULT_ILLEGAL, 0);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(S(server.thread, LENT_READ, 0, FUT_LENT_RANGE, 0, SCRATCH, 4), FUT_ERR_STATE);
}

static void a_live_session_cannot_be_acknowledged_away(void)
{
    EQUAL(S(server.thread, SESSION_ACK, channel, BADGE), FUT_ERR_NOT_FOUND);
    EQUAL(S(client.thread, CAP_DELETE, session), 0);
    EQUAL(S(server.thread, SESSION_ACK, channel, BADGE), FUT_ERR_NOT_FOUND); // not told yet
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), 0);
    EQUAL(ipc_kind(server.thread), FUT_RECV_NO_SENDERS);
    EQUAL(S(server.thread, SESSION_ACK, channel, BADGE), 0);
    EQUAL(S(server.thread, SESSION_ACK, channel, BADGE), FUT_ERR_NOT_FOUND);
}

static void an_event_has_one_channel(void)
{
    fut_handle_t event = made(S(server.thread, EVENT_CREATE)), other = made(S(server.thread, CHANNEL_CREATE));
    EQUAL(S(server.thread, CHANNEL_BIND, channel, event), 0);
    EQUAL(S(server.thread, CHANNEL_BIND, other, event), FUT_ERR_EXISTS);
    EQUAL(S(server.thread, CHANNEL_BIND, channel, 0), 0);
    EQUAL(S(server.thread, CHANNEL_BIND, other, event), 0);
}

static void accounts_hold_at_every_level(void)
{
    struct account *outer, *inner;
    CHECK(!account_new(root_account, 40, 12, &outer));
    CHECK(!account_new(outer, 1000, 1000, &inner)); // says more than its parent has
    uint64_t before = outer->objects_used;
    struct object *o[20];
    unsigned n = 0;
    while (n < 20 && object_new(FUT_OBJ_EVENT, inner, &o[n]) == FUT_OK) {
        list_init(&object_of(o[n], struct event)->waiters);
        list_init(&object_of(o[n], struct event)->entries);
        n++;
    }
    EQUAL(n, 12 - before);
    EQUAL(outer->objects_used, outer->objects_limit);
    CHECK(!account_charge_pages(inner, 41));
    CHECK(account_charge_pages(inner, 40));
    CHECK(!account_charge_pages(outer, 1));
    EQUAL(root_account->pages_used >= 40, true);
    account_return_pages(inner, 40);
    while (n)
        object_unref(o[--n]);
    take_away_the_dead();
    EQUAL(outer->objects_used, before);
    struct account *chain[16] = {inner};
    unsigned depth = 0;
    while (depth < 15 && account_new(chain[depth], 10, 10, &chain[depth + 1]) == FUT_OK)
        depth++;
    EQUAL(depth, 5); // root, outer, inner and five more: eight
    do
        object_unref(&chain[depth]->object), take_away_the_dead();
    while (depth--);
    object_unref(&outer->object);
    take_away_the_dead();
}

static void who_is_served_pays_for_its_sessions(void)
{
    struct account *purse;
    CHECK(!account_new(root_account, 100, 100, &purse));
    struct user payer = user_new(purse, 10);
    fut_handle_t mine = give(payer.task, client.task, session, FUT_RIGHTS_ALL);
    EQUAL(ipc(server.thread, FUT_SYS_RECV, 0, channel, 0, 0), SYS_BLOCKED);
    EQUAL(ipc(payer.thread, FUT_SYS_CALL, 0, mine, TAG, 0), SYS_BLOCKED);
    uint64_t had = purse->objects_used;
    fut_handle_t minted = made(S(server.thread, SESSION_MINT, channel, 5, 0));
    EQUAL(purse->objects_used, had + 1);
    EQUAL(S(server.thread, CAP_DELETE, minted), 0);
    EQUAL(ipc(server.thread, FUT_SYS_REPLY, 0, 0, TAG, 0), 0);
    made(S(server.thread, SESSION_MINT, channel, 6, 0));
    EQUAL(S(root_thread, TASK_DESTROY, payer.h_task), 0);
    for (fut_handle_t *p = (fut_handle_t[]){payer.h_task, payer.h_space, payer.h_thread, 0}; *p; p++)
        EQUAL(S(root_thread, CAP_DELETE, *p), 0);
    object_unref(&purse->object);
}

static void nothing_is_writable_and_executable(void)
{
    fut_handle_t memory = made(S(client.thread, MEMORY_CREATE, FUT_PAGE_SIZE, 0));
    EQUAL(map(&client, memory, 0, FUT_PAGE_SIZE, 0, 7), FUT_ERR_ARGUMENT);
    EQUAL(map(&client, 0, 0, FUT_PAGE_SIZE, 0, 7), FUT_ERR_ARGUMENT);
    EQUAL(map(&client, memory, 0x30000000, FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), 0);
    fut_handle_t space = give(client.task, root, client.h_space, FUT_RIGHTS_ALL);
    EQUAL(S(client.thread, SPACE_PROTECT, space, 0x30000000, FUT_PAGE_SIZE, 7), FUT_ERR_ARGUMENT);
    EQUAL(S(client.thread, SPACE_PROTECT, space, 0x30000000, FUT_PAGE_SIZE, 5), 0);
}

static void a_mapping_gains_nothing_that_its_capability_lacked(void)
{
    fut_handle_t memory = made(S(client.thread, MEMORY_CREATE, 2 * FUT_PAGE_SIZE, 0));
    fut_handle_t read = made(S(client.thread, CAP_MINT, memory, FUT_RIGHT_READ | FUT_RIGHT_MAP));
    fut_handle_t space = give(client.task, root, client.h_space, FUT_RIGHTS_ALL);
    EQUAL(map(&client, read, 0x30000000, FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 3), FUT_ERR_RIGHTS);
    EQUAL(map(&client, read, 0x30000000, FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 5), FUT_ERR_RIGHTS);
    EQUAL(map(&client, read, 0x30000000, FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 1), 0);
    EQUAL(S(client.thread, SPACE_PROTECT, space, 0x30000000, FUT_PAGE_SIZE, 3), FUT_ERR_RIGHTS);
    EQUAL(S(client.thread, SPACE_PROTECT, space, 0x30000000, 2 * FUT_PAGE_SIZE, 1), FUT_ERR_NOT_FOUND);
    // A write there is a fault, and no system call makes one in the kernel's name.
    EQUAL(S(client.thread, EVENT_CREATE), 0);
    EQUAL(S(client.thread, CAP_INFO, value, 0x30000000), FUT_ERR_ADDRESS);
    EQUAL(S(client.thread, CAP_INFO, session, SCRATCH), 0);
    EQUAL(S(client.thread, CAP_INFO, session, 0xffff800000000000ull), FUT_ERR_ADDRESS);
    EQUAL(S(client.thread, CAP_INFO, session, FUT_USER_TOP - 8), FUT_ERR_ADDRESS);
    fut_handle_t unmapped = made(S(client.thread, CAP_MINT, memory, ~FUT_RIGHT_MAP));
    EQUAL(map(&client, unmapped, 0, FUT_PAGE_SIZE, 0, 1), FUT_ERR_RIGHTS);
    // Not beyond its end, not over what is there.
    EQUAL(map(&client, memory, 0, 3 * FUT_PAGE_SIZE, 0, 1), FUT_ERR_ARGUMENT);
    EQUAL(map(&client, memory, 0, FUT_PAGE_SIZE, 2 * FUT_PAGE_SIZE, 1), FUT_ERR_ARGUMENT);
    EQUAL(map(&client, memory, 0, 2 * FUT_PAGE_SIZE, FUT_PAGE_SIZE, 1), FUT_ERR_ARGUMENT);
    EQUAL(map(&client, memory, 0x30000000, FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 1), FUT_ERR_EXISTS);
    EQUAL(map(&client, memory, FUT_USER_TOP - FUT_PAGE_SIZE, 2 * FUT_PAGE_SIZE, 0, FUT_MAP_FIXED | 1), FUT_ERR_ARGUMENT);
}

static void physical_addresses_need_the_right(void)
{
    fut_handle_t memory = made(S(client.thread, MEMORY_CREATE, FUT_PAGE_SIZE, FUT_MEM_CONTIGUOUS));
    fut_handle_t plain = made(S(client.thread, CAP_MINT, memory, ~FUT_RIGHT_DMA));
    struct fut_memory_info info;
    EQUAL(S(client.thread, MEMORY_INFO, memory, SCRATCH), 0);
    peek(client.thread, SCRATCH, &info, sizeof info);
    CHECK(info.physical != 0);
    EQUAL(S(client.thread, MEMORY_INFO, plain, SCRATCH), 0);
    peek(client.thread, SCRATCH, &info, sizeof info);
    EQUAL(info.physical, 0);
}

static void nobody_rises_above_its_ceiling(void)
{
    client.thread->ceiling = 12;
    fut_handle_t self = give(client.task, root, client.h_thread, FUT_RIGHTS_ALL);
    fut_handle_t task = give(client.task, root, client.h_task, FUT_RIGHTS_ALL);
    EQUAL(S(client.thread, THREAD_PRIORITY, self, 13), FUT_ERR_ARGUMENT);
    EQUAL(S(client.thread, THREAD_PRIORITY, self, 12), 0);
    struct fut_thread_params p = {.entry = 0x400000, .priority = 13};
    poke(client.thread, SCRATCH, &p, sizeof p);
    EQUAL(S(client.thread, THREAD_CREATE, task, SCRATCH), FUT_ERR_ARGUMENT);
    p.priority = 12;
    poke(client.thread, SCRATCH, &p, sizeof p);
    fut_handle_t made_one = made(S(client.thread, THREAD_CREATE, task, SCRATCH));
    EQUAL(object_of(cap_lookup(&client.task->caps, made_one)->object, struct thread)->ceiling, 12);
}

static void an_interrupt_has_one_owner_with_the_right(void)
{
    struct object *o;
    CHECK(object_new(FUT_OBJ_MACHINE, root_account, &o) == FUT_OK);
    fut_handle_t machine;
    CHECK(cap_install(server.task, o, FUT_RIGHTS_ALL, &machine) == FUT_OK);
    fut_handle_t weak = made(S(server.thread, CAP_MINT, machine, ~FUT_RIGHT_IRQ)), event = made(S(server.thread, EVENT_CREATE));
    EQUAL(S(server.thread, IRQ_CREATE, weak, 9, 0), FUT_ERR_RIGHTS);
    fut_handle_t irq = made(S(server.thread, IRQ_CREATE, machine, 9, 0));
    EQUAL(S(server.thread, IRQ_CREATE, machine, 9, 0), FUT_ERR_EXISTS);
    EQUAL(S(server.thread, IRQ_CREATE, machine, ARCH_IRQ_COUNT, 0), FUT_ERR_ARGUMENT);
    EQUAL(S(server.thread, IRQ_BIND, irq, event, 4), 0);
    kernel_interrupt(arch_cpu()->current, 9);
    EQUAL(S(server.thread, EVENT_WAIT, event, 4, 0, 0), 0);
    EQUAL(S(server.thread, CAP_DELETE, irq), 0);
    take_away_the_dead();
    kernel_interrupt(arch_cpu()->current, 9); // nobody's: counted, and nothing else
    EQUAL(S(server.thread, EVENT_WAIT, event, 4, 0, 0), FUT_ERR_TIMED_OUT);
    made(S(server.thread, IRQ_CREATE, machine, 9, 0));
}

int main(void)
{
    static const struct test_case cases[] = {
        T(a_handle_cannot_be_guessed), T(rights_only_shrink), T(all_rights_that_a_call_needs_are_needed),
        T(a_revoke_takes_all_that_was_derived), T(other_tasks_tables_need_the_right), T(ipc_needs_the_right),
        T(transfer_needs_the_right), T(a_message_that_does_not_fit_is_refused), T(only_calls_lend_and_only_what_they_say),
        T(a_live_session_cannot_be_acknowledged_away), T(an_event_has_one_channel), T(accounts_hold_at_every_level),
        T(who_is_served_pays_for_its_sessions), T(nothing_is_writable_and_executable),
        T(a_mapping_gains_nothing_that_its_capability_lacked), T(physical_addresses_need_the_right),
        T(nobody_rises_above_its_ceiling), T(an_interrupt_has_one_owner_with_the_right),
    };
    run_cases(cases, sizeof cases / sizeof *cases);
    return 0;
}
