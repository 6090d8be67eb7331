// SPDX-License-Identifier: MPL-2.0
//
// What kernel operations cost, in instructions. Boots as the first task, alone: no server runs beside it.
//
// The partner in each measurement is a task of its own, made from this very image, which finds its role in
// its arguments. Figures are means over REPEAT operations under `-icount shift=0,sleep=off`, which makes them
// exact and repeatable; the cost of the measuring loop is subtracted. Each is printed to the kernel log as
// `bench NAME VALUE`, and the machine goes off at the end.
#include <counter.h>
#include <fipc/bench.h>
#include <futura/loader.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT 2000
#define PRIORITY_SELF 20
#define TAG(caps, words) FUT_TAG(0x626e6368, 0, 0, caps, words, 1)
#define PAGE FUT_PAGE_SIZE

static uint64_t loop_cost; // of REPEAT empty rounds

[[noreturn]] static void fail(const char *what, fut_status_t status)
{
    fut_log("bench FAILED %s: %d", what, (int)status);
    const struct fut_boot_info *boot = fut_boot_info();
    if (boot != nullptr)
        (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, 1);
    abort();
}

static void check(fut_status_t status, const char *what)
{
    if (status != FUT_OK)
        fail(what, status);
}

// Where a measurement begins and ends: functions of their own, so that trace.py sees them pass.
[[gnu::noinline]] uint64_t bench_begin(void) { return counter(); }
[[gnu::noinline]] uint64_t bench_end(void) { return counter(); }

static void report(const char *name, uint64_t start, uint64_t end, uint64_t per)
{
    uint64_t spent = end - start;
    spent = spent > loop_cost ? spent - loop_cost : 0;
    fut_log("bench %s %llu", name, (unsigned long long)((spent + per / 2) / per));
}

static inline uint64_t control(unsigned op, fut_handle_t handle) { return op | (uint64_t)handle << 32; }

// --- Partners ------------------------------------------------------------------------------------------

[[noreturn]] static void serve_echo(void)
{
    fut_handle_t channel = fut_startup_cap("channel");
    struct fut_msg m = {.control = control(FUT_SYS_RECV, channel)};
    fut_ipc(&m);
    for (;;) {
        m.control = control(FUT_SYS_REPLY_RECV, channel);
        m.aux = 0;
        fut_ipc(&m);
    }
}

// Sends back the capability that came, by move.
[[noreturn]] static void serve_cap(void)
{
    fut_handle_t channel = fut_startup_cap("channel");
    struct fut_msg m = {.control = control(FUT_SYS_RECV, channel)};
    for (;;) {
        fut_ipc(&m);
        m.caps01 |= FUT_CAP_MOVE;
        m.tag = TAG(1, 0);
        m.control = control(FUT_SYS_REPLY_RECV, channel);
        m.aux = 0;
    }
}

[[noreturn]] static void serve_signal(void)
{
    fut_handle_t there = fut_startup_cap("there"), back = fut_startup_cap("back");
    for (;;) {
        uint64_t bits;
        check(fut_event_wait(there, 1, FUT_FOREVER, 0, &bits), "partner's wait");
        check(fut_event_signal(back, 1), "partner's signal");
    }
}

[[noreturn]] static void serve_yield(void)
{
    for (;;)
        fut_yield();
}

// The same through a generated server: its loop, dispatch and checks.
static fut_status_t on_nothing(struct fut_request *request) { return (void)request, FUT_OK; }
static fut_status_t on_eight(struct fut_request *request, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f, uint64_t g, uint64_t h, struct bench_echo_eight_result *result)
{
    (void)request;
    result->sum = a + b + c + d + e + f + g + h;
    return FUT_OK;
}
static fut_status_t on_bytes(struct fut_request *request, struct fut_bytes data, struct bench_echo_bytes_result *result)
{
    (void)request;
    result->n = (uint32_t)data.len;
    return FUT_OK;
}
static fut_status_t on_filled(struct fut_request *request, uint32_t n, struct bench_echo_filled_result *result)
{
    (void)request;
    result->data.len = n < result->data.capacity ? n : result->data.capacity; // what is there is good enough
    return FUT_OK;
}

[[noreturn]] static void serve_fipc(void)
{
    static const struct bench_echo_ops ops = {on_nothing, on_eight, on_bytes, on_filled};
    const struct fut_service services[] = {bench_echo_service(&ops)};
    static struct fut_server server;
    server = (struct fut_server){.channel = fut_startup_cap("channel"), .services = services, .service_count = 1};
    fut_server_run(&server);
}

