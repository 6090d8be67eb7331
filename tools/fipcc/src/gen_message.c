// SPDX-License-Identifier: MPL-2.0
//
// The code that writes a message and the code that reads one, for both sides. A message to be written is
// assembled in a struct that is its image, then copied: into words, where the optimiser removes the copy, or
// behind the data that lies out of line, which goes first because its source may be the IPC buffer itself.
#include "fipcc.h"
#include <string.h>

static unsigned element_size(const struct type *type) { return type->kind == TYPE_VECTOR ? type->element->size : 1; }

bool message_has_caps(const struct message *message) { return message->caps != 0; }

// The rights mask of a capability, as an expression; "0" where none is stated.
static const char *rights_of(const struct type *type)
{
    if (type->cap == CAP_CLIENT) {
        if (type->facet == nullptr || type->decl == nullptr)
            return "0";
        return arena_printf("FUT_RIGHT_CALL | FUT_RIGHT_DUP | FUT_RIGHT_MOVE | %s_FACET_%s << 16", type->decl->upper, upper(type->facet));
    }
    return type->rights_text != nullptr ? type->rights_text : "0";
}

static void put_zero_padding(struct out *o, const struct param *param)
{
    struct plan plan = plan_of_type(param->type);
    for (unsigned i = 0; i < plan.size; i++) {
        if (plan.padding[i] == 0)
            continue;
        unsigned start = i;
        while (i < plan.size && plan.padding[i] != 0)
            i++;
        put(o, "    __builtin_memset((uint8_t *)&fut_v + %u, 0, %u);\n", param->offset + start, i - start);
    }
}

static const char *mode_of(const struct param *param)
{
    return param->mode == MODE_MOVE ? "FUT_CAP_MOVE" : param->mode == MODE_LEND ? "FUT_CAP_LEND" : "FUT_CAP_COPY";
}

static void put_caps(struct out *o, const struct message *message, const char *source)
{
    put(o, message->memory ? "    struct fut_ipc_buffer *fut_ipc_b = fut_ipc_buffer();\n    unsigned fut_n = 0;\n"
                           : "    uint32_t fut_cap[4] = {};\n    unsigned fut_n = 0;\n");
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        const struct type *type = param->type;
        if (type->kind != TYPE_CAP)
            continue;
        const char *handle = arena_printf("%s%s%s", source, param->c_name, handle_member(type));
        if (type->optional)
            put(o, "    if (%s != 0) {\n        fut_v.fut_present |= %uu;\n", handle, 1u << param->optional_bit);
        else
            put(o, "    {\n");
        if (message->memory)
            put(o, "        fut_ipc_b->cap_rights[fut_n] = %s;\n        fut_ipc_b->cap[fut_n++] = %s | %s;\n    }\n", rights_of(type), handle, mode_of(param));
        else
            put(o, "        fut_cap[fut_n++] = %s | %s;\n    }\n", handle, mode_of(param));
    }
    if (!message->memory)
        put(o, "    fut_m->caps01 = fut_cap[0] | (uint64_t)fut_cap[1] << 32;\n    fut_m->caps23 = fut_cap[2] | (uint64_t)fut_cap[3] << 32;\n");
}

