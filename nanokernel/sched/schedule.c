// SPDX-License-Identifier: MPL-2.0
//
// Schedules: how urgent threads are, and how much CPU time they get.
//
// A Schedule is a sporadic server: what was used comes back one period after its use began, so in no window of one
// period more than the budget is used (but for what a timer comes late, which is taken off the next). Uses that
// began within a quarter of a period of each other come back together, with the last of them.
//
// A call is paid by its caller: the time of a server that works on it counts on the outermost caller's Schedule. When
// that budget ends the server goes on in its own name, so a client that is starved cannot stop a server; the caller
// waits for its budget when it has its answer. A thread without a Schedule has all the time there is.
//
// A runnable thread for which nobody can pay is parked: it lies in the list of a Schedule, in no run queue, until the
// Schedule's timer. All of this is looked at only where a thread is taken from the run queue, and when the timer that
// was set for the end of the running budget fires: the fast paths change neither. A caller whose budget has ended is
// marked with ATTENTION_BUDGET, so that it gets its answer by way of the run queue.
//
// Accounts name a Schedule too (ACCOUNT_SCHEDULE): threads paid by the Account run on it, or on Schedules that were
// made in it, which are parts of it. So CPU time nests as pages do.
#include <kernel.h>
#include <ipc.h>
#include <schedule.h>
#include <cap/types.h>

#define SETTLE_TICKS 65536u // Accounts learn of a thread's time in such portions

// --- Time ------------------------------------------------------------------------------------------------
static void refill(struct schedule *s, uint64_t now)
{
    unsigned due = 0;
    while (due < s->refills && s->refill[due].at <= now)
        s->left += (int64_t)s->refill[due++].amount;
    s->refills -= due;
    for (unsigned i = 0; due && i < s->refills; i++)
        s->refill[i] = s->refill[i + due];
}

static bool limited(const struct schedule *s) { return s->set.budget != FUT_FOREVER; }

void schedule_charge(struct schedule *s, uint64_t ns)
{
    uint64_t now = arch_time_ns(), since = now - min(ns, now);
    for (; s; s = s->parent) {
        s->used += ns;
        if (!limited(s) || ns == 0)
            continue;
        refill(s, now);
        s->left -= (int64_t)ns;
        uint64_t at = s->set.period > FUT_FOREVER - 1 - now ? FUT_FOREVER : since + s->set.period;
        unsigned last = s->refills - 1;
        if (s->refills == 0 || (since - s->refill[last].since > s->set.period / 4 && s->refills < REFILLS)) {
            last = s->refills++;
            s->refill[last].since = since;
            s->refill[last].amount = 0;
        }
        s->refill[last].at = at;
        s->refill[last].amount += ns;
    }
}

// The Schedule that keeps t from running on its own time; null: none. *left: how long it may run, if that is less.
static struct schedule *exhausted(const struct thread *t, uint64_t now, int64_t *left)
{
    for (struct schedule *s = t->schedule; s; s = s->parent) {
        if (!limited(s))
            continue;
        refill(s, now);
        if (s->left <= 0)
            return s;
        *left = min(*left, s->left);
    }
    return nullptr;
}

struct thread *schedule_payer(struct thread *t)
{
    struct thread *payer = nullptr;
    struct schedule *first = nullptr; // of those that would help, the one that does so first
    uint64_t now = arch_time_ns();
    unsigned depth = 0;
    for (struct thread *i = t; i && depth < 8; i = i->caller, depth++) {
        int64_t left = INT64_MAX;
        struct schedule *s = exhausted(i, now, &left);
        if (!s)
            payer = i;
        else if (!first || s->refill[0].at < first->refill[0].at)
            first = s;
        if (s && i != t)
            i->attention |= ATTENTION_BUDGET;
    }
    if (!payer) {
        list_append(&first->parked, &t->queue.link);
        t->parked = true;
        schedule_timer_start(first, first->refill[0].at);
    }
    return payer;
}

