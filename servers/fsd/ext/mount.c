// SPDX-License-Identifier: MPL-2.0
//
// Mounting, syncing and unmounting. What cannot be handled is refused with a line in the log that says why.

#include <et/com_err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pool.h"
#include "core/platform.h"
#include "ext/internal.h"

#define SUPERBLOCK_SECTOR 2u
#define INODE_CACHE 32u

void meta_init(struct ext *x, unsigned block_shift);

fs_error ext_error(struct ext *x, errcode_t code, const char *what) {
    switch (code) {
    case 0:
        return FS_OK;
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
    case EXT2_ET_DIR_NO_SPACE:
        return FS_NO_SPACE;
    case EXT2_ET_NO_MEMORY:
        return FS_NO_MEMORY;
    case EXT2_ET_FILE_NOT_FOUND:
        return FS_NOT_FOUND;
    case EXT2_ET_RO_FILSYS:
        return FS_READ_ONLY;
    default:
        platform_log("%s: %s: %s", x->device->name, what, error_message(code));
        return FS_IO;
    }
}

// The library's own complaints, which it would print.
static void on_library_message(const char *who, errcode_t code, const char *format, va_list args) {
    char line[160];
    vsnprintf(line, sizeof line, format, args);
    platform_log("%s: %s %s", who ? who : "ext2fs", code ? error_message(code) : "", line);
}

// A block changes between free and used.
static void on_block(ext2_filsys e2, blk64_t block, int inuse) {
    if (inuse < 0) {
        meta_forget(e2->priv_data, block, 1);
    }
}

static void on_blocks(ext2_filsys e2, blk64_t block, blk_t count, int inuse) {
    if (inuse < 0) {
        meta_forget(e2->priv_data, block, count);
    }
}

static bool power_of_two(uint32_t n) { return n && (n & (n - 1)) == 0; }

// Whether the superblock's numbers fit together. The library sizes bitmaps by some of them and fills them by others.
static bool consistent(const struct ext2_super_block *s, uint64_t device_blocks, unsigned block_shift) {
    uint32_t bs = 1u << block_shift, rev = ext2fs_le32_to_cpu(s->s_rev_level);
    uint32_t first = ext2fs_le32_to_cpu(s->s_first_data_block), per_group = ext2fs_le32_to_cpu(s->s_blocks_per_group);
    uint32_t inodes = ext2fs_le32_to_cpu(s->s_inodes_count), inodes_group = ext2fs_le32_to_cpu(s->s_inodes_per_group);
    uint32_t incompat = ext2fs_le32_to_cpu(s->s_feature_incompat);
    uint64_t blocks = ext2fs_le32_to_cpu(s->s_blocks_count);
    bool wide = incompat & EXT4_FEATURE_INCOMPAT_64BIT;
    if (wide) {
        blocks |= (uint64_t)ext2fs_le32_to_cpu(s->s_blocks_count_hi) << 32;
    }
    uint32_t inode_size = rev ? ext2fs_le16_to_cpu(s->s_inode_size) : EXT2_GOOD_OLD_INODE_SIZE;
    uint32_t first_inode = rev ? ext2fs_le32_to_cpu(s->s_first_ino) : EXT2_GOOD_OLD_FIRST_INO;
    uint32_t desc = wide ? ext2fs_le16_to_cpu(s->s_desc_size) : EXT2_MIN_DESC_SIZE;
    if (rev > EXT2_DYNAMIC_REV || first != (block_shift == 10 ? 1u : 0u) || blocks <= first + 8 || blocks > device_blocks ||
        ext2fs_le32_to_cpu(s->s_log_cluster_size) != block_shift - 10) {
        return false;
    }
    if (per_group < 8 || per_group % 8 || per_group > 8 * bs || ext2fs_le32_to_cpu(s->s_clusters_per_group) != per_group) {
        return false;
    }
    uint64_t groups = (blocks - first + per_group - 1) / per_group;
    return power_of_two(inode_size) && inode_size >= EXT2_GOOD_OLD_INODE_SIZE && inode_size <= bs && inodes_group &&
           inodes_group % 8 == 0 && inodes_group <= 8 * bs && (uint64_t)inodes_group * groups == inodes &&
           first_inode >= EXT2_GOOD_OLD_FIRST_INO && first_inode < inodes && power_of_two(desc) &&
           desc >= (wide ? EXT2_MIN_DESC_SIZE_64BIT : EXT2_MIN_DESC_SIZE) && desc <= bs;
}

