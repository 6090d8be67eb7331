// SPDX-License-Identifier: MPL-2.0
//
// A client of block.Device. The device moves data by DMA between itself and the chunks of the page pool; a chunk is
// registered with a device when a transfer first needs it. A driver host that was restarted has forgotten its
// regions: they are registered again and the request, which is safe to repeat, is made again.

#include "server/blockdev.h"

#include <fipc/block.h>
#include <fipc/registry.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pool.h"
#include "core/platform.h"
#include "server/server.h"

#define TRIES 50
#define PAUSE_NS 100000000ull
#define APPEAR_NS 60000000000ull // for a root disk's driver to start, on a machine that is busy

struct device {
    struct block_device d;
    block_device_t session;
    bool has_flush;
    uint32_t region[POOL_MAX_CHUNKS]; // + 1; 0: not registered
    struct device *next;
};

static struct device *open_devices; // two file systems on one disk would destroy it

static void pause_a_little(void) {
    fut_handle_t e;
    uint64_t bits;
    if (fut_event_create(&e) == FUT_OK) {
        (void)fut_event_wait(e, 1, fut_clock() + PAUSE_NS, 0, &bits);
        (void)fut_cap_delete(e);
    }
}

// After a failed call: true if it is to be made again.
static bool again(struct device *v, fut_status_t s, unsigned *tries) {
    if (s == BLOCK_ERROR_NO_REGION || s == FUT_ERR_RESTARTED) {
        memset(v->region, 0, sizeof v->region);
        return ++*tries < TRIES;
    }
    if (s == BLOCK_ERROR_FULL) {
        pause_a_little();
        return ++*tries < TRIES;
    }
    return false;
}

static fs_error answer(struct device *v, fut_status_t s, const char *what, uint64_t sector) {
    switch (s) {
    case FUT_OK:
        return FS_OK;
    case BLOCK_ERROR_READ_ONLY:
        return FS_READ_ONLY;
    default:
        platform_log("%s: %s of sector %llu failed (%d)", v->d.name, what, (unsigned long long)sector, (int)s);
        return FS_IO;
    }
}

static fut_status_t region_of(struct device *v, const void *p, uint32_t *region, size_t *offset) {
    unsigned chunk;
    if (!pool_locate(p, &chunk, offset)) {
        return FUT_ERR_ARGUMENT;
    }
    if (!v->region[chunk]) {
        uint32_t r;
        fut_status_t s = block_device_register(v->session, chunk_memory(chunk), &r);
        if (s) {
            return s;
        }
        v->region[chunk] = r + 1;
    }
    *region = v->region[chunk] - 1;
    return FUT_OK;
}

static fs_error transfer(struct device *v, bool write, uint64_t sector, uint32_t count, const void *p) {
    if (sector > v->d.sectors || count > v->d.sectors - sector) {
        platform_log("%s: sector %llu lies behind the end", v->d.name, (unsigned long long)sector);
        return FS_IO;
    }
    unsigned tries = 0;
    fut_status_t s;
    do {
        uint32_t region;
        size_t offset;
        s = region_of(v, p, &region, &offset);
        if (s == FUT_OK) {
            s = write ? block_device_write(v->session, region, offset, sector, count)
                      : block_device_read(v->session, region, offset, sector, count);
        }
    } while (s && again(v, s, &tries));
    return answer(v, s, write ? "writing" : "reading", sector);
}

static fs_error device_read(struct block_device *d, uint64_t sector, uint32_t count, void *to) {
    return transfer((struct device *)d, false, sector, count, to);
}

static fs_error device_write(struct block_device *d, uint64_t sector, uint32_t count, const void *from) {
    return transfer((struct device *)d, true, sector, count, from);
}

static fs_error device_flush(struct block_device *d) {
    struct device *v = (struct device *)d;
    unsigned tries = 0;
    fut_status_t s = FUT_OK;
    if (v->has_flush) {
        do {
            s = block_device_flush(v->session);
        } while (s && again(v, s, &tries));
    }
    return answer(v, s, "flushing", 0);
}

static void device_close(struct block_device *d) {
    struct device *v = (struct device *)d;
    for (unsigned i = 0; i < POOL_MAX_CHUNKS; i++) {
        if (v->region[i]) {
            (void)block_device_unregister(v->session, v->region[i] - 1);
        }
    }
    (void)fut_cap_delete(v->session.h);
    for (struct device **at = &open_devices; *at; at = &(*at)->next) {
        if (*at == v) {
            *at = v->next;
            break;
        }
    }
    free(v);
}

fs_error blockdev_open(const char *name, bool wait, struct block_device **result) {
    char service[64];
    int len = snprintf(service, sizeof service, "block.%s", name);
    if (len < 0 || len >= (int)sizeof service) {
        return FS_NO_DEVICE;
    }
    for (struct device *o = open_devices; o; o = o->next) {
        if (strcmp(o->d.name, name) == 0) {
            return FS_BUSY;
        }
    }
    struct device *v = calloc(1, sizeof *v);
    if (!v) {
        return FS_NO_MEMORY;
    }
    registry_directory_t registry = {registry_session};
    struct fut_call_options options = {.deadline = fut_clock() + APPEAR_NS};
    fut_status_t s = registry_directory_lookup_opt(registry, &options, (struct fut_string){service, (size_t)len}, wait,
                                                   &v->session.h);
    if (s) {
        free(v);
        return FS_NO_DEVICE;
    }
    struct block_geometry g;
    s = block_device_info(v->session, &g, nullptr);
    if (s || g.sector_size == 0 || (g.sector_size != SECTOR && g.sector_size % SECTOR)) {
        (void)fut_cap_delete(v->session.h);
        free(v);
        return FS_IO;
    }
    v->has_flush = g.flush;
    v->d = (struct block_device){.sectors = g.sectors, .read_only = g.read_only, .read = device_read,
                                 .write = device_write, .flush = device_flush, .close = device_close};
    memcpy(v->d.name, name, strlen(name) + 1);
    v->next = open_devices;
    open_devices = v;
    *result = &v->d;
    return FS_OK;
}
