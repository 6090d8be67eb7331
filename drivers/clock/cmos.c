// SPDX-License-Identifier: MPL-2.0
//
// The PC's CMOS clock. Capability `ports`: index and data. It counts in UTC (QEMU's default), in BCD or
// binary, 12 or 24 hours, as register B says; years are those of this century.
#include "rtc.h"
#include <futura/sys.h>
#include "../host/host.h"

static fut_handle_t ports;

static uint8_t get(uint8_t reg)
{
    uint64_t v = 0xff;
    (void)fut_ioport_write(ports, 0, 1, reg | 0x80u); // NMI stays off while the index is ours
    (void)fut_ioport_read(ports, 1, 1, &v);
    return (uint8_t)v;
}

fut_status_t rtc_open(void)
{
    ports = host_cap("ports");
    return ports && get(0x0d) != 0xff ? FUT_OK : FUT_ERR_NOT_FOUND;
}

struct fields { uint8_t v[6]; }; // second, minute, hour, day, month, year

static struct fields read_once(void)
{
    static const uint8_t reg[6] = {0, 2, 4, 7, 8, 9};
    struct fields f;
    while (get(0x0a) & 0x80) { // an update is under way: under 2 ms
    }
    for (int i = 0; i < 6; i++) {
        f.v[i] = get(reg[i]);
    }
    return f;
}

static int number(uint8_t v, bool binary)
{
    return binary ? v : (v >> 4) * 10 + (v & 15);
}

// Days since 1970-01-01 of a day in the Gregorian calendar.
static int64_t days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

fut_status_t rtc_read(int64_t *seconds)
{
    struct fields a, b = read_once();
    do { // twice the same: not caught in a carry
        a = b;
        b = read_once();
    } while (__builtin_memcmp(&a, &b, sizeof a) != 0);
    uint8_t format = get(0x0b);
    (void)fut_ioport_write(ports, 0, 1, 0x0d);
    bool binary = format & 4, afternoon = !(format & 2) && (a.v[2] & 0x80);
    int hour = number(a.v[2] & ((format & 2) ? 0xff : 0x7f), binary);
    if (!(format & 2)) {
        hour = hour % 12 + (afternoon ? 12 : 0);
    }
    int month = number(a.v[4], binary), day = number(a.v[3], binary);
    int minute = number(a.v[1], binary), second = number(a.v[0], binary);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) {
        return FUT_ERR_INVALID;
    }
    *seconds = days(2000 + number(a.v[5], binary), month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return FUT_OK;
}