// Looks at the superblock before the library does: how large blocks are, and whether this is something to mount.
static fs_error inspect(struct block_device *d, bool *read_only, unsigned *block_shift) {
    struct ext2_super_block *s = pool_take(0);
    if (!s) {
        return FS_NO_MEMORY;
    }
    fs_error e = d->sectors >= 8 ? d->read(d, SUPERBLOCK_SECTOR, 2, s) : FS_INVALID;
    if (e) {
        goto out;
    }
    e = FS_INVALID;
    if (ext2fs_le16_to_cpu(s->s_magic) != EXT2_SUPER_MAGIC) {
        platform_log("%s: no ext2, ext3 or ext4 file system", d->name);
        goto out;
    }
    uint32_t log = ext2fs_le32_to_cpu(s->s_log_block_size);
    if (log > 2) {
        platform_log("%s: blocks of more than 4096 bytes are not supported", d->name);
        goto out;
    }
    *block_shift = 10 + log;
    if (!consistent(s, d->sectors >> (*block_shift - 9), *block_shift)) {
        platform_log("%s: the superblock is damaged, or the file system is larger than the device", d->name);
        goto out;
    }
    uint32_t incompat = ext2fs_le32_to_cpu(s->s_feature_incompat), ro = ext2fs_le32_to_cpu(s->s_feature_ro_compat);
    const uint32_t known = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER | EXT2_FEATURE_INCOMPAT_META_BG |
                           EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG |
                           EXT4_FEATURE_INCOMPAT_EA_INODE | EXT4_FEATURE_INCOMPAT_CSUM_SEED |
                           EXT4_FEATURE_INCOMPAT_LARGEDIR;
    if (incompat & ~known) {
        platform_log("%s: uses features (0x%x) that are not supported", d->name, incompat & ~known);
        goto out;
    }
    if (incompat & EXT3_FEATURE_INCOMPAT_RECOVER) {
        platform_log("%s: its journal must be replayed first: run e2fsck -p on the image", d->name);
        goto out;
    }
    const uint32_t known_ro = EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
                              EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_GDT_CSUM |
                              EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |
                              EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
    if ((ro & ~known_ro) && !*read_only) {
        platform_log("%s: mounted read-only because of features (0x%x)", d->name, ro & ~known_ro);
        *read_only = true;
    }
    if (!(ext2fs_le16_to_cpu(s->s_state) & EXT2_VALID_FS)) {
        platform_log("%s: was not unmounted cleanly: e2fsck -p on the image is advised", d->name);
    } else if (ext2fs_le16_to_cpu(s->s_state) & EXT2_ERROR_FS) {
        platform_log("%s: is known to have errors: e2fsck on the image is advised", d->name);
    }
    e = FS_OK;
out:
    pool_give(s, 0);
    return e;
}

static fs_error write_all(struct ext *x) {
    fs_error e = FS_OK;
    // The list is taken over first: a node that fails goes back onto it and is not met twice.
    struct ext_node *list = x->dirty;
    x->dirty = nullptr;
    if (list) {
        list->dirty_link = &list;
    }
    while (list) {
        struct ext_node *n = list;
        node_ref(&n->n);
        fs_error a = n->n.data ? cache_flush(n->n.data) : FS_OK;
        fs_error b = ext_store(n);
        if (n->dirty_link && n == list) { // it could not be stored: off this list, back to the file system's
            list = n->dirty_next;
            if (list) {
                list->dirty_link = &list;
            }
            n->dirty_link = nullptr;
            ext_changed(&n->n);
        }
        e = e ? e : a ? a : b;
        node_put(&n->n);
    }
    return e;
}

static fs_error flush_meta(struct ext *x) {
    fs_error e = FS_OK;
    if (x->e2->flags & (EXT2_FLAG_DIRTY | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY)) {
        uint32_t now = (uint32_t)(platform_now() / 1000000000);
        if (now > x->e2->super->s_wtime) { // the time of day may not be known yet
            x->e2->super->s_wtime = now;
        }
        e = ext_error(x, ext2fs_flush2(x->e2, 0), "writing bitmaps and superblock");
    }
    fs_error m = cache_flush(&x->meta);
    e = e ? e : m;
    fs_error f = x->device->flush(x->device);
    return e ? e : f;
}

fs_error ext_sync(struct filesystem *fs) {
    struct ext *x = ext_of(fs);
    if (x->detached || fs->read_only) {
        return FS_OK;
    }
    if (!x->dirty && !x->meta.dirty_units && !(x->e2->flags & (EXT2_FLAG_DIRTY | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY))) {
        return FS_OK;
    }
    fs_error e = write_all(x);
    fs_error m = flush_meta(x);
    return e ? e : m;
}

fs_error ext_sync_node(struct node *n, bool) {
    struct ext *x = ext_of(n->fs);
    if (x->detached || n->fs->read_only) {
        return FS_OK;
    }
    fs_error e = n->data ? cache_flush(n->data) : FS_OK;
    fs_error s = ext_store(ext_node_of(n));
    fs_error m = flush_meta(x);
    return e ? e : s ? s : m;
}

