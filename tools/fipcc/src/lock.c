// SPDX-License-Identifier: MPL-2.0
//
// Lock files: what a library promised when it was last locked, in the JSON of gen_json.c, and the comparison with
// what it says now. Four kinds of break are told apart: on the wire (a program built before cannot talk to one
// built now), in the source (callers or servers no longer compile), in meaning (it compiles and talks, but a
// promise is gone) and in security (someone can do more than before). Additions that hurt nobody pass.
#include "fipcc.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct json { // an object, or a string (member == null)
    const char *key, *text;
    struct json *member;
    unsigned count;
};

struct reader { const char *at, *path; unsigned depth; };

[[noreturn]] static void broken(struct reader *r) { fatal("%s is damaged; restore it from version control, or make it anew with `fipcc lock`", r->path); }
static void space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')
        r->at++;
}
static void want(struct reader *r, char c)
{
    space(r);
    if (*r->at != c)
        broken(r);
    r->at++;
}

static char *read_string(struct reader *r)
{
    want(r, '"');
    char *out = arena_alloc(strlen(r->at) < 65536 ? strlen(r->at) + 1 : 65536), *to = out;
    for (; *r->at != '"'; r->at++) {
        if (*r->at == 0 || to - out > 65000)
            broken(r);
        if (*r->at == '\\') {
            r->at++;
            if (*r->at == 0)
                broken(r);
            *to++ = *r->at == 'n' ? '\n' : *r->at;
        } else {
            *to++ = *r->at;
        }
    }
    r->at++;
    return arena_copy(out, (size_t)(to - out));
}

static struct json read_value(struct reader *r, const char *key)
{
    struct json value = {.key = key};
    space(r);
    if (*r->at == '"') {
        value.text = read_string(r);
        return value;
    }
    if (*r->at == 't' || *r->at == 'f') {
        value.text = *r->at == 't' ? "true" : "false";
        r->at += strncmp(r->at, "true", 4) == 0 ? 4 : strncmp(r->at, "false", 5) == 0 ? 5 : 0;
        return value;
    }
    want(r, '{');
    if (++r->depth > 16)
        broken(r);
    value.text = "";
    value.member = arena_alloc(1);
    for (space(r); *r->at != '}'; space(r)) {
        if (value.count != 0)
            want(r, ',');
        char *name = read_string(r);
        want(r, ':');
        struct json *grown = arena_alloc((value.count + 1) * sizeof *grown);
        memcpy(grown, value.member, value.count * sizeof *grown);
        grown[value.count] = read_value(r, name);
        value.member = grown;
        value.count++;
    }
    r->at++;
    r->depth--;
    return value;
}

static const struct json *get(const struct json *object, const char *key)
{
    static const struct json none = {.key = "", .text = ""};
    for (unsigned i = 0; object != nullptr && i < object->count; i++)
        if (strcmp(object->member[i].key, key) == 0)
            return &object->member[i];
    return &none;
}
static bool has(const struct json *object, const char *key) { return get(object, key)->key[0] != 0; }
static const char *text(const struct json *object, const char *key) { return get(object, key)->text; }
static bool same(const struct json *a, const struct json *b, const char *key) { return strcmp(text(a, key), text(b, key)) == 0; }

static unsigned breaks;
static bool quiet;

[[gnu::format(printf, 3, 4)]] static void report(const char *kind, const char *why, const char *format, ...)
{
    va_list args;
    breaks++;
    if (quiet)
        return;
    va_start(args, format);
    printf("breaks %s: ", kind);
    vprintf(format, args);
    va_end(args);
    printf("\n    %s\n", why);
}

static bool word_in(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != nullptr; at += n)
        if ((at == list || strchr(" <|", at[-1]) != nullptr) && (at[n] == 0 || strchr(" >|?", at[n]) != nullptr))
            return true;
    return false;
}

