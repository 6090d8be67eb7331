// SPDX-License-Identifier: MPL-2.0
//
// A kernel of one table of handles, for generated code on the host. Handles are never used twice, so that one
// which is deleted twice, or never, shows.
#pragma once
#include <futura/server.h>

#define SIM_HANDLES 65536

void sim_reset(void);
fut_handle_t sim_handle(uint32_t type, uint32_t rights);
unsigned sim_live(void);      // handles that exist
unsigned sim_errors(void);    // deletes of handles that do not exist
extern bool (*sim_ipc)(struct fut_msg *m); // what an IPC call does; false: PEER_CLOSED

// The Memory of a ring with one slot published, which is that of the vector.
struct fut_slot_vector;
void *sim_ring(const struct fut_slot_vector *v);
void *sim_ring_slot(void); // where it lies

// Puts capability i of a received message into *m and the IPC buffer, as the kernel does.
void sim_cap(struct fut_msg *m, unsigned i, fut_handle_t handle, uint64_t badge, uint32_t perms, uint32_t kind);
