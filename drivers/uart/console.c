// SPDX-License-Identifier: MPL-2.0
//
// Driver host for a serial line, serving futura.console on top of a chip (uart.h). Two rings lead to its client: output
// goes from one straight into the chip as that has room, input from the chip into the other. Nothing waits, and a busy
// line makes no calls. Before a client is there, input goes into a ring that nobody reads yet.
//
// Who attaches gets new rings: what the client before has not read goes first into the new one, what it has written is
// sent first. After a restart of this host, its client attaches again and sends again what was not taken from its ring.
#include <fipc/console.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include "uart.h"
#include "../host/host.h"

#define BATCH 64u // characters that are put into the ring at once

static struct fut_server server;
static struct console_input_producer in;
static struct console_output_consumer out, before; // before: of a client that is gone, until it is empty
static fut_handle_t wake;
static uint32_t lost;
static bool waiting_for_room;
static fut_handle_t debugger; // the Machine with DEBUG alone

static void tell_lost(uint32_t n)
{
    lost += n;
    if (wake) {
        (void)fut_event_signal(wake, CONSOLE_WAKE_LOST);
    }
}

// Sends what the chip takes now. True: there is more.
static bool drain_ring(struct console_output_consumer *ring)
{
    for (;;) {
        size_t len, n = 0;
        const volatile uint8_t *bytes = console_output_peek(ring, &len);
        if (len == 0) {
            if (ring->ring.broken || !console_output_consumer_arm(ring) || console_output_ready(ring) == 0) {
                return false;
            }
            continue;
        }
        for (unsigned room; n < len && (room = uart_room()) != 0;) {
            while (room-- && n < len) {
                uart_send(bytes[n++]);
            }
        }
        (void)!console_output_skip(ring, n);
        if (n < len) {
            return true;
        }
    }
}

static void drain(void)
{
    bool more = false;
    if (before.ring.mapped) {
        more = drain_ring(&before);
        if (!more) {
            console_output_consumer_detach(&before, fut_startup_cap("space"));
        }
    }
    if (!more) {
        more = drain_ring(&out);
    }
    if (more != waiting_for_room) {
        waiting_for_room = more;
        uart_want_room(more);
    }
}

static void put_input(const uint8_t *bytes, size_t n)
{
    size_t done = 0;
    while (n != 0 && console_input_write(&in, bytes, n, &done) == FUT_OK) {
        bytes += done;
        n -= done;
    }
    if (n != 0) {
        tell_lost((uint32_t)n);
    }
}

static void fill(void)
{
    uint8_t batch[BATCH];
    size_t n = 0;
    for (int c; (c = uart_receive()) != UART_NOTHING;) {
        if (c == UART_BREAK) {
            // Not where the machine was started without the debugger: then a break is nothing.
            (void)fut_machine_debug(debugger);
        } else if (c == UART_OVERRUN) {
            tell_lost(1);
        } else {
            batch[n++] = (uint8_t)c;
        }
        if (n == BATCH) {
            put_input(batch, n);
            n = 0;
        }
    }
    put_input(batch, n);
}

static void signals(struct fut_server *s, uint64_t bits)
{
    (void)s;
    if ((bits & HOST_IRQ) == 0) {
        drain();
        return;
    }
    // The line may be edge triggered: every cause has to be gone before the next edge can come.
    do {
        fill();
        drain();
    } while (uart_interrupt());
    host_irq_done();
}

// New rings, with these Memories; `e` is woken.
static fut_status_t make_rings(fut_handle_t e, struct console_input_producer *input, console_input_ring_t *input_memory,
                               struct console_output_consumer *output, console_output_ring_t *output_memory)
{
    fut_handle_t space = fut_startup_cap("space");
    fut_status_t status = console_input_create(input_memory);
    if (status != FUT_OK) {
        return status;
    }
    status = console_output_create(output_memory);
    if (status != FUT_OK) {
        goto no_output;
    }
    status = console_input_producer_open(input, space, *input_memory, e, CONSOLE_WAKE_INPUT);
    if (status != FUT_OK) {
        goto no_input_end;
    }
    status = console_output_consumer_open(output, space, *output_memory, e, CONSOLE_WAKE_OUTPUT);
    if (status == FUT_OK) {
        return FUT_OK;
    }
    console_input_producer_detach(input, space);
no_input_end:
    (void)fut_cap_delete(output_memory->h);
no_output:
    (void)fut_cap_delete(input_memory->h);
    return status;
}

static fut_status_t do_attach(struct fut_request *req, fut_handle_t e, struct console_console_attach_result *res)
{
    (void)req;
    fut_handle_t space = fut_startup_cap("space");
    struct console_input_producer new_in, old_in = in;
    struct console_output_consumer new_out;
    fut_status_t status = make_rings(e, &new_in, &res->input, &new_out, &res->output);
    if (status != FUT_OK) {
        (void)fut_cap_delete(e);
        return status;
    }
    res->doorbell = server.event;
    if (before.ring.mapped) {
        console_output_consumer_detach(&before, space);
    }
    before = out;
    out = new_out;
    in = new_in;
    uint8_t unread[256];
    size_t from = 0, n;
    while ((n = fut_ring_unread(&old_in.ring, from, unread, sizeof unread)) != 0) {
        put_input(unread, n);
        from += n;
    }
    (void)console_input_producer_close(&old_in, 0);
    (void)console_output_consumer_close(&before, 0);
    console_input_producer_detach(&old_in, space);
    if (wake) {
        (void)fut_cap_delete(wake);
    }
    wake = e;
    drain();
    return FUT_OK;
}

static fut_status_t do_lost(struct fut_request *req, struct console_console_lost_result *res)
{
    (void)req;
    res->lost = lost;
    lost = 0;
    return FUT_OK;
}

int main(void)
{
    console_input_ring_t input;
    console_output_ring_t output;
    fut_status_t status = host_open(&server);
    if (status == FUT_OK) {
        status = uart_open();
    }
    debugger = host_cap("debugger");
    if (status == FUT_OK) {
        status = make_rings(FUT_HANDLE_NONE, &in, &input, &out, &output);
    }
    if (status != FUT_OK) {
        host_fail("uart: does not start", status);
    }
    (void)fut_cap_delete(input.h); // the mappings keep them
    (void)fut_cap_delete(output.h);
    static const struct console_console_ops ops = {.attach = do_attach, .lost = do_lost};
    static struct fut_service services[1];
    services[0] = console_console_service(&ops);
    server.services = services;
    server.service_count = 1;
    server.signals = signals;
    fut_server_run(&server);
}
