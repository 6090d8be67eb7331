// SPDX-License-Identifier: MPL-2.0
//
// Exhaustive search: every interleaving of what a few threads may do, to a stated depth, over the kernel's real sources.
//
//   kernel_interleavings [--quick | --depth N] [NAME...]    prints states, transitions and depth for each configuration
//
// A configuration is a small world (two or three threads, one or two Channels) and the actions that each thread may
// take whenever it can run, beside the passing of time and what a supervisor does: post, destroy, revoke, close. From
// each state, each action that is possible is tried; the state after it is checked, and then brought back from a
// snapshot. A state that was met before with as many steps left is not entered again; states are compared by a canonical
// description in which objects are numbered by where they are found, so that identities, generations and the clock
// do not make equal states different.
//
// What must hold after every action:
//   - check_invariants: among it that nobody waits for something that is there (no lost wake-up);
//   - a call ends once, with the answer that was given to it and to no other (no double reply, none that goes astray),
//     or with an error that says truly whether a server had received it;
//   - a reply that succeeded ended exactly one call.
// And from every new state, in a copy of it:
//   - when the servers answer all that they can receive and time passes, everybody who waits goes on (no thread is stuck);
//   - when all is ended, the Account has back what it had before the configuration was made (no leak).
#include "pair.h"
#include "snapshot.h"
#include <ipc/fault.h>

#define ACTORS 3
#define MAX_DEPTH 40

enum doing { NOTHING, CALLS, SENDS, RECEIVES, WAITS, READS };
enum action {
    CALL, CALL_DEADLINE, CALL_INTERRUPTIBLE, SEND, GIVE_CALL, HOME_CALL, DROP_SESSION, CALL_NEXT,
    RECV, RECV_DEADLINE, REPLY, REPLY_RECV, SAVE, REPLY_SAVED, DROP_SAVED, ACK,
    WAIT, WAIT_DEADLINE, WAIT_KEEP, WAIT_SET, SIGNAL_1, SIGNAL_2, BIND, UNBIND,
    READ, SUPPLY, FAIL, DECOMMIT,
    TIME, POST, DESTROY, REVOKE, CLOSE, SUSPEND, RESUME, GO_ON,
};
static const char *const action_names[] = {
    "call", "call with deadline", "call interruptibly", "send", "call giving a capability", "call moving the Session home",
    "delete the Session", "call the next server", "receive", "receive with deadline", "reply", "reply and receive", "save the Reply",
    "answer a saved Reply", "delete a saved Reply", "acknowledge", "wait", "wait with deadline", "wait and keep", "wait on the set",
    "signal 1", "signal 2", "bind", "unbind", "read", "supply", "fail", "decommit", "time passes", "post", "destroy", "revoke",
    "close", "suspend", "resume", "go on"};

