// SPDX-License-Identifier: MPL-2.0
//
// Waiting on a word of memory. The word is named by the Memory that holds it and the offset in it, so that
// tasks which share the Memory at different addresses meet, and a forked child's copy is another word.
#include <kernel.h>
#include <ipc.h>

#define BUCKETS 256u
static struct list buckets[BUCKETS];

static struct list *bucket(const void *memory, uint64_t offset)
{
    uint64_t h = ((uintptr_t)memory >> 6) * 0x9e3779b97f4a7c15ull + (offset >> 2) * 0xff51afd7ed558ccdull;
    struct list *b = &buckets[h >> 56];
    if (!b->next)
        list_init(b);
    return b;
}

// Finds the word's name; brings its page in.
static fut_status_t name_of(struct thread *t, uint64_t va, const void **memory, uint64_t *offset)
{
    if (va & 3)
        return FUT_ERR_ARGUMENT;
    fut_status_t status = user_prepare(t, va, 4, ACCESS_READ);
    if (status)
        return status;
    struct mapping *m = space_find(t->space, va);
    uint64_t at = va - m->node.key;
    if (m->overlay) {
        *memory = m->overlay;
        *offset = m->overlay_offset + at;
    } else {
        *memory = m->memory;
        *offset = m->offset + at;
    }
    return FUT_OK;
}

fut_status_t sys_futex_wait(struct thread *t, const uint64_t *a, uint64_t *)
{
    const void *memory;
    uint64_t offset;
    uint32_t value;
    fut_status_t status = name_of(t, a[0], &memory, &offset);
    if (!status)
        status = user_read(t, &value, a[0], sizeof value);
    if (status)
        return status;
    if (a[3] & ~(uint64_t)FUT_WAIT_INTERRUPTIBLE)
        return FUT_ERR_ARGUMENT;
    if (value != (uint32_t)a[1])
        return FUT_ERR_WOULD_BLOCK;
    if ((a[3] & FUT_WAIT_INTERRUPTIBLE) && t->pending)
        return FUT_ERR_INTERRUPTED;
    if (a[2] != FUT_FOREVER && (a[2] == 0 || a[2] <= arch_time_ns()))
        return FUT_ERR_TIMED_OUT;
    t->state = FUT_THREAD_FUTEX;
    t->futex_memory = memory;
    t->futex_offset = offset;
    t->call_flags = (uint32_t)a[3];
    list_append(bucket(memory, offset), &t->queue.link);
    timer_start(t, a[2]);
    return SYS_BLOCKED;
}

static uint64_t wake(const void *memory, uint64_t offset, uint64_t count)
{
    struct list *b = bucket(memory, offset);
    uint64_t n = 0;
    for (struct list *l = b->next, *next; l != b && n < count; l = next) {
        next = l->next;
        struct thread *t = container_of(l, struct thread, queue.link);
        if (t->futex_memory == memory && t->futex_offset == offset) {
            thread_wake(t, FUT_OK, 0);
            n++;
        }
    }
    return n;
}

fut_status_t sys_futex_wake(struct thread *t, const uint64_t *a, uint64_t *value)
{
    const void *memory;
    uint64_t offset;
    fut_status_t status = name_of(t, a[0], &memory, &offset);
    if (!status)
        *value = wake(memory, offset, a[1]);
    return status;
}

fut_status_t sys_futex_requeue(struct thread *t, const uint64_t *a, uint64_t *value)
{
    const void *memory, *to;
    uint64_t offset, to_offset;
    fut_status_t status = name_of(t, a[0], &memory, &offset);
    if (!status)
        status = name_of(t, a[2], &to, &to_offset);
    if (status)
        return status;
    *value = wake(memory, offset, a[1]);
    struct list *b = bucket(memory, offset), *c = bucket(to, to_offset);
    uint64_t n = 0;
    for (struct list *l = b->next, *next; l != b && n < a[3]; l = next) {
        next = l->next;
        struct thread *w = container_of(l, struct thread, queue.link);
        if (w->futex_memory != memory || w->futex_offset != offset)
            continue;
        list_remove(l);
        w->futex_memory = to;
        w->futex_offset = to_offset;
        list_append(c, l);
        n++;
    }
    return FUT_OK;
}
