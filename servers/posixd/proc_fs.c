// SPDX-License-Identifier: MPL-2.0
//
// /proc for its clients: a Context per process that asks, and files whose text is made when reading starts.
#include "proc.h"

struct proc_context {
    struct object object;
    uint32_t pid; // who asks: what "self" is, and whose rights count
};

struct proc_file {
    struct file file;
    struct proc_node node;
    struct text text;
    bool made;
    uint64_t offset;
    uint32_t reader;
    uint32_t newest; // the highest pid when this listing began: a fork bomb must not make it endless
};

#define REMOTE_BYTES 4096
static char remote_path[REMOTE_BYTES];

// --- Files ---------------------------------------------------------------------------------------------

static void proc_closed(struct file *f)
{
    struct proc_file *pf = container(f, struct proc_file, file);
    heap_free(pf->text.data);
    heap_free(pf);
}

static fut_status_t make_text(struct proc_file *f)
{
    struct process *p = proc_process_of(f->node.pid != 0 ? f->node.pid : f->reader);
    if (f->node.entry->kind != PROC_TEXT)
        return IO_ERROR_IS_DIRECTORY;
    if (p == nullptr)
        return IO_ERROR_NO_PROCESS;
    f->text.len = 0;
    f->text.failed = false;
    f->node.entry->text(&f->text, p);
    f->made = true;
    return f->text.failed ? IO_ERROR_NO_MEMORY : FUT_OK;
}

static fut_status_t bytes_at(struct proc_file *f, uint64_t off, size_t len, const char **data, size_t *n)
{
    // A reader that starts at the beginning gets the state of now.
    if (off == 0 || !f->made) {
        fut_status_t status = make_text(f);
        if (status != FUT_OK)
            return status;
    }
    *n = off < f->text.len ? f->text.len - off : 0;
    if (*n > len)
        *n = len;
    *data = *n != 0 ? f->text.data + off : nullptr;
    return FUT_OK;
}

static fut_status_t fill(struct proc_file *f, uint64_t off, uint32_t len, struct fut_buffer *b)
{
    const char *data;
    size_t n;
    fut_status_t status = bytes_at(f, off, len < b->capacity ? len : b->capacity, &data, &n);
    b->len = status == FUT_OK ? n : 0;
    if (b->len != 0)
        memcpy(b->data, data, n);
    return status;
}

static fut_status_t proc_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct proc_file *f = req->object;
    fut_status_t status = fill(f, f->offset, len, &res->data);
    f->offset += res->data.len;
    return status;
}

static fut_status_t proc_read_at(struct fut_request *req, uint64_t off, uint32_t len,
                                 struct io_file_read_at_result *res)
{
    return fill(req->object, off, len, &res->data);
}

static fut_status_t proc_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                   struct io_file_read_into_result *res)
{
    struct proc_file *f = req->object;
    const char *data;
    size_t n;
    bool advance = off == UINT64_MAX;
    fut_status_t status = bytes_at(f, advance ? f->offset : off, b.len, &data, &n);
    if (status == FUT_OK && n != 0 && fut_lease_write(req, &b, 0, data, n) != FUT_OK)
        status = IO_ERROR_BAD_ADDRESS;
    if (status == FUT_OK) {
        res->n = n;
        f->offset += advance ? n : 0;
    }
    return status;
}

static fut_status_t proc_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    struct proc_file *f = req->object;
    if (!(f->file.status & (IO_STATUS_WRITE_ONLY | IO_STATUS_READ_WRITE)))
        return IO_ERROR_BAD_FILE;
    char copy[256];
    size_t n = data.len < sizeof copy ? data.len : sizeof copy;
    memcpy(copy, data.data, n);
    fut_status_t status = f->node.entry->write != nullptr ? f->node.entry->write(copy, n) : IO_ERROR_INVALID;
    res->n = (uint32_t)data.len;
    return status;
}