struct step { enum action what; int who; };
struct configuration {
    const char *name;
    int quick, depth;          // depth of the slice that ctest runs, and of the command
    bool same_server;          // actors 1 and 2 are threads of one task
    uint32_t servers;          // bit i: actor i holds the (first) Channel
    bool chain;                // actor 2 serves a second Channel, which actor 1 calls
    bool events, pager;
    const struct step *steps;
};
#define STEPS (const struct step[])
#define END {0, -1}
static const struct configuration configurations[] = {
    {.name = "two callers, one server", .quick = 7, .depth = 11, .servers = 4, .steps = STEPS{
        {CALL, 0}, {CALL_DEADLINE, 0}, {CALL_INTERRUPTIBLE, 0}, {CALL, 1}, {SEND, 1},
        {RECV, 2}, {REPLY, 2}, {REPLY_RECV, 2}, {SAVE, 2}, {REPLY_SAVED, 2}, {DROP_SAVED, 2}, {TIME, 0}, {POST, 0}, {DESTROY, 0}, END}},
    {.name = "one caller, a server and its successor", .quick = 7, .depth = 11, .servers = 6, .steps = STEPS{
        {CALL, 0}, {CALL_INTERRUPTIBLE, 0}, {CALL_DEADLINE, 0}, {RECV, 1}, {SAVE, 1}, {REPLY_SAVED, 1}, {REPLY_RECV, 1}, {RECV, 2}, {REPLY_RECV, 2},
        {TIME, 0}, {POST, 0}, {DESTROY, 1}, {CLOSE, 0}, {REVOKE, 0}, END}},
    {.name = "one caller, two threads of one server", .quick = 6, .depth = 10, .servers = 6, .same_server = true, .steps = STEPS{
        {CALL, 0}, {CALL_INTERRUPTIBLE, 0}, {CALL_DEADLINE, 0}, {RECV, 1}, {REPLY, 1}, {SAVE, 1}, {REPLY_SAVED, 1}, {DROP_SAVED, 1}, {RECV_DEADLINE, 2},
        {REPLY_RECV, 2}, {REPLY_SAVED, 2}, {TIME, 0}, {POST, 0}, {DESTROY, 0}, {SUSPEND, 2}, {RESUME, 2}, END}},
    {.name = "a chain of two Channels", .quick = 7, .depth = 11, .servers = 2, .chain = true, .steps = STEPS{
        {CALL, 0}, {CALL_DEADLINE, 0}, {CALL_INTERRUPTIBLE, 0}, {RECV, 1}, {CALL_NEXT, 1}, {REPLY, 1}, {REPLY_RECV, 1}, {SAVE, 1}, {REPLY_SAVED, 1},
        {RECV, 2}, {REPLY, 2}, {TIME, 0}, {POST, 0}, {POST, 1}, {DESTROY, 1}, {DESTROY, 2}, END}},
    {.name = "Sessions that end", .quick = 7, .depth = 11, .servers = 6, .steps = STEPS{
        {CALL, 0}, {SEND, 0}, {GIVE_CALL, 0}, {HOME_CALL, 0}, {DROP_SESSION, 0}, {RECV, 1}, {REPLY, 1}, {ACK, 1}, {RECV, 2}, {REPLY_RECV, 2}, {ACK, 2},
        {REVOKE, 0}, {DESTROY, 0}, {DESTROY, 1}, {CLOSE, 0}, END}},
    {.name = "signals, a bound Channel and a WaitSet", .quick = 6, .depth = 10, .servers = 4, .events = true, .steps = STEPS{
        {WAIT, 0}, {WAIT_DEADLINE, 0}, {WAIT_KEEP, 0}, {WAIT_SET, 0}, {GO_ON, 0}, {SIGNAL_1, 1}, {SIGNAL_2, 1}, {WAIT, 1}, {SEND, 1}, {RECV, 2}, {BIND, 2}, {UNBIND, 2},
        {TIME, 0}, {POST, 0}, {CLOSE, 0}, {DESTROY, 0}, END}},
    {.name = "two readers and a pager", .quick = 7, .depth = 11, .servers = 4, .pager = true, .steps = STEPS{
        {READ, 0}, {READ, 1}, {GO_ON, 0}, {GO_ON, 1}, {RECV, 2}, {SUPPLY, 2}, {FAIL, 2}, {DECOMMIT, 2}, {DESTROY, 0}, {DESTROY, 2}, {SUSPEND, 1}, {RESUME, 1}, {CLOSE, 0}, END}},
};

// What the search knows of the actors; part of the state that is saved and brought back.
struct actor {
    struct user u;
    struct thread *t;
    fut_handle_t session, channel, next_session, event, set, memory, scrap;
    enum doing doing;
    uint64_t payload;          // of its call
    bool received, suspended;
    uint64_t serving;          // payload of the call received last and not answered or saved; 0: none
    struct { fut_handle_t handle; uint64_t payload; } saved[4];
    uint64_t told;             // badge of a no-senders notice
};
static struct world {
    struct actor actor[ACTORS];
    fut_handle_t root_channel, root_next, root_event, nudge, nudge_next;
    uint64_t replying;         // payload of the call that this step answers
    unsigned answered;         // calls that ended well in this step
    uint64_t parity;
    bool closed;
} w [[gnu::section("kernel_data")]] = {.parity = 1};

static const struct configuration *config;
static struct step trail[MAX_DEPTH];
static unsigned trail_length;

[[noreturn]] static void broken(const char *what)
{
    fprintf(stderr, "%s: %s, after:\n", config->name, what);
    for (unsigned i = 0; i < trail_length; i++)
        fprintf(stderr, "  %d: %s\n", trail[i].who, action_names[trail[i].what]);
    abort();
}
#define HOLDS(x) do { if (!(x)) broken(#x); } while (0)

