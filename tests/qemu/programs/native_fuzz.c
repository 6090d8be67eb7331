// SPDX-License-Identifier: MPL-2.0
//
// Hostile tasks against the kernel's own system calls, on the real platform. Boots as the first task, alone; starts
// child after child, each in an Account of its own, which make random calls with random, stale and absurd arguments until
// they end themselves, are ended by a fault, or their time is up. Then the Account must be as empty as it was, and the
// machine must still answer. How many, and with which seeds, is said by the kernel's command line: calls=N steps=N
// seed=N. What the platform-independent part promises is checked more closely by
// tests/unit/kernel/random_test.c; this finds what only real page tables, registers and traps can get wrong.
#include <futura/loader.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE FUT_PAGE_SIZE
#define TIME_NS 3000000000ull
#define AT_ONCE 4 // children that run at the same time, on as many CPUs as there are

[[noreturn]] static void fail(const char *what, fut_status_t status)
{
    fut_log("native-fuzz FAILED %s: %d", what, (int)status);
    (void)fut_machine_power(fut_boot_info()->h_machine, FUT_POWER_EXIT, 1);
    abort();
}

static void check(fut_status_t status, const char *what)
{
    if (status != FUT_OK)
        fail(what, status);
}

static uint64_t state;
static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dull;
}
static uint64_t below(uint64_t n) { return (rnd() >> 11) % n; }

// --- A child ---------------------------------------------------------------------------------------------
static fut_handle_t known[64];
static alignas(PAGE) char scratch[4 * PAGE];

static uint64_t argument(void)
{
    static const uint64_t odd[] = {0, 1, 7, ~0ull, 0x8000000000000000ull, 0xffff800000000000ull, 0xffffffff80000000ull,
                                   FUT_USER_TOP, FUT_USER_TOP - 1, 0x0000800000000000ull, 0xfff, 0x1000, 0x10000};
    switch (below(8)) {
    case 0: return odd[below(sizeof odd / sizeof *odd)];
    case 1: return (uint64_t)scratch + below(sizeof scratch);
    case 2: return ((uint64_t)scratch + below(sizeof scratch)) & ~(uint64_t)(PAGE - 1);
    case 3: return below(16) * PAGE;
    case 4: return below(64);
    case 5: return rnd();
    default: return known[below(64)];
    }
}

static void fill(void)
{
    for (size_t i = 0; i < sizeof scratch / 8; i += 1 + below(40))
        ((uint64_t *)scratch)[i] = argument();
}

