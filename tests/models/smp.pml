// SPDX-License-Identifier: MPL-2.0
//
// The protocols between CPUs (nanokernel/sched/smp.c, sched.c's idle, platform/*/smp.c): the kernel lock and waiting for it,
// stopping another CPU, asking it for work, taking a translation away everywhere, waking a CPU that is idle.
//
// A CPU is in user mode, where it may fill its TLB, or halted, or it waits for the lock, or has it. With the lock it does one
// of the operations that reach other CPUs, then looks for something to run and goes to user mode or halts. Each CPU makes
// OPS operations; then it only runs what it was given and comes to rest, so that a state in which nobody can go on and not
// all are at rest is a deadlock or a lost wake-up, and spin finds it as an invalid end state.
//
// What is checked:
//   - one CPU has the lock
//   - a CPU that was stopped is not in user mode, until the lock is dropped
//   - nobody is in user mode with a translation that was taken away before (shootdown)
//   - whoever halts has nothing to run, or an interrupt on its way (wake across CPUs)
//   - what was asked for was done when the asker goes on
//   - a thread that was evicted runs on no CPU
// Spin interleaves single steps of all CPUs on one memory, so this says nothing about weak memory: docs/testing.md does.
//
// The faults that must be found (tests/models/run seeds each): NO_STOP, NO_FLUSH, NO_KICK, IDLE_LATE, NO_SERVE, NO_GONE.
#ifndef CPUS
#define CPUS 3
#endif
#ifndef OPS
#define OPS 2
#endif

mtype = { USER, WAITING, KERNEL, HALTED };
mtype state[CPUS] = KERNEL;  // where the CPU is
bool lock = false;
byte holder = 255;
byte starving = 255;
bool waiting[CPUS], idle[CPUS], ipi[CPUS], flush[CPUS], gone[CPUS], request[CPUS];
bool still[CPUS];            // ghost: by the holder of the lock
bool current[CPUS];          // has a thread to run
byte queue[CPUS];            // ready threads
bool mapped = true;          // the translation in memory
bool tlb[CPUS];              // each CPU's copy

inline got_lock(me)
{
    assert(holder == 255);
    holder = me;
}

// lock_wait. The registers are saved and wishes are served. Whoever loses patience says so; the others stand back.
inline wait_for_lock(me)
{
        atomic { state[me] = WAITING; waiting[me] = true }
        do
        :: atomic { starving == 255 && lock -> starving = me }
           k = 0;
           do
           :: k < CPUS ->
               if
               :: k != me && !idle[k] && !waiting[k] -> ipi[k] = true
               :: else
               fi;
               k++
           :: else -> break
           od
#ifndef NO_SERVE
        :: atomic { request[me] -> request[me] = false }
#endif
        :: atomic { !lock && (starving == 255 || starving == me) -> lock = true; got_lock(me); break }
        od;
        if
        :: starving == me -> starving = 255
        :: else
        fi;
        atomic { waiting[me] = false; still[me] = false; state[me] = KERNEL }
        if
        :: flush[me] -> atomic { flush[me] = false; tlb[me] = false }
        :: else
        fi;
        if
        :: gone[me] -> gone[me] = false
        :: else
        fi
}

// lock_try, or else lock_wait.
inline take_lock(me)
{
    if
    :: atomic { !lock -> lock = true; got_lock(me); state[me] = KERNEL }
    :: else -> wait_for_lock(me)
    fi
}

inline drop_lock(me)
{
    atomic {
        assert(holder == me);
        holder = 255;
        lock = false;
        // Whoever was stopped may go on from here.
        k = 0;
        do
        :: k < CPUS -> still[k] = false; k++
        :: else -> break
        od
    }
}

// cpu_stop
inline stop(me, c)
{
#ifndef NO_STOP
    if
    :: idle[c] || waiting[c]
    :: else -> ipi[c] = true; waiting[c]
    fi;
#endif
    assert(state[c] != USER);
    still[c] = true
}

