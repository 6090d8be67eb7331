// SPDX-License-Identifier: MPL-2.0
//
// System calls that name files.
#include "linux.h"
#include <string.h>

static long open_at(int at, u64 user, u64 flags, u64 mode)
{
    GET_PATH(path, user);
    unsigned how = (flags & O_CLOEXEC ? POSIX_OPEN_CLOEXEC : 0) | (flags & O_NOCTTY ? POSIX_OPEN_NOCTTY : 0);
    return posix_open(at, path, open_flags_in((uint32_t)flags), (uint32_t)mode & 07777, how);
}
SYSCALL(open) { return open_at(AT_FDCWD, a, b, c); }
SYSCALL(openat) { return open_at((int)a, b, c, d); }
SYSCALL(creat) { return open_at(AT_FDCWD, a, O_CREAT | O_WRONLY | O_TRUNC, b); }

static long stat_at(int at, u64 user, u64 to, u64 flags)
{
    char path[LINUX_PATH_MAX];
    if (flags & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | 0x800)) // 0x800: AT_NO_AUTOMOUNT
        return -EINVAL;
    long n = user_string(path, user, sizeof path);
    if (n < 0)
        return n;
    if (n == 0 && !(flags & AT_EMPTY_PATH))
        return -ENOENT;
    if (n == 0 && at == AT_FDCWD)
        memcpy(path, ".", 2);
    struct io_stat st;
    struct linux_stat out;
    long error = posix_stat(at, path, at_flags_in((uint32_t)flags), &st);
    if (error != 0)
        return error;
    stat_out(&out, &st);
    return user_write(to, &out, sizeof out) ? 0 : -EFAULT;
}
SYSCALL(newfstatat) { return stat_at((int)a, b, c, d); }
SYSCALL(stat) { return stat_at(AT_FDCWD, a, b, 0); }
SYSCALL(lstat) { return stat_at(AT_FDCWD, a, b, AT_SYMLINK_NOFOLLOW); }

struct statx_time { int64_t sec; uint32_t nsec; int32_t pad; };
struct linux_statx {
    uint32_t mask, block_size;
    u64 attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    u64 ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    u64 spare[14];
};
static_assert(sizeof(struct linux_statx) == 256);

static uint32_t major_of(u64 dev) { return (uint32_t)(dev >> 8 & 0xfff) | (uint32_t)(dev >> 32 & ~0xfffu); }
static uint32_t minor_of(u64 dev) { return (uint32_t)(dev & 0xff) | (uint32_t)(dev >> 12 & ~0xffu); }
static struct statx_time statx_time_of(int64_t ns)
{
    struct linux_timespec t = ns_timespec(ns);
    return (struct statx_time){.sec = t.sec, .nsec = (uint32_t)t.nsec};
}

SYSCALL(statx)
{
    char path[LINUX_PATH_MAX];
    int at = (int)a;
    long n = user_string(path, b, sizeof path);
    if (n < 0)
        return n;
    if (n == 0 && !(c & AT_EMPTY_PATH))
        return -ENOENT;
    if (n == 0 && at == AT_FDCWD)
        memcpy(path, ".", 2);
    struct io_stat st;
    long error = posix_stat(at, path, at_flags_in((uint32_t)c), &st);
    if (error != 0)
        return error;
    struct linux_statx out = {
        .mask = 0x7ff, .block_size = st.block_size, .nlink = st.nlink, .uid = st.uid, .gid = st.gid, .mode = (uint16_t)st.mode,
        .ino = st.ino, .size = st.size, .blocks = st.blocks,
        .atime = statx_time_of(st.atime), .ctime = statx_time_of(st.ctime), .mtime = statx_time_of(st.mtime),
        .rdev_major = major_of(st.rdev), .rdev_minor = minor_of(st.rdev), .dev_major = major_of(st.dev), .dev_minor = minor_of(st.dev),
    };
    return user_write(e, &out, sizeof out) ? 0 : -EFAULT;
}

