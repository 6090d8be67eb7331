// SPDX-License-Identifier: MPL-2.0
//
// Tokens to the tree, by recursive descent. After an error the parser skips to the next ; or } and goes on,
// so that one run shows several errors. Names are resolved later (check.c).
#include "fipcc.h"
#include "futura_limits.h"
#include <stdlib.h>
#include <string.h>

#define TYPE_DEPTH 8

struct parser {
    const struct token *tokens;
    size_t at, count;
    struct library *library;
    bool failed; // in the current declaration or member
    unsigned depth; // of types in types
};

static const struct token *peek(const struct parser *p) { return &p->tokens[p->at]; }
static const struct token *next(struct parser *p)
{
    const struct token *t = &p->tokens[p->at];
    if (p->at + 1 < p->count)
        p->at++;
    return t;
}
static bool is_punct(const struct token *t, char c) { return t->kind == TOKEN_PUNCT && t->punct == c; }
static bool is_word(const struct token *t, const char *word) { return t->kind == TOKEN_NAME && strcmp(t->text, word) == 0; }
static bool accept(struct parser *p, char c)
{
    if (!is_punct(peek(p), c))
        return false;
    next(p);
    return true;
}
static bool accept_word(struct parser *p, const char *word)
{
    if (!is_word(peek(p), word))
        return false;
    next(p);
    return true;
}

static const char *describe(const struct token *t)
{
    return t->kind == TOKEN_END ? "the end of the file" : arena_printf("`%s`", t->text);
}

static void expected(struct parser *p, const char *hint, const char *what)
{
    if (!p->failed)
        error_at(peek(p)->at, hint, "expected %s, found %s", what, describe(peek(p)));
    p->failed = true;
}

static bool expect(struct parser *p, char c, const char *after)
{
    if (p->failed)
        return false;
    if (accept(p, c))
        return true;
    // A missing ; or ) is best shown where it belongs: behind the token before.
    if (p->at > 0) {
        struct span at = p->tokens[p->at - 1].at;
        at.start = at.end > at.start ? at.end - 1 : at.start;
        error_at(at, nullptr, "expected `%c` after %s, found %s", c, after, describe(peek(p)));
    } else {
        error_at(peek(p)->at, nullptr, "expected `%c` after %s, found %s", c, after, describe(peek(p)));
    }
    p->failed = true;
    return false;
}

static const char *name(struct parser *p, const char *what, struct span *at)
{
    const struct token *t = peek(p);
    if (t->kind != TOKEN_NAME) {
        expected(p, nullptr, what);
        return "?";
    }
    next(p);
    if (at != nullptr)
        *at = t->at;
    return t->text;
}

static const char *dotted(struct parser *p, const char *what, struct span *at)
{
    struct span first = peek(p)->at, part;
    const char *text = name(p, what, &first);
    while (!p->failed && accept(p, '.')) {
        text = arena_printf("%s.%s", text, name(p, "a name after `.`", &part));
        first.end = part.end;
    }
    if (at != nullptr)
        *at = first;
    return text;
}

static uint64_t number(struct parser *p, const char *what)
{
    const struct token *t = peek(p);
    if (t->kind != TOKEN_NUMBER) {
        expected(p, nullptr, what);
        return 0;
    }
    next(p);
    if (t->negative)
        error_at(t->at, nullptr, "%s cannot be negative", what);
    return t->number;
}

// Behind the next ; at this level, or in front of the } that closes it.
static void recover(struct parser *p)
{
    unsigned depth = 0;
    for (;; next(p)) {
        const struct token *t = peek(p);
        if (t->kind == TOKEN_END)
            break;
        if (is_punct(t, '{'))
            depth++;
        else if (is_punct(t, '}')) {
            if (depth == 0)
                break;
            if (--depth == 0) {
                next(p);
                break;
            }
        } else if (is_punct(t, ';') && depth == 0) {
            next(p);
            break;
        }
    }
    p->failed = false;
}

