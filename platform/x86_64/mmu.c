// SPDX-License-Identifier: MPL-2.0
//
// Page tables: 4 levels, 4 KiB pages for users; the kernel's half is the same in every space: all RAM at
// ARCH_DIRECT_BASE in the largest pages that fit, the image at its link address with text, constants and data
// each under their own rights.
//
// An entry that is removed is invalidated only where its space is loaded; loading another space drops all that is not
// global. Before an entry that is present changes, the other CPUs that have the space loaded are stopped, and they drop
// their translations before they go on: so no CPU sets an entry's accessed or dirty bit while it is being changed.
#include "x86.h"

#define PTE_PRESENT 0x1ull
#define PTE_WRITE   0x2ull
#define PTE_USER    0x4ull
#define PTE_PWT     0x8ull
#define PTE_PCD     0x10ull
#define PTE_ACCESSED 0x20ull
#define PTE_DIRTY   0x40ull
#define PTE_LARGE   0x80ull
#define PTE_GLOBAL  0x100ull
#define PTE_ADDRESS 0x000ffffffffff000ull

#define DIRECT_SLOT (ARCH_DIRECT_BASE >> 39 & 511)
#define GIB (1ull << 30)
#define MIB2 (2ull << 20)

// A space's root notes which pages its tables are in, so that freeing them needs no search: slots 384 to
// 510 of the PML4, which map nothing. Slot 384 counts; a count of LEDGER_FULL means that some are not noted.
#define LEDGER_COUNT 384
#define LEDGER_FIRST 385
#define LEDGER_END   511
#define LEDGER_FULL  (LEDGER_END - LEDGER_FIRST)

uint64_t x86_kernel_root;
static uint64_t pte_nx;

static uint64_t *table(uint64_t entry)
{
    return phys_to_virt(entry & PTE_ADDRESS);
}

