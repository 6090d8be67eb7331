// SPDX-License-Identifier: MPL-2.0
//
// What the files of posixd share. posixd is one thread and one Channel; every client object is a Session
// with a badge of its own, found through the object table. Nothing here waits for a program: a call that
// cannot be answered yet is deferred, and its record says how to answer it early or to forget it.
#pragma once
#include <fipc/clock.h>
#include <fipc/descriptor.h>
#include <fipc/entropy.h>
#include <fipc/fs.h>
#include <fipc/io.h>
#include <fipc/local.h>
#include <fipc/netctl.h>
#include <fipc/process.h>
#include <fipc/registry.h>
#include <fipc/socket.h>
#include <fipc/tty.h>
#include <futura/abi.h>
#include <futura/fipc.h>
#include <futura/posix_startup.h>
#include <futura/server.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#include "signals.h"

#define PAGE FUT_PAGE_SIZE
#define PAGE_DOWN(a) ((uint64_t)(a) & ~(uint64_t)(PAGE - 1))
#define PAGE_UP(a) PAGE_DOWN((uint64_t)(a) + PAGE - 1)
#define NS_PER_SECOND UINT64_C(1000000000)
#define MAX_THREADS 60
#define MAX_PROCESSES 4096
#define INIT_PID 1
#define PROC_TREE 1 // number of the tree that posixd keeps, for fsd's "tree:N"

// --- heap.c --------------------------------------------------------------------------------------------
void *heap_alloc(size_t bytes);   // null when there is none
void *heap_zero(size_t bytes);
void heap_free(void *p);
[[nodiscard]] fut_status_t heap_init(fut_handle_t space);

// --- main.c --------------------------------------------------------------------------------------------
struct posixd {
    struct fut_server server;
    fut_handle_t space, task, account; // posixd's own
    fut_handle_t time, klog, machine; // machine: inspection only; 0 when not granted
    fut_handle_t archive;
    registry_directory_t registry;
    fs_admin_t fs;
    tty_admin_t tty;
    clock_clock_t clock;           // .h 0: none
    socket_network_t network;      // all of the network; .h 0: not granted
    netctl_control_t netctl;
    fs_context_t root;             // a root Context of posixd's own
    struct fut_bytes archive_data;
    struct fut_posix_clock *clock_page; // mapped here, read-only in every process
    fut_handle_t clock_memory;
    fut_handle_t vdso;             // Memory with libfutura/linux/vdso.c; 0: none
    uint64_t vdso_bytes;
    fut_handle_t watch;            // init's Event: Launcher.Watch
    char host_name[65];
    bool stopping;
};
extern struct posixd posixd;
uint64_t now_ns(void);
void clock_update(void); // asks for the time, until it is known
void log_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Bits of the Event bound to posixd's Channel.
#define SIGNAL_TTY UINT64_C(1) // and netd: that is the bit both signal
#define SIGNAL_PTYS UINT64_C(2)
#define SIGNAL_TASK_FIRST 16 // and above: a task with slot % SIGNAL_TASK_BITS ended
#define SIGNAL_TASK_BITS 48

// --- object.c ------------------------------------------------------------------------------------------
enum object_kind { OBJECT_PROCESS = 1, OBJECT_FILE, OBJECT_PROC_CONTEXT };
struct object {
    uint64_t badge; // unique for ever; 0: not in the table
    struct object *next;
    enum object_kind kind;
};
#define SESSION_ALL 0xffffu // every permission bit: posixd uses no facets
void object_add(struct object *o, enum object_kind kind);
void object_remove(struct object *o);
uint64_t object_reserve(void);                        // a badge for later
void object_take(struct object *o, uint64_t badge);   // the object has this badge from now on
struct object *object_find(uint64_t badge);
#define container(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))

// --- deferred.c ----------------------------------------------------------------------------------------
// A call that waits. cancel: the caller wants an answer now; drop: nobody waits for it any more.
// Both take the record off the list first and own it then.
struct deferred {
    struct deferred *next, **link;
    fut_reply_t reply;
    void (*cancel)(struct deferred *d);
    void (*drop)(struct deferred *d);
};
// False: the capability table is full, the call must be answered now.
[[nodiscard]] bool deferred_add(struct deferred *d, struct fut_request *req, void (*cancel)(struct deferred *),
                                void (*drop)(struct deferred *));
void deferred_take(struct deferred *d);
void deferred_cancel(fut_reply_t reply);
void deferred_stale(fut_reply_t reply);

// --- process.c -----------------------------------------------------------------------------------------
enum process_state { PROCESS_RUNNING, PROCESS_STOPPED, PROCESS_ZOMBIE };

