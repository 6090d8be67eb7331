// SPDX-License-Identifier: MPL-2.0
//
// Who a process is, and what that lets it do to other processes. File permissions are fsd's, which knows
// the process by a Context bound to the same ids; each change of ids makes a new Context.
#include "posixd.h"
#include "calls.h"

bool cred_is_root(const struct credentials *c) { return c->euid == 0; }

bool cred_may_signal(const struct process *from, const struct process *to, unsigned signal)
{
    const struct credentials *a = &from->cred, *b = &to->cred;
    if (from == to || a->euid == 0 || a->euid == b->ruid || a->euid == b->suid || a->ruid == b->ruid ||
        a->ruid == b->suid)
        return true;
    return signal == SIG_CONT && from->session == to->session;
}

struct fs_cred cred_for_fs(const struct credentials *c)
{
    struct fs_cred f = {.uid = c->euid, .gid = c->egid, .group_count = c->group_count};
    memcpy(f.groups, c->groups, sizeof f.groups);
    return f;
}

// The new ids take effect with the Context that goes with them, or not at all.
static fut_status_t commit(struct process *p, const struct credentials *next, fs_context_t *for_caller)
{
    fs_context_t context;
    struct fs_cred cred = cred_for_fs(next);
    fut_status_t status = fs_admin_derive(posixd.fs, p->context, &cred, &context);
    if (status != FUT_OK)
        return status > 0 ? status : IO_ERROR_IO;
    fut_handle_t copy;
    status = fut_cap_mint(context.h, FUT_RIGHTS_ALL, &copy);
    if (status != FUT_OK) {
        (void)fut_cap_delete(context.h);
        return IO_ERROR_NO_MEMORY;
    }
    (void)fut_cap_delete(p->context.h);
    p->context = context;
    p->cred = *next;
    for_caller->h = copy;
    return FUT_OK;
}

#define KEEP UINT32_MAX

static bool one_of(uint32_t id, uint32_t a, uint32_t b, uint32_t c) { return id == a || id == b || id == c; }

// setresuid: without privilege each id must be one of the three that the process has.
static bool may_take(const uint32_t want[3], uint32_t real, uint32_t effective, uint32_t saved, bool root)
{
    for (int i = 0; i < 3; i++) {
        if (want[i] != KEEP && !root && !one_of(want[i], real, effective, saved))
            return false;
    }
    return true;
}

fut_status_t cred_set_user(struct process *p, uint32_t real, uint32_t effective, uint32_t saved, fs_context_t *c)
{
    struct credentials next = p->cred;
    const uint32_t want[3] = {real, effective, saved};
    if (!may_take(want, next.ruid, next.euid, next.suid, cred_is_root(&p->cred)))
        return IO_ERROR_NOT_PERMITTED;
    next.ruid = real != KEEP ? real : next.ruid;
    next.euid = effective != KEEP ? effective : next.euid;
    next.suid = saved != KEEP ? saved : next.suid;
    return commit(p, &next, c);
}

fut_status_t cred_set_group(struct process *p, uint32_t real, uint32_t effective, uint32_t saved, fs_context_t *c)
{
    struct credentials next = p->cred;
    const uint32_t want[3] = {real, effective, saved};
    if (!may_take(want, next.rgid, next.egid, next.sgid, cred_is_root(&p->cred)))
        return IO_ERROR_NOT_PERMITTED;
    next.rgid = real != KEEP ? real : next.rgid;
    next.egid = effective != KEEP ? effective : next.egid;
    next.sgid = saved != KEEP ? saved : next.sgid;
    return commit(p, &next, c);
}

fut_status_t cred_set_groups(struct process *p, const uint32_t *groups, size_t count, fs_context_t *c)
{
    struct credentials next = p->cred;
    if (!cred_is_root(&p->cred))
        return IO_ERROR_NOT_PERMITTED;
    if (count > 32)
        return IO_ERROR_INVALID;
    next.group_count = (uint32_t)count;
    memcpy(next.groups, groups, count * sizeof *groups);
    return commit(p, &next, c);
}
