// SPDX-License-Identifier: MPL-2.0
//
// What the debugger shows of tasks, threads, capabilities, Channels and Accounts.
#include <ipc.h>
#include "kdb.h"

static const char *const types[] = {"free", "task", "thread", "channel", "session", "reply", "event", "waitset",
                                    "memory", "space", "irq", "ioport", "account", "log", "machine", "schedule"};
static const char *type_name(uint32_t type)
{
    return type < sizeof types / sizeof *types ? types[type] : "?";
}

#define STEPS 4096u // of a list that may be damaged

struct task *kdb_task(const char *text)
{
    uint64_t id;
    if (!kdb_number(text, 10, &id)) {
        klog("not a number: %s\n", text);
        return nullptr;
    }
    list_each(&all_tasks, struct task, in_all, t)
        if (t->object.id == id)
            return t;
    klog("no task %s\n", text);
    return nullptr;
}

static struct thread *find_thread(uint64_t id)
{
    list_each(&all_tasks, struct task, in_all, t)
        list_each(&t->threads, struct thread, in_task, i)
            if (i->object.id == id)
                return i;
    return nullptr;
}

struct thread *kdb_thread(const char *text)
{
    uint64_t id;
    struct thread *t = kdb_number(text, 10, &id) ? find_thread(id) : nullptr;
    if (!t)
        klog("no thread %s\n", text);
    return t;
}

static void command_tasks(int, char **)
{
    klog("  task  space  acct  threads  handles\n");
    list_each(&all_tasks, struct task, in_all, t)
        klog("%6lu %6lu %5lu %8u %8u%s\n", (unsigned long)t->object.id, (unsigned long)(t->space ? t->space->object.id : 0),
             (unsigned long)(t->object.account ? t->object.account->object.id : 0), t->thread_count, t->caps.used,
             t->dead ? "  dead" : "");
}

// What a thread waits for, in one line.
static void print_wait(const struct thread *t)
{
    const struct channel *ch = t->session ? t->session->channel : t->state == FUT_THREAD_RECEIVING ? t->channel : nullptr;
    unsigned long channel = ch ? ch->object.id : 0;
    if (t->suspended)
        klog("suspended; ");
    switch (t->state) {
    case FUT_THREAD_RUNNABLE:
        klog(t->parked ? "ready, but its budget is used up" : t->queued ? "ready" : "running");
        break;
    case FUT_THREAD_SENDING: klog("sending to channel %lu", channel); break;
    case FUT_THREAD_CALLING:
        if (t->server)
            klog("called channel %lu, served by thread %lu", channel, (unsigned long)t->server->object.id);
        else
            klog("called channel %lu, its Reply is %s", channel, t->reply_cap ? "saved" : "stale");
        break;
    case FUT_THREAD_RECEIVING: klog("receiving from channel %lu", channel); break;
    case FUT_THREAD_WAITING:
        klog("waiting for %s %lu, bits %lx", t->waits_on ? type_name(t->waits_on->type) : "?",
             (unsigned long)(t->waits_on ? t->waits_on->id : 0), (unsigned long)t->wait_mask);
        break;
    case FUT_THREAD_FUTEX: klog("futex at offset %lx", (unsigned long)t->futex_offset); break;
    case FUT_THREAD_FAULTED: klog("faulted: code %x at %lx", t->fault_code, (unsigned long)t->fault_address); break;
    case FUT_THREAD_PAGING:
        klog("page %lx of memory %lu", (unsigned long)t->fault_offset,
             (unsigned long)(t->fault_memory ? t->fault_memory->object.id : 0));
        break;
    default: klog("dead");
    }
}

static void print_thread(const struct thread *t)
{
    klog("%6lu  task %-5lu prio %2u/%-2u  %012lx  ", (unsigned long)t->object.id,
         (unsigned long)(t->task ? t->task->object.id : 0), t->priority, t->base_priority, (unsigned long)arch_pc(&t->arch));
    print_wait(t);
    klog("\n");
}

static void command_threads(int n, char **word)
{
    struct task *only = n > 1 ? kdb_task(word[1]) : nullptr;
    if (n > 1 && !only)
        return;
    list_each(&all_tasks, struct task, in_all, t)
        if (!only || t == only)
            list_each(&t->threads, struct thread, in_task, i)
                print_thread(i);
}

