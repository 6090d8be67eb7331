// SPDX-License-Identifier: MPL-2.0
//
// What the grammar cannot say: names resolve and are not used twice, numbers fit, messages fit into their
// form, capability modes make sense. Fills in the sizes, offsets, C names and facet bits that generation uses.
#include "fipcc.h"
#include "futura_limits.h"
#include <stdlib.h>
#include <string.h>

const struct base_info base_info[BASE_COUNT] = {
    [BASE_BOOL] = {"bool", "bool", 1, false, false},  [BASE_U8] = {"u8", "uint8_t", 1, false, true},
    [BASE_U16] = {"u16", "uint16_t", 2, false, true}, [BASE_U32] = {"u32", "uint32_t", 4, false, true},
    [BASE_U64] = {"u64", "uint64_t", 8, false, true}, [BASE_I8] = {"i8", "int8_t", 1, true, true},
    [BASE_I16] = {"i16", "int16_t", 2, true, true},   [BASE_I32] = {"i32", "int32_t", 4, true, true},
    [BASE_I64] = {"i64", "int64_t", 8, true, true},   [BASE_F32] = {"f32", "float", 4, true, false},
    [BASE_F64] = {"f64", "double", 8, true, false},
};

const struct cap_info cap_info[CAP_KIND_COUNT] = {
    [CAP_CLIENT] = {"client", "FUT_OBJ_SESSION"}, [CAP_SERVER] = {"server", "FUT_OBJ_CHANNEL"},
    [CAP_MEM] = {"mem", "FUT_OBJ_MEMORY"},        [CAP_EVENT] = {"event", "FUT_OBJ_EVENT"},
    [CAP_WAITSET] = {"waitset", "FUT_OBJ_WAITSET"},
    [CAP_IRQ] = {"irq", "FUT_OBJ_IRQ"},           [CAP_IOPORT] = {"ioport", "FUT_OBJ_IOPORT"},
    [CAP_TASK] = {"task", "FUT_OBJ_TASK"},        [CAP_SPACE] = {"space", "FUT_OBJ_SPACE"},
    [CAP_THREAD] = {"thread", "FUT_OBJ_THREAD"},  [CAP_CHANNEL] = {"channel", "FUT_OBJ_CHANNEL"},
    [CAP_ACCOUNT] = {"account", "FUT_OBJ_ACCOUNT"}, [CAP_RING] = {"ring", "FUT_OBJ_MEMORY"},
    [CAP_MACHINE] = {"machine", "FUT_OBJ_MACHINE"},
};

static const char *const kind_names[] = {"a constant", "an enum", "a bits type", "an error type", "a struct", "a protocol", "a ring", "a table", "a union"};

static struct decl *find_in(const struct library *library, const char *name)
{
    for (unsigned i = 0; i < library->decl_count; i++)
        if (strcmp(library->decls[i]->name, name) == 0)
            return library->decls[i];
    return nullptr;
}

// Resolves "Name" or "library.Name" (any suffix of the library's full name); reports what is wrong.
static struct decl *resolve(const struct library *library, const char *name, struct span at, const char *what)
{
    const char *dot = strrchr(name, '.');
    const struct library *in = library;
    if (dot != nullptr) {
        size_t n = (size_t)(dot - name);
        in = nullptr;
        for (unsigned i = 0; i < library->use_count && in == nullptr; i++) {
            const struct library *used = library->uses[i];
            if ((strlen(used->name) == n && memcmp(used->name, name, n) == 0) ||
                (strlen(used->full) == n && memcmp(used->full, name, n) == 0))
                in = used;
        }
        if (in == nullptr) {
            error_at(at, arena_printf("add `using futura.%.*s;` at the top of the file", (int)n, name),
                     "the library `%.*s` is not used here", (int)n, name);
            return nullptr;
        }
        name = dot + 1;
    }
    struct decl *found = find_in(in, name);
    if (found != nullptr)
        return found;
    const char **names = calloc(in->decl_count + 1, sizeof *names);
    for (unsigned i = 0; i < in->decl_count; i++)
        names[i] = in->decls[i]->name;
    const char *near = nearest_name(name, names, in->decl_count);
    free(names);
    for (unsigned i = 0; near == nullptr && dot == nullptr && i < library->use_count; i++)
        if (find_in(library->uses[i], name) != nullptr)
            near = arena_printf("%s.%s", library->uses[i]->name, name);
    error_at(at, near != nullptr ? arena_printf("did you mean `%s`?", near) : nullptr, "there is no %s `%s`%s%s", what, name,
             in == library ? "" : " in ", in == library ? "" : in->full);
    return nullptr;
}

