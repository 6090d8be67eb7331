// SPDX-License-Identifier: MPL-2.0
//
// A native task, built from outside: everything is placed in its Space before its first thread runs.
//
//   0x400000 ..        the image
//   stack              below a random address in the upper half of user memory, one unmapped page below
//   start-up block     struct fut_startup with its strings, read-write (it is the task's own)
//   IPC buffer         8 KiB
//
// Each of the last three is a mapping of its own with an unmapped page on both sides.
#include <futura/loader.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#define STACK_DEFAULT (256u << 10)
#define TOP 0x00007f0000000000ull
#define STARTUP_BYTES (16u << 10)

// Where a new task's own regions begin: spread over 2^20 pages by what little is random here, the
// counter. A loader for programs that face enemies (posixd's) takes real random numbers.
static uint64_t region_top(void)
{
    uint64_t mix = fut_clock() * 0x9e3779b97f4a7c15ull;
    return TOP - (mix >> 44) * FUT_PAGE_SIZE;
}

static fut_status_t map_fresh(fut_handle_t space, uint64_t address, uint64_t bytes, fut_handle_t *keep)
{
    fut_handle_t memory;
    fut_status_t status = fut_memory_create(bytes, 0, &memory);
    if (status != FUT_OK)
        return status;
    struct fut_map map = {.address = address, .bytes = bytes, .memory = memory,
                          .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_FIXED};
    uint64_t at;
    status = fut_space_map(space, &map, &at);
    if (status == FUT_OK && keep != nullptr)
        *keep = memory;
    else
        (void)fut_cap_delete(memory);
    return status;
}

// The start-up block is laid out in a buffer of the loader and written into the task's Memory at once.
struct block {
    uint8_t *bytes;
    size_t used, capacity;
    uint64_t address; // in the new task
};

static void *block_take(struct block *b, size_t bytes, uint64_t *address)
{
    size_t at = (b->used + 15) & ~(size_t)15;
    if (at > b->capacity || bytes > b->capacity - at)
        return nullptr;
    b->used = at + bytes;
    *address = b->address + at;
    return b->bytes + at;
}

static bool block_strings(struct block *b, const char *const *strings, uint32_t *count, uint64_t *vector)
{
    uint32_t n = 0;
    while (strings != nullptr && strings[n] != nullptr)
        n++;
    uint64_t *pointers = block_take(b, (n + 1) * sizeof *pointers, vector);
    if (pointers == nullptr)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        size_t length = strlen(strings[i]) + 1;
        char *copy = block_take(b, length, &pointers[i]);
        if (copy == nullptr)
            return false;
        memcpy(copy, strings[i], length);
    }
    pointers[n] = 0;
    *count = n;
    return true;
}

static bool add_cap(struct fut_startup *startup, const char *name, fut_handle_t handle)
{
    size_t length = strlen(name);
    if (startup->cap_count == FUT_STARTUP_CAPS || length >= sizeof startup->cap[0].name)
        return false;
    struct fut_startup_cap *cap = &startup->cap[startup->cap_count++];
    memcpy(cap->name, name, length + 1);
    cap->handle = handle;
    return true;
}

static fut_status_t grant_all(const struct fut_spawn *spawn, const struct fut_spawned *made, fut_handle_t account,
                              struct fut_startup *startup)
{
    const struct fut_spawn_cap own[] = {
        {"task", made->task, FUT_RIGHTS_ALL}, {"space", made->space, FUT_RIGHTS_ALL}, {"account", account, FUT_RIGHTS_ALL}};
    for (size_t i = 0; i < 3 + spawn->cap_count; i++) {
        const struct fut_spawn_cap *cap = i < 3 ? &own[i] : &spawn->caps[i - 3];
        if (cap->handle == FUT_HANDLE_NONE)
            continue;
        fut_handle_t granted;
        fut_status_t status = fut_cap_grant(made->task, cap->handle, cap->rights, 0, &granted);
        if (status != FUT_OK)
            return status;
        if (!add_cap(startup, cap->name, granted))
            return FUT_ERR_TOO_BIG;
    }
    return FUT_OK;
}

