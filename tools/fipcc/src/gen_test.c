// SPDX-License-Identifier: MPL-2.0
//
// NAME_test.c: golden messages of a library, and what a test needs to run them against the generated code
// (tests/fipc/vectors.h). Each bad message differs from a good one in one place: every bit that must be zero,
// every bound, every length, every truncation, the form, the header, each capability's type and rights.
#include "fipcc.h"
#include "futura_limits.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_NUMBER(kind) ((unsigned[]){4, 3, 8, 6, 7, 10, 11, 1, 9, 2, 3, 12, 8, 14}[kind]) // FUT_OBJ_*
#define RIGHTS_ENOUGH 0xffffffffu

struct body {
    uint8_t *data;
    unsigned length;
};

struct test {
    struct out o;
    const struct decl *protocol;
    const struct method *method;
    const struct message *message;
    bool reply;
    unsigned method_index, base, bases, vectors;
    const char *ring; // not null: vectors are slots of this ring, or of these events
    unsigned ring_index, ring_vectors;
    uint64_t ordinal;
    FILE *base_file, *vector_file, *ring_file;
};

static void set(uint8_t *at, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

// A value of a fixed-layout type: the least, or the greatest by every field.
static void fill(uint8_t *at, const struct type *type, bool greatest)
{
    switch (type->kind) {
    case TYPE_INT: set(at, type->size, greatest ? (type->base == BASE_BOOL ? 1 : ~0ull) : 0); break;
    case TYPE_ARRAY:
        for (unsigned i = 0; i < type->count; i++)
            fill(at + i * type->element->size, type->element, greatest);
        break;
    case TYPE_NAMED: {
        const struct decl *decl = type->decl;
        if (decl->kind == DECL_STRUCT) {
            for (unsigned i = 0; i < decl->field_count; i++)
                fill(at + decl->fields[i].offset, decl->fields[i].type, greatest);
        } else if (decl->kind == DECL_BITS) {
            uint64_t known = 0;
            for (unsigned i = 0; i < decl->value_count; i++)
                known |= decl->values[i].number;
            set(at, type->size, greatest ? (decl->strict ? known : ~0ull) : 0);
        } else {
            const struct value *value = &decl->values[greatest ? decl->value_count - 1 : 0];
            set(at, type->size, value->negative ? 0 - value->number : value->number);
        }
        break;
    }
    default: break;
    }
}

// variable: how many elements stand out of line, at most; optionals: whether those capabilities are there.
static struct body make_body(const struct message *message, bool greatest, uint64_t variable, bool optionals)
{
    struct body body = {arena_alloc(message->max + 16), message->fixed};
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        const struct type *type = param->type;
        if (type->kind == TYPE_CAP)
            continue;
        if (type->kind == TYPE_BUFFER) {
            set(body.data + param->offset, 8, greatest ? 1 << 20 : 0);
            continue;
        }
        if (is_table(type)) {
            const struct decl *table = type->decl;
            unsigned length = variable == 0 ? 8 : table->size;
            uint8_t *at = body.data + body.length;
            if (table->kind == DECL_UNION) {
                unsigned j = variable == 0 ? 0 : table->field_count - 1;
                fill(at + 8, table->fields[j].type, greatest);
                length = 8 + ((table->fields[j].type->size + 7) & ~7u);
                set(at, 4, j + 1);
                set(body.data + param->offset, 4, length);
                body.length += length;
                continue;
            }
            for (unsigned j = 0; variable != 0 && j < table->field_count; j++) {
                fill(at + table->fields[j].offset, table->fields[j].type, greatest);
                at[j / 8] |= (uint8_t)(1u << j % 8);
            }
            set(body.data + param->offset, 4, length);
            body.length += length;
            continue;
        }
        if (!is_view(type)) {
            fill(body.data + param->offset, type, greatest);
            continue;
        }
        uint64_t n = variable < type->count ? variable : type->count;
        set(body.data + param->offset, 4, n);
        unsigned size = type->kind == TYPE_VECTOR ? type->element->size : 1;
        for (uint64_t j = 0; j < n; j++) {
            uint8_t *at = body.data + body.length + j * size;
            if (type->kind == TYPE_VECTOR)
                fill(at, type->element, greatest);
            else
                *at = type->kind == TYPE_STRING ? (uint8_t)('a' + j % 26) : 0xaa;
        }
        body.length += (unsigned)(n * size + 7) & ~7u;
    }
    if (message->optionals != 0)
        set(body.data + message->present, 4, optionals ? (1ull << message->optionals) - 1 : 0);
    return body;
}

