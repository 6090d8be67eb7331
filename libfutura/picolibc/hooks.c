// SPDX-License-Identifier: MPL-2.0
//
// picolibc's system hooks: its numbers to those of the library and back. In a server, which has no descriptors,
// what is written to standard output and error goes to the log; everything else is EBADF or ENOSYS.
#include <errno.h>
#include <fcntl.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "bridge.h"

// Linux's errno to picolibc's, where they differ (both agree up to 34 but for the gaps of the table).
int bridge_errno(long linux_errno)
{
    static const struct { uint8_t from; uint8_t to; } pairs[] = {
        {35, EDEADLK}, {36, ENAMETOOLONG}, {37, ENOLCK}, {38, ENOSYS}, {39, ENOTEMPTY}, {40, ELOOP}, {66, EIO},
        {71, EPROTO}, {75, EOVERFLOW}, {84, EILSEQ}, {88, ENOTSOCK}, {89, EDESTADDRREQ}, {90, EMSGSIZE},
        {91, EPROTOTYPE}, {92, ENOPROTOOPT}, {93, EPROTONOSUPPORT}, {94, ESOCKTNOSUPPORT}, {95, EOPNOTSUPP}, {97, EAFNOSUPPORT},
        {98, EADDRINUSE}, {99, EADDRNOTAVAIL}, {100, ENETDOWN}, {101, ENETUNREACH}, {103, ECONNABORTED}, {104, ECONNRESET},
        {105, ENOBUFS}, {106, EISCONN}, {107, ENOTCONN}, {110, ETIMEDOUT}, {111, ECONNREFUSED}, {113, EHOSTUNREACH},
        {114, EALREADY}, {115, EINPROGRESS},
    };
    if (linux_errno >= 512)
        return EINTR;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i].from == linux_errno)
            return pairs[i].to;
    return linux_errno <= 34 ? (int)linux_errno : EIO;
}

long bridge_result(long r)
{
    if (r >= 0)
        return r;
    errno = bridge_errno(-r);
    return -1;
}

bool bridge_none(void)
{
    if (bridge_is_posix())
        return false;
    errno = EBADF;
    return true;
}

ssize_t read(int fd, void *to, size_t bytes)
{
    return bridge_none() ? -1 : bridge_result(posix_read((unsigned)fd, (uint64_t)to, bytes, BRIDGE_AT_OFFSET));
}

ssize_t write(int fd, const void *from, size_t bytes)
{
    if (!bridge_is_posix()) {
        fut_handle_t log = fut_startup_cap("log");
        if (log != 0 && (fd == 1 || fd == 2)) {
            (void)fut_log_write(log, from, bytes);
            return (ssize_t)bytes;
        }
        errno = EBADF;
        return -1;
    }
    return bridge_result(posix_write((unsigned)fd, (uint64_t)from, bytes, BRIDGE_AT_OFFSET));
}

static uint32_t open_flags(int flags)
{
    static const struct { int from; uint32_t to; } pairs[] = {
        {O_APPEND, FS_OPEN_FLAGS_APPEND}, {O_CREAT, FS_OPEN_FLAGS_CREATE}, {O_TRUNC, FS_OPEN_FLAGS_TRUNCATE},
        {O_EXCL, FS_OPEN_FLAGS_EXCLUSIVE}, {O_SYNC, FS_OPEN_FLAGS_SYNC}, {O_NONBLOCK, FS_OPEN_FLAGS_NONBLOCK},
        {O_NOFOLLOW, FS_OPEN_FLAGS_NO_FOLLOW}, {O_DIRECTORY, FS_OPEN_FLAGS_DIRECTORY},
    };
    uint32_t out = (uint32_t)flags & 3;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if ((flags & pairs[i].from) == pairs[i].from)
            out |= pairs[i].to;
    return out;
}

