// SPDX-License-Identifier: MPL-2.0
//
// TLS variant II: the thread pointer's block begins with a pointer to itself, thread-local data lies below.
#pragma once
#include <stddef.h>
#include <stdint.h>
#define TLS_DATA_BELOW 1
#define TLS_FIRST_WORD(pointer) ((uint64_t)(pointer))
