// SPDX-License-Identifier: MPL-2.0
//
// Calls that name a file. They go to the process's fs.Context. A path that leads into a tree of another server
// answers `remote`: Where tells which tree and what is left of the path, process.Tree gives the Context, and the
// same call is made there. Devices, FIFOs and sockets are nodes in a file system but are opened by posixd.
#include "posix.h"
#include <string.h>

#define REMOTE_LIMIT 8
#define PTMX 0x502u // the device number of /dev/ptmx

struct path_arguments {
    uint32_t flags, mode;
    uint64_t rdev;
    const struct io_set_attr *attr;
    struct io_stat *st;
    struct fs_stat_fs *stat_fs;
    struct fut_string target; // SymLink's
    char *to;                 // ReadLink's buffer
    size_t capacity, length;
    io_file_t file;
    struct io_stat node;
    io_file_t other_at;       // Rename and Link: the first path
    struct fut_string other;
};
typedef fut_status_t (*path_call)(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a);

static struct fut_string string_of(const char *s) { return (struct fut_string){.data = s, .len = strlen(s)}; }

static fut_status_t tree_context(uint32_t tree, fs_context_t *out)
{
    if (tree == 0) {
        *out = posix.context;
        return FUT_OK;
    }
    if (tree >= POSIX_TREES)
        return IO_ERROR_NOT_SUPPORTED;
    if (posix.trees[tree].h == 0) {
        fs_context_t made;
        fut_status_t status = process_process_tree(posix.process, tree, &made);
        if (status != FUT_OK)
            return status;
        posix.trees[tree] = made;
    }
    *out = posix.trees[tree];
    return FUT_OK;
}

// *tree: in which tree the path starts, out: in which it ended.
static long call(int at, const char *path, bool follow, path_call fn, struct path_arguments *a, uint32_t *tree_out)
{
    io_file_t directory = {0};
    uint32_t tree = 0;
    if (at != AT_FDCWD && path[0] != '/') {
        struct posix_fd *f = posix_fd_get((unsigned)at);
        if (f == nullptr)
            return -EBADF;
        directory.h = f->handle;
        tree = f->tree;
    } else if (path[0] != '/') {
        tree = posix.cwd_tree;
    }
    char left[2][POSIX_PATH];
    struct fut_string p = string_of(path);
    for (int turn = 0; turn < REMOTE_LIMIT; turn++) {
        fs_context_t context;
        fut_status_t status = tree_context(tree, &context);
        if (status != FUT_OK)
            return posix_errno(status);
        status = fn(context, directory, p, a);
        if (status != IO_ERROR_REMOTE) {
            if (tree_out != nullptr)
                *tree_out = tree;
            return posix_errno(status);
        }
        struct fut_string rest;
        status = fs_context_where(context, directory, p, follow, &tree, &rest);
        if (status != FUT_OK)
            return posix_errno(status);
        if (rest.len + 1 >= POSIX_PATH)
            return -ENAMETOOLONG;
        // What is left starts at the tree's root, not at the working directory that its Context may have.
        char *to = left[turn & 1];
        size_t slash = rest.len == 0 || rest.data[0] != '/';
        to[0] = '/';
        memcpy(to + slash, rest.data, rest.len);
        to[rest.len + slash] = 0;
        p = (struct fut_string){.data = to, .len = rest.len + slash};
        directory.h = 0;
    }
    return -ELOOP;
}

// --- open -----------------------------------------------------------------------------------------------------
static fut_status_t do_open(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_open_opt(c, &posix_interruptible, at, path, a->flags, a->mode, &a->file, &a->node);
}

static bool is_proc_self_exe(const char *path) { return path[0] == '/' && strcmp(path, "/proc/self/exe") == 0; }

// "/dev/fd/7" and "/proc/self/fd/7": the descriptor, or -1. Opening one is dup, as for pipes it is on Linux.
static int descriptor_path(const char *path)
{
    static const char *const prefix[] = {"/dev/fd/", "/proc/self/fd/"};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(prefix[i]);
        if (strncmp(path, prefix[i], n) != 0)
            continue;
        int fd = 0;
        const char *p = path + n;
        if (*p == 0)
            return -1;
        for (; *p != 0; p++) {
            if (*p < '0' || *p > '9' || fd >= POSIX_FDS)
                return -1;
            fd = fd * 10 + (*p - '0');
        }
        return fd;
    }
    if (strcmp(path, "/dev/stdin") == 0)
        return 0;
    if (strcmp(path, "/dev/stdout") == 0)
        return 1;
    if (strcmp(path, "/dev/stderr") == 0)
        return 2;
    return -1;
}

static uint8_t kind_of_mode(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return FUT_POSIX_KIND_REGULAR;
    case S_IFDIR: return FUT_POSIX_KIND_DIRECTORY;
    default: return FUT_POSIX_KIND_OTHER;
    }
}

