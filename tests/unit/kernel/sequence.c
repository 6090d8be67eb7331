// SPDX-License-Identifier: MPL-2.0
//
// One step of a sequence: some thread that can run makes some system call, faults, or time passes. Every decision is
// asked of sequence_choose, so the same step serves a random generator (random_test.c) and a fuzzer's bytes
// (sequences.c). The root task holds everything and is never destroyed; it makes new tasks when few are left.
#include "sequence.h"
#include <string.h>

uint64_t (*sequence_choose)(uint64_t n);
static uint64_t below(uint64_t n) { return n ? sequence_choose(n) : 0; }
static uint64_t rnd(void) { return sequence_choose(UINT64_MAX); }
static bool verbose;

// Argument kinds: see argument().
static const struct { uint32_t op; const char *args; uint32_t weight; } ops[] = {
    {FUT_SYS_NULL, "", 1},
    {FUT_SYS_REPLY_SAVE, "", 6},
    {FUT_SYS_LENT_READ, "RiozN", 3}, {FUT_SYS_LENT_WRITE, "RiozN", 3},
    {FUT_SYS_CAP_MINT, "hr", 6}, {FUT_SYS_CAP_DELETE, "h", 10}, {FUT_SYS_CAP_REVOKE, "h", 2},
    {FUT_SYS_CAP_INFO, "hu", 1}, {FUT_SYS_CAP_GRANT, "Thr0", 6}, {FUT_SYS_CAP_TAKE, "Tnr", 2},
    {FUT_SYS_CHANNEL_CREATE, "", 3}, {FUT_SYS_SESSION_MINT, "Cbn", 8}, {FUT_SYS_SESSION_ACK, "Cb", 5},
    {FUT_SYS_CHANNEL_NEXT, "Cb", 1}, {FUT_SYS_CHANNEL_BIND, "CE", 2}, {FUT_SYS_SESSION_WATCH, "SEb", 2},
    {FUT_SYS_EVENT_CREATE, "", 3}, {FUT_SYS_EVENT_SIGNAL, "Eb", 6}, {FUT_SYS_EVENT_CLEAR, "Eb", 2},
    {FUT_SYS_EVENT_WAIT, "Ebdf", 4}, {FUT_SYS_WAITSET_CREATE, "", 1}, {FUT_SYS_WAITSET_ADD, "WEbn", 4},
    {FUT_SYS_WAITSET_REMOVE, "Wn", 1}, {FUT_SYS_WAITSET_WAIT, "Wund", 3},
    {FUT_SYS_MEMORY_CREATE, "pm", 5}, {FUT_SYS_MEMORY_SLICE, "Mpp", 1}, {FUT_SYS_MEMORY_SNAPSHOT, "Mpp", 4},
    {FUT_SYS_MEMORY_RESIZE, "Mp", 2}, {FUT_SYS_MEMORY_READ, "MouN", 4}, {FUT_SYS_MEMORY_WRITE, "MouN", 4},
    {FUT_SYS_MEMORY_INFO, "Mu", 1}, {FUT_SYS_MEMORY_PAGED, "pCb", 3}, {FUT_SYS_MEMORY_SUPPLY, "MpMppq", 5},
    {FUT_SYS_MEMORY_FAIL, "Mpp", 2}, {FUT_SYS_MEMORY_DECOMMIT, "Mpp", 3}, {FUT_SYS_MEMORY_DIRTY, "Mpunq", 2},
    {FUT_SYS_SPACE_CREATE, "0", 1}, {FUT_SYS_SPACE_MAP, "Ax", 8}, {FUT_SYS_SPACE_UNMAP, "Aap", 3},
    {FUT_SYS_SPACE_PROTECT, "AapP", 3}, {FUT_SYS_SPACE_CLONE, "A0", 2}, {FUT_SYS_SPACE_QUERY, "Aau", 1},
    {FUT_SYS_SPACE_READ, "AauN", 2}, {FUT_SYS_SPACE_WRITE, "AauN", 2},
    {FUT_SYS_TASK_CREATE, "0A", 2}, {FUT_SYS_TASK_CLONE, "T0Ayn", 2}, {FUT_SYS_TASK_NATIVE, "T0n", 0},
    {FUT_SYS_TASK_WATCH, "TEb", 2}, {FUT_SYS_TASK_DESTROY, "T", 1}, {FUT_SYS_TASK_INFO, "Tu", 1},
    {FUT_SYS_TASK_CAPS, "Tunn", 1}, {FUT_SYS_THREAD_CREATE, "Tt", 4}, {FUT_SYS_THREAD_RESUME, "H", 4},
    {FUT_SYS_THREAD_SUSPEND, "H", 1}, {FUT_SYS_THREAD_POST, "Hb", 4}, {FUT_SYS_THREAD_GET, "Hu", 1},
    {FUT_SYS_THREAD_INFO, "Hu", 1}, {FUT_SYS_THREAD_PRIORITY, "Hn", 1}, {FUT_SYS_THREAD_EXIT, "", 1},
    {FUT_SYS_YIELD, "", 2}, {FUT_SYS_UPCALL_SET, "v", 1}, {FUT_SYS_UPCALL_RETURN, "", 1}, {FUT_SYS_THREAD_DESTROY, "H", 1},
    {FUT_SYS_FUTEX_WAIT, "zzd", 2}, {FUT_SYS_FUTEX_WAKE, "zn", 3}, {FUT_SYS_FUTEX_REQUEUE, "znzn", 1},
    {FUT_SYS_IRQ_CREATE, "Xnn", 1}, {FUT_SYS_IRQ_MSI, "Xu", 1}, {FUT_SYS_IRQ_BIND, "IEb", 1}, {FUT_SYS_IRQ_ACK, "I", 1},
    {FUT_SYS_ACCOUNT_CREATE, "Qpn", 1}, {FUT_SYS_ACCOUNT_INFO, "Qu", 1},
    {FUT_SYS_IRQ_LIMIT, "In", 1}, {FUT_SYS_MACHINE_IRQ, "Xnu", 1}, {FUT_SYS_ACCOUNT_WATCH, "QEbn", 2},
    {FUT_SYS_TASK_REVOKE, "T", 1}, {FUT_SYS_AUDIT_READ, "hnun", 0},
    {FUT_SYS_SCHEDULE_CREATE, "g", 2}, {FUT_SYS_SCHEDULE_SET, "Lg", 2}, {FUT_SYS_SCHEDULE_BIND, "LH", 6},
    {FUT_SYS_SCHEDULE_INFO, "Lu", 1}, {FUT_SYS_ACCOUNT_SCHEDULE, "QL", 2},
};

