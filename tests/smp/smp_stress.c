// SPDX-License-Identifier: MPL-2.0
//
// Several CPUs against the kernel. Boots as the first task, alone, and for as long as the kernel's command line says
// (`stress=SECONDS`, `seed=N`) lets threads pinned to different CPUs do what has to reach from one CPU into another:
//
//   calls     a client and its server on different CPUs, and one that the kernel may place; the sums must be right
//   caps      create, mint, transfer, revoke and destroy, with handles that another thread deletes meanwhile
//   remap     a page is replaced by another while others read it: nobody may read the old one once the call is back
//   protect   write access is taken away while another CPU writes: nothing may be written once the call is back
//   kill      threads that compute, call, wait or make system calls elsewhere are suspended, looked at, moved, destroyed
//   float     FP registers of threads that yield and wander from CPU to CPU
//   fork      the Space is cloned while others write to it; tasks that run elsewhere are destroyed
//
// At the end the Account must hold as much as before. `smp-stress done` in the log is success.
#include <futura/loader.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE FUT_PAGE_SIZE
#define STACK (32u << 10)
#define CAPACITY 48

static const struct fut_boot_info *boot;
static volatile bool over;
static uint64_t until;
static uint32_t cpus;

static struct worker {
    alignas(16) char stack[STACK];
    alignas(FUT_IPC_BUFFER_SIZE) char buffer[FUT_IPC_BUFFER_SIZE];
    fut_handle_t thread;
    bool used;
    volatile bool ended;
    void (*run)(struct worker *);
    uint64_t seed;
    volatile uint64_t count;
    fut_handle_t a, b;
} workers[CAPACITY];

[[noreturn]] static void fail(const char *what, int64_t status)
{
    fut_log("smp-stress FAILED %s: %lld", what, (long long)status);
    (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, 1);
    for (;;)
        (void)fut_thread_exit();
}

static void check(fut_status_t status, const char *what)
{
    if (status != FUT_OK)
        fail(what, status);
}

static uint64_t rnd(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * 0x2545f4914f6cdd1dull >> 11;
}

static uint64_t control(unsigned op, fut_handle_t handle) { return op | (uint64_t)handle << 32; }
static uint64_t on(uint32_t cpu) { return 1ull << cpu % cpus; }

// --- Threads --------------------------------------------------------------------------------------------
static void enter(uint64_t argument)
{
    struct worker *w = (struct worker *)argument;
    w->run(w);
    w->ended = true;
    for (;;)
        (void)fut_thread_exit();
}

static struct worker *start(void (*run)(struct worker *), uint64_t mask, fut_handle_t a, fut_handle_t b, fut_handle_t fault,
                            uint32_t priority)
{
    static uint64_t seed = 1;
    struct worker *w = workers;
    while (w->used)
        if (++w == workers + CAPACITY)
            fail("too many workers", 0);
    w->used = true;
    w->ended = false;
    w->run = run;
    w->seed = ++seed * 0x9e3779b97f4a7c15ull;
    w->count = 0;
    w->a = a;
    w->b = b;
    struct fut_thread_params p = {
        .entry = (uint64_t)enter, .stack = ((uint64_t)w->stack + STACK) - (sizeof(void *) == 8 ? 8 : 0), .argument = (uint64_t)w,
        .ipc_buffer = (uint64_t)w->buffer, .priority = priority, .fault_session = fault,
    };
#ifdef __aarch64__
    p.stack -= 8;
#endif
    check(fut_thread_create(boot->h_task, &p, &w->thread), "a thread");
    if (mask)
        check(fut_thread_affinity(w->thread, mask), "affinity");
    check(fut_thread_resume(w->thread), "resuming");
    return w;
}

static void forget(struct worker *w)
{
    fut_cap_delete(w->thread);
    w->used = false;
}

static void nap(uint64_t ns)
{
    static fut_handle_t never;
    if (!never)
        check(fut_event_create(&never), "an Event");
    uint64_t bits;
    (void)fut_event_wait(never, 1, fut_clock() + ns, 0, &bits);
}

