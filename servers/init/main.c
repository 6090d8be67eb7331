// SPDX-License-Identifier: MPL-2.0
//
// init: the first task and the supervisor.
//
// It holds all initial capabilities and every service's Channel, starts the services of the manifest
// with exactly what it names for them, and starts them again when they end. A Channel outlives the task
// that serves it, so the Sessions of a service's clients stay good across a restart.
//
// init has one loop: Supervisor calls, the Event in which bit i tells that service i ended, and a timer
// for delayed restarts. It calls no server but registryd, with a deadline, to publish names.
#include "manifest.h"
#include "service.h"
#include "supervisor.h"
#include <fipc/registry.h>
#include <futura/log.h>
#include <futura/server.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#define REGISTRY_DEADLINE 1000000000ull
#define BADGE_PUBLISHER 1

static struct boot_caps boot;
static struct manifest manifest;

[[noreturn]] static void stop(const char *why)
{
    fut_log("%s: the system stops", why);
    (void)fut_machine_power(boot.info->h_machine, FUT_POWER_EXIT, 1);
    (void)fut_thread_exit();
    __builtin_unreachable();
}

static fut_status_t map_archive(void)
{
    struct fut_map map = {.bytes = (boot.info->archive_bytes + FUT_PAGE_SIZE - 1) & ~(uint64_t)(FUT_PAGE_SIZE - 1),
                          .memory = boot.info->h_archive,
                          .flags = FUT_PROT_READ};
    uint64_t address;
    fut_status_t status = fut_space_map(boot.info->h_space, &map, &address);
    if (status == FUT_OK)
        boot.archive = (struct fut_bytes){(const void *)address, boot.info->archive_bytes};
    return status;
}

static void read_manifest(void)
{
    struct fut_bytes text;
    if (fut_archive_find(boot.archive, "manifest", &text) != FUT_OK)
        stop("there is no manifest in the boot archive");
    struct manifest_error error;
    if (!manifest_parse(text, &manifest, &error)) {
        fut_log("manifest line %u: %s", error.line, error.what);
        stop("the manifest cannot be read");
    }
}

// Registers what the manifest publishes. The registry forgets when it is restarted, so this runs again
// each time it starts.
static void publish_names(void)
{
    struct service *registry = service_find((struct fut_string){"registryd", 9});
    registry_publisher_t publisher;
    if (registry == nullptr || fut_session_mint(registry->channel, BADGE_PUBLISHER, 0xffff, &publisher.h) != FUT_OK)
        return;
    for (size_t i = 0; i < service_count * MANIFEST_PUBLISHES; i++) {
        const struct service *s = &services[i / MANIFEST_PUBLISHES];
        const struct manifest_publish *publish = &s->spec->publish[i % MANIFEST_PUBLISHES];
        fut_handle_t session;
        if (publish->badge == 0 || fut_session_mint(s->channel, publish->badge, 0xffff, &session) != FUT_OK)
            continue;
        struct fut_call_options options = {.deadline = fut_clock() + REGISTRY_DEADLINE};
        fut_status_t status = registry_publisher_register_opt(
            publisher, &options, (struct fut_string){publish->name, strlen(publish->name)}, session);
        if (status != FUT_OK)
            fut_log("cannot publish %s: error %d", publish->name, (int)status);
        (void)fut_cap_delete(session);
    }
    (void)fut_cap_delete(publisher.h);
}

static void start(struct service *s)
{
    fut_status_t status = service_start(s, &boot);
    if (status != FUT_OK) {
        fut_log("cannot start %s: error %d", s->spec->name, (int)status);
        if (s->spec->restart == RESTART_NEVER)
            stop("a service that the system needs cannot start");
        s->since_ns = fut_clock();
        s->quick_ends++;
        s->restart_at = s->since_ns + 1000000000ull;
        s->state = SERVICE_WAITING;
        return;
    }
    if (strcmp(s->spec->name, "registryd") == 0)
        publish_names();
}

static void signals(struct fut_server *server, uint64_t bits)
{
    (void)server;
    for (size_t i = 0; i < service_count; i++)
        if ((bits >> i & 1) != 0 && services[i].state == SERVICE_RUNNING && !service_ended(&services[i], fut_clock())) {
            fut_log("%s has ended", services[i].spec->name);
            stop("the system cannot go on without it");
        }
}

// Starts what is due; answers when the next one is.
static uint64_t timer(struct fut_server *server, uint64_t now)
{
    (void)server;
    uint64_t next = FUT_FOREVER;
    for (size_t i = 0; i < service_count; i++) {
        if (services[i].state == SERVICE_WAITING && services[i].restart_at <= now)
            start(&services[i]);
        if (services[i].state == SERVICE_WAITING && services[i].restart_at < next)
            next = services[i].restart_at;
    }
    return next;
}

int main(void)
{
    boot.info = fut_boot_info();
    if (map_archive() != FUT_OK || fut_event_create(&boot.event) != FUT_OK)
        stop("init cannot map the boot archive");
    read_manifest();
    if (services_create(&manifest) != FUT_OK)
        stop("there is no memory for the services' channels");
    supervisor_init(boot.info);

    struct service *self = service_find((struct fut_string){"init", 4});
    if (self == nullptr)
        stop("the manifest has no service init");
    self->state = SERVICE_SELF;
    for (size_t i = 0; i < service_count; i++)
        if (&services[i] != self)
            start(&services[i]);

    const struct fut_service protocols[] = {supervisor_supervisor_service(&supervisor_ops)};
    struct fut_server server = {
        .channel = self->channel,
        .event = boot.event,
        .services = protocols,
        .service_count = 1,
        .signals = signals,
        .timer = timer,
    };
    fut_server_run(&server);
}
