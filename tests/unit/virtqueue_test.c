// SPDX-License-Identifier: MPL-2.0
//
// Virtqueues against a device that is a few arrays: requests complete out of order, the ring wraps, a full queue
// refuses, and a device that writes nonsense into its used ring neither finishes a request twice nor makes the
// driver follow an index that does not exist.
#include "virtio.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE 8
static int failures;
#define CHECK(c) do { if (!(c)) { printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #c); failures++; } } while (0)

void *host_map(const char *name, uint32_t prot, size_t *bytes)
{
    (void)name, (void)prot, (void)bytes;
    return nullptr;
}

fut_handle_t host_cap(const char *name)
{
    (void)name;
    return 0;
}

struct descriptor { uint64_t physical; uint32_t bytes; uint16_t flags, next; };
struct ring { uint16_t flags, index, entry[SIZE]; };
struct used { uint16_t flags, index; struct { uint32_t id, bytes; } entry[SIZE]; };

static struct virtio device;
static struct virtio_queue queue;
static alignas(64) uint8_t dma[4096];
static alignas(8) uint8_t registers[64];
static alignas(8) uint8_t doorbell[8];
static struct descriptor *descriptors;
static struct ring *available;
static struct used *used;

static void open_queue(void)
{
    memset(registers, 0, sizeof registers);
    uint16_t size = SIZE;
    memcpy(registers + 24, &size, 2);
    device = (struct virtio){.common = (void *)registers, .notify = doorbell, .dma = dma, .dma_physical = 0x1000, .dma_bytes = sizeof dma};
    CHECK(virtio_queue_open(&device, 0, &queue) == FUT_OK);
    descriptors = (void *)queue.descriptors;
    available = (void *)queue.available;
    used = (void *)queue.used;
}

static void finish(uint32_t id, uint32_t bytes)
{
    used->entry[used->index % SIZE].id = id;
    used->entry[used->index % SIZE].bytes = bytes;
    used->index++;
}

static void wraps_and_completes_out_of_order(void)
{
    open_queue();
    int cookies[3];
    for (int round = 0; round < 40000; round++) { // the 16-bit indexes wrap as well
        struct virtio_piece p[2] = {{0x100, 16, false}, {0x200, 512, true}};
        uint16_t seen = available->index;
        for (int i = 0; i < 3; i++)
            CHECK(virtio_add(&queue, p, 2, &cookies[i]));
        CHECK(available->index == seen); // nothing is visible before the kick
        virtio_kick(&queue);
        CHECK((uint16_t)(available->index - seen) == 3);
        uint16_t head[3];
        for (int i = 0; i < 3; i++) {
            head[i] = available->entry[(uint16_t)(seen + i) % SIZE];
            const struct descriptor *d = &descriptors[head[i]];
            CHECK(d->flags == 1 && d->bytes == 16 && descriptors[d->next].flags == 2 && descriptors[d->next].bytes == 512);
        }
        finish(head[1], 5);
        finish(head[2], 6);
        finish(head[0], 7);
        uint32_t written;
        CHECK(virtio_take(&queue, &written) == &cookies[1] && written == 5);
        CHECK(virtio_take(&queue, &written) == &cookies[2] && written == 6);
        CHECK(virtio_take(&queue, &written) == &cookies[0] && written == 7);
        CHECK(!virtio_take(&queue, &written));
        CHECK(queue.free_count == SIZE);
        if (failures)
            return;
    }
}

static void full_queue_refuses(void)
{
    open_queue();
    int cookie;
    struct virtio_piece p[3] = {{1, 1, false}, {2, 2, false}, {3, 1, true}};
    CHECK(virtio_add(&queue, p, 3, &cookie) && virtio_add(&queue, p, 3, &cookie));
    CHECK(!virtio_add(&queue, p, 3, &cookie));
    CHECK(virtio_add(&queue, p, 2, &cookie));
    CHECK(!virtio_add(&queue, p, 1, &cookie));
    CHECK(!virtio_add(&queue, p, 0, &cookie));
}

static void nonsense_from_the_device_is_ignored(void)
{
    open_queue();
    int cookie;
    struct virtio_piece p = {1, 1, true};
    CHECK(virtio_add(&queue, &p, 1, &cookie));
    virtio_kick(&queue);
    uint16_t head = available->entry[0];
    finish(SIZE, 0);            // outside of the ring
    finish(UINT32_MAX, 0);
    finish((head + 1) % SIZE, 0); // not in flight
    finish(head, 1);
    finish(head, 1);            // twice
    CHECK(virtio_take(&queue, nullptr) == &cookie);
    CHECK(!virtio_take(&queue, nullptr));
    CHECK(queue.free_count == SIZE);
}

static void dma_memory_ends(void)
{
    open_queue();
    uint64_t physical;
    CHECK(!virtio_dma(&device, sizeof dma, 16, &physical));
    size_t left = sizeof dma - device.dma_used;
    CHECK(virtio_dma(&device, 1, 64, &physical) && physical % 64 == 0);
    CHECK(!virtio_dma(&device, left, 1, &physical));
    CHECK(!virtio_dma(&device, SIZE_MAX, 1, &physical));
}

int main(void)
{
    wraps_and_completes_out_of_order();
    full_queue_refuses();
    nonsense_from_the_device_is_ignored();
    dma_memory_ends();
    printf("%d failures\n", failures);
    return failures != 0;
}
