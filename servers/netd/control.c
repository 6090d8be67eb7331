// SPDX-License-Identifier: MPL-2.0
//
// futura.netctl: what there is, as lists that are read by index, and changes to it. The lists are made anew for each call
// from lwIP's own tables; `generation` counts their changes.
#include "route.h"
#include "socket.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/nd6.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/dhcp.h"
#include "lwip/stats.h"

static uint64_t generation = 1;
static struct object root;
static fut_handle_t watchers[16];

struct object *control_root(void) { return &root; }

void control_changed(void)
{
    generation++;
    for (unsigned i = 0; i < 16; i++)
        if (watchers[i])
            (void)fut_event_signal(watchers[i], 1);
}

static struct netif *interface_at(uint32_t position)
{
    // lwIP adds at the front; the loopback, which came first, is shown first.
    for (unsigned index = 1, seen = 0; index < 256; index++) {
        struct netif *n = netif_get_by_index((u8_t)index);
        if (n && seen++ == position)
            return n;
    }
    return nullptr;
}

static bool is_loopback(const struct netif *n) { return n->name[0] == 'l'; }

static fut_status_t interface_of(uint32_t number, struct netif **out)
{
    *out = number <= 255 ? netif_get_by_index((u8_t)number) : nullptr;
    return *out ? FUT_OK : IO_ERROR_NO_DEVICE;
}

static uint8_t dhcp_state(struct netif *n)
{
    const struct dhcp *d = netif_dhcp_data(n);
    if (!d || d->state == DHCP_STATE_OFF)
        return 0;
    return dhcp_supplied_address(n) ? 2 : 1;
}

static void name_of(const struct netif *n, char name[16])
{
    if (is_loopback(n))
        snprintf(name, 16, "lo");
    else
        snprintf(name, 16, "eth%u", (unsigned)netif_get_index(n) - 2);
}

// --- Looking -----------------------------------------------------------------------------------------------

static fut_status_t do_general(struct fut_request *req, struct netctl_control_general_result *res)
{
    (void)req;
    struct netif *n;
    res->generation = generation;
    NETIF_FOREACH(n)
        res->interfaces++;
    res->forwarding = false;
    return FUT_OK;
}

static fut_status_t do_get_interface(struct fut_request *req, uint32_t index, struct netctl_control_get_interface_result *res)
{
    (void)req;
    struct netif *n = interface_at(index);
    if (!n)
        return IO_ERROR_NOT_FOUND;
    struct netctl_interface *i = &res->i;
    char name[16];
    name_of(n, name);
    *i = (struct netctl_interface){
        .index = netif_get_index(n), .mtu = n->mtu ? n->mtu : 65535, .kind = is_loopback(n) ? 772 : 1, .dhcp = dhcp_state(n),
        .rx_packets = n->mib2_counters.ifinucastpkts + n->mib2_counters.ifinnucastpkts, .rx_bytes = n->mib2_counters.ifinoctets,
        .rx_errors = n->mib2_counters.ifinerrors, .rx_dropped = n->mib2_counters.ifindiscards,
        .rx_multicast = n->mib2_counters.ifinnucastpkts,
        .tx_packets = n->mib2_counters.ifoutucastpkts + n->mib2_counters.ifoutnucastpkts, .tx_bytes = n->mib2_counters.ifoutoctets,
        .tx_errors = n->mib2_counters.ifouterrors, .tx_dropped = n->mib2_counters.ifoutdiscards,
    };
    if (netif_is_up(n))
        i->flags |= NETCTL_INTERFACE_FLAGS_UP;
    if (netif_is_up(n) && netif_is_link_up(n))
        i->flags |= NETCTL_INTERFACE_FLAGS_RUNNING;
    if (is_loopback(n))
        i->flags |= NETCTL_INTERFACE_FLAGS_LOOPBACK;
    else
        i->flags |= NETCTL_INTERFACE_FLAGS_BROADCAST | NETCTL_INTERFACE_FLAGS_MULTICAST;
    memcpy(i->mac, n->hwaddr, n->hwaddr_len < 6 ? n->hwaddr_len : 6);
    res->name.len = strlen(name);
    memcpy(res->name.data, name, res->name.len);
    return FUT_OK;
}

static unsigned mask_bits(const ip4_addr_t *mask) { return (unsigned)__builtin_popcount(mask->addr); }