static void compare_class(const char *where, const char *old, const char *new)
{
    static const struct { const char *word; bool gone_breaks, new_breaks; const char *gone, *added; } words[] = {
        {"idempotent", true, false, "callers repeat it after a restart, and it would be done twice", ""},
        {"once", true, false, "callers rely on the server to remember what it answered", ""},
        {"local", false, true, "", "programs on other hosts call it, and could no longer"},
        {"blocking", false, true, "", "callers that must not wait call it"},
        {"oneway", true, true, "its callers do not wait for a reply", "its callers wait for a reply"},
        {"snapshot", true, false, "clients rely on it to tell what they have missed", ""},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool before = word_in(old, words[i].word), now = word_in(new, words[i].word);
        if (before && !now && words[i].gone_breaks)
            report(i != 4 ? "meaning" : "wire", words[i].gone, "%s is no longer %s%s", where, i != 4 ? "@" : "", words[i].word);
        if (!before && now && words[i].new_breaks)
            report(i != 4 ? "meaning" : "wire", words[i].added, "%s is now %s%s", where, i != 4 ? "@" : "", words[i].word);
    }
}

// The rights between < and > of a capability type.
static bool gains_right(const char *old, const char *new, char *which, size_t size)
{
    static const char *const all[] = {"read", "write", "exec", "map", "call", "recv", "mint", "manage", "dup", "move", "dma", "irq", "debug"};
    const char *angle = strchr(new, '<');
    if (angle == nullptr) {
        snprintf(which, size, "every right");
        return strchr(old, '<') != nullptr;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all && strchr(old, '<') != nullptr; i++)
        if (word_in(angle, all[i]) && !word_in(strchr(old, '<'), all[i])) {
            snprintf(which, size, "%s", all[i]);
            return true;
        }
    return false;
}

enum direction { REQUEST, REPLY, EVENT };
static void compare_message(const char *where, const struct json *old, const struct json *new, enum direction direction)
{
    const struct json *was = get(old, "params"), *is = get(new, "params");
    const bool reply = direction == REPLY;
    const char *what = reply ? "reply" : direction == EVENT ? "body" : "request";
    if (was->count != is->count) {
        report("wire", "both sides check the whole message; make a new method with a new ordinal instead", "the %s of %s has %u parameters, and had %u", what, where, is->count, was->count);
        return;
    }
    for (unsigned i = 0; i < was->count; i++) {
        const struct json *a = &was->member[i], *b = &is->member[i];
        if (strcmp(a->text, b->text) != 0) {
            char which[32];
            size_t head = strcspn(a->text, "<:");
            bool same_head = head == strcspn(b->text, "<:") && strncmp(a->text, b->text, head) == 0;
            bool cap = a->text[0] != 0 && (strncmp(a->text, "move ", 5) == 0 || strncmp(a->text, "dup ", 4) == 0) && strncmp(b->text, "lend ", 5) != 0;
            if (reply && cap && gains_right(a->text, b->text, which, sizeof which))
                report("security", "whoever may call it gets more than before", "%s in the reply of %s grants %s: `%s` was `%s`", b->key, where, which, b->text, a->text);
            else
                report("wire", a->text[head] == ':' && same_head ? "one side would send what the other one refuses" : "both sides check the whole message; make a new method with a new ordinal instead",
                       "%s in the %s of %s is `%s`, and was `%s`", b->key, what, where, b->text, a->text);
        } else if (strcmp(a->key, b->key) != 0) {
            if (reply)
                report("source", "servers fill it in by its name", "the result %s of %s was called %s", b->key, where, a->key);
        }
    }
    if (!same(old, new, "form") || !same(old, new, "fixed"))
        report("wire", "the layout follows from types elsewhere that have changed", "the %s of %s lies differently in the message", what, where);
}

