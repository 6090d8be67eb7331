// SPDX-License-Identifier: MPL-2.0
//
// Last words: what was wrong, where, in whose name.
#include <kernel.h>
#include <lib/format.h>
#include "kdb.h"
#include "log.h"
#include "symbols.h"

static bool panicking;

static void put(char c, void *)
{
    log_write(&c, 1);
}

void panic(const char *f, ...)
{
    log_console = true;
    if (panicking) {
        klog("\npanic within a panic\n");
        arch_power(FUT_POWER_EXIT, 3);
    }
    panicking = true;
    // Whoever enters the kernel from now on waits for the lock, for good.
    __atomic_store_n(&kernel_lock, 1, __ATOMIC_RELAXED);
    for each_cpu(c)
        if (c != arch_cpu())
            arch_ipi((unsigned)(c - cpus));
    klog("\nKernel panic: ");
    va_list args;
    va_start(args, f);
    format(put, nullptr, f, args);
    va_end(args);
    struct cpu *cpu = arch_cpu();
    struct thread *t = cpu ? cpu->current : nullptr;
    if (t)
        klog("\nthread %lu of task %lu\n", (unsigned long)t->object.id, (unsigned long)(t->task ? t->task->object.id : 0));
    else
        klog("\nno thread\n");
    klog("kernel stack:\n");
    arch_backtrace(symbol_log_frame, nullptr, nullptr);
    if (t) {
        arch_dump_regs(t);
        klog("user stack:\n");
        arch_backtrace(symbol_log_frame, nullptr, t);
    }
    kdb_enter("panic", t);
    arch_power(FUT_POWER_EXIT, 3);
}
