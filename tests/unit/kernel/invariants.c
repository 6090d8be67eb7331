// SPDX-License-Identifier: MPL-2.0
//
// The whole state of the kernel, checked. Everything alive must be reachable from the root task and the CPU;
// every reference count is counted again from the pointers that exist; so are the Accounts, the pages and the
// page tables.
#include "harness.h"
#include <mem/radix.h>
#include <schedule.h>
#include <sanitizer/asan_interface.h>

#ifndef MAX_OBJECTS
#define MAX_OBJECTS 8192
#endif
// Made anew at each check: no part of a snapshot (sections.h).
#pragma clang section bss = ""
static struct { struct object *o; uint32_t refs, handles; } seen[MAX_OBJECTS];
static unsigned seen_count;
// Objects by address: where each is in seen[] + 1.
#define PLACES (4u * MAX_OBJECTS)
static uint32_t place[PLACES];
static struct charged { struct account *a; uint64_t pages, objects; } charged[MAX_OBJECTS];
static unsigned charged_count;
static uint32_t holders[HOST_RAM_BYTES / FUT_PAGE_SIZE]; // per page: Memory slots that hold it
static uint32_t pinned[HOST_RAM_BYTES / FUT_PAGE_SIZE];  // per page: kernel pointers into it
static uint64_t table_and_cap_pages, contiguous_pages;

#ifdef SNAPSHOT_SECTION
#pragma clang section bss = "kernel_bss"
#endif
static struct object *last[MAX_OBJECTS]; // what was alive at the last check
static uint64_t last_id[MAX_OBJECTS];
static uint8_t last_type[MAX_OBJECTS];
static unsigned last_count;

static bool still_there(unsigned j)
{
    return !__asan_region_is_poisoned(last[j], sizeof(struct object)) && last[j]->id == last_id[j] && last[j]->type == last_type[j];
}

static unsigned visit(struct object *o);

static void ref(struct object *o) { seen[visit(o)].refs++; }
static void handle(struct object *o)
{
    unsigned i = visit(o);
    seen[i].refs++;
    seen[i].handles++;
}

static void charge(struct account *a, uint64_t n_pages, uint64_t n_objects)
{
    for (; a; a = a->parent) {
        unsigned i = 0;
        while (i < charged_count && charged[i].a != a)
            i++;
        if (i == charged_count)
            charged[charged_count++] = (struct charged){.a = a};
        charged[i].pages += n_pages;
        charged[i].objects += n_objects;
    }
}

static bool list_has(struct list *head, struct list *l)
{
    for (struct list *i = head->next; i != head; i = i->next) {
        CHECK(i->next->prev == i && i->prev->next == i);
        if (i == l)
            return true;
    }
    return false;
}

