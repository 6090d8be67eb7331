// SPDX-License-Identifier: MPL-2.0
//
// Badges to objects, and calls that wait for an answer, found by their Reply.
#include "netd.h"

#define BUCKETS 1024
static struct object *objects[BUCKETS];
static uint64_t next_badge = 16;
static struct deferred *calls[BUCKETS];

void object_add_as(struct object *o, enum object_kind kind, uint64_t badge)
{
    o->kind = kind;
    o->badge = badge;
    o->next = objects[badge % BUCKETS];
    objects[badge % BUCKETS] = o;
    if (badge >= next_badge)
        next_badge = badge + 1;
}

// A badge that a client of the netd before may still hold must not come to mean something else.
void object_add(struct object *o, enum object_kind kind)
{
    object_add_as(o, kind, next_badge);
}

void object_remove(struct object *o)
{
    struct object **at = &objects[o->badge % BUCKETS];
    while (*at && *at != o)
        at = &(*at)->next;
    if (*at)
        *at = o->next;
    o->badge = 0;
}

struct object *object_find(uint64_t badge)
{
    struct object *o = objects[badge % BUCKETS];
    while (o && o->badge != badge)
        o = o->next;
    return o;
}

void object_skip_badges(uint64_t used)
{
    if (next_badge <= used)
        next_badge = used + 1;
}

fut_status_t object_session(const struct object *o, uint32_t perms, fut_handle_t *out)
{
    return fut_session_mint(server.channel, o->badge, perms, out) == FUT_OK ? FUT_OK : IO_ERROR_NO_MEMORY;
}

bool deferred_add(struct deferred *d, struct fut_request *req, void (*cancel)(struct deferred *),
                  void (*drop)(struct deferred *))
{
    d->reply = fut_request_defer(req);
    if (!d->reply.h)
        return false;
    d->cancel = cancel;
    d->drop = drop;
    d->link = &calls[d->reply.h % BUCKETS];
    d->next = *d->link;
    if (d->next)
        d->next->link = &d->next;
    *d->link = d;
    return true;
}

void deferred_take(struct deferred *d)
{
    *d->link = d->next;
    if (d->next)
        d->next->link = d->link;
}

static struct deferred *deferred_find(fut_reply_t reply)
{
    struct deferred *d = calls[reply.h % BUCKETS];
    while (d && d->reply.h != reply.h)
        d = d->next;
    return d;
}

void deferred_cancel(struct fut_server *s, fut_reply_t reply)
{
    (void)s;
    struct deferred *d = deferred_find(reply);
    if (d) {
        deferred_take(d);
        d->cancel(d);
    }
}

void deferred_stale(struct fut_server *s, fut_reply_t reply)
{
    (void)s;
    struct deferred *d = deferred_find(reply);
    if (d) {
        deferred_take(d);
        d->drop(d);
    }
    (void)fut_cap_delete(reply.h);
}
