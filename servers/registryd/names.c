// SPDX-License-Identifier: MPL-2.0
#include "names.h"
#include <string.h>

bool name_is_valid(struct fut_string name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
    }
    return true;
}

struct name *names_find(struct names *names, struct fut_string name)
{
    for (size_t i = 0; i < names->count; i++) {
        struct name *entry = &names->entry[i];
        if (strlen(entry->text) == name.len && memcmp(entry->text, name.data, name.len) == 0)
            return entry;
    }
    return nullptr;
}

struct name *names_at(struct names *names, const char *prefix, size_t index)
{
    size_t length = strlen(prefix);
    for (size_t i = 0; i < names->count; i++)
        if (strncmp(names->entry[i].text, prefix, length) == 0 && index-- == 0)
            return &names->entry[i];
    return nullptr;
}

enum names_result names_register(struct names *names, struct fut_string name, uint64_t publisher,
                                 fut_handle_t session, fut_handle_t *replaced)
{
    *replaced = FUT_HANDLE_NONE;
    struct name *entry = names_find(names, name);
    if (entry != nullptr) {
        if (entry->publisher != publisher)
            return NAMES_TAKEN;
        *replaced = entry->session;
        entry->session = session;
        return NAMES_OK;
    }
    if (names->count == NAMES_MAX)
        return NAMES_FULL;
    entry = &names->entry[names->count++];
    *entry = (struct name){.publisher = publisher, .session = session};
    memcpy(entry->text, name.data, name.len);
    return NAMES_OK;
}

fut_handle_t names_remove(struct names *names, struct name *name)
{
    fut_handle_t session = name->session;
    size_t index = (size_t)(name - names->entry);
    memmove(name, name + 1, (names->count - index - 1) * sizeof *name);
    names->count--;
    return session;
}