static fut_status_t do_get_address(struct fut_request *req, uint32_t index, struct netctl_control_get_address_result *res)
{
    (void)req;
    struct netif *n;
    for (unsigned k = 0; (n = interface_at(k)); k++) {
        struct netctl_interface_address *a = &res->a;
        if (!ip4_addr_isany_val(*netif_ip4_addr(n)) && index-- == 0) {
            *a = (struct netctl_interface_address){.interface = netif_get_index(n), .prefix_bits = (uint8_t)mask_bits(netif_ip4_netmask(n)),
                .source = dhcp_supplied_address(n) ? 1 : 0, .valid_s = UINT32_MAX};
            address_out(&n->ip_addr, 0, SOCKET_FAMILY_INET, &a->address);
            ip_addr_t broadcast = IPADDR4_INIT(netif_ip4_addr(n)->addr | ~netif_ip4_netmask(n)->addr);
            address_out(&broadcast, 0, SOCKET_FAMILY_INET, &a->broadcast);
            const struct dhcp *d = netif_dhcp_data(n);
            if (a->source == 1 && d)
                a->valid_s = d->t0_timeout > d->lease_used ? (uint32_t)(d->t0_timeout - d->lease_used) * DHCP_COARSE_TIMER_SECS : 0;
            return FUT_OK;
        }
        for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
            uint8_t state = netif_ip6_addr_state(n, i);
            if (ip6_addr_isinvalid(state) || index-- != 0)
                continue;
            bool local = ip6_addr_islinklocal(netif_ip6_addr(n, i)), loop = is_loopback(n);
            uint32_t valid = netif_ip6_addr_valid_life(n, i);
            *a = (struct netctl_interface_address){.interface = netif_get_index(n), .prefix_bits = loop ? 128 : 64,
                .state = ip6_addr_istentative(state) ? 1 : ip6_addr_isduplicated(state) ? 3 : ip6_addr_isdeprecated(state) && !loop ? 2 : 0,
                .source = local ? 3 : valid != 0 ? 2 : 0, .valid_s = valid != 0 ? valid : UINT32_MAX};
            address_out(&n->ip6_addr[i], 0, SOCKET_FAMILY_INET6, &a->address);
            return FUT_OK;
        }
    }
    return IO_ERROR_NOT_FOUND;
}

static void route_out(struct netctl_route *r, const ip_addr_t *to, unsigned bits, const ip_addr_t *gateway, struct netif *n, uint8_t source)
{
    uint16_t family = IP_IS_V6_VAL(*to) ? SOCKET_FAMILY_INET6 : SOCKET_FAMILY_INET;
    *r = (struct netctl_route){.interface = netif_get_index(n), .prefix_bits = (uint8_t)bits, .source = source};
    address_out(to, 0, family, &r->destination);
    if (gateway && !ip_addr_isany(gateway))
        address_out(gateway, 0, family, &r->gateway);
}

static fut_status_t do_get_route(struct fut_request *req, uint32_t index, struct netctl_control_get_route_result *res)
{
    (void)req;
    struct netif *n;
    const ip_addr_t any4 = IPADDR4_INIT(0), any6 = IPADDR6_INIT(0, 0, 0, 0);
    if (netif_default && !ip4_addr_isany_val(*netif_ip4_gw(netif_default)) && index-- == 0) {
        route_out(&res->r, &any4, 0, &netif_default->gw, netif_default, dhcp_supplied_address(netif_default) ? 1 : 0);
        return FUT_OK;
    }
    for (unsigned i = 0; i < route_count; i++) {
        const struct route *r = &routes[i];
        n = netif_get_by_index(r->interface);
        if (!n || index-- != 0)
            continue;
        ip_addr_t to = IPADDR4_INIT(r->destination.addr), gateway = IPADDR4_INIT(r->gateway.addr);
        route_out(&res->r, &to, r->bits, &gateway, n, 0);
        res->r.metric = r->metric;
        return FUT_OK;
    }
    for (unsigned k = 0; (n = interface_at(k)); k++) {
        if (netif_is_up(n) && !is_loopback(n) && !ip4_addr_isany_val(*netif_ip4_addr(n)) && index-- == 0) {
            ip_addr_t net = IPADDR4_INIT(netif_ip4_addr(n)->addr & netif_ip4_netmask(n)->addr);
            route_out(&res->r, &net, mask_bits(netif_ip4_netmask(n)), nullptr, n, dhcp_supplied_address(n) ? 1 : 0);
            return FUT_OK;
        }
    }
    for (int i = 0; i < LWIP_ND6_NUM_ROUTERS; i++) {
        const struct nd6_router_list_entry *e = &default_router_list[i];
        if (!e->neighbor_entry || !e->neighbor_entry->netif || index-- != 0)
            continue;
        ip_addr_t gateway = {};
        ip_addr_copy_from_ip6(gateway, e->neighbor_entry->next_hop_address);
        route_out(&res->r, &any6, 0, &gateway, e->neighbor_entry->netif, 2);
        return FUT_OK;
    }
    for (int i = 0; i < LWIP_ND6_NUM_PREFIXES; i++) {
        const struct nd6_prefix_list_entry *e = &prefix_list[i];
        if (!e->netif || index-- != 0)
            continue;
        ip_addr_t net = {};
        ip_addr_copy_from_ip6(net, e->prefix);
        route_out(&res->r, &net, 64, nullptr, e->netif, 2);
        return FUT_OK;
    }
    for (unsigned k = 0; (n = interface_at(k)); k++) {
        if (netif_is_up(n) && !is_loopback(n) && index-- == 0) {
            ip_addr_t net = IPADDR6_INIT(PP_HTONL(0xfe800000u), 0, 0, 0);
            route_out(&res->r, &net, 64, nullptr, n, 3);
            return FUT_OK;
        }
    }
    return IO_ERROR_NOT_FOUND;
}

