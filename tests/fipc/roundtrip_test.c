// SPDX-License-Identifier: MPL-2.0
//
// Generated client and server of features.fipc in one process: what goes in comes out, errors and facets reach
// the caller, refused calls send nothing, a restarted server is asked again exactly where that is harmless.
#include "sim.h"
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

static struct fut_server server;
static uint32_t perms = FUT_PERMS_ALL;
static unsigned sends, restarts;   // IPC calls made; how many of the next ones fail as if the server had restarted
static uint64_t last_control;
static struct fut_msg saved_reply; // what a deferred reply sent
static const struct fut_service *services[5];

// The kernel's part: capabilities change their handles on the way, by mode.
static void carry_caps(struct fut_msg *m)
{
    unsigned n = (unsigned)FUT_TAG_CAPS(m->tag);
    bool memory = (FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) != 0;
    uint32_t word[15], rights[15];
    for (unsigned i = 0; i < n; i++) {
        word[i] = fut_msg_cap(m, i);
        rights[i] = memory && fut_ipc_buffer()->cap_rights[i] != 0 ? fut_ipc_buffer()->cap_rights[i] : ~0u;
    }
    m->caps01 = m->caps23 = 0;
    for (unsigned i = 0; i < n; i++) {
        fut_handle_t h = word[i] & ~FUT_CAP_MODE;
        if ((word[i] & FUT_CAP_MODE) == FUT_CAP_LEND) {
            sim_cap(m, i, 0, 0, 0, FUT_CAP_IS_LENT);
            continue;
        }
        // Handles from 60000 on are Sessions of the server's own Channel, and come home.
        if (h >= 60000) {
            sim_cap(m, i, 0, h, 0xffff & rights[i] >> 16, FUT_CAP_IS_HOME);
            continue;
        }
        uint32_t type = h >= 50000 ? FUT_OBJ_SESSION : h >= 40000 ? FUT_OBJ_MEMORY : h >= 30000 ? FUT_OBJ_TASK : FUT_OBJ_EVENT;
        sim_cap(m, i, sim_handle(type, rights[i]) , type, rights[i], FUT_CAP_IS_HANDLE);
    }
}

static bool ipc(struct fut_msg *m)
{
    sends++;
    last_control = m->control;
    uint8_t op = (uint8_t)m->control;
    if (op == FUT_SYS_REPLY) {
        saved_reply = *m;
        m->control = 0;
        return true;
    }
    if (restarts > 0) {
        restarts--;
        m->control = (uint32_t)FUT_ERR_RESTARTED | (uint64_t)FUT_OUT_MAYBE << 56;
        m->w[0] = 0xdead; // registers are dead after a failed call
        return true;
    }
    carry_caps(m);
    struct fut_request request = {.server = &server, .badge = 7, .perms = perms, .oneway = op == FUT_SYS_SEND, .tag = m->tag};
    for (size_t i = 0; i < 5; i++)
        if (services[i]->protocol == m->tag >> 32) {
            request.ops = services[i]->ops;
            bool replied = services[i]->dispatch(&request, m);
            if (!replied && !request.oneway)
                *m = saved_reply;
            m->control = 0;
            carry_caps(m);
            return true;
        }
    return false;
}

// --- The server ----------------------------------------------------------------------------------------------

static fut_status_t on_nothing(struct fut_request *req) { return req->badge == 7 ? FUT_OK : FUT_ERR_STATE; }
static fut_status_t on_bools(struct fut_request *req, bool a, bool b, bool c, struct features_values_bools_result *res)
{
    (void)req;
    res->d = a && !b && c;
    return b ? OTHER_FAILURE_LATE : FUT_OK;
}
static fut_status_t on_ints(struct fut_request *req, uint8_t a, int16_t b, uint32_t c, int64_t d, int8_t e, struct features_values_ints_result *res)
{
    (void)req;
    *res = (struct features_values_ints_result){a, b, c, d, e};
    return FUT_OK;
}
static fut_status_t on_structs(struct fut_request *req, const struct features_gaps *gaps, const struct other_point *point,
                               struct features_values_structs_result *res)
{
    (void)req;
    memset(&res->nested, 0x55, sizeof res->nested); // what a handler leaves between the fields must not get out
    res->nested = (struct features_nested){.gaps = {*gaps, *gaps}, .point = *point, .matrix = {{1, 2, 3}, {4, 5, 6}}, .f = 1.5f, .g = -2.5};
    return FUT_OK;
}
static fut_status_t on_eight(struct fut_request *req, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h,
                             struct features_values_eight_result *res)
{
    (void)req;
    *res = (struct features_values_eight_result){h, g, f, e, d, c, b, a};
    return FUT_OK;
}
static unsigned shouts;
static fut_status_t on_shout(struct fut_request *req, uint32_t loudness, struct fut_string words)
{
    CHECK(req->oneway && loudness == 11 && words.len == 5 && memcmp(words.data, "hello", 5) == 0);
    shouts++;
    return FUT_OK;
}
static fut_status_t on_slow(struct fut_request *req)
{
    fut_reply_t reply = fut_request_defer(req);
    CHECK(reply.h != 0 && features_values_slow_reply(reply) == FUT_OK);
    (void)fut_cap_delete(reply.h); // the kernel's part
    return FUT_DEFER;
}

