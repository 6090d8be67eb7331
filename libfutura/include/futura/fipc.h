// SPDX-License-Identifier: MPL-2.0
//
// What generated clients and servers share, and the types in which they take and give data.
//
// Results of a generated client function:
//      0    ok
//    > 0    an error that the protocol declares
//    < 0    FUT_ERR_*: transport (peer closed, timed out, ...) or framework (invalid, unknown method, ...)
//
// Views (bytes, strings, vectors) that a client function gives back lie in the thread's IPC buffer: they
// are valid until this thread's next IPC call. A view may be handed straight to the next call as its
// argument if that call has just one bytes, string or vector argument; with more it must be copied first,
// and the stub answers FUT_ERR_ARGUMENT if it was not.
#pragma once
#include <futura/abi.h>
#include <futura/sys.h>
#include <string.h>

struct fut_bytes  { const void *data; size_t len; };     // bytes:N
struct fut_string { const char *data; size_t len; };     // string:N: UTF-8, not 0-terminated
struct fut_buffer { void *data; size_t capacity, len; }; // what a server fills for a bytes or string result

#define FUT_STRING(literal) ((struct fut_string){("" literal), sizeof(literal) - 1})
static inline struct fut_string fut_string(const char *text) { return (struct fut_string){text, strlen(text)}; }


// vector<T>:N of numbers; those of structs are in the generated headers. fill: the result of a handler.
#define FUT_VIEWS(name, type)                                                                                \
    struct fut_##name##_view { const type *data; size_t len; };                                             \
    struct fut_##name##_fill { type *data; size_t capacity, len; };
FUT_VIEWS(bool, bool)
FUT_VIEWS(u8, uint8_t)
FUT_VIEWS(u16, uint16_t)
FUT_VIEWS(u32, uint32_t)
FUT_VIEWS(u64, uint64_t)
FUT_VIEWS(i8, int8_t)
FUT_VIEWS(i16, int16_t)
FUT_VIEWS(i32, int32_t)
FUT_VIEWS(i64, int64_t)
FUT_VIEWS(f32, float)
FUT_VIEWS(f64, double)
#undef FUT_VIEWS

// A client end as a server receives it. home: it is a Session of this server's own Channel, and came as
// its badge and permission bits; otherwise h is a new handle, which the server owns. Neither: not given.
struct fut_cap_arg {
    fut_handle_t h;
    bool home;
    uint64_t badge;
    uint32_t perms;
};

// A range of the caller's memory as a server receives it: fut_lease_read, fut_lease_write.
struct fut_lease_arg {
    size_t len;
    uint32_t index; // for lent_read and lent_write
};

// How to make one call. A call without options waits as long as it takes.
struct fut_call_options {
    uint64_t deadline;   // absolute, ns of fut_clock(); 0 or FUT_FOREVER: none
    bool interruptible;  // a posted interruption ends the wait, or asks the server for an early answer
    bool maybe;          // out, after a transport error: the message may have reached the server. Arguments
                         // declared `move` are still the caller's exactly if it cannot have.
};

// Facets: a Session's permission bits. A Session made with all bits may call every method.
#define FUT_PERMS_ALL 0xffffu

// --- For generated code ---------------------------------------------------------------------------------------

#define FUT_LAYER_PROTOCOL 1u  // w1 of an error reply: w0 is a value of the declared error type
#define FUT_LAYER_FRAMEWORK 2u // w0 is FUT_ERR_*
#define FUT_CALL_RETRIES 3     // of an idempotent call whose server was restarted

static inline size_t fut_round8(size_t n) { return (n + 7) & ~(size_t)7; }

// What is not 0 among len bytes, or'ed together.
static inline uint8_t fut_nonzero(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= bytes[i];
    return all;
}

static inline fut_status_t fut_msg_status(const struct fut_msg *m) { return (fut_status_t)(uint32_t)m->control; }

