// SPDX-License-Identifier: MPL-2.0
//
// What the files of the POSIX client library share, and what its two front ends (the Linux personality and
// picolibc's hooks) call. Conventions:
//
//   - errno, signals, clocks, poll and mmap flags are Linux's generic numbers; flags of files and paths are those of
//     the protocols (fs.OpenFlags, fs.At, io.Status). Front ends translate. A result below zero is -errno;
//     -ERESTART* values ask the personality to restart the call.
//   - A parameter named `user_*` is an address that the program gave and that nobody has checked: it is
//     touched only through user_read, user_write and user_string, which survive a fault. Strings and structures
//     without that prefix are the library's own.
//   - The library holds at most one lock (posix.lock), never over a call that can wait for another process.
//   - Built without FP/SIMD: the program's FP state stays in the registers while the library runs.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <fipc/descriptor.h>
#include <fipc/fs.h>
#include <fipc/io.h>
#include <fipc/local.h>
#include <fipc/netctl.h>
#include <fipc/process.h>
#include <fipc/socket.h>
#include <fipc/tty.h>
#include <futura/abi.h>
#include <futura/fipc.h>
#include <futura/posix_startup.h>
#include <futura/sys.h>

#include "linux_abi.h"

#define PAGE_SIZE UINT64_C(4096)
#define PAGE_DOWN(x) ((uint64_t)(x) & ~(PAGE_SIZE - 1))
#define PAGE_UP(x) PAGE_DOWN((uint64_t)(x) + PAGE_SIZE - 1)
#define NS_PER_S UINT64_C(1000000000)

// --- The process -------------------------------------------------------------------------------------------
#define POSIX_FDS 1024
#define POSIX_TREES 4
#define POSIX_PATH 4096

struct posix_fd {
    fut_handle_t handle;   // 0: the number is free
    fut_handle_t watch;    // its readiness Event once asked for; POSIX_ALWAYS_READY
    uint8_t kind;          // enum fut_posix_kind
    uint8_t cloexec;
    uint8_t tree;          // whose Context opened it: 0 fsd, else process.Tree's number
    uint8_t hints;         // FD_*
    uint16_t poll;         // of a poll set: its place in posix.polls + 1; 0: not opened yet
    uint16_t wants;        // of a socket: POSIX_WANTS_*
    uint32_t receive_ms, send_ms; // of a socket: how long it waits; 0: for ever
    uint32_t status;       // io.Status as last known: the access mode is exact, the rest is the server's
};
#define POSIX_ALWAYS_READY ((fut_handle_t)~0u)
#define FD_NO_LEASE 1u // the server does not offer ReadInto/WriteFrom
#define FD_IS_PATH 2u  // O_PATH
#define FD_PACKETS 8u  // a socket of datagrams or records
#define FD_NETLINK 16u // a pair of local sockets: netlink.c
#define FD_POLLED 32u // this process has put it into a poll set
#define FD_WALL_CLOCK 4u // a timer whose absolute times are of the wall clock

// A poll set (epoll) as this process uses it: epoll.c.
struct posix_pollset {
    bool taken;
    fut_handle_t set;      // 0: ask for it (again)
    struct poll_table *table;
};
#define POSIX_POLLSETS 256

struct posix_action {
    uint64_t handler, flags, restorer, mask;
};

// One per thread of the process, in thread-local storage.
struct posix_thread {
    struct fut_frame *frame;        // of the foreign call being served
    struct process_signal_thread *slot;
    uint32_t slot_number;
    uint32_t tid;
    uint64_t clear_child_tid, set_tid[2]; // program addresses: see clone
    uint64_t altstack, altstack_bytes;
    uint32_t no_sigpipe;            // MSG_NOSIGNAL, for the call under way
    uint32_t mask_saved;            // saved_mask is what the next signal frame restores (sigsuspend, ppoll)
    uint64_t saved_mask;
    uint64_t restart_deadline;      // of the sleep that restart_syscall goes on with
    long (*restart)(void);
    uint64_t tls;                   // the library's own TLS register value for this thread
    struct fut_upcall upcall;       // as registered
};
extern _Thread_local struct posix_thread posix_self;

