// SPDX-License-Identifier: MPL-2.0
//
// Device interrupts. A line below 16 is an ISA line and goes where the MADT's overrides say; other lines are
// IOAPIC inputs (global system interrupts). Messages (MSI) get numbers from MSI_FIRST on, a vector each,
// and need no controller.
//
// A level-triggered line is masked before it is reported, and stays so until arch_irq_unmask.
#include "x86.h"

#define INPUTS (VECTOR_MSI - VECTOR_LINE)
#define MESSAGES (VECTOR_MSI_END - VECTOR_MSI)

static_assert(MSI_FIRST + MESSAGES <= ARCH_IRQ_COUNT && INPUTS <= MSI_FIRST);

static struct input {
    volatile uint32_t *ioapic; // null: there is no such input
    uint8_t pin;
    bool level;
    uint16_t line;             // number it is known by
} inputs[INPUTS];

static bool message_used[MESSAGES];

static uint32_t get(volatile uint32_t *io, uint32_t reg) { io[0] = reg; return io[4]; }
static void put(volatile uint32_t *io, uint32_t reg, uint32_t v) { io[0] = reg; io[4] = v; }

#define REDIRECTION(pin) (0x10u + 2u * (pin))
#define ENTRY_LOW_ACTIVE (1u << 13)
#define ENTRY_LEVEL      (1u << 15)
#define ENTRY_MASKED     (1u << 16)

void lines_init(void)
{
    for (uint32_t i = 0; i < x86_acpi.ioapics; i++) {
        arch_phys_window(x86_acpi.ioapic[i].base, 0x20);
        volatile uint32_t *io = phys_to_virt(x86_acpi.ioapic[i].base);
        uint32_t pins = (get(io, 1) >> 16 & 0xff) + 1;
        for (uint32_t pin = 0; pin < pins; pin++) {
            put(io, REDIRECTION(pin), ENTRY_MASKED);
            uint32_t n = x86_acpi.ioapic[i].first + pin;
            if (n < INPUTS) {
                inputs[n] = (struct input){.ioapic = io, .pin = (uint8_t)pin, .line = (uint16_t)n};
            }
        }
    }
}

static struct input *input_of(uint32_t line)
{
    uint32_t n = line < 16 && x86_acpi.override[line].present ? x86_acpi.override[line].input : line;
    return n < INPUTS && inputs[n].ioapic ? &inputs[n] : nullptr;
}

fut_status_t arch_irq_setup(uint32_t line, uint32_t flags)
{
    if (line >= MSI_FIRST) {
        return line - MSI_FIRST < MESSAGES && message_used[line - MSI_FIRST] ? FUT_OK : FUT_ERR_ARGUMENT;
    }
    struct input *in = input_of(line);
    if (!in) {
        return FUT_ERR_NOT_FOUND;
    }
    bool level = flags & FUT_IRQ_LEVEL, low = flags & FUT_IRQ_LOW;
    if (line < 16 && x86_acpi.override[line].present) { // where the firmware says how it is wired, it knows
        uint16_t f = x86_acpi.override[line].flags;
        low = (f & 3) ? (f & 3) == 3 : low;
        level = (f >> 2 & 3) ? (f >> 2 & 3) == 3 : level;
    }
    in->level = level;
    in->line = (uint16_t)line;
    put(in->ioapic, REDIRECTION(in->pin) + 1, (uint32_t)apic_id() << 24);
    put(in->ioapic, REDIRECTION(in->pin), ENTRY_MASKED | (uint32_t)(VECTOR_LINE + (in - inputs)) |
        (level ? ENTRY_LEVEL : 0) | (low ? ENTRY_LOW_ACTIVE : 0));
    return FUT_OK;
}

static void set_mask(struct input *in, bool masked)
{
    uint32_t e = get(in->ioapic, REDIRECTION(in->pin));
    put(in->ioapic, REDIRECTION(in->pin), masked ? e | ENTRY_MASKED : e & ~ENTRY_MASKED);
}

void arch_irq_mask(uint32_t line)
{
    struct input *in = line < MSI_FIRST ? input_of(line) : nullptr;
    if (in) {
        set_mask(in, true);
    }
}

void arch_irq_unmask(uint32_t line)
{
    struct input *in = line < MSI_FIRST ? input_of(line) : nullptr;
    if (in) {
        set_mask(in, false);
    }
}

fut_status_t arch_msi_alloc(uint32_t *irq, struct fut_msi *out)
{
    for (uint32_t k = 0; k < MESSAGES; k++) {
        if (!message_used[k]) {
            message_used[k] = true;
            *irq = MSI_FIRST + k;
            *out = (struct fut_msi){.address = 0xfee00000u | (uint32_t)apic_id() << 12, .data = VECTOR_MSI + k};
            return FUT_OK;
        }
    }
    return FUT_ERR_NO_SLOT;
}

void arch_msi_free(uint32_t irq)
{
    if (irq - MSI_FIRST < MESSAGES) {
        message_used[irq - MSI_FIRST] = false;
    }
}

bool line_fired(unsigned vector, uint32_t *irq)
{
    if (vector >= VECTOR_MSI && vector < VECTOR_MSI_END) {
        *irq = MSI_FIRST + vector - VECTOR_MSI;
        apic_end();
        return message_used[vector - VECTOR_MSI];
    }
    if (vector < VECTOR_LINE || vector >= VECTOR_MSI) {
        return false; // spurious: not to be acknowledged
    }
    struct input *in = &inputs[vector - VECTOR_LINE];
    if (in->ioapic && in->level) {
        set_mask(in, true);
    }
    apic_end();
    *irq = in->line;
    return in->ioapic != nullptr;
}
