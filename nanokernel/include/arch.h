// SPDX-License-Identifier: MPL-2.0
//
// The seam between the nanokernel and a platform. Everything the generic kernel asks of an
// architecture is declared here, once; platform/<arch> implements all of it, platform/host simulates
// it. The generic kernel holds no architecture #ifdef.
//
// Direction: a platform's boot code fills struct boot and calls kernel_main(); its entry code saves
// the user's registers into the current thread's struct arch_thread, switches to the CPU's kernel
// stack and calls one of the kernel_* entries below; each returns the thread to resume, which the
// platform restores and enters. The kernel never blocks: there is one kernel stack per CPU.
// Interrupts are off in the kernel.
//
// The kernel lock. One word, kernel_lock: 0 is free. Whoever runs kernel_* code or touches anything that is not its own
// CPU's or its own current thread's holds it. An entry from user mode takes it before it calls kernel_* (or decides
// anything by shared state), and the way back to user mode drops it as late as possible; behind that, only the current
// thread's registers may be read. arch_idle drops it while the CPU halts. Boot code starts with the lock held.
//   Taken inline: x86_64 `lock btsl $0, kernel_lock; jc contended`, arm64 `take_lock` (entry.S), C lock_try().
//   Not free: all registers of the thread are saved, then lock_wait(by how many bytes the pc has to go back to make this
//   entry again) is called, and it has the lock when it returns. True: the thread was taken off this CPU meanwhile: the entry is forgotten (it
//   will be made again) and schedule() says what runs. An interrupt is handled all the same. False: it goes on, by the
//   ordinary C entry. So a fast path never has to look again at what it read before: it starts with the lock or not at all.
//   Without the lock run: the upcall of a foreign system call and the return from it, as far as they are fast paths.
//   They use the current thread's registers and its frame page, which nobody takes away while it is in user mode:
//   other CPUs first make it enter the kernel (thread_evict), and what they set in `attention` they follow up with an
//   interrupt.
#pragma once
#include <futura/abi.h>
#include <arch_types.h> // platform/<arch>: struct arch_thread, struct arch_space, struct arch_cpu

struct thread;
struct space;
struct cpu;
typedef uint64_t phys_t;
// struct thread, struct space and struct cpu have their struct arch_thread arch, struct arch_space arch and
// struct arch_cpu arch as first member: entry code addresses them at offset 0. The kernel defines
// `extern struct cpu cpus[]`; the platform points CPU 0 at cpus[0] before kernel_main.
// The platform calls kernel_syscall for every system call; telling native from foreign is generic code's.

// --- Boot ---------------------------------------------------------------------------------------
struct boot_range { phys_t base; uint64_t bytes; };
struct boot {
    struct boot_range ram[32];       // usable RAM, page aligned, without the kernel image itself
    uint32_t ram_count;
    struct boot_range reserved[16];  // parts of ram that are in use: archive, device tree, tables
    uint32_t reserved_count;
    struct boot_range archive;       // boot archive
    struct boot_range devicetree;    // bytes 0: none
    phys_t rsdp;
    uint32_t cpus;                   // present; secondaries are started by arch_start_cpus
    char command_line[1024];
    char cpu_name[64];
};
[[noreturn]] void kernel_main(struct boot *boot); // called once, direct map up, on CPU 0's kernel stack

// --- Entries: called by platform code with the user state saved in thread->arch ----------------------
struct thread *kernel_syscall(struct thread *t);          // native system call; number and arguments by arch_sys_*
// Where the platform's entry has found out itself whether pc lies in the thread's native range:
struct thread *kernel_native_syscall(struct thread *t);
struct thread *kernel_foreign_syscall(struct thread *t);
struct thread *kernel_fault(struct thread *t, uint32_t code, uint64_t address); // FUT_FAULT_* (page faults: MAP, with WRITE/EXEC or-ed in)
struct thread *kernel_interrupt(struct thread *t, uint32_t irq); // device line or MSI number; acknowledged at the controller, line masked if level
struct thread *kernel_timer(struct thread *t);            // the one-shot timer fired