[[noreturn]] static void hostile(uint64_t seed, unsigned steps)
{
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    const char *names[] = {"task", "space", "account", "channel", "event", "memory", "log"};
    for (unsigned i = 0; i < 64; i++)
        known[i] = fut_startup_cap(names[i % 7]);
    struct fut_ipc_buffer *b = fut_ipc_buffer(); // before TLS_SET is tried
    // How far it came is told in a page that the first task reads.
    struct fut_map map = {.bytes = PAGE, .memory = fut_startup_cap("count"), .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t counter;
    check(fut_space_map(fut_startup_cap("space"), &map, &counter), "mapping the counter");
    for (unsigned step = 0; step < steps; step++) {
        fill();
        *(volatile uint64_t *)counter = step;
        uint64_t op = below(20) == 0 ? rnd() : below(FUT_SYS_COUNT);
        if ((op & 0xff) >= FUT_SYS_CALL && (op & 0xff) <= FUT_SYS_REPLY_RECV) {
            b->deadline = fut_clock() + below(1000000);
            for (unsigned i = 0; i < 15; i++) {
                b->cap[i] = (uint32_t)argument();
                b->cap_rights[i] = (uint32_t)argument();
            }
            for (unsigned i = 0; i < FUT_LEASES; i++)
                b->lease[i] = (struct fut_lease){argument(), argument(), (uint32_t)below(4), 0};
            // Never without an end: by a deadline or at once.
            struct fut_msg m = {.control = (op & 0xff) | (below(2) ? FUT_IPC_DEADLINE : FUT_IPC_NONBLOCK) << 8 |
                                           (uint64_t)known[below(64)] << 32,
                                .tag = below(2) ? rnd() : FUT_TAG(1, below(16), 0, below(16), 8, 1), .aux = argument()};
            for (unsigned i = 0; i < 8; i++)
                m.w[i] = argument();
            m.caps01 = argument() << 32 | (uint32_t)argument();
            m.caps23 = argument() << 32 | (uint32_t)argument();
            fut_ipc(&m);
            if ((int32_t)m.control == 0)
                known[below(64)] = (fut_handle_t)m.caps01;
            continue;
        }
        // What ends this task comes last, mostly.
        if ((op == FUT_SYS_TASK_DESTROY || op == FUT_SYS_THREAD_EXIT || op == FUT_SYS_THREAD_DESTROY || op == FUT_SYS_SPACE_UNMAP ||
             op == FUT_SYS_SPACE_PROTECT || op == FUT_SYS_CAP_REVOKE || op == FUT_SYS_CAP_DELETE) && step < steps * 3 / 4 && below(30))
            continue;
        if (op == FUT_SYS_UPCALL_RETURN)
            continue; // where it fails it may lose registers that the compiler keeps
        if (op == FUT_SYS_EVENT_WAIT || op == FUT_SYS_WAITSET_WAIT || op == FUT_SYS_FUTEX_WAIT) {
            uint64_t soon = fut_clock() + below(100000);
            (void)fut_syscall(op, argument(), argument(), op == FUT_SYS_WAITSET_WAIT ? below(8) : soon, soon, 0, 0);
            continue;
        }
        struct fut_result r = fut_syscall(op, argument(), argument(), argument(), argument(), argument(), argument());
        if (r.status == FUT_OK && r.value && r.value <= 0x3fffffff)
            known[below(64)] = (fut_handle_t)r.value;
    }
    (void)fut_syscall(FUT_SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0);
    __builtin_trap();
}

// --- The first task -----------------------------------------------------------------------------------------
struct running {
    unsigned number;
    fut_handle_t account, channel, event, memory, done, count;
    struct fut_spawned made;
    uint64_t until;
};
static struct fut_bytes image;
static unsigned exited, late;
static uint64_t calls;

static void start(struct running *c, unsigned n, uint64_t seed, uint64_t steps)
{
    const struct fut_boot_info *boot = fut_boot_info();
    struct fut_result r = fut_syscall(FUT_SYS_ACCOUNT_CREATE, boot->h_account, 1500, 1500, 0, 0, 0);
    check((fut_status_t)r.status, "an Account");
    *c = (struct running){.number = n, .account = (fut_handle_t)r.value};
    check(fut_channel_create(&c->channel), "a Channel");
    check(fut_event_create(&c->event), "an Event");
    check(fut_event_create(&c->done), "an Event");
    check(fut_memory_create(8 * PAGE, 0, &c->memory), "a Memory");
    check(fut_memory_create(PAGE, 0, &c->count), "a Memory");
    char seed_text[24], steps_text[24];
    snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    snprintf(steps_text, sizeof steps_text, "%llu", (unsigned long long)steps);
    const char *args[] = {"fuzz", seed_text, steps_text, nullptr};
    struct fut_spawn_cap caps[] = {{"channel", c->channel, FUT_RIGHTS_ALL}, {"event", c->event, FUT_RIGHTS_ALL},
                                   {"memory", c->memory, FUT_RIGHTS_ALL},
                                   {"count", c->count, FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP}, {"log", boot->h_log, FUT_RIGHT_READ | FUT_RIGHT_DUP}};
    struct fut_spawn spawn = {.image = image, .account = c->account, .priority = 20, .caps = caps, .cap_count = 5, .args = args};
    check(fut_spawn(&spawn, &c->made), "starting a child");
    check((fut_status_t)fut_syscall(FUT_SYS_TASK_WATCH, c->made.task, c->done, 1, 0, 0, 0).status, "watching a child");
    check(fut_thread_resume(c->made.thread), "resuming a child");
    c->until = fut_clock() + TIME_NS;
}

static void finish(struct running *c, uint64_t steps)
{
    uint64_t bits, count = 0;
    if (fut_event_wait(c->done, 1, c->until, 0, &bits) == FUT_OK)
        exited++;
    else
        late++;
    if (fut_syscall(FUT_SYS_MEMORY_READ, c->count, 0, (uint64_t)&count, sizeof count, 0, 0).status == FUT_OK && count <= steps)
        calls += count; // it may have written anything there
    // Revoking the Account's handle reaches nothing that it paid for, so all that the child made is ended by hand:
    // its task, and then whatever was derived from what it was given.
    (void)fut_task_destroy(c->made.task);
    fut_handle_t all[] = {c->made.thread, c->made.space, c->made.task, c->channel, c->event, c->memory, c->done, c->count};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        (void)fut_syscall(FUT_SYS_CAP_REVOKE, all[i], 0, 0, 0, 0, 0);
        fut_cap_delete(all[i]);
    }
    struct fut_account_info info;
    check((fut_status_t)fut_syscall(FUT_SYS_ACCOUNT_INFO, c->account, (uint64_t)&info, 0, 0, 0, 0).status, "reading the Account");
    fut_log("native-fuzz child %u: %llu pages and %llu objects left", c->number, (unsigned long long)info.pages_used,
            (unsigned long long)info.objects_used);
    fut_cap_delete(c->account);
}

static uint64_t option(const char *line, const char *name, uint64_t otherwise)
{
    const char *at = strstr(line, name);
    return at ? strtoull(at + strlen(name), nullptr, 0) : otherwise;
}

int main(int argc, char **argv)
{
    if (argc == 3)
        hostile(strtoull(argv[1], nullptr, 10), (unsigned)strtoull(argv[2], nullptr, 10));
    const struct fut_boot_info *boot = fut_boot_info();
    if (boot == nullptr)
        return 1;
    uint64_t wanted = option(boot->command_line, "calls=", 100000), steps = option(boot->command_line, "steps=", 4000);
    uint64_t seed = option(boot->command_line, "seed=", 1);
    check(fut_thread_priority(boot->h_thread, 40), "setting the priority");
    struct fut_map map = {.bytes = (boot->archive_bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1), .memory = boot->h_archive,
                          .flags = FUT_PROT_READ};
    uint64_t address;
    check(fut_space_map(boot->h_space, &map, &address), "mapping the archive");
    struct fut_bytes archive = {(const void *)address, boot->archive_bytes};
    check(fut_archive_find(archive, "init", &image), "finding this image");
    struct running running[AT_ONCE] = {};
    struct fut_machine_info after;
    unsigned left = 0;
    for (unsigned n = 1; calls < wanted || left; n++) {
        struct running *c = &running[n % AT_ONCE];
        if (c->number) {
            finish(c, steps);
            left--;
        }
        c->number = 0;
        if (calls < wanted) {
            start(c, n, seed * 1000003 + n, steps);
            left++;
        }
    }
    check((fut_status_t)fut_syscall(FUT_SYS_MACHINE_INFO, boot->h_machine, (uint64_t)&after, 0, 0, 0, 0).status, "looking at the machine");
    fut_log("native-fuzz done: %u ended, %u were stopped, %llu calls, %u CPUs, %llu KiB free", exited, late,
            (unsigned long long)calls, after.cpus, (unsigned long long)after.free_bytes / 1024);
    (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, 0);
    return 0;
}
