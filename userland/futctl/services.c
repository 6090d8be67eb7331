// SPDX-License-Identifier: MPL-2.0
//
// Services as init sees them, and their logs.
#include "futctl.h"
#include <stdio.h>
#include <string.h>

static const char *state_name(unsigned state)
{
    static const char *const names[] = {"stopped", "running", "waiting", "itself"};
    return state < sizeof names / sizeof names[0] ? names[state] : "?";
}

int command_services(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("%-12s %-8s %6s %10s %8s %8s %8s\n", "NAME", "STATE", "STARTS", "CPU ms", "MEMORY", "HANDLES", "THREADS");
    for (uint32_t i = 0;; i++) {
        struct supervisor_service s;
        struct fut_string name;
        char memory[16];
        fut_status_t status = supervisor_supervisor_get(supervisor, i, &s, &name);
        if (status == SUPERVISOR_ERROR_NOT_FOUND)
            return 0;
        if (status != FUT_OK)
            fail("services", status);
        printf("%-12.*s %-8s %6u %10llu %8s %8u %8u\n", (int)name.len, name.data, state_name(s.state), s.starts,
               (unsigned long long)(s.cpu_ns / 1000000), bytes_text(s.pages * FUT_PAGE_SIZE, memory), s.handles, s.threads);
    }
}

int command_log(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: futctl log SERVICE\n", stderr);
        return 2;
    }
    for (uint64_t offset = 0;;) {
        struct fut_bytes data;
        uint64_t next;
        fut_status_t status = supervisor_supervisor_log(supervisor, text(argv[1]), offset, &data, &next);
        if (status != FUT_OK)
            fail(argv[1], status);
        if (data.len == 0)
            return 0;
        fwrite(data.data, 1, data.len, stdout);
        fflush(stdout);
        offset = next;
    }
}

int command_dmesg(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (uint64_t offset = 0;;) {
        struct fut_bytes data;
        uint64_t next;
        fut_status_t status = supervisor_supervisor_kernel_log(supervisor, offset, &data, &next);
        if (status != FUT_OK)
            fail("dmesg", status);
        if (data.len == 0)
            return 0;
        fwrite(data.data, 1, data.len, stdout);
        fflush(stdout);
        offset = next;
    }
}

int command_kill(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: futctl kill SERVICE|DEVICE\n", stderr);
        return 2;
    }
    fut_status_t status = supervisor_supervisor_kill(supervisor, text(argv[1]));
    if (status == SUPERVISOR_ERROR_NOT_FOUND)
        status = kill_driver(argv[1]);
    if (status != FUT_OK)
        fail(argv[1], status);
    return 0;
}
