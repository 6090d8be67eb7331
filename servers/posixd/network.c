// SPDX-License-Identifier: MPL-2.0
//
// What programs look up in files although the network knows it: /etc/resolv.conf says which name servers there are, and
// is written anew when netd's list changes (a lease of DHCP, a router's advertisement).
#include "posixd.h"

#define PATH "/etc/resolv.conf"

static uint64_t generation = UINT64_MAX;
static char written[1024];

static void put(char *to, size_t size, const char *text, size_t n)
{
    size_t at = strlen(to);
    if (at + n < size) {
        memcpy(to + at, text, n);
        to[at + n] = 0;
    }
}

static void put_number(char *to, size_t size, unsigned value, unsigned base)
{
    char digits[12];
    int n = sizeof digits;
    do
        digits[--n] = "0123456789abcdef"[value % base];
    while ((value /= base) != 0);
    put(to, size, digits + n, sizeof digits - (size_t)n);
}

static void put_address(char *to, size_t size, const struct socket_address *a)
{
    bool six = a->family == SOCKET_FAMILY_INET6;
    for (int i = 0; i < (six ? 8 : 4); i++) {
        if (i != 0)
            put(to, size, six ? ":" : ".", 1);
        put_number(to, size, six ? (unsigned)a->bytes[2 * i] << 8 | a->bytes[2 * i + 1] : a->bytes[i], six ? 16 : 10);
    }
    if (six && a->scope != 0) {
        put(to, size, "%", 1);
        put_number(to, size, a->scope, 10);
    }
}

static void write_file(const char *text)
{
    io_file_t file = {};
    struct io_stat node;
    fut_status_t status = fs_context_open(posixd.root, (io_file_t){}, (struct fut_string){PATH, sizeof PATH - 1},
                                          FS_OPEN_FLAGS_WRITE_ONLY | FS_OPEN_FLAGS_CREATE | FS_OPEN_FLAGS_TRUNCATE, 0644, &file, &node);
    if (status != FUT_OK || file.h == 0)
        return; // a root that is not written to
    uint32_t n;
    if (io_file_write(file, (struct fut_bytes){text, strlen(text)}, &n) == FUT_OK)
        strcpy(written, text);
    (void)fut_cap_delete(file.h);
}

void network_changed(void)
{
    uint64_t now;
    struct netctl_address_view servers;
    struct fut_string domain;
    if (posixd.netctl.h == 0 || netctl_control_general(posixd.netctl, &now, nullptr, nullptr) != FUT_OK || now == generation)
        return;
    if (netctl_control_servers(posixd.netctl, &servers, &domain) != FUT_OK)
        return;
    generation = now;
    static char text[sizeof written];
    text[0] = 0;
    if (domain.len != 0) {
        put(text, sizeof text, "search ", 7);
        put(text, sizeof text, domain.data, domain.len);
        put(text, sizeof text, "\n", 1);
    }
    for (size_t i = 0; i < servers.len; i++) {
        put(text, sizeof text, "nameserver ", 11);
        put_address(text, sizeof text, &servers.data[i]);
        put(text, sizeof text, "\n", 1);
    }
    if (servers.len != 0 && strcmp(text, written) != 0)
        write_file(text);
}

void network_init(void)
{
    if (posixd.netctl.h != 0 && netctl_control_watch(posixd.netctl, posixd.server.event) == FUT_OK)
        network_changed();
}
