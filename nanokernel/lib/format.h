// SPDX-License-Identifier: MPL-2.0
#pragma once
#include <stdarg.h>
#include <base.h>

// printf's d u x p s c with l, ll, width, 0 and -; each character goes to put.
void format(void (*put)(char c, void *arg), void *arg, const char *f, va_list args);
