// SPDX-License-Identifier: MPL-2.0
//
// Into the kernel and out of it.
//
// While a thread runs in user mode, SP_EL1 points at its struct thread, whose first member is struct
// arch_thread: an entry can save registers at once, with no scratch register. Then SP becomes the
// CPU's kernel stack. What kernel_* returns is the thread that goes on; its registers are loaded and the
// kernel left. Interrupts stay masked in the kernel.
//
// An IPC call saves x0..x12 only: x13..x30 are zero when it returns. That form is taken when the
// operation is an IPC call and the instruction lies in the task's native text; anything else gets all
// registers back. The low byte of x8 alone does not decide, because foreign programs number their calls
// as they like.
#include "offsets.h"

    .macro  save_low
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    .endm

    // The rest, with the state that the exception saved. Leaves thread in x0, SP on the kernel stack.
    .macro  save_high
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    mrs     x2, sp_el0
    mrs     x1, elr_el1
    mrs     x3, spsr_el1
    stp     x2, x1, [sp, #THREAD_SP]
    str     x3, [sp, #THREAD_FLAGS]
    str     wzr, [sp, #THREAD_PARTIAL]
    mov     x0, sp
    mrs     x5, tpidr_el1
    ldr     x5, [x5, #CPU_STACK_TOP]
    mov     sp, x5
    mov     x29, xzr
    .endm

    .macro  vector target
    .balign 128
    b       \target
    .endm
    .macro  user_vector target
    .balign 128
    save_low
    b       \target
    .endm
    .macro  bad number
    .balign 128
    sub     sp, sp, #288
    stp     x0, x1, [sp]
    mov     x0, #\number
    b       kernel_exception
    .endm

    .section .vectors, "ax"
    .balign 2048
    .globl  vectors
vectors:
    bad     0                       // EL1 with SP_EL0: never used
    bad     1
    bad     2
    bad     3
    vector  kernel_sync             // EL1
    bad     5
    bad     6
    bad     7
    user_vector user_sync           // EL0, AArch64
    user_vector user_irq
    user_vector user_fiq
    user_vector user_serror
    bad     12                      // EL0, AArch32: nothing starts it
    bad     13
    bad     14
    bad     15

    .text
    .balign 64
user_sync:
    mrs     x13, esr_el1
    lsr     x13, x13, #26
    cmp     x13, #0x15              // svc from AArch64
    b.ne    user_fault
    sub     x4, x8, #1              // FUT_SYS_CALL .. FUT_SYS_REPLY_RECV are 1 .. 5
    and     x4, x4, #0xff
    cmp     x4, #5
    b.hs    1f
    mrs     x1, elr_el1
    ldr     x2, [sp, #:lo12:thread_native_base]
    ldr     x3, [sp, #:lo12:thread_native_bytes]
    sub     x2, x1, x2
    cmp     x2, x3
    b.hs    1f
    mrs     x2, sp_el0
    mrs     x3, spsr_el1
    stp     x2, x1, [sp, #THREAD_SP]
    str     x3, [sp, #THREAD_FLAGS]
    str     w8, [sp, #THREAD_PARTIAL]   // the operation is not 0
    mov     x0, sp
    mrs     x5, tpidr_el1
    ldr     x5, [x5, #CPU_STACK_TOP]
    mov     sp, x5
    mov     x29, xzr
    bl      kernel_syscall
    b       leave
1:  save_high
    bl      kernel_syscall

    // x0: the thread that goes on.
leave:
    mrs     x1, tpidr_el1
    ldr     x2, [x1, #CPU_THREAD]
    cmp     x2, x0
    b.ne    switch_thread
restore:
    ldp     x2, x3, [x0, #THREAD_SP]
    ldr     x4, [x0, #THREAD_FLAGS]
    ldr     w5, [x0, #THREAD_PARTIAL]
    msr     sp_el0, x2
    msr     elr_el1, x3
    msr     spsr_el1, x4
    mov     sp, x0
    cbz     w5, 2f
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldr     x12, [sp, #96]
    adr     x30, zeros
    ldp     x13, x14, [x30]
    ldp     x15, x16, [x30]
    ldp     x17, x18, [x30]
    ldp     x19, x20, [x30]
    ldp     x21, x22, [x30]
    ldp     x23, x24, [x30]
    ldp     x25, x26, [x30]
    ldp     x27, x28, [x30]
    ldp     x29, x30, [x30]
    eret
2:  ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    eret

    // Another thread than the one whose TLS register is loaded. User code writes that register without
    // the kernel's help, so it is saved here, not where it is set.
switch_thread:
    cbz     x2, 3f
    mrs     x3, tpidr_el0
    str     x3, [x2, #THREAD_TLS]
3:  ldr     x3, [x0, #THREAD_TLS]
    msr     tpidr_el0, x3
    str     x0, [x1, #CPU_THREAD]
    ldr     x4, [x1, #CPU_FP_OWNER]
    ldr     w5, [x1, #CPU_FP_ON]
    cmp     x4, x0
    cset    w4, eq
    cmp     w4, w5
    b.eq    restore
    str     w4, [x1, #CPU_FP_ON]    // FP/SIMD traps unless the registers are this thread's
    neg     x4, x4
    and     x4, x4, #3 << 20
    msr     cpacr_el1, x4
    b       restore

    .balign 16
zeros:
    .quad   0, 0

user_fault:
    save_high
    mrs     x1, esr_el1
    mrs     x2, far_el1
    bl      arm64_user_fault
    b       leave

user_irq:
    save_high
    bl      gic_interrupt
    b       leave

user_fiq:
    save_high
    mov     x1, #10
    b       arm64_unexpected

user_serror:
    save_high
    mov     x1, #11
    b       arm64_unexpected

    .globl  arm64_enter
arm64_enter:
    b       leave

    // An exception in the kernel: a user copy that met a page that is not there, or a bug.
kernel_sync:
    stp     x0, x1, [sp, #-288]!
    mrs     x0, elr_el1
    adr     x1, arm64_user_copy
    cmp     x0, x1
    b.lo    4f
    adr     x1, arm64_user_copy_end
    cmp     x0, x1
    b.hs    4f
    mrs     x0, esr_el1             // a data abort in EL1
    lsr     x0, x0, #26
    cmp     x0, #0x25
    b.ne    4f
    mrs     x0, far_el1
    tbnz    x0, #55, 4f             // the kernel side of the copy: a bug
    adr     x0, arm64_user_copy_failed
    msr     elr_el1, x0
    add     sp, sp, #288
    eret
4:  mov     x0, #4

    // SP: 288 bytes, x0 and x1 saved; x0: the vector.
kernel_exception:
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x1, elr_el1
    stp     x30, x1, [sp, #240]
    mov     x1, sp
    b       arm64_kernel_exception

// --- FP/SIMD. x0: struct arch_thread ------------------------------------------------------------------
    .arch_extension fp
    .arch_extension simd
    .globl  arm64_fp_save
arm64_fp_save:
    mrs     x1, fpcr
    mrs     x2, fpsr
    stp     x1, x2, [x0, #THREAD_FP_CONTROL]
    add     x0, x0, #THREAD_FP
    stp     q0, q1, [x0, #0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    stp     q8, q9, [x0, #128]
    stp     q10, q11, [x0, #160]
    stp     q12, q13, [x0, #192]
    stp     q14, q15, [x0, #224]
    stp     q16, q17, [x0, #256]
    stp     q18, q19, [x0, #288]
    stp     q20, q21, [x0, #320]
    stp     q22, q23, [x0, #352]
    stp     q24, q25, [x0, #384]
    stp     q26, q27, [x0, #416]
    stp     q28, q29, [x0, #448]
    stp     q30, q31, [x0, #480]
    ret
    .globl  arm64_fp_load
arm64_fp_load:
    ldp     x1, x2, [x0, #THREAD_FP_CONTROL]
    msr     fpcr, x1
    msr     fpsr, x2
    add     x0, x0, #THREAD_FP
    ldp     q0, q1, [x0, #0]
    ldp     q2, q3, [x0, #32]
    ldp     q4, q5, [x0, #64]
    ldp     q6, q7, [x0, #96]
    ldp     q8, q9, [x0, #128]
    ldp     q10, q11, [x0, #160]
    ldp     q12, q13, [x0, #192]
    ldp     q14, q15, [x0, #224]
    ldp     q16, q17, [x0, #256]
    ldp     q18, q19, [x0, #288]
    ldp     q20, q21, [x0, #320]
    ldp     q22, q23, [x0, #352]
    ldp     q24, q25, [x0, #384]
    ldp     q26, q27, [x0, #416]
    ldp     q28, q29, [x0, #448]
    ldp     q30, q31, [x0, #480]
    ret
    .globl  arm64_fp_clear
arm64_fp_clear:
    msr     fpcr, xzr
    msr     fpsr, xzr
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    movi    v\n\().2d, #0
    .endr
    ret