static void invalidate(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static bool loaded(const struct arch_space *s)
{
    return (READ_CR(3) & PTE_ADDRESS) == s->root;
}

static void stop_others(struct arch_space *s)
{
    for each_cpu(c) {
        if (c->space && &c->space->arch == s && c != arch_cpu()) {
            cpu_stop(c);
            c->flush = true;
        }
    }
}

void arch_flush_tlb(void)
{
    WRITE_CR(3, READ_CR(3));
}

// --- The kernel's half -------------------------------------------------------------------------------

static uint64_t *kernel_next(uint64_t *t, unsigned index)
{
    if (!(t[index] & PTE_PRESENT)) {
        t[index] = early_page() | PTE_PRESENT | PTE_WRITE;
    }
    return table(t[index]);
}

// Maps [base, base + bytes) of physical memory in the direct map; what is mapped stays as it is.
static void map_direct(phys_t base, uint64_t bytes, uint64_t flags)
{
    uint64_t *root = phys_to_virt(x86_kernel_root);
    flags |= PTE_PRESENT | PTE_WRITE | PTE_GLOBAL | pte_nx;
    for (phys_t p = base, end = base + bytes; p < end;) {
        uint64_t va = p + ARCH_DIRECT_BASE;
        uint64_t *pdpt = kernel_next(root, va >> 39 & 511);
        uint64_t *e = &pdpt[va >> 30 & 511];
        if ((*e & PTE_LARGE) || (!*e && x86_features.gib_pages && p % GIB == 0 && end - p >= GIB)) {
            *e = *e ? *e : p | flags | PTE_LARGE;
            p = (p & ~(GIB - 1)) + GIB;
            continue;
        }
        uint64_t *pd = kernel_next(pdpt, va >> 30 & 511);
        e = &pd[va >> 21 & 511];
        if ((*e & PTE_LARGE) || (!*e && p % MIB2 == 0 && end - p >= MIB2)) {
            *e = *e ? *e : p | flags | PTE_LARGE;
            p = (p & ~(MIB2 - 1)) + MIB2;
            continue;
        }
        e = &kernel_next(pd, va >> 21 & 511)[va >> 12 & 511];
        *e = *e ? *e : p | flags;
        p += FUT_PAGE_SIZE;
    }
}

static void map_image(const char *from, const char *to, uint64_t flags)
{
    uint64_t *root = phys_to_virt(x86_kernel_root);
    for (uint64_t va = (uint64_t)from; va < (uint64_t)to; va += FUT_PAGE_SIZE) {
        uint64_t *pd = kernel_next(kernel_next(root, va >> 39 & 511), va >> 30 & 511);
        kernel_next(pd, va >> 21 & 511)[va >> 12 & 511] = (va - KERNEL_OFFSET) | PTE_PRESENT | PTE_GLOBAL | flags;
    }
}

void mmu_init(const struct boot_range *ram, uint32_t count)
{
    pte_nx = x86_features.nx ? 1ull << 63 : 0;
    x86_kernel_root = early_page();
    uint64_t *root = phys_to_virt(x86_kernel_root);
    kernel_next(root, DIRECT_SLOT); // device registers below 512 GiB always find their slot in every space
    for (uint32_t i = 0; i < count; i++) {
        // Rounded to large pages: the firmware's tables lie in the same ones.
        phys_t base = ram[i].base & ~(MIB2 - 1);
        phys_t end = (ram[i].base + ram[i].bytes + MIB2 - 1) & ~(MIB2 - 1);
        map_direct(base, end - base, 0);
    }
    map_image(image_start, image_text_end, 0);
    map_image(image_text_end, image_rodata_end, pte_nx);
    map_image(image_rodata_end, boot_stack_guard, pte_nx | PTE_WRITE);
    map_image(boot_stack_guard + FUT_PAGE_SIZE, secondary_stacks, pte_nx | PTE_WRITE);
    for (unsigned i = 0; i < FUT_CPUS_MAX - 1; i++) {
        char *stack = secondary_stacks + i * STACK_STRIDE;
        map_image(stack + FUT_PAGE_SIZE, stack + STACK_STRIDE, pte_nx | PTE_WRITE);
    }
    map_image(secondary_stacks + (FUT_CPUS_MAX - 1) * STACK_STRIDE, image_end, pte_nx | PTE_WRITE);
    WRITE_CR(3, x86_kernel_root);
}

void arch_phys_window(phys_t base, uint64_t bytes)
{
    phys_t first = base & ~(FUT_PAGE_SIZE - 1ull);
    map_direct(first, ((base + bytes + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull)) - first, PTE_PCD | PTE_PWT);
}

void mmu_map_tables(phys_t base, uint64_t bytes)
{
    phys_t first = base & ~(FUT_PAGE_SIZE - 1ull);
    map_direct(first, ((base + bytes + FUT_PAGE_SIZE - 1) & ~(FUT_PAGE_SIZE - 1ull)) - first, 0);
}

// --- User spaces ---------------------------------------------------------------------------------------

bool arch_space_init(struct arch_space *s)
{
    uint64_t *root = page_alloc_raw(), *kernel = phys_to_virt(x86_kernel_root);
    if (!root) {
        return false;
    }
    s->root = virt_to_phys(root);
    for (unsigned i = DIRECT_SLOT; i < LEDGER_COUNT && kernel[i]; i++) {
        root[i] = kernel[i]; // used from the front
    }
    root[511] = kernel[511];
    return true;
}

static void free_tables(uint64_t *t, unsigned entries, unsigned level)
{
    for (unsigned i = 0; i < entries; i++) {
        if (t[i] & PTE_PRESENT) {
            if (level > 2) {
                free_tables(table(t[i]), 512, level - 1);
            }
            page_free_raw(table(t[i]));
        }
    }
}

void arch_space_free(struct arch_space *s)
{
    if (!s->root) {
        return;
    }
    if (loaded(s)) {
        arch_switch_space(nullptr);
    }
    uint64_t *root = phys_to_virt(s->root);
    if (root[LEDGER_COUNT] >> 12 < LEDGER_FULL) {
        for (unsigned i = 0; i < root[LEDGER_COUNT] >> 12; i++) {
            page_free_raw(phys_to_virt(root[LEDGER_FIRST + i]));
        }
    } else {
        free_tables(root, 256, 4);
    }
    page_free_raw(root);
    s->root = 0;
}

static bool add_table(uint64_t *root, uint64_t *entry)
{
    void *t = page_alloc_raw();
    if (!t) {
        return false;
    }
    phys_t page = virt_to_phys(t);
    *entry = page | PTE_PRESENT | PTE_WRITE | PTE_USER;
    unsigned n = (unsigned)(root[LEDGER_COUNT] >> 12); // shifted, so that the slot never looks present
    if (n < LEDGER_FULL) {
        root[LEDGER_FIRST + n] = page;
        root[LEDGER_COUNT] = (uint64_t)(n + 1) << 12;
    }
    return true;
}

static uint64_t leaf_flags(uint32_t prot, uint32_t cache)
{
    return PTE_PRESENT | PTE_USER | (prot & FUT_PROT_WRITE ? PTE_WRITE : 0) |
           (prot & FUT_PROT_EXEC ? 0 : pte_nx) | (cache == ARCH_CACHE_DEVICE ? PTE_PCD | PTE_PWT : 0);
}

static void change(struct arch_space *s, uint64_t va, uint64_t *e, uint64_t value)
{
    stop_others(s);
    *e = value;
    if (loaded(s)) {
        invalidate(va);
    }
}

bool arch_map(struct arch_space *s, uint64_t va, phys_t pa, uint32_t prot, uint32_t cache)
{
    uint64_t *root = phys_to_virt(s->root), *t = root;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = &t[va >> shift & 511];
        if (!*e && !add_table(root, e)) {
            return false;
        }
        t = table(*e);
    }
    uint64_t *e = &t[va >> 12 & 511], value = pa | leaf_flags(prot, cache);
    if (!*e) {
        *e = value;
    } else if ((*e & ~(PTE_ACCESSED | PTE_DIRTY)) != value) {
        change(s, va, e, value);
    } // else another CPU met the same fault first
    return true;
}

