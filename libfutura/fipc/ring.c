// SPDX-License-Identifier: MPL-2.0
//
// Rings in shared Memory, off their fast path. See <futura/ring.h> for what holds and why.
#include <futura/ring.h>

fut_status_t fut_ring_create(uint32_t count, uint32_t size, fut_handle_t *memory)
{
    // Every page is there from the start: no access through the ring can fail for want of memory.
    return fut_memory_create(fut_ring_bytes(count, size), FUT_MEM_COMMIT, memory);
}

void fut_ring_attach(struct fut_ring *ring, bool producer, void *memory, uint32_t count, uint32_t size,
                     fut_handle_t peer, uint64_t peer_bits)
{
    struct fut_ring_shared *shared = memory;
    *ring = (struct fut_ring){
        .mine = producer ? &shared->producer : &shared->consumer,
        .theirs = producer ? &shared->consumer : &shared->producer,
        .data = (uint8_t *)(shared + 1),
        .count = count,
        .size = size,
        .limit = producer ? count : 0,
        .peer = peer,
        .peer_bits = peer_bits,
        .producer = producer,
    };
}

fut_status_t fut_ring_open(struct fut_ring *ring, bool producer, fut_handle_t space, fut_handle_t memory,
                           uint32_t count, uint32_t size, fut_handle_t peer, uint64_t peer_bits)
{
    struct fut_memory_info info;
    uint64_t bytes = fut_ring_bytes(count, size), address = 0;
    fut_status_t status = fut_memory_info(memory, &info);
    if (status != FUT_OK)
        return status;
    if (info.bytes < bytes)
        return FUT_ERR_INVALID;
    struct fut_map map = {.bytes = bytes, .memory = memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_NO_FAULT};
    status = fut_space_map(space, &map, &address);
    if (status != FUT_OK)
        return status;
    fut_ring_attach(ring, producer, (void *)(uintptr_t)address, count, size, peer, peer_bits);
    ring->mapped = bytes;
    return FUT_OK;
}

void fut_ring_detach(struct fut_ring *ring, fut_handle_t space)
{
    if (ring->mapped != 0) {
        const struct fut_ring_line *first = ring->producer ? ring->mine : ring->theirs;
        (void)fut_space_unmap(space, (uintptr_t)first, ring->mapped);
    }
    *ring = (struct fut_ring){.broken = true};
}

// The counter of a producer lies between what this consumer has taken and a whole ring above what it has given
// back. The counter of a consumer lies at most a whole ring below what this producer has published, and not above.
static uint32_t usable(struct fut_ring *ring, uint32_t theirs)
{
    if (ring->broken)
        return 0;
    uint32_t staged = ring->at - ring->published;
    if (ring->producer) {
        if (ring->published - theirs > ring->count) {
            ring->broken = true;
            return 0;
        }
        ring->limit = theirs + ring->count;
        // A consumer that takes back what it had given leaves less than was there before.
        if (ring->limit - ring->published < staged)
            ring->broken = true;
    } else {
        if (theirs - ring->published > ring->count || theirs - ring->published < staged)
            ring->broken = true;
        else
            ring->limit = theirs;
    }
    if (ring->broken) {
        ring->limit = ring->at;
        return 0;
    }
    return ring->limit - ring->at;
}

uint32_t fut_ring_refresh(struct fut_ring *ring)
{
    if (ring->broken)
        return 0;
    return usable(ring, __atomic_load_n(&ring->theirs->at, __ATOMIC_ACQUIRE));
}

fut_status_t fut_ring_wake(struct fut_ring *ring)
{
    uint32_t wanted = __atomic_load_n(&ring->theirs->wanted, __ATOMIC_SEQ_CST);
    if (wanted == ring->answered || ring->peer == FUT_HANDLE_NONE)
        return FUT_OK;
    ring->answered = wanted;
    return fut_event_signal(ring->peer, ring->peer_bits);
}

