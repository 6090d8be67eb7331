// SPDX-License-Identifier: MPL-2.0
//
// noted: keeps the notes of futura.notes.Board. An example of a service in one file.
//
// The notes lie in `state`, a Memory that init gives back to the next instance when this one ends, so killing
// noted loses nothing: each change ends with one store that makes it count. Who waits for a note (Next) is a
// deferred reply in waiting[]; such a caller gets RESTARTED when noted ends.
#include <fipc/notes.h>
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#define MAGIC 0x315345544f4e4631ull
#define NOTES_MAX 64
#define WAITING_MAX 32

struct slot {
    struct notes_note note;     // id 0: free
    char text[NOTES_MAX_TEXT];
};
struct board {
    uint64_t magic;
    uint32_t last_id, reserved;
    struct slot slot[NOTES_MAX];
};

static struct board *board;
static struct waiting { fut_reply_t reply; uint32_t after; } waiting[WAITING_MAX];
static size_t waiting_count;

static struct slot *find(uint32_t id)
{
    for (size_t i = 0; i < NOTES_MAX; i++)
        if (id != 0 && board->slot[i].note.id == id)
            return &board->slot[i];
    return nullptr;
}

// The oldest note above `after`; null: none. Identifiers only grow, so the oldest has the smallest.
static struct slot *first_above(uint32_t after)
{
    struct slot *best = nullptr;
    for (size_t i = 0; i < NOTES_MAX; i++) {
        struct slot *s = &board->slot[i];
        if (s->note.id > after && (best == nullptr || s->note.id < best->note.id))
            best = s;
    }
    return best;
}

static fut_status_t list(struct fut_request *request, uint32_t after, struct notes_board_list_result *result)
{
    (void)request;
    for (struct slot *s; result->notes.len < result->notes.capacity && (s = first_above(after)) != nullptr; after = s->note.id)
        result->notes.data[result->notes.len++] = s->note;
    return FUT_OK;
}

static fut_status_t read_note(struct fut_request *request, uint32_t id, struct notes_board_read_result *result)
{
    (void)request;
    const struct slot *s = find(id);
    if (s == nullptr)
        return NOTES_ERROR_NOT_FOUND;
    result->note = s->note;
    result->text.len = s->note.length;
    memcpy(result->text.data, s->text, s->note.length);
    return FUT_OK;
}

static void answer_waiting(void)
{
    for (size_t i = 0; i < waiting_count;) {
        const struct slot *s = first_above(waiting[i].after);
        if (s == nullptr) {
            i++;
            continue;
        }
        const struct notes_board_next_result result = {.id = s->note.id};
        (void)notes_board_next_reply(waiting[i].reply, &result);
        waiting[i] = waiting[--waiting_count];
    }
}

static fut_status_t post(struct fut_request *request, struct fut_string text, struct notes_board_post_result *result)
{
    (void)request;
    if (text.len == 0)
        return NOTES_ERROR_EMPTY;
    struct slot *s = nullptr;
    for (size_t i = 0; i < NOTES_MAX && s == nullptr; i++)
        if (board->slot[i].note.id == 0)
            s = &board->slot[i];
    if (s == nullptr)
        return NOTES_ERROR_FULL;
    memcpy(s->text, text.data, text.len);
    s->note.length = (uint32_t)text.len;
    s->note.posted_ns = fut_clock();
    result->id = ++board->last_id;
    __atomic_store_n(&s->note.id, result->id, __ATOMIC_RELEASE); // from here on it is there
    answer_waiting();
    return FUT_OK;
}

static fut_status_t remove_note(struct fut_request *request, uint32_t id)
{
    (void)request;
    struct slot *s = find(id);
    if (s == nullptr)
        return NOTES_ERROR_NOT_FOUND;
    __atomic_store_n(&s->note.id, 0, __ATOMIC_RELEASE);
    return FUT_OK;
}

static fut_status_t next(struct fut_request *request, uint32_t after, struct notes_board_next_result *result)
{
    const struct slot *s = first_above(after);
    if (s != nullptr) {
        result->id = s->note.id;
        return FUT_OK;
    }
    if (waiting_count == WAITING_MAX)
        return NOTES_ERROR_FULL;
    fut_reply_t reply = fut_request_defer(request);
    if (reply.h == FUT_HANDLE_NONE)
        return FUT_ERR_NO_SLOT;
    waiting[waiting_count++] = (struct waiting){reply, after};
    return FUT_DEFER;
}

static fut_status_t reader(struct fut_request *request, struct notes_board_reader_result *result)
{
    return fut_session_mint(request->server->channel, request->badge, NOTES_BOARD_FACET_READER, &result->board.h);
}

// A waiting caller that was interrupted wants its answer now; one that is gone wants none.
static bool forget(fut_reply_t reply)
{
    for (size_t i = 0; i < waiting_count; i++)
        if (waiting[i].reply.h == reply.h) {
            waiting[i] = waiting[--waiting_count];
            return true;
        }
    return false;
}
static void cancel(struct fut_server *server, fut_reply_t reply)
{
    (void)server;
    if (forget(reply))
        (void)fut_reply_error(reply, FUT_ERR_CANCELLED);
}
static void stale(struct fut_server *server, fut_reply_t reply)
{
    (void)server;
    (void)forget(reply);
    (void)fut_cap_delete(reply.h);
}

int main(void)
{
    const struct fut_map map = {.memory = fut_startup_cap("state"), .bytes = (sizeof *board + FUT_PAGE_SIZE - 1) & ~(uint64_t)(FUT_PAGE_SIZE - 1),
                                .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t address;
    fut_status_t status = fut_space_map(fut_startup_cap("space"), &map, &address);
    if (status != FUT_OK) {
        fut_log("cannot map the board: error %d", (int)status);
        return 1;
    }
    board = (struct board *)address;
    if (board->magic != MAGIC)
        *board = (struct board){.magic = MAGIC};

    static const struct notes_board_ops ops = {
        .list = list, .read = read_note, .post = post, .remove = remove_note, .next = next, .reader = reader};
    const struct fut_service services[] = {notes_board_service(&ops)};
    static struct fut_server server = {.service_count = 1, .cancel = cancel, .stale = stale};
    server.channel = fut_startup_cap("channel");
    server.services = services;
    fut_server_run(&server);
}
