// SPDX-License-Identifier: MPL-2.0
//
// ttyd's line discipline: what is typed, what programs read, what appears on the screen.
#include "line.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static struct line l;
static const char *test;

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            printf("%s:%d: %s: not true: %s\n", __FILE__, __LINE__, test, #condition);                         \
            failures++;                                                                                        \
        }                                                                                                      \
    } while (0)

static void print_bytes(const char *what, const uint8_t *b, size_t n)
{
    printf("  %s \"", what);
    for (size_t i = 0; i < n; i++)
        printf(b[i] < 32 || b[i] > 126 ? "\\%03o" : "%c", b[i]);
    printf("\"\n");
}

static void compare(int at, const char *what, const uint8_t *got, size_t n, const char *want)
{
    if (n == strlen(want) && memcmp(got, want, n) == 0)
        return;
    printf("%s:%d: %s: %s differs\n", __FILE__, at, test, what);
    print_bytes("wanted", (const uint8_t *)want, strlen(want));
    print_bytes("got   ", got, n);
    failures++;
}

static void type(const char *s) { line_input(&l, (const uint8_t *)s, strlen(s)); }

// What the screen gets next.
static void shows_at(int at, const char *want)
{
    uint8_t b[LINE_OUTPUT];
    compare(at, "the screen", b, line_output(&l, b, sizeof b), want);
}
// What a read of n bytes gives.
static void reads_n_at(int at, size_t n, const char *want)
{
    uint8_t b[LINE_INPUT];
    if (line_read_wait(&l, n) != LINE_READ_NOW) {
        printf("%s:%d: %s: a read would wait\n", __FILE__, at, test);
        failures++;
        return;
    }
    compare(at, "what is read", b, line_read(&l, b, n), want);
}
#define shows(want) shows_at(__LINE__, want)
#define reads(want) reads_n_at(__LINE__, LINE_INPUT, want)
#define reads_n(n, want) reads_n_at(__LINE__, n, want)
#define waits() CHECK(line_read_wait(&l, 100) == LINE_READ_WAIT && !line_readable(&l))

static void screen_off(void)
{
    uint8_t b[LINE_OUTPUT];
    while (line_output(&l, b, sizeof b))
        ;
}

static void start(const char *name)
{
    test = name;
    line_init(&l);
}

static void set(uint32_t i_on, uint32_t i_off, uint32_t o_on, uint32_t o_off, uint32_t l_on, uint32_t l_off)
{
    struct line_termios t = l.t;
    t.iflag = (t.iflag | i_on) & ~i_off;
    t.oflag = (t.oflag | o_on) & ~o_off;
    t.lflag = (t.lflag | l_on) & ~l_off;
    line_set(&l, &t);
}

static void raw(uint8_t least, uint8_t time)
{
    struct line_termios t = l.t;
    t.iflag = 0;
    t.oflag &= ~(uint32_t)LINE_OPOST;
    t.lflag = 0;
    t.cc[LINE_VMIN] = least;
    t.cc[LINE_VTIME] = time;
    line_set(&l, &t);
}

static void lines_are_read_whole(void)
{
    start("a line is not read before it ends, then as a whole");
    waits();
    type("ab");
    waits();
    shows("ab");
    type("c\r");
    shows("c\r\n");
    CHECK(line_input_count(&l) == 4);
    reads("abc\n");
    waits();
    start("one line per read");
    type("one\ntwo\n");
    reads("one\n");
    reads("two\n");
    start("a long line in pieces");
    type("abcdef\n");
    reads_n(4, "abcd");
    reads_n(3, "ef\n");
    waits();
}

