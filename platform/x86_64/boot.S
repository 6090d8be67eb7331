// SPDX-License-Identifier: MPL-2.0
//
// From the PVH entry (32-bit protected mode, no paging, start info in ebx) to boot_main in long mode.
//
// The boot tables map the first GiB three times: at 0 (to get through the switch), at the direct map and
// at the kernel's link address. boot_main's mmu_init replaces them by tables with proper rights.

#define KERNEL_OFFSET 0xffffffff80000000
#define PHYS(symbol) ((symbol) - KERNEL_OFFSET)

    .section .note.pvh, "a", @note
    .balign 4
    .long 4                     // "Xen\0"
    .long 8
    .long 18                    // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad PHYS(pvh_start)

    .section .text.boot, "ax"
    .code32
    .globl pvh_start
pvh_start:
    cld
    mov $PHYS(boot_stack_top), %esp
    mov %ebx, %ebp              // start info

    // Page directory: 512 pages of 2 MiB, then the three ways to it.
    mov $PHYS(boot_pd), %edi
    mov $0x83, %eax             // present, writable, large
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    cmp $PHYS(boot_pd) + 4096, %edi
    jne 1b
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt)
    movl $PHYS(boot_pd) + 3, PHYS(boot_pdpt_top) + 510 * 8
    movl $PHYS(boot_pdpt) + 3, PHYS(boot_pml4)
    movl $PHYS(boot_pdpt) + 3, PHYS(boot_pml4) + 256 * 8
    movl $PHYS(boot_pdpt_top) + 3, PHYS(boot_pml4) + 511 * 8

    mov %cr4, %eax
    or $0x20, %eax              // PAE
    mov %eax, %cr4
    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       // EFER: SCE, LME, and NXE where the CPU has it
    rdmsr
    or $0x101, %eax
    wrmsr
    mov $0x80000001, %eax
    cpuid
    test $0x100000, %edx
    jz 2f
    mov $0xc0000080, %ecx
    rdmsr
    or $0x800, %eax
    wrmsr
2:  mov %cr0, %eax
    or $0x80010001, %eax        // PG, WP, PE
    mov %eax, %cr0
    lgdt PHYS(boot_gdtr)
    ljmp $8, $PHYS(3f)

    .code64
3:  mov $4f, %rax
    jmp *%rax
4:  xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov $16, %eax
    mov %eax, %ss
    mov $boot_stack_top, %rsp
    mov %ebp, %edi
    xor %ebp, %ebp
    push %rbp                   // ends the backtrace
    call boot_main
5:  hlt
    jmp 5b

    // A secondary CPU, in real mode at TRAMPOLINE (x86.h), where smp.c has copied this. It goes straight to long mode on
    // the boot tables.
    .section .text.boot, "ax"
    .globl x86_trampoline, x86_trampoline_end
    .code16
x86_trampoline:
    cli
    xor %eax, %eax
    mov %ax, %ds
    lgdtl 0x8000 + (7f - x86_trampoline)
    mov $0x20, %eax             // PAE
    mov %eax, %cr4
    mov $PHYS(boot_pml4), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx       // EFER: SCE, LME; smp.c sets NXE
    rdmsr
    or $0x101, %eax
    wrmsr
    mov $0x80010001, %eax       // PG, WP, PE
    mov %eax, %cr0
    ljmpl $8, $PHYS(8f)
7:  .word 23
    .long PHYS(boot_gdt)
x86_trampoline_end:
    .code64
8:  mov $9f, %rax
    jmp *%rax
9:  xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov $16, %eax
    mov %eax, %ss
    mov x86_secondary_stack, %rsp
    xor %ebp, %ebp
    push %rbp                   // ends the backtrace
    call x86_secondary_main

    .section .rodata.boot, "a"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    // 64-bit code
    .quad 0x00cf93000000ffff    // data
boot_gdtr:
    .word . - boot_gdt - 1
    .long PHYS(boot_gdt)

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_pml4:      .skip 4096
boot_pdpt:      .skip 4096
boot_pdpt_top:  .skip 4096
boot_pd:        .skip 4096
    // The kernel stack of CPU 0. Below it a page that mmu_init unmaps, so that an overflow faults.
    .globl boot_stack_guard, boot_stack_top
boot_stack_guard: .skip 4096
    .skip 16384
boot_stack_top:
    .skip 4096                  // for fatal exceptions (cpu.c)
    // The same for the others: guard page, stack, page for fatal exceptions. cpus[1] has the first.
    .globl secondary_stacks
secondary_stacks: .skip 7 * 24576