static fut_status_t on_bytes(struct fut_request *req, struct fut_bytes data, struct features_parts_bytes_result *res)
{
    (void)req;
    for (size_t i = 0; i < data.len; i++)
        ((uint8_t *)res->data_out.data)[data.len - 1 - i] = ((const uint8_t *)data.data)[i];
    res->data_out.len = data.len;
    return FUT_OK;
}
static fut_status_t on_strings(struct fut_request *req, struct fut_string a, struct fut_string b, struct features_parts_strings_result *res)
{
    (void)req;
    memcpy(res->c.data, a.data, a.len);
    res->c.len = a.len;
    res->d = (struct fut_buffer){.data = (void *)b.data, .len = b.len}; // longer than its bound: refused
    return FUT_OK;
}
static fut_status_t on_vectors(struct fut_request *req, struct features_point_view points, struct features_gaps_view gaps, struct fut_bool_view flags,
                               struct features_color_view colors, struct features_parts_vectors_result *res)
{
    (void)req;
    CHECK(flags.len == 2 && flags.data[1] && colors.len == 1 && colors.data[0] == FEATURES_COLOR_BLUE);
    for (size_t i = 0; i < points.len && i < res->numbers.capacity; i++)
        res->numbers.data[res->numbers.len++] = (uint16_t)(points.data[i].x + points.data[i].y);
    res->gaps_out.data[res->gaps_out.len++] = gaps.data[gaps.len - 1];
    return FUT_OK;
}

static fut_status_t on_look(struct fut_request *req, struct features_caps_look_result *res)
{
    (void)req;
    res->n = 5;
    return FUT_OK;
}
static fut_status_t on_touch(struct fut_request *req, uint32_t n) { return (void)req, n == 6 ? FUT_OK : FUT_ERR_STATE; }
static fut_status_t on_destroy(struct fut_request *req) { return (void)req, FUT_OK; }
static fut_status_t on_give(struct fut_request *req, fut_handle_t e, fut_handle_t m, uint32_t n, struct features_caps_give_result *res)
{
    (void)req;
    CHECK(e != 0 && m != 0);
    (void)fut_cap_delete(e);
    (void)fut_cap_delete(m);
    res->t = n == 0 ? 0 : 30001;
    return FUT_OK;
}
static fut_status_t on_maybe(struct fut_request *req, struct fut_cap_arg a, struct fut_cap_arg b, uint8_t n, struct features_caps_maybe_result *res)
{
    (void)req;
    switch (n) {
    case 0: CHECK(a.h == 0 && !a.home && b.h == 0 && !b.home); break;
    case 1:
        CHECK(a.home && a.badge == 60001 && b.h != 0);
        (void)fut_cap_delete(b.h);
        res->b_out = 20001;
        break;
    default:
        CHECK(a.h == 0 && b.h != 0);
        (void)fut_cap_delete(b.h);
        res->a_out.h = 50002;
    }
    return FUT_OK;
}
static fut_status_t on_narrow(struct fut_request *req, struct fut_cap_arg c, struct features_caps_narrow_result *res)
{
    (void)req;
    CHECK(c.home && c.perms == FEATURES_CAPS_FACET_LOOK);
    res->c_out.h = 50001;
    return FUT_OK;
}
static fut_status_t on_lend(struct fut_request *req, struct fut_lease_arg from, struct fut_lease_arg to, struct fut_lease_arg both,
                            struct features_caps_lend_result *res)
{
    uint8_t byte;
    CHECK(from.index == FUT_LENT_RANGE && to.index == FUT_LENT_RANGE + 1 && both.index == FUT_LENT_RANGE + 2);
    CHECK(fut_lease_read(req, &from, from.len, &byte, 1) == FUT_ERR_ARGUMENT);
    CHECK(fut_lease_read(req, &from, SIZE_MAX, &byte, 2) == FUT_ERR_ARGUMENT);
    const struct fut_lease *lease = fut_ipc_buffer()->lease;
    CHECK(lease[0].rights == FUT_RIGHT_READ && lease[1].rights == FUT_RIGHT_WRITE && lease[2].rights == (FUT_RIGHT_READ | FUT_RIGHT_WRITE));
    res->n = from.len + to.len + both.len;
    return FUT_OK;
}

