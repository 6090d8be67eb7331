// SPDX-License-Identifier: MPL-2.0
//
// The POSIX library as picolibc's hooks see it: without posix.h, whose Linux numbers bear the names of picolibc's own.
#pragma once
#include <fipc/fs.h>
#include <fipc/io.h>
#include <stddef.h>
#include <stdint.h>

#define BRIDGE_CWD (-100)
#define BRIDGE_AT_OFFSET UINT64_MAX

bool bridge_is_posix(void); // false in a server: there are no descriptors
long posix_read(unsigned fd, uint64_t to, size_t bytes, uint64_t offset);
long posix_write(unsigned fd, uint64_t from, size_t bytes, uint64_t offset);
long posix_fd_close(unsigned fd);
long posix_dup_to(unsigned fd, unsigned to, bool cloexec);
long posix_seek(unsigned fd, int64_t offset, unsigned whence);
long posix_stat_fd(unsigned fd, struct io_stat *st);
long posix_open(int at, const char *path, uint32_t fs_flags, uint32_t mode, unsigned how);
long posix_stat(int at, const char *path, uint32_t at_flags, struct io_stat *st);
long posix_unlink(int at, const char *path, uint32_t at_flags);
long posix_rename(int from_at, const char *from, int to_at, const char *to, uint32_t at_flags);
long posix_make_dir(int at, const char *path, uint32_t mode);
long posix_change_dir(const char *path);
long posix_get_dir(char *to, size_t capacity);
long posix_access(int at, const char *path, uint32_t mode, uint32_t at_flags);
long posix_exec(int at, const char *path, const char *strings, size_t bytes, uint32_t argc, uint32_t envc);
long posix_clock(unsigned clock, int64_t *ns);
long posix_sleep_until(uint64_t deadline);
uint64_t posix_now(void);
long posix_kill(int32_t pid, unsigned signal);
long bridge_pid(void);
bool bridge_is_terminal(unsigned fd);
long bridge_random(void *to, size_t bytes);