// Long enough for a CPU that an emulator does not run just now.
static void stands_still(const struct worker *w, const char *what)
{
    uint64_t before = w->count;
    nap(3000000);
    if (w->count != before)
        fail(what, (int64_t)(w->count - before));
}

static void kill(struct worker *w)
{
    fut_status_t status = fut_thread_destroy(w->thread);
    if (status != FUT_OK && status != FUT_ERR_STATE)
        fail("destroying a thread", status);
    stands_still(w, "a dead thread goes on");
    forget(w);
}

static void join(struct worker *w)
{
    while (!w->ended)
        nap(1000000);
    kill(w);
}

// --- calls ----------------------------------------------------------------------------------------------
static void serve(struct worker *w)
{
    struct fut_msg m = {.control = control(FUT_SYS_RECV, w->a)};
    for (;;) {
        fut_ipc(&m);
        w->count++;
        m.w[7] = m.w[0] + m.w[1] * 3;
        m.control = control(FUT_SYS_REPLY_RECV, w->a);
        m.aux = 0;
    }
}

static void call(struct worker *w)
{
    while (!over) {
        uint64_t a = rnd(&w->seed), b = rnd(&w->seed);
        struct fut_msg m = {.control = control(FUT_SYS_CALL, w->a), .tag = FUT_TAG(1, 0, 0, 0, 8, 1), .w = {a, b, 2, 3, 4, 5, 6, 7}};
        fut_ipc(&m);
        if ((fut_status_t)m.control != FUT_OK || m.w[7] != a + b * 3 || m.w[4] != 4 || m.w[6] != 6)
            fail("an answer is wrong", (fut_status_t)m.control);
        w->count++;
        if (w->b && w->count % 64 == 0)
            check(fut_thread_affinity(w->thread, on((uint32_t)rnd(&w->seed))), "moving myself");
    }
}

// --- caps -----------------------------------------------------------------------------------------------
static volatile fut_handle_t shared[64];

static void caps(struct worker *w)
{
    uint64_t *s = &w->seed;
    while (!over) {
        fut_handle_t h = 0, other = shared[rnd(s) % 64];
        volatile fut_handle_t *slot = &shared[rnd(s) % 64];
        uint64_t bits;
        w->count++;
        switch (rnd(s) % 12) {
        case 0: (void)!fut_event_create(&h); break;
        case 1: (void)!fut_channel_create(&h); break;
        case 2: (void)!fut_memory_create((1 + rnd(s) % 4) * PAGE, 0, &h); break;
        case 3:
        case 4: (void)!fut_cap_mint(other, FUT_RIGHTS_ALL, &h); break;
        case 5: (void)!fut_session_mint(other, rnd(s), 0xffff, &h); break;
        case 6: (void)!fut_cap_revoke(other); break;
        case 7: (void)!fut_event_signal(other, 1); break;
        case 8: (void)!fut_event_wait(other, 1, fut_clock() + 20000, 0, &bits); break;
        case 9: { // a Channel and what is in the other's hands: by move and by copy, to whoever receives
            struct fut_msg m = {.control = control(FUT_SYS_CALL, other) | FUT_IPC_NONBLOCK << 8, .tag = FUT_TAG(1, 0, 0, 1, 0, 1),
                                .caps01 = shared[rnd(s) % 64] | (rnd(s) & 1 ? FUT_CAP_MOVE : FUT_CAP_COPY)};
            fut_ipc(&m);
            break;
        }
        case 10: {
            struct fut_msg m = {.control = control(FUT_SYS_RECV, other) | FUT_IPC_DEADLINE << 8};
            ((struct fut_ipc_buffer *)w->buffer)->deadline = fut_clock() + 50000;
            fut_ipc(&m);
            if ((fut_status_t)m.control == FUT_OK && (uint32_t)m.caps01)
                h = (fut_handle_t)m.caps01;
            break;
        }
        default: (void)!fut_cap_mint(boot->h_task, 0, &h); break;
        }
        if (h) {
            fut_handle_t old = *slot;
            *slot = h;
            if (old)
                fut_cap_delete(old);
        }
    }
}

