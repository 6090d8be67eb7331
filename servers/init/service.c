// SPDX-License-Identifier: MPL-2.0
#include "service.h"
#include <futura/log.h>
#include <futura/sys.h>
#include <stdio.h>
#include <string.h>

struct service services[MANIFEST_SERVICES];
size_t service_count;

#define SECOND 1000000000ull
#define CAPS_MAX (10 + MANIFEST_USES)

// A service may receive from its Channel and mint Sessions of it, and cannot give it away.
#define CHANNEL_RIGHTS (FUT_RIGHT_RECV | FUT_RIGHT_MINT)
#define READ_ONLY_MEMORY (FUT_RIGHT_READ | FUT_RIGHT_MAP | FUT_RIGHT_EXEC | FUT_RIGHT_DUP | FUT_RIGHT_MOVE)

struct cap_list {
    struct fut_spawn_cap cap[CAPS_MAX];
    size_t count;
};

static void add_cap(struct cap_list *list, const char *name, fut_handle_t handle, uint32_t rights)
{
    list->cap[list->count++] = (struct fut_spawn_cap){name, handle, rights};
}

static void add_grants(struct cap_list *list, const struct manifest_service *spec, const struct fut_boot_info *info)
{
    add_cap(list, "log", info->h_log, FUT_RIGHT_WRITE | FUT_RIGHT_DUP | FUT_RIGHT_MOVE);
    add_cap(list, "time", info->h_time, READ_ONLY_MEMORY);
    if (spec->grants & GRANT_ARCHIVE)
        add_cap(list, "archive", info->h_archive, READ_ONLY_MEMORY);
    if ((spec->grants & GRANT_DEVICETREE) && info->h_devicetree != FUT_HANDLE_NONE)
        add_cap(list, "devicetree", info->h_devicetree, READ_ONLY_MEMORY);
    if (spec->grants & GRANT_KLOG)
        add_cap(list, "klog", info->h_log, FUT_RIGHT_READ);
    if (spec->grants & GRANT_MACHINE)
        // Who may enter the debugger may let others: devd gives that to the console's driver.
        add_cap(list, "machine", info->h_machine, spec->machine_rights | FUT_RIGHT_READ |
                (spec->machine_rights & FUT_RIGHT_DEBUG ? FUT_RIGHT_DUP : 0));
}

fut_status_t services_create(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        struct service *s = &services[i];
        *s = (struct service){.spec = &manifest->service[i], .index = (unsigned)i};
        fut_status_t status = fut_channel_create(&s->channel);
        if (status != FUT_OK)
            return status;
        service_count = i + 1;
    }
    return FUT_OK;
}

struct service *service_find(struct fut_string name)
{
    for (size_t i = 0; i < service_count; i++)
        if (strlen(services[i].spec->name) == name.len && memcmp(services[i].spec->name, name.data, name.len) == 0)
            return &services[i];
    return nullptr;
}

// What outlives the service's restarts. The vault needs a Space because every task has one.
static fut_status_t make_state(struct service *s, const struct boot_caps *boot)
{
    if (s->spec->state_bytes == 0 || s->vault != FUT_HANDLE_NONE)
        return FUT_OK;
    fut_handle_t space;
    fut_status_t status = s->kept != FUT_HANDLE_NONE ? FUT_OK : fut_memory_create(s->spec->state_bytes, 0, &s->kept);
    if (status == FUT_OK)
        status = fut_space_create(&space);
    if (status != FUT_OK)
        return status;
    status = fut_task_create(boot->info->h_account, space, &s->vault);
    (void)fut_cap_delete(space);
    return status;
}

