// SPDX-License-Identifier: MPL-2.0
//
// fsd: file systems. One thread serves one Channel; a badge is a Context, an open file, or (badge 1) Admin. The layers
// below this folder know nothing of IPC: core (names and files), cache (contents), tmpfs and ext (file systems).

#include <futura/startup.h>
#include <futura/sys.h>

#include "cache/cache.h"
#include "core/platform.h"
#include "server/server.h"

#define SYNC_NS 5000000000ull
#define DELETED_NS 1000000000ull
#define CLOCK_FIRST_NS 200000000ull
#define CLOCK_AGAIN_NS 60000000000ull

struct fut_server fsd_server;

static void *on_lookup(struct fut_server *, uint64_t badge, uint32_t) {
    static struct object admin;
    return badge == BADGE_ADMIN ? &admin : object_find(badge);
}

static void on_no_senders(struct fut_server *, uint64_t badge) {
    if (badge >= BADGE_FIRST) {
        object_gone(badge);
    }
}

static void on_cancel(struct fut_server *, fut_reply_t reply) { locks_cancel(reply); }
static void on_stale(struct fut_server *, fut_reply_t reply) { locks_stale(reply); }

// Some seconds after something changed everything is written, so that a crash loses little; while nothing changes fsd
// sleeps. The time of day is asked for often until it is known, and then now and then, because it may be set.
static bool clock_known;

static void on_alarm(struct fut_server *server, uint64_t now) {
    static uint64_t clock_at;
    if (now >= clock_at) {
        clock_known = clock_find();
        clock_at = now + (clock_known ? CLOCK_AGAIN_NS : CLOCK_FIRST_NS);
    }
    bool deleted = mapping_reap();
    fs_error e = mount_sync_all();
    if (!clock_known) {
        server->alarm_at = now + CLOCK_FIRST_NS;
    } else if (e) {
        server->alarm_at = now + SYNC_NS;
    }
    if (deleted && (server->alarm_at == 0 || server->alarm_at > now + DELETED_NS)) {
        server->alarm_at = now + DELETED_NS;
    }
}

void platform_dirty(void) {
    if (!fsd_server.alarm_at) {
        fsd_server.alarm_at = fut_clock() + SYNC_NS;
    }
}

int main(void) {
    platform_start();
    root_mount();
    const struct fut_service services[] = {io_file_service(&file_ops), fs_context_service(&context_ops),
                                           fs_admin_service(&admin_ops), fault_pager_service(&pager_ops)};
    fsd_server = (struct fut_server){
        .channel = fut_startup_cap("channel"),
        .services = services,
        .service_count = sizeof services / sizeof *services,
        .lookup = on_lookup,
        .no_senders = on_no_senders,
        .cancel = on_cancel,
        .stale = on_stale,
        .alarm = on_alarm,
        .alarm_at = fut_clock(),
    };
    fut_server_run(&fsd_server);
}
