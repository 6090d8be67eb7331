// SPDX-License-Identifier: MPL-2.0
//
// System call entry, and the fast path of IPC with the message left in the CPU's registers.
//
// The message words of a call are at entry already in the registers where the receiver wants them, and IPC
// clobbers everything else, so nothing is saved but pc, flags, stack pointer and the tag (a server that asks for
// what was lent looks at its caller's tag). The words travel through fast_call() as arguments of the preserve_none
// calling convention, whose twelve argument registers are chosen so that only w3 has to move. What is not for the
// fast path is saved in full and takes the ordinary way.
//
// The code is in C functions without prologue, because it needs the offsets of C structures.
#include "x86.h"
#include <ipc/fast.h>

#define T(field) [field] "i"(offsetof(struct thread, arch.field))
#define CPU(field) [cpu_##field] "i"(offsetof(struct cpu, arch.field))
#define THREAD_OFFSETS                                                                                       \
    T(rax), T(rbx), T(rdx), T(rsi), T(rdi), T(rbp), T(rsp), T(r8), T(r9), T(r10), T(r12), T(r13), T(r14),      \
        T(r15), T(pc), T(flags), T(full), T(tls), CPU(thread), CPU(stack_top), CPU(user_rsp), CPU(tls),       \
        CPU(fp_owner), CPU(fp_trap)

// The registers in the order of preserve_none: r12 r13 r14 r15 rdi rsi rdx rcx r8 r9 r11 rax.
#define MESSAGE uint64_t w4, uint64_t w5, uint64_t w6, uint64_t w7, uint64_t aux, uint64_t w0, uint64_t tag, uint64_t w3, uint64_t w1, uint64_t w2
#define WORDS w4, w5, w6, w7
[[clang::preserve_none]] void x86_ipc_exit(MESSAGE, struct thread *t, uint64_t control);
[[clang::preserve_none]] void x86_ipc_slow(MESSAGE, struct thread *t, uint64_t control);

[[clang::preserve_none]] void x86_fast_call(MESSAGE, struct thread *t, uint64_t control)
{
    uint64_t out = control, badge;
    struct thread *r = fast_call(t, &out, tag, &badge);
    if (unlikely(!r))
        [[clang::musttail]] return x86_ipc_slow(WORDS, aux, w0, tag, w3, w1, w2, t, control);
    [[clang::musttail]] return x86_ipc_exit(WORDS, badge, w0, tag, w3, w1, w2, r, out);
}

[[clang::preserve_none]] void x86_fast_reply_recv(MESSAGE, struct thread *t, uint64_t control)
{
    struct thread *caller = fast_reply_recv(t, control, tag, aux);
    if (unlikely(!caller))
        [[clang::musttail]] return x86_ipc_slow(WORDS, aux, w0, tag, w3, w1, w2, t, control);
    [[clang::musttail]] return x86_ipc_exit(WORDS, 0, w0, tag, w3, w1, w2, caller, 0);
}

