# SPDX-License-Identifier: MPL-2.0
# libfdt reads device trees. Only its sources are put aside here: they are compiled in the build itself, once with the
# kernel's options and once with those of user space (tools/cmake/thirdparty.cmake).

source_pin=dtc

recipe() {
    mkdir -p "$out/include" "$out/src"
    cp "$src"/libfdt/fdt.h "$src"/libfdt/libfdt.h "$src"/libfdt/libfdt_env.h "$out/include"
    cp "$src"/libfdt/fdt.c "$src"/libfdt/fdt_ro.c "$src"/libfdt/fdt_addresses.c "$src"/libfdt/fdt_strerror.c \
        "$src"/libfdt/libfdt_internal.h "$out/src"
}