static int partner(const char *role)
{
    if (strcmp(role, "fipc") == 0)
        serve_fipc();
    if (strcmp(role, "echo") == 0)
        serve_echo();
    if (strcmp(role, "cap") == 0)
        serve_cap();
    if (strcmp(role, "signal") == 0)
        serve_signal();
    if (strcmp(role, "yield") == 0)
        serve_yield();
    return 1;
}

static struct fut_spawned start_partner(const char *role, uint32_t priority, const struct fut_spawn_cap *caps,
                                        size_t cap_count)
{
    static struct fut_bytes archive, image;
    const struct fut_boot_info *boot = fut_boot_info();
    if (archive.data == nullptr) {
        struct fut_map map = {.bytes = (boot->archive_bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1),
                              .memory = boot->h_archive, .flags = FUT_PROT_READ};
        uint64_t address;
        check(fut_space_map(boot->h_space, &map, &address), "mapping the archive");
        archive = (struct fut_bytes){(const void *)address, boot->archive_bytes};
        check(fut_archive_find(archive, "init", &image), "finding this image");
    }
    const char *args[] = {"bench", role, nullptr};
    struct fut_spawn_cap all[8] = {{"log", boot->h_log, FUT_RIGHTS_ALL}};
    memcpy(all + 1, caps, cap_count * sizeof *caps);
    struct fut_spawn spawn = {.image = image, .account = boot->h_account, .priority = priority, .caps = all,
                              .cap_count = 1 + cap_count, .args = args};
    struct fut_spawned made;
    check(fut_spawn(&spawn, &made), "starting a partner");
    check(fut_thread_resume(made.thread), "resuming a partner");
    return made;
}

static void end_partner(struct fut_spawned *made)
{
    check(fut_task_destroy(made->task), "ending a partner");
    fut_cap_delete(made->thread);
    fut_cap_delete(made->space);
    fut_cap_delete(made->task);
}

// --- Measurements -----------------------------------------------------------------------------------------

static void measure_fipc(void)
{
    fut_handle_t channel;
    bench_echo_t echo;
    check(fut_channel_create(&channel), "channel");
    check(fut_session_mint(channel, 7, 0xffff, &echo.h), "session");
    struct fut_spawn_cap cap = {"channel", channel, FUT_RIGHTS_ALL};
    struct fut_spawned server = start_partner("fipc", PRIORITY_SELF, &cap, 1);
    for (int i = 0; i < 10; i++)
        check(bench_echo_nothing(echo), "first FIPC calls");
    uint64_t start = bench_begin();
    for (int i = 0; i < REPEAT; i++)
        (void)!bench_echo_nothing(echo);
    report("fipc0", start, bench_end(), REPEAT);
    uint64_t sum = 0;
    start = bench_begin();
    for (int i = 0; i < REPEAT; i++)
        if (bench_echo_eight(echo, 1, 2, 3, 4, 5, 6, 7, (uint64_t)i, &sum) != FUT_OK || sum != 28 + (uint64_t)i)
            fail("the sum is wrong", 0);
    report("fipc8", start, bench_end(), REPEAT);
    static uint8_t data[4096];
    for (unsigned n = 64; n <= sizeof data; n *= 64) {
        uint32_t got = 0;
        start = bench_begin();
        for (int i = 0; i < REPEAT; i++)
            check(bench_echo_bytes(echo, (struct fut_bytes){data, n}, &got), "bytes to a server");
        report(n == 64 ? "fipc_in64" : "fipc_in4k", start, bench_end(), REPEAT);
        struct fut_bytes back = {};
        start = bench_begin();
        for (int i = 0; i < REPEAT; i++)
            check(bench_echo_filled(echo, n, &back), "bytes from a server");
        report(n == 64 ? "fipc_out64" : "fipc_out4k", start, bench_end(), REPEAT);
        if (got != n || back.len != n)
            fail("bytes were lost", 0);
    }
    end_partner(&server);
    fut_cap_delete(echo.h);
    fut_cap_delete(channel);
}

static void measure_loop(void)
{
    uint64_t start = bench_begin();
    for (int i = 0; i < REPEAT; i++)
        __asm__ volatile("");
    loop_cost = bench_end() - start;
}

static void measure_null(void)
{
    uint64_t start = bench_begin();
    for (int i = 0; i < REPEAT; i++)
        (void)fut_null();
    report("null", start, bench_end(), REPEAT);
}

