// SPDX-License-Identifier: MPL-2.0
//
// The typed functions of a ring: thin inline wrappers of <futura/ring.h>, so that a record of another ring, or the
// other end, does not compile. A record is copied out of the shared Memory before it is checked, and what stands
// between its fields is zero before it is copied in.
#include "fipcc.h"

size_t ring_bytes(const struct decl *ring) { return (128 + (size_t)ring->slots->count * ring->size + 4095) & ~(size_t)4095; }

// static inline bool NAME_valid(const C *value)
void put_valid(struct out *o, const char *name, const char *c, const struct plan *plan)
{
    if (plan_is_empty(plan))
        return;
    put(o, "static inline bool %s_valid(const %s *fut_value)\n{\n    uint64_t fut_words[%u] = {};\n    __builtin_memcpy(fut_words, fut_value, %u);\n", name, c, (plan->size + 7) / 8, plan->size);
    put_checks(o, "    ", "fut_words", plan, "return false");
    put(o, "    return true;\n}\n");
}

static void put_record_functions(struct out *o, const struct decl *ring, const char *c)
{
    const char *name = ring->prefix;
    struct plan plan = plan_of_type(ring->slots->element);
    bool checked = !plan_is_empty(&plan), gaps = false;
    for (unsigned i = 0; i < plan.size; i++)
        gaps |= plan.padding[i] != 0;
    put_valid(o, arena_printf("%s_record", name), c, &plan);
    put(o, "[[nodiscard]] static inline fut_status_t %s_put(struct %s_producer *fut_end, const %s *fut_record)\n{\n", name, name, c);
    put(o, "    if (fut_ring_closed(&fut_end->ring, nullptr))\n        return FUT_ERR_PEER_CLOSED;\n    %s *fut_slot = fut_ring_slot(&fut_end->ring);\n", c);
    put(o, "    if (fut_slot == nullptr)\n        return fut_ring_why(&fut_end->ring);\n");
    if (gaps) {
        put(o, "    %s fut_copy = *fut_record;\n", c);
        for (unsigned i = 0; i < plan.size; i++) {
            unsigned start = i;
            while (i < plan.size && plan.padding[i] != 0)
                i++;
            if (i != start)
                put(o, "    __builtin_memset((uint8_t *)&fut_copy + %u, 0, %u);\n", start, i - start);
        }
        put(o, "    __builtin_memcpy(fut_slot, &fut_copy, sizeof fut_copy);\n");
    } else {
        put(o, "    *fut_slot = *fut_record;\n");
    }
    put(o, "    fut_end->ring.at++;\n    return FUT_OK;\n}\n");
    put(o, "[[nodiscard]] static inline fut_status_t %s_push(struct %s_producer *fut_end, const %s *fut_record)\n{\n", name, name, c);
    put(o, "    fut_status_t fut_status = %s_put(fut_end, fut_record);\n    fut_status_t fut_shown = fut_ring_publish(&fut_end->ring);\n    return fut_status != FUT_OK ? fut_status : fut_shown;\n}\n", name);
    put(o, "static inline fut_status_t %s_publish(struct %s_producer *fut_end) { return fut_ring_publish(&fut_end->ring); }\n", name, name);

    put(o, "[[nodiscard]] static inline fut_status_t %s_take(struct %s_consumer *fut_end, %s *fut_record)\n{\n", name, name, c);
    put(o, "    const %s *fut_slot = fut_ring_slot(&fut_end->ring);\n    if (fut_slot == nullptr)\n        return fut_ring_why(&fut_end->ring);\n", c);
    put(o, "    fut_ring_copy(fut_record, fut_slot, sizeof *fut_record);\n");
    if (checked)
        put(o, "    if (!%s_record_valid(fut_record)) {\n        fut_end->ring.broken = true;\n        return FUT_ERR_INVALID;\n    }\n", name);
    put(o, "    fut_end->ring.at++;\n    return FUT_OK;\n}\n");
    put(o, "[[nodiscard]] static inline fut_status_t %s_pop(struct %s_consumer *fut_end, %s *fut_record)\n{\n", name, name, c);
    put(o, "    fut_status_t fut_status = %s_take(fut_end, fut_record);\n    fut_status_t fut_shown = fut_ring_publish(&fut_end->ring);\n    return fut_status != FUT_OK ? fut_status : fut_shown;\n}\n", name);
    put(o, "static inline fut_status_t %s_release(struct %s_consumer *fut_end) { return fut_ring_publish(&fut_end->ring); }\n", name, name);
}

