// SPDX-License-Identifier: MPL-2.0
//
// Descriptors for events: epoll, eventfd, timerfd, signalfd, and what dup, fork and exec do to them. The same program
// passes on Linux. One line per check that fails, and at the end "DESCRIPTORS ok N".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int add(int ep, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event e = {.events = events, .data.u64 = data};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}
static int change(int ep, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event e = {.events = events, .data.u64 = data};
    return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}
static int ready(int ep, struct epoll_event *e) { return epoll_wait(ep, e, 8, 0); }

static void test_eventfd(void)
{
    uint64_t v;
    int fd = eventfd(3, EFD_NONBLOCK);
    CHECK(fd >= 0);
    CHECK(read(fd, &v, 8) == 8 && v == 3);
    FAILS(read(fd, &v, 8), EAGAIN);
    FAILS(read(fd, &v, 4), EINVAL);
    v = UINT64_MAX;
    FAILS(write(fd, &v, 8), EINVAL);
    v = UINT64_MAX - 1;
    CHECK(write(fd, &v, 8) == 8);
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    v = 1;
    FAILS(write(fd, &v, 8), EAGAIN);
    CHECK(read(fd, &v, 8) == 8 && v == UINT64_MAX - 1);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE);
    CHECK(read(fd, &v, 8) == 8 && v == 1);
    CHECK(read(fd, &v, 8) == 8 && v == 1);
    // A blocking read waits for the child's write.
    int64_t start = now_ms();
    if (fork() == 0) {
        usleep(50000);
        v = 2;
        _exit(write(fd, &v, 8) != 8);
    }
    CHECK(read(fd, &v, 8) == 8 && v == 1 && now_ms() - start >= 40);
    int st;
    CHECK(wait(&st) > 0 && st == 0);
    int copy = dup(fd);
    close(fd);
    CHECK(read(copy, &v, 8) == 8 && v == 1);
    close(copy);
    FAILS(eventfd(0, 0x10), EINVAL);
}

static void test_timerfd(void)
{
    uint64_t v;
    struct itimerspec t = {.it_value = {0, 60000000}, .it_interval = {0, 20000000}}, old;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    FAILS(read(fd, &v, 8), EAGAIN);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 0);
    int64_t start = now_ms();
    CHECK(timerfd_settime(fd, 0, &t, NULL) == 0);
    CHECK(timerfd_gettime(fd, &old) == 0 && old.it_interval.tv_nsec == 20000000 && old.it_value.tv_nsec <= 60000000 && old.it_value.tv_nsec > 0);
    FAILS(read(fd, &v, 8), EAGAIN);
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN && now_ms() - start >= 59);
    CHECK(read(fd, &v, 8) == 8 && v >= 1);
    usleep(100000);
    CHECK(read(fd, &v, 8) == 8 && v >= 4);
    fcntl(fd, F_SETFL, 0);
    CHECK(read(fd, &v, 8) == 8 && v >= 1); // waits
    t = (struct itimerspec){};
    CHECK(timerfd_settime(fd, 0, &t, &old) == 0 && old.it_interval.tv_nsec == 20000000);
    CHECK(poll(&p, 1, 50) == 0);
    close(fd);
    fd = timerfd_create(CLOCK_REALTIME, 0);
    start = now_ms();
    clock_gettime(CLOCK_REALTIME, &t.it_value);
    t.it_value.tv_sec++;
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
    CHECK(read(fd, &v, 8) == 8 && v == 1 && now_ms() - start >= 990 && now_ms() - start < 20000);
    FAILS(write(fd, &v, 8), EINVAL);
    t.it_value.tv_nsec = 1000000000;
    FAILS(timerfd_settime(fd, 0, &t, NULL), EINVAL);
    close(fd);
    FAILS(timerfd_create(77, 0), EINVAL);
    FAILS(timerfd_settime(0, 0, &(struct itimerspec){}, NULL), EINVAL);
}

