// SPDX-License-Identifier: MPL-2.0
//
// Limits of a message that the language must respect; the generated code checks at compile time that they are
// those of <futura/abi.h>.
#pragma once
#define FUT_IPC_REG_WORDS 8
#define FUT_IPC_REG_CAPS 4
#define FUT_IPC_MAX_CAPS 15
#define FUT_IPC_BODY_SIZE 7680
#define FUT_LEASES 4
#define FUT_EVENT_HEADER 8
#define FUT_EVENT_MAX_BYTES 1024 // of what an event carries
#define FUT_ORDINAL_EVENTS 0xff00 // ordinals from here on are the framework's
#define FUT_RING_MAX_BYTES (1u << 26)
