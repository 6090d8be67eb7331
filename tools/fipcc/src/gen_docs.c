// SPDX-License-Identifier: MPL-2.0
//
// What people and tools read about a protocol: reference pages in Markdown, the cost of each method, and the
// table with which tools turn tag words into names.
#include "fipcc.h"
#include <string.h>

static void put_doc(struct out *o, const char *doc)
{
    if (doc != nullptr)
        put(o, "%s\n\n", doc);
}

static char *params_text(const struct library *library, const struct message *message)
{
    static const char *const modes[] = {"", "move ", "dup ", "lend "};
    char *text = arena_printf("(");
    for (unsigned i = 0; i < message->count; i++)
        text = arena_printf("%s%s%s%s %s", text, i == 0 ? "" : ", ", modes[message->params[i].mode], message->params[i].name, type_text(library, message->params[i].type));
    return arena_printf("%s)", text);
}

static const char *form_text(const struct message *message)
{
    if (!message->memory)
        return arena_printf("registers, %u words", message->fixed / 8);
    return message->max == message->fixed ? arena_printf("memory, %u bytes", message->fixed) : arena_printf("memory, %u to %u bytes", message->fixed, message->max);
}

static void put_type(struct out *o, const struct decl *decl)
{
    static const char *const names[] = {"constant", "enum", "bits", "error", "struct", "protocol", "ring", "table", "union"};
    put(o, "### %s `%s`\n\n", names[decl->kind], decl->name);
    put_doc(o, decl->doc);
    if (decl->kind == DECL_RING) {
        const struct type *element = decl->slots->element;
        put(o, "One producer, one consumer: %llu %s. Shared Memory of %zu bytes; the first slot lies behind two lines of 64 bytes.\n\nC: `%s_create`, `struct %s_producer`, `struct %s_consumer`.\n",
            (unsigned long long)decl->slots->count, element == nullptr ? "bytes" : arena_printf("slots of `%s` (%u bytes each)", type_text(decl->library, element), decl->size), ring_bytes(decl),
            decl->prefix, decl->prefix, decl->prefix);
    } else if (decl->kind == DECL_TABLE || decl->kind == DECL_UNION) {
        put(o, decl->kind == DECL_UNION ? "`struct %s`, up to %llu bytes: one of its members.\n\n| number | member | type | |\n|---|---|---|---|\n" : "`struct %s`; may grow to %llu bytes. Every member may be absent.\n\n| number | member | type | |\n|---|---|---|---|\n", decl->prefix, (unsigned long long)decl->bound);
        for (unsigned i = 0; i < decl->field_count; i++)
            put(o, "| %u | `%s` | `%s` | %s |\n", i + 1, decl->fields[i].name, type_text(decl->library, decl->fields[i].type), decl->fields[i].doc != nullptr ? decl->fields[i].doc : "");
    } else if (decl->kind == DECL_STRUCT) {
        put(o, "%u bytes, `struct %s`.\n\n| offset | field | type | |\n|---|---|---|---|\n", decl->size, decl->prefix);
        for (unsigned i = 0; i < decl->field_count; i++)
            put(o, "| %u | `%s` | `%s` | %s |\n", decl->fields[i].offset, decl->fields[i].name, type_text(decl->library, decl->fields[i].type),
                decl->fields[i].doc != nullptr ? decl->fields[i].doc : "");
    } else {
        put(o, "`%s`%s.\n\n| value | name | |\n|---|---|---|\n", base_info[decl->base].name,
            decl->kind == DECL_ERROR ? "" : decl->strict ? ", strict: receivers refuse other values" : ", flexible: receivers pass on what they do not know");
        for (unsigned i = 0; i < decl->value_count; i++)
            put(o, "| %s%llu | `%s` | %s |\n", decl->values[i].negative ? "-" : "", (unsigned long long)decl->values[i].number, decl->values[i].name,
                decl->values[i].doc != nullptr ? decl->values[i].doc : "");
    }
    put(o, "\n");
}

static void put_event(struct out *o, const struct decl *protocol, const struct method *event)
{
    put(o, "### %llu event `%s`\n\n```\nevent %s%s\n```\n\n", (unsigned long long)event->ordinal, event->name, event->name, params_text(protocol->library, &event->request));
    put_doc(o, event->doc);
    put(o, "- %u to %u bytes; C: `%s_send_%s`, `struct %s_handlers.%s`.\n\n", event->request.fixed, event->request.max, protocol->prefix, snake(event->name), protocol->prefix, event->c_name);
}

static void put_method(struct out *o, const struct decl *protocol, const struct method *method)
{
    const struct library *library = protocol->library;
    put(o, "### %llu `%s`\n\n```\n%s%s", (unsigned long long)method->ordinal, method->name, method->oneway ? "oneway " : "", method->name);
    put(o, "%s", params_text(library, &method->request));
    if (!method->oneway)
        put(o, " -> %s", params_text(library, &method->reply));
    if (method->error != nullptr && method->error->decl != nullptr)
        put(o, " error %s", method->error->name);
    put(o, "\n```\n\n");
    put_doc(o, method->doc);
    if (method->idempotent)
        put(o, "- *idempotent*: the client repeats it when the server was restarted.\n");
    if (method->once)
        put(o, "- *once*: the server remembers what it answered.\n");
    if (method->local)
        put(o, "- *local*: never leaves the machine.\n");
    if (method->blocking)
        put(o, "- *blocking*: may wait; a waiting call can be cancelled.\n");
    if (method->snapshot)
        put(o, "- *snapshot*: tells the state that the events change; to be called after attaching, and after a loss.\n");
    if (method->deadline_ns != 0)
        put(o, "- default deadline: %llu ns.\n", (unsigned long long)method->deadline_ns);
    const char *facets = "";
    for (unsigned i = 0; i < protocol->facet_count; i++)
        if ((method->facets & protocol->facets[i].perms) != 0)
            facets = arena_printf("%s%s`%s`", facets, *facets != 0 ? ", " : "", protocol->facets[i].name);
    if (protocol->facet_count != 0)
        put(o, "- facets: %s.\n", *facets != 0 ? facets : "none; only an unrestricted Session may call it");
    put(o, "- request: %s; reply: %s.\n- C: `%s`.\n\n", form_text(&method->request), method->oneway ? "none" : form_text(&method->reply),
        client_signature(protocol, method, "", false));
}

