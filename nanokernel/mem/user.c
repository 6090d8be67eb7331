// SPDX-License-Identifier: MPL-2.0
//
// The kernel's own accesses to the calling thread's memory. The fast way is a fault-checked copy; where that
// fails, the pages are brought in as a fault would, and the copy is tried once more.
#include <kernel.h>
#include <ipc.h>

static bool in_user(uint64_t at, size_t n)
{
    return at >= FUT_USER_BASE && at < FUT_USER_TOP && n <= FUT_USER_TOP - at;
}

fut_status_t user_prepare(struct thread *t, uint64_t at, size_t n, uint32_t access)
{
    if (n == 0)
        return FUT_OK;
    if (!in_user(at, n))
        return FUT_ERR_ADDRESS;
    for (uint64_t va = at & ~(uint64_t)(FUT_PAGE_SIZE - 1); va < at + n; va += FUT_PAGE_SIZE) {
        struct memory *wait;
        uint64_t offset;
        phys_t phys;
        fut_status_t status = space_resolve(t->space, va, access, &phys, &wait, &offset);
        if (status == FUT_ERR_WOULD_BLOCK) {
            thread_restart_later(t);
            thread_wait_page(t, wait, offset, access);
            return SYS_BLOCKED;
        }
        if (status)
            return status == FUT_ERR_NO_MEMORY ? status : FUT_ERR_ADDRESS;
    }
    return FUT_OK;
}

fut_status_t user_read(struct thread *t, void *to, uint64_t from, size_t n)
{
    if (n == 0)
        return FUT_OK;
    if (!in_user(from, n))
        return FUT_ERR_ADDRESS;
    if (arch_copy_from_user(to, from, n))
        return FUT_OK;
    fut_status_t status = user_prepare(t, from, n, ACCESS_READ);
    if (status)
        return status;
    return arch_copy_from_user(to, from, n) ? FUT_OK : FUT_ERR_ADDRESS;
}

fut_status_t user_write(struct thread *t, uint64_t to, const void *from, size_t n)
{
    if (n == 0)
        return FUT_OK;
    if (!in_user(to, n))
        return FUT_ERR_ADDRESS;
    if (arch_copy_to_user(to, from, n))
        return FUT_OK;
    fut_status_t status = user_prepare(t, to, n, ACCESS_WRITE);
    if (status)
        return status;
    return arch_copy_to_user(to, from, n) ? FUT_OK : FUT_ERR_ADDRESS;
}
