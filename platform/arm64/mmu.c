// SPDX-License-Identifier: MPL-2.0
//
// Translation tables: 4 KiB pages, four levels, 48 bits in both halves.
//
// TTBR1 holds the kernel: the direct map (blocks, never executable) from the bottom, the image (text
// read and execute, rodata read, the rest read and write) at KERNEL_VIRTUAL. It never changes after boot
// but for device windows. TTBR0 holds one Space, whose entries carry an address space number, so that a
// switch flushes nothing. Numbers are given out in order; when they run out, a new generation starts with
// an empty TLB, and every Space takes a new number when it is next switched to. All CPUs leave their Spaces for that,
// so a number of an old generation is in use nowhere once the generation has changed.
//
// TLB maintenance is broadcast: what `tlbi ...is; dsb ish` takes away is gone on every CPU of the inner shareable domain
// when the dsb is through, and no other CPU has to be interrupted.
//
// An entry that is valid is made invalid and flushed before it gets another address (break before make).
#include "arm64.h"

#define PTE_VALID   (1ull << 0)
#define PTE_TABLE   (3ull << 0)     // levels 0 to 2; a page at level 3
#define PTE_ATTR(n) ((uint64_t)(n) << 2)
#define PTE_USER    (1ull << 6)
#define PTE_RO      (1ull << 7)
#define PTE_SHARED  (3ull << 8)     // inner shareable
#define PTE_AF      (1ull << 10)
#define PTE_NG      (1ull << 11)
#define PTE_PXN     (1ull << 53)
#define PTE_UXN     (1ull << 54)
#define PTE_CLEAN   (1ull << 55)    // ours: may be written, is read-only to see the first write
#define PTE_ADDRESS 0x0000fffffffff000ull
#define ATTR_NORMAL 0
#define ATTR_DEVICE 1

#define ASID_SHIFT 48

bool mmu_has_pan;
uint64_t arm64_asid_generation = 1;
uint64_t arm64_empty_ttbr;
phys_t mmu_kernel_root;
static uint32_t asid_next = 1, asid_count;

// --- The kernel's half ------------------------------------------------------------------------------
struct table { uint64_t entry[512]; };
#define POOL_TABLES 32
[[gnu::aligned(4096)]] static struct table pool[POOL_TABLES], kernel_root, empty_root;
static unsigned pool_used;

static struct table *image_table(uint64_t entry)
{
    return (struct table *)((entry & PTE_ADDRESS) - kernel_phys + KERNEL_VIRTUAL);
}

// Maps [va, va + bytes) to pa with the largest blocks that fit.
static void map_kernel(uint64_t va, phys_t pa, uint64_t bytes, uint64_t attributes)
{
    while (bytes) {
        struct table *t = &kernel_root;
        for (unsigned level = 0;; level++) {
            unsigned shift = 39 - 9 * level;
            uint64_t size = 1ull << shift;
            uint64_t *e = &t->entry[va >> shift & 511];
            if (level == 3 || (level && bytes >= size && !((va | pa) & (size - 1)) && !(*e & PTE_VALID))) {
                if (!(*e & PTE_VALID))
                    *e = pa | attributes | (level == 3 ? PTE_TABLE : PTE_VALID);
                va += size, pa += size, bytes -= size;
                break;
            }
            if ((*e & PTE_TABLE) == PTE_VALID) { // a block is there already
                uint64_t step = min(bytes, size - (va & (size - 1)));
                va += step, pa += step, bytes -= step;
                break;
            }
            if (!(*e & PTE_VALID)) {
                if (pool_used == POOL_TABLES)
                    panic("no table left to map physical address %#llx", (unsigned long long)pa);
                *e = image_phys(&pool[pool_used++]) | PTE_TABLE;
            }
            t = image_table(*e);
        }
    }
}

#define KERNEL_RW (PTE_AF | PTE_SHARED | PTE_ATTR(ATTR_NORMAL) | PTE_UXN | PTE_PXN)
#define KERNEL_R  (KERNEL_RW | PTE_RO)
#define KERNEL_RX ((KERNEL_R) & ~PTE_PXN)
#define KERNEL_DEVICE (PTE_AF | PTE_ATTR(ATTR_DEVICE) | PTE_UXN | PTE_PXN)

