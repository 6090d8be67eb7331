// SPDX-License-Identifier: MPL-2.0
//
// Off and reboot through PSCI (Arm DEN 0022), and an exit code through semihosting where the boot
// command line says `semihosting`: without a debugger or emulator behind it, that instruction is a trap.
#include "arm64.h"

#define PSCI_CPU_ON       0xc4000003u
#define PSCI_SYSTEM_OFF   0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

static bool use_smc, have_psci, semihosting;

static bool has_word(const char *line, const char *word)
{
    for (const char *p = line; *p;) {
        while (*p == ' ')
            p++;
        size_t n = 0;
        while (word[n] && p[n] == word[n])
            n++;
        if (!word[n] && (p[n] == 0 || p[n] == ' '))
            return true;
        while (*p && *p != ' ')
            p++;
    }
    return false;
}

void power_init(const char *command_line)
{
    static const char *const versions[] = {"arm,psci-1.0", "arm,psci-0.2"};
    for (unsigned i = 0; i < 2 && !have_psci; i++) {
        int node = devicetree_find(-1, versions[i]);
        const char *method = node >= 0 ? devicetree_string(node, "method") : nullptr;
        have_psci = method != nullptr;
        use_smc = method && method[0] == 's';
    }
    semihosting = has_word(command_line, "semihosting");
}

static int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
    if (use_smc)
        __asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    else
        __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return (int64_t)x0;
}

bool power_cpu_on(uint64_t mpidr, phys_t entry, phys_t context)
{
    return have_psci && psci(PSCI_CPU_ON, mpidr, entry, context) == 0;
}

[[noreturn]] void arch_power(uint32_t action, uint32_t exit_code)
{
    if (action == FUT_POWER_EXIT && semihosting) {
        semihosting = false; // where nothing answers, the trap comes back here
        uint64_t block[2] = {0x20026, exit_code}; // application exit
        register uint64_t x0 __asm__("x0") = 0x20; // SYS_EXIT_EXTENDED
        register uint64_t x1 __asm__("x1") = (uint64_t)block;
        __asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
    }
    if (have_psci)
        psci(action == FUT_POWER_REBOOT ? PSCI_SYSTEM_RESET : PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}
