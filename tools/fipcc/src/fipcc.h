// SPDX-License-Identifier: MPL-2.0
//
// fipcc, the compiler of the FIPC protocol language. It reads one .fipc file and those it uses, checks them
// (parse.c, check.c), lays out the messages (layout.c) and writes C (gen_*.c) and other things made from the
// same tree. The tree is never freed: the program ends when it is done.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// --- Sources and diagnostics (diag.c) ------------------------------------------------------------------------

struct source {
    const char *path;  // as given on the command line
    const char *text;  // 0-terminated
    size_t length;
};

// A range of a source: for a message with line, column and caret.
struct span {
    const struct source *source;
    size_t start, end;
};

void *arena_alloc(size_t bytes); // zeroed
char *arena_copy(const char *text, size_t length);
[[gnu::format(printf, 1, 2)]] char *arena_printf(const char *format, ...);

// Reports an error with an optional hint (may be null); the compiler goes on and fails in the end.
[[gnu::format(printf, 3, 4)]] void error_at(struct span at, const char *hint, const char *format, ...);
// A further place that belongs to the error just reported.
[[gnu::format(printf, 2, 3)]] void note_at(struct span at, const char *format, ...);
[[noreturn, gnu::format(printf, 1, 2)]] void fatal(const char *format, ...);
extern unsigned error_count;
unsigned line_of(struct span at);

const struct source *source_read(const char *path);  // null: cannot be read

// The nearest of n names to `wrong`, if it is near enough to be what was meant; else null.
const char *nearest_name(const char *wrong, const char *const *names, size_t n);

// --- Tokens (lex.c) --------------------------------------------------------------------------------------------

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_NUMBER, TOKEN_ARROW, TOKEN_PUNCT };

struct token {
    enum token_kind kind;
    struct span at;
    const char *text;    // names
    uint64_t number;
    bool negative;
    char punct;
    const char *doc;     // the /// lines before it; null: none
};

struct token *tokens_of(const struct source *source, size_t *count); // ends with TOKEN_END

// --- The tree ----------------------------------------------------------------------------------------------------

enum type_kind {
    TYPE_INT,      // u8 .. i64, bool, f32, f64: see base
    TYPE_NAMED,    // enum, bits, error, struct: see decl
    TYPE_ARRAY,    // element, count
    TYPE_BYTES,    // count: the bound
    TYPE_STRING,
    TYPE_VECTOR,   // element, count: the bound
    TYPE_CAP,      // cap
    TYPE_BUFFER,   // a range of the caller's memory; rights
};

enum base { BASE_BOOL, BASE_U8, BASE_U16, BASE_U32, BASE_U64, BASE_I8, BASE_I16, BASE_I32, BASE_I64, BASE_F32, BASE_F64, BASE_COUNT };
struct base_info { const char *name, *c_name; unsigned size; bool is_signed, is_integer; };
extern const struct base_info base_info[BASE_COUNT];

enum cap_kind {
    CAP_CLIENT, CAP_SERVER, CAP_MEM, CAP_EVENT, CAP_WAITSET, CAP_IRQ, CAP_IOPORT, CAP_TASK, CAP_SPACE, CAP_THREAD,
    CAP_CHANNEL, CAP_ACCOUNT, CAP_RING, CAP_MACHINE, CAP_KIND_COUNT
};
struct cap_info { const char *name, *object; };
extern const struct cap_info cap_info[CAP_KIND_COUNT];

struct decl;
struct type {
    enum type_kind kind;
    struct span at;
    enum base base;
    const char *name;        // TYPE_NAMED, CAP_CLIENT, CAP_RING: as written ("io.File"); "any"
    struct decl *decl;       // what it names
    struct type *element;
    uint64_t count;
    const char *count_name;  // a constant, where the bound was written as one
    struct span count_at;
    // TYPE_CAP, TYPE_BUFFER
    enum cap_kind cap;
    uint32_t rights;         // FUT_RIGHT_* of abi.h; 0: not stated
    const char *rights_text; // "FUT_RIGHT_READ | ..."
    const char *facet;       // client P<facet>
    struct span facet_at;
    bool optional;
    unsigned size, align;    // of fixed-layout types, after check
};

