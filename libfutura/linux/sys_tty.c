// SPDX-License-Identifier: MPL-2.0
//
// ioctl: terminals, and the few requests on other files that programs rely on.
#include "linux.h"

enum {
    TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCSBRK = 0x5409, TCXONC, TCFLSH, TIOCSCTTY = 0x540e, TIOCGPGRP, TIOCSPGRP,
    TIOCOUTQ = 0x5411, TIOCGWINSZ = 0x5413, TIOCSWINSZ, FIONREAD = 0x541b, FIONBIO = 0x5421, TIOCNOTTY, TCSBRKP = 0x5425,
    TIOCGSID = 0x5429, FIONCLEX = 0x5450, FIOCLEX,
};
#define TIOCGPTN 0x80045430u
#define TIOCSPTLCK 0x40045431u
#define TCGETS2 0x802c542au
#define TCSETS2 0x402c542bu
#define BLKGETSIZE 0x1260u
#define BLKSSZGET 0x1268u
#define BLKGETSIZE64 0x80081272u

struct linux_termios2 { struct linux_termios t; uint32_t in_speed, out_speed; };
static_assert(sizeof(struct linux_termios) == 36 && sizeof(struct linux_termios2) == 44);

static long set_attributes(tty_terminal_t t, unsigned when, u64 user, bool with_speeds)
{
    struct linux_termios2 set = {};
    struct tty_termios old, now;
    if (!user_read(&set, user, with_speeds ? sizeof set : sizeof set.t))
        return -EFAULT;
    fut_status_t status = tty_terminal_get_attr(t, &old);
    if (status != FUT_OK)
        return posix_errno(status);
    termios_in(&now, &set.t, &old);
    if (with_speeds) {
        now.ispeed = set.in_speed;
        now.ospeed = set.out_speed;
    }
    return posix_errno(tty_terminal_set_attr_opt(t, &posix_interruptible, (uint8_t)when, &now));
}

static long word_out(u64 user, uint32_t value) { return user_write(user, &value, sizeof value) ? 0 : -EFAULT; }

static long terminal(struct posix_fd *file, uint32_t request, u64 c)
{
    tty_terminal_t t = {file->handle};
    io_file_t as_file = {file->handle};
    uint32_t x, y;
    fut_status_t status;
    switch (request) { // a background process must not change the terminal (POSIX 11.1.4)
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETS2:
    case TCSETS2 + 1:
    case TCSETS2 + 2:
    case TCFLSH:
    case TCXONC:
    case TCSBRK:
    case TCSBRKP: {
        long allowed = posix_terminal_allowed(file, true);
        if (allowed != 0)
            return allowed;
        break;
    }
    default: break;
    }
    switch (request) {
    case TCGETS:
    case TCGETS2: {
        struct tty_termios now;
        struct linux_termios2 out;
        status = tty_terminal_get_attr(t, &now);
        if (status != FUT_OK)
            return posix_errno(status);
        termios_out(&out.t, &now);
        out.in_speed = now.ispeed;
        out.out_speed = now.ospeed;
        return user_write(c, &out, request == TCGETS ? sizeof out.t : sizeof out) ? 0 : -EFAULT;
    }
    case TCSETS:
    case TCSETSW:
    case TCSETSF: return set_attributes(t, request - TCSETS, c, false);
    case TCSETS2:
    case TCSETS2 + 1:
    case TCSETS2 + 2: return set_attributes(t, request - TCSETS2, c, true);
    case TIOCGWINSZ: {
        struct tty_size size;
        status = tty_terminal_get_size(t, &size);
        if (status != FUT_OK)
            return posix_errno(status);
        static_assert(sizeof size == 8);
        return user_write(c, &size, sizeof size) ? 0 : -EFAULT;
    }
    case TIOCSWINSZ: {
        struct tty_size size;
        if (!user_read(&size, c, sizeof size))
            return -EFAULT;
        return posix_errno(tty_terminal_set_size(t, &size));
    }
    case TIOCGPGRP:
    case TIOCGSID: {
        uint64_t number;
        status = tty_terminal_get_foreground(t, &x, &y, &number);
        if (status != FUT_OK)
            return posix_errno(status);
        if (y == 0)
            return -ENOTTY; // nobody's controlling terminal
        return word_out(c, request == TIOCGPGRP ? x : y);
    }
    case TIOCSPGRP:
        if (!user_load32(&x, c))
            return -EFAULT;
        if ((int32_t)x < 0)
            return -EINVAL;
        return posix_errno(process_process_set_foreground(posix.process, as_file, x));
    case TIOCSCTTY: return posix_errno(process_process_set_controlling(posix.process, as_file, c == 1));
    case TIOCNOTTY: return posix_errno(process_process_drop_controlling(posix.process));
    case TCFLSH: return c > 2 ? -EINVAL : posix_errno(tty_terminal_flush(t, (uint8_t)(c + 1)));
    case TCXONC: return c > 3 ? -EINVAL : posix_errno(tty_terminal_flow(t, (uint8_t)c));
    case TCSBRK:
    case TCSBRKP:
        if (request == TCSBRK && c != 0)
            return posix_errno(tty_terminal_drain_opt(t, &posix_interruptible));
        return posix_errno(tty_terminal_break_opt(t, &posix_interruptible, c == 0 ? 250 : (uint32_t)c * 100));
    case FIONREAD:
    case TIOCOUTQ:
        status = tty_terminal_queued(t, &x, &y);
        return status != FUT_OK ? posix_errno(status) : word_out(c, request == FIONREAD ? x : y);
    case TIOCGPTN:
        status = tty_terminal_pty_number(t, &x);
        return status != FUT_OK ? posix_errno(status) : word_out(c, x);
    case TIOCSPTLCK:
        if (!user_load32(&x, c))
            return -EFAULT;
        return posix_errno(tty_terminal_lock_pty(t, x != 0));
    default: return -ENOTTY;
    }
}

