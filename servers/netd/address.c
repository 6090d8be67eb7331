// SPDX-License-Identifier: MPL-2.0
// Addresses and errors, between the protocols and lwIP.
#include "netd.h"
#include "lwip/err.h"

static bool is_mapped(const uint8_t *b)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(b, prefix, 12) == 0;
}

fut_status_t address_in(const struct socket_address *a, ip_addr_t *ip)
{
    uint32_t v4;
    if (a->family == SOCKET_FAMILY_INET || (a->family == SOCKET_FAMILY_INET6 && is_mapped(a->bytes))) {
        memcpy(&v4, a->bytes + (a->family == SOCKET_FAMILY_INET ? 0 : 12), 4);
        ip_addr_set_ip4_u32(ip, v4);
        return FUT_OK;
    }
    if (a->family != SOCKET_FAMILY_INET6)
        return IO_ERROR_NO_FAMILY;
    memset(ip, 0, sizeof *ip);
    IP_SET_TYPE(ip, IPADDR_TYPE_V6);
    memcpy(ip_2_ip6(ip)->addr, a->bytes, 16);
    ip6_addr_clear_zone(ip_2_ip6(ip));
    if (ip6_addr_has_scope(ip_2_ip6(ip), IP6_UNKNOWN) && a->scope != 0) {
        if (a->scope > 255 || !netif_get_by_index((uint8_t)a->scope))
            return IO_ERROR_NO_DEVICE;
        ip6_addr_set_zone(ip_2_ip6(ip), (uint8_t)a->scope);
    }
    return FUT_OK;
}

void address_out(const ip_addr_t *ip, uint16_t port, uint16_t family, struct socket_address *a)
{
    *a = (struct socket_address){.family = family, .port = port};
    if (IP_IS_V6_VAL(*ip)) {
        a->family = SOCKET_FAMILY_INET6;
        memcpy(a->bytes, ip_2_ip6(ip)->addr, 16);
        a->scope = ip6_addr_zone(ip_2_ip6(ip));
    } else if (family == SOCKET_FAMILY_INET6) {
        uint32_t v4 = ip_addr_get_ip4_u32(ip);
        if (v4 != 0) {
            a->bytes[10] = a->bytes[11] = 0xff;
            memcpy(a->bytes + 12, &v4, 4);
        }
    } else {
        uint32_t v4 = ip_addr_get_ip4_u32(ip);
        a->family = SOCKET_FAMILY_INET;
        memcpy(a->bytes, &v4, 4);
    }
}

fut_status_t error_of(int e)
{
    switch (e) {
    case ERR_OK: return FUT_OK;
    case ERR_MEM: return IO_ERROR_NO_BUFFERS;
    case ERR_BUF: return IO_ERROR_NO_BUFFERS;
    case ERR_TIMEOUT: return IO_ERROR_TIMED_OUT;
    case ERR_RTE: return IO_ERROR_NETWORK_UNREACHABLE;
    case ERR_INPROGRESS: return IO_ERROR_IN_PROGRESS;
    case ERR_VAL: return IO_ERROR_INVALID;
    case ERR_WOULDBLOCK: return IO_ERROR_TRY_AGAIN;
    case ERR_USE: return IO_ERROR_ADDRESS_IN_USE;
    case ERR_ALREADY: return IO_ERROR_ALREADY;
    case ERR_ISCONN: return IO_ERROR_CONNECTED;
    case ERR_CONN: return IO_ERROR_NOT_CONNECTED;
    case ERR_IF: return IO_ERROR_NETWORK_DOWN;
    case ERR_ABRT: return IO_ERROR_ABORTED;
    case ERR_RST: return IO_ERROR_CONNECTION_RESET;
    case ERR_CLSD: return IO_ERROR_NOT_CONNECTED;
    default: return IO_ERROR_INVALID;
    }
}
