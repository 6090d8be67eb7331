// SPDX-License-Identifier: MPL-2.0
//
// From the loader to C. The file is a Linux "Image": 64 bytes of header, entered at its first byte with
// the MMU off and the physical address of the device tree in x0, in EL2 or EL1. This code goes down to
// EL1, has early.c make the first translation tables while everything is still physical, turns the MMU
// on and goes on at the linked address.
#include "offsets.h"

    .section .head, "ax"
    .globl _start
_start:
    b       start
    .long   0
    .quad   0                       // offset from a 2 MiB boundary
    .quad   image_bytes      // memory wanted, with bss
    .quad   0xa                     // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

// SCTLR_EL1 with the bits that are always one (LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS), MMU and caches off.
#define SCTLR_OFF 0x30d00800
// Running: M, C, I, SA0 (EL0 stack alignment), DZE, UCT, UCI (EL0 may zero and clean caches), nTWI, nTWE.
// SA, the alignment check of EL1's stack pointer, stays off: entry.S points it at a struct thread.
#define SCTLR_ON (SCTLR_OFF | 1 << 0 | 1 << 2 | 1 << 4 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26)
#define SCTLR_SPAN (1 << 23)

    .section .text.start, "ax"
    // A secondary CPU, as PSCI starts it: like the loader, but x0 is the physical address of a struct secondary (smp.c).
    .globl  secondary_entry
secondary_entry:
    mov     x21, x0
    mov     x22, #1
    b       any_cpu
start:
    mov     x21, x0
    mov     x22, #0
any_cpu:
    mrs     x0, CurrentEL
    lsr     x0, x0, #2
    cmp     x0, #2
    b.ne    in_el1

    // EL2: give EL1 everything, keep nothing.
    ldr     x0, =SCTLR_OFF
    msr     sctlr_el1, x0
    mov     x0, #1 << 31            // RW: EL1 is AArch64
    msr     hcr_el2, x0
    isb
    mrs     x0, cnthctl_el2
    orr     x0, x0, #3              // EL1 may use the physical counter and timer
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    mov     x0, #0x33ff             // FP passes, SVE and SME do not
    msr     cptr_el2, x0
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mrs     x0, id_aa64dfr0_el1     // debug and PMU: all counters for EL1, no traps
    ubfx    x0, x0, #8, #4
    cbz     x0, 1f
    cmp     x0, #0xf
    b.eq    1f
    mrs     x0, pmcr_el0
    ubfx    x0, x0, #11, #5
    msr     mdcr_el2, x0
1:  mrs     x0, id_aa64pfr0_el1     // GICv3: system registers for EL1
    ubfx    x0, x0, #24, #4
    cbz     x0, 2f
    mrs     x0, S3_4_C12_C9_5       // ICC_SRE_EL2
    mov     x1, #9                  // SRE, Enable
    orr     x0, x0, x1
    msr     S3_4_C12_C9_5, x0
    isb
    msr     S3_4_C12_C11_0, xzr     // ICH_HCR_EL2
2:  adr     x0, in_el1
    msr     elr_el2, x0
    mov     x0, #0x3c5              // EL1h, DAIF masked
    msr     spsr_el2, x0
    eret

in_el1:
    msr     daifset, #0xf
    ldr     x0, =SCTLR_OFF
    msr     sctlr_el1, x0
    isb

    cbz     x22, 6f
    ldp     x0, x1, [x21]           // translation tables
    ldp     x23, x24, [x21, #16]    // stack, struct cpu
    b       tables
6:  adrp    x0, bss_start
    add     x0, x0, :lo12:bss_start
    adrp    x1, bss_end
    add     x1, x1, :lo12:bss_end
3:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    3b

    adrp    x0, boot_stack_top
    add     x0, x0, :lo12:boot_stack_top
    mov     sp, x0
    mov     x29, xzr
    adrp    x20, _start             // physical address of the image
    mov     x0, x20
    mov     x1, x21
    bl      early_tables            // -> x0 TTBR0 (identity), x1 TTBR1

tables:
    msr     ttbr0_el1, x0
    msr     ttbr1_el1, x1
    mov     x0, #0x04ff             // MAIR: 0 write-back, 1 device-nGnRE, 2 normal uncached
    movk    x0, #0x44, lsl #16
    msr     mair_el1, x0
    // TCR: 48 bits both halves, 4 KiB pages, inner shareable write-back walks.
    ldr     x0, =(16 | 16 << 16 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30)
    mrs     x1, id_aa64mmfr0_el1
    and     x2, x1, #0xf            // physical address range, 48 bits at most
    cmp     x2, #5
    mov     x3, #5
    csel    x2, x2, x3, lo
    bfi     x0, x2, #32, #3
    ubfx    x2, x1, #4, #4          // 16-bit address space numbers
    cmp     x2, #2
    cset    x2, eq
    bfi     x0, x2, #36, #1
    msr     tcr_el1, x0
    msr     cpacr_el1, xzr
    msr     mdscr_el1, xzr
    isb
    tlbi    vmalle1
    dsb     nsh
    ic      iallu
    dsb     nsh
    isb
    ldr     x0, =SCTLR_ON
    mrs     x1, id_aa64mmfr1_el1    // PAN: set by every entry
    ubfx    x1, x1, #20, #4
    cbz     x1, 4f
    bic     x0, x0, #SCTLR_SPAN
4:  msr     sctlr_el1, x0
    isb
    ldr     x0, =virtual
    br      x0
virtual:
    ldr     x0, =vectors
    msr     vbar_el1, x0
    msr     tpidrro_el0, xzr
    cbnz    x22, 7f
    ldr     x23, =boot_stack_top
    ldr     x24, =cpus
7:  mov     sp, x23
    msr     tpidr_el1, x24
    cbz     x1, 5f
    .arch_extension pan
    msr     pan, #1
5:  isb
    mov     x29, xzr
    mov     x30, xzr
    mov     x0, x20
    mov     x1, x21
    cbnz    x22, arm64_secondary_main
    b       boot_main

// arm64_replace_ttbr1(x0 = table): the kernel's own mappings change size, so that nothing of them may be
// in use meanwhile. Runs from the identity map.
    .globl  arm64_replace_ttbr1
arm64_replace_ttbr1:
    ldr     x1, =kernel_phys
    ldr     x1, [x1]
    ldr     x2, =(replace - KERNEL_VIRTUAL)
    add     x1, x1, x2
    adrp    x3, early_empty
    add     x3, x3, :lo12:early_empty
    ldr     x2, =KERNEL_VIRTUAL
    sub     x3, x3, x2
    ldr     x2, =kernel_phys
    ldr     x2, [x2]
    add     x3, x3, x2
    br      x1
replace:
    msr     ttbr1_el1, x3
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    msr     ttbr1_el1, x0
    isb
    ret

    .section .bss
    .balign 4096
    .globl  early_empty
early_empty:
    .skip   4096
boot_stack:
    .skip   KERNEL_STACK_BYTES
    .globl  boot_stack_top
boot_stack_top:
