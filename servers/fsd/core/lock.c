// SPDX-License-Identifier: MPL-2.0
//
// Advisory locks: a list per node, no two entries of one owner overlapping. See lock.h.

#include "core/lock.h"

#include <stdlib.h>

#include "core/file.h"

#define MOST_LOCKS 4096u // per file

struct file_lock {
    struct file_lock *next;
    struct open_file *file;
    uint64_t owner, start, last; // last byte, inclusive
    unsigned kind;
};

static bool overlap(const struct file_lock *l, uint64_t start, uint64_t last) { return l->start <= last && start <= l->last; }

fs_error lock_set(struct open_file *f, unsigned kind, uint64_t owner, uint64_t start, uint64_t len) {
    struct node *n = f->node;
    uint64_t last = len == 0 ? UINT64_MAX : start + len - 1;
    if (kind > LOCK_EXCLUSIVE || last < start) {
        return FS_INVALID;
    }
    if (kind == LOCK_EXCLUSIVE && !open_may_write(f)) {
        return FS_BAD_FILE;
    }
    unsigned count = 0;
    if (kind != LOCK_FREE) {
        for (struct file_lock *l = n->locks; l; l = l->next) {
            if (++count > MOST_LOCKS) {
                return FS_NO_LOCK;
            }
            if (l->owner != owner && overlap(l, start, last) && (kind == LOCK_EXCLUSIVE || l->kind == LOCK_EXCLUSIVE)) {
                return FS_TRY_AGAIN;
            }
        }
    }
    // Up to two structures are needed: the new lock and the second half of a split one.
    struct file_lock *made = malloc(sizeof *made), *half = malloc(sizeof *half);
    if (!made || !half) {
        free(made);
        free(half);
        return FS_NO_LOCK;
    }
    for (struct file_lock **at = &n->locks; *at;) {
        struct file_lock *l = *at;
        if (l->owner != owner || !overlap(l, start, last)) {
            at = &l->next;
        } else if (l->start < start && l->last > last) {
            *half = *l;
            half->start = last + 1;
            l->last = start - 1;
            l->next = half;
            half = nullptr;
            break;
        } else if (l->start < start) {
            l->last = start - 1;
            at = &l->next;
        } else if (l->last > last) {
            l->start = last + 1;
            at = &l->next;
        } else {
            *at = l->next;
            free(l);
        }
    }
    if (kind != LOCK_FREE) {
        *made = (struct file_lock){n->locks, f, owner, start, last, kind};
        n->locks = made;
        made = nullptr;
    }
    free(made);
    free(half);
    return FS_OK;
}

bool lock_drop(struct open_file *f) {
    bool any = false;
    for (struct file_lock **at = &f->node->locks; *at;) {
        struct file_lock *l = *at;
        if (l->file == f) {
            *at = l->next;
            free(l);
            any = true;
        } else {
            at = &l->next;
        }
    }
    return any;
}

void lock_drop_all(struct node *n) {
    while (n->locks) {
        struct file_lock *l = n->locks;
        n->locks = l->next;
        free(l);
    }
}