[[gnu::naked, gnu::used, gnu::section(".text.entry"), gnu::aligned(64)]] void x86_syscall_entry(void)
{
    __asm__ volatile(
        "swapgs\n\t"
        "mov %%rsp, %%gs:%c[cpu_user_rsp]\n\t"
        "mov %%gs:%c[cpu_thread], %%rsp\n\t"
        "mov %%rcx, %c[pc](%%rsp)\n\t"
        "mov %%r11, %c[flags](%%rsp)\n\t"
        "movl $0, %c[full](%%rsp)\n\t"
        // rcx and r11 are free. IPC from native code, at most interruptible, in register form, without capabilities?
        "sub %c[native_base](%%rsp), %%rcx\n\t"
        "cmp %c[native_bytes](%%rsp), %%rcx\n\t"
        "jae 1f\n\t"
        "mov %%eax, %%r11d\n\t"
        "and %[op_mask], %%r11d\n\t"
        "cmp %[call], %%r11d\n\t"
        "je 2f\n\t"
        "cmp %[reply_recv], %%r11d\n\t"
        "jne 1f\n\t"
        "test %[slow], %%edx\n\t"
        "jnz 1f\n\t"
        "mov %%rsp, %%r11\n\t"
        "mov %%gs:%c[cpu_user_rsp], %%rcx\n\t"
        "mov %%rcx, %c[rsp](%%rsp)\n\t"
        "mov %%rdx, %c[rdx](%%rsp)\n\t"
        "mov %%r10, %%rcx\n\t"
        "mov %%gs:%c[cpu_stack_top], %%rsp\n\t"
        "jmp x86_fast_reply_recv\n"
        "2:\n\t"
        "test %[slow], %%edx\n\t"
        "jnz 1f\n\t"
        "mov %%rsp, %%r11\n\t"
        "mov %%gs:%c[cpu_user_rsp], %%rcx\n\t"
        "mov %%rcx, %c[rsp](%%rsp)\n\t"
        "mov %%rdx, %c[rdx](%%rsp)\n\t"
        "mov %%r10, %%rcx\n\t"
        "mov %%gs:%c[cpu_stack_top], %%rsp\n\t"
        "jmp x86_fast_call\n"
        "1:\n\t"
        "mov %%rax, %c[rax](%%rsp)\n\t"
        "mov %%rbx, %c[rbx](%%rsp)\n\t"
        "mov %%rdx, %c[rdx](%%rsp)\n\t"
        "mov %%rsi, %c[rsi](%%rsp)\n\t"
        "mov %%rdi, %c[rdi](%%rsp)\n\t"
        "mov %%rbp, %c[rbp](%%rsp)\n\t"
        "mov %%r8, %c[r8](%%rsp)\n\t"
        "mov %%r9, %c[r9](%%rsp)\n\t"
        "mov %%r10, %c[r10](%%rsp)\n\t"
        "mov %%r12, %c[r12](%%rsp)\n\t"
        "mov %%r13, %c[r13](%%rsp)\n\t"
        "mov %%r14, %c[r14](%%rsp)\n\t"
        "mov %%r15, %c[r15](%%rsp)\n\t"
        "mov %%gs:%c[cpu_user_rsp], %%rax\n\t"
        "mov %%rax, %c[rsp](%%rsp)\n\t"
        "mov %%rsp, %%rdi\n\t"
        "mov %%gs:%c[cpu_stack_top], %%rsp\n\t"
        "call kernel_syscall\n\t"
        "jmp x86_resume"
        :
        : THREAD_OFFSETS, [native_base] "i"(offsetof(struct thread, native_base)),
          [native_bytes] "i"(offsetof(struct thread, native_bytes)),
          [op_mask] "i"(0xff | (0xff & ~FUT_IPC_INTERRUPTIBLE) << 8), [call] "i"(FUT_SYS_CALL),
          [reply_recv] "i"(FUT_SYS_REPLY_RECV), [slow] "i"(TAG_SLOW));
}

// The fast path declined: the registers are saved after all. The capability registers mean nothing without
// capabilities and hold kernel values by now.
[[gnu::naked, gnu::used]] static void ipc_slow(void)
{
    __asm__ volatile(
        ".globl x86_ipc_slow\n"
        "x86_ipc_slow:\n\t"
        "mov %%rax, %c[rax](%%r11)\n\t"
        "movq $0, %c[rbx](%%r11)\n\t"
        "movq $0, %c[rbp](%%r11)\n\t"
        "mov %%rsi, %c[rsi](%%r11)\n\t"
        "mov %%rdi, %c[rdi](%%r11)\n\t"
        "mov %%r8, %c[r8](%%r11)\n\t"
        "mov %%r9, %c[r9](%%r11)\n\t"
        "mov %%rcx, %c[r10](%%r11)\n\t"
        "mov %%r12, %c[r12](%%r11)\n\t"
        "mov %%r13, %c[r13](%%r11)\n\t"
        "mov %%r14, %c[r14](%%r11)\n\t"
        "mov %%r15, %c[r15](%%r11)\n\t"
        "mov %%r11, %%rdi\n\t"
        "mov %%rax, %%rsi\n\t"
        "mov %%gs:%c[cpu_stack_top], %%rsp\n\t"
        "call ipc_entry\n\t"
        "jmp x86_resume"
        :
        : THREAD_OFFSETS);
}

