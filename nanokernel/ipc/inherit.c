// SPDX-License-Identifier: MPL-2.0
//
// Priority inheritance. A thread has the highest of its own priority, that of the caller whose call it serves, and
// that of the most urgent thread in the queue of the Channel that it received from last, whose receiver it will be.
// A change goes on along the chain: to who serves this thread's call, or to the receivers of the Channel in whose
// queue it waits. `thread.lent` is what the queue gives and `lent_by` which Channel's: it counts only while the
// thread has not received from another Channel since, so nobody has to take it back.
//
// The fast path knows none of this: where it is taken the queue is empty, so the caller's priority is all there is.
#include <kernel.h>
#include <ipc.h>

static struct list work = {&work, &work}; // thread.inherit: whose priority has to be looked at

static void look_at(struct thread *t)
{
    if (t && list_empty(&t->inherit))
        list_append(&work, &t->inherit);
}

static void lend(struct channel *ch, uint8_t priority)
{
    if (!ch->server || ch->server->dead)
        return;
    list_each(&ch->server->threads, struct thread, in_task, i)
        if (i->channel == ch && (priority || i->lent)) {
            i->lent = priority;
            i->lent_by = ch;
            look_at(i);
        }
}

static void look_at_receivers(struct channel *ch)
{
    // ch->top is never below the truth; it is made true here. The first that is as urgent ends the search.
    uint8_t top = 0;
    list_each(&ch->queue, struct queue_node, link, n)
        if (n->kind != QUEUE_NOTICE) {
            top = max(top, container_of(n, struct thread, queue)->priority);
            if (top >= ch->top)
                break;
        }
    ch->top = top;
    lend(ch, top);
}

static void work_off(void)
{
    while (!list_empty(&work)) {
        struct thread *t = list_first(&work, struct thread, inherit);
        list_remove(&t->inherit);
        uint8_t p = t->base_priority;
        if (t->caller)
            p = max(p, t->caller->priority);
        if (t->lent_by == t->channel)
            p = max(p, t->lent);
        if (p == t->priority)
            continue;
        uint8_t was = t->priority;
        thread_set_priority(t, p);
        struct channel *ch = thread_queued_in(t);
        if (ch && (p > ch->top || was >= ch->top)) {
            ch->top = max(p, ch->top);
            look_at_receivers(ch);
        } else if (!ch && t->session) {
            look_at(t->server);
        }
    }
}

void thread_inherit(struct thread *t)
{
    look_at(t);
    work_off();
}

void channel_joined(struct channel *ch, struct thread *t)
{
    if (t->priority <= ch->top)
        return;
    ch->top = t->priority;
    look_at_receivers(ch);
    work_off();
}

void channel_left(struct channel *ch, uint8_t priority)
{
    if (priority < ch->top)
        return;
    look_at_receivers(ch);
    work_off();
}

void channel_no_receiver(struct channel *ch)
{
    lend(ch, 0);
    work_off();
}

void channel_new_receiver(struct channel *ch)
{
    look_at_receivers(ch);
    work_off();
}
