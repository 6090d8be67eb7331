// SPDX-License-Identifier: MPL-2.0
//
// The program's address space: brk, mmap and what belongs to it, as mappings made through the process's own Space
// handle. The kernel keeps the list of mappings; nothing is remembered here but the heap's ends.
//
// A file mapping shows the file's own page cache where its server offers it (io.File.Map, MapWrite), a private one
// through an overlay in the kernel; elsewhere the bytes are copied when it is made. Write and execute never go together (architecture 3.5): a
// program that asks for both is refused with EACCES.
#include "posix.h"

#define HEAP_STEP UINT64_C(0x10000)        // the heap is mapped in steps: glibc moves it by small amounts
#define HEAP_MAX (UINT64_C(1) << 40)

static uint32_t prot_of(uint32_t prot)
{
    // Linux lets nobody write or execute what may not be read, on the machines that matter.
    uint32_t p = 0;
    if (prot & (PROT_READ | PROT_WRITE | PROT_EXEC))
        p |= FUT_PROT_READ;
    if (prot & PROT_WRITE)
        p |= FUT_PROT_WRITE;
    if (prot & PROT_EXEC)
        p |= FUT_PROT_EXEC;
    return p;
}

static long map(uint64_t address, uint64_t bytes, fut_handle_t memory, uint64_t offset, uint32_t flags)
{
    struct fut_map m = {.address = address, .offset = offset, .bytes = bytes, .memory = memory, .flags = flags};
    uint64_t at;
    fut_status_t status = fut_space_map(posix.space, &m, &at);
    if (status == FUT_OK)
        return (long)at;
    return status == FUT_ERR_ARGUMENT || status == FUT_ERR_STATE ? -ENOMEM : posix_errno(status);
}

// The addresses that the library itself lives at are not the program's to change.
static bool is_ours(uint64_t address, uint64_t bytes)
{
    return address < posix.image_high && address + bytes > posix.image_low;
}

long posix_brk(uint64_t to)
{
    posix_lock();
    if (to >= posix.brk_start && to - posix.brk_start <= HEAP_MAX) {
        if (to > posix.brk_mapped) {
            uint64_t end = (to + HEAP_STEP - 1) & ~(HEAP_STEP - 1);
            long at = map(posix.brk_mapped, end - posix.brk_mapped, 0, 0,
                          FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_PRIVATE | FUT_MAP_FIXED);
            if (at < 0) { // something lies in the way: take what there is room for
                end = PAGE_UP(to);
                at = map(posix.brk_mapped, end - posix.brk_mapped, 0, 0,
                         FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_PRIVATE | FUT_MAP_FIXED);
            }
            if (at >= 0) {
                posix.brk_mapped = end;
                posix.brk = to;
            }
        } else {
            // Going down gives the pages back, so that they are zero when the heap grows again.
            if (PAGE_UP(to) < PAGE_UP(posix.brk)) {
                if (fut_space_unmap(posix.space, PAGE_UP(to), posix.brk_mapped - PAGE_UP(to)) == FUT_OK)
                    posix.brk_mapped = PAGE_UP(to);
            }
            posix.brk = to;
        }
    }
    uint64_t now = posix.brk;
    posix_unlock();
    return (long)now;
}

// Copies what a file holds into a fresh mapping, for files that offer no page cache.
static long map_copy(uint64_t address, uint64_t bytes, uint32_t prot, uint32_t place, int fd, uint64_t offset)
{
    long at = map(address, bytes, 0, 0, FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_PRIVATE | place);
    if (at < 0)
        return at;
    for (uint64_t done = 0; done < bytes;) {
        long n = posix_read((unsigned)fd, (uint64_t)at + done, bytes - done, offset + done);
        if (n < 0) {
            (void)fut_space_unmap(posix.space, (uint64_t)at, bytes);
            return n;
        }
        if (n == 0)
            break;
        done += (uint64_t)n;
    }
    if (prot != (FUT_PROT_READ | FUT_PROT_WRITE))
        (void)fut_space_protect(posix.space, (uint64_t)at, bytes, prot);
    return at;
}

