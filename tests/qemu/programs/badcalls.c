// SPDX-License-Identifier: MPL-2.0
//
// Every system call number of the Linux ABI with bad arguments: null, odd, unmapped, read-only, kernel and
// non-canonical pointers, and absurd lengths. Each call is made by a child of its own, which a timer ends if the call
// waits for something. The program's own success says little; what counts is that the system lives and that a few calls
// with known answers give EFAULT and not a signal.

#include "linux.h"

enum { SIGCHLD = 17, SIGALRM = 14, EFAULT = 14, PATTERNS = 14, LAST_CALL = 460 };

#if defined(__x86_64__)
// Not tried: calls that end or signal others by number, or stop the machine.
static const short skipped[] = {60, 231, 62, 200, 234, 129, 297, 169, 57, 58, 56, 435};
enum { NR_CLOSE = 3, NR_OPENAT = 257, NR_NEWFSTATAT = 262, NR_PIPE2 = 293, NR_GETCWD = 79, NR_UNAME = 63, NR_CLOCK_GETTIME = 228,
       NR_RT_SIGACTION = 13, NR_EXECVE = 59, NR_READV = 19, NR_POLL = 7 };
#else
static const short skipped[] = {93, 94, 129, 130, 131, 138, 240, 142, 220, 435};
enum { NR_CLOSE = 57, NR_OPENAT = 56, NR_NEWFSTATAT = 79, NR_PIPE2 = 59, NR_GETCWD = 17, NR_UNAME = 160, NR_CLOCK_GETTIME = 113,
       NR_RT_SIGACTION = 134, NR_EXECVE = 221, NR_READV = 65, NR_POLL = 73 };
#endif

static char good[4096] __attribute__((aligned(4096)));
static char sealed[4096] __attribute__((aligned(4096)));

static unsigned long value(int pattern, int argument, unsigned long *seed)
{
    static const unsigned long fixed[] = {
        0, 1, ~0ul, 0x1000, 0xffffffff80000000ul, 0x8000000000000000ul, 0x7ffffffff000ul, 0x00007ffffffffffful, 0xdeadbeefcafel,
    };
    if (pattern < 9)
        return fixed[pattern];
    switch (pattern) {
    case 9: return argument == 1 ? (unsigned long)good : ~0ul >> 1;
    case 10: return argument == 0 ? 0 : argument == 1 ? (unsigned long)(good + 4090) : 1ul << 20;
    case 11: return argument == 0 ? 1 : (unsigned long)sealed;
    case 12: return argument == 0 ? (unsigned long)-100 : (unsigned long)good; // AT_FDCWD, an empty path
    default:
        *seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
        return *seed >> (*seed >> 58);
    }
}

static long forked(void) { return call(NR_CLONE, SIGCHLD, 0, 0, 0, 0, 0); }

static int check(const char *name, long got)
{
    if (got == -EFAULT)
        return 0;
    print(name);
    print(" gave ");
    print_number(got);
    print(", not EFAULT\n");
    return 1;
}

void entry(long argc, char **argv)
{
    (void)argc;
    (void)argv;
    call(NR_MPROTECT, (long)sealed, 4096, 1, 0, 0, 0);
    int wrong = 0;
    int status_wrong = -1;
    long bad[] = {8, 0x7ffffffff000l, (long)0xffffffff80000000ul};
    for (int i = 0; i < 3; i++) {
        wrong += check("write", call(NR_WRITE, 1, bad[i], 5, 0, 0, 0));
        wrong += check("openat", call(NR_OPENAT, -100, bad[i], 0, 0, 0, 0));
        wrong += check("fstatat", call(NR_NEWFSTATAT, -100, (long)"/", bad[i], 0, 0, 0));
        wrong += check("pipe2", call(NR_PIPE2, bad[i], 0, 0, 0, 0, 0));
        wrong += check("getcwd", call(NR_GETCWD, bad[i], 100, 0, 0, 0, 0));
        wrong += check("uname", call(NR_UNAME, bad[i], 0, 0, 0, 0, 0));
        wrong += check("clock_gettime", call(NR_CLOCK_GETTIME, 0, bad[i], 0, 0, 0, 0));
        wrong += check("rt_sigaction", call(NR_RT_SIGACTION, 10, bad[i], 0, 8, 0, 0));
        wrong += check("execve", call(NR_EXECVE, bad[i], 0, 0, 0, 0, 0));
        wrong += check("uname of a sealed page", call(NR_UNAME, (long)sealed, 0, 0, 0, 0, 0));
    }
    long calls = 0, returned = 0, timed_out = 0, killed = 0;
    unsigned long seed = 20260101;
    for (long nr = 0; nr < LAST_CALL; nr++) {
        int skip = 0;
        for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
            skip |= skipped[i] == nr;
        if (skip)
            continue;
        for (int pattern = 0; pattern < PATTERNS; pattern++) {
            unsigned long a[6];
            for (int i = 0; i < 6; i++)
                a[i] = value(pattern, i, &seed);
            long child = forked();
            if (child < 0) {
                print("clone gave ");
                print_number(child);
                print("\n");
                quit(1);
            }
            if (child == 0) {
                for (int fd = 0; fd < 3; fd++)
                    call(NR_CLOSE, fd, 0, 0, 0, 0, 0); // nothing of it is to be read
                long timer[4] = {0, 0, 0, 50000};
                call(NR_SETITIMER, 0, (long)timer, 0, 0, 0, 0);
                call(nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
                quit(0);
            }
            int status = status_wrong;
            while (call(NR_WAIT4, child, (long)&status, 0, 0, 0, 0) == -4)
                ;
            calls++;
            if ((status & 0x7f) == 0)
                returned++;
            else if ((status & 0x7f) == SIGALRM)
                timed_out++;
            else
                killed++;
        }
    }
    print("calls ");
    print_number(calls);
    print(", returned ");
    print_number(returned);
    print(", ended by the timer ");
    print_number(timed_out);
    print(", by another signal ");
    print_number(killed);
    print(wrong ? "\nwrong answers\n" : "\nall known answers right\n");
    quit(wrong != 0);
}
