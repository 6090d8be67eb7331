// SPDX-License-Identifier: MPL-2.0
//
// mkcpio OUT [MEMBER=FILE]...: writes a cpio archive in the "newc" form, members in the order given.
//
// The boot archive must be the same for the same inputs, and its first member is the program that the kernel
// starts; cpio(1) takes owners, times and inode numbers from the disk, so we write the archive ourselves. Every
// member is a regular file of root, mode 0755, time 0, with its index as inode number. A MEMBER= without a file
// makes an empty file. Parent directories are not written: the archive is a list of named blobs for init, not a
// tree. newc: 110 bytes of ASCII hexadecimal header, the name with its NUL, the data; each padded to four bytes.

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what, const char *name)
{
    fprintf(stderr, "mkcpio: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static void pad(FILE *out, size_t written)
{
    static const char zero[4];
    fwrite(zero, 1, (4 - written % 4) % 4, out);
}

static void member(FILE *out, unsigned ino, unsigned mode, const char *name, const void *data, size_t size)
{
    size_t name_size = strlen(name) + 1;
    unsigned links = mode == 0 ? 0 : 1;
    fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
            ino, mode, 0u, 0u, links, 0u, (unsigned)size, 0u, 0u, 0u, 0u, (unsigned)name_size, 0u);
    fwrite(name, 1, name_size, out);
    pad(out, 110 + name_size);
    if (size > 0)
        fwrite(data, 1, size, out);
    pad(out, size);
}

static void *read_file(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0)
        die("cannot read", path);
    long end = ftell(in);
    if (end < 0 || end > INT32_MAX)
        die("unfit size of", path);
    rewind(in);
    char *data = malloc((size_t)end + 1);
    if (!data || fread(data, 1, (size_t)end, in) != (size_t)end)
        die("cannot read", path);
    fclose(in);
    *size = (size_t)end;
    return data;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: mkcpio OUT [MEMBER=FILE]...\n");
        return 2;
    }
    FILE *out = fopen(argv[1], "wb");
    if (!out)
        die("cannot write", argv[1]);
    for (int i = 2; i < argc; i++) {
        char *file = strchr(argv[i], '=');
        if (!file || file == argv[i]) {
            fprintf(stderr, "mkcpio: \"%s\" is not MEMBER=FILE\n", argv[i]);
            return 2;
        }
        *file++ = '\0';
        size_t size = 0;
        void *data = *file ? read_file(file, &size) : nullptr;
        member(out, (unsigned)i - 1, 0100755, argv[i], data, size);
        free(data);
    }
    member(out, 0, 0, "TRAILER!!!", nullptr, 0);
    if (fclose(out) != 0)
        die("cannot write", argv[1]);
    return 0;
}
