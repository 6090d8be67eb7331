// SPDX-License-Identifier: MPL-2.0
//
// The name cache: (directory, name) to node, or to "no such name". An entry holds references to both nodes, so a
// cached name keeps its node and the node's cached pages. Least recently used entries go first.

#include <stdlib.h>
#include <string.h>

#include "core/node.h"

#define BUCKETS 4096u
#define LIMIT 16384u

struct entry {
    struct entry *next, **link;        // bucket
    struct entry *newer, *older;       // use
    struct node *dir, *child;
    uint32_t hash;
    uint8_t len;
    char name[];
};

static struct entry *buckets[BUCKETS];
static struct entry *newest, *oldest;
static unsigned count;

static uint32_t hash_of(const struct node *dir, struct name name) {
    uint64_t h = (uintptr_t)dir >> 4;
    for (unsigned i = 0; i < name.len; i++) {
        h = (h ^ (unsigned char)name.s[i]) * 0x100000001b3ull;
    }
    return (uint32_t)(h ^ h >> 29);
}

static void use_remove(struct entry *e) {
    *(e->newer ? &e->newer->older : &newest) = e->older;
    *(e->older ? &e->older->newer : &oldest) = e->newer;
}

static void use_front(struct entry *e) {
    e->newer = nullptr;
    e->older = newest;
    *(newest ? &newest->newer : &oldest) = e;
    newest = e;
}

static void drop(struct entry *e) {
    use_remove(e);
    *e->link = e->next;
    if (e->next) {
        e->next->link = e->link;
    }
    count--;
    struct node *dir = e->dir, *child = e->child;
    free(e);
    // Releasing a node may write it back but never enters names, so the lists hold still meanwhile.
    if (child) {
        node_put(child);
    }
    node_put(dir);
}

static struct entry *find(struct node *dir, struct name name, uint32_t hash) {
    for (struct entry *e = buckets[hash % BUCKETS]; e; e = e->next) {
        if (e->hash == hash && e->dir == dir && e->len == name.len && memcmp(e->name, name.s, name.len) == 0) {
            return e;
        }
    }
    return nullptr;
}

bool names_find(struct node *dir, struct name name, struct node **child) {
    struct entry *e = find(dir, name, hash_of(dir, name));
    if (!e) {
        return false;
    }
    if (e != newest) {
        use_remove(e);
        use_front(e);
    }
    *child = e->child ? node_ref(e->child) : nullptr;
    return true;
}

void names_enter(struct node *dir, struct name name, struct node *child) {
    if (dir->fs->no_name_cache) {
        return;
    }
    names_forget(dir, name);
    struct entry *e = malloc(sizeof *e + name.len);
    if (!e) {
        return;
    }
    e->hash = hash_of(dir, name);
    e->dir = node_ref(dir);
    e->child = child ? node_ref(child) : nullptr;
    e->len = (uint8_t)name.len;
    memcpy(e->name, name.s, name.len);
    struct entry **head = &buckets[e->hash % BUCKETS];
    e->next = *head;
    e->link = head;
    if (e->next) {
        e->next->link = &e->next;
    }
    *head = e;
    use_front(e);
    if (++count > LIMIT) {
        names_shrink(LIMIT / 16);
    }
}

void names_forget(struct node *dir, struct name name) {
    struct entry *e = find(dir, name, hash_of(dir, name));
    if (e) {
        drop(e);
    }
}

void names_purge(struct filesystem *fs) {
    struct entry *e = oldest;
    while (e) {
        struct entry *newer = e->newer;
        if (!fs || e->dir->fs == fs) {
            drop(e);
        }
        e = newer;
    }
}

void names_shrink(unsigned n) {
    while (n-- && oldest) {
        drop(oldest);
    }
}

unsigned names_count(void) { return count; }
