// SPDX-License-Identifier: MPL-2.0
//
// A file system in memory.
#pragma once

#include "core/node.h"

/// limit: bytes of file contents that it may hold; 0: a half of the page pool. mode, uid, gid: of its root.
fs_error tmpfs_make(uint64_t limit, uint32_t mode, uint32_t uid, uint32_t gid, struct filesystem **fs);
