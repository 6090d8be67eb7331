// SPDX-License-Identifier: MPL-2.0
//
// posixd's pure parts: the ring of a pipe, executable files and scripts (damaged ones too), ChaCha20.
#include "chacha.h"
#include "elf.h"
#include "ring.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                    \
    do {                                                            \
        if (!(x)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
            exit(1);                                                \
        }                                                           \
    } while (0)

static void ring_keeps_order(void)
{
    struct ring r = {.data = malloc(RING_BYTES)};
    uint32_t in = 0, out = 0;
    srand(1);
    for (int step = 0; step < 20000; step++) {
        size_t n = (size_t)rand() % 9000;
        struct ring_span s = ring_to_fill(&r, n);
        for (size_t i = 0; i < s.len; i++)
            s.data[i] = (char)(in++ * 31);
        ring_filled(&r, s.len);
        CHECK(r.used <= RING_BYTES);
        s = ring_to_drain(&r, (size_t)rand() % 9000);
        for (size_t i = 0; i < s.len; i++)
            CHECK(s.data[i] == (char)(out++ * 31));
        ring_drained(&r, s.len);
    }
    CHECK(in - out == r.used);
    free(r.data);
}

static void small_writes_are_whole(void)
{
    struct ring r = {.used = RING_BYTES - 100};
    CHECK(ring_may_take(&r, 100, 0) == 100);
    CHECK(ring_may_take(&r, 101, 0) == 0);
    CHECK(ring_may_take(&r, RING_ATOMIC, 0) == 0);
    CHECK(ring_may_take(&r, RING_ATOMIC + 1, 0) == 100);
    CHECK(ring_may_take(&r, 5000, 4990) == 10);
}

static unsigned char file[8192];

static void put(size_t at, uint64_t v, int n) { memcpy(file + at, &v, (size_t)n); }

static void make_elf(void)
{
    memset(file, 0, sizeof file);
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2), put(18, 62, 2), put(20, 1, 4), put(24, 0x401000, 8), put(32, 64, 8), put(54, 56, 2), put(56, 2, 2);
    put(64, 1, 4), put(68, 5, 4), put(72, 0, 8), put(80, 0x400000, 8), put(96, 0x1800, 8), put(104, 0x1800, 8);
    put(120, 1, 4), put(124, 6, 4), put(128, 0x1800, 8), put(136, 0x402800, 8), put(152, 0x100, 8), put(160, 0x3000, 8);
}

static void elf_is_read(void)
{
    struct elf_plan p;
    make_elf();
    CHECK(elf_plan(file, 4096, sizeof file, 62, &p) == ELF_OK);
    CHECK(p.loads == 2 && p.low == 0x400000 && p.high == 0x406000 && p.phdr == 0x400040 && p.entry == 0x401000);
    CHECK(elf_plan(file, 4096, sizeof file, 183, &p) == ELF_BAD);            // another machine
    CHECK(elf_plan(file, 63, sizeof file, 62, &p) == ELF_BAD);               // cut
    CHECK(elf_plan(file, 4096, 0x1000, 62, &p) == ELF_DAMAGED);                  // segment behind the file's end
    put(124, 7, 4);
    CHECK(elf_plan(file, 4096, sizeof file, 62, &p) == ELF_DAMAGED);             // writable and executable
    make_elf();
    put(136, 0x401800, 8);
    CHECK(elf_plan(file, 4096, sizeof file, 62, &p) == ELF_DAMAGED);             // two segments on one page
    make_elf();
    put(80, 0xfffffffffffff000, 8);
    CHECK(elf_plan(file, 4096, sizeof file, 62, &p) == ELF_DAMAGED);             // wraps
    make_elf();
    put(24, 0x402900, 8);
    CHECK(elf_plan(file, 4096, sizeof file, 62, &p) == ELF_DAMAGED);             // entry in data
}

static void damaged_elf_is_survived(void)
{
    srand(2);
    for (int i = 0; i < 200000; i++) {
        struct elf_plan p;
        make_elf();
        for (int k = rand() % 8; k >= 0; k--)
            file[rand() % 176] = (unsigned char)rand();
        if (elf_plan(file, 4096, sizeof file, 62, &p) != ELF_OK)
            continue;
        CHECK(p.loads >= 1 && p.loads <= ELF_MAX_LOAD && p.low < p.high);
        for (unsigned l = 0; l < p.loads; l++)
            CHECK(p.load[l].offset + p.load[l].filesz <= sizeof file && p.load[l].filesz <= p.load[l].memsz);
    }
}

static void notes(void)
{
    const uint32_t native[] = {7, 4, 1, 0x75747546, 0x00006172, 1};
    CHECK(elf_note_is_native(native, sizeof native));
    CHECK(!elf_note_is_native(native, 16));
    const uint32_t gnu[] = {4, 16, 3, 0x00554e47, 1, 2, 3, 4};
    CHECK(!elf_note_is_native(gnu, sizeof gnu));
    const uint32_t huge[] = {0xffffffff, 0xffffffff, 1};
    CHECK(!elf_note_is_native(huge, sizeof huge));
}

static void scripts(void)
{
    char *interpreter, *argument;
    char a[] = "#! /bin/sh -e x \nrest";
    CHECK(script_parse(a, strlen(a), &interpreter, &argument) && strcmp(interpreter, "/bin/sh") == 0);
    CHECK(argument != nullptr && strcmp(argument, "-e x") == 0);
    char b[] = "#!/bin/sh\n";
    CHECK(script_parse(b, strlen(b), &interpreter, &argument) && argument == nullptr);
    char c[] = "#!\n";
    CHECK(!script_parse(c, strlen(c), &interpreter, &argument));
    char d[] = "#!/bin/sh"; // no end in what was read
    CHECK(!script_parse(d, strlen(d), &interpreter, &argument));
}

// RFC 8439 section 2.3.2.
static void chacha(void)
{
    uint32_t key[8], out[16];
    for (uint32_t i = 0; i < 8; i++)
        key[i] = (4 * i) | (4 * i + 1) << 8 | (4 * i + 2) << 16 | (4 * i + 3) << 24;
    const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
    chacha20_block(key, 1, nonce, out);
    CHECK(out[0] == 0xe4e7f110 && out[1] == 0x15593bd1 && out[15] == 0x4e3c50a2);
}

int main(void)
{
    ring_keeps_order();
    small_writes_are_whole();
    elf_is_read();
    damaged_elf_is_survived();
    notes();
    scripts();
    chacha();
    return 0;
}