static unsigned add_base(struct test *t, struct body body)
{
    fprintf(t->base_file, "static const uint8_t base%u[] = \"", t->bases);
    for (unsigned i = 0; i < body.length; i++)
        fprintf(t->base_file, body.data[i] == 0 ? "\\0\"\"" : "\\x%02x\"\"", body.data[i]);
    fprintf(t->base_file, "\";\n#define BASE%u_LENGTH %uu\n", t->bases, body.length);
    return t->bases++;
}

enum verdict { GOOD, INVALID, UNKNOWN };

struct vector {
    enum verdict verdict;
    unsigned base, length, patch_at, patch_bytes;
    uint64_t patch, tag_xor;
    bool optionals;
    int caps_more;           // capabilities more (or fewer) than the message should have
    int cap_wrong;           // 1 + index of a capability that is wrong; 0: none
    uint32_t wrong_type, wrong_rights;
    bool home;               // typed client ends come home
    uint32_t sequence;       // events
};

static uint32_t required_rights(const struct type *type)
{
    if (type->cap == CAP_CLIENT) {
        uint32_t perms = 0;
        for (unsigned i = 0; type->facet != nullptr && type->decl != nullptr && i < type->decl->facet_count; i++)
            if (strcmp(type->decl->facets[i].name, type->facet) == 0)
                perms = type->decl->facets[i].perms;
        return 0x10 | perms << 16;
    }
    if (type->cap == CAP_SERVER && type->rights == 0)
        return 0x20;
    return type->rights;
}

[[gnu::format(printf, 3, 4)]] static void add(struct test *t, struct vector v, const char *format, ...)
{
    va_list args;
    const struct message *message = t->message;
    char what[256];
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    static const char *const verdicts[] = {"FUT_VERDICT_GOOD", "FUT_VERDICT_INVALID", "FUT_VERDICT_UNKNOWN"};
    if (t->ring != nullptr) {
        fprintf(t->ring_file, "    {\"%s: %s\", %u, %s, %u, %u, %u, %u, 0x%llxu, %uu, %llu},\n", t->ring, what, t->ring_index, verdicts[v.verdict], v.base, v.length, v.patch_at, v.patch_bytes,
                (unsigned long long)v.patch, v.sequence, (unsigned long long)(t->ordinal ^ v.tag_xor));
        t->ring_vectors++;
        return;
    }
    unsigned caps = 0;
    char *list = arena_printf("%s", "");
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        if (param->type->kind != TYPE_CAP || (param->type->optional && !v.optionals))
            continue;
        uint32_t type = TYPE_NUMBER(param->type->cap), rights = RIGHTS_ENOUGH;
        // FUT_CAP_IS_*: a lent one has no handle, whatever else is tried.
        unsigned kind = v.home && is_typed_client(param->type) ? 1 : param->mode == MODE_LEND && v.cap_wrong != (int)caps + 1 ? 2 : 0;
        if (v.cap_wrong == (int)caps + 1) {
            type = v.wrong_type != 0 ? v.wrong_type : type;
            rights = v.wrong_rights != 0 ? ~v.wrong_rights : rights;
        }
        list = arena_printf("%s{%u, 0x%xu, %u}, ", list, type, rights, kind);
        caps++;
    }
    for (; v.caps_more > 0; v.caps_more--, caps++)
        list = arena_printf("%s{7, ~0u, 0}, ", list);
    if (v.caps_more < 0)
        caps += (unsigned)v.caps_more;
    const char *tag = t->reply ? reply_tag(t->protocol, t->method, false) : request_tag(t->protocol, t->method, false);
    fprintf(t->vector_file, "    {\"%s.%s %s: %s\", %u, %s, %s, %u, %u, %u, %u, 0x%llxu, (%s | %uull << 20) ^ 0x%llxull, %u, {%s}},\n", t->protocol->name,
            t->method->name, t->reply ? "reply" : "request", what, t->method_index, t->reply ? "true" : "false", verdicts[v.verdict], v.base, v.length,
            v.patch_at, v.patch_bytes, (unsigned long long)v.patch, tag, caps, (unsigned long long)v.tag_xor, caps, list);
    t->vectors++;
}

