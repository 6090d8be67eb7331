// SPDX-License-Identifier: MPL-2.0
//
// io.File as a terminal speaks it. What makes no sense for a terminal gives the error that POSIX or Linux
// gives there.
#include "ttyd.h"

static bool may_read(const struct description *d) { return !(d->status & IO_STATUS_WRITE_ONLY); }
static bool may_write(const struct description *d) { return d->status & (IO_STATUS_WRITE_ONLY | IO_STATUS_READ_WRITE); }
#define AT_OFFSET UINT64_MAX

static fut_status_t file_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    return may_read(req->object) ? wait_read(req, req->object, len, &res->data) : IO_ERROR_BAD_FILE;
}

static fut_status_t file_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    return may_write(req->object) ? wait_write(req, req->object, data, &res->n) : IO_ERROR_BAD_FILE;
}

static fut_status_t file_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                   struct io_file_read_into_result *res)
{
    if (!may_read(req->object))
        return IO_ERROR_BAD_FILE;
    return off == AT_OFFSET ? wait_read_into(req, req->object, b, &res->n) : IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                    struct io_file_write_from_result *res)
{
    if (!may_write(req->object))
        return IO_ERROR_BAD_FILE;
    return off == AT_OFFSET ? wait_write_from(req, req->object, b, &res->n) : IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_read_at(struct fut_request *req, uint64_t off, uint32_t len, struct io_file_read_at_result *res)
{
    (void)req, (void)off, (void)len, (void)res;
    return IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_write_at(struct fut_request *req, uint64_t off, struct fut_bytes data,
                                  struct io_file_write_at_result *res)
{
    (void)req, (void)off, (void)data, (void)res;
    return IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_seek(struct fut_request *req, int64_t off, uint8_t whence, struct io_file_seek_result *res)
{
    (void)req, (void)off, (void)whence, (void)res;
    return IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t file_stat(struct fut_request *req, struct io_file_stat_result *res)
{
    const struct description *d = req->object;
    res->st = d->node;
    return FUT_OK;
}

// The node belongs to the file system that it was found in: it is changed there, by its path.
static fut_status_t file_set_attr(struct fut_request *req, const struct io_set_attr *a)
{
    (void)req, (void)a;
    return IO_ERROR_NOT_SUPPORTED;
}

static fut_status_t file_sync(struct fut_request *req, bool data_only)
{
    (void)req, (void)data_only;
    return IO_ERROR_INVALID;
}

static fut_status_t file_read_dir(struct fut_request *req, struct io_file_read_dir_result *res)
{
    (void)req, (void)res;
    return IO_ERROR_NOT_DIRECTORY;
}

static fut_status_t file_get_status(struct fut_request *req, struct io_file_get_status_result *res)
{
    const struct description *d = req->object;
    res->flags = d->status;
    return FUT_OK;
}

static fut_status_t file_set_status(struct fut_request *req, io_status_t flags)
{
    struct description *d = req->object;
    const uint32_t may_change = IO_STATUS_APPEND | IO_STATUS_NONBLOCK | IO_STATUS_DIRECT;
    d->status = (d->status & ~may_change) | (flags & may_change);
    return FUT_OK;
}

static fut_status_t file_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct description *d = req->object;
    res->e = terminal_event(description_terminal(d), (enum side)d->side);
    return res->e == FUT_HANDLE_NONE ? IO_ERROR_NO_MEMORY : FUT_OK;
}

static fut_status_t file_map(struct fut_request *req, struct io_file_map_result *res)
{
    (void)req, (void)res;
    return IO_ERROR_NO_DEVICE;
}

static fut_status_t file_lock(struct fut_request *req, uint8_t kind, bool wait, uint64_t owner, uint64_t at, uint64_t len)
{
    (void)req, (void)kind, (void)wait, (void)owner, (void)at, (void)len;
    return IO_ERROR_NO_LOCK;
}

static fut_status_t file_allocate(struct fut_request *req, uint32_t mode, uint64_t off, uint64_t len)
{
    (void)req, (void)mode, (void)off, (void)len;
    return IO_ERROR_NO_DEVICE;
}

const struct io_file_ops file_ops = {
    .read = file_read, .write = file_write, .read_at = file_read_at, .write_at = file_write_at, .seek = file_seek,
    .stat = file_stat, .set_attr = file_set_attr, .sync = file_sync, .read_dir = file_read_dir,
    .get_status = file_get_status, .set_status = file_set_status, .watch = file_watch, .map = file_map,
    .read_into = file_read_into, .write_from = file_write_from, .lock = file_lock, .allocate = file_allocate,
};
