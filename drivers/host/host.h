// SPDX-License-Identifier: MPL-2.0
//
// What every driver host does: reach the capabilities that devd gave it, map register windows, wait for its
// interrupt. A host serves one protocol on one Channel; its interrupt arrives as signal bit HOST_IRQ of the
// Event that is bound to the Channel.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <futura/abi.h>
#include <futura/server.h>

#define HOST_IRQ 1ull

fut_handle_t host_cap(const char *name);                    // 0: devd gave none
// Maps all of a Memory capability; null if it is not there or cannot be mapped.
void *host_map(const char *name, uint32_t prot, size_t *bytes);
// Binds capability `irq` to a new Event; fills server->channel and ->event.
[[nodiscard]] fut_status_t host_open(struct fut_server *server);
void host_irq_done(void);                                   // takes the next one
// Writes a line to the log and ends the process; devd decides what comes next.
[[noreturn]] void host_fail(const char *what, fut_status_t status);