static uint64_t word_at(const struct body *body, unsigned at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)body->data[at + i] << (8 * i);
    return value;
}

// Everything that is wrong with the fixed part in one bit or one value.
static void bad_fixed(struct test *t, struct vector v, const struct body *body, struct plan plan)
{
    v.verdict = INVALID;
    v.patch_bytes = 1;
    unsigned emitted = 0;
    for (unsigned i = 0; i < plan.size && emitted < 512; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            if ((plan.zero[i] >> bit & 1) != 0) {
                v.patch_at = i;
                v.patch = body->data[i] | 1u << bit;
                add(t, v, "byte %u bit %u must be zero", i, bit);
                emitted++;
            }
    for (unsigned i = 0; i < plan.enum_count; i++) {
        const struct decl *decl = plan.enums[i].decl;
        uint64_t outside = 0;
        for (bool taken = true; taken; outside += taken) {
            taken = false;
            for (unsigned j = 0; j < decl->value_count; j++)
                taken |= decl->values[j].number == outside && !decl->values[j].negative;
        }
        v.patch_at = plan.enums[i].offset;
        v.patch_bytes = base_info[decl->base].size;
        v.patch = outside;
        add(t, v, "no value of %s", decl->name);
    }
}

// A table with all its members at `at`.
static void bad_table(struct test *t, struct vector v, const struct body *body, const struct param *param, unsigned at)
{
    const struct decl *table = param->type->decl;
    v.verdict = INVALID;
    v.patch_at = param->offset;
    v.patch_bytes = 4;
    v.patch = table->bound + 8;
    add(t, v, "%s longer than it may be", param->name);
    v.patch = 0xfffffff8;
    add(t, v, "%s of length 2^32 - 8", param->name);
    v.patch = table->size - 8;
    add(t, v, "%s ends before its last member", param->name);
    v.patch = table->size - 1;
    add(t, v, "%s of a length that is no multiple of 8", param->name);
    v.patch = 0;
    add(t, v, "%s without its first word", param->name);
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct param *member = &table->fields[i];
        struct plan plan = plan_of_type(member->type);
        v.patch_at = at + i / 8;
        v.patch_bytes = 1;
        v.patch = word_at(body, at + i / 8, 1) & ~(1ull << i % 8);
        add(t, v, "%s.%s is absent and not zero", param->name, member->name);
        for (unsigned j = 0; j < plan.size; j++)
            if (plan.zero[j] != 0) {
                v.patch_at = at + member->offset + j;
                v.patch = body->data[v.patch_at] | (plan.zero[j] & -plan.zero[j]);
                add(t, v, "%s.%s: byte %u", param->name, member->name, j);
            }
        unsigned from = member->offset + member->type->size, to = i + 1 < table->field_count ? table->fields[i + 1].offset : table->size;
        for (; from < to; from++) {
            v.patch_at = at + from;
            v.patch = 0x80;
            add(t, v, "%s: byte %u between the members", param->name, from);
        }
    }
}

// A union that is its last member.
static void bad_union(struct test *t, struct vector v, const struct body *body, const struct param *param, unsigned at)
{
    const struct decl *u = param->type->decl;
    const struct param *member = &u->fields[u->field_count - 1];
    unsigned length = (unsigned)word_at(body, param->offset, 4);
    struct plan plan = plan_of_type(member->type);
    v.verdict = INVALID;
    v.patch_at = param->offset;
    v.patch_bytes = 4;
    for (v.patch = 0; v.patch < 12; v.patch += v.patch == 0 ? 7 : v.patch == 7 ? 1 : 4)
        if (v.patch != length)
            add(t, v, "%s of %llu bytes", param->name, (unsigned long long)v.patch);
    v.patch = length + 8;
    add(t, v, "%s longer than its member", param->name);
    v.patch = 0xfffffff8;
    add(t, v, "%s of length 2^32 - 8", param->name);
    v.patch_at = at;
    v.patch = 0;
    add(t, v, "%s that is nothing", param->name);
    v.patch = u->field_count + 1;
    add(t, v, "%s that is no member", param->name);
    v.patch_at = at + 4;
    v.patch = 1;
    add(t, v, "%s: behind the number", param->name);
    v.patch_bytes = 1;
    for (unsigned j = 0; j < length - 8; j++) {
        uint8_t zero = j < plan.size ? plan.zero[j] : 0xff;
        if (zero == 0)
            continue;
        v.patch_at = at + 8 + j;
        v.patch = word_at(body, v.patch_at, 1) | (uint8_t)(zero & -zero);
        add(t, v, "%s: byte %u of the member", param->name, j);
    }
}

