// SPDX-License-Identifier: MPL-2.0
//
// File contents: from page cache to disk blocks. A file's map is a sorted list of runs, read once from its extents or
// indirect blocks. Blocks are allocated late, when dirty pages are stored, for whole dirty ranges at once; until then
// the pages hold a promise, so that a full disk is found by write() and not afterwards.

#include <stdlib.h>
#include <string.h>

#include "cache/pool.h"
#include "core/platform.h"
#include "ext/internal.h"

// --- The map ---

void runs_forget(struct ext_node *n) {
    free(n->runs);
    n->runs = nullptr;
    n->run_count = n->run_room = 0;
    n->runs_known = false;
}

// Adds a run behind all others, joining it to the last one if it continues that.
static fs_error run_append(struct ext_node *n, struct run r) {
    struct ext *x = ext_of(n->n.fs);
    struct run *last = n->run_count ? &n->runs[n->run_count - 1] : nullptr;
    uint64_t first = x->e2->super->s_first_data_block, end = ext2fs_blocks_count(x->e2->super);
    if (r.len == 0 || r.pblk <= first || r.pblk >= end || r.len > end - r.pblk ||
        (last && r.lblk < last->lblk + last->len)) {
        platform_log("%s: the block map of inode %llu is damaged", x->device->name, (unsigned long long)n->n.ino);
        return FS_IO;
    }
    if (last && last->lblk + last->len == r.lblk && last->pblk + last->len == r.pblk && last->unwritten == r.unwritten &&
        last->len <= UINT32_MAX - r.len) {
        last->len += r.len;
        return FS_OK;
    }
    if (n->run_count == n->run_room) {
        uint32_t room = n->run_room ? n->run_room * 2 : 4;
        struct run *runs = realloc(n->runs, room * sizeof *runs);
        if (!runs) {
            return FS_NO_MEMORY;
        }
        n->runs = runs;
        n->run_room = room;
    }
    n->runs[n->run_count++] = r;
    return FS_OK;
}

static fs_error load_extents(struct ext_node *n) {
    struct ext *x = ext_of(n->n.fs);
    struct { uint16_t magic, entries, max, depth; } header;
    memcpy(&header, n->raw.i_block, sizeof header);
    if (header.magic == ext2fs_cpu_to_le16(0xf30a) && header.entries == 0 && header.depth == 0) {
        return FS_OK;
    }
    ext2_extent_handle_t h;
    errcode_t code = ext2fs_extent_open2(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), &h);
    if (code) {
        return ext_error(x, code, "reading extents");
    }
    fs_error e = FS_OK;
    int op = EXT2_EXTENT_ROOT;
    struct ext2fs_extent extent;
    while (e == FS_OK) {
        code = ext2fs_extent_get(h, op, &extent);
        if (code) {
            if (code != EXT2_ET_EXTENT_NO_NEXT && code != EXT2_ET_NO_CURRENT_NODE) {
                e = ext_error(x, code, "reading extents");
            }
            break;
        }
        op = EXT2_EXTENT_NEXT;
        if ((extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) && !(extent.e_flags & EXT2_EXTENT_FLAGS_SECOND_VISIT)) {
            e = run_append(n, (struct run){extent.e_lblk, extent.e_pblk, extent.e_len,
                                           (extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0});
        }
    }
    ext2fs_extent_free(h);
    return e;
}

struct loading { struct ext_node *n; fs_error error; };

static int load_block(ext2_filsys, blk64_t *block, e2_blkcnt_t lblk, blk64_t, int, void *user) {
    struct loading *l = user;
    if (lblk >= 0 && *block) {
        l->error = run_append(l->n, (struct run){(uint64_t)lblk, *block, 1, false});
    }
    return l->error ? BLOCK_ABORT : 0;
}

