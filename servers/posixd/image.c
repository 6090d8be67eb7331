// SPDX-License-Identifier: MPL-2.0
//
// Executable images, kept between execs. An image holds Memory for each part of a program that comes from
// its file: the file's own page cache where the file server offers it and nothing has to be changed, else
// a copy. What programs may write they map privately, and the rest is sealed, so that none can change what
// another one runs. An image is valid
// as long as file identity, size and times are what they were.
#include "elf.h"
#include "machine.h"
#include "posixd.h"

#define CACHED_IMAGES 16
#define READ_CHUNK 65536
#define KEEP_NS UINT64_C(2000000000) // a file that was deleted keeps its room as long as its image is kept

static struct image *images;
static unsigned cached, tick;

struct source {
    io_file_t file;
    struct fut_bytes data; // instead of the file, where it is in memory
};

static fut_status_t read_source(const struct source *s, uint64_t offset, void *to, size_t n)
{
    if (s->data.data != nullptr) {
        if (offset > s->data.len || n > s->data.len - offset)
            return IO_ERROR_IO;
        memcpy(to, (const char *)s->data.data + offset, n);
        return FUT_OK;
    }
    size_t done = 0;
    while (done < n) {
        size_t part = n - done;
        if (part > 1024) {
            if (part > READ_CHUNK)
                part = READ_CHUNK;
            struct fut_buffer b = {.data = (char *)to + done, .capacity = part};
            uint64_t got = 0;
            fut_status_t status = io_file_read_into(s->file, offset + done, b, &got);
            if (status == FUT_OK) {
                if (got == 0 || got > part)
                    return IO_ERROR_IO;
                done += got;
                continue;
            }
            if (status > 0)
                return status;
        }
        struct fut_bytes got;
        if (part > IO_MAX_INLINE)
            part = IO_MAX_INLINE;
        fut_status_t status = io_file_read_at(s->file, offset + done, (uint32_t)part, &got);
        if (status != FUT_OK)
            return status > 0 ? status : IO_ERROR_IO;
        if (got.len == 0 || got.len > part)
            return IO_ERROR_IO; // shorter than its size says
        memcpy((char *)to + done, got.data, got.len);
        done += got.len;
    }
    return FUT_OK;
}

static void image_free(struct image *image)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        if (image->segment[i].memory != 0)
            (void)fut_cap_delete(image->segment[i].memory);
    }
    heap_free(image->path);
    heap_free(image);
}

static uint32_t prot_of(const struct elf_load *l)
{
    return (l->read ? FUT_PROT_READ : 0) | (l->write ? FUT_PROT_WRITE : 0) | (l->exec ? FUT_PROT_EXEC : 0);
}

static struct image_segment *add_segment(struct image *image)
{
    return image->segment_count < IMAGE_SEGMENTS ? &image->segment[image->segment_count++] : nullptr;
}

// From now on nobody can write it through what comes from here: the handle that could is not kept.
static bool seal(fut_handle_t *memory)
{
    fut_handle_t sealed;
    if (fut_cap_mint(*memory, FUT_RIGHT_READ | FUT_RIGHT_EXEC | FUT_RIGHT_MAP | FUT_RIGHT_DUP, &sealed) != FUT_OK)
        return false;
    (void)fut_cap_delete(*memory);
    *memory = sealed;
    return true;
}

// The file's pages as they are. Only for what is never written and is backed by the file to its end.
static bool use_page_cache(struct image *image, const struct source *s, const struct elf_load *l)
{
    if (s->file.h == 0 || l->write || l->filesz != l->memsz)
        return false;
    fut_handle_t memory = 0;
    uint64_t size = 0;
    if (io_file_map(s->file, &memory, &size) != FUT_OK)
        return false;
    struct image_segment *seg = size >= l->offset + l->filesz && seal(&memory) ? add_segment(image) : nullptr;
    if (seg == nullptr) {
        (void)fut_cap_delete(memory);
        return false;
    }
    *seg = (struct image_segment){.address = PAGE_DOWN(l->vaddr),
                                  .bytes = PAGE_UP(l->vaddr + l->memsz) - PAGE_DOWN(l->vaddr),
                                  .offset = PAGE_DOWN(l->offset),
                                  .memory = memory,
                                  .prot = prot_of(l)};
    return true;
}

