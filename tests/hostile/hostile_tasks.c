// SPDX-License-Identifier: MPL-2.0
//
// What a task must not be able to do, each as a named test, on the real platform. Boots as the first task, alone. For
// each test it starts a child in an Account of its own that holds exactly what the test needs, lets it try, and looks at
// the end whether the machine is as it was: the child's Account empty, a deadline of the first task kept, its secret
// unread and unwritten. A child reports `refused` or `got through` by an Event; a child that is to be ended by a fault
// must end without either.
//
// hostile_tasks.py boots it and reads the lines `hostile: NAME ok` and `hostile: NAME FAILED`.
#include <futura/loader.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <privileged.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE FUT_PAGE_SIZE
#define REFUSED 1u
#define GOT_THROUGH 2u
#define READY 4u
#define GO 8u
#define ENDED 16u
#define SECRET 0x5ec2e7c0de5ec2e7ull

#define SYS(op, ...) SYS_(FUT_SYS_##op, __VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0, 0)
#define SYS_(op, a, b, c, d, e, f, ...)                                                                                    \
    fut_syscall(op, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f))
#define STATUS(op, ...) ((fut_status_t)SYS(op, __VA_ARGS__).status)

static fut_handle_t cap(const char *name) { return fut_startup_cap(name); }
static alignas(PAGE) char scratch[4 * PAGE];

static fut_handle_t make(struct fut_result r) { return r.status == FUT_OK ? (fut_handle_t)r.value : 0; }

static int32_t message(uint32_t op, uint32_t flags, fut_handle_t h, uint64_t tag, uint64_t aux, uint64_t caps01, struct fut_msg *out)
{
    struct fut_msg m = {.control = op | flags << 8 | (uint64_t)h << 32, .tag = tag, .aux = aux, .caps01 = caps01};
    fut_ipc(&m);
    if (out)
        *out = m;
    return (int32_t)m.control;
}
#define TAG(caps) FUT_TAG(9, 0, 0, caps, 8, 1)

static void pause_ns(uint64_t ns)
{
    fut_handle_t never = make(SYS(EVENT_CREATE));
    (void)SYS(EVENT_WAIT, never, 1, fut_clock() + ns, 0);
    (void)SYS(CAP_DELETE, never);
}

static uint64_t state = 88172645463325252ull;
static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// --- What the children try: true where all of it was refused --------------------------------------------------------
static bool own(fut_handle_t h)
{
    const struct fut_startup *s = fut_startup();
    for (uint32_t i = 0; i < s->cap_count; i++)
        if (s->cap[i].handle == h)
            return true;
    return false;
}

static bool forge_a_handle(void)
{
    struct fut_cap_info info;
    unsigned others = 0;
    for (uint32_t index = 0; index < 1024; index++)
        for (uint32_t generation = 0; generation < 8; generation++) {
            fut_handle_t h = generation << FUT_HANDLE_INDEX_BITS | index;
            if (!own(h) && STATUS(CAP_INFO, h, &info) == FUT_OK)
                others += info.type != FUT_OBJ_THREAD && info.type != FUT_OBJ_MEMORY; // what its own start left in the table
        }
    for (unsigned i = 0; i < 50000; i++) {
        fut_handle_t h = (fut_handle_t)rnd();
        if (!own(h) && STATUS(EVENT_SIGNAL, h, 1) == FUT_OK)
            others++;
    }
    return others == 0;
}

static bool use_a_deleted_handle(void)
{
    fut_handle_t event = make(SYS(EVENT_CREATE));
    (void)SYS(CAP_DELETE, event);
    for (unsigned i = 0; i < 1000; i++) {
        fut_handle_t next = make(SYS(EVENT_CREATE));
        if (next == event || STATUS(EVENT_SIGNAL, event, 1) != FUT_ERR_HANDLE)
            return false;
        (void)SYS(CAP_DELETE, next);
    }
    return true;
}

static bool widen_rights(void)
{
    fut_handle_t more = make(SYS(CAP_MINT, cap("looked"), FUT_RIGHTS_ALL));
    bool ok = more && STATUS(EVENT_SIGNAL, more, 1) == FUT_ERR_RIGHTS && STATUS(EVENT_SIGNAL, cap("looked"), 1) == FUT_ERR_RIGHTS;
    more = make(SYS(CAP_GRANT, cap("task"), cap("looked"), FUT_RIGHTS_ALL, 0));
    ok = ok && STATUS(EVENT_SIGNAL, more, 1) == FUT_ERR_RIGHTS;
    more = make(SYS(CAP_TAKE, cap("task"), cap("looked"), FUT_RIGHTS_ALL));
    ok = ok && STATUS(EVENT_SIGNAL, more, 1) == FUT_ERR_RIGHTS;
    // Through a message to itself.
    fut_handle_t channel = make(SYS(CHANNEL_CREATE)), session = make(SYS(SESSION_MINT, channel, 1, 0));
    struct fut_thread_params p = {0};
    (void)p;
    ok = ok && message(FUT_SYS_SEND, FUT_IPC_NONBLOCK, session, TAG(1), 0, cap("looked"), nullptr) == FUT_ERR_WOULD_BLOCK;
    return ok;
}

