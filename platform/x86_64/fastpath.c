// SPDX-License-Identifier: MPL-2.0
//
// System call entry, and the three kinds of system calls whose cost is everybody's cost:
//
// IPC with the message left in the CPU's registers. The words of a call are at entry already in the registers
// where the receiver wants them, and IPC clobbers everything else, so nothing is saved but pc, flags, stack pointer
// and the tag (a server that asks for what was lent looks at its caller's tag). The words travel through fast_call()
// as arguments of the preserve_none calling convention, whose twelve argument registers are chosen so that only
// w3 has to move.
//
// Foreign system calls, which push a frame and enter the thread's upcall routine, and the return from it: the
// registers go straight into the frame and come straight out of it. The frame is the thread's own memory, pinned;
// what comes out of it is checked as arch_regs_set checks it, each value after it was read once.
//
// What is not for a fast path (nested upcalls, capabilities, a posted interruption, ...) is saved in full and takes
// the ordinary way; so whatever happens here has to mean exactly what task/upcall.c and ipc/ipc.c do.
//
// The code is in C functions without prologue, because it needs the offsets of C structures.
#include "x86.h"
#include "offsets.h"
#include <ipc/fast.h>
#include <ipc/light.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define T(register) TEXT(T_##register) "(%%rsp)"          // rsp: struct thread
#define R(register) TEXT(T_##register) "(%%r11)"          // r11: struct thread
#define CPU(field) "%%gs:" TEXT(CPU_##field)
// A register in the first frame behind rcx or rbp: struct fut_frames.
#define FRAME_REGS 64
#define F(register) TEXT(FRAME_REGS + T_##register) "(%%rcx)"
#define G(register) TEXT(FRAME_REGS + T_##register) "(%%rbp)"
#define FRAME_ADDRESS TEXT(FRAME_REGS + 152)
#define FRAME_CAUSE   TEXT(FRAME_REGS + 160)
#define FRAME_MASKED  TEXT(FRAME_REGS + 168)
static_assert(offsetof(struct fut_frames, frame) == FRAME_REGS && offsetof(struct fut_frame, regs) == 0);
static_assert(offsetof(struct fut_frame, address) == 152 && offsetof(struct fut_frame, cause) == 160);
static_assert(offsetof(struct fut_frame, code) == 164 && offsetof(struct fut_frame, interrupts_masked) == 168);
static_assert(offsetof(struct fut_frames, depth) == 0 && offsetof(struct fut_frames, interrupts_masked) == 4);

#define THREAD(name, field) [name] "i"(offsetof(struct thread, field))

// The registers in the order of preserve_none: r12 r13 r14 r15 rdi rsi rdx rcx r8 r9 r11 rax.
#define MESSAGE uint64_t w4, uint64_t w5, uint64_t w6, uint64_t w7, uint64_t aux, uint64_t w0, uint64_t tag, uint64_t w3, uint64_t w1, uint64_t w2
#define WORDS w4, w5, w6, w7
struct thread *x86_native_wait(struct thread *t);
struct thread *x86_native_slow(struct thread *t);
struct thread *x86_foreign_slow(struct thread *t);
[[clang::preserve_none]] void x86_ipc_exit(MESSAGE, struct thread *t, uint64_t control);
[[clang::preserve_none]] void x86_ipc_slow(MESSAGE, struct thread *t, uint64_t control);

// The control and aux registers are in the thread as well: fewer values to carry for the case that it is not done.
[[clang::preserve_none]] void x86_fast_call(MESSAGE, struct thread *t, uint64_t control)
{
    (void)aux, (void)control;
    uint64_t out, badge;
    struct thread *r = fast_call(t, &t->arch.rax, 0, &out, &badge) /* the entry has looked at the tag */;
    if (unlikely(!r))
        [[clang::musttail]] return x86_ipc_slow(WORDS, 0, w0, tag, w3, w1, w2, t, 0);
    [[clang::musttail]] return x86_ipc_exit(WORDS, badge, w0, tag, w3, w1, w2, r, out);
}