static long access_at(int at, u64 user, u64 mode, uint32_t flags)
{
    if (mode & ~7ull)
        return -EINVAL;
    GET_PATH(path, user);
    return posix_access(at, path, (uint32_t)mode, at_flags_in(flags & ~AT_EACCESS) | (flags & AT_EACCESS ? FS_AT_EFFECTIVE : 0));
}
SYSCALL(access) { return access_at(AT_FDCWD, a, b, 0); }
SYSCALL(faccessat) { return access_at((int)a, b, c, 0); }
SYSCALL(faccessat2) { return access_at((int)a, b, c, (uint32_t)d); }

static long read_link(int at, u64 user, u64 to, u64 bytes)
{
    char path[LINUX_PATH_MAX], target[LINUX_PATH_MAX];
    long n = user_string(path, user, sizeof path);
    if (n < 0)
        return n;
    if ((int64_t)bytes <= 0)
        return -EINVAL;
    n = posix_read_link(at, path, target, bytes < sizeof target ? bytes : sizeof target);
    if (n < 0)
        return n;
    return user_write(to, target, (size_t)n) ? n : -EFAULT;
}
SYSCALL(readlink) { return read_link(AT_FDCWD, a, b, (u64)(int)c); }
SYSCALL(readlinkat) { return read_link((int)a, b, c, (u64)(int)d); }

static long make_dir(int at, u64 user, u64 mode)
{
    GET_PATH(path, user);
    return posix_make_dir(at, path, (uint32_t)mode & 01777);
}
SYSCALL(mkdir) { return make_dir(AT_FDCWD, a, b); }
SYSCALL(mkdirat) { return make_dir((int)a, b, c); }

static long unlink_at(int at, u64 user, bool directory)
{
    GET_PATH(path, user);
    return posix_unlink(at, path, directory ? FS_AT_REMOVE_DIR : 0);
}
SYSCALL(unlink) { return unlink_at(AT_FDCWD, a, false); }
SYSCALL(rmdir) { return unlink_at(AT_FDCWD, a, true); }
SYSCALL(unlinkat) { return c & ~(u64)AT_REMOVEDIR ? -EINVAL : unlink_at((int)a, b, (c & AT_REMOVEDIR) != 0); }

static long rename_at(int from_at, u64 from, int to_at, u64 to, u64 flags)
{
    if (flags & ~3ull)
        return -EINVAL;
    GET_PATH(p, from);
    GET_PATH(q, to);
    return posix_rename(from_at, p, to_at, q, (flags & 1 ? FS_AT_NO_REPLACE : 0) | (flags & 2 ? FS_AT_EXCHANGE : 0));
}
SYSCALL(rename) { return rename_at(AT_FDCWD, a, AT_FDCWD, b, 0); }
SYSCALL(renameat) { return rename_at((int)a, b, (int)c, d, 0); }
SYSCALL(renameat2) { return rename_at((int)a, b, (int)c, d, e); }

