// SPDX-License-Identifier: MPL-2.0
//
// Where the kernel enters the personality. The program's registers are in the frame already: nothing is saved here.
#include <futura/abi.h>
        .text
        .globl _start
_start: // x0: struct fut_startup
        mov x29, xzr
        mov x19, x0
        bl relocate_self
        mov x0, x19
        bl linux_start
        b leave

        .globl linux_upcall_entry
linux_upcall_entry: // x0: struct fut_frame
        mov x29, xzr
        bl linux_upcall
leave:
        mov x8, #FUT_SYS_UPCALL_RETURN
        svc #0
        // It comes back only when the frame holds what no program may have: rt_sigreturn with nonsense.
        bl linux_bad_return
        brk #1

        // A forked child: the copy of the caller's frame is the newest one.
        .globl linux_fork_child
linux_fork_child:
        bl child_main
        b leave

        .globl linux_thread_child
linux_thread_child:
        bl thread_main
        b leave

        // R_AARCH64_RELATIVE relocations, in case whoever mapped the image left them to us.
relocate_self:
        adrp x0, relocated
        add x0, x0, :lo12:relocated
        adrp x1, relocated_at
        ldr x1, [x1, :lo12:relocated_at]
        cmp x0, x1
        b.eq 2f
        adrp x2, __ehdr_start
        add x2, x2, :lo12:__ehdr_start
        adrp x3, _DYNAMIC
        add x3, x3, :lo12:_DYNAMIC
        mov x4, xzr
        mov x5, xzr
0:      ldp x6, x7, [x3], #16
        cbz x6, 1f
        cmp x6, #7      // DT_RELA
        csel x4, x7, x4, eq
        cmp x6, #8      // DT_RELASZ
        csel x5, x7, x5, eq
        b 0b
1:      add x4, x4, x2
        add x5, x5, x4
3:      cmp x4, x5
        b.hs 2f
        ldr x6, [x4]
        ldr x7, [x4, #16]
        add x7, x7, x2
        str x7, [x2, x6]
        add x4, x4, #24
        b 3b
2:      ret

        .section .data.rel.ro, "aw", @progbits
        .balign 8
relocated_at:
        .quad relocated
relocated:
        .quad 0
        .section .note.GNU-stack, "", @progbits