enum mode { MODE_NONE, MODE_MOVE, MODE_DUP, MODE_LEND };

struct param {
    const char *name;
    struct span at;
    const char *doc;
    enum mode mode;
    struct type *type;
    const char *c_name;      // a C identifier for it (keywords get a _)
    unsigned offset;         // in the fixed part: of the value, or of the length of what lies out of line
    unsigned optional_bit;   // capabilities: in the presence word
    unsigned lease;          // TYPE_BUFFER: its number
    uint64_t number;         // of a member of a table
    struct span number_at;
};

// One direction of a method.
struct message {
    struct param *params;
    unsigned count;
    bool memory;             // form M
    unsigned fixed;          // bytes of the fixed part, multiple of 8
    unsigned max;            // bytes of the longest body
    unsigned caps, optionals, variables, leases;
    unsigned present;        // offset of the presence word, where optionals != 0
};

struct method {
    const char *name, *c_name;
    struct span at;
    const char *doc;
    uint64_t ordinal;
    struct span ordinal_at;
    bool oneway, idempotent, once, local, blocking, snapshot;
    bool implied;            // not written: it comes with the protocol's events
    uint64_t deadline_ns;
    struct message request, reply;
    struct type *error;      // null: none declared
    uint32_t facets;         // perms bits that let it through; 0 with a protocol that has no facets
};

struct facet {
    const char *name, *doc;
    struct span at;
    const char **members;    // names of methods and (after +) facets, in the order written
    struct span *member_at;
    bool *member_is_facet;
    unsigned count;
    uint32_t perms;          // what a Session with this facet carries
};

struct value { const char *name, *doc; struct span at; uint64_t number; bool negative; };

enum decl_kind { DECL_CONST, DECL_ENUM, DECL_BITS, DECL_ERROR, DECL_STRUCT, DECL_PROTOCOL, DECL_RING, DECL_TABLE, DECL_UNION };
enum openness { OPENNESS_OPEN, OPENNESS_AJAR, OPENNESS_CLOSED };

struct decl {
    enum decl_kind kind;
    const char *name, *doc;
    struct span at;
    struct library *library;
    const char *prefix;      // C: io_stat; IO_STAT in upper case
    const char *upper;
    enum base base;          // CONST, ENUM, BITS, ERROR
    bool strict;
    struct value *values;    // ENUM, BITS, ERROR; CONST: values[0]
    unsigned value_count;
    struct param *fields;    // STRUCT, TABLE, UNION
    unsigned field_count;
    struct type *slots;      // RING: TYPE_BYTES, or TYPE_VECTOR of what a slot holds
    unsigned size, align;    // STRUCT, TABLE; RING: of a slot
    uint64_t bound;          // TABLE: bytes that it may grow to; UNION: of the largest member
    struct span bound_at;
    int visiting;            // 1: being laid out, 2: done
    enum openness openness;  // PROTOCOL
    struct method *methods;
    unsigned method_count;
    struct method *events;   // request: what they carry
    unsigned event_count;
    uint64_t event_slots;    // of the ring; event_slot: bytes of each
    struct span event_slots_at;
    unsigned event_slot;
    struct facet *facets;
    unsigned facet_count;
    uint32_t id;
};

struct library {
    const char *full, *name;  // futura.io, io
    struct span at;
    const struct source *source;
    const char *doc;
    struct library **uses;
    unsigned use_count;
    struct decl **decls;
    unsigned decl_count;
};

struct library *parse_library(const struct source *source); // null: nothing usable
struct library *load_library(const char *path);             // with all it uses, parsed and checked
bool check_library(struct library *library);

// --- What a receiver checks in fixed-layout data (layout.c) ------------------------------------------------------

