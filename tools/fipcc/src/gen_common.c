// SPDX-License-Identifier: MPL-2.0
//
// What all generators of C share: names, types, and the checks of fixed-layout data.
#include "fipcc.h"
#include <stdarg.h>
#include <string.h>

void put(struct out *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(o->file, format, args);
    va_end(args);
}

// ReadAt -> read_at. A capital begins a word only behind a small letter or a digit: IOError -> ioerror.
char *snake(const char *name)
{
    char *out = arena_alloc(2 * strlen(name) + 1);
    size_t n = 0;
    for (size_t i = 0; name[i] != 0; i++) {
        bool capital = name[i] >= 'A' && name[i] <= 'Z';
        bool after = i > 0 && ((name[i - 1] >= 'a' && name[i - 1] <= 'z') || (name[i - 1] >= '0' && name[i - 1] <= '9'));
        if (capital && after)
            out[n++] = '_';
        out[n++] = capital ? (char)(name[i] | 0x20) : name[i];
    }
    return out;
}

char *upper(const char *name)
{
    char *out = arena_copy(name, strlen(name));
    for (char *c = out; *c != 0; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c & ~0x20);
    return out;
}

const char *c_identifier(const char *name)
{
    static const char *const words[] = {
        "alignas", "alignof", "auto", "bool", "break", "case", "char", "const", "constexpr", "continue", "default",
        "do", "double", "else", "enum", "extern", "false", "float", "for", "goto", "if", "inline", "int", "long",
        "nullptr", "register", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert",
        "struct", "switch", "thread_local", "true", "typedef", "typeof", "typeof_unqual", "union", "unsigned",
        "void", "volatile", "while", "asm"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], name) == 0)
            return arena_printf("%s_", name);
    return name;
}

bool is_table(const struct type *type) { return type->kind == TYPE_NAMED && (type->decl->kind == DECL_TABLE || type->decl->kind == DECL_UNION); }
bool is_struct(const struct type *type) { return is_table(type) || (type->kind == TYPE_NAMED && type->decl->kind == DECL_STRUCT); }
bool is_variable(const struct type *type) { return is_view(type) || is_table(type); }
bool is_view(const struct type *type) { return type->kind == TYPE_BYTES || type->kind == TYPE_STRING || type->kind == TYPE_VECTOR; }
bool is_typed_client(const struct type *type) { return type->kind == TYPE_CAP && type->cap == CAP_CLIENT && type->decl != nullptr; }
bool is_ring(const struct type *type) { return type->kind == TYPE_CAP && type->cap == CAP_RING; }
const char *handle_member(const struct type *type) { return is_typed_client(type) || is_ring(type) ? ".h" : ""; }
const struct type *element_of(const struct type *type) { return type->kind == TYPE_VECTOR ? type->element : nullptr; }

char *c_type(const struct type *type)
{
    switch (type->kind) {
    case TYPE_INT: return arena_printf("%s", base_info[type->base].c_name);
    case TYPE_NAMED: return arena_printf(is_struct(type) ? "struct %s" : "%s_t", type->decl->prefix);
    case TYPE_CAP:
        if (is_ring(type))
            return arena_printf("%s_ring_t", type->decl->prefix);
        return is_typed_client(type) ? arena_printf("%s_t", type->decl->prefix) : arena_printf("fut_handle_t");
    default: return arena_printf("void");
    }
}

// What a vector's views are named after.
static char *element_name(const struct type *type)
{
    switch (type->kind) {
    case TYPE_INT: return arena_printf("%s", base_info[type->base].name);
    case TYPE_ARRAY: return arena_printf("%s_x%llu", element_name(type->element), (unsigned long long)type->count);
    default: return snake(type->decl->name);
    }
}

char *view_type(const struct library *library, const struct type *type)
{
    if (type->kind == TYPE_BYTES)
        return arena_printf("struct fut_bytes");
    if (type->kind == TYPE_STRING)
        return arena_printf("struct fut_string");
    return arena_printf("struct %s_%s_view", type->element->kind == TYPE_INT ? "fut" : library->name, element_name(type->element));
}

char *fill_type(const struct library *library, const struct type *type)
{
    if (type->kind != TYPE_VECTOR)
        return arena_printf("struct fut_buffer");
    return arena_printf("struct %s_%s_fill", type->element->kind == TYPE_INT ? "fut" : library->name, element_name(type->element));
}

char *method_prefix(const struct decl *protocol, const struct method *method)
{
    return arena_printf("%s_%s", protocol->prefix, snake(method->name));
}