// --- remap and protect --------------------------------------------------------------------------------------
#define MEMORIES 4
static volatile uint64_t published;
static volatile uint64_t *window;

static void read_window(struct worker *w)
{
    while (!over) {
        uint64_t p = __atomic_load_n(&published, __ATOMIC_ACQUIRE), v = *window;
        if (v < p)
            fail("a page that was replaced is still read", (int64_t)(p - v));
        w->count++;
    }
}

static void remap(struct worker *w)
{
    fut_handle_t memory[MEMORIES];
    volatile uint64_t *own[MEMORIES];
    uint64_t at;
    for (unsigned i = 0; i < MEMORIES; i++) {
        check(fut_memory_create(PAGE, 0, &memory[i]), "a Memory");
        struct fut_map m = {.bytes = PAGE, .memory = memory[i], .flags = FUT_PROT_READ | FUT_PROT_WRITE};
        check(fut_space_map(boot->h_space, &m, &at), "mapping");
        own[i] = (volatile uint64_t *)at;
    }
    for (uint64_t n = published + 1; !over; n++) {
        *own[n % MEMORIES] = n;
        struct fut_map m = {.address = (uint64_t)window, .bytes = PAGE, .memory = memory[n % MEMORIES],
                            .flags = FUT_PROT_READ | FUT_MAP_FIXED | FUT_MAP_REPLACE};
        check(fut_space_map(boot->h_space, &m, &at), "replacing");
        __atomic_store_n(&published, n, __ATOMIC_RELEASE);
        w->count++;
    }
    for (unsigned i = 0; i < MEMORIES; i++) {
        check(fut_space_unmap(boot->h_space, (uint64_t)own[i], PAGE), "unmapping");
        fut_cap_delete(memory[i]);
    }
}

static volatile uint64_t *target; // a page of its own

static void write_target(struct worker *w)
{
    while (!over) {
        *target = ++w->count;
    }
}

static void protect(struct worker *w)
{
    while (!over) {
        check(fut_space_protect(boot->h_space, (uint64_t)target, PAGE, FUT_PROT_READ), "protecting");
        uint64_t before = *target;
        for (unsigned i = 0; i < 3000; i++)
            __asm__ volatile("" : : : "memory");
        if (*target != before)
            fail("a page without write access was written", (int64_t)(*target - before));
        check(fut_space_protect(boot->h_space, (uint64_t)target, PAGE, FUT_PROT_READ | FUT_PROT_WRITE), "giving back");
        // Whoever met the missing right waits for an answer.
        for (;;) {
            struct fut_msg m = {.control = control(FUT_SYS_RECV, w->a) | FUT_IPC_NONBLOCK << 8};
            fut_ipc(&m);
            if ((fut_status_t)m.control != FUT_OK)
                break;
            m = (struct fut_msg){.control = control(FUT_SYS_REPLY, w->a), .tag = FUT_TAG(1, 0, 0, 0, 1, 1), .w = {0}};
            fut_ipc(&m);
            check((fut_status_t)m.control, "answering a fault");
        }
        w->count++;
        for (unsigned i = 0; i < 2000; i++)
            __asm__ volatile("" : : : "memory");
    }
}

// --- kill and float -------------------------------------------------------------------------------------------
static void spin(struct worker *w)
{
    for (;;)
        w->count++;
}

static void spin_calls(struct worker *w)
{
    for (;;) {
        w->count++;
        if (fut_null() != FUT_OK)
            fail("null", 0);
    }
}

static void spin_yields(struct worker *w)
{
    for (;;) {
        w->count++;
        (void)fut_yield();
    }
}

static void block(struct worker *w)
{
    uint64_t bits;
    for (;;) {
        w->count++;
        (void)fut_event_wait(w->a, 1, w->count & 1 ? FUT_FOREVER : fut_clock() + 100000, 0, &bits);
    }
}