static bool blocking(uint32_t op)
{
    return op == FUT_SYS_EVENT_WAIT || op == FUT_SYS_WAITSET_WAIT || op == FUT_SYS_FUTEX_WAIT || op == FUT_SYS_THREAD_EXIT ||
           op == FUT_SYS_TASK_DESTROY || op == FUT_SYS_THREAD_DESTROY || op == FUT_SYS_MEMORY_READ || op == FUT_SYS_MEMORY_WRITE ||
           op == FUT_SYS_THREAD_SUSPEND || op == FUT_SYS_SPACE_READ || op == FUT_SYS_SPACE_WRITE || op == FUT_SYS_MEMORY_SNAPSHOT ||
           op == FUT_SYS_CAP_DELETE || op == FUT_SYS_CAP_REVOKE || op == FUT_SYS_SPACE_UNMAP || op == FUT_SYS_SPACE_PROTECT ||
           op == FUT_SYS_SPACE_MAP;
}

// A handle of t's table of the wanted type, most of the time.
static fut_handle_t pick(struct task *t, uint32_t type)
{
    if (below(40) == 0)
        return (fut_handle_t)rnd();
    if (below(30) == 0)
        type = FUT_OBJ_NONE;
    struct cap *found[256];
    unsigned n = 0;
    for (unsigned l = 0; l < CAP_LEAVES; l++)
        for (unsigned i = 0; t->caps.leaf[l] && i < CAP_LEAF_SLOTS; i++) {
            struct cap *c = &t->caps.leaf[l][i];
            if (c->object && (type == FUT_OBJ_NONE || c->type == type) && n < 256)
                found[n++] = c;
        }
    return n ? found[below(n)]->handle : 0;
}

