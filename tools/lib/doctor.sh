# SPDX-License-Identifier: MPL-2.0
# tools/futura doctor: looks at the machine and changes nothing.

usage() {
    cat <<'EOF'
usage: tools/futura doctor

Says what is missing on this machine and what to do about it: packages, room on the disk, cached downloads, images.
Exits with 0 when nothing is missing.
EOF
}

ok() { echo "ok       $*"; }
bad() { echo "MISSING  $*"; faults=$((faults + 1)); }

main() {
    [ $# -eq 0 ] || misuse "doctor takes no argument \"$1\"."
    faults=0
    missing=$(missing_packages)
    if [ -z "$missing" ]; then
        ok "packages: all installed"
    else
        bad "packages: $missing"
        echo "         as root: apt-get update && $(apt_line $missing)"
    fi
    for tool in qemu-system-x86_64 qemu-system-aarch64 clang-19; do
        ! present $tool || ok "$tool: $($tool --version | head -n 1)"
    done
    for dir in "$root" "$cache" "$data"; do
        probe=$dir
        while [ ! -d "$probe" ]; do probe=$(dirname "$probe"); done
        free=$(df -Pk "$probe" | awk 'NR == 2 { print int($4 / 1024) }')
        if [ ! -w "$probe" ]; then
            bad "$dir: cannot be written"
        elif [ "$free" -lt 2048 ]; then
            bad "$dir: only $free MiB free, 2048 wanted"
        else
            ok "$dir: $free MiB free"
        fi
    done
    while read -r name kind suite package file sum; do
        case $name in '' | '#'*) continue ;; esac
        if [ ! -f "$cache/files/$file" ]; then
            echo "later    $file: downloaded when it is needed"
        elif [ "$(sha256sum "$cache/files/$file" | cut -d' ' -f1)" = "$sum" ]; then
            ok "$file: cached"
        else
            bad "$file: the cached file has a wrong sha256; it is loaded again at the next build"
        fi
    done <"$root/tools/thirdparty/pins"
    for arch in $arches; do
        image=$(disk_file $arch)
        if [ ! -f "$image" ]; then
            echo "later    $image: made at the first run"
        elif present e2fsck && e2fsck -fn "$image" >/dev/null 2>&1; then
            ok "$image: clean"
        else
            bad "$image: e2fsck finds faults (or it is in use); \`e2fsck -f $image\` repairs it"
        fi
    done
    [ $faults -eq 0 ] || exit 1
}