struct credentials {
    uint32_t ruid, euid, suid, rgid, egid, sgid;
    uint32_t group_count;
    uint32_t groups[32];
};

struct limit { uint64_t soft, hard; };
#define LIMITS 16

struct thread {
    fut_handle_t handle; // 0: free
    uint32_t tid;
};

struct confinement; // confine.c

struct interval_timer { uint64_t deadline, interval; }; // deadline 0: off

struct process {
    struct object object;          // its Process Session
    struct process *next, *previous; // all processes, by pid
    struct process *parent;        // null: pid 1
    struct process *grave;         // reaped: freed when the current request is over
    uint32_t pid, group, session;
    enum process_state state;
    uint32_t status;               // wait status once a zombie, or the stop status
    bool has_execed;               // setpgid by the parent is too late
    bool stop_news, continue_news; // for wait
    bool console_program;          // started by Launcher.Spawn on the console
    uint8_t exit_signal;
    uint64_t terminal;             // of ttyd; 0: no controlling terminal
    uint64_t terminal_device;
    struct credentials cred;
    int32_t nice;
    char name[16];
    uint64_t start_ns;

    struct confinement *confinement; // null: none
    fut_handle_t task, space;
    fs_context_t context;
    struct thread threads[MAX_THREADS];
    unsigned thread_count;

    fut_handle_t page_memory;
    struct process_signal_page *page; // mapped here
    uint64_t page_address;            // and there
    fut_handle_t signal_event, signal_event_shown; // 0 until a signal descriptor is used

    const struct proc_entry *proc_cwd; // its working directory in /proc, and whose; null: not there
    uint32_t proc_cwd_pid;
    struct image *image;           // what it runs; null before the first exec
    char *exe_path;                // absolute where it can be
    uint64_t args_address, args_bytes, env_address, env_bytes; // for /proc: its cmdline and environ
    uint64_t brk_start, stack_low, stack_high, text_low, text_high, startup_address;

    struct interval_timer real_timer;
    struct limit limits[LIMITS];
    struct process_usage children_usage, final_usage;
    struct waiter *waiters;
    struct deferred *vfork_waiter; // the parent's Fork call, answered when this execs or ends
};

// Ascending pid. A walk may end processes as it goes: one that leaves the list keeps its `next` until process_bury.
extern struct process *processes;
void process_init(void);
struct process *process_find(uint32_t pid);
struct process *process_create(struct process *parent); // not yet visible to find; null: no memory
void process_publish(struct process *p);
void process_discard(struct process *p);    // undoes create before publish
void process_end(struct process *p, uint32_t status); // becomes a zombie, or goes
void process_reap(struct process *p);     // leaves the table; the memory stays until process_bury
void process_bury(void);
void process_usage_of(const struct process *p, struct process_usage *u); // all but max_pages
void process_pages_of(const struct process *p, struct process_usage *u); // what is resident now
void process_tasks_ended(uint64_t bits);
uint32_t process_new_pid(void);
unsigned process_count(void);
unsigned process_forks(void);               // how many there ever were
[[nodiscard]] fut_status_t process_watch(struct process *p, fut_handle_t task);
void process_drop_memory(struct process *p); // task, space, threads, signal page, image
void process_vfork_done(struct process *p);

// --- confine.c -----------------------------------------------------------------------------------------
fut_handle_t confine_account(const struct process *p); // what its Space and Task are charged to; 0: posixd's own
bool confine_enter(struct process *p, struct confinement *c); // false: it is full
void confine_leave(struct process *p);
fut_status_t confine_process(struct process *p, uint64_t pages, uint32_t tasks);

// --- sigpage.c -----------------------------------------------------------------------------------------
[[nodiscard]] fut_status_t sigpage_create(struct process *p);
[[nodiscard]] fut_status_t sigpage_map(struct process *p, fut_handle_t space, uint64_t address);
void sigpage_destroy(struct process *p);

// --- signal.c ------------------------------------------------------------------------------------------
struct signal_source { int32_t code; uint32_t pid, uid; uint64_t value; };
void signal_send(struct process *p, unsigned signal, const struct signal_source *from, int slot); // slot -1: any
void signal_group(uint32_t group, unsigned signal, const struct signal_source *from);
void signal_default(struct process *p, unsigned signal);
void signal_init_process(unsigned signal); // to pid 1
void signal_child(struct process *child, int32_t code, uint32_t value);

// --- cred.c --------------------------------------------------------------------------------------------
bool cred_is_root(const struct credentials *c);
bool cred_may_signal(const struct process *from, const struct process *to, unsigned signal);
struct fs_cred cred_for_fs(const struct credentials *c);

