# SPDX-License-Identifier: MPL-2.0
# tools/futura test: all tests. CMake registers them; this builds what they need and runs ctest on each preset.

usage() {
    cat <<'EOF'
usage: tools/futura test [--arch x86_64|arm64|host|all]... [-R REGEX] [-j N]

Builds and runs the tests: host (unit tests, conformance and checks on this machine, under sanitizers), then the system
booted on each architecture. -R runs only tests whose name matches. Exits with 0 when everything passed.
EOF
}

main() {
    presets= regex=. jobs=$(nproc)
    while [ $# -gt 0 ]; do
        case $1 in
        --arch)
            need_value "$1" $#
            case $2 in
            all) presets="$presets host $arches" ;;
            host) presets="$presets host" ;;
            *) check_arch "$2"; presets="$presets $2" ;;
            esac
            shift 2
            ;;
        -R) need_value "$1" $#; regex=$2; shift 2 ;;
        -j) need_value "$1" $#; jobs=$2; shift 2 ;;
        *) misuse "test does not know \"$1\"." ;;
        esac
    done
    ensure_packages
    failed=
    for preset in ${presets:-host $arches}; do
        say "building $preset"
        build_preset "$preset"
        say "testing $preset"
        ctest --test-dir "$root/build/$preset" --output-on-failure --no-tests=ignore -R "$regex" -j "$jobs" ||
            failed="$failed $preset"
    done
    if [ -n "$failed" ]; then
        say "FAILED on:$failed"
        exit 1
    fi
    say "all tests passed on: ${presets:-host $arches}"
}
