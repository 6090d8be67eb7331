// SPDX-License-Identifier: MPL-2.0
#pragma once
#include "harness.h"

extern uint64_t (*sequence_choose)(uint64_t n); // below n; UINT64_MAX: any word
void sequence_start(uint64_t scarce); // boots; scarce: so few pages are left (0: all)
void sequence_step(void);
void sequence_end(void);              // ends every task but the root, and checks that all came back
