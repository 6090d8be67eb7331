// SPDX-License-Identifier: MPL-2.0
//
// fsd on image files made by mke2fs. The same random operations are done on a tmpfs and on an ext file system, and must
// give the same answers and the same trees; one file is compared with a plain array; e2fsck then finds nothing.
//
// test_fsd [SEED [OPERATIONS]]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/cache.h"
#include "cache/pool.h"
#include "ext/ext.h"
#include "host.h"
#include "tmpfs/tmpfs.h"

static char image[256];
static struct context *root;

static struct filesystem *mount_image(const char *at) {
    struct filesystem *fs = nullptr;
    EQUAL(ext_mount(image_open(image, false), false, &fs), FS_OK);
    struct node *covered = nullptr;
    EQUAL(context_find(root, nullptr, P(at), 0, &covered), FS_OK);
    EQUAL(mount_add(fs, 0, covered, &(struct mount_names){"image", at, "ext4", ""}, nullptr), FS_OK);
    node_put(covered);
    return fs;
}

static void unmount(const char *at) {
    struct node *n = nullptr;
    EQUAL(context_find(root, nullptr, P(at), 0, &n), FS_OK);
    struct mount *m = mount_at(n);
    node_put(n);
    EQUAL(mount_remove(m, false), FS_OK);
}

static void fsck(const char *when) {
    int status = run("e2fsck -fn %s >%s.fsck 2>&1", image, image);
    if (status != 0) {
        run("cat %s.fsck >&2", image);
        fprintf(stderr, "%s: e2fsck gave %d\n", when, status);
        abort();
    }
}

static fs_error open_in(struct context *c, const char *path, uint32_t flags, uint32_t mode, struct open_file **f) {
    struct node *n = nullptr;
    fs_error e = context_open(c, nullptr, P(path), flags, mode, f, &n);
    if (n) {
        node_put(n);
    }
    return e;
}

static fs_error open_file(const char *path, uint32_t flags, uint32_t mode, struct open_file **f) {
    return open_in(root, path, flags, mode, f);
}

// --- One file against an array ---

static void file_test(const char *path, size_t limit, unsigned operations) {
    unsigned char *model = calloc(1, limit), *buffer = malloc(limit);
    size_t size = 0;
    struct open_file *f;
    EQUAL(open_file(path, OPEN_READ_WRITE | OPEN_CREATE | OPEN_TRUNCATE, 0644, &f), FS_OK);
    for (unsigned i = 0; i < operations; i++) {
        size_t at = dice((uint32_t)limit), len = dice(dice(4) ? 20000 : (uint32_t)limit / 4) + 1, n = 0;
        if (dice(3) == 0) {
            at = size; // at the end
        }
        if (len > limit - at) {
            len = limit - at;
        }
        switch (dice(10)) {
        case 0:
        case 1:
        case 2:
        case 3:
            for (size_t k = 0; k < len; k++) {
                buffer[k] = (unsigned char)dice(256);
            }
            EQUAL(file_write(f, at, buffer, len, &n), FS_OK);
            EQUAL(n, len);
            memcpy(model + at, buffer, len);
            if (len && at + len > size) {
                size = at + len;
            }
            break;
        case 4: {
            size_t to = dice(4) ? at : size + dice((uint32_t)(limit - size) + 1);
            EQUAL(file_resize(f->node, to), FS_OK);
            if (to < size) {
                memset(model + to, 0, size - to);
            }
            size = to;
            break;
        }
        case 5:
            EQUAL(file_sync(f, false), FS_OK);
            break;
        case 6:
            if (dice(4) == 0) {
                EQUAL(mount_sync_all(), FS_OK);
                names_purge(nullptr);
                cache_drop_clean();
            }
            break;
        default: {
            EQUAL(file_read(f, at, buffer, len, &n), FS_OK);
            size_t expect = at >= size ? 0 : len < size - at ? len : size - at;
            EQUAL(n, expect);
            CHECK(memcmp(buffer, model + at, n) == 0);
        }
        }
        EQUAL(f->node->a.size, size);
    }
    size_t n = 0;
    EQUAL(file_sync(f, false), FS_OK);
    cache_drop_clean();
    EQUAL(file_read(f, 0, buffer, limit, &n), FS_OK);
    EQUAL(n, size);
    CHECK(memcmp(buffer, model, size) == 0);
    open_free(f);
    free(model);
    free(buffer);
}

