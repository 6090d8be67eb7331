// SPDX-License-Identifier: MPL-2.0
//
// Reads, writes, drains and delayed attribute changes: tried at once, deferred while they have to wait.
//
// Those that wait are answered in the order they came, per terminal, side and direction. Nothing is taken
// from a queue before its receiver has it: bytes whose delivery fails are put back. A request that is
// cancelled gives what it has done so far, or that it was cancelled.
#include "ttyd.h"

enum kind { READ, READ_INTO, WRITE, WRITE_FROM, DRAIN, SET_ATTR };

struct waiter {
    struct waiter *next;       // all that wait, oldest first; or the free ones
    enum kind kind;
    bool deferred;             // reply is valid; else req is
    struct fut_request *req;
    fut_reply_t reply;
    struct description *d;
    uint64_t total, done;      // bytes
    uint64_t since;            // when it began (VTIME)
    bool expired;              // VTIME ran out
    struct fut_lease_arg lease;
    struct fut_buffer to;      // READ at once: where the bytes go
    struct line_termios termios;
    bool flush;
    uint8_t data[WAIT_DATA];
};
static struct waiter pool[WAITERS], *unused, *first;
static bool ready;

static struct waiter *waiter_new(void)
{
    if (!ready) {
        for (unsigned i = 0; i < WAITERS; i++) {
            pool[i].next = unused;
            unused = &pool[i];
        }
        ready = true;
    }
    struct waiter *w = unused;
    if (w)
        unused = w->next;
    return w;
}

static void waiter_free(struct waiter *w)
{
    w->next = unused;
    unused = w;
}

static void unlink_waiter(struct waiter *w)
{
    struct waiter **p = &first;
    while (*p != w)
        p = &(*p)->next;
    *p = w->next;
}

// --- Moving bytes -----------------------------------------------------------------------------------------
// Between a waiter's memory and this process: an inline message or a lent range.
static bool deliver(struct waiter *w, const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return true; // end of file
    if (w->kind == READ_INTO)
        return (w->deferred ? fut_lease_write_reply(w->reply, &w->lease, w->done, bytes, n)
                            : fut_lease_write(w->req, &w->lease, w->done, bytes, n)) == FUT_OK;
    if (!w->deferred) {
        memcpy(w->to.data, bytes, n);
        w->to.len = n;
        return true;
    }
    memcpy(w->data, bytes, n); // sent with the answer
    return true;
}

static bool collect(struct waiter *w, uint8_t *bytes, size_t n)
{
    if (w->kind == WRITE) {
        memcpy(bytes, w->data + w->done, n);
        return true;
    }
    return (w->deferred ? fut_lease_read_reply(w->reply, &w->lease, w->done, bytes, n)
                        : fut_lease_read(w->req, &w->lease, w->done, bytes, n)) == FUT_OK;
}

#define NOT_YET (-1000) // the answer is not there yet

static bool read_may_return(struct waiter *w)
{
    const struct line *l = &description_terminal(w->d)->line;
    switch (line_read_wait(l, w->total)) {
    case LINE_READ_NOW: return true;
    case LINE_READ_WAIT: return false;
    default: return w->expired;
    }
}

// A read takes what there is, once, when there is enough.
static fut_status_t step_read(struct waiter *w)
{
    static uint8_t bytes[LINE_OUTPUT];
    struct terminal *t = description_terminal(w->d);
    struct line *l = &t->line;
    size_t room = w->total < sizeof bytes ? w->total : sizeof bytes, n;
    if (w->kind == READ && room > WAIT_DATA)
        room = WAIT_DATA;
    if (w->total == 0)
        return FUT_OK;
    if (w->d->side == MASTER) {
        if (!line_output_ready(l))
            return t->slave_seen && t->opens[SLAVE] == 0 ? IO_ERROR_IO : NOT_YET;
        uint32_t tail = l->out_tail;
        uint8_t urgent_count = l->urgent_count, urgent[sizeof l->urgent];
        memcpy(urgent, l->urgent, sizeof urgent);
        n = line_output(l, bytes, room);
        if (!deliver(w, bytes, n)) {
            l->out_tail = tail;
            l->urgent_count = urgent_count;
            memcpy(l->urgent, urgent, sizeof urgent);
            return IO_ERROR_BAD_ADDRESS;
        }
    } else {
        if (t->hung)
            return FUT_OK; // end of file
        if (!read_may_return(w))
            return NOT_YET;
        uint32_t tail = l->in_tail;
        n = line_read(l, bytes, room);
        if (!deliver(w, bytes, n)) {
            l->in_tail = tail;
            return IO_ERROR_BAD_ADDRESS;
        }
    }
    w->done = n;
    return FUT_OK;
}

