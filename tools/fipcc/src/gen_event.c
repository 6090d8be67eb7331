// SPDX-License-Identifier: MPL-2.0
//
// Events of a protocol: what a server calls to send them, and a client to get them. An event is laid out like a
// message of the memory form, but lies in a slot of a ring behind a head with its number.
#include "fipcc.h"
#include "futura_limits.h"

static const char *arguments(const struct decl *protocol, const struct method *event)
{
    char *text = arena_printf("%s", "");
    for (unsigned i = 0; i < event->request.count; i++)
        text = arena_printf("%s, %s", text, client_argument(protocol->library, &event->request.params[i]));
    return text;
}

static void put_member(struct out *o, const struct decl *protocol, const struct param *param)
{
    const struct type *type = param->type;
    if (is_view(type)) {
        put(o, " %s %s;", view_type(protocol->library, type), param->c_name);
        return;
    }
    char *dims = arena_printf("%s", "");
    for (; type->kind == TYPE_ARRAY; type = type->element)
        dims = arena_printf("%s[%llu]", dims, (unsigned long long)type->count);
    put(o, " %s %s%s;", c_type(type), param->c_name, dims);
}

void put_events_header(struct out *o, const struct decl *protocol)
{
    const char *name = protocol->prefix, *upper_name = protocol->upper;
    bool any = false;
    put(o, "// --- Events of %s ---\n", full_name_of(protocol));
    put(o, "// Server: one source for what the clients listen to, with a place for each:\n"
           "//     static struct fut_subscriber places[16];\n"
           "//     static struct %s_source source = {{space, places, 16}};\n"
           "// its handler `events` is a call of %s_events_accept; then %s_send_X(&source, badge, ...), where\n"
           "// badge names the Session with which a client attached, or FUT_EVERYONE. no_senders calls %s_events_drop.\n"
           "// Client: %s_events_attach, then its @snapshot method; _next (or _dispatch) until FUT_ERR_WOULD_BLOCK, then\n"
           "// _arm, and if that says false it waits for its Event. event.lost > 0: so many are missing before this one\n"
           "// (kind 0: and there is none); ask for the state. FUT_ERR_PEER_CLOSED, FUT_ERR_INVALID: attach again.\n",
        name, name, name, name, name);
    put(o, "#define %s_EVENTS_COUNT %lluu // that wait at most\n#define %s_EVENTS_SLOT %uu\n", upper_name, (unsigned long long)protocol->event_slots, upper_name, protocol->event_slot);
    put(o, "enum {\n    %s_EVENT_LOST = 0,\n", upper_name);
    for (unsigned i = 0; i < protocol->event_count; i++)
        put(o, "    %s_EVENT_%s = %llu,\n", upper_name, upper(snake(protocol->events[i].name)), (unsigned long long)protocol->events[i].ordinal);
    put(o, "};\nstruct %s_source { struct fut_event_source events; };\n", name);
    put(o, "struct %s_listener {\n    struct fut_listener events;\n    alignas(8) uint8_t slot[%s_EVENTS_SLOT]; // the last event: what its views point to\n};\n", name, upper_name);
    put(o, "struct %s_event {\n    uint16_t kind; // %s_EVENT_*\n    uint64_t lost;\n", name, upper_name);
    for (unsigned i = 0; i < protocol->event_count; i++) {
        const struct method *event = &protocol->events[i];
        if (event->request.count == 0)
            continue;
        put(o, any ? "        struct {" : "    union {\n        struct {");
        any = true;
        for (unsigned j = 0; j < event->request.count; j++)
            put_member(o, protocol, &event->request.params[j]);
        put(o, " } %s;\n", event->c_name);
    }
    put(o, any ? "    } as;\n};\n" : "};\n");
    put(o, "// What _dispatch calls; null: not wanted. lost may not be null.\nstruct %s_handlers {\n    void (*lost)(void *fut_user, uint64_t count);\n", name);
    for (unsigned i = 0; i < protocol->event_count; i++) {
        put_comment(o, "    ", protocol->events[i].doc);
        put(o, "    void (*%s)(void *fut_user%s);\n", protocol->events[i].c_name, arguments(protocol, &protocol->events[i]));
    }
    put(o, "};\n");
    put(o, "// For the handler `events`: takes wake and life. FUT_ERR_QUOTA: all places are taken.\n");
    put(o, "[[nodiscard]] fut_status_t %s_events_accept(struct %s_source *fut_source, struct fut_request *fut_req, fut_handle_t wake, uint64_t bits, fut_handle_t life, struct %s_events_result *fut_res);\n", name, name, name);
    put(o, "static inline void %s_events_drop(struct %s_source *fut_source, uint64_t fut_badge) { fut_events_drop(&fut_source->events, fut_badge); }\n", name, name);
    put(o, "// FUT_ERR_TOO_BIG: an argument is longer than its bound. That a client's ring is full is no error: it will know.\n");
    for (unsigned i = 0; i < protocol->event_count; i++)
        put(o, "fut_status_t %s_send_%s(struct %s_source *fut_source, uint64_t fut_badge%s);\n", name, snake(protocol->events[i].name), name, arguments(protocol, &protocol->events[i]));
    put(o, "// event, bits: what is signalled while the client sleeps. life: a Session of the client's own Channel, or 0; it is given away, whatever this returns.\n");
    put(o, "[[nodiscard]] fut_status_t %s_events_attach(struct %s_listener *fut_listener, %s_t fut_self, fut_handle_t space, fut_handle_t event, uint64_t bits, fut_handle_t life);\n", name, name, name);
    put(o, "[[nodiscard]] fut_status_t %s_events_next(struct %s_listener *fut_listener, struct %s_event *event);\n", name, name, name);
    put(o, "// Hands on what is there (at most as many as wait), and arms. FUT_OK: the Event will be signalled, or has been.\n");
    put(o, "[[nodiscard]] fut_status_t %s_events_dispatch(struct %s_listener *fut_listener, fut_handle_t event, uint64_t bits, const struct %s_handlers *handlers, void *fut_user);\n", name, name, name);
    put(o, "static inline bool %s_events_arm(struct %s_listener *fut_listener) { return fut_events_arm(&fut_listener->events); }\n", name, name);
    put(o, "[[nodiscard]] static inline fut_status_t %s_events_wait(struct %s_listener *fut_listener, fut_handle_t event, uint64_t bits, uint64_t deadline)\n{\n    return fut_events_wait(&fut_listener->events, event, bits, deadline);\n}\n", name, name);
    put(o, "static inline void %s_events_detach(struct %s_listener *fut_listener, fut_handle_t space) { fut_events_close(&fut_listener->events, space); }\n\n", name, name);
}