static bool copy_or_move_without_the_right(void)
{
    fut_handle_t fixed = cap("fixed"), channel = make(SYS(CHANNEL_CREATE)), session = make(SYS(SESSION_MINT, channel, 1, 0));
    return STATUS(CAP_MINT, fixed, FUT_RIGHTS_ALL) == FUT_ERR_RIGHTS && STATUS(CAP_GRANT, cap("task"), fixed, FUT_RIGHTS_ALL, 0) == FUT_ERR_RIGHTS &&
           message(FUT_SYS_SEND, FUT_IPC_NONBLOCK, session, TAG(1), 0, fixed | FUT_CAP_COPY, nullptr) == FUT_ERR_RIGHTS &&
           message(FUT_SYS_SEND, FUT_IPC_NONBLOCK, session, TAG(1), 0, fixed | FUT_CAP_MOVE, nullptr) == FUT_ERR_RIGHTS &&
           STATUS(EVENT_SIGNAL, fixed, 1) == FUT_OK;
}

static bool deliver_without_the_right(void)
{
    struct fut_msg m;
    bool ok = true;
    for (uint32_t op = FUT_SYS_CALL; op <= FUT_SYS_SEND; op++)
        ok = ok && message(op, FUT_IPC_NONBLOCK, cap("mute"), TAG(0), 0, 0, &m) == FUT_ERR_RIGHTS &&
             message(op, FUT_IPC_NONBLOCK, cap("deaf"), TAG(0), 0, 0, &m) == FUT_ERR_TYPE &&
             message(op, FUT_IPC_NONBLOCK, cap("looked"), TAG(0), 0, 0, &m) == FUT_ERR_TYPE;
    return ok && message(FUT_SYS_CALL, 0, cap("mute"), TAG(0), 0, 0, &m) == FUT_ERR_RIGHTS;
}

static bool receive_without_the_right(void)
{
    return message(FUT_SYS_RECV, FUT_IPC_NONBLOCK, cap("deaf"), 0, 0, 0, nullptr) == FUT_ERR_RIGHTS &&
           message(FUT_SYS_RECV, FUT_IPC_NONBLOCK, cap("mute"), 0, 0, 0, nullptr) == FUT_ERR_TYPE &&
           STATUS(SESSION_MINT, cap("deaf"), 1, 0) == FUT_ERR_RIGHTS && STATUS(SESSION_ACK, cap("deaf"), 77) == FUT_ERR_RIGHTS &&
           STATUS(CHANNEL_NEXT, cap("deaf"), 0) == FUT_ERR_RIGHTS && STATUS(MEMORY_PAGED, PAGE, cap("deaf"), 1) == FUT_ERR_RIGHTS;
}

static bool add_permission_bits(void) // the first task looks at what arrives
{
    fut_handle_t more = make(SYS(CAP_MINT, cap("voice"), FUT_RIGHTS_ALL));
    struct fut_msg m;
    return more && message(FUT_SYS_CALL, 0, more, TAG(0), 999, 0, &m) == FUT_OK && m.w[0] == 1;
}

static bool answer_twice(void) // the first task calls
{
    struct fut_msg m;
    if (message(FUT_SYS_RECV, 0, cap("ear"), 0, 0, 0, &m) != FUT_OK)
        return false;
    fut_handle_t reply = make(SYS(REPLY_SAVE));
    return reply && message(FUT_SYS_REPLY, 0, 0, TAG(0), 0, 0, nullptr) == FUT_ERR_STATE &&
           message(FUT_SYS_REPLY, 0, 0, TAG(0), reply, 0, nullptr) == FUT_OK &&
           message(FUT_SYS_REPLY, 0, 0, TAG(0), reply, 0, nullptr) == FUT_ERR_HANDLE &&
           message(FUT_SYS_REPLY, 0, 0, TAG(0), cap("ear"), 0, nullptr) == FUT_ERR_TYPE;
}

static bool use_a_stale_reply(void) // the first task calls, and gives up after 50 ms
{
    struct fut_msg m;
    if (message(FUT_SYS_RECV, 0, cap("ear"), 0, 0, 0, &m) != FUT_OK)
        return false;
    fut_handle_t reply = make(SYS(REPLY_SAVE));
    bool lent = STATUS(LENT_READ, reply, FUT_LENT_RANGE, 0, scratch, 8) == FUT_OK && *(uint64_t *)scratch == SECRET;
    pause_ns(200000000);
    memset(scratch, 0, 8);
    bool ok = lent && STATUS(LENT_READ, reply, FUT_LENT_RANGE, 0, scratch, 8) == FUT_ERR_PEER_CLOSED && *(uint64_t *)scratch == 0 &&
              STATUS(LENT_WRITE, reply, FUT_LENT_RANGE, 0, scratch, 8) == FUT_ERR_PEER_CLOSED;
    ok = ok && message(FUT_SYS_REPLY, 0, 0, TAG(0), reply, 0, nullptr) == FUT_ERR_PEER_CLOSED;
    return ok && message(FUT_SYS_REPLY, 0, 0, TAG(0), reply, 0, nullptr) == FUT_ERR_HANDLE;
}

