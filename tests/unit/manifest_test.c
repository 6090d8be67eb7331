// SPDX-License-Identifier: MPL-2.0
//
// init's manifest parser: what it accepts, and that every kind of bad line is refused with its number.
#include "manifest.h"
#include <futura/abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                                       \
    do {                                                                                                       \
        if (!(condition)) {                                                                                    \
            printf("%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                   \
            failures++;                                                                                        \
        }                                                                                                      \
    } while (0)

static struct manifest manifest;
static struct manifest_error error;

static bool parse(const char *text)
{
    error = (struct manifest_error){};
    return manifest_parse((struct fut_bytes){text, strlen(text)}, &manifest, &error);
}

static void refuses(const char *text, unsigned line)
{
    bool accepted = parse(text);
    if (accepted || error.line != line || error.what == nullptr) {
        printf("expected an error in line %u, got %s line %u for:\n%s\n", line, accepted ? "none," : "one in",
               error.line, text);
        failures++;
    }
}

static void accepts_a_whole_manifest(void)
{
    CHECK(parse("# comment\n\nservice a\n  priority 40 # high\n\tgrant machine phys irq\n  grant archive\n"
                "  use b 1 back\n  restart never\nservice b\n  publish bee 2\n"));
    CHECK(manifest.count == 2);
    CHECK(strcmp(manifest.service[0].name, "a") == 0 && manifest.service[0].priority == 40);
    CHECK(manifest.service[0].grants == (GRANT_MACHINE | GRANT_ARCHIVE));
    CHECK(manifest.service[0].machine_rights == (FUT_RIGHT_PHYS | FUT_RIGHT_IRQ));
    CHECK(manifest.service[0].restart == RESTART_NEVER && manifest.service[1].restart == RESTART_ALWAYS);
    CHECK(manifest.service[0].use_count == 1 && manifest.service[0].use[0].target == 1);
    CHECK(strcmp(manifest.service[0].use[0].name, "back") == 0 && manifest.service[0].use[0].badge == 1);
    CHECK(manifest.service[1].publish[0].badge == 2 && manifest.service[1].priority == MANIFEST_DEFAULT_PRIORITY);
}

static void refuses_bad_lines(void)
{
    refuses("priority 3\n", 1);
    refuses("service a\nservice a\n", 2);
    refuses("service a\nfrobnicate\n", 2);
    refuses("service\n", 1);
    refuses("service 0123456789012345678901234567890123\n", 1);
    refuses("service a\npriority 64\n", 2);
    refuses("service a\npriority 0\n", 2);
    refuses("service a\npriority x\n", 2);
    refuses("service a\npriority 99999999999999999999999999\n", 2);
    refuses("service a\ngrant gold\n", 2);
    refuses("service a\ngrant archive phys\n", 2);
    refuses("service a\ngrant machine fly\n", 2);
    refuses("service a\n\nuse nobody 1 x\n", 3);
    refuses("service a\nuse a 16 x\n", 2);
    refuses("service a\nuse a 1\n", 2);
    refuses("service a\npublish x 1\npublish y 2\npublish z 3\n", 4);
    refuses("service a\nrestart sometimes\n", 2);
    refuses("service a b c d e f g h i\n", 1);
}

static void refuses_too_much(void)
{
    char text[4096] = "";
    for (int i = 0; i <= MANIFEST_SERVICES; i++)
        sprintf(text + strlen(text), "service s%d\n", i);
    refuses(text, MANIFEST_SERVICES + 1);

    strcpy(text, "service a\n");
    for (int i = 0; i <= MANIFEST_USES; i++)
        sprintf(text + strlen(text), "use a 1 x%d\n", i);
    refuses(text, MANIFEST_USES + 2);
}

// No text crashes the parser: every prefix of a good manifest, with every byte in turn made strange.
static void survives_damage(void)
{
    const char *good = "service a\n use b 1 n\n grant machine irq\nservice b\n publish q 3\n restart never\n";
    size_t length = strlen(good);
    for (size_t cut = 0; cut <= length; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, good, cut);
        (void)manifest_parse((struct fut_bytes){copy, cut}, &manifest, &error);
        for (size_t at = 0; at < cut; at++) {
            char kept = copy[at];
            copy[at] = (char)(at * 37);
            (void)manifest_parse((struct fut_bytes){copy, cut}, &manifest, &error);
            copy[at] = kept;
        }
        free(copy);
    }
}

int main(void)
{
    accepts_a_whole_manifest();
    refuses_bad_lines();
    refuses_too_much();
    survives_damage();
    return failures == 0 ? 0 : 1;
}
