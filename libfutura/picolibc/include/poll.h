// SPDX-License-Identifier: MPL-2.0
#pragma once
typedef unsigned long nfds_t;
struct pollfd { int fd; short events, revents; };
#define POLLIN 0x1
#define POLLPRI 0x2
#define POLLOUT 0x4
#define POLLERR 0x8
#define POLLHUP 0x10
#define POLLNVAL 0x20
#define POLLRDHUP 0x2000
int poll(struct pollfd *fds, nfds_t count, int milliseconds);
