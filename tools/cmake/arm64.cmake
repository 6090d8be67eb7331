# SPDX-License-Identifier: MPL-2.0
# Toolchain of the arm64 system: clang-19 as a bare-metal cross compiler, lld called directly.

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(FUTURA_ARCH arm64)
set(FUTURA_TARGET aarch64-unknown-none-elf)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
