// SPDX-License-Identifier: MPL-2.0
//
// The console's far side: a driver that speaks console.Console. Bytes go both ways through rings in Memory, so ttyd
// makes no call for them, and neither side wakes the other one while that is busy.
//
// The driver may end and come back behind the same Session, and a new one does not know whom to tell about
// input. devd registers it again then, and registryd's event says so: ttyd finds it anew, and sends again
// what the old one had not taken from the ring. Output waits meanwhile.
// Only where a call fails though the driver is there, or registryd cannot be listened to, ttyd tries again by the clock.
#include "ttyd.h"

#define CHECK 500000000ull
#define PIECE 256u

static registry_directory_t directory;
static struct registry_directory_listener names;
static bool listening;
static fut_handle_t bound;
static console_console_t driver;
static uint64_t check_at = FUT_FOREVER; // when to try again
static struct console_input_consumer in;
static struct console_output_producer out;
static fut_handle_t doorbell;
static uint8_t unsent[CONSOLE_OUTPUT_COUNT]; // what a driver that is gone had not taken
static size_t unsent_at, unsent_end;

static void lost(uint64_t again)
{
    fut_handle_t space = fut_startup_cap("space");
    if (driver.h != FUT_HANDLE_NONE) {
        // A ring has room for all that an earlier one held, so there is only one of the two to keep. What the driver had
        // sent and not yet given back is sent twice.
        if (unsent_at == unsent_end) {
            unsent_at = 0;
            unsent_end = fut_ring_unread(&out.ring, 0, unsent, sizeof unsent);
        }
        console_input_consumer_detach(&in, space);
        console_output_producer_detach(&out, space);
        (void)fut_cap_delete(driver.h);
        (void)fut_cap_delete(doorbell);
    }
    driver.h = doorbell = FUT_HANDLE_NONE;
    check_at = fut_clock() + again;
}

static fut_status_t open_rings(console_input_ring_t input, console_output_ring_t output)
{
    fut_handle_t space = fut_startup_cap("space");
    fut_status_t status = console_input_consumer_open(&in, space, input, doorbell, CONSOLE_DOORBELL);
    if (status == FUT_OK)
        status = console_output_producer_open(&out, space, output, doorbell, CONSOLE_DOORBELL);
    (void)fut_cap_delete(input.h);
    (void)fut_cap_delete(output.h);
    return status;
}

static void find_driver(void)
{
    fut_handle_t h;
    fut_status_t status = registry_directory_lookup(directory, FUT_STRING("console"), false, &h);
    if (status != FUT_OK) {
        check_at = status == REGISTRY_ERROR_NOT_FOUND && listening ? FUT_FOREVER : fut_clock() + CHECK;
        return;
    }
    console_input_ring_t input;
    console_output_ring_t output;
    (void)!fut_session_watch(h, bound, CONSOLE_GONE);
    status = console_console_attach((console_console_t){h}, bound, &input, &output, &doorbell);
    if (status != FUT_OK) {
        (void)fut_cap_delete(h);
        check_at = fut_clock() + CHECK;
        return;
    }
    driver.h = h;
    if (open_rings(input, output) != FUT_OK) {
        lost(CHECK);
        return;
    }
    check_at = listening ? FUT_FOREVER : fut_clock() + CHECK;
    terminal_work(&state->terminal[0]);
}

// --- registryd's events ------------------------------------------------------------------------------------

static void find_anew(void)
{
    lost(0);
    find_driver();
}

static void on_lost(void *, uint64_t) { find_anew(); }
static void on_registered(void *, struct fut_string name)
{
    if (name.len == 7 && memcmp(name.data, "console", 7) == 0)
        find_anew();
}
static const struct registry_directory_handlers on_names = {.registered = on_registered, .lost = on_lost};

static void hear_names(void)
{
    if (!listening || registry_directory_events_dispatch(&names, bound, CONSOLE_NAMES, &on_names, nullptr) == FUT_OK)
        return;
    // registryd lets go of the Session that it was given, and ttyd listens again: console_registry_gone.
    registry_directory_events_detach(&names, fut_startup_cap("space"));
    listening = false;
    check_at = fut_clock() + CHECK;
}

static void listen(void)
{
    fut_handle_t life;
    listening = fut_session_mint(server.channel, BADGE_REGISTRY, 0, &life) == FUT_OK &&
                registry_directory_events_attach(&names, directory, fut_startup_cap("space"), bound, CONSOLE_NAMES,
                                                 life) == FUT_OK;
    if (!listening)
        fut_log("cannot listen to registryd; looks after the console twice a second");
    hear_names();
}

void console_registry_gone(void)
{
    registry_directory_events_detach(&names, fut_startup_cap("space"));
    listening = false;
    listen();
    find_anew(); // the snapshot
}

void console_open(fut_handle_t registry, fut_handle_t event)
{
    directory.h = registry;
    bound = event;
    listen();
    find_driver();
}

uint64_t console_check(uint64_t now)
{
    if (check_at <= now)
        find_anew();
    return check_at;
}

void console_signals(uint64_t bits)
{
    if (bits & CONSOLE_GONE)
        lost(CHECK);
    if (bits & CONSOLE_NAMES)
        hear_names();
    uint32_t n = 0;
    if ((bits & CONSOLE_WAKE_LOST) && driver.h != FUT_HANDLE_NONE && console_console_lost(driver, &n) == FUT_OK && n != 0)
        fut_log("the console lost %u characters of input", n);
    terminal_work(&state->terminal[0]);
}

static bool pump_output(struct terminal *t)
{
    bool any = false;
    while (!out.ring.broken) {
        size_t room, n;
        uint8_t *to = console_output_space(&out, &room);
        if (room == 0) {
            if (!console_output_producer_arm(&out) || console_output_room(&out) == 0)
                break; // the driver says when it has taken some
            continue;
        }
        if (unsent_at != unsent_end) {
            n = unsent_end - unsent_at < room ? unsent_end - unsent_at : room;
            memcpy(to, unsent + unsent_at, n);
            unsent_at += n;
        } else {
            n = line_output(&t->line, to, room);
            if (n == 0)
                break;
            any = true;
        }
        (void)!console_output_commit(&out, n);
    }
    return any;
}

static bool pump_input(struct terminal *t)
{
    bool any = false;
    uint8_t piece[PIECE];
    for (;;) {
        size_t most = line_input_room(&t->line), n;
        if (most == 0)
            break; // a read will make room and come here again
        if (console_input_read(&in, piece, most < PIECE ? most : PIECE, &n) != FUT_OK) {
            if (in.ring.broken || !console_input_consumer_arm(&in) || console_input_ready(&in) == 0)
                break;
            continue;
        }
        line_input(&t->line, piece, n);
        terminal_note_input(t);
        any = true;
    }
    return any;
}

bool console_pump(struct terminal *t)
{
    if (driver.h == FUT_HANDLE_NONE)
        return false;
    bool any = pump_input(t);
    any |= pump_output(t);
    if (in.ring.broken || out.ring.broken || console_output_producer_closed(&out, nullptr))
        lost(CHECK); // it does not keep to the protocol, or another client has the line
    return any;
}

// Whether all output is with the chip. If not, the driver says when it has taken more.
bool console_idle(void)
{
    if (unsent_at != unsent_end)
        return false;
    if (driver.h == FUT_HANDLE_NONE || console_output_room(&out) == CONSOLE_OUTPUT_COUNT)
        return true;
    (void)console_output_producer_arm(&out);
    return console_output_room(&out) == CONSOLE_OUTPUT_COUNT;
}
