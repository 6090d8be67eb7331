// SPDX-License-Identifier: MPL-2.0
//
// From the platform's struct boot to the first instruction of the first task, which gets every capability
// that there is: its own Task, Space, Thread, the root Account, the Machine, the Log, the boot archive, the
// device tree and the time page.
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>
#include <debug/kdb.h>
#include <debug/log.h>
#include "elf.h"

#define PAGE_MASK ((uint64_t)FUT_PAGE_SIZE - 1)
#define STACK_BYTES (256u << 10)
#define ROOT_OBJECTS (1u << 20)

// A newc archive: a 110-byte header of hexadecimal fields, the name, the data; both padded to 4 bytes.
static uint32_t hex(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 8; i++) {
        char c = p[i];
        uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                   : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10 : 0;
        v = v << 4 | d;
    }
    return v;
}

static const char *first_member(const char *archive, uint64_t bytes, const void **data, uint64_t *size)
{
    if (bytes < 110 || (memcmp(archive, "070701", 6) && memcmp(archive, "070702", 6)))
        panic("no boot archive (newc cpio; QEMU: -initrd FILE)");
    uint64_t file = hex(archive + 54), name = hex(archive + 94);
    uint64_t start = (110 + name + 3) & ~3ull;
    if (name == 0 || start > bytes || file > bytes - start)
        panic("the boot archive is cut off in its first member");
    *data = archive + start;
    *size = file;
    return archive + 110;
}

static void must(fut_status_t status, const char *what)
{
    if (status)
        panic("cannot make %s for the first task: status %d", what, status);
}

static fut_handle_t grant(struct task *t, struct object *o, uint32_t rights)
{
    must(cap_reserve(t, 1), "a capability");
    return cap_put(t, o, rights, nullptr)->handle;
}

static fut_handle_t grant_range(struct task *t, struct boot_range r)
{
    if (r.bytes == 0)
        return 0;
    struct memory *m;
    phys_t base = r.base & ~PAGE_MASK;
    must(memory_new(root_account, (r.base + r.bytes - base + PAGE_MASK) & ~PAGE_MASK, MEMORY_PHYS, &m), "a Memory");
    m->base = base;
    return grant(t, &m->object, (RIGHTS_MEMORY & ~FUT_RIGHT_WRITE) | FUT_RIGHT_DMA);
}

static uint64_t map_anon(struct space *s, uint64_t address, uint64_t bytes)
{
    struct fut_map q = {.address = address, .bytes = bytes, .flags = FUT_MAP_ANON | FUT_PROT_READ | FUT_PROT_WRITE};
    uint64_t at;
    must(space_map(s, nullptr, &q, 7, &at), "a mapping");
    return at;
}

static struct thread *make_first_task(struct boot *boot)
{
    struct space *space;
    struct task *task;
    struct thread *thread;
    struct memory *memory;
    must(space_new(root_account, &space), "a Space");
    must(task_new(root_account, space, &task), "a Task");
    must(thread_new(task, &thread), "a Thread");

    const void *file;
    uint64_t bytes, entry = 0;
    const char *name = first_member(phys_to_virt(boot->archive.base), boot->archive.bytes, &file, &bytes);
    const char *why = elf_load(space, file, bytes, &entry);
    if (why)
        panic("the first member of the boot archive (%.32s) cannot be started: %s", name, why);

    struct fut_boot_info info = {
        .magic = FUT_BOOT_MAGIC,
        .archive_bytes = boot->archive.bytes,
        .rsdp = boot->rsdp,
        .devicetree_bytes = boot->devicetree.bytes,
    };
    memcpy(info.command_line, boot->command_line, sizeof info.command_line - 1);
    memcpy(info.cpu_name, boot->cpu_name, sizeof info.cpu_name - 1);
    info.h_task = grant(task, &task->object, RIGHTS_TASK);
    info.h_space = grant(task, &space->object, RIGHTS_SPACE);
    info.h_thread = grant(task, &thread->object, RIGHTS_THREAD);
    info.h_account = grant(task, &root_account->object, RIGHTS_ACCOUNT);
    struct object *o;
    must(object_new(FUT_OBJ_MACHINE, root_account, &o), "the Machine");
    info.h_machine = grant(task, o, RIGHTS_MACHINE);
    must(object_new(FUT_OBJ_LOG, root_account, &o), "the Log");
    info.h_log = grant(task, o, RIGHTS_LOG);
    info.h_archive = grant_range(task, boot->archive);
    info.h_devicetree = grant_range(task, boot->devicetree);
    must(memory_new(root_account, FUT_PAGE_SIZE, MEMORY_ANON, &memory), "the time page");
    phys_t phys;
    must(memory_get(memory, 0, true, &phys), "the time page");
    arch_time_page(phys_to_virt(phys));
    info.h_time = grant(task, &memory->object, FUT_RIGHT_READ | FUT_RIGHT_MAP | RIGHTS_TRANSFER);

    struct memory *wait;
    uint64_t offset;
    uint64_t ipc = map_anon(space, 0x7ffe00000000ull, FUT_IPC_BUFFER_SIZE);
    uint64_t stack = map_anon(space, 0x7ffd00000000ull, STACK_BYTES);
    uint64_t at = map_anon(space, 0x7ffc00000000ull, (sizeof info + PAGE_MASK) & ~PAGE_MASK);
    info.ipc_buffer = ipc;
    must(space_copy(space, at, &info, sizeof info, true, &wait, &offset), "the boot information");
    must(space_protect(space, at, (sizeof info + PAGE_MASK) & ~PAGE_MASK, FUT_PROT_READ), "the boot information");
    arch_thread_init(thread, entry, stack + STACK_BYTES, at, 0);
    must(thread_pin_ipc(thread, ipc), "the IPC buffer");
    thread->priority = thread->base_priority = thread->ceiling = PRIORITIES - 1;
    thread_set_suspended(thread, false);
    klog("first task: %.32s, %lu KiB\n", name, (unsigned long)(bytes >> 10));
    return thread;
}

// The kernel's own options are words of its command line: "verbose" keeps the log on the console after a driver has
// taken it, for finding out why user space does not come up; "kdb" lets the debugger answer.
static bool has_word(const char *line, const char *word)
{
    while (*line) {
        size_t i = 0;
        while (word[i] && line[i] == word[i])
            i++;
        if (!word[i] && (line[i] == ' ' || line[i] == 0))
            return true;
        while (*line && *line != ' ')
            line++;
        while (*line == ' ')
            line++;
    }
    return false;
}

void kernel_main(struct boot *boot)
{
    log_verbose = has_word(boot->command_line, "verbose");
#if FUTURA_KDB
    kdb_on = has_word(boot->command_line, "kdb");
#endif
    page_init(boot);
    sched_init();
    klog("Futura nanokernel: %lu MiB of RAM, %lu MiB free, %u CPU(s) present, %s\n",
         (unsigned long)(pages_total >> 8), (unsigned long)(pages_free >> 8), boot->cpus, boot->cpu_name);
    struct account *root;
    must(account_new(nullptr, pages_free, ROOT_OBJECTS, &root), "the root Account");
    root_account = root;
    struct thread *first = make_first_task(boot);
    if (boot->cpus > 1) {
        arch_start_cpus();
        klog("%u CPUs run\n", cpus_online);
        first->affinity = (uint8_t)((1u << cpus_online) - 1);
    }
    thread_ready(first);
    arch_resume(schedule());
}
