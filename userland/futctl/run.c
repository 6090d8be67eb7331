// SPDX-License-Identifier: MPL-2.0
//
// Runs a program within a confinement (process.Confine): it and all that it starts together have so many processes and
// so many pages of memory.
#include "futctl.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool number(const char *s, unsigned long long *out)
{
    char *end;
    errno = 0;
    *out = strtoull(s, &end, 10);
    return errno == 0 && *s >= '0' && *s <= '9' && *end == 0 && *out != 0;
}

int command_run(int argc, char **argv)
{
    unsigned long long pages = 16384, tasks = 64;
    int at = 1;
    for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
        unsigned long long *to = strcmp(argv[at], "--pages") == 0 ? &pages : strcmp(argv[at], "--tasks") == 0 ? &tasks : nullptr;
        if (to == nullptr || !number(argv[at + 1], to)) {
            at = argc;
            break;
        }
    }
    if (at >= argc || argv[at][0] == '-') {
        fputs("usage: futctl run [--pages N] [--tasks N] PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    fut_status_t status = process_process_confine(process, pages, tasks <= UINT32_MAX ? (uint32_t)tasks : UINT32_MAX);
    if (status != FUT_OK)
        fail("these limits are not to be had", status);
    execvp(argv[at], argv + at);
    fprintf(stderr, "futctl: %s: %s\n", argv[at], strerror(errno));
    return errno == ENOENT ? 127 : 126;
}
