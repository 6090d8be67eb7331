// SPDX-License-Identifier: MPL-2.0
// See state.h.
#include "state.h"

#define MAGIC 0x31305354544e4454ull
#define STARTS_MAX 8u

static struct state {
    uint64_t magic, bytes;
    uint32_t starts;                // without anything served in between
    fut_handle_t pool;              // in the vault
    struct kept_socket socket[SOCKETS_MAX];
    struct kept_limits limits[LIMITS_MAX];
} *state;
static fut_handle_t vault;
static uint16_t free_socket[SOCKETS_MAX], free_limits[LIMITS_MAX];
static unsigned free_sockets, free_limit_count;

static fut_handle_t vault_take(fut_handle_t kept)
{
    fut_handle_t h = 0;
    if (!vault || !kept || fut_cap_take(vault, kept, FUT_RIGHTS_ALL, &h) != FUT_OK)
        return 0;
    return h;
}

void state_open(void)
{
    static struct state fallback; // where init gave none: nothing outlives then
    fut_handle_t memory = fut_startup_cap("state");
    vault = fut_startup_cap("vault");
    state = &fallback;
    if (memory) {
        struct fut_map map = {.bytes = (sizeof *state + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull), .memory = memory,
                              .flags = FUT_PROT_READ | FUT_PROT_WRITE};
        uint64_t at;
        if (fut_space_map(fut_startup_cap("space"), &map, &at) == FUT_OK)
            state = (struct state *)at;
        else
            fut_log("cannot map its state; nothing will outlive a restart");
    }
    fut_handle_t kept_pool = state->magic == MAGIC ? state->pool : 0;
    if (state->magic != MAGIC || state->bytes != sizeof *state || state->starts >= STARTS_MAX) {
        memset(state, 0, sizeof *state);
        state->magic = MAGIC;
        state->bytes = sizeof *state;
        state->pool = kept_pool; // a device may still write there
    }
    state->starts++;
}

fut_handle_t state_pool(void)
{
    fut_handle_t memory = vault_take(state->pool);
    struct fut_memory_info info;
    if (memory && (fut_memory_info(memory, &info) != FUT_OK || info.bytes != POOL_BYTES || !info.physical)) {
        (void)fut_cap_delete(memory);
        return 0;
    }
    return memory;
}

void state_keep_pool(fut_handle_t memory)
{
    if (vault && fut_cap_grant(vault, memory, FUT_RIGHTS_ALL, 0, &state->pool) != FUT_OK)
        state->pool = 0;
}

// --- Sockets -----------------------------------------------------------------------------------------------

bool state_socket(struct socket *s)
{
    if (free_sockets == 0)
        return false;
    s->kept = (uint16_t)(free_socket[--free_sockets] + 1);
    state->socket[s->kept - 1] = (struct kept_socket){.badge = s->object.badge};
    state->starts = 0; // it serves
    return true;
}

// The vault gets a copy that is derived from one of our own, so that it can be taken back.
void state_socket_event(struct socket *s)
{
    if (s->kept == 0 || !vault || fut_cap_mint(s->event, FUT_RIGHTS_ALL, &s->event_lent) != FUT_OK)
        return;
    if (fut_cap_grant(vault, s->event_lent, FUT_RIGHTS_ALL, 0, &state->socket[s->kept - 1].event) != FUT_OK)
        state->socket[s->kept - 1].event = 0;
}

void state_socket_listens(struct socket *s)
{
    if (s->kept == 0)
        return;
    struct kept_socket *k = &state->socket[s->kept - 1];
    k->v6_only = s->v6_only;
    k->reuse = s->reuse;
    k->backlog = (uint8_t)s->backlog;
    k->family = s->family;
    k->port = s->tcp->local_port;
    k->limits = s->limits->kept;
    k->nonblock = s->status & IO_STATUS_NONBLOCK ? 1 : 0;
    struct socket_address a;
    address_out(&s->tcp->local_ip, 0, s->family, &a);
    memcpy(k->address, a.bytes, sizeof k->address);
    k->listens = true;
}

void state_socket_gone(struct socket *s)
{
    if (s->event_lent) {
        (void)!fut_cap_revoke(s->event_lent);
        (void)fut_cap_delete(s->event_lent);
    }
    if (s->kept == 0)
        return;
    state->socket[s->kept - 1] = (struct kept_socket){};
    free_socket[free_sockets++] = (uint16_t)(s->kept - 1);
    s->kept = 0;
}

// --- Limits ------------------------------------------------------------------------------------------------

bool state_limits(struct limits *l, uint64_t badge)
{
    if (free_limit_count == 0)
        return false;
    l->kept = (uint16_t)(free_limits[--free_limit_count] + 1);
    state->limits[l->kept - 1] = (struct kept_limits){.badge = badge, .outer = l->outer ? l->outer->kept : 0, .used = true, .r = l->r};
    return true;
}

