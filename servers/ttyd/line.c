// SPDX-License-Identifier: MPL-2.0
//
// The line discipline; line.h says what it is for.
//
// An entry of the input queue is a byte with two marks. LINE_END: a canonical read stops behind it.
// NOT_DATA: it ends a line but is not read (end of file); line_set takes such entries out for raw mode.
//
// Echo goes through output processing like a program's writes, but has room of its own in the queue: a
// program that fills the queue cannot take the echo away.
#include "line.h"
#include <string.h>

#define LINE_END 0x100u
#define NOT_DATA 0x200u
#define BELL 7
#define DISABLED 0 // _POSIX_VDISABLE

static bool iflag(const struct line *l, uint32_t f) { return l->t.iflag & f; }
static bool oflag(const struct line *l, uint32_t f) { return l->t.oflag & f; }
static bool lflag(const struct line *l, uint32_t f) { return l->t.lflag & f; }
static bool is(const struct line *l, uint8_t c, unsigned which) { return l->t.cc[which] != DISABLED && l->t.cc[which] == c; }
static bool extended(const struct line *l, uint8_t c, unsigned which) { return lflag(l, LINE_IEXTEN) && is(l, c, which); }

static bool control(uint8_t c) { return c < 32 || c == 127; }
// A byte that follows the first of a multi-byte character.
static bool continuation(const struct line *l, uint8_t c) { return iflag(l, LINE_IUTF8) && (c & 0xc0) == 0x80; }

void line_default_termios(struct line_termios *t)
{
    *t = (struct line_termios){
        .iflag = LINE_ICRNL | LINE_IXON | LINE_IUTF8,
        .oflag = LINE_OPOST | LINE_ONLCR,
        .cflag = LINE_CS8 | LINE_CREAD | LINE_HUPCL | LINE_B38400,
        .lflag = LINE_ISIG | LINE_ICANON | LINE_ECHO | LINE_ECHOE | LINE_ECHOK | LINE_ECHOCTL | LINE_ECHOKE | LINE_IEXTEN,
        .ispeed = 38400, .ospeed = 38400,
    };
    static const uint8_t cc[] = {
        [LINE_VINTR] = 3, [LINE_VQUIT] = 28, [LINE_VERASE] = 127, [LINE_VKILL] = 21, [LINE_VEOF] = 4, [LINE_VTIME] = 0,
        [LINE_VMIN] = 1, [LINE_VSTART] = 17, [LINE_VSTOP] = 19, [LINE_VSUSP] = 26, [LINE_VREPRINT] = 18,
        [LINE_VDISCARD] = 15, [LINE_VWERASE] = 23, [LINE_VLNEXT] = 22};
    memcpy(t->cc, cc, sizeof cc);
}

void line_init(struct line *l)
{
    memset(l, 0, sizeof *l);
    line_default_termios(&l->t);
}

// --- Output ------------------------------------------------------------------------------------------------
static uint32_t out_room(const struct line *l) { return LINE_OUTPUT - (l->out_head - l->out_tail); }

static void out_put(struct line *l, uint8_t c)
{
    if (out_room(l))
        l->out[l->out_head++ % LINE_OUTPUT] = c;
}

// One byte through output processing, which makes up to eight of it; false: no room, nothing done.
static bool process(struct line *l, uint8_t c, uint32_t keep)
{
    if (out_room(l) < keep + 8)
        return false;
    if (!oflag(l, LINE_OPOST)) {
        out_put(l, c);
        return true;
    }
    switch (c) {
    case '\n':
        if (oflag(l, LINE_ONLRET))
            l->column = 0;
        if (oflag(l, LINE_ONLCR)) {
            out_put(l, '\r');
            l->column = 0;
        }
        break;
    case '\r':
        if (oflag(l, LINE_ONOCR) && l->column == 0)
            return true;
        if (oflag(l, LINE_OCRNL)) {
            c = '\n';
            if (oflag(l, LINE_ONLRET))
                l->column = 0;
            break;
        }
        l->column = 0;
        break;
    case '\t': {
        uint32_t spaces = 8 - (l->column & 7);
        l->column += spaces;
        if ((l->t.oflag & LINE_TABDLY) == LINE_XTABS) {
            while (spaces--)
                out_put(l, ' ');
            return true;
        }
        break;
    }
    case '\b':
        if (l->column)
            l->column--;
        break;
    default:
        if (oflag(l, LINE_OLCUC) && c >= 'a' && c <= 'z')
            c -= 32;
        if (!control(c) && !continuation(l, c))
            l->column++;
    }
    out_put(l, c);
    return true;
}

