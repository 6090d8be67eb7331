// SPDX-License-Identifier: MPL-2.0
//
// lwIP as netd builds it: one thread, no operating system below it, IPv4 and IPv6. Packet memory is netd's own
// (pool.c, so that devices reach it); control blocks come from fixed pools, so that whoever opens connections can use
// up only these. Sized for 1000 connections at once, with as many again on their way out.
#pragma once

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TIMERS 1
#define LWIP_ASSERT_CORE_LOCKED()

// Memory
#define MEM_ALIGNMENT 16
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC netd_pool_malloc
#define MEM_CUSTOM_CALLOC netd_pool_calloc
#define MEM_CUSTOM_FREE netd_pool_free
#ifndef __ASSEMBLER__
#include <stddef.h>
void *netd_pool_malloc(size_t bytes);
void *netd_pool_calloc(size_t count, size_t bytes);
void netd_pool_free(void *p);
#endif
#define MEMP_NUM_TCP_PCB 2048
#define MEMP_NUM_TCP_PCB_LISTEN 256
#define MEMP_NUM_TCP_SEG 12288
#define MEMP_NUM_UDP_PCB 512
#define MEMP_NUM_RAW_PCB 64
#define MEMP_NUM_PBUF 12288
// Frames are received into the pool of buffers of netd, not into this one.
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1
#define PBUF_POOL_SIZE 16
#define PBUF_POOL_BUFSIZE 1600
#define MEMP_NUM_REASSDATA 16
#define IP_REASS_MAX_PBUFS 64
#define MEMP_NUM_FRAG_PBUF 64
#define MEMP_NUM_IGMP_GROUP 64
#define MEMP_NUM_MLD6_GROUP 64
#define MEMP_NUM_ND6_QUEUE 64
#define MEMP_NUM_ARP_QUEUE 64
#define MEMP_NUM_SYS_TIMEOUT (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 32)
#define LWIP_SUPPORT_CUSTOM_PBUF 1

// Interfaces
#define LWIP_HAVE_LOOPIF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_LOOPBACK_MAX_PBUFS 0
#define LWIP_NETIF_API 0
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_EXT_STATUS_CALLBACK 1
#define LWIP_NUM_NETIF_CLIENT_DATA 1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_SINGLE_NETIF 0
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define ARP_TABLE_SIZE 64
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 8
#define ETHARP_TRUST_IP_MAC 0

// IP
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define IP_FORWARD 0
#define IP_REASSEMBLY 1
#define IP_FRAG 1
#define IP_DEFAULT_TTL 64
#define IP_SOF_BROADCAST 1
#define IP_SOF_BROADCAST_RECV 0
#define LWIP_ICMP 1
#define LWIP_RAW 1
#define LWIP_IGMP 1
#define LWIP_MULTICAST_TX_OPTIONS 1
#define LWIP_IPV6_MLD 1
#define LWIP_IPV6_AUTOCONFIG 1
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 1
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 1
#define LWIP_IPV6_NUM_ADDRESSES 6
#define LWIP_IPV6_FRAG 1
#define LWIP_IPV6_REASS 1
#define IPV6_FRAG_COPYHEADER 1
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2
#define LWIP_ND6_NUM_NEIGHBORS 32
#define LWIP_ND6_NUM_DESTINATIONS 32
#define LWIP_ND6_NUM_ROUTERS 4
#define LWIP_ND6_NUM_PREFIXES 8
#define LWIP_ND6_QUEUEING 1
#define LWIP_HOOK_IP4_ROUTE_SRC(source, destination) netd_route4(source, destination)
#define LWIP_HOOK_ETHARP_GET_GW(netif, destination) netd_gateway4(netif, destination)

// Configuration and names
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_DHCP_MAX_DNS_SERVERS 4
#define LWIP_DHCP_GET_NTP_SRV 1
#define LWIP_DHCP_MAX_NTP_SERVERS 2
#define LWIP_DHCP_PROVIDE_DNS_SERVERS 1
#define LWIP_ACD 0
#define LWIP_AUTOIP 0
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 32
#define DNS_MAX_NAME_LENGTH 256
#define DNS_MAX_SERVERS 4
#define DNS_MAX_REQUESTS 16
#define LWIP_MDNS_RESPONDER 1
#define MDNS_MAX_SERVICES 4

// UDP, TCP
#define LWIP_UDP 1
#define LWIP_TCP 1
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 1
#define LWIP_TCP_KEEPALIVE 1
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (256 * 1024)
#define TCP_SND_QUEUELEN 1024
#define TCP_SNDLOWAT (32 * 1024)
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 192
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 1
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 255
#define TCP_OVERSIZE TCP_MSS
#define TCP_MSL 15000UL
#define LWIP_HOOK_TCP_ISN netd_isn
#define LWIP_CALLBACK_API 1

// Counting
#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define MIB2_STATS 1
#define LWIP_STATS_DISPLAY 0

#define LWIP_HOOK_FILENAME "hooks.h"