long posix_open(int at, const char *path, uint32_t flags, uint32_t mode, unsigned how)
{
    if (path[0] == '/') {
        int fd = descriptor_path(path);
        if (fd >= 0 && posix_fd_get((unsigned)fd) != nullptr && posix.fd[fd].kind != FUT_POSIX_KIND_REGULAR &&
            posix.fd[fd].kind != FUT_POSIX_KIND_DIRECTORY)
            return posix_dup((unsigned)fd, 0, (how & POSIX_OPEN_CLOEXEC) != 0);
        if (is_proc_self_exe(path))
            path = posix.exec_name;
    }
    struct path_arguments a = {.flags = flags, .mode = mode};
    uint32_t tree = 0;
    long error = call(at, path, (flags & FS_OPEN_FLAGS_NO_FOLLOW) == 0, do_open, &a, &tree);
    if (error != 0)
        return error;
    uint32_t kind = kind_of_mode(a.node.mode);
    if (a.file.h == 0) {
        size_t length = strlen(path);
        struct fut_string name = {.data = path, .len = length <= 255 ? length : 0};
        fut_status_t status = process_process_open_special_opt(posix.process, &posix_interruptible, &a.node, flags, name, &a.file, &kind);
        if (status != FUT_OK)
            return posix_errno(status);
        if (kind > FUT_POSIX_KIND_ZERO)
            kind = FUT_POSIX_KIND_OTHER;
        // A session leader without a terminal gets this one; anybody else is refused, which is as good. The master's
        // side of a pseudo-terminal is nobody's.
        if (kind == FUT_POSIX_KIND_TERMINAL && (how & POSIX_OPEN_NOCTTY) == 0 && a.node.rdev != PTMX)
            (void)process_process_set_controlling(posix.process, a.file, false);
    } else if (tree != 0 && kind == FUT_POSIX_KIND_REGULAR) {
        kind = FUT_POSIX_KIND_OTHER; // made as it is read: short reads, no mapping
    }
    long fd = posix_fd_install(a.file.h, (uint8_t)kind, flags & 0xff, (how & POSIX_OPEN_CLOEXEC) != 0, (uint8_t)tree, 0);
    if (fd >= 0 && (flags & FS_OPEN_FLAGS_PATH))
        posix.fd[fd].hints |= FD_IS_PATH;
    return fd;
}

// --- the others -------------------------------------------------------------------------------------------------
static fut_status_t do_stat(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_stat(c, at, path, a->flags, a->st);
}

long posix_stat(int at, const char *path, uint32_t flags, struct io_stat *st)
{
    if (path[0] == 0 && (flags & FS_AT_EMPTY_PATH) && at != AT_FDCWD)
        return posix_stat_fd((unsigned)at, st);
    if (is_proc_self_exe(path) && !(flags & FS_AT_NO_FOLLOW))
        path = posix.exec_name;
    struct path_arguments a = {.flags = flags, .st = st};
    return call(at, path, !(flags & FS_AT_NO_FOLLOW), do_stat, &a, nullptr);
}

static fut_status_t do_read_link(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    struct fut_string target;
    fut_status_t status = fs_context_read_link(c, at, path, &target);
    if (status == FUT_OK) {
        a->length = target.len < a->capacity ? target.len : a->capacity;
        memcpy(a->to, target.data, a->length);
    }
    return status;
}

long posix_read_link(int at, const char *path, char *to, size_t capacity)
{
    if (is_proc_self_exe(path)) {
        size_t length = strlen(posix.exec_name);
        length = length < capacity ? length : capacity;
        memcpy(to, posix.exec_name, length);
        return (long)length;
    }
    struct path_arguments a = {.to = to, .capacity = capacity};
    long error = call(at, path, false, do_read_link, &a, nullptr);
    return error != 0 ? error : (long)a.length;
}

static fut_status_t do_make_dir(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_make_dir(c, at, path, a->mode);
}

long posix_make_dir(int at, const char *path, uint32_t mode)
{
    struct path_arguments a = {.mode = mode};
    return call(at, path, false, do_make_dir, &a, nullptr);
}

static fut_status_t do_unlink(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_unlink(c, at, path, a->flags);
}

long posix_unlink(int at, const char *path, uint32_t flags)
{
    struct path_arguments a = {.flags = flags};
    return call(at, path, false, do_unlink, &a, nullptr);
}

// Two paths: both must be fsd's. A path into another tree is another device.
static long two_paths(int from_at, const char *from, int to_at, struct path_arguments *a, path_call fn, const char *to)
{
    a->other = string_of(from);
    if (from_at != AT_FDCWD && from[0] != '/') {
        struct posix_fd *f = posix_fd_get((unsigned)from_at);
        if (f == nullptr)
            return -EBADF;
        if (f->tree != 0)
            return -EXDEV;
        a->other_at.h = f->handle;
    }
    io_file_t at = {0};
    if (to_at != AT_FDCWD && to[0] != '/') {
        struct posix_fd *f = posix_fd_get((unsigned)to_at);
        if (f == nullptr)
            return -EBADF;
        if (f->tree != 0)
            return -EXDEV;
        at.h = f->handle;
    }
    fut_status_t status = fn(posix.context, at, string_of(to), a);
    return status == IO_ERROR_REMOTE ? -EXDEV : posix_errno(status);
}

