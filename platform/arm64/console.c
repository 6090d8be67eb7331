// SPDX-License-Identifier: MPL-2.0
//
// The PL011 as the kernel uses it: polled, for the log of the first moments and for a panic. A driver
// host owns the device afterwards. (Arm PrimeCell UART PL011 Technical Reference Manual, 3.3.)
#include "arm64.h"

#define UART_DR   0x00
#define UART_FR   0x18
#define UART_LCRH 0x2c
#define UART_CR   0x30
#define FR_RX_EMPTY 0x10
#define FR_TX_FULL  0x20

static uint64_t uart; // 0: none
static uint32_t line = UINT32_MAX;

void console_init(void)
{
    int node = -1, chosen = devicetree_path("/chosen");
    const char *out = chosen >= 0 ? devicetree_string(chosen, "stdout-path") : nullptr;
    if (out) {
        char path[128];
        size_t n = 0;
        for (; out[n] && out[n] != ':' && n + 1 < sizeof path; n++)
            path[n] = out[n];
        path[n] = 0;
        node = devicetree_path(path);
    }
    if (node < 0)
        node = devicetree_find(-1, "arm,pl011");
    struct boot_range r;
    if (node < 0 || !devicetree_reg(node, 0, &r))
        return;
    uart = (uint64_t)mmu_device(r.base, r.bytes);
    uint32_t flags;
    if (!devicetree_interrupt(node, 0, &line, &flags))
        line = UINT32_MAX;
    if ((mmio_read32(uart + UART_CR) & 0x301) != 0x301) {
        mmio_write32(uart + UART_LCRH, 0x70); // 8 bits, FIFOs
        mmio_write32(uart + UART_CR, 0x301);  // enable, transmit, receive
    }
}

uint32_t arch_console_line(void)
{
    return line;
}

void arch_console_put(char c)
{
    if (!uart)
        return;
    while (mmio_read32(uart + UART_FR) & FR_TX_FULL)
        ;
    mmio_write32(uart + UART_DR, (uint8_t)c);
}

int arch_console_get(void)
{
    if (!uart || mmio_read32(uart + UART_FR) & FR_RX_EMPTY)
        return -1;
    return (int)(mmio_read32(uart + UART_DR) & 0xff);
}
