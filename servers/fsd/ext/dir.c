// SPDX-License-Identifier: MPL-2.0
//
// Directories. Names are found, added and removed through a table in memory (names.c), or, in a directory that has an
// htree, by the library, which keeps the tree. A name that finds no room makes the directory grow.

#include <stdlib.h>
#include <string.h>

#include "core/platform.h"
#include "ext/internal.h"

#define LINK_LIMIT 65000u

static int file_type(uint32_t mode) {
    switch (mode & MODE_KIND) {
    case MODE_REGULAR:
        return EXT2_FT_REG_FILE;
    case MODE_DIR:
        return EXT2_FT_DIR;
    case MODE_CHAR:
        return EXT2_FT_CHRDEV;
    case MODE_BLOCK:
        return EXT2_FT_BLKDEV;
    case MODE_FIFO:
        return EXT2_FT_FIFO;
    case MODE_SOCKET:
        return EXT2_FT_SOCK;
    case MODE_LINK:
        return EXT2_FT_SYMLINK;
    default:
        return EXT2_FT_UNKNOWN;
    }
}

static uint32_t kind_of(unsigned type) {
    static const uint32_t kinds[] = {0, MODE_REGULAR, MODE_DIR, MODE_CHAR, MODE_BLOCK, MODE_FIFO, MODE_SOCKET, MODE_LINK};
    return type < sizeof kinds / sizeof kinds[0] ? kinds[type] : 0;
}

// One block of a directory, checked by the library, into x->block. FS_NOT_FOUND: a hole.
static fs_error read_block(struct ext_node *dir, uint64_t lblk) {
    struct ext *x = ext_of(dir->n.fs);
    uint64_t pblk, len;
    bool unwritten;
    fs_error e = ext_map(dir, lblk, &pblk, &len, &unwritten);
    if (e || !pblk) {
        return e ? e : FS_NOT_FOUND;
    }
    pending_fix_all(x);
    return ext_error(x, ext2fs_read_dir_block4(x->e2, pblk, x->block, 0, (ext2_ino_t)dir->n.ino), "reading a directory");
}

// The entry at `at` in the block read last, or null if what is there is none.
static struct ext2_dir_entry *entry_at(struct ext *x, uint32_t at, unsigned *rec_len) {
    struct ext2_dir_entry *d = (struct ext2_dir_entry *)(x->block + at);
    if (x->e2->blocksize - at < 8 || ext2fs_get_rec_len(x->e2, d, rec_len) || *rec_len < 8 || *rec_len % 4 ||
        *rec_len > x->e2->blocksize - at || (unsigned)ext2fs_dirent_name_len(d) + 8 > *rec_len) {
        platform_log("%s: a damaged directory block", x->device->name);
        return nullptr;
    }
    return d;
}

// Blocks up to the last one that is there: a damaged inode may claim any size.
static uint64_t blocks_of(struct ext_node *dir) {
    uint64_t blocks = dir->n.a.size / ext_of(dir->n.fs)->e2->blocksize, pblk, len;
    bool unwritten;
    if (ext_map(dir, 0, &pblk, &len, &unwritten) != FS_OK) {
        return 0;
    }
    uint64_t end = dir->run_count ? dir->runs[dir->run_count - 1].lblk + dir->runs[dir->run_count - 1].len : 0;
    return blocks < end ? blocks : end;
}

static bool is_dot(const struct ext2_dir_entry *d) {
    int len = ext2fs_dirent_name_len(d);
    return d->name[0] == '.' && (len == 1 || (len == 2 && d->name[1] == '.'));
}

static fs_error scan_block(struct ext_node *dir, uint64_t lblk, struct name name, ext2_ino_t *ino) {
    struct ext *x = ext_of(dir->n.fs);
    fs_error e = read_block(dir, lblk);
    if (e) {
        return e;
    }
    unsigned rec_len;
    for (uint32_t at = 0; at < x->e2->blocksize; at += rec_len) {
        struct ext2_dir_entry *d = entry_at(x, at, &rec_len);
        if (!d) {
            return FS_IO;
        }
        if (d->inode && (unsigned)ext2fs_dirent_name_len(d) == name.len && memcmp(d->name, name.s, name.len) == 0) {
            *ino = d->inode;
            return FS_OK;
        }
    }
    return FS_NOT_FOUND;
}