size_t line_write(struct line *l, const uint8_t *data, size_t n)
{
    size_t done = 0;
    while (done < n && process(l, data[done], LINE_ECHO_ROOM))
        done++;
    return done;
}

bool line_writable(const struct line *l)
{
    return out_room(l) >= LINE_OUTPUT / 4 + LINE_ECHO_ROOM;
}

uint32_t line_output_count(const struct line *l)
{
    return l->out_head - l->out_tail;
}

bool line_output_ready(const struct line *l)
{
    return l->urgent_count || (!l->stopped && l->out_head != l->out_tail);
}

size_t line_output(struct line *l, uint8_t *to, size_t n)
{
    size_t done = 0;
    while (done < n && l->urgent_count) {
        to[done++] = l->urgent[0];
        memmove(l->urgent, l->urgent + 1, --l->urgent_count);
    }
    while (done < n && !l->stopped && l->out_tail != l->out_head)
        to[done++] = l->out[l->out_tail++ % LINE_OUTPUT];
    return done;
}

// --- Echo ------------------------------------------------------------------------------------------------
static void echo_raw(struct line *l, uint8_t c) { (void)process(l, c, 0); }

// How a character of the line being edited was shown: control characters as ^X with ECHOCTL.
static bool shown_as_control(const struct line *l, uint8_t c)
{
    return lflag(l, LINE_ECHOCTL) && control(c) && c != '\t';
}

static void echo_char(struct line *l, uint8_t c)
{
    if (shown_as_control(l, c)) {
        echo_raw(l, '^');
        echo_raw(l, c ^ 0x40);
    } else {
        echo_raw(l, c);
    }
}

static void echo(struct line *l, uint8_t c)
{
    if (!lflag(l, LINE_ECHO))
        return;
    if (c == '\n')
        echo_raw(l, c);
    else
        echo_char(l, c);
}

static void end_erasing(struct line *l)
{
    if (l->erasing) {
        echo_raw(l, '/');
        l->erasing = false;
    }
}

// --- The line being edited ---------------------------------------------------------------------------------
static uint16_t at(const struct line *l, uint32_t i) { return l->in[i % LINE_INPUT]; }
static uint32_t in_count(const struct line *l) { return l->in_head - l->in_tail; }

static void bell(struct line *l)
{
    if (iflag(l, LINE_IMAXBEL))
        out_put(l, BELL);
}

static void start_edit(struct line *l)
{
    if (l->in_head == l->in_done)
        l->edit_column = l->column;
}

static bool append(struct line *l, uint16_t entry, uint32_t keep)
{
    if (in_count(l) + keep >= LINE_INPUT) {
        bell(l);
        return false;
    }
    start_edit(l);
    l->in[l->in_head++ % LINE_INPUT] = entry;
    return true;
}

// The column in which the line being edited ends, if its part up to `end` is what the terminal shows.
static uint32_t column_of(const struct line *l, uint32_t end)
{
    uint32_t column = l->edit_column;
    for (uint32_t i = l->in_done; i != end; i++) {
        uint8_t c = (uint8_t)at(l, i);
        if (c == '\t')
            column = (column | 7) + 1;
        else if (shown_as_control(l, c))
            column += 2;
        else if (!control(c) && !continuation(l, c))
            column++;
    }
    return column;
}