static void bad_variable(struct test *t, struct vector v, const struct body *body)
{
    const struct message *message = t->message;
    unsigned at = message->fixed;
    v.verdict = INVALID;
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        const struct type *type = param->type;
        if (is_table(type)) {
            if (type->decl->kind == DECL_UNION)
                bad_union(t, v, body, param, at);
            else
                bad_table(t, v, body, param, at);
            at += (unsigned)word_at(body, param->offset, 4);
            continue;
        }
        if (!is_view(type))
            continue;
        unsigned size = type->kind == TYPE_VECTOR ? type->element->size : 1;
        uint64_t n = word_at(body, param->offset, 4);
        v.patch_at = param->offset;
        v.patch_bytes = 4;
        v.patch = type->count + 1;
        add(t, v, "%s longer than its bound", param->name);
        v.patch = 0xffffffff;
        add(t, v, "%s of length 2^32 - 1", param->name);
        v.patch = n + 1 + 7 / size;
        if (v.patch <= type->count)
            add(t, v, "%s reaches behind the body", param->name);
        if (n * size > 8) {
            v.patch = (n * size - 8) / size;
            add(t, v, "%s leaves something behind", param->name);
        }
        for (unsigned pad = (unsigned)(n * size); (pad & 7) != 0; pad++) {
            v.patch_at = at + pad;
            v.patch_bytes = 1;
            v.patch = 1;
            add(t, v, "%s has padding that is not zero", param->name);
        }
        if (type->kind == TYPE_STRING && n != 0) {
            static const uint8_t wrong[] = {0x80, 0xc0, 0xc1, 0xf5, 0xff, 0xe0, 0xed};
            for (unsigned j = 0; j < sizeof wrong; j++) {
                v.patch_at = at;
                v.patch_bytes = 1;
                v.patch = wrong[j];
                add(t, v, "%s is not UTF-8 (%02x)", param->name, wrong[j]);
            }
        }
        if (type->kind == TYPE_VECTOR && n != 0) {
            struct plan plan = plan_of_type(type->element);
            for (unsigned j = 0; j < plan.size; j++)
                if (plan.zero[j] != 0) {
                    v.patch_at = at + j;
                    v.patch_bytes = 1;
                    v.patch = body->data[at + j] | (plan.zero[j] & -plan.zero[j]);
                    add(t, v, "%s: byte %u of an element", param->name, j);
                }
        }
        at += (unsigned)(n * size + 7) & ~7u;
    }
}

static void bad_caps(struct test *t, struct vector v)
{
    const struct message *message = t->message;
    v.verdict = INVALID;
    v.optionals = true;
    unsigned index = 0;
    for (unsigned i = 0; i < message->count; i++) {
        const struct type *type = message->params[i].type;
        if (type->kind != TYPE_CAP)
            continue;
        v.cap_wrong = (int)++index;
        v.wrong_rights = 0;
        v.wrong_type = type->cap == CAP_EVENT ? 8 : 6;
        add(t, v, message->params[i].mode == MODE_LEND ? "%s is not lent" : "%s is of another type", message->params[i].name);
        v.wrong_type = 0;
        if (message->params[i].mode == MODE_LEND)
            continue;
        uint32_t needed = required_rights(type);
        for (unsigned bit = 0; bit < 32; bit++)
            if ((needed >> bit & 1) != 0) {
                v.wrong_rights = 1u << bit;
                add(t, v, "%s lacks right %u", message->params[i].name, bit);
            }
    }
}

