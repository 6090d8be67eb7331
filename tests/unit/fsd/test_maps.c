// SPDX-License-Identifier: MPL-2.0
//
// Mapped files, with a stand-in for the kernel's paged Memory: which pool page is shown where, which of them ask before
// they are written, and which were written. One file is compared with an array through write, read, truncate, eviction
// and both kinds of access through the Memory; nothing may be shown that is not the page cache's own page for it. Then
// the disk fails, and fills up.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/pool.h"
#include "host.h"

#define PAGE 4096u
#define PAGES 8192u

struct memory {
    struct cache_memory cache;
    struct node *node;
    uint64_t bytes;
    char *page[PAGES];
    bool ask[PAGES], written[PAGES];
    unsigned shown, faults, write_faults;
};

static bool memory_show(struct cache_memory *cache, uint64_t page, unsigned count, void *from, bool ask) {
    struct memory *m = (struct memory *)cache;
    unsigned chunk;
    size_t offset;
    CHECK(page + count <= PAGES && count > 0);
    CHECK(pool_locate(from, &chunk, &offset) && offset % PAGE == 0 && offset + count * PAGE <= POOL_CHUNK);
    for (unsigned i = 0; i < count; i++) {
        if (m->page[page + i]) {
            CHECK(m->page[page + i] == (char *)from + i * PAGE); // only to open it for writing
            m->ask[page + i] = m->ask[page + i] && ask;
            continue;
        }
        m->page[page + i] = (char *)from + i * PAGE;
        m->ask[page + i] = ask;
        m->shown++;
    }
    return true;
}

static uint64_t memory_written(struct cache_memory *cache, uint64_t page, unsigned count) {
    struct memory *m = (struct memory *)cache;
    uint64_t bits = 0;
    CHECK(count > 0 && count <= 64 && page + count <= PAGES);
    for (unsigned i = 0; i < count; i++) {
        bits |= (uint64_t)m->written[page + i] << i;
        m->written[page + i] = false;
        m->ask[page + i] = true;
    }
    return bits;
}

static uint64_t memory_hide(struct cache_memory *cache, uint64_t page, unsigned count, bool writable) {
    struct memory *m = (struct memory *)cache;
    CHECK(count > 0 && count <= 64 && page + count <= PAGES);
    for (unsigned i = 0; i < count; i++) {
        CHECK(writable || !m->written[page + i] || m->node->data->in_memory); // or a write would be lost
        m->shown -= m->page[page + i] != nullptr;
        m->page[page + i] = nullptr;
    }
    return writable ? memory_written(cache, page, count) : 0;
}

static void memory_resize(struct cache_memory *cache, uint64_t size) {
    struct memory *m = (struct memory *)cache;
    m->bytes = (size + PAGE - 1) / PAGE * PAGE;
    for (uint64_t i = m->bytes / PAGE; i < PAGES; i++) {
        CHECK(!m->page[i]); // the kernel would drop them, and the mark of what was written with them
    }
}

static const struct cache_memory_ops memory_ops = {.show = memory_show, .hide = memory_hide, .written = memory_written,
                                                   .resize = memory_resize};

static struct memory *attach(struct node *n) {
    struct memory *m = calloc(1, sizeof *m);
    m->cache.ops = &memory_ops;
    m->node = n;
    m->bytes = (n->a.size + PAGE - 1) / PAGE * PAGE;
    n->data->memory = &m->cache;
    return m;
}

static void detach(struct memory *m) {
    cache_memory_gone(m->node->data);
    CHECK(m->shown == 0);
    free(m);
}

// A program's access to a page: what it finds there, or the error that makes it a SIGBUS.
static char *access_page(struct memory *m, uint64_t page, bool write, fs_error *error) {
    *error = page * PAGE >= m->bytes ? FS_INVALID : FS_OK;
    for (int tries = 0; *error == FS_OK && (!m->page[page] || (write && m->ask[page])); tries++) {
        CHECK(tries < 2);
        m->faults++;
        m->write_faults += write;
        *error = cache_fault(m->node->data, page, write, m->node->a.size);
        if (write && *error == FS_OK) {
            node_touch(m->node, TOUCH_MODIFY | TOUCH_CHANGE);
            cache_balance(); // which may store the page and have it asked for again
            if (!m->page[page] || m->ask[page]) {
                tries = 0;
            }
        }
    }
    if (*error) {
        return nullptr;
    }
    m->written[page] |= write;
    return m->page[page];
}

