// SPDX-License-Identifier: MPL-2.0
#include "harness.h"

struct task *root;
struct thread *root_thread;

static uint64_t map(struct space *s, uint64_t at, uint64_t bytes)
{
    struct fut_map q = {.address = at, .bytes = bytes,
                        .flags = FUT_MAP_ANON | FUT_MAP_FIXED | FUT_PROT_READ | FUT_PROT_WRITE};
    CHECK(space_map(s, nullptr, &q, 7, &at) == FUT_OK);
    return at;
}

static void start_task(struct account *account, struct task **task, struct thread **thread)
{
    struct space *s;
    CHECK(space_new(account, &s) == FUT_OK);
    CHECK(task_new(account, s, task) == FUT_OK);
    object_unref(&s->object); // the task's own reference keeps it
    CHECK(thread_new(*task, thread) == FUT_OK);
    map(s, SCRATCH, SCRATCH_BYTES);
    map(s, IPC_BUFFER, 16 * FUT_IPC_BUFFER_SIZE);
    arch_thread_init(*thread, 0x400000, 0, 0, 0);
    CHECK(thread_pin_ipc(*thread, IPC_BUFFER) == FUT_OK);
}

static fut_handle_t give(struct task *t, struct object *o, uint32_t rights)
{
    CHECK(cap_reserve(t, 1) == FUT_OK);
    return cap_put(t, o, rights, nullptr)->handle;
}

void harness_boot(void)
{
    static struct boot boot;
    host_boot(&boot);
    log_console = false;
    page_init(&boot);
    sched_init();
    CHECK(account_new(nullptr, pages_free, 1 << 20, &root_account) == FUT_OK);
    start_task(root_account, &root, &root_thread);
    give(root, &root->object, RIGHTS_TASK);
    give(root, &root_thread->object, RIGHTS_THREAD);
    object_unref(&root->object);
    object_unref(&root_thread->object);
    thread_set_suspended(root_thread, false);
    root_thread->ceiling = 20;
    root_thread->priority = root_thread->base_priority = 1;
    thread_ready(root_thread);
    CHECK(schedule() == root_thread);
}

struct user user_new(struct account *account, uint32_t priority)
{
    struct user u = {};
    start_task(account ? account : root_account, &u.task, &u.thread);
    u.h_task = give(root, &u.task->object, RIGHTS_TASK);
    u.h_space = give(root, &u.task->space->object, RIGHTS_SPACE);
    u.h_thread = give(root, &u.thread->object, RIGHTS_THREAD);
    object_unref(&u.task->object);
    object_unref(&u.thread->object);
    u.thread->priority = u.thread->base_priority = u.thread->ceiling = (uint8_t)priority;
    thread_set_suspended(u.thread, false);
    thread_ready(u.thread);
    return u;
}

struct thread *user_thread(struct user *u, uint32_t n)
{
    struct thread *t;
    CHECK(thread_new(u->task, &t) == FUT_OK);
    arch_thread_init(t, 0x400000, 0, 0, 0);
    CHECK(thread_pin_ipc(t, IPC_BUFFER + n * FUT_IPC_BUFFER_SIZE) == FUT_OK);
    give(root, &t->object, RIGHTS_THREAD);
    object_unref(&t->object);
    t->priority = t->base_priority = t->ceiling = u->thread->base_priority;
    thread_set_suspended(t, false);
    thread_ready(t);
    return t;
}

bool waits(const struct thread *t) { return t->state != FUT_THREAD_RUNNABLE; }

void run_as(struct thread *t)
{
    struct cpu *cpu = arch_cpu();
    if (cpu->current == t)
        return;
    CHECK(t->state == FUT_THREAD_RUNNABLE && !t->suspended);
    struct thread *was = cpu->current;
    cpu->current = nullptr;
    if (was && was->state == FUT_THREAD_RUNNABLE && !was->suspended)
        thread_ready(was);
    // What the dispatcher does when it picks t.
    thread_dequeue(t);
    cpu->current = cpu->payer = t;
    cpu->space = t->space;
    while (t->attention & ATTENTION_RESTART) {
        t->attention &= ~ATTENTION_RESTART;
        syscall_slow(t, t->arch.op & 0xff);
        if (t->state != FUT_THREAD_RUNNABLE)
            break;
    }
}

static void enter(struct thread *t)
{
    if (setjmp(host_idle) == 0)
        kernel_syscall(t);
    else
        CHECK(!arch_cpu()->current); // nothing is ready, and no timer runs
}

// Threads run here in the test's order, not by priority: what is left of an operation is done at once, unless the test
// is about preemption.
void take_away_the_dead(void)
{
    while (reap_list && !host_poll) {
        reap_priority = PRIORITIES - 1;
        object_reap();
    }
}

int64_t sys(struct thread *t, uint32_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t *value)
{
    run_as(t);
    if (t->state != FUT_THREAD_RUNNABLE || arch_cpu()->current != t)
        return SYS_BLOCKED;
    object_ref(&t->object);
    t->arch.op = op;
    uint64_t args[6] = {a, b, c, d, e, f};
    for (int i = 0; i < 6; i++)
        t->arch.arg[i] = args[i];
    t->arch.status = 99;
    enter(t);
    int64_t status = waits(t) || (t->attention & ATTENTION_RESTART) ? SYS_BLOCKED : t->arch.status;
    if (value)
        *value = t->arch.value;
    object_unref(&t->object);
    take_away_the_dead();
    return status;
}

int64_t sys_whole(struct thread *t, uint32_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t *value)
{
    object_ref(&t->object);
    int64_t status = sys(t, op, a, b, c, d, e, f, value);
    while (!host_poll && t->state == FUT_THREAD_RUNNABLE && (t->attention & ATTENTION_RESTART)) {
        run_as(t);
        status = t->state == FUT_THREAD_RUNNABLE ? t->arch.status : SYS_BLOCKED;
        if (value)
            *value = t->arch.value;
    }
    object_unref(&t->object);
    take_away_the_dead();
    return status;
}

int64_t ipc(struct thread *t, uint32_t op, uint32_t flags, fut_handle_t h, uint64_t tag, fut_handle_t reply)
{
    run_as(t);
    if (t->state != FUT_THREAD_RUNNABLE || arch_cpu()->current != t)
        return SYS_BLOCKED;
    object_ref(&t->object);
    t->arch.op = op | flags << 8 | (uint64_t)h << 32;
    t->arch.tag = tag;
    t->arch.aux = reply;
    enter(t);
    int64_t status = waits(t) ? SYS_BLOCKED : ipc_status(t);
    object_unref(&t->object);
    take_away_the_dead();
    return status;
}

void poke(struct thread *t, uint64_t va, const void *data, size_t n)
{
    struct memory *wait;
    uint64_t offset;
    CHECK(space_copy(t->space, va, (void *)data, n, true, &wait, &offset) == FUT_OK);
}

void peek(struct thread *t, uint64_t va, void *data, size_t n)
{
    struct memory *wait;
    uint64_t offset;
    CHECK(space_copy(t->space, va, data, n, false, &wait, &offset) == FUT_OK);
}
