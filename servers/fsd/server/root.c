// SPDX-License-Identifier: MPL-2.0
//
// The root file system. etc/boot.conf in the boot archive says what it is: a disk, or a tmpfs, which then is filled
// with what a shell needs: /bin/busybox with its applets' names, the native programs, members below root/, accounts
// and the usual directories.

#include <futura/loader.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdlib.h>
#include <string.h>

#include "core/platform.h"
#include "ext/ext.h"
#include "server/blockdev.h"
#include "server/server.h"
#include "tmpfs/tmpfs.h"

static struct fut_bytes archive;

static void map_archive(void) {
    fut_handle_t memory = fut_startup_cap("archive");
    struct fut_memory_info info;
    if (!memory || fut_memory_info(memory, &info) != FUT_OK) {
        return;
    }
    struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = FUT_PROT_READ};
    uint64_t address = 0;
    if (fut_space_map(fut_startup_cap("space"), &map, &address) == FUT_OK) {
        archive = (struct fut_bytes){(const void *)address, info.bytes};
    }
}

static uint64_t option_size(const char *options) {
    const char *s = strstr(options, "size=");
    if (!s) {
        return 0;
    }
    char *end;
    uint64_t n = strtoull(s + 5, &end, 10);
    switch (*end) {
    case 'k':
    case 'K':
        return n << 10;
    case 'm':
    case 'M':
        return n << 20;
    case 'g':
    case 'G':
        return n << 30;
    default:
        return n;
    }
}

fs_error mount_source(const char *source, const char *kind, const char *options, bool read_only, struct filesystem **fs,
                      uint32_t *tree) {
    if (strncmp(source, "tree:", 5) == 0) {
        char *end;
        unsigned long n = strtoul(source + 5, &end, 10);
        if (*end || n == 0 || n > UINT32_MAX) {
            return FS_INVALID;
        }
        *tree = (uint32_t)n;
        return FS_OK;
    }
    if (strcmp(kind, "tmpfs") == 0 || strcmp(source, "tmpfs") == 0) {
        const char *m = strstr(options, "mode=");
        uint32_t mode = m ? (uint32_t)strtoul(m + 5, nullptr, 8) & 07777 : 01777;
        fs_error e = tmpfs_make(option_size(options), mode, 0, 0, fs);
        if (e == FS_OK) {
            (*fs)->read_only = read_only;
        }
        return e;
    }
    if (*kind && strcmp(kind, "ext4") != 0 && strcmp(kind, "ext3") != 0 && strcmp(kind, "ext2") != 0 &&
        strcmp(kind, "auto") != 0) {
        return FS_NO_DEVICE;
    }
    if (strncmp(source, "/dev/", 5) == 0) {
        source += 5;
    }
    struct block_device *d;
    fs_error e = blockdev_open(source, false, &d);
    if (e) {
        return e;
    }
    e = ext_mount(d, read_only || d->read_only, fs);
    if (e) {
        d->close(d);
    }
    return e;
}

// --- Filling a tmpfs root ---

static struct context setup; // root's

static void dir(const char *path, uint32_t mode) {
    fs_error e = context_make_dir(&setup, nullptr, (struct name){path, (unsigned)strlen(path)}, mode);
    if (e && e != FS_EXISTS) {
        platform_log("root: %s: error %d", path, (int)e);
    }
}

static void file(const char *path, size_t path_len, uint32_t mode, const void *data, size_t len) {
    struct open_file *f;
    struct node *n;
    fs_error e = context_open(&setup, nullptr, (struct name){path, (unsigned)path_len},
                              OPEN_WRITE_ONLY | OPEN_CREATE | OPEN_TRUNCATE, mode, &f, &n);
    if (e == FS_OK) {
        size_t done = 0;
        e = f ? file_write(f, FILE_OFFSET, data, len, &done) : FS_EXISTS;
        if (e == FS_OK && done < len) {
            e = FS_NO_SPACE;
        }
        if (f) {
            open_free(f);
        }
        node_put(n);
    }
    if (e) {
        platform_log("root: %.*s: error %d", (int)path_len, path, (int)e);
    }
}

