// SPDX-License-Identifier: MPL-2.0
//
// GICv3 (Arm IHI 0069): distributor and redistributor in memory, the CPU interface in system registers.
// All lines are group 1. With one security state (no EL3) or seen from the non-secure side the registers
// used here are the same.
#include "arm64.h"

#define GICD_CTLR       0x0000
#define GICD_TYPER      0x0004
#define GICD_IGROUPR    0x0080
#define GICD_ISENABLER  0x0100
#define GICD_ICENABLER  0x0180
#define GICD_ICPENDR    0x0280
#define GICD_IPRIORITYR 0x0400
#define GICD_ICFGR      0x0c00
#define GICD_IROUTER    0x6000
#define CTLR_RWP (1u << 31)
#define CTLR_ARE (1u << 4)
#define CTLR_GROUP1 (1u << 1)
#define GICR_TYPER 0x0008
#define GICR_WAKER 0x0014
#define GICR_SGI   0x10000          // second frame: lines 0 to 31, registers as in the distributor

static uint64_t gicd, gicr[FUT_CPUS_MAX];
static struct boot_range regions[4];
static uint32_t region_count;
static struct gic v3;

static uint64_t frame_of(uint32_t line) { return line < 32 ? gicr[arch_cpu()->arch.number] + GICR_SGI : gicd; }

static void bit(uint32_t base, uint32_t line)
{
    mmio_write32(frame_of(line) + base + line / 32 * 4, 1u << line % 32);
}

static void settle(void)
{
    while (mmio_read32(gicd + GICD_CTLR) & CTLR_RWP)
        ;
}

static void v3_mask(uint32_t line)
{
    bit(GICD_ICENABLER, line);
    if (line >= 32)
        settle();
}

static void v3_unmask(uint32_t line) { bit(GICD_ISENABLER, line); }

static void v3_configure(uint32_t line, bool level)
{
    uint64_t r = frame_of(line) + GICD_ICFGR + line / 16 * 4;
    uint32_t edge = 2u << line % 16 * 2, v = mmio_read32(r);
    mmio_write32(r, level ? v & ~edge : v | edge);
    bit(GICD_ICPENDR, line);
}

static uint32_t acknowledged[FUT_CPUS_MAX]; // INTID: a message's number is not its line
static uint32_t v3_acknowledge(void)
{
    uint32_t id = (uint32_t)read_sysreg(S3_0_C12_C12_0) & 0xffffff; // ICC_IAR1_EL1
    acknowledged[arch_cpu()->arch.number] = id;
    dsb(sy);
    return id >= LPI_FIRST ? id - LPI_FIRST + v3.lines : id;
}

static void v3_end(uint32_t line)
{
    (void)line;
    write_sysreg(S3_0_C12_C12_1, acknowledged[arch_cpu()->arch.number]); // ICC_EOIR1_EL1
    isb();
}

// The redistributor whose affinity is this CPU's: frames of 128 KiB, 256 with virtual interrupts.
static uint64_t find_redistributor(phys_t *phys)
{
    uint64_t mpidr = read_sysreg(mpidr_el1);
    uint32_t affinity = (uint32_t)((mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff));
    for (uint32_t i = 0; i < region_count; i++) {
        uint64_t at = (uint64_t)mmu_device(regions[i].base, regions[i].bytes), end = at + regions[i].bytes;
        for (uint64_t typer; at + 0x20000 <= end; at += typer & 2 ? 0x40000 : 0x20000) {
            typer = mmio_read64(at + GICR_TYPER);
            if (typer >> 32 == affinity) {
                *phys = regions[i].base + regions[i].bytes - (end - at);
                return at;
            }
            if (typer & 1 << 4) // last
                break;
        }
    }
    panic("no GICv3 redistributor for this CPU");
}

static uint64_t affinity[FUT_CPUS_MAX]; // MPIDR_EL1
static phys_t gicr_phys;           // of the CPU that came last

static void v3_send(unsigned cpu)
{
    uint64_t a = affinity[cpu]; // ICC_SGI1R_EL1: affinities 3, 2, 1 and a bit for 0; interrupt 0
    write_sysreg(S3_0_C12_C11_5, (a >> 32 & 0xff) << 48 | (a >> 16 & 0xff) << 32 | (a >> 8 & 0xff) << 16 | 1ull << (a & 15));
    isb();
}

static void reset_lines(uint32_t first)
{
    uint64_t f = frame_of(first);
    mmio_write32(f + GICD_ICENABLER + first / 8, 0xffffffff);
    mmio_write32(f + GICD_ICPENDR + first / 8, 0xffffffff);
    mmio_write32(f + GICD_IGROUPR + first / 8, 0xffffffff);
    for (uint32_t n = first; n < first + 32; n += 4)
        mmio_write32(f + GICD_IPRIORITYR + n, 0xa0a0a0a0);
}

static void v3_cpu_init(void)
{
    unsigned self = arch_cpu()->arch.number;
    affinity[self] = read_sysreg(mpidr_el1);
    uint64_t r = gicr[self] = find_redistributor(&gicr_phys);
    mmio_write32(r + GICR_WAKER, mmio_read32(r + GICR_WAKER) & ~2u);
    while (mmio_read32(r + GICR_WAKER) & 4)
        ;
    reset_lines(0);
    write_sysreg(S3_0_C12_C12_5, read_sysreg(S3_0_C12_C12_5) | 1); // ICC_SRE_EL1: system registers
    isb();
    write_sysreg(S3_0_C4_C6_0, 0xf0);   // ICC_PMR_EL1
    write_sysreg(S3_0_C12_C12_3, 0);    // ICC_BPR1_EL1
    write_sysreg(S3_0_C12_C12_4, 0);    // ICC_CTLR_EL1: end of interrupt also deactivates
    write_sysreg(S3_0_C12_C12_7, 1);    // ICC_IGRPEN1_EL1
    isb();
}

static void v3_init(void)
{
    mmio_write32(gicd + GICD_CTLR, 0);
    settle();
    v3_cpu_init();
    for (uint32_t i = 32; i < v3.lines; i += 32)
        reset_lines(i);
    settle();
    mmio_write32(gicd + GICD_CTLR, CTLR_ARE | CTLR_GROUP1);
    settle();
    uint64_t mpidr = read_sysreg(mpidr_el1) & 0xff00ffffff;
    for (uint32_t i = 32; i < v3.lines; i++)
        mmio_write64(gicd + GICD_IROUTER + i * 8, mpidr); // devices interrupt the first CPU
    if (gic_its_init(gicr[0], gicr_phys, v3.lines)) {
        v3.msi_alloc = gic_its_alloc;
        v3.msi_free = gic_its_free;
    }
}

const struct gic *gic_v3_probe(void)
{
    int node = devicetree_find(-1, "arm,gic-v3");
    struct boot_range d;
    if (node < 0 || !devicetree_reg(node, 0, &d))
        return nullptr;
    uint64_t count = 1;
    devicetree_number(node, "#redistributor-regions", &count);
    for (unsigned i = 0; i < count && region_count < 4; i++)
        if (devicetree_reg(node, 1 + i, &regions[region_count]))
            region_count++;
    gicd = (uint64_t)mmu_device(d.base, d.bytes);
    uint32_t lines = ((mmio_read32(gicd + GICD_TYPER) & 31) + 1) * 32;
    v3 = (struct gic){.init = v3_init, .cpu_init = v3_cpu_init, .send = v3_send, .acknowledge = v3_acknowledge, .end = v3_end, .mask = v3_mask,
                      .unmask = v3_unmask, .configure = v3_configure, .lines = min(lines, 1020u)};
    return &v3;
}
