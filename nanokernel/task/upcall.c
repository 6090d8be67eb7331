// SPDX-License-Identifier: MPL-2.0
//
// Upcalls: entering a thread's registered routine with its full register state saved in a frame.
//
// The frames lie in one page of the thread's own memory, pinned while registered and reached through the
// direct map, so that neither entry nor return can fault. The thread can write to the page at any time:
// `depth` is checked at each use, and registers read back go through arch_regs_set's checks.
#include <kernel.h>
#include <ipc.h>

static_assert(sizeof(struct fut_frames) + 4 * sizeof(struct fut_frame) <= FUT_PAGE_SIZE);

fut_status_t upcall_register(struct thread *t, const struct fut_upcall *u)
{
    if (u->entry >= FUT_USER_TOP || u->stack > FUT_USER_TOP || (u->stack & 15) || (u->frames & (FUT_PAGE_SIZE - 1)) ||
        u->count < 4 || u->count > (FUT_PAGE_SIZE - sizeof(struct fut_frames)) / sizeof(struct fut_frame) ||
        (u->causes & ~0xeu))
        return FUT_ERR_ARGUMENT;
    struct memory *wait;
    uint64_t offset;
    phys_t phys;
    fut_status_t status = space_resolve(t->space, u->frames, ACCESS_WRITE, &phys, &wait, &offset);
    struct page *p = status ? nullptr : phys_page(phys);
    if (!p || p->state != PAGE_USED || !p->refs || !page_pin(p))
        return FUT_ERR_ADDRESS;
    upcall_unregister(t);
    t->frames_page = p;
    t->frames = phys_to_virt(phys);
    t->upcall = *u;
    t->frames->pending = t->pending;
    return FUT_OK;
}

void upcall_unregister(struct thread *t)
{
    if (t->frames_page)
        page_unpin(t->frames_page);
    t->frames_page = nullptr;
    t->frames = nullptr;
    t->upcall = (struct fut_upcall){};
}

bool upcall_push(struct thread *t, uint32_t cause, uint32_t code, uint64_t address)
{
    struct fut_frames *f = t->frames;
    if (!f || !(t->upcall.causes & 1u << cause))
        return false;
    uint32_t depth = *(volatile uint32_t *)&f->depth;
    if (depth >= t->upcall.count)
        return false;
    struct fut_frame *frame = &f->frame[depth];
    arch_regs_get(t, &frame->regs);
    frame->address = address;
    frame->cause = cause;
    frame->code = code;
    frame->interrupts_masked = f->interrupts_masked;
    f->interrupts_masked = 1;
    f->depth = depth + 1;
    uint64_t stack = depth ? (arch_sp(&t->arch) - 256) & ~15ull : t->upcall.stack;
    arch_enter_upcall(t, t->upcall.entry, stack, t->upcall.frames + offsetof(struct fut_frames, frame) + depth * sizeof *frame,
                      t->upcall.tls);
    return true;
}

fut_status_t sys_upcall_return(struct thread *t, const uint64_t *, uint64_t *)
{
    struct fut_frames *f = t->frames;
    if (!f)
        return FUT_ERR_STATE;
    uint32_t depth = *(volatile uint32_t *)&f->depth;
    if (depth == 0 || depth > t->upcall.count)
        return FUT_ERR_STATE;
    uint32_t masked = (uint32_t)f->frame[depth - 1].interrupts_masked;
    if (!arch_regs_set(t, &f->frame[depth - 1].regs))
        return FUT_ERR_ARGUMENT;
    f->depth = depth - 1;
    f->interrupts_masked = masked;
    return SYS_BLOCKED;
}

fut_status_t sys_upcall_set(struct thread *t, const uint64_t *a, uint64_t *)
{
    if (!a[0]) {
        upcall_unregister(t);
        return FUT_OK;
    }
    struct fut_upcall u;
    fut_status_t status = user_read(t, &u, a[0], sizeof u);
    return status ? status : upcall_register(t, &u);
}

struct thread *kernel_foreign_syscall(struct thread *t)
{
    if (likely(upcall_push(t, FUT_CAUSE_SYSCALL, 0, 0))) {
        if (likely(!t->attention))
            return t;
        return leave();
    }
    fault_deliver(t, FUT_FAULT_ILLEGAL, arch_pc(&t->arch));
    return leave();
}
