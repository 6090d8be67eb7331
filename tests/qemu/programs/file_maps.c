// SPDX-License-Identifier: MPL-2.0
//
// Mapped files as a static program sees them; the same program passes on Linux.
//   file_maps DIR              coherence of mappings with read, write, truncate and fork; "maps ok N" or "maps failed"
//   file_maps fill FILE MIB    makes FILE by writing through a shared mapping, and ends without a word to the system
//   file_maps check FILE MIB   compares it, by read() and through a mapping
//   file_maps sparse FILE      a file of 1 GiB with a byte written every MiB through a mapping
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

#define PAGE 4096
static char path[300];

static sigjmp_buf landing;
static volatile sig_atomic_t caught;
static volatile char *caught_at;
static void on_fault(int number, siginfo_t *info, void *)
{
    caught = number;
    caught_at = info->si_addr;
    siglongjmp(landing, 1);
}

// The signal that an access gives; 0: none.
static int touch(volatile char *p, int write)
{
    caught = 0;
    if (sigsetjmp(landing, 1) == 0) {
        if (write)
            *p = 'W';
        else
            (void)*p;
    }
    return caught;
}

static void *map(int fd, size_t bytes, int prot, int how)
{
    void *p = mmap(NULL, bytes, prot, how, fd, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static int fresh(size_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    return fd;
}

static void coherence(void)
{
    int fd = fresh(3 * PAGE), ro = open(path, O_RDONLY);
    char *a = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), *b = map(ro, 3 * PAGE, PROT_READ, MAP_SHARED);
    char *c = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), text[8] = {};
    CHECK(a != b && a[0] == 0 && b[2 * PAGE] == 0 && c[PAGE] == 0);
    // write() is seen through every mapping, and what is written through one by read().
    CHECK(pwrite(fd, "written", 7, PAGE - 3) == 7 && memcmp(a + PAGE - 3, "written", 7) == 0);
    CHECK(memcmp(b + PAGE - 3, "written", 7) == 0 && memcmp(c + PAGE - 3, "written", 7) == 0);
    memcpy(a + 100, "mapped", 6);
    CHECK(pread(ro, text, 6, 100) == 6 && memcmp(text, "mapped", 6) == 0 && memcmp(b + 100, "mapped", 6) == 0);
    CHECK(pwrite(fd, "M", 1, 100) == 1 && a[100] == 'M' && b[100] == 'M');
    a[101] = 'A';
    CHECK(pread(fd, text, 2, 100) == 2 && memcmp(text, "MA", 2) == 0);
    // A private page is the mapping's own from its first write on; the file never hears of it.
    c[2 * PAGE] = 'p';
    CHECK(a[2 * PAGE] == 0 && pread(fd, text, 1, 2 * PAGE) == 1 && text[0] == 0);
    CHECK(pwrite(fd, "f", 1, 2 * PAGE) == 1 && c[2 * PAGE] == 'p' && b[2 * PAGE] == 'f');
    // Data of the file moved by read() and write() from and to its own mapping.
    CHECK(pwrite(fd, a + 100, 2, 2 * PAGE + 10) == 2 && memcmp(b + 2 * PAGE + 10, "MA", 2) == 0);
    CHECK(pread(fd, a, 2, 100) == 2 && memcmp(b, "MA", 2) == 0);
    CHECK(pwrite(fd, a, 2 * PAGE, PAGE) == 2 * PAGE && memcmp(b + PAGE + 100, "MA", 2) == 0);
    // Across fork shared stays shared, private becomes two.
    c[0] = 'q';
    pid_t child = fork();
    if (child == 0) {
        a[5] = 'c';
        c[0] = 'r';
        _exit(b[PAGE + 100] == 'M' && touch(b, 1) == SIGSEGV ? 7 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK(a[5] == 'c' && b[5] == 'c' && c[0] == 'q' && pread(fd, text, 1, 5) == 1 && text[0] == 'c');
    CHECK(msync(a, 3 * PAGE, MS_SYNC) == 0 && msync(a, PAGE, MS_ASYNC) == 0 && fsync(fd) == 0);
    a[6] = 'd'; // after it was stored the page is written again
    CHECK(pread(fd, text, 1, 6) == 1 && text[0] == 'd' && msync(a, 3 * PAGE, MS_SYNC | MS_INVALIDATE) == 0);
    CHECK(msync(a, PAGE, MS_SYNC | MS_ASYNC) == -1 && errno == EINVAL && msync(a + 1, PAGE, MS_SYNC) == -1 && errno == EINVAL);
    CHECK(munmap(a + PAGE, PAGE) == 0 && msync(a, 3 * PAGE, MS_SYNC) == -1 && errno == ENOMEM);
    // What the descriptor was opened for is what the mapping may do.
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES);
    CHECK(mprotect(b, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
    char *later = map(fd, PAGE, PROT_READ, MAP_SHARED);
    CHECK(touch(later, 1) == SIGSEGV && mprotect(later, PAGE, PROT_READ | PROT_WRITE) == 0 && touch(later, 1) == 0 && b[0] == 'W');
    // Without descriptor and name it is there still.
    close(fd);
    close(ro);
    CHECK(unlink(path) == 0 && b[5] == 'c' && b[PAGE + 100] == 'M' && touch(a + 7, 1) == 0 && b[7] == 'W');
    munmap(a, PAGE);
    munmap(a + 2 * PAGE, PAGE);
    munmap(b, 3 * PAGE);
    munmap(c, 3 * PAGE);
    munmap(later, PAGE);
}

static void sizes(void)
{
    int fd = fresh(PAGE + 100);
    char *a = map(fd, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), *b = map(fd, 8 * PAGE, PROT_READ, MAP_PRIVATE), text[4];
    CHECK(touch(a + PAGE + 50, 1) == 0 && touch(a + 2 * PAGE - 1, 0) == 0); // the page that holds the end is whole
    CHECK(touch(a + 2 * PAGE, 0) == SIGBUS && caught_at == a + 2 * PAGE);
    CHECK(touch(a + 2 * PAGE, 1) == SIGBUS && touch(b + 5 * PAGE, 0) == SIGBUS);
    CHECK(read(fd, a + 3 * PAGE, 10) == -1 && errno == EFAULT); // the kernel's own access to it
    a[PAGE + 200] = 'x'; // behind the end, and no part of the file when it grows
    CHECK(ftruncate(fd, 4 * PAGE) == 0 && a[PAGE + 200] == 0 && touch(a + 3 * PAGE, 1) == 0 && touch(b + 3 * PAGE, 0) == 0);
    CHECK(touch(a + 4 * PAGE, 0) == SIGBUS && pwrite(fd, "end", 3, 6 * PAGE) == 3 && memcmp(b + 6 * PAGE, "end", 3) == 0);
    CHECK(ftruncate(fd, PAGE - 4) == 0);
    CHECK(touch(a + PAGE, 0) == SIGBUS && touch(b + 6 * PAGE, 0) == SIGBUS && touch(a + 10, 1) == 0);
    CHECK(a[PAGE - 4] == 0 && ftruncate(fd, 8 * PAGE) == 0 && a[PAGE] == 0 && b[6 * PAGE] == 0 && a[10] == 'W');
    CHECK(pread(fd, text, 3, 6 * PAGE) == 3 && text[0] == 0 && text[2] == 0);
    a[PAGE + 5] = 'y';
    CHECK(ftruncate(fd, 0) == 0 && touch(a, 0) == SIGBUS && ftruncate(fd, 2 * PAGE) == 0 && a[PAGE + 5] == 0 && b[10] == 0);
    // Through a private mapping only the pages that the program wrote outlive the file's end: none does.
    char *c = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    c[0] = 'z';
    CHECK(ftruncate(fd, PAGE) == 0 && c[0] == 'z' && touch(c + PAGE, 1) == SIGBUS);
    munmap(a, 8 * PAGE);
    munmap(b, 8 * PAGE);
    munmap(c, 2 * PAGE);
    close(fd);
    fd = fresh(0);
    a = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
    CHECK(touch(a, 0) == SIGBUS && touch(a, 1) == SIGBUS);
    CHECK(pwrite(fd, "z", 1, 0) == 1 && a[0] == 'z' && a[1] == 0);
    munmap(a, PAGE);
    close(fd);
    unlink(path);
}

static uint32_t dice_state = 12345;
static uint32_t dice(uint32_t n)
{
    dice_state = dice_state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)dice_state * n) >> 32);
}

