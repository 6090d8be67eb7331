// SPDX-License-Identifier: MPL-2.0
//
// The server loop against a scripted kernel: a reply that reaches nobody leaves no capability behind, a reply that
// the kernel refuses is replaced by an error, notices are handed on and acknowledged, a Channel that is gone ends it.
#include "sim.h"
#include <fipc/features.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                      \
    do {                                                                                                      \
        if (!(condition)) {                                                                                   \
            printf("%s:%d: failed: %s (step %u)\n", __FILE__, __LINE__, #condition, step);                    \
            exit(1);                                                                                          \
        }                                                                                                     \
    } while (0)

static unsigned step, gone, cancelled, signalled;
static fut_handle_t given;

static fut_status_t on_give(struct fut_request *req, fut_handle_t e, fut_handle_t m, uint32_t n, struct features_caps_give_result *res)
{
    CHECK(req->badge == 99 && n == 4);
    (void)fut_cap_delete(e);
    (void)fut_cap_delete(m);
    res->t = given = sim_handle(FUT_OBJ_TASK, ~0u);
    return FUT_OK;
}
static fut_status_t on_look(struct fut_request *req, struct features_caps_look_result *res) { return (void)req, res->n = 3, FUT_OK; }
static void no_senders(struct fut_server *s, uint64_t badge) { (void)s; CHECK(badge == 17); gone++; }
static void signals(struct fut_server *s, uint64_t bits) { (void)s; CHECK(bits == 6); signalled++; }
static void cancel(struct fut_server *s, fut_reply_t reply) { (void)s; CHECK(reply.h == 5); cancelled++; }

static void receive(struct fut_msg *m, uint64_t kind, uint64_t aux, uint64_t w0)
{
    *m = (struct fut_msg){.control = kind << 48 | (uint64_t)0xffff << 32, .aux = aux, .w = {w0}};
}
static void receive_give(struct fut_msg *m)
{
    receive(m, FUT_RECV_CALL, 99, 0);
    m->tag = FUT_TAG(FEATURES_CAPS_PROTOCOL, FUT_TAG_MEMORY, 0, 2, 1, 4);
    m->w[0] = 8;
    uint32_t body[2] = {4, 0};
    memcpy(fut_ipc_buffer()->body, body, 8);
    sim_cap(m, 0, sim_handle(FUT_OBJ_EVENT, ~0u), FUT_OBJ_EVENT, ~0u, FUT_CAP_IS_HANDLE);
    sim_cap(m, 1, sim_handle(FUT_OBJ_MEMORY, ~0u), FUT_OBJ_MEMORY, ~0u, FUT_CAP_IS_HANDLE);
}

static bool script(struct fut_msg *m)
{
    uint8_t op = (uint8_t)m->control;
    fut_handle_t channel = (fut_handle_t)(m->control >> 32);
    switch (step++) {
    case 0:
        CHECK(op == FUT_SYS_RECV && channel == 3);
        receive_give(m);
        return true;
    case 1: // the caller is gone
        CHECK(op == FUT_SYS_REPLY_RECV && FUT_TAG_CAPS(m->tag) == 1 && sim_live() == 1);
        receive(m, FUT_RECV_STALE, 0, 0);
        return true;
    case 2:
        CHECK(op == FUT_SYS_RECV && sim_live() == 0);
        receive_give(m);
        return true;
    case 3: // it arrives: the kernel has moved the capability
        CHECK(op == FUT_SYS_REPLY_RECV && fut_msg_cap(m, 0) == (given | FUT_CAP_MOVE));
        (void)fut_cap_delete(given);
        receive(m, FUT_RECV_NO_SENDERS, 17, 0);
        return true;
    case 4:
        CHECK(op == FUT_SYS_RECV && gone == 1 && sim_errors() == 0);
        receive(m, FUT_RECV_EVENT, 0, 6);
        return true;
    case 5:
        CHECK(op == FUT_SYS_RECV && signalled == 1);
        receive(m, FUT_RECV_CANCEL, 0, 5);
        return true;
    case 6:
        CHECK(op == FUT_SYS_RECV && cancelled == 1);
        receive(m, FUT_RECV_CALL, 99, 0);
        m->tag = FUT_TAG(0x12345678, 0, 0, 0, 0, 1); // no protocol of ours
        return true;
    case 7:
        CHECK(op == FUT_SYS_REPLY_RECV && (FUT_TAG_FLAGS(m->tag) & FUT_TAG_ERROR) != 0 && (int64_t)m->w[0] == FUT_ERR_UNKNOWN_METHOD);
        receive_give(m);
        return true;
    case 8: // the kernel refuses the reply
        CHECK(op == FUT_SYS_REPLY_RECV);
        *m = (struct fut_msg){.control = (uint32_t)FUT_ERR_ARGUMENT};
        return true;
    case 9:
        CHECK(op == FUT_SYS_REPLY && (FUT_TAG_FLAGS(m->tag) & FUT_TAG_ERROR) != 0 && (m->tag & 0xffff) == 4 && (int64_t)m->w[0] == FUT_ERR_STATE);
        *m = (struct fut_msg){};
        return true;
    case 10:
        CHECK(op == FUT_SYS_RECV && sim_live() == 0);
        receive(m, FUT_RECV_SEND, 99, 0); // one way, and a method that replies: its reply goes nowhere
        m->tag = FUT_TAG(FEATURES_CAPS_PROTOCOL, 0, 0, 0, 0, 1);
        return true;
    case 11:
        CHECK(op == FUT_SYS_RECV);
        return false;
    default: CHECK(false);
    }
    return false;
}

int main(void)
{
    static const struct features_caps_ops ops = {.give = on_give, .look = on_look};
    const struct fut_service services[] = {features_caps_service(&ops)};
    static struct fut_server server = {.channel = 3, .service_count = 1, .no_senders = no_senders, .signals = signals, .cancel = cancel};
    server.services = services;
    sim_reset();
    sim_ipc = script;
    CHECK(fut_server_loop(&server) == FUT_ERR_PEER_CLOSED && step == 12 && sim_live() == 0 && sim_errors() == 0);
    puts("ok");
    return 0;
}
