// SPDX-License-Identifier: MPL-2.0
//
// What opens when a path leads to a device node: memory devices are served here, terminals by ttyd,
// FIFOs by fifo.c. Also /dev itself: a tmpfs that is filled at boot and follows ttyd's ptys.
#include "calls.h"
#include "posixd.h"

#define TYPE_MASK 0170000u
#define TYPE_CHARACTER 0020000u
#define TYPE_BLOCK 0060000u
#define TYPE_FIFO 0010000u
#define TYPE_SOCKET 0140000u

// Linux's device numbers.
static uint64_t device_number(uint32_t major, uint32_t minor)
{
    return (minor & 0xff) | (uint64_t)(major & 0xfff) << 8 | (uint64_t)(minor & ~0xffu) << 12 |
           (uint64_t)(major & ~0xfffu) << 32;
}

static uint32_t major_of(uint64_t d) { return (uint32_t)((d >> 8 & 0xfff) | (d >> 32 & ~UINT64_C(0xfff))); }
static uint32_t minor_of(uint64_t d) { return (uint32_t)((d & 0xff) | (d >> 12 & ~UINT64_C(0xff))); }

// --- Memory devices ------------------------------------------------------------------------------------

struct memory_device {
    struct file file;
    uint64_t offset; // of kmsg
};

static void device_closed(struct file *f) { heap_free(container(f, struct memory_device, file)); }

static fut_status_t nothing_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    (void)req, (void)len;
    res->data.len = 0;
    return FUT_OK;
}

static fut_status_t all_written(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    (void)req;
    res->n = (uint32_t)data.len;
    return FUT_OK;
}

static fut_status_t all_written_at(struct fut_request *req, uint64_t off, struct fut_bytes data,
                                   struct io_file_write_at_result *res)
{
    (void)req, (void)off;
    res->n = (uint32_t)data.len;
    return FUT_OK;
}

static fut_status_t all_written_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                     struct io_file_write_from_result *res)
{
    (void)req, (void)off;
    res->n = b.len;
    return FUT_OK;
}

static fut_status_t full_write(struct fut_request *req, struct fut_bytes data, struct io_file_write_result *res)
{
    (void)req, (void)data, (void)res;
    return IO_ERROR_NO_SPACE;
}

static fut_status_t full_write_from(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                    struct io_file_write_from_result *res)
{
    (void)req, (void)off, (void)b, (void)res;
    return IO_ERROR_NO_SPACE;
}

static fut_status_t at_start(struct fut_request *req, int64_t off, uint8_t whence, struct io_file_seek_result *res)
{
    (void)req, (void)off, (void)whence;
    res->pos = 0;
    return FUT_OK;
}

static fut_status_t zero_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    (void)req;
    res->data.len = len < res->data.capacity ? len : res->data.capacity;
    memset(res->data.data, 0, res->data.len);
    return FUT_OK;
}

static fut_status_t zero_read_at(struct fut_request *req, uint64_t off, uint32_t len,
                                 struct io_file_read_at_result *res)
{
    (void)req, (void)off;
    res->data.len = len < res->data.capacity ? len : res->data.capacity;
    memset(res->data.data, 0, res->data.len);
    return FUT_OK;
}

static fut_status_t nothing_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                      struct io_file_read_into_result *res)
{
    (void)req, (void)off, (void)b;
    res->n = 0;
    return FUT_OK;
}

// One answer is bounded: a program asks again, posixd must stay answerable.
#define LARGEST_FILL (UINT64_C(1) << 20)

static fut_status_t fill_leased(struct fut_request *req, struct fut_lease_arg b, bool random, uint64_t *n)
{
    static char bytes[16384];
    uint64_t total = b.len < LARGEST_FILL ? b.len : LARGEST_FILL;
    *n = 0;
    while (*n < total) {
        size_t part = total - *n < sizeof bytes ? total - *n : sizeof bytes;
        if (random)
            random_bytes(bytes, part);
        else if (*n == 0)
            memset(bytes, 0, part);
        if (fut_lease_write(req, &b, *n, bytes, part) != FUT_OK)
            return *n != 0 ? FUT_OK : IO_ERROR_BAD_ADDRESS;
        *n += part;
    }
    return FUT_OK;
}

static fut_status_t zero_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                   struct io_file_read_into_result *res)
{
    (void)off;
    return fill_leased(req, b, false, &res->n);
}

