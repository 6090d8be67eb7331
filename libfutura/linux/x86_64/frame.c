// SPDX-License-Identifier: MPL-2.0
//
// Linux's signal frame on x86_64 (asm/sigcontext.h, asm/ucontext.h): below the 128 bytes that a function may use
// under its stack pointer, the FP state on a 64-byte boundary, then return address, ucontext, siginfo, placed so that
// the handler starts with the stack that a call leaves. Where the kernel has XSAVE on, the FP state is an XSAVE area
// with Linux's marks around it, so that upper vector halves survive a handler.
#include "../linux.h"

struct sigcontext {
    u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags;
    uint16_t cs, gs, fs, ss;
    u64 error, trap, old_mask, fault_address, fp_state, reserved[8];
};
struct ucontext {
    u64 flags, link;
    struct linux_stack stack;
    struct sigcontext context;
    u64 mask;
};
struct rt_frame {
    u64 return_address;
    struct ucontext uc;
    struct linux_siginfo info;
};
static_assert(sizeof(struct sigcontext) == 256 && sizeof(struct rt_frame) == 440);

#define UC_FP_XSTATE 1u
#define UC_SIGCONTEXT_SS 2u
#define UC_STRICT_RESTORE_SS 4u
#define MAGIC1 0x46505853u
#define MAGIC2 0x46505845u
#define SW_AT 464 // where in the 512 bytes the software marks are
struct sw_marks { uint32_t magic, extended_bytes; u64 features; uint32_t bytes, pad[7]; };

#define FP_MAX 4096
static uint32_t fp_bytes; // 512 without XSAVE
static u64 fp_features;

static void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    __asm__("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

static void probe(void)
{
    uint32_t a, b, c, d;
    cpuid(1, &a, &b, &c, &d);
    uint32_t bytes = 512;
    if (c & (1u << 27)) { // OSXSAVE
        uint32_t low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        cpuid(0xd, &a, &b, &c, &d);
        if (b > 576 && b <= FP_MAX - 4) {
            fp_features = (u64)high << 32 | low;
            bytes = b;
        }
    }
    fp_bytes = bytes;
}

static void save(uint8_t *area)
{
    if (fp_bytes == 512) {
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
        return;
    }
    __builtin_memset(area + 512, 0, 64);
    __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)fp_features), "d"((uint32_t)(fp_features >> 32)) : "memory");
}

// What the program may have changed must not make the instruction fault: unknown bits are cleared.
static void restore(uint8_t *area, bool extended)
{
    uint32_t mxcsr;
    __builtin_memcpy(&mxcsr, area + 24, 4);
    mxcsr &= 0xffff;
    __builtin_memcpy(area + 24, &mxcsr, 4);
    if (!extended) {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
        return;
    }
    u64 present;
    __builtin_memcpy(&present, area + 512, 8);
    present &= fp_features;
    __builtin_memset(area + 512, 0, 64);
    __builtin_memcpy(area + 512, &present, 8);
    __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)fp_features), "d"((uint32_t)(fp_features >> 32)) : "memory");
}