void put_encode(struct out *o, const struct decl *protocol, const struct method *method, const struct message *message, const char *body, enum side side)
{
    const bool server = side == SIDE_SERVER;
    const char *source = server ? "fut_res->" : "";
    // What the caller got wrong is found before anything is written.
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        if (is_view(param->type)) {
            put(o, "    if (%s%s.len > %llu)\n        return FUT_ERR_TOO_BIG;\n", source, param->c_name, (unsigned long long)param->type->count);
            if (message->variables > 1 && side != SIDE_EVENT)
                put(o, "    if (%s%s.len != 0 && fut_in_ipc_buffer(%s%s.data))\n        return FUT_ERR_ARGUMENT;\n", source, param->c_name, source, param->c_name);
        } else if (param->type->kind == TYPE_CAP && !param->type->optional) {
            put(o, "    if (%s%s%s == FUT_HANDLE_NONE)\n        return FUT_ERR_HANDLE;\n", source, param->c_name, handle_member(param->type));
        }
    }
    if (message->fixed != 0)
        put(o, "    struct %s fut_v = {};\n", body);
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        const struct type *type = param->type;
        const char *name = param->c_name;
        if (is_table(type)) {
            put(o, "    %s fut_t_%s;\n    fut_v.%s = (uint32_t)%s_pack(&fut_t_%s, %s%s%s);\n", c_type(type), name, name, type->decl->prefix, name, server ? "&" : "", source, name);
            if (type->decl->kind == DECL_UNION)
                put(o, "    if (fut_v.%s == 0)\n        return FUT_ERR_ARGUMENT;\n", name);
            continue;
        }
        switch (type->kind) {
        case TYPE_CAP: break;
        case TYPE_BUFFER: {
            const char *length = type->rights == 1 ? "len" : "capacity";
            put(o, "    fut_v.%s = %s.%s;\n    fut_lease_put(%u, %s.data, %s.%s, %s);\n", name, name, length, param->lease, name, name, length, type->rights_text);
            break;
        }
        case TYPE_BYTES:
        case TYPE_STRING:
        case TYPE_VECTOR: put(o, "    fut_v.%s = (uint32_t)%s%s.len;\n", name, source, name); break;
        case TYPE_ARRAY:
            put(o, "    __builtin_memcpy(fut_v.%s, %s%s, sizeof fut_v.%s);\n", name, source, name, name);
            put_zero_padding(o, param);
            break;
        default:
            put(o, "    fut_v.%s = %s%s%s;\n", name, !server && is_struct(type) ? "*" : "", source, name);
            put_zero_padding(o, param);
        }
    }
    if (message->caps != 0)
        put_caps(o, message, source);
    if (message->memory) {
        if ((message->variables != 0 || message->fixed != 0) && side != SIDE_EVENT)
            put(o, "    uint8_t *fut_body = fut_ipc_buffer()->body;\n");
        put(o, "    size_t fut_at = %u;\n", message->fixed);
        for (unsigned i = 0; i < message->count; i++) {
            const struct param *param = &message->params[i];
            if (is_table(param->type))
                put(o, "    fut_at = fut_body_put(fut_body, fut_at, &fut_t_%s, fut_v.%s);\n", param->c_name, param->c_name);
            if (!is_view(param->type))
                continue;
            unsigned size = element_size(param->type);
            put(o, "    fut_at = fut_body_put(fut_body, fut_at, %s%s.data, %s%s.len%s);\n", source, param->c_name, source, param->c_name,
                size != 1 ? arena_printf(" * %u", size) : "");
        }
        if (message->fixed != 0)
            put(o, "    __builtin_memcpy(fut_body, &fut_v, sizeof fut_v);\n");
        if (side == SIDE_EVENT)
            return;
        put(o, "    fut_m->w[0] = fut_at;\n");
    } else if (message->fixed != 0) {
        put(o, "    __builtin_memcpy(fut_m->w, &fut_v, sizeof fut_v);\n");
    }
    bool counted = message->optionals != 0;
    const char *tag = message == &method->reply ? reply_tag(protocol, method, !counted) : request_tag(protocol, method, !counted);
    put(o, "    fut_m->tag = %s%s;\n", tag, counted ? " | (uint64_t)fut_n << 20" : "");
}

static void put_view_checks(struct out *o, const struct param *param, const char *fail)
{
    const struct type *type = param->type;
    const char *name = param->c_name;
    if (is_table(type)) {
        put(o, "    const void *fut_p_%s = nullptr;\n    %s fut_t_%s;\n", name, c_type(type), name);
        put(o, "    if (fut_v.%s > %llu || !fut_body_take(fut_body, fut_end, &fut_at, fut_v.%s, &fut_p_%s) || !%s_unpack(&fut_t_%s, fut_p_%s, fut_v.%s))\n        %s;\n", name,
            (unsigned long long)type->decl->bound, name, name, type->decl->prefix, name, name, name, fail);
        return;
    }
    unsigned size = element_size(type);
    put(o, "    const void *fut_p_%s = nullptr;\n", name);
    put(o, "    if (fut_v.%s > %llu || !fut_body_take(fut_body, fut_end, &fut_at, (size_t)fut_v.%s * %u, &fut_p_%s))\n        %s;\n", name,
        (unsigned long long)type->count, name, size, name, fail);
    if (type->kind == TYPE_STRING)
        put(o, "    if (!fut_utf8_valid(fut_p_%s, fut_v.%s))\n        %s;\n", name, name, fail);
    if (type->kind != TYPE_VECTOR)
        return;
    struct plan plan = plan_of_type(type->element);
    if (plan_is_empty(&plan))
        return;
    put(o, "    for (size_t fut_i = 0; fut_i < fut_v.%s; fut_i++) {\n        const uint8_t *fut_e = (const uint8_t *)fut_p_%s + fut_i * %u;\n", name, name, size);
    bool any = false;
    for (unsigned i = 0; i < plan.size; i++)
        if (plan.zero[i] != 0) {
            put(o, any ? " | (fut_e[%u] & 0x%x)" : "        if (((fut_e[%u] & 0x%x)", i, plan.zero[i]);
            any = true;
        }
    if (any)
        put(o, ") != 0)\n            %s;\n", fail);
    for (unsigned i = 0; i < plan.enum_count; i++) {
        const struct enum_check *check = &plan.enums[i];
        put(o, "        %s_t fut_enum%u;\n        __builtin_memcpy(&fut_enum%u, fut_e + %u, sizeof fut_enum%u);\n        if (!%s_valid(fut_enum%u))\n            %s;\n",
            check->decl->prefix, i, i, check->offset, i, check->decl->prefix, i, fail);
    }
    if (!any && plan.enum_count == 0)
        put(o, "        (void)fut_e;\n");
    put(o, "    }\n");
}

