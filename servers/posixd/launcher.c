// SPDX-License-Identifier: MPL-2.0
//
// Launcher: how the first programs start, what pid 1 learns, and the orderly end. Its holder stands for
// pid 1 and is above posixd: nothing here waits for it, it is only signalled.
#include "calls.h"
#include "posixd.h"

#define TERM_GRACE NS_PER_SECOND

static uint64_t news; // bits set before anybody watched

void launcher_notify(uint64_t bits)
{
    if (posixd.watch != 0)
        (void)fut_event_signal(posixd.watch, bits);
    else
        news |= bits;
}

static fut_status_t watch(struct fut_request *req, fut_handle_t e)
{
    (void)req;
    if (posixd.watch != 0)
        (void)fut_cap_delete(posixd.watch);
    posixd.watch = e;
    // A watcher that comes back asks for everything again.
    launcher_notify(news | 1);
    news = 0;
    return FUT_OK;
}

static fut_status_t collect(struct fut_request *req, struct process_launcher_collect_result *res)
{
    (void)req;
    if (!wait_collect_for_init(&res->pid, &res->status))
        res->pid = res->status = 0;
    return FUT_OK;
}

static fut_status_t open_console(struct process *p, struct process_descriptor files[3], io_file_t *file)
{
    struct io_stat node = {};
    fut_status_t status = fs_context_stat(posixd.root, (io_file_t){}, (struct fut_string){"/dev/console", 12}, 0, &node);
    if (status != FUT_OK)
        return status > 0 ? status : IO_ERROR_IO;
    status = device_open_terminal(p, node.rdev, IO_STATUS_READ_WRITE, &node, file);
    if (status != FUT_OK)
        return status;
    uint64_t id, device;
    if (tty_admin_identify(posixd.tty, *file, &id, &device, nullptr, nullptr) == FUT_OK)
        jobs_adopt_terminal(p, id, device, true);
    for (uint32_t i = 0; i < 3; i++)
        files[i] = (struct process_descriptor){.number = i, .handle = file->h, .kind = FUT_POSIX_KIND_TERMINAL,
                                               .status = IO_STATUS_READ_WRITE};
    return FUT_OK;
}

static fut_status_t spawn(struct fut_request *req, struct fut_string path, uint32_t argc, uint32_t envc,
                          struct fut_bytes strings, bool console, struct process_launcher_spawn_result *res)
{
    (void)req;
    if (posixd.stopping || argc > 4096 || envc > 4096 ||
        !exec_strings_are_sound(strings.data, strings.len, (uint64_t)argc + envc))
        return IO_ERROR_INVALID;
    struct exec_request x = {.argc = argc, .envc = envc, .string_bytes = strings.len, .from_handles = true};
    char *path_copy = heap_alloc(path.len + 1);
    x.strings = heap_alloc(strings.len + 1);
    struct process *p = process_create(nullptr);
    io_file_t file = {};
    struct process_descriptor files[3];
    fut_status_t status = IO_ERROR_NO_MEMORY;
    if (path_copy == nullptr || x.strings == nullptr || p == nullptr)
        goto fail;
    memcpy(path_copy, path.data, path.len);
    memcpy(x.strings, strings.data, strings.len);
    x.path = (struct fut_string){path_copy, path.len};
    x.process = p;
    x.files = files;

    struct fs_cred cred = cred_for_fs(&p->cred);
    device_more_nodes();
    status = fs_admin_new_context(posixd.fs, &cred, 022, &p->context);
    if (status == FUT_OK)
        status = sigpage_create(p);
    if (status == FUT_OK && console) {
        x.file_count = 3;
        status = open_console(p, files, &file);
    }
    if (status != FUT_OK)
        goto fail;
    process_publish(p);
    status = exec_run(&x);
    if (status != FUT_OK) {
        process_end(p, SIG_KILL);
        process_reap(p);
        p = nullptr;
        goto fail;
    }
    p->console_program = console;
    res->pid = p->pid;
fail:
    if (status != FUT_OK && p != nullptr)
        process_discard(p);
    if (file.h != 0)
        (void)fut_cap_delete(file.h);
    heap_free(x.strings);
    heap_free(path_copy);
    return status >= 0 ? status : IO_ERROR_NO_MEMORY;
}

static fut_status_t running(struct fut_request *req, struct process_launcher_running_result *res)
{
    (void)req;
    uint32_t *pids = res->pids.data;
    res->pids.len = 0;
    for (struct process *p = processes; p != nullptr && res->pids.len < res->pids.capacity; p = p->next) {
        if (p->console_program)
            pids[res->pids.len++] = p->pid;
    }
    return FUT_OK;
}

static bool all_signalled(unsigned signal)
{
    static const struct signal_source from = {.code = SI_USER_CODE, .pid = INIT_PID};
    bool any = false;
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->state != PROCESS_ZOMBIE) {
            any = true;
            signal_send(p, signal, &from, -1);
            if (signal == SIG_TERM)
                signal_send(p, SIG_CONT, &from, -1);
        }
    }
    return any;
}

// --- Shutdown: TERM to all, a grace period, KILL to what is left, then the file systems ----------------

static struct { struct deferred deferred; bool waiting; uint64_t deadline; } end;

static void end_finish(void)
{
    end.waiting = false;
    end.deadline = 0;
    (void)all_signalled(SIG_KILL);
    deferred_take(&end.deferred);
    fut_status_t status = fs_admin_shutdown(posixd.fs);
    if (status == FUT_OK)
        (void)process_launcher_shutdown_reply(end.deferred.reply);
    else
        (void)fut_reply_error(end.deferred.reply, status > 0 ? status : IO_ERROR_IO);
}

static bool any_left(void)
{
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->state != PROCESS_ZOMBIE)
            return true;
    }
    return false;
}

uint64_t launcher_due(uint64_t now)
{
    if (end.waiting && (now >= end.deadline || !any_left()))
        end_finish();
    return end.waiting ? now + NS_PER_SECOND / 20 : FUT_FOREVER;
}

static void end_cancel(struct deferred *d)
{
    (void)d;
    end.waiting = false;
    (void)fut_reply_error(d->reply, IO_ERROR_INTERRUPTED);
}

static void end_drop(struct deferred *d)
{
    (void)d;
    end.waiting = false;
}

static fut_status_t shutdown(struct fut_request *req)
{
    if (end.waiting)
        return IO_ERROR_BUSY;
    posixd.stopping = true;
    (void)all_signalled(SIG_TERM);
    end.waiting = true;
    end.deadline = now_ns() + TERM_GRACE;
    if (!deferred_add(&end.deferred, req, end_cancel, end_drop)) {
        end.waiting = false;
        return IO_ERROR_NO_MEMORY;
    }
    timer_rearm();
    return FUT_DEFER;
}

const struct process_launcher_ops launcher_ops = {
    .spawn = spawn,
    .collect = collect,
    .watch = watch,
    .shutdown = shutdown,
    .running = running,
};