// check_invariants aborts: say how it was reached.
#include <signal.h>
static void on_abort(int)
{
    fprintf(stderr, "%s, after:\n", config->name);
    for (unsigned i = 0; i < trail_length; i++)
        fprintf(stderr, "  %d: %s\n", trail[i].who, action_names[trail[i].what]);
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

static bool dead(const struct actor *a) { return a->t->state == FUT_THREAD_DEAD; }
static bool can_run(const struct actor *a) { return a->t->state == FUT_THREAD_RUNNABLE && !a->t->suspended; }

// --- The actions --------------------------------------------------------------------------------------------------------
static void calm(void) // the root thread is current between steps, so that the order of the run queue decides nothing
{
    if (arch_cpu()->current != root_thread)
        run_as(root_thread);
}

// Moves a capability of the root to a's table.
static fut_handle_t hand(struct actor *a, fut_handle_t h)
{
    CHECK(!cap_reserve(a->u.task, 1));
    return cap_move(a->u.task, cap_lookup(&root->caps, h), FUT_RIGHTS_ALL)->handle;
}

static void record_received(struct actor *a)
{
    uint32_t kind = ipc_kind(a->t);
    uint64_t w0 = a->t->arch.w[0];
    if (ipc_status(a->t) != FUT_OK)
        return;
    if (kind == FUT_RECV_CALL) {
        a->serving = w0;
        bool known = false;
        for (int i = 0; i < ACTORS; i++)
            if (w.actor[i].doing == CALLS && w.actor[i].payload == w0) {
                w.actor[i].received = true;
                known = true;
            }
        HOLDS(known); // a call that nobody makes
    } else if (kind == FUT_RECV_NO_SENDERS) {
        a->told = a->t->arch.aux;
    } else if (kind == FUT_RECV_STALE && w0 == 0) {
        a->serving = 0;
    }
}

// What ended in this step: first what was received, then what calls ended with.
static void observe(void)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w.actor[i];
        if (!dead(a) && a->doing == RECEIVES && a->t->state == FUT_THREAD_RUNNABLE) {
            a->doing = NOTHING;
            record_received(a);
        }
    }
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w.actor[i];
        if (dead(a) || a->doing == NOTHING || a->t->state != FUT_THREAD_RUNNABLE)
            continue;
        if (a->doing == CALLS) {
            int32_t status = ipc_status(a->t);
            if (status == FUT_OK) {
                HOLDS(a->received);
                HOLDS(w.replying == a->payload);            // the answer was meant for it
                HOLDS(a->t->arch.w[0] == (a->payload | 0x1000));
                w.answered++;
            } else {
                HOLDS(status == FUT_ERR_TIMED_OUT || status == FUT_ERR_RESTARTED || status == FUT_ERR_PEER_CLOSED ||
                      status == FUT_ERR_INTERRUPTED);
                HOLDS(!!(ipc_out(a->t) & FUT_OUT_MAYBE) == a->received);
                HOLDS(status != FUT_ERR_INTERRUPTED || !a->received);
            }
        } else if (a->doing == SENDS) {
            HOLDS(!(ipc_out(a->t) & FUT_OUT_MAYBE));
        }
        if (a->t->attention & ATTENTION_RESTART)
            continue; // not over: it looks again
        a->doing = NOTHING;
        a->received = false;
    }
}

static void answer(struct actor *a, uint32_t op, fut_handle_t h, uint64_t payload)
{
    w.replying = payload;
    w.answered = 0;
    a->t->arch.w[0] = payload | 0x1000;
    enum doing was = op == FUT_SYS_REPLY_RECV ? RECEIVES : NOTHING;
    a->doing = was;
    int64_t status = ipc(a->t, op, 0, a->channel, TAG, h);
    if (op == FUT_SYS_REPLY) {
        a->doing = NOTHING;
        unsigned before = w.answered;
        observe();
        HOLDS(w.answered - before == (status == FUT_OK));
    } else {
        observe();
        // It answered nobody only if it says so.
        HOLDS(w.answered == 1 || (!waits(a->t) && (status < 0 || ipc_kind(a->t) == FUT_RECV_STALE)) || dead(a));
    }
    w.replying = 0;
}

static bool start_call(struct actor *a, uint32_t op, uint32_t flags, fut_handle_t h, uint64_t tag)
{
    if (!cap_lookup(&a->u.task->caps, h))
        return false;
    a->payload = 2 + 2 * (uint64_t)(a - w.actor) + (w.parity ^= 1);
    a->received = false;
    a->t->arch.w[0] = a->payload;
    a->t->ipc->deadline = host_time + 100;
    a->doing = op == FUT_SYS_CALL ? CALLS : SENDS;
    if (ipc(a->t, op, flags, h, tag, 0) != SYS_BLOCKED)
        observe(); // it ended at once
    return true;
}

static bool timer_runs(void) { return arch_cpu()->next_deadline != FUT_FOREVER; }

