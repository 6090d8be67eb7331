// SPDX-License-Identifier: MPL-2.0
//
// Routes set by hand, beside those that the interfaces' own addresses and DHCP give. The longest prefix wins; among equal
// ones the smallest metric.
#include "route.h"
#include "hooks.h"

struct route routes[ROUTES_MAX];
unsigned route_count;

static const struct route *best(const ip4_addr_t *destination)
{
    const struct route *found = nullptr;
    for (unsigned i = 0; i < route_count; i++) {
        const struct route *r = &routes[i];
        struct netif *n = netif_get_by_index(r->interface);
        uint32_t mask = r->bits == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - r->bits));
        if (!n || !netif_is_up(n) || !netif_is_link_up(n) || (destination->addr & mask) != r->destination.addr)
            continue;
        if (!found || r->bits > found->bits || (r->bits == found->bits && r->metric < found->metric))
            found = r;
    }
    return found;
}

// An interface's own network is a route with its prefix: it wins over shorter ones set by hand.
static unsigned own_bits(const ip4_addr_t *destination)
{
    struct netif *n;
    unsigned bits = 0;
    NETIF_FOREACH(n) {
        if (netif_is_up(n) && netif_is_link_up(n) && !ip4_addr_isany_val(*netif_ip4_addr(n)) &&
            ip4_addr_net_eq(destination, netif_ip4_addr(n), netif_ip4_netmask(n))) {
            unsigned b = (unsigned)__builtin_popcount(netif_ip4_netmask(n)->addr);
            bits = b > bits ? b : bits;
        }
    }
    return bits;
}

struct netif *netd_route4(const ip4_addr_t *source, const ip4_addr_t *destination)
{
    (void)source;
    if (route_count == 0)
        return nullptr;
    const struct route *r = best(destination);
    return r && r->bits > own_bits(destination) ? netif_get_by_index(r->interface) : nullptr;
}

const ip4_addr_t *netd_gateway4(struct netif *netif, const ip4_addr_t *destination)
{
    const struct route *r = route_count ? best(destination) : nullptr;
    if (!r || r->interface != netif_get_index(netif))
        return nullptr;
    return ip4_addr_isany_val(r->gateway) ? destination : &r->gateway;
}
