// SPDX-License-Identifier: MPL-2.0
//
// The rings of features.fipc: what goes in comes out, also where the counters run over; nobody is woken who did not
// ask; whatever the other side writes into the shared lines is found out or harmless; two threads lose neither
// records nor wake-ups.
#include <fipc/features.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECK(condition)                                                                                      \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                                    \
            exit(1);                                                                                          \
        }                                                                                                     \
    } while (0)

// --- A kernel of Events ------------------------------------------------------------------------------------------

static struct { uint64_t bits; unsigned signals; } events[8];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static fut_status_t wait_event(uint64_t event, uint64_t mask, uint64_t *got)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    fut_status_t status = FUT_OK;
    pthread_mutex_lock(&lock);
    while ((events[event].bits & mask) == 0 && status == FUT_OK)
        if (pthread_cond_timedwait(&changed, &lock, &limit) != 0)
            status = FUT_ERR_TIMED_OUT;
    *got = events[event].bits & mask;
    events[event].bits &= ~mask;
    pthread_mutex_unlock(&lock);
    return status;
}

struct fut_result fut_host_syscall(uint64_t op, const uint64_t args[6])
{
    uint64_t got = 0;
    switch (op) {
    case FUT_SYS_EVENT_SIGNAL:
        pthread_mutex_lock(&lock);
        events[args[0]].bits |= args[1];
        events[args[0]].signals++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        return (struct fut_result){FUT_OK, 0};
    case FUT_SYS_EVENT_WAIT: {
        fut_status_t status = args[2] == 0 ? FUT_ERR_WOULD_BLOCK : wait_event(args[0], args[1], &got);
        return (struct fut_result){status, got};
    }
    default: return (struct fut_result){FUT_ERR_UNSUPPORTED, 0};
    }
}
void fut_host_ipc(struct fut_msg *m) { m->control = (uint32_t)FUT_ERR_PEER_CLOSED; }
void *fut_host_tls_word(unsigned n) { return (void)n, nullptr; }

// --- One thread ----------------------------------------------------------------------------------------------------

#define TO_CONSUMER 1 // Events
#define TO_PRODUCER 2

static alignas(64) uint8_t memory[FEATURES_SLOTS_BYTES];
static struct fut_ring_shared *const shared = (struct fut_ring_shared *)memory;
static struct features_slots_producer p;
static struct features_slots_consumer c;

// start: where the counters begin.
static void fresh(uint32_t start)
{
    memset(memory, 0, sizeof memory);
    memset(events, 0, sizeof events);
    features_slots_producer_attach(&p, memory, TO_CONSUMER, 1);
    features_slots_consumer_attach(&c, memory, TO_PRODUCER, 1);
    shared->producer.at = shared->consumer.at = start;
    p.ring.at = p.ring.published = c.ring.at = c.ring.published = c.ring.limit = start;
    p.ring.limit = start + FEATURES_SLOTS_COUNT;
}

static struct features_slot slot(uint64_t n)
{
    struct features_slot s;
    memset(&s, 0xff, sizeof s); // what must not get out
    s.offset = n, s.len = (uint32_t)n, s.color = FEATURES_COLOR_BLUE, s.last = n % 2 != 0;
    return s;
}

static void test_order(uint32_t start)
{
    struct features_slot s, r;
    fresh(start);
    CHECK(features_slots_pop(&c, &r) == FUT_ERR_WOULD_BLOCK && features_slots_ready(&c) == 0 && features_slots_room(&p) == 16);
    uint64_t in = 0, out = 0;
    for (unsigned round = 0; round < 40; round++) {
        while (s = slot(in), features_slots_push(&p, &s) == FUT_OK)
            in++;
        CHECK(in - out == 16 && features_slots_push(&p, &s) == FUT_ERR_WOULD_BLOCK && features_slots_ready(&c) == 16);
        for (unsigned i = 0; i < 1 + round % 16; i++, out++) {
            CHECK(features_slots_pop(&c, &r) == FUT_OK);
            CHECK(r.offset == out && r.len == (uint32_t)out && r.color == FEATURES_COLOR_BLUE && r.last == (out % 2 != 0));
        }
    }
    for (size_t i = 0; i < 16; i++) // padding
        CHECK(memory[128 + i * 16 + 14] == 0 && memory[128 + i * 16 + 15] == 0);
    CHECK(events[TO_CONSUMER].signals == 0 && events[TO_PRODUCER].signals == 0); // nobody slept
}

