// SPDX-License-Identifier: MPL-2.0
//
// Calls that wait for something: a child to change, bytes in a pipe, a FIFO's other end.
#include "posixd.h"

static struct deferred *first;

bool deferred_add(struct deferred *d, struct fut_request *req, void (*cancel)(struct deferred *),
                  void (*drop)(struct deferred *))
{
    d->reply = fut_request_defer(req);
    if (d->reply.h == 0)
        return false;
    d->cancel = cancel;
    d->drop = drop;
    d->next = first;
    if (first != nullptr)
        first->link = &d->next;
    first = d;
    d->link = &first;
    return true;
}

void deferred_take(struct deferred *d)
{
    *d->link = d->next;
    if (d->next != nullptr)
        d->next->link = d->link;
    d->next = nullptr;
    d->link = nullptr;
}

static struct deferred *find(fut_reply_t reply)
{
    struct deferred *d = first;
    while (d != nullptr && d->reply.h != reply.h)
        d = d->next;
    return d;
}

void deferred_cancel(fut_reply_t reply)
{
    struct deferred *d = find(reply);
    if (d != nullptr) {
        deferred_take(d);
        d->cancel(d);
    }
}

void deferred_stale(fut_reply_t reply)
{
    struct deferred *d = find(reply);
    if (d != nullptr) {
        deferred_take(d);
        d->drop(d);
    }
    (void)fut_cap_delete(reply.h);
}
