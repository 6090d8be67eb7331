// SPDX-License-Identifier: MPL-2.0
//
// COM1 (16550), polled: the kernel's first and last words, before and beside the driver in user space.
#include "x86.h"

#define COM1 0x3f8
#define COM1_LINE 4
#define DATA (COM1 + 0)
#define IER  (COM1 + 1)
#define FCR  (COM1 + 2)
#define LCR  (COM1 + 3)
#define MCR  (COM1 + 4)
#define LSR  (COM1 + 5)

void console_init(void)
{
    outb(IER, 0);
    outb(LCR, 0x80);
    outb(DATA, 1);   // 115200
    outb(IER, 0);
    outb(LCR, 3);    // 8n1
    outb(FCR, 7);
    outb(MCR, 0xb);  // DTR, RTS, and OUT2, which gates its interrupt
}

uint32_t arch_console_line(void)
{
    return COM1_LINE;
}

void arch_console_put(char c)
{
    // Bounded: a machine without COM1 reads 0xff, one that has it drains in time.
    for (unsigned n = 0; n < 100000 && !(inb(LSR) & 0x20); n++) {
    }
    outb(DATA, (uint8_t)c);
}

int arch_console_get(void)
{
    uint8_t status = inb(LSR);
    return status != 0xff && (status & 1) ? inb(DATA) : -1;
}
