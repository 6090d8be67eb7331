// SPDX-License-Identifier: MPL-2.0
//
// Rings in shared Memory: one producer, one consumer, records of one size or a stream of bytes. The typed
// functions are generated from `ring` declarations (<fipc/NAME.h>); these are what they are made of.
//
// The Memory begins with two lines of 64 bytes, each written by one side only; the slots follow. The counters
// run freely (modulo 2^32), so full and empty are told apart, and what a side may use (its credits) is the
// difference of the two, checked against the size of the ring whenever it is read.
//
// The other side is not trusted. A side keeps its own counter to itself and never reads it back; what it reads
// of the other's is read once and checked; a record is copied out before it is looked at. A counter that cannot
// be makes the ring `broken` for good: every later call gives FUT_ERR_INVALID. What the other side can do is to
// give wrong data, to give none, and to wake this side for nothing.
//
// Ordering. Whoever publishes stores its counter and then loads the other's wish; whoever goes to sleep stores
// its wish and then loads the other's counter. All four are sequentially consistent, so at least one of the two
// sees the other: no wake-up is lost (x86_64: xchg; arm64: stlr and ldar, which stay in order). The data itself
// is ordered by the release in the store and the acquire in the load of the counter.
//
// Waking. A wish is a number that its side increments each time it is about to sleep; the other side signals when
// the number is another than the one it answered last. So a busy ring makes no system calls at all.
//
// Threads: each end belongs to one thread at a time.
#pragma once
#include <futura/sys.h>
#include <string.h>

struct fut_ring_line {
    uint32_t at;      // slots published (producer) or given back (consumer), counted from the beginning
    uint32_t wanted;  // how often this side has asked to be woken
    uint32_t end;     // 0, or 1 + the reason for which this side has closed
    uint32_t sent;    // event rings: events sent, with those for which there was no room
    uint32_t unused[12];
};
struct fut_ring_shared {
    struct fut_ring_line producer, consumer;
};
static_assert(sizeof(struct fut_ring_shared) == 128);

#define FUT_RING_MAX_BYTES (1u << 26) // of slots

// One end.
struct fut_ring {
    struct fut_ring_line *mine, *theirs;
    uint8_t *data;
    uint32_t count, size;       // slots (a power of two), bytes of each
    uint32_t at;                // the slot used next
    uint32_t published;         // what the other side knows of it
    uint32_t limit;             // slots up to here may be used
    uint32_t wanted, answered;  // wishes made, and wishes of the other side answered
    fut_handle_t peer;          // the Event that wakes the other side, 0: none
    uint64_t peer_bits;
    bool producer, broken;
    bool ended;                 // fut_ring_close() was called
    uint64_t mapped;            // bytes that fut_ring_close() unmaps
};

static inline size_t fut_ring_bytes(uint32_t count, uint32_t size)
{
    return (sizeof(struct fut_ring_shared) + (size_t)count * size + FUT_PAGE_SIZE - 1) & ~(size_t)(FUT_PAGE_SIZE - 1);
}

// Memory for a ring; zeros are an empty one. Its maker keeps MANAGE to itself: mint with FUT_RING_RIGHTS.
#define FUT_RING_RIGHTS (FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP | FUT_RIGHT_DUP | FUT_RIGHT_MOVE)
[[nodiscard]] fut_status_t fut_ring_create(uint32_t count, uint32_t size, fut_handle_t *memory);
// Maps it and opens one end. The handles stay the caller's: memory may be deleted, peer is needed while the end is
// open. FUT_ERR_INVALID: this Memory is too small for the ring.
[[nodiscard]] fut_status_t fut_ring_open(struct fut_ring *ring, bool producer, fut_handle_t space, fut_handle_t memory,
                                         uint32_t count, uint32_t size, fut_handle_t peer, uint64_t peer_bits);
