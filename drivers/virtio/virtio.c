// SPDX-License-Identifier: MPL-2.0
//
// See virtio.h. The device is trusted for DMA (there is no IOMMU), but not for the numbers that it
// writes: an index in a used ring is checked before it is followed.
#include "virtio.h"
#include <futura/sys.h>
#include "../host/host.h"

struct virtio_common {
    uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
    uint16_t config_vector, queues;
    uint8_t status, generation;
    uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
    uint32_t queue_descriptors[2], queue_driver[2], queue_device[2];
};

struct virtio_descriptor { uint64_t physical; uint32_t bytes; uint16_t flags, next; };
struct virtio_available { uint16_t flags, index, ring[]; };
struct virtio_used { uint16_t flags, index; struct { uint32_t id, bytes; } ring[]; };

#define DESCRIPTOR_NEXT 1u
#define DESCRIPTOR_WRITE 2u
#define AVAILABLE_NO_INTERRUPT 1u
#define USED_NO_NOTIFY 1u

#define STATUS_ACKNOWLEDGE 1u
#define STATUS_DRIVER 2u
#define STATUS_DRIVER_OK 4u
#define STATUS_FEATURES_OK 8u

#define CAP_VENDOR 9u
#define CFG_COMMON 1u
#define CFG_NOTIFY 2u
#define CFG_DEVICE 4u
#define NO_VECTOR 0xffffu