static long link_at(int from_at, u64 from, int to_at, u64 to, u64 flags)
{
    if (flags & ~(u64)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    GET_PATH(p, from);
    GET_PATH(q, to);
    return posix_link(from_at, p, to_at, q, at_flags_in((uint32_t)flags));
}
SYSCALL(link) { return link_at(AT_FDCWD, a, AT_FDCWD, b, 0); }
SYSCALL(linkat) { return link_at((int)a, b, (int)c, d, e); }

static long sym_link(u64 target, int at, u64 user)
{
    GET_PATH(p, target);
    GET_PATH(q, user);
    return posix_sym_link(p, at, q);
}
SYSCALL(symlink) { return sym_link(a, AT_FDCWD, b); }
SYSCALL(symlinkat) { return sym_link(a, (int)b, c); }

static long make_node(int at, u64 user, u64 mode, u64 rdev)
{
    GET_PATH(path, user);
    if ((mode & S_IFMT) == S_IFDIR)
        return -EPERM;
    if ((mode & S_IFMT) == 0)
        mode |= S_IFREG;
    return posix_make_node(at, path, (uint32_t)mode, rdev);
}
SYSCALL(mknod) { return make_node(AT_FDCWD, a, b, c); }
SYSCALL(mknodat) { return make_node((int)a, b, c, d); }

static long change_mode(int at, u64 user, u64 mode)
{
    GET_PATH(path, user);
    struct io_set_attr set = {.mask = IO_ATTR_MODE, .mode = (uint32_t)mode & 07777};
    return posix_set_attr(at, path, 0, &set);
}
SYSCALL(chmod) { return change_mode(AT_FDCWD, a, b); }
SYSCALL(fchmodat) { return change_mode((int)a, b, c); }

static long change_owner(int at, u64 user, u64 uid, u64 gid, u64 flags)
{
    char path[LINUX_PATH_MAX];
    long n = user_string(path, user, sizeof path);
    if (n < 0)
        return n;
    if (n == 0 && !(flags & AT_EMPTY_PATH))
        return -ENOENT;
    struct io_set_attr set = {.mask = ((uint32_t)uid != UINT32_MAX ? IO_ATTR_UID : 0) | ((uint32_t)gid != UINT32_MAX ? IO_ATTR_GID : 0),
                              .uid = (uint32_t)uid, .gid = (uint32_t)gid};
    return posix_set_attr(at, path, at_flags_in((uint32_t)flags), &set);
}
SYSCALL(chown) { return change_owner(AT_FDCWD, a, b, c, 0); }
SYSCALL(lchown) { return change_owner(AT_FDCWD, a, b, c, AT_SYMLINK_NOFOLLOW); }
SYSCALL(fchownat) { return e & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : change_owner((int)a, b, c, d, e); }

SYSCALL(truncate)
{
    GET_PATH(path, a);
    if ((int64_t)b < 0)
        return -EINVAL;
    struct io_set_attr set = {.mask = IO_ATTR_SIZE, .size = b};
    return posix_set_attr(AT_FDCWD, path, 0, &set);
}

// --- times ----------------------------------------------------------------------------------------------------------
#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

static long set_times(int at, u64 user, struct io_set_attr *set, uint32_t flags)
{
    if (user == 0 && at != AT_FDCWD)
        return posix_set_attr_fd((unsigned)at, set);
    GET_PATH(path, user);
    return posix_set_attr(at, path, flags, set);
}

SYSCALL(utimensat)
{
    struct io_set_attr set = {.mask = IO_ATTR_ATIME_NOW | IO_ATTR_MTIME_NOW};
    if (d & ~(u64)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (c != 0) {
        struct linux_timespec t[2];
        if (!user_read(t, c, sizeof t))
            return -EFAULT;
        set.mask = 0;
        for (int i = 0; i < 2; i++) {
            if (t[i].nsec == UTIME_OMIT)
                continue;
            if (t[i].nsec == UTIME_NOW) {
                set.mask |= i == 0 ? IO_ATTR_ATIME_NOW : IO_ATTR_MTIME_NOW;
                continue;
            }
            if (t[i].nsec < 0 || t[i].nsec >= (int64_t)NS_PER_S)
                return -EINVAL;
            int64_t ns = t[i].sec * (int64_t)NS_PER_S + t[i].nsec;
            set.mask |= i == 0 ? IO_ATTR_ATIME : IO_ATTR_MTIME;
            *(i == 0 ? &set.atime : &set.mtime) = ns;
        }
        if (set.mask == 0)
            return 0;
    }
    return set_times((int)a, b, &set, at_flags_in((uint32_t)d));
}

static long times_us(int at, u64 user, u64 times)
{
    struct io_set_attr set = {.mask = IO_ATTR_ATIME_NOW | IO_ATTR_MTIME_NOW};
    if (times != 0) {
        struct linux_timeval t[2];
        if (!user_read(t, times, sizeof t))
            return -EFAULT;
        if ((uint64_t)t[0].usec >= 1000000 || (uint64_t)t[1].usec >= 1000000)
            return -EINVAL;
        set = (struct io_set_attr){.mask = IO_ATTR_ATIME | IO_ATTR_MTIME, .atime = t[0].sec * (int64_t)NS_PER_S + t[0].usec * 1000,
                                   .mtime = t[1].sec * (int64_t)NS_PER_S + t[1].usec * 1000};
    }
    return set_times(at, user, &set, 0);
}
SYSCALL(utimes) { return times_us(AT_FDCWD, a, b); }
SYSCALL(futimesat) { return times_us((int)a, b, c); }
SYSCALL(utime)
{
    struct io_set_attr set = {.mask = IO_ATTR_ATIME_NOW | IO_ATTR_MTIME_NOW};
    if (b != 0) {
        int64_t t[2];
        if (!user_read(t, b, sizeof t))
            return -EFAULT;
        set = (struct io_set_attr){.mask = IO_ATTR_ATIME | IO_ATTR_MTIME, .atime = t[0] * (int64_t)NS_PER_S, .mtime = t[1] * (int64_t)NS_PER_S};
    }
    return set_times(AT_FDCWD, a, &set, 0);
}

// --- the process's places ----------------------------------------------------------------------------------------------
SYSCALL(chdir)
{
    GET_PATH(path, a);
    return posix_change_dir(path);
}
SYSCALL(fchdir) { return posix_change_dir_fd((unsigned)a); }
SYSCALL(chroot)
{
    GET_PATH(path, a);
    return posix_change_root(path);
}
SYSCALL(umask) { return posix_set_mask((uint32_t)a); }

SYSCALL(getcwd)
{
    char path[LINUX_PATH_MAX];
    long n = posix_get_dir(path, b < sizeof path ? b : sizeof path);
    if (n < 0)
        return n;
    return user_write(a, path, (size_t)n) ? n : -EFAULT;
}

struct linux_statfs {
    int64_t type, block_size;
    u64 blocks, free, available, files, files_free;
    int32_t id[2];
    int64_t name_max, fragment, flags, spare[4];
};
static_assert(sizeof(struct linux_statfs) == 120);

static long statfs_out(u64 to, const struct fs_stat_fs *st)
{
    struct linux_statfs out = {
        .type = (int64_t)st->kind, .block_size = (int64_t)st->block_size, .blocks = st->blocks, .free = st->free,
        .available = st->available, .files = st->files, .files_free = st->files_free,
        .id = {(int32_t)st->id, (int32_t)(st->id >> 32)}, .name_max = st->name_max, .fragment = (int64_t)st->block_size,
        .flags = st->flags,
    };
    return user_write(to, &out, sizeof out) ? 0 : -EFAULT;
}

SYSCALL(statfs)
{
    GET_PATH(path, a);
    struct fs_stat_fs st;
    long error = posix_stat_fs(AT_FDCWD, path, &st);
    return error != 0 ? error : statfs_out(b, &st);
}
SYSCALL(fstatfs)
{
    struct fs_stat_fs st;
    if (posix_fd_get((unsigned)a) == nullptr)
        return -EBADF;
    long error = posix_stat_fs((int)a, "", &st);
    return error != 0 ? error : statfs_out(b, &st);
}

// --- mounts ---------------------------------------------------------------------------------------------------------------
// An optional string argument, cut to what the protocol takes.
static long optional_string(char *to, u64 user, size_t capacity, struct fut_string *out)
{
    long n = 0;
    if (user != 0)
        n = user_string(to, user, capacity);
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    *out = (struct fut_string){.data = to, .len = (size_t)n};
    return 0;
}

SYSCALL(mount)
{
    char source[256], target[1024], kind[32], options[256];
    struct fut_string s, t, k, o;
    long error = optional_string(source, a, sizeof source, &s);
    if (error == 0)
        error = optional_string(target, b, sizeof target, &t);
    if (error == 0)
        error = optional_string(kind, c, sizeof kind, &k);
    if (error == 0)
        error = optional_string(options, e, sizeof options, &o);
    return error != 0 ? error : posix_errno(process_process_mount(posix.process, s, t, k, d, o));
}
SYSCALL(umount2)
{
    char target[1024];
    struct fut_string t;
    long error = optional_string(target, a, sizeof target, &t);
    return error != 0 ? error : posix_errno(process_process_unmount(posix.process, t, (uint32_t)b));
}
