// SPDX-License-Identifier: MPL-2.0
//
// The process table. A process is visible (process_find) from the moment its task may run until it is
// reaped; as a zombie it has no task, no memory and no Session any more. A process whose parent is null
// belongs to pid 1, which has no entry here: init is not one of posixd's tasks.
#include "posixd.h"

#define PID_MAX 32768

struct process *processes;
static struct process *last;
static uint32_t last_pid = INIT_PID;
static unsigned count, forks;
static struct process *graves;

static bool number_in_use(uint32_t n)
{
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->pid == n || p->group == n || p->session == n)
            return true;
        for (unsigned i = 1; p->thread_count > 1 && i < MAX_THREADS; i++) {
            if (p->threads[i].handle != 0 && p->threads[i].tid == n)
                return true;
        }
    }
    return false;
}

uint32_t process_new_pid(void)
{
    do {
        last_pid = last_pid + 1 < PID_MAX ? last_pid + 1 : INIT_PID + 1;
    } while (number_in_use(last_pid));
    return last_pid;
}

unsigned process_count(void) { return count; }
unsigned process_forks(void) { return forks; }

struct process *process_find(uint32_t pid)
{
    struct process *p = processes;
    while (p != nullptr && p->pid < pid)
        p = p->next;
    return p != nullptr && p->pid == pid ? p : nullptr;
}

// As many processes of one user as the machine's memory can take: one for each MiB.
static uint64_t process_limit(void)
{
    struct memory_figures m;
    memory_figures(&m);
    uint64_t n = m.total >> 20;
    return n < 64 ? 64 : n > MAX_PROCESSES / 2 ? MAX_PROCESSES / 2 : n;
}

static void set_default_limits(struct process *p)
{
    for (unsigned i = 0; i < LIMITS; i++)
        p->limits[i] = (struct limit){UINT64_MAX, UINT64_MAX};
    p->limits[3] = (struct limit){UINT64_C(8) << 20, UINT64_MAX};     // RLIMIT_STACK
    p->limits[4] = (struct limit){0, UINT64_MAX};                    // RLIMIT_CORE
    p->limits[6] = (struct limit){process_limit(), MAX_PROCESSES};   // RLIMIT_NPROC
    p->limits[7] = (struct limit){1024, 4096};                       // RLIMIT_NOFILE
    p->limits[13] = (struct limit){0, 0};                            // RLIMIT_NICE
}

struct process *process_create(struct process *parent)
{
    if (count >= MAX_PROCESSES)
        return nullptr;
    struct process *p = heap_zero(sizeof *p);
    if (p == nullptr)
        return nullptr;
    if (parent != nullptr && !confine_enter(p, parent->confinement)) {
        heap_free(p);
        return nullptr;
    }
    p->pid = process_new_pid();
    p->parent = parent;
    p->exit_signal = SIG_CHLD;
    p->start_ns = now_ns();
    if (parent != nullptr) {
        p->group = parent->group;
        p->session = parent->session;
        p->terminal = parent->terminal;
        p->terminal_device = parent->terminal_device;
        p->cred = parent->cred;
        p->nice = parent->nice;
        memcpy(p->name, parent->name, sizeof p->name);
        memcpy(p->limits, parent->limits, sizeof p->limits);
        p->proc_cwd = parent->proc_cwd;
        p->proc_cwd_pid = parent->proc_cwd_pid;
        p->args_address = parent->args_address;
        p->args_bytes = parent->args_bytes;
        p->env_address = parent->env_address;
        p->env_bytes = parent->env_bytes;
        p->brk_start = parent->brk_start;
        p->stack_low = parent->stack_low;
        p->stack_high = parent->stack_high;
        p->text_low = parent->text_low;
        p->text_high = parent->text_high;
        p->startup_address = parent->startup_address;
    } else {
        p->group = p->session = p->pid;
        set_default_limits(p);
    }
    object_add(&p->object, OBJECT_PROCESS);
    return p;
}

void process_publish(struct process *p)
{
    // Numbers mostly rise: the place is near the end.
    struct process *before = last, *at = nullptr;
    while (before != nullptr && before->pid > p->pid) {
        at = before;
        before = before->previous;
    }
    p->next = at;
    p->previous = before;
    if (at != nullptr)
        at->previous = p;
    else
        last = p;
    if (before != nullptr)
        before->next = p;
    else
        processes = p;
    count++;
    forks++;
    load_sample();
}

fut_status_t process_watch(struct process *p, fut_handle_t task)
{
    return fut_task_watch(task, posixd.server.event,
                          UINT64_C(1) << (SIGNAL_TASK_FIRST + p->pid % SIGNAL_TASK_BITS));
}

static void delete_handle(fut_handle_t *h)
{
    if (*h != 0)
        (void)fut_cap_delete(*h);
    *h = 0;
}

void process_drop_memory(struct process *p)
{
    if (p->task != 0)
        (void)fut_task_destroy(p->task);
    for (unsigned i = 0; i < MAX_THREADS; i++)
        delete_handle(&p->threads[i].handle);
    p->thread_count = 0;
    delete_handle(&p->task);
    delete_handle(&p->space);
    delete_handle(&p->context.h);
    sigpage_destroy(p);
    if (p->image != nullptr)
        image_release(p->image);
    p->image = nullptr;
    heap_free(p->exe_path);
    p->exe_path = nullptr;
}

