// SPDX-License-Identifier: MPL-2.0
//
// The first thread of a new Linux program, and the first thread of a forked child: both end by returning to the
// program from an upcall frame that is filled in here.
//
// The program's stack as Linux leaves it at its entry (System V ABI; Linux's binfmt_elf): argc, argv, 0, envp, 0,
// auxiliary vector, then the strings.
#include "linux.h"
#include <futura/startup.h>
#include <string.h>

enum {
    AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_FLAGS = 8, AT_ENTRY = 9,
    AT_UID = 11, AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_PLATFORM = 15, AT_HWCAP = 16, AT_CLKTCK = 17,
    AT_SECURE = 23, AT_RANDOM = 25, AT_HWCAP2 = 26, AT_EXECFN = 31, AT_SYSINFO_EHDR = 33,
};

static alignas(64) uint8_t first_tls[POSIX_TLS_BYTES];
static const struct fut_posix_startup *boot;

[[noreturn]] static void give_up(uint32_t signal)
{
    posix_exit(signal); // wait status: killed by it
}

// Strings go from the top down, vectors below them. A stack that does not take them ends the process as Linux does.
static uint64_t put_bytes(uint64_t *sp, const void *from, size_t bytes)
{
    if (*sp < boot->stack_low + 65536 + bytes)
        give_up(SIGKILL);
    *sp -= bytes;
    if (!user_write(*sp, from, bytes))
        give_up(SIGKILL);
    return *sp;
}

static uint64_t build_stack(void)
{
    uint64_t sp = boot->stack_high - 16;
    uint32_t argc = boot->argc, envc = boot->envc;
    const char *const *argv = (const char *const *)boot->argv, *const *envp = (const char *const *)boot->envp;
    const char *name = boot->exec_name != 0 ? (const char *)boot->exec_name : "";
    uint64_t name_at = put_bytes(&sp, name, strlen(name) + 1);
    // The strings' places are the vectors' contents: vectors are written in order below, with their room known.
    uint64_t strings_top = sp;
    for (uint32_t i = 0; i < envc; i++)
        sp -= strlen(envp[i]) + 1;
    for (uint32_t i = 0; i < argc; i++)
        sp -= strlen(argv[i]) + 1;
    uint64_t strings = sp;
    sp &= ~UINT64_C(15);
    uint64_t platform_at = put_bytes(&sp, LINUX_PLATFORM, sizeof LINUX_PLATFORM);
    sp &= ~UINT64_C(15);
    uint64_t random_at = put_bytes(&sp, boot->random, 16);
    uint64_t aux[][2] = {
        {AT_PHDR, boot->phdr}, {AT_PHENT, boot->phent}, {AT_PHNUM, boot->phnum}, {AT_PAGESZ, PAGE_SIZE}, {AT_BASE, 0},
        {AT_FLAGS, 0}, {AT_ENTRY, boot->entry}, {AT_UID, boot->uid}, {AT_EUID, boot->euid}, {AT_GID, boot->gid},
        {AT_EGID, boot->egid}, {AT_SECURE, (boot->flags & FUT_POSIX_SECURE) != 0}, {AT_HWCAP, boot->hwcap},
        {AT_HWCAP2, boot->hwcap2}, {AT_CLKTCK, 100}, {AT_PLATFORM, platform_at}, {AT_RANDOM, random_at},
        {AT_EXECFN, name_at}, {boot->vdso != 0 ? AT_SYSINFO_EHDR : AT_NULL, boot->vdso}, {AT_NULL, 0},
    };
    uint64_t words = 1 + argc + 1 + envc + 1;
    sp = (sp - words * 8 - sizeof aux) & ~UINT64_C(15);
    uint64_t at = sp, string = strings;
    if (sp < boot->stack_low + 65536)
        give_up(SIGKILL);
    bool good = user_write(at, &(uint64_t){argc}, 8);
    at += 8;
    for (int list = 0; list < 2; list++) {
        uint32_t n = list == 0 ? argc : envc;
        const char *const *from = list == 0 ? argv : envp;
        for (uint32_t i = 0; i < n && good; i++, at += 8) {
            size_t bytes = strlen(from[i]) + 1;
            good = user_write(at, &string, 8) && user_write(string, from[i], bytes);
            string += bytes;
        }
        good = good && user_zero(at, 8);
        at += 8;
    }
    if (!good || string != strings_top || !user_write(at, aux, sizeof aux))
        give_up(SIGKILL);
    return sp;
}

// Called by _start with interruptions off and no upcall registered.
void linux_start(const struct fut_startup *startup)
{
    boot = (const struct fut_posix_startup *)startup->posix;
    if (boot == nullptr || boot->magic != FUT_POSIX_MAGIC)
        for (;;)
            fut_thread_exit();
    struct posix_thread *self;
    uint64_t tls = posix_tls_make(first_tls, boot->ipc_buffer, &self);
    if (fut_tls_set(tls) != FUT_OK)
        fut_thread_exit();
    posix_init(boot);
    self->tls = tls;
    struct fut_frames *frames = (struct fut_frames *)boot->frames;
    self->upcall = (struct fut_upcall){
        .entry = (uint64_t)linux_upcall_entry,
        .stack = boot->native_stack_high & ~UINT64_C(15),
        .frames = boot->frames,
        .tls = tls,
        .count = (uint32_t)((boot->frames_bytes - sizeof *frames) / sizeof frames->frame[0]),
        .causes = 1u << FUT_CAUSE_SYSCALL | 1u << FUT_CAUSE_FAULT | 1u << FUT_CAUSE_INTERRUPT,
    };
    if (fut_upcall_set(&self->upcall) != FUT_OK)
        give_up(SIGKILL);
    // From here on this is an upcall like any other: a fault nests on the same stack, below.
    frames->depth = 1;
    frames->interrupts_masked = 1;
    frames->frame[0] = (struct fut_frame){};
    uint64_t sp = build_stack();
    regs_start(&frames->frame[0].regs, boot->entry, sp);
}

// --- What a child starts with ---------------------------------------------------------------------------------------

// In the child of a fork: the frame is the parent's, the library's state a copy.
void child_main(struct fut_frame *frame)
{
    struct fut_frames *frames = (struct fut_frames *)posix_self.upcall.frames;
    frames->depth = 1;
    frames->interrupts_masked = 1;
    posix_after_fork();
    posix_self.clear_child_tid = child_plan.clear_tid;
    if (child_plan.set_tid != 0) {
        uint32_t pid = posix_pid();
        (void)user_write(child_plan.set_tid, &pid, sizeof pid);
    }
    frame->interrupts_masked = 0;
    regs_set_result(&frame->regs, 0);
    if (child_plan.stack != 0)
        regs_set_sp(&frame->regs, child_plan.stack);
    if (child_plan.has_tls)
        frame->regs.tls = child_plan.tls;
    fp_restore(child_plan.fp);
    deliver_signals(frame, 0, true);
}

void thread_main(struct fut_frame *frame)
{
    struct fut_frames *frames = (struct fut_frames *)posix_self.upcall.frames;
    frames->depth = 1;
    frames->interrupts_masked = 1;
    posix_thread_started(posix_self.slot_number);
    deliver_signals(frame, 0, true);
}