void schedule_start(struct cpu *cpu)
{
    int64_t left = INT64_MAX;
    uint64_t now;
    cpu->budget_end = FUT_FOREVER;
    if (!cpu->payer || !cpu->payer->schedule)
        return;
    now = arch_time_ns();
    if (exhausted(cpu->payer, now, &left))
        cpu->budget_end = now;
    else if (left != INT64_MAX)
        cpu->budget_end = now + (uint64_t)left;
    if (cpu != arch_cpu()) { // it sets its timer when it leaves the kernel
        cpu->timer_set = 0;
        arch_ipi((unsigned)(cpu - cpus));
    }
}

static void apply(struct thread *t, const struct schedule *s)
{
    if (t->state == FUT_THREAD_DEAD)
        return;
    if (s && s->set.priority) {
        t->base_priority = t->ceiling = (uint8_t)s->set.priority;
        thread_inherit(t);
    }
    thread_set_affinity(t, s ? s->set.affinity : UINT64_MAX);
    for each_cpu(c)
        if (c->payer == t)
            schedule_start(c);
}

static void unpark(struct schedule *s)
{
    schedule_timer_start(s, FUT_FOREVER);
    while (!list_empty(&s->parked)) {
        struct thread *t = list_first(&s->parked, struct thread, queue.link);
        thread_dequeue(t);
        thread_ready(t);
    }
}

void schedule_expired(struct schedule *s)
{
    refill(s, arch_time_ns());
    if (s->left > 0 || s->refills == 0)
        unpark(s);
    else
        schedule_timer_start(s, s->refill[0].at);
}

void thread_settle(struct thread *t, uint64_t ticks)
{
    for (struct account *a = t->task->object.account; a; a = a->parent)
        a->cpu_ticks += t->counter_ticks - t->told_ticks;
    t->told_ticks = t->counter_ticks;
    t->settle_ticks = t->schedule ? 0 : t->counter_ticks + SETTLE_TICKS;
    if (t->schedule)
        schedule_charge(t->schedule, ticks_to_ns(ticks));
}

// --- Who runs on it ----------------------------------------------------------------------------------------
void thread_set_schedule(struct thread *t, struct schedule *s)
{
    cpu_charge_all();
    if (t->parked) {
        thread_dequeue(t);
        thread_ready(t);
    }
    if (s)
        object_ref(&s->object);
    list_remove(&t->in_schedule);
    if (t->schedule)
        object_unref(&t->schedule->object);
    t->schedule = s;
    t->settle_ticks = 0;
    if (s)
        list_append(&s->threads, &t->in_schedule);
    apply(t, s);
}

void schedule_free(struct object *o)
{
    struct schedule *s = object_of(o, struct schedule);
    kassert(list_empty(&s->threads) && list_empty(&s->parked) && !s->timer.in);
    if (s->parent)
        object_unref(&s->parent->object);
}

// --- System calls --------------------------------------------------------------------------------------------
static fut_status_t get_schedule(struct thread *t, uint64_t h, uint32_t rights, struct schedule **out)
{
    struct cap *c;
    fut_status_t status = cap_get(t->task, (fut_handle_t)h, FUT_OBJ_SCHEDULE, rights, &c);
    if (!status)
        *out = object_of(c->object, struct schedule);
    return status;
}

static fut_status_t read_settings(struct thread *t, uint64_t from, struct fut_schedule *q)
{
    fut_status_t status = user_read(t, q, from, sizeof *q);
    if (status)
        return status;
    if (q->priority > t->ceiling || q->reserved || q->budget == 0 ||
        (q->budget != FUT_FOREVER && (q->budget > q->period || q->budget > FUT_BUDGET_MAX || q->period < FUT_PERIOD_MIN)))
        return FUT_ERR_ARGUMENT;
    if (q->affinity == 0)
        q->affinity = UINT64_MAX;
    if (!(q->affinity & ((1u << cpus_online) - 1)))
        return FUT_ERR_ARGUMENT;
    return FUT_OK;
}