static void visit_thread(struct thread *t)
{
    ref(&t->task->object);
    if (t->state == FUT_THREAD_DEAD) {
        CHECK(!t->space && !t->queued && !t->timer.in && !t->ipc_page[0] && !t->frames_page && !t->caller);
        CHECK(t->reply.handles == 0);
        return;
    }
    ref(&t->space->object);
    if (t->work)
        ref(t->work);
    CHECK(list_has(&t->task->threads, &t->in_task));
    if (t->fault_session)
        handle(&t->fault_session->object);
    CHECK(t->queued == (t->state == FUT_THREAD_RUNNABLE && !t->suspended && arch_cpu()->current != t && !t->parked));
    CHECK(!t->parked || (t->state == FUT_THREAD_RUNNABLE && !t->suspended && !list_empty(&t->queue.link)));
    if (t->schedule) {
        ref(&t->schedule->object);
        CHECK(list_has(&t->schedule->threads, &t->in_schedule));
    }
    if (t->queued) {
        CHECK(list_has(&arch_cpu()->queue[t->priority], &t->queue.link));
        CHECK(arch_cpu()->ready >> t->priority & 1);
    }
    // Inherited priority: exactly what its caller and the queue that it serves give it.
    CHECK(list_empty(&t->inherit));
    uint8_t priority = t->base_priority;
    if (t->caller)
        priority = max(priority, t->caller->priority);
    if (t->lent_by == t->channel)
        priority = max(priority, t->lent);
    EQUAL(t->priority, priority);
    if (t->caller) {
        CHECK(t->caller->server == t && !t->caller->reply_cap && !t->stale_caller);
        CHECK(t->caller->state == FUT_THREAD_CALLING || t->caller->state == FUT_THREAD_FAULTED);
    }
    bool called = t->state == FUT_THREAD_CALLING || (t->state == FUT_THREAD_FAULTED && list_empty(&t->queue.link));
    if (called) {
        CHECK(t->session);
        ref(&t->session->object);
        CHECK((t->server && t->server->caller == t) || (t->reply_cap && t->reply_cap->object == &t->reply));
        CHECK(!(t->server && t->reply_cap));
    } else {
        CHECK(!t->reply_cap && !t->cancel_wanted && t->reply.handles == 0);
        CHECK(t->state == FUT_THREAD_SENDING || t->state == FUT_THREAD_FAULTED || !t->session);
    }
    switch (t->state) {
    case FUT_THREAD_SENDING:
    case FUT_THREAD_FAULTED:
        if (called)
            break;
        CHECK(t->session && !t->session->channel->dead && list_has(&t->session->channel->queue, &t->queue.link));
        ref(&t->session->object);
        break;
    case FUT_THREAD_CALLING:
        break;
    case FUT_THREAD_RECEIVING:
        CHECK(t->channel && !t->channel->dead && list_has(&t->channel->receivers, &t->queue.link));
        break;
    case FUT_THREAD_WAITING:
        ref(t->waits_on);
        if (t->waits_on->type == FUT_OBJ_EVENT)
            CHECK(list_has(&object_of(t->waits_on, struct event)->waiters, &t->queue.link));
        else
            CHECK(list_has(&object_of(t->waits_on, struct waitset)->waiters, &t->queue.link));
        break;
    case FUT_THREAD_FUTEX:
        CHECK(!list_empty(&t->queue.link));
        break;
    case FUT_THREAD_PAGING: {
        ref(&t->fault_memory->object);
        CHECK(list_has(&t->fault_memory->faulters, &t->fault_link));
        // Somebody has asked for this page: in the queue, or received and not answered.
        struct channel *ch = t->fault_memory->pager;
        bool asked = false;
        list_each(&t->fault_memory->faulters, struct thread, fault_link, i)
            if (i->fault_offset == t->fault_offset)
                asked = asked || list_has(&ch->queue, &i->queue.link) || list_has(&ch->faulting, &i->channel_fault_link);
        CHECK(asked);
        break;
    }
    default:
        if (t->state != FUT_THREAD_RUNNABLE)
            fprintf(stderr, "thread %lu state %u\n", (unsigned long)t->object.id, t->state);
        CHECK(t->state == FUT_THREAD_RUNNABLE);
    }
    if (t->timer.in)
        CHECK(waits(t));
    CHECK(t->timer.in == !!(t->attention & ATTENTION_TIMER) && t->suspended == !!(t->attention & ATTENTION_SUSPENDED));
    for (int i = 0; i < 3; i++) {
        struct page *p = i < 2 ? t->ipc_page[i] : t->frames_page;
        if (!p)
            continue;
        CHECK(p->state == PAGE_USED);
        pinned[p - pages]++;
    }
}

static void visit_watches(struct list *watches);

