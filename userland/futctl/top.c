// SPDX-License-Identifier: MPL-2.0
//
// Services by the CPU time they took since the last look.
#include "futctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SERVICES 64

struct row { char name[32]; uint64_t cpu_ns, before, pages; unsigned handles, threads; };
static struct row rows[SERVICES];

static unsigned look(void)
{
    unsigned n = 0;
    for (; n < SERVICES; n++) {
        struct supervisor_service s;
        struct fut_string name;
        fut_status_t status = supervisor_supervisor_get(supervisor, n, &s, &name);
        if (status == SUPERVISOR_ERROR_NOT_FOUND)
            break;
        if (status != FUT_OK)
            fail("services", status);
        struct row *r = &rows[n];
        size_t length = name.len < 31 ? name.len : 31;
        memcpy(r->name, name.data, length);
        r->name[length] = 0;
        r->before = s.cpu_ns >= r->cpu_ns ? r->cpu_ns : 0; // started anew: counted from nothing
        r->cpu_ns = s.cpu_ns;
        r->pages = s.pages;
        r->handles = s.handles;
        r->threads = s.threads;
    }
    return n;
}

static int by_cpu(const void *a, const void *b)
{
    const struct row *const *x = a, *const *y = b;
    uint64_t p = (*x)->cpu_ns - (*x)->before, q = (*y)->cpu_ns - (*y)->before;
    return p < q ? 1 : p > q ? -1 : 0;
}

int command_top(int argc, char **argv)
{
    unsigned long times = ~0ul, seconds = 2;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            times = strtoul(argv[++i], nullptr, 10);
        else if (strcmp(argv[i], "-d") == 0 && i + 1 < argc)
            seconds = strtoul(argv[++i], nullptr, 10);
        else {
            fputs("usage: futctl top [-n COUNT] [-d SECONDS]\n", stderr);
            return 2;
        }
    }
    uint64_t last = fut_clock();
    (void)look();
    for (unsigned long turn = 0; turn < times; turn++) {
        sleep((unsigned)(seconds != 0 ? seconds : 1));
        unsigned n = look();
        uint64_t now = fut_clock(), passed = now - last;
        last = now;
        uint64_t ram = 0, free_bytes = 0, calls = 0, switches = 0;
        (void)supervisor_supervisor_machine(supervisor, &ram, &free_bytes, nullptr, nullptr, &switches, &calls, nullptr, nullptr);
        struct row *order[SERVICES];
        for (unsigned i = 0; i < n; i++)
            order[i] = &rows[i];
        qsort(order, n, sizeof order[0], by_cpu);
        char a[16], b[16];
        if (isatty(1))
            fputs("\033[H\033[J", stdout);
        printf("memory %s, free %s; calls %llu, switches %llu\n\n%-12s %6s %10s %8s %8s %8s\n", bytes_text(ram, a),
               bytes_text(free_bytes, b), (unsigned long long)calls, (unsigned long long)switches, "NAME", "%CPU", "CPU ms",
               "MEMORY", "HANDLES", "THREADS");
        for (unsigned i = 0; i < n; i++) {
            const struct row *r = order[i];
            uint64_t permille = passed != 0 ? (r->cpu_ns - r->before) * 1000 / passed : 0;
            printf("%-12s %4llu.%llu %10llu %8s %8u %8u\n", r->name, (unsigned long long)(permille / 10),
                   (unsigned long long)(permille % 10), (unsigned long long)(r->cpu_ns / 1000000),
                   bytes_text(r->pages * FUT_PAGE_SIZE, a), r->handles, r->threads);
        }
        fflush(stdout);
    }
    return 0;
}