// To the thread in r11, which came in by IPC and waited (so `full` is 0 unless somebody set its registers).
[[gnu::naked, gnu::used]] static void ipc_exit(void)
{
    __asm__ volatile(
        ".globl x86_ipc_exit\n"
        "x86_ipc_exit:\n\t"
        "cmpl $0, %c[full](%%r11)\n\t"
        "jne 5f\n\t"
        "mov %%r11, %%gs:%c[cpu_thread]\n\t"
        "mov %%rcx, %%r10\n\t"
        "mov %c[tls](%%r11), %%rbp\n\t"
        "cmp %%rbp, %%gs:%c[cpu_tls]\n\t"
        "jne 3f\n"
        "1:\n\t"
        "cmp %%r11, %%gs:%c[cpu_fp_owner]\n\t"
        "setne %%bl\n\t"
        "cmp %%bl, %%gs:%c[cpu_fp_trap]\n\t"
        "jne 4f\n"
        "2:\n\t"
        "xor %%ebx, %%ebx\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %c[pc](%%r11), %%rcx\n\t"
        "mov %c[rsp](%%r11), %%rsp\n\t"
        "mov %c[flags](%%r11), %%r11\n\t"
        "swapgs\n\t"
        "sysretq\n"
        // The FS base. The three registers of wrmsr carry message parts.
        "3:\n\t"
        "mov %%rbp, %%gs:%c[cpu_tls]\n\t"
        "mov %%rax, %%rbx\n\t"
        "mov %%rdx, %%rsp\n\t"
        "mov %%rbp, %%rax\n\t"
        "mov %%rbp, %%rdx\n\t"
        "shr $32, %%rdx\n\t"
        "mov %[fs_base], %%ecx\n\t"
        "wrmsr\n\t"
        "mov %%rbx, %%rax\n\t"
        "mov %%rsp, %%rdx\n\t"
        "jmp 1b\n"
        "4:\n\t"
        "mov %%bl, %%gs:%c[cpu_fp_trap]\n\t"
        "test %%bl, %%bl\n\t"
        "jz 6f\n\t"
        "mov %%cr0, %%rbp\n\t"
        "or $8, %%rbp\n\t"
        "mov %%rbp, %%cr0\n\t"
        "jmp 2b\n"
        "6:\n\t"
        "clts\n\t"
        "jmp 2b\n"
        // All its registers are wanted: the message goes into the saved ones.
        "5:\n\t"
        "mov %%rax, %c[rax](%%r11)\n\t"
        "movq $0, %c[rbx](%%r11)\n\t"
        "mov %%rdx, %c[rdx](%%r11)\n\t"
        "mov %%rsi, %c[rsi](%%r11)\n\t"
        "mov %%rdi, %c[rdi](%%r11)\n\t"
        "movq $0, %c[rbp](%%r11)\n\t"
        "mov %%r8, %c[r8](%%r11)\n\t"
        "mov %%r9, %c[r9](%%r11)\n\t"
        "mov %%rcx, %c[r10](%%r11)\n\t"
        "mov %%r12, %c[r12](%%r11)\n\t"
        "mov %%r13, %c[r13](%%r11)\n\t"
        "mov %%r14, %c[r14](%%r11)\n\t"
        "mov %%r15, %c[r15](%%r11)\n\t"
        "mov %%r11, %%rax\n\t"
        "mov %%gs:%c[cpu_stack_top], %%rsp\n\t"
        "jmp x86_resume"
        :
        : THREAD_OFFSETS, [fs_base] "i"(MSR_FS_BASE));
}