static const struct features_values_ops values_ops = {.nothing = on_nothing, .bools = on_bools, .ints = on_ints, .structs = on_structs, .eight = on_eight,
                                                      .shout = on_shout, .slow = on_slow};
static const struct features_parts_ops parts_ops = {.bytes = on_bytes, .strings = on_strings, .vectors = on_vectors};
static const struct features_caps_ops caps_ops = {.look = on_look, .touch = on_touch, .destroy = on_destroy, .give = on_give, .maybe = on_maybe,
                                                  .narrow = on_narrow, .lend = on_lend};

// --- The client ------------------------------------------------------------------------------------------------

static void test_values(void)
{
    features_values_t v = {50000};
    CHECK(features_values_nothing(v) == FUT_OK);
    bool d = false;
    CHECK(features_values_bools(v, true, false, true, &d) == FUT_OK && d);
    CHECK(features_values_bools(v, true, true, true, nullptr) == OTHER_FAILURE_LATE);
    uint8_t a; int16_t b; uint32_t c; int64_t i; int8_t e;
    CHECK(features_values_ints(v, 255, -2, 0xffffffff, INT64_MIN, -128, &a, &b, &c, &i, &e) == FUT_OK);
    CHECK(a == 255 && b == -2 && c == 0xffffffff && i == INT64_MIN && e == -128);
    struct features_gaps gaps;
    memset(&gaps, 0xff, sizeof gaps); // padding full of what must not be sent
    gaps.a = 1, gaps.b = 2, gaps.c = true, gaps.d = 4, gaps.color = FEATURES_COLOR_GREEN, gaps.e = 6;
    struct other_point point = {-1, 1};
    struct features_nested nested;
    CHECK(features_values_structs(v, &gaps, &point, &nested) == FUT_OK);
    CHECK(nested.gaps[1].b == 2 && nested.gaps[0].c && nested.point.x == -1 && nested.matrix[1][2] == 6 && nested.g == -2.5);
    uint64_t w[8];
    CHECK(features_values_eight(v, 1, 2, 3, 4, 5, 6, 7, 8, &w[0], &w[1], &w[2], &w[3], &w[4], &w[5], &w[6], &w[7]) == FUT_OK);
    CHECK(w[0] == 8 && w[7] == 1);
    CHECK(features_values_shout(v, 11, FUT_STRING("hello")) == FUT_OK && shouts == 1);
    CHECK(features_values_slow(v) == FUT_OK);
    CHECK(features_values_floats(v, 0, 0, nullptr, nullptr) == FUT_ERR_UNKNOWN_METHOD);
    // A deadline from the protocol, and one from the caller.
    struct fut_call_options options = {.deadline = 77, .interruptible = true};
    CHECK(fut_ipc_buffer()->deadline == 1000 + 5000000);
    CHECK(features_values_nothing_opt(v, &options) == FUT_OK && fut_ipc_buffer()->deadline == 77);
    CHECK((last_control >> 8 & 0xff) == (FUT_IPC_DEADLINE | FUT_IPC_INTERRUPTIBLE));
    // What may be repeated is, three times; what may not is not, and its caller is told why.
    restarts = 3, sends = 0;
    CHECK(features_values_bools(v, true, false, true, &d) == FUT_OK && d && sends == 4);
    restarts = 100;
    CHECK(features_values_bools(v, true, false, true, &d) == FUT_ERR_RESTARTED);
    restarts = 1, sends = 0;
    CHECK(features_values_nothing_opt(v, &options) == FUT_ERR_RESTARTED && sends == 1 && options.maybe);
    restarts = 0;
}

