// SPDX-License-Identifier: MPL-2.0
//
// Advisory byte-range locks. An owner is a token of the client (a process for fcntl, a description for flock); a lock
// also belongs to the open file description it was taken through and ends with it.
#pragma once

#include "core/node.h"

struct open_file;
enum { LOCK_FREE = 0, LOCK_SHARED = 1, LOCK_EXCLUSIVE = 2 };

/// Sets or (LOCK_FREE) clears a range for an owner; len 0 = to the end. FS_TRY_AGAIN: another owner is in the way.
fs_error lock_set(struct open_file *f, unsigned kind, uint64_t owner, uint64_t start, uint64_t len);
/// Drops all locks taken through a description. True: there were some, so waiters should try again.
bool lock_drop(struct open_file *f);
void lock_drop_all(struct node *n);