// False: not possible here, and nothing has changed.
static bool act(struct step s)
{
    struct actor *a = &w.actor[s.who];
    uint64_t v = 0;
    w.replying = 0;
    switch (s.what) { // the supervisor's
    case TIME:
        if (!timer_runs())
            return false;
        host_time = max(host_time, arch_cpu()->next_deadline);
        if (setjmp(host_idle) == 0)
            kernel_timer(arch_cpu()->current);
        return true;
    case POST:
        return !dead(a) && !a->t->pending && sys(root_thread, FUT_SYS_THREAD_POST, a->u.h_thread, 1, 0, 0, 0, 0, &v) == FUT_OK;
    case DESTROY:
        if (a->u.task->dead)
            return false;
        HOLDS(sys(root_thread, FUT_SYS_TASK_DESTROY, a->u.h_task, 0, 0, 0, 0, 0, &v) == FUT_OK);
        return true;
    case SUSPEND:
        return !dead(a) && !a->t->suspended && sys(root_thread, FUT_SYS_THREAD_SUSPEND, a->u.h_thread, 0, 0, 0, 0, 0, &v) == FUT_OK;
    case RESUME:
        return !dead(a) && a->t->suspended && sys(root_thread, FUT_SYS_THREAD_RESUME, a->u.h_thread, 0, 0, 0, 0, 0, &v) == FUT_OK;
    case GO_ON: // its system call starts over
        if (!can_run(a) || !(a->t->attention & ATTENTION_RESTART))
            return false;
        run_as(a->t);
        return true;
    case REVOKE: // all Sessions: they were derived from the Channel that the root holds
    case CLOSE: {
        struct cap *c = w.closed ? nullptr : cap_lookup(&root->caps, w.root_channel);
        if (!c || (s.what == REVOKE && !c->child))
            return false;
        HOLDS(sys(root_thread, FUT_SYS_CAP_REVOKE, w.root_channel, 0, 0, 0, 0, 0, &v) == FUT_OK);
        if (s.what == CLOSE) {
            HOLDS(sys(root_thread, FUT_SYS_CAP_DELETE, w.root_channel, 0, 0, 0, 0, 0, &v) == FUT_OK);
            w.closed = true;
        }
        return true;
    }
    default:
        break;
    }
    if (!can_run(a) || a->doing != NOTHING)
        return false;
    struct cap_table *table = &a->u.task->caps;
    switch (s.what) {
    case CALL: return start_call(a, FUT_SYS_CALL, 0, a->session, TAG);
    case CALL_NEXT: return start_call(a, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, a->next_session, TAG);
    case CALL_DEADLINE: return start_call(a, FUT_SYS_CALL, FUT_IPC_DEADLINE, a->session, TAG);
    case CALL_INTERRUPTIBLE: return start_call(a, FUT_SYS_CALL, FUT_IPC_INTERRUPTIBLE, a->session, TAG);
    case SEND: return start_call(a, FUT_SYS_SEND, 0, a->session, TAG);
    case GIVE_CALL:
        if (!cap_lookup(table, a->scrap))
            return false;
        a->t->arch.caps01 = a->scrap | FUT_CAP_MOVE;
        return start_call(a, FUT_SYS_CALL, 0, a->session, TAG_CAPS(1));
    case HOME_CALL:
        a->t->arch.caps01 = a->session | FUT_CAP_MOVE;
        return start_call(a, FUT_SYS_CALL, 0, a->session, TAG_CAPS(1));
    case DROP_SESSION:
        return sys(a->t, FUT_SYS_CAP_DELETE, a->session, 0, 0, 0, 0, 0, &v) == FUT_OK;
    case RECV:
    case RECV_DEADLINE:
        if (!cap_lookup(table, a->channel))
            return false;
        a->doing = RECEIVES;
        a->serving = 0; // a call not answered is given up
        a->t->ipc->deadline = host_time + 100;
        ipc(a->t, FUT_SYS_RECV, s.what == RECV ? 0 : FUT_IPC_DEADLINE, a->channel, 0, 0);
        return true;
    case REPLY:
    case REPLY_RECV: {
        if (!a->serving || (s.what == REPLY_RECV && !cap_lookup(table, a->channel)))
            return false;
        uint64_t payload = a->serving;
        a->serving = 0;
        answer(a, s.what == REPLY ? FUT_SYS_REPLY : FUT_SYS_REPLY_RECV, 0, payload);
        return true;
    }
    case SAVE: {
        if (!a->serving)
            return false;
        int64_t status = sys(a->t, FUT_SYS_REPLY_SAVE, 0, 0, 0, 0, 0, 0, &v);
        if (status == FUT_OK)
            for (unsigned i = 0; i < 4; i++)
                if (!a->saved[i].handle) {
                    a->saved[i].handle = (fut_handle_t)v;
                    a->saved[i].payload = a->serving;
                    break;
                }
        a->serving = 0;
        return true;
    }
    case REPLY_SAVED:
    case DROP_SAVED:
        // The first one of its task: a Reply belongs to the task, not to the thread that saved it.
        for (int n = 0; n < ACTORS; n++)
            for (unsigned i = 0; w.actor[n].u.task == a->u.task && i < 4; i++)
                if (w.actor[n].saved[i].handle) {
                    fut_handle_t h = w.actor[n].saved[i].handle;
                    uint64_t payload = w.actor[n].saved[i].payload;
                    w.actor[n].saved[i].handle = 0;
                    if (s.what == REPLY_SAVED)
                        answer(a, FUT_SYS_REPLY, h, payload);
                    else
                        (void)sys(a->t, FUT_SYS_CAP_DELETE, h, 0, 0, 0, 0, 0, &v);
                    return true;
                }
        return false;
    case ACK:
        if (!a->told)
            return false;
        (void)sys(a->t, FUT_SYS_SESSION_ACK, a->channel, a->told, 0, 0, 0, 0, &v);
        a->told = 0;
        return true;
    case WAIT:
    case WAIT_DEADLINE:
    case WAIT_KEEP:
        a->doing = WAITS;
        (void)sys(a->t, FUT_SYS_EVENT_WAIT, a->event, s.who == 1 ? 2 : 1, s.what == WAIT_DEADLINE ? host_time + 100 : FUT_FOREVER,
                  s.what == WAIT_KEEP ? FUT_WAIT_KEEP : FUT_WAIT_INTERRUPTIBLE, 0, 0, &v);
        return true;
    case WAIT_SET:
        a->doing = WAITS;
        (void)sys(a->t, FUT_SYS_WAITSET_WAIT, a->set, SCRATCH, 2, host_time + 100, 0, 0, &v);
        return true;
    case SIGNAL_1:
    case SIGNAL_2:
        return sys(a->t, FUT_SYS_EVENT_SIGNAL, a->event, s.what == SIGNAL_1 ? 1 : 2, 0, 0, 0, 0, &v) == FUT_OK;
    case BIND:
    case UNBIND:
        return sys(a->t, FUT_SYS_CHANNEL_BIND, a->channel, s.what == BIND ? a->event : 0, 0, 0, 0, 0, &v) == FUT_OK;
    case READ:
        a->doing = READS;
        (void)sys(a->t, FUT_SYS_MEMORY_READ, a->memory, 0, SCRATCH, 8, 0, 0, &v);
        return true;
    case SUPPLY:
        return sys(a->t, FUT_SYS_MEMORY_SUPPLY, a->memory, 0, a->scrap, 0, FUT_PAGE_SIZE, 0, &v) == FUT_OK;
    case FAIL:
        return sys(a->t, FUT_SYS_MEMORY_FAIL, a->memory, 0, FUT_PAGE_SIZE, 0, 0, 0, &v) == FUT_OK;
    case DECOMMIT:
        return sys(a->t, FUT_SYS_MEMORY_DECOMMIT, a->memory, 0, FUT_PAGE_SIZE, 0, 0, 0, &v) == FUT_OK;
    default:
        return false;
    }
}

