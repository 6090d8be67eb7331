// SPDX-License-Identifier: MPL-2.0
//
// Events from server to client. See <futura/events.h> for what holds.
#include <futura/events.h>

// --- The server's side ---------------------------------------------------------------------------------------------

static void forget(struct fut_event_source *source, struct fut_subscriber *s)
{
    (void)fut_ring_close(&s->ring, 0);
    fut_ring_detach(&s->ring, source->space);
    (void)fut_cap_delete(s->memory);
    (void)fut_cap_delete(s->wake);
    if (s->life != FUT_HANDLE_NONE)
        (void)fut_cap_delete(s->life);
    *s = (struct fut_subscriber){};
}

// Whether nobody can read this ring: its client closed it, or has let go of the Memory (or ended), of which the
// server's own handle is then the last.
static bool is_gone(const struct fut_subscriber *s)
{
    struct fut_cap_info info;
    return s->ring.broken || fut_ring_closed(&s->ring, nullptr) || (fut_cap_info(s->memory, &info) == FUT_OK && info.references == 1);
}

static struct fut_subscriber *free_place(struct fut_event_source *source)
{
    for (size_t i = 0; i < source->places; i++)
        if (source->subscriber[i].memory == FUT_HANDLE_NONE)
            return &source->subscriber[i];
    for (size_t i = 0; i < source->places; i++)
        if (is_gone(&source->subscriber[i])) {
            forget(source, &source->subscriber[i]);
            return &source->subscriber[i];
        }
    return nullptr;
}

fut_status_t fut_events_accept(struct fut_event_source *source, uint64_t badge, fut_handle_t wake, uint64_t bits,
                               fut_handle_t life, uint32_t count, uint32_t slot, fut_handle_t *memory)
{
    struct fut_subscriber *s = free_place(source), new = {.wake = wake, .life = life, .badge = badge};
    fut_status_t status = s == nullptr ? FUT_ERR_QUOTA : fut_ring_create(count, slot, &new.memory);
    if (status == FUT_OK)
        status = fut_ring_open(&new.ring, true, source->space, new.memory, count, slot, wake, bits);
    if (status == FUT_OK) {
        *s = new;
        *memory = new.memory;
        return FUT_OK;
    }
    if (new.memory != FUT_HANDLE_NONE)
        (void)fut_cap_delete(new.memory);
    (void)fut_cap_delete(wake);
    if (life != FUT_HANDLE_NONE)
        (void)fut_cap_delete(life);
    return status;
}

// The order matters: a client that has emptied the ring takes the difference between the events it has seen and
// `sent` for a loss, so an event is in the ring before it counts; and a loss is published like an event, because the
// client may be going to sleep right now.
static bool send_to(struct fut_event_source *source, struct fut_subscriber *s, struct fut_event_head *slot, size_t bytes)
{
    slot->sequence = s->sent;
    void *to = fut_ring_closed(&s->ring, nullptr) ? nullptr : fut_ring_slot(&s->ring);
    if (to == nullptr && is_gone(s)) {
        forget(source, s);
        return false;
    }
    s->sent++;
    if (to != nullptr) {
        memcpy(to, slot, sizeof *slot + bytes);
        s->ring.at++;
        (void)fut_ring_publish(&s->ring);
    }
    __atomic_store_n(&s->ring.mine->sent, s->sent, __ATOMIC_SEQ_CST);
    if (to == nullptr)
        (void)fut_ring_wake(&s->ring);
    return to != nullptr;
}

size_t fut_events_send(struct fut_event_source *source, uint64_t badge, uint16_t ordinal, void *slot, size_t bytes)
{
    struct fut_event_head *head = slot;
    size_t reached = 0;
    *head = (struct fut_event_head){.ordinal = ordinal, .bytes = (uint16_t)bytes};
    for (size_t i = 0; i < source->places; i++) {
        struct fut_subscriber *s = &source->subscriber[i];
        if (s->memory != FUT_HANDLE_NONE && (badge == FUT_EVERYONE || s->badge == badge))
            reached += send_to(source, s, head, bytes);
    }
    return reached;
}

void fut_events_drop(struct fut_event_source *source, uint64_t badge)
{
    for (size_t i = 0; i < source->places; i++)
        if (source->subscriber[i].memory != FUT_HANDLE_NONE && source->subscriber[i].badge == badge)
            forget(source, &source->subscriber[i]);
}

// --- The client's side -----------------------------------------------------------------------------------------------

fut_status_t fut_events_open(struct fut_listener *listener, fut_handle_t space, fut_handle_t memory, uint32_t count, uint32_t slot)
{
    *listener = (struct fut_listener){.memory = memory};
    fut_status_t status = fut_ring_open(&listener->ring, false, space, memory, count, slot, FUT_HANDLE_NONE, 0);
    if (status != FUT_OK) {
        (void)fut_cap_delete(memory);
        *listener = (struct fut_listener){.ring.broken = true};
    }
    return status;
}

// How many events were lost behind the last one that the ring held, when it is empty.
static uint32_t lost_at_end(const struct fut_listener *l, int order)
{
    uint32_t sent = order == __ATOMIC_SEQ_CST ? __atomic_load_n(&l->ring.theirs->sent, __ATOMIC_SEQ_CST)
                                              : __atomic_load_n(&l->ring.theirs->sent, __ATOMIC_ACQUIRE);
    return (int32_t)(sent - l->expected) > 0 ? sent - l->expected : 0;
}

fut_status_t fut_events_next(struct fut_listener *l, struct fut_event_head *slot, uint64_t *lost)
{
    *lost = 0;
    const uint8_t *from = l->ring.broken ? nullptr : fut_ring_slot(&l->ring);
    if (from == nullptr) {
        fut_status_t status = fut_ring_why(&l->ring);
        uint32_t missing = status == FUT_ERR_INVALID ? 0 : lost_at_end(l, __ATOMIC_ACQUIRE);
        if (missing == 0)
            return status;
        from = fut_ring_slot(&l->ring); // what came before the loss shows at the latest now
        if (from == nullptr) {
            if (l->ring.broken)
                return FUT_ERR_INVALID;
            *lost = missing;
            l->expected += missing;
            *slot = (struct fut_event_head){};
            return FUT_OK;
        }
    }
    fut_ring_copy(slot, from, sizeof *slot);
    uint32_t gap = slot->sequence - l->expected;
    if (slot->bytes > l->ring.size - sizeof *slot || gap > INT32_MAX) {
        l->ring.broken = true;
        return FUT_ERR_INVALID;
    }
    fut_ring_copy(slot + 1, from + sizeof *slot, slot->bytes);
    *lost = gap;
    l->expected = slot->sequence + 1;
    l->ring.at++;
    return fut_ring_publish(&l->ring);
}

bool fut_events_arm(struct fut_listener *l)
{
    return fut_ring_arm(&l->ring) || lost_at_end(l, __ATOMIC_SEQ_CST) != 0;
}

fut_status_t fut_events_wait(struct fut_listener *l, fut_handle_t event, uint64_t bits, uint64_t deadline)
{
    while (!fut_events_arm(l)) {
        uint64_t got;
        fut_status_t status = fut_event_wait(event, bits, deadline, 0, &got);
        if (status != FUT_OK)
            return status;
    }
    return FUT_OK;
}

void fut_events_close(struct fut_listener *l, fut_handle_t space)
{
    if (l->memory == FUT_HANDLE_NONE)
        return;
    (void)fut_ring_close(&l->ring, 0);
    fut_ring_detach(&l->ring, space);
    (void)fut_cap_delete(l->memory);
    *l = (struct fut_listener){.ring.broken = true};
}
