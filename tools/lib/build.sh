# SPDX-License-Identifier: MPL-2.0
# tools/futura build

usage() {
    cat <<'EOF'
usage: tools/futura build [--arch x86_64|arm64|host|all]...

Builds the system for the architecture (default: all of x86_64 and arm64) into build/<arch>; host is the kernel and
the libraries as ordinary programs with sanitizers, for the unit tests.
EOF
}

main() {
    wanted=
    while [ $# -gt 0 ]; do
        case $1 in
        --arch)
            need_value "$1" $#
            case $2 in
            all) wanted="$wanted $arches host" ;;
            host) wanted="$wanted host" ;;
            *) check_arch "$2"; wanted="$wanted $2" ;;
            esac
            shift 2
            ;;
        *) misuse "build does not know \"$1\"." ;;
        esac
    done
    ensure_packages
    for preset in ${wanted:-$arches}; do
        build_preset "$preset"
        say "$preset is built in build/$preset"
    done
}
