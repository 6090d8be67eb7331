// SPDX-License-Identifier: MPL-2.0
#include "../machine.h"
#include <cpuid.h>
#include <stdio.h>
#include <string.h>

const uint16_t machine_elf = 62;
const uint32_t machine_relative = ELF_RELOCATION_RELATIVE_X86_64;
const char machine_name[] = "x86_64";

uint64_t machine_hwcap(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) ? d : 0; // CPUID.1:EDX
}

uint64_t machine_hwcap2(void) { return 0; }

void machine_tls(uint64_t block[2], uint64_t address, uint64_t ipc_buffer)
{
    block[0] = address; // the ABI's self pointer
    block[1] = ipc_buffer;
}

int machine_cpuinfo(char *to, unsigned long size, unsigned cpu)
{
    unsigned regs[13] = {}, a = 0, b = 0, c = 0, d = 0;
    char vendor[13] = {};
    if (__get_cpuid(0, &a, &b, &c, &d)) {
        memcpy(vendor, &b, 4);
        memcpy(vendor + 4, &d, 4);
        memcpy(vendor + 8, &c, 4);
    }
    for (unsigned i = 0; i < 3; i++)
        (void)__get_cpuid(0x80000002u + i, &regs[4 * i], &regs[4 * i + 1], &regs[4 * i + 2], &regs[4 * i + 3]);
    (void)__get_cpuid(1, &a, &b, &c, &d);
    unsigned family = a >> 8 & 15, model = (a >> 4 & 15), stepping = a & 15;
    if (family == 15)
        family += a >> 20 & 255;
    if (family == 6 || family >= 15)
        model |= (a >> 16 & 15) << 4;
    static const struct { unsigned bit; const char *name; } edx[] = {
        {0, "fpu"}, {4, "tsc"}, {5, "msr"}, {6, "pae"}, {8, "cx8"}, {9, "apic"}, {15, "cmov"}, {19, "clflush"},
        {23, "mmx"}, {24, "fxsr"}, {25, "sse"}, {26, "sse2"}}, ecx[] = {
        {0, "pni"}, {1, "pclmulqdq"}, {9, "ssse3"}, {13, "cx16"}, {19, "sse4_1"}, {20, "sse4_2"}, {22, "movbe"},
        {23, "popcnt"}, {25, "aes"}, {26, "xsave"}, {28, "avx"}, {30, "rdrand"}, {31, "hypervisor"}};
    char flags[256];
    int n = 0;
    for (unsigned i = 0; i < sizeof edx / sizeof *edx; i++) {
        if (d >> edx[i].bit & 1)
            n += snprintf(flags + n, sizeof flags - (size_t)n, " %s", edx[i].name);
    }
    for (unsigned i = 0; i < sizeof ecx / sizeof *ecx; i++) {
        if (c >> ecx[i].bit & 1)
            n += snprintf(flags + n, sizeof flags - (size_t)n, " %s", ecx[i].name);
    }
    return snprintf(to, size,
                    "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %.48s\n"
                    "stepping\t: %u\nflags\t\t:%s\n\n",
                    cpu, vendor, family, model, (const char *)regs, stepping, n > 0 ? flags : "");
}
