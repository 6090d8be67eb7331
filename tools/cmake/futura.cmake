# SPDX-License-Identifier: MPL-2.0
#
# The vocabulary that the folders' CMakeLists.txt are written in. In short:
#
#   futura_kernel_sources(FILE...)                  sources of the nanokernel (nanokernel/ and platform/*)
#   futura_fipc(NAME.fipc)                          target proto_NAME: headers <fipc/NAME.h>, client, server
#   futura_library(NAME SOURCES ... [PROTOS ...] [LIBS ...] [OPTIONS ...])     a static user-space library
#   futura_server(NAME SOURCES ... [PROTOS ...] [LIBS ...])                    archive member servers/NAME
#   futura_driver(NAME SOURCES ... [PROTOS ...] [LIBS ...])                    archive member drivers/NAME
#   futura_program(NAME SOURCES ... [PROTOS ...] [LIBS ...] [NOT_IN_ARCHIVE])  archive member bin/NAME
#   futura_archive_file(MEMBER FILE [TARGET])       any other file of the boot archive
#   futura_unit_test(NAME SOURCES ... [LIBS ...])   host preset: a ctest that runs NAME under sanitizers
#
# A path in SOURCES is relative to the calling folder. Under the host preset futura_server, futura_driver and
# futura_program do nothing; futura_kernel_sources, futura_fipc and futura_library build host code, so a unit test
# links the same sources.
#
# Link libraries that do not exist (yet) are left out by name: FUTURA_RUNTIME below is what every program gets.

include_guard(GLOBAL)

if(NOT DEFINED FUTURA_ARCH)
  message(FATAL_ERROR "No architecture: configure with `cmake --preset x86_64` (or arm64, host).")
endif()

set(FUTURA_GEN ${CMAKE_BINARY_DIR}/gen)
set(FUTURA_HOST_TOOLS ${CMAKE_BINARY_DIR}/host-tools)
file(MAKE_DIRECTORY ${FUTURA_GEN}/fipc ${FUTURA_HOST_TOOLS})

# What every native program links, in order. libfutura/CMakeLists.txt defines the futura_* ones.
set(FUTURA_RUNTIME futura_start futura_posix futura_fipc_rt futura_sys picolibc builtins)

# ---------------------------------------------------------------------------------------------------------------
# Compiler options, as interface libraries: one for all code, one for the kernel, one for user space.

add_library(futura_flags INTERFACE)
target_compile_options(futura_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-std=c23> -O2 -g
  $<$<COMPILE_LANGUAGE:C>:-Wall -Wextra -Wvla -Wno-unused-command-line-argument>
  $<$<COMPILE_LANGUAGE:C>:-fno-common -fno-strict-aliasing -ffunction-sections -fdata-sections>
  # Paths in debug information and assertions do not depend on where the clone lies.
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -fdebug-compilation-dir=.
)
target_include_directories(futura_flags INTERFACE ${CMAKE_SOURCE_DIR}/libfutura/include ${FUTURA_GEN})

add_library(futura_kernel_flags INTERFACE)
target_link_libraries(futura_kernel_flags INTERFACE futura_flags)
target_include_directories(futura_kernel_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/nanokernel/include ${CMAKE_SOURCE_DIR}/nanokernel ${CMAKE_SOURCE_DIR}/platform/${FUTURA_ARCH})

add_library(futura_user_flags INTERFACE)
target_link_libraries(futura_user_flags INTERFACE futura_flags)

