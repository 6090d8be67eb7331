// SPDX-License-Identifier: MPL-2.0
//
// What the files of this folder share.
//
// struct ext_node holds the inode as it is on disk (`raw`) beside the attributes of struct node; the latter are the
// truth about mode, owner, times, links and size, raw about block pointers, flags and block count. ext_store() merges
// and writes. Before the library works on a directory by inode number the inode is stored, and read again after it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

// Behind <sys/types.h>, which it needs and does not include.
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

#include "cache/cache.h"
#include "ext/ext.h"

/// A piece of a file that lies contiguously on disk. Sorted by lblk, never empty, never overlapping.
struct run { uint64_t lblk, pblk; uint32_t len; bool unwritten; };

struct ext_node {
    struct node n;
    struct ext2_inode_large raw;
    struct cache_file data;
    struct run *runs;
    uint32_t run_count, run_room;
    bool runs_known, orphan;
    uint64_t promised;              // blocks reserved for dirty units that have no place yet
    struct ext_node *dirty_next, **dirty_link;
    struct ext_node *orphan_next;
    struct dir_index *index;        // names.c
};

/// A directory block in the cache whose checksum is still to be computed.
struct pending { uint64_t block; ext2_ino_t ino; };
#define PENDING_MAX 64u

struct ext {
    struct filesystem fs;
    ext2_filsys e2;
    struct block_device *device;
    struct cache_file meta;         // the device's metadata blocks
    uint64_t promised;              // sum over the nodes
    struct ext_node *dirty, *orphans;
    char *block;                    // one block, for directory blocks
    struct pending pending[PENDING_MAX]; // by block number % PENDING_MAX; block 0: none
    unsigned pending_count;
    bool detached;                  // unmounted: only reading goes on
};

static inline struct ext *ext_of(struct filesystem *fs) { return (struct ext *)fs; }
static inline struct ext_node *ext_node_of(struct node *n) { return (struct ext_node *)n; }
static inline struct ext2_inode *raw_of(struct ext_node *x) { return (struct ext2_inode *)&x->raw; }

fs_error ext_error(struct ext *x, errcode_t code, const char *what);

// --- io.c ---
extern struct struct_io_manager ext_io_manager;
/// The device that the io manager opens next.
void ext_io_attach(struct ext *x);
void meta_forget(struct ext *x, uint64_t block, uint64_t count);

// --- inode.c ---
fs_error ext_load(struct ext *x, ext2_ino_t ino, struct node **node);
fs_error ext_store(struct ext_node *n);
/// Reads the inode again after the library changed it.
fs_error ext_reload(struct ext_node *n);
void ext_changed(struct node *n);
fs_error ext_new_inode(struct ext *x, struct ext_node *dir, const struct new_node *what, struct ext_node **node);
void ext_release(struct node *n);
void orphan_add(struct ext_node *n);
void orphans_process(struct ext *x);
fs_error ext_read_link(struct node *link, char *to, size_t room, size_t *len);

// --- data.c ---
void ext_data_init(struct ext_node *n);
/// Where a block of the file lies: *pblk 0 for a hole; *len blocks go on like that.
fs_error ext_map(struct ext_node *n, uint64_t lblk, uint64_t *pblk, uint64_t *len, bool *unwritten);
void runs_forget(struct ext_node *n);
fs_error ext_resize(struct node *file, uint64_t size);
fs_error ext_allocate(struct node *file, uint64_t offset, uint64_t bytes);
fs_error ext_seek(struct node *file, uint64_t offset, bool data, uint64_t *result);
/// Frees all blocks from this one on.
fs_error ext_punch(struct ext_node *n, uint64_t lblk);

// --- dir.c ---
fs_error ext_lookup(struct node *dir, struct name name, struct node **child);
fs_error ext_create(struct node *dir, struct name name, const struct new_node *what, struct node **child);
fs_error ext_link(struct node *dir, struct name name, struct node *child);
fs_error ext_unlink(struct node *dir, struct name name, struct node *child);
fs_error ext_rename(struct node *from_dir, struct name from, struct node *child, struct node *to_dir, struct name to,
                    struct node *replaced);
fs_error ext_exchange(struct node *a_dir, struct name a_name, struct node *a, struct node *b_dir, struct name b_name,
                      struct node *b);
fs_error ext_list(struct node *dir, uint64_t position, entry_fn fn, void *user);

// --- names.c: a linear directory's names in memory ---
struct dir_index;
/// The directory's table, made if need be; null: this directory is worked on through the library.
fs_error index_of(struct ext_node *dir, struct dir_index **index);
void index_forget(struct ext_node *dir);
fs_error index_lookup(struct ext_node *dir, struct dir_index *d, struct name name, ext2_ino_t *ino);
/// FS_NO_SPACE: no block has room; index_grown tells of the one that the caller adds.
fs_error index_add(struct ext_node *dir, struct dir_index *d, struct name name, ext2_ino_t ino, int type);
fs_error index_grown(struct ext_node *dir, struct dir_index *d);
fs_error index_remove(struct ext_node *dir, struct dir_index *d, struct name name);
fs_error index_change(struct ext_node *dir, struct dir_index *d, struct name name, ext2_ino_t ino, int type);

/// The blocks that are about to be stored, or all, get their checksums.
void pending_fix(struct ext *x, uint64_t first, uint64_t count, const void *blocks);
void pending_fix_all(struct ext *x);

// --- mount.c ---
fs_error ext_sync(struct filesystem *fs);
fs_error ext_sync_node(struct node *n, bool data_only);
void ext_free(struct ext *x);