struct enum_check { unsigned offset; const struct decl *decl; };
struct plan {
    unsigned size;
    uint8_t *zero;            // per byte: bits that must be zero (padding, booleans, unknown strict bits)
    uint8_t *padding;         // per byte: 0xff where no field lies
    struct enum_check *enums; // strict enums
    unsigned enum_count;
};
struct plan plan_of_type(const struct type *type);
struct plan plan_of_message(const struct message *message);
bool plan_is_empty(const struct plan *plan);
void layout_message(struct message *message);
uint32_t protocol_id(const char *full_name);
char *full_name_of(const struct decl *decl); // futura.io.File

// --- Output (gen_*.c) ----------------------------------------------------------------------------------------------

struct out { FILE *file; };
[[gnu::format(printf, 2, 3)]] void put(struct out *o, const char *format, ...);
char *c_type(const struct type *type);                    // of a fixed-layout type, or a handle type
char *snake(const char *name);
char *upper(const char *name);
const char *c_identifier(const char *name);               // keywords get a _
bool is_struct(const struct type *type);                  // in C: structs and tables
bool is_view(const struct type *type);                    // bytes, string, vector
bool is_typed_client(const struct type *type);
bool is_ring(const struct type *type);
bool is_table(const struct type *type);                   // a table or a union
bool is_variable(const struct type *type);                // out of line: a view or a table
const char *handle_member(const struct type *type);       // ".h" for typed client ends, else ""
char *view_type(const struct library *library, const struct type *type);
char *fill_type(const struct library *library, const struct type *type);
const struct type *element_of(const struct type *type);   // null for bytes and strings
void put_body_struct(struct out *o, const char *name, const struct message *message);
void put_checks(struct out *o, const char *indent, const char *words, const struct plan *plan, const char *fail);
void put_struct_checks(struct out *o, const struct library *library);
char *request_tag(const struct decl *protocol, const struct method *method, bool with_caps);
char *reply_tag(const struct decl *protocol, const struct method *method, bool with_caps);
char *method_prefix(const struct decl *protocol, const struct method *method);
void gen_header(const struct library *library, const char *path);
void gen_client(const struct library *library, const char *path);
void gen_server(const struct library *library, const char *path);
void put_json(struct out *o, const struct library *library); // all but the closing brace
char *type_text(const struct library *library, const struct type *type);
unsigned check_lock(const struct library *library);          // how many breaks it reported
unsigned write_lock(const struct library *library, const char *reason);
void gen_docs(const struct library *library, const char *path);
void put_cost(const struct library *library);
void put_decode_table(const struct library *library);

void put_events_header(struct out *o, const struct decl *protocol); // gen_event.c
void put_events_client(struct out *o, const struct decl *protocol);
void put_events_server(struct out *o, const struct decl *protocol);
void put_comment(struct out *o, const char *indent, const char *doc);
void put_table(struct out *o, const struct decl *table);     // gen_table.c
void put_union(struct out *o, const struct decl *u);
void put_ring(struct out *o, const struct decl *ring);       // gen_ring.c
void put_valid(struct out *o, const char *name, const char *c, const struct plan *plan);
size_t ring_bytes(const struct decl *ring);

// gen_message.c: the code that writes and reads one direction of a method. server: the handler's side, where
// values stand in *fut_res; otherwise in the arguments of the client function.
enum side {
    SIDE_CLIENT, // request from the arguments, reply into the IPC buffer or registers
    SIDE_SERVER,
    SIDE_EVENT,  // body in a slot of a ring: fut_body, of fut_end bytes
};
void put_encode(struct out *o, const struct decl *protocol, const struct method *method, const struct message *message, const char *body, enum side side);
void put_decode(struct out *o, const struct decl *protocol, const struct message *message, const char *body, enum side side, const char *fail);
bool message_has_caps(const struct message *message);
char *handler_argument(const struct library *library, const struct param *param);
void gen_test(const struct library *library, const char *path);
char *client_argument(const struct library *library, const struct param *param);
char *client_signature(const struct decl *protocol, const struct method *method, const char *suffix, bool options);