static bool step(struct step s)
{
    w.answered = 0;
    if (!act(s))
        return false;
    observe();
    take_away_the_dead();
    calm();
    observe();
    return true;
}

// --- The world ------------------------------------------------------------------------------------------------------------
static void build(void)
{
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w.actor[i];
        if (i == 2 && config->same_server) {
            a->u = w.actor[1].u;
            a->t = user_thread(&a->u, 1);
            continue;
        }
        a->u = user_new(nullptr, 10);
        a->t = a->u.thread;
    }
    calm();
    w.root_channel = made(S(root_thread, CHANNEL_CREATE));
    if (config->chain)
        w.root_next = made(S(root_thread, CHANNEL_CREATE)), w.nudge_next = made(S(root_thread, SESSION_MINT, w.root_next, 30, 0));
    w.nudge = made(S(root_thread, SESSION_MINT, w.root_channel, 30, 0));
    if (config->events)
        w.root_event = made(S(root_thread, EVENT_CREATE));
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w.actor[i];
        if (config->servers >> i & 1)
            a->channel = i == 2 && config->same_server ? w.actor[1].channel : give(a->u.task, root, w.root_channel, ~FUT_RIGHT_MANAGE);
        else if (!config->pager) {
            fut_handle_t h = made(S(root_thread, SESSION_MINT, w.root_channel, 10 + (uint64_t)i, 1));
            a->session = hand(a, h);
        }
        if (config->events) {
            a->event = give(a->u.task, root, w.root_event, FUT_RIGHTS_ALL);
            a->set = made(S(a->t, WAITSET_CREATE));
            EQUAL(S(a->t, WAITSET_ADD, a->set, a->event, 1, 5), 0);
        }
        if (!config->pager)
            a->scrap = made(S(a->t, EVENT_CREATE));
    }
    if (config->chain) {
        struct actor *a = &w.actor[2];
        if (a->session)
            EQUAL(S(a->t, CAP_DELETE, a->session), 0);
        a->session = 0;
        a->channel = give(a->u.task, root, w.root_next, ~FUT_RIGHT_MANAGE);
        fut_handle_t h = made(S(root_thread, SESSION_MINT, w.root_next, 20, 1));
        w.actor[1].next_session = hand(&w.actor[1], h);
    }
    if (config->pager) {
        struct actor *p = &w.actor[2];
        fut_handle_t manage = give(p->u.task, root, w.root_channel, FUT_RIGHTS_ALL);
        p->memory = made(S(p->t, MEMORY_PAGED, FUT_PAGE_SIZE, manage, 99));
        EQUAL(S(p->t, CAP_DELETE, manage), 0);
        p->scrap = made(S(p->t, MEMORY_CREATE, FUT_PAGE_SIZE, 0));
        for (int i = 0; i < 2; i++)
            w.actor[i].memory = give(w.actor[i].u.task, p->u.task, p->memory, FUT_RIGHT_READ);
    }
    calm();
}

