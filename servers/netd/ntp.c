// SPDX-License-Identifier: MPL-2.0
//
// SNTP (RFC 4330): the time from the server that DHCP names, given to the clock service. Only from a server that was
// asked, to the question that was asked: the reply must carry the 64 random bits that the request did.
//
// The clock service is a driver host: a helper looks it up, and makes the call.
#include "netd.h"
#include <fipc/clock.h>
#include "lwip/dhcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"

#define NTP_PORT 123
#define UNIX_EPOCH 2208988800ull     // of NTP's era 0
#define FIRST_MS 1000u               // after the server is known
#define RETRY_MS 8000u
#define AGAIN_MS (1024u * 1000)

static ip_addr_t server_address[2];
static unsigned servers, turn;
static struct udp_pcb *pcb;
static uint64_t asked;               // the bits of the question; 0: none is open
static uint64_t asked_ns;
static bool scheduled;

// For the helper: what to add to monotonic time.
static int64_t offset_ns;
static fut_handle_t news;
static uint32_t have_news;

static uint64_t load64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static void on_reply(void *argument, struct udp_pcb *from_pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    uint8_t m[48];
    (void)argument, (void)from_pcb;
    uint64_t now = fut_clock();
    bool whole = pbuf_copy_partial(p, m, sizeof m, 0) == sizeof m;
    pbuf_free(p);
    // Version 4 or 3, mode server, a stratum between 1 and 15, clock not marked as unsynchronised, and our question.
    if (!whole || asked == 0 || port != NTP_PORT || !ip_addr_eq(from, &server_address[turn]) || (m[0] & 7) != 4 ||
        m[0] >> 6 == 3 || m[1] < 1 || m[1] > 15 || load64(m + 24) != asked)
        return;
    asked = 0;
    uint64_t stamp = load64(m + 40), seconds = stamp >> 32;
    seconds += seconds < UNIX_EPOCH ? (1ull << 32) : 0; // era 1 begins in 2036
    uint64_t real = (seconds - UNIX_EPOCH) * NS_PER_SECOND + ((stamp & 0xffffffff) * NS_PER_SECOND >> 32);
    uint64_t middle = asked_ns + (now - asked_ns) / 2;
    __atomic_store_n(&offset_ns, (int64_t)(real - middle), __ATOMIC_RELAXED);
    __atomic_store_n(&have_news, 1, __ATOMIC_RELEASE);
    (void)fut_event_signal(news, 1);
}

static void ask(void *unused)
{
    (void)unused;
    scheduled = false;
    if (servers == 0)
        return;
    bool answered = asked == 0;
    if (!answered)
        turn = (turn + 1) % servers;
    if (!pcb) {
        pcb = udp_new_ip_type(IPADDR_TYPE_ANY);
        if (pcb)
            udp_recv(pcb, on_reply, nullptr);
    }
    struct pbuf *p = pcb ? pbuf_alloc(PBUF_TRANSPORT, 48, PBUF_RAM) : nullptr;
    if (p) {
        memset(p->payload, 0, 48);
        ((uint8_t *)p->payload)[0] = 4 << 3 | 3; // version 4, client
        do
            random_bytes(&asked, sizeof asked);
        while (asked == 0);
        for (int i = 0; i < 8; i++)
            ((uint8_t *)p->payload)[40 + i] = (uint8_t)(asked >> (56 - 8 * i));
        asked_ns = fut_clock();
        (void)udp_sendto(pcb, p, &server_address[turn], NTP_PORT);
        pbuf_free(p);
    }
    static unsigned tries;
    tries = answered ? 0 : tries + 1;
    scheduled = true;
    sys_timeout(tries < 5 ? RETRY_MS : AGAIN_MS, ask, nullptr);
}

void dhcp_set_ntp_servers(u8_t count, const ip4_addr_t *list)
{
    servers = count < 2 ? count : 2;
    for (unsigned i = 0; i < servers; i++)
        ip_addr_copy_from_ip4(server_address[i], list[i]);
    turn = 0;
    if (servers == 0)
        return;
    if (scheduled)
        sys_untimeout(ask, nullptr);
    scheduled = true;
    asked = 0;
    sys_timeout(FIRST_MS, ask, nullptr);
}

static void set_clock(void *unused)
{
    (void)unused;
    clock_clock_t clock;
    if (registry_directory_lookup(registry, FUT_STRING("clock"), true, &clock.h) != FUT_OK)
        return;
    for (;;) {
        uint64_t bits;
        (void)!fut_event_wait(news, 1, FUT_FOREVER, 0, &bits);
        if (!__atomic_exchange_n(&have_news, 0, __ATOMIC_ACQUIRE))
            continue;
        int64_t offset = __atomic_load_n(&offset_ns, __ATOMIC_RELAXED), old;
        bool known = clock_clock_offset(clock, &old) == FUT_OK;
        fut_status_t status = clock_clock_set_offset(clock, offset);
        int64_t by = known ? (offset - old) / (int64_t)NS_PER_MS : 0;
        if (status != FUT_OK)
            fut_log("the clock cannot be set: error %d", (int)status);
        else if (by > 1000 || by < -1000)
            fut_log("the clock was %lld ms %s", (long long)(by < 0 ? -by : by), by < 0 ? "fast" : "slow");
    }
}

void ntp_start(void)
{
    if (fut_event_create(&news) != FUT_OK || helper_start(set_clock, nullptr) != FUT_OK)
        fut_log("no thread for the clock service: it is not set from the network");
}
