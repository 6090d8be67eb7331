# SPDX-License-Identifier: MPL-2.0
# tools/futura clean: removes what can be made again; disks are somebody's data and go only after a yes.

usage() {
    cat <<'EOF'
usage: tools/futura clean [--cache] [--disks]

Removes the build directories. --cache also removes downloads and built third-party libraries; --disks also removes
the disk images with all that is in them, after asking (never when stdin is no terminal).
EOF
}

main() {
    caches=no disks=no
    for arg in "$@"; do
        case $arg in
        --cache) caches=yes ;;
        --disks) disks=yes ;;
        *) misuse "clean does not know \"$arg\"." ;;
        esac
    done
    rm -rf "$root/build"
    say "removed $root/build"
    if [ $caches = yes ]; then
        rm -rf "$cache"
        say "removed $cache"
    fi
    [ $disks = yes ] || return 0
    for arch in $arches; do
        image=$(disk_file $arch)
        [ -f "$image" ] || continue
        [ -t 0 ] || die "$image is kept: removing a disk must be confirmed on a terminal."
        printf 'Remove %s and everything in it? [y/N] ' "$image" >&2
        read -r answer || answer=
        case $answer in
        y | Y | yes) rm -f "$image"; say "removed $image" ;;
        *) say "$image is kept." ;;
        esac
    done
}