static bool read_more_than_was_lent(void) // the first task lends eight bytes, for reading
{
    struct fut_msg m;
    if (message(FUT_SYS_RECV, 0, cap("ear"), 0, 0, 0, &m) != FUT_OK)
        return false;
    struct fut_result r = SYS(LENT_READ, 0, FUT_LENT_RANGE, 0, scratch, PAGE);
    bool ok = r.status == FUT_OK && r.value == 8;
    r = SYS(LENT_READ, 0, FUT_LENT_RANGE, 8, scratch, PAGE);
    ok = ok && r.status == FUT_OK && r.value == 0;
    r = SYS(LENT_READ, 0, FUT_LENT_RANGE, -PAGE, scratch, PAGE);
    ok = ok && (r.status != FUT_OK || r.value == 0);
    ok = ok && STATUS(LENT_WRITE, 0, FUT_LENT_RANGE, 0, scratch, 8) == FUT_ERR_RIGHTS &&
         STATUS(LENT_READ, 0, FUT_LENT_RANGE + 1, 0, scratch, 8) != FUT_OK && STATUS(LENT_READ, 0, 0, 0, scratch, 8) == FUT_ERR_ARGUMENT &&
         STATUS(MEMORY_READ, (fut_handle_t)m.caps01, 0, scratch, 8) == FUT_ERR_HANDLE;
    (void)message(FUT_SYS_REPLY, 0, 0, TAG(0), 0, 0, nullptr);
    return ok;
}

static bool outlive_a_revoke(void)
{
    fut_handle_t mine = cap("lease"), copies[40];
    copies[0] = mine;
    for (unsigned i = 1; i < 40; i++)
        copies[i] = make(i & 1 ? SYS(CAP_MINT, copies[i - 1], FUT_RIGHTS_ALL) : SYS(CAP_GRANT, cap("task"), copies[i - 1], FUT_RIGHTS_ALL, 0));
    if (!copies[39] || STATUS(EVENT_SIGNAL, copies[39], 1) != FUT_OK)
        return false;
    (void)SYS(EVENT_SIGNAL, cap("report"), READY);
    (void)SYS(EVENT_WAIT, cap("go"), GO, FUT_FOREVER, 0);
    for (unsigned i = 0; i < 40; i++)
        if (STATUS(EVENT_SIGNAL, copies[i], 1) != FUT_ERR_HANDLE)
            return false;
    return true;
}

static bool exhaust_another_account(void)
{
    struct fut_account_info info;
    if (STATUS(ACCOUNT_INFO, cap("account"), &info) != FUT_OK)
        return false;
    uint64_t limit = info.pages_limit;
    unsigned made = 0;
    while (STATUS(MEMORY_CREATE, 16 * PAGE, FUT_MEM_COMMIT) == FUT_OK && made < 10000)
        made++;
    bool ok = made < limit / 16 + 1;
    // Not by an Account below its own either, and not by making more objects than it may.
    fut_handle_t below = make(SYS(ACCOUNT_CREATE, cap("account"), 1000000, 1000000));
    fut_handle_t space = below ? make(SYS(SPACE_CREATE, below)) : 0;
    (void)space;
    while (make(SYS(EVENT_CREATE)) && made < 20000)
        made++;
    ok = ok && made < 20000 && STATUS(ACCOUNT_INFO, cap("account"), &info) == FUT_OK && info.pages_used <= info.pages_limit &&
         info.objects_used <= info.objects_limit;
    return ok && STATUS(MEMORY_CREATE, 4096ull * PAGE, FUT_MEM_CONTIGUOUS) != FUT_OK && STATUS(MEMORY_CREATE, 1ull << 60, 0) != FUT_OK;
}

static bool rise_above_its_ceiling(void)
{
    struct fut_cap_info list[32];
    struct fut_result r = SYS(TASK_CAPS, cap("task"), list, 32, 0);
    for (uint64_t i = 0; r.status == FUT_OK && i < r.value; i++)
        if (list[i].type == FUT_OBJ_THREAD && STATUS(THREAD_PRIORITY, list[i].handle, 50) == FUT_OK)
            return false;
    struct fut_thread_params p = {.entry = (uint64_t)rise_above_its_ceiling, .priority = 50};
    if (STATUS(THREAD_CREATE, cap("task"), &p) != FUT_ERR_ARGUMENT)
        return false;
    p.priority = 20;
    fut_handle_t thread = make(SYS(THREAD_CREATE, cap("task"), &p));
    return thread && STATUS(THREAD_PRIORITY, thread, 50) == FUT_ERR_ARGUMENT && STATUS(THREAD_PRIORITY, thread, 20) == FUT_OK;
}