// The same on memory that is mapped already.
void fut_ring_attach(struct fut_ring *ring, bool producer, void *memory, uint32_t count, uint32_t size,
                     fut_handle_t peer, uint64_t peer_bits);
// Unmaps what fut_ring_open() mapped; says nothing to the other side.
void fut_ring_detach(struct fut_ring *ring, fut_handle_t space);

// Looks at the other side's counter; how many slots may be used. 0 with `broken` set: it cannot be.
uint32_t fut_ring_refresh(struct fut_ring *ring);
// Makes what was put or taken known to the other side, and wakes it if it asked for that.
fut_status_t fut_ring_publish(struct fut_ring *ring);
// Signals the other side if it asked for that.
fut_status_t fut_ring_wake(struct fut_ring *ring);
// Before going to sleep: publishes, and asks the other side to signal. true: do not sleep, there is something to
// do (slots to use, the other side has closed, or the ring is broken).
bool fut_ring_arm(struct fut_ring *ring);
// Arms and waits for the own Event until there is something to do.
[[nodiscard]] fut_status_t fut_ring_wait(struct fut_ring *ring, fut_handle_t event, uint64_t bits, uint64_t deadline);
// Publishes and closes this end: a consumer that has read everything, or a producer at once, gets PEER_CLOSED.
// The reason (below 2^31) is for the protocol to define. Closing again changes nothing.
fut_status_t fut_ring_close(struct fut_ring *ring, uint32_t reason);

// Whether the other side has closed, and why. A consumer may still find data behind it.
static inline bool fut_ring_closed(const struct fut_ring *ring, uint32_t *reason)
{
    uint32_t end = __atomic_load_n(&ring->theirs->end, __ATOMIC_ACQUIRE);
    if (end != 0 && reason != nullptr)
        *reason = end - 1;
    return end != 0;
}

// Why there is no slot: broken, closed, or not now.
fut_status_t fut_ring_why(struct fut_ring *ring);

// The slot to use next, or null: see fut_ring_why(). What a consumer gets there can change under its eyes.
static inline void *fut_ring_slot(struct fut_ring *ring)
{
    if (ring->at == ring->limit && fut_ring_refresh(ring) == 0)
        return nullptr;
    return ring->data + (size_t)(ring->at & (ring->count - 1)) * ring->size;
}

// Copies out of memory that the other side may be writing: the copy is made once, and not made again by the compiler.
static inline void fut_ring_copy(void *to, const void *from, size_t bytes)
{
    __builtin_memcpy(to, from, bytes);
    __asm__ volatile("" : : "r"(to) : "memory");
}

// --- Byte streams: slots of one byte -----------------------------------------------------------------------------

// The bytes that can be used now without a break: *len of them (0: see fut_ring_why()).
static inline void *fut_ring_span(struct fut_ring *ring, size_t *len)
{
    uint32_t available = ring->limit - ring->at;
    if (available == 0)
        available = fut_ring_refresh(ring);
    uint32_t offset = ring->at & (ring->count - 1), whole = ring->count - offset;
    *len = available < whole ? available : whole;
    return ring->data + offset;
}
// Uses n of them. FUT_ERR_ARGUMENT: more than there are.
static inline fut_status_t fut_ring_advance(struct fut_ring *ring, size_t n)
{
    if (n > ring->limit - ring->at)
        return FUT_ERR_ARGUMENT;
    ring->at += (uint32_t)n;
    return FUT_OK;
}
// Copies what fits or what is there, and publishes. *done == 0 only together with an error.
[[nodiscard]] fut_status_t fut_ring_write(struct fut_ring *ring, const void *data, size_t len, size_t *done);
// For a producer whose consumer is gone: copies what that has not given back, from its byte `from` on. Gives how much.
size_t fut_ring_unread(struct fut_ring *ring, size_t from, void *to, size_t len);
[[nodiscard]] fut_status_t fut_ring_read(struct fut_ring *ring, void *data, size_t len, size_t *done);
