// SPDX-License-Identifier: MPL-2.0
//
// The ChaCha20 block function (RFC 8439 section 2.3), for the random generator. Pure.
#pragma once
#include <stdint.h>

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]);
