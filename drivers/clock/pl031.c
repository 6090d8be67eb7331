// SPDX-License-Identifier: MPL-2.0
//
// The Arm PL031 real-time clock: one register counts seconds since 1970. Capability `bar0`: its registers.
#include "rtc.h"
#include "../host/host.h"

static volatile uint32_t *rtc;

fut_status_t rtc_open(void)
{
    rtc = host_map("bar0", FUT_PROT_READ, nullptr);
    return rtc ? FUT_OK : FUT_ERR_NOT_FOUND;
}

fut_status_t rtc_read(int64_t *seconds)
{
    *seconds = rtc[0];
    return FUT_OK;
}
