// SPDX-License-Identifier: MPL-2.0
//
// Random numbers: ports, transaction identifiers, the secret of initial sequence numbers. ChaCha20 with key erasure;
// seeded from the entropy service by a helper, because that service may be slow or not be there. Until it has answered
// the timing of system calls is all there is.
#include "netd.h"
#include "../posixd/chacha.h"
#include "hooks.h"
#include <fipc/entropy.h>

static uint32_t key[8];
static uint8_t stock[32];
static unsigned left;
static uint8_t seed[64];            // what the helper got
static uint32_t seed_ready;         // atomic: 1 = there, 2 = used
static uint32_t isn_key[8];
static bool isn_keyed;

static void next_block(void)
{
    static const uint32_t nonce[3] = {0x6e657464, 0x6b657900, 1};
    uint32_t block[16];
    chacha20_block(key, 0, nonce, block);
    memcpy(key, block, sizeof key);
    memcpy(stock, block + 8, sizeof stock);
    left = sizeof stock;
}

static void mix(const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)key)[i % sizeof key] ^= p[i];
        if (i % sizeof key == sizeof key - 1)
            next_block();
    }
    next_block();
}

void random_bytes(void *to, size_t n)
{
    uint32_t one = 1;
    if (__atomic_compare_exchange_n(&seed_ready, &one, 2, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        mix(seed, sizeof seed);
    for (uint8_t *p = to; n != 0; n--) {
        if (left == 0)
            next_block();
        *p++ = stock[--left];
        stock[left] = 0;
    }
}

uint32_t netd_random32(void)
{
    uint32_t v;
    random_bytes(&v, sizeof v);
    return v;
}

static void get_seed(void *unused)
{
    (void)unused;
    fut_handle_t source;
    struct fut_bytes data;
    if (registry_directory_lookup(registry, FUT_STRING("entropy"), true, &source) != FUT_OK)
        return;
    if (entropy_source_get((entropy_source_t){source}, sizeof seed, &data) == FUT_OK && data.len == sizeof seed) {
        memcpy(seed, data.data, sizeof seed);
        __atomic_store_n(&seed_ready, 1, __ATOMIC_RELEASE);
    }
    (void)fut_cap_delete(source);
}

void random_start(void)
{
    for (int i = 0; i < 256; i++) {
        uint64_t t = fut_clock();
        ((uint8_t *)key)[i % sizeof key] ^= (uint8_t)t;
        if (i % 32 == 31)
            next_block();
    }
    if (registry.h != 0 && helper_start(get_seed, nullptr) != FUT_OK)
        fut_log("no thread for the entropy service: random numbers come from timing alone");
}

// A clock of 250 kHz plus a function of the connection under a key that nobody knows.
u32_t netd_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port)
{
    if (!isn_keyed || __atomic_load_n(&seed_ready, __ATOMIC_RELAXED) == 1) {
        random_bytes(isn_key, sizeof isn_key);
        isn_keyed = true;
    }
    uint32_t mixed[8], nonce[3] = {(uint32_t)local_port << 16 | remote_port, 0, 0}, block[16];
    memcpy(mixed, isn_key, sizeof mixed);
    const ip_addr_t *end[2] = {local, remote};
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned w = 0; w < (IP_IS_V6(end[i]) ? 4 : 1); w++)
            mixed[4 * i + w] ^= IP_IS_V6(end[i]) ? ip_2_ip6(end[i])->addr[w] : ip_addr_get_ip4_u32(end[i]);
    }
    chacha20_block(mixed, 1, nonce, block);
    return block[0] + (uint32_t)(fut_clock() / 4000);
}