static void compare_protocol(const char *name, const struct json *old, const struct json *new)
{
    if (!same(old, new, "id"))
        report("wire", "the identifier is in every message", "the protocol %s has another identifier", name);
    if (strcmp(text(old, "unknown"), text(new, "unknown")) != 0 && strcmp(text(new, "unknown"), "open") != 0)
        report("meaning", "newer clients probe for methods, and count on an answer", "the protocol %s is %s, and was %s", name, text(new, "unknown"), text(old, "unknown"));
    const struct json *was = get(old, "methods"), *is = get(new, "methods");
    for (unsigned i = 0; i < was->count; i++) {
        const struct json *a = &was->member[i], *b = get(is, a->key);
        const char *where = arena_printf("%s.%s", name, text(a, "name"));
        if (!has(is, a->key)) {
            const char *moved = nullptr;
            for (unsigned j = 0; j < is->count; j++)
                if (same(a, &is->member[j], "name"))
                    moved = is->member[j].key;
            if (moved != nullptr)
                report("wire", "the ordinal is what is in the message; a method keeps its own for ever", "%s has the ordinal %s, and had %s", where, moved, a->key);
            else
                report("wire", "who calls it gets UNKNOWN_METHOD; keep it, and let it answer an error", "%s (ordinal %s) is gone", where, a->key);
            continue;
        }
        if (!same(a, b, "name"))
            report("source", "callers and servers name it", "%s is now called %s", where, text(b, "name"));
        compare_class(where, text(a, "class"), text(b, "class"));
        if (!same(a, b, "deadline_ns"))
            report("meaning", "callers rely on how long it takes at most", "%s has another default deadline", where);
        if (!same(a, b, "error"))
            report("source", "callers compare with the values of the old type", "%s fails with `%s`, and failed with `%s`", where, text(b, "error"), text(a, "error"));
        compare_message(where, get(a, "request"), get(b, "request"), REQUEST);
        compare_message(where, get(a, "reply"), get(b, "reply"), REPLY);
    }
    const struct json *told = get(old, "events"), *tells = get(new, "events");
    for (unsigned i = 0; i < told->count; i++) {
        const struct json *a = &told->member[i], *b = get(tells, a->key);
        const char *where = arena_printf("%s.%s", name, text(a, "name"));
        if (!has(tells, a->key)) {
            report("meaning", "clients wait for it", "the event %s (ordinal %s) is gone", where, a->key);
            continue;
        }
        if (!same(a, b, "name"))
            report("source", "servers send it and clients handle it by its name", "the event %s is now called %s", where, text(b, "name"));
        compare_message(where, get(a, "body"), get(b, "body"), EVENT);
    }
    for (unsigned i = 0; i < tells->count && told->count != 0; i++)
        if (!has(told, tells->member[i].key) && strcmp(text(new, "unknown"), "closed") == 0)
            report("wire", "clients of a closed protocol refuse what they do not know; let a new protocol tell it", "the protocol %s has a new event %s", name, text(&tells->member[i], "name"));
    if (told->count != 0 && tells->count != 0 && (!same(old, new, "event_slots") || !same(old, new, "event_bytes")))
        report("wire", "both sides compute with the size of the ring", "the events of %s have %s slots of %s bytes, and had %s of %s", name, text(new, "event_slots"), text(new, "event_bytes"),
               text(old, "event_slots"), text(old, "event_bytes"));
    const struct json *facets = get(new, "facets");
    for (unsigned i = 0; i < get(old, "facets")->count; i++) {
        const struct json *a = &get(old, "facets")->member[i], *b = get(facets, a->key);
        if (!has(facets, a->key)) {
            report("source", "types like client P<facet> name it", "the facet %s of %s is gone", a->key, name);
            continue;
        }
        if (!same(a, b, "perms"))
            report("wire", "Sessions carry these bits; add facets at the end", "the facet %s of %s has other permission bits", a->key, name);
        const struct json *x = get(a, "methods"), *y = get(b, "methods");
        for (unsigned j = 0; j < y->count; j++)
            if (!has(x, y->member[j].key))
                report("security", "every Session that was handed out with this facet can call it", "the facet %s of %s lets %s through", a->key, name, y->member[j].key);
        for (unsigned j = 0; j < x->count; j++)
            if (!has(y, x->member[j].key))
                report("meaning", "holders of this facet call it", "the facet %s of %s no longer lets %s through", a->key, name, x->member[j].key);
    }
}

