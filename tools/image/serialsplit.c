// SPDX-License-Identifier: MPL-2.0
//
// serialsplit TOKEN < serial-line: takes the output of one command out of everything that a booting system prints.
//
// `tools/futura run -c CMD` gives the guest a script that prints a begin mark, the output of CMD, and an end mark with
// the exit status. The marks carry TOKEN, a random number that CMD cannot know. What comes before the begin mark (the
// boot log) and after the end mark goes to stderr; what is between goes to stdout, byte for byte, as it arrives; the
// status becomes this program's. If the line ends before the end mark the status is 125.
//
//   begin: \001 TOKEN " begin\n"        end: \001 TOKEN " end " STATUS "\n"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct matcher {
    char text[128];
    size_t length, matched;
};

static void out(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n <= 0)
            exit(126); // nobody reads our output any more
        data += n;
        size -= (size_t)n;
    }
}

// Feeds one byte; true when the mark is complete. Bytes that turn out not to be the mark go to `fd`. The mark's first
// byte occurs nowhere else in it, so after a mismatch only that byte can start a new match.
static bool feed(struct matcher *m, char c, int fd)
{
    if (c != m->text[m->matched]) {
        out(fd, m->text, m->matched);
        m->matched = 0;
        if (c != m->text[0]) {
            out(fd, &c, 1);
            return false;
        }
    }
    return ++m->matched == m->length;
}

int main(int argc, char **argv)
{
    if (argc != 2 || strlen(argv[1]) > 64) {
        fprintf(stderr, "usage: serialsplit TOKEN\n");
        return 2;
    }
    struct matcher begin = {}, end = {};
    begin.length = (size_t)snprintf(begin.text, sizeof begin.text, "\001%s begin\n", argv[1]);
    end.length = (size_t)snprintf(end.text, sizeof end.text, "\001%s end ", argv[1]);

    enum { BOOT, COMMAND, STATUS, REST } state = BOOT;
    int status = 125;
    static char buffer[65536];
    ssize_t n;
    while ((n = read(0, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            char c = buffer[i];
            switch (state) {
            case BOOT:
                if (feed(&begin, c, 2))
                    state = COMMAND;
                break;
            case COMMAND: {
                // Fast path: a run of bytes that cannot start the mark is written at once.
                if (end.matched == 0) {
                    char *mark = memchr(buffer + i, end.text[0], (size_t)(n - i));
                    size_t run = mark ? (size_t)(mark - (buffer + i)) : (size_t)(n - i);
                    if (run > 0) {
                        out(1, buffer + i, run);
                        i += (ssize_t)run - 1;
                        break;
                    }
                }
                if (feed(&end, c, 1)) {
                    state = STATUS;
                    status = 0;
                }
                break;
            }
            case STATUS:
                if (c >= '0' && c <= '9' && status < 256)
                    status = status * 10 + (c - '0');
                else
                    state = REST;
                break;
            case REST:
                out(2, &c, 1);
                break;
            }
        }
    }
    if (state == COMMAND)
        out(1, end.text, end.matched);
    if (state == BOOT || state == COMMAND)
        fprintf(stderr, "\nfutura: the system stopped before the command %s.\n", state == BOOT ? "began" : "ended");
    return status;
}