static fs_error load_runs(struct ext_node *n) {
    if (n->runs_known) {
        return FS_OK;
    }
    struct ext *x = ext_of(n->n.fs);
    runs_forget(n);
    fs_error e;
    if (n->raw.i_flags & EXT4_EXTENTS_FL) {
        e = load_extents(n);
    } else {
        // The library iterates over the stored inode, which may be behind `raw`.
        e = n->n.dirty && !x->fs.read_only && !x->detached ? ext_store(n) : FS_OK;
        struct loading l = {n, FS_OK};
        if (e == FS_OK) {
            errcode_t code = ext2fs_block_iterate3(x->e2, (ext2_ino_t)n->n.ino, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY,
                                                   nullptr, load_block, &l);
            e = l.error ? l.error : ext_error(x, code, "reading indirect blocks");
        }
    }
    if (e) {
        runs_forget(n);
        return e;
    }
    n->runs_known = true;
    return FS_OK;
}

// Index of the first run that ends behind lblk.
static uint32_t run_at(const struct ext_node *n, uint64_t lblk) {
    uint32_t low = 0, high = n->run_count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (n->runs[mid].lblk + n->runs[mid].len <= lblk) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

fs_error ext_map(struct ext_node *n, uint64_t lblk, uint64_t *pblk, uint64_t *len, bool *unwritten) {
    fs_error e = load_runs(n);
    if (e) {
        return e;
    }
    uint32_t i = run_at(n, lblk);
    *unwritten = false;
    *pblk = 0;
    if (i == n->run_count) {
        *len = UINT64_MAX - lblk;
    } else if (n->runs[i].lblk > lblk) {
        *len = n->runs[i].lblk - lblk;
    } else {
        uint64_t skip = lblk - n->runs[i].lblk;
        *pblk = n->runs[i].pblk + skip;
        *len = n->runs[i].len - skip;
        *unwritten = n->runs[i].unwritten;
    }
    return FS_OK;
}

// --- The page cache's operations ---

// Blocks per unit: units are pages, blocks a page or less.
static unsigned unit_to_block_shift(const struct ext *x) { return 12u - x->meta.unit_shift; }

static uint64_t blocks_in_file(const struct ext_node *n) {
    const struct ext *x = ext_of(n->n.fs);
    uint64_t size = n->n.a.size, bs = x->e2->blocksize;
    return size / bs + (size % bs != 0);
}

static fs_error data_fill(struct cache_file *f, uint64_t unit, unsigned count, void *to) {
    struct ext_node *n = f->owner;
    struct ext *x = ext_of(n->n.fs);
    unsigned shift = unit_to_block_shift(x);
    uint32_t bs = x->e2->blocksize;
    uint64_t lblk = unit << shift, left = (uint64_t)count << shift, in_file = blocks_in_file(n);
    char *p = to;
    while (left) {
        uint64_t pblk = 0, len = left;
        bool unwritten = false;
        if (lblk < in_file) {
            fs_error e = ext_map(n, lblk, &pblk, &len, &unwritten);
            if (e) {
                return e;
            }
            if (len > in_file - lblk) {
                len = in_file - lblk;
            }
        }
        if (len > left) {
            len = left;
        }
        if (!pblk || unwritten) {
            memset(p, 0, len * bs);
        } else {
            fs_error e = x->device->read(x->device, pblk * (bs / SECTOR), (uint32_t)(len * (bs / SECTOR)), p);
            if (e) {
                return e;
            }
        }
        p += len * bs;
        lblk += len;
        left -= len;
    }
    // What lies behind the end of the file on disk is nobody's: it must not show when the file grows.
    uint64_t start = unit << 12, end = start + ((uint64_t)count << 12);
    if (n->n.a.size < end) {
        uint64_t keep = n->n.a.size > start ? n->n.a.size - start : 0;
        memset((char *)to + keep, 0, (size_t)(end - start - keep));
    }
    return FS_OK;
}

static fs_error data_reserve(struct cache_file *f, uint64_t unit, bool *kept) {
    struct ext_node *n = f->owner;
    struct ext *x = ext_of(n->n.fs);
    unsigned shift = unit_to_block_shift(x);
    uint64_t lblk = unit << shift, left = 1ull << shift;
    // What the format can address: 2^32 - 1 blocks with extents, three levels of indirection without.
    uint64_t per = x->e2->blocksize / 4, most = EXT2_NDIR_BLOCKS + per + per * per + per * per * per;
    if (n->raw.i_flags & EXT4_EXTENTS_FL) {
        most = 0xfffffffe;
    }
    if (lblk + left > most) {
        return FS_FILE_TOO_BIG;
    }
    while (left) {
        uint64_t pblk, len;
        bool unwritten;
        fs_error e = ext_map(n, lblk, &pblk, &len, &unwritten);
        if (e) {
            return e;
        }
        if (!pblk) {
            break;
        }
        if (len >= left) {
            return FS_OK;
        }
        lblk += len;
        left -= len;
    }
    // A few blocks stay for the maps of what was promised, and for directories.
    uint64_t blocks = 1ull << shift, free = ext2fs_free_blocks_count(x->e2->super);
    uint64_t need = x->promised + blocks + (x->promised + blocks) / 64 + 16;
    if (need > free) {
        return FS_NO_SPACE;
    }
    x->promised += blocks;
    n->promised += blocks;
    n->n.a.blocks += blocks * (x->e2->blocksize / 512);
    *kept = true;
    return FS_OK;
}

static void data_unreserve(struct cache_file *f, uint64_t) {
    struct ext_node *n = f->owner;
    struct ext *x = ext_of(n->n.fs);
    uint64_t blocks = 1ull << unit_to_block_shift(x);
    x->promised -= blocks;
    n->promised -= blocks;
    n->n.a.blocks = ext2fs_get_stat_i_blocks(x->e2, raw_of(n)) + n->promised * (x->e2->blocksize / 512);
}

static uint64_t goal_for(struct ext_node *n, uint64_t lblk) {
    struct ext *x = ext_of(n->n.fs);
    uint32_t i = run_at(n, lblk);
    if (i > 0) {
        const struct run *r = &n->runs[i - 1];
        uint64_t goal = r->pblk + r->len + (lblk - r->lblk - r->len);
        if (goal < ext2fs_blocks_count(x->e2->super)) {
            return goal;
        }
    }
    return ext2fs_find_inode_goal(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), lblk);
}