static void compare_type(const char *name, const struct json *old, const struct json *new)
{
    if (!same(old, new, "kind") || !same(old, new, "base")) {
        report("wire", "its values have another size or meaning", "the type %s is another kind of type", name);
        return;
    }
    if (strcmp(text(old, "kind"), "struct") == 0) {
        const struct json *was = get(old, "fields"), *is = get(new, "fields");
        bool equal = was->count == is->count && same(old, new, "bytes");
        for (unsigned i = 0; equal && i < was->count; i++)
            equal = strcmp(was->member[i].text, is->member[i].text) == 0;
        if (!equal)
            report("wire", "the layout of a struct is frozen; make a new struct, and a new method for it", "the struct %s has another layout", name);
        else
            for (unsigned i = 0; i < was->count; i++)
                if (strcmp(was->member[i].key, is->member[i].key) != 0)
                    report("source", "programs name it", "the field %s of %s was called %s", is->member[i].key, name, was->member[i].key);
        return;
    }
    if (strcmp(text(old, "kind"), "table") == 0 || strcmp(text(old, "kind"), "union") == 0) {
        const struct json *was = get(old, "members"), *is = get(new, "members");
        const char *what = text(old, "kind");
        bool is_union = what[0] == 'u';
        for (unsigned i = was->count; is_union && i < is->count; i++)
            report("wire", "receivers built before refuse it; make a new union, and a new method for it", "the union %s has a new member %s", name, text(&is->member[i], "name"));
        if (!is_union && !same(old, new, "bound"))
            report("wire", "receivers built before refuse what is longer, and both count with it", "the table %s may grow to %s bytes, and could to %s", name, text(new, "bound"), text(old, "bound"));
        for (unsigned i = 0; i < was->count; i++) {
            const struct json *a = &was->member[i], *b = get(is, a->key);
            if (!has(is, a->key))
                report("wire", "members keep their places for ever; one that is no longer used stays", "the member %s of the %s %s is gone", text(a, "name"), what, name);
            else if (!same(a, b, "type"))
                report("wire", "members keep their places and types for ever; add another one", "the member %s of the %s %s lies differently", text(b, "name"), what, name);
            else if (!same(a, b, "name"))
                report("source", "programs name it", "the member %s of the %s %s was called %s", text(b, "name"), what, name, text(a, "name"));
        }
        return;
    }
    if (strcmp(text(old, "kind"), "ring") == 0) {
        if (!same(old, new, "slot") || !same(old, new, "bytes") || !same(old, new, "count"))
            report("wire", "both sides compute with the size of the ring; declare a new one, and a new method for it", "the ring %s is %s slots of `%s`, and was %s of `%s`", name, text(new, "count"),
                   text(new, "slot"), text(old, "count"), text(old, "slot"));
        return;
    }
    if (strcmp(text(old, "strict"), "false") == 0 && strcmp(text(new, "strict"), "true") == 0)
        report("wire", "values that passed before are refused now", "%s is now strict", name);
    const struct json *was = get(old, "values"), *is = get(new, "values");
    for (unsigned i = 0; i < was->count; i++)
        if (!has(is, was->member[i].key))
            report("source", "programs name it", "%s has no value %s any more", name, was->member[i].key);
        else if (strcmp(was->member[i].text, text(is, was->member[i].key)) != 0)
            report("wire", "the number is what is in the message", "%s.%s is %s, and was %s", name, was->member[i].key, text(is, was->member[i].key), was->member[i].text);
    for (unsigned i = 0; i < is->count; i++)
        if (!has(was, is->member[i].key) && strcmp(text(old, "strict"), "true") == 0 && strcmp(text(old, "kind"), "error") != 0)
            report("wire", "receivers built before refuse it; a flexible type may grow", "the strict type %s has a new value %s", name, is->member[i].key);
}