static long map_file(uint64_t address, uint64_t bytes, uint32_t prot, bool shared, uint32_t place, int fd, uint64_t offset)
{
    struct posix_fd *f = posix_fd_get((unsigned)fd);
    if (f == nullptr)
        return -EBADF;
    if ((f->status & O_ACCMODE) == O_WRONLY || (f->hints & FD_IS_PATH))
        return -EACCES;
    if (shared && (prot & FUT_PROT_WRITE) && (f->status & O_ACCMODE) != O_RDWR)
        return -EACCES;
    if (f->kind == FUT_POSIX_KIND_ZERO)
        return map(address, bytes, 0, 0, prot | FUT_MAP_ANON | FUT_MAP_PRIVATE | place);
    if (f->kind == FUT_POSIX_KIND_DIRECTORY || f->kind == FUT_POSIX_KIND_TERMINAL || f->kind == FUT_POSIX_KIND_PIPE)
        return -ENODEV;
    fut_handle_t memory;
    uint64_t size;
    // Write access is for the life of the mapping (mprotect may ask for it later), so the descriptor decides.
    bool writable = shared && (f->status & O_ACCMODE) == O_RDWR && !(prot & FUT_PROT_EXEC);
    fut_status_t status = writable ? io_file_map_write((io_file_t){f->handle}, &memory, &size)
                                   : io_file_map((io_file_t){f->handle}, &memory, &size);
    if (status == FUT_ERR_UNKNOWN_METHOD || status == IO_ERROR_NOT_SUPPORTED || status == IO_ERROR_NO_DEVICE)
        return shared ? -ENODEV : map_copy(address, bytes, prot, place, fd, offset);
    if (status != FUT_OK)
        return posix_errno(status);
    long at = map(address, bytes, memory, offset, prot | (shared ? 0 : FUT_MAP_PRIVATE) | place);
    (void)fut_cap_delete(memory);
    if (at < 0 && !shared) // a server that gives Memory without a pager: the mapping may reach behind its end
        return map_copy(address, bytes, prot, place, fd, offset);
    return at;
}

long posix_map(uint64_t address, uint64_t bytes, uint32_t prot_bits, uint32_t flags, int fd, uint64_t offset)
{
    if (bytes == 0 || (offset & (PAGE_SIZE - 1)) != 0)
        return -EINVAL;
    bytes = PAGE_UP(bytes);
    if (bytes == 0 || bytes >= FUT_USER_TOP)
        return -ENOMEM;
    uint32_t type = flags & MAP_TYPE;
    if (type != MAP_SHARED && type != MAP_PRIVATE && type != 3) // 3: MAP_SHARED_VALIDATE
        return -EINVAL;
    if ((prot_bits & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC))
        return -EACCES;
    uint32_t place = 0;
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if ((address & (PAGE_SIZE - 1)) != 0)
            return -EINVAL;
        if (address < FUT_USER_BASE)
            return -EPERM;
        if (address > FUT_USER_TOP - bytes || is_ours(address, bytes))
            return -ENOMEM;
        place = FUT_MAP_FIXED | ((flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE) ? FUT_MAP_REPLACE : 0);
    } else {
        address = 0; // a hint binds nobody
    }
    uint32_t prot = prot_of(prot_bits);
    bool shared = type != MAP_PRIVATE;
    long at;
    if ((flags & MAP_ANONYMOUS) == 0) {
        at = map_file(address, bytes, prot, shared, place, fd, offset);
    } else if (!shared) {
        at = map(address, bytes, 0, 0, prot | FUT_MAP_ANON | FUT_MAP_PRIVATE | place);
    } else {
        fut_handle_t memory;
        fut_status_t status = fut_memory_create(bytes, 0, &memory);
        if (status != FUT_OK)
            return posix_errno(status);
        at = map(address, bytes, memory, 0, prot | FUT_MAP_SHARED_FORK | place);
        (void)fut_cap_delete(memory);
    }
    return at == -ENOMEM && (flags & MAP_FIXED_NOREPLACE) ? -EEXIST : at;
}

static long check_range(uint64_t address, uint64_t *bytes)
{
    if ((address & (PAGE_SIZE - 1)) != 0)
        return -EINVAL;
    uint64_t up = PAGE_UP(*bytes);
    if (up < *bytes || address > FUT_USER_TOP || up > FUT_USER_TOP - address)
        return -ENOMEM;
    *bytes = up;
    return 0;
}

long posix_unmap(uint64_t address, uint64_t bytes)
{
    long error = check_range(address, &bytes);
    if (error != 0 || bytes == 0 || is_ours(address, bytes))
        return -EINVAL;
    fut_status_t status = fut_space_unmap(posix.space, address, bytes);
    return status == FUT_ERR_NOT_FOUND ? 0 : posix_errno(status); // nothing there is no error (mmap(2))
}

long posix_protect(uint64_t address, uint64_t bytes, uint32_t prot)
{
    long error = check_range(address, &bytes);
    if (error != 0 || bytes == 0)
        return error;
    if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC)) != 0 || is_ours(address, bytes))
        return -EINVAL;
    if ((prot & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC))
        return -EACCES;
    fut_status_t status = fut_space_protect(posix.space, address, bytes, prot_of(prot));
    return status == FUT_ERR_NOT_FOUND || status == FUT_ERR_ADDRESS ? -ENOMEM
           : status == FUT_ERR_RIGHTS                               ? -EACCES
                                                                    : posix_errno(status);
}

