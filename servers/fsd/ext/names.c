// SPDX-License-Identifier: MPL-2.0
//
// Names of a directory, found by a hash table in memory instead of by going through its blocks. The table is made from
// the blocks (whose checksums are verified then) when the directory is first looked into, and kept with the node; an
// entry is hash, inode and place, the name itself stays in its block in the metadata cache. With the table, adding and
// removing a name change one block in place and compute one checksum.
//
// Directories that have an htree on disk are not handled here (index_of gives none): the library changes those, because
// it keeps their tree. Byte order: the blocks are used as they are on disk, which is little-endian as all our machines.

#include <stdlib.h>
#include <string.h>

#include "core/platform.h"
#include "ext/internal.h"

#define GONE 1u // place of a removed slot: probing goes on behind it

struct slot { uint32_t hash, ino, place; }; // place: byte offset in the directory / 4; ino 0: empty (place 0) or GONE

struct dir_index {
    struct slot *slots;
    uint32_t size, used;   // used counts removed slots as well
    uint32_t blocks;
    uint16_t *gap;         // per block: the longest record that fits
    uint32_t hint;         // where the last name found room
};

static uint32_t hash_of(struct name name) {
    uint32_t h = 2166136261u;
    for (unsigned i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.s[i]) * 16777619u;
    }
    return h ^ h >> 15;
}

static unsigned record(unsigned name_len) { return (8 + name_len + 3) & ~3u; }

// What of a block holds entries: a checksum may take its last bytes.
static uint32_t room_in_block(const struct ext *x) {
    return x->e2->blocksize - (ext2fs_has_feature_metadata_csum(x->e2->super) ? (uint32_t)sizeof(struct ext2_dir_entry_tail) : 0);
}

static bool valid_entry(const struct ext2_dir_entry *d, uint32_t at, uint32_t limit) {
    unsigned name_len = d->name_len & 0xff;
    return d->rec_len >= 8 && d->rec_len % 4 == 0 && d->rec_len <= limit - at && record(name_len) <= d->rec_len;
}

// A directory block in the metadata cache.
static fs_error view_block(struct ext_node *dir, uint32_t lblk, const char **block, uint64_t *offset) {
    struct ext *x = ext_of(dir->n.fs);
    uint64_t pblk, len;
    bool unwritten;
    fs_error e = ext_map(dir, lblk, &pblk, &len, &unwritten);
    if (e) {
        return e;
    }
    if (!pblk) {
        return FS_NOT_FOUND; // a hole
    }
    const void *p;
    size_t n;
    *offset = pblk * x->e2->blocksize;
    e = cache_view(&x->meta, *offset, x->e2->blocksize, x->device->sectors * SECTOR, &p, &n);
    *block = p;
    return e ? e : n == x->e2->blocksize ? FS_OK : FS_IO;
}

static fs_error edit_block(struct ext_node *dir, uint32_t lblk, char **block, uint64_t *offset) {
    struct ext *x = ext_of(dir->n.fs);
    const char *old;
    void *p;
    size_t n;
    fs_error e = view_block(dir, lblk, &old, offset); // so that it is there: the edit would not read a whole block
    if (e == FS_OK) {
        e = cache_edit(&x->meta, *offset, x->e2->blocksize, x->device->sectors * SECTOR, &p, &n);
    }
    if (e == FS_OK) {
        *block = p;
    }
    return e;
}

// --- Checksums are computed when a block leaves the cache or the library is to read it, not at each change ---

static bool pending_compute(struct ext *x, struct pending *p, void *block) {
    errcode_t code = ext2fs_dir_block_csum_set(x->e2, p->ino, block);
    p->block = 0;
    x->pending_count--;
    return code == 0;
}

void pending_fix(struct ext *x, uint64_t first, uint64_t count, const void *blocks) {
    for (unsigned i = 0; x->pending_count && i < PENDING_MAX; i++) {
        struct pending *p = &x->pending[i];
        if (p->block && p->block - first < count) {
            // Pool memory, which the caller only does not change itself.
            (void)pending_compute(x, p, (char *)blocks + (p->block - first) * x->e2->blocksize);
        }
    }
}

