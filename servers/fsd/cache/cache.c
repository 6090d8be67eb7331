// SPDX-License-Identifier: MPL-2.0
//
// Segments: finding, making, filling, changing, storing and evicting them. See cache.h.

#include "cache/cache.h"

#include <stdlib.h>
#include <string.h>

#include "cache/pool.h"
#include "cache/segment.h"
#include "core/platform.h"

#define BUCKETS 4096u
#define RANDOM_READ 4u // units filled at a miss that does not look sequential

static struct segment *buckets[BUCKETS];
static struct segment *newest, *oldest;
static struct cache_file *dirty_first, **dirty_end = &dirty_first;
static unsigned flushes; // nested cache_flush calls of files with `prepare`
static size_t dirty_bytes;
static const char zeros[POOL_PAGE];
struct cache_statistics cache_stats;

static size_t unit_bytes(const struct cache_file *f) { return (size_t)1 << f->unit_shift; }

void cache_init(struct cache_file *f, const struct cache_ops *ops, void *owner, unsigned unit_shift, unsigned window_shift) {
    *f = (struct cache_file){.ops = ops, .owner = owner, .unit_shift = (uint8_t)unit_shift,
                             .window_shift = (uint8_t)window_shift, .in_memory = !ops->fill};
}

// --- Where segments are ---

static struct segment **bucket(const struct cache_file *f, uint64_t index) {
    uint64_t h = ((uintptr_t)f >> 5) * 0x9e3779b97f4a7c15ull + index * 0xc2b2ae3d27d4eb4full;
    return &buckets[h >> 40 & (BUCKETS - 1)];
}

struct segment *segment_find(const struct cache_file *f, uint64_t index) {
    if (f->last && f->last->index == index) {
        return f->last;
    }
    for (struct segment *s = *bucket(f, index); s; s = s->hash_next) {
        if (s->file == f && s->index == index) {
            return s;
        }
    }
    return nullptr;
}

static void use_remove(struct segment *s) {
    *(s->newer ? &s->newer->older : &newest) = s->older;
    *(s->older ? &s->older->newer : &oldest) = s->newer;
}

static void use_front(struct segment *s) {
    s->newer = nullptr;
    s->older = newest;
    *(newest ? &newest->newer : &oldest) = s;
    newest = s;
}

static void used(struct segment *s) {
    if (s != newest && !s->file->in_memory) {
        use_remove(s);
        use_front(s);
    }
}

void segment_set_clean(struct segment *s, uint64_t units) {
    struct cache_file *f = s->file;
    units &= s->dirty;
    s->dirty &= ~units;
    unsigned n = (unsigned)__builtin_popcountll(units);
    f->dirty_units -= n;
    dirty_bytes -= n * unit_bytes(f);
    if (f->dirty_units == 0 && f->dirty_link) {
        *f->dirty_link = f->dirty_next;
        if (f->dirty_next) {
            f->dirty_next->dirty_link = f->dirty_link;
        } else {
            dirty_end = f->dirty_link;
        }
        f->dirty_link = nullptr;
    }
}

void segment_set_dirty(struct segment *s, uint64_t units) {
    struct cache_file *f = s->file;
    units &= ~s->dirty;
    s->dirty |= units;
    unsigned n = (unsigned)__builtin_popcountll(units);
    f->dirty_units += n;
    dirty_bytes += n * unit_bytes(f);
    if (f->dirty_units && !f->dirty_link) {
        f->dirty_since = platform_now();
        f->dirty_next = nullptr;
        f->dirty_link = dirty_end;
        *dirty_end = f;
        dirty_end = &f->dirty_next;
    }
}

void segment_unreserve(struct segment *s, uint64_t units) {
    for (units &= s->reserved; units; units &= units - 1) {
        unsigned u = (unsigned)__builtin_ctzll(units);
        s->reserved &= ~(1ull << u);
        if (s->file->ops->unreserve) {
            s->file->ops->unreserve(s->file, (s->index << s->file->window_shift) + u);
        }
    }
}

