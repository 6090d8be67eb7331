# SPDX-License-Identifier: MPL-2.0
# tools/futura trace: what every thread did while a command ran, as a file for Perfetto or Chrome.

usage() {
    cat <<'EOF'
usage: tools/futura trace [--arch x86_64|arm64] [-o FILE] [--keep RAW] [RUN OPTION]... -c CMD

Boots, records the kernel's trace while CMD runs, and writes FILE (trace.json): load it at ui.perfetto.dev or
chrome://tracing. There is a track for each thread, with the calls it made and served by their names in proto/, arrows
from each call to who served it, and a track for each CPU. CMD's output is not shown. Other options go to `run`
(--disk FILE, --no-disk, --smp N, --icount, ...); with --icount one instruction is one nanosecond in the picture.

What was overwritten before it could be read is counted and said: trace a shorter command then.
EOF
}

main() {
    arch=x86_64 out=trace.json keep= command= options=
    while [ $# -gt 0 ]; do
        case $1 in
        --arch) need_value "$1" $#; check_arch "$2"; arch=$2; shift 2 ;;
        -o) need_value "$1" $#; out=$2; shift 2 ;;
        --keep) need_value "$1" $#; keep=$2; shift 2 ;;
        -c) need_value "$1" $#; command=$2; shift 2 ;;
        --disk | --mem | --smp | --add | --second-disk | --archive | --qemu-arg)
            need_value "$1" $#
            options="$options $1 $(quoted "$2")"
            shift 2
            ;;
        --no-disk | --fresh | --snapshot | --icount | --no-build) options="$options $1"; shift ;;
        *) misuse "trace does not know \"$1\"." ;;
        esac
    done
    [ -n "$command" ] || misuse "trace needs -c CMD."
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    say "recording: $command"
    eval "\"\$root/tools/futura\" run --arch $arch $options -c \"\$(recording)\"" >"$work/raw" 2>"$work/log" </dev/null || {
        status=$?
        cat "$work/log" >&2
        tail -c 300 "$work/raw" >&2
        die "the trace was not recorded (status $status)."
    }
    fipcc=$root/build/$arch/host-tools/fipcc
    for protocol in "$root"/proto/*.fipc; do "$fipcc" decode "$protocol"; done >"$work/methods"
    python3 "$root/tools/lib/trace.py" "$work/raw" "$work/methods" >"$work/json"
    mv "$work/json" "$out"
    [ -z "$keep" ] || cp "$work/raw" "$keep"
    say "wrote $out"
}

# recording: the script for the guest.
recording() {
    cat <<EOF
futctl trace start || exit 125
( $command
) </dev/null >/dev/null 2>&1
futctl trace write
EOF
}
