// SPDX-License-Identifier: MPL-2.0
//
// mkcpio OUT [--base ARCHIVE] [MEMBER[:MODE]=FILE]...: writes a cpio archive in the "newc" form, members in the order
// given, after those of ARCHIVE.
//
// The boot archive must be the same for the same inputs, and its first member is the program that the kernel
// starts; cpio(1) takes owners, times and inode numbers from the disk, so we write the archive ourselves. Every
// member is a regular file of root, time 0, mode 0755 or the octal MODE. Parent directories are not written: the
// archive is a list of named blobs for init, not a tree. newc: 110 bytes of ASCII hexadecimal header, the name with
// its NUL, the data; each padded to four bytes.

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

// A number of the header: eight hexadecimal digits.
static size_t field(const char *header, int index)
{
    char digits[9] = {};
    memcpy(digits, header + 6 + 8 * index, 8);
    return strtoul(digits, nullptr, 16);
}

// Copies the members of an archive that this program wrote, up to its trailer; counts them.
static unsigned copy_base(FILE *out, const char *path)
{
    size_t size;
    char *data = read_file(path, &size);
    size_t at = 0;
    unsigned count = 0;
    while (size - at >= 110 && memcmp(data + at, "070701", 6) == 0) {
        size_t name_size = field(data + at, 11), file_size = field(data + at, 6);
        size_t body = (at + 110 + name_size + 3) & ~(size_t)3;
        size_t next = (body + file_size + 3) & ~(size_t)3;
        if (next > size || name_size == 0)
            break;
        if (strncmp(data + at + 110, "TRAILER!!!", name_size) == 0) {
            fwrite(data, 1, at, out);
            free(data);
            return count;
        }
        at = next;
        count++;
    }
    fprintf(stderr, "mkcpio: %s is not an archive of mkcpio\n", path);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: mkcpio OUT [--base ARCHIVE] [MEMBER[:MODE]=FILE]...\n");
        return 2;
    }
    FILE *out = fopen(argv[1], "wb");
    if (!out)
        die("cannot write", argv[1]);
    unsigned ino = 1;
    int first = 2;
    if (argc >= 4 && strcmp(argv[2], "--base") == 0) {
        ino += copy_base(out, argv[3]);
        first = 4;
    }
    for (int i = first; i < argc; i++) {
        char *file = strchr(argv[i], '=');
        if (!file || file == argv[i]) {
            fprintf(stderr, "mkcpio: \"%s\" is not MEMBER=FILE\n", argv[i]);
            return 2;
        }
        *file++ = '\0';
        unsigned mode = 0755;
        char *colon = strchr(argv[i], ':');
        if (colon) {
            *colon = '\0';
            mode = (unsigned)strtoul(colon + 1, nullptr, 8) & 07777;
        }
        size_t size = 0;
        void *data = read_file(file, &size);
        member(out, ino++, 0100000 | mode, argv[i], data, size);
        free(data);
    }
    member(out, 0, 0, "TRAILER!!!", nullptr, 0);
    if (fclose(out) != 0)
        die("cannot write", argv[1]);
    return 0;
}
