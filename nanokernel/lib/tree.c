// SPDX-License-Identifier: MPL-2.0
//
// An ordered tree (a treap: heap-ordered by a random weight, so that no sequence of keys unbalances it).
// Mappings by address, Sessions by badge, timers by deadline.
#include <base.h>

static uint32_t random_state = 0x9e3779b9;

static uint32_t next_weight(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static void replace_child(struct tree *t, struct tree_node *old, struct tree_node *with)
{
    struct tree_node *parent = old->parent;
    if (!parent)
        t->root = with;
    else if (parent->left == old)
        parent->left = with;
    else
        parent->right = with;
    if (with)
        with->parent = parent;
}

// Lifts n above its parent.
static void rotate_up(struct tree *t, struct tree_node *n)
{
    struct tree_node *parent = n->parent;
    replace_child(t, parent, n);
    if (parent->left == n) {
        parent->left = n->right;
        if (n->right)
            n->right->parent = parent;
        n->right = parent;
    } else {
        parent->right = n->left;
        if (n->left)
            n->left->parent = parent;
        n->left = parent;
    }
    parent->parent = n;
}

void tree_insert(struct tree *t, struct tree_node *n)
{
    struct tree_node **link = &t->root, *parent = nullptr;
    while (*link) {
        parent = *link;
        link = n->key < parent->key ? &parent->left : &parent->right;
    }
    n->parent = parent;
    n->left = n->right = nullptr;
    n->weight = next_weight();
    n->in = true;
    *link = n;
    while (n->parent && n->parent->weight < n->weight)
        rotate_up(t, n);
}

void tree_remove(struct tree *t, struct tree_node *n)
{
    while (n->left && n->right)
        rotate_up(t, n->left->weight > n->right->weight ? n->left : n->right);
    replace_child(t, n, n->left ? n->left : n->right);
    n->parent = n->left = n->right = nullptr;
    n->in = false;
}

struct tree_node *tree_first(const struct tree *t)
{
    struct tree_node *n = t->root;
    while (n && n->left)
        n = n->left;
    return n;
}

struct tree_node *tree_next(const struct tree_node *n)
{
    if (n->right) {
        struct tree_node *m = n->right;
        while (m->left)
            m = m->left;
        return m;
    }
    while (n->parent && n->parent->right == n)
        n = n->parent;
    return n->parent;
}

struct tree_node *tree_floor(const struct tree *t, uint64_t key)
{
    struct tree_node *best = nullptr;
    for (struct tree_node *n = t->root; n;) {
        if (n->key <= key) {
            best = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return best;
}

struct tree_node *tree_ceiling(const struct tree *t, uint64_t key)
{
    struct tree_node *best = nullptr;
    for (struct tree_node *n = t->root; n;) {
        if (n->key >= key) {
            best = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}
