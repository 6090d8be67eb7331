// SPDX-License-Identifier: MPL-2.0
//
// Message-signalled interrupts of a GICv3: the Interrupt Translation Service (Arm IHI 0069, chapter 5). A
// device's write of an event number to the translation register is looked up by (device, event) and becomes
// a locality-specific interrupt (LPI) of this CPU's redistributor. LPI 8192 + n has number first + n here.
//
// The tables lie in memory that the controller owns from here on: taken at boot, never given back. Commands
// go through a ring; each is waited for, because they are rare.
#include "arm64.h"

#define GITS_CTLR    0x0000
#define GITS_TYPER   0x0008
#define GITS_CBASER  0x0080
#define GITS_CWRITER 0x0088
#define GITS_CREADR  0x0090
#define GITS_BASER   0x0100
#define GITS_TRANSLATER 0x10040
#define GICR_CTLR      0x0000
#define GICR_PROPBASER 0x0070
#define GICR_PENDBASER 0x0078
#define TYPER_PHYSICAL_TARGET (1ull << 19)
#define BASE_VALID (1ull << 63)
#define BASE_CACHED (7ull << 59 | 1ull << 10)  // write-back, inner shareable
#define BASE_TYPE(v) ((v) >> 56 & 7)
#define TYPE_DEVICES 1
#define TYPE_COLLECTIONS 4
#define LPI_BITS 14                            // INTIDs below 16384
#define LPI_ENABLED 0xa1                       // priority 0xa0
#define BLOCK 0x10000ull

// One block of memory, the parts aligned as the controller wants them.
#define QUEUE_AT      (0 * BLOCK)
#define PENDING_AT    (1 * BLOCK)
#define DEVICES_AT    (2 * BLOCK)              // bytes: BLOCK
#define CONFIG_AT     (3 * BLOCK)              // one byte per LPI
#define COLLECTION_AT (3 * BLOCK + 0x2000)
#define ITT_AT        (3 * BLOCK + 0x4000)     // one table per device
#define MEMORY_BYTES  (4 * BLOCK)
#define ITT_BYTES 512u
#define EVENT_BITS 4u
#define DEVICES_MAX 64u
#define MESSAGES_MAX 128u
static_assert(ITT_AT + DEVICES_MAX * ITT_BYTES <= MEMORY_BYTES);

static uint64_t its;
static phys_t its_phys, memory;
static uint64_t target;                        // the redistributor, as commands name it
static uint32_t first_number, message_limit;
static uint32_t devices[DEVICES_MAX], device_count;
static uint32_t device_entries;                // that the device table holds
static struct message { bool used; uint8_t event; uint32_t device; } messages[MESSAGES_MAX];

static bool command(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t at = mmio_read64(its + GITS_CWRITER) & 0xfffe0;
    uint64_t *q = phys_to_virt(memory + QUEUE_AT + at);
    q[0] = a, q[1] = b, q[2] = c, q[3] = 0;
    dsb(sy);
    at = (at + 32) % BLOCK;
    mmio_write64(its + GITS_CWRITER, at);
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t read = mmio_read64(its + GITS_CREADR);
        if (read & 1)
            return false; // stalled: it does not like the command
        if ((read & 0xfffe0) == at)
            return true;
    }
    return false;
}

static bool map_device(uint32_t device, uint32_t index)
{
    phys_t table = memory + ITT_AT + index * ITT_BYTES;
    return command(0x08 | (uint64_t)device << 32, EVENT_BITS - 1, BASE_VALID | table); // MAPD
}

static bool set_tables(void)
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t r = its + GITS_BASER + i * 8, v = mmio_read64(r);
        uint64_t entry = (v >> 48 & 31) + 1;
        if (BASE_TYPE(v) == TYPE_DEVICES) {
            mmio_write64(r, BASE_VALID | BASE_CACHED | (memory + DEVICES_AT) | (BLOCK / FUT_PAGE_SIZE - 1));
            device_entries = (uint32_t)(BLOCK / entry);
        } else if (BASE_TYPE(v) == TYPE_COLLECTIONS) {
            mmio_write64(r, BASE_VALID | BASE_CACHED | (memory + COLLECTION_AT));
        }
    }
    return device_entries != 0;
}