// The fixed part as a C struct whose every byte has a name, so that `= {}` leaves nothing undefined.
void put_body_struct(struct out *o, const char *name, const struct message *message)
{
    if (message->fixed == 0)
        return;
    put(o, "struct %s {\n", name);
    unsigned at = 0, pads = 0;
    for (unsigned i = 0; i <= message->count; i++) {
        unsigned offset = 0, size = 0;
        char *line = nullptr;
        if (i == message->count) {
            if (message->optionals == 0)
                break;
            offset = message->present;
            size = 4;
            line = arena_printf("uint32_t fut_present");
        } else {
            const struct param *param = &message->params[i];
            const struct type *type = param->type;
            offset = param->offset;
            if (type->kind == TYPE_CAP)
                continue;
            if (type->kind == TYPE_BUFFER) {
                size = 8;
                line = arena_printf("uint64_t %s", param->c_name);
            } else if (is_variable(type)) {
                size = 4;
                line = arena_printf("uint32_t %s", param->c_name);
            } else {
                size = type->size;
                const struct type *element = type;
                char *dims = arena_printf("%s", "");
                for (; element->kind == TYPE_ARRAY; element = element->element)
                    dims = arena_printf("%s[%llu]", dims, (unsigned long long)element->count);
                line = arena_printf("%s %s%s", c_type(element), param->c_name, dims);
            }
        }
        if (offset != at)
            put(o, "    uint8_t fut_pad%u[%u];\n", pads++, offset - at);
        put(o, "    %s;\n", line);
        at = offset + size;
    }
    if (at != message->fixed)
        put(o, "    uint8_t fut_pad%u[%u];\n", pads, message->fixed - at);
    put(o, "};\nstatic_assert(sizeof(struct %s) == %u);\n", name, message->fixed);
}

static uint64_t word_of(const uint8_t *bytes, unsigned size, unsigned word)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8 && word * 8 + i < size; i++)
        value |= (uint64_t)bytes[word * 8 + i] << (8 * i);
    return value;
}

// Checks a fixed part that stands in an array of words.
void put_checks(struct out *o, const char *indent, const char *words, const struct plan *plan, const char *fail)
{
    unsigned count = 0;
    for (unsigned i = 0; i * 8 < plan->size; i++)
        count += word_of(plan->zero, plan->size, i) != 0;
    if (count > 16) {
        put(o, "%sstatic const uint64_t fut_zero[] = {", indent);
        for (unsigned i = 0; i * 8 < plan->size; i++)
            put(o, "%s0x%llx", i == 0 ? "" : ", ", (unsigned long long)word_of(plan->zero, plan->size, i));
        put(o, "};\n%suint64_t fut_wrong = 0;\n%sfor (unsigned fut_i = 0; fut_i < %u; fut_i++)\n%s    fut_wrong |= %s[fut_i] & fut_zero[fut_i];\n", indent,
            indent, (plan->size + 7) / 8, indent, words);
        put(o, "%sif (fut_wrong != 0)\n%s    %s;\n", indent, indent, fail);
    } else if (count != 0) {
        put(o, "%sif ((", indent);
        const char *separator = "";
        for (unsigned i = 0; i * 8 < plan->size; i++) {
            uint64_t mask = word_of(plan->zero, plan->size, i);
            if (mask == 0)
                continue;
            put(o, "%s(%s[%u] & 0x%llxu)", separator, words, i, (unsigned long long)mask);
            separator = " | ";
        }
        put(o, ") != 0)\n%s    %s;\n", indent, fail);
    }
    for (unsigned i = 0; i < plan->enum_count; i++) {
        const struct enum_check *check = &plan->enums[i];
        put(o, "%sif (!%s_valid((%s)(%s[%u] >> %u)))\n%s    %s;\n", indent, check->decl->prefix, base_info[check->decl->base].c_name, words, check->offset / 8,
            check->offset % 8 * 8, indent, fail);
    }
}

static char *make_tag(const struct decl *protocol, const struct method *method, const struct message *message, bool with_caps)
{
    const char *flags = message->memory ? (message->leases != 0 ? "FUT_TAG_MEMORY | FUT_TAG_LEASE" : "FUT_TAG_MEMORY")
                                        : message->leases != 0 ? "FUT_TAG_LEASE" : "0";
    return arena_printf("FUT_TAG(%s_PROTOCOL, %s, 0, %u, %u, %llu)", protocol->upper, flags, with_caps ? message->caps : 0,
                        message->memory ? 1 : message->fixed / 8, (unsigned long long)method->ordinal);
}

char *request_tag(const struct decl *protocol, const struct method *method, bool with_caps)
{
    return make_tag(protocol, method, &method->request, with_caps);
}

char *reply_tag(const struct decl *protocol, const struct method *method, bool with_caps)
{
    return make_tag(protocol, method, &method->reply, with_caps);
}
