// SPDX-License-Identifier: MPL-2.0
//
// Process groups, sessions and terminals. ttyd knows a terminal's foreground group and session because it
// makes signals of keys; which values it is told is decided here, where processes are known. Every
// terminal that is some session's controlling one has a record.
#include "calls.h"
#include "posixd.h"

#define PTY_MASTER (5 << 8 | 2)

struct terminal {
    struct terminal *next;
    uint64_t id, device;
    uint32_t session, foreground;
};
static struct terminal *terminals;

static struct terminal *terminal_find(uint64_t id)
{
    struct terminal *t = terminals;
    while (t != nullptr && t->id != id)
        t = t->next;
    return t;
}

bool group_exists_in_session(uint32_t group, uint32_t session)
{
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->group == group && p->session == session)
            return true;
    }
    return false;
}

// A group is orphaned when no member has a parent that is in another group of the same session: nobody
// is left who could continue it.
bool group_is_orphaned(uint32_t group, const struct process *except)
{
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p == except || p->group != group || p->state == PROCESS_ZOMBIE)
            continue;
        const struct process *parent = p->parent;
        if (parent != nullptr && parent != except && parent->state != PROCESS_ZOMBIE &&
            parent->session == p->session && parent->group != p->group)
            return false;
    }
    return true;
}

static bool group_has_stopped(uint32_t group)
{
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->group == group && p->state == PROCESS_STOPPED)
            return true;
    }
    return false;
}

static const struct signal_source from_kernel = {.code = SI_KERNEL_CODE};

static void hang_up_if_orphaned(uint32_t group)
{
    if (!group_is_orphaned(group, nullptr) || !group_has_stopped(group))
        return;
    signal_group(group, SIG_HUP, &from_kernel);
    signal_group(group, SIG_CONT, &from_kernel);
}

static void release_terminal(struct process *leader)
{
    struct terminal *t = terminal_find(leader->terminal);
    uint32_t session = leader->session;
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->session == session)
            p->terminal = p->terminal_device = 0;
    }
    if (t == nullptr || t->session != session)
        return;
    uint32_t foreground = t->foreground;
    t->session = t->foreground = 0;
    (void)tty_admin_set_session(posixd.tty, t->id, 0, 0);
    if (foreground != 0) {
        signal_group(foreground, SIG_HUP, &from_kernel);
        signal_group(foreground, SIG_CONT, &from_kernel);
    }
}

// Called when p has just become a zombie, before its children change their parent. Only groups that p was
// the link to the rest of its session for can become orphaned by this.
void jobs_process_gone(struct process *p)
{
    if (p->pid == p->session && p->terminal != 0)
        release_terminal(p);
    if (p->parent != nullptr && p->parent->session == p->session && p->parent->group != p->group)
        hang_up_if_orphaned(p->group);
    for (struct process *c = processes; c != nullptr; c = c->next) {
        if (c->parent == p && c->session == p->session && c->group != p->group)
            hang_up_if_orphaned(c->group);
    }
}

fut_status_t jobs_set_group(struct process *p, uint32_t pid, uint32_t group)
{
    struct process *target = pid == 0 ? p : process_find(pid);
    if (target == nullptr || (target != p && target->parent != p) || target->state == PROCESS_ZOMBIE)
        return IO_ERROR_NO_PROCESS;
    if (group > INT32_MAX)
        return IO_ERROR_INVALID;
    if (group == 0)
        group = target->pid;
    if (target != p && target->has_execed)
        return IO_ERROR_DENIED;
    if (target->session != p->session || target->pid == target->session)
        return IO_ERROR_NOT_PERMITTED;
    if (group != target->pid && !group_exists_in_session(group, p->session))
        return IO_ERROR_NOT_PERMITTED;
    target->group = group;
    return FUT_OK;
}

fut_status_t jobs_new_session(struct process *p)
{
    for (struct process *q = processes; q != nullptr; q = q->next) {
        if (q->group == p->pid)
            return IO_ERROR_NOT_PERMITTED;
    }
    p->session = p->group = p->pid;
    p->terminal = p->terminal_device = 0;
    return FUT_OK;
}

void jobs_adopt_terminal(struct process *p, uint64_t id, uint64_t device, bool steal)
{
    struct terminal *t = terminal_find(id);
    if (t == nullptr) {
        t = heap_zero(sizeof *t);
        if (t == nullptr)
            return;
        t->id = id;
        t->next = terminals;
        terminals = t;
    }
    if (t->session != 0 && t->session != p->session && steal) {
        for (struct process *q = processes; q != nullptr; q = q->next) {
            if (q->session == t->session)
                q->terminal = q->terminal_device = 0;
        }
    }
    t->device = device;
    t->session = p->session;
    t->foreground = p->group;
    for (struct process *q = processes; q != nullptr; q = q->next) {
        if (q->session == p->session) {
            q->terminal = id;
            q->terminal_device = device;
        }
    }
    p->terminal = id;
    p->terminal_device = device;
    (void)tty_admin_set_session(posixd.tty, id, p->session, p->group);
}

bool jobs_terminal_is_free(uint64_t id)
{
    struct terminal *t = terminal_find(id);
    return t == nullptr || t->session == 0;
}

