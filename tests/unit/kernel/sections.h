// SPDX-License-Identifier: MPL-2.0
//
// Included before every file of the kernel and the harness where their state is to be saved and brought back
// (snapshot.c): all their variables lie together.
#define SNAPSHOT_SECTION
#pragma clang section bss = "kernel_bss" data = "kernel_data"
