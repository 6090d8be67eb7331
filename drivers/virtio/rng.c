// SPDX-License-Identifier: MPL-2.0
//
// Driver host for a virtio entropy device (VIRTIO 1.1, 5.4), serving futura.entropy. One request at a time
// is with the device; others wait in order.
#include <string.h>
#include <fipc/entropy.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include "virtio.h"
#include "../host/host.h"

#define MAX_BYTES 1024u
#define WAITING 16u

static struct virtio device;
static struct virtio_queue queue;
static struct fut_server server;
static uint8_t *buffer;
static uint64_t buffer_physical;

static struct { fut_reply_t reply; uint32_t bytes; bool dead; } waiting[WAITING];
static unsigned first, count;
static bool busy;

static void next(void)
{
    while (count && waiting[first].dead) {
        first = (first + 1) % WAITING;
        count--;
    }
    if (!count || busy) {
        return;
    }
    struct virtio_piece piece = {.physical = buffer_physical, .bytes = waiting[first].bytes, .device_writes = true};
    busy = virtio_add(&queue, &piece, 1, &device);
    virtio_kick(&queue);
}

static void signals(struct fut_server *s, uint64_t bits)
{
    (void)s;
    (void)bits;
    host_irq_done();
    uint32_t written;
    while (virtio_take(&queue, &written)) {
        busy = false;
        if (count && !waiting[first].dead) {
            uint32_t n = written < waiting[first].bytes ? written : waiting[first].bytes;
            struct entropy_source_get_result res = {.data = {.data = buffer, .capacity = MAX_BYTES, .len = n}};
            (void)entropy_source_get_reply(waiting[first].reply, &res);
        }
        if (count) {
            first = (first + 1) % WAITING;
            count--;
        }
        memset(buffer, 0, MAX_BYTES); // given out once
    }
    next();
}

static void stale(struct fut_server *s, fut_reply_t reply)
{
    (void)s;
    for (unsigned i = 0; i < count; i++) {
        if (waiting[(first + i) % WAITING].reply.h == reply.h) {
            waiting[(first + i) % WAITING].dead = true;
        }
    }
    (void)fut_cap_delete(reply.h);
}

static fut_status_t do_get(struct fut_request *req, uint32_t len, struct entropy_source_get_result *res)
{
    if (len == 0) {
        res->data.len = 0;
        return FUT_OK;
    }
    fut_reply_t reply = count < WAITING ? fut_request_defer(req) : (fut_reply_t){};
    if (!reply.h) {
        return ENTROPY_ERROR_IO;
    }
    unsigned at = (first + count++) % WAITING;
    waiting[at].bytes = len < MAX_BYTES ? len : MAX_BYTES;
    waiting[at].dead = false;
    waiting[at].reply = reply;
    next();
    return FUT_DEFER;
}

int main(void)
{
    fut_status_t status = virtio_open(&device, 0);
    if (status == FUT_OK) {
        status = virtio_queue_open(&device, 0, &queue);
    }
    buffer = status == FUT_OK ? virtio_dma(&device, MAX_BYTES, 64, &buffer_physical) : nullptr;
    if (!buffer) {
        host_fail("virtio-rng: device does not start", status);
    }
    status = host_open(&server);
    if (status != FUT_OK) {
        host_fail("virtio-rng: no channel or interrupt", status);
    }
    virtio_start(&device);
    static const struct entropy_source_ops ops = {.get = do_get};
    static struct fut_service services[1];
    services[0] = entropy_source_service(&ops);
    server.services = services;
    server.service_count = 1;
    server.signals = signals;
    server.stale = stale;
    fut_server_run(&server);
}
