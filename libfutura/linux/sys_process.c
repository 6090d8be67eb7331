// SPDX-License-Identifier: MPL-2.0
//
// Processes, threads, identities and limits.
#include "linux.h"
#include <string.h>

struct child_plan child_plan;

// --- clone ------------------------------------------------------------------------------------------------------------
struct thread_plan { u64 stack, tls, clear_tid, set_tid[2]; bool has_tls; };

static void prepare_thread(struct posix_thread *thread, void *user)
{
    const struct thread_plan *plan = user;
    struct fut_frame *frame = thread->frame;
    regs_set_result(&frame->regs, 0);
    regs_set_sp(&frame->regs, plan->stack);
    if (plan->has_tls)
        frame->regs.tls = plan->tls;
    frame->cause = FUT_CAUSE_SYSCALL;
    thread->clear_child_tid = plan->clear_tid;
    thread->set_tid[0] = plan->set_tid[0];
    thread->set_tid[1] = plan->set_tid[1];
}

static long clone_call(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls)
{
    struct fut_frame *frame = posix_self.frame;
    if (flags & CLONE_THREAD) {
        if (!(flags & CLONE_VM) || stack == 0)
            return -EINVAL;
        struct thread_plan plan = {
            .stack = stack, .tls = tls, .has_tls = (flags & CLONE_SETTLS) != 0,
            .clear_tid = flags & CLONE_CHILD_CLEARTID ? child_tid : 0,
            .set_tid = {flags & CLONE_PARENT_SETTID ? parent_tid : 0, flags & CLONE_CHILD_SETTID ? child_tid : 0},
        };
        return posix_new_thread((uint64_t)linux_thread_child, frame, prepare_thread, &plan);
    }
    // Namespaces and the like: nothing that could be half done. Sharing memory without being a thread works for
    // vfork alone, as a copy.
    if ((flags & 0x7e020000ull) != 0 || ((flags & CLONE_VM) && !(flags & CLONE_VFORK)))
        return -EINVAL;
    posix_lock();
    child_plan.set_tid = flags & CLONE_CHILD_SETTID ? child_tid : 0;
    child_plan.clear_tid = flags & CLONE_CHILD_CLEARTID ? child_tid : 0;
    child_plan.stack = stack;
    child_plan.tls = tls;
    child_plan.has_tls = (flags & CLONE_SETTLS) != 0;
    fp_save(child_plan.fp);
    long pid = posix_fork(flags, (uint64_t)linux_fork_child, (uint64_t)frame, (uint32_t)flags & 0xff);
    posix_unlock();
    if (pid > 0 && (flags & CLONE_PARENT_SETTID)) {
        uint32_t value = (uint32_t)pid;
        (void)user_write(parent_tid, &value, sizeof value);
    }
    return pid;
}
SYSCALL(clone) { return clone_call(a, b, c, CLONE_CHILD_TID(c, d, e), CLONE_TLS(c, d, e)); }
SYSCALL(fork) { return clone_call(SIGCHLD, 0, 0, 0, 0); }
SYSCALL(vfork) { return clone_call(CLONE_VFORK | CLONE_VM | SIGCHLD, 0, 0, 0, 0); }

SYSCALL(set_tid_address)
{
    posix_self.clear_child_tid = a;
    return posix_self.tid;
}
// Robust mutexes are not walked at a thread's end (docs/caveats.md); glibc asks for this at every start.
SYSCALL(set_robust_list) { return b == 24 ? 0 : -EINVAL; }
// Restartable sequences need the kernel's help at every switch; glibc does without.
SYSCALL(rseq) { return -ENOSYS; }

// --- exec -------------------------------------------------------------------------------------------------------------
#define ARGUMENTS_MAX (UINT64_C(2) << 20)
#define ARGUMENT_MAX (UINT64_C(128) << 10)

