// SPDX-License-Identifier: MPL-2.0
//
// The Process protocol: each method checked and handed to the file that knows. req->object is the process
// that the Session stands for; as a zombie it has no Session that leads here.
#include "calls.h"

#define CALLER(req) ((struct process *)(req)->object)

static fut_status_t ids(struct fut_request *req, struct process_process_ids_result *res)
{
    const struct process *p = CALLER(req);
    res->ids = (struct process_ids){
        .pid = p->pid,
        .parent = p->parent != nullptr ? p->parent->pid : INIT_PID,
        .group = p->group,
        .session = p->session,
        .ruid = p->cred.ruid,
        .euid = p->cred.euid,
        .suid = p->cred.suid,
        .rgid = p->cred.rgid,
        .egid = p->cred.egid,
        .sgid = p->cred.sgid,
    };
    return FUT_OK;
}

static fut_status_t fork(struct fut_request *req, const struct process_start *start, struct fut_u32_view handles,
                         struct process_process_fork_result *res)
{
    // Making the child calls fsd: the arguments move out of the IPC buffer first.
    static uint32_t copy[PROCESS_MAX_HANDLES];
    struct process_start s = *start;
    if (handles.len > PROCESS_MAX_HANDLES)
        return IO_ERROR_INVALID;
    memcpy(copy, handles.data, handles.len * sizeof *copy);
    return fork_handle(req, &s, copy, handles.len, &res->pid);
}

static fut_status_t new_thread(struct fut_request *req, const struct process_start *start,
                               struct process_process_new_thread_result *res)
{
    struct process_start s = *start;
    return thread_handle(req, &s, &res->tid);
}

static fut_status_t exit_thread(struct fut_request *req, uint32_t slot, uint32_t code)
{
    struct process *p = CALLER(req);
    if (slot >= MAX_THREADS || p->threads[slot].handle == 0)
        return IO_ERROR_INVALID;
    thread_end(p, slot, code);
    return FUT_OK; // to nobody
}

#define MAX_STRING_BYTES (UINT64_C(2) << 20)

static fut_status_t exec(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, uint32_t slot,
                         uint32_t argc, uint32_t envc, struct fut_lease_arg strings,
                         struct process_descriptor_view files)
{
    struct process *p = CALLER(req);
    // One exec at a time, and posixd never waits for a program in it: these can be static.
    static char path_copy[3501];
    static struct process_descriptor files_copy[128];
    fut_status_t status = IO_ERROR_INVALID;
    struct exec_request x = {.process = p, .argc = argc, .envc = envc, .slot = slot, .files = files_copy,
                             .file_count = files.len, .string_bytes = strings.len};
    if (at.home) // a pipe or a file of /proc is no place to find programs in
        return IO_ERROR_NOT_DIRECTORY;
    x.at.h = at.h;
    if (slot >= MAX_THREADS || p->threads[slot].handle == 0 || path.len >= sizeof path_copy ||
        files.len > sizeof files_copy / sizeof *files_copy)
        goto out;
    status = IO_ERROR_TOO_BIG;
    if (strings.len > MAX_STRING_BYTES || (uint64_t)argc + envc > MAX_STRING_BYTES)
        goto out;
    memcpy(path_copy, path.data, path.len);
    path_copy[path.len] = 0;
    x.path = (struct fut_string){path_copy, path.len};
    memcpy(files_copy, files.data, files.len * sizeof *files_copy);
    status = IO_ERROR_NO_MEMORY;
    x.strings = heap_alloc(strings.len + 1);
    if (x.strings == nullptr)
        goto out;
    status = IO_ERROR_BAD_ADDRESS;
    if (strings.len != 0 && fut_lease_read(req, &strings, 0, x.strings, strings.len) != FUT_OK)
        goto out;
    status = IO_ERROR_INVALID;
    if (!exec_strings_are_sound(x.strings, x.string_bytes, (uint64_t)argc + envc))
        goto out;
    // The other threads must not change the table while it is copied.
    for (unsigned i = 0; i < MAX_THREADS && p->thread_count > 1; i++) {
        if (i != slot && p->threads[i].handle != 0)
            (void)fut_thread_suspend(p->threads[i].handle);
    }
    unsigned threads = p->thread_count;
    status = exec_run(&x);
    for (unsigned i = 0; status != FUT_OK && i < MAX_THREADS && threads > 1; i++) {
        if (i != slot && p->threads[i].handle != 0 && p->state == PROCESS_RUNNING)
            (void)fut_thread_resume(p->threads[i].handle);
    }
out:
    heap_free(x.strings);
    if (at.h != 0)
        (void)fut_cap_delete(at.h);
    return status; // on success to nobody: the caller's task is gone
}

