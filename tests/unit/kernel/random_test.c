// SPDX-License-Identifier: MPL-2.0
//
// Random sequences of system calls by several tasks, with the whole state checked after every step.
//   kernel_random_test [SEED [STEPS [PAGES]]]   the same seed gives the same run; PAGES: so little memory is left
//                                               that allocations fail everywhere; VERBOSE=1: prints the steps
#include "sequence.h"

static uint64_t state;
static uint64_t choose(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    uint64_t word = state * 0x2545f4914f6cdd1dull;
    return n == UINT64_MAX ? word : (word >> 11) % n;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 0) : 1;
    uint64_t steps = argc > 2 ? strtoull(argv[2], nullptr, 0) : 20000;
    uint64_t scarce = argc > 3 ? strtoull(argv[3], nullptr, 0) : 0;
    state = seed * 0x9e3779b97f4a7c15ull + 1;
    sequence_choose = choose;
    fprintf(stderr, "seed %lu, %lu steps\n", (unsigned long)seed, (unsigned long)steps);
    sequence_start(scarce);
    for (uint64_t step = 0; step < steps; step++) {
        sequence_step();
        if (step % 8 == 0 || getenv("VERBOSE"))
            check_invariants();
    }
    check_invariants();
    sequence_end();
    fprintf(stderr, "%lu objects and %lu pages left\n", (unsigned long)root_account->objects_used, (unsigned long)root_account->pages_used);
    return 0;
}
