// SPDX-License-Identifier: MPL-2.0
//
// What `fipcc test` writes for a library (NAME_test.c): golden messages, good ones and ones that are wrong in
// exactly one way, a service whose handlers only count, and one call of every client function. A message is a
// base body with at most one patch, so that thousands of them stay small.
#pragma once
#include <futura/server.h>

enum fut_verdict { FUT_VERDICT_GOOD, FUT_VERDICT_INVALID, FUT_VERDICT_UNKNOWN };

struct fut_vector_cap { uint32_t type, rights, kind; }; // kind: FUT_CAP_IS_*

struct fut_vector {
    const char *what;
    uint16_t method;               // index into methods
    bool reply;
    uint8_t verdict;
    uint16_t base;                 // index into bases
    uint32_t length;               // of the body, which may be shorter or longer (zeros) than the base
    uint32_t patch_at, patch_bytes;
    uint64_t patch;
    uint64_t tag;
    uint8_t cap_count;
    struct fut_vector_cap cap[15];
};

struct fut_base { const uint8_t *data; uint32_t length; };

struct fut_test_method {
    const char *name;
    const struct fut_service *service;
    fut_status_t (*call)(fut_handle_t session); // with arguments of all zero
    bool oneway;
};

// A ring of records, or the events of a protocol.
struct fut_test_ring {
    const char *name;
    bool events;
    uint32_t count, size;
    fut_status_t (*take)(void *memory); // what a fresh consumer finds in the first slot
};

struct fut_slot_vector {
    const char *what;
    uint16_t ring;
    uint8_t verdict;               // UNKNOWN: an event that is passed over
    uint16_t base;
    uint32_t length;               // of an event, as its head says
    uint32_t patch_at, patch_bytes;
    uint64_t patch;
    uint32_t sequence;
    uint16_t ordinal;
};

struct fut_test_library {
    const char *name;
    const struct fut_test_method *methods;
    size_t method_count;
    const struct fut_base *bases;
    const struct fut_vector *vectors;
    size_t vector_count;
    const struct fut_test_ring *rings;
    size_t ring_count;
    const struct fut_slot_vector *slots;
    size_t slot_count;
};

extern const struct fut_test_library fut_test_library;
extern uint64_t fut_test_handled;  // how often a handler ran
