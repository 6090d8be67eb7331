// SPDX-License-Identifier: MPL-2.0
//
// Random bytes: ChaCha20 with key erasure. Every request makes a new key from the first half of the first
// block before a byte is handed out, so that what was given cannot be told from a later state. The seed
// comes from the entropy service; until there is one, timing is all there is, and the log says so.
#include "chacha.h"
#include "posixd.h"

static uint32_t key[8];
static uint64_t since_seed;
static bool seeded;
#define RESEED_BYTES (UINT64_C(64) << 20)

static void next_key(uint32_t block[16])
{
    static const uint32_t nonce[3] = {0x7573664b, 0x79650000, 1};
    chacha20_block(key, 0, nonce, block);
    memcpy(key, block, sizeof key);
}

// The key becomes a function of what it was and of the bytes given.
static void mix(const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len != 0) {
        size_t n = len < sizeof key ? len : sizeof key;
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)key)[i] ^= p[i];
        uint32_t block[16];
        next_key(block);
        p += n;
        len -= n;
    }
}

static void seed(void)
{
    static uint64_t next_try;
    if (!seeded && now_ns() < next_try)
        return;
    next_try = now_ns() + NS_PER_SECOND / 4;
    uint64_t clock = now_ns();
    mix(&clock, sizeof clock);
    since_seed = 0;
    fut_handle_t source = 0;
    if (registry_directory_lookup(posixd.registry, (struct fut_string){"entropy", 7}, false, &source) != FUT_OK)
        return;
    struct fut_bytes data;
    if (entropy_source_get((entropy_source_t){source}, 64, &data) == FUT_OK && data.len != 0) {
        mix(data.data, data.len);
        seeded = true;
    }
    (void)fut_cap_delete(source);
}

void random_init(void)
{
    // The least bits of the time that system calls take.
    for (int i = 0; i < 256; i++) {
        uint64_t t = now_ns();
        mix(&t, sizeof t);
    }
    seed();
    if (!seeded)
        log_text("posixd: no entropy service yet: random numbers can be guessed until there is one\n");
}

void random_bytes(void *to, size_t len)
{
    if (!seeded || since_seed > RESEED_BYTES)
        seed();
    since_seed += len;
    uint32_t block[16], stream_key[8];
    next_key(block);
    memcpy(stream_key, block + 8, sizeof stream_key);
    static const uint32_t nonce[3] = {0x65727473, 0x6d610000, 2};
    uint8_t *p = to;
    for (uint32_t counter = 0; len != 0; counter++) {
        chacha20_block(stream_key, counter, nonce, block);
        size_t n = len < sizeof block ? len : sizeof block;
        memcpy(p, block, n);
        p += n;
        len -= n;
    }
    // What was used to make them is forgotten.
    volatile uint32_t *forget = stream_key;
    for (int i = 0; i < 8; i++)
        forget[i] = 0;
}

uint64_t random_below(uint64_t bound)
{
    uint64_t v;
    random_bytes(&v, sizeof v);
    return v % bound; // bounds here are powers of two or so small that the bias does not matter
}
