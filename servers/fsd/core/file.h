// SPDX-License-Identifier: MPL-2.0
//
// An open file description: a node, the offset, the status flags. One Session of the server is one of these; it is
// gone when the last copy of the Session is.
#pragma once

#include "core/node.h"

struct open_file {
    struct node *node;
    uint32_t flags;         // access mode and status: OPEN_* bits
    uint64_t offset;        // regular file: bytes; directory: position of the next entry
    struct credentials *cred; // those it was opened with: fchmod and fchown go by them
};

static inline bool open_may_write(const struct open_file *f) { return (f->flags & 3) != 0 && !(f->flags & 64); }
static inline bool open_may_read(const struct open_file *f) { return (f->flags & 1) == 0 && !(f->flags & 64); }

struct context;
struct open_file *open_make(struct node *n, uint32_t flags, const struct context *c);
void open_free(struct open_file *f);

/// A view of cached contents at `offset`: *n bytes at *p, at most `max`; *n = 0 at the end. Valid until the next call
/// into the file layer.
fs_error file_view(struct open_file *f, uint64_t offset, size_t max, const void **p, size_t *n);
/// Where to put up to `max` bytes at `offset` (*n of them at *p); file_written then tells how many came.
fs_error file_edit(struct open_file *f, uint64_t offset, size_t max, void **p, size_t *n);
/// Gives how many of the n bytes count (see cache_written).
size_t file_written(struct open_file *f, uint64_t offset, size_t n);

/// Whole transfers through a buffer. offset FILE_OFFSET: at the description's offset, which advances.
#define FILE_OFFSET UINT64_MAX
fs_error file_read(struct open_file *f, uint64_t offset, void *to, size_t len, size_t *n);
fs_error file_write(struct open_file *f, uint64_t offset, const void *from, size_t len, size_t *n);
/// Begin and end of a transfer, for callers that copy by themselves: checks access, gives the place to start at.
fs_error file_start(struct open_file *f, bool write, uint64_t *offset, bool *advance);
void file_finish(struct open_file *f, bool write, uint64_t offset, size_t n, bool advance);

fs_error file_seek(struct open_file *f, int64_t offset, unsigned whence, uint64_t *position);
fs_error file_sync(struct open_file *f, bool data_only);
fs_error file_list(struct open_file *f, entry_fn fn, void *user);
fs_error file_allocate(struct open_file *f, uint32_t mode, uint64_t offset, uint64_t len);
/// Changes a regular file's size, in the cache and in the file system.
fs_error file_resize(struct node *n, uint64_t size);