static fut_status_t do_get_neighbour(struct fut_request *req, uint32_t index, struct netctl_control_get_neighbour_result *res)
{
    (void)req;
    for (size_t i = 0; i < ARP_TABLE_SIZE; i++) {
        ip4_addr_t *ip;
        struct netif *n;
        struct eth_addr *mac;
        if (!etharp_get_entry(i, &ip, &n, &mac) || index-- != 0)
            continue;
        ip_addr_t address = IPADDR4_INIT(ip->addr);
        res->n = (struct netctl_neighbour){.interface = netif_get_index(n), .state = 1};
        address_out(&address, 0, SOCKET_FAMILY_INET, &res->n.address);
        memcpy(res->n.mac, mac->addr, 6);
        return FUT_OK;
    }
    for (int i = 0; i < LWIP_ND6_NUM_NEIGHBORS; i++) {
        const struct nd6_neighbor_cache_entry *e = &neighbor_cache[i];
        if (e->state == ND6_NO_ENTRY || !e->netif || index-- != 0)
            continue;
        ip_addr_t address = {};
        ip_addr_copy_from_ip6(address, e->next_hop_address);
        res->n = (struct netctl_neighbour){.interface = netif_get_index(e->netif),
            .state = e->state == ND6_INCOMPLETE ? 0 : e->state == ND6_REACHABLE ? 1 : 2};
        address_out(&address, 0, SOCKET_FAMILY_INET6, &res->n.address);
        memcpy(res->n.mac, e->lladdr, 6);
        return FUT_OK;
    }
    return IO_ERROR_NOT_FOUND;
}

static fut_status_t do_get_endpoint(struct fut_request *req, uint32_t index, struct netctl_control_get_endpoint_result *res)
{
    (void)req;
    for (struct socket *s = sockets; s; s = s->next) {
        if (index-- != 0)
            continue;
        ip_addr_t ip = {};
        uint16_t port = 0;
        res->e = (struct netctl_endpoint){.type = s->type, .protocol = s->protocol, .state = 7, .receive_queue = s->in_bytes,
                                          .send_queue = s->out_bytes, .number = s->object.badge};
        s->class->local(s, &ip, &port);
        address_out(&ip, port, s->family, &res->e.local);
        res->e.remote.family = s->family;
        memset(&ip, 0, sizeof ip);
        if (s->class->remote(s, &ip, &port)) {
            address_out(&ip, port, s->family, &res->e.remote);
            res->e.state = 1;
        }
        if (s->type == SOCKET_TYPE_STREAM)
            res->e.state = (uint8_t)stream_linux_state(s);
        return FUT_OK;
    }
    // Connections that no socket holds any more.
    for (int list = 0; list < 2; list++) {
        for (struct tcp_pcb *pcb = list == 0 ? tcp_active_pcbs : tcp_tw_pcbs; pcb; pcb = pcb->next) {
            if ((list == 0 && pcb->callback_arg) || index-- != 0)
                continue;
            uint16_t family = IP_IS_V6_VAL(pcb->remote_ip) ? SOCKET_FAMILY_INET6 : SOCKET_FAMILY_INET;
            struct socket s = {.tcp = pcb};
            res->e = (struct netctl_endpoint){.type = SOCKET_TYPE_STREAM, .protocol = 6, .state = (uint8_t)stream_linux_state(&s)};
            address_out(&pcb->local_ip, pcb->local_port, family, &res->e.local);
            address_out(&pcb->remote_ip, pcb->remote_port, family, &res->e.remote);
            return FUT_OK;
        }
    }
    return IO_ERROR_NOT_FOUND;
}

