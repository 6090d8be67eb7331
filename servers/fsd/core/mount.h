// SPDX-License-Identifier: MPL-2.0
//
// The tree of mounts. A mount covers a directory of another file system (the first one covers none); it is a file
// system of this server, or a tree that another server keeps (`tree` not 0): the walk then ends with FS_REMOTE.
#pragma once

#include "core/context.h"

struct mount {
    struct mount *next;
    struct node *covered;     // referenced; null for the root
    struct filesystem *fs;    // null for a remote tree
    uint32_t tree;
    bool read_only;
    char *source, *target, *kind, *options;
};

struct mount_names { const char *source, *target, *kind, *options; };

extern struct mount *mounts; // in mounting order
struct node *mount_root(void);

/// Mounts fs (or the tree) over `covered` (null: as the root, only once). Takes over fs when it succeeds.
fs_error mount_add(struct filesystem *fs, uint32_t tree, struct node *covered, const struct mount_names *names,
                   struct mount **mount);
/// Writes and detaches. FS_BUSY: in use. With force, a file system in use is written and made read-only instead.
fs_error mount_remove(struct mount *m, bool force);
struct mount *mount_at(struct node *n);
/// Writes everything.
fs_error mount_sync_all(void);
/// Writes and unmounts everything, deepest first; what is in use is written, marked clean and made read-only.
fs_error mount_shutdown(void);
