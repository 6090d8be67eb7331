// SPDX-License-Identifier: MPL-2.0
//
// Starting, watching and restarting driver hosts.
//
// A device's Channel, Irq and DMA memory are made once and outlive its hosts: clients' Sessions stay good,
// and calls that a dead host had not received wait for the next one. Between two hosts the device is reset.
#include "devd.h"
#include <fipc/registry.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <string.h>

#define SECOND 1000000000ull
#define QUICK_ENDS_MAX 6
#define HOST_PRIORITY 44
#define ROOT_BADGE 1

extern struct fut_bytes archive;
extern fut_handle_t event;

static fut_status_t make_resources(struct device *d)
{
    fut_status_t status = FUT_OK;
    if (!d->channel) {
        status = fut_channel_create(&d->channel);
    }
    if (status == FUT_OK && !d->irq && d->has_line) {
        status = fut_irq_create(machine, d->line, d->line_flags, &d->irq);
    }
    if (status == FUT_OK && !d->dma && d->driver->dma_bytes) {
        status = fut_memory_create(d->driver->dma_bytes, FUT_MEM_CONTIGUOUS | FUT_MEM_COMMIT, &d->dma);
    }
    return status;
}

static fut_status_t start(struct device *d)
{
    fut_status_t status = make_resources(d);
    if (status != FUT_OK) {
        return status;
    }
    struct fut_bytes image;
    status = fut_archive_find(archive, d->driver->image, &image);
    if (status != FUT_OK) {
        fut_log("%s is not in the boot archive", d->driver->image);
        return status;
    }
    struct fut_spawn_cap caps[9 + BARS];
    static const char *const bar_names[BARS] = {"bar0", "bar1", "bar2", "bar3", "bar4", "bar5"};
    size_t n = 0;
    caps[n++] = (struct fut_spawn_cap){"channel", d->channel, FUT_RIGHT_RECV | FUT_RIGHT_MINT};
    caps[n++] = (struct fut_spawn_cap){"log", fut_startup_cap("log"), FUT_RIGHT_WRITE};
    caps[n++] = (struct fut_spawn_cap){"time", fut_startup_cap("time"), FUT_RIGHT_READ | FUT_RIGHT_MAP};
    if (d->irq) {
        caps[n++] = (struct fut_spawn_cap){"irq", d->irq, FUT_RIGHT_IRQ};
    }
    if (d->driver->console) {
        caps[n++] = (struct fut_spawn_cap){"debugger", machine, FUT_RIGHT_DEBUG};
    }
    if (d->dma) {
        caps[n++] = (struct fut_spawn_cap){"dma", d->dma, FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP | FUT_RIGHT_DMA};
    }
    if (d->config_copy) {
        caps[n++] = (struct fut_spawn_cap){"config", d->config_copy, FUT_RIGHT_READ | FUT_RIGHT_MAP};
    }
    if (d->ports) {
        caps[n++] = (struct fut_spawn_cap){"ports", d->ports, FUT_RIGHT_READ | FUT_RIGHT_WRITE};
    }
    for (unsigned i = 0; i < BARS; i++) {
        if (d->bar[i].memory) {
            caps[n++] = (struct fut_spawn_cap){bar_names[i], d->bar[i].memory, FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP};
        }
    }
    char starts[12]; // tells one host of a device from the next
    snprintf(starts, sizeof starts, "%u", d->starts);
    const char *const args[] = {d->driver->image, d->service, d->name, starts, nullptr};
    struct fut_spawn spawn = {
        .image = image, .priority = HOST_PRIORITY, .caps = caps, .cap_count = n, .args = args, .stack_bytes = 64 << 10,
    };
    status = fut_spawn(&spawn, &d->host);
    if (status != FUT_OK) {
        return status;
    }
    if (d->bus != NO_BUS) {
        pci_enable(d);
    }
    struct fut_task_info info;
    status = fut_task_watch(d->host.task, event, 1ull << (d - devices));
    if (status == FUT_OK) {
        status = fut_task_info(d->host.task, &info);
    }
    if (status == FUT_OK) {
        d->task_id = info.object_id;
        status = fut_thread_resume(d->host.thread);
    }
    return status;
}

static void release(struct device *d)
{
    if (d->host.task) {
        keep_ended(d);
        (void)fut_task_destroy(d->host.task);
        (void)fut_cap_delete(d->host.thread);
        (void)fut_cap_delete(d->host.space);
        (void)fut_cap_delete(d->host.task);
        d->host = (struct fut_spawned){};
        d->task_id = 0;
    }
    if (d->bus != NO_BUS) {
        pci_quiesce(d);
    }
}

static void failed(struct device *d)
{
    d->quick_ends++;
    if (d->quick_ends > QUICK_ENDS_MAX) {
        fut_log("%s: given up, %s ended %u times", d->name, d->driver->image, d->quick_ends);
        d->state = DEVICE_GIVEN_UP;
        return;
    }
    d->state = DEVICE_WAITING;
    d->restart_at = fut_clock() + (d->quick_ends > 1 ? (SECOND / 10) << d->quick_ends : 0);
}

void host_start(struct device *d)
{
    d->since_ns = fut_clock();
    d->starts++;
    fut_status_t status = start(d);
    if (status != FUT_OK) {
        fut_log("%s: cannot start %s, error %d", d->name, d->driver->image, (int)status);
        release(d);
        failed(d);
        return;
    }
    d->state = DEVICE_RUNNING;
    keep_started(d);
    host_publish(d);
}

void host_ended(struct device *d)
{
    release(d);
    if (fut_clock() - d->since_ns > 10 * SECOND) {
        d->quick_ends = 0;
    }
    fut_log("%s: %s has ended, starting it again", d->name, d->driver->image);
    failed(d);
}

// Also after each restart: those who use the device hear of it then, and tell the new host what it has to know.
void host_publish(struct device *d)
{
    registry_publisher_t publisher = {fut_startup_cap("publish")};
    fut_handle_t session;
    if (!publisher.h || !d->channel || fut_session_mint(d->channel, ROOT_BADGE, 0xffff, &session) != FUT_OK) {
        return;
    }
    fut_status_t status = registry_publisher_register(publisher, (struct fut_string){d->service, strlen(d->service)}, session);
    if (status != FUT_OK) {
        fut_log("%s: cannot publish %s, error %d", d->name, d->service, (int)status);
    }
    (void)fut_cap_delete(session);
}
