// SPDX-License-Identifier: MPL-2.0
//
// Pipes of posixd on the host: the real sources, with calls made by hand and memory of callers as arrays.
#include "pipe.h"
#include <stdio.h>

struct posixd posixd;
struct mock mock;
static struct fut_posix_clock page;

#define CHECK(x)                                                    \
    do {                                                            \
        if (!(x)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
            exit(1);                                                \
        }                                                           \
    } while (0)

void *heap_alloc(size_t n) { return malloc(n); }
void *heap_zero(size_t n) { return calloc(1, n); }
void heap_free(void *p) { free(p); }
uint64_t now_ns(void) { return 0; }
void fifo_forget(struct pipe *p) { (void)p; }

// A lease's index names one of these.
static char memory[4][400000];
static fut_handle_t next_reply = 1, last_reply;
static uint64_t answered[64]; // by reply
static fut_status_t failed[64];

fut_reply_t fut_request_defer(struct fut_request *r) { return (void)r, (fut_reply_t){last_reply = next_reply++}; }
fut_status_t fut_reply_error(fut_reply_t r, fut_status_t s) { return failed[r.h] = s, FUT_OK; }
fut_status_t io_file_write_from_reply(fut_reply_t r, const struct io_file_write_from_result *s) { return answered[r.h] = s->n, FUT_OK; }
fut_status_t io_file_write_reply(fut_reply_t r, const struct io_file_write_result *s) { return answered[r.h] = s->n, FUT_OK; }
fut_status_t io_file_read_into_reply(fut_reply_t r, const struct io_file_read_into_result *s) { return answered[r.h] = s->n, FUT_OK; }
fut_status_t io_file_read_reply(fut_reply_t r, const struct io_file_read_result *s) { return answered[r.h] = s->data.len, FUT_OK; }
fut_status_t fut_lease_read_reply(fut_reply_t r, const struct fut_lease_arg *l, size_t o, void *to, size_t n)
{
    (void)r;
    return memcpy(to, memory[l->index] + o, n), FUT_OK;
}
fut_status_t fut_lease_write_reply(fut_reply_t r, const struct fut_lease_arg *l, size_t o, const void *from, size_t n)
{
    (void)r;
    return memcpy(memory[l->index] + o, from, n), FUT_OK;
}
fut_status_t fut_lease_read(struct fut_request *r, const struct fut_lease_arg *l, size_t o, void *to, size_t n)
{
    (void)r;
    return fut_lease_read_reply((fut_reply_t){}, l, o, to, n);
}
fut_status_t fut_lease_write(struct fut_request *r, const struct fut_lease_arg *l, size_t o, const void *from, size_t n)
{
    (void)r;
    return fut_lease_write_reply((fut_reply_t){}, l, o, from, n);
}

static struct file *read_end, *write_end;

static void make(uint32_t status)
{
    struct process p = {};
    io_file_t r, w;
    posixd.clock_page = &page;
    CHECK(pipe_make(status, &p, &r, &w) == FUT_OK);
    read_end = container(object_find(r.h), struct file, object);
    write_end = container(object_find(w.h), struct file, object);
    memset(answered, 0, sizeof answered);
    memset(failed, 0, sizeof failed);
    next_reply = 1;
}

static void close_end(struct file **f)
{
    if (*f != nullptr) {
        object_remove(&(*f)->object);
        (*f)->class->closed(*f);
    }
    *f = nullptr;
}

static void done(void)
{
    close_end(&read_end);
    close_end(&write_end);
}

static fut_status_t write_leased(unsigned index, size_t n, uint64_t *took)
{
    struct fut_request req = {.object = write_end};
    struct io_file_write_from_result res = {};
    fut_status_t s = file_ops.write_from(&req, UINT64_MAX, (struct fut_lease_arg){.len = n, .index = index}, &res);
    *took = res.n;
    return s;
}