static void visit_task(struct task *t)
{
    if (t->dead && !t->dying) {
        CHECK(!t->space && !t->caps.leaf && t->thread_count == 0 && list_empty(&t->watches));
        return;
    }
    ref(&t->space->object);
    visit_watches(&t->watches);
    uint32_t n = 0, used = 0, free_count = 0, leaves = 0;
    list_each(&t->threads, struct thread, in_task, i) {
        n++;
        CHECK(i->task == t);
        ref(&i->object);
    }
    CHECK(n == t->thread_count);
    for (unsigned l = 0; l < CAP_LEAVES; l++) {
        struct cap *leaf = t->caps.leaf[l];
        leaves += leaf != nullptr;
        for (unsigned i = 0; leaf && i < CAP_LEAF_SLOTS; i++) {
            struct cap *c = &leaf[i];
            CHECK(c->task == t);
            if (!c->object) {
                CHECK(c->handle == CAP_NO_HANDLE(l * CAP_LEAF_SLOTS + i) && cap_lookup(&t->caps, c->handle) != c);
                CHECK(!cap_lookup(&t->caps, l * CAP_LEAF_SLOTS + i) && cap_lookup(&t->caps, 0xffffffff - i) != c);
                free_count++;
                continue;
            }
            used++;
            CHECK(cap_lookup(&t->caps, c->handle) == c);
            CHECK(c->type == c->object->type);
            if (c->object == &stale_reply) {
                struct channel *ch = (struct channel *)c->parent;
                bool in = false;
                for (struct cap *s = ch->stale; s; s = s->next) {
                    CHECK(!s->next || s->next->prev == s);
                    in = in || s == c;
                }
                CHECK(in && !ch->dead);
                continue;
            }
            if (c->type == FUT_OBJ_REPLY) {
                struct thread *th = container_of(c->object, struct thread, reply);
                CHECK(th->reply_cap == c && !c->parent && !c->child && th->reply.handles == 1);
                visit(&th->object);
                continue;
            }
            // Derivation: known to its parent, known to its neighbours, known to its children.
            if (c->parent) {
                bool in = false;
                for (struct cap *s = c->parent->child; s; s = s->next)
                    in = in || s == c;
                CHECK(in && c->parent->object);
            } else {
                CHECK(!c->next && !c->prev);
            }
            for (struct cap *s = c->child, *before = nullptr; s; before = s, s = s->next)
                CHECK(s->parent == c && s->prev == before && s->object && s->task && (!s->task->dead || s->task->dying));
            handle(c->object);
        }
    }
    CHECK(used == t->caps.used && free_count == t->caps.free_count && leaves == t->caps.leaves);
    charge(t->object.account, leaves + 1, 0);
    table_and_cap_pages += leaves + 1;
}

static void count_leaf(struct memory *, uint64_t, uint64_t *slot, unsigned from, unsigned to, void *arg)
{
    for (unsigned i = from; i <= to; i++) {
        if (!(slot[i] & SLOT_PRESENT))
            continue;
        struct page *p = phys_page(slot[i] & ~4095ull);
        CHECK(p && p->state == PAGE_USED && p->refs > 0);
        if (slot[i] & SLOT_SHARED) {
            CHECK(p->owner && p->owner->kind == MEMORY_CONTIGUOUS && p->pins == 0);
            ref(&p->owner->object);
            continue;
        }
        CHECK(!p->owner);
        holders[p - pages]++;
        ++*(uint64_t *)arg;
    }
}

static void visit_nodes(struct memory *m, struct radix_node *n, uint32_t level)
{
    charge(m->object.account, 0, 1);
    ref(&m->object.account->object);
    for (unsigned i = 0; level > 1 && i < RADIX_SLOTS; i++)
        if (n->slot[i])
            visit_nodes(m, (struct radix_node *)(uintptr_t)n->slot[i], level - 1);
}

static void visit_memory(struct memory *m)
{
    if (m->root)
        visit_nodes(m, m->root, m->height);
    uint64_t n = 0;
    if (m->kind == MEMORY_CONTIGUOUS) {
        n = m->bytes >> FUT_PAGE_SHIFT;
        for (uint64_t i = 0; i < n; i++)
            holders[phys_page(m->base + (i << FUT_PAGE_SHIFT)) - pages]++;
        CHECK(m->committed == n);
    } else if (m->kind != MEMORY_PHYS) {
        radix_each(m, 0, UINT64_MAX >> FUT_PAGE_SHIFT, count_leaf, &n);
        CHECK(n == m->committed);
    }
    charge(m->object.account, n, 0);
    if (m->pager)
        ref(&m->pager->object);
    if (m->parent)
        ref(&m->parent->object);
    list_each(&m->mappings, struct map_link, link, l)
        CHECK(l->map->memory == m || l->map->overlay == m);
    list_each(&m->faulters, struct thread, fault_link, t)
        CHECK(t->fault_memory == m && t->state == FUT_THREAD_PAGING);
}