// Removes the last character (of several bytes with IUTF8) and takes it off the screen.
static void erase_one(struct line *l)
{
    uint32_t end = l->in_head;
    do
        end--;
    while (end != l->in_done && continuation(l, (uint8_t)at(l, end)));
    uint8_t c = (uint8_t)at(l, end);
    uint32_t old_end = l->in_head;
    if (lflag(l, LINE_ECHO)) {
        if (lflag(l, LINE_ECHOPRT)) {
            if (!l->erasing) {
                echo_raw(l, '\\');
                l->erasing = true;
            }
            for (uint32_t i = end; i != old_end; i++)
                echo_char(l, (uint8_t)at(l, i));
        } else if (!lflag(l, LINE_ECHOE)) {
            echo_char(l, l->t.cc[LINE_VERASE]);
        } else if (c == '\t') {
            uint32_t target = column_of(l, end);
            while (l->column > target && out_room(l) > 8)
                echo_raw(l, '\b');
        } else {
            unsigned width = shown_as_control(l, c) ? 2 : control(c) ? 0 : 1;
            while (width--) {
                echo_raw(l, '\b');
                echo_raw(l, ' ');
                echo_raw(l, '\b');
            }
        }
    }
    l->in_head = end;
}

static void kill_line(struct line *l)
{
    if (l->in_head == l->in_done)
        return;
    bool visually = lflag(l, LINE_ECHO) && lflag(l, LINE_ECHOK) && lflag(l, LINE_ECHOKE) && lflag(l, LINE_ECHOE);
    if (visually) {
        while (l->in_head != l->in_done)
            erase_one(l);
        return;
    }
    l->in_head = l->in_done;
    if (lflag(l, LINE_ECHO)) {
        end_erasing(l);
        echo_char(l, l->t.cc[LINE_VKILL]);
        if (lflag(l, LINE_ECHOK))
            echo_raw(l, '\n');
    }
}

static bool word_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c >= 0x80;
}

static void erase_word(struct line *l)
{
    bool seen = false;
    while (l->in_head != l->in_done) {
        bool word = word_byte((uint8_t)at(l, l->in_head - 1));
        if (seen && !word)
            break;
        seen |= word;
        erase_one(l);
    }
}

static void reprint(struct line *l)
{
    if (!lflag(l, LINE_ECHO))
        return;
    end_erasing(l);
    echo_char(l, l->t.cc[LINE_VREPRINT]);
    echo_raw(l, '\n');
    l->edit_column = l->column;
    for (uint32_t i = l->in_done; i != l->in_head; i++)
        echo_char(l, (uint8_t)at(l, i));
}

static void finish_line(struct line *l)
{
    end_erasing(l);
    l->in_done = l->in_head;
}

// --- Input ---------------------------------------------------------------------------------------------------
static void ask_signal(struct line *l, unsigned signal, uint8_t c)
{
    l->signals |= 1ull << signal;
    if (!lflag(l, LINE_NOFLSH))
        line_flush(l, LINE_FLUSH_INPUT | (signal == LINE_SIGTSTP ? 0 : LINE_FLUSH_OUTPUT));
    l->stopped = false;
    end_erasing(l);
    echo(l, c);
}

// The character is part of what is read. Room is kept for the end of a line.
static void take(struct line *l, uint8_t c)
{
    if (lflag(l, LINE_ICANON)) {
        if (append(l, c, 2)) {
            end_erasing(l);
            echo(l, c);
        }
    } else if (append(l, c, 0)) {
        l->in_done = l->in_head;
        echo(l, c);
    }
    // PARMRK tells a real 0xff from the mark of a break.
    if (c == 0xff && iflag(l, LINE_PARMRK) && !iflag(l, LINE_ISTRIP) && append(l, c, 2) && !lflag(l, LINE_ICANON))
        l->in_done = l->in_head;
}

static bool canonical(struct line *l, uint8_t c)
{
    if (is(l, c, LINE_VERASE)) {
        if (l->in_head != l->in_done)
            erase_one(l);
        return true;
    }
    if (is(l, c, LINE_VKILL)) {
        kill_line(l);
        return true;
    }
    if (extended(l, c, LINE_VWERASE)) {
        erase_word(l);
        return true;
    }
    if (extended(l, c, LINE_VREPRINT)) {
        reprint(l);
        return true;
    }
    if (extended(l, c, LINE_VLNEXT)) {
        l->literal = true;
        if (lflag(l, LINE_ECHO) && lflag(l, LINE_ECHOCTL)) {
            end_erasing(l);
            start_edit(l);
            echo_raw(l, '^');
            echo_raw(l, '\b');
        }
        return true;
    }
    if (is(l, c, LINE_VEOF)) {
        if (append(l, NOT_DATA | LINE_END, 0))
            finish_line(l);
        return true;
    }
    if (c == '\n' || is(l, c, LINE_VEOL) || extended(l, c, LINE_VEOL2)) {
        if (append(l, c | LINE_END, 1)) {
            if (c == '\n' && lflag(l, LINE_ECHONL) && !lflag(l, LINE_ECHO))
                echo_raw(l, c);
            else
                echo(l, c);
            finish_line(l);
        }
        return true;
    }
    return false;
}