static void put_message(struct test *t, const struct message *message, bool reply)
{
    t->message = message;
    t->reply = reply;
    struct body least = make_body(message, false, 0, false), some = make_body(message, true, 3, true), most = make_body(message, true, UINT32_MAX, true);
    unsigned base_least = add_base(t, least), base_some = add_base(t, some), base_most = add_base(t, most);
    struct vector v = {.verdict = GOOD, .base = base_least, .length = least.length};
    add(t, v, "the least");
    v = (struct vector){.verdict = GOOD, .base = base_most, .length = most.length, .optionals = true};
    add(t, v, "the greatest");
    v = (struct vector){.verdict = GOOD, .base = base_some, .length = some.length, .optionals = true};
    add(t, v, "short parts");
    if (!reply && message->caps != 0) {
        v.home = true;
        add(t, v, "client ends that come home");
        v.home = false;
    }
    bad_fixed(t, v, &some, plan_of_message(message));
    bad_variable(t, v, &some);
    bad_caps(t, v);
    v.verdict = INVALID;
    v.patch_bytes = 0;
    if (message->memory) {
        for (unsigned length = 0; length < some.length; length += length % 8 == 0 && length + 8 < some.length ? 8 : 1) {
            v.length = length;
            add(t, v, "cut to %u bytes", length);
        }
        v.length = some.length + 8;
        add(t, v, "8 bytes too long");
        v.length = some.length;
    }
    v.tag_xor = 1ull << 28;
    if (!message->memory)
        v.length = 0;
    if (message->caps <= FUT_IPC_REG_CAPS)
        add(t, v, "the other form");
    v.length = some.length;
    v.tag_xor = 1ull << 16;
    add(t, v, "another number of words");
    v.tag_xor = 1ull << 24;
    add(t, v, "something that must be understood");
    v.tag_xor = 0;
    v.caps_more = 1;
    if (message->caps < (message->memory ? 15 : 4))
        add(t, v, "one capability too many");
    v.caps_more = -1;
    if (message->caps != 0)
        add(t, v, "one capability too few");
    v.caps_more = 0;
    if (message->optionals != 0) {
        v.optionals = false;
        add(t, v, "optional capabilities that are not there");
    }
    v.optionals = true;
    if (!reply) {
        v.verdict = UNKNOWN;
        v.tag_xor = 0x8000;
        add(t, v, "an unknown method");
    }
}

// A slot of a ring of records.
static void put_records(struct test *t, const struct decl *ring)
{
    const struct type *element = ring->slots->element;
    t->ring = ring->name;
    t->ordinal = 0;
    struct body least = {arena_alloc(ring->size), ring->size}, most = {arena_alloc(ring->size), ring->size};
    fill(least.data, element, false);
    fill(most.data, element, true);
    struct vector v = {.verdict = GOOD, .base = add_base(t, least), .length = ring->size};
    add(t, v, "the least");
    v.base = add_base(t, most);
    add(t, v, "the greatest");
    bad_fixed(t, v, &most, plan_of_type(element));
    t->ring = nullptr;
    t->ring_index++;
}

static void put_event(struct test *t, const struct decl *protocol, const struct method *event)
{
    const struct message *message = &event->request;
    t->ring = arena_printf("%s event %s", protocol->name, event->name);
    t->ordinal = event->ordinal;
    t->message = message;
    struct body least = make_body(message, false, 0, false), some = make_body(message, true, 3, false), most = make_body(message, true, UINT32_MAX, false);
    struct vector v = {.verdict = GOOD, .base = add_base(t, least), .length = least.length};
    add(t, v, "the least");
    v.base = add_base(t, most);
    v.length = most.length;
    add(t, v, "the greatest");
    v.sequence = INT32_MAX;
    add(t, v, "after a loss");
    v.sequence = 0x80000000;
    v.verdict = INVALID;
    add(t, v, "a number that was there before");
    v.sequence = 0;
    v.base = add_base(t, some);
    v.length = some.length;
    bad_fixed(t, v, &some, plan_of_message(message));
    bad_variable(t, v, &some);
    for (unsigned length = 0; length < some.length; length += length % 8 == 0 && length + 8 < some.length ? 8 : 1) {
        v.length = length;
        add(t, v, "cut to %u bytes", length);
    }
    v.length = some.length + 8;
    add(t, v, "8 bytes too long");
    v.length = 0xffff;
    add(t, v, "longer than its slot");
    v.length = some.length;
    v.tag_xor = 0x4000;
    v.verdict = protocol->openness == OPENNESS_CLOSED ? INVALID : UNKNOWN;
    add(t, v, "an unknown event");
    t->ring = nullptr;
}

