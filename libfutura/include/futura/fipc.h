// SPDX-License-Identifier: MPL-2.0
//
// What generated FIPC code and its users share: views of data in messages, the client's side of a call.
#pragma once
#include <futura/abi.h>

struct fut_bytes {
    const void *data;
    size_t len;
};
struct fut_string { // UTF-8, not 0-terminated
    const char *data;
    size_t len;
};
struct fut_buffer { // what is to be filled
    void *data;
    size_t capacity, len;
};

struct fut_u32_view { // vector<u32>
    const uint32_t *data;
    size_t len;
};
struct fut_u32_fill {
    uint32_t *data;
    size_t capacity, len;
};

// Beside the arguments of a call. A null pointer means all zero but for the deadline: none.
struct fut_call_options {
    uint64_t deadline;   // absolute ns of fut_clock(); 0: none
    bool interruptible;  // a posted interruption ends the wait with FUT_ERR_INTERRUPTED
    bool maybe;          // out: with a transport error, whether the call may have reached its server
};

// A call under construction by a generated client, and its reply.
struct fut_client_call {
    uint64_t words[FUT_IPC_REG_WORDS];
    uint32_t cap[FUT_IPC_MAX_CAPS];
    unsigned caps, leases;
    size_t length; // of the reply's body, bytes
    bool memory;   // the reply's body is in the IPC buffer
};

// Sends and waits. `length` bytes of body stand in call->words, or in the IPC buffer. FUT_OK: the reply
// is in *call; > 0: the error that the protocol declares; < 0: FUT_ERR_*.
[[nodiscard]] fut_status_t fut_client_call(fut_handle_t session, struct fut_call_options *options,
                                           struct fut_client_call *call, uint32_t protocol, uint16_t ordinal,
                                           bool memory, size_t length);

// The reply's body if it has the expected form and at least `length` bytes; otherwise null, and the
// capabilities that came with it are deleted.
const void *fut_client_body(struct fut_client_call *call, bool memory, size_t length, unsigned caps);
