// SPDX-License-Identifier: MPL-2.0
//
// Events of features.fipc from server to client through generated code, against a kernel of a table of handles: what
// is sent arrives, what has no room is counted and told in its place, who is gone is forgotten, and nothing that the
// other side writes does harm.
#include <fipc/features.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                      \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                          \
        }                                                                                                     \
    } while (0)

// --- The kernel --------------------------------------------------------------------------------------------------

static struct object { uint32_t type, handles, maps; uint64_t bits, bytes; unsigned signals; uint8_t *data; } objects[512];
static struct { struct object *object; uint32_t rights; } handles[2048];
static unsigned object_count, handle_count;
static uint64_t mapped_bytes;
static bool no_memory;

static fut_handle_t handle_of(struct object *o, uint32_t rights)
{
    CHECK(++handle_count < 2048);
    handles[handle_count].object = o;
    handles[handle_count].rights = rights;
    o->handles++;
    return handle_count;
}
static fut_handle_t new_object(uint32_t type)
{
    CHECK(++object_count < 512);
    objects[object_count] = (struct object){.type = type};
    return handle_of(&objects[object_count], ~0u);
}
static struct object *object_of(uint64_t h)
{
    CHECK(h != 0 && h <= handle_count && handles[h].object != nullptr);
    return handles[h].object;
}
static unsigned live(void)
{
    unsigned n = 0;
    for (unsigned i = 1; i <= handle_count; i++)
        n += handles[i].object != nullptr;
    return n;
}

struct fut_result fut_host_syscall(uint64_t op, const uint64_t args[6])
{
    switch (op) {
    case FUT_SYS_CAP_DELETE:
        object_of(args[0])->handles--;
        handles[args[0]].object = nullptr;
        return (struct fut_result){FUT_OK, 0};
    case FUT_SYS_CAP_INFO: {
        struct fut_cap_info *info = (void *)args[1];
        *info = (struct fut_cap_info){.references = object_of(args[0])->handles};
        return (struct fut_result){FUT_OK, 0};
    }
    case FUT_SYS_MEMORY_CREATE: {
        if (no_memory)
            return (struct fut_result){FUT_ERR_NO_MEMORY, 0};
        fut_handle_t h = new_object(FUT_OBJ_MEMORY);
        object_of(h)->bytes = args[0];
        object_of(h)->data = aligned_alloc(4096, args[0]);
        memset(object_of(h)->data, 0, args[0]);
        return (struct fut_result){FUT_OK, h};
    }
    case FUT_SYS_MEMORY_INFO:
        *(struct fut_memory_info *)args[1] = (struct fut_memory_info){.bytes = object_of(args[0])->bytes};
        return (struct fut_result){FUT_OK, 0};
    case FUT_SYS_SPACE_MAP: {
        const struct fut_map *map = (void *)args[1];
        CHECK((map->flags & FUT_MAP_NO_FAULT) != 0 && map->bytes <= object_of(map->memory)->bytes);
        mapped_bytes += map->bytes;
        return (struct fut_result){FUT_OK, (uint64_t)object_of(map->memory)->data};
    }
    case FUT_SYS_SPACE_UNMAP: mapped_bytes -= args[2]; return (struct fut_result){FUT_OK, 0};
    case FUT_SYS_EVENT_SIGNAL:
        object_of(args[0])->bits |= args[1];
        object_of(args[0])->signals++;
        return (struct fut_result){FUT_OK, 0};
    default: return (struct fut_result){FUT_ERR_UNSUPPORTED, 0};
    }
}

static alignas(FUT_IPC_BUFFER_SIZE) struct fut_ipc_buffer ipc_buffer;
void *fut_host_tls_word(unsigned n) { return n == 1 ? &ipc_buffer : nullptr; }

static struct fut_server server;
static uint64_t badge;
static struct fut_service service;

// Handles change their number on the way, and lose the rights that the message masks.
static void carry(struct fut_msg *m)
{
    unsigned n = (unsigned)FUT_TAG_CAPS(m->tag);
    bool memory = (FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) != 0;
    fut_handle_t to[4] = {};
    for (unsigned i = 0; i < n; i++) {
        fut_handle_t word = fut_msg_cap(m, i), from = word & ~FUT_CAP_MODE;
        uint32_t rights = memory && ipc_buffer.cap_rights[i] != 0 ? ipc_buffer.cap_rights[i] : ~0u;
        struct object *o = object_of(from);
        to[i] = handle_of(o, handles[from].rights & rights);
        if ((word & FUT_CAP_MODE) == FUT_CAP_MOVE)
            (void)fut_cap_delete(from);
        ipc_buffer.cap_home[i].badge = o->type;
        ipc_buffer.cap_home[i].perms = handles[to[i]].rights;
        ipc_buffer.cap_home[i].kind = FUT_CAP_IS_HANDLE;
        ipc_buffer.cap[i] = to[i];
    }
    m->caps01 = to[0] | (uint64_t)to[1] << 32;
    m->caps23 = to[2] | (uint64_t)to[3] << 32;
}