static fut_status_t do_rename(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_rename(c, a->other_at, a->other, at, path, a->flags);
}

long posix_rename(int from_at, const char *from, int to_at, const char *to, uint32_t flags)
{
    struct path_arguments a = {.flags = flags};
    return two_paths(from_at, from, to_at, &a, do_rename, to);
}

static fut_status_t do_link(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_link(c, a->other_at, a->other, at, path, a->flags);
}

long posix_link(int from_at, const char *from, int to_at, const char *to, uint32_t flags)
{
    struct path_arguments a = {.flags = flags};
    return two_paths(from_at, from, to_at, &a, do_link, to);
}

static fut_status_t do_sym_link(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_sym_link(c, a->target, at, path);
}

long posix_sym_link(const char *target, int at, const char *path)
{
    struct path_arguments a = {.target = string_of(target)};
    return call(at, path, false, do_sym_link, &a, nullptr);
}

static fut_status_t do_make_node(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_make_node(c, at, path, a->mode, a->rdev);
}

long posix_make_node(int at, const char *path, uint32_t mode, uint64_t rdev)
{
    struct path_arguments a = {.mode = mode, .rdev = rdev};
    return call(at, path, false, do_make_node, &a, nullptr);
}

static fut_status_t do_set_attr(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_set_attr(c, at, path, a->flags, a->attr);
}

long posix_set_attr(int at, const char *path, uint32_t flags, const struct io_set_attr *attr)
{
    if (path[0] == 0 && (flags & FS_AT_EMPTY_PATH) && at != AT_FDCWD)
        return posix_set_attr_fd((unsigned)at, attr);
    struct path_arguments a = {.flags = flags, .attr = attr};
    return call(at, path, !(flags & FS_AT_NO_FOLLOW), do_set_attr, &a, nullptr);
}

static fut_status_t do_access(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_access(c, at, path, a->mode, a->flags);
}

long posix_access(int at, const char *path, uint32_t mode, uint32_t flags)
{
    struct path_arguments a = {.mode = mode, .flags = flags};
    if (is_proc_self_exe(path))
        path = posix.exec_name;
    return call(at, path, !(flags & FS_AT_NO_FOLLOW), do_access, &a, nullptr);
}

static fut_status_t do_change_dir(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    (void)a;
    return fs_context_change_dir(c, at, path);
}

// Each tree's Context keeps a working directory; this says whose counts. The server of a tree that is left is told
// by a path that leads out of it, because the next program starts where the server says.
static long change_dir(int at, const char *path)
{
    struct path_arguments a = {};
    uint32_t tree = 0, before = posix.cwd_tree;
    long error = call(at, path, true, do_change_dir, &a, &tree);
    if (error != 0)
        return error;
    posix.cwd_tree = tree;
    fs_context_t left;
    if (before != tree && before != 0 && tree_context(before, &left) == FUT_OK)
        (void)!fs_context_change_dir(left, (io_file_t){0}, string_of("/.."));
    return 0;
}

long posix_change_dir(const char *path) { return change_dir(AT_FDCWD, path); }

long posix_change_dir_fd(unsigned fd)
{
    struct posix_fd *f = posix_fd_get(fd);
    if (f == nullptr)
        return -EBADF;
    if (f->kind != FUT_POSIX_KIND_DIRECTORY)
        return -ENOTDIR;
    return change_dir((int)fd, "");
}

long posix_get_dir(char *to, size_t capacity)
{
    struct fut_string path;
    fs_context_t context;
    fut_status_t status = tree_context(posix.cwd_tree, &context);
    if (status == FUT_OK)
        status = fs_context_get_dir(context, &path);
    if (status != FUT_OK)
        return posix_errno(status);
    if (path.len + 1 > capacity)
        return -ERANGE;
    memcpy(to, path.data, path.len);
    to[path.len] = 0;
    return (long)path.len + 1;
}

long posix_change_root(const char *path)
{
    return posix_errno(fs_context_change_root(posix.context, string_of(path)));
}

long posix_set_mask(uint32_t mask)
{
    uint32_t old;
    fut_status_t status = fs_context_set_mask(posix.context, mask & 0777, &old);
    return status == FUT_OK ? (long)old : posix_errno(status);
}

static fut_status_t do_stat_fs(fs_context_t c, io_file_t at, struct fut_string path, struct path_arguments *a)
{
    return fs_context_stat_fs(c, at, path, a->stat_fs);
}

long posix_stat_fs(int at, const char *path, struct fs_stat_fs *st)
{
    struct path_arguments a = {.stat_fs = st};
    return call(at, path, true, do_stat_fs, &a, nullptr);
}

long posix_sync_all(void) { return posix_errno(fs_context_sync_all(posix.context)); }
