# SPDX-License-Identifier: MPL-2.0
# lwIP, the TCP/IP stack inside netd. Only its sources are put aside here: what they compile to depends on netd's own
# options (servers/netd/lwip/lwipopts.h), so they are compiled in the build itself (servers/netd/CMakeLists.txt).

source_pin=lwip

recipe() {
    mkdir -p "$out/include" "$out/src"
    cp -R "$src"/src/include/. "$out/include"
    cp -R "$src"/src/core "$src"/src/netif "$out/src"
    mkdir -p "$out/src/apps"
    cp -R "$src"/src/apps/mdns "$out/src/apps"
}