if(FUTURA_ARCH STREQUAL host)
  set(FUTURA_SANITIZE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_compile_options(futura_flags INTERFACE ${FUTURA_SANITIZE})
  target_compile_definitions(futura_flags INTERFACE _GNU_SOURCE)
  target_link_options(futura_flags INTERFACE ${FUTURA_SANITIZE})
else()
  target_compile_options(futura_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables>)
  # Frame pointers in the kernel: the panic backtrace walks them.
  target_compile_options(futura_kernel_flags INTERFACE
    $<$<COMPILE_LANGUAGE:C>:-mgeneral-regs-only -fno-pic -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer>)
  if(FUTURA_ARCH STREQUAL x86_64)
    target_compile_options(futura_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-mno-red-zone>)
    target_compile_options(futura_kernel_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-mcmodel=kernel>)
    target_compile_options(futura_user_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-march=x86-64-v2>)
  else()
    # Outline atomics would call helpers that need a start-up probe; plain ARMv8.0 exclusives need none.
    target_compile_options(futura_flags INTERFACE -march=armv8-a $<$<COMPILE_LANGUAGE:C>:-mno-outline-atomics>)
    # The kernel runs with the MMU off for a while, where unaligned accesses fault.
    target_compile_options(futura_kernel_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-mstrict-align>)
  endif()
  target_compile_options(futura_user_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-fPIE -ftls-model=local-exec>)
endif()

# Servers, drivers and libraries stay out of the FP and SIMD registers. The kernel switches those lazily, so a
# server that never touches them costs its callers nothing at a switch, and the personality finds the program's
# state where the program left it. Programs are free to use them; a library or server that must says FLOAT.
if(NOT FUTURA_ARCH STREQUAL host)
  set(FUTURA_NO_FLOAT $<$<COMPILE_LANGUAGE:C>:-mgeneral-regs-only>)
endif()

# Adds a folder if it has a CMakeLists.txt. The tree is built by several people at once; a part that has not
# landed must not stop the others.
function(futura_folder path)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${path}/CMakeLists.txt)
    add_subdirectory(${CMAKE_SOURCE_DIR}/${path} ${CMAKE_BINARY_DIR}/${path})
  endif()
endfunction()

function(futura_absolute out)
  set(result)
  foreach(f IN LISTS ARGN)
    get_filename_component(f ${f} ABSOLUTE BASE_DIR ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND result ${f})
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

# ---------------------------------------------------------------------------------------------------------------
# The kernel

function(futura_kernel_sources)
  futura_absolute(files ${ARGN})
  set_property(GLOBAL APPEND PROPERTY FUTURA_KERNEL_SOURCES ${files})
endfunction()

# Cross presets: executable futura_kernel from all kernel sources and platform/<arch>/kernel.ld; on arm64 also the
# flat Linux Image futura_kernel.img. Host preset: static library futura_kernel_host.
# FUTURA_KERNEL_FILE is what QEMU's -kernel gets.
function(futura_finish_kernel)
  get_property(sources GLOBAL PROPERTY FUTURA_KERNEL_SOURCES)
  if(NOT sources OR NOT EXISTS ${CMAKE_SOURCE_DIR}/nanokernel/CMakeLists.txt
      OR NOT EXISTS ${CMAKE_SOURCE_DIR}/platform/${FUTURA_ARCH}/CMakeLists.txt)
    return()
  endif()
  if(FUTURA_ARCH STREQUAL host)
    add_library(futura_kernel_host STATIC ${sources})
    target_link_libraries(futura_kernel_host PUBLIC futura_kernel_flags)
    return()
  endif()
  set(script ${CMAKE_SOURCE_DIR}/platform/${FUTURA_ARCH}/kernel.ld)
  if(NOT EXISTS ${script})
    return()
  endif()
  add_library(futura_kernel_objects OBJECT ${sources})
  target_link_libraries(futura_kernel_objects PRIVATE futura_kernel_flags $<TARGET_NAME_IF_EXISTS:fdt_kernel>)

  # Linked twice: the first result gives the names and places of the functions for the second one's backtraces.
  set(table ${CMAKE_BINARY_DIR}/kernel_symbols.S)
  add_custom_command(OUTPUT ${table}
    COMMAND sh -c "llvm-nm-19 -n '$<TARGET_FILE:futura_kernel_nameless>' | awk -f '${CMAKE_SOURCE_DIR}/tools/image/symbols.awk' > '${table}'"
    DEPENDS futura_kernel_nameless ${CMAKE_SOURCE_DIR}/tools/image/symbols.awk VERBATIM)
  add_executable(futura_kernel_nameless $<TARGET_OBJECTS:futura_kernel_objects>)
  add_executable(futura_kernel $<TARGET_OBJECTS:futura_kernel_objects> ${table})
  foreach(kernel futura_kernel_nameless futura_kernel)
    target_link_libraries(${kernel} PRIVATE $<TARGET_NAME_IF_EXISTS:fdt_kernel>)
    target_link_options(${kernel} PRIVATE
      "SHELL:-T ${script}" -nostdlib -static --gc-sections "SHELL:-z max-page-size=4096" --build-id=none)
    set_target_properties(${kernel} PROPERTIES
      LINKER_LANGUAGE C LINK_DEPENDS ${script} RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endforeach()
  target_link_options(futura_kernel PRIVATE -Map=${CMAKE_BINARY_DIR}/futura_kernel.map)
  if(FUTURA_ARCH STREQUAL arm64)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/futura_kernel.img
      COMMAND llvm-objcopy-19 -O binary $<TARGET_FILE:futura_kernel> ${CMAKE_BINARY_DIR}/futura_kernel.img
      DEPENDS futura_kernel VERBATIM)
    add_custom_target(futura_kernel_image ALL DEPENDS ${CMAKE_BINARY_DIR}/futura_kernel.img)
  endif()
