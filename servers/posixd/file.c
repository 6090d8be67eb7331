// SPDX-License-Identifier: MPL-2.0
//
// io.File for all that posixd opens itself: one dispatch table that leads to the class of the file.
#include "posixd.h"

fut_status_t file_session(struct file *f, const struct file_class *class, io_file_t *out)
{
    f->class = class;
    object_add(&f->object, OBJECT_FILE);
    f->sessions = 1;
    fut_status_t status = fut_session_mint(posixd.server.channel, f->object.badge, SESSION_ALL, &out->h);
    if (status != FUT_OK) {
        object_remove(&f->object);
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_OK;
}

fut_status_t file_another_session(struct file *f, fut_handle_t *out)
{
    if (fut_session_mint(posixd.server.channel, f->object.badge, SESSION_ALL, out) != FUT_OK)
        return IO_ERROR_NO_MEMORY;
    f->sessions++;
    return FUT_OK;
}

void file_unused(struct file *f)
{
    if (f->sessions != 0 || f->in_flight != 0 || f->closing)
        return;
    f->closing = true;
    object_remove(&f->object);
    f->class->closed(f);
}

void file_closed(struct file *f)
{
    f->sessions--;
    if (f->sessions == 0 && f->in_flight != 0 && f->class->orphaned != nullptr)
        f->class->orphaned();
    else
        file_unused(f);
}

// Of files that no directory names.
struct io_stat file_anonymous_node(const struct process *by, uint32_t mode)
{
    static uint64_t numbers;
    int64_t now = posixd.clock_page->realtime_offset_ns + (int64_t)now_ns();
    return (struct io_stat){.dev = 12, .ino = ++numbers, .mode = mode, .nlink = 1, .uid = by->cred.euid, .gid = by->cred.egid,
                            .block_size = PAGE, .atime = now, .mtime = now, .ctime = now};
}

#define CLASS(req) (((struct file *)(req)->object)->class)

static fut_status_t read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.read != nullptr ? c->ops.read(req, len, res) : IO_ERROR_BAD_FILE;
}

static fut_status_t write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.write != nullptr ? c->ops.write(req, data, res) : IO_ERROR_BAD_FILE;
}

static fut_status_t read_at(struct fut_request *req, uint64_t off, uint32_t len, struct io_file_read_at_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.read_at != nullptr ? c->ops.read_at(req, off, len, res) : IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t write_at(struct fut_request *req, uint64_t off, struct fut_bytes data,
                             struct io_file_write_at_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.write_at != nullptr ? c->ops.write_at(req, off, data, res) : IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t seek(struct fut_request *req, int64_t off, uint8_t whence, struct io_file_seek_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.seek != nullptr ? c->ops.seek(req, off, whence, res) : IO_ERROR_ILLEGAL_SEEK;
}

static fut_status_t stat(struct fut_request *req, struct io_file_stat_result *res)
{
    const struct file_class *c = CLASS(req);
    if (c->ops.stat != nullptr)
        return c->ops.stat(req, res);
    res->st = ((struct file *)req->object)->node;
    return FUT_OK;
}

static fut_status_t sync(struct fut_request *req, bool data_only)
{
    (void)req, (void)data_only;
    return IO_ERROR_INVALID; // nothing here is on a disk
}

static fut_status_t read_dir(struct fut_request *req, struct io_file_read_dir_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.read_dir != nullptr ? c->ops.read_dir(req, res) : IO_ERROR_NOT_DIRECTORY;
}

static fut_status_t get_status(struct fut_request *req, struct io_file_get_status_result *res)
{
    res->flags = ((struct file *)req->object)->status;
    return FUT_OK;
}

#define SETTABLE (IO_STATUS_APPEND | IO_STATUS_NONBLOCK | IO_STATUS_DIRECT)

static fut_status_t set_status(struct fut_request *req, io_status_t flags)
{
    struct file *f = req->object;
    f->status = (f->status & ~SETTABLE) | (flags & SETTABLE);
    return FUT_OK;
}

static fut_status_t watch(struct fut_request *req, struct io_file_watch_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.watch != nullptr ? c->ops.watch(req, res) : IO_ERROR_NOT_PERMITTED; // always ready
}

static fut_status_t read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                              struct io_file_read_into_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.read_into != nullptr ? c->ops.read_into(req, off, b, res) : IO_ERROR_NOT_SUPPORTED;
}

static fut_status_t write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                               struct io_file_write_from_result *res)
{
    const struct file_class *c = CLASS(req);
    return c->ops.write_from != nullptr ? c->ops.write_from(req, off, b, res) : IO_ERROR_NOT_SUPPORTED;
}

const struct io_file_ops file_ops = {
    .read = read,
    .write = write,
    .read_at = read_at,
    .write_at = write_at,
    .seek = seek,
    .stat = stat,
    .sync = sync,
    .read_dir = read_dir,
    .get_status = get_status,
    .set_status = set_status,
    .watch = watch,
    .read_into = read_into,
    .write_from = write_from,
};
