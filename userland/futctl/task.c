// SPDX-License-Identifier: MPL-2.0
//
// Tasks from their kernel objects: what init lends for looking (Supervisor.Inspect) is asked itself.
#include "futctl.h"
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {"-", "task", "thread", "channel", "session", "reply", "event", "waitset", "memory",
                                         "space", "irq", "ioport", "account", "log", "machine", "schedule"};

// Each service's name and Task in turn; false at the end. Services without a task have task 0.
static bool next_task(uint32_t index, char name[32], fut_handle_t *task)
{
    struct supervisor_service s;
    struct fut_string n;
    fut_status_t status = supervisor_supervisor_get(supervisor, index, &s, &n);
    if (status == SUPERVISOR_ERROR_NOT_FOUND)
        return false;
    if (status != FUT_OK)
        fail("services", status);
    size_t length = n.len < 31 ? n.len : 31;
    memcpy(name, n.data, length);
    name[length] = 0;
    *task = 0;
    if (supervisor_supervisor_inspect(supervisor, text(name), task) != FUT_OK)
        *task = 0;
    return true;
}

int command_tasks(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    char name[32], memory[16];
    fut_handle_t task;
    printf("%-12s %6s %6s %8s %8s %8s %10s\n", "NAME", "TASK", "SPACE", "THREADS", "HANDLES", "RESIDENT", "CPU ms");
    for (uint32_t i = 0; next_task(i, name, &task); i++) {
        struct fut_task_info info;
        if (task == 0)
            continue;
        if (fut_task_info(task, &info) == FUT_OK)
            printf("%-12s %6llu %6llu %8u %8u %8s %10llu\n", name, (unsigned long long)info.object_id,
                   (unsigned long long)info.space_id, info.threads, info.handles,
                   bytes_text(info.pages * FUT_PAGE_SIZE, memory), (unsigned long long)(info.cpu_ns / 1000000));
        (void)fut_cap_delete(task);
    }
    return 0;
}

static const char *rights_text(uint32_t rights, char buffer[24])
{
    static const char letters[] = "rwxmcvnGdtpiPOD"; // in the order of FUT_RIGHT_*
    size_t n = 0;
    for (unsigned i = 0; i < sizeof letters - 1; i++)
        if (rights & (1u << i))
            buffer[n++] = letters[i];
    buffer[n] = 0;
    return buffer;
}

int command_handles(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: futctl handles SERVICE\n", stderr);
        return 2;
    }
    fut_handle_t task;
    fut_status_t status = supervisor_supervisor_inspect(supervisor, text(argv[1]), &task);
    if (status != FUT_OK)
        fail(argv[1], status);
    puts("rights: r read, w write, x execute, m map, c call, v receive, n mint, G manage, d copy, t transfer");
    printf("%10s %-8s %8s %-16s %10s %5s %8s %10s\n", "HANDLE", "TYPE", "OBJECT", "RIGHTS", "BADGE", "REFS", "FROM", "SEQUENCE");
    static struct fut_cap_info info[64];
    for (uint32_t first = 0;;) {
        uint64_t count = 0;
        status = fut_task_caps(task, info, 64, first, &count);
        if (status != FUT_OK)
            fail("handles", status);
        if (count == 0)
            return 0;
        for (uint64_t i = 0; i < count; i++) {
            const struct fut_cap_info *c = &info[i];
            char rights[24], from[24];
            if (c->parent_id != 0)
                snprintf(from, sizeof from, "task %llu", (unsigned long long)c->parent_id);
            else
                strcpy(from, "origin");
            printf("%#10x %-8s %8llu %-16s %10llx %5u %8s %10llu\n", (unsigned)c->handle,
                   c->type < sizeof type_names / sizeof type_names[0] ? type_names[c->type] : "?",
                   (unsigned long long)c->object_id, rights_text(c->rights, rights), (unsigned long long)c->badge,
                   (unsigned)c->references, from, (unsigned long long)c->sequence);
        }
        first = (info[count - 1].handle & ((1u << FUT_HANDLE_INDEX_BITS) - 1)) + 1;
    }
}

int command_machine(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    uint64_t ram, free_bytes, idle, boot, switches, calls, faults, interrupts;
    fut_status_t status = supervisor_supervisor_machine(supervisor, &ram, &free_bytes, &idle, &boot, &switches, &calls, &faults, &interrupts);
    if (status != FUT_OK)
        fail("machine", status);
    char a[16], b[16];
    printf("up %llu ns\nidle %llu ns\nmemory %s\nfree %s\nswitches %llu\ncalls %llu\nfaults %llu\ninterrupts %llu\n",
           (unsigned long long)boot, (unsigned long long)idle, bytes_text(ram, a), bytes_text(free_bytes, b),
           (unsigned long long)switches, (unsigned long long)calls, (unsigned long long)faults, (unsigned long long)interrupts);
    return 0;
}

int command_memory(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    uint64_t ram, free_bytes;
    fut_status_t status = supervisor_supervisor_machine(supervisor, &ram, &free_bytes, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    if (status != FUT_OK)
        fail("machine", status);
    char a[16], b[16], c[16];
    printf("machine      %8s, used %s, free %s\n", bytes_text(ram, a), bytes_text(ram - free_bytes, b), bytes_text(free_bytes, c));
    for (uint32_t i = 0;; i++) {
        struct supervisor_service s;
        struct fut_string name;
        status = supervisor_supervisor_get(supervisor, i, &s, &name);
        if (status == SUPERVISOR_ERROR_NOT_FOUND)
            return 0;
        if (status != FUT_OK)
            fail("services", status);
        printf("%-12.*s %8s\n", (int)name.len, name.data, bytes_text(s.pages * FUT_PAGE_SIZE, a));
    }
}

// What is left of the kernel's audit ring: who made, gave, moved and revoked which capability.
int command_audit(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static const char *const kinds[] = {"?", "made", "derived", "moved", "revoked"};
    printf("%10s %12s %-8s %-8s %8s %6s %6s %10s %-16s\n", "SEQUENCE", "SECONDS", "WHAT", "TYPE", "OBJECT", "FROM", "TO", "HANDLE", "RIGHTS");
    for (uint64_t next = 1;;) {
        struct fut_bytes data;
        fut_status_t status = supervisor_supervisor_audit(supervisor, next, &data);
        if (status != FUT_OK)
            fail("audit", status);
        static char records[FUT_IPC_BODY_SIZE]; // printing uses the IPC buffer, in which they arrive
        if (data.len < sizeof(struct fut_audit) || data.len > sizeof records)
            return 0;
        memcpy(records, data.data, data.len);
        for (size_t at = 0; at + sizeof(struct fut_audit) <= data.len; at += sizeof(struct fut_audit)) {
            struct fut_audit r;
            char rights[24];
            memcpy(&r, records + at, sizeof r);
            if (r.sequence > next)
                printf("-- %llu records were overwritten\n", (unsigned long long)(r.sequence - next));
            printf("%10llu %12.6f %-8s %-8s %8llu %6llu %6llu %10x %-16s\n", (unsigned long long)r.sequence,
                   (double)r.time_ns / 1e9, r.kind < sizeof kinds / sizeof kinds[0] ? kinds[r.kind] : "?",
                   r.type < sizeof type_names / sizeof type_names[0] ? type_names[r.type] : "?",
                   (unsigned long long)r.object_id, (unsigned long long)r.from_task, (unsigned long long)r.to_task, r.handle,
                   rights_text(r.rights, rights));
            next = r.sequence + 1;
        }
    }
}
