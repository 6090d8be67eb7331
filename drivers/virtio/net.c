// SPDX-License-Identifier: MPL-2.0
//
// Driver host for a virtio network device (VIRTIO 1.1, 5.1), behind futura.nic (drivers/net/nic.h).
//
// Queue 0 receives, queue 1 sends. The device puts a header of 12 bytes before each frame; it goes into the headroom
// of the client's buffer, so that the frame itself lies where the protocol says. To send, the header is a piece of its
// own. Buffers hold whole frames: neither merged buffers nor segmentation are agreed on.
#include <string.h>
#include "../host/host.h"
#include "../net/nic.h"
#include "virtio.h"

#define F_CSUM       (1ull << 0)
#define F_GUEST_CSUM (1ull << 1)
#define F_MTU        (1ull << 3)
#define F_MAC        (1ull << 5)
#define F_STATUS     (1ull << 16)
#define WANTED       (F_CSUM | F_GUEST_CSUM | F_MTU | F_MAC | F_STATUS)

#define HEADER_NEEDS_CHECKSUM 1u
#define HEADER_CHECKSUM_OK 2u
#define STATUS_LINK_UP 1u

struct header {
    uint8_t flags, segmentation;
    uint16_t header_bytes, segment_bytes, checksum_start, checksum_offset, buffers;
};
static_assert(sizeof(struct header) == 12 && sizeof(struct header) <= NIC_HEADROOM);

static struct virtio device;
static struct virtio_queue receive, transmit;
static struct header *headers;            // one per frame to send
static uint64_t headers_physical;

static void *cookie(unsigned slot) { return (void *)(uintptr_t)(slot + 1); }
static unsigned slot_of(void *c) { return (unsigned)(uintptr_t)c - 1; }

static fut_status_t start(void)
{
    fut_status_t status = virtio_reset(&device, WANTED);
    if (status == FUT_OK)
        status = virtio_queue_open(&device, 0, &receive);
    if (status == FUT_OK)
        status = virtio_queue_open(&device, 1, &transmit);
    if (status != FUT_OK)
        return status;
    headers = virtio_dma(&device, NIC_SLOTS * sizeof *headers, 16, &headers_physical);
    if (!headers)
        return FUT_ERR_NO_MEMORY;
    virtio_watch_config(&device);
    virtio_interrupts(&transmit, false);
    virtio_start(&device);
    return FUT_OK;
}

static void stop(void)
{
    (void)!virtio_reset(&device, WANTED);
    receive = transmit = (struct virtio_queue){};
}

static bool give(unsigned slot, uint64_t physical, uint32_t bytes)
{
    struct virtio_piece p = {physical - sizeof(struct header), bytes + (uint32_t)sizeof(struct header), true};
    return virtio_add(&receive, &p, 1, cookie(slot));
}

static bool got(unsigned *slot, uint32_t *bytes, uint32_t *flags)
{
    uint32_t written;
    void *c = virtio_take(&receive, &written);
    if (!c)
        return false;
    *slot = slot_of(c);
    *bytes = written > sizeof(struct header) ? written - (uint32_t)sizeof(struct header) : 0;
    // What the device says about checksums is only worth something where it was agreed on.
    const volatile struct header *h = nic_before_frame(*slot, sizeof(struct header));
    bool good = (device.features & F_GUEST_CSUM) && (h->flags & (HEADER_NEEDS_CHECKSUM | HEADER_CHECKSUM_OK));
    *flags = good ? NIC_ENTRY_FLAGS_CHECKSUM_OK : 0;
    return true;
}

static bool send(unsigned slot, const struct nic_frame *f)
{
    struct virtio_piece p[1 + NIC_PIECES];
    headers[slot] = (struct header){};
    if (f->flags & NIC_ENTRY_FLAGS_CHECKSUM_PARTIAL) {
        headers[slot].flags = HEADER_NEEDS_CHECKSUM;
        headers[slot].checksum_start = f->checksum_start;
        headers[slot].checksum_offset = f->checksum_offset;
    }
    p[0] = (struct virtio_piece){headers_physical + slot * sizeof *headers, sizeof *headers, false};
    for (unsigned i = 0; i < f->pieces; i++)
        p[1 + i] = (struct virtio_piece){f->piece[i].physical, f->piece[i].bytes, false};
    if (virtio_add(&transmit, p, 1 + f->pieces, cookie(slot))) {
        return true;
    }
    virtio_interrupts(&transmit, true);
    return false;
}

static bool sent(unsigned *slot)
{
    void *c = virtio_take(&transmit, nullptr);
    if (!c)
        return false;
    if (transmit.free_count > transmit.size / 2)
        virtio_interrupts(&transmit, false);
    *slot = slot_of(c);
    return true;
}

static void kick(void)
{
    virtio_kick(&receive);
    virtio_kick(&transmit);
}

static bool link(void)
{
    return !(device.features & F_STATUS) || (virtio_config16(&device, 6) & STATUS_LINK_UP);
}

int main(int argc, char **argv)
{
    fut_status_t status = virtio_open(&device, WANTED);
    if (status != FUT_OK)
        host_fail("virtio-net: device does not start", status);
    static struct nic_device d = {
        .start = start, .stop = stop, .give = give, .got = got, .send = send, .sent = sent, .kick = kick, .link = link,
    };
    for (unsigned i = 0; i < 6; i++)
        d.info.mac[i] = virtio_config8(&device, i);
    d.info.mtu = device.features & F_MTU ? virtio_config16(&device, 10) : 1500;
    d.info.pieces_max = NIC_PIECES;
    d.info.features = (device.features & F_GUEST_CSUM ? NIC_FEATURES_RECEIVE_CHECKSUM : 0) |
                      (device.features & F_CSUM ? NIC_FEATURES_SEND_CHECKSUM : 0) |
                      (device.features & F_STATUS ? NIC_FEATURES_LINK_STATE : 0);
    nic_run(&d, argc > 1 ? argv[1] : "nic");
}