static bool starve_a_higher_priority(void) // the first task looks whether it wakes in time
{
    (void)SYS(EVENT_SIGNAL, cap("report"), READY);
    for (;;)
        (void)SYS(YIELD);
}

static bool hold_the_kernel(void) // the first task looks whether it wakes in time
{
    (void)SYS(EVENT_SIGNAL, cap("report"), READY);
    for (;;) {
        fut_handle_t first = make(SYS(EVENT_CREATE)), last = first;
        for (unsigned i = 0; i < 1500 && last; i++)
            last = make(SYS(CAP_MINT, first, FUT_RIGHTS_ALL));
        (void)SYS(CAP_REVOKE, first);
        (void)SYS(CAP_DELETE, first);
        fut_handle_t memory = make(SYS(MEMORY_CREATE, 400 * PAGE, FUT_MEM_COMMIT));
        (void)SYS(CAP_DELETE, memory);
    }
}

static fut_status_t map(fut_handle_t memory, uint64_t at, uint64_t bytes, uint32_t flags, uint64_t *where)
{
    struct fut_map q = {.address = at, .bytes = bytes, .memory = memory, .flags = flags | (memory ? 0 : FUT_MAP_ANON)};
    struct fut_result r = SYS(SPACE_MAP, cap("space"), &q);
    if (where)
        *where = r.value;
    return (fut_status_t)r.status;
}

static bool map_writable_and_executable(void)
{
    uint64_t at;
    fut_handle_t memory = make(SYS(MEMORY_CREATE, PAGE, 0));
    bool ok = map(0, 0, PAGE, 7, nullptr) == FUT_ERR_ARGUMENT && map(memory, 0, PAGE, 7, nullptr) == FUT_ERR_ARGUMENT &&
              map(memory, 0, PAGE, 7 | FUT_MAP_PRIVATE, nullptr) == FUT_ERR_ARGUMENT && map(memory, 0, PAGE, 3, &at) == FUT_OK;
    ok = ok && STATUS(SPACE_PROTECT, cap("space"), at, PAGE, 7) == FUT_ERR_ARGUMENT;
    return ok && STATUS(SPACE_PROTECT, cap("space"), at, PAGE, 6) == FUT_ERR_ARGUMENT;
}

static bool write_its_text(void)
{
    *(volatile char *)(uintptr_t)&write_its_text = 0;
    return false;
}

static bool run_its_data(void)
{
    memset(scratch, 0, sizeof scratch);
    ((void (*)(void))(uintptr_t)scratch)();
    return false;
}

static const uint64_t kernel_addresses[] = KERNEL_ADDRESSES;
static bool read_kernel_memory_0(void) { return *(volatile uint64_t *)kernel_addresses[0] == 1 && false; }
static bool read_kernel_memory_1(void) { return *(volatile uint64_t *)kernel_addresses[1] == 1 && false; }
static bool write_kernel_memory_0(void) { return (*(volatile uint64_t *)kernel_addresses[0] = 0) == 1; }
static bool write_kernel_memory_1(void) { return (*(volatile uint64_t *)kernel_addresses[2] = 0) == 1; }
static bool jump_into_the_kernel(void) { ((void (*)(void))(uintptr_t)kernel_addresses[0])(); return false; }
static bool read_address_0(void) { return *(volatile uint64_t *)(uintptr_t)0x10 == 1 && false; }
static bool privileged_0(void) { privileged_instruction(0); return false; }
static bool privileged_1(void) { privileged_instruction(1); return false; }
static bool privileged_2(void) { privileged_instruction(2); return false; }
static bool privileged_3(void) { privileged_instruction(3); return false; }
static bool privileged_4(void) { privileged_instruction(4); return false; }
static bool privileged_5(void) { privileged_instruction(5); return false; }

