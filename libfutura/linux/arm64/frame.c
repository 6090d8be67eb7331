// SPDX-License-Identifier: MPL-2.0
//
// Linux's signal frame on arm64 (asm/sigcontext.h, asm/ucontext.h): siginfo, ucontext with the general registers and
// an FPSIMD record, and above it a frame record (x29, x30) that continues the chain of the interrupted code. Without
// SA_RESTORER a handler returns through a trampoline in program memory, which plays the part of Linux's vDSO.
#include "../linux.h"

struct sigcontext {
    u64 fault_address, x[31], sp, pc, pstate;
    alignas(16) uint8_t reserved[4096];
};
struct ucontext {
    u64 flags, link;
    struct linux_stack stack;
    u64 mask;
    uint8_t unused[120];
    struct sigcontext context;
};
struct rt_frame {
    struct linux_siginfo info;
    struct ucontext uc;
};
static_assert(offsetof(struct ucontext, context) == 176 && sizeof(struct rt_frame) == 128 + 176 + 288 + 4096);

#define FPSIMD_MAGIC 0x46508001u
#define ESR_MAGIC 0x45535201u
struct fpsimd { uint32_t magic, bytes, fpsr, fpcr; uint8_t v[32][16]; };
static_assert(sizeof(struct fpsimd) == FP_BYTES);
struct record { u64 fp, lr; };

#define RT_SIGRETURN 139

static void save(struct fpsimd *s)
{
    u64 fpsr, fpcr;
    __asm__ volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                     "stp q0, q1, [%2]\n\tstp q2, q3, [%2, #32]\n\tstp q4, q5, [%2, #64]\n\tstp q6, q7, [%2, #96]\n\t"
                     "stp q8, q9, [%2, #128]\n\tstp q10, q11, [%2, #160]\n\tstp q12, q13, [%2, #192]\n\tstp q14, q15, [%2, #224]\n\t"
                     "stp q16, q17, [%2, #256]\n\tstp q18, q19, [%2, #288]\n\tstp q20, q21, [%2, #320]\n\tstp q22, q23, [%2, #352]\n\t"
                     "stp q24, q25, [%2, #384]\n\tstp q26, q27, [%2, #416]\n\tstp q28, q29, [%2, #448]\n\tstp q30, q31, [%2, #480]\n\t"
                     "mrs %0, fpsr\n\tmrs %1, fpcr"
                     : "=&r"(fpsr), "=&r"(fpcr) : "r"(s->v) : "memory");
    s->magic = FPSIMD_MAGIC;
    s->bytes = sizeof *s;
    s->fpsr = (uint32_t)fpsr;
    s->fpcr = (uint32_t)fpcr;
}

static void restore(const struct fpsimd *s)
{
    __asm__ volatile(".arch_extension fp\n\t.arch_extension simd\n\t"
                     "ldp q0, q1, [%2]\n\tldp q2, q3, [%2, #32]\n\tldp q4, q5, [%2, #64]\n\tldp q6, q7, [%2, #96]\n\t"
                     "ldp q8, q9, [%2, #128]\n\tldp q10, q11, [%2, #160]\n\tldp q12, q13, [%2, #192]\n\tldp q14, q15, [%2, #224]\n\t"
                     "ldp q16, q17, [%2, #256]\n\tldp q18, q19, [%2, #288]\n\tldp q20, q21, [%2, #320]\n\tldp q22, q23, [%2, #352]\n\t"
                     "ldp q24, q25, [%2, #384]\n\tldp q26, q27, [%2, #416]\n\tldp q28, q29, [%2, #448]\n\tldp q30, q31, [%2, #480]\n\t"
                     "msr fpsr, %0\n\tmsr fpcr, %1"
                     :: "r"((u64)s->fpsr), "r"((u64)s->fpcr), "r"(s->v) : "memory");
}

void fp_save(void *area) { save(area); }
void fp_restore(const void *area) { restore(area); }

// mov x8, #rt_sigreturn; svc #0. In a page of its own outside the native ranges, so that the call is foreign.
uint64_t sigreturn_trampoline(void)
{
    static uint64_t page;
    static const uint32_t code[2] = {0xd2800008u | RT_SIGRETURN << 5, 0xd4000001u};
    posix_lock();
    if (page == 0) {
        uint8_t *at = posix_pages(PAGE_SIZE);
        if (at != nullptr) {
            __builtin_memcpy(at, code, sizeof code);
            __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(at) : "memory");
            if (fut_space_protect(posix.space, (uint64_t)at, PAGE_SIZE, FUT_PROT_READ | FUT_PROT_EXEC) == FUT_OK)
                page = (uint64_t)at;
        }
    }
    uint64_t found = page;
    posix_unlock();
    return found;
}