fut_status_t sys_schedule_create(struct thread *t, const uint64_t *a, uint64_t *value)
{
    struct fut_schedule q;
    fut_status_t status = read_settings(t, a[0], &q);
    if (status)
        return status;
    struct object *o;
    status = object_new(FUT_OBJ_SCHEDULE, t->task->object.account, &o);
    if (status)
        return status;
    struct schedule *s = object_of(o, struct schedule);
    s->set = q;
    s->left = (int64_t)q.budget;
    list_init(&s->threads);
    list_init(&s->parked);
    s->parent = t->task->object.account->schedule;
    if (s->parent)
        object_ref(&s->parent->object);
    fut_handle_t h = 0;
    status = cap_install(t->task, o, RIGHTS_SCHEDULE, &h);
    *value = h;
    return status;
}

fut_status_t sys_schedule_set(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct schedule *s;
    struct fut_schedule q;
    fut_status_t status = get_schedule(t, a[0], FUT_RIGHT_MANAGE, &s);
    if (!status)
        status = read_settings(t, a[1], &q);
    if (status)
        return status;
    cpu_charge_all();
    s->set = q;
    s->left = (int64_t)q.budget;
    s->refills = 0;
    unpark(s);
    arch_sys_result(&t->arch, FUT_OK, 0); // it may go to another CPU at once
    list_each(&s->threads, struct thread, in_schedule, i)
        apply(i, s);
    return SYS_BLOCKED;
}

// Nobody leaves the Schedule of his Account: what replaces it must be a part of it.
static bool part_of(const struct schedule *s, const struct schedule *whole)
{
    while (s && s != whole)
        s = s->parent;
    return s == whole || !whole;
}

fut_status_t sys_schedule_bind(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    struct schedule *s = nullptr;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[1], FUT_OBJ_THREAD, FUT_RIGHT_MANAGE, &c);
    if (!status && a[0])
        status = get_schedule(t, a[0], FUT_RIGHT_WRITE, &s);
    if (status)
        return status;
    struct thread *n = object_of(c->object, struct thread);
    if (n->state == FUT_THREAD_DEAD)
        return FUT_ERR_STATE;
    struct schedule *whole = n->task->object.account->schedule;
    if (!s)
        s = whole;
    if (!part_of(s, whole))
        return FUT_ERR_RIGHTS;
    arch_sys_result(&t->arch, FUT_OK, 0);
    thread_set_schedule(n, s);
    return SYS_BLOCKED;
}

fut_status_t sys_account_schedule(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct cap *c;
    struct schedule *s;
    fut_status_t status = cap_get(t->task, (fut_handle_t)a[0], FUT_OBJ_ACCOUNT, FUT_RIGHT_MANAGE, &c);
    if (!status)
        status = get_schedule(t, a[1], FUT_RIGHT_WRITE, &s);
    if (status)
        return status;
    struct account *account = object_of(c->object, struct account);
    if (account->objects_used)
        return FUT_ERR_STATE;
    if (!part_of(s, account->schedule))
        return FUT_ERR_RIGHTS;
    object_ref(&s->object);
    if (account->schedule)
        object_unref(&account->schedule->object);
    account->schedule = s;
    return FUT_OK;
}

fut_status_t sys_schedule_info(struct thread *t, const uint64_t *a, uint64_t *)
{
    struct schedule *s;
    fut_status_t status = get_schedule(t, a[0], FUT_RIGHT_READ, &s);
    if (status)
        return status;
    cpu_charge_all();
    refill(s, arch_time_ns());
    struct fut_schedule_info info = {
        .set = s->set, .object_id = s->object.id, .parent_id = s->parent ? s->parent->object.id : 0,
        .used_ns = s->used, .left_ns = limited(s) ? s->left : INT64_MAX,
    };
    list_each(&s->threads, struct thread, in_schedule, i)
        info.threads++;
    list_each(&s->parked, struct thread, queue.link, i)
        info.parked++;
    return user_write(t, a[1], &info, sizeof info);
}
