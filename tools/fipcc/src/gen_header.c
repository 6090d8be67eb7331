// SPDX-License-Identifier: MPL-2.0
//
// fipc/NAME.h: the types of a library, and the functions of its clients and servers.
#include "fipcc.h"
#include <stdlib.h>
#include <string.h>

void put_comment(struct out *o, const char *indent, const char *doc)
{
    if (doc == nullptr)
        return;
    for (const char *line = doc; line != nullptr;) {
        const char *end = strchr(line, '\n');
        int n = end != nullptr ? (int)(end - line) : (int)strlen(line);
        put(o, "%s// %.*s\n", indent, n, line);
        line = end != nullptr ? end + 1 : nullptr;
    }
}

static void put_number(struct out *o, const struct value *value, enum base base)
{
    if (value->negative && value->number == (uint64_t)1 << 63)
        put(o, "(-0x7fffffffffffffff - 1)");
    else
        put(o, "%s%llu%s", value->negative ? "-" : "", (unsigned long long)value->number,
            base == BASE_U64 ? "ull" : base == BASE_I64 ? "ll" : base == BASE_U32 && value->number > INT32_MAX ? "u" : "");
}

static void put_values(struct out *o, const struct decl *decl)
{
    put_comment(o, "", decl->doc);
    put(o, "typedef %s %s_t;\n", base_info[decl->base].c_name, decl->prefix);
    put(o, "enum %s : %s {\n", decl->prefix, base_info[decl->base].c_name);
    for (unsigned i = 0; i < decl->value_count; i++) {
        const struct value *value = &decl->values[i];
        put_comment(o, "    ", value->doc);
        put(o, "    %s_%s = ", decl->upper, upper(value->name));
        put_number(o, value, decl->base);
        put(o, ",\n");
    }
    put(o, "};\n");
    if (decl->kind == DECL_ENUM && decl->strict) {
        put(o, "static inline bool %s_valid(%s_t value)\n{\n    switch (value) {\n", decl->prefix, decl->prefix);
        for (unsigned i = 0; i < decl->value_count; i++)
            put(o, "    case %s_%s:\n", decl->upper, upper(decl->values[i].name));
        put(o, "        return true;\n    default: return false;\n    }\n}\n");
    }
    put(o, "\n");
}

static void put_struct(struct out *o, struct decl *decl)
{
    if (decl->visiting == 3)
        return;
    decl->visiting = 3;
    for (unsigned i = 0; i < decl->field_count; i++) {
        const struct type *type = decl->fields[i].type;
        while (type->kind == TYPE_ARRAY)
            type = type->element;
        if (is_struct(type) && type->decl->library == decl->library)
            put_struct(o, type->decl);
    }
    put_comment(o, "", decl->doc);
    put(o, "struct %s {\n", decl->prefix);
    for (unsigned i = 0; i < decl->field_count; i++) {
        const struct param *field = &decl->fields[i];
        const struct type *type = field->type;
        char *dims = arena_printf("%s", "");
        for (; type->kind == TYPE_ARRAY; type = type->element)
            dims = arena_printf("%s[%llu]", dims, (unsigned long long)type->count);
        put_comment(o, "    ", field->doc);
        put(o, "    %s %s%s;\n", c_type(type), field->c_name, dims);
    }
    put(o, "};\nstatic_assert(sizeof(struct %s) == %u);\n", decl->prefix, decl->size);
    for (unsigned i = 0; i < decl->field_count; i++)
        put(o, "static_assert(offsetof(struct %s, %s) == %u);\n", decl->prefix, decl->fields[i].c_name, decl->fields[i].offset);
    put(o, "\n");
}

struct names { char **name; unsigned count; };

static void put_view(struct out *o, const struct library *library, const struct type *type, struct names *seen)
{
    char *view = view_type(library, type);
    if (type->element->kind == TYPE_INT) // in <futura/fipc.h>
        return;
    for (unsigned i = 0; i < seen->count; i++)
        if (strcmp(seen->name[i], view) == 0)
            return;
    seen->name = realloc(seen->name, (seen->count + 1) * sizeof *seen->name);
    seen->name[seen->count++] = view;
    const struct type *element = type->element;
    char *dims = arena_printf("%s", "");
    for (; element->kind == TYPE_ARRAY; element = element->element)
        dims = arena_printf("%s[%llu]", dims, (unsigned long long)element->count);
    if (*dims != 0) {
        put(o, "%s { const %s (*data)%s; size_t len; };\n", view, c_type(element), dims);
        put(o, "%s { %s (*data)%s; size_t capacity, len; };\n", fill_type(library, type), c_type(element), dims);
    } else {
        put(o, "%s { const %s *data; size_t len; };\n", view, c_type(element));
        put(o, "%s { %s *data; size_t capacity, len; };\n", fill_type(library, type), c_type(element));
    }
}