bool frame_push(struct fut_frame *frame, unsigned signal, const struct posix_action *action,
                const struct linux_siginfo *info, uint64_t mask, uint64_t top, [[maybe_unused]] bool on_altstack)
{
    struct fut_regs *r = &frame->regs;
    struct posix_thread *self = &posix_self;
    uint64_t back = action->flags & SA_RESTORER ? action->restorer : sigreturn_trampoline();
    if (back == 0)
        return false;
    uint64_t record_at = (top & ~UINT64_C(15)) - sizeof(struct record);
    uint64_t sp = record_at - sizeof(struct rt_frame);
    struct record record = {r->x[29], r->x[30]};
    // The frame is written in pieces: its reserved space is large and mostly left as it is.
    struct {
        struct linux_siginfo info;
        u64 flags, link;
        struct linux_stack stack;
        u64 mask;
        uint8_t unused[120];
        u64 pad;
        u64 fault_address, x[31], sp, pc, pstate, pad2;
        struct fpsimd fp;
        struct { uint32_t magic, bytes; u64 esr; } esr;
        u64 end[2];
    } f = {
        .info = *info,
        .stack = {.sp = self->altstack, .size = self->altstack_bytes,
                  .flags = self->altstack_bytes == 0 ? (int32_t)SS_DISABLE : altstack_covers(r->sp) ? (int32_t)SS_ONSTACK : 0},
        .mask = mask,
        .sp = r->sp,
        .pc = r->pc,
        .pstate = r->flags,
    };
    static_assert(offsetof(typeof(f), fault_address) == offsetof(struct rt_frame, uc.context));
    static_assert(offsetof(typeof(f), fp) == offsetof(struct rt_frame, uc.context.reserved));
    __builtin_memcpy(f.x, r->x, sizeof f.x);
    save(&f.fp);
    if (frame->cause == FUT_CAUSE_FAULT) {
        f.fault_address = frame->address;
        bool access = (frame->code & 0xff) == FUT_FAULT_ACCESS;
        f.esr.magic = ESR_MAGIC;
        f.esr.bytes = sizeof f.esr;
        f.esr.esr = (frame->code & FUT_FAULT_EXEC ? 0x20u : 0x24u) << 26 | 1u << 25 | (frame->code & FUT_FAULT_WRITE ? 0x40u : 0) |
                    (access ? 0xfu : 0x7u);
    }
    if (!user_write(record_at, &record, sizeof record) || !user_write(sp, &f, sizeof f))
        return false;
    r->x[0] = signal;
    r->x[1] = sp + offsetof(struct rt_frame, info);
    r->x[2] = sp + offsetof(struct rt_frame, uc);
    r->x[29] = record_at;
    r->x[30] = back;
    r->sp = sp;
    r->pc = action->handler;
    return true;
}

bool frame_pop(struct fut_frame *frame, uint64_t *mask)
{
    struct fut_regs *r = &frame->regs;
    uint64_t uc_at = r->sp + offsetof(struct rt_frame, uc);
    struct { u64 flags, link; struct linux_stack stack; u64 mask; } head;
    struct { u64 fault_address, x[31], sp, pc, pstate; } context;
    if ((r->sp & 15) != 0 || !user_read(&head, uc_at, sizeof head) ||
        !user_read(&context, uc_at + offsetof(struct ucontext, context), sizeof context))
        return false;
    // Records follow one another to one of magic 0; the FP state is among them.
    uint64_t at = uc_at + offsetof(struct ucontext, context.reserved), end = at + 4096;
    struct fpsimd fp;
    bool found = false;
    while (at + 16 <= end) {
        uint32_t record[2];
        if (!user_read(record, at, sizeof record))
            return false;
        if (record[0] == 0)
            break;
        if (record[1] < 16 || (record[1] & 15) != 0 || record[1] > end - at)
            return false;
        if (record[0] == FPSIMD_MAGIC) {
            if (record[1] < sizeof fp || !user_read(&fp, at, sizeof fp))
                return false;
            found = true;
        }
        at += record[1];
    }
    if (!found)
        return false;
    restore(&fp);
    __builtin_memcpy(r->x, context.x, sizeof r->x);
    r->sp = context.sp;
    r->pc = context.pc;
    r->flags = context.pstate & 0xf0000000u; // N Z C V are the program's
    *mask = head.mask;
    struct posix_thread *self = &posix_self;
    if (!altstack_covers(context.sp)) {
        self->altstack = (uint32_t)head.stack.flags & SS_DISABLE ? 0 : head.stack.sp;
        self->altstack_bytes = (uint32_t)head.stack.flags & SS_DISABLE ? 0 : head.stack.size;
    }
    return true;
}