static void command_thread(int, char **word)
{
    const struct thread *t = kdb_thread(word[1]);
    if (!t)
        return;
    print_thread(t);
    klog("cpu time %lu ns, attention %x, pending %lx, serves %lu, upcall entry %lx\n",
         (unsigned long)ticks_to_ns(t->counter_ticks), t->attention, (unsigned long)t->pending,
         (unsigned long)(t->caller ? t->caller->object.id : 0), (unsigned long)t->upcall.entry);
    // The chain of calls that this one waits for.
    unsigned steps = 0;
    for (const struct thread *i = t; i->server && steps < 16; i = i->server, steps++)
        klog("  -> served by thread %lu of task %lu\n", (unsigned long)i->server->object.id,
             (unsigned long)i->server->task->object.id);
}

static void print_cap(const struct cap *c)
{
    klog("%08x  %-8s %6lu  rights %04x", c->handle, type_name(c->type), (unsigned long)c->object->id, c->rights & 0xffff);
    if (c->type == FUT_OBJ_SESSION && c->object != &stale_reply) {
        const struct session *s = object_of(c->object, struct session);
        klog(" perms %04x badge %lx channel %lu", c->rights >> 16, (unsigned long)s->node.key,
             (unsigned long)s->channel->object.id);
    }
    klog("  refs %u/%u seq %lu\n", c->object->handles, c->object->refs, (unsigned long)c->sequence);
}

static void each_cap(const struct task *t, void (*f)(struct cap *c, uint64_t), uint64_t argument)
{
    for (uint32_t l = 0; t->caps.leaf && l < CAP_LEAVES; l++)
        for (uint32_t i = 0; t->caps.leaf[l] && i < CAP_LEAF_SLOTS; i++)
            if (t->caps.leaf[l][i].object)
                f(&t->caps.leaf[l][i], argument);
}

static void each_print(struct cap *c, uint64_t) { print_cap(c); }

static void print_derivation(const struct cap *c, unsigned depth)
{
    unsigned steps = 0;
    for (const struct cap *i = c; i && steps < STEPS; i = i->next, steps++) {
        for (unsigned d = 0; d < depth; d++)
            klog("  ");
        klog("task %lu ", (unsigned long)i->task->object.id);
        print_cap(i);
        if (i->child && depth < 8)
            print_derivation(i->child, depth + 1);
    }
}

static void command_caps(int n, char **word)
{
    const struct task *t = kdb_task(word[1]);
    uint64_t h;
    if (!t)
        return;
    if (n == 2) {
        each_cap(t, each_print, 0);
        return;
    }
    const struct cap *c = kdb_number(word[2], 16, &h) ? cap_lookup(&t->caps, (fut_handle_t)h) : nullptr;
    if (!c || !c->object) {
        klog("no handle %s in that task\n", word[2]);
        return;
    }
    print_cap(c);
    if (c->object == &stale_reply)
        return;
    unsigned steps = 0;
    for (const struct cap *i = c->parent; i && steps < 32; i = i->parent, steps++) {
        klog("from task %lu ", (unsigned long)i->task->object.id);
        print_cap(i);
    }
    if (c->child) {
        klog("derived from it:\n");
        print_derivation(c->child, 1);
    }
}

static void each_find(struct cap *c, uint64_t id)
{
    if (c->object->id == id) {
        klog("task %lu ", (unsigned long)c->task->object.id);
        print_cap(c);
    }
}

static void command_find(int, char **word)
{
    uint64_t id;
    if (!kdb_number(word[1], 10, &id) || !id)
        return;
    list_each(&all_tasks, struct task, in_all, t)
        each_cap(t, each_find, id);
}

// Objects have no list of their own: they are found by the capabilities that name them, each once.
static uint64_t shown[512];
static unsigned shown_count;

static bool first_time(uint64_t id)
{
    for (unsigned i = 0; i < shown_count; i++)
        if (shown[i] == id)
            return false;
    if (shown_count < sizeof shown / sizeof *shown)
        shown[shown_count++] = id;
    return true;
}