endfunction()

# ---------------------------------------------------------------------------------------------------------------
# Host tools: built with the host's own clang in every preset, because the build runs them.

function(futura_host_tool name)
  futura_absolute(files ${ARGN})
  set(sources ${files})
  list(FILTER sources INCLUDE REGEX "\\.c$")
  # No toolchain variable reaches this command: it is the one place where a cross preset compiles host code.
  add_custom_command(OUTPUT ${FUTURA_HOST_TOOLS}/${name}
    COMMAND clang-19 -std=c23 -O1 -g -Wall -Wextra -D_GNU_SOURCE -o ${FUTURA_HOST_TOOLS}/${name} ${sources}
    DEPENDS ${files} COMMENT "Building host tool ${name}" VERBATIM)
  add_custom_target(host_${name} DEPENDS ${FUTURA_HOST_TOOLS}/${name})
endfunction()

file(GLOB fipcc_files CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/tools/fipcc/*.[ch] ${CMAKE_SOURCE_DIR}/tools/fipcc/src/*.[ch])
if(fipcc_files)
  futura_host_tool(fipcc ${fipcc_files})
endif()
# Another protocol compiler can be tried with -DFUTURA_FIPCC=FILE.
if(NOT FUTURA_FIPCC)
  set(FUTURA_FIPCC ${FUTURA_HOST_TOOLS}/fipcc)
endif()

# ---------------------------------------------------------------------------------------------------------------
# Protocols

# futura_fipc(NAME.fipc): runs `fipcc gen --out build/<preset>/gen proto/NAME.fipc`, which writes fipc/NAME.h,
# NAME_client.c and NAME_server.c there, and makes them the static library proto_NAME. Because a protocol may use
# another one, each depends on all of proto/*.fipc.
function(futura_fipc file)
  if(NOT TARGET host_fipcc AND FUTURA_FIPCC MATCHES "^${FUTURA_HOST_TOOLS}")
    return()
  endif()
  futura_absolute(source ${file})
  get_filename_component(name ${file} NAME_WE)
  file(GLOB all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/proto/*.fipc)
  set(outputs ${FUTURA_GEN}/fipc/${name}.h ${FUTURA_GEN}/${name}_client.c ${FUTURA_GEN}/${name}_server.c)
  add_custom_command(OUTPUT ${outputs}
    COMMAND ${FUTURA_FIPCC} gen --out ${FUTURA_GEN} ${source}
    DEPENDS ${FUTURA_FIPCC} ${source} ${all} COMMENT "fipcc ${name}.fipc" VERBATIM)
  add_custom_target(gen_${name} DEPENDS ${outputs})
  # A generated header may include another protocol's: all are generated before any is compiled.
  set_property(GLOBAL APPEND PROPERTY FUTURA_GEN_TARGETS gen_${name})
  add_library(proto_${name} STATIC ${outputs})
  target_link_libraries(proto_${name} PUBLIC futura_user_flags $<TARGET_NAME_IF_EXISTS:picolibc>)
  target_compile_options(proto_${name} PRIVATE ${FUTURA_NO_FLOAT})
  add_dependencies(proto_${name} gen_${name} futura_generated)
endfunction()

add_custom_target(futura_generated)
cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL futura_finish_generated)
function(futura_finish_generated)
  get_property(gens GLOBAL PROPERTY FUTURA_GEN_TARGETS)
  if(gens)
    add_dependencies(futura_generated ${gens})
  endif()
endfunction()

# ---------------------------------------------------------------------------------------------------------------
# User space

function(futura_libs out)
  set(result)
  foreach(lib IN LISTS ARGN)
    list(APPEND result $<TARGET_NAME_IF_EXISTS:${lib}>)
  endforeach()
  set(${out} ${result} PARENT_SCOPE)
endfunction()

function(futura_library name)
  cmake_parse_arguments(arg "FLOAT" "" "SOURCES;PROTOS;LIBS;OPTIONS;INCLUDES" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  list(TRANSFORM arg_PROTOS PREPEND proto_)
  futura_libs(libs ${arg_PROTOS} ${arg_LIBS})
  target_link_libraries(${name} PUBLIC futura_user_flags ${libs} $<TARGET_NAME_IF_EXISTS:picolibc>)
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  if(NOT arg_FLOAT)
    target_compile_options(${name} PRIVATE ${FUTURA_NO_FLOAT})
  endif()
  target_include_directories(${name} PUBLIC ${arg_INCLUDES})
  add_dependencies(${name} futura_generated)
endfunction()

# The common body of servers, drivers and programs: a static executable at a fixed address. (The code is compiled
# position independent, so that making it static-PIE is a change of the link options and of the loader alone.)
function(futura_executable name)
  cmake_parse_arguments(arg "" "" "SOURCES;PROTOS;LIBS;OPTIONS;INCLUDES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  list(TRANSFORM arg_PROTOS PREPEND proto_)
  futura_libs(libs ${arg_PROTOS} ${arg_LIBS} ${FUTURA_RUNTIME})
  target_link_libraries(${name} PRIVATE futura_user_flags ${libs})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_include_directories(${name} PRIVATE ${arg_INCLUDES})
  target_link_options(${name} PRIVATE
    -nostdlib -static -no-pie -e _start --gc-sections --build-id=none
    "SHELL:-z max-page-size=4096" "SHELL:-z separate-loadable-segments" "SHELL:-z noexecstack" --image-base=0x400000)
  add_dependencies(${name} futura_generated)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# What goes into the archive is stripped of debug information; build/<preset>/bin keeps the full file for gdb.
function(futura_archive_target member name)
  set(stripped ${CMAKE_BINARY_DIR}/stripped/${member})
  get_filename_component(dir ${stripped} DIRECTORY)
  add_custom_command(OUTPUT ${stripped}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${dir}
    COMMAND llvm-objcopy-19 --strip-debug $<TARGET_FILE:${name}> ${stripped}
    DEPENDS ${name} VERBATIM)
  add_custom_target(${name}_stripped DEPENDS ${stripped})
  futura_archive_file(${member} ${stripped} ${name}_stripped)
endfunction()

function(futura_server name)
  if(FUTURA_ARCH STREQUAL host)
    return()
  endif()
  cmake_parse_arguments(arg "FLOAT" "" "" ${ARGN})
  futura_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  if(NOT arg_FLOAT)
    target_compile_options(${name} PRIVATE ${FUTURA_NO_FLOAT})
  endif()
  if(name STREQUAL init)
    futura_archive_target(init init)
  else()
    futura_archive_target(servers/${name} ${name})
  endif()
endfunction()

function(futura_driver name)
  if(FUTURA_ARCH STREQUAL host)
    return()
  endif()
  cmake_parse_arguments(arg "FLOAT" "" "" ${ARGN})
  futura_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  if(NOT arg_FLOAT)
    target_compile_options(${name} PRIVATE ${FUTURA_NO_FLOAT})
  endif()
  futura_archive_target(drivers/${name} ${name})
endfunction()

function(futura_program name)
  if(FUTURA_ARCH STREQUAL host)
    return()
  endif()
  cmake_parse_arguments(arg "NOT_IN_ARCHIVE" "" "" ${ARGN})
  futura_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  if(NOT arg_NOT_IN_ARCHIVE)
    futura_archive_target(bin/${name} ${name})
  endif()
endfunction()

# ---------------------------------------------------------------------------------------------------------------
# The boot archive

# FILE becomes the member MEMBER, which may end in :MODE (octal; 0755 without it); TARGET, if given, makes it.
function(futura_archive_file member file)
  futura_absolute(file ${file})
  if(ARGC GREATER 2)
    set_property(GLOBAL APPEND PROPERTY FUTURA_ARCHIVE_TARGETS ${ARGV2})
  endif()
  set_property(GLOBAL APPEND PROPERTY FUTURA_ARCHIVE "${member}=${file}")
endfunction()

# boot.cpio: newc, `init` first (the kernel starts the first member), the others sorted by name; all owned by
# root, time 0, so that equal inputs give an equal archive. Members root/... are the files that a root without a disk
# starts with; they are the same ones that tools/image puts on a disk.
function(futura_finish_archive)
  if(EXISTS ${CMAKE_SOURCE_DIR}/servers/init/manifest)
    futura_archive_file(manifest ${CMAKE_SOURCE_DIR}/servers/init/manifest)
  endif()
  set(tree ${CMAKE_SOURCE_DIR}/tools/image/root)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${tree} ${tree}/*)
  foreach(f IN LISTS files)
    if(f STREQUAL etc/shadow)
      futura_archive_file(root/${f}:0600 ${tree}/${f})
    else()
      futura_archive_file(root/${f}:0644 ${tree}/${f})
    endif()
  endforeach()
  get_property(entries GLOBAL PROPERTY FUTURA_ARCHIVE)
  futura_host_tool(serialsplit ${CMAKE_SOURCE_DIR}/tools/image/serialsplit.c)
  add_custom_target(futura_host_tools ALL DEPENDS ${FUTURA_HOST_TOOLS}/serialsplit ${FUTURA_HOST_TOOLS}/mkcpio)
  futura_host_tool(mkcpio ${CMAKE_SOURCE_DIR}/tools/image/mkcpio.c)
  list(SORT entries)
  set(first ${entries})
  list(FILTER first INCLUDE REGEX "^init=")
  list(FILTER entries EXCLUDE REGEX "^init=")
  set(files ${first} ${entries})
  list(TRANSFORM files REPLACE "^[^=]*=" "")
  set(archive ${CMAKE_BINARY_DIR}/boot.cpio)
  get_property(targets GLOBAL PROPERTY FUTURA_ARCHIVE_TARGETS)
  add_custom_command(OUTPUT ${archive}
    COMMAND ${FUTURA_HOST_TOOLS}/mkcpio ${archive} ${first} ${entries}
    DEPENDS ${FUTURA_HOST_TOOLS}/mkcpio ${files} ${targets} COMMENT "Packing boot.cpio" VERBATIM)
  add_custom_target(futura_archive ALL DEPENDS ${archive})
endfunction()

# ---------------------------------------------------------------------------------------------------------------
# Unit tests (host preset)

function(futura_unit_test name)
  if(NOT FUTURA_ARCH STREQUAL host)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;OPTIONS;INCLUDES;PROTOS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  list(TRANSFORM arg_PROTOS PREPEND proto_)
  target_link_libraries(${name} PRIVATE futura_flags ${arg_LIBS} ${arg_PROTOS})
  target_compile_options(${name} PRIVATE ${arg_OPTIONS})
  target_include_directories(${name} PRIVATE ${arg_INCLUDES})
  add_dependencies(${name} futura_generated)
  add_test(NAME unit.${name} COMMAND ${name})
  set_tests_properties(unit.${name} PROPERTIES TIMEOUT 300)
endfunction()
