// SPDX-License-Identifier: MPL-2.0
//
// The kernel's binary interface: everything that the nanokernel and a program agree on.
// Included by the kernel, by libfutura and (for its constants) from assembly.
//
// Two kinds of system call exist.
//
//   IPC calls (FUT_SYS_CALL .. FUT_SYS_REPLY_RECV) carry a message in registers. They clobber every
//   general register except the stack pointer; FP/SIMD state stays as it is. The register maps:
//
//              x86_64 (syscall)                        arm64 (svc #0)
//              in                  out                 in                  out
//     control  rax  op|flags|h<<32 status|perms|kind   x8   op|flags|h<<32 status|perms|kind
//     tag      rdx  tag            tag                 x9   tag            tag
//     aux      rdi  channel|reply  badge               x10  channel|reply  badge
//     w0..w7   rsi r8 r9 r10 r12 r13 r14 r15           x0 .. x7
//     caps01   rbx  two handles    two handles         x11
//     caps23   rbp  two handles    two handles         x12
//     scratch  rcx r11 (by the instruction)            x13..x30 (zero on return)
//
//     control in : bits 0-7 operation, 8-15 FUT_IPC_* flags, 32-63 handle (the Session called, or the
//                  Channel received from).
//     aux in     : for REPLY and REPLY_RECV the Reply handle, 0 = the caller this thread received last.
//     control out: bits 0-31 status (int32), 32-47 permission bits of the Session called, 48-55 what
//                  was received (FUT_RECV_*), 56-63 FUT_OUT_* flags.
//     aux out    : the badge (RECV, REPLY_RECV); for FUT_RECV_EVENT the signal bits are in w0.
//
//   All other calls take up to six arguments and give a status and one value. They preserve every
//   register but the results, rcx and r11.
//
//              x86_64                                  arm64
//     op       rax                                     x8
//     args     rdi rsi rdx r10 r8 r9                   x0 .. x5
//     status   rax                                     x0
//     value    rdx                                     x1
#pragma once

#define FUT_ABI_VERSION 1
#define FUT_PAGE_SIZE 4096
#define FUT_PAGE_SHIFT 12