// The last dimension-less type of an array, and the type as a pointer parameter.
static char *array_pointer(const struct type *type, const char *name, bool is_const)
{
    const struct type *inner = type->element;
    char *dims = arena_printf("%s", "");
    for (; inner->kind == TYPE_ARRAY; inner = inner->element)
        dims = arena_printf("%s[%llu]", dims, (unsigned long long)inner->count);
    if (*dims != 0)
        return arena_printf("%s%s (*%s)%s", is_const ? "const " : "", c_type(inner), name, dims);
    return arena_printf("%s%s *%s", is_const ? "const " : "", c_type(inner), name);
}

char *client_argument(const struct library *library, const struct param *param)
{
    const struct type *type = param->type;
    if (type->kind == TYPE_BUFFER)
        return arena_printf("struct %s %s", type->rights == 1 ? "fut_bytes" : "fut_buffer", param->c_name);
    if (is_view(type))
        return arena_printf("%s %s", view_type(library, type), param->c_name);
    if (type->kind == TYPE_ARRAY)
        return array_pointer(type, param->c_name, true);
    if (is_struct(type))
        return arena_printf("const %s *%s", c_type(type), param->c_name);
    return arena_printf("%s %s", c_type(type), param->c_name);
}

static char *client_result(const struct library *library, const struct param *param)
{
    const struct type *type = param->type;
    if (is_view(type))
        return arena_printf("%s *%s", view_type(library, type), param->c_name);
    if (type->kind == TYPE_ARRAY)
        return array_pointer(type, param->c_name, false);
    return arena_printf("%s *%s", c_type(type), param->c_name);
}

char *client_signature(const struct decl *protocol, const struct method *method, const char *suffix, bool options)
{
    char *text = arena_printf("fut_status_t %s%s(%s_t fut_self%s", method_prefix(protocol, method), suffix, protocol->prefix,
                              options ? ", struct fut_call_options *fut_options" : "");
    for (unsigned i = 0; i < method->request.count; i++)
        text = arena_printf("%s, %s", text, client_argument(protocol->library, &method->request.params[i]));
    for (unsigned i = 0; i < method->reply.count; i++)
        text = arena_printf("%s, %s", text, client_result(protocol->library, &method->reply.params[i]));
    return arena_printf("%s)", text);
}

char *handler_argument(const struct library *library, const struct param *param)
{
    const struct type *type = param->type;
    if (type->kind == TYPE_BUFFER || param->mode == MODE_LEND)
        return arena_printf("struct fut_lease_arg %s", param->c_name);
    if (is_typed_client(type))
        return arena_printf("struct fut_cap_arg %s", param->c_name);
    return client_argument(library, param);
}

static void put_result(struct out *o, const struct decl *protocol, const struct method *method)
{
    if (method->reply.count == 0)
        return;
    put(o, "struct %s_result {\n", method_prefix(protocol, method));
    for (unsigned i = 0; i < method->reply.count; i++) {
        const struct param *param = &method->reply.params[i];
        const struct type *type = param->type;
        if (is_view(type)) {
            put(o, "    %s %s;\n", fill_type(protocol->library, type), param->c_name);
            continue;
        }
        char *dims = arena_printf("%s", "");
        for (; type->kind == TYPE_ARRAY; type = type->element)
            dims = arena_printf("%s[%llu]", dims, (unsigned long long)type->count);
        put(o, "    %s %s%s;\n", c_type(type), param->c_name, dims);
    }
    put(o, "};\n");
}

