// SPDX-License-Identifier: MPL-2.0
//
// The machine-readable description of a library: JSON in one canonical form (fixed order of members, two spaces,
// one member a line), so that two descriptions differ in text exactly where the protocols differ. It is what
// `fipcc json` prints and what a lock file holds.
#include "fipcc.h"
#include <string.h>

static void put_string(struct out *o, const char *text)
{
    put(o, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++)
        if (*c == '"' || *c == '\\')
            put(o, "\\%c", *c);
        else if (*c == '\n')
            put(o, "\\n");
        else if (*c < 0x20)
            put(o, "\\u%04x", *c);
        else
            put(o, "%c", *c);
    put(o, "\"");
}

static const char *qualified(const struct library *library, const struct decl *decl)
{
    return decl->library == library ? decl->name : arena_printf("%s.%s", decl->library->name, decl->name);
}

static const char *rights_names(uint32_t rights)
{
    static const struct { const char *name; uint32_t bit; } names[] = {{"read", 1}, {"write", 2}, {"exec", 4}, {"map", 8}, {"call", 0x10}, {"recv", 0x20},
        {"mint", 0x40}, {"manage", 0x80}, {"dup", 0x100}, {"move", 0x200}, {"dma", 0x400}, {"irq", 0x800}, {"debug", 0x4000}};
    const char *text = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((rights & names[i].bit) != 0)
            text = arena_printf("%s%s%s", text, *text != 0 ? "|" : "", names[i].name);
    return text;
}

// A type as it is written in the language, with constants resolved.
char *type_text(const struct library *library, const struct type *type)
{
    unsigned long long count = type->count;
    switch (type->kind) {
    case TYPE_INT: return arena_printf("%s", base_info[type->base].name);
    case TYPE_NAMED: return arena_printf("%s", qualified(library, type->decl));
    case TYPE_ARRAY: return arena_printf("array<%s, %llu>", type_text(library, type->element), count);
    case TYPE_BYTES: return arena_printf("bytes:%llu", count);
    case TYPE_STRING: return arena_printf("string:%llu", count);
    case TYPE_VECTOR: return arena_printf("vector<%s>:%llu", type_text(library, type->element), count);
    case TYPE_BUFFER: return arena_printf("buffer<%s>", rights_names(type->rights));
    case TYPE_CAP: break;
    }
    const char *optional = type->optional ? "?" : "";
    if (type->cap == CAP_RING)
        return arena_printf("ring %s%s", qualified(library, type->decl), optional);
    if (type->cap == CAP_CLIENT || type->cap == CAP_SERVER)
        return arena_printf("%s %s%s%s%s%s", cap_info[type->cap].name, type->decl != nullptr ? qualified(library, type->decl) : "any",
                            type->facet != nullptr ? "<" : "", type->facet != nullptr ? type->facet : "", type->facet != nullptr ? ">" : "", optional);
    if (type->rights != 0)
        return arena_printf("%s<%s>%s", cap_info[type->cap].name, rights_names(type->rights), optional);
    return arena_printf("%s%s", cap_info[type->cap].name, optional);
}

static void put_values(struct out *o, const struct decl *decl)
{
    put(o, "\"kind\": \"%s\", \"base\": \"%s\", \"strict\": %s, \"values\": {", decl->kind == DECL_ENUM ? "enum" : decl->kind == DECL_BITS ? "bits" : "error",
        base_info[decl->base].name, decl->strict ? "true" : "false");
    for (unsigned i = 0; i < decl->value_count; i++)
        put(o, "%s\n        \"%s\": \"%s%llu\"", i == 0 ? "" : ",", decl->values[i].name, decl->values[i].negative ? "-" : "", (unsigned long long)decl->values[i].number);
    put(o, "}");
}

static void put_struct(struct out *o, const struct decl *decl)
{
    put(o, "\"kind\": \"struct\", \"bytes\": \"%u\", \"fields\": {", decl->size);
    for (unsigned i = 0; i < decl->field_count; i++)
        put(o, "%s\n        \"%s\": \"%u %s\"", i == 0 ? "" : ",", decl->fields[i].name, decl->fields[i].offset, type_text(decl->library, decl->fields[i].type));
    put(o, "}");
}

static void put_table_type(struct out *o, const struct decl *decl)
{
    put(o, "\"kind\": \"%s\", \"bound\": \"%llu\", \"members\": {", decl->kind == DECL_UNION ? "union" : "table", (unsigned long long)decl->bound);
    for (unsigned i = 0; i < decl->field_count; i++)
        put(o, "%s\n        \"%u\": {\"name\": \"%s\", \"type\": \"%u %s\"}", i == 0 ? "" : ",", i + 1, decl->fields[i].name, decl->fields[i].offset, type_text(decl->library, decl->fields[i].type));
    put(o, "}");
}

static void put_ring_type(struct out *o, const struct decl *decl)
{
    const struct type *element = decl->slots->element;
    put(o, "\"kind\": \"ring\", \"slot\": \"%s\", \"bytes\": \"%u\", \"count\": \"%llu\"", element != nullptr ? type_text(decl->library, element) : "bytes", decl->size,
        (unsigned long long)decl->slots->count);
}