proctype cpu(byte me)
{
    byte ops = 0, c, k;
    // Comes up with the lock not taken, as a secondary CPU.
    take_lock(me);
again:
    // With the lock: perhaps an operation on others.
    if
    :: ops < OPS ->
        ops++;
        select(c : 0 .. CPUS - 1);
        if
        :: // an operation of its own
           skip
        :: c != me -> // makes a thread ready there
           queue[c]++;
#ifndef NO_KICK
           if
           :: idle[c] || current[c] -> ipi[c] = true
           :: else
           fi
#endif
        :: // takes the translation away: from its own TLB, and from all that could be using it
           mapped = false;
           tlb[me] = false;
           c = 0;
           do
           :: c < CPUS ->
               if
               :: c == me || idle[c] // an idle CPU has no Space loaded
               :: else ->
                   stop(me, c);
                   if
                   :: idle[c]
                   :: else ->
#ifndef NO_FLUSH
                       flush[c] = true
#else
                       skip
#endif
                   fi
               fi;
               c++
           :: else -> break
           od;
           // Done: nobody can use it. It may be mapped again, to something else, which the old copies would not show.
           c = 0;
           do
           :: c < CPUS -> assert(!(state[c] == USER && tlb[c])); c++
           :: else -> break
           od
        :: c != me -> // asks for work there
           if
           :: idle[c] // nothing of its is needed
           :: else ->
               request[c] = true;
               if
               :: waiting[c]
               :: else -> ipi[c] = true
               fi;
               !request[c]
           fi
        :: c != me && current[c] -> // takes its thread away
           stop(me, c);
           if
           :: current[c] -> current[c] = false; gone[c] = true;
           :: else
           fi;
           assert(state[c] != USER)
        fi
    :: else
    fi;
    // schedule()
    if
    :: current[me]
    :: !current[me] && queue[me] > 0 -> queue[me]--; current[me] = true
    :: !current[me] && queue[me] == 0 -> goto halt
    fi;
    atomic { assert(!(tlb[me] && !mapped) && !still[me]); state[me] = USER; drop_lock(me) }
    // User mode: uses memory, until it enters the kernel by itself or is called. The interrupt is taken at once.
user:
    if
    :: atomic { ipi[me] -> ipi[me] = false }
    :: atomic { mapped && !tlb[me] -> tlb[me] = true }; goto user
    :: atomic { tlb[me] && mapped -> skip }; goto entered // a system call
    :: current[me] -> goto entered
    fi;
    take_lock(me);
    if
    :: starving != 255 -> drop_lock(me); wait_for_lock(me) // kernel_ipi
    :: else
    fi;
    goto after_entry;
entered:
    take_lock(me);
after_entry:
    // The thread may end, or wait, in the call.
    if
    :: current[me] -> current[me] = false
    :: ops < OPS -> skip
    :: !current[me]
    fi;
    goto again;
halt:
    // No Space is loaded any more. The flag is set with the lock.
    tlb[me] = false;
#ifdef IDLE_LATE
    state[me] = HALTED;
    drop_lock(me);
    idle[me] = true;
#else
    idle[me] = true;
    atomic { state[me] = HALTED; drop_lock(me) }
#endif
    // hlt, wfi: an interrupt that came before ends it at once.
end_halted:
    atomic { ipi[me] -> ipi[me] = false; state[me] = KERNEL }
    take_lock(me);
    idle[me] = false;
    goto again
}

// No wake-up is lost: who halts with work has an interrupt on its way. (While somebody has the lock, it may still be sent.)
#define LOST(c) (state[c] == HALTED && idle[c] && queue[c] > 0 && !ipi[c] && !lock)
#if CPUS > 2
#define ANY_LOST (LOST(0) || LOST(1) || LOST(2))
#else
#define ANY_LOST (LOST(0) || LOST(1))
#endif
active proctype monitor()
{
end_monitor:
    atomic { ANY_LOST -> assert(false) }
}

init
{
    byte i = 0;
    atomic {
        do
        :: i < CPUS -> run cpu(i); i++
        :: else -> break
        od
    }
}
