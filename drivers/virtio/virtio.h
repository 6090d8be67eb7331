// SPDX-License-Identifier: MPL-2.0
//
// Virtio over PCI, the modern interface only (VIRTIO 1.1, sections 2 and 4.1): finding the register
// blocks, agreeing on features, and split virtqueues.
//
// A driver host gets from devd: `config`, a copy of the device's configuration space; `bar0`..`bar5`, the
// register windows that the driver may map; `dma`, contiguous memory for the queues; `irq`, an MSI-X
// vector that all queues share. devd holds `dma` too, so that its pages cannot be reused before the
// device was reset.
#pragma once
#include <futura/abi.h>

#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_MAX_QUEUE 256u

struct virtio_common;                // register layout: virtio.c

struct virtio {
    volatile struct virtio_common *common;
    volatile uint8_t *notify;
    volatile uint8_t *device;        // the device type's own registers
    uint32_t notify_multiplier, device_bytes;
    uint64_t features;               // agreed
    uint8_t *dma;                    // mapped DMA memory; handed out front to back
    uint64_t dma_physical;
    size_t dma_bytes, dma_used;
};

// A piece of a request, in physical addresses. Pieces that the device writes come last.
struct virtio_piece {
    uint64_t physical;
    uint32_t bytes;
    bool device_writes;
};

struct virtio_queue {
    struct virtio *device;
    uint16_t index, size;
    struct virtio_descriptor *descriptors;
    struct virtio_available *available;
    struct virtio_used *used;
    volatile uint16_t *doorbell;
    uint16_t free_head, free_count, last_used, pending;
    void *cookie[VIRTIO_MAX_QUEUE];  // by first descriptor; null: not in flight
    uint16_t length[VIRTIO_MAX_QUEUE]; // descriptors of the request that starts there
};

// Maps the registers and resets the device. `wanted` are the features to take if offered.
[[nodiscard]] fut_status_t virtio_open(struct virtio *v, uint64_t wanted);
// Gives memory for the device and the driver to share; null: dma is used up.
void *virtio_dma(struct virtio *v, size_t bytes, size_t align, uint64_t *physical);
[[nodiscard]] fut_status_t virtio_queue_open(struct virtio *v, uint16_t index, struct virtio_queue *q);
void virtio_start(struct virtio *v); // DRIVER_OK
// The device forgets all its queues and touches no memory any more; `dma` is free again. Then features are agreed on as
// in virtio_open.
[[nodiscard]] fut_status_t virtio_reset(struct virtio *v, uint64_t wanted);
// Changes of the device's configuration interrupt as well.
void virtio_watch_config(struct virtio *v);

// False: not enough free descriptors; try again after virtio_take.
[[nodiscard]] bool virtio_add(struct virtio_queue *q, const struct virtio_piece *pieces, unsigned count, void *cookie);
void virtio_kick(struct virtio_queue *q);
// Whether finished requests interrupt; after turning it on, look once more (virtio_take).
void virtio_interrupts(struct virtio_queue *q, bool on);
// The cookie of a finished request and how many bytes the device wrote; null: none has finished.
void *virtio_take(struct virtio_queue *q, uint32_t *written);

uint8_t virtio_config8(const struct virtio *v, uint32_t offset);
uint16_t virtio_config16(const struct virtio *v, uint32_t offset);
uint32_t virtio_config32(const struct virtio *v, uint32_t offset);
uint64_t virtio_config64(const struct virtio *v, uint32_t offset);
