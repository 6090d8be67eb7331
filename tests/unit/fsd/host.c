// SPDX-License-Identifier: MPL-2.0
//
// See host.h.

#include "host.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/platform.h"

struct image { struct block_device d; int fd; };
unsigned long image_break_after, image_reads, image_writes, image_flushes;
bool image_reads_fail;
uint64_t dice_state = 1;

int64_t platform_now(void) {
    static int64_t t = 1700000000123456789;
    return t += 1000;
}

void platform_log(const char *format, ...) {
    if (!getenv("FSD_TEST_LOG")) {
        return;
    }
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void platform_dirty(void) {}

void *platform_chunk(size_t bytes) {
    void *p = aligned_alloc(4096, bytes);
    return p ? memset(p, 0x5a, bytes) : nullptr;
}

static fs_error image_read(struct block_device *d, uint64_t sector, uint32_t count, void *to) {
    struct image *i = (struct image *)d;
    image_reads++;
    CHECK(count > 0 && sector + count <= d->sectors);
    if (image_reads_fail) {
        return FS_IO;
    }
    return pread(i->fd, to, (size_t)count * SECTOR, (off_t)(sector * SECTOR)) == (ssize_t)count * (ssize_t)SECTOR ? FS_OK : FS_IO;
}

static fs_error image_write(struct block_device *d, uint64_t sector, uint32_t count, const void *from) {
    struct image *i = (struct image *)d;
    image_writes++;
    CHECK(count > 0 && sector + count <= d->sectors);
    if (image_break_after && --image_break_after == 0) {
        image_break_after = 1;
        return FS_IO;
    }
    return pwrite(i->fd, from, (size_t)count * SECTOR, (off_t)(sector * SECTOR)) == (ssize_t)count * (ssize_t)SECTOR ? FS_OK : FS_IO;
}

static fs_error image_flush(struct block_device *) {
    image_flushes++;
    return FS_OK;
}

static void image_close(struct block_device *d) {
    close(((struct image *)d)->fd);
    free(d);
}

struct block_device *image_open(const char *path, bool read_only) {
    struct image *i = calloc(1, sizeof *i);
    struct stat st;
    i->fd = open(path, read_only ? O_RDONLY : O_RDWR);
    CHECK(i->fd >= 0 && fstat(i->fd, &st) == 0);
    i->d = (struct block_device){.sectors = (uint64_t)st.st_size / SECTOR, .read_only = read_only, .read = image_read,
                                 .write = image_write, .flush = image_flush, .close = image_close, .name = "image"};
    return &i->d;
}

struct name P(const char *path) { return (struct name){path, (unsigned)strlen(path)}; }

_Noreturn void fail(const char *file, int line, const char *what, long a, long b) {
    fprintf(stderr, "%s:%d: %s (%ld, %ld; seed state %lx)\n", file, line, what, a, b, (unsigned long)dice_state);
    abort();
}

uint32_t dice(uint32_t n) {
    dice_state = dice_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(((dice_state >> 33) * n) >> 31);
}

struct context *root_context(uint32_t uid) {
    struct credentials cred = {.uid = uid, .gid = uid};
    struct context *c = context_make(&cred, mount_root(), mount_root(), 022);
    CHECK(c);
    return c;
}

int run(const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    int status = system(line);
    return WEXITSTATUS(status);
}

// Named by parts of libext2fs that are linked and never called.
long ext2fs_check_mount_point(const char *, int *, char *, int);
long ext2fs_check_mount_point(const char *, int *, char *, int) { return 0; }
