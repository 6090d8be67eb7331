// SPDX-License-Identifier: MPL-2.0
//
// Nodes: the table by inode number, references, places and times. See node.h.

#include "core/node.h"

#include <stdlib.h>
#include <string.h>

#include "core/lock.h"
#include "core/platform.h"

static struct node **bucket(struct filesystem *fs, uint64_t ino) {
    return &fs->nodes[(ino * 0x9e3779b97f4a7c15ull) >> 54 & (NODE_BUCKETS - 1)];
}

void node_enter(struct filesystem *fs, struct node *n, uint64_t ino) {
    n->fs = fs;
    n->ino = ino;
    n->refs = 1;
    struct node **head = bucket(fs, ino);
    n->next = *head;
    n->link = head;
    if (n->next) {
        n->next->link = &n->next;
    }
    *head = n;
    fs->node_count++;
}

void node_leave(struct node *n) {
    if (!n->link) {
        return;
    }
    *n->link = n->next;
    if (n->next) {
        n->next->link = n->link;
    }
    n->link = nullptr;
    n->fs->node_count--;
}

struct node *node_find(struct filesystem *fs, uint64_t ino) {
    for (struct node *n = *bucket(fs, ino); n; n = n->next) {
        if (n->ino == ino) {
            return node_ref(n);
        }
    }
    return nullptr;
}

struct node *node_ref(struct node *n) {
    n->refs++;
    return n;
}

void node_put(struct node *n) {
    // A chain of directories that only their children kept is taken down in a loop, not by recursion.
    while (n && --n->refs == 0) {
        struct node *parent = n->parent;
        n->parent = nullptr;
        free(n->name);
        n->name = nullptr;
        lock_drop_all(n);
        n->fs->ops->release(n);
        n = parent;
    }
}

fs_error node_place(struct node *n, struct node *parent, struct name name) {
    if (n->parent == parent && n->name && strlen(n->name) == name.len && memcmp(n->name, name.s, name.len) == 0) {
        return FS_OK;
    }
    char *copy = malloc(name.len + 1);
    if (!copy) {
        return FS_NO_MEMORY;
    }
    memcpy(copy, name.s, name.len);
    copy[name.len] = 0;
    struct node *old = n->parent;
    n->parent = node_ref(parent);
    free(n->name);
    n->name = copy;
    if (old) {
        node_put(old);
    }
    return FS_OK;
}

void node_changed(struct node *n) {
    n->dirty = true;
    if (n->fs->ops->changed) {
        n->fs->ops->changed(n);
    }
}

void node_touch(struct node *n, unsigned what) {
    if (n->fs->read_only) {
        return;
    }
    int64_t now = platform_now();
    if (what & TOUCH_ACCESS) {
        n->a.atime = now;
    }
    if (what & TOUCH_MODIFY) {
        n->a.mtime = now;
    }
    if (what & TOUCH_CHANGE) {
        n->a.ctime = now;
    }
    node_changed(n);
}
