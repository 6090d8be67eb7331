// SPDX-License-Identifier: MPL-2.0
//
// What differs between architectures in starting a program.
#pragma once
#include <stdint.h>

#define ELF_RELOCATION_RELATIVE_X86_64 8
#define ELF_RELOCATION_RELATIVE_AARCH64 1027

extern const uint16_t machine_elf;          // e_machine
extern const uint32_t machine_relative;     // the type of a relative relocation
extern const char machine_name[];           // uname -m, AT_PLATFORM
uint64_t machine_hwcap(void);               // AT_HWCAP
uint64_t machine_hwcap2(void);
// The first two words of a thread's native TLS block.
void machine_tls(uint64_t block[2], uint64_t address, uint64_t ipc_buffer);
// One processor's part of /proc/cpuinfo.
int machine_cpuinfo(char *to, unsigned long size, unsigned cpu);
