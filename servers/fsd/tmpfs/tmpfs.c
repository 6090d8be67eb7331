// SPDX-License-Identifier: MPL-2.0
//
// tmpfs: directories are hash tables with a list in the order of making (which is the order of listing, so that a
// listing interrupted by changes neither skips nor repeats what stays); file contents live in the page cache, which
// is their only copy and never gives them up. An entry holds a reference to its node: nodes live while they have a
// name or a user.

#include "tmpfs/tmpfs.h"

#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/pool.h"
#include "core/platform.h"

#define MAGIC 0x01021994u
#define NODE_COST 1024u // bytes charged per node, so that empty files cannot eat all memory

struct tmp_entry {
    struct tmp_entry *hash_next;
    struct tmp_entry *newer, *older;
    struct node *node;
    uint64_t position;
    uint32_t hash;
    uint8_t len;
    char name[];
};

struct tmp_node {
    struct node n;
    struct cache_file data;
    // directories
    struct tmp_entry **table;
    struct tmp_entry *first, *last; // by position
    uint32_t table_size, entries;
    uint64_t next_position;
    // symbolic links
    char *target;
};

struct tmpfs {
    struct filesystem fs;
    uint64_t limit, used, nodes, node_limit, next_ino;
};

static struct tmp_node *T(struct node *n) { return (struct tmp_node *)n; }
static struct tmpfs *F(struct filesystem *fs) { return (struct tmpfs *)fs; }

static fs_error reserve(struct cache_file *f, uint64_t, bool *kept) {
    struct tmp_node *t = f->owner;
    struct tmpfs *fs = F(t->n.fs);
    // Some pages stay for the caches of everything else.
    if (fs->used + POOL_PAGE > fs->limit || pool_free_pages() < pool_total_pages() / 16) {
        return FS_NO_SPACE;
    }
    fs->used += POOL_PAGE;
    t->n.a.blocks += POOL_PAGE / 512;
    *kept = true;
    return FS_OK;
}

static void unreserve(struct cache_file *f, uint64_t) {
    struct tmp_node *t = f->owner;
    F(t->n.fs)->used -= POOL_PAGE;
    t->n.a.blocks -= POOL_PAGE / 512;
}

static const struct cache_ops cache_ops = {.reserve = reserve, .unreserve = unreserve};

static uint32_t hash_of(struct name name) {
    uint32_t h = 2166136261u;
    for (unsigned i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.s[i]) * 16777619u;
    }
    return h;
}

static struct tmp_entry **place_of(struct tmp_node *dir, struct name name, uint32_t hash) {
    struct tmp_entry **at = &dir->table[hash & (dir->table_size - 1)];
    while (*at && !((*at)->hash == hash && (*at)->len == name.len && memcmp((*at)->name, name.s, name.len) == 0)) {
        at = &(*at)->hash_next;
    }
    return at;
}

static struct tmp_entry *entry_of(struct node *dir, struct name name) {
    struct tmp_node *t = T(dir);
    return t->table ? *place_of(t, name, hash_of(name)) : nullptr;
}

// Makes room in the table for one more entry.
static bool table_ready(struct tmp_node *t) {
    if (t->table && t->entries < t->table_size) {
        return true;
    }
    uint32_t size = t->table_size ? t->table_size * 2 : 8;
    struct tmp_entry **table = calloc(size, sizeof *table);
    if (!table) {
        return t->table != nullptr;
    }
    for (struct tmp_entry *e = t->first; e; e = e->newer) {
        e->hash_next = table[e->hash & (size - 1)];
        table[e->hash & (size - 1)] = e;
    }
    free(t->table);
    t->table = table;
    t->table_size = size;
    return true;
}

static fs_error entry_add(struct node *dir, struct name name, struct node *child) {
    struct tmp_node *t = T(dir);
    struct tmp_entry *e = malloc(sizeof *e + name.len);
    if (!e || !table_ready(t)) {
        free(e);
        return FS_NO_MEMORY;
    }
    e->hash = hash_of(name);
    e->len = (uint8_t)name.len;
    memcpy(e->name, name.s, name.len);
    e->node = node_ref(child);
    e->position = t->next_position++;
    e->older = t->last;
    e->newer = nullptr;
    *(t->last ? &t->last->newer : &t->first) = e;
    t->last = e;
    struct tmp_entry **head = &t->table[e->hash & (t->table_size - 1)];
    e->hash_next = *head;
    *head = e;
    t->entries++;
    dir->a.size += 16;
    node_touch(dir, TOUCH_MODIFY | TOUCH_CHANGE);
    return FS_OK;
}

static void entry_remove(struct node *dir, struct name name) {
    struct tmp_node *t = T(dir);
    struct tmp_entry **at = place_of(t, name, hash_of(name)), *e = *at;
    *at = e->hash_next;
    *(e->older ? &e->older->newer : &t->first) = e->newer;
    *(e->newer ? &e->newer->older : &t->last) = e->older;
    t->entries--;
    dir->a.size -= 16;
    node_touch(dir, TOUCH_MODIFY | TOUCH_CHANGE);
    node_put(e->node);
    free(e);
}

