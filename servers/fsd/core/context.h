// SPDX-License-Identifier: MPL-2.0
//
// A Context: credentials, root, working directory and umask that path operations are done with; and the operations.
// Every operation takes the Context, a directory to start from (null: the working directory) and a path. Whoever
// holds the Context has its authority: the server never asks who calls.
#pragma once

#include "core/file.h"
#include "core/node.h"

#define MAX_GROUPS 32u

struct credentials { uint32_t uid, gid, group_count, groups[MAX_GROUPS]; };

struct context {
    struct credentials cred;
    struct node *root, *cwd;
    uint32_t umask;
};

struct context *context_make(const struct credentials *cred, struct node *root, struct node *cwd, uint32_t umask);
void context_free(struct context *c);

enum { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4 };
/// FS_OK, FS_DENIED, or FS_READ_ONLY for MAY_WRITE to contents on a read-only file system.
fs_error may(const struct context *c, const struct node *n, unsigned want);
bool is_owner(const struct context *c, const struct node *n);

// --- The walk ---
enum {
    WALK_FOLLOW = 1,   // follow a symbolic link in the last place
    WALK_MISSING = 2,  // the last name need not exist
    WALK_EMPTY = 4,    // an empty path is the starting point itself
    WALK_NO_FOLLOW_SLASH = 8, // a link in the last place is not followed though a slash follows it
};
enum { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_NONE };

struct walk {
    struct node *node;     // what the path names; null with WALK_MISSING when the last name does not exist
    struct node *parent;   // the directory of the last name; null for LAST_NONE
    char name[NAME_MAX_BYTES + 1];
    unsigned name_len, last;
    bool slash;            // the path ended in '/'
    uint32_t tree;         // with FS_REMOTE: the tree, and what is left of the path (until the next walk)
    const char *rest;
    size_t rest_len;
};
fs_error walk(const struct context *c, struct node *at, struct name path, unsigned flags, struct walk *w);
void walk_end(struct walk *w);

/// A name in a directory, through the name cache.
fs_error lookup(struct node *dir, struct name name, struct node **child);
/// Full path of a directory, or of the last known place of a file, as seen from the Context's root.
fs_error path_of(const struct context *c, struct node *n, char *to, size_t room, size_t *len);

// --- Operations ---
enum { // bits of fs.OpenFlags
    OPEN_WRITE_ONLY = 1, OPEN_READ_WRITE = 2, OPEN_APPEND = 4, OPEN_NONBLOCK = 8, OPEN_DIRECT = 16, OPEN_SYNC = 32,
    OPEN_PATH = 64, OPEN_CREATE = 0x100, OPEN_EXCLUSIVE = 0x200, OPEN_TRUNCATE = 0x400, OPEN_DIRECTORY = 0x800,
    OPEN_NO_FOLLOW = 0x1000, OPEN_TMPFILE = 0x2000, OPEN_NO_ATIME = 0x4000,
};
enum { AT_LINK_ITSELF = 1, AT_EMPTY = 2, AT_DIR = 4, AT_EFFECTIVE = 8, AT_NO_REPLACE = 16, AT_EXCHANGE = 32, AT_FOLLOW = 64 };
enum { // bits of io.Attr
    SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_SIZE = 8, SET_ATIME = 16, SET_MTIME = 32, SET_ATIME_NOW = 64,
    SET_MTIME_NOW = 128,
};
struct set_attributes { uint32_t mask, mode, uid, gid; uint64_t size; int64_t atime, mtime; };

/// Opens. For a device, FIFO or socket *file is null and *node (referenced) tells which; permission was checked.
fs_error context_open(struct context *c, struct node *at, struct name path, uint32_t flags, uint32_t mode,
                      struct open_file **file, struct node **node);
fs_error context_find(struct context *c, struct node *at, struct name path, uint32_t flags, struct node **node);
fs_error context_read_link(struct context *c, struct node *at, struct name path, char *to, size_t room, size_t *len);
fs_error context_make_dir(struct context *c, struct node *at, struct name path, uint32_t mode);
fs_error context_make_node(struct context *c, struct node *at, struct name path, uint32_t mode, uint64_t rdev);
fs_error context_sym_link(struct context *c, struct name target, struct node *at, struct name path);
fs_error context_unlink(struct context *c, struct node *at, struct name path, uint32_t flags);
fs_error context_rename(struct context *c, struct node *from_at, struct name from, struct node *to_at, struct name to,
                        uint32_t flags);
fs_error context_link(struct context *c, struct node *from_at, struct name from, struct node *to_at, struct name to,
                      uint32_t flags);
fs_error context_set_attributes(struct context *c, struct node *at, struct name path, uint32_t flags,
                                const struct set_attributes *a);
fs_error context_access(struct context *c, struct node *at, struct name path, uint32_t mode, uint32_t flags);
fs_error context_change_dir(struct context *c, struct node *at, struct name path);
fs_error context_change_root(struct context *c, struct name path);
/// fchmod and friends: on an open file, by its opener's rights.
fs_error set_attributes(const struct context *c, struct node *n, const struct set_attributes *a, bool write_open);
