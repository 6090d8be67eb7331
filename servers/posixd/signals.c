// SPDX-License-Identifier: MPL-2.0
//
// The rules of POSIX XSH 2.4 as one function of what a process says about a signal.
#include "signals.h"

bool signal_valid(unsigned signal) { return signal >= 1 && signal <= SIG_MAX; }

enum signal_action signal_default_action(unsigned signal, bool orphaned)
{
    uint64_t bit = signal_bit(signal);
    if (bit & SIGNALS_DEFAULT_IGNORED)
        return SIGNAL_DROP;
    if (signal == SIG_STOP)
        return SIGNAL_STOP_ALL;
    if (bit & SIGNALS_STOP)
        return orphaned ? SIGNAL_DROP : SIGNAL_STOP_ALL; // nobody could continue it
    return SIGNAL_TERMINATE;
}

enum signal_action signal_decide(unsigned signal, const struct signal_view *view)
{
    uint64_t bit = signal_bit(signal);
    if (signal == SIG_KILL)
        return SIGNAL_TERMINATE;
    if (signal == SIG_STOP)
        return view->stopped ? SIGNAL_DROP : SIGNAL_STOP_ALL;
    bool caught = view->caught & bit;
    if ((view->ignored & bit) && !caught)
        return SIGNAL_DROP;
    // A blocked one stays, even where its default would be nothing: sigwait and a later handler want it.
    if (view->blocked & bit)
        return SIGNAL_PEND;
    if (!caught && signal_default_action(signal, view->orphaned) == SIGNAL_DROP)
        return SIGNAL_DROP;
    if (view->stopped)
        return SIGNAL_PEND; // looked at again when it continues
    if (caught)
        return SIGNAL_POST;
    return signal_default_action(signal, view->orphaned);
}
