# SPDX-License-Identifier: MPL-2.0
# Debian's own unmodified static BusyBox, and the list of its applets' paths. Both architectures' packages have the same
# applets, so the one that can run on this machine is asked.

source_pin='busybox-$arch'

recipe() {
    mkdir -p "$out/bin" native
    cp "$src/bin/busybox" "$out/bin/busybox"
    case $(uname -m) in
    x86_64) native=x86_64 ;;
    aarch64) native=arm64 ;;
    *) echo "no BusyBox for $(uname -m)"; exit 1 ;;
    esac
    unpack "$("$here/fetch" busybox-$native)" native
    native/bin/busybox --list-full | sed -e 's|^|/|' -e '/^.linuxrc$/d' >"$out/applets"
    grep -q '^/bin/sh$' "$out/applets"
}