static fut_status_t proc_seek(struct fut_request *req, int64_t off, uint8_t whence, struct io_file_seek_result *res)
{
    struct proc_file *f = req->object;
    int64_t base = whence == 0 ? 0 : whence == 1 ? (int64_t)f->offset : -1;
    if (base < 0 || (off < 0 && off < -base))
        return IO_ERROR_INVALID;
    f->offset = (uint64_t)(base + off);
    res->pos = f->offset;
    return FUT_OK;
}

static fut_status_t proc_file_stat(struct fut_request *req, struct io_file_stat_result *res)
{
    const struct proc_file *f = req->object;
    proc_stat(&f->node, &res->st);
    return FUT_OK;
}

// --- Directories: places 0 and 1 are . and .., then the fixed entries, then (in the root) 1000 + pid ----

#define FIRST_PID 1000

struct listing {
    struct io_dir_entry *entries;
    size_t count, name_bytes;
    char *names;
};

static bool list(struct listing *l, const char *name, const struct proc_node *n, uint64_t next)
{
    static const uint8_t kinds[] = {4, 8, 10}; // directory, regular, link
    size_t len = strlen(name);
    if (l->count == 128 || l->name_bytes + len > 4096)
        return false;
    struct io_stat st;
    proc_stat(n, &st);
    memcpy(l->names + l->name_bytes, name, len);
    l->entries[l->count++] = (struct io_dir_entry){.ino = st.ino, .next = next, .name_offset = (uint16_t)l->name_bytes,
                                                   .name_length = (uint16_t)len, .kind = kinds[n->entry->kind]};
    l->name_bytes += len;
    return true;
}

static const char *pid_name(uint32_t pid, char *to)
{
    char *p = to + 11;
    *p = 0;
    do {
        *--p = (char)('0' + pid % 10);
        pid /= 10;
    } while (pid != 0);
    return p;
}

static uint64_t list_processes(struct listing *l, uint64_t at, uint32_t newest)
{
    char name[12];
    struct proc_node n = {.entry = &proc_process, .pid = INIT_PID};
    if (at <= FIRST_PID + INIT_PID) {
        if (!list(l, pid_name(INIT_PID, name), &n, FIRST_PID + INIT_PID + 1))
            return at;
        at = FIRST_PID + INIT_PID + 1;
    }
    for (struct process *p = processes; p != nullptr; p = p->next) {
        n.pid = p->pid;
        if (FIRST_PID + p->pid < at)
            continue;
        if (p->pid > newest)
            break;
        if (!list(l, pid_name(p->pid, name), &n, FIRST_PID + p->pid + 1))
            return at;
        at = FIRST_PID + p->pid + 1;
    }
    return at;
}

static fut_status_t proc_read_dir(struct fut_request *req, struct io_file_read_dir_result *res)
{
    struct proc_file *f = req->object;
    if (f->node.entry->kind != PROC_DIRECTORY)
        return IO_ERROR_NOT_DIRECTORY;
    if (f->node.pid != 0 && proc_process_of(f->node.pid) == nullptr)
        return IO_ERROR_NOT_FOUND;
    struct listing l = {.entries = res->entries.data, .names = res->names.data};
    const struct proc_entry *children = f->node.entry->children;
    uint64_t at = f->offset;
    if (at == 0) {
        f->newest = INIT_PID;
        for (const struct process *p = processes; p != nullptr; p = p->next)
            f->newest = p->pid;
    }
    for (; at < 2; at++) {
        if (!list(&l, at == 0 ? "." : "..", &f->node, at + 1))
            break;
    }
    uint64_t fixed = 2;
    while (children[fixed - 2].name != nullptr)
        fixed++;
    for (; at >= 2 && at < fixed; at++) {
        struct proc_node n = {.entry = &children[at - 2], .pid = f->node.pid};
        if (!list(&l, n.entry->name, &n, at + 1))
            break;
    }
    if (at >= fixed && f->node.entry == &proc_root)
        at = list_processes(&l, at, f->newest);
    f->offset = at;
    res->entries.len = l.count;
    res->names.len = l.name_bytes;
    return FUT_OK;
}

