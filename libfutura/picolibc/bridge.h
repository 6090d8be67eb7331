// SPDX-License-Identifier: MPL-2.0
//
// The POSIX library as picolibc's hooks see it: without posix.h, whose Linux numbers bear the names of picolibc's own.
#pragma once
#include <fipc/fs.h>
#include <fipc/io.h>
#include <fipc/socket.h>
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

// hooks.c
bool bridge_none(void);              // not a POSIX process: errno is set
long bridge_result(long r);          // r, or -1 and errno
int bridge_errno(long linux_errno);

// network.c's: as in posix.h
struct posix_name { uint32_t length; alignas(8) uint8_t bytes[128]; };
struct posix_poll { int32_t fd; uint16_t events; uint16_t revents; };
struct posix_epoll_event { uint32_t events; uint64_t data; };
long posix_socket(unsigned domain, unsigned kind, unsigned protocol, uint32_t status, bool cloexec);
long posix_socket_pair(int fds[2], unsigned kind, uint32_t status, bool cloexec);
long posix_bind(unsigned fd, const struct posix_name *name);
long posix_connect(unsigned fd, const struct posix_name *name);
long posix_listen(unsigned fd, unsigned backlog);
long posix_accept(unsigned fd, uint32_t status, bool cloexec, struct posix_name *peer);
long posix_shutdown(unsigned fd, unsigned how);
long posix_socket_name(unsigned fd, bool peer, struct posix_name *name);
long posix_get_option(unsigned fd, int level, int option, void *value, uint32_t *length);
long posix_set_option(unsigned fd, int level, int option, const void *value, uint32_t length);
long posix_poll(struct posix_poll *p, unsigned count, uint64_t deadline);
long posix_epoll_create(bool cloexec);
long posix_epoll_control(unsigned epfd, unsigned operation, unsigned fd, const struct posix_epoll_event *event);
long posix_epoll_wait(unsigned epfd, struct posix_epoll_event *events, unsigned max, uint64_t deadline);
long posix_event_file(uint32_t initial, bool semaphore, uint32_t status, bool cloexec);
long bridge_send(unsigned fd, const void *data, size_t bytes, uint32_t flags, const struct posix_name *to);
long bridge_receive(unsigned fd, void *data, size_t bytes, uint32_t flags, struct posix_name *from);
long bridge_lookup(const char *host, int family, struct socket_address *to, size_t room);
