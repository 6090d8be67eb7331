// SPDX-License-Identifier: MPL-2.0
//
// Sockets of the internet domains over the loopback: TCP, UDP, ICMP, both families, and a thousand connections that
// move data which is compared at both ends. The same program passes on Linux (as root). At the end "INET ok N".
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "check.h"

static struct sockaddr_in v4(const char *host, int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &a.sin_addr);
    return a;
}
static struct sockaddr_in6 v6(const char *host, int port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, host, &a.sin6_addr);
    return a;
}
#define SA(a) (struct sockaddr *)&(a), sizeof(a)

static int number(int fd, int level, int option)
{
    int v = -99;
    socklen_t n = sizeof v;
    return getsockopt(fd, level, option, &v, &n) == 0 ? v : -1000 - errno;
}

static void test_tcp(void)
{
    int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in a = v4("127.0.0.1", 7001), b;
    socklen_t n = sizeof b;
    char buffer[100];
    CHECK(l >= 0 && setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(number(l, SOL_SOCKET, SO_REUSEADDR) == 1);
    CHECK(bind(l, SA(a)) == 0 && listen(l, 8) == 0);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(other, SA(a)), EADDRINUSE);
    close(other);
    int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fcntl(c, F_GETFD) == FD_CLOEXEC);
    CHECK(connect(c, SA(a)) == 0);
    struct pollfd p = {.fd = l, .events = POLLIN};
    CHECK(poll(&p, 1, 3000) == 1);
    int s = accept(l, (struct sockaddr *)&b, &n);
    CHECK(s >= 0 && n == sizeof b && b.sin_family == AF_INET && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    struct sockaddr_in name;
    n = sizeof name;
    CHECK(getsockname(c, (struct sockaddr *)&name, &n) == 0 && name.sin_port == b.sin_port);
    n = sizeof name;
    CHECK(getpeername(c, (struct sockaddr *)&name, &n) == 0 && name.sin_port == htons(7001));
    CHECK(number(c, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && number(c, SOL_SOCKET, SO_ERROR) == 0);
    CHECK(number(l, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    CHECK(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 && number(c, IPPROTO_TCP, TCP_NODELAY) == 1);
    FAILS(setsockopt(c, IPPROTO_TCP, 9999, &one, sizeof one), ENOPROTOOPT);
    CHECK(send(c, "hello", 5, 0) == 5);
    CHECK(recv(s, buffer, 3, MSG_PEEK) == 3 && recv(s, buffer, 100, 0) == 5 && memcmp(buffer, "hello", 5) == 0);
    FAILS(recv(s, buffer, 100, MSG_DONTWAIT), EAGAIN);
    CHECK(write(s, "12", 2) == 2 && write(s, "34", 2) == 2 && recv(c, buffer, 4, MSG_WAITALL) == 4);
    struct iovec v[2] = {{"ab", 2}, {"cde", 3}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
    CHECK(sendmsg(c, &m, 0) == 5 && recv(s, buffer, 5, MSG_WAITALL) == 5 && memcmp(buffer, "abcde", 5) == 0);
    // A time-out; half a close; the end.
    struct timeval t = {0, 100000};
    CHECK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    FAILS(read(s, buffer, 1), EAGAIN);
    CHECK(shutdown(c, SHUT_WR) == 0 && read(s, buffer, 10) == 0);
    CHECK(write(s, "late", 4) == 4 && recv(c, buffer, 4, MSG_WAITALL) == 4);
    close(s);
    CHECK(read(c, buffer, 1) == 0);
    close(c);
    // Nobody is there.
    c = socket(AF_INET, SOCK_STREAM, 0);
    a.sin_port = htons(7999);
    FAILS(connect(c, SA(a)), ECONNREFUSED);
    close(c);
    // Without waiting.
    a.sin_port = htons(7001);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int r = connect(c, SA(a));
    CHECK(r == 0 || errno == EINPROGRESS);
    p = (struct pollfd){.fd = c, .events = POLLOUT};
    CHECK(poll(&p, 1, 3000) == 1 && p.revents == POLLOUT && number(c, SOL_SOCKET, SO_ERROR) == 0);
    CHECK((s = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0);
    FAILS(read(s, buffer, 1), EAGAIN);
    // Fill it up: a writer that does not wait is told, and one that waits is woken.
    static char block[65536];
    size_t sent = 0, got = 0;
    ssize_t k;
    while ((k = write(s, block, sizeof block)) > 0)
        sent += (size_t)k;
    CHECK(k == -1 && errno == EAGAIN && sent > 0);
    p = (struct pollfd){.fd = s, .events = POLLOUT};
    CHECK(poll(&p, 1, 0) == 0);
    fcntl(c, F_SETFL, 0);
    while (got < sent && (k = read(c, block, sizeof block)) > 0)
        got += (size_t)k;
    CHECK(got == sent && poll(&p, 1, 3000) == 1);
    close(s);
    close(c);
    close(l);
    c = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
    FAILS(recv(c, buffer, 1, 0), ENOTCONN);
    FAILS(listen(0, 1), ENOTSOCK);
    close(c);
}

static void test_six(void)
{
    // One socket hears both families, as telnetd and httpd have it.
    int l = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in6 any = v6("::", 7002), from;
    struct sockaddr_in a = v4("127.0.0.1", 7002);
    struct sockaddr_in6 b = v6("::1", 7002);
    socklen_t n = sizeof from;
    char buffer[10];
    CHECK(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 && bind(l, SA(any)) == 0 && listen(l, 5) == 0);
    int c = socket(AF_INET, SOCK_STREAM, 0), s;
    CHECK(connect(c, SA(a)) == 0 && (s = accept(l, (struct sockaddr *)&from, &n)) >= 0);
    CHECK(n == sizeof from && IN6_IS_ADDR_V4MAPPED(&from.sin6_addr) && from.sin6_addr.s6_addr[12] == 127);
    CHECK(write(c, "4", 1) == 1 && read(s, buffer, 10) == 1);
    close(c), close(s);
    c = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(c, SA(b)) == 0 && (s = accept(l, (struct sockaddr *)&from, &n)) >= 0);
    CHECK(IN6_IS_ADDR_LOOPBACK(&from.sin6_addr) && write(s, "6", 1) == 1 && read(c, buffer, 10) == 1);
    close(c), close(s), close(l);
    l = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0);
    any.sin6_port = b.sin6_port = a.sin_port = htons(7003);
    CHECK(bind(l, SA(any)) == 0 && listen(l, 5) == 0);
    c = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(connect(c, SA(a)), ECONNREFUSED);
    close(c), close(l);
}

static void test_udp(void)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    struct sockaddr_in a = v4("127.0.0.1", 7004), from;
    socklen_t n = sizeof from;
    char buffer[3000];
    CHECK(bind(s, SA(a)) == 0);
    CHECK(sendto(c, "hello", 5, 0, SA(a)) == 5);
    CHECK(recvfrom(s, buffer, 100, 0, (struct sockaddr *)&from, &n) == 5 && n == sizeof from && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(sendto(s, "back", 4, 0, SA(from)) == 4 && recv(c, buffer, 100, 0) == 4);
    CHECK(connect(c, SA(a)) == 0 && write(c, "12345678", 8) == 8);
    CHECK(recv(s, buffer, 3, MSG_TRUNC) == 8);
    FAILS(recv(s, buffer, 3, MSG_DONTWAIT), EAGAIN);
    CHECK(send(c, buffer, 2500, 0) == 2500 && recv(s, buffer, sizeof buffer, 0) == 2500);
    CHECK(send(c, "", 0, 0) == 0 && recv(s, buffer, 10, 0) == 0);
    FAILS(send(c, buffer, 70000, 0), EMSGSIZE);
    // Where it came to, and how far it had to go.
    CHECK(setsockopt(s, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) == 0 && setsockopt(s, IPPROTO_IP, IP_RECVTTL, &one, sizeof one) == 0);
    CHECK(send(c, "x", 1, 0) == 1);
    union { char b[200]; struct cmsghdr align; } control;
    struct iovec v = {buffer, 100};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.b, .msg_controllen = sizeof control.b};
    CHECK(recvmsg(s, &m, 0) == 1 && m.msg_namelen == sizeof from);
    int info = 0, ttl = 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
        if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO)
            info = ((struct in_pktinfo *)CMSG_DATA(h))->ipi_addr.s_addr == htonl(INADDR_LOOPBACK);
        if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_TTL)
            ttl = *(int *)CMSG_DATA(h);
    }
    CHECK(info == 1 && ttl == 64);
    struct mmsghdr many[3] = {};
    struct iovec parts[3] = {{"a", 1}, {"bc", 2}, {"def", 3}};
    for (int i = 0; i < 3; i++)
        many[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    CHECK(sendmmsg(c, many, 3, 0) == 3 && many[2].msg_len == 3);
    char in[3][10];
    for (int i = 0; i < 3; i++) {
        parts[i] = (struct iovec){in[i], 10};
        many[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    CHECK(recvmmsg(s, many, 3, 0, NULL) == 3 && many[0].msg_len == 1 && many[2].msg_len == 3 && memcmp(in[2], "def", 3) == 0);
    close(s);
    close(c);
    FAILS(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
    FAILS(socket(AF_APPLETALK, SOCK_DGRAM, 0), EAFNOSUPPORT);
}

static void test_icmp(void)
{
    int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    if (s < 0 && errno == EPERM)
        return;
    struct { struct icmphdr h; char data[20]; } echo = {.h = {.type = ICMP_ECHO, .un.echo = {.id = htons(77), .sequence = htons(1)}}, .data = "futura"};
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof echo / 2; i++)
        sum += ((uint16_t *)&echo)[i];
    echo.h.checksum = (uint16_t)~((sum & 0xffff) + (sum >> 16));
    struct sockaddr_in a = v4("127.0.0.1", 0);
    char buffer[200];
    CHECK(sendto(s, &echo, sizeof echo, 0, SA(a)) == sizeof echo);
    int found = 0;
    struct timeval t = {2, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    for (int i = 0; i < 4 && !found; i++) {
        ssize_t n = recv(s, buffer, sizeof buffer, 0);
        struct icmphdr *h = (struct icmphdr *)(buffer + 20);
        found = n == 20 + (ssize_t)sizeof echo && h->type == ICMP_ECHOREPLY && h->un.echo.id == htons(77);
    }
    CHECK(found);
    close(s);
}

static void test_names(void)
{
    struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM};
    CHECK(getaddrinfo("127.0.0.1", "80", &hints, &list) == 0);
    CHECK(((struct sockaddr_in *)list->ai_addr)->sin_port == htons(80));
    struct { char name[16]; char rest[24]; } r = {.name = "lo"};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(ioctl(s, 0x8915 /* SIOCGIFADDR */, &r) == 0 && ((struct sockaddr_in *)r.rest)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    strcpy(r.name, "nowhere0");
    FAILS(ioctl(s, 0x8915, &r), ENODEV);
    close(s);
}

// --- A thousand connections ------------------------------------------------------------------------------------------------
#define CONNECTIONS 1000
#define EACH 3000
enum { PAIRS = 2, PER = CONNECTIONS / PAIRS };
static unsigned char byte_of(int k, int i, int j) { return (unsigned char)(k * 3 + i * 31 + j * 7 + (j >> 8)); }

static void serve(int l)
{
    int ep = epoll_create1(0), done = 0;
    struct epoll_event e = {.events = EPOLLIN, .data.fd = l}, list[64];
    epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
    while (done < PER) {
        int n = epoll_wait(ep, list, 64, 60000);
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
            if (r != 0) {
                printf("after %d of %d: read gives %d, errno %d\n", done, PER, (int)r, errno);
                fflush(stdout);
                _exit(5);
            }
            close(fd);
            done++;
        }
    }
    _exit(0);
}

static void client(int k)
{
    static int fds[PER];
    unsigned char out[EACH], in[EACH];
    struct sockaddr_in a = v4("127.0.0.1", 7100 + k);
    for (int i = 0; i < PER; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[i] < 0 || connect(fds[i], SA(a)) != 0) {
            printf("connection %d: errno %d\n", i, errno);
            fflush(stdout);
            _exit(1);
        }
    }
    for (int i = 0; i < PER; i++) {
        for (int j = 0; j < EACH; j++)
            out[j] = byte_of(k, i, j);
        if (write(fds[i], out, EACH) != EACH)
            _exit(2);
    }
    for (int i = 0; i < PER; i++) {
        for (int j = 0; j < EACH; j++)
            out[j] = byte_of(k, i, j);
        if (recv(fds[i], in, EACH, MSG_WAITALL) != EACH || memcmp(in, out, EACH) != 0)
            _exit(3);
        close(fds[i]);
    }
    _exit(0);
}

static void test_many(void)
{
    int st;
    for (int k = 0; k < PAIRS; k++) {
        struct sockaddr_in a = v4("127.0.0.1", 7100 + k);
        int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        CHECK(bind(l, SA(a)) == 0 && listen(l, 512) == 0);
        if (fork() == 0)
            serve(l);
        close(l);
    }
    for (int k = 0; k < PAIRS; k++)
        if (fork() == 0)
            client(k);
    for (int k = 0; k < 2 * PAIRS; k++) {
        CHECK(wait(&st) > 0 && st == 0);
        if (st != 0)
            printf("a child ended with %#x\n", st);
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    test_tcp();
    test_six();
    test_udp();
    test_icmp();
    test_names();
    if (argc < 2)
        test_many();
    if (failures == 0)
        printf("INET ok %d\n", checks);
    else
        printf("INET failed %d of %d\n", failures, checks);
    return failures != 0;
}
