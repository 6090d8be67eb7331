// SPDX-License-Identifier: MPL-2.0
//
// What /proc says about one process. Its memory is read from its own Space at the moment of the question;
// what it wrote there about its arguments is its own business.
#include "proc.h"

static unsigned long long ticks(uint64_t ns) { return ns / (NS_PER_SECOND / 100); }

static char state_of(const struct process *p)
{
    if (p->state == PROCESS_ZOMBIE)
        return 'Z';
    if (p->state == PROCESS_STOPPED)
        return 'T';
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        struct fut_thread_info info;
        if (p->threads[i].handle != 0 && fut_thread_info(p->threads[i].handle, &info) == FUT_OK &&
            info.state == FUT_THREAD_RUNNABLE)
            return 'R';
    }
    return 'S';
}

struct sizes { uint64_t bytes, resident; };

static bool next_mapping(const struct process *p, uint64_t *at, struct fut_mapping *m)
{
    if (p->space == 0 || fut_space_query(p->space, *at, m) != FUT_OK || m->bytes == 0)
        return false;
    *at = m->address + m->bytes;
    return true;
}

static struct sizes sizes_of(const struct process *p)
{
    struct sizes s = {};
    struct fut_mapping m;
    for (uint64_t at = 0; next_mapping(p, &at, &m);) {
        s.bytes += m.bytes;
        s.resident += m.resident;
    }
    return s;
}

static uint32_t parent_pid(const struct process *p)
{
    return p->pid == INIT_PID ? 0 : p->parent != nullptr ? p->parent->pid : INIT_PID;
}

uint32_t jobs_foreground_of(const struct process *p);

void proc_pid_stat(struct text *t, struct process *p)
{
    struct process_usage u;
    process_usage_of(p, &u);
    struct sizes s = sizes_of(p);
    int foreground = p->terminal != 0 ? (int)jobs_foreground_of(p) : -1;
    text_add(t, "%u (%s) %c %u %u %u %llu %d 0 0 0 0 0 %llu %llu %llu %llu %d %d %u 0 %llu %llu %llu ", p->pid, p->name,
             state_of(p), parent_pid(p), p->group, p->session, (unsigned long long)p->terminal_device, foreground,
             ticks(u.user_ns), ticks(u.system_ns), ticks(p->children_usage.user_ns),
             ticks(p->children_usage.system_ns), 20 + p->nice, p->nice, p->thread_count, ticks(p->start_ns),
             (unsigned long long)s.bytes, (unsigned long long)s.resident);
    uint64_t blocked = 0, pending = 0, ignored = 0, caught = 0;
    if (p->page != nullptr) {
        blocked = p->page->thread[0].blocked;
        pending = p->page->pending;
        ignored = p->page->ignored;
        caught = p->page->caught;
    }
    text_add(t, "%llu %llu %llu %llu 0 0 %llu %llu %llu %llu 0 0 0 %u 0 0 0 0 0 0 0 0 0 0 %llu %llu %llu %llu %u\n",
             (unsigned long long)p->limits[5].soft, (unsigned long long)p->text_low, (unsigned long long)p->text_high,
             (unsigned long long)p->stack_high, (unsigned long long)(uint32_t)pending,
             (unsigned long long)(uint32_t)blocked, (unsigned long long)(uint32_t)ignored,
             (unsigned long long)(uint32_t)caught, p->exit_signal, (unsigned long long)p->args_address,
             (unsigned long long)(p->args_address + p->args_bytes), (unsigned long long)p->env_address,
             (unsigned long long)(p->env_address + p->env_bytes), p->state == PROCESS_ZOMBIE ? p->status : 0);
}

void proc_pid_statm(struct text *t, struct process *p)
{
    struct sizes s = sizes_of(p);
    text_add(t, "%llu %llu 0 %llu 0 %llu 0\n", (unsigned long long)s.bytes / PAGE, (unsigned long long)s.resident,
             (unsigned long long)(p->text_high - p->text_low) / PAGE, (unsigned long long)s.bytes / PAGE);
}