// --- A state in canonical form ------------------------------------------------------------------------------------------
static uint64_t hash;
static const void *numbered[256];
static unsigned numbered_count;

static void add(uint64_t v)
{
    hash = (hash ^ v) * 0x9fb21c651e98df25ull;
    hash ^= hash >> 32;
}

static unsigned number(const void *p)
{
    if (!p)
        return 0;
    for (unsigned i = 0; i < numbered_count; i++)
        if (numbered[i] == p)
            return i + 1;
    CHECK(numbered_count < 256);
    numbered[numbered_count++] = p;
    return numbered_count;
}

static void add_threads(const struct list *head, size_t offset)
{
    for (const struct list *l = head->next; l != head; l = l->next)
        add(number((const char *)l - offset));
    add(0xfe);
}

static void add_thread(const struct thread *t)
{
    add(t->state);
    if (t->state == FUT_THREAD_DEAD)
        return;
    add(t->suspended | t->stale_caller << 1 | t->cancel_wanted << 2 | (t->attention & (ATTENTION_RESTART | ATTENTION_PENDING)) << 3);
    add(t->priority | t->base_priority << 8);
    add(t->pending);
    add(number(t->caller));
    add(number(t->server));
    add(number(t->reply_cap ? t->reply_cap->task : nullptr));
    add(t->timer.in ? t->timer.key - host_time : FUT_FOREVER);
    if (t->state != FUT_THREAD_RUNNABLE || t->attention & ATTENTION_RESTART) {
        add(t->call_flags);
        add(number(t->session));
        add(number(t->waits_on));
        add(t->wait_mask);
        add(t->state == FUT_THREAD_SENDING || t->state == FUT_THREAD_CALLING ? t->arch.tag << 8 | t->arch.w[0] : t->arch.op);
    }
}

static void add_object(const struct object *o)
{
    add(o->type);
    switch (o->type) {
    case FUT_OBJ_CHANNEL: {
        const struct channel *ch = object_of(o, const struct channel);
        add(ch->dead | ch->attention << 1);
        add_threads(&ch->receivers, offsetof(struct thread, queue.link));
        for (const struct list *l = ch->queue.next; l != &ch->queue; l = l->next) {
            const struct queue_node *n = container_of(l, const struct queue_node, link);
            add(n->kind);
            add(n->kind == QUEUE_NOTICE ? number(container_of(n, const struct session, notice)) : number(container_of(n, const struct thread, queue)));
        }
        add_threads(&ch->cancels, offsetof(struct thread, cancel_link));
        add_threads(&ch->faulting, offsetof(struct thread, channel_fault_link));
        for (const struct cap *c = ch->stale; c; c = c->next)
            add(number(c->task));
        for (struct tree_node *n = tree_first(&ch->sessions); n; n = tree_next(n)) {
            const struct session *s = container_of(n, const struct session, node);
            add(n->key << 8 | s->notice_state << 4 | min(s->object.handles, 3u));
        }
        add(number(ch->event));
        int server = ACTORS;
        for (int i = 0; i < ACTORS; i++)
            if (w.actor[i].u.task == ch->server)
                server = i;
        add(ch->server ? (uint64_t)server + 1 : 0);
        break;
    }
    case FUT_OBJ_EVENT: {
        const struct event *e = object_of(o, const struct event);
        add(e->bits);
        add_threads(&e->waiters, offsetof(struct thread, queue.link));
        add(number(e->channel));
        break;
    }
    case FUT_OBJ_WAITSET:
        add_threads(&object_of(o, const struct waitset)->waiters, offsetof(struct thread, queue.link));
        break;
    case FUT_OBJ_MEMORY: {
        const struct memory *m = object_of(o, const struct memory);
        add(m->kind | m->committed << 4);
        add(m->root && m->kind == MEMORY_PAGED ? m->root->slot[0] & 6 : 0); // dirty, failed
        add_threads(&m->faulters, offsetof(struct thread, fault_link));
        break;
    }
    default:
        break;
    }
}

