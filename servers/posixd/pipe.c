// SPDX-License-Identifier: MPL-2.0
//
// Pipes. Bytes go through a ring of 64 KiB; small transfers come in the message, large ones are copied
// straight between the ring and the caller's memory (leases). A call that cannot go on waits in a queue
// with how far it has come, so that an interruption gives back what was transferred and nothing is lost
// or doubled. After every change pump() lets the waiting calls go as far as they can and brings the
// readiness Events up to date.
#include "pipe.h"

struct pipe_wait {
    struct deferred deferred;
    struct pipe_wait *next;
    struct end *end;        // held: the caller's Session lives as long as its call
    struct pipe *pipe;
    bool write, leased;
    struct fut_lease_arg lease;
    char *data;             // bytes of an inline write; heap
    uint64_t total, done;
};

static uint64_t pipe_numbers;

struct pipe *pipe_new(void)
{
    struct pipe *p = heap_zero(sizeof *p);
    if (p != nullptr)
        p->number = ++pipe_numbers;
    return p;
}

static void pipe_free(struct pipe *p)
{
    readiness_free(&p->read_ready);
    readiness_free(&p->write_ready);
    while (p->marks != nullptr)
        p->drop_mark(p);
    fifo_forget(p);
    heap_free(p->ring.data);
    heap_free(p);
}

// --- Readiness -----------------------------------------------------------------------------------------

void pipe_update_readiness(struct pipe *p)
{
    if (p->changed != nullptr) {
        p->changed(p);
        p->fresh = 0;
        return;
    }
    if (p->read_ready.event == 0 && p->write_ready.event == 0)
        return;
    // What nobody has open any more shows nothing: it may still be in somebody's WaitSet.
    uint64_t in = (p->ring.used != 0 ? IO_READY_IN : 0) | (p->writers == 0 ? IO_READY_HANGUP : 0);
    uint64_t out = (ring_space(&p->ring) >= RING_ATOMIC ? IO_READY_OUT : 0) | (p->readers == 0 ? IO_READY_ERROR : 0);
    readiness_set(&p->read_ready, p->readers != 0 ? in : 0, p->fresh);
    readiness_set(&p->write_ready, p->writers != 0 ? out : 0, p->fresh);
    p->fresh = 0;
}

static fut_status_t pipe_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct end *e = req->object;
    struct readiness *r = e->reads ? &e->pipe->read_ready : &e->pipe->write_ready;
    fut_status_t status = readiness_get(r, &res->e);
    if (status == FUT_OK)
        pipe_update_readiness(e->pipe);
    return status;
}

// --- Moving bytes --------------------------------------------------------------------------------------

// One step of a waiting or new call. `req` is set while it is new.
static fut_status_t lease_read(struct fut_request *req, struct pipe_wait *w, char *to, size_t n)
{
    return req != nullptr ? fut_lease_read(req, &w->lease, w->done, to, n)
                          : fut_lease_read_reply(w->deferred.reply, &w->lease, w->done, to, n);
}

static fut_status_t lease_write(struct fut_request *req, struct pipe_wait *w, const char *from, size_t n)
{
    return req != nullptr ? fut_lease_write(req, &w->lease, w->done, from, n)
                          : fut_lease_write_reply(w->deferred.reply, &w->lease, w->done, from, n);
}

// Puts in what may go in. < 0 or > 0: the caller's memory failed; w->done tells how far it came.
static fut_status_t write_step(struct fut_request *req, struct pipe_wait *w)
{
    struct pipe *p = w->pipe;
    if (p->ring.data == nullptr && w->total != 0) {
        p->ring.data = heap_alloc(RING_BYTES);
        if (p->ring.data == nullptr)
            return IO_ERROR_NO_MEMORY;
    }
    size_t n = ring_may_take(&p->ring, w->total, w->done);
    while (n != 0) {
        struct ring_span span = ring_to_fill(&p->ring, n);
        if (w->leased) {
            fut_status_t status = lease_read(req, w, span.data, span.len);
            if (status != FUT_OK)
                return IO_ERROR_BAD_ADDRESS;
        } else {
            memcpy(span.data, w->data + w->done, span.len);
        }
        ring_filled(&p->ring, span.len);
        p->put += span.len;
        p->fresh |= IO_READY_IN;
        w->done += span.len;
        n -= span.len;
    }
    return FUT_OK;
}

static void drained(struct pipe *p, size_t n)
{
    ring_drained(&p->ring, n);
    p->taken += n;
    while (p->marks != nullptr && p->marks->start < p->taken)
        p->drop_mark(p);
}

