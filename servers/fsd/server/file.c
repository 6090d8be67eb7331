// SPDX-License-Identifier: MPL-2.0
//
// io.File: what an open file description answers. Large transfers go through leases: one copy between the page cache
// and the caller's buffer.

#include <futura/sys.h>
#include <stdlib.h>
#include <string.h>

#include "core/lock.h"
#include "server/server.h"

static fs_error enter(struct fut_request *req, struct open_file **f) {
    struct object *o = req->object;
    if (!o || o->kind != OBJECT_FILE) {
        return FS_BAD_FILE;
    }
    *f = o->file;
    return FS_OK;
}

// --- Transfers ---

static fs_error transfer_out(struct open_file *f, uint64_t offset, struct fut_buffer *to, uint32_t len) {
    if (len > to->capacity) {
        len = (uint32_t)to->capacity;
    }
    return file_read(f, offset, to->data, len, &to->len);
}

static fut_status_t on_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : transfer_out(f, FILE_OFFSET, &res->data, len);
}

static fut_status_t on_read_at(struct fut_request *req, uint64_t off, uint32_t len, struct io_file_read_at_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : off == FILE_OFFSET ? FS_INVALID : transfer_out(f, off, &res->data, len);
}

static fs_error transfer_in(struct open_file *f, uint64_t offset, struct fut_bytes data, uint32_t *n) {
    size_t done = 0;
    fs_error e = file_write(f, offset, data.data, data.len, &done);
    *n = (uint32_t)done;
    return e;
}

static fut_status_t on_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : transfer_in(f, FILE_OFFSET, data, &res->n);
}

static fut_status_t on_write_at(struct fut_request *req, uint64_t off, struct fut_bytes data,
                                struct io_file_write_at_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : off == FILE_OFFSET ? FS_INVALID : transfer_in(f, off, data, &res->n);
}

static fut_status_t on_read_into(struct fut_request *req, uint64_t offset, struct fut_lease_arg b,
                                 struct io_file_read_into_result *res) {
    struct open_file *f;
    bool advance;
    fs_error e = enter(req, &f);
    if (e || (e = file_start(f, false, &offset, &advance)) != FS_OK) {
        return e;
    }
    size_t done = 0;
    while (done < b.len) {
        const void *p;
        size_t n;
        e = file_view(f, offset + done, b.len - done, &p, &n);
        if (e || n == 0) {
            break;
        }
        if (fut_lease_write(req, &b, done, p, n) != FUT_OK) {
            e = FS_BAD_ADDRESS;
            break;
        }
        done += n;
    }
    file_finish(f, false, offset, done, advance);
    res->n = done;
    return done ? FS_OK : e;
}

static fut_status_t on_write_from(struct fut_request *req, uint64_t offset, struct fut_lease_arg b,
                                  struct io_file_write_from_result *res) {
    struct open_file *f;
    bool advance;
    fs_error e = enter(req, &f);
    if (e || (e = file_start(f, true, &offset, &advance)) != FS_OK) {
        return e;
    }
    size_t done = 0;
    while (done < b.len) {
        void *p;
        size_t n;
        e = file_edit(f, offset + done, b.len - done, &p, &n);
        if (e || n == 0) {
            break;
        }
        if (fut_lease_read(req, &b, done, p, n) != FUT_OK) {
            e = FS_BAD_ADDRESS;
            break;
        }
        n = file_written(f, offset + done, n);
        done += n;
    }
    file_finish(f, true, offset, done, advance);
    res->n = done;
    if (done && (f->flags & OPEN_SYNC)) {
        return f->node->fs->ops->sync_node(f->node, false);
    }
    return done ? FS_OK : e;
}

static fut_status_t on_seek(struct fut_request *req, int64_t off, uint8_t whence, struct io_file_seek_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : file_seek(f, off, whence, &res->pos);
}

// --- Attributes and status ---

static fut_status_t on_stat(struct fut_request *req, struct io_file_stat_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e == FS_OK) {
        fill_stat(f->node, &res->st);
    }
    return e;
}

static fut_status_t on_set_attr(struct fut_request *req, const struct io_set_attr *a) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e) {
        return e;
    }
    if ((f->flags & OPEN_PATH) || ((a->mask & SET_SIZE) && !open_may_write(f))) {
        return f->flags & OPEN_PATH ? FS_BAD_FILE : FS_INVALID;
    }
    struct set_attributes set = {a->mask, a->mode, a->uid, a->gid, a->size, a->atime, a->mtime};
    struct context opener = {.cred = *f->cred};
    return set_attributes(&opener, f->node, &set, open_may_write(f));
}

static fut_status_t on_sync(struct fut_request *req, bool data_only) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : file_sync(f, data_only);
}

static fut_status_t on_get_status(struct fut_request *req, struct io_file_get_status_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e == FS_OK) {
        res->flags = f->flags & (3u | OPEN_APPEND | OPEN_NONBLOCK | OPEN_DIRECT | OPEN_SYNC | OPEN_PATH);
    }
    return e;
}

static fut_status_t on_set_status(struct fut_request *req, uint32_t flags) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e == FS_OK) {
        const uint32_t settable = OPEN_APPEND | OPEN_NONBLOCK | OPEN_DIRECT;
        f->flags = (f->flags & ~settable) | (flags & settable);
    }
    return e;
}

static fut_status_t on_watch(struct fut_request *, struct io_file_watch_result *) { return IO_ERROR_NOT_PERMITTED; }