static void check_name(const char *name, struct span at)
{
    if (strncmp(name, "fut_", 4) == 0 || strncmp(name, "FUT_", 4) == 0)
        error_at(at, nullptr, "names that begin with `%.4s` belong to the runtime", name);
    if (strlen(name) > 63)
        error_at(at, nullptr, "this name is longer than 63 characters");
    if (name[0] == '_')
        error_at(at, nullptr, "names do not begin with an underscore");
}

static void resolve_count(const struct library *library, struct type *type)
{
    if (type->count_name != nullptr) {
        const struct decl *decl = resolve(library, type->count_name, type->count_at, "constant");
        if (decl == nullptr) {
            type->count = 1;
            return;
        }
        if (decl->kind != DECL_CONST) {
            error_at(type->count_at, nullptr, "`%s` is no constant", type->count_name);
            note_at(decl->at, "it is %s", kind_names[decl->kind]);
            type->count = 1;
            return;
        }
        type->count = decl->values[0].number;
    }
    if (type->count == 0) {
        error_at(type->count_at, nullptr, "a bound is at least 1");
        type->count = 1;
    }
}

static void layout_struct(struct decl *decl);

// Sizes of a type with a fixed layout; false (reported) if it has none.
static bool layout_type(const struct library *library, struct type *type)
{
    switch (type->kind) {
    case TYPE_INT: type->size = type->align = base_info[type->base].size; return true;
    case TYPE_NAMED:
        if (type->decl == nullptr)
            type->decl = resolve(library, type->name, type->at, "type");
        if (type->decl == nullptr)
            return false;
        switch (type->decl->kind) {
        case DECL_STRUCT:
            layout_struct(type->decl);
            type->size = type->decl->size;
            type->align = type->decl->align;
            return type->size != 0;
        case DECL_ENUM:
        case DECL_BITS:
        case DECL_ERROR: type->size = type->align = base_info[type->decl->base].size; return true;
        case DECL_PROTOCOL:
            error_at(type->at, arena_printf("a capability to speak it is `client %s` or `server %s`", type->name, type->name),
                     "`%s` is a protocol, not a type", type->name);
            return false;
        case DECL_CONST: error_at(type->at, nullptr, "`%s` is a constant, not a type", type->name); return false;
        case DECL_TABLE:
            error_at(type->at, "make it a parameter of its own", "the table `%s` may grow, so it has no fixed layout: it cannot stand here", type->name);
            return false;
        case DECL_UNION:
            error_at(type->at, "make it a parameter of its own", "the union `%s` is as long as its member: it cannot stand here", type->name);
            return false;
        case DECL_RING:
            error_at(type->at, arena_printf("a capability for it is `ring %s`", type->name), "`%s` is a ring, not a type", type->name);
            return false;
        }
        return false;
    case TYPE_ARRAY:
        resolve_count(library, type);
        if (type->element == nullptr || !layout_type(library, type->element))
            return false;
        if (type->count * type->element->size > 65536 || type->count > 65536) {
            error_at(type->at, nullptr, "this array is larger than 65536 bytes");
            return false;
        }
        type->size = (unsigned)type->count * type->element->size;
        type->align = type->element->align;
        return true;
    default:
        error_at(type->at, "bytes, strings, vectors and capabilities are parameters of their own", "this type has no fixed layout: it cannot stand here");
        return false;
    }
}