// What relocation has to see: the copied bytes of each segment while an image is made.
struct copies {
    unsigned count;
    struct { uint64_t low, bytes; char *data; bool writable; struct image_segment *segment; } copy[ELF_MAX_LOAD];
};

static fut_status_t copy_segment(struct image *image, const struct source *s, const struct elf_load *l,
                                 struct copies *copies)
{
    uint64_t low = PAGE_DOWN(l->vaddr), file_end = PAGE_UP(l->vaddr + l->filesz), end = PAGE_UP(l->vaddr + l->memsz);
    if (l->filesz != 0) {
        struct image_segment *seg = add_segment(image);
        char *data = seg != nullptr ? heap_zero(file_end - low) : nullptr;
        if (data == nullptr)
            return IO_ERROR_NO_MEMORY;
        *seg = (struct image_segment){.address = low, .bytes = file_end - low, .prot = prot_of(l)};
        copies->copy[copies->count].low = low;
        copies->copy[copies->count].bytes = file_end - low;
        copies->copy[copies->count].data = data;
        copies->copy[copies->count].writable = l->write;
        copies->copy[copies->count].segment = seg;
        copies->count++;
        fut_status_t status = read_source(s, l->offset, data + (l->vaddr - low), l->filesz);
        if (status != FUT_OK)
            return status;
    } else {
        file_end = low;
    }
    if (end > file_end) {
        struct image_segment *seg = add_segment(image);
        if (seg == nullptr)
            return IO_ERROR_NO_MEMORY;
        *seg = (struct image_segment){.address = file_end, .bytes = end - file_end, .prot = prot_of(l)};
    }
    return FUT_OK;
}

static fut_status_t store_copies(struct copies *copies)
{
    for (unsigned i = 0; i < copies->count; i++) {
        struct image_segment *seg = copies->copy[i].segment;
        fut_status_t status = fut_memory_create(copies->copy[i].bytes, 0, &seg->memory);
        uint64_t written = 0;
        if (status == FUT_OK)
            status = fut_memory_write(seg->memory, 0, copies->copy[i].data, copies->copy[i].bytes, &written);
        if (status != FUT_OK || written != copies->copy[i].bytes)
            return IO_ERROR_NO_MEMORY;
        if (!seal(&seg->memory))
            return IO_ERROR_NO_MEMORY;
    }
    return FUT_OK;
}

static void *copy_at(struct copies *copies, uint64_t address, size_t bytes, bool to_write)
{
    for (unsigned i = 0; i < copies->count; i++) {
        uint64_t low = copies->copy[i].low;
        if (address >= low && address - low <= copies->copy[i].bytes && bytes <= copies->copy[i].bytes - (address - low))
            return to_write && !copies->copy[i].writable ? nullptr : copies->copy[i].data + (address - low);
    }
    return nullptr;
}

enum { TAG_RELA = 7, TAG_RELA_BYTES = 8, TAG_RELR_BYTES = 35, TAG_RELR = 36 };

static fut_status_t relocate_rela(struct copies *copies, uint64_t table, uint64_t bytes, uint64_t bias)
{
    for (uint64_t i = 0; i + 24 <= bytes; i += 24) {
        uint64_t *r = copy_at(copies, table + i, 24, false); // offset, info, addend
        if (r == nullptr || (uint32_t)r[1] != machine_relative)
            return IO_ERROR_NOT_EXECUTABLE;
        uint64_t *at = copy_at(copies, r[0], 8, true);
        if (at == nullptr)
            return IO_ERROR_NOT_EXECUTABLE;
        *at = r[2] + bias;
    }
    return FUT_OK;
}

// RELR: an even word is an address; an odd one a bitmap of the 63 words behind the last.
static fut_status_t relocate_relr(struct copies *copies, uint64_t table, uint64_t bytes, uint64_t bias)
{
    uint64_t next = 0;
    for (uint64_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t *entry = copy_at(copies, table + i, 8, false);
        if (entry == nullptr)
            return IO_ERROR_NOT_EXECUTABLE;
        uint64_t bits = (*entry & 1) ? *entry >> 1 : 1, base = (*entry & 1) ? next : *entry;
        for (unsigned k = 0; bits >> k != 0; k++) {
            uint64_t *at = (bits >> k & 1) ? copy_at(copies, base + 8 * k, 8, true) : nullptr;
            if ((bits >> k & 1) && at == nullptr)
                return IO_ERROR_NOT_EXECUTABLE;
            if (at != nullptr)
                *at += bias;
            if (k == 62)
                break;
        }
        next = base + ((*entry & 1) ? 63 * 8 : 8);
    }
    return FUT_OK;
}

