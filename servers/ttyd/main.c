// SPDX-License-Identifier: MPL-2.0
//
// ttyd: the server loop, and the table of descriptions (one per Session that a program holds).
#include "ttyd.h"
#include <futura/loader.h>

#define FIRST_BADGE 16u
#define GOOD_MESSAGES 8u // served so many: this start was no failure

// A badge is (generation << 32 | index + FIRST_BADGE): a place in the table is not mistaken for its next user.
struct description *description_of(uint64_t badge)
{
    uint64_t index = (badge & 0xffffffff) - FIRST_BADGE;
    if (index >= DESCRIPTIONS || badge == 0)
        return nullptr;
    struct description *d = &state->description[index];
    return d->badge == badge ? d : nullptr;
}

struct description *description_new(struct terminal *t, enum side side, uint32_t status, uint64_t device,
                                    const struct io_stat *node)
{
    for (unsigned i = 0; i < DESCRIPTIONS; i++) {
        struct description *d = &state->description[i];
        if (d->badge)
            continue;
        uint32_t generation = d->generation + 1 ? d->generation + 1 : 1;
        *d = (struct description){.badge = (uint64_t)generation << 32 | (i + FIRST_BADGE), .generation = generation,
                                  .terminal = terminal_index(t), .side = (uint8_t)side, .status = status,
                                  .device = device, .node = *node};
        t->opens[side]++;
        if (side == SLAVE)
            t->slave_seen = true;
        return d;
    }
    return nullptr;
}

struct fut_server server;
static uint32_t admin_protocol;

static void *lookup(struct fut_server *, uint64_t badge, uint32_t protocol)
{
    static unsigned served;
    if (served < GOOD_MESSAGES && ++served == GOOD_MESSAGES)
        state->starts = 0;
    if (badge == BADGE_ADMIN)
        return protocol == admin_protocol ? state : nullptr;
    return protocol == admin_protocol ? nullptr : description_of(badge);
}

static void no_senders(struct fut_server *, uint64_t badge)
{
    if (badge == BADGE_REGISTRY)
        return console_registry_gone();
    struct description *d = description_of(badge);
    if (!d)
        return;
    struct terminal *t = description_terminal(d);
    d->badge = 0;
    terminal_release(t, (enum side)d->side);
}

static void signals(struct fut_server *, uint64_t bits)
{
    console_signals(bits);
}

static uint16_t number(struct fut_bytes config, const char *key, uint16_t otherwise)
{
    struct fut_string value;
    unsigned n = 0;
    if (fut_config_find(config, key, &value) != FUT_OK || value.len == 0 || value.len > 4)
        return otherwise;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return otherwise;
        n = n * 10 + (unsigned)(value.data[i] - '0');
    }
    return (uint16_t)n;
}

static struct fut_bytes map_archive(void)
{
    struct fut_memory_info info;
    fut_handle_t memory = fut_startup_cap("archive");
    uint64_t address;
    if (fut_memory_info(memory, &info) != FUT_OK)
        return (struct fut_bytes){};
    struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = FUT_PROT_READ};
    if (fut_space_map(fut_startup_cap("space"), &map, &address) != FUT_OK)
        return (struct fut_bytes){};
    return (struct fut_bytes){(const void *)address, info.bytes};
}

// The console is as large as the boot configuration says; a terminal that was resized keeps its size.
static void size_console(void)
{
    struct terminal *console = &state->terminal[0];
    struct fut_bytes config;
    if (state->starts > 1 || console->opens[SLAVE] || fut_archive_find(map_archive(), "etc/boot.conf", &config) != FUT_OK)
        return;
    console->size.rows = number(config, "rows", console->size.rows);
    console->size.columns = number(config, "cols", console->size.columns);
}

int main(void)
{
    const struct fut_service services[] = {io_file_service(&file_ops), tty_terminal_service(&control_ops),
                                           tty_admin_service(&admin_ops)};
    server = (struct fut_server){
        .channel = fut_startup_cap("channel"),
        .services = services,
        .service_count = 3,
        .lookup = lookup,
        .no_senders = no_senders,
        .signals = signals,
        .cancel = wait_cancel,
        .stale = wait_stale,
        .alarm = wait_alarm,
    };
    admin_protocol = services[2].protocol;
    if (fut_event_create(&server.event) != FUT_OK || fut_channel_bind(server.channel, server.event) != FUT_OK) {
        fut_log("cannot bind an Event to its Channel");
        return 1;
    }
    state_open(server.channel);
    size_console();
    watch = vault_take(state->kept_watch);
    terminals_resume();
    console_open(fut_startup_cap("registry"), server.event);
    terminal_work(&state->terminal[0]);
    fut_server_run(&server);
}