// --- Two trees ---

static const char *const sides[2] = {"/a", "/b"};
static struct context *side[2]; // with their roots there: no path leads from one to the other

static void sides_make(void) {
    for (int i = 0; i < 2; i++) {
        side[i] = root_context(0);
        EQUAL(context_change_root(side[i], P(sides[i])), FS_OK);
        EQUAL(context_change_dir(side[i], nullptr, P("/")), FS_OK);
    }
}

static void sides_free(void) {
    context_free(side[0]);
    context_free(side[1]);
}

static void make_path(char *to, unsigned depth) {
    static const char *const names[] = {"x", "yy", "zzz", "a-rather-longer-name-that-takes-some-room", "link", "d", "e"};
    to[0] = 0;
    do {
        strcat(to, "/");
        strcat(to, names[dice(7)]);
        if (dice(4) == 0) {
            char number[8];
            snprintf(number, sizeof number, "%u", dice(60));
            strcat(to, number);
        }
    } while (depth-- && dice(3));
    if (dice(30) == 0) {
        strcat(to, "/");
    }
    if (dice(30) == 0) {
        strcat(to, "/..");
    }
}

static void both(const char *path, char out[2][600]) {
    for (int i = 0; i < 2; i++) {
        snprintf(out[i], 600, "%s%s", sides[i], path);
    }
}

#define MAX_OPEN 12
static struct open_file *held[MAX_OPEN][2];

static void tree_operation(void) {
    char p[512], q[512];
    make_path(p, 3);
    make_path(q, 3);
    fs_error e[2] = {0, 0};
    unsigned op = dice(16), x = dice(1 << 20), y = dice(9000), slot = dice(MAX_OPEN);
    static unsigned char data[9000], back[2][9000];
    size_t n[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        struct open_file *f = nullptr;
        struct node *node = nullptr;
        switch (op) {
        case 0:
        case 1:
            e[i] = context_make_dir(side[i], nullptr, P(p), 0755);
            break;
        case 2:
        case 3:
        case 4:
            e[i] = open_in(side[i], p, OPEN_READ_WRITE | OPEN_CREATE | (x & 1 ? OPEN_TRUNCATE : 0) | (x & 2 ? OPEN_EXCLUSIVE : 0) |
                                       (x & 4 ? OPEN_NO_FOLLOW : 0), 0644, &f);
            if (f) {
                memset(data, (int)x, sizeof data);
                EQUAL(file_write(f, x % 3 ? 0 : f->node->a.size, data, y, &n[i]), FS_OK);
                if (x & 8) {
                    if (held[slot][i]) {
                        open_free(held[slot][i]);
                    }
                    held[slot][i] = f;
                } else {
                    open_free(f);
                }
            }
            break;
        case 5:
        case 6:
            e[i] = context_unlink(side[i], nullptr, P(p), 0);
            break;
        case 7:
            e[i] = context_unlink(side[i], nullptr, P(p), AT_DIR);
            break;
        case 8:
        case 9:
        case 10:
            e[i] = context_rename(side[i], nullptr, P(p), nullptr, P(q),
                                  x % 8 == 0 ? AT_EXCHANGE : x % 8 == 1 ? AT_NO_REPLACE : 0);
            break;
        case 11:
            e[i] = context_link(side[i], nullptr, P(p), nullptr, P(q), x & 1 ? AT_FOLLOW : 0);
            break;
        case 12: {
            char target[700];
            snprintf(target, sizeof target, "%s%s", x & 1 ? p : "..", x & 2 ? p : x & 4 ? "" : "/x/yy/../zzz/./././././././././e/e/e/e/e/e/e/e/e");
            e[i] = context_sym_link(side[i], P(target), nullptr, P(q));
            break;
        }
        case 13:
            e[i] = context_find(side[i], nullptr, P(p), x & 1 ? AT_LINK_ITSELF : 0, &node);
            if (node) {
                n[i] = node->a.mode ^ node->a.nlink << 20;
                if (node_is_regular(node)) {
                    n[i] ^= node->a.size << 32;
                }
                node_put(node);
            }
            break;
        case 14:
            e[i] = open_in(side[i], p, x & 1 ? OPEN_READ_WRITE : 0, 0, &f);
            if (f && node_is_regular(f->node)) {
                if (x & 1) {
                    EQUAL(file_resize(f->node, y), FS_OK);
                }
                EQUAL(file_read(f, 0, back[i], sizeof data, &n[i]), FS_OK);
            }
            if (f) {
                open_free(f);
            }
            break;
        case 15:
            if (held[slot][i]) { // a file that may have lost its name, or its content
                EQUAL(file_read(held[slot][i], 0, back[i], sizeof data, &n[i]), FS_OK);
                if (x & 1) {
                    open_free(held[slot][i]);
                    held[slot][i] = nullptr;
                }
            }
            break;
        }
    }
    if (e[0] != e[1] || n[0] != n[1]) {
        fprintf(stderr, "operation %u on %s and %s: tmpfs %d, ext %d; %zx, %zx\n", op, p, q, e[0], e[1], n[0], n[1]);
        abort();
    }
    if (op >= 14) {
        CHECK(memcmp(back[0], back[1], n[0]) == 0);
    }
}

