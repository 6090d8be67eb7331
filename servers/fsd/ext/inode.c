// SPDX-License-Identifier: MPL-2.0
//
// Inodes: from disk to node and back, making and freeing them, symbolic links, and the orphan list: the chain, on
// disk, of files without a name that are still open, so that a crash leaks nothing.

#include <stdlib.h>
#include <string.h>

#include "core/platform.h"
#include "ext/internal.h"

#define NS 1000000000ll
#define EXTRA_SIZE 32u // bytes of struct ext2_inode_large behind the first 128 that are used

// --- Times: 34 bits of seconds and 30 of nanoseconds where the inode is large enough ---

#define HAS(n, field)                                                                                                  \
    (offsetof(struct ext2_inode_large, field) + sizeof(n)->raw.field <=                                                \
     EXT2_GOOD_OLD_INODE_SIZE + (size_t)(n)->raw.i_extra_isize)

static int64_t time_get(uint32_t seconds, bool has_extra, uint32_t extra) {
    int64_t s = (int32_t)seconds, t;
    if (has_extra) {
        s += (int64_t)(extra & 3) << 32;
    }
    // 64 bits of nanoseconds end in 2262, the inode's seconds in 2446.
    if (__builtin_mul_overflow(s, NS, &t) || __builtin_add_overflow(t, has_extra ? (int64_t)(extra >> 2) : 0, &t)) {
        return INT64_MAX;
    }
    return t;
}

static uint32_t time_put(int64_t t, bool has_extra, uint32_t *extra) {
    int64_t s = t / NS, ns = t % NS;
    if (ns < 0) {
        ns += NS;
        s--;
    }
    if (!has_extra) {
        return (uint32_t)(s > INT32_MAX ? INT32_MAX : s < INT32_MIN ? INT32_MIN : s);
    }
    *extra = (uint32_t)((s - (int32_t)s) >> 32 & 3) | (uint32_t)ns << 2;
    return (uint32_t)s;
}

// --- Inodes in the metadata cache, where they are read and written in place. What the library keeps of the inode table
// for itself is dropped after each write. ---

static fs_error slot_of(struct ext *x, uint64_t ino, uint64_t *offset) {
    struct ext2_super_block *sb = x->e2->super;
    if (ino == 0 || ino > sb->s_inodes_count) {
        return FS_IO;
    }
    dgrp_t group = (dgrp_t)((ino - 1) / sb->s_inodes_per_group);
    uint64_t at = (ino - 1) % sb->s_inodes_per_group * EXT2_INODE_SIZE(sb);
    uint64_t table = ext2fs_inode_table_loc(x->e2, group), block = table + at / x->e2->blocksize;
    if (table <= sb->s_first_data_block || block >= ext2fs_blocks_count(sb)) {
        platform_log("%s: group %u has no inode table", x->device->name, group);
        return FS_IO;
    }
    *offset = block * x->e2->blocksize + at % x->e2->blocksize;
    return FS_OK;
}

static size_t inode_bytes(const struct ext *x) {
    size_t size = EXT2_INODE_SIZE(x->e2->super);
    return size < sizeof(struct ext2_inode_large) ? size : sizeof(struct ext2_inode_large);
}

static fs_error inode_read(struct ext *x, uint64_t ino, struct ext2_inode_large *raw) {
    uint64_t offset;
    const void *p;
    size_t n;
    fs_error e = slot_of(x, ino, &offset);
    if (e == FS_OK) {
        e = cache_view(&x->meta, offset, EXT2_INODE_SIZE(x->e2->super), x->device->sectors * SECTOR, &p, &n);
    }
    if (e == FS_OK && !ext2fs_inode_csum_verify(x->e2, (ext2_ino_t)ino, (struct ext2_inode_large *)p)) {
        platform_log("%s: inode %llu has a wrong checksum", x->device->name, (unsigned long long)ino);
        e = FS_IO;
    }
    if (e == FS_OK) {
        memcpy(raw, p, inode_bytes(x));
    }
    return e;
}

// fresh: what lies behind `raw` in the inode is from a file that had it before.
static fs_error inode_write(struct ext *x, uint64_t ino, const struct ext2_inode_large *raw, bool fresh) {
    uint64_t offset;
    const void *old;
    void *p;
    size_t n, size = EXT2_INODE_SIZE(x->e2->super);
    fs_error e = slot_of(x, ino, &offset);
    if (e == FS_OK) {
        e = cache_view(&x->meta, offset, size, x->device->sectors * SECTOR, &old, &n);
    }
    if (e == FS_OK) {
        e = cache_edit(&x->meta, offset, size, x->device->sectors * SECTOR, &p, &n);
    }
    if (e) {
        return e;
    }
    memcpy(p, raw, inode_bytes(x));
    if (fresh) {
        memset((char *)p + inode_bytes(x), 0, size - inode_bytes(x));
    }
    errcode_t code = ext2fs_inode_csum_set(x->e2, (ext2_ino_t)ino, p);
    (void)cache_written(&x->meta, offset, size, x->device->sectors * SECTOR);
    ext2fs_flush_icache(x->e2);
    return ext_error(x, code, "an inode's checksum");
}