static void measure_echo(void)
{
    fut_handle_t channel, session;
    check(fut_channel_create(&channel), "channel");
    check(fut_session_mint(channel, 7, 0xffff, &session), "session");
    struct fut_spawn_cap cap = {"channel", channel, FUT_RIGHTS_ALL};
    struct fut_spawned server = start_partner("echo", PRIORITY_SELF, &cap, 1);

    struct fut_msg m = {.control = control(FUT_SYS_CALL, session), .tag = TAG(0, 0)};
    for (int i = 0; i < 10; i++) {
        m.control = control(FUT_SYS_CALL, session);
        fut_ipc(&m);
        check((fut_status_t)m.control, "first calls");
    }
    uint64_t start = bench_begin();
    for (int i = 0; i < REPEAT; i++) {
        raw_call(control(FUT_SYS_CALL, session), TAG(0, 0));
    }
    report("rtt0", start, bench_end(), REPEAT);

    uint64_t sum = 0;
    start = bench_begin();
    for (int i = 0; i < REPEAT; i++) {
        struct fut_msg call = {.control = control(FUT_SYS_CALL, session), .tag = TAG(0, 8),
                               .w = {1, 2, 3, 4, 5, 6, 7, (uint64_t)i}};
        fut_ipc(&call);
        sum += call.w[7];
    }
    report("rtt8", start, bench_end(), REPEAT);
    if (sum != (uint64_t)REPEAT * (REPEAT - 1) / 2)
        fail("words came back changed", 0);

    uint8_t *body = fut_ipc_buffer()->body;
    memset(body, 0x5a, PAGE);
    start = bench_begin();
    for (int i = 0; i < REPEAT; i++) {
        struct fut_msg call = {.control = control(FUT_SYS_CALL, session),
                               .tag = FUT_TAG(0x626e6368, FUT_TAG_MEMORY, 0, 0, 1, 1), .w = {PAGE}};
        fut_ipc(&call);
    }
    report("rtt4k", start, bench_end(), REPEAT);
    end_partner(&server);
    fut_cap_delete(session);
    fut_cap_delete(channel);
}

static void measure_cap(void)
{
    fut_handle_t channel, session, event;
    check(fut_channel_create(&channel), "channel");
    check(fut_session_mint(channel, 7, 0xffff, &session), "session");
    check(fut_event_create(&event), "event");
    struct fut_spawn_cap cap = {"channel", channel, FUT_RIGHTS_ALL};
    struct fut_spawned server = start_partner("cap", PRIORITY_SELF, &cap, 1);
    uint64_t start = 0;
    for (int i = -10; i < REPEAT; i++) {
        if (i == 0)
            start = bench_begin();
        struct fut_msg call = {.control = control(FUT_SYS_CALL, session), .tag = TAG(1, 0),
                               .caps01 = event | FUT_CAP_MOVE};
        fut_ipc(&call);
        if ((fut_status_t)call.control != FUT_OK)
            fail("a call with a capability", (fut_status_t)call.control);
        event = (fut_handle_t)call.caps01;
    }
    report("rtt_cap", start, bench_end(), (uint64_t)REPEAT);
    end_partner(&server);
    fut_cap_delete(event);
    fut_cap_delete(session);
    fut_cap_delete(channel);
}

static void measure_events(void)
{
    fut_handle_t there;
    check(fut_event_create(&there), "event");
    uint64_t start = bench_begin(), bits;
    for (int i = 0; i < REPEAT; i++)
        (void)fut_event_signal(there, 1);
    report("signal", start, bench_end(), REPEAT);
    check(fut_event_clear(there, ~0ull, nullptr), "clear");
    start = bench_begin();
    for (int i = 0; i < REPEAT; i++)
        (void)fut_event_wait(there, 1, 0, 0, &bits);
    report("poll", start, bench_end(), REPEAT);
    fut_cap_delete(there);
}

// The partner has the higher priority, because this thread lowers its own: for good, so this comes last.
static void measure_signal_round_trip(void)
{
    const struct fut_boot_info *boot = fut_boot_info();
    fut_handle_t there, back;
    uint64_t start = 0, bits;
    check(fut_event_create(&there), "event");
    check(fut_event_create(&back), "event");
    struct fut_spawn_cap caps[] = {{"there", there, FUT_RIGHTS_ALL}, {"back", back, FUT_RIGHTS_ALL}};
    struct fut_spawned waiter = start_partner("signal", PRIORITY_SELF, caps, 2);
    check(fut_thread_priority(boot->h_thread, PRIORITY_SELF - 1), "lowering the priority");
    for (int i = -10; i < REPEAT; i++) {
        if (i == 0)
            start = bench_begin();
        (void)fut_event_signal(there, 1);
        (void)fut_event_wait(back, 1, FUT_FOREVER, 0, &bits);
    }
    report("signal_rtt", start, bench_end(), REPEAT);
    end_partner(&waiter);
    fut_cap_delete(there);
    fut_cap_delete(back);
}

