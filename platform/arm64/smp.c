// SPDX-License-Identifier: MPL-2.0
//
// Starting the other CPUs through PSCI (Arm DEN 0022, CPU_ON), one after the other, as the device tree names them.
// A CPU comes with the MMU off to secondary_entry (start.S), where it reads struct secondary past the caches.
#include "arm64.h"

static struct secondary { uint64_t ttbr0, ttbr1, stack, cpu; } secondary;
[[gnu::aligned(64)]] static uint8_t stacks[FUT_CPUS_MAX - 1][KERNEL_STACK_BYTES];
static uint32_t arrived; // released by the CPU that starts, behind its own set-up

[[noreturn]] void arm64_secondary_main(void);
[[noreturn]] void arm64_secondary_main(void)
{
    struct cpu *cpu = arch_cpu();
    cpu->arch.self = cpu;
    cpu->arch.number = (uint32_t)(cpu - cpus);
    cpu->arch.stack_top = secondary.stack;
    write_sysreg(ttbr0_el1, arm64_empty_ttbr);
    isb();
    arch_flush_tlb();
    gic_cpu_init();
    timer_cpu_init();
    sched_init();
    __atomic_store_n(&arrived, 1, __ATOMIC_RELEASE);
    kernel_secondary();
}

void arch_start_cpus(void)
{
    extern uint64_t early_identity(void);
    uint64_t mpidr, mine = read_sysreg(mpidr_el1) & 0xff00ffffff;
    for (uint32_t i = 0; cpus_online < FUT_CPUS_MAX && devicetree_cpu(i, &mpidr); i++) {
        if (mpidr == mine)
            continue;
        struct cpu *cpu = &cpus[cpus_online];
        secondary = (struct secondary){early_identity(), mmu_kernel_root, (uint64_t)stacks[cpus_online], (uint64_t)cpu};
        arrived = 0;
        for (uint64_t at = (uint64_t)&secondary & ~15ull; at < (uint64_t)(&secondary + 1); at += 16)
            __asm__ volatile("dc cvac, %0" : : "r"(at) : "memory");
        dsb(sy);
        bool ok = power_cpu_on(mpidr, image_phys(secondary_entry), image_phys(&secondary));
        for (uint64_t end = arch_time_ns() + 2000000000; ok && !__atomic_load_n(&arrived, __ATOMIC_ACQUIRE);)
            ok = arch_time_ns() < end;
        if (!ok) {
            klog("CPU %#llx does not start\n", (unsigned long long)mpidr);
            return; // and must not be mixed up with the next one, should it come late
        }
        cpus_online++;
    }
}