// --- Types ---------------------------------------------------------------------------------------------------------

static const struct { const char *name, *c; uint32_t bit; } rights[] = {
    {"read", "FUT_RIGHT_READ", 0x1}, {"write", "FUT_RIGHT_WRITE", 0x2}, {"exec", "FUT_RIGHT_EXEC", 0x4},
    {"map", "FUT_RIGHT_MAP", 0x8}, {"call", "FUT_RIGHT_CALL", 0x10}, {"recv", "FUT_RIGHT_RECV", 0x20},
    {"mint", "FUT_RIGHT_MINT", 0x40}, {"manage", "FUT_RIGHT_MANAGE", 0x80}, {"dup", "FUT_RIGHT_DUP", 0x100},
    {"move", "FUT_RIGHT_MOVE", 0x200}, {"dma", "FUT_RIGHT_DMA", 0x400}, {"irq", "FUT_RIGHT_IRQ", 0x800},
    {"debug", "FUT_RIGHT_DEBUG", 0x4000},
};

static void parse_rights(struct parser *p, struct type *type)
{
    const char *names[sizeof rights / sizeof *rights];
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
        names[i] = rights[i].name;
    do {
        struct span at;
        const char *word = name(p, "a right", &at);
        size_t i = 0;
        while (i < sizeof rights / sizeof *rights && strcmp(rights[i].name, word) != 0)
            i++;
        if (p->failed)
            return;
        if (i == sizeof rights / sizeof *rights) {
            const char *near = nearest_name(word, names, i);
            error_at(at, near != nullptr ? arena_printf("did you mean `%s`?", near) : "rights are read, write, exec, map, call, recv, mint, manage, dup, move, dma, irq",
                     "`%s` is not a right", word);
            continue;
        }
        if ((type->rights & rights[i].bit) != 0)
            error_at(at, nullptr, "the right `%s` is named twice", word);
        type->rights |= rights[i].bit;
        type->rights_text = type->rights_text == nullptr ? rights[i].c : arena_printf("%s | %s", type->rights_text, rights[i].c);
    } while (accept(p, '|'));
    expect(p, '>', "the rights");
}

static void parse_count(struct parser *p, struct type *type, const char *what)
{
    const struct token *t = peek(p);
    type->count_at = t->at;
    if (t->kind == TOKEN_NAME)
        type->count_name = dotted(p, what, &type->count_at);
    else
        type->count = number(p, what);
}

