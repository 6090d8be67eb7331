// SPDX-License-Identifier: MPL-2.0
//
// /proc: a tree of entries whose contents are made when they are read. proc_tree.c finds and lists,
// proc_system.c and proc_process.c write the texts, proc_fs.c speaks the protocols.
#pragma once
#include "posixd.h"

// A text that grows. Where memory runs out it ends early and `failed` is set.
struct text {
    char *data;
    size_t len, capacity;
    bool failed;
};
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *t, const void *data, size_t len);

enum proc_kind { PROC_DIRECTORY, PROC_TEXT, PROC_LINK };

struct proc_entry {
    const char *name;                                    // null ends a directory's list
    enum proc_kind kind;
    uint16_t mode;                                       // permission bits
    const struct proc_entry *children;                   // of a directory
    void (*text)(struct text *t, struct process *p);     // contents, or target of a link
    fut_status_t (*write)(const char *data, size_t len); // null: not writable
};

extern const struct proc_entry proc_root;    // its list, then the processes
extern const struct proc_entry proc_process; // one process's directory

// A place in the tree: the entry and, below a process's directory, whose.
struct proc_node {
    const struct proc_entry *entry;
    uint32_t pid; // 0: not below a process
};

// Follows `path` from `from`. A link that leads out of the tree, or .. at its root, gives IO_ERROR_REMOTE with
// the path there (absolute) in `remote`. self: the process that "self" means.
fut_status_t proc_walk(const struct proc_node *from, struct fut_string path, bool follow_last, uint32_t self,
                       struct proc_node *out, char *remote, size_t remote_size);
void proc_stat(const struct proc_node *n, struct io_stat *st);
// pid 1 has a stand-in here. Null: no such process.
struct process *proc_process_of(uint32_t pid);

void proc_meminfo(struct text *t, struct process *p);
void proc_stat_text(struct text *t, struct process *p);
void proc_uptime(struct text *t, struct process *p);
void proc_loadavg(struct text *t, struct process *p);
void proc_cpuinfo(struct text *t, struct process *p);
void proc_version(struct text *t, struct process *p);
void proc_mounts(struct text *t, struct process *p);
void proc_filesystems(struct text *t, struct process *p);
void proc_hostname(struct text *t, struct process *p);
void proc_osrelease(struct text *t, struct process *p);
void proc_ostype(struct text *t, struct process *p);
void proc_pid_max(struct text *t, struct process *p);
void proc_boot_cmdline(struct text *t, struct process *p);
fut_status_t proc_write_hostname(const char *data, size_t len);
fut_status_t proc_write_drop_caches(const char *data, size_t len);

// proc_net.c
void proc_net_arp(struct text *t, struct process *p);
void proc_net_dev(struct text *t, struct process *p);
void proc_net_if_inet6(struct text *t, struct process *p);
void proc_net_ipv6_route(struct text *t, struct process *p);
void proc_net_raw(struct text *t, struct process *p);
void proc_net_raw6(struct text *t, struct process *p);
void proc_net_route(struct text *t, struct process *p);
void proc_net_snmp(struct text *t, struct process *p);
void proc_net_tcp(struct text *t, struct process *p);
void proc_net_tcp6(struct text *t, struct process *p);
void proc_net_udp(struct text *t, struct process *p);
void proc_net_udp6(struct text *t, struct process *p);
void proc_net_unix(struct text *t, struct process *p);

void proc_pid_stat(struct text *t, struct process *p);
void proc_pid_statm(struct text *t, struct process *p);
void proc_pid_status(struct text *t, struct process *p);
void proc_pid_cmdline(struct text *t, struct process *p);
void proc_pid_environ(struct text *t, struct process *p);
void proc_pid_comm(struct text *t, struct process *p);
void proc_pid_maps(struct text *t, struct process *p);
void proc_pid_exe(struct text *t, struct process *p);
void proc_pid_cwd(struct text *t, struct process *p);
void proc_pid_root(struct text *t, struct process *p);
void proc_empty(struct text *t, struct process *p);
