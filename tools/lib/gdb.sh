# SPDX-License-Identifier: MPL-2.0
# tools/futura gdb: a debugger on a running system.

usage() {
    cat <<'EOF'
usage: tools/futura gdb [--arch x86_64|arm64] [--server NAME] [--port N]

Attaches gdb to a system started with `tools/futura run --gdb`, with the kernel's symbols and, with --server, those of
one server, driver or program (all of them are linked at the same address, so only one can be looked at by name).
EOF
}

main() {
    arch=x86_64 server= port=1234
    while [ $# -gt 0 ]; do
        case $1 in
        --arch) need_value "$1" $#; check_arch "$2"; arch=$2; shift 2 ;;
        --server) need_value "$1" $#; server=$2; shift 2 ;;
        --port) need_value "$1" $#; port=$2; shift 2 ;;
        *) misuse "gdb does not know \"$1\"." ;;
        esac
    done
    gdb=
    for candidate in gdb-multiarch gdb; do
        if present $candidate; then gdb=$candidate; break; fi
    done
    [ -n "$gdb" ] || die "no gdb here; as root: $(apt_line gdb-multiarch)"
    kernel=$root/build/$arch/futura_kernel
    [ -f "$kernel" ] || die "$kernel is not built."
    set -- -q "$kernel" -ex "set confirm off" -ex "directory $root"
    if [ -n "$server" ]; then
        [ -f "$root/build/$arch/bin/$server" ] || die "no server \"$server\"; there are: $(ls "$root/build/$arch/bin" | tr '\n' ' ')"
        set -- "$@" -ex "add-symbol-file $root/build/$arch/bin/$server"
    fi
    exec $gdb "$@" -ex "target remote localhost:$port"
}
