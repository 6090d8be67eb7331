// SPDX-License-Identifier: MPL-2.0
//
// What a CPU needs before it may enter user mode: descriptor tables, control registers for every
// protection that CPUID reports, the syscall MSRs, and its struct arch_cpu behind gs.
#include "x86.h"
#include "offsets.h"
#include <thread.h>

struct x86_features x86_features;

#define PIN(constant, type, field) static_assert(constant == offsetof(struct type, field))
PIN(T_RAX, arch_thread, rax);
PIN(T_RBX, arch_thread, rbx);
PIN(T_RCX, arch_thread, rcx);
PIN(T_RDX, arch_thread, rdx);
PIN(T_RSI, arch_thread, rsi);
PIN(T_RDI, arch_thread, rdi);
PIN(T_RBP, arch_thread, rbp);
PIN(T_RSP, arch_thread, rsp);
PIN(T_R8, arch_thread, r8);
PIN(T_R9, arch_thread, r9);
PIN(T_R10, arch_thread, r10);
PIN(T_R11, arch_thread, r11);
PIN(T_R12, arch_thread, r12);
PIN(T_R13, arch_thread, r13);
PIN(T_R14, arch_thread, r14);
PIN(T_R15, arch_thread, r15);
PIN(T_PC, arch_thread, pc);
PIN(T_FLAGS, arch_thread, flags);
PIN(T_TLS, arch_thread, tls);
PIN(T_FULL, arch_thread, full);
PIN(CPU_THREAD, arch_cpu, thread);
PIN(CPU_STACK_TOP, arch_cpu, stack_top);
PIN(CPU_USER_RSP, arch_cpu, user_rsp);
PIN(CPU_TLS, arch_cpu, tls);
PIN(CPU_FP_OWNER, arch_cpu, fp_owner);
PIN(CPU_FP_TRAP, arch_cpu, fp_trap);
static_assert(sizeof(struct trap_frame) == 176);

extern char x86_syscall_entry[], x86_vector_stubs[], boot_stack_top[];
extern struct { uint64_t address, bytes; } smap_sites_start[], smap_sites_end[];

struct [[gnu::packed]] tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
};
struct gate { uint16_t low, selector; uint8_t ist, type; uint16_t mid; uint32_t high, reserved; };
struct [[gnu::packed]] table { uint16_t limit; uint64_t base; };

static struct tss tsses[FUT_CPUS_MAX];
static uint64_t gdts[FUT_CPUS_MAX][8];
static struct gate idt[256];

#define VECTOR_STUB_BYTES 16
#define IST_FATAL 1

