// SPDX-License-Identifier: MPL-2.0
//
// wait4: which child has something to tell, and callers that wait until one has. A zombie is told once and
// then gone; a stop or a continuation is told once for each time it happens.
#include "calls.h"
#include "posixd.h"

#define NO_HANG 1u
#define UNTRACED 2u
#define CONTINUED 8u
#define NO_WAIT 0x1000000u

struct waiter {
    struct deferred deferred;
    struct waiter *next;
    struct process *process; // null: it ended, the record waits for its reply to be called dead
    int32_t which;
    uint32_t options;
};

static bool selects(int32_t which, const struct process *parent, const struct process *child)
{
    if (which == -1)
        return true;
    if (which > 0)
        return child->pid == (uint32_t)which;
    uint32_t group = which == 0 ? parent->group : (uint32_t) - (int64_t)which;
    return child->group == group;
}

// 1: *res is the answer; 0: nothing yet; < 0: no child that could ever tell anything.
static int collect(struct process *parent, int32_t which, uint32_t options, struct process_process_wait_result *res)
{
    bool any = false;
    for (struct process *c = processes; c != nullptr; c = c->next) {
        if (c->parent != parent || !selects(which, parent, c))
            continue;
        any = true;
        bool keep = (options & NO_WAIT) != 0;
        if (c->state == PROCESS_ZOMBIE) {
            res->pid = c->pid;
            res->status = c->status;
            res->usage = c->final_usage;
            if (!keep)
                process_reap(c);
            return 1;
        }
        if ((options & UNTRACED) && c->stop_news && c->state == PROCESS_STOPPED) {
            res->pid = c->pid;
            res->status = c->status;
            process_usage_of(c, &res->usage);
            c->stop_news = keep;
            return 1;
        }
        if ((options & CONTINUED) && c->continue_news) {
            res->pid = c->pid;
            res->status = 0xffff;
            process_usage_of(c, &res->usage);
            c->continue_news = keep;
            return 1;
        }
    }
    return any ? 0 : -1;
}

static void unlink_waiter(struct waiter *w)
{
    if (w->process == nullptr)
        return;
    for (struct waiter **at = &w->process->waiters; *at != nullptr; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            return;
        }
    }
}

static void wait_cancel(struct deferred *d)
{
    struct waiter *w = container(d, struct waiter, deferred);
    unlink_waiter(w);
    (void)fut_reply_error(d->reply, IO_ERROR_INTERRUPTED);
    heap_free(w);
}

static void wait_drop(struct deferred *d)
{
    struct waiter *w = container(d, struct waiter, deferred);
    unlink_waiter(w);
    heap_free(w);
}

fut_status_t wait_handle(struct fut_request *req, struct process *p, int32_t which, uint32_t options,
                         struct process_process_wait_result *res)
{
    *res = (struct process_process_wait_result){};
    if (which == INT32_MIN)
        return IO_ERROR_NO_PROCESS;
    int found = collect(p, which, options, res);
    if (found > 0)
        return FUT_OK;
    if (found < 0)
        return IO_ERROR_NO_CHILD;
    if (options & NO_HANG)
        return FUT_OK; // pid 0
    struct waiter *w = heap_zero(sizeof *w);
    if (w == nullptr)
        return IO_ERROR_NO_MEMORY;
    w->process = p;
    w->which = which;
    w->options = options;
    w->next = p->waiters;
    p->waiters = w;
    if (!deferred_add(&w->deferred, req, wait_cancel, wait_drop)) {
        unlink_waiter(w);
        heap_free(w);
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_DEFER;
}

void wait_news(struct process *parent)
{
    if (parent == nullptr)
        return launcher_notify(1);
    for (struct waiter *w = parent->waiters, *next; w != nullptr; w = next) {
        next = w->next;
        struct process_process_wait_result res = {};
        int found = collect(parent, w->which, w->options, &res);
        if (found == 0)
            continue;
        unlink_waiter(w);
        deferred_take(&w->deferred);
        if (found > 0)
            (void)process_process_wait_reply(w->deferred.reply, &res);
        else
            (void)fut_reply_error(w->deferred.reply, IO_ERROR_NO_CHILD);
        heap_free(w);
    }
}

void wait_forget(struct process *p)
{
    for (struct waiter *w = p->waiters; w != nullptr; w = w->next)
        w->process = nullptr;
    p->waiters = nullptr;
}

// For pid 1: any zombie whose parent it is.
bool wait_collect_for_init(uint32_t *pid, uint32_t *status)
{
    for (struct process *c = processes; c != nullptr; c = c->next) {
        if (c->parent == nullptr && c->state == PROCESS_ZOMBIE) {
            *pid = c->pid;
            *status = c->status;
            process_reap(c);
            return true;
        }
    }
    return false;
}