// --- The kernel lock (see above) -------------------------------------------------------------------
extern uint32_t kernel_lock;
bool lock_wait(uint8_t again);
static inline bool lock_try(void) { return __atomic_exchange_n(&kernel_lock, 1, __ATOMIC_ACQUIRE) == 0; }
static inline void lock_drop(void) { __atomic_store_n(&kernel_lock, 0, __ATOMIC_RELEASE); }
// I  void arch_relax(void): in a loop that waits for another CPU
// I  void arch_pc_back(struct arch_thread *, unsigned bytes)
void arch_wait_begin(void);   // everything of the thread that this CPU ran is in its arch_thread; exits reload it
void arch_flush_tlb(void);    // this CPU's translations of the loaded Space
void arch_fp_save(void);      // this CPU's FP registers to their owner
void arch_ipi(unsigned cpu);  // interrupts another CPU: it calls kernel_ipi, or comes back from arch_idle
// Starts the other CPUs one by one: each runs sched_init() on its own struct cpu, is counted in cpus_online, and ends in
// kernel_secondary(). Called with the lock.
void arch_start_cpus(void);
// Where changes of a Space's tables reach other CPUs is the platform's business: a broadcast, or cpu_stop and cpu.flush.

// --- Registers of a thread ----------------------------------------------------------------------
// inline in arch_types.h where speed matters (marked I):
// I  uint64_t arch_sys_op(const struct arch_thread *)                  control word: rax / x8
// I  uint64_t arch_sys_arg(const struct arch_thread *, unsigned n)     n < 6
// I  void     arch_sys_result(struct arch_thread *, fut_status_t, uint64_t value)
// I  struct arch_msg: names for tag, aux, w[8], caps[2] of the register map:
// I  uint64_t arch_ipc_tag/aux/caps01/caps23(const struct arch_thread *), arch_ipc_word(.., n)
// I  void     arch_ipc_out(struct arch_thread *, uint64_t control, uint64_t tag, uint64_t aux)
// I  void     arch_ipc_copy_words(struct arch_thread *to, const struct arch_thread *from) all 8 words and tag
// I  void     arch_ipc_set_word(struct arch_thread *, unsigned n, uint64_t), arch_ipc_set_caps(.., caps01, caps23)
// I  bool     arch_native_pc(...): generic compares arch_pc(t) with the task's native range
// I  uint64_t arch_pc(const struct arch_thread *), arch_sp(...)
// I  ARCH_CPU(field): a field of this CPU's struct cpu, at once
// I  struct cpu *arch_cpu(void): this CPU's struct cpu (gs / tpidr_el1)
//    ARCH_LIGHT: calling convention of light system calls (ipc/light.h), which run before registers are saved
// I  uint64_t arch_counter(void): raw monotonic counter, the one of arch_time_page (TSC / CNTVCT): CPU time accounting
void arch_thread_init(struct thread *t, uint64_t entry, uint64_t stack, uint64_t argument, uint64_t tls);
void arch_thread_free(struct thread *t);                  // drops FP state owned by it
void arch_regs_get(const struct thread *t, struct fut_regs *out);
// `in` may be user memory: what is checked is read once. False: privileged or malformed bits, nothing is changed.
bool arch_regs_set(struct thread *t, const struct fut_regs *in);
void arch_tls_set(struct thread *t, uint64_t tls);
// Enters an upcall: registers were saved by arch_regs_get; sets pc, sp, first argument, tls.
void arch_enter_upcall(struct thread *t, uint64_t entry, uint64_t stack, uint64_t frame, uint64_t tls);
void arch_fp_clone(struct thread *to, struct thread *from); // FP/SIMD state copy (thread created with regs from a parent)

// --- MMU contexts -------------------------------------------------------------------------------
bool arch_space_init(struct arch_space *s);               // false: no memory
void arch_space_free(struct arch_space *s);               // frees page tables, not what they map
// Page-table pages come from page_alloc_raw()/page_free_raw() (nanokernel/mem).
bool arch_map(struct arch_space *s, uint64_t va, phys_t pa, uint32_t prot, uint32_t cache); // one page; replaces; false: no memory
void arch_unmap(struct arch_space *s, uint64_t va);       // one page, if mapped; invalidates the TLB
void arch_protect(struct arch_space *s, uint64_t va, uint32_t prot); // if mapped
// The page that user code would reach at va with this access (FUT_PROT_READ or _WRITE) without a fault, in cached
// memory; a write counts as one that user code made. False: it would fault, or the tables cannot tell.
// The pages from va on, as many of `count` as are mapped so and in one leaf table; gives how many.
unsigned arch_lookup_run(struct arch_space *s, uint64_t va, unsigned count, uint32_t prot, phys_t *out);
static inline bool arch_lookup(struct arch_space *s, uint64_t va, uint32_t prot, phys_t *out)
{
    return arch_lookup_run(s, va, 1, prot, out) == 1;
}
bool arch_dirty_clear(struct arch_space *s, uint64_t va); // was it written since? clears the mark (soft: write-protects if no HW bit)
void arch_unmap_range(struct arch_space *s, uint64_t va, uint64_t bytes); // skips empty tables quickly
void arch_write_protect(struct arch_space *s, uint64_t va, uint64_t bytes); // takes write access from what is mapped there
// Fills absent entries beside one that is mapped: page[i] = physical address | FUT_PROT_*, 0 = leave it; normal memory.
// va is aligned to count pages, a power of two up to 64, so all lie in the last-level table that va's arch_map made.
void arch_fill(struct arch_space *s, uint64_t va, unsigned count, const uint64_t *page);
// I  void arch_switch_space(struct arch_space *);              null: kernel only
#define ARCH_CACHE_NORMAL 0u
#define ARCH_CACHE_DEVICE 1u

