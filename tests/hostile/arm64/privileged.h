// SPDX-License-Identifier: MPL-2.0
// What user code must not be able to do, on arm64.
#pragma once
static inline void privileged_instruction(unsigned which)
{
    switch (which) {
    case 0: __asm__ volatile("msr daifset, #2"); break;
    case 1: __asm__ volatile("mrs x0, ttbr1_el1" ::: "x0"); break;
    case 2: __asm__ volatile("msr vbar_el1, xzr"); break;
    case 3: __asm__ volatile("msr sctlr_el1, xzr"); break;
    case 4: __asm__ volatile("tlbi vmalle1"); break;
    default: __asm__ volatile("hvc #0"); break;
    }
}
#define KERNEL_ADDRESSES {0xffff000000000000ull, 0xffff000040080000ull, 0xffffffff80000000ull}