void gen_docs(const struct library *library, const char *path)
{
    struct out o = {fopen(path, "w")};
    if (o.file == nullptr)
        fatal("cannot write %s", path);
    put(&o, "# %s\n\n", library->full);
    put_doc(&o, library->doc);
    for (unsigned i = 0; i < library->use_count; i++)
        put(&o, "%s[%s](%s.md)%s", i == 0 ? "Uses " : ", ", library->uses[i]->full, library->uses[i]->name, i + 1 == library->use_count ? ".\n\n" : "");
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *protocol = library->decls[i];
        if (protocol->kind != DECL_PROTOCOL)
            continue;
        static const char *const unknown[] = {"open: unknown methods are answered UNKNOWN_METHOD, and may be probed for", "ajar: only unknown oneway methods may be sent",
                                              "closed: client and server know the same methods"};
        put(&o, "## protocol `%s`\n\n", protocol->name);
        put_doc(&o, protocol->doc);
        put(&o, "Identifier `0x%08x`; %s.\n\n", protocol->id, unknown[protocol->openness]);
        for (unsigned j = 0; j < protocol->facet_count; j++)
            put(&o, "- facet `%s`, permission bits `0x%04x`. %s\n", protocol->facets[j].name, protocol->facets[j].perms, protocol->facets[j].doc != nullptr ? protocol->facets[j].doc : "");
        if (protocol->facet_count != 0)
            put(&o, "\n");
        for (unsigned j = 0; j < protocol->method_count; j++)
            put_method(&o, protocol, &protocol->methods[j]);
        if (protocol->event_count != 0)
            put(&o, "Events go through a ring of %llu slots of %u bytes, one for each client that attaches.\n\n", (unsigned long long)protocol->event_slots, protocol->event_slot);
        for (unsigned j = 0; j < protocol->event_count; j++)
            put_event(&o, protocol, &protocol->events[j]);
    }
    bool heading = false;
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *decl = library->decls[i];
        if (decl->kind == DECL_PROTOCOL)
            continue;
        if (!heading)
            put(&o, "## Types and constants\n\n");
        heading = true;
        if (decl->kind == DECL_CONST)
            put(&o, "- `%s %s` = %s%llu. %s\n\n", decl->name, base_info[decl->base].name, decl->values[0].negative ? "-" : "", (unsigned long long)decl->values[0].number,
                decl->doc != nullptr ? decl->doc : "");
        else
            put_type(&o, decl);
    }
    if (fclose(o.file) != 0)
        fatal("cannot write %s", path);
}

// Words are those in registers; bytes are what is copied at most: into the sender's buffer, by the kernel, and
// aside by a server. A lent buffer is one copy of what the server asks for.
void put_cost(const struct library *library)
{
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->method_count; j++) {
            const struct method *m = &library->decls[i]->methods[j];
            for (int reply = 0; reply <= !m->oneway; reply++) {
                const struct message *message = reply ? &m->reply : &m->request;
                printf("%s.%s %s %s words=%u fixed=%u max=%u copies=%u caps=%u leases=%u\n", full_name_of(library->decls[i]), m->name, reply ? "reply" : "request",
                       message->memory ? "M" : "R", message->memory ? 1 : message->fixed / 8, message->fixed, message->max, message->memory ? (reply ? 2 : 3) : 0, message->caps, message->leases);
            }
        }
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->event_count; j++) {
            const struct method *e = &library->decls[i]->events[j];
            printf("%s.%s event ring fixed=%u max=%u copies=2 slots=%llu\n", full_name_of(library->decls[i]), e->name, e->request.fixed, e->request.max, (unsigned long long)library->decls[i]->event_slots);
        }
}

// One line a method: protocol identifier, ordinal, full name, then the parameters with their places.
void put_decode_table(const struct library *library)
{
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->method_count; j++) {
            const struct method *m = &library->decls[i]->methods[j];
            printf("0x%08x %llu %s.%s", library->decls[i]->id, (unsigned long long)m->ordinal, full_name_of(library->decls[i]), m->name);
            for (int reply = 0; reply <= !m->oneway; reply++) {
                const struct message *message = reply ? &m->reply : &m->request;
                printf(reply ? " ->" : " ");
                for (unsigned k = 0; k < message->count; k++) {
                    const struct param *p = &message->params[k];
                    if (p->type->kind == TYPE_CAP)
                        printf(" %s@cap:%s", p->name, type_text(library, p->type));
                    else
                        printf(" %s@%u:%s", p->name, p->offset, type_text(library, p->type));
                }
            }
            printf("\n");
        }
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->event_count; j++) {
            const struct method *e = &library->decls[i]->events[j];
            printf("0x%08x %llu event %s.%s", library->decls[i]->id, (unsigned long long)e->ordinal, full_name_of(library->decls[i]), e->name);
            for (unsigned k = 0; k < e->request.count; k++)
                printf(" %s@%u:%s", e->request.params[k].name, e->request.params[k].offset, type_text(library, e->request.params[k].type));
            printf("\n");
        }
}
