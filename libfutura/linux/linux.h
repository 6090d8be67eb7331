// SPDX-License-Identifier: MPL-2.0
//
// The Linux personality: what its files share. A foreign system call arrives as an upcall (upcall.c), is looked up in
// the table of the architecture (<arch>/table.inc) and served by one C function of six arguments; what it gives back
// goes into the program's result register. What differs between the architectures, and nothing else, is in
// <arch>/layout.h and <arch>/frame.c.
#pragma once

#include "../posix/posix.h"
#include "layout.h"

typedef uint64_t u64;
#define SYSCALL(name) \
    long sys_##name([[maybe_unused]] u64 a, [[maybe_unused]] u64 b, [[maybe_unused]] u64 c, [[maybe_unused]] u64 d, \
                    [[maybe_unused]] u64 e, [[maybe_unused]] u64 f)
typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);

// What rt_sigreturn gives: the frame holds the program's registers as they are to be, its result among them.
#define RESULT_IN_FRAME INT64_MIN

#define LINUX_PATH_MAX 4096

// A path argument: copied in, checked for what Linux checks before it looks anything up.
static inline long path_in(char to[LINUX_PATH_MAX], u64 user)
{
    long n = user_string(to, user, LINUX_PATH_MAX);
    return n == 0 ? -ENOENT : n < 0 ? n : 0;
}
#define GET_PATH(name, user) \
    char name[LINUX_PATH_MAX]; \
    do { \
        long bad_path = path_in(name, user); \
        if (bad_path < 0) \
            return bad_path; \
    } while (0)

struct linux_timespec { int64_t sec, nsec; };
struct linux_timeval { int64_t sec, usec; };

static inline bool timespec_valid(const struct linux_timespec *t)
{
    return t->sec >= 0 && t->nsec >= 0 && t->nsec < (int64_t)NS_PER_S;
}
// Saturates: a time beyond the clock is one that never comes.
static inline uint64_t timespec_ns(const struct linux_timespec *t)
{
    return t->sec > 9000000000 ? (uint64_t)INT64_MAX : (uint64_t)t->sec * NS_PER_S + (uint64_t)t->nsec;
}
static inline struct linux_timespec ns_timespec(int64_t ns)
{
    int64_t sec = ns / (int64_t)NS_PER_S, rest = ns % (int64_t)NS_PER_S;
    return rest < 0 ? (struct linux_timespec){sec - 1, rest + (int64_t)NS_PER_S} : (struct linux_timespec){sec, rest};
}
uint64_t deadline_after(uint64_t ns);          // now + ns, saturating
// A timeout argument: *deadline FUT_FOREVER without one.
long timespec_deadline(u64 user, uint64_t *deadline);

// sys_file.c: readv and writev for others
long transfer_vector(u64 fd, u64 user, u64 count, uint64_t offset, bool write);

// sys_net.c
long socket_ioctl(unsigned fd, uint32_t request, u64 user);

// sys_poll.c: the signal mask for the time of one call (0: none is given), and what the call gives then
long mask_for_call(u64 user, bool *set);
long mask_after_call(long result, bool set);

// translate.c: pure translations.
uint32_t open_flags_in(uint32_t linux_flags);  // O_* to fs.OpenFlags
uint32_t open_flags_out(uint32_t status);      // io.Status to O_*
uint32_t at_flags_in(uint32_t at);             // AT_* to fs.At
void stat_out(struct linux_stat *to, const struct io_stat *from);
struct linux_termios {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t line, cc[19];
};
void termios_out(struct linux_termios *to, const struct tty_termios *from);
void termios_in(struct tty_termios *to, const struct linux_termios *from, const struct tty_termios *old);
struct linux_siginfo {
    int32_t signo, error, code, pad;
    union {
        struct { uint32_t pid, uid; union { int32_t status; u64 value; }; } from;
        u64 address;
        uint8_t bytes[112];
    };
};
static_assert(sizeof(struct linux_siginfo) == 128);
void siginfo_out(struct linux_siginfo *to, const struct process_signal_info *from);
struct dirent_cursor { uint8_t *to; size_t room, used; };
bool dirent_out(struct dirent_cursor *c, uint64_t ino, uint64_t next, uint8_t kind, const char *name, size_t length);

// signal.c
void deliver_signals(struct fut_frame *frame, long result, bool in_call);
void deliver_fault(struct fut_frame *frame);
void linux_bad_return(void); // <arch>/entry.S
// <arch>/frame.c: false when the program's stack does not take the frame.
bool frame_push(struct fut_frame *frame, unsigned signal, const struct posix_action *action,
                const struct linux_siginfo *info, uint64_t mask, uint64_t stack_top, bool on_altstack);
// Restores registers; gives the mask to set. False: the frame is not readable.
bool frame_pop(struct fut_frame *frame, uint64_t *mask);
void fp_save(void *area);      // FP_BYTES, 64-aligned: what fork hands to the child
void fp_restore(const void *area);
struct linux_stack { u64 sp; int32_t flags; int32_t pad; u64 size; };
bool altstack_covers(uint64_t sp);
uint64_t sigreturn_trampoline(void); // arm64: in program memory

// start.c
struct child_plan {
    alignas(64) uint8_t fp[(FP_BYTES + 63) & ~63];
    uint64_t set_tid, clear_tid, stack, tls;
    bool has_tls;
};
extern struct child_plan child_plan; // written by clone before the fork, read by the child
void child_main(struct fut_frame *frame);
extern uint8_t linux_fork_child[], linux_thread_child[], linux_upcall_entry[];