static fut_status_t read_leased(struct fut_request *req, struct pipe_wait *w)
{
    struct pipe *p = w->pipe;
    while (p->ring.used != 0 && w->done < w->total) {
        struct ring_span span = ring_to_drain(&p->ring, w->total - w->done);
        if (lease_write(req, w, span.data, span.len) != FUT_OK)
            return IO_ERROR_BAD_ADDRESS;
        drained(p, span.len);
        w->done += span.len;
    }
    return FUT_OK;
}

static void read_inline(struct pipe *p, struct fut_buffer *b, size_t max)
{
    b->len = 0;
    if (max > b->capacity)
        max = b->capacity;
    while (p->ring.used != 0 && b->len < max) {
        struct ring_span span = ring_to_drain(&p->ring, max - b->len);
        memcpy((char *)b->data + b->len, span.data, span.len);
        drained(p, span.len);
        b->len += span.len;
    }
}

// --- Calls that wait -----------------------------------------------------------------------------------

static void take_from_queue(struct pipe_wait *w)
{
    struct pipe_wait **at = w->write ? &w->pipe->writing : &w->pipe->reading;
    while (*at != nullptr && *at != w)
        at = &(*at)->next;
    if (*at == w)
        *at = w->next;
}

static void wait_free(struct pipe_wait *w)
{
    heap_free(w->data);
    heap_free(w);
}

static void answer(struct pipe_wait *w, fut_status_t status)
{
    fut_reply_t reply = w->deferred.reply;
    if (status != FUT_OK && w->done == 0) {
        (void)fut_reply_error(reply, status);
    } else if (w->write && w->leased) {
        struct io_file_write_from_result res = {.n = w->done};
        (void)io_file_write_from_reply(reply, &res);
    } else if (w->write) {
        struct io_file_write_result res = {.n = (uint32_t)w->done};
        (void)io_file_write_reply(reply, &res);
    } else if (w->leased) {
        struct io_file_read_into_result res = {.n = w->done};
        (void)io_file_read_into_reply(reply, &res);
    } else {
        static char bytes[IO_MAX_INLINE];
        struct io_file_read_result res = {.data = {.data = bytes, .capacity = sizeof bytes}};
        read_inline(w->pipe, &res.data, w->total);
        (void)io_file_read_reply(reply, &res);
    }
    wait_free(w);
}

static void finish(struct pipe_wait *w, fut_status_t status)
{
    take_from_queue(w);
    deferred_take(&w->deferred);
    answer(w, status);
}

static void pump(struct pipe *p)
{
    bool moved = p->writing != nullptr || p->reading != nullptr;
    while (moved) {
        moved = false;
        struct pipe_wait *w = p->writing;
        if (w != nullptr && (p->readers == 0 || p->writers == 0)) { // no writers: a socket that was shut down
            finish(w, IO_ERROR_BROKEN_PIPE);
            moved = true;
            continue;
        }
        if (w != nullptr) {
            uint64_t before = w->done;
            fut_status_t status = write_step(nullptr, w);
            moved = w->done != before;
            if (status != FUT_OK || w->done == w->total) {
                finish(w, status);
                moved = true;
            }
        }
        struct pipe_wait *r = p->reading;
        if (r != nullptr && (p->ring.used != 0 || p->writers == 0 || p->readers == 0)) {
            fut_status_t status = r->leased ? read_leased(nullptr, r) : FUT_OK;
            finish(r, status);
            moved = true;
        }
    }
    pipe_update_readiness(p);
}

static void wait_cancel(struct deferred *d)
{
    struct pipe_wait *w = container(d, struct pipe_wait, deferred);
    take_from_queue(w);
    if (!w->write)
        (void)fut_reply_error(w->deferred.reply, IO_ERROR_INTERRUPTED), wait_free(w);
    else
        answer(w, IO_ERROR_INTERRUPTED);
}

static void wait_drop(struct deferred *d)
{
    struct pipe_wait *w = container(d, struct pipe_wait, deferred);
    take_from_queue(w);
    wait_free(w);
}