static void text(const char *path, uint32_t mode, const char *contents) {
    file(path, strlen(path), mode, contents, strlen(contents));
}

// Makes the directories above a path.
static void parents(const char *path, size_t len) {
    for (size_t i = 1; i < len; i++) {
        if (path[i] == '/') {
            (void)context_make_dir(&setup, nullptr, (struct name){path, (unsigned)i}, 0755);
        }
    }
}

static void applets(struct fut_bytes list) {
    const char *p = list.data, *end = p + list.len;
    while (p < end) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((line ? line : end) - p);
        if (len > 1 && len < PATH_MAX_BYTES && p[0] == '/') {
            parents(p, len);
            (void)context_sym_link(&setup, NAME("/bin/busybox"), nullptr, (struct name){p, (unsigned)len});
        }
        p += len + 1;
    }
}

static void populate(void) {
    static const char *const dirs[] = {"/bin", "/sbin", "/usr", "/usr/bin", "/usr/sbin", "/etc", "/dev", "/proc",
                                       "/var", "/var/log", "/home", "/mnt", "/run"};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        dir(dirs[i], 0755);
    }
    dir("/tmp", 01777);
    dir("/var/tmp", 01777);
    dir("/root", 0700);
    text("/etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n");
    text("/etc/group", 0644, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
    text("/etc/shadow", 0600, "root::19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n");
    size_t cursor = 0;
    struct fut_string name;
    struct fut_bytes contents, list = {nullptr, 0};
    char path[PATH_MAX_BYTES + 1];
    while (fut_archive_next(archive, &cursor, &name, &contents) == FUT_OK) {
        size_t skip = 0;
        if (name.len > 5 && memcmp(name.data, "root/", 5) == 0) {
            skip = 4;
        } else if (name.len <= 4 || memcmp(name.data, "bin/", 4) != 0) {
            if (name.len == 11 && memcmp(name.data, "etc/applets", 11) == 0) {
                list = contents;
            }
            continue;
        }
        size_t len = name.len - skip;
        if (len + 1 >= sizeof path) {
            continue;
        }
        path[0] = '/';
        memcpy(path + !skip, name.data + skip, len);
        len += !skip;
        parents(path, len);
        file(path, len, 0755, contents.data, contents.len);
    }
    applets(list);
}

void root_mount(void) {
    map_archive();
    struct fut_bytes conf;
    struct fut_string value = {"tmpfs", 5};
    if (fut_archive_find(archive, "etc/boot.conf", &conf) == FUT_OK) {
        (void)fut_config_find(conf, "root", &value);
    }
    struct filesystem *fs = nullptr;
    char source[64] = "tmpfs";
    if (value.len < sizeof source) {
        memcpy(source, value.data, value.len);
        source[value.len] = 0;
    }
    if (strcmp(source, "tmpfs") != 0) {
        struct block_device *d;
        const char *device = strncmp(source, "/dev/", 5) == 0 ? source + 5 : source;
        fs_error e = blockdev_open(device, true, &d);
        if (e == FS_OK && (e = ext_mount(d, d->read_only, &fs)) != FS_OK) {
            d->close(d);
        }
        if (e) {
            platform_log("the root file system on %s cannot be used (error %d): going on with an empty one in memory",
                         source, (int)e);
        }
    }
    bool memory = !fs;
    if (memory && tmpfs_make(0, 0755, 0, 0, &fs) != FS_OK) {
        platform_log("no memory for a root file system");
        abort();
    }
    struct mount_names names = {memory ? "tmpfs" : source, "/", fs->ops->kind, ""};
    if (mount_add(fs, 0, nullptr, &names, nullptr) != FS_OK) {
        abort();
    }
    if (memory) {
        setup.root = setup.cwd = mount_root();
        setup.umask = 0;
        populate();
    }
}
