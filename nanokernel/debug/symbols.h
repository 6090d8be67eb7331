// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <base.h>
// The function that holds pc and the offset in it; null: not known.
const char *symbol_find(uint64_t pc, uint64_t *offset);
uint64_t symbol_address(const char *name); // 0: none
void symbol_log(uint64_t pc);              // logs " name+offset", if there is one
void symbol_log_frame(uint64_t pc, void *); // a line of a backtrace, for arch_backtrace