static fut_status_t random_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    (void)req;
    res->data.len = len < res->data.capacity ? len : res->data.capacity;
    random_bytes(res->data.data, res->data.len);
    return FUT_OK;
}

static fut_status_t random_read_into(struct fut_request *req, uint64_t off, struct fut_lease_arg b,
                                     struct io_file_read_into_result *res)
{
    (void)off;
    return fill_leased(req, b, true, &res->n);
}

static fut_status_t kmsg_read(struct fut_request *req, uint32_t len, struct io_file_read_result *res)
{
    struct memory_device *d = req->object;
    uint64_t got = 0;
    size_t n = len < res->data.capacity ? len : res->data.capacity;
    res->data.len = 0;
    if (posixd.klog == 0)
        return IO_ERROR_NO_DEVICE;
    if (fut_log_read(posixd.klog, d->offset, res->data.data, n, &got) == FUT_OK && got <= n) {
        res->data.len = got;
        d->offset += got;
    }
    return FUT_OK;
}

static const struct file_class null_class = {
    .ops = {.read = nothing_read, .write = all_written, .write_at = all_written_at, .seek = at_start,
            .read_into = nothing_read_into, .write_from = all_written_from},
    .closed = device_closed};
static const struct file_class zero_class = {
    .ops = {.read = zero_read, .read_at = zero_read_at, .write = all_written, .write_at = all_written_at,
            .seek = at_start, .read_into = zero_read_into, .write_from = all_written_from},
    .closed = device_closed};
static const struct file_class full_class = {
    .ops = {.read = zero_read, .read_at = zero_read_at, .write = full_write, .seek = at_start,
            .read_into = zero_read_into, .write_from = full_write_from},
    .closed = device_closed};
static const struct file_class random_class = {
    .ops = {.read = random_read, .write = all_written, .seek = at_start, .read_into = random_read_into,
            .write_from = all_written_from},
    .closed = device_closed};
static const struct file_class kmsg_class = {.ops = {.read = kmsg_read}, .closed = device_closed};

static fut_status_t open_memory(uint32_t minor, uint32_t flags, const struct io_stat *node, io_file_t *file,
                                uint32_t *kind)
{
    const struct file_class *class;
    *kind = FUT_POSIX_KIND_OTHER;
    switch (minor) {
    case 3:
        class = &null_class;
        *kind = FUT_POSIX_KIND_NULL;
        break;
    case 5:
        class = &zero_class;
        *kind = FUT_POSIX_KIND_ZERO;
        break;
    case 7:
        class = &full_class;
        break;
    case 8:
    case 9:
        class = &random_class;
        break;
    case 11:
        class = &kmsg_class;
        break;
    default:
        return IO_ERROR_NO_DEVICE_ADDRESS;
    }
    struct memory_device *d = heap_zero(sizeof *d);
    if (d == nullptr)
        return IO_ERROR_NO_MEMORY;
    d->file.node = *node;
    d->file.status = flags & 0xff;
    fut_status_t status = file_session(&d->file, class, file);
    if (status != FUT_OK)
        heap_free(d);
    return status;
}

// --- Terminals -----------------------------------------------------------------------------------------

#define TTY device_number(5, 0)

static bool is_terminal(uint64_t device)
{
    uint32_t major = major_of(device);
    return major == 4 || major == 5 || major == 204 || (major >= 136 && major <= 143);
}

fut_status_t device_open_terminal(struct process *p, uint64_t device, uint32_t flags, const struct io_stat *node,
                                  io_file_t *file)
{
    if (device == TTY) {
        if (p->terminal == 0)
            return IO_ERROR_NO_DEVICE_ADDRESS;
        device = p->terminal_device;
    }
    uint64_t terminal;
    fut_status_t status = tty_admin_open(posixd.tty, device, flags & 0xff, node, file, &terminal);
    return status >= 0 ? status : IO_ERROR_IO;
}