static fut_status_t exit(struct fut_request *req, uint32_t status)
{
    process_end(CALLER(req), (status & 0x7f) != 0 ? status & 0xff : status & 0xff00);
    return FUT_OK; // to nobody
}

static fut_status_t wait(struct fut_request *req, int32_t which, uint32_t options,
                         struct process_process_wait_result *res)
{
    return wait_handle(req, CALLER(req), which, options, res);
}

static bool one_kill(struct process *from, struct process *to, unsigned signal, const struct signal_source *source,
                     bool *denied)
{
    if (to->state != PROCESS_ZOMBIE && !cred_may_signal(from, to, signal)) {
        *denied = true;
        return false;
    }
    if (signal != 0)
        signal_send(to, signal, source, -1);
    return true;
}

static fut_status_t kill(struct fut_request *req, int32_t pid, uint32_t signal)
{
    struct process *p = CALLER(req);
    struct signal_source source = {.code = SI_USER_CODE, .pid = p->pid, .uid = p->cred.ruid};
    if (signal > SIG_MAX || pid == INT32_MIN)
        return IO_ERROR_INVALID;
    if (pid == INIT_PID) {
        if (!cred_is_root(&p->cred))
            return IO_ERROR_NOT_PERMITTED;
        signal_init_process(signal);
        return FUT_OK;
    }
    bool sent = false, denied = false;
    if (pid > 0) {
        struct process *to = process_find((uint32_t)pid);
        if (to != nullptr)
            sent = one_kill(p, to, signal, &source, &denied);
    } else {
        uint32_t group = pid == 0 ? p->group : (uint32_t)-(int64_t)pid;
        uint32_t self = p->pid;
        struct process *me = nullptr;
        for (struct process *to = processes; to != nullptr; to = to->next) {
            uint32_t at = to->pid;
            bool chosen = pid == -1 ? to->state != PROCESS_ZOMBIE : to->group == group;
            if (chosen && at == self && pid != -1)
                me = to; // last: it may not survive it
            else if (chosen && at != self)
                sent |= one_kill(p, to, signal, &source, &denied);
        }
        if (me != nullptr)
            sent |= one_kill(p, me, signal, &source, &denied);
    }
    return sent ? FUT_OK : denied ? IO_ERROR_NOT_PERMITTED : IO_ERROR_NO_PROCESS;
}

static int slot_of(const struct process *p, uint32_t tid)
{
    for (int i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0 && p->threads[i].tid == tid)
            return i;
    }
    return -1;
}

static fut_status_t kill_thread(struct fut_request *req, uint32_t pid, uint32_t tid, uint32_t signal)
{
    struct process *p = CALLER(req), *to = nullptr;
    int slot = -1;
    if (signal > SIG_MAX)
        return IO_ERROR_INVALID;
    if (pid != 0) {
        to = process_find(pid);
        slot = to != nullptr ? slot_of(to, tid) : -1;
    } else { // tkill: any process's thread
        for (to = processes; to != nullptr && (slot = slot_of(to, tid)) < 0;)
            to = to->next;
    }
    if (to == nullptr || slot < 0)
        return IO_ERROR_NO_PROCESS;
    if (!cred_may_signal(p, to, signal))
        return IO_ERROR_NOT_PERMITTED;
    struct signal_source source = {.code = SI_TKILL_CODE, .pid = p->pid, .uid = p->cred.ruid};
    if (signal != 0)
        signal_send(to, signal, &source, slot);
    return FUT_OK;
}

static fut_status_t set_group(struct fut_request *req, uint32_t pid, uint32_t group)
{
    return jobs_set_group(CALLER(req), pid, group);
}

static fut_status_t get_group(struct fut_request *req, uint32_t pid, struct process_process_get_group_result *res)
{
    const struct process *p = pid == 0 ? CALLER(req) : process_find(pid);
    if (pid == INIT_PID) {
        res->group = res->session = INIT_PID;
        return FUT_OK;
    }
    if (p == nullptr)
        return IO_ERROR_NO_PROCESS;
    res->group = p->group;
    res->session = p->session;
    return FUT_OK;
}

