// SPDX-License-Identifier: MPL-2.0
// The CRC32 extension: optional in Armv8.0, where every core of QEMU's has it, and required from Armv8.1 on.
#pragma once
#include <stdint.h>

static inline uint32_t crc32c_byte(uint32_t crc, uint8_t b) {
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"((uint32_t)b));
    return crc;
}

static inline uint32_t crc32c_word(uint32_t crc, uint64_t w) {
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(w));
    return crc;
}