int open(const char *path, int flags, ...)
{
    uint32_t mode = 0;
    if (flags & O_CREAT) {
        __builtin_va_list list;
        __builtin_va_start(list, flags);
        mode = __builtin_va_arg(list, uint32_t);
        __builtin_va_end(list);
    }
    if (bridge_none())
        return -1;
    unsigned how = (flags & O_CLOEXEC ? 1u : 0) | (flags & O_NOCTTY ? 2u : 0);
    return (int)bridge_result(posix_open(BRIDGE_CWD, path, open_flags(flags), mode & 07777, how));
}

int close(int fd) { return bridge_none() ? -1 : (int)bridge_result(posix_fd_close((unsigned)fd)); }
int dup2(int fd, int to) { return bridge_none() ? -1 : fd == to ? to : (int)bridge_result(posix_dup_to((unsigned)fd, (unsigned)to, false)); }
off_t lseek(int fd, off_t offset, int whence) { return bridge_none() ? -1 : bridge_result(posix_seek((unsigned)fd, offset, (unsigned)whence)); }
int unlink(const char *path) { return bridge_none() ? -1 : (int)bridge_result(posix_unlink(BRIDGE_CWD, path, 0)); }
int rmdir(const char *path) { return bridge_none() ? -1 : (int)bridge_result(posix_unlink(BRIDGE_CWD, path, FS_AT_REMOVE_DIR)); }
int mkdir(const char *path, mode_t mode) { return bridge_none() ? -1 : (int)bridge_result(posix_make_dir(BRIDGE_CWD, path, mode)); }
int rename(const char *from, const char *to) { return bridge_none() ? -1 : (int)bridge_result(posix_rename(BRIDGE_CWD, from, BRIDGE_CWD, to, 0)); }
int chdir(const char *path) { return bridge_none() ? -1 : (int)bridge_result(posix_change_dir(path)); }
int access(const char *path, int mode) { return bridge_none() ? -1 : (int)bridge_result(posix_access(BRIDGE_CWD, path, (uint32_t)mode, 0)); }

char *getcwd(char *to, size_t bytes)
{
    return bridge_none() || bridge_result(posix_get_dir(to, bytes)) < 0 ? nullptr : to;
}

static void fill(struct stat *to, const struct io_stat *from)
{
    memset(to, 0, sizeof *to);
    to->st_dev = (dev_t)from->dev;
    to->st_ino = (ino_t)from->ino;
    to->st_mode = from->mode; // type bits are the same numbers
    to->st_nlink = (nlink_t)from->nlink;
    to->st_uid = (uid_t)from->uid;
    to->st_gid = (gid_t)from->gid;
    to->st_rdev = (dev_t)from->rdev;
    to->st_size = (off_t)from->size;
    to->st_blksize = (blksize_t)from->block_size;
    to->st_blocks = (blkcnt_t)from->blocks;
    to->st_atim = (struct timespec){.tv_sec = from->atime / 1000000000, .tv_nsec = (long)(from->atime % 1000000000)};
    to->st_mtim = (struct timespec){.tv_sec = from->mtime / 1000000000, .tv_nsec = (long)(from->mtime % 1000000000)};
    to->st_ctim = (struct timespec){.tv_sec = from->ctime / 1000000000, .tv_nsec = (long)(from->ctime % 1000000000)};
}

int fstat(int fd, struct stat *to)
{
    struct io_stat st;
    if (bridge_none() || bridge_result(posix_stat_fd((unsigned)fd, &st)) < 0)
        return -1;
    fill(to, &st);
    return 0;
}

static int stat_path(const char *path, struct stat *to, uint32_t flags)
{
    struct io_stat st;
    if (bridge_none() || bridge_result(posix_stat(BRIDGE_CWD, path, flags, &st)) < 0)
        return -1;
    fill(to, &st);
    return 0;
}
int stat(const char *path, struct stat *to) { return stat_path(path, to, 0); }
int lstat(const char *path, struct stat *to) { return stat_path(path, to, FS_AT_NO_FOLLOW); }

int isatty(int fd)
{
    if (bridge_is_posix() && bridge_is_terminal((unsigned)fd))
        return 1;
    errno = ENOTTY;
    return 0;
}