static fut_status_t new_session(struct fut_request *req, struct process_process_new_session_result *res)
{
    res->session = CALLER(req)->pid;
    return jobs_new_session(CALLER(req));
}

static fut_status_t set_user(struct fut_request *req, uint32_t real, uint32_t effective, uint32_t saved,
                             struct process_process_set_user_result *res)
{
    return cred_set_user(CALLER(req), real, effective, saved, &res->c);
}

static fut_status_t set_group_id(struct fut_request *req, uint32_t real, uint32_t effective, uint32_t saved,
                                 struct process_process_set_group_id_result *res)
{
    return cred_set_group(CALLER(req), real, effective, saved, &res->c);
}

static fut_status_t set_groups(struct fut_request *req, struct fut_u32_view groups,
                               struct process_process_set_groups_result *res)
{
    return cred_set_groups(CALLER(req), groups.data, groups.len, &res->c);
}

static fut_status_t get_groups(struct fut_request *req, struct process_process_get_groups_result *res)
{
    const struct credentials *c = &CALLER(req)->cred;
    memcpy(res->groups.data, c->groups, c->group_count * sizeof *c->groups);
    res->groups.len = c->group_count;
    return FUT_OK;
}

static fut_status_t open_special(struct fut_request *req, const struct io_stat *node, uint32_t flags,
                                 struct fut_string path, struct process_process_open_special_result *res)
{
    (void)path;
    struct io_stat copy = *node; // asking ttyd uses the IPC buffer
    return device_open_special(req, CALLER(req), &copy, flags, &res->f, &res->kind);
}

static fut_status_t pipe(struct fut_request *req, io_status_t status, struct process_process_pipe_result *res)
{
    return pipe_make(status, CALLER(req), &res->r, &res->w);
}

static fut_status_t make_socket_pair(struct fut_request *req, io_status_t status,
                                     struct process_process_socket_pair_result *res)
{
    return local_pair(1, status, CALLER(req), &res->a.h, &res->b.h);
}

static fut_status_t local_socket(struct fut_request *req, uint32_t kind, io_status_t status,
                                 struct process_process_local_socket_result *res)
{
    return local_new(kind, status, CALLER(req), &res->s.h);
}

static fut_status_t make_local_pair(struct fut_request *req, uint32_t kind, io_status_t status,
                                    struct process_process_local_pair_result *res)
{
    return local_pair(kind, status, CALLER(req), &res->a.h, &res->b.h);
}

static fut_status_t bind_local(struct fut_request *req, struct fut_cap_arg s, struct fut_string path)
{
    fut_status_t status = local_bind_path(CALLER(req), &s, path);
    if (s.h != 0)
        (void)fut_cap_delete(s.h);
    return status;
}

// Root has the network as it is, others a narrower one that is made for them.
static fut_status_t network(struct fut_request *req, struct process_process_network_result *res)
{
    const struct process *p = CALLER(req);
    fut_status_t status;
    if (posixd.network.h == 0 || posixd.netctl.h == 0)
        return IO_ERROR_NO_FAMILY;
    if (cred_is_root(&p->cred)) {
        if (fut_cap_mint(posixd.network.h, FUT_RIGHTS_ALL, &res->n.h) != FUT_OK)
            return IO_ERROR_NO_MEMORY;
        status = fut_cap_mint(posixd.netctl.h, FUT_RIGHTS_ALL, &res->c.h);
    } else {
        const struct socket_restriction narrow = {
            .limits = SOCKET_LIMITS_NO_RAW | SOCKET_LIMITS_NO_BIND_LOW, .local_first = 0, .local_last = UINT16_MAX,
            .remote_first = 0, .remote_last = UINT16_MAX};
        if (socket_network_restrict(posixd.network, &narrow, &res->n) != FUT_OK)
            return IO_ERROR_NETWORK_DOWN;
        status = netctl_control_reader(posixd.netctl, &res->c);
    }
    if (status == FUT_OK)
        return FUT_OK;
    (void)fut_cap_delete(res->n.h);
    return IO_ERROR_NETWORK_DOWN;
}

