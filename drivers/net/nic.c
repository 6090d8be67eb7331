// SPDX-License-Identifier: MPL-2.0
//
// See nic.h. One loop: an interrupt or the client's doorbell moves whatever can move in either direction, until both
// sides have nothing for the other; then the rings are armed, looked at once more, and the loop waits.
//
// Frames that were sent are noticed with the next thing that happens; the device does not interrupt for them alone
// unless the client waits for room.
#include "nic.h"
#include <futura/log.h>
#include <futura/ring.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>
#include "../host/host.h"

#define DOORBELL 2ull

static const struct nic_device *device;
static const char *name;
static struct fut_server server;
static fut_handle_t doorbell;             // the server's Event, with the right to signal it and no other

static struct {
    fut_handle_t memory, wake;            // 0: not open
    uint8_t *at;
    uint64_t physical, bytes;
    struct fut_ring give, got, send, sent;
} client;

// Buffers in the device: what they are to the client.
static struct { uint32_t offset, bytes, id; } receiving[NIC_SLOTS];
static uint32_t sending[NIC_SLOTS];
static uint16_t free_receive[NIC_SLOTS], free_send[NIC_SLOTS];
static unsigned free_receives, free_sends;
static struct nic_frame frame;            // being put together
static uint32_t frame_id;
static bool frame_bad, frame_whole;
static bool refused, give_refused;       // the device had no room

static struct { uint64_t received, sent, dropped, errors; } counters;
static fut_reply_t waiting;               // a call of Wait
static bool waiting_for_change_from;

static void all_slots_free(void)
{
    free_receives = free_sends = NIC_SLOTS;
    for (unsigned i = 0; i < NIC_SLOTS; i++)
        free_receive[i] = free_send[i] = (uint16_t)i;
    frame = (struct nic_frame){};
    frame_whole = frame_bad = false;
}

static bool inside(uint32_t offset, uint32_t bytes)
{
    return offset <= client.bytes && bytes <= client.bytes - offset;
}

// --- Receiving -----------------------------------------------------------------------------------------

static bool take_received(void)
{
    unsigned slot;
    uint32_t bytes, flags;
    bool any = false;
    // A buffer comes back only for one that was given, and `got` is as large as `give`: there is room.
    struct nic_entry *e;
    while ((e = fut_ring_slot(&client.got)) && device->got(&slot, &bytes, &flags)) {
        if (bytes > receiving[slot].bytes - NIC_HEADROOM)
            bytes = 0, counters.errors++;
        *e = (struct nic_entry){.offset = receiving[slot].offset, .bytes = bytes, .id = receiving[slot].id, .flags = flags};
        client.got.at++;
        free_receive[free_receives++] = (uint16_t)slot;
        counters.received++;
        any = true;
    }
    return any;
}

static bool take_given(void)
{
    const struct nic_entry *slot;
    bool any = false;
    give_refused = false;
    while (free_receives != 0 && (slot = fut_ring_slot(&client.give))) {
        struct nic_entry e;
        fut_ring_copy(&e, slot, sizeof e);
        unsigned s = free_receive[free_receives - 1];
        if (e.bytes <= NIC_HEADROOM || !inside(e.offset, e.bytes)) {
            counters.errors++;
        } else if (device->give(s, client.physical + e.offset + NIC_HEADROOM, e.bytes - NIC_HEADROOM)) {
            receiving[s].offset = e.offset;
            receiving[s].bytes = e.bytes;
            receiving[s].id = e.id;
            free_receives--;
        } else {
            give_refused = true;
            break;
        }
        client.give.at++;
        any = true;
    }
    return any;
}

const volatile void *nic_before_frame(unsigned slot, size_t bytes)
{
    return client.at + receiving[slot].offset + NIC_HEADROOM - bytes;
}

// --- Sending -------------------------------------------------------------------------------------------

static bool take_sent(void)
{
    unsigned slot;
    bool any = false;
    struct nic_entry *e;
    while ((e = fut_ring_slot(&client.sent)) && device->sent(&slot)) {
        *e = (struct nic_entry){.id = sending[slot]};
        client.sent.at++;
        free_send[free_sends++] = (uint16_t)slot;
        counters.sent++;
        any = true;
    }
    return any;
}