static uint64_t *find(struct arch_space *s, uint64_t va)
{
    uint64_t *t = phys_to_virt(s->root);
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t e = t[va >> shift & 511];
        if (!e) {
            return nullptr;
        }
        t = table(e);
    }
    return t[va >> 12 & 511] ? &t[va >> 12 & 511] : nullptr;
}


void arch_unmap(struct arch_space *s, uint64_t va)
{
    uint64_t *e = find(s, va);
    if (e) {
        change(s, va, e, 0);
    }
}

void arch_protect(struct arch_space *s, uint64_t va, uint32_t prot)
{
    uint64_t *e = find(s, va);
    if (e) {
        stop_others(s);
        uint64_t keep = *e & (PTE_ADDRESS | PTE_DIRTY | PTE_PCD | PTE_PWT);
        change(s, va, e, keep | leaf_flags(prot, ARCH_CACHE_NORMAL));
    }
}

unsigned arch_lookup_run(struct arch_space *s, uint64_t va, unsigned count, uint32_t prot, phys_t *out)
{
    uint64_t *e = find(s, va), want = PTE_PRESENT | (prot & FUT_PROT_WRITE ? PTE_WRITE : 0);
    unsigned n = 0, room = 512 - (unsigned)(va >> 12 & 511);
    for (count = e ? min(count, room) : 0; n < count && (e[n] & (want | PTE_PCD)) == want; n++) {
        if (prot & FUT_PROT_WRITE && !(e[n] & PTE_DIRTY)) {
            __atomic_fetch_or(&e[n], PTE_DIRTY, __ATOMIC_RELAXED);
        }
        out[n] = e[n] & PTE_ADDRESS;
    }
    return n;
}

bool arch_dirty_clear(struct arch_space *s, uint64_t va)
{
    uint64_t *e = find(s, va);
    if (!e) {
        return false;
    }
    stop_others(s);
    if (!(*e & PTE_DIRTY)) {
        return false;
    }
    change(s, va, e, *e & ~PTE_DIRTY);
    return true;
}

void arch_unmap_range(struct arch_space *s, uint64_t va, uint64_t bytes)
{
    bool flush = false;
    for (uint64_t end = va + bytes; va < end;) {
        uint64_t *t = phys_to_virt(s->root);
        unsigned shift = 39;
        for (; shift > 12 && t[va >> shift & 511]; shift -= 9) {
            t = table(t[va >> shift & 511]);
        }
        if (shift > 12) { // nothing below this entry
            va = (va & ~((1ull << shift) - 1)) + (1ull << shift);
            continue;
        }
        do {
            uint64_t *e = &t[va >> 12 & 511];
            if (*e) {
                if (!flush) {
                    stop_others(s);
                }
                *e = 0;
                flush = true;
            }
            va += FUT_PAGE_SIZE;
        } while (va < end && (va >> 12 & 511) != 0);
    }
    if (flush && loaded(s)) {
        WRITE_CR(3, s->root);
    }
}

