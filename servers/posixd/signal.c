// SPDX-License-Identifier: MPL-2.0
//
// Delivering signals. The rules are in signals.c; here they meet processes: pages, threads, stopping,
// continuing and ending. A caught signal is only marked and its thread interrupted: the process's own
// library runs the handler.
#include "posixd.h"

#define POST_SIGNAL UINT64_C(1)
#define POST_CONTINUED UINT64_C(2)

static uint64_t blocked_by(const struct process *p, unsigned slot)
{
    return __atomic_load_n(&p->page->thread[slot].blocked, __ATOMIC_SEQ_CST) & ~SIGNALS_UNBLOCKABLE;
}

static uint64_t blocked_by_all(const struct process *p)
{
    uint64_t all = UINT64_MAX;
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0)
            all &= blocked_by(p, i);
    }
    return all == UINT64_MAX ? ~SIGNALS_UNBLOCKABLE : all;
}

static struct signal_view view_of(const struct process *p, int slot)
{
    return (struct signal_view){
        .caught = __atomic_load_n(&p->page->caught, __ATOMIC_SEQ_CST),
        .ignored = __atomic_load_n(&p->page->ignored, __ATOMIC_SEQ_CST),
        .blocked = slot >= 0 ? blocked_by(p, (unsigned)slot) : blocked_by_all(p),
        .stopped = p->state == PROCESS_STOPPED,
        .orphaned = group_is_orphaned(p->group, nullptr),
    };
}

static uint64_t *pending_word(struct process *p, int slot)
{
    return slot >= 0 ? &p->page->thread[slot].pending : &p->page->pending;
}

// A standard signal that is pending already keeps what the first one said.
static void mark_pending(struct process *p, unsigned signal, const struct signal_source *from, int slot)
{
    uint64_t *word = pending_word(p, slot);
    if ((__atomic_load_n(word, __ATOMIC_SEQ_CST) & signal_bit(signal)) == 0) {
        p->page->info[signal] = (struct process_signal_info){
            .signal = signal, .code = from->code, .pid = from->pid, .uid = from->uid, .value = from->value};
    }
    __atomic_fetch_or(word, signal_bit(signal), __ATOMIC_SEQ_CST);
    if (p->signal_event != 0)
        (void)fut_event_signal(p->signal_event, signal_bit(signal));
}

static void post_one(struct process *p, unsigned signal, int slot)
{
    if (slot >= 0) {
        (void)fut_thread_post(p->threads[slot].handle, POST_SIGNAL);
        return;
    }
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0 && (blocked_by(p, i) & signal_bit(signal)) == 0) {
            (void)fut_thread_post(p->threads[i].handle, POST_SIGNAL);
            return;
        }
    }
}

static void clear_pending(struct process *p, uint64_t set)
{
    __atomic_fetch_and(&p->page->pending, ~set, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0)
            __atomic_fetch_and(&p->page->thread[i].pending, ~set, __ATOMIC_SEQ_CST);
    }
}

static void stop(struct process *p, unsigned signal)
{
    if (p->state != PROCESS_RUNNING)
        return;
    p->state = PROCESS_STOPPED;
    p->status = signal << 8 | 0x7f;
    p->stop_news = true;
    p->continue_news = false;
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0)
            (void)fut_thread_suspend(p->threads[i].handle);
    }
    signal_child(p, CLD_STOPPED_CODE, signal);
    wait_news(p->parent);
}

static void act(struct process *p, enum signal_action action, unsigned signal)
{
    if (action == SIGNAL_TERMINATE)
        process_end(p, signal);
    else if (action == SIGNAL_STOP_ALL)
        stop(p, signal);
}

// What waited while the process was stopped takes its course.
static void reconsider(struct process *p, int slot)
{
    uint64_t *word = pending_word(p, slot);
    struct signal_view view = view_of(p, slot);
    uint64_t left = __atomic_load_n(word, __ATOMIC_SEQ_CST) & ~view.blocked;
    while (left != 0 && p->state == PROCESS_RUNNING) {
        unsigned signal = (unsigned)__builtin_ctzll(left) + 1;
        left &= left - 1;
        enum signal_action action = signal_decide(signal, &view);
        if (action == SIGNAL_POST) {
            post_one(p, signal, slot);
        } else if (action != SIGNAL_PEND) {
            __atomic_fetch_and(word, ~signal_bit(signal), __ATOMIC_SEQ_CST);
            act(p, action, signal);
        }
    }
}