static void layout_struct(struct decl *decl)
{
    if (decl->visiting == 2)
        return;
    if (decl->visiting == 1) {
        error_at(decl->at, nullptr, "the struct `%s` contains itself", decl->name);
        decl->visiting = 2;
        return;
    }
    decl->visiting = 1;
    unsigned offset = 0, align = 1;
    bool ok = decl->field_count != 0;
    if (!ok)
        error_at(decl->at, nullptr, "the struct `%s` has no fields", decl->name);
    for (unsigned i = 0; i < decl->field_count; i++) {
        struct param *field = &decl->fields[i];
        check_name(field->name, field->at);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(decl->fields[j].name, field->name) == 0) {
                error_at(field->at, nullptr, "the field `%s` is there twice", field->name);
                note_at(decl->fields[j].at, "the first is here");
            }
        if (!layout_type(decl->library, field->type)) {
            ok = false;
            continue;
        }
        offset = (offset + field->type->align - 1) & ~(field->type->align - 1);
        field->offset = offset;
        field->c_name = c_identifier(field->name);
        offset += field->type->size;
        if (field->type->align > align)
            align = field->type->align;
        if (offset > 65536) {
            error_at(decl->at, nullptr, "the struct `%s` is larger than 65536 bytes", decl->name);
            ok = false;
            break;
        }
    }
    decl->align = align;
    decl->size = ok ? (offset + align - 1) & ~(align - 1) : 0;
    decl->visiting = 2;
}

// Members keep their places for ever, so they are in the order of their numbers, without a gap.
static void layout_table(struct decl *table)
{
    if (table->visiting != 0)
        return;
    table->visiting = 2;
    const bool is_union = table->kind == DECL_UNION;
    const char *what = is_union ? "union" : "table";
    unsigned offset = 8, longest = 8;
    bool ok = table->field_count != 0;
    if (!ok)
        error_at(table->at, nullptr, "the %s `%s` has no members", what, table->name);
    if (table->field_count > 64)
        error_at(table->fields[64].at, nullptr, "a %s has at most 64 members", what);
    for (unsigned i = 0; i < table->field_count && i < 64; i++) {
        struct param *member = &table->fields[i];
        check_name(member->name, member->at);
        if (!is_union && strcmp(member->name, "has") == 0)
            error_at(member->at, nullptr, "`has` is what says which members are there");
        if (member->number != i + 1)
            error_at(member->number_at, "one that is no longer used stays", "the members of a %s are numbered 1, 2, 3 ...; this one is %u", what, i + 1);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(table->fields[j].name, member->name) == 0) {
                error_at(member->at, nullptr, "the member `%s` is there twice", member->name);
                note_at(table->fields[j].at, "the first is here");
            }
        if (!layout_type(table->library, member->type)) {
            ok = false;
            continue;
        }
        offset = is_union ? 8 : (offset + member->type->align - 1) & ~(member->type->align - 1);
        member->offset = offset;
        member->c_name = c_identifier(member->name);
        offset += member->type->size;
        longest = offset > longest ? offset : longest;
        if (offset > 65536)
            break;
    }
    table->align = 8;
    table->size = (longest + 7) & ~7u;
    if (is_union)
        table->bound = table->size;
    if (is_union && table->size > 4096)
        error_at(table->at, nullptr, "the union `%s` has %u bytes; one has at most 4096", table->name, table->size);
    else if (is_union)
        ;
    else if (table->bound > 4096 || table->bound < 16 || (table->bound & 7) != 0)
        error_at(table->bound_at, nullptr, "a table may grow to 16 to 4096 bytes, in steps of 8");
    else if (ok && table->size > table->bound)
        error_at(table->bound_at, arena_printf("write `table %s:BYTES { ... }`, with room for what may be added: messages of any version keep to it", table->name),
                 "the table `%s` has %u bytes already, and may grow to %llu", table->name, table->size, (unsigned long long)table->bound);
    if (!ok)
        table->size = 0;
}

// A ring of bytes has slots of one byte.
static void check_ring(struct decl *ring)
{
    struct type *slots = ring->slots, *element = slots->element;
    resolve_count(ring->library, slots);
    ring->size = 1;
    if (element != nullptr) {
        if (!layout_type(ring->library, element))
            return;
        if (element->kind == TYPE_ARRAY)
            error_at(element->at, "make it a field of a struct", "a slot of a ring is a struct or a number, not an array");
        ring->size = element->size;
    }
    if (slots->count > FUT_RING_MAX_BYTES || slots->count * ring->size > FUT_RING_MAX_BYTES)
        error_at(slots->count_at, nullptr, "the ring `%s` is larger than %u bytes", ring->name, FUT_RING_MAX_BYTES);
    else if ((slots->count & (slots->count - 1)) != 0) {
        unsigned long long next = 1;
        while (next < slots->count)
            next *= 2;
        error_at(slots->count_at, arena_printf("%llu or %llu", next / 2, next), "the number of slots is a power of two");
    }
}