static fut_status_t relocate(struct copies *copies, const struct elf_plan *plan, uint64_t bias)
{
    uint64_t rela = 0, rela_bytes = 0, relr = 0, relr_bytes = 0;
    for (uint64_t i = 0; i + 16 <= plan->dynamic_bytes; i += 16) {
        uint64_t *d = copy_at(copies, plan->dynamic + i, 16, false);
        if (d == nullptr)
            return IO_ERROR_NOT_EXECUTABLE;
        if (d[0] == 0)
            break;
        if (d[0] == TAG_RELA)
            rela = d[1];
        else if (d[0] == TAG_RELA_BYTES)
            rela_bytes = d[1];
        else if (d[0] == TAG_RELR)
            relr = d[1];
        else if (d[0] == TAG_RELR_BYTES)
            relr_bytes = d[1];
    }
    fut_status_t status = relocate_rela(copies, rela, rela_bytes, bias);
    return status == FUT_OK ? relocate_relr(copies, relr, relr_bytes, bias) : status;
}

static struct image *image_from_plan(const struct elf_plan *plan)
{
    struct image *image = heap_zero(sizeof *image);
    if (image == nullptr)
        return nullptr;
    image->references = 1;
    image->low = plan->low;
    image->high = plan->high;
    image->entry = plan->entry;
    image->phdr = plan->phdr;
    image->phnum = plan->phnum;
    image->phent = plan->phent;
    image->position_independent = plan->position_independent;
    return image;
}

// bias: applied to the image's relocations here, where `relocated`; else the program does it itself.
static fut_status_t image_fill(struct image *image, const struct elf_plan *plan, const struct source *s,
                               bool relocated, uint64_t bias)
{
    struct copies copies = {};
    fut_status_t status = FUT_OK;
    for (unsigned i = 0; i < plan->loads && status == FUT_OK; i++) {
        if (!use_page_cache(image, s, &plan->load[i]))
            status = copy_segment(image, s, &plan->load[i], &copies);
    }
    if (status == FUT_OK && relocated && plan->dynamic != 0)
        status = relocate(&copies, plan, bias);
    if (status == FUT_OK)
        status = store_copies(&copies);
    for (unsigned i = 0; i < copies.count; i++)
        heap_free(copies.copy[i].data);
    return status;
}

static bool note_is_native(const struct source *s, const struct elf_plan *plan)
{
    char note[256];
    size_t n = plan->note_bytes < sizeof note ? plan->note_bytes : sizeof note;
    return n != 0 && read_source(s, plan->note, note, n) == FUT_OK && elf_note_is_native(note, n);
}

static void evict(void)
{
    struct image *oldest = nullptr;
    for (struct image *i = images; i != nullptr; i = i->next) {
        if (oldest == nullptr || i->used < oldest->used)
            oldest = i;
    }
    for (struct image **at = &images; *at != nullptr; at = &(*at)->next) {
        if (*at == oldest) {
            *at = oldest->next;
            cached--;
            oldest->kept = false;
            image_release(oldest);
            return;
        }
    }
}

uint64_t images_due(uint64_t now)
{
    uint64_t next = FUT_FOREVER;
    for (struct image **at = &images; *at != nullptr;) {
        struct image *i = *at;
        if (i->references == 1 && now - i->idle_since >= KEEP_NS) {
            *at = i->next;
            cached--;
            image_free(i);
            continue;
        }
        if (i->references == 1 && i->idle_since + KEEP_NS < next)
            next = i->idle_since + KEEP_NS;
        at = &i->next;
    }
    return next;
}

static struct image *find(const struct io_stat *st)
{
    for (struct image *i = images; i != nullptr; i = i->next) {
        if (i->dev == st->dev && i->ino == st->ino && i->size == st->size && i->mtime == st->mtime &&
            i->ctime == st->ctime)
            return i;
    }
    return nullptr;
}

