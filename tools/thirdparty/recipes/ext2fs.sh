# SPDX-License-Identifier: MPL-2.0
# libext2fs, the ext2/3/4 library of e2fsprogs, without its device access (fsd brings its own io_manager over the block
# protocol) and without the parts that look at the host's mounts and devices. Its configure script tests a system that
# is not there, so config.h is written by hand; the generated sources are made here by the package's own generators.
# libfutura is not needed to build it: what it leaves undefined (memory, strings, time, open/read/write for the
# few tools in it) comes from picolibc's headers and is linked by fsd.

source_pin=e2fsprogs
[ "$arch" = host ] || needs=picolibc

recipe() {
    s=$src/lib
    mkdir -p gen/uuid gen/ext2fs gen/et gen/e2p missing
    cat >gen/config.h <<'EOF'
#define HAVE_UNISTD_H 1
#define HAVE_ERRNO_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STDINT_H 1
#define HAVE_INTTYPES_H 1
#define HAVE_STRING_H 1
#define HAVE_STRINGS_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_POSIX_MEMALIGN 1
#define HAVE_INTPTR_T 1
#define HAVE_VPRINTF 1
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 8
#define SIZEOF_LONG_LONG 8
#define SIZEOF_OFF_T 8
#define SIZEOF_TIME_T 8
#define ROOT_SYSCONFDIR "/etc"
EOF
    cat >gen/ext2fs/ext2_types.h <<'EOF'
#ifndef _EXT2_TYPES_H
#define _EXT2_TYPES_H
#include <stdint.h>
typedef uint8_t __u8;
typedef int8_t __s8;
typedef uint16_t __u16;
typedef int16_t __s16;
typedef uint32_t __u32;
typedef int32_t __s32;
typedef unsigned long long __u64;
typedef signed long long __s64;
#define __bitwise
#define __force
typedef __u16 __le16;
typedef __u32 __le32;
typedef __u64 __le64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
#endif
EOF
    cp "$s/uuid/uuid.h.in" gen/uuid/uuid.h
    cp "$s/uuid/uuid_types.h.in" gen/uuid/uuid_types.h
    cp "$s/ext2fs/ext2_err.et.in" gen/ext2fs/ext2_err.et
    # The error table: the two awk programs of compile_et turn it into a header and a source file.
    for half in h c; do
        awk -f "$s/et/et_$half.awk" "outfile=gen/ext2fs/ext2_err.$half" "outfn=ext2_err.$half" gen/ext2fs/ext2_err.et
    done
    clang-19 -w -I gen -I gen/ext2fs -I "$s" -I "$s/ext2fs" -o gen_crc32ctable "$s/ext2fs/gen_crc32ctable.c"
    ./gen_crc32ctable >gen/crc32c_table.h
    # The library has a check for mounted devices that reads directories; ours has none (fsd owns its device), but the
    # headers name this one.
    cat >missing/dirent.h <<'EOF'
#pragma once
EOF
    sources=
    for f in alloc alloc_sb alloc_stats alloc_tables atexit badblocks bb_inode bitmaps bitops blkmap64_ba blkmap64_rb \
        blknum block bmap check_desc closefs crc16 crc32c csum dblist dblist_dir dirblock dirhash dir_iterate digest_encode \
        expanddir ext_attr extent fallocate fileio freefs gen_bitmap gen_bitmap64 get_num_dirs get_pathname \
        getenv hashmap i_block icount ind_block initialize inline inline_data inode io_manager link lookup mkdir \
        mkjournal mmp namei native newdir nls_utf8 openfs orphan progress punch read_bb read_bb_file \
        res_gdt rw_bitmaps sha256 sha512 swapfs symlink unlink valid_blk version rbtree; do
        sources="$sources $s/ext2fs/$f.c"
    done
    sources="$sources gen/ext2fs/ext2_err.c"
    for f in com_err com_right error_message et_name init_et; do sources="$sources $s/et/$f.c"; done
    for f in feature percent; do sources="$sources $s/e2p/$f.c"; done
    for f in clear compare copy isnull pack parse unpack unparse; do sources="$sources $s/uuid/$f.c"; done
    # One job per processor through xargs; object names carry their folder, because names repeat (version.c, uuid.c).
    mkdir -p obj
    for f in $sources; do
        d=$(basename "$(dirname "$f")")
        echo "$f obj/$d-$(basename "$f" .c).o"
    done >jobs
    flags="$cc_flags -O2 -g -w -std=gnu17 -DHAVE_CONFIG_H -include sys/time.h"
    flags="$flags -I gen -I gen/ext2fs -I gen/uuid -I $s -I $s/ext2fs -I $s/et -I missing"
    [ "$arch" = host ] || flags="$flags -isystem $dep_picolibc/include"
    xargs -P "$jobs" -L 1 sh -c 'clang-19 '"$flags"' -c "$0" -o "$1"' <jobs
    mkdir -p "$out/lib" "$out/include/ext2fs" "$out/include/et" "$out/include/e2p" "$out/include/uuid"
    llvm-ar-19 rcs "$out/lib/libext2fs.a" obj/*.o
    llvm-objcopy-19 --strip-debug "$out/lib/libext2fs.a"
    cp "$s"/ext2fs/ext2_fs.h "$s"/ext2fs/ext2fs.h "$s"/ext2fs/ext2_io.h "$s"/ext2fs/bitops.h "$s"/ext2fs/ext3_extents.h \
        "$s"/ext2fs/ext2_ext_attr.h "$s"/ext2fs/ext4_acl.h "$s"/ext2fs/hashmap.h "$s"/ext2fs/kernel-jbd.h \
        "$s"/ext2fs/kernel-list.h "$s"/ext2fs/jfs_compat.h "$s"/ext2fs/compiler.h "$s"/ext2fs/tdb.h \
        gen/ext2fs/ext2_types.h gen/ext2fs/ext2_err.h "$out/include/ext2fs"
    cp "$s"/et/com_err.h "$out/include/et"
    cp "$s"/e2p/e2p.h "$out/include/e2p"
    cp gen/uuid/uuid.h "$out/include/uuid"
}