static bool fits(const struct value *value, enum base base)
{
    unsigned bits = base_info[base].size * 8;
    if (!base_info[base].is_signed)
        return !value->negative && (bits == 64 || value->number >> bits == 0);
    uint64_t limit = (uint64_t)1 << (bits - 1);
    return value->negative ? value->number <= limit : value->number < limit;
}

static void check_values(struct decl *decl)
{
    if (decl->value_count == 0)
        error_at(decl->at, nullptr, "`%s` has no values", decl->name);
    for (unsigned i = 0; i < decl->value_count; i++) {
        const struct value *value = &decl->values[i];
        if (decl->kind != DECL_CONST)
            check_name(value->name, value->at);
        if (!fits(value, decl->base))
            error_at(value->at, nullptr, "%s%llu does not fit into %s", value->negative ? "-" : "", (unsigned long long)value->number,
                     base_info[decl->base].name);
        if (decl->kind == DECL_ERROR && (value->number == 0 || value->negative))
            error_at(value->at, "0 is success, negative values are the framework's", "the value of an error is greater than 0");
        if (decl->kind == DECL_ERROR && value->number >= INT32_MAX)
            error_at(value->at, nullptr, "the value of an error is below 2147483647");
        for (unsigned j = 0; j < i; j++) {
            const struct value *other = &decl->values[j];
            bool same_name = strcmp(other->name, value->name) == 0;
            if (same_name || (other->number == value->number && other->negative == value->negative && decl->kind != DECL_BITS)) {
                error_at(value->at, nullptr, same_name ? "the name `%s` is there twice" : "`%s` has a value that another name has", value->name);
                note_at(other->at, "the first is here");
            }
        }
    }
}

// --- Protocols -----------------------------------------------------------------------------------------------------

static int facet_index(const struct decl *protocol, const char *name)
{
    for (unsigned i = 0; i < protocol->facet_count; i++)
        if (strcmp(protocol->facets[i].name, name) == 0)
            return (int)i;
    return -1;
}

// Bit 15 is carried by unrestricted Sessions only, so that every method of a protocol with facets can be called
// with it; facet i has bit i, and carries the bits of the facets that it contains.
static void check_facets(struct decl *protocol)
{
    const char **methods = calloc(protocol->method_count + 1, sizeof *methods);
    for (unsigned i = 0; i < protocol->method_count; i++)
        methods[i] = protocol->methods[i].name;
    if (protocol->facet_count > 15)
        error_at(protocol->facets[15].at, nullptr, "a protocol has at most 15 facets");
    for (unsigned i = 0; i < protocol->facet_count && i < 15; i++) {
        struct facet *facet = &protocol->facets[i];
        check_name(facet->name, facet->at);
        if (facet_index(protocol, facet->name) != (int)i)
            error_at(facet->at, nullptr, "the facet `%s` is there twice", facet->name);
        facet->perms |= 1u << i;
        for (unsigned j = 0; j < facet->count; j++) {
            const char *member = facet->members[j];
            if (facet->member_is_facet[j]) {
                int other = facet_index(protocol, member);
                if (other < 0 || other >= (int)i)
                    error_at(facet->member_at[j], "a facet is built from facets declared above it", "there is no facet `%s` above", member);
                else
                    facet->perms |= protocol->facets[other].perms;
                continue;
            }
            unsigned k = 0;
            while (k < protocol->method_count && strcmp(methods[k], member) != 0)
                k++;
            if (k == protocol->method_count) {
                const char *near = nearest_name(member, methods, k);
                error_at(facet->member_at[j], near != nullptr ? arena_printf("did you mean `%s`?", near) : nullptr,
                         "the protocol `%s` has no method `%s`", protocol->name, member);
            } else {
                protocol->methods[k].facets |= 1u << i;
            }
        }
    }
    if (protocol->facet_count != 0)
        for (unsigned k = 0; k < protocol->method_count; k++)
            protocol->methods[k].facets |= 0x8000;
    free(methods);
}

