// SPDX-License-Identifier: MPL-2.0
//
// Checks of a test program that runs on Linux and in the guest: each counts, and one that does not hold prints a line
// and lets the next ones run.
#pragma once
#include <errno.h>
#include <stdio.h>

static int checks, failures;
#define CHECK(what) \
    do { \
        checks++; \
        if (!(what)) { \
            failures++; \
            printf("FAIL %s:%d %s (errno %d)\n", __func__, __LINE__, #what, errno); \
            fflush(stdout); \
        } \
    } while (0)
// The call gives -1 and this error.
#define FAILS(call, error) CHECK((errno = 0, (call) == -1 && errno == (error)))