static void put_stream_functions(struct out *o, const char *name)
{
    put(o, "[[nodiscard]] static inline fut_status_t %s_write(struct %s_producer *fut_end, const void *data, size_t len, size_t *done)\n{\n    return fut_ring_write(&fut_end->ring, data, len, done);\n}\n", name, name);
    put(o, "[[nodiscard]] static inline fut_status_t %s_read(struct %s_consumer *fut_end, void *data, size_t len, size_t *done)\n{\n    return fut_ring_read(&fut_end->ring, data, len, done);\n}\n", name, name);
    put(o, "static inline void *%s_space(struct %s_producer *fut_end, size_t *len) { return fut_ring_span(&fut_end->ring, len); }\n", name, name);
    put(o, "static inline const void *%s_peek(struct %s_consumer *fut_end, size_t *len) { return fut_ring_span(&fut_end->ring, len); }\n", name, name);
    put(o, "[[nodiscard]] static inline fut_status_t %s_commit(struct %s_producer *fut_end, size_t len)\n{\n    fut_status_t fut_status = fut_ring_advance(&fut_end->ring, len);\n    return fut_status != FUT_OK ? fut_status : fut_ring_publish(&fut_end->ring);\n}\n", name, name);
    put(o, "[[nodiscard]] static inline fut_status_t %s_skip(struct %s_consumer *fut_end, size_t len)\n{\n    fut_status_t fut_status = fut_ring_advance(&fut_end->ring, len);\n    return fut_status != FUT_OK ? fut_status : fut_ring_publish(&fut_end->ring);\n}\n", name, name);
}

static void put_end_functions(struct out *o, const struct decl *ring, const char *end)
{
    const char *name = ring->prefix, *producer = end[0] == 'p' ? "true" : "false";
    put(o, "[[nodiscard]] static inline fut_status_t %s_%s_open(struct %s_%s *fut_end, fut_handle_t space, %s_ring_t memory, fut_handle_t peer, uint64_t peer_bits)\n{\n", name, end, name, end, name);
    put(o, "    return fut_ring_open(&fut_end->ring, %s, space, memory.h, %s_COUNT, %u, peer, peer_bits);\n}\n", producer, ring->upper, ring->size);
    put(o, "static inline void %s_%s_attach(struct %s_%s *fut_end, void *memory, fut_handle_t peer, uint64_t peer_bits)\n{\n", name, end, name, end);
    put(o, "    fut_ring_attach(&fut_end->ring, %s, memory, %s_COUNT, %u, peer, peer_bits);\n}\n", producer, ring->upper, ring->size);
    put(o, "static inline void %s_%s_detach(struct %s_%s *fut_end, fut_handle_t space) { fut_ring_detach(&fut_end->ring, space); }\n", name, end, name, end);
    put(o, "static inline bool %s_%s_arm(struct %s_%s *fut_end) { return fut_ring_arm(&fut_end->ring); }\n", name, end, name, end);
    put(o, "[[nodiscard]] static inline fut_status_t %s_%s_wait(struct %s_%s *fut_end, fut_handle_t event, uint64_t bits, uint64_t deadline)\n{\n    return fut_ring_wait(&fut_end->ring, event, bits, deadline);\n}\n", name, end, name, end);
    put(o, "static inline fut_status_t %s_%s_close(struct %s_%s *fut_end, uint32_t reason) { return fut_ring_close(&fut_end->ring, reason); }\n", name, end, name, end);
    put(o, "static inline bool %s_%s_closed(struct %s_%s *fut_end, uint32_t *reason) { return fut_ring_closed(&fut_end->ring, reason); }\n", name, end, name, end);
    put(o, "static inline uint32_t %s_%s(struct %s_%s *fut_end) { return fut_ring_refresh(&fut_end->ring); }\n", name, end[0] == 'p' ? "room" : "ready", name, end);
}

void put_ring(struct out *o, const struct decl *ring)
{
    const char *name = ring->prefix;
    bool stream = ring->slots->element == nullptr;
    put(o, "// --- ring %s ---\n", ring->name);
    put_comment(o, "", ring->doc);
    put(o, "// The maker of the Memory (mostly the server) creates it and gives it away in a message; each side opens its end:\n"
           "// peer, peer_bits: the Event that wakes the other side, where that sleeps.\n");
    if (stream)
        put(o, "// Bytes: %s_write, %s_read copy what fits or is there. In place: %s_space and %s_commit, %s_peek and\n"
               "// %s_skip; what is peeked at can change while one looks.\n", name, name, name, name, name, name);
    else
        put(o, "// %s_push is %s_put (not seen yet) and %s_publish; %s_pop is %s_take and %s_release.\n", name, name, name, name, name, name);
    put(o, "// FUT_ERR_WOULD_BLOCK: full, or empty. FUT_ERR_PEER_CLOSED: the other end has closed (and all is read).\n"
           "// FUT_ERR_INVALID: the other side broke the ring%s; it stays so.\n"
           "// Before sleeping: X_arm, which says true if there is something to do after all; X_wait does both.\n", stream ? "" : ", or sent what is no record");
    put(o, "#define %s_COUNT %lluu\n#define %s_BYTES %zuu // of Memory\n", ring->upper, (unsigned long long)ring->slots->count, ring->upper, ring_bytes(ring));
    put(o, "struct %s_producer { struct fut_ring ring; };\nstruct %s_consumer { struct fut_ring ring; };\n", name, name);
    put(o, "[[nodiscard]] static inline fut_status_t %s_create(%s_ring_t *memory) { return fut_ring_create(%s_COUNT, %u, &memory->h); }\n", name, name, ring->upper, ring->size);
    put_end_functions(o, ring, "producer");
    put_end_functions(o, ring, "consumer");
    if (stream)
        put_stream_functions(o, name);
    else
        put_record_functions(o, ring, c_type(ring->slots->element));
    put(o, "\n");
}
