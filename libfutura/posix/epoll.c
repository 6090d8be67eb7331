// SPDX-License-Identifier: MPL-2.0
//
// epoll. A poll set is a kernel WaitSet whose entries are the readiness Events of descriptors, and a table, in Memory
// that all who share the description map, of what belongs to each entry. So adding, waiting and removing are done here,
// and fork, exec and dup share the set as on Linux. Edges and one-shots are the WaitSet's (FUT_WAITSET_EDGE, _ONCE).
//
// An entry stands for a descriptor number and the file that it named, as on Linux. It goes when the process that added it
// closes the number, also where the file is open elsewhere (Linux keeps it until then). A file that is closed everywhere
// shows no readiness any more, so what is left of others is silent.
//
// What is in the table was written by whoever shares it: it is read like program memory, and believed only as far as
// it is this program's own business.
#include "posix.h"

struct poll_entry {
    uint64_t data, file; // file: tells apart what a number named
    uint32_t fd, events, pid, generation; // generation: odd while the entry is used; in the key
};
struct poll_table {
    _Atomic uint32_t lock;
    uint32_t used; // entries from here on have never been used
    uint64_t reserved[3];
    struct poll_entry entry[];
};
#define TABLE_BYTES (64u << 10)
#define ENTRIES ((TABLE_BYTES - sizeof(struct poll_table)) / sizeof(struct poll_entry))

static uint64_t key_of(uint32_t index, const struct poll_entry *e) { return (uint64_t)e->generation << 32 | index; }

// Held for a few instructions; a process that was killed while it held the lock does not hold it for ever.
static void lock(struct poll_table *t)
{
    for (unsigned tries = 0; atomic_exchange_explicit(&t->lock, 1, memory_order_acquire) != 0 && tries < 10000; tries++)
        (void)fut_yield();
}
static void unlock(struct poll_table *t) { atomic_store_explicit(&t->lock, 0, memory_order_release); }

long posix_epoll_create(bool cloexec)
{
    io_file_t file;
    fut_status_t status = process_process_poll_file(posix.process, &file);
    return status != FUT_OK ? posix_errno(status) : posix_fd_install(file.h, FUT_POSIX_KIND_POLL, O_RDWR, cloexec, 0, 0);
}

static int take_place(void)
{
    posix_lock();
    int found = -1;
    for (int i = 0; i < POSIX_POLLSETS && found < 0; i++) {
        if (!posix.polls[i].taken) {
            posix.polls[i] = (struct posix_pollset){.taken = true};
            found = i;
        }
    }
    posix_unlock();
    return found;
}

void posix_epoll_drop(unsigned place)
{
    struct posix_pollset old = posix.polls[place - 1];
    if (old.set != 0)
        (void)fut_cap_delete(old.set);
    if (old.table != nullptr)
        (void)fut_space_unmap(posix.space, (uint64_t)old.table, TABLE_BYTES);
    posix.polls[place - 1] = (struct posix_pollset){};
}

// The set of a descriptor, ready for use.
static long set_of(struct posix_fd *f, struct posix_pollset *out)
{
    if (f == nullptr)
        return -EBADF;
    if (f->kind != FUT_POSIX_KIND_POLL)
        return -EINVAL;
    if (f->poll == 0) {
        int place = take_place();
        if (place < 0)
            return -ENOMEM;
        f->poll = (uint16_t)(place + 1);
    }
    struct posix_pollset *p = &posix.polls[f->poll - 1];
    if (p->set == 0) {
        fut_handle_t set, memory;
        fut_status_t status = descriptor_poll_set_open((descriptor_poll_set_t){f->handle}, &set, &memory);
        if (status != FUT_OK)
            return posix_errno(status);
        if (p->table == nullptr) { // after fork the mapping is there already
            struct fut_map map = {.bytes = TABLE_BYTES, .memory = memory, .flags = FUT_PROT_READ | FUT_PROT_WRITE};
            uint64_t at = 0;
            status = fut_space_map(posix.space, &map, &at);
            p->table = status == FUT_OK ? (struct poll_table *)at : nullptr;
        }
        (void)fut_cap_delete(memory);
        if (status != FUT_OK) {
            (void)fut_cap_delete(set);
            return posix_errno(status);
        }
        p->set = set;
    }
    *out = *p;
    return 0;
}

