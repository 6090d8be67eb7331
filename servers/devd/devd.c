// SPDX-License-Identifier: MPL-2.0
//
// See devd.h. One loop: the Devices protocol, the Event in which bit i tells that the host of device i has
// ended, and a timer for delayed restarts.
//
// When devd itself is restarted it ends the hosts of the devd before and finds the machine anew: every device with a
// driver is reset and gets a new host behind the same Channel (keep.c).
#include "devd.h"
#include <fipc/device.h>
#include <fipc/registry.h>
#include <futura/log.h>
#include <futura/server.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device devices[DEVICES_MAX];
size_t device_count;
fut_handle_t machine, event;
struct fut_bytes archive;

static const struct driver drivers[] = {
    {.image = "drivers/virtio-blk", .vendor = 0x1af4, .products = {0x1042, 0x1001}, .service = "block.vd%", .dma_bytes = 32 << 10, .virtio = true},
    {.image = "drivers/virtio-rng", .vendor = 0x1af4, .products = {0x1044, 0x1005}, .service = "entropy", .dma_bytes = 16 << 10, .virtio = true},
    {.image = "drivers/virtio-net", .vendor = 0x1af4, .products = {0x1041, 0x1000}, .service = "nic.#", .dma_bytes = 32 << 10, .virtio = true},
    {.image = "drivers/uart-16550", .compatible = "ns16550", .service = "console", .console = true},
    {.image = "drivers/uart-pl011", .compatible = "arm,pl011", .service = "console", .console = true},
    {.image = "drivers/clock-cmos", .compatible = "cmos", .service = "clock"},
    {.image = "drivers/clock-pl031", .compatible = "arm,pl031", .service = "clock"},
};
#define REGISTRY_BADGE 2 // of the Session that registryd holds
#define DRIVERS (sizeof drivers / sizeof drivers[0])

struct device *device_add(const char *name)
{
    if (device_count == DEVICES_MAX) {
        fut_log("%s: one device too many", name);
        return nullptr;
    }
    struct device *d = &devices[device_count++];
    *d = (struct device){.bus = NO_BUS};
    snprintf(d->name, sizeof d->name, "%s", name);
    keep_restore(d);
    return d;
}

void *map_physical(uint64_t address, uint64_t bytes, uint32_t memory_flags, uint32_t prot)
{
    uint64_t first = address & ~(FUT_PAGE_SIZE - 1ull);
    uint64_t length = (address + bytes - first + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
    fut_handle_t memory;
    if (fut_phys_create(machine, first, length, memory_flags, &memory) != FUT_OK) {
        return nullptr;
    }
    struct fut_map map = {.bytes = length, .memory = memory, .flags = prot};
    uint64_t at;
    fut_status_t status = fut_space_map(fut_startup_cap("space"), &map, &at);
    (void)fut_cap_delete(memory); // the mapping keeps it
    return status == FUT_OK ? (uint8_t *)at + (address - first) : nullptr;
}

const struct driver *driver_compatible(const char *compatible)
{
    for (size_t i = 0; i < DRIVERS; i++) {
        if (drivers[i].compatible && strcmp(drivers[i].compatible, compatible) == 0) {
            return &drivers[i];
        }
    }
    return nullptr;
}

const struct driver *driver_pci(uint16_t vendor, uint16_t product)
{
    for (size_t i = 0; i < DRIVERS; i++) {
        if (!drivers[i].compatible && drivers[i].vendor == vendor &&
            (drivers[i].products[0] == product || drivers[i].products[1] == product)) {
            return &drivers[i];
        }
    }
    return nullptr;
}

// "block.vd%" becomes block.vda for the first device that has a service of this name, block.vdb for the second; with '#'
// the place is a digit: nic.0, nic.1. Of a name without a place only the first device is used.
static bool name_service(struct device *d)
{
    unsigned before = 0;
    for (struct device *o = devices; o < d; o++) {
        before += o->driver && strcmp(o->driver->service, d->driver->service) == 0;
    }
    snprintf(d->service, sizeof d->service, "%s", d->driver->service);
    char *place = strpbrk(d->service, "%#");
    if (!place) {
        return before == 0;
    }
    bool letter = *place == '%';
    *place = (char)((letter ? 'a' : '0') + before);
    return before < (letter ? 26 : 10);
}

static fut_status_t map_capability(const char *name, struct fut_bytes *out)
{
    fut_handle_t memory = fut_startup_cap(name);
    struct fut_memory_info info;
    fut_status_t status = memory ? fut_memory_info(memory, &info) : FUT_ERR_NOT_FOUND;
    if (status == FUT_OK) {
        struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = FUT_PROT_READ};
        uint64_t at;
        status = fut_space_map(fut_startup_cap("space"), &map, &at);
        *out = (struct fut_bytes){(const void *)at, info.bytes};
    }
    return status;
}

static uint64_t rsdp_of_environment(void)
{
    char *const *env = (char *const *)fut_startup()->envp;
    for (; env && *env; env++) {
        if (strncmp(*env, "rsdp=", 5) == 0) {
            return strtoull(*env + 5, nullptr, 0);
        }
    }
    return 0;
}

