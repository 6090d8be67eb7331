// SPDX-License-Identifier: MPL-2.0
//
// What a socket is, shared by the files that make its kinds: stream.c (TCP), datagram.c (UDP, raw, ICMP echoes).
//
// Every transfer, whichever call it came by, is a struct transfer. A kind's send or receive takes it as far as it goes and
// gives FUT_OK (finished), IO_ERROR_TRY_AGAIN (more later) or an error. What may wait is queued with how far it came;
// socket_pump() takes the queues on whenever something has changed.
#pragma once
#include "netd.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "lwip/raw.h"

enum operation { OP_READ, OP_READ_INTO, OP_RECEIVE_FROM, OP_RECEIVE_INTO, OP_WRITE, OP_WRITE_FROM, OP_SEND_TO, OP_SEND_FROM,
                 OP_ACCEPT, OP_CONNECT };

struct transfer {
    struct deferred deferred;       // while it waits
    struct transfer *next;
    struct socket *socket;
    enum operation op;
    bool waits;                     // the caller is deferred.reply, not the one of this turn
    bool leased;
    uint32_t flags;                 // SOCKET_FLAGS_*
    uint32_t status;                // OP_ACCEPT: of the new socket
    struct fut_lease_arg lease;
    const uint8_t *data;            // inline, to send
    uint8_t *copy;                  // of it, while waiting; heap
    struct fut_buffer *to;          // inline, to receive into
    uint64_t total, done;
    bool addressed;                 // address and port are where it goes
    ip_addr_t address;
    uint16_t port;
    struct socket_received received;
};

struct queue { struct transfer *first, **last; };

// A ring that grows, of packets or pbufs that wait to be read.
struct packet {
    struct pbuf *p;
    ip_addr_t from, to;
    uint16_t port, to_port;
    uint8_t interface, hops, class;
};
struct packets { struct packet *slot; unsigned head, count, capacity; };
[[nodiscard]] bool packets_add(struct packets *q, const struct packet *p);
struct packet *packets_first(struct packets *q);
struct packet *packets_at(struct packets *q, unsigned i);
void packets_drop_first(struct packets *q); // frees its pbuf
void packets_free(struct packets *q);

struct chunk;                       // stream.c: bytes sent and not yet acknowledged
struct membership;                  // group.c

enum stream_state { STREAM_NEW, STREAM_CONNECTING, STREAM_CONNECTED, STREAM_LISTENING, STREAM_OVER };

struct socket_class {
    fut_status_t (*bind)(struct socket *s, const ip_addr_t *ip, uint16_t port);
    fut_status_t (*connect)(struct socket *s, const ip_addr_t *ip, uint16_t port); // TRY_AGAIN: under way
    fut_status_t (*disconnect)(struct socket *s);
    fut_status_t (*send)(struct socket *s, struct transfer *t);
    fut_status_t (*receive)(struct socket *s, struct transfer *t);
    fut_status_t (*shutdown)(struct socket *s, bool reading, bool writing);
    void (*local)(struct socket *s, ip_addr_t *ip, uint16_t *port);
    bool (*remote)(struct socket *s, ip_addr_t *ip, uint16_t *port); // false: not connected
    fut_status_t (*get)(struct socket *s, uint16_t option, int64_t *value); // NO_OPTION: not one of this kind
    fut_status_t (*set)(struct socket *s, uint16_t option, int64_t value);
    uint64_t (*ready)(struct socket *s);
    void (*close)(struct socket *s); // the last Session is gone; frees s, now or later
};

struct socket {
    struct object object;
    struct socket *next, **link;    // all of them
    const struct socket_class *class;
    struct limits *limits;
    uint16_t family, protocol;
    uint8_t type;
    bool v6_only, reads_shut, writes_shut, reuse, cork, broadcast;
    bool orphan;                    // closed; only what is unsent keeps it
    uint32_t status;                // IO_STATUS_*
    int32_t error;                  // io.Error to be reported once
    union {
        struct tcp_pcb *tcp;
        struct udp_pcb *udp;
        struct raw_pcb *raw;
    };
    fut_handle_t event, shown;      // readiness; 0 until somebody asks. shown: given out, to wait on only
    fut_handle_t event_lent;        // what the vault's copy is derived from
    uint16_t kept;                  // its place in the state; 0: none
    uint64_t level;
    struct queue readers, writers;  // acceptors read, connectors write
    struct packets in;
    uint64_t in_bytes;
    uint32_t receive_limit, send_limit;
    struct membership *memberships;
    // Streams
    enum stream_state state;
    bool peer_done;                 // the peer sends no more
    size_t in_offset;               // into the first pbuf
    struct chunk *out_first, *out_last;
    uint64_t out_bytes;
    struct socket *accept_first, **accept_last, *accept_next, *listener;
    unsigned accept_count, backlog;
    int64_t linger_ns;              // -1: off
    // Datagrams
    bool connected, header_included;
    uint16_t echo_id;               // of an ICMP echo socket, 0: none
    uint64_t filter[4];
};

extern const struct socket_class stream_class, udp_class, raw_class;
extern struct socket *sockets;
extern unsigned socket_count;
#define SOCKETS_MAX 4096u

[[nodiscard]] struct socket *socket_new(struct limits *limits, uint16_t family, uint8_t type, uint16_t protocol, uint32_t status);
void socket_free(struct socket *s); // queues are empty, the pcb is gone
[[nodiscard]] fut_status_t socket_give(struct socket *s, socket_socket_t *out); // a Session; on failure the socket is closed
void socket_closed(struct object *o);
void socket_pump(struct socket *s); // lets waiting calls go on and shows the readiness
uint8_t socket_ip_type(const struct socket *s);
void socket_set_reuse(struct socket *s, bool on);
fut_status_t socket_take_error(struct socket *s);
bool socket_address_is_ours(const ip_addr_t *ip);

// Moving bytes between netd and the caller of a transfer.
[[nodiscard]] fut_status_t transfer_put(struct transfer *t, uint64_t at, const void *from, size_t n);
[[nodiscard]] fut_status_t transfer_take(struct transfer *t, uint64_t at, void *to, size_t n);

// stream.c
[[nodiscard]] fut_status_t stream_open(struct socket *s);
[[nodiscard]] fut_status_t stream_listen(struct socket *s, unsigned backlog);
struct socket *stream_accept(struct socket *s); // null: none waits
void stream_info(struct socket *s, struct socket_stream_info *i);
unsigned stream_linux_state(const struct socket *s);
// datagram.c
[[nodiscard]] fut_status_t datagram_open(struct socket *s);
// group.c
[[nodiscard]] fut_status_t group_join(struct socket *s, const ip_addr_t *group, uint32_t interface);
[[nodiscard]] fut_status_t group_leave(struct socket *s, const ip_addr_t *group, uint32_t interface);
void group_leave_all(struct socket *s);

extern const struct socket_socket_ops socket_ops;
extern const struct io_file_ops socket_file_ops;