static struct poll_entry *find(struct poll_table *t, uint32_t fd, uint64_t file, struct poll_entry **stale)
{
    uint32_t pid = posix_pid();
    *stale = nullptr;
    for (uint32_t i = 0; i < t->used && i < ENTRIES; i++) {
        struct poll_entry *e = &t->entry[i];
        if (!(e->generation & 1) || e->fd != fd)
            continue;
        if (e->file == file)
            return e;
        if (e->pid == pid)
            *stale = e; // this process has closed what the number named then
    }
    return nullptr;
}

static void remove_entry(const struct posix_pollset *s, struct poll_entry *e)
{
    (void)fut_waitset_remove(s->set, key_of((uint32_t)(e - s->table->entry), e));
    e->generation++;
}

// At once: its server hears of the closing later, and until then the Event may show what nobody wants to know any more.
void posix_epoll_forget(unsigned fd)
{
    for (unsigned i = 0; i < POSIX_POLLSETS; i++) {
        const struct posix_pollset *s = &posix.polls[i];
        if (!s->taken || s->set == 0 || s->table == nullptr)
            continue;
        lock(s->table);
        for (uint32_t k = 0; k < s->table->used && k < ENTRIES; k++) {
            struct poll_entry *e = &s->table->entry[k];
            if ((e->generation & 1) && e->fd == fd && e->pid == posix_pid())
                remove_entry(s, e);
        }
        unlock(s->table);
    }
}

static struct poll_entry *free_entry(struct poll_table *t)
{
    for (uint32_t i = 0; i < t->used && i < ENTRIES; i++)
        if (!(t->entry[i].generation & 1))
            return &t->entry[i];
    return t->used < ENTRIES ? &t->entry[t->used++] : nullptr;
}

static long arm(const struct posix_pollset *s, struct poll_entry *e, struct posix_fd *f)
{
    uint32_t index = (uint32_t)(e - s->table->entry);
    uint64_t flags = (e->events & EPOLLET ? FUT_WAITSET_EDGE : 0) | (e->events & EPOLLONESHOT ? FUT_WAITSET_ONCE : 0);
    struct fut_result r = fut_syscall(FUT_SYS_WAITSET_ADD, s->set, f->watch, posix_poll_mask(f, e->events), key_of(index, e), flags, 0);
    return posix_errno((fut_status_t)r.status);
}

// What this number names, in 64 bits: files of posixd, ttyd and netd have numbers that are not used again.
static long file_number(const struct posix_fd *f, uint64_t *out)
{
    struct io_stat st;
    fut_status_t status = io_file_stat((io_file_t){f->handle}, &st);
    *out = st.ino ^ st.dev << 48 ^ (uint64_t)(f->status & O_ACCMODE) << 62;
    return posix_errno(status);
}

long posix_epoll_control(unsigned epfd, unsigned operation, unsigned fd, const struct posix_epoll_event *event)
{
    struct posix_fd *f = posix_fd_get(fd);
    struct posix_pollset s;
    if (posix_fd_get(epfd) == nullptr || f == nullptr)
        return -EBADF;
    if (epfd == fd || operation < 1 || operation > 3)
        return -EINVAL;
    long error = set_of(posix_fd_get(epfd), &s);
    if (error != 0)
        return error;
    if (f->kind == FUT_POSIX_KIND_POLL)
        return -EINVAL; // sets in sets are not there
    if (f->hints & FD_IS_PATH)
        return -EBADF;
    error = posix_poll_watch(f);
    if (error != 0)
        return error;
    if (f->watch == POSIX_ALWAYS_READY)
        return -EPERM;
    uint64_t file;
    error = file_number(f, &file);
    if (error != 0)
        return error;
    lock(s.table);
    struct poll_entry *stale, *e = find(s.table, fd, file, &stale);
    if (operation == 1) {
        if (e != nullptr) {
            error = -EEXIST;
        } else {
            if (stale != nullptr)
                remove_entry(&s, stale);
            e = free_entry(s.table);
            if (e == nullptr) {
                error = -ENOSPC;
            } else {
                *e = (struct poll_entry){.data = event->data, .file = file, .fd = fd, .events = event->events,
                                         .pid = posix_pid(), .generation = e->generation + 1};
                error = arm(&s, e, f);
                if (error != 0)
                    e->generation++;
                else
                    f->hints |= FD_POLLED;
            }
        }
    } else if (e == nullptr) {
        error = -ENOENT;
    } else if (operation == 2) {
        remove_entry(&s, e);
    } else {
        e->events = event->events;
        e->data = event->data;
        error = arm(&s, e, f);
    }
    unlock(s.table);
    return error;
}

