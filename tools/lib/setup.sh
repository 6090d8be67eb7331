# SPDX-License-Identifier: MPL-2.0
# tools/futura setup: installs the missing Debian packages.

usage() {
    cat <<'EOF'
usage: tools/futura setup

Installs, as root, the Debian packages that building, booting and testing need, after it has named them. Without root
it prints the line to run. `tools/futura doctor` only looks.
EOF
}

main() {
    [ $# -eq 0 ] || misuse "setup takes no argument \"$1\"."
    ensure_packages
    say "everything needed is installed."
}