fut_status_t service_start(struct service *s, const struct boot_caps *boot)
{
    const struct manifest_service *spec = s->spec;
    fut_handle_t minted[MANIFEST_USES] = {};
    struct cap_list caps = {};
    fut_status_t status;

    char path[16 + MANIFEST_NAME];
    snprintf(path, sizeof path, "servers/%s", spec->name);
    struct fut_bytes image;
    status = fut_archive_find(boot->archive, path, &image);
    if (status != FUT_OK) {
        fut_log("%s is not in the boot archive", path);
        return status;
    }
    status = make_state(s, boot);
    if (status != FUT_OK)
        return status;
    status = fut_account_create(boot->info->h_account, UINT64_MAX, UINT64_MAX, &s->account);
    if (status != FUT_OK)
        return status;

    add_cap(&caps, "channel", s->channel, CHANNEL_RIGHTS);
    add_grants(&caps, spec, boot->info);
    if (spec->state_bytes != 0) {
        add_cap(&caps, "state", s->kept, FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP);
        add_cap(&caps, "vault", s->vault, FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MANAGE);
    }
    for (size_t i = 0; i < spec->use_count; i++) {
        const struct manifest_use *use = &spec->use[i];
        status = fut_session_mint(services[use->target].channel, use->badge, 0xffff, &minted[i]);
        if (status != FUT_OK)
            goto out;
        add_cap(&caps, use->name, minted[i], FUT_RIGHTS_ALL);
    }

    char rsdp[32];
    snprintf(rsdp, sizeof rsdp, "rsdp=0x%llx", (unsigned long long)boot->info->rsdp);
    const char *args[] = {spec->name, nullptr};
    const char *env[] = {rsdp, nullptr};
    struct fut_spawn spawn = {
        .image = image,
        .account = s->account,
        .priority = spec->priority,
        .caps = caps.cap,
        .cap_count = caps.count,
        .args = args,
        .env = (spec->grants & GRANT_MACHINE) ? env : nullptr,
    };
    status = fut_spawn(&spawn, &s->running);
    if (status != FUT_OK)
        goto out;
    status = fut_task_watch(s->running.task, boot->event, 1ull << s->index);
    if (status == FUT_OK)
        status = fut_thread_resume(s->running.thread);
    if (status != FUT_OK) {
        (void)fut_task_destroy(s->running.task);
        goto out;
    }
    s->state = SERVICE_RUNNING;
    s->starts++;
    s->since_ns = fut_clock();
out:
    // The service holds its own copies: what init keeps would keep its Sessions alive for ever.
    for (size_t i = 0; i < spec->use_count; i++)
        if (minted[i] != FUT_HANDLE_NONE)
            (void)fut_cap_delete(minted[i]);
    if (status != FUT_OK) {
        (void)fut_cap_delete(s->account);
        s->account = FUT_HANDLE_NONE;
    }
    return status;
}

static void release(struct service *s)
{
    (void)fut_task_destroy(s->running.task); // its end may have been a thread's exit
    (void)fut_cap_delete(s->running.thread);
    (void)fut_cap_delete(s->running.space);
    (void)fut_cap_delete(s->running.task);
    (void)fut_cap_delete(s->account);
    s->running = (struct fut_spawned){};
    s->account = FUT_HANDLE_NONE;
}

bool service_ended(struct service *s, uint64_t now)
{
    release(s);
    if (s->spec->restart == RESTART_NEVER) {
        s->state = SERVICE_STOPPED;
        return false;
    }
    // At once the first time; a service that ends again and again backs off, up to five seconds.
    s->quick_ends = now - s->since_ns < SECOND ? s->quick_ends + 1 : 0;
    uint64_t delay = s->quick_ends == 0 ? 0 : SECOND / 20 << (s->quick_ends < 7 ? s->quick_ends : 7);
    s->restart_at = now + (delay < 5 * SECOND ? delay : 5 * SECOND);
    s->state = SERVICE_WAITING;
    fut_log("%s ended (start %u); it starts again in %llu ms", s->spec->name, (unsigned)s->starts,
            (unsigned long long)((s->restart_at - now) / 1000000));
    return true;
}
