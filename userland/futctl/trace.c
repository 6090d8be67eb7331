// SPDX-License-Identifier: MPL-2.0
//
// The kernel's trace: started, stopped, and written out in the compact form that tools/futura trace reads. All
// numbers are LEB128; signed ones zigzag. Names first, so that the reader can tell tasks apart:
//
//   "FUTRACE1" mult shift base_counter base_ns CPUs
//   per name:  task length bytes                       task 0 ends them
//   per CPU:   lost count, then count times: counter - the one before, kind, thread, a, b
#include "futctl.h"
#include <errno.h>
#include <fipc/device.h>
#include <futura/startup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 512u

static fut_handle_t machine(void)
{
    fut_handle_t m = 0;
    fut_status_t status = supervisor_supervisor_debug(supervisor, &m);
    if (status != FUT_OK)
        fail("init does not give the right to debug", status);
    return m;
}

static void put(FILE *to, uint64_t v)
{
    do {
        putc((int)(v & 0x7f) | (v > 0x7f ? 0x80 : 0), to);
        v >>= 7;
    } while (v);
}

static void put_name(FILE *to, uint64_t task, struct fut_string name)
{
    if (!task)
        return;
    put(to, task);
    put(to, name.len);
    fwrite(name.data, 1, name.len, to);
}

static void put_names(FILE *to)
{
    struct fut_string name, service, driver;
    struct supervisor_service s;
    for (uint32_t i = 0; supervisor_supervisor_get(supervisor, i, &s, &name) == FUT_OK; i++)
        put_name(to, s.task_id, name);
    device_devices_t devices;
    struct device_device d;
    if (registry_directory_lookup((registry_directory_t){fut_startup_cap("registry")}, text("devices"), false, &devices.h) == FUT_OK)
        for (uint32_t i = 0; device_devices_get(devices, i, &d, &name, &service, &driver) == FUT_OK; i++)
            put_name(to, d.task_id, driver);
    put(to, 0);
}

static void put_header(FILE *to)
{
    // The page that says how counters become time is mapped for as long as this program runs.
    uint64_t at;
    struct fut_map q = {.bytes = FUT_PAGE_SIZE, .memory = fut_startup_cap("time"), .flags = FUT_PROT_READ};
    fut_status_t status = fut_space_map(fut_startup_cap("space"), &q, &at);
    if (status != FUT_OK)
        fail("the time page", status);
    const struct fut_time_page *page = (const struct fut_time_page *)at;
    fputs("FUTRACE1", to);
    put(to, page->mult);
    put(to, page->shift);
    put(to, page->base_counter);
    put(to, page->base_ns);
}

// False: there is no such CPU's ring.
static bool put_ring(FILE *to, fut_handle_t m, uint32_t cpu)
{
    static struct fut_trace_record *all;
    struct fut_trace_record chunk[CHUNK];
    struct fut_trace_read q = {.cpu = cpu, .max = CHUNK, .records = (uintptr_t)chunk};
    size_t count = 0, room = 0;
    uint64_t lost = 0;
    fut_status_t status;
    while ((status = fut_trace_read(m, &q)) == FUT_OK && q.count != 0) {
        lost += q.lost;
        if (count + q.count > room) {
            room = (count + q.count) * 2;
            struct fut_trace_record *more = realloc(all, room * sizeof *all);
            if (more == nullptr)
                fail("trace", FUT_ERR_NO_MEMORY);
            all = more;
        }
        memcpy(all + count, chunk, q.count * sizeof *chunk);
        count += q.count;
    }
    if (status == FUT_ERR_STATE)
        fail("no trace runs", status);
    if (status != FUT_OK && count == 0)
        return false;
    put(to, lost);
    put(to, count);
    uint64_t before = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t time = all[i].time_kind >> 8;
        put(to, time - before);
        before = time;
        put(to, all[i].time_kind & 0xff);
        put(to, all[i].thread);
        put(to, all[i].a);
        put(to, all[i].b);
    }
    return true;
}

static int write_out(fut_handle_t m, const char *file)
{
    FILE *to = file != nullptr ? fopen(file, "w") : stdout;
    if (to == nullptr) {
        fprintf(stderr, "futctl: %s: %s\n", file, strerror(errno));
        return 1;
    }
    put_header(to);
    put_names(to);
    for (uint32_t cpu = 0; cpu < FUT_CPUS_MAX && put_ring(to, m, cpu); cpu++) {
    }
    if (ferror(to) | fflush(to) | (file != nullptr ? fclose(to) : 0)) {
        fprintf(stderr, "futctl: %s: %s\n", file != nullptr ? file : "standard output", strerror(errno));
        return 1;
    }
    return 0;
}

int command_trace(int argc, char **argv)
{
    const char *what = argc >= 2 ? argv[1] : "";
    bool start = strcmp(what, "start") == 0, stop = strcmp(what, "stop") == 0, out = strcmp(what, "write") == 0;
    if (!(start || stop || out) || argc > (out ? 3 : 2)) {
        fputs("usage: futctl trace start|stop|write [FILE]\n", stderr);
        return 2;
    }
    fut_handle_t m = machine();
    if (out)
        return write_out(m, argv[2]);
    fut_status_t status = fut_trace_control(m, start);
    if (status == FUT_ERR_STATE) {
        fputs(start ? "futctl: a trace runs already\n" : "futctl: no trace runs\n", stderr);
        return 1;
    }
    if (status != FUT_OK)
        fail("trace", status);
    return 0;
}

int command_debug(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fut_status_t status = fut_machine_debug(machine());
    if (status == FUT_ERR_UNSUPPORTED) {
        fputs("futctl: the kernel's debugger is off: start the system with `tools/futura run --kdb`\n", stderr);
        return 1;
    }
    if (status != FUT_OK)
        fail("debug", status);
    return 0;
}
