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
    // Of sockets (local.c); null otherwise.
    struct local *reader, *writer;     // whose bytes these are; null once it has closed its end
    void (*changed)(struct pipe *p);   // instead of showing readiness
    struct mark *marks;                // what travels with the bytes at certain places, in their order
    void (*drop_mark)(struct pipe *p); // the first one
    uint64_t put, taken;               // bytes, ever
};

struct end {
    struct file file;
    struct pipe *pipe;
    bool reads, writes;
};

extern const struct file_class pipe_class;
[[nodiscard]] struct pipe *pipe_new(void);
void pipe_update_readiness(struct pipe *p);
struct mark {
    struct mark *next;
    uint64_t start, end; // places in the stream: its bytes
    struct rights *rights;
};
// Without waiting: n tells how much. Either data or a lease of the request.
[[nodiscard]] fut_status_t pipe_put_now(struct fut_request *req, struct pipe *p, const void *data, struct fut_lease_arg *lease,
                                        uint64_t total, uint64_t *n);
[[nodiscard]] fut_status_t pipe_take_now(struct fut_request *req, struct pipe *p, void *data, struct fut_lease_arg *lease,
                                         uint64_t max, bool peek, uint64_t *n);
[[nodiscard]] struct end *pipe_end_bare(struct pipe *p, bool reads, bool writes, uint32_t status,
                                        const struct io_stat *node);
[[nodiscard]] fut_status_t pipe_end_new(struct pipe *p, bool reads, bool writes, uint32_t status,
                                        const struct io_stat *node, io_file_t *out);
void fifo_forget(struct pipe *p);       // the last end is gone
void fifo_ends_changed(struct pipe *p); // an end was opened