static fs_error node_make(struct tmpfs *fs, const struct new_node *what, struct node **node) {
    if (fs->nodes >= fs->node_limit) {
        return FS_NO_SPACE;
    }
    struct tmp_node *t = calloc(1, sizeof *t);
    if (!t) {
        return FS_NO_MEMORY;
    }
    int64_t now = platform_now();
    t->n.a = (struct attributes){.mode = what->mode, .uid = what->uid, .gid = what->gid, .rdev = what->rdev,
                                 .atime = now, .mtime = now, .ctime = now, .nlink = 1};
    switch (what->mode & MODE_KIND) {
    case MODE_DIR:
        t->n.a.nlink = 2;
        break;
    case MODE_REGULAR:
        cache_init(&t->data, &cache_ops, t, 12, 6);
        t->n.data = &t->data;
        break;
    case MODE_LINK:
        t->target = malloc(what->target_len + 1);
        if (!t->target) {
            free(t);
            return FS_NO_MEMORY;
        }
        memcpy(t->target, what->target, what->target_len);
        t->target[what->target_len] = 0;
        t->n.a.size = what->target_len;
        break;
    default:
        break;
    }
    fs->nodes++;
    node_enter(&fs->fs, &t->n, fs->next_ino++);
    *node = &t->n;
    return FS_OK;
}

static fs_error tmp_lookup(struct node *dir, struct name name, struct node **child) {
    struct tmp_entry *e = entry_of(dir, name);
    if (!e) {
        return FS_NOT_FOUND;
    }
    *child = node_ref(e->node);
    return FS_OK;
}

static fs_error tmp_create(struct node *dir, struct name name, const struct new_node *what, struct node **child) {
    struct node *n = nullptr;
    fs_error e = node_make(F(dir->fs), what, &n);
    if (e) {
        return e;
    }
    e = entry_add(dir, name, n);
    if (e) {
        n->a.nlink = 0;
        node_put(n);
        return e;
    }
    if (node_is_dir(n)) {
        dir->a.nlink++;
    }
    *child = n;
    return FS_OK;
}

static fs_error tmp_link(struct node *dir, struct name name, struct node *child) {
    fs_error e = entry_add(dir, name, child);
    if (e == FS_OK) {
        child->a.nlink++;
        node_touch(child, TOUCH_CHANGE);
    }
    return e;
}

static void lose_name(struct node *dir, struct node *child) {
    if (node_is_dir(child)) {
        child->a.nlink = 0;
        dir->a.nlink--;
    } else {
        child->a.nlink--;
    }
    node_touch(child, TOUCH_CHANGE);
}

static fs_error tmp_unlink(struct node *dir, struct name name, struct node *child) {
    if (node_is_dir(child) && T(child)->entries) {
        return FS_NOT_EMPTY;
    }
    lose_name(dir, child);
    entry_remove(dir, name);
    return FS_OK;
}

static fs_error tmp_rename(struct node *from_dir, struct name from, struct node *child, struct node *to_dir,
                           struct name to, struct node *replaced) {
    if (replaced) {
        if (node_is_dir(replaced) && T(replaced)->entries) {
            return FS_NOT_EMPTY;
        }
        lose_name(to_dir, replaced);
        struct tmp_entry *e = entry_of(to_dir, to);
        e->node = node_ref(child);
        node_put(replaced);
        node_touch(to_dir, TOUCH_MODIFY | TOUCH_CHANGE);
    } else {
        fs_error e = entry_add(to_dir, to, child);
        if (e) {
            return e;
        }
    }
    entry_remove(from_dir, from);
    if (node_is_dir(child) && from_dir != to_dir) {
        from_dir->a.nlink--;
        to_dir->a.nlink++;
    }
    node_touch(child, TOUCH_CHANGE);
    return FS_OK;
}

static fs_error tmp_exchange(struct node *a_dir, struct name a_name, struct node *a, struct node *b_dir,
                             struct name b_name, struct node *b) {
    struct tmp_entry *x = entry_of(a_dir, a_name), *y = entry_of(b_dir, b_name);
    x->node = b;
    y->node = a;
    if (a_dir != b_dir && node_is_dir(a) != node_is_dir(b)) {
        (node_is_dir(a) ? a_dir : b_dir)->a.nlink--;
        (node_is_dir(a) ? b_dir : a_dir)->a.nlink++;
    }
    node_touch(a_dir, TOUCH_MODIFY | TOUCH_CHANGE);
    node_touch(b_dir, TOUCH_MODIFY | TOUCH_CHANGE);
    return FS_OK;
}

static fs_error tmp_list(struct node *dir, uint64_t position, entry_fn fn, void *user) {
    struct tmp_entry *e = T(dir)->first;
    if (T(dir)->last && T(dir)->last->position < position) {
        return FS_OK;
    }
    while (e && e->position < position) {
        e = e->newer;
    }
    for (; e; e = e->newer) {
        if (!fn(user, (struct name){e->name, e->len}, e->node->ino, e->node->a.mode & MODE_KIND, e->position + 1)) {
            break;
        }
    }
    return FS_OK;
}

