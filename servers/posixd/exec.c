// SPDX-License-Identifier: MPL-2.0
//
// Executing a program: a fresh Space and a fresh Task under the same pid. Everything that can fail happens
// before the commit, with the old image waiting in its call; then the old task is destroyed and the new
// thread started. The new task holds what was listed and nothing else; the Process Session is a new one
// too, so that a copy of the old one, wherever it went, is worth nothing.
//
//   address space      program (fixed, or at a random base)   brk behind it, at a random distance
//                      ...
//                      [guard][program stack][guard][native stack | frames | IPC | start-up block][pages]
//                      the whole at a random place; the personality near the top, per boot
#include "elf.h"
#include "machine.h"
#include "posixd.h"

#define STACK_BYTES (UINT64_C(8) << 20)
#define NATIVE_STACK_BYTES (UINT64_C(64) << 10)
#define MAX_STRINGS (UINT64_C(2) << 20)
#define MAX_SCRIPTS 4
#define SCRIPT_LINE 256
#define TLS_BYTES 512
#define AREA_BASE UINT64_C(0x7fc000000000) // within one top-level entry with the personality: fewer tables
#define PIE_BASE UINT64_C(0x550000000000)

#define MODE_TYPE 0170000u
#define MODE_REGULAR 0100000u
#define MODE_SET_UID 04000u
#define MODE_SET_GID 02000u


bool exec_strings_are_sound(const char *strings, size_t bytes, uint64_t count)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < bytes; i++)
        seen += strings[i] == 0;
    return seen == count && (bytes == 0 || strings[bytes - 1] == 0);
}

uint32_t exec_priority(const struct process *p)
{
    int32_t priority = (int32_t)FUT_PRIORITY_DEFAULT - p->nice / 3;
    return (uint32_t)priority;
}

static bool may_execute(const struct credentials *c, const struct io_stat *st)
{
    if (cred_is_root(c))
        return (st->mode & 0111) != 0;
    if (st->uid == c->euid)
        return (st->mode & 0100) != 0;
    bool member = st->gid == c->egid;
    for (uint32_t i = 0; i < c->group_count; i++)
        member |= c->groups[i] == st->gid;
    return (st->mode & (member ? 0010 : 0001)) != 0;
}

// --- Finding the program -------------------------------------------------------------------------------

struct found {
    struct image *image;
    struct io_stat st;
    char *path; // absolute where it can be told; heap
};

static char *copy_string(const char *s, size_t n)
{
    char *copy = heap_alloc(n + 1);
    if (copy != nullptr) {
        memcpy(copy, s, n);
        copy[n] = 0;
    }
    return copy;
}

// The program's path without links. A file that was renamed has another ctime, and so another image.
static fut_status_t absolute_path(struct exec_request *x, struct fut_string path, io_file_t file, struct found *f)
{
    struct fut_string resolved;
    if (f->image->path == nullptr && fs_context_path_of(x->process->context, file, &resolved) == FUT_OK)
        f->image->path = copy_string(resolved.data, resolved.len);
    if (f->image->path != nullptr)
        path = (struct fut_string){f->image->path, strlen(f->image->path)};
    f->path = copy_string(path.data, path.len);
    return f->path != nullptr ? FUT_OK : IO_ERROR_NO_MEMORY;
}

// A file that the caller holds open is looked at through its path, for permission and identity alike.
static fut_status_t open_program(struct exec_request *x, io_file_t at, struct fut_string path, struct found *f,
                                 char *line)
{
    struct process *p = x->process;
    static char self[4096];
    if (proc_exe_of(p, path, self, sizeof self) == FUT_OK)
        path = (struct fut_string){self, strlen(self)};
    io_file_t file = {};
    fut_status_t status;
    if (path.len == 0) {
        if (at.h == 0)
            return IO_ERROR_NOT_FOUND;
        struct fut_string of;
        status = fs_context_path_of(p->context, at, &of);
        if (status != FUT_OK)
            return status > 0 ? status : IO_ERROR_IO;
        if (of.len >= sizeof self)
            return IO_ERROR_NAME_TOO_LONG;
        memcpy(self, of.data, of.len);
        path = (struct fut_string){self, of.len};
        at.h = 0;
    }
    status = fs_context_open(p->context, at, path, 0, 0, &file, &f->st);
    if (status != FUT_OK)
        return status == IO_ERROR_REMOTE ? IO_ERROR_DENIED : status > 0 ? status : IO_ERROR_IO;
    if (file.h == 0 || (f->st.mode & MODE_TYPE) != MODE_REGULAR || !may_execute(&p->cred, &f->st)) {
        status = IO_ERROR_DENIED;
        goto out;
    }
    status = image_get(file, &f->st, &f->image, line, SCRIPT_LINE);
    if (status != FUT_OK)
        goto out;
    status = absolute_path(x, path, file, f);
    if (status != FUT_OK) {
        image_release(f->image);
        f->image = nullptr;
    }
out:
    if (file.h != 0)
        (void)fut_cap_delete(file.h);
    return status;
}

