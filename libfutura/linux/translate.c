// SPDX-License-Identifier: MPL-2.0
//
// Between Linux's structures and flags and those of the protocols. No state, no calls: tests/unit runs this file on
// the host.
#include "linux.h"

struct flag_pair { uint32_t linux_flag, ours; };
static const struct flag_pair open_pairs[] = {
    {O_APPEND, FS_OPEN_FLAGS_APPEND},       {O_NONBLOCK, FS_OPEN_FLAGS_NONBLOCK},   {O_DIRECT, FS_OPEN_FLAGS_DIRECT},
    {O_DSYNC, FS_OPEN_FLAGS_SYNC},          {O_PATH, FS_OPEN_FLAGS_PATH},           {O_CREAT, FS_OPEN_FLAGS_CREATE},
    {O_EXCL, FS_OPEN_FLAGS_EXCLUSIVE},      {O_TRUNC, FS_OPEN_FLAGS_TRUNCATE},      {O_DIRECTORY, FS_OPEN_FLAGS_DIRECTORY},
    {O_NOFOLLOW, FS_OPEN_FLAGS_NO_FOLLOW},  {O_NOATIME, FS_OPEN_FLAGS_NO_ATIME},
};
#define PAIRS (sizeof open_pairs / sizeof open_pairs[0])
#define O_TMPFILE_BIT 020000000u

uint32_t open_flags_in(uint32_t flags)
{
    uint32_t out = flags & O_ACCMODE;
    for (size_t i = 0; i < PAIRS; i++)
        if (flags & open_pairs[i].linux_flag)
            out |= open_pairs[i].ours;
    if (flags & O_TMPFILE_BIT)
        out |= FS_OPEN_FLAGS_TMPFILE;
    if (flags & O_PATH) // O_PATH looks at nothing but these
        out &= FS_OPEN_FLAGS_PATH | FS_OPEN_FLAGS_DIRECTORY | FS_OPEN_FLAGS_NO_FOLLOW;
    return out;
}

uint32_t open_flags_out(uint32_t status)
{
    uint32_t out = status & O_ACCMODE;
    for (size_t i = 0; i < 5; i++) // those that are status flags of a description
        if (status & open_pairs[i].ours)
            out |= open_pairs[i].linux_flag;
    return out | O_LARGEFILE;
}

uint32_t at_flags_in(uint32_t at)
{
    return (at & AT_SYMLINK_NOFOLLOW ? FS_AT_NO_FOLLOW : 0) | (at & AT_EMPTY_PATH ? FS_AT_EMPTY_PATH : 0) |
           (at & AT_SYMLINK_FOLLOW ? FS_AT_FOLLOW : 0);
}

static void split(int64_t ns, int64_t *sec, int64_t *nsec)
{
    struct linux_timespec t = ns_timespec(ns);
    *sec = t.sec;
    *nsec = t.nsec;
}

void stat_out(struct linux_stat *to, const struct io_stat *from)
{
    *to = (struct linux_stat){
        .dev = from->dev, .ino = from->ino, .nlink = from->nlink, .mode = from->mode, .uid = from->uid, .gid = from->gid,
        .rdev = from->rdev, .size = (int64_t)from->size, .blocks = (int64_t)from->blocks,
    };
    to->block_size = from->block_size;
    split(from->atime, &to->atime, &to->atime_ns);
    split(from->mtime, &to->mtime, &to->mtime_ns);
    split(from->ctime, &to->ctime, &to->ctime_ns);
}

void termios_out(struct linux_termios *to, const struct tty_termios *from)
{
    *to = (struct linux_termios){.iflag = from->iflag, .oflag = from->oflag, .cflag = from->cflag, .lflag = from->lflag, .line = from->line};
    for (int i = 0; i < 19; i++)
        to->cc[i] = from->cc[i];
}

void termios_in(struct tty_termios *to, const struct linux_termios *from, const struct tty_termios *old)
{
    *to = *old; // speeds, and the control characters that this structure has no room for
    to->iflag = from->iflag;
    to->oflag = from->oflag;
    to->cflag = from->cflag;
    to->lflag = from->lflag;
    to->line = from->line;
    for (int i = 0; i < 19; i++)
        to->cc[i] = from->cc[i];
}

void siginfo_out(struct linux_siginfo *to, const struct process_signal_info *from)
{
    *to = (struct linux_siginfo){.signo = (int32_t)from->signal, .code = from->code};
    to->from.pid = from->pid;
    to->from.uid = from->uid;
    to->from.value = from->value; // for SIGCHLD the low half is si_status
}

// struct linux_dirent64: ino, off, reclen, type, name; 8-aligned records.
bool dirent_out(struct dirent_cursor *c, uint64_t ino, uint64_t next, uint8_t kind, const char *name, size_t length)
{
    size_t bytes = (19 + length + 1 + 7) & ~(size_t)7;
    if (bytes > c->room - c->used)
        return false;
    uint8_t *to = c->to + c->used;
    __builtin_memcpy(to, &ino, 8);
    __builtin_memcpy(to + 8, &next, 8);
    uint16_t record = (uint16_t)bytes;
    __builtin_memcpy(to + 16, &record, 2);
    to[18] = kind;
    __builtin_memcpy(to + 19, name, length);
    for (size_t i = 19 + length; i < bytes; i++)
        to[i] = 0;
    c->used += bytes;
    return true;
}