fs_error ext_lookup(struct node *node, struct name name, struct node **child) {
    struct ext_node *dir = ext_node_of(node);
    uint64_t blocks = blocks_of(dir);
    ext2_ino_t ino = 0;
    struct dir_index *index;
    fs_error error = index_of(dir, &index);
    if (error == FS_OK && index && (error = index_lookup(dir, index, name, &ino)) == FS_OK) {
        return ext_load(ext_of(node->fs), ino, child);
    }
    if (error || index) {
        return error;
    }
    for (uint64_t b = 0; b < blocks; b++) {
        fs_error e = scan_block(dir, b, name, &ino);
        if (e == FS_OK) {
            return ext_load(ext_of(node->fs), ino, child);
        }
        if (e != FS_NOT_FOUND) {
            return e;
        }
    }
    return FS_NOT_FOUND;
}

fs_error ext_list(struct node *node, uint64_t position, entry_fn fn, void *user) {
    struct ext_node *dir = ext_node_of(node);
    struct ext *x = ext_of(node->fs);
    uint32_t bs = x->e2->blocksize;
    for (uint64_t b = position / bs; b < blocks_of(dir); b++) {
        fs_error e = read_block(dir, b);
        if (e == FS_NOT_FOUND) {
            continue;
        }
        if (e) {
            return e;
        }
        unsigned rec_len;
        for (uint32_t at = 0; at < bs; at += rec_len) {
            struct ext2_dir_entry *d = entry_at(x, at, &rec_len);
            if (!d) {
                return FS_IO;
            }
            // Entries may have moved since the last call: what starts before the position was listed.
            if (!d->inode || is_dot(d) || ext2fs_dirent_name_len(d) == 0 || b * bs + at < position) {
                continue;
            }
            struct name name = {d->name, (unsigned)ext2fs_dirent_name_len(d)};
            uint32_t kind = ext2fs_has_feature_filetype(x->e2->super) ? kind_of((unsigned)ext2fs_dirent_file_type(d)) : 0;
            if (!fn(user, name, d->inode, kind, b * bs + at + rec_len)) {
                return FS_OK;
            }
        }
    }
    return FS_OK;
}

// --- Changing ---

// Around a call of the library that changes a directory by inode number.
static fs_error before(struct ext_node *dir) {
    pending_fix_all(ext_of(dir->n.fs));
    return ext_store(dir);
}

static fs_error after(struct ext_node *dir, fs_error e) {
    fs_error r = ext_reload(dir);
    if (e == FS_OK && r == FS_OK) {
        node_touch(&dir->n, TOUCH_MODIFY | TOUCH_CHANGE);
    }
    return e ? e : r;
}

static fs_error changed(struct ext_node *dir, fs_error e) {
    if (e == FS_OK) {
        node_touch(&dir->n, TOUCH_MODIFY | TOUCH_CHANGE);
    }
    return e;
}

