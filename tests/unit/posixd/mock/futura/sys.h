// SPDX-License-Identifier: MPL-2.0
//
// The system calls that posixd's process logic makes, as counters on the host: what was posted, stopped and
// ended is what the tests look at.
#pragma once
#include <futura/abi.h>
#include <futura/syscall_host.h>
#include <stdlib.h>

static inline struct fut_ipc_buffer *fut_ipc_buffer(void) { return (struct fut_ipc_buffer *)fut_tls_word(1); }

extern struct mock {
    unsigned posts, suspends, resumes, destroyed, events;
    uint64_t last_post_bits, event_bits;
    fut_handle_t last_posted;
    uint64_t now;
} mock;

static inline uint64_t fut_clock(void) { return mock.now; }
static inline fut_status_t fut_thread_post(fut_handle_t t, uint64_t bits)
{
    mock.posts++;
    mock.last_posted = t;
    mock.last_post_bits = bits;
    return FUT_OK;
}
static inline fut_status_t fut_thread_suspend(fut_handle_t t) { return (void)t, mock.suspends++, FUT_OK; }
static inline fut_status_t fut_thread_resume(fut_handle_t t) { return (void)t, mock.resumes++, FUT_OK; }
static inline fut_status_t fut_task_destroy(fut_handle_t t) { return (void)t, mock.destroyed++, FUT_OK; }
static inline fut_status_t fut_task_watch(fut_handle_t t, fut_handle_t e, uint64_t b) { return (void)t, (void)e, (void)b, FUT_OK; }
static inline fut_status_t fut_task_info(fut_handle_t t, struct fut_task_info *i)
{
    (void)t;
    *i = (struct fut_task_info){.cpu_ns = 7, .threads = 1};
    return FUT_OK;
}
static inline fut_status_t fut_thread_info(fut_handle_t t, struct fut_thread_info *i)
{
    (void)t;
    *i = (struct fut_thread_info){.cpu_ns = 7};
    return FUT_OK;
}
static inline fut_status_t fut_cap_delete(fut_handle_t h) { return (void)h, FUT_OK; }
static inline fut_status_t fut_event_signal(fut_handle_t e, uint64_t bits)
{
    (void)e;
    mock.events++;
    mock.event_bits |= bits;
    return FUT_OK;
}
static inline fut_status_t fut_memory_create(uint64_t n, uint32_t f, fut_handle_t *h) { return (void)n, (void)f, *h = 1, FUT_OK; }
static inline fut_status_t fut_space_map(fut_handle_t s, const struct fut_map *m, uint64_t *at)
{
    (void)s;
    *at = (uint64_t)calloc(1, m->bytes);
    return FUT_OK;
}
static inline fut_status_t fut_space_unmap(fut_handle_t s, uint64_t at, uint64_t n)
{
    (void)s, (void)n;
    free((void *)at);
    return FUT_OK;
}
static inline fut_status_t fut_session_mint(fut_handle_t c, uint64_t badge, uint32_t p, fut_handle_t *h)
{
    (void)c, (void)p;
    *h = (fut_handle_t)badge; // so that a test finds the object
    return FUT_OK;
}
static inline fut_status_t fut_cap_mint(fut_handle_t h, uint32_t r, fut_handle_t *out) { return (void)r, *out = h, FUT_OK; }
static inline fut_status_t fut_event_create(fut_handle_t *h) { return *h = 1, FUT_OK; }
static inline fut_status_t fut_event_clear(fut_handle_t e, uint64_t bits, uint64_t *b)
{
    (void)e, (void)b;
    mock.event_bits &= ~bits;
    return FUT_OK;
}
static inline fut_status_t fut_account_create(fut_handle_t parent, uint64_t pages, uint64_t objects, fut_handle_t *h)
{
    (void)parent, (void)pages, (void)objects;
    *h = 1;
    return FUT_OK;
}