static struct type *parse_type(struct parser *p)
{
    struct type *type = arena_alloc(sizeof *type);
    const struct token *t = peek(p);
    type->at = t->at;
    if (t->kind != TOKEN_NAME) {
        expected(p, nullptr, "a type");
        return type;
    }
    for (int i = 0; i < BASE_COUNT; i++)
        if (is_word(t, base_info[i].name)) {
            next(p);
            type->kind = TYPE_INT;
            type->base = (enum base)i;
            return type;
        }
    if (accept_word(p, "array")) {
        type->kind = TYPE_ARRAY;
        if (++p->depth > TYPE_DEPTH) {
            error_at(t->at, nullptr, "types in types go no deeper than %d", TYPE_DEPTH);
            p->failed = true;
        }
        if (expect(p, '<', "`array`"))
            type->element = parse_type(p);
        p->depth--;
        if (expect(p, ',', "the element type"))
            parse_count(p, type, "the number of elements");
        expect(p, '>', "the number of elements");
    } else if (is_word(t, "bytes") || is_word(t, "string")) {
        type->kind = is_word(t, "bytes") ? TYPE_BYTES : TYPE_STRING;
        next(p);
        if (!p->failed && !is_punct(peek(p), ':')) {
            error_at(t->at, arena_printf("write `%s:N`, where N is the greatest length in bytes", t->text), "`%s` needs a bound", t->text);
            p->failed = true;
        }
        if (expect(p, ':', "the type"))
            parse_count(p, type, "a bound");
    } else if (accept_word(p, "vector")) {
        type->kind = TYPE_VECTOR;
        if (++p->depth > TYPE_DEPTH) {
            error_at(t->at, nullptr, "types in types go no deeper than %d", TYPE_DEPTH);
            p->failed = true;
        }
        if (expect(p, '<', "`vector`"))
            type->element = parse_type(p);
        p->depth--;
        expect(p, '>', "the element type");
        if (!p->failed && !is_punct(peek(p), ':')) {
            error_at(t->at, "write `vector<T>:N`, where N is the greatest number of elements", "`vector` needs a bound");
            p->failed = true;
        }
        if (expect(p, ':', "`vector<...>`"))
            parse_count(p, type, "a bound");
    } else if (accept_word(p, "buffer")) {
        type->kind = TYPE_BUFFER;
        if (expect(p, '<', "`buffer`"))
            parse_rights(p, type);
    } else {
        int kind = 0;
        while (kind < CAP_KIND_COUNT && !is_word(t, cap_info[kind].name))
            kind++;
        if (kind == CAP_KIND_COUNT) {
            type->kind = TYPE_NAMED;
            type->name = dotted(p, "a type", &type->at);
            return type;
        }
        next(p);
        type->kind = TYPE_CAP;
        type->cap = (enum cap_kind)kind;
        if (kind == CAP_RING) {
            type->name = dotted(p, "the ring that lies in it", &type->at);
            type->rights = 0xb;
            type->rights_text = "FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP";
        } else if (kind == CAP_CLIENT || kind == CAP_SERVER) {
            type->name = dotted(p, "the protocol that is spoken over it, or `any`", &type->at);
            if (!p->failed && accept(p, '<')) {
                type->facet = name(p, "a facet", &type->facet_at);
                expect(p, '>', "the facet");
            }
        } else if (!p->failed && accept(p, '<')) {
            parse_rights(p, type);
        }
        if (!p->failed && accept(p, '?'))
            type->optional = true;
    }
    type->at.end = p->tokens[p->at > 0 ? p->at - 1 : 0].at.end;
    return type;
}

static struct param *parse_params(struct parser *p, unsigned *count)
{
    struct param *params = nullptr;
    unsigned n = 0;
    if (!expect(p, '(', "the name")) {
        *count = 0;
        return nullptr;
    }
    while (!p->failed && !is_punct(peek(p), ')')) {
        if (n != 0 && !expect(p, ',', "the parameter"))
            break;
        if (n % 16 == 0)
            params = realloc(params, (n + 16) * sizeof *params);
        struct param *param = &params[n];
        *param = (struct param){.doc = peek(p)->doc};
        // `move` and so on are modes only in front of a name: a parameter may be called `move`.
        const struct token *after = &p->tokens[p->at + 1 < p->count ? p->at + 1 : p->at];
        if (after->kind == TOKEN_NAME && p->at + 2 < p->count && !is_punct(&p->tokens[p->at + 2], ')') &&
            !is_punct(&p->tokens[p->at + 2], ',')) {
            if (accept_word(p, "move"))
                param->mode = MODE_MOVE;
            else if (accept_word(p, "dup"))
                param->mode = MODE_DUP;
            else if (accept_word(p, "lend"))
                param->mode = MODE_LEND;
        }
        param->name = name(p, "the name of a parameter", &param->at);
        if (!p->failed)
            param->type = parse_type(p);
        n++;
    }
    expect(p, ')', "the parameters");
    *count = n;
    return params;
}

// --- Declarations ----------------------------------------------------------------------------------------------------

static enum base parse_base(struct parser *p)
{
    const struct token *t = peek(p);
    for (int i = 0; i < BASE_COUNT; i++)
        if (is_word(t, base_info[i].name)) {
            next(p);
            if (!base_info[i].is_integer)
                error_at(t->at, nullptr, "`%s` is not an integer type", t->text);
            return (enum base)i;
        }
    expected(p, nullptr, "an integer type");
    return BASE_U32;
}

