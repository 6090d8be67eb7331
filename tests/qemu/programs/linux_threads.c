// SPDX-License-Identifier: MPL-2.0
//
// Threads together with everything that is hard beside them: signals into blocked and computing threads, fork and
// exec from a thread, the end of the process from a thread, a main thread that leaves first, stop and continue.
// Prints one line per part; the same on Linux.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int hits, stop;
static void count(int s) { hits += s != 0; }

static void *compute(void *x)
{
    double d = 1.0;
    while (!stop) {
        for (int i = 0; i < 1000; i++)
            d = d * 1.0000001 + 0.5;
        if (d > 1e30)
            d = 1;
        syscall(SYS_getppid);
    }
    return d > 0 ? x : NULL;
}

static void *wait_for_q(void *x)
{
    char c = 0;
    while (!stop && c != 'q')
        if (read(*(int *)x, &c, 1) != 1)
            return NULL;
    return x;
}

static void *fork_often(void *x)
{
    for (int i = 0; i < 20; i++) {
        pid_t child = fork(), got;
        int status;
        if (child == 0)
            _exit(7);
        while ((got = waitpid(child, &status, 0)) < 0 && errno == EINTR)
            ;
        if (got != child || status != 7 << 8)
            return NULL;
    }
    return x;
}

static void *map_often(void *x)
{
    for (int i = 0; i < 100; i++) {
        char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || p[4096] != 0)
            return NULL;
        memset(p, i, 65536);
        if (p[65535] != (char)i)
            return NULL;
        munmap(p, 65536);
    }
    return x;
}

static void *end_process(void *x)
{
    usleep(50000);
    syscall(SYS_exit_group, 42);
    return x;
}

static void *execute(void *x)
{
    usleep(20000);
    execl("/bin/sh", "sh", "-c", "exit 9", NULL);
    return x;
}

static int ended(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

int main(void)
{
    pthread_t t[20];
    int p[2], fine = 1, status;
    void *r;
    setvbuf(stdout, NULL, _IONBF, 0);
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_handler = count;
    a.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &a, NULL);
    pipe(p);
    pthread_create(&t[0], NULL, compute, p);
    pthread_create(&t[1], NULL, wait_for_q, p);
    pthread_create(&t[2], NULL, fork_often, p);
    pthread_create(&t[3], NULL, map_often, p);
    pthread_create(&t[4], NULL, fork_often, p);
    for (int i = 0; i < 100; i++) {
        pthread_kill(t[0], SIGUSR1);
        pthread_kill(t[1], SIGUSR1);
        if (i % 10 == 0)
            usleep(1000);
        write(p[1], "x", 1);
    }
    for (int i = 2; i < 5; i++) {
        pthread_join(t[i], &r);
        fine &= r == p;
    }
    stop = 1;
    write(p[1], "q", 1);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    puts(fine && hits >= 2 ? "signals, forks and mappings at once" : "FAILED at once");
    stop = 0;
    sigaction(SIGALRM, &a, NULL);
    hits = 0;
    for (int i = 0; i < 5; i++) {
        int before = hits;
        volatile double d = 1;
        ualarm(20000, 0);
        while (hits == before)
            d = d * 1.00001;
    }
    puts("alarms while computing");
    pid_t child = fork();
    if (child == 0) {
        pthread_create(&t[0], NULL, end_process, NULL);
        for (;;)
            pause();
    }
    puts(ended(child) == 42 << 8 ? "exit from a thread" : "FAILED exit");
    child = fork();
    if (child == 0) {
        pthread_create(&t[0], NULL, execute, NULL);
        pthread_create(&t[1], NULL, compute, NULL);
        for (;;)
            pause();
    }
    puts(ended(child) == 9 << 8 ? "exec from a thread" : "FAILED exec");
    child = fork();
    if (child == 0) {
        pthread_create(&t[0], NULL, end_process, NULL);
        pthread_exit(NULL);
    }
    puts(ended(child) == 42 << 8 ? "the first thread leaves first" : "FAILED first thread");
    child = fork();
    if (child == 0) {
        pthread_create(&t[0], NULL, compute, NULL);
        for (;;)
            pause();
    }
    usleep(20000);
    kill(child, SIGSTOP);
    waitpid(child, &status, WUNTRACED);
    fine = WIFSTOPPED(status);
    kill(child, SIGCONT);
    kill(child, SIGTERM);
    puts(fine && ended(child) == SIGTERM ? "stop, continue, end" : "FAILED stop");
    fine = 1;
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 20; k++)
            if (pthread_create(&t[k], NULL, map_often, p) != 0)
                return puts("FAILED create"), 1;
        for (int k = 0; k < 20; k++) {
            pthread_join(t[k], &r);
            fine &= r == p;
        }
    }
    puts(fine ? "four hundred threads" : "FAILED threads");
    return 0;
}