static void end_of_file(void)
{
    start("^D on an empty line is end of file, once");
    type("\4");
    shows("");
    reads("");
    waits();
    start("^D behind characters gives them without a line end");
    type("abc\4");
    reads("abc");
    waits();
    start("... and a read that they fill takes the mark along");
    type("abc\4");
    reads_n(3, "abc");
    waits();
    start("end of file between lines");
    type("a\n\4b\n");
    reads("a\n");
    reads("");
    reads("b\n");
    start("EOL and EOL2 end a line and are read");
    struct line_termios t = l.t;
    t.cc[LINE_VEOL] = ';';
    t.cc[LINE_VEOL2] = '!';
    line_set(&l, &t);
    type("a;b!c\n");
    reads("a;");
    reads("b!");
    reads("c\n");
}

static void erasing(void)
{
    start("erase");
    type("ab\177c\n");
    shows("ab\b \bc\r\n");
    reads("ac\n");
    start("erase stops at the line's begin");
    type("a\177\177\177b\n");
    shows("a\b \bb\r\n");
    reads("b\n");
    start("erase leaves an earlier line alone");
    type("a\n\177b\n");
    reads("a\n");
    reads("b\n");
    start("erase of a control character takes two columns");
    type("\1\177x\n");
    shows("^A\b \b\b \bx\r\n");
    reads("x\n");
    start("erase of a tab goes back to where it began");
    line_write(&l, (const uint8_t *)"$ ", 2);
    screen_off();
    type("ab\t\177c\n");
    shows("ab\t\b\b\b\bc\r\n");
    reads("abc\n");
    start("erase of a multi-byte character");
    type("x\303\244\177y\n");
    shows("x\303\244\b \by\r\n");
    reads("xy\n");
    start("... only with IUTF8");
    set(0, LINE_IUTF8, 0, 0, 0, 0);
    type("x\303\244\177y\n");
    reads("x\303y\n");
    start("erase without ECHOE echoes the erase character");
    set(0, 0, 0, 0, 0, LINE_ECHOE);
    type("ab\177\n");
    shows("ab^?\r\n");
    start("ECHOPRT shows what is erased");
    set(0, 0, 0, 0, LINE_ECHOPRT, 0);
    type("abc\177\177x\n");
    shows("abc\\cb/x\r\n");
    reads("ax\n");
    start("word erase");
    type("one two  \27three\n");
    reads("one three\n");
    start("word erase takes punctuation along");
    type("a b...\27c\n");
    reads("a c\n");
    start("word erase without IEXTEN is a character");
    set(0, 0, 0, 0, 0, LINE_IEXTEN);
    type("a\27\n");
    reads("a\27\n");
    start("kill with ECHOKE");
    type("abc\25d\n");
    shows("abc\b \b\b \b\b \bd\r\n");
    reads("d\n");
    start("kill without ECHOKE begins a new line");
    set(0, 0, 0, 0, 0, LINE_ECHOKE);
    type("abc\25d\n");
    shows("abc^U\r\nd\r\n");
    reads("d\n");
    start("reprint");
    type("ab\22c\n");
    shows("ab^R\r\nabc\r\n");
    reads("abc\n");
}

static void literal_next(void)
{
    start("^V takes the next character as it is");
    type("\26\3\n");
    shows("^\b^C\r\n");
    reads("\3\n");
    CHECK(line_take_signals(&l) == 0);
    start("^V before the line end");
    type("a\26\rb\n");
    reads("a\rb\n");
    start("^V before erase");
    type("a\26\177\n");
    reads("a\177\n");
}

static void echo_modes(void)
{
    start("no echo");
    set(0, 0, 0, 0, 0, LINE_ECHO);
    type("secret\n");
    shows("");
    reads("secret\n");
    start("ECHONL without ECHO");
    set(0, 0, 0, 0, LINE_ECHONL, LINE_ECHO);
    type("secret\n");
    shows("\r\n");
    start("without ECHOCTL control characters go out as they are");
    set(0, 0, 0, 0, 0, LINE_ECHOCTL);
    type("\1\n");
    shows("\1\r\n");
    start("echo has room when a program has filled the queue");
    static uint8_t much[LINE_OUTPUT];
    memset(much, 'x', sizeof much);
    size_t took = line_write(&l, much, sizeof much);
    CHECK(took < sizeof much && took > LINE_OUTPUT / 2);
    CHECK(line_write(&l, much, 1) == 0);
    CHECK(!line_writable(&l));
    type("e");
    uint8_t b[LINE_OUTPUT];
    size_t n = line_output(&l, b, sizeof b);
    CHECK(n == took + 1 && b[n - 1] == 'e');
    CHECK(line_writable(&l));
}

