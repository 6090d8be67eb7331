// SPDX-License-Identifier: MPL-2.0
//
// Processes, signals, wait and job control of posixd on the host: the real sources over mocked system calls.
#include "calls.h"
#include <stdio.h>

struct posixd posixd;
struct mock mock;
static fut_status_t last_error;
static struct process_process_wait_result last_wait;
static unsigned wait_replies, error_replies, foreground_calls;

#define CHECK(x)                                                                  \
    do {                                                                          \
        if (!(x)) {                                                               \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);               \
            exit(1);                                                              \
        }                                                                         \
    } while (0)

// --- What the files under test call and is not under test ------------------------------------------------
void *heap_alloc(size_t n) { return malloc(n); }
void *heap_zero(size_t n) { return calloc(1, n); }
void heap_free(void *p) { free(p); }
uint64_t now_ns(void) { return mock.now; }
void image_release(struct image *i) { (void)i; }
bool cred_is_root(const struct credentials *c) { return c->euid == 0; }
static uint64_t launcher_bits;
void load_sample(void) {}
void memory_figures(struct memory_figures *m) { *m = (struct memory_figures){.total = 1 << 28}; }
void launcher_notify(uint64_t bits) { launcher_bits |= bits; }
fut_reply_t fut_request_defer(struct fut_request *r)
{
    static fut_handle_t next = 100;
    r->deferred = true;
    return (fut_reply_t){next++};
}
fut_status_t fut_reply_error(fut_reply_t r, fut_status_t s)
{
    (void)r;
    error_replies++;
    last_error = s;
    return FUT_OK;
}
fut_status_t process_process_wait_reply(fut_reply_t r, const struct process_process_wait_result *res)
{
    (void)r;
    wait_replies++;
    last_wait = *res;
    return FUT_OK;
}
fut_status_t tty_admin_set_session(tty_admin_t a, uint64_t t, uint32_t s, uint32_t g)
{
    (void)a, (void)t, (void)s, (void)g;
    return FUT_OK;
}
fut_status_t tty_admin_set_foreground(tty_admin_t a, uint64_t t, uint32_t g)
{
    (void)a, (void)t, (void)g;
    foreground_calls++;
    return FUT_OK;
}
fut_status_t tty_admin_identify(tty_admin_t a, io_file_t f, uint64_t *t, uint64_t *d,
                                    uint32_t *s, uint32_t *g)
{
    (void)a, (void)f, (void)g;
    *t = 1;
    *d = 5 << 8 | 1;
    if (s != nullptr)
        *s = 0;
    return FUT_OK;
}
fut_status_t tty_admin_snapshot(tty_admin_t a, struct tty_pending_view *v)
{
    (void)a, (void)v;
    return FUT_ERR_PEER_CLOSED;
}

// --- Helpers ---------------------------------------------------------------------------------------------
static struct process *make(struct process *parent)
{
    struct process *p = process_create(parent);
    CHECK(p != nullptr);
    CHECK(sigpage_create(p) == FUT_OK);
    static fut_handle_t next = 1000;
    p->task = next++;
    p->threads[0] = (struct thread){.handle = next++, .tid = p->pid};
    p->thread_count = 1;
    process_publish(p);
    return p;
}

static const struct signal_source nobody = {};

static void finish(void)
{
    while (processes != nullptr) {
        struct process *p = processes;
        if (p->state != PROCESS_ZOMBIE)
            process_end(p, 0);
        for (p = processes; p != nullptr && p->state != PROCESS_ZOMBIE;)
            p = p->next;
        if (p != nullptr)
            process_reap(p);
    }
    process_bury();
    mock = (struct mock){};
    wait_replies = error_replies = 0;
    launcher_bits = 0;
}

static fut_status_t wait_now(struct process *p, int32_t which, uint32_t options, struct process_process_wait_result *res)
{
    struct fut_request req = {.object = p};
    return wait_handle(&req, p, which, options, res);
}

// --- Tests -----------------------------------------------------------------------------------------------
static void default_actions(void)
{
    struct process *sh = make(nullptr), *c = make(sh);
    signal_send(c, SIG_WINCH, &nobody, -1);
    CHECK(c->state == PROCESS_RUNNING && c->page->pending == 0);
    signal_send(c, SIG_TERM, &nobody, -1);
    CHECK(c->state == PROCESS_ZOMBIE && c->status == SIG_TERM);
    struct process_process_wait_result res;
    CHECK(wait_now(sh, -1, 0, &res) == FUT_OK && res.pid == c->pid && res.status == SIG_TERM);
    CHECK(wait_now(sh, -1, 0, &res) == IO_ERROR_NO_CHILD);
    finish();
}

