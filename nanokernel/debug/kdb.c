// SPDX-License-Identifier: MPL-2.0
//
// The debugger's prompt, and the commands that need no object: memory, registers, traces, the log.
//
// Everything is printed through klog, which log_debugger sends to the console alone. Structures may be in the
// middle of a change (a panic, an NMI), so lists are followed for a limited number of steps and every address is
// looked up before it is read.
#include <lib/format.h>
#include "kdb.h"
#include "log.h"
#include "symbols.h"
#include "trace.h"

#define LINE_BYTES 96u

bool kdb_on;
static struct thread *stopped;      // whose registers are the user's
static struct fut_regs *stopped_regs; // the kernel's, where a trap of the kernel stopped it
static bool leaving, stepping;

bool kdb_number(const char *text, unsigned base, uint64_t *value)
{
    if (text[0] == '0' && text[1] == 'x') {
        text += 2;
        base = 16;
    }
    uint64_t v = 0;
    const char *p = text;
    for (; *p; p++) {
        unsigned d = *p >= '0' && *p <= '9' ? (unsigned)(*p - '0') : (*p | 32) >= 'a' && (*p | 32) <= 'f' ? (unsigned)(*p | 32) - 'a' + 10 : 99;
        if (d >= base)
            return false;
        v = v * base + d;
    }
    *value = v;
    return p != text;
}

static char *find(char *text, char c)
{
    for (; *text; text++)
        if (*text == c)
            return text;
    return nullptr;
}

bool kdb_address(const char *words, struct task **task, uint64_t *address)
{
    char text[LINE_BYTES];
    size_t n = 0;
    for (; words[n] && n + 1 < sizeof text; n++)
        text[n] = words[n];
    text[n] = 0;
    *task = nullptr;
    char *colon = find(text, ':'), *rest = text, *plus;
    if (colon) {
        *colon = 0;
        rest = colon + 1;
        *task = kdb_task(text);
        if (!*task)
            return false;
    }
    if (kdb_number(rest, 16, address))
        return true;
    uint64_t offset = 0;
    if ((plus = find(rest, '+'))) {
        *plus = 0;
        if (!kdb_number(plus + 1, 16, &offset)) {
            klog("not a hexadecimal number: %s\n", plus + 1);
            return false;
        }
    }
    *address = colon ? 0 : symbol_address(rest);
    if (!*address) {
        klog("neither an address nor a symbol of the kernel: %s\n", rest);
        return false;
    }
    *address += offset;
    return true;
}

void *kdb_reach(struct task *task, uint64_t address)
{
    phys_t phys;
    if (task)
        return task->space && arch_lookup(&task->space->arch, address, FUT_PROT_READ, &phys) ? (char *)phys_to_virt(phys & ~(FUT_PAGE_SIZE - 1ull)) + address % FUT_PAGE_SIZE : nullptr;
    if (arch_image_address(address, &phys))
        return phys_to_virt(phys);
    const struct page *p = address >= ARCH_DIRECT_BASE ? phys_page(virt_to_phys((const void *)address)) : nullptr;
    return p && (p->state == PAGE_USED || p->state == PAGE_SLAB) ? (void *)address : nullptr;
}

// --- Memory ---------------------------------------------------------------------------------------------
static void command_examine(int n, char **word)
{
    struct task *task;
    uint64_t at, count = 8;
    if (!kdb_address(word[1], &task, &at) || (n > 2 && !kdb_number(word[2], 10, &count)))
        return;
    at &= ~7ull;
    count = min(count, 512ull);
    for (uint64_t i = 0; i < count; i++, at += 8) {
        const uint64_t *p = kdb_reach(task, at);
        if (!p) {
            klog("%s%016lx is not there\n", i % 2 ? "\n" : "", (unsigned long)at);
            return;
        }
        if (i % 2 == 0)
            klog("%016lx", (unsigned long)at);
        klog("  %016lx", (unsigned long)*p);
        if (i % 2 == 1 || i + 1 == count)
            klog("\n");
    }
}

static void command_write(int, char **word)
{
    struct task *task;
    uint64_t at, value;
    if (!kdb_address(word[1], &task, &at))
        return;
    uint64_t *p = kdb_reach(task, at & ~7ull);
    if (!kdb_number(word[2], 16, &value) || at % 8)
        klog("an address divisible by 8 and a hexadecimal value, please\n");
    else if (!p)
        klog("%016lx is not there\n", (unsigned long)at);
    else
        *p = value;
}

static void command_tables(int, char **word)
{
    struct task *t = kdb_task(word[1]);
    uint64_t at;
    if (!t || !t->space)
        return;
    if (kdb_number(word[2], 16, &at))
        arch_walk(&t->space->arch, at);
    else
        klog("not a hexadecimal address: %s\n", word[2]);
}