// One file against an array, through everything at once.
static void random_operations(void)
{
    enum { LIMIT = 1 << 20, STEPS = 3000 };
    static unsigned char model[LIMIT], buffer[LIMIT];
    size_t size = 0;
    int fd = fresh(0);
    unsigned char *shared = map(fd, LIMIT, PROT_READ | PROT_WRITE, MAP_SHARED), *view = map(fd, LIMIT, PROT_READ, MAP_PRIVATE);
    for (int i = 0; i < STEPS && failures == 0; i++) {
        size_t at = dice(LIMIT), n = dice(dice(8) ? 6000 : 200000) + 1;
        int op = (int)dice(12);
        if (op > 3 && size == 0)
            continue;
        if (op > 3 && op < 10)
            at %= size;
        size_t end = op > 3 && op < 10 ? size : LIMIT;
        if (n > end - at)
            n = end - at;
        switch (op) {
        case 0: case 1: case 2:
            memset(buffer, (int)(i | 1), n);
            CHECK(pwrite(fd, buffer, n, (off_t)at) == (ssize_t)n);
            memcpy(model + at, buffer, n);
            if (at + n > size)
                size = at + n;
            break;
        case 3:
            if (dice(4) == 0) {
                CHECK(ftruncate(fd, (off_t)at) == 0);
                if (at < size)
                    memset(model + at, 0, size - at);
                size = at;
            }
            break;
        case 4: case 5: case 6:
            memset(shared + at, (int)(i | 1), n);
            memset(model + at, (int)(i | 1), n);
            break;
        case 7:
            CHECK(memcmp(shared + at, model + at, n) == 0);
            break;
        case 8:
            CHECK(memcmp(view + at, model + at, n) == 0);
            break;
        case 9:
            CHECK(pread(fd, buffer, n, (off_t)at) == (ssize_t)n && memcmp(buffer, model + at, n) == 0);
            break;
        case 10:
            if (dice(8) == 0)
                CHECK(msync(shared, LIMIT, MS_SYNC) == 0);
            break;
        default:
            if (dice(20) == 0)
                CHECK(fsync(fd) == 0);
        }
    }
    munmap(shared, LIMIT);
    munmap(view, LIMIT);
    close(fd);
    unlink(path);
}