// Gives blocks to a hole of a file with indirect blocks.
static fs_error allocate_indirect(struct ext_node *n, uint64_t lblk, uint64_t len) {
    struct ext *x = ext_of(n->n.fs);
    blk64_t goal = goal_for(n, lblk);
    errcode_t code = 0;
    for (; len && !code; lblk++, len--) {
        blk64_t block;
        code = ext2fs_new_block2(x->e2, goal, nullptr, &block);
        if (!code) {
            ext2fs_block_alloc_stats2(x->e2, block, +1);
            blk64_t set = block;
            // ALLOC is for the indirect blocks on the way.
            code = ext2fs_bmap2(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), nullptr, BMAP_SET | BMAP_ALLOC, lblk, nullptr, &set);
            if (code) {
                ext2fs_block_alloc_stats2(x->e2, block, -1);
            } else {
                code = ext2fs_iblk_add_blocks(x->e2, raw_of(n), 1);
            }
            goal = block + 1;
        }
    }
    return ext_error(x, code, "allocating blocks");
}

static fs_error make_mapped(struct ext_node *n, uint64_t lblk, uint64_t end) {
    struct ext *x = ext_of(n->n.fs);
    fs_error e = FS_OK;
    bool changed = false;
    while (e == FS_OK && lblk < end) {
        uint64_t pblk, len;
        bool unwritten;
        e = ext_map(n, lblk, &pblk, &len, &unwritten);
        if (e) {
            break;
        }
        if (len > end - lblk) {
            len = end - lblk;
        }
        if (pblk && !unwritten) {
            lblk += len;
            continue;
        }
        changed = true;
        if (!pblk && !(n->raw.i_flags & EXT4_EXTENTS_FL)) {
            e = allocate_indirect(n, lblk, len);
        } else if (!pblk) {
            e = ext_error(x, ext2fs_fallocate(x->e2, EXT2_FALLOCATE_FORCE_INIT | EXT2_FALLOCATE_INIT_BEYOND_EOF,
                                              (ext2_ino_t)n->n.ino, raw_of(n), goal_for(n, lblk), lblk, len),
                          "allocating blocks");
        } else {
            errcode_t code = 0;
            for (uint64_t i = 0; i < len && !code; i++) {
                blk64_t block = pblk + i;
                code = ext2fs_bmap2(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), nullptr, BMAP_SET, lblk + i, nullptr, &block);
            }
            e = ext_error(x, code, "initialising blocks");
        }
        runs_forget(n);
        lblk += len;
    }
    if (changed) {
        n->n.dirty = true;
        ext_changed(&n->n);
    }
    return e;
}

