// SPDX-License-Identifier: MPL-2.0
//
// The bytes of a pipe: a ring of fixed size. Filled and drained by spans, so that bytes can be copied
// straight between the ring and another process. Empty, it starts over at its beginning: a pipe that
// carries little touches little memory.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define RING_BYTES 65536u

struct ring {
    char *data; // RING_BYTES, or null before the first byte
    uint32_t head, used;
};

struct ring_span { char *data; size_t len; };

static inline uint32_t ring_space(const struct ring *r) { return RING_BYTES - r->used; }

// The first stretch of free bytes, at most `max`.
static inline struct ring_span ring_to_fill(const struct ring *r, size_t max)
{
    uint32_t at = (r->head + r->used) % RING_BYTES;
    size_t n = RING_BYTES - at < ring_space(r) ? RING_BYTES - at : ring_space(r);
    return (struct ring_span){r->data + at, n < max ? n : max};
}

static inline void ring_filled(struct ring *r, size_t n) { r->used += (uint32_t)n; }

// The first stretch of bytes to read, at most `max`.
static inline struct ring_span ring_to_drain(const struct ring *r, size_t max)
{
    size_t n = RING_BYTES - r->head < r->used ? RING_BYTES - r->head : r->used;
    return (struct ring_span){r->data + r->head, n < max ? n : max};
}

static inline void ring_drained(struct ring *r, size_t n)
{
    r->used -= (uint32_t)n;
    r->head = r->used == 0 ? 0 : (r->head + (uint32_t)n) % RING_BYTES;
}

// How much of a write of `total` bytes, `done` of which are in, may go in now. What is not longer than
// PIPE_BUF goes in whole or waits.
#define RING_ATOMIC 4096u
static inline size_t ring_may_take(const struct ring *r, uint64_t total, uint64_t done)
{
    uint64_t left = total - done, space = ring_space(r);
    if (total <= RING_ATOMIC)
        return left <= space ? (size_t)left : 0;
    return (size_t)(left < space ? left : space);
}
