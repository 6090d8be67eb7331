// SPDX-License-Identifier: MPL-2.0
#include "manifest.h"
#include <futura/abi.h>
#include <string.h>

// A line as words. Words are separated by blanks; a # starts a comment.
#define LINE_WORDS 8
struct line {
    struct fut_string word[LINE_WORDS];
    size_t count;
};

// A `use` names its target before that may be known: targets are resolved when all is read.
struct pending_use {
    struct manifest_use *use;
    struct fut_string target;
    unsigned line;
};

struct parser {
    struct manifest *out;
    struct manifest_service *current;
    struct pending_use pending[MANIFEST_SERVICES * MANIFEST_USES];
    size_t pending_count;
    unsigned line;
    const char *what;
};

static bool fail(struct parser *p, const char *what)
{
    p->what = what;
    return false;
}

static bool word_is(struct fut_string word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.data, text, word.len) == 0;
}

static bool take_name(struct parser *p, struct fut_string word, char out[MANIFEST_NAME + 1])
{
    if (word.len == 0 || word.len > MANIFEST_NAME)
        return fail(p, "a name has 1 to 31 bytes");
    memcpy(out, word.data, word.len);
    out[word.len] = 0;
    return true;
}

static bool take_number(struct parser *p, struct fut_string word, uint64_t low, uint64_t high, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < word.len; i++) {
        if (word.data[i] < '0' || word.data[i] > '9' || value > high)
            return fail(p, "not a number in range");
        value = value * 10 + (uint64_t)(word.data[i] - '0');
    }
    if (word.len == 0 || value < low || value > high)
        return fail(p, "not a number in range");
    *out = value;
    return true;
}

static bool split(struct parser *p, const char *text, size_t length, struct line *out)
{
    out->count = 0;
    for (size_t i = 0; i < length;) {
        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r') {
            i++;
            continue;
        }
        if (text[i] == '#')
            break;
        size_t start = i;
        while (i < length && text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            i++;
        if (out->count == LINE_WORDS)
            return fail(p, "too many words");
        out->word[out->count++] = (struct fut_string){text + start, i - start};
    }
    return true;
}

static int find_service(const struct manifest *m, struct fut_string name)
{
    for (size_t i = 0; i < m->count; i++)
        if (word_is(name, m->service[i].name))
            return (int)i;
    return -1;
}

static bool parse_service(struct parser *p, const struct line *line)
{
    if (line->count != 2)
        return fail(p, "expected: service NAME");
    if (p->out->count == MANIFEST_SERVICES)
        return fail(p, "too many services");
    if (find_service(p->out, line->word[1]) >= 0)
        return fail(p, "this service is there already");
    p->current = &p->out->service[p->out->count];
    *p->current = (struct manifest_service){.priority = MANIFEST_DEFAULT_PRIORITY};
    if (!take_name(p, line->word[1], p->current->name))
        return false;
    p->out->count++;
    return true;
}

static bool parse_priority(struct parser *p, const struct line *line)
{
    uint64_t priority;
    if (line->count != 2)
        return fail(p, "expected: priority N");
    if (!take_number(p, line->word[1], 1, FUT_PRIORITY_MAX, &priority))
        return false;
    p->current->priority = (uint32_t)priority;
    return true;
}

static bool parse_grant(struct parser *p, const struct line *line)
{
    static const struct { const char *name; uint32_t grant; } grants[] = {
        {"archive", GRANT_ARCHIVE}, {"devicetree", GRANT_DEVICETREE}, {"klog", GRANT_KLOG}, {"machine", GRANT_MACHINE}};
    static const struct { const char *name; uint32_t right; } rights[] = {
        {"irq", FUT_RIGHT_IRQ}, {"phys", FUT_RIGHT_PHYS}, {"power", FUT_RIGHT_POWER}, {"debug", FUT_RIGHT_DEBUG}};
    if (line->count < 2)
        return fail(p, "expected: grant CAPABILITY [RIGHT...]");
    uint32_t grant = 0;
    for (size_t i = 0; i < sizeof grants / sizeof *grants; i++)
        if (word_is(line->word[1], grants[i].name))
            grant = grants[i].grant;
    if (grant == 0)
        return fail(p, "there is no such boot capability");
    p->current->grants |= grant;
    for (size_t w = 2; w < line->count; w++) {
        uint32_t right = 0;
        for (size_t i = 0; i < sizeof rights / sizeof *rights; i++)
            if (word_is(line->word[w], rights[i].name))
                right = rights[i].right;
        if (right == 0 || grant != GRANT_MACHINE)
            return fail(p, "there is no such right");
        p->current->machine_rights |= right;
    }
    return true;
}

