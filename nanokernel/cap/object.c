// SPDX-License-Identifier: MPL-2.0
//
// Birth, references and death of kernel objects, and the Accounts that pay for them.
//
// An Account's use includes what its descendants use, so a charge walks to the root (the depth is limited).
// Destroying an Account therefore changes no figure above it: what still refers to it goes on being paid by
// its ancestors.
#include <kernel.h>
#include <ipc.h>
#include <schedule.h>
#include <cap/types.h>

struct account *root_account;
static uint64_t last_id;
struct object *reap_list;
uint8_t reap_priority;

#define TYPE(t, hook, step, end) {sizeof(struct t), offsetof(struct t, object), hook, step, end}
static const struct object_type {
    size_t size, offset;
    void (*no_handles)(struct object *);
    bool (*step)(struct object *); // takes a part of it away; true: the rest is for destroy
    void (*destroy)(struct object *);
} types[] = {
    [FUT_OBJ_TASK] = TYPE(task, task_no_handles, task_step, task_free),
    [FUT_OBJ_THREAD] = TYPE(thread, thread_no_handles, nullptr, thread_free),
    [FUT_OBJ_CHANNEL] = TYPE(channel, channel_no_handles, nullptr, channel_free),
    [FUT_OBJ_SESSION] = TYPE(session, session_no_handles, nullptr, session_free),
    [FUT_OBJ_REPLY] = {0, 0, reply_no_handles, nullptr, nullptr}, // part of a thread
    [FUT_OBJ_EVENT] = TYPE(event, nullptr, nullptr, event_free),
    [FUT_OBJ_WAITSET] = TYPE(waitset, nullptr, nullptr, waitset_free),
    [FUT_OBJ_MEMORY] = TYPE(memory, nullptr, memory_step, memory_destroy),
    [FUT_OBJ_SPACE] = TYPE(space, nullptr, space_step, space_destroy),
    [FUT_OBJ_IRQ] = TYPE(irq, nullptr, nullptr, irq_free),
    [FUT_OBJ_IOPORT] = TYPE(ioport, nullptr, nullptr, nullptr),
    [FUT_OBJ_ACCOUNT] = TYPE(account, account_no_handles, nullptr, account_free),
    [FUT_OBJ_SCHEDULE] = TYPE(schedule, nullptr, nullptr, schedule_free),
    [FUT_OBJ_LOG] = {sizeof(struct object), 0, nullptr, nullptr, nullptr},
    [FUT_OBJ_MACHINE] = {sizeof(struct object), 0, nullptr, nullptr, nullptr},
};

uint64_t object_next_id(void) { return ++last_id; }

static bool charge_object(struct account *a)
{
    for (struct account *i = a; i; i = i->parent)
        if (i->objects_used >= i->objects_limit)
            return false;
    for (struct account *i = a; i; i = i->parent)
        i->objects_used++;
    return true;
}

static void return_object(struct account *a)
{
    for (struct account *i = a; i; i = i->parent)
        i->objects_used--;
}

fut_status_t account_charge_object(struct account *a)
{
    if (!charge_object(a))
        return FUT_ERR_QUOTA;
    object_ref(&a->object);
    return FUT_OK;
}

void account_return_object(struct account *a)
{
    return_object(a);
    object_unref(&a->object);
}

static void end_watch(struct account *a)
{
    struct event *e = a->pressure;
    a->pressure = nullptr;
    a->pages_check = a->pages_limit;
    if (e)
        object_unref(&e->object);
}

// n pages are more than pages_check. False: more than there may be.
static bool pressure(struct account *a, uint64_t n)
{
    if (a->pressure)
        event_signal(a->pressure, a->pressure_bits);
    end_watch(a);
    return a->pages_limit - a->pages_used >= n;
}

bool account_charge_pages(struct account *a, uint64_t n)
{
    for (struct account *i = a; i; i = i->parent)
        if (unlikely(i->pages_check - i->pages_used < n) && !pressure(i, n))
            return false;
    for (struct account *i = a; i; i = i->parent)
        i->pages_used += n;
    return true;
}

void account_return_pages(struct account *a, uint64_t n)
{
    for (struct account *i = a; i; i = i->parent) {
        kassert(i->pages_used >= n);
        i->pages_used -= n;
    }
}

fut_status_t object_new(uint32_t type, struct account *account, struct object **out)
{
    const struct object_type *ty = &types[type];
    if (account && !charge_object(account))
        return FUT_ERR_QUOTA;
    char *memory = slab_alloc(ty->size);
    if (!memory) {
        if (account)
            return_object(account);
        return FUT_ERR_NO_MEMORY;
    }
    struct object *o = (struct object *)(memory + ty->offset);
    o->id = object_next_id();
    o->refs = 1;
    o->type = type;
    o->account = account;
    if (account)
        object_ref(&account->object);
    *out = o;
    return FUT_OK;
}

