// SPDX-License-Identifier: MPL-2.0
//
// Terminals: their readiness, their signals, and the work that follows an event.
//
// Readiness is level: one Event per side, shared by all its descriptions, whose bits (io.Ready) are set and
// cleared as the state changes. Holders can only wait on it. The Event itself is kept in the vault, so that
// one who waits on it is woken by the next ttyd.
#include "ttyd.h"

// What a process has of a terminal beside its state.
static struct runtime {
    fut_handle_t event[2], readable[2]; // the Event, and a copy of it with which one can only wait
    uint64_t ready[2];                  // its bits as last set
    uint64_t last_input;
} runtime[TERMINALS];

fut_handle_t watch;

void watch_tell(uint64_t bits)
{
    if (watch != FUT_HANDLE_NONE)
        (void)!fut_event_signal(watch, bits);
}

struct terminal *terminal_by_id(uint64_t id)
{
    for (unsigned i = 0; id && i < TERMINALS; i++)
        if (state->terminal[i].id == id)
            return &state->terminal[i];
    return nullptr;
}

struct terminal *terminal_by_pty(uint32_t number)
{
    return number < PTYS && state->terminal[1 + number].id ? &state->terminal[1 + number] : nullptr;
}

struct terminal *terminal_new_pty(void)
{
    for (unsigned i = 1; i < TERMINALS; i++) {
        struct terminal *t = &state->terminal[i];
        if (t->id)
            continue;
        fut_handle_t kept[2] = {t->kept_event[0], t->kept_event[1]};
        *t = (struct terminal){.number = i - 1, .locked = true, .kept_event = {kept[0], kept[1]}};
        line_init(&t->line);
        t->id = state->next_id++;
        watch_tell(WATCH_PTYS);
        return t;
    }
    return nullptr;
}

uint64_t terminal_last_input(const struct terminal *t) { return runtime[terminal_index(t)].last_input; }
void terminal_note_input(struct terminal *t) { runtime[terminal_index(t)].last_input = fut_clock(); }

// --- Readiness ---------------------------------------------------------------------------------------------
static uint64_t readiness(const struct terminal *t, enum side side)
{
    uint64_t bits = 0;
    if (side == SLAVE) {
        if (t->hung)
            return IO_READY_IN | IO_READY_OUT | IO_READY_HANGUP;
        if (line_readable(&t->line))
            bits |= IO_READY_IN;
        if (line_writable(&t->line) && !t->line.stopped)
            bits |= IO_READY_OUT;
        return bits;
    }
    if (line_output_ready(&t->line))
        bits |= IO_READY_IN;
    if (line_input_room(&t->line))
        bits |= IO_READY_OUT;
    if (t->slave_seen && t->opens[SLAVE] == 0)
        bits |= IO_READY_HANGUP;
    return bits;
}

static void show_readiness(struct terminal *t, enum side side)
{
    struct runtime *r = &runtime[terminal_index(t)];
    if (r->event[side] == FUT_HANDLE_NONE)
        return;
    uint64_t now = readiness(t, side), gone = r->ready[side] & ~now, come = now & ~r->ready[side];
    if (gone)
        (void)!fut_event_clear(r->event[side], gone, nullptr);
    if (come)
        (void)!fut_event_signal(r->event[side], come);
    r->ready[side] = now;
}

static bool make_event(struct terminal *t, enum side side)
{
    struct runtime *r = &runtime[terminal_index(t)];
    if (r->event[side] != FUT_HANDLE_NONE)
        return true;
    fut_handle_t h = vault_take(t->kept_event[side]);
    if (h == FUT_HANDLE_NONE) {
        if (fut_event_create(&h) != FUT_OK)
            return false;
        t->kept_event[side] = vault_keep(h);
    }
    if (fut_cap_mint(h, FUT_RIGHT_READ | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &r->readable[side]) != FUT_OK) {
        (void)fut_cap_delete(h);
        return false;
    }
    r->event[side] = h;
    // What a predecessor left set is not known.
    (void)!fut_event_clear(h, ~0ull, nullptr);
    r->ready[side] = 0;
    show_readiness(t, side);
    return true;
}

