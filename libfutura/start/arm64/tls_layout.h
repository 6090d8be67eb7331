// SPDX-License-Identifier: MPL-2.0
//
// TLS variant I: thread-local data lies above the two words that the thread pointer points to.
#pragma once
#include <stddef.h>
#include <stdint.h>
#define TLS_DATA_BELOW 0
#define TLS_FIRST_WORD(pointer) ((void)(pointer), (uint64_t)0)
