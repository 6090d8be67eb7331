// SPDX-License-Identifier: MPL-2.0
//
// posixd: processes, signals, exec, pipes, devices, /proc. Start-up and the server loop's call-backs.
#include <futura/loader.h>
#include <stdarg.h>
#include <stdio.h>

#include "machine.h"
#include "posixd.h"

struct posixd posixd;

#define BADGE_LAUNCHER 1 // init mints it; those below 16 are init's

uint64_t now_ns(void) { return fut_clock(); }

void log_text(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        (void)fut_log_write(fut_startup_cap("log"), line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static bool speaks(struct object *o, uint32_t protocol)
{
    switch (o->kind) {
    case OBJECT_PROCESS:
        return protocol == PROCESS_PROCESS_PROTOCOL;
    case OBJECT_FILE:
        return protocol == IO_FILE_PROTOCOL || protocol == container(o, struct file, object)->class->protocol;
    case OBJECT_PROC_CONTEXT:
        return protocol == FS_CONTEXT_PROTOCOL;
    }
    return false;
}

static void *lookup(struct fut_server *server, uint64_t badge, uint32_t protocol)
{
    process_bury();
    if (badge == BADGE_LAUNCHER)
        return protocol == PROCESS_LAUNCHER_PROTOCOL ? server : nullptr;
    struct object *o = object_find(badge);
    if (o == nullptr || !speaks(o, protocol))
        return nullptr;
    switch (o->kind) {
    case OBJECT_PROCESS:
        return container(o, struct process, object);
    case OBJECT_FILE:
        return container(o, struct file, object);
    default:
        return o;
    }
}

static void no_senders(struct fut_server *server, uint64_t badge)
{
    struct object *o = object_find(badge);
    if (o != nullptr && o->kind == OBJECT_FILE) {
        file_closed(container(o, struct file, object));
    } else if (o != nullptr && o->kind == OBJECT_PROC_CONTEXT) {
        object_remove(o);
        proc_context_gone(o);
    }
    (void)fut_session_ack(server->channel, badge);
}

static void signals(struct fut_server *server, uint64_t bits)
{
    (void)server;
    process_bury();
    if (bits & SIGNAL_TTY)
        jobs_terminal_signals(), network_changed();
    if (bits & SIGNAL_PTYS)
        device_ptys_changed();
    if (bits >> SIGNAL_TASK_FIRST)
        process_tasks_ended(bits);
}

static void cancel(struct fut_server *server, fut_reply_t reply)
{
    (void)server;
    deferred_cancel(reply);
}

static void stale(struct fut_server *server, fut_reply_t reply)
{
    (void)server;
    deferred_stale(reply);
}

static void alarm(struct fut_server *server, uint64_t now)
{
    (void)server;
    timer_due(now);
}

static void map_archive(void)
{
    posixd.archive = fut_startup_cap("archive");
    struct fut_memory_info info;
    if (posixd.archive == 0 || fut_memory_info(posixd.archive, &info) != FUT_OK)
        return;
    struct fut_map map = {.bytes = PAGE_UP(info.bytes), .memory = posixd.archive, .flags = FUT_PROT_READ};
    uint64_t address;
    if (fut_space_map(posixd.space, &map, &address) == FUT_OK)
        posixd.archive_data = (struct fut_bytes){(const void *)address, info.bytes};
}

static void read_configuration(void)
{
    strcpy(posixd.host_name, "futura");
    struct fut_bytes config;
    struct fut_string name;
    if (fut_archive_find(posixd.archive_data, "etc/boot.conf", &config) == FUT_OK &&
        fut_config_find(config, "hostname", &name) == FUT_OK && name.len != 0 && name.len < sizeof posixd.host_name) {
        memcpy(posixd.host_name, name.data, name.len);
        posixd.host_name[name.len] = 0;
    }
}

static void start_clock(void)
{
    fut_handle_t memory, shown;
    uint64_t address;
    if (fut_memory_create(PAGE, FUT_MEM_COMMIT, &memory) != FUT_OK)
        return;
    struct fut_map map = {.bytes = PAGE, .memory = memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    if (fut_space_map(posixd.space, &map, &address) != FUT_OK)
        return;
    posixd.clock_page = (struct fut_posix_clock *)address;
    if (fut_cap_mint(memory, FUT_RIGHT_READ | FUT_RIGHT_MAP | FUT_RIGHT_DUP, &shown) == FUT_OK)
        posixd.clock_memory = shown;
}

// Drivers come up beside the servers, and netd may learn the time from the network: it is asked for again, now and then,
// when a program starts.
void clock_update(void)
{
    fut_handle_t h = posixd.clock.h;
    int64_t offset;
    static uint64_t next_try;
    if (now_ns() < next_try)
        return;
    next_try = now_ns() + NS_PER_SECOND;
    if (h == 0 && registry_directory_lookup(posixd.registry, (struct fut_string){"clock", 5}, false, &h) != FUT_OK)
        return;
    posixd.clock.h = h;
    if (clock_clock_offset(posixd.clock, &offset) == FUT_OK)
        __atomic_store_n(&posixd.clock_page->realtime_offset_ns, offset, __ATOMIC_RELEASE);
}

// One Memory for all programs (libfutura/linux/vdso.c). Without it they make system calls instead.
static void load_vdso(void)
{
    struct fut_bytes file;
    fut_handle_t memory;
    if (fut_archive_find(posixd.archive_data, "lib/linux-vdso", &file) != FUT_OK ||
        fut_memory_create(PAGE_UP(file.len), FUT_MEM_COMMIT, &memory) != FUT_OK)
        return;
    uint64_t n;
    if (fut_memory_write(memory, 0, file.data, file.len, &n) == FUT_OK && n == file.len &&
        fut_cap_mint(memory, FUT_RIGHT_READ | FUT_RIGHT_EXEC | FUT_RIGHT_MAP | FUT_RIGHT_DUP, &posixd.vdso) == FUT_OK)
        posixd.vdso_bytes = PAGE_UP(file.len);
}

static void load_personality(void)
{
    load_vdso();
    struct fut_bytes file;
    if (fut_archive_find(posixd.archive_data, "lib/liblinux", &file) != FUT_OK)
        log_text("posixd: the boot archive has no lib/liblinux: Linux programs cannot run\n");
    else if (image_personality(file) != FUT_OK)
        log_text("posixd: lib/liblinux is damaged: Linux programs cannot run\n");
}

// Static data and stack are zero-fill pages: all are touched now, so that none is missing when memory is short.
static void touch_all(void)
{
    extern char __bss_start[], _end[];
    for (volatile char *p = __bss_start; p < _end; p += PAGE)
        *p = *p;
    volatile char stack[96 << 10];
    for (size_t i = 0; i < sizeof stack; i += PAGE)
        stack[i] = 0;
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    touch_all();
    posixd.space = fut_startup_cap("space");
    posixd.task = fut_startup_cap("task");
    posixd.account = fut_startup_cap("account");
    posixd.time = fut_startup_cap("time");
    posixd.klog = fut_startup_cap("klog");
    posixd.machine = fut_startup_cap("machine");
    posixd.registry.h = fut_startup_cap("registry");
    posixd.fs.h = fut_startup_cap("fs");
    posixd.tty.h = fut_startup_cap("tty");
    posixd.network.h = fut_startup_cap("network");
    posixd.netctl.h = fut_startup_cap("netctl");
    posixd.server.channel = fut_startup_cap("channel");
    if (heap_init(posixd.space) != FUT_OK || fut_event_create(&posixd.server.event) != FUT_OK ||
        fut_channel_bind(posixd.server.channel, posixd.server.event) != FUT_OK) {
        log_text("posixd: cannot start: no memory\n");
        return 1;
    }
    map_archive();
    read_configuration();
    random_init();
    start_clock();
    if (posixd.clock_page == nullptr) {
        log_text("posixd: cannot start: no clock page\n");
        return 1;
    }
    clock_update();
    load_personality();

    struct fs_cred root = {};
    fut_status_t status = fs_admin_new_context(posixd.fs, &root, 0, &posixd.root);
    if (status != FUT_OK) {
        log_text("posixd: no root Context from fsd (%d)\n", status);
        return 1;
    }
    if (tty_admin_watch(posixd.tty, posixd.server.event) != FUT_OK)
        log_text("posixd: ttyd does not report signals\n");
    mount_boot();
    network_init();

    static struct fut_service services[8];
    services[0] = process_process_service(&process_ops);
    services[1] = io_file_service(&file_ops);
    services[2] = fs_context_service(&proc_context_ops);
    services[3] = process_launcher_service(&launcher_ops);
    services[4] = descriptor_timer_service(&timer_ops);
    services[5] = descriptor_signals_service(&signals_ops);
    services[7] = local_socket_service(&local_ops);
    services[6] = descriptor_poll_set_service(&pollset_ops);
    posixd.server.services = services;
    posixd.server.service_count = sizeof services / sizeof *services;
    posixd.server.lookup = lookup;
    posixd.server.no_senders = no_senders;
    posixd.server.signals = signals;
    posixd.server.cancel = cancel;
    posixd.server.stale = stale;
    posixd.server.alarm = alarm;
    timer_due(now_ns());
    fut_server_run(&posixd.server);
}
