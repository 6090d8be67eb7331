// SPDX-License-Identifier: MPL-2.0
//
// Private to platform/x86_64: instructions that C has no word for, CPU features, and what its files
// offer each other.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <kernel.h>

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port) { uint8_t v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint16_t inw(uint16_t port) { uint16_t v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline uint32_t inl(uint16_t port) { uint32_t v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

#define READ_CR(n) ({ uint64_t v_; __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v_)); v_; })
#define WRITE_CR(n, v) __asm__ volatile("mov %0, %%cr" #n : : "r"((uint64_t)(v)) : "memory")

struct cpuid { uint32_t a, b, c, d; };
static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
    return r;
}

#define MSR_APIC_BASE      0x1b
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_FMASK          0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

// Segment selectors. The order is what syscall and sysret expect.
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_DATA   0x23
#define SEL_USER_CODE   0x2b
#define SEL_TSS         0x30

#define FLAGS_TF 0x100u
#define FLAGS_IF 0x200u

// Flags that come from user space: kept; taken but not kept; always set.
#define FLAGS_USER     0x240dd5ull // CF PF AF ZF SF TF DF OF AC ID; NT would fault iret
#define FLAGS_IGNORED  0x014202ull // NT, RF, IF and the bit that is always 1: taken, not kept
#define FLAGS_ALWAYS   0x000202ull

struct x86_features { bool nx, gib_pages, smap, xsave, avx; };
extern struct x86_features x86_features; // cpu.c

// Interrupt vectors.
#define VECTOR_LINE     0x30  // + IOAPIC input, 64 of them
#define VECTOR_MSI      0x70  // + k: interrupt number MSI_FIRST + k
#define VECTOR_MSI_END  0xf0
#define VECTOR_TIMER    0xf0
#define VECTOR_IPI      0xf1
#define VECTOR_SPURIOUS 0xff
#define MSI_FIRST       256u

// The linker's marks (virtual addresses).
extern char image_start[], image_text_end[], image_rodata_end[], image_end[];
#define KERNEL_OFFSET 0xffffffff80000000ull

void cpu_init(struct cpu *cpu);              // cpu.c: control registers, descriptor tables, syscall MSRs
extern char boot_stack_guard[], secondary_stacks[];
#define STACK_STRIDE (6 * FUT_PAGE_SIZE)     // of a secondary CPU: guard page, 16 KiB, a page for fatal exceptions
#define TRAMPOLINE 0x8000u                  // physical page where secondary CPUs start
void cpu_name(char *out, size_t size);
phys_t early_page(void);                    // boot.c: a zeroed page below 1 GiB, before kernel_main
void mmu_init(const struct boot_range *ram, uint32_t count);
void mmu_map_tables(phys_t base, uint64_t bytes); // makes firmware tables reachable, cached
void acpi_init(phys_t rsdp);                // acpi.c
extern struct x86_acpi {
    phys_t lapic;                           // 0: none described
    phys_t hpet;
    uint32_t cpus;
    uint8_t cpu_apic[FUT_CPUS_MAX];               // the first of them
    uint32_t pm_timer, pm1a_control, pm1b_control; // ports; 0: none
    bool pm_timer_32;
    uint8_t sleep_a, sleep_b;               // SLP_TYP of S5
    bool has_s5;
    struct { phys_t base; uint32_t first; } ioapic[4];
    uint32_t ioapics;
    struct { bool present; uint32_t input; uint16_t flags; } override[16]; // of the ISA lines
} x86_acpi;
void apic_init(void);                       // apic.c
void apic_cpu_init(void);                   // this CPU's
void apic_send(uint8_t apic, uint32_t command);
void apic_end(void);
uint32_t apic_timer_count(void);
void apic_timer_start(uint32_t count);
uint8_t apic_id(void);
void lines_init(void);                      // ioapic.c
bool line_fired(unsigned vector, uint32_t *irq);
void time_init(void);                       // time.c: needs acpi and apic
uint64_t time_scale(uint64_t value, uint64_t mult, unsigned shift);
bool timer_expired(void);                   // the hardware's turn is over, but is the deadline here?
void console_init(void);                    // console.c
void fp_trap(struct thread *t);             // fp.c: #NM from user mode
void fp_init(void);
// Around kernel code that uses a vector register (and restores it): CR0.TS as it must be for that.
static inline bool fp_begin(void)
{
    bool trapping = READ_CR(0) & 8;
    if (trapping) {
        __asm__ volatile("clts");
    }
    return trapping;
}
static inline void fp_end(bool trapping)
{
    if (trapping) {
        WRITE_CR(0, READ_CR(0) | 8);
    }
}

// What a trap from kernel mode leaves on the stack (entry.S).
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, pc, cs, flags, rsp, ss;
};