static void command_maps(int, char **word)
{
    struct task *t = kdb_task(word[1]);
    if (!t || !t->space)
        return;
    for (struct tree_node *i = tree_first(&t->space->mappings); i; i = tree_next(i)) {
        const struct mapping *m = container_of(i, struct mapping, node);
        klog("%012lx-%012lx %c%c%c%c memory %lu +0x%lx\n", (unsigned long)m->node.key, (unsigned long)m->end,
             m->flags & FUT_PROT_READ ? 'r' : '-', m->flags & FUT_PROT_WRITE ? 'w' : '-', m->flags & FUT_PROT_EXEC ? 'x' : '-',
             m->overlay ? 'p' : 's', (unsigned long)(m->memory ? m->memory->object.id : 0), (unsigned long)m->offset);
    }
}

// --- Registers ------------------------------------------------------------------------------------------
static struct thread *which(int n, char **word)
{
    if (n > 1)
        return kdb_thread(word[1]);
    if (!stopped)
        klog("no thread was running: name one\n");
    return stopped;
}

static void command_registers(int n, char **word)
{
    if (n == 1 && stopped_regs) {
        klog("in the kernel at %016lx", (unsigned long)stopped_regs->pc);
        symbol_log(stopped_regs->pc);
        klog("\n");
        arch_dump_kernel_regs(stopped_regs);
        return;
    }
    struct thread *t = which(n, word);
    if (t)
        arch_dump_regs(t);
}

static void command_backtrace(int n, char **word)
{
    if (n == 1 && (stopped_regs || !stopped)) {
        if (stopped_regs)
            symbol_log_frame(stopped_regs->pc, nullptr);
        arch_backtrace(symbol_log_frame, nullptr, nullptr);
        return;
    }
    struct thread *t = which(n, word);
    if (!t)
        return;
    // Its frames are reached through its own tables.
    struct cpu *cpu = arch_cpu();
    struct space *was = cpu->space;
    if (t->space && t->space != was) {
        arch_switch_space(&t->space->arch);
        cpu->space = t->space;
    }
    arch_backtrace(symbol_log_frame, nullptr, t);
    if (cpu->space != was) {
        arch_switch_space(was ? &was->arch : nullptr);
        cpu->space = was;
    }
}

// --- Traces, the log, the machine -------------------------------------------------------------------------
static void command_trace(int n, char **word)
{
    static const char *const names[] = {"?", "switch", "idle", "call", "send", "receive", "reply", "abort", "fault",
                                        "interrupt", "timer", "signal", "exit"};
    static struct fut_trace_record tail[256];
    uint64_t count = 16;
    if (n > 1 && !kdb_number(word[1], 10, &count))
        return;
    for (uint32_t cpu = 0; cpu < cpus_online; cpu++) {
        uint32_t got = trace_tail(cpu, tail, (uint32_t)min(count, 256ull));
        klog("CPU %u%s\n", cpu, got ? "" : ": no trace runs (futctl trace starts one)");
        for (uint32_t i = 0; i < got; i++) {
            uint32_t kind = tail[i].time_kind & 0xff;
            klog("%16lu %-9s thread %-5lu %016lx %016lx\n", (unsigned long)(tail[i].time_kind >> 8),
                 kind < sizeof names / sizeof *names ? names[kind] : "?", (unsigned long)tail[i].thread,
                 (unsigned long)tail[i].a, (unsigned long)tail[i].b);
        }
    }
}

static void command_log(int n, char **word)
{
    uint64_t count = 20, from, at = log_end();
    if (n > 1 && !kdb_number(word[1], 10, &count))
        return;
    char c;
    for (uint64_t lines = 0; at > 0; at--)
        if (!log_read(at - 1, &c, 1, &from) || from != at - 1 || (c == '\n' && lines++ == count))
            break;
    for (; log_read(at, &c, 1, &from) && from == at; at++)
        klog("%c", c);
}

static void command_cpus(int, char **)
{
    for (uint32_t i = 0; i < cpus_online; i++) {
        const struct cpu *c = &cpus[i];
        klog("CPU %u: thread %lu, ready %016lx, %lu switches, %lu calls, %lu faults, %lu interrupts\n", i,
             (unsigned long)(c->current ? c->current->object.id : 0), (unsigned long)c->ready, (unsigned long)c->switches,
             (unsigned long)c->calls, (unsigned long)c->faults, (unsigned long)c->interrupts);
    }
    klog("memory: %lu of %lu pages free\n", (unsigned long)pages_free, (unsigned long)pages_total);
}

static void command_continue(int, char **) { leaving = true; }
static void command_step(int, char **) { leaving = stepping = true; }
static void command_reboot(int, char **) { arch_power(FUT_POWER_REBOOT, 0); }
static void command_off(int, char **) { arch_power(FUT_POWER_EXIT, 4); }
static void command_help(int, char **);

