// SPDX-License-Identifier: MPL-2.0
//
// UTF-8 as RFC 3629 defines it: shortest forms only, no surrogates, nothing above U+10FFFF. NUL is an
// ordinary character of a string here. ASCII goes eight bytes at a time.
#include <futura/fipc.h>

// Length of the sequence at p, 0 if there is none.
static size_t sequence(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead < 0x80)
        return 1;
    size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || n > left)
        return 0;
    // The second byte alone decides over-long forms, surrogates and the upper end.
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool fut_utf8_valid(const void *text, size_t len)
{
    const uint8_t *p = text;
    for (size_t at = 0; at < len;) {
        uint64_t eight;
        if (len - at >= sizeof eight) {
            memcpy(&eight, p + at, sizeof eight);
            if ((eight & 0x8080808080808080ull) == 0) {
                at += sizeof eight;
                continue;
            }
        }
        size_t n = sequence(p + at, len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
