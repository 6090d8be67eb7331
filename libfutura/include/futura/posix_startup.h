// SPDX-License-Identifier: MPL-2.0
//
// What posixd tells a POSIX process about itself when exec starts it: found through
// struct fut_startup.posix (native programs) or by the personality, whose first thread starts with the
// same struct fut_startup. Everything lies in one block of private memory that the process may write.
// fork needs none of it again: the child keeps the copy, and its pid is in the signal page.
#pragma once
#include <futura/abi.h>

#define FUT_POSIX_MAGIC 0x3149584953504655ull
#define FUT_POSIX_FOREIGN 0x1u // the program is a foreign (Linux) image: the personality builds its stack and enters it
#define FUT_POSIX_SECURE  0x2u // set-id exec: AT_SECURE

// What a descriptor's Session is known to be. The library derives REGULAR and DIRECTORY from Open's node; the
// others come from process.OpenSpecial. OTHER answers io.File and may answer Watch.
enum fut_posix_kind {
    FUT_POSIX_KIND_OTHER = 0,
    FUT_POSIX_KIND_REGULAR = 1,
    FUT_POSIX_KIND_DIRECTORY = 2,
    FUT_POSIX_KIND_TERMINAL = 3, // also speaks tty.Terminal
    FUT_POSIX_KIND_PIPE = 4,     // pipe or FIFO
    FUT_POSIX_KIND_SOCKET = 5,
    FUT_POSIX_KIND_NULL = 6,     // /dev/null: the library may answer reads and writes itself
    FUT_POSIX_KIND_ZERO = 7,     // /dev/zero: likewise
    FUT_POSIX_KIND_EVENT = 8,    // eventfd
    FUT_POSIX_KIND_TIMER = 9,    // also speaks descriptor.Timer
    FUT_POSIX_KIND_SIGNALS = 10, // also speaks descriptor.Signals
    FUT_POSIX_KIND_POLL = 11,    // also speaks descriptor.PollSet
    FUT_POSIX_KIND_INET = 12,    // also speaks socket.Socket; SOCKET speaks local.Socket
};

struct fut_posix_fd {
    uint32_t number;
    fut_handle_t handle; // in this task's table
    uint32_t kind, status; // as given to Exec
};

// One read-only page shared by all processes, written by posixd (SetClock).
struct fut_posix_clock {
    int64_t realtime_offset_ns; // CLOCK_REALTIME = monotonic + this; one aligned 64-bit load
};

struct fut_posix_startup {
    uint64_t magic;
    uint64_t bytes;                // of the block, from the page that holds struct fut_startup
    fut_handle_t task;             // READ
    fut_handle_t space;            // MAP, MANAGE
    fut_handle_t process;          // process.Process
    fut_handle_t context;          // fs.Context
    uint32_t pid;
    uint32_t flags;                // FUT_POSIX_*
    uint64_t signal_page;          // struct process_signal_page, mapped read-write, shared with posixd; own slot: 0
    uint64_t time_page;            // struct fut_time_page, read-only
    uint64_t files;                // array of struct fut_posix_fd
    uint32_t file_count;
    uint32_t argc, envc;
    uint32_t uid, euid, gid, egid;
    uint64_t argv, envp;           // arrays of addresses, 0 at the end
    uint64_t exec_name;            // string: AT_EXECFN, absolute where it can be
    uint8_t random[16];            // AT_RANDOM
    uint64_t hwcap, hwcap2;
    // Of the first thread. The library registers its upcall itself, on these.
    uint64_t native_stack_low, native_stack_high;
    uint64_t frames, frames_bytes; // for struct fut_upcall.frames
    uint64_t ipc_buffer, tls;      // tls: 512 bytes, [0] self pointer on x86_64, IPC buffer address at [8]
    uint64_t image_low, image_high; // the native image (personality or native program)
    // Foreign programs only.
    uint64_t entry, phdr, base;    // AT_ENTRY, AT_PHDR, load bias (0 for ET_EXEC)
    uint32_t phnum, phent;
    uint64_t brk_start;            // page aligned, behind the program and a random gap; nothing is mapped there
    uint64_t stack_low, stack_high; // the program's stack, mapped and empty; a guard page below
    uint64_t text_low, text_high;  // the program's address range
    uint32_t cwd_tree, reserved;   // the tree that the working directory is in (0: fsd's)
    char name[16];                 // of the process (prctl PR_GET_NAME), 0-terminated
    uint64_t clock_page;           // struct fut_posix_clock, read-only; 0 = the wall clock is not known
    uint64_t vdso;                 // foreign programs: AT_SYSINFO_EHDR; 0 = none
};
