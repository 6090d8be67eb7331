// SPDX-License-Identifier: MPL-2.0
//
// The name table: a pure data structure, without IPC.
#pragma once
#include <futura/fipc.h>

#define NAME_MAX_BYTES 63
#define NAMES_MAX 256

// A registered name. `publisher` is the scope it was registered through: only the same scope may
// replace or remove it.
struct name {
    char text[NAME_MAX_BYTES + 1];
    uint64_t publisher;
    fut_handle_t session;
};

struct names {
    struct name entry[NAMES_MAX];
    size_t count;
};

// Lower case letters, digits, '.', '-' and '_'; 1 to 63 bytes.
bool name_is_valid(struct fut_string name);

struct name *names_find(struct names *names, struct fut_string name);

// The index-th name that begins with prefix, in order of registration; null when there are fewer.
struct name *names_at(struct names *names, const char *prefix, size_t index);

enum names_result { NAMES_OK, NAMES_FULL, NAMES_TAKEN };

// Registers `session` under prefix + name; what was there before goes to *replaced (0: nothing).
enum names_result names_register(struct names *names, struct fut_string name, uint64_t publisher,
                                 fut_handle_t session, fut_handle_t *replaced);

// Removes an entry and gives its session, which the caller deletes.
fut_handle_t names_remove(struct names *names, struct name *name);
