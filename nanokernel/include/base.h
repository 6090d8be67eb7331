// SPDX-License-Identifier: MPL-2.0
//
// What every kernel file uses: intrusive lists, an ordered tree, panic, and the four memory functions
// that a compiler may call by itself.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <futura/abi.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

// A broken kernel invariant: prints the state and stops. Never the answer to bad input.
[[noreturn, gnu::format(printf, 1, 2)]] void panic(const char *format, ...);
#define kassert(x) do { if (unlikely(!(x))) panic("%s:%d: %s", __FILE_NAME__, __LINE__, #x); } while (0)

// The kernel log: a ring; printed on the platform's console too while log_console is set.
[[gnu::format(printf, 1, 2)]] void klog(const char *format, ...);

// --- Circular doubly linked list; an element not in any list points to itself -----------------------
struct list { struct list *next, *prev; };

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_insert(struct list *after, struct list *l)
{
    l->next = after->next;
    l->prev = after;
    after->next->prev = l;
    after->next = l;
}
static inline void list_append(struct list *head, struct list *l) { list_insert(head->prev, l); }
static inline void list_remove(struct list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->next = l->prev = l;
}
#define list_first(head, type, member) container_of((head)->next, type, member)
#define list_each(head, type, member, it)                                                            \
    for (type *it = list_first(head, type, member); &it->member != (head);                           \
         it = list_first(&it->member, type, member))
#define list_each_safe(head, type, member, it)                                                       \
    for (type *it = list_first(head, type, member), *it##_next = list_first(&it->member, type, member); \
         &it->member != (head); it = it##_next, it##_next = list_first(&it->member, type, member))

// --- Ordered tree (treap): keys may repeat; equal keys keep the order of insertion ---------------------
struct tree_node { struct tree_node *parent, *left, *right; uint64_t key; uint32_t weight; bool in; };
struct tree { struct tree_node *root; };

void tree_insert(struct tree *t, struct tree_node *n); // by n->key
void tree_remove(struct tree *t, struct tree_node *n);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_floor(const struct tree *t, uint64_t key);   // last with key <= key
struct tree_node *tree_ceiling(const struct tree *t, uint64_t key); // first with key >= key