static void parse_values(struct parser *p, struct decl *decl)
{
    decl->strict = decl->kind == DECL_ENUM;
    if (expect(p, ':', "the name"))
        decl->base = parse_base(p);
    if (accept_word(p, "strict"))
        decl->strict = true;
    else if (accept_word(p, "flexible"))
        decl->strict = false;
    else if (decl->kind == DECL_BITS)
        decl->strict = true;
    if (!expect(p, '{', "the type"))
        return;
    while (!is_punct(peek(p), '}') && peek(p)->kind != TOKEN_END) {
        if (decl->value_count % 16 == 0)
            decl->values = realloc(decl->values, (decl->value_count + 16) * sizeof *decl->values);
        struct value *value = &decl->values[decl->value_count];
        *value = (struct value){.doc = peek(p)->doc};
        value->name = name(p, "the name of a value", &value->at);
        expect(p, '=', "the name");
        const struct token *t = peek(p);
        if (!p->failed && t->kind != TOKEN_NUMBER)
            expected(p, nullptr, "a number");
        else if (!p->failed) {
            value->number = next(p)->number;
            value->negative = t->negative;
        }
        if (!p->failed)
            decl->value_count++;
        expect(p, ';', "the value");
        if (p->failed)
            recover(p);
    }
    expect(p, '}', "the values");
}

static void parse_struct(struct parser *p, struct decl *decl)
{
    if (!expect(p, '{', "the name"))
        return;
    while (!is_punct(peek(p), '}') && peek(p)->kind != TOKEN_END) {
        if (decl->field_count % 16 == 0)
            decl->fields = realloc(decl->fields, (decl->field_count + 16) * sizeof *decl->fields);
        struct param *field = &decl->fields[decl->field_count];
        *field = (struct param){.doc = peek(p)->doc};
        field->name = name(p, "the name of a field", &field->at);
        if (!p->failed)
            field->type = parse_type(p);
        if (!p->failed)
            decl->field_count++;
        expect(p, ';', "the field");
        if (p->failed)
            recover(p);
    }
    expect(p, '}', "the fields");
}

// ring NAME TYPE:N; or ring NAME bytes:N;
static void parse_ring(struct parser *p, struct decl *decl)
{
    struct span start = peek(p)->at;
    struct type *slots = parse_type(p);
    if (!p->failed && slots->kind == TYPE_STRING)
        error_at(start, "use bytes: a stream can be read up to the middle of a character", "a ring cannot hold a string");
    else if (!p->failed && slots->kind != TYPE_BYTES) {
        struct type *element = slots;
        slots = arena_alloc(sizeof *slots);
        *slots = (struct type){.kind = TYPE_VECTOR, .at = start, .element = element};
        if (!is_punct(peek(p), ':')) {
            error_at(decl->at, arena_printf("write `ring %s TYPE:N;`, where N is the number of slots, a power of two", decl->name), "the ring `%s` needs its number of slots", decl->name);
            p->failed = true;
        }
        if (expect(p, ':', "the type"))
            parse_count(p, slots, "the number of slots");
    }
    decl->slots = slots;
    expect(p, ';', "the ring");
}

// table NAME { 1: name TYPE; ... } and union NAME { ... }; a table with :BYTES behind the name where it may grow to more than the usual.
static void parse_table(struct parser *p, struct decl *decl)
{
    decl->bound = 256;
    decl->bound_at = decl->at;
    if (decl->kind == DECL_TABLE && accept(p, ':')) {
        decl->bound_at = peek(p)->at;
        decl->bound = number(p, "the bytes that the table may grow to");
    }
    if (!expect(p, '{', "the name"))
        return;
    while (!is_punct(peek(p), '}') && peek(p)->kind != TOKEN_END) {
        if (decl->field_count % 16 == 0)
            decl->fields = realloc(decl->fields, (decl->field_count + 16) * sizeof *decl->fields);
        struct param *field = &decl->fields[decl->field_count];
        *field = (struct param){.doc = peek(p)->doc, .number_at = peek(p)->at};
        if (peek(p)->kind == TOKEN_NAME)
            expected(p, "members are numbered: `1: name TYPE;`", "the number of a member");
        else
            field->number = number(p, "the number of a member");
        expect(p, ':', "the number");
        if (!p->failed)
            field->name = name(p, "the name of a member", &field->at);
        if (!p->failed)
            field->type = parse_type(p);
        if (!p->failed)
            decl->field_count++;
        expect(p, ';', "the member");
        if (p->failed)
            recover(p);
    }
    expect(p, '}', "the members");
}