void put_events_server(struct out *o, const struct decl *protocol)
{
    const char *name = protocol->prefix;
    put(o, "fut_status_t %s_events_accept(struct %s_source *fut_source, struct fut_request *fut_req, fut_handle_t wake, uint64_t bits, fut_handle_t life, struct %s_events_result *fut_res)\n{\n", name, name, name);
    put(o, "    return fut_events_accept(&fut_source->events, fut_req->badge, wake, bits, life, %s_EVENTS_COUNT, %s_EVENTS_SLOT, &fut_res->ring);\n}\n\n", protocol->upper, protocol->upper);
    for (unsigned i = 0; i < protocol->event_count; i++) {
        const struct method *event = &protocol->events[i];
        const char *body = arena_printf("%s_%s_event", name, snake(event->name));
        put(o, "// event %s.%s\n", full_name_of(protocol), event->name);
        put_body_struct(o, body, &event->request);
        put(o, "fut_status_t %s_send_%s(struct %s_source *fut_source, uint64_t fut_badge%s)\n{\n    alignas(8) uint8_t fut_slot[%u];\n", name, snake(event->name), name, arguments(protocol, event),
            event->request.max + FUT_EVENT_HEADER);
        if (event->request.count != 0)
            put(o, "    uint8_t *const fut_body = fut_slot + %u;\n", FUT_EVENT_HEADER);
        put_encode(o, protocol, event, &event->request, body, SIDE_EVENT);
        put(o, "    (void)fut_events_send(&fut_source->events, fut_badge, %llu, fut_slot, fut_at);\n    return FUT_OK;\n}\n\n", (unsigned long long)event->ordinal);
    }
}

static void put_event_decode(struct out *o, const struct decl *protocol, const struct method *event)
{
    const char *name = protocol->prefix;
    const char *body = arena_printf("%s_%s_event", name, snake(event->name));
    put_body_struct(o, body, &event->request);
    put(o, "static bool %s_%s_decode(const uint8_t *fut_body, size_t fut_end, struct %s_event *event)\n{\n", name, snake(event->name), name);
    put(o, "    (void)fut_body;\n    (void)event;\n");
    put_decode(o, protocol, &event->request, body, SIDE_EVENT, "return false");
    for (unsigned i = 0; i < event->request.count; i++) {
        const struct param *param = &event->request.params[i];
        const char *to = arena_printf("event->as.%s.%s", event->c_name, param->c_name);
        if (is_table(param->type))
            put(o, "    %s = fut_t_%s;\n", to, param->c_name);
        else if (is_view(param->type))
            put(o, "    %s = (%s){fut_p_%s, fut_v.%s};\n", to, view_type(protocol->library, param->type), param->c_name, param->c_name);
        else if (param->type->kind == TYPE_ARRAY)
            put(o, "    __builtin_memcpy(%s, fut_v.%s, sizeof fut_v.%s);\n", to, param->c_name, param->c_name);
        else
            put(o, "    %s = fut_v.%s;\n", to, param->c_name);
    }
    put(o, "    return true;\n}\n\n");
}