// argv becomes: interpreter, its argument, the script's path, argv[1]...
static fut_status_t script_strings(struct exec_request *x, const char *interpreter, const char *argument,
                                   struct fut_string script)
{
    size_t first = x->argc != 0 ? strlen(x->strings) + 1 : 0;
    size_t a = strlen(interpreter) + 1, b = argument != nullptr ? strlen(argument) + 1 : 0, c = script.len + 1;
    size_t bytes = a + b + c + x->string_bytes - first;
    if (bytes > MAX_STRINGS)
        return IO_ERROR_TOO_BIG;
    char *strings = heap_alloc(bytes);
    if (strings == nullptr)
        return IO_ERROR_NO_MEMORY;
    char *to = strings;
    memcpy(to, interpreter, a);
    to += a;
    if (b != 0)
        memcpy(to, argument, b);
    to += b;
    memcpy(to, script.data, script.len);
    to[script.len] = 0;
    to += c;
    memcpy(to, x->strings + first, x->string_bytes - first);
    heap_free(x->strings);
    x->strings = strings;
    x->string_bytes = bytes;
    x->argc = (x->argc != 0 ? x->argc : 1) + 1 + (argument != nullptr);
    return FUT_OK;
}

static fut_status_t find_program(struct exec_request *x, struct found *f)
{
    static char lines[MAX_SCRIPTS][SCRIPT_LINE];
    io_file_t at = x->at;
    struct fut_string path = x->path;
    for (int depth = 0; depth < MAX_SCRIPTS; depth++) {
        fut_status_t status = open_program(x, at, path, f, lines[depth]);
        if (status != IMAGE_SCRIPT)
            return status;
        char *interpreter, *argument;
        if (!script_parse(lines[depth], strlen(lines[depth]), &interpreter, &argument))
            return IO_ERROR_NOT_EXECUTABLE;
        status = script_strings(x, interpreter, argument, path);
        if (status != FUT_OK)
            return status;
        at.h = 0;
        path = (struct fut_string){interpreter, strlen(interpreter)};
    }
    return IO_ERROR_LOOP;
}

// --- Building it ---------------------------------------------------------------------------------------

// All that is random about one image, drawn at once.
struct chances { uint64_t area, base, brk; uint8_t at_random[16]; };

// A whole number of pages below 2^bits.
static uint64_t pages(uint64_t chance, unsigned bits) { return (chance >> (64 - bits)) << FUT_PAGE_SHIFT; }

struct build {
    struct chances chances;
    fut_handle_t space, task, thread;
    fs_context_t context;          // new one for set-id; .h 0: the old stays
    struct credentials cred;
    uint64_t badge;
    uint64_t bias, native_bias;
    const struct image *native;    // personality, or the program itself
    uint64_t area, stack_low, stack_high, native_low, native_high, frames, ipc, block, signal_page, clock_page, time_page, vdso;
    uint64_t block_bytes;
    uint64_t brk;
    uint64_t args, args_bytes, env, env_bytes;
    struct process_descriptor *files; // with the handles of the new task
};

static uint64_t align_up(uint64_t a, uint64_t to) { return (a + to - 1) & ~(to - 1); }

static size_t block_size(const struct exec_request *x, size_t path_bytes)
{
    return TLS_BYTES + sizeof(struct fut_startup) + sizeof(struct fut_posix_startup) +
           x->file_count * sizeof(struct fut_posix_fd) + ((size_t)x->argc + x->envc + 2) * 8 + path_bytes + 1 +
           x->string_bytes + 64;
}