void process_discard(struct process *p)
{
    process_drop_memory(p);
    confine_leave(p);
    object_remove(&p->object);
    heap_free(p);
}

void process_usage_of(const struct process *p, struct process_usage *u)
{
    if (p->state == PROCESS_ZOMBIE) {
        *u = p->final_usage;
        return;
    }
    // Threads and tasks that are gone, and those that run. (A task's own figures would count its pages.)
    *u = p->final_usage;
    for (unsigned i = 0, left = p->thread_count; left != 0 && i < MAX_THREADS; i++) {
        struct fut_thread_info info;
        if (p->threads[i].handle == 0)
            continue;
        left--;
        if (fut_thread_info(p->threads[i].handle, &info) == FUT_OK)
            u->user_ns += info.cpu_ns;
    }
}

void process_pages_of(const struct process *p, struct process_usage *u)
{
    struct fut_task_info info;
    if (p->task != 0 && fut_task_info(p->task, &info) == FUT_OK)
        u->max_pages = info.pages;
}

void process_vfork_done(struct process *p)
{
    struct deferred *d = p->vfork_waiter;
    if (d == nullptr)
        return;
    p->vfork_waiter = nullptr;
    deferred_take(d);
    d->cancel(d); // the answer is the same early or late: the child's pid
}

// Zombies of pid 1 wait for Launcher.Collect like any others.
static void give_children_to_init(struct process *p)
{
    bool zombies = false;
    for (struct process *c = processes; c != nullptr; c = c->next) {
        if (c->parent != p)
            continue;
        c->parent = nullptr;
        if (c->page != nullptr)
            __atomic_store_n(&c->page->parent, INIT_PID, __ATOMIC_RELAXED);
        c->exit_signal = SIG_CHLD;
        zombies |= c->state == PROCESS_ZOMBIE;
    }
    if (zombies)
        wait_news(nullptr);
}

static bool parent_wants_no_zombie(const struct process *p)
{
    const struct process *parent = p->parent;
    if (parent == nullptr || parent->page == nullptr)
        return false;
    return (parent->page->ignored & signal_bit(SIG_CHLD)) != 0 || (parent->page->flags & 2) != 0;
}

void process_end(struct process *p, uint32_t status)
{
    if (p->state == PROCESS_ZOMBIE)
        return;
    struct process_usage usage;
    process_usage_of(p, &usage);
    process_drop_memory(p);
    object_remove(&p->object);
    p->final_usage = usage;
    p->state = PROCESS_ZOMBIE;
    p->status = status;
    p->stop_news = p->continue_news = false;
    p->real_timer = (struct interval_timer){};
    wait_forget(p);
    jobs_process_gone(p);
    give_children_to_init(p);
    process_vfork_done(p);

    bool no_zombie = parent_wants_no_zombie(p);
    unsigned signal = status & 0x7f;
    signal_child(p, signal == 0 ? CLD_EXITED_CODE : CLD_KILLED_CODE, signal == 0 ? status >> 8 & 0xff : signal);
    struct process *parent = p->parent;
    if (no_zombie)
        process_reap(p);
    wait_news(parent);
}

void process_reap(struct process *p)
{
    struct process *parent = p->parent;
    if (parent != nullptr) {
        parent->children_usage.user_ns += p->final_usage.user_ns + p->children_usage.user_ns;
        parent->children_usage.system_ns += p->final_usage.system_ns + p->children_usage.system_ns;
        if (p->final_usage.max_pages > parent->children_usage.max_pages)
            parent->children_usage.max_pages = p->final_usage.max_pages;
    }
    if (p->previous != nullptr)
        p->previous->next = p->next;
    else
        processes = p->next;
    if (p->next != nullptr)
        p->next->previous = p->previous;
    else
        last = p->previous;
    count--;
    confine_leave(p);
    p->grave = graves;
    graves = p;
}

// Whoever is up the call chain may still look at the state of a process that was just reaped.
void process_bury(void)
{
    while (graves != nullptr) {
        struct process *p = graves;
        graves = p->grave;
        heap_free(p);
    }
}

static bool no_thread_lives(const struct process *p)
{
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        struct fut_thread_info info;
        if (p->threads[i].handle != 0 && fut_thread_info(p->threads[i].handle, &info) == FUT_OK &&
            info.state != FUT_THREAD_DEAD)
            return false;
    }
    return true;
}

// A task ended without Exit: its threads left, or a fault that nobody handles took it.
void process_tasks_ended(uint64_t bits)
{
    for (struct process *p = processes, *next; p != nullptr; p = next) {
        next = p->next;
        if (p->task == 0 || !(bits >> (SIGNAL_TASK_FIRST + p->pid % SIGNAL_TASK_BITS) & 1))
            continue;
        if (no_thread_lives(p)) {
            process_end(p, SIG_SEGV);
            next = processes; // ending may reap others: start again, what was handled has no task now
        }
    }
}