void fut_host_ipc(struct fut_msg *m)
{
    carry(m);
    struct fut_request request = {.server = &server, .badge = badge, .perms = FUT_PERMS_ALL, .ops = service.ops, .tag = m->tag};
    CHECK(service.dispatch(&request, m));
    m->control = 0;
    carry(m);
}

// --- The server and its clients ------------------------------------------------------------------------------------

#define PLACES 3
static struct fut_subscriber places[PLACES];
static struct features_watched_source source = {{77, places, PLACES}};

static fut_status_t on_state(struct fut_request *req, struct features_watched_state_result *res) { return (void)req, res->n = 5, FUT_OK; }
static fut_status_t on_events(struct fut_request *req, fut_handle_t wake, uint64_t bits, fut_handle_t life, struct features_watched_events_result *res)
{
    return features_watched_events_accept(&source, req, wake, bits, life, res);
}
static const struct features_watched_ops ops = {.state = on_state, .events = on_events};

static fut_status_t attach(struct features_watched_listener *l, uint64_t as, fut_handle_t event, uint64_t bits, fut_handle_t life)
{
    badge = as;
    return features_watched_events_attach(l, (features_watched_t){1}, 88, event, bits, life);
}

static struct fut_ring_shared *shared_of(struct features_watched_listener *l) { return (struct fut_ring_shared *)l->events.ring.theirs; }

static void send(uint32_t n) { CHECK(features_watched_send_changed(&source, FUT_EVERYONE, n, FEATURES_COLOR_BLUE) == FUT_OK); }
static bool changed(struct features_watched_listener *l, uint32_t n, uint64_t lost)
{
    struct features_watched_event e;
    return features_watched_events_next(l, &e) == FUT_OK && e.kind == FEATURES_WATCHED_EVENT_CHANGED && e.lost == lost && e.as.changed.what == n &&
           e.as.changed.color == FEATURES_COLOR_BLUE;
}
static bool nothing(struct features_watched_listener *l)
{
    struct features_watched_event e;
    return features_watched_events_next(l, &e) == FUT_ERR_WOULD_BLOCK;
}

static void test_contents(void)
{
    struct features_watched_listener a;
    struct features_watched_event e;
    fut_handle_t event = new_object(FUT_OBJ_EVENT);
    CHECK(attach(&a, 7, event, 4, 0) == FUT_OK && nothing(&a));
    CHECK((handles[a.events.memory].rights & (FUT_RIGHT_MANAGE | FUT_RIGHT_DUP)) == 0);
    send(9);
    CHECK(objects[1].signals == 0 && changed(&a, 9, 0) && nothing(&a)); // nobody slept
    CHECK(!features_watched_events_arm(&a));
    send(10);
    send(11);
    CHECK(objects[1].signals == 1 && objects[1].bits == 4 && changed(&a, 10, 0) && changed(&a, 11, 0));
    struct features_gaps gaps;
    memset(&gaps, 0xff, sizeof gaps); // padding full of what must not be sent
    gaps.a = 1, gaps.b = 2, gaps.c = true, gaps.d = 4, gaps.color = FEATURES_COLOR_GREEN, gaps.e = 6;
    const struct other_point points[] = {{1, 2}, {3, 4}};
    const uint16_t matrix[3] = {7, 8, 9};
    CHECK(features_watched_send_told(&source, 7, FUT_STRING("hello"), &gaps, (struct features_point_view){points, 2}, (struct fut_bytes){"abcdefg", 7}, true, matrix) == FUT_OK);
    CHECK(features_watched_send_told(&source, 8, FUT_STRING("other"), &gaps, (struct features_point_view){points, 2}, (struct fut_bytes){"abcdefg", 7}, true, matrix) == FUT_OK);
    CHECK(features_watched_send_told(&source, 7, FUT_STRING("longer than it may be"), &gaps, (struct features_point_view){points, 2}, (struct fut_bytes){"", 0}, true, matrix) == FUT_ERR_TOO_BIG);
    CHECK(features_watched_send_emptied(&source, 7) == FUT_OK);
    CHECK(features_watched_events_next(&a, &e) == FUT_OK && e.kind == FEATURES_WATCHED_EVENT_TOLD && e.lost == 0);
    CHECK(e.as.told.name.len == 5 && memcmp(e.as.told.name.data, "hello", 5) == 0 && e.as.told.gaps.b == 2 && e.as.told.points.len == 2 && e.as.told.points.data[1].x == 3);
    CHECK(e.as.told.data.len == 7 && memcmp(e.as.told.data.data, "abcdefg", 7) == 0 && e.as.told.flag && e.as.told.matrix[2] == 9);
    CHECK(features_watched_events_next(&a, &e) == FUT_OK && e.kind == FEATURES_WATCHED_EVENT_EMPTIED && nothing(&a));
    features_watched_events_drop(&source, 8);
    features_watched_events_drop(&source, 7);
    CHECK(features_watched_events_next(&a, &e) == FUT_ERR_PEER_CLOSED && features_watched_events_arm(&a));
    features_watched_events_detach(&a, 88);
    features_watched_events_detach(&a, 88);
    CHECK(live() == 1 && mapped_bytes == 0);
}

