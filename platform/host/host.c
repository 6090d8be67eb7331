// SPDX-License-Identifier: MPL-2.0
//
// The simulated platform. What a real one gets from hardware is checked here: no page is ever mapped writable
// and executable, nothing is mapped outside RAM but device ranges, the direct map is never left.
#include "host.h"
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

char *host_ram;
struct cpu *const host_cpu = cpus;
uint64_t host_time = 1000, host_timer = UINT64_MAX;
jmp_buf host_idle;

void host_poison(void *p, size_t n)
{
#if !__has_feature(address_sanitizer)
    memset(p, 0xdd, n); // then at least it is nothing that makes sense
#endif
    ASAN_POISON_MEMORY_REGION(p, n);
}
void host_unpoison(void *p, size_t n) { ASAN_UNPOISON_MEMORY_REGION(p, n); }

void host_boot(struct boot *boot)
{
    host_ram = mmap(nullptr, HOST_RAM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (host_ram == MAP_FAILED)
        abort();
    memset(boot, 0, sizeof *boot);
    boot->ram[0] = (struct boot_range){HOST_RAM_BASE, HOST_RAM_BYTES};
    boot->ram_count = 1;
    // A hole that is no page boundary, as firmware leaves them.
    boot->reserved[0] = (struct boot_range){HOST_RAM_BASE + 0x123400, 0x2345};
    boot->reserved_count = 1;
    boot->cpus = 1;
}

void arch_thread_init(struct thread *t, uint64_t entry, uint64_t stack, uint64_t argument, uint64_t tls)
{
    t->arch = (struct arch_thread){.pc = entry, .sp = stack, .tls = tls};
    t->arch.arg[0] = argument;
}
void arch_thread_free(struct thread *) {}

void arch_regs_get(const struct thread *t, struct fut_regs *out)
{
    memset(out, 0, sizeof *out);
#if defined(__x86_64__)
    out->rax = t->arch.op;
    out->rsp = t->arch.sp;
#else
    out->x[8] = t->arch.op;
    out->sp = t->arch.sp;
#endif
    out->pc = t->arch.pc;
    out->tls = t->arch.tls;
}

bool arch_regs_set(struct thread *t, const struct fut_regs *in)
{
    if (in->pc >= FUT_USER_TOP)
        return false;
#if defined(__x86_64__)
    t->arch.op = in->rax;
    t->arch.sp = in->rsp;
#else
    t->arch.op = in->x[8];
    t->arch.sp = in->sp;
#endif
    t->arch.pc = in->pc;
    t->arch.tls = in->tls;
    return true;
}

void arch_tls_set(struct thread *t, uint64_t tls) { t->arch.tls = tls; }
void arch_enter_upcall(struct thread *t, uint64_t entry, uint64_t stack, uint64_t frame, uint64_t tls)
{
    t->arch.pc = entry;
    t->arch.sp = stack;
    t->arch.frame = frame;
    t->arch.tls = tls;
}
void arch_fp_clone(struct thread *, struct thread *) {}

// --- Page tables -------------------------------------------------------------------------------------
bool arch_space_init(struct arch_space *s) { return (s->tables = page_alloc_raw()) != nullptr; }

void arch_space_free(struct arch_space *s)
{
    for (struct host_table *t = s->tables, *next; t; t = next) {
        next = t->next;
        page_free_raw(t);
    }
    s->tables = nullptr;
}

bool arch_map(struct arch_space *s, uint64_t va, phys_t pa, uint32_t prot, uint32_t cache)
{
    if ((prot & FUT_PROT_WRITE) && (prot & FUT_PROT_EXEC))
        panic("mapping writable and executable");
    if (cache == ARCH_CACHE_NORMAL && (pa < HOST_RAM_BASE || pa - HOST_RAM_BASE >= HOST_RAM_BYTES))
        panic("mapping outside RAM");
    struct host_table *last = nullptr, *room = nullptr;
    int at = 0;
    for (struct host_table *t = s->tables; t; last = t, t = t->next)
        for (int i = 0; i < HOST_ENTRIES; i++) {
            if (t->entry[i].va == va) {
                room = t;
                at = i;
                goto found;
            }
            if (!t->entry[i].va && !room) {
                room = t;
                at = i;
            }
        }
    if (!room) {
        room = page_alloc_raw();
        if (!room)
            return false;
        last->next = room;
        at = 0;
    }
found:
    room->entry[at].va = va;
    room->entry[at].pa = pa;
    room->entry[at].prot = prot;
    room->entry[at].cache = cache;
    return true;
}

static void *find(struct arch_space *s, uint64_t va, uint32_t **prot, uint64_t **pa, uint64_t **slot)
{
    for (struct host_table *t = s->tables; t; t = t->next)
        for (int i = 0; i < HOST_ENTRIES; i++)
            if (t->entry[i].va == va && va) {
                *prot = &t->entry[i].prot;
                *pa = &t->entry[i].pa;
                *slot = &t->entry[i].va;
                return t;
            }
    return nullptr;
}

void arch_unmap(struct arch_space *s, uint64_t va)
{
    uint32_t *prot;
    uint64_t *pa, *slot;
    if (find(s, va, &prot, &pa, &slot))
        *slot = 0;
}

void arch_protect(struct arch_space *s, uint64_t va, uint32_t p)
{
    uint32_t *prot;
    uint64_t *pa, *slot;
    if (find(s, va, &prot, &pa, &slot))
        *prot = p;
}

unsigned arch_lookup_run(struct arch_space *s, uint64_t va, unsigned count, uint32_t p, phys_t *out)
{
    uint32_t *prot;
    uint64_t *pa, *slot;
    unsigned n = 0;
    for (va &= ~(uint64_t)(FUT_PAGE_SIZE - 1); n < count && find(s, va, &prot, &pa, &slot) && (*prot & p) == p; n++) {
        out[n] = *pa;
        va += FUT_PAGE_SIZE;
    }
    return n;
}

bool arch_dirty_clear(struct arch_space *, uint64_t) { return false; }

void arch_unmap_range(struct arch_space *s, uint64_t va, uint64_t bytes)
{
    for (struct host_table *t = s->tables; t; t = t->next)
        for (int i = 0; i < HOST_ENTRIES; i++)
            if (t->entry[i].va && t->entry[i].va - va < bytes)
                t->entry[i].va = 0;
}

void arch_write_protect(struct arch_space *s, uint64_t va, uint64_t bytes)
{
    for (struct host_table *t = s->tables; t; t = t->next)
        for (int i = 0; i < HOST_ENTRIES; i++)
            if (t->entry[i].va && t->entry[i].va - va < bytes)
                t->entry[i].prot &= ~FUT_PROT_WRITE;
}

void arch_fill(struct arch_space *s, uint64_t va, unsigned count, const uint64_t *page)
{
    uint32_t *prot;
    uint64_t *pa, *slot;
    if (count > 64 || (count & (count - 1)) || va % (count * FUT_PAGE_SIZE))
        panic("arch_fill across tables");
    for (unsigned i = 0; i < count; i++)
        if (page[i] && !find(s, va + i * FUT_PAGE_SIZE, &prot, &pa, &slot)) {
            // A real table has the entry; this one may have no room, which only means a fault later.
            for (struct host_table *t = s->tables; t; t = t->next)
                for (int j = 0; j < HOST_ENTRIES; j++)
                    if (!t->entry[j].va) {
                        t->entry[j].va = va + i * FUT_PAGE_SIZE;
                        t->entry[j].pa = page[i] & ~4095ull;
                        t->entry[j].prot = page[i] & 7;
                        t->entry[j].cache = ARCH_CACHE_NORMAL;
                        goto next;
                    }
        next:;
        }
}

void arch_switch_space(struct arch_space *) {}

// --- Copies ---------------------------------------------------------------------------------------------
static bool copy(uint64_t user, char *kernel, size_t n, bool write)
{
    while (n) {
        uint32_t *prot;
        uint64_t *pa, *slot;
        struct cpu *cpu = arch_cpu();
        uint64_t page = user & ~(uint64_t)(FUT_PAGE_SIZE - 1);
        if (!cpu->space || !find(&cpu->space->arch, page, &prot, &pa, &slot) ||
            !(*prot & (write ? FUT_PROT_WRITE : FUT_PROT_READ)))
            return false;
        size_t in_page = user - page, part = min(n, FUT_PAGE_SIZE - in_page);
        if (*pa < HOST_RAM_BASE || *pa - HOST_RAM_BASE >= HOST_RAM_BYTES)
            return false;
        char *p = (char *)phys_to_virt(*pa) + in_page;
        if (write)
            memcpy(p, kernel, part);
        else
            memcpy(kernel, p, part);
        user += part;
        kernel += part;
        n -= part;
    }
    return true;
}
bool arch_copy_from_user(void *to, uint64_t from, size_t n) { return copy(from, to, n, false); }
bool arch_copy_to_user(uint64_t to, const void *from, size_t n) { return copy(to, (void *)from, n, true); }
bool arch_user_load32(uint64_t from, uint32_t *value) { return copy(from, (char *)value, 4, false); }
void arch_zero_page(void *p) { memset(p, 0, FUT_PAGE_SIZE); }
void arch_copy_page(void *to, const void *from) { memcpy(to, from, FUT_PAGE_SIZE); }
void arch_sync_icache(void *) {}
bool host_trace;
void arch_trace_sites(bool on) { host_trace = on; }
void arch_phys_window(phys_t, uint64_t) {}

// --- Time, interrupts ---------------------------------------------------------------------------------------
uint64_t arch_time_ns(void) { return host_time; }
void arch_time_page(struct fut_time_page *p) { *p = (struct fut_time_page){.mult = 1, .version = 1}; }
void arch_timer_set(uint64_t deadline) { host_timer = deadline; }
fut_status_t arch_irq_setup(uint32_t line, uint32_t) { return line < 64 ? FUT_OK : FUT_ERR_ARGUMENT; }
void arch_irq_mask(uint32_t) {}
void arch_irq_unmask(uint32_t) {}
static bool msi[8];
fut_status_t arch_msi_alloc(uint32_t *irq, struct fut_msi *out)
{
    for (uint32_t i = 0; i < 8; i++)
        if (!msi[i]) {
            msi[i] = true;
            *irq = 64 + i;
            *out = (struct fut_msi){.address = 0xfee00000, .data = i};
            return FUT_OK;
        }
    return FUT_ERR_NO_MEMORY;
}
void arch_msi_free(uint32_t irq) { msi[irq - 64] = false; }

void arch_ipi(unsigned) {}
void arch_wait_begin(void) {}
void arch_flush_tlb(void) {}
void arch_fp_save(void) {}
void arch_start_cpus(void) {}

void arch_idle(void)
{
    if (host_timer == UINT64_MAX)
        longjmp(host_idle, 1);
    host_time = max(host_time, host_timer);
    host_timer = UINT64_MAX;
    kernel_timer(nullptr);
}

void (*host_poll)(void); // what happens at a preemption point: the test's choice
void arch_interrupts(void)
{
    if (host_poll)
        host_poll();
}

fut_status_t arch_port_read(uint16_t, unsigned, uint32_t *) { return FUT_ERR_UNSUPPORTED; }
fut_status_t arch_port_write(uint16_t, unsigned, uint32_t) { return FUT_ERR_UNSUPPORTED; }

void arch_console_put(char c) { fputc(c, stderr); }
uint32_t arch_console_line(void) { return 4; }
int arch_console_get(void) { return -1; }
void arch_power(uint32_t, uint32_t) { abort(); }
void arch_resume(struct thread *) { abort(); }
void arch_backtrace(void (*)(uint64_t, void *), void *, const struct thread *) {}
void arch_dump_regs(const struct thread *) {}