static void parse_facet(struct parser *p, struct decl *decl, const char *doc)
{
    if (decl->facet_count % 16 == 0)
        decl->facets = realloc(decl->facets, (decl->facet_count + 16) * sizeof *decl->facets);
    struct facet *facet = &decl->facets[decl->facet_count++];
    *facet = (struct facet){.doc = doc};
    facet->name = name(p, "the name of a facet", &facet->at);
    expect(p, '=', "the name");
    do {
        bool braces = !p->failed && accept(p, '{');
        do {
            if (facet->count % 32 == 0) {
                facet->members = realloc(facet->members, (facet->count + 32) * sizeof *facet->members);
                facet->member_at = realloc(facet->member_at, (facet->count + 32) * sizeof *facet->member_at);
                facet->member_is_facet = realloc(facet->member_is_facet, (facet->count + 32) * sizeof *facet->member_is_facet);
            }
            unsigned i = facet->count;
            facet->members[i] = name(p, braces ? "a method" : "a facet or `{`", &facet->member_at[i]);
            facet->member_is_facet[i] = !braces;
            if (!p->failed)
                facet->count++;
        } while (braces && !p->failed && accept(p, ','));
        if (braces)
            expect(p, '}', "the methods");
    } while (!p->failed && accept(p, '+'));
    expect(p, ';', "the facet");
}

static void parse_annotations(struct parser *p, struct method *method)
{
    static const char *const known[] = {"idempotent", "local", "blocking", "snapshot", "deadline"};
    while (!p->failed && accept(p, '@')) {
        struct span at;
        const char *word = name(p, "an annotation", &at);
        if (strcmp(word, "idempotent") == 0)
            method->idempotent = true;
        else if (strcmp(word, "once") == 0)
            error_at(at, "make it @idempotent, for example with a number that the client chooses", "servers do not remember replies, so @once cannot be promised");
        else if (strcmp(word, "local") == 0)
            method->local = true;
        else if (strcmp(word, "blocking") == 0)
            method->blocking = true;
        else if (strcmp(word, "snapshot") == 0)
            method->snapshot = true;
        else if (strcmp(word, "deadline") == 0) {
            expect(p, '(', "`@deadline`");
            uint64_t n = p->failed ? 0 : number(p, "a time");
            struct span unit_at;
            const char *unit = p->failed ? "s" : name(p, "a unit (ns, us, ms, s)", &unit_at);
            uint64_t scale = strcmp(unit, "s") == 0 ? 1000000000 : strcmp(unit, "ms") == 0 ? 1000000 : strcmp(unit, "us") == 0 ? 1000 : strcmp(unit, "ns") == 0;
            if (!p->failed && scale == 0)
                error_at(unit_at, "units are ns, us, ms and s", "`%s` is not a unit of time", unit);
            if (!p->failed && (n == 0 || __builtin_mul_overflow(n, scale, &method->deadline_ns)))
                error_at(at, nullptr, "this deadline is out of range");
            expect(p, ')', "the deadline");
        } else if (!p->failed) {
            const char *near = nearest_name(word, known, sizeof known / sizeof *known);
            error_at(at, near != nullptr ? arena_printf("did you mean `@%s`?", near) : "annotations are @idempotent, @local, @blocking, @snapshot and @deadline(5 s)",
                     "there is no annotation `@%s`", word);
        }
    }
}

