// SPDX-License-Identifier: MPL-2.0
//
// Network devices as lwIP interfaces: the client side of futura.nic. Frames are received into buffers of the pool and go
// up the stack where they lie; a frame to send is named to the driver piece by piece, and its pbufs stay until the
// driver says that the device has read them.
//
// For each device a helper looks up its name, which waits until the device is there, and then waits in Nic.Wait for a
// change of the link or the end of the driver host. After that the device is opened anew with empty rings: what was under
// way is lost, and TCP sends it again.
#include "netd.h"
#include <futura/ring.h>
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/mld6.h"
#include "lwip/snmp.h"
#include "netif/ethernet.h"

#define RING_ENTRIES 1024u
#define GIVEN_MAX 320u              // buffers with one driver at a time
#define KEPT_MIN 256u               // with fewer left, frames are copied to make room
#define FRAMES 512u                 // sent and not yet reported back
#define BUDGET 128                  // frames received in one turn

struct receive_buffer {
    struct pbuf_custom pbuf;        // first: lwIP gives it back
    uint16_t number;
    uint8_t holder;                 // 1 + number of the NIC whose driver has it; 0: nobody's, or lwIP's
};

static struct nic {
    unsigned number;
    nic_nic_t session;
    struct nic_information info;
    char name[16];
    struct netif netif;
    bool added, open;
    fut_handle_t doorbell;
    struct fut_ring give, got, send, sent;
    unsigned given;
    struct pbuf *frame[FRAMES];
    uint16_t free_frame[FRAMES];
    unsigned free_frames;
    bool to_publish;
    uint64_t retry_at;
    // Written by the helper.
    fut_handle_t found;
    uint32_t starts, link, news_seen;
} nics[NICS];

static struct receive_buffer buffers[RECEIVE_BUFFERS];
static uint16_t free_buffer[RECEIVE_BUFFERS];
static unsigned free_buffers;

struct netif *nic_netif(unsigned n) { return n < NICS && nics[n].added ? &nics[n].netif : nullptr; }

uint64_t nic_packets_held(void)
{
    uint64_t given = 0;
    for (unsigned i = 0; i < NICS; i++)
        given += nics[i].given;
    return RECEIVE_BUFFERS - free_buffers - given;
}

// --- Buffers -------------------------------------------------------------------------------------------

static void buffer_free(struct pbuf *p)
{
    struct receive_buffer *b = (struct receive_buffer *)p;
    free_buffer[free_buffers++] = b->number;
}

static void give_buffers(struct nic *n)
{
    struct nic_entry *e;
    while (n->given < GIVEN_MAX && free_buffers != 0 && (e = fut_ring_slot(&n->give))) {
        unsigned b = free_buffer[--free_buffers];
        buffers[b].holder = (uint8_t)(n->number + 1);
        *e = (struct nic_entry){.offset = pool_offset(pool_receive_buffer(b)), .bytes = RECEIVE_BYTES, .id = b};
        n->give.at++;
        n->given++;
    }
    (void)fut_ring_publish(&n->give);
}

// --- Receiving -----------------------------------------------------------------------------------------

static void receive(struct nic *n, const struct nic_entry *e)
{
    struct netif *netif = &n->netif;
    if (e->id >= RECEIVE_BUFFERS || buffers[e->id].holder != n->number + 1)
        return; // not a buffer of this driver
    struct receive_buffer *b = &buffers[e->id];
    b->holder = 0;
    n->given--;
    if (e->bytes == 0 || e->bytes > RECEIVE_BYTES - NIC_HEADROOM) {
        MIB2_STATS_NETIF_INC(netif, ifinerrors);
        free_buffer[free_buffers++] = b->number;
        return;
    }
    b->pbuf.custom_free_function = buffer_free;
    uint8_t *frame = pool_receive_buffer(b->number) + NIC_HEADROOM;
    uint32_t bytes = frame_fill_up(frame, e->bytes);
    struct pbuf *p = pbuf_alloced_custom(PBUF_RAW, (uint16_t)bytes, PBUF_REF, &b->pbuf, frame, RECEIVE_BYTES - NIC_HEADROOM);
    if (free_buffers < KEPT_MIN) { // programs read too slowly: this buffer must not wait for them
        struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
        pbuf_free(p);
        p = copy;
    }
    if (!p) {
        MIB2_STATS_NETIF_INC(netif, ifindiscards);
        return;
    }
    MIB2_STATS_NETIF_ADD(netif, ifinoctets, p->tot_len);
    if (*(const uint8_t *)p->payload & 1)
        MIB2_STATS_NETIF_INC(netif, ifinnucastpkts);
    else
        MIB2_STATS_NETIF_INC(netif, ifinucastpkts);
    uint16_t check = netif->chksum_flags;
    if ((e->flags & NIC_ENTRY_FLAGS_CHECKSUM_OK) && (n->info.features & NIC_FEATURES_RECEIVE_CHECKSUM))
        netif->chksum_flags &= (uint16_t)~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    if (netif->input(p, netif) != ERR_OK)
        pbuf_free(p);
    netif->chksum_flags = check;
}