SYSCALL(ioctl)
{
    struct posix_fd *file = posix_fd_get((unsigned)a);
    if (file == nullptr || (file->hints & FD_IS_PATH))
        return -EBADF;
    uint32_t request = (uint32_t)b, x;
    switch (request) {
    case FIOCLEX: file->cloexec = true; return 0;
    case FIONCLEX: file->cloexec = false; return 0;
    case FIONBIO: {
        if (!user_load32(&x, c))
            return -EFAULT;
        long status = posix_get_status((unsigned)a);
        if (status < 0)
            return status;
        return posix_set_status((unsigned)a, x != 0 ? (uint32_t)status | IO_STATUS_NONBLOCK : (uint32_t)status & ~IO_STATUS_NONBLOCK);
    }
    default: break;
    }
    if (file->kind == FUT_POSIX_KIND_TERMINAL)
        return terminal(file, request, c);
    struct io_stat st;
    long error;
    if (file->kind == FUT_POSIX_KIND_SOCKET || file->kind == FUT_POSIX_KIND_INET)
        return socket_ioctl((unsigned)a, request, c);
    switch (request) {
    case FIONREAD: {
        error = posix_stat_fd((unsigned)a, &st);
        if (error != 0)
            return error;
        long at = file->kind == FUT_POSIX_KIND_REGULAR ? posix_seek((unsigned)a, 0, 1) : 0;
        return word_out(c, at >= 0 && st.size > (u64)at ? (uint32_t)(st.size - (u64)at) : 0);
    }
    case BLKGETSIZE:
    case BLKGETSIZE64: {
        error = posix_stat_fd((unsigned)a, &st);
        if (error != 0)
            return error;
        if ((st.mode & S_IFMT) != S_IFBLK)
            return -ENOTTY;
        u64 size = request == BLKGETSIZE ? st.size / 512 : st.size;
        return user_write(c, &size, sizeof size) ? 0 : -EFAULT;
    }
    case BLKSSZGET:
        error = posix_stat_fd((unsigned)a, &st);
        return error != 0 ? error : (st.mode & S_IFMT) != S_IFBLK ? -ENOTTY : word_out(c, 512);
    default: return -ENOTTY;
    }
}