struct entry { char name[256]; uint32_t kind; };
struct list { struct entry *e; size_t n, room; };

static bool collect(void *user, struct name name, uint64_t, uint32_t kind, uint64_t) {
    struct list *l = user;
    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 16;
        l->e = realloc(l->e, l->room * sizeof *l->e);
    }
    memcpy(l->e[l->n].name, name.s, name.len);
    l->e[l->n].name[name.len] = 0;
    l->e[l->n++].kind = kind;
    return true;
}

static int by_name(const void *a, const void *b) { return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name); }

static void compare(const char *path, unsigned *count) {
    struct list l[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct open_file *f = nullptr;
        EQUAL(open_in(side[i], *path ? path : "/", OPEN_DIRECTORY, 0, &f), FS_OK);
        EQUAL(file_list(f, collect, &l[i]), FS_OK);
        open_free(f);
        qsort(l[i].e, l[i].n, sizeof *l[i].e, by_name);
    }
    EQUAL(l[0].n, l[1].n);
    for (size_t k = 0; k < l[0].n; k++) {
        CHECK(strcmp(l[0].e[k].name, l[1].e[k].name) == 0);
        if (strcmp(l[0].e[k].name, ".") == 0 || strcmp(l[0].e[k].name, "..") == 0) {
            continue;
        }
        EQUAL(l[0].e[k].kind, l[1].e[k].kind);
        char sub[4096];
        snprintf(sub, sizeof sub, "%s/%s", path, l[0].e[k].name);
        ++*count;
        struct node *n[2];
        static unsigned char data[2][20000];
        size_t len[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            EQUAL(context_find(side[i], nullptr, P(sub), AT_LINK_ITSELF, &n[i]), FS_OK);
            if (node_is_regular(n[i])) {
                struct open_file *f = nullptr;
                EQUAL(open_in(side[i], sub, 0, 0, &f), FS_OK);
                EQUAL(file_read(f, 0, data[i], sizeof data[i], &len[i]), FS_OK);
                open_free(f);
            } else if (node_is_link(n[i])) {
                EQUAL(n[i]->fs->ops->read_link(n[i], (char *)data[i], sizeof data[i], &len[i]), FS_OK);
            }
        }
        EQUAL(n[0]->a.mode, n[1]->a.mode);
        EQUAL(n[0]->a.nlink, n[1]->a.nlink);
        EQUAL(len[0], len[1]);
        CHECK(memcmp(data[0], data[1], len[0]) == 0);
        bool dir = node_is_dir(n[0]);
        node_put(n[0]);
        node_put(n[1]);
        if (dir) {
            compare(sub, count);
        }
    }
    free(l[0].e);
    free(l[1].e);
}