// --- wait.c --------------------------------------------------------------------------------------------
void wait_news(struct process *parent); // a child of parent changed; null: pid 1
void wait_forget(struct process *p);

// --- jobs.c --------------------------------------------------------------------------------------------
bool group_exists_in_session(uint32_t group, uint32_t session);
bool group_is_orphaned(uint32_t group, const struct process *except);
void jobs_process_gone(struct process *p);
void jobs_terminal_signals(void);
void jobs_adopt_terminal(struct process *p, uint64_t terminal, uint64_t device, bool steal);

// --- image.c, exec.c -----------------------------------------------------------------------------------
struct image_segment {
    uint64_t address, bytes;       // page aligned, before the bias
    uint64_t offset;               // into memory
    uint64_t memory_bytes;         // that memory covers; what is beyond is zero
    fut_handle_t memory;           // 0: all zero
    uint32_t prot;
};
#define IMAGE_SEGMENTS 12
struct image {
    struct image *next;
    unsigned references, used;
    uint64_t dev, ino, size;
    int64_t mtime, ctime;
    uint64_t low, high, entry, phdr;
    uint16_t phnum, phent;
    bool position_independent, native;
    bool kept;                     // in the list; with no other reference, since idle_since
    uint64_t idle_since;
    char *path;                    // where it was when it was first run; null: could not be told
    unsigned segment_count;
    struct image_segment segment[IMAGE_SEGMENTS];
};
// The image of an open file; io errors or not_executable. A script is IMAGE_SCRIPT with its first line.
#define IMAGE_SCRIPT 1000
[[nodiscard]] fut_status_t image_get(io_file_t file, const struct io_stat *st, struct image **out, char *line,
                                     size_t line_size);
void image_release(struct image *image);
// Forgets the images that no process has run for a while; when to look next, FUT_FOREVER: there are none.
uint64_t images_due(uint64_t now);
[[nodiscard]] fut_status_t image_map(const struct image *image, fut_handle_t space, uint64_t bias);
[[nodiscard]] fut_status_t image_personality(struct fut_bytes file);
extern struct image *personality;
extern uint64_t personality_bias;

struct exec_request {
    struct process *process;
    io_file_t at;
    struct fut_string path;
    char *strings;                 // argv then envp, on the heap; replaced where a script needs others
    size_t string_bytes;
    uint32_t argc, envc;
    const struct process_descriptor *files;
    size_t file_count;
    bool from_handles;             // files' handles are posixd's own (Launcher), else of the old task
    unsigned slot;
};
[[nodiscard]] fut_status_t exec_run(struct exec_request *x); // on success the process runs the new image
bool exec_strings_are_sound(const char *strings, size_t bytes, uint64_t count);
uint32_t exec_priority(const struct process *p);

// --- fork.c --------------------------------------------------------------------------------------------
fut_status_t fork_handle(struct fut_request *req, const struct process_start *start, const uint32_t *handles,
                         size_t count, uint32_t *pid);
fut_status_t thread_handle(struct fut_request *req, const struct process_start *start, uint32_t *tid);
void thread_end(struct process *p, unsigned slot, uint32_t code);

// --- file.c --------------------------------------------------------------------------------------------
struct file;
struct file_class {
    struct io_file_ops ops;        // called with req->object = the struct file
    uint32_t protocol;             // a second one that its Sessions speak; 0: none
    void (*closed)(struct file *f); // the last handle is gone; frees it
    void (*orphaned)(void);         // it is on its way to somebody, and nobody has it open any more
};
struct file {
    struct object object;
    const struct file_class *class;
    uint32_t status;
    uint32_t sessions;             // that were handed out and whose last copy is not gone
    uint32_t in_flight;            // rights (rights.c) that name it
    bool closing, reached;         // reached: rights_collect's mark
    struct io_stat node;
};
void file_closed(struct file *f);  // one Session of it is gone
void file_unused(struct file *f);  // closes it where nothing is left that leads to it
[[nodiscard]] fut_status_t file_another_session(struct file *f, fut_handle_t *out);
extern const struct io_file_ops file_ops;
[[nodiscard]] fut_status_t file_session(struct file *f, const struct file_class *class, io_file_t *out);
fut_status_t file_common_stat(struct fut_request *req, struct io_file_stat_result *res);

// --- pipe.c, fifo.c ------------------------------------------------------------------------------------
[[nodiscard]] fut_status_t pipe_make(uint32_t status, const struct process *by, io_file_t *read, io_file_t *write);