static fs_error map(struct open_file *f, fut_handle_t *memory, uint64_t *size) {
    if (!open_may_read(f)) {
        return FS_DENIED;
    }
    if (!node_is_regular(f->node)) {
        return FS_NO_DEVICE;
    }
    *size = f->node->a.size;
    return mapping_of(f->node, memory);
}

static fut_status_t on_map(struct fut_request *req, struct io_file_map_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : map(f, &res->m, &res->size);
}

static fut_status_t on_map_write(struct fut_request *req, struct io_file_map_write_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e == FS_OK && !open_may_write(f)) {
        e = FS_DENIED;
    }
    return e ? e : map(f, &res->m, &res->size);
}

static fut_status_t on_allocate(struct fut_request *req, uint32_t mode, uint64_t off, uint64_t len) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    return e ? e : file_allocate(f, mode, off, len);
}

// --- Directories ---

struct listing { struct io_dir_entry *entries; char *names; size_t entry_room, name_room, count, bytes; };

static bool list_entry(void *user, struct name name, uint64_t ino, uint32_t kind, uint64_t next) {
    struct listing *l = user;
    if (l->count == l->entry_room || l->bytes + name.len > l->name_room) {
        return false;
    }
    l->entries[l->count++] = (struct io_dir_entry){.ino = ino, .next = next, .name_offset = (uint16_t)l->bytes,
                                                   .name_length = (uint16_t)name.len, .kind = (uint8_t)(kind >> 12)};
    memcpy(l->names + l->bytes, name.s, name.len);
    l->bytes += name.len;
    return true;
}

static fut_status_t on_read_dir(struct fut_request *req, struct io_file_read_dir_result *res) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e) {
        return e;
    }
    // Listing reads blocks, which calls the block driver through the same IPC buffer that the result lies in.
    static struct io_dir_entry entries[128];
    static char names[4096];
    struct listing l = {entries, names, 128, sizeof names, 0, 0};
    if (l.entry_room > res->entries.capacity) {
        l.entry_room = res->entries.capacity;
    }
    if (l.name_room > res->names.capacity) {
        l.name_room = res->names.capacity;
    }
    e = file_list(f, list_entry, &l);
    if (e && l.count == 0) {
        return e;
    }
    memcpy(res->entries.data, entries, l.count * sizeof *entries);
    res->entries.len = l.count;
    memcpy(res->names.data, names, l.bytes);
    res->names.len = l.bytes;
    return FUT_OK;
}

// --- Locks ---

// A lock request that waits, tried again whenever locks go away.
struct waiting { struct waiting *next; fut_reply_t reply; uint64_t badge, owner, start, len; unsigned kind; };
#define MOST_WAITING 1024u
static struct waiting *waits;

static fut_status_t on_lock(struct fut_request *req, uint8_t kind, bool wait, uint64_t owner, uint64_t start, uint64_t len) {
    struct open_file *f;
    fs_error e = enter(req, &f);
    if (e) {
        return e;
    }
    e = lock_set(f, kind, owner, start, len);
    if (e == FS_OK && kind != LOCK_EXCLUSIVE) {
        locks_retry(); // less is locked than before
    }
    if (e != FS_TRY_AGAIN || !wait) {
        return e;
    }
    unsigned count = 0;
    struct waiting **at = &waits;
    while (*at) {
        at = &(*at)->next;
        count++;
    }
    struct waiting *w = count < MOST_WAITING ? malloc(sizeof *w) : nullptr;
    if (!w) {
        return FS_NO_LOCK;
    }
    *w = (struct waiting){nullptr, fut_request_defer(req), req->badge, owner, start, len, kind};
    if (!w->reply.h) { // the capability table is full
        free(w);
        return FS_NO_LOCK;
    }
    *at = w;
    return FUT_DEFER;
}

void locks_retry(void) {
    for (struct waiting **at = &waits; *at;) {
        struct waiting *w = *at;
        struct object *o = object_find(w->badge);
        fs_error e = o ? lock_set(o->file, w->kind, w->owner, w->start, w->len) : FS_BAD_FILE;
        if (e == FS_TRY_AGAIN) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        if (e) {
            (void)fut_reply_error(w->reply, e);
        } else {
            (void)io_file_lock_reply(w->reply);
        }
        free(w);
    }
}

static bool forget(fut_reply_t reply) {
    for (struct waiting **at = &waits; *at; at = &(*at)->next) {
        struct waiting *w = *at;
        if (w->reply.h == reply.h) {
            *at = w->next;
            free(w);
            return true;
        }
    }
    return false;
}

void locks_cancel(fut_reply_t reply) {
    if (forget(reply)) {
        (void)fut_reply_error(reply, FUT_ERR_CANCELLED);
    }
}

void locks_stale(fut_reply_t reply) {
    if (forget(reply)) {
        (void)fut_cap_delete(reply.h);
    }
}

const struct io_file_ops file_ops = {
    .read = on_read, .write = on_write, .read_at = on_read_at, .write_at = on_write_at, .seek = on_seek, .stat = on_stat,
    .set_attr = on_set_attr, .sync = on_sync, .read_dir = on_read_dir, .get_status = on_get_status,
    .set_status = on_set_status, .watch = on_watch, .map = on_map, .read_into = on_read_into,
    .write_from = on_write_from, .lock = on_lock, .allocate = on_allocate, .map_write = on_map_write,
};