static void input_one(struct line *l, uint8_t c)
{
    if (iflag(l, LINE_ISTRIP))
        c &= 0x7f;
    if (l->literal) {
        l->literal = false;
        take(l, c);
        return;
    }
    if (iflag(l, LINE_IUCLC) && lflag(l, LINE_IEXTEN) && c >= 'A' && c <= 'Z')
        c += 32;
    if (iflag(l, LINE_IXON)) {
        if (is(l, c, LINE_VSTART)) {
            l->stopped = false;
            return;
        }
        if (is(l, c, LINE_VSTOP)) {
            l->stopped = true;
            return;
        }
        if (l->stopped && iflag(l, LINE_IXANY))
            l->stopped = false;
    }
    if (lflag(l, LINE_ISIG)) {
        unsigned signal = is(l, c, LINE_VINTR) ? LINE_SIGINT : is(l, c, LINE_VQUIT) ? LINE_SIGQUIT
                          : is(l, c, LINE_VSUSP) ? LINE_SIGTSTP : 0;
        if (signal) {
            ask_signal(l, signal, c);
            return;
        }
    }
    if (c == '\r') {
        if (iflag(l, LINE_IGNCR))
            return;
        if (iflag(l, LINE_ICRNL))
            c = '\n';
    } else if (c == '\n' && iflag(l, LINE_INLCR)) {
        c = '\r';
    }
    if (!lflag(l, LINE_ICANON) || !canonical(l, c))
        take(l, c);
}

static void ask_sender(struct line *l)
{
    if (!iflag(l, LINE_IXOFF))
        return;
    if (!l->flow_stopped && in_count(l) > LINE_INPUT - LINE_INPUT / 4)
        line_flow(l, LINE_FLOW_IOFF);
    else if (l->flow_stopped && in_count(l) < LINE_INPUT / 4)
        line_flow(l, LINE_FLOW_ION);
}

void line_input(struct line *l, const uint8_t *data, size_t n)
{
    if (!(l->t.cflag & LINE_CREAD))
        return;
    for (size_t i = 0; i < n; i++)
        input_one(l, data[i]);
    ask_sender(l);
}

void line_break(struct line *l)
{
    if (iflag(l, LINE_IGNBRK))
        return;
    if (iflag(l, LINE_BRKINT)) {
        line_flush(l, LINE_FLUSH_INPUT | LINE_FLUSH_OUTPUT);
        l->signals |= 1ull << LINE_SIGINT;
        return;
    }
    bool ok = true;
    if (iflag(l, LINE_PARMRK))
        ok = append(l, 0xff, 4) && append(l, 0, 3);
    if (ok)
        (void)append(l, 0, 2);
    if (!lflag(l, LINE_ICANON))
        l->in_done = l->in_head;
}

size_t line_input_room(const struct line *l)
{
    uint32_t room = LINE_INPUT - in_count(l);
    room = room > 4 ? (room - 4) / 2 : 0; // a byte can become two (PARMRK)
    // A line that fills the queue and has not ended must stay editable.
    return room == 0 && lflag(l, LINE_ICANON) && l->in_done == l->in_tail ? 1 : room;
}

// --- Reading -------------------------------------------------------------------------------------------------
uint32_t line_input_count(const struct line *l)
{
    uint32_t n = 0;
    for (uint32_t i = l->in_tail; i != l->in_done; i++)
        n += !(at(l, i) & NOT_DATA);
    return n;
}

uint64_t line_vtime_ns(const struct line *l) { return l->t.cc[LINE_VTIME] * 100000000ull; }

