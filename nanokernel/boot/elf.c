// SPDX-License-Identifier: MPL-2.0
//
// The loader of the first task, and of nothing else: every other program is loaded by a program.
#include "elf.h"

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56);
#define PT_LOAD 1u
#define PF_X 1u
#define PF_W 2u
#define PAGE_MASK ((uint64_t)FUT_PAGE_SIZE - 1)

static const char *load_segment(struct space *s, const uint8_t *file, uint64_t bytes, const struct elf_segment *p)
{
    if (p->offset > bytes || p->filesz > bytes - p->offset)
        return "a segment lies outside the file";
    if (p->filesz > p->memsz || p->vaddr >= FUT_USER_TOP || p->memsz > FUT_USER_TOP - p->vaddr)
        return "a segment has an impossible size";
    if ((p->flags & PF_W) && (p->flags & PF_X))
        return "a segment is writable and executable";
    uint64_t start = p->vaddr & ~PAGE_MASK, end = (p->vaddr + p->memsz + PAGE_MASK) & ~PAGE_MASK, at;
    struct fut_map q = {
        .address = start,
        .bytes = end - start,
        .flags = FUT_MAP_ANON | FUT_MAP_FIXED | FUT_PROT_READ | FUT_PROT_WRITE,
    };
    if (space_map(s, nullptr, &q, 7, &at))
        return "a segment does not fit where it wants to be";
    struct memory *wait;
    uint64_t offset;
    if (space_copy(s, p->vaddr, (void *)(file + p->offset), p->filesz, true, &wait, &offset))
        return "no memory for a segment";
    uint32_t prot = FUT_PROT_READ | (p->flags & PF_W ? FUT_PROT_WRITE : 0) | (p->flags & PF_X ? FUT_PROT_EXEC : 0);
    return space_protect(s, start, end - start, prot) ? "a segment cannot be protected" : nullptr;
}

const char *elf_load(struct space *s, const void *file, uint64_t bytes, uint64_t *entry)
{
    struct elf_header h;
    if (bytes < sizeof h)
        return "it is too short";
    memcpy(&h, file, sizeof h);
    static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    if (memcmp(h.ident, ident, sizeof ident) || h.type != 2 || h.phentsize != sizeof(struct elf_segment))
        return "it is no static little-endian ELF64 executable";
    if (h.phnum == 0 || h.phnum > 32 || h.phoff > bytes || h.phnum * sizeof(struct elf_segment) > bytes - h.phoff)
        return "its program headers are outside the file";
    for (unsigned i = 0; i < h.phnum; i++) {
        struct elf_segment p;
        memcpy(&p, (const uint8_t *)file + h.phoff + i * sizeof p, sizeof p);
        if (p.type != PT_LOAD || p.memsz == 0)
            continue;
        const char *why = load_segment(s, file, bytes, &p);
        if (why)
            return why;
    }
    *entry = h.entry;
    return nullptr;
}