static void check_shown(struct memory *m) {
    for (uint64_t i = 0; m->shown && i < PAGES; i++) {
        if (m->page[i]) {
            CHECK(m->page[i] == cache_peek(m->node->data, i));
            CHECK(!m->written[i] || m->node->data->in_memory || m->node->data->dirty_units > 0); // it will be stored
        }
    }
}

static struct open_file *open_path(struct context *c, const char *path, uint32_t flags) {
    struct open_file *f = nullptr;
    struct node *n = nullptr;
    EQUAL(context_open(c, nullptr, P(path), flags, 0644, &f, &n), FS_OK);
    node_put(n);
    return f;
}

void maps_test(struct context *c, const char *path, size_t limit, unsigned operations) {
    unsigned char *model = calloc(1, limit), *buffer = malloc(limit);
    size_t size = 0;
    struct open_file *f = open_path(c, path, OPEN_READ_WRITE | OPEN_CREATE | OPEN_TRUNCATE);
    struct memory *m = attach(f->node);
    fs_error e;
    for (unsigned i = 0; i < operations; i++) {
        size_t at = dice((uint32_t)limit), len = dice(dice(4) ? 20000 : (uint32_t)limit / 4) + 1, n = 0;
        unsigned op = dice(16);
        if (dice(4) == 0) {
            at = size;
        }
        if (len > limit - at) {
            len = limit - at;
        }
        if (op < 4) {
            memset(buffer, (int)(i | 1), len);
            EQUAL(file_write(f, at, buffer, len, &n), FS_OK);
            EQUAL(n, len);
            memcpy(model + at, buffer, len);
            size = len && at + len > size ? at + len : size;
        } else if (op == 4) {
            size_t to = dice(3) ? at : size + dice((uint32_t)(limit - size) + 1);
            EQUAL(file_resize(f->node, to), FS_OK);
            if (to < size) {
                memset(model + to, 0, size - to);
            }
            size = to;
        } else if (op == 5) {
            EQUAL(file_sync(f, false), FS_OK);
            CHECK(f->node->data->dirty_units == 0 || f->node->data->in_memory);
        } else if (op == 6 && dice(3) == 0) {
            EQUAL(mount_sync_all(), FS_OK);
            cache_drop_clean();
        } else if (op < 11) { // a program writes, sometimes over the end in the last page
            for (size_t k = at; k < at + len && k < (size + PAGE - 1) / PAGE * PAGE; k++) {
                char *p = access_page(m, k / PAGE, true, &e);
                EQUAL(e, FS_OK);
                p[k % PAGE] = (char)(i | 1);
                if (k < size) {
                    model[k] = (unsigned char)(i | 1);
                } else if (k == size && dice(2)) {
                    break;
                }
            }
        } else if (op < 14) {
            for (size_t k = at; k < at + len; k++) {
                char *p = access_page(m, k / PAGE, false, &e);
                EQUAL(e, k < (size + PAGE - 1) / PAGE * PAGE ? FS_OK : FS_INVALID);
                if (!p) {
                    break;
                }
                CHECK(k >= size || (unsigned char)p[k % PAGE] == model[k]);
            }
        } else {
            EQUAL(file_read(f, at, buffer, len, &n), FS_OK);
            EQUAL(n, at >= size ? 0 : len < size - at ? len : size - at);
            CHECK(memcmp(buffer, model + at, n) == 0);
        }
        EQUAL(f->node->a.size, size);
        check_shown(m);
        if (dice(200) == 0) { // the last program unmaps it; another maps it
            detach(m);
            m = attach(f->node);
        }
    }
    detach(m);
    size_t n = 0;
    EQUAL(file_sync(f, false), FS_OK);
    cache_drop_clean();
    EQUAL(file_read(f, 0, buffer, limit, &n), FS_OK);
    EQUAL(n, size);
    CHECK(memcmp(buffer, model, size) == 0);
    open_free(f);
    EQUAL(context_unlink(c, nullptr, P(path), 0), FS_OK);
    free(model);
    free(buffer);
}