// --- local.c, rights.c: sockets of the local domain ------------------------------------------------------
[[nodiscard]] fut_status_t local_new(uint32_t kind, uint32_t status, const struct process *by, fut_handle_t *out);
[[nodiscard]] fut_status_t local_pair(uint32_t kind, uint32_t status, const struct process *by, fut_handle_t *a, fut_handle_t *b);
fut_status_t local_bind_path(struct process *p, const struct fut_cap_arg *socket, struct fut_string path);
fut_status_t local_find_path(struct process *p, struct fut_string path, uint64_t *token);
extern const struct local_socket_ops local_ops;
void rights_collect(void); // what only sockets that nobody can reach any more hold

fut_status_t fifo_open(struct fut_request *req, const struct io_stat *node, uint32_t flags, io_file_t *out);

// --- counter.c, pollset.c: eventfd, timerfd; signalfd, epoll ---------------------------------------------
[[nodiscard]] fut_status_t counter_event(uint64_t initial, bool semaphore, uint32_t status, const struct process *by, io_file_t *out);
[[nodiscard]] fut_status_t counter_timer(uint32_t status, const struct process *by, io_file_t *out);
[[nodiscard]] fut_status_t signals_file(uint64_t mask, uint32_t status, const struct process *by, io_file_t *out);
[[nodiscard]] fut_status_t pollset_file(const struct process *by, io_file_t *out);
[[nodiscard]] fut_status_t signals_event(struct process *p, fut_handle_t *shown);
extern const struct descriptor_timer_ops timer_ops;
extern const struct descriptor_signals_ops signals_ops;
extern const struct descriptor_poll_set_ops pollset_ops;
struct io_stat file_anonymous_node(const struct process *by, uint32_t mode); // file.c

// --- readiness.c: the Event that shows whether a file is ready -------------------------------------------
struct readiness {
    fut_handle_t event, shown; // 0 until somebody asks; shown: the copy that is given out, to wait on only
    uint64_t level;
};
[[nodiscard]] fut_status_t readiness_get(struct readiness *r, fut_handle_t *shown); // made if it is not there: at level 0
// fresh: bits that something new has come for, signalled again although they are set.
void readiness_set(struct readiness *r, uint64_t level, uint64_t fresh);
void readiness_free(struct readiness *r); // and shows nothing any more to those who still hold it

// --- network.c -----------------------------------------------------------------------------------------
void network_init(void);
void network_changed(void); // perhaps

// --- device.c ------------------------------------------------------------------------------------------
fut_status_t device_open_special(struct fut_request *req, struct process *p, const struct io_stat *node,
                                 uint32_t flags, io_file_t *file, uint32_t *kind);
fut_status_t device_open_terminal(struct process *p, uint64_t device, uint32_t flags, const struct io_stat *node,
                                  io_file_t *file);
void device_fill_dev(void);
void device_ptys_changed(void);
void device_more_nodes(void);          // of block devices that have appeared

// --- random.c ------------------------------------------------------------------------------------------
void random_init(void);
void random_bytes(void *to, size_t len);
uint64_t random_below(uint64_t bound);

// --- timer.c -------------------------------------------------------------------------------------------
void timer_due(uint64_t now);          // the server's alarm
fut_status_t timer_set(struct process *p, unsigned which, uint64_t value, uint64_t interval, uint64_t *old_value,
                       uint64_t *old_interval);
fut_status_t timer_get(struct process *p, unsigned which, uint64_t *value, uint64_t *interval);
void timer_rearm(void);
extern uint32_t load_average[3];       // in 1/65536
void load_sample(void);                // brings it up to date

// --- mount.c, launcher.c -------------------------------------------------------------------------------
fut_status_t mount_handle(struct process *p, struct fut_string source, struct fut_string target,
                          struct fut_string kind, uint64_t flags, struct fut_string options);
fut_status_t unmount_handle(struct process *p, struct fut_string target, uint32_t flags);
void mount_boot(void);
extern const struct process_launcher_ops launcher_ops;
void launcher_notify(uint64_t bits);
uint64_t launcher_due(uint64_t now);   // the next time that a shutdown under way wants to be looked at

// --- proc_*.c ------------------------------------------------------------------------------------------
[[nodiscard]] fut_status_t proc_context(struct process *p, fs_context_t *out);
void proc_context_gone(struct object *o);
extern const struct fs_context_ops proc_context_ops;
fut_status_t proc_exe_of(struct process *p, struct fut_string path, char *to, size_t size); // /proc/self/exe, /proc/N/exe

struct memory_figures { uint64_t total, free, cached, dirty; };
void memory_figures(struct memory_figures *m);
#define SYSTEM_RELEASE "6.1.0-futura" // as uname -r: programs compare it with the kernel they were built for

extern const struct process_process_ops process_ops;
