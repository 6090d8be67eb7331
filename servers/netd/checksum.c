// SPDX-License-Identifier: MPL-2.0
//
// The internet checksum (RFC 1071), eight bytes at a time: the sum of the 16-bit words, with the carries added back.
// lwIP complements it itself.
#include <stdint.h>
#include <string.h>

uint16_t netd_checksum(const void *data, int bytes);

uint16_t netd_checksum(const void *data, int bytes)
{
    const uint8_t *p = data;
    uint64_t sum = 0, carry = 0, w;
    size_t n = (size_t)bytes;
    for (; n >= 32; n -= 32, p += 32) {
        uint64_t a, b, c, d;
        memcpy(&a, p, 8);
        memcpy(&b, p + 8, 8);
        memcpy(&c, p + 16, 8);
        memcpy(&d, p + 24, 8);
        carry += __builtin_add_overflow(sum, a, &sum);
        carry += __builtin_add_overflow(sum, b, &sum);
        carry += __builtin_add_overflow(sum, c, &sum);
        carry += __builtin_add_overflow(sum, d, &sum);
    }
    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&w, p, 8);
        carry += __builtin_add_overflow(sum, w, &sum);
    }
    if (n != 0) {
        w = 0;
        memcpy(&w, p, n);
        carry += __builtin_add_overflow(sum, w, &sum);
    }
    sum = (sum & 0xffffffff) + (sum >> 32) + carry;
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}
