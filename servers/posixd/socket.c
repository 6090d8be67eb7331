// SPDX-License-Identifier: MPL-2.0
//
// Connected stream sockets of the local domain, made in pairs. One is two ends of two pipes: it reads from one and
// writes to the other, and its peer the other way round, so that everything about waiting, interruption and leases is
// the pipes'. Both ends show their readiness on one Event: their bits do not meet.
#include "pipe.h"

struct socket {
    struct file file; // first: requests carry the file
    struct end *in, *out;
};

static struct socket *socket_of(struct fut_request *req) { return container((struct file *)req->object, struct socket, file); }

// The end that serves a request, with the socket's status flags.
static void become(struct fut_request *req, struct end *e)
{
    e->file.status = socket_of(req)->file.status;
    req->object = &e->file;
}

static fut_status_t socket_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    become(req, socket_of(req)->in);
    return pipe_class.ops.read(req, len, res);
}

static fut_status_t socket_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    become(req, socket_of(req)->out);
    return pipe_class.ops.write(req, data, res);
}

static fut_status_t socket_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                     struct io_file_read_into_result *res)
{
    become(req, socket_of(req)->in);
    return pipe_class.ops.read_into(req, off, b, res);
}

static fut_status_t socket_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                      struct io_file_write_from_result *res)
{
    become(req, socket_of(req)->out);
    return pipe_class.ops.write_from(req, off, b, res);
}

static fut_status_t socket_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct socket *s = socket_of(req);
    struct readiness *r = &s->in->pipe->read_ready, *w = &s->out->pipe->write_ready;
    if (r->event == 0) {
        const uint32_t shown = FUT_RIGHT_READ | FUT_RIGHT_DUP | FUT_RIGHT_MOVE;
        fut_handle_t h[4] = {};
        bool good = fut_event_create(&h[0]) == FUT_OK && fut_cap_mint(h[0], shown, &h[1]) == FUT_OK &&
                    fut_cap_mint(h[0], FUT_RIGHTS_ALL, &h[2]) == FUT_OK && fut_cap_mint(h[0], shown, &h[3]) == FUT_OK;
        if (!good) {
            for (int i = 0; i < 4; i++)
                if (h[i] != 0)
                    (void)fut_cap_delete(h[i]);
            return IO_ERROR_NO_MEMORY;
        }
        *r = (struct readiness){.event = h[0], .shown = h[1]};
        *w = (struct readiness){.event = h[2], .shown = h[3]};
        pipe_update_readiness(s->in->pipe);
        pipe_update_readiness(s->out->pipe);
    }
    res->e = r->shown;
    return FUT_OK;
}

static void socket_closed(struct file *f)
{
    struct socket *s = container(f, struct socket, file);
    if (s->in != nullptr)
        pipe_class.closed(&s->in->file);
    if (s->out != nullptr)
        pipe_class.closed(&s->out->file);
    heap_free(s);
}

static const struct file_class socket_class = {
    .ops = {.read = socket_read, .write = socket_write, .watch = socket_watch, .read_into = socket_read_into,
            .write_from = socket_write_from},
    .closed = socket_closed,
};

static struct socket *socket_new(struct pipe *in, struct pipe *out, uint32_t status, const struct io_stat *node)
{
    struct socket *s = heap_zero(sizeof *s);
    if (s == nullptr)
        return nullptr;
    s->in = pipe_end_bare(in, true, false, status, node);
    s->out = pipe_end_bare(out, false, true, status, node);
    s->file.status = status;
    s->file.node = *node;
    if (s->in == nullptr || s->out == nullptr) {
        socket_closed(&s->file);
        return nullptr;
    }
    return s;
}

fut_status_t socket_pair(uint32_t status, const struct process *by, io_file_t *a, io_file_t *b)
{
    struct pipe *p = pipe_new(), *q = pipe_new();
    int64_t now = posixd.clock_page->realtime_offset_ns + (int64_t)now_ns();
    struct io_stat node = {.dev = 10, .mode = 0140777, .nlink = 1, .uid = by->cred.euid, .gid = by->cred.egid,
                           .block_size = PAGE, .atime = now, .mtime = now, .ctime = now};
    if (p == nullptr || q == nullptr) {
        heap_free(p);
        heap_free(q);
        return IO_ERROR_NO_MEMORY;
    }
    status = IO_STATUS_READ_WRITE | (status & IO_STATUS_NONBLOCK);
    node.ino = p->number;
    // From its first end on, a pipe is freed with its last one.
    struct socket *one = socket_new(p, q, status, &node);
    if (one == nullptr)
        return IO_ERROR_NO_MEMORY;
    node.ino = q->number;
    struct socket *other = socket_new(q, p, status, &node);
    if (other == nullptr) {
        socket_closed(&one->file);
        return IO_ERROR_NO_MEMORY;
    }
    fut_status_t result = file_session(&one->file, &socket_class, a);
    if (result != FUT_OK) {
        socket_closed(&one->file);
        socket_closed(&other->file);
        return result;
    }
    result = file_session(&other->file, &socket_class, b);
    if (result != FUT_OK) {
        socket_closed(&other->file);
        (void)fut_cap_delete(a->h); // its no-senders notice frees the other
    }
    return result;
}
