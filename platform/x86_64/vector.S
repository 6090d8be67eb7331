// SPDX-License-Identifier: MPL-2.0
//
// Clearing and copying pages 32 bytes at a time, where the CPU has AVX (mmu.c chooses): a third of the
// instructions of `rep stosq`. The one vector register used is saved around it, because it may hold the
// state of whichever thread owns the FP registers; CR0.TS has been cleared by the caller.

    .text
    // void avx_zero(void *to, size_t n): n a multiple of 512
    .globl avx_zero
avx_zero:
    sub $40, %rsp
    vmovdqu %ymm0, (%rsp)
    vxorps %ymm0, %ymm0, %ymm0
    lea (%rdi, %rsi), %rsi
1:
    .set offset, 0
    .rept 16
    vmovaps %ymm0, offset(%rdi)
    .set offset, offset + 32
    .endr
    add $512, %rdi
    cmp %rsi, %rdi
    jne 1b
    vmovdqu (%rsp), %ymm0
    add $40, %rsp
    ret

    // void avx_copy(void *to, const void *from, size_t n): n a multiple of 256
    .globl avx_copy
avx_copy:
    sub $40, %rsp
    vmovdqu %ymm0, (%rsp)
    lea (%rdi, %rdx), %rdx
1:
    .set offset, 0
    .rept 8
    vmovdqu offset(%rsi), %ymm0
    vmovdqu %ymm0, offset(%rdi)
    .set offset, offset + 32
    .endr
    add $256, %rsi
    add $256, %rdi
    cmp %rdx, %rdi
    jne 1b
    vmovdqu (%rsp), %ymm0
    add $40, %rsp
    ret

    // bool avx_user_copy(void *to, const void *from, size_t n): n a multiple of 256; one side is a user address.
    .globl avx_user_copy
avx_user_copy:
    sub $40, %rsp
    vmovdqu %ymm0, (%rsp)
    lea (%rdi, %rdx), %rdx
9:  .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .quad 9b, 0xcb010f          // stac
    .popsection
1:
    .set offset, 0
    .rept 8
2:  vmovdqu offset(%rsi), %ymm0
3:  vmovdqu %ymm0, offset(%rdi)
    .pushsection .fixups, "a"
    .quad 2b, 6f
    .quad 3b, 6f
    .popsection
    .set offset, offset + 32
    .endr
    add $256, %rsi
    add $256, %rdi
    cmp %rdx, %rdi
    jne 1b
    mov $1, %eax
5:
9:  .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .quad 9b, 0xca010f          // clac
    .popsection
    vmovdqu (%rsp), %ymm0
    add $40, %rsp
    ret
6:  xor %eax, %eax
    jmp 5b
