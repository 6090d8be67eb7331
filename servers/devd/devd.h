// SPDX-License-Identifier: MPL-2.0
//
// devd: finds the machine's devices and keeps a driver host process for each one that it knows.
//
// devd alone touches configuration space, MSI-X tables and BAR assignment; a driver host gets exactly its
// own register windows or ports, its interrupt, memory for DMA and a copy of its configuration space.
// devd also holds a device's DMA memory, so that its pages are not reused before the device was reset.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <futura/abi.h>
#include <futura/fipc.h>
#include <futura/loader.h>

#define DEVICES_MAX 32
#define BARS 6
#define NO_BUS 0xffff

enum device_state { DEVICE_NO_DRIVER, DEVICE_RUNNING, DEVICE_GIVEN_UP, DEVICE_WAITING };

struct bar { fut_handle_t memory; uint64_t physical, bytes; };

struct device {
    char name[32];                    // pci-00:03.0, com1, pl011@9000000
    const struct driver *driver;      // null: none
    enum device_state state;
    char service[32];                 // name in the registry

    uint16_t vendor, product, bus;    // NO_BUS: not on PCI
    uint8_t slot, function;
    uint32_t class;
    uint64_t address;                 // first register or port
    volatile uint8_t *config;         // configuration space, 4 KiB
    struct bar bar[BARS];
    fut_handle_t ports;               // x86
    uint32_t line, line_flags;        // interrupt of a device that is not on PCI
    bool has_line;
    struct fut_msi msi;
    volatile uint32_t *msix;          // its table

    fut_handle_t irq, dma, config_copy, channel;
    struct fut_spawned host;
    uint32_t starts, quick_ends;
    uint64_t since_ns, restart_at;
    uint64_t task_id;
};

struct driver {
    const char *image;                // archive member
    const char *compatible;           // how the device tree or devd itself names the device; null: PCI
    uint16_t vendor, products[2];     // PCI
    const char *service;              // registry name; '%' stands for a letter: a, b, ...; '#' for a digit
    uint32_t dma_bytes;
    bool virtio;                      // is reset through its virtio registers
    bool console;                     // its host may call the debugger
};

extern struct device devices[DEVICES_MAX];
extern size_t device_count;
extern fut_handle_t machine;

// devd.c
struct device *device_add(const char *name);
// Makes physical memory reachable; null: it cannot be.
void *map_physical(uint64_t address, uint64_t bytes, uint32_t memory_flags, uint32_t prot);
const struct driver *driver_compatible(const char *compatible);
const struct driver *driver_pci(uint16_t vendor, uint16_t product);

// pci.c. window: where BARs that nobody assigned may go; bytes 0: firmware has assigned all.
struct pci_window { uint64_t bus_address, physical, bytes; };
struct pci_root { uint64_t ecam; uint8_t first_bus, last_bus; struct pci_window window; };
void pci_scan(const struct pci_root *root);
[[nodiscard]] fut_status_t pci_prepare(struct device *d); // BARs, MSI-X: once
void pci_enable(struct device *d);                        // before each start of its host
void pci_quiesce(struct device *d);                       // after it has ended: no DMA, device reset

// acpi.c, devicetree.c: what the firmware describes.
bool acpi_find(uint64_t rsdp);
bool devicetree_find(const void *tree, size_t bytes);

// keep.c: what the next devd takes over.
void keep_open(void);                       // ends the hosts of the devd before
void keep_restore(struct device *d);        // before the device is set up
void keep_started(struct device *d);
void keep_ended(struct device *d);          // before its task's handle is deleted

// host.c
void host_start(struct device *d);
void host_ended(struct device *d);
void host_publish(struct device *d);
