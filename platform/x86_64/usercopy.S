// SPDX-License-Identifier: MPL-2.0
//
// The only instructions of the kernel that touch user addresses. A fault at one that is listed in .fixups
// continues at its fix-up address (trap.c); callers have checked that the range lies below FUT_USER_TOP.
// stac and clac stand where nops are until cpu.c finds SMAP.

    .macro user_begin
9:  .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .quad 9b
    .quad 0xcb010f              // stac
    .popsection
    .endm
    .macro user_end
9:  .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_sites, "a"
    .quad 9b
    .quad 0xca010f              // clac
    .popsection
    .endm
    .macro fixup at, to
    .pushsection .fixups, "a"
    .quad \at, \to
    .popsection
    .endm

    .text
    // bool user_copy(void *to, const void *from, size_t n): one of the two is a user address.
    .globl user_copy
user_copy:
    user_begin
    mov %rdx, %rcx
    shr $3, %rcx
    jz 2f
1:  rep movsq
2:  mov %edx, %ecx
    and $7, %ecx
    jz 4f
3:  rep movsb
4:  user_end
    mov $1, %eax
    ret
5:  user_end
    xor %eax, %eax
    ret
    fixup 1b, 5b
    fixup 3b, 5b

    // bool user_load32(const uint32_t *from, uint32_t *value)
    .globl user_load32
user_load32:
    user_begin
1:  mov (%rdi), %eax
    user_end
    mov %eax, (%rsi)
    mov $1, %eax
    ret
5:  user_end
    xor %eax, %eax
    ret
    fixup 1b, 5b
