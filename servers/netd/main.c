// SPDX-License-Identifier: MPL-2.0
// See netd.h.
#include "netd.h"
#include "socket.h"
#include "state.h"
#include <stdarg.h>
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/igmp.h"
#include "lwip/init.h"
#include "lwip/mld6.h"
#include "lwip/nd6.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/dhcp.h"
#include "lwip/timeouts.h"

struct fut_server server;
registry_directory_t registry;

void netd_diagnostic(const char *format, ...)
{
    char text[160];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    text[strcspn(text, "\n")] = 0;
    if (text[0])
        fut_log("lwIP: %s", text);
}

// init starts netd again; to go on with a stack that found itself broken would be worse.
[[noreturn]] void netd_assert(const char *what, const char *file, int line)
{
    fut_log("lwIP: %s (%s:%d)", what, file, line);
    abort();
}

u32_t sys_now(void) { return (u32_t)(fut_clock() / NS_PER_MS); }

void more_work(void) { server.more_work = true; }

// --- Turns -------------------------------------------------------------------------------------------------

// lwIP's timers tick ten times a second whether or not anything runs by them. While nothing does that is finer than a
// second, netd sleeps for two: a ticker that finds itself late goes on from where it is, and those that count seconds
// (lifetimes of addresses, neighbours, names) are made up for.
#define QUIET_NS (2 * NS_PER_SECOND)
static bool quiet = true;

static bool may_be_quiet(void)
{
    struct netif *n;
    if (tcp_active_pcbs || tcp_tw_pcbs || lookups_open != 0)
        return false;
    NETIF_FOREACH(n) {
        const struct dhcp *d = netif_dhcp_data(n);
        if (d && d->state != DHCP_STATE_BOUND && d->state != DHCP_STATE_OFF)
            return false;
        for (const struct igmp_group *g = netif_igmp_data(n); g; g = g->next)
            if (g->timer != 0)
                return false;
        for (const struct mld_group *g = netif_mld6_data(n); g; g = g->next)
            if (g->timer != 0)
                return false;
    }
    return true;
}

static void end_turn(void)
{
    struct netif *n;
    if (quiet && (tcp_active_pcbs || lookups_open != 0)) {
        quiet = false;
        server.alarm_at = fut_clock() + 100 * NS_PER_MS;
    }
    NETIF_FOREACH(n) {
        if (n->loop_first) {
            server.more_work = true;
            break;
        }
    }
    nic_flush();
}

static void work(struct fut_server *s)
{
    (void)s;
    netif_poll_all();
    end_turn();
}

static void alarm_rings(struct fut_server *s, uint64_t now)
{
    sys_check_timeouts();
    if (quiet) {
        nd6_tmr();
        etharp_tmr();
        dns_tmr();
    }
    nic_tick();
    uint32_t sleep = sys_timeouts_sleeptime();
    quiet = may_be_quiet();
    s->alarm_at = now + (quiet ? QUIET_NS : (sleep < 1 ? 1 : sleep > 1000 ? 1000 : sleep) * NS_PER_MS);
    end_turn();
}

static void signals(struct fut_server *s, uint64_t bits)
{
    (void)s;
    for (unsigned i = 0; i < NICS; i++) {
        if (bits >> (SIGNAL_NIC + i) & 1)
            nic_news(i);
        if (bits >> (SIGNAL_RINGS + i) & 1)
            nic_rings(i);
    }
    end_turn();
}

// --- Sessions ----------------------------------------------------------------------------------------------

static void *lookup(struct fut_server *s, uint64_t badge, uint32_t protocol)
{
    (void)s;
    struct object *o = object_find(badge);
    if (!o)
        return nullptr;
    switch (o->kind) {
    case OBJECT_NETWORK: return protocol == SOCKET_NETWORK_PROTOCOL ? o : nullptr;
    case OBJECT_CONTROL: return protocol == NETCTL_CONTROL_PROTOCOL ? o : nullptr;
    case OBJECT_SOCKET:
        return protocol == SOCKET_SOCKET_PROTOCOL || protocol == IO_FILE_PROTOCOL ? (void *)container(o, struct socket, object) : nullptr;
    }
    return nullptr;
}

static void no_senders(struct fut_server *s, uint64_t badge)
{
    (void)s;
    struct object *o = badge >= 16 ? object_find(badge) : nullptr;
    if (!o)
        return;
    switch (o->kind) {
    case OBJECT_NETWORK: network_closed(o); break;
    case OBJECT_SOCKET: socket_closed(o); break;
    case OBJECT_CONTROL: break;
    }
    end_turn();
}

// Every protocol's handlers run inside a turn.
static bool (*dispatch_of[4])(struct fut_request *, struct fut_msg *);
#define TURN(n)                                                                              \
    static bool turn_##n(struct fut_request *request, struct fut_msg *m)                    \
    {                                                                                        \
        bool send = dispatch_of[n](request, m);                                              \
        end_turn();                                                                          \
        return send;                                                                         \
    }
TURN(0)
TURN(1)
TURN(2)
TURN(3)

int main(void)
{
    registry.h = fut_startup_cap("registry");
    server.channel = fut_startup_cap("channel");
    if (!server.channel || fut_event_create(&server.event) != FUT_OK) {
        fut_log("no channel");
        return 1;
    }
    state_open();
    fut_status_t status = pool_open();
    if (status != FUT_OK) {
        fut_log("no packet memory, error %d", (int)status);
        return 1;
    }
    // Sessions of sockets of the netd before: they answer PEER_CLOSED, and their badges are not used again.
    for (uint64_t badge = 15; fut_channel_next(server.channel, badge, &badge) == FUT_OK;)
        object_skip_badges(badge);
    random_start();
    lwip_init();
    object_add_as(network_root(), OBJECT_NETWORK, 1);
    object_add_as(control_root(), OBJECT_CONTROL, 2);
    state_restore();
    names_start();
    ntp_start();
    nic_start();

    static struct fut_service services[4];
    services[0] = socket_socket_service(&socket_ops);
    services[1] = io_file_service(&socket_file_ops);
    services[2] = socket_network_service(&network_ops);
    services[3] = netctl_control_service(&control_ops);
    static bool (*const turns[4])(struct fut_request *, struct fut_msg *) = {turn_0, turn_1, turn_2, turn_3};
    for (unsigned i = 0; i < 4; i++) {
        dispatch_of[i] = services[i].dispatch;
        services[i].dispatch = turns[i];
    }
    server.services = services;
    server.service_count = 4;
    server.lookup = lookup;
    server.no_senders = no_senders;
    server.signals = signals;
    server.cancel = deferred_cancel;
    server.stale = deferred_stale;
    server.alarm = alarm_rings;
    server.alarm_at = fut_clock() + NS_PER_MS;
    server.work = work;
    fut_server_run(&server);
}