// A file on a disk, larger than the pool, that programs write through; a disk that fails; a disk that is full.
void maps_on_disk_test(struct context *c, const char *path) {
    const unsigned pages = PAGES * 15 / 16; // 30 MiB
    struct open_file *f = open_path(c, path, OPEN_READ_WRITE | OPEN_CREATE | OPEN_TRUNCATE);
    struct memory *m = attach(f->node);
    fs_error e;
    EQUAL(file_resize(f->node, (uint64_t)pages * PAGE), FS_OK);
    for (unsigned i = 0; i < pages; i++) {
        char *p = access_page(m, i, true, &e);
        EQUAL(e, FS_OK);
        memset(p, (int)(i | 1), PAGE);
        CHECK(cache_stats.dirty_pages <= pool_total_pages() / 3 + 64);
    }
    CHECK(m->write_faults < pages / 8); // a program that goes through a file does not ask for each page
    for (unsigned i = 0; i < pages; i++) {
        char *p = access_page(m, i, false, &e);
        EQUAL(e, FS_OK);
        CHECK(p[0] == (char)(i | 1) && p[PAGE - 1] == (char)(i | 1));
    }
    check_shown(m);
    EQUAL(file_sync(f, false), FS_OK);
    // Opened for writing with its neighbours and not written: not stored again.
    for (unsigned i = 0; i < 20; i++) {
        CHECK(access_page(m, i, true, &e));
    }
    EQUAL(file_sync(f, false), FS_OK);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(access_page(m, i, true, &e)); // opens 16 more
    }
    CHECK(f->node->data->dirty_units > 2);
    unsigned long before = cache_stats.writes;
    EQUAL(file_sync(f, true), FS_OK);
    CHECK(cache_stats.writes - before >= 2 && cache_stats.writes - before < 10);
    EQUAL(cache_fault(f->node->data, pages, false, f->node->a.size), FS_INVALID);
    // Nothing can be read: the access fails, and works again afterwards.
    cache_drop_clean();
    image_reads_fail = true;
    CHECK(!access_page(m, 100, false, &e));
    EQUAL(e, FS_IO);
    CHECK(!access_page(m, 200, true, &e));
    image_reads_fail = false;
    CHECK(access_page(m, 100, false, &e) && m->page[100][5] == (char)(100 | 1));
    // Nothing can be written: whoever syncs hears of it, and the contents stay until they can be.
    access_page(m, 100, true, &e)[5] = 'n';
    image_break_after = 1;
    CHECK(file_sync(f, true) != FS_OK);
    image_break_after = 0;
    CHECK(access_page(m, 100, false, &e)[5] == 'n');
    EQUAL(file_sync(f, true), FS_OK);
    cache_drop_clean();
    CHECK(access_page(m, 100, false, &e)[5] == 'n');
    // Holes for which there is no room: refused when they are written, not afterwards.
    EQUAL(file_resize(f->node, 0), FS_OK);
    EQUAL(file_resize(f->node, (uint64_t)pages * PAGE), FS_OK);
    struct fs_space s;
    f->node->fs->ops->space(f->node->fs, &s);
    struct open_file *g = open_path(c, "/b/ballast", OPEN_READ_WRITE | OPEN_CREATE);
    static char block[65536];
    for (uint64_t room = s.available * s.block_size - (4u << 20); room >= sizeof block; room -= sizeof block) {
        size_t n;
        EQUAL(file_write(g, FILE_OFFSET, block, sizeof block, &n), FS_OK);
    }
    unsigned fitted = 0;
    while (fitted < pages && access_page(m, fitted, true, &e)) {
        m->page[fitted][0] = 'f';
        fitted++;
    }
    EQUAL(e, FS_NO_SPACE);
    CHECK(fitted > 500 && access_page(m, fitted, false, &e) && m->page[fitted][0] == 0);
    EQUAL(file_sync(f, false), FS_OK);
    cache_drop_clean();
    CHECK(access_page(m, fitted - 1, false, &e)[0] == 'f');
    detach(m);
    open_free(f);
    open_free(g);
    EQUAL(context_unlink(c, nullptr, P(path), 0), FS_OK);
    EQUAL(context_unlink(c, nullptr, P("/b/ballast"), 0), FS_OK);
}
