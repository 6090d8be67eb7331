// SPDX-License-Identifier: MPL-2.0
//
// A native thread's TLS block: two words that the thread pointer points to (the second is the address
// of the thread's IPC buffer) and the program's thread-local data.
#pragma once
#include <futura/abi.h>

// Bytes that fut_tls_init needs in this program.
size_t fut_tls_bytes(void);

// Makes a TLS block in `area` (16-byte aligned, at least fut_tls_bytes()) and gives the value for the
// TLS register. Uses no thread-local data itself.
uint64_t fut_tls_init(void *area, uint64_t ipc_buffer);