static void map_image(const char *from, const char *to, uint64_t attributes)
{
    map_kernel((uint64_t)from, image_phys(from), (uint64_t)(to - from), attributes);
}

void mmu_init(const struct boot_range *ram, uint32_t count)
{
    mmu_has_pan = read_sysreg(id_aa64mmfr1_el1) >> 20 & 15;
    asid_count = (read_sysreg(id_aa64mmfr0_el1) >> 4 & 15) == 2 ? 1u << 16 : 1u << 8;
    map_image(image_start, image_text_end, KERNEL_RX);
    map_image(image_text_end, image_rodata_end, KERNEL_R);
    map_image(image_rodata_end, image_end, KERNEL_RW);
    for (uint32_t i = 0; i < count; i++) {
        phys_t base = ram[i].base & ~(FUT_PAGE_SIZE - 1ull);
        phys_t end = (ram[i].base + ram[i].bytes) & ~(FUT_PAGE_SIZE - 1ull);
        map_kernel(ARCH_DIRECT_BASE + base, base, end - base, KERNEL_RW);
    }
    dsb(ishst);
    mmu_kernel_root = image_phys(&kernel_root);
    arm64_replace_ttbr1(mmu_kernel_root);
    arm64_empty_ttbr = image_phys(&empty_root); // number 0: nobody's
    write_sysreg(ttbr0_el1, arm64_empty_ttbr);
    isb();
    __asm__ volatile("tlbi vmalle1\n dsb nsh\n isb" : : : "memory");
}

void arch_phys_window(phys_t base, uint64_t bytes)
{
    phys_t first = base & ~(FUT_PAGE_SIZE - 1ull);
    phys_t end = (base + bytes + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull);
    map_kernel(ARCH_DIRECT_BASE + first, first, end - first, KERNEL_DEVICE);
    dsb(ishst);
    isb();
}

void *mmu_device(phys_t base, uint64_t bytes)
{
    arch_phys_window(base, bytes);
    return phys_to_virt(base);
}

// --- Address space numbers -----------------------------------------------------------------------------
void arm64_asid_renew(struct arch_space *s)
{
    if (asid_next == asid_count) {
        asid_next = 1;
        arm64_asid_generation++;
        // Spaces that are loaded have numbers of the old generation: they are left before the flush.
        struct space *next = arch_cpu()->space;
        space_leave(nullptr);
        arch_cpu()->space = next; // whoever called is about to load it
        write_sysreg(ttbr0_el1, arm64_empty_ttbr);
        isb();
        __asm__ volatile("dsb ishst\n tlbi vmalle1is\n dsb ish\n isb" : : : "memory");
    }
    s->ttbr = (s->ttbr & PTE_ADDRESS) | (uint64_t)asid_next++ << ASID_SHIFT;
    s->generation = arm64_asid_generation;
}

static void flush_page(const struct arch_space *s, uint64_t va)
{
    uint64_t operand = (s->ttbr & ~((1ull << ASID_SHIFT) - 1)) | (va >> 12 & 0xfffffffffffull);
    __asm__ volatile("tlbi vale1is, %0" : : "r"(operand) : "memory");
}

static void flush_space(const struct arch_space *s)
{
    __asm__ volatile("tlbi aside1is, %0" : : "r"(s->ttbr & ~((1ull << ASID_SHIFT) - 1)) : "memory");
}

// --- Spaces ----------------------------------------------------------------------------------------------
bool arch_space_init(struct arch_space *s)
{
    void *root = page_alloc_raw();
    if (!root)
        return false;
    s->ttbr = virt_to_phys(root);
    s->generation = 0;
    return true;
}

static uint64_t *table_of(uint64_t entry)
{
    return phys_to_virt(entry & PTE_ADDRESS);
}

static void free_tables(uint64_t *table, unsigned level)
{
    if (level < 3)
        for (unsigned i = 0; i < 512; i++)
            if (table[i] & PTE_VALID)
                free_tables(table_of(table[i]), level + 1);
    page_free_raw(table);
}

// The number is not used again before the TLB is emptied, so nothing has to be flushed here.
void arch_space_free(struct arch_space *s)
{
    if (s->ttbr)
        free_tables(table_of(s->ttbr), 0);
    s->ttbr = 0;
}

