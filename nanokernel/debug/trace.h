// SPDX-License-Identifier: MPL-2.0
//
// Trace events. A site costs one no-operation while tracing is off: arch_trace_site() is an instruction that
// trace.c rewrites into a jump, at every site at once, when somebody starts a trace. The fast paths of IPC carry
// no events; while a trace runs they decline, so that the ordinary path tells what happens.
#pragma once
#include <kernel.h>

// a, b: see FUT_TRACE_* in futura/abi.h. thread may be null.
void trace_record(uint32_t kind, const struct thread *thread, uint64_t a, uint64_t b);

#define TRACE(kind, thread, a, b)                                                                             \
    do {                                                                                                     \
        if (arch_trace_site())                                                                               \
            trace_record(kind, thread, a, b);                                                                \
    } while (0)

// The newest n records of this CPU, oldest first, for the debugger.
uint32_t trace_tail(uint32_t cpu, struct fut_trace_record *to, uint32_t n);
