// SPDX-License-Identifier: MPL-2.0
#pragma once

#include "core/block.h"

/// The block device that is registered as block.NAME; `wait`: for up to a minute until it is.
fs_error blockdev_open(const char *name, bool wait, struct block_device **result);
