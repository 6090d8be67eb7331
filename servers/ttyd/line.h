// SPDX-License-Identifier: MPL-2.0
//
// The line discipline of one terminal: between the bytes of a line (or of a pty's master) and what
// programs read and write. Pure: it knows no process, no message and no clock. POSIX.1-2024 chapter 11
// says what the flags do; where it leaves something open this does what Linux does, because programs
// and people expect that. Flag and index values are Linux's.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct line_termios {
    uint32_t iflag, oflag, cflag, lflag;
    uint8_t cc[32];
    uint32_t ispeed, ospeed;
    uint8_t line;
};

enum { // c_cc
    LINE_VINTR, LINE_VQUIT, LINE_VERASE, LINE_VKILL, LINE_VEOF, LINE_VTIME, LINE_VMIN, LINE_VSWTC, LINE_VSTART,
    LINE_VSTOP, LINE_VSUSP, LINE_VEOL, LINE_VREPRINT, LINE_VDISCARD, LINE_VWERASE, LINE_VLNEXT, LINE_VEOL2,
};
enum { // c_iflag
    LINE_IGNBRK = 0x1, LINE_BRKINT = 0x2, LINE_IGNPAR = 0x4, LINE_PARMRK = 0x8, LINE_INPCK = 0x10, LINE_ISTRIP = 0x20,
    LINE_INLCR = 0x40, LINE_IGNCR = 0x80, LINE_ICRNL = 0x100, LINE_IUCLC = 0x200, LINE_IXON = 0x400,
    LINE_IXANY = 0x800, LINE_IXOFF = 0x1000, LINE_IMAXBEL = 0x2000, LINE_IUTF8 = 0x4000,
};
enum { // c_oflag
    LINE_OPOST = 0x1, LINE_OLCUC = 0x2, LINE_ONLCR = 0x4, LINE_OCRNL = 0x8, LINE_ONOCR = 0x10, LINE_ONLRET = 0x20,
    LINE_TABDLY = 0x1800, LINE_XTABS = 0x1800,
};
enum { // c_lflag
    LINE_ISIG = 0x1, LINE_ICANON = 0x2, LINE_ECHO = 0x8, LINE_ECHOE = 0x10, LINE_ECHOK = 0x20, LINE_ECHONL = 0x40,
    LINE_NOFLSH = 0x80, LINE_TOSTOP = 0x100, LINE_ECHOCTL = 0x200, LINE_ECHOPRT = 0x400, LINE_ECHOKE = 0x800,
    LINE_PENDIN = 0x4000, LINE_IEXTEN = 0x8000,
};
enum { LINE_CS8 = 0x30, LINE_CREAD = 0x80, LINE_HUPCL = 0x400, LINE_CLOCAL = 0x800, LINE_B38400 = 0xf };
enum { LINE_SIGHUP = 1, LINE_SIGINT = 2, LINE_SIGQUIT = 3, LINE_SIGCONT = 18, LINE_SIGTSTP = 20, LINE_SIGWINCH = 28 };

#define LINE_INPUT 4096u   // a power of two
#define LINE_OUTPUT 8192u  // a power of two
#define LINE_ECHO_ROOM 1024u // of it kept free of programs' output, for echoes

struct line {
    struct line_termios t;
    // Input: one entry per byte with its marks. head, tail and done count entries since the beginning:
    // tail <= done <= head; what lies between done and head is the line being edited.
    uint16_t in[LINE_INPUT];
    uint32_t in_head, in_tail, in_done;
    // Output, processed: what the line takes next.
    uint8_t out[LINE_OUTPUT];
    uint32_t out_head, out_tail;
    uint32_t column;       // where the cursor is
    uint32_t edit_column;  // where it was when the line being edited began
    bool literal;          // the next character is taken as it is (VLNEXT)
    bool stopped;          // output, by VSTOP or line_flow
    bool flow_stopped;     // VSTOP was sent because of IXOFF
    bool erasing;          // ECHOPRT: inside \.../
    uint8_t urgent[4];     // flow control characters, sent even when stopped
    uint8_t urgent_count;
    uint64_t signals;      // bit s: signal s is asked for, since line_take_signals
};

void line_init(struct line *l);
void line_default_termios(struct line_termios *t);

// From the line. Gives echoes, signals and input; never fails: what does not fit is dropped with a bell.
void line_input(struct line *l, const uint8_t *data, size_t n);
void line_break(struct line *l);
size_t line_input_room(const struct line *l); // bytes that are surely taken: what a pty's master may write

// What a read of `want` bytes waits for.
enum line_wait {
    LINE_READ_NOW,         // line_read gives what there is, or end of file
    LINE_READ_WAIT,        // for input
    LINE_READ_WAIT_TIMED,  // for input, or until VTIME tenths of a second after the read began
    LINE_READ_WAIT_BYTE,   // for input, or until VTIME tenths of a second after the last byte came
};
enum line_wait line_read_wait(const struct line *l, size_t want);
uint64_t line_vtime_ns(const struct line *l);
bool line_readable(const struct line *l);     // for poll
size_t line_read(struct line *l, uint8_t *to, size_t n); // 0: end of file (or n is 0, or nothing there)
uint32_t line_input_count(const struct line *l);          // FIONREAD

// From programs: as much as fits; 0: nothing does.
size_t line_write(struct line *l, const uint8_t *data, size_t n);
bool line_writable(const struct line *l);
uint32_t line_output_count(const struct line *l);

// To the line: takes up to n processed bytes; none while stopped.
size_t line_output(struct line *l, uint8_t *to, size_t n);
bool line_output_ready(const struct line *l);

void line_set(struct line *l, const struct line_termios *t);
enum { LINE_FLUSH_INPUT = 1, LINE_FLUSH_OUTPUT = 2 };
void line_flush(struct line *l, unsigned queues);
enum { LINE_FLOW_OOFF, LINE_FLOW_OON, LINE_FLOW_IOFF, LINE_FLOW_ION };
void line_flow(struct line *l, unsigned action);
uint64_t line_take_signals(struct line *l);

// Whether the queues make sense: for a line that lay in memory somebody else may have written to.
bool line_sane(const struct line *l);
