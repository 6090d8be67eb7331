// SPDX-License-Identifier: MPL-2.0
//
// Event counters (eventfd) and timers (timerfd): a read gives a u64. Nothing waits here (descriptor.fipc). A timer's
// Event is signalled by the kernel when its time comes; how often it came is worked out when somebody reads.
#include "posixd.h"

struct counter {
    struct file file; // first: requests carry the file
    struct readiness ready;
    uint64_t value;
    bool semaphore;
    uint64_t due, interval; // of a timer; due 0: off
};

#define COUNTER_MAX (UINT64_MAX - 1)
#define SHORTEST_INTERVAL UINT64_C(1000)

static struct counter *counter_of(struct fut_request *req)
{
    return container((struct file *)req->object, struct counter, file);
}

static void closed(struct file *f)
{
    struct counter *c = container(f, struct counter, file);
    readiness_free(&c->ready);
    heap_free(c);
}

static fut_status_t give(struct io_file_read_result *res, uint64_t value)
{
    memcpy(res->data.data, &value, sizeof value);
    res->data.len = sizeof value;
    return FUT_OK;
}

// --- Event counters ------------------------------------------------------------------------------------

static void show(struct counter *c, uint64_t fresh)
{
    readiness_set(&c->ready, (c->value != 0 ? IO_READY_IN : 0) | (c->value < COUNTER_MAX ? IO_READY_OUT : 0), fresh);
}

static fut_status_t event_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct counter *c = counter_of(req);
    res->data.len = 0;
    if (len < 8)
        return IO_ERROR_INVALID;
    if (c->value == 0)
        return IO_ERROR_TRY_AGAIN;
    uint64_t taken = c->semaphore ? 1 : c->value;
    c->value -= taken;
    show(c, IO_READY_OUT);
    return give(res, taken);
}

static fut_status_t event_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    struct counter *c = counter_of(req);
    uint64_t add;
    if (data.len < sizeof add)
        return IO_ERROR_INVALID;
    memcpy(&add, data.data, sizeof add);
    if (add == UINT64_MAX)
        return IO_ERROR_INVALID;
    if (add > COUNTER_MAX - c->value)
        return IO_ERROR_TRY_AGAIN;
    c->value += add;
    show(c, IO_READY_IN);
    res->n = sizeof add;
    return FUT_OK;
}

static fut_status_t event_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct counter *c = counter_of(req);
    fut_status_t status = readiness_get(&c->ready, &res->e);
    if (status == FUT_OK)
        show(c, 0);
    return status;
}

static const struct file_class event_class = {
    .ops = {.read = event_read, .write = event_write, .watch = event_watch}, .closed = closed};

// --- Timers --------------------------------------------------------------------------------------------

static void arm(struct counter *c)
{
    if (c->ready.event == 0)
        return;
    (void)fut_event_timer(c->ready.event, FUT_FOREVER, IO_READY_IN);
    (void)fut_event_clear(c->ready.event, IO_READY_IN, nullptr);
    if (c->due != 0)
        (void)fut_event_timer(c->ready.event, c->due, IO_READY_IN);
}

static fut_status_t timer_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct counter *c = counter_of(req);
    uint64_t now = now_ns();
    res->data.len = 0;
    if (len < 8)
        return IO_ERROR_INVALID;
    if (c->due == 0 || c->due > now)
        return IO_ERROR_TRY_AGAIN;
    uint64_t times = 1;
    if (c->interval == 0) {
        c->due = 0;
    } else {
        times += (now - c->due) / c->interval;
        c->due += times * c->interval;
    }
    arm(c);
    return give(res, times);
}

static fut_status_t timer_watch(struct fut_request *req, struct io_file_watch_result *res)
{
    struct counter *c = counter_of(req);
    bool is_new = c->ready.event == 0;
    fut_status_t status = readiness_get(&c->ready, &res->e);
    if (status == FUT_OK && is_new)
        arm(c);
    return status;
}

static const struct file_class timer_class = {
    .ops = {.read = timer_read, .watch = timer_watch}, .closed = closed, .protocol = DESCRIPTOR_TIMER_PROTOCOL};

static uint64_t left(const struct counter *c)
{
    uint64_t now = now_ns();
    if (c->due == 0)
        return 0;
    if (c->due > now)
        return c->due - now;
    return c->interval != 0 ? c->interval - (now - c->due) % c->interval : 0;
}

static fut_status_t timer_get_left(struct fut_request *req, struct descriptor_timer_get_result *res)
{
    const struct counter *c = counter_of(req);
    res->left_ns = left(c);
    res->interval_ns = c->interval;
    return FUT_OK;
}

static fut_status_t timer_set_due(struct fut_request *req, uint64_t due, uint64_t interval,
                                  struct descriptor_timer_set_result *res)
{
    struct counter *c = counter_of(req);
    if (due > INT64_MAX || interval > INT64_MAX)
        return IO_ERROR_INVALID;
    res->left_ns = left(c);
    res->old_interval_ns = c->interval;
    c->due = due;
    c->interval = interval != 0 && interval < SHORTEST_INTERVAL ? SHORTEST_INTERVAL : interval;
    arm(c);
    return FUT_OK;
}

const struct descriptor_timer_ops timer_ops = {.set = timer_set_due, .get = timer_get_left};

// --- Making them ---------------------------------------------------------------------------------------

static fut_status_t make(const struct counter *from, const struct file_class *class, uint32_t status,
                         const struct process *by, io_file_t *out)
{
    struct counter *c = heap_alloc(sizeof *c);
    if (c == nullptr)
        return IO_ERROR_NO_MEMORY;
    *c = *from;
    c->file.node = file_anonymous_node(by, 0600);
    c->file.status = IO_STATUS_READ_WRITE | (status & IO_STATUS_NONBLOCK);
    fut_status_t result = file_session(&c->file, class, out);
    if (result != FUT_OK)
        heap_free(c);
    return result;
}

fut_status_t counter_event(uint64_t initial, bool semaphore, uint32_t status, const struct process *by, io_file_t *out)
{
    struct counter c = {.value = initial, .semaphore = semaphore};
    return initial > UINT32_MAX ? IO_ERROR_INVALID : make(&c, &event_class, status, by, out);
}

fut_status_t counter_timer(uint32_t status, const struct process *by, io_file_t *out)
{
    struct counter c = {};
    return make(&c, &timer_class, status, by, out);
}