static void caught_blocked_ignored(void)
{
    struct process *p = make(nullptr);
    p->page->caught = signal_bit(SIG_INT) | signal_bit(SIG_KILL); // the claim about KILL is void
    p->page->ignored = signal_bit(SIG_HUP);
    signal_send(p, SIG_HUP, &nobody, -1);
    CHECK(p->page->pending == 0 && mock.posts == 0);
    signal_send(p, SIG_INT, &nobody, -1);
    CHECK(p->page->pending == signal_bit(SIG_INT) && mock.posts == 1);
    p->page->pending = 0;
    p->page->thread[0].blocked = UINT64_MAX;
    signal_send(p, SIG_TERM, &nobody, -1);
    CHECK(p->state == PROCESS_RUNNING && p->page->pending == signal_bit(SIG_TERM) && mock.posts == 1);
    signal_send(p, SIG_KILL, &nobody, -1);
    CHECK(p->state == PROCESS_ZOMBIE && p->status == SIG_KILL);
    finish();
}

static void first_information_stays(void)
{
    struct process *p = make(nullptr);
    p->page->caught = signal_bit(SIG_USR1);
    struct signal_source a = {.pid = 11}, b = {.pid = 22};
    signal_send(p, SIG_USR1, &a, -1);
    signal_send(p, SIG_USR1, &b, -1);
    CHECK(p->page->info[SIG_USR1].pid == 11);
    finish();
}

static void stop_and_continue(void)
{
    struct process *sh = make(nullptr), *job = make(sh);
    CHECK(jobs_set_group(sh, job->pid, 0) == FUT_OK);
    struct process_process_wait_result res;
    signal_send(job, SIG_TSTP, &nobody, -1);
    CHECK(job->state == PROCESS_STOPPED && mock.suspends == 1);
    CHECK(wait_now(sh, -1, 1, &res) == FUT_OK && res.pid == 0);           // not asked for stops
    CHECK(wait_now(sh, -1, 1 | 2, &res) == FUT_OK && res.pid == job->pid && res.status == (SIG_TSTP << 8 | 0x7f));
    CHECK(wait_now(sh, -1, 1 | 2, &res) == FUT_OK && res.pid == 0);       // told once
    job->page->caught = signal_bit(SIG_INT);
    signal_send(job, SIG_INT, &nobody, -1);
    unsigned posts = mock.posts;
    CHECK(job->state == PROCESS_STOPPED && (job->page->pending & signal_bit(SIG_INT)));
    signal_send(job, SIG_CONT, &nobody, -1);
    CHECK(job->state == PROCESS_RUNNING && mock.resumes == 1 && mock.posts > posts);
    CHECK(wait_now(sh, -1, 1 | 8, &res) == FUT_OK && res.pid == job->pid && res.status == 0xffff);
    signal_send(job, SIG_STOP, &nobody, -1);
    signal_send(job, SIG_TERM, &nobody, -1);
    CHECK(job->state == PROCESS_STOPPED);
    signal_send(job, SIG_CONT, &nobody, -1); // now TERM takes its course
    CHECK(job->state == PROCESS_ZOMBIE && job->status == SIG_TERM);
    finish();
}

static void continue_discards_stops(void)
{
    struct process *sh = make(nullptr), *job = make(sh);
    CHECK(jobs_set_group(sh, job->pid, 0) == FUT_OK);
    job->page->thread[0].blocked = signal_bit(SIG_TSTP);
    signal_send(job, SIG_TSTP, &nobody, -1);
    CHECK(job->page->pending & signal_bit(SIG_TSTP));
    signal_send(job, SIG_CONT, &nobody, -1);
    CHECK((job->page->pending & signal_bit(SIG_TSTP)) == 0);
    finish();
}

static void deferred_wait(void)
{
    struct process *sh = make(nullptr), *a = make(sh), *b = make(sh);
    struct fut_request req = {.object = sh};
    struct process_process_wait_result res;
    CHECK(wait_handle(&req, sh, (int32_t)b->pid, 0, &res) == FUT_DEFER);
    process_end(a, 3 << 8);
    CHECK(wait_replies == 0);
    process_end(b, 42 << 8);
    CHECK(wait_replies == 1 && last_wait.pid == b->pid && last_wait.status == 42 << 8);
    CHECK(wait_now(sh, -1, 0, &res) == FUT_OK && res.pid == a->pid);
    // No child left while one waits for it: told so rather than left waiting.
    struct process *c = make(sh);
    CHECK(wait_handle(&req, sh, -1, 0, &res) == FUT_DEFER);
    sh->page->ignored = signal_bit(SIG_CHLD);
    process_end(c, 0);
    CHECK(error_replies == 1 && last_error == IO_ERROR_NO_CHILD);
    finish();
}

static void interrupted_wait(void)
{
    struct process *sh = make(nullptr);
    (void)make(sh);
    struct fut_request req = {.object = sh};
    struct process_process_wait_result res;
    CHECK(wait_handle(&req, sh, -1, 0, &res) == FUT_DEFER);
    deferred_cancel(sh->waiters == nullptr ? (fut_reply_t){} : (fut_reply_t){*(fut_handle_t *)((char *)sh->waiters + offsetof(struct deferred, reply))});
    CHECK(error_replies == 1 && last_error == IO_ERROR_INTERRUPTED && sh->waiters == nullptr);
    finish();
}

