// SPDX-License-Identifier: MPL-2.0
//
// From a path to a node: mounts, symbolic links (40 at most), `..` that stops at the Context's root, search permission
// on every directory, trailing slashes.

#include <string.h>

#include "core/context.h"
#include "core/mount.h"

#define MAX_LINKS 40

// The rest of the path after a link was put in its place. There is one walk at a time; the two take turns, because the
// new rest is built from the old one.
static char buffers[2][PATH_MAX_BYTES + 1];

fs_error lookup(struct node *dir, struct name name, struct node **child) {
    if (dir->dead) {
        return FS_NOT_FOUND;
    }
    if (!dir->fs->no_name_cache && names_find(dir, name, child)) {
        return *child ? FS_OK : FS_NOT_FOUND;
    }
    fs_error e = dir->fs->ops->lookup(dir, name, child);
    if (e == FS_OK) {
        e = node_place(*child, dir, name);
        if (e) {
            node_put(*child);
            return e;
        }
        names_enter(dir, name, *child);
    } else if (e == FS_NOT_FOUND) {
        names_enter(dir, name, nullptr);
    }
    return e;
}

// The directory above, from inside a Context. Takes over cur's reference.
static struct node *step_up(const struct context *c, struct node *cur) {
    struct node *n = cur;
    while (n != c->root && n->fs->root == n && n->fs->mount && n->fs->mount->covered) {
        n = n->fs->mount->covered;
    }
    if (n != c->root && n->parent) {
        n = n->parent;
    }
    node_ref(n);
    node_put(cur);
    return n;
}

void walk_end(struct walk *w) {
    if (w->node) {
        node_put(w->node);
    }
    if (w->parent) {
        node_put(w->parent);
    }
    w->node = w->parent = nullptr;
}

fs_error walk(const struct context *c, struct node *at, struct name path, unsigned flags, struct walk *w) {
    w->node = w->parent = nullptr;
    w->name_len = 0;
    w->last = LAST_NONE;
    w->slash = false;
    if (path.len > PATH_MAX_BYTES) {
        return FS_NAME_TOO_LONG;
    }
    if (memchr(path.s, 0, path.len)) {
        return FS_INVALID;
    }
    struct node *cur = node_ref(path.len && path.s[0] == '/' ? c->root : at ? at : c->cwd);
    if (path.len == 0) {
        if (!(flags & WALK_EMPTY)) {
            node_put(cur);
            return FS_NOT_FOUND;
        }
        w->node = cur;
        return FS_OK;
    }
    const char *p = path.s, *end = path.s + path.len;
    unsigned links = 0, turn = 0;
    fs_error e;
    for (;;) {
        while (p < end && *p == '/') {
            p++;
        }
        if (p == end) { // only slashes, or a link whose target ended in one
            if (!node_is_dir(cur)) {
                e = FS_NOT_DIRECTORY;
                goto fail;
            }
            w->node = cur;
            w->last = LAST_NONE;
            return FS_OK;
        }
        const char *s = p;
        while (p < end && *p != '/') {
            p++;
        }
        struct name name = {s, (unsigned)(p - s)};
        bool slash = p < end;
        while (p < end && *p == '/') {
            p++;
        }
        bool last = p == end;
        if (!node_is_dir(cur)) {
            e = FS_NOT_DIRECTORY;
            goto fail;
        }
        if ((e = may(c, cur, MAY_EXEC)) != FS_OK) {
            goto fail;
        }
        if (name.len > NAME_MAX_BYTES) {
            e = FS_NAME_TOO_LONG;
            goto fail;
        }
        struct node *child = nullptr;
        unsigned kind = LAST_NAME;
        if (name.len == 1 && name.s[0] == '.') {
            child = node_ref(cur);
            kind = LAST_DOT;
        } else if (name.len == 2 && name.s[0] == '.' && name.s[1] == '.') {
            child = step_up(c, node_ref(cur));
            kind = LAST_DOTDOT;
        } else {
            e = lookup(cur, name, &child);
            if (e == FS_NOT_FOUND && last && (flags & WALK_MISSING) && !cur->dead) {
                child = nullptr;
            } else if (e != FS_OK) {
                goto fail;
            }
        }
        while (child && child->mounted) {
            struct mount *m = child->mounted;
            node_put(child);
            if (!m->fs) {
                w->tree = m->tree;
                w->rest = p;
                w->rest_len = (size_t)(end - p);
                e = FS_REMOTE;
                goto fail;
            }
            child = node_ref(m->fs->root);
        }
        bool follow = !last || (flags & WALK_FOLLOW) || (slash && !(flags & WALK_NO_FOLLOW_SLASH));
        if (child && node_is_link(child) && follow) {
            if (++links > MAX_LINKS) {
                node_put(child);
                e = FS_LOOP;
                goto fail;
            }
            char *to = buffers[turn ^= 1];
            size_t len = 0;
            e = child->fs->ops->read_link(child, to, PATH_MAX_BYTES, &len);
            node_put(child);
            if (e == FS_OK && len == 0) {
                e = FS_NOT_FOUND;
            }
            size_t left = (size_t)(end - p);
            if (e == FS_OK && len + left + 1 > PATH_MAX_BYTES) {
                e = FS_NAME_TOO_LONG;
            }
            if (e != FS_OK) {
                goto fail;
            }
            if (slash) {
                to[len++] = '/';
            }
            memmove(to + len, p, left);
            p = to;
            end = to + len + left;
            if (to[0] == '/') {
                node_put(cur);
                cur = node_ref(c->root);
            }
            continue;
        }
        if (last) {
            if (slash && child && !node_is_dir(child) && !(node_is_link(child) && (flags & WALK_NO_FOLLOW_SLASH))) {
                node_put(child);
                e = FS_NOT_DIRECTORY;
                goto fail;
            }
            w->node = child;
            w->parent = cur;
            memcpy(w->name, name.s, name.len);
            w->name[name.len] = 0;
            w->name_len = name.len;
            w->last = kind;
            w->slash = slash;
            return FS_OK;
        }
        node_put(cur);
        cur = child;
    }
fail:
    node_put(cur);
    return e;
}

fs_error path_of(const struct context *c, struct node *n, char *to, size_t room, size_t *len) {
    // Built from the end of the buffer, then moved to its front.
    size_t at = room;
    bool dead = node_is_dir(n) ? n->dead : n->a.nlink == 0;
    for (;;) {
        while (n != c->root && n->fs->root == n && n->fs->mount && n->fs->mount->covered) {
            n = n->fs->mount->covered;
        }
        if (n == c->root || !n->parent) {
            break;
        }
        size_t l = strlen(n->name);
        if (at < l + 1) {
            return FS_RANGE;
        }
        at -= l;
        memcpy(to + at, n->name, l);
        to[--at] = '/';
        n = n->parent;
    }
    if (at == room) {
        if (room == 0) {
            return FS_RANGE;
        }
        to[--at] = '/';
    }
    *len = room - at;
    memmove(to, to + at, *len);
    if (dead) {
        static const char mark[] = " (deleted)";
        if (*len + sizeof mark - 1 > room) {
            return FS_RANGE;
        }
        memcpy(to + *len, mark, sizeof mark - 1);
        *len += sizeof mark - 1;
    }
    return FS_OK;
}
