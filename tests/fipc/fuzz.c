// SPDX-License-Identifier: MPL-2.0
//
// libFuzzer target for one library: any bytes as a request to its server and as a reply to its client. Nothing
// may crash, a message reaches at most one handler, and no capability that came with it is left over.
#include "sim.h"
#include "vectors.h"
#include <futura/ring.h>
#include <stdlib.h>

static struct fut_server server;
static const uint8_t *input;
static size_t left;

static uint64_t take(size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n && left > 0; i++, left--)
        value |= (uint64_t)*input++ << (8 * i);
    return value;
}

// Half of the messages start as a golden one, so that the fuzzer gets past the headers.
static void message(struct fut_msg *m, const struct fut_vector *v)
{
    uint64_t how = take(1);
    unsigned caps;
    m->tag = v->tag ^ ((how & 1) != 0 ? take(1) << 16 | take(1) << 24 : 0) ^ ((how & 2) != 0 ? take(2) : 0);
    m->caps01 = m->caps23 = 0;
    bool memory = (FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) != 0;
    uint8_t *body = memory ? fut_ipc_buffer()->body : (uint8_t *)m->w;
    const struct fut_base *base = &fut_test_library.bases[v->base];
    size_t capacity = memory ? FUT_IPC_BODY_SIZE : sizeof m->w, length = base->length < capacity ? base->length : capacity;
    memcpy(body, base->data, length);
    if ((how & 4) != 0)
        length = (size_t)take(2) % (capacity + 1);
    caps = (unsigned)FUT_TAG_CAPS(m->tag);
    if (!memory && caps > FUT_IPC_REG_CAPS) { // the kernel takes no such message
        caps = FUT_IPC_REG_CAPS;
        m->tag = (m->tag & ~FUT_TAG(0, 0, 0, 15, 0, 0)) | FUT_TAG(0, 0, 0, 4, 0, 0);
    }
    for (unsigned i = 0; i < caps; i++) {
        const struct fut_vector_cap *like = i < v->cap_count ? &v->cap[i] : &(struct fut_vector_cap){FUT_OBJ_EVENT, ~0u, FUT_CAP_IS_HANDLE};
        uint32_t type = (how & 8) != 0 ? (uint32_t)take(1) % 15 : like->type, rights = (how & 16) != 0 ? (uint32_t)take(4) : like->rights;
        uint32_t kind = (how & 32) != 0 ? (uint32_t)take(1) % 3 : like->kind;
        sim_cap(m, i, kind == FUT_CAP_IS_HANDLE ? sim_handle(type, rights) : 0, type, rights, kind);
    }
    while (left > 2) {
        size_t at = (size_t)take(2) % capacity;
        body[at] = (uint8_t)take(1);
    }
    if (memory)
        m->w[0] = length;
}

static const struct fut_vector *reply_like;
static bool answer(struct fut_msg *m)
{
    m->control = 0;
    message(m, reply_like);
    return true;
}

// Whatever the other side of a ring writes: its consumer takes it or refuses it, and reads nothing beside it.
static int fuzz_ring(void)
{
    const struct fut_slot_vector *v = &fut_test_library.slots[take(2) % fut_test_library.slot_count];
    const struct fut_test_ring *ring = &fut_test_library.rings[v->ring];
    struct fut_ring_shared *shared = sim_ring(v);
    uint8_t *slot = sim_ring_slot();
    uint64_t how = take(1);
    if ((how & 1) != 0)
        shared->producer.at = (uint32_t)take(4);
    if ((how & 2) != 0)
        shared->producer.sent = (uint32_t)take(4);
    if ((how & 4) != 0)
        shared->producer.end = (uint32_t)take(4);
    while (left > 2) {
        size_t at = (size_t)take(2) % ring->size;
        slot[at] = (uint8_t)take(1);
    }
    fut_status_t status = ring->take(shared);
    if (status != FUT_OK && status != FUT_ERR_INVALID && status != FUT_ERR_WOULD_BLOCK && status != FUT_ERR_PEER_CLOSED)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    left = size;
    if (fut_test_library.slot_count != 0 && take(1) % 3 == 0)
        return fuzz_ring();
    const struct fut_vector *v = &fut_test_library.vectors[take(2) % fut_test_library.vector_count];
    const struct fut_test_method *method = &fut_test_library.methods[v->method];
    sim_reset();
    if (v->reply) {
        reply_like = v;
        sim_ipc = answer;
        (void)method->call(1000000);
    } else {
        struct fut_msg m = {};
        message(&m, v);
        struct fut_request request = {.server = &server, .perms = FUT_PERMS_ALL, .ops = method->service->ops, .tag = m.tag, .oneway = method->oneway};
        uint64_t before = fut_test_handled;
        (void)method->service->dispatch(&request, &m);
        if (fut_test_handled - before > 1)
            abort();
    }
    if (sim_live() != 0 || sim_errors() != 0)
        abort();
    return 0;
}
