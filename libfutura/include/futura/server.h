// SPDX-License-Identifier: MPL-2.0
//
// The server's side of FIPC: requests, deferred replies and the loop. A server has one Channel, on which
// it may serve several protocols; the badge of a Session says which of its objects is called.
#pragma once
#include <futura/fipc.h>

// What a handler answers when it keeps the Reply for later (fut_request_defer).
#define FUT_DEFER ((fut_status_t)0x7fffffff)

typedef struct {
    fut_handle_t h;
} fut_reply_t;

// A capability received. A Session of the receiving Channel itself comes home: it has no handle, and its
// badge and permissions tell what it is.
struct fut_cap_arg {
    fut_handle_t h;
    uint32_t perms;
    uint64_t badge;
    bool home;
};

// A range of the caller's memory, lent until the reply.
struct fut_lease_arg {
    size_t len;
    unsigned index;
};

// A reply under construction by generated code.
struct fut_answer {
    uint32_t protocol;
    uint16_t tag_ordinal;
    bool memory;
    unsigned caps;
    size_t length;
    uint64_t words[FUT_IPC_REG_WORDS];
    uint32_t cap[FUT_IPC_MAX_CAPS];
};

struct fut_server;

struct fut_request {
    struct fut_server *server;
    void *object;            // what the server's lookup gave for the badge
    uint64_t badge;
    uint32_t perms;
    uint32_t protocol;
    uint16_t ordinal;
    bool oneway;             // there is no reply
    bool memory;             // the body is in the IPC buffer, else in words
    bool caps_taken;         // a handler has them: they are no longer the loop's to delete
    bool deferred;
    size_t length;           // of the body, bytes
    unsigned caps;
    uint64_t words[FUT_IPC_REG_WORDS];
    struct fut_cap_arg cap[FUT_IPC_MAX_CAPS];
    struct fut_answer answer;
};

struct fut_service {
    uint32_t protocol;
    fut_status_t (*dispatch)(struct fut_request *request, const void *ops);
    const void *ops;
};

struct fut_server {
    fut_handle_t channel;    // RECV; MINT where the server mints Sessions
    fut_handle_t event;      // bound to the channel by the loop; may be 0
    const struct fut_service *services;
    size_t service_count;
    // All may be null.
    void *(*lookup)(struct fut_server *server, uint64_t badge, uint32_t protocol); // null: no such object
    void (*no_senders)(struct fut_server *server, uint64_t badge);
    void (*signals)(struct fut_server *server, uint64_t bits);
    void (*cancel)(struct fut_server *server, fut_reply_t reply); // the caller wants an early answer
    void (*stale)(struct fut_server *server, fut_reply_t reply);  // the caller is gone; the handle is the server's to delete
    uint64_t (*timer)(struct fut_server *server, uint64_t now);   // called before each wait; when to be called next
    // Instead of timer, where a server's deadlines are rare: called once `alarm_at` (absolute ns; 0: never) has passed,
    // with alarm_at set to 0. It costs nothing per call, and keeps reply and wait one kernel entry.
    void (*alarm)(struct fut_server *server, uint64_t now);
    uint64_t alarm_at;
    // A message of a protocol that is not among the services (the kernel's fault messages).
    fut_status_t (*other)(struct fut_request *request);
    void *user;
};

// Serves for ever.
[[noreturn]] void fut_server_run(struct fut_server *server);

// Keeps the Reply of the call being handled; the handler then answers FUT_DEFER. A handle of 0: the
// capability table is full, and the handler answers an error instead.
fut_reply_t fut_request_defer(struct fut_request *request);

// Answers a deferred call with an error: > 0 declared by the protocol, < 0 FUT_ERR_*.
fut_status_t fut_reply_error(fut_reply_t reply, fut_status_t status);

// Copies from or to the memory that the caller lent. Valid until the reply; the _reply forms are for
// deferred calls. FUT_ERR_ADDRESS when the caller's memory is not there.
[[nodiscard]] fut_status_t fut_lease_read(struct fut_request *request, const struct fut_lease_arg *lease,
                                          size_t offset, void *to, size_t bytes);
[[nodiscard]] fut_status_t fut_lease_write(struct fut_request *request, const struct fut_lease_arg *lease,
                                           size_t offset, const void *from, size_t bytes);
[[nodiscard]] fut_status_t fut_lease_read_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset,
                                                void *to, size_t bytes);
[[nodiscard]] fut_status_t fut_lease_write_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset,
                                                 const void *from, size_t bytes);

// For generated code: sends an answer to a deferred call.
fut_status_t fut_answer_send(fut_reply_t reply, struct fut_answer *answer);