// --- System call numbers -------------------------------------------------------------------------
// clang-format off
#define FUT_SYS_NULL             0   // () does nothing; what a system call costs
// IPC: register calling convention above.
#define FUT_SYS_CALL             1   // handle: Session with FUT_RIGHT_CALL. Sends, waits for the reply
#define FUT_SYS_SEND             2   // handle: Session with FUT_RIGHT_CALL. One way; waits until received
#define FUT_SYS_RECV             3   // handle: Channel with FUT_RIGHT_RECV
#define FUT_SYS_REPLY            4   // aux: Reply; never blocks
#define FUT_SYS_REPLY_RECV       5   // aux: Reply, handle: Channel; replies, then receives
// Replies held for later, and memory lent by the caller.
#define FUT_SYS_REPLY_SAVE       8   // () -> handle: names the current caller's Reply
#define FUT_SYS_LENT_READ        9   // (reply, index, offset, buffer, length) -> bytes
#define FUT_SYS_LENT_WRITE      10   // (reply, index, offset, buffer, length) -> bytes
// Capabilities.
#define FUT_SYS_CAP_MINT        16   // (h, rights mask) -> handle: derived copy with rights & mask
#define FUT_SYS_CAP_DELETE      17   // (h)
#define FUT_SYS_CAP_REVOKE      18   // (h): deletes all that was derived from it, everywhere
#define FUT_SYS_CAP_INFO        19   // (h, struct fut_cap_info *)
#define FUT_SYS_CAP_GRANT       20   // (task, h, rights mask, slot or 0) -> handle in that task's table
#define FUT_SYS_CAP_TAKE        21   // (task, its handle, rights mask) -> handle: copies out of a task held with MANAGE
// Channels and Sessions.
#define FUT_SYS_CHANNEL_CREATE  24   // () -> handle with all Channel rights
#define FUT_SYS_SESSION_MINT    25   // (channel, badge, perms) -> Session handle
#define FUT_SYS_SESSION_ACK     26   // (channel, badge): the no-senders notice of badge was handled
#define FUT_SYS_CHANNEL_NEXT    27   // (channel, badge) -> next live badge above it; FUT_ERR_NOT_FOUND at the end
#define FUT_SYS_CHANNEL_BIND    28   // (channel, event or 0): one receive sees calls and signals
#define FUT_SYS_SESSION_WATCH   29   // (session, event, bits): signalled when its Channel is gone for good
// Events.
#define FUT_SYS_EVENT_CREATE    32   // () -> handle
#define FUT_SYS_EVENT_SIGNAL    33   // (event, bits): sets bits, wakes
#define FUT_SYS_EVENT_CLEAR     34   // (event, bits) -> bits as they were
#define FUT_SYS_EVENT_WAIT      35   // (event, mask, deadline ns, flags) -> bits & mask; clears them unless FUT_WAIT_KEEP
#define FUT_SYS_WAITSET_CREATE  36   // () -> handle
#define FUT_SYS_WAITSET_ADD     37   // (set, event, mask, key, FUT_WAITSET_*): replaces an entry with the same key
#define FUT_SYS_WAITSET_REMOVE  38   // (set, key)
#define FUT_SYS_WAITSET_WAIT    39   // (set, struct fut_ready *, max, deadline ns, FUT_WAIT_*) -> count; level, clears no Event; KEEP: nor what EDGE and ONCE remember
#define FUT_SYS_EVENT_TIMER     40   // (event, deadline ns, bits): signals the bits once at the deadline; replaces an earlier one; FUT_FOREVER: none
// Memory and Spaces.
#define FUT_SYS_MEMORY_CREATE   48   // (bytes, FUT_MEM_* flags) -> handle
#define FUT_SYS_MEMORY_SLICE    49   // (mem, offset, bytes) -> Memory naming part of a physical or contiguous one
#define FUT_SYS_MEMORY_SNAPSHOT 50   // (mem, offset, bytes) -> copy-on-write copy
#define FUT_SYS_MEMORY_RESIZE   51   // (mem, bytes)
#define FUT_SYS_MEMORY_READ     52   // (mem, offset, buffer, length) -> bytes
#define FUT_SYS_MEMORY_WRITE    53   // (mem, offset, buffer, length) -> bytes
#define FUT_SYS_MEMORY_INFO     54   // (mem, struct fut_memory_info *)
#define FUT_SYS_MEMORY_PAGED    55   // (bytes, pager channel, badge) -> handle: faults go to the channel
#define FUT_SYS_MEMORY_SUPPLY   56   // (paged, offset, from, from offset, bytes, FUT_SUPPLY_* flags): moves pages in, answers faults
#define FUT_SYS_MEMORY_FAIL     57   // (paged, offset, bytes): waiting faults fail
#define FUT_SYS_MEMORY_DECOMMIT 58   // (mem, offset, bytes): drops pages (zero, or paged out)
#define FUT_SYS_MEMORY_DIRTY    59   // (paged, offset, uint64 bitmap *, pages, FUT_DIRTY_* flags) -> count; clears dirty marks
#define FUT_SYS_SPACE_CREATE    64   // (account or 0) -> handle
#define FUT_SYS_SPACE_MAP       65   // (space, const struct fut_map *) -> address
#define FUT_SYS_SPACE_UNMAP     66   // (space, address, bytes)
#define FUT_SYS_SPACE_PROTECT   67   // (space, address, bytes, prot)
#define FUT_SYS_SPACE_CLONE     68   // (space, account or 0) -> Space: private mappings snapshotted, shared ones shared
#define FUT_SYS_SPACE_QUERY     69   // (space, address, struct fut_mapping *): the mapping at or above it
#define FUT_SYS_SPACE_READ      70   // (space, address, buffer, length) -> bytes
#define FUT_SYS_SPACE_WRITE     71   // (space, address, buffer, length) -> bytes
// Tasks and threads.
#define FUT_SYS_TASK_CREATE     80   // (account or 0, space) -> Task with an empty table
#define FUT_SYS_TASK_CLONE      81   // (task, account or 0, space, const struct fut_clone_cap *, n) -> Task
#define FUT_SYS_TASK_NATIVE     82   // (task, address, bytes): where system calls are native; elsewhere they are foreign
#define FUT_SYS_TASK_WATCH      83   // (task, event, bits): signalled when its last thread is gone or it is destroyed
#define FUT_SYS_TASK_DESTROY    84   // (task)
#define FUT_SYS_TASK_INFO       85   // (task, struct fut_task_info *)
#define FUT_SYS_TASK_CAPS       86   // (task, struct fut_cap_info *, max, first slot) -> count
#define FUT_SYS_THREAD_AFFINITY 87   // (thread, mask): bit per CPU where it may run, of machine_info's cpus
#define FUT_SYS_THREAD_CREATE   88   // (task, const struct fut_thread_params *) -> Thread, suspended
#define FUT_SYS_THREAD_RESUME   89   // (thread)
#define FUT_SYS_THREAD_SUSPEND  90   // (thread)
#define FUT_SYS_THREAD_POST     91   // (thread, bits): posts an interruption (upcall reason 3)
#define FUT_SYS_THREAD_GET      92   // (thread, struct fut_regs *)
#define FUT_SYS_THREAD_SET      93   // (thread, const struct fut_regs *)
#define FUT_SYS_THREAD_INFO     94   // (thread, struct fut_thread_info *)
#define FUT_SYS_THREAD_PRIORITY 95   // (thread, priority): at most the caller's own ceiling
#define FUT_SYS_THREAD_EXIT     96   // (): ends the calling thread
#define FUT_SYS_THREAD_SELF     97   // () -> object id of the calling thread
#define FUT_SYS_YIELD           98   // ()
#define FUT_SYS_UPCALL_SET      99   // (const struct fut_upcall *): for the calling thread
#define FUT_SYS_UPCALL_RETURN  100   // (): resumes what the newest frame holds; where it fails, only the stack pointer is preserved
#define FUT_SYS_TLS_SET        101   // (value): the calling thread's TLS register
#define FUT_SYS_THREAD_DESTROY 102   // (thread)
// Waiting on words, time.
#define FUT_SYS_FUTEX_WAIT     104   // (uint32 *, expected, deadline ns, FUT_WAIT_INTERRUPTIBLE or 0); WOULD_BLOCK: another value
#define FUT_SYS_FUTEX_WAKE     105   // (uint32 *, count) -> woken
#define FUT_SYS_FUTEX_REQUEUE  106   // (uint32 *, wake, uint32 *to, requeue) -> woken
#define FUT_SYS_CLOCK          107   // () -> monotonic ns since boot
#define FUT_SYS_TRACE_CONTROL  108   // (machine with DEBUG, 1 starts | 0 stops): one trace at a time; its rings are charged to the caller
#define FUT_SYS_TRACE_READ     109   // (machine with DEBUG, struct fut_trace_read *)
#define FUT_SYS_MACHINE_DEBUG  110   // (machine with DEBUG): the kernel's debugger on the console; returns when the person there says so
// Devices.
#define FUT_SYS_IRQ_CREATE     112   // (machine, line, FUT_IRQ_* flags) -> Irq
#define FUT_SYS_IRQ_MSI        113   // (machine, struct fut_msi *) -> Irq, with the address/data pair to program
#define FUT_SYS_IRQ_BIND       114   // (irq, event, bits)
#define FUT_SYS_IRQ_ACK        115   // (irq): unmasks
#define FUT_SYS_IOPORT_CREATE  116   // (machine, first, count) -> IoPort (x86 only)
#define FUT_SYS_IOPORT_READ    117   // (ioport, port offset, width 1|2|4) -> value
#define FUT_SYS_IOPORT_WRITE   118   // (ioport, port offset, width, value)
#define FUT_SYS_PHYS_CREATE    119   // (machine, physical address, bytes, FUT_MEM_* cache flags) -> Memory; never RAM
// Accounts, log, machine.
#define FUT_SYS_ACCOUNT_CREATE 120   // (parent, pages, objects) -> Account
#define FUT_SYS_ACCOUNT_INFO   121   // (account, struct fut_account_info *)
#define FUT_SYS_LOG_WRITE      124   // (log, buffer, length): appends to the kernel log
#define FUT_SYS_LOG_READ       125   // (log, offset, buffer, length) -> bytes; offset counts from boot
#define FUT_SYS_MACHINE_POWER  126   // (machine, FUT_POWER_*, exit code): does not return
#define FUT_SYS_MACHINE_INFO   127   // (machine, struct fut_machine_info *)
// Schedules.
#define FUT_SYS_SCHEDULE_CREATE 128  // (const struct fut_schedule *) -> Schedule; a part of the caller's Account's, if that has one
#define FUT_SYS_SCHEDULE_SET   129   // (schedule, const struct fut_schedule *): with a full budget
#define FUT_SYS_SCHEDULE_BIND  130   // (schedule or 0, thread): what the thread runs on; 0: its Account's, if that has one
#define FUT_SYS_SCHEDULE_INFO  131   // (schedule, struct fut_schedule_info *)
#define FUT_SYS_ACCOUNT_SCHEDULE 132 // (account, schedule): for an Account that paid for nothing yet
// Looking after capabilities.
#define FUT_SYS_TASK_REVOKE    133   // (task): deletes all that was derived from any capability of the task's, everywhere
#define FUT_SYS_AUDIT_READ     134   // (log, sequence, struct fut_audit *, max) -> count: what is left from that number on
// Looking after interrupts and memory.
#define FUT_SYS_IRQ_LIMIT      135   // (irq, most in 10 ms or 0: the default): and ends a quarantine
#define FUT_SYS_MACHINE_IRQ    136   // (machine, number, struct fut_irq_info *) -> number: the first Irq from that one on
#define FUT_SYS_ACCOUNT_WATCH  137   // (account, event, bits, pages): signalled once, when so many are used
#define FUT_SYS_COUNT          144
// clang-format on