void fp_save(void *area) { __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory"); }
void fp_restore(const void *area) { __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory"); }

bool frame_push(struct fut_frame *frame, unsigned signal, const struct posix_action *action,
                const struct linux_siginfo *info, uint64_t mask, uint64_t top, bool on_altstack)
{
    alignas(64) uint8_t area[FP_MAX];
    struct fut_regs *r = &frame->regs;
    struct posix_thread *self = &posix_self;
    if (!(action->flags & SA_RESTORER))
        return false; // nothing to return to (as on Linux)
    if (fp_bytes == 0)
        probe();
    bool extended = fp_bytes != 512;
    save(area);
    uint32_t bytes = fp_bytes;
    __builtin_memset(area + SW_AT, 0, sizeof(struct sw_marks));
    if (extended) {
        struct sw_marks marks = {.magic = MAGIC1, .extended_bytes = fp_bytes + 4, .features = fp_features, .bytes = fp_bytes};
        __builtin_memcpy(area + SW_AT, &marks, sizeof marks);
        uint32_t magic = MAGIC2;
        __builtin_memcpy(area + fp_bytes, &magic, 4);
        bytes += 4;
    }
    uint64_t sp = on_altstack ? top : top - 128;
    uint64_t fp_at = (sp - bytes) & ~UINT64_C(63);
    sp = ((fp_at - sizeof(struct rt_frame)) & ~UINT64_C(15)) - 8;
    struct rt_frame f = {
        .return_address = action->restorer,
        .uc = {
            .flags = (extended ? UC_FP_XSTATE : 0) | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
            .stack = {.sp = self->altstack, .size = self->altstack_bytes,
                      .flags = self->altstack_bytes == 0 ? (int32_t)SS_DISABLE : altstack_covers(r->rsp) ? (int32_t)SS_ONSTACK : 0},
            .context = {
                .r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11, .r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
                .rdi = r->rdi, .rsi = r->rsi, .rbp = r->rbp, .rbx = r->rbx, .rdx = r->rdx, .rax = r->rax, .rcx = r->rcx,
                .rsp = r->rsp, .rip = r->pc, .flags = r->flags, .cs = 0x33, .ss = 0x2b, .old_mask = mask, .fp_state = fp_at,
            },
            .mask = mask,
        },
        .info = *info,
    };
    if (frame->cause == FUT_CAUSE_FAULT) {
        f.uc.context.fault_address = frame->address;
        f.uc.context.trap = (frame->code & 0xff) <= FUT_FAULT_PAGER ? 14 : 13;
        f.uc.context.error = 4 | (frame->code & FUT_FAULT_WRITE ? 2 : 0) | ((frame->code & 0xff) == FUT_FAULT_MAP ? 0 : 1);
    }
    if (!user_write(fp_at, area, bytes) || !user_write(sp, &f, sizeof f))
        return false;
    r->rdi = signal;
    r->rsi = sp + offsetof(struct rt_frame, info);
    r->rdx = sp + offsetof(struct rt_frame, uc);
    r->rax = 0;
    r->rsp = sp;
    r->pc = action->handler;
    r->flags &= ~UINT64_C(0x10500); // RF, DF, TF
    return true;
}

bool frame_pop(struct fut_frame *frame, uint64_t *mask)
{
    alignas(64) uint8_t area[FP_MAX];
    struct fut_regs *r = &frame->regs;
    struct ucontext uc;
    if (!user_read(&uc, r->rsp, sizeof uc)) // the return address is popped: the stack pointer is at the ucontext
        return false;
    struct sigcontext *c = &uc.context;
    if (c->fp_state != 0) {
        if (fp_bytes == 0)
            probe();
        if (!user_read(area, c->fp_state, 512))
            return false;
        struct sw_marks marks;
        __builtin_memcpy(&marks, area + SW_AT, sizeof marks);
        bool extended = fp_bytes != 512 && (uc.flags & UC_FP_XSTATE) && marks.magic == MAGIC1 && marks.bytes == fp_bytes;
        if (extended && !user_read(area + 512, c->fp_state + 512, fp_bytes - 512))
            return false;
        restore(area, extended);
    }
    uint64_t tls = r->tls, flags = (c->flags & 0x40dd5) | 0x202; // what a program may set: AC, OF, DF, TF, SF, ZF, AF, PF, CF
    *r = (struct fut_regs){
        .rax = c->rax, .rbx = c->rbx, .rcx = c->rcx, .rdx = c->rdx, .rsi = c->rsi, .rdi = c->rdi, .rbp = c->rbp, .rsp = c->rsp,
        .r8 = c->r8, .r9 = c->r9, .r10 = c->r10, .r11 = c->r11, .r12 = c->r12, .r13 = c->r13, .r14 = c->r14, .r15 = c->r15,
        .pc = c->rip, .flags = flags, .tls = tls,
    };
    *mask = uc.mask;
    struct posix_thread *self = &posix_self;
    if (!altstack_covers(c->rsp)) {
        self->altstack = (uint32_t)uc.stack.flags & SS_DISABLE ? 0 : uc.stack.sp;
        self->altstack_bytes = (uint32_t)uc.stack.flags & SS_DISABLE ? 0 : uc.stack.size;
    }
    return true;
}