fut_handle_t terminal_event(struct terminal *t, enum side side)
{
    return make_event(t, side) ? runtime[terminal_index(t)].readable[side] : FUT_HANDLE_NONE;
}

// --- Signals --------------------------------------------------------------------------------------------------
void terminal_signal(struct terminal *t, unsigned signal)
{
    if (!t->session && !t->foreground)
        return; // nobody's controlling terminal
    t->signals |= 1ull << (signal - 1);
    watch_tell(WATCH_SIGNALS);
}

static void take_line_signals(struct terminal *t)
{
    uint64_t asked = line_take_signals(&t->line);
    if (asked & 1ull << LINE_SIGINT)
        terminal_signal(t, LINE_SIGINT);
    if (asked & 1ull << LINE_SIGQUIT)
        terminal_signal(t, LINE_SIGQUIT);
    if (asked & 1ull << LINE_SIGTSTP)
        terminal_signal(t, LINE_SIGTSTP);
}

// --- Life --------------------------------------------------------------------------------------------------------
void terminal_release(struct terminal *t, enum side side)
{
    if (t->opens[side])
        t->opens[side]--;
    if (terminal_is_console(t))
        return;
    if (side == MASTER && t->opens[MASTER] == 0 && !t->hung) {
        t->hung = true;
        terminal_signal(t, LINE_SIGHUP);
        terminal_signal(t, LINE_SIGCONT);
        line_flush(&t->line, LINE_FLUSH_INPUT | LINE_FLUSH_OUTPUT);
        watch_tell(WATCH_PTYS);
    }
    terminal_work(t);
}

// True: nothing is on its way to the line. What a pty's slave has written has arrived at the master.
bool terminal_drained(struct terminal *t)
{
    if (t->hung || !terminal_is_console(t))
        return !t->line.stopped || line_output_count(&t->line) == 0;
    return line_output_count(&t->line) == 0 && console_idle();
}

static uint64_t pending[(TERMINALS + 63) / 64];

static void do_work(struct terminal *t)
{
    bool again;
    do {
        again = terminal_is_console(t) && console_pump(t);
        again |= wait_serve(t);
    } while (again);
    take_line_signals(t);
    show_readiness(t, SLAVE);
    if (!terminal_is_console(t))
        show_readiness(t, MASTER);
    // The signals of a hang-up are still to be taken by Snapshot: the place is free once they are.
    if (t->opens[SLAVE] == 0 && t->opens[MASTER] == 0 && t->signals == 0 && !terminal_is_console(t))
        t->id = 0;
}

void terminal_work(struct terminal *t)
{
    static bool working;
    unsigned i = terminal_index(t);
    pending[i / 64] |= 1ull << i % 64;
    if (working)
        return;
    working = true;
    for (i = 0; i < sizeof pending / sizeof pending[0]; i++)
        while (pending[i]) {
            unsigned bit = (unsigned)__builtin_ctzll(pending[i]);
            pending[i] &= pending[i] - 1;
            do_work(&state->terminal[i * 64 + bit]);
            i = 0; // it may have made work for any
        }
    working = false;
    wait_schedule();
}

// A predecessor's Events are taken over at once: somebody may be waiting on one.
void terminals_resume(void)
{
    for (unsigned i = 0; i < TERMINALS; i++) {
        struct terminal *t = &state->terminal[i];
        if (t->id == 0)
            continue;
        for (int side = SLAVE; side <= MASTER; side++)
            if (t->kept_event[side] != FUT_HANDLE_NONE)
                (void)make_event(t, (enum side)side);
        if (t->signals)
            watch_tell(WATCH_SIGNALS);
    }
}
