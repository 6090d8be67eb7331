// SPDX-License-Identifier: MPL-2.0
//
// fs.Admin: posixd's. Contexts and mounts.

#include <string.h>

#include "cache/cache.h"
#include "server/server.h"

static fs_error allowed(const struct fut_request *req) { return req->badge == BADGE_ADMIN ? FS_OK : FS_NOT_PERMITTED; }

static fs_error credentials_of(const struct fs_cred *from, struct credentials *to) {
    if (from->group_count > MAX_GROUPS) {
        return FS_INVALID;
    }
    *to = (struct credentials){.uid = from->uid, .gid = from->gid, .group_count = from->group_count};
    memcpy(to->groups, from->groups, from->group_count * sizeof to->groups[0]);
    return FS_OK;
}

static fut_status_t make_context(const struct fs_cred *cred, struct node *root, struct node *cwd, uint32_t umask,
                                 fut_handle_t *session) {
    struct credentials own;
    fs_error e = credentials_of(cred, &own);
    if (e) {
        return e;
    }
    struct context *c = context_make(&own, root, cwd, umask);
    if (!c) {
        return FS_NO_MEMORY;
    }
    fut_status_t s = object_make(OBJECT_CONTEXT, c, session);
    if (s) {
        context_free(c);
    }
    return s;
}

static fut_status_t on_new_context(struct fut_request *req, const struct fs_cred *cred, uint32_t umask,
                                   struct fs_admin_new_context_result *res) {
    fs_error e = allowed(req);
    return e ? e : make_context(cred, mount_root(), mount_root(), umask, &res->c.h);
}

static fut_status_t on_derive(struct fut_request *req, struct fut_cap_arg from, const struct fs_cred *cred,
                              struct fs_admin_derive_result *res) {
    fs_error e = allowed(req);
    struct object *o = from.home ? object_find(from.badge) : nullptr;
    if (e == FS_OK && (!o || o->kind != OBJECT_CONTEXT)) {
        e = FS_BAD_FILE;
    }
    return e ? e : make_context(cred, o->context->root, o->context->cwd, o->context->umask, &res->c.h);
}

// What the administrator's paths are relative to.
static const struct context *admin_context(void) {
    static struct context c;
    c.root = c.cwd = mount_root();
    return &c;
}

static bool copy_string(struct fut_string from, char *to, size_t room) {
    if (from.len >= room || memchr(from.data, 0, from.len)) {
        return false;
    }
    memcpy(to, from.data, from.len);
    to[from.len] = 0;
    return true;
}

static fut_status_t on_mount(struct fut_request *req, struct fut_string source, struct fut_string target,
                             struct fut_string kind, struct fut_string options, bool read_only) {
    char src[64], dst[1024], knd[16], opt[256];
    fs_error e = allowed(req);
    if (e) {
        return e;
    }
    if (!copy_string(source, src, sizeof src) || !copy_string(target, dst, sizeof dst) ||
        !copy_string(kind, knd, sizeof knd) || !copy_string(options, opt, sizeof opt)) {
        return FS_INVALID;
    }
    struct node *covered;
    struct context *c = (struct context *)admin_context();
    if ((e = context_find(c, nullptr, (struct name){dst, (unsigned)strlen(dst)}, 0, &covered)) != FS_OK) {
        return e;
    }
    struct filesystem *fs = nullptr;
    uint32_t tree = 0;
    e = !node_is_dir(covered) ? FS_NOT_DIRECTORY : mount_source(src, knd, opt, read_only, &fs, &tree);
    if (e == FS_OK) {
        const char *name = fs ? fs->ops->kind : *knd ? knd : "tree";
        e = mount_add(fs, tree, covered, &(struct mount_names){src, dst, name, opt}, nullptr);
        if (e && fs) {
            (void)fs->ops->unmount(fs, false);
            node_put(fs->root);
        }
    }
    node_put(covered);
    return e;
}

static fut_status_t on_unmount(struct fut_request *req, struct fut_string target, bool force) {
    fs_error e = allowed(req);
    if (e) {
        return e;
    }
    // Remote trees are found by their target's name, because a walk into them ends elsewhere.
    for (struct mount *m = mounts; m; m = m->next) {
        if (!m->fs && strlen(m->target) == target.len && memcmp(m->target, target.data, target.len) == 0) {
            return mount_remove(m, force);
        }
    }
    (void)mapping_reap();
    struct node *n;
    if ((e = context_find((struct context *)admin_context(), nullptr, (struct name){target.data, (unsigned)target.len}, 0,
                          &n)) != FS_OK) {
        return e;
    }
    struct mount *m = mount_at(n);
    node_put(n);
    return m ? mount_remove(m, force) : FS_INVALID;
}

static void put_string(struct fut_buffer *to, const char *s) {
    size_t len = strlen(s);
    to->len = len < to->capacity ? len : to->capacity;
    memcpy(to->data, s, to->len);
}

static fut_status_t on_mounts(struct fut_request *req, uint32_t index, struct fs_admin_mounts_result *res) {
    fs_error e = allowed(req);
    if (e) {
        return e;
    }
    struct mount *m = mounts;
    while (m && index--) {
        m = m->next;
    }
    if (!m) {
        return FS_NOT_FOUND;
    }
    put_string(&res->source, m->source);
    put_string(&res->target, m->target);
    put_string(&res->kind, m->kind);
    put_string(&res->options, m->fs && m->fs->read_only ? "ro" : "rw");
    return FUT_OK;
}

static fut_status_t on_shutdown(struct fut_request *req) {
    fs_error e = allowed(req);
    if (e) {
        return e;
    }
    mapping_detach_all();
    return mount_shutdown();
}

static fut_status_t on_drop_caches(struct fut_request *req) {
    fs_error e = allowed(req);
    if (e == FS_OK) {
        e = mount_sync_all();
        names_purge(nullptr);
        (void)mapping_reap();
        cache_drop_clean();
    }
    return e;
}

static fut_status_t on_statistics(struct fut_request *req, struct fs_admin_statistics_result *res) {
    fs_error e = allowed(req);
    if (e == FS_OK) {
        res->hits = cache_stats.hits;
        res->misses = cache_stats.misses;
        res->reads = cache_stats.reads;
        res->writes = cache_stats.writes;
        res->cached_pages = cache_stats.cached_pages;
        res->dirty_pages = cache_stats.dirty_pages;
    }
    return e;
}

const struct fs_admin_ops admin_ops = {
    .new_context = on_new_context, .derive = on_derive, .mount = on_mount, .unmount = on_unmount, .mounts = on_mounts,
    .shutdown = on_shutdown, .drop_caches = on_drop_caches, .statistics = on_statistics,
};
