// SPDX-License-Identifier: MPL-2.0
//
// What the kernel reads from the device tree, through libfdt. The blob comes from the loader and is
// trusted as firmware is; a property that is missing or short is treated as absent. Follows the
// Devicetree Specification 0.4, chapters 2 and 3, and the bindings named at each use.
#include "arm64.h"
#include <libfdt.h>

static const void *blob;

void devicetree_open(const void *b)
{
    blob = b;
    if (fdt_check_header(b) != 0)
        panic("the loader passed no device tree (x0 has to hold its address)");
}

uint32_t devicetree_bytes(void) { return fdt_totalsize(blob); }
int devicetree_path(const char *path) { return fdt_path_offset(blob, path); }

static uint64_t cells(const fdt32_t *p, int n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 32 | fdt32_to_cpu(*p++);
    return v;
}

static bool enabled(int node)
{
    const char *s = fdt_getprop(blob, node, "status", nullptr);
    return !s || s[0] == 'o'; // ok, okay
}

int devicetree_find(int after, const char *compatible)
{
    int node = after;
    do
        node = fdt_node_offset_by_compatible(blob, node, compatible);
    while (node >= 0 && !enabled(node));
    return node;
}

int devicetree_find_below(int parent, const char *compatible)
{
    int node;
    fdt_for_each_subnode(node, blob, parent)
        if (fdt_node_check_compatible(blob, node, compatible) == 0 && enabled(node))
            return node;
    return -1;
}

const char *devicetree_string(int node, const char *property)
{
    int length;
    const char *s = fdt_getprop(blob, node, property, &length);
    return s && length > 0 && s[length - 1] == 0 ? s : nullptr;
}

bool devicetree_number(int node, const char *property, uint64_t *out)
{
    int length;
    const fdt32_t *p = fdt_getprop(blob, node, property, &length);
    if (!p || (length != 4 && length != 8))
        return false;
    *out = cells(p, length / 4);
    return true;
}

// An address on `node`'s bus as its parent sees it; false: it cannot be reached from there.
static bool translate(int node, uint64_t *address)
{
    int length, parent = fdt_parent_offset(blob, node);
    const fdt32_t *p = fdt_getprop(blob, node, "ranges", &length);
    if (!p || parent < 0)
        return false;
    if (length == 0)
        return true;
    int child_cells = fdt_address_cells(blob, node), parent_cells = fdt_address_cells(blob, parent);
    int size_cells = fdt_size_cells(blob, node), row = child_cells + parent_cells + size_cells;
    for (; length >= row * 4; length -= row * 4, p += row) {
        uint64_t from = cells(p, child_cells), size = cells(p + child_cells + parent_cells, size_cells);
        if (*address >= from && *address - from < size) {
            *address = *address - from + cells(p + child_cells, parent_cells);
            return true;
        }
    }
    return false;
}

bool devicetree_reg(int node, unsigned index, struct boot_range *out)
{
    int parent = fdt_parent_offset(blob, node), length;
    if (parent < 0)
        return false;
    int address_cells = fdt_address_cells(blob, parent), size_cells = fdt_size_cells(blob, parent);
    int row = address_cells + size_cells;
    const fdt32_t *p = fdt_getprop(blob, node, "reg", &length);
    if (!p || address_cells < 1 || size_cells < 0 || (uint64_t)length < (index + 1) * (uint64_t)row * 4)
        return false;
    p += index * (unsigned)row;
    out->base = cells(p, address_cells);
    out->bytes = cells(p + address_cells, size_cells);
    for (int bus = parent; fdt_parent_offset(blob, bus) >= 0; bus = fdt_parent_offset(blob, bus))
        if (!translate(bus, &out->base))
            return false;
    return true;
}

// GIC bindings: <type number flags>, type 0 shared (INTID 32 and up), 1 private (16 and up); flags as
// level high 4, level low 8, edge 1 and 2.
bool devicetree_interrupt(int node, unsigned index, uint32_t *line, uint32_t *flags)
{
    int length, parent = node, cell_count = 0;
    while (parent >= 0 && !fdt_getprop(blob, parent, "interrupt-parent", nullptr))
        parent = fdt_parent_offset(blob, parent);
    uint64_t handle;
    if (parent < 0 || !devicetree_number(parent, "interrupt-parent", &handle))
        return false;
    int controller = fdt_node_offset_by_phandle(blob, (uint32_t)handle);
    uint64_t n;
    if (controller < 0 || !devicetree_number(controller, "#interrupt-cells", &n) || n < 3 || n > 4)
        return false;
    cell_count = (int)n;
    const fdt32_t *p = fdt_getprop(blob, node, "interrupts", &length);
    if (!p || (uint64_t)length < (index + 1) * (uint64_t)cell_count * 4)
        return false;
    p += index * (unsigned)cell_count;
    *line = fdt32_to_cpu(p[1]) + (fdt32_to_cpu(p[0]) == 0 ? 32 : 16);
    uint32_t trigger = fdt32_to_cpu(p[2]);
    *flags = (trigger & 0xc ? FUT_IRQ_LEVEL : 0) | (trigger & 8 ? FUT_IRQ_LOW : 0);
    return true;
}

uint32_t devicetree_memory(struct boot_range *out, uint32_t max)
{
    uint32_t count = 0;
    int node;
    fdt_for_each_subnode(node, blob, 0) {
        const char *type = devicetree_string(node, "device_type");
        if (!type || memcmp(type, "memory", 7) != 0 || !enabled(node))
            continue;
        for (unsigned i = 0; count < max && devicetree_reg(node, i, &out[count]); i++)
            if (out[count].bytes)
                count++;
    }
    return count;
}

uint32_t devicetree_reserved(struct boot_range *out, uint32_t max)
{
    uint32_t count = 0;
    for (int i = 0; i < fdt_num_mem_rsv(blob) && count < max; i++)
        if (fdt_get_mem_rsv(blob, i, &out[count].base, &out[count].bytes) == 0 && out[count].bytes)
            count++;
    int parent = fdt_path_offset(blob, "/reserved-memory"), node;
    if (parent >= 0)
        fdt_for_each_subnode(node, blob, parent)
            for (unsigned i = 0; enabled(node) && count < max && devicetree_reg(node, i, &out[count]); i++)
                count++;
    return count;
}

bool devicetree_cpu(uint32_t n, uint64_t *mpidr)
{
    int parent = fdt_path_offset(blob, "/cpus"), node;
    if (parent >= 0)
        fdt_for_each_subnode(node, blob, parent) {
            const char *type = devicetree_string(node, "device_type");
            if (!type || memcmp(type, "cpu", 4) != 0 || !enabled(node) || n--)
                continue;
            int length, count = fdt_address_cells(blob, parent);
            const fdt32_t *p = fdt_getprop(blob, node, "reg", &length);
            if (!p || count < 1 || length < count * 4)
                return false;
            *mpidr = cells(p, count);
            return true;
        }
    return false;
}

uint32_t devicetree_cpus(void)
{
    uint32_t count = 0;
    int parent = fdt_path_offset(blob, "/cpus"), node;
    if (parent >= 0)
        fdt_for_each_subnode(node, blob, parent) {
            const char *type = devicetree_string(node, "device_type");
            count += type && memcmp(type, "cpu", 4) == 0 && enabled(node);
        }
    return count ? count : 1;
}