static fut_status_t find_local(struct fut_request *req, struct fut_string path, struct process_process_find_local_result *res)
{
    return local_find_path(CALLER(req), path, &res->token);
}

static fut_status_t event_file(struct fut_request *req, uint64_t initial, bool semaphore, io_status_t status,
                               struct process_process_event_file_result *res)
{
    return counter_event(initial, semaphore, status, CALLER(req), &res->f);
}

static fut_status_t timer_file(struct fut_request *req, io_status_t status, struct process_process_timer_file_result *res)
{
    return counter_timer(status, CALLER(req), &res->f);
}

static fut_status_t signal_file(struct fut_request *req, uint64_t mask, io_status_t status,
                                struct process_process_signal_file_result *res)
{
    return signals_file(mask, status, CALLER(req), &res->f);
}

static fut_status_t poll_file(struct fut_request *req, struct process_process_poll_file_result *res)
{
    return pollset_file(CALLER(req), &res->f);
}

static fut_status_t signal_event(struct fut_request *req, struct process_process_signal_event_result *res)
{
    return signals_event(CALLER(req), &res->e);
}

static fut_status_t tree(struct fut_request *req, uint32_t number, struct process_process_tree_result *res)
{
    struct process *p = CALLER(req);
    if (number == PROC_TREE)
        return proc_context(p, &res->c);
    if (number != 0)
        return IO_ERROR_NOT_FOUND;
    return fut_cap_mint(p->context.h, FUT_RIGHTS_ALL, &res->c.h) == FUT_OK ? FUT_OK : IO_ERROR_NO_MEMORY;
}

static fut_status_t set_timer(struct fut_request *req, uint8_t which, uint64_t value, uint64_t interval,
                              struct process_process_set_timer_result *res)
{
    return timer_set(CALLER(req), which, value, interval, &res->old_value_ns, &res->old_interval_ns);
}

static fut_status_t get_timer(struct fut_request *req, uint8_t which, struct process_process_get_timer_result *res)
{
    return timer_get(CALLER(req), which, &res->value_ns, &res->interval_ns);
}

static fut_status_t set_name(struct fut_request *req, struct fut_string name)
{
    struct process *p = CALLER(req);
    memset(p->name, 0, sizeof p->name);
    memcpy(p->name, name.data, name.len < sizeof p->name ? name.len : sizeof p->name - 1);
    return FUT_OK;
}

// A Session of this server itself is no terminal; one of another server's is asked about and let go.
static fut_status_t with_terminal(struct fut_cap_arg tty, io_file_t *file)
{
    *file = (io_file_t){tty.h};
    return tty.home || tty.h == 0 ? IO_ERROR_NOT_TTY : FUT_OK;
}

static fut_status_t let_go(io_file_t file, fut_status_t status)
{
    if (file.h != 0)
        (void)fut_cap_delete(file.h);
    return status;
}

static fut_status_t set_foreground(struct fut_request *req, struct fut_cap_arg tty, uint32_t group)
{
    io_file_t file;
    fut_status_t status = with_terminal(tty, &file);
    if (status == FUT_OK)
        status = jobs_set_foreground(CALLER(req), file, group);
    return let_go(file, status);
}

static fut_status_t set_controlling(struct fut_request *req, struct fut_cap_arg tty, bool steal)
{
    io_file_t file;
    fut_status_t status = with_terminal(tty, &file);
    if (status == FUT_OK)
        status = jobs_set_controlling(CALLER(req), file, steal);
    return let_go(file, status);
}

static fut_status_t drop_controlling(struct fut_request *req)
{
    return jobs_drop_controlling(CALLER(req));
}

static fut_status_t terminal_access(struct fut_request *req, struct fut_cap_arg tty, bool write,
                                    struct process_process_terminal_access_result *res)
{
    io_file_t file;
    fut_status_t status = with_terminal(tty, &file);
    if (status == FUT_OK)
        status = jobs_terminal_access(CALLER(req), file, write, &res->allowed);
    return let_go(file, status);
}

static fut_status_t usage(struct fut_request *req, uint8_t who, struct process_process_usage_result *res)
{
    if (who > 1)
        return IO_ERROR_INVALID;
    if (who == 0) {
        process_usage_of(CALLER(req), &res->usage);
        process_pages_of(CALLER(req), &res->usage);
    } else {
        res->usage = CALLER(req)->children_usage;
    }
    return FUT_OK;
}

