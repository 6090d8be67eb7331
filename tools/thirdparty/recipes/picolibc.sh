# SPDX-License-Identifier: MPL-2.0
# picolibc: the C library of native programs. Static, position independent, locks and errno per thread, full printf;
# no start-up code (libfutura/start has it) and no semihosting.

source_pin=picolibc
patches='picolibc-wide-ids.patch picolibc-posix-options.patch'

recipe() {
    list() { for f in "$@"; do printf "'%s', " "$f"; done; }
    # meson asks the compiler for its linker, and for a bare x86_64 target clang would start gcc, which need not be there.
    # Nothing is linked here.
    cat >cc <<'EOF'
#!/bin/sh
case " $* " in *' -Wl,--version '*) exec ld.lld-19 --version ;; esac
exec clang-19 "$@"
EOF
    chmod +x cc
    cat >cross.txt <<EOF
[binaries]
c = ['$PWD/cc', $(list $cc_flags)]
ar = 'llvm-ar-19'
as = 'llvm-as-19'
nm = 'llvm-nm-19'
strip = 'llvm-strip-19'
[host_machine]
system = 'none'
cpu_family = '${target%%-*}'
cpu = '${target%%-*}'
endian = 'little'
[properties]
skip_sanity_check = true
needs_exe_wrapper = true
EOF
    meson setup b "$src" --cross-file cross.txt --prefix="$out" -Dincludedir=include -Dlibdir=lib \
        -Dbuildtype=release -Ddebug=true -Doptimization=2 -Dmultilib=false -Dpicocrt=false -Dpicocrt-lib=false \
        -Dsemihost=false -Dspecsdir=none -Dtests=false -Dtinystdio=true -Dposix-console=true -Dformat-default=double \
        -Dio-long-long=true -Dio-long-double=true -Dio-c99-formats=true -Dio-pos-args=true -Dfast-bufio=true \
        -Dstdio-locking=true -Dprintf-aliases=true -Dthread-local-storage=true -Dtls-model=local-exec \
        -Dnewlib-global-errno=false -Dpicoexit=true -Dinitfini=false -Dinitfini-array=true -Dsingle-thread=false \
        -Dnewlib-nano-malloc=true -Dmb-capable=true -Dfortify-source=none -Dassert-verbose=true -Dwant-math-errno=true
    ninja -C b -j "$jobs" install
    # Debug information would name directories of the machine that built the cache; nobody steps through libc here.
    llvm-objcopy-19 --strip-debug "$out/lib/libc.a"
    # No header of this machine may have got in.
    if ninja -C b -t deps | grep -q ' /usr/include'; then
        echo "headers of the host were used"
        exit 1
    fi
}
