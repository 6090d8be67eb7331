# SPDX-License-Identifier: MPL-2.0
#
# What the subcommands of tools/futura share: where things lie, messages, and the list of what must be installed.
# Messages go to stderr, so that a command's stdout is only its result.

cache=${FUTURA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/futura}
data=${FUTURA_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/futura}
arches='x86_64 arm64'

say() { echo "futura: $*" >&2; }
die() { say "$*"; exit 1; }
misuse() { say "$*"; usage >&2; exit 2; }

# need_value OPTION VALUE-COUNT: an option that wants a value must have one.
need_value() { [ "$2" -ge 2 ] || misuse "$1 wants a value."; }

check_arch() {
    case $1 in
    x86_64 | arm64) ;;
    amd64) die "no architecture \"$1\"; it is called x86_64 here." ;;
    aarch64) die "no architecture \"$1\"; it is called arm64 here." ;;
    *) die "no architecture \"$1\"; there are: $arches." ;;
    esac
}

# Debian package and a program (or file) that shows it is there.
packages='
clang-19            clang-19
lld-19              ld.lld-19
llvm-19             llvm-objcopy-19
libclang-rt-19-dev  /usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.asan-x86_64.a
libc6-dev           /usr/include/stdio.h
cmake               cmake
ninja-build         ninja
meson               meson
patch               patch
xz-utils            xz
e2fsprogs           mke2fs
fakeroot            fakeroot
python3             python3
qemu-system-x86     qemu-system-x86_64
qemu-system-arm     qemu-system-aarch64
debian-archive-keyring  /usr/share/keyrings/debian-archive-keyring.gpg
'

# mke2fs, e2fsck and debugfs are outside an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin

present() {
    case $1 in
    */asan-x86_64.a | *asan*) [ -n "$(find /usr/lib/llvm-19/lib/clang/19/lib/linux -name 'libclang_rt.asan-*.a' 2>/dev/null)" ] ;;
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Prints the packages that are missing, in one line.
missing_packages() {
    echo "$packages" | while read -r package probe; do
        if [ -n "$package" ] && ! present "$probe"; then
            printf '%s ' "$package"
        fi
    done
}

apt_line() { echo "apt-get install --no-install-recommends -y $*"; }

# Installs what is missing if this is root, and otherwise says the exact line and stops.
ensure_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || die "this is not a Debian system; these Debian packages are needed: $missing"
    if [ "$(id -u)" -ne 0 ]; then
        say "these packages are missing: $missing"
        say "install them as root, then run the same command again:"
        echo "    apt-get update && $(apt_line $missing)" >&2
        exit 1
    fi
    say "installing from Debian: $missing"
    apt-get -q update >&2 || die "apt-get update failed: is the network away?"
    DEBIAN_FRONTEND=noninteractive $(apt_line $missing) >&2 || die "apt-get could not install them; its reason is above."
    missing=$(missing_packages)
    [ -z "$missing" ] || die "still missing after the installation: $missing"
}

# build_preset NAME [TARGET...]: configures if that was not done yet, and builds. Output goes to stderr, and only the
# interesting part of it.
build_preset() {
    preset=$1
    shift
    if [ ! -f "$root/build/$preset/build.ninja" ]; then
        say "configuring $preset (the first time this fetches and builds third-party libraries)"
        (cd "$root" && cmake --preset "$preset" >"$root/build-$preset.log") || {
            cat "$root/build-$preset.log" >&2
            rm -f "$root/build-$preset.log"
            die "cmake could not configure $preset."
        }
        rm -f "$root/build-$preset.log"
    fi
    # On a terminal ninja shows its progress in one line; elsewhere only failures are worth a line.
    quiet=--quiet
    [ ! -t 2 ] || quiet=
    ninja -C "$root/build/$preset" $quiet "$@" 2>&1 | grep -v -e '^ninja: no work' -e '^ninja: Entering' >&2 || :
    # The pipeline hides ninja's status: a second, silent run has nothing to do if the first one was good.
    ninja -C "$root/build/$preset" --quiet "$@" >/dev/null 2>&1 || die "the build of $preset failed."
}

# kernel_file ARCH: what QEMU gets as -kernel.
kernel_file() {
    case $1 in
    arm64) echo "$root/build/arm64/futura_kernel.img" ;;
    *) echo "$root/build/$1/futura_kernel" ;;
    esac
}

# disk_file ARCH: the image that run uses unless it is told another.
disk_file() { echo "$data/$1.img"; }

# quoted WORD: for sh, in single quotes.
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