// Adds pieces until a frame is whole. False: the rest of it has not come.
static bool gather(void)
{
    const struct nic_entry *slot;
    while (!frame_whole && (slot = fut_ring_slot(&client.send))) {
        struct nic_entry e;
        fut_ring_copy(&e, slot, sizeof e);
        client.send.at++;
        if (frame.pieces == 0) {
            frame_id = e.id;
            frame.flags = e.flags;
            frame.checksum_start = e.checksum_start;
            frame.checksum_offset = e.checksum_offset;
        }
        if (frame.pieces == NIC_PIECES || e.bytes == 0 || !inside(e.offset, e.bytes))
            frame_bad = true;
        else
            frame.piece[frame.pieces++] = (struct nic_piece){client.physical + e.offset, e.bytes};
        frame_whole = !(e.flags & NIC_ENTRY_FLAGS_MORE);
    }
    return frame_whole;
}

static bool take_to_send(void)
{
    bool any = false;
    while (free_sends != 0 && gather()) {
        unsigned s = free_send[free_sends - 1];
        if (frame_bad || frame.pieces == 0) { // never reaches the device; the client has its pieces back
            struct nic_entry *e = fut_ring_slot(&client.sent);
            if (!e)
                break;
            *e = (struct nic_entry){.id = frame_id};
            client.sent.at++;
            counters.errors++;
        } else if (device->send(s, &frame)) {
            sending[s] = frame_id;
            free_sends--;
        } else {
            refused = true;
            break;
        }
        frame.pieces = 0;
        frame_whole = frame_bad = false;
        any = true;
    }
    return any;
}

static bool step(void)
{
    bool any = take_received();
    any |= take_given();
    any |= take_sent();
    any |= take_to_send();
    return any;
}

static void move(void)
{
    if (!client.memory)
        return;
    for (bool more = true; more;) {
        refused = false;
        while (step() || (refused && take_sent()))
            device->kick();
        (void)fut_ring_publish(&client.got);
        (void)fut_ring_publish(&client.sent);
        (void)fut_ring_publish(&client.give);
        // What the device has no room for waits for its interrupt, not for the client.
        more = fut_ring_arm(&client.send) && free_sends != 0 && !frame_whole && !client.send.broken;
        // New buffers are only waited for where the device has few left.
        if (free_receives > NIC_SLOTS / 2 && fut_ring_arm(&client.give))
            more |= !give_refused && !client.give.broken;
    }
}

static void link_changed(void)
{
    bool up = device->link();
    if (waiting.h && up != waiting_for_change_from) {
        struct nic_nic_wait_result res = {.link_now = up};
        (void)nic_nic_wait_reply(waiting, &res);
        waiting.h = 0;
    }
}

static void signals(struct fut_server *s, uint64_t bits)
{
    (void)s;
    if (bits & HOST_IRQ) {
        host_irq_done(); // before looking: what comes from here on interrupts again
        link_changed();
    }
    move();
}

// --- futura.nic ----------------------------------------------------------------------------------------

static void close_client(void)
{
    if (!client.memory)
        return;
    device->stop();
    (void)fut_space_unmap(fut_startup_cap("space"), (uintptr_t)client.at, client.bytes);
    (void)fut_cap_delete(client.memory);
    (void)fut_cap_delete(client.wake);
    memset(&client, 0, sizeof client);
    all_slots_free();
}

static bool ring_fits(uint32_t at, uint32_t entries)
{
    return at % 64 == 0 && entries != 0 && entries <= NIC_RING_ENTRIES_MAX && (entries & (entries - 1)) == 0 &&
           inside(at, (uint32_t)(sizeof(struct fut_ring_shared) + entries * sizeof(struct nic_entry)));
}

