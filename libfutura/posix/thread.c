// SPDX-License-Identifier: MPL-2.0
//
// Threads of one process. Each has a block of library memory, kept by slot of the signal page and used again when
// posixd has marked the slot free, which it does only when the kernel thread is gone:
//
//      guard page | stack | upcall frames | TLS | IPC buffer (aligned to its size)
#include "posix.h"
#include "cpu.h"
#include <string.h>

#define STACK_BYTES (UINT64_C(11) * PAGE_SIZE)
#define BLOCK_BYTES (PAGE_SIZE + STACK_BYTES + PAGE_SIZE + PAGE_SIZE + FUT_IPC_BUFFER_SIZE)
#define FRAMES_AT (PAGE_SIZE + STACK_BYTES)
static_assert(BLOCK_BYTES % FUT_IPC_BUFFER_SIZE == 0);

static uint8_t *blocks[PROCESS_SIGNAL_PAGE_THREADS];
static bool reserved[PROCESS_SIGNAL_PAGE_THREADS];
static _Atomic bool started[PROCESS_SIGNAL_PAGE_THREADS];

static uint8_t *new_block(void)
{
    // One alignment step more than needed is mapped, and what is over is given back.
    uint8_t *at = posix_pages(BLOCK_BYTES + FUT_IPC_BUFFER_SIZE);
    if (at == nullptr)
        return nullptr;
    uint64_t start = ((uint64_t)at + FUT_IPC_BUFFER_SIZE - 1) & ~(uint64_t)(FUT_IPC_BUFFER_SIZE - 1);
    if (start != (uint64_t)at)
        (void)fut_space_unmap(posix.space, (uint64_t)at, start - (uint64_t)at);
    uint64_t end = (uint64_t)at + BLOCK_BYTES + FUT_IPC_BUFFER_SIZE;
    if (end != start + BLOCK_BYTES)
        (void)fut_space_unmap(posix.space, start + BLOCK_BYTES, end - start - BLOCK_BYTES);
    (void)fut_space_protect(posix.space, start, PAGE_SIZE, 0);
    return (uint8_t *)start;
}

static int take_slot(void)
{
    int found = -1;
    posix_lock();
    for (int i = 1; i < (int)PROCESS_SIGNAL_PAGE_THREADS && found < 0; i++) {
        if (reserved[i] || __atomic_load_n(&posix.page->thread[i].tid, __ATOMIC_ACQUIRE) != 0)
            continue;
        reserved[i] = true;
        found = i;
    }
    posix_unlock();
    return found;
}

long posix_new_thread(uint64_t entry, const struct fut_frame *frame, void (*prepare)(struct posix_thread *, void *), void *user)
{
    int slot = take_slot();
    if (slot < 0)
        return -EAGAIN;
    if (blocks[slot] == nullptr)
        blocks[slot] = new_block();
    uint8_t *block = blocks[slot];
    long result = -EAGAIN;
    if (block == nullptr)
        goto out;
    struct fut_frames *frames = (struct fut_frames *)(block + FRAMES_AT);
    uint8_t *tls_block = block + FRAMES_AT + PAGE_SIZE;
    uint64_t ipc = (uint64_t)block + BLOCK_BYTES - FUT_IPC_BUFFER_SIZE;
    struct posix_thread *self;
    memset(tls_block, 0, POSIX_TLS_BYTES);
    uint64_t tls = posix_tls_make(tls_block, ipc, &self);
    *frames = (struct fut_frames){.depth = 1, .interrupts_masked = 1};
    frames->frame[0] = *frame;
    frames->frame[0].interrupts_masked = 0;
    *self = (struct posix_thread){.frame = &frames->frame[0], .slot = &posix.page->thread[slot], .slot_number = (uint32_t)slot, .tls = tls};
    self->upcall = (struct fut_upcall){.entry = posix_self.upcall.entry, .stack = (uint64_t)frames, .frames = (uint64_t)frames,
                                       .tls = tls, .causes = posix_self.upcall.causes,
                                       .count = (PAGE_SIZE - sizeof *frames) / sizeof(struct fut_frame)};
    prepare(self, user);
    posix.page->thread[slot].blocked = posix_self.slot->blocked;
    posix.page->thread[slot].pending = 0;
    struct process_start start = {
        .entry = entry,
        .stack = self->upcall.stack,
        .argument = (uint64_t)&frames->frame[0],
        .ipc_buffer = ipc,
        .tls = tls,
        .upcall_entry = self->upcall.entry,
        .upcall_stack = self->upcall.stack,
        .upcall_frames = self->upcall.frames,
        .upcall_tls = tls,
        .upcall_count = self->upcall.count,
        .upcall_causes = self->upcall.causes,
        .flags = CLONE_VM | CLONE_THREAD,
        .slot = (uint32_t)slot,
        .process = posix.process.h,
        .context = posix.context.h,
        .task = posix.task,
        .space = posix.space,
    };
    atomic_fetch_add(&posix.threads, 1);
    started[slot] = false;
    uint32_t tid;
    fut_status_t status = process_process_new_thread(posix.process, &start, &tid);
    if (status == FUT_OK) {
        result = tid;
        // The new thread writes its tid where the program wants it: only it knows that the place still is its own.
        while (!started[slot])
            (void)fut_yield();
    } else {
        result = posix_errno(status);
        atomic_fetch_sub(&posix.threads, 1);
    }
out:
    reserved[slot] = false;
    return result;
}

void posix_thread_started(uint32_t slot)
{
    // posixd wrote the tid before it let this thread run.
    struct posix_thread *self = &posix_self;
    self->tid = posix.page->thread[slot].tid;
    for (int i = 0; i < 2; i++)
        if (self->set_tid[i] != 0)
            (void)user_write(self->set_tid[i], &self->tid, sizeof self->tid);
    started[slot] = true;
}

void posix_exit_thread(uint32_t status)
{
    struct posix_thread *self = &posix_self;
    if (self->clear_child_tid != 0) {
        uint32_t zero = 0;
        uint64_t woken;
        if (user_write(self->clear_child_tid, &zero, sizeof zero))
            (void)fut_futex_wake((uint32_t *)self->clear_child_tid, 1, &woken);
    }
    if (atomic_fetch_sub(&posix.threads, 1) == 1)
        posix_exit((status & 0xff) << 8);
    (void)process_process_exit_thread(posix.process, self->slot_number, status);
    for (;;)
        fut_thread_exit();
}

// posix_self lies at a constant distance from the TLS register, below it (x86_64) or above it (arm64): what holds
// for the running thread holds for a new block with the register value in its middle.
uint64_t posix_tls_make(void *block, uint64_t ipc_buffer, struct posix_thread **self)
{
    uint64_t tls = (uint64_t)block + POSIX_TLS_BYTES / 2;
    uint64_t distance = (uint64_t)&posix_self - cpu_tls();
    ((uint64_t *)tls)[0] = tls;
    ((uint64_t *)tls)[1] = ipc_buffer;
    *self = (struct posix_thread *)(tls + distance);
    return tls;
}
static_assert(sizeof(struct posix_thread) + 64 <= POSIX_TLS_BYTES / 2);
