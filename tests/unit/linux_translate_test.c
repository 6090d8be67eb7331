// SPDX-License-Identifier: MPL-2.0
//
// The personality's pure parts: a wrong bit here gives every Linux program wrong answers.
#include "linux.h"
#include <stdio.h>
#include <string.h>

static int failures;
#define CHECK(what) ((what) ? 0 : (failures++, printf("FAIL %s:%d %s\n", __func__, __LINE__, #what)))

static void open_flags_keep_their_meaning(void)
{
    CHECK(open_flags_in(O_RDWR | O_CREAT | O_EXCL) == (2 | FS_OPEN_FLAGS_CREATE | FS_OPEN_FLAGS_EXCLUSIVE));
    CHECK(open_flags_in(O_WRONLY | O_TRUNC | O_APPEND) == (1 | FS_OPEN_FLAGS_TRUNCATE | FS_OPEN_FLAGS_APPEND));
    CHECK(open_flags_in(O_DIRECTORY | O_NOFOLLOW) == (FS_OPEN_FLAGS_DIRECTORY | FS_OPEN_FLAGS_NO_FOLLOW));
    CHECK(open_flags_in(O_CLOEXEC | O_NOCTTY | O_LARGEFILE) == 0);
    // O_PATH with anything but DIRECTORY and NOFOLLOW ignores it, the access mode too.
    CHECK(open_flags_in(O_PATH | O_RDWR | O_CREAT | O_DIRECTORY) == (FS_OPEN_FLAGS_PATH | FS_OPEN_FLAGS_DIRECTORY));
    CHECK((open_flags_out(IO_STATUS_READ_WRITE | IO_STATUS_APPEND) & ~O_LARGEFILE) == (O_RDWR | O_APPEND));
    CHECK((open_flags_out(IO_STATUS_NONBLOCK) & ~O_LARGEFILE) == O_NONBLOCK);
}

static void stat_splits_times_before_1970_downwards(void)
{
    struct io_stat from = {.dev = 1, .ino = 2, .rdev = 0x103, .size = 12345, .blocks = 24, .mode = 0100644, .nlink = 3,
                           .uid = 4, .gid = 5, .block_size = 4096, .atime = -1, .mtime = 1500000000, .ctime = -1000000000};
    struct linux_stat to;
    stat_out(&to, &from);
    CHECK(to.ino == 2 && to.size == 12345 && to.mode == 0100644 && to.nlink == 3 && to.uid == 4 && to.gid == 5);
    CHECK(to.atime == -1 && to.atime_ns == 999999999);
    CHECK(to.mtime == 1 && to.mtime_ns == 500000000);
    CHECK(to.ctime == -1 && to.ctime_ns == 0);
}

static void directory_records_are_aligned_and_bounded(void)
{
    uint8_t buffer[64];
    memset(buffer, 0xff, sizeof buffer);
    struct dirent_cursor c = {.to = buffer, .room = sizeof buffer};
    CHECK(dirent_out(&c, 7, 1, 8, "abc", 3) && c.used == 24);
    uint16_t length;
    memcpy(&length, buffer + 16, 2);
    CHECK(length == 24 && buffer[18] == 8 && memcmp(buffer + 19, "abc\0", 5) == 0);
    CHECK(dirent_out(&c, 8, 2, 4, "abcd", 4) && c.used == 48);  // 19 + 4 + 1 is exactly 24
    CHECK(!dirent_out(&c, 9, 3, 4, "x", 1) && c.used == 48);    // 24 more would pass the end
}

static void termios_keeps_what_the_small_structure_lacks(void)
{
    struct tty_termios old = {.ispeed = 9600, .ospeed = 38400, .cc = {[19] = 77}}, now;
    struct linux_termios set = {.iflag = 1, .oflag = 2, .cflag = 3, .lflag = 4, .line = 5, .cc = {3, 28}};
    termios_in(&now, &set, &old);
    CHECK(now.ispeed == 9600 && now.ospeed == 38400 && now.cc[19] == 77 && now.cc[0] == 3 && now.lflag == 4);
    struct linux_termios back;
    termios_out(&back, &now);
    CHECK(memcmp(&back, &set, sizeof set) == 0);
}

static void times_saturate_instead_of_wrapping(void)
{
    struct linux_timespec never = {INT64_MAX, 0};
    CHECK(timespec_ns(&never) == (uint64_t)INT64_MAX);
    CHECK(!timespec_valid(&(struct linux_timespec){0, 1000000000}) && !timespec_valid(&(struct linux_timespec){-1, 0}));
    CHECK(ns_timespec(-1).sec == -1 && ns_timespec(-1).nsec == 999999999);
}

int main(void)
{
    open_flags_keep_their_meaning();
    stat_splits_times_before_1970_downwards();
    directory_records_are_aligned_and_bounded();
    termios_keeps_what_the_small_structure_lacks();
    times_saturate_instead_of_wrapping();
    return failures != 0;
}
