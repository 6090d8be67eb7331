// SPDX-License-Identifier: MPL-2.0
//
// Tables and unions. Tables: structs that may grow. In C a table is a struct whose first member, `has`, has a bit for each member that is
// there; that struct, cut behind its last member that is there, is what travels. A reader built before a member was
// added ignores what lies behind the members it knows; one built after finds it absent.
#include "fipcc.h"

static void put_zeroing(struct out *o, const struct param *member)
{
    struct plan plan = plan_of_type(member->type);
    for (unsigned i = 0; i < plan.size; i++) {
        unsigned start = i;
        while (i < plan.size && plan.padding[i] != 0)
            i++;
        if (i != start)
            put(o, "        __builtin_memset((uint8_t *)to + %u, 0, %u);\n", member->offset + start, i - start);
    }
}

static unsigned end_of(const struct param *member) { return (member->offset + member->type->size + 7) & ~7u; }

void put_table(struct out *o, const struct decl *table)
{
    const char *name = table->prefix;
    put_comment(o, "", table->doc);
    put(o, "struct %s {\n    uint64_t has; // which members are there: %s_HAS_*\n", name, table->upper);
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct param *member = &table->fields[i];
        const struct type *type = member->type;
        char *dims = arena_printf("%s", "");
        for (; type->kind == TYPE_ARRAY; type = type->element)
            dims = arena_printf("%s[%llu]", dims, (unsigned long long)type->count);
        put_comment(o, "    ", member->doc);
        put(o, "    %s %s%s;\n", c_type(type), member->c_name, dims);
    }
    put(o, "};\nstatic_assert(sizeof(struct %s) == %u);\n", name, table->size);
    for (unsigned i = 0; i < table->field_count; i++) {
        put(o, "static_assert(offsetof(struct %s, %s) == %u);\n", name, table->fields[i].c_name, table->fields[i].offset);
        put(o, "#define %s_HAS_%s 0x%llxull\n", table->upper, upper(table->fields[i].name), 1ull << i);
    }
    put(o, "// For generated code: the image of what is there, and how long it is.\n");
    put(o, "static inline size_t %s_pack(struct %s *to, const struct %s *from)\n{\n    size_t end = 8;\n    __builtin_memset(to, 0, sizeof *to);\n", name, name, name);
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct param *member = &table->fields[i];
        put(o, "    if ((from->has & %s_HAS_%s) != 0) {\n        to->has |= %s_HAS_%s;\n        __builtin_memcpy(&to->%s, &from->%s, sizeof to->%s);\n", table->upper, upper(member->name), table->upper,
            upper(member->name), member->c_name, member->c_name, member->c_name);
        put_zeroing(o, member);
        put(o, "        end = %u;\n    }\n", end_of(member));
    }
    put(o, "    return end;\n}\n");
    put(o, "// For generated code: what `bytes` bytes at from say; false: they are not well formed.\n");
    put(o, "static inline bool %s_unpack(struct %s *to, const void *from, size_t bytes)\n{\n    if (bytes < 8 || (bytes & 7) != 0)\n        return false;\n", name, name);
    put(o, "    __builtin_memset(to, 0, sizeof *to);\n    __builtin_memcpy(to, from, bytes < sizeof *to ? bytes : sizeof *to);\n");
    for (unsigned i = 0; i < table->field_count; i++) {
        const struct param *member = &table->fields[i];
        struct plan plan = plan_of_type(member->type);
        const char *bit = arena_printf("%s_HAS_%s", table->upper, upper(member->name));
        put(o, "    if ((to->has & %s) == 0) {\n        if (fut_nonzero(&to->%s, sizeof to->%s) != 0)\n            return false;\n    } else if (bytes < %u) {\n        return false;\n    }", bit, member->c_name,
            member->c_name, end_of(member));
        if (!plan_is_empty(&plan)) {
            put(o, " else {\n        uint64_t fut_words[%u] = {};\n        __builtin_memcpy(fut_words, &to->%s, sizeof to->%s);\n", (plan.size + 7) / 8, member->c_name, member->c_name);
            put_checks(o, "        ", "fut_words", &plan, "return false");
            put(o, "    }");
        }
        put(o, "\n");
        // Between this member and the next one.
        unsigned from = member->offset + member->type->size, to = i + 1 < table->field_count ? table->fields[i + 1].offset : from;
        if (from != to)
            put(o, "    if (fut_nonzero((const uint8_t *)to + %u, %u) != 0)\n        return false;\n", from, to - from);
    }
    const struct param *last = &table->fields[table->field_count - 1];
    unsigned long long known = table->field_count == 64 ? ~0ull : (1ull << table->field_count) - 1;
    unsigned end = last->offset + last->type->size;
    put(o, "    // Behind them may lie what newer programs have added, but not just anything.\n");
    put(o, "    if ((to->has & ~0x%llxull) == 0 && bytes > %u && fut_nonzero((const uint8_t *)from + %u, bytes - %u) != 0)\n        return false;\n", known, end, end, end);
    if (end != table->size)
        put(o, "    __builtin_memset((uint8_t *)to + %u, 0, %u);\n", end, table->size - end);
    put(o, "    to->has &= 0x%llxull;\n    return true;\n}\n\n", known);
}