static void release_held(void) {
    for (int k = 0; k < MAX_OPEN; k++) {
        for (int i = 0; i < 2; i++) {
            if (held[k][i]) {
                open_free(held[k][i]);
                held[k][i] = nullptr;
            }
        }
    }
}

static void tree_test(unsigned operations) {
    mount_image("/b");
    sides_make();
    for (unsigned i = 0; i < operations; i++) {
        tree_operation();
        if (dice(500) == 0) {
            EQUAL(mount_sync_all(), FS_OK);
            names_purge(nullptr);
            cache_drop_clean();
        }
        if (dice(1000) == 0) {
            unsigned count = 0;
            compare("", &count);
        }
    }
    release_held();
    unsigned count = 0;
    compare("", &count);
    sides_free();
    unmount("/b");
    fsck("after the tree test");
    mount_image("/b");
    sides_make();
    count = 0;
    compare("", &count);
    sides_free();
    unmount("/b");
    printf("  %u operations, %u files at the end\n", operations, count);
}

// --- Many names in one directory; a full disk; orphans ---

static void many_names(unsigned n) {
    mount_image("/b");
    EQUAL(context_make_dir(root, nullptr, P("/b/many"), 0755), FS_OK);
    char path[300];
    for (unsigned i = 0; i < n; i++) {
        struct open_file *f;
        snprintf(path, sizeof path, "/b/many/file-with-number-%u", i);
        EQUAL(open_file(path, OPEN_CREATE | OPEN_WRITE_ONLY, 0600, &f), FS_OK);
        open_free(f);
    }
    for (unsigned i = 0; i < n; i += 2) {
        snprintf(path, sizeof path, "/b/many/file-with-number-%u", i);
        EQUAL(context_unlink(root, nullptr, P(path), 0), FS_OK);
    }
    struct open_file *f;
    struct list l = {0};
    EQUAL(open_file("/b/many", 0, 0, &f), FS_OK);
    EQUAL(file_list(f, collect, &l), FS_OK);
    open_free(f);
    EQUAL(l.n, n / 2 + 2);
    free(l.e);
    unmount("/b");
    fsck("after many names");
}

static void tree_on_disk(void) {
    // e2fsck -D gives the large directory an htree, as Linux would have; then names come and go in it.
    run("e2fsck -fyD %s >/dev/null 2>&1", image);
    mount_image("/b");
    char path[300];
    struct open_file *f;
    struct list l = {0};
    for (unsigned i = 0; i < 400; i++) {
        snprintf(path, sizeof path, "/b/many/another-name-%u", i);
        EQUAL(open_file(path, OPEN_CREATE | OPEN_EXCLUSIVE | OPEN_WRITE_ONLY, 0600, &f), FS_OK);
        open_free(f);
    }
    names_purge(nullptr);
    for (unsigned i = 0; i < 400; i++) {
        struct node *n = nullptr;
        snprintf(path, sizeof path, "/b/many/another-name-%u", i);
        EQUAL(context_find(root, nullptr, P(path), 0, &n), FS_OK);
        node_put(n);
        snprintf(path, sizeof path, "/b/many/file-with-number-%u", i);
        EQUAL(context_find(root, nullptr, P(path), 0, &n), i % 2 ? FS_OK : FS_NOT_FOUND);
        if (i % 2) {
            node_put(n);
        }
        if (i % 3 == 0) {
            snprintf(path, sizeof path, "/b/many/another-name-%u", i);
            EQUAL(context_unlink(root, nullptr, P(path), 0), FS_OK);
        } else if (i % 3 == 1) {
            char to[300];
            snprintf(path, sizeof path, "/b/many/another-name-%u", i);
            snprintf(to, sizeof to, "/b/many/file-with-number-%u", 2 * i + 1); // replaces one
            EQUAL(context_rename(root, nullptr, P(path), nullptr, P(to), 0), FS_OK);
        }
    }
    EQUAL(open_file("/b/many", 0, 0, &f), FS_OK);
    EQUAL(file_list(f, collect, &l), FS_OK);
    open_free(f);
    EQUAL(l.n, 1500 + 400 - 134 - 133 + 2);
    free(l.e);
    unmount("/b");
    fsck("after names in an htree");
}

