# SPDX-License-Identifier: MPL-2.0
#
# tools/futura bench: boots the benchmarks and prints what they measured beside the reference figures.
#
# Under QEMU's -icount shift=0 one guest instruction is one nanosecond of guest time, so a figure in ns is a number of
# instructions and does not depend on this machine. ub and fsb are Linux programs, built statically with gcc: the same
# binaries gave the Linux figures in tests/bench/reference.json. tests/bench/table.py turns what they print into tables.

usage() {
    cat <<'EOF'
usage: tools/futura bench [NAME...] [--arch x86_64|arm64|all] [--json] [--only TEST,...]

NAME is one or more of (default: all of them)
  size    lines and bytes of the kernel
  boot    instructions, wall time and memory from power-on to the first command
  ipc     call and reply between two address spaces, and other kernel operations, against seL4
  ub      system calls, processes, memory, pipes, against Linux (--only picks tests of it)
  shell   what BusyBox's shell does, against Linux
  fsb     files on the ext4 disk, against Linux: wall time and busy instructions
EOF
}

# bench_programs ARCH: builds ub and fsb, and installs what that needs.
bench_programs() {
    arch=$1
    case $arch in
    x86_64) compiler=x86_64-linux-gnu-gcc libs=gcc ;;
    arm64) compiler=aarch64-linux-gnu-gcc libs='gcc-aarch64-linux-gnu libc6-dev-arm64-cross' ;;
    esac
    if ! present $compiler; then
        [ "$(id -u)" -eq 0 ] || die "the benchmarks need a compiler for Linux; as root: $(apt_line $libs)"
        say "installing from Debian: $libs"
        DEBIAN_FRONTEND=noninteractive $(apt_line $libs) >&2 || die "apt-get could not install them."
    fi
    mkdir -p "$root/build/$arch/bench"
    for program in ub fsb; do
        out=$root/build/$arch/bench/$program
        if [ ! -f "$out" ] || [ "$root/tests/bench/$program.c" -nt "$out" ]; then
            $compiler -O2 -static -w -o "$out" "$root/tests/bench/$program.c" -lpthread ||
                die "$program could not be compiled."
        fi
    done
}

# in_guest OPTIONS -- CMD: runs CMD in a fresh system; the output is kept in the raw file, after a heading.
in_guest() {
    heading=$1 command=$2
    shift 2
    echo "== $heading" >>"$raw"
    # A bench that fails or is stopped leaves what it printed; the table shows what is missing.
    timeout "${FUTURA_BENCH_TIMEOUT:-900}" "$root/tools/futura" run --arch "$arch" --no-build --disk "$disk" --snapshot \
        "$@" -c "$command" </dev/null >>"$raw" 2>>"$raw.log" || echo "!! status $?" >>"$raw"
}

bench_size() {
    echo "== size" >>"$raw"
    echo "lines $(python3 "$root/tests/bench/lines.py" "$root/nanokernel" "$root/platform/$arch")" >>"$raw"
    llvm-size-19 "$root/build/$arch/futura_kernel" | awk 'NR == 2 { print "text", $1; print "data", $2; print "bss", $3 }' >>"$raw"
}

bench_boot() {
    in_guest boot 'futctl machine; free -k' --icount
    start=$(date +%s%N)
    in_guest boot-wall 'echo on'
    echo "wall $((($(date +%s%N) - start) / 1000000))" >>"$raw"
}

# The kernel's own benchmark is a boot archive with one task; it prints its figures to the kernel's log.
bench_ipc() {
    echo "== ipc" >>"$raw"
    timeout "${FUTURA_BENCH_TIMEOUT:-900}" "$root/tools/futura" run --arch "$arch" --no-build --no-disk --icount \
        --archive "$root/build/$arch/bench.cpio" </dev/null >>"$raw" 2>>"$raw.log" || echo "!! status $?" >>"$raw"
}

ub_tests='loop clock null read write pread4k pwrite4k stat fstat open poll10 pipe1 pipe unix futexwake futex thread yield sig
mmap mprotect anonfault filefault fork forkexec spawn bbtrue fileread1M memcpy1M bwpipe64K bwunix64K creat'

bench_ub() {
    # One process for each test: one that fails must not hide the others.
    in_guest ub "for t in ${only:-$(echo $ub_tests)}; do timeout 100 /bench/ub /tmp \$t || echo UB-ERR \$t \$?; done" --icount
}

# With -icount sleep=off time jumps while the processor waits for a disk, so what counts is uptime without idle time.
bench_shell() {
    in_guest shell '
        t() { cat /proc/uptime; }
        a=$(t); i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo SH loop 1 $a $(t)
        a=$(t); i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i + 1)); done; echo SH true 200 $a $(t)
        a=$(t); i=0; while [ $i -lt 50 ]; do x=$(echo a b | cut -d" " -f2); i=$((i + 1)); done; echo SH subst 1 $a $(t)
        a=$(t); mkdir /tmp/f; i=0; while [ $i -lt 200 ]; do echo $i > /tmp/f/$i; i=$((i + 1)); done; cat /tmp/f/* > /dev/null
        rm -r /tmp/f; echo SH files 1 $a $(t)
        a=$(t); seq 20000 | sort -rn | md5sum > /dev/null; echo SH sort 1 $a $(t)' --icount
}

bench_fsb() {
    in_guest fsb 'mkdir /bench/d; /bench/fsb /bench/d 64'
    in_guest fsb-busy 'mkdir /bench/d; /bench/fsb /bench/d 64' --qemu-arg -icount --qemu-arg shift=0,sleep=on
}

main() {
    names= wanted= json=no only=
    while [ $# -gt 0 ]; do
        case $1 in
        --arch)
            need_value "$1" $#
            if [ "$2" = all ]; then wanted="$wanted $arches"; else check_arch "$2"; wanted="$wanted $2"; fi
            shift 2
            ;;
        --json) json=yes; shift ;;
        --only) need_value "$1" $#; only=$(echo "$2" | tr ',' ' '); shift 2 ;;
        size | boot | ipc | ub | shell | fsb) names="$names $1"; shift ;;
        *) misuse "bench does not know \"$1\"." ;;
        esac
    done
    names=${names:-size boot ipc ub shell fsb}
    wanted=${wanted:-$arches}
    ensure_packages
    for arch in $wanted; do
        build_preset "$arch"
        bench_programs "$arch"
        raw=$root/build/$arch/bench/raw
        : >"$raw"
        : >"$raw.log"
        disk=$root/build/$arch/bench/disk.img
        if [ "$names" != ' size' ]; then
            # A new disk each time: the figures must not depend on what happened before.
            tree=$root/build/$arch/bench/tree
            rm -rf "$tree"
            mkdir -p "$tree/bench"
            cp "$root/build/$arch/bench/ub" "$root/build/$arch/bench/fsb" "$tree/bench"
            "$root/tools/futura" image --arch "$arch" --output "$disk" --fresh --tree "$tree"
        fi
        for name in $names; do
            say "measuring $name on $arch"
            bench_$name
        done
    done
    set --
    for arch in $wanted; do set -- "$@" "$arch=$root/build/$arch/bench/raw"; done
    [ $json = no ] || set -- --json "$@"
    python3 "$root/tests/bench/table.py" "$@"
}