enum line_wait line_read_wait(const struct line *l, size_t want)
{
    uint32_t have = l->in_done - l->in_tail;
    if (lflag(l, LINE_ICANON))
        return have ? LINE_READ_NOW : LINE_READ_WAIT;
    uint32_t least = l->t.cc[LINE_VMIN], time = l->t.cc[LINE_VTIME];
    if (least == 0)
        return have || !time ? LINE_READ_NOW : LINE_READ_WAIT_TIMED;
    if (have >= least || have >= want)
        return LINE_READ_NOW;
    return time && have ? LINE_READ_WAIT_BYTE : LINE_READ_WAIT;
}

bool line_readable(const struct line *l)
{
    uint32_t have = l->in_done - l->in_tail, least = 1;
    if (!lflag(l, LINE_ICANON) && !l->t.cc[LINE_VTIME] && l->t.cc[LINE_VMIN])
        least = l->t.cc[LINE_VMIN];
    return have >= least;
}

size_t line_read(struct line *l, uint8_t *to, size_t n)
{
    size_t done = 0;
    bool by_line = lflag(l, LINE_ICANON);
    while (l->in_tail != l->in_done) {
        uint16_t e = at(l, l->in_tail);
        // A line's end that is no data goes with the last byte before it: the next read starts behind.
        if (done == n && !(by_line && e == (NOT_DATA | LINE_END) && n))
            break;
        l->in_tail++;
        if (!(e & NOT_DATA))
            to[done++] = (uint8_t)e;
        if (by_line && e & LINE_END)
            break;
    }
    ask_sender(l);
    return done;
}

// --- Control ---------------------------------------------------------------------------------------------------
void line_set(struct line *l, const struct line_termios *t)
{
    uint32_t changed = l->t.lflag ^ t->lflag;
    bool flow_ends = iflag(l, LINE_IXON) && !(t->iflag & LINE_IXON);
    l->t = *t;
    if (changed & LINE_ICANON) {
        l->literal = false;
        l->erasing = false;
        // To raw: what was being edited can be read, and ends of file vanish. To canonical: what is there
        // is a line.
        if (!lflag(l, LINE_ICANON)) {
            uint32_t keep = l->in_tail;
            for (uint32_t i = l->in_tail; i != l->in_head; i++)
                if (!(at(l, i) & NOT_DATA))
                    l->in[keep++ % LINE_INPUT] = at(l, i);
            l->in_head = keep;
        } else if (l->in_head != l->in_tail) {
            l->in[(l->in_head - 1) % LINE_INPUT] |= LINE_END;
        }
        l->in_done = l->in_head;
    }
    if (flow_ends)
        l->stopped = false;
    ask_sender(l);
}

void line_flush(struct line *l, unsigned queues)
{
    if (queues & LINE_FLUSH_INPUT) {
        l->in_tail = l->in_done = l->in_head;
        l->literal = false;
        l->erasing = false;
        ask_sender(l);
    }
    if (queues & LINE_FLUSH_OUTPUT)
        l->out_tail = l->out_head;
}

static void urgent(struct line *l, unsigned which)
{
    if (l->t.cc[which] != DISABLED && l->urgent_count < sizeof l->urgent)
        l->urgent[l->urgent_count++] = l->t.cc[which];
}

void line_flow(struct line *l, unsigned action)
{
    switch (action) {
    case LINE_FLOW_OOFF: l->stopped = true; break;
    case LINE_FLOW_OON:  l->stopped = false; break;
    case LINE_FLOW_IOFF:
        l->flow_stopped = true;
        urgent(l, LINE_VSTOP);
        break;
    case LINE_FLOW_ION:
        l->flow_stopped = false;
        urgent(l, LINE_VSTART);
        break;
    default: break;
    }
}

uint64_t line_take_signals(struct line *l)
{
    uint64_t s = l->signals;
    l->signals = 0;
    return s;
}

bool line_sane(const struct line *l)
{
    return l->in_head - l->in_tail <= LINE_INPUT && l->in_done - l->in_tail <= l->in_head - l->in_tail &&
           l->out_head - l->out_tail <= LINE_OUTPUT && l->urgent_count <= sizeof l->urgent;
}
