// SPDX-License-Identifier: MPL-2.0
//
// memcpy and memset with string instructions: one instruction moves eight bytes. Long ones take the vector
// way of vector.S where there is AVX.

    .text
    .globl memcpy
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    cmp $512, %rdx
    jae 2f
1:  rep movsq
    mov %edx, %ecx
    and $7, %ecx
    jz 3f
    rep movsb
3:  ret
2:  cmpb $0, x86_features + 4   // struct x86_features: avx
    je 1b
    jmp x86_long_copy

    .globl memset
memset:
    mov %rdi, %r8
    movzbl %sil, %eax
    movabs $0x0101010101010101, %rcx
    imul %rcx, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    mov %edx, %ecx
    and $7, %ecx
    jz 1f
    rep stosb
1:  mov %r8, %rax
    ret
