// SPDX-License-Identifier: MPL-2.0
//
// Descriptors that are almost nothing here. A poll set (epoll) is a kernel WaitSet and a page table of what its entries
// mean, which the programs that share it use by themselves. A signal descriptor is a mask: signals are taken by the
// reader's library from its signal page. What posixd adds is that they live as long as somebody has them open.
#include "posixd.h"

#define TABLE_BYTES (64u << 10) // libfutura/posix/epoll.c says what is in it; pages appear as they are touched

struct pollset {
    struct file file; // first: requests carry the file
    fut_handle_t set, table;
};

static void pollset_closed(struct file *f)
{
    struct pollset *s = container(f, struct pollset, file);
    if (s->set != 0)
        (void)fut_cap_delete(s->set);
    if (s->table != 0)
        (void)fut_cap_delete(s->table);
    heap_free(s);
}

static const struct file_class pollset_class = {.closed = pollset_closed, .protocol = DESCRIPTOR_POLL_SET_PROTOCOL};

static fut_status_t open_set(struct fut_request *req, struct descriptor_poll_set_open_result *res)
{
    const struct pollset *s = container((struct file *)req->object, struct pollset, file);
    res->set = s->set;
    res->table = s->table;
    return FUT_OK;
}

const struct descriptor_poll_set_ops pollset_ops = {.open = open_set};

fut_status_t pollset_file(const struct process *by, io_file_t *out)
{
    struct pollset *s = heap_zero(sizeof *s);
    if (s == nullptr)
        return IO_ERROR_NO_MEMORY;
    s->file.node = file_anonymous_node(by, 0600);
    s->file.status = IO_STATUS_READ_WRITE;
    fut_status_t status = IO_ERROR_NO_MEMORY;
    if (fut_waitset_create(&s->set) == FUT_OK && fut_memory_create(TABLE_BYTES, 0, &s->table) == FUT_OK)
        status = file_session(&s->file, &pollset_class, out);
    if (status != FUT_OK)
        pollset_closed(&s->file);
    return status;
}

// --- Signals -------------------------------------------------------------------------------------------

struct signals {
    struct file file; // first
    uint64_t mask;
};

static void signals_closed(struct file *f) { heap_free(container(f, struct signals, file)); }

static const struct file_class signals_class = {.closed = signals_closed, .protocol = DESCRIPTOR_SIGNALS_PROTOCOL};

static fut_status_t signals_mask(struct fut_request *req, bool set, uint64_t mask, struct descriptor_signals_mask_result *res)
{
    struct signals *s = container((struct file *)req->object, struct signals, file);
    if (set)
        s->mask = mask & ~SIGNALS_UNBLOCKABLE;
    res->now = s->mask;
    return FUT_OK;
}

const struct descriptor_signals_ops signals_ops = {.mask = signals_mask};

fut_status_t signals_file(uint64_t mask, uint32_t status, const struct process *by, io_file_t *out)
{
    struct signals *s = heap_zero(sizeof *s);
    if (s == nullptr)
        return IO_ERROR_NO_MEMORY;
    s->mask = mask & ~SIGNALS_UNBLOCKABLE;
    s->file.node = file_anonymous_node(by, 0600);
    s->file.status = IO_STATUS_READ_WRITE | (status & IO_STATUS_NONBLOCK);
    fut_status_t result = file_session(&s->file, &signals_class, out);
    if (result != FUT_OK)
        heap_free(s);
    return result;
}

// The bits of the signals that are pending anywhere in the process; from then on mark_pending keeps them up.
fut_status_t signals_event(struct process *p, fut_handle_t *shown)
{
    if (p->page == nullptr)
        return IO_ERROR_NO_PROCESS;
    if (p->signal_event == 0) {
        fut_handle_t event, copy;
        if (fut_event_create(&event) != FUT_OK)
            return IO_ERROR_NO_MEMORY;
        if (fut_cap_mint(event, FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &copy) != FUT_OK) {
            (void)fut_cap_delete(event);
            return IO_ERROR_NO_MEMORY;
        }
        p->signal_event = event;
        p->signal_event_shown = copy;
        uint64_t pending = __atomic_load_n(&p->page->pending, __ATOMIC_SEQ_CST);
        for (unsigned i = 0; i < MAX_THREADS; i++) {
            if (p->threads[i].handle != 0)
                pending |= __atomic_load_n(&p->page->thread[i].pending, __ATOMIC_SEQ_CST);
        }
        if (pending != 0)
            (void)fut_event_signal(event, pending);
    }
    *shown = p->signal_event_shown;
    return FUT_OK;
}