static uint64_t argument(struct thread *t, char kind)
{
    static const struct { char c; uint32_t type; } types[] = {
        {'h', FUT_OBJ_NONE}, {'T', FUT_OBJ_TASK}, {'H', FUT_OBJ_THREAD}, {'C', FUT_OBJ_CHANNEL}, {'S', FUT_OBJ_SESSION},
        {'R', FUT_OBJ_REPLY}, {'E', FUT_OBJ_EVENT}, {'W', FUT_OBJ_WAITSET}, {'M', FUT_OBJ_MEMORY}, {'A', FUT_OBJ_SPACE},
        {'I', FUT_OBJ_IRQ}, {'Q', FUT_OBJ_ACCOUNT}, {'X', FUT_OBJ_MACHINE}, {'L', FUT_OBJ_SCHEDULE}};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].c == kind)
            return kind == 'R' && below(2) ? 0 : pick(t->task, types[i].type);
    switch (kind) {
    case 'n': return below(20);
    case 'q': return below(20) ? below(2) : below(4); // flags
    case 'i': return below(3) == 0 ? below(5) : FUT_LENT_RANGE + below(5);
    case 'b': return below(3) ? 1ull << below(4) : rnd() & 0xff;
    case 'r': return below(3) ? FUT_RIGHTS_ALL : rnd();
    case 'f': return below(4);
    case 'P': return below(8);
    case 'm': return below(10) == 0 ? FUT_MEM_CONTIGUOUS : below(4) == 0 ? FUT_MEM_COMMIT : 0;
    case 'p': return below(10) == 0 ? rnd() : below(9) * FUT_PAGE_SIZE;
    case 'o': return below(9 * FUT_PAGE_SIZE);
    case 'N': return below(20) == 0 ? rnd() : below(9000);
    case 'u': return below(10) == 0 ? rnd() : SCRATCH + below(SCRATCH_BYTES);
    case 'z': return SCRATCH + below(3) * FUT_PAGE_SIZE + below(2) * 4;
    case 'a': return below(5) == 0 ? 0x30000000ull + below(40) * FUT_PAGE_SIZE : SCRATCH + below(20) * FUT_PAGE_SIZE;
    case 'd': return below(3) == 0 ? FUT_FOREVER : below(3) == 0 ? 0 : host_time + below(2000);
    default: return 0;
    }
}

static void try_poke(struct thread *t, uint64_t va, const void *data, size_t n)
{
    struct memory *wait;
    uint64_t offset;
    (void)!space_copy(t->space, va, (void *)data, n, true, &wait, &offset);
}

static uint64_t prepared(struct thread *t, char kind)
{
    uint64_t at = SCRATCH + 15 * FUT_PAGE_SIZE;
    if (kind == 'x') {
        struct fut_map q = {
            .address = below(2) ? 0 : argument(t, 'a'), .offset = argument(t, 'p'), .bytes = argument(t, 'p'),
            .memory = below(3) ? pick(t->task, FUT_OBJ_MEMORY) : 0,
            .flags = (uint32_t)(below(20) ? below(4) | 1 : rnd()),
        };
        if (!q.memory)
            q.flags |= FUT_MAP_ANON, q.offset = 0;
        else if (below(2))
            q.flags |= FUT_MAP_PRIVATE;
        if (q.address && below(2))
            q.flags |= below(2) ? FUT_MAP_REPLACE : FUT_MAP_FIXED;
        try_poke(t, at, &q, sizeof q);
        return at;
    }
    if (kind == 'y') {
        for (unsigned i = 0; i < 20; i++) {
            struct fut_clone_cap e = {pick(t->task, FUT_OBJ_NONE), below(4) == 0 ? pick(t->task, FUT_OBJ_NONE) : 0};
            try_poke(t, at + i * sizeof e, &e, sizeof e);
        }
        return at;
    }
    if (kind == 'v') {
        struct fut_upcall u = {0x400000, SCRATCH + 4096, SCRATCH + 14 * FUT_PAGE_SIZE, 0, 4 + (uint32_t)below(6), 0xe};
        try_poke(t, at, &u, sizeof u);
        return below(5) ? at : 0;
    }
    if (kind == 'g') {
        struct fut_schedule q = {(uint32_t)below(30), 0, below(4) ? 1 + below(2000) : FUT_FOREVER,
                                 below(4) ? FUT_PERIOD_MIN : below(2) ? FUT_FOREVER : below(FUT_PERIOD_MIN), rnd()};
        try_poke(t, at, &q, sizeof q);
        return at;
    }
    struct fut_thread_params p = { // 't'
        .entry = 0x400000, .ipc_buffer = below(8) ? IPC_BUFFER + below(16) * FUT_IPC_BUFFER_SIZE : 0, .priority = (uint32_t)below(20),
        .fault_session = below(3) ? 0 : pick(t->task, FUT_OBJ_SESSION),
    };
    try_poke(t, at, &p, sizeof p);
    return at;
}