static void breaking_disk(void) {
    // Writes begin to fail at some point: errors, no crash, and what was on the disk before is still read.
    run("cp %s %s.good", image, image);
    for (unsigned round = 0; round < 12; round++) {
        run("cp %s.good %s", image, image);
        struct filesystem *fs = nullptr;
        struct node *covered = nullptr;
        struct mount *m = nullptr;
        EQUAL(ext_mount(image_open(image, false), false, &fs), FS_OK);
        EQUAL(context_find(root, nullptr, P("/b"), 0, &covered), FS_OK);
        EQUAL(mount_add(fs, 0, covered, &(struct mount_names){"image", "/b", "ext4", ""}, &m), FS_OK);
        node_put(covered);
        image_break_after = 1 + dice(60);
        bool heard = false;
        for (unsigned i = 0; i < 200; i++) {
            char path[64];
            static char data[200000];
            struct open_file *f = nullptr;
            size_t n;
            snprintf(path, sizeof path, "/b/broken%u", i % 40);
            if (open_file(path, OPEN_CREATE | OPEN_READ_WRITE, 0600, &f) == FS_OK) {
                heard |= file_write(f, dice(100000), data, dice(200000), &n) != FS_OK;
                heard |= file_sync(f, false) != FS_OK;
                open_free(f);
            } else {
                heard = true;
            }
            if (dice(4) == 0) {
                (void)context_unlink(root, nullptr, P(path), 0);
            }
        }
        CHECK(heard);
        (void)mount_remove(m, false);
        image_break_after = 0;
    }
    run("mv %s.good %s", image, image);
}

static void attributes(void) {
    // What an inode holds comes back after a remount: ids above 16 bits, devices, nanoseconds, long links; and storage
    // that was allocated before it is written.
    mount_image("/b");
    static const uint64_t devices[] = {0x0103, 0x12300104, 0xfff45}; // Linux's encoding: 1:3, a large minor, a large major
    char path[64], target[1000], back[1000];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/b/dev%u", i);
        EQUAL(context_make_node(root, nullptr, P(path), MODE_CHAR | 0600, devices[i]), FS_OK);
    }
    memset(target, 'l', sizeof target);
    EQUAL(context_sym_link(root, (struct name){target, 900}, nullptr, P("/b/long")), FS_OK);
    struct open_file *f;
    size_t n;
    EQUAL(open_file("/b/ids", OPEN_CREATE | OPEN_READ_WRITE, 0644, &f), FS_OK);
    struct set_attributes set = {.mask = SET_UID | SET_GID | SET_MTIME | SET_ATIME | SET_MODE, .uid = 100000, .gid = 4000000000u,
                                 .mode = 04711, .mtime = 4000000000123456789, .atime = -1500000000};
    EQUAL(context_set_attributes(root, nullptr, P("/b/ids"), 0, &set), FS_OK);
    fs_error e = file_allocate(f, 0, 0, 1000000);
    if (e == FS_OK) {
        unsigned char c = 1;
        EQUAL(f->node->a.size, 1000000);
        EQUAL(file_write(f, 500000, "middle", 6, &n), FS_OK);
        EQUAL(mount_sync_all(), FS_OK);
        cache_drop_clean();
        EQUAL(file_read(f, 999999, &c, 1, &n), FS_OK);
        EQUAL(n, 1);
        EQUAL(c, 0);
        EQUAL(file_allocate(f, 1, 2000000, 100000), FS_OK);
        EQUAL(f->node->a.size, 1000000);
    } else {
        EQUAL(e, FS_NOT_SUPPORTED);
        EQUAL(file_resize(f->node, 1000000), FS_OK);
        EQUAL(file_write(f, 500000, "middle", 6, &n), FS_OK);
    }
    set.mask = SET_MTIME | SET_ATIME;
    EQUAL(context_set_attributes(root, nullptr, P("/b/ids"), 0, &set), FS_OK);
    open_free(f);
    unmount("/b");
    fsck("after attributes");
    mount_image("/b");
    for (unsigned i = 0; i < 3; i++) {
        struct node *x = nullptr;
        snprintf(path, sizeof path, "/b/dev%u", i);
        EQUAL(context_find(root, nullptr, P(path), 0, &x), FS_OK);
        EQUAL(x->a.rdev, devices[i]);
        EQUAL(x->a.mode, MODE_CHAR | 0600);
        node_put(x);
    }
    EQUAL(context_read_link(root, nullptr, P("/b/long"), back, sizeof back, &n), FS_OK);
    EQUAL(n, 900);
    CHECK(memcmp(back, target, n) == 0);
    EQUAL(open_file("/b/ids", OPEN_READ_WRITE, 0, &f), FS_OK);
    EQUAL(f->node->a.uid, 100000);
    EQUAL(f->node->a.gid, 4000000000u);
    EQUAL(f->node->a.mode, MODE_REGULAR | 04711);
    bool wide = f->node->a.mtime % 1000000000 != 0; // an inode of 128 bytes holds whole seconds until 2038
    EQUAL(f->node->a.mtime, wide ? 4000000000123456789 : 2147483647000000000);
    EQUAL(f->node->a.atime, wide ? -1500000000 : -2000000000);
    EQUAL(file_read(f, 500000, back, 6, &n), FS_OK);
    CHECK(n == 6 && memcmp(back, "middle", 6) == 0);
    open_free(f);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/b/dev%u", i);
        EQUAL(context_unlink(root, nullptr, P(path), 0), FS_OK);
    }
    EQUAL(context_unlink(root, nullptr, P("/b/ids"), 0), FS_OK);
    EQUAL(context_unlink(root, nullptr, P("/b/long"), 0), FS_OK);
    unmount("/b");
    fsck("after attributes were removed");
}

