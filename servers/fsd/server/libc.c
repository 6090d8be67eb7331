// SPDX-License-Identifier: MPL-2.0
//
// What libext2fs wants from a hosted C library and never needs here: its debugging variables, its sense of who runs it,
// files. Time is the server's.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/platform.h"

time_t time(time_t *to) {
    time_t t = (time_t)(platform_now() / 1000000000);
    if (to) {
        *to = t;
    }
    return t;
}

int gettimeofday(struct timeval *restrict tv, void *restrict) {
    int64_t now = platform_now();
    tv->tv_sec = now / 1000000000;
    tv->tv_usec = now % 1000000000 / 1000;
    return 0;
}

char *getenv(const char *) { return nullptr; }

uid_t getuid(void) { return 0; }
uid_t geteuid(void) { return 0; }
gid_t getgid(void) { return 0; }
gid_t getegid(void) { return 0; }
int isatty(int) { return 0; }

// There are no descriptors here. What is printed goes into the log.
ssize_t write(int, const void *data, size_t len) {
    platform_log("%.*s", (int)(len > 200 ? 200 : len), (const char *)data);
    return (ssize_t)len;
}

ssize_t read(int, void *, size_t) {
    errno = EBADF;
    return -1;
}

off_t lseek(int, off_t, int) {
    errno = EBADF;
    return -1;
}

int close(int) {
    errno = EBADF;
    return -1;
}

int fstat(int, struct stat *) {
    errno = EBADF;
    return -1;
}

int stat(const char *restrict, struct stat *restrict) {
    errno = ENOENT;
    return -1;
}

int open(const char *, int, ...) {
    errno = ENOENT;
    return -1;
}
