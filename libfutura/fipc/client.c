// SPDX-License-Identifier: MPL-2.0
//
// The client's side of a call, under the generated stubs.
#include "message.h"
#include <futura/fipc.h>

static void delete_caps(const uint32_t *cap, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (cap[i] != FUT_HANDLE_NONE)
            fut_cap_delete(cap[i]);
}

// What a reply that is not the expected one means. An error reply names no method: a deferred call may be
// answered with one by code that does not know which method it was.
static fut_status_t error_of(const struct fut_msg *m)
{
    if ((FUT_TAG_FLAGS(m->tag) & FUT_TAG_ERROR) != 0 && (fut_status_t)m->w[0] != FUT_OK)
        return (fut_status_t)m->w[0];
    return FUT_ERR_INVALID;
}

fut_status_t fut_client_call(fut_handle_t session, struct fut_call_options *options, struct fut_client_call *call,
                             uint32_t protocol, uint16_t ordinal, bool memory, size_t length)
{
    uint64_t flags = 0;
    if (options != nullptr) {
        options->maybe = false;
        if (options->deadline != 0) {
            flags |= FUT_IPC_DEADLINE;
            fut_ipc_buffer()->deadline = options->deadline;
        }
        if (options->interruptible)
            flags |= FUT_IPC_INTERRUPTIBLE;
    }
    unsigned tag_flags = (memory ? FUT_TAG_MEMORY : 0) | (call->leases != 0 ? FUT_TAG_LEASE : 0);
    unsigned words = memory ? 1 : (unsigned)((length + 7) / 8);
    struct fut_msg m = {.control = FUT_SYS_CALL | flags << 8 | (uint64_t)session << 32,
                        .tag = FUT_TAG(protocol, tag_flags, 0, call->caps, words, ordinal)};
    if (memory)
        m.w[0] = length;
    else
        memcpy(m.w, call->words, sizeof m.w);
    message_put_caps(&m, call->cap, call->caps, memory);
    fut_ipc(&m);

    fut_status_t status = (fut_status_t)m.control;
    if (status != FUT_OK) {
        if (options != nullptr)
            options->maybe = (m.control >> 56 & FUT_OUT_MAYBE) != 0;
        return status;
    }
    call->memory = message_in_memory(&m);
    call->length = message_length(&m);
    call->caps = message_cap_count(&m);
    for (unsigned i = 0; i < call->caps; i++)
        call->cap[i] = message_cap(&m, i, call->memory);
    memcpy(call->words, m.w, sizeof m.w);
    uint64_t expected = FUT_TAG(protocol, 0, 0, 0, 0, ordinal);
    if ((m.tag & ~(FUT_TAG(0, FUT_TAG_MEMORY, 0, 15, 15, 0))) == expected)
        return FUT_OK;
    delete_caps(call->cap, call->caps);
    return error_of(&m);
}

const void *fut_client_body(struct fut_client_call *call, bool memory, size_t length, unsigned caps)
{
    if (call->memory != memory || call->length < length || call->caps != caps) {
        delete_caps(call->cap, call->caps);
        return nullptr;
    }
    return memory ? (const void *)fut_ipc_buffer()->body : call->words;
}
