# SPDX-License-Identifier: MPL-2.0
# Toolchain of the x86_64 system: clang-19 as a bare-metal cross compiler, lld called directly.

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(FUTURA_ARCH x86_64)
set(FUTURA_TARGET x86_64-unknown-none-elf)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