struct posix_process {
    process_process_t process;
    fs_context_t context;
    fs_context_t trees[POSIX_TREES]; // [0] unused
    uint32_t cwd_tree;              // where relative paths start
    fut_handle_t task, space, account;
    struct process_signal_page *page;
    const volatile struct fut_time_page *time;
    const volatile struct fut_posix_clock *clock;
    uint32_t watch_changes;          // counts watched descriptors that were closed or replaced
    fut_handle_t sleep_event;        // nobody signals it: what sleepers wait on
    _Atomic uint32_t lock;
    _Atomic uint32_t threads;
    uint64_t brk_start, brk, brk_mapped;
    uint64_t image_low, image_high;
    struct process_ids ids;          // real and effective ones as they are; the rest as last asked for
    char name[16];                   // PR_SET_NAME's
    char exec_name[POSIX_PATH];
    struct posix_action action[65];
    socket_network_t network;        // .h 0: not asked for yet
    netctl_control_t netctl;
    fut_handle_t signal_event;       // bits of pending signals, once a signal descriptor was used; 0: none
    struct posix_pollset polls[POSIX_POLLSETS];
    struct posix_fd fd[POSIX_FDS];
};
extern struct posix_process posix;

// state.c, <arch>/tls.c
// Lays out a thread's TLS block in `block` and gives the value for the TLS register and where its posix_self is.
#define POSIX_TLS_BYTES 1024
uint64_t posix_tls_make(void *block, uint64_t ipc_buffer, struct posix_thread **self);
void posix_init(const struct fut_posix_startup *start);
long posix_errno(fut_status_t status); // 0 or -errno; INTERRUPTED and CANCELLED give -ERESTARTSYS
void posix_lock(void);
void posix_unlock(void);
#define posix_interruptible ((struct fut_call_options){.interruptible = true})

// --- Program memory: <arch>/user.S, state.c ------------------------------------------------------------------
bool user_read(void *to, uint64_t user_from, size_t bytes);
bool user_write(uint64_t user_to, const void *from, size_t bytes);
bool user_zero(uint64_t user_to, size_t bytes);
bool user_touch(uint64_t user_at, size_t bytes, bool write); // brings every page in; false: not all there
// Copies a 0-terminated string with its 0; its length without, -EFAULT, or -ENAMETOOLONG.
long user_string(char *to, uint64_t user_from, size_t capacity);
bool user_load32(uint32_t *to, uint64_t user_from);
// Where the copy routines are, and where one goes on after a fault (0: pc is not in one).
uint64_t user_fixup(uint64_t pc);

// --- descriptor.c --------------------------------------------------------------------------------------------
static inline struct posix_fd *posix_fd_get(unsigned fd)
{
    return fd < POSIX_FDS && posix.fd[fd].handle != 0 ? &posix.fd[fd] : nullptr;
}
long posix_fd_install(fut_handle_t handle, uint8_t kind, uint32_t status, bool cloexec, uint8_t tree, unsigned from);
long posix_fd_close(unsigned fd);
long posix_dup(unsigned fd, unsigned from, bool cloexec);
long posix_dup_to(unsigned fd, unsigned to, bool cloexec);
long posix_close_range(unsigned first, unsigned last, unsigned flags);

// --- file.c --------------------------------------------------------------------------------------------------
#define POSIX_AT_OFFSET UINT64_MAX // read and write at the description's own offset
long posix_read(unsigned fd, uint64_t user_to, size_t bytes, uint64_t offset);
long posix_write(unsigned fd, uint64_t user_from, size_t bytes, uint64_t offset);
long posix_terminal_allowed(const struct posix_fd *f, bool write); // 0; else the process is in the background
long posix_seek(unsigned fd, int64_t offset, unsigned whence);
long posix_stat_fd(unsigned fd, struct io_stat *st);
long posix_set_attr_fd(unsigned fd, const struct io_set_attr *a);
long posix_sync_fd(unsigned fd, bool data_only);
long posix_get_status(unsigned fd);             // io.Status
long posix_set_status(unsigned fd, uint32_t flags);
long posix_allocate(unsigned fd, uint32_t mode, uint64_t offset, uint64_t bytes);
long posix_record_lock(unsigned fd, unsigned kind, bool wait, uint64_t owner, uint64_t start, uint64_t bytes);
long posix_send_file(unsigned out, unsigned in, uint64_t *offset, size_t bytes);
long posix_pipe(int fds[2], uint32_t status, bool cloexec);
long posix_install_two(int fds[2], fut_handle_t a, uint32_t a_status, fut_handle_t b, uint32_t b_status, uint8_t kind, bool cloexec);