static void lay_out(const struct exec_request *x, struct build *b, const struct image *image, size_t path_bytes)
{
    random_bytes(&b->chances, sizeof b->chances);
    bool foreign = !image->native;
    uint64_t at = AREA_BASE + pages(b->chances.area, 25);
    b->area = at;
    at += PAGE; // guard
    if (foreign) {
        b->stack_low = at;
        b->stack_high = at += STACK_BYTES;
        at += PAGE;
    }
    b->native_low = at;
    b->native_high = at += foreign ? NATIVE_STACK_BYTES : STACK_BYTES;
    b->frames = at;
    at += PAGE;
    at = align_up(at, FUT_IPC_BUFFER_SIZE);
    b->ipc = at;
    at += FUT_IPC_BUFFER_SIZE;
    b->block = at;
    b->block_bytes = PAGE_UP(block_size(x, path_bytes));
    at += b->block_bytes;
    b->signal_page = at;
    b->clock_page = at + PAGE;
    b->time_page = at + 2 * PAGE;
    // The vDSO finds the two pages below it by their distance.
    b->vdso = foreign && posixd.vdso != 0 && posixd.clock_memory != 0 ? at + 3 * PAGE : 0;

    b->bias = image->position_independent ? PIE_BASE + pages(b->chances.base, 26) - image->low : 0;
    b->native = foreign ? personality : image;
    b->native_bias = foreign ? personality_bias : b->bias;
    b->brk = image->high + b->bias + pages(b->chances.brk, 10);
}

static fut_status_t map_anonymous(fut_handle_t space, uint64_t low, uint64_t high)
{
    struct fut_map map = {.address = low, .bytes = high - low,
                          .flags = FUT_PROT_READ | FUT_PROT_WRITE | FUT_MAP_ANON | FUT_MAP_FIXED};
    uint64_t at;
    return fut_space_map(space, &map, &at);
}

static fut_status_t map_page(fut_handle_t space, uint64_t address, fut_handle_t memory)
{
    struct fut_map map = {.address = address, .bytes = PAGE, .memory = memory, .flags = FUT_PROT_READ | FUT_MAP_FIXED};
    uint64_t at;
    return fut_space_map(space, &map, &at);
}

static fut_status_t build_space(const struct exec_request *x, struct build *b, const struct image *image)
{
    fut_status_t status = fut_space_create_in(confine_account(x->process), &b->space);
    if (status == FUT_OK)
        status = image_map(image, b->space, b->bias);
    if (status == FUT_OK && b->native != image)
        status = image_map(b->native, b->space, b->native_bias);
    if (status == FUT_OK && b->stack_high != 0)
        status = map_anonymous(b->space, b->stack_low, b->stack_high);
    if (status == FUT_OK)
        status = map_anonymous(b->space, b->native_low, b->signal_page);
    if (status == FUT_OK)
        status = sigpage_map(x->process, b->space, b->signal_page);
    if (status == FUT_OK && posixd.clock_memory != 0)
        status = map_page(b->space, b->clock_page, posixd.clock_memory);
    if (status == FUT_OK)
        status = map_page(b->space, b->time_page, posixd.time);
    if (status == FUT_OK && b->vdso != 0) {
        struct fut_map map = {.address = b->vdso, .bytes = posixd.vdso_bytes, .memory = posixd.vdso,
                              .flags = FUT_PROT_READ | FUT_PROT_EXEC | FUT_MAP_FIXED};
        uint64_t at;
        status = fut_space_map(b->space, &map, &at);
    }
    return status;
}

// The task with the listed descriptors: cloned from the old one's table at the same values, or, for the
// first programs, granted from posixd's own.
static fut_status_t build_task(const struct exec_request *x, struct build *b)
{
    size_t n = x->file_count;
    fut_status_t status;
    b->files = heap_alloc((n + 1) * sizeof *b->files);
    if (b->files == nullptr)
        return FUT_ERR_NO_MEMORY;
    memcpy(b->files, x->files, n * sizeof *b->files);
    if (!x->from_handles && x->process->task != 0) {
        struct fut_clone_cap *caps = heap_zero((n + 1) * sizeof *caps);
        if (caps == nullptr)
            return FUT_ERR_NO_MEMORY;
        size_t distinct = 0;
        for (size_t i = 0; i < n; i++) {
            bool seen = false;
            for (size_t k = 0; k < distinct && !seen; k++)
                seen = caps[k].handle == x->files[i].handle;
            if (!seen)
                caps[distinct++].handle = x->files[i].handle;
        }
        status = fut_task_clone(x->process->task, confine_account(x->process), b->space, caps, distinct, &b->task);
        heap_free(caps);
        return status;
    }
    status = fut_task_create(0, b->space, &b->task);
    for (size_t i = 0; i < n && status == FUT_OK; i++)
        status = fut_cap_grant(b->task, x->files[i].handle, FUT_RIGHTS_ALL, 0, &b->files[i].handle);
    return status;
}

