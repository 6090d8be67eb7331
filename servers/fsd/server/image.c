// SPDX-License-Identifier: MPL-2.0
//
// Images: the contents of a regular file as one Memory, which programs map (exec maps their text from it) and which
// all of them share. An image is made whole when it is first asked for and kept with the node until the file is let
// go or memory is wanted; changes made with write() go into it too, so that mappings see them. A Memory of a file that
// shrank keeps its length (zeros behind the end), because a mapping of it must not lose pages.

#include <futura/sys.h>
#include <stdlib.h>

#include "cache/cache.h"
#include "cache/pool.h"
#include "core/platform.h"
#include "server/server.h"

#define PAGE 4096u
#define BIGGEST ((uint64_t)64 << 20)

struct image {
    struct image *next, **link; // oldest first
    struct node *node;
    fut_handle_t memory;
    uint64_t bytes, version;
};

static struct image *oldest, **newest = &oldest;
static uint64_t total;

static void drop(struct image *i) {
    *i->link = i->next;
    if (i->next) {
        i->next->link = i->link;
    } else {
        newest = i->link;
    }
    total -= i->bytes;
    i->node->image = nullptr;
    (void)fut_cap_delete(i->memory);
    free(i);
}

static void image_free(struct node *n) {
    if (n->image) {
        drop(n->image);
    }
}

fs_error image_of(struct node *n, fut_handle_t *memory) {
    struct image *i = n->image;
    if (i && i->version == n->version) {
        *memory = i->memory;
        return FS_OK;
    }
    if (i) {
        drop(i);
    }
    uint64_t size = n->a.size, bytes = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    if (bytes == 0 || bytes > BIGGEST) {
        return bytes ? FS_NOT_SUPPORTED : FS_INVALID;
    }
    uint64_t limit = pool_total_pages() * (uint64_t)POOL_PAGE / 2;
    while (oldest && total + bytes > limit) {
        drop(oldest);
    }
    i = malloc(sizeof *i);
    if (!i) {
        return FS_NO_MEMORY;
    }
    fut_status_t s = fut_memory_create(bytes, 0, &i->memory);
    while (s != FUT_OK && oldest) {
        drop(oldest);
        s = fut_memory_create(bytes, 0, &i->memory);
    }
    if (s != FUT_OK) {
        free(i);
        return FS_NO_MEMORY;
    }
    for (uint64_t at = 0; at < size;) {
        const void *p;
        size_t len;
        uint64_t moved = 0;
        fs_error e = cache_view(n->data, at, size - at, size, &p, &len);
        if (e == FS_OK && fut_memory_write(i->memory, at, p, len, &moved) != FUT_OK) {
            e = FS_NO_MEMORY;
        }
        if (e) {
            (void)fut_cap_delete(i->memory);
            free(i);
            return e;
        }
        at += len;
    }
    i->node = n;
    i->bytes = bytes;
    i->version = n->version;
    i->next = nullptr;
    i->link = newest;
    *newest = i;
    newest = &i->next;
    total += bytes;
    n->image = i;
    node_image_free = image_free;
    *memory = i->memory;
    return FS_OK;
}

void image_update(struct node *n, uint64_t offset, const void *from, size_t len) {
    struct image *i = n->image;
    if (!i || offset >= i->bytes) {
        return;
    }
    if (len > i->bytes - offset) {
        len = (size_t)(i->bytes - offset);
    }
    uint64_t moved;
    (void)fut_memory_write(i->memory, offset, from, len, &moved);
    // It is the current contents still, unless the file has outgrown it.
    if (n->a.size <= i->bytes) {
        i->version = n->version;
    }
}