fs_error segment_reserve(struct segment *s, unsigned u) {
    struct cache_file *f = s->file;
    if ((s->dirty >> u & 1) || (s->reserved >> u & 1) || !f->ops->reserve || (f->in_memory && (s->valid >> u & 1))) {
        return FS_OK;
    }
    bool kept = false;
    fs_error e = f->ops->reserve(f, (s->index << f->window_shift) + u, &kept);
    if (e == FS_OK) {
        s->reserved |= (uint64_t)kept << u;
    }
    return e;
}

static void segment_free(struct segment *s) {
    struct cache_file *f = s->file;
    segment_hide(s, ~0ull);
    segment_set_clean(s, ~0ull);
    segment_unreserve(s, ~0ull);
    if (!f->in_memory) {
        use_remove(s);
    }
    *s->hash_link = s->hash_next;
    if (s->hash_next) {
        s->hash_next->hash_link = s->hash_link;
    }
    *(s->prev ? &s->prev->next : &f->first) = s->next;
    *(s->next ? &s->next->prev : &f->last) = s->prev;
    cache_stats.cached_pages -= 1ull << s->order;
    pool_give(s->data, s->order);
    free(s);
}

// --- Memory ---

// Frees some memory by evicting what was used least recently. False: nothing more can be freed.
static bool evict(void) {
    static bool inside;
    // What programs have mapped is not seen in use: it is taken back from them, and evicted when nobody asks for it again
    // before its turn comes the next time.
    for (int pass = 0; pass < 2; pass++) {
        struct segment *end = newest;
        for (struct segment *s = oldest, *next; s; s = next) {
            next = s == end ? nullptr : s->newer;
            if (s->pins || s->dirty) {
                continue;
            }
            if (!s->shown) {
                segment_free(s);
                return true;
            }
            segment_hide(s, ~0ull);
            used(s);
        }
    }
    if (inside) {
        return false;
    }
    inside = true;
    bool done = false;
    // Nothing clean is left. Metadata can always be stored; files only when this is not inside storing one.
    for (struct cache_file *f = dirty_first; f; f = f->dirty_next) {
        if (!f->flushing && (!f->ops->prepare || flushes == 0)) {
            uint32_t before = f->dirty_units;
            (void)cache_flush(f);
            done = f->dirty_units < before;
            break;
        }
    }
    inside = false;
    return done;
}

static char *take(unsigned order) {
    char *p;
    while (!(p = pool_take(order))) {
        if (!evict()) {
            return nullptr;
        }
    }
    return p;
}

// The pages that hold this many units.
static unsigned order_for(const struct cache_file *f, unsigned units) {
    size_t pages = ((size_t)units * unit_bytes(f) + POOL_PAGE - 1) / POOL_PAGE;
    unsigned order = 0;
    while ((1ull << order) < pages) {
        order++;
    }
    return order;
}

// The segment of a window with room for its first `units` units, or null without memory.
static struct segment *segment(struct cache_file *f, uint64_t index, unsigned units) {
    unsigned order = order_for(f, units);
    struct segment *s = segment_find(f, index);
    if (s && s->order >= order) {
        used(s);
        return s;
    }
    if (s) {
        s->pins++;
        char *p = take(order);
        s->pins--;
        if (!p) {
            return nullptr;
        }
        segment_hide(s, ~0ull);
        memcpy(p, s->data, POOL_PAGE << s->order);
        pool_give(s->data, s->order);
        cache_stats.cached_pages += (1ull << order) - (1ull << s->order);
        s->data = p;
        s->order = (uint8_t)order;
        used(s);
        return s;
    }
    s = calloc(1, sizeof *s);
    char *p = s ? take(order) : nullptr;
    if (!p) {
        free(s);
        return nullptr;
    }
    s->file = f;
    s->index = index;
    s->data = p;
    s->order = (uint8_t)order;
    cache_stats.cached_pages += 1ull << order;
    struct segment **head = bucket(f, index);
    s->hash_next = *head;
    s->hash_link = head;
    if (s->hash_next) {
        s->hash_next->hash_link = &s->hash_next;
    }
    *head = s;
    struct segment *before = f->last; // most files grow at their end
    while (before && before->index > index) {
        before = before->prev;
    }
    s->prev = before;
    s->next = before ? before->next : f->first;
    *(s->prev ? &s->prev->next : &f->first) = s;
    *(s->next ? &s->next->prev : &f->last) = s;
    if (!f->in_memory) {
        use_front(s);
    }
    return s;
}

