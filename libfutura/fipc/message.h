// SPDX-License-Identifier: MPL-2.0
//
// Messages between their wire form and the registers or the IPC buffer.
#pragma once
#include <futura/sys.h>
#include <string.h>

// Register form carries at most 4 capabilities; more need the IPC buffer, and so does a message whose
// body stands there.
static inline void message_put_caps(struct fut_msg *m, const uint32_t *cap, unsigned count, bool memory)
{
    m->caps01 = m->caps23 = 0;
    if (count == 0)
        return;
    if (memory) {
        struct fut_ipc_buffer *ipc = fut_ipc_buffer();
        for (unsigned i = 0; i < count; i++) {
            ipc->cap[i] = cap[i];
            ipc->cap_rights[i] = 0;
        }
        return;
    }
    uint32_t four[4] = {};
    memcpy(four, cap, count * sizeof *cap);
    m->caps01 = four[0] | (uint64_t)four[1] << 32;
    m->caps23 = four[2] | (uint64_t)four[3] << 32;
}

static inline fut_handle_t message_cap(const struct fut_msg *m, unsigned i, bool memory)
{
    if (memory)
        return fut_ipc_buffer()->cap[i];
    uint64_t pair = i < 2 ? m->caps01 : m->caps23;
    return (fut_handle_t)(pair >> (i % 2 * 32));
}

static inline bool message_in_memory(const struct fut_msg *m)
{
    return (FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) != 0;
}

// Bytes of body that arrived. In memory form the kernel has checked w0.
static inline size_t message_length(const struct fut_msg *m)
{
    return message_in_memory(m) ? m->w[0] : FUT_TAG_WORDS(m->tag) * 8;
}

// Capabilities that can have arrived, whatever the tag claims.
static inline unsigned message_cap_count(const struct fut_msg *m)
{
    unsigned count = FUT_TAG_CAPS(m->tag);
    return !message_in_memory(m) && count > FUT_IPC_REG_CAPS ? FUT_IPC_REG_CAPS : count;
}
