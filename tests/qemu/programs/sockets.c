// SPDX-License-Identifier: MPL-2.0
//
// Sockets of the local domain: kinds, names, connections, ends, descriptors that travel. The same program passes on
// Linux. One line per check that fails, and at the end "SOCKETS ok N".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

static socklen_t name(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    size_t n = strlen(path);
    memcpy(a->sun_path, path, n);
    if (path[0] == '@') { // abstract
        a->sun_path[0] = 0;
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    }
    return sizeof *a;
}

// Sends `fds` with one byte (or none, bytes 0); gives sendmsg's result.
static ssize_t send_fds(int s, const int *fds, int n, const void *data, size_t bytes)
{
    union { char b[CMSG_SPACE(sizeof(int) * 300)]; struct cmsghdr align; } c;
    struct iovec v = {(void *)data, bytes};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
    memset(&c, 0, sizeof c);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(sizeof(int) * n);
    memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
    return sendmsg(s, &m, 0);
}

static ssize_t receive_fds(int s, int *fds, int *n, void *data, size_t bytes, int flags, int *got)
{
    union { char b[CMSG_SPACE(sizeof(int) * 16)]; struct cmsghdr align; } c;
    struct iovec v = {data, bytes};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = CMSG_SPACE(sizeof(int) * *n)};
    *n = 0;
    ssize_t r = recvmsg(s, &m, flags);
    *got = m.msg_flags;
    for (struct cmsghdr *h = r >= 0 ? CMSG_FIRSTHDR(&m) : NULL; h != NULL; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
            *n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(h), sizeof(int) * *n);
        }
    }
    return r;
}

