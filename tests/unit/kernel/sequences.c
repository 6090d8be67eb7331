// SPDX-License-Identifier: MPL-2.0
//
// The fuzzer of call sequences: a libFuzzer target over the kernel's real sources. The bytes of an input decide every
// choice of sequence_step; each input begins in the same small world, brought back from a snapshot; after every step
// the whole state is checked, and at the end of an input everything must come back.
//   kernel_sequences CORPUS              libFuzzer, for ever (its own options: -help=1)
//   KERNEL_SEQUENCES_STEPS=N             ends after N steps, and says how many there were
// An input that fails is written to a file; `kernel_sequences FILE` plays it again, VERBOSE=1 with its steps.
#include "sequence.h"
#include "snapshot.h"
#include <unistd.h>

static const uint8_t *at, *end;
static struct snapshot *world;
static uint64_t steps, inputs, steps_wanted, next_report = 1000000;

static uint64_t take(unsigned bytes)
{
    uint64_t v = 0;
    while (bytes-- && at < end)
        v = v << 8 | *at++;
    return v;
}

static uint64_t choose(uint64_t n)
{
    if (n == UINT64_MAX)
        return take(8);
    return take(n <= 1 ? 0 : n <= 256 ? 1 : n <= 65536 ? 2 : 8) % n;
}

static uint64_t choose_at_start(uint64_t n)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n == UINT64_MAX ? state : (state >> 11) % n;
}

static void report(void) { fprintf(stderr, "%lu inputs, %lu steps\n", (unsigned long)inputs, (unsigned long)steps); }

int LLVMFuzzerInitialize(int *, char ***);
int LLVMFuzzerInitialize(int *, char ***)
{
    const char *wanted = getenv("KERNEL_SEQUENCES_STEPS");
    steps_wanted = wanted ? strtoull(wanted, nullptr, 0) : UINT64_MAX;
    sequence_choose = choose_at_start;
    sequence_start(0);
    for (int i = 0; i < 12; i++) // makes its tasks
        sequence_step();
    check_invariants();
    sequence_choose = choose; // a variable of the world
    world = snapshot_new();
    snapshot_take(world);
    atexit(report);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    snapshot_restore(world);
    at = data;
    end = data + size;
    inputs++;
    uint64_t scarce = take(1);
    if (scarce & 1) // as if the machine had no more: see sequence_start
        while (pages_free > 20 + scarce / 2 && page_alloc(0))
            pages_total--;
    while (at < end) {
        sequence_step();
        check_invariants();
        steps++;
    }
    sequence_end();
    if (steps >= next_report && steps_wanted > 2000000) {
        report();
        next_report += 1000000;
    }
    if (steps >= steps_wanted) {
        report();
        _exit(0); // libFuzzer takes a plain exit for a crash
    }
    return 0;
}
