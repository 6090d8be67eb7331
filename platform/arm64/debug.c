// SPDX-License-Identifier: MPL-2.0
//
// What the trace and the debugger need of arm64: sites that become branches, BRK, software step (Arm ARM, D2.12),
// the translation tables.
#include "arm64.h"
#include <debug/kdb.h>
#include <debug/log.h>

extern const struct { uint64_t at, to; } trace_sites_start[], trace_sites_end[];

// The kernel's lock is held and the way to it has no site; entering the kernel synchronizes what a CPU has fetched.
void arch_trace_sites(bool on)
{
    for (typeof(&trace_sites_start[0]) s = trace_sites_start; s < trace_sites_end; s++) {
        uint32_t *code = phys_to_virt(image_phys((const void *)s->at));
        *code = on ? 0x14000000u | ((uint32_t)((int64_t)(s->to - s->at) >> 2) & 0x3ffffffu) : 0xd503201fu;
        arch_sync_icache((void *)((uint64_t)code & ~(FUT_PAGE_SIZE - 1ull)));
    }
    isb();
}

#define MDSCR_SS    (1ull << 0)
#define MDSCR_KDE   (1ull << 13)
#define SPSR_SS     (1ull << 21)
#define SPSR_D      (1ull << 9)

// The step happens in whoever is entered with SPSR.SS; anybody else traps before its first instruction. While the thread
// that is to step has not run, arm64_spurious_step lets the others go on, an instruction at a time; not for ever.
#define PATIENCE 100000u
static unsigned patience;

void arch_step(struct thread *t, struct fut_regs *kernel, bool on)
{
    uint64_t *flags = t ? &t->arch.flags : &kernel->flags;
    *flags = on ? *flags | SPSR_SS : *flags & ~SPSR_SS;
    if (!t)
        *flags = on ? *flags & ~SPSR_D : *flags | SPSR_D;
    uint64_t control = read_sysreg(mdscr_el1) & ~(MDSCR_SS | MDSCR_KDE);
    if (on) {
        write_sysreg(oslar_el1, 0);
        patience = PATIENCE;
        control |= MDSCR_SS | (t ? 0 : MDSCR_KDE);
    }
    write_sysreg(mdscr_el1, control);
    isb();
}

void arm64_spurious_step(struct thread *t)
{
    if (patience) {
        patience--;
        t->arch.flags |= SPSR_SS;
        return;
    }
    write_sysreg(mdscr_el1, read_sysreg(mdscr_el1) & ~(MDSCR_SS | MDSCR_KDE));
    isb();
}

bool arch_image_address(uint64_t va, phys_t *out)
{
    *out = image_phys((const void *)va);
    return va >= (uint64_t)image_start && va < (uint64_t)image_end;
}

void arch_walk(struct arch_space *s, uint64_t va)
{
    phys_t table = s->ttbr & 0x0000fffffffff000ull;
    for (unsigned level = 0; level < 4; level++) {
        unsigned index = va >> (39 - 9 * level) & 511;
        uint64_t e = ((const uint64_t *)phys_to_virt(table))[index];
        klog("table %012lx entry %3u: %016lx%s", (unsigned long)table, index, (unsigned long)e, e & 1 ? " valid" : " absent");
        if (level == 3 && e & 1)
            klog("%s%s%s", e & 0x80 ? " read-only" : " write", e & 0x40 ? " user" : "", e >> 54 & 1 ? " no-execute" : "");
        klog("\n");
        if (!(e & 1))
            return;
        table = e & 0x0000fffffffff000ull;
    }
}

void arm64_log_registers(const uint64_t x[31])
{
    for (unsigned i = 0; i < 31; i++)
        klog("x%-2u %016lx%s", i, (unsigned long)x[i], i % 4 == 3 || i == 30 ? "\n" : "  ");
}

void arch_dump_kernel_regs(const struct fut_regs *r)
{
    arm64_log_registers(r->x);
    klog("sp  %016lx  pc  %016lx  flags %08lx\n", (unsigned long)r->sp, (unsigned long)r->pc, (unsigned long)r->flags);
}

// BRK or a step in the kernel itself. What is changed in f is what goes on.
void arm64_kernel_debug(struct kernel_frame *f);
void arm64_kernel_debug(struct kernel_frame *f)
{
    struct fut_regs r = {.pc = f->pc, .flags = f->flags, .sp = (uint64_t)f + 288};
    memcpy(r.x, f->x, sizeof r.x);
    uint32_t code = (read_sysreg(esr_el1) >> 26 & 0x3f) == 0x3c ? FUT_FAULT_TRAP : FUT_FAULT_STEP;
    if (!kdb_trap(nullptr, code, &r))
        arm64_kernel_exception(4, f);
    memcpy(f->x, r.x, sizeof r.x);
    f->pc = r.pc;
    f->flags = r.flags;
}