static void test_pairs(void)
{
    int s[2], n;
    char b[100];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(send(s[0], "hello", 5, 0) == 5);
    CHECK(ioctl(s[1], FIONREAD, &n) == 0 && n == 5);
    CHECK(recv(s[1], b, 3, MSG_PEEK) == 3 && memcmp(b, "hel", 3) == 0);
    CHECK(recv(s[1], b, 100, MSG_PEEK) == 5);
    CHECK(read(s[1], b, 100) == 5);
    FAILS(recv(s[1], b, 100, MSG_DONTWAIT), EAGAIN);
    FAILS(recv(s[1], b, 100, MSG_PEEK | MSG_DONTWAIT), EAGAIN);
    // MSG_WAITALL waits for all, also when it comes in parts.
    if (fork() == 0) {
        for (int i = 0; i < 4; i++) {
            usleep(10000);
            (void)!write(s[0], "1234", 4);
        }
        _exit(0);
    }
    CHECK(recv(s[1], b, 16, MSG_WAITALL) == 16 && memcmp(b, "1234123412341234", 16) == 0);
    int st;
    wait(&st);
    // Half closed: what was sent arrives, then the end; the other way still works.
    CHECK(write(s[0], "tail", 4) == 4 && shutdown(s[0], SHUT_WR) == 0);
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(s[0], "x", 1), EPIPE);
    struct pollfd p = {.fd = s[1], .events = POLLIN | POLLOUT | POLLRDHUP};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT | POLLRDHUP));
    CHECK(read(s[1], b, 100) == 4 && read(s[1], b, 100) == 0);
    CHECK(write(s[1], "back", 4) == 4 && read(s[0], b, 100) == 4);
    CHECK(shutdown(s[1], SHUT_WR) == 0 && read(s[0], b, 10) == 0);
    p.events = POLLIN;
    CHECK(poll(&p, 1, 0) == 1 && (p.revents & POLLHUP));
    close(s[0]);
    close(s[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    close(s[0]);
    CHECK(read(s[1], b, 1) == 0);
    FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    signal(SIGPIPE, SIG_DFL);
    if (fork() == 0) {
        (void)!write(s[1], "x", 1);
        _exit(0);
    }
    CHECK(wait(&st) > 0 && WIFSIGNALED(st) && WTERMSIG(st) == SIGPIPE);
    close(s[1]);
    // Datagrams and records keep their bounds.
    for (int kind = SOCK_DGRAM; kind <= SOCK_SEQPACKET; kind += SOCK_SEQPACKET - SOCK_DGRAM) {
        CHECK(socketpair(AF_UNIX, kind, 0, s) == 0);
        CHECK(write(s[0], "one", 3) == 3 && write(s[0], "three", 5) == 5);
        CHECK(recv(s[1], b, 100, 0) == 3);
        CHECK(recv(s[1], b, 2, MSG_TRUNC) == 5);
        FAILS(recv(s[1], b, 100, MSG_DONTWAIT), EAGAIN);
        struct iovec v[2] = {{"ab", 2}, {"cde", 3}}, w[2] = {{b, 1}, {b + 10, 50}};
        struct msghdr m = {.msg_iov = v, .msg_iovlen = 2}, r = {.msg_iov = w, .msg_iovlen = 2};
        CHECK(sendmsg(s[1], &m, 0) == 5 && recvmsg(s[0], &r, 0) == 5 && b[0] == 'a' && memcmp(b + 10, "bcde", 4) == 0);
        CHECK((r.msg_flags & MSG_TRUNC) == 0);
        static char big[100000];
        memset(big, 7, sizeof big);
        CHECK(send(s[0], big, sizeof big, 0) == sizeof big);
        static char in[100001];
        CHECK(recv(s[1], in, sizeof in, 0) == sizeof big && memcmp(in, big, sizeof big) == 0);
        int len = 0;
        while (send(s[0], "m", 1, MSG_DONTWAIT) == 1)
            len++;
        CHECK(errno == EAGAIN && len > 5);
        struct pollfd q = {.fd = s[0], .events = POLLOUT};
        CHECK(poll(&q, 1, 0) == 0);
        while (len > 0 && recv(s[1], b, 1, 0) == 1)
            len--;
        CHECK(len == 0 && poll(&q, 1, 0) == 1);
        // A record of no bytes is a record, where it is a datagram; the end is the end.
        if (kind == SOCK_DGRAM)
            CHECK(send(s[0], "", 0, 0) == 0 && recv(s[1], b, 1, MSG_DONTWAIT) == 0);
        close(s[0]);
        if (kind == SOCK_SEQPACKET)
            CHECK(recv(s[1], b, 1, 0) == 0);
        close(s[1]);
    }
    FAILS(socketpair(AF_INET, SOCK_STREAM, 0, s), EOPNOTSUPP);
    FAILS(socket(AF_UNIX, 7, 0), ESOCKTNOSUPPORT);
    FAILS(send(0, "x", 1, 0), ENOTSOCK);
    // A time-out of its own.
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    struct timeval t = {0, 50000};
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    int64_t start = now_ms();
    FAILS(read(s[0], b, 1), EAGAIN);
    CHECK(now_ms() - start >= 49);
    close(s[0]);
    close(s[1]);
}

static void test_names(const char *dir)
{
    struct sockaddr_un a, b, from;
    char path[100], buffer[100];
    snprintf(path, sizeof path, "%s/sock", dir);
    const char *places[2] = {path, "@futura-test-name"};
    for (int place = 0; place < 2; place++) {
        for (int kind = SOCK_STREAM; kind <= SOCK_SEQPACKET; kind += 4) {
            int l = socket(AF_UNIX, kind, 0), c = socket(AF_UNIX, kind, 0), other = socket(AF_UNIX, kind, 0);
            socklen_t n = name(&a, places[place]), m;
            FAILS(connect(c, (struct sockaddr *)&a, n), place == 0 ? ENOENT : ECONNREFUSED);
            CHECK(bind(l, (struct sockaddr *)&a, n) == 0);
            FAILS(bind(other, (struct sockaddr *)&a, n), EADDRINUSE);
            CHECK(bind(l, (struct sockaddr *)&a, n) == -1 && (errno == EINVAL || errno == EADDRINUSE)); // kernels differ
            FAILS(connect(c, (struct sockaddr *)&a, n), ECONNREFUSED); // nobody listens
            CHECK(listen(l, 5) == 0);
            struct pollfd p = {.fd = l, .events = POLLIN};
            CHECK(poll(&p, 1, 0) == 0);
            FAILS(accept4(l, NULL, NULL, SOCK_NONBLOCK | 1), EINVAL);
            CHECK(connect(c, (struct sockaddr *)&a, n) == 0);
            FAILS(connect(c, (struct sockaddr *)&a, n), EISCONN);
            CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
            CHECK(send(c, "early", 5, 0) == 5); // before it is accepted
            m = sizeof from;
            int s = accept4(l, (struct sockaddr *)&from, &m, SOCK_CLOEXEC);
            CHECK(s >= 0 && fcntl(s, F_GETFD) == FD_CLOEXEC && from.sun_family == AF_UNIX && m == 2);
            CHECK(recv(s, buffer, 100, 0) == 5);
            CHECK(send(s, "ok", 2, 0) == 2 && recv(c, buffer, 100, 0) == 2);
            m = sizeof b;
            memset(&b, 0, sizeof b);
            CHECK(getpeername(c, (struct sockaddr *)&b, &m) == 0 && memcmp(&a, &b, m) == 0 && m > 2);
            m = sizeof b;
            CHECK(getsockname(s, (struct sockaddr *)&b, &m) == 0 && memcmp(&a, &b, m) == 0 && m > 2);
            m = sizeof b;
            CHECK(getsockname(c, (struct sockaddr *)&b, &m) == 0 && m == 2);
            struct { pid_t pid; uid_t uid; gid_t gid; } cred;
            m = sizeof cred;
            CHECK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &m) == 0 && cred.pid == getpid() && cred.uid == getuid());
            int value;
            m = sizeof value;
            CHECK(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &value, &m) == 0 && value == 1);
            CHECK(getsockopt(l, SOL_SOCKET, SO_TYPE, &value, &m) == 0 && value == kind);
            close(s);
            CHECK(recv(c, buffer, 100, 0) == 0);
            // The queue fills up, and empties.
            int waiting[20], k = 0;
            for (; k < 20; k++) {
                waiting[k] = socket(AF_UNIX, kind | SOCK_NONBLOCK, 0);
                if (connect(waiting[k], (struct sockaddr *)&a, n) != 0)
                    break;
            }
            CHECK(k < 20 && errno == EAGAIN && k >= 5);
            if (fork() == 0) { // one that waits
                int w = socket(AF_UNIX, kind, 0);
                _exit(connect(w, (struct sockaddr *)&a, n) != 0 || send(w, "w", 1, 0) != 1);
            }
            usleep(30000);
            for (int i = 0; i < k + 1; i++) {
                s = accept(l, NULL, NULL);
                CHECK(s >= 0);
                if (i == k)
                    CHECK(recv(s, buffer, 100, 0) == 1 && buffer[0] == 'w');
                close(s);
            }
            int st;
            CHECK(wait(&st) > 0 && st == 0);
            for (int i = 0; i <= k; i++)
                close(waiting[i]);
            close(l);
            close(c);
            close(other);
            if (place == 0) {
                struct stat sb;
                CHECK(stat(path, &sb) == 0 && S_ISSOCK(sb.st_mode));
                FAILS(open(path, O_RDWR), ENXIO);
                c = socket(AF_UNIX, kind, 0);
                FAILS(connect(c, (struct sockaddr *)&a, n), ECONNREFUSED);
                close(c);
                CHECK(unlink(path) == 0);
            }
        }
    }
    // Datagrams by name, and who they are from.
    int l = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
    socklen_t n = name(&a, path), m = sizeof from;
    CHECK(bind(l, (struct sockaddr *)&a, n) == 0);
    CHECK(sendto(c, "hi", 2, 0, (struct sockaddr *)&a, n) == 2);
    CHECK(recvfrom(l, buffer, 100, 0, (struct sockaddr *)&from, &m) == 2 && m == 0);
    a.sun_family = AF_UNIX;
    CHECK(bind(c, (struct sockaddr *)&a, 2) == 0); // a name is chosen
    m = sizeof b;
    CHECK(getsockname(c, (struct sockaddr *)&b, &m) == 0 && m == 2 + 6 && b.sun_path[0] == 0);
    CHECK(connect(c, (struct sockaddr *)&a, n) == 0 && send(c, "there", 5, 0) == 5);
    m = sizeof from;
    CHECK(recvfrom(l, buffer, 100, 0, (struct sockaddr *)&from, &m) == 5 && m == 8 && memcmp(&from, &b, 8) == 0);
    CHECK(sendto(l, "answer", 6, 0, (struct sockaddr *)&from, m) == 6 && read(c, buffer, 100) == 6);
    close(l);
    FAILS(send(c, "x", 1, 0), ECONNREFUSED);
    close(c);
    unlink(path);
    c = socket(AF_UNIX, SOCK_DGRAM, 0);
    FAILS(send(c, "x", 1, 0), ENOTCONN);
    FAILS(listen(c, 1), EOPNOTSUPP);
    close(c);
    // The permission of the node counts.
    if (getuid() == 0) {
        l = socket(AF_UNIX, SOCK_STREAM, 0);
        n = name(&a, path);
        CHECK(bind(l, (struct sockaddr *)&a, n) == 0 && listen(l, 1) == 0 && chmod(path, 0700) == 0);
        int st;
        if (fork() == 0) {
            if (setuid(1000) != 0)
                _exit(9);
            c = socket(AF_UNIX, SOCK_STREAM, 0);
            _exit(connect(c, (struct sockaddr *)&a, n) == -1 && errno == EACCES ? 0 : 1);
        }
        CHECK(wait(&st) > 0 && st == 0);
        close(l);
        unlink(path);
    }
}

