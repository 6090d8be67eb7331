# SPDX-License-Identifier: MPL-2.0
#
# The third-party libraries of the cross presets, as targets:
#
#   picolibc     headers and libc.a          builtins    compiler-rt's helpers (128-bit floats, ...)
#   ext2fs       libext2fs and libcom_err    fdt         libfdt for user space     fdt_kernel   libfdt for the kernel
#   (lwIP's sources are in FUTURA_lwip_DIR; servers/netd compiles them)
#
# tools/thirdparty/build fetches, checks, builds and caches them outside the tree, and prints the directories. That
# happens when CMake configures; with a warm cache it takes well under a second.

set(recipes ${CMAKE_SOURCE_DIR}/tools/thirdparty)
set(packages picolibc builtins ext2fs fdt busybox lwip)

execute_process(
  COMMAND ${recipes}/build ${FUTURA_ARCH} ${packages}
  OUTPUT_VARIABLE dirs OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "The third-party packages could not be made; the reason is above.")
endif()
string(REPLACE "\n" ";" dirs "${dirs}")
foreach(package dir IN ZIP_LISTS packages dirs)
  set(FUTURA_${package}_DIR ${dir})
endforeach()

# A changed pin, recipe or patch configures again.
file(GLOB inputs CONFIGURE_DEPENDS ${recipes}/recipes/* ${recipes}/patches/*)
set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${recipes}/build ${recipes}/pins ${inputs})

function(futura_imported name package)
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${FUTURA_${package}_DIR}/lib/lib${ARGV2}.a)
  if(EXISTS ${FUTURA_${package}_DIR}/include)
    target_include_directories(${name} SYSTEM INTERFACE ${FUTURA_${package}_DIR}/include)
  endif()
endfunction()

futura_imported(picolibc picolibc c)
# Without it <string.h> and others show only what ISO C names.
target_compile_definitions(picolibc INTERFACE _GNU_SOURCE)
futura_imported(builtins builtins builtins)
futura_imported(ext2fs ext2fs ext2fs)
target_include_directories(ext2fs SYSTEM INTERFACE ${FUTURA_ext2fs_DIR}/include/ext2fs)

# libfdt wants <string.h> and <stdlib.h>'s strtoul; the kernel offers the few string functions itself, so it gets these
# headers from picolibc while it is compiled, and nothing of picolibc when it is linked.
foreach(flavour fdt fdt_kernel)
  add_library(${flavour} STATIC
    ${FUTURA_fdt_DIR}/src/fdt.c ${FUTURA_fdt_DIR}/src/fdt_ro.c
    ${FUTURA_fdt_DIR}/src/fdt_addresses.c ${FUTURA_fdt_DIR}/src/fdt_strerror.c)
  target_compile_options(${flavour} PRIVATE -w)
  target_compile_definitions(${flavour} PRIVATE _GNU_SOURCE)
  target_include_directories(${flavour} SYSTEM PUBLIC ${FUTURA_fdt_DIR}/include
    PRIVATE ${FUTURA_picolibc_DIR}/include)
endforeach()
target_link_libraries(fdt PRIVATE futura_user_flags)
target_link_libraries(fdt_kernel PRIVATE futura_kernel_flags)

# The unmodified BusyBox also travels in the archive, for a system that is booted without a disk.
futura_archive_file(bin/busybox ${FUTURA_busybox_DIR}/bin/busybox)
futura_archive_file(etc/applets:0644 ${FUTURA_busybox_DIR}/applets)
