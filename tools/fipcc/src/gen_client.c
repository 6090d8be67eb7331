// SPDX-License-Identifier: MPL-2.0
//
// NAME_client.c: one function per method, twice: with call options and without, both from one inlined body, so
// that a call without options costs nothing for them. Everything unusual is a call to the runtime with a copy
// of the message, because a message whose address escapes would not stay in registers.
#include "fipcc.h"

static void put_results(struct out *o, const struct decl *protocol, const struct method *method)
{
    for (unsigned i = 0; i < method->reply.count; i++) {
        const struct param *param = &method->reply.params[i];
        const struct type *type = param->type;
        const char *name = param->c_name;
        if (type->kind == TYPE_CAP) {
            const char *value = *handle_member(type) != 0 ? arena_printf("(%s){fut_c_%s}", c_type(type), name) : arena_printf("fut_c_%s", name);
            put(o, "    if (%s != nullptr)\n        *%s = %s;\n    else if (fut_c_%s != FUT_HANDLE_NONE)\n        (void)fut_cap_delete(fut_c_%s);\n", name, name, value, name, name);
        } else if (is_table(type)) {
            put(o, "    if (%s != nullptr)\n        *%s = fut_t_%s;\n", name, name, name);
        } else if (is_view(type)) {
            put(o, "    if (%s != nullptr)\n        *%s = (%s){fut_p_%s, fut_v.%s};\n", name, name, view_type(protocol->library, type), name, name);
        } else if (type->kind == TYPE_ARRAY) {
            put(o, "    if (%s != nullptr)\n        __builtin_memcpy(%s, fut_v.%s, sizeof fut_v.%s);\n", name, name, name, name);
        } else {
            put(o, "    if (%s != nullptr)\n        *%s = fut_v.%s;\n", name, name, name);
        }
    }
}

static char *call_arguments(const struct method *method, const char *options)
{
    char *text = arena_printf("fut_self, %s", options);
    for (unsigned i = 0; i < method->request.count; i++)
        text = arena_printf("%s, %s", text, method->request.params[i].c_name);
    for (unsigned i = 0; i < method->reply.count; i++)
        text = arena_printf("%s, %s", text, method->reply.params[i].c_name);
    return text;
}

static void put_method(struct out *o, const struct decl *protocol, const struct method *method)
{
    const char *prefix = method_prefix(protocol, method);
    const char *request = arena_printf("%s_request", prefix), *reply = arena_printf("%s_answer", prefix);
    bool oneway = method->oneway;
    put(o, "// %s.%s\n", full_name_of(protocol), method->name);
    put_body_struct(o, request, &method->request);
    put_body_struct(o, reply, &method->reply);
    put(o, "[[gnu::always_inline]] static inline %s\n{\n", client_signature(protocol, method, "_do", true));
    put(o, "    struct fut_msg fut_message = {};\n    struct fut_msg *const fut_m = &fut_message;\n");
    put(o, "    if (fut_options != nullptr)\n        fut_options->maybe = false;\n");
    put(o, "    {\n");
    put_encode(o, protocol, method, &method->request, request, SIDE_CLIENT);
    put(o, "    }\n");
    if (method->deadline_ns != 0)
        put(o, "    struct fut_call_options fut_default = {.deadline = fut_clock() + %lluu};\n    const struct fut_call_options *fut_how = fut_options != nullptr ? fut_options : &fut_default;\n",
            (unsigned long long)method->deadline_ns);
    put(o, "    fut_m->control = fut_call_control(%s, fut_self.h, %s);\n", oneway ? "FUT_SYS_SEND" : "FUT_SYS_CALL", method->deadline_ns != 0 ? "fut_how" : "fut_options");
    bool in_registers = (!method->request.memory && method->request.caps != 0) || (!method->reply.memory && method->reply.caps != 0);
    const char *ipc = in_registers ? "fut_ipc" : "fut_ipc_plain";
    if (method->idempotent) {
        put(o, "    const struct fut_msg fut_first = *fut_m;\n    for (unsigned fut_try = 0;; fut_try++) {\n        %s(fut_m);\n", ipc);
        put(o, "        if (fut_msg_status(fut_m) != FUT_ERR_RESTARTED || fut_try == FUT_CALL_RETRIES)\n            break;\n        *fut_m = fut_first;\n    }\n");
    } else {
        put(o, "    %s(fut_m);\n", ipc);
    }
    put(o, "    if (fut_msg_status(fut_m) != FUT_OK)\n        return fut_call_failed(fut_options, fut_m);\n");
    if (oneway) {
        put(o, "    return FUT_OK;\n}\n");
    } else {
        bool counted = method->reply.optionals != 0;
        put(o, counted ? "    if ((fut_m->tag & ~FUT_TAG(0, 0, 0, 15, 0, 0)) != %s) {\n" : "    if (fut_m->tag != %s) {\n", reply_tag(protocol, method, !counted));
        put(o, "        struct fut_msg fut_copy = *fut_m;\n        return fut_call_unexpected(fut_options, &fut_copy, FUT_TAG(%s_PROTOCOL, FUT_TAG_ERROR, 0, 0, 2, %llu));\n    }\n",
            protocol->upper, (unsigned long long)method->ordinal);
        const char *fail = method->reply.caps == 0 ? "return FUT_ERR_INVALID" : "return fut_caps_drop(fut_m)";
        put_decode(o, protocol, &method->reply, reply, SIDE_CLIENT, fail);
        put_results(o, protocol, method);
        put(o, "    return FUT_OK;\n}\n");
    }
    put(o, "%s\n{\n    return %s_do(%s);\n}\n", client_signature(protocol, method, "", false), prefix, call_arguments(method, "nullptr"));
    put(o, "%s\n{\n    return %s_do(%s);\n}\n\n", client_signature(protocol, method, "_opt", true), prefix, call_arguments(method, "fut_options"));
}

void gen_client(const struct library *library, const char *path)
{
    struct out o = {fopen(path, "w")};
    if (o.file == nullptr)
        fatal("cannot write %s", path);
    put(&o, "// Generated by fipcc from %s.fipc: the client side. Do not edit.\n#include <fipc/%s.h>\n\n", library->name, library->name);
    put(&o, "static_assert(FUT_IPC_REG_WORDS == 8 && FUT_IPC_REG_CAPS == 4 && FUT_IPC_MAX_CAPS == 15 && FUT_IPC_BODY_SIZE == 7680 && FUT_LEASES == 4);\n\n");
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < library->decls[i]->method_count; j++)
            put_method(&o, library->decls[i], &library->decls[i]->methods[j]);
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->event_count != 0)
            put_events_client(&o, library->decls[i]);
    if (fclose(o.file) != 0)
        fatal("cannot write %s", path);
}
