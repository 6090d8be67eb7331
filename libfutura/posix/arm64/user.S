// SPDX-License-Identifier: MPL-2.0
//
// The only instructions of the library that touch memory which the program named. Each routine is a leaf that
// keeps nothing on the stack, and has an entry in user_fixups: a fault inside it goes on at its landing, which
// returns "failed" to the caller. Entries hold offsets from themselves, so that they need no relocation.
        .text
        .macro fixup from, to, landing
        .pushsection .rodata.user_fixups, "a", @progbits
        .long \from - ., \to - ., \landing - .
        .popsection
        .endm

        .pushsection .rodata.user_fixups, "a", @progbits
        .balign 4
        .globl user_fixups
user_fixups:
        .popsection

        // bool user_copy(void *to, const void *from, size_t bytes)
        .globl user_copy
user_copy:
        subs x2, x2, #32
        b.lo 2f
1:      ldp x3, x4, [x1], #16
        ldp x5, x6, [x1], #16
        stp x3, x4, [x0], #16
        stp x5, x6, [x0], #16
        subs x2, x2, #32
        b.hs 1b
2:      adds x2, x2, #32
        b.eq user_copy_end
        subs x2, x2, #8
        b.lo 4f
3:      ldr x3, [x1], #8
        str x3, [x0], #8
        subs x2, x2, #8
        b.hs 3b
4:      adds x2, x2, #8
        b.eq user_copy_end
5:      ldrb w3, [x1], #1
        strb w3, [x0], #1
        subs x2, x2, #1
        b.ne 5b
user_copy_end:
        mov w0, #1
        ret
        fixup user_copy, user_copy_end, failed

        // bool user_zero(uint64_t to, size_t bytes)
        .globl user_zero
user_zero:
        subs x1, x1, #16
        b.lo 2f
1:      stp xzr, xzr, [x0], #16
        subs x1, x1, #16
        b.hs 1b
2:      adds x1, x1, #16
        b.eq user_zero_end
3:      strb wzr, [x0], #1
        subs x1, x1, #1
        b.ne 3b
user_zero_end:
        mov w0, #1
        ret
        fixup user_zero, user_zero_end, failed

        // bool user_touch_byte(uint64_t at, bool write)
        .globl user_touch_byte
user_touch_byte:
        ldrb w2, [x0]
        cbz w1, user_touch_end
1:      ldxrb w2, [x0]
        stxrb w3, w2, [x0]
        cbnz w3, 1b
user_touch_end:
        mov w0, #1
        ret
        fixup user_touch_byte, user_touch_end, failed

        // long user_string(char *to, uint64_t from, size_t capacity)
        .globl user_string
user_string:
        mov x3, #0
1:      cmp x3, x2
        b.hs 2f
        ldrb w4, [x1, x3]
        strb w4, [x0, x3]
        cbz w4, user_string_end
        add x3, x3, #1
        b 1b
user_string_end:
        mov x0, x3
        ret
2:      mov x0, #-36 // ENAMETOOLONG
        ret
string_failed:
        mov x0, #-14 // EFAULT
        ret
        fixup user_string, user_string_end, string_failed

        // bool user_load32(uint32_t *to, uint64_t from)
        .globl user_load32
user_load32:
        ldr w2, [x1]
user_load32_end:
        str w2, [x0]
        mov w0, #1
        ret
        fixup user_load32, user_load32_end, failed

failed:
        mov w0, #0
        ret

        .pushsection .rodata.user_fixups, "a", @progbits
        .long 0, 0, 0
        .popsection
        .section .note.GNU-stack, "", @progbits
