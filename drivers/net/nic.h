// SPDX-License-Identifier: MPL-2.0
//
// What every network driver host does: serving futura.nic, keeping the rings that it shares with its client, and checking
// each of their entries before the device hears of it. A driver supplies struct nic_device and calls nic_run().
//
// The driver sees buffers as physical addresses with a small number, its slot; what they are to the client stays here.
#pragma once
#include <fipc/nic.h>
#include <futura/server.h>

#define NIC_SLOTS 256u    // frames in the device at once, in each direction
#define NIC_PIECES 16u    // of one frame to send

struct nic_piece {
    uint64_t physical;
    uint32_t bytes;
};

// A frame to send: its pieces, and where its checksum goes if the device is to compute it.
struct nic_frame {
    struct nic_piece piece[NIC_PIECES];
    unsigned pieces;
    uint32_t flags;       // NIC_ENTRY_FLAGS_*
    uint16_t checksum_start, checksum_offset;
};

struct nic_device {
    struct nic_information info;
    // From a state in which the device does nothing to one in which it moves frames, and back. After stop the device
    // touches no memory any more and all slots are free.
    fut_status_t (*start)(void);
    void (*stop)(void);
    // Takes an empty buffer: a frame may be written at `physical`, up to `bytes`; NIC_HEADROOM bytes before it are free to
    // use. False: no room now.
    bool (*give)(unsigned slot, uint64_t physical, uint32_t bytes);
    // The slot of a frame that has come, its length and NIC_ENTRY_FLAGS_CHECKSUM_OK or 0. False: none.
    bool (*got)(unsigned *slot, uint32_t *bytes, uint32_t *flags);
    // False: no room now; the device will interrupt when a frame has been sent.
    bool (*send)(unsigned slot, const struct nic_frame *frame);
    bool (*sent)(unsigned *slot);
    void (*kick)(void);                  // tells the device of what was given and sent since the last kick
    bool (*link)(void);
    fut_status_t (*promiscuous)(bool on); // null: cannot
};

// The bytes that end where the frame of a buffer in the device begins.
const volatile void *nic_before_frame(unsigned slot, size_t bytes);

// Serves for ever. argv as devd passes it.
[[noreturn]] void nic_run(const struct nic_device *device, const char *name);
