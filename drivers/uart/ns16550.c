// SPDX-License-Identifier: MPL-2.0
//
// The 16550 UART behind port I/O. Capability `ports`: its eight ports.
#include "uart.h"
#include <futura/sys.h>
#include "../host/host.h"

#define DATA 0
#define IER  1  // interrupt enable: 1 receive, 2 transmitter empty
#define IIR  2  // read: cause; write: FIFO control
#define LCR  3
#define MCR  4
#define LSR  5  // 1 data, 2 overrun, 0x10 break, 0x20 transmit FIFO empty
#define SCRATCH 7
#define FIFO_BYTES 16u

static fut_handle_t ports;
static uint8_t enabled;

static uint8_t get(unsigned reg)
{
    uint64_t v = 0xff;
    (void)fut_ioport_read(ports, reg, 1, &v);
    return (uint8_t)v;
}

static void put(unsigned reg, uint8_t v)
{
    (void)fut_ioport_write(ports, reg, 1, v);
}

fut_status_t uart_open(void)
{
    ports = host_cap("ports");
    if (!ports) {
        return FUT_ERR_NOT_FOUND;
    }
    put(SCRATCH, 0x5a);
    if (get(SCRATCH) != 0x5a) {
        return FUT_ERR_NOT_FOUND; // nothing answers there
    }
    put(IER, 0);
    put(LCR, 0x80);
    put(DATA, 1); // divisor 1: 115200
    put(IER, 0);
    put(LCR, 3);
    put(IIR, 0x01);  // FIFOs on, what has arrived stays; interrupt at the first character
    put(MCR, 0x0b);  // DTR, RTS, OUT2 (the gate of its interrupt line)
    enabled = 1;
    put(IER, enabled);
    return FUT_OK;
}

unsigned uart_room(void)
{
    return get(LSR) & 0x20 ? FIFO_BYTES : 0;
}

void uart_send(uint8_t c)
{
    put(DATA, c);
}

int uart_receive(void)
{
    uint8_t status = get(LSR);
    if (status & 2) { // reading it has cleared it
        return UART_OVERRUN;
    }
    if (status & 0x10) {
        (void)get(DATA); // the zero that it left
        return UART_BREAK;
    }
    return status & 1 ? get(DATA) : UART_NOTHING;
}

void uart_want_room(bool on)
{
    enabled = on ? 3 : 1;
    put(IER, enabled);
}

bool uart_interrupt(void)
{
    return !(get(IIR) & 1); // bit 0: nothing pending
}
