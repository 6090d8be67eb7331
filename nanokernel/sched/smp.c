// SPDX-License-Identifier: MPL-2.0
//
// The kernel lock's slow side.
#include <kernel.h>

uint32_t kernel_lock = 1; // boot code has it

bool lock_wait(bool)
{
    while (__atomic_load_n(&kernel_lock, __ATOMIC_RELAXED) || !lock_try())
        arch_relax();
    return false;
}