void object_reap_later(struct object *o)
{
    struct thread *t = arch_cpu()->current;
    o->reap_next = reap_list;
    reap_list = o;
    reap_priority = max(reap_priority, t ? t->priority : 0);
}

void object_unref(struct object *o)
{
    kassert(o->refs > 0);
    if (--o->refs == 0 && o->type != FUT_OBJ_REPLY)
        object_reap_later(o);
}

static bool others_are_more_urgent(void)
{
    struct cpu *cpu = arch_cpu();
    struct thread *t = cpu->current;
    return cpu->ready >> reap_priority > 1 ||
           (t && t->priority > reap_priority && t->state == FUT_THREAD_RUNNABLE && !t->suspended);
}

// A destructor may drop further references: they are put into the list that this loop empties.
void object_reap(void)
{
    for (unsigned n = 1; reap_list && !others_are_more_urgent(); n++) {
        struct object *o = reap_list;
        const struct object_type *ty = &types[o->type];
        reap_list = o->reap_next;
        bool whole = !ty->step || ty->step(o);
        if (!whole) {
            o->reap_next = reap_list;
            reap_list = o;
        } else if (o->refs) {
            object_unref(o); // a Task that has ended: whoever names it still may
        } else {
            if (ty->destroy)
                ty->destroy(o);
            kassert(o->refs == 0);
            struct account *a = o->account;
            slab_free((char *)o - ty->offset, ty->size);
            if (a) {
                return_object(a);
                object_unref(&a->object);
            }
        }
        if (!whole || n % 8 == 0)
            arch_interrupts();
    }
    if (!reap_list)
        reap_priority = 0;
}

void object_handle_ref(struct object *o)
{
    o->handles++;
    o->refs++;
}

void object_handle_unref(struct object *o)
{
    if (--o->handles == 0 && types[o->type].no_handles)
        types[o->type].no_handles(o);
    else if (unlikely(o->type == FUT_OBJ_TASK))
        task_fewer_handles(o);
    object_unref(o);
}

// --- Accounts ----------------------------------------------------------------------------------------
#define ACCOUNT_DEPTH 8

fut_status_t account_new(struct account *parent, uint64_t pages, uint64_t objects, struct account **out)
{
    int depth = 0;
    for (struct account *i = parent; i; i = i->parent)
        depth++;
    if (depth >= ACCOUNT_DEPTH)
        return FUT_ERR_UNSUPPORTED;
    struct object *o;
    fut_status_t status = object_new(FUT_OBJ_ACCOUNT, parent, &o);
    if (status)
        return status;
    struct account *a = object_of(o, struct account);
    a->parent = parent;
    a->schedule = parent ? parent->schedule : nullptr;
    if (a->schedule)
        object_ref(&a->schedule->object);
    a->pages_limit = a->pages_check = pages;
    a->objects_limit = objects;
    *out = a;
    return FUT_OK;
}

// The Event may be paid by this very Account: they must not keep each other.
void account_no_handles(struct object *o) { end_watch(object_of(o, struct account)); }

void account_free(struct object *o)
{
    struct account *a = object_of(o, struct account);
    kassert(a->pages_used == 0 && a->objects_used == 0);
    end_watch(a);
    if (a->schedule)
        object_unref(&a->schedule->object);
}

fut_status_t sys_account_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_ACCOUNT, FUT_RIGHT_MANAGE, &c);
    if (status)
        return status;
    struct account *child;
    status = account_new(object_of(c->object, struct account), a[1], a[2], &child);
    if (status)
        return status;
    fut_handle_t h;
    status = cap_install(t->task, &child->object, RIGHTS_ACCOUNT, &h);
    *value = h;
    return status;
}

fut_status_t sys_account_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_ACCOUNT, FUT_RIGHT_READ, &c);
    if (status)
        return status;
    struct account *acc = object_of(c->object, struct account);
    cpu_charge_all();
    struct fut_account_info info = {
        acc->pages_used, acc->pages_limit, acc->objects_used, acc->objects_limit, ticks_to_ns(acc->cpu_ticks)};
    return user_write(t, a[1], &info, sizeof info);
}

fut_status_t sys_account_watch(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c, *e;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_ACCOUNT, FUT_RIGHT_READ, &c);
    if (!status)
        status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_EVENT, FUT_RIGHT_WRITE, &e);
    if (status)
        return status;
    struct account *acc = object_of(c->object, struct account);
    struct event *event = object_of(e->object, struct event);
    if (a[3] == 0 || a[3] > acc->pages_limit)
        return FUT_ERR_ARGUMENT;
    object_ref(&event->object);
    end_watch(acc);
    acc->pressure = event;
    acc->pressure_bits = a[2];
    if (acc->pages_used >= a[3])
        (void)pressure(acc, 0);
    else
        acc->pages_check = a[3] - 1;
    return FUT_OK;
}