static void test_losses(void)
{
    struct features_watched_listener a;
    struct features_watched_event e;
    fut_handle_t event = new_object(FUT_OBJ_EVENT);
    CHECK(attach(&a, 7, event, 1, 0) == FUT_OK);
    for (uint32_t start = 0; start < 3; start++) {
        // Eight wait, three are lost; the loss is told where it happened, before the event that follows.
        for (uint32_t i = 0; i < 11; i++)
            send(i);
        CHECK(changed(&a, 0, 0) && changed(&a, 1, 0));
        send(11);
        for (uint32_t i = 2; i < 8; i++)
            CHECK(changed(&a, i, 0));
        CHECK(changed(&a, 11, 3) && nothing(&a));
        // Nothing follows: it is told at the end, also to one that is about to sleep.
        for (uint32_t i = 0; i < 10; i++)
            send(i);
        for (uint32_t i = 0; i < 8; i++)
            CHECK(changed(&a, i, 0));
        CHECK(features_watched_events_arm(&a));
        CHECK(features_watched_events_next(&a, &e) == FUT_OK && e.kind == FEATURES_WATCHED_EVENT_LOST && e.lost == 2 && nothing(&a));
        CHECK(!features_watched_events_arm(&a));
    }
    // A client that sleeps while the ring is full is woken by a loss too.
    for (uint32_t i = 0; i < 8; i++)
        send(i);
    (void)features_watched_events_arm(&a);
    unsigned before = object_of(event)->signals;
    send(8);
    CHECK(object_of(event)->signals == before + 1);
    features_watched_events_detach(&a, 88);
    send(1); // forgets it
    (void)fut_cap_delete(event);
    CHECK(live() == 1 && mapped_bytes == 0);
}

static unsigned got_changed, got_told, got_lost;
static void count_changed(void *user, uint32_t what, features_color_t color) { CHECK(user == &got_told && what < 100 && color == FEATURES_COLOR_BLUE); got_changed++; }
static void count_lost(void *user, uint64_t n) { (void)user; got_lost += (unsigned)n; }

static void test_dispatch(void)
{
    static const struct features_watched_handlers deaf = {.changed = count_changed}, handlers = {.changed = count_changed, .lost = count_lost};
    struct features_watched_listener a;
    fut_handle_t event = new_object(FUT_OBJ_EVENT);
    CHECK(attach(&a, 7, event, 1, 0) == FUT_OK);
    CHECK(features_watched_events_dispatch(&a, event, 1, &deaf, &got_told) == FUT_ERR_ARGUMENT); // losses are not to be overheard
    CHECK(features_watched_events_dispatch(&a, event, 1, &handlers, &got_told) == FUT_OK && got_changed == 0);
    for (uint32_t i = 0; i < 5; i++)
        send(i);
    CHECK(object_of(event)->signals == 1); // dispatch has armed
    CHECK(features_watched_send_emptied(&source, FUT_EVERYONE) == FUT_OK); // for which there is no handler
    CHECK(features_watched_events_dispatch(&a, event, 1, &handlers, &got_told) == FUT_OK && got_changed == 5 && got_lost == 0);
    for (uint32_t i = 0; i < 20; i++)
        send(i);
    CHECK(features_watched_events_dispatch(&a, event, 1, &handlers, &got_told) == FUT_OK);
    CHECK(features_watched_events_dispatch(&a, event, 1, &handlers, &got_told) == FUT_OK && got_changed == 13 && got_lost == 12);
    features_watched_events_detach(&a, 88);
    features_watched_events_drop(&source, 7);
    (void)fut_cap_delete(event);
    CHECK(live() == 1 && mapped_bytes == 0);
}

