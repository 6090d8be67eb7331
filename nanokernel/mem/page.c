// SPDX-License-Identifier: MPL-2.0
//
// Physical pages: a buddy allocator over the RAM that the firmware reports, less what is in use at boot.
// One struct page per page number between the lowest and the highest RAM address; the array itself lies
// at the start of the first free range that is large enough.
#include <kernel.h>

#define ORDERS 13u // largest block: 16 MiB
#define NO_PAGE 0xffffffffu

struct page *pages;
uint64_t page_base, page_count, pages_free, pages_total;
static uint32_t free_head[ORDERS];
static struct boot_range ram[32];
static uint32_t ram_count;

static uint32_t number(const struct page *p) { return (uint32_t)(p - pages); }

static void free_push(struct page *p, unsigned order)
{
    p->state = PAGE_FREE;
    p->order = (uint8_t)order;
    p->prev = NO_PAGE;
    p->next = free_head[order];
    if (p->next != NO_PAGE)
        pages[p->next].prev = number(p);
    free_head[order] = number(p);
}

static void free_unlink(struct page *p, unsigned order)
{
    if (p->prev == NO_PAGE)
        free_head[order] = p->next;
    else
        pages[p->prev].next = p->next;
    if (p->next != NO_PAGE)
        pages[p->next].prev = p->prev;
}

// Single pages go through a short stack of their own: most are freed and wanted again soon.
#define HOT 256u
#define REFILL 5u // order of the block that fills it when it is empty
static struct page *hot[HOT];
static unsigned hot_count;

static void free_block(struct page *p, unsigned order);

static void hot_drain(void)
{
    while (hot_count)
        free_block(hot[--hot_count], 0);
}

struct page *page_alloc(unsigned order)
{
    if (order == 0 && hot_count) {
        struct page *p = hot[--hot_count];
        p->refs = 0;
        p->pins = 0;
        pages_free--;
        ARCH_UNPOISON(phys_to_virt(page_phys(p)), (size_t)FUT_PAGE_SIZE);
        return p;
    }
    unsigned o = order;
    while (o < ORDERS && free_head[o] == NO_PAGE)
        o++;
    if (order == 0 && o >= REFILL && o < ORDERS) {
        pages_free += 1u << REFILL; // not given out yet
        struct page *p = page_alloc(REFILL);
        ARCH_POISON(phys_to_virt(page_phys(p)), (size_t)FUT_PAGE_SIZE << REFILL);
        for (unsigned i = 1u << REFILL; i-- > 0;)
            hot[hot_count++] = &p[i];
        return page_alloc(0);
    }
    if (o >= ORDERS) {
        if (!hot_count)
            return nullptr;
        hot_drain(); // they may make a block
        return page_alloc(order);
    }
    struct page *p = &pages[free_head[o]];
    free_unlink(p, o);
    while (o > order) {
        o--;
        free_push(p + (1u << o), o);
    }
    for (uint32_t i = 0; i < 1u << order; i++) {
        p[i].state = PAGE_USED;
        p[i].refs = 0;
        p[i].pins = 0;
        p[i].order = 0;
    }
    pages_free -= 1u << order;
    ARCH_UNPOISON(phys_to_virt(page_phys(p)), (size_t)FUT_PAGE_SIZE << order);
    return p;
}

void page_free(struct page *p, unsigned order)
{
    pages_free += 1u << order;
    ARCH_POISON(phys_to_virt(page_phys(p)), (size_t)FUT_PAGE_SIZE << order);
    if (order == 0 && hot_count < HOT) {
        p->state = PAGE_USED;
        p->refs = 0;
        hot[hot_count++] = p;
        return;
    }
    free_block(p, order);
}

static void free_block(struct page *p, unsigned order)
{
    for (uint32_t i = 0; i < 1u << order; i++)
        p[i].state = PAGE_USED;
    // Physical alignment decides who the buddy is: page_base need not be aligned.
    uint64_t n = number(p) + page_base;
    while (order < ORDERS - 1) {
        uint64_t other = n ^ (1ull << order);
        if (other < page_base || other - page_base >= page_count)
            break;
        struct page *b = &pages[other - page_base];
        if (b->state != PAGE_FREE || b->order != order)
            break;
        free_unlink(b, order);
        b->state = PAGE_USED;
        n &= ~(1ull << order);
        order++;
    }
    free_push(&pages[n - page_base], order);
}