static fut_status_t do_counters(struct fut_request *req, struct netctl_control_counters_result *res)
{
    (void)req;
    const struct stats_mib2 *m = &lwip_stats.mib2;
    res->c = (struct netctl_counters){
        .ip_received = m->ipinreceives + lwip_stats.ip6.recv, .ip_header_errors = m->ipinhdrerrors,
        .ip_delivered = m->ipindelivers, .ip_sent = m->ipoutrequests + lwip_stats.ip6.xmit,
        .ip_dropped = m->ipindiscards + lwip_stats.ip6.drop, .ip_no_route = m->ipoutnoroutes, .ip_reassembled = m->ipreasmoks,
        .ip_reassembly_failed = m->ipreasmfails, .ip_fragments = m->ipfragcreates, .icmp_received = m->icmpinmsgs,
        .icmp_sent = m->icmpoutmsgs, .icmp_errors = m->icmpinerrors, .tcp_active_opens = m->tcpactiveopens,
        .tcp_passive_opens = m->tcppassiveopens, .tcp_failed = m->tcpattemptfails, .tcp_resets = m->tcpestabresets,
        .tcp_received = m->tcpinsegs, .tcp_sent = m->tcpoutsegs, .tcp_retransmitted = m->tcpretranssegs,
        .tcp_errors = m->tcpinerrs, .tcp_resets_sent = m->tcpoutrsts, .udp_received = m->udpindatagrams,
        .udp_no_port = m->udpnoports, .udp_errors = m->udpinerrors, .udp_sent = m->udpoutdatagrams,
    };
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        res->c.tcp_established += pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT;
    return FUT_OK;
}

static fut_status_t do_servers(struct fut_request *req, struct netctl_control_servers_result *res)
{
    (void)req;
    for (u8_t i = 0; i < DNS_MAX_SERVERS && res->servers.len < 4; i++) {
        const ip_addr_t *ip = dns_getserver(i);
        if (!ip_addr_isany(ip))
            address_out(ip, 53, SOCKET_FAMILY_NONE, &res->servers.data[res->servers.len++]);
    }
    return FUT_OK;
}

static fut_status_t do_watch(struct fut_request *req, fut_handle_t e)
{
    (void)req;
    for (unsigned i = 0; i < 16; i++) {
        if (!watchers[i]) {
            watchers[i] = e;
            return FUT_OK;
        }
    }
    (void)fut_cap_delete(e);
    return IO_ERROR_NO_BUFFERS;
}

static fut_status_t do_usage(struct fut_request *req, struct netctl_control_usage_result *res)
{
    (void)req;
    uint64_t connections = 0;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        connections++;
    res->u = (struct netctl_usage){.sockets = socket_count, .connections = connections, .packets = nic_packets_held(),
                                   .packet_bytes = pool.used, .packet_bytes_max = pool.limit};
    return FUT_OK;
}

// --- Changing ----------------------------------------------------------------------------------------------

static fut_status_t do_set_up(struct fut_request *req, uint32_t interface, bool up)
{
    (void)req;
    struct netif *n;
    fut_status_t status = interface_of(interface, &n);
    if (status != FUT_OK)
        return status;
    if (up)
        netif_set_up(n);
    else
        netif_set_down(n);
    control_changed();
    return FUT_OK;
}

static fut_status_t do_set_mtu(struct fut_request *req, uint32_t interface, uint32_t mtu)
{
    (void)req;
    struct netif *n;
    fut_status_t status = interface_of(interface, &n);
    if (status != FUT_OK)
        return status;
    if (mtu < 576 || mtu > 1500 || is_loopback(n))
        return IO_ERROR_INVALID;
    n->mtu = (u16_t)mtu;
    n->mtu6 = n->mtu;
    control_changed();
    return FUT_OK;
}

