// SPDX-License-Identifier: MPL-2.0
//
// NAME_server.c: for each method the code that checks a request, calls the handler and writes the reply; for
// each protocol the dispatch by ordinal.
#include "fipcc.h"

static void put_serve(struct out *o, const struct decl *protocol, const struct method *method)
{
    const char *prefix = method_prefix(protocol, method);
    const char *request = arena_printf("%s_request", prefix);
    const struct message *reply = &method->reply;
    bool oneway = method->oneway;
    put(o, "static bool %s_serve(struct fut_request *fut_req, struct fut_msg *fut_m)\n{\n    const struct %s_ops *fut_ops = fut_req->ops;\n", prefix, protocol->prefix);
    if (method->facets != 0)
        put(o, "    if ((fut_req->perms & 0x%04xu) == 0)\n        return fut_serve_facet(fut_req, fut_m);\n", method->facets);
    put(o, "    if (fut_ops->%s == nullptr)\n        return fut_serve_unknown(fut_req, fut_m);\n", method->c_name);
    // Sent one way, a method with a reply would do its work for nobody; called, one without would never answer.
    bool counted = method->request.optionals != 0;
    put(o, "    if (%sfut_req->oneway)\n        return fut_serve_invalid(fut_req, fut_m);\n", oneway ? "!" : "");
    put(o, counted ? "    if ((fut_m->tag & ~FUT_TAG(0, 0, 0, 15, 0, 0)) != %s)\n" : "    if (fut_m->tag != %s)\n", request_tag(protocol, method, !counted));
    put(o, "        return fut_serve_invalid(fut_req, fut_m);\n");
    put_decode(o, protocol, &method->request, request, SIDE_SERVER, "return fut_serve_invalid(fut_req, fut_m)");
    char *arguments = arena_printf("fut_req");
    for (unsigned i = 0; i < method->request.count; i++) {
        const struct param *param = &method->request.params[i];
        const struct type *type = param->type;
        const char *name = param->c_name;
        if (type->kind == TYPE_BUFFER)
            arguments = arena_printf("%s, (struct fut_lease_arg){fut_v.%s, FUT_LENT_RANGE + %u}", arguments, name, param->lease);
        else if (is_ring(type))
            arguments = arena_printf("%s, (%s){fut_c_%s}", arguments, c_type(type), name);
        else if (type->kind == TYPE_CAP)
            arguments = arena_printf("%s, fut_c_%s", arguments, name);
        else if (is_table(type))
            arguments = arena_printf("%s, &fut_t_%s", arguments, name);
        else if (is_view(type))
            arguments = arena_printf("%s, (%s){fut_p_%s, fut_v.%s}", arguments, view_type(protocol->library, type), name, name);
        else
            arguments = arena_printf("%s, %sfut_v.%s", arguments, is_struct(type) ? "&" : "", name);
    }
    if (reply->count != 0) {
        put(o, "    struct %s_result fut_res = {};\n", prefix);
        arguments = arena_printf("%s, &fut_res", arguments);
        unsigned at = 0;
        for (unsigned i = 0; i < reply->count; i++) {
            const struct param *param = &reply->params[i];
            if (!is_view(param->type))
                continue;
            put(o, "    fut_res.%s.data = (void *)(fut_req->server->results + %u);\n    fut_res.%s.capacity = %llu;\n", param->c_name, at, param->c_name,
                (unsigned long long)param->type->count);
            unsigned size = param->type->kind == TYPE_VECTOR ? param->type->element->size : 1;
            at += ((unsigned)param->type->count * size + 15) & ~15u;
        }
    }
    put(o, "    fut_status_t fut_status = fut_ops->%s(%s);\n", method->c_name, arguments);
    if (oneway) {
        put(o, "    (void)fut_status;\n    return false;\n}\n\n");
        return;
    }
    put(o, "    if (fut_status == FUT_OK)\n        fut_status = %s_encode(fut_m%s);\n", prefix, reply->count != 0 ? ", &fut_res" : "");
    put(o, "    return fut_status == FUT_OK ? true : fut_serve_error(fut_req, fut_m, fut_status);\n}\n\n");
}

static void put_reply(struct out *o, const struct decl *protocol, const struct method *method)
{
    const char *prefix = method_prefix(protocol, method);
    const char *answer = arena_printf("%s_answer", prefix);
    bool has_results = method->reply.count != 0;
    const char *result = has_results ? arena_printf(", const struct %s_result *fut_res", prefix) : "";
    put(o, "static fut_status_t %s_encode(struct fut_msg *fut_m%s)\n{\n", prefix, result);
    if (method->reply.memory || method->reply.caps == 0)
        put(o, "    fut_m->caps01 = fut_m->caps23 = 0;\n");
    put_encode(o, protocol, method, &method->reply, answer, SIDE_SERVER);
    unsigned used = method->reply.memory ? 1 : method->reply.fixed / 8;
    if (used < 8) {
        put(o, "    ");
        for (unsigned i = used; i < 8; i++)
            put(o, "fut_m->w[%u] = ", i);
        put(o, "0;\n");
    }
    put(o, "    return FUT_OK;\n}\n\n");
    put(o, "fut_status_t %s_reply(fut_reply_t fut_reply%s)\n{\n    struct fut_msg fut_m = {};\n", prefix, result);
    put(o, "    fut_status_t fut_status = %s_encode(&fut_m%s);\n    return fut_status == FUT_OK ? fut_reply_send(fut_reply, &fut_m) : fut_reply_error(fut_reply, fut_status);\n}\n\n", prefix,
        has_results ? ", fut_res" : "");
}

void gen_server(const struct library *library, const char *path)
{
    struct out o = {fopen(path, "w")};
    if (o.file == nullptr)
        fatal("cannot write %s", path);
    put(&o, "// Generated by fipcc from %s.fipc: the server side. Do not edit.\n#include <fipc/%s.h>\n\n", library->name, library->name);
    for (unsigned i = 0; i < library->decl_count; i++) {
        const struct decl *protocol = library->decls[i];
        if (protocol->kind != DECL_PROTOCOL)
            continue;
        for (unsigned j = 0; j < protocol->method_count; j++) {
            const struct method *method = &protocol->methods[j];
            const char *prefix = method_prefix(protocol, method);
            put(&o, "// %s.%s\n", full_name_of(protocol), method->name);
            put_body_struct(&o, arena_printf("%s_request", prefix), &method->request);
            put_body_struct(&o, arena_printf("%s_answer", prefix), &method->reply);
            if (!method->oneway)
                put_reply(&o, protocol, method);
            put_serve(&o, protocol, method);
        }
        put(&o, "bool %s_dispatch(struct fut_request *fut_req, struct fut_msg *fut_m)\n{\n    switch (fut_m->tag & 0xffff) {\n", protocol->prefix);
        for (unsigned j = 0; j < protocol->method_count; j++)
            put(&o, "    case %llu: return %s_serve(fut_req, fut_m);\n", (unsigned long long)protocol->methods[j].ordinal, method_prefix(protocol, &protocol->methods[j]));
        put(&o, "    default: return fut_serve_unknown(fut_req, fut_m);\n    }\n}\n\n");
        if (protocol->event_count != 0)
            put_events_server(&o, protocol);
    }
    if (fclose(o.file) != 0)
        fatal("cannot write %s", path);
}