// --- Flags and words of IPC ----------------------------------------------------------------------
#define FUT_IPC_NONBLOCK      0x01  // fail with FUT_ERR_WOULD_BLOCK where it would wait
#define FUT_IPC_DEADLINE      0x02  // the deadline (absolute ns) is in the IPC buffer
#define FUT_IPC_INTERRUPTIBLE 0x04  // a posted interruption ends the wait before the message is received,
                                    // and queues a cancel notice for the server after it

#define FUT_RECV_NOTHING    0  // a CALL's answer, or an error
#define FUT_RECV_CALL       1  // the sender waits for a reply
#define FUT_RECV_SEND       2  // one way: there is no Reply
#define FUT_RECV_EVENT      3  // signals of the bound Event, in w0, cleared from it
#define FUT_RECV_NO_SENDERS 4  // the last handle to the Session with this badge is gone
#define FUT_RECV_CANCEL     5  // the caller of the Reply in w0 (its handle, 0 = current) wants an early answer
#define FUT_RECV_STALE      6  // the Reply in w0 is dead: its caller is gone or its deadline passed

#define FUT_OUT_MAYBE 0x01  // with a transport error: the message may have reached the server

// Tag word: protocol 63..32, flags 31..28, must-understand 27..24, capabilities 23..20, words 19..16,
// ordinal 15..0. The kernel reads only the memory-form flag, the capability count and, in memory
// form, the body length in w0 (bytes).
#define FUT_TAG_MEMORY 0x1ull   // flags: the body is in the IPC buffer
#define FUT_TAG_ERROR  0x2ull   // flags: a reply that carries an error (layer in w1, code in w0)
#define FUT_TAG_LEASE 0x4ull   // flags: the caller lends the ranges in its IPC buffer's lease[]
#define FUT_TAG(protocol, flags, must, caps, words, ordinal)                                        \
    ((unsigned long long)(protocol) << 32 | (unsigned long long)(flags) << 28 |                     \
     (unsigned long long)(must) << 24 | (unsigned long long)(caps) << 20 |                          \
     (unsigned long long)(words) << 16 | (unsigned long long)(ordinal))
