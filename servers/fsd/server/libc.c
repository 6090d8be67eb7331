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
