// SPDX-License-Identifier: MPL-2.0
//
// Monotonic time from the TSC, deadlines by the local APIC's countdown. What their counts mean is measured
// at boot against a clock whose rate is known: the HPET, the ACPI PM timer, or channel 2 of the 8254.
// Measuring is right on every CPU and emulator (with QEMU's -icount the TSC counts instructions), which
// CPUID's leaves 0x15 and 0x16 are not.
#include "x86.h"

#define SHIFT 32
#define NS_PER_S 1000000000ull

static struct { uint64_t base, mult; } tsc;      // ns = (tsc - base) * mult >> SHIFT
static uint64_t apic_mult;                        // counts = ns * mult >> SHIFT
static uint64_t deadlines[FUT_CPUS_MAX] = {[0 ... FUT_CPUS_MAX - 1] = UINT64_MAX};
#define deadline deadlines[arch_cpu()->arch.number]

uint64_t time_scale(uint64_t value, uint64_t mult, unsigned shift)
{
    return (uint64_t)((unsigned __int128)value * mult >> shift);
}

// a * b / c; the quotient fits into 64 bits.
static uint64_t ratio(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t quotient, high;
    __asm__("mulq %3; divq %4" : "=&a"(quotient), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
    return quotient;
}

static volatile uint32_t *hpet;

static uint64_t read_hpet(void) { return hpet[0xf0 / 4]; }
static uint64_t read_pm(void) { return inl((uint16_t)x86_acpi.pm_timer); }

static uint64_t read_pit(void)
{
    outb(0x43, 0x80); // latch channel 2
    uint8_t low = inb(0x42);
    return 0xffffu - (uint32_t)(low | inb(0x42) << 8); // it counts down
}

struct reference { uint64_t (*read)(void); uint64_t hz, mask; };

static struct reference choose(void)
{
    if (x86_acpi.hpet) {
        arch_phys_window(x86_acpi.hpet, 1024);
        hpet = phys_to_virt(x86_acpi.hpet);
        uint64_t femtoseconds = hpet[1];
        if (femtoseconds >= 1000000 && femtoseconds <= 100000000) {
            hpet[0x10 / 4] |= 1; // run
            return (struct reference){read_hpet, 1000000000000000ull / femtoseconds, UINT32_MAX};
        }
    }
    if (x86_acpi.pm_timer) {
        return (struct reference){read_pm, 3579545, x86_acpi.pm_timer_32 ? UINT32_MAX : 0xffffff};
    }
    outb(0x61, (uint8_t)((inb(0x61) & ~2) | 1)); // gate on, speaker off
    outb(0x43, 0xb4);                            // channel 2, rate generator, full range
    outb(0x42, 0xff);
    outb(0x42, 0xff);
    return (struct reference){read_pit, 1193182, 0xffff};
}

// The three clocks at one moment: of several tries, the one that was disturbed least.
struct moment { uint64_t tsc, reference; uint32_t apic; };

static struct moment sample(const struct reference *r)
{
    struct moment best = {};
    uint64_t best_cost = UINT64_MAX;
    for (int i = 0; i < 8; i++) {
        uint64_t before = rdtsc();
        uint64_t reference = r->read() & r->mask;
        uint32_t apic = apic_timer_count();
        uint64_t after = rdtsc();
        if (after - before < best_cost) {
            best_cost = after - before;
            best = (struct moment){before + (after - before) / 2, reference, apic};
        }
    }
    return best;
}

void time_init(void)
{
    struct reference r = choose();
    // 2 ms is 200,000 HPET ticks, 7,000 of the PM timer.
    uint64_t wait = r.hz / 500;
    apic_timer_start(UINT32_MAX);
    struct moment a = sample(&r);
    while (((r.read() - a.reference) & r.mask) < wait) {
    }
    struct moment b = sample(&r);
    apic_timer_start(0);
    uint64_t ticks = (b.reference - a.reference) & r.mask;
    uint64_t elapsed_ps = ratio(ticks, NS_PER_S * 1000, r.hz);
    uint64_t cycles = b.tsc - a.tsc, counts = a.apic - b.apic;
    if (elapsed_ps == 0 || cycles == 0 || counts == 0) {
        panic("no clock: %lu reference ticks, %lu TSC cycles, %lu timer counts", ticks, cycles, counts);
    }
    tsc.mult = ratio(elapsed_ps, 1ull << SHIFT, cycles * 1000);
    tsc.base = b.tsc;
    apic_mult = ratio(counts * 1000, 1ull << SHIFT, elapsed_ps);
}

uint64_t arch_time_ns(void)
{
    return time_scale(rdtsc() - tsc.base, tsc.mult, SHIFT);
}

void arch_time_page(struct fut_time_page *out)
{
    *out = (struct fut_time_page){.base_ns = 0, .base_counter = tsc.base, .mult = tsc.mult, .shift = SHIFT, .version = 1};
}

static void start(uint64_t now)
{
    uint64_t ns = deadline > now ? deadline - now : 0;
    uint64_t counts = ns >= 1ull << 32 ? UINT32_MAX : time_scale(ns, apic_mult, SHIFT) + 1;
    apic_timer_start(counts > UINT32_MAX ? UINT32_MAX : (uint32_t)counts);
}

void arch_timer_set(uint64_t ns)
{
    if (ns == deadline) {
        return; // armed for it already
    }
    deadline = ns;
    if (ns == UINT64_MAX) {
        apic_timer_start(0);
    } else {
        start(arch_time_ns());
    }
}

// The countdown is 32 bits wide and its rate is measured: it may end early, and then goes on.
bool timer_expired(void)
{
    uint64_t now = arch_time_ns();
    if (deadline > now) {
        if (deadline != UINT64_MAX) {
            start(now);
        }
        return false;
    }
    deadline = UINT64_MAX;
    return true;
}

void arch_interrupts(void)
{
    lock_drop();
    __asm__ volatile("sti; nop; cli" : : : "memory"); // sti takes effect behind the nop
    if (!lock_try()) {
        (void)lock_wait(false);
    }
}

void arch_idle(void)
{
    arch_wait_begin();
    lock_drop();
    // sti lets one more instruction pass before it takes effect: an interrupt cannot slip in before the hlt.
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    if (!lock_try()) {
        (void)lock_wait(0);
    }
}
