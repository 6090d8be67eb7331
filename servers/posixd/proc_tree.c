// SPDX-License-Identifier: MPL-2.0
#include "proc.h"
#include <stdlib.h>

static const struct proc_entry kernel_list[] = {
    {.name = "hostname", .kind = PROC_TEXT, .mode = 0644, .text = proc_hostname, .write = proc_write_hostname},
    {.name = "osrelease", .kind = PROC_TEXT, .mode = 0444, .text = proc_osrelease},
    {.name = "ostype", .kind = PROC_TEXT, .mode = 0444, .text = proc_ostype},
    {.name = "pid_max", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_max},
    {}};
static const struct proc_entry vm_list[] = {
    {.name = "drop_caches", .kind = PROC_TEXT, .mode = 0200, .text = proc_empty, .write = proc_write_drop_caches},
    {}};
static const struct proc_entry sys_list[] = {
    {.name = "kernel", .kind = PROC_DIRECTORY, .mode = 0555, .children = kernel_list},
    {.name = "vm", .kind = PROC_DIRECTORY, .mode = 0555, .children = vm_list},
    {}};

static const struct proc_entry net_list[] = {
    {.name = "arp", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_arp},
    {.name = "dev", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_dev},
    {.name = "if_inet6", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_if_inet6},
    {.name = "ipv6_route", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_ipv6_route},
    {.name = "raw", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_raw},
    {.name = "raw6", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_raw6},
    {.name = "route", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_route},
    {.name = "snmp", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_snmp},
    {.name = "tcp", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_tcp},
    {.name = "tcp6", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_tcp6},
    {.name = "udp", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_udp},
    {.name = "udp6", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_udp6},
    {.name = "unix", .kind = PROC_TEXT, .mode = 0444, .text = proc_net_unix},
    {}};

static void self_link(struct text *t, struct process *p) { text_add(t, "%u", p->pid); }
static void mounts_link(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "self/mounts");
}

static const struct proc_entry root_list[] = {
    {.name = "cmdline", .kind = PROC_TEXT, .mode = 0444, .text = proc_boot_cmdline},
    {.name = "cpuinfo", .kind = PROC_TEXT, .mode = 0444, .text = proc_cpuinfo},
    {.name = "filesystems", .kind = PROC_TEXT, .mode = 0444, .text = proc_filesystems},
    {.name = "loadavg", .kind = PROC_TEXT, .mode = 0444, .text = proc_loadavg},
    {.name = "meminfo", .kind = PROC_TEXT, .mode = 0444, .text = proc_meminfo},
    {.name = "mounts", .kind = PROC_LINK, .mode = 0777, .text = mounts_link},
    {.name = "net", .kind = PROC_DIRECTORY, .mode = 0555, .children = net_list},
    {.name = "self", .kind = PROC_LINK, .mode = 0777, .text = self_link},
    {.name = "stat", .kind = PROC_TEXT, .mode = 0444, .text = proc_stat_text},
    {.name = "sys", .kind = PROC_DIRECTORY, .mode = 0555, .children = sys_list},
    {.name = "uptime", .kind = PROC_TEXT, .mode = 0444, .text = proc_uptime},
    {.name = "version", .kind = PROC_TEXT, .mode = 0444, .text = proc_version},
    {}};
const struct proc_entry proc_root = {.name = "", .kind = PROC_DIRECTORY, .mode = 0555, .children = root_list};

static const struct proc_entry process_list[] = {
    {.name = "cmdline", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_cmdline},
    {.name = "comm", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_comm},
    {.name = "cwd", .kind = PROC_LINK, .mode = 0777, .text = proc_pid_cwd},
    {.name = "environ", .kind = PROC_TEXT, .mode = 0400, .text = proc_pid_environ},
    {.name = "exe", .kind = PROC_LINK, .mode = 0777, .text = proc_pid_exe},
    {.name = "maps", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_maps},
    {.name = "mounts", .kind = PROC_TEXT, .mode = 0444, .text = proc_mounts},
    {.name = "root", .kind = PROC_LINK, .mode = 0777, .text = proc_pid_root},
    {.name = "stat", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_stat},
    {.name = "statm", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_statm},
    {.name = "status", .kind = PROC_TEXT, .mode = 0444, .text = proc_pid_status},
    {}};
const struct proc_entry proc_process = {.name = "", .kind = PROC_DIRECTORY, .mode = 0555, .children = process_list};

// init is no process of posixd's; what there is to say about it is said by this.
static struct process init_process = {.pid = INIT_PID, .group = INIT_PID, .session = INIT_PID, .name = "init"};

struct process *proc_process_of(uint32_t pid) { return pid == INIT_PID ? &init_process : process_find(pid); }

static bool number(struct fut_string s, uint32_t *out)
{
    uint64_t v = 0;
    if (s.len == 0 || s.len > 7 || (s.data[0] == '0' && s.len > 1))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.data[i] - '0');
    }
    *out = (uint32_t)v;
    return true;
}

static fut_status_t step(const struct proc_node *dir, struct fut_string name, struct proc_node *out)
{
    for (const struct proc_entry *e = dir->entry->children; e->name != nullptr; e++) {
        if (strlen(e->name) == name.len && memcmp(e->name, name.data, name.len) == 0) {
            *out = (struct proc_node){.entry = e, .pid = dir->pid};
            return FUT_OK;
        }
    }
    uint32_t pid;
    if (dir->entry == &proc_root && number(name, &pid) && proc_process_of(pid) != nullptr) {
        *out = (struct proc_node){.entry = &proc_process, .pid = pid};
        return FUT_OK;
    }
    return IO_ERROR_NOT_FOUND;
}

