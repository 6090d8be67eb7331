// SPDX-License-Identifier: MPL-2.0
//
// Open file descriptions: transfers through the page cache, offsets, sizes, listing directories. See file.h.

#include "core/file.h"

#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "core/context.h"
#include "core/lock.h"
#include "core/mount.h"
#include "core/platform.h"

#define DAY 86400000000000ll
#define MAX_FILE_SIZE ((uint64_t)INT64_MAX)

struct open_file *open_make(struct node *n, uint32_t flags, const struct context *c) {
    struct open_file *f = calloc(1, sizeof *f);
    if (!f) {
        return nullptr;
    }
    f->node = node_ref(n);
    n->opens++;
    f->cred = malloc(sizeof *f->cred);
    if (!f->cred) {
        n->opens--;
        node_put(n);
        free(f);
        return nullptr;
    }
    *f->cred = c->cred;
    f->flags = flags & (3u | OPEN_APPEND | OPEN_NONBLOCK | OPEN_DIRECT | OPEN_SYNC | OPEN_PATH | OPEN_NO_ATIME);
    return f;
}

void open_free(struct open_file *f) {
    (void)lock_drop(f);
    f->node->opens--;
    node_put(f->node);
    free(f->cred);
    free(f);
}

fs_error file_start(struct open_file *f, bool write, uint64_t *offset, bool *advance) {
    struct node *n = f->node;
    if (write ? !open_may_write(f) : !open_may_read(f)) {
        return FS_BAD_FILE;
    }
    if (node_is_dir(n)) {
        return FS_IS_DIRECTORY;
    }
    if (!node_is_regular(n)) {
        return FS_BAD_FILE;
    }
    if (write && n->fs->read_only) {
        return FS_READ_ONLY; // it became so after this file was opened
    }
    *advance = *offset == FILE_OFFSET;
    if (*advance) {
        *offset = write && (f->flags & OPEN_APPEND) ? n->a.size : f->offset;
    }
    return *offset > MAX_FILE_SIZE ? FS_INVALID : FS_OK;
}

void file_finish(struct open_file *f, bool write, uint64_t offset, size_t n, bool advance) {
    struct node *node = f->node;
    if (advance) {
        f->offset = offset + n;
    }
    if (n == 0) {
        return;
    }
    if (write) {
        if ((node->a.mode & (MODE_SETUID | MODE_SETGID)) && f->cred->uid != 0) {
            node->a.mode &= ~(MODE_SETUID | ((node->a.mode & 010) ? MODE_SETGID : 0));
        }
        node_touch(node, TOUCH_MODIFY | TOUCH_CHANGE);
        cache_balance();
    } else if (!node->fs->read_only && !(f->flags & OPEN_NO_ATIME)) {
        // As Linux's relatime: often enough to tell whether a file was read since it changed.
        const struct attributes *a = &node->a;
        if (a->atime <= a->mtime || a->atime <= a->ctime || platform_now() - a->atime > DAY) {
            node_touch(node, TOUCH_ACCESS);
        }
    }
}

fs_error file_view(struct open_file *f, uint64_t offset, size_t max, const void **p, size_t *n) {
    return cache_view(f->node->data, offset, max, f->node->a.size, p, n);
}

fs_error file_edit(struct open_file *f, uint64_t offset, size_t max, void **p, size_t *n) {
    if (offset >= MAX_FILE_SIZE) {
        return FS_FILE_TOO_BIG;
    }
    if (max > MAX_FILE_SIZE - offset) {
        max = (size_t)(MAX_FILE_SIZE - offset);
    }
    if (offset + max > f->node->a.size) {
        cache_grow(f->node->data, f->node->a.size);
    }
    return cache_edit(f->node->data, offset, max, f->node->a.size, p, n);
}

size_t file_written(struct open_file *f, uint64_t offset, size_t n) {
    n = cache_written(f->node->data, offset, n, f->node->a.size);
    if (n && offset + n > f->node->a.size) {
        f->node->a.size = offset + n;
        if (f->node->data->memory) {
            f->node->data->memory->ops->resize(f->node->data->memory, offset + n);
        }
    }
    return n;
}

fs_error file_read(struct open_file *f, uint64_t offset, void *to, size_t len, size_t *n) {
    bool advance;
    *n = 0;
    fs_error e = file_start(f, false, &offset, &advance);
    if (e) {
        return e;
    }
    while (*n < len) {
        const void *p;
        size_t got;
        e = file_view(f, offset + *n, len - *n, &p, &got);
        if (e || got == 0) {
            break;
        }
        memcpy((char *)to + *n, p, got);
        *n += got;
    }
    file_finish(f, false, offset, *n, advance);
    return *n ? FS_OK : e;
}

fs_error file_write(struct open_file *f, uint64_t offset, const void *from, size_t len, size_t *n) {
    bool advance;
    *n = 0;
    fs_error e = file_start(f, true, &offset, &advance);
    if (e) {
        return e;
    }
    while (*n < len) {
        void *p;
        size_t room;
        e = file_edit(f, offset + *n, len - *n, &p, &room);
        if (e || room == 0) {
            break;
        }
        memcpy(p, (const char *)from + *n, room);
        *n += file_written(f, offset + *n, room);
    }
    file_finish(f, true, offset, *n, advance);
    if (*n && (f->flags & OPEN_SYNC)) {
        e = f->node->fs->ops->sync_node(f->node, false);
        return e;
    }
    return *n ? FS_OK : e;
}

