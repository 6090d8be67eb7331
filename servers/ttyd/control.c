// SPDX-License-Identifier: MPL-2.0
//
// tty.Terminal: what tcgetattr() and its like, and the window size and pty ioctls, come to. A pty's master
// controls the same line as its slave.
#include "ttyd.h"

static struct terminal *of(struct fut_request *req) { return description_terminal(req->object); }

static fut_status_t get_attr(struct fut_request *req, struct tty_terminal_get_attr_result *res)
{
    const struct line_termios *t = &of(req)->line.t;
    res->t = (struct tty_termios){.iflag = t->iflag, .oflag = t->oflag, .cflag = t->cflag, .lflag = t->lflag,
                                  .ispeed = t->ispeed, .ospeed = t->ospeed, .line = t->line};
    memcpy(res->t.cc, t->cc, sizeof t->cc);
    return FUT_OK;
}

static fut_status_t set_attr(struct fut_request *req, uint8_t when, const struct tty_termios *t)
{
    struct line_termios termios = {.iflag = t->iflag, .oflag = t->oflag, .cflag = t->cflag, .lflag = t->lflag,
                                   .ispeed = t->ispeed, .ospeed = t->ospeed, .line = t->line};
    memcpy(termios.cc, t->cc, sizeof termios.cc);
    if (when > 2)
        return IO_ERROR_INVALID;
    if (when)
        return wait_set_attr(req, req->object, when == 2, &termios);
    line_set(&of(req)->line, &termios);
    terminal_work(of(req));
    return FUT_OK;
}

static fut_status_t get_size(struct fut_request *req, struct tty_terminal_get_size_result *res)
{
    res->s = of(req)->size;
    return FUT_OK;
}

static fut_status_t set_size(struct fut_request *req, const struct tty_size *s)
{
    struct terminal *t = of(req);
    if (memcmp(&t->size, s, sizeof *s) != 0) {
        t->size = *s;
        terminal_signal(t, LINE_SIGWINCH);
    }
    return FUT_OK;
}

static fut_status_t get_foreground(struct fut_request *req, struct tty_terminal_get_foreground_result *res)
{
    const struct terminal *t = of(req);
    res->group = t->foreground;
    res->session = t->session;
    res->terminal = t->id;
    return FUT_OK;
}

static fut_status_t flush(struct fut_request *req, uint8_t queues)
{
    if (queues < 1 || queues > 3)
        return IO_ERROR_INVALID;
    const struct description *d = req->object;
    if (d->side == MASTER) // the other side's input is this side's output
        queues = (uint8_t)((queues & 1) << 1 | queues >> 1);
    line_flush(&of(req)->line, queues);
    terminal_work(of(req));
    return FUT_OK;
}

static fut_status_t drain(struct fut_request *req)
{
    return wait_drain(req, req->object);
}

static fut_status_t flow(struct fut_request *req, uint8_t action)
{
    if (action > LINE_FLOW_ION)
        return IO_ERROR_INVALID;
    line_flow(&of(req)->line, action);
    terminal_work(of(req));
    return FUT_OK;
}

static fut_status_t queued(struct fut_request *req, struct tty_terminal_queued_result *res)
{
    const struct description *d = req->object;
    const struct line *l = &of(req)->line;
    res->input = d->side == SLAVE ? line_input_count(l) : line_output_count(l);
    res->output = d->side == SLAVE ? line_output_count(l) : 0;
    return FUT_OK;
}

static bool is_master(struct fut_request *req) { return ((struct description *)req->object)->side == MASTER; }

static fut_status_t pty_number(struct fut_request *req, struct tty_terminal_pty_number_result *res)
{
    if (!is_master(req))
        return IO_ERROR_NOT_TTY;
    res->number = of(req)->number;
    return FUT_OK;
}

static fut_status_t lock_pty(struct fut_request *req, bool locked)
{
    if (!is_master(req))
        return IO_ERROR_NOT_TTY;
    of(req)->locked = locked;
    return FUT_OK;
}

// A break on a pty arrives at the master's side as nothing; the console's driver has no way to send one.
static fut_status_t send_break(struct fut_request *req, uint32_t ms)
{
    (void)ms;
    return terminal_is_console(of(req)) ? IO_ERROR_NOT_SUPPORTED : FUT_OK;
}

const struct tty_terminal_ops control_ops = {
    .get_attr = get_attr, .set_attr = set_attr, .get_size = get_size, .set_size = set_size,
    .get_foreground = get_foreground, .flush = flush, .drain = drain, .flow = flow, .queued = queued,
    .pty_number = pty_number, .lock_pty = lock_pty, .break_ = send_break,
};