// A write goes on until all is taken.
static fut_status_t step_write(struct waiter *w)
{
    struct terminal *t = description_terminal(w->d);
    uint8_t bytes[1024];
    while (w->done < w->total) {
        if (w->d->side == SLAVE && t->hung)
            return w->done ? FUT_OK : IO_ERROR_IO;
        size_t n = w->total - w->done < sizeof bytes ? w->total - w->done : sizeof bytes;
        if (w->d->side == MASTER) {
            size_t room = line_input_room(&t->line);
            n = n < room ? n : room;
            if (n == 0)
                return NOT_YET;
            if (!collect(w, bytes, n))
                return w->done ? FUT_OK : IO_ERROR_BAD_ADDRESS;
            line_input(&t->line, bytes, n);
            terminal_note_input(t);
        } else {
            if (t->line.stopped && line_output_count(&t->line) >= LINE_OUTPUT / 2)
                return NOT_YET;
            if (!collect(w, bytes, n))
                return w->done ? FUT_OK : IO_ERROR_BAD_ADDRESS;
            n = line_write(&t->line, bytes, n);
            if (n == 0)
                return NOT_YET;
        }
        w->done += n;
    }
    return FUT_OK;
}

static void apply_termios(struct waiter *w)
{
    struct terminal *t = description_terminal(w->d);
    if (w->flush)
        line_flush(&t->line, LINE_FLUSH_INPUT);
    line_set(&t->line, &w->termios);
}

static fut_status_t step(struct waiter *w)
{
    switch (w->kind) {
    case READ:
    case READ_INTO:
        return step_read(w);
    case WRITE:
    case WRITE_FROM:
        return step_write(w);
    default:
        if (!terminal_drained(description_terminal(w->d)))
            return NOT_YET;
        if (w->kind == SET_ATTR)
            apply_termios(w);
        return FUT_OK;
    }
}

// --- Answers --------------------------------------------------------------------------------------------
static void answer(struct waiter *w, fut_status_t status)
{
    if (status != FUT_OK) {
        (void)fut_reply_error(w->reply, status);
        return;
    }
    switch (w->kind) {
    case READ: {
        struct io_file_read_result res = {.data = {.data = w->data, .capacity = sizeof w->data, .len = w->done}};
        (void)io_file_read_reply(w->reply, &res);
        break;
    }
    case READ_INTO: {
        struct io_file_read_into_result res = {.n = w->done};
        (void)io_file_read_into_reply(w->reply, &res);
        break;
    }
    case WRITE: {
        struct io_file_write_result res = {.n = (uint32_t)w->done};
        (void)io_file_write_reply(w->reply, &res);
        break;
    }
    case WRITE_FROM: {
        struct io_file_write_from_result res = {.n = w->done};
        (void)io_file_write_from_reply(w->reply, &res);
        break;
    }
    case DRAIN:
        (void)tty_terminal_drain_reply(w->reply);
        break;
    case SET_ATTR:
        (void)tty_terminal_set_attr_reply(w->reply);
        break;
    }
}

static bool is_read(const struct waiter *w) { return w->kind == READ || w->kind == READ_INTO; }
static bool is_write(const struct waiter *w) { return w->kind == WRITE || w->kind == WRITE_FROM; }

// Whether an older one has to be answered before w.
static bool behind(const struct waiter *w)
{
    for (const struct waiter *o = first; o && o != w; o = o->next)
        if (o->d->terminal == w->d->terminal && o->d->side == w->d->side &&
            ((is_read(o) && is_read(w)) || (is_write(o) && is_write(w))))
            return true;
    return false;
}

bool wait_serve(struct terminal *t)
{
    bool any = false;
    for (struct waiter *w = first, *next; w; w = next) {
        next = w->next;
        if (description_terminal(w->d) != t || behind(w))
            continue;
        uint64_t before = w->done;
        fut_status_t status = step(w);
        any |= w->done != before;
        if (status == NOT_YET)
            continue;
        unlink_waiter(w);
        answer(w, status);
        waiter_free(w);
        any = true;
    }
    return any;
}

// --- Starting -----------------------------------------------------------------------------------------------
// w is filled; gives the answer, or defers.
static fut_status_t start(struct waiter *w, uint64_t *n)
{
    fut_status_t status = behind(w) ? NOT_YET : step(w);
    if (status == NOT_YET && w->d->status & IO_STATUS_NONBLOCK && (is_read(w) || is_write(w)))
        status = w->done ? FUT_OK : IO_ERROR_TRY_AGAIN;
    if (status == NOT_YET) {
        w->reply = fut_request_defer(w->req);
        if (w->reply.h == FUT_HANDLE_NONE)
            return IO_ERROR_NO_MEMORY;
        w->deferred = true;
        w->next = nullptr;
        struct waiter **p = &first;
        while (*p)
            p = &(*p)->next;
        *p = w;
        return FUT_DEFER;
    }
    *n = w->done;
    if (is_read(w) && w->kind == READ)
        w->to.len = status == FUT_OK ? w->done : 0;
    return status;
}