void arch_write_protect(struct arch_space *s, uint64_t va, uint64_t bytes)
{
    bool flush = false;
    for (uint64_t end = va + bytes; va < end;) {
        uint64_t *t = phys_to_virt(s->root);
        unsigned shift = 39;
        for (; shift > 12 && t[va >> shift & 511]; shift -= 9) {
            t = table(t[va >> shift & 511]);
        }
        if (shift > 12) { // nothing below this entry
            va = (va & ~((1ull << shift) - 1)) + (1ull << shift);
            continue;
        }
        do {
            uint64_t *e = &t[va >> 12 & 511];
            if (*e & PTE_WRITE) {
                if (!flush) {
                    stop_others(s);
                }
                *e &= ~PTE_WRITE;
                flush = true;
            }
            va += FUT_PAGE_SIZE;
        } while (va < end && (va >> 12 & 511) != 0);
    }
    if (flush && loaded(s)) {
        WRITE_CR(3, s->root);
    }
}

void arch_fill(struct arch_space *s, uint64_t va, unsigned count, const uint64_t *page)
{
    uint64_t *t = phys_to_virt(s->root);
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t e = t[va >> shift & 511];
        if (!e) {
            return;
        }
        t = table(e);
    }
    // An entry that was absent is in no TLB.
    uint64_t *e = &t[va >> 12 & 511];
    for (unsigned i = 0; i < count; i++) {
        if (page[i] && !e[i]) {
            e[i] = (page[i] & PTE_ADDRESS) | leaf_flags((uint32_t)page[i] & 7, ARCH_CACHE_NORMAL);
        }
    }
}

// --- Copies ----------------------------------------------------------------------------------------------

bool user_copy(void *to, const void *from, size_t n);              // usercopy.S
bool avx_user_copy(void *to, const void *from, size_t n);          // vector.S
bool user_load32(const uint32_t *from, uint32_t *value);

static bool in_user_range(uint64_t address, size_t n)
{
    return n <= FUT_USER_TOP && address <= FUT_USER_TOP - n;
}

static bool copy(void *to, const void *from, size_t n)
{
    size_t blocks = x86_features.avx && n >= 512 ? n & ~(size_t)255 : 0;
    if (blocks) {
        bool trapping = fp_begin();
        bool done = avx_user_copy(to, from, blocks);
        fp_end(trapping);
        if (!done) {
            return false;
        }
    }
    return n == blocks || user_copy((char *)to + blocks, (const char *)from + blocks, n - blocks);
}

bool arch_copy_from_user(void *to, uint64_t from, size_t n)
{
    return in_user_range(from, n) && copy(to, (const void *)from, n);
}

bool arch_copy_to_user(uint64_t to, const void *from, size_t n)
{
    return in_user_range(to, n) && copy((void *)to, from, n);
}

bool arch_user_load32(uint64_t from, uint32_t *value)
{
    return in_user_range(from, 4) && user_load32((const uint32_t *)from, value);
}

void avx_zero(void *to, size_t n); // vector.S
void avx_copy(void *to, const void *from, size_t n);

void arch_zero_page(void *page)
{
    if (x86_features.avx) {
        bool trapping = fp_begin();
        avx_zero(page, FUT_PAGE_SIZE);
        fp_end(trapping);
        return;
    }
    size_t n = FUT_PAGE_SIZE / 8;
    __asm__ volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0) : "memory");
}

void arch_copy_page(void *to, const void *from)
{
    if (x86_features.avx) {
        bool trapping = fp_begin();
        avx_copy(to, from, FUT_PAGE_SIZE);
        fp_end(trapping);
        return;
    }
    size_t n = FUT_PAGE_SIZE / 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

// memcpy (string.S) of 512 bytes and more.
void *x86_long_copy(void *to, const void *from, size_t n)
{
    static_assert(offsetof(struct x86_features, avx) == 4);
    size_t blocks = n & ~(size_t)255;
    bool trapping = fp_begin();
    avx_copy(to, from, blocks);
    fp_end(trapping);
    __builtin_memcpy((char *)to + blocks, (const char *)from + blocks, n & 255);
    return to;
}

void arch_sync_icache(void *page)
{
    (void)page; // the CPU keeps them coherent
}
