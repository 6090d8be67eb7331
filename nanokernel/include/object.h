// SPDX-License-Identifier: MPL-2.0
//
// Kernel objects and capabilities.
//
// Every object starts its life with one reference and is charged to an Account. `handles` counts the
// capabilities that name it, `refs` those plus the kernel's own pointers. At the last handle the type's
// no_handles hook runs (a Channel dies, a Session tells its server); at the last reference the object
// is put on the reap list and destroyed before the kernel is left, so that destruction never recurses.
//
// A capability is a 64-byte slot in a two-level table: handle -> slot is two loads and a compare. Slots
// form the derivation tree: a capability made from another one is its child. Deleting a capability gives
// its children to its parent; revoking deletes the subtree below it.
#pragma once
#include "base.h"

struct account;
struct task;
struct thread;
struct channel;
struct schedule;

struct object {
    uint64_t id;             // never reused
    uint32_t refs, handles;
    uint32_t type;           // FUT_OBJ_*
    uint32_t reserved;
    struct account *account; // who pays for it; holds a reference
    struct object *reap_next;
};

// Allocates zeroed memory for an object of this type and charges `account`; *out holds one reference.
[[nodiscard]] fut_status_t object_new(uint32_t type, struct account *account, struct object **out);
static inline void object_ref(struct object *o) { o->refs++; }
void object_unref(struct object *o);
extern struct object *reap_list;
extern uint8_t reap_priority; // how urgent that is: as those that left it
static inline bool object_reap_pending(void) { return reap_list != nullptr; }
// Destroys what object_unref left, in steps; called before the kernel is left. It stops early where somebody is ready
// who is more urgent than those that left it.
void object_reap(void);
void object_reap_later(struct object *o); // a Task that ends: its hook runs as if the last reference were gone
#define object_of(o, type) container_of(o, type, object)

struct account {
    struct object object;    // charged to its parent
    struct account *parent;
    uint64_t pages_used, pages_limit, objects_used, objects_limit; // used: descendants' included
    uint64_t pages_check;    // more than that is looked at: the limit, or one less than what `pressure` wants to hear of
    struct event *pressure;  // referenced; once signalled it is dropped
    uint64_t pressure_bits;
    uint64_t cpu_ticks;      // descendants' included
    struct schedule *schedule; // referenced: what threads get; null: no limits
};
extern struct account *root_account;
[[nodiscard]] bool account_charge_pages(struct account *a, uint64_t pages);
void account_return_pages(struct account *a, uint64_t pages);

// --- Capabilities ---------------------------------------------------------------------------------
#define CAP_LEAF_SLOTS 64u
#define CAP_LEAVES 512u
#define CAP_SLOTS (CAP_LEAF_SLOTS * CAP_LEAVES)
#define HANDLE_INDEX(h) ((h) & ((1u << FUT_HANDLE_INDEX_BITS) - 1))
#define HANDLE_GENERATION(h) ((h) >> FUT_HANDLE_INDEX_BITS & 0xfff)

// What a free slot holds in `handle`: nothing that a look-up of this very slot could ask for.
#define CAP_NO_HANDLE(index) ((index) ^ 1u)

struct cap {
    struct object *object;   // null: free
    uint32_t handle;         // CAP_NO_HANDLE(its index): free
    uint32_t rights;         // free: the handle last used
    struct cap *parent, *child, *next, *prev; // free: next is the next free slot; stale Reply: see ipc.h
    uint64_t type : 8, frozen : 1, sequence : 55; // frozen: what is derived from it is being revoked
    struct task *task;       // whose table it lies in
};
static_assert(sizeof(struct cap) == 64);

struct cap_table {
    struct cap **leaf;       // a page of CAP_LEAVES pointers
    struct cap *free;
    uint32_t cleared;        // of a dead Task: leaves without a capability
    uint32_t used, free_count, leaves;
};

[[nodiscard]] bool cap_table_init(struct task *t);
// Frees one step's worth of capabilities; true when the table is empty and gone.
bool cap_table_clear(struct task *t);

static inline struct cap *cap_lookup(const struct cap_table *table, fut_handle_t h)
{
    // An index beyond the table leads to some slot, whose handle is another.
    struct cap *leaf = table->leaf[h / CAP_LEAF_SLOTS % CAP_LEAVES];
    if (unlikely(!leaf))
        return nullptr;
    struct cap *c = &leaf[h % CAP_LEAF_SLOTS];
    return likely(c->handle == h) ? c : nullptr;
}

// Finds a capability of this type (FUT_OBJ_NONE: any) with all of `rights`.
[[nodiscard]] fut_status_t cap_get(struct task *t, fut_handle_t h, uint32_t type, uint32_t rights, struct cap **out);

// Makes room for n more capabilities, so that cap_put cannot fail.
[[nodiscard]] fut_status_t cap_reserve(struct task *t, uint32_t n);
// Puts a capability into a free (reserved) slot. It takes a handle reference of its own on the object;
// parent may be null (an origin).
struct cap *cap_put(struct task *t, struct object *o, uint32_t rights, struct cap *parent);
// The same at a given handle value, which must be free: cap_reserve_at first.
[[nodiscard]] fut_status_t cap_reserve_at(struct task *t, fut_handle_t h);
struct cap *cap_put_at(struct task *t, fut_handle_t h, struct object *o, uint32_t rights, struct cap *parent, bool sibling);
// Moves a capability to another task's table; its place in the derivation tree stays.
struct cap *cap_move(struct task *to, struct cap *c, uint32_t rights);
void cap_delete(struct cap *c);
extern uint32_t caps_frozen; // how many capabilities have `frozen`: where it is 0, all may be copied
// cap_reserve + cap_put + object_unref of the creator's reference: how a create call ends.
[[nodiscard]] fut_status_t cap_install(struct task *t, struct object *o, uint32_t rights, fut_handle_t *out);