[[clang::preserve_none]] void x86_fast_reply_recv(MESSAGE, struct thread *t, uint64_t control)
{
    (void)control;
    struct thread *caller = fast_reply_recv(t, &t->arch.rax, 0, aux);
    if (unlikely(!caller))
        [[clang::musttail]] return x86_ipc_slow(WORDS, 0, w0, tag, w3, w1, w2, t, 0);
    [[clang::musttail]] return x86_ipc_exit(WORDS, 0, w0, tag, w3, w1, w2, caller, 0);
}

// What the registers cannot carry: bodies in the IPC buffer, and capabilities. Ranges of memory that the caller lends
// are described in its buffer, where they stay.
#define TAG_LEASE (FUT_TAG_LEASE << 28)
#define TAG_NEVER (TAG_SLOW & ~TAG_LEASE)

// Saves the registers that entry has not saved yet. rcx and rsp stay.
#define SAVE                                                                                                  \
    "mov %%rax, " T(RAX) "\n\t"                                                                             \
    "mov %%rbx, " T(RBX) "\n\t"                                                                             \
    "mov %%rdx, " T(RDX) "\n\t"                                                                             \
    "mov %%rsi, " T(RSI) "\n\t"                                                                             \
    "mov %%rdi, " T(RDI) "\n\t"                                                                             \
    "mov %%rbp, " T(RBP) "\n\t"                                                                             \
    "mov %%r8, " T(R8) "\n\t"                                                                               \
    "mov %%r9, " T(R9) "\n\t"                                                                               \
    "mov %%r10, " T(R10) "\n\t"                                                                             \
    "mov %%r12, " T(R12) "\n\t"                                                                             \
    "mov %%r13, " T(R13) "\n\t"                                                                             \
    "mov %%r14, " T(R14) "\n\t"                                                                             \
    "mov %%r15, " T(R15) "\n\t"                                                                             \
    "movl $0, " T(FULL) "\n\t"                                                                              \
    "mov " CPU(USER_RSP) ", %%rax\n\t"                                                                       \
    "mov %%rax, " T(RSP) "\n\t"

// Then calls `handler` with the thread.
#define SAVE_AND_CALL(handler)                                                                               \
    SAVE                                                                                                     \
    "mov %%rsp, %%rdi\n\t"                                                                                   \
    "mov " CPU(STACK_TOP) ", %%rsp\n\t"                                                                      \
    "call " #handler "\n\t"                                                                                  \
    "jmp x86_resume\n"

// Flags are lost; not free: to 9, which saves the registers and waits.
#define TAKE_LOCK                                                                                            \
    "lock btsl $0, kernel_lock\n\t"                                                                          \
    "jc 9f\n\t"
#define DROP_LOCK "movl $0, kernel_lock\n\t"

// Straight back to the thread behind rsp, with rax and rdx as they are.
#define EXIT_LIGHT                                                                                           \
    "mov " T(PC) ", %%rcx\n\t"                                                                               \
    "mov " T(FLAGS) ", %%r11\n\t"                                                                            \
    "mov " CPU(USER_RSP) ", %%rsp\n\t"                                                                       \
    "swapgs\n\t"                                                                                             \
    "sysretq\n"

// A light call (ipc/light.h): all registers but rax, rdx, rcx and r11 are as they were when it comes back.
#define START_LIGHT(function, op)                                                                            \
    "cmp %[" #op "], %%rax\n\t"                                                                              \
    "jne x86_way_any\n\t"                                                                                    \
    TAKE_LOCK                                                                                                \
    "mov %%rdx, " T(RDX) "\n\t"                                                                              \
    "mov " CPU(STACK_TOP) ", %%rsp\n\t"                                                                      \
    "call " #function "\n\t"                                                                                 \
    "mov " CPU(THREAD) ", %%rsp\n\t"                                                                         \
    "test %%rax, %%rax\n\t"                                                                                  \
    "jle 7b\n\t"                                                                                             \
    "mov %[" #op "], %%ecx\n\t"                                                                              \
    "jmp 8f\n"