#define FUT_TAG_FLAGS(tag) ((tag) >> 28 & 0xf)
#define FUT_TAG_CAPS(tag) ((tag) >> 20 & 0xf)
#define FUT_TAG_WORDS(tag) ((tag) >> 16 & 0xf)

// A capability in a message: its handle with the mode in the two top bits. The receiver gets a plain
// handle; 0 where a Session came home to its own Channel: its badge and permissions are then in the
// receiver's IPC buffer (cap_home).
#define FUT_CAP_COPY 0x00000000u
#define FUT_CAP_MOVE 0x40000000u
#define FUT_CAP_LEND 0x80000000u  // Memory only, CALL only: reached through lent_read/lent_write
#define FUT_CAP_MODE 0xc0000000u
#define FUT_HANDLE_INDEX_BITS 18  // handle = generation (12) << 18 | index; 0 is never valid

#define FUT_IPC_REG_WORDS 8
#define FUT_IPC_REG_CAPS 4
#define FUT_IPC_MAX_CAPS 15
#define FUT_IPC_BUFFER_SIZE 8192
#define FUT_IPC_BODY_OFFSET 512
#define FUT_IPC_BODY_SIZE (FUT_IPC_BUFFER_SIZE - FUT_IPC_BODY_OFFSET)  // 7680

// --- Rights --------------------------------------------------------------------------------------
// The low 16 bits of a rights mask; for a Session the high 16 bits are its permission bits (facets).
#define FUT_RIGHT_READ    0x0001u  // Memory: map/read; Event: wait; Log: read; Task, Thread, Account, Schedule: inspect
#define FUT_RIGHT_WRITE   0x0002u  // Memory: map/write; Event: signal and clear; Log: write; Schedule: run threads on it
#define FUT_RIGHT_EXEC    0x0004u  // Memory: map executable
#define FUT_RIGHT_MAP     0x0008u  // Memory: may be mapped; Space: may be mapped into
#define FUT_RIGHT_CALL    0x0010u  // Session: call and send
#define FUT_RIGHT_RECV    0x0020u  // Channel: receive
#define FUT_RIGHT_MINT    0x0040u  // Channel: mint Sessions
#define FUT_RIGHT_MANAGE  0x0080u  // Task, Thread, Space, Account, Memory (resize, pager): control
#define FUT_RIGHT_DUP     0x0100u  // may be copied (mint, grant, copy in a message)
#define FUT_RIGHT_MOVE    0x0200u  // may be transferred in a message
#define FUT_RIGHT_DMA     0x0400u  // Memory: its physical address may be asked for
#define FUT_RIGHT_IRQ     0x0800u  // Machine: create Irqs; Irq: bind and acknowledge
#define FUT_RIGHT_PHYS    0x1000u  // Machine: create physical Memory and IoPorts
#define FUT_RIGHT_POWER   0x2000u  // Machine: power
#define FUT_RIGHT_DEBUG   0x4000u  // Machine: debug
#define FUT_RIGHTS_ALL    0xffffffffu