// --- path.c: `at` is a descriptor or AT_FDCWD ------------------------------------------------------------------
#define POSIX_OPEN_CLOEXEC 1u
#define POSIX_OPEN_NOCTTY 2u
long posix_open(int at, const char *path, uint32_t fs_flags, uint32_t mode, unsigned how);
long posix_stat(int at, const char *path, uint32_t at_flags, struct io_stat *st);
long posix_read_link(int at, const char *path, char *to, size_t capacity); // length, not terminated
long posix_make_dir(int at, const char *path, uint32_t mode);
long posix_unlink(int at, const char *path, uint32_t at_flags);
long posix_rename(int from_at, const char *from, int to_at, const char *to, uint32_t at_flags);
long posix_link(int from_at, const char *from, int to_at, const char *to, uint32_t at_flags);
long posix_sym_link(const char *target, int at, const char *path);
long posix_make_node(int at, const char *path, uint32_t mode, uint64_t rdev);
long posix_set_attr(int at, const char *path, uint32_t at_flags, const struct io_set_attr *a);
long posix_access(int at, const char *path, uint32_t mode, uint32_t at_flags);
long posix_change_dir(const char *path);
long posix_change_dir_fd(unsigned fd);
long posix_get_dir(char *to, size_t capacity);  // length with the 0
long posix_change_root(const char *path);
long posix_set_mask(uint32_t mask);
long posix_stat_fs(int at, const char *path, struct fs_stat_fs *st);
long posix_sync_all(void);

// --- memory.c --------------------------------------------------------------------------------------------------
long posix_brk(uint64_t to);
long posix_map(uint64_t address, uint64_t bytes, uint32_t prot, uint32_t flags, int fd, uint64_t offset);
long posix_unmap(uint64_t address, uint64_t bytes);
long posix_protect(uint64_t address, uint64_t bytes, uint32_t prot);
long posix_remap(uint64_t address, uint64_t old_bytes, uint64_t bytes, uint32_t flags, uint64_t to);
long posix_sync_map(uint64_t address, uint64_t bytes, bool wait);
long posix_advise(uint64_t address, uint64_t bytes, uint32_t advice);
void *posix_pages(uint64_t bytes);              // fresh private pages for the library itself; null: none

// --- process.c, thread.c -----------------------------------------------------------------------------------------
long posix_fork(uint64_t flags, uint64_t entry, uint64_t argument, uint32_t exit_signal);
void posix_after_fork(void);                    // in the child, before any other call
// A thread that starts at `entry` with the address of a copy of `frame`, its own first upcall frame, as argument.
// prepare: lets the front end finish the thread's state before it runs.
long posix_new_thread(uint64_t entry, const struct fut_frame *frame, void (*prepare)(struct posix_thread *, void *), void *user);
void posix_thread_started(uint32_t slot);       // in the new thread, before anything else
[[noreturn]] void posix_exit_thread(uint32_t status);
[[noreturn]] void posix_exit(uint32_t wait_status);
long posix_exec(int at, const char *path, const char *strings, size_t bytes, uint32_t argc, uint32_t envc);
long posix_wait(int32_t which, uint32_t options, uint32_t *status, struct process_usage *usage);
long posix_ids(struct process_ids *ids);
static inline uint32_t posix_pid(void) { return posix.page->pid; }

// --- signal.c ------------------------------------------------------------------------------------------------------
#define POSIX_NSIG 64
static inline uint64_t signal_bit(unsigned signal) { return UINT64_C(1) << (signal - 1); }
#define SIGNALS_KEPT (UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1)) // never blocked or caught
static inline uint64_t posix_signals_due(void)
{
    const struct posix_thread *self = &posix_self;
    return (__atomic_load_n(&posix.page->pending, __ATOMIC_SEQ_CST) |
            __atomic_load_n(&self->slot->pending, __ATOMIC_SEQ_CST)) & ~self->slot->blocked;
}
unsigned posix_signal_choose(uint64_t due);     // the next one to deliver; 0: none
unsigned posix_signal_take(uint64_t among, struct process_signal_info *info); // removes it from what is pending; 0: none
long posix_signal_action(unsigned signal, const struct posix_action *set, struct posix_action *old);
void posix_signal_block(uint64_t mask);         // the thread's new mask
long posix_signal_wait(uint64_t mask, uint64_t deadline, struct process_signal_info *info); // sigtimedwait
void posix_signal_raise(unsigned signal, int32_t code, uint64_t value); // to the calling thread
void posix_signal_default(unsigned signal);     // returns when the process was stopped and goes on
long posix_kill(int32_t pid, unsigned signal);
long posix_kill_thread(uint32_t pid, uint32_t tid, unsigned signal);

// --- time.c ----------------------------------------------------------------------------------------------------------
uint64_t posix_now(void);                       // monotonic
long posix_clock(unsigned clock, int64_t *ns);
long posix_sleep_until(uint64_t deadline);      // 0, or -ERESTARTNOHAND

// --- poll.c ------------------------------------------------------------------------------------------------------------
struct posix_poll { int32_t fd; uint16_t events; uint16_t revents; }; // as struct pollfd
long posix_poll(struct posix_poll *p, unsigned count, uint64_t deadline); // ready ones, or -errno
void posix_poll_forget(bool have_handle);       // drops the kept WaitSet; after fork the handle is the parent's
long posix_poll_watch(struct posix_fd *f);      // sees to it that f->watch is there
uint64_t posix_poll_mask(struct posix_fd *f, uint32_t events);
uint32_t posix_poll_bits(const struct posix_fd *f, uint64_t ready, uint32_t events);
long posix_wait_ready(unsigned fd, uint16_t events, uint64_t deadline); // waits where the description is not O_NONBLOCK, else EAGAIN

