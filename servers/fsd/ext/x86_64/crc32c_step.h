// SPDX-License-Identifier: MPL-2.0
// SSE4.2's instruction, which x86-64-v2 has. It works on general registers.
#pragma once
#include <stdint.h>

static inline uint32_t crc32c_byte(uint32_t crc, uint8_t b) {
    __asm__("crc32b %1, %0" : "+r"(crc) : "rm"(b));
    return crc;
}

static inline uint32_t crc32c_word(uint32_t crc, uint64_t w) {
    uint64_t c = crc;
    __asm__("crc32q %1, %0" : "+r"(c) : "rm"(w));
    return (uint32_t)c;
}