static struct proc_node parent_of(const struct proc_node *n)
{
    if (n->entry->children == kernel_list || n->entry->children == vm_list) {
        for (const struct proc_entry *e = root_list; e->name != nullptr; e++) {
            if (e->children == sys_list)
                return (struct proc_node){.entry = e};
        }
    }
    return (struct proc_node){.entry = &proc_root};
}

static bool same(struct fut_string s, const char *name) { return s.len == strlen(name) && memcmp(s.data, name, s.len) == 0; }

static fut_status_t leave(char *remote, size_t size, struct fut_string base, struct fut_string rest)
{
    if (base.len + rest.len + 2 > size)
        return IO_ERROR_NAME_TOO_LONG;
    memcpy(remote, base.data, base.len);
    size_t n = base.len;
    if (rest.len != 0) {
        remote[n++] = '/';
        memcpy(remote + n, rest.data, rest.len);
        n += rest.len;
    }
    remote[n] = 0;
    return IO_ERROR_REMOTE;
}

fut_status_t proc_walk(const struct proc_node *from, struct fut_string path, bool follow_last, uint32_t self,
                       struct proc_node *out, char *remote, size_t remote_size)
{
    struct proc_node at = *from;
    const char *p = path.data, *end = p + path.len;
    if (path.len != 0 && *p == '/')
        at = (struct proc_node){.entry = &proc_root};
    while (true) {
        while (p < end && *p == '/')
            p++;
        if (p == end)
            break;
        const char *start = p;
        while (p < end && *p != '/')
            p++;
        struct fut_string name = {start, (size_t)(p - start)};
        if (at.entry->kind != PROC_DIRECTORY)
            return IO_ERROR_NOT_DIRECTORY;
        if (at.pid != 0 && proc_process_of(at.pid) == nullptr)
            return IO_ERROR_NOT_FOUND;
        if (same(name, "."))
            continue;
        if (same(name, "..")) {
            if (at.entry == &proc_root) {
                while (p < end && *p == '/')
                    p++;
                return leave(remote, remote_size, (struct fut_string){"", 0}, (struct fut_string){p, (size_t)(end - p)});
            }
            at = parent_of(&at);
            continue;
        }
        struct proc_node next;
        fut_status_t status = step(&at, name, &next);
        if (status != FUT_OK)
            return status;
        bool last = true;
        for (const char *q = p; q < end && last; q++)
            last = *q == '/';
        bool slash = p < end;
        if (next.entry->kind != PROC_LINK || (last && !follow_last && !slash)) {
            at = next;
            continue;
        }
        struct text target = {};
        struct process *whose = proc_process_of(next.pid != 0 ? next.pid : self);
        if (whose == nullptr)
            return IO_ERROR_NOT_FOUND;
        next.entry->text(&target, whose);
        if (target.failed || target.len == 0) {
            heap_free(target.data);
            return IO_ERROR_NOT_FOUND;
        }
        while (p < end && *p == '/')
            p++;
        struct fut_string rest = {p, (size_t)(end - p)};
        if (target.data[0] == '/') {
            status = leave(remote, remote_size, (struct fut_string){target.data, target.len}, rest);
            heap_free(target.data);
            return status;
        }
        // The links inside lead at most two steps down and hold no further links in front.
        status = proc_walk(&at, (struct fut_string){target.data, target.len}, true, self, &next, remote, remote_size);
        heap_free(target.data);
        if (status != FUT_OK)
            return status;
        at = next;
    }
    if (at.pid != 0 && proc_process_of(at.pid) == nullptr)
        return IO_ERROR_NOT_FOUND;
    *out = at;
    return FUT_OK;
}

static uint64_t number_of(const struct proc_entry *e)
{
    static const struct { const struct proc_entry *list; unsigned base; } lists[] = {
        {root_list, 16}, {process_list, 48}, {sys_list, 80}, {kernel_list, 88}, {vm_list, 104}, {net_list, 112}};
    if (e == &proc_root)
        return 1;
    if (e == &proc_process)
        return 2;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (unsigned k = 0; lists[i].list[k].name != nullptr; k++) {
            if (&lists[i].list[k] == e)
                return lists[i].base + k;
        }
    }
    return 0;
}

void proc_stat(const struct proc_node *n, struct io_stat *st)
{
    static const uint32_t types[] = {0040000, 0100000, 0120000};
    int64_t now = posixd.clock_page->realtime_offset_ns + (int64_t)now_ns();
    const struct process *p = n->pid != 0 ? proc_process_of(n->pid) : nullptr;
    *st = (struct io_stat){
        .dev = 4,
        .ino = (uint64_t)n->pid << 16 | number_of(n->entry),
        .mode = types[n->entry->kind] | n->entry->mode,
        .nlink = n->entry->kind == PROC_DIRECTORY ? 2 : 1,
        .uid = p != nullptr ? p->cred.euid : 0,
        .gid = p != nullptr ? p->cred.egid : 0,
        .block_size = 1024,
        .atime = now,
        .mtime = now,
        .ctime = now,
    };
}
