// SPDX-License-Identifier: MPL-2.0
//
// Below libext2fs: its io_manager, over a cache of the device's blocks. A block written with the contents it already
// has is not dirty: the library writes all bitmaps and descriptors again whenever one of them changed. A freed block is
// forgotten, so that neither a late write of old metadata nor a stale copy can meet the block's next use.

#include <string.h>

#include "cache/pool.h"
#include "core/platform.h"
#include "ext/internal.h"

static struct ext *attaching;

void ext_io_attach(struct ext *x) { attaching = x; }

// --- The cache of the device ---

static fs_error meta_fill(struct cache_file *f, uint64_t unit, unsigned count, void *to) {
    struct ext *x = f->owner;
    unsigned shift = f->unit_shift - 9u;
    uint64_t sector = unit << shift, sectors = (uint64_t)count << shift;
    if (sector >= x->device->sectors) {
        return FS_IO;
    }
    if (sectors > x->device->sectors - sector) { // a device that ends inside a unit
        memset(to, 0, (size_t)sectors * SECTOR);
        sectors = x->device->sectors - sector;
    }
    return x->device->read(x->device, sector, (uint32_t)sectors, to);
}

static fs_error meta_store(struct cache_file *f, uint64_t unit, unsigned count, void *from) {
    struct ext *x = f->owner;
    unsigned shift = f->unit_shift - 9u;
    uint64_t sector = unit << shift, sectors = (uint64_t)count << shift;
    if (x->detached || x->fs.read_only) {
        return FS_READ_ONLY;
    }
    if (sector >= x->device->sectors) {
        return FS_IO;
    }
    if (sectors > x->device->sectors - sector) {
        sectors = x->device->sectors - sector;
    }
    if (x->pending_count) {
        pending_fix(x, unit, count, from);
    }
    return x->device->write(x->device, sector, (uint32_t)sectors, from);
}

static const struct cache_ops meta_ops = {.fill = meta_fill, .store = meta_store};

void meta_forget(struct ext *x, uint64_t block, uint64_t count) {
    for (unsigned i = 0; x->pending_count && i < PENDING_MAX; i++) {
        if (x->pending[i].block && x->pending[i].block - block < count) {
            x->pending[i].block = 0;
            x->pending_count--;
        }
    }
    cache_forget(&x->meta, block, count);
}

// --- The io_manager ---

static errcode_t io_open(const char *name, int, io_channel *channel) {
    struct ext *x = attaching;
    io_channel c = nullptr;
    errcode_t e = ext2fs_get_mem(sizeof *c, &c);
    if (e) {
        return e;
    }
    memset(c, 0, sizeof *c);
    e = ext2fs_get_mem(strlen(name) + 1, &c->name);
    if (e) {
        ext2fs_free_mem(&c);
        return e;
    }
    strcpy(c->name, name);
    c->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    c->manager = &ext_io_manager;
    c->block_size = 1024;
    c->refcount = 1;
    c->private_data = x;
    *channel = c;
    return 0;
}

static errcode_t io_close(io_channel c) {
    if (--c->refcount > 0) {
        return 0;
    }
    ext2fs_free_mem(&c->name);
    ext2fs_free_mem(&c);
    return 0;
}

static errcode_t io_set_blksize(io_channel c, int size) {
    c->block_size = size;
    return 0;
}

// The byte range of a request: a negative count is in bytes.
static bool range(io_channel c, unsigned long long block, int count, uint64_t *offset, uint64_t *len) {
    struct ext *x = c->private_data;
    uint64_t end = x->device->sectors * SECTOR;
    *len = count < 0 ? (uint64_t)-(int64_t)count : (uint64_t)count * (unsigned)c->block_size;
    return !__builtin_mul_overflow((uint64_t)block, (uint64_t)(unsigned)c->block_size, offset) && *offset <= end &&
           *len <= end - *offset;
}

static errcode_t io_read_blk64(io_channel c, unsigned long long block, int count, void *data) {
    struct ext *x = c->private_data;
    uint64_t offset, len;
    if (!range(c, block, count, &offset, &len)) {
        return EXT2_ET_SHORT_READ;
    }
    char *to = data;
    while (len) {
        const void *p;
        size_t n;
        if (cache_view(&x->meta, offset, len, x->device->sectors * SECTOR, &p, &n) != FS_OK || n == 0) {
            return EXT2_ET_SHORT_READ;
        }
        memcpy(to, p, n);
        to += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static errcode_t io_write_blk64(io_channel c, unsigned long long block, int count, const void *data) {
    struct ext *x = c->private_data;
    uint64_t offset, len, unit = 1ull << x->meta.unit_shift;
    if (x->fs.read_only || x->detached) {
        return EXT2_ET_RO_FILSYS;
    }
    if (!range(c, block, count, &offset, &len)) {
        return EXT2_ET_SHORT_WRITE;
    }
    const char *from = data;
    while (len) {
        size_t n = (size_t)(unit - (offset & (unit - 1)));
        if (n > len) {
            n = (size_t)len;
        }
        const char *old = cache_peek(&x->meta, offset / unit);
        if (!old || memcmp(old + (offset & (unit - 1)), from, n) != 0) {
            void *p;
            size_t room;
            if (cache_edit(&x->meta, offset, n, x->device->sectors * SECTOR, &p, &room) != FS_OK || room != n) {
                return EXT2_ET_SHORT_WRITE;
            }
            memcpy(p, from, n);
            if (cache_written(&x->meta, offset, n, x->device->sectors * SECTOR) != n) {
                return EXT2_ET_SHORT_WRITE;
            }
        }
        from += n;
        offset += n;
        len -= n;
    }
    return 0;
}

static errcode_t io_read_blk(io_channel c, unsigned long block, int count, void *data) {
    return io_read_blk64(c, block, count, data);
}

static errcode_t io_write_blk(io_channel c, unsigned long block, int count, const void *data) {
    return io_write_blk64(c, block, count, data);
}

// The library flushes after each of its own syncs; ours (mount.c) decides when the device is written.
static errcode_t io_flush(io_channel) { return 0; }

struct struct_io_manager ext_io_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "fsd",
    .open = io_open,
    .close = io_close,
    .set_blksize = io_set_blksize,
    .read_blk = io_read_blk,
    .write_blk = io_write_blk,
    .flush = io_flush,
    .read_blk64 = io_read_blk64,
    .write_blk64 = io_write_blk64,
};

void meta_init(struct ext *x, unsigned block_shift) { cache_init(&x->meta, &meta_ops, x, block_shift, 4); }
