// SPDX-License-Identifier: MPL-2.0
//
// Where the kernel enters the personality. The program's registers are in the frame already: nothing is saved here.
#include <futura/abi.h>
        .text
        .globl _start
_start: // rdi: struct fut_startup
        xorl %ebp, %ebp
        call relocate_self
        call linux_start
        jmp leave

        .globl linux_upcall_entry
linux_upcall_entry: // rdi: struct fut_frame
        cld
        call linux_upcall
leave:
        movl $FUT_SYS_UPCALL_RETURN, %eax
        syscall
        // It comes back only when the frame holds what no program may have: rt_sigreturn with nonsense.
        call linux_bad_return
        ud2

        // A forked child: the copy of the caller's frame is the newest one.
        .globl linux_fork_child
linux_fork_child:
        call child_main
        jmp leave

        .globl linux_thread_child
linux_thread_child:
        call thread_main
        jmp leave

        // R_X86_64_RELATIVE relocations, in case whoever mapped the image left them to us. rdi is kept.
relocate_self:
        leaq relocated(%rip), %rax
        cmpq %rax, relocated_at(%rip)
        je 2f
        leaq __ehdr_start(%rip), %rdx
        leaq _DYNAMIC(%rip), %rsi
        xorl %r8d, %r8d
        xorl %r9d, %r9d
0:      movq (%rsi), %rax
        testq %rax, %rax
        jz 1f
        movq 8(%rsi), %rcx
        addq $16, %rsi
        cmpq $7, %rax   // DT_RELA
        cmoveq %rcx, %r8
        cmpq $8, %rax   // DT_RELASZ
        cmoveq %rcx, %r9
        jmp 0b
1:      addq %rdx, %r8
        addq %r8, %r9
3:      cmpq %r9, %r8
        jae 2f
        movq (%r8), %rax
        movq 16(%r8), %rcx
        addq %rdx, %rcx
        movq %rcx, (%rdx,%rax)
        addq $24, %r8
        jmp 3b
2:      ret

        .section .data.rel.ro, "aw", @progbits
        .balign 8
relocated_at:
        .quad relocated
relocated:
        .quad 0
        .section .note.GNU-stack, "", @progbits