static uint64_t describe(void)
{
    hash = 0x2545f4914f6cdd1dull;
    numbered_count = 0;
    for (int i = 0; i < ACTORS; i++) {
        number(w.actor[i].t);
        number(w.actor[i].u.task);
    }
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &w.actor[i];
        add_thread(a->t);
        add(a->doing | a->received << 4 | (dead(a) ? 0 : a->serving) << 8 | a->told << 16);
        add(a->doing == CALLS ? a->payload : 0);
        for (unsigned k = 0; k < 4; k++)
            add(a->saved[k].handle && !a->u.task->dead ? a->saved[k].payload : 0);
    }
    add(w.closed | w.parity << 1);
    struct task *tasks[] = {root, w.actor[0].u.task, w.actor[1].u.task, w.actor[2].u.task};
    for (unsigned n = 0; n < 4; n++) {
        struct task *t = tasks[n];
        add(0x100 | t->dead);
        if (n == 3 && config->same_server)
            continue;
        // Where each named capability is, and what else is in the table.
        for (unsigned l = 0; t->caps.leaf && l < CAP_LEAVES; l++)
            for (unsigned i = 0; t->caps.leaf[l] && i < CAP_LEAF_SLOTS; i++) {
                const struct cap *c = &t->caps.leaf[l][i];
                if (!c->object)
                    continue;
                add(i | c->rights << 8 | (uint64_t)c->type << 40);
                if (c->type != FUT_OBJ_REPLY) {
                    add(number(c->object));
                    add(number(c->parent ? c->parent->object : nullptr));
                    add(number(c->parent ? c->parent->task : nullptr));
                } else {
                    add(c->object == &stale_reply ? 1 : number(container_of(c->object, const struct thread, reply)));
                }
            }
    }
    for (unsigned i = 0; i < numbered_count; i++) {
        // Threads and tasks were described; the others are objects.
        bool other = true;
        for (int k = 0; k < ACTORS; k++)
            other = other && numbered[i] != w.actor[k].t && numbered[i] != w.actor[k].u.task;
        if (!other || numbered[i] == root || numbered[i] == root_thread)
            continue;
        const struct object *o = numbered[i];
        if (o->type == FUT_OBJ_CHANNEL || o->type == FUT_OBJ_EVENT || o->type == FUT_OBJ_WAITSET || o->type == FUT_OBJ_MEMORY)
            add_object(o);
    }
    return hash;
}

// --- What must be possible from a state --------------------------------------------------------------------------------
static uint64_t base_objects, base_pages;

static bool has_saved(const struct actor *a)
{
    for (int n = 0; n < ACTORS; n++)
        for (unsigned i = 0; w.actor[n].u.task == a->u.task && i < 4; i++)
            if (w.actor[n].saved[i].handle)
                return true;
    return false;
}

static bool waits_for_others(const struct actor *a)
{
    return !dead(a) && a->doing != NOTHING && a->doing != RECEIVES;
}

// Servers answer all that they can, and time passes, until nothing more happens.
static void settle(void)
{
    for (unsigned round = 0; round < 60; round++) {
        bool progress = false;
        for (int i = ACTORS - 1; i >= 0; i--) {
            struct actor *a = &w.actor[i];
            if (dead(a) || !a->channel || !can_run(a))
                continue;
            progress = step((struct step){REPLY, i}) || progress;
            progress = step((struct step){REPLY_SAVED, i}) || progress;
            if (can_run(a) && a->doing == NOTHING && cap_lookup(&a->u.task->caps, a->channel)) {
                a->doing = RECEIVES;
                a->serving = 0;
                int64_t status = ipc(a->t, FUT_SYS_RECV, FUT_IPC_NONBLOCK, a->channel, 0, 0);
                observe();
                calm();
                observe();
                progress = progress || status == FUT_OK;
            }
        }
        // A server that waits for messages gets one, and then looks at the Replies that it saved.
        for (int i = 0; i < ACTORS; i++)
            if (!progress && !dead(&w.actor[i]) && w.actor[i].doing == RECEIVES) {
                fut_handle_t nudge = config->chain && i == 2 ? w.nudge_next : w.nudge;
                for (int n = 0; n < ACTORS && !can_run(&w.actor[i]); n++) { // another may come first
                    (void)ipc(root_thread, FUT_SYS_SEND, FUT_IPC_NONBLOCK, nudge, TAG, 0);
                    observe();
                    calm();
                    observe();
                }
                progress = can_run(&w.actor[i]) && (has_saved(&w.actor[i]) || config->pager);
            }
        if (config->pager && !dead(&w.actor[2]))
            step((struct step){FAIL, 2});
        for (int i = 0; i < ACTORS; i++)
            progress = step((struct step){GO_ON, i}) || progress;
        bool waiting = false;
        for (int i = 0; i < ACTORS; i++)
            waiting = waiting || waits_for_others(&w.actor[i]);
        if (!progress && waiting && timer_runs())
            progress = step((struct step){TIME, 0});
        if (!progress || !waiting)
            break;
    }
}

