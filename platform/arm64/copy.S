// SPDX-License-Identifier: MPL-2.0
//
// Copies: between the kernel and user memory (a fault ends them with a result), and whole pages and
// ranges of kernel memory. Unaligned accesses are fine: all of it is ordinary cacheable memory.

    .text
    .arch_extension pan

    .macro  copy_64
    ldp     x3, x4, [x1], #64
    ldp     x5, x6, [x1, #-48]
    ldp     x7, x8, [x1, #-32]
    stp     x3, x4, [x0], #64
    ldp     x3, x4, [x1, #-16]
    stp     x5, x6, [x0, #-48]
    stp     x7, x8, [x0, #-32]
    stp     x3, x4, [x0, #-16]
    .endm

    // x0 to, x1 from, x2 bytes; clobbers x3..x8.
    .macro  copy_loop done
    subs    x2, x2, #128
    b.lo    2f
1:  copy_64
    copy_64
    subs    x2, x2, #128
    b.hs    1b
2:  tbz     x2, #6, 20f             // the low seven bits are what is left
    copy_64
20: tbz     x2, #5, 3f
    ldp     x3, x4, [x1], #16
    ldp     x5, x6, [x1], #16
    stp     x3, x4, [x0], #16
    stp     x5, x6, [x0], #16
3:  tbz     x2, #4, 4f
    ldp     x3, x4, [x1], #16
    stp     x3, x4, [x0], #16
4:  tbz     x2, #3, 5f
    ldr     x3, [x1], #8
    str     x3, [x0], #8
5:  tbz     x2, #2, 6f
    ldr     w3, [x1], #4
    str     w3, [x0], #4
6:  tbz     x2, #1, 7f
    ldrh    w3, [x1], #2
    strh    w3, [x0], #2
7:  tbz     x2, #0, \done
    ldrb    w3, [x1]
    strb    w3, [x0]
    .endm

// int arm64_user_copy(to, from, n): one side is user memory, checked by the caller to lie below
// FUT_USER_TOP. 0: done, 1: met a fault. kernel_sync in entry.S knows the range.
    .globl  arm64_user_copy, arm64_user_copy_end, arm64_user_copy_failed
arm64_user_copy:
    adrp    x9, mmu_has_pan
    ldrb    w9, [x9, #:lo12:mmu_has_pan]
    isb                             // a switch of the Space may have just happened
    cbz     w9, 8f
    msr     pan, #0
8:  copy_loop 9f
9:
arm64_user_copy_end:
    mov     x0, #0
    cbz     w9, 10f
    msr     pan, #1
10: ret
arm64_user_copy_failed:
    mov     x0, #1
    cbz     w9, 11f
    msr     pan, #1
11: ret

    .globl  memcpy
memcpy:
    mov     x9, x0
    copy_loop 12f
12: mov     x0, x9
    ret

    .globl  arch_copy_page
arch_copy_page:
    mov     x2, #4096
    copy_loop 13f
13: ret

    .globl  memset
memset:
    mov     x3, x0
    and     x1, x1, #0xff
    orr     x1, x1, x1, lsl #8
    orr     x1, x1, x1, lsl #16
    orr     x1, x1, x1, lsl #32
    subs    x2, x2, #64
    b.lo    2f
1:  stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    stp     x1, x1, [x3, #32]
    stp     x1, x1, [x3, #48]
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
2:  tbz     x2, #5, 3f
    stp     x1, x1, [x3], #16
    stp     x1, x1, [x3], #16
3:  tbz     x2, #4, 4f
    stp     x1, x1, [x3], #16
4:  tbz     x2, #3, 5f
    str     x1, [x3], #8
5:  tbz     x2, #2, 6f
    str     w1, [x3], #4
6:  tbz     x2, #1, 7f
    strh    w1, [x3], #2
7:  tbz     x2, #0, 8f
    strb    w1, [x3]
8:  ret

    .globl  arch_zero_page
arch_zero_page:
    mrs     x1, dczid_el0
    tbnz    x1, #4, 2f              // DC ZVA not allowed
    and     x1, x1, #0xf
    mov     x2, #4
    lsl     x2, x2, x1              // bytes it zeroes; at most 2 KiB
    add     x3, x0, #4096
1:  dc      zva, x0
    add     x0, x0, x2
    cmp     x0, x3
    b.lo    1b
    ret
2:  mov     x1, #0
    mov     x2, #4096
    b       memset

// arch_sync_icache(page): what was written through the direct map is what an instruction fetch sees.
    .globl  arch_sync_icache
arch_sync_icache:
    mrs     x1, ctr_el0
    tbnz    x1, #28, 2f             // IDC: no cleaning needed
    ubfx    x2, x1, #16, #4         // log2 of the words in the smallest data cache line
    mov     x3, #4
    lsl     x3, x3, x2
    add     x4, x0, #4096
1:  dc      cvau, x0
    add     x0, x0, x3
    cmp     x0, x4
    b.lo    1b
2:  dsb     ish
    tbnz    x1, #29, 3f             // DIC: no invalidation needed
    ic      ialluis                 // whatever the page is called where it is executed
    dsb     ish
3:  isb
    ret