static void take_sent(struct nic *n)
{
    const struct nic_entry *slot;
    while ((slot = fut_ring_slot(&n->sent))) {
        struct nic_entry e;
        fut_ring_copy(&e, slot, sizeof e);
        n->sent.at++;
        if (e.id < FRAMES && n->frame[e.id]) {
            pbuf_free(n->frame[e.id]);
            n->frame[e.id] = nullptr;
            n->free_frame[n->free_frames++] = (uint16_t)e.id;
        }
    }
    (void)fut_ring_publish(&n->sent);
}

void nic_rings(unsigned number)
{
    struct nic *n = &nics[number];
    if (!n->open)
        return;
    int budget = BUDGET;
    take_sent(n);
    do {
        const struct nic_entry *slot;
        while (budget > 0 && (slot = fut_ring_slot(&n->got))) {
            struct nic_entry e;
            fut_ring_copy(&e, slot, sizeof e);
            n->got.at++;
            receive(n, &e);
            budget--;
        }
        give_buffers(n);
        if (n->got.broken || n->sent.broken || n->give.broken || n->send.broken) {
            fut_log("%s: the driver's rings make no sense, opening it again", n->name);
            n->open = false;
            n->retry_at = fut_clock() + NS_PER_SECOND;
            return;
        }
    } while (budget > 0 && fut_ring_arm(&n->got));
    if (budget <= 0) // others have their turn first
        (void)fut_event_signal(server.event, 1ull << (SIGNAL_RINGS + number));
}

// --- Sending -------------------------------------------------------------------------------------------

static err_t output(struct netif *netif, struct pbuf *p)
{
    struct nic *n = netif->state;
    if (!n->open)
        return ERR_IF;
    if (n->free_frames == 0)
        take_sent(n);
    unsigned pieces = 0;
    bool reachable = true;
    for (struct pbuf *q = p; q; q = q->next) {
        pieces += q->len != 0;
        reachable &= q->len == 0 || pool_contains(q->payload);
    }
    if (n->free_frames == 0 || n->send.count - (n->send.at - n->send.published) < pieces) {
        MIB2_STATS_NETIF_INC(netif, ifoutdiscards);
        return ERR_MEM;
    }
    // What the device does not reach, or in more pieces than it takes, goes as a copy.
    if (!reachable || pieces > n->info.pieces_max) {
        p = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
        if (!p) {
            MIB2_STATS_NETIF_INC(netif, ifoutdiscards);
            return ERR_MEM;
        }
    } else {
        pbuf_ref(p);
    }
    uint32_t begun = n->send.at;
    uint16_t id = n->free_frame[n->free_frames - 1];
    struct nic_entry *last = nullptr;
    for (struct pbuf *q = p; q; q = q->next) {
        if (q->len == 0)
            continue;
        struct nic_entry *e = fut_ring_slot(&n->send);
        if (!e) { // the driver is behind; nothing of this frame is published
            n->send.at = begun;
            pbuf_free(p);
            MIB2_STATS_NETIF_INC(netif, ifoutdiscards);
            return ERR_MEM;
        }
        *e = (struct nic_entry){.offset = pool_offset(q->payload), .bytes = q->len, .id = id, .flags = NIC_ENTRY_FLAGS_MORE};
        last = e;
        n->send.at++;
    }
    if (!last) {
        pbuf_free(p);
        return ERR_OK;
    }
    last->flags = 0;
    n->frame[id] = p;
    n->free_frames--;
    n->to_publish = true;
    MIB2_STATS_NETIF_ADD(netif, ifoutoctets, p->tot_len);
    const uint8_t *destination = p->payload;
    if (destination[0] & 1)
        MIB2_STATS_NETIF_INC(netif, ifoutnucastpkts);
    else
        MIB2_STATS_NETIF_INC(netif, ifoutucastpkts);
    return ERR_OK;
}

