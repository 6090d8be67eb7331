// SPDX-License-Identifier: MPL-2.0
//
// What a native task finds at the address in its first thread's argument register: who it is, its
// arguments, and the capabilities that it was given, by name. The block is the task's own memory.
#pragma once
#include <futura/abi.h>

#define FUT_STARTUP_MAGIC 0x3154525453545546ull // "FUTSTRT1"
#define FUT_STARTUP_CAPS 32

struct fut_startup_cap {
    char name[28]; // 0-terminated
    fut_handle_t handle;
};

struct fut_startup {
    uint64_t magic;
    uint64_t ipc_buffer;             // of the first thread
    uint64_t self_base, self_bytes;  // where the image lies
    uint32_t argc, envc;
    uint64_t argv, envp;             // arrays of addresses of strings, 0 at the end
    uint64_t posix;                  // struct fut_posix_startup (futura/posix_startup.h); 0: not a POSIX process
    uint32_t cap_count, reserved;
    struct fut_startup_cap cap[FUT_STARTUP_CAPS];
};

// The block of this task; null in the first task, which has fut_boot_info() instead.
const struct fut_startup *fut_startup(void);

// What the kernel gave the first task; null in every other.
const struct fut_boot_info *fut_boot_info(void);

// The start-up capability of this name; 0 if the task was not given it. In the first task `task`,
// `space`, `account`, `log` and `time` are found as well.
fut_handle_t fut_startup_cap(const char *name);
