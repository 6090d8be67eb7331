// SPDX-License-Identifier: MPL-2.0
// See host.h.
#include "host.h"
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>

fut_handle_t host_cap(const char *name)
{
    return fut_startup_cap(name);
}

void *host_map(const char *name, uint32_t prot, size_t *bytes)
{
    fut_handle_t memory = fut_startup_cap(name);
    struct fut_memory_info info;
    if (!memory || fut_memory_info(memory, &info) != FUT_OK) {
        return nullptr;
    }
    uint64_t address;
    struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = prot};
    if (fut_space_map(fut_startup_cap("space"), &map, &address) != FUT_OK) {
        return nullptr;
    }
    if (bytes) {
        *bytes = info.bytes;
    }
    return (void *)address;
}

fut_status_t host_open(struct fut_server *server)
{
    server->channel = fut_startup_cap("channel");
    if (!server->channel) {
        return FUT_ERR_NOT_FOUND;
    }
    fut_status_t status = fut_event_create(&server->event);
    fut_handle_t irq = fut_startup_cap("irq");
    if (status == FUT_OK && irq) {
        status = fut_irq_bind(irq, server->event, HOST_IRQ);
        if (status == FUT_OK) {
            status = fut_irq_ack(irq);
        }
    }
    return status;
}

void host_irq_done(void)
{
    (void)fut_irq_ack(fut_startup_cap("irq"));
}

[[noreturn]] void host_fail(const char *what, fut_status_t status)
{
    fut_log("%s: error %d", what, (int)status);
    (void)fut_thread_exit();
    __builtin_unreachable();
}