static fs_error fill(struct segment *s, unsigned first, unsigned count) {
    struct cache_file *f = s->file;
    s->pins++;
    fs_error e = f->ops->fill(f, (s->index << f->window_shift) + first, count, unit_at(s, first));
    s->pins--;
    if (e == FS_OK) {
        s->valid |= segment_mask(first, count);
        cache_stats.reads += count;
    }
    return e;
}

// --- Reading ---

fs_error cache_view(struct cache_file *f, uint64_t offset, size_t max, uint64_t end, const void **p, size_t *n) {
    *n = 0;
    if (offset >= end || max == 0) {
        return FS_OK;
    }
    uint64_t unit = offset >> f->unit_shift, index = unit >> f->window_shift;
    unsigned u = (unsigned)(unit & (units_per_window(f) - 1));
    size_t skip = offset & (unit_bytes(f) - 1);
    struct segment *s = segment_find(f, index);
    if (!s || !(s->valid >> u & 1)) {
        if (f->in_memory) {
            *p = zeros;
            *n = unit_bytes(f) - skip;
            goto clip;
        }
        cache_stats.misses++;
        // Units of this window up to the end of the file.
        uint64_t last = (end - 1) >> f->unit_shift;
        unsigned units = last >> f->window_shift == index ? (unsigned)(last & (units_per_window(f) - 1)) + 1 : units_per_window(f);
        bool sequential = unit == f->next_unit || unit == 0 || last < 2 * RANDOM_READ;
        unsigned want = sequential ? units : u + RANDOM_READ < units ? u + RANDOM_READ : units;
        s = segment(f, index, want);
        if (!s && want > u + 1) {
            want = u + 1;
            s = segment(f, index, want);
        }
        if (!s) {
            return FS_NO_MEMORY;
        }
        unsigned stop = u + 1;
        while (stop < want && !(s->valid >> stop & 1)) {
            stop++;
        }
        fs_error e = fill(s, u, stop - u);
        if (e && stop > u + 1) {
            stop = u + 1; // a bad block further on is not this reader's
            e = fill(s, u, 1);
        }
        if (e) {
            return e;
        }
        f->next_unit = (index << f->window_shift) + stop;
    } else {
        cache_stats.hits++;
        used(s);
    }
    // The valid units from u on, in one piece.
    uint64_t behind = ~(s->valid >> u);
    *p = unit_at(s, u) + skip;
    *n = ((size_t)(behind ? __builtin_ctzll(behind) : 64) << f->unit_shift) - skip;
clip:
    if (*n > max) {
        *n = max;
    }
    if (*n > end - offset) {
        *n = (size_t)(end - offset);
    }
    return FS_OK;
}

const void *cache_peek(struct cache_file *f, uint64_t unit) {
    struct segment *s = segment_find(f, unit >> f->window_shift);
    unsigned u = (unsigned)(unit & (units_per_window(f) - 1));
    return s && (s->valid >> u & 1) ? unit_at(s, u) : nullptr;
}

// --- Writing ---