// --- Kernel's own memory ------------------------------------------------------------------------
// I  void *phys_to_virt(phys_t), phys_t virt_to_phys(const void *): the direct map of all RAM
void arch_phys_window(phys_t base, uint64_t bytes);       // makes device registers reachable through phys_to_virt, uncached
// Fault-checked copies; false: address not accessible. May need pages to be present: generic code
// resolves lazily mapped pages and retries, so these fail rather than fault recursively.
bool arch_copy_from_user(void *to, uint64_t from, size_t n);
bool arch_copy_to_user(uint64_t to, const void *from, size_t n);
bool arch_user_load32(uint64_t from, uint32_t *value);
void arch_zero_page(void *page);
void arch_copy_page(void *to, const void *from);
void arch_sync_icache(void *page);                        // page was written and will be executed

// --- Time, interrupts, CPUs -----------------------------------------------------------------------
uint64_t arch_time_ns(void);                              // monotonic since boot
void arch_time_page(struct fut_time_page *out);
void arch_timer_set(uint64_t deadline_ns);                // one-shot; UINT64_MAX: off
fut_status_t arch_irq_setup(uint32_t line, uint32_t flags);   // FUT_IRQ_*; leaves it masked
void arch_irq_mask(uint32_t line);
void arch_irq_unmask(uint32_t line);
fut_status_t arch_msi_alloc(uint32_t *irq, struct fut_msi *msi); // msi->device is given
void arch_msi_free(uint32_t irq);
#define ARCH_IRQ_COUNT 512u                               // line and MSI numbers are below
void arch_idle(void);                                     // drops the lock, enables interrupts and halts until one is pending; returns with interrupts off and the lock after it was handled by kernel_interrupt/kernel_timer with t = null
void arch_interrupts(void);                               // the same without halting: takes what is pending, if anything is
// Port I/O; UNSUPPORTED where there is none.
fut_status_t arch_port_read(uint16_t port, unsigned width, uint32_t *value);
fut_status_t arch_port_write(uint16_t port, unsigned width, uint32_t value);

// --- Tracing and debugging ----------------------------------------------------------------------------
// I  bool arch_trace_site(void)                             false by way of one instruction that does nothing
void arch_trace_sites(bool on);                           // makes every site true or false

// A thread executes one instruction and then faults with FUT_FAULT_STEP; or (t null) the kernel does, from the
// registers that a trap of its own goes on with.
void arch_step(struct thread *t, struct fut_regs *kernel, bool on);
// I  void arch_set_pc(struct arch_thread *, uint64_t pc)
// ARCH_BREAK_BYTES, ARCH_BREAK_CODE: the instruction that traps; ARCH_BREAK_ADVANCE: how far pc is behind it then
// kernel.ld names its code text_entry_end .. image_text_end where a trap may be taken: the ways in lie before it
bool arch_image_address(uint64_t va, phys_t *out);        // where an address of the kernel image lies
void arch_walk(struct arch_space *s, uint64_t va);        // logs the page table entries on the way to va
void arch_dump_kernel_regs(const struct fut_regs *r);

// --- Last words -----------------------------------------------------------------------------------
void arch_console_put(char c);                            // early and panic output only
uint32_t arch_console_line(void);                         // its interrupt line: who binds it drives the console from then on
int  arch_console_get(void);                              // polled, for the debugger; -1: none
[[noreturn]] void arch_power(uint32_t action, uint32_t exit_code);
[[noreturn]] void arch_resume(struct thread *t);          // first entry into user mode
void arch_backtrace(void (*emit)(uint64_t pc, void *arg), void *arg, const struct thread *t); // t null: kernel stack
void arch_dump_regs(const struct thread *t);