static void descriptors(struct cpu *cpu)
{
    struct tss *tss = &tsses[cpu->arch.number];
    uint64_t *gdt = gdts[cpu->arch.number];
    tss->rsp[0] = cpu->arch.stack_top;
    tss->io_map = sizeof *tss;
    // The page above the kernel stack is the stack of fatal exceptions. The word at its top leads fatal_common (entry.S)
    // to the CPU's own data.
    struct cpu **top = (struct cpu **)(cpu->arch.stack_top + FUT_PAGE_SIZE - 16);
    *top = cpu;
    tss->ist[IST_FATAL - 1] = (uint64_t)top;

    uint64_t base = (uint64_t)tss;
    gdt[1] = 0x00af9b000000ffff; // kernel code
    gdt[2] = 0x00cf93000000ffff; // kernel data
    gdt[3] = 0;                  // sysret's 32-bit code: never used
    gdt[4] = 0x00cff3000000ffff; // user data
    gdt[5] = 0x00affb000000ffff; // user code
    gdt[6] = (sizeof *tss - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[7] = base >> 32;

    for (unsigned v = 0; v < 256; v++) {
        uint64_t stub = (uint64_t)x86_vector_stubs + v * VECTOR_STUB_BYTES;
        bool fatal = v == 2 || v == 8 || v == 18;
        idt[v] = (struct gate){
            .low = (uint16_t)stub, .mid = (uint16_t)(stub >> 16), .high = (uint32_t)(stub >> 32),
            .selector = SEL_KERNEL_CODE, .ist = fatal ? IST_FATAL : 0,
            .type = v == 3 ? 0xee : 0x8e, // a breakpoint instruction may come from user mode
        };
    }
    struct table g = {sizeof gdts[0] - 1, (uint64_t)gdt}, i = {sizeof idt - 1, (uint64_t)idt};
    __asm__ volatile("lgdt %0" : : "m"(g));
    __asm__ volatile("lidt %0" : : "m"(i));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
    // Null in ds and es is what user mode starts with; ss is reloaded because its descriptor moved.
    __asm__ volatile("mov %w0, %%ss" : : "r"(SEL_KERNEL_DATA));
}

// The image's text is mapped read-only or about to be; the direct map is the writable way to it.
static void patch_smap_sites(void)
{
    for (typeof(&smap_sites_start[0]) s = smap_sites_start; s < smap_sites_end; s++) {
        uint8_t *at = phys_to_virt(s->address - KERNEL_OFFSET);
        for (unsigned i = 0; i < 3; i++) {
            at[i] = (uint8_t)(s->bytes >> 8 * i);
        }
    }
}

void cpu_init(struct cpu *c)
{
    struct cpuid max = cpuid(0, 0), one = cpuid(1, 0), ext = cpuid(0x80000001, 0);
    struct cpuid seven = max.a >= 7 ? cpuid(7, 0) : (struct cpuid){};
    x86_features.nx = ext.d >> 20 & 1;
    x86_features.gib_pages = ext.d >> 26 & 1;
    x86_features.smap = seven.b >> 20 & 1;
    x86_features.xsave = one.c >> 26 & 1;
    x86_features.avx = x86_features.xsave && (one.c >> 28 & 1);

    struct arch_cpu *cpu = &c->arch;
    cpu->self = c;
    cpu->number = (uint8_t)(c - cpus);
    cpu->stack_top = cpu->number ? (uint64_t)secondary_stacks + cpu->number * STACK_STRIDE - FUT_PAGE_SIZE : (uint64_t)boot_stack_top;
    cpu->fp_trap = 1;
    descriptors(c);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    wrmsr(MSR_FS_BASE, 0);

    uint64_t cr0 = READ_CR(0);
    cr0 &= ~(1ull << 2 | 1ull << 29 | 1ull << 30);        // EM, NW, CD
    cr0 |= 1u << 1 | 1u << 3 | 1u << 5 | 1u << 16 | 1u << 18; // MP, TS, NE, WP, AM
    WRITE_CR(0, cr0);
    uint64_t cr4 = READ_CR(4);
    cr4 |= 1u << 9 | 1u << 10;                            // OSFXSR, OSXMMEXCPT
    if (one.d >> 13 & 1) {
        cr4 |= 1u << 7;                                   // PGE
    }
    if (seven.c >> 2 & 1) {
        cr4 |= 1u << 11;                                  // UMIP
    }
    if (seven.b >> 7 & 1) {
        cr4 |= 1u << 20;                                  // SMEP
    }
    if (x86_features.smap) {
        if (c == cpus) {
            patch_smap_sites();
        }
        cr4 |= 1u << 21;
    }
    if (x86_features.xsave) {
        cr4 |= 1u << 18;                                  // OSXSAVE
    }
    if (!(seven.b & 1)) {
        panic("this CPU has no FSGSBASE: IvyBridge or later is needed (QEMU: -cpu max)");
    }
    cr4 |= 1u << 16;                                      // FSGSBASE
    WRITE_CR(4, cr4);
    fp_init();

    // syscall: kernel selectors from 8 on, user ones from 0x18 on; it enters with every flag clear that
    // could matter (interrupts, trap, direction, alignment check, nested task, I/O privilege).
    wrmsr(MSR_STAR, (uint64_t)(0x18 | 3) << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)x86_syscall_entry);
    wrmsr(MSR_CSTAR, (uint64_t)x86_syscall_entry);
    wrmsr(MSR_FMASK, 0x257fd5);
}

void cpu_name(char *out, size_t size)
{
    char text[49] = "";
    if (cpuid(0x80000000, 0).a >= 0x80000004) {
        for (uint32_t i = 0; i < 3; i++) {
            struct cpuid r = cpuid(0x80000002 + i, 0);
            __builtin_memcpy(text + 16 * i, &r, 16);
        }
    } else {
        struct cpuid r = cpuid(0, 0);
        __builtin_memcpy(text, &r.b, 4);
        __builtin_memcpy(text + 4, &r.d, 4);
        __builtin_memcpy(text + 8, &r.c, 4);
    }
    const char *from = text;
    while (*from == ' ') {
        from++;
    }
    size_t n = 0;
    for (; from[n] && n + 1 < size; n++) {
        out[n] = from[n];
    }
    out[n] = 0;
}
