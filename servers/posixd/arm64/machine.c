// SPDX-License-Identifier: MPL-2.0
#include "../machine.h"
#include <stdio.h>

const uint16_t machine_elf = 183;
const uint32_t machine_relative = ELF_RELOCATION_RELATIVE_AARCH64;
const char machine_name[] = "aarch64";

// What every ARMv8-A processor with floating point has. The identification registers that would tell more
// are not readable at EL0.
uint64_t machine_hwcap(void) { return 1u /* FP */ | 2u /* ASIMD */; }
uint64_t machine_hwcap2(void) { return 0; }

void machine_tls(uint64_t block[2], uint64_t address, uint64_t ipc_buffer)
{
    (void)address;
    block[0] = 0;
    block[1] = ipc_buffer;
}

int machine_cpuinfo(char *to, unsigned long size, unsigned cpu)
{
    return snprintf(to, size, "processor\t: %u\nFeatures\t: fp asimd\nCPU architecture: 8\n\n", cpu);
}
