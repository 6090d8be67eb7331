// SPDX-License-Identifier: MPL-2.0
//
// What outlives devd: a record per driven device in the `state` Memory, and its capabilities in the vault, both kept
// by init (docs/init.md). The next devd ends the hosts of the one before, takes over their Channels, so that
// clients' Sessions stay good, their interrupts, and their DMA memory, which must not be reused before the
// device was reset; and it goes on counting starts, which driver hosts use to tell their lives apart.
//
// A copy in the vault is derived from devd's own capability: revoking that frees the slot.
#include "devd.h"
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#define MAGIC 0x3144564544545546ull // "FUTDEVD1"

static struct kept {
    char name[32];
    uint32_t starts;
    fut_handle_t channel, irq, dma, task; // in the vault
    struct fut_msi msi;
} *records;
static struct header { uint64_t magic; struct kept record[DEVICES_MAX]; } *state;
static fut_handle_t vault;

static fut_handle_t keep(fut_handle_t h)
{
    fut_handle_t kept = FUT_HANDLE_NONE;
    if (vault && h && fut_cap_grant(vault, h, FUT_RIGHTS_ALL, 0, &kept) != FUT_OK) {
        return FUT_HANDLE_NONE;
    }
    return kept;
}

static fut_handle_t take(fut_handle_t kept)
{
    fut_handle_t h = FUT_HANDLE_NONE;
    if (vault && kept && fut_cap_take(vault, kept, FUT_RIGHTS_ALL, &h) != FUT_OK) {
        return FUT_HANDLE_NONE;
    }
    return h;
}

void keep_open(void)
{
    vault = fut_startup_cap("vault");
    fut_handle_t memory = fut_startup_cap("state");
    struct fut_memory_info info;
    if (!vault || !memory || fut_memory_info(memory, &info) != FUT_OK || info.bytes < sizeof *state) {
        return;
    }
    struct fut_map map = {.bytes = info.bytes, .memory = memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t at;
    if (fut_space_map(fut_startup_cap("space"), &map, &at) != FUT_OK) {
        return;
    }
    state = (struct header *)at;
    records = state->record;
    if (state->magic != MAGIC) {
        memset(state, 0, sizeof *state);
        state->magic = MAGIC;
        return;
    }
    for (size_t i = 0; i < DEVICES_MAX; i++) {
        fut_handle_t task = take(records[i].task);
        records[i].task = FUT_HANDLE_NONE;
        if (task) {
            (void)fut_task_destroy(task);
            (void)fut_cap_delete(task);
        }
    }
}

static struct kept *record_of(const struct device *d, bool make)
{
    for (size_t i = 0; records && i < DEVICES_MAX; i++) {
        if (strcmp(records[i].name, d->name) == 0) {
            return &records[i];
        }
        if (!records[i].name[0] && make) {
            memcpy(records[i].name, d->name, sizeof d->name);
            return &records[i];
        }
    }
    return nullptr;
}

void keep_restore(struct device *d)
{
    struct kept *k = record_of(d, false);
    if (k) {
        d->channel = take(k->channel);
        d->irq = take(k->irq);
        d->dma = take(k->dma);
        d->msi = k->msi;
        d->starts = k->starts;
    }
}

void keep_started(struct device *d)
{
    struct kept *k = record_of(d, true);
    if (!k) {
        return;
    }
    k->starts = d->starts;
    k->msi = d->msi;
    k->channel = k->channel ? k->channel : keep(d->channel);
    k->irq = k->irq ? k->irq : keep(d->irq);
    k->dma = k->dma ? k->dma : keep(d->dma);
    k->task = keep(d->host.task);
}

void keep_ended(struct device *d)
{
    struct kept *k = record_of(d, false);
    if (k && k->task) {
        (void)fut_cap_revoke(d->host.task);
        k->task = FUT_HANDLE_NONE;
    }
}
