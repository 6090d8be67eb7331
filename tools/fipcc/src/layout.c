// SPDX-License-Identifier: MPL-2.0
//
// How a message lies in registers or in memory, and what a receiver must check in it.
//
// The fixed part holds, in the order of the parameters and with natural alignment: values; for bytes, strings,
// vectors and tables their length as u32 (bytes or elements); for a lent buffer its length as u64. Then, if there
// are optional capabilities, a u32 with one bit for each that is present. It is padded to 8 bytes. What lies
// out of line follows in the order of the parameters, each part padded with zeros to 8 bytes: a reader needs
// one cursor that only moves forward, and no offsets that could lie.
//
// A message has the register form if it has nothing out of line, at most 64 bytes and at most 4 capabilities.
// Capabilities with reduced rights need the memory form, because only there the kernel takes a rights mask.
#include "fipcc.h"
#include "futura_limits.h"
#include <stdlib.h>
#include <string.h>

static unsigned align_up(unsigned n, unsigned align) { return (n + align - 1) & ~(align - 1); }

static unsigned place(unsigned *offset, unsigned size, unsigned align)
{
    unsigned at = align_up(*offset, align);
    *offset = at + size;
    return at;
}

void layout_message(struct message *message)
{
    unsigned offset = 0;
    bool needs_memory = false;
    uint64_t variable_bytes = 0;
    message->caps = message->optionals = message->variables = message->leases = 0;
    for (unsigned i = 0; i < message->count; i++) {
        struct param *param = &message->params[i];
        const struct type *type = param->type;
        if (is_table(type)) {
            message->variables++;
            param->offset = place(&offset, 4, 4);
            variable_bytes += type->decl->bound;
            continue;
        }
        switch (type->kind) {
        case TYPE_CAP:
            message->caps++;
            if (type->optional)
                param->optional_bit = message->optionals++;
            // A ring never carries MANAGE, so that nobody can shrink it under the other side.
            if (type->cap == CAP_RING || (param->mode == MODE_DUP && (type->rights != 0 || type->facet != nullptr)))
                needs_memory = true;
            break;
        case TYPE_BUFFER:
            param->lease = message->leases++;
            param->offset = place(&offset, 8, 8);
            break;
        case TYPE_BYTES:
        case TYPE_STRING:
        case TYPE_VECTOR:
            message->variables++;
            param->offset = place(&offset, 4, 4);
            uint64_t bytes = type->kind == TYPE_VECTOR ? (type->count > 65536 ? 65536 : type->count) * type->element->size : type->count;
            variable_bytes += bytes > 1 << 20 ? 1 << 20 : (bytes + 7) & ~(uint64_t)7;
            break;
        default: param->offset = place(&offset, type->size, type->align);
        }
    }
    if (message->optionals != 0)
        message->present = place(&offset, 4, 4);
    message->fixed = align_up(offset, 8);
    message->max = message->fixed + (unsigned)(variable_bytes > 1 << 30 ? 1 << 30 : variable_bytes);
    message->memory = needs_memory || message->variables != 0 || message->fixed > FUT_IPC_REG_WORDS * 8 || message->caps > FUT_IPC_REG_CAPS;
}

// --- Plans -----------------------------------------------------------------------------------------------------------

static void set_bytes(uint8_t *zero, unsigned offset, unsigned size, uint64_t mask)
{
    for (unsigned i = 0; i < size; i++)
        zero[offset + i] = (uint8_t)(mask >> (8 * i));
}

static void plan_type(struct plan *plan, const struct type *type, unsigned offset)
{
    memset(plan->zero + offset, 0, type->size);
    memset(plan->padding + offset, 0, type->size);
    switch (type->kind) {
    case TYPE_INT:
        if (type->base == BASE_BOOL)
            plan->zero[offset] = 0xfe;
        break;
    case TYPE_ARRAY:
        for (unsigned i = 0; i < type->count; i++)
            plan_type(plan, type->element, offset + i * type->element->size);
        break;
    case TYPE_NAMED: {
        const struct decl *decl = type->decl;
        if (decl->kind == DECL_STRUCT) {
            memset(plan->zero + offset, 0xff, decl->size);
            memset(plan->padding + offset, 0xff, decl->size);
            for (unsigned i = 0; i < decl->field_count; i++)
                plan_type(plan, decl->fields[i].type, offset + decl->fields[i].offset);
        } else if (decl->kind == DECL_BITS && decl->strict) {
            uint64_t known = 0;
            for (unsigned i = 0; i < decl->value_count; i++)
                known |= decl->values[i].number;
            set_bytes(plan->zero, offset, type->size, ~known);
        } else if ((decl->kind == DECL_ENUM && decl->strict) || (decl->kind == DECL_ERROR && decl->strict)) {
            plan->enums = realloc(plan->enums, (plan->enum_count + 1) * sizeof *plan->enums);
            plan->enums[plan->enum_count++] = (struct enum_check){offset, decl};
        }
        break;
    }
    default: break;
    }
}

static struct plan plan_new(unsigned size)
{
    struct plan plan = {.size = size, .zero = arena_alloc(size), .padding = arena_alloc(size)};
    return plan;
}

struct plan plan_of_type(const struct type *type)
{
    struct plan plan = plan_new(type->size);
    plan_type(&plan, type, 0);
    return plan;
}

struct plan plan_of_message(const struct message *message)
{
    struct plan plan = plan_new(message->fixed);
    memset(plan.zero, 0xff, plan.size);
    memset(plan.padding, 0xff, plan.size);
    for (unsigned i = 0; i < message->count; i++) {
        const struct param *param = &message->params[i];
        unsigned size = 0;
        switch (param->type->kind) {
        case TYPE_CAP: break;
        case TYPE_BUFFER: size = 8; break;
        case TYPE_BYTES:
        case TYPE_STRING:
        case TYPE_VECTOR: size = 4; break;
        default:
            if (is_table(param->type))
                size = 4;
            else
                plan_type(&plan, param->type, param->offset);
        }
        memset(plan.zero + param->offset, 0, size);
        memset(plan.padding + param->offset, 0, size);
    }
    if (message->optionals != 0) {
        set_bytes(plan.zero, message->present, 4, ~(((uint64_t)1 << message->optionals) - 1));
        memset(plan.padding + message->present, 0, 4);
    }
    return plan;
}

bool plan_is_empty(const struct plan *plan)
{
    for (unsigned i = 0; i < plan->size; i++)
        if (plan->zero[i] != 0)
            return false;
    return plan->enum_count == 0;
}

// --- Names on the wire ---------------------------------------------------------------------------------------------

// FNV-1a, 32 bits. Zero would be no protocol at all.
uint32_t protocol_id(const char *full_name)
{
    uint32_t hash = 0x811c9dc5u;
    for (const unsigned char *c = (const unsigned char *)full_name; *c != 0; c++)
        hash = (hash ^ *c) * 0x01000193u;
    return hash != 0 ? hash : 1;
}

char *full_name_of(const struct decl *decl) { return arena_printf("%s.%s", decl->library->full, decl->name); }
