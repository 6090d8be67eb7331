// SPDX-License-Identifier: MPL-2.0
//
// Starting the other CPUs: INIT and start-up interrupts to the APICs that the MADT names, one after the other. A CPU
// begins in real mode on the trampoline page (boot.S) and takes its stack from x86_secondary_stack.
#include "x86.h"

extern char x86_trampoline[], x86_trampoline_end[];
uint64_t x86_secondary_stack;
static uint32_t arrived; // released by the CPU that starts, behind its own set-up

#define ICR_FIXED   0x04000u
#define ICR_INIT    0x04500u
#define ICR_STARTUP (0x04600u | TRAMPOLINE >> 12)

void arch_ipi(unsigned cpu)
{
    apic_send(cpus[cpu].arch.apic, ICR_FIXED | VECTOR_IPI);
}

[[noreturn]] void x86_secondary_main(void);
[[noreturn]] void x86_secondary_main(void)
{
    struct cpu *cpu = &cpus[cpus_online];
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | (x86_features.nx ? 1u << 11 : 0));
    WRITE_CR(3, x86_kernel_root);
    cpu_init(cpu);
    apic_cpu_init();
    sched_init();
    __atomic_store_n(&arrived, 1, __ATOMIC_RELEASE);
    kernel_secondary();
}

static void pause_ns(uint64_t ns)
{
    for (uint64_t end = arch_time_ns() + ns; arch_time_ns() < end;) {
        arch_relax();
    }
}

static bool wait_for(uint64_t ns)
{
    for (uint64_t end = arch_time_ns() + ns; !__atomic_load_n(&arrived, __ATOMIC_ACQUIRE);) {
        if (arch_time_ns() >= end) {
            return false;
        }
        arch_relax();
    }
    return true;
}

void arch_start_cpus(void)
{
    __builtin_memcpy(phys_to_virt(TRAMPOLINE), x86_trampoline, (size_t)(x86_trampoline_end - x86_trampoline));
    cpus[0].arch.apic = apic_id();
    for (unsigned i = 0; i < x86_acpi.cpus && i < FUT_CPUS_MAX; i++) {
        uint8_t apic = x86_acpi.cpu_apic[i];
        if (apic == cpus[0].arch.apic) {
            continue;
        }
        arrived = 0;
        cpus[cpus_online].arch.apic = apic;
        x86_secondary_stack = (uint64_t)secondary_stacks + cpus_online * STACK_STRIDE - FUT_PAGE_SIZE;
        apic_send(apic, ICR_INIT);
        pause_ns(10000000);
        apic_send(apic, ICR_STARTUP);
        // Some want the start-up twice. One that has not come by then must not come later, on another's stack.
        if (!wait_for(100000000)) {
            apic_send(apic, ICR_STARTUP);
            if (!wait_for(1000000000)) {
                apic_send(apic, ICR_INIT);
                klog("CPU with APIC %u does not start\n", apic);
                continue;
            }
        }
        cpus_online++;
    }
}
