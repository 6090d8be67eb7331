// SPDX-License-Identifier: MPL-2.0
//
// ELF-64 as far as a loader of static executables reads it (System V gABI, chapters 4 and 5).
#pragma once
#include <stdint.h>

#define ELF_MAGIC 0x464c457fu
#define ELF_CLASS_64 2
#define ELF_DATA_LITTLE 1
#define ET_EXEC 2
#define ET_DYN 3
#define PT_LOAD 1
#define PT_DYNAMIC 2
#define PT_INTERP 3
#define PT_NOTE 4
#define PT_PHDR 6
#define PT_TLS 7
#define PT_GNU_STACK 0x6474e551u
#define PF_X 1u
#define PF_W 2u
#define PF_R 4u

struct elf_header {
    uint32_t magic;
    uint8_t class, data, ident_version, os_abi, pad[8];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct elf_header) == 64);

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct elf_segment) == 56);
