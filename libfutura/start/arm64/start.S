// SPDX-License-Identifier: MPL-2.0
// The first instruction of a native task: x0 = start-up block, sp = top of the stack.
    .section .text._start, "ax"
    .globl _start
_start:
    mov x29, xzr
    mov x30, xzr
    bl fut_start
    udf #0

    // By this note posixd knows a native program from a Linux one.
    .section .note.futura, "a", %note
    .balign 4
    .long 7, 4, 1
    .asciz "Futura"
    .balign 4
    .long 1
    .section .note.GNU-stack, "", %progbits
