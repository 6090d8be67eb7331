# SPDX-License-Identifier: MPL-2.0
#
# tools/futura run: boots the system in QEMU with the serial line as terminal, or runs one command in it.
#
# What the guest must know travels in a copy of the boot archive: etc/boot.conf (terminal size and type, root device)
# and, with -c, etc/command, a script that init runs in place of the login shell. For an exact copy of the command's
# output the script makes the line raw and frames the output with marks; tools/image/serialsplit.c takes it out.

usage() {
    cat <<'EOF'
usage: tools/futura run [OPTION]...

  --arch x86_64|arm64   the architecture (x86_64)
  -c CMD                boot, run CMD with the shell, power off; stdout is CMD's output, the exit status CMD's
  --disk FILE           root disk: an unpartitioned ext2/ext4 image (~/.local/share/futura/<arch>.img)
  --no-disk             root is a tmpfs filled from the boot archive
  --fresh               make a new default disk
  --add HOST:GUEST      copy a file or directory of this machine into the disk first (repeatable)
  --second-disk FILE    one more disk, /dev/vdb in the guest
  --snapshot            what the guest writes to its disks is forgotten at the end
  --forward HOST:GUEST  TCP port HOST of this machine (127.0.0.1) reaches port GUEST of the guest (repeatable)
  --no-net              no network card; else there is one, behind QEMU's own user-mode network
  --mem SIZE            memory (512M)       --smp N     processors (1)
  --icount              count instructions: one is one nanosecond of guest time
  --kdb                 let the kernel's debugger answer: Ctrl-A B here, `futctl debug` in the guest, or a panic
  --gdb                 wait for `tools/futura gdb` before the first instruction
  --qemu-arg ARG        one more argument for QEMU (repeatable)
  --archive FILE        boot another archive than build/<arch>/boot.cpio
  --no-build            boot what was built last
  --dry-run             print QEMU's command line instead of running it

Leave with `poweroff` in the guest, or with Ctrl-A X at any time.
EOF
}

# option_value PATH: commas are doubled inside a QEMU option.
option_value() { printf '%s' "$1" | sed 's/,/,,/g'; }

