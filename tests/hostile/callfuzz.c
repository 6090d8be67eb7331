// SPDX-License-Identifier: MPL-2.0
//
// callfuzz: native system calls with random numbers, handles, pointers and lengths.
//
//   callfuzz SEED COUNT
//
// Handles are now and then real ones, pointers now and then good, sizes around every boundary: so that the calls
// reach beyond their first check. The program may well end itself on the way (it can unmap its own code, or
// exit its thread); what counts is that nothing else notices. Waits have short deadlines.
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>

#define HANDLES 64

static uint64_t state;
static fut_handle_t handle[HANDLES];
static char scratch[65536];

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t n) { return rnd() % n; }

static uint64_t argument(void)
{
    static const uint64_t edge[] = {0, 1, 2, 4095, 4096, 4097, 8192, 65536, 1ull << 20, 1ull << 31, 1ull << 32, 1ull << 46,
                                    FUT_USER_TOP - 4096, FUT_USER_TOP, 0x7fffffffffff, 0xffff800000000000, UINT64_MAX - 4095,
                                    UINT64_MAX};
    switch (below(6)) {
    case 0: return rnd();
    case 1: return edge[below(sizeof edge / sizeof *edge)];
    case 2: return (uintptr_t)scratch + below(sizeof scratch) / 8 * 8;
    case 3: return below(16) * FUT_PAGE_SIZE;
    default: return handle[below(HANDLES)];
    }
}

// A wait that nothing ends would be the end of the test.
static uint64_t soon(void) { return fut_clock() + 100000; }

static bool waits(unsigned op)
{
    return op == FUT_SYS_EVENT_WAIT || op == FUT_SYS_WAITSET_WAIT || op == FUT_SYS_FUTEX_WAIT;
}

// What only ends this program is left out, so that the rest gets its turn.
static bool ends_itself(unsigned op)
{
    return op == FUT_SYS_THREAD_EXIT || op == FUT_SYS_UPCALL_RETURN || op == FUT_SYS_UPCALL_SET || op == FUT_SYS_TLS_SET;
}

static void ipc(unsigned op)
{
    struct fut_msg m = {.control = op | (FUT_IPC_DEADLINE | below(8)) << 8 | argument() << 32, .tag = rnd(), .aux = argument()};
    for (unsigned i = 0; i < FUT_IPC_REG_WORDS; i++)
        m.w[i] = argument();
    m.caps01 = argument() | argument() << 32;
    m.caps23 = rnd();
    fut_ipc_buffer()->deadline = soon();
    fut_ipc(&m);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: callfuzz SEED COUNT\n");
        return 2;
    }
    state = strtoull(argv[1], nullptr, 0) * 0x9e3779b97f4a7c15ull | 1;
    static const char *const given[] = {"task", "space", "account", "log", "time", "registry", "process", "context"};
    for (size_t i = 0; i < HANDLES; i++)
        handle[i] = i < 8 ? fut_startup_cap(given[i]) : FUT_HANDLE_NONE;
    for (uint64_t n = strtoull(argv[2], nullptr, 0); n > 0; n--) {
        unsigned op = (unsigned)below(below(16) == 0 ? 512 : FUT_SYS_COUNT);
        if (op >= FUT_SYS_CALL && op <= FUT_SYS_REPLY_RECV) {
            ipc(op);
            continue;
        }
        if (ends_itself(op))
            continue;
        uint64_t a2 = argument(), a3 = argument();
        if (waits(op)) {
            a2 = soon();
            a3 = op == FUT_SYS_WAITSET_WAIT ? soon() : a3;
        }
        struct fut_result r = fut_syscall(op, argument(), argument(), a2, a3, argument(), argument());
        // What looks like a new handle is used from now on.
        if (r.status == FUT_OK && r.value != 0 && r.value < 1ull << 30)
            handle[8 + below(HANDLES - 8)] = (fut_handle_t)r.value;
    }
    printf("callfuzz: done\n");
    return 0;
}
