// SPDX-License-Identifier: MPL-2.0
//
// note: the client of the board that noted keeps. An example of a native program that calls a service.
#include <fipc/notes.h>
#include <fipc/registry.h>
#include <futura/startup.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static notes_board_t board;

[[noreturn]] static void fail(fut_status_t status)
{
    const char *why = status == NOTES_ERROR_NOT_FOUND ? "there is no such note" :
                      status == NOTES_ERROR_FULL      ? "the board is full" :
                      status == NOTES_ERROR_EMPTY     ? "an empty note is none" :
                      status == FUT_ERR_FACET         ? "this Session may only look" :
                      status == FUT_ERR_TOO_BIG       ? "a note has at most 1000 bytes" :
                      status == FUT_ERR_INVALID       ? "a note is UTF-8 text" : nullptr;
    if (why != nullptr)
        fprintf(stderr, "note: %s\n", why);
    else
        fprintf(stderr, "note: error %d\n", (int)status);
    exit(1);
}
static void check(fut_status_t status)
{
    if (status != FUT_OK)
        fail(status);
}

static void list(void)
{
    struct notes_note_view notes;
    for (uint32_t after = 0;; after = notes.data[notes.len - 1].id) {
        check(notes_board_list(board, after, &notes));
        for (size_t i = 0; i < notes.len; i++)
            printf("%u: %u bytes\n", notes.data[i].id, notes.data[i].length);
        if (notes.len < 64)
            return;
    }
}

static void show(uint32_t id)
{
    struct notes_note note;
    struct fut_string text;
    check(notes_board_read(board, id, &note, &text));
    printf("%.*s\n", (int)text.len, text.data);
}

static uint32_t number(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text == 0 || *end != 0 || n > UINT32_MAX) {
        fprintf(stderr, "note: `%s` is not the number of a note\n", text);
        exit(2);
    }
    return (uint32_t)n;
}

int main(int argc, char **argv)
{
    registry_directory_t directory = {fut_startup_cap("registry")};
    if (directory.h == FUT_HANDLE_NONE || registry_directory_lookup(directory, FUT_STRING("notes"), false, &board.h) != FUT_OK) {
        fprintf(stderr, "note: noted cannot be found in the registry (only root's programs may look)\n");
        return 1;
    }
    int at = 1;
    if (at < argc && strcmp(argv[at], "-r") == 0) { // through a Session that may only look
        check(notes_board_reader(board, &board));
        at++;
    }
    const char *command = at < argc ? argv[at] : "list", *argument = at + 1 < argc ? argv[at + 1] : nullptr;
    uint32_t id;
    if (strcmp(command, "list") == 0) {
        list();
    } else if (strcmp(command, "post") == 0 && argument != nullptr) {
        check(notes_board_post(board, fut_string(argument), &id));
        printf("%u\n", id);
    } else if (strcmp(command, "show") == 0 && argument != nullptr) {
        show(number(argument));
    } else if (strcmp(command, "remove") == 0 && argument != nullptr) {
        check(notes_board_remove(board, number(argument)));
    } else if (strcmp(command, "next") == 0 && argument != nullptr) {
        check(notes_board_next(board, number(argument), &id));
        show(id);
    } else {
        fprintf(stderr, "usage: note [-r] [list | post TEXT | show N | remove N | next N]\n"
                        "  -r        through a Session that may only look\n"
                        "  next N    the first note above N; waits until there is one\n");
        return 2;
    }
    return 0;
}