static void put_message(struct out *o, const struct library *library, const char *name, const struct message *message)
{
    static const char *const modes[] = {"", "move ", "dup ", "lend "};
    put(o, "          \"%s\": {\"form\": \"%s\", \"fixed\": \"%u\", \"params\": {", name, message->memory ? "memory" : "registers", message->fixed);
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        put(o, "%s\n            \"%s\": \"%s%s\"", i == 0 ? "" : ",", param->name, modes[param->mode], type_text(library, param->type));
    }
    put(o, "}}");
}

static void put_protocol(struct out *o, const struct decl *protocol)
{
    static const char *const openness[] = {"open", "ajar", "closed"};
    put(o, "      \"id\": \"0x%08x\",\n      \"unknown\": \"%s\",\n", protocol->id, openness[protocol->openness]);
    put(o, "      \"doc\": ");
    put_string(o, protocol->doc != nullptr ? protocol->doc : "");
    put(o, ",\n      \"facets\": {");
    for (unsigned i = 0; i < protocol->facet_count; i++) {
        put(o, "%s\n        \"%s\": {\"perms\": \"0x%04x\", \"methods\": {", i == 0 ? "" : ",", protocol->facets[i].name, protocol->facets[i].perms);
        const char *separator = "";
        for (unsigned j = 0; j < protocol->method_count; j++)
            if ((protocol->methods[j].facets & protocol->facets[i].perms) != 0) {
                put(o, "%s\"%s\": \"\"", separator, protocol->methods[j].name);
                separator = ", ";
            }
        put(o, "}}");
    }
    put(o, "},\n");
    if (protocol->event_count != 0) {
        put(o, "      \"event_slots\": \"%llu\",\n      \"event_bytes\": \"%u\",\n      \"events\": {", (unsigned long long)protocol->event_slots, protocol->event_slot);
        for (unsigned i = 0; i < protocol->event_count; i++) {
            const struct method *e = &protocol->events[i];
            put(o, "%s\n        \"%llu\": {\n          \"name\": \"%s\",\n          \"doc\": ", i == 0 ? "" : ",", (unsigned long long)e->ordinal, e->name);
            put_string(o, e->doc != nullptr ? e->doc : "");
            put(o, ",\n");
            put_message(o, protocol->library, "body", &e->request);
            put(o, "\n        }");
        }
        put(o, "},\n");
    }
    put(o, "      \"methods\": {");
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct method *m = &protocol->methods[i];
        put(o, "%s\n        \"%llu\": {\n          \"name\": \"%s\",\n          \"class\": \"%s%s%s%s%s%s\",\n          \"deadline_ns\": \"%llu\",\n          \"error\": \"%s\",\n", i == 0 ? "" : ",",
            (unsigned long long)m->ordinal, m->name, m->oneway ? "oneway" : "call", m->idempotent ? " idempotent" : "", m->once ? " once" : "",
            m->local ? " local" : "", m->blocking ? " blocking" : "", m->snapshot ? " snapshot" : "", (unsigned long long)m->deadline_ns,
            m->error != nullptr && m->error->decl != nullptr ? qualified(protocol->library, m->error->decl) : "");
        put(o, "          \"doc\": ");
        put_string(o, m->doc != nullptr ? m->doc : "");
        put(o, ",\n");
        put_message(o, protocol->library, "request", &m->request);
        put(o, ",\n");
        put_message(o, protocol->library, "reply", &m->reply);
        put(o, "\n        }");
    }
    put(o, "}");
}

void put_json(struct out *o, const struct library *library)
{
    put(o, "{\n  \"fipc\": \"1\",\n  \"library\": \"%s\",\n  \"constants\": {", library->full);
    const char *separator = "";
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *decl = library->decls[i];
        if (decl->kind != DECL_CONST)
            continue;
        put(o, "%s\n    \"%s\": \"%s %s%llu\"", separator, decl->name, base_info[decl->base].name, decl->values[0].negative ? "-" : "", (unsigned long long)decl->values[0].number);
        separator = ",";
    }
    put(o, "},\n  \"types\": {");
    separator = "";
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *decl = library->decls[i];
        if (decl->kind == DECL_CONST || decl->kind == DECL_PROTOCOL)
            continue;
        put(o, "%s\n    \"%s\": {", separator, decl->name);
        if (decl->kind == DECL_STRUCT)
            put_struct(o, decl);
        else if (decl->kind == DECL_RING)
            put_ring_type(o, decl);
        else if (decl->kind == DECL_TABLE || decl->kind == DECL_UNION)
            put_table_type(o, decl);
        else
            put_values(o, decl);
        put(o, "}");
        separator = ",";
    }
    put(o, "},\n  \"protocols\": {");
    separator = "";
    for (unsigned i = 0; i < library->decl_count; i++) {
        if (library->decls[i]->kind != DECL_PROTOCOL)
            continue;
        put(o, "%s\n    \"%s\": {\n", separator, library->decls[i]->name);
        put_protocol(o, library->decls[i]);
        put(o, "\n    }");
        separator = ",";
    }
    put(o, "}");
}
