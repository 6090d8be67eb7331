// SPDX-License-Identifier: MPL-2.0
//
// From the first instruction to main(): TLS, constructors, arguments. The first task of the system is
// started by the kernel with struct fut_boot_info; every other task by a loader with struct fut_startup.
#include <futura/exit.h>
#include <futura/startup.h>
#include <futura/sys.h>
#include <futura/tls.h>
#include <stdlib.h>
#include <string.h>

#define TLS_AREA 1024

extern int main(int argc, char **argv);
extern char **environ;
typedef void (*constructor)(void);
extern const constructor __init_array_start [[gnu::weak, gnu::visibility("hidden")]][];
extern const constructor __init_array_end [[gnu::weak, gnu::visibility("hidden")]][];

static const struct fut_startup *startup;
static const struct fut_boot_info *boot;
static alignas(64) char tls_area[TLS_AREA];

const struct fut_startup *fut_startup(void) { return startup; }
const struct fut_boot_info *fut_boot_info(void) { return boot; }

void (*fut_exit_hook)(int status);

fut_handle_t fut_startup_cap(const char *name)
{
    if (boot != nullptr) {
        const struct { const char *name; fut_handle_t handle; } own[] = {
            {"task", boot->h_task}, {"space", boot->h_space}, {"account", boot->h_account},
            {"log", boot->h_log}, {"time", boot->h_time}};
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (strcmp(own[i].name, name) == 0)
                return own[i].handle;
        return FUT_HANDLE_NONE;
    }
    for (uint32_t i = 0; i < startup->cap_count && i < FUT_STARTUP_CAPS; i++)
        if (strncmp(startup->cap[i].name, name, sizeof startup->cap[i].name) == 0)
            return startup->cap[i].handle;
    return FUT_HANDLE_NONE;
}

[[noreturn]] void _exit(int status)
{
    if (fut_exit_hook != nullptr)
        fut_exit_hook(status);
    if (fut_startup_cap("task") != FUT_HANDLE_NONE)
        (void)fut_task_destroy(fut_startup_cap("task"));
    for (;;)
        fut_thread_exit();
}

[[noreturn, gnu::used]] void fut_start(const void *argument)
{
    static char *no_arguments[] = {"init", nullptr};
    uint64_t magic = *(const uint64_t *)argument;
    int argc = 1;
    char **argv = no_arguments;
    uint64_t ipc_buffer;
    if (magic == FUT_BOOT_MAGIC) {
        boot = argument;
        ipc_buffer = boot->ipc_buffer;
    } else if (magic == FUT_STARTUP_MAGIC) {
        startup = argument;
        ipc_buffer = startup->ipc_buffer;
        argc = (int)startup->argc;
        argv = (char **)startup->argv;
    } else {
        __builtin_trap(); // started by something that is no loader of ours
    }
    if (fut_tls_bytes() > sizeof tls_area)
        __builtin_trap(); // TLS_AREA is too small for this program
    (void)fut_tls_set(fut_tls_init(tls_area, ipc_buffer));
    if (startup != nullptr)
        environ = (char **)startup->envp;
    for (const constructor *c = __init_array_start; c < __init_array_end; c++)
        (*c)();
    exit(main(argc, argv));
}