static fut_status_t do_add_address(struct fut_request *req, uint32_t interface, const struct socket_address *address, uint8_t bits)
{
    (void)req;
    struct netif *n;
    ip_addr_t ip;
    fut_status_t status = interface_of(interface, &n);
    if (status == FUT_OK)
        status = address_in(address, &ip);
    if (status != FUT_OK)
        return status;
    if (IP_IS_V6_VAL(ip)) {
        s8_t at;
        if (bits > 128)
            return IO_ERROR_INVALID;
        if (netif_get_ip6_addr_match(n, ip_2_ip6(&ip)) >= 0)
            return IO_ERROR_EXISTS;
        status = error_of(netif_add_ip6_address(n, ip_2_ip6(&ip), &at));
        control_changed();
        return status == FUT_OK ? FUT_OK : IO_ERROR_NO_BUFFERS;
    }
    if (bits > 32 || ip4_addr_ismulticast(ip_2_ip4(&ip)))
        return IO_ERROR_INVALID;
    // One IPv4 address per interface: the new one takes the place of the old, and of what DHCP would give.
    if (dhcp_state(n) != 0 && !ip_addr_isany(&ip))
        dhcp_release_and_stop(n);
    ip4_addr_t mask = {.addr = bits == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - bits))};
    netif_set_addr(n, ip_2_ip4(&ip), &mask, netif_ip4_gw(n));
    control_changed();
    return FUT_OK;
}

static fut_status_t do_remove_address(struct fut_request *req, uint32_t interface, const struct socket_address *address)
{
    (void)req;
    struct netif *n;
    ip_addr_t ip;
    fut_status_t status = interface_of(interface, &n);
    if (status == FUT_OK)
        status = address_in(address, &ip);
    if (status != FUT_OK)
        return status;
    if (IP_IS_V6_VAL(ip)) {
        s8_t at = netif_get_ip6_addr_match(n, ip_2_ip6(&ip));
        if (at < 0)
            return IO_ERROR_NO_ADDRESS;
        netif_ip6_addr_set_state(n, at, IP6_ADDR_INVALID);
    } else {
        if (!ip4_addr_eq(netif_ip4_addr(n), ip_2_ip4(&ip)))
            return IO_ERROR_NO_ADDRESS;
        if (dhcp_state(n) != 0)
            dhcp_release_and_stop(n);
        netif_set_addr(n, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4);
    }
    control_changed();
    return FUT_OK;
}

// The gateway's own interface, where none was named.
static struct netif *interface_towards(const ip4_addr_t *gateway)
{
    struct netif *n;
    NETIF_FOREACH(n)
        if (netif_is_up(n) && !ip4_addr_isany_val(*netif_ip4_addr(n)) && ip4_addr_net_eq(gateway, netif_ip4_addr(n), netif_ip4_netmask(n)))
            return n;
    return nullptr;
}

static fut_status_t route_in(const struct netctl_route *r, struct route *out)
{
    ip_addr_t to, gateway = IPADDR4_INIT(0);
    fut_status_t status = address_in(&r->destination, &to);
    if (status == FUT_OK && r->gateway.family != SOCKET_FAMILY_NONE)
        status = address_in(&r->gateway, &gateway);
    if (status != FUT_OK)
        return status;
    if (IP_IS_V6_VAL(to) || IP_IS_V6_VAL(gateway))
        return IO_ERROR_NOT_SUPPORTED; // lwIP learns IPv6 routes from routers alone
    if (r->prefix_bits > 32)
        return IO_ERROR_INVALID;
    uint32_t mask = r->prefix_bits == 0 ? 0 : lwip_htonl(0xffffffffu << (32 - r->prefix_bits));
    if (ip_2_ip4(&to)->addr & ~mask)
        return IO_ERROR_INVALID;
    struct netif *n = r->interface != 0 && r->interface <= 255 ? netif_get_by_index((u8_t)r->interface)
                    : r->interface == 0 ? interface_towards(ip_2_ip4(&gateway)) : nullptr;
    if (!n)
        return r->interface != 0 ? IO_ERROR_NO_DEVICE : IO_ERROR_NETWORK_UNREACHABLE;
    *out = (struct route){.destination = *ip_2_ip4(&to), .gateway = *ip_2_ip4(&gateway), .bits = r->prefix_bits,
                          .interface = netif_get_index(n), .metric = r->metric};
    return FUT_OK;
}

