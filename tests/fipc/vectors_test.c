// SPDX-License-Identifier: MPL-2.0
//
// Runs the golden messages of one library against its generated server and client. A good message reaches its
// handler, or comes out of the client function as success; one that is wrong in one place is answered INVALID
// and reaches nobody. Afterwards no capability that came with it exists any more.
#include "sim.h"
#include "vectors.h"
#include <stdio.h>
#include <stdlib.h>

static struct fut_server server;
static const struct fut_vector *current;

static void deliver(const struct fut_vector *v, struct fut_msg *m)
{
    const struct fut_base *base = &fut_test_library.bases[v->base];
    static uint8_t body[FUT_IPC_BODY_SIZE];
    uint32_t copied = v->length < base->length ? v->length : base->length;
    memset(body, 0, sizeof body);
    memcpy(body, base->data, copied);
    for (unsigned i = 0; i < v->patch_bytes; i++)
        body[v->patch_at + i] = (uint8_t)(v->patch >> (8 * i));
    m->tag = v->tag;
    m->caps01 = m->caps23 = 0;
    if ((FUT_TAG_FLAGS(v->tag) & FUT_TAG_MEMORY) != 0) {
        memcpy(fut_ipc_buffer()->body, body, v->length);
        m->w[0] = v->length;
    } else {
        memcpy(m->w, body, sizeof m->w);
    }
    for (unsigned i = 0; i < v->cap_count; i++) {
        const struct fut_vector_cap *cap = &v->cap[i];
        if (cap->kind != FUT_CAP_IS_HANDLE)
            sim_cap(m, i, 0, 42, 0xffff, cap->kind);
        else
            sim_cap(m, i, sim_handle(cap->type, cap->rights), cap->type, cap->rights, FUT_CAP_IS_HANDLE);
    }
}

static bool reply_with_vector(struct fut_msg *m)
{
    m->control = 0;
    deliver(current, m);
    return true;
}

static bool run_request(const struct fut_vector *v)
{
    const struct fut_test_method *method = &fut_test_library.methods[v->method];
    struct fut_msg m = {};
    deliver(v, &m);
    struct fut_request request = {.server = &server, .perms = FUT_PERMS_ALL, .ops = method->service->ops, .tag = m.tag, .oneway = method->oneway};
    uint64_t before = fut_test_handled;
    bool replied = method->service->dispatch(&request, &m);
    uint64_t handled = fut_test_handled - before;
    if (v->verdict == FUT_VERDICT_GOOD) {
        // The same as the other kind of message: refused.
        struct fut_msg other = {};
        deliver(v, &other);
        request.oneway = !request.oneway;
        bool answered = method->service->dispatch(&request, &other);
        return handled == 1 && replied == !method->oneway && fut_test_handled - before == 1 && answered == method->oneway;
    }
    fut_status_t expected = v->verdict == FUT_VERDICT_UNKNOWN ? FUT_ERR_UNKNOWN_METHOD : FUT_ERR_INVALID;
    if (method->oneway)
        return handled == 0 && !replied;
    return handled == 0 && replied && (FUT_TAG_FLAGS(m.tag) & FUT_TAG_ERROR) != 0 && (int64_t)m.w[0] == expected && FUT_TAG_CAPS(m.tag) == 0;
}

static bool run_reply(const struct fut_vector *v)
{
    current = v;
    sim_ipc = reply_with_vector;
    // One vector: the call needs a Session to pass, which is not one of those that come back.
    fut_status_t status = fut_test_library.methods[v->method].call(1000000);
    return v->verdict == FUT_VERDICT_GOOD ? status == FUT_OK : status == FUT_ERR_INVALID;
}

static bool run_slot(const struct fut_slot_vector *v)
{
    fut_status_t status = fut_test_library.rings[v->ring].take(sim_ring(v));
    return status == (v->verdict == FUT_VERDICT_GOOD ? FUT_OK : v->verdict == FUT_VERDICT_UNKNOWN ? FUT_ERR_WOULD_BLOCK : FUT_ERR_INVALID);
}

int main(void)
{
    size_t failures = 0, counts[3] = {};
    for (size_t i = 0; i < fut_test_library.vector_count; i++) {
        const struct fut_vector *v = &fut_test_library.vectors[i];
        sim_reset();
        bool ok = v->reply ? run_reply(v) : run_request(v);
        counts[v->verdict]++;
        if (ok && sim_live() == 0 && sim_errors() == 0)
            continue;
        printf("FAILED %s%s\n", v->what, ok ? ": capabilities leaked or deleted twice" : "");
        failures++;
    }
    for (size_t i = 0; i < fut_test_library.slot_count; i++) {
        const struct fut_slot_vector *v = &fut_test_library.slots[i];
        counts[v->verdict]++;
        if (run_slot(v))
            continue;
        printf("FAILED %s\n", v->what);
        failures++;
    }
    printf("%s: %zu good, %zu invalid, %zu unknown messages, %zu failures\n", fut_test_library.name, counts[0], counts[1], counts[2], failures);
    return failures != 0 || counts[0] == 0;
}