static void ext_space(struct filesystem *fs, struct fs_space *s) {
    struct ext *x = ext_of(fs);
    struct ext2_super_block *sb = x->e2->super;
    uint64_t blocks = ext2fs_blocks_count(sb), free = ext2fs_free_blocks_count(sb), kept = ext2fs_r_blocks_count(sb);
    free = free > x->promised ? free - x->promised : 0;
    uint64_t overhead = sb->s_first_data_block;
    overhead += (uint64_t)x->e2->group_desc_count * (2 + x->e2->inode_blocks_per_group);
    uint64_t id;
    memcpy(&id, sb->s_uuid, sizeof id);
    *s = (struct fs_space){.kind = EXT2_SUPER_MAGIC, .blocks = blocks > overhead ? blocks - overhead : blocks,
                           .free = free, .available = free > kept ? free - kept : 0, .files = sb->s_inodes_count,
                           .files_free = sb->s_free_inodes_count, .id = id, .block_size = x->e2->blocksize,
                           .name_max = EXT2_NAME_LEN};
}

static fs_error ext_unmount(struct filesystem *fs, bool) {
    struct ext *x = ext_of(fs);
    if (fs->read_only || x->detached) {
        return FS_OK;
    }
    fs_error e = ext_sync(fs);
    if (e == FS_OK) {
        x->e2->super->s_state |= EXT2_VALID_FS;
        ext2fs_mark_super_dirty(x->e2);
        e = flush_meta(x);
    }
    if (e) {
        platform_log("%s: not everything could be written; it is not marked clean", x->device->name);
    }
    x->detached = true;
    return e;
}

void ext_free(struct ext *x) {
    cache_destroy(&x->meta);
    if (x->e2) {
        ext2fs_free(x->e2);
    }
    x->device->close(x->device);
    free(x->block);
    free(x);
}

static const struct filesystem_ops ops2 = {
    .kind = "ext2", .lookup = ext_lookup, .create = ext_create, .link = ext_link, .unlink = ext_unlink,
    .rename = ext_rename, .exchange = ext_exchange, .list = ext_list, .read_link = ext_read_link, .resize = ext_resize,
    .allocate = ext_allocate, .seek = ext_seek, .changed = ext_changed, .sync_node = ext_sync_node, .sync = ext_sync,
    .space = ext_space, .release = ext_release, .unmount = ext_unmount,
};
static struct filesystem_ops ops3, ops4;

fs_error ext_mount(struct block_device *device, bool read_only, struct filesystem **fs) {
    unsigned block_shift;
    fs_error e = inspect(device, &read_only, &block_shift);
    if (e) {
        return e;
    }
    struct ext *x = calloc(1, sizeof *x);
    if (!x) {
        return FS_NO_MEMORY;
    }
    initialize_ext2_error_table();
    set_com_err_hook(on_library_message);
    ops3 = ops4 = ops2;
    ops3.kind = "ext3";
    ops4.kind = "ext4";
    x->device = device;
    x->fs.read_only = read_only;
    meta_init(x, block_shift);
    ext_io_attach(x);
    int flags = EXT2_FLAG_64BITS | EXT2_FLAG_MASTER_SB_ONLY | (read_only ? 0 : EXT2_FLAG_RW);
    e = ext_error(x, ext2fs_open2(device->name, nullptr, flags, 0, 0, &ext_io_manager, &x->e2), "opening");
    if (e) {
        goto fail;
    }
    x->e2->priv_data = x;
    x->block = malloc(x->e2->blocksize);
    if (!x->block) {
        e = FS_NO_MEMORY;
        goto fail;
    }
    (void)ext2fs_create_inode_cache(x->e2, INODE_CACHE);
    if (!read_only) {
        e = ext_error(x, ext2fs_read_bitmaps(x->e2), "reading bitmaps");
        if (e) {
            goto fail;
        }
        ext2fs_set_block_alloc_stats_callback(x->e2, on_block, nullptr);
        ext2fs_set_block_alloc_stats_range_callback(x->e2, on_blocks, nullptr);
    }
    x->fs.ops = ext2fs_has_feature_extents(x->e2->super)   ? &ops4
                : ext2fs_has_feature_journal(x->e2->super) ? &ops3
                                                           : &ops2;
    e = ext_load(x, EXT2_ROOT_INO, &x->fs.root);
    if (e == FS_OK && !node_is_dir(x->fs.root)) {
        platform_log("%s: the root is no directory", device->name);
        e = FS_IO;
    }
    if (e) {
        goto fail;
    }
    if (!read_only) {
        orphans_process(x);
        x->e2->super->s_state &= (uint16_t)~EXT2_VALID_FS;
        if (platform_now() / 1000000000 > x->e2->super->s_mtime) {
            x->e2->super->s_mtime = (uint32_t)(platform_now() / 1000000000);
        }
        x->e2->super->s_mnt_count++;
        ext2fs_mark_super_dirty(x->e2);
        e = flush_meta(x);
        if (e) {
            goto fail;
        }
    }
    *fs = &x->fs;
    return FS_OK;
fail:
    if (x->fs.root) {
        x->detached = true;
        struct node *root = x->fs.root;
        x->fs.root = nullptr; // so that its release leaves the rest to this function
        node_put(root);
    }
    cache_destroy(&x->meta);
    if (x->e2) {
        ext2fs_free(x->e2);
    }
    free(x->block);
    free(x);
    return e;
}