static void test_rights(void)
{
    int s[2], p[2], fds[16], n, flags;
    char b[100];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(pipe(p) == 0);
    CHECK(send_fds(s[0], p, 2, "A", 1) == 1);
    CHECK(write(s[0], "BC", 2) == 2);
    n = 16;
    CHECK(receive_fds(s[1], fds, &n, b, 100, MSG_CMSG_CLOEXEC, &flags) == 1 && n == 2); // the bytes that came along, no more
    CHECK(b[0] == 'A' && fcntl(fds[0], F_GETFD) == FD_CLOEXEC && fds[0] != p[0]);
    close(p[0]);
    close(p[1]);
    CHECK(write(fds[1], "through", 7) == 7 && read(fds[0], b, 100) == 7);
    close(fds[1]);
    CHECK(read(fds[0], b, 100) == 0); // every other copy is gone
    close(fds[0]);
    CHECK(read(s[1], b, 100) == 2);
    // A file, at its offset; and across fork.
    int file = open("/tmp/rights-file", O_CREAT | O_RDWR | O_TRUNC, 0600);
    CHECK(write(file, "0123456789", 10) == 10 && lseek(file, 4, SEEK_SET) == 4);
    int st;
    if (fork() == 0) {
        close(s[1]);
        _exit(send_fds(s[0], &file, 1, "f", 1) != 1);
    }
    close(file);
    n = 16;
    CHECK(receive_fds(s[1], fds, &n, b, 100, 0, &flags) == 1 && n == 1);
    CHECK(wait(&st) > 0 && st == 0);
    CHECK(read(fds[0], b, 100) == 6 && memcmp(b, "456789", 6) == 0);
    close(fds[0]);
    unlink("/tmp/rights-file");
    // No room: cut, and said. What is read by read() is dropped.
    CHECK(pipe(p) == 0);
    int four[4] = {p[0], p[1], p[0], p[1]};
    CHECK(send_fds(s[0], four, 4, "A", 1) == 1);
    n = 2;
    CHECK(receive_fds(s[1], fds, &n, b, 1, 0, &flags) == 1 && n == 2 && (flags & MSG_CTRUNC));
    close(fds[0]);
    close(fds[1]);
    CHECK(send_fds(s[0], four, 4, "A", 1) == 1 && read(s[1], b, 10) == 1);
    close(p[1]);
    CHECK(read(p[0], b, 1) == 0); // nobody holds the other end any more
    close(p[0]);
    int bad = 900;
    FAILS(send_fds(s[0], &bad, 1, "A", 1), EBADF);
    FAILS(recv(s[1], b, 1, MSG_DONTWAIT), EAGAIN);
    // Looking does not take them.
    int ev = eventfd(5, 0);
    CHECK(send_fds(s[0], &ev, 1, "E", 1) == 1);
    for (int i = 0; i < 2; i++) {
        uint64_t v = 1;
        n = 16;
        CHECK(receive_fds(s[1], fds, &n, b, 1, i == 0 ? MSG_PEEK : 0, &flags) == 1 && n == 1);
        CHECK(write(fds[0], &v, 8) == 8);
        close(fds[0]);
    }
    uint64_t v;
    CHECK(read(ev, &v, 8) == 8 && v == 7);
    close(ev);
    close(s[0]);
    close(s[1]);
    // Datagrams and records carry them too.
    for (int kind = SOCK_DGRAM; kind <= SOCK_SEQPACKET; kind += 3) {
        CHECK(socketpair(AF_UNIX, kind, 0, s) == 0 && pipe(p) == 0);
        CHECK(send_fds(s[0], p, 2, "dg", 2) == 2);
        close(p[0]);
        close(p[1]);
        n = 16;
        CHECK(receive_fds(s[1], fds, &n, b, 100, 0, &flags) == 2 && n == 2);
        CHECK(write(fds[1], "x", 1) == 1 && read(fds[0], b, 1) == 1);
        close(fds[0]);
        close(fds[1]);
        close(s[0]);
        close(s[1]);
    }
    // A descriptor of credentials.
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    int one = 1;
    CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
    CHECK(write(s[0], "c", 1) == 1);
    union { char b[100]; struct cmsghdr align; } c;
    struct iovec iov = {b, 10};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = sizeof c.b};
    CHECK(recvmsg(s[1], &m, 0) == 1);
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h != NULL && h->cmsg_type == 2 && *(pid_t *)CMSG_DATA(h) == getpid());
    close(s[0]);
    close(s[1]);
}

