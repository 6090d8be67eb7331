// SPDX-License-Identifier: MPL-2.0
//
// Driver host for a virtio block device (VIRTIO 1.1, 5.2), serving futura.block.
//
// Data goes straight between the device and the Memory that the client registered. Every request is
// answered when the device has finished it, so that as many are in flight as clients have calls open,
// up to REQUESTS; what comes beyond waits in order. If this process ends, its callers see RESTARTED and
// repeat (every method is idempotent); devd resets the device before the next host starts, so a page of
// the queues is never reused while the device may still write to it. Regions are gone then: the error
// no_region tells a client to register its Memory again.
#include <stdlib.h>
#include <string.h>
#include <fipc/block.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include "virtio.h"
#include "../host/host.h"

#define F_SIZE_MAX (1ull << 1)
#define F_RO       (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH    (1ull << 9)
#define F_DISCARD  (1ull << 13)

#define TYPE_IN      0u
#define TYPE_OUT     1u
#define TYPE_FLUSH   4u
#define TYPE_DISCARD 11u

#define REQUESTS 40u        // three descriptors each
#define WAITING  64u
#define REGIONS  1024u      // fsd registers its whole page pool, in chunks of 2 MiB

struct header { uint32_t type, reserved; uint64_t sector; };
struct discard { uint64_t sector; uint32_t count, flags; };
// What the device reads and writes beside the data.
struct shared { struct header header; struct discard discard; uint8_t status, pad[15]; };

struct work {
    uint32_t type, region, count;
    uint64_t offset, sector;
    fut_reply_t reply;
    bool answered;          // the caller is gone; the device's answer is nobody's
    struct work *next;
    struct shared *shared;
    uint64_t shared_physical;
};

static struct virtio device;
static struct virtio_queue queue;
static struct fut_server server;
static struct block_geometry geometry;
static uint32_t discard_max;
static char name[32];

// A region's number is good for this host only: its upper part is how often the device was started. A number that a
// client kept from the host before must never name other Memory by chance.
static struct region { fut_handle_t memory; uint64_t physical, bytes; uint32_t in_flight; } regions[REGIONS];
static uint32_t first_region;

static struct work works[REQUESTS + WAITING];
static struct work *free_works;
static struct work *first_waiting, **last_waiting = &first_waiting;

static void answer(struct work *w, fut_status_t status)
{
    if (w->answered) {
        return;
    }
    if (status != FUT_OK) {
        (void)fut_reply_error(w->reply, status);
        return;
    }
    switch (w->type) {
    case TYPE_IN: (void)block_device_read_reply(w->reply); break;
    case TYPE_OUT: (void)block_device_write_reply(w->reply); break;
    case TYPE_FLUSH: (void)block_device_flush_reply(w->reply); break;
    default: (void)block_device_discard_reply(w->reply); break;
    }
}

static void release(struct work *w)
{
    w->next = free_works;
    free_works = w;
}

// False: the queue is full.
static bool submit(struct work *w)
{
    struct shared *s = w->shared;
    *s = (struct shared){.header = {.type = w->type, .sector = w->sector}, .status = 0xff};
    struct virtio_piece piece[3] = {{.physical = w->shared_physical, .bytes = sizeof s->header}};
    unsigned n = 1;
    if (w->type == TYPE_IN || w->type == TYPE_OUT) {
        piece[n++] = (struct virtio_piece){regions[w->region].physical + w->offset, w->count * 512, w->type == TYPE_IN};
    } else if (w->type == TYPE_DISCARD) {
        s->discard = (struct discard){.sector = w->sector, .count = w->count};
        s->header.sector = 0;
        piece[n++] = (struct virtio_piece){w->shared_physical + offsetof(struct shared, discard), sizeof s->discard, false};
    }
    piece[n++] = (struct virtio_piece){w->shared_physical + offsetof(struct shared, status), 1, true};
    return virtio_add(&queue, piece, n, w);
}

static void start_waiting(void)
{
    while (first_waiting && submit(first_waiting)) {
        first_waiting = first_waiting->next;
        if (!first_waiting) {
            last_waiting = &first_waiting;
        }
    }
    virtio_kick(&queue);
}

static void finish_done(void)
{
    struct work *w;
    while ((w = virtio_take(&queue, nullptr))) {
        if (w->type == TYPE_IN || w->type == TYPE_OUT) {
            regions[w->region].in_flight--;
        }
        uint8_t status = *(volatile uint8_t *)&w->shared->status;
        answer(w, status == 0 ? FUT_OK : status == 2 ? BLOCK_ERROR_UNSUPPORTED : BLOCK_ERROR_IO);
        release(w);
    }
    start_waiting();
}

static fut_status_t enqueue(struct fut_request *req, const struct work *what)
{
    struct work *w = free_works;
    fut_reply_t reply = w ? fut_request_defer(req) : (fut_reply_t){};
    if (!reply.h) {
        return BLOCK_ERROR_FULL;
    }
    free_works = w->next;
    struct shared *shared = w->shared;
    uint64_t physical = w->shared_physical;
    *w = *what;
    w->shared = shared;
    w->shared_physical = physical;
    w->next = nullptr;
    w->reply = reply;
    if (w->type == TYPE_IN || w->type == TYPE_OUT) {
        regions[w->region].in_flight++;
    }
    *last_waiting = w;
    last_waiting = &w->next;
    start_waiting();
    return FUT_DEFER;
}

