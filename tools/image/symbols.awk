# SPDX-License-Identifier: MPL-2.0
# `llvm-nm -n KERNEL | awk -f symbols.awk` prints, as assembly, the table that nanokernel/debug/symbols.c searches: the
# functions of the kernel's text, ascending: struct { uint64_t address; const char *name; } and their number.

BEGIN {
    count = 0 # unset, it would be the index "" at first
}

($2 == "t" || $2 == "T") && $3 !~ /^[.$]/ && $3 !~ /^image_/ && $1 >= "ffffffff" {
    address[count] = $1
    name[count++] = $3
}

END {
    print ".section .rodata.symbols, \"a\""
    print ".globl symbol_count, symbol_table"
    print ".balign 8"
    print "symbol_count: .quad " count + 0
    print "symbol_table:"
    for (i = 0; i < count; i++)
        print "    .quad 0x" address[i] ", name" i
    for (i = 0; i < count; i++)
        print "name" i ": .asciz \"" name[i] "\""
}
