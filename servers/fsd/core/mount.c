// SPDX-License-Identifier: MPL-2.0
//
// The list of mounts. See mount.h.

#include "core/mount.h"

#include <stdlib.h>
#include <string.h>

#include "core/platform.h"

struct mount *mounts;
static uint64_t next_device = 1;

struct node *mount_root(void) { return mounts && mounts->fs ? mounts->fs->root : nullptr; }

static void mount_free(struct mount *m) {
    free(m->source);
    free(m->target);
    free(m->kind);
    free(m->options);
    free(m);
}

fs_error mount_add(struct filesystem *fs, uint32_t tree, struct node *covered, const struct mount_names *names,
                   struct mount **mount) {
    if (!covered ? mounts != nullptr || !fs : !node_is_dir(covered)) {
        return covered ? FS_NOT_DIRECTORY : FS_BUSY;
    }
    if (covered && (covered->mounted || covered->dead)) {
        return FS_BUSY;
    }
    struct mount *m = calloc(1, sizeof *m);
    if (!m) {
        return FS_NO_MEMORY;
    }
    m->source = strdup(names->source);
    m->target = strdup(names->target);
    m->kind = strdup(names->kind);
    m->options = strdup(names->options);
    if (!m->source || !m->target || !m->kind || !m->options) {
        mount_free(m);
        return FS_NO_MEMORY;
    }
    m->fs = fs;
    m->tree = tree;
    m->read_only = fs && fs->read_only;
    if (covered) {
        m->covered = node_ref(covered);
        covered->mounted = m;
    }
    if (fs) {
        fs->mount = m;
        fs->device = next_device++;
    }
    struct mount **at = &mounts;
    while (*at) {
        at = &(*at)->next;
    }
    *at = m;
    if (mount) {
        *mount = m;
    }
    return FS_OK;
}

struct mount *mount_at(struct node *n) {
    for (struct mount *m = mounts; m; m = m->next) {
        if (m->fs ? m->fs->root == n : m->covered == n) {
            return m;
        }
    }
    return nullptr;
}

static bool in_use(struct mount *m) {
    if (!m->fs) {
        return false;
    }
    if (!m->fs->holds_nodes) {
        return m->fs->node_count != 1 || m->fs->root->refs != 1;
    }
    for (struct mount *o = mounts; o; o = o->next) {
        if (o->covered && o->covered->fs == m->fs) {
            return true;
        }
    }
    for (unsigned b = 0; b < NODE_BUCKETS; b++) {
        for (struct node *n = m->fs->nodes[b]; n; n = n->next) {
            if (n->opens) {
                return true;
            }
        }
    }
    return false;
}

fs_error mount_remove(struct mount *m, bool force) {
    if (!m->covered && !force) {
        return FS_BUSY;
    }
    fs_error e = FS_OK;
    if (m->fs) {
        names_purge(m->fs);
        if (in_use(m)) {
            if (!force) {
                return FS_BUSY;
            }
            // Somebody still holds files: the contents are made safe, and nothing more is written.
            e = m->fs->ops->unmount(m->fs, true);
            m->fs->read_only = true;
            return e;
        }
        e = m->fs->ops->unmount(m->fs, !m->covered);
        m->fs->read_only = true;
    }
    struct mount **at = &mounts;
    while (*at != m) {
        at = &(*at)->next;
    }
    if (!m->covered) {
        return e; // the root stays, read-only
    }
    *at = m->next;
    m->covered->mounted = nullptr;
    node_put(m->covered);
    if (m->fs) {
        m->fs->mount = nullptr;
        node_put(m->fs->root); // the last node: the file system frees itself with it
    }
    mount_free(m);
    return e;
}

fs_error mount_sync_all(void) {
    fs_error e = FS_OK;
    for (struct mount *m = mounts; m; m = m->next) {
        if (m->fs && !m->fs->read_only) {
            fs_error x = m->fs->ops->sync(m->fs);
            e = e ? e : x;
        }
    }
    return e;
}

static fs_error shutdown_from(struct mount *m) {
    if (!m) {
        return FS_OK;
    }
    fs_error below = shutdown_from(m->next); // later mounts lie deeper
    fs_error e = mount_remove(m, true);
    return below ? below : e;
}

fs_error mount_shutdown(void) { return shutdown_from(mounts); }
