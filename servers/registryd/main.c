// SPDX-License-Identifier: MPL-2.0
//
// registryd: names to services.
//
// A badge is a scope. Scope PUBLISHER_ROOT may register any name and DIRECTORY_ROOT may look up any
// name; both Sessions are minted by init. Publisher.Scope makes narrower ones, kept in scope[]: a
// publisher that can register and a directory that can see only names with its prefix.
//
// A Lookup with `wait` whose name is not there yet is a deferred reply in waiting[]; it is answered when
// the name is registered. When registryd is restarted, init and devd register again what they publish:
// the registry holds no state that its publishers do not have.
//
// Who attaches to Directory's events is told of names in its scope as they come and go.
#include "names.h"
#include <fipc/registry.h>
#include <futura/log.h>
#include <futura/server.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#define PUBLISHER_ROOT 1
#define DIRECTORY_ROOT 2
#define FIRST_SCOPE 16
#define SCOPES_MAX 64
#define WAITING_MAX 64
#define LISTENERS_MAX 24

// Scope i has the badges FIRST_SCOPE + 2i (publisher) and FIRST_SCOPE + 2i + 1 (directory).
struct scope {
    bool publisher_alive, directory_alive;
    char prefix[NAME_MAX_BYTES + 1];
};

struct waiting {
    fut_reply_t reply;
    char name[NAME_MAX_BYTES + 1];
};

static struct names names;
static struct scope scope[SCOPES_MAX];
static struct waiting waiting[WAITING_MAX];
static size_t waiting_count;
static struct fut_subscriber listeners[LISTENERS_MAX];
static struct registry_directory_source source = {{.subscriber = listeners, .places = LISTENERS_MAX}};

struct client {
    uint64_t badge;
    bool publisher;
    const char *prefix;
};

static bool client_of(uint64_t badge, struct client *out)
{
    *out = (struct client){.badge = badge, .prefix = ""};
    if (badge == PUBLISHER_ROOT || badge == DIRECTORY_ROOT) {
        out->publisher = badge == PUBLISHER_ROOT;
        return true;
    }
    if (badge < FIRST_SCOPE || badge >= FIRST_SCOPE + 2 * SCOPES_MAX)
        return false;
    struct scope *s = &scope[(badge - FIRST_SCOPE) / 2];
    out->publisher = (badge - FIRST_SCOPE) % 2 == 0;
    out->prefix = s->prefix;
    return out->publisher ? s->publisher_alive : s->directory_alive;
}

static bool has_prefix(struct fut_string name, const char *prefix)
{
    size_t n = strlen(prefix);
    return name.len >= n && memcmp(name.data, prefix, n) == 0;
}

// Tells every Directory that can see the name.
static void announce(struct fut_string name,
                     fut_status_t (*send)(struct registry_directory_source *, uint64_t, struct fut_string))
{
    (void)send(&source, DIRECTORY_ROOT, name);
    for (size_t i = 0; i < SCOPES_MAX; i++)
        if (scope[i].directory_alive && has_prefix(name, scope[i].prefix))
            (void)send(&source, FIRST_SCOPE + 2 * i + 1, name);
}

static void withdraw(struct name *entry)
{
    announce(fut_string(entry->text), registry_directory_send_unregistered);
    (void)fut_cap_delete(names_remove(&names, entry));
}

static fut_status_t listen(struct fut_request *request, fut_handle_t wake, uint64_t bits, fut_handle_t life,
                           struct registry_directory_events_result *result)
{
    struct client client;
    if (client_of(request->badge, &client) && !client.publisher)
        return registry_directory_events_accept(&source, request, wake, bits, life, result);
    (void)fut_cap_delete(wake);
    if (life != FUT_HANDLE_NONE)
        (void)fut_cap_delete(life);
    return FUT_ERR_FACET;
}

static void answer_waiting(struct name *entry)
{
    for (size_t i = 0; i < waiting_count;) {
        if (strcmp(waiting[i].name, entry->text) != 0) {
            i++;
            continue;
        }
        struct registry_directory_lookup_result result = {.s = entry->session};
        (void)registry_directory_lookup_reply(waiting[i].reply, &result);
        waiting[i] = waiting[--waiting_count];
    }
}

static fut_status_t lookup(struct fut_request *request, struct fut_string name, bool wait,
                           struct registry_directory_lookup_result *result)
{
    struct client client;
    if (!client_of(request->badge, &client) || client.publisher)
        return REGISTRY_ERROR_DENIED;
    if (!name_is_valid(name))
        return REGISTRY_ERROR_BAD_NAME;
    if (!has_prefix(name, client.prefix))
        return REGISTRY_ERROR_DENIED;
    struct name *entry = names_find(&names, name);
    if (entry != nullptr) {
        result->s = entry->session;
        return FUT_OK;
    }
    if (!wait)
        return REGISTRY_ERROR_NOT_FOUND;
    if (waiting_count == WAITING_MAX)
        return REGISTRY_ERROR_FULL;
    struct waiting *w = &waiting[waiting_count];
    *w = (struct waiting){.reply = fut_request_defer(request)};
    memcpy(w->name, name.data, name.len);
    waiting_count++;
    return FUT_DEFER;
}