static void input_mapping(void)
{
    start("ICRNL off: return is itself");
    set(0, LINE_ICRNL, 0, 0, 0, 0);
    type("a\r\n");
    reads("a\r\n");
    start("INLCR");
    set(LINE_INLCR, LINE_ICRNL, 0, 0, 0, 0);
    type("a\nb\4");
    reads("a\rb");
    start("IGNCR");
    set(LINE_IGNCR, 0, 0, 0, 0, 0);
    type("a\rb\n");
    reads("ab\n");
    start("ISTRIP");
    set(LINE_ISTRIP, 0, 0, 0, 0, 0);
    type("\341\n");
    reads("a\n");
    start("IUCLC");
    set(LINE_IUCLC, 0, 0, 0, 0, 0);
    type("AbC\n");
    reads("abc\n");
    start("without CREAD nothing comes in");
    struct line_termios t = l.t;
    t.cflag &= ~(uint32_t)LINE_CREAD;
    line_set(&l, &t);
    type("a\n");
    waits();
}

static void output_mapping(void)
{
    start("output mapping");
    CHECK(line_write(&l, (const uint8_t *)"a\nb\tc", 5) == 5);
    shows("a\r\nb\tc");
    set(0, 0, LINE_XTABS, 0, 0, 0);
    line_write(&l, (const uint8_t *)"\nab\tc", 5);
    shows("\r\nab      c");
    start("OPOST off");
    set(0, 0, 0, LINE_OPOST, 0, 0);
    line_write(&l, (const uint8_t *)"a\nb", 3);
    shows("a\nb");
    start("OCRNL, ONOCR, OLCUC");
    set(0, 0, LINE_OCRNL | LINE_OLCUC, LINE_ONLCR, 0, 0);
    line_write(&l, (const uint8_t *)"a\rb", 3);
    shows("A\nB");
    start("ONOCR at column 0");
    set(0, 0, LINE_ONOCR, 0, 0, 0);
    line_write(&l, (const uint8_t *)"\ra\r", 3);
    shows("a\r");
}

static void signals(void)
{
    start("^C asks for SIGINT and drops the line");
    type("abc\3");
    CHECK(line_take_signals(&l) == 1ull << LINE_SIGINT);
    CHECK(line_take_signals(&l) == 0);
    waits();
    type("d\n");
    reads("d\n");
    start("^C shows, and drops what a program had written");
    line_write(&l, (const uint8_t *)"much", 4);
    type("\3");
    shows("^C");
    start("^\\ and ^Z");
    type("\34\32");
    CHECK(line_take_signals(&l) == (1ull << LINE_SIGQUIT | 1ull << LINE_SIGTSTP));
    start("NOFLSH keeps the queues");
    set(0, 0, 0, 0, LINE_NOFLSH, 0);
    type("ab\3c\n");
    CHECK(line_take_signals(&l) == 1ull << LINE_SIGINT);
    reads("abc\n");
    start("without ISIG they are characters");
    set(0, 0, 0, 0, 0, LINE_ISIG);
    type("\3\n");
    reads("\3\n");
    CHECK(line_take_signals(&l) == 0);
    start("a disabled character never matches");
    struct line_termios t = l.t;
    t.cc[LINE_VINTR] = 0;
    line_set(&l, &t);
    line_input(&l, (const uint8_t *)"\0\n", 2);
    CHECK(line_take_signals(&l) == 0);
    CHECK(line_input_count(&l) == 2);
    start("^C ends a stop by ^S");
    type("\23\3");
    shows("^C");
    start("break with BRKINT");
    set(LINE_BRKINT, 0, 0, 0, 0, 0);
    line_break(&l);
    CHECK(line_take_signals(&l) == 1ull << LINE_SIGINT);
    start("break is a zero byte else, nothing with IGNBRK");
    raw(1, 0);
    line_break(&l);
    CHECK(line_input_count(&l) == 1);
    set(LINE_IGNBRK, 0, 0, 0, 0, 0);
    line_break(&l);
    CHECK(line_input_count(&l) == 1);
}