static fut_status_t do_add_route(struct fut_request *req, const struct netctl_route *r)
{
    (void)req;
    struct route new;
    fut_status_t status = route_in(r, &new);
    if (status != FUT_OK)
        return status;
    struct netif *n = netif_get_by_index(new.interface);
    if (new.bits == 0 && new.metric == 0 && !ip4_addr_isany_val(new.gateway)) { // the default gateway is lwIP's own
        if (n == netif_default && !ip4_addr_isany_val(*netif_ip4_gw(n)))
            return IO_ERROR_EXISTS;
        netif_set_gw(n, &new.gateway);
        netif_set_default(n);
        control_changed();
        return FUT_OK;
    }
    for (unsigned i = 0; i < route_count; i++)
        if (routes[i].bits == new.bits && routes[i].metric == new.metric && ip4_addr_eq(&routes[i].destination, &new.destination))
            return IO_ERROR_EXISTS;
    if (route_count == ROUTES_MAX)
        return IO_ERROR_NO_BUFFERS;
    routes[route_count++] = new;
    control_changed();
    return FUT_OK;
}

static fut_status_t do_remove_route(struct fut_request *req, const struct netctl_route *r)
{
    (void)req;
    ip_addr_t to;
    fut_status_t status = address_in(&r->destination, &to);
    if (status != FUT_OK)
        return status;
    for (unsigned i = 0; i < route_count; i++) {
        if (routes[i].bits == r->prefix_bits && ip4_addr_eq(&routes[i].destination, ip_2_ip4(&to))) {
            routes[i] = routes[--route_count];
            control_changed();
            return FUT_OK;
        }
    }
    if (r->prefix_bits == 0 && netif_default && !ip4_addr_isany_val(*netif_ip4_gw(netif_default))) {
        netif_set_gw(netif_default, IP4_ADDR_ANY4);
        control_changed();
        return FUT_OK;
    }
    return IO_ERROR_NO_PROCESS; // Linux's ESRCH for a route that is not there
}

static fut_status_t do_set_servers(struct fut_request *req, struct netctl_address_view servers)
{
    (void)req;
    ip_addr_t ip[4];
    for (size_t i = 0; i < servers.len; i++) {
        fut_status_t status = address_in(&servers.data[i], &ip[i]);
        if (status != FUT_OK)
            return status;
    }
    for (size_t i = 0; i < DNS_MAX_SERVERS; i++)
        dns_setserver((u8_t)i, i < servers.len ? &ip[i] : nullptr);
    control_changed();
    return FUT_OK;
}

static fut_status_t do_dhcp(struct fut_request *req, uint32_t interface, bool on)
{
    (void)req;
    struct netif *n;
    fut_status_t status = interface_of(interface, &n);
    if (status != FUT_OK)
        return status;
    if (is_loopback(n))
        return IO_ERROR_NOT_SUPPORTED;
    if (on)
        status = error_of(dhcp_start(n));
    else
        dhcp_release_and_stop(n);
    control_changed();
    return status;
}

static fut_status_t do_set_mac(struct fut_request *req, uint32_t interface, const uint8_t mac[6])
{
    (void)req;
    struct netif *n;
    fut_status_t status = interface_of(interface, &n);
    if (status != FUT_OK)
        return status;
    if (is_loopback(n) || (mac[0] & 1))
        return IO_ERROR_NO_ADDRESS;
    if (netif_is_up(n))
        return IO_ERROR_BUSY;
    memcpy(n->hwaddr, mac, 6);
    control_changed();
    return FUT_OK;
}

static fut_status_t do_reader(struct fut_request *req, struct netctl_control_reader_result *res)
{
    (void)req;
    // The same badge with fewer permissions: there is nothing to keep about a reader.
    return fut_session_mint(server.channel, root.badge, NETCTL_CONTROL_FACET_READER, &res->c.h) == FUT_OK ? FUT_OK : IO_ERROR_NO_MEMORY;
}

const struct netctl_control_ops control_ops = {
    .general = do_general, .get_interface = do_get_interface, .get_address = do_get_address, .get_route = do_get_route,
    .get_neighbour = do_get_neighbour, .get_endpoint = do_get_endpoint, .counters = do_counters, .servers = do_servers,
    .watch = do_watch, .usage = do_usage, .set_up = do_set_up, .set_mtu = do_set_mtu, .add_address = do_add_address,
    .remove_address = do_remove_address, .add_route = do_add_route, .remove_route = do_remove_route,
    .set_servers = do_set_servers, .dhcp = do_dhcp, .set_mac = do_set_mac, .reader = do_reader,
};