static void visit_space(struct space *s)
{
    uint64_t at = 0;
    for (struct tree_node *i = tree_first(&s->mappings); i; i = tree_next(i)) {
        struct mapping *m = container_of(i, struct mapping, node);
        CHECK(m->space == s && m->node.key >= at && m->end > m->node.key && m->end <= FUT_USER_TOP);
        at = m->end;
        CHECK(!((m->flags & FUT_PROT_WRITE) && (m->flags & FUT_PROT_EXEC)));
        CHECK(m->memory || m->overlay);
        ref(&s->object.account->object);
        charge(s->object.account, 0, 1);
        if (m->memory) {
            ref(&m->memory->object);
            CHECK(list_has(&m->memory->mappings, &m->in_memory.link));
        }
        if (m->overlay) {
            ref(&m->overlay->object);
            CHECK(list_has(&m->overlay->mappings, &m->in_overlay.link));
        }
    }
    uint64_t n = 0;
    for (struct host_table *t = s->arch.tables; t; t = t->next, n++)
        for (int i = 0; i < HOST_ENTRIES; i++) {
            uint64_t va = t->entry[i].va;
            if (!va)
                continue;
            struct mapping *m = space_find(s, va);
            CHECK(m);
            CHECK(!(t->entry[i].prot & ~m->flags));
            CHECK(!((t->entry[i].prot & FUT_PROT_WRITE) && (t->entry[i].prot & FUT_PROT_EXEC)));
            uint64_t off = va - m->node.key;
            uint64_t *slot = m->overlay ? radix_find(m->overlay, (m->overlay_offset + off) >> FUT_PAGE_SHIFT) : nullptr;
            bool from_overlay = slot && (*slot & SLOT_PRESENT);
            struct memory *shown = from_overlay ? m->overlay : m->memory;
            CHECK(shown);
            if (shown->kind == MEMORY_PHYS || shown->kind == MEMORY_CONTIGUOUS) {
                CHECK(t->entry[i].pa == shown->base + m->offset + off);
                continue;
            }
            if (!from_overlay)
                slot = radix_find(shown, (m->offset + off) >> FUT_PAGE_SHIFT);
            CHECK(slot && (*slot & SLOT_PRESENT) && (*slot & ~4095ull) == t->entry[i].pa);
            struct page *p = phys_page(t->entry[i].pa);
            CHECK(p->state == PAGE_USED && p->refs > 0);
            if (t->entry[i].prot & FUT_PROT_WRITE) {
                CHECK(p->refs == 1);
                CHECK(!m->overlay || from_overlay);
                CHECK(shown->kind != MEMORY_PAGED || (*slot & (SLOT_DIRTY | SLOT_ASK)) == SLOT_DIRTY);
            }
        }
    CHECK(n == s->table_pages);
    charge(s->object.account, n, 0);
    table_and_cap_pages += n;
}

static void visit_watches(struct list *watches)
{
    list_each(watches, struct watch, in_target, w) {
        ref(&w->event->object);
        ref(&w->account->object);
        charge(w->account, 0, 1);
    }
}