fs_error file_seek(struct open_file *f, int64_t offset, unsigned whence, uint64_t *position) {
    struct node *n = f->node;
    if (f->flags & OPEN_PATH) {
        return FS_BAD_FILE;
    }
    uint64_t base;
    switch (whence) {
    case 0:
        base = 0;
        break;
    case 1:
        base = f->offset;
        break;
    case 2:
        base = n->a.size;
        break;
    case 3:
    case 4: {
        if (!node_is_regular(n)) {
            return FS_INVALID;
        }
        if (offset < 0 || (uint64_t)offset >= n->a.size) {
            return FS_NO_DEVICE_ADDRESS;
        }
        uint64_t at = (uint64_t)offset;
        fs_error e = FS_OK;
        if (n->fs->ops->seek) {
            e = n->fs->ops->seek(n, at, whence == 3, &at);
            if (e == FS_NOT_FOUND) { // no more data: none such; no more holes: the end is one
                if (whence == 3) {
                    return FS_NO_DEVICE_ADDRESS;
                }
                at = n->a.size;
                e = FS_OK;
            }
        } else if (whence == 4) {
            at = n->a.size;
        }
        if (e) {
            return e;
        }
        *position = f->offset = at < n->a.size ? at : n->a.size;
        return FS_OK;
    }
    default:
        return FS_INVALID;
    }
    int64_t to;
    if (base > MAX_FILE_SIZE || __builtin_add_overflow((int64_t)base, offset, &to)) {
        return FS_OVERFLOW;
    }
    if (to < 0) {
        return FS_INVALID;
    }
    *position = f->offset = (uint64_t)to;
    return FS_OK;
}

fs_error file_sync(struct open_file *f, bool data_only) {
    if (f->flags & OPEN_PATH) {
        return FS_BAD_FILE;
    }
    return f->node->fs->read_only ? FS_OK : f->node->fs->ops->sync_node(f->node, data_only);
}

fs_error file_resize(struct node *n, uint64_t size) {
    if (size > MAX_FILE_SIZE) {
        return FS_INVALID;
    }
    if (size > n->a.size) {
        cache_grow(n->data, n->a.size);
    }
    fs_error e = n->fs->ops->resize(n, size);
    if (n->data->memory) {
        n->data->memory->ops->resize(n->data->memory, n->a.size);
    }
    return e;
}

fs_error file_allocate(struct open_file *f, uint32_t mode, uint64_t offset, uint64_t len) {
    struct node *n = f->node;
    if (!open_may_write(f)) {
        return FS_BAD_FILE;
    }
    if (!node_is_regular(n)) {
        return FS_NO_DEVICE;
    }
    if (n->fs->read_only) {
        return FS_READ_ONLY;
    }
    if (len == 0 || offset > MAX_FILE_SIZE || len > MAX_FILE_SIZE - offset) {
        return len == 0 ? FS_INVALID : FS_FILE_TOO_BIG;
    }
    if (mode & ~1u || !n->fs->ops->allocate) { // 1: the size stays as it is
        return FS_NOT_SUPPORTED;
    }
    fs_error e = n->fs->ops->allocate(n, offset, len);
    if (e == FS_OK && !(mode & 1) && offset + len > n->a.size) {
        e = file_resize(n, offset + len);
    }
    if (e == FS_OK) {
        node_touch(n, TOUCH_CHANGE);
    }
    return e;
}

// The positions 0, 1 and 2 are before ".", before ".." and before the first real entry.
struct listing { struct open_file *f; entry_fn fn; void *user; bool stopped; };

static bool list_one(void *user, struct name name, uint64_t ino, uint32_t kind, uint64_t next) {
    struct listing *l = user;
    if (!l->fn(l->user, name, ino, kind, next + 2)) {
        l->stopped = true;
        return false;
    }
    l->f->offset = next + 2;
    return true;
}

fs_error file_list(struct open_file *f, entry_fn fn, void *user) {
    struct node *n = f->node;
    if (!open_may_read(f)) {
        return FS_BAD_FILE;
    }
    if (!node_is_dir(n)) {
        return FS_NOT_DIRECTORY;
    }
    if (n->dead) {
        return FS_NOT_FOUND;
    }
    if (f->offset == 0) {
        if (!fn(user, NAME("."), n->ino, MODE_DIR, 1)) {
            return FS_OK;
        }
        f->offset = 1;
    }
    if (f->offset == 1) {
        const struct node *up = n;
        while (up->fs->root == up && up->fs->mount && up->fs->mount->covered) {
            up = up->fs->mount->covered;
        }
        up = up->parent ? up->parent : up;
        if (!fn(user, NAME(".."), up->ino, MODE_DIR, 2)) {
            return FS_OK;
        }
        f->offset = 2;
    }
    struct listing l = {f, fn, user, false};
    fs_error e = n->fs->ops->list(n, f->offset - 2, list_one, &l);
    if (!(f->flags & OPEN_NO_ATIME)) {
        file_finish(f, false, f->offset, 1, false);
    }
    return e;
}
