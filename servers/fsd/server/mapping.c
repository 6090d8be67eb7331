// SPDX-License-Identifier: MPL-2.0
//
// Mapped files: one paged Memory per file, made when it is first asked for, that shows the page cache's own pages to
// programs (exec maps their text from it). fsd is its pager: a missing page comes as a message with the badge of the
// mapping, and is answered by showing the page or by failing it, never by waiting for a program.
//
// A mapping keeps its node, and counts as an open of it: a file that was deleted lives on while programs have it
// mapped. The kernel does not tell when the last of them is gone, so it is asked: when the file is closed, before it
// matters (space, unmounting), and once a second while a deleted file waits for it.

#include <futura/sys.h>
#include <stdlib.h>

#include "cache/cache.h"
#include "cache/pool.h"
#include "core/platform.h"
#include "server/server.h"

#define PAGE ((uint64_t)FUT_PAGE_SIZE)
#define MANY 256u   // mappings that nobody uses are looked for when there are so many
#define MOST 16384u // mapped files of all programs together: each costs fsd kernel memory

struct mapping {
    struct cache_memory cache;
    struct mapping *next, **link;
    struct node *node; // null: the file system is gone
    fut_handle_t memory;
    uint64_t bytes, id, badge;
};

static struct mapping *mappings;
static unsigned mapping_count;
extern struct fut_server fsd_server;

static uint64_t bytes_for(uint64_t size) { return size ? (size + PAGE - 1) & ~(PAGE - 1) : PAGE; }

static bool show(struct cache_memory *cache, uint64_t page, unsigned count, void *from, bool ask) {
    struct mapping *m = (struct mapping *)cache;
    unsigned chunk;
    size_t offset;
    return pool_locate(from, &chunk, &offset) &&
           fut_memory_supply(m->memory, page * PAGE, chunk_memory(chunk), offset, count * PAGE, ask ? FUT_SUPPLY_ASK : 0) == FUT_OK;
}

static uint64_t written_in(struct mapping *m, uint64_t page, unsigned count, uint64_t flags) {
    uint64_t bits = 0;
    // Where the kernel does not tell, everything may have been.
    return fut_memory_dirty(m->memory, page * PAGE, &bits, count, flags, nullptr) == FUT_OK ? bits : ~0ull;
}

static uint64_t hide(struct cache_memory *cache, uint64_t page, unsigned count, bool writable) {
    struct mapping *m = (struct mapping *)cache;
    (void)fut_memory_decommit(m->memory, page * PAGE, count * PAGE);
    return writable ? written_in(m, page, count, 0) : 0;
}

static uint64_t written(struct cache_memory *cache, uint64_t page, unsigned count) {
    return written_in((struct mapping *)cache, page, count, FUT_DIRTY_ASK);
}

static void resize(struct cache_memory *cache, uint64_t size) {
    struct mapping *m = (struct mapping *)cache;
    uint64_t bytes = bytes_for(size);
    if (bytes != m->bytes && fut_memory_resize(m->memory, bytes) == FUT_OK) {
        m->bytes = bytes;
    }
}

static const struct cache_memory_ops memory_ops = {.show = show, .hide = hide, .written = written, .resize = resize};

fs_error mapping_of(struct node *n, fut_handle_t *memory) {
    struct mapping *m = (struct mapping *)n->data->memory;
    if (m) {
        *memory = m->memory;
        return FS_OK;
    }
    if (mapping_count >= MANY) {
        (void)mapping_reap();
    }
    if (mapping_count >= MOST) {
        return FS_TOO_MANY_FILES;
    }
    m = calloc(1, sizeof *m);
    if (!m) {
        return FS_NO_MEMORY;
    }
    m->cache.ops = &memory_ops;
    m->bytes = bytes_for(n->a.size);
    struct fut_cap_info info;
    fut_status_t s = object_enter(m, &m->badge);
    if (s != FUT_OK) {
        free(m);
        return s;
    }
    s = fut_memory_paged(m->bytes, fsd_server.channel, m->badge, &m->memory);
    if (s == FUT_OK) {
        s = fut_cap_info(m->memory, &info);
    }
    if (s != FUT_OK) {
        (void)fut_cap_delete(m->memory);
        object_gone(m->badge);
        free(m);
        return FS_NO_MEMORY;
    }
    m->id = info.object_id;
    m->node = node_ref(n);
    n->opens++;
    n->data->memory = &m->cache;
    m->next = mappings;
    m->link = &mappings;
    if (m->next) {
        m->next->link = &m->next;
    }
    mappings = m;
    mapping_count++;
    *memory = m->memory;
    return FS_OK;
}

// The file goes on without it; programs that have it mapped find no more pages.
static void detach(struct mapping *m) {
    struct node *n = m->node;
    if (n) {
        cache_memory_gone(n->data);
        m->node = nullptr;
        n->opens--;
        node_put(n);
    }
}

static bool in_use(const struct mapping *m) {
    struct fut_memory_info info;
    return fut_memory_info(m->memory, &info) != FUT_OK || info.references > 1;
}

static void drop(struct mapping *m) {
    *m->link = m->next;
    if (m->next) {
        m->next->link = m->link;
    }
    mapping_count--;
    object_gone(m->badge);
    detach(m);
    (void)fut_cap_delete(m->memory);
    free(m);
}

void mapping_closed(struct node *n) {
    struct mapping *m = (struct mapping *)n->data->memory;
    if (n->opens == 1 && !in_use(m)) {
        drop(m);
    }
}

bool mapping_reap(void) {
    bool waits = false;
    for (struct mapping *m = mappings, *next; m; m = next) {
        next = m->next;
        if ((!m->node || m->node->opens == 1) && !in_use(m)) {
            drop(m);
        } else if (m->node && m->node->opens == 1 && m->node->a.nlink == 0) {
            waits = true;
        }
    }
    return waits;
}

void mapping_detach_all(void) {
    (void)mapping_reap();
    for (struct mapping *m = mappings; m; m = m->next) {
        detach(m);
    }
}

fs_error mapping_sync(uint64_t id) {
    for (struct mapping *m = mappings; m; m = m->next) {
        if (m->id == id) {
            struct node *n = m->node;
            return !n ? FS_IO : n->fs->read_only ? FS_OK : n->fs->ops->sync_node(n, true);
        }
    }
    return FS_OK; // no file's
}

// A program waits for a page.
static fut_status_t on_page(struct fut_request *req, uint64_t offset, uint64_t, uint32_t access) {
    struct object *o = req->object;
    if (!o || o->kind != OBJECT_MAPPING) {
        return FUT_ERR_UNKNOWN_METHOD; // a program's message, not the kernel's
    }
    struct mapping *m = o->mapping;
    struct node *n = m->node;
    bool write = access & FUT_PROT_WRITE;
    fs_error e = !n ? FS_IO : write && n->fs->read_only ? FS_READ_ONLY : cache_fault(n->data, offset / PAGE, write, n->a.size);
    if (e) {
        (void)fut_memory_fail(m->memory, offset & ~(PAGE - 1), PAGE);
    } else if (write) {
        node_touch(n, TOUCH_MODIFY | TOUCH_CHANGE);
        cache_balance();
    }
    return FUT_OK;
}

const struct fault_pager_ops pager_ops = {.page = on_page};