static fs_error add_name(struct ext_node *dir, struct name name, struct node *child) {
    struct ext *x = ext_of(dir->n.fs);
    char text[NAME_MAX_BYTES + 1];
    memcpy(text, name.s, name.len);
    text[name.len] = 0;
    // What is promised to dirty pages is not there for directories to grow into.
    bool room = ext2fs_free_blocks_count(x->e2->super) > x->promised + x->promised / 64 + 4;
    int type = file_type(child->a.mode);
    struct dir_index *index;
    fs_error e = index_of(dir, &index);
    if (e == FS_OK && index) {
        e = index_add(dir, index, name, (ext2_ino_t)child->ino, type);
        if (e == FS_NO_SPACE && room && (e = before(dir)) == FS_OK) {
            e = after(dir, ext_error(x, ext2fs_expand_dir(x->e2, (ext2_ino_t)dir->n.ino), "growing a directory"));
            if (e == FS_OK) {
                e = index_grown(dir, index);
            }
            if (e == FS_OK) {
                e = index_add(dir, index, name, (ext2_ino_t)child->ino, type);
            }
            if (e) {
                index_forget(dir);
            }
        }
        return changed(dir, e);
    }
    if (e || (e = before(dir)) != FS_OK) {
        return e;
    }
    errcode_t code = ext2fs_link(x->e2, (ext2_ino_t)dir->n.ino, text, (ext2_ino_t)child->ino, type);
    if (code == EXT2_ET_DIR_NO_SPACE && room) {
        code = ext2fs_expand_dir(x->e2, (ext2_ino_t)dir->n.ino);
        if (!code) {
            code = ext2fs_link(x->e2, (ext2_ino_t)dir->n.ino, text, (ext2_ino_t)child->ino, type);
        }
    }
    return after(dir, ext_error(x, code, "adding a name"));
}

static fs_error remove_name(struct ext_node *dir, struct name name, struct node *child) {
    struct ext *x = ext_of(dir->n.fs);
    struct dir_index *index;
    fs_error e = index_of(dir, &index);
    if (e || index) {
        return e ? e : changed(dir, index_remove(dir, index, name));
    }
    char text[NAME_MAX_BYTES + 1];
    memcpy(text, name.s, name.len);
    text[name.len] = 0;
    e = before(dir);
    if (e) {
        return e;
    }
    errcode_t code = ext2fs_unlink(x->e2, (ext2_ino_t)dir->n.ino, text, (ext2_ino_t)child->ino, 0);
    if (code == EXT2_ET_DIR_NO_SPACE) {
        code = EXT2_ET_FILE_NOT_FOUND;
    }
    return after(dir, ext_error(x, code, "removing a name"));
}

struct replacing { struct name name; struct node *child; bool with_type, done; };

static int replace_entry(ext2_ino_t, int, struct ext2_dir_entry *d, int, int, char *, void *user) {
    struct replacing *r = user;
    if (!d->inode || (unsigned)ext2fs_dirent_name_len(d) != r->name.len || memcmp(d->name, r->name.s, r->name.len) != 0) {
        return 0;
    }
    d->inode = (ext2_ino_t)r->child->ino;
    if (r->with_type) {
        ext2fs_dirent_set_file_type(d, file_type(r->child->a.mode));
    }
    r->done = true;
    return DIRENT_ABORT | DIRENT_CHANGED;
}

// A name (or "..") that is there names another inode from now on.
static fs_error change_name(struct ext_node *dir, struct name name, struct node *child) {
    struct ext *x = ext_of(dir->n.fs);
    struct replacing r = {name, child, ext2fs_has_feature_filetype(x->e2->super), false};
    struct dir_index *index = nullptr;
    fs_error e = name.len == 2 && name.s[0] == '.' && name.s[1] == '.' ? FS_OK : index_of(dir, &index);
    if (e == FS_OK && index) {
        return changed(dir, index_change(dir, index, name, (ext2_ino_t)child->ino, file_type(child->a.mode)));
    }
    if (e || (e = before(dir)) != FS_OK) {
        return e;
    }
    errcode_t code = ext2fs_dir_iterate2(x->e2, (ext2_ino_t)dir->n.ino, 0, nullptr, replace_entry, &r);
    if (!code && !r.done) {
        code = EXT2_ET_FILE_NOT_FOUND;
    }
    return after(dir, ext_error(x, code, "changing a name"));
}

static void add_link(struct node *n, int by) {
    if (node_is_dir(n)) {
        // A directory with too many subdirectories to count has one link.
        if (n->a.nlink != 1 || by < 0) {
            n->a.nlink = n->a.nlink == 1 ? 1 : n->a.nlink + (uint32_t)by;
        }
        if (n->a.nlink >= LINK_LIMIT) {
            n->a.nlink = 1;
        }
    } else {
        n->a.nlink += (uint32_t)by;
    }
    node_touch(n, TOUCH_CHANGE);
}

