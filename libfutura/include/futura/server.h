// SPDX-License-Identifier: MPL-2.0
//
// The server side of FIPC: an event loop over one Channel, and what handlers use.
//
// A handler gets its request, its arguments and a place for its results; it returns
//      0            the results are sent
//    > 0            the declared error of that value
//    < 0            FUT_ERR_*
//    FUT_DEFER      nothing is sent now; the handler has taken the Reply with fut_request_defer(), and
//                   answers later with the generated X_reply() or with fut_reply_error()
//
// Arguments (views) are valid until the handler returns: who defers copies what it still needs. They and
// the places for results do not lie in the IPC buffer, so handlers may call other servers freely.
// Received capabilities belong to the handler, whatever it returns: it keeps or deletes them. Those that a
// result declared `move` gives away are gone with a reply (returned as FUT_OK, or sent with X_reply()), whether
// or not it reaches its caller.
#pragma once
#include <futura/fipc.h>

#define FUT_DEFER ((fut_status_t)0x7fffffff)

struct fut_server;
struct fut_request;

typedef struct { fut_handle_t h; } fut_reply_t;

// One protocol that a server speaks: made by the generated X_service(&ops).
struct fut_service {
    uint32_t protocol;
    // Checks, calls the handler, and turns *m into the reply. false: there is none to send.
    bool (*dispatch)(struct fut_request *request, struct fut_msg *m);
    const void *ops;
};

struct fut_request {
    struct fut_server *server;
    void *object;               // what fut_server.lookup gave for the badge
    uint64_t badge;             // of the Session called, as the server chose it
    uint32_t perms;             // its permission bits (facets)
    bool oneway;                // nobody waits for a reply
    bool deferred;
    const void *ops;
    const struct fut_msg *message; // as it came: for fut_server.other
    uint64_t tag;
};

struct fut_server {
    fut_handle_t channel;       // RECV; MINT where the server mints Sessions
    fut_handle_t event;         // bound to the channel by the loop; may be 0
    const struct fut_service *services;
    size_t service_count;
    // All may be null.
    void *(*lookup)(struct fut_server *server, uint64_t badge, uint32_t protocol); // null: the call fails, PEER_CLOSED
    void (*no_senders)(struct fut_server *server, uint64_t badge); // acknowledged when it returns
    void (*signals)(struct fut_server *server, uint64_t bits);
    void (*cancel)(struct fut_server *server, fut_reply_t reply); // the caller wants an early answer
    void (*stale)(struct fut_server *server, fut_reply_t reply);  // the caller is gone; the handle is the server's to delete
    uint64_t (*timer)(struct fut_server *server, uint64_t now);   // called before each wait; when to be called next
    // Instead of timer, where a server's deadlines are rare: called once `alarm_at` (absolute ns; 0: never) has passed,
    // with alarm_at set to 0. It costs nothing per call. Takes bit 63 of `event` (made if 0).
    void (*alarm)(struct fut_server *server, uint64_t now);
    uint64_t alarm_at;
    uint64_t alarm_armed;    // the loop's
    // A handler that leaves work behind for after its reply sets more_work: `work` is called before the next wait.
    bool more_work;
    void (*work)(struct fut_server *server);
    // A message of a protocol that is not among the services (the kernel's fault messages, in
    // request->message). FUT_DEFER: no reply is sent, whether or not the Reply was taken.
    fut_status_t (*other)(struct fut_request *request);
    void *user;
    // Where arguments and results of memory-form methods stay while a handler runs.
    alignas(16) uint8_t arguments[FUT_IPC_BODY_SIZE];
    alignas(16) uint8_t results[FUT_IPC_BODY_SIZE];
};

// Serves for ever.
[[noreturn]] void fut_server_run(struct fut_server *server);
// The same, but comes back with the error when the Channel can no longer be received from.
fut_status_t fut_server_loop(struct fut_server *server);

// Takes the Reply of the request that is being handled, to answer it later. h is 0 where that failed (no
// slot left): the handler then answers at once, with an error.
[[nodiscard]] fut_reply_t fut_request_defer(struct fut_request *request);

// Answers a deferred call: with an error (> 0 declared, < 0 FUT_ERR_*). The Reply is used up.
fut_status_t fut_reply_error(fut_reply_t reply, fut_status_t error);
// Gives up a deferred call: its caller gets FUT_ERR_RESTARTED.
fut_status_t fut_reply_drop(fut_reply_t reply);

// Copies from or to the memory that the caller lent. Valid until the reply; the _reply forms are for
// deferred calls. FUT_ERR_ADDRESS when the caller's memory is not there, FUT_ERR_ARGUMENT outside the lease.
[[nodiscard]] fut_status_t fut_lease_read(struct fut_request *request, const struct fut_lease_arg *lease,
                                          size_t offset, void *to, size_t bytes);
[[nodiscard]] fut_status_t fut_lease_write(struct fut_request *request, const struct fut_lease_arg *lease,
                                           size_t offset, const void *from, size_t bytes);
[[nodiscard]] fut_status_t fut_lease_read_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset,
                                                void *to, size_t bytes);
[[nodiscard]] fut_status_t fut_lease_write_reply(fut_reply_t reply, const struct fut_lease_arg *lease, size_t offset,
                                                 const void *from, size_t bytes);

// --- For generated code ---------------------------------------------------------------------------------------

// Each turns *m into the reply that says so and gives what a dispatch function returns.
bool fut_serve_error(struct fut_request *request, struct fut_msg *m, fut_status_t error);
bool fut_serve_invalid(struct fut_request *request, struct fut_msg *m); // deletes the capabilities of *m
bool fut_serve_unknown(struct fut_request *request, struct fut_msg *m); // the same
bool fut_serve_facet(struct fut_request *request, struct fut_msg *m);   // the same

// Sends a finished reply message through a saved Reply.
fut_status_t fut_reply_send(fut_reply_t reply, struct fut_msg *m);

// Moves the body of a memory-form message out of the IPC buffer and gives its address.
static inline const uint8_t *fut_serve_arguments(struct fut_request *request, const struct fut_msg *m)
{
    fut_copy_words(request->server->arguments, fut_ipc_buffer()->body, (m->w[0] + 7) / 8);
    return request->server->arguments;
}
