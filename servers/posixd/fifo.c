// SPDX-License-Identifier: MPL-2.0
//
// FIFOs: pipes found by the node that names them. Opening one end waits for the other.
#include "pipe.h"

static struct pipe *fifos;

struct fifo_open {
    struct deferred deferred;
    struct fifo_open *next;
    struct pipe *pipe;
    bool reads;
    io_file_t file;
};

static void unlink_open(struct fifo_open *o)
{
    for (struct fifo_open **at = &o->pipe->opening; *at != nullptr; at = &(*at)->next) {
        if (*at == o) {
            *at = o->next;
            return;
        }
    }
}

static void open_cancel(struct deferred *d)
{
    struct fifo_open *o = container(d, struct fifo_open, deferred);
    unlink_open(o);
    (void)fut_reply_error(d->reply, IO_ERROR_INTERRUPTED);
    (void)fut_cap_delete(o->file.h); // the end goes with its notice
    heap_free(o);
}

static void open_drop(struct deferred *d)
{
    struct fifo_open *o = container(d, struct fifo_open, deferred);
    unlink_open(o);
    (void)fut_cap_delete(o->file.h);
    heap_free(o);
}

void fifo_ends_changed(struct pipe *p)
{
    for (struct fifo_open *o = p->opening, *next; o != nullptr; o = next) {
        next = o->next;
        if (o->reads ? p->writers == 0 : p->readers == 0)
            continue;
        unlink_open(o);
        deferred_take(&o->deferred);
        struct process_process_open_special_result res = {.f = o->file, .kind = FUT_POSIX_KIND_PIPE};
        (void)process_process_open_special_reply(o->deferred.reply, &res);
        heap_free(o);
    }
}

void fifo_forget(struct pipe *p)
{
    for (struct pipe **at = &fifos; *at != nullptr; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            return;
        }
    }
}

static struct pipe *fifo_get(const struct io_stat *node)
{
    for (struct pipe *p = fifos; p != nullptr; p = p->next) {
        if (p->dev == node->dev && p->ino == node->ino)
            return p;
    }
    struct pipe *p = pipe_new();
    if (p != nullptr) {
        p->dev = node->dev;
        p->ino = node->ino;
        p->next = fifos;
        fifos = p;
    }
    return p;
}

fut_status_t fifo_open(struct fut_request *req, const struct io_stat *node, uint32_t flags, io_file_t *out)
{
    bool both = (flags & FS_OPEN_FLAGS_READ_WRITE) != 0;
    bool writes = both || (flags & FS_OPEN_FLAGS_WRITE_ONLY) != 0, reads = both || !writes;
    struct pipe *p = fifo_get(node);
    if (p == nullptr)
        return IO_ERROR_NO_MEMORY;
    bool nonblock = (flags & FS_OPEN_FLAGS_NONBLOCK) != 0;
    if (writes && !reads && nonblock && p->readers == 0) {
        if (p->writers == 0 && p->opening == nullptr) {
            fifo_forget(p);
            heap_free(p);
        }
        return IO_ERROR_NO_DEVICE_ADDRESS; // nobody reads
    }
    uint32_t status = (both ? IO_STATUS_READ_WRITE : writes ? IO_STATUS_WRITE_ONLY : 0) |
                      (nonblock ? IO_STATUS_NONBLOCK : 0);
    fut_status_t result = pipe_end_new(p, reads, writes, status, node, out);
    if (result != FUT_OK)
        return result;
    fifo_ends_changed(p);
    if (both || nonblock || (reads ? p->writers : p->readers) != 0)
        return FUT_OK;
    struct fifo_open *o = heap_zero(sizeof *o);
    if (o == nullptr) {
        (void)fut_cap_delete(out->h);
        return IO_ERROR_NO_MEMORY;
    }
    o->pipe = p;
    o->reads = reads;
    o->file = *out;
    o->next = p->opening;
    p->opening = o;
    if (!deferred_add(&o->deferred, req, open_cancel, open_drop)) {
        unlink_open(o);
        (void)fut_cap_delete(out->h);
        heap_free(o);
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_DEFER;
}