// event NUMBER NAME(what it carries);
static void parse_event(struct parser *p, struct decl *decl, const char *doc)
{
    if (decl->event_count % 16 == 0)
        decl->events = realloc(decl->events, (decl->event_count + 16) * sizeof *decl->events);
    struct method *event = &decl->events[decl->event_count];
    *event = (struct method){.doc = doc, .oneway = true};
    event->ordinal_at = peek(p)->at;
    event->ordinal = number(p, "an ordinal");
    if (!p->failed)
        event->name = name(p, "the name of an event", &event->at);
    if (!p->failed)
        event->request.params = parse_params(p, &event->request.count);
    if (!p->failed && peek(p)->kind == TOKEN_ARROW) {
        error_at(peek(p)->at, nullptr, "an event like `%s` has no results: nobody replies to it", event->name);
        p->failed = true;
    }
    expect(p, ';', "the event");
    if (!p->failed)
        decl->event_count++;
}

static struct param *made_param(const char *name, struct span at, enum mode mode, struct type type)
{
    struct param *param = arena_alloc(sizeof *param);
    struct type *copy = arena_alloc(sizeof *copy);
    *copy = type;
    copy->at = at;
    *param = (struct param){.name = name, .at = at, .mode = mode, .type = copy};
    return param;
}

// Who wants the events of a protocol calls this method, which every protocol with events has.
static void add_events_method(struct decl *decl)
{
    struct span at = decl->events[0].at;
    if (decl->method_count % 16 == 0)
        decl->methods = realloc(decl->methods, (decl->method_count + 16) * sizeof *decl->methods);
    struct method *method = &decl->methods[decl->method_count++];
    *method = (struct method){
        .name = "Events", .at = at, .ordinal = FUT_ORDINAL_EVENTS, .ordinal_at = at, .local = true, .implied = true,
        .doc = "Gives a ring of events. wake is signalled with these bits when its reader sleeps and there is one; life, if given, is a\n"
               "Session of the client's own Channel, which ends when the server no longer knows the client.",
    };
    struct param *wake = made_param("wake", at, MODE_DUP, (struct type){.kind = TYPE_CAP, .cap = CAP_EVENT}),
                 *bits = made_param("bits", at, MODE_NONE, (struct type){.kind = TYPE_INT, .base = BASE_U64}),
                 *life = made_param("life", at, MODE_MOVE, (struct type){.kind = TYPE_CAP, .cap = CAP_CLIENT, .name = "any", .optional = true});
    method->request.params = arena_alloc(3 * sizeof *wake);
    method->request.params[0] = *wake, method->request.params[1] = *bits, method->request.params[2] = *life;
    method->request.count = 3;
    method->reply.params = made_param("ring", at, MODE_DUP, (struct type){.kind = TYPE_CAP, .cap = CAP_MEM, .rights = 0xb, .rights_text = "FUT_RIGHT_READ | FUT_RIGHT_WRITE | FUT_RIGHT_MAP"});
    method->reply.count = 1;
}

