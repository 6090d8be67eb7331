// SPDX-License-Identifier: MPL-2.0
//
// malloc for fsd: one large range of zero-fill pages, handed out in classes (multiples of 16 up to 512 bytes, then
// four to each power of two). A block's class is in the 16 bytes before it; a freed block goes to the list of its
// class and stays of that class. Libext2fs and the core allocate few different sizes again and again, so nothing is
// split or joined. One thread: no lock.

#include <errno.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_BYTES ((size_t)1 << 30)
#define FINE 32u   // classes of 16, 32, ... 512 bytes
#define CLASSES (FINE + 4 * 22)

struct header { uint32_t class; uint32_t shift; uint64_t check; };
struct block { struct block *next; };

static struct block *lists[CLASSES];
static char *next, *end;

static size_t class_bytes(unsigned c) {
    if (c < FINE) {
        return 16 * ((size_t)c + 1);
    }
    unsigned power = 9 + (c - FINE) / 4, quarter = (c - FINE) % 4 + 1;
    return ((size_t)1 << power) + quarter * ((size_t)1 << (power - 2));
}

static unsigned class_of(size_t bytes) {
    if (bytes <= 16 * FINE) {
        return bytes ? (unsigned)((bytes - 1) / 16) : 0;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(bytes - 1);
    unsigned quarter = (unsigned)((bytes - 1) >> (power - 2) & 3);
    return FINE + (power - 9) * 4 + quarter;
}

void *malloc(size_t bytes) {
    if (bytes > HEAP_BYTES / 4) {
        errno = ENOMEM;
        return nullptr;
    }
    unsigned c = class_of(bytes);
    struct block *b = lists[c];
    if (b) {
        lists[c] = b->next;
        return b;
    }
    if (!next) {
        struct fut_map map = {.bytes = HEAP_BYTES, .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON};
        uint64_t address = 0;
        if (fut_space_map(fut_startup_cap("space"), &map, &address) != FUT_OK) {
            return nullptr;
        }
        next = (char *)address;
        end = next + HEAP_BYTES;
    }
    size_t whole = class_bytes(c) + sizeof(struct header);
    if ((size_t)(end - next) < whole) {
        errno = ENOMEM;
        return nullptr;
    }
    struct header *h = (struct header *)next;
    next += whole;
    *h = (struct header){.class = c};
    return h + 1;
}

void free(void *p) {
    if (!p) {
        return;
    }
    struct header *h = (struct header *)p - 1;
    if (h->shift) { // from posix_memalign: the block starts further down
        p = (char *)p - h->shift;
        h = (struct header *)p - 1;
    }
    struct block *b = p;
    b->next = lists[h->class];
    lists[h->class] = b;
}

void *calloc(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return nullptr;
    }
    void *p = malloc(bytes);
    return p ? memset(p, 0, bytes) : nullptr;
}

void *realloc(void *p, size_t bytes) {
    if (!p) {
        return malloc(bytes);
    }
    struct header *h = (struct header *)p - 1;
    size_t shift = h->shift;
    if (shift) {
        h = (struct header *)((char *)p - shift) - 1;
    }
    size_t have = class_bytes(h->class) - shift;
    if (bytes <= have && bytes + 256 >= have / 2) {
        return p;
    }
    void *q = malloc(bytes);
    if (q) {
        memcpy(q, p, have < bytes ? have : bytes);
        free(p);
    }
    return q;
}

int posix_memalign(void **out, size_t align, size_t bytes) {
    if (align < 16) {
        align = 16;
    }
    char *p = malloc(bytes + align + sizeof(struct header));
    if (!p) {
        return ENOMEM;
    }
    if (((uintptr_t)p & (align - 1)) == 0) {
        *out = p;
        return 0;
    }
    char *q = (char *)(((uintptr_t)p + sizeof(struct header) + align - 1) & ~(uintptr_t)(align - 1));
    struct header *h = (struct header *)q - 1;
    *h = (struct header){.shift = (uint32_t)(q - p)};
    *out = q;
    return 0;
}

void *aligned_alloc(size_t align, size_t bytes) {
    void *p = nullptr;
    return posix_memalign(&p, align, bytes) == 0 ? p : nullptr;
}