static void check_capability(const struct library *library, const struct method *method, struct param *param, bool reply)
{
    struct type *type = param->type;
    if (type->kind == TYPE_BUFFER) {
        if (param->mode != MODE_LEND)
            error_at(param->at, arena_printf("write `lend %s buffer<...>`", param->name), "a buffer is always lent");
        if (reply)
            error_at(type->at, "lend a buffer<write> with the call, and fill it", "a reply cannot lend memory");
        if (method->oneway)
            error_at(type->at, nullptr, "memory is lent until the reply, and `%s` has none", method->name);
        if ((type->rights & ~3u) != 0 || type->rights == 0)
            error_at(type->at, nullptr, "a buffer is lent with read, write or both");
        return;
    }
    if (type->kind != TYPE_CAP) {
        if (param->mode != MODE_NONE)
            error_at(param->at, nullptr, "only capabilities are moved, duplicated or lent; `%s` is data", param->name);
        return;
    }
    if (param->mode == MODE_NONE)
        error_at(param->at, arena_printf("`move %s` gives it away, `dup %s` hands out a copy", param->name, param->name),
                 "the capability `%s` needs a mode", param->name);
    if (param->mode == MODE_LEND && type->cap != CAP_MEM)
        error_at(param->at, "use `dup`, or lend a `mem<...>`", "only memory can be lent");
    if (param->mode == MODE_LEND && reply)
        error_at(param->at, nullptr, "a reply cannot lend memory");
    if (method->idempotent && param->mode == MODE_MOVE && !reply)
        error_at(param->at, "`dup` it, or drop @idempotent", "`%s` may be sent again after a restart, but `%s` is gone then", method->name, param->name);
    if (type->cap == CAP_RING) {
        type->decl = resolve(library, type->name, type->at, "ring");
        if (type->decl != nullptr && type->decl->kind != DECL_RING)
            error_at(type->at, nullptr, "`%s` is %s, not a ring", type->name, kind_names[type->decl->kind]);
        return;
    }
    if (type->cap != CAP_CLIENT && type->cap != CAP_SERVER)
        return;
    if (strcmp(type->name, "any") == 0) {
        if (type->facet != nullptr)
            error_at(type->facet_at, nullptr, "`any` has no facets");
        return;
    }
    struct decl *protocol = resolve(library, type->name, type->at, "protocol");
    if (protocol == nullptr)
        return;
    type->decl = protocol;
    if (protocol->kind != DECL_PROTOCOL) {
        error_at(type->at, nullptr, "`%s` is %s, not a protocol", type->name, kind_names[protocol->kind]);
        type->decl = nullptr;
        return;
    }
    if (type->facet != nullptr && facet_index(protocol, type->facet) < 0) {
        const char **names = calloc(protocol->facet_count + 1, sizeof *names);
        for (unsigned i = 0; i < protocol->facet_count; i++)
            names[i] = protocol->facets[i].name;
        const char *near = nearest_name(type->facet, names, protocol->facet_count);
        free(names);
        error_at(type->facet_at, near != nullptr ? arena_printf("did you mean `%s`?", near) : nullptr, "`%s` has no facet `%s`", type->name, type->facet);
    }
}