static fut_status_t get_limit(struct fut_request *req, uint32_t which, struct process_process_get_limit_result *res)
{
    if (which >= LIMITS)
        return IO_ERROR_INVALID;
    res->soft = CALLER(req)->limits[which].soft;
    res->hard = CALLER(req)->limits[which].hard;
    return FUT_OK;
}

static fut_status_t set_limit(struct fut_request *req, uint32_t which, uint64_t soft, uint64_t hard)
{
    struct process *p = CALLER(req);
    if (which >= LIMITS || soft > hard)
        return IO_ERROR_INVALID;
    if (hard > p->limits[which].hard && !cred_is_root(&p->cred))
        return IO_ERROR_NOT_PERMITTED;
    p->limits[which] = (struct limit){soft, hard};
    return FUT_OK;
}

static fut_status_t mount(struct fut_request *req, struct fut_string source, struct fut_string target,
                          struct fut_string kind, uint64_t flags, struct fut_string options)
{
    return mount_handle(CALLER(req), source, target, kind, flags, options);
}

static fut_status_t unmount(struct fut_request *req, struct fut_string target, uint32_t flags)
{
    return unmount_handle(CALLER(req), target, flags);
}

static fut_status_t host_name(struct fut_request *req, struct process_process_host_name_result *res)
{
    (void)req;
    res->name.len = strlen(posixd.host_name);
    memcpy(res->name.data, posixd.host_name, res->name.len);
    return FUT_OK;
}

static fut_status_t set_host_name(struct fut_request *req, struct fut_string name)
{
    if (!cred_is_root(&CALLER(req)->cred))
        return IO_ERROR_NOT_PERMITTED;
    if (name.len >= sizeof posixd.host_name)
        return IO_ERROR_INVALID;
    memcpy(posixd.host_name, name.data, name.len);
    posixd.host_name[name.len] = 0;
    return FUT_OK;
}

static fut_status_t system(struct fut_request *req, struct process_process_system_result *res)
{
    (void)req;
    struct memory_figures m;
    memory_figures(&m);
    load_sample();
    res->ram = m.total;
    res->free = m.free;
    res->buffers = m.cached;
    res->processes = process_count() + 1;
    res->load1 = load_average[0];
    res->load5 = load_average[1];
    res->load15 = load_average[2];
    return FUT_OK;
}

static fut_status_t random(struct fut_request *req, uint32_t len, struct process_process_random_result *res)
{
    (void)req;
    if (len > 1024)
        return IO_ERROR_INVALID;
    res->data.len = len;
    random_bytes(res->data.data, len);
    return FUT_OK;
}

static fut_status_t set_clock(struct fut_request *req, int64_t offset)
{
    if (!cred_is_root(&CALLER(req)->cred))
        return IO_ERROR_NOT_PERMITTED;
    __atomic_store_n(&posixd.clock_page->realtime_offset_ns, offset, __ATOMIC_RELEASE);
    if (posixd.clock.h != 0)
        (void)!clock_clock_set_offset(posixd.clock, offset); // the hardware clock follows where it can
    return FUT_OK;
}

static fut_status_t kernel_log(struct fut_request *req, uint64_t offset, uint32_t len,
                               struct process_process_log_result *res)
{
    (void)req;
    if (posixd.klog == 0)
        return IO_ERROR_NOT_PERMITTED;
    uint64_t got = 0;
    size_t n = len < res->data.capacity ? len : res->data.capacity;
    fut_status_t status = fut_log_read(posixd.klog, offset, res->data.data, n, &got);
    res->data.len = status == FUT_OK && got <= n ? got : 0;
    res->end = offset + res->data.len;
    return FUT_OK;
}

static fut_status_t default_action(struct fut_request *req, uint32_t signal)
{
    if (!signal_valid(signal))
        return IO_ERROR_INVALID;
    signal_default(CALLER(req), signal);
    return FUT_OK;
}

