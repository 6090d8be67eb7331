// SPDX-License-Identifier: MPL-2.0
//
// ELF-64 program headers (System V gABI chapter 5). Everything is checked against the file's size and the
// user address range before it is believed; sums are checked by subtraction, so that none can wrap.
#include "elf.h"
#include <futura/abi.h>
#include <string.h>

#define PAGE_MASK UINT64_C(0xfff)

struct header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
static_assert(sizeof(struct header) == 64);

struct segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct segment) == 56);

enum { TYPE_EXEC = 2, TYPE_DYN = 3 };
enum { SEGMENT_LOAD = 1, SEGMENT_DYNAMIC = 2, SEGMENT_INTERP = 3, SEGMENT_NOTE = 4 };
enum { FLAG_X = 1, FLAG_W = 2, FLAG_R = 4 };

static uint64_t page_down(uint64_t a) { return a & ~PAGE_MASK; }
static uint64_t page_up(uint64_t a) { return (a + PAGE_MASK) & ~PAGE_MASK; }

static bool load_is_sound(const struct segment *s, uint64_t file_bytes, bool fixed)
{
    return s->filesz <= s->memsz && s->offset <= file_bytes && s->filesz <= file_bytes - s->offset &&
           s->vaddr < FUT_USER_TOP && s->memsz <= FUT_USER_TOP - s->vaddr && (!fixed || s->vaddr >= FUT_USER_BASE) &&
           (s->vaddr & PAGE_MASK) == (s->offset & PAGE_MASK) && (s->flags & (FLAG_W | FLAG_X)) != (FLAG_W | FLAG_X);
}

static enum elf_result take_load(struct elf_plan *out, const struct segment *s, const struct header *h,
                                 uint64_t file_bytes)
{
    if (!load_is_sound(s, file_bytes, !out->position_independent) || out->loads == ELF_MAX_LOAD)
        return ELF_DAMAGED;
    // Ascending, and no page of two segments: it could not have both protections.
    if (out->loads != 0 && page_down(s->vaddr) < out->high)
        return ELF_DAMAGED;
    if (out->loads == 0)
        out->low = page_down(s->vaddr);
    out->high = page_up(s->vaddr + s->memsz);
    out->load[out->loads++] = (struct elf_load){
        .vaddr = s->vaddr, .offset = s->offset, .filesz = s->filesz, .memsz = s->memsz,
        .read = s->flags & FLAG_R, .write = s->flags & FLAG_W, .exec = s->flags & FLAG_X};
    uint64_t table = (uint64_t)h->phnum * sizeof(struct segment);
    if (h->phoff >= s->offset && h->phoff - s->offset <= s->filesz && table <= s->filesz - (h->phoff - s->offset))
        out->phdr = s->vaddr + (h->phoff - s->offset);
    return ELF_OK;
}

enum elf_result elf_plan(const void *head, size_t head_bytes, uint64_t file_bytes, uint16_t machine,
                         struct elf_plan *out)
{
    struct header h;
    *out = (struct elf_plan){};
    if (head_bytes < sizeof h)
        return ELF_BAD;
    memcpy(&h, head, sizeof h);
    if (memcmp(h.ident, "\177ELF\2\1\1", 7) != 0 || h.machine != machine ||
        (h.type != TYPE_EXEC && h.type != TYPE_DYN) || h.phentsize != sizeof(struct segment) || h.phnum == 0 ||
        h.phoff > head_bytes || (uint64_t)h.phnum * sizeof(struct segment) > head_bytes - h.phoff)
        return ELF_BAD;
    out->entry = h.entry;
    out->phnum = h.phnum;
    out->phent = h.phentsize;
    out->position_independent = h.type == TYPE_DYN;

    bool entry_inside = false;
    for (unsigned i = 0; i < h.phnum; i++) {
        struct segment s;
        memcpy(&s, (const char *)head + h.phoff + (size_t)i * sizeof s, sizeof s);
        if (s.type == SEGMENT_INTERP)
            return ELF_BAD; // dynamic programs are not run here
        if (s.type == SEGMENT_LOAD && s.memsz != 0) {
            if (take_load(out, &s, &h, file_bytes) != ELF_OK)
                return ELF_DAMAGED;
            if ((s.flags & FLAG_X) && h.entry >= s.vaddr && h.entry - s.vaddr < s.filesz)
                entry_inside = true;
        } else if (s.type == SEGMENT_DYNAMIC) {
            out->dynamic = s.vaddr;
            out->dynamic_bytes = s.memsz;
        } else if (s.type == SEGMENT_NOTE && out->note_bytes == 0 && s.offset <= file_bytes &&
                   s.filesz <= file_bytes - s.offset) {
            out->note = s.offset;
            out->note_bytes = s.filesz;
        }
    }
    return entry_inside && out->loads != 0 ? ELF_OK : ELF_DAMAGED;
}

bool elf_note_is_native(const void *note, size_t bytes)
{
    static const char name[] = "Futura";
    const char *p = note;
    size_t at = 0;
    while (bytes - at >= 12) {
        uint32_t head[3]; // name bytes, description bytes, type
        memcpy(head, p + at, sizeof head);
        at += sizeof head;
        size_t name_bytes = ((size_t)head[0] + 3) & ~(size_t)3, rest = ((size_t)head[1] + 3) & ~(size_t)3;
        if (name_bytes > bytes - at || rest > bytes - at - name_bytes)
            return false;
        if (head[0] == sizeof name && memcmp(p + at, name, sizeof name) == 0)
            return true;
        at += name_bytes + rest;
    }
    return false;
}

static bool blank(char c) { return c == ' ' || c == '\t'; }

bool script_parse(char *line, size_t bytes, char **interpreter, char **argument)
{
    if (bytes < 2 || line[0] != '#' || line[1] != '!')
        return false;
    size_t end = 2;
    while (end < bytes && line[end] != '\n' && line[end] != 0)
        end++;
    if (end == bytes)
        return false; // longer than what is looked at
    line[end] = 0;
    while (end > 2 && (blank(line[end - 1]) || line[end - 1] == '\r'))
        line[--end] = 0;
    char *p = line + 2;
    while (blank(*p))
        p++;
    if (*p == 0)
        return false;
    *interpreter = p;
    while (*p != 0 && !blank(*p))
        p++;
    *argument = nullptr;
    if (*p != 0) {
        *p++ = 0;
        while (blank(*p))
            p++;
        if (*p != 0)
            *argument = p; // all the rest is one argument
    }
    return true;
}