static fs_error data_prepare(struct cache_file *f, uint64_t unit, uint64_t count) {
    struct ext_node *n = f->owner;
    struct ext *x = ext_of(n->n.fs);
    unsigned shift = unit_to_block_shift(x);
    uint64_t lblk = unit << shift, end = (unit + count) << shift, in_file = blocks_in_file(n);
    if (x->fs.read_only || x->detached) {
        return FS_READ_ONLY;
    }
    return make_mapped(n, lblk, end < in_file ? end : in_file);
}

static fs_error data_store(struct cache_file *f, uint64_t unit, unsigned count, void *from) {
    struct ext_node *n = f->owner;
    struct ext *x = ext_of(n->n.fs);
    unsigned shift = unit_to_block_shift(x);
    uint32_t bs = x->e2->blocksize;
    uint64_t lblk = unit << shift, end = (unit + count) << shift, in_file = blocks_in_file(n);
    const char *p = from;
    if (end > in_file) {
        end = in_file;
    }
    // What a program wrote behind the end of the file is not part of it.
    uint64_t size = n->n.a.size, in_page = size & (POOL_PAGE - 1);
    if (f->written_to && in_page && size / POOL_PAGE >= unit && size / POOL_PAGE < unit + count) {
        memset((char *)from + (size - unit * POOL_PAGE), 0, (size_t)(POOL_PAGE - in_page));
    }
    while (lblk < end) {
        uint64_t pblk, len;
        bool unwritten;
        fs_error e = ext_map(n, lblk, &pblk, &len, &unwritten);
        if (e) {
            return e;
        }
        if (len > end - lblk) {
            len = end - lblk;
        }
        if (!pblk || unwritten) {
            return FS_IO; // prepare would have failed
        }
        e = x->device->write(x->device, pblk * (bs / SECTOR), (uint32_t)(len * (bs / SECTOR)), p);
        if (e) {
            return e;
        }
        p += len * bs;
        lblk += len;
    }
    return FS_OK;
}

static const struct cache_ops data_ops = {.fill = data_fill, .reserve = data_reserve, .unreserve = data_unreserve,
                                          .prepare = data_prepare, .store = data_store};

void ext_data_init(struct ext_node *n) {
    cache_init(&n->data, &data_ops, n, 12, 6);
    n->n.data = &n->data;
}

// --- Sizes, allocation, holes ---

fs_error ext_punch(struct ext_node *n, uint64_t lblk) {
    struct ext *x = ext_of(n->n.fs);
    if (ext2fs_is_fast_symlink(raw_of(n)) || (n->n.a.mode & MODE_KIND) == MODE_CHAR ||
        (n->n.a.mode & MODE_KIND) == MODE_BLOCK || (n->n.a.mode & MODE_KIND) == MODE_FIFO ||
        (n->n.a.mode & MODE_KIND) == MODE_SOCKET) {
        return FS_OK; // i_block holds no block numbers
    }
    if (load_runs(n) == FS_OK && (n->run_count == 0 || n->runs[n->run_count - 1].lblk + n->runs[n->run_count - 1].len <= lblk)) {
        return FS_OK;
    }
    errcode_t code = ext2fs_punch(x->e2, (ext2_ino_t)n->n.ino, raw_of(n), nullptr, lblk, ~0ull);
    runs_forget(n);
    return ext_error(x, code, "freeing blocks");
}

