// SPDX-License-Identifier: MPL-2.0
//
// A line in the system's log, through the start-up capability `log`. The line gets the program's name
// in front and a newline at the end; at most 240 bytes of text are kept. Does nothing without the capability.
#pragma once

[[gnu::format(printf, 1, 2)]] void fut_log(const char *format, ...);
