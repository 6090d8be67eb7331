// SPDX-License-Identifier: MPL-2.0
//
// The system manifest: which services there are and what each may hold. A pure parser; the format is
// described at the head of the file `manifest` beside this one.
#pragma once
#include <futura/fipc.h>

#define MANIFEST_SERVICES 24
#define MANIFEST_USES 8
#define MANIFEST_NAME 31
#define MANIFEST_DEFAULT_PRIORITY 16
#define MANIFEST_STATE_MAX (64u << 20)

enum manifest_grant {
    GRANT_ARCHIVE = 1 << 0,
    GRANT_DEVICETREE = 1 << 1,
    GRANT_KLOG = 1 << 2,
    GRANT_MACHINE = 1 << 3,
};

enum manifest_restart { RESTART_ALWAYS, RESTART_NEVER };

// A Session of service `target`'s Channel, minted with `badge`, under the start-up name `name`.
struct manifest_use {
    unsigned target;
    uint64_t badge;
    char name[MANIFEST_NAME + 1];
};

#define MANIFEST_PUBLISHES 2
struct manifest_publish {
    uint64_t badge; // 0: nothing is published
    char name[MANIFEST_NAME + 1];
};

struct manifest_service {
    char name[MANIFEST_NAME + 1];
    uint32_t priority;
    uint32_t grants;          // GRANT_*
    uint32_t machine_rights;  // FUT_RIGHT_*, with GRANT_MACHINE
    enum manifest_restart restart;
    struct manifest_use use[MANIFEST_USES];
    size_t use_count;
    struct manifest_publish publish[MANIFEST_PUBLISHES];
    uint64_t state_bytes;     // 0: nothing outlives its restarts
};

struct manifest {
    struct manifest_service service[MANIFEST_SERVICES];
    size_t count;
};

struct manifest_error {
    unsigned line; // 1 is the first
    const char *what;
};

// Parses all of `text`. A `use` may name a service that comes later. Returns false and fills *error.
bool manifest_parse(struct fut_bytes text, struct manifest *out, struct manifest_error *error);
