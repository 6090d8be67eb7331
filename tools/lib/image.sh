# SPDX-License-Identifier: MPL-2.0
#
# tools/futura image: makes the root disk: an unpartitioned ext4 file system filled by the host's own mke2fs -d.
# Everything runs under fakeroot, so its files belong to root whoever builds it.

usage() {
    cat <<'EOF'
usage: tools/futura image [--arch x86_64|arm64] [--output FILE] [--size SIZE] [--fresh]
                          [--type ext2|ext3|ext4] [--tree DIR]

Makes the disk image that run boots from (1G, ext4, sparse), with the unmodified BusyBox of Debian's busybox-static in
it. An image that exists is kept unless --fresh is given. --tree copies a directory's contents into it as well.
EOF
}

# stage ARCH DIR: the files of the root directory. Runs under fakeroot.
stage() {
    arch=$1 dir=$2 busybox=$3
    umask 022
    for d in bin sbin dev etc home lib mnt proc root run sys tmp usr/bin usr/sbin usr/lib var/log var/tmp var/spool; do
        mkdir -p "$dir/$d"
    done
    chmod 1777 "$dir/tmp" "$dir/var/tmp"
    chmod 0700 "$dir/root"
    cp -R "$root/tools/image/root/." "$dir"
    find "$dir/etc" -type f -exec chmod 0644 {} +
    chmod 0600 "$dir/etc/shadow"
    ln -s /proc/mounts "$dir/etc/mtab"
    cp "$busybox/bin/busybox" "$dir/bin/busybox"
    chmod 0755 "$dir/bin/busybox"
    while read -r applet; do
        [ "$applet" = /bin/busybox ] || ln -s /bin/busybox "$dir$applet"
    done <"$busybox/applets"
    # Native programs that the build has made.
    for program in "$root/build/$arch/stripped/bin"/*; do
        [ -f "$program" ] || continue
        cp "$program" "$dir/usr/bin/${program##*/}"
        chmod 0755 "$dir/usr/bin/${program##*/}"
    done
}

# make_image ARCH FILE SIZE TYPE TREE
make_image() {
    arch=$1 file=$2 size=$3 type=$4 tree=$5
    busybox=$("$root/tools/thirdparty/build" "$arch" busybox) || exit 1
    mkdir -p "$(dirname "$file")"
    work=$(mktemp -d "${TMPDIR:-/tmp}/futura-image.XXXXXX")
    say "making $file ($type, $size)"
    rm -f "$file.new"
    truncate -s "$size" "$file.new"
    if ! root=$root work=$work arch=$arch busybox=$busybox tree=$tree type=$type file=$file \
        fakeroot sh -euc '
            . "$root/tools/lib/common.sh"
            . "$root/tools/lib/image.sh"
            mkdir "$work/tree"
            stage "$arch" "$work/tree" "$busybox"
            [ -z "$tree" ] || cp -R "$tree/." "$work/tree"
            mke2fs -q -F -t "$type" -L futura -E root_owner=0:0 -d "$work/tree" "$file.new"
        ' >&2; then
        rm -rf "$work" "$file.new"
        die "mke2fs could not make the image."
    fi
    rm -rf "$work"
    mv "$file.new" "$file"
}

# add_files IMAGE HOST:GUEST...: writes host files or directories into an image that is not in use.
add_files() {
    image=$1
    shift
    script=$(mktemp "${TMPDIR:-/tmp}/futura-add.XXXXXX")
    for pair in "$@"; do
        from=${pair%:*} to=${pair##*:}
        [ "$from" != "$pair" ] && [ -n "$to" ] || die "--add wants HOST:GUEST, not \"$pair\"."
        [ -e "$from" ] || die "--add: there is no $from."
        case $to in /*) ;; *) die "--add: the guest's path must begin with /, not \"$to\"." ;; esac
        if [ -d "$from" ]; then
            (cd "$from" && find . -type d) | while read -r d; do add_directory "$to/${d#./}"; done
            (cd "$from" && find . -type f) | while read -r f; do add_one "$from/${f#./}" "$to/${f#./}"; done
        else
            case $to in */) to=$to${from##*/} ;; esac
            add_directory "${to%/*}"
            add_one "$from" "$to"
        fi
    done | awk '!/^mkdir/ || !made[$0]++' >"$script"
    # debugfs complains about files to remove that are not there, which is no fault here.
    log=$(debugfs -w -f "$script" "$image" 2>&1) || true
    rm -f "$script"
    case $log in
    *'Could not allocate'*) die "--add: $image is full." ;;
    *'Filesystem not open'* | *'while opening'*) die "--add: $image cannot be opened: $log" ;;
    esac
}

add_directory() {
    path=
    old_ifs=$IFS
    IFS=/
    set -f
    for part in $1; do
        [ -n "$part" ] && [ "$part" != . ] || continue
        path=$path/$part
        # debugfs must not be told to make a directory that is there: it would leave a lost inode.
        if ! debugfs -R "stat \"$path\"" "$image" 2>/dev/null | grep -q '^Inode:'; then
            echo "mkdir \"$path\""
        fi
    done
    set +f
    IFS=$old_ifs
}

add_one() {
    echo "rm \"$2\""
    echo "write \"$1\" \"$2\""
    mode=100644
    [ ! -x "$1" ] || mode=100755
    echo "set_inode_field \"$2\" mode 0$mode"
    echo "set_inode_field \"$2\" uid 0"
    echo "set_inode_field \"$2\" gid 0"
}

main() {
    arch=x86_64 output= size=1G type=ext4 tree= fresh=no
    while [ $# -gt 0 ]; do
        case $1 in
        --arch) need_value "$1" $#; check_arch "$2"; arch=$2; shift 2 ;;
        --output) need_value "$1" $#; output=$2; shift 2 ;;
        --size) need_value "$1" $#; size=$2; shift 2 ;;
        --type) need_value "$1" $#; type=$2; shift 2 ;;
        --tree) need_value "$1" $#; tree=$2; shift 2 ;;
        --fresh) fresh=yes; shift ;;
        *) misuse "image does not know \"$1\"." ;;
        esac
    done
    case $type in ext2 | ext3 | ext4) ;; *) die "--type is ext2, ext3 or ext4, not \"$type\"." ;; esac
    [ -z "$tree" ] || [ -d "$tree" ] || die "--tree: there is no directory $tree."
    ensure_packages
    output=${output:-$(disk_file "$arch")}
    if [ -f "$output" ] && [ $fresh = no ]; then
        say "$output exists and is kept; --fresh makes a new one."
        return 0
    fi
    build_preset "$arch"
    make_image "$arch" "$output" "$size" "$type" "$tree"
}
