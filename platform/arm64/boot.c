// SPDX-License-Identifier: MPL-2.0
//
// The first C code at the linked address: reads the device tree, brings the MMU, the console, the list
// of memory, the interrupt controller and the timer up in that order, and hands the machine to the generic kernel.
#include "arm64.h"

uint64_t kernel_phys;
static struct boot boot;
extern char boot_stack_top[];
[[noreturn]] void boot_main(phys_t image, phys_t devicetree);

// The `size` first bytes of `from` that fit, 0-terminated.
static void copy_string(char *to, size_t size, const char *from)
{
    size_t n = 0;
    for (; from && from[n] && n + 1 < size; n++)
        to[n] = from[n];
    to[n] = 0;
}

// MIDR_EL1: implementer 31..24, variant 23..20, part 15..4, revision 3..0.
static void name_cpu(void)
{
    static const struct { uint16_t part; const char *name; } parts[] = {
        {0xd03, "ARM Cortex-A53"}, {0xd04, "ARM Cortex-A35"}, {0xd05, "ARM Cortex-A55"}, {0xd07, "ARM Cortex-A57"},
        {0xd08, "ARM Cortex-A72"}, {0xd09, "ARM Cortex-A73"}, {0xd0a, "ARM Cortex-A75"}, {0xd0b, "ARM Cortex-A76"},
        {0xd0c, "ARM Neoverse N1"}, {0xd40, "ARM Neoverse V1"}, {0xd49, "ARM Neoverse N2"}};
    uint32_t midr = (uint32_t)read_sysreg(midr_el1);
    const char *name = midr >> 24 == 0 ? "QEMU virtual CPU" : "ARMv8 CPU";
    if (midr >> 24 == 0x41)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            if (parts[i].part == (midr >> 4 & 0xfff))
                name = parts[i].name;
    copy_string(boot.cpu_name, sizeof boot.cpu_name - 8, name);
    size_t n = 0;
    while (boot.cpu_name[n])
        n++;
    char revision[] = {' ', 'r', (char)('0' + (midr >> 20 & 15) % 10), 'p', (char)('0' + (midr & 15) % 10), 0};
    memcpy(boot.cpu_name + n, revision, sizeof revision);
}

// RAM in whole pages, without the image.
static void add_ram(phys_t base, phys_t end)
{
    base = (base + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
    end &= ~(FUT_PAGE_SIZE - 1ull);
    phys_t past = kernel_phys + (uint64_t)(image_end - image_start);
    if (base < past && kernel_phys < end) {
        if (base < kernel_phys)
            add_ram(base, kernel_phys);
        if (past < end)
            add_ram(past, end);
    } else if (base < end && boot.ram_count < sizeof boot.ram / sizeof boot.ram[0]) {
        boot.ram[boot.ram_count++] = (struct boot_range){base, end - base};
    }
}

static void reserve(struct boot_range r)
{
    phys_t base = r.base & ~(FUT_PAGE_SIZE - 1ull);
    phys_t end = (r.base + r.bytes + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
    if (boot.reserved_count == sizeof boot.reserved / sizeof boot.reserved[0])
        panic("more than %u reserved ranges of memory", boot.reserved_count);
    boot.reserved[boot.reserved_count++] = (struct boot_range){base, end - base};
}

static bool is_reserved(phys_t base, uint64_t bytes, phys_t *low)
{
    for (uint32_t i = 0; i < boot.reserved_count; i++)
        if (base < boot.reserved[i].base + boot.reserved[i].bytes && boot.reserved[i].base < base + bytes) {
            *low = boot.reserved[i].base;
            return true;
        }
    return false;
}

phys_t boot_reserve(uint64_t bytes, uint64_t alignment)
{
    for (uint32_t i = boot.ram_count; i-- > 0;) {
        phys_t end = boot.ram[i].base + boot.ram[i].bytes;
        while (end >= boot.ram[i].base + bytes) {
            phys_t base = (end - bytes) & ~(alignment - 1);
            if (base < boot.ram[i].base)
                break;
            if (!is_reserved(base, bytes, &end)) {
                reserve((struct boot_range){base, bytes});
                memset(phys_to_virt(base), 0, bytes);
                return base;
            }
        }
    }
    return 0;
}

[[noreturn]] void boot_main(phys_t image, phys_t devicetree)
{
    kernel_phys = image;
    struct cpu *cpu = arch_cpu();
    cpu->arch.self = cpu;
    cpu->arch.stack_top = (uint64_t)boot_stack_top;

    devicetree_open(phys_to_virt(devicetree));
    struct boot_range ram[16], reserved[8];
    uint32_t ram_count = devicetree_memory(ram, 16);
    if (ram_count == 0)
        panic("the device tree names no memory");
    mmu_init(ram, ram_count);
    console_init();
    for (uint32_t i = 0; i < ram_count; i++)
        add_ram(ram[i].base, ram[i].base + ram[i].bytes);
    uint32_t reserved_count = devicetree_reserved(reserved, 8);
    for (uint32_t i = 0; i < reserved_count; i++)
        reserve(reserved[i]);
    boot.devicetree = (struct boot_range){devicetree, devicetree_bytes()};
    reserve(boot.devicetree);
    int chosen = devicetree_path("/chosen");
    uint64_t start, end;
    if (chosen >= 0 && devicetree_number(chosen, "linux,initrd-start", &start) &&
        devicetree_number(chosen, "linux,initrd-end", &end) && end > start) {
        boot.archive = (struct boot_range){start, end - start};
        reserve(boot.archive);
    }
    if (chosen >= 0)
        copy_string(boot.command_line, sizeof boot.command_line, devicetree_string(chosen, "bootargs"));
    gic_init();
    timer_init();
    boot.cpus = devicetree_cpus();
    name_cpu();
    power_init(boot.command_line);
    kernel_main(&boot);
}
