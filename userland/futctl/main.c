// SPDX-License-Identifier: MPL-2.0
//
// futctl: looks at the running system from inside, with the capabilities that root's native programs are given:
// the name service (for init's Supervisor protocol) and the program's own Process Session. It can see and do
// what those protocols offer and nothing else.
#include "futctl.h"
#include <futura/startup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

supervisor_supervisor_t supervisor;
process_process_t process;

static const struct command {
    const char *name, *arguments, *help;
    int (*run)(int argc, char **argv);
    bool needs_supervisor;
} commands[] = {
    {"services", "", "what init keeps: state, starts, CPU, memory", command_services, true},
    {"log", "SERVICE", "a service's lines of the log", command_log, true},
    {"dmesg", "", "the whole kernel log", command_dmesg, true},
    {"kill", "SERVICE|DEVICE", "end a service or a driver; it is started again", command_kill, true},
    {"devices", "", "the machine's devices and their drivers", command_devices, true},
    {"machine", "", "time since power-on, idle time, and the kernel's counters", command_machine, true},
    {"memory", "", "the machine's memory and each service's share", command_memory, true},
    {"tasks", "", "each service's task: threads, handles, pages, CPU", command_tasks, true},
    {"handles", "SERVICE", "a service's capabilities, with rights and origin", command_handles, true},
    {"audit", "", "who made, gave, moved and revoked which capability", command_audit, true},
    {"personality", "", "Linux system calls that programs asked for and that are not there", command_personality, false},
    {"run", "[--pages N] [--tasks N] PROGRAM [ARGUMENT...]", "a program within limits of memory and processes", command_run, false},
    {"trace", "start|stop|write [FILE]", "record what every thread does (tools/futura trace shows it)", command_trace, true},
    {"debug", "", "stop everything and talk to the kernel's debugger on the console (run --kdb)", command_debug, true},
    {"top", "[-n COUNT] [-d SECONDS]", "services by CPU, again and again", command_top, true},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

struct fut_string text(const char *s) { return (struct fut_string){.data = s, .len = strlen(s)}; }

static const char *status_text(fut_status_t status)
{
    switch (status) {
    case SUPERVISOR_ERROR_NOT_FOUND: return "no such service";
    case SUPERVISOR_ERROR_STATE: return "it is not running";
    case SUPERVISOR_ERROR_DENIED: return "not permitted";
    case FUT_ERR_PEER_CLOSED: return "nobody serves this any more";
    case FUT_ERR_RIGHTS: return "the capability lacks a right";
    default: return nullptr;
    }
}

void fail(const char *what, fut_status_t status)
{
    const char *why = status_text(status);
    if (why != nullptr)
        fprintf(stderr, "futctl: %s: %s\n", what, why);
    else
        fprintf(stderr, "futctl: %s: error %d\n", what, (int)status);
    exit(1);
}

const char *bytes_text(uint64_t bytes, char buffer[16])
{
    static const char unit[] = "BKMGT";
    unsigned u = 0;
    uint64_t tenths = bytes * 10;
    while (tenths >= 10240 && u < 4) {
        tenths /= 1024;
        u++;
    }
    if (u == 0)
        snprintf(buffer, 16, "%lluB", (unsigned long long)bytes);
    else
        snprintf(buffer, 16, "%llu.%llu%c", (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10), unit[u]);
    return buffer;
}

static int usage(FILE *to)
{
    fputs("usage: futctl COMMAND [ARGUMENT...]\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++) {
        char call[80];
        snprintf(call, sizeof call, "%s %s", commands[i].name, commands[i].arguments);
        fprintf(to, "  %-56s %s\n", call, commands[i].help);
    }
    return to == stderr ? 2 : 0;
}

static void connect_supervisor(void)
{
    registry_directory_t directory = {fut_startup_cap("registry")};
    if (directory.h == 0) {
        fputs("futctl: only root's programs are given the name service\n", stderr);
        exit(1);
    }
    fut_status_t status = registry_directory_lookup(directory, text("supervisor"), false, &supervisor.h);
    if (status != FUT_OK)
        fail("cannot reach init", status);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    process.h = fut_startup_cap("process");
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (commands[i].needs_supervisor)
            connect_supervisor();
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "futctl: there is no command '%s'\n", argv[1]);
    return usage(stderr);
}