// Sockets that are only in each other's queues: nothing of them may stay. What would stay is told by a pipe that
// travels with them: its reader sees the end only when the writer is closed everywhere.
static void test_loops(void)
{
    int s[2], t[2], p[2];
    char b[10];
    for (int round = 0; round < 200; round++) {
        CHECK(socketpair(AF_UNIX, round % 2 ? SOCK_STREAM : SOCK_DGRAM, 0, s) == 0);
        CHECK(pipe(p) == 0);
        int fds[3] = {s[0], s[1], p[1]};
        if (send_fds(s[0], fds, 3, "x", 1) != 1) { // through itself
            CHECK(!"sent through itself");
            break;
        }
        close(s[0]);
        close(s[1]);
        close(p[1]);
        struct pollfd q = {.fd = p[0], .events = POLLIN};
        if (poll(&q, 1, 3000) != 1 || read(p[0], b, 1) != 0) {
            CHECK(!"what was sent through itself is gone");
            close(p[0]);
            break;
        }
        close(p[0]);
    }
    // Two in each other's.
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, t) == 0 && pipe(p) == 0);
    int one[2] = {t[1], p[1]}, two[2] = {s[1], p[1]};
    CHECK(send_fds(s[0], one, 2, "x", 1) == 1 && send_fds(t[0], two, 2, "x", 1) == 1);
    close(s[0]), close(s[1]), close(t[0]), close(p[1]);
    struct pollfd q = {.fd = p[0], .events = POLLIN};
    CHECK(poll(&q, 1, 50) == 0); // t[1] is here still, and leads to all
    int fds[16], n = 16, flags;
    CHECK(receive_fds(t[1], fds, &n, b, 1, 0, &flags) == 1 && n == 2);
    close(fds[1]);
    CHECK(poll(&q, 1, 50) == 0);
    close(fds[0]);
    close(t[1]);
    CHECK(poll(&q, 1, 3000) == 1 && read(p[0], b, 1) == 0);
    close(p[0]);
    // Waiting to be accepted at a listener that goes.
    struct sockaddr_un a;
    socklen_t len = name(&a, "@futura-loop");
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(l, (struct sockaddr *)&a, len) == 0 && listen(l, 4) == 0 && connect(c, (struct sockaddr *)&a, len) == 0 && pipe(p) == 0);
    int three[2] = {l, p[1]};
    CHECK(send_fds(c, three, 2, "x", 1) == 1);
    close(l), close(c), close(p[1]);
    q.fd = p[0];
    CHECK(poll(&q, 1, 3000) == 1 && read(p[0], b, 1) == 0);
    close(p[0]);
}