#define START_IPC(function)                                                                                  \
    "test %[plain_flags], %%eax\n\t"                                                                         \
    "jnz x86_way_any\n\t"                                                                                    \
    "test %[slow], %%edx\n\t"                                                                                \
    "jnz 4f\n"                                                                                               \
    "5:\n\t"                                                                                                 \
    TAKE_LOCK                                                                                                \
    "movl $0, " T(FULL) "\n\t"                                                                              \
    "mov %%rsp, %%r11\n\t"                                                                                   \
    "mov " CPU(USER_RSP) ", %%rcx\n\t"                                                                       \
    "mov %%rcx, " T(RSP) "\n\t"                                                                              \
    "mov %%rax, " T(RAX) "\n\t"                                                                              \
    "mov %%rdi, " T(RDI) "\n\t"                                                                              \
    "mov %%rdx, " T(RDX) "\n\t"                                                                              \
    "mov %%r10, %%rcx\n\t"                                                                                   \
    "mov " CPU(STACK_TOP) ", %%rsp\n\t"                                                                      \
    "jmp " #function "\n"                                                                                    \
    "4:\n\t"                                                                                                 \
    "test %[never], %%edx\n\t"                                                                               \
    "jnz x86_way_any\n\t"                                                                                    \
    "cmpq $0, %c[ipc](%%rsp)\n\t"                                                                            \
    "jne 5b\n\t"                                                                                             \
    "jmp x86_way_any\n"

// System calls whose registers were saved without the lock.
#define SYSCALL_BYTES 2
[[gnu::used]] struct thread *x86_native_wait(struct thread *t)
{
    return lock_wait(SYSCALL_BYTES) ? schedule() : kernel_native_syscall(t);
}

[[gnu::used]] struct thread *x86_native_slow(struct thread *t)
{
    return likely(lock_try()) ? kernel_native_syscall(t) : x86_native_wait(t);
}

[[gnu::used]] struct thread *x86_foreign_slow(struct thread *t)
{
    return unlikely(!lock_try()) && lock_wait(SYSCALL_BYTES) ? schedule() : kernel_foreign_syscall(t);
}

