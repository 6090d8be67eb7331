// SPDX-License-Identifier: MPL-2.0
//
// A node is a file, directory, symbolic link, device, FIFO or socket name as this server holds it in memory: one per
// (file system, inode number) while anything refers to it. Every file system kind embeds struct node at the start of
// its own structure.
//
// References: open files, working directories, mounts, the name cache and a node's children hold them. A node's
// `parent` and `name` tell where it was last found; for a directory that is its place (a directory has one), and `..`
// and the working directory's path are answered from it. At the last reference the file system's `release` writes the
// node back, or frees the inode when no link is left.
//
// The server has one thread; nothing here is locked. No function keeps a node across a reply without a reference.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/errors.h"

struct filesystem;
struct mount;
struct node;
struct cache_file;
struct file_lock;

#define NAME_MAX_BYTES 255u
#define PATH_MAX_BYTES 4095u

// File kinds in the mode, as POSIX has them.
#define MODE_KIND    0170000u
#define MODE_FIFO    0010000u
#define MODE_CHAR    0020000u
#define MODE_DIR     0040000u
#define MODE_BLOCK   0060000u
#define MODE_REGULAR 0100000u
#define MODE_LINK    0120000u
#define MODE_SOCKET  0140000u
#define MODE_SETUID  04000u
#define MODE_SETGID  02000u
#define MODE_STICKY  01000u
#define MODE_BITS    07777u

struct attributes {
    uint64_t size, blocks; // blocks of 512 bytes
    uint64_t rdev;
    int64_t atime, mtime, ctime; // ns since 1970
    uint32_t mode, nlink, uid, gid;
};

struct node {
    struct filesystem *fs;
    uint64_t ino;
    uint32_t refs;
    uint32_t opens;         // open file descriptions, and Contexts that have it as root or working directory
    struct attributes a;
    bool dirty;             // a differs from what the file system has stored
    bool dead;              // a directory that was removed: nothing can be made in it
    struct mount *mounted;  // what is mounted on this directory
    struct node *parent;    // holds a reference; null: root, or not known
    char *name;             // name in parent
    struct node *next, **link; // chain of the node table
    struct cache_file *data; // page cache of a regular file
    struct file_lock *locks;
};

struct name { const char *s; unsigned len; };
#define NAME(str) ((struct name){(str), sizeof(str) - 1})

struct new_node { uint32_t mode, uid, gid; uint64_t rdev; const char *target; size_t target_len; };

struct fs_space { uint64_t kind, blocks, free, available, files, files_free, id; uint32_t block_size, name_max; };

/// Called for each entry of a directory; `next` is the position behind it. Returns false to stop: the entry is not taken.
typedef bool (*entry_fn)(void *user, struct name name, uint64_t ino, uint32_t mode_kind, uint64_t next);

/// A kind of file system. All but the marked ones are required. Names are checked by the callers: 1 to 255 bytes,
/// no '/', not "." or "..". Operations on a directory get live directories of a writable file system.
struct filesystem_ops {
    const char *kind;
    /// FS_NOT_FOUND: no such name. Gives a reference.
    fs_error (*lookup)(struct node *dir, struct name name, struct node **child);
    fs_error (*create)(struct node *dir, struct name name, const struct new_node *what, struct node **child);
    fs_error (*link)(struct node *dir, struct name name, struct node *child);
    /// Removes a name. For a directory (which the caller found to be one) checks that it is empty.
    fs_error (*unlink)(struct node *dir, struct name name, struct node *child);
    /// Moves child; `replaced` (may be null) is what `to` names now and loses that name.
    fs_error (*rename)(struct node *from_dir, struct name from, struct node *child, struct node *to_dir, struct name to,
                       struct node *replaced);
    /// Swaps two names. Optional.
    fs_error (*exchange)(struct node *a_dir, struct name a_name, struct node *a, struct node *b_dir, struct name b_name,
                         struct node *b);
    /// Lists entries without "." and ".." from `position` (0: start; else a `next` given earlier).
    fs_error (*list)(struct node *dir, uint64_t position, entry_fn fn, void *user);
    fs_error (*read_link)(struct node *link, char *to, size_t room, size_t *len);
    /// A regular file's size becomes n; the cache is told by the caller.
    fs_error (*resize)(struct node *file, uint64_t size);
    /// Makes storage for a range so that later writes do not fail for space. Optional.
    fs_error (*allocate)(struct node *file, uint64_t offset, uint64_t bytes);
    /// The next byte at or after offset that is stored (data) or is not. FS_NOT_FOUND: none. Optional.
    fs_error (*seek)(struct node *file, uint64_t offset, bool data, uint64_t *result);
    /// The node's attributes changed: they are to be stored some time. Optional.
    void (*changed)(struct node *node);
    /// Contents and attributes of one node are on stable storage.
    fs_error (*sync_node)(struct node *node, bool data_only);
    fs_error (*sync)(struct filesystem *fs);
    void (*space)(struct filesystem *fs, struct fs_space *space);
    /// The last reference to a node is gone: frees it.
    void (*release)(struct node *node);
    /// Everything is written and marked clean. in_use: nodes are still referenced, and only read from now on; otherwise
    /// the root is the only node left (but for those of a file system with holds_nodes, which goes through them), and
    /// its release frees the file system.
    fs_error (*unmount)(struct filesystem *fs, bool in_use);
};

#define NODE_BUCKETS 1024u

struct filesystem {
    const struct filesystem_ops *ops;
    uint64_t device;        // st_dev
    bool read_only;
    bool no_name_cache;     // lookups are cheap: the name cache would only cost
    bool holds_nodes;       // nodes live as long as they have a name (tmpfs)
    struct mount *mount;
    struct node *root;      // referenced by the mount
    uint32_t node_count;
    struct node *nodes[NODE_BUCKETS];
};

static inline bool node_is_dir(const struct node *n) { return (n->a.mode & MODE_KIND) == MODE_DIR; }
static inline bool node_is_regular(const struct node *n) { return (n->a.mode & MODE_KIND) == MODE_REGULAR; }
static inline bool node_is_link(const struct node *n) { return (n->a.mode & MODE_KIND) == MODE_LINK; }

/// Puts a fresh node (zeroed but for the file system's own part and `a`) into the table with one reference.
void node_enter(struct filesystem *fs, struct node *n, uint64_t ino);
/// The node with this number with a new reference, or null.
struct node *node_find(struct filesystem *fs, uint64_t ino);
struct node *node_ref(struct node *n);
void node_put(struct node *n);
/// Remembers where a node was found.
[[nodiscard]] fs_error node_place(struct node *n, struct node *parent, struct name name);
/// Takes a node out of the table; called by a file system's release.
void node_leave(struct node *n);
/// Attributes changed.
void node_changed(struct node *n);
/// Sets times to now: bits of TOUCH_*.
void node_touch(struct node *n, unsigned what);
enum { TOUCH_ACCESS = 1, TOUCH_MODIFY = 2, TOUCH_CHANGE = 4 };

// --- The name cache ---
/// True: known; *child is null (no such name) or has a new reference.
bool names_find(struct node *dir, struct name name, struct node **child);
void names_enter(struct node *dir, struct name name, struct node *child);
void names_forget(struct node *dir, struct name name);
/// Forgets all names of one file system, or of all (null).
void names_purge(struct filesystem *fs);
/// Forgets about n of the least recently used names.
void names_shrink(unsigned n);
unsigned names_count(void);