static void flow_control(void)
{
    start("^S stops output, ^Q starts it");
    type("\23");
    line_write(&l, (const uint8_t *)"x", 1);
    CHECK(!line_output_ready(&l));
    shows("");
    CHECK(line_output_count(&l) == 1);
    type("a");
    shows("");
    type("\21");
    CHECK(line_output_ready(&l));
    shows("xa");
    start("IXANY: any character starts it");
    set(LINE_IXANY, 0, 0, 0, 0, 0);
    type("\23");
    line_write(&l, (const uint8_t *)"x", 1);
    shows("");
    type("a");
    shows("xa");
    start("IXON off starts it and makes ^S a character");
    type("\23");
    set(0, LINE_IXON, 0, 0, 0, 0);
    line_write(&l, (const uint8_t *)"x", 1);
    shows("x");
    type("\23\n");
    reads("\23\n");
    start("flow by request");
    line_flow(&l, LINE_FLOW_OOFF);
    line_write(&l, (const uint8_t *)"x", 1);
    shows("");
    line_flow(&l, LINE_FLOW_IOFF);
    shows("\23");
    line_flow(&l, LINE_FLOW_ION);
    line_flow(&l, LINE_FLOW_OON);
    shows("\21x");
    start("IXOFF asks the sender to wait while the queue is full");
    set(LINE_IXOFF, 0, 0, 0, 0, LINE_ECHO | LINE_ICANON);
    for (unsigned i = 0; i < LINE_INPUT - 64; i++)
        type("z");
    shows("\23");
    uint8_t b[LINE_INPUT];
    line_read(&l, b, sizeof b);
    shows("\21");
}

static void raw_reads(void)
{
    start("raw: bytes at once, none changed");
    raw(1, 0);
    waits();
    type("\3\r\n\4\177");
    shows("");
    reads("\3\r\n\4\177");
    start("MIN 3: waits for three, or for less if less is wanted");
    raw(3, 0);
    type("ab");
    CHECK(line_read_wait(&l, 100) == LINE_READ_WAIT);
    CHECK(!line_readable(&l));
    CHECK(line_read_wait(&l, 2) == LINE_READ_NOW);
    type("cd");
    reads("abcd");
    start("MIN 0, TIME 0: never waits");
    raw(0, 0);
    reads("");
    type("a");
    reads("a");
    start("MIN 0, TIME 2: waits from the start of the read");
    raw(0, 2);
    CHECK(line_read_wait(&l, 10) == LINE_READ_WAIT_TIMED);
    CHECK(line_vtime_ns(&l) == 200000000);
    type("a");
    reads("a");
    start("MIN 3, TIME 1: the time runs from the first byte");
    raw(3, 1);
    CHECK(line_read_wait(&l, 10) == LINE_READ_WAIT);
    type("a");
    CHECK(line_read_wait(&l, 10) == LINE_READ_WAIT_BYTE);
    CHECK(line_readable(&l));
    type("bc");
    reads("abc");
}