[[gnu::naked, gnu::used, gnu::section(".text.entry"), gnu::aligned(64)]] void x86_syscall_entry(void)
{
    __asm__ volatile(
        "swapgs\n\t"
        "mov %%rsp, " CPU(USER_RSP) "\n\t"
        "mov " CPU(THREAD) ", %%rsp\n\t"
        "mov %%rcx, " T(PC) "\n\t"
        "mov %%r11, " T(FLAGS) "\n\t"
        "sub %c[native_base](%%rsp), %%rcx\n\t"
        "cmp %c[native_bytes](%%rsp), %%rcx\n\t"
        "jae x86_foreign_syscall\n\t"
        // rcx and r11 are free.
        "movzbl %%al, %%ecx\n\t"
        "jmp *x86_ways(,%%rcx,8)\n"
        ".globl x86_way_call, x86_way_reply_recv, x86_way_null, x86_way_signal, x86_way_wait, x86_way_yield, x86_way_upcall_return\n"
        "x86_way_call:\n\t"
        START_IPC(x86_fast_call)
        "x86_way_reply_recv:\n\t"
        START_IPC(x86_fast_reply_recv)
        "x86_way_null:\n\t"
        "test %%rax, %%rax\n\t"
        "jnz x86_way_any\n\t"
        "cmpl $0, %c[attention](%%rsp)\n\t"
        "jne x86_way_any\n\t"
        "xor %%edx, %%edx\n\t"
        EXIT_LIGHT
        // rsp: the thread, which goes on with all registers but rax and rdx as they were.
        "7:\n\t"
        DROP_LOCK
        EXIT_LIGHT
        "x86_way_signal:\n\t"
        START_LIGHT(light_event_signal, event_signal)
        "x86_way_wait:\n\t"
        "mov %%r10, %%rcx\n\t"
        START_LIGHT(light_event_wait, event_wait)
        "x86_way_yield:\n\t"
        START_LIGHT(light_yield, yield)
        // Declined, or the CPU goes to the thread in rdx. ecx: the operation.
        "8:\n\t"
        "cmp %[light_switch], %%eax\n\t"
        "je 3f\n\t"
        "mov %%ecx, %%eax\n\t"
        "mov " T(RDX) ", %%rdx\n\t"
        "jmp 2f\n"
        ".globl x86_way_any\n"
        "x86_way_any:\n\t"
        TAKE_LOCK
        "2:\n\t"
        SAVE_AND_CALL(kernel_native_syscall)
        "9:\n\t"
        SAVE_AND_CALL(x86_native_wait)
        "3:\n\t"
        "mov %%rdx, %%rcx\n\t"
        "xor %%eax, %%eax\n\t"
        "xor %%edx, %%edx\n\t"
        SAVE
        "mov %%rcx, %%rax\n\t"
        "mov " CPU(STACK_TOP) ", %%rsp\n\t"
        "jmp x86_resume\n"
        :
        : THREAD(native_base, native_base), THREAD(native_bytes, native_bytes), THREAD(attention, attention),
          [event_signal] "i"(FUT_SYS_EVENT_SIGNAL), [event_wait] "i"(FUT_SYS_EVENT_WAIT), [yield] "i"(FUT_SYS_YIELD),
          [light_switch] "i"(LIGHT_SWITCH), [slow] "i"(TAG_SLOW), [never] "i"(TAG_NEVER),
          [plain_flags] "i"((0xff & ~FUT_IPC_INTERRUPTIBLE) << 8), THREAD(ipc, ipc));
}

#pragma clang diagnostic ignored "-Winitializer-overrides"
// Where each operation goes at first; a way looks at the rest of the control word itself.
void x86_way_call(void), x86_way_reply_recv(void), x86_way_null(void), x86_way_signal(void), x86_way_wait(void),
    x86_way_yield(void), x86_way_upcall_return(void), x86_way_any(void);
[[gnu::used]] void (*const x86_ways[256])(void) = {
    [0 ... 255] = x86_way_any,
    [FUT_SYS_CALL] = x86_way_call,
    [FUT_SYS_REPLY_RECV] = x86_way_reply_recv,
    [FUT_SYS_NULL] = x86_way_null,
    [FUT_SYS_EVENT_SIGNAL] = x86_way_signal,
    [FUT_SYS_EVENT_WAIT] = x86_way_wait,
    [FUT_SYS_YIELD] = x86_way_yield,
    [FUT_SYS_UPCALL_RETURN] = x86_way_upcall_return,
};

