// SPDX-License-Identifier: MPL-2.0
//
// The symbol table that the build appends to the kernel: sorted addresses and names. Weak, because the
// first link, from which the table is made, has none.
#include <base.h>
#include "symbols.h"

struct symbol { uint64_t address; const char *name; };
[[gnu::weak]] extern const struct symbol symbol_table[];
[[gnu::weak]] extern const uint64_t symbol_count;

uint64_t symbol_address(const char *name)
{
    for (uint64_t i = 0; &symbol_count && i < symbol_count; i++) {
        const char *a = symbol_table[i].name, *b = name;
        while (*a && *a == *b)
            a++, b++;
        if (*a == *b)
            return symbol_table[i].address;
    }
    return 0;
}

const char *symbol_find(uint64_t pc, uint64_t *offset)
{
    if (!&symbol_count || symbol_count == 0 || pc < symbol_table[0].address)
        return nullptr;
    uint64_t low = 0, high = symbol_count;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (symbol_table[middle].address <= pc)
            low = middle;
        else
            high = middle;
    }
    if (pc - symbol_table[low].address > 0x10000)
        return nullptr;
    *offset = pc - symbol_table[low].address;
    return symbol_table[low].name;
}

void symbol_log(uint64_t pc)
{
    uint64_t offset;
    const char *name = symbol_find(pc, &offset);
    if (name)
        klog(" %s+0x%lx", name, (unsigned long)offset);
}

void symbol_log_frame(uint64_t pc, void *)
{
    klog("  %016lx", (unsigned long)pc);
    symbol_log(pc);
    klog("\n");
}