static fut_status_t read_leased(unsigned index, size_t n, uint64_t *got)
{
    struct fut_request req = {.object = read_end};
    struct io_file_read_into_result res = {};
    fut_status_t s = file_ops.read_into(&req, UINT64_MAX, (struct fut_lease_arg){.len = n, .index = index}, &res);
    *got = res.n;
    return s;
}

static void long_write_meets_waiting_reader(void)
{
    uint64_t n;
    make(0);
    for (size_t i = 0; i < 300000; i++)
        memory[0][i] = (char)(i * 7 + i / 1000);
    CHECK(read_leased(1, 65536, &n) == FUT_DEFER);
    fut_handle_t reader = last_reply;
    CHECK(write_leased(0, 300000, &n) == FUT_DEFER); // the reader has 64 KiB, the ring another 64
    fut_handle_t writer = last_reply;
    CHECK(answered[reader] == 65536 && memcmp(memory[0], memory[1], 65536) == 0);
    uint64_t at = 65536;
    while (at < 300000) {
        CHECK(read_leased(1, 65536, &n) == FUT_OK && n != 0); // it must never find the pipe empty
        CHECK(memcmp(memory[0] + at, memory[1], n) == 0);
        at += n;
    }
    CHECK(at == 300000 && answered[writer] == 300000);
    done();
}

static void end_of_file_and_broken_pipe(void)
{
    uint64_t n;
    make(0);
    CHECK(write_leased(0, 10, &n) == FUT_OK && n == 10);
    close_end(&write_end);
    CHECK(read_leased(1, 100, &n) == FUT_OK && n == 10);
    CHECK(read_leased(1, 100, &n) == FUT_OK && n == 0);
    done();
    make(0);
    close_end(&read_end);
    CHECK(write_leased(0, 10, &n) == IO_ERROR_BROKEN_PIPE);
    done();
    make(0);
    CHECK(write_leased(0, 100000, &n) == FUT_DEFER);
    fut_handle_t writer = last_reply;
    close_end(&read_end); // what was taken is told; the next write fails
    CHECK(answered[writer] == 65536);
    done();
}

static void nonblocking(void)
{
    uint64_t n;
    make(IO_STATUS_NONBLOCK);
    CHECK(read_leased(1, 10, &n) == IO_ERROR_TRY_AGAIN);
    CHECK(write_leased(0, 100000, &n) == FUT_OK && n == 65536);
    CHECK(write_leased(0, 1, &n) == IO_ERROR_TRY_AGAIN);
    CHECK(read_leased(1, 4095, &n) == FUT_OK && n == 4095);
    CHECK(write_leased(0, 4096, &n) == IO_ERROR_TRY_AGAIN); // whole or not at all
    CHECK(write_leased(0, 4095, &n) == FUT_OK && n == 4095);
    done();
}

static void interrupted_write_tells_what_went(void)
{
    uint64_t n;
    make(0);
    CHECK(write_leased(0, 100000, &n) == FUT_DEFER);
    deferred_cancel((fut_reply_t){last_reply});
    CHECK(answered[last_reply] == 65536);
    CHECK(read_leased(1, 100000, &n) == FUT_OK && n == 65536);
    CHECK(read_leased(1, 1, &n) == FUT_DEFER);
    deferred_cancel((fut_reply_t){last_reply});
    CHECK(failed[last_reply] == IO_ERROR_INTERRUPTED);
    done();
}

static void dead_writer_leaves_no_trace(void)
{
    uint64_t n;
    make(0);
    CHECK(write_leased(0, 65536, &n) == FUT_OK);
    CHECK(write_leased(0, 65536, &n) == FUT_DEFER);
    deferred_stale((fut_reply_t){last_reply});
    CHECK(read_leased(1, 65536, &n) == FUT_OK && n == 65536);
    CHECK(((struct end *)read_end)->pipe->writing == nullptr);
    done();
}

int main(void)
{
    long_write_meets_waiting_reader();
    end_of_file_and_broken_pipe();
    nonblocking();
    interrupted_write_tells_what_went();
    dead_writer_leaves_no_trace();
    return 0;
}
