// SPDX-License-Identifier: MPL-2.0
//
// Exceptions: what a syndrome (ESR_EL1) means for a thread, and last words when the kernel itself met
// one. Exception classes and fault status codes follow the Arm Architecture Reference Manual, D17.2.37.
#include "arm64.h"
#include <debug/kdb.h>

void arm64_spurious_step(struct thread *t);
struct thread *arm64_fp_trap(struct thread *t);
struct thread *arm64_user_fault(struct thread *t, uint64_t esr, uint64_t far);
[[noreturn]] void arm64_unexpected(struct thread *t, uint64_t vector);

#define EC_FP           0x07
#define EC_INSTRUCTION  0x20
#define EC_PC_ALIGN     0x22
#define EC_DATA         0x24
#define EC_SP_ALIGN     0x26
#define EC_FP_EXCEPTION 0x2c
#define EC_SERROR       0x2f
#define EC_BREAKPOINT   0x30
#define EC_STEP         0x32
#define EC_WATCHPOINT   0x34
#define EC_BRK          0x3c

static struct thread *memory_fault(struct thread *t, uint64_t esr, uint64_t far, bool fetch)
{
    // WnR is one for cache maintenance too (CM, bit 8), which only reads.
    bool write = !fetch && (esr & 1 << 6) && !(esr & 1 << 8);
    uint32_t how = fetch ? FUT_FAULT_EXEC : write ? FUT_FAULT_WRITE : 0;
    switch (esr & 0x3c) {
    case 0x0c: // permission
        if (write && far < FUT_USER_TOP && mmu_write_fault(&t->space->arch, far))
            return t;
        [[fallthrough]];
    case 0x04: // translation
    case 0x08: // access flag
        return kernel_fault(t, FUT_FAULT_MAP | how, far);
    case 0x20:
        if ((esr & 0x3f) == 0x21)
            return kernel_fault(t, FUT_FAULT_ALIGN, far);
        [[fallthrough]];
    default: // address size, external abort, unsupported exclusive
        return kernel_fault(t, FUT_FAULT_PROTECTION | how, far);
    }
}

struct thread *arm64_user_fault(struct thread *t, uint64_t esr, uint64_t far)
{
    if (unlikely(!lock_try()) && lock_wait(0))
        return schedule();
    switch (esr >> 26 & 0x3f) {
    case EC_FP:           return arm64_fp_trap(t);
    case EC_DATA:         return memory_fault(t, esr, far, false);
    case EC_INSTRUCTION:  return memory_fault(t, esr, far, true);
    case EC_PC_ALIGN:     return kernel_fault(t, FUT_FAULT_ALIGN, far);
    case EC_SP_ALIGN:     return kernel_fault(t, FUT_FAULT_ALIGN, t->arch.sp);
    case EC_FP_EXCEPTION: return kernel_fault(t, FUT_FAULT_FPU, t->arch.pc);
    case EC_STEP:
        if (!kdb_user_trap(t, FUT_FAULT_STEP))
            arm64_spurious_step(t); // it is for another thread, which has not run yet
        return leave();
    case EC_BREAKPOINT:
    case EC_BRK:          return kernel_fault(t, FUT_FAULT_TRAP, t->arch.pc);
    case EC_WATCHPOINT:   return kernel_fault(t, FUT_FAULT_TRAP, far);
    case EC_SERROR:       arm64_unexpected(t, 11);
    // Undefined instructions, and everything that is there but not for EL0: SVE, SME, system registers,
    // hypervisor and monitor calls, a wrong branch target.
    default:              return kernel_fault(t, FUT_FAULT_ILLEGAL, t->arch.pc);
    }
}

[[noreturn]] void arm64_unexpected(struct thread *t, uint64_t vector)
{
    arch_dump_regs(t);
    panic("unexpected %s from user mode, ESR %#llx", vector == 10 ? "fast interrupt" : "system error",
          (unsigned long long)read_sysreg(esr_el1));
}

[[noreturn]] void arm64_kernel_exception(uint64_t vector, const struct kernel_frame *f)
{
    static bool again;
    if (again) // what reports the first one is broken too
        arch_power(FUT_POWER_EXIT, 1);
    again = true;
    arm64_log_registers(f->x);
    panic("exception in the kernel: vector %llu, ESR %#llx, FAR %#llx, PC %#llx", (unsigned long long)vector,
          (unsigned long long)read_sysreg(esr_el1), (unsigned long long)read_sysreg(far_el1),
          (unsigned long long)f->pc);
}

void arch_dump_regs(const struct thread *t)
{
    struct fut_regs r;
    arch_regs_get(t, &r);
    arm64_log_registers(r.x);
    klog("sp  %016llx  pc  %016llx  flags %08llx  tls %016llx\n", (unsigned long long)r.sp, (unsigned long long)r.pc,
         (unsigned long long)r.flags, (unsigned long long)r.tls);
}

// Frames are pairs of (caller's frame, return address). The stack grows down, so a chain only goes up.
void arch_backtrace(void (*emit)(uint64_t pc, void *arg), void *arg, const struct thread *t)
{
    uint64_t frame, pair[2];
    if (!t) {
        frame = (uint64_t)__builtin_frame_address(0);
        for (unsigned n = 0; n < 32 && frame >= (uint64_t)image_start && frame < (uint64_t)image_end && !(frame & 7); n++) {
            memcpy(pair, (const void *)frame, sizeof pair);
            if (pair[1])
                emit(pair[1] - 4, arg);
            if (pair[0] <= frame)
                return;
            frame = pair[0];
        }
        return;
    }
    emit(t->arch.pc, arg);
    if (t->arch.partial || arch_cpu()->space != t->space)
        return;
    frame = t->arch.x[29];
    for (unsigned n = 0; n < 32 && frame && !(frame & 7) && arch_copy_from_user(pair, frame, sizeof pair); n++) {
        if (pair[1])
            emit(pair[1] - 4, arg);
        if (pair[0] <= frame)
            return;
        frame = pair[0];
    }
}

fut_status_t arch_port_read(uint16_t port, unsigned width, uint32_t *value)
{
    (void)port, (void)width, (void)value;
    return FUT_ERR_UNSUPPORTED;
}

fut_status_t arch_port_write(uint16_t port, unsigned width, uint32_t value)
{
    (void)port, (void)width, (void)value;
    return FUT_ERR_UNSUPPORTED;
}
