// SPDX-License-Identifier: MPL-2.0
//
// GICv2 (Arm IHI 0048), its CPU interface in memory, and GICv2m frames for message-signalled interrupts:
// a write of a line's number to a frame raises that line as an edge (Arm Server Base System Architecture,
// appendix on GICv2m).
#include "arm64.h"

#define GICD_CTLR       0x000
#define GICD_TYPER      0x004
#define GICD_IGROUPR    0x080
#define GICD_ISENABLER  0x100
#define GICD_ICENABLER  0x180
#define GICD_ICPENDR    0x280
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR  0x800
#define GICD_ICFGR      0xc00
#define GICD_SGIR       0xf00
#define GICC_CTLR 0x00
#define GICC_PMR  0x04
#define GICC_IAR  0x0c
#define GICC_EOIR 0x10
#define MSI_TYPER  0x008
#define MSI_SETSPI 0x040

static uint64_t gicd, gicc;
static struct gic v2;

static struct { phys_t setspi; uint32_t first, count; } frame;
static uint64_t msi_used[ARCH_IRQ_COUNT / 64];

static void bit(uint32_t base, uint32_t line)
{
    mmio_write32(gicd + base + line / 32 * 4, 1u << line % 32);
}

static void v2_mask(uint32_t line) { bit(GICD_ICENABLER, line); }

static void v2_unmask(uint32_t line) { bit(GICD_ISENABLER, line); }

static void v2_configure(uint32_t line, bool level)
{
    uint64_t r = gicd + GICD_ICFGR + line / 16 * 4;
    uint32_t edge = 2u << line % 16 * 2, v = mmio_read32(r);
    mmio_write32(r, level ? v & ~edge : v | edge);
    bit(GICD_ICPENDR, line);
}

static uint32_t acknowledged[FUT_CPUS_MAX]; // IAR as read: EOIR wants the same value
static uint8_t target[FUT_CPUS_MAX];        // how the distributor names each CPU
static uint32_t v2_acknowledge(void)
{
    uint32_t v = acknowledged[arch_cpu()->arch.number] = mmio_read32(gicc + GICC_IAR);
    return v & 0x3ff;
}

static void v2_end(uint32_t line)
{
    (void)line;
    mmio_write32(gicc + GICC_EOIR, acknowledged[arch_cpu()->arch.number]);
}

static void v2_send(unsigned cpu)
{
    mmio_write32(gicd + GICD_SGIR, (uint32_t)target[cpu] << 16);
}

// Lines 0 to 31 are every CPU's own; which CPU this is, is read back from where they go.
static void v2_cpu_init(void)
{
    mmio_write32(gicd + GICD_ICENABLER, 0xffffffff);
    for (uint32_t i = 0; i < 32; i++)
        mmio_write8(gicd + GICD_IPRIORITYR + i, 0xa0);
    uint8_t self = (uint8_t)mmio_read32(gicd + GICD_ITARGETSR);
    target[arch_cpu()->arch.number] = self ? self : 1;
    mmio_write32(gicc + GICC_PMR, 0xf0);
    mmio_write32(gicc + GICC_CTLR, 1);
}

static void v2_init(void)
{
    mmio_write32(gicd + GICD_CTLR, 0);
    for (uint32_t i = 0; i < v2.lines; i += 32) {
        mmio_write32(gicd + GICD_ICENABLER + i / 8, 0xffffffff);
        mmio_write32(gicd + GICD_ICPENDR + i / 8, 0xffffffff);
    }
    v2_cpu_init();
    for (uint32_t i = 32; i < v2.lines; i++) {
        mmio_write8(gicd + GICD_IPRIORITYR + i, 0xa0);
        mmio_write8(gicd + GICD_ITARGETSR + i, target[0]); // devices interrupt the first CPU
    }
    mmio_write32(gicd + GICD_CTLR, 1);
}

static fut_status_t v2_msi_alloc(uint32_t *line, struct fut_msi *out)
{
    for (uint32_t l = frame.first; l < frame.first + frame.count; l++) {
        if (msi_used[l / 64] >> l % 64 & 1)
            continue;
        fut_status_t status = arch_irq_setup(l, 0);
        if (status != FUT_OK)
            return status;
        msi_used[l / 64] |= 1ull << l % 64;
        v2_unmask(l); // nobody masks or acknowledges a message
        *line = l;
        out->address = frame.setspi;
        out->data = l;
        return FUT_OK;
    }
    return FUT_ERR_NO_MEMORY;
}

static void v2_msi_free(uint32_t line)
{
    if (line < frame.first || line >= frame.first + frame.count)
        return;
    v2_mask(line);
    msi_used[line / 64] &= ~(1ull << line % 64);
}

const struct gic *gic_v2_probe(void)
{
    static const char *const names[] = {"arm,cortex-a15-gic", "arm,gic-400"};
    int node = -1;
    for (unsigned i = 0; i < 2 && node < 0; i++)
        node = devicetree_find(-1, names[i]);
    struct boot_range d, c, m;
    if (node < 0 || !devicetree_reg(node, 0, &d) || !devicetree_reg(node, 1, &c))
        return nullptr;
    gicd = (uint64_t)mmu_device(d.base, d.bytes);
    gicc = (uint64_t)mmu_device(c.base, c.bytes);
    v2 = (struct gic){.init = v2_init, .cpu_init = v2_cpu_init, .send = v2_send, .acknowledge = v2_acknowledge, .end = v2_end, .mask = v2_mask,
                      .unmask = v2_unmask, .configure = v2_configure,
                      .lines = ((mmio_read32(gicd + GICD_TYPER) & 31) + 1) * 32};
    int f = devicetree_find_below(node, "arm,gic-v2m-frame");
    if (f >= 0 && devicetree_reg(f, 0, &m)) {
        uint32_t typer = mmio_read32((uint64_t)mmu_device(m.base, m.bytes) + MSI_TYPER);
        frame.setspi = m.base + MSI_SETSPI;
        frame.first = typer >> 16 & 0x3ff;
        frame.count = typer & 0x3ff;
        if (frame.first >= 32 && frame.first + frame.count <= min(v2.lines, ARCH_IRQ_COUNT)) {
            v2.msi_alloc = v2_msi_alloc;
            v2.msi_free = v2_msi_free;
        }
    }
    return &v2;
}
