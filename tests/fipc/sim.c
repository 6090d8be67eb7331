// SPDX-License-Identifier: MPL-2.0
#include "sim.h"
#include <stdlib.h>

static struct { uint32_t type, rights; bool live; } handles[SIM_HANDLES];
static unsigned next_handle, live, errors;
static alignas(FUT_IPC_BUFFER_SIZE) struct fut_ipc_buffer ipc_buffer;
bool (*sim_ipc)(struct fut_msg *m);

void sim_reset(void)
{
    for (unsigned i = 0; i <= next_handle && i < SIM_HANDLES; i++)
        handles[i].live = false;
    next_handle = live = errors = 0;
    memset(&ipc_buffer, 0, sizeof ipc_buffer);
}

fut_handle_t sim_handle(uint32_t type, uint32_t rights)
{
    if (++next_handle == SIM_HANDLES)
        abort();
    handles[next_handle].type = type;
    handles[next_handle].rights = rights;
    handles[next_handle].live = true;
    live++;
    return next_handle;
}

unsigned sim_live(void) { return live; }
unsigned sim_errors(void) { return errors; }

void *fut_host_tls_word(unsigned n) { return n == 1 ? &ipc_buffer : nullptr; }

struct fut_result fut_host_syscall(uint64_t op, const uint64_t args[6])
{
    switch (op) {
    case FUT_SYS_CAP_DELETE:
        if (args[0] == 0 || args[0] > next_handle || !handles[args[0]].live) {
            errors++;
            return (struct fut_result){FUT_ERR_HANDLE, 0};
        }
        handles[args[0]].live = false;
        live--;
        return (struct fut_result){FUT_OK, 0};
    case FUT_SYS_CLOCK: return (struct fut_result){FUT_OK, 1000};
    case FUT_SYS_REPLY_SAVE: return (struct fut_result){FUT_OK, sim_handle(FUT_OBJ_REPLY, 0)};
    default: return (struct fut_result){FUT_ERR_UNSUPPORTED, 0};
    }
}

void fut_host_ipc(struct fut_msg *m)
{
    if (sim_ipc == nullptr || !sim_ipc(m))
        m->control = (uint32_t)FUT_ERR_PEER_CLOSED;
}

void sim_cap(struct fut_msg *m, unsigned i, fut_handle_t handle, uint64_t badge, uint32_t perms, uint32_t kind)
{
    ipc_buffer.cap_home[i].badge = badge;
    ipc_buffer.cap_home[i].perms = perms;
    ipc_buffer.cap_home[i].kind = kind;
    if ((FUT_TAG_FLAGS(m->tag) & FUT_TAG_MEMORY) != 0)
        ipc_buffer.cap[i] = handle;
    else if (i < FUT_IPC_REG_CAPS)
        *(i < 2 ? &m->caps01 : &m->caps23) |= (uint64_t)handle << (i % 2 * 32);
}
