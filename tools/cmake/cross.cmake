# SPDX-License-Identifier: MPL-2.0
# What both cross toolchains share. The compiler driver is never asked to link: for a bare x86_64 target it
# would call the host's gcc, so the rule below runs lld itself and link options are plain lld options.

set(CMAKE_C_COMPILER clang-19)
set(CMAKE_ASM_COMPILER clang-19)
set(CMAKE_C_COMPILER_TARGET ${FUTURA_TARGET})
set(CMAKE_ASM_COMPILER_TARGET ${FUTURA_TARGET})
set(CMAKE_AR llvm-ar-19)
set(CMAKE_RANLIB llvm-ranlib-19)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_COMPILER_WORKS TRUE)

# -nostdlibinc: without it clang looks into the host's /usr/include for x86_64-unknown-none-elf.
set(CMAKE_C_FLAGS_INIT "-nostdlibinc -ffreestanding")
set(CMAKE_ASM_FLAGS_INIT "-nostdlibinc")

set(CMAKE_C_LINKER_WRAPPER_FLAG "")
set(CMAKE_ASM_LINKER_WRAPPER_FLAG "")
set(CMAKE_C_LINK_EXECUTABLE "ld.lld-19 <LINK_FLAGS> <OBJECTS> -o <TARGET> <LINK_LIBRARIES>")
set(CMAKE_ASM_LINK_EXECUTABLE "${CMAKE_C_LINK_EXECUTABLE}")