// --- Unions: one of several members, by its number -----------------------------------------------------------------

void put_union(struct out *o, const struct decl *u)
{
    const char *name = u->prefix;
    put_comment(o, "", u->doc);
    put(o, "enum {\n");
    for (unsigned i = 0; i < u->field_count; i++)
        put(o, "    %s_IS_%s = %u,\n", u->upper, upper(u->fields[i].name), i + 1);
    put(o, "};\nstruct %s {\n    uint32_t is; // %s_IS_*\n    uint32_t zero;\n    union {\n", name, u->upper);
    for (unsigned i = 0; i < u->field_count; i++) {
        const struct type *type = u->fields[i].type;
        char *dims = arena_printf("%s", "");
        for (; type->kind == TYPE_ARRAY; type = type->element)
            dims = arena_printf("%s[%llu]", dims, (unsigned long long)type->count);
        put_comment(o, "        ", u->fields[i].doc);
        put(o, "        alignas(8) %s %s%s;\n", c_type(type), u->fields[i].c_name, dims);
    }
    put(o, "    } as;\n};\nstatic_assert(sizeof(struct %s) == %u && offsetof(struct %s, as) == 8);\n", name, u->size, name);
    put(o, "// For generated code: the image of the member that it is, and how long it is; 0: there is no such member.\n");
    put(o, "static inline size_t %s_pack(struct %s *to, const struct %s *from)\n{\n    __builtin_memset(to, 0, sizeof *to);\n    to->is = from->is;\n    switch (from->is) {\n", name, name, name);
    for (unsigned i = 0; i < u->field_count; i++) {
        const struct param *member = &u->fields[i];
        put(o, "    case %u:\n        __builtin_memcpy(&to->as.%s, &from->as.%s, sizeof to->as.%s);\n", i + 1, member->c_name, member->c_name, member->c_name);
        put_zeroing(o, member);
        put(o, "        return %u;\n", end_of(member));
    }
    put(o, "    default: return 0;\n    }\n}\n");
    put(o, "static inline bool %s_unpack(struct %s *to, const void *from, size_t bytes)\n{\n    if (bytes < 8 || bytes > sizeof *to)\n        return false;\n", name, name);
    put(o, "    __builtin_memset(to, 0, sizeof *to);\n    __builtin_memcpy(to, from, bytes);\n    if (to->zero != 0)\n        return false;\n    switch (to->is) {\n");
    for (unsigned i = 0; i < u->field_count; i++) {
        const struct param *member = &u->fields[i];
        struct plan plan = plan_of_type(member->type);
        put(o, "    case %u: {\n        if (bytes != %u)\n            return false;\n", i + 1, end_of(member));
        if (member->type->size % 8 != 0)
            put(o, "        if (fut_nonzero((const uint8_t *)to + %u, %u) != 0)\n            return false;\n", 8 + member->type->size, end_of(member) - 8 - member->type->size);
        if (!plan_is_empty(&plan)) {
            put(o, "        uint64_t fut_words[%u] = {};\n        __builtin_memcpy(fut_words, &to->as.%s, sizeof to->as.%s);\n", (plan.size + 7) / 8, member->c_name, member->c_name);
            put_checks(o, "        ", "fut_words", &plan, "return false");
        }
        put(o, "        return true;\n    }\n");
    }
    put(o, "    default: return false;\n    }\n}\n\n");
}
