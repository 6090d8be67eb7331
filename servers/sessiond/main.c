// SPDX-License-Identifier: MPL-2.0
//
// sessiond: what a POSIX system expects of pid 1, outside of the supervisor.
//
// posixd presents init as process 1; the decisions that process 1 makes are made here. It starts the
// console session (a login shell, again and again; or, when the boot archive has etc/command, that
// command once), collects the children of process 1, and turns the signals that poweroff, reboot and
// halt send to process 1 into an orderly stop: programs end, file systems are written and unmounted,
// then the machine goes off.
#include <fipc/process.h>
#include <futura/loader.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <string.h>

#define EVENT_CHILD 0x1u
#define EVENT_POWER_OFF 0x2u
#define EVENT_REBOOT 0x4u
#define EVENT_HALT 0x8u
#define EVENT_ALL (EVENT_CHILD | EVENT_POWER_OFF | EVENT_REBOOT | EVENT_HALT)

#define STRINGS_MAX 4096
#define RESPAWN_DELAY 1000000000ull

static process_launcher_t launcher;
static struct fut_bytes archive;
static uint32_t console_pid; // 0: none

// argv and envp as Launcher.Spawn takes them: strings one after the other.
struct strings {
    char bytes[STRINGS_MAX];
    size_t used;
    bool overflow;
};

static void add_string(struct strings *s, const char *prefix, struct fut_string text)
{
    size_t n = strlen(prefix);
    if (n + text.len + 1 > sizeof s->bytes - s->used) {
        s->overflow = true;
        return;
    }
    memcpy(s->bytes + s->used, prefix, n);
    memcpy(s->bytes + s->used + n, text.data, text.len);
    s->bytes[s->used + n + text.len] = 0;
    s->used += n + text.len + 1;
}

static struct fut_string text(const char *s) { return (struct fut_string){s, strlen(s)}; }

static uint32_t add_environment(struct strings *s)
{
    struct fut_bytes config;
    struct fut_string term = text("linux");
    if (fut_archive_find(archive, "etc/boot.conf", &config) == FUT_OK)
        (void)fut_config_find(config, "term", &term);
    add_string(s, "HOME=/root", text(""));
    add_string(s, "PATH=/sbin:/usr/sbin:/bin:/usr/bin", text(""));
    add_string(s, "USER=root", text(""));
    add_string(s, "LOGNAME=root", text(""));
    add_string(s, "SHELL=/bin/sh", text(""));
    add_string(s, "TERM=", term);
    return 6;
}

// The console session: etc/command when there is one, else a login shell. Returns whether it started.
static bool start_console(bool *is_command)
{
    static struct strings strings;
    strings = (struct strings){};
    struct fut_bytes command;
    *is_command = fut_archive_find(archive, "etc/command", &command) == FUT_OK;
    uint32_t argc = 1;
    if (*is_command) {
        add_string(&strings, "sh", text(""));
        add_string(&strings, "-c", text(""));
        add_string(&strings, "", (struct fut_string){command.data, command.len});
        argc = 3;
    } else {
        add_string(&strings, "-sh", text(""));
    }
    uint32_t envc = add_environment(&strings);
    if (strings.overflow) {
        fut_log("etc/command is longer than %d bytes", STRINGS_MAX);
        return false;
    }
    fut_status_t status = process_launcher_spawn(launcher, text("/bin/sh"), argc, envc,
                                                 (struct fut_bytes){strings.bytes, strings.used}, true, &console_pid);
    if (status != FUT_OK)
        fut_log("cannot start /bin/sh: error %d", (int)status);
    return status == FUT_OK;
}

[[noreturn]] static void stop(uint32_t action)
{
    fut_log("%s", action == FUT_POWER_REBOOT ? "rebooting" : "powering off");
    fut_status_t status = process_launcher_shutdown(launcher);
    if (status != FUT_OK)
        fut_log("file systems may not be clean: error %d", (int)status);
    (void)fut_machine_power(fut_startup_cap("machine"), action, 0);
    for (;;) // the machine did not go off: there is nothing left to do
        (void)fut_yield();
}

// Collects ended children; true when the console session was among them.
static bool collect(void)
{
    bool console_ended = false;
    uint32_t pid, status;
    while (process_launcher_collect(launcher, &pid, &status) == FUT_OK && pid != 0)
        if (pid == console_pid) {
            console_pid = 0;
            console_ended = true;
        }
    return console_ended;
}

// After a restart of sessiond the session that it started before may still be there.
static void find_console(void)
{
    struct fut_u32_view pids;
    if (process_launcher_running(launcher, &pids) == FUT_OK && pids.len != 0)
        console_pid = pids.data[0];
}

static fut_status_t map_archive(void)
{
    struct fut_memory_info info;
    fut_handle_t memory = fut_startup_cap("archive");
    fut_status_t status = fut_memory_info(memory, &info);
    if (status != FUT_OK)
        return status;
    struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = FUT_PROT_READ};
    uint64_t address;
    status = fut_space_map(fut_startup_cap("space"), &map, &address);
    if (status == FUT_OK)
        archive = (struct fut_bytes){(const void *)address, info.bytes};
    return status;
}

int main(void)
{
    launcher.h = fut_startup_cap("launcher");
    fut_handle_t event;
    if (map_archive() != FUT_OK || fut_event_create(&event) != FUT_OK ||
        process_launcher_watch(launcher, event) != FUT_OK) {
        fut_log("cannot reach posixd");
        return 1;
    }

    find_console();
    bool is_command = false;
    uint64_t deadline = 0; // when to start the console session, if there is none
    for (;;) {
        if (console_pid == 0 && deadline <= fut_clock() && !start_console(&is_command))
            deadline = fut_clock() + RESPAWN_DELAY;
        uint64_t bits = 0;
        fut_status_t status =
            fut_event_wait(event, EVENT_ALL, console_pid == 0 ? deadline : FUT_FOREVER, 0, &bits);
        if (status == FUT_ERR_TIMED_OUT)
            continue;
        if (bits & EVENT_REBOOT)
            stop(FUT_POWER_REBOOT);
        if (bits & (EVENT_POWER_OFF | EVENT_HALT))
            stop(FUT_POWER_OFF);
        if ((bits & EVENT_CHILD) && collect()) {
            if (is_command)
                stop(FUT_POWER_OFF);
            deadline = 0;
        }
    }
}