static void orphans_go_to_init(void)
{
    struct process *sh = make(nullptr), *mid = make(sh), *leaf = make(mid);
    process_end(mid, 0);
    CHECK(leaf->parent == nullptr);
    launcher_bits = 0;
    process_end(leaf, 0);
    CHECK(launcher_bits & 1);
    uint32_t pid, status;
    CHECK(wait_collect_for_init(&pid, &status) && pid == leaf->pid);
    finish();
}

static void orphaned_stopped_group_is_hung_up(void)
{
    struct process *sh = make(nullptr), *job = make(sh);
    CHECK(jobs_set_group(sh, job->pid, 0) == FUT_OK);
    CHECK(!group_is_orphaned(job->group, nullptr));
    signal_send(job, SIG_TSTP, &nobody, -1);
    CHECK(job->state == PROCESS_STOPPED);
    process_end(sh, 0);
    CHECK(job->state == PROCESS_ZOMBIE && job->status == SIG_HUP);
    finish();
}

static void orphans_do_not_stop(void)
{
    struct process *p = make(nullptr); // its parent is init: another session
    signal_send(p, SIG_TSTP, &nobody, -1);
    CHECK(p->state == PROCESS_RUNNING);
    signal_send(p, SIG_STOP, &nobody, -1);
    CHECK(p->state == PROCESS_STOPPED);
    finish();
}

static void group_rules(void)
{
    struct process *sh = make(nullptr), *a = make(sh), *b = make(sh), *other = make(nullptr);
    CHECK(jobs_set_group(sh, a->pid, 0) == FUT_OK && a->group == a->pid);
    CHECK(jobs_set_group(sh, b->pid, a->pid) == FUT_OK && b->group == a->pid);
    CHECK(jobs_set_group(sh, b->pid, other->pid) == IO_ERROR_NOT_PERMITTED); // group of another session
    CHECK(jobs_set_group(sh, other->pid, 0) == IO_ERROR_NO_PROCESS);         // no child
    CHECK(jobs_set_group(sh, 0, 0) == IO_ERROR_NOT_PERMITTED);               // session leader
    b->has_execed = true;
    CHECK(jobs_set_group(sh, b->pid, 0) == IO_ERROR_DENIED);
    CHECK(jobs_new_session(a) == IO_ERROR_NOT_PERMITTED);                    // group leader
    CHECK(jobs_new_session(b) == FUT_OK && b->session == b->pid && b->group == b->pid);
    finish();
}

static void background_access(void)
{
    struct process *sh = make(nullptr), *job = make(sh);
    jobs_adopt_terminal(sh, 1, 5 << 8 | 1, false);
    CHECK(job->terminal == 1 && jobs_foreground_of(sh) == sh->group);
    CHECK(jobs_set_group(sh, job->pid, 0) == FUT_OK);
    bool allowed;
    CHECK(jobs_terminal_access(sh, (io_file_t){1}, false, &allowed) == FUT_OK && allowed);
    CHECK(jobs_terminal_access(job, (io_file_t){1}, false, &allowed) == FUT_OK && !allowed);
    CHECK(job->state == PROCESS_STOPPED && job->status == (SIG_TTIN << 8 | 0x7f));
    signal_send(job, SIG_CONT, &nobody, -1);
    CHECK(jobs_set_foreground(sh, (io_file_t){1}, job->pid) == FUT_OK && foreground_calls == 1);
    CHECK(jobs_terminal_access(job, (io_file_t){1}, false, &allowed) == FUT_OK && allowed);
    // The shell takes it back from the background: it ignores TTOU.
    sh->page->ignored = signal_bit(SIG_TTOU);
    CHECK(jobs_set_foreground(sh, (io_file_t){1}, sh->pid) == FUT_OK);
    process_end(sh, 0); // the leader: the terminal is free again
    CHECK(job->terminal == 0 && jobs_terminal_is_free(1));
    finish();
}

static void pids_are_not_reused_early(void)
{
    struct process *p = make(nullptr);
    uint32_t pid = p->pid;
    process_end(p, 0);
    CHECK(process_find(pid) == p); // a zombie keeps it
    struct process *q = make(nullptr);
    CHECK(q->pid != pid);
    finish();
}

int main(void)
{
    default_actions();
    caught_blocked_ignored();
    first_information_stays();
    stop_and_continue();
    continue_discards_stops();
    deferred_wait();
    interrupted_wait();
    orphans_go_to_init();
    orphaned_stopped_group_is_hung_up();
    orphans_do_not_stop();
    group_rules();
    background_access();
    pids_are_not_reused_early();
    return 0;
}
