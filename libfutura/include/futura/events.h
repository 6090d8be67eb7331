// SPDX-License-Identifier: MPL-2.0
//
// Events of a protocol, from server to client: what the generated X_events_accept, X_send_*, X_events_attach and
// X_events_next are made of. Each client has a ring of its own (<futura/ring.h>), in Memory that the server made, so
// that a client can neither hold up nor bring down the server, nor see what others get.
//
// Sending never waits. Where a client's ring is full the event is lost for it, and counted: events bear numbers, and
// the ring tells how many were sent, so the client learns of a gap before the event that follows it, or, if none
// follows, as soon as it has read the rest. It then asks for the state by the protocol's @snapshot method.
//
// Lifetimes. The server forgets a client that closes its end, breaks the ring, or holds no handle to the Memory any
// more (which is looked at when places are wanted, and when a ring is full). A client that gave a Session of its own
// Channel (`life`) gets that Session's no-senders notice when it was forgotten, or when the server has ended: then it
// attaches again.
#pragma once
#include <futura/fipc.h>
#include <futura/ring.h>

struct fut_event_head {
    uint32_t sequence;
    uint16_t ordinal, bytes; // of the body behind it
};
static_assert(sizeof(struct fut_event_head) == 8);

// --- The server's side ---------------------------------------------------------------------------------------------

// A client that listens. All zero: a free place.
struct fut_subscriber {
    struct fut_ring ring;
    fut_handle_t memory, wake, life;
    uint64_t badge; // of the Session with which it attached
    uint32_t sent;
};

struct fut_event_source {
    fut_handle_t space;                // the server's own
    struct fut_subscriber *subscriber; // as many clients can listen as there are places
    size_t places;
};

#define FUT_EVERYONE UINT64_MAX

// Takes wake and life, whatever it returns. FUT_ERR_QUOTA: all places are taken.
[[nodiscard]] fut_status_t fut_events_accept(struct fut_event_source *source, uint64_t badge, fut_handle_t wake, uint64_t bits,
                                             fut_handle_t life, uint32_t count, uint32_t slot, fut_handle_t *memory);
// slot: room for the head, then `bytes` of body. Gives how many clients got it.
size_t fut_events_send(struct fut_event_source *source, uint64_t badge, uint16_t ordinal, void *slot, size_t bytes);
// Forgets the clients with this badge: from fut_server.no_senders.
void fut_events_drop(struct fut_event_source *source, uint64_t badge);

// --- The client's side -----------------------------------------------------------------------------------------------

struct fut_listener {
    struct fut_ring ring;
    fut_handle_t memory;
    uint32_t expected; // number of the next event
};

// Opens the ring that an attach gave; takes memory, whatever it returns.
[[nodiscard]] fut_status_t fut_events_open(struct fut_listener *listener, fut_handle_t space, fut_handle_t memory,
                                           uint32_t count, uint32_t slot);
// The next event, copied to slot. *lost: how many are missing before it; with head->ordinal 0 there is no event, only
// the loss. FUT_ERR_WOULD_BLOCK: none now. FUT_ERR_PEER_CLOSED, FUT_ERR_INVALID: there will be none; attach again.
[[nodiscard]] fut_status_t fut_events_next(struct fut_listener *listener, struct fut_event_head *slot, uint64_t *lost);
// Before sleeping, as fut_ring_arm().
bool fut_events_arm(struct fut_listener *listener);
[[nodiscard]] fut_status_t fut_events_wait(struct fut_listener *listener, fut_handle_t event, uint64_t bits, uint64_t deadline);
// Ends listening.
void fut_events_close(struct fut_listener *listener, fut_handle_t space);
