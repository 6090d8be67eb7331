// SPDX-License-Identifier: MPL-2.0
#pragma once
#include "netd.h"

#define ROUTES_MAX 32
struct route {
    ip4_addr_t destination, gateway; // gateway 0: on the link
    uint8_t bits, interface;
    uint32_t metric;
};
extern struct route routes[ROUTES_MAX];
extern unsigned route_count;
