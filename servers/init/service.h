// SPDX-License-Identifier: MPL-2.0
//
// A service under supervision: its Channel, which outlives every task that serves it, and the task that
// serves it now.
#pragma once
#include "manifest.h"
#include <futura/loader.h>

enum service_state {
    // The values of supervisor.State.
    SERVICE_STOPPED = 0, // not started yet, or ended and not to be restarted
    SERVICE_RUNNING = 1,
    SERVICE_WAITING = 2, // ended; starts again at restart_at
    SERVICE_SELF = 3,    // init
};

struct service {
    const struct manifest_service *spec;
    unsigned index;             // also the bit that tells of its end in the supervisor's Event
    enum service_state state;
    fut_handle_t channel;       // all rights; kept across restarts
    fut_handle_t account;       // of the running task
    fut_handle_t kept, vault;   // made at its first start, kept across restarts
    struct fut_spawned running;
    uint32_t starts;
    uint32_t quick_ends;        // in a row, each within a second of the start
    uint64_t since_ns, restart_at;
};

// What all services are started from.
struct boot_caps {
    const struct fut_boot_info *info;
    struct fut_bytes archive;   // mapped into init
    fut_handle_t event;         // the supervisor's
};

extern struct service services[MANIFEST_SERVICES];
extern size_t service_count;

// Makes the Channels of all services of the manifest.
[[nodiscard]] fut_status_t services_create(const struct manifest *manifest);

// Starts `s` with exactly what its manifest entry names.
[[nodiscard]] fut_status_t service_start(struct service *s, const struct boot_caps *boot);

// Its task is gone: frees what it held and decides about a restart. Returns false if the system cannot
// go on without it.
bool service_ended(struct service *s, uint64_t now);

struct service *service_find(struct fut_string name);