static fut_status_t open_client(fut_handle_t memory, fut_handle_t wake, uint8_t shift, const struct nic_layout *l)
{
    struct fut_memory_info info;
    if (shift > 63 || fut_memory_info(memory, &info) != FUT_OK || !info.physical || info.bytes > UINT32_MAX)
        return NIC_ERROR_INVALID; // not contiguous, or without the right to know where it is
    struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_NO_FAULT};
    uint64_t at;
    if (fut_space_map(fut_startup_cap("space"), &map, &at) != FUT_OK)
        return NIC_ERROR_INVALID;
    client.at = (uint8_t *)at;
    client.physical = info.physical;
    client.bytes = info.bytes;
    fut_status_t status = NIC_ERROR_INVALID;
    if (ring_fits(l->give, l->give_entries) && ring_fits(l->got, l->got_entries) && ring_fits(l->send, l->send_entries) &&
        ring_fits(l->sent, l->sent_entries)) {
        uint64_t bits = NIC_WAKE_RINGS << shift;
        fut_ring_attach(&client.give, false, client.at + l->give, l->give_entries, sizeof(struct nic_entry), wake, bits);
        fut_ring_attach(&client.got, true, client.at + l->got, l->got_entries, sizeof(struct nic_entry), wake, bits);
        fut_ring_attach(&client.send, false, client.at + l->send, l->send_entries, sizeof(struct nic_entry), wake, bits);
        fut_ring_attach(&client.sent, true, client.at + l->sent, l->sent_entries, sizeof(struct nic_entry), wake, bits);
        status = device->start() == FUT_OK ? FUT_OK : NIC_ERROR_IO;
    }
    if (status == FUT_OK) {
        client.memory = memory;
        client.wake = wake;
        return FUT_OK;
    }
    (void)fut_space_unmap(fut_startup_cap("space"), at, info.bytes);
    return status;
}

static fut_status_t do_open(struct fut_request *req, fut_handle_t m, fut_handle_t wake, uint8_t shift,
                            const struct nic_layout *layout, struct nic_nic_open_result *res)
{
    (void)req;
    close_client();
    fut_status_t status = open_client(m, wake, shift, layout);
    if (status != FUT_OK) {
        (void)fut_cap_delete(m);
        (void)fut_cap_delete(wake);
        return status;
    }
    move();
    res->doorbell = doorbell;
    return FUT_OK;
}

static fut_status_t do_close(struct fut_request *req)
{
    (void)req;
    close_client();
    return FUT_OK;
}

static fut_status_t do_info(struct fut_request *req, struct nic_nic_info_result *res)
{
    (void)req;
    res->i = device->info;
    res->i.link_up = device->link();
    res->name.len = strlen(name);
    memcpy(res->name.data, name, res->name.len);
    return FUT_OK;
}

static fut_status_t do_promiscuous(struct fut_request *req, bool on)
{
    (void)req;
    return device->promiscuous && device->promiscuous(on) == FUT_OK ? FUT_OK : NIC_ERROR_UNSUPPORTED;
}

static fut_status_t do_counters(struct fut_request *req, struct nic_nic_counters_result *res)
{
    (void)req;
    res->received = counters.received;
    res->sent = counters.sent;
    res->dropped = counters.dropped;
    res->errors = counters.errors;
    return FUT_OK;
}

static fut_status_t do_wait(struct fut_request *req, bool link_up, struct nic_nic_wait_result *res)
{
    if (device->link() != link_up) {
        res->link_now = !link_up;
        return FUT_OK;
    }
    if (waiting.h)
        return NIC_ERROR_BUSY;
    waiting = fut_request_defer(req);
    waiting_for_change_from = link_up;
    return waiting.h ? FUT_DEFER : NIC_ERROR_BUSY;
}

static void cancel(struct fut_server *s, fut_reply_t reply)
{
    (void)s;
    if (reply.h == waiting.h) {
        (void)fut_reply_error(waiting, FUT_ERR_CANCELLED);
        waiting.h = 0;
    }
}

static void stale(struct fut_server *s, fut_reply_t reply)
{
    (void)s;
    if (reply.h == waiting.h)
        waiting.h = 0;
    (void)fut_cap_delete(reply.h);
}

[[noreturn]] void nic_run(const struct nic_device *d, const char *service)
{
    device = d;
    name = service;
    all_slots_free();
    fut_status_t status = host_open(&server);
    if (status == FUT_OK)
        status = fut_cap_mint(server.event, FUT_RIGHT_WRITE | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &doorbell);
    if (status != FUT_OK)
        host_fail("no channel or interrupt", status);
    static const struct nic_nic_ops ops = {
        .info = do_info, .open = do_open, .close = do_close, .promiscuous = do_promiscuous, .counters = do_counters,
        .wait = do_wait,
    };
    static struct fut_service services[1];
    services[0] = nic_nic_service(&ops);
    server.services = services;
    server.service_count = 1;
    server.signals = signals;
    server.cancel = cancel;
    server.stale = stale;
    fut_server_run(&server);
}