#define FUT_OBJ_NONE     0
#define FUT_OBJ_TASK     1
#define FUT_OBJ_THREAD   2
#define FUT_OBJ_CHANNEL  3
#define FUT_OBJ_SESSION  4
#define FUT_OBJ_REPLY    5
#define FUT_OBJ_EVENT    6
#define FUT_OBJ_WAITSET  7
#define FUT_OBJ_MEMORY   8
#define FUT_OBJ_SPACE    9
#define FUT_OBJ_IRQ     10
#define FUT_OBJ_IOPORT  11
#define FUT_OBJ_ACCOUNT 12
#define FUT_OBJ_LOG     13
#define FUT_OBJ_MACHINE 14
#define FUT_OBJ_SCHEDULE 15

#define FUT_WAIT_KEEP          0x1u
#define FUT_WAIT_INTERRUPTIBLE 0x2u
// Of an entry of a WaitSet: reported once for each signal (not as long as the bits are set); reported only once.
#define FUT_WAITSET_EDGE 0x1u
#define FUT_WAITSET_ONCE 0x2u
#define FUT_FOREVER 0xffffffffffffffffull  // a deadline that never comes; 0 = do not wait

#define FUT_MEM_CONTIGUOUS 0x1u  // physically contiguous and pinned (DMA)
#define FUT_MEM_DEVICE     0x2u  // PHYS_CREATE: strongly ordered, uncached (the default); else write-back
#define FUT_MEM_CACHED     0x4u
#define FUT_MEM_COMMIT     0x8u  // all pages are there when the call returns

// MEMORY_SUPPLY from a contiguous Memory shows its pages instead of moving them: both Memories then have them.
// Taken back by MEMORY_DECOMMIT, which keeps the dirty mark of such a page for MEMORY_DIRTY to tell.
#define FUT_SUPPLY_ASK 0x1u  // the pager is asked (with access WRITE) before such a page is first written
#define FUT_DIRTY_ASK  0x1u  // and before the pages of this range are written again

#define FUT_PROT_READ  0x1u
#define FUT_PROT_WRITE 0x2u
#define FUT_PROT_EXEC  0x4u  // never with WRITE
#define FUT_MAP_FIXED    0x10u  // at this address, which must be free
#define FUT_MAP_REPLACE  0x20u  // FIXED, over whatever is there
#define FUT_MAP_PRIVATE  0x40u  // writes go to an anonymous overlay, the Memory is only read
#define FUT_MAP_NO_FAULT 0x80u  // fails unless no access through it can ever wait (not paged, not resizable by others)
#define FUT_MAP_SHARED_FORK 0x100u  // SPACE_CLONE shares it (default for a non-PRIVATE mapping of a Memory handle)
#define FUT_MAP_ANON     0x200u  // no Memory handle: fresh zero pages, snapshotted by SPACE_CLONE

#define FUT_IRQ_LEVEL 0x1u
#define FUT_IRQ_LOW   0x2u  // active low

#define FUT_POWER_OFF    0u
#define FUT_POWER_REBOOT 1u
#define FUT_POWER_EXIT   2u  // off, giving the emulator this exit code where it can

#define FUT_PRIORITY_MAX 63u
#define FUT_PRIORITY_DEFAULT 16u

#define FUT_USER_BASE 0x10000ull          // nothing is ever mapped below
#define FUT_USER_TOP  0x00007ffffffff000ull

// Upcall causes (struct fut_frame.cause).
#define FUT_CAUSE_SYSCALL   1u  // foreign system call: registers as the program left them, pc behind the instruction
#define FUT_CAUSE_FAULT     2u  // code = FUT_FAULT_*, address = where
#define FUT_CAUSE_INTERRUPT 3u  // code = bits posted

#define FUT_FAULT_MAP     1u  // nothing mapped there
#define FUT_FAULT_ACCESS  2u  // mapped, but not for this access
#define FUT_FAULT_PAGER   3u  // the pager failed it, or the page is behind the end
#define FUT_FAULT_ILLEGAL 4u  // undefined instruction
#define FUT_FAULT_TRAP    5u  // breakpoint
#define FUT_FAULT_STEP    6u
#define FUT_FAULT_DIVIDE  7u
#define FUT_FAULT_FPU     8u
#define FUT_FAULT_ALIGN   9u
#define FUT_FAULT_PROTECTION 10u // privileged instruction, non-canonical address
#define FUT_FAULT_WRITE 0x100u   // or-ed in: it was a write
#define FUT_FAULT_EXEC  0x200u   // or-ed in: it was an instruction fetch

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