static const struct file_class proc_class = {
    .ops = {.read = proc_read,
            .read_at = proc_read_at,
            .read_into = proc_read_into,
            .write = proc_write,
            .seek = proc_seek,
            .stat = proc_file_stat,
            .read_dir = proc_read_dir},
    .closed = proc_closed,
};

// --- Context -------------------------------------------------------------------------------------------

fut_status_t proc_context(struct process *p, fs_context_t *out)
{
    struct proc_context *c = heap_zero(sizeof *c);
    if (c == nullptr)
        return IO_ERROR_NO_MEMORY;
    c->pid = p->pid;
    object_add(&c->object, OBJECT_PROC_CONTEXT);
    if (fut_session_mint(posixd.server.channel, c->object.badge, SESSION_ALL, &out->h) != FUT_OK) {
        object_remove(&c->object);
        heap_free(c);
        return IO_ERROR_NO_MEMORY;
    }
    return FUT_OK;
}

void proc_context_gone(struct object *o) { heap_free(container(o, struct proc_context, object)); }

// Where a call starts, and where its path leads.
static fut_status_t resolve(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, bool follow,
                            struct proc_node *out)
{
    struct proc_context *c = container((struct object *)req->object, struct proc_context, object);
    struct proc_node from = {.entry = &proc_root};
    if (at.h != 0) {
        (void)fut_cap_delete(at.h); // another server's: no place in this tree
        return IO_ERROR_NOT_DIRECTORY;
    }
    if (at.home) {
        struct object *o = object_find(at.badge);
        struct file *f = o != nullptr && o->kind == OBJECT_FILE ? container(o, struct file, object) : nullptr;
        if (f == nullptr || f->class != &proc_class)
            return IO_ERROR_NOT_DIRECTORY;
        from = container(f, struct proc_file, file)->node;
    }
    struct process *p = process_find(c->pid);
    if (!at.home && p != nullptr && p->proc_cwd != nullptr)
        from = (struct proc_node){.entry = p->proc_cwd, .pid = p->proc_cwd_pid};
    return proc_walk(&from, path, follow, c->pid, out, remote_path, sizeof remote_path);
}

static struct process *asker(struct fut_request *req)
{
    return process_find(container((struct object *)req->object, struct proc_context, object)->pid);
}

static bool may(const struct process *who, const struct proc_node *n, uint32_t want)
{
    if (who == nullptr)
        return false;
    struct io_stat st;
    proc_stat(n, &st);
    if (cred_is_root(&who->cred))
        return true;
    uint32_t bits = st.uid == who->cred.euid ? st.mode >> 6 : st.gid == who->cred.egid ? st.mode >> 3 : st.mode;
    return (bits & want) == want;
}