static void full_disk(void) {
    mount_image("/b");
    static char block[65536];
    char path[300];
    fs_error e = FS_OK;
    struct fs_space s;
    uint64_t written = 0;
    for (unsigned i = 0; e == FS_OK; i++) {
        struct open_file *f;
        snprintf(path, sizeof path, "/b/full%u", i);
        e = open_file(path, OPEN_CREATE | OPEN_WRITE_ONLY, 0600, &f);
        if (e) {
            break;
        }
        size_t n;
        for (unsigned k = 0; k < 64 && e == FS_OK; k++) {
            memset(block, (int)(i + k), sizeof block);
            e = file_write(f, FILE_OFFSET, block, sizeof block, &n);
            written += n;
        }
        open_free(f);
    }
    EQUAL(e, FS_NO_SPACE);
    EQUAL(mount_sync_all(), FS_OK); // what was taken can be stored
    // Names still fit or are refused; nothing breaks.
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(path, sizeof path, "/b/tiny%u", i);
        e = context_make_dir(root, nullptr, P(path), 0700);
        if (e) {
            EQUAL(e, FS_NO_SPACE);
            break;
        }
    }
    struct node *n;
    EQUAL(context_find(root, nullptr, P("/b"), 0, &n), FS_OK);
    n->fs->ops->space(n->fs, &s);
    node_put(n);
    unmount("/b");
    fsck("with a full disk");
    mount_image("/b");
    for (unsigned i = 0;; i++) {
        snprintf(path, sizeof path, "/b/full%u", i);
        if (context_unlink(root, nullptr, P(path), 0) != FS_OK) {
            break;
        }
    }
    unmount("/b");
    fsck("after the full disk was emptied");
    printf("  %llu MiB fitted\n", (unsigned long long)written >> 20);
}