static long gather(u64 list, char *to, size_t *used, uint32_t *count)
{
    *count = 0;
    for (u64 at = list; at != 0; at += 8) {
        u64 string;
        if (!user_read(&string, at, 8))
            return -EFAULT;
        if (string == 0)
            break;
        size_t room = ARGUMENTS_MAX - *used < ARGUMENT_MAX ? ARGUMENTS_MAX - *used : ARGUMENT_MAX;
        long n = user_string(to + *used, string, room);
        if (n < 0)
            return n == -ENAMETOOLONG ? -E2BIG : n;
        *used += (size_t)n + 1;
        ++*count;
    }
    return 0;
}

static long exec_call(int at, const char *path, u64 argv, u64 envp)
{
    char *strings = posix_pages(ARGUMENTS_MAX); // pages come as they are written
    if (strings == nullptr)
        return -ENOMEM;
    size_t used = 0;
    uint32_t argc, envc;
    long result = gather(argv, strings, &used, &argc);
    if (result == 0 && argc == 0) { // as Linux since 5.18: a program always has a name
        used = 1;
        argc = 1;
    }
    if (result == 0)
        result = gather(envp, strings, &used, &envc);
    if (result == 0)
        result = posix_exec(at, path, strings, used, argc, envc);
    (void)posix_unmap((uint64_t)strings, ARGUMENTS_MAX);
    return result;
}
SYSCALL(execve)
{
    GET_PATH(path, a);
    return exec_call(AT_FDCWD, path, b, c);
}
SYSCALL(execveat)
{
    char path[LINUX_PATH_MAX];
    long n = user_string(path, b, sizeof path);
    if (n < 0)
        return n;
    if (n == 0 && !(e & AT_EMPTY_PATH))
        return -ENOENT;
    return exec_call((int)a, path, c, d);
}

SYSCALL(exit) { posix_exit_thread((uint32_t)a & 0xff); }
SYSCALL(exit_group) { posix_exit(((uint32_t)a & 0xff) << 8); }

// --- wait -------------------------------------------------------------------------------------------------------------
struct linux_rusage { struct linux_timeval user, system; int64_t max_pages_kib, rest[13]; };
static_assert(sizeof(struct linux_rusage) == 144);

static struct linux_rusage rusage_of(const struct process_usage *u)
{
    struct linux_rusage r = {
        .user = {(int64_t)(u->user_ns / NS_PER_S), (int64_t)(u->user_ns % NS_PER_S / 1000)},
        .system = {(int64_t)(u->system_ns / NS_PER_S), (int64_t)(u->system_ns % NS_PER_S / 1000)},
        .max_pages_kib = (int64_t)u->max_pages * 4,
    };
    r.rest[3] = (int64_t)u->faults; // ru_minflt
    return r;
}

#define WNOHANG 1u
#define WUNTRACED 2u
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x01000000u
#define WAIT_OTHERS 0xe0000000u // __WALL and its kin: all children are alike here

SYSCALL(wait4)
{
    if (c & ~(u64)(WNOHANG | WUNTRACED | WCONTINUED | WAIT_OTHERS))
        return -EINVAL;
    uint32_t status;
    struct process_usage usage;
    long pid = posix_wait((int32_t)a, (uint32_t)c & ~WAIT_OTHERS, &status, &usage);
    if (pid <= 0)
        return pid;
    if (b != 0 && !user_write(b, &status, sizeof status))
        return -EFAULT;
    if (d != 0) {
        struct linux_rusage r = rusage_of(&usage);
        if (!user_write(d, &r, sizeof r))
            return -EFAULT;
    }
    return pid;
}