static void put_cap_check(struct out *o, const struct param *param, bool server, const char *fail)
{
    const struct type *type = param->type;
    const char *name = param->c_name;
    const char *indent = "    ";
    if (server && is_typed_client(type)) {
        put(o, "    struct fut_cap_arg fut_c_%s = {};\n", name);
        if (type->optional) {
            put(o, "    if ((fut_v.fut_present & %uu) != 0)\n", 1u << param->optional_bit);
            indent = "        ";
        }
        const char *perms = type->facet != nullptr ? arena_printf(" | %s_FACET_%s << 16", type->decl->upper, upper(type->facet)) : "";
        put(o, "%sif (!fut_cap_session(fut_m, fut_n++, FUT_RIGHT_CALL%s, &fut_c_%s))\n%s    %s;\n", indent, perms, name, indent, fail);
        return;
    }
    if (param->mode == MODE_LEND) {
        put(o, "    if (!fut_cap_lent(fut_n))\n        %s;\n    const struct fut_lease_arg fut_c_%s = {SIZE_MAX, fut_n++};\n", fail, name);
        return;
    }
    put(o, "    fut_handle_t fut_c_%s = FUT_HANDLE_NONE;\n", name);
    if (type->optional)
        put(o, "    if ((fut_v.fut_present & %uu) != 0) {\n", 1u << param->optional_bit);
    else
        put(o, "    {\n");
    const char *rights = type->cap == CAP_CLIENT ? "FUT_RIGHT_CALL" : type->cap == CAP_SERVER && type->rights == 0 ? "FUT_RIGHT_RECV" : rights_of(type);
    if (type->cap == CAP_CLIENT && type->facet != nullptr && type->decl != nullptr)
        rights = arena_printf("FUT_RIGHT_CALL | %s_FACET_%s << 16", type->decl->upper, upper(type->facet));
    put(o, "        fut_c_%s = fut_msg_cap(fut_m, fut_n);\n        if (!fut_cap_check(fut_n++, fut_c_%s, %s, %s))\n            %s;\n    }\n", name, name,
        cap_info[type->cap].object, rights, fail);
}

void put_decode(struct out *o, const struct decl *protocol, const struct message *message, const char *body, enum side side, const char *fail)
{
    (void)protocol;
    const bool server = side == SIDE_SERVER;
    const char *words = "fut_m->w";
    if (message->memory) {
        if (side == SIDE_EVENT)
            put(o, "    if (fut_end < %u || fut_end > %u)\n        %s;\n", message->fixed, message->max, fail);
        else
            put(o, "    const size_t fut_end = fut_m->w[0];\n    if (fut_end < %u || fut_end > FUT_IPC_BODY_SIZE)\n        %s;\n", message->fixed, fail);
        if ((message->variables != 0 || message->fixed != 0) && side != SIDE_EVENT)
            put(o, "    const uint8_t *fut_body = %s;\n", server ? "fut_serve_arguments(fut_req, fut_m)" : "fut_ipc_buffer()->body");
        put(o, "    %ssize_t fut_at = %u;\n", message->variables == 0 ? "const " : "", message->fixed);
        if (message->fixed != 0)
            put(o, "    uint64_t fut_words[%u];\n    __builtin_memcpy(fut_words, fut_body, sizeof fut_words);\n", message->fixed / 8);
        words = "fut_words";
    }
    if (message->fixed != 0) {
        struct plan plan = plan_of_message(message);
        put_checks(o, "    ", words, &plan, fail);
        put(o, "    struct %s fut_v;\n    __builtin_memcpy(&fut_v, %s, sizeof fut_v);\n", body, words);
    }
    for (unsigned i = 0; i < message->count; i++)
        if (is_variable(message->params[i].type))
            put_view_checks(o, &message->params[i], fail);
    if (message->memory)
        put(o, "    if (fut_at != fut_end)\n        %s;\n", fail);
    if (message->caps == 0)
        return;
    put(o, "    unsigned fut_n = 0;\n");
    for (unsigned i = 0; i < message->count; i++)
        if (message->params[i].type->kind == TYPE_CAP)
            put_cap_check(o, &message->params[i], server, fail);
    if (message->optionals != 0)
        put(o, "    if (fut_n != FUT_TAG_CAPS(fut_m->tag))\n        %s;\n", fail);
}