static unsigned length(const struct list *l)
{
    unsigned n = 0;
    for (const struct list *i = l->next; i != l && n < STEPS; i = i->next)
        n++;
    return n;
}

static void print_channel(const struct channel *ch)
{
    unsigned sessions = 0;
    for (struct tree_node *i = tree_first(&ch->sessions); i && sessions < STEPS; i = tree_next(i))
        sessions++;
    klog("%6lu  server task %-5lu %u receive, %u queued, %u cancels, %u sessions%s%s\n", (unsigned long)ch->object.id,
         (unsigned long)(ch->server ? ch->server->object.id : 0), length(&ch->receivers), length(&ch->queue), length(&ch->cancels), sessions,
         ch->event ? ", event bound" : "", ch->dead ? ", dead" : "");
}

static void each_channel(struct cap *c, uint64_t)
{
    if (c->type == FUT_OBJ_CHANNEL && first_time(c->object->id))
        print_channel(object_of(c->object, struct channel));
}

static void each_account(struct cap *c, uint64_t)
{
    if (c->type != FUT_OBJ_ACCOUNT || !first_time(c->object->id))
        return;
    const struct account *a = object_of(c->object, struct account);
    klog("%6lu  parent %-5lu pages %lu of %lu, objects %lu of %lu\n", (unsigned long)a->object.id,
         (unsigned long)(a->parent ? a->parent->object.id : 0), (unsigned long)a->pages_used, (unsigned long)a->pages_limit,
         (unsigned long)a->objects_used, (unsigned long)a->objects_limit);
}

static void every_task(void (*f)(struct cap *, uint64_t))
{
    shown_count = 0;
    list_each(&all_tasks, struct task, in_all, t)
        each_cap(t, f, 0);
}

static void command_channels(int, char **) { every_task(each_channel); }
static void command_accounts(int, char **) { every_task(each_account); }

static void each_channel_of(struct cap *c, uint64_t id)
{
    if (c->type != FUT_OBJ_CHANNEL || c->object->id != id || !first_time(id))
        return;
    const struct channel *ch = object_of(c->object, struct channel);
    print_channel(ch);
    unsigned steps = 0;
    for (const struct list *i = ch->receivers.next; i != &ch->receivers && steps < STEPS; i = i->next, steps++) {
        klog("receiver ");
        print_thread(container_of(i, struct thread, queue.link));
    }
    static const char *const kinds[] = {"?", "call", "send", "fault", "page", "no senders"};
    for (const struct list *i = ch->queue.next; i != &ch->queue && steps < STEPS; i = i->next, steps++) {
        const struct queue_node *q = container_of(i, struct queue_node, link);
        klog("queued %s ", q->kind < 6 ? kinds[q->kind] : "?");
        if (q->kind == QUEUE_NOTICE)
            klog("badge %lx\n", (unsigned long)container_of(q, struct session, notice)->node.key);
        else
            print_thread(container_of(q, struct thread, queue));
    }
    for (struct tree_node *n = tree_first(&ch->sessions); n && steps < STEPS; n = tree_next(n), steps++) {
        const struct session *s = container_of(n, struct session, node);
        klog("session %lu badge %lx, %u handles\n", (unsigned long)s->object.id, (unsigned long)n->key, s->object.handles);
    }
}

static void command_channel(int, char **word)
{
    uint64_t id;
    if (!kdb_number(word[1], 10, &id))
        return;
    shown_count = 0;
    list_each(&all_tasks, struct task, in_all, t)
        each_cap(t, each_channel_of, id);
}

const struct kdb_command kdb_object_commands[] = {
    {"tasks", "", "all tasks", command_tasks},
    {"threads", "[TASK]", "threads, and what each waits for", command_threads},
    {"thread", "!THREAD", "one thread, and who serves its call", command_thread},
    {"caps", "!TASK [HANDLE]", "a capability table; one capability and its derivation", command_caps},
    {"find", "!OBJECT", "who holds capabilities to an object", command_find},
    {"channels", "", "Channels: receivers, queues, Sessions", command_channels},
    {"channel", "!CHANNEL", "one Channel: who waits, what is queued, its Sessions", command_channel},
    {"accounts", "", "Accounts: what they use of what they may", command_accounts},
    {},
};
