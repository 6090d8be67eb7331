// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <base.h>

#ifndef LOG_BYTES // a test may want it small
#define LOG_BYTES (128u << 10)
#endif
extern bool log_console;              // also print on the platform's console
extern bool log_verbose;              // and go on when a driver takes the console
extern bool log_debugger;             // on the console only: the debugger talks
void log_write(const char *text, size_t n);
size_t log_read(uint64_t offset, char *to, size_t n, uint64_t *from); // from: the first byte still held, if offset is gone
uint64_t log_end(void);
