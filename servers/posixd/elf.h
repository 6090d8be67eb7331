// SPDX-License-Identifier: MPL-2.0
//
// Reading the head of a static ELF executable into a plan for loading it. Pure: bytes in, plan or refusal
// out, so that damaged files can be tried on the host.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define ELF_HEAD_BYTES 4096 // as much of the file as a plan is made from
#define ELF_MAX_LOAD 8

enum elf_result {
    ELF_OK,
    ELF_BAD,         // no executable, or of a kind that is not run here
    ELF_DAMAGED,     // one whose segments cannot be: a shell must not take it for a script
};

struct elf_load {
    uint64_t vaddr, offset, filesz, memsz;
    bool read, write, exec;
};

struct elf_plan {
    uint64_t entry, phdr;          // before the bias; phdr 0: the headers are not loaded
    uint64_t low, high;            // page aligned
    uint16_t phnum, phent;
    bool position_independent;
    unsigned loads;
    struct elf_load load[ELF_MAX_LOAD];
    uint64_t dynamic, dynamic_bytes; // address of the dynamic section; 0: none
    uint64_t note, note_bytes;       // file range of the first note
};

// `head` is the first head_bytes of a file of file_bytes.
enum elf_result elf_plan(const void *head, size_t head_bytes, uint64_t file_bytes, uint16_t machine,
                         struct elf_plan *out);
// Whether a note section names this system.
bool elf_note_is_native(const void *note, size_t bytes);

// The interpreter line of a script: "#! interp [argument]\n". Cuts it in place; argument null: none.
// False when there is no usable line.
bool script_parse(char *line, size_t bytes, char **interpreter, char **argument);
