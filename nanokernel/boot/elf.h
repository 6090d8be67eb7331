// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <memory.h>

// Loads a static ELF64 executable into s. Strict: anything unusual is refused; the reason is returned.
const char *elf_load(struct space *s, const void *file, uint64_t bytes, uint64_t *entry);
