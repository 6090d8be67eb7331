# SPDX-License-Identifier: MPL-2.0
# compiler-rt's builtins: the helpers that clang's generated code calls (128-bit floats on arm64, complex numbers, ...),
# taken ready-made from Debian's package.

source_pin='builtins-$arch'

recipe() {
    mkdir -p "$out/lib"
    cp "$src/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.builtins-${target%%-*}.a" "$out/lib/libbuiltins.a"
}
