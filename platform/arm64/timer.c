// SPDX-License-Identifier: MPL-2.0
//
// Time: the virtual counter and its one-shot timer. Nanoseconds come from the counter by a
// multiplication, the same that user space does with the time page. (Binding: arm,armv8-timer; its
// third interrupt is the virtual timer's.)
#include "arm64.h"

#define SHIFT 32
static uint64_t base_counter, to_ns, to_ticks; // scaled by 2^SHIFT
static uint64_t frequency;

void timer_init(void)
{
    uint32_t line, flags;
    int node = devicetree_find(-1, "arm,armv8-timer");
    if (node < 0)
        node = devicetree_find(-1, "arm,armv7-timer");
    if (node < 0 || !devicetree_interrupt(node, 2, &line, &flags))
        panic("the device tree names no generic timer");
    uint64_t given;
    frequency = devicetree_number(node, "clock-frequency", &given) ? given : read_sysreg(cntfrq_el0);
    if (frequency < 1000000 || frequency > 4000000000)
        panic("the generic timer's frequency is %llu Hz", (unsigned long long)frequency);
    to_ns = (1000000000ull << SHIFT) / frequency;
    to_ticks = (frequency << SHIFT) / 1000000000;
    base_counter = arch_counter();
    timer_cpu_init();
    gic_timer_line(line);
}

void timer_cpu_init(void)
{
    write_sysreg(cntkctl_el1, 1 << 1); // EL0 reads the virtual counter, nothing else
    timer_quiet();
}

uint64_t arch_time_ns(void)
{
    isb(); // not before what came before
    return (uint64_t)((unsigned __int128)(arch_counter() - base_counter) * to_ns >> SHIFT);
}

void arch_time_page(struct fut_time_page *out)
{
    *out = (struct fut_time_page){.base_counter = base_counter, .mult = to_ns, .shift = SHIFT, .version = 1};
}

void arch_timer_set(uint64_t deadline_ns)
{
    if (deadline_ns == UINT64_MAX) {
        timer_quiet();
        return;
    }
    // Rounded up: a timer that fires early would only have to be set again.
    unsigned __int128 ticks = ((unsigned __int128)deadline_ns * to_ticks >> SHIFT) + 2;
    uint64_t at = ticks > UINT64_MAX / 2 ? UINT64_MAX / 2 : base_counter + (uint64_t)ticks;
    write_sysreg(cntv_cval_el0, at);
    write_sysreg(cntv_ctl_el0, 1);
    isb();
}

void timer_quiet(void)
{
    write_sysreg(cntv_ctl_el0, 0);
    isb();
}
