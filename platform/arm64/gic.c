// SPDX-License-Identifier: MPL-2.0
//
// Interrupts, whichever GIC there is. A line's number is its INTID: shared peripheral interrupt n of the
// device tree is line 32 + n. Message-signalled interrupts are lines too.
//
// A level-triggered line is masked when it is taken and stays so until its driver has quietened the
// device and acknowledges; the controller is told at once that the interrupt was taken.
#include "arm64.h"

static const struct gic *gic;
static uint32_t timer_line = UINT32_MAX;
static uint64_t level[ARCH_IRQ_COUNT / 64];

void gic_init(void)
{
    gic = gic_v3_probe();
    if (!gic)
        gic = gic_v2_probe();
    if (!gic)
        panic("the device tree names no interrupt controller that this kernel drives (GICv2, GICv3)");
    gic->init();
}

void gic_cpu_init(void)
{
    gic->cpu_init();
    gic->unmask(0);
    gic->configure(timer_line, true);
    gic->unmask(timer_line);
}

void arch_ipi(unsigned cpu)
{
    dsb(ishst); // what it is about is seen before it
    gic->send(cpu);
}

void gic_timer_line(uint32_t line)
{
    timer_line = line;
    gic->configure(line, true);
    gic->unmask(line);
    gic->unmask(0);
}

static bool is_level(uint32_t line) { return level[line / 64] >> line % 64 & 1; }

struct thread *gic_interrupt(struct thread *t)
{
    if (t && unlikely(!lock_try())) // idle: arch_idle has it
        (void)lock_wait(0);
    uint32_t line = gic->acknowledge();
    if (line >= ARCH_IRQ_COUNT)
        return t ? leave() : t; // spurious
    if (line == timer_line) {
        timer_quiet();
        gic->end(line);
        return kernel_timer(t);
    }
    if (line == 0) {
        gic->end(line);
        return kernel_ipi(t);
    }
    if (is_level(line))
        gic->mask(line);
    gic->end(line);
    return kernel_interrupt(t, line);
}

fut_status_t arch_irq_setup(uint32_t line, uint32_t flags)
{
    if (line < 16 || line >= ARCH_IRQ_COUNT || line >= gic->lines || line == timer_line)
        return FUT_ERR_ARGUMENT;
    gic->mask(line);
    gic->configure(line, flags & FUT_IRQ_LEVEL);
    if (flags & FUT_IRQ_LEVEL)
        level[line / 64] |= 1ull << line % 64;
    else
        level[line / 64] &= ~(1ull << line % 64);
    return FUT_OK;
}

void arch_irq_mask(uint32_t line) { gic->mask(line); }
void arch_irq_unmask(uint32_t line) { gic->unmask(line); }

fut_status_t arch_msi_alloc(uint32_t *irq, struct fut_msi *out)
{
    if (!gic->msi_alloc)
        return FUT_ERR_UNSUPPORTED;
    return gic->msi_alloc(irq, out);
}

void arch_msi_free(uint32_t irq)
{
    if (gic->msi_free)
        gic->msi_free(irq);
}

void arch_interrupts(void)
{
    lock_drop();
    if (!lock_try())
        (void)lock_wait(false);
    gic_interrupt(nullptr);
}

// An interrupt that is masked in PSTATE still ends wfi: it is taken by polling, on this stack.
void arch_idle(void)
{
    arch_wait_begin();
    lock_drop();
    dsb(sy);
    __asm__ volatile("wfi" : : : "memory");
    if (!lock_try())
        (void)lock_wait(0);
    gic_interrupt(nullptr);
}
