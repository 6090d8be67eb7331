// SPDX-License-Identifier: MPL-2.0
//
// Contexts: making them, and what their credentials allow. See context.h.

#include "core/context.h"

#include <stdlib.h>
#include <string.h>

#include "core/mount.h"
#include "core/platform.h"

static struct node *hold(struct node *n) {
    n->opens++;
    return node_ref(n);
}

static void let_go(struct node *n) {
    n->opens--;
    node_put(n);
}

struct context *context_make(const struct credentials *cred, struct node *root, struct node *cwd, uint32_t umask) {
    struct context *c = malloc(sizeof *c);
    if (c) {
        *c = (struct context){*cred, hold(root), hold(cwd), umask & 0777};
    }
    return c;
}

void context_free(struct context *c) {
    let_go(c->root);
    let_go(c->cwd);
    free(c);
}

bool is_owner(const struct context *c, const struct node *n) { return c->cred.uid == 0 || c->cred.uid == n->a.uid; }

static bool in_group(const struct credentials *cred, uint32_t gid) {
    if (cred->gid == gid) {
        return true;
    }
    for (uint32_t i = 0; i < cred->group_count; i++) {
        if (cred->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

fs_error may(const struct context *c, const struct node *n, unsigned want) {
    uint32_t mode = n->a.mode;
    uint32_t kind = mode & MODE_KIND;
    if ((want & MAY_WRITE) && n->fs->read_only && (kind == MODE_REGULAR || kind == MODE_DIR || kind == MODE_LINK)) {
        return FS_READ_ONLY;
    }
    if (c->cred.uid == 0) {
        // The superuser may all, but runs only what somebody may run.
        return (want & MAY_EXEC) && kind != MODE_DIR && !(mode & 0111) ? FS_DENIED : FS_OK;
    }
    unsigned have = c->cred.uid == n->a.uid ? mode >> 6 : in_group(&c->cred, n->a.gid) ? mode >> 3 : mode;
    return (have & want) == want ? FS_OK : FS_DENIED;
}

// Whether a name may be made in or taken out of dir.
static fs_error may_change(const struct context *c, const struct node *dir) {
    if (dir->dead) {
        return FS_NOT_FOUND;
    }
    return may(c, dir, MAY_WRITE | MAY_EXEC);
}

// In a sticky directory only the owners of the entry and of the directory remove or rename it.
static fs_error may_remove(const struct context *c, const struct node *dir, const struct node *child) {
    fs_error e = may_change(c, dir);
    if (e == FS_OK && (dir->a.mode & MODE_STICKY) && !is_owner(c, dir) && !is_owner(c, child)) {
        e = FS_NOT_PERMITTED;
    }
    return e;
}

static bool is_mount_root(const struct node *n) { return n->fs->root == n; }

static struct name last_name(const struct walk *w) { return (struct name){w->name, w->name_len}; }

// What a new node in dir gets: owner, group, and the bits that a set-group-id directory hands down.
static struct new_node fresh(const struct context *c, const struct node *dir, uint32_t mode) {
    struct new_node what = {.mode = mode, .uid = c->cred.uid, .gid = c->cred.gid};
    if (dir->a.mode & MODE_SETGID) {
        what.gid = dir->a.gid;
        if ((mode & MODE_KIND) == MODE_DIR) {
            what.mode |= MODE_SETGID;
        }
    }
    return what;
}

static fs_error create_at(const struct context *c, struct walk *w, const struct new_node *what, struct node **child) {
    fs_error e = may_change(c, w->parent);
    if (e) {
        return e;
    }
    e = w->parent->fs->ops->create(w->parent, last_name(w), what, child);
    if (e) {
        return e;
    }
    if ((e = node_place(*child, w->parent, last_name(w))) != FS_OK) {
        // Without its place a directory would not know its `..`: undo.
        (void)w->parent->fs->ops->unlink(w->parent, last_name(w), *child);
        node_put(*child);
        return e;
    }
    names_enter(w->parent, last_name(w), *child);
    return FS_OK;
}

fs_error context_open(struct context *c, struct node *at, struct name path, uint32_t flags, uint32_t mode,
                      struct open_file **file, struct node **node) {
    *file = nullptr;
    *node = nullptr;
    if ((flags & 3) == 3 || (flags & OPEN_TMPFILE)) {
        return flags & OPEN_TMPFILE ? FS_NOT_SUPPORTED : FS_INVALID;
    }
    if (flags & OPEN_PATH) {
        flags &= OPEN_PATH | OPEN_DIRECTORY | OPEN_NO_FOLLOW;
    }
    unsigned how = WALK_EMPTY;
    bool exclusive = (flags & OPEN_CREATE) && (flags & OPEN_EXCLUSIVE);
    if (!(flags & OPEN_NO_FOLLOW) && !exclusive) {
        how |= WALK_FOLLOW;
    }
    if (flags & OPEN_CREATE) {
        how |= WALK_MISSING;
    }
    struct walk w;
    fs_error e = walk(c, at, path, how, &w);
    if (e) {
        return e;
    }
    struct node *n = w.node;
    bool created = false;
    if (!n) {
        if (w.slash || (flags & OPEN_DIRECTORY)) {
            e = w.slash ? FS_IS_DIRECTORY : FS_INVALID;
            goto out;
        }
        struct new_node what = fresh(c, w.parent, MODE_REGULAR | (mode & MODE_BITS & ~c->umask));
        e = create_at(c, &w, &what, &n);
        if (e) {
            goto out;
        }
        w.node = n;
        created = true;
    } else if (exclusive) {
        e = FS_EXISTS;
        goto out;
    }
    uint32_t kind = n->a.mode & MODE_KIND;
    if (kind == MODE_LINK && !(flags & OPEN_PATH)) {
        e = FS_LOOP;
    } else if ((flags & OPEN_DIRECTORY) && kind != MODE_DIR) {
        e = FS_NOT_DIRECTORY;
    } else if (kind == MODE_DIR && ((flags & 3) != 0 || (flags & OPEN_CREATE) || (flags & OPEN_TRUNCATE))) {
        e = FS_IS_DIRECTORY;
    }
    if (e == FS_OK && !created && !(flags & OPEN_PATH)) {
        unsigned want = (flags & 3) == 0 ? MAY_READ : (flags & 3) == OPEN_WRITE_ONLY ? MAY_WRITE : MAY_READ | MAY_WRITE;
        if (flags & OPEN_TRUNCATE) {
            want |= MAY_WRITE;
        }
        e = may(c, n, want);
    }
    if (e == FS_OK && (flags & OPEN_NO_ATIME) && !is_owner(c, n)) {
        e = FS_NOT_PERMITTED;
    }
    if (e) {
        goto out;
    }
    if (kind == MODE_REGULAR || kind == MODE_DIR || (flags & OPEN_PATH)) {
        struct open_file *f = open_make(n, flags, c);
        if (!f) {
            e = FS_NO_MEMORY;
            goto out;
        }
        if (kind == MODE_REGULAR && (flags & OPEN_TRUNCATE) && !created) {
            e = n->a.size ? file_resize(n, 0) : FS_OK;
            if (e) {
                open_free(f);
                goto out;
            }
            node_touch(n, TOUCH_MODIFY | TOUCH_CHANGE);
        }
        *file = f;
    }
    *node = node_ref(n);
out:
    walk_end(&w);
    return e;
}

fs_error context_find(struct context *c, struct node *at, struct name path, uint32_t flags, struct node **node) {
    struct walk w;
    fs_error e = walk(c, at, path, (flags & AT_LINK_ITSELF ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY ? WALK_EMPTY : 0), &w);
    if (e == FS_OK) {
        *node = node_ref(w.node);
        walk_end(&w);
    }
    return e;
}

fs_error context_read_link(struct context *c, struct node *at, struct name path, char *to, size_t room, size_t *len) {
    struct walk w;
    fs_error e = walk(c, at, path, WALK_EMPTY, &w);
    if (e == FS_OK) {
        e = node_is_link(w.node) ? w.node->fs->ops->read_link(w.node, to, room, len) : FS_INVALID;
        walk_end(&w);
    }
    return e;
}

// The common part of what makes a new name: the walk, and that nothing is there.
static fs_error make(struct context *c, struct node *at, struct name path, uint32_t mode, uint64_t rdev, struct name target) {
    struct walk w;
    fs_error e = walk(c, at, path, WALK_MISSING | WALK_NO_FOLLOW_SLASH, &w);
    if (e) {
        return e;
    }
    if (w.node) {
        e = FS_EXISTS;
    } else if (w.slash && (mode & MODE_KIND) != MODE_DIR) {
        e = FS_NOT_FOUND;
    } else {
        struct new_node what = fresh(c, w.parent, mode);
        what.rdev = rdev;
        what.target = target.s;
        what.target_len = target.len;
        e = create_at(c, &w, &what, &w.node);
    }
    walk_end(&w);
    return e;
}

fs_error context_make_dir(struct context *c, struct node *at, struct name path, uint32_t mode) {
    return make(c, at, path, MODE_DIR | (mode & (0777 | MODE_STICKY) & ~c->umask), 0, (struct name){0});
}

fs_error context_make_node(struct context *c, struct node *at, struct name path, uint32_t mode, uint64_t rdev) {
    uint32_t kind = mode & MODE_KIND ? mode & MODE_KIND : MODE_REGULAR;
    switch (kind) {
    case MODE_REGULAR:
    case MODE_FIFO:
    case MODE_SOCKET:
        rdev = 0;
        break;
    case MODE_CHAR:
    case MODE_BLOCK:
        if (c->cred.uid != 0) {
            return FS_NOT_PERMITTED;
        }
        break;
    default:
        return kind == MODE_DIR ? FS_NOT_PERMITTED : FS_INVALID;
    }
    return make(c, at, path, kind | (mode & MODE_BITS & ~c->umask), rdev, (struct name){0});
}

fs_error context_sym_link(struct context *c, struct name target, struct node *at, struct name path) {
    if (target.len == 0) {
        return FS_NOT_FOUND;
    }
    if (target.len > PATH_MAX_BYTES) {
        return FS_NAME_TOO_LONG;
    }
    if (memchr(target.s, 0, target.len)) {
        return FS_INVALID;
    }
    return make(c, at, path, MODE_LINK | 0777, 0, target);
}

fs_error context_unlink(struct context *c, struct node *at, struct name path, uint32_t flags) {
    struct walk w;
    fs_error e = walk(c, at, path, WALK_NO_FOLLOW_SLASH, &w);
    if (e) {
        return e;
    }
    bool dir = flags & AT_DIR;
    if (w.last != LAST_NAME) {
        e = !dir ? FS_IS_DIRECTORY : w.last == LAST_DOT ? FS_INVALID : w.last == LAST_DOTDOT ? FS_NOT_EMPTY : FS_BUSY;
    } else if (is_mount_root(w.node)) {
        e = FS_BUSY;
    } else if ((e = may_remove(c, w.parent, w.node)) == FS_OK) {
        if (dir && !node_is_dir(w.node)) {
            e = FS_NOT_DIRECTORY;
        } else if (!dir && node_is_dir(w.node)) {
            e = FS_IS_DIRECTORY;
        } else if (!dir && w.slash) {
            e = FS_NOT_DIRECTORY;
        } else {
            e = w.parent->fs->ops->unlink(w.parent, last_name(&w), w.node);
        }
        if (e == FS_OK) {
            w.node->dead = dir;
            names_enter(w.parent, last_name(&w), nullptr);
        }
    }
    walk_end(&w);
    return e;
}

// True: `n` is `dir` or above it.
static bool is_above(const struct node *n, const struct node *dir) {
    for (const struct node *d = dir; d; d = d->parent) {
        if (d == n) {
            return true;
        }
    }
    return false;
}

static fs_error rename_checked(struct context *c, struct walk *from, struct walk *to, uint32_t flags) {
    if (from->last != LAST_NAME || to->last != LAST_NAME) {
        return FS_BUSY;
    }
    struct node *child = from->node, *other = to->node;
    if (is_mount_root(child) || (other && is_mount_root(other))) {
        return FS_BUSY;
    }
    if (from->parent->fs != to->parent->fs) {
        return FS_CROSS_DEVICE;
    }
    bool swap = flags & AT_EXCHANGE;
    if (swap && !other) {
        return FS_NOT_FOUND;
    }
    if ((flags & AT_NO_REPLACE) && other) {
        return FS_EXISTS;
    }
    fs_error e = may_remove(c, from->parent, child);
    if (e == FS_OK) {
        e = other ? may_remove(c, to->parent, other) : may_change(c, to->parent);
    }
    if (e) {
        return e;
    }
    bool dir = node_is_dir(child), other_dir = other && node_is_dir(other);
    if (((from->slash || to->slash) && !dir) || (swap && to->slash && !other_dir)) {
        return FS_NOT_DIRECTORY;
    }
    if (child == other) {
        return FS_OK; // two names of one file: nothing to do, as POSIX says
    }
    if (dir && is_above(child, to->parent)) {
        return FS_INVALID;
    }
    if (other_dir && is_above(other, from->parent)) {
        return swap ? FS_INVALID : FS_NOT_EMPTY;
    }
    // A directory that gets another parent has its `..` changed.
    if (dir && from->parent != to->parent && (e = may(c, child, MAY_WRITE)) != FS_OK) {
        return e;
    }
    const struct filesystem_ops *ops = child->fs->ops;
    if (swap) {
        if (!ops->exchange) {
            return FS_NOT_SUPPORTED;
        }
        e = ops->exchange(from->parent, last_name(from), child, to->parent, last_name(to), other);
    } else {
        if (other && dir && !other_dir) {
            return FS_NOT_DIRECTORY;
        }
        if (other && !dir && other_dir) {
            return FS_IS_DIRECTORY;
        }
        e = ops->rename(from->parent, last_name(from), child, to->parent, last_name(to), other);
    }
    if (e) {
        return e;
    }
    if (other && !swap) {
        other->dead = other_dir;
    }
    names_enter(from->parent, last_name(from), swap ? other : nullptr);
    names_enter(to->parent, last_name(to), child);
    e = node_place(child, to->parent, last_name(to));
    if (e == FS_OK && swap) {
        e = node_place(other, from->parent, last_name(from));
    }
    return e;
}

fs_error context_rename(struct context *c, struct node *from_at, struct name from_path, struct node *to_at,
                        struct name to_path, uint32_t flags) {
    if ((flags & AT_EXCHANGE) && (flags & AT_NO_REPLACE)) {
        return FS_INVALID;
    }
    struct walk from, to;
    fs_error e = walk(c, from_at, from_path, WALK_NO_FOLLOW_SLASH, &from);
    if (e) {
        return e;
    }
    e = walk(c, to_at, to_path, WALK_MISSING | WALK_NO_FOLLOW_SLASH, &to);
    if (e == FS_OK) {
        e = rename_checked(c, &from, &to, flags);
        walk_end(&to);
    }
    walk_end(&from);
    return e;
}

fs_error context_link(struct context *c, struct node *from_at, struct name from_path, struct node *to_at,
                      struct name to_path, uint32_t flags) {
    struct walk from, to;
    unsigned how = (flags & AT_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY ? WALK_EMPTY : 0);
    fs_error e = walk(c, from_at, from_path, how, &from);
    if (e) {
        return e;
    }
    if ((e = walk(c, to_at, to_path, WALK_MISSING | WALK_NO_FOLLOW_SLASH, &to)) == FS_OK) {
        if (to.node) {
            e = FS_EXISTS;
        } else if (to.slash) {
            e = FS_NOT_FOUND;
        } else if (node_is_dir(from.node)) {
            e = FS_NOT_PERMITTED;
        } else if (from.node->fs != to.parent->fs) {
            e = FS_CROSS_DEVICE;
        } else if (from.node->a.nlink == 0) {
            e = FS_NOT_FOUND;
        } else if ((e = may_change(c, to.parent)) == FS_OK) {
            e = to.parent->fs->ops->link(to.parent, last_name(&to), from.node);
            if (e == FS_OK) {
                names_enter(to.parent, last_name(&to), from.node);
            }
        }
        walk_end(&to);
    }
    walk_end(&from);
    return e;
}

fs_error set_attributes(const struct context *c, struct node *n, const struct set_attributes *a, bool write_open) {
    uint32_t mask = a->mask;
    if (n->fs->read_only) {
        return FS_READ_ONLY;
    }
    bool owner = is_owner(c, n);
    // A time other than now is the owner's to set; now, anybody's who may write.
    if ((mask & (SET_MODE | SET_ATIME | SET_MTIME)) && !owner) {
        return FS_NOT_PERMITTED;
    }
    if ((mask & (SET_ATIME_NOW | SET_MTIME_NOW)) && !owner && !write_open && may(c, n, MAY_WRITE) != FS_OK) {
        return FS_DENIED;
    }
    if ((mask & SET_UID) && c->cred.uid != 0 && (!owner || a->uid != n->a.uid)) {
        return FS_NOT_PERMITTED;
    }
    if ((mask & SET_GID) && c->cred.uid != 0 && (!owner || (a->gid != n->a.gid && !in_group(&c->cred, a->gid)))) {
        return FS_NOT_PERMITTED;
    }
    if (mask & SET_SIZE) {
        if (node_is_dir(n)) {
            return FS_IS_DIRECTORY;
        }
        if (!node_is_regular(n)) {
            return FS_INVALID;
        }
        fs_error e = write_open ? FS_OK : may(c, n, MAY_WRITE);
        if (e == FS_OK && a->size != n->a.size) {
            e = file_resize(n, a->size);
        }
        if (e) {
            return e;
        }
    }
    if (mask & SET_MODE) {
        if (node_is_link(n)) {
            return FS_NOT_SUPPORTED;
        }
        uint32_t mode = a->mode & MODE_BITS;
        if (c->cred.uid != 0 && !in_group(&c->cred, n->a.gid)) {
            mode &= ~MODE_SETGID;
        }
        n->a.mode = (n->a.mode & MODE_KIND) | mode;
    }
    if (mask & SET_UID) {
        n->a.uid = a->uid;
    }
    if (mask & SET_GID) {
        n->a.gid = a->gid;
    }
    if ((mask & (SET_UID | SET_GID)) && !(mask & SET_MODE) && node_is_regular(n)) {
        // A file that changes hands is not set-id for its new owner.
        n->a.mode &= ~(MODE_SETUID | ((n->a.mode & 010) ? MODE_SETGID : 0));
    }
    int64_t now = platform_now();
    if (mask & (SET_ATIME | SET_ATIME_NOW)) {
        n->a.atime = mask & SET_ATIME_NOW ? now : a->atime;
    }
    if (mask & (SET_MTIME | SET_MTIME_NOW)) {
        n->a.mtime = mask & SET_MTIME_NOW ? now : a->mtime;
    } else if (mask & SET_SIZE) {
        n->a.mtime = now;
    }
    n->a.ctime = now;
    node_changed(n);
    return FS_OK;
}

fs_error context_set_attributes(struct context *c, struct node *at, struct name path, uint32_t flags,
                                const struct set_attributes *a) {
    struct node *n;
    fs_error e = context_find(c, at, path, flags, &n);
    if (e == FS_OK) {
        e = set_attributes(c, n, a, false);
        node_put(n);
    }
    return e;
}

fs_error context_access(struct context *c, struct node *at, struct name path, uint32_t mode, uint32_t flags) {
    struct node *n;
    if (mode & ~7u) {
        return FS_INVALID;
    }
    fs_error e = context_find(c, at, path, flags, &n);
    if (e == FS_OK) {
        e = mode ? may(c, n, mode) : FS_OK;
        node_put(n);
    }
    return e;
}

fs_error context_change_dir(struct context *c, struct node *at, struct name path) {
    struct node *n;
    fs_error e = context_find(c, at, path, AT_EMPTY, &n);
    if (e) {
        return e;
    }
    e = node_is_dir(n) ? may(c, n, MAY_EXEC) : FS_NOT_DIRECTORY;
    if (e) {
        node_put(n);
        return e;
    }
    n->opens++;
    let_go(c->cwd);
    c->cwd = n;
    return FS_OK;
}

fs_error context_change_root(struct context *c, struct name path) {
    struct node *n;
    if (c->cred.uid != 0) {
        return FS_NOT_PERMITTED;
    }
    fs_error e = context_find(c, nullptr, path, 0, &n);
    if (e) {
        return e;
    }
    e = node_is_dir(n) ? may(c, n, MAY_EXEC) : FS_NOT_DIRECTORY;
    if (e) {
        node_put(n);
        return e;
    }
    n->opens++;
    let_go(c->root);
    c->root = n;
    return FS_OK;
}