static const struct kdb_command commands[] = {
    {"help", "", "this list", command_help},
    {"c", "", "go on", command_continue},
    {"s", "", "one instruction, then stop again", command_step},
    {"regs", "[THREAD]", "registers: of what stopped, or of a thread", command_registers},
    {"bt", "[THREAD]", "backtrace", command_backtrace},
    {"x", "!ADDRESS [WORDS]", "memory in words of 8 bytes; ADDRESS: hex, TASK:hex, a kernel symbol, SYMBOL+hex", command_examine},
    {"w", "!ADDRESS !HEX", "write a word of 8 bytes", command_write},
    {"maps", "!TASK", "mappings of a task's Space", command_maps},
    {"pt", "!TASK !HEX", "the page tables' way to an address", command_tables},
    {"cpus", "", "CPUs and free memory", command_cpus},
    {"trace", "[N]", "newest N events of each CPU's trace", command_trace},
    {"log", "[N]", "last N lines of the kernel log", command_log},
    {"reboot", "", "restart the machine, without ceremony", command_reboot},
    {"off", "", "switch it off, without ceremony", command_off},
    {},
};
static const struct kdb_command *const all_commands[] = {commands, kdb_object_commands, kdb_break_commands};
#define TABLES (sizeof all_commands / sizeof *all_commands)

static void print_usage(const struct kdb_command *c)
{
    char text[40];
    size_t n = 0;
    for (const char *p = c->arguments; *p && n + 1 < sizeof text; p++)
        if (*p != '!')
            text[n++] = *p;
    text[n] = 0;
    klog("  %-8s %-22s %s\n", c->name, text, c->help);
}

static void command_help(int, char **)
{
    for (unsigned t = 0; t < TABLES; t++)
        for (const struct kdb_command *c = all_commands[t]; c->name; c++)
            print_usage(c);
    klog("TASK, THREAD and other objects are named by their decimal number.\n");
}

// --- The prompt -------------------------------------------------------------------------------------------
static void read_line(char *line)
{
    size_t n = 0;
    for (;;) {
        int c = arch_console_get();
        if (c < 0) {
            arch_relax();
            continue;
        }
        if (c == '\r' || c == '\n')
            break;
        if ((c == 8 || c == 127) && n) {
            n--;
            klog("\b \b");
        } else if (c >= ' ' && c < 127 && n + 1 < LINE_BYTES) {
            line[n++] = (char)c;
            klog("%c", c);
        }
    }
    line[n] = 0;
    klog("\n");
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void execute(char *line)
{
    char *word[KDB_WORDS];
    int n = 0;
    for (char *p = line; *p && n < (int)KDB_WORDS;) {
        while (*p == ' ')
            *p++ = 0;
        if (!*p)
            break;
        word[n++] = p;
        while (*p && *p != ' ')
            p++;
    }
    if (!n)
        return;
    for (unsigned t = 0; t < TABLES; t++)
        for (const struct kdb_command *c = all_commands[t]; c->name; c++) {
            if (!same(c->name, word[0]))
                continue;
            int needs = 1;
            for (const char *p = c->arguments; *p; p++)
                needs += *p == '!';
            if (n < needs)
                print_usage(c);
            else
                c->run(n, word);
            return;
        }
    klog("no such command: %s (help lists them)\n", word[0]);
}

static bool talk(const char *why, struct thread *t, struct fut_regs *regs)
{
    static bool inside;
    if (inside) {
        klog("the debugger itself met a fault\n");
        arch_power(FUT_POWER_EXIT, 3);
    }
    bool console = log_console;
    inside = log_console = log_debugger = true;
    stopped = t;
    stopped_regs = regs;
    leaving = stepping = false;
    klog("\nkdb: %s", why);
    if (t)
        klog(", thread %lu of task %lu at %016lx", (unsigned long)t->object.id,
             (unsigned long)(t->task ? t->task->object.id : 0), (unsigned long)arch_pc(&t->arch));
    if (regs) {
        klog(" at %016lx", (unsigned long)regs->pc);
        symbol_log(regs->pc);
    }
    klog("\n");
    while (!leaving) {
        char line[LINE_BYTES];
        klog("kdb> ");
        read_line(line);
        execute(line);
    }
    log_debugger = inside = false;
    log_console = console;
    return stepping;
}

void kdb_enter(const char *why, struct thread *t)
{
    if (kdb_on && talk(why, t, nullptr) && t)
        kdb_go_on(t, nullptr, true);
}

void kdb_stop(const char *why, struct thread *t, struct fut_regs *regs)
{
    bool step = talk(why, t, t ? nullptr : regs);
    kdb_go_on(t, regs, step);
}