fs_error cache_edit(struct cache_file *f, uint64_t offset, size_t max, uint64_t end, void **p, size_t *n) {
    uint64_t unit = offset >> f->unit_shift, index = unit >> f->window_shift;
    unsigned u = (unsigned)(unit & (units_per_window(f) - 1));
    size_t bytes = unit_bytes(f), skip = offset & (bytes - 1);
    size_t room = ((size_t)(units_per_window(f) - u) << f->unit_shift) - skip;
    size_t len = max < room ? max : room;
    *n = 0;
    if (len == 0) {
        return FS_OK;
    }
    unsigned stop = u + (unsigned)((skip + len + bytes - 1) >> f->unit_shift);
    // A file that already fills windows will probably fill this one.
    unsigned want = index > 0 && offset >= end ? units_per_window(f) : stop;
    struct segment *s = segment(f, index, want);
    if (!s && want > stop) {
        s = segment(f, index, stop);
    }
    if (!s) {
        return FS_NO_MEMORY;
    }
    fs_error e = FS_OK;
    s->pins++; // reserving reads metadata through this cache
    for (unsigned i = u; i < stop; i++) {
        if ((e = segment_reserve(s, i)) != FS_OK) {
            stop = i;
            break;
        }
        if (s->valid >> i & 1) {
            continue;
        }
        // Only the first and the last unit can be written in part.
        uint64_t start = ((index << f->window_shift) + i) << f->unit_shift;
        bool front = i == u && skip, back = offset + len < start + bytes && offset + len < end;
        if ((front && start < end) || (back && start < end)) {
            if (f->in_memory) {
                memset(unit_at(s, i), 0, bytes);
            } else if ((e = fill(s, i, 1)) != FS_OK) {
                stop = i;
                break;
            }
            s->valid |= 1ull << i;
        } else if (front || offset + len < start + bytes) {
            memset(unit_at(s, i), 0, bytes);
            if (front) {
                s->valid |= 1ull << i;
            }
        }
    }
    s->pins--;
    if (stop == u) {
        return e;
    }
    *p = unit_at(s, u) + skip;
    *n = ((size_t)(stop - u) << f->unit_shift) - skip;
    if (*n > len) {
        *n = len;
    }
    return FS_OK;
}

size_t cache_written(struct cache_file *f, uint64_t offset, size_t n, uint64_t end) {
    if (n == 0) {
        return 0;
    }
    uint64_t unit = offset >> f->unit_shift;
    unsigned u = (unsigned)(unit & (units_per_window(f) - 1));
    struct segment *s = segment_find(f, unit >> f->window_shift);
    if (!s) {
        return 0;
    }
    size_t bytes = unit_bytes(f);
    unsigned last = u + (unsigned)(((offset & (bytes - 1)) + n - 1) >> f->unit_shift);
    uint64_t last_start = ((s->index << f->window_shift) + last) << f->unit_shift;
    if (!(s->valid >> last & 1) && offset + n < last_start + bytes && offset + n < end) {
        // The rest of this unit was expected to come too, and its old contents were not read.
        if (last == u) {
            return 0;
        }
        n = (size_t)(last_start - offset);
        last--;
    }
    if (!(s->valid >> last & 1) && offset + n < last_start + bytes) {
        memset(unit_at(s, last) + (offset + n - last_start), 0, (size_t)(last_start + bytes - offset - n));
    }
    uint64_t units = segment_mask(u, last - u + 1);
    s->valid |= units;
    s->maybe &= ~units;
    if (!f->in_memory) {
        segment_set_dirty(s, units);
    }
    return n;
}

void cache_forget(struct cache_file *f, uint64_t unit, uint64_t count) {
    uint64_t end = unit + count < unit ? UINT64_MAX : unit + count;
    for (struct segment *s = count > units_per_window(f) ? f->first : segment_find(f, unit >> f->window_shift), *next; s; s = next) {
        next = s->next;
        uint64_t base = s->index << f->window_shift;
        if (base >= end) {
            break;
        }
        uint64_t a = unit > base ? unit - base : 0, b = end - base > units_per_window(f) ? units_per_window(f) : end - base;
        if (a >= b) {
            continue;
        }
        uint64_t units = segment_mask((unsigned)a, (unsigned)(b - a));
        segment_hide(s, units);
        segment_set_clean(s, units);
        segment_unreserve(s, units);
        s->valid &= ~units;
        if (!s->valid && !s->pins) {
            segment_free(s);
        }
    }
    // A short range that starts in a window that is not cached may end in one that is.
    if (count <= units_per_window(f) && (end - 1) >> f->window_shift != unit >> f->window_shift) {
        uint64_t start = (end - 1) >> f->window_shift << f->window_shift;
        if (segment_find(f, start >> f->window_shift)) {
            cache_forget(f, start, end - start);
        }
    }
}

