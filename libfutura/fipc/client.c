// SPDX-License-Identifier: MPL-2.0
//
// What generated stubs do off their fast path: error replies, and the checks of received capabilities.
#include <futura/fipc.h>

fut_status_t fut_caps_drop(const struct fut_msg *m)
{
    unsigned count = (unsigned)FUT_TAG_CAPS(m->tag);
    if ((FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) == 0 && count > FUT_IPC_REG_CAPS)
        count = FUT_IPC_REG_CAPS;
    for (unsigned i = 0; i < count; i++) {
        fut_handle_t h = fut_msg_cap(m, i);
        if (h != FUT_HANDLE_NONE)
            (void)fut_cap_delete(h);
    }
    return FUT_ERR_INVALID;
}

fut_status_t fut_call_unexpected(struct fut_call_options *o, const struct fut_msg *m, uint64_t error_tag)
{
    if (o != nullptr)
        o->maybe = true; // whatever came back, the server has seen the message
    if (m->tag != error_tag && m->tag != FUT_TAG(0, FUT_TAG_ERROR, 0, 0, 2, 0)) // fut_reply_error
        return fut_caps_drop(m);
    int64_t code = (int64_t)m->w[0];
    if (m->w[1] == FUT_LAYER_PROTOCOL && code > 0 && code <= INT32_MAX)
        return (fut_status_t)code;
    if (m->w[1] == FUT_LAYER_FRAMEWORK && code < 0 && code > FUT_ERR_TOO_BIG - 100)
        return (fut_status_t)code;
    return FUT_ERR_INVALID;
}

bool fut_cap_session(const struct fut_msg *m, unsigned i, uint32_t rights, struct fut_cap_arg *out)
{
    *out = (struct fut_cap_arg){.h = fut_msg_cap(m, i)};
    if (out->h != FUT_HANDLE_NONE)
        return fut_cap_check(i, out->h, FUT_OBJ_SESSION, rights);
    const struct fut_ipc_buffer *buffer = fut_ipc_buffer();
    if (buffer->cap_home[i].kind != FUT_CAP_IS_HOME)
        return false;
    *out = (struct fut_cap_arg){
        .home = true, .badge = buffer->cap_home[i].badge, .perms = buffer->cap_home[i].perms & FUT_PERMS_ALL};
    return (out->perms & rights >> 16) == rights >> 16;
}

bool fut_cap_lent(unsigned i) { return fut_ipc_buffer()->cap_home[i].kind == FUT_CAP_IS_LENT; }
