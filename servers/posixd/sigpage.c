// SPDX-License-Identifier: MPL-2.0
//
// The signal page of a process: one page that posixd and the process both map. The process owns caught,
// ignored, flags and the masks; posixd reads them as wishes of that process about itself. pending is
// changed by both, atomically. posixd keeps the truth about pids and threads in struct process.
#include "posixd.h"

static_assert(sizeof(struct process_signal_page) <= PAGE);

fut_status_t sigpage_create(struct process *p)
{
    fut_status_t status = fut_memory_create(PAGE, FUT_MEM_COMMIT, &p->page_memory);
    if (status != FUT_OK)
        return status;
    struct fut_map map = {.bytes = PAGE, .memory = p->page_memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t address;
    status = fut_space_map(posixd.space, &map, &address);
    if (status != FUT_OK) {
        (void)fut_cap_delete(p->page_memory);
        p->page_memory = 0;
        return status;
    }
    p->page = (struct process_signal_page *)address;
    p->page->pid = p->pid;
    p->page->parent = p->parent != nullptr ? p->parent->pid : INIT_PID;
    return FUT_OK;
}

fut_status_t sigpage_map(struct process *p, fut_handle_t space, uint64_t address)
{
    struct fut_map map = {
        .address = address,
        .bytes = PAGE,
        .memory = p->page_memory,
        .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_FIXED | FUT_MAP_REPLACE,
    };
    uint64_t at;
    return fut_space_map(space, &map, &at);
}

void sigpage_destroy(struct process *p)
{
    if (p->signal_event != 0) {
        (void)fut_cap_delete(p->signal_event_shown);
        (void)fut_cap_delete(p->signal_event);
        p->signal_event = p->signal_event_shown = 0;
    }
    if (p->page != nullptr)
        (void)fut_space_unmap(posixd.space, (uint64_t)p->page, PAGE);
    p->page = nullptr;
    if (p->page_memory != 0)
        (void)fut_cap_delete(p->page_memory);
    p->page_memory = 0;
}