fs_error cache_truncate(struct cache_file *f, uint64_t size) {
    uint64_t unit = size >> f->unit_shift;
    size_t keep = size & (unit_bytes(f) - 1);
    if (keep) {
        struct segment *s = segment_find(f, unit >> f->window_shift);
        unsigned u = (unsigned)(unit & (units_per_window(f) - 1));
        if (s && (s->valid >> u & 1)) {
            memset(unit_at(s, u) + keep, 0, unit_bytes(f) - keep);
        }
        unit++;
    }
    cache_forget(f, unit, UINT64_MAX - unit);
    return FS_OK;
}

// --- Storing ---

static fs_error store_range(struct segment *s, unsigned first, uint64_t count) {
    struct cache_file *f = s->file;
    fs_error e = FS_OK;
    if (f->ops->prepare) {
        e = f->ops->prepare(f, (s->index << f->window_shift) + first, count);
    }
    while (e == FS_OK && count) {
        unsigned here = units_per_window(f) - first;
        if (here > count) {
            here = (unsigned)count;
        }
        s->pins++;
        e = f->ops->store(f, (s->index << f->window_shift) + first, here, unit_at(s, first));
        s->pins--;
        if (e == FS_OK) {
            segment_set_clean(s, segment_mask(first, here));
            segment_unreserve(s, segment_mask(first, here));
            cache_stats.writes += here;
        }
        count -= here;
        first = 0;
        if (count) {
            s = s->next;
        }
    }
    return e;
}

fs_error cache_flush(struct cache_file *f) {
    fs_error result = f->error;
    f->error = FS_OK;
    if (f->dirty_units == 0 || f->flushing) {
        return result;
    }
    f->flushing = true;
    flushes += f->ops->prepare != nullptr;
    struct segment *s = f->first;
    for (struct segment *i = f->memory ? s : nullptr; i; i = i->next) {
        segment_collect(i);
    }
    unsigned u = 0, window = units_per_window(f);
    while (s) {
        uint64_t rest = u < 64 ? s->dirty >> u << u : 0;
        if (!rest) {
            s = s->next;
            u = 0;
            continue;
        }
        // A contiguous dirty range, over as many windows as it goes. Its segments are dirty, so they stay.
        unsigned first = (unsigned)__builtin_ctzll(rest);
        struct segment *t = s;
        unsigned i = first;
        uint64_t count = 0;
        while (t->dirty >> i & 1) {
            count++;
            if (++i == window) {
                if (!t->next || t->next->index != t->index + 1) {
                    break;
                }
                t = t->next;
                i = 0;
                if (!(t->dirty & 1)) {
                    break;
                }
            }
        }
        // t is where to go on; it must be there still after this range was stored.
        t->pins++;
        s->pins++;
        fs_error e = store_range(s, first, count);
        s->pins--;
        t->pins--;
        if (e) {
            result = result ? result : e;
        }
        s = t;
        u = i;
    }
    flushes -= f->ops->prepare != nullptr;
    f->flushing = false;
    return result;
}

void cache_destroy(struct cache_file *f) {
    while (f->first) {
        segment_free(f->first);
    }
}

void cache_flush_older(int64_t age) {
    int64_t now = platform_now();
    while (dirty_first && now - dirty_first->dirty_since >= age) {
        struct cache_file *f = dirty_first;
        uint32_t before = f->dirty_units;
        fs_error e = cache_flush(f);
        if (e) {
            f->error = e;
            if (f->dirty_units >= before) {
                break;
            }
        }
    }
}

void cache_balance(void) {
    size_t limit = pool_total_pages() * POOL_PAGE / 3;
    while (dirty_bytes > limit && dirty_first) {
        struct cache_file *f = dirty_first;
        uint32_t before = f->dirty_units;
        fs_error e = cache_flush(f);
        if (e) {
            f->error = e;
        }
        if (f->dirty_units >= before) {
            break;
        }
    }
    cache_stats.dirty_pages = dirty_bytes / POOL_PAGE;
}

void cache_drop_clean(void) {
    for (struct segment *s = oldest, *newer; s; s = newer) {
        newer = s->newer;
        if (!s->pins && !s->dirty) {
            segment_free(s);
        }
    }
}