void pending_fix_all(struct ext *x) {
    for (unsigned i = 0; x->pending_count && i < PENDING_MAX; i++) {
        struct pending *p = &x->pending[i];
        const void *block = p->block ? cache_peek(&x->meta, p->block) : nullptr;
        if (block) {
            (void)pending_compute(x, p, (void *)block);
        } else if (p->block) { // freed meanwhile
            p->block = 0;
            x->pending_count--;
        }
    }
}

static fs_error finish_block(struct ext_node *dir, char *block, uint64_t offset) {
    struct ext *x = ext_of(dir->n.fs);
    uint64_t number = offset / x->e2->blocksize;
    errcode_t code = 0;
    if (ext2fs_has_feature_metadata_csum(x->e2->super)) {
        struct pending *p = &x->pending[number % PENDING_MAX];
        if (p->block && p->block != number) {
            code = ext2fs_dir_block_csum_set(x->e2, (ext2_ino_t)dir->n.ino, (struct ext2_dir_entry *)block);
        } else {
            x->pending_count += p->block == 0;
            *p = (struct pending){number, (ext2_ino_t)dir->n.ino};
        }
    }
    (void)cache_written(&x->meta, offset, x->e2->blocksize, x->device->sectors * SECTOR);
    return ext_error(x, code, "a directory's checksum");
}

// --- The table ---

static bool table_make(struct dir_index *d, uint32_t size) {
    struct slot *old = d->slots, *slots = calloc(size, sizeof *slots);
    if (!slots) {
        return false;
    }
    uint32_t old_size = d->size;
    d->slots = slots;
    d->size = size;
    d->used = 0;
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i].ino) {
            uint32_t k = old[i].hash & (size - 1);
            while (slots[k].ino) {
                k = (k + 1) & (size - 1);
            }
            slots[k] = old[i];
            d->used++;
        }
    }
    free(old);
    return true;
}

static fs_error table_add(struct dir_index *d, uint32_t hash, uint32_t ino, uint32_t place) {
    if ((d->used + 1) * 4 > d->size * 3) {
        uint32_t live = 0;
        for (uint32_t i = 0; i < d->size; i++) {
            live += d->slots[i].ino != 0;
        }
        if (!table_make(d, live * 2 >= d->size ? d->size * 2 : d->size)) {
            return FS_NO_MEMORY;
        }
    }
    uint32_t k = hash & (d->size - 1);
    while (d->slots[k].ino) {
        k = (k + 1) & (d->size - 1);
    }
    d->used += d->slots[k].place != GONE;
    d->slots[k] = (struct slot){hash, ino, place};
    return FS_OK;
}

void index_forget(struct ext_node *dir) {
    if (dir->index) {
        free(dir->index->slots);
        free(dir->index->gap);
        free(dir->index);
        dir->index = nullptr;
    }
}

// Goes through a block: its longest gap, and (with `add`) its names into the table.
static fs_error scan(struct ext_node *dir, struct dir_index *d, uint32_t lblk, const char *block, bool add) {
    struct ext *x = ext_of(dir->n.fs);
    uint32_t limit = room_in_block(x), gap = 0;
    for (uint32_t at = 0; at < limit;) {
        const struct ext2_dir_entry *e = (const struct ext2_dir_entry *)(block + at);
        if (limit - at < 8 || !valid_entry(e, at, limit)) {
            platform_log("%s: a damaged block in directory %llu", x->device->name, (unsigned long long)dir->n.ino);
            return FS_IO;
        }
        unsigned len = e->name_len & 0xff;
        uint32_t room = e->rec_len - (e->inode ? record(len) : 0);
        gap = room > gap ? room : gap;
        bool dot = len <= 2 && e->name[0] == '.' && (len == 1 || e->name[1] == '.');
        if (add && e->inode && len && !dot) {
            struct name name = {e->name, len};
            fs_error error = table_add(d, hash_of(name), e->inode, (uint32_t)(((uint64_t)lblk * x->e2->blocksize + at) / 4));
            if (error) {
                return error;
            }
        }
        at += e->rec_len;
    }
    d->gap[lblk] = (uint16_t)gap;
    return FS_OK;
}

