// SPDX-License-Identifier: MPL-2.0
#include <futura/abi.h>
    .text
    .globl upcall_entry
upcall_entry:                   // the shortest upcall: counted, and straight back
    incq upcall_count(%rip)
    mov $FUT_SYS_UPCALL_RETURN, %eax
    syscall
    ud2
    .globl foreign_stub, foreign_stub_end
foreign_stub:                   // copied to where system calls are foreign
    syscall
    ret
foreign_stub_end:
    .section .note.GNU-stack, "", @progbits