static fut_status_t list(struct fut_request *request, uint32_t index, struct registry_directory_list_result *result)
{
    struct client client;
    if (!client_of(request->badge, &client) || client.publisher)
        return REGISTRY_ERROR_DENIED;
    struct name *entry = names_at(&names, client.prefix, index);
    if (entry == nullptr)
        return REGISTRY_ERROR_NOT_FOUND;
    result->name.len = strlen(entry->text);
    memcpy(result->name.data, entry->text, result->name.len);
    return FUT_OK;
}

static fut_status_t register_name(struct fut_request *request, struct fut_string name, fut_handle_t session)
{
    struct client client;
    fut_handle_t replaced = FUT_HANDLE_NONE;
    fut_status_t status = FUT_OK;
    if (!client_of(request->badge, &client) || !client.publisher || !has_prefix(name, client.prefix))
        status = REGISTRY_ERROR_DENIED;
    else if (!name_is_valid(name))
        status = REGISTRY_ERROR_BAD_NAME;
    else
        switch (names_register(&names, name, request->badge, session, &replaced)) {
        case NAMES_OK: break;
        case NAMES_FULL: status = REGISTRY_ERROR_FULL; break;
        case NAMES_TAKEN: status = REGISTRY_ERROR_EXISTS; break;
        }
    if (status != FUT_OK) {
        (void)fut_cap_delete(session);
        return status;
    }
    if (replaced != FUT_HANDLE_NONE)
        (void)fut_cap_delete(replaced);
    answer_waiting(names_find(&names, name));
    announce(name, registry_directory_send_registered);
    return FUT_OK;
}

static fut_status_t unregister_name(struct fut_request *request, struct fut_string name)
{
    struct client client;
    if (!client_of(request->badge, &client) || !client.publisher)
        return REGISTRY_ERROR_DENIED;
    struct name *entry = names_find(&names, name);
    if (entry == nullptr)
        return REGISTRY_ERROR_NOT_FOUND;
    if (entry->publisher != request->badge)
        return REGISTRY_ERROR_DENIED;
    withdraw(entry);
    return FUT_OK;
}

static fut_status_t make_scope(struct fut_request *request, struct fut_string prefix,
                               struct registry_publisher_scope_result *result)
{
    struct client client;
    if (!client_of(request->badge, &client) || !client.publisher || !has_prefix(prefix, client.prefix))
        return REGISTRY_ERROR_DENIED;
    if (!name_is_valid(prefix))
        return REGISTRY_ERROR_BAD_NAME;
    size_t i = 0;
    while (i < SCOPES_MAX && (scope[i].publisher_alive || scope[i].directory_alive))
        i++;
    if (i == SCOPES_MAX)
        return REGISTRY_ERROR_FULL;

    fut_handle_t channel = request->server->channel;
    fut_status_t status = fut_session_mint(channel, FIRST_SCOPE + 2 * i, 0xffff, &result->p.h);
    if (status != FUT_OK)
        return status;
    status = fut_session_mint(channel, FIRST_SCOPE + 2 * i + 1, 0xffff, &result->d.h);
    if (status != FUT_OK) {
        (void)fut_cap_delete(result->p.h);
        return status;
    }
    scope[i] = (struct scope){.publisher_alive = true, .directory_alive = true};
    memcpy(scope[i].prefix, prefix.data, prefix.len);
    return FUT_OK;
}

// A scope whose last Session is gone frees its place; its registrations go with the publisher.
static void no_senders(struct fut_server *server, uint64_t badge)
{
    (void)server;
    if (badge < FIRST_SCOPE || badge >= FIRST_SCOPE + 2 * SCOPES_MAX)
        return;
    struct scope *s = &scope[(badge - FIRST_SCOPE) / 2];
    if ((badge - FIRST_SCOPE) % 2 != 0) {
        s->directory_alive = false;
        registry_directory_events_drop(&source, badge);
        return;
    }
    s->publisher_alive = false;
    for (size_t i = 0; i < names.count;)
        if (names.entry[i].publisher == badge)
            withdraw(&names.entry[i]);
        else
            i++;
}

static void forget_waiting(size_t i) { waiting[i] = waiting[--waiting_count]; }

static void cancel(struct fut_server *server, fut_reply_t reply)
{
    (void)server;
    for (size_t i = 0; i < waiting_count; i++)
        if (waiting[i].reply.h == reply.h) {
            forget_waiting(i);
            (void)fut_reply_error(reply, FUT_ERR_CANCELLED);
            return;
        }
}

static void stale(struct fut_server *server, fut_reply_t reply)
{
    (void)server;
    for (size_t i = 0; i < waiting_count; i++)
        if (waiting[i].reply.h == reply.h) {
            forget_waiting(i);
            (void)fut_cap_delete(reply.h);
            return;
        }
}

int main(void)
{
    static const struct registry_directory_ops directory = {.lookup = lookup, .list = list, .events = listen};
    static const struct registry_publisher_ops publisher = {
        .register_ = register_name, .unregister = unregister_name, .scope = make_scope};
    const struct fut_service services[] = {registry_directory_service(&directory),
                                           registry_publisher_service(&publisher)};
    source.events.space = fut_startup_cap("space");
    static struct fut_server server;
    server = (struct fut_server){
        .channel = fut_startup_cap("channel"),
        .services = services,
        .service_count = 2,
        .no_senders = no_senders,
        .cancel = cancel,
        .stale = stale,
    };
    fut_server_run(&server);
}