SYSCALL(waitid)
{
    int32_t which;
    switch (a) {
    case 0: which = -1; break;                                             // P_ALL
    case 1: which = (int32_t)b; if (which <= 0) return -EINVAL; break;     // P_PID
    case 2: which = (int32_t)b == 0 ? 0 : -(int32_t)b; break;              // P_PGID
    default: return -EINVAL;
    }
    if ((d & (WEXITED | WUNTRACED | WCONTINUED)) == 0 || (d & ~(u64)(WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | WAIT_OTHERS)))
        return -EINVAL;
    uint32_t status;
    struct process_usage usage;
    long pid = posix_wait(which, (uint32_t)d & ~WAIT_OTHERS, &status, &usage);
    if (pid < 0)
        return pid;
    struct linux_siginfo si = {};
    if (pid > 0) {
        si.signo = SIGCHLD;
        si.from.pid = (uint32_t)pid;
        if (status == 0xffff) {
            si.code = 6; // CLD_CONTINUED
            si.from.status = SIGCONT;
        } else if ((status & 0xff) == 0x7f) {
            si.code = 5; // CLD_STOPPED
            si.from.status = (int32_t)(status >> 8 & 0xff);
        } else if ((status & 0x7f) == 0) {
            si.code = 1; // CLD_EXITED
            si.from.status = (int32_t)(status >> 8 & 0xff);
        } else {
            si.code = status & 0x80 ? 3 : 2; // CLD_DUMPED, CLD_KILLED
            si.from.status = (int32_t)(status & 0x7f);
        }
    }
    if (c != 0 && !user_write(c, &si, sizeof si))
        return -EFAULT;
    if (e != 0) {
        struct linux_rusage r = rusage_of(&usage);
        if (!user_write(e, &r, sizeof r))
            return -EFAULT;
    }
    return 0;
}

SYSCALL(getrusage)
{
    struct process_usage usage;
    if ((int)a < -1 || (int)a > 1)
        return -EINVAL;
    fut_status_t status = process_process_usage(posix.process, (int)a == -1 ? 1 : 0, &usage);
    if (status != FUT_OK)
        return posix_errno(status);
    struct linux_rusage r = rusage_of(&usage);
    return user_write(b, &r, sizeof r) ? 0 : -EFAULT;
}

SYSCALL(times)
{
    struct process_usage self, children;
    fut_status_t status = process_process_usage(posix.process, 0, &self);
    if (status == FUT_OK)
        status = process_process_usage(posix.process, 1, &children);
    if (status != FUT_OK)
        return posix_errno(status);
    const uint64_t tick = NS_PER_S / 100;
    int64_t t[4] = {(int64_t)(self.user_ns / tick), (int64_t)(self.system_ns / tick), (int64_t)(children.user_ns / tick),
                    (int64_t)(children.system_ns / tick)};
    if (a != 0 && !user_write(a, t, sizeof t))
        return -EFAULT;
    return (long)(posix_now() / tick);
}

// --- Who ----------------------------------------------------------------------------------------------------------------
SYSCALL(getpid) { return posix_pid(); }
SYSCALL(gettid) { return posix_self.tid; }
SYSCALL(getuid) { return posix.ids.ruid; }
SYSCALL(geteuid) { return posix.ids.euid; }
SYSCALL(getgid) { return posix.ids.rgid; }
SYSCALL(getegid) { return posix.ids.egid; }

// posixd keeps it in the signal page, as it changes when the parent ends.
SYSCALL(getppid) { return __atomic_load_n(&posix.page->parent, __ATOMIC_RELAXED); }

static long three_out(u64 p, u64 q, u64 r, const uint32_t v[3])
{
    return user_write(p, &v[0], 4) && user_write(q, &v[1], 4) && user_write(r, &v[2], 4) ? 0 : -EFAULT;
}
SYSCALL(getresuid)
{
    struct process_ids ids;
    long error = posix_ids(&ids);
    return error != 0 ? error : three_out(a, b, c, (uint32_t[]){ids.ruid, ids.euid, ids.suid});
}
SYSCALL(getresgid)
{
    struct process_ids ids;
    long error = posix_ids(&ids);
    return error != 0 ? error : three_out(a, b, c, (uint32_t[]){ids.rgid, ids.egid, ids.sgid});
}