static void find_devices(void)
{
    struct fut_bytes tree;
    uint64_t rsdp = rsdp_of_environment();
    bool found = map_capability("devicetree", &tree) == FUT_OK && devicetree_find(tree.data, tree.len);
    if (!found && rsdp) {
        found = acpi_find(rsdp);
    }
    if (!found) {
        fut_log("neither a device tree nor ACPI tables: no devices");
    }
}

static void signals(struct fut_server *server, uint64_t bits)
{
    (void)server;
    for (size_t i = 0; i < device_count; i++) {
        if ((bits >> i & 1) && devices[i].state == DEVICE_RUNNING) {
            host_ended(&devices[i]);
        }
    }
}

// registryd forgets when it ends. devd listens to it only to notice that: the Session that it gave along is then
// without a sender. It never sleeps on the events themselves.
static struct registry_directory_listener names;
static fut_handle_t names_wake;

static void follow_registry(fut_handle_t directory, fut_handle_t channel)
{
    fut_handle_t life;
    if (!directory || (!names_wake && fut_event_create(&names_wake) != FUT_OK) ||
        fut_session_mint(channel, REGISTRY_BADGE, 0, &life) != FUT_OK) {
        return;
    }
    fut_status_t status = registry_directory_events_attach(&names, (registry_directory_t){directory},
                                                           fut_startup_cap("space"), names_wake, 1, life);
    if (status != FUT_OK) {
        fut_log("cannot follow registryd, error %d: its next restart will go unnoticed", (int)status);
    }
}

static void no_senders(struct fut_server *server, uint64_t badge)
{
    if (badge != REGISTRY_BADGE) {
        return;
    }
    registry_directory_events_detach(&names, fut_startup_cap("space"));
    follow_registry(fut_startup_cap("registry"), server->channel);
    for (size_t i = 0; i < device_count; i++) {
        if (devices[i].driver) {
            host_publish(&devices[i]);
        }
    }
}

static uint64_t timer(struct fut_server *server, uint64_t now)
{
    (void)server;
    uint64_t next = FUT_FOREVER;
    for (size_t i = 0; i < device_count; i++) {
        struct device *d = &devices[i];
        if (d->state == DEVICE_WAITING && d->restart_at <= now) {
            host_start(d);
        }
        if (d->state == DEVICE_WAITING && d->restart_at < next) {
            next = d->restart_at;
        }
    }
    return next;
}

// --- futura.device ------------------------------------------------------------------------------------

static fut_status_t do_get(struct fut_request *req, uint32_t index, struct device_devices_get_result *res)
{
    (void)req;
    if (index >= device_count) {
        return DEVICE_ERROR_NOT_FOUND;
    }
    const struct device *d = &devices[index];
    static const uint8_t state[] = {[DEVICE_NO_DRIVER] = 0, [DEVICE_RUNNING] = 1, [DEVICE_GIVEN_UP] = 2, [DEVICE_WAITING] = 1};
    res->d = (struct device_device){
        .vendor = d->vendor, .product = d->product, .class = d->class, .bus = d->bus, .slot = d->slot,
        .function = d->function, .state = state[d->state], .starts = d->starts, .address = d->address, .task_id = d->task_id,
    };
    const char *driver = d->driver ? d->driver->image : "";
    res->name.len = strlen(d->name);
    memcpy(res->name.data, d->name, res->name.len);
    res->service.len = strlen(d->service);
    memcpy(res->service.data, d->service, res->service.len);
    res->driver.len = strlen(driver);
    memcpy(res->driver.data, driver, res->driver.len);
    return FUT_OK;
}

static fut_status_t do_kill(struct fut_request *req, struct fut_string name)
{
    (void)req;
    for (size_t i = 0; i < device_count; i++) {
        struct device *d = &devices[i];
        bool match = (strlen(d->name) == name.len && memcmp(d->name, name.data, name.len) == 0) ||
                     (strlen(d->service) == name.len && memcmp(d->service, name.data, name.len) == 0);
        if (!match) {
            continue;
        }
        if (d->state != DEVICE_RUNNING) {
            return DEVICE_ERROR_STATE;
        }
        d->quick_ends = 0; // on purpose: no reason for a delay
        (void)fut_task_destroy(d->host.task); // its end is noticed like any other
        return FUT_OK;
    }
    return DEVICE_ERROR_NOT_FOUND;
}

int main(void)
{
    machine = fut_startup_cap("machine");
    fut_handle_t channel = fut_startup_cap("channel");
    if (!machine || map_capability("archive", &archive) != FUT_OK || fut_event_create(&event) != FUT_OK) {
        fut_log("devd: machine or boot archive missing");
        return 1;
    }
    keep_open();
    find_devices();
    for (size_t i = 0; i < device_count; i++) {
        struct device *d = &devices[i];
        if (d->driver && !name_service(d)) {
            d->driver = nullptr;
        }
        if (d->driver) {
            host_start(d);
        }
    }
    follow_registry(fut_startup_cap("registry"), channel);
    static const struct device_devices_ops ops = {.get = do_get, .kill = do_kill};
    static struct fut_service services[1];
    services[0] = device_devices_service(&ops);
    static struct fut_server server;
    server = (struct fut_server){
        .channel = channel, .event = event, .services = services, .service_count = 1, .signals = signals, .timer = timer,
        .no_senders = no_senders,
    };
    fut_server_run(&server);
}
