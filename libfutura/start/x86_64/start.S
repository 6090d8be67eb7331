// SPDX-License-Identifier: MPL-2.0
// The first instruction of a native task: rdi = start-up block, rsp = top of the stack.
    .section .text._start, "ax"
    .globl _start
_start:
    xor %ebp, %ebp
    and $-16, %rsp
    call fut_start
    ud2
    .section .note.GNU-stack, "", @progbits