static void visit_channel(struct channel *ch)
{
    if (ch->dead)
        CHECK(list_empty(&ch->receivers) && list_empty(&ch->queue) && !ch->sessions.root && !ch->event && !ch->stale);
    for (struct tree_node *i = tree_first(&ch->sessions); i; i = tree_next(i)) {
        struct session *s = container_of(i, struct session, node);
        CHECK(s->channel == ch);
        ref(&s->object);
        CHECK((s->notice_state == NOTICE_QUEUED) == list_has(&ch->queue, &s->notice.link));
        CHECK(s->notice_state == NOTICE_NONE || s->object.handles == 0);
        CHECK(s->object.handles > 0 || s->notice_state != NOTICE_NONE);
    }
    CHECK(ch->attention || (!ch->stale && list_empty(&ch->cancels) && !(ch->event && ch->event->bits)));
    // A receiver does not wait while something is there for it.
    if (!list_empty(&ch->receivers))
        CHECK(list_empty(&ch->queue) && !(ch->event && ch->event->bits));
    if (ch->event) {
        ref(&ch->event->object);
        CHECK(ch->event->channel == ch);
    }
    uint8_t top = 0;
    list_each(&ch->queue, struct queue_node, link, n)
        if (n->kind != QUEUE_NOTICE) {
            visit(&container_of(n, struct thread, queue)->object);
            top = max(top, container_of(n, struct thread, queue)->priority);
        }
    CHECK(ch->top == top);
    if (ch->server) {
        ref(&ch->server->object);
        list_each(&ch->server->threads, struct thread, in_task, i)
            if (i->channel == ch)
                CHECK(i->lent == top ? i->lent_by == ch || !top : i->lent_by != ch && !top);
    }
    visit_watches(&ch->watches);
}

static unsigned visit(struct object *o)
{
    uint32_t h = (uint32_t)(((uintptr_t)o >> 4) * 0x9e3779b1u) % PLACES;
    for (; place[h]; h = (h + 1) % PLACES)
        if (seen[place[h] - 1].o == o)
            return place[h] - 1;
    CHECK(!__asan_region_is_poisoned(o, sizeof *o)); // a pointer to what was freed
    place[h] = seen_count + 1;
    CHECK(seen_count < MAX_OBJECTS);
    unsigned at = seen_count++;
    seen[at].o = o;
    seen[at].refs = seen[at].handles = 0;
    if (o->account) {
        ref(&o->account->object);
        charge(o->account, 0, 1);
    }
    switch (o->type) {
    case FUT_OBJ_THREAD: visit_thread(object_of(o, struct thread)); break;
    case FUT_OBJ_TASK: visit_task(object_of(o, struct task)); break;
    case FUT_OBJ_MEMORY: visit_memory(object_of(o, struct memory)); break;
    case FUT_OBJ_SPACE: visit_space(object_of(o, struct space)); break;
    case FUT_OBJ_CHANNEL: visit_channel(object_of(o, struct channel)); break;
    case FUT_OBJ_SESSION: {
        struct session *s = object_of(o, struct session);
        ref(&s->channel->object);
        CHECK(s->node.in == !s->channel->dead || !s->node.in);
        break;
    }
    case FUT_OBJ_EVENT: {
        struct event *e = object_of(o, struct event);
        list_each(&e->waiters, struct thread, queue.link, t)
            CHECK(!(e->bits & t->wait_mask));
        list_each(&e->entries, struct waitset_entry, in_event, i)
            CHECK(list_empty(&i->set->waiters) || !(e->bits & i->mask));
        break;
    }
    case FUT_OBJ_WAITSET:
        list_each(&object_of(o, struct waitset)->entries, struct waitset_entry, in_set, e) {
            ref(&e->event->object);
            ref(&e->account->object);
            charge(e->account, 0, 1);
            CHECK(list_has(&e->event->entries, &e->in_event));
        }
        break;
    case FUT_OBJ_SCHEDULE: {
        // What is left and what comes back are the budget; whoever waits for it has a timer.
        struct schedule *s = object_of(o, struct schedule);
        int64_t sum = s->left;
        for (unsigned i = 0; i < s->refills; i++) {
            sum += (int64_t)s->refill[i].amount;
            CHECK(i == 0 || s->refill[i - 1].at <= s->refill[i].at);
        }
        EQUAL(sum, s->set.budget);
        CHECK(list_empty(&s->parked) || s->timer.in || s->refill[0].at == FUT_FOREVER);
        list_each(&s->parked, struct thread, queue.link, i)
            CHECK(i->parked && !i->queued);
        if (s->parent)
            ref(&s->parent->object);
        break;
    }
    case FUT_OBJ_IRQ:
        if (object_of(o, struct irq)->event)
            ref(&object_of(o, struct irq)->event->object);
        break;
    case FUT_OBJ_ACCOUNT:
        if (object_of(o, struct account)->schedule)
            ref(&object_of(o, struct account)->schedule->object);
        if (object_of(o, struct account)->pressure)
            ref(&object_of(o, struct account)->pressure->object);
        CHECK(object_of(o, struct account)->pages_used <= object_of(o, struct account)->pages_check);
        if (o != &root_account->object)
            visit(&object_of(o, struct account)->parent->object);
        break;
    default:
        break;
    }
    return at;
}

