// SPDX-License-Identifier: MPL-2.0
//
// ttyd: consoles and pseudo-terminals. What its files share.
//
// Everything that must outlive this process lies in `state`, a Memory that init keeps (state.c): the
// terminals with their queues, and the descriptions, one per Session that a program holds. Requests that
// wait are not there: when ttyd ends, their callers are told so and ask again.
//
// A terminal has two sides. Programs read and write the slave side; behind it is the line discipline; the
// far side is a serial line's driver (console) or the programs that hold a pty's master.
//
// The only calls that ttyd makes go down: to registryd and to the console's driver.
#pragma once
#include "line.h"
#include <fipc/console.h>
#include <fipc/io.h>
#include <fipc/registry.h>
#include <fipc/tty.h>
#include <futura/log.h>
#include <futura/server.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <string.h>

#define BADGE_ADMIN 1
#define BADGE_REGISTRY 2        // of the Session that registryd holds while ttyd listens to it
#define PTYS 64u
#define TERMINALS (1 + PTYS)    // terminal 0 is the console
#define DESCRIPTIONS 1024u
#define WAITERS 128u
#define WAIT_DATA 7168u         // an inline write

enum side { SLAVE, MASTER };

// --- State that outlives the process ---------------------------------------------------------------------
struct terminal {
    uint64_t id;                // 0: not in use
    uint32_t number;            // pty number; the console: ~0
    bool locked;                // pty: the slave cannot be opened yet
    bool hung;                  // pty: the master is gone
    bool slave_seen;            // pty: the slave has been open
    uint32_t opens[2];          // descriptions, by side
    uint32_t session, foreground;
    uint64_t signals;           // asked for, not yet taken by Snapshot; bit n - 1: signal n
    struct tty_size size;
    fut_handle_t kept_event[2]; // in the vault: readiness of each side
    struct line line;
};

struct description {
    uint64_t badge;             // 0: free
    uint32_t terminal;          // index
    uint32_t generation;        // of this place in the table: part of the badge
    uint8_t side;
    uint32_t status;            // IO_STATUS_*
    uint64_t device;            // as opened
    struct io_stat node;
};

#define STATE_MAGIC 0x3159545444545546ull
struct state {
    uint64_t magic;
    uint32_t bytes;             // sizeof: another layout is not read
    uint32_t starts;            // in a row without having served much
    uint64_t next_id;
    fut_handle_t kept_watch;    // in the vault: posixd's Event
    uint32_t reserved;
    struct terminal terminal[TERMINALS];
    struct description description[DESCRIPTIONS];
};
extern struct state *state;

void state_open(fut_handle_t channel);
fut_handle_t vault_keep(fut_handle_t h);       // its name in the vault; 0: could not
fut_handle_t vault_take(fut_handle_t kept);    // a copy of what is kept; 0: nothing
void vault_drop(fut_handle_t kept);

// --- Terminals (terminal.c) -----------------------------------------------------------------------------
struct terminal *terminal_by_id(uint64_t id);
struct terminal *terminal_by_pty(uint32_t number);
struct terminal *terminal_new_pty(void);
static inline unsigned terminal_index(const struct terminal *t) { return (unsigned)(t - state->terminal); }
static inline bool terminal_is_console(const struct terminal *t) { return t == &state->terminal[0]; }
void terminal_release(struct terminal *t, enum side side); // a description of it is gone
// After anything that happened to it: answers who can be answered, moves bytes, tells who watches. May be called
// in the middle of such work: the work then goes on with it.
void terminal_work(struct terminal *t);
void terminals_resume(void);                   // once, after a start
fut_handle_t terminal_event(struct terminal *t, enum side side); // to hand out; 0: could not be made
void terminal_signal(struct terminal *t, unsigned signal);
bool terminal_drained(struct terminal *t);
uint64_t terminal_last_input(const struct terminal *t);
void terminal_note_input(struct terminal *t);

extern fut_handle_t watch;                     // posixd's Event; 0: none yet
#define WATCH_SIGNALS 1u
#define WATCH_PTYS 2u
void watch_tell(uint64_t bits);

// --- Descriptions (main.c) -------------------------------------------------------------------------------
struct description *description_new(struct terminal *t, enum side side, uint32_t status, uint64_t device,
                                    const struct io_stat *node);
struct description *description_of(uint64_t badge);
static inline struct terminal *description_terminal(const struct description *d) { return &state->terminal[d->terminal]; }

// --- Requests that wait (wait.c) ----------------------------------------------------------------------------
// Each tries at once, and defers what has to wait.
fut_status_t wait_read(struct fut_request *req, struct description *d, size_t want, struct fut_buffer *to);
fut_status_t wait_read_into(struct fut_request *req, struct description *d, struct fut_lease_arg lease, uint64_t *n);
fut_status_t wait_write(struct fut_request *req, struct description *d, struct fut_bytes data, uint32_t *n);
fut_status_t wait_write_from(struct fut_request *req, struct description *d, struct fut_lease_arg lease, uint64_t *n);
fut_status_t wait_drain(struct fut_request *req, struct description *d);
fut_status_t wait_set_attr(struct fut_request *req, struct description *d, bool flush, const struct line_termios *t);
bool wait_serve(struct terminal *t);           // true: somebody got something
void wait_cancel(struct fut_server *server, fut_reply_t reply);
void wait_stale(struct fut_server *server, fut_reply_t reply);
void wait_alarm(struct fut_server *server, uint64_t now);
void wait_schedule(void);                      // sets the server's alarm to what comes next

// --- The console's driver (console.c) -----------------------------------------------------------------------
void console_open(fut_handle_t registry, fut_handle_t event);
void console_signals(uint64_t bits);
bool console_pump(struct terminal *t);         // moves bytes both ways; true: some moved
bool console_idle(void);                       // all output has left
uint64_t console_check(uint64_t now);          // looks after the driver where it is time; when to be called next
#define CONSOLE_SIGNALS 0x7u                   // of console.Console.Watch
#define CONSOLE_GONE 0x8u
#define CONSOLE_NAMES 0x10u                    // events of registryd
void console_registry_gone(void);              // registryd forgot that ttyd listens: it was restarted

extern struct fut_server server;
extern const struct io_file_ops file_ops;
extern const struct tty_terminal_ops control_ops;
extern const struct tty_admin_ops admin_ops;