// Room that a deleted file had comes back when the last mapping is gone.
static void deleted(void)
{
    enum { BYTES = 8 << 20 };
    struct statfs before, during, after;
    int fd = fresh(BYTES);
    char *a = map(fd, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
    memset(a, 'd', BYTES);
    CHECK(fsync(fd) == 0 && fstatfs(fd, &before) == 0);
    char dir[300];
    strcpy(dir, path);
    *strrchr(dir, '/') = 0;
    CHECK(unlink(path) == 0 && close(fd) == 0 && statfs(dir, &during) == 0);
    CHECK(during.f_bfree <= before.f_bfree + 16 && a[BYTES - 1] == 'd');
    munmap(a, BYTES);
    CHECK(statfs(dir, &after) == 0 && (after.f_bfree - during.f_bfree) * (uint64_t)after.f_bsize >= BYTES * 9 / 10);
}

static uint64_t word_at(uint64_t i) { return (i + 1) * 0x9e3779b97f4a7c15ull; }

static int fill(const char *file, size_t bytes)
{
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        return 1;
    uint64_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return 2;
    for (size_t i = 0; i < bytes / 8; i++)
        p[i] = word_at(i);
    printf("filled\n");
    return 0;
}

static int check(const char *file, size_t bytes)
{
    static uint64_t buffer[8192];
    int fd = open(file, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || (size_t)st.st_size != bytes)
        return 1;
    for (size_t at = 0; at < bytes; at += sizeof buffer) {
        if (read(fd, buffer, sizeof buffer) != sizeof buffer)
            return 2;
        for (size_t i = 0; i < sizeof buffer / 8; i++)
            if (buffer[i] != word_at(at / 8 + i)) {
                printf("read: word %zu differs\n", at / 8 + i);
                return 3;
            }
    }
    const uint64_t *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    for (size_t i = 0; i < bytes / 8; i++)
        if (p[i] != word_at(i)) {
            printf("mapping: word %zu differs\n", i);
            return 4;
        }
    printf("same\n");
    return 0;
}

static int sparse(const char *file)
{
    const size_t bytes = (size_t)1 << 30, step = 1 << 20;
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct stat st;
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        return 1;
    unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return 2;
    for (size_t at = 0; at < bytes; at += step)
        p[at + at / step] = (unsigned char)(at / step | 1);
    for (size_t at = 0, bad = 0; at < bytes; at += PAGE) {
        size_t part = at / step, where = part * step + part;
        bad += p[at] != (where == at ? (unsigned char)(part | 1) : 0);
        if (bad) {
            printf("byte %zu is wrong\n", at);
            return 3;
        }
    }
    for (size_t at = 0; at < bytes; at += step)
        if (p[at + at / step] != (unsigned char)(at / step | 1))
            return 4;
    if (msync(p, bytes, MS_SYNC) != 0 || fstat(fd, &st) != 0)
        return 5;
    printf("sparse ok, %s\n", st.st_blocks <= 1024 * 9 ? "small" : "not small");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], (size_t)atoi(argv[3]) << 20);
    if (argc == 4 && strcmp(argv[1], "check") == 0)
        return check(argv[2], (size_t)atoi(argv[3]) << 20);
    if (argc == 3 && strcmp(argv[1], "sparse") == 0)
        return sparse(argv[2]);
    if (argc != 2)
        return 2;
    snprintf(path, sizeof path, "%s/file-maps.%d", argv[1], (int)getpid());
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGBUS, &act, NULL);
    sigaction(SIGSEGV, &act, NULL);
    coherence();
    sizes();
    random_operations();
    deleted();
    printf(failures ? "maps failed %d of %d\n" : "maps ok %d\n", failures ? failures : checks, checks);
    return failures != 0;
}
