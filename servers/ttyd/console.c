// SPDX-License-Identifier: MPL-2.0
//
// The console's far side: a driver that speaks console.Console. Its calls never wait, so ttyd may make them
// while it works on a request.
//
// The driver may end and come back behind the same Session, and a new one does not know whom to tell about
// input. devd registers it again then, and registryd's event says so: ttyd finds it anew. Output waits meanwhile.
// Only where a call fails though the driver is there, or registryd cannot be listened to, ttyd tries again by the clock.
#include "ttyd.h"

#define CHECK 500000000ull
#define STAGE 4096u

static registry_directory_t directory;
static struct registry_directory_listener names;
static bool listening;
static fut_handle_t bound;
static console_console_t driver;
static uint64_t check_at = FUT_FOREVER; // when to try again
static bool input, room;               // there may be input; the driver may take output
static uint8_t stage[STAGE];           // taken from the line, not yet by the driver
static size_t stage_at, stage_end;

static void lost(uint64_t again)
{
    if (driver.h != FUT_HANDLE_NONE)
        (void)fut_cap_delete(driver.h);
    driver.h = FUT_HANDLE_NONE;
    input = room = false;
    check_at = fut_clock() + again;
}

static void find_driver(void)
{
    fut_handle_t h;
    fut_status_t status = registry_directory_lookup(directory, FUT_STRING("console"), false, &h);
    if (status != FUT_OK) {
        check_at = status == REGISTRY_ERROR_NOT_FOUND && listening ? FUT_FOREVER : fut_clock() + CHECK;
        return;
    }
    driver.h = h;
    (void)!fut_session_watch(h, bound, CONSOLE_GONE);
    if (console_console_watch(driver, bound) != FUT_OK) {
        lost(CHECK);
        return;
    }
    check_at = listening ? FUT_FOREVER : fut_clock() + CHECK;
    input = room = true;
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
    if (bits & 1)
        input = true;
    if (bits & 6)
        room = true;
    terminal_work(&state->terminal[0]);
}

static bool pump_output(struct terminal *t)
{
    bool any = false;
    while (room) {
        if (stage_at == stage_end) {
            stage_at = 0;
            stage_end = line_output(&t->line, stage, STAGE);
            if (stage_end == 0)
                break;
            any = true;
        }
        uint32_t n = 0;
        if (console_console_write(driver, (struct fut_bytes){stage + stage_at, stage_end - stage_at}, &n) != FUT_OK) {
            lost(CHECK);
            break;
        }
        if (n > stage_end - stage_at)
            n = (uint32_t)(stage_end - stage_at);
        stage_at += n;
        room = stage_at == stage_end;
    }
    return any;
}

static bool pump_input(struct terminal *t)
{
    bool any = false;
    while (input) {
        size_t most = line_input_room(&t->line);
        if (most == 0)
            break; // a read will make room and come here again
        struct fut_bytes data;
        uint32_t overruns = 0;
        if (console_console_read(driver, (uint32_t)(most < 4096 ? most : 4096), &data, &overruns) != FUT_OK) {
            lost(CHECK);
            break;
        }
        input = data.len != 0;
        if (overruns)
            fut_log("the console lost %u characters of input", overruns);
        if (data.len == 0)
            break;
        line_input(&t->line, data.data, data.len);
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
    return any;
}

bool console_idle(void)
{
    if (stage_at != stage_end)
        return false;
    uint32_t left = 0;
    return driver.h == FUT_HANDLE_NONE || console_console_pending(driver, &left, nullptr) != FUT_OK || left == 0;
}