// --- Many connections that move data ------------------------------------------------------------------------------------
#define CONNECTIONS 1000
#define EACH 4096
static uint32_t sum(uint32_t h, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

// The server echoes whatever comes, by epoll; each client sends EACH bytes of its own and compares.
static void serve(int l, int total)
{
    int ep = epoll_create1(0), done = 0;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l}, list[64];
    epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
    while (done < total) {
        int n = epoll_wait(ep, list, 64, 20000);
        if (n <= 0)
            _exit(3);
        for (int i = 0; i < n; i++) {
            int fd = list[i].data.fd;
            if (fd == l) {
                int c = accept4(l, NULL, NULL, SOCK_CLOEXEC);
                e = (struct epoll_event){.events = EPOLLIN, .data.fd = c};
                if (c < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, c, &e) != 0)
                    _exit(4);
                continue;
            }
            char b[4096];
            ssize_t r = read(fd, b, sizeof b);
            if (r > 0 && write(fd, b, (size_t)r) == r)
                continue;
            if (r != 0)
                _exit(5);
            close(fd);
            done++;
        }
    }
    _exit(0);
}

static void test_many(void)
{
    enum { SERVERS = 2, OPEN = 450 }; // one process has not so many descriptors
    struct sockaddr_un a[SERVERS];
    socklen_t len[SERVERS];
    int per = CONNECTIONS / SERVERS, st;
    for (int k = 0; k < SERVERS; k++) {
        char text[32];
        snprintf(text, sizeof text, "@futura-many-%d", k);
        len[k] = name(&a[k], text);
        int l = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(bind(l, (struct sockaddr *)&a[k], len[k]) == 0 && listen(l, 512) == 0);
        if (fork() == 0)
            serve(l, per);
        close(l);
    }
    for (int k = 0; k < SERVERS; k++) {
        if (fork() != 0)
            continue;
        static int fds[CONNECTIONS];
        unsigned char out[EACH], in[EACH];
        for (int i = 0; i < per; i++) {
            fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
            if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&a[k], len[k]) != 0)
                _exit(1);
        }
        for (int i = 0; i < per; i++) { // all are open, all have something under way
            for (int j = 0; j < EACH; j++)
                out[j] = (unsigned char)(i * 31 + j * 7 + k);
            if (write(fds[i], out, EACH) != EACH)
                _exit(2);
        }
        for (int i = 0; i < per; i++) {
            for (int j = 0; j < EACH; j++)
                out[j] = (unsigned char)(i * 31 + j * 7 + k);
            if (recv(fds[i], in, EACH, MSG_WAITALL) != EACH || sum(1, in, EACH) != sum(1, out, EACH))
                _exit(3);
            close(fds[i]);
        }
        _exit(0);
    }
    for (int k = 0; k < 2 * SERVERS; k++)
        CHECK(wait(&st) > 0 && st == 0);
}

