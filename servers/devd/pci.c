// SPDX-License-Identifier: MPL-2.0
//
// PCI Express through ECAM: finding functions, sizing and assigning BARs, one MSI-X vector per device,
// and taking a device out of service when its driver has died.
//
// Only functions that have a driver are touched. The first vector is the only one that is programmed; a
// driver routes all its queues to it.
#include "devd.h"
#include <futura/log.h>
#include <futura/sys.h>
#include <stdio.h>
#include <string.h>

#define COMMAND 0x04
#define COMMAND_MEMORY 2u
#define COMMAND_MASTER 4u
#define COMMAND_NO_INTX 0x400u
#define STATUS_CAPS (1u << 4)
#define HEADER_TYPE 0x0e
#define BAR0 0x10
#define SECONDARY_BUS 0x19
#define CAPS 0x34
#define CAP_VENDOR 0x09
#define CAP_MSIX 0x11
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u
#define BUS_BYTES (1u << 20)
#define CONFIG_BYTES 4096u
#define VIRTIO_COMMON_CFG 1
#define VIRTIO_STATUS 20

static uint64_t window_next, window_end;   // bus addresses still free
static uint64_t window_offset;             // physical minus bus address

static uint8_t get8(struct device *d, unsigned at) { return d->config[at]; }
static uint16_t get16(struct device *d, unsigned at) { return *(volatile uint16_t *)(d->config + at); }
static uint32_t get32(struct device *d, unsigned at) { return *(volatile uint32_t *)(d->config + at); }
static void put16(struct device *d, unsigned at, uint16_t v) { *(volatile uint16_t *)(d->config + at) = v; }
static void put32(struct device *d, unsigned at, uint32_t v) { *(volatile uint32_t *)(d->config + at) = v; }

// The first capability of this kind behind `after` (0: from the start); 0: there is none.
static unsigned find_cap(struct device *d, uint8_t id, unsigned after)
{
    if (!(get16(d, COMMAND + 2) & STATUS_CAPS)) {
        return 0;
    }
    unsigned at = (after ? get8(d, after + 1) : get8(d, CAPS)) & ~3u;
    for (unsigned n = 0; at >= 0x40 && n < 48; n++, at = get8(d, at + 1) & ~3u) {
        if (get8(d, at) == id) {
            return at;
        }
    }
    return 0;
}

// Reads where a BAR is and how big, and gives it a place if it has none. Returns the BARs it takes up.
static unsigned size_bar(struct device *d, unsigned i)
{
    unsigned at = BAR0 + 4 * i;
    uint32_t low = get32(d, at);
    if (low & 1) {
        return 1; // I/O ports: every device we drive has its registers in memory as well
    }
    bool wide = (low & 6) == 4 && i + 1 < BARS;
    uint32_t high = wide ? get32(d, at + 4) : 0;
    put32(d, at, UINT32_MAX);
    uint64_t mask = get32(d, at) & ~15u;
    if (wide) {
        put32(d, at + 4, UINT32_MAX);
        mask |= (uint64_t)get32(d, at + 4) << 32;
    } else if (mask) {
        mask |= 0xffffffff00000000ull;
    }
    uint64_t bytes = mask ? ~mask + 1 : 0;
    uint64_t address = (uint64_t)high << 32 | (low & ~15u);
    if (bytes && !address && window_end) {
        uint64_t place = (window_next + bytes - 1) & ~(bytes - 1);
        if (place < window_end && bytes <= window_end - place) {
            address = place;
            window_next = place + bytes;
        } else {
            fut_log("%s: no room for BAR %u of %llu bytes", d->name, i, (unsigned long long)bytes);
        }
    }
    put32(d, at, (uint32_t)address | (low & 15));
    if (wide) {
        put32(d, at + 4, (uint32_t)(address >> 32));
    }
    if (bytes && address) {
        d->bar[i] = (struct bar){.physical = address + window_offset, .bytes = bytes};
    }
    return wide ? 2 : 1;
}

static volatile uint8_t *map_bar(struct device *d, unsigned i, uint32_t offset, uint32_t bytes)
{
    if (i >= BARS || offset > d->bar[i].bytes || bytes > d->bar[i].bytes - offset) {
        return nullptr;
    }
    return map_physical(d->bar[i].physical + offset, bytes, FUT_MEM_DEVICE, FUT_PROT_READ | FUT_PROT_WRITE);
}