static void orphans(void) {
    // A file without a name is open when the system stops: the next mount frees it.
    mount_image("/b");
    struct open_file *f, *g;
    static char block[100000];
    size_t n;
    EQUAL(open_file("/b/o1", OPEN_CREATE | OPEN_READ_WRITE, 0600, &f), FS_OK);
    EQUAL(open_file("/b/o2", OPEN_CREATE | OPEN_READ_WRITE, 0600, &g), FS_OK);
    EQUAL(file_write(f, 0, block, sizeof block, &n), FS_OK);
    EQUAL(file_write(g, 0, block, sizeof block, &n), FS_OK);
    EQUAL(context_unlink(root, nullptr, P("/b/o1"), 0), FS_OK);
    EQUAL(context_unlink(root, nullptr, P("/b/o2"), 0), FS_OK);
    EQUAL(file_read(f, 0, block, sizeof block, &n), FS_OK);
    EQUAL(n, sizeof block);
    EQUAL(mount_sync_all(), FS_OK);
    run("cp %s %s.crash", image, image);
    open_free(f);
    open_free(g);
    unmount("/b");
    fsck("after orphans");
    run("mv %s.crash %s", image, image);
    mount_image("/b");
    unmount("/b");
    fsck("after orphans of a crash");
}

static void damaged(const char *options) {
    // Whatever bits are wrong: errors, no crash. (What e2fsck says afterwards is not asked.)
    run("cp %s %s.good", image, image);
    for (unsigned round = 0; round < 30; round++) {
        run("cp %s.good %s", image, image);
        struct block_device *d = image_open(image, false);
        unsigned char *page = pool_take(0);
        unsigned hits = 1 + dice(30);
        for (unsigned i = 0; i < hits; i++) {
            uint64_t sector = dice(3) ? dice(400) * 2 : dice((uint32_t)d->sectors / 8) * 8;
            if (round % 3 == 0 && i == 0) {
                sector = 2; // the superblock
            }
            EQUAL(d->read(d, sector, 1, page), FS_OK);
            for (unsigned k = 1 + dice(8); k; k--) {
                page[dice(512)] = (unsigned char)dice(256);
            }
            if (sector == 2 && round % 6) { // keep it a file system, mostly
                page[56] = 0x53;
                page[57] = 0xef;
            }
            EQUAL(d->write(d, sector, 1, page), FS_OK);
        }
        pool_give(page, 0);
        struct filesystem *fs = nullptr;
        if (ext_mount(d, false, &fs) != FS_OK) {
            d->close(d);
            continue;
        }
        struct node *covered;
        struct mount *m = nullptr;
        EQUAL(context_find(root, nullptr, P("/b"), 0, &covered), FS_OK);
        EQUAL(mount_add(fs, 0, covered, &(struct mount_names){"image", "/b", "ext4", ""}, &m), FS_OK);
        node_put(covered);
        for (unsigned i = 0; i < 300; i++) {
            char p[512], q[512], a[2][600], b[2][600];
            make_path(p, 3);
            make_path(q, 3);
            both(p, a);
            both(q, b);
            struct open_file *f = nullptr;
            static char data[30000];
            size_t n;
            switch (dice(7)) {
            case 0:
                (void)context_make_dir(root, nullptr, P(a[1]), 0755);
                break;
            case 1:
            case 2:
                if (open_file(a[1], OPEN_CREATE | OPEN_READ_WRITE, 0644, &f) == FS_OK && f) {
                    (void)file_write(f, dice(100000), data, dice(30000), &n);
                    (void)file_read(f, 0, data, sizeof data, &n);
                    open_free(f);
                }
                break;
            case 3:
                (void)context_unlink(root, nullptr, P(a[1]), dice(2) ? AT_DIR : 0);
                break;
            case 4:
                (void)context_rename(root, nullptr, P(a[1]), nullptr, P(b[1]), 0);
                break;
            case 5:
                if (open_file(a[1], 0, 0, &f) == FS_OK && f) {
                    struct list l = {0};
                    (void)file_list(f, collect, &l);
                    free(l.e);
                    (void)file_read(f, 0, data, sizeof data, &n);
                    open_free(f);
                }
                break;
            case 6:
                (void)mount_sync_all();
                break;
            }
        }
        (void)mount_remove(m, false);
    }
    run("mv %s.good %s", image, image);
    printf("  damaged images (%s) gave errors only\n", options);
}