// The level 3 entry of va; null: its table does not exist (create: no memory).
static uint64_t *find(const struct arch_space *s, uint64_t va, bool create)
{
    uint64_t *table = table_of(s->ttbr);
    for (unsigned level = 0; level < 3; level++) {
        uint64_t *e = &table[va >> (39 - 9 * level) & 511];
        if (!(*e & PTE_VALID)) {
            void *page = create ? page_alloc_raw() : nullptr;
            if (!page)
                return nullptr;
            dsb(ishst); // the walker must not see the table before its zeros
            *e = virt_to_phys(page) | PTE_TABLE;
        }
        table = table_of(*e);
    }
    return &table[va >> 12 & 511];
}

static uint64_t permissions(uint32_t prot)
{
    uint64_t e = PTE_USER;
    if (!(prot & FUT_PROT_WRITE))
        e |= PTE_RO;
    if (!(prot & FUT_PROT_EXEC))
        e |= PTE_UXN;
    return e;
}

bool arch_map(struct arch_space *s, uint64_t va, phys_t pa, uint32_t prot, uint32_t cache)
{
    uint64_t *e = find(s, va, true);
    if (!e)
        return false;
    if (*e & PTE_VALID) {
        *e = 0;
        dsb(ishst);
        flush_page(s, va);
        dsb(ish);
    }
    if (prot & (FUT_PROT_READ | FUT_PROT_WRITE | FUT_PROT_EXEC)) {
        uint64_t type = cache == ARCH_CACHE_DEVICE ? PTE_ATTR(ATTR_DEVICE) : PTE_ATTR(ATTR_NORMAL) | PTE_SHARED;
        *e = (pa & PTE_ADDRESS) | type | permissions(prot) | PTE_TABLE | PTE_AF | PTE_NG | PTE_PXN;
        dsb(ishst); // with the exception return or copy.S's isb: visible to the next access
    }
    return true;
}

void arch_unmap(struct arch_space *s, uint64_t va)
{
    uint64_t *e = find(s, va, false);
    if (!e || !(*e & PTE_VALID))
        return;
    *e = 0;
    dsb(ishst);
    flush_page(s, va);
    dsb(ish);
}

void arch_protect(struct arch_space *s, uint64_t va, uint32_t prot)
{
    uint64_t *e = find(s, va, false);
    if (!e || !(*e & PTE_VALID))
        return;
    if (!(prot & (FUT_PROT_READ | FUT_PROT_WRITE | FUT_PROT_EXEC)))
        *e = 0;
    else // the same page with other permissions needs no break before make
        *e = (*e & ~(PTE_USER | PTE_RO | PTE_UXN | PTE_CLEAN)) | permissions(prot);
    dsb(ishst);
    flush_page(s, va);
    dsb(ish);
}

unsigned arch_lookup_run(struct arch_space *s, uint64_t va, unsigned count, uint32_t prot, phys_t *out)
{
    uint64_t *e = find(s, va, false), want = PTE_VALID | PTE_USER | PTE_ATTR(ATTR_NORMAL);
    uint64_t all = want | PTE_ATTR(7) | (prot & FUT_PROT_WRITE ? PTE_RO : 0);
    unsigned n = 0, room = 512 - (unsigned)(va >> 12 & 511);
    for (count = e ? min(count, room) : 0; n < count && (e[n] & all) == want; n++)
        out[n] = e[n] & PTE_ADDRESS;
    return n;
}

bool arch_dirty_clear(struct arch_space *s, uint64_t va)
{
    uint64_t *e = find(s, va, false);
    if (!e || (*e & (PTE_VALID | PTE_RO)) != PTE_VALID)
        return false;
    *e |= PTE_RO | PTE_CLEAN;
    dsb(ishst);
    flush_page(s, va);
    dsb(ish);
    return true;
}

void arch_flush_tlb(void)
{
    __asm__ volatile("tlbi vmalle1\n dsb nsh\n isb" : : : "memory");
}

bool mmu_write_fault(struct arch_space *s, uint64_t va)
{
    uint64_t *e = find(s, va, false);
    if (!e || (*e & (PTE_VALID | PTE_CLEAN)) != (PTE_VALID | PTE_CLEAN))
        return false;
    *e &= ~(PTE_RO | PTE_CLEAN);
    dsb(ishst);
    flush_page(s, va);
    dsb(ish);
    return true;
}