static void floats(struct worker *w)
{
    double seed = (double)(w->seed % 1000), sum = seed;
    for (uint64_t n = 1; !over; n++) {
        sum = sum * 1.0 + 0.5;
        if (n % 16 == 0)
            (void)fut_yield();
        if (n % 100 == 0)
            (void)!fut_thread_affinity(w->thread, n % 300 ? on((uint32_t)rnd(&w->seed)) : (1u << cpus) - 1);
        if (sum != seed + 0.5 * (double)n)
            fail("an FP register changed", (int64_t)n);
        w->count = n;
    }
}

static void start_and_kill(struct worker *w, fut_handle_t event)
{
    static void (*const kinds[])(struct worker *) = {spin, spin_calls, spin_yields, block, spin, floats};
    uint64_t r = rnd(&w->seed);
    struct worker *v = start(kinds[r % 6], r & 64 ? on((uint32_t)(r >> 8)) : 0, event, 0, 0, 21); // ahead of what else runs there
    for (unsigned i = 0; i < 40 && !v->count; i++)
        nap(50000);
    if (r & 128) {
        check(fut_thread_suspend(v->thread), "suspending");
        struct fut_regs regs;
        check(fut_thread_get(v->thread, &regs), "registers");
#ifdef __aarch64__
        uint64_t sp = regs.sp;
#else
        uint64_t sp = regs.rsp;
#endif
        if (sp < (uint64_t)v->stack || sp > (uint64_t)v->stack + STACK)
            fail("a stack pointer is wrong", (int64_t)sp);
        stands_still(v, "a suspended thread goes on");
        if (r & 256)
            (void)!fut_thread_set(v->thread, &regs);
        check(fut_thread_resume(v->thread), "resuming");
    }
    if (r & 512)
        check(fut_thread_affinity(v->thread, on((uint32_t)(r >> 10))), "moving");
    if (r & 2048) {
        struct fut_regs regs;
        check(fut_thread_get(v->thread, &regs), "registers of a running thread");
        (void)!fut_thread_priority(v->thread, 19 + (r >> 12) % 2);
    }
    kill(v);
}

// --- fork -------------------------------------------------------------------------------------------------------
static struct fut_bytes image;

static void clone_and_spawn(struct worker *w)
{
    fut_handle_t account, space;
    struct fut_result r = fut_syscall(FUT_SYS_ACCOUNT_CREATE, boot->h_account, 3000, 500, 0, 0, 0);
    check((fut_status_t)r.status, "an Account");
    account = (fut_handle_t)r.value;
    fut_status_t status = fut_space_clone_in(boot->h_space, account, &space);
    if (status == FUT_OK)
        fut_cap_delete(space);
    else if (status != FUT_ERR_NO_MEMORY)
        fail("cloning the Space", status);
    char number[16];
    snprintf(number, sizeof number, "%llu", (unsigned long long)(w->seed % 1000));
    const char *args[] = {"child", number, nullptr};
    struct fut_spawn spawn = {.image = image, .account = account, .priority = 20, .args = args};
    struct fut_spawned made;
    check(fut_spawn(&spawn, &made), "a task");
    check(fut_thread_affinity(made.thread, on((uint32_t)rnd(&w->seed))), "affinity of a task");
    check(fut_thread_resume(made.thread), "starting a task");
    nap(rnd(&w->seed) % 2000000);
    check(fut_task_destroy(made.task), "destroying a task");
    fut_cap_delete(made.task);
    fut_cap_delete(made.space);
    fut_cap_delete(made.thread);
    struct fut_account_info info;
    check((fut_status_t)fut_syscall(FUT_SYS_ACCOUNT_INFO, account, (uint64_t)&info, 0, 0, 0, 0).status, "reading an Account");
    if (info.pages_used || info.objects_used)
        fail("a task left something", (int64_t)(info.pages_used << 32 | info.objects_used));
    fut_cap_delete(account);
}

// --- The first task ---------------------------------------------------------------------------------------------
static uint64_t option(const char *name, uint64_t otherwise)
{
    const char *at = strstr(boot->command_line, name);
    return at ? strtoull(at + strlen(name), nullptr, 0) : otherwise;
}

