// SPDX-License-Identifier: MPL-2.0
#include "sim.h"
#include "vectors.h"
#include <futura/events.h>

static alignas(64) uint8_t memory[256 << 10]; // what of a ring is used: the lines and the first slots

void *sim_ring_slot(void) { return memory + sizeof(struct fut_ring_shared); }

void *sim_ring(const struct fut_slot_vector *v)
{
    const struct fut_test_ring *ring = &fut_test_library.rings[v->ring];
    const struct fut_base *base = &fut_test_library.bases[v->base];
    uint8_t *slot = sim_ring_slot();
    memset(memory, 0, sizeof memory);
    if (ring->events) {
        *(struct fut_event_head *)slot = (struct fut_event_head){v->sequence, v->ordinal, (uint16_t)v->length};
        slot += sizeof(struct fut_event_head);
    }
    memcpy(slot, base->data, !ring->events || v->length > base->length ? base->length : v->length);
    for (unsigned i = 0; i < v->patch_bytes; i++)
        slot[v->patch_at + i] = (uint8_t)(v->patch >> (8 * i));
    ((struct fut_ring_shared *)memory)->producer.at = 1;
    return memory;
}