static bool hand_kernel_pointers_to_calls(void)
{
    static const uint64_t more[] = {0, 1, 0xfff, FUT_USER_TOP - 1, FUT_USER_TOP, ~0ull, ~0ull - 7, 0x0000800000000000ull};
    fut_handle_t event = make(SYS(EVENT_CREATE)), memory = make(SYS(MEMORY_CREATE, PAGE, 0));
    fut_handle_t set = make(SYS(WAITSET_CREATE));
    (void)SYS(WAITSET_ADD, set, event, 1, 1);
    (void)SYS(EVENT_SIGNAL, event, 1);
    for (unsigned i = 0; i < sizeof kernel_addresses / 8 + sizeof more / 8; i++) {
        uint64_t at = i < sizeof kernel_addresses / 8 ? kernel_addresses[i] : more[i - sizeof kernel_addresses / 8];
        const fut_status_t got[] = {
            STATUS(CAP_INFO, event, at), STATUS(WAITSET_WAIT, set, at, 4, 0), STATUS(MEMORY_READ, memory, 0, at, 64),
            STATUS(MEMORY_WRITE, memory, 0, at, 64), STATUS(MEMORY_INFO, memory, at), STATUS(SPACE_MAP, cap("space"), at),
            STATUS(SPACE_READ, cap("space"), scratch, at, 64), STATUS(SPACE_WRITE, cap("space"), scratch, at, 64),
            STATUS(SPACE_READ, cap("space"), at, scratch, 64), STATUS(SPACE_WRITE, cap("space"), at, scratch, 64),
            STATUS(TASK_INFO, cap("task"), at), STATUS(TASK_CAPS, cap("task"), at, 4, 0), STATUS(THREAD_CREATE, cap("task"), at),
            STATUS(ACCOUNT_INFO, cap("account"), at), STATUS(FUTEX_WAIT, at & ~3ull, 0, 0), STATUS(LOG_READ, cap("log"), 0, at, 64),
            STATUS(TASK_CLONE, cap("task"), 0, cap("space"), at, 4)};
        for (unsigned k = 0; k < sizeof got / sizeof *got; k++)
            if (got[k] == FUT_OK)
                return false;
    }
    return true;
}

static bool read_another_task(void)
{
    fut_handle_t space = cap("other space"), task = cap("other task"), thread = cap("other thread");
    struct fut_regs regs;
    struct fut_map q = {.bytes = PAGE, .flags = FUT_MAP_ANON | 3};
    struct fut_thread_params p = {.entry = 0x400000, .priority = 1};
    return STATUS(SPACE_READ, space, 0x400000, scratch, 64) == FUT_ERR_RIGHTS && STATUS(SPACE_WRITE, space, 0x400000, scratch, 64) == FUT_ERR_RIGHTS &&
           STATUS(SPACE_MAP, space, &q) == FUT_ERR_RIGHTS && STATUS(SPACE_UNMAP, space, 0x400000, PAGE) == FUT_ERR_RIGHTS &&
           STATUS(SPACE_CLONE, space, 0) == FUT_ERR_RIGHTS && STATUS(CAP_TAKE, task, fut_startup()->cap[0].handle, FUT_RIGHTS_ALL) == FUT_ERR_RIGHTS &&
           STATUS(CAP_GRANT, task, cap("report"), FUT_RIGHTS_ALL, 0) == FUT_ERR_RIGHTS && STATUS(THREAD_CREATE, task, &p) == FUT_ERR_RIGHTS &&
           STATUS(TASK_NATIVE, task, 0, 0) == FUT_ERR_RIGHTS && STATUS(TASK_DESTROY, task) == FUT_ERR_RIGHTS &&
           STATUS(THREAD_GET, thread, &regs) == FUT_ERR_RIGHTS && STATUS(THREAD_SET, thread, &regs) == FUT_ERR_RIGHTS &&
           STATUS(THREAD_POST, thread, 1) == FUT_ERR_RIGHTS && STATUS(THREAD_SUSPEND, thread) == FUT_ERR_RIGHTS &&
           STATUS(THREAD_DESTROY, thread) == FUT_ERR_RIGHTS;
}

static bool write_memory_lent_for_reading(void)
{
    uint64_t at;
    fut_handle_t memory = cap("secret");
    return STATUS(MEMORY_WRITE, memory, 0, scratch, 8) == FUT_ERR_RIGHTS && map(memory, 0, PAGE, 3, nullptr) == FUT_ERR_RIGHTS &&
           map(memory, 0, PAGE, 5, nullptr) == FUT_ERR_RIGHTS && STATUS(MEMORY_RESIZE, memory, 8 * PAGE) == FUT_ERR_RIGHTS &&
           STATUS(MEMORY_DECOMMIT, memory, 0, PAGE) == FUT_ERR_RIGHTS && map(memory, 0, PAGE, 1, &at) == FUT_OK &&
           STATUS(SPACE_PROTECT, cap("space"), at, PAGE, 3) == FUT_ERR_RIGHTS && STATUS(SPACE_WRITE, cap("space"), at, scratch, 8) == FUT_ERR_ADDRESS &&
           STATUS(MEMORY_READ, memory, 0, at, 8) == FUT_ERR_ADDRESS && map(memory, 0, 64 * PAGE, 1, nullptr) == FUT_ERR_ARGUMENT &&
           map(memory, 0, PAGE, 3 | FUT_MAP_PRIVATE, &at) == FUT_OK && (*(volatile uint64_t *)at = 1) == 1; // its own copy
}

