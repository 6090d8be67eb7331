# SPDX-License-Identifier: MPL-2.0
#
# The third-party libraries of the cross presets as imported targets:
#
#   picolibc     headers and libc.a          builtins    compiler-rt's helpers (128-bit floats, ...)
#   ext2fs       libext2fs, libcom_err, ...  fdt         libfdt for user space     fdt_kernel   libfdt for the kernel
#
# tools/thirdparty/build fetches, checks, builds and caches them outside the tree; it prints the directory.

set(recipes ${CMAKE_SOURCE_DIR}/tools/thirdparty)