static void from_raw(struct ext_node *n) {
    struct ext2_inode_large *r = &n->raw;
    struct attributes *a = &n->n.a;
    a->mode = r->i_mode;
    a->nlink = r->i_links_count;
    a->uid = r->i_uid | (uint32_t)r->osd2.linux2.l_i_uid_high << 16;
    a->gid = r->i_gid | (uint32_t)r->osd2.linux2.l_i_gid_high << 16;
    a->size = EXT2_I_SIZE(r);
    a->atime = time_get(r->i_atime, HAS(n, i_atime_extra), r->i_atime_extra);
    a->mtime = time_get(r->i_mtime, HAS(n, i_mtime_extra), r->i_mtime_extra);
    a->ctime = time_get(r->i_ctime, HAS(n, i_ctime_extra), r->i_ctime_extra);
    uint32_t kind = a->mode & MODE_KIND;
    if (kind == MODE_CHAR || kind == MODE_BLOCK) {
        a->rdev = r->i_block[0] ? (r->i_block[0] & 0xffff) : r->i_block[1];
    }
}

static void blocks_from_raw(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    n->n.a.blocks = ext2fs_get_stat_i_blocks(x->e2, raw_of(n)) + n->promised * (x->e2->blocksize / 512);
}

fs_error ext_reload(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    fs_error e = inode_read(x, n->n.ino, &n->raw);
    if (e) {
        return e;
    }
    n->n.a.size = EXT2_I_SIZE(&n->raw);
    runs_forget(n);
    blocks_from_raw(n);
    return FS_OK;
}

static void attach(struct ext_node *n, ext2_ino_t ino, struct ext *x) {
    node_enter(&x->fs, &n->n, ino);
    if (node_is_regular(&n->n)) {
        ext_data_init(n);
    }
    blocks_from_raw(n);
}

fs_error ext_load(struct ext *x, ext2_ino_t ino, struct node **node) {
    if ((*node = node_find(&x->fs, ino)) != nullptr) {
        return FS_OK;
    }
    struct ext2_super_block *sb = x->e2->super;
    if (ino != EXT2_ROOT_INO && (ino < EXT2_FIRST_INODE(sb) || ino > sb->s_inodes_count)) {
        platform_log("%s: a directory names inode %u, which cannot be", x->device->name, ino);
        return FS_IO;
    }
    struct ext_node *n = calloc(1, sizeof *n);
    if (!n) {
        return FS_NO_MEMORY;
    }
    fs_error e = inode_read(x, ino, &n->raw);
    if (e) {
        free(n);
        return e;
    }
    bool sane = true;
    if (x->e2->super->s_inode_size <= EXT2_GOOD_OLD_INODE_SIZE) {
        n->raw.i_extra_isize = 0;
    }
    from_raw(n);
    switch (n->n.a.mode & MODE_KIND) {
    case MODE_DIR:
    case MODE_REGULAR:
    case MODE_LINK:
    case MODE_CHAR:
    case MODE_BLOCK:
    case MODE_FIFO:
    case MODE_SOCKET:
        break;
    default:
        sane = false;
    }
    if (!sane || n->n.a.nlink == 0 || (n->raw.i_flags & (EXT4_INLINE_DATA_FL | EXT4_ENCRYPT_FL)) ||
        n->n.a.size > (uint64_t)INT64_MAX) {
        platform_log("%s: inode %u (mode %o, links %u) makes no sense", x->device->name, ino, n->n.a.mode, n->n.a.nlink);
        free(n);
        return FS_IO;
    }
    attach(n, ino, x);
    *node = &n->n;
    return FS_OK;
}

void ext_changed(struct node *node) {
    struct ext_node *n = ext_node_of(node);
    struct ext *x = ext_of(node->fs);
    node->dirty = true;
    if (!n->dirty_link) {
        if (!x->dirty) {
            platform_dirty();
        }
        n->dirty_next = x->dirty;
        n->dirty_link = &x->dirty;
        if (x->dirty) {
            x->dirty->dirty_link = &n->dirty_next;
        }
        x->dirty = n;
    }
}

static void clean(struct ext_node *n) {
    n->n.dirty = false;
    if (n->dirty_link) {
        *n->dirty_link = n->dirty_next;
        if (n->dirty_next) {
            n->dirty_next->dirty_link = n->dirty_link;
        }
        n->dirty_link = nullptr;
    }
}

