// SPDX-License-Identifier: MPL-2.0
//
// msgfuzz: sends random and nearly right messages to every server that a program can reach.
//
//   msgfuzz SEED COUNT      COUNT messages to each target; prints one line a target
//
// It holds what root's programs hold: its Process Session, its Context, open files of all kinds, and every
// name in the registry. Then it gives its user id away, so that a message that happens to be a valid call can
// harm nobody else: what counts is that each server answers, refuses, or lets the deadline pass, and lives.
//
// Messages come in three kinds: noise (every word random); headers that are right for a protocol, with a
// random method, form, length and body; and bodies of small and boundary values, which often pass validation
// and reach the handlers. Some carry capabilities, leases, or more than the tag admits. Each call has a
// deadline of a few milliseconds, because a valid one may wait for input.
#include <fipc/block.h>
#include <fipc/clock.h>
#include <fipc/console.h>
#include <fipc/device.h>
#include <fipc/entropy.h>
#include <fipc/fs.h>
#include <fipc/io.h>
#include <fipc/process.h>
#include <fipc/registry.h>
#include <fipc/supervisor.h>
#include <fipc/tty.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_NS 3000000ull
#define TARGETS_MAX 48
#define NOBODY 65534u

struct target {
    char name[64];
    fut_handle_t session;
    uint32_t protocols[3];
    uint64_t skip; // methods that are not called with a body that may be valid, as bits
};

static struct target target[TARGETS_MAX];
static size_t target_count;

static uint64_t state;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t n) { return rnd() % n; }

static uint64_t odd_value(void)
{
    static const uint64_t edge[] = {0, 1, 2, 3, 7, 8, 63, 64, 255, 256, 4095, 4096, 7168, 7169, 7680, 65535, 65536, 0x7fffffff,
                                    0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX};
    return below(3) == 0 ? rnd() : edge[below(sizeof edge / sizeof *edge)];
}

static void add(const char *name, fut_handle_t session, uint32_t p0, uint32_t p1, uint64_t skip)
{
    if (session == FUT_HANDLE_NONE || target_count == TARGETS_MAX)
        return;
    struct target *t = &target[target_count++];
    *t = (struct target){.session = session, .protocols = {p0, p1, IO_FILE_PROTOCOL}, .skip = skip};
    snprintf(t->name, sizeof t->name, "%s", name);
}

static uint64_t method(unsigned ordinal) { return 1ull << ordinal; }

static void add_registered(registry_directory_t registry)
{
    static const struct { const char *prefix; uint32_t protocol; uint64_t skip; } kinds[] = {
        {"supervisor", SUPERVISOR_SUPERVISOR_PROTOCOL, 0}, {"block", BLOCK_DEVICE_PROTOCOL, 0},
        // A valid Write would print on the very line that this test is watched through.
        {"console", CONSOLE_CONSOLE_PROTOCOL, 1ull << 5}, {"clock", CLOCK_CLOCK_PROTOCOL, 0},
        {"entropy", ENTROPY_SOURCE_PROTOCOL, 0}};
    add("registry", registry.h, REGISTRY_DIRECTORY_PROTOCOL, REGISTRY_PUBLISHER_PROTOCOL, 0);
    for (uint32_t i = 0;; i++) {
        struct fut_string name;
        char copy[64];
        if (registry_directory_list(registry, i, &name) != FUT_OK || name.len >= sizeof copy)
            return;
        memcpy(copy, name.data, name.len);
        copy[name.len] = 0;
        fut_handle_t session;
        if (registry_directory_lookup(registry, fut_string(copy), false, &session) != FUT_OK)
            continue;
        uint32_t protocol = DEVICE_DEVICES_PROTOCOL;
        uint64_t skip = 0;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (strncmp(copy, kinds[k].prefix, strlen(kinds[k].prefix)) == 0) {
                protocol = kinds[k].protocol;
                skip = kinds[k].skip;
            }
        add(copy, session, protocol, protocol, skip);
    }
}

