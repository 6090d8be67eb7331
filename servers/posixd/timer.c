// SPDX-License-Identifier: MPL-2.0
//
// ITIMER_REAL of every process (alarm is one of them), and the load average: how many threads want to run,
// averaged over 1, 5 and 15 minutes. An alarm that is always set would cost every call a kernel timer, so the
// load is looked at when processes start and end and when somebody asks; periods in between count as that moment.
#include "posixd.h"

#define SHORTEST 100000 // ns: a period that leaves time for anything else
#define LOAD_PERIOD (5 * NS_PER_SECOND)

uint32_t load_average[3];
static uint64_t last_sample;

static unsigned runnable_threads(void)
{
    unsigned n = 0;
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->state != PROCESS_RUNNING)
            continue;
        for (unsigned i = 0; i < MAX_THREADS; i++) {
            struct fut_thread_info info;
            if (p->threads[i].handle != 0 && fut_thread_info(p->threads[i].handle, &info) == FUT_OK)
                n += info.state == FUT_THREAD_RUNNABLE;
        }
    }
    return n;
}

void load_sample(void)
{
    // exp(-5 s / period) in 1/65536.
    static const uint32_t keep[3] = {60296, 64453, 65173};
    uint64_t now = now_ns(), periods = (now - last_sample) / LOAD_PERIOD;
    if (periods == 0)
        return;
    last_sample += periods * LOAD_PERIOD;
    uint64_t load = (uint64_t)runnable_threads() << 16;
    for (uint64_t k = 0; k < periods && k < 720; k++) { // an hour is as good as for ever
        for (int i = 0; i < 3; i++)
            load_average[i] = (uint32_t)((load_average[i] * (uint64_t)keep[i] + load * (65536 - keep[i])) >> 16);
    }
}

static void fire(struct process *p, uint64_t now)
{
    if (p->real_timer.interval != 0) {
        p->real_timer.deadline += p->real_timer.interval;
        if (p->real_timer.deadline <= now) // missed ones count once
            p->real_timer.deadline = now + p->real_timer.interval;
    } else {
        p->real_timer.deadline = 0;
    }
    static const struct signal_source from = {.code = SI_KERNEL_CODE};
    signal_send(p, SIG_ALRM, &from, -1);
}

static uint64_t next_deadline(void)
{
    uint64_t now = now_ns(), next = launcher_due(now), idle = images_due(now);
    next = idle < next ? idle : next;
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->real_timer.deadline != 0 && p->real_timer.deadline < next)
            next = p->real_timer.deadline;
    }
    return next;
}

void timer_due(uint64_t now)
{
    process_bury();
    for (struct process *p = processes; p != nullptr; p = p->next) {
        if (p->real_timer.deadline != 0 && p->real_timer.deadline <= now)
            fire(p, now);
    }
    timer_rearm();
}

void timer_rearm(void)
{
    uint64_t next = next_deadline();
    posixd.server.alarm_at = next != FUT_FOREVER ? next : 0;
}

static uint64_t left(const struct interval_timer *t)
{
    if (t->deadline == 0)
        return 0;
    uint64_t now = now_ns();
    return t->deadline > now ? t->deadline - now : 1;
}

fut_status_t timer_get(struct process *p, unsigned which, uint64_t *value, uint64_t *interval)
{
    if (which != 0)
        return IO_ERROR_NOT_SUPPORTED; // ITIMER_VIRTUAL and ITIMER_PROF
    *value = left(&p->real_timer);
    *interval = p->real_timer.interval;
    return FUT_OK;
}

fut_status_t timer_set(struct process *p, unsigned which, uint64_t value, uint64_t interval, uint64_t *old_value,
                       uint64_t *old_interval)
{
    fut_status_t status = timer_get(p, which, old_value, old_interval);
    if (status != FUT_OK)
        return status;
    uint64_t now = now_ns();
    if (value > UINT64_MAX - now)
        value = UINT64_MAX - now;
    p->real_timer.deadline = value != 0 ? now + value : 0;
    p->real_timer.interval = interval != 0 && interval < SHORTEST ? SHORTEST : interval;
    timer_rearm();
    return FUT_OK;
}