static void compare(const struct json *old, const struct json *new)
{
    if (!same(old, new, "library"))
        report("wire", "the identifiers of its protocols are made from its name", "the library is called %s, and was %s", text(new, "library"), text(old, "library"));
    for (unsigned i = 0; i < get(old, "constants")->count; i++) {
        const struct json *a = &get(old, "constants")->member[i];
        if (!has(get(new, "constants"), a->key))
            report("source", "programs name it", "the constant %s is gone", a->key);
        else if (strcmp(a->text, text(get(new, "constants"), a->key)) != 0)
            report("meaning", "programs built before have the old value in them", "the constant %s is `%s`, and was `%s`", a->key, text(get(new, "constants"), a->key), a->text);
    }
    for (unsigned i = 0; i < get(old, "types")->count; i++) {
        const struct json *a = &get(old, "types")->member[i];
        if (!has(get(new, "types"), a->key))
            report("source", "programs name it", "the type %s is gone", a->key);
        else
            compare_type(a->key, a, get(get(new, "types"), a->key));
    }
    for (unsigned i = 0; i < get(old, "protocols")->count; i++) {
        const struct json *a = &get(old, "protocols")->member[i];
        if (!has(get(new, "protocols"), a->key))
            report("wire", "its servers and clients are still there", "the protocol %s is gone", a->key);
        else
            compare_protocol(a->key, a, get(get(new, "protocols"), a->key));
    }
}

static struct json parse_json(const char *json, const char *path)
{
    struct reader r = {json, path, 0};
    return read_value(&r, "");
}

static char *describe(const struct library *library)
{
    char *json;
    size_t size;
    struct out o = {open_memstream(&json, &size)};
    put_json(&o, library);
    fclose(o.file);
    return json;
}

static const char *lock_path(const struct library *library)
{
    const char *path = library->source->path, *dot = strrchr(path, '.');
    return arena_printf("%.*s.lock", dot != nullptr ? (int)(dot - path) : (int)strlen(path), path);
}

unsigned check_lock(const struct library *library)
{
    const char *path = lock_path(library);
    const struct source *lock = source_read(path);
    if (lock == nullptr) {
        printf("%s has no lock file %s; make it with `fipcc lock %s`\n", library->full, path, library->source->path);
        return 1;
    }
    struct json old = parse_json(lock->text, path), new = parse_json(arena_printf("%s}", describe(library)), "the description");
    breaks = 0;
    compare(&old, &new);
    if (breaks != 0)
        printf("%s: %u %s against %s\n", library->full, breaks, breaks == 1 ? "break" : "breaks", path);
    return breaks;
}

// Writes the lock anew. Breaks need a reason, which is kept in it.
unsigned write_lock(const struct library *library, const char *reason)
{
    const char *path = lock_path(library);
    const struct source *lock = source_read(path);
    const char *history = "";
    if (lock != nullptr) {
        struct json old = parse_json(lock->text, path);
        const struct json *accepted = get(&old, "accepted");
        for (unsigned i = 0; i < accepted->count; i++)
            history = arena_printf("%s%s\n    \"%s\": \"%s\"", history, *history != 0 ? "," : "", accepted->member[i].key, accepted->member[i].text);
        quiet = reason != nullptr;
        unsigned n = check_lock(library);
        quiet = false;
        if (n != 0 && reason == nullptr) {
            printf("%s stays as it is. If this is meant: fipcc lock --accept \"why\" %s\n", path, library->source->path);
            return n;
        }
        if (n != 0) {
            if (strpbrk(reason, "\"\\\n") != nullptr)
                fatal("a reason is one line without quotes and backslashes");
            history = arena_printf("%s%s\n    \"%u\": \"%u %s: %s\"", history, *history != 0 ? "," : "", accepted->count + 1, n, n == 1 ? "break" : "breaks", reason);
        }
    }
    FILE *file = fopen(path, "w");
    if (file == nullptr)
        fatal("cannot write %s", path);
    fprintf(file, "%s,\n  \"accepted\": {%s}\n}\n", describe(library), history);
    if (fclose(file) != 0)
        fatal("cannot write %s", path);
    return 0;
}
