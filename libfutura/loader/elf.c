// SPDX-License-Identifier: MPL-2.0
//
// Static ELF executables: checked as a whole first, then loaded. Nothing in the file is trusted.
#include "elf.h"
#include <elf_machine.h>
#include <futura/loader.h>
#include <futura/sys.h>
#include <string.h>

static uint64_t page_down(uint64_t a) { return a & ~(uint64_t)(FUT_PAGE_SIZE - 1); }
static uint64_t page_up(uint64_t a) { return page_down(a + FUT_PAGE_SIZE - 1); }

// Segments are read one by one through a copy: the table may lie unaligned in the file.
static struct elf_segment segment_at(const struct fut_elf *elf, uint64_t phoff, unsigned i)
{
    struct elf_segment s;
    memcpy(&s, (const char *)elf->file.data + phoff + (size_t)i * sizeof s, sizeof s);
    return s;
}

static uint64_t phoff_of(const struct fut_elf *elf)
{
    struct elf_header h;
    memcpy(&h, elf->file.data, sizeof h);
    return h.phoff;
}

static bool segment_fits(const struct elf_segment *s, size_t file_bytes)
{
    return s->offset <= file_bytes && s->filesz <= file_bytes - s->offset && s->filesz <= s->memsz &&
           s->vaddr < FUT_USER_TOP && s->memsz <= FUT_USER_TOP - s->vaddr &&
           (s->flags & (PF_W | PF_X)) != (PF_W | PF_X);
}

fut_status_t fut_elf_check(struct fut_bytes file, struct fut_elf *out)
{
    struct elf_header h;
    if (file.len < sizeof h)
        return FUT_ERR_INVALID;
    memcpy(&h, file.data, sizeof h);
    if (h.magic != ELF_MAGIC)
        return FUT_ERR_INVALID;
    if (h.class != ELF_CLASS_64 || h.data != ELF_DATA_LITTLE || h.machine != ELF_MACHINE ||
        (h.type != ET_EXEC && h.type != ET_DYN))
        return FUT_ERR_UNSUPPORTED;
    if (h.phentsize != sizeof(struct elf_segment) || h.phnum == 0 || h.phnum > 64 || h.phoff > file.len ||
        (uint64_t)h.phnum * sizeof(struct elf_segment) > file.len - h.phoff)
        return FUT_ERR_INVALID;

    *out = (struct fut_elf){.file = file, .low = UINT64_MAX, .entry = h.entry, .phnum = h.phnum,
                            .phentsize = h.phentsize, .position_independent = h.type == ET_DYN};
    bool entry_inside = false;
    for (unsigned i = 0; i < h.phnum; i++) {
        struct elf_segment s = segment_at(out, h.phoff, i);
        if (s.type == PT_INTERP)
            return FUT_ERR_UNSUPPORTED;
        if (s.type != PT_LOAD || s.memsz == 0)
            continue;
        if (!segment_fits(&s, file.len) || (h.type == ET_EXEC && s.vaddr < FUT_USER_BASE))
            return FUT_ERR_INVALID;
        // Ascending and on pages of their own: two protections cannot share a page.
        if (out->high != 0 && page_down(s.vaddr) < out->high)
            return FUT_ERR_INVALID;
        if (out->low == UINT64_MAX)
            out->low = page_down(s.vaddr);
        out->high = page_up(s.vaddr + s.memsz);
        if ((s.flags & PF_X) != 0 && h.entry >= s.vaddr && h.entry - s.vaddr < s.memsz)
            entry_inside = true;
        if (h.phoff >= s.offset && h.phoff - s.offset <= s.filesz &&
            (uint64_t)h.phnum * sizeof s <= s.filesz - (h.phoff - s.offset))
            out->phdr = s.vaddr + (h.phoff - s.offset);
    }
    return entry_inside ? FUT_OK : FUT_ERR_INVALID;
}

// One segment: fresh Memory, the file's bytes written into it, mapped with the segment's protection.
static fut_status_t load_segment(const struct fut_elf *elf, const struct elf_segment *s, fut_handle_t space,
                                 uint64_t bias)
{
    uint64_t base = page_down(s->vaddr);
    uint64_t bytes = page_up(s->vaddr + s->memsz) - base;
    fut_handle_t memory;
    fut_status_t status = fut_memory_create(bytes, 0, &memory);
    if (status != FUT_OK)
        return status;

    uint64_t written = 0;
    if (s->filesz != 0)
        status = fut_memory_write(memory, s->vaddr - base, (const char *)elf->file.data + s->offset, s->filesz,
                                  &written);
    if (status == FUT_OK && written != s->filesz)
        status = FUT_ERR_NO_MEMORY;
    if (status == FUT_OK) {
        struct fut_map map = {
            .address = base + bias,
            .bytes = bytes,
            .memory = memory,
            .flags = FUT_MAP_FIXED | FUT_MAP_PRIVATE | ((s->flags & PF_R) ? FUT_PROT_READ : 0) |
                     ((s->flags & PF_W) ? FUT_PROT_WRITE : 0) | ((s->flags & PF_X) ? FUT_PROT_EXEC : 0),
        };
        if ((s->flags & PF_W) == 0)
            map.flags &= ~FUT_MAP_PRIVATE; // never written: the Memory itself will do
        uint64_t address;
        status = fut_space_map(space, &map, &address);
    }
    (void)fut_cap_delete(memory); // the mapping keeps the pages
    return status;
}

fut_status_t fut_elf_load(const struct fut_elf *elf, fut_handle_t space, uint64_t bias)
{
    uint64_t phoff = phoff_of(elf);
    for (unsigned i = 0; i < elf->phnum; i++) {
        struct elf_segment s = segment_at(elf, phoff, i);
        if (s.type != PT_LOAD || s.memsz == 0)
            continue;
        fut_status_t status = load_segment(elf, &s, space, bias);
        if (status != FUT_OK)
            return status;
    }
    return FUT_OK;
}