static void to_raw(struct ext_node *n) {
    struct ext2_inode_large *r = &n->raw;
    const struct attributes *a = &n->n.a;
    r->i_mode = (uint16_t)a->mode;
    r->i_links_count = (uint16_t)a->nlink;
    r->i_uid = (uint16_t)a->uid;
    r->osd2.linux2.l_i_uid_high = (uint16_t)(a->uid >> 16);
    r->i_gid = (uint16_t)a->gid;
    r->osd2.linux2.l_i_gid_high = (uint16_t)(a->gid >> 16);
    r->i_atime = time_put(a->atime, HAS(n, i_atime_extra), &r->i_atime_extra);
    r->i_mtime = time_put(a->mtime, HAS(n, i_mtime_extra), &r->i_mtime_extra);
    r->i_ctime = time_put(a->ctime, HAS(n, i_ctime_extra), &r->i_ctime_extra);
}

fs_error ext_store(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    if (!n->n.dirty) {
        return FS_OK;
    }
    to_raw(n);
    fs_error e = FS_OK;
    if (node_is_regular(&n->n)) {
        e = ext_error(x, ext2fs_inode_size_set(x->e2, raw_of(n), (ext2_off64_t)n->n.a.size), "setting a size");
    }
    if (e == FS_OK) {
        e = inode_write(x, n->n.ino, &n->raw, false);
    }
    if (e) {
        return e;
    }
    clean(n);
    return FS_OK;
}

// --- Making and freeing ---

static void extents_init(struct ext2_inode_large *r) {
    struct { uint16_t magic, entries, max, depth; uint32_t generation; } h = {
        ext2fs_cpu_to_le16(0xf30a), 0, ext2fs_cpu_to_le16(4), 0, 0};
    memcpy(r->i_block, &h, sizeof h);
    r->i_flags |= EXT4_EXTENTS_FL;
}

fs_error ext_new_inode(struct ext *x, struct ext_node *dir, const struct new_node *what, struct ext_node **node) {
    ext2_ino_t ino;
    errcode_t code = ext2fs_new_inode(x->e2, (ext2_ino_t)dir->n.ino, (int)what->mode, nullptr, &ino);
    if (code) {
        return ext_error(x, code, "allocating an inode");
    }
    struct ext_node *n = calloc(1, sizeof *n);
    if (!n) {
        return FS_NO_MEMORY;
    }
    int64_t now = platform_now();
    n->n.a = (struct attributes){.mode = what->mode, .uid = what->uid, .gid = what->gid, .atime = now, .mtime = now,
                                 .ctime = now, .nlink = (what->mode & MODE_KIND) == MODE_DIR ? 2 : 1};
    n->n.fs = &x->fs;
    if (EXT2_INODE_SIZE(x->e2->super) > EXT2_GOOD_OLD_INODE_SIZE) {
        n->raw.i_extra_isize = EXTRA_SIZE;
        n->raw.i_crtime = time_put(now, true, &n->raw.i_crtime_extra);
    }
    static uint32_t generation;
    generation = generation * 1664525u + 1013904223u + (uint32_t)now;
    n->raw.i_generation = generation;
    uint32_t kind = what->mode & MODE_KIND;
    if ((kind == MODE_REGULAR || kind == MODE_DIR) && ext2fs_has_feature_extents(x->e2->super)) {
        extents_init(&n->raw);
    } else if (kind == MODE_CHAR || kind == MODE_BLOCK) {
        n->n.a.rdev = what->rdev & 0xffffffff;
        uint32_t major = (uint32_t)(what->rdev >> 8 & 0xfff), minor = (uint32_t)((what->rdev & 0xff) | (what->rdev >> 12 & 0xfff00));
        if (major < 256 && minor < 256) {
            n->raw.i_block[0] = major << 8 | minor;
        } else {
            n->raw.i_block[1] = (uint32_t)what->rdev;
        }
    }
    to_raw(n);
    fs_error e = inode_write(x, ino, &n->raw, true);
    if (e) {
        free(n);
        return e;
    }
    ext2fs_inode_alloc_stats2(x->e2, ino, +1, kind == MODE_DIR);
    attach(n, ino, x);
    *node = n;
    return FS_OK;
}

static void inode_free(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    (void)ext_punch(n, 0);
    if (ext2fs_file_acl_block(x->e2, raw_of(n))) {
        (void)ext_error(x, ext2fs_free_ext_attr(x->e2, (ext2_ino_t)n->n.ino, &n->raw), "freeing attributes");
    }
    n->n.a.size = 0;
    to_raw(n);
    n->raw.i_size = 0;
    n->raw.i_size_high = 0;
    // Never a small number, which would look like a link of the orphan list, not even before the time of day is known.
    uint32_t now = (uint32_t)(platform_now() / NS), least = x->e2->super->s_wtime;
    if (least < x->e2->super->s_mkfs_time) {
        least = x->e2->super->s_mkfs_time;
    }
    n->raw.i_dtime = now > least ? now : least;
    (void)inode_write(x, n->n.ino, &n->raw, false);
    ext2fs_inode_alloc_stats2(x->e2, (ext2_ino_t)n->n.ino, -1, node_is_dir(&n->n));
}