static fut_status_t grant(const struct build *b, fut_handle_t h, uint32_t rights, fut_handle_t *out)
{
    return fut_cap_grant(b->task, h, rights, 0, out);
}

static fut_status_t grant_own(const struct exec_request *x, struct build *b, struct fut_posix_startup *s)
{
    fut_handle_t session;
    b->badge = object_reserve();
    fut_status_t status = fut_session_mint(posixd.server.channel, b->badge, SESSION_ALL, &session);
    if (status != FUT_OK)
        return status;
    status = grant(b, session, FUT_RIGHTS_ALL, &s->process);
    (void)fut_cap_delete(session);
    fs_context_t context = b->context.h != 0 ? b->context : x->process->context;
    if (status == FUT_OK)
        status = grant(b, context.h, FUT_RIGHTS_ALL, &s->context);
    if (status == FUT_OK)
        status = grant(b, b->task, FUT_RIGHT_READ, &s->task);
    if (status == FUT_OK)
        status = grant(b, b->space, FUT_RIGHTS_ALL, &s->space);
    return status;
}

static void add_cap(struct fut_startup *s, const char *name, fut_handle_t handle)
{
    if (handle == 0)
        return;
    struct fut_startup_cap *c = &s->cap[s->cap_count++];
    strncpy(c->name, name, sizeof c->name - 1);
    c->handle = handle;
}

// A place in the block under construction and where it will be in the new Space.
struct writer { char *base; uint64_t address; size_t used; };

static void *take(struct writer *w, size_t bytes, uint64_t *address)
{
    w->used = (w->used + 7) & ~(size_t)7;
    void *p = w->base + w->used;
    *address = w->address + w->used;
    w->used += bytes;
    return p;
}

static uint64_t put_strings(uint64_t *array, const char **s, uint64_t *address, uint32_t count)
{
    uint64_t start = *address;
    for (uint32_t i = 0; i < count; i++) {
        size_t n = strlen(*s) + 1;
        array[i] = *address;
        *address += n;
        *s += n;
    }
    array[count] = 0;
    return *address - start;
}

// The last part of the path as it was given: BusyBox takes "exe" as the sign to give itself a better one.
#define NAME_BYTES 16
static void set_name(char to[NAME_BYTES], struct fut_string path)
{
    size_t start = path.len;
    while (start != 0 && path.data[start - 1] != '/')
        start--;
    size_t n = path.len - start < NAME_BYTES - 1 ? path.len - start : NAME_BYTES - 1;
    memset(to, 0, NAME_BYTES);
    memcpy(to, path.data + start, n);
}