static void test_batches(void)
{
    struct features_slot s = slot(1), r;
    fresh(5);
    CHECK(features_slots_put(&p, &s) == FUT_OK && features_slots_put(&p, &s) == FUT_OK && features_slots_ready(&c) == 0);
    CHECK(features_slots_publish(&p) == FUT_OK && features_slots_ready(&c) == 2);
    CHECK(features_slots_take(&c, &r) == FUT_OK && features_slots_take(&c, &r) == FUT_OK && features_slots_room(&p) == 14);
    CHECK(features_slots_take(&c, &r) == FUT_ERR_WOULD_BLOCK);
    CHECK(features_slots_release(&c) == FUT_OK && features_slots_room(&p) == 16);
    // Who goes to sleep shows what it has staged.
    CHECK(features_slots_put(&p, &s) == FUT_OK && features_slots_producer_arm(&p) && features_slots_ready(&c) == 1);
}

static void test_waking(void)
{
    struct features_slot s = slot(1), r;
    fresh(0);
    CHECK(!features_slots_consumer_arm(&c)); // empty: it sleeps
    CHECK(features_slots_push(&p, &s) == FUT_OK && events[TO_CONSUMER].signals == 1 && events[TO_CONSUMER].bits == 1);
    CHECK(features_slots_push(&p, &s) == FUT_OK && events[TO_CONSUMER].signals == 1); // woken once
    CHECK(features_slots_consumer_arm(&c));                                           // there is something
    CHECK(features_slots_pop(&c, &r) == FUT_OK && features_slots_pop(&c, &r) == FUT_OK && events[TO_PRODUCER].signals == 0);
    while (features_slots_push(&p, &s) == FUT_OK)
        ;
    CHECK(!features_slots_producer_arm(&p));
    CHECK(features_slots_pop(&c, &r) == FUT_OK && events[TO_PRODUCER].signals == 1);
    CHECK(features_slots_pop(&c, &r) == FUT_OK && events[TO_PRODUCER].signals == 1);
}

static void test_closing(void)
{
    struct features_slot s = slot(1), r;
    uint32_t reason = 0;
    fresh(0);
    CHECK(features_slots_put(&p, &s) == FUT_OK && !features_slots_producer_closed(&p, nullptr));
    CHECK(features_slots_producer_close(&p, 104) == FUT_OK && features_slots_producer_close(&p, 5) == FUT_OK);
    CHECK(features_slots_consumer_closed(&c, &reason) && reason == 104 && features_slots_consumer_arm(&c));
    CHECK(features_slots_pop(&c, &r) == FUT_OK && features_slots_pop(&c, &r) == FUT_ERR_PEER_CLOSED);
    fresh(0);
    CHECK(!features_slots_consumer_arm(&c) && features_slots_producer_close(&p, 0) == FUT_OK && events[TO_CONSUMER].signals == 1);
    fresh(0);
    CHECK(features_slots_consumer_close(&c, 32) == FUT_OK && features_slots_push(&p, &s) == FUT_ERR_PEER_CLOSED && features_slots_producer_closed(&p, &reason) && reason == 32);
}

// --- The other side lies -----------------------------------------------------------------------------------------

static void test_consumer_against(uint32_t start)
{
    struct features_slot s = slot(1), r;
    for (int64_t lie = -40; lie <= 40; lie++) {
        fresh(start);
        CHECK(features_slots_push(&p, &s) == FUT_OK && features_slots_push(&p, &s) == FUT_OK);
        CHECK(features_slots_take(&c, &r) == FUT_OK && features_slots_take(&c, &r) == FUT_OK); // staged, not given back
        shared->producer.at = start + (uint32_t)lie;
        fut_status_t status = features_slots_take(&c, &r);
        // Two are taken, so 2 (nothing new) to 16 is what a producer could say; the slots up to it hold no record.
        CHECK(status == (lie == 2 ? FUT_ERR_WOULD_BLOCK : FUT_ERR_INVALID));
        CHECK(c.ring.broken == (lie != 2));
        if (lie == 2)
            continue;
        shared->producer.at = start + 2; // too late
        CHECK(features_slots_take(&c, &r) == FUT_ERR_INVALID && features_slots_release(&c) == FUT_ERR_INVALID && features_slots_consumer_arm(&c));
        CHECK(features_slots_consumer_close(&c, 0) == FUT_ERR_INVALID && features_slots_ready(&c) == 0);
    }
}