static void finish(void)
{
    for (int i = 0; i < ACTORS; i++)
        step((struct step){RESUME, i});
    settle();
    for (int n = 0; config->events && n < 2; n++) { // one wait may take what the other wants
        (void)S(root_thread, EVENT_SIGNAL, w.root_event, 3);
        observe();
        calm();
        settle();
    }
    for (int i = 0; i < ACTORS; i++) {
        if (!waits_for_others(&w.actor[i]))
            continue;
        // Whoever waits still, waits on a Channel that nobody serves any more.
        for (int k = 0; k < ACTORS && !config->chain; k++) {
            const struct actor *s = &w.actor[k];
            HOLDS(!s->channel || dead(s) || k == i || !cap_lookup(&s->u.task->caps, s->channel));
        }
    }
    // Closing it ends that.
    step((struct step){CLOSE, 0});
    if (config->chain) {
        (void)S(root_thread, CAP_REVOKE, w.root_next);
        (void)S(root_thread, CAP_DELETE, w.root_next);
        observe();
        calm();
    }
    settle();
    for (int i = 0; i < ACTORS; i++)
        HOLDS(!waits_for_others(&w.actor[i]));
    check_invariants();
    // And all of it can be ended.
    destroy_all_tasks_but_root();
    take_away_the_dead();
    calm();
    for (unsigned i = 0; i < CAP_LEAF_SLOTS; i++) {
        struct cap *c = &root->caps.leaf[0][i];
        if (c->object && c->object != &root->object && c->object != &root_thread->object)
            cap_delete(c);
    }
    take_away_the_dead();
    check_invariants();
    HOLDS(root_account->objects_used == base_objects);
    HOLDS(root_account->pages_used == base_pages);
}

// --- The search ---------------------------------------------------------------------------------------------------------
#define TABLE_BITS 22
static struct { uint64_t hash; uint8_t left; } *met; // open addressing
static uint64_t states, transitions, met_again;

// True: new, or met with fewer steps left than now. *fresh: never met.
static bool enter_state(uint64_t h, unsigned left, bool *fresh)
{
    for (uint64_t at = h >> (64 - TABLE_BITS);; at = (at + 1) & ((1u << TABLE_BITS) - 1)) {
        if (met[at].hash == h) {
            *fresh = false;
            if (met[at].left >= left)
                return false;
            met[at].left = (uint8_t)left;
            return true;
        }
        if (!met[at].hash) {
            if (states > (3u << TABLE_BITS) / 4)
                broken("more states than the table holds: search less deep");
            met[at].hash = h;
            met[at].left = (uint8_t)left;
            states++;
            *fresh = true;
            return true;
        }
    }
}

static void search(unsigned left)
{
    static struct snapshot *kept[MAX_DEPTH];
    if (left == 0)
        return;
    if (!kept[left])
        kept[left] = snapshot_new();
    snapshot_take(kept[left]);
    for (const struct step *s = config->steps; s->who >= 0; s++) {
        trail[trail_length++] = *s;
        if (step(*s)) {
            transitions++;
            check_invariants();
            bool fresh;
            if (enter_state(describe() | 1, left, &fresh)) {
                if (fresh) {
                    static struct snapshot *here;
                    here = here ? here : snapshot_new();
                    snapshot_take(here);
                    finish();
                    snapshot_restore(here);
                }
                search(left - 1);
            } else {
                met_again++;
            }
            snapshot_restore(kept[left]);
        } else {
            calm();
        }
        trail_length--;
    }
}

int main(int argc, char **argv)
{
    bool quick = false;
    int depth = 0, names = 0;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--quick"))
            quick = true;
        else if (!strcmp(argv[i], "--depth") && i + 1 < argc)
            depth = atoi(argv[++i]);
        else
            argv[++names] = argv[i];
    signal(SIGABRT, on_abort);
    harness_boot();
    check_invariants();
    base_objects = root_account->objects_used;
    base_pages = root_account->pages_used;
    static struct snapshot *empty;
    empty = snapshot_new();
    snapshot_take(empty);
    met = calloc(1u << TABLE_BITS, sizeof *met);
    for (unsigned i = 0; i < sizeof configurations / sizeof *configurations; i++) {
        config = &configurations[i];
        bool chosen = names == 0;
        for (int n = 1; n <= names; n++)
            chosen = chosen || strstr(config->name, argv[n]);
        if (!chosen)
            continue;
        int d = depth ? depth : quick ? config->quick : config->depth;
        if (d < 1 || d >= MAX_DEPTH) {
            fprintf(stderr, "a depth from 1 to %d\n", MAX_DEPTH - 1);
            return 2;
        }
        memset(met, 0, (1u << TABLE_BITS) * sizeof *met);
        states = transitions = met_again = 0;
        snapshot_restore(empty);
        build();
        check_invariants();
        search((unsigned)d);
        printf("%-45s depth %2d: %8lu states, %9lu transitions\n", config->name, d, (unsigned long)states, (unsigned long)transitions);
        fflush(stdout);
    }
    return 0;
}