static void test_parts(void)
{
    features_parts_t p = {50000};
    uint8_t data[5001];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= 5000; n += n < 20 ? 1 : 1245) {
        struct fut_bytes back;
        CHECK(features_parts_bytes(p, (struct fut_bytes){data, n}, &back) == FUT_OK && back.len == n);
        for (size_t i = 0; i < n; i++)
            CHECK(((const uint8_t *)back.data)[i] == data[n - 1 - i]);
        // A view goes straight into the next call.
        CHECK(features_parts_bytes(p, back, &back) == FUT_OK && back.len == n && memcmp(back.data, data, n) == 0);
    }
    sends = 0;
    CHECK(features_parts_bytes(p, (struct fut_bytes){data, 5001}, nullptr) == FUT_ERR_TOO_BIG && sends == 0);
    struct fut_string c;
    struct fut_bytes d;
    CHECK(features_parts_strings(p, FUT_STRING("abc"), FUT_STRING("0123456789"), &c, &d) == FUT_OK && c.len == 3 && d.len == 10);
    CHECK(features_parts_strings(p, c, FUT_STRING("x"), &c, &d) == FUT_ERR_ARGUMENT); // a view, and another part
    CHECK(features_parts_strings(p, FUT_STRING("abc"), FUT_STRING("0123456789x"), &c, &d) == FUT_ERR_TOO_BIG);
    CHECK(features_parts_strings(p, FUT_STRING("\xff"), FUT_STRING(""), &c, &d) == FUT_ERR_INVALID);
    const struct other_point points[] = {{1, 2}, {-3, 4}};
    const struct features_gaps gaps[] = {{.a = 9}, {.a = 8, .b = 7, .color = FEATURES_COLOR_RED}};
    const bool flags[] = {false, true};
    const features_color_t colors[] = {FEATURES_COLOR_BLUE};
    struct fut_u16_view numbers;
    struct features_gaps_view some;
    CHECK(features_parts_vectors(p, (struct features_point_view){points, 2}, (struct features_gaps_view){gaps, 2}, (struct fut_bool_view){flags, 2},
                                 (struct features_color_view){colors, 1}, &numbers, &some) == FUT_ERR_INVALID); // gaps[0].color is no Color
    CHECK(features_parts_vectors(p, (struct features_point_view){points, 2}, (struct features_gaps_view){gaps + 1, 1}, (struct fut_bool_view){flags, 2},
                                 (struct features_color_view){colors, 1}, &numbers, &some) == FUT_OK);
    CHECK(numbers.len == 2 && numbers.data[0] == 3 && numbers.data[1] == 1 && some.len == 1 && some.data[0].b == 7);
}

static void test_caps(void)
{
    features_caps_t s = {60000};
    fut_handle_t t = 0;
    CHECK(features_caps_give(s, 20000, 40000, 1, &t) == FUT_OK && t != 0 && sim_live() == 1);
    (void)fut_cap_delete(t);
    CHECK(features_caps_give(s, 20000, 40000, 1, nullptr) == FUT_OK && sim_live() == 0);     // nobody wants it
    CHECK(features_caps_give(s, 20000, 40000, 0, &t) == FUT_ERR_HANDLE && sim_live() == 0);  // the handler forgot it
    CHECK(features_caps_give(s, 0, 40000, 1, &t) == FUT_ERR_HANDLE);
    CHECK(features_caps_give(s, 40000, 40000, 1, &t) == FUT_ERR_INVALID && sim_live() == 0); // a memory is no event
    features_caps_t a;
    fut_handle_t b;
    CHECK(features_caps_maybe(s, (features_caps_t){}, (features_values_t){}, 0, &a, &b) == FUT_OK && a.h == 0 && b == 0);
    CHECK(features_caps_maybe(s, (features_caps_t){60001}, (features_values_t){50007}, 1, &a, &b) == FUT_OK && a.h == 0 && b != 0);
    (void)fut_cap_delete(b);
    CHECK(features_caps_maybe(s, (features_caps_t){}, (features_values_t){50007}, 2, &a, &b) == FUT_OK && a.h != 0 && b == 0);
    (void)fut_cap_delete(a.h);
    CHECK(features_caps_narrow(s, (features_caps_t){60005}, &a) == FUT_OK && a.h != 0);
    (void)fut_cap_delete(a.h);
    uint8_t memory[64];
    uint64_t n;
    CHECK(features_caps_lend(s, (struct fut_bytes){memory, 3}, (struct fut_buffer){memory, 40, 0}, (struct fut_buffer){memory, 21, 0}, &n) == FUT_OK && n == 64);
    CHECK(sim_live() == 0 && sim_errors() == 0);
}

