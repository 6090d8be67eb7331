// SPDX-License-Identifier: MPL-2.0
// Questions that lwIP asks netd.
#pragma once
#include "lwip/ip_addr.h"

struct netif;
// RFC 6528: a secret function of the connection plus a clock. isn.c
u32_t netd_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);
// Routes beside those of the interfaces themselves; null: those decide. route.c
struct netif *netd_route4(const ip4_addr_t *source, const ip4_addr_t *destination);
const ip4_addr_t *netd_gateway4(struct netif *netif, const ip4_addr_t *destination);