# The script that the guest runs for -c. The command's output goes through a pipe, so that it does not see a terminal
# (as with `ssh HOST CMD`); its status comes out of the pipeline on another descriptor. What the script's own shell says
# about it ("Killed") goes nowhere; for that CMD's stderr must be joined to its stdout inside, since the shell writes with
# the descriptors of the command that it waits for.
command_script() {
    cat <<EOF
stty raw -echo
exec 2>/dev/null
printf '\\001%s begin\\n' $1
exec 3>&1
status=\$({ { /bin/sh -c $(quoted "exec 2>&1
$2") </dev/null 3>&- 4>&-; echo \$? >&4; } | cat >&3; } 4>&1)
printf '\\001%s end %s\\n' $1 "\$status"
EOF
}

# Puts a disk in order before it is used: a system that did not stop cleanly leaves work for e2fsck.
check_disk() {
    case $(dumpe2fs -h "$1" 2>/dev/null | sed -n 's/^Filesystem state: *//p') in
    clean) dumpe2fs -h "$1" 2>/dev/null | grep -q '^Filesystem features:.*needs_recovery' || return 0 ;;
    '') die "$1 has no ext2, ext3 or ext4 file system." ;;
    esac
    if [ -t 0 ] && [ -z "$command" ]; then
        printf 'futura: %s was not unmounted cleanly. Run e2fsck -p on it first? [Y/n] ' "$1" >&2
        read -r answer || answer=n
        case $answer in n | N | no) return 0 ;; esac
    fi
    say "$1 was not unmounted cleanly: running e2fsck -p"
    status=0
    e2fsck -p "$1" >&2 || status=$?
    [ $status -lt 4 ] || die "e2fsck -p could not repair it; try \`e2fsck -f $1\`, or --fresh for a new disk."
}

# Native programs on the default disk follow the build.
refresh_programs() {
    image=$1
    set --
    for program in "$root/build/$arch/stripped/bin"/*; do
        [ -f "$program" ] && set -- "$@" "$program:/usr/bin/${program##*/}"
    done
    [ $# -gt 0 ] || return 0
    now=$(cat "$root/build/$arch/stripped/bin"/* | sha256sum)
    [ "$(cat "$image.programs" 2>/dev/null)" != "$now" ] || return 0
    add_files "$image" "$@"
    echo "$now" >"$image.programs"
}

main() {
    arch=x86_64 command= has_command=no disk= no_disk=no fresh=no second= snapshot=no mem=512M smp=1
    archive= icount=no gdb=no kdb=no net=yes build=yes dry=no adds= forwards= extra=
    while [ $# -gt 0 ]; do
        case $1 in
        --arch) need_value "$1" $#; check_arch "$2"; arch=$2; shift 2 ;;
        -c) need_value "$1" $#; command=$2 has_command=yes; shift 2 ;;
        --disk) need_value "$1" $#; disk=$2; shift 2 ;;
        --no-disk) no_disk=yes; shift ;;
        --fresh) fresh=yes; shift ;;
        --add) need_value "$1" $#; adds="$adds $(quoted "$2")"; shift 2 ;;
        --second-disk) need_value "$1" $#; second=$2; shift 2 ;;
        --snapshot) snapshot=yes; shift ;;
        --forward)
            need_value "$1" $#
            case $2 in
            *[!0-9:]* | :* | *: | *:*:*) die "--forward wants HOST:GUEST port numbers, not \"$2\"." ;;
            *:*) ;;
            *) die "--forward wants HOST:GUEST port numbers, not \"$2\"." ;;
            esac
            forwards="$forwards,hostfwd=tcp:127.0.0.1:${2%:*}-:${2#*:}"
            shift 2
            ;;
        --no-net) net=no; shift ;;
        --mem | -m) need_value "$1" $#; mem=$2; shift 2 ;;
        --smp) need_value "$1" $#; smp=$2; shift 2 ;;
        --icount) icount=yes; shift ;;
        --gdb) gdb=yes; shift ;;
        --kdb) kdb=yes; shift ;;
        --qemu-arg) need_value "$1" $#; extra="$extra $(quoted "$2")"; shift 2 ;;
        --archive) need_value "$1" $#; archive=$2; shift 2 ;;
        --no-build) build=no; shift ;;
        --dry-run) dry=yes; shift ;;
        *) misuse "run does not know \"$1\"." ;;
        esac
    done
    . "$lib/image.sh"

    [ $net = yes ] || [ -z "$forwards" ] || die "--forward needs the network card that --no-net takes away."

    ensure_packages
    [ $build = no ] || build_preset "$arch"
    kernel=$(kernel_file "$arch")
    base=${archive:-$root/build/$arch/boot.cpio}
    [ -f "$kernel" ] && [ -f "$base" ] || die "there is no kernel in build/$arch, or no archive $base."

    # The disk
    if [ $no_disk = no ]; then
        if [ -z "$disk" ]; then
            disk=$(disk_file "$arch")
            if [ $fresh = yes ] || [ ! -f "$disk" ]; then
                make_image "$arch" "$disk" 1G ext4 ''
                rm -f "$disk.programs"
            fi
            check_disk "$disk"
            refresh_programs "$disk"
        else
            [ $fresh = no ] || die "--fresh makes the default disk anew; remove $disk yourself."
            [ -f "$disk" ] || die "there is no disk $disk."
            check_disk "$disk"
        fi
        if [ -n "$adds" ]; then eval "add_files \"\$disk\" $adds"; fi
    elif [ -n "$adds" ]; then
        die "--add needs a disk."
    fi
    [ -z "$second" ] || [ -f "$second" ] || die "there is no disk $second."

    # The copy of the archive with what belongs to this one run
    work=$(mktemp -d "${TMPDIR:-/tmp}/futura-run.XXXXXX")
    terminal=
    finish() {
        [ -z "$terminal" ] || stty "$terminal" 2>/dev/null || :
        rm -rf "$work"
    }
    trap finish EXIT
    trap 'exit 129' HUP
    trap 'exit 143' TERM
    size=
    [ ! -t 0 ] || size=$(stty size 2>/dev/null) || size=
    case $size in '' | '0 '* | *' 0') size='24 80' ;; esac
    {
        echo "rows=${size% *}"
        echo "cols=${size#* }"
        echo "term=${TERM:-vt100}"
        [ $no_disk = yes ] && echo root=tmpfs || echo root=/dev/vda
    } >"$work/boot.conf"
    set -- "etc/boot.conf:0644=$work/boot.conf"
    if [ $has_command = yes ]; then
        token=futura-$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
        command_script "$token" "$command" >"$work/command"
        set -- "$@" "etc/command:0644=$work/command"
    fi
    "$root/build/$arch/host-tools/mkcpio" "$work/boot.cpio" --base "$base" "$@"

    # QEMU
    case $arch in
    x86_64) set -- qemu-system-x86_64 -M q35 -cpu max,erms=off ;;
    arm64) set -- qemu-system-aarch64 -M virt -cpu cortex-a72 ;;
    esac
    # One host thread per processor; -icount can only run them in turn.
    accel=tcg
    [ "$smp" = 1 ] || [ $icount = yes ] || accel=tcg,thread=multi
    set -- "$@" -accel $accel -nodefaults -no-user-config -display none -m "$mem" -smp "$smp" -rtc base=utc \
        -kernel "$kernel" -initrd "$work/boot.cpio" -serial chardev:console -device virtio-rng-pci,disable-legacy=on
    if [ $no_disk = no ]; then
        set -- "$@" -drive "if=none,id=disk0,format=raw,file=$(option_value "$disk")" \
            -device virtio-blk-pci,drive=disk0,disable-legacy=on
    fi
    if [ -n "$second" ]; then
        set -- "$@" -drive "if=none,id=disk1,format=raw,file=$(option_value "$second")" \
            -device virtio-blk-pci,drive=disk1,disable-legacy=on
    fi
    if [ $net = yes ]; then
        set -- "$@" -netdev "user,id=net0$forwards" -device virtio-net-pci,netdev=net0,disable-legacy=on,romfile=
    fi
    [ $snapshot = no ] || set -- "$@" -snapshot
    [ $icount = no ] || set -- "$@" -icount shift=0,sleep=off
    [ $kdb = no ] || set -- "$@" -append kdb
    [ $gdb = no ] || set -- "$@" -gdb tcp:127.0.0.1:1234 -S
    eval "set -- \"\$@\" $extra"

    if [ $has_command = yes ]; then
        set -- "$@" -no-reboot -chardev stdio,id=console,signal=off
        if [ $dry = yes ]; then echo "$*"; return 0; fi
        # The pipeline's status is serialsplit's.
        "$@" </dev/null | "$root/build/$arch/host-tools/serialsplit" "$token"
        return
    fi
    set -- "$@" -chardev stdio,id=console,mux=on,signal=off -mon chardev=console,mode=readline
    if [ $dry = yes ]; then echo "$*"; return 0; fi
    say "booting $arch. Leave with \`poweroff\`, or Ctrl-A X at any time."
    [ $no_disk = yes ] || say "the disk is $disk"
    [ $kdb = no ] || say "Ctrl-A B stops everything for the kernel's debugger; its \`help\` lists what it can do, \`c\` goes on."
    [ $gdb = no ] || say "waiting for: tools/futura gdb --arch $arch"
    # QEMU makes the terminal raw; whatever ends it, the state from before comes back.
    [ ! -t 0 ] || terminal=$(stty -g)
    "$@"
}
