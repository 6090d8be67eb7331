// SPDX-License-Identifier: MPL-2.0
//
// Ways in and out of the kernel.
//
// Every entry from user mode stores the registers into the current thread's struct arch_thread, calls the
// kernel on this CPU's one stack, and leaves through `resume` with the thread that the kernel returned.
// A system call is left with sysret: rcx and r11 are the caller's loss. That is safe against sysret's fault
// in ring 0 because no path sets `full` to 0 with a pc that is not canonical: behind a syscall instruction the
// pc is at most FUT_USER_TOP, and arch_regs_set checks. Everything else is left with iret.
//
// gs is the user's outside the kernel and this CPU's struct arch_cpu inside: swapgs exactly when crossing.

#include "offsets.h"

    .section .text.entry, "ax"

    // Where every entry ends (system calls begin in fastpath.c). rax: the thread to resume.
    .globl x86_resume
x86_resume:
resume:
    cmp %rax, %gs:CPU_THREAD
    jne switch_thread
resume_same:
    cmpl $0, T_FULL(%rax)
    jne resume_full
    mov T_PC(%rax), %rcx
    mov T_FLAGS(%rax), %r11
    mov T_RBX(%rax), %rbx
    mov T_RDX(%rax), %rdx
    mov T_RSI(%rax), %rsi
    mov T_RDI(%rax), %rdi
    mov T_RBP(%rax), %rbp
    mov T_R8(%rax), %r8
    mov T_R9(%rax), %r9
    mov T_R10(%rax), %r10
    mov T_R12(%rax), %r12
    mov T_R13(%rax), %r13
    mov T_R14(%rax), %r14
    mov T_R15(%rax), %r15
    mov T_RSP(%rax), %rsp
    mov T_RAX(%rax), %rax
    movl $0, kernel_lock
    swapgs
    sysretq

    // Another thread than the one that came in: its TLS register, and whether its FP state is in place.
    // A thread's FS base is what it told the kernel, and its GS base is 0. It can change both with instructions of its
    // own, but only until the next switch, and the thread that comes after it does not notice: they are written here
    // without a look.
switch_thread:
    mov %rax, %gs:CPU_THREAD
    mov T_TLS(%rax), %rbx
    mov %rbx, %gs:CPU_TLS
    wrfsbase %rbx
    xor %ebx, %ebx
    swapgs
    wrgsbase %rbx
    swapgs
    cmp %rax, %gs:CPU_FP_OWNER
    je 3f
    cmpb $0, %gs:CPU_FP_TRAP
    jne resume_same
    mov %cr0, %rdx                  // another thread's state is in the registers
    or $8, %rdx
    mov %rdx, %cr0
    movb $1, %gs:CPU_FP_TRAP
    jmp resume_same
3:  cmpb $0, %gs:CPU_FP_TRAP
    je resume_same
    clts
    movb $0, %gs:CPU_FP_TRAP
    jmp resume_same

resume_full:
    pushq $0x23
    pushq T_RSP(%rax)
    pushq T_FLAGS(%rax)
    pushq $0x2b
    pushq T_PC(%rax)
    mov T_RBX(%rax), %rbx
    mov T_RCX(%rax), %rcx
    mov T_RDX(%rax), %rdx
    mov T_RSI(%rax), %rsi
    mov T_RDI(%rax), %rdi
    mov T_RBP(%rax), %rbp
    mov T_R8(%rax), %r8
    mov T_R9(%rax), %r9
    mov T_R10(%rax), %r10
    mov T_R11(%rax), %r11
    mov T_R12(%rax), %r12
    mov T_R13(%rax), %r13
    mov T_R14(%rax), %r14
    mov T_R15(%rax), %r15
    mov T_RAX(%rax), %rax
    movl $0, kernel_lock
    swapgs
    iretq

    // [[noreturn]] void arch_resume(struct thread *)
    .globl arch_resume
arch_resume:
    mov %rdi, %rax
    mov %gs:CPU_STACK_TOP, %rsp
    jmp resume

    // Exceptions and interrupts. A stub per vector makes all frames alike: vector, error code, then what the CPU
    // pushed.
    .globl x86_vector_stubs
    .balign 16
x86_vector_stubs:
vector = 0
    .rept 256
    .balign 16
    .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    pushq $0
    .endif
    pushq $vector
    .if vector == 2 || vector == 8 || vector == 18
    jmp fatal_common
    .else
    jmp trap_common
    .endif
vector = vector + 1
    .endr

    .macro clear_ac
9:  .byte 0x0f, 0x1f, 0x00      // clac where the CPU has SMAP (cpu.c puts it here)
    .pushsection .smap_sites, "a"
    .quad 9b
    .quad 0xca010f
    .popsection
    .endm

    .balign 16
trap_common:
    testb $3, 24(%rsp)
    jz trap_kernel
    swapgs
    clear_ac
    push %rax
    mov %gs:CPU_THREAD, %rax
    mov %rbx, T_RBX(%rax)
    mov %rcx, T_RCX(%rax)
    mov %rdx, T_RDX(%rax)
    mov %rsi, T_RSI(%rax)
    mov %rdi, T_RDI(%rax)
    mov %rbp, T_RBP(%rax)
    mov %r8, T_R8(%rax)
    mov %r9, T_R9(%rax)
    mov %r10, T_R10(%rax)
    mov %r11, T_R11(%rax)
    mov %r12, T_R12(%rax)
    mov %r13, T_R13(%rax)
    mov %r14, T_R14(%rax)
    mov %r15, T_R15(%rax)
    pop %rbx
    mov %rbx, T_RAX(%rax)
    mov 16(%rsp), %rcx
    mov %rcx, T_PC(%rax)
    mov 32(%rsp), %rcx
    mov %rcx, T_FLAGS(%rax)
    mov 40(%rsp), %rcx
    mov %rcx, T_RSP(%rax)
    movl $1, T_FULL(%rax)
    mov %rax, %rdi
    mov (%rsp), %rsi
    mov 8(%rsp), %rdx
    mov %gs:CPU_STACK_TOP, %rsp
    cld
    call x86_trap
    jmp resume

    .macro push_registers
    push %rax
    push %rbx
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %rbp
    push %r8
    push %r9
    push %r10
    push %r11
    push %r12
    push %r13
    push %r14
    push %r15
    .endm

    // In the kernel: an interrupt while idle, a user copy that faulted, or a broken kernel.
trap_kernel:
    clear_ac
    push_registers
    cld
    mov %rsp, %rdi
    call x86_trap_kernel
pop_registers:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rbp
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq

    // NMI, double fault, machine check: on a stack of their own, gs unknown. The word above the frame is this
    // CPU's struct arch_cpu.
fatal_common:
    clear_ac
    push_registers
    cld
    mov %rsp, %rdi
    mov $0xc0000101, %ecx       // MSR_GS_BASE
    rdmsr
    mov %eax, %r12d
    mov %edx, %r13d
    mov 176(%rsp), %rax
    mov %rax, %rdx
    shr $32, %rdx
    wrmsr
    call x86_fatal
    // Only an NMI that was somebody's wish to talk comes back.
    mov $0xc0000101, %ecx
    mov %r12d, %eax
    mov %r13d, %edx
    wrmsr
    jmp pop_registers