fs_error ext_resize(struct node *file, uint64_t size) {
    struct ext_node *n = ext_node_of(file);
    struct ext *x = ext_of(file->fs);
    uint32_t bs = x->e2->blocksize;
    if (size >= file->a.size) {
        uint64_t most = (n->raw.i_flags & EXT4_EXTENTS_FL ? 0xfffffffeull : 0x3fffffffull) * bs;
        if (size > most) {
            return FS_FILE_TOO_BIG;
        }
        file->a.size = size;
        ext_changed(file);
        return FS_OK;
    }
    // The rest of the page that the new end lies in becomes zero, on disk too.
    uint64_t in_page = size & (POOL_PAGE - 1);
    if (in_page) {
        uint64_t pblk, len;
        bool unwritten;
        fs_error e = ext_map(n, size / bs, &pblk, &len, &unwritten);
        if (e) {
            return e;
        }
        if ((pblk && !unwritten) || cache_peek(&n->data, size / POOL_PAGE)) {
            void *p;
            size_t room;
            e = cache_edit(&n->data, size, (size_t)(POOL_PAGE - in_page), file->a.size, &p, &room);
            if (e) {
                return e;
            }
            memset(p, 0, room);
            (void)cache_written(&n->data, size, room, file->a.size);
        }
    }
    (void)cache_truncate(&n->data, size);
    file->a.size = size;
    fs_error e = ext_punch(n, size / bs + (size % bs != 0));
    file->a.blocks = ext2fs_get_stat_i_blocks(x->e2, raw_of(n)) + n->promised * (bs / 512);
    ext_changed(file);
    return e;
}

fs_error ext_allocate(struct node *file, uint64_t offset, uint64_t bytes) {
    struct ext_node *n = ext_node_of(file);
    struct ext *x = ext_of(file->fs);
    uint32_t bs = x->e2->blocksize;
    if (!(n->raw.i_flags & EXT4_EXTENTS_FL)) {
        return FS_NOT_SUPPORTED;
    }
    fs_error e = cache_flush(&n->data); // so that all promises of this file are kept
    if (e) {
        return e;
    }
    uint64_t first = offset / bs, end = (offset + bytes + bs - 1) / bs, free = ext2fs_free_blocks_count(x->e2->super);
    if (end > 0xfffffffe) {
        return FS_FILE_TOO_BIG;
    }
    if (end - first > free || free - (end - first) < x->promised + x->promised / 64 + 16) {
        return FS_NO_SPACE;
    }
    e = load_runs(n);
    if (e) {
        return e;
    }
    e = ext_error(x, ext2fs_fallocate(x->e2, EXT2_FALLOCATE_FORCE_UNINIT, (ext2_ino_t)n->n.ino, raw_of(n),
                                      goal_for(n, first), first, end - first), "allocating blocks");
    runs_forget(n);
    file->a.blocks = ext2fs_get_stat_i_blocks(x->e2, raw_of(n)) + n->promised * (bs / 512);
    ext_changed(file);
    return e;
}

fs_error ext_seek(struct node *file, uint64_t offset, bool data, uint64_t *result) {
    struct ext_node *n = ext_node_of(file);
    struct ext *x = ext_of(file->fs);
    uint32_t bs = x->e2->blocksize;
    fs_error e = x->fs.read_only || x->detached ? FS_OK : cache_flush(&n->data); // then the map tells all
    uint64_t at = offset;
    while (e == FS_OK && at < file->a.size) {
        uint64_t pblk, len;
        bool unwritten;
        e = ext_map(n, at / bs, &pblk, &len, &unwritten);
        if (e) {
            break;
        }
        if ((pblk && !unwritten) == data) {
            *result = at;
            return FS_OK;
        }
        if (len > UINT64_MAX / bs - at / bs) {
            break;
        }
        at = (at / bs + len) * bs;
    }
    return e ? e : FS_NOT_FOUND;
}
