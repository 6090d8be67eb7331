// SPDX-License-Identifier: MPL-2.0
//
// Ports for user space, and the ways out: power off through ACPI, reset, and QEMU's isa-debug-exit.
#include "x86.h"

fut_status_t arch_port_read(uint16_t port, unsigned width, uint32_t *value)
{
    switch (width) {
    case 1: *value = inb(port); return FUT_OK;
    case 2: *value = inw(port); return FUT_OK;
    case 4: *value = inl(port); return FUT_OK;
    default: return FUT_ERR_ARGUMENT;
    }
}

fut_status_t arch_port_write(uint16_t port, unsigned width, uint32_t value)
{
    switch (width) {
    case 1: outb(port, (uint8_t)value); return FUT_OK;
    case 2: outw(port, (uint16_t)value); return FUT_OK;
    case 4: outl(port, value); return FUT_OK;
    default: return FUT_ERR_ARGUMENT;
    }
}

#define DEBUG_EXIT 0xf4
#define SLEEP_ENABLE (1u << 13)

static void power_off(void)
{
    if (x86_acpi.has_s5 && x86_acpi.pm1a_control) {
        outw((uint16_t)x86_acpi.pm1a_control, (uint16_t)(x86_acpi.sleep_a << 10 | SLEEP_ENABLE));
        if (x86_acpi.pm1b_control) {
            outw((uint16_t)x86_acpi.pm1b_control, (uint16_t)(x86_acpi.sleep_b << 10 | SLEEP_ENABLE));
        }
    }
}

[[noreturn]] void arch_power(uint32_t action, uint32_t exit_code)
{
    if (action == FUT_POWER_EXIT) {
        outl(DEBUG_EXIT, exit_code); // the emulator's status is code << 1 | 1
    }
    if (action == FUT_POWER_REBOOT) {
        outb(0xcf9, 2);
        outb(0xcf9, 6);
        outb(0x64, 0xfe); // the keyboard controller's way
    } else {
        power_off();
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
