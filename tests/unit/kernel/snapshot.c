// SPDX-License-Identifier: MPL-2.0
#include "snapshot.h"
#include "harness.h"
#include <sanitizer/asan_interface.h>
#include <string.h>

extern char __start_kernel_bss[], __stop_kernel_bss[], __start_kernel_data[], __stop_kernel_data[];

#define RAM_PAGES (HOST_RAM_BYTES / FUT_PAGE_SIZE)

struct snapshot {
    char *variables;
    size_t count, room;      // pages saved
    uint32_t *number;
    char (*content)[FUT_PAGE_SIZE];
    char *shadow;
};

static size_t bss_bytes(void) { return (size_t)(__stop_kernel_bss - __start_kernel_bss); }
static size_t data_bytes(void) { return (size_t)(__stop_kernel_data - __start_kernel_data); }

// What the address sanitizer knows about RAM: one byte for eight.
static char *shadow_of_ram(size_t *bytes)
{
#if __has_feature(address_sanitizer)
    size_t scale, offset;
    __asan_get_shadow_mapping(&scale, &offset);
    *bytes = HOST_RAM_BYTES >> scale;
    return (char *)(((uintptr_t)host_ram >> scale) + offset);
#else
    *bytes = 0;
    return nullptr;
#endif
}

// The copies go around the sanitizer's checks: freed parts of pages in use are copied, too.
static void copy(void *to, const void *from, size_t bytes)
{
#if defined(__x86_64__)
    bytes /= 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
    uint64_t *t = to;
    const uint64_t *f = from;
    for (size_t i = 0; i < bytes / 8; i++) {
        uint64_t word;
        __asm__ volatile("ldr %0, %1" : "=r"(word) : "m"(f[i]));
        __asm__ volatile("str %1, %0" : "=m"(t[i]) : "r"(word));
    }
#endif
}

struct snapshot *snapshot_new(void)
{
    struct snapshot *s = calloc(1, sizeof *s);
    size_t bytes;
    shadow_of_ram(&bytes);
    s->variables = malloc(bss_bytes() + data_bytes() + 1);
    s->shadow = malloc(bytes + 1);
    return s;
}

void snapshot_take(struct snapshot *s)
{
    memcpy(s->variables, __start_kernel_bss, bss_bytes());
    memcpy(s->variables + bss_bytes(), __start_kernel_data, data_bytes());
    s->count = 0;
    for (uint32_t i = 0; i < RAM_PAGES; i++) {
        const struct page *p = phys_page(HOST_RAM_BASE + (uint64_t)i * FUT_PAGE_SIZE);
        // PAGE_NONE holds the page descriptors themselves.
        if (p->state == PAGE_FREE || (p->state == PAGE_USED && !p->refs && !p->pins && __asan_region_is_poisoned((void *)(host_ram + (size_t)i * FUT_PAGE_SIZE), FUT_PAGE_SIZE)))
            continue;
        if (s->count == s->room) {
            s->room = s->room * 2 + 64;
            s->number = realloc(s->number, s->room * sizeof *s->number);
            s->content = realloc(s->content, s->room * sizeof *s->content);
        }
        s->number[s->count] = i;
        copy(s->content[s->count++], host_ram + (size_t)i * FUT_PAGE_SIZE, FUT_PAGE_SIZE);
    }
    size_t bytes;
    char *shadow = shadow_of_ram(&bytes);
    if (bytes)
        copy(s->shadow, shadow, bytes);
}

void snapshot_restore(const struct snapshot *s)
{
    memcpy(__start_kernel_bss, s->variables, bss_bytes());
    memcpy(__start_kernel_data, s->variables + bss_bytes(), data_bytes());
    for (size_t i = 0; i < s->count; i++)
        copy(host_ram + (size_t)s->number[i] * FUT_PAGE_SIZE, s->content[i], FUT_PAGE_SIZE);
    size_t bytes;
    char *shadow = shadow_of_ram(&bytes);
    if (bytes)
        copy(shadow, s->shadow, bytes);
}
