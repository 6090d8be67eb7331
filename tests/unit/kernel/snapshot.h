// SPDX-License-Identifier: MPL-2.0
//
// The state of the simulated machine as a value: the variables of the kernel and the harness, and the pages of RAM in
// use. What is freed is not saved, so a restored kernel must not look at it (and under ASan cannot).
#pragma once
#include <stddef.h>

struct snapshot;
struct snapshot *snapshot_new(void);
void snapshot_take(struct snapshot *s);
void snapshot_restore(const struct snapshot *s);