// rsp: the thread; r11: the flags; pc and flags are saved in the thread as well.
[[gnu::naked, gnu::used]] static void foreign_syscall(void)
{
    __asm__ volatile(
        "x86_foreign_syscall:\n\t"
        "mov %c[frames](%%rsp), %%rcx\n\t"
        "test %%rcx, %%rcx\n\t"
        "jz 1f\n\t"
        "cmpl $0, (%%rcx)\n\t" // depth
        "jne 1f\n\t"
        "cmpl $0, %c[attention](%%rsp)\n\t"
        "jne 1f\n\t"
        "testb %[cause_bit], %c[causes](%%rsp)\n\t"
        "jz 1f\n\t"
        "mov %%rax, " F(RAX) "\n\t"
        "mov %%rbx, " F(RBX) "\n\t"
        "mov %%rdx, " F(RDX) "\n\t"
        "mov %%rsi, " F(RSI) "\n\t"
        "mov %%rdi, " F(RDI) "\n\t"
        "mov %%rbp, " F(RBP) "\n\t"
        "mov %%r8, " F(R8) "\n\t"
        "mov %%r9, " F(R9) "\n\t"
        "mov %%r10, " F(R10) "\n\t"
        "mov %%r11, " F(R11) "\n\t"
        "mov %%r11, " F(FLAGS) "\n\t"
        "mov %%r12, " F(R12) "\n\t"
        "mov %%r13, " F(R13) "\n\t"
        "mov %%r14, " F(R14) "\n\t"
        "mov %%r15, " F(R15) "\n\t"
        "mov " T(PC) ", %%rax\n\t"
        "mov %%rax, " F(PC) "\n\t"
        "mov %%rax, " F(RCX) "\n\t"
        "mov " CPU(USER_RSP) ", %%rax\n\t"
        "mov %%rax, " F(RSP) "\n\t"
        "mov " T(TLS) ", %%rax\n\t"
        "mov %%rax, " F(TLS) "\n\t"
        "movq $0, " FRAME_ADDRESS "(%%rcx)\n\t"
        "movq %[cause], " FRAME_CAUSE "(%%rcx)\n\t" // and code 0
        "mov 4(%%rcx), %%eax\n\t"
        "mov %%rax, " FRAME_MASKED "(%%rcx)\n\t"
        "movl $1, (%%rcx)\n\t"
        "movl $1, 4(%%rcx)\n\t"
        "mov %c[upcall_tls](%%rsp), %%rax\n\t"
        "cmp %%rax, " CPU(TLS) "\n\t"
        "je 2f\n\t"
        "mov %%rax, " T(TLS) "\n\t"
        "mov %%rax, " CPU(TLS) "\n\t"
        "mov %%rax, %%rdx\n\t"
        "shr $32, %%rdx\n\t"
        "mov %[fs_base], %%ecx\n\t"
        "wrmsr\n"
        "2:\n\t"
        "mov %c[upcall_frames](%%rsp), %%rdi\n\t"
        "add %[frame_regs], %%rdi\n\t"
        "mov %c[upcall_entry](%%rsp), %%rcx\n\t"
        "mov %c[upcall_stack](%%rsp), %%rsp\n\t"
        "mov %[flags], %%r11d\n\t"
        "swapgs\n\t"
        "sysretq\n"
        "1:\n\t"
        SAVE_AND_CALL(x86_foreign_slow)
        :
        : THREAD(frames, frames), THREAD(attention, attention), THREAD(causes, upcall.causes),
          THREAD(upcall_tls, upcall.tls), THREAD(upcall_frames, upcall.frames), THREAD(upcall_entry, upcall.entry),
          THREAD(upcall_stack, upcall.stack), [cause_bit] "i"(1 << FUT_CAUSE_SYSCALL), [cause] "i"(FUT_CAUSE_SYSCALL),
          [fs_base] "i"(MSR_FS_BASE), [frame_regs] "i"(FRAME_REGS), [flags] "i"(FLAGS_ALWAYS));
}