static fut_status_t write_block(const struct exec_request *x, struct build *b, const struct found *f)
{
    const struct image *image = f->image;
    const struct process *p = x->process;
    char *base = heap_zero(b->block_bytes);
    if (base == nullptr)
        return FUT_ERR_NO_MEMORY;
    struct writer w = {.base = base, .address = b->block};
    uint64_t tls, startup, posix, files, argv, envp, name, strings;
    uint64_t *tls_words = take(&w, TLS_BYTES, &tls);
    struct fut_startup *s = take(&w, sizeof *s, &startup);
    struct fut_posix_startup *px = take(&w, sizeof *px, &posix);
    struct fut_posix_fd *fds = take(&w, x->file_count * sizeof *fds, &files);
    uint64_t *argv_array = take(&w, ((size_t)x->argc + 1) * 8, &argv);
    uint64_t *envp_array = take(&w, ((size_t)x->envc + 1) * 8, &envp);
    char *name_bytes = take(&w, strlen(f->path) + 1, &name);
    char *string_bytes = take(&w, x->string_bytes, &strings);

    machine_tls(tls_words, tls, b->ipc);
    memcpy(name_bytes, f->path, strlen(f->path) + 1);
    memcpy(string_bytes, x->strings, x->string_bytes);
    const char *from = x->strings;
    uint64_t at = strings;
    b->args = strings;
    b->args_bytes = put_strings(argv_array, &from, &at, x->argc);
    b->env = at;
    b->env_bytes = put_strings(envp_array, &from, &at, x->envc);
    for (size_t i = 0; i < x->file_count; i++)
        fds[i] = (struct fut_posix_fd){b->files[i].number, b->files[i].handle, b->files[i].kind, b->files[i].status};

    bool foreign = !image->native;
    bool secure = b->cred.euid != b->cred.ruid || b->cred.egid != b->cred.rgid;
    *px = (struct fut_posix_startup){
        .magic = FUT_POSIX_MAGIC,
        .bytes = b->block_bytes,
        .pid = p->pid,
        .flags = (foreign ? FUT_POSIX_FOREIGN : 0) | (secure ? FUT_POSIX_SECURE : 0),
        .signal_page = b->signal_page,
        .clock_page = posixd.clock_memory != 0 ? b->clock_page : 0,
        .time_page = b->time_page,
        .vdso = b->vdso,
        .files = files,
        .file_count = (uint32_t)x->file_count,
        .argc = x->argc,
        .envc = x->envc,
        .uid = b->cred.ruid,
        .euid = b->cred.euid,
        .gid = b->cred.rgid,
        .egid = b->cred.egid,
        .argv = argv,
        .envp = envp,
        .exec_name = name,
        .cwd_tree = p->proc_cwd != nullptr ? PROC_TREE : 0,
        .hwcap = machine_hwcap(),
        .hwcap2 = machine_hwcap2(),
        .native_stack_low = b->native_low,
        .native_stack_high = b->native_high,
        .frames = b->frames,
        .frames_bytes = PAGE,
        .ipc_buffer = b->ipc,
        .tls = tls,
        .image_low = b->native->low + b->native_bias,
        .image_high = b->native->high + b->native_bias,
        .entry = image->entry + b->bias,
        .phdr = image->phdr != 0 ? image->phdr + b->bias : 0,
        .base = b->bias,
        .phnum = image->phnum,
        .phent = image->phent,
        .brk_start = b->brk,
        .stack_low = b->stack_low,
        .stack_high = b->stack_high,
        .text_low = image->low + b->bias,
        .text_high = image->high + b->bias,
    };
    memcpy(px->random, b->chances.at_random, sizeof px->random);
    set_name(px->name, x->path);
    fut_status_t status = grant_own(x, b, px);

    s->magic = FUT_STARTUP_MAGIC;
    s->ipc_buffer = b->ipc;
    s->self_base = px->image_low;
    s->self_bytes = px->image_high - px->image_low;
    s->argc = x->argc;
    s->envc = x->envc;
    s->argv = argv;
    s->envp = envp;
    s->posix = posix;
    add_cap(s, "task", px->task);
    add_cap(s, "space", px->space);
    add_cap(s, "process", px->process);
    add_cap(s, "context", px->context);
    fut_handle_t extra = 0;
    if (status == FUT_OK && !foreign) {
        status = grant(b, posixd.time, FUT_RIGHT_READ | FUT_RIGHT_MAP | FUT_RIGHT_DUP, &extra);
        add_cap(s, "time", extra);
    }
    if (status == FUT_OK && !foreign && b->cred.euid == 0) {
        status = grant(b, posixd.registry.h, FUT_RIGHTS_ALL, &extra);
        add_cap(s, "registry", extra);
    }
    uint64_t written = 0;
    if (status == FUT_OK)
        status = fut_space_write(b->space, b->block, base, w.used, &written);
    if (status == FUT_OK && written != w.used)
        status = FUT_ERR_NO_MEMORY;
    heap_free(base);
    if (status != FUT_OK)
        return status;

    // System calls are native where the native image's text is, and nowhere else.
    for (unsigned i = 0; i < b->native->segment_count; i++) {
        const struct image_segment *seg = &b->native->segment[i];
        if (seg->prot & FUT_PROT_EXEC) {
            status = fut_task_native(b->task, seg->address + b->native_bias, seg->bytes);
            if (status != FUT_OK)
                return status;
        }
    }
    struct fut_thread_params params = {
        .entry = b->native->entry + b->native_bias,
        .stack = b->native_high,
        .argument = startup,
        .ipc_buffer = b->ipc,
        .tls = tls,
        .priority = exec_priority(p),
    };
    return fut_thread_create(b->task, &params, &b->thread);
}

static fut_status_t build_credentials(const struct exec_request *x, struct build *b, const struct io_stat *st)
{
    const struct process *p = x->process;
    b->cred = p->cred;
    if (st->mode & MODE_SET_UID)
        b->cred.euid = st->uid;
    if ((st->mode & MODE_SET_GID) && (st->mode & 0010))
        b->cred.egid = st->gid;
    bool changed = b->cred.euid != p->cred.euid || b->cred.egid != p->cred.egid;
    b->cred.suid = b->cred.euid;
    b->cred.sgid = b->cred.egid;
    struct fs_cred cred = cred_for_fs(&b->cred);
    return changed ? fs_admin_derive(posixd.fs, p->context, &cred, &b->context) : FUT_OK;
}

