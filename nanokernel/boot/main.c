// SPDX-License-Identifier: MPL-2.0
//
// The start of the generic kernel: memory, the root Account, and the first task, made from the first member
// of the boot archive (newc cpio) with all initial capabilities in its table. Nothing here runs again, and
// whatever goes wrong ends the machine with a message: without a first task there is no system.
#include <debug/log.h>
#include <kernel.h>
#include <ipc.h>
#include <cap/types.h>

#define STACK_BYTES (256u << 10)
#define FIRST_PRIORITY 48u
#define PAGE_MASK ((uint64_t)FUT_PAGE_SIZE - 1)

static void need(fut_status_t status, const char *what)
{
    if (status)
        panic("cannot make the first task: %s (%d)", what, status);
}

// --- The archive --------------------------------------------------------------------------------------------
// A member's header: 6 bytes of magic, then 13 fields of 8 hexadecimal digits; the name, padded to 4; the
// data, padded to 4.
struct newc_header { char magic[6], field[13][8]; };
static_assert(sizeof(struct newc_header) == 110);
#define FIELD_SIZE 6
#define FIELD_NAME_SIZE 11

static uint32_t hexadecimal(const char *p)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < 8; i++) {
        char c = p[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
        if (digit > 15)
            panic("the boot archive is damaged");
        v = v << 4 | digit;
    }
    return v;
}

static const char *first_member(const struct boot_range *archive, uint64_t *bytes)
{
    const char *at = phys_to_virt(archive->base);
    const struct newc_header *h = (const void *)at;
    if (archive->bytes < sizeof *h || memcmp(h->magic, "070701", 6) != 0)
        panic("there is no boot archive (QEMU: -initrd boot.cpio)");
    uint64_t data = (sizeof *h + hexadecimal(h->field[FIELD_NAME_SIZE]) + 3) & ~3ull;
    *bytes = hexadecimal(h->field[FIELD_SIZE]);
    if (data > archive->bytes || *bytes > archive->bytes - data)
        panic("the boot archive is cut off");
    return at + data;
}

// --- ELF ------------------------------------------------------------------------------------------------------
struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
#define ELF_EXECUTABLE 2
#define SEGMENT_LOAD 1
#define SEGMENT_X 1u
#define SEGMENT_W 2u

static void load_segment(struct space *s, const char *image, uint64_t image_bytes, const struct elf_segment *g)
{
    uint64_t start = g->vaddr & ~PAGE_MASK, end = (g->vaddr + g->memsz + PAGE_MASK) & ~PAGE_MASK;
    if (g->offset > image_bytes || g->filesz > image_bytes - g->offset || g->filesz > g->memsz || end <= start ||
        (g->flags & (SEGMENT_W | SEGMENT_X)) == (SEGMENT_W | SEGMENT_X))
        panic("the first member of the boot archive has a bad segment");
    struct memory *m;
    need(memory_new(root_account, end - start, MEMORY_ANON, &m), "memory");
    for (uint64_t done = 0; done < g->filesz;) {
        uint64_t at = g->vaddr - start + done, in_page = at & PAGE_MASK;
        uint64_t part = min(g->filesz - done, FUT_PAGE_SIZE - in_page);
        phys_t phys;
        need(memory_get(m, at & ~PAGE_MASK, true, &phys), "memory");
        memcpy((char *)phys_to_virt(phys) + in_page, image + g->offset + done, part);
        done += part;
    }
    uint32_t prot = FUT_PROT_READ | (g->flags & SEGMENT_W ? FUT_PROT_WRITE : 0) | (g->flags & SEGMENT_X ? FUT_PROT_EXEC : 0);
    struct fut_map map = {.address = start, .bytes = end - start, .flags = prot | FUT_MAP_FIXED};
    uint64_t address;
    need(space_map(s, m, &map, prot, &address), "a segment");
    object_unref(&m->object);
}

static uint64_t load(struct space *s, const char *image, uint64_t bytes)
{
    struct elf_header h;
    if (bytes < sizeof h)
        panic("the first member of the boot archive is no program");
    memcpy(&h, image, sizeof h);
    if (memcmp(h.ident, "\177ELF\2\1", 6) != 0 || h.type != ELF_EXECUTABLE || h.phentsize != sizeof(struct elf_segment) ||
        h.phoff > bytes || h.phnum > (bytes - h.phoff) / sizeof(struct elf_segment))
        panic("the first member of the boot archive is no static ELF program");
    for (unsigned i = 0; i < h.phnum; i++) {
        struct elf_segment g;
        memcpy(&g, image + h.phoff + i * sizeof g, sizeof g);
        if (g.type == SEGMENT_LOAD && g.memsz)
            load_segment(s, image, bytes, &g);
    }
    return h.entry;
}

// --- The first task ------------------------------------------------------------------------------------------
static fut_handle_t grant(struct task *t, struct object *o, uint32_t rights)
{
    fut_handle_t h;
    object_ref(o); // cap_install takes one
    need(cap_install(t, o, rights, &h), "a capability");
    return h;
}

static struct object *plain_object(uint32_t type)
{
    struct object *o;
    need(object_new(type, root_account, &o), "an object");
    return o;
}

static struct memory *physical(phys_t base, uint64_t bytes)
{
    struct memory *m;
    if (base & PAGE_MASK)
        panic("the loader put the archive or the device tree at %#llx, which is no page boundary", (unsigned long long)base);
    need(memory_new(root_account, (bytes + PAGE_MASK) & ~PAGE_MASK, MEMORY_PHYS, &m), "memory");
    m->base = base;
    return m;
}

