// SPDX-License-Identifier: MPL-2.0
//
// Confinements: a limit on processes, and a kernel Account that bounds the memory, of a process and all that descend
// from it. The process itself is counted at once; its memory is charged there from its next exec on (the Space that it
// has was made before). Confinements nest: the Account of an inner one is carved out of the outer one's, and a process
// counts in each.
#include "posixd.h"

#define PAGES_PER_NODE 16 // the map of a Memory is an object for each 64 pages, if they lie together
#define OBJECTS_PER_TASK 256 // mappings, capabilities and threads of an ordinary program, several times over
#define MAX_TASKS 4096

struct confinement {
    struct confinement *outer;
    unsigned references; // processes, and confinements within
    unsigned tasks, limit;
    fut_handle_t account;
};

fut_handle_t confine_account(const struct process *p) { return p->confinement != nullptr ? p->confinement->account : 0; }

static void release(struct confinement *c)
{
    while (c != nullptr && --c->references == 0) {
        struct confinement *outer = c->outer;
        (void)fut_cap_delete(c->account);
        heap_free(c);
        c = outer;
    }
}

bool confine_enter(struct process *p, struct confinement *c)
{
    for (const struct confinement *at = c; at != nullptr; at = at->outer)
        if (at->tasks >= at->limit)
            return false;
    for (struct confinement *at = c; at != nullptr; at = at->outer)
        at->tasks++;
    if (c != nullptr)
        c->references++;
    p->confinement = c;
    return true;
}

void confine_leave(struct process *p)
{
    for (struct confinement *at = p->confinement; at != nullptr; at = at->outer)
        at->tasks--;
    release(p->confinement);
    p->confinement = nullptr;
}

fut_status_t confine_process(struct process *p, uint64_t pages, uint32_t tasks)
{
    if (pages == 0 || pages > UINT64_C(1) << 40 || tasks == 0 || tasks > MAX_TASKS)
        return IO_ERROR_INVALID;
    struct confinement *c = heap_zero(sizeof *c);
    if (c == nullptr)
        return IO_ERROR_NO_MEMORY;
    fut_handle_t parent = p->confinement != nullptr ? p->confinement->account : posixd.account;
    fut_status_t status = fut_account_create(parent, pages, (uint64_t)tasks * OBJECTS_PER_TASK + pages / PAGES_PER_NODE, &c->account);
    if (status != FUT_OK) {
        heap_free(c);
        return status == FUT_ERR_QUOTA || status == FUT_ERR_NO_MEMORY ? IO_ERROR_NO_MEMORY : IO_ERROR_INVALID;
    }
    // In the outer ones the process is counted already.
    c->outer = p->confinement;
    c->limit = tasks;
    c->tasks = 1;
    c->references = 1; // taken over: p's reference to the outer one is this one's now
    p->confinement = c;
    return FUT_OK;
}
