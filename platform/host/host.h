// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <kernel.h>
#include <setjmp.h>

// A page table: a chain of kernel pages full of entries.
#define HOST_ENTRIES 160
struct host_table {
    struct host_table *next;
    uint64_t used;
    struct { uint64_t va, pa; uint32_t prot, cache; } entry[HOST_ENTRIES]; // va 0: free
};
static_assert(sizeof(struct host_table) <= FUT_PAGE_SIZE);

extern jmp_buf host_idle;        // where arch_idle goes when no timer runs: nothing will ever happen by itself
extern uint64_t host_timer;
extern void (*host_poll)(void);  // null: no interrupt comes at preemption points
void host_boot(struct boot *boot); // RAM and struct boot, without archive