static fut_status_t context_open(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                 fs_open_flags_t flags, uint32_t mode, struct fs_context_open_result *res)
{
    (void)mode;
    struct proc_node n;
    fut_status_t status = resolve(req, at, path, !(flags & FS_OPEN_FLAGS_NO_FOLLOW), &n);
    if (status == IO_ERROR_NOT_FOUND && (flags & FS_OPEN_FLAGS_CREATE))
        return IO_ERROR_DENIED;
    if (status != FUT_OK)
        return status;
    bool writes = (flags & (FS_OPEN_FLAGS_WRITE_ONLY | FS_OPEN_FLAGS_READ_WRITE)) != 0;
    bool reads = !(flags & FS_OPEN_FLAGS_WRITE_ONLY);
    struct process *who = asker(req);
    if (n.entry->kind == PROC_LINK && !(flags & FS_OPEN_FLAGS_PATH))
        return IO_ERROR_LOOP;
    if ((flags & FS_OPEN_FLAGS_DIRECTORY) && n.entry->kind != PROC_DIRECTORY)
        return IO_ERROR_NOT_DIRECTORY;
    if (n.entry->kind == PROC_DIRECTORY && writes)
        return IO_ERROR_IS_DIRECTORY;
    if ((flags & FS_OPEN_FLAGS_CREATE) && (flags & FS_OPEN_FLAGS_EXCLUSIVE))
        return IO_ERROR_EXISTS;
    if (!may(who, &n, (reads ? 4 : 0) | (writes ? 2 : 0)) || (writes && n.entry->write == nullptr))
        return IO_ERROR_DENIED;
    struct proc_file *f = heap_zero(sizeof *f);
    if (f == nullptr)
        return IO_ERROR_NO_MEMORY;
    f->node = n;
    f->reader = who->pid;
    f->file.status = flags & 0xff;
    proc_stat(&n, &res->node);
    status = file_session(&f->file, &proc_class, &res->file);
    if (status != FUT_OK)
        heap_free(f);
    return status;
}

static fut_status_t context_stat(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                 fs_at_t flags, struct fs_context_stat_result *res)
{
    struct proc_node n;
    fut_status_t status = resolve(req, at, path, !(flags & FS_AT_NO_FOLLOW), &n);
    if (status == FUT_OK)
        proc_stat(&n, &res->st);
    return status;
}

static fut_status_t context_read_link(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                      struct fs_context_read_link_result *res)
{
    struct proc_node n;
    fut_status_t status = resolve(req, at, path, false, &n);
    if (status != FUT_OK)
        return status;
    struct process *who = asker(req), *whose = n.pid != 0 ? proc_process_of(n.pid) : who;
    if (n.entry->kind != PROC_LINK)
        return IO_ERROR_INVALID;
    if (who == nullptr || whose == nullptr)
        return IO_ERROR_NOT_FOUND;
    if (n.pid != 0 && !cred_is_root(&who->cred) && who->cred.euid != whose->cred.euid)
        return IO_ERROR_DENIED;
    struct text t = {};
    n.entry->text(&t, whose);
    size_t len = t.len < res->target.capacity ? t.len : res->target.capacity;
    if (len != 0)
        memcpy(res->target.data, t.data, len);
    heap_free(t.data);
    res->target.len = len;
    return len != 0 ? FUT_OK : IO_ERROR_NOT_FOUND;
}

static fut_status_t context_access(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                   uint32_t mode, fs_at_t flags)
{
    struct proc_node n;
    fut_status_t status = resolve(req, at, path, !(flags & FS_AT_NO_FOLLOW), &n);
    if (status != FUT_OK)
        return status;
    return may(asker(req), &n, mode & 7) ? FUT_OK : IO_ERROR_DENIED;
}

static fut_status_t context_stat_fs(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                    struct fs_context_stat_fs_result *res)
{
    struct proc_node n;
    fut_status_t status = resolve(req, at, path, true, &n);
    if (status == FUT_OK)
        res->st = (struct fs_stat_fs){.kind = 0x9fa0, .block_size = PAGE, .name_max = IO_MAX_NAME};
    return status;
}

static fut_status_t context_where(struct fut_request *req, struct fut_cap_arg at, struct fut_string path, bool follow,
                                  struct fs_context_where_result *res)
{
    struct proc_node n;
    fut_status_t status = resolve(req, at, path, follow, &n);
    if (status == IO_ERROR_REMOTE) {
        res->tree = 0;
        const char *rest = remote_path[0] != 0 ? remote_path : "/";
        res->rest.len = strlen(rest);
        memcpy(res->rest.data, rest, res->rest.len);
        return FUT_OK;
    }
    return status != FUT_OK ? status : IO_ERROR_INVALID; // it does not lead away
}

