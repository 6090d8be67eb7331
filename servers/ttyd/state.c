// SPDX-License-Identifier: MPL-2.0
//
// What outlives ttyd: the `state` Memory and the vault, both kept by init. The vault is a task without
// threads: a capability put into its table is still there for the next ttyd.
//
// A new ttyd believes the state only as far as it makes sense: every index and every queue is checked. If
// it ends several times in a row without having served anything, the state is the likely cause, and the
// next one starts afresh: the console's Sessions then keep their place, ptys are gone.
#include "ttyd.h"

#define STARTS_MAX 8

struct state *state;
static fut_handle_t vault;
static struct state fallback; // where init gave no state: nothing outlives then

fut_handle_t vault_keep(fut_handle_t h)
{
    fut_handle_t kept = FUT_HANDLE_NONE;
    if (vault != FUT_HANDLE_NONE && fut_cap_grant(vault, h, FUT_RIGHTS_ALL, 0, &kept) != FUT_OK)
        return FUT_HANDLE_NONE;
    return kept;
}

fut_handle_t vault_take(fut_handle_t kept)
{
    fut_handle_t h = FUT_HANDLE_NONE;
    if (vault == FUT_HANDLE_NONE || kept == FUT_HANDLE_NONE || fut_cap_take(vault, kept, FUT_RIGHTS_ALL, &h) != FUT_OK)
        return FUT_HANDLE_NONE;
    return h;
}

// The slot in the vault cannot be freed from here; the object it names is small, and a pty's number takes
// the same terminal again, which finds its Events still there.
void vault_drop(fut_handle_t kept)
{
    (void)kept;
}

static void start_afresh(void)
{
    fut_handle_t watch_kept = state->magic == STATE_MAGIC ? state->kept_watch : FUT_HANDLE_NONE;
    memset(state, 0, sizeof *state);
    state->magic = STATE_MAGIC;
    state->bytes = sizeof *state;
    state->next_id = 2;
    state->kept_watch = watch_kept;
    struct terminal *console = &state->terminal[0];
    console->id = 1;
    console->number = UINT32_MAX;
    console->size = (struct tty_size){.rows = 24, .columns = 80};
    line_init(&console->line);
}

static void check_terminals(void)
{
    for (unsigned i = 0; i < TERMINALS; i++) {
        struct terminal *t = &state->terminal[i];
        t->opens[SLAVE] = t->opens[MASTER] = 0; // counted again from the descriptions
        if (t->id == 0)
            continue;
        t->number = i == 0 ? UINT32_MAX : i - 1;
        if (state->next_id <= t->id)
            state->next_id = t->id + 1;
        if (!line_sane(&t->line)) {
            struct line_termios termios = t->line.t;
            line_init(&t->line);
            line_set(&t->line, &termios);
        }
    }
}

// Keeps the descriptions whose Session still has a holder.
static void check_descriptions(fut_handle_t channel)
{
    static bool alive[DESCRIPTIONS];
    uint64_t badge = 0;
    while (fut_channel_next(channel, badge, &badge) == FUT_OK) {
        struct description *d = description_of(badge);
        if (d)
            alive[d - state->description] = true;
    }
    for (unsigned i = 0; i < DESCRIPTIONS; i++) {
        struct description *d = &state->description[i];
        if (d->badge == 0)
            continue;
        if (!alive[i] || d->terminal >= TERMINALS || d->side > MASTER || state->terminal[d->terminal].id == 0) {
            d->badge = 0;
            continue;
        }
        state->terminal[d->terminal].opens[d->side]++;
    }
}

void state_open(fut_handle_t channel)
{
    fut_handle_t memory = fut_startup_cap("state");
    vault = fut_startup_cap("vault");
    state = &fallback;
    if (memory != FUT_HANDLE_NONE) {
        struct fut_map map = {.bytes = (sizeof *state + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull), .memory = memory,
                              .flags = FUT_PROT_READ | FUT_PROT_WRITE};
        uint64_t address;
        if (fut_space_map(fut_startup_cap("space"), &map, &address) == FUT_OK)
            state = (struct state *)address;
        else
            fut_log("cannot map its state; nothing will outlive a restart");
    }
    if (state->magic != STATE_MAGIC || state->bytes != sizeof *state || state->terminal[0].id != 1 ||
        state->starts >= STARTS_MAX)
        start_afresh();
    state->starts++;
    check_terminals();
    check_descriptions(channel);
    for (unsigned i = 1; i < TERMINALS; i++) {
        struct terminal *t = &state->terminal[i];
        if (t->id && t->opens[MASTER] == 0) {
            if (t->opens[SLAVE] == 0)
                t->id = 0;
            else
                t->hung = true;
        }
    }
}
