/* budget.h -- one limit for the memory of several contexts and of what stands beside them, such as
 * an interpreter's heap, and the host's own allocator behind it. Knows neither tensors nor Lua.
 *
 * Ownership  Counted: each context of a tn_config with a budget holds it until its last block is
 *            back, which may be long after tn_close.
 * Errors     NULL: the limit is reached, or the host has no more.
 * Threads    Any number at once. */
#ifndef TN_BUDGET_H
#define TN_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct tn_budget tn_budget;

/* As Lua's: block NULL asks for a new block, new_size 0 frees. Making one smaller must not fail. */
typedef void *(*tn_alloc_fn)(void *user, void *block, size_t old_size, size_t new_size);

/* limit 0: none. alloc NULL: the C library's. The budget's own record comes from it, too. */
tn_budget *tn_budget_new(size_t limit, tn_alloc_fn alloc, void *user);
tn_budget *tn_budget_retain(tn_budget *b); /* accepts NULL */
void tn_budget_release(tn_budget *b);      /* accepts NULL */

/* Counts bytes; false, and nothing counted, beyond the limit. */
bool tn_budget_take(tn_budget *b, size_t bytes);
void tn_budget_give(tn_budget *b, size_t bytes);

/* As realloc, counted. */
void *tn_budget_resize(tn_budget *b, void *block, size_t old_size, size_t new_size);
/* Blocks aligned to 64 bytes. A budget of NULL: the C library's, and nothing is counted. */
void *tn_budget_block(tn_budget *b, size_t size);
void tn_budget_unblock(tn_budget *b, void *block, size_t size);

/* Straight from the host's allocator: neither counted nor limited. */
void *tn_budget_host(tn_budget *b, void *block, size_t old_size, size_t new_size);

size_t tn_budget_used(const tn_budget *b);  /* bytes; 0 for NULL */
size_t tn_budget_limit(const tn_budget *b); /* 0: none, or NULL */
size_t tn_budget_set_limit(tn_budget *b, size_t limit); /* returns what it was */

#endif