fut_status_t fut_ring_publish(struct fut_ring *ring)
{
    if (ring->broken)
        return FUT_ERR_INVALID;
    if (ring->published == ring->at)
        return FUT_OK;
    ring->published = ring->at;
    __atomic_store_n(&ring->mine->at, ring->at, __ATOMIC_SEQ_CST);
    return fut_ring_wake(ring);
}

bool fut_ring_arm(struct fut_ring *ring)
{
    if (ring->broken)
        return true;
    (void)fut_ring_publish(ring); // who sleeps on what it has not shown sleeps for ever
    __atomic_store_n(&ring->mine->wanted, ++ring->wanted, __ATOMIC_SEQ_CST);
    uint32_t theirs = __atomic_load_n(&ring->theirs->at, __ATOMIC_SEQ_CST);
    uint32_t end = __atomic_load_n(&ring->theirs->end, __ATOMIC_SEQ_CST);
    return usable(ring, theirs) != 0 || ring->broken || end != 0;
}

fut_status_t fut_ring_wait(struct fut_ring *ring, fut_handle_t event, uint64_t bits, uint64_t deadline)
{
    while (!fut_ring_arm(ring)) {
        uint64_t got;
        fut_status_t status = fut_event_wait(event, bits, deadline, 0, &got);
        if (status != FUT_OK)
            return status;
    }
    return FUT_OK;
}

fut_status_t fut_ring_close(struct fut_ring *ring, uint32_t reason)
{
    if (ring->broken)
        return FUT_ERR_INVALID;
    (void)fut_ring_publish(ring);
    if (!ring->ended)
        __atomic_store_n(&ring->mine->end, 1 + (reason & INT32_MAX), __ATOMIC_SEQ_CST);
    ring->ended = true;
    return fut_ring_wake(ring);
}

fut_status_t fut_ring_why(struct fut_ring *ring)
{
    if (ring->broken)
        return FUT_ERR_INVALID;
    if (!fut_ring_closed(ring, nullptr))
        return FUT_ERR_WOULD_BLOCK;
    // What the producer published before it closed counts.
    if (!ring->producer && fut_ring_refresh(ring) != 0)
        return FUT_ERR_WOULD_BLOCK;
    return ring->broken ? FUT_ERR_INVALID : FUT_ERR_PEER_CLOSED;
}

static fut_status_t move_bytes(struct fut_ring *ring, uint8_t *to, const uint8_t *from, size_t len, size_t *done)
{
    *done = 0;
    if (ring->producer && fut_ring_closed(ring, nullptr))
        return FUT_ERR_PEER_CLOSED;
    if (ring->limit - ring->at < len) // ask once for all of it, not piece by piece
        (void)fut_ring_refresh(ring);
    while (len != 0) {
        size_t piece;
        uint8_t *slot = fut_ring_span(ring, &piece);
        if (piece == 0)
            break;
        if (piece > len)
            piece = len;
        if (ring->producer)
            memcpy(slot, from + *done, piece);
        else
            fut_ring_copy(to + *done, slot, piece);
        ring->at += (uint32_t)piece;
        *done += piece;
        len -= piece;
    }
    fut_status_t status = fut_ring_publish(ring);
    return *done == 0 && len != 0 ? fut_ring_why(ring) : status;
}

fut_status_t fut_ring_write(struct fut_ring *ring, const void *data, size_t len, size_t *done)
{
    return move_bytes(ring, nullptr, data, len, done);
}

fut_status_t fut_ring_read(struct fut_ring *ring, void *data, size_t len, size_t *done)
{
    return move_bytes(ring, data, nullptr, len, done);
}

size_t fut_ring_unread(struct fut_ring *ring, size_t from, void *to, size_t len)
{
    (void)fut_ring_refresh(ring);
    if (!ring->producer || ring->broken || ring->size != 1)
        return 0;
    uint32_t first = ring->limit - ring->count; // what the consumer has given back ends here
    uint32_t held = ring->published - first;
    if (from >= held)
        return 0;
    if (len > held - from)
        len = held - from;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)to)[i] = ring->data[(first + from + i) & (ring->count - 1)];
    return len;
}