// As seen with /proc mounted there, which is where posixd mounts it.
static void give_path(const struct proc_node *n, struct fut_buffer *to)
{
    char path[64], name[12];
    strcpy(path, "/proc");
    if (n->pid != 0) {
        strcat(path, "/");
        strcat(path, pid_name(n->pid, name));
    }
    if (n->entry->name[0] != 0) {
        strcat(path, "/");
        strcat(path, n->entry->name);
    }
    to->len = strlen(path);
    memcpy(to->data, path, to->len);
}

static fut_status_t context_path_of(struct fut_request *req, struct fut_cap_arg file,
                                    struct fs_context_path_of_result *res)
{
    (void)req;
    if (file.h != 0)
        (void)fut_cap_delete(file.h);
    struct object *o = file.home ? object_find(file.badge) : nullptr;
    struct file *f = o != nullptr && o->kind == OBJECT_FILE ? container(o, struct file, object) : nullptr;
    if (f == nullptr || f->class != &proc_class)
        return IO_ERROR_NOT_FOUND;
    const struct proc_node *n = &container(f, struct proc_file, file)->node;
    give_path(n, &res->path);
    return FUT_OK;
}

static fut_status_t context_change_dir(struct fut_request *req, struct fut_cap_arg at, struct fut_string path)
{
    struct proc_node n;
    struct process *p = asker(req);
    fut_status_t status = resolve(req, at, path, true, &n);
    if (p == nullptr)
        return IO_ERROR_NO_PROCESS;
    if (status == IO_ERROR_REMOTE)
        p->proc_cwd = nullptr; // it leaves
    if (status != FUT_OK)
        return status;
    if (n.entry->kind != PROC_DIRECTORY)
        return IO_ERROR_NOT_DIRECTORY;
    p->proc_cwd = n.entry;
    p->proc_cwd_pid = n.pid;
    return FUT_OK;
}

static fut_status_t context_get_dir(struct fut_request *req, struct fs_context_get_dir_result *res)
{
    struct process *p = asker(req);
    if (p == nullptr || p->proc_cwd == nullptr)
        return IO_ERROR_NOT_FOUND;
    struct proc_node n = {.entry = p->proc_cwd, .pid = p->proc_cwd_pid};
    give_path(&n, &res->path);
    return FUT_OK;
}

static fut_status_t read_only_path(struct fut_request *req, struct fut_cap_arg at)
{
    (void)req;
    if (at.h != 0)
        (void)fut_cap_delete(at.h);
    return IO_ERROR_NOT_PERMITTED;
}

static fut_status_t context_unlink(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                   fs_at_t flags)
{
    (void)path, (void)flags;
    return read_only_path(req, at);
}

static fut_status_t context_make_dir(struct fut_request *req, struct fut_cap_arg at, struct fut_string path,
                                     uint32_t mode)
{
    (void)path, (void)mode;
    return read_only_path(req, at);
}

const struct fs_context_ops proc_context_ops = {
    .open = context_open,
    .stat = context_stat,
    .read_link = context_read_link,
    .access = context_access,
    .stat_fs = context_stat_fs,
    .where = context_where,
    .path_of = context_path_of,
    .change_dir = context_change_dir,
    .get_dir = context_get_dir,
    .unlink = context_unlink,
    .make_dir = context_make_dir,
};

fut_status_t proc_exe_of(struct process *p, struct fut_string path, char *to, size_t size)
{
    static const char prefix[] = "/proc/";
    if (path.len < sizeof prefix || memcmp(path.data, prefix, sizeof prefix - 1) != 0)
        return IO_ERROR_NOT_FOUND;
    struct proc_node n, root = {.entry = &proc_root};
    struct fut_string rest = {path.data + sizeof prefix - 1, path.len - (sizeof prefix - 1)};
    // Only as a link of this tree does it mean anything; where it leads is opened like any path.
    fut_status_t status = proc_walk(&root, rest, true, p->pid, &n, to, size);
    return status == IO_ERROR_REMOTE ? FUT_OK : IO_ERROR_NOT_FOUND;
}