// The device reads and writes memory at the same time: what was written before must be visible first.
static void barrier(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

static uint32_t le32(const uint8_t *p) { uint32_t v; __builtin_memcpy(&v, p, 4); return v; }

static fut_status_t find_registers(struct virtio *v)
{
    const uint8_t *config = host_map("config", FUT_PROT_READ, nullptr);
    if (!config) {
        return FUT_ERR_NOT_FOUND;
    }
    uint8_t *bar[6] = {};
    size_t bar_bytes[6] = {};
    unsigned at = config[0x34] & ~3u;
    for (unsigned n = 0; at >= 0x40 && n < 48; n++, at = config[at + 1] & ~3u) {
        if (config[at] != CAP_VENDOR || at > 256 - 20) {
            continue;
        }
        uint8_t type = config[at + 3], b = config[at + 4];
        uint32_t offset = le32(config + at + 8), length = le32(config + at + 12);
        if (b > 5 || (type != CFG_COMMON && type != CFG_NOTIFY && type != CFG_DEVICE)) {
            continue;
        }
        if (!bar[b]) {
            char name[] = {'b', 'a', 'r', (char)('0' + b), 0};
            bar[b] = host_map(name, FUT_PROT_READ | FUT_PROT_WRITE, &bar_bytes[b]);
            if (!bar[b]) {
                return FUT_ERR_NOT_FOUND;
            }
        }
        if (offset > bar_bytes[b] || length > bar_bytes[b] - offset) {
            return FUT_ERR_INVALID;
        }
        if (type == CFG_COMMON && length >= sizeof(struct virtio_common) && !v->common) {
            v->common = (volatile struct virtio_common *)(bar[b] + offset);
        } else if (type == CFG_NOTIFY && !v->notify) {
            v->notify = bar[b] + offset;
            v->notify_multiplier = le32(config + at + 16);
        } else if (type == CFG_DEVICE && !v->device) {
            v->device = bar[b] + offset;
            v->device_bytes = length;
        }
    }
    return v->common && v->notify ? FUT_OK : FUT_ERR_UNSUPPORTED;
}

fut_status_t virtio_open(struct virtio *v, uint64_t wanted)
{
    *v = (struct virtio){};
    fut_status_t status = find_registers(v);
    if (status != FUT_OK) {
        return status;
    }
    v->dma = host_map("dma", FUT_PROT_READ | FUT_PROT_WRITE, &v->dma_bytes);
    struct fut_memory_info info;
    if (!v->dma || fut_memory_info(host_cap("dma"), &info) != FUT_OK || !info.physical) {
        return FUT_ERR_NO_MEMORY;
    }
    v->dma_physical = info.physical;
    return virtio_reset(v, wanted);
}

fut_status_t virtio_reset(struct virtio *v, uint64_t wanted)
{
    v->dma_used = 0;
    v->common->status = 0;
    while (v->common->status != 0) { // the reset is finished when it reads 0
    }
    v->common->status = STATUS_ACKNOWLEDGE;
    v->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    v->common->device_feature_select = 0;
    uint64_t offered = v->common->device_feature;
    v->common->device_feature_select = 1;
    offered |= (uint64_t)v->common->device_feature << 32;
    if (!(offered & VIRTIO_F_VERSION_1)) {
        return FUT_ERR_UNSUPPORTED;
    }
    v->features = offered & (wanted | VIRTIO_F_VERSION_1);
    v->common->driver_feature_select = 0;
    v->common->driver_feature = (uint32_t)v->features;
    v->common->driver_feature_select = 1;
    v->common->driver_feature = (uint32_t)(v->features >> 32);
    v->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    if (!(v->common->status & STATUS_FEATURES_OK)) {
        return FUT_ERR_UNSUPPORTED;
    }
    v->common->config_vector = NO_VECTOR;
    return FUT_OK;
}

void *virtio_dma(struct virtio *v, size_t bytes, size_t align, uint64_t *physical)
{
    size_t at = (v->dma_used + align - 1) & ~(align - 1);
    if (at > v->dma_bytes || bytes > v->dma_bytes - at) {
        return nullptr;
    }
    v->dma_used = at + bytes;
    __builtin_memset(v->dma + at, 0, bytes);
    *physical = v->dma_physical + at;
    return v->dma + at;
}

fut_status_t virtio_queue_open(struct virtio *v, uint16_t index, struct virtio_queue *q)
{
    *q = (struct virtio_queue){.device = v, .index = index};
    v->common->queue_select = index;
    uint16_t size = v->common->queue_size;
    if (size == 0) {
        return FUT_ERR_NOT_FOUND;
    }
    q->size = size < VIRTIO_MAX_QUEUE ? size : VIRTIO_MAX_QUEUE; // both are powers of two
    v->common->queue_size = q->size;
    uint64_t descriptors, available, used;
    q->descriptors = virtio_dma(v, sizeof(struct virtio_descriptor) * q->size, 16, &descriptors);
    q->available = virtio_dma(v, sizeof(struct virtio_available) + 2 * q->size + 2, 2, &available);
    q->used = virtio_dma(v, sizeof(struct virtio_used) + 8 * q->size + 2, 4, &used);
    if (!q->descriptors || !q->available || !q->used) {
        return FUT_ERR_NO_MEMORY;
    }
    for (uint16_t i = 0; i < q->size; i++) {
        q->descriptors[i].next = (uint16_t)(i + 1);
    }
    q->free_count = q->size;
    v->common->queue_vector = 0;
    if (v->common->queue_vector != 0) {
        return FUT_ERR_UNSUPPORTED; // the device has no vector to give
    }
    v->common->queue_descriptors[0] = (uint32_t)descriptors;
    v->common->queue_descriptors[1] = (uint32_t)(descriptors >> 32);
    v->common->queue_driver[0] = (uint32_t)available;
    v->common->queue_driver[1] = (uint32_t)(available >> 32);
    v->common->queue_device[0] = (uint32_t)used;
    v->common->queue_device[1] = (uint32_t)(used >> 32);
    q->doorbell = (volatile uint16_t *)(v->notify + (size_t)v->common->queue_notify_off * v->notify_multiplier);
    v->common->queue_enable = 1;
    return FUT_OK;
}

void virtio_start(struct virtio *v)
{
    v->common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
}

void virtio_watch_config(struct virtio *v) { v->common->config_vector = 0; }

bool virtio_add(struct virtio_queue *q, const struct virtio_piece *pieces, unsigned count, void *cookie)
{
    if (count == 0 || count > q->free_count) {
        return false;
    }
    uint16_t head = q->free_head, at = head;
    for (unsigned i = 0; i < count; i++) {
        struct virtio_descriptor *d = &q->descriptors[at];
        d->physical = pieces[i].physical;
        d->bytes = pieces[i].bytes;
        d->flags = (uint16_t)((pieces[i].device_writes ? DESCRIPTOR_WRITE : 0) | (i + 1 < count ? DESCRIPTOR_NEXT : 0));
        at = d->next; // stays the free list's link while the descriptor is in use
    }
    q->free_head = at;
    q->free_count = (uint16_t)(q->free_count - count);
    q->cookie[head] = cookie;
    q->length[head] = (uint16_t)count;
    q->available->ring[(uint16_t)(q->available->index + q->pending) % q->size] = head;
    q->pending++;
    return true;
}

void virtio_kick(struct virtio_queue *q)
{
    if (q->pending == 0) {
        return;
    }
    barrier(); // descriptors and ring before the index
    *(volatile uint16_t *)&q->available->index = (uint16_t)(q->available->index + q->pending);
    q->pending = 0;
    barrier(); // the index before the doorbell, and before the look at whether the device wants it
    if (!(*(volatile uint16_t *)&q->used->flags & USED_NO_NOTIFY)) {
        *q->doorbell = q->index;
    }
}

void virtio_interrupts(struct virtio_queue *q, bool on)
{
    *(volatile uint16_t *)&q->available->flags = on ? 0 : AVAILABLE_NO_INTERRUPT;
    barrier(); // the flag before the look at the used ring that follows
}

void *virtio_take(struct virtio_queue *q, uint32_t *written)
{
    for (;;) {
        if (*(volatile uint16_t *)&q->used->index == q->last_used) {
            return nullptr;
        }
        barrier(); // the index before the entry
        uint32_t head = q->used->ring[q->last_used % q->size].id;
        uint32_t bytes = q->used->ring[q->last_used % q->size].bytes;
        q->last_used++;
        if (head >= q->size || !q->cookie[head]) {
            continue; // not a request of ours
        }
        void *cookie = q->cookie[head];
        q->cookie[head] = nullptr;
        uint16_t last = (uint16_t)head;
        for (uint16_t i = 1; i < q->length[head]; i++) {
            last = q->descriptors[last].next;
        }
        q->descriptors[last].next = q->free_head;
        q->free_head = (uint16_t)head;
        q->free_count = (uint16_t)(q->free_count + q->length[head]);
        if (written) {
            *written = bytes;
        }
        return cookie;
    }
}

uint8_t virtio_config8(const struct virtio *v, uint32_t offset)
{
    return offset + 1 <= v->device_bytes ? v->device[offset] : 0;
}

uint16_t virtio_config16(const struct virtio *v, uint32_t offset)
{
    return offset + 2 <= v->device_bytes ? *(volatile uint16_t *)(v->device + offset) : 0;
}

uint32_t virtio_config32(const struct virtio *v, uint32_t offset)
{
    return offset + 4 <= v->device_bytes ? *(volatile uint32_t *)(v->device + offset) : 0;
}

uint64_t virtio_config64(const struct virtio *v, uint32_t offset)
{
    return virtio_config32(v, offset) | (uint64_t)virtio_config32(v, offset + 4) << 32;
}
