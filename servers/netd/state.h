// SPDX-License-Identifier: MPL-2.0
//
// What outlives netd, in the `state` Memory and the vault that init keeps (as ttyd's state.c): the packet memory, which
// devices may still write to; the Events of sockets, so that who waits for one is woken; sockets that listen, and the
// limits of Networks, whose Sessions stay good. A new netd checks all of it before it believes it.
#pragma once
#include "socket.h"

#define LIMITS_MAX 512u

struct kept_socket {
    uint64_t badge;                 // 0: free
    fut_handle_t event;             // in the vault; 0: none
    bool listens, v6_only, reuse;
    uint8_t backlog;
    uint16_t family, port;
    uint16_t limits;                // 1 + index; 0: none
    uint16_t nonblock;
    uint8_t address[16];
};

struct kept_limits {
    uint64_t badge;                 // of the Network; 0: closed, and only others still refer to it
    uint16_t outer;                 // 1 + index; 0: none
    bool used;
    struct socket_restriction r;
};

void state_open(void);
fut_handle_t state_pool(void);                 // the packet memory of the netd before; 0: none
void state_keep_pool(fut_handle_t memory);
void state_restore(void);                      // Networks and listeners; wakes who waits on a socket that is gone
[[nodiscard]] bool state_socket(struct socket *s); // gives it a place: false when all are taken
void state_socket_event(struct socket *s);     // it has an Event now
void state_socket_listens(struct socket *s);
void state_socket_gone(struct socket *s);
[[nodiscard]] bool state_limits(struct limits *l, uint64_t badge); // false: no place
void state_limits_closed(struct limits *l);    // its Network
void state_limits_gone(struct limits *l);
