// SPDX-License-Identifier: MPL-2.0
// What clock.c needs from a real-time clock chip.
#pragma once
#include <stdint.h>
#include <futura/abi.h>

[[nodiscard]] fut_status_t rtc_open(void);
[[nodiscard]] fut_status_t rtc_read(int64_t *seconds); // since 1970, UTC