// --- Orphans ---

void orphan_add(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    if (n->orphan) {
        return;
    }
    n->orphan = true;
    n->raw.i_dtime = x->e2->super->s_last_orphan;
    x->e2->super->s_last_orphan = (uint32_t)n->n.ino;
    n->orphan_next = x->orphans;
    x->orphans = n;
    ext2fs_mark_super_dirty(x->e2);
    ext_changed(&n->n);
}

static void orphan_remove(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    if (!n->orphan) {
        return;
    }
    if (x->orphans == n) {
        x->orphans = n->orphan_next;
        x->e2->super->s_last_orphan = n->raw.i_dtime;
        ext2fs_mark_super_dirty(x->e2);
    } else {
        struct ext_node *before = x->orphans;
        while (before->orphan_next != n) {
            before = before->orphan_next;
        }
        before->orphan_next = n->orphan_next;
        before->raw.i_dtime = n->raw.i_dtime;
        ext_changed(&before->n);
    }
    n->orphan = false;
    n->raw.i_dtime = 0;
}

void orphans_process(struct ext *x) {
    uint32_t ino = x->e2->super->s_last_orphan, count = 0;
    while (ino && count++ < x->e2->super->s_inodes_count) {
        if (ino < EXT2_FIRST_INODE(x->e2->super) || ino > x->e2->super->s_inodes_count) {
            platform_log("%s: the orphan list is damaged", x->device->name);
            break;
        }
        struct ext_node *n = calloc(1, sizeof *n);
        if (!n || inode_read(x, ino, &n->raw)) {
            free(n);
            break;
        }
        n->n.fs = &x->fs;
        n->n.ino = ino;
        uint32_t next = n->raw.i_dtime;
        n->raw.i_dtime = 0;
        from_raw(n);
        if (n->n.a.nlink == 0) {
            inode_free(n);
        } else {
            // Its truncation was interrupted.
            (void)ext_punch(n, (n->n.a.size + x->e2->blocksize - 1) / x->e2->blocksize);
            n->n.dirty = true;
            (void)ext_store(n);
        }
        runs_forget(n);
        free(n);
        ino = next;
    }
    x->e2->super->s_last_orphan = 0;
    ext2fs_mark_super_dirty(x->e2);
}

void ext_release(struct node *node) {
    struct ext_node *n = ext_node_of(node);
    struct ext *x = ext_of(node->fs);
    bool writable = !x->fs.read_only && !x->detached;
    if (node->a.nlink == 0 && writable) {
        if (node->data) {
            cache_destroy(node->data);
        }
        orphan_remove(n);
        inode_free(n);
    } else {
        if (node->data) {
            fs_error e = writable ? cache_flush(node->data) : FS_OK;
            if (e) {
                platform_log("%s: contents of inode %llu were lost (error %d)", x->device->name,
                             (unsigned long long)node->ino, (int)e);
            }
            cache_destroy(node->data);
        }
        if (writable) {
            (void)ext_store(n);
        }
    }
    clean(n);
    runs_forget(n);
    index_forget(n);
    node_leave(node);
    bool last = node == x->fs.root;
    free(n);
    if (last) {
        ext_free(x);
    }
}

fs_error ext_read_link(struct node *link, char *to, size_t room, size_t *len) {
    struct ext_node *n = ext_node_of(link);
    struct ext *x = ext_of(link->fs);
    uint64_t size = link->a.size;
    *len = 0;
    if (ext2fs_is_fast_symlink(raw_of(n))) {
        if (size >= sizeof n->raw.i_block) {
            return FS_IO;
        }
        *len = size < room ? (size_t)size : room;
        memcpy(to, n->raw.i_block, *len);
        return FS_OK;
    }
    if (size > x->e2->blocksize) {
        return FS_IO;
    }
    uint64_t pblk, run;
    bool unwritten;
    fs_error e = ext_map(n, 0, &pblk, &run, &unwritten);
    if (e || !pblk) {
        return e ? e : FS_IO;
    }
    errcode_t code = io_channel_read_blk64(x->e2->io, pblk, 1, x->block);
    if (code) {
        return ext_error(x, code, "reading a symbolic link");
    }
    *len = size < room ? (size_t)size : room;
    memcpy(to, x->block, *len);
    return FS_OK;
}