static char *put_takes(struct out *o, const struct library *library)
{
    char *list = arena_printf("%s", "");
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *decl = library->decls[i];
        if (decl->kind == DECL_RING && decl->slots->element != nullptr) {
            const char *name = decl->prefix;
            put(o, "static fut_status_t take_%s(void *memory)\n{\n    struct %s_consumer end;\n    %s record;\n", name, name, c_type(decl->slots->element));
            put(o, "    %s_consumer_attach(&end, memory, FUT_HANDLE_NONE, 0);\n    return %s_pop(&end, &record);\n}\n", name, name);
            list = arena_printf("%s    {\"%s\", false, %s_COUNT, %u, take_%s},\n", list, decl->name, decl->upper, decl->size, name);
        }
    }
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *decl = library->decls[i];
        if (decl->event_count == 0)
            continue;
        const char *name = decl->prefix;
        put(o, "static fut_status_t take_%s(void *memory)\n{\n    static struct %s_listener listener;\n    struct %s_event event;\n    listener.events = (struct fut_listener){};\n", name, name, name);
        put(o, "    fut_ring_attach(&listener.events.ring, false, memory, %s_EVENTS_COUNT, %s_EVENTS_SLOT, FUT_HANDLE_NONE, 0);\n    return %s_events_next(&listener, &event);\n}\n", decl->upper, decl->upper, name);
        list = arena_printf("%s    {\"events of %s\", true, %s_EVENTS_COUNT, %s_EVENTS_SLOT, take_%s},\n", list, decl->name, decl->upper, decl->upper, name);
    }
    return list;
}

static void put_handler(struct out *o, const struct decl *protocol, const struct method *method)
{
    put(o, "static fut_status_t on_%s(struct fut_request *fut_req", method_prefix(protocol, method));
    for (unsigned j = 0; j < method->request.count; j++)
        put(o, ", %s", handler_argument(protocol->library, &method->request.params[j]));
    if (method->reply.count != 0)
        put(o, ", struct %s_result *fut_res", method_prefix(protocol, method));
    put(o, ")\n{\n    fut_test_handled++;\n    (void)fut_req;\n");
    for (unsigned j = 0; j < method->request.count; j++) {
        const struct param *param = &method->request.params[j];
        if (param->type->kind == TYPE_CAP && param->mode != MODE_LEND)
            put(o, *handle_member(param->type) != 0 ? "    if (%s.h != 0)\n        fut_cap_delete(%s.h);\n" : "    if (%s != 0)\n        fut_cap_delete(%s);\n", param->c_name, param->c_name);
        else
            put(o, "    (void)%s;\n", param->c_name);
    }
    if (method->reply.count != 0)
        put(o, "    (void)fut_res;\n");
    put(o, "    return FUT_ERR_UNSUPPORTED;\n}\n");
}

static void put_call(struct out *o, const struct decl *protocol, const struct method *method)
{
    put(o, "static fut_status_t call_%s(fut_handle_t session)\n{\n", method_prefix(protocol, method));
    char *list = arena_printf("(%s_t){session}", protocol->prefix);
    for (unsigned j = 0; j < method->request.count; j++) {
        const struct param *param = &method->request.params[j];
        const struct type *type = param->type;
        if (type->kind == TYPE_ARRAY || is_struct(type)) {
            // A union is at least something.
            put(o, "    static uint64_t in%u[%u]%s;\n", j, type->size / 8 + 1, is_table(type) && type->decl->kind == DECL_UNION ? " = {1}" : "");
            list = arena_printf("%s, (const void *)in%u", list, j);
        } else if (type->kind == TYPE_CAP) {
            list = arena_printf(type->optional ? "%s, %s{}" : "%s, %s{session}", list,
                                *handle_member(type) != 0 ? arena_printf("(%s)", c_type(type)) : "(fut_handle_t)");
        } else if (type->kind == TYPE_BUFFER) {
            list = arena_printf("%s, (struct %s){}", list, type->rights == 1 ? "fut_bytes" : "fut_buffer");
        } else if (is_view(type)) {
            list = arena_printf("%s, (%s){}", list, view_type(protocol->library, type));
        } else {
            list = arena_printf("%s, 0", list);
        }
    }
    for (unsigned j = 0; j < method->reply.count; j++) {
        const struct param *param = &method->reply.params[j];
        const struct type *type = param->type;
        if (is_view(type))
            put(o, "    %s out%u;\n", view_type(protocol->library, type), j);
        else
            put(o, "    static uint64_t out%u[%u];\n", j, (type->kind == TYPE_CAP ? 4 : type->size) / 8 + 1);
        // Capabilities that nobody takes are deleted by the stub, which is what the test counts.
        list = type->kind == TYPE_CAP ? arena_printf("%s, nullptr", list) : arena_printf("%s, (void *)&out%u", list, j);
        if (type->kind == TYPE_CAP)
            put(o, "    (void)out%u;\n", j);
    }
    put(o, "    return %s(%s);\n}\n", method_prefix(protocol, method), list);
}

