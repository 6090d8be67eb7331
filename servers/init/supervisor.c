// SPDX-License-Identifier: MPL-2.0
#include "supervisor.h"
#include "service.h"
#include <futura/server.h>
#include <futura/sys.h>
#include <string.h>

static const struct fut_boot_info *boot;

void supervisor_init(const struct fut_boot_info *info) { boot = info; }

static fut_status_t get(struct fut_request *request, uint32_t index, struct supervisor_supervisor_get_result *result)
{
    (void)request;
    if (index >= service_count)
        return SUPERVISOR_ERROR_NOT_FOUND;
    const struct service *s = &services[index];
    result->s = (struct supervisor_service){.id = index, .state = (supervisor_state_t)s->state, .starts = s->starts,
                                            .since_ns = s->since_ns};
    struct fut_task_info task;
    fut_handle_t handle = s->state == SERVICE_SELF ? boot->h_task : s->running.task;
    if (handle != FUT_HANDLE_NONE && fut_task_info(handle, &task) == FUT_OK) {
        result->s.task_id = task.object_id;
        result->s.cpu_ns = task.cpu_ns;
        result->s.handles = task.handles;
        result->s.threads = task.threads;
        result->s.pages = task.pages;
    }
    struct fut_account_info account;
    if (s->account != FUT_HANDLE_NONE && fut_account_info(s->account, &account) == FUT_OK)
        result->s.pages = account.pages_used;
    result->name.len = strlen(s->spec->name);
    memcpy(result->name.data, s->spec->name, result->name.len);
    return FUT_OK;
}

static fut_status_t kill_service(struct fut_request *request, struct fut_string name)
{
    (void)request;
    struct service *s = service_find(name);
    if (s == nullptr)
        return SUPERVISOR_ERROR_NOT_FOUND;
    if (s->state != SERVICE_RUNNING)
        return SUPERVISOR_ERROR_STATE;
    return fut_task_destroy(s->running.task); // its watch brings it back
}

static fut_status_t kernel_log(struct fut_request *request, uint64_t offset,
                               struct supervisor_supervisor_kernel_log_result *result)
{
    (void)request;
    uint64_t got = 0;
    fut_status_t status = fut_log_read(boot->h_log, offset, result->data.data, result->data.capacity, &got);
    if (status != FUT_OK)
        return status;
    result->data.len = got;
    result->next = offset + got;
    return FUT_OK;
}

static fut_status_t audit(struct fut_request *request, uint64_t sequence, struct supervisor_supervisor_audit_result *result)
{
    (void)request;
    uint64_t got = 0;
    fut_status_t status = fut_audit_read(boot->h_log, sequence, (struct fut_audit *)(void *)result->data.data,
                                         result->data.capacity / sizeof(struct fut_audit), &got);
    result->data.len = got * sizeof(struct fut_audit);
    return status;
}

// A service's log is its lines of the kernel log: each begins with "NAME: ", written by its library.
static size_t keep_lines_of(const char *name, char *data, size_t length, size_t *consumed)
{
    size_t kept = 0, at = 0, prefix = strlen(name);
    while (at < length) {
        const char *eol = memchr(data + at, '\n', length - at);
        if (eol == nullptr)
            break;
        size_t line = (size_t)(eol - (data + at)) + 1;
        // Lines carry the kernel's time stamp: "[   12.345678] NAME: text".
        const char *text = memchr(data + at, ']', line);
        text = text != nullptr && data[at] == '[' ? text + 2 : data + at;
        size_t rest = (size_t)(data + at + line - text);
        if (rest > prefix + 1 && memcmp(text, name, prefix) == 0 && text[prefix] == ':') {
            memmove(data + kept, data + at, line);
            kept += line;
        }
        at += line;
    }
    *consumed = at != 0 ? at : length; // a line longer than a message is passed over
    return kept;
}

static fut_status_t service_log(struct fut_request *request, struct fut_string name, uint64_t offset,
                                struct supervisor_supervisor_log_result *result)
{
    (void)request;
    struct service *s = service_find(name);
    if (s == nullptr)
        return SUPERVISOR_ERROR_NOT_FOUND;
    char *data = result->data.data;
    for (;;) {
        uint64_t got = 0;
        size_t consumed = 0;
        fut_status_t status = fut_log_read(boot->h_log, offset, data, result->data.capacity, &got);
        if (status != FUT_OK)
            return status;
        result->data.len = got == 0 ? 0 : keep_lines_of(s->spec->name, data, got, &consumed);
        offset += consumed;
        if (got == 0 || result->data.len != 0)
            break;
    }
    result->next = offset;
    return FUT_OK;
}

static fut_status_t machine(struct fut_request *request, struct supervisor_supervisor_machine_result *result)
{
    (void)request;
    struct fut_machine_info info;
    fut_status_t status = fut_machine_info(boot->h_machine, &info);
    if (status != FUT_OK)
        return status;
    result->ram = info.ram_bytes;
    result->free = info.free_bytes;
    result->idle_ns = info.idle_ns;
    result->boot_ns = info.boot_ns;
    result->switches = info.switches;
    result->calls = info.calls;
    result->faults = info.faults;
    result->interrupts = info.interrupts;
    return FUT_OK;
}

static fut_status_t inspect(struct fut_request *request, struct fut_string name,
                            struct supervisor_supervisor_inspect_result *result)
{
    (void)request;
    struct service *s = service_find(name);
    if (s == nullptr)
        return SUPERVISOR_ERROR_NOT_FOUND;
    if (s->running.task == FUT_HANDLE_NONE)
        return SUPERVISOR_ERROR_STATE;
    return fut_cap_mint(s->running.task, FUT_RIGHT_READ | FUT_RIGHT_MOVE | FUT_RIGHT_DUP, &result->t);
}

static fut_status_t debug(struct fut_request *request, struct supervisor_supervisor_debug_result *result)
{
    (void)request;
    return fut_cap_mint(boot->h_machine, FUT_RIGHT_READ | FUT_RIGHT_DEBUG | FUT_RIGHT_MOVE, &result->m);
}

const struct supervisor_supervisor_ops supervisor_ops = {
    .get = get,
    .kill = kill_service,
    .log = service_log,
    .kernel_log = kernel_log,
    .audit = audit,
    .machine = machine,
    .inspect = inspect,
    .debug = debug,
};
