// SPDX-License-Identifier: MPL-2.0
//
// futctl's commands and what they share.
#pragma once
#include <fipc/process.h>
#include <fipc/registry.h>
#include <fipc/supervisor.h>
#include <futura/sys.h>

extern supervisor_supervisor_t supervisor; // connected before a command runs
extern process_process_t process;

struct fut_string text(const char *s);
[[noreturn]] void fail(const char *what, fut_status_t status);
const char *bytes_text(uint64_t bytes, char buffer[16]); // "12.3M"

int command_services(int argc, char **argv);
int command_log(int argc, char **argv);
int command_dmesg(int argc, char **argv);
fut_status_t kill_driver(const char *name); // devices.c
int command_devices(int argc, char **argv);
int command_kill(int argc, char **argv);
int command_machine(int argc, char **argv);
int command_memory(int argc, char **argv);
int command_tasks(int argc, char **argv);
int command_handles(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_personality(int argc, char **argv);
int command_run(int argc, char **argv);
int command_trace(int argc, char **argv);
int command_debug(int argc, char **argv);
int command_top(int argc, char **argv);