static bool write_through_a_read_only_mapping(void)
{
    uint64_t at;
    if (map(cap("secret"), 0, PAGE, 1, &at) == FUT_OK && *(volatile uint64_t *)at == SECRET)
        *(volatile uint64_t *)at = 0;
    return false;
}

static bool take_a_device(void)
{
    struct fut_msi msi = {0};
    bool ok = true;
    for (unsigned i = 0; i < 64; i++) {
        fut_handle_t h = i ? (fut_handle_t)rnd() & 0x3fffffff : cap("looked");
        ok = ok && STATUS(IRQ_CREATE, h, i, 0) != FUT_OK && STATUS(IRQ_MSI, h, &msi) != FUT_OK && STATUS(IOPORT_CREATE, h, 0x60, 1) != FUT_OK &&
             STATUS(PHYS_CREATE, h, 0x1000, PAGE, 0) != FUT_OK && STATUS(MACHINE_POWER, h, 0, 0) != FUT_OK;
    }
    struct fut_memory_info info;
    fut_handle_t memory = make(SYS(MEMORY_CREATE, PAGE, 0));
    return ok && STATUS(MEMORY_INFO, memory, &info) == FUT_OK && info.physical == 0;
}

static bool spoil_its_frames(void)
{
    uint64_t at;
    if (map(0, 0, 2 * PAGE, 3, &at) != FUT_OK)
        return false;
    struct fut_upcall u = {.entry = (uint64_t)scratch, .stack = (at + 2 * PAGE) & ~15ull, .frames = at, .count = 4, .causes = 4};
    if (STATUS(UPCALL_SET, &u) != FUT_OK)
        return false;
    memset((void *)at, 0xff, PAGE); // depth and registers: not trusted
    bool ok = STATUS(UPCALL_RETURN) == FUT_ERR_STATE;
    u.frames = 0xffff800000000000ull;
    ok = ok && STATUS(UPCALL_SET, &u) != FUT_OK;
    u.frames = at;
    u.count = 1000;
    ok = ok && STATUS(UPCALL_SET, &u) == FUT_ERR_ARGUMENT;
    *(volatile char *)(uintptr_t)8 = 1; // no frame can be pushed: the fault ends it
    return !ok;
}

static bool fork_without_end(void)
{
    unsigned n = 0;
    for (; n < 10000; n++) {
        fut_handle_t space = make(SYS(SPACE_CLONE, cap("space"), 0));
        fut_handle_t task = space ? make(SYS(TASK_CREATE, 0, space)) : 0;
        struct fut_thread_params p = {.entry = (uint64_t)starve_a_higher_priority, .priority = 5};
        fut_handle_t thread = task ? make(SYS(THREAD_CREATE, task, &p)) : 0;
        if (!thread)
            break;
        (void)SYS(THREAD_RESUME, thread);
    }
    if (n > 0 && n < 10000)
        (void)SYS(EVENT_SIGNAL, cap("report"), READY);
    (void)SYS(EVENT_WAIT, cap("go"), GO, FUT_FOREVER, 0);
    return false;
}

static bool make_calls_that_do_not_exist(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t op = FUT_SYS_COUNT + rnd() % 0xffffffff00;
        if ((op & 0xff) >= FUT_SYS_CALL && (op & 0xff) <= FUT_SYS_REPLY_RECV)
            continue;
        if (fut_syscall(op, rnd(), rnd(), rnd(), rnd(), rnd(), rnd()).status == FUT_OK)
            return false;
    }
    return true;
}

// --- The tests --------------------------------------------------------------------------------------------------------
enum how { REFUSES, FAULTS, CALLED, CALLED_AND_LEFT, LENT, HEARD, REVOKED, TIMED, FORKS };
static const struct test { const char *name; bool (*attack)(void); enum how how; } tests[] = {
#define T(f, how) {#f, f, how}
    T(forge_a_handle, REFUSES), T(use_a_deleted_handle, REFUSES), T(widen_rights, REFUSES), T(copy_or_move_without_the_right, REFUSES),
    T(deliver_without_the_right, REFUSES), T(receive_without_the_right, REFUSES), T(add_permission_bits, HEARD), T(answer_twice, CALLED),
    T(use_a_stale_reply, CALLED_AND_LEFT), T(read_more_than_was_lent, LENT), T(outlive_a_revoke, REVOKED), T(exhaust_another_account, REFUSES),
    T(rise_above_its_ceiling, REFUSES), T(starve_a_higher_priority, TIMED), T(hold_the_kernel, TIMED), T(map_writable_and_executable, REFUSES),
    T(write_its_text, FAULTS), T(run_its_data, FAULTS), T(read_kernel_memory_0, FAULTS), T(read_kernel_memory_1, FAULTS),
    T(write_kernel_memory_0, FAULTS), T(write_kernel_memory_1, FAULTS), T(jump_into_the_kernel, FAULTS), T(read_address_0, FAULTS),
    T(privileged_0, FAULTS), T(privileged_1, FAULTS), T(privileged_2, FAULTS), T(privileged_3, FAULTS), T(privileged_4, FAULTS),
    T(privileged_5, FAULTS), T(hand_kernel_pointers_to_calls, REFUSES), T(read_another_task, REFUSES), T(write_memory_lent_for_reading, REFUSES),
    T(write_through_a_read_only_mapping, FAULTS), T(take_a_device, REFUSES), T(spoil_its_frames, FAULTS), T(fork_without_end, FORKS),
    T(make_calls_that_do_not_exist, REFUSES),
};