static uint32_t cap_argument(struct thread *t)
{
    static const uint32_t modes[] = {FUT_CAP_COPY, FUT_CAP_COPY, FUT_CAP_MOVE, FUT_CAP_LEND};
    uint32_t mode = modes[below(4)];
    return pick(t->task, mode == FUT_CAP_LEND ? FUT_OBJ_MEMORY : FUT_OBJ_NONE) | mode;
}

static void random_ipc(struct thread *t)
{
    uint32_t flags = 0;
    if (below(4) == 0)
        flags |= FUT_IPC_NONBLOCK;
    if (below(4) == 0)
        flags |= FUT_IPC_DEADLINE;
    if (below(3) == 0)
        flags |= FUT_IPC_INTERRUPTIBLE;
    if (t == root_thread)
        flags |= FUT_IPC_NONBLOCK;
    uint32_t op = FUT_SYS_CALL + (uint32_t)below(5);
    if (t == root_thread)
        op = below(2) ? FUT_SYS_SEND : FUT_SYS_RECV;
    fut_handle_t h = pick(t->task, op == FUT_SYS_CALL || op == FUT_SYS_SEND ? FUT_OBJ_SESSION : FUT_OBJ_CHANNEL);
    fut_handle_t reply = op == FUT_SYS_REPLY || op == FUT_SYS_REPLY_RECV ? (below(2) ? 0 : pick(t->task, FUT_OBJ_REPLY)) : 0;
    bool memory = below(3) == 0;
    uint32_t caps = below(2) ? 0 : (uint32_t)below(memory ? 16 : 5);
    uint64_t tag = FUT_TAG(77, (memory ? FUT_TAG_MEMORY : 0) | (below(4) == 0 ? FUT_TAG_LEASE : 0), 0, caps, 8, 3);
    for (int i = 0; i < 8; i++)
        t->arch.w[i] = rnd();
    if (memory)
        t->arch.w[0] = below(20) ? below(FUT_IPC_BODY_SIZE + 1) : rnd();
    t->arch.caps01 = cap_argument(t) | (uint64_t)cap_argument(t) << 32;
    t->arch.caps23 = cap_argument(t) | (uint64_t)cap_argument(t) << 32;
    if (t->ipc) {
        t->ipc->deadline = argument(t, 'd');
        for (unsigned i = 0; i < 15; i++) {
            t->ipc->cap[i] = cap_argument(t);
            t->ipc->cap_rights[i] = below(2) ? 0 : (uint32_t)rnd();
        }
        for (unsigned i = 0; i < FUT_LEASES; i++)
            t->ipc->lease[i] = (struct fut_lease){argument(t, 'u'), argument(t, 'N'), (uint32_t)below(4), 0};
    }
    ipc(t, op, flags, h, tag, reply);
}

static struct thread *random_runnable(void)
{
    struct cpu *cpu = arch_cpu();
    struct thread *found[MAX_THREADS * 4];
    unsigned n = 0;
    if (cpu->current)
        found[n++] = cpu->current;
    for (unsigned p = 0; p < PRIORITIES; p++)
        list_each(&cpu->queue[p], struct thread, queue.link, t)
            if (n < sizeof found / sizeof *found)
                found[n++] = t;
    return n ? found[below(n)] : nullptr;
}

static void random_fault(struct thread *t)
{
    run_as(t);
    if (waits(t) || arch_cpu()->current != t)
        return;
    uint32_t how = below(3) == 0 ? FUT_FAULT_WRITE : 0;
    uint64_t at = argument(t, below(3) ? 'z' : 'a');
    if (setjmp(host_idle) == 0)
        kernel_fault(t, (below(30) ? FUT_FAULT_MAP : 1 + (uint32_t)below(9)) | how, at);
    take_away_the_dead();
}

static const char *name_of(unsigned i)
{
    static char s[16];
    snprintf(s, sizeof s, "%u", ops[i].op);
    return s;
}

