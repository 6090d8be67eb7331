// SPDX-License-Identifier: MPL-2.0
//
// The mDNS responder (RFC 6762): a host name under .local on every Ethernet interface, by lwIP's own responder.
#include "netd.h"
#include "lwip/apps/mdns.h"

void names_start(void) { mdns_resp_init(); }

void names_add(struct netif *netif)
{
    err_t e = mdns_resp_add_netif(netif, "futura");
    if (e != ERR_OK)
        fut_log("mDNS does not answer on interface %u: error %d", netif_get_index(netif), e);
}