bool gic_its_init(uint64_t redistributor, phys_t redistributor_phys, uint32_t first)
{
    int node = devicetree_find(-1, "arm,gic-v3-its");
    struct boot_range r;
    if (node < 0 || !devicetree_reg(node, 0, &r))
        return false;
    memory = boot_reserve(MEMORY_BYTES, BLOCK);
    if (!memory)
        return false;
    its = (uint64_t)mmu_device(r.base, r.bytes);
    its_phys = r.base;
    uint64_t typer = mmio_read64(its + GITS_TYPER);
    target = typer & TYPER_PHYSICAL_TARGET ? redistributor_phys : (mmio_read64(redistributor + 8) >> 8 & 0xffff) << 16;
    first_number = first;
    message_limit = first < ARCH_IRQ_COUNT ? min(ARCH_IRQ_COUNT - first, MESSAGES_MAX) : 0;

    mmio_write64(redistributor + GICR_PROPBASER, (memory + CONFIG_AT) | 7ull << 7 | 1ull << 10 | (LPI_BITS - 1));
    mmio_write64(redistributor + GICR_PENDBASER, (memory + PENDING_AT) | 1ull << 62 | 7ull << 7 | 1ull << 10);
    dsb(sy);
    mmio_write32(redistributor + GICR_CTLR, mmio_read32(redistributor + GICR_CTLR) | 1);

    mmio_write32(its + GITS_CTLR, 0);
    mmio_write64(its + GITS_CBASER, BASE_VALID | BASE_CACHED | (memory + QUEUE_AT) | (BLOCK / FUT_PAGE_SIZE - 1));
    mmio_write64(its + GITS_CWRITER, 0);
    if (!set_tables())
        return false;
    mmio_write32(its + GITS_CTLR, 1);
    return command(0x09, 0, BASE_VALID | target) && // MAPC: collection 0 is this CPU
           command(0x05, 0, target);                // SYNC
}

static bool device_known(uint32_t device)
{
    for (uint32_t i = 0; i < device_count; i++)
        if (devices[i] == device)
            return true;
    if (device_count == DEVICES_MAX || device >= device_entries || !map_device(device, device_count))
        return false;
    devices[device_count++] = device;
    return true;
}

fut_status_t gic_its_alloc(uint32_t *number, struct fut_msi *msi)
{
    uint32_t n = 0, event = 0;
    while (n < message_limit && messages[n].used)
        n++;
    for (bool again = true; again;) { // the lowest event of the device that is free
        again = false;
        for (uint32_t i = 0; i < message_limit; i++)
            if (messages[i].used && messages[i].device == msi->device && messages[i].event == event)
                event++, again = true;
    }
    if (n == message_limit || event >= 1u << EVENT_BITS || !device_known(msi->device))
        return FUT_ERR_NO_SLOT;
    ((uint8_t *)phys_to_virt(memory + CONFIG_AT))[n] = LPI_ENABLED;
    dsb(sy);
    uint64_t device = (uint64_t)msi->device << 32;
    if (!command(0x0a | device, event | (uint64_t)(LPI_FIRST + n) << 32, 0) || // MAPTI
        !command(0x0c | device, event, 0) ||                                   // INV
        !command(0x05, 0, target))                                             // SYNC
        return FUT_ERR_STATE;
    messages[n] = (struct message){.used = true, .event = (uint8_t)event, .device = msi->device};
    *number = first_number + n;
    msi->address = its_phys + GITS_TRANSLATER;
    msi->data = event;
    return FUT_OK;
}

void gic_its_free(uint32_t number)
{
    uint32_t n = number - first_number;
    if (n >= message_limit || !messages[n].used)
        return;
    (void)command(0x0f | (uint64_t)messages[n].device << 32, messages[n].event, 0); // DISCARD
    (void)command(0x05, 0, target);
    messages[n].used = false;
}
