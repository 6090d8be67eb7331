// SPDX-License-Identifier: MPL-2.0
//
// What the portable layers need (core/platform.h), from Futura: time, the log, pool memory.

#include "core/platform.h"

#include <fipc/clock.h>
#include <fipc/registry.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdarg.h>
#include <stdio.h>

#include "cache/pool.h"
#include "cpu.h"
#include "server/server.h"

fut_handle_t registry_session;
static fut_handle_t chunk_handle[POOL_MAX_CHUNKS];
static unsigned chunk_count;
static int64_t clock_offset;
static clock_clock_t clock_session;

// Every read and write looks at the time, so it is read from the kernel's time page, without a call.
static const volatile struct fut_time_page *time_page;

static void time_start(void) {
    struct fut_map map = {.bytes = FUT_PAGE_SIZE, .memory = fut_startup_cap("time"), .flags = FUT_PROT_READ};
    uint64_t address;
    if (map.memory && fut_space_map(fut_startup_cap("space"), &map, &address) == FUT_OK) {
        time_page = (const volatile struct fut_time_page *)address;
    }
}

static uint64_t monotonic(void) {
    const volatile struct fut_time_page *t = time_page;
    if (!t || t->mult == 0) {
        return fut_clock();
    }
    return t->base_ns + (uint64_t)((unsigned __int128)(cpu_counter() - t->base_counter) * t->mult >> t->shift);
}

int64_t platform_now(void) { return (int64_t)monotonic() + clock_offset; }

// Called between requests, never inside one: it uses the IPC buffer that a request's strings lie in. The wall clock's
// driver host starts after fsd; until it answers, times count from the boot as if that were 1970.
bool clock_find(void) {
    registry_directory_t registry = {registry_session};
    if (!clock_session.h &&
        registry_directory_lookup(registry, (struct fut_string){"clock", 5}, false, &clock_session.h) != FUT_OK) {
        return false;
    }
    int64_t offset;
    if (clock_clock_offset(clock_session, &offset) != FUT_OK) {
        return false;
    }
    clock_offset = offset;
    return true;
}

void platform_log(const char *format, ...) {
    char line[240];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fut_log("%s", line);
}

void *platform_chunk(size_t bytes) {
    fut_handle_t memory;
    if (chunk_count == POOL_MAX_CHUNKS || fut_memory_create(bytes, FUT_MEM_CONTIGUOUS, &memory) != FUT_OK) {
        return nullptr;
    }
    struct fut_map map = {.bytes = bytes, .memory = memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t address = 0;
    if (fut_space_map(fut_startup_cap("space"), &map, &address) != FUT_OK) {
        (void)fut_cap_delete(memory);
        return nullptr;
    }
    chunk_handle[chunk_count++] = memory;
    return (void *)address;
}

fut_handle_t chunk_memory(unsigned chunk) { return chunk_handle[chunk]; }

void platform_start(void) {
    registry_session = fut_startup_cap("registry");
    time_start();
    struct fut_account_info info;
    uint64_t pages = 16384; // 64 MiB, if the account does not say
    if (fut_account_info(fut_startup_cap("account"), &info) == FUT_OK && info.pages_limit > info.pages_used) {
        pages = info.pages_limit - info.pages_used;
    }
    // A third of what there is may become cache; it is taken as it is needed and given up to nobody.
    uint64_t bytes = pages / 3 > (1ull << 31) / POOL_PAGE ? 1ull << 31 : pages / 3 * POOL_PAGE;
    pool_limit(bytes < (8u << 20) ? 8u << 20 : bytes);
}