typedef uint32_t fut_handle_t;
typedef int32_t fut_status_t;  // 0, or FUT_ERR_*; in FIPC also > 0: an error that the protocol declares
#define FUT_HANDLE_NONE ((fut_handle_t)0)

enum {
    FUT_OK = 0,
    // The caller's fault.
    FUT_ERR_HANDLE = -1,     // no such handle
    FUT_ERR_TYPE = -2,       // names another kind of object
    FUT_ERR_RIGHTS = -3,     // lacks a right
    FUT_ERR_ARGUMENT = -4,   // value out of range, misaligned, flags that do not exist
    FUT_ERR_ADDRESS = -5,    // user memory that is not there
    FUT_ERR_SYSCALL = -6,    // no such system call
    // Limits.
    FUT_ERR_NO_MEMORY = -10, // the Account or the machine has no page left
    FUT_ERR_NO_SLOT = -11,   // the capability table is full
    FUT_ERR_QUOTA = -12,     // the Account has no object left
    // State.
    FUT_ERR_NOT_FOUND = -20,
    FUT_ERR_EXISTS = -21,
    FUT_ERR_STATE = -22,     // not now
    FUT_ERR_UNSUPPORTED = -23,
    FUT_ERR_WOULD_BLOCK = -24,
    // Transport.
    FUT_ERR_PEER_CLOSED = -30,
    FUT_ERR_RESTARTED = -31,
    FUT_ERR_TIMED_OUT = -32,
    FUT_ERR_CANCELLED = -33,
    FUT_ERR_INTERRUPTED = -34,
    FUT_ERR_LINK_LOST = -35,
    // Framework (FIPC, found before a handler runs).
    FUT_ERR_INVALID = -40,
    FUT_ERR_UNKNOWN_METHOD = -41,
    FUT_ERR_FACET = -42,     // the Session's permission bits do not let this method through
    FUT_ERR_TOO_BIG = -43,
};

// A range of its own memory that a caller lends for the time of one call: the server reaches it through
// lent_read/lent_write(reply, FUT_LENT_RANGE + i, ...) only. Nothing is copied or checked at the call;
// the kernel reads the descriptor from the (blocked) caller's IPC buffer at each access, checks it
// against the caller's Space, and resolves zero-fill and copy-on-write on the way. A page that only a
// pager could bring gives FUT_ERR_ADDRESS: the caller touches its buffer and tries again. lease[] is
// honoured only where the tag's FUT_TAG_LEASE flag is set.
#define FUT_LEASES 4
#define FUT_LENT_RANGE 0x100u
struct fut_lease { uint64_t address, bytes; uint32_t rights, reserved; };  // FUT_RIGHT_READ, FUT_RIGHT_WRITE

// The pinned IPC buffer of a thread, FUT_IPC_BUFFER_SIZE bytes, aligned to as much.
struct fut_ipc_buffer {
    uint64_t deadline;                     // read with FUT_IPC_DEADLINE
    uint32_t caps_reserved[2];
    uint32_t cap[16];                      // memory form: capabilities in and out
    uint32_t cap_rights[16];               // memory form, in: rights mask per capability, 0 = all
    struct { uint64_t badge; uint32_t perms; uint32_t kind; } cap_home[16];  // out, both forms
    struct fut_lease lease[FUT_LEASES];    // in: ranges of the caller's own memory lent for a CALL
    uint8_t reserved[FUT_IPC_BODY_OFFSET - 16 - 64 - 64 - 256 - 24 * FUT_LEASES];
    uint8_t body[FUT_IPC_BODY_SIZE];
};
static_assert(sizeof(struct fut_ipc_buffer) == FUT_IPC_BUFFER_SIZE);
static_assert(offsetof(struct fut_ipc_buffer, body) == FUT_IPC_BODY_OFFSET);
// cap_home[i].kind: what capability i of the message received is.
#define FUT_CAP_IS_HANDLE 0u  // cap word holds a new handle; badge is its type (FUT_OBJ_*), perms its rights
#define FUT_CAP_IS_HOME   1u  // a Session of this very Channel: badge and perms tell which
#define FUT_CAP_IS_LENT   2u  // reached by lent_read/lent_write with this index

struct fut_cap_info {
    uint64_t object_id;   // stable, never reused
    uint64_t badge;       // Session: its badge
    uint64_t sequence;    // when this capability was derived
    uint64_t parent_id;   // object id of the task that holds the capability it was derived from; 0 = origin
    fut_handle_t handle;
    uint32_t rights;
    uint32_t type;        // FUT_OBJ_*
    uint32_t references;
};