extern char **environ;

static size_t measure(char *const v[], uint32_t *count)
{
    size_t bytes = 0;
    for (*count = 0; v != nullptr && v[*count] != nullptr; ++*count)
        bytes += strlen(v[*count]) + 1;
    return bytes;
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    if (bridge_none())
        return -1;
    uint32_t argc, envc;
    size_t bytes = measure(argv, &argc);
    bytes += measure(envp, &envc);
    char *strings = malloc(bytes + 1), *to = strings;
    if (strings == nullptr) {
        errno = ENOMEM;
        return -1;
    }
    for (uint32_t i = 0; i < argc + envc; i++) {
        const char *s = i < argc ? argv[i] : envp[i - argc];
        size_t n = strlen(s) + 1;
        memcpy(to, s, n);
        to += n;
    }
    long r = posix_exec(BRIDGE_CWD, path, strings, bytes, argc, envc); // comes back only with an error
    free(strings);
    return (int)bridge_result(r);
}

int execv(const char *path, char *const argv[]) { return execve(path, argv, environ); }

int execvp(const char *file, char *const argv[])
{
    if (strchr(file, '/') != nullptr)
        return execve(file, argv, environ);
    const char *path = getenv("PATH");
    char full[1024];
    int error = ENOENT;
    for (const char *p = path != nullptr ? path : "/bin:/usr/bin";; p++) {
        size_t n = strcspn(p, ":");
        if (n + strlen(file) + 2 <= sizeof full) {
            memcpy(full, p, n);
            full[n] = '/';
            strcpy(full + n + (n != 0), file);
            (void)execve(full, argv, environ);
            if (errno != ENOENT && errno != ENOTDIR)
                error = errno; // found, but not to be run: the search goes on, and this is what is said at its end
        }
        p += n;
        if (*p == 0)
            break;
    }
    errno = error;
    return -1;
}

pid_t getpid(void) { return (pid_t)bridge_pid(); }

// SIG* numbers differ from Linux's above 6.
int kill(pid_t pid, int signal)
{
    static const struct { uint8_t from, to; } pairs[] = {
        {SIGUSR1, 10}, {SIGUSR2, 12}, {SIGCHLD, 17}, {SIGCONT, 18}, {SIGSTOP, 19}, {SIGTSTP, 20}, {SIGBUS, 7}, {SIGWINCH, 28},
    };
    unsigned n = (unsigned)signal;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pairs[i].from == signal)
            n = pairs[i].to;
    return bridge_none() ? -1 : (int)bridge_result(posix_kill(pid, n));
}

int clock_gettime(clockid_t clock, struct timespec *to)
{
    int64_t ns;
    // picolibc: CLOCK_REALTIME 1, CLOCK_MONOTONIC 4.
    if (bridge_result(posix_clock(clock == 1 ? 0 : clock == 4 ? 1 : 99, &ns)) < 0)
        return -1;
    *to = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = (long)(ns % 1000000000)};
    return 0;
}

int gettimeofday(struct timeval *to, void *zone)
{
    (void)zone;
    struct timespec t;
    if (clock_gettime(1, &t) != 0)
        return -1;
    *to = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

clock_t times(struct tms *to)
{
    int64_t ns = 0;
    (void)posix_clock(2, &ns);
    memset(to, 0, sizeof *to);
    to->tms_utime = (clock_t)((uint64_t)ns * CLOCKS_PER_SEC / 1000000000);
    return (clock_t)(posix_now() * CLOCKS_PER_SEC / 1000000000);
}

int nanosleep(const struct timespec *t, struct timespec *left)
{
    (void)left;
    return (int)bridge_result(posix_sleep_until(posix_now() + (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec));
}

unsigned sleep(unsigned seconds)
{
    struct timespec t = {.tv_sec = seconds};
    return nanosleep(&t, nullptr) == 0 ? 0 : seconds;
}

int getentropy(void *to, size_t bytes) { return bridge_none() ? -1 : (int)bridge_result(bridge_random(to, bytes)); }
