// SPDX-License-Identifier: MPL-2.0
//
// This CPU's local APIC (xAPIC registers in memory): end of interrupt, and the one-shot timer as a
// countdown; time.c knows what the counts mean.
#include "x86.h"

#define ID        0x20
#define EOI       0xb0
#define SPURIOUS  0xf0
#define ICR_LOW   0x300
#define ICR_HIGH  0x310
#define LVT_TIMER 0x320
#define LVT_LINT0 0x350
#define LVT_LINT1 0x360
#define LVT_ERROR 0x370
#define INITIAL   0x380
#define CURRENT   0x390
#define DIVIDE    0x3e0
#define MASKED    0x10000u

static volatile uint32_t *lapic;

static void put(unsigned reg, uint32_t v) { lapic[reg / 4] = v; }

void apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    phys_t at = x86_acpi.lapic ? x86_acpi.lapic : base & 0xffffff000ull;
    wrmsr(MSR_APIC_BASE, (base & 0xfff) | at | 1u << 11);
    arch_phys_window(at, FUT_PAGE_SIZE);
    lapic = phys_to_virt(at);
    // The 8259s: moved away from the exception vectors, then masked for good.
    outb(0x20, 0x11); outb(0xa0, 0x11);
    outb(0x21, 0x20); outb(0xa1, 0x28);
    outb(0x21, 4);    outb(0xa1, 2);
    outb(0x21, 1);    outb(0xa1, 1);
    outb(0x21, 0xff); outb(0xa1, 0xff);
    apic_cpu_init();
}

void apic_cpu_init(void)
{
    put(LVT_LINT0, MASKED);
    put(LVT_LINT1, 0x400); // NMI
    put(LVT_ERROR, MASKED);
    put(DIVIDE, 0xb);      // by 1
    put(LVT_TIMER, VECTOR_TIMER);
    put(INITIAL, 0);
    put(SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    put(EOI, 0);
}

void apic_send(uint8_t apic, uint32_t command)
{
    while (lapic[ICR_LOW / 4] & 1u << 12) { // the last one is on its way
        arch_relax();
    }
    put(ICR_HIGH, (uint32_t)apic << 24);
    put(ICR_LOW, command);
}

void apic_end(void)
{
    put(EOI, 0);
}

uint8_t apic_id(void)
{
    return (uint8_t)(lapic[ID / 4] >> 24);
}

void apic_timer_start(uint32_t count)
{
    put(INITIAL, count);
}

uint32_t apic_timer_count(void)
{
    return lapic[CURRENT / 4];
}