void proc_pid_status(struct text *t, struct process *p)
{
    static const char *const names[] = {['R'] = "R (running)", ['S'] = "S (sleeping)", ['T'] = "T (stopped)",
                                        ['Z'] = "Z (zombie)"};
    struct sizes s = sizes_of(p);
    const struct credentials *c = &p->cred;
    text_add(t, "Name:\t%s\nState:\t%s\nTgid:\t%u\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n", p->name,
             names[(unsigned char)state_of(p)], p->pid, p->pid, parent_pid(p));
    text_add(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nGroups:\t", c->ruid, c->euid, c->suid, c->euid, c->rgid,
             c->egid, c->sgid, c->egid);
    for (uint32_t i = 0; i < c->group_count; i++)
        text_add(t, "%u ", c->groups[i]);
    text_add(t, "\nVmSize:\t%8llu kB\nVmRSS:\t%8llu kB\nThreads:\t%u\n", (unsigned long long)s.bytes >> 10,
             (unsigned long long)s.resident * PAGE >> 10, p->pid == INIT_PID ? 1 : p->thread_count);
    if (p->page != nullptr)
        text_add(t, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
                 (unsigned long long)p->page->thread[0].pending, (unsigned long long)p->page->pending,
                 (unsigned long long)p->page->thread[0].blocked, (unsigned long long)p->page->ignored,
                 (unsigned long long)p->page->caught);
}

static void from_memory(struct text *t, const struct process *p, uint64_t address, uint64_t bytes)
{
    char part[1024];
    while (bytes != 0 && p->space != 0) {
        uint64_t n = bytes < sizeof part ? bytes : sizeof part, got = 0;
        if (fut_space_read(p->space, address, part, n, &got) != FUT_OK || got == 0 || got > n)
            return;
        text_bytes(t, part, got);
        address += got;
        bytes -= got;
    }
}

void proc_pid_cmdline(struct text *t, struct process *p)
{
    if (p->pid == INIT_PID)
        text_bytes(t, "init", 5);
    from_memory(t, p, p->args_address, p->args_bytes);
}

void proc_pid_environ(struct text *t, struct process *p) { from_memory(t, p, p->env_address, p->env_bytes); }

void proc_pid_comm(struct text *t, struct process *p) { text_add(t, "%s\n", p->name); }

void proc_pid_maps(struct text *t, struct process *p)
{
    struct fut_mapping m;
    for (uint64_t at = 0; next_mapping(p, &at, &m);) {
        const char *name = "";
        if (m.address >= p->text_low && m.address < p->text_high && p->exe_path != nullptr)
            name = p->exe_path;
        else if (m.address >= p->stack_low && m.address < p->stack_high)
            name = "[stack]";
        else if (m.address == p->brk_start)
            name = "[heap]";
        else if (personality != nullptr && m.address >= personality->low + personality_bias &&
                 m.address < personality->high + personality_bias)
            name = "[personality]";
        text_add(t, "%08llx-%08llx %c%c%c%c %08llx 00:00 0 %s%s\n", (unsigned long long)m.address,
                 (unsigned long long)(m.address + m.bytes), m.flags & FUT_PROT_READ ? 'r' : '-',
                 m.flags & FUT_PROT_WRITE ? 'w' : '-', m.flags & FUT_PROT_EXEC ? 'x' : '-',
                 m.memory_id != 0 && (m.flags & FUT_PROT_WRITE) && !(m.flags & FUT_MAP_PRIVATE) ? 's' : 'p', (unsigned long long)m.offset,
                 *name != 0 ? "                   " : "", name);
    }
}

void proc_pid_exe(struct text *t, struct process *p)
{
    if (p->exe_path != nullptr)
        text_bytes(t, p->exe_path, strlen(p->exe_path));
}

void proc_pid_cwd(struct text *t, struct process *p)
{
    struct fut_string dir;
    if (p->proc_cwd != nullptr) {
        text_add(t, "/proc%s%s", p->proc_cwd->name[0] != 0 ? "/" : "", p->proc_cwd->name);
        return;
    }
    if (p->context.h != 0 && fs_context_get_dir(p->context, &dir) == FUT_OK)
        text_bytes(t, dir.data, dir.len);
}

void proc_pid_root(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "/");
}
