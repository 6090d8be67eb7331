// SPDX-License-Identifier: MPL-2.0
//
// What a test of the kernel mostly needs: a client and a server task, the server's Channel, the client's Session.
// A test program lists its cases and calls run_cases.
#pragma once
#include "harness.h"
#include <string.h>

#define S(t, op, ...) S_(t, FUT_SYS_##op, __VA_ARGS__ __VA_OPT__(,) 0, 0, 0, 0, 0, 0)
#define S_(t, number, a, b, c, d, e, f, ...) sys_whole(t, number, a, b, c, d, e, f, &value)
#define BADGE 77
#define TAG FUT_TAG(9, 0, 0, 0, 8, 1)
#define TAG_CAPS(n) FUT_TAG(9, 0, 0, n, 8, 1)
#define TAG_BODY(n) FUT_TAG(9, FUT_TAG_MEMORY, 0, n, 0, 1)

static uint64_t value;
static struct user client, server;
static fut_handle_t channel, session; // in the server's and the client's table

// A copy of from's capability in to's table, with these rights.
static inline fut_handle_t give(struct task *to, struct task *from, fut_handle_t h, uint32_t rights)
{
    CHECK(!cap_reserve(to, 1));
    struct cap *c = cap_lookup(&from->caps, h);
    CHECK(c);
    return cap_put(to, c->object, c->rights & rights, c)->handle;
}

static inline uint32_t rights_of(struct user *u, fut_handle_t h) { return cap_lookup(&u->task->caps, h)->rights; }

static inline fut_handle_t made(int64_t status)
{
    EQUAL(status, 0);
    return (fut_handle_t)value;
}

static inline void pass_time(uint64_t ns)
{
    host_time += ns;
    if (setjmp(host_idle) == 0)
        kernel_timer(arch_cpu()->current);
}

static inline int64_t map(struct user *u, fut_handle_t memory, uint64_t at, uint64_t bytes, uint64_t offset, uint32_t flags)
{
    struct fut_map q = {.address = at, .offset = offset, .bytes = bytes, .memory = memory, .flags = flags | (memory ? 0 : FUT_MAP_ANON)};
    poke(u->thread, SCRATCH + 0xf000, &q, sizeof q);
    // The task's own Space, from a handle of its own.
    static fut_handle_t h;
    struct cap *c = cap_lookup(&root->caps, u->h_space);
    CHECK(!cap_reserve(u->task, 1));
    h = cap_put(u->task, c->object, c->rights, c)->handle;
    int64_t status = S(u->thread, SPACE_MAP, h, SCRATCH + 0xf000);
    uint64_t kept = value;
    EQUAL(S(u->thread, CAP_DELETE, h), 0);
    value = kept;
    return status;
}

struct test_case { const char *name; void (*run)(void); };
#define T(f) {#f, f}

static inline void run_cases(const struct test_case *cases, unsigned n)
{
    harness_boot();
    for (unsigned i = 0; i < n; i++) {
        fprintf(stderr, "%s\n", cases[i].name);
        client = user_new(nullptr, 10);
        server = user_new(nullptr, 10);
        channel = made(S(server.thread, CHANNEL_CREATE));
        fut_handle_t minted = made(S(server.thread, SESSION_MINT, channel, BADGE, 0x5));
        CHECK(!cap_reserve(client.task, 1));
        session = cap_move(client.task, cap_lookup(&server.task->caps, minted), FUT_RIGHTS_ALL)->handle;
        cases[i].run();
        take_away_the_dead();
        check_invariants();
        if (arch_cpu()->current != root_thread)
            run_as(root_thread);
        destroy_all_tasks_but_root();
        take_away_the_dead();
        check_invariants();
        for (fut_handle_t *h = (fut_handle_t[]){client.h_task, client.h_space, client.h_thread, server.h_task, server.h_space, server.h_thread, 0}; *h; h++)
            EQUAL(S(root_thread, CAP_DELETE, *h), 0);
        check_invariants();
    }
}
