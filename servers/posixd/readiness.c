// SPDX-License-Identifier: MPL-2.0
//
// The Event that shows whether a file is ready: made when somebody asks (File.Watch), a level from then on.
#include "posixd.h"

fut_status_t readiness_get(struct readiness *r, fut_handle_t *shown)
{
    if (r->event == 0) {
        if (fut_event_create(&r->event) != FUT_OK) {
            r->event = 0;
            return IO_ERROR_NO_MEMORY;
        }
        if (fut_cap_mint(r->event, FUT_RIGHT_READ | FUT_RIGHT_DUP | FUT_RIGHT_MOVE, &r->shown) != FUT_OK) {
            (void)fut_cap_delete(r->event);
            r->event = 0;
            return IO_ERROR_NO_MEMORY;
        }
        r->level = 0;
    }
    *shown = r->shown;
    return FUT_OK;
}

void readiness_set(struct readiness *r, uint64_t level, uint64_t fresh)
{
    if (r->event == 0)
        return;
    uint64_t signal = (level & ~r->level) | (level & fresh);
    if (r->level & ~level)
        (void)fut_event_clear(r->event, r->level & ~level, nullptr);
    if (signal != 0)
        (void)fut_event_signal(r->event, signal);
    r->level = level;
}

void readiness_free(struct readiness *r)
{
    if (r->event == 0)
        return;
    (void)fut_event_clear(r->event, UINT64_MAX, nullptr);
    (void)fut_cap_delete(r->shown);
    (void)fut_cap_delete(r->event);
    *r = (struct readiness){};
}
