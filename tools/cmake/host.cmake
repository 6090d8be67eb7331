# SPDX-License-Identifier: MPL-2.0
# Toolchain of the host preset: this machine's own Linux, with the same compiler as the target.

set(FUTURA_ARCH host)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_ASM_COMPILER clang-19)
set(CMAKE_AR llvm-ar-19)
set(CMAKE_RANLIB llvm-ranlib-19)