static void test_signalfd(void)
{
    sigset_t set, none;
    struct signalfd_siginfo si[3];
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK);
    CHECK(fd >= 0);
    FAILS(read(fd, si, sizeof si), EAGAIN);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 0);
    kill(getpid(), SIGUSR1);
    CHECK(poll(&p, 1, 1000) == 1 && p.revents == POLLIN);
    CHECK(read(fd, si, sizeof si) == sizeof si[0] && si[0].ssi_signo == SIGUSR1 && si[0].ssi_pid == (uint32_t)getpid());
    CHECK(poll(&p, 1, 0) == 0);
    FAILS(read(fd, si, sizeof si), EAGAIN);
    int ep = epoll_create1(0);
    struct epoll_event e[8];
    CHECK(add(ep, fd, EPOLLIN, 5) == 0);
    CHECK(ready(ep, e) == 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(30000);
        _exit(7);
    }
    CHECK(epoll_wait(ep, e, 8, 5000) == 1 && e[0].events == EPOLLIN && e[0].data.u64 == 5);
    CHECK(read(fd, si, sizeof si) == sizeof si[0] && si[0].ssi_signo == SIGCHLD && si[0].ssi_pid == (uint32_t)child);
    int st;
    CHECK(waitpid(child, &st, 0) == child && WEXITSTATUS(st) == 7);
    // Another mask for the same descriptor.
    sigdelset(&set, SIGUSR1);
    CHECK(signalfd(fd, &set, 0) == fd);
    kill(getpid(), SIGUSR1);
    CHECK(poll(&p, 1, 0) == 0);
    FAILS(read(fd, si, sizeof si), EAGAIN);
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    sigaddset(&set, SIGUSR1);
    CHECK(signalfd(fd, &set, 0) == fd);
    CHECK(read(fd, si, sizeof si) == sizeof si[0]);
    FAILS(read(fd, si, 100), EINVAL);
    // A blocking read waits for the parent's... the child's signal.
    fcntl(fd, F_SETFL, 0);
    if (fork() == 0) {
        usleep(30000);
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CHECK(read(fd, si, sizeof si[0]) == sizeof si[0] && si[0].ssi_signo == SIGUSR1);
    wait(&st);
    close(ep);
    close(fd);
    struct timespec zero = {};
    while (sigtimedwait(&set, NULL, &zero) > 0)
        ;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void *volatile bad = (void *)8;
static void test_epoll_level(void)
{
    int pp[2], ep = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e[8];
    char b[100];
    CHECK(ep >= 0 && fcntl(ep, F_GETFD) == FD_CLOEXEC);
    CHECK(pipe(pp) == 0);
    CHECK(add(ep, pp[0], EPOLLIN, 0x1122334455667788) == 0);
    FAILS(add(ep, pp[0], EPOLLIN, 1), EEXIST);
    CHECK(ready(ep, e) == 0);
    CHECK(write(pp[1], "xy", 2) == 2);
    for (int i = 0; i < 2; i++)
        CHECK(ready(ep, e) == 1 && e[0].events == EPOLLIN && e[0].data.u64 == 0x1122334455667788);
    CHECK(read(pp[0], b, 100) == 2);
    CHECK(ready(ep, e) == 0);
    int64_t start = now_ms();
    CHECK(epoll_wait(ep, e, 8, 50) == 0 && now_ms() - start >= 49);
    CHECK(add(ep, pp[1], EPOLLOUT, 2) == 0 && ready(ep, e) == 1 && e[0].events == EPOLLOUT && e[0].data.u64 == 2);
    CHECK(change(ep, pp[1], 0, 3) == 0 && ready(ep, e) == 0);
    close(pp[0]); // an error is told without being asked for; and the closed one is gone
    CHECK(ready(ep, e) == 1 && e[0].events == EPOLLERR && e[0].data.u64 == 3);
    close(pp[1]);
    CHECK(ready(ep, e) == 0);
    // The same numbers for other files.
    int qq[2];
    CHECK(pipe(qq) == 0);
    CHECK(add(ep, qq[0], EPOLLIN, 4) == 0);
    CHECK(write(qq[1], "x", 1) == 1 && ready(ep, e) == 1 && e[0].data.u64 == 4);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, qq[0], NULL) == 0 && ready(ep, e) == 0);
    FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, qq[0], NULL), ENOENT);
    FAILS(change(ep, qq[0], EPOLLIN, 1), ENOENT);
    FAILS(add(ep, 999, EPOLLIN, 1), EBADF);
    FAILS(add(ep, ep, EPOLLIN, 1), EINVAL);
    FAILS(add(qq[0], qq[1], EPOLLIN, 1), EINVAL);
    FAILS(epoll_wait(ep, e, 0, 0), EINVAL);
    FAILS(epoll_wait(qq[0], e, 1, 0), EINVAL);
    int file = open("/tmp", O_RDONLY | O_DIRECTORY);
    FAILS(add(ep, file, EPOLLIN, 1), EPERM);
    close(file);
    // A poll set itself is readable when something in it is ready.
    CHECK(add(ep, qq[0], EPOLLIN, 4) == 0);
    struct pollfd p = {.fd = ep, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    FAILS(epoll_wait(ep, (struct epoll_event *)bad, 1, 0), EFAULT);
    CHECK(read(qq[0], b, 100) == 1 && poll(&p, 1, 20) == 0);
    if (fork() == 0) {
        usleep(30000);
        _exit(write(qq[1], "x", 1) != 1);
    }
    CHECK(poll(&p, 1, 5000) == 1);
    int st;
    wait(&st);
    close(qq[0]);
    close(qq[1]);
    close(ep);
    FAILS(epoll_create1(1), EINVAL);
}

