// SPDX-License-Identifier: MPL-2.0
//
// What POSIX says about processes, as a glibc program sees it: children, signals, groups, credentials, exec,
// FIFOs. The same binary says the same on Linux. Runs as root.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int checks, wrong;
#define CHECK(x)                                                                       \
    do {                                                                               \
        checks++;                                                                      \
        if (!(x)) {                                                                    \
            wrong++;                                                                   \
            printf("process_abi.c:%d: %s (errno %d)\n", __LINE__, #x, errno);          \
            fflush(stdout);                                                            \
        }                                                                              \
    } while (0)
#define FAILS(x, e) CHECK((x) == -1 && errno == (e))

static char self[256], dir[] = "/tmp/process_abi.XXXXXX", path[3][300];

static pid_t child(void)
{
    fflush(stdout);
    return fork();
}

static void nap(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static int ended(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
        ;
    return status;
}

static volatile siginfo_t seen;
static volatile int count;
static void on_info(int s, siginfo_t *i, void *u)
{
    (void)s, (void)u;
    memcpy((void *)&seen, i, sizeof seen);
    count++;
}

static void catch(int s, int flags)
{
    struct sigaction a = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags};
    sigaction(s, &a, NULL);
    count = 0;
}

static void test_wait(void)
{
    int status;
    FAILS(waitpid(-1, &status, WNOHANG), ECHILD);
    pid_t a = child();
    if (a == 0)
        nap(100), _exit(7);
    CHECK(waitpid(a, &status, WNOHANG) == 0);
    CHECK(waitpid(a, &status, 0) == a && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    FAILS(waitpid(a, &status, 0), ECHILD);
    a = child();
    if (a == 0)
        _exit(300);
    CHECK(WEXITSTATUS(ended(a)) == 300 % 256);
    a = child();
    if (a == 0)
        raise(SIGKILL);
    status = ended(a);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    a = child();
    if (a == 0) {
        setpgid(0, 0);
        nap(100);
        _exit(1);
    }
    setpgid(a, a);
    FAILS(waitpid(0, &status, WNOHANG), ECHILD); // it is in another group
    CHECK(waitpid(-a, &status, 0) == a && WEXITSTATUS(status) == 1);

    a = child();
    if (a == 0) {
        raise(SIGSTOP);
        _exit(2);
    }
    CHECK(waitpid(a, &status, WUNTRACED) == a && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK(waitpid(a, &status, WUNTRACED | WNOHANG) == 0);
    kill(a, SIGCONT);
    CHECK(waitpid(a, &status, WCONTINUED) == a && WIFCONTINUED(status));
    CHECK(waitpid(a, &status, 0) == a && WEXITSTATUS(status) == 2);

    siginfo_t info = {0};
    a = child();
    if (a == 0)
        _exit(9);
    CHECK(waitid(P_PID, (id_t)a, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == a && info.si_status == 9);
    CHECK(WEXITSTATUS(ended(a)) == 9); // it was only looked at
    // The process that waits is interrupted by a handler.
    catch(SIGUSR1, 0);
    pid_t parent = getpid();
    a = child();
    if (a == 0) {
        nap(100);
        kill(parent, SIGUSR1);
        nap(100);
        _exit(0);
    }
    FAILS(waitpid(a, &status, 0), EINTR);
    CHECK(count == 1);
    CHECK(ended(a) == 0);
    signal(SIGUSR1, SIG_DFL);
}

static void test_child_signals(void)
{
    catch(SIGCHLD, 0);
    pid_t a = child();
    if (a == 0)
        _exit(5);
    while (count == 0)
        pause();
    CHECK(seen.si_code == CLD_EXITED && seen.si_pid == a && seen.si_status == 5 && seen.si_uid == getuid());
    ended(a);
    catch(SIGCHLD, 0);
    a = child();
    if (a == 0)
        pause(), _exit(0);
    kill(a, SIGSTOP);
    while (count == 0)
        nap(10);
    CHECK(seen.si_code == CLD_STOPPED && seen.si_pid == a && seen.si_status == SIGSTOP);
    catch(SIGCHLD, SA_NOCLDSTOP);
    kill(a, SIGCONT);
    nap(50);
    kill(a, SIGSTOP);
    nap(50);
    CHECK(count == 0);
    kill(a, SIGKILL);
    CHECK(WTERMSIG(ended(a)) == SIGKILL && count == 1 && seen.si_code == CLD_KILLED);
    signal(SIGCHLD, SIG_IGN);
    a = child();
    if (a == 0)
        _exit(0);
    int status;
    FAILS(waitpid(a, &status, 0), ECHILD); // after it has ended
    signal(SIGCHLD, SIG_DFL);
    struct sigaction no_wait = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &no_wait, NULL);
    a = child();
    if (a == 0)
        _exit(0);
    FAILS(waitpid(a, &status, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void test_groups(void)
{
    pid_t a = child();
    if (a == 0) {
        int bad = 0;
        bad += setpgid(0, 0) != 0;
        bad += !(setsid() == -1 && errno == EPERM); // leader of a group
        pid_t b = child();
        if (b == 0) {
            bad = setsid() != getpid() || getpgrp() != getpid() || getsid(0) != getpid();
            bad += !(setpgid(0, 0) == -1 && errno == EPERM); // session leader
            bad += !(setpgid(0, getppid()) == -1 && errno == EPERM);
            _exit(bad);
        }
        bad += ended(b) != 0;
        b = child();
        if (b == 0) {
            execl(self, self, "sleep", "200", NULL);
            _exit(99);
        }
        nap(100);
        bad += !(setpgid(b, b) == -1 && errno == EACCES); // it has executed a program
        bad += !(setpgid(1, 1) == -1 && errno == ESRCH);
        bad += !(kill(-(getpid() + 20000), 0) == -1 && errno == ESRCH);
        kill(0, SIGCONT); // everybody here, without harm
        kill(b, SIGKILL);
        ended(b);
        _exit(bad);
    }
    CHECK(ended(a) == 0);
    // A group whose last link to its session goes is hung up if it is stopped.
    int p[2];
    char c = 0;
    CHECK(pipe(p) == 0);
    a = child();
    if (a == 0) {
        pid_t b = child();
        if (b == 0) {
            setpgid(0, 0);
            catch(SIGHUP, 0);
            raise(SIGSTOP);
            c = count == 1 && getppid() == 1 ? 'y' : 'n';
            _exit(write(p[1], &c, 1) != 1);
        }
        setpgid(b, b);
        int status;
        waitpid(b, &status, WUNTRACED);
        _exit(0);
    }
    CHECK(ended(a) == 0);
    CHECK(read(p[0], &c, 1) == 1 && c == 'y');
    close(p[0]);
    close(p[1]);
}

static void test_blocking(void)
{
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, &old);
    catch(SIGUSR1, 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    CHECK(count == 0);
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
    siginfo_t info;
    CHECK(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == getpid() && info.si_code == SI_USER);
    FAILS(sigtimedwait(&set, &info, &(struct timespec){0, 50000000}), EAGAIN); // standard signals do not queue
    pid_t parent = getpid(), a = child();
    if (a == 0) {
        nap(50);
        kill(parent, SIGUSR2); // not caught: it is waited for
        _exit(0);
    }
    CHECK(sigtimedwait(&set, &info, &(struct timespec){5, 0}) == SIGUSR2 && info.si_pid == a);
    ended(a);
    a = child();
    if (a == 0) {
        nap(50);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    sigset_t without = old;
    sigdelset(&without, SIGUSR1);
    FAILS(sigsuspend(&without), EINTR);
    CHECK(count == 1);
    ended(a);
    // A pending signal whose action becomes "ignore" is gone.
    kill(getpid(), SIGUSR2);
    signal(SIGUSR2, SIG_IGN);
    CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGUSR2));
    signal(SIGUSR2, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
    FAILS(kill(getpid(), 65), EINVAL);
    FAILS(kill(999999, 0), ESRCH);
    // A stopped process takes what came meanwhile when it goes on.
    a = child();
    if (a == 0)
        for (;;)
            pause();
    int status;
    kill(a, SIGSTOP);
    waitpid(a, &status, WUNTRACED);
    kill(a, SIGTERM);
    nap(50);
    CHECK(waitpid(a, &status, WNOHANG) == 0);
    kill(a, SIGCONT);
    CHECK(WTERMSIG(ended(a)) == SIGTERM);
}

static void test_restart(void)
{
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    pid_t parent = getpid();
    for (int restart = 0; restart < 2; restart++) {
        catch(SIGUSR1, restart ? SA_RESTART : 0);
        pid_t a = child();
        if (a == 0) {
            nap(50);
            kill(parent, SIGUSR1);
            nap(50);
            _exit(write(p[1], "x", 1) != 1);
        }
        ssize_t n = read(p[0], &c, 1);
        CHECK(restart ? n == 1 : n == -1 && errno == EINTR);
        CHECK(count == 1);
        if (!restart)
            CHECK(read(p[0], &c, 1) == 1);
        ended(a);
    }
    signal(SIGUSR1, SIG_DFL);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(p[1], "x", 1), EPIPE);
    signal(SIGPIPE, SIG_DFL);
    pid_t a = child();
    if (a == 0)
        _exit(write(p[1], "x", 1) != 1);
    CHECK(WTERMSIG(ended(a)) == SIGPIPE);
    close(p[1]);
}

static void test_timers(void)
{
    catch(SIGALRM, 0);
    struct itimerval t = {{0, 20000}, {0, 20000}}, left;
    CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
    while (count < 3)
        pause();
    CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_usec == 20000);
    t = (struct itimerval){{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &t, &left) == 0);
    CHECK(alarm(100) == 0 && alarm(0) == 100);
    pid_t a = child();
    if (a == 0) { // a child inherits no timer
        count = 0;
        _exit((int)alarm(0));
    }
    CHECK(ended(a) == 0);
    a = child();
    if (a == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(1); // survives exec
        execl(self, self, "sleep", "5000", NULL);
        _exit(99);
    }
    CHECK(WTERMSIG(ended(a)) == SIGALRM);
    signal(SIGALRM, SIG_DFL);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    int f = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (write(f, text, strlen(text)) < 0)
        perror(name);
    close(f);
    chmod(name, mode);
}

static int run(const char *file, char *const argv[], char *const envp[])
{
    pid_t a = child();
    if (a == 0) {
        execve(file, argv, envp);
        _exit(errno == ENOENT ? 201 : errno == EACCES ? 202 : errno == ENOEXEC ? 203 : errno == E2BIG ? 204 :
              errno == ENOTDIR ? 205 : errno == ELOOP ? 206 : 207);
    }
    return WEXITSTATUS(ended(a));
}

static void test_exec(void)
{
    char *none[] = {NULL};
    char *args[] = {"x", "args", "a b", "", NULL}, *env[] = {"A=1", "B=", NULL};
    CHECK(run(self, args, env) == 0);
    CHECK(run("/nonexistent", args, env) == 201);
    CHECK(run("/tmp", args, env) == 202);
    snprintf(path[0], sizeof path[0], "%s/file", dir);
    write_file(path[0], "no program\n", 0644);
    CHECK(run(path[0], args, env) == 202); // not executable, not even for root
    chmod(path[0], 0755);
    CHECK(run(path[0], args, env) == 203);
    snprintf(path[1], sizeof path[1], "%s/file/x", dir);
    CHECK(run(path[1], args, env) == 205);
    snprintf(path[1], sizeof path[1], "%s/script", dir);
    char script[600];
    snprintf(script, sizeof script, "#! %s script one two\nnot read\n", self);
    write_file(path[1], script, 0755);
    char *sargs[] = {"ignored", "three", NULL};
    CHECK(run(path[1], sargs, none) == 0);
    snprintf(path[2], sizeof path[2], "%s/loop", dir);
    snprintf(script, sizeof script, "#!%s\n", path[2]);
    write_file(path[2], script, 0755);
    CHECK(run(path[2], args, env) == 206);
    // Too much.
    size_t n = 4 << 20;
    char **many = calloc(n / 1000 + 2, sizeof *many), *big = malloc(1001);
    memset(big, 'x', 1000);
    big[1000] = 0;
    for (size_t i = 0; i < n / 1000; i++)
        many[i] = big;
    CHECK(run(self, many, env) == 204);
    free(many);
    free(big);
    // What stays and what goes.
    pid_t a = child();
    if (a == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        signal(SIGUSR1, SIG_IGN);
        catch(SIGTERM, 0);
        kill(getpid(), SIGUSR2); // pending
        dup2(1, 50);
        dup2(1, 51);
        fcntl(51, F_SETFD, FD_CLOEXEC);
        char pid[20];
        snprintf(pid, sizeof pid, "%d", getpid());
        if (chdir(dir) != 0)
            _exit(98);
        umask(027);
        execl(self, self, "kept", pid, dir, NULL);
        _exit(99);
    }
    CHECK(ended(a) == 0);
    // vfork: the parent goes on when the child has executed.
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    a = vfork();
    if (a == 0) {
        execl(self, self, "sleep", "300", NULL);
        _exit(99);
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    CHECK(t1.tv_sec - t0.tv_sec < 2 && ended(a) == 0);
    // Of two links to a program each runs, and a renamed one too.
    CHECK(access("/proc/self/exe", F_OK) == 0);
    char exe[300];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    CHECK(len > 0);
    exe[len > 0 ? len : 0] = 0;
    char real[4096];
    CHECK(realpath(self, real) != NULL && strcmp(exe, real) == 0);
}

static void test_credentials(void)
{
    pid_t a = child();
    if (a == 0) {
        int bad = 0;
        gid_t g[2] = {100, 200};
        uid_t r, e, s;
        bad += setgroups(2, g) != 0 || getgroups(0, NULL) != 2;
        bad += setresgid(10, 20, 30) != 0;
        bad += setresuid(1000, 2000, 3000) != 0;
        bad += getresuid(&r, &e, &s) != 0 || r != 1000 || e != 2000 || s != 3000;
        bad += getgid() != 10 || getegid() != 20;
        bad += !(setresuid(0, -1, -1) == -1 && errno == EPERM);
        bad += seteuid(3000) != 0 || geteuid() != 3000; // the saved one
        bad += setresuid(-1, 1000, 1000) != 0;
        bad += !(seteuid(3000) == -1 && errno == EPERM); // gone for good
        bad += !(setgroups(1, g) == -1 && errno == EPERM);
        bad += !(kill(getppid(), 0) == -1 && errno == EPERM);
        bad += !(open("/etc/shadow", O_RDONLY) == -1 && errno == EACCES);
        bad += !(sethostname("x", 1) == -1 && errno == EPERM);
        bad += !(setpriority(PRIO_PROCESS, 0, -5) == -1 && (errno == EACCES || errno == EPERM));
        bad += setpriority(PRIO_PROCESS, 0, 5) != 0 || getpriority(PRIO_PROCESS, 0) != 5;
        _exit(bad);
    }
    CHECK(ended(a) == 0);
    // A set-id program: effective and saved ids are the file's, the real ones the caller's.
    snprintf(path[0], sizeof path[0], "%s/setid", dir);
    char command[700];
    snprintf(command, sizeof command, "cp %s %s", self, path[0]);
    fflush(stdout);
    CHECK(system(command) == 0);
    CHECK(chown(path[0], 1234, 5678) == 0 && chmod(path[0], 06755) == 0 && chmod(dir, 0755) == 0);
    a = child();
    if (a == 0) {
        if (setgid(1000) != 0 || setuid(1000) != 0)
            _exit(98);
        execl(path[0], path[0], "ids", NULL);
        _exit(99);
    }
    CHECK(ended(a) == 0);
}

static void test_fifo(void)
{
    snprintf(path[0], sizeof path[0], "%s/fifo", dir);
    CHECK(mkfifo(path[0], 0600) == 0);
    FAILS(open(path[0], O_WRONLY | O_NONBLOCK), ENXIO);
    int r = open(path[0], O_RDONLY | O_NONBLOCK);
    CHECK(r >= 0);
    char c;
    CHECK(read(r, &c, 1) == 0); // no writer: end of file
    int w = open(path[0], O_WRONLY | O_NONBLOCK);
    CHECK(w >= 0);
    FAILS(read(r, &c, 1), EAGAIN);
    struct pollfd p = {.fd = r, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 0);
    CHECK(write(w, "q", 1) == 1 && poll(&p, 1, 1000) == 1 && p.revents == POLLIN);
    CHECK(read(r, &c, 1) == 1 && c == 'q');
    close(w);
    CHECK(poll(&p, 1, 1000) == 1 && (p.revents & POLLHUP));
    close(r);
    pid_t a = child();
    if (a == 0) {
        int f = open(path[0], O_WRONLY); // waits for the reader
        _exit(f < 0 || write(f, "hello", 5) != 5);
    }
    nap(50);
    r = open(path[0], O_RDONLY);
    char text[10];
    CHECK(read(r, text, sizeof text) == 5 && memcmp(text, "hello", 5) == 0);
    CHECK(read(r, text, sizeof text) == 0);
    CHECK(ended(a) == 0);
    close(r);
    catch(SIGUSR1, 0);
    pid_t parent = getpid();
    a = child();
    if (a == 0)
        nap(50), kill(parent, SIGUSR1), _exit(0);
    FAILS(open(path[0], O_RDONLY), EINTR);
    ended(a);
    signal(SIGUSR1, SIG_DFL);
}

static void test_pipe_limits(void)
{
    int p[2];
    static char block[70000];
    CHECK(pipe2(p, O_NONBLOCK) == 0);
    CHECK(write(p[1], block, sizeof block) == 65536);
    FAILS(write(p[1], block, 1), EAGAIN);
    struct pollfd w = {.fd = p[1], .events = POLLOUT};
    CHECK(poll(&w, 1, 0) == 0);
    CHECK(read(p[0], block, 4096) == 4096);
    CHECK(poll(&w, 1, 1000) == 1 && w.revents == POLLOUT);
    CHECK(write(p[1], block, 4096) == 4096);
    CHECK((fcntl(p[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND)) == (O_RDONLY | O_NONBLOCK));
    FAILS(lseek(p[0], 0, SEEK_SET), ESPIPE);
    struct stat st;
    CHECK(fstat(p[0], &st) == 0 && S_ISFIFO(st.st_mode));
    close(p[0]);
    CHECK(poll(&w, 1, 1000) == 1 && (w.revents & POLLERR));
    close(p[1]);
}

static void test_proc(void)
{
    char line[512] = "";
    FILE *f = fopen("/proc/self/stat", "r");
    CHECK(f != NULL && fgets(line, sizeof line, f) != NULL && atoi(line) == getpid());
    if (f != NULL)
        fclose(f);
    pid_t a = child();
    if (a == 0)
        _exit(0);
    nap(100);
    snprintf(path[0], sizeof path[0], "/proc/%d/stat", a);
    f = fopen(path[0], "r");
    CHECK(f != NULL && fgets(line, sizeof line, f) != NULL && strstr(line, ") Z ") != NULL);
    if (f != NULL)
        fclose(f);
    ended(a);
    CHECK(access(path[0], F_OK) == -1 && errno == ENOENT);
    struct rusage u;
    CHECK(getrusage(RUSAGE_CHILDREN, &u) == 0 && (u.ru_utime.tv_sec > 0 || u.ru_utime.tv_usec > 0 ||
          u.ru_stime.tv_sec > 0 || u.ru_stime.tv_usec > 0));
}

static int kept(char **argv)
{
    int bad = 0;
    sigset_t set;
    struct sigaction a;
    char cwd[300];
    bad += getpid() != atoi(argv[2]);
    sigprocmask(SIG_BLOCK, NULL, &set);
    bad += !sigismember(&set, SIGUSR2) || sigismember(&set, SIGUSR1);
    sigpending(&set);
    bad += !sigismember(&set, SIGUSR2);
    sigaction(SIGUSR1, NULL, &a);
    bad += a.sa_handler != SIG_IGN;
    sigaction(SIGTERM, NULL, &a);
    bad += a.sa_handler != SIG_DFL;
    bad += fcntl(50, F_GETFD) != 0;
    bad += !(fcntl(51, F_GETFD) == -1 && errno == EBADF);
    bad += getcwd(cwd, sizeof cwd) == NULL || strcmp(cwd, argv[3]) != 0;
    bad += umask(0) != 027;
    return bad;
}

int main(int argc, char **argv, char **envp)
{
    if (argc > 1 && strcmp(argv[1], "sleep") == 0)
        return nap(atol(argv[2])), 0;
    if (argc > 1 && strcmp(argv[1], "args") == 0)
        return !(argc == 4 && strcmp(argv[0], "x") == 0 && strcmp(argv[2], "a b") == 0 && argv[3][0] == 0 &&
                 strcmp(envp[0], "A=1") == 0 && strcmp(envp[1], "B=") == 0 && envp[2] == NULL);
    if (argc > 1 && strcmp(argv[1], "script one two") == 0)
        return !(argc == 4 && strstr(argv[2], "/script") != NULL && strcmp(argv[3], "three") == 0);
    if (argc > 1 && strcmp(argv[1], "kept") == 0)
        return kept(argv);
    if (argc > 1 && strcmp(argv[1], "ids") == 0) {
        uid_t r, e, s;
        return getresuid(&r, &e, &s) != 0 || r != 1000 || e != 1234 || s != 1234 || getgid() != 1000 || getegid() != 5678;
    }
    if (argv[0][0] != '/' || strlen(argv[0]) >= sizeof self || mkdtemp(dir) == NULL)
        return printf("run it as root, by its absolute path\n"), 1;
    strcpy(self, argv[0]);
    test_wait();
    test_child_signals();
    test_groups();
    test_blocking();
    test_restart();
    test_timers();
    test_exec();
    test_credentials();
    test_fifo();
    test_pipe_limits();
    test_proc();
    printf("%d checks, %d wrong\n", checks, wrong);
    return wrong != 0;
}
