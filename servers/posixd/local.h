// SPDX-License-Identifier: MPL-2.0
//
// Sockets of the local domain: what local.c (names, connections), local_data.c (what is sent) and rights.c (Sessions
// that travel) share.
#pragma once
#include "pipe.h"

#define KIND_STREAM 1u
#define KIND_DATAGRAM 2u
#define KIND_SEQPACKET 5u
#define PACKETS_MAX 128u
#define PACKET_BYTES_MAX (256u << 10) // in one socket's queue
#define PACKET_MAX (208u << 10)
#define NAME_MAX LOCAL_MAX_NAME

struct name { uint8_t length; char text[NAME_MAX]; };

// A list of Sessions on their way. It belongs to a socket that has not sent it or has received it, or to a packet or
// mark in somebody's queue.
struct right {
    fut_handle_t h;    // of another server
    struct file *file; // or of this one
    uint64_t info;
};
struct rights {
    struct rights *next;
    uint64_t number;
    uint32_t count;
    struct right item[LOCAL_MAX_RIGHTS];
};

struct packet {
    struct packet *next;
    struct rights *rights;
    struct local_credentials sender;
    struct name from;
    size_t size;
    char data[];
};

struct local {
    struct file file; // first: requests carry the file
    struct local *next, **link; // all of them
    uint32_t kind;
    struct readiness ready;
    struct local_credentials own, others; // others: the peer's
    struct name name, peer_name;
    uint64_t dev, ino, token; // token 0: not bound
    uint64_t bound;           // a later one at the same place has a greater number
    bool pending; // not accepted yet: its listener destroys it
    bool listening, was_connected, no_receive, no_send;
    struct local *peer;       // of datagrams and seqpackets; null when it is gone
    unsigned referrers;       // datagram sockets whose peer this is
    struct end *in, *out;     // of a connected stream; null once shut down
    struct packet *first, **last;
    unsigned packets;
    size_t packet_bytes;
    struct local *waiting, **waiting_last, *next_waiting; // connections not accepted yet
    unsigned backlog, waiting_count;
    struct connecting *connecting; // calls that wait for room there
    struct rights *lists;     // attached or received, newest first
    bool scanned;             // rights_collect
};

extern struct local *locals;
static inline struct local *local_of(struct fut_request *req)
{
    return container((struct file *)req->object, struct local, file);
}
extern const struct file_class local_class;
void local_show(struct local *s, uint64_t fresh);
void local_room_made(struct local *s); // in its queue: those who send to it can go on
struct local *local_by_name(const void *name, size_t length);
struct local *local_by_token(uint64_t token);

// local_data.c
fut_status_t local_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res);
fut_status_t local_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res);
fut_status_t local_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b, struct io_file_read_into_result *res);
fut_status_t local_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b, struct io_file_write_from_result *res);
fut_status_t local_send(struct fut_request *req, local_flags_t flags, uint64_t rights, uint64_t token, struct fut_bytes to,
                        struct fut_bytes data, struct local_socket_send_result *res);
fut_status_t local_send_from(struct fut_request *req, local_flags_t flags, uint64_t rights, uint64_t token, struct fut_bytes to,
                             struct fut_lease_arg b, struct local_socket_send_from_result *res);
fut_status_t local_receive(struct fut_request *req, local_flags_t flags, uint32_t len, struct local_socket_receive_result *res);
fut_status_t local_receive_into(struct fut_request *req, local_flags_t flags, struct fut_lease_arg b,
                                struct local_socket_receive_into_result *res);
void local_drop_packets(struct local *s);

// rights.c
fut_status_t rights_attach(struct fut_request *req, uint64_t list, uint64_t info, struct fut_cap_arg h,
                           struct local_socket_attach_result *res);
fut_status_t rights_take(struct fut_request *req, uint64_t list, uint32_t index, struct local_socket_take_result *res);
fut_status_t rights_discard(struct fut_request *req, uint64_t list);
struct rights *rights_detach(struct local *s, uint64_t list); // null: there is none
uint64_t rights_keep(struct local *s, struct rights *list);   // for Take; its number
struct rights *rights_copy(const struct rights *list);        // null: no memory
void rights_drop(struct rights *list);                        // null is none
void rights_drop_all(struct local *s);