static bool too_many_subdirectories(const struct node *dir) {
    const struct ext *x = ext_of(dir->fs);
    return dir->a.nlink >= LINK_LIMIT - 1 && !ext2fs_has_feature_dir_nlink(x->e2->super);
}

// First block of a new directory, or of a long symbolic link.
static fs_error first_block(struct ext_node *n, const void *contents, bool directory) {
    struct ext *x = ext_of(n->n.fs);
    if (ext2fs_free_blocks_count(x->e2->super) <= x->promised + x->promised / 64 + 2) {
        return FS_NO_SPACE;
    }
    blk64_t block;
    errcode_t code = ext2fs_new_block2(x->e2, ext2fs_find_inode_goal(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), 0), nullptr, &block);
    if (code) {
        return ext_error(x, code, "allocating a block");
    }
    ext2fs_block_alloc_stats2(x->e2, block, +1);
    code = directory ? ext2fs_write_dir_block4(x->e2, block, (void *)contents, 0, (ext2_ino_t)n->n.ino)
                     : io_channel_write_blk64(x->e2->io, block, 1, contents);
    if (!code) {
        blk64_t set = block;
        code = ext2fs_bmap2(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), nullptr, BMAP_SET, 0, nullptr, &set);
    }
    if (code) {
        ext2fs_block_alloc_stats2(x->e2, block, -1);
        return ext_error(x, code, "writing a first block");
    }
    runs_forget(n);
    return ext_error(x, ext2fs_iblk_add_blocks(x->e2, raw_of(n), 1), "counting blocks");
}

static fs_error fill_new(struct ext_node *n, struct ext_node *dir, const struct new_node *what) {
    struct ext *x = ext_of(n->n.fs);
    fs_error e = FS_OK;
    if (node_is_dir(&n->n)) {
        char *block = nullptr;
        errcode_t code = ext2fs_new_dir_block(x->e2, (ext2_ino_t)n->n.ino, (ext2_ino_t)dir->n.ino, &block);
        if (code) {
            return ext_error(x, code, "making a directory");
        }
        e = first_block(n, block, true);
        ext2fs_free_mem(&block);
        n->n.a.size = x->e2->blocksize;
    } else if (node_is_link(&n->n)) {
        if (what->target_len >= x->e2->blocksize) {
            return FS_NAME_TOO_LONG;
        }
        n->n.a.size = what->target_len;
        if (what->target_len < sizeof n->raw.i_block) {
            memcpy(n->raw.i_block, what->target, what->target_len);
        } else {
            if (ext2fs_has_feature_extents(x->e2->super)) {
                // As mke2fs and Linux do it; made by the library when the first block is set.
                n->raw.i_flags |= EXT4_EXTENTS_FL;
                ext2_extent_handle_t h;
                memset(n->raw.i_block, 0, sizeof n->raw.i_block);
                errcode_t code = ext2fs_extent_open2(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), &h);
                if (code) {
                    return ext_error(x, code, "making a symbolic link");
                }
                ext2fs_extent_free(h);
            }
            char *block = calloc(1, x->e2->blocksize);
            if (!block) {
                return FS_NO_MEMORY;
            }
            memcpy(block, what->target, what->target_len);
            e = first_block(n, block, false);
            free(block);
        }
    }
    n->raw.i_size = (uint32_t)n->n.a.size;
    n->n.a.blocks = ext2fs_get_stat_i_blocks(x->e2, raw_of(n));
    ext_changed(&n->n);
    return e || node_is_regular(&n->n) ? e : ext_store(n);
}

