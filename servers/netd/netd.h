// SPDX-License-Identifier: MPL-2.0
//
// netd: the TCP/IP stack. One thread runs lwIP and serves all Sessions; helper threads (helper.c) only wait for what
// would make it wait. A turn of the loop handles one message; frames that it made go to the drivers at its end, and work
// that lwIP has left over (packets to ourselves) is done before the next wait.
//
// Badges: below 16 they are minted by init (1 Network without limits, 2 Control); from 16 on they are netd's objects.
#pragma once
#include <fipc/io.h>
#include <fipc/netctl.h>
#include <fipc/nic.h>
#include <fipc/registry.h>
#include <fipc/socket.h>
#include <futura/log.h>
#include <futura/server.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)
#define NICS 4

// Bits of the Event bound to the Channel.
#define SIGNAL_RINGS 0   // + number of the NIC: its rings
#define SIGNAL_NIC 8     // + number of the NIC: its helper has news
#define SIGNAL_CLOCK 16  // the clock service was found

extern struct fut_server server;
extern registry_directory_t registry;
#define container(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

// --- pool.c: packet memory, one contiguous Memory that the devices reach ----------------------------------
#define POOL_BYTES (16u << 20)
#define RECEIVE_BUFFERS 1024u
#define RECEIVE_BYTES 2048u
extern struct pool {
    fut_handle_t memory;
    uint8_t *at;
    uint64_t used, highest;         // bytes handed out by netd_pool_malloc
    uint64_t limit;                 // of them
} pool;
[[nodiscard]] fut_status_t pool_open(void);
static inline bool pool_contains(const void *p) { return (uintptr_t)p - (uintptr_t)pool.at < POOL_BYTES; }
static inline uint32_t pool_offset(const void *p) { return (uint32_t)((const uint8_t *)p - pool.at); }
uint8_t *pool_rings(unsigned nic);  // RING_AREA bytes
uint8_t *pool_receive_buffer(unsigned n);
#define RING_AREA (128u << 10)

// lwIP reads an ARP frame's fields before it knows that they are there. Ethernet's frames have 60 bytes at least; a device
// may leave out what they are filled up with.
#define FRAME_MIN 60u
static inline uint32_t frame_fill_up(uint8_t *frame, uint32_t bytes)
{
    if (bytes >= FRAME_MIN)
        return bytes;
    memset(frame + bytes, 0, FRAME_MIN - bytes);
    return FRAME_MIN;
}

// --- nic.c ----------------------------------------------------------------------------------------------
void nic_start(void);               // helpers that look for devices
void nic_news(unsigned n);
void nic_rings(unsigned n);
void nic_flush(void);               // tells the drivers what was sent in this turn
void nic_tick(void);                // now and then: takes back what was sent
struct netif *nic_netif(unsigned n); // null: none
uint64_t nic_packets_held(void);     // receive buffers that wait to be read

// --- helper.c: a thread that waits so that netd need not -------------------------------------------------
[[nodiscard]] fut_status_t helper_start(void (*body)(void *), void *argument);

// --- object.c: badges, waiting calls ---------------------------------------------------------------------
enum object_kind { OBJECT_NETWORK = 1, OBJECT_CONTROL, OBJECT_SOCKET };
struct object {
    uint64_t badge;                 // unique for ever; 0: not in the table
    struct object *next;
    enum object_kind kind;
};
void object_add(struct object *o, enum object_kind kind);
void object_add_as(struct object *o, enum object_kind kind, uint64_t badge);
void object_remove(struct object *o);
void object_skip_badges(uint64_t used); // badges up to this one are not given out
struct object *object_find(uint64_t badge);
[[nodiscard]] fut_status_t object_session(const struct object *o, uint32_t perms, fut_handle_t *out);

// A call that waits. cancel: the caller wants an answer now; drop: nobody waits for it any more. Both own the record then.
struct deferred {
    struct deferred *next, **link;
    fut_reply_t reply;
    void (*cancel)(struct deferred *d);
    void (*drop)(struct deferred *d);
};
[[nodiscard]] bool deferred_add(struct deferred *d, struct fut_request *req, void (*cancel)(struct deferred *),
                                void (*drop)(struct deferred *));
void deferred_take(struct deferred *d);
void deferred_cancel(struct fut_server *s, fut_reply_t reply);
void deferred_stale(struct fut_server *s, fut_reply_t reply);

// --- network.c ------------------------------------------------------------------------------------------
// What a Network, and every socket made through it, is kept to. Shared by both; the chain is what Restrict built.
struct limits {
    unsigned references;
    struct limits *outer;           // holds too
    uint16_t kept;                  // its place in the state; 0: none
    struct socket_restriction r;
};
void limits_hold(struct limits *l);
void limits_release(struct limits *l);
[[nodiscard]] fut_status_t limits_listen(const struct limits *l);
[[nodiscard]] fut_status_t limits_raw(const struct limits *l);
[[nodiscard]] fut_status_t limits_local(const struct limits *l, uint16_t port);
[[nodiscard]] fut_status_t limits_remote(const struct limits *l, const ip_addr_t *address, uint16_t port);
struct object *network_root(void);
struct limits *network_no_limits(void);
// With one reference; takes one on outer (null: no limits). null: no memory.
struct limits *network_limits(struct limits *outer, const struct socket_restriction *r, uint16_t kept);
void network_restore(struct limits *l, uint64_t badge);
extern const struct socket_network_ops network_ops;
void network_closed(struct object *o);
extern unsigned lookups_open;       // names that lwIP asks servers for

// --- address.c ------------------------------------------------------------------------------------------
[[nodiscard]] fut_status_t address_in(const struct socket_address *a, ip_addr_t *ip); // a mapped IPv4 address becomes IPv4
void address_out(const ip_addr_t *ip, uint16_t port, uint16_t family, struct socket_address *a);
fut_status_t error_of(int lwip_error);   // err_t -> io.Error

// --- control.c ------------------------------------------------------------------------------------------
extern const struct netctl_control_ops control_ops;
struct object *control_root(void);
void control_changed(void);

// --- random.c -------------------------------------------------------------------------------------------
void random_start(void);
void random_bytes(void *to, size_t n);

// --- ntp.c, mdns.c --------------------------------------------------------------------------------------
void ntp_start(void);
void names_start(void);
void names_add(struct netif *netif);

// --- main.c ---------------------------------------------------------------------------------------------
void more_work(void);               // lwIP has work left over for the end of the turn