static void test_epoll_edge(void)
{
    int pp[2], ep = epoll_create1(0), ev = eventfd(0, EFD_NONBLOCK);
    struct epoll_event e[8];
    char b[100];
    uint64_t one = 1;
    CHECK(pipe(pp) == 0);
    CHECK(write(pp[1], "a", 1) == 1);
    CHECK(add(ep, pp[0], EPOLLIN | EPOLLET, 1) == 0);
    CHECK(ready(ep, e) == 1); // what was there when it was added
    CHECK(ready(ep, e) == 0);
    CHECK(write(pp[1], "b", 1) == 1); // more came, though nothing was read
    CHECK(ready(ep, e) == 1 && e[0].events == EPOLLIN);
    CHECK(ready(ep, e) == 0);
    CHECK(read(pp[0], b, 1) == 1);
    CHECK(ready(ep, e) == 0); // reading is no edge
    CHECK(change(ep, pp[0], EPOLLIN | EPOLLET, 1) == 0 && ready(ep, e) == 1);
    CHECK(read(pp[0], b, 100) == 1 && ready(ep, e) == 0);
    CHECK(add(ep, ev, EPOLLIN | EPOLLET, 2) == 0 && ready(ep, e) == 0);
    CHECK(write(ev, &one, 8) == 8 && ready(ep, e) == 1 && e[0].data.u64 == 2 && ready(ep, e) == 0);
    CHECK(write(ev, &one, 8) == 8 && ready(ep, e) == 1 && ready(ep, e) == 0);
    CHECK(change(ep, ev, EPOLLIN | EPOLLONESHOT, 3) == 0);
    CHECK(ready(ep, e) == 1 && e[0].data.u64 == 3);
    CHECK(write(ev, &one, 8) == 8 && ready(ep, e) == 0);
    CHECK(change(ep, ev, EPOLLIN | EPOLLONESHOT, 4) == 0 && ready(ep, e) == 1 && e[0].data.u64 == 4 && ready(ep, e) == 0);
    close(pp[1]);
    CHECK(ready(ep, e) == 1 && (e[0].events & EPOLLHUP));
    close(pp[0]);
    close(ev);
    // Everybody has a turn, although there is room for one only.
    int fds[10];
    unsigned seen = 0;
    for (int i = 0; i < 10; i++) {
        fds[i] = eventfd(1, 0);
        CHECK(add(ep, fds[i], EPOLLIN, (uint64_t)i) == 0);
    }
    for (int i = 0; i < 10; i++)
        if (epoll_wait(ep, e, 1, 0) == 1)
            seen |= 1u << e[0].data.u64;
    CHECK(seen == 0x3ff);
    for (int i = 0; i < 10; i++)
        close(fds[i]);
    close(ep);
}

static int alarms;
static void on_alarm(int s) { (void)s; alarms++; }