static void go_on(struct process *p)
{
    if (p->state != PROCESS_STOPPED)
        return;
    p->state = PROCESS_RUNNING;
    p->stop_news = false;
    p->continue_news = true;
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0) {
            (void)fut_thread_post(p->threads[i].handle, POST_CONTINUED);
            (void)fut_thread_resume(p->threads[i].handle);
        }
    }
    signal_child(p, CLD_CONTINUED_CODE, SIG_CONT);
    wait_news(p->parent);
    for (int slot = -1; slot < MAX_THREADS && p->state == PROCESS_RUNNING; slot++) {
        if (slot < 0 || p->threads[slot].handle != 0)
            reconsider(p, slot);
    }
}

// The process may have unblocked the signal, and found nothing pending, just before it was marked. Both sides
// write first and look afterwards, so one of them sees it; the bit goes to whoever clears it.
static void look_again(struct process *p, unsigned signal, int slot)
{
    struct signal_view view = view_of(p, slot);
    enum signal_action action = signal_decide(signal, &view);
    if (action == SIGNAL_PEND)
        return;
    if (action == SIGNAL_POST)
        return post_one(p, signal, slot);
    uint64_t before = __atomic_fetch_and(pending_word(p, slot), ~signal_bit(signal), __ATOMIC_SEQ_CST);
    if (before & signal_bit(signal))
        act(p, action, signal);
}

void signal_send(struct process *p, unsigned signal, const struct signal_source *from, int slot)
{
    if (p->state == PROCESS_ZOMBIE || p->page == nullptr || !signal_valid(signal))
        return;
    if (signal == SIG_CONT) {
        clear_pending(p, SIGNALS_STOP);
        go_on(p);
        if (p->state == PROCESS_ZOMBIE)
            return;
    } else if (signal_bit(signal) & SIGNALS_STOP) {
        clear_pending(p, signal_bit(SIG_CONT));
    }
    struct signal_view view = view_of(p, slot);
    enum signal_action action = signal_decide(signal, &view);
    if (action == SIGNAL_PEND || action == SIGNAL_POST)
        mark_pending(p, signal, from, slot);
    if (action == SIGNAL_POST)
        post_one(p, signal, slot);
    if (action == SIGNAL_PEND)
        look_again(p, signal, slot);
    act(p, action, signal);
}

void signal_group(uint32_t group, unsigned signal, const struct signal_source *from)
{
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->group == group && p->state != PROCESS_ZOMBIE)
            signal_send(p, signal, from, -1);
    }
}

void signal_default(struct process *p, unsigned signal)
{
    if (signal == SIG_CONT || !signal_valid(signal))
        return;
    act(p, signal_default_action(signal, group_is_orphaned(p->group, nullptr)), signal);
}

// pid 1 is no task of posixd's. These three are how programs ask for the end (sysvinit's and BusyBox's
// convention); everything else that reaches pid 1 is ignored, as init would.
void signal_init_process(unsigned signal)
{
    if (signal == SIG_USR2)
        launcher_notify(2);
    else if (signal == SIG_TERM)
        launcher_notify(4);
    else if (signal == SIG_USR1)
        launcher_notify(8);
}

void signal_child(struct process *child, int32_t code, uint32_t value)
{
    struct process *parent = child->parent;
    if (parent == nullptr) {
        if (child->state == PROCESS_ZOMBIE)
            launcher_notify(1);
        return;
    }
    bool ended = child->state == PROCESS_ZOMBIE;
    if (!ended && parent->page != nullptr && (parent->page->flags & 1) != 0)
        return;
    unsigned signal = ended ? child->exit_signal : SIG_CHLD;
    struct signal_source from = {.code = code, .pid = child->pid, .uid = child->cred.ruid, .value = value};
    if (signal != 0)
        signal_send(parent, signal, &from, -1);
}