static bool parse_use(struct parser *p, const struct line *line)
{
    if (line->count != 4)
        return fail(p, "expected: use SERVICE BADGE NAME");
    if (p->current->use_count == MANIFEST_USES)
        return fail(p, "too many uses");
    struct manifest_use *use = &p->current->use[p->current->use_count];
    if (!take_number(p, line->word[2], 1, 15, &use->badge) || !take_name(p, line->word[3], use->name))
        return false;
    p->current->use_count++;
    p->pending[p->pending_count++] = (struct pending_use){use, line->word[1], p->line};
    return true;
}

static bool parse_publish(struct parser *p, const struct line *line)
{
    if (line->count != 3)
        return fail(p, "expected: publish NAME BADGE");
    struct manifest_publish *publish = p->current->publish;
    while (publish < p->current->publish + MANIFEST_PUBLISHES && publish->badge != 0)
        publish++;
    if (publish == p->current->publish + MANIFEST_PUBLISHES)
        return fail(p, "a service publishes two names at most");
    return take_name(p, line->word[1], publish->name) && take_number(p, line->word[2], 1, 15, &publish->badge);
}

static bool parse_state(struct parser *p, const struct line *line)
{
    if (line->count != 2)
        return fail(p, "expected: state BYTES");
    return take_number(p, line->word[1], 1, MANIFEST_STATE_MAX, &p->current->state_bytes);
}

static bool parse_restart(struct parser *p, const struct line *line)
{
    if (line->count == 2 && word_is(line->word[1], "always"))
        p->current->restart = RESTART_ALWAYS;
    else if (line->count == 2 && word_is(line->word[1], "never"))
        p->current->restart = RESTART_NEVER;
    else
        return fail(p, "expected: restart always|never");
    return true;
}

static bool parse_line(struct parser *p, const struct line *line)
{
    static const struct { const char *word; bool (*parse)(struct parser *, const struct line *); } verbs[] = {
        {"service", parse_service}, {"priority", parse_priority}, {"grant", parse_grant},
        {"use", parse_use}, {"publish", parse_publish}, {"restart", parse_restart}, {"state", parse_state}};
    if (line->count == 0)
        return true;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (word_is(line->word[0], verbs[i].word)) {
            if (p->current == nullptr && verbs[i].parse != parse_service)
                return fail(p, "this line belongs behind a service line");
            return verbs[i].parse(p, line);
        }
    return fail(p, "unknown word");
}

static bool resolve_uses(struct parser *p)
{
    for (size_t i = 0; i < p->pending_count; i++) {
        int target = find_service(p->out, p->pending[i].target);
        if (target < 0) {
            p->line = p->pending[i].line;
            return fail(p, "no service has this name");
        }
        p->pending[i].use->target = (unsigned)target;
    }
    return true;
}

bool manifest_parse(struct fut_bytes text, struct manifest *out, struct manifest_error *error)
{
    static struct parser parser; // large; init has one thread and parses once
    parser = (struct parser){.out = out};
    *out = (struct manifest){};
    const char *at = text.data, *end = at + text.len;
    bool good = true;
    while (good && at < end) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        if (eol == nullptr)
            eol = end;
        parser.line++;
        struct line line;
        good = split(&parser, at, (size_t)(eol - at), &line) && parse_line(&parser, &line);
        at = eol + 1;
    }
    good = good && resolve_uses(&parser);
    if (!good)
        *error = (struct manifest_error){parser.line, parser.what};
    return good;
}
