// SPDX-License-Identifier: MPL-2.0
//
// What devd knows: the devices, the driver host of each, and how often it was started.
#include "futctl.h"
#include <fipc/device.h>
#include <futura/startup.h>
#include <stdio.h>
#include <string.h>

static fut_status_t connect(device_devices_t *devices)
{
    registry_directory_t directory = {fut_startup_cap("registry")};
    return registry_directory_lookup(directory, text("devices"), false, &devices->h);
}

fut_status_t kill_driver(const char *name)
{
    device_devices_t devices;
    if (connect(&devices) != FUT_OK)
        return SUPERVISOR_ERROR_NOT_FOUND;
    fut_status_t status = device_devices_kill(devices, text(name));
    return status == DEVICE_ERROR_NOT_FOUND ? SUPERVISOR_ERROR_NOT_FOUND :
           status == DEVICE_ERROR_STATE     ? SUPERVISOR_ERROR_STATE : status;
}

int command_devices(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    device_devices_t devices;
    fut_status_t status = connect(&devices);
    if (status != FUT_OK)
        fail("cannot reach devd", status);
    static const char *const states[] = {"no driver", "running", "given up"};
    printf("%-16s %-9s %-10s %-12s %-20s %6s %6s\n", "DEVICE", "ID", "STATE", "SERVICE", "DRIVER", "STARTS", "TASK");
    for (uint32_t i = 0;; i++) {
        struct device_device d;
        struct fut_string name, service, driver;
        status = device_devices_get(devices, i, &d, &name, &service, &driver);
        if (status != FUT_OK)
            break;
        char id[16] = "-";
        if (d.bus != 0xffff)
            snprintf(id, sizeof id, "%04x:%04x", d.vendor, d.product);
        printf("%-16.*s %-9s %-10s %-12.*s %-20.*s %6u %6llu\n", (int)name.len, name.data, id,
               d.state < 3 ? states[d.state] : "?", (int)service.len, service.data, (int)driver.len, driver.data, d.starts,
               (unsigned long long)d.task_id);
    }
    return 0;
}