void sequence_start(uint64_t scarce)
{
    verbose = getenv("VERBOSE") != nullptr;
    harness_boot();
    struct object *o;
    CHECK(object_new(FUT_OBJ_MACHINE, root_account, &o) == FUT_OK);
    fut_handle_t h;
    CHECK(cap_install(root, o, RIGHTS_MACHINE, &h) == FUT_OK);
    object_ref(&root_account->object);
    CHECK(cap_install(root, &root_account->object, RIGHTS_ACCOUNT, &h) == FUT_OK);
    check_invariants();
    // Held for ever, as if the machine had no more: uncounted, so the invariants' page count starts here.
    if (scarce)
        while (pages_free > scarce && page_alloc(0))
            pages_total--;
}

void sequence_step(void)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++)
        total += ops[i].weight;
    // Enough tasks that know each other.
    if ((root_account->objects_used < 60 || below(400) == 0) && pages_free > 80) {
        struct account *a = nullptr;
        if (root->caps.used < 2000 && root->object.refs < 60 && root_account->objects_used < 3000) {
            struct user u = user_new(a, 5 + (uint32_t)below(15));
            struct cap *c;
            for (int i = 0; i < 6; i++) {
                fut_handle_t any = pick(root, FUT_OBJ_NONE);
                if (!cap_get(root, any, FUT_OBJ_NONE, FUT_RIGHT_DUP, &c) && c->object != &root->object &&
                    c->object != &root_thread->object && c->type != FUT_OBJ_ACCOUNT && !cap_reserve(u.task, 1))
                    cap_put(u.task, c->object, c->rights, c);
            }
            if (below(2))
                user_thread(&u, 1);
            CHECK(!cap_reserve(u.task, 2));
            cap_put(u.task, &u.task->object, RIGHTS_TASK, nullptr);
            cap_put(u.task, &u.task->space->object, RIGHTS_SPACE, nullptr);
        }
    }
    struct thread *t = random_runnable();
    if (!t)
        fprintf(stderr, "root thread: state %u, suspended %d, attention %x\n", root_thread->state, root_thread->suspended, root_thread->attention);
    CHECK(t);
    host_time += below(200) ? below(50) : below(FUT_PERIOD_MIN);
    uint64_t kind = below(100);
    if (verbose)
        fprintf(stderr, "thread %lu kind %lu", (unsigned long)t->object.id, (unsigned long)kind);
    if (kind < 35) {
        if (verbose)
            fprintf(stderr, " ipc\n");
        random_ipc(t);
    } else if (kind < 38) {
        if (verbose)
            fprintf(stderr, " timer\n");
        if (setjmp(host_idle) == 0)
            kernel_timer(arch_cpu()->current);
    } else if (kind < 40) {
        if (setjmp(host_idle) == 0)
            kernel_interrupt(arch_cpu()->current, (uint32_t)below(80));
    } else if (kind < 46 && t->task != root) {
        if (verbose)
            fprintf(stderr, " fault\n");
        random_fault(t);
    } else {
        uint64_t at = below(total);
        unsigned i = 0;
        while (at >= ops[i].weight)
            at -= ops[i++].weight;
        if (t == root_thread && blocking(ops[i].op))
            return;
        uint64_t a[6] = {};
        for (unsigned n = 0; ops[i].args[n]; n++)
            a[n] = strchr("xytvg", ops[i].args[n]) ? prepared(t, ops[i].args[n]) : argument(t, ops[i].args[n]);
        if (ops[i].op == FUT_SYS_SCHEDULE_BIND) {
            struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)a[1]);
            if (c && c->object == &root_thread->object)
                return;
        }
        if (ops[i].op == FUT_SYS_TASK_DESTROY || ops[i].op == FUT_SYS_THREAD_DESTROY || ops[i].op == FUT_SYS_THREAD_SUSPEND) {
            struct cap *c = cap_lookup(&t->task->caps, (fut_handle_t)a[0]);
            if (c && (c->object == &root->object || c->object == &root_thread->object))
                return;
        }
        if (verbose)
            fprintf(stderr, " op %s %lx %lx %lx %lx %lx\n", name_of(i), a[0], a[1], a[2], a[3], a[4]);
        sys(t, ops[i].op, a[0], a[1], a[2], a[3], a[4], a[5], nullptr);
    }
    take_away_the_dead();
    if (arch_cpu()->current == nullptr && root_thread->state == FUT_THREAD_RUNNABLE)
        run_as(root_thread);
}

void sequence_end(void)
{
    // Everything that the others had comes back.
    while (arch_cpu()->current != root_thread)
        run_as(root_thread);
    destroy_all_tasks_but_root();
    take_away_the_dead();
    check_invariants();
}
