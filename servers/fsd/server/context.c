// SPDX-License-Identifier: MPL-2.0
//
// fs.Context: path operations. The badge is the Context; `at` is one of this server's own File Sessions, which comes
// home as its badge, or none.

#include <futura/sys.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

static_assert((int)IO_ERROR_NOT_FOUND == FS_NOT_FOUND && (int)IO_ERROR_REMOTE == FS_REMOTE &&
              (int)IO_ERROR_OVERFLOW == FS_OVERFLOW && (int)IO_ERROR_NOT_SUPPORTED == FS_NOT_SUPPORTED &&
              (int)IO_ERROR_LOOP == FS_LOOP && (int)IO_ERROR_NO_SPACE == FS_NO_SPACE);

void fill_stat(const struct node *n, struct io_stat *st) {
    const struct attributes *a = &n->a;
    *st = (struct io_stat){.dev = n->fs->device, .ino = n->ino, .rdev = a->rdev, .size = a->size, .blocks = a->blocks,
                           .mode = a->mode, .nlink = a->nlink, .uid = a->uid, .gid = a->gid, .block_size = 4096,
                           .atime = a->atime, .mtime = a->mtime, .ctime = a->ctime};
}

static struct name N(struct fut_string s) { return (struct name){s.data, (unsigned)s.len}; }

// The Context of a request, and the directory that `at` means (null: the working directory).
static fs_error enter(struct fut_request *req, struct context **c) {
    struct object *o = req->object;
    if (!o || o->kind != OBJECT_CONTEXT) {
        return FS_BAD_FILE;
    }
    *c = o->context;
    return FS_OK;
}

static fs_error at_node(const struct fut_cap_arg *at, struct node **n) {
    *n = nullptr;
    if (at->home) {
        struct object *o = object_find(at->badge);
        if (!o || o->kind != OBJECT_FILE) {
            return FS_BAD_FILE;
        }
        *n = o->file->node;
    } else if (at->h) {
        (void)fut_cap_delete(at->h); // somebody else's Session
        return FS_BAD_FILE;
    }
    return FS_OK;
}

static fs_error enter_at(struct fut_request *req, const struct fut_cap_arg *at, struct context **c, struct node **n) {
    fs_error e = at_node(at, n);
    return e ? e : enter(req, c);
}

static fut_status_t on_open(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t flags,
                            uint32_t mode, struct fs_context_open_result *res) {
    struct context *c;
    struct node *dir, *n;
    struct open_file *f;
    fs_error e = enter_at(req, &at, &c, &dir);
    if (e == FS_OK) {
        e = context_open(c, dir, N(path), flags, mode, &f, &n);
    }
    if (e) {
        return e;
    }
    fill_stat(n, &res->node);
    fut_status_t s = FUT_OK;
    if (f) {
        s = object_make(OBJECT_FILE, f, &res->file.h);
        if (s) {
            open_free(f);
        }
    }
    node_put(n);
    return s;
}

static fut_status_t on_stat(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t flags,
                            struct fs_context_stat_result *res) {
    struct context *c;
    struct node *dir, *n;
    fs_error e = enter_at(req, &at, &c, &dir);
    if (e == FS_OK && (e = context_find(c, dir, N(path), flags, &n)) == FS_OK) {
        fill_stat(n, &res->st);
        node_put(n);
    }
    return e;
}

static fut_status_t on_read_link(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                 struct fs_context_read_link_result *res) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_read_link(c, dir, N(path), res->target.data, res->target.capacity, &res->target.len);
}

static fut_status_t on_make_dir(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t mode) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_make_dir(c, dir, N(path), mode);
}

static fut_status_t on_unlink(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t flags) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_unlink(c, dir, N(path), flags);
}

static fs_error enter_two(struct fut_request *req, const struct fut_cap_arg *from_at, const struct fut_cap_arg *to_at,
                          struct context **c, struct node **from, struct node **to) {
    fs_error a = at_node(from_at, from), b = at_node(to_at, to); // both, so that no handle stays behind
    return a ? a : b ? b : enter(req, c);
}

static fut_status_t on_rename(struct fut_request *req, struct fut_cap_arg from_at, struct fut_string from,
                              struct fut_cap_arg to_at, struct fut_string to, uint32_t flags) {
    struct context *c;
    struct node *a, *b;
    fs_error e = enter_two(req, &from_at, &to_at, &c, &a, &b);
    return e ? e : context_rename(c, a, N(from), b, N(to), flags);
}

static fut_status_t on_link(struct fut_request *req, struct fut_cap_arg from_at, struct fut_string from,
                            struct fut_cap_arg to_at, struct fut_string to, uint32_t flags) {
    struct context *c;
    struct node *a, *b;
    fs_error e = enter_two(req, &from_at, &to_at, &c, &a, &b);
    return e ? e : context_link(c, a, N(from), b, N(to), flags);
}

