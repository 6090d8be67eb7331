// SPDX-License-Identifier: MPL-2.0
//
// From boot.S to kernel_main: reads what the PVH loader handed over (memory map, modules, command line,
// RSDP), sets up the CPU, tables, interrupt controllers and clocks, and describes the machine.
#include "x86.h"
#include <thread.h>
#include <base.h>

#define PVH_MAGIC 0x336ec578u
#define MEMORY_RAM 1u
#define CPUID_V2 (1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23)

struct pvh_info {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp;
    uint64_t memory_map; // from version 1 on
    uint32_t memory_map_entries, reserved;
};
struct pvh_module { uint64_t base, bytes, command_line, reserved; };
struct pvh_memory { uint64_t base, bytes; uint32_t type, reserved; };

static struct boot boot;
static phys_t early_next;   // pages behind the image, given out before the kernel manages memory
static phys_t early_end;

phys_t early_page(void)
{
    if (early_next >= early_end) {
        panic("no memory behind the kernel image for page tables");
    }
    phys_t page = early_next;
    early_next += FUT_PAGE_SIZE;
    arch_zero_page(phys_to_virt(page));
    return page;
}

static void add_ram(phys_t base, phys_t end)
{
    base = (base + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
    end &= ~(FUT_PAGE_SIZE - 1ull);
    if (base < end && boot.ram_count < sizeof boot.ram / sizeof boot.ram[0]) {
        boot.ram[boot.ram_count++] = (struct boot_range){base, end - base};
    }
}

static void reserve(phys_t base, uint64_t bytes)
{
    if (bytes) {
        phys_t end = (base + bytes + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
        base &= ~(FUT_PAGE_SIZE - 1ull);
        boot.reserved[boot.reserved_count++] = (struct boot_range){base, end - base};
    }
}

// Everything of the hand-over is copied or reserved; it lies in the first GiB, which boot.S has mapped.
static void read_info(const struct pvh_info *info)
{
    if (info->magic != PVH_MAGIC || info->version < 1) {
        panic("started without a PVH memory map (magic %x, version %u)", info->magic, info->version);
    }
    boot.rsdp = info->rsdp;
    if (info->command_line) {
        const char *from = phys_to_virt(info->command_line);
        for (size_t i = 0; i + 1 < sizeof boot.command_line && from[i]; i++) {
            boot.command_line[i] = from[i];
        }
    }
    reserve(TRAMPOLINE, FUT_PAGE_SIZE);
    if (info->modules) {
        const struct pvh_module *m = phys_to_virt(info->module_list);
        boot.archive = (struct boot_range){m->base, m->bytes};
        reserve(m->base, m->bytes);
    }
    // The image and the pages taken behind it are cut out of the RAM that holds them.
    const struct pvh_memory *map = phys_to_virt(info->memory_map);
    phys_t image = (uint64_t)image_start - KERNEL_OFFSET;
    early_next = (uint64_t)image_end - KERNEL_OFFSET;
    for (uint32_t i = 0; i < info->memory_map_entries; i++) {
        if (map[i].type != MEMORY_RAM) {
            continue;
        }
        phys_t base = map[i].base, end = base + map[i].bytes;
        // The first page stays out: physical address 0 means "none".
        add_ram(base < FUT_PAGE_SIZE ? FUT_PAGE_SIZE : base, end);
        if (base <= image && early_next < end) {
            early_end = end < 1ull << 30 ? end : 1ull << 30;
        }
    }
    if (boot.archive.bytes && boot.archive.base > early_next && boot.archive.base < early_end) {
        early_end = boot.archive.base;
    }
}

// Takes [image, early_next) out of the range that holds it.
static void cut_out_image(void)
{
    phys_t image = (uint64_t)image_start - KERNEL_OFFSET;
    for (uint32_t i = 0; i < boot.ram_count; i++) {
        phys_t base = boot.ram[i].base, end = base + boot.ram[i].bytes;
        if (base <= image && image < end) {
            boot.ram[i] = (struct boot_range){early_next, end - early_next};
            add_ram(base, image);
            return;
        }
    }
}

[[noreturn]] void boot_main(uint32_t info)
{
    console_init();
    cpu_init(cpus);
    read_info(phys_to_virt(info));
    mmu_init(boot.ram, boot.ram_count);
    acpi_init(boot.rsdp);
    apic_init();
    lines_init();
    time_init();
    cut_out_image();
    boot.cpus = x86_acpi.cpus ? x86_acpi.cpus : 1;
    cpu_name(boot.cpu_name, sizeof boot.cpu_name);
    if ((cpuid(1, 0).c & CPUID_V2) != CPUID_V2) { // the kernel does without; the build makes user space for it
        klog("This CPU has not all of x86-64-v2 (SSSE3, SSE4.2, POPCNT), which the servers need: -cpu max has it.\n");
    }
    kernel_main(&boot);
}