bool page_is_ram(phys_t base, uint64_t bytes)
{
    for (uint32_t i = 0; i < ram_count; i++)
        if (base < ram[i].base + ram[i].bytes && ram[i].base < base + bytes)
            return true;
    return false;
}

static struct boot_range used[20];
static uint32_t used_count;

// The first part of ram[i] at or after `from` that nothing uses; false: none.
static bool free_part(uint32_t i, phys_t from, phys_t *start, phys_t *stop)
{
    phys_t end = ram[i].base + ram[i].bytes;
    phys_t at = max(from, ram[i].base);
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t u = 0; u < used_count; u++)
            if (at >= used[u].base && at < used[u].base + used[u].bytes) {
                at = used[u].base + used[u].bytes;
                moved = true;
            }
    }
    if (at >= end)
        return false;
    *start = at;
    *stop = end;
    for (uint32_t u = 0; u < used_count; u++)
        if (used[u].base > at && used[u].base < *stop)
            *stop = used[u].base;
    return true;
}

static void use(phys_t base, uint64_t bytes)
{
    if (bytes == 0)
        return;
    phys_t end = (base + bytes + FUT_PAGE_SIZE - 1) & ~(phys_t)(FUT_PAGE_SIZE - 1);
    base &= ~(phys_t)(FUT_PAGE_SIZE - 1);
    used[used_count++] = (struct boot_range){base, end - base};
}

void page_init(const struct boot *boot)
{
    for (unsigned o = 0; o < ORDERS; o++)
        free_head[o] = NO_PAGE;
    pages_free = pages_total = hot_count = 0;
    ram_count = used_count = 0;
    phys_t low = UINT64_MAX, high = 0;
    for (uint32_t i = 0; i < boot->ram_count && i < 32; i++) {
        phys_t base = (boot->ram[i].base + FUT_PAGE_SIZE - 1) & ~(phys_t)(FUT_PAGE_SIZE - 1);
        phys_t end = (boot->ram[i].base + boot->ram[i].bytes) & ~(phys_t)(FUT_PAGE_SIZE - 1);
        if (end <= base)
            continue;
        ram[ram_count++] = (struct boot_range){base, end - base};
        low = min(low, base);
        high = max(high, end);
    }
    if (ram_count == 0)
        panic("the firmware reports no memory");
    for (uint32_t i = 0; i < boot->reserved_count && i < 16; i++)
        use(boot->reserved[i].base, boot->reserved[i].bytes);
    use(boot->archive.base, boot->archive.bytes);
    use(boot->devicetree.base, boot->devicetree.bytes);
    page_base = low >> FUT_PAGE_SHIFT;
    page_count = (high - low) >> FUT_PAGE_SHIFT;

    uint64_t bytes = (page_count * sizeof(struct page) + FUT_PAGE_SIZE - 1) & ~(uint64_t)(FUT_PAGE_SIZE - 1);
    phys_t start, stop;
    for (uint32_t i = 0; i < ram_count && !pages; i++)
        for (phys_t at = 0; free_part(i, at, &start, &stop); at = stop)
            if (stop - start >= bytes) {
                pages = phys_to_virt(start);
                use(start, bytes);
                break;
            }
    if (!pages)
        panic("no room for %lu page descriptors", (unsigned long)page_count);
    memset(pages, 0, bytes);
    for (uint32_t i = 0; i < ram_count; i++)
        for (phys_t at = 0; free_part(i, at, &start, &stop); at = stop)
            while (start < stop) {
                unsigned o = 0;
                while (o < ORDERS - 1 && !(start >> FUT_PAGE_SHIFT & 1ull << o) &&
                       start + (2ull << (o + FUT_PAGE_SHIFT)) <= stop)
                    o++;
                page_free(phys_page(start), o);
                pages_total += 1ull << o;
                start += 1ull << (o + FUT_PAGE_SHIFT);
            }
}
