// SPDX-License-Identifier: MPL-2.0
// The first instruction of a native task: x0 = start-up block, sp = top of the stack.
    .section .text._start, "ax"
    .globl _start
_start:
    mov x29, xzr
    mov x30, xzr
    bl fut_start
    udf #0
    .section .note.GNU-stack, "", %progbits
