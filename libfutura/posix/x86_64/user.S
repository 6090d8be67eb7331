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
        movq %rdx, %rcx
        shrq $3, %rcx
        rep movsq
        movl %edx, %ecx
        andl $7, %ecx
        rep movsb
user_copy_end:
        movl $1, %eax
        ret
        fixup user_copy, user_copy_end, failed

        // bool user_zero(uint64_t to, size_t bytes)
        .globl user_zero
user_zero:
        xorl %eax, %eax
        movq %rsi, %rcx
        shrq $3, %rcx
        rep stosq
        movl %esi, %ecx
        andl $7, %ecx
        rep stosb
user_zero_end:
        movl $1, %eax
        ret
        fixup user_zero, user_zero_end, failed

        // bool user_touch_byte(uint64_t at, bool write)
        .globl user_touch_byte
user_touch_byte:
        movb (%rdi), %al
        testl %esi, %esi
        jz user_touch_end
        lock orb $0, (%rdi)
user_touch_end:
        movl $1, %eax
        ret
        fixup user_touch_byte, user_touch_end, failed

        // long user_string(char *to, uint64_t from, size_t capacity)
        .globl user_string
user_string:
        xorl %eax, %eax
1:      cmpq %rdx, %rax
        jae 2f
        movb (%rsi,%rax), %cl
        movb %cl, (%rdi,%rax)
        testb %cl, %cl
        jz user_string_end
        incq %rax
        jmp 1b
user_string_end:
        ret
2:      movq $-36, %rax // ENAMETOOLONG
        ret
string_failed:
        movq $-14, %rax // EFAULT
        ret
        fixup user_string, user_string_end, string_failed

        // bool user_load32(uint32_t *to, uint64_t from)
        .globl user_load32
user_load32:
        movl (%rsi), %eax
user_load32_end:
        movl %eax, (%rdi)
        movl $1, %eax
        ret
        fixup user_load32, user_load32_end, failed

failed:
        xorl %eax, %eax
        ret

        .pushsection .rodata.user_fixups, "a", @progbits
        .long 0, 0, 0
        .popsection
        .section .note.GNU-stack, "", @progbits
