// SPDX-License-Identifier: MPL-2.0
#include <futura/abi.h>
    .text
    .globl upcall_entry
upcall_entry:                   // the shortest upcall: counted, and straight back
    adrp x1, upcall_count
    ldr x2, [x1, :lo12:upcall_count]
    add x2, x2, #1
    str x2, [x1, :lo12:upcall_count]
    mov x8, #FUT_SYS_UPCALL_RETURN
    svc #0
    udf #0
    .globl foreign_stub, foreign_stub_end
foreign_stub:                   // copied to where system calls are foreign
    svc #0
    ret
foreign_stub_end:
    .section .note.GNU-stack, "", %progbits
