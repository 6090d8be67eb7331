// SPDX-License-Identifier: MPL-2.0
//
// What Linux programs asked for in vain, counted by posixd since boot.
#include "futctl.h"
#include <stdio.h>

#define CALL(number, name) [number] = #name,
static const char *const names[512] = {
#include "names.inc"
};
#undef CALL

int command_personality(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    for (uint32_t i = 0;; i++) {
        uint32_t number;
        uint64_t count;
        struct fut_string name;
        fut_status_t status = process_process_get_missing(process, i, &number, &count, &name);
        if (status > 0) {
            if (i == 0)
                puts("no system call was missing");
            return 0;
        }
        if (status != FUT_OK)
            fail("personality", status);
        if (i == 0)
            printf("%6s %-24s %s\n", "NUMBER", "CALL", "TIMES");
        printf("%6u %-24s %llu\n", (unsigned)number, number < 512 && names[number] != nullptr ? names[number] : "?",
               (unsigned long long)count);
    }
}
