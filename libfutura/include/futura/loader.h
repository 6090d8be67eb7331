// SPDX-License-Identifier: MPL-2.0
//
// Making tasks out of ELF files. init and devd start servers and drivers with fut_spawn(); posixd builds
// the images of programs with the parts.
#pragma once
#include <futura/abi.h>
#include <futura/fipc.h>

// A static ELF executable, checked.
struct fut_elf {
    struct fut_bytes file;
    uint64_t low, high;         // page-aligned address range of its segments, before the bias
    uint64_t entry;
    uint64_t phdr;              // address of the program headers in memory; 0 = not loaded
    uint16_t phnum, phentsize;
    bool position_independent;  // ET_DYN: may be loaded at any page-aligned bias
};

// Checks that `file` is a static executable for this architecture: header and program headers inside
// the file; segments ordered, disjoint by page, inside user memory, never writable and executable; no
// interpreter. FUT_ERR_INVALID when it is not an ELF file, FUT_ERR_UNSUPPORTED when it is one of another
// kind or machine.
[[nodiscard]] fut_status_t fut_elf_check(struct fut_bytes file, struct fut_elf *out);

// Maps the segments into `space` (MAP right) at bias. What the file gives is copied; the rest is zero.
// On failure the Space may hold some of the segments.
[[nodiscard]] fut_status_t fut_elf_load(const struct fut_elf *elf, fut_handle_t space, uint64_t bias);

// A capability given to a new task: `rights` of `handle`, found there under `name`.
struct fut_spawn_cap {
    const char *name;
    fut_handle_t handle;
    uint32_t rights;
};

struct fut_spawn {
    struct fut_bytes image;             // ELF file
    fut_handle_t account;               // charged for it; 0: the caller's own
    uint32_t priority;
    fut_handle_t fault_session;         // gets its fault messages; 0: a fault ends the task
    const struct fut_spawn_cap *caps;   // beside task, space and account, which every task gets
    size_t cap_count;
    const char *const *args;            // null-terminated
    const char *const *env;             // null-terminated; may be null
    uint64_t stack_bytes;               // 0: 256 KiB
};

struct fut_spawned {
    fut_handle_t task, space, thread;
};

// Makes a native task: address space, stack with a guard page, IPC buffer, start-up block, capabilities,
// one thread, suspended. The caller starts it with fut_thread_resume. On failure nothing remains.
[[nodiscard]] fut_status_t fut_spawn(const struct fut_spawn *spawn, struct fut_spawned *out);

// Finds a member of a newc cpio archive. FUT_ERR_NOT_FOUND; FUT_ERR_INVALID for a damaged archive.
[[nodiscard]] fut_status_t fut_archive_find(struct fut_bytes archive, const char *name, struct fut_bytes *out);

// Walks the archive: *cursor starts at 0; gives each member's name and contents.
// FUT_ERR_NOT_FOUND at the end of the last archive (several may follow one another).
[[nodiscard]] fut_status_t fut_archive_next(struct fut_bytes archive, size_t *cursor, struct fut_string *name,
                                            struct fut_bytes *contents);

// The value of `key=` in a member made of key=value lines (etc/boot.conf).
[[nodiscard]] fut_status_t fut_config_find(struct fut_bytes config, const char *key, struct fut_string *value);
