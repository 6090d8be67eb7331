// SPDX-License-Identifier: MPL-2.0
//
// The Arm PL011 UART. Capability `bar0`: its registers. The firmware or the emulator has set its clock up,
// so the baud rate is left alone.
#include "uart.h"
#include <futura/sys.h>
#include "../host/host.h"

struct pl011 {
    uint32_t data, status, reserved0[4], flags, reserved1[2], ibrd, fbrd, line, control, levels, mask, raw, masked, clear;
};
static_assert(offsetof(struct pl011, flags) == 0x18 && offsetof(struct pl011, ibrd) == 0x24 && offsetof(struct pl011, clear) == 0x44);

#define FLAG_RX_EMPTY (1u << 4)
#define FLAG_TX_FULL  (1u << 5)
#define DATA_BREAK    (1u << 10)
#define DATA_OVERRUN  (1u << 11)
#define INT_RX        (1u << 4)
#define INT_TX        (1u << 5)
#define INT_TIMEOUT   (1u << 6) // characters wait below the FIFO's level
#define INT_OVERRUN   (1u << 10)
#define INT_RECEIVE   (INT_RX | INT_TIMEOUT | INT_OVERRUN)

static volatile struct pl011 *uart;
static bool overrun;

fut_status_t uart_open(void)
{
    uart = host_map("bar0", FUT_PROT_READ | FUT_PROT_WRITE, nullptr);
    if (!uart) {
        return FUT_ERR_NOT_FOUND;
    }
    uart->mask = 0;
    uart->clear = 0x7ff;
    uart->line = 0x70;               // 8 bits, FIFOs
    uart->levels = 0;                // interrupt at one eighth
    uart->control = 0x301;           // on, both directions
    uart->mask = INT_RECEIVE;
    return FUT_OK;
}

unsigned uart_room(void)
{
    return !(uart->flags & FLAG_TX_FULL);
}

void uart_send(uint8_t c)
{
    uart->data = c;
}

int uart_receive(void)
{
    if (overrun) {
        overrun = false;
        return UART_OVERRUN;
    }
    if (uart->flags & FLAG_RX_EMPTY) {
        return UART_NOTHING;
    }
    uint32_t d = uart->data;
    overrun = d & DATA_OVERRUN; // the character is good; one behind it was lost
    return d & DATA_BREAK ? UART_BREAK : (int)(d & 0xff);
}

void uart_want_room(bool on)
{
    uart->mask = INT_RECEIVE | (on ? INT_TX : 0);
}

bool uart_interrupt(void)
{
    uint32_t pending = uart->masked;
    uart->clear = pending;
    return pending & INT_RECEIVE && !(uart->flags & FLAG_RX_EMPTY);
}