static void parse_method(struct parser *p, struct decl *decl)
{
    const char *doc = peek(p)->doc;
    if (accept_word(p, "facet")) {
        parse_facet(p, decl, doc);
        return;
    }
    const struct token *second = &p->tokens[p->at + 1 < p->count ? p->at + 1 : p->at];
    if (is_word(peek(p), "event") && !is_punct(second, '(')) {
        next(p);
        parse_event(p, decl, doc);
        return;
    }
    if (is_word(peek(p), "events") && !is_punct(second, '(')) {
        struct type slots = {};
        next(p);
        parse_count(p, &slots, "the number of events that wait at most");
        if (slots.count_name != nullptr)
            error_at(slots.count_at, nullptr, "the number of events is written as a number");
        if (decl->event_slots != 0)
            error_at(slots.count_at, nullptr, "the number of events is there twice");
        decl->event_slots = slots.count;
        decl->event_slots_at = slots.count_at;
        expect(p, ';', "the number of events");
        return;
    }
    if (decl->method_count % 16 == 0)
        decl->methods = realloc(decl->methods, (decl->method_count + 16) * sizeof *decl->methods);
    struct method *method = &decl->methods[decl->method_count];
    *method = (struct method){.doc = doc};
    parse_annotations(p, method);
    if (method->doc == nullptr)
        method->doc = peek(p)->doc;
    if (accept_word(p, "oneway"))
        method->oneway = true;
    method->ordinal_at = peek(p)->at;
    if (!p->failed && peek(p)->kind == TOKEN_NAME && p->at + 1 < p->count && is_punct(&p->tokens[p->at + 1], '(')) {
        error_at(peek(p)->at, arena_printf("write its number in front: `1 %s(...)`; numbers are never used twice", peek(p)->text),
                 "the method `%s` has no ordinal", peek(p)->text);
        p->failed = true;
        return;
    }
    method->ordinal = number(p, "an ordinal, an annotation or `facet`");
    if (!p->failed)
        method->name = name(p, "the name of a method", &method->at);
    if (!p->failed)
        method->request.params = parse_params(p, &method->request.count);
    if (!p->failed && peek(p)->kind == TOKEN_ARROW) {
        struct span at = next(p)->at;
        method->reply.params = parse_params(p, &method->reply.count);
        if (method->oneway)
            error_at(at, nullptr, "a oneway method like `%s` has no results: nobody replies to it", method->name);
    }
    if (!p->failed && is_word(peek(p), "error")) {
        next(p);
        struct type *type = arena_alloc(sizeof *type);
        type->kind = TYPE_NAMED;
        type->name = dotted(p, "an error type", &type->at);
        method->error = type;
    }
    expect(p, ';', "the method");
    if (!p->failed)
        decl->method_count++;
}

static void parse_protocol(struct parser *p, struct decl *decl)
{
    if (!expect(p, '{', "the name"))
        return;
    while (!is_punct(peek(p), '}') && peek(p)->kind != TOKEN_END) {
        parse_method(p, decl);
        if (p->failed)
            recover(p);
    }
    expect(p, '}', "the methods");
    if (decl->event_count != 0)
        add_events_method(decl);
}

static void add_decl(struct library *library, struct decl *decl)
{
    if (library->decl_count % 32 == 0)
        library->decls = realloc(library->decls, (library->decl_count + 32) * sizeof *library->decls);
    library->decls[library->decl_count++] = decl;
}

