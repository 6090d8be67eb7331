// SPDX-License-Identifier: MPL-2.0
#include <futura/log.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 256

static const char *program_name(void)
{
    const struct fut_startup *startup = fut_startup();
    if (startup == nullptr)
        return "init";
    if (startup->argc == 0)
        return "?";
    const char *name = ((const char *const *)startup->argv)[0];
    const char *slash = strrchr(name, '/');
    return slash != nullptr ? slash + 1 : name;
}

void fut_log(const char *format, ...)
{
    fut_handle_t log = fut_startup_cap("log");
    if (log == FUT_HANDLE_NONE)
        return;
    char line[LINE_BYTES];
    int used = snprintf(line, sizeof line - 1, "%s: ", program_name());
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, arguments);
    va_end(arguments);
    size_t length = (size_t)used + (more < 0 ? 0 : (size_t)more);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    (void)fut_log_write(log, line, length);
}