void nic_flush(void)
{
    for (unsigned i = 0; i < NICS; i++) {
        if (nics[i].to_publish) {
            nics[i].to_publish = false;
            (void)fut_ring_publish(&nics[i].send);
        }
    }
}

// --- Opening -------------------------------------------------------------------------------------------

static err_t interface_begin(struct netif *netif)
{
    struct nic *n = netif->state;
    netif->name[0] = 'e';
    netif->name[1] = 't';
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = output;
    netif->mtu = (uint16_t)(n->info.mtu >= 1280 && n->info.mtu <= RECEIVE_BYTES - NIC_HEADROOM - 14 ? n->info.mtu : 1500);
    netif->mtu6 = netif->mtu;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, n->info.mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    MIB2_INIT_NETIF(netif, snmp_ifType_ethernet_csmacd, 0);
    return ERR_OK;
}

static void changed(struct netif *netif)
{
    (void)netif;
    control_changed();
}

static bool interface_add(struct nic *n)
{
    struct netif *netif = &n->netif;
    if (!netif_add(netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, n, interface_begin, ethernet_input))
        return false;
    n->added = true;
    netif_set_status_callback(netif, changed);
    netif_set_link_callback(netif, changed);
    netif_set_hostname(netif, "futura");
    netif_create_ip6_linklocal_address(netif, 1);
    netif_set_ip6_autoconfig_enabled(netif, 1);
    if (!netif_default)
        netif_set_default(netif);
    netif_set_up(netif);
    names_add(netif);
    return true;
}

static void lose_all(struct nic *n)
{
    for (unsigned i = 0; i < FRAMES; i++) {
        if (n->frame[i])
            pbuf_free(n->frame[i]);
        n->frame[i] = nullptr;
        n->free_frame[i] = (uint16_t)i;
    }
    n->free_frames = FRAMES;
    for (unsigned i = 0; i < RECEIVE_BUFFERS; i++) {
        if (buffers[i].holder == n->number + 1) {
            buffers[i].holder = 0;
            free_buffer[free_buffers++] = (uint16_t)i;
        }
    }
    n->given = 0;
    if (n->doorbell)
        (void)fut_cap_delete(n->doorbell);
    n->doorbell = 0;
}

static fut_status_t open_rings(struct nic *n, struct fut_call_options *o)
{
    const uint32_t ring = sizeof(struct fut_ring_shared) + RING_ENTRIES * sizeof(struct nic_entry);
    static_assert(4 * (sizeof(struct fut_ring_shared) + RING_ENTRIES * sizeof(struct nic_entry)) <= RING_AREA);
    uint8_t *at = pool_rings(n->number);
    memset(at, 0, RING_AREA);
    struct nic_layout layout = {
        .give = pool_offset(at), .got = pool_offset(at + ring), .send = pool_offset(at + 2 * ring), .sent = pool_offset(at + 3 * ring),
        .give_entries = RING_ENTRIES, .got_entries = RING_ENTRIES, .send_entries = RING_ENTRIES, .sent_entries = RING_ENTRIES,
    };
    fut_handle_t wake;
    fut_status_t status = fut_cap_mint(server.event, FUT_RIGHT_WRITE | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &wake);
    if (status != FUT_OK)
        return status;
    status = nic_nic_open_opt(n->session, o, pool.memory, wake, (uint8_t)(SIGNAL_RINGS + n->number), &layout, &n->doorbell);
    (void)fut_cap_delete(wake);
    if (status != FUT_OK)
        return status;
    const uint64_t bell = 2; // the bit that Nic.Open names
    fut_ring_attach(&n->give, true, at, RING_ENTRIES, sizeof(struct nic_entry), n->doorbell, bell);
    fut_ring_attach(&n->got, false, at + ring, RING_ENTRIES, sizeof(struct nic_entry), n->doorbell, bell);
    fut_ring_attach(&n->send, true, at + 2 * ring, RING_ENTRIES, sizeof(struct nic_entry), n->doorbell, bell);
    fut_ring_attach(&n->sent, false, at + 3 * ring, RING_ENTRIES, sizeof(struct nic_entry), n->doorbell, bell);
    return FUT_OK;
}

