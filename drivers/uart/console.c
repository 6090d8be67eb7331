// SPDX-License-Identifier: MPL-2.0
//
// Driver host for a serial line, serving futura.console on top of a chip (uart.h). No call waits: output goes
// into a ring and from there into the chip as it drains; input is kept in another ring until it is read.
// Whoever watches is told by Event bits. After a restart of this host, output that was still in the ring is
// lost and watchers have to watch again; they see that by Pending's `since`.
#include <string.h>
#include <fipc/console.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include "uart.h"
#include "../host/host.h"

#define OUT_BYTES 16384u
#define IN_BYTES 8192u
#define WATCHERS 4u

#define SIGNAL_INPUT 1ull
#define SIGNAL_ROOM  2ull
#define SIGNAL_EMPTY 4ull

static struct fut_server server;
static uint8_t out[OUT_BYTES], in[IN_BYTES];
static uint32_t out_head, out_tail, in_head, in_tail; // tail - head = bytes held
static uint32_t lost;
static bool waiting_for_room;
static fut_handle_t watchers[WATCHERS];
static unsigned next_watcher;
static uint64_t since;
static fut_handle_t debugger; // the Machine with DEBUG alone

static void tell(uint64_t bits)
{
    for (unsigned i = 0; i < WATCHERS; i++) {
        if (watchers[i]) {
            (void)fut_event_signal(watchers[i], bits);
        }
    }
}

static void drain(void)
{
    uint32_t before = out_tail - out_head;
    unsigned room;
    while (out_head != out_tail && (room = uart_room()) != 0) {
        while (room-- && out_head != out_tail) {
            uart_send(out[out_head++ % OUT_BYTES]);
        }
    }
    bool want = out_head != out_tail;
    if (want != waiting_for_room) {
        waiting_for_room = want;
        uart_want_room(want);
    }
    if (before != out_tail - out_head) {
        tell(SIGNAL_ROOM | (out_head == out_tail ? SIGNAL_EMPTY : 0));
    }
}

static void fill(void)
{
    bool arrived = false;
    for (int c; (c = uart_receive()) != UART_NOTHING;) {
        if (c == UART_BREAK) {
            // Not where the machine was started without the debugger: then a break is nothing.
            (void)fut_machine_debug(debugger);
            continue;
        }
        if (c == UART_OVERRUN || in_tail - in_head == IN_BYTES) {
            lost++;
        } else {
            in[in_tail++ % IN_BYTES] = (uint8_t)c;
        }
        arrived = true;
    }
    if (arrived) {
        tell(SIGNAL_INPUT);
    }
}

static void signals(struct fut_server *s, uint64_t bits)
{
    (void)s;
    (void)bits;
    // The line may be edge triggered: every cause has to be gone before the next edge can come.
    do {
        fill();
        drain();
    } while (uart_interrupt());
    host_irq_done();
}

static fut_status_t do_write(struct fut_request *req, struct fut_bytes data, struct console_console_write_result *res)
{
    (void)req;
    uint32_t room = OUT_BYTES - (out_tail - out_head);
    uint32_t n = data.len < room ? (uint32_t)data.len : room;
    const uint8_t *from = data.data;
    for (uint32_t i = 0; i < n; i++) {
        out[out_tail++ % OUT_BYTES] = from[i];
    }
    drain();
    res->n = n;
    return FUT_OK;
}

static fut_status_t do_read(struct fut_request *req, uint32_t max, struct console_console_read_result *res)
{
    (void)req;
    fill();
    uint32_t n = in_tail - in_head;
    n = n < max ? n : max;
    n = n < res->data.capacity ? n : (uint32_t)res->data.capacity;
    uint8_t *to = res->data.data;
    for (uint32_t i = 0; i < n; i++) {
        to[i] = in[in_head++ % IN_BYTES];
    }
    res->data.len = n;
    res->lost = lost;
    lost = 0;
    return FUT_OK;
}

static fut_status_t do_watch(struct fut_request *req, fut_handle_t event)
{
    (void)req;
    // The oldest of WATCHERS makes room: a watcher that was restarted never says goodbye.
    if (watchers[next_watcher]) {
        (void)fut_cap_delete(watchers[next_watcher]);
    }
    watchers[next_watcher] = event;
    next_watcher = (next_watcher + 1) % WATCHERS;
    (void)fut_event_signal(event, SIGNAL_ROOM | (in_head != in_tail ? SIGNAL_INPUT : 0) |
                           (out_head == out_tail ? SIGNAL_EMPTY : 0));
    return FUT_OK;
}

static fut_status_t do_pending(struct fut_request *req, struct console_console_pending_result *res)
{
    (void)req;
    drain();
    res->output = out_tail - out_head;
    res->since = since;
    return FUT_OK;
}

int main(void)
{
    since = fut_clock();
    fut_status_t status = host_open(&server);
    if (status == FUT_OK) {
        status = uart_open();
    }
    debugger = host_cap("debugger");
    if (status != FUT_OK) {
        host_fail("uart: does not start", status);
    }
    static const struct console_console_ops ops = {
        .write = do_write, .read = do_read, .watch = do_watch, .pending = do_pending,
    };
    static struct fut_service services[1];
    services[0] = console_console_service(&ops);
    server.services = services;
    server.service_count = 1;
    server.signals = signals;
    fut_server_run(&server);
}