// One record of the audit ring. Numbers follow each other: where some are missing, records were overwritten.
struct fut_audit {
    uint64_t sequence, time_ns;
    uint64_t object_id;
    uint64_t from_task, to_task; // ids: who had it before, who has it
    fut_handle_t handle;  // in to_task
    uint32_t rights;
    uint32_t type;        // FUT_OBJ_*
    uint32_t kind;        // FUT_AUDIT_*
};
#define FUT_AUDIT_MADE    1u  // a capability from nothing: the first of its object
#define FUT_AUDIT_DERIVED 2u  // copied: minted, granted, sent
#define FUT_AUDIT_MOVED   3u
#define FUT_AUDIT_REVOKED 4u  // from_task: who revoked

struct fut_ready { uint64_t key; uint64_t bits; };

struct fut_map {
    uint64_t address;     // wanted; 0 without FIXED = anywhere
    uint64_t offset;      // into the Memory, page aligned
    uint64_t bytes;
    fut_handle_t memory;  // 0 with FUT_MAP_ANON
    uint32_t flags;       // FUT_PROT_* | FUT_MAP_*
};

struct fut_mapping {
    uint64_t address, bytes, offset;
    uint64_t memory_id;   // 0: anonymous
    uint32_t flags;
    uint32_t resident;    // pages present
};

struct fut_memory_info {
    uint64_t bytes;
    uint64_t committed;   // pages held
    uint64_t physical;    // CONTIGUOUS or physical, with FUT_RIGHT_DMA; else 0
    uint32_t flags;
    uint32_t references;  // handles, mappings, threads that wait for a page, pages shown elsewhere
};

struct fut_clone_cap {
    fut_handle_t handle;  // in the cloned task; keeps its value in the new one
    fut_handle_t replace; // a handle of the caller to put there instead; 0 = copy the task's own
};

// A thread's user registers.
#if defined(__x86_64__)
struct fut_regs {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t pc, flags, tls;
};
#elif defined(__aarch64__)
struct fut_regs {
    uint64_t x[31];
    uint64_t sp, pc, flags, tls;
};
#else
#error "no register layout for this architecture"
#endif

struct fut_thread_params {
    uint64_t entry, stack, argument;  // argument: rdi / x0
    uint64_t ipc_buffer;              // address of its IPC buffer, mapped read-write in the task's Space
    uint64_t tls;
    uint32_t priority;
    fut_handle_t fault_session;       // gets fault messages (proto/fault.fipc); 0 = a fault ends the task
    const struct fut_regs *regs;      // all registers instead of entry/stack/argument/tls; may be null
    const struct fut_upcall *upcall;  // registration to start with; may be null
};

// Upcall registration: frames is an array of `count` struct fut_frame, page aligned, pinned while
// registered. The kernel pushes a frame and enters `entry` with its address in the first argument
// register, on `stack`, or 256 bytes below the current stack pointer where an upcall is active.
struct fut_upcall {
    uint64_t entry;
    uint64_t stack;       // top, 16-byte aligned
    uint64_t frames;      // address of struct fut_frames
    uint64_t tls;         // loaded into the TLS register on entry
    uint32_t count;       // frames that fit: at least 4
    uint32_t causes;      // bit n set: cause n comes as upcall (bits 1, 2, 3)
};

struct fut_frame {
    struct fut_regs regs;
    uint64_t address;     // FUT_CAUSE_FAULT: where
    uint32_t cause;
    uint32_t code;
    uint64_t interrupts_masked; // state to return to
    uint64_t reserved[2];
};

struct fut_frames {
    uint32_t depth;             // frames in use; the kernel checks it
    uint32_t interrupts_masked; // not 0 defers cause 3; set by the kernel on every entry, restored on return
    uint64_t pending;           // written by the kernel: bits posted and not yet delivered
    uint64_t reserved[6];
    struct fut_frame frame[];
};

struct fut_task_info {
    uint64_t object_id, space_id, account_id;
    uint64_t cpu_ns;
    uint32_t threads, handles;
    uint64_t pages;       // resident in its Space
};

struct fut_thread_info {
    uint64_t object_id, task_id;
    uint64_t cpu_ns;
    uint32_t state;       // FUT_THREAD_*
    uint32_t priority;
    uint64_t waits_on;    // object id; 0 = none
};
#define FUT_THREAD_RUNNABLE  0u
#define FUT_THREAD_SUSPENDED 1u
#define FUT_THREAD_SENDING   2u
#define FUT_THREAD_CALLING   3u  // received, waits for the reply
#define FUT_THREAD_RECEIVING 4u
#define FUT_THREAD_WAITING   5u  // Event, WaitSet
#define FUT_THREAD_FUTEX     6u
#define FUT_THREAD_FAULTED   7u
#define FUT_THREAD_PAGING    8u
#define FUT_THREAD_DEAD      9u