// Queues a copy of `w` as it stands.
static fut_status_t wait_for_it(struct fut_request *req, const struct pipe_wait *from, const void *data)
{
    struct pipe_wait *w = heap_alloc(sizeof *w);
    if (w == nullptr)
        return IO_ERROR_NO_MEMORY;
    *w = *from;
    w->next = nullptr;
    w->data = nullptr;
    if (w->write && !w->leased) {
        w->data = heap_alloc(w->total);
        if (w->data == nullptr) {
            heap_free(w);
            return IO_ERROR_NO_MEMORY;
        }
        memcpy(w->data, data, w->total);
    }
    struct pipe_wait **at = w->write ? &w->pipe->writing : &w->pipe->reading;
    while (*at != nullptr)
        at = &(*at)->next;
    *at = w;
    if (!deferred_add(&w->deferred, req, wait_cancel, wait_drop)) {
        take_from_queue(w);
        wait_free(w);
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_DEFER;
}

// --- Without waiting: sockets ---------------------------------------------------------------------------

fut_status_t pipe_put_now(struct fut_request *req, struct pipe *p, const void *data, struct fut_lease_arg *lease,
                          uint64_t total, uint64_t *n)
{
    *n = 0;
    if (p->readers == 0)
        return IO_ERROR_BROKEN_PIPE;
    if (total == 0)
        return FUT_OK;
    struct pipe_wait w = {.pipe = p, .write = true, .leased = lease != nullptr, .data = (char *)data, .total = total};
    if (lease != nullptr)
        w.lease = *lease;
    fut_status_t status = FUT_OK;
    for (uint64_t before = UINT64_MAX; p->writing == nullptr && status == FUT_OK && w.done != before && w.done < w.total;) {
        before = w.done;
        status = write_step(req, &w);
        if (w.done != before)
            pump(p);
    }
    *n = w.done;
    return w.done != 0 ? FUT_OK : status != FUT_OK ? status : IO_ERROR_TRY_AGAIN;
}

fut_status_t pipe_take_now(struct fut_request *req, struct pipe *p, void *data, struct fut_lease_arg *lease, uint64_t max,
                           bool peek, uint64_t *n)
{
    uint32_t at = p->ring.head;
    *n = 0;
    if (max > p->ring.used)
        max = p->ring.used;
    while (*n < max) {
        size_t part = RING_BYTES - at < max - *n ? RING_BYTES - at : (size_t)(max - *n);
        if (lease == nullptr)
            memcpy((char *)data + *n, p->ring.data + at, part);
        else if (fut_lease_write(req, lease, *n, p->ring.data + at, part) != FUT_OK)
            break;
        at = (at + (uint32_t)part) % RING_BYTES;
        *n += part;
    }
    if (*n == 0 && max != 0)
        return IO_ERROR_BAD_ADDRESS;
    if (!peek && *n != 0) {
        drained(p, *n);
        pump(p);
    }
    return FUT_OK;
}

// --- Calls ---------------------------------------------------------------------------------------------

static bool nonblocking(const struct end *e) { return (e->file.status & IO_STATUS_NONBLOCK) != 0; }

// Whether a read gets something now; FUT_DEFER: it has to wait.
static fut_status_t may_read(const struct end *e, uint64_t len)
{
    if (!e->reads)
        return IO_ERROR_BAD_FILE;
    if (e->pipe->ring.used != 0 || len == 0 || e->pipe->writers == 0)
        return FUT_OK;
    return nonblocking(e) ? IO_ERROR_TRY_AGAIN : FUT_DEFER;
}

static fut_status_t pipe_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct end *e = req->object;
    res->data.len = 0;
    fut_status_t status = may_read(e, len);
    if (status == FUT_DEFER) {
        struct pipe_wait w = {.end = e, .pipe = e->pipe, .total = len};
        return wait_for_it(req, &w, nullptr);
    }
    if (status == FUT_OK) {
        read_inline(e->pipe, &res->data, len);
        pump(e->pipe);
    }
    return status;
}

static fut_status_t pipe_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                   struct io_file_read_into_result *res)
{
    struct end *e = req->object;
    if (off != UINT64_MAX)
        return IO_ERROR_ILLEGAL_SEEK;
    fut_status_t status = may_read(e, b.len);
    struct pipe_wait w = {.end = e, .pipe = e->pipe, .leased = true, .lease = b, .total = b.len};
    if (status == FUT_DEFER)
        return wait_for_it(req, &w, nullptr);
    if (status != FUT_OK)
        return status;
    status = read_leased(req, &w);
    pump(e->pipe);
    res->n = w.done;
    return w.done != 0 ? FUT_OK : status;
}

