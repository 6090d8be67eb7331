# SPDX-License-Identifier: MPL-2.0
# lwIP is compiled here, with netd's options, from the pinned sources (tools/thirdparty/recipes/lwip.sh).
set(core init def dns inet_chksum ip mem memp netif pbuf raw stats sys tcp tcp_in tcp_out timeouts udp)
set(ipv4 acd dhcp etharp icmp igmp ip4 ip4_addr ip4_frag)
set(ipv6 ethip6 icmp6 inet6 ip6 ip6_addr ip6_frag mld6 nd6)
list(TRANSFORM ipv4 PREPEND ipv4/)
list(TRANSFORM ipv6 PREPEND ipv6/)
set(sources ${core} ${ipv4} ${ipv6})
list(TRANSFORM sources PREPEND ${FUTURA_lwip_DIR}/src/core/)
list(APPEND sources ${FUTURA_lwip_DIR}/src/netif/ethernet ${FUTURA_lwip_DIR}/src/apps/mdns/mdns
  ${FUTURA_lwip_DIR}/src/apps/mdns/mdns_out ${FUTURA_lwip_DIR}/src/apps/mdns/mdns_domain)
list(TRANSFORM sources APPEND .c)
add_library(lwip STATIC ${sources})
target_compile_options(lwip PRIVATE -w -ffile-prefix-map=${FUTURA_lwip_DIR}/src/=lwip/ ${FUTURA_NO_FLOAT})
target_include_directories(lwip SYSTEM PUBLIC ${FUTURA_lwip_DIR}/include)
target_include_directories(lwip PUBLIC ${CMAKE_CURRENT_LIST_DIR}/lwip)
target_link_libraries(lwip PUBLIC futura_user_flags $<TARGET_NAME_IF_EXISTS:picolibc>)