// rsp: the thread.
[[gnu::naked, gnu::used]] static void upcall_return(void)
{
    __asm__ volatile(
        "x86_way_upcall_return:\n\t"
        "cmp %[upcall_return], %%rax\n\t"
        "jne x86_way_any\n\t"
        "mov %c[frames](%%rsp), %%rbp\n\t"
        "test %%rbp, %%rbp\n\t"
        "jz 1f\n\t"
        "cmpl $1, (%%rbp)\n\t" // depth
        "jne 1f\n\t"
        "cmpl $0, %c[attention](%%rsp)\n\t"
        "jne 1f\n\t"
        "mov " G(PC) ", %%rsi\n\t"
        "mov " G(TLS) ", %%rax\n\t"
        "mov " G(FLAGS) ", %%r11\n\t"
        "movabs %[user_top], %%rdx\n\t"
        "cmp %%rdx, %%rsi\n\t"
        "jae 1f\n\t"
        "cmp %%rdx, %%rax\n\t"
        "jae 1f\n\t"
        "test %[bad_flags], %%r11\n\t"
        "jnz 1f\n\t"
        "and %[user_flags], %%r11d\n\t"
        "or %[flags], %%r11d\n\t"
        "mov " TEXT(FRAME_REGS + 168) "(%%rbp), %%edx\n\t"
        "mov %%edx, 4(%%rbp)\n\t"
        "movl $0, (%%rbp)\n\t"
        "cmp %%rax, " CPU(TLS) "\n\t"
        "je 2f\n\t"
        "mov %%rax, " T(TLS) "\n\t"
        "mov %%rax, " CPU(TLS) "\n\t"
        "mov %%rax, %%rdx\n\t"
        "shr $32, %%rdx\n\t"
        "mov %[fs_base], %%ecx\n\t"
        "wrmsr\n"
        "2:\n\t"
        "mov " G(RBX) ", %%rbx\n\t"
        "mov " G(RDI) ", %%rdi\n\t"
        "mov " G(R8) ", %%r8\n\t"
        "mov " G(R9) ", %%r9\n\t"
        "mov " G(R10) ", %%r10\n\t"
        "mov " G(R12) ", %%r12\n\t"
        "mov " G(R13) ", %%r13\n\t"
        "mov " G(R14) ", %%r14\n\t"
        "mov " G(R15) ", %%r15\n\t"
        // As a syscall instruction leaves rcx and r11: sysret. Otherwise iret.
        "cmp %%rsi, " G(RCX) "\n\t"
        "jne 3f\n\t"
        "cmp %%r11, " G(R11) "\n\t"
        "jne 3f\n\t"
        "mov %%rsi, %%rcx\n\t"
        "mov " G(RAX) ", %%rax\n\t"
        "mov " G(RDX) ", %%rdx\n\t"
        "mov " G(RSI) ", %%rsi\n\t"
        "mov " G(RSP) ", %%rsp\n\t"
        "mov " G(RBP) ", %%rbp\n\t"
        "swapgs\n\t"
        "sysretq\n"
        "3:\n\t"
        "mov " CPU(STACK_TOP) ", %%rsp\n\t"
        "pushq %[user_data]\n\t"
        "pushq " G(RSP) "\n\t"
        "push %%r11\n\t"
        "pushq %[user_code]\n\t"
        "push %%rsi\n\t"
        "mov " G(RAX) ", %%rax\n\t"
        "mov " G(RCX) ", %%rcx\n\t"
        "mov " G(RDX) ", %%rdx\n\t"
        "mov " G(RSI) ", %%rsi\n\t"
        "mov " G(R11) ", %%r11\n\t"
        "mov " G(RBP) ", %%rbp\n\t"
        "swapgs\n\t"
        "iretq\n"
        "1:\n\t"
        "mov %[upcall_return], %%eax\n\t"
        "xor %%ebp, %%ebp\n\t" // held a kernel address
        SAVE_AND_CALL(x86_native_slow)
        :
        : THREAD(frames, frames), THREAD(attention, attention), [user_top] "i"(FUT_USER_TOP),
          [bad_flags] "i"(~(int64_t)(FLAGS_USER | FLAGS_IGNORED)), [user_flags] "i"(FLAGS_USER), [flags] "i"(FLAGS_ALWAYS),
          [fs_base] "i"(MSR_FS_BASE), [user_data] "i"(SEL_USER_DATA), [user_code] "i"(SEL_USER_CODE),
          [upcall_return] "i"(FUT_SYS_UPCALL_RETURN));
}