// Control word of a CALL or SEND, with what the options ask for.
static inline uint64_t fut_call_control(uint64_t op, fut_handle_t session, const struct fut_call_options *o)
{
    uint64_t control = op | (uint64_t)session << 32;
    if (o != nullptr) {
        if (o->deadline != 0 && o->deadline != FUT_FOREVER) {
            fut_ipc_buffer()->deadline = o->deadline;
            control |= FUT_IPC_DEADLINE << 8;
        }
        if (o->interruptible)
            control |= FUT_IPC_INTERRUPTIBLE << 8;
    }
    return control;
}

// A failed transport: notes the certainty and gives the status.
static inline fut_status_t fut_call_failed(struct fut_call_options *o, const struct fut_msg *m)
{
    if (o != nullptr)
        o->maybe = (m->control >> 56 & FUT_OUT_MAYBE) != 0;
    return fut_msg_status(m);
}

// A reply that is not the expected one: an error reply, or one that is not well formed, whose
// capabilities are deleted. error_tag: what an error reply to this method looks like.
fut_status_t fut_call_unexpected(struct fut_call_options *o, const struct fut_msg *m, uint64_t error_tag);

// Deletes the capabilities of a message that will not be used. Gives FUT_ERR_INVALID.
fut_status_t fut_caps_drop(const struct fut_msg *m);

// The handle of capability i in a received message.
static inline fut_handle_t fut_msg_cap(const struct fut_msg *m, unsigned i)
{
    if ((FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) != 0)
        return fut_ipc_buffer()->cap[i];
    return (fut_handle_t)((i < 2 ? m->caps01 : m->caps23) >> (i % 2 * 32));
}

// Whether capability i of the message received last is a handle of an object of this type with these
// rights. The kernel has noted both in the IPC buffer, so this must come before any other IPC.
static inline bool fut_cap_check(unsigned i, fut_handle_t h, uint32_t type, uint32_t rights)
{
    const struct fut_ipc_buffer *buffer = fut_ipc_buffer();
    return h != FUT_HANDLE_NONE && buffer->cap_home[i].kind == FUT_CAP_IS_HANDLE && buffer->cap_home[i].badge == type &&
           (buffer->cap_home[i].perms & rights) == rights;
}
// A client end that a server received: a Session with these rights (high half: facets), or one that came home.
bool fut_cap_session(const struct fut_msg *m, unsigned i, uint32_t rights, struct fut_cap_arg *out);
// Whether capability i of the message received last is lent.
bool fut_cap_lent(unsigned i);

bool fut_utf8_valid(const void *text, size_t len);

// Whether any of the data lies in this thread's IPC buffer.
static inline bool fut_in_ipc_buffer(const void *data)
{
    return (uintptr_t)data - (uintptr_t)fut_ipc_buffer() < FUT_IPC_BUFFER_SIZE;
}

// Puts an out-of-line part at offset at of the body (a multiple of 8) and pads it with zeros; gives the offset
// behind it.
static inline size_t fut_body_put(uint8_t *body, size_t at, const void *data, size_t len)
{
    uint8_t *to = body + at;
    size_t whole = len & ~(size_t)7;
    if (fut_in_ipc_buffer(data))
        __builtin_memmove(to, data, len);
    else
        fut_copy_words(to, data, whole / 8);
    if (whole == len)
        return at + len;
    const uint8_t *rest = fut_in_ipc_buffer(data) ? to + whole : (const uint8_t *)data + whole;
    uint64_t last = 0;
    for (size_t i = 0; i < len - whole; i++)
        last |= (uint64_t)rest[i] << (8 * i);
    __builtin_memcpy(to + whole, &last, sizeof last);
    return at + whole + 8;
}

// Takes an out-of-line part of len bytes from offset *at of a body of body_bytes: inside it, padding zero.
static inline bool fut_body_take(const uint8_t *body, size_t body_bytes, size_t *at, size_t len, const void **out)
{
    size_t padded = fut_round8(len);
    if (padded > body_bytes - *at)
        return false;
    *out = body + *at;
    if (fut_nonzero(body + *at + len, padded - len) != 0)
        return false;
    *at += padded;
    return true;
}

static inline void fut_lease_put(unsigned i, const void *data, size_t len, uint32_t rights)
{
    fut_ipc_buffer()->lease[i] =
        (struct fut_lease){.address = (uint64_t)(uintptr_t)data, .bytes = len, .rights = rights};
}