static void empty_a(void) {
    struct mount *m = nullptr;
    for (m = mounts; m && strcmp(m->target, "/a") != 0;) {
        m = m->next;
    }
    if (m) {
        EQUAL(mount_remove(m, false), FS_OK);
    }
    struct filesystem *fs;
    struct node *covered;
    EQUAL(tmpfs_make(32 << 20, 0755, 0, 0, &fs), FS_OK);
    EQUAL(context_find(root, nullptr, P("/a"), 0, &covered), FS_OK);
    EQUAL(mount_add(fs, 0, covered, &(struct mount_names){"tmpfs", "/a", "tmpfs", ""}, nullptr), FS_OK);
    node_put(covered);
}

int main(int argc, char **argv) {
    setvbuf(stdout, nullptr, _IONBF, 0);
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 0) : 1;
    unsigned operations = argc > 2 ? (unsigned)atoi(argv[2]) : 2000;
    static const struct { const char *options; unsigned mib; } images[] = {
        {"-t ext4 -b 4096", 64}, {"-t ext4 -b 1024", 48}, {"-t ext2 -b 1024", 48}, {"-t ext2 -b 4096", 64},
        {"-t ext3 -b 2048 -I 128", 48}, {"-t ext4 -b 4096 -O ^has_journal,^flex_bg,^64bit", 64},
    };
    snprintf(image, sizeof image, "/tmp/test_fsd.%d.img", (int)getpid());
    pool_limit(24 << 20); // small, so that there is much eviction
    struct filesystem *fs;
    EQUAL(tmpfs_make(4 << 20, 0755, 0, 0, &fs), FS_OK);
    EQUAL(mount_add(fs, 0, nullptr, &(struct mount_names){"tmpfs", "/", "tmpfs", ""}, nullptr), FS_OK);
    root = root_context(0);
    EQUAL(context_make_dir(root, nullptr, P("/a"), 0755), FS_OK);
    EQUAL(context_make_dir(root, nullptr, P("/b"), 0755), FS_OK);
    empty_a();
    file_test("/a/file", 3 << 20, 2000);
    maps_test(root, "/a/maps", 3 << 20, 1500);
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++) {
        dice_state = seed * 77 + i;
        printf("mke2fs %s\n", images[i].options);
        EQUAL(run("rm -f %s; mke2fs -q -F %s %s %uM", image, images[i].options, image, images[i].mib), 0);
        mount_image("/b");
        EQUAL(context_unlink(root, nullptr, P("/b/lost+found"), AT_DIR), FS_OK); // the tmpfs has none
        file_test("/b/file", 3 << 20, 1500);
        file_test("/b/file2", 18 << 20, 200);
        maps_test(root, "/b/maps", 3 << 20, 1000);
        maps_test(root, "/b/maps", 24 << 20, 150);
        maps_on_disk_test(root, "/b/maps");
        struct open_file *f;
        EQUAL(open_file("/b/sparse", OPEN_CREATE | OPEN_READ_WRITE, 0600, &f), FS_OK);
        size_t n;
        char byte = 'x';
        EQUAL(file_write(f, 5000000000ull, &byte, 1, &n), FS_OK);
        uint64_t where;
        EQUAL(file_seek(f, 0, 3, &where), FS_OK);
        CHECK(where > 4999990000ull && where <= 5000000000ull);
        open_free(f);
        EQUAL(context_unlink(root, nullptr, P("/b/file"), 0), FS_OK);
        EQUAL(context_unlink(root, nullptr, P("/b/file2"), 0), FS_OK);
        EQUAL(context_unlink(root, nullptr, P("/b/sparse"), 0), FS_OK);
        unmount("/b");
        fsck("after the file test");
        empty_a();
        tree_test(operations);
        attributes();
        many_names(3000);
        tree_on_disk();
        breaking_disk();
        orphans();
        full_disk();
        damaged(images[i].options);
    }
    run("rm -f %s %s.*", image, image);
    printf("ok\n");
    return 0;
}
