// SPDX-License-Identifier: MPL-2.0
// Multicast groups that sockets have joined. Closing a socket leaves its groups.
#include "socket.h"
#include "lwip/igmp.h"
#include "lwip/mld6.h"

struct membership {
    struct membership *next;
    ip_addr_t group;
    uint8_t interface;
};

static struct netif *interface_for(const ip_addr_t *group, uint32_t interface)
{
    if (interface != 0)
        return interface <= 255 ? netif_get_by_index((u8_t)interface) : nullptr;
    struct netif *n = ip_route(IP_IS_V6_VAL(*group) ? IP6_ADDR_ANY : IP4_ADDR_ANY, group);
    return n ? n : netif_default;
}

static err_t join(struct netif *netif, const ip_addr_t *group)
{
    return IP_IS_V6_VAL(*group) ? mld6_joingroup_netif(netif, ip_2_ip6(group)) : igmp_joingroup_netif(netif, ip_2_ip4(group));
}

static void leave(struct netif *netif, const ip_addr_t *group)
{
    if (IP_IS_V6_VAL(*group))
        (void)mld6_leavegroup_netif(netif, ip_2_ip6(group));
    else
        (void)igmp_leavegroup_netif(netif, ip_2_ip4(group));
}

fut_status_t group_join(struct socket *s, const ip_addr_t *group, uint32_t interface)
{
    if (!ip_addr_ismulticast(group))
        return IO_ERROR_INVALID;
    struct netif *netif = interface_for(group, interface);
    if (!netif)
        return IO_ERROR_NO_DEVICE;
    for (struct membership *m = s->memberships; m; m = m->next)
        if (m->interface == netif_get_index(netif) && ip_addr_eq(&m->group, group))
            return IO_ERROR_ADDRESS_IN_USE;
    struct membership *m = malloc(sizeof *m);
    if (!m)
        return IO_ERROR_NO_MEMORY;
    *m = (struct membership){.next = s->memberships, .group = *group, .interface = netif_get_index(netif)};
    fut_status_t status = error_of(join(netif, group));
    if (status != FUT_OK) {
        free(m);
        return status;
    }
    s->memberships = m;
    return FUT_OK;
}

fut_status_t group_leave(struct socket *s, const ip_addr_t *group, uint32_t interface)
{
    struct netif *netif = interface_for(group, interface);
    for (struct membership **at = &s->memberships, *m; (m = *at); at = &m->next) {
        if (netif && m->interface == netif_get_index(netif) && ip_addr_eq(&m->group, group)) {
            leave(netif, group);
            *at = m->next;
            free(m);
            return FUT_OK;
        }
    }
    return IO_ERROR_NO_ADDRESS;
}

void group_leave_all(struct socket *s)
{
    while (s->memberships) {
        struct membership *m = s->memberships;
        struct netif *netif = netif_get_by_index(m->interface);
        s->memberships = m->next;
        if (netif)
            leave(netif, &m->group);
        free(m);
    }
}
