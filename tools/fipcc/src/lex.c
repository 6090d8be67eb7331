// SPDX-License-Identifier: MPL-2.0
//
// Characters to tokens. Comments vanish, doc comments (///) hang on the token that follows them.
#include "fipcc.h"
#include <stdlib.h>
#include <string.h>

struct lexer {
    const struct source *source;
    size_t at;
    struct token *tokens;
    size_t count, capacity;
    char *doc;
};

static bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_name(char c) { return is_name_start(c) || is_digit(c); }

static struct token *add(struct lexer *l, enum token_kind kind, size_t start)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity * 2 + 256;
        l->tokens = realloc(l->tokens, l->capacity * sizeof *l->tokens);
        if (l->tokens == nullptr)
            fatal("out of memory");
    }
    struct token *t = &l->tokens[l->count++];
    *t = (struct token){.kind = kind, .at = {l->source, start, l->at}, .doc = l->doc};
    t->text = arena_copy(l->source->text + start, l->at - start);
    l->doc = nullptr;
    return t;
}

static void comment(struct lexer *l)
{
    const char *text = l->source->text;
    size_t start = l->at;
    while (text[l->at] != 0 && text[l->at] != '\n')
        l->at++;
    if (l->at - start < 3 || text[start + 2] != '/' || (l->at - start > 3 && text[start + 3] == '/'))
        return;
    start += 3;
    if (text[start] == ' ')
        start++;
    char *line = arena_copy(text + start, l->at > start ? l->at - start : 0);
    l->doc = l->doc == nullptr ? line : arena_printf("%s\n%s", l->doc, line);
}

static void number(struct lexer *l)
{
    const char *text = l->source->text;
    size_t start = l->at;
    bool negative = text[l->at] == '-';
    if (negative)
        l->at++;
    unsigned base = 10;
    if (text[l->at] == '0' && (text[l->at + 1] == 'x' || text[l->at + 1] == 'X')) {
        base = 16;
        l->at += 2;
    }
    uint64_t value = 0;
    bool overflow = false, bad = false;
    size_t digits = l->at;
    for (; is_name(text[l->at]); l->at++) {
        char c = text[l->at];
        if (c == '_')
            continue;
        unsigned digit = is_digit(c) ? (unsigned)(c - '0') : ((unsigned)c | 0x20) - 'a' + 10;
        if (digit >= base) {
            bad = true;
            continue;
        }
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) || __builtin_add_overflow(value, (uint64_t)digit, &value))
            overflow = true;
    }
    struct token *t = add(l, TOKEN_NUMBER, start);
    t->number = value;
    t->negative = negative;
    if (bad || l->at == digits)
        error_at(t->at, "numbers are decimal (4096) or hexadecimal (0x1000)", "`%s` is not a number", t->text);
    else if (overflow || (negative && value > (uint64_t)1 << 63))
        error_at(t->at, nullptr, "`%s` does not fit into 64 bits", t->text);
}

struct token *tokens_of(const struct source *source, size_t *count)
{
    struct lexer l = {.source = source};
    const char *text = source->text;
    while (l.at < source->length) {
        char c = text[l.at];
        size_t start = l.at;
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            l.at++;
        } else if (c == '/' && text[l.at + 1] == '/') {
            comment(&l);
        } else if (c == '/' && text[l.at + 1] == '*') {
            error_at((struct span){source, start, start + 2}, "comments begin with //, doc comments with ///", "this is a comment of another language");
            const char *end = strstr(text + l.at, "*/");
            l.at = end != nullptr ? (size_t)(end - text) + 2 : source->length;
        } else if (is_name_start(c)) {
            while (is_name(text[l.at]))
                l.at++;
            add(&l, TOKEN_NAME, start);
        } else if (c == '-' && text[l.at + 1] == '>') {
            l.at += 2;
            add(&l, TOKEN_ARROW, start);
        } else if (is_digit(c) || (c == '-' && is_digit(text[l.at + 1]))) {
            number(&l);
        } else {
            l.at++;
            if (c != 0 && strchr("{}()<>:;,.=?@|+", c) != nullptr) {
                add(&l, TOKEN_PUNCT, start)->punct = c;
            } else {
                while (((unsigned char)text[l.at] & 0xc0) == 0x80)
                    l.at++;
                error_at((struct span){source, start, l.at},
                         nullptr, "this character has no meaning here");
            }
        }
    }
    add(&l, TOKEN_END, l.at);
    *count = l.count;
    return l.tokens;
}