#define FLUSH_BY_PAGE 32

void arch_unmap_range(struct arch_space *s, uint64_t va, uint64_t bytes)
{
    uint64_t end = va + bytes, cleared[FLUSH_BY_PAGE];
    unsigned count = 0;
    while (va < end) {
        uint64_t *table = table_of(s->ttbr), size = 1ull << 39;
        unsigned level = 0;
        for (; level < 3; level++, size >>= 9) {
            uint64_t e = table[va >> (39 - 9 * level) & 511];
            if (!(e & PTE_VALID))
                break;
            table = table_of(e);
        }
        if (level < 3) { // nothing below this entry
            va = (va & ~(size - 1)) + size;
            continue;
        }
        do {
            uint64_t *e = &table[va >> 12 & 511];
            if (*e & PTE_VALID) {
                *e = 0;
                if (count < FLUSH_BY_PAGE)
                    cleared[count] = va;
                count++;
            }
            va += FUT_PAGE_SIZE;
        } while (va < end && va >> 12 & 511);
    }
    if (!count)
        return;
    dsb(ishst);
    if (count > FLUSH_BY_PAGE)
        flush_space(s);
    else
        for (unsigned i = 0; i < count; i++)
            flush_page(s, cleared[i]);
    dsb(ish);
}

void arch_write_protect(struct arch_space *s, uint64_t va, uint64_t bytes)
{
    uint64_t end = va + bytes;
    bool changed = false;
    while (va < end) {
        uint64_t *table = table_of(s->ttbr), size = 1ull << 39;
        unsigned level = 0;
        for (; level < 3; level++, size >>= 9) {
            uint64_t e = table[va >> (39 - 9 * level) & 511];
            if (!(e & PTE_VALID))
                break;
            table = table_of(e);
        }
        if (level < 3) { // nothing below this entry
            va = (va & ~(size - 1)) + size;
            continue;
        }
        do {
            uint64_t *e = &table[va >> 12 & 511];
            if ((*e & (PTE_VALID | PTE_RO)) == PTE_VALID) {
                *e |= PTE_RO;
                changed = true;
            }
            va += FUT_PAGE_SIZE;
        } while (va < end && va >> 12 & 511);
    }
    if (!changed)
        return;
    dsb(ishst);
    flush_space(s);
    dsb(ish);
}

void arch_fill(struct arch_space *s, uint64_t va, unsigned count, const uint64_t *page)
{
    uint64_t *e = find(s, va, false);
    if (!e)
        return;
    // An entry that was not valid is in no TLB.
    for (unsigned i = 0; i < count; i++)
        if (page[i] && !(e[i] & PTE_VALID))
            e[i] = (page[i] & PTE_ADDRESS) | PTE_ATTR(ATTR_NORMAL) | PTE_SHARED | permissions((uint32_t)page[i] & 7) |
                   PTE_TABLE | PTE_AF | PTE_NG | PTE_PXN;
    dsb(ishst);
}

// --- User copies -------------------------------------------------------------------------------------------
static bool user_range(uint64_t address, size_t n)
{
    return address >= FUT_USER_BASE && address < FUT_USER_TOP && n <= FUT_USER_TOP - address;
}

bool arch_copy_from_user(void *to, uint64_t from, size_t n)
{
    return user_range(from, n) && arm64_user_copy(to, (const void *)from, n) == 0;
}

bool arch_copy_to_user(uint64_t to, const void *from, size_t n)
{
    if (!user_range(to, n))
        return false;
    if (arm64_user_copy((void *)to, from, n) == 0)
        return true;
    // A page that is read-only for the soft dirty mark is not an obstacle.
    struct space *s = arch_cpu()->space;
    bool opened = false;
    for (uint64_t va = to & ~(FUT_PAGE_SIZE - 1ull); s && va < to + n; va += FUT_PAGE_SIZE)
        opened |= mmu_write_fault(&s->arch, va);
    return opened && arm64_user_copy((void *)to, from, n) == 0;
}

bool arch_user_load32(uint64_t from, uint32_t *value)
{
    return !(from & 3) && arch_copy_from_user(value, from, 4);
}
