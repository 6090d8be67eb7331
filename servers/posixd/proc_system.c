// SPDX-License-Identifier: MPL-2.0
//
// What /proc says about the system, from the kernel's and fsd's counters at the moment of reading.
#include "machine.h"
#include "proc.h"
#include <stdarg.h>
#include <stdio.h>

void text_bytes(struct text *t, const void *data, size_t len)
{
    if (t->len + len + 1 > t->capacity) {
        size_t capacity = (t->len + len + 1) * 2 + 1000;
        char *more = heap_alloc(capacity);
        if (more == nullptr) {
            t->failed = true;
            return;
        }
        if (t->len != 0)
            memcpy(more, t->data, t->len);
        heap_free(t->data);
        t->data = more;
        t->capacity = capacity;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = 0;
}

void text_add(struct text *t, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        text_bytes(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static bool machine(struct fut_machine_info *m)
{
    *m = (struct fut_machine_info){.cpus = 1};
    return posixd.machine != 0 && fut_machine_info(posixd.machine, m) == FUT_OK;
}

void memory_figures(struct memory_figures *m)
{
    struct fut_machine_info info;
    *m = (struct memory_figures){};
    if (machine(&info)) {
        m->total = info.ram_bytes;
        m->free = info.free_bytes;
    } else {
        struct fut_account_info account;
        if (fut_account_info(fut_startup_cap("account"), &account) == FUT_OK) {
            m->total = account.pages_limit * PAGE;
            m->free = (account.pages_limit - account.pages_used) * PAGE;
        }
    }
    uint64_t cached = 0, dirty = 0;
    if (fs_admin_statistics(posixd.fs, nullptr, nullptr, nullptr, nullptr, &cached, &dirty) == FUT_OK) {
        m->cached = cached * PAGE;
        m->dirty = dirty * PAGE;
    }
}

static unsigned long long kib(uint64_t bytes) { return bytes >> 10; }

void proc_meminfo(struct text *t, struct process *p)
{
    (void)p;
    struct memory_figures m;
    memory_figures(&m);
    text_add(t, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\n", kib(m.total),
             kib(m.free), kib(m.free + m.cached - m.dirty));
    text_add(t, "Buffers:        %8llu kB\nCached:         %8llu kB\nSwapCached:     %8llu kB\n", 0ull, kib(m.cached),
             0ull);
    text_add(t, "Dirty:          %8llu kB\nSwapTotal:      %8llu kB\nSwapFree:       %8llu kB\n", kib(m.dirty), 0ull,
             0ull);
    text_add(t, "Shmem:          %8llu kB\nSReclaimable:   %8llu kB\n", 0ull, 0ull);
}

static unsigned long long ticks(uint64_t ns) { return ns / (NS_PER_SECOND / 100); }

static unsigned running(void)
{
    unsigned n = 0;
    for (struct process *p = processes; p != nullptr; p = p->next)
        n += p->state == PROCESS_RUNNING;
    return n;
}

void proc_stat_text(struct text *t, struct process *p)
{
    (void)p;
    struct fut_machine_info m;
    (void)machine(&m);
    uint64_t total = now_ns() * m.cpus, busy = total > m.idle_ns ? total - m.idle_ns : 0;
    uint64_t programs = 0;
    for (struct process *q = processes; q != nullptr; q = q->next) {
        struct process_usage u;
        process_usage_of(q, &u);
        programs += u.user_ns;
    }
    if (programs > busy)
        programs = busy;
    // Servers and kernel are what the system does for programs.
    text_add(t, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", ticks(programs), ticks(busy - programs), ticks(m.idle_ns));
    for (unsigned i = 0; i < m.cpus && i < 64; i++)
        text_add(t, "cpu%u %llu 0 %llu %llu 0 0 0 0 0 0\n", i, ticks(programs / m.cpus),
                 ticks((busy - programs) / m.cpus), ticks(m.idle_ns / m.cpus));
    text_add(t, "intr %llu\nctxt %llu\nbtime %lld\nprocesses %u\nprocs_running %u\nprocs_blocked 0\n",
             (unsigned long long)m.interrupts, (unsigned long long)m.switches,
             (long long)(posixd.clock_page->realtime_offset_ns / (int64_t)NS_PER_SECOND), process_forks(), running());
}

void proc_uptime(struct text *t, struct process *p)
{
    (void)p;
    struct fut_machine_info m;
    (void)machine(&m);
    unsigned long long up = now_ns() / 10000000, idle = m.idle_ns / 10000000;
    text_add(t, "%llu.%02llu %llu.%02llu\n", up / 100, up % 100, idle / 100, idle % 100);
}

void proc_loadavg(struct text *t, struct process *p)
{
    uint32_t last = INIT_PID;
    (void)p;
    load_sample();
    for (struct process *q = processes; q != nullptr; q = q->next)
        last = q->pid > last ? q->pid : last;
    for (int i = 0; i < 3; i++)
        text_add(t, "%u.%02u ", load_average[i] >> 16, (load_average[i] & 0xffff) * 100 >> 16);
    text_add(t, "%u/%u %u\n", running(), process_count() + 1, last);
}

void proc_cpuinfo(struct text *t, struct process *p)
{
    (void)p;
    struct fut_machine_info m;
    (void)machine(&m);
    char cpu[1024];
    for (unsigned i = 0; i < m.cpus; i++) {
        int n = machine_cpuinfo(cpu, sizeof cpu, i);
        if (n > 0)
            text_bytes(t, cpu, (size_t)n < sizeof cpu ? (size_t)n : sizeof cpu - 1);
    }
}

void proc_version(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "Linux version %s (Futura %s) " __VERSION__ "\n", SYSTEM_RELEASE, machine_name);
}

static void add_options(struct text *t, struct fut_string options)
{
    bool has_access = options.len >= 2 && (memcmp(options.data, "rw", 2) == 0 || memcmp(options.data, "ro", 2) == 0);
    text_add(t, " %s%s%.*s 0 0\n", has_access ? "" : "rw", !has_access && options.len != 0 ? "," : "",
             (int)options.len, options.data);
}

void proc_mounts(struct text *t, struct process *p)
{
    (void)p;
    for (uint32_t i = 0; i < 256; i++) {
        struct fut_string source, target, kind, options;
        if (fs_admin_mounts(posixd.fs, i, &source, &target, &kind, &options) != FUT_OK)
            return;
        bool tree = source.len >= 5 && memcmp(source.data, "tree:", 5) == 0;
        bool plain = tree || (source.len == 5 && memcmp(source.data, "tmpfs", 5) == 0) ||
                     (source.len != 0 && source.data[0] == '/');
        text_add(t, "%s%.*s %.*s %.*s", plain ? "" : "/dev/", tree ? (int)kind.len : (int)source.len,
                 tree ? kind.data : source.data, (int)target.len, target.data, (int)kind.len, kind.data);
        add_options(t, options);
    }
}

void proc_filesystems(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "nodev\tproc\nnodev\ttmpfs\n\text4\n\text3\n\text2\n");
}

void proc_hostname(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "%s\n", posixd.host_name);
}

void proc_osrelease(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "%s\n", SYSTEM_RELEASE);
}

void proc_ostype(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "Linux\n");
}

void proc_pid_max(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "32768\n");
}

void proc_boot_cmdline(struct text *t, struct process *p)
{
    (void)p;
    text_add(t, "\n"); // the kernel's command line says nothing to programs
}

void proc_empty(struct text *t, struct process *p) { (void)t, (void)p; }

fut_status_t proc_write_hostname(const char *data, size_t len)
{
    while (len != 0 && data[len - 1] == '\n')
        len--;
    if (len >= sizeof posixd.host_name)
        return IO_ERROR_INVALID;
    memcpy(posixd.host_name, data, len);
    posixd.host_name[len] = 0;
    return FUT_OK;
}

fut_status_t proc_write_drop_caches(const char *data, size_t len)
{
    if (len == 0 || data[0] < '1' || data[0] > '3')
        return IO_ERROR_INVALID;
    fut_status_t status = fs_admin_drop_caches(posixd.fs);
    return status >= 0 ? status : IO_ERROR_IO;
}
