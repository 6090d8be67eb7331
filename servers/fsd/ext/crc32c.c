// SPDX-License-Identifier: MPL-2.0
//
// CRC-32C (Castagnoli) by the processor's own instruction, in place of the library's tables: ext4's metadata checksums
// are a large part of what creating and removing files costs. Linked before the library, whose version is then left out.
// crc32c_byte and crc32c_word are of the architecture's folder.

#include <crc32c_step.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

uint32_t ext2fs_crc32c_le(uint32_t crc, unsigned char const *p, size_t len);

uint32_t ext2fs_crc32c_le(uint32_t crc, unsigned char const *p, size_t len) {
    for (; len && (uintptr_t)p % 8; len--) {
        crc = crc32c_byte(crc, *p++);
    }
    for (; len >= 32; len -= 32, p += 32) {
        uint64_t w[4];
        memcpy(w, p, sizeof w);
        crc = crc32c_word(crc32c_word(crc32c_word(crc32c_word(crc, w[0]), w[1]), w[2]), w[3]);
    }
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof w);
        crc = crc32c_word(crc, w);
    }
    for (; len; len--) {
        crc = crc32c_byte(crc, *p++);
    }
    return crc;
}