// The fast path declined: the registers are saved after all. The capability registers mean nothing without
// capabilities and hold kernel values by now.
[[gnu::naked, gnu::used]] static void ipc_slow(void)
{
    __asm__ volatile(
        ".globl x86_ipc_slow\n"
        "x86_ipc_slow:\n\t"
        "movq $0, " TEXT(T_RBX) "(%r11)\n\t"
        "movq $0, " TEXT(T_RBP) "(%r11)\n\t"
        "mov %rsi, " TEXT(T_RSI) "(%r11)\n\t"
        "mov %r8, " TEXT(T_R8) "(%r11)\n\t"
        "mov %r9, " TEXT(T_R9) "(%r11)\n\t"
        "mov %rcx, " TEXT(T_R10) "(%r11)\n\t"
        "mov %r12, " TEXT(T_R12) "(%r11)\n\t"
        "mov %r13, " TEXT(T_R13) "(%r11)\n\t"
        "mov %r14, " TEXT(T_R14) "(%r11)\n\t"
        "mov %r15, " TEXT(T_R15) "(%r11)\n\t"
        "mov %r11, %rdi\n\t"
        "mov " TEXT(T_RAX) "(%r11), %rsi\n\t"
        "mov %gs:" TEXT(CPU_STACK_TOP) ", %rsp\n\t"
        "call ipc_entry\n\t"
        "jmp x86_resume");
}

// To the thread in r11, which came in by IPC and waited (so `full` is 0 unless somebody set its registers).
[[gnu::naked, gnu::used]] static void ipc_exit(void)
{
    __asm__ volatile(
        ".globl x86_ipc_exit\n"
        "x86_ipc_exit:\n\t"
        "cmpl $0, " R(FULL) "\n\t"
        "jne 5f\n\t"
        "mov %%r11, " CPU(THREAD) "\n\t"
        "mov %%rcx, %%r10\n\t"
        // The FS base, always, and no GS base (see switch_thread).
        "mov " R(TLS) ", %%rbp\n\t"
        "mov %%rbp, " CPU(TLS) "\n\t"
        "wrfsbase %%rbp\n\t"
        "cmp %%r11, " CPU(FP_OWNER) "\n\t"
        "je 4f\n\t"
        "cmpb $0, " CPU(FP_TRAP) "\n\t"
        "je 6f\n"
        "2:\n\t"
        "xor %%ebx, %%ebx\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov " R(PC) ", %%rcx\n\t"
        "mov " R(RSP) ", %%rsp\n\t"
        "mov " R(FLAGS) ", %%r11\n\t"
        DROP_LOCK
        "swapgs\n\t"
        "wrgsbase %%rbx\n\t"
        "sysretq\n"
        "6:\n\t" // another thread's state is in the registers
        "mov %%cr0, %%rbp\n\t"
        "or $8, %%rbp\n\t"
        "mov %%rbp, %%cr0\n\t"
        "movb $1, " CPU(FP_TRAP) "\n\t"
        "jmp 2b\n"
        "4:\n\t"
        "cmpb $0, " CPU(FP_TRAP) "\n\t"
        "je 2b\n\t"
        "clts\n\t"
        "movb $0, " CPU(FP_TRAP) "\n\t"
        "jmp 2b\n"
        // All its registers are wanted: the message goes into the saved ones.
        "5:\n\t"
        "mov %%rax, " R(RAX) "\n\t"
        "movq $0, " R(RBX) "\n\t"
        "mov %%rdx, " R(RDX) "\n\t"
        "mov %%rsi, " R(RSI) "\n\t"
        "mov %%rdi, " R(RDI) "\n\t"
        "movq $0, " R(RBP) "\n\t"
        "mov %%r8, " R(R8) "\n\t"
        "mov %%r9, " R(R9) "\n\t"
        "mov %%rcx, " R(R10) "\n\t"
        "mov %%r12, " R(R12) "\n\t"
        "mov %%r13, " R(R13) "\n\t"
        "mov %%r14, " R(R14) "\n\t"
        "mov %%r15, " R(R15) "\n\t"
        "mov %%r11, %%rax\n\t"
        "mov " CPU(STACK_TOP) ", %%rsp\n\t"
        "jmp x86_resume"
        :
        :);
}
