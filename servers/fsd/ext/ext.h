// SPDX-License-Identifier: MPL-2.0
//
// ext2, ext3 and ext4 file systems. The library libext2fs knows the formats: inodes, extents and indirect blocks,
// bitmaps, directory blocks, checksums. This folder puts our caches below it and our data path beside it.
//
// There is no journal replay yet: a file system whose journal must be replayed is refused, and metadata is written in
// place, data before inodes before bitmaps. It is marked not clean while it is mounted for writing.
#pragma once

#include "core/block.h"
#include "core/node.h"

/// Takes over the device when it succeeds.
fs_error ext_mount(struct block_device *device, bool read_only, struct filesystem **fs);