static fut_status_t on_sym_link(struct fut_request *req, struct fut_string target, struct fut_cap_arg at,
                                struct fut_string path) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_sym_link(c, N(target), dir, N(path));
}

static fut_status_t on_make_node(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t mode,
                                 uint64_t rdev) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_make_node(c, dir, N(path), mode, rdev);
}

static fut_status_t on_set_attr(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t flags,
                                const struct io_set_attr *a) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    struct set_attributes set = {a->mask, a->mode, a->uid, a->gid, a->size, a->atime, a->mtime};
    return e ? e : context_set_attributes(c, dir, N(path), flags, &set);
}

static fut_status_t on_access(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t mode,
                              uint32_t flags) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_access(c, dir, N(path), mode, flags);
}

static fut_status_t on_change_dir(struct fut_request *req, struct fut_cap_arg at, struct fut_string path) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    return e ? e : context_change_dir(c, dir, N(path));
}

static fut_status_t on_get_dir(struct fut_request *req, struct fs_context_get_dir_result *res) {
    struct context *c;
    fs_error e = enter(req, &c);
    if (e == FS_OK && c->cwd->dead) {
        e = FS_NOT_FOUND;
    }
    return e ? e : path_of(c, c->cwd, res->path.data, res->path.capacity, &res->path.len);
}

static fut_status_t on_change_root(struct fut_request *req, struct fut_string path) {
    struct context *c;
    fs_error e = enter(req, &c);
    return e ? e : context_change_root(c, N(path));
}

static fut_status_t on_set_mask(struct fut_request *req, uint32_t mask, struct fs_context_set_mask_result *res) {
    struct context *c;
    fs_error e = enter(req, &c);
    if (e == FS_OK) {
        res->old = c->umask;
        c->umask = mask & 0777;
    }
    return e;
}

static fut_status_t on_stat_fs(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                               struct fs_context_stat_fs_result *res) {
    struct context *c;
    struct node *dir, *n;
    fs_error e = enter_at(req, &at, &c, &dir);
    if (e == FS_OK && (e = context_find(c, dir, N(path), AT_EMPTY, &n)) == FS_OK) {
        struct fs_space s;
        (void)mapping_reap();
        n->fs->ops->space(n->fs, &s);
        res->st = (struct fs_stat_fs){.kind = s.kind, .block_size = s.block_size, .blocks = s.blocks, .free = s.free,
                                      .available = s.available, .files = s.files, .files_free = s.files_free,
                                      .id = s.id, .name_max = s.name_max, .flags = n->fs->read_only};
        node_put(n);
    }
    return e;
}

static fut_status_t on_where(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, bool follow,
                             struct fs_context_where_result *res) {
    struct context *c;
    struct node *dir;
    fs_error e = enter_at(req, &at, &c, &dir);
    if (e) {
        return e;
    }
    struct walk w;
    e = walk(c, dir, N(path), WALK_EMPTY | WALK_MISSING | (follow ? WALK_FOLLOW : 0), &w);
    if (e == FS_OK) {
        // It does not lead away: the path itself, on this server's own tree.
        walk_end(&w);
        res->tree = 0;
        memmove(res->rest.data, path.data, path.len);
        res->rest.len = path.len;
        return FUT_OK;
    }
    if (e != FS_REMOTE) {
        return e;
    }
    res->tree = w.tree;
    memmove(res->rest.data, w.rest, w.rest_len);
    res->rest.len = w.rest_len;
    return FUT_OK;
}

static fut_status_t on_sync_all(struct fut_request *req) {
    struct context *c;
    fs_error e = enter(req, &c);
    return e ? e : mount_sync_all();
}

static fut_status_t on_sync_memory(struct fut_request *req, uint64_t id) {
    struct context *c;
    fs_error e = enter(req, &c);
    return e ? e : mapping_sync(id);
}

static fut_status_t on_path_of(struct fut_request *req, struct fut_cap_arg file, struct fs_context_path_of_result *res) {
    struct context *c;
    struct node *n;
    fs_error e = enter_at(req, &file, &c, &n);
    if (e == FS_OK && !n) {
        e = FS_BAD_FILE;
    }
    return e ? e : path_of(c, n, res->path.data, res->path.capacity, &res->path.len);
}

const struct fs_context_ops context_ops = {
    .open = on_open, .stat = on_stat, .read_link = on_read_link, .make_dir = on_make_dir, .unlink = on_unlink,
    .rename = on_rename, .link = on_link, .sym_link = on_sym_link, .make_node = on_make_node, .set_attr = on_set_attr,
    .access = on_access, .change_dir = on_change_dir, .get_dir = on_get_dir, .change_root = on_change_root,
    .set_mask = on_set_mask, .stat_fs = on_stat_fs, .where = on_where, .sync_all = on_sync_all, .sync_memory = on_sync_memory, .path_of = on_path_of,
};