// Opens as the library would: what is no file of the Context's server is opened by posixd.
static void add_file(const char *name, fs_context_t context, process_process_t self, const char *path, fs_open_flags_t flags,
                     uint32_t protocol)
{
    io_file_t file = {};
    struct io_stat node;
    uint32_t kind;
    if (fs_context_open(context, (io_file_t){}, fut_string(path), flags, 0600, &file, &node) != FUT_OK)
        return;
    if (file.h == FUT_HANDLE_NONE &&
        process_process_open_special(self, &node, flags & FS_OPEN_FLAGS_READ_WRITE, fut_string(path), &file, &kind) != FUT_OK)
        return;
    add(name, file.h, protocol, IO_FILE_PROTOCOL, 0);
}

// Of memory set aside for it, since a server may take the offer; or of addresses that are nobody's.
static struct fut_lease some_lease(void)
{
    static char lent[65536];
    if (below(2) != 0)
        return (struct fut_lease){rnd() | 1ull << 47, odd_value(), (uint32_t)below(4), 0};
    uint64_t offset = below(sizeof lent);
    return (struct fut_lease){(uintptr_t)lent + offset, below(sizeof lent - offset), (uint32_t)below(4), 0};
}

static unsigned capabilities(uint32_t cap[4], fut_handle_t event, fut_handle_t memory, const struct target *t)
{
    unsigned count = below(4) == 0 ? (unsigned)below(5) : 0;
    for (unsigned i = 0; i < count; i++)
        switch (below(5)) {
        case 0: cap[i] = event; break;
        case 1: cap[i] = memory; break;
        case 2: cap[i] = t->session; break;
        case 3: cap[i] = memory | FUT_CAP_LEND; break;
        default: cap[i] = (uint32_t)rnd(); break;
        }
    return count;
}

