// SPDX-License-Identifier: MPL-2.0
//
// Breakpoints and single steps. A breakpoint is an instruction that traps, written over the one that was there:
// through the direct map, so in the page itself, which all who share it see; a hit by somebody else's task is stepped
// over in silence. Whoever goes on from a breakpoint executes the old instruction in one single step, and then the
// trap is put back. The kernel's entry code and the fast paths of its system calls run on no stack: no breakpoints
// there.
#include "kdb.h"
#include "symbols.h"

#define BREAKPOINTS 16u
static struct breakpoint {
    uint64_t at;
    struct page *page;          // pinned
    phys_t phys;                // 0: free
    uint64_t task;              // object id; 0: the kernel's
    uint8_t saved[ARCH_BREAK_BYTES];
} points[BREAKPOINTS];

static bool step_on;            // somebody steps
static uint64_t step_thread;    // object id; 0: the kernel
static bool step_stops;         // and is asked afterwards
static struct breakpoint *step_over;

static void poke(phys_t phys, const uint8_t *code)
{
    uint8_t *to = phys_to_virt(phys);
    for (unsigned i = 0; i < ARCH_BREAK_BYTES; i++)
        to[i] = code[i];
    arch_sync_icache(phys_to_virt(phys & ~(FUT_PAGE_SIZE - 1ull)));
}

static void plant(const struct breakpoint *b)
{
    static const uint8_t code[] = ARCH_BREAK_CODE;
    poke(b->phys, code);
}

static struct breakpoint *point_at(phys_t phys)
{
    for (unsigned i = 0; i < BREAKPOINTS; i++)
        if (points[i].phys && points[i].phys == phys)
            return &points[i];
    return nullptr;
}

static bool locate(struct task *task, uint64_t at, phys_t *phys)
{
    void *p = kdb_reach(task, at);
    *phys = p ? virt_to_phys(p) : 0;
    return p;
}

void kdb_go_on(struct thread *t, struct fut_regs *regs, bool step)
{
    phys_t phys;
    uint64_t pc = t ? arch_pc(&t->arch) : regs->pc;
    struct breakpoint *b = locate(t ? t->task : nullptr, pc, &phys) ? point_at(phys) : nullptr;
    if (step_on && step_over && step_over->phys)
        plant(step_over); // whoever was to step died meanwhile
    step_on = false;
    if (!b && !step)
        return;
    if (b)
        poke(b->phys, b->saved);
    step_on = true;
    step_over = b;
    step_stops = step;
    step_thread = t ? t->object.id : 0;
    arch_step(t, regs, true);
}

bool kdb_trap(struct thread *t, uint32_t code, struct fut_regs *regs)
{
    uint64_t id = t ? t->object.id : 0;
    phys_t phys;
    if (code == FUT_FAULT_STEP) {
        if (!step_on || step_thread != id)
            return false;
        step_on = false;
        arch_step(t, regs, false);
        if (step_over && step_over->phys)
            plant(step_over);
        step_over = nullptr;
        if (step_stops)
            kdb_stop("step", t, regs);
        return true;
    }
    struct breakpoint *b = locate(t ? t->task : nullptr, regs->pc, &phys) ? point_at(phys) : nullptr;
    if (!b)
        return false;
    if (!t || b->task == t->task->object.id)
        kdb_stop("breakpoint", t, regs);
    else
        kdb_go_on(t, regs, false);
    return true;
}

bool kdb_user_trap(struct thread *t, uint32_t code)
{
    if (!kdb_on || (code != FUT_FAULT_TRAP && code != FUT_FAULT_STEP))
        return false;
    uint64_t pc = arch_pc(&t->arch);
    struct fut_regs regs = {};
    if (code == FUT_FAULT_TRAP) {
        regs.pc = pc - ARCH_BREAK_ADVANCE;
        phys_t phys;
        if (!locate(t->task, regs.pc, &phys) || !point_at(phys))
            return false;
        arch_set_pc(&t->arch, regs.pc);
    }
    return kdb_trap(t, code, &regs);
}

// --- Commands -------------------------------------------------------------------------------------------
static void command_break(int, char **word)
{
    struct task *task;
    uint64_t at;
    phys_t phys;
    if (!kdb_address(word[1], &task, &at))
        return;
    if (at % ARCH_BREAK_BYTES || !locate(task, at, &phys)) {
        klog("%016lx is not there\n", (unsigned long)at);
        return;
    }
    extern char text_entry_end[], image_text_end[]; // kernel.ld
    if (!task && (at < (uint64_t)text_entry_end || at >= (uint64_t)image_text_end)) {
        klog("no breakpoint is possible there: it is the way into the kernel, or no code\n");
        return;
    }
    if (point_at(phys)) {
        klog("there is one already\n");
        return;
    }
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        struct breakpoint *b = &points[i];
        if (b->phys)
            continue;
        struct page *page = task ? phys_page(phys) : nullptr;
        if (page && !page_pin(page))
            break;
        *b = (struct breakpoint){.at = at, .page = page, .phys = phys, .task = task ? task->object.id : 0};
        memcpy(b->saved, phys_to_virt(phys), ARCH_BREAK_BYTES);
        plant(b);
        klog("breakpoint %u at %016lx\n", i, (unsigned long)at);
        return;
    }
    klog("no more than %u breakpoints\n", BREAKPOINTS);
}

static void command_list(int, char **)
{
    for (unsigned i = 0; i < BREAKPOINTS; i++)
        if (points[i].phys) {
            klog("%u  task %lu  %016lx", i, (unsigned long)points[i].task, (unsigned long)points[i].at);
            if (!points[i].task)
                symbol_log(points[i].at);
            klog("\n");
        }
}

static void command_delete(int, char **word)
{
    uint64_t i;
    if (!kdb_number(word[1], 10, &i) || i >= BREAKPOINTS || !points[i].phys) {
        klog("no breakpoint %s\n", word[1]);
        return;
    }
    poke(points[i].phys, points[i].saved);
    if (points[i].page)
        page_unpin(points[i].page);
    points[i] = (struct breakpoint){};
}

const struct kdb_command kdb_break_commands[] = {
    {"b", "![TASK:]ADDRESS", "breakpoint, in the kernel or in a task", command_break},
    {"bl", "", "list of breakpoints", command_list},
    {"bd", "!NUMBER", "delete a breakpoint", command_delete},
    {},
};