static fut_status_t priority(struct fut_request *req, uint8_t which, uint32_t who, bool set, int32_t value,
                             struct process_process_priority_result *res)
{
    struct process *p = CALLER(req);
    bool any = false;
    int32_t best = 20;
    if (which > 2)
        return IO_ERROR_INVALID;
    value = value < -20 ? -20 : value > 19 ? 19 : value;
    if (who == 0)
        who = which == 0 ? p->pid : which == 1 ? p->group : p->cred.ruid;
    for (struct process *q = processes; q != nullptr; q = q->next) {
        if (q->state == PROCESS_ZOMBIE || (which == 0 && q->pid != who) || (which == 1 && q->group != who) ||
            (which == 2 && q->cred.ruid != who))
            continue;
        any = true;
        if (set) {
            if (!cred_is_root(&p->cred) && p->cred.euid != q->cred.ruid && p->cred.euid != q->cred.euid)
                return IO_ERROR_NOT_PERMITTED;
            if (value < q->nice && !cred_is_root(&p->cred))
                return IO_ERROR_DENIED;
            q->nice = value;
            for (unsigned i = 0; i < MAX_THREADS; i++) {
                if (q->threads[i].handle != 0)
                    (void)fut_thread_priority(q->threads[i].handle, exec_priority(q));
            }
        }
        if (q->nice < best)
            best = q->nice;
    }
    res->nice = best;
    return any ? FUT_OK : IO_ERROR_NO_PROCESS;
}

// --- Foreign system calls that are not there -----------------------------------------------------------

static struct { uint32_t number, arch; uint64_t count; char name[16]; } missing_calls[64];
static unsigned missing_count;

static fut_status_t missing(struct fut_request *req, uint32_t number, uint32_t arch)
{
    for (unsigned i = 0; i < missing_count; i++) {
        if (missing_calls[i].number == number && missing_calls[i].arch == arch) {
            missing_calls[i].count++;
            return FUT_OK;
        }
    }
    if (missing_count < 64) {
        missing_calls[missing_count].number = number;
        missing_calls[missing_count].arch = arch;
        missing_calls[missing_count].count = 1;
        memcpy(missing_calls[missing_count++].name, CALLER(req)->name, 16);
        log_text("posixd: %s uses system call %u, which is not there\n", CALLER(req)->name, number);
    }
    return FUT_OK;
}

static fut_status_t confine(struct fut_request *req, uint64_t pages, uint32_t tasks)
{
    return confine_process(CALLER(req), pages, tasks);
}

static fut_status_t get_missing(struct fut_request *req, uint32_t index, struct process_process_get_missing_result *res)
{
    (void)req;
    if (index >= missing_count)
        return IO_ERROR_NOT_FOUND;
    res->number = missing_calls[index].number;
    res->count = missing_calls[index].count;
    res->name.len = strlen(missing_calls[index].name);
    memcpy(res->name.data, missing_calls[index].name, res->name.len);
    return FUT_OK;
}

const struct process_process_ops process_ops = {
    .ids = ids,
    .fork = fork,
    .new_thread = new_thread,
    .exit_thread = exit_thread,
    .exec = exec,
    .exit = exit,
    .wait = wait,
    .kill = kill,
    .kill_thread = kill_thread,
    .set_group = set_group,
    .get_group = get_group,
    .new_session = new_session,
    .set_user = set_user,
    .set_group_id = set_group_id,
    .set_groups = set_groups,
    .get_groups = get_groups,
    .open_special = open_special,
    .pipe = pipe,
    .tree = tree,
    .set_timer = set_timer,
    .get_timer = get_timer,
    .set_name = set_name,
    .set_foreground = set_foreground,
    .set_controlling = set_controlling,
    .drop_controlling = drop_controlling,
    .terminal_access = terminal_access,
    .usage = usage,
    .get_limit = get_limit,
    .set_limit = set_limit,
    .mount = mount,
    .unmount = unmount,
    .host_name = host_name,
    .set_host_name = set_host_name,
    .system = system,
    .random = random,
    .set_clock = set_clock,
    .log = kernel_log,
    .default_ = default_action,
    .priority = priority,
    .missing = missing,
    .get_missing = get_missing,
    .confine = confine,
    .socket_pair = make_socket_pair,
    .local_socket = local_socket,
    .local_pair = make_local_pair,
    .bind_local = bind_local,
    .find_local = find_local,
    .network = network,
    .event_file = event_file,
    .timer_file = timer_file,
    .signal_file = signal_file,
    .poll_file = poll_file,
    .signal_event = signal_event,
};