static struct fut_account_info account(void)
{
    struct fut_account_info info;
    check((fut_status_t)fut_syscall(FUT_SYS_ACCOUNT_INFO, boot->h_account, (uint64_t)&info, 0, 0, 0, 0).status, "the Account");
    return info;
}

static void round_of_all(uint64_t seed, uint64_t seconds)
{
    fut_handle_t channel[3], session[3], faults, fault, event;
    over = false;
    until = fut_clock() + seconds * 1000000000;
    uint64_t at;
    struct fut_map m = {.bytes = PAGE, .flags = FUT_MAP_ANON | FUT_PROT_READ | FUT_PROT_WRITE};
    check(fut_space_map(boot->h_space, &m, &at), "a page");
    target = (volatile uint64_t *)at;
    check(fut_space_map(boot->h_space, &m, &at), "a page");
    window = (volatile uint64_t *)at;
    *window = published;
    check(fut_event_create(&event), "an Event");
    check(fut_channel_create(&faults), "a Channel");
    check(fut_session_mint(faults, 1, 0xffff, &fault), "a Session");
    struct worker *all[24];
    unsigned n = 0;
    uint32_t c = (uint32_t)seed;
    for (unsigned i = 0; i < 3; i++) {
        check(fut_channel_create(&channel[i]), "a Channel");
        check(fut_session_mint(channel[i], i, 0xffff, &session[i]), "a Session");
    }
    struct worker *servers[] = {start(serve, on(c + 1), channel[0], 0, 0, 20), start(serve, 0, channel[1], 0, 0, 20),
                                start(serve, 0, channel[2], 0, 0, 20)};
    unsigned first_call = n;
    all[n++] = start(call, on(c), session[0], 0, 0, 20);
    all[n++] = start(call, 0, session[1], 0, 0, 20);
    all[n++] = start(call, 0, session[1], 1, 0, 20);
    all[n++] = start(call, on(c + 2), session[2], 0, 0, 20);
    unsigned first_cap = n;
    all[n++] = start(caps, on(c + 1), 0, 0, 0, 20);
    all[n++] = start(caps, on(c + 3), 0, 0, 0, 20);
    all[n++] = start(caps, 0, 0, 0, 0, 20);
    unsigned first_map = n;
    all[n++] = start(remap, on(c), 0, 0, 0, 20);
    all[n++] = start(read_window, on(c + 1), 0, 0, 0, 20);
    all[n++] = start(read_window, on(c + 2), 0, 0, 0, 20);
    unsigned first_protect = n;
    all[n++] = start(protect, on(c + 3), faults, 0, 0, 20);
    all[n++] = start(write_target, on(c + 2), 0, 0, fault, 20);
    unsigned first_float = n;
    all[n++] = start(floats, 0, 0, 0, 0, 20);
    all[n++] = start(floats, 0, 0, 0, 0, 20);
    // What starts threads and tasks is this thread's, for `start` is not for several.
    static struct worker self;
    self.seed = seed * 77 + 1;
    uint64_t killed = 0, forked = 0;
    while (fut_clock() < until) {
        start_and_kill(&self, event);
        if (++killed % 16 == 0) {
            clone_and_spawn(&self);
            forked++;
        }
    }
    over = true;
    // Who waits for a fault's answer gets one; then all come to their ends.
    nap(10000000);
    check(fut_space_protect(boot->h_space, (uint64_t)target, PAGE, FUT_PROT_READ | FUT_PROT_WRITE), "giving back");
    uint64_t count[24];
    for (unsigned i = 0; i < n; i++) {
        if (i == first_protect + 1) { // may wait for an answer that nobody gives any more
            kill(all[i]);
        } else {
            join(all[i]);
        }
        count[i] = all[i]->count;
    }
    for (unsigned i = 0; i < 3; i++)
        kill(servers[i]);
    for (unsigned i = 0; i < 64; i++) {
        if (shared[i])
            fut_cap_delete(shared[i]);
        shared[i] = 0;
    }
    for (unsigned i = 0; i < 3; i++) {
        fut_cap_delete(session[i]);
        fut_cap_delete(channel[i]);
    }
    fut_cap_delete(fault);
    fut_cap_delete(faults);
    fut_cap_delete(event);
    check(fut_space_unmap(boot->h_space, (uint64_t)target, PAGE), "unmapping");
    check(fut_space_unmap(boot->h_space, (uint64_t)window, PAGE), "unmapping");
    fut_log("smp-stress calls %llu, caps %llu, remaps %llu, protects %llu, floats %llu, kills %llu, forks %llu",
            (unsigned long long)(count[first_call] + count[first_call + 1] + count[first_call + 2] + count[first_call + 3]),
            (unsigned long long)(count[first_cap] + count[first_cap + 1] + count[first_cap + 2]),
            (unsigned long long)count[first_map], (unsigned long long)count[first_protect],
            (unsigned long long)count[first_float], (unsigned long long)killed, (unsigned long long)forked);
}

