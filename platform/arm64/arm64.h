// SPDX-License-Identifier: MPL-2.0
//
// What the files of platform/arm64 share with each other.
#pragma once
#include <kernel.h>
#include "offsets.h"

#define read_sysreg(name) ({ uint64_t v_; __asm__ volatile("mrs %0, " #name : "=r"(v_)); v_; })
#define write_sysreg(name, value) __asm__ volatile("msr " #name ", %0" : : "r"((uint64_t)(value)) : "memory")
#define isb() __asm__ volatile("isb" : : : "memory")
#define dsb(kind) __asm__ volatile("dsb " #kind : : : "memory")

static inline uint32_t mmio_read32(uint64_t a)
{
    uint32_t v;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(v) : "r"(a) : "memory");
    return v;
}
static inline void mmio_write32(uint64_t a, uint32_t v) { __asm__ volatile("str %w0, [%1]" : : "r"(v), "r"(a) : "memory"); }
static inline void mmio_write8(uint64_t a, uint8_t v) { __asm__ volatile("strb %w0, [%1]" : : "r"(v), "r"(a) : "memory"); }
static inline uint64_t mmio_read64(uint64_t a)
{
    uint64_t v;
    __asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(a) : "memory");
    return v;
}
static inline void mmio_write64(uint64_t a, uint64_t v) { __asm__ volatile("str %0, [%1]" : : "r"(v), "r"(a) : "memory"); }

// What entry.S keeps of an exception in the kernel: x0..x30 and pc; flags too where it can go on.
struct kernel_frame { uint64_t x[31], pc, flags; };
void arm64_log_registers(const uint64_t x[31]);
[[noreturn]] void arm64_kernel_exception(uint64_t vector, const struct kernel_frame *f);

// kernel.ld
extern char image_start[], image_text_end[], image_rodata_end[], image_end[];
extern uint64_t kernel_phys;          // where the image lies
static inline phys_t image_phys(const void *p) { return (uint64_t)p - KERNEL_VIRTUAL + kernel_phys; }

// --- mmu.c
void arm64_asid_renew(struct arch_space *s);
void mmu_init(const struct boot_range *ram, uint32_t count); // final kernel tables, in use on return
void *mmu_device(phys_t base, uint64_t bytes);               // arch_phys_window and its address
bool mmu_write_fault(struct arch_space *s, uint64_t va);     // soft dirty mark: was it that?
extern bool mmu_has_pan;
extern phys_t mmu_kernel_root;

// --- devicetree.c
void devicetree_open(const void *blob);
uint32_t devicetree_bytes(void);
int devicetree_find(int after, const char *compatible);     // node or < 0
int devicetree_find_below(int parent, const char *compatible);
bool devicetree_reg(int node, unsigned index, struct boot_range *out); // CPU physical
bool devicetree_interrupt(int node, unsigned index, uint32_t *line, uint32_t *flags); // GIC binding, INTID
const char *devicetree_string(int node, const char *property);
int devicetree_path(const char *path);
bool devicetree_number(int node, const char *property, uint64_t *out);
uint32_t devicetree_memory(struct boot_range *out, uint32_t max);
uint32_t devicetree_reserved(struct boot_range *out, uint32_t max);
uint32_t devicetree_cpus(void);
bool devicetree_cpu(uint32_t n, uint64_t *mpidr); // its affinity bits

// --- gic.c and the two controllers
struct gic {
    void (*init)(void);
    void (*cpu_init)(void);           // of the CPU that calls, as init does
    void (*send)(unsigned cpu);       // software-generated interrupt 0
    uint32_t (*acknowledge)(void);    // INTID; >= 1020: none
    void (*end)(uint32_t line);
    void (*mask)(uint32_t line);
    void (*unmask)(uint32_t line);
    void (*configure)(uint32_t line, bool level);
    // Message-signalled interrupts, as far as the controller has them.
    fut_status_t (*msi_alloc)(uint32_t *line, struct fut_msi *out);
    void (*msi_free)(uint32_t line);
    uint32_t lines;                   // shared and private lines are below
};
const struct gic *gic_v2_probe(void); // null: not this controller
const struct gic *gic_v3_probe(void);
// gic_its.c: message-signalled interrupts of a GICv3, as numbers from `first` on. False: there is no ITS.
bool gic_its_init(uint64_t redistributor, phys_t redistributor_phys, uint32_t first);
fut_status_t gic_its_alloc(uint32_t *number, struct fut_msi *msi);
void gic_its_free(uint32_t number);
#define LPI_FIRST 8192u
void gic_init(void);
void gic_cpu_init(void);                         // of a secondary CPU, its timer included
struct thread *gic_interrupt(struct thread *t);  // t null: from idle
void gic_timer_line(uint32_t line);

// --- boot.c: memory of the platform's own, zeroed; only before kernel_main. 0: none
phys_t boot_reserve(uint64_t bytes, uint64_t alignment);

// --- timer.c, console.c, power.c
void timer_init(void);
void timer_cpu_init(void);
void timer_quiet(void);
void console_init(void);
void power_init(const char *command_line);
bool power_cpu_on(uint64_t mpidr, phys_t entry, phys_t context);

// --- entry.S, start.S, copy.S
extern char vectors[], secondary_entry[];
[[noreturn]] void arm64_enter(struct thread *t);
void arm64_fp_save(struct arch_thread *t);
void arm64_fp_load(const struct arch_thread *t);
void arm64_fp_clear(void);
void arm64_replace_ttbr1(phys_t table);
int arm64_user_copy(void *to, const void *from, size_t n); // 0: done
