// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <base.h>
// The function that holds pc and the offset in it; null: not known.
const char *symbol_find(uint64_t pc, uint64_t *offset);
uint64_t symbol_address(const char *name); // 0: none
