// SPDX-License-Identifier: MPL-2.0
//
// The boot archive: cpio "newc" (ASCII header of 110 bytes, hexadecimal fields, name and contents padded
// to four bytes), possibly several archives one after the other with zero padding between them.
#include <futura/loader.h>
#include <string.h>

#define HEADER 110
#define FIELD_FILE_SIZE 54
#define FIELD_NAME_SIZE 94

static bool hex_field(const char *p, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < 8; i++) {
        char c = p[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (unsigned)(c - 'A') + 10;
        else
            return false;
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

static size_t align4(size_t n) { return (n + 3) & ~(size_t)3; }

fut_status_t fut_archive_next(struct fut_bytes archive, size_t *cursor, struct fut_string *name,
                              struct fut_bytes *contents)
{
    const char *base = archive.data;
    size_t at = *cursor;
    for (;;) {
        while (at < archive.len && base[at] == 0) // padding between archives
            at++;
        if (at >= archive.len)
            return FUT_ERR_NOT_FOUND;
        uint32_t file_size, name_size;
        if (archive.len - at < HEADER || memcmp(base + at, "07070", 5) != 0 ||
            !hex_field(base + at + FIELD_FILE_SIZE, &file_size) || !hex_field(base + at + FIELD_NAME_SIZE, &name_size))
            return FUT_ERR_INVALID;
        size_t name_at = at + HEADER;
        if (name_size == 0 || name_size > archive.len - name_at || base[name_at + name_size - 1] != 0)
            return FUT_ERR_INVALID;
        size_t data_at = align4(name_at + name_size);
        if (data_at > archive.len || file_size > archive.len - data_at)
            return FUT_ERR_INVALID;
        *name = (struct fut_string){base + name_at, name_size - 1};
        *contents = (struct fut_bytes){base + data_at, file_size};
        at = align4(data_at + file_size);
        if (at > archive.len)
            at = archive.len;
        if (name->len == 10 && memcmp(name->data, "TRAILER!!!", 10) == 0)
            continue;
        *cursor = at;
        return FUT_OK;
    }
}

fut_status_t fut_archive_find(struct fut_bytes archive, const char *name, struct fut_bytes *out)
{
    size_t cursor = 0, length = strlen(name);
    for (;;) {
        struct fut_string member;
        fut_status_t status = fut_archive_next(archive, &cursor, &member, out);
        if (status != FUT_OK)
            return status;
        if (member.len == length && memcmp(member.data, name, length) == 0)
            return FUT_OK;
    }
}

fut_status_t fut_config_find(struct fut_bytes config, const char *key, struct fut_string *value)
{
    const char *p = config.data, *end = p + config.len;
    size_t length = strlen(key);
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        if (eol == nullptr)
            eol = end;
        if ((size_t)(eol - p) > length && memcmp(p, key, length) == 0 && p[length] == '=') {
            *value = (struct fut_string){p + length + 1, (size_t)(eol - p) - length - 1};
            return FUT_OK;
        }
        p = eol + 1;
    }
    return FUT_ERR_NOT_FOUND;
}
