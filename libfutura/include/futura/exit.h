// SPDX-License-Identifier: MPL-2.0
#pragma once

// What _exit() does before it destroys the task; the POSIX library tells posixd. May return.
extern void (*fut_exit_hook)(int status);