static fut_status_t wait_set(fut_handle_t set, struct fut_ready *ready, unsigned max, uint64_t deadline, uint64_t flags, uint64_t *got)
{
    struct fut_result r = fut_syscall(FUT_SYS_WAITSET_WAIT, set, (uintptr_t)ready, max, deadline,
                                      (deadline == 0 ? 0 : FUT_WAIT_INTERRUPTIBLE) | flags, 0);
    *got = r.value;
    return (fut_status_t)r.status;
}

static long wait_error(fut_status_t status)
{
    if (status == FUT_ERR_INTERRUPTED)
        return -ERESTARTNOHAND;
    return status == FUT_ERR_TIMED_OUT || status == FUT_ERR_WOULD_BLOCK ? 0 : posix_errno(status);
}

long posix_epoll_wait(unsigned epfd, struct posix_epoll_event *events, unsigned max, uint64_t deadline)
{
    enum { AT_ONCE = 128 };
    struct posix_pollset s;
    long error = set_of(posix_fd_get(epfd), &s);
    if (error != 0)
        return error;
    if (max > AT_ONCE)
        max = AT_ONCE;
    for (;;) {
        struct fut_ready ready[AT_ONCE];
        uint64_t got;
        fut_status_t status = wait_set(s.set, ready, max, deadline, 0, &got);
        if (status != FUT_OK)
            return wait_error(status);
        unsigned n = 0;
        for (uint64_t i = 0; i < got; i++) {
            uint32_t index = (uint32_t)ready[i].key, generation = (uint32_t)(ready[i].key >> 32);
            struct poll_entry e;
            // Another thread may have closed the descriptor while this one waited.
            if (index >= ENTRIES || !user_read(&e, (uint64_t)&s.table->entry[index], sizeof e))
                continue;
            if (e.generation != generation) {
                (void)fut_waitset_remove(s.set, ready[i].key);
                continue;
            }
            // Bits of a signal descriptor are signals: which kind of file it is, is told by its bits being asked for.
            struct posix_fd *f = posix_fd_get(e.fd);
            const struct posix_fd other = {.kind = FUT_POSIX_KIND_OTHER};
            uint32_t bits = posix_poll_bits(f != nullptr ? f : &other, ready[i].bits, e.events);
            if (bits != 0)
                events[n++] = (struct posix_epoll_event){bits, e.data};
        }
        if (n != 0 || deadline == 0)
            return n;
    }
}

bool posix_epoll_ready(struct posix_fd *f)
{
    struct posix_pollset s;
    struct fut_ready ready;
    uint64_t got;
    return set_of(f, &s) == 0 && wait_set(s.set, &ready, 1, 0, FUT_WAIT_KEEP, &got) == FUT_OK;
}

long posix_epoll_poll(struct posix_fd *f, uint64_t deadline)
{
    struct posix_pollset s;
    struct fut_ready ready;
    uint64_t got;
    long error = set_of(f, &s);
    return error != 0 ? error : wait_error(wait_set(s.set, &ready, 1, deadline, FUT_WAIT_KEEP, &got));
}
