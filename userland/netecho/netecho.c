// SPDX-License-Identifier: MPL-2.0
//
// The smallest server and client of a native program: what comes in on a port goes back.
//
//     netecho serve PORT [COUNT]     both families; ends after COUNT connections
//     netecho HOST PORT TEXT         sends TEXT and prints what comes back
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int failed(const char *what)
{
    printf("netecho: %s: %s\n", what, strerror(errno));
    return 1;
}

static int serve(int port, int count)
{
    int one = 1, listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), set = epoll_create1(EPOLL_CLOEXEC);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (listener < 0 || set < 0)
        return failed("socket");
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(listener, (struct sockaddr *)&any, sizeof any) != 0 ||
        listen(listener, 16) != 0)
        return failed("listen");
    struct epoll_event add = {.events = EPOLLIN, .data.fd = listener}, ready[16];
    if (epoll_ctl(set, EPOLL_CTL_ADD, listener, &add) != 0)
        return failed("epoll_ctl");
    while (count != 0) {
        int n = epoll_wait(set, ready, 16, -1);
        for (int i = 0; i < n; i++) {
            char data[4096];
            int fd = ready[i].data.fd;
            if (fd == listener) {
                struct sockaddr_in6 peer;
                socklen_t length = sizeof peer;
                char text[INET6_ADDRSTRLEN];
                fd = accept(listener, (struct sockaddr *)&peer, &length);
                add = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                if (fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &add) != 0)
                    return failed("accept");
                printf("from %s\n", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text));
                (void)fflush(stdout);
                continue;
            }
            ssize_t got = read(fd, data, sizeof data);
            if (got > 0 && write(fd, data, (size_t)got) == got)
                continue;
            (void)close(fd);
            count -= count > 0;
        }
    }
    return 0;
}

static int talk(const char *host, const char *port, const char *text)
{
    struct addrinfo *list, hints = {.ai_socktype = SOCK_STREAM};
    int error = getaddrinfo(host, port, &hints, &list), fd = -1;
    if (error != 0) {
        printf("netecho: %s: %s\n", host, gai_strerror(error));
        return 1;
    }
    for (const struct addrinfo *a = list; a != nullptr && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0)
        return failed(host);
    size_t want = strlen(text), done = 0;
    if (send(fd, text, want, 0) != (ssize_t)want)
        return failed("send");
    char back[4096];
    while (done < want && done < sizeof back) {
        ssize_t n = recv(fd, back + done, sizeof back - done, 0);
        if (n <= 0)
            return failed("recv");
        done += (size_t)n;
    }
    printf("%.*s\n", (int)done, back);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "serve") == 0)
        return serve(atoi(argv[2]), argc > 3 ? atoi(argv[3]) : -1);
    if (argc == 4)
        return talk(argv[1], argv[2], argv[3]);
    printf("usage: netecho serve PORT [COUNT] | netecho HOST PORT TEXT\n");
    return 1;
}