static fut_status_t on_set(struct fut_request *req, struct fut_string name, const struct features_options *o, struct features_tables_set_result *res)
{
    (void)req;
    CHECK(name.len == 3);
    res->o_out = *o;
    memset((uint8_t *)&res->o_out + 8 + 3, 0xff, 5); // between the members
    res->o_out.has |= FEATURES_OPTIONS_HAS_ON | 1ull << 40; // which nobody knows
    res->o_out.on = true;
    return FUT_OK;
}
static const struct features_tables_ops tables_ops = {.set = on_set};

static void test_tables(void)
{
    features_tables_t t = {50000};
    struct features_options o, back;
    memset(&o, 0xff, sizeof o); // what is absent, and what lies between, must not be sent
    o.has = FEATURES_OPTIONS_HAS_PERM | FEATURES_OPTIONS_HAS_SIZE;
    o.perm = 0644;
    o.size = 7;
    CHECK(features_tables_set(t, FUT_STRING("abc"), &o, &back) == FUT_OK);
    CHECK(back.has == (FEATURES_OPTIONS_HAS_PERM | FEATURES_OPTIONS_HAS_SIZE | FEATURES_OPTIONS_HAS_ON) && back.perm == 0644 && back.size == 7 && back.on && back.color == 0);
    o = (struct features_options){};
    CHECK(features_tables_set(t, FUT_STRING("abc"), &o, &back) == FUT_OK && back.has == FEATURES_OPTIONS_HAS_ON);
    o = (struct features_options){.has = FEATURES_OPTIONS_HAS_COLOR, .color = 77};
    CHECK(features_tables_set(t, FUT_STRING("abc"), &o, &back) == FUT_ERR_INVALID);
}

static fut_status_t on_draw(struct fut_request *req, const struct features_shape *s, struct fut_string name, struct features_unions_draw_result *res)
{
    (void)req;
    (void)name;
    memset(&res->s_out, 0xff, sizeof res->s_out); // what is left over must not be sent
    if (s->is == FEATURES_SHAPE_IS_CIRCLE) {
        res->s_out.is = FEATURES_SHAPE_IS_MATRIX;
        memcpy(res->s_out.as.matrix, (uint16_t[]){1, 2, (uint16_t)s->as.circle}, 6);
    } else if (s->is == FEATURES_SHAPE_IS_GAPS) {
        res->s_out.is = FEATURES_SHAPE_IS_GAPS;
        res->s_out.as.gaps.a = s->as.gaps.a, res->s_out.as.gaps.b = s->as.gaps.b, res->s_out.as.gaps.c = s->as.gaps.c;
        res->s_out.as.gaps.d = s->as.gaps.d, res->s_out.as.gaps.color = s->as.gaps.color, res->s_out.as.gaps.e = s->as.gaps.e;
    } else {
        res->s_out.is = 99;
    }
    return FUT_OK;
}
static const struct features_unions_ops unions_ops = {.draw = on_draw};