static bool gaps_grow(struct dir_index *d, uint32_t blocks) {
    uint16_t *gap = realloc(d->gap, blocks * sizeof *gap);
    if (!gap) {
        return false;
    }
    memset(gap + d->blocks, 0, (blocks - d->blocks) * sizeof *gap);
    d->gap = gap;
    d->blocks = blocks;
    return true;
}

fs_error index_of(struct ext_node *dir, struct dir_index **index) {
    struct ext *x = ext_of(dir->n.fs);
    *index = dir->index;
    if (dir->index || (dir->raw.i_flags & EXT2_INDEX_FL) || dir->n.a.size / x->e2->blocksize > (1u << 20)) {
        return FS_OK;
    }
    struct dir_index *d = calloc(1, sizeof *d);
    uint32_t blocks = (uint32_t)(dir->n.a.size / x->e2->blocksize);
    if (!d || !table_make(d, 64) || !gaps_grow(d, blocks ? blocks : 1)) {
        goto without;
    }
    d->blocks = blocks;
    dir->index = d;
    pending_fix_all(x);
    for (uint32_t b = 0; b < blocks; b++) {
        const char *block;
        uint64_t offset;
        fs_error e = view_block(dir, b, &block, &offset);
        if (e == FS_NOT_FOUND) {
            continue;
        }
        if (e == FS_OK && !ext2fs_dir_block_csum_verify(x->e2, (ext2_ino_t)dir->n.ino, (struct ext2_dir_entry *)block)) {
            platform_log("%s: a block of directory %llu has a wrong checksum", x->device->name, (unsigned long long)dir->n.ino);
            e = FS_IO;
        }
        if (e == FS_OK) {
            e = scan(dir, d, b, block, true);
        }
        if (e) {
            index_forget(dir);
            return e;
        }
    }
    *index = d;
    return FS_OK;
without:
    if (d) {
        free(d->slots);
        free(d->gap);
        free(d);
    }
    return FS_OK; // without one: the slow way needs no memory
}

// --- Operations ---

// The slot of a name. FS_NOT_FOUND.
static fs_error find(struct ext_node *dir, struct dir_index *d, struct name name, struct slot **slot) {
    struct ext *x = ext_of(dir->n.fs);
    uint32_t hash = hash_of(name);
    for (uint32_t k = hash & (d->size - 1); d->slots[k].ino || d->slots[k].place == GONE; k = (k + 1) & (d->size - 1)) {
        struct slot *s = &d->slots[k];
        if (!s->ino || s->hash != hash) {
            continue;
        }
        const char *block;
        uint64_t offset, at = (uint64_t)s->place * 4;
        fs_error e = view_block(dir, (uint32_t)(at / x->e2->blocksize), &block, &offset);
        if (e) {
            return e == FS_NOT_FOUND ? FS_IO : e;
        }
        const struct ext2_dir_entry *entry = (const struct ext2_dir_entry *)(block + at % x->e2->blocksize);
        if ((entry->name_len & 0xff) == name.len && memcmp(entry->name, name.s, name.len) == 0) {
            *slot = s;
            return FS_OK;
        }
    }
    return FS_NOT_FOUND;
}

fs_error index_lookup(struct ext_node *dir, struct dir_index *d, struct name name, ext2_ino_t *ino) {
    struct slot *s;
    fs_error e = find(dir, d, name, &s);
    if (e == FS_OK) {
        *ino = s->ino;
    }
    return e;
}

static void set_name(struct ext *x, struct ext2_dir_entry *e, struct name name, ext2_ino_t ino, int type) {
    e->inode = ino;
    e->name_len = (uint16_t)(name.len | (ext2fs_has_feature_filetype(x->e2->super) ? (unsigned)type << 8 : 0));
    memcpy(e->name, name.s, name.len);
}

