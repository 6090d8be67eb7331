// SPDX-License-Identifier: MPL-2.0
//
// Threads that wait in place of netd: for a service to appear, for a device to change. They touch nothing of lwIP; what
// they learn they leave in memory of their own and signal the Event of the loop.
#include "netd.h"
#include <futura/tls.h>

#define STACK_BYTES (32u << 10)
#define TLS_BYTES 4096u

struct start {
    void (*body)(void *);
    void *argument;
};

[[noreturn]] static void run(struct start *s)
{
    s->body(s->argument);
    for (;;)
        (void)fut_thread_exit();
}

fut_status_t helper_start(void (*body)(void *), void *argument)
{
    fut_handle_t space = fut_startup_cap("space"), thread;
    if (fut_tls_bytes() > TLS_BYTES)
        return FUT_ERR_NO_MEMORY;
    // From below: the IPC buffer (which comes first for its alignment), thread-local data, the stack.
    struct fut_map map = {.bytes = 2 * FUT_IPC_BUFFER_SIZE + TLS_BYTES + STACK_BYTES,
                          .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON};
    uint64_t at;
    fut_status_t status = fut_space_map(space, &map, &at);
    if (status != FUT_OK)
        return status;
    uint64_t top = at + map.bytes;
    uint64_t buffer = (at + FUT_IPC_BUFFER_SIZE - 1) & ~(uint64_t)(FUT_IPC_BUFFER_SIZE - 1);
    uint8_t *tls = (uint8_t *)(top - STACK_BYTES - TLS_BYTES);
    struct start *s = (struct start *)(top - 64);
    *s = (struct start){body, argument};
    struct fut_thread_params params = {
        .entry = (uintptr_t)run, .stack = (uintptr_t)s - 64, .argument = (uintptr_t)s, .ipc_buffer = buffer,
        .tls = fut_tls_init(tls, buffer), .priority = FUT_PRIORITY_DEFAULT,
    };
    status = fut_thread_create(fut_startup_cap("task"), &params, &thread);
    if (status == FUT_OK) {
        status = fut_thread_resume(thread);
        (void)fut_cap_delete(thread);
    }
    return status;
}
