// SPDX-License-Identifier: MPL-2.0
// What user code must not be able to do, on x86_64.
#pragma once
static inline void privileged_instruction(unsigned which)
{
    switch (which) {
    case 0: __asm__ volatile("hlt"); break;
    case 1: __asm__ volatile("mov %%cr3, %%rax" ::: "rax"); break;
    case 2: __asm__ volatile("wrmsr" ::"c"(0xc0000082), "a"(0), "d"(0)); break;
    case 3: __asm__ volatile("outb %%al, $0xf4" ::"a"(0)); break;
    case 4: __asm__ volatile("cli"); break;
    default: __asm__ volatile("invlpg (%%rsp)" ::: "memory"); break;
    }
}
#define KERNEL_ADDRESSES {0xffffffff80000000ull, 0xffff800000000000ull, 0xffffffff80200000ull}