// Every change of identity brings a Context of its own, and what the library remembers is asked for again.
static long identity(fut_status_t status, fs_context_t context)
{
    if (status != FUT_OK)
        return posix_errno(status);
    fs_context_t old = posix.context;
    posix.context = context;
    (void)fut_cap_delete(old.h);
    for (int tree = 1; tree < POSIX_TREES; tree++) {
        if (posix.trees[tree].h != 0)
            (void)fut_cap_delete(posix.trees[tree].h);
        posix.trees[tree].h = 0;
    }
    return posix_ids(&posix.ids);
}
#define KEEP UINT32_MAX

static long set_user(uint32_t real, uint32_t effective, uint32_t saved)
{
    fs_context_t context;
    return identity(process_process_set_user(posix.process, real, effective, saved, &context), context);
}
static long set_group(uint32_t real, uint32_t effective, uint32_t saved)
{
    fs_context_t context;
    return identity(process_process_set_group_id(posix.process, real, effective, saved, &context), context);
}

SYSCALL(setuid)
{
    uint32_t id = (uint32_t)a;
    return posix.ids.euid == 0 ? set_user(id, id, id) : set_user(KEEP, id, KEEP);
}
SYSCALL(setgid)
{
    uint32_t id = (uint32_t)a;
    return posix.ids.euid == 0 ? set_group(id, id, id) : set_group(KEEP, id, KEEP);
}
// The saved id follows the effective one where the real one is set, or the effective one to something new.
SYSCALL(setreuid)
{
    uint32_t r = (uint32_t)a, e_ = (uint32_t)b;
    bool follow = r != KEEP || (e_ != KEEP && e_ != posix.ids.ruid);
    return set_user(r, e_, follow ? (e_ != KEEP ? e_ : posix.ids.euid) : KEEP);
}
SYSCALL(setregid)
{
    uint32_t r = (uint32_t)a, e_ = (uint32_t)b;
    bool follow = r != KEEP || (e_ != KEEP && e_ != posix.ids.rgid);
    return set_group(r, e_, follow ? (e_ != KEEP ? e_ : posix.ids.egid) : KEEP);
}
SYSCALL(setresuid) { return set_user((uint32_t)a, (uint32_t)b, (uint32_t)c); }
SYSCALL(setresgid) { return set_group((uint32_t)a, (uint32_t)b, (uint32_t)c); }
// The file system ids are always the effective ones; the calls answer what they are.
SYSCALL(setfsuid) { return posix.ids.euid; }
SYSCALL(setfsgid) { return posix.ids.egid; }

SYSCALL(getgroups)
{
    struct fut_u32_view groups;
    fut_status_t status = process_process_get_groups(posix.process, &groups);
    if (status != FUT_OK)
        return posix_errno(status);
    if ((int)a == 0)
        return (long)groups.len;
    if ((int)a < 0 || (size_t)(int)a < groups.len)
        return -EINVAL;
    return user_write(b, groups.data, groups.len * 4) ? (long)groups.len : -EFAULT;
}
SYSCALL(setgroups)
{
    uint32_t groups[32];
    fs_context_t context;
    if (a > 32)
        return -EINVAL;
    if (!user_read(groups, b, a * 4))
        return -EFAULT;
    return identity(process_process_set_groups(posix.process, (struct fut_u32_view){.data = groups, .len = a}, &context), context);
}

SYSCALL(getpgid)
{
    uint32_t group, session;
    fut_status_t status = process_process_get_group(posix.process, (uint32_t)a, &group, &session);
    return status == FUT_OK ? (long)group : posix_errno(status);
}
SYSCALL(getpgrp) { return sys_getpgid(0, 0, 0, 0, 0, 0); }
SYSCALL(getsid)
{
    uint32_t group, session;
    fut_status_t status = process_process_get_group(posix.process, (uint32_t)a, &group, &session);
    return status == FUT_OK ? (long)session : posix_errno(status);
}
SYSCALL(setpgid)
{
    if ((int)a < 0 || (int)b < 0)
        return -EINVAL;
    return posix_errno(process_process_set_group(posix.process, (uint32_t)a, (uint32_t)b));
}
SYSCALL(setsid)
{
    uint32_t session;
    fut_status_t status = process_process_new_session(posix.process, &session);
    return status == FUT_OK ? (long)session : posix_errno(status);
}

