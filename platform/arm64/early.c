// SPDX-License-Identifier: MPL-2.0
//
// The first translation tables, made with the MMU off: an identity map of the image's first 2 MiB (the
// code that turns the MMU on), the image at its linked address, and the device tree in the direct map.
// mmu.c replaces them as soon as it knows the RAM. Nothing here may use an absolute address or call into
// other files: the code does not run where it was linked.
#include "arm64.h"

#define BLOCK 0x200000ull
#define TABLE 3ull
#define BLOCK_NORMAL (1ull | 1ull << 10 | 3ull << 8) // valid, accessed, inner shareable, attribute 0

struct table { uint64_t entry[512]; };
[[gnu::aligned(4096)]] static struct table identity[3], kernel[3], direct_l1, direct_l2[2];

struct early_result { uint64_t ttbr0, ttbr1; };
uint64_t early_identity(void);
uint64_t early_identity(void) { return image_phys(identity); } // for secondary CPUs: called from where it was linked
struct early_result early_tables(uint64_t image, uint64_t devicetree);

static unsigned slot(uint64_t va, unsigned level)
{
    return va >> (39 - 9 * level) & 511;
}

struct early_result early_tables(uint64_t image, uint64_t devicetree)
{
    identity[0].entry[slot(image, 0)] = (uint64_t)&identity[1] | TABLE;
    identity[1].entry[slot(image, 1)] = (uint64_t)&identity[2] | TABLE;
    identity[2].entry[slot(image, 2)] = image | BLOCK_NORMAL;

    kernel[0].entry[slot(KERNEL_VIRTUAL, 0)] = (uint64_t)&kernel[1] | TABLE;
    kernel[1].entry[slot(KERNEL_VIRTUAL, 1)] = (uint64_t)&kernel[2] | TABLE;
    uint64_t bytes = (uint64_t)(image_end - image_start);
    for (uint64_t at = 0; at < bytes; at += BLOCK)
        kernel[2].entry[slot(KERNEL_VIRTUAL + at, 2)] = (image + at) | BLOCK_NORMAL;

    // A device tree is at most 2 MiB: two blocks hold it.
    kernel[0].entry[slot(ARCH_DIRECT_BASE + devicetree, 0)] = (uint64_t)&direct_l1 | TABLE;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t block = (devicetree & ~(BLOCK - 1)) + i * BLOCK;
        if (i == 0 || slot(block, 1) != slot(block - BLOCK, 1))
            direct_l1.entry[slot(block, 1)] = (uint64_t)&direct_l2[i] | TABLE;
        struct table *l2 = (struct table *)(direct_l1.entry[slot(block, 1)] & ~0xfffull);
        l2->entry[slot(block, 2)] = block | BLOCK_NORMAL | 1ull << 54 | 1ull << 53;
    }
    // Written past the caches: no stale line may hide it from the walker.
    uint64_t line = 4ull << (read_sysreg(ctr_el0) >> 16 & 15);
    uint64_t ranges[][2] = {{(uint64_t)identity, sizeof identity}, {(uint64_t)kernel, sizeof kernel},
                            {(uint64_t)&direct_l1, sizeof direct_l1}, {(uint64_t)direct_l2, sizeof direct_l2}};
    dsb(sy);
    for (unsigned i = 0; i < 4; i++)
        for (uint64_t a = ranges[i][0]; a < ranges[i][0] + ranges[i][1]; a += line)
            __asm__ volatile("dc ivac, %0" : : "r"(a) : "memory");
    dsb(sy);
    return (struct early_result){(uint64_t)identity, (uint64_t)kernel};
}
