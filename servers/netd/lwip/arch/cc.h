// SPDX-License-Identifier: MPL-2.0
// What lwIP wants to know of the compiler and the C library.
#pragma once
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX // else lwIP makes a ssize_t of its own
#endif
#define LWIP_TIMEVAL_PRIVATE 0
#define LWIP_ERRNO_STDINCLUDE 1
#ifndef BYTE_ORDER
#define LITTLE_ENDIAN 1234
#define BIG_ENDIAN 4321
#define BYTE_ORDER LITTLE_ENDIAN
#endif

void netd_diagnostic(const char *format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void netd_assert(const char *what, const char *file, int line);
uint32_t netd_random32(void);
uint16_t netd_checksum(const void *data, int bytes);
#define LWIP_PLATFORM_DIAG(x) do { netd_diagnostic x; } while (0)
#define LWIP_PLATFORM_ASSERT(what) netd_assert(what, __FILE__, __LINE__)
#define LWIP_RAND() netd_random32()
#define LWIP_CHKSUM netd_checksum