static fut_status_t transfer(struct fut_request *req, uint32_t type, uint32_t region, uint64_t offset,
                             uint64_t sector, uint32_t count)
{
    region -= first_region;
    if (region >= REGIONS || !regions[region].memory) {
        return BLOCK_ERROR_NO_REGION;
    }
    if (count == 0 || count > (1u << 31) / 512 || sector >= geometry.sectors || count > geometry.sectors - sector ||
        offset % 512 || offset >= regions[region].bytes || count * 512ull > regions[region].bytes - offset) {
        return BLOCK_ERROR_RANGE;
    }
    if (type == TYPE_OUT && geometry.read_only) {
        return BLOCK_ERROR_READ_ONLY;
    }
    return enqueue(req, &(struct work){.type = type, .region = region, .offset = offset, .sector = sector, .count = count});
}

// --- futura.block ------------------------------------------------------------------------------------

static fut_status_t do_info(struct fut_request *req, struct block_device_info_result *res)
{
    (void)req;
    res->g = geometry;
    res->name.len = strlen(name);
    memcpy(res->name.data, name, res->name.len);
    return FUT_OK;
}

static fut_status_t do_register(struct fut_request *req, fut_handle_t memory, struct block_device_register_result *res)
{
    (void)req;
    struct fut_memory_info info;
    if (fut_memory_info(memory, &info) != FUT_OK || !info.physical) {
        (void)fut_cap_delete(memory);
        return BLOCK_ERROR_UNSUPPORTED; // not contiguous, or without the right to know where it is
    }
    for (uint32_t i = 0; i < REGIONS; i++) {
        if (!regions[i].memory) {
            regions[i] = (struct region){.memory = memory, .physical = info.physical, .bytes = info.bytes};
            res->region = first_region + i;
            return FUT_OK;
        }
    }
    (void)fut_cap_delete(memory);
    return BLOCK_ERROR_FULL;
}

static fut_status_t do_unregister(struct fut_request *req, uint32_t region)
{
    (void)req;
    region -= first_region;
    if (region >= REGIONS || !regions[region].memory) {
        return BLOCK_ERROR_NO_REGION;
    }
    if (regions[region].in_flight) {
        return BLOCK_ERROR_FULL; // the device still uses it
    }
    (void)fut_cap_delete(regions[region].memory);
    regions[region] = (struct region){};
    return FUT_OK;
}

static fut_status_t do_read(struct fut_request *req, uint32_t region, uint64_t offset, uint64_t sector, uint32_t count)
{
    return transfer(req, TYPE_IN, region, offset, sector, count);
}

static fut_status_t do_write(struct fut_request *req, uint32_t region, uint64_t offset, uint64_t sector, uint32_t count)
{
    return transfer(req, TYPE_OUT, region, offset, sector, count);
}

static fut_status_t do_flush(struct fut_request *req)
{
    if (!geometry.flush) {
        return FUT_OK; // the device says that it keeps nothing back
    }
    return enqueue(req, &(struct work){.type = TYPE_FLUSH});
}

static fut_status_t do_discard(struct fut_request *req, uint64_t sector, uint64_t count)
{
    if (!geometry.discard) {
        return BLOCK_ERROR_UNSUPPORTED;
    }
    if (count == 0 || count > discard_max || sector >= geometry.sectors || count > geometry.sectors - sector) {
        return BLOCK_ERROR_RANGE;
    }
    return enqueue(req, &(struct work){.type = TYPE_DISCARD, .sector = sector, .count = (uint32_t)count});
}

static void signals(struct fut_server *s, uint64_t bits)
{
    (void)s;
    if (bits & HOST_IRQ) {
        host_irq_done(); // before looking: what finishes from here on interrupts again
        finish_done();
    }
}

static void stale(struct fut_server *s, fut_reply_t reply)
{
    (void)s;
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        if (works[i].reply.h == reply.h) {
            works[i].answered = true;
        }
    }
    (void)fut_cap_delete(reply.h);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        strncpy(name, argv[1], sizeof name - 1);
    }
    first_region = (uint32_t)(argc > 3 ? strtoul(argv[3], nullptr, 10) : 0) * REGIONS;
    fut_status_t status = virtio_open(&device, F_RO | F_BLK_SIZE | F_FLUSH | F_DISCARD);
    if (status == FUT_OK) {
        status = virtio_queue_open(&device, 0, &queue);
    }
    if (status != FUT_OK) {
        host_fail("virtio-blk: device does not start", status);
    }
    geometry = (struct block_geometry){
        .sectors = virtio_config64(&device, 0),
        .sector_size = 512,
        .physical_size = device.features & F_BLK_SIZE ? virtio_config32(&device, 20) : 512,
        .read_only = device.features & F_RO,
        .flush = device.features & F_FLUSH,
        .discard = device.features & F_DISCARD,
    };
    discard_max = device.features & F_DISCARD ? virtio_config32(&device, 36) : 0;
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        works[i].shared = virtio_dma(&device, sizeof(struct shared), 64, &works[i].shared_physical);
        if (!works[i].shared) {
            host_fail("virtio-blk: not enough DMA memory", FUT_ERR_NO_MEMORY);
        }
        release(&works[i]);
    }
    status = host_open(&server);
    if (status != FUT_OK) {
        host_fail("virtio-blk: no channel or interrupt", status);
    }
    virtio_start(&device);

    static const struct block_device_ops ops = {
        .info = do_info, .register_ = do_register, .unregister = do_unregister, .read = do_read,
        .write = do_write, .flush = do_flush, .discard = do_discard,
    };
    static struct fut_service services[1];
    services[0] = block_device_service(&ops);
    server.services = services;
    server.service_count = 1;
    server.signals = signals;
    server.stale = stale;
    fut_server_run(&server);
}