static void parse_decl(struct parser *p)
{
    static const char *const words[] = {"const", "enum", "bits", "error", "struct", "table", "union", "ring", "protocol", "open", "ajar", "closed", "using", "library"};
    struct decl *decl = arena_alloc(sizeof *decl);
    const struct token *t = peek(p);
    decl->doc = t->doc;
    decl->library = p->library;
    if (accept_word(p, "open") || accept_word(p, "ajar") || accept_word(p, "closed")) {
        decl->openness = is_word(t, "open") ? OPENNESS_OPEN : is_word(t, "ajar") ? OPENNESS_AJAR : OPENNESS_CLOSED;
        decl->kind = DECL_PROTOCOL;
        if (!accept_word(p, "protocol")) {
            expected(p, nullptr, "`protocol`");
            return;
        }
    } else if (accept_word(p, "const")) {
        decl->kind = DECL_CONST;
    } else if (accept_word(p, "enum")) {
        decl->kind = DECL_ENUM;
    } else if (accept_word(p, "bits")) {
        decl->kind = DECL_BITS;
    } else if (accept_word(p, "error")) {
        decl->kind = DECL_ERROR;
    } else if (accept_word(p, "struct")) {
        decl->kind = DECL_STRUCT;
    } else if (accept_word(p, "ring")) {
        decl->kind = DECL_RING;
    } else if (accept_word(p, "table")) {
        decl->kind = DECL_TABLE;
    } else if (accept_word(p, "union")) {
        decl->kind = DECL_UNION;
    } else if (is_word(t, "protocol")) {
        error_at(t->at, "write `open protocol` (unknown methods get an error), `ajar` or `closed`", "a protocol must say what an unknown method gets");
        p->failed = true;
        return;
    } else {
        const char *near = t->kind == TOKEN_NAME ? nearest_name(t->text, words, sizeof words / sizeof *words) : nullptr;
        expected(p, near != nullptr ? arena_printf("did you mean `%s`?", near) : nullptr, "a declaration");
        return;
    }
    decl->name = name(p, "a name", &decl->at);
    if (p->failed)
        return;
    switch (decl->kind) {
    case DECL_CONST:
        decl->base = parse_base(p);
        expect(p, '=', "the type");
        decl->values = arena_alloc(sizeof *decl->values);
        decl->value_count = 1;
        t = peek(p);
        decl->values[0] = (struct value){.name = decl->name, .at = t->at, .number = t->number, .negative = t->negative};
        if (!p->failed && t->kind != TOKEN_NUMBER)
            expected(p, nullptr, "a number");
        else
            next(p);
        expect(p, ';', "the value");
        break;
    case DECL_ENUM:
    case DECL_BITS:
    case DECL_ERROR: parse_values(p, decl); break;
    case DECL_STRUCT: parse_struct(p, decl); break;
    case DECL_RING: parse_ring(p, decl); break;
    case DECL_TABLE:
    case DECL_UNION: parse_table(p, decl); break;
    case DECL_PROTOCOL: parse_protocol(p, decl); break;
    }
    if (!p->failed)
        add_decl(p->library, decl);
}

static void parse_using(struct parser *p)
{
    struct span at;
    const char *full = dotted(p, "the name of a library", &at);
    expect(p, ';', "the library");
    if (p->failed)
        return;
    const char *last = strrchr(full, '.');
    last = last != nullptr ? last + 1 : full;
    const char *slash = strrchr(p->library->source->path, '/');
    int folder = slash != nullptr ? (int)(slash - p->library->source->path) + 1 : 0;
    const char *path = arena_printf("%.*s%s.fipc", folder, p->library->source->path, last);
    struct library *used = load_library(path);
    if (used == nullptr) {
        error_at(at, arena_printf("it is looked for in %s", path), "there is no library `%s`", full);
        return;
    }
    if (strcmp(used->full, full) != 0)
        error_at(at, nullptr, "%s holds the library `%s`, not `%s`", path, used->full, full);
    struct library *library = p->library;
    library->uses = realloc(library->uses, (library->use_count + 1) * sizeof *library->uses);
    library->uses[library->use_count++] = used;
}

struct library *parse_library(const struct source *source)
{
    struct parser p = {};
    struct library *library = arena_alloc(sizeof *library);
    library->source = source;
    p.library = library;
    p.tokens = tokens_of(source, &p.count);
    library->doc = peek(&p)->doc;
    if (!accept_word(&p, "library")) {
        expected(&p, "a file begins with its name, like `library futura.example;`", "`library`");
        return nullptr;
    }
    library->full = dotted(&p, "the name of the library", &library->at);
    expect(&p, ';', "the name of the library");
    const char *last = strrchr(library->full, '.');
    library->name = last != nullptr ? last + 1 : library->full;
    if (p.failed)
        recover(&p);
    while (peek(&p)->kind != TOKEN_END) {
        size_t before = p.at;
        if (is_punct(peek(&p), '}'))
            error_at(peek(&p)->at, nullptr, "this `}` closes nothing");
        else if (accept_word(&p, "using"))
            parse_using(&p);
        else
            parse_decl(&p);
        if (p.failed)
            recover(&p);
        if (p.at == before)
            next(&p);
    }
    return library;
}
