// SPDX-License-Identifier: MPL-2.0
//
// Cached contents: of a regular file, of a tmpfs file (where the cache is the only copy), or of a block device's
// metadata. A cache_file is divided into units (the grain of validity and dirt) and windows of up to 64 units; a
// segment holds the cached units of one window in one run of pool pages, just as large as needed.
//
// Pointers that cache_view and cache_edit give are good until the next call into the cache. A dirty segment is written
// by cache_flush only (from sync, from cache_balance, or when memory is short); a segment that its file system is just
// filling is pinned. While a file is being flushed, memory is taken from clean segments only: the flush itself
// reads metadata through the cache, and the limit on dirty pages sees to it that there are clean ones.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/errors.h"

struct cache_file;
struct segment;

struct cache_ops {
    /// Reads units into pool memory; what is not stored becomes zero. null: nothing is stored anywhere (tmpfs).
    fs_error (*fill)(struct cache_file *f, uint64_t unit, unsigned count, void *to);
    /// Sees to it that a unit about to become dirty can be stored later. `kept`: the segment remembers for this unit
    /// that it was promised; unreserve is called when that ends before it was stored.
    fs_error (*reserve)(struct cache_file *f, uint64_t unit, bool *kept);
    void (*unreserve)(struct cache_file *f, uint64_t unit);
    /// Before the units of one contiguous dirty range are stored: allocates. Optional.
    fs_error (*prepare)(struct cache_file *f, uint64_t unit, uint64_t count);
    fs_error (*store)(struct cache_file *f, uint64_t unit, unsigned count, void *from);
};

/// Where programs see a file's pages: a paged Memory (server/mapping.c), or the host test's stand-in. Units are pages.
struct cache_memory;
struct cache_memory_ops {
    /// Shows pages. `ask`: cache_fault is called before one is written. False: no memory for it.
    bool (*show)(struct cache_memory *m, uint64_t page, unsigned count, void *from, bool ask);
    /// Nobody sees these pages any more. With `writable` gives which of them were written (bit n: page + n).
    uint64_t (*hide)(struct cache_memory *m, uint64_t page, unsigned count, bool writable);
    /// Which were written since they were asked for. Writing to any of them is asked for again.
    uint64_t (*written)(struct cache_memory *m, uint64_t page, unsigned count);
    /// The file's size changed.
    void (*resize)(struct cache_memory *m, uint64_t size);
};
struct cache_memory { const struct cache_memory_ops *ops; };

struct cache_file {
    const struct cache_ops *ops;
    void *owner;
    uint8_t unit_shift;      // log2 bytes per unit, at most 12
    uint8_t window_shift;    // log2 units per window, at most 6
    bool in_memory;          // the cache is the only copy: never evicted, never dirty
    bool flushing;
    bool written_to;         // through a mapping: there may be something behind the end of the last page
    struct cache_memory *memory; // null: no program has it mapped
    struct segment *first, *last; // by index
    uint64_t next_unit;      // where the last fill ended: a miss there is sequential reading
    uint32_t dirty_units;
    int64_t dirty_since;
    struct cache_file *dirty_next, **dirty_link; // oldest first
    fs_error error;          // a write-back that failed and that nobody has heard of yet
};

void cache_init(struct cache_file *f, const struct cache_ops *ops, void *owner, unsigned unit_shift, unsigned window_shift);

/// Contents at offset, not beyond `end` (the file's size).
fs_error cache_view(struct cache_file *f, uint64_t offset, size_t max, uint64_t end, const void **p, size_t *n);
/// Room for new contents at offset; `end` is the size up to which old contents matter.
fs_error cache_edit(struct cache_file *f, uint64_t offset, size_t max, uint64_t end, void **p, size_t *n);
/// `n` bytes came. Gives how many of them count: a unit that was to be replaced as a whole and came in part does not.
size_t cache_written(struct cache_file *f, uint64_t offset, size_t n, uint64_t end);
/// Forgets all units from this byte on, dirty or not; a unit that lies across is zeroed behind it (and must then be
/// reserved, read and stored as any change).
fs_error cache_truncate(struct cache_file *f, uint64_t size);
/// Forgets whole units of a range without storing them.
void cache_forget(struct cache_file *f, uint64_t unit, uint64_t count);
/// A unit that is cached, or null: for looking without reading.
const void *cache_peek(struct cache_file *f, uint64_t unit);
/// Stores what is dirty.
fs_error cache_flush(struct cache_file *f);
/// Forgets everything.
void cache_destroy(struct cache_file *f);

/// A program touched a page of the file's Memory that is not shown, or wants to write to it. Shows it.
fs_error cache_fault(struct cache_file *f, uint64_t page, bool write, uint64_t end);
/// The Memory is given up.
void cache_memory_gone(struct cache_file *f);
/// Before a file grows from `end`: what programs wrote behind it is not part of it.
void cache_grow(struct cache_file *f, uint64_t end);

/// After a write: flushes the oldest files when too much is dirty. Those dirty for longer than `age` ns as well.
void cache_balance(void);
void cache_flush_older(int64_t age);
/// Frees clean memory, as much as there is.
void cache_drop_clean(void);

struct cache_statistics { uint64_t hits, misses, reads, writes, cached_pages, dirty_pages; };
extern struct cache_statistics cache_stats;