static void changing_modes(void)
{
    start("to raw: the unfinished line can be read");
    type("ab");
    waits();
    raw(1, 0);
    reads("ab");
    start("to raw: an end of file vanishes");
    type("a\4\4b\n");
    raw(1, 0);
    reads("ab\n");
    start("to raw: only an end of file was there");
    type("\4");
    raw(1, 0);
    CHECK(line_read_wait(&l, 1) == LINE_READ_WAIT);
    start("to canonical: what is there is a line");
    raw(1, 0);
    type("ab");
    set(LINE_ICRNL, 0, 0, 0, LINE_ICANON, 0);
    reads("ab");
    waits();
    start("there and back between two lines loses nothing");
    type("one\ntwo\n");
    struct line_termios cooked = l.t;
    raw(1, 0);
    line_set(&l, &cooked);
    reads("one\n");
    reads("two\n");
    start("flush");
    type("a\nb");
    line_flush(&l, LINE_FLUSH_INPUT);
    waits();
    type("c\n");
    reads("c\n");
    line_write(&l, (const uint8_t *)"x", 1);
    line_flush(&l, LINE_FLUSH_OUTPUT);
    shows("");
}

static void full_queue(void)
{
    start("a line that is too long rings the bell, can be ended and edited");
    set(LINE_IMAXBEL, 0, 0, 0, 0, LINE_ECHO);
    for (unsigned i = 0; i < LINE_INPUT + 10; i++) {
        CHECK(line_input_room(&l) > 0);
        type("z");
    }
    uint8_t b[LINE_INPUT + 1];
    CHECK(line_output(&l, b, sizeof b) > 0 && b[0] == 7);
    type("\177y\n");
    CHECK(line_read_wait(&l, 1) == LINE_READ_NOW);
    size_t n = line_read(&l, b, sizeof b);
    CHECK(n > LINE_INPUT - 8 && n < LINE_INPUT && b[n - 1] == '\n' && b[n - 2] == 'y');
    start("raw: room goes to nothing and comes back");
    raw(1, 0);
    while (line_input_room(&l))
        type("z");
    CHECK(line_input_count(&l) > LINE_INPUT / 2);
    line_read(&l, b, sizeof b);
    CHECK(line_input_room(&l) > LINE_INPUT / 4);
}

// Whatever comes in, in whatever mode: counts stay within the queues and nothing is made up.
static void random_bytes(void)
{
    start("random");
    uint64_t seed = 88172645463325252ull;
    size_t in = 0, out = 0;
    for (unsigned i = 0; i < 300000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        uint8_t b[64];
        size_t n = seed >> 8 & 63;
        for (size_t k = 0; k < n; k++)
            b[k] = (uint8_t)(seed >> (k & 31)) & (seed & 1 ? 0xff : 0x1f);
        switch (seed >> 32 & 7) {
        case 0: case 1: case 2: in += 2 * n; line_input(&l, b, n); break;
        case 3: out += line_read(&l, b, n); break;
        case 4: line_write(&l, b, n); break;
        case 5: line_output(&l, b, n); break;
        case 6:
            if ((seed >> 40 & 15) == 0) {
                struct line_termios t = l.t;
                t.lflag = (uint32_t)(seed >> 20);
                t.iflag = (uint32_t)(seed >> 24) & 0x7fff;
                t.oflag = (uint32_t)(seed >> 13);
                line_set(&l, &t);
            } else if ((seed >> 40 & 15) == 1)
                line_break(&l), in += 3;
            break;
        default: line_flow(&l, seed >> 40 & 3); line_take_signals(&l); break;
        }
        CHECK(l.in_head - l.in_tail <= LINE_INPUT && l.in_done - l.in_tail <= l.in_head - l.in_tail);
        CHECK(l.out_head - l.out_tail <= LINE_OUTPUT);
        if (failures)
            return;
    }
    CHECK(out > 0 && out <= in);
}

int main(void)
{
    lines_are_read_whole();
    end_of_file();
    erasing();
    literal_next();
    echo_modes();
    input_mapping();
    output_mapping();
    signals();
    flow_control();
    raw_reads();
    changing_modes();
    full_queue();
    random_bytes();
    return failures != 0;
}
