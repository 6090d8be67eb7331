// SPDX-License-Identifier: MPL-2.0
//
// Devices of a machine that is described by a device tree: the generic ECAM host bridge, and the Arm serial
// port and clock. Nothing has assigned BARs there, so a bridge's memory window goes with it.
#include "devd.h"
#include <futura/log.h>
#include <futura/sys.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

static uint64_t cells(const fdt32_t *p, int n)
{
    uint64_t v = 0;
    while (n--) {
        v = v << 32 | fdt32_to_cpu(*p++);
    }
    return v;
}

// The first register range of a node, under the root's cell sizes.
static bool reg_of(const void *tree, int node, uint64_t *address, uint64_t *bytes)
{
    int parent = fdt_parent_offset(tree, node);
    int na = fdt_address_cells(tree, parent), ns = fdt_size_cells(tree, parent), length;
    const fdt32_t *reg = fdt_getprop(tree, node, "reg", &length);
    if (!reg || na < 1 || na > 2 || ns < 1 || ns > 2 || length < 4 * (na + ns)) {
        return false;
    }
    *address = cells(reg, na);
    *bytes = cells(reg + na, ns);
    return true;
}

#define GIC_SHARED 0u
#define GIC_FIRST_SHARED 32u
#define TRIGGER_LEVEL 0xcu

static void add_registers(const void *tree, int node, const char *compatible)
{
    uint64_t address, bytes;
    const char *name = fdt_get_name(tree, node, nullptr);
    struct device *d = reg_of(tree, node, &address, &bytes) && name ? device_add(name) : nullptr;
    if (!d) {
        return;
    }
    d->address = address;
    d->driver = driver_compatible(compatible);
    int length;
    const fdt32_t *irq = fdt_getprop(tree, node, "interrupts", &length);
    if (irq && length >= 12 && fdt32_to_cpu(irq[0]) == GIC_SHARED) {
        d->has_line = true;
        d->line = fdt32_to_cpu(irq[1]) + GIC_FIRST_SHARED;
        d->line_flags = fdt32_to_cpu(irq[2]) & TRIGGER_LEVEL ? FUT_IRQ_LEVEL : 0;
    }
    d->bar[0] = (struct bar){.physical = address, .bytes = bytes};
    fut_status_t status = fut_phys_create(machine, address, bytes, FUT_MEM_DEVICE, &d->bar[0].memory);
    if (status != FUT_OK) {
        fut_log("%s: no registers, error %d", d->name, (int)status);
        d->driver = nullptr;
    }
}

#define RANGE_SPACE 0x03000000u
#define RANGE_MEMORY_32 0x02000000u

static void add_bridge(const void *tree, int node)
{
    struct pci_root root = {.last_bus = 255};
    uint64_t bytes;
    int length;
    if (!reg_of(tree, node, &root.ecam, &bytes)) {
        return;
    }
    const fdt32_t *buses = fdt_getprop(tree, node, "bus-range", &length);
    if (buses && length >= 8) {
        root.first_bus = (uint8_t)fdt32_to_cpu(buses[0]);
        root.last_bus = (uint8_t)fdt32_to_cpu(buses[1]);
    }
    // An entry: 3 cells of PCI address, the parent's address, 2 cells of size.
    int na = fdt_address_cells(tree, fdt_parent_offset(tree, node)), step = 3 + na + 2;
    const fdt32_t *range = fdt_getprop(tree, node, "ranges", &length);
    for (int at = 0; range && na > 0 && na <= 2 && (at + step) * 4 <= length; at += step) {
        if ((fdt32_to_cpu(range[at]) & RANGE_SPACE) == RANGE_MEMORY_32) {
            root.window = (struct pci_window){
                .bus_address = cells(range + at + 1, 2), .physical = cells(range + at + 3, na),
                .bytes = cells(range + at + 3 + na, 2)};
        }
    }
    pci_scan(&root);
}

bool devicetree_find(const void *tree, size_t bytes)
{
    if (fdt_check_header(tree) != 0 || fdt_totalsize(tree) > bytes) {
        return false;
    }
    static const char *const simple[] = {"arm,pl011", "arm,pl031"};
    for (size_t i = 0; i < sizeof simple / sizeof simple[0]; i++) {
        for (int node = fdt_node_offset_by_compatible(tree, -1, simple[i]); node >= 0;
             node = fdt_node_offset_by_compatible(tree, node, simple[i])) {
            add_registers(tree, node, simple[i]);
        }
    }
    for (int node = fdt_node_offset_by_compatible(tree, -1, "pci-host-ecam-generic"); node >= 0;
         node = fdt_node_offset_by_compatible(tree, node, "pci-host-ecam-generic")) {
        add_bridge(tree, node);
    }
    return true;
}
