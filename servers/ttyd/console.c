// SPDX-License-Identifier: MPL-2.0
//
// The console's far side: a driver that speaks console.Console. Its calls never wait, so ttyd may make them
// while it works on a request.
//
// The driver may end and come back behind the same Session, and a new one does not know whom to tell about
// input. So ttyd looks twice a second whether it is still the one it knows, and finds it anew if not, or when
// a call fails. Output waits meanwhile.
#include "ttyd.h"

#define CHECK 500000000ull
#define STAGE 4096u

static registry_directory_t directory;
static fut_handle_t bound;
static console_console_t driver;
static uint64_t check_at;              // when to look after the driver
static uint64_t driver_since;          // when it started: another value is another one
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
    if (registry_directory_lookup(directory, (struct fut_string){"console", 7}, false, &h) != FUT_OK) {
        check_at = fut_clock() + CHECK;
        return;
    }
    uint32_t left;
    driver.h = h;
    (void)!fut_session_watch(h, bound, CONSOLE_GONE);
    if (console_console_watch(driver, bound) != FUT_OK ||
        console_console_pending(driver, &left, &driver_since) != FUT_OK) {
        lost(CHECK);
        return;
    }
    check_at = fut_clock() + CHECK;
    input = room = true;
    terminal_work(&state->terminal[0]);
}

void console_open(fut_handle_t registry, fut_handle_t event)
{
    directory.h = registry;
    bound = event;
    find_driver();
}

uint64_t console_check(uint64_t now)
{
    uint32_t left;
    uint64_t since;
    if (check_at > now)
        return check_at;
    if (driver.h == FUT_HANDLE_NONE)
        find_driver();
    else if (console_console_pending(driver, &left, &since) != FUT_OK || since != driver_since)
        lost(CHECK / 25);
    else
        check_at = now + CHECK;
    return check_at;
}

void console_signals(uint64_t bits)
{
    if (bits & CONSOLE_GONE)
        lost(CHECK / 25);
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
            lost(CHECK / 25);
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
            lost(CHECK / 25);
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