static void test_producer_against(uint32_t start)
{
    struct features_slot s = slot(1);
    for (int64_t lie = -40; lie <= 40; lie++) {
        fresh(start);
        for (unsigned i = 0; i < 16; i++)
            CHECK(features_slots_push(&p, &s) == FUT_OK);
        shared->consumer.at = start + (uint32_t)lie;
        fut_status_t status = features_slots_push(&p, &s);
        CHECK(status == (lie == 0 ? FUT_ERR_WOULD_BLOCK : lie > 0 && lie <= 16 ? FUT_OK : FUT_ERR_INVALID));
        CHECK(p.ring.broken == (status == FUT_ERR_INVALID) && features_slots_room(&p) <= 16);
    }
    // Room that is taken back after it was used.
    fresh(start);
    for (unsigned i = 0; i < 16; i++)
        CHECK(features_slots_push(&p, &s) == FUT_OK);
    shared->consumer.at = start + 8;
    for (unsigned i = 0; i < 8; i++)
        CHECK(features_slots_put(&p, &s) == FUT_OK);
    shared->consumer.at = start + 4;
    CHECK(features_slots_put(&p, &s) == FUT_ERR_INVALID && p.ring.broken);
}

static void test_records(void)
{
    struct features_slot s = slot(1), r;
    for (unsigned byte = 0; byte < 16; byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            fresh(0);
            CHECK(features_slots_push(&p, &s) == FUT_OK);
            memory[128 + byte] ^= (uint8_t)(1u << bit);
            // offset, len and color (200 has no neighbour), the boolean (which was 1), padding.
            bool good = byte < 12 || (byte == 13 && bit == 0);
            CHECK(features_slots_pop(&c, &r) == (good ? FUT_OK : FUT_ERR_INVALID) && c.ring.broken == !good);
        }
}

static void test_wild(void)
{
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        fresh((uint32_t)rand() * 2u);
        for (unsigned i = 0; i < 40; i++) {
            struct features_slot s = slot(i), r;
            switch (rand() % 10) {
            case 0: memory[rand() % 128] = (uint8_t)rand(); break;
            case 1: shared->producer.at += (uint32_t)(rand() % 9) - 4; break;
            case 2: shared->consumer.at += (uint32_t)(rand() % 9) - 4; break;
            case 3: (void)!features_slots_put(&p, &s); break;
            case 4: (void)features_slots_publish(&p); break;
            case 5: (void)!features_slots_take(&c, &r); break;
            case 6: (void)features_slots_release(&c); break;
            case 7: (void)features_slots_consumer_arm(&c); break;
            case 8: (void)features_slots_producer_arm(&p); break;
            default: (void)features_slots_producer_close(&p, 1); break;
            }
            CHECK(p.ring.limit - p.ring.at <= 16 && c.ring.limit - c.ring.at <= 16);
            CHECK(p.ring.at - p.ring.published <= 16 && c.ring.at - c.ring.published <= 16);
        }
    }
}

// --- Bytes -----------------------------------------------------------------------------------------------------------