static void test_lifetimes(void)
{
    struct features_watched_listener l[PLACES + 1];
    fut_handle_t event = new_object(FUT_OBJ_EVENT), life = new_object(FUT_OBJ_SESSION);
    struct object *session = object_of(life);
    for (uint64_t i = 0; i < PLACES; i++)
        CHECK(attach(&l[i], i, event, 1, i == 0 ? life : 0) == FUT_OK);
    CHECK(session->handles == 1 && attach(&l[PLACES], 9, event, 1, 0) == FUT_ERR_QUOTA);
    // A client that is gone has no handle to its Memory any more: its place is free when it is wanted.
    (void)fut_cap_delete(l[1].events.memory);
    CHECK(attach(&l[PLACES], 9, event, 1, 0) == FUT_OK && attach(&l[1], 9, event, 1, 0) == FUT_ERR_QUOTA);
    // One that is gone and whose ring fills is forgotten without that.
    (void)fut_cap_delete(l[0].events.memory);
    for (uint32_t i = 0; i < 9; i++)
        send(i);
    CHECK(session->handles == 0); // `life` is how it would have known
    CHECK(places[0].memory == FUT_HANDLE_NONE && places[2].memory != FUT_HANDLE_NONE);
    no_memory = true;
    life = new_object(FUT_OBJ_SESSION);
    CHECK(attach(&l[0], 9, event, 1, life) == FUT_ERR_NO_MEMORY && object_of(event)->handles == 3); // ours and two clients'
    no_memory = false;
    features_watched_events_detach(&l[2], 88);
    features_watched_events_detach(&l[PLACES], 88);
    send(1);
    (void)fut_cap_delete(event);
    CHECK(live() == 1);
    for (size_t i = 0; i < PLACES; i++)
        CHECK(places[i].memory == FUT_HANDLE_NONE);
    mapped_bytes = 0;
}

// The server reads of the client's line only the counter, the wish and the end; whatever stands there.
static void test_hostile_client(void)
{
    struct features_watched_listener a, b;
    fut_handle_t event = new_object(FUT_OBJ_EVENT);
    for (uint32_t lie = 1; lie != 0; lie <<= 1) {
        CHECK(attach(&a, 1, event, 1, 0) == FUT_OK && attach(&b, 2, event, 1, 0) == FUT_OK);
        for (uint32_t i = 0; i < 8; i++)
            send(i);
        shared_of(&a)->consumer.at = lie;
        shared_of(&a)->consumer.wanted = lie;
        shared_of(&a)->producer.sent = lie;
        for (uint32_t i = 0; i < 8; i++)
            CHECK(changed(&b, i, 0));
        send(50);
        CHECK(changed(&b, 50, 0)); // the others do not notice
        CHECK((places[0].memory == FUT_HANDLE_NONE) == (lie > 8)); // found out, or believed to have read
        features_watched_events_detach(&a, 88);
        features_watched_events_detach(&b, 88);
        send(1);
        CHECK(live() == 2 && mapped_bytes == 0);
    }
    (void)fut_cap_delete(event);
}

static void test_hostile_server(void)
{
    struct features_watched_listener a;
    struct features_watched_event e;
    fut_handle_t event = new_object(FUT_OBJ_EVENT);
    srand(3);
    for (unsigned round = 0; round < 20000; round++) {
        if (a.events.memory == 0 || round == 0 || a.events.ring.broken) {
            if (round != 0)
                features_watched_events_detach(&a, 88);
            features_watched_events_drop(&source, 1);
            if (object_count > 400 || handle_count > 1800) { // a new table
                for (unsigned i = 1; i <= object_count; i++)
                    free(objects[i].data);
                memset(handles, 0, sizeof handles);
                object_count = handle_count = 0;
                event = new_object(FUT_OBJ_EVENT);
            }
            CHECK(attach(&a, 1, event, 1, 0) == FUT_OK);
        }
        send(3);
        uint8_t *line = (uint8_t *)shared_of(&a);
        if (rand() % 4 == 0)
            line[rand() % 16] = (uint8_t)rand();
        if (rand() % 3 == 0)
            line[128 + rand() % (FEATURES_WATCHED_EVENTS_COUNT * FEATURES_WATCHED_EVENTS_SLOT)] = (uint8_t)rand();
        for (unsigned i = 0; i < 20 && features_watched_events_next(&a, &e) == FUT_OK; i++)
            CHECK(e.kind == 0 ? e.lost != 0 : e.kind >= 16 && e.kind <= 18);
        (void)features_watched_events_arm(&a);
    }
    features_watched_events_detach(&a, 88);
}

int main(void)
{
    service = features_watched_service(&ops);
    test_contents();
    test_losses();
    test_dispatch();
    test_lifetimes();
    test_hostile_client();
    test_hostile_server();
    puts("ok");
    return 0;
}
