// SPDX-License-Identifier: MPL-2.0
//
// The few facts that the kernel itself needs from the firmware's ACPI tables: interrupt controllers and
// CPUs (MADT), a clock to calibrate against (HPET, the FADT's PM timer), how to power off (FADT, and the
// _S5_ package of the DSDT). Devices are user space's business: it gets the RSDP.
//
// Tables are checked for length and checksum before they are believed.
#include "x86.h"

struct x86_acpi x86_acpi;

struct [[gnu::packed]] header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], table[8];
    uint32_t oem_revision, creator, creator_revision;
};

static uint32_t le32(const uint8_t *p) { uint32_t v; __builtin_memcpy(&v, p, 4); return v; }
static uint64_t le64(const uint8_t *p) { uint64_t v; __builtin_memcpy(&v, p, 8); return v; }

static bool sums_to_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;
    while (n--) {
        sum = (uint8_t)(sum + *p++);
    }
    return sum == 0;
}

static const uint8_t *table_at(phys_t at)
{
    if (!at) {
        return nullptr;
    }
    mmu_map_tables(at, sizeof(struct header));
    const struct header *h = phys_to_virt(at);
    if (h->length < sizeof *h || h->length > 1u << 20) {
        return nullptr;
    }
    mmu_map_tables(at, h->length);
    return sums_to_zero((const uint8_t *)h, h->length) ? (const uint8_t *)h : nullptr;
}

static uint32_t length(const uint8_t *t) { return le32(t + 4); }

static void read_madt(const uint8_t *t)
{
    x86_acpi.lapic = le32(t + 36);
    for (uint32_t at = 44; at + 2 <= length(t);) {
        const uint8_t *e = t + at;
        if (e[1] < 2 || at + e[1] > length(t)) {
            return;
        }
        if (e[0] == 0 && e[1] >= 8 && (e[4] & 1)) {
            if (x86_acpi.cpus < FUT_CPUS_MAX) {
                x86_acpi.cpu_apic[x86_acpi.cpus] = e[3];
            }
            x86_acpi.cpus++;
        } else if (e[0] == 1 && e[1] >= 12 && x86_acpi.ioapics < 4) {
            x86_acpi.ioapic[x86_acpi.ioapics].base = le32(e + 4);
            x86_acpi.ioapic[x86_acpi.ioapics++].first = le32(e + 8);
        } else if (e[0] == 2 && e[1] >= 10 && e[2] == 0 && e[3] < 16) {
            x86_acpi.override[e[3]].present = true;
            x86_acpi.override[e[3]].input = le32(e + 4);
            x86_acpi.override[e[3]].flags = (uint16_t)(e[8] | e[9] << 8);
        } else if (e[0] == 5 && e[1] >= 12) {
            x86_acpi.lapic = le64(e + 4);
        }
        at += e[1];
    }
}

// One small integer of AML: ZeroOp, OneOp, OnesOp or a byte constant; -1: something else.
static int aml_byte(const uint8_t **p)
{
    uint8_t op = *(*p)++;
    return op == 0 || op == 1 ? op : op == 0xff ? 0xff : op == 0x0a ? *(*p)++ : -1;
}

// Name(_S5_, Package{SLP_TYPa, SLP_TYPb, ...}): found by its name rather than by running the AML.
static void read_dsdt(const uint8_t *t)
{
    for (uint32_t at = 36; at + 16 <= length(t); at++) {
        if (__builtin_memcmp(t + at, "_S5_\x12", 5) != 0) {
            continue;
        }
        const uint8_t *p = t + at + 5;
        p += 1 + (*p >> 6); // package length
        p++;                // number of elements
        int a = aml_byte(&p), b = aml_byte(&p);
        if (a >= 0 && b >= 0) {
            x86_acpi.sleep_a = (uint8_t)(a & 7);
            x86_acpi.sleep_b = (uint8_t)(b & 7);
            x86_acpi.has_s5 = true;
        }
        return;
    }
}

static void read_fadt(const uint8_t *t)
{
    if (length(t) < 116) {
        return;
    }
    x86_acpi.pm1a_control = le32(t + 64);
    x86_acpi.pm1b_control = le32(t + 68);
    x86_acpi.pm_timer = le32(t + 76);
    x86_acpi.pm_timer_32 = le32(t + 112) >> 8 & 1;
    phys_t dsdt = length(t) >= 148 ? le64(t + 140) : 0;
    const uint8_t *d = table_at(dsdt ? dsdt : le32(t + 40));
    if (d) {
        read_dsdt(d);
    }
}

static void read_table(phys_t at)
{
    const uint8_t *t = table_at(at);
    if (!t) {
        return;
    }
    if (__builtin_memcmp(t, "APIC", 4) == 0 && length(t) >= 44) {
        read_madt(t);
    } else if (__builtin_memcmp(t, "FACP", 4) == 0) {
        read_fadt(t);
    } else if (__builtin_memcmp(t, "HPET", 4) == 0 && length(t) >= 52 && t[40] == 0) {
        x86_acpi.hpet = le64(t + 44);
    }
}

void acpi_init(phys_t rsdp)
{
    if (!rsdp) {
        return;
    }
    mmu_map_tables(rsdp, 36);
    const uint8_t *r = phys_to_virt(rsdp);
    if (__builtin_memcmp(r, "RSD PTR ", 8) != 0 || !sums_to_zero(r, 20)) {
        return;
    }
    bool wide = r[15] >= 2 && le64(r + 24) != 0;
    const uint8_t *root = table_at(wide ? le64(r + 24) : le32(r + 16));
    if (!root) {
        return;
    }
    uint32_t step = wide ? 8 : 4;
    for (uint32_t at = 36; at + step <= length(root); at += step) {
        read_table(wide ? le64(root + at) : le32(root + at));
    }
}
