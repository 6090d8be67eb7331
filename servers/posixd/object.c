// SPDX-License-Identifier: MPL-2.0
//
// Badges to objects. A badge is a serial number and is never used again, so that a Session that outlives
// its object (a process that executed another program, a closed file) finds nothing rather than another one.
#include "posixd.h"

#define BUCKETS 1024
#define FIRST_BADGE 16 // those below are init's

static struct object *buckets[BUCKETS];
static uint64_t next_badge = FIRST_BADGE;

void object_add(struct object *o, enum object_kind kind)
{
    o->badge = next_badge++;
    o->kind = kind;
    struct object **b = &buckets[o->badge % BUCKETS];
    o->next = *b;
    *b = o;
}

void object_remove(struct object *o)
{
    if (o->badge == 0)
        return;
    for (struct object **at = &buckets[o->badge % BUCKETS]; *at != nullptr; at = &(*at)->next) {
        if (*at == o) {
            *at = o->next;
            break;
        }
    }
    o->badge = 0;
}

struct object *object_find(uint64_t badge)
{
    struct object *o = buckets[badge % BUCKETS];
    while (o != nullptr && o->badge != badge)
        o = o->next;
    return o;
}

uint64_t object_reserve(void) { return next_badge++; }

void object_take(struct object *o, uint64_t badge)
{
    enum object_kind kind = o->kind;
    object_remove(o);
    o->badge = badge;
    o->kind = kind;
    struct object **b = &buckets[badge % BUCKETS];
    o->next = *b;
    *b = o;
}