static void test_stream(void)
{
    static alignas(64) uint8_t room[FEATURES_STREAM_BYTES];
    struct features_stream_producer sp;
    struct features_stream_consumer sc;
    features_stream_producer_attach(&sp, room, TO_CONSUMER, 1);
    features_stream_consumer_attach(&sc, room, TO_PRODUCER, 1);
    uint8_t data[100], back[100], next_in = 0, next_out = 0;
    size_t n;
    srand(2);
    CHECK(features_stream_read(&sc, back, sizeof back, &n) == FUT_ERR_WOULD_BLOCK && n == 0);
    for (unsigned round = 0; round < 5000; round++) {
        size_t want = (size_t)rand() % 101, room_now = FEATURES_STREAM_COUNT - (sp.ring.published - sc.ring.published);
        for (size_t i = 0; i < want; i++)
            data[i] = (uint8_t)(next_in + i);
        fut_status_t status = features_stream_write(&sp, data, want, &n);
        CHECK(n == (want < room_now ? want : room_now) && status == (n == 0 && want != 0 ? FUT_ERR_WOULD_BLOCK : FUT_OK));
        next_in = (uint8_t)(next_in + n);
        want = (size_t)rand() % 101;
        if (round % 3 == 0) { // in place
            const uint8_t *span = features_stream_peek(&sc, &n);
            for (size_t i = 0; i < n; i++)
                CHECK(span[i] == (uint8_t)(next_out + i));
            CHECK(features_stream_skip(&sc, n) == FUT_OK && features_stream_skip(&sc, 65) == FUT_ERR_ARGUMENT);
        } else {
            status = features_stream_read(&sc, back, want, &n);
            CHECK(n <= want && (status == FUT_OK || n == 0));
            for (size_t i = 0; i < n; i++)
                CHECK(back[i] == (uint8_t)(next_out + i));
        }
        next_out = (uint8_t)(next_out + n);
        if (round % 5 == 0) {
            uint8_t *span = features_stream_space(&sp, &n);
            for (size_t i = 0; i < n; i++)
                span[i] = (uint8_t)(next_in + i);
            CHECK(features_stream_commit(&sp, n) == FUT_OK);
            next_in = (uint8_t)(next_in + n);
        }
    }
    // What the consumer has not given back, the producer still has.
    uint8_t unread[FEATURES_STREAM_COUNT];
    size_t held = sp.ring.published - sc.ring.published, rest = 0;
    CHECK(fut_ring_unread(&sp.ring, 0, unread, sizeof unread) == held && fut_ring_unread(&sp.ring, held, unread, 1) == 0);
    CHECK(fut_ring_unread(&sc.ring, 0, unread, sizeof unread) == 0);
    while ((n = fut_ring_unread(&sp.ring, rest, back, 7)) != 0) {
        CHECK(memcmp(back, unread + rest, n) == 0 && back[0] == (uint8_t)(next_out + rest));
        rest += n;
    }
    CHECK(rest == held);
    CHECK(features_stream_producer_close(&sp, 0) == FUT_OK);
    while (features_stream_read(&sc, back, 7, &n) == FUT_OK)
        CHECK(n > 0 && n <= 7);
    CHECK(features_stream_read(&sc, back, 7, &n) == FUT_ERR_PEER_CLOSED);
    CHECK(features_stream_consumer_close(&sc, 0) == FUT_OK && features_stream_write(&sp, data, 1, &n) == FUT_ERR_PEER_CLOSED);
    ((struct fut_ring_shared *)room)->consumer.at += 70;
    CHECK(features_stream_room(&sp) == 0 && sp.ring.broken);
}

// --- Two threads ---------------------------------------------------------------------------------------------------

#define TRANSFERS 200000u
static alignas(64) uint8_t numbers_memory[FEATURES_NUMBERS_BYTES];

static void *produce(void *)
{
    struct features_numbers_producer np;
    features_numbers_producer_attach(&np, numbers_memory, TO_CONSUMER, 2);
    for (uint64_t n = 0; n < TRANSFERS;) {
        fut_status_t status = n % 3 == 0 ? features_numbers_put(&np, &n) : features_numbers_push(&np, &n);
        if (status == FUT_OK)
            n++;
        else if (status != FUT_ERR_WOULD_BLOCK || features_numbers_producer_wait(&np, TO_PRODUCER, 4, FUT_FOREVER) != FUT_OK)
            return (void *)"the producer";
    }
    return features_numbers_producer_close(&np, 9) == FUT_OK ? nullptr : (void *)"closing";
}

static void test_threads(void)
{
    struct features_numbers_consumer nc;
    pthread_t thread;
    void *wrong;
    memset(events, 0, sizeof events);
    features_numbers_consumer_attach(&nc, numbers_memory, TO_PRODUCER, 4);
    CHECK(pthread_create(&thread, nullptr, produce, nullptr) == 0);
    for (uint64_t n = 0, got;;) {
        fut_status_t status = features_numbers_pop(&nc, &got);
        if (status == FUT_OK) {
            CHECK(got == n);
            n++;
        } else if (status == FUT_ERR_PEER_CLOSED) {
            CHECK(n == TRANSFERS);
            break;
        } else {
            CHECK(status == FUT_ERR_WOULD_BLOCK && features_numbers_consumer_wait(&nc, TO_CONSUMER, 2, FUT_FOREVER) == FUT_OK);
        }
    }
    pthread_join(thread, &wrong);
    CHECK(wrong == nullptr);
    printf("%u records, %u wake-ups of the consumer, %u of the producer\n", TRANSFERS, events[TO_CONSUMER].signals, events[TO_PRODUCER].signals);
}

int main(void)
{
    static const uint32_t starts[] = {0, 7, 0xfffffff0, 0xffffffff, 0x7ffffff8};
    for (unsigned i = 0; i < sizeof starts / sizeof *starts; i++) {
        test_order(starts[i]);
        test_consumer_against(starts[i]);
        test_producer_against(starts[i]);
    }
    test_batches();
    test_waking();
    test_closing();
    test_records();
    test_wild();
    test_stream();
    test_threads();
    puts("ok");
    return 0;
}
