// SPDX-License-Identifier: MPL-2.0
//
// Pages that programs have mapped. A file's Memory shows the very pages that read() and write() use: it asks for a
// page when a program touches it (cache_fault), and before a program first writes to one since it was stored. From
// then on the page counts as dirty, so that the limit on dirty pages and the promise of storage hold for mapped files
// as they do for write(). Pages behind one that a program goes through are opened for writing with it; whether it wrote
// them is known (`written`) when they are to be stored.
//
// Whatever moves or reuses a page takes it back first (segment_hide). A program that touches it again asks again.

#include <string.h>

#include "cache/pool.h"
#include "cache/segment.h"

#define AHEAD 16u // units opened for writing at once, when a program writes one after the other

static_assert(POOL_PAGE == 1u << 12);

// Of the units that were opened without being asked for, those that nobody wrote are clean.
static void settle(struct segment *s, uint64_t units, uint64_t written) {
    uint64_t clean = s->maybe & units & ~written;
    s->maybe &= ~units;
    s->writable &= ~units;
    segment_set_clean(s, clean);
    segment_unreserve(s, clean);
}

static uint64_t page_of(const struct segment *s, unsigned unit) { return (s->index << s->file->window_shift) + unit; }

void segment_hide(struct segment *s, uint64_t units) {
    units &= s->shown;
    if (!units) {
        return;
    }
    unsigned first = (unsigned)__builtin_ctzll(units), count = 64 - (unsigned)__builtin_clzll(units) - first;
    uint64_t all = segment_mask(first, count);
    struct cache_memory *m = s->file->memory;
    uint64_t written = m->ops->hide(m, page_of(s, first), count, (s->writable & all) != 0);
    s->shown &= ~all;
    settle(s, all, written << first);
}

void segment_collect(struct segment *s) {
    if (s->writable) {
        struct cache_memory *m = s->file->memory;
        unsigned first = (unsigned)__builtin_ctzll(s->writable), count = 64 - (unsigned)__builtin_clzll(s->writable) - first;
        settle(s, segment_mask(first, count), m->ops->written(m, page_of(s, first), count) << first);
    }
}

// Storage for the unit and, as far as there is, for those that follow. Gives how many units may be written now.
static fs_error open_for_writing(struct segment *s, unsigned u, unsigned units, unsigned *count) {
    bool sequential = u > 0 && (s->writable >> (u - 1) & 1);
    unsigned most = sequential && units - u > AHEAD ? AHEAD : sequential ? units - u : 1;
    s->pins++; // reserving reads metadata through the cache
    for (*count = 0; *count < most; ++*count) {
        unsigned i = u + *count;
        uint64_t bit = 1ull << i;
        if (*count && (!(s->valid & bit) || (s->writable & bit))) {
            break;
        }
        fs_error e = segment_reserve(s, i);
        if (e) {
            s->pins--;
            return *count ? FS_OK : e;
        }
        s->maybe = *count && !(s->dirty & bit) ? s->maybe | bit : s->maybe & ~bit;
        segment_set_dirty(s, bit);
        s->writable |= bit;
    }
    s->pins--;
    s->file->written_to = true;
    return FS_OK;
}

fs_error cache_fault(struct cache_file *f, uint64_t page, bool write, uint64_t end) {
    struct cache_memory *m = f->memory;
    if (!m || page >= (end + POOL_PAGE - 1) / POOL_PAGE) {
        return FS_INVALID;
    }
    unsigned u = (unsigned)(page & (units_per_window(f) - 1));
    uint64_t index = page >> f->window_shift;
    fs_error e = FS_OK;
    if (f->in_memory && !cache_peek(f, page)) {
        void *to;
        size_t n;
        e = cache_edit(f, page * POOL_PAGE, POOL_PAGE, 0, &to, &n);
        if (e == FS_OK) {
            memset(to, 0, n);
            (void)cache_written(f, page * POOL_PAGE, n, 0);
        }
    } else {
        const void *from;
        size_t n;
        e = cache_view(f, page * POOL_PAGE, 1, end, &from, &n);
    }
    struct segment *s = e == FS_OK ? segment_find(f, index) : nullptr;
    if (!s || !(s->valid >> u & 1)) {
        return e ? e : FS_NO_MEMORY;
    }
    // The pages around it that are there, and no further than the end of the file.
    uint64_t last = (end - 1) / POOL_PAGE;
    unsigned units = last >> f->window_shift == index ? (unsigned)(last & (units_per_window(f) - 1)) + 1 : units_per_window(f);
    if (write) {
        unsigned count = 1;
        if (!f->in_memory && (e = open_for_writing(s, u, units, &count)) != FS_OK) {
            return e;
        }
        f->written_to = true;
        if (!m->ops->show(m, page, count, unit_at(s, u), false)) {
            return FS_NO_MEMORY; // what was opened stays dirty, which harms nobody
        }
        s->shown |= segment_mask(u, count);
    }
    unsigned low = u, high = u + 1;
    while (low > 0 && (s->valid & ~s->shown) >> (low - 1) & 1) {
        low--;
    }
    while (high < units && (s->valid & ~s->shown) >> high & 1) {
        high++;
    }
    if (high - low > 1 || !write) {
        if (m->ops->show(m, page_of(s, low), high - low, unit_at(s, low), true)) {
            s->shown |= segment_mask(low, high - low);
        } else if (!write) {
            return FS_NO_MEMORY;
        }
    }
    return FS_OK;
}

void cache_memory_gone(struct cache_file *f) {
    for (struct segment *s = f->first; s; s = s->next) {
        segment_hide(s, ~0ull);
    }
    f->memory = nullptr;
}

void cache_grow(struct cache_file *f, uint64_t end) {
    if (!f->written_to || !(end & (POOL_PAGE - 1))) {
        return;
    }
    struct segment *s = segment_find(f, end / POOL_PAGE >> f->window_shift);
    unsigned u = (unsigned)(end / POOL_PAGE & (units_per_window(f) - 1));
    if (s && (s->valid >> u & 1)) {
        size_t keep = end & (POOL_PAGE - 1);
        memset(unit_at(s, u) + keep, 0, POOL_PAGE - keep);
    }
}
