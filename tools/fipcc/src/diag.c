// SPDX-License-Identifier: MPL-2.0
//
// Memory, sources and messages. A message shows the line it is about with a caret under the place, and says
// what to do where that is known.
#include "fipcc.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_SHOWN 20

unsigned error_count;

void *arena_alloc(size_t bytes)
{
    void *p = calloc(1, bytes != 0 ? bytes : 1);
    if (p == nullptr)
        fatal("out of memory");
    return p;
}

char *arena_copy(const char *text, size_t length)
{
    char *copy = arena_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *arena_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = nullptr;
    if (vasprintf(&text, format, args) < 0)
        fatal("out of memory");
    va_end(args);
    return text;
}

void fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fipcc: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

const struct source *source_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == nullptr)
        return nullptr;
    size_t capacity = 4096, length = 0;
    char *text = malloc(capacity);
    while (text != nullptr) {
        length += fread(text + length, 1, capacity - length - 1, file);
        if (length < capacity - 1)
            break;
        text = realloc(text, capacity *= 2);
    }
    bool failed = text == nullptr || ferror(file);
    fclose(file);
    if (failed)
        return nullptr;
    text[length] = 0;
    struct source *source = arena_alloc(sizeof *source);
    *source = (struct source){arena_copy(path, strlen(path)), text, length};
    return source;
}

unsigned line_of(struct span at)
{
    unsigned line = 1;
    for (size_t i = 0; i < at.start; i++)
        line += at.source->text[i] == '\n';
    return line;
}

static void show(struct span at, const char *kind, const char *format, va_list args)
{
    const char *text = at.source->text;
    size_t start = at.start <= at.source->length ? at.start : at.source->length;
    size_t line = start;
    while (line > 0 && text[line - 1] != '\n')
        line--;
    size_t end = line;
    while (text[end] != 0 && text[end] != '\n')
        end++;
    fprintf(stderr, "%s:%u:%zu: %s: ", at.source->path, line_of(at), start - line + 1, kind);
    vfprintf(stderr, format, args);
    fputs("\n  ", stderr);
    for (size_t i = line; i < end; i++) {
        unsigned char c = (unsigned char)text[i];
        fputc(c == '\t' ? ' ' : c < 0x20 || c == 0x7f ? '?' : c, stderr);
    }
    fputs("\n  ", stderr);
    for (size_t i = line; i < start; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80) // continuation bytes take no column
            fputc(' ', stderr);
    fputc('^', stderr);
    for (size_t i = start + 1; i < at.end && i < end; i++)
        fputc('~', stderr);
    fputc('\n', stderr);
}

void error_at(struct span at, const char *hint, const char *format, ...)
{
    if (++error_count > ERRORS_SHOWN)
        fatal("more than %d errors, giving up", ERRORS_SHOWN);
    va_list args;
    va_start(args, format);
    show(at, "error", format, args);
    va_end(args);
    if (hint != nullptr)
        fprintf(stderr, "  hint: %s\n", hint);
}

void note_at(struct span at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    show(at, "note", format, args);
    va_end(args);
}

// Levenshtein distance, of short names only.
static unsigned distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    unsigned row[64];
    if (n >= 63)
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (unsigned i = 1; a[i - 1] != 0; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *nearest_name(const char *wrong, const char *const *names, size_t n)
{
    const char *best = nullptr;
    unsigned best_distance = (unsigned)(strlen(wrong) / 3 + 1);
    for (size_t i = 0; i < n; i++) {
        unsigned d = distance(wrong, names[i]);
        if (d <= best_distance && (best == nullptr || d < distance(wrong, best)))
            best = names[i];
    }
    return best;
}
