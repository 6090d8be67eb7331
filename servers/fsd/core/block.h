// SPDX-License-Identifier: MPL-2.0
//
// A block device as the file systems see it. Transfers are to and from pool memory (cache/pool.h), whole sectors of
// 512 bytes. The server implements it over block.Device, the host test over an image file.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/errors.h"

#define SECTOR 512u

struct block_device {
    uint64_t sectors;
    bool read_only;
    fs_error (*read)(struct block_device *d, uint64_t sector, uint32_t count, void *to);
    fs_error (*write)(struct block_device *d, uint64_t sector, uint32_t count, const void *from);
    /// What was written is on stable storage.
    fs_error (*flush)(struct block_device *d);
    void (*close)(struct block_device *d);
    char name[64];
};