// Calls per second of n clients, each with its server on a CPU of its own. Nothing pins them otherwise: a pinned thread is
// not on the fast path, so each pair starts where nothing else runs and stays there.
static uint64_t pairs(unsigned n)
{
    over = false;
    struct worker *client[8], *server[8];
    fut_handle_t channel[8], session[8];
    for (unsigned i = 0; i < n; i++) {
        check(fut_channel_create(&channel[i]), "a Channel");
        check(fut_session_mint(channel[i], i, 0xffff, &session[i]), "a Session");
        server[i] = start(serve, 0, channel[i], 0, 0, 20);
        client[i] = start(call, 0, session[i], 0, 0, 20);
    }
    nap(200000000);
    uint64_t before = 0, after = 0, from = fut_clock();
    for (unsigned i = 0; i < n; i++)
        before += client[i]->count;
    nap(3000000000);
    for (unsigned i = 0; i < n; i++)
        after += client[i]->count;
    uint64_t ns = fut_clock() - from;
    over = true;
    for (unsigned i = 0; i < n; i++) {
        join(client[i]);
        kill(server[i]);
        fut_cap_delete(session[i]);
        fut_cap_delete(channel[i]);
    }
    return (after - before) * 1000000000 / ns;
}

int main(int argc, char **argv)
{
    if (argc == 2) // a child: computes, and asks the kernel for something now and then
        for (uint64_t n = strtoull(argv[1], nullptr, 0);; n++)
            if (n % 4096 == 0)
                (void)fut_yield();
    boot = fut_boot_info();
    if (boot == nullptr)
        return 1;
    check(fut_thread_priority(boot->h_thread, 21), "setting the priority"); // above all others
    struct fut_machine_info machine;
    check(fut_machine_info(boot->h_machine, &machine), "the machine");
    cpus = machine.cpus;
    struct fut_map map = {.bytes = (boot->archive_bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1), .memory = boot->h_archive,
                          .flags = FUT_PROT_READ};
    uint64_t address, seconds = option("stress=", 10), seed = option("seed=", 1);
    check(fut_space_map(boot->h_space, &map, &address), "mapping the archive");
    check(fut_archive_find((struct fut_bytes){(const void *)address, boot->archive_bytes}, "init", &image), "finding this image");
    if (option("pairs=", 0)) {
        for (unsigned n = 1; n <= cpus; n *= 2)
            fut_log("smp-stress on %u CPUs: %u pairs %llu calls/s", cpus, n, (unsigned long long)pairs(n));
        fut_log("smp-stress done");
        (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, 0);
    }
    fut_log("smp-stress on %u CPUs, %llu s, seed %llu", cpus, (unsigned long long)seconds, (unsigned long long)seed);
    round_of_all(seed, 1); // what is made once and kept, is made now
    struct fut_account_info before = account();
    for (uint64_t left = seconds; left; left -= left < 10 ? left : 10)
        round_of_all(++seed, left < 10 ? left : 10);
    struct fut_account_info after = account();
    if (after.objects_used != before.objects_used || after.pages_used > before.pages_used + 8)
        fail("something is left", (int64_t)(after.objects_used - before.objects_used) << 32 |
                                      (int64_t)(after.pages_used - before.pages_used));
    fut_log("smp-stress done");
    (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, 0);
    return 0;
}
