// SPDX-License-Identifier: MPL-2.0
//
// The program's PT_TLS segment is found through its own ELF header, which is mapped with the first
// segment.
#include <elf.h>
#include <futura/tls.h>
#include <string.h>
#include <tls_layout.h>

#define TCB_BYTES 16

extern const struct elf_header __ehdr_start [[gnu::weak, gnu::visibility("hidden")]];

struct tls_image {
    const void *data;
    size_t filled, bytes, align;
};

static struct tls_image tls_image(void)
{
    struct tls_image image = {.align = 16};
    const struct elf_header *header = &__ehdr_start;
    if (header == nullptr)
        return image;
    const struct elf_segment *segment = (const void *)((const char *)header + header->phoff);
    uint64_t bias = 0; // what the linker's addresses must be moved by
    for (unsigned i = 0; i < header->phnum; i++)
        if (segment[i].type == PT_PHDR)
            bias = (uint64_t)segment - segment[i].vaddr;
    for (unsigned i = 0; i < header->phnum; i++)
        if (segment[i].type == PT_TLS) {
            image.data = (const void *)(segment[i].vaddr + bias);
            image.filled = segment[i].filesz;
            image.bytes = segment[i].memsz;
            if (segment[i].align > image.align)
                image.align = segment[i].align;
        }
    return image;
}

static size_t round_up(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

size_t fut_tls_bytes(void)
{
    struct tls_image image = tls_image();
    return round_up(image.bytes, image.align) + round_up(TCB_BYTES, image.align) + image.align;
}

uint64_t fut_tls_init(void *area, uint64_t ipc_buffer)
{
    struct tls_image image = tls_image();
    char *start = (char *)round_up((uintptr_t)area, image.align);
    char *data = TLS_DATA_BELOW ? start : start + round_up(TCB_BYTES, image.align);
    char *pointer = TLS_DATA_BELOW ? start + round_up(image.bytes, image.align) : start;
    if (image.filled != 0)
        memcpy(data, image.data, image.filled);
    memset(data + image.filled, 0, image.bytes - image.filled);
    uint64_t words[2] = {TLS_FIRST_WORD(pointer), ipc_buffer};
    memcpy(pointer, words, sizeof words);
    return (uint64_t)pointer;
}