static fut_status_t begin_write(struct fut_request *req, struct pipe_wait *w, const void *data)
{
    struct end *e = w->end;
    struct pipe *p = w->pipe;
    if (!e->writes)
        return IO_ERROR_BAD_FILE;
    if (p->readers == 0)
        return IO_ERROR_BROKEN_PIPE;
    fut_status_t status = FUT_OK;
    w->data = (char *)data;
    // Readers that wait make room at once; what they leave no room for waits until somebody reads. Behind others
    // it has to queue.
    for (uint64_t before = UINT64_MAX; p->writing == nullptr && status == FUT_OK && w->done != before && w->done < w->total;) {
        before = w->done;
        status = write_step(req, w);
        if (w->done != before)
            pump(p);
    }
    if (status != FUT_OK)
        return w->done != 0 ? FUT_OK : status;
    if (w->done < w->total) {
        status = nonblocking(e) ? IO_ERROR_TRY_AGAIN : wait_for_it(req, w, data);
        if (status == FUT_DEFER || w->done == 0)
            return status;
    }
    return FUT_OK;
}

static fut_status_t pipe_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    struct end *e = req->object;
    struct pipe_wait w = {.end = e, .pipe = e->pipe, .write = true, .total = data.len};
    fut_status_t status = begin_write(req, &w, data.data);
    res->n = (uint32_t)w.done;
    return status;
}

static fut_status_t pipe_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                    struct io_file_write_from_result *res)
{
    struct end *e = req->object;
    if (off != UINT64_MAX)
        return IO_ERROR_ILLEGAL_SEEK;
    struct pipe_wait w = {.end = e, .pipe = e->pipe, .write = true, .leased = true, .lease = b, .total = b.len};
    fut_status_t status = begin_write(req, &w, nullptr);
    res->n = w.done;
    return status;
}

static void pipe_closed(struct file *f)
{
    struct end *e = container(f, struct end, file);
    struct pipe *p = e->pipe;
    p->readers -= e->reads;
    p->writers -= e->writes;
    heap_free(e);
    pump(p);
    if (p->readers == 0 && p->writers == 0 && p->opening == nullptr)
        pipe_free(p);
}

const struct file_class pipe_class = {
    .ops = {.read = pipe_read,
            .write = pipe_write,
            .watch = pipe_watch,
            .read_into = pipe_read_into,
            .write_from = pipe_write_from},
    .closed = pipe_closed,
};

// An end that no Session names: part of something else, which closes it (pipe_class.closed).
struct end *pipe_end_bare(struct pipe *p, bool reads, bool writes, uint32_t status, const struct io_stat *node)
{
    struct end *e = heap_zero(sizeof *e);
    if (e == nullptr)
        return nullptr;
    *e = (struct end){.pipe = p, .reads = reads, .writes = writes};
    e->file.status = status;
    e->file.node = *node;
    p->readers += reads;
    p->writers += writes;
    return e;
}

fut_status_t pipe_end_new(struct pipe *p, bool reads, bool writes, uint32_t status, const struct io_stat *node,
                          io_file_t *out)
{
    struct end *e = heap_zero(sizeof *e);
    if (e == nullptr)
        return IO_ERROR_NO_MEMORY;
    e->pipe = p;
    e->reads = reads;
    e->writes = writes;
    e->file.status = status;
    e->file.node = *node;
    fut_status_t result = file_session(&e->file, &pipe_class, out);
    if (result != FUT_OK) {
        heap_free(e);
        return result;
    }
    p->readers += reads;
    p->writers += writes;
    pipe_update_readiness(p);
    return FUT_OK;
}

fut_status_t pipe_make(uint32_t status, const struct process *by, io_file_t *read, io_file_t *write)
{
    struct pipe *p = pipe_new();
    if (p == nullptr)
        return IO_ERROR_NO_MEMORY;
    int64_t now = posixd.clock_page->realtime_offset_ns + (int64_t)now_ns();
    struct io_stat node = {.dev = 11, .ino = p->number, .mode = 0010600, .nlink = 1, .uid = by->cred.euid,
                           .gid = by->cred.egid, .block_size = PAGE, .atime = now, .mtime = now, .ctime = now};
    uint32_t nonblock = status & IO_STATUS_NONBLOCK;
    fut_status_t result = pipe_end_new(p, true, false, nonblock, &node, read);
    if (result != FUT_OK) {
        heap_free(p);
        return result;
    }
    result = pipe_end_new(p, false, true, IO_STATUS_WRITE_ONLY | nonblock, &node, write);
    if (result != FUT_OK)
        (void)fut_cap_delete(read->h); // its no-senders notice frees the pipe
    return result;
}