fs_error index_add(struct ext_node *dir, struct dir_index *d, struct name name, ext2_ino_t ino, int type) {
    struct ext *x = ext_of(dir->n.fs);
    unsigned need = record(name.len);
    uint32_t b = d->hint < d->blocks ? d->hint : 0, tried = 0;
    while (tried < d->blocks && d->gap[b] < need) {
        b = b + 1 < d->blocks ? b + 1 : 0;
        tried++;
    }
    if (tried == d->blocks) {
        return FS_NO_SPACE; // the caller makes the directory grow
    }
    char *block;
    uint64_t offset;
    fs_error e = edit_block(dir, b, &block, &offset);
    if (e) {
        return e;
    }
    uint32_t limit = room_in_block(x);
    for (uint32_t at = 0; at < limit;) {
        struct ext2_dir_entry *entry = (struct ext2_dir_entry *)(block + at);
        if (limit - at < 8 || !valid_entry(entry, at, limit)) {
            return FS_IO;
        }
        uint32_t taken = entry->inode ? record(entry->name_len & 0xff) : 0;
        if (entry->rec_len - taken < need) {
            at += entry->rec_len;
            continue;
        }
        e = table_add(d, hash_of(name), ino, (uint32_t)(((uint64_t)b * x->e2->blocksize + at + taken) / 4));
        if (e) {
            return e;
        }
        if (taken) {
            struct ext2_dir_entry *fresh = (struct ext2_dir_entry *)(block + at + taken);
            fresh->rec_len = (uint16_t)(entry->rec_len - taken);
            entry->rec_len = (uint16_t)taken;
            entry = fresh;
        }
        set_name(x, entry, name, ino, type);
        d->hint = b;
        e = scan(dir, d, b, block, false);
        fs_error f = finish_block(dir, block, offset);
        return e ? e : f;
    }
    return FS_IO; // the gap that the table knows is not there
}

fs_error index_grown(struct ext_node *dir, struct dir_index *d) {
    struct ext *x = ext_of(dir->n.fs);
    uint32_t blocks = (uint32_t)(dir->n.a.size / x->e2->blocksize);
    if (blocks <= d->blocks || !gaps_grow(d, blocks)) {
        return blocks <= d->blocks ? FS_IO : FS_NO_MEMORY;
    }
    const char *block;
    uint64_t offset;
    fs_error e = view_block(dir, blocks - 1, &block, &offset);
    d->hint = blocks - 1;
    return e ? e : scan(dir, d, blocks - 1, block, false);
}

fs_error index_remove(struct ext_node *dir, struct dir_index *d, struct name name) {
    struct ext *x = ext_of(dir->n.fs);
    struct slot *s;
    fs_error e = find(dir, d, name, &s);
    if (e) {
        return e;
    }
    uint64_t place = (uint64_t)s->place * 4, offset;
    uint32_t b = (uint32_t)(place / x->e2->blocksize), target = (uint32_t)(place % x->e2->blocksize), before = 0;
    char *block;
    e = edit_block(dir, b, &block, &offset);
    if (e) {
        return e;
    }
    uint32_t limit = room_in_block(x);
    for (uint32_t at = 0; at < limit;) {
        struct ext2_dir_entry *entry = (struct ext2_dir_entry *)(block + at);
        if (limit - at < 8 || !valid_entry(entry, at, limit)) {
            return FS_IO;
        }
        if (at == target) {
            if (at > 0) {
                ((struct ext2_dir_entry *)(block + before))->rec_len += entry->rec_len;
            } else {
                entry->inode = 0;
            }
            s->ino = 0;
            s->place = GONE;
            e = scan(dir, d, b, block, false);
            fs_error f = finish_block(dir, block, offset);
            return e ? e : f;
        }
        before = at;
        at += entry->rec_len;
    }
    return FS_IO;
}

fs_error index_change(struct ext_node *dir, struct dir_index *d, struct name name, ext2_ino_t ino, int type) {
    struct ext *x = ext_of(dir->n.fs);
    struct slot *s;
    fs_error e = find(dir, d, name, &s);
    if (e) {
        return e;
    }
    uint64_t place = (uint64_t)s->place * 4, offset;
    char *block;
    e = edit_block(dir, (uint32_t)(place / x->e2->blocksize), &block, &offset);
    if (e) {
        return e;
    }
    set_name(x, (struct ext2_dir_entry *)(block + place % x->e2->blocksize), name, ino, type);
    s->ino = ino;
    return finish_block(dir, block, offset);
}