uint32_t jobs_foreground_of(const struct process *p)
{
    struct terminal *t = p->terminal != 0 ? terminal_find(p->terminal) : nullptr;
    return t != nullptr ? t->foreground : 0;
}

static fut_status_t identify(io_file_t file, uint64_t *id, uint64_t *device, uint32_t *session)
{
    fut_status_t status = tty_admin_identify(posixd.tty, file, id, device, session, nullptr);
    return status == FUT_OK ? FUT_OK : IO_ERROR_NOT_TTY;
}

fut_status_t jobs_set_controlling(struct process *p, io_file_t file, bool steal)
{
    uint64_t id, device;
    uint32_t session;
    fut_status_t status = identify(file, &id, &device, &session);
    if (status != FUT_OK)
        return status;
    if (p->terminal == id && p->pid == p->session)
        return FUT_OK;
    if (device == PTY_MASTER)
        return IO_ERROR_NOT_PERMITTED; // nobody types there
    if (p->pid != p->session || p->terminal != 0)
        return IO_ERROR_NOT_PERMITTED;
    if (!jobs_terminal_is_free(id) && !(steal && cred_is_root(&p->cred)))
        return IO_ERROR_NOT_PERMITTED;
    jobs_adopt_terminal(p, id, device, steal);
    return FUT_OK;
}

fut_status_t jobs_drop_controlling(struct process *p)
{
    if (p->terminal == 0)
        return IO_ERROR_NOT_TTY;
    if (p->pid == p->session)
        release_terminal(p);
    else
        p->terminal = p->terminal_device = 0;
    return FUT_OK;
}

// A background process that changes its terminal is stopped, unless it said that it does not care.
static bool ignores_or_blocks(const struct process *p, unsigned signal)
{
    uint64_t blocked = UINT64_MAX;
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0)
            blocked &= p->page->thread[i].blocked;
    }
    return ((p->page->ignored | blocked) & signal_bit(signal)) != 0;
}

// 0: go on. Otherwise a signal was sent to the group, or nobody would continue it (io).
static fut_status_t background_check(struct process *p, unsigned signal, bool *sent)
{
    *sent = false;
    if (p->group == jobs_foreground_of(p))
        return FUT_OK;
    if (signal == SIG_TTOU && ignores_or_blocks(p, signal))
        return FUT_OK;
    if ((signal == SIG_TTIN && ignores_or_blocks(p, signal)) || group_is_orphaned(p->group, nullptr))
        return IO_ERROR_IO;
    *sent = true;
    signal_group(p->group, signal, &from_kernel);
    return FUT_OK;
}

fut_status_t jobs_set_foreground(struct process *p, io_file_t file, uint32_t group)
{
    uint64_t id, device;
    uint32_t session;
    fut_status_t status = identify(file, &id, &device, &session);
    if (status != FUT_OK)
        return status;
    struct terminal *t = terminal_find(id);
    if (t == nullptr || p->terminal != id || t->session != p->session)
        return IO_ERROR_NOT_TTY;
    if (group == 0 || group > INT32_MAX)
        return IO_ERROR_INVALID;
    if (!group_exists_in_session(group, p->session))
        return IO_ERROR_NOT_PERMITTED;
    bool sent;
    status = background_check(p, SIG_TTOU, &sent);
    if (status != FUT_OK)
        return status;
    if (sent)
        return IO_ERROR_INTERRUPTED;
    t->foreground = group;
    status = tty_admin_set_foreground(posixd.tty, id, group);
    return status == FUT_OK ? FUT_OK : IO_ERROR_IO;
}

fut_status_t jobs_terminal_access(struct process *p, io_file_t file, bool write, bool *allowed)
{
    uint64_t id, device;
    uint32_t session;
    *allowed = true;
    fut_status_t status = identify(file, &id, &device, &session);
    if (status != FUT_OK)
        return status;
    if (p->terminal != id)
        return FUT_OK; // not its controlling terminal: no job control on it
    bool sent;
    status = background_check(p, write ? SIG_TTOU : SIG_TTIN, &sent);
    *allowed = !sent;
    return status;
}

void jobs_terminal_signals(void)
{
    struct tty_pending_view pending;
    if (tty_admin_snapshot(posixd.tty, &pending) != FUT_OK)
        return;
    // The view lies in the IPC buffer, which sending signals may use.
    struct tty_pending copy[64];
    size_t n = pending.len < 64 ? pending.len : 64;
    memcpy(copy, pending.data, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        uint64_t left = copy[i].signals;
        while (left != 0) {
            unsigned signal = (unsigned)__builtin_ctzll(left) + 1;
            left &= left - 1;
            if (signal == SIG_HUP && copy[i].session != 0) {
                // The line is gone: the session's leader is told, and its end does the rest.
                struct process *leader = process_find(copy[i].session);
                if (leader != nullptr) {
                    signal_send(leader, SIG_HUP, &from_kernel, -1);
                    signal_send(leader, SIG_CONT, &from_kernel, -1);
                }
            }
            if (copy[i].group != 0)
                signal_group(copy[i].group, signal, &from_kernel);
        }
    }
}