fs_error ext_create(struct node *dir, struct name name, const struct new_node *what, struct node **child) {
    struct ext *x = ext_of(dir->fs);
    bool is_dir = (what->mode & MODE_KIND) == MODE_DIR;
    if (is_dir && too_many_subdirectories(dir)) {
        return FS_TOO_MANY_LINKS;
    }
    struct ext_node *n = nullptr;
    fs_error e = ext_new_inode(x, ext_node_of(dir), what, &n);
    if (e) {
        return e;
    }
    e = fill_new(n, ext_node_of(dir), what);
    if (e == FS_OK) {
        e = add_name(ext_node_of(dir), name, &n->n);
    }
    if (e) {
        n->n.a.nlink = 0; // its release frees it
        node_put(&n->n);
        return e;
    }
    if (is_dir) {
        add_link(dir, +1);
    }
    *child = &n->n;
    return FS_OK;
}

fs_error ext_link(struct node *dir, struct name name, struct node *child) {
    if (child->a.nlink >= LINK_LIMIT) {
        return FS_TOO_MANY_LINKS;
    }
    fs_error e = add_name(ext_node_of(dir), name, child);
    if (e == FS_OK) {
        add_link(child, +1);
    }
    return e;
}

static bool note_entry(void *user, struct name, uint64_t, uint32_t, uint64_t) {
    *(bool *)user = true;
    return false;
}

static fs_error must_be_empty(struct node *dir) {
    bool any = false;
    fs_error e = ext_list(dir, 0, note_entry, &any);
    return e ? e : any ? FS_NOT_EMPTY : FS_OK;
}

// `child` lost a name in dir.
static void lose_name(struct node *dir, struct node *child) {
    if (node_is_dir(child)) {
        child->a.nlink = 0;
        node_touch(child, TOUCH_CHANGE);
        add_link(dir, -1);
    } else {
        add_link(child, -1);
    }
    if (child->a.nlink == 0 && child->opens) {
        orphan_add(ext_node_of(child));
    }
}

fs_error ext_unlink(struct node *dir, struct name name, struct node *child) {
    fs_error e = node_is_dir(child) ? must_be_empty(child) : FS_OK;
    if (e == FS_OK) {
        e = remove_name(ext_node_of(dir), name, child);
    }
    if (e == FS_OK) {
        lose_name(dir, child);
    }
    return e;
}

fs_error ext_rename(struct node *from_dir, struct name from, struct node *child, struct node *to_dir, struct name to,
                    struct node *replaced) {
    bool moves = node_is_dir(child) && from_dir != to_dir;
    fs_error e = FS_OK;
    if (replaced) {
        if (node_is_dir(replaced)) {
            e = must_be_empty(replaced);
        }
        if (e == FS_OK) {
            e = change_name(ext_node_of(to_dir), to, child);
        }
    } else {
        if (moves && too_many_subdirectories(to_dir)) {
            return FS_TOO_MANY_LINKS;
        }
        e = add_name(ext_node_of(to_dir), to, child);
    }
    if (e) {
        return e;
    }
    e = remove_name(ext_node_of(from_dir), from, child);
    if (e) {
        return e;
    }
    if (replaced) {
        lose_name(to_dir, replaced);
    }
    if (moves) {
        e = change_name(ext_node_of(child), NAME(".."), to_dir);
        add_link(from_dir, -1);
        add_link(to_dir, +1);
    }
    node_touch(child, TOUCH_CHANGE);
    return e;
}

fs_error ext_exchange(struct node *a_dir, struct name a_name, struct node *a, struct node *b_dir, struct name b_name,
                      struct node *b) {
    fs_error e = change_name(ext_node_of(a_dir), a_name, b);
    if (e == FS_OK) {
        e = change_name(ext_node_of(b_dir), b_name, a);
    }
    if (e == FS_OK && a_dir != b_dir) {
        if (node_is_dir(a)) {
            e = change_name(ext_node_of(a), NAME(".."), b_dir);
            add_link(a_dir, -1);
            add_link(b_dir, +1);
        }
        if (node_is_dir(b)) {
            fs_error other = change_name(ext_node_of(b), NAME(".."), a_dir);
            e = e ? e : other;
            add_link(b_dir, -1);
            add_link(a_dir, +1);
        }
    }
    node_touch(a, TOUCH_CHANGE);
    node_touch(b, TOUCH_CHANGE);
    return e;
}
