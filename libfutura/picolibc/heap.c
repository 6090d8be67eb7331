// SPDX-License-Identifier: MPL-2.0
//
// sbrk for every native task, POSIX process or server: a range of its own Space that grows in steps and never
// shrinks. picolibc's malloc stands on it.
#include <errno.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdint.h>
#include <unistd.h>

#define HEAP_BASE UINT64_C(0x100000000000) // far from images at 0x400000 and from the loader's regions near the top
#define HEAP_LIMIT (UINT64_C(1) << 40)
#define HEAP_STEP UINT64_C(0x10000)

static uint64_t used, mapped;

void *sbrk(ptrdiff_t by)
{
    if (by < 0 ? (uint64_t)-by > used : (uint64_t)by > HEAP_LIMIT - used) {
        errno = ENOMEM;
        return (void *)-1;
    }
    uint64_t old = used, wanted = used + (uint64_t)by;
    if (wanted > mapped) {
        uint64_t step = (wanted - mapped + HEAP_STEP - 1) & ~(HEAP_STEP - 1), at;
        struct fut_map map = {.address = HEAP_BASE + mapped, .bytes = step,
                              .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_FIXED};
        if (fut_space_map(fut_startup_cap("space"), &map, &at) != FUT_OK) {
            errno = ENOMEM;
            return (void *)-1;
        }
        mapped += step;
    }
    used = wanted;
    return (void *)(HEAP_BASE + old);
}