fut_status_t device_open_special(struct fut_request *req, struct process *p, const struct io_stat *node,
                                 uint32_t flags, io_file_t *file, uint32_t *kind)
{
    switch (node->mode & TYPE_MASK) {
    case TYPE_FIFO:
        *kind = FUT_POSIX_KIND_PIPE;
        return fifo_open(req, node, flags, file);
    case TYPE_CHARACTER:
        if (major_of(node->rdev) == 1)
            return open_memory(minor_of(node->rdev), flags, node, file, kind);
        if (is_terminal(node->rdev)) {
            *kind = FUT_POSIX_KIND_TERMINAL;
            return device_open_terminal(p, node->rdev, flags, node, file);
        }
        return IO_ERROR_NO_DEVICE_ADDRESS;
    default:
        return IO_ERROR_NO_DEVICE_ADDRESS; // sockets are connected to, block devices are mounted
    }
}

// --- /dev ----------------------------------------------------------------------------------------------

static struct fut_string text(const char *s) { return (struct fut_string){s, strlen(s)}; }

static void make_node(const char *path, uint32_t mode, uint32_t major, uint32_t minor)
{
    fut_status_t status =
        fs_context_make_node(posixd.root, (io_file_t){}, text(path), mode, device_number(major, minor));
    if (status != FUT_OK && status != IO_ERROR_EXISTS)
        log_text("posixd: %s: cannot make it (%d)\n", path, status);
}

static void make_dir(const char *path, uint32_t mode)
{
    fut_status_t status = fs_context_make_dir(posixd.root, (io_file_t){}, text(path), mode);
    if (status != FUT_OK && status != IO_ERROR_EXISTS)
        log_text("posixd: %s: cannot make it (%d)\n", path, status);
}

static void make_link(const char *path, const char *target)
{
    (void)!fs_context_sym_link(posixd.root, text(target), (io_file_t){}, text(path));
}

void device_more_nodes(void)
{
    uint32_t minor = 0;
    for (uint32_t i = 0; i < 256; i++) {
        struct fut_string name;
        if (registry_directory_list(posixd.registry, i, &name) != FUT_OK)
            return;
        char path[64] = "/dev/";
        if (name.len <= 6 || name.len >= sizeof path - 6 || memcmp(name.data, "block.", 6) != 0)
            continue;
        memcpy(path + 5, name.data + 6, name.len - 6);
        path[5 + name.len - 6] = 0;
        make_node(path, TYPE_BLOCK | 0660, 254, 16 * minor++);
    }
}

static char pts_present[256];

static void number_path(char *path, uint32_t number)
{
    memcpy(path, "/dev/pts/", 9);
    char digits[12];
    int n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (int i = 0; i < n; i++)
        path[9 + i] = digits[n - 1 - i];
    path[9 + n] = 0;
}

void device_ptys_changed(void)
{
    struct fut_u32_view numbers;
    if (tty_admin_ptys(posixd.tty, &numbers) != FUT_OK)
        return;
    char now[256] = {};
    for (size_t i = 0; i < numbers.len; i++) {
        if (numbers.data[i] < sizeof now)
            now[numbers.data[i]] = 1;
    }
    for (uint32_t i = 0; i < sizeof now; i++) {
        char path[24];
        if (now[i] == pts_present[i])
            continue;
        number_path(path, i);
        if (now[i])
            make_node(path, TYPE_CHARACTER | 0620, 136 + i / 256, i % 256);
        else
            (void)!fs_context_unlink(posixd.root, (io_file_t){}, text(path), 0);
        pts_present[i] = now[i];
    }
}

void device_fill_dev(void)
{
    static const struct { const char *path; uint32_t mode; uint16_t major, minor; } nodes[] = {
        {"/dev/null", 0666, 1, 3},    {"/dev/zero", 0666, 1, 5},   {"/dev/full", 0666, 1, 7},
        {"/dev/random", 0666, 1, 8},  {"/dev/urandom", 0666, 1, 9}, {"/dev/kmsg", 0644, 1, 11},
        {"/dev/tty", 0666, 5, 0},     {"/dev/console", 0600, 5, 1}, {"/dev/ptmx", 0666, 5, 2},
        {"/dev/ttyS0", 0600, 4, 64},
    };
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        make_node(nodes[i].path, TYPE_CHARACTER | nodes[i].mode, nodes[i].major, nodes[i].minor);
    make_dir("/dev/pts", 0755);
    make_dir("/dev/shm", 01777);
    make_link("/dev/fd", "/proc/self/fd");
    make_link("/dev/stdin", "/proc/self/fd/0");
    make_link("/dev/stdout", "/proc/self/fd/1");
    make_link("/dev/stderr", "/proc/self/fd/2");
    device_more_nodes();
    device_ptys_changed();
}
