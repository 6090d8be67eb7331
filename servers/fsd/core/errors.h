// SPDX-License-Identifier: MPL-2.0
//
// What the file system code answers: 0 or one of these. The values are those of io.Error (proto/io.fipc), so that
// the server layer passes them on as they are; server/errors.c pins that. The layers below the server know no
// generated code, and so build and are tested on any host.
#pragma once

#include <stdint.h>

typedef int32_t fs_error;

enum {
    FS_OK = 0,
    FS_NOT_PERMITTED = 1,
    FS_NOT_FOUND = 2,
    FS_INTERRUPTED = 4,
    FS_IO = 5,
    FS_NO_DEVICE_ADDRESS = 6,
    FS_BAD_FILE = 9,
    FS_TRY_AGAIN = 11,
    FS_NO_MEMORY = 12,
    FS_DENIED = 13,
    FS_BAD_ADDRESS = 14,
    FS_NOT_BLOCK = 15,
    FS_BUSY = 16,
    FS_EXISTS = 17,
    FS_CROSS_DEVICE = 18,
    FS_NO_DEVICE = 19,
    FS_NOT_DIRECTORY = 20,
    FS_IS_DIRECTORY = 21,
    FS_INVALID = 22,
    FS_TOO_MANY_FILES = 23,
    FS_FILE_TOO_BIG = 27,
    FS_NO_SPACE = 28,
    FS_ILLEGAL_SEEK = 29,
    FS_READ_ONLY = 30,
    FS_TOO_MANY_LINKS = 31,
    FS_RANGE = 34,
    FS_DEADLOCK = 35,
    FS_NAME_TOO_LONG = 36,
    FS_NO_LOCK = 37,
    FS_NOT_EMPTY = 39,
    FS_LOOP = 40,
    FS_REMOTE = 66,
    FS_OVERFLOW = 75,
    FS_NOT_SUPPORTED = 95,
};