fut_status_t image_get(io_file_t file, const struct io_stat *st, struct image **out, char *line, size_t line_size)
{
    struct image *image = find(st);
    if (image != nullptr) {
        image->used = ++tick;
        image->references++;
        *out = image;
        return FUT_OK;
    }
    struct fut_bytes got;
    fut_status_t status = io_file_read_at(file, 0, ELF_HEAD_BYTES, &got);
    if (status != FUT_OK)
        return status > 0 ? status : IO_ERROR_IO;
    static char head[ELF_HEAD_BYTES];
    size_t n = got.len < sizeof head ? got.len : sizeof head;
    memcpy(head, got.data, n);
    if (n >= 2 && head[0] == '#' && head[1] == '!') {
        size_t part = n < line_size - 1 ? n : line_size - 1;
        memcpy(line, head, part);
        line[part] = 0;
        return IMAGE_SCRIPT;
    }
    struct elf_plan plan;
    enum elf_result result = elf_plan(head, n, st->size, machine_elf, &plan);
    if (result != ELF_OK)
        return result == ELF_DAMAGED ? IO_ERROR_INVALID : IO_ERROR_NOT_EXECUTABLE;
    image = image_from_plan(&plan);
    if (image == nullptr)
        return IO_ERROR_NO_MEMORY;
    struct source source = {.file = file};
    image->native = note_is_native(&source, &plan);
    status = image_fill(image, &plan, &source, false, 0);
    if (status != FUT_OK) {
        image_free(image);
        return status;
    }
    image->dev = st->dev;
    image->ino = st->ino;
    image->size = st->size;
    image->mtime = st->mtime;
    image->ctime = st->ctime;
    image->used = ++tick;
    image->next = images;
    images = image;
    image->kept = true;
    image->references = 2; // the list's and the caller's
    if (++cached > CACHED_IMAGES)
        evict();
    *out = image;
    return FUT_OK;
}

void image_release(struct image *image)
{
    if (--image->references == 0) {
        image_free(image);
    } else if (image->references == 1 && image->kept) {
        image->idle_since = now_ns();
        uint64_t due = image->idle_since + KEEP_NS, at = posixd.server.alarm_at;
        posixd.server.alarm_at = at == 0 || at > due ? due : at;
    }
}

fut_status_t image_map(const struct image *image, fut_handle_t space, uint64_t bias)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct image_segment *s = &image->segment[i];
        // What is only read is the sealed Memory itself: no overlay to make, nor to snapshot at fork.
        uint32_t how = s->memory == 0 ? FUT_MAP_ANON : s->prot & FUT_PROT_WRITE ? FUT_MAP_PRIVATE : 0;
        struct fut_map map = {
            .address = s->address + bias,
            .offset = s->offset,
            .bytes = s->bytes,
            .memory = s->memory,
            .flags = s->prot | FUT_MAP_FIXED | how,
        };
        uint64_t at;
        fut_status_t status = fut_space_map(space, &map, &at);
        if (status != FUT_OK)
            return status;
    }
    return FUT_OK;
}

struct image *personality;
uint64_t personality_bias;

// The personality is loaded once, at an address that differs from boot to boot: its text and its
// relocated data are the same pages in every process.
fut_status_t image_personality(struct fut_bytes file)
{
    struct elf_plan plan;
    if (elf_plan(file.data, file.len < ELF_HEAD_BYTES ? file.len : ELF_HEAD_BYTES, file.len, machine_elf, &plan) !=
            ELF_OK ||
        !plan.position_independent)
        return FUT_ERR_INVALID;
    struct image *image = image_from_plan(&plan);
    if (image == nullptr)
        return FUT_ERR_NO_MEMORY;
    uint64_t bias = UINT64_C(0x7f8000000000) + (random_below(UINT64_C(1) << 25) << FUT_PAGE_SHIFT);
    struct source source = {.data = file};
    fut_status_t status = image_fill(image, &plan, &source, true, bias);
    if (status != FUT_OK) {
        image_free(image);
        return FUT_ERR_INVALID;
    }
    personality = image;
    personality_bias = bias;
    return FUT_OK;
}