static void *reader(void *p)
{
    char b;
    return (void *)(intptr_t)read((int)(intptr_t)p, &b, 1);
}
static void test_threads(void)
{
    int s[2];
    pthread_t t;
    void *r;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(pthread_create(&t, NULL, reader, (void *)(intptr_t)s[0]) == 0);
    usleep(30000);
    CHECK(shutdown(s[0], SHUT_RD) == 0); // wakes the reader with the end
    CHECK(pthread_join(t, &r) == 0 && (intptr_t)r == 0);
    close(s[0]);
    close(s[1]);
    // Numbers run out while connections come in: an error, and everything goes on.
    struct sockaddr_un a;
    socklen_t n = name(&a, "@futura-exhaust");
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), fds[1100], k = 0;
    CHECK(bind(l, (struct sockaddr *)&a, n) == 0 && listen(l, 4) == 0 && connect(c, (struct sockaddr *)&a, n) == 0);
    while (k < 1100 && (fds[k] = dup(0)) >= 0)
        k++;
    if (k < 1100) {
        FAILS(accept(l, NULL, NULL), EMFILE);
        FAILS(socket(AF_UNIX, SOCK_STREAM, 0), EMFILE);
    }
    while (k > 0)
        close(fds[--k]);
    close(l);
    close(c);
}

int main(void)
{
    char dir[] = "/tmp/sock.XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    test_pairs();
    test_names(dir);
    test_rights();
    test_loops();
    test_threads();
    test_many();
    rmdir(dir);
    if (failures == 0)
        printf("SOCKETS ok %d\n", checks);
    else
        printf("SOCKETS failed %d of %d\n", failures, checks);
    return failures != 0;
}