static void test_unions(void)
{
    features_unions_t u = {50000};
    struct features_shape s, back;
    memset(&s, 0xff, sizeof s);
    s.is = FEATURES_SHAPE_IS_CIRCLE, s.as.circle = 77;
    CHECK(features_unions_draw(u, &s, FUT_STRING("abc"), &back) == FUT_OK && back.is == FEATURES_SHAPE_IS_MATRIX && back.as.matrix[1] == 2 && back.as.matrix[2] == 77);
    s.is = FEATURES_SHAPE_IS_GAPS;
    s.as.gaps.a = 1, s.as.gaps.b = 2, s.as.gaps.c = true, s.as.gaps.d = 4, s.as.gaps.color = FEATURES_COLOR_GREEN, s.as.gaps.e = 6;
    CHECK(features_unions_draw(u, &s, FUT_STRING("abc"), &back) == FUT_OK && back.is == FEATURES_SHAPE_IS_GAPS && back.as.gaps.d == 4 && back.zero == 0);
    sends = 0;
    s.is = 0;
    CHECK(features_unions_draw(u, &s, FUT_STRING("abc"), &back) == FUT_ERR_ARGUMENT);
    s.is = 6;
    CHECK(features_unions_draw(u, &s, FUT_STRING("abc"), &back) == FUT_ERR_ARGUMENT && sends == 0);
    s.is = FEATURES_SHAPE_IS_FLAG, s.as.flag = true;
    CHECK(features_unions_draw(u, &s, FUT_STRING("abc"), &back) == FUT_ERR_ARGUMENT); // the server's answer is no member
    CHECK(sends == 1);
}

// A table that has grown: each program takes what it knows of the other one's.
static void test_growth(void)
{
    struct features_after new = {.has = 31, .a = 1, .b = 2, .c = 3, .d = 4, .color = FEATURES_COLOR_GREEN}, new_image, new_back;
    struct features_before old = {.has = 3, .a = 5, .b = 6}, old_image, old_back;
    size_t n = features_after_pack(&new_image, &new);
    CHECK(n == sizeof new && features_before_unpack(&old_back, &new_image, n) && old_back.has == 3 && old_back.a == 1 && old_back.b == 2);
    CHECK(((const uint8_t *)&old_back)[12] == 0 && ((const uint8_t *)&old_back)[15] == 0);
    new.has = 4; // only what the old one does not know
    n = features_after_pack(&new_image, &new);
    CHECK(n == 16 && features_before_unpack(&old_back, &new_image, n) && old_back.has == 0 && old_back.a == 0);
    n = features_before_pack(&old_image, &old);
    CHECK(n == 16 && features_after_unpack(&new_back, &old_image, n) && new_back.has == 3 && new_back.b == 6 && new_back.d == 0);
    old.has = 0;
    n = features_before_pack(&old_image, &old);
    CHECK(n == 8 && features_after_unpack(&new_back, &old_image, n) && new_back.has == 0 && new_back.a == 0);
    // What lies behind must be said to be there.
    new = (struct features_after){.has = 8, .d = 1};
    n = features_after_pack(&new_image, &new);
    new_image.has = 0;
    CHECK(!features_before_unpack(&old_back, &new_image, n) && !features_after_unpack(&new_back, &new_image, n));
    // Said to be there, and cut off.
    new_image.has = 8;
    CHECK(features_after_unpack(&new_back, &new_image, n) && !features_after_unpack(&new_back, &new_image, 16) && !features_after_unpack(&new_back, &new_image, 7));
}

static void test_facets(void)
{
    features_caps_t s = {60000};
    uint32_t n;
    perms = FEATURES_CAPS_FACET_LOOK;
    CHECK(features_caps_look(s, &n) == FUT_OK && n == 5);
    CHECK(features_caps_touch(s, 6) == FUT_ERR_FACET);
    CHECK(features_caps_destroy(s) == FUT_ERR_FACET);
    CHECK(features_caps_give(s, 20000, 40000, 1, nullptr) == FUT_ERR_FACET && sim_live() == 0);
    perms = FEATURES_CAPS_FACET_TOUCH;
    CHECK(features_caps_look(s, &n) == FUT_OK && features_caps_touch(s, 6) == FUT_OK && features_caps_destroy(s) == FUT_ERR_FACET);
    perms = 0;
    CHECK(features_caps_look(s, &n) == FUT_ERR_FACET);
    perms = FUT_PERMS_ALL;
    CHECK(features_caps_destroy(s) == FUT_OK);
}

int main(void)
{
    const struct fut_service values = features_values_service(&values_ops), parts = features_parts_service(&parts_ops), caps = features_caps_service(&caps_ops), tables = features_tables_service(&tables_ops),
                             unions = features_unions_service(&unions_ops);
    services[0] = &values, services[1] = &parts, services[2] = &caps, services[3] = &tables, services[4] = &unions;
    sim_reset();
    sim_ipc = ipc;
    test_values();
    test_parts();
    test_caps();
    test_facets();
    test_tables();
    test_unions();
    test_growth();
    puts("ok");
    return 0;
}
