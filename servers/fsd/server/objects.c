// SPDX-License-Identifier: MPL-2.0
//
// Badges to objects. A badge is a serial number and never comes again, so a Session that outlives its object finds
// nothing rather than another one.

#include <futura/sys.h>
#include <stdlib.h>

#include "cache/cache.h"
#include "server/server.h"

#define BUCKETS 1024u
#define MOST_OBJECTS 65536u // open files and Contexts of all programs together

static struct object *buckets[BUCKETS];
static uint64_t next_badge = BADGE_FIRST;
static unsigned object_count;
extern struct fut_server fsd_server;

fut_status_t object_make(enum object_kind kind, void *value, fut_handle_t *session) {
    if (object_count >= MOST_OBJECTS) {
        return IO_ERROR_TOO_MANY_FILES;
    }
    struct object *o = malloc(sizeof *o);
    if (!o) {
        return IO_ERROR_NO_MEMORY;
    }
    o->kind = kind;
    o->badge = next_badge;
    fut_status_t s = fut_session_mint(fsd_server.channel, o->badge, 0xffff, session);
    if (s != FUT_OK) {
        free(o);
        return s == FUT_ERR_NO_MEMORY || s == FUT_ERR_QUOTA ? IO_ERROR_NO_MEMORY : IO_ERROR_TOO_MANY_FILES;
    }
    if (kind == OBJECT_CONTEXT) {
        o->context = value;
    } else {
        o->file = value;
    }
    next_badge++;
    object_count++;
    o->next = buckets[o->badge % BUCKETS];
    buckets[o->badge % BUCKETS] = o;
    return FUT_OK;
}

fut_status_t object_enter(struct mapping *m, uint64_t *badge) {
    struct object *o = malloc(sizeof *o);
    if (!o) {
        return IO_ERROR_NO_MEMORY;
    }
    *o = (struct object){.kind = OBJECT_MAPPING, .badge = next_badge++, .mapping = m};
    o->next = buckets[o->badge % BUCKETS];
    buckets[o->badge % BUCKETS] = o;
    *badge = o->badge;
    return FUT_OK;
}

struct object *object_find(uint64_t badge) {
    struct object *o = buckets[badge % BUCKETS];
    while (o && o->badge != badge) {
        o = o->next;
    }
    return o;
}

void object_gone(uint64_t badge) {
    for (struct object **at = &buckets[badge % BUCKETS]; *at; at = &(*at)->next) {
        struct object *o = *at;
        if (o->badge == badge) {
            *at = o->next;
            if (o->kind != OBJECT_MAPPING) {
                object_count--;
            }
            if (o->kind == OBJECT_CONTEXT) {
                context_free(o->context);
            } else if (o->kind == OBJECT_FILE) {
                struct node *n = o->file->node;
                bool locked = n->locks != nullptr;
                if (n->data && n->data->memory) {
                    node_ref(n);
                    open_free(o->file);
                    mapping_closed(n);
                    node_put(n);
                } else {
                    open_free(o->file);
                }
                if (locked) {
                    locks_retry();
                }
            }
            free(o);
            return;
        }
    }
}
