// SPDX-License-Identifier: MPL-2.0
//
// mount and umount: what POSIX programs call by device paths and type names becomes fsd's sources. The
// table of mounts is fsd's; /proc shows it.
#include "posixd.h"

#define MOUNT_READ_ONLY 1u
#define MOUNT_NOT_DONE (32u | 4096u | 8192u) // remount, bind, move
#define UNMOUNT_FORCE 1u

static bool is(struct fut_string s, const char *name) { return s.len == strlen(name) && memcmp(s.data, name, s.len) == 0; }

static struct fut_string text(const char *s) { return (struct fut_string){s, strlen(s)}; }

// The target as an absolute path without a trailing slash.
static fut_status_t absolute(struct process *p, struct fut_string target, char *to, size_t size, struct fut_string *out)
{
    size_t n = 0;
    if (target.len == 0)
        return IO_ERROR_NOT_FOUND;
    if (target.data[0] != '/') {
        char copy[1024];
        if (target.len >= sizeof copy)
            return IO_ERROR_NAME_TOO_LONG;
        memcpy(copy, target.data, target.len);
        struct fut_string dir;
        fut_status_t status = fs_context_get_dir(p->context, &dir);
        if (status != FUT_OK)
            return status > 0 ? status : IO_ERROR_IO;
        if (dir.len + 1 + target.len >= size)
            return IO_ERROR_NAME_TOO_LONG;
        memcpy(to, dir.data, dir.len);
        n = dir.len;
        if (n == 0 || to[n - 1] != '/')
            to[n++] = '/';
        memcpy(to + n, copy, target.len);
        n += target.len;
    } else {
        if (target.len >= size)
            return IO_ERROR_NAME_TOO_LONG;
        memcpy(to, target.data, n = target.len);
    }
    while (n > 1 && to[n - 1] == '/')
        n--;
    *out = (struct fut_string){to, n};
    return FUT_OK;
}

fut_status_t mount_handle(struct process *p, struct fut_string source, struct fut_string target,
                          struct fut_string kind, uint64_t flags, struct fut_string options)
{
    if (!cred_is_root(&p->cred))
        return IO_ERROR_NOT_PERMITTED;
    if (flags & MOUNT_NOT_DONE)
        return IO_ERROR_INVALID;
    // The arguments lie in the IPC buffer, which the calls below use.
    static char paths[1024], kinds[32], sources[256], opts[256];
    if (kind.len >= sizeof kinds || source.len >= sizeof sources || options.len >= sizeof opts)
        return IO_ERROR_INVALID;
    memcpy(kinds, kind.data, kind.len);
    memcpy(sources, source.data, source.len);
    memcpy(opts, options.data, options.len);
    kind.data = kinds;
    source.data = sources;
    options.data = opts;
    struct fut_string at;
    fut_status_t status = absolute(p, target, paths, sizeof paths, &at);
    if (status != FUT_OK)
        return status;
    if (is(kind, "proc"))
        source = text("tree:1");
    else if (is(kind, "tmpfs"))
        source = text("tmpfs");
    else if (source.len > 5 && memcmp(source.data, "/dev/", 5) == 0)
        source = (struct fut_string){source.data + 5, source.len - 5};
    else
        return IO_ERROR_NO_DEVICE;
    if (kind.len > 15 || source.len > 63)
        return IO_ERROR_NO_DEVICE;
    status = fs_admin_mount(posixd.fs, source, at, kind, options, (flags & MOUNT_READ_ONLY) != 0);
    return status >= 0 ? status : IO_ERROR_IO;
}

fut_status_t unmount_handle(struct process *p, struct fut_string target, uint32_t flags)
{
    if (!cred_is_root(&p->cred))
        return IO_ERROR_NOT_PERMITTED;
    static char path[1024];
    struct fut_string at;
    fut_status_t status = absolute(p, target, path, sizeof path, &at);
    if (status == FUT_OK)
        status = fs_admin_unmount(posixd.fs, at, (flags & UNMOUNT_FORCE) != 0);
    return status >= 0 ? status : IO_ERROR_IO;
}

static void mount_at_boot(const char *source, const char *target, const char *kind, const char *options)
{
    (void)!fs_context_make_dir(posixd.root, (io_file_t){}, text(target), 0755); // may be there
    fut_status_t status = fs_admin_mount(posixd.fs, text(source), text(target), text(kind), text(options), false);
    if (status != FUT_OK)
        log_text("posixd: cannot mount %s on %s (%d)\n", kind, target, status);
}

void mount_boot(void)
{
    mount_at_boot("tree:1", "/proc", "proc", "");
    mount_at_boot("tmpfs", "/dev", "tmpfs", "mode=755");
    device_fill_dev();
}