// Growing in place is tried by mapping the pages behind; else the bytes move by copying, which is right for
// private memory only: a mapping of shared Memory that cannot grow where it is stays as it was.
long posix_remap(uint64_t address, uint64_t old_bytes, uint64_t bytes, uint32_t flags, uint64_t to)
{
    if ((address & (PAGE_SIZE - 1)) != 0 || (flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) != 0 || bytes == 0)
        return -EINVAL;
    old_bytes = PAGE_UP(old_bytes);
    bytes = PAGE_UP(bytes);
    if (old_bytes == 0 || bytes == 0 || bytes >= FUT_USER_TOP)
        return -EINVAL;
    struct fut_mapping m;
    if (fut_space_query(posix.space, address, &m) != FUT_OK || m.address > address)
        return -EFAULT;
    bool fixed = (flags & MREMAP_FIXED) != 0;
    if (fixed && (!(flags & MREMAP_MAYMOVE) || (to & (PAGE_SIZE - 1)) != 0 || (to < address + old_bytes && address < to + bytes)))
        return -EINVAL;
    if (!fixed && bytes <= old_bytes) {
        if (bytes < old_bytes)
            (void)fut_space_unmap(posix.space, address + bytes, old_bytes - bytes);
        return (long)address;
    }
    uint32_t prot = m.flags & (FUT_PROT_READ | FUT_PROT_WRITE | FUT_PROT_EXEC);
    if (m.memory_id != 0 && !(m.flags & FUT_MAP_PRIVATE))
        return -ENOMEM;
    if (!fixed) {
        long at = map(address + old_bytes, bytes - old_bytes, 0, 0, prot | FUT_MAP_ANON | FUT_MAP_PRIVATE | FUT_MAP_FIXED);
        if (at >= 0)
            return (long)address;
        if (!(flags & MREMAP_MAYMOVE))
            return -ENOMEM;
    }
    if (is_ours(to, fixed ? bytes : 0))
        return -EINVAL;
    long at = map(fixed ? to : 0, bytes, 0, 0, FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_PRIVATE |
                                                   (fixed ? FUT_MAP_FIXED | FUT_MAP_REPLACE : 0));
    if (at < 0)
        return at;
    uint64_t keep = old_bytes < bytes ? old_bytes : bytes;
    if (!user_read((void *)at, address, keep)) {
        (void)fut_space_unmap(posix.space, (uint64_t)at, bytes);
        return -EFAULT;
    }
    if (prot != (FUT_PROT_READ | FUT_PROT_WRITE))
        (void)fut_space_protect(posix.space, (uint64_t)at, bytes, prot);
    (void)fut_space_unmap(posix.space, address, old_bytes);
    return at;
}

// Only DONTNEED changes what a program can see: anonymous private pages read as zero again.
long posix_advise(uint64_t address, uint64_t bytes, uint32_t advice)
{
    long error = check_range(address, &bytes);
    if (error != 0)
        return error == -ENOMEM ? -EINVAL : error;
    if (advice > 25 && advice != 100 && advice != 101)
        return -EINVAL;
    if (advice != MADV_DONTNEED)
        return 0;
    while (bytes != 0) {
        struct fut_mapping m;
        if (fut_space_query(posix.space, address, &m) != FUT_OK || m.address >= address + bytes || m.address > address)
            return -ENOMEM;
        uint64_t part = m.address + m.bytes - address;
        if (part > bytes)
            part = bytes;
        if (m.memory_id == 0 && !is_ours(address, part)) {
            long at = map(address, part, 0, 0, (m.flags & 7u) | FUT_MAP_ANON | FUT_MAP_PRIVATE | FUT_MAP_FIXED | FUT_MAP_REPLACE);
            if (at < 0)
                return at;
        }
        address += part;
        bytes -= part;
    }
    return 0;
}

// What was written through shared mappings of files is stored. Their servers know them by their Memory.
long posix_sync_map(uint64_t address, uint64_t bytes, bool wait)
{
    long error = check_range(address, &bytes);
    while (error == 0 && bytes != 0) {
        struct fut_mapping m;
        if (fut_space_query(posix.space, address, &m) != FUT_OK || m.address > address)
            return -ENOMEM;
        uint64_t part = m.address + m.bytes - address;
        if (part > bytes)
            part = bytes;
        if (wait && m.memory_id != 0 && !(m.flags & FUT_MAP_PRIVATE))
            error = posix_errno(fs_context_sync_memory(posix.context, m.memory_id));
        address += part;
        bytes -= part;
    }
    return error;
}

void *posix_pages(uint64_t bytes)
{
    long at = map(0, PAGE_UP(bytes), 0, 0, FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_PRIVATE);
    return at < 0 ? nullptr : (void *)at;
}
