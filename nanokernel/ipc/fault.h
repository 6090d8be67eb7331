// SPDX-License-Identifier: MPL-2.0
//
// The tags of the messages that the kernel itself sends: they follow proto/fault.fipc (a protocol's number is
// FNV-1a of its full name), and a unit test compares.
#pragma once
#include <futura/abi.h>

#define FAULT_PAGER_ID   0x7bb31799u // futura.fault.Pager
#define FAULT_HANDLER_ID 0x1a5f8c92u // futura.fault.Handler
#define FAULT_TAG_PAGE   FUT_TAG(FAULT_PAGER_ID, 0, 0, 0, 3, 1)
#define FAULT_TAG_THREAD FUT_TAG(FAULT_HANDLER_ID, 0, 0, 0, 4, 1)