void put_events_client(struct out *o, const struct decl *protocol)
{
    const char *name = protocol->prefix, *upper_name = protocol->upper;
    put(o, "// events of %s\n", full_name_of(protocol));
    for (unsigned i = 0; i < protocol->event_count; i++)
        put_event_decode(o, protocol, &protocol->events[i]);
    put(o, "fut_status_t %s_events_attach(struct %s_listener *fut_listener, %s_t fut_self, fut_handle_t space, fut_handle_t event, uint64_t bits, fut_handle_t life)\n{\n", name, name, name);
    put(o, "    fut_handle_t fut_memory = FUT_HANDLE_NONE;\n    fut_listener->events = (struct fut_listener){.ring.broken = true};\n");
    put(o, "    struct fut_call_options fut_options = {};\n    fut_status_t fut_status = %s_events_opt(fut_self, &fut_options, event, bits, life, &fut_memory);\n", name);
    put(o, "    if (fut_status != FUT_OK && !fut_options.maybe && life != FUT_HANDLE_NONE)\n        (void)fut_cap_delete(life);\n");
    put(o, "    return fut_status != FUT_OK ? fut_status : fut_events_open(&fut_listener->events, space, fut_memory, %s_EVENTS_COUNT, %s_EVENTS_SLOT);\n}\n\n", upper_name, upper_name);
    put(o, "fut_status_t %s_events_next(struct %s_listener *fut_listener, struct %s_event *event)\n{\n", name, name, name);
    put(o, "    struct fut_event_head *const fut_head = (struct fut_event_head *)fut_listener->slot;\n    const uint8_t *const fut_body = fut_listener->slot + %u;\n", FUT_EVENT_HEADER);
    bool closed = protocol->openness == OPENNESS_CLOSED;
    if (!closed)
        put(o, "    for (unsigned fut_i = 0; fut_i < %s_EVENTS_COUNT; fut_i++) {\n", upper_name);
    const char *in = closed ? "    " : "        ";
    put(o, "%sfut_status_t fut_status = fut_events_next(&fut_listener->events, fut_head, &event->lost);\n%sif (fut_status != FUT_OK)\n%s    return fut_status;\n", in, in, in);
    put(o, "%sbool fut_good = false;\n%sevent->kind = fut_head->ordinal;\n%sswitch (event->kind) {\n%scase %s_EVENT_LOST: fut_good = event->lost != 0; break;\n", in, in, in, in, upper_name);
    for (unsigned i = 0; i < protocol->event_count; i++)
        put(o, "%scase %llu: fut_good = %s_%s_decode(fut_body, fut_head->bytes, event); break;\n", in, (unsigned long long)protocol->events[i].ordinal, name, snake(protocol->events[i].name));
    if (closed)
        put(o, "%sdefault: break;\n", in);
    else // An event of a newer server. A loss before it is told all the same.
        put(o, "%sdefault:\n%s    if (event->lost == 0)\n%s        continue;\n%s    event->kind = %s_EVENT_LOST;\n%s    fut_good = true;\n", in, in, in, in, upper_name, in);
    put(o, "%s}\n%sfut_listener->events.ring.broken |= !fut_good;\n%sreturn fut_good ? FUT_OK : FUT_ERR_INVALID;\n", in, in, in);
    put(o, closed ? "}\n\n" : "    }\n    return FUT_ERR_WOULD_BLOCK;\n}\n\n");
    put(o, "fut_status_t %s_events_dispatch(struct %s_listener *fut_listener, fut_handle_t event, uint64_t bits, const struct %s_handlers *handlers, void *fut_user)\n{\n", name, name, name);
    put(o, "    if (handlers->lost == nullptr)\n        return FUT_ERR_ARGUMENT;\n    for (unsigned fut_i = 0; fut_i < %s_EVENTS_COUNT; fut_i++) {\n        struct %s_event fut_event;\n", upper_name, name);
    put(o, "        fut_status_t fut_status = %s_events_next(fut_listener, &fut_event);\n        if (fut_status == FUT_ERR_WOULD_BLOCK && !%s_events_arm(fut_listener))\n            return FUT_OK;\n", name, name);
    put(o, "        if (fut_status == FUT_ERR_WOULD_BLOCK)\n            continue;\n        if (fut_status != FUT_OK)\n            return fut_status;\n        if (fut_event.lost != 0)\n            handlers->lost(fut_user, fut_event.lost);\n        switch (fut_event.kind) {\n");
    for (unsigned i = 0; i < protocol->event_count; i++) {
        const struct method *e = &protocol->events[i];
        char *list = arena_printf("fut_user");
        for (unsigned j = 0; j < e->request.count; j++) {
            const struct param *param = &e->request.params[j];
            list = arena_printf("%s, %sfut_event.as.%s.%s", list, is_struct(param->type) ? "&" : "", e->c_name, param->c_name);
        }
        put(o, "        case %llu:\n            if (handlers->%s != nullptr)\n                handlers->%s(%s);\n            break;\n", (unsigned long long)e->ordinal, e->c_name, e->c_name, list);
    }
    put(o, "        default: break;\n        }\n    }\n    return fut_event_signal(event, bits); // there is more than one turn's worth\n}\n\n");
}