// --- socket.c, socket_data.c, socket_option.c ------------------------------------------------------------------------------
// A name is the bytes of Linux's struct sockaddr. none: length 0.
struct posix_name { uint32_t length; alignas(8) uint8_t bytes[128]; };
#define POSIX_WANTS_CREDENTIALS 1u
#define POSIX_WANTS_INFO 2u  // IP_PKTINFO
#define POSIX_WANTS_TTL 4u
#define POSIX_WANTS_TOS 8u
#define POSIX_WANTS_INFO6 16u
#define POSIX_WANTS_HOPS 32u
#define POSIX_WANTS_CLASS 64u
#define POSIX_FDS_PASSED 253u

struct posix_message {
    uint64_t data;              // the program's or the library's
    size_t bytes;
    struct posix_name name;     // whom to send to; who sent
    uint32_t flags;             // MSG_*; of what was received afterwards
    unsigned fd_count, fd_room; // to send; received, and at most
    bool cloexec;               // of those received
    uint64_t size;              // of the whole datagram
    struct local_credentials sender;
    struct socket_received inet;
    int fds[POSIX_FDS_PASSED];
};
long posix_socket(unsigned domain, unsigned kind, unsigned protocol, uint32_t status, bool cloexec);
long posix_socket_pair(int fds[2], unsigned kind, uint32_t status, bool cloexec);
long posix_bind(unsigned fd, const struct posix_name *name);
long posix_connect(unsigned fd, const struct posix_name *name);
long posix_listen(unsigned fd, unsigned backlog);
long posix_accept(unsigned fd, uint32_t status, bool cloexec, struct posix_name *peer);
long posix_shutdown(unsigned fd, unsigned how);
long posix_socket_name(unsigned fd, bool peer, struct posix_name *name);
long posix_send(unsigned fd, struct posix_message *m);
long posix_receive(unsigned fd, struct posix_message *m);
long posix_get_option(unsigned fd, int level, int option, void *value, uint32_t *length);
long posix_set_option(unsigned fd, int level, int option, const void *value, uint32_t length);
long posix_socket_of(unsigned fd, struct posix_fd **f); // 0 where it is a socket
long posix_net_errno(fut_status_t status);              // as posix_errno, where netd may be gone
long posix_netlink_socket(unsigned kind, unsigned protocol, uint32_t status, bool cloexec);
long posix_network(void);                               // asks for posix.network and posix.netctl
bool posix_address_in(struct socket_address *to, const struct posix_name *from);
void posix_address_out(struct posix_name *to, const struct socket_address *from);

// --- epoll.c -----------------------------------------------------------------------------------------------------------
#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP (1u << 29)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
struct posix_epoll_event { uint32_t events; uint64_t data; };
long posix_epoll_create(bool cloexec);
long posix_epoll_control(unsigned epfd, unsigned operation, unsigned fd, const struct posix_epoll_event *event); // 1 add, 2 delete, 3 change
long posix_epoll_wait(unsigned epfd, struct posix_epoll_event *events, unsigned max, uint64_t deadline);
bool posix_epoll_ready(struct posix_fd *f);     // whether a wait would give something
long posix_epoll_poll(struct posix_fd *f, uint64_t deadline); // waits until it would
void posix_epoll_forget(unsigned fd);           // a FD_POLLED one is closed
void posix_epoll_drop(unsigned place);          // posix_fd.poll of a descriptor that is closed

// --- event.c: eventfd, timerfd, signalfd ---------------------------------------------------------------------------------
long posix_event_file(uint32_t initial, bool semaphore, uint32_t status, bool cloexec);
long posix_timer_file(uint32_t status, bool cloexec);
// due: absolute, monotonic, 0: off; left and interval: as it stood before
long posix_timer_set(unsigned fd, uint64_t due, uint64_t interval, uint64_t *left, uint64_t *old_interval);
long posix_timer_get(unsigned fd, uint64_t *left, uint64_t *interval);
long posix_signal_file(int fd, uint64_t mask, uint32_t status, bool cloexec); // fd -1: a new one
long posix_signal_file_read(unsigned fd, uint64_t user_to, size_t bytes);
uint64_t posix_signal_file_mask(const struct posix_fd *f);
long posix_signal_event(fut_handle_t *event);   // a copy of posix.signal_event
void posix_signal_event_sync(uint64_t bits);    // these may have been taken