// --- Limits, priorities -------------------------------------------------------------------------------------------------
static long limit_get(u64 which, uint64_t out[2])
{
    if (which >= 16)
        return -EINVAL;
    return posix_errno(process_process_get_limit(posix.process, (uint32_t)which, &out[0], &out[1]));
}
SYSCALL(getrlimit)
{
    uint64_t l[2];
    long error = limit_get(a, l);
    return error != 0 ? error : user_write(b, l, sizeof l) ? 0 : -EFAULT;
}
SYSCALL(setrlimit)
{
    uint64_t l[2];
    if (!user_read(l, b, sizeof l))
        return -EFAULT;
    if (a >= 16 || l[0] > l[1])
        return -EINVAL;
    return posix_errno(process_process_set_limit(posix.process, (uint32_t)a, l[0], l[1]));
}
SYSCALL(prlimit64)
{
    if ((uint32_t)a != 0 && (uint32_t)a != posix_pid())
        return -EPERM; // limits of others are not to be had
    if (d != 0) {
        long error = sys_getrlimit(b, d, 0, 0, 0, 0);
        if (error != 0)
            return error;
    }
    return c != 0 ? sys_setrlimit(b, c, 0, 0, 0, 0) : b >= 16 ? -EINVAL : 0;
}

SYSCALL(getpriority)
{
    int32_t value;
    fut_status_t status = process_process_priority(posix.process, (uint8_t)a, (uint32_t)b, false, 0, &value);
    return status == FUT_OK ? 20 - value : posix_errno(status);
}
SYSCALL(setpriority)
{
    int32_t value;
    return posix_errno(process_process_priority(posix.process, (uint8_t)a, (uint32_t)b, true, (int32_t)c, &value));
}

SYSCALL(sched_yield)
{
    (void)fut_yield();
    return 0;
}
SYSCALL(sched_getaffinity)
{
    uint64_t one = 1;
    if ((unsigned)b < 8)
        return -EINVAL;
    return user_write(c, &one, sizeof one) ? 8 : -EFAULT;
}
SYSCALL(sched_setaffinity)
{
    uint64_t mask = 0;
    if (!user_read(&mask, c, (unsigned)b < 8 ? (unsigned)b : 8))
        return -EFAULT;
    return mask & 1 ? 0 : -EINVAL;
}
SYSCALL(sched_getscheduler) { return 0; }
SYSCALL(sched_getparam)
{
    uint32_t zero = 0;
    return user_write(b, &zero, sizeof zero) ? 0 : -EFAULT;
}
SYSCALL(sched_get_priority_max) { return a == 1 || a == 2 ? 99 : a <= 5 ? 0 : -EINVAL; }
SYSCALL(sched_get_priority_min) { return a == 1 || a == 2 ? 1 : a <= 5 ? 0 : -EINVAL; }
SYSCALL(getcpu)
{
    uint32_t zero = 0;
    return (a == 0 || user_write(a, &zero, 4)) && (b == 0 || user_write(b, &zero, 4)) ? 0 : -EFAULT;
}

enum { PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4, PR_SET_NAME = 15, PR_GET_NAME = 16 };

SYSCALL(prctl)
{
    switch (a) {
    case PR_SET_NAME: {
        char name[16] = {};
        long n = user_string(name, b, 16);
        if (n == -EFAULT)
            return n;
        name[15] = 0;
        memcpy(posix.name, name, sizeof name);
        return posix_errno(process_process_set_name(posix.process, (struct fut_string){.data = name, .len = strlen(name)}));
    }
    case PR_GET_NAME: return user_write(b, posix.name, 16) ? 0 : -EFAULT;
    case PR_GET_DUMPABLE: return 1;
    case PR_SET_DUMPABLE: return b <= 1 ? 0 : -EINVAL;
    default: return -EINVAL;
    }
}
