// SPDX-License-Identifier: MPL-2.0
//
// Pipes and FIFOs: what pipe.c and fifo.c share.
#pragma once
#include "posixd.h"
#include "ring.h"

struct pipe_wait;
struct pipe {
    struct ring ring;
    unsigned readers, writers;         // open descriptions
    struct pipe_wait *reading, *writing; // calls that wait, oldest first
    struct readiness read_ready, write_ready;
    uint64_t fresh;                    // IO_READY_IN: bytes have come since readiness was shown last
    uint64_t dev, ino;                 // of a FIFO; ino 0: an unnamed pipe
    struct pipe *next;                 // FIFOs
    struct fifo_open *opening;
    uint64_t number;                   // ino of Stat for an unnamed one
};

struct end {
    struct file file;
    struct pipe *pipe;
    bool reads, writes;
};

extern const struct file_class pipe_class;
[[nodiscard]] struct pipe *pipe_new(void);
void pipe_update_readiness(struct pipe *p);
[[nodiscard]] struct end *pipe_end_bare(struct pipe *p, bool reads, bool writes, uint32_t status,
                                        const struct io_stat *node);
[[nodiscard]] fut_status_t pipe_end_new(struct pipe *p, bool reads, bool writes, uint32_t status,
                                        const struct io_stat *node, io_file_t *out);
void fifo_forget(struct pipe *p);       // the last end is gone
void fifo_ends_changed(struct pipe *p); // an end was opened