static void nic_open(struct nic *n)
{
    struct fut_call_options o = {.deadline = fut_clock() + NS_PER_SECOND};
    struct fut_string name;
    n->open = false;
    lose_all(n);
    fut_status_t status = nic_nic_info_opt(n->session, &o, &n->info, &name);
    if (status == FUT_OK) {
        size_t len = name.len < sizeof n->name - 1 ? name.len : sizeof n->name - 1;
        memcpy(n->name, name.data, len);
        n->name[len] = 0;
        o.deadline = fut_clock() + NS_PER_SECOND;
        status = open_rings(n, &o);
    }
    if (status != FUT_OK) {
        fut_log("nic.%u cannot be opened, error %d; trying again", n->number, (int)status);
        n->retry_at = fut_clock() + NS_PER_SECOND;
        return;
    }
    n->open = true;
    n->retry_at = 0;
    give_buffers(n);
    bool first = !n->added;
    if (first && !interface_add(n)) {
        fut_log("nic.%u: no interface for it", n->number);
        return;
    }
    if (n->info.link_up)
        netif_set_link_up(&n->netif);
    else
        netif_set_link_down(&n->netif);
    if (first && dhcp_start(&n->netif) != ERR_OK)
        fut_log("%s: DHCP does not start", n->name);
    nic_rings(n->number);
}

void nic_news(unsigned number)
{
    struct nic *n = &nics[number];
    uint32_t starts = __atomic_load_n(&n->starts, __ATOMIC_ACQUIRE);
    if (starts == 0)
        return;
    n->session.h = n->found;
    if (starts != n->news_seen) {
        if (n->news_seen != 0)
            fut_log("%s: the driver was started again", n->name);
        n->news_seen = starts;
        nic_open(n);
        return;
    }
    if (!n->added)
        return;
    if (__atomic_load_n(&n->link, __ATOMIC_ACQUIRE))
        netif_set_link_up(&n->netif);
    else
        netif_set_link_down(&n->netif);
}

void nic_tick(void)
{
    for (unsigned i = 0; i < NICS; i++) {
        struct nic *n = &nics[i];
        if (n->retry_at != 0 && fut_clock() >= n->retry_at)
            nic_open(n);
        if (!n->open)
            continue;
        take_sent(n);
        if (n->free_frames < FRAMES) // the driver takes sent frames back when something wakes it
            (void)fut_event_signal(n->doorbell, 2);
        give_buffers(n);
    }
}

// --- The helper ----------------------------------------------------------------------------------------

static void watch(void *argument)
{
    struct nic *n = argument;
    char name[] = {'n', 'i', 'c', '.', (char)('0' + n->number), 0};
    if (registry_directory_lookup(registry, fut_string(name), true, &n->found) != FUT_OK)
        return;
    __atomic_store_n(&n->starts, 1, __ATOMIC_RELEASE);
    uint64_t bit = 1ull << (SIGNAL_NIC + n->number);
    (void)fut_event_signal(server.event, bit);
    nic_nic_t session = {n->found};
    for (bool link = true;;) {
        bool now;
        fut_status_t status = nic_nic_wait(session, link, &now);
        if (status == FUT_OK) {
            link = now;
            __atomic_store_n(&n->link, link, __ATOMIC_RELEASE);
        } else if (status == FUT_ERR_RESTARTED) {
            struct fut_string ignored;
            struct nic_information info;
            if (nic_nic_info(session, &info, &ignored) != FUT_OK) // answered by the next host
                continue;
            link = info.link_up;
            __atomic_store_n(&n->link, link, __ATOMIC_RELEASE);
            __atomic_add_fetch(&n->starts, 1, __ATOMIC_RELEASE);
        } else {
            uint64_t bits;
            fut_handle_t never;
            if (fut_event_create(&never) == FUT_OK) { // a second's pause
                (void)!fut_event_wait(never, 1, fut_clock() + NS_PER_SECOND, 0, &bits);
                (void)fut_cap_delete(never);
            }
            continue;
        }
        (void)fut_event_signal(server.event, bit);
    }
}

void nic_start(void)
{
    for (unsigned i = 0; i < RECEIVE_BUFFERS; i++) {
        buffers[i].number = (uint16_t)i;
        free_buffer[i] = (uint16_t)i;
    }
    free_buffers = RECEIVE_BUFFERS;
    for (unsigned i = 0; i < NICS; i++) {
        nics[i].number = i;
        nics[i].link = 1;
        if (helper_start(watch, &nics[i]) != FUT_OK)
            fut_log("no thread for nic.%u", i);
    }
}
