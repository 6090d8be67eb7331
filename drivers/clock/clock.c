// SPDX-License-Identifier: MPL-2.0
//
// Driver host for the wall clock, serving futura.clock: reads the chip once and gives what has to be added to
// the kernel's monotonic time. Setting it holds until the next boot; the chip is not written.
#include <fipc/clock.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include "rtc.h"
#include "../host/host.h"

static struct fut_server server;
static int64_t offset_ns;

static fut_status_t do_offset(struct fut_request *req, struct clock_clock_offset_result *res)
{
    (void)req;
    res->offset_ns = offset_ns;
    return FUT_OK;
}

static fut_status_t do_set_offset(struct fut_request *req, int64_t ns)
{
    (void)req;
    if (ns < 0) {
        return CLOCK_ERROR_RANGE;
    }
    offset_ns = ns;
    return FUT_OK;
}

int main(void)
{
    int64_t seconds;
    fut_status_t status = rtc_open();
    if (status == FUT_OK) {
        status = rtc_read(&seconds);
    }
    if (status == FUT_OK) {
        status = host_open(&server);
    }
    if (status != FUT_OK) {
        host_fail("clock: does not start", status);
    }
    offset_ns = seconds * 1000000000 - (int64_t)fut_clock();
    static const struct clock_clock_ops ops = {.offset = do_offset, .set_offset = do_set_offset};
    static struct fut_service services[1];
    services[0] = clock_clock_service(&ops);
    server.services = services;
    server.service_count = 1;
    fut_server_run(&server);
}