static void send_one(const struct target *t, fut_handle_t event, fut_handle_t memory)
{
    struct fut_ipc_buffer *ipc = fut_ipc_buffer();
    struct fut_msg m = {.control = FUT_SYS_CALL | FUT_IPC_DEADLINE << 8 | (uint64_t)t->session << 32};
    uint32_t cap[4] = {};
    unsigned kind = (unsigned)below(4), caps = capabilities(cap, event, memory, t);
    unsigned ordinal = (unsigned)below(below(8) == 0 ? 0x10000 : 48);
    if (kind != 0 && ordinal < 64 && (t->skip >> ordinal & 1) != 0)
        kind = 0;
    for (unsigned i = 0; i < FUT_IPC_REG_WORDS; i++)
        m.w[i] = kind == 2 ? odd_value() : kind == 3 ? below(4) : rnd();
    if (kind == 0) {
        m.tag = rnd() & ~(0xfull << 28); // in register form; the memory form's noise is below
    } else {
        unsigned flags = below(2) != 0 ? FUT_TAG_MEMORY : 0;
        unsigned words = flags != 0 ? 1 : (unsigned)below(9);
        m.tag = FUT_TAG(t->protocols[below(3)], flags | (below(6) == 0 ? FUT_TAG_LEASE : 0), below(16) == 0, caps, words, ordinal);
        for (unsigned i = words; flags == 0 && kind != 1 && i < FUT_IPC_REG_WORDS; i++)
            m.w[i] = 0;
        if (flags != 0) {
            m.w[0] = below(8) == 0 ? odd_value() : 8 * below(below(2) != 0 ? 12 : FUT_IPC_BODY_SIZE / 8 + 1);
            for (size_t i = 0; i < FUT_IPC_BODY_SIZE / 8; i++) {
                uint64_t word = kind == 1 ? rnd() : i < 24 ? odd_value() & (below(2) != 0 ? 0xff : UINT64_MAX) : 0;
                memcpy(ipc->body + i * 8, &word, 8);
            }
        }
    }
    for (unsigned i = 0; i < 4; i++)
        ipc->cap[i] = cap[i];
    for (unsigned i = 0; i < FUT_LEASES; i++)
        ipc->lease[i] = some_lease();
    m.caps01 = cap[0] | (uint64_t)cap[1] << 32;
    m.caps23 = cap[2] | (uint64_t)cap[3] << 32;
    ipc->deadline = fut_clock() + DEADLINE_NS;
    fut_ipc(&m);
    if (fut_msg_status(&m) != FUT_OK)
        return;
    // What came back is dropped, or this table fills.
    bool in_memory = (FUT_TAG_FLAGS(m.tag) & FUT_TAG_MEMORY) != 0;
    for (unsigned i = 0; i < FUT_TAG_CAPS(m.tag) && (in_memory || i < 4); i++) {
        fut_handle_t h = in_memory ? ipc->cap[i] : (fut_handle_t)((i < 2 ? m.caps01 : m.caps23) >> (i % 2 * 32));
        if (h != FUT_HANDLE_NONE)
            fut_cap_delete(h);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: msgfuzz SEED COUNT\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[1], nullptr, 0), count = strtoull(argv[2], nullptr, 0);
    fut_handle_t event, memory;
    if (fut_event_create(&event) != FUT_OK || fut_memory_create(65536, 0, &memory) != FUT_OK)
        return 1;

    // Exit, ExitThread, Fork, Exec, NewThread, Kill, SetTimer and Default would end or copy the fuzzer itself.
    uint64_t own = method(20) | method(2) | method(3) | method(4) | method(5) | method(6) | method(8) | method(9) | method(38);
    process_process_t self = {fut_startup_cap("process")};
    fs_context_t root = {fut_startup_cap("context")}, proc;
    add_file("file", root, self, "/tmp/msgfuzz.file", FS_OPEN_FLAGS_READ_WRITE | FS_OPEN_FLAGS_CREATE, IO_FILE_PROTOCOL);
    add_file("directory", root, self, "/tmp", 0, IO_FILE_PROTOCOL);
    add_file("null", root, self, "/dev/null", FS_OPEN_FLAGS_READ_WRITE, IO_FILE_PROTOCOL);
    add_file("zero", root, self, "/dev/zero", FS_OPEN_FLAGS_READ_WRITE, IO_FILE_PROTOCOL);
    add_file("ptmx", root, self, "/dev/ptmx", FS_OPEN_FLAGS_READ_WRITE, TTY_TERMINAL_PROTOCOL);
    if (process_process_tree(self, 1, &proc) == FUT_OK) {
        add("proc-context", proc.h, FS_CONTEXT_PROTOCOL, FS_CONTEXT_PROTOCOL, 0);
        add_file("proc-file", proc, self, "/meminfo", 0, IO_FILE_PROTOCOL);
        add_file("proc-directory", proc, self, "/", 0, IO_FILE_PROTOCOL);
    }
    io_file_t from, to;
    if (process_process_pipe(self, IO_STATUS_NONBLOCK, &from, &to) == FUT_OK) {
        add("pipe-read", from.h, IO_FILE_PROTOCOL, IO_FILE_PROTOCOL, 0);
        add("pipe-write", to.h, IO_FILE_PROTOCOL, IO_FILE_PROTOCOL, 0);
    }
    registry_directory_t registry = {fut_startup_cap("registry")};
    if (registry.h != FUT_HANDLE_NONE)
        add_registered(registry);
    fs_context_t context;
    if (process_process_set_group_id(self, NOBODY, NOBODY, NOBODY, nullptr) != FUT_OK ||
        process_process_set_user(self, NOBODY, NOBODY, NOBODY, &context) != FUT_OK) {
        fprintf(stderr, "msgfuzz: cannot give the user id away\n");
        return 1;
    }
    add("process", self.h, PROCESS_PROCESS_PROTOCOL, PROCESS_LAUNCHER_PROTOCOL, own);
    add("context", context.h, FS_CONTEXT_PROTOCOL, FS_ADMIN_PROTOCOL, 0);
    for (size_t i = 0; i < target_count; i++) {
        state = (seed * 0x9e3779b97f4a7c15ull + i) | 1;
        for (uint64_t n = 0; n < count; n++)
            send_one(&target[i], event, memory);
        printf("%s: %llu messages\n", target[i].name, (unsigned long long)count);
        fflush(stdout);
    }
    printf("msgfuzz: %zu targets\n", target_count);
    return 0;
}