static bool check_message(const struct library *library, const struct method *method, struct message *message, bool reply)
{
    bool ok = true;
    for (unsigned i = 0; i < message->count; i++) {
        struct param *param = &message->params[i];
        check_name(param->name, param->at);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(message->params[j].name, param->name) == 0) {
                error_at(param->at, nullptr, "the name `%s` is there twice", param->name);
                note_at(message->params[j].at, "the first is here");
            }
        param->c_name = c_identifier(param->name);
        // A result may have the name of an argument; in C both are parameters of one function.
        for (unsigned j = 0; reply && j < method->request.count; j++)
            if (strcmp(method->request.params[j].name, param->name) == 0)
                param->c_name = arena_printf("%s_out", param->name);
        struct type *type = param->type;
        unsigned before = error_count;
        check_capability(library, method, param, reply);
        switch (type->kind) {
        case TYPE_BYTES:
        case TYPE_STRING: resolve_count(library, type); break;
        case TYPE_VECTOR:
            resolve_count(library, type);
            if (type->element == nullptr || !layout_type(library, type->element))
                ok = false;
            break;
        case TYPE_CAP:
        case TYPE_BUFFER: break;
        case TYPE_NAMED:
            type->decl = resolve(library, type->name, type->at, "type");
            if (type->decl != nullptr && (type->decl->kind == DECL_TABLE || type->decl->kind == DECL_UNION)) {
                layout_table(type->decl);
                type->size = type->decl->size;
                type->align = 8;
                ok &= type->size != 0;
                break;
            }
            ok &= type->decl != nullptr && layout_type(library, type);
            break;
        default:
            if (!layout_type(library, type))
                ok = false;
        }
        ok &= before == error_count;
    }
    if (!ok)
        return false;
    layout_message(message);
    const char *what = reply ? "reply" : "request";
    if (message->caps > FUT_IPC_MAX_CAPS)
        error_at(method->at, nullptr, "the %s of `%s` has %u capabilities; a message holds %d", what, method->name, message->caps, FUT_IPC_MAX_CAPS);
    if (message->leases > FUT_LEASES)
        error_at(method->at, nullptr, "the %s of `%s` lends %u buffers; a call lends at most %d", what, method->name, message->leases, FUT_LEASES);
    if (message->max > FUT_IPC_BODY_SIZE)
        error_at(method->at, "lower the bounds, or lend a buffer: `lend b buffer<read>`", "the %s of `%s` can be %u bytes; a message holds %d", what,
                 method->name, message->max, FUT_IPC_BODY_SIZE);
    return true;
}

static void check_ordinal(const struct method *method)
{
    if (method->ordinal == 0 || method->ordinal > 0xffff)
        error_at(method->ordinal_at, nullptr, "an ordinal is from 1 to 65535");
    else if (method->ordinal >= FUT_ORDINAL_EVENTS && !method->implied)
        error_at(method->ordinal_at, "take one below 65280", "ordinals from 65280 on belong to the framework");
}

static void check_different(const struct method *method, const struct method *other, const char *what)
{
    if (other->ordinal == method->ordinal) {
        error_at(method->ordinal_at, "a number stays with its method for ever; take a new one", "the ordinal %llu is used twice", (unsigned long long)method->ordinal);
        note_at(other->ordinal_at, "the first is here");
    }
    if (strcmp(other->name, method->name) == 0 || strcmp(other->c_name, method->c_name) == 0) {
        error_at(method->implied ? other->at : method->at, method->implied || other->implied ? "a protocol with events has a method of this name, with which clients attach" : nullptr, "the %s `%s` is there twice", what, method->name);
        if (!other->implied && !method->implied)
            note_at(other->at, "the first is here");
    }
}

// Events lie in slots of one size, so that the ring that holds them is one of records.
static void check_events(const struct library *library, struct decl *protocol)
{
    bool snapshot = false;
    for (unsigned i = 0; i < protocol->method_count; i++)
        snapshot |= protocol->methods[i].snapshot;
    if (!snapshot)
        error_at(protocol->events[0].at, "mark it @snapshot: clients call it when they attach, and when events were lost",
                 "a protocol with events needs a method that tells the state");
    if (protocol->event_slots_at.source == nullptr)
        protocol->event_slots = 64;
    else if (protocol->event_slots == 0 || protocol->event_slots > 65536 || (protocol->event_slots & (protocol->event_slots - 1)) != 0)
        error_at(protocol->event_slots_at, nullptr, "the number of events that wait at most is a power of two, up to 65536");
    for (unsigned i = 0; i < protocol->event_count; i++) {
        struct method *event = &protocol->events[i];
        check_name(event->name, event->at);
        event->c_name = c_identifier(snake(event->name));
        check_ordinal(event);
        if (strcmp(event->c_name, "lost") == 0)
            error_at(event->at, nullptr, "`lost` is what clients get in the place of events for which there was no room");
        for (unsigned j = 0; j < i; j++)
            check_different(event, &protocol->events[j], "event");
        for (unsigned j = 0; j < protocol->method_count; j++)
            if (protocol->methods[j].ordinal == event->ordinal)
                check_different(event, &protocol->methods[j], "event");
        for (unsigned j = 0; j < event->request.count; j++)
            if (event->request.params[j].type->kind == TYPE_CAP || event->request.params[j].type->kind == TYPE_BUFFER)
                error_at(event->request.params[j].at, "let a method give it", "an event carries no capabilities");
        if (!check_message(library, event, &event->request, false))
            continue;
        event->request.memory = true;
        if (event->request.max > FUT_EVENT_MAX_BYTES)
            error_at(event->at, "lower the bounds, or let a method tell the rest", "the event `%s` can be %u bytes; one holds %d", event->name, event->request.max, FUT_EVENT_MAX_BYTES);
        if (event->request.max + FUT_EVENT_HEADER > protocol->event_slot)
            protocol->event_slot = event->request.max + FUT_EVENT_HEADER;
    }
}

