// SPDX-License-Identifier: MPL-2.0
//
// The kernel log: a ring of bytes that counts from boot. Programs write to it through a Log capability.
// While log_console is set (until whoever drives the console clears it), it also goes to the platform's
// polled console, so that a boot that fails early says why.
#include <kernel.h>
#include <lib/format.h>
#include "log.h"

bool log_console = true;
bool log_verbose;
bool log_debugger;
static char ring[LOG_BYTES];
static uint64_t end;

static void put(char c, void *)
{
    if (!log_debugger)
        ring[end++ % LOG_BYTES] = c;
    if (log_console) {
        if (c == '\n')
            arch_console_put('\r');
        arch_console_put(c);
    }
}

void log_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(text[i], nullptr);
}

uint64_t log_end(void) { return end; }

size_t log_read(uint64_t offset, char *to, size_t n, uint64_t *from)
{
    uint64_t start = end > LOG_BYTES ? end - LOG_BYTES : 0;
    if (offset < start)
        offset = start;
    *from = offset;
    size_t i = 0;
    for (; i < n && offset + i < end; i++)
        to[i] = ring[(offset + i) % LOG_BYTES];
    return i;
}

void klog(const char *f, ...)
{
    va_list args;
    va_start(args, f);
    format(put, nullptr, f, args);
    va_end(args);
}