static void test_epoll_processes(const char *self)
{
    int pp[2], ep = epoll_create1(0), st;
    struct epoll_event e[8];
    char b[10];
    CHECK(pipe(pp) == 0);
    CHECK(add(ep, pp[0], EPOLLIN, 9) == 0);
    if (fork() == 0) { // the child waits on what the parent registered; what it adds, the parent sees
        if (epoll_wait(ep, e, 8, 5000) != 1 || e[0].data.u64 != 9)
            _exit(1);
        int ev = eventfd(1, 0);
        if (ev < 0 || add(ep, ev, EPOLLIN, 10) != 0)
            _exit(2);
        if (read(pp[0], b, 1) != 1)
            _exit(3);
        // It closes what it has, which must not touch the parent's registration.
        close(pp[0]);
        close(pp[1]);
        _exit(0);
    }
    CHECK(write(pp[1], "x", 1) == 1);
    CHECK(wait(&st) > 0 && st == 0);
    CHECK(ready(ep, e) == 0); // read by the child, and its counter is gone with it
    CHECK(write(pp[1], "y", 1) == 1 && ready(ep, e) == 1 && e[0].data.u64 == 9);
    // After exec: descriptors 60 and 61.
    CHECK(dup2(ep, 60) == 60);
    if (fork() == 0) {
        execl(self, self, "-x", (char *)NULL);
        _exit(99);
    }
    CHECK(wait(&st) > 0 && st == 0);
    close(60);
    CHECK(read(pp[0], b, 10) == 1);
    // A signal ends the wait; with the mask that blocks it, it does not.
    struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &sa, NULL);
    struct itimerval it = {.it_value = {0, 50000}};
    setitimer(ITIMER_REAL, &it, NULL);
    FAILS(epoll_wait(ep, e, 8, 5000), EINTR);
    CHECK(alarms == 1);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    setitimer(ITIMER_REAL, &it, NULL);
    CHECK(epoll_pwait(ep, e, 8, 150, &blocked) == 0);
    CHECK(alarms == 2); // delivered once the old mask was back
    // The other way round: blocked outside, let in for the time of the wait.
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    usleep(80000);
    CHECK(alarms == 2);
    sigset_t none;
    sigemptyset(&none);
    FAILS(epoll_pwait(ep, e, 8, 5000, &none), EINTR);
    CHECK(alarms == 3);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    struct timespec ts = {0, 30000000};
    setitimer(ITIMER_REAL, &it, NULL);
    CHECK(ppoll(&(struct pollfd){.fd = pp[0], .events = POLLIN}, 1, &ts, &blocked) == 0);
    fd_set in;
    FD_ZERO(&in);
    FD_SET(pp[0], &in);
    FAILS(pselect(pp[0] + 1, &in, NULL, NULL, NULL, &none), EINTR);
    CHECK(alarms == 4);
    close(pp[0]);
    close(pp[1]);
    close(ep);
}

static void *waiter(void *p)
{
    struct epoll_event e;
    return (void *)(intptr_t)epoll_wait((int)(intptr_t)p, &e, 1, 3000);
}

static void test_threads(void)
{
    // Added and signalled while another thread waits.
    int ep = epoll_create1(0), ev = eventfd(0, 0);
    uint64_t v = 1;
    void *result;
    pthread_t t;
    CHECK(pthread_create(&t, NULL, waiter, (void *)(intptr_t)ep) == 0);
    usleep(30000);
    CHECK(add(ep, ev, EPOLLIN, 1) == 0);
    CHECK(write(ev, &v, 8) == 8);
    CHECK(pthread_join(t, &result) == 0 && (intptr_t)result == 1);
    // Closed while another waits: nothing breaks, and the process goes on.
    CHECK(read(ev, &v, 8) == 8);
    CHECK(pthread_create(&t, NULL, waiter, (void *)(intptr_t)ep) == 0);
    usleep(30000);
    close(ep);
    close(ev);
    CHECK(pthread_join(t, &result) == 0 && (intptr_t)result <= 0);
}

static void test_many(void)
{
    // Numbers run out with an error, and come back.
    static int fds[2000];
    int n = 0;
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, 1024});
    while (n < 2000 && (fds[n] = eventfd(0, 0)) >= 0)
        n++;
    CHECK(errno == EMFILE && n > 500 && n < 2000);
    FAILS(epoll_create1(0), EMFILE);
    for (int i = 0; i < n; i++)
        close(fds[i]);
    int ep = epoll_create1(0);
    struct epoll_event e[8];
    for (n = 0; n < 500; n++) {
        fds[n] = eventfd(0, 0);
        if (add(ep, fds[n], EPOLLIN, (uint64_t)n) != 0)
            break;
    }
    CHECK(n == 500);
    uint64_t v = 1;
    CHECK(write(fds[377], &v, 8) == 8 && ready(ep, e) == 1 && e[0].data.u64 == 377);
    for (int i = 0; i < n; i++)
        close(fds[i]);
    CHECK(ready(ep, e) == 0);
    close(ep);
    for (int i = 0; i < 3000; i++) { // none of these may leak
        int fd = i % 2 ? eventfd(0, 0) : epoll_create1(0);
        if (fd < 0)
            break;
        if (i % 2 == 0)
            (void)ready(fd, e);
        close(fd);
        if (i == 2999)
            CHECK(i == 2999);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event e[8];
    if (argc > 1)
        return epoll_wait(60, e, 8, 1000) == 1 && e[0].data.u64 == 9 ? 0 : 1;
    test_eventfd();
    test_timerfd();
    test_signalfd();
    test_epoll_level();
    test_epoll_edge();
    test_epoll_processes(argv[0]);
    test_threads();
    test_many();
    if (failures == 0)
        printf("DESCRIPTORS ok %d\n", checks);
    else
        printf("DESCRIPTORS failed %d of %d\n", failures, checks);
    return failures != 0;
}