void state_limits_closed(struct limits *l)
{
    if (l->kept != 0)
        state->limits[l->kept - 1].badge = 0;
}

void state_limits_gone(struct limits *l)
{
    if (l->kept == 0)
        return;
    state->limits[l->kept - 1] = (struct kept_limits){};
    free_limits[free_limit_count++] = (uint16_t)(l->kept - 1);
}

// --- A new netd --------------------------------------------------------------------------------------------

static bool is_alive(uint64_t badge)
{
    uint64_t next;
    return badge >= 16 && fut_channel_next(server.channel, badge - 1, &next) == FUT_OK && next == badge;
}

static struct limits *restore_limits(unsigned i, struct limits *made[LIMITS_MAX], unsigned depth)
{
    struct kept_limits *k = &state->limits[i];
    if (made[i] || !k->used || depth > 32)
        return made[i];
    struct limits *outer = nullptr;
    if (k->outer != 0) {
        outer = k->outer <= LIMITS_MAX ? restore_limits(k->outer - 1u, made, depth + 1) : nullptr;
        if (!outer)
            return nullptr; // without what it was kept to, a Network must not come back
    }
    made[i] = network_limits(outer, &k->r, (uint16_t)(i + 1));
    return made[i];
}

static void restore_listener(unsigned i, struct limits *made[LIMITS_MAX])
{
    struct kept_socket k = state->socket[i];
    struct limits *limits = k.limits == 0 ? network_no_limits() : k.limits <= LIMITS_MAX ? made[k.limits - 1] : nullptr;
    struct socket_address a = {.family = k.family};
    memcpy(a.bytes, k.address, sizeof a.bytes);
    state->socket[i].listens = false;
    struct socket *s = limits ? socket_new(limits, k.family, SOCKET_TYPE_STREAM, 6, k.nonblock ? IO_STATUS_NONBLOCK : 0) : nullptr;
    if (!s)
        return;
    s->v6_only = k.v6_only;
    s->kept = (uint16_t)(i + 1);
    ip_addr_t ip;
    fut_status_t status = k.family == SOCKET_FAMILY_INET || k.family == SOCKET_FAMILY_INET6 ? stream_open(s) : IO_ERROR_INVALID;
    if (status == FUT_OK)
        status = address_in(&a, &ip);
    if (status == FUT_OK) {
        if (k.family == SOCKET_FAMILY_INET6 && ip_addr_isany(&ip) && !k.v6_only)
            ip = *IP_ANY_TYPE;
        socket_set_reuse(s, k.reuse);
        status = s->class->bind(s, &ip, k.port);
    }
    if (status == FUT_OK)
        status = stream_listen(s, k.backlog);
    if (status != FUT_OK) {
        s->kept = 0;
        if (s->tcp)
            s->class->close(s);
        else
            socket_free(s);
        return;
    }
    object_add_as(&s->object, OBJECT_SOCKET, k.badge);
    s->event = vault_take(k.event);
    if (s->event && fut_cap_mint(s->event, FUT_RIGHT_READ | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &s->shown) == FUT_OK) {
        uint64_t before;
        (void)fut_event_clear(s->event, ~0ull, &before);
        s->level = 0;
    }
    socket_pump(s);
}

void state_restore(void)
{
    static struct limits *made[LIMITS_MAX];
    unsigned listeners = 0;
    for (unsigned i = 0; i < LIMITS_MAX; i++) {
        struct kept_limits *k = &state->limits[i];
        struct limits *l = restore_limits(i, made, 0);
        if (l && k->badge != 0 && is_alive(k->badge))
            network_restore(l, k->badge);
        else
            k->badge = 0;
    }
    for (unsigned i = 0; i < SOCKETS_MAX; i++) {
        struct kept_socket *k = &state->socket[i];
        if (k->badge == 0)
            continue;
        if (k->listens && is_alive(k->badge)) {
            restore_listener(i, made);
            listeners += object_find(k->badge) != nullptr;
        }
        if (object_find(k->badge))
            continue;
        fut_handle_t event = vault_take(k->event);
        if (event) { // whoever polls it finds out with its next call
            (void)fut_event_signal(event, IO_READY_IN | IO_READY_OUT | IO_READY_ERROR | IO_READY_HANGUP | IO_READY_READ_HANGUP);
            (void)fut_cap_delete(event);
        }
        *k = (struct kept_socket){};
    }
    for (unsigned i = LIMITS_MAX; i-- > 0;)
        if (!state->limits[i].used)
            free_limits[free_limit_count++] = (uint16_t)i;
    for (unsigned i = SOCKETS_MAX; i-- > 0;)
        if (state->socket[i].badge == 0)
            free_socket[free_sockets++] = (uint16_t)i;
    // What nobody holds goes now; the rest keeps its place.
    for (unsigned i = 0; i < LIMITS_MAX; i++)
        if (made[i])
            limits_release(made[i]);
    if (listeners != 0)
        fut_log("%u sockets listen again", listeners);
}
