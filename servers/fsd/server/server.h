// SPDX-License-Identifier: MPL-2.0
//
// What the files of fsd's server layer share. This layer alone knows IPC: it turns messages into calls of the core,
// copies contents between the page cache and callers, and keeps the table of client objects.
#pragma once

#include <fipc/fault.h>
#include <fipc/fs.h>
#include <fipc/io.h>
#include <futura/server.h>

#include "core/context.h"
#include "core/mount.h"

// --- objects.c: badge to object ---
#define BADGE_ADMIN 1u
#define BADGE_FIRST 16u

struct mapping;
enum object_kind { OBJECT_CONTEXT = 1, OBJECT_FILE, OBJECT_MAPPING };
struct object {
    enum object_kind kind;
    uint64_t badge;
    struct object *next;
    union {
        struct context *context;
        struct open_file *file;
        struct mapping *mapping;
    };
};

/// Makes an object and a Session to it. Takes over `value` when it succeeds.
[[nodiscard]] fut_status_t object_make(enum object_kind kind, void *value, fut_handle_t *session);
/// A badge for a mapping: no Session has it, only the kernel's messages about its Memory.
[[nodiscard]] fut_status_t object_enter(struct mapping *m, uint64_t *badge);
struct object *object_find(uint64_t badge);
/// The last Session is gone.
void object_gone(uint64_t badge);

// --- admin.c, context.c, file.c: the protocols ---
extern const struct fs_admin_ops admin_ops;
extern const struct fs_context_ops context_ops;
extern const struct io_file_ops file_ops;
extern const struct fault_pager_ops pager_ops;
void fill_stat(const struct node *n, struct io_stat *st);

/// Answers the lock requests that wait, after locks went away; those of one description end with it.
void locks_retry(void);
void locks_cancel(fut_reply_t reply);
void locks_stale(fut_reply_t reply);

// --- mapping.c: a file's page cache as Memory ---
[[nodiscard]] fs_error mapping_of(struct node *n, fut_handle_t *memory);
/// An open file of a node that has a mapping was closed.
void mapping_closed(struct node *n);
/// Gives up what no program has mapped any more. True: a deleted file waits for that.
bool mapping_reap(void);
/// Before the end: no program sees any more pages.
void mapping_detach_all(void);
/// What was written through the Memory with this object id is stored.
[[nodiscard]] fs_error mapping_sync(uint64_t id);

// --- root.c: the root file system and the boot archive ---
void root_mount(void);
/// `source` as in Admin.Mount.
fs_error mount_source(const char *source, const char *kind, const char *options, bool read_only, struct filesystem **fs,
                      uint32_t *tree);

// --- platform.c ---
void platform_start(void);
/// Asks the clock service for the time of day. False: it is not there.
bool clock_find(void);
fut_handle_t chunk_memory(unsigned chunk);
extern fut_handle_t registry_session;