void check_invariants(void)
{
    memset(holders, 0, sizeof holders);
    memset(pinned, 0, sizeof pinned);
    memset(place, 0, sizeof place);
    seen_count = charged_count = 0;
    table_and_cap_pages = contiguous_pages = 0;
    visit(&root->object);
    seen[visit(&root_account->object)].refs++; // the kernel's own
    for (struct object *o = reap_list; o; o = o->reap_next) { // dead, or a Task that is being taken apart
        unsigned i = visit(o);
        seen[i].refs += o->refs != 0;
    }
    // A task may live without anybody's holding a handle: through its threads, or as a cycle (docs/caveats.md).
    for (unsigned i = 0; i < last_count; i++)
        if (last_type[i] == FUT_OBJ_TASK && still_there(i) && !object_of(last[i], struct task)->dead)
            visit(last[i]);
    for (unsigned i = 0; i < seen_count; i++) {
        struct object *o = seen[i].o;
        if (o->refs != seen[i].refs || o->handles != seen[i].handles) {
            for (unsigned j = 0; j < last_count; j++) {
                bool here = false;
                for (unsigned k = 0; k < seen_count; k++)
                    here = here || seen[k].o == last[j];
                if (!here && still_there(j))
                    fprintf(stderr, "not reachable: object %lu of type %u, %u references, %u handles\n",
                            (unsigned long)last[j]->id, last[j]->type, last[j]->refs, last[j]->handles);
            }
            fprintf(stderr, "object %lu of type %u: %u references, %u counted; %u handles, %u counted\n",
                    (unsigned long)o->id, o->type, o->refs, seen[i].refs, o->handles, seen[i].handles);
            abort();
        }
    }
    for (unsigned i = 0; i < charged_count; i++) {
        struct account *a = charged[i].a;
        if (a->pages_used != charged[i].pages || a->objects_used != charged[i].objects) {
            fprintf(stderr, "account %lu: %lu pages used, %lu counted; %lu objects used, %lu counted\n",
                    (unsigned long)a->object.id, (unsigned long)a->pages_used, (unsigned long)charged[i].pages,
                    (unsigned long)a->objects_used, (unsigned long)charged[i].objects);
            for (unsigned j = 0; j < seen_count; j++)
                fprintf(stderr, "  object %lu of type %u\n", (unsigned long)seen[j].o->id, seen[j].o->type);
            abort();
        }
    }
    last_count = seen_count;
    for (unsigned i = 0; i < seen_count; i++)
        last[i] = seen[i].o, last_id[i] = seen[i].o->id, last_type[i] = (uint8_t)seen[i].o->type;
    uint64_t in_use = table_and_cap_pages;
    for (uint64_t i = 0; i < page_count; i++) {
        struct page *p = &pages[i];
        if (p->state == PAGE_USED && p->refs != holders[i] && (p->refs || holders[i])) {
            fprintf(stderr, "page %lu: %u references, %u counted\n", (unsigned long)i, p->refs, holders[i]);
            abort();
        }
        if (p->state != PAGE_USED)
            CHECK(holders[i] == 0 && pinned[i] == 0);
        else if (p->refs || p->pins)
            CHECK(p->pins == pinned[i]);
        if (p->state == PAGE_USED && (p->refs || p->pins))
            in_use++;
        if (p->state == PAGE_SLAB)
            in_use++;
    }
    CHECK(in_use == pages_total - pages_free);
}

void destroy_all_tasks_but_root(void)
{
    for (unsigned i = 0; i < last_count; i++)
        if (last_type[i] == FUT_OBJ_TASK && still_there(i) && last[i] != &root->object)
            task_destroy(object_of(last[i], struct task)), take_away_the_dead();
}
