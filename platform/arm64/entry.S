// SPDX-License-Identifier: MPL-2.0
//
// Into the kernel and out of it.
//
// While a thread runs in user mode, SP_EL1 points at its struct thread, whose first member is struct
// arch_thread: an entry can save registers at once, with no scratch register. Then SP becomes the
// CPU's kernel stack. What kernel_* returns is the thread that goes on; its registers are loaded and the
// kernel left. Interrupts stay masked in the kernel.
//
// Three kinds of system calls, whose cost is everybody's cost, have ways of their own:
//
// A call, and a reply with a receive, leave the message in x0..x7: fastpath.c looks whether it can be
// handed over, and if so nothing but pc, flags, stack pointer, tag and capability registers was saved. x13..x30 are
// zero when such a call returns (arch_thread.partial).
//
// A foreign system call stores the registers straight into the thread's upcall frame and enters its
// routine; the return from it loads them from there. The frame is the thread's own memory, pinned, and each
// value of it is checked after it was read once. What these two decline takes the ordinary way, so they
// mean exactly what task/upcall.c does.
//
// Which of them it is depends on where the instruction lies first: foreign programs number their calls as they
// like.
#include <futura/abi.h>
#include "offsets.h"

    .macro  save_0_15
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    .endm

    // The rest but x16 and x17, with the state that the exception saved. Leaves thread in x0, SP on the
    // kernel stack.
    .macro  save_18_30
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

    // The kernel lock. Not free (or the store failed): on to `contended`. Loses x16 and x17.
    .macro  take_lock contended
    adr     x17, kernel_lock
    ldaxr   w16, [x17]
    cbnz    w16, \contended
    stxr    w16, w17, [x17]         // part of an address: not 0
    cbnz    w16, \contended
    .endm
    .macro  drop_lock scratch
    adr     \scratch, kernel_lock
    stlr    wzr, [\scratch]
    .endm

    .macro  zero_rest               // x13..x30; x30 points at two zero words
    ldp     x13, x14, [x30]
    ldp     x15, x16, [x30]
    ldp     x17, x18, [x30]
    ldp     x19, x20, [x30]
    ldp     x21, x22, [x30]
    ldp     x23, x24, [x30]
    ldp     x25, x26, [x30]
    ldp     x27, x28, [x30]
    ldp     x29, x30, [x30]
    .endm

    // x2..x29 of an exception in the kernel, at their places in its frame of 288 bytes.
    .macro  kernel_frame move
    .set    offset, 16
    .irp    pair, "x2, x3", "x4, x5", "x6, x7", "x8, x9", "x10, x11", "x12, x13", "x14, x15", "x16, x17", "x18, x19", "x20, x21", "x22, x23", "x24, x25", "x26, x27", "x28, x29"
    \move   \pair, [sp, #offset]
    .set    offset, offset + 16
    .endr
    .endm

    .macro  vector target
    .balign 128
    b       \target
    .endm
    .macro  user_vector target
    .balign 128
    stp     x16, x17, [sp, #128]
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
    .balign 128                     // EL0, AArch64
    stp     x16, x17, [sp, #128]
    mrs     x16, esr_el1
    lsr     x16, x16, #26
    cmp     x16, #0x15              // svc from AArch64
    b.ne    user_fault
    mrs     x16, elr_el1
    ldr     x17, [sp, #:lo12:thread_native_base]
    sub     x17, x16, x17
    ldr     x16, [sp, #:lo12:thread_native_bytes]
    cmp     x17, x16
    b.hs    foreign_syscall
    and     w16, w8, #0xffff
    cmp     w16, #FUT_SYS_CALL
    b.eq    ipc_call
    cmp     w16, #FUT_SYS_REPLY_RECV
    b.eq    ipc_reply_recv
    adr     x17, ways
    cmp     x8, #FUT_SYS_COUNT
    b.hs    ipc_interruptible
    ldrsw   x16, [x17, x16, lsl #2]
    add     x17, x17, x16
    br      x17
    user_vector user_irq
    user_vector user_fiq
    user_vector user_serror
    bad     12                      // EL0, AArch32: nothing starts it
    bad     13
    bad     14
    bad     15

    .text
    // Where the plain calls go; data, but at hand.
    .balign 4
ways:
    .set    op, 0
    .rept   FUT_SYS_COUNT
    .if     op == FUT_SYS_NULL
    .long   light_null - ways
    .elseif op == FUT_SYS_EVENT_SIGNAL
    .long   light_signal - ways
    .elseif op == FUT_SYS_EVENT_WAIT
    .long   light_wait - ways
    .elseif op == FUT_SYS_YIELD
    .long   light_yield_ - ways
    .elseif op == FUT_SYS_UPCALL_RETURN
    .long   upcall_return - ways
    .else
    .long   native_syscall - ways
    .endif
    .set    op, op + 1
    .endr

    // Without a pending interruption an interruptible call is a plain one.
ipc_interruptible:
    mov     w17, #FUT_SYS_CALL | FUT_IPC_INTERRUPTIBLE << 8
    cmp     w16, w17
    b.eq    ipc_call
    mov     w17, #FUT_SYS_REPLY_RECV | FUT_IPC_INTERRUPTIBLE << 8
    cmp     w16, w17
    b.eq    ipc_reply_recv
    b       native_syscall

light_null:
    ldr     w16, [sp, #:lo12:thread_attention]
    cbnz    w16, native_syscall
    ldp     x16, x17, [sp, #128]
    mov     x0, xzr
    mov     x1, xzr
    eret

    // A light call (ipc/light.h): x9..x15 and x19..x29 are as they were when it comes back.
    .macro  start_light function
    take_lock contended
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    str     x8, [sp, #64]
    str     x18, [sp, #144]
    str     x30, [sp, #240]
    mrs     x16, tpidr_el1
    ldr     x16, [x16, #CPU_STACK_TOP]
    mov     sp, x16
    bl      \function
    b       light_done
    .endm
light_signal:
    start_light light_event_signal
light_wait:
    start_light light_event_wait
light_yield_:
    start_light light_yield
light_done:
    mrs     x16, tpidr_el1
    ldr     x16, [x16, #CPU_THREAD]
    mov     sp, x16
    ldr     x8, [sp, #64]
    ldr     x18, [sp, #144]
    ldr     x30, [sp, #240]
    cmp     x0, #0
    b.gt    1f
    drop_lock x16
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x16, x17, [sp, #128]
    eret
1:  ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    cmp     x0, #2                      // LIGHT_SWITCH, to the thread in x1
    b.eq    2f
    ldp     x0, x1, [sp, #0]
    b       native_locked
2:  mov     x16, x1
    mov     x0, xzr
    mov     x1, xzr
    save_0_15
    save_18_30
    mov     x0, x16
    b       leave

    .balign 64
    // What IPC saves: the rest is in the message, or dead.
    .macro  start_ipc function
    take_lock contended
    mrs     x16, sp_el0
    mrs     x17, elr_el1
    mrs     x13, spsr_el1
    stp     x16, x17, [sp, #THREAD_SP]
    str     x13, [sp, #THREAD_FLAGS]
    str     w8, [sp, #THREAD_PARTIAL]   // the operation is not 0
    stp     x8, x9, [sp, #64]           // control, and the tag: what the caller lends is looked up by it
    mov     x20, sp                     // the arguments of preserve_none: x20..x28, x0..x7, x10..x14, x9
    mrs     x16, tpidr_el1
    ldr     x16, [x16, #CPU_STACK_TOP]
    mov     sp, x16
    b       \function
    .endm
ipc_call:
    start_ipc arm64_fast_call
ipc_reply_recv:
    start_ipc arm64_fast_reply_recv

    // The fast path declined: the registers are saved after all.
    .globl  arm64_ipc_slow
arm64_ipc_slow:
    stp     x0, x1, [x20, #0]
    stp     x2, x3, [x20, #16]
    stp     x4, x5, [x20, #32]
    stp     x6, x7, [x20, #48]
    stp     x10, x11, [x20, #80]
    str     x12, [x20, #96]
    mov     x29, xzr
    mov     x0, x20
    ldr     x1, [x20, #64]
    bl      arm64_ipc_saved
    b       leave

    // To the thread in x20, which waited in IPC, with the message in x0..x7, x9 and x10, and control in x21.
    .globl  arm64_ipc_exit
arm64_ipc_exit:
    ldr     w16, [x20, #THREAD_PARTIAL]
    cbz     w16, 3f
    mrs     x17, tpidr_el1
    ldr     x18, [x17, #CPU_THREAD]     // the one that called
    mrs     x16, tpidr_el0
    str     x16, [x18, #THREAD_TLS]
    ldr     x16, [x20, #THREAD_TLS]
    msr     tpidr_el0, x16
    str     x20, [x17, #CPU_THREAD]
    ldr     x18, [x17, #CPU_FP_OWNER]
    ldr     w16, [x17, #CPU_FP_ON]
    cmp     x18, x20
    b.eq    2f
    cbnz    w16, 4f
1:  ldp     x16, x18, [x20, #THREAD_SP]
    ldr     x17, [x20, #THREAD_FLAGS]
    msr     sp_el0, x16
    msr     elr_el1, x18
    msr     spsr_el1, x17
    mov     sp, x20
    mov     x8, x21
    drop_lock x30
    adr     x30, zeros
    ldp     x11, x12, [x30]
    zero_rest
    eret
2:  cbnz    w16, 1b
    mov     w16, #3 << 20               // its own FP/SIMD state is in the registers
    str     w16, [x17, #CPU_FP_ON]      // not 0
    msr     cpacr_el1, x16
    b       1b
4:  str     wzr, [x17, #CPU_FP_ON]
    msr     cpacr_el1, xzr
    b       1b
    // All its registers are wanted: the message goes into the saved ones.
3:  stp     x0, x1, [x20, #0]
    stp     x2, x3, [x20, #16]
    stp     x4, x5, [x20, #32]
    stp     x6, x7, [x20, #48]
    stp     x21, x9, [x20, #64]
    stp     x10, xzr, [x20, #80]
    str     xzr, [x20, #96]
    mov     x0, x20
    b       leave

#define FRAMES_FRAME 64                 // struct fut_frames: the first frame; thread.c asserts these
#define FRAME_ADDRESS 280
#define FRAME_MASKED 296
foreign_syscall:
    ldr     x16, [sp, #:lo12:thread_frames]
    cbz     x16, 4f
    ldr     w17, [x16]                  // depth
    cbnz    w17, 4f
    ldr     w17, [sp, #:lo12:thread_attention]
    cbnz    w17, 4f
    ldr     w17, [sp, #:lo12:thread_upcall_causes]
    tbz     w17, #FUT_CAUSE_SYSCALL, 4f
    add     x16, x16, #FRAMES_FRAME
    stp     x0, x1, [x16, #0]
    stp     x2, x3, [x16, #16]
    stp     x4, x5, [x16, #32]
    stp     x6, x7, [x16, #48]
    stp     x8, x9, [x16, #64]
    stp     x10, x11, [x16, #80]
    stp     x12, x13, [x16, #96]
    stp     x14, x15, [x16, #112]
    ldp     x0, x1, [sp, #128]
    stp     x0, x1, [x16, #128]
    stp     x18, x19, [x16, #144]
    stp     x20, x21, [x16, #160]
    stp     x22, x23, [x16, #176]
    stp     x24, x25, [x16, #192]
    stp     x26, x27, [x16, #208]
    stp     x28, x29, [x16, #224]
    str     x30, [x16, #240]
    mrs     x0, sp_el0
    mrs     x1, elr_el1
    mrs     x2, spsr_el1
    mrs     x3, tpidr_el0
    stp     x0, x1, [x16, #THREAD_SP]
    stp     x2, x3, [x16, #THREAD_FLAGS]
    mov     x4, #FUT_CAUSE_SYSCALL      // cause, and code 0
    stp     xzr, x4, [x16, #FRAME_ADDRESS]
    ldr     w5, [x16, #4 - FRAMES_FRAME] // interrupts_masked
    str     x5, [x16, #FRAME_MASKED]
    mov     w4, #1
    stp     w4, w4, [x16, #-FRAMES_FRAME] // depth, interrupts_masked
    ldr     x0, [sp, #:lo12:thread_upcall_frames]
    ldr     x1, [sp, #:lo12:thread_upcall_entry]
    ldr     x2, [sp, #:lo12:thread_upcall_stack]
    ldr     x3, [sp, #:lo12:thread_upcall_tls]
    add     x0, x0, #FRAMES_FRAME
    msr     elr_el1, x1
    msr     sp_el0, x2
    msr     tpidr_el0, x3
    msr     spsr_el1, xzr
    mov     x16, xzr
    eret
4:  save_0_15
    save_18_30
    bl      arm64_foreign_slow
    b       leave

upcall_return:
    ldr     x16, [sp, #:lo12:thread_frames]
    cbz     x16, native_syscall
    ldr     w17, [x16]                  // depth
    cmp     w17, #1
    b.ne    native_syscall
    ldr     w17, [sp, #:lo12:thread_attention]
    cbnz    w17, native_syscall
    add     x16, x16, #FRAMES_FRAME
    ldp     x2, x3, [x16, #THREAD_FLAGS] // and TLS. The call has no arguments: these registers are free
    mov     w4, #USER_FLAGS & 0xffff
    movk    w4, #USER_FLAGS >> 16, lsl #16
    bics    xzr, x2, x4
    b.ne    native_syscall
    ldr     w5, [x16, #FRAME_MASKED]
    ldp     x0, x1, [x16, #THREAD_SP]
    stp     wzr, w5, [x16, #-FRAMES_FRAME]
    msr     sp_el0, x0
    msr     elr_el1, x1
    msr     spsr_el1, x2
    msr     tpidr_el0, x3
    ldp     x0, x1, [x16, #0]
    ldp     x2, x3, [x16, #16]
    ldp     x4, x5, [x16, #32]
    ldp     x6, x7, [x16, #48]
    ldp     x8, x9, [x16, #64]
    ldp     x10, x11, [x16, #80]
    ldp     x12, x13, [x16, #96]
    ldp     x14, x15, [x16, #112]
    ldp     x18, x19, [x16, #144]
    ldp     x20, x21, [x16, #160]
    ldp     x22, x23, [x16, #176]
    ldp     x24, x25, [x16, #192]
    ldp     x26, x27, [x16, #208]
    ldp     x28, x29, [x16, #224]
    ldr     x30, [x16, #240]
    ldp     x16, x17, [x16, #128]
    eret

contended:
    save_0_15
    save_18_30
    bl      arm64_native_wait
    b       leave

native_syscall:
    take_lock contended
native_locked:
    save_0_15
    save_18_30
    bl      kernel_native_syscall

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
    drop_lock x2
    cbz     w5, 2f
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldr     x12, [sp, #96]
    adr     x30, zeros
    zero_rest
    eret
2:  ldp     x0, x1, [sp, #0]
    kernel_frame ldp
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
    b.eq    4f
    cbz     w5, restore
    str     wzr, [x1, #CPU_FP_ON]   // FP/SIMD traps unless the registers are this thread's
    msr     cpacr_el1, xzr
    b       restore
4:  cbnz    w5, restore
    mov     w5, #3 << 20
    str     w5, [x1, #CPU_FP_ON]    // not 0
    msr     cpacr_el1, x5
    b       restore

    .balign 16
zeros:
    .quad   0, 0

user_fault:
    save_0_15
    save_18_30
    mrs     x1, esr_el1
    mrs     x2, far_el1
    bl      arm64_user_fault
    b       leave

user_irq:
    save_0_15
    save_18_30
    bl      gic_interrupt
    b       leave

user_fiq:
    save_0_15
    save_18_30
    mov     x1, #10
    b       arm64_unexpected

user_serror:
    save_0_15
    save_18_30
    mov     x1, #11
    b       arm64_unexpected

    // x16: struct arch_space, x17: where to go on. Keeps all other registers.
    .globl  arm64_asid_renew_quietly
arm64_asid_renew_quietly:
    stp     x29, x30, [sp, #-176]!
    mov     x29, sp
    stp     x0, x1, [sp, #16]
    stp     x2, x3, [sp, #32]
    stp     x4, x5, [sp, #48]
    stp     x6, x7, [sp, #64]
    stp     x8, x9, [sp, #80]
    stp     x10, x11, [sp, #96]
    stp     x12, x13, [sp, #112]
    stp     x14, x15, [sp, #128]
    stp     x17, x18, [sp, #144]
    mrs     x0, nzcv
    str     x0, [sp, #160]
    mov     x0, x16
    bl      arm64_asid_renew
    ldr     x0, [sp, #160]
    msr     nzcv, x0
    ldp     x17, x18, [sp, #144]
    ldp     x14, x15, [sp, #128]
    ldp     x12, x13, [sp, #112]
    ldp     x10, x11, [sp, #96]
    ldp     x8, x9, [sp, #80]
    ldp     x6, x7, [sp, #64]
    ldp     x4, x5, [sp, #48]
    ldp     x2, x3, [sp, #32]
    ldp     x0, x1, [sp, #16]
    ldp     x29, x30, [sp], #176
    br      x17

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
4:  mrs     x0, esr_el1
    lsr     x0, x0, #26
    cmp     x0, #0x3c               // BRK
    b.eq    kernel_debug
    cmp     x0, #0x33               // a step, in EL1
    b.eq    kernel_debug
    mov     x0, #4

    // SP: 288 bytes, x0 and x1 saved; x0: the vector.
kernel_exception:
    kernel_frame stp
    mrs     x1, elr_el1
    stp     x30, x1, [sp, #240]
    mov     x1, sp
    b       arm64_kernel_exception

    // A breakpoint or a step of the kernel itself, which may go on.
kernel_debug:
    kernel_frame stp
    mrs     x1, elr_el1
    mrs     x2, spsr_el1
    stp     x30, x1, [sp, #240]
    str     x2, [sp, #256]
    mov     x0, sp
    bl      arm64_kernel_debug
    ldp     x30, x1, [sp, #240]
    ldr     x2, [sp, #256]
    msr     elr_el1, x1
    msr     spsr_el1, x2
    kernel_frame ldp
    ldp     x0, x1, [sp], #288
    eret

// --- FP/SIMD. x0: struct arch_thread ------------------------------------------------------------------
    .arch_extension fp
    .arch_extension simd
    .macro  fp_registers move
    .set    offset, 0
    .irp    pair, "q0, q1", "q2, q3", "q4, q5", "q6, q7", "q8, q9", "q10, q11", "q12, q13", "q14, q15", "q16, q17", "q18, q19", "q20, q21", "q22, q23", "q24, q25", "q26, q27", "q28, q29", "q30, q31"
    \move   \pair, [x0, #offset]
    .set    offset, offset + 32
    .endr
    .endm
    .globl  arm64_fp_save
arm64_fp_save:
    mrs     x1, fpcr
    mrs     x2, fpsr
    stp     x1, x2, [x0, #THREAD_FP_CONTROL]
    add     x0, x0, #THREAD_FP
    fp_registers stp
    ret
    .globl  arm64_fp_load
arm64_fp_load:
    ldp     x1, x2, [x0, #THREAD_FP_CONTROL]
    msr     fpcr, x1
    msr     fpsr, x2
    add     x0, x0, #THREAD_FP
    fp_registers ldp
    ret
    .globl  arm64_fp_clear
arm64_fp_clear:
    msr     fpcr, xzr
    msr     fpsr, xzr
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    movi    v\n\().2d, #0
    .endr
    ret
