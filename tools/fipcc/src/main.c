// SPDX-License-Identifier: MPL-2.0
//
// fipcc COMMAND --out DIR FILE.fipc...; the commands are in the table below.
//
// Libraries that a file uses are found beside it. Exit status: 0 done, 1 the input has errors, 2 wrong use.
#include "fipcc.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct loaded { const char *path; struct library *library; bool busy; };
static struct loaded *loaded;
static unsigned loaded_count;

struct library *load_library(const char *path)
{
    for (unsigned i = 0; i < loaded_count; i++)
        if (strcmp(loaded[i].path, path) == 0) {
            if (loaded[i].busy)
                fatal("%s uses itself, through the libraries that it uses", path);
            return loaded[i].library;
        }
    const struct source *source = source_read(path);
    if (source == nullptr)
        return nullptr;
    loaded = realloc(loaded, (loaded_count + 1) * sizeof *loaded);
    unsigned slot = loaded_count++;
    loaded[slot] = (struct loaded){.path = arena_copy(path, strlen(path)), .busy = true};
    struct library *library = parse_library(source);
    if (library != nullptr)
        check_library(library);
    loaded[slot].library = library;
    loaded[slot].busy = false;
    return library;
}

static void make_folder(const char *path)
{
    (void)mkdir(path, 0777); // it may be there; what matters shows when a file is opened
}

static void run_gen(const struct library *library, const char *out)
{
    make_folder(arena_printf("%s/fipc", out));
    gen_header(library, arena_printf("%s/fipc/%s.h", out, library->name));
    gen_client(library, arena_printf("%s/%s_client.c", out, library->name));
    gen_server(library, arena_printf("%s/%s_server.c", out, library->name));
}

static void run_test(const struct library *library, const char *out)
{
    gen_test(library, arena_printf("%s/%s_test.c", out, library->name));
}

static void run_docs(const struct library *library, const char *out)
{
    gen_docs(library, arena_printf("%s/%s.md", out, library->name));
}

static void run_json(const struct library *library, const char *)
{
    struct out o = {stdout};
    put_json(&o, library);
    put(&o, "\n}\n");
}

static void run_cost(const struct library *library, const char *) { put_cost(library); }
static void run_decode(const struct library *library, const char *) { put_decode_table(library); }

static const char *reason; // --accept
static unsigned broken;
static void run_check(const struct library *library, const char *) { broken += check_lock(library); }
static void run_lock(const struct library *library, const char *) { broken += write_lock(library, reason); }

static const struct command {
    const char *name, *what;
    bool needs_out;
    void (*run)(const struct library *library, const char *out);
} commands[] = {
    {"gen", "C client and server: DIR/fipc/NAME.h, DIR/NAME_client.c, DIR/NAME_server.c", true, run_gen},
    {"test", "golden messages, good and bad, and a null service: DIR/NAME_test.c", true, run_test},
    {"docs", "reference pages: DIR/NAME.md", true, run_docs},
    {"json", "the description for machines, to standard output", false, run_json},
    {"check", "compares with NAME.lock beside the file, and tells what breaks", false, run_check},
    {"lock", "writes NAME.lock; with --accept REASON also where something breaks", false, run_lock},
    {"cost", "per method: form, words, bytes copied, capabilities", false, run_cost},
    {"decode", "a table for tools that show messages: protocol, ordinal, name", false, run_decode},
};
#define COMMANDS (sizeof commands / sizeof *commands)

[[noreturn]] static void usage(void)
{
    fputs("usage: fipcc COMMAND [--out DIR] [--accept REASON] FILE.fipc...\n", stderr);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stderr, "  %-8s %s\n", commands[i].name, commands[i].what);
    exit(2);
}

int main(int argc, char **argv)
{
    const char *out = nullptr;
    const struct command *command = commands;
    while (argc >= 2 && command != commands + COMMANDS && strcmp(argv[1], command->name) != 0)
        command++;
    if (argc < 2 || command == commands + COMMANDS)
        usage();
    int first = argc;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--out") == 0 && i + 1 < argc)
            out = argv[++i];
        else if (strcmp(argv[i], "--accept") == 0 && i + 1 < argc)
            reason = argv[++i];
        else if (argv[i][0] == '-')
            usage();
        else {
            first = i;
            break;
        }
    }
    if ((out == nullptr && command->needs_out) || first == argc)
        usage();
    for (int i = first; i < argc; i++) {
        struct library *library = load_library(argv[i]);
        if (library == nullptr && error_count == 0)
            fatal("cannot read %s", argv[i]);
        if (error_count != 0)
            continue;
        if (out != nullptr)
            make_folder(out);
        command->run(library, out);
    }
    return error_count == 0 && broken == 0 ? 0 : 1;
}
