// SPDX-License-Identifier: MPL-2.0
//
// What the trace and the debugger need of x86_64: sites that become jumps, INT3, the trap flag, the page tables.
#include "x86.h"
#include <base.h>
#include <thread.h>
#include <debug/log.h>

extern const struct { uint64_t at, to; } trace_sites_start[], trace_sites_end[];

// The kernel's lock is held and the way to it has no site, so no CPU executes what is written here before it has
// entered the kernel anew.
void arch_trace_sites(bool on)
{
    for (typeof(&trace_sites_start[0]) s = trace_sites_start; s < trace_sites_end; s++) {
        uint8_t code[5] = {0x0f, 0x1f, 0x44};
        if (on) {
            uint32_t distance = (uint32_t)(s->to - (s->at + sizeof code));
            code[0] = 0xe9;
            __builtin_memcpy(code + 1, &distance, sizeof distance);
        }
        __builtin_memcpy(phys_to_virt(s->at - KERNEL_OFFSET), code, sizeof code);
    }
}

#define FLAGS_TRAP (1ull << 8)

void arch_step(struct thread *t, struct fut_regs *kernel, bool on)
{
    uint64_t *flags = t ? &t->arch.flags : &kernel->flags;
    *flags = on ? *flags | FLAGS_TRAP : *flags & ~FLAGS_TRAP;
}

bool arch_image_address(uint64_t va, phys_t *out)
{
    *out = va - KERNEL_OFFSET;
    return va >= (uint64_t)image_start && va < (uint64_t)image_end;
}

void arch_walk(struct arch_space *s, uint64_t va)
{
    phys_t table = s->root;
    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        unsigned index = va >> shift & 511;
        uint64_t e = ((const uint64_t *)phys_to_virt(table))[index];
        klog("table %012lx entry %3u: %016lx%s%s%s%s\n", (unsigned long)table, index, (unsigned long)e, e & 1 ? " present" : " absent",
             e & 2 ? " write" : "", e & 4 ? " user" : "", e >> 63 ? " no-execute" : "");
        if (!(e & 1))
            return;
        table = e & 0x000ffffffffff000ull;
    }
}

void arch_dump_kernel_regs(const struct fut_regs *r)
{
    klog("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    klog("rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", r->rsi, r->rdi, r->rbp, r->rsp);
    klog("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", r->r8, r->r9, r->r10, r->r11);
    klog("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", r->r12, r->r13, r->r14, r->r15);
    klog("pc  %016lx flags %08lx\n", r->pc, r->flags);
}