// A Schedule: so much CPU time in every period (as a sporadic server: what was used comes back one period after its
// use began), at a priority, on some CPUs.
struct fut_schedule {
    uint32_t priority;    // 0: threads keep the one they have
    uint32_t reserved;    // 0
    uint64_t budget;      // ns; FUT_FOREVER: no limit
    uint64_t period;      // ns, at least FUT_PERIOD_MIN; FUT_FOREVER: the budget never comes back
    uint64_t affinity;    // bit n: may run on CPU n; 0: on all
};
#define FUT_PERIOD_MIN 1000000ull          // 1 ms
#define FUT_BUDGET_MAX 0x0fffffffffffffffull
struct fut_schedule_info {
    struct fut_schedule set;
    uint64_t object_id, parent_id; // parent: of which it is a part; 0: none
    uint64_t used_ns;
    int64_t left_ns;      // of the budget
    uint32_t threads;     // bound to it
    uint32_t parked;      // of all threads, those that wait for this budget
};

struct fut_account_info {
    uint64_t pages_used, pages_limit, objects_used, objects_limit, cpu_ns;
};

struct fut_msi {
    uint64_t address;  // out: what the device shall write where
    uint32_t data;
    uint32_t device;   // in: who it will be, as the interrupt controller sees it (PCI: bus << 8 | slot << 3 | function)
};

struct fut_irq_info {
    uint64_t count, dropped; // dropped: in quarantine
    uint64_t owner_id;    // the Account that pays for it
    uint32_t limit;       // in 10 ms
    uint32_t storms;      // times that it was more
    uint32_t flags, reserved;
};
#define FUT_IRQ_IS_MSI      0x1u
#define FUT_IRQ_QUARANTINED 0x2u

struct fut_machine_info {
    uint64_t ram_bytes, free_bytes;
    uint64_t boot_ns;
    uint64_t idle_ns;
    uint32_t cpus, reserved;
    // The wall of counters: switches, calls, faults, interrupts.
    uint64_t switches, calls, faults, interrupts;
    uint64_t unhandled;   // interrupts that nobody is bound to
};

// One event of a trace. time_kind: the counter of the time page << 8 | FUT_TRACE_*; thread: whose doing it was, an
// object id, 0 = nobody's.
struct fut_trace_record { uint64_t time_kind, thread, a, b; };
//                              a                       b
#define FUT_TRACE_SWITCH    1u // task                   address of its program counter
#define FUT_TRACE_IDLE      2u // -                      -
#define FUT_TRACE_CALL      3u // tag                    Channel
#define FUT_TRACE_SEND      4u // tag                    Channel
#define FUT_TRACE_RECEIVE   5u // tag                    whose call or message: Thread
#define FUT_TRACE_REPLY     6u // tag                    who is answered: Thread
#define FUT_TRACE_ABORT     7u // status                 -: its call, send or receive ended without a message
#define FUT_TRACE_FAULT     8u // FUT_FAULT_*            address
#define FUT_TRACE_INTERRUPT 9u // line                   -
#define FUT_TRACE_TIMER    10u // -                      -
#define FUT_TRACE_SIGNAL   11u // Event                  bits
#define FUT_TRACE_EXIT     12u // task                   -

#define FUT_CPUS_MAX 8
struct fut_trace_read {
    uint32_t cpu, max;    // max: records that fit
    uint64_t sequence;    // in: number of the record wanted next; out: of the one behind what was given
    uint64_t records;     // address of struct fut_trace_record[max]
    uint64_t lost;        // out: records from the wanted one on that had been overwritten
    uint32_t count;       // out
    uint32_t reserved;
};

// What the first task finds at the address in its argument register: read-only.
#define FUT_BOOT_MAGIC 0x31544f4f42545546ull  // "FUTBOOT1"
struct fut_boot_info {
    uint64_t magic;
    uint64_t ipc_buffer;        // of the first thread
    uint64_t archive_bytes;     // the boot archive (newc cpio), behind h_archive
    uint64_t rsdp;              // physical address of the ACPI RSDP; 0 = none
    uint64_t devicetree_bytes;  // behind h_devicetree; 0 = none
    fut_handle_t h_task, h_space, h_thread, h_account;
    fut_handle_t h_machine, h_log, h_archive, h_devicetree;
    fut_handle_t h_time;        // Memory: struct fut_time_page, one page, read-only
    uint32_t reserved;
    char command_line[1024];    // as the loader gave it, 0-terminated
    char cpu_name[64];
};

// Monotonic time without a system call: ns = base_ns + ((counter - base_counter) * mult >> shift)
// in 128-bit arithmetic; counter is TSC (x86_64) or CNTVCT_EL0 (arm64).
struct fut_time_page {
    uint64_t base_ns, base_counter, mult;
    uint32_t shift, version;
};
#endif // __ASSEMBLER__
