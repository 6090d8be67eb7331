// SPDX-License-Identifier: MPL-2.0
// The first instruction of a native task: rdi = start-up block, rsp = top of the stack.
    .section .text._start, "ax"
    .globl _start
_start:
    xor %ebp, %ebp
    and $-16, %rsp
    call fut_start
    ud2

    // By this note posixd knows a native program from a Linux one.
    .section .note.futura, "a", @note
    .balign 4
    .long 7, 4, 1
    .asciz "Futura"
    .balign 4
    .long 1
    .section .note.GNU-stack, "", @progbits