[[noreturn]] static void child(const char *name)
{
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++)
        if (!strcmp(tests[i].name, name))
            (void)SYS(EVENT_SIGNAL, cap("report"), tests[i].attack() ? REFUSED : GOT_THROUGH);
    (void)SYS(THREAD_EXIT);
    __builtin_trap();
}

// --- The first task ----------------------------------------------------------------------------------------------------
static const struct fut_boot_info *boot;
static struct fut_bytes image;
static alignas(16) uint64_t secret = SECRET;
static unsigned failures;

static bool fails(const char *what)
{
    fut_log("hostile: first task: %s", what);
    return false;
}
#define MUST(x) do { if (!(x)) return fails(#x); } while (0)

static uint64_t wait_for(fut_handle_t event, uint64_t mask, uint64_t ns)
{
    struct fut_result r = SYS(EVENT_WAIT, event, mask, fut_clock() + ns, 0);
    return r.status == FUT_OK ? r.value : 0;
}

static bool run(const struct test *t)
{
    fut_handle_t account = make(SYS(ACCOUNT_CREATE, boot->h_account, 1200, 2500)), report = make(SYS(EVENT_CREATE)), go = make(SYS(EVENT_CREATE));
    fut_handle_t other = make(SYS(EVENT_CREATE)), channel = make(SYS(CHANNEL_CREATE)), secret_memory = make(SYS(MEMORY_CREATE, 2 * PAGE, 0));
    fut_handle_t voice = make(SYS(SESSION_MINT, channel, 77, 0x3)), ear = make(SYS(CHANNEL_CREATE)), call = make(SYS(SESSION_MINT, ear, 5, 0));
    MUST(account && report && go && other && channel && secret_memory && voice && ear && call);
    MUST(STATUS(MEMORY_WRITE, secret_memory, 0, &secret, 8) == FUT_OK);
    const char *args[] = {"hostile", t->name, nullptr};
    struct fut_spawn_cap caps[] = {
        {"report", report, FUT_RIGHT_WRITE | FUT_RIGHT_DUP}, {"go", go, FUT_RIGHT_READ}, {"looked", other, FUT_RIGHT_READ | FUT_RIGHT_DUP},
        {"fixed", other, FUT_RIGHT_WRITE}, {"mute", voice, FUT_RIGHT_DUP}, {"voice", voice, FUT_RIGHT_CALL | FUT_RIGHT_DUP | 0x10000},
        {"deaf", channel, FUT_RIGHT_DUP}, {"ear", ear, FUT_RIGHT_RECV}, {"lease", other, FUT_RIGHT_WRITE | FUT_RIGHT_DUP},
        {"secret", secret_memory, FUT_RIGHT_READ | FUT_RIGHT_MAP}, {"other task", boot->h_task, FUT_RIGHT_READ},
        {"other space", boot->h_space, 0}, {"other thread", boot->h_thread, 0}, {"log", boot->h_log, FUT_RIGHT_READ}};
    struct fut_spawn spawn = {.image = image, .account = account, .priority = 20, .caps = caps, .cap_count = sizeof caps / sizeof *caps, .args = args};
    struct fut_spawned made;
    MUST(fut_spawn(&spawn, &made) == FUT_OK);
    MUST(STATUS(TASK_WATCH, made.task, report, ENDED) == FUT_OK);
    MUST(fut_thread_resume(made.thread) == FUT_OK);
    struct fut_msg m;
    uint64_t deadline = fut_clock() + 50000000;
    switch (t->how) {
    case CALLED:
        MUST(message(FUT_SYS_CALL, 0, call, TAG(0), 0, 0, &m) == FUT_OK);
        break;
    case CALLED_AND_LEFT:
    case LENT:
        fut_ipc_buffer()->lease[0] = (struct fut_lease){(uint64_t)&secret, 8, t->how == LENT ? FUT_RIGHT_READ : FUT_RIGHT_READ | FUT_RIGHT_WRITE, 0};
        fut_ipc_buffer()->deadline = t->how == LENT ? fut_clock() + 5000000000 : fut_clock() + 100000000;
        MUST(message(FUT_SYS_CALL, FUT_IPC_DEADLINE, call, FUT_TAG(9, FUT_TAG_LEASE, 0, 0, 8, 1), 0, 0, &m) == (t->how == LENT ? FUT_OK : FUT_ERR_TIMED_OUT));
        break;
    case HEARD:
        MUST(message(FUT_SYS_RECV, 0, channel, 0, 0, 0, &m) == FUT_OK && (m.control >> 48 & 0xff) == FUT_RECV_CALL);
        m = (struct fut_msg){.control = FUT_SYS_REPLY, .tag = TAG(0), .w = {m.aux == 77 && (m.control >> 32 & 0xffff) == 1}};
        fut_ipc(&m);
        break;
    case REVOKED:
        MUST(wait_for(report, READY, 5000000000) == READY);
        MUST(STATUS(CAP_REVOKE, other) == FUT_OK);
        MUST(STATUS(EVENT_SIGNAL, go, GO) == FUT_OK);
        break;
    case TIMED: {
        MUST(wait_for(report, READY, 5000000000) == READY);
        uint64_t worst = 0;
        for (int i = 0; i < 20; i++) {
            deadline = fut_clock() + 10000000;
            (void)SYS(EVENT_WAIT, go, GO, deadline, 0);
            uint64_t late = fut_clock() - deadline;
            worst = late > worst ? late : worst;
        }
        fut_log("hostile: %s: the first task woke at most %llu us late", t->name, (unsigned long long)worst / 1000);
        MUST(worst < 3000000000); // a busy host must not fail it; a thread that is starved never wakes
        break;
    }
    case FORKS: {
        MUST(wait_for(report, READY, 20000000000) == READY);
        // The supervisor ends what it can name: the Tasks in the child's table, while there is one.
        MUST(fut_thread_suspend(made.thread) == FUT_OK);
        static struct fut_cap_info list[64];
        for (uint64_t slot = 0, n = 64; n == 64; slot = (list[63].handle & 0x3ffff) + 1) {
            n = SYS(TASK_CAPS, made.task, list, 64, slot).value;
            for (uint64_t i = 0; i < n; i++) {
                fut_handle_t h = list[i].type == FUT_OBJ_TASK ? make(SYS(CAP_TAKE, made.task, list[i].handle, FUT_RIGHTS_ALL)) : 0;
                struct fut_task_info info;
                if (h && STATUS(TASK_INFO, h, &info) == FUT_OK && info.handles == 0)
                    (void)SYS(TASK_DESTROY, h); // one that it made: its own has handles
                fut_cap_delete(h);
            }
        }
        break;
    }
    default:
        break;
    }
    if (t->how == FAULTS) {
        MUST(wait_for(report, REFUSED | GOT_THROUGH | ENDED, 10000000000) == ENDED);
    } else if (t->how != TIMED && t->how != FORKS) {
        uint64_t got = wait_for(report, REFUSED | GOT_THROUGH | ENDED, 20000000000);
        if (got != REFUSED && got != (REFUSED | ENDED))
            return fails(got & GOT_THROUGH ? "it got through" : got ? "it ended before it was done" : "it did not come back");
    }
    // What it paid for goes with it, whatever it did.
    (void)SYS(TASK_DESTROY, made.task);
    fut_handle_t all[] = {made.thread, made.space, made.task, voice, call, channel, ear, other, report, go};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        (void)SYS(CAP_REVOKE, all[i]);
        fut_cap_delete(all[i]);
    }
    uint64_t now = 0;
    MUST(STATUS(MEMORY_READ, secret_memory, 0, &now, 8) == FUT_OK && now == SECRET && secret == SECRET);
    fut_cap_delete(secret_memory);
    struct fut_account_info info;
    MUST(STATUS(ACCOUNT_INFO, account, &info) == FUT_OK);
    if (info.pages_used || info.objects_used)
        fut_log("hostile: %llu pages and %llu objects left", (unsigned long long)info.pages_used, (unsigned long long)info.objects_used);
    MUST(info.pages_used == 0 && info.objects_used == 0);
    fut_cap_delete(account);
    return true;
}

int main(int argc, char **argv)
{
    if (argc == 2)
        child(argv[1]);
    boot = fut_boot_info();
    if (boot == nullptr || STATUS(THREAD_PRIORITY, boot->h_thread, 40) != FUT_OK)
        return 1;
    struct fut_map q = {.bytes = (boot->archive_bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1), .memory = boot->h_archive, .flags = FUT_PROT_READ};
    uint64_t address = SYS(SPACE_MAP, boot->h_space, &q).value;
    struct fut_bytes archive = {(const void *)address, boot->archive_bytes};
    if (fut_archive_find(archive, "init", &image) != FUT_OK)
        return 1;
    for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
        bool ok = run(&tests[i]);
        failures += !ok;
        fut_log("hostile: %s %s", tests[i].name, ok ? "ok" : "FAILED");
    }
    fut_log("hostile: done, %u of %zu failed", failures, sizeof tests / sizeof *tests);
    (void)fut_machine_power(boot->h_machine, FUT_POWER_EXIT, failures ? 1 : 0);
    return 0;
}