static void put_protocol(struct out *o, const struct decl *protocol)
{
    put(o, "// --- %s ---\n", full_name_of(protocol));
    put_comment(o, "", protocol->doc);
    put(o, "#define %s_PROTOCOL 0x%08xu\n", protocol->upper, protocol->id);
    for (unsigned i = 0; i < protocol->facet_count; i++) {
        put_comment(o, "", protocol->facets[i].doc);
        put(o, "#define %s_FACET_%s 0x%04xu // permission bits of a Session\n", protocol->upper, upper(protocol->facets[i].name), protocol->facets[i].perms);
    }
    put(o, "\n");
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        put_comment(o, "", method->doc);
        put(o, "[[nodiscard]] %s;\n", client_signature(protocol, method, "", false));
        put(o, "[[nodiscard]] %s;\n", client_signature(protocol, method, "_opt", true));
        put_result(o, protocol, method);
    }
    put(o, "\nstruct %s_ops {\n", protocol->prefix);
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        put(o, "    fut_status_t (*%s)(struct fut_request *fut_req", method->c_name);
        for (unsigned j = 0; j < method->request.count; j++)
            put(o, ", %s", handler_argument(protocol->library, &method->request.params[j]));
        if (method->reply.count != 0)
            put(o, ", struct %s_result *fut_res", method_prefix(protocol, method));
        put(o, ");\n");
    }
    put(o, "};\nbool %s_dispatch(struct fut_request *fut_req, struct fut_msg *fut_m);\n", protocol->prefix);
    put(o, "static inline struct fut_service %s_service(const struct %s_ops *ops)\n{\n    return (struct fut_service){%s_PROTOCOL, %s_dispatch, ops};\n}\n",
        protocol->prefix, protocol->prefix, protocol->upper, protocol->prefix);
    put(o, "// Answers to deferred calls. The Reply is used up where they succeed.\n");
    for (unsigned i = 0; i < protocol->method_count; i++) {
        const struct method *method = &protocol->methods[i];
        if (method->oneway)
            continue;
        if (method->reply.count != 0)
            put(o, "fut_status_t %s_reply(fut_reply_t fut_reply, const struct %s_result *fut_res);\n", method_prefix(protocol, method), method_prefix(protocol, method));
        else
            put(o, "fut_status_t %s_reply(fut_reply_t fut_reply);\n", method_prefix(protocol, method));
    }
    put(o, "\n");
    if (protocol->event_count != 0)
        put_events_header(o, protocol);
}

void gen_header(const struct library *library, const char *path)
{
    struct out o = {fopen(path, "w")};
    if (o.file == nullptr)
        fatal("cannot write %s", path);
    put(&o, "// Generated by fipcc from %s.fipc: %s. Do not edit.\n", library->name, library->full);
    put(&o, "#pragma once\n#include <futura/events.h>\n#include <futura/fipc.h>\n#include <futura/ring.h>\n#include <futura/server.h>\n");
    for (unsigned i = 0; i < library->use_count; i++)
        put(&o, "#include <fipc/%s.h>\n", library->uses[i]->name);
    put(&o, "\n");
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *decl = library->decls[i];
        if (decl->kind != DECL_CONST)
            continue;
        put_comment(&o, "", decl->doc);
        put(&o, "#define %s_%s ", upper(library->name), upper(decl->name));
        put_number(&o, &decl->values[0], decl->base);
        put(&o, "\n");
    }
    put(&o, "\n");
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_PROTOCOL)
            put(&o, "typedef struct { fut_handle_t h; } %s_t; // a client end of %s\n", library->decls[i]->prefix, library->decls[i]->name);
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_RING)
            put(&o, "typedef struct { fut_handle_t h; } %s_ring_t; // Memory in which a ring %s lies\n", library->decls[i]->prefix, library->decls[i]->name);
    put(&o, "\n");
    for (unsigned i = 0; i < library->decl_count; i++) {
        enum decl_kind kind = library->decls[i]->kind;
        if (kind == DECL_ENUM || kind == DECL_BITS || kind == DECL_ERROR)
            put_values(&o, library->decls[i]);
    }
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_STRUCT)
            put_struct(&o, library->decls[i]);
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_TABLE)
            put_table(&o, library->decls[i]);
        else if (library->decls[i]->kind == DECL_UNION)
            put_union(&o, library->decls[i]);
    struct names seen = {};
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->method_count; j++)
            for (int reply = 0; reply < 2; reply++) {
                const struct method *method = &library->decls[i]->methods[j];
                const struct message *message = reply ? &method->reply : &method->request;
                for (unsigned k = 0; k < message->count; k++)
                    if (message->params[k].type->kind == TYPE_VECTOR)
                        put_view(&o, library, message->params[k].type, &seen);
            }
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->event_count; j++) {
            const struct message *message = &library->decls[i]->events[j].request;
            for (unsigned k = 0; k < message->count; k++)
                if (message->params[k].type->kind == TYPE_VECTOR)
                    put_view(&o, library, message->params[k].type, &seen);
        }
    put(&o, "\n");
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_RING)
            put_ring(&o, library->decls[i]);
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_PROTOCOL)
            put_protocol(&o, library->decls[i]);
    if (fclose(o.file) != 0)
        fatal("cannot write %s", path);
}