// --- Commit --------------------------------------------------------------------------------------------

static void reset_signals(struct process *p, unsigned slot)
{
    struct process_signal_page *page = p->page;
    uint64_t blocked = page->thread[slot].blocked, pending = page->thread[slot].pending;
    page->caught = 0;
    page->restart = 0;
    page->flags = 0;
    memset(page->thread, 0, sizeof page->thread);
    page->thread[0].blocked = blocked;
    page->thread[0].pending = pending;
    page->thread[0].tid = p->pid;
    page->pid = p->pid;
}

static void commit(struct exec_request *x, struct build *b, struct found *f)
{
    struct process *p = x->process;
    struct process_usage before;
    process_usage_of(p, &before);
    if (p->task != 0)
        (void)fut_task_destroy(p->task);
    for (unsigned i = 0; i < MAX_THREADS; i++) {
        if (p->threads[i].handle != 0)
            (void)fut_cap_delete(p->threads[i].handle);
        p->threads[i] = (struct thread){};
    }
    if (p->task != 0)
        (void)fut_cap_delete(p->task);
    if (p->space != 0)
        (void)fut_cap_delete(p->space);
    reset_signals(p, x->slot);
    p->final_usage = before;
    p->task = b->task;
    p->space = b->space;
    p->threads[0] = (struct thread){.handle = b->thread, .tid = p->pid};
    p->thread_count = 1;
    p->page_address = b->signal_page;
    p->cred = b->cred;
    if (b->context.h != 0) {
        (void)fut_cap_delete(p->context.h);
        p->context = b->context;
    }
    object_take(&p->object, b->badge);
    if (p->image != nullptr)
        image_release(p->image);
    p->image = f->image;
    heap_free(p->exe_path);
    p->exe_path = f->path;
    set_name(p->name, x->path);
    p->has_execed = true;
    p->args_address = b->args;
    p->args_bytes = b->args_bytes;
    p->env_address = b->env;
    p->env_bytes = b->env_bytes;
    p->brk_start = b->brk;
    p->stack_low = b->stack_high != 0 ? b->stack_low : b->native_low;
    p->stack_high = b->stack_high != 0 ? b->stack_high : b->native_high;
    p->text_low = f->image->low + b->bias;
    p->text_high = f->image->high + b->bias;
    p->startup_address = b->block;
    process_vfork_done(p);
}

static void undo(struct build *b)
{
    if (b->thread != 0)
        (void)fut_cap_delete(b->thread);
    if (b->task != 0) {
        (void)fut_task_destroy(b->task);
        (void)fut_cap_delete(b->task);
    }
    if (b->space != 0)
        (void)fut_cap_delete(b->space);
    if (b->context.h != 0)
        (void)fut_cap_delete(b->context.h);
}

fut_status_t exec_run(struct exec_request *x)
{
    struct found f = {};
    struct build b = {};
    clock_update();
    fut_status_t status = find_program(x, &f);
    if (status != FUT_OK)
        return status;
    if (!f.image->native && personality == nullptr) {
        status = IO_ERROR_NOT_EXECUTABLE;
        goto fail;
    }
    status = build_credentials(x, &b, &f.st);
    if (status != FUT_OK)
        goto fail;
    lay_out(x, &b, f.image, strlen(f.path));
    status = build_space(x, &b, f.image);
    if (status == FUT_OK)
        status = build_task(x, &b);
    if (status == FUT_OK)
        status = write_block(x, &b, &f);
    if (status == FUT_OK)
        status = process_watch(x->process, b.task);
    if (status != FUT_OK)
        goto fail;
    commit(x, &b, &f);
    heap_free(b.files);
    if (x->process->state == PROCESS_RUNNING)
        (void)fut_thread_resume(b.thread);
    return FUT_OK;

fail:
    undo(&b);
    heap_free(b.files);
    heap_free(f.path);
    image_release(f.image);
    if (status > 0)
        return status;
    return status == FUT_ERR_HANDLE || status == FUT_ERR_ARGUMENT ? IO_ERROR_INVALID : IO_ERROR_NO_MEMORY;
}