static void check_protocol(const struct library *library, struct decl *protocol)
{
    protocol->id = protocol_id(full_name_of(protocol));
    check_facets(protocol);
    for (unsigned i = 0; i < protocol->method_count; i++) {
        struct method *method = &protocol->methods[i];
        check_name(method->name, method->at);
        method->c_name = c_identifier(snake(method->name));
        check_ordinal(method);
        for (unsigned j = 0; j < i; j++)
            check_different(method, &protocol->methods[j], "method");
        if (method->oneway && method->snapshot)
            error_at(method->at, nullptr, "`%s` tells nothing: nobody replies to it", method->name);
        if (method->oneway && method->error != nullptr)
            error_at(method->error->at, nullptr, "nobody replies to `%s`, so it has no error", method->name);
        check_message(library, method, &method->request, false);
        check_message(library, method, &method->reply, true);
        if (method->error != nullptr) {
            method->error->decl = resolve(library, method->error->name, method->error->at, "error type");
            if (method->error->decl != nullptr && method->error->decl->kind != DECL_ERROR)
                error_at(method->error->at, nullptr, "`%s` is %s, not an error type", method->error->name, kind_names[method->error->decl->kind]);
        }
    }
    if (protocol->event_count != 0)
        check_events(library, protocol);
    else if (protocol->event_slots_at.source != nullptr)
        error_at(protocol->event_slots_at, nullptr, "the protocol `%s` has no events", protocol->name);
}

bool check_library(struct library *library)
{
    unsigned before = error_count;
    for (unsigned i = 0; i < library->decl_count; i++) {
        struct decl *decl = library->decls[i];
        check_name(decl->name, decl->at);
        decl->prefix = arena_printf("%s_%s", library->name, snake(decl->name));
        decl->upper = upper(decl->prefix);
        for (unsigned j = 0; j < i; j++)
            if (strcmp(library->decls[j]->prefix, decl->prefix) == 0) {
                error_at(decl->at, "names that differ only in case and underscores are the same in C", "`%s` is declared twice", decl->name);
                note_at(library->decls[j]->at, "the first is here");
            }
    }
    for (unsigned i = 0; i < library->decl_count; i++) {
        struct decl *decl = library->decls[i];
        if (decl->kind == DECL_STRUCT)
            layout_struct(decl);
        else if (decl->kind == DECL_RING)
            check_ring(decl);
        else if (decl->kind == DECL_TABLE || decl->kind == DECL_UNION)
            layout_table(decl);
        else if (decl->kind != DECL_PROTOCOL)
            check_values(decl);
    }
    for (unsigned i = 0; i < library->decl_count; i++)
        if (library->decls[i]->kind == DECL_PROTOCOL)
            check_protocol(library, library->decls[i]);
    for (unsigned i = 0; i < library->decl_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (library->decls[i]->id != 0 && library->decls[i]->id == library->decls[j]->id)
                error_at(library->decls[i]->at, "rename one of them", "the identifiers of `%s` and `%s` collide", library->decls[i]->name, library->decls[j]->name);
    return error_count == before;
}