fut_status_t pci_prepare(struct device *d)
{
    put16(d, COMMAND, (uint16_t)(get16(d, COMMAND) & ~(COMMAND_MEMORY | COMMAND_MASTER)));
    for (unsigned i = 0; i < BARS;) {
        i += size_bar(d, i);
    }
    put16(d, COMMAND, (uint16_t)(get16(d, COMMAND) | COMMAND_MEMORY | COMMAND_NO_INTX));

    unsigned cap = find_cap(d, CAP_MSIX, 0);
    if (!cap) {
        return FUT_ERR_UNSUPPORTED;
    }
    uint32_t where = get32(d, cap + 4);
    unsigned table_bar = where & 7;
    d->msix = (volatile uint32_t *)map_bar(d, table_bar, where & ~7u, 16);
    if (!d->msix) {
        return FUT_ERR_INVALID;
    }
    d->msi.device = (uint32_t)d->bus << 8 | (uint32_t)d->slot << 3 | d->function;
    fut_status_t status = d->irq ? FUT_OK : fut_irq_msi(machine, &d->msi, &d->irq);
    if (status != FUT_OK) {
        return status;
    }
    for (unsigned i = 0; i < BARS; i++) {
        // The driver host does not get the window with the MSI-X table: writing there could raise any vector.
        if (d->bar[i].bytes && i != table_bar) {
            uint64_t bytes = (d->bar[i].bytes + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
            status = fut_phys_create(machine, d->bar[i].physical, bytes, FUT_MEM_DEVICE, &d->bar[i].memory);
            if (status != FUT_OK) {
                return status;
            }
        }
    }
    // What the driver may know of its configuration.
    uint64_t bytes;
    status = fut_memory_create(CONFIG_BYTES, FUT_MEM_COMMIT, &d->config_copy);
    if (status == FUT_OK) {
        static uint32_t copy[CONFIG_BYTES / 4];
        for (unsigned i = 0; i < CONFIG_BYTES / 4; i++) {
            copy[i] = get32(d, 4 * i);
        }
        status = fut_memory_write(d->config_copy, 0, copy, CONFIG_BYTES, &bytes);
    }
    return status;
}

void pci_enable(struct device *d)
{
    d->msix[3] = 1; // masked while it changes
    d->msix[0] = (uint32_t)d->msi.address;
    d->msix[1] = (uint32_t)(d->msi.address >> 32);
    d->msix[2] = d->msi.data;
    d->msix[3] = 0;
    unsigned cap = find_cap(d, CAP_MSIX, 0);
    put16(d, cap + 2, (uint16_t)((get16(d, cap + 2) & ~MSIX_MASK_ALL) | MSIX_ENABLE));
    put16(d, COMMAND, (uint16_t)(get16(d, COMMAND) | COMMAND_MASTER));
}

// Virtio devices on a root bus have no function level reset; writing 0 to their status is their reset, and it
// is complete when it reads 0.
static void reset_virtio(struct device *d)
{
    for (unsigned cap = find_cap(d, CAP_VENDOR, 0); cap; cap = find_cap(d, CAP_VENDOR, cap)) {
        if (get8(d, cap + 3) != VIRTIO_COMMON_CFG) {
            continue;
        }
        volatile uint8_t *common = map_bar(d, get8(d, cap + 4), get32(d, cap + 8), get32(d, cap + 12));
        if (!common) {
            return;
        }
        common[VIRTIO_STATUS] = 0;
        uint64_t give_up = fut_clock() + 1000000000;
        while (common[VIRTIO_STATUS] != 0 && fut_clock() < give_up) {
            (void)fut_yield();
        }
        return;
    }
}

// The reset comes before bus mastering goes: a device that is cut off from memory in the middle of a request
// may take what it cannot read for data, and write that to the disk.
void pci_quiesce(struct device *d)
{
    if (d->driver->virtio) {
        reset_virtio(d);
    }
    put16(d, COMMAND, (uint16_t)(get16(d, COMMAND) & ~COMMAND_MASTER));
}

static void scan_bus(volatile uint8_t *ecam, const struct pci_root *root, unsigned bus);

static void add_function(volatile uint8_t *ecam, const struct pci_root *root, unsigned bus, unsigned slot, unsigned function)
{
    volatile uint8_t *config = ecam + (slot << 15 | function << 12);
    uint32_t id = *(volatile uint32_t *)config;
    if (id == UINT32_MAX) {
        return;
    }
    if ((config[HEADER_TYPE] & 0x7f) == 1) { // a bridge: what is behind it, if the firmware opened it
        unsigned next = config[SECONDARY_BUS];
        if (next > bus && next <= root->last_bus) {
            scan_bus(nullptr, root, next);
        }
        return;
    }
    char name[32];
    snprintf(name, sizeof name, "pci-%02x:%02x.%x", bus, slot, function);
    struct device *d = device_add(name);
    if (!d) {
        return;
    }
    d->config = config;
    d->vendor = (uint16_t)id;
    d->product = (uint16_t)(id >> 16);
    d->class = *(volatile uint32_t *)(config + 8) >> 8;
    d->bus = (uint16_t)bus;
    d->slot = (uint8_t)slot;
    d->function = (uint8_t)function;
    d->driver = driver_pci(d->vendor, d->product);
    if (!d->driver) {
        return;
    }
    fut_status_t status = pci_prepare(d);
    if (status != FUT_OK) {
        fut_log("%s: cannot be set up, error %d", d->name, (int)status);
        d->driver = nullptr;
    }
}

static void scan_bus(volatile uint8_t *ecam, const struct pci_root *root, unsigned bus)
{
    if (!ecam) {
        ecam = map_physical(root->ecam + (uint64_t)(bus - root->first_bus) * BUS_BYTES, BUS_BYTES, FUT_MEM_DEVICE,
                            FUT_PROT_READ | FUT_PROT_WRITE);
    }
    if (!ecam) {
        fut_log("PCI bus %u: its configuration space cannot be reached", bus);
        return;
    }
    for (unsigned slot = 0; slot < 32; slot++) {
        volatile uint8_t *config = ecam + (slot << 15);
        if (*(volatile uint32_t *)config == UINT32_MAX) {
            continue;
        }
        unsigned functions = config[HEADER_TYPE] & 0x80 ? 8 : 1;
        for (unsigned f = 0; f < functions; f++) {
            add_function(ecam, root, bus, slot, f);
        }
    }
}

void pci_scan(const struct pci_root *root)
{
    window_next = root->window.bus_address;
    window_end = root->window.bus_address + root->window.bytes;
    window_offset = root->window.physical - root->window.bus_address;
    // Address 0 in a BAR means that it has none.
    if (window_end && window_next == 0) {
        window_next = FUT_PAGE_SIZE;
    }
    scan_bus(nullptr, root, root->first_bus);
}
