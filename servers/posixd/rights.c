// SPDX-License-Identifier: MPL-2.0
//
// Sessions that travel over sockets of the local domain. Those of other servers are capabilities that posixd holds
// meanwhile. Those of its own files come home and are counted in file.in_flight, so that a file lives as long as a
// Session of it or a list that names it.
//
// A socket can be in a list in its own queue, or two in each other's: nobody can take them out any more once their last
// Sessions are gone. rights_collect finds those, whenever the last Session of a socket goes that is on its way: what
// cannot be reached from a socket that somebody has open is emptied and closed.
#include "local.h"

#define LISTS_MAX 16u     // of one socket, not sent or not taken
#define IN_FLIGHT_MAX 8192u

static uint64_t numbers;
static unsigned in_flight;

static void drop_right(struct right *r)
{
    in_flight--;
    if (r->h != 0)
        (void)fut_cap_delete(r->h);
    struct file *f = r->file;
    *r = (struct right){};
    if (f != nullptr) {
        f->in_flight--;
        file_unused(f);
    }
}

void rights_drop(struct rights *list)
{
    if (list == nullptr)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        drop_right(&list->item[i]);
    heap_free(list);
}

void rights_drop_all(struct local *s)
{
    while (s->lists != nullptr) {
        struct rights *list = s->lists;
        s->lists = list->next;
        rights_drop(list);
    }
}

struct rights *rights_copy(const struct rights *from)
{
    struct rights *list = heap_alloc(sizeof *list);
    if (list == nullptr || in_flight + from->count > IN_FLIGHT_MAX) {
        heap_free(list);
        return nullptr;
    }
    *list = (struct rights){.number = ++numbers};
    for (uint32_t i = 0; i < from->count; i++) {
        struct right r = from->item[i];
        if (r.h != 0 && fut_cap_mint(r.h, FUT_RIGHTS_ALL, &r.h) != FUT_OK) {
            rights_drop(list);
            return nullptr;
        }
        if (r.file != nullptr)
            r.file->in_flight++;
        list->item[list->count++] = r;
        in_flight++;
    }
    return list;
}

uint64_t rights_keep(struct local *s, struct rights *list)
{
    list->next = s->lists;
    s->lists = list;
    unsigned n = 1;
    for (struct rights *l = list; l->next != nullptr; l = l->next) {
        if (++n > LISTS_MAX) {
            struct rights *old = l->next;
            l->next = old->next;
            rights_drop(old);
            break;
        }
    }
    return list->number;
}

static struct rights **find(struct local *s, uint64_t number)
{
    struct rights **at = &s->lists;
    while (*at != nullptr && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

struct rights *rights_detach(struct local *s, uint64_t number)
{
    struct rights **at = find(s, number), *list = *at;
    if (list != nullptr) {
        *at = list->next;
        list->next = nullptr;
    }
    return list;
}

fut_status_t rights_attach(struct fut_request *req, uint64_t number, uint64_t info, struct fut_cap_arg h,
                           struct local_socket_attach_result *res)
{
    struct local *s = local_of(req);
    struct right r = {.h = h.h, .info = info};
    fut_status_t status = IO_ERROR_INVALID;
    struct rights *list = number != 0 ? *find(s, number) : nullptr;
    if (h.home) {
        struct object *o = object_find(h.badge);
        if (o == nullptr || o->kind != OBJECT_FILE)
            goto refuse;
        r.file = container(o, struct file, object);
    }
    if (number != 0 && list == nullptr)
        goto refuse;
    status = IO_ERROR_TOO_MANY_FILES;
    if (in_flight >= IN_FLIGHT_MAX || (list != nullptr && list->count == LOCAL_MAX_RIGHTS))
        goto refuse;
    if (list == nullptr) {
        list = heap_alloc(sizeof *list);
        status = IO_ERROR_NO_MEMORY;
        if (list == nullptr)
            goto refuse;
        list->count = 0;
        list->number = ++numbers;
        (void)rights_keep(s, list);
    }
    list->item[list->count++] = r;
    in_flight++;
    if (r.file != nullptr)
        r.file->in_flight++;
    res->now = list->number;
    return FUT_OK;
refuse:
    if (h.h != 0)
        (void)fut_cap_delete(h.h);
    return status;
}

fut_status_t rights_take(struct fut_request *req, uint64_t number, uint32_t index, struct local_socket_take_result *res)
{
    struct rights *list = *find(local_of(req), number);
    if (list == nullptr || index >= list->count || (list->item[index].h == 0 && list->item[index].file == nullptr))
        return IO_ERROR_INVALID;
    struct right *r = &list->item[index];
    res->info = r->info;
    if (r->file != nullptr) {
        fut_status_t status = file_another_session(r->file, &res->h.h);
        if (status != FUT_OK)
            return status;
    } else if (fut_cap_mint(r->h, FUT_RIGHTS_ALL, &res->h.h) != FUT_OK) {
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_OK; // the list goes with Discard
}

fut_status_t rights_discard(struct fut_request *req, uint64_t number)
{
    struct rights *list = rights_detach(local_of(req), number);
    if (list == nullptr)
        return IO_ERROR_INVALID;
    rights_drop(list);
    return FUT_OK;
}

// --- What nobody can reach -----------------------------------------------------------------------------

static void reach_list(const struct rights *list)
{
    for (; list != nullptr; list = list->next)
        for (uint32_t i = 0; i < list->count; i++)
            if (list->item[i].file != nullptr)
                list->item[i].file->reached = true;
}

static void reach_from(struct local *s)
{
    s->scanned = true;
    reach_list(s->lists);
    for (const struct packet *p = s->first; p != nullptr; p = p->next)
        reach_list(p->rights);
    if (s->in != nullptr)
        for (const struct mark *m = s->in->pipe->marks; m != nullptr; m = m->next)
            reach_list(m->rights);
    for (struct local *w = s->waiting; w != nullptr; w = w->next_waiting)
        w->file.reached = true;
}

void rights_collect(void)
{
    for (struct local *s = locals; s != nullptr; s = s->next) {
        s->scanned = false;
        s->file.reached = s->file.sessions != 0;
    }
    for (bool more = true; more;) {
        more = false;
        for (struct local *s = locals; s != nullptr; s = s->next) {
            if (s->file.reached && !s->scanned) {
                reach_from(s);
                more = true;
            }
        }
    }
    // All that is to go is held while its queues are emptied, as that may close others of them.
    for (struct local *s = locals; s != nullptr; s = s->next)
        s->file.in_flight += !s->file.reached;
    for (struct local *s = locals; s != nullptr; s = s->next) {
        if (s->file.reached)
            continue;
        local_drop_packets(s);
        rights_drop_all(s);
        while (s->in != nullptr && s->in->pipe->marks != nullptr)
            s->in->pipe->drop_mark(s->in->pipe);
    }
    for (struct local *s = locals, *next; s != nullptr; s = next) {
        next = s->next;
        if (s->file.reached)
            continue;
        s->file.reached = true;
        s->file.in_flight--;
        if (s->file.sessions == 0 && s->file.in_flight == 0 && !s->file.closing && !s->pending) {
            file_unused(&s->file);
            next = locals; // closing one may have closed others
        }
    }
}
