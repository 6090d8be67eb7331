# SPDX-License-Identifier: MPL-2.0
# Debian's own unmodified static BusyBox.

source_pin='busybox-$arch'

recipe() {
    mkdir -p "$out/bin"
    cp "$src/bin/busybox" "$out/bin/busybox"
}