fut_status_t fut_spawn(const struct fut_spawn *spawn, struct fut_spawned *out)
{
    static uint8_t bytes[STARTUP_BYTES]; // one loader thread per task builds at a time
    struct fut_spawned made = {};
    fut_handle_t startup_memory = FUT_HANDLE_NONE;
    uint64_t stack_bytes = spawn->stack_bytes != 0 ? spawn->stack_bytes : STACK_DEFAULT;
    uint64_t stack_top = region_top();
    uint64_t startup_at = stack_top + FUT_PAGE_SIZE;
    uint64_t ipc_at = (startup_at + STARTUP_BYTES + FUT_PAGE_SIZE + FUT_IPC_BUFFER_SIZE - 1) &
                      ~(uint64_t)(FUT_IPC_BUFFER_SIZE - 1);
    struct fut_elf elf;

    fut_status_t status = fut_elf_check(spawn->image, &elf);
    if (status != FUT_OK)
        return status;
    uint64_t bias = elf.position_independent ? FUT_USER_BASE + 0x400000 - elf.low : 0;
    status = fut_space_create(&made.space);
    if (status != FUT_OK)
        return status;
    if ((status = fut_elf_load(&elf, made.space, bias)) != FUT_OK ||
        (status = map_fresh(made.space, stack_top - stack_bytes, stack_bytes, nullptr)) != FUT_OK ||
        (status = map_fresh(made.space, startup_at, STARTUP_BYTES, &startup_memory)) != FUT_OK ||
        (status = map_fresh(made.space, ipc_at, FUT_IPC_BUFFER_SIZE, nullptr)) != FUT_OK ||
        (status = fut_task_create(spawn->account, made.space, &made.task)) != FUT_OK ||
        (status = fut_task_native(made.task, FUT_USER_BASE, FUT_USER_TOP - FUT_USER_BASE)) != FUT_OK)
        goto fail;

    struct block block = {.bytes = bytes, .capacity = sizeof bytes, .address = startup_at};
    memset(bytes, 0, sizeof bytes);
    uint64_t startup_address;
    struct fut_startup *startup = block_take(&block, sizeof *startup, &startup_address);
    status = FUT_ERR_TOO_BIG;
    if (startup == nullptr || !block_strings(&block, spawn->args, &startup->argc, &startup->argv) ||
        !block_strings(&block, spawn->env, &startup->envc, &startup->envp))
        goto fail;
    startup->magic = FUT_STARTUP_MAGIC;
    startup->ipc_buffer = ipc_at;
    startup->self_base = elf.low + bias;
    startup->self_bytes = elf.high - elf.low;
    if ((status = grant_all(spawn, &made, spawn->account, startup)) != FUT_OK)
        goto fail;
    uint64_t written;
    if ((status = fut_memory_write(startup_memory, 0, bytes, sizeof bytes, &written)) != FUT_OK)
        goto fail;

    struct fut_thread_params params = {
        .entry = elf.entry + bias,
        .stack = stack_top,
        .argument = startup_address,
        .ipc_buffer = ipc_at,
        .priority = spawn->priority,
        .fault_session = spawn->fault_session,
    };
    if ((status = fut_thread_create(made.task, &params, &made.thread)) != FUT_OK)
        goto fail;
    (void)fut_cap_delete(startup_memory);
    *out = made;
    return FUT_OK;

fail:
    if (made.task != FUT_HANDLE_NONE) {
        (void)fut_task_destroy(made.task);
        (void)fut_cap_delete(made.task);
    }
    if (startup_memory != FUT_HANDLE_NONE)
        (void)fut_cap_delete(startup_memory);
    (void)fut_cap_delete(made.space);
    return status;
}
