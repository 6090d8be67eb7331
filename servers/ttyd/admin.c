// SPDX-License-Identifier: MPL-2.0
//
// tty.Admin: posixd opens terminals here, keeps sessions and foreground groups, and takes the signals that
// keys and hang-ups ask for.
#include "ttyd.h"

static uint64_t device_number(uint32_t major, uint32_t minor)
{
    return (minor & 0xff) | (uint64_t)(major & 0xfff) << 8 | (uint64_t)(minor & ~0xffu) << 12;
}
static uint32_t major_of(uint64_t d) { return (uint32_t)(d >> 8 & 0xfff); }
static uint32_t minor_of(uint64_t d) { return (uint32_t)((d & 0xff) | (d >> 12 & 0xffffff00)); }

static fut_status_t find(uint64_t device, struct terminal **t, enum side *side)
{
    uint32_t major = major_of(device), minor = minor_of(device);
    *side = SLAVE;
    if ((major == 5 && minor == 1) || (major == 4 && minor == 64) || (major == 204 && minor == 64)) {
        *t = &state->terminal[0]; // console, ttyS0, ttyAMA0
        return FUT_OK;
    }
    if (major == 5 && minor == 2) {
        *side = MASTER;
        *t = terminal_new_pty();
        return *t ? FUT_OK : IO_ERROR_NO_SPACE;
    }
    if (major >= 136 && major <= 143) {
        *t = terminal_by_pty((major - 136) * 256 + minor);
        return *t && !(*t)->locked && !(*t)->hung ? FUT_OK : IO_ERROR_IO;
    }
    return IO_ERROR_NO_DEVICE_ADDRESS;
}

static fut_status_t admin_open(struct fut_request *req, uint64_t device, uint32_t flags, const struct io_stat *node,
                               struct tty_admin_open_result *res)
{
    struct terminal *t;
    enum side side;
    fut_status_t status = find(device, &t, &side);
    if (status != FUT_OK)
        return status;
    uint64_t seen_as = terminal_is_console(t) ? device_number(5, 1) : device_number(136 + t->number / 256, t->number % 256);
    struct description *d = description_new(t, side, flags & 0xff, seen_as, node);
    if (!d) {
        if (side == MASTER)
            t->id = 0;
        return IO_ERROR_TOO_MANY_FILES;
    }
    status = fut_session_mint(req->server->channel, d->badge, 0xffff, &res->f.h);
    if (status != FUT_OK) {
        d->badge = 0;
        terminal_release(t, side);
        return IO_ERROR_NO_MEMORY;
    }
    res->terminal = t->id;
    terminal_work(t);
    return FUT_OK;
}

static fut_status_t set_foreground(struct fut_request *req, uint64_t terminal, uint32_t group)
{
    (void)req;
    struct terminal *t = terminal_by_id(terminal);
    if (!t)
        return IO_ERROR_NOT_TTY;
    t->foreground = group;
    return FUT_OK;
}

static fut_status_t set_session(struct fut_request *req, uint64_t terminal, uint32_t session, uint32_t group)
{
    (void)req;
    struct terminal *t = terminal_by_id(terminal);
    if (!t)
        return IO_ERROR_NOT_TTY;
    t->session = session;
    t->foreground = group;
    return FUT_OK;
}

static fut_status_t snapshot(struct fut_request *req, struct tty_admin_snapshot_result *res)
{
    (void)req;
    size_t n = 0;
    for (unsigned i = 0; i < TERMINALS; i++) {
        struct terminal *t = &state->terminal[i];
        if (t->id == 0 || t->signals == 0)
            continue;
        if (n == res->pending.capacity) {
            watch_tell(WATCH_SIGNALS); // the rest, next time
            break;
        }
        res->pending.data[n++] = (struct tty_pending){.terminal = t->id, .session = t->session, .group = t->foreground,
                                                      .signals = t->signals};
        t->signals = 0;
        terminal_work(t);
    }
    res->pending.len = n;
    return FUT_OK;
}

static fut_status_t admin_watch(struct fut_request *req, fut_handle_t e)
{
    (void)req;
    if (watch != FUT_HANDLE_NONE)
        (void)fut_cap_delete(watch);
    watch = e;
    state->kept_watch = vault_keep(e);
    watch_tell(WATCH_SIGNALS | WATCH_PTYS);
    return FUT_OK;
}

static fut_status_t ptys(struct fut_request *req, struct tty_admin_ptys_result *res)
{
    (void)req;
    size_t n = 0;
    for (unsigned i = 1; i < TERMINALS && n < res->numbers.capacity; i++)
        if (state->terminal[i].id && !state->terminal[i].hung)
            res->numbers.data[n++] = state->terminal[i].number;
    res->numbers.len = n;
    return FUT_OK;
}

static fut_status_t identify(struct fut_request *req, struct fut_cap_arg f, struct tty_admin_identify_result *res)
{
    (void)req;
    if (f.h != FUT_HANDLE_NONE)
        (void)fut_cap_delete(f.h);
    const struct description *d = f.home ? description_of(f.badge) : nullptr;
    if (!d)
        return IO_ERROR_NOT_TTY;
    const struct terminal *t = description_terminal(d);
    res->terminal = t->id;
    res->device = d->device;
    res->session = t->session;
    res->group = t->foreground;
    return FUT_OK;
}

const struct tty_admin_ops admin_ops = {
    .open = admin_open, .set_foreground = set_foreground, .set_session = set_session, .snapshot = snapshot,
    .watch = admin_watch, .ptys = ptys, .identify = identify,
};