static void measure_yield(void)
{
    struct fut_spawned other = start_partner("yield", PRIORITY_SELF, nullptr, 0);
    uint64_t start = 0;
    for (int i = -10; i < REPEAT; i++) {
        if (i == 0)
            start = bench_begin();
        fut_yield();
    }
    report("yield", start, bench_end(), REPEAT);
    end_partner(&other);
}

static void measure_memory(void)
{
    enum { PAGES = 256 };
    const struct fut_boot_info *boot = fut_boot_info();
    struct fut_map map = {.bytes = PAGES * PAGE, .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON};
    uint64_t address;
    check(fut_space_map(boot->h_space, &map, &address), "mapping 1 MiB");
    uint64_t start = bench_begin();
    for (size_t i = 0; i < PAGES; i++)
        ((volatile char *)address)[i * PAGE] = 1;
    report("anonfault", start, bench_end(), PAGES);

    // What the kernel does for a fork: this Space, with the 1 MiB above, and a task with one handle.
    enum { FORKS = 20 };
    start = bench_begin();
    for (int i = 0; i < FORKS; i++) {
        fut_handle_t space, task;
        check(fut_space_clone(boot->h_space, &space), "cloning the Space");
        struct fut_clone_cap cap = {.handle = boot->h_log};
        check(fut_task_clone(boot->h_task, boot->h_account, space, &cap, 1, &task), "cloning the task");
        check(fut_task_destroy(task), "destroying the clone");
        fut_cap_delete(task);
        fut_cap_delete(space);
    }
    report("fork1m", start, bench_end(), FORKS);
    check(fut_space_unmap(boot->h_space, address, PAGES * PAGE), "unmapping");
}

// --- Upcalls: a foreign system call and back -----------------------------------------------------------------

#define FOREIGN_AT 0x00007e0000000000ull

static alignas(PAGE) char frames[PAGE];
static alignas(16) char upcall_stack[4096];

uint64_t upcall_count;

// Assembly, per architecture.
void upcall_entry(void);
extern const char foreign_stub[], foreign_stub_end[];

static void measure_upcall(void)
{
    const struct fut_boot_info *boot = fut_boot_info();
    fut_handle_t code;
    check(fut_memory_create(PAGE, 0, &code), "code page");
    check(fut_memory_write(code, 0, foreign_stub, (size_t)(foreign_stub_end - foreign_stub), nullptr), "writing code");
    struct fut_map map = {.address = FOREIGN_AT, .bytes = PAGE, .memory = code,
                          .flags = FUT_PROT_READ | FUT_PROT_EXEC | FUT_MAP_FIXED};
    check(fut_space_map(boot->h_space, &map, nullptr), "mapping code");
    check(fut_task_native(boot->h_task, FUT_USER_BASE, FOREIGN_AT - FUT_USER_BASE), "native range");
    struct fut_upcall upcall = {.entry = (uint64_t)upcall_entry,
                                .stack = (uint64_t)(upcall_stack + sizeof upcall_stack),
                                .frames = (uint64_t)frames,
                                .tls = (uint64_t)fut_tls_pointer(),
                                .count = (sizeof frames - sizeof(struct fut_frames)) / sizeof(struct fut_frame),
                                .causes = 1u << FUT_CAUSE_SYSCALL};
    check(fut_upcall_set(&upcall), "registering the upcall");
    void (*foreign)(void) = (void (*)(void))FOREIGN_AT;
    uint64_t start = 0;
    for (int i = -10; i < REPEAT; i++) {
        if (i == 0)
            start = bench_begin();
        foreign();
    }
    uint64_t end = bench_end();
    if (upcall_count != REPEAT + 10)
        fail("foreign system calls that did not arrive as upcalls", (fut_status_t)upcall_count);
    report("upcall", start, end, REPEAT);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return partner(argv[1]);
    const struct fut_boot_info *boot = fut_boot_info();
    if (boot == nullptr)
        return 1;
    check(fut_thread_priority(boot->h_thread, PRIORITY_SELF), "setting the priority");
    measure_loop();
    measure_null();
    measure_echo();
    measure_fipc();
    measure_cap();
    measure_events();
    measure_yield();
    measure_memory();
    measure_upcall();
    measure_signal_round_trip();
    fut_log("bench done 0");
    (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, 0);
    return 0;
}