static void copy_file(FILE *from, FILE *to)
{
    char buffer[4096];
    size_t n;
    rewind(from);
    while ((n = fread(buffer, 1, sizeof buffer, from)) != 0)
        fwrite(buffer, 1, n, to);
    fclose(from);
}

void gen_test(const struct library *library, const char *path)
{
    struct test t = {.o = {fopen(path, "w")}, .base_file = tmpfile(), .vector_file = tmpfile(), .ring_file = tmpfile()};
    if (t.o.file == nullptr || t.base_file == nullptr || t.vector_file == nullptr || t.ring_file == nullptr)
        fatal("cannot write %s", path);
    struct out *o = &t.o;
    put(o, "// Generated by fipcc from %s.fipc: golden messages and fuzzing. Do not edit.\n#include <fipc/%s.h>\n#include <vectors.h>\n\nuint64_t fut_test_handled;\n\n",
        library->name, library->name);
    char *methods = arena_printf("%s", "");
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *protocol = library->decls[i];
        if (protocol->kind != DECL_PROTOCOL)
            continue;
        for (unsigned j = 0; j < protocol->method_count; j++)
            put_handler(o, protocol, &protocol->methods[j]);
        put(o, "static const struct %s_ops ops_%s = {\n", protocol->prefix, protocol->prefix);
        for (unsigned j = 0; j < protocol->method_count; j++)
            put(o, "    .%s = on_%s,\n", protocol->methods[j].c_name, method_prefix(protocol, &protocol->methods[j]));
        put(o, "};\nstatic const struct fut_service service_%s = {%s_PROTOCOL, %s_dispatch, &ops_%s};\n", protocol->prefix, protocol->upper, protocol->prefix, protocol->prefix);
        for (unsigned j = 0; j < protocol->method_count; j++) {
            const struct method *method = &protocol->methods[j];
            bool oneway = method->oneway;
            put_call(o, protocol, method);
            methods = arena_printf("%s    {\"%s.%s\", &service_%s, call_%s, %s},\n", methods, protocol->name, method->name, protocol->prefix, method_prefix(protocol, method),
                                   oneway ? "true" : "false");
            t.protocol = protocol;
            t.method = method;
            put_message(&t, &method->request, false);
            if (!oneway)
                put_message(&t, &method->reply, true);
            t.method_index++;
        }
    }
    char *takes = put_takes(o, library);
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_RING && library->decls[i]->slots->element != nullptr)
            put_records(&t, library->decls[i]);
    for (unsigned i = 0; i < library->decl_count; i++) {
        for (unsigned j = 0; j < library->decls[i]->event_count; j++)
            put_event(&t, library->decls[i], &library->decls[i]->events[j]);
        t.ring_index += library->decls[i]->event_count != 0;
    }
    copy_file(t.base_file, o->file);
    put(o, "static const struct fut_base bases[] = {\n");
    for (unsigned i = 0; i < t.bases; i++)
        put(o, "    {base%u, BASE%u_LENGTH},\n", i, i);
    put(o, "    {}\n};\nstatic const struct fut_test_method methods[] = {\n%s    {}\n};\nstatic const struct fut_vector vectors[] = {\n", methods);
    copy_file(t.vector_file, o->file);
    put(o, "    {}\n};\nstatic const struct fut_test_ring rings[] = {\n%s    {}\n};\nstatic const struct fut_slot_vector slots[] = {\n", takes);
    copy_file(t.ring_file, o->file);
    put(o, "    {}\n};\nconst struct fut_test_library fut_test_library = {\"%s\", methods, %u, bases, vectors, %u, rings, %u, slots, %u};\n", library->full, t.method_index, t.vectors, t.ring_index,
        t.ring_vectors);
    if (fclose(o->file) != 0)
        fatal("cannot write %s", path);
}