static fs_error tmp_read_link(struct node *link, char *to, size_t room, size_t *len) {
    size_t n = (size_t)link->a.size;
    *len = n < room ? n : room;
    memcpy(to, T(link)->target, *len);
    return FS_OK;
}

static fs_error tmp_resize(struct node *file, uint64_t size) {
    if (size < file->a.size) {
        (void)cache_truncate(&T(file)->data, size);
    }
    file->a.size = size;
    return FS_OK;
}

static fs_error tmp_allocate(struct node *file, uint64_t offset, uint64_t bytes) {
    for (uint64_t at = offset; at < offset + bytes;) {
        void *p;
        size_t n;
        // An edit that adds nothing: it makes the units there.
        uint64_t page_end = (at / POOL_PAGE + 1) * POOL_PAGE;
        size_t want = (size_t)(page_end - at);
        fs_error e = FS_OK;
        if (!cache_peek(&T(file)->data, at / POOL_PAGE)) {
            e = cache_edit(&T(file)->data, page_end - POOL_PAGE, POOL_PAGE, 0, &p, &n);
            if (e) {
                return e;
            }
            memset(p, 0, n);
            (void)cache_written(&T(file)->data, page_end - POOL_PAGE, n, 0);
        }
        at += want;
    }
    return FS_OK;
}

static fs_error tmp_seek(struct node *file, uint64_t offset, bool data, uint64_t *result) {
    for (uint64_t at = offset; at < file->a.size; at = (at / POOL_PAGE + 1) * POOL_PAGE) {
        if ((cache_peek(&T(file)->data, at / POOL_PAGE) != nullptr) == data) {
            *result = at;
            return FS_OK;
        }
    }
    return FS_NOT_FOUND;
}

static fs_error tmp_sync_node(struct node *, bool) { return FS_OK; }
static fs_error tmp_sync(struct filesystem *) { return FS_OK; }

static void tmp_space(struct filesystem *fs, struct fs_space *s) {
    struct tmpfs *t = F(fs);
    uint64_t room = t->limit > t->used ? t->limit - t->used : 0, pool = pool_free_pages() * POOL_PAGE;
    if (room > pool) {
        room = pool;
    }
    *s = (struct fs_space){.kind = MAGIC, .blocks = t->limit / POOL_PAGE, .free = room / POOL_PAGE,
                           .available = room / POOL_PAGE, .files = t->node_limit, .files_free = t->node_limit - t->nodes,
                           .block_size = POOL_PAGE, .name_max = NAME_MAX_BYTES, .id = fs->device};
}

static void tmp_release(struct node *n) {
    struct tmp_node *t = T(n);
    struct tmpfs *fs = F(n->fs);
    if (n->data) {
        cache_destroy(&t->data);
    }
    free(t->table);
    free(t->target);
    node_leave(n);
    fs->nodes--;
    bool last = n == fs->fs.root;
    free(t);
    if (last) {
        free(fs);
    }
}

static void empty(struct node *dir) {
    // Depth first without recursion: go down to a directory without subdirectories, empty it, go up.
    struct node *at = dir;
    for (;;) {
        struct tmp_entry *e = T(at)->first;
        if (e && node_is_dir(e->node) && T(e->node)->entries) {
            at = e->node;
        } else if (e) {
            e->node->dead = true;
            entry_remove(at, (struct name){e->name, e->len});
        } else if (at == dir) {
            return;
        } else {
            at = at->parent;
        }
    }
}

static fs_error tmp_unmount(struct filesystem *fs, bool in_use) {
    if (!in_use) {
        empty(fs->root);
    }
    return FS_OK;
}

static const struct filesystem_ops ops = {
    .kind = "tmpfs", .lookup = tmp_lookup, .create = tmp_create, .link = tmp_link, .unlink = tmp_unlink,
    .rename = tmp_rename, .exchange = tmp_exchange, .list = tmp_list, .read_link = tmp_read_link, .resize = tmp_resize,
    .allocate = tmp_allocate, .seek = tmp_seek, .sync_node = tmp_sync_node, .sync = tmp_sync, .space = tmp_space,
    .release = tmp_release, .unmount = tmp_unmount,
};

fs_error tmpfs_make(uint64_t limit, uint32_t mode, uint32_t uid, uint32_t gid, struct filesystem **result) {
    struct tmpfs *fs = calloc(1, sizeof *fs);
    if (!fs) {
        return FS_NO_MEMORY;
    }
    fs->fs.ops = &ops;
    fs->fs.no_name_cache = true;
    fs->fs.holds_nodes = true;
    fs->limit = limit ? limit : pool_total_pages() * POOL_PAGE / 2;
    fs->node_limit = fs->limit / NODE_COST;
    fs->next_ino = 1;
    fs_error e = node_make(fs, &(struct new_node){.mode = MODE_DIR | mode, .uid = uid, .gid = gid}, &fs->fs.root);
    if (e) {
        free(fs);
        return e;
    }
    *result = &fs->fs;
    return FS_OK;
}