static struct waiter *begin(struct fut_request *req, struct description *d, enum kind kind, uint64_t total)
{
    struct waiter *w = waiter_new();
    if (!w)
        return nullptr;
    w->kind = kind;
    w->deferred = w->expired = false;
    w->req = req;
    w->d = d;
    w->total = total;
    w->done = 0;
    w->since = kind == READ || kind == READ_INTO ? fut_clock() : 0;
    return w;
}

static fut_status_t finish(struct waiter *w, uint64_t *n)
{
    struct terminal *t = description_terminal(w->d);
    fut_status_t status = start(w, n);
    if (status != FUT_DEFER)
        waiter_free(w);
    terminal_work(t); // what was moved, or a full queue, makes work
    return status;
}

fut_status_t wait_read(struct fut_request *req, struct description *d, size_t want, struct fut_buffer *to)
{
    struct waiter *w = begin(req, d, READ, want < to->capacity ? want : to->capacity);
    uint64_t n = 0;
    if (!w)
        return IO_ERROR_NO_MEMORY;
    w->to = *to;
    fut_status_t status = finish(w, &n);
    to->len = n;
    return status;
}

fut_status_t wait_read_into(struct fut_request *req, struct description *d, struct fut_lease_arg lease, uint64_t *n)
{
    struct waiter *w = begin(req, d, READ_INTO, lease.len);
    if (!w)
        return IO_ERROR_NO_MEMORY;
    w->lease = lease;
    return finish(w, n);
}

fut_status_t wait_write(struct fut_request *req, struct description *d, struct fut_bytes data, uint32_t *n)
{
    struct waiter *w = begin(req, d, WRITE, data.len);
    uint64_t done = 0;
    if (!w)
        return IO_ERROR_NO_MEMORY;
    if (data.len > sizeof w->data) {
        waiter_free(w);
        return IO_ERROR_INVALID;
    }
    memcpy(w->data, data.data, data.len);
    fut_status_t status = finish(w, &done);
    *n = (uint32_t)done;
    return status;
}

fut_status_t wait_write_from(struct fut_request *req, struct description *d, struct fut_lease_arg lease, uint64_t *n)
{
    struct waiter *w = begin(req, d, WRITE_FROM, lease.len);
    if (!w)
        return IO_ERROR_NO_MEMORY;
    w->lease = lease;
    return finish(w, n);
}

fut_status_t wait_drain(struct fut_request *req, struct description *d)
{
    struct waiter *w = begin(req, d, DRAIN, 0);
    uint64_t n;
    return w ? finish(w, &n) : IO_ERROR_NO_MEMORY;
}

fut_status_t wait_set_attr(struct fut_request *req, struct description *d, bool flush, const struct line_termios *t)
{
    struct waiter *w = begin(req, d, SET_ATTR, 0);
    uint64_t n;
    if (!w)
        return IO_ERROR_NO_MEMORY;
    w->termios = *t;
    w->flush = flush;
    return finish(w, &n);
}

// --- Ends of waits ---------------------------------------------------------------------------------------------
static struct waiter *find(fut_reply_t reply)
{
    struct waiter *w = first;
    while (w && w->reply.h != reply.h)
        w = w->next;
    return w;
}

void wait_cancel(struct fut_server *, fut_reply_t reply)
{
    struct waiter *w = find(reply);
    if (!w)
        return;
    unlink_waiter(w);
    answer(w, w->done ? FUT_OK : FUT_ERR_CANCELLED);
    waiter_free(w);
}

void wait_stale(struct fut_server *, fut_reply_t reply)
{
    struct waiter *w = find(reply);
    if (w) {
        unlink_waiter(w);
        waiter_free(w);
    }
    (void)fut_cap_delete(reply.h);
}

// VTIME: from the begin of the read, or from the last byte that came.
static uint64_t deadline(const struct waiter *w)
{
    if (!is_read(w) || w->d->side == MASTER || w->expired)
        return FUT_FOREVER;
    struct terminal *t = description_terminal(w->d);
    uint64_t last = terminal_last_input(t);
    switch (line_read_wait(&t->line, w->total)) {
    case LINE_READ_WAIT_TIMED: return w->since + line_vtime_ns(&t->line);
    case LINE_READ_WAIT_BYTE: return (last > w->since ? last : w->since) + line_vtime_ns(&t->line);
    default: return FUT_FOREVER;
    }
}

void wait_alarm(struct fut_server *, uint64_t now)
{
    for (struct waiter *w = first; w; w = w->next)
        if (deadline(w) <= now)
            w->expired = true;
    (void)console_check(now);
    for (unsigned i = 0; i < TERMINALS; i++)
        if (state->terminal[i].id)
            terminal_work(&state->terminal[i]);
}

void wait_schedule(void)
{
    uint64_t next = console_check(0);
    for (struct waiter *w = first; w; w = w->next) {
        uint64_t at = deadline(w);
        next = at < next ? at : next;
    }
    server.alarm_at = next == FUT_FOREVER ? 0 : next ? next : 1;
}
