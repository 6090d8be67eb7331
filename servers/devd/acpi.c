// SPDX-License-Identifier: MPL-2.0
//
// Devices of a PC: PCI root bridges from the MCFG table, and the two parts of the old PC that have no
// description but AML: the first serial port and the clock. Their driver hosts find out whether
// something answers.
#include "devd.h"
#include <futura/log.h>
#include <futura/sys.h>
#include <string.h>

static uint32_t le32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t le64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

static const uint8_t *table_at(uint64_t at)
{
    const uint8_t *t = at ? map_physical(at, 36, FUT_MEM_CACHED, FUT_PROT_READ) : nullptr;
    if (!t) {
        return nullptr;
    }
    uint32_t length = le32(t + 4);
    if (length < 36 || length > 1u << 20 || !(t = map_physical(at, length, FUT_MEM_CACHED, FUT_PROT_READ))) {
        return nullptr;
    }
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++) {
        sum = (uint8_t)(sum + t[i]);
    }
    return sum == 0 ? t : nullptr;
}

static void read_mcfg(const uint8_t *t)
{
    for (uint32_t at = 44; at + 16 <= le32(t + 4); at += 16) {
        struct pci_root root = {.ecam = le64(t + at), .first_bus = t[at + 10], .last_bus = t[at + 11]};
        if (t[at + 8] == 0 && t[at + 9] == 0) { // segment 0; there is no second one in a PC of ours
            pci_scan(&root);
        }
    }
}

static void add_ports(const char *name, const char *compatible, uint16_t first, uint16_t count, bool has_line, uint32_t line)
{
    struct device *d = device_add(name);
    if (!d) {
        return;
    }
    d->driver = driver_compatible(compatible);
    d->address = first;
    d->has_line = has_line;
    d->line = line;
    fut_status_t status = fut_ioport_create(machine, first, count, &d->ports);
    if (status != FUT_OK) {
        fut_log("%s: no ports, error %d", name, (int)status);
        d->driver = nullptr;
    }
}

bool acpi_find(uint64_t rsdp)
{
    const uint8_t *r = map_physical(rsdp, 36, FUT_MEM_CACHED, FUT_PROT_READ);
    if (!r || memcmp(r, "RSD PTR ", 8) != 0) {
        return false;
    }
    add_ports("com1", "ns16550", 0x3f8, 8, true, 4);
    add_ports("cmos", "cmos", 0x70, 2, false, 0);
    bool wide = r[15] >= 2 && le64(r + 24) != 0;
    const uint8_t *root = table_at(wide ? le64(r + 24) : le32(r + 16));
    if (!root) {
        return false;
    }
    for (uint32_t at = 36, step = wide ? 8 : 4; at + step <= le32(root + 4); at += step) {
        const uint8_t *t = table_at(wide ? le64(root + at) : le32(root + at));
        if (t && memcmp(t, "MCFG", 4) == 0) {
            read_mcfg(t);
        }
    }
    return true;
}