static uint64_t map_fresh(struct space *s, uint64_t bytes)
{
    struct fut_map map = {.bytes = bytes, .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON};
    uint64_t address;
    need(space_map(s, nullptr, &map, FUT_PROT_READ | FUT_PROT_WRITE, &address), "memory");
    return address;
}

static uint64_t map_ipc_buffer(struct space *s)
{
    struct fut_map map = {.address = 0x200000, .bytes = FUT_IPC_BUFFER_SIZE, // below the program; aligned as it must be
                          .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_FIXED};
    uint64_t address;
    need(space_map(s, nullptr, &map, FUT_PROT_READ | FUT_PROT_WRITE, &address), "the IPC buffer");
    return address;
}

#define RIGHTS_ARCHIVE (FUT_RIGHT_READ | FUT_RIGHT_EXEC | FUT_RIGHT_MAP | RIGHTS_TRANSFER)

static struct thread *first_task(const struct boot *boot)
{
    static struct fut_boot_info info; // the image of what the task finds
    struct space *s;
    struct task *task;
    struct thread *t;
    struct memory *m;
    phys_t phys;
    uint64_t address, bytes;
    const char *image = first_member(&boot->archive, &bytes);

    need(space_new(root_account, &s), "a Space");
    uint64_t entry = load(s, image, bytes);
    uint64_t stack = map_fresh(s, STACK_BYTES) + STACK_BYTES;
    need(task_new(root_account, s, &task), "a Task");
    need(thread_new(task, &t), "a Thread");
    info.magic = FUT_BOOT_MAGIC;
    info.ipc_buffer = map_ipc_buffer(s);
    need(thread_pin_ipc(t, info.ipc_buffer), "the IPC buffer");

    info.h_task = grant(task, &task->object, RIGHTS_TASK);
    info.h_space = grant(task, &s->object, RIGHTS_SPACE);
    info.h_thread = grant(task, &t->object, RIGHTS_THREAD);
    info.h_account = grant(task, &root_account->object, RIGHTS_ACCOUNT);
    info.h_machine = grant(task, plain_object(FUT_OBJ_MACHINE), RIGHTS_MACHINE);
    info.h_log = grant(task, plain_object(FUT_OBJ_LOG), RIGHTS_LOG);
    info.archive_bytes = boot->archive.bytes;
    info.h_archive = grant(task, &physical(boot->archive.base, boot->archive.bytes)->object, RIGHTS_ARCHIVE);
    if (boot->devicetree.bytes) {
        info.devicetree_bytes = boot->devicetree.bytes;
        info.h_devicetree = grant(task, &physical(boot->devicetree.base, boot->devicetree.bytes)->object,
                                  FUT_RIGHT_READ | FUT_RIGHT_MAP | RIGHTS_TRANSFER);
    }
    info.rsdp = boot->rsdp;
    need(memory_new(root_account, FUT_PAGE_SIZE, MEMORY_ANON, &m), "memory");
    need(memory_get(m, 0, true, &phys), "memory");
    arch_time_page(phys_to_virt(phys));
    info.h_time = grant(task, &m->object, FUT_RIGHT_READ | FUT_RIGHT_MAP | RIGHTS_TRANSFER);
    memcpy(info.command_line, boot->command_line, sizeof info.command_line);
    memcpy(info.cpu_name, boot->cpu_name, sizeof info.cpu_name);

    need(memory_new(root_account, FUT_PAGE_SIZE, MEMORY_ANON, &m), "memory");
    need(memory_get(m, 0, true, &phys), "memory");
    static_assert(sizeof info <= FUT_PAGE_SIZE);
    memcpy(phys_to_virt(phys), &info, sizeof info);
    struct fut_map map = {.bytes = FUT_PAGE_SIZE, .flags = FUT_PROT_READ};
    need(space_map(s, m, &map, FUT_PROT_READ, &address), "the boot information");
    object_unref(&m->object);

    arch_thread_init(t, entry, stack, address, 0);
    t->priority = t->base_priority = FIRST_PRIORITY;
    return t;
}

// The kernel's own options are words of its command line. There is one: "verbose" keeps the log on the console
// after a driver has taken it, for finding out why user space does not come up.
static bool has_word(const char *line, const char *word)
{
    size_t n = 0;
    while (word[n])
        n++;
    for (; *line; line++) {
        size_t i = 0;
        while (i < n && line[i] == word[i])
            i++;
        if (i == n && (line[n] == ' ' || line[n] == 0))
            return true;
        while (*line && *line != ' ')
            line++;
        if (!*line)
            return false;
    }
    return false;
}

[[noreturn]] void kernel_main(struct boot *boot)
{
    klog("Futura on %s, %u CPU%s, command line \"%s\"\n", boot->cpu_name, boot->cpus, boot->cpus == 1 ? "" : "s",
         boot->command_line);
    log_verbose = has_word(boot->command_line, "verbose");
    page_init(boot);
    klog("%llu MiB of memory, %llu free\n", (unsigned long long)(pages_total >> 8), (unsigned long long)(pages_free >> 8));
    sched_init();
    need(account_new(nullptr, UINT64_MAX, UINT64_MAX, &root_account), "the root Account");
    struct thread *t = first_task(boot);
    t->suspended = false;
    thread_ready(t);
    arch_resume(schedule());
}
